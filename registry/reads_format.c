#include "registry/api_inside.h"
#include "registry/may.h"
#include "registry/tags.h"

#include <strings.h>

#define TAGS_ASKED_MOST 64 // as many as a query has parameters
#define DEPTH_MOST 32      // of references, as in candidate.c

static bool asks(const struct http_req *r, const char *name, const char *value)
{
    struct span v = {0};

    return http_param(r, name, &v) && v.n == strlen(value) &&
           strncasecmp((const char *)v.p, value, v.n) == 0;
}

struct seeing {
    const struct reg_api *api;
    const struct http_req *r;
    const struct reg_state *s;
    struct arena *a;
    struct reg_refusal *no;
    struct tab seen; // by struct reg_schema: many roads may lead to one
};

/* What is written out is read: each subject it comes from must be theirs to read. */
static bool may_see(struct seeing *k, const struct reg_schema *schema, int depth)
{
    struct span context =
        arena_printf(k->a, ":" WHOLE_FMT ":", WHOLE(schema->context->name));

    if (tab_put_id(&k->seen, (int64_t)(uintptr_t)schema, k) != NULL)
        return true;
    if (!reg_may_refer(k->api, k->r, &schema->what, context, k->a, k->no))
        return false;
    for (size_t i = 0; depth < DEPTH_MOST && i < schema->what.n_references; i++) {
        const struct reg_version *v =
            reg_referred(k->s, schema->context->name, &schema->what.references[i]);
        if (v != NULL && !may_see(k, v->schema, depth + 1))
            return false;
    }
    return true;
}

static bool resolve(const struct reg_api *api, const struct http_req *r,
                    const struct reg_state *s, const struct reg_schema *schema,
                    struct api_schema *answer, struct arena *a, struct reg_refusal *no)
{
    struct seeing k = {.api = api, .r = r, .s = s, .a = a, .no = no};
    struct err e = {0};

    if (schema->what.n_references == 0 || !api_is_avro(&schema->what))
        return true;
    bool may = may_see(&k, schema, 0);
    tab_free(&k.seen);
    if (!may)
        return false;
    if (reg_written_out(&answer->schema, s, schema, a, &e) == ERR_OK)
        return true;
    reg_refuse(no, a, REG_INVALID_SCHEMA, "Invalid schema: %s", e.msg);
    return false;
}

/* References that say no context say the schema's own. */
static void qualify(const struct reg_schema *schema, struct api_schema *answer,
                    struct arena *a)
{
    struct api_reference *refs = arena_array(a, answer->n_references, sizeof *refs);

    for (size_t i = 0; i < answer->n_references; i++) {
        struct subject split = subject_split(answer->references[i].subject);

        refs[i] = answer->references[i];
        if (split.name.n == refs[i].subject.n)
            refs[i].subject =
                arena_printf(a, ":" WHOLE_FMT ":" WHOLE_FMT,
                             WHOLE(schema->context->name), WHOLE(refs[i].subject));
    }
    answer->references = refs;
}

static void find_tags(const struct http_req *r, struct api_schema *answer,
                      struct span text, struct arena *a)
{
    struct span wanted[TAGS_ASKED_MOST];
    struct buf out = BUF_INIT(SIZE_MAX / 2);
    size_t n = 0;

    for (size_t i = 0; i < r->nparams && n < TAGS_ASKED_MOST; i++)
        if (span_eq(r->params[i].name, span_str("findTags")))
            wanted[n++] = r->params[i].value;
    if (n == 0)
        return;
    reg_tags_put(&out, text, wanted, n, a);
    if (out.n > 2) // []: none
        answer->tags = arena_copy(a, buf_span(&out));
    buf_free(&out);
}

bool format_answer(const struct reg_api *api, const struct http_req *r,
                   const struct reg_state *s, const struct reg_schema *schema,
                   struct api_schema *answer, struct arena *a, struct reg_refusal *no)
{
    find_tags(r, answer, schema->what.schema, a);
    if (asks(r, "referenceFormat", "qualified"))
        qualify(schema, answer, a);
    return !asks(r, "format", "resolved") || resolve(api, r, s, schema, answer, a, no);
}
