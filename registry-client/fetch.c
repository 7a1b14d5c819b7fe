#include "registry-client/fetch.h"

#include "base/plain.h"
#include "http/url.h"

#include <stdlib.h>

#define REFERENCES_DEEP 16
#define REFERENCES_MOST 200

/* One walk along a schema's references. */
struct walk {
    struct rest *rest;
    int64_t deadline_ms;
    size_t fetched;
};

void fetch_put_version_path(struct buf *out, struct span subject, int32_t version)
{
    buf_put_str(out, "/subjects/");
    url_put_escaped(out, subject);
    if (version == 0)
        buf_put_str(out, "/versions/latest");
    else
        buf_printf(out, "/versions/%d", version);
}

static enum err_kind fetch(struct walk *w, struct span path, int depth,
                           struct rc_schema *out, struct err *e);

static enum err_kind fetch_reference(struct walk *w,
                                     const struct api_reference *reference, int depth,
                                     struct av_schema **out, struct err *e)
{
    struct rc_schema found = {0};
    struct buf path = BUF_INIT(8192);

    fetch_put_version_path(&path, reference->subject, reference->version);
    enum err_kind rc = buf_status(&path, e);
    if (rc == ERR_OK)
        rc = fetch(w, buf_span(&path), depth + 1, &found, e);
    buf_free(&path);
    if (rc != ERR_OK)
        return err_prefix(e, "reference to " SPAN_FMT " version %d",
                          SPAN_ARG(reference->subject), reference->version);
    *out = av_schema_retain(found.schema);
    rc_schema_free(&found);
    return ERR_OK;
}

/* Parses `d` after its references; what was fetched for it is let go again. */
static enum err_kind parse(struct walk *w, const struct rc_draft *d, int depth,
                           struct av_schema **out, struct err *e)
{
    size_t n = d->n_references, got = 0;
    enum err_kind rc = ERR_OK;

    if (depth > REFERENCES_DEEP || n > REFERENCES_MOST - w->fetched)
        return err_set(e, ERR_LIMIT, "references more than %d deep or %d in all",
                       REFERENCES_DEEP, REFERENCES_MOST);
    w->fetched += n;
    struct av_schema **known = mem_array(n + 1, sizeof *known);
    while (got < n && rc == ERR_OK) {
        rc = fetch_reference(w, &d->references[got], depth, &known[got], e);
        got += rc == ERR_OK;
    }
    locale_t was = plain_begin();
    if (rc == ERR_OK)
        rc = av_schema_parse(out, d->text, known, n, NULL, e);
    plain_end(was);
    while (got > 0)
        av_schema_release(known[--got]);
    free(known);
    return rc;
}

static struct span copy_text(struct span s)
{
    return s.n > 0 ? span_of(mem_str(s), s.n) : (struct span){0};
}

static struct rc_beside *beside_of(const struct rest_schema *s)
{
    if (s->metadata.n == 0 && s->rules.n == 0)
        return NULL;
    struct rc_beside *b = mem_alloc(sizeof *b);
    b->metadata = copy_text(s->metadata);
    b->rules = copy_text(s->rules);
    atomic_init(&b->users, 1);
    return b;
}

static enum err_kind read_reference(struct api_reference *out, const struct json *j,
                                    struct err *e)
{
    const struct json *subject = json_member(j, "subject");
    int64_t version;

    if (!json_is(subject, JSON_STRING))
        return err_set(e, ERR_INVALID, "a reference without a subject");
    TRY(json_int(&version, json_member(j, "version"), 1, INT32_MAX, e));
    *out =
        (struct api_reference){.subject = subject->text, .version = (int32_t)version};
    return ERR_OK;
}

/* An answer as a draft; its references live in `a`. */
static enum err_kind read_draft(struct rc_draft *out, const struct rest_schema *s,
                                struct arena *a, struct err *e)
{
    size_t n = s->references != NULL ? s->references->n : 0, i = 0;

    if (n > REFERENCES_MOST)
        return err_set(e, ERR_LIMIT, "%zu references, at most %d", n, REFERENCES_MOST);
    struct api_reference *references = arena_array(a, n + 1, sizeof *references);
    for (const struct json *j = n > 0 ? s->references->first : NULL; j != NULL;
         j = j->next)
        TRY(read_reference(&references[i++], j, e));
    *out =
        (struct rc_draft){.text = s->text, .references = references, .n_references = n};
    return ERR_OK;
}

static enum err_kind fetch(struct walk *w, struct span path, int depth,
                           struct rc_schema *out, struct err *e)
{
    struct rest_answer answer;
    struct rest_schema s;
    struct rc_draft draft;
    struct av_schema *schema = NULL;

    TRY(rest_ask(w->rest, HTTP_GET, path, (struct span){0}, w->deadline_ms, &answer,
                 e));
    enum err_kind rc = rest_read_schema(&s, &answer, e);
    if (rc == ERR_OK)
        rc = read_draft(&draft, &s, &answer.reply.arena, e);
    if (rc == ERR_OK)
        rc = parse(w, &draft, depth, &schema, e);
    if (rc == ERR_OK)
        *out = (struct rc_schema){.id = s.id,
                                  .version = s.version,
                                  .subject = span_of(mem_str(s.subject), s.subject.n),
                                  .schema = schema,
                                  .beside = beside_of(&s)};
    rest_answer_free(&answer);
    return rc;
}

enum err_kind fetch_references(struct rest *r, const struct rc_draft *draft,
                               int64_t deadline_ms, struct av_schema **out,
                               struct err *e)
{
    struct walk w = {.rest = r, .deadline_ms = deadline_ms};

    return parse(&w, draft, 0, out, e);
}

enum err_kind fetch_schema(struct rest *r, struct span path, int64_t deadline_ms,
                           struct rc_schema *out, struct err *e)
{
    struct walk w = {.rest = r, .deadline_ms = deadline_ms};

    return fetch(&w, path, 0, out, e);
}
