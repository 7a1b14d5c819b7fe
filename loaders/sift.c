#include "loaders/sift.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/tab.h"
#include "format/rewrite.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define IDS_KEPT 10000 // garbage can name any id; past this all are forgotten

struct writer { // what we know of a schema id
    int32_t id;
    struct rc_schema held; // schema NULL = not fetched yet
    struct av_plan *plan;  // for the reader of `shape`
    uint64_t shape;
    int64_t unknown_since; // clock_ms() of the first "there is none", 0 = never
    int64_t asked_ms;
    char why[200]; // its records are set aside for this, "" = they are not
};

struct sift {
    struct rc *rc;
    struct sift_options o;
    struct rc_schema reader;
    uint64_t shape; // 0 = no reader yet
    struct tab writers;
    struct tab keys;     // the same for keys; each is read as it was written
    struct writer *last; // of the record before: nearly always the next one's too
    // with transforms
    struct transform_program *program; // for the reader
    struct av_plan *made;              // of what it makes
    struct transform_run *run;
    struct transform_result result;
    struct buf resolved; // a record in the reader's schema, where its own is another
    struct rewrite rewrite;
    struct quality_count *counts, *unread; // where the rules count; nobody's
    int32_t partition;                     // of the prepared batch
    int64_t now;
    bool misfits;
};

static void forget_program(struct sift *s)
{
    transform_program_free(s->program);
    av_plan_free(s->made);
    s->program = NULL;
    s->made = NULL;
}

/* The transforms and rules for this reader; nothing has changed when they do not fit
 * it. */
static enum err_kind use_steps(struct sift *s, struct av_schema *reader, struct err *e)
{
    struct transform_program *program = NULL;
    struct av_plan *made = NULL;
    struct av_schema *out = reader;
    enum err_kind rc = ERR_OK;

    if (s->o.transform == NULL && s->o.quality == NULL)
        return ERR_OK;
    if (s->o.transform != NULL)
        rc = transform_compile(&program, s->o.transform, reader, e);
    if (rc == ERR_OK && program != NULL)
        out = transform_schema(program);
    if (rc == ERR_OK)
        rc = av_plan_new(&made, out, out, e);
    if (rc == ERR_OK && s->o.quality != NULL)
        rc = quality_use(s->o.quality, out, e);
    s->misfits = rc != ERR_OK;
    if (rc != ERR_OK) {
        transform_program_free(program);
        av_plan_free(made);
        return e->kind = ERR_INVALID;
    }
    forget_program(s);
    s->program = program;
    s->made = made;
    return ERR_OK;
}

static void free_writer(struct writer *w)
{
    if (w->held.schema != NULL)
        rc_schema_free(&w->held);
    av_plan_free(w->plan);
    free(w);
}

static void forget_all(struct tab *writers)
{
    struct writer *w;

    for (size_t at = 0; (w = tab_each(writers, &at, NULL)) != NULL;)
        free_writer(w);
    tab_free(writers);
    *writers = (struct tab){0};
}

static void forget_writers(struct sift *s)
{
    forget_all(&s->writers);
    s->last = NULL;
}

void sift_close(struct sift *s)
{
    if (s == NULL)
        return;
    forget_writers(s);
    forget_all(&s->keys);
    if (s->o.shape_text != NULL && s->reader.schema != NULL)
        av_schema_release(s->reader.schema);
    else if (s->reader.schema != NULL)
        rc_schema_free(&s->reader);
    forget_program(s);
    transform_run_free(s->run);
    rewrite_free(&s->rewrite);
    buf_free(&s->resolved);
    free(s->unread);
    free(s);
}

static enum err_kind open_shape(struct sift *s, struct err *e)
{
    if (s->o.shape_text == NULL)
        return ERR_OK;
    TRY(av_schema_parse(&s->reader.schema, span_str(s->o.shape_text), NULL, 0, NULL,
                        e));
    s->shape = 1;
    return use_steps(s, s->reader.schema, e);
}

enum err_kind sift_open(struct sift **out, struct rc *rc, const struct sift_options *o,
                        struct err *e)
{
    struct sift *s = mem_alloc(sizeof *s);

    *s = (struct sift){.rc = rc, .o = *o, .resolved = BUF_INIT(TRANSFORM_BYTES)};
    rewrite_init(&s->rewrite, &s->resolved);
    if (o->transform != NULL)
        s->run = transform_run_new(o->memory);
    if (o->quality != NULL)
        s->counts = s->unread = quality_counts(o->quality);
    if (open_shape(s, e) != ERR_OK) {
        sift_close(s);
        return e->kind;
    }
    *out = s;
    return ERR_OK;
}

struct av_schema *sift_reader(const struct sift *s)
{
    return s->program != NULL ? transform_schema(s->program) : s->reader.schema;
}

bool sift_misfits(const struct sift *s)
{
    return s->misfits;
}

uint64_t sift_shape(const struct sift *s)
{
    return s->shape;
}

int32_t sift_reader_id(const struct sift *s)
{
    return s->o.shape_text != NULL || s->program != NULL ? 0 : s->reader.id;
}

/* Takes `latest` over, whatever comes of it. */
static enum err_kind adopt(struct sift *s, struct rc_schema *latest, struct err *e)
{
    if (use_steps(s, latest->schema, e) != ERR_OK) {
        err_prefix(e, "%.60s version %" PRId32, s->o.subject, latest->version);
        rc_schema_free(latest);
        return e->kind;
    }
    if (s->reader.schema != NULL)
        rc_schema_free(&s->reader);
    s->reader = *latest;
    s->shape++;
    log_event(LOG_INFO, "reader schema", LOG_S("subject", s->o.subject),
              LOG_I("id", latest->id), LOG_I("version", latest->version), LOG_END);
    return ERR_OK;
}

static enum err_kind ask_latest(struct sift *s, struct rc_schema *out, struct err *e)
{
    const struct sift_schemas *own = s->o.schemas;

    if (own != NULL)
        return own->latest(own->arg, out, e);
    return rc_latest(s->rc, span_str(s->o.subject), clock_ms() + s->o.timeout_ms, out,
                     e);
}

static enum err_kind ask_by_id(struct sift *s, int32_t id, bool key,
                               struct rc_schema *out, struct err *e)
{
    const struct sift_schemas *own = s->o.schemas;

    if (own != NULL)
        return (key ? own->key_by_id : own->by_id)(own->arg, id, out, e);
    return rc_by_id(s->rc, id, clock_ms() + s->o.timeout_ms, out, e);
}

enum err_kind sift_latest(struct sift *s, struct err *e)
{
    struct rc_schema latest;

    if (s->o.shape_text != NULL)
        return ERR_OK;
    TRY(ask_latest(s, &latest, e));
    if (latest.stale) {
        rc_schema_free(&latest);
        return err_set(e, ERR_UNAVAILABLE,
                       "the registry is away: its latest is not "
                       "known");
    }
    if (s->reader.schema == NULL || latest.id != s->reader.id)
        return adopt(s, &latest, e);
    rc_schema_free(&latest);
    return ERR_OK;
}

static struct writer *writer_of(struct sift *s, int32_t id)
{
    struct writer *w;

    if (s->last != NULL && s->last->id == id)
        return s->last;
    w = tab_get_id(&s->writers, id);
    if (w == NULL)
        return NULL;
    return s->last = w;
}

static struct writer *new_writer(struct sift *s, int32_t id)
{
    if (s->writers.n >= IDS_KEPT)
        forget_writers(s);
    struct writer *w = mem_alloc(sizeof *w);
    w->id = id;
    tab_put_id(&s->writers, id, w);
    return w;
}

static bool has_field(const struct av_node *r, struct span name)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        if (span_eq(r->fields[i].name, name))
            return true;
        for (size_t k = 0; k < r->fields[i].n_aliases; k++)
            if (span_eq(r->fields[i].aliases[k], name))
                return true;
    }
    return false;
}

/* Not an error: the latest schema is what the table is for.  But somebody will ask. */
static void tell_dropped(const struct sift *s, const struct writer *w)
{
    const struct av_node *from = av_schema_root(w->held.schema);
    const struct av_node *to = av_schema_root(s->reader.schema);

    if (from->type != AV_RECORD || to->type != AV_RECORD)
        return;
    for (size_t i = 0; i < from->n_fields; i++)
        if (!has_field(to, from->fields[i].name))
            log_event(LOG_WARN, "field not loaded: the latest schema lacks it",
                      LOG_B("field", from->fields[i].name), LOG_I("id", w->id),
                      LOG_S("subject", s->o.subject), LOG_END);
}

/* "There is none": wait, the producer's registry may be ahead of ours; but not for
 * ever. */
static enum err_kind not_found(struct sift *s, struct writer *w, struct err *e)
{
    int64_t now = clock_ms();

    if (w->unknown_since == 0)
        w->unknown_since = now;
    if (now - w->unknown_since < s->o.unknown_ms)
        return err_set(e, ERR_UNAVAILABLE,
                       "the registry does not know schema id %" PRId32 " (for %" PRId64
                       " s, set aside after %" PRId64 " s)",
                       w->id, (now - w->unknown_since) / 1000, s->o.unknown_ms / 1000);
    snprintf(w->why, sizeof w->why, "the registry does not know schema id %" PRId32,
             w->id);
    return ERR_OK;
}

static enum err_kind fetch(struct sift *s, struct writer *w, bool key, struct err *e)
{
    struct rc_schema got;
    struct err why = {0};

    enum err_kind rc = ask_by_id(s, w->id, key, &got, &why);
    w->asked_ms = clock_ms();
    if (rc == ERR_NOT_FOUND)
        return not_found(s, w, e);
    if (rc == ERR_UNAVAILABLE || rc == ERR_INTERNAL) {
        *e = why;
        return ERR_UNAVAILABLE;
    }
    if (rc != ERR_OK) {
        snprintf(w->why, sizeof w->why, "schema id %" PRId32 ": %.170s", w->id,
                 why.msg);
        return ERR_OK;
    }
    w->held = got;
    w->why[0] = '\0';
    return ERR_OK;
}

/* A writer we see for the first time may know more than our reader. */
static enum err_kind meet(struct sift *s, struct writer *w, struct err *e)
{
    if (s->reader.schema != NULL && s->reader.id == w->id)
        return ERR_OK;
    enum err_kind rc = sift_latest(s, e);
    if (rc == ERR_NOT_FOUND && s->reader.schema == NULL) {
        struct rc_schema own = rc_schema_copy(&w->held); // no such subject: its own
        return adopt(s, &own, e);
    }
    if (s->misfits)
        return rc;
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        return rc == ERR_UNAVAILABLE ? rc
                                     : err_set(e, ERR_UNAVAILABLE, "latest schema");
    tell_dropped(s, w);
    return ERR_OK;
}

static void make_plan(struct sift *s, struct writer *w)
{
    struct err e = {0};

    av_plan_free(w->plan);
    w->plan = NULL;
    w->shape = s->shape;
    w->why[0] = '\0';
    if (av_plan_new(&w->plan, w->held.schema, s->reader.schema, &e) != ERR_OK)
        snprintf(w->why, sizeof w->why, "schema id %" PRId32 ": %.170s", w->id, e.msg);
}

static enum err_kind make_ready(struct sift *s, int32_t id, struct err *e)
{
    struct writer *w = writer_of(s, id);

    if (w == NULL)
        w = new_writer(s, id);
    if (w->held.schema == NULL) {
        // What was given up is asked for again now and then: it may be registered late.
        if (w->why[0] != '\0' && clock_ms() - w->asked_ms < s->o.unknown_ms)
            return ERR_OK;
        TRY(fetch(s, w, false, e));
        if (w->held.schema == NULL)
            return ERR_OK;
        enum err_kind rc = meet(s, w, e);
        if (rc != ERR_OK) {
            rc_schema_free(&w->held); // so that it is met again
            w->held = (struct rc_schema){0};
            return rc;
        }
    }
    return ERR_OK;
}

static enum err_kind make_key_ready(struct sift *s, int32_t id, struct err *e)
{
    struct writer *w = tab_get_id(&s->keys, id);
    struct err why = {0};

    if (w == NULL) {
        if (s->keys.n >= IDS_KEPT)
            forget_all(&s->keys);
        w = mem_alloc(sizeof *w);
        w->id = id;
        tab_put_id(&s->keys, id, w);
    }
    // Staged files may bring at any time what an older one lacked, and cost no
    // question.
    if (w->held.schema != NULL || (w->why[0] != '\0' && s->o.schemas == NULL &&
                                   clock_ms() - w->asked_ms < s->o.unknown_ms))
        return ERR_OK;
    w->why[0] = '\0';
    TRY(fetch(s, w, true, e));
    if (w->held.schema != NULL &&
        av_plan_new(&w->plan, w->held.schema, w->held.schema, &why) != ERR_OK)
        snprintf(w->why, sizeof w->why, "schema id %" PRId32 ": %.170s", id, why.msg);
    return ERR_OK;
}

/* Plans are made last: a later id of the batch may still have changed the reader. */
static void plan_all(struct sift *s, const struct batch *b)
{
    struct frame f;
    struct err ignored = {0};

    for (size_t i = 0; i < b->n; i++) {
        if (frame_read(&f, b->records[i].value, &ignored) != ERR_OK)
            continue;
        struct writer *w = writer_of(s, f.schema_id);
        if (w != NULL && w->held.schema != NULL && w->shape != s->shape)
            make_plan(s, w);
    }
}

enum err_kind sift_prepare(struct sift *s, const struct batch *b, struct err *e)
{
    enum err_kind rc = ERR_OK;
    struct frame f;
    struct err ignored = {0};
    int32_t last = -1;

    s->partition = b->partition;
    s->now = wall_ms() * 1000000;
    for (size_t i = 0; i < b->n; i++) {
        const struct record *r = &b->records[i];
        struct err one = {0};
        enum err_kind ready = ERR_OK;
        if (r->value.p == NULL && s->o.keys &&
            frame_read(&f, r->key, &ignored) == ERR_OK)
            ready = make_key_ready(s, f.schema_id, &one);
        else if (frame_read(&f, r->value, &ignored) == ERR_OK && f.schema_id != last)
            ready = make_ready(s, last = f.schema_id, &one);
        if (ready != ERR_OK && rc == ERR_OK) {
            rc = ready; // go on: all unknown ids of the batch wait together
            *e = one;
        }
    }
    if (rc == ERR_OK)
        plan_all(s, b);
    return rc;
}

static enum err_kind key_writer(const struct sift *s, const struct frame *f,
                                struct writer **out, struct err *e)
{
    *out = tab_get_id(&s->keys, f->schema_id);
    if (*out == NULL || (*out)->why[0] != '\0' || (*out)->plan == NULL)
        return err_set(e, ERR_INVALID, "%s",
                       *out == NULL || (*out)->why[0] == '\0'
                           ? "the key's schema was not prepared"
                           : (*out)->why);
    return ERR_OK;
}

enum err_kind sift_key_schema(struct sift *s, const struct record *r,
                              struct av_schema **out, struct err *e)
{
    struct frame f;
    struct err no_frame = {0};
    struct writer *w;

    *out = NULL;
    if (frame_read(&f, r->key, &no_frame) != ERR_OK)
        return ERR_OK;
    TRY(key_writer(s, &f, &w, e));
    *out = w->held.schema;
    return ERR_OK;
}

enum err_kind sift_key(struct sift *s, const struct record *r, struct av_visitor *v,
                       struct err *e)
{
    struct frame f;
    struct writer *w;

    TRY(frame_read(&f, r->key, e));
    TRY(key_writer(s, &f, &w, e));
    return av_decode_all(w->plan, f.body, NULL, v, e);
}

/* Its datum, as the reader has it. */
static enum err_kind rewrite_datum(struct sift *s, const struct writer *w,
                                   struct span *datum, struct err *e)
{
    buf_reset(&s->resolved);
    rewrite_reset(&s->rewrite);
    TRY(av_decode_all(w->plan, *datum, NULL, &s->rewrite.visitor, e));
    TRY(buf_status(&s->resolved, e));
    *datum = buf_span(&s->resolved);
    return ERR_OK;
}

static enum err_kind resolve(struct sift *s, const struct writer *w, struct span *datum,
                             struct err *e)
{
    if (w->held.schema == s->reader.schema ||
        (s->o.schemas == NULL && w->held.id == s->reader.id))
        return ERR_OK;
    return rewrite_datum(s, w, datum, e);
}

static enum err_kind transform(struct sift *s, const struct writer *w,
                               const struct record *r, struct sifted *out,
                               struct err *e)
{
    static const enum sift_fate fates[] = {[TRANSFORM_KEPT] = SIFT_ROW,
                                           [TRANSFORM_FILTERED] = SIFT_FILTERED,
                                           [TRANSFORM_REPEATED] = SIFT_REPEATED};
    struct transform_origin o = {s->partition, r->offset, s->now};
    struct transform_result *t = &s->result;

    TRY(resolve(s, w, &out->datum, e));
    enum err_kind rc = transform_apply(s->run, s->program, &o, out->datum, t, e);
    if (t->step != NULL) {
        out->rule = t->step;
        out->pointer = t->pointer;
        out->stage = rc == ERR_OK ? out->stage : "transform";
    }
    out->fate = fates[t->fate];
    out->datum = t->datum;
    out->plan = s->made;
    return rc;
}

void sift_count(struct sift *s, struct quality_count *counts)
{
    s->counts = counts != NULL ? counts : s->unread;
}

static enum err_kind judge(struct sift *s, const struct writer *w,
                           const struct record *r, struct sifted *out, struct err *e)
{
    static const enum sift_fate fates[] = {[QUALITY_LOAD] = SIFT_ROW,
                                           [QUALITY_ASIDE] = SIFT_ASIDE,
                                           [QUALITY_STOP] = SIFT_STOP};
    struct quality_place at = {s->partition, r->offset, s->now};
    struct quality_verdict v;

    if (s->program == NULL) // also where it is the reader's: nobody has decoded it yet
        TRY(rewrite_datum(s, w, &out->datum, e));
    quality_ask(s->o.quality, out->datum, &at, s->counts, &v);
    out->fate = fates[v.outcome];
    out->plan = s->made;
    if (v.outcome == QUALITY_LOAD)
        out->datum = v.datum;
    out->errors = v.errors;
    out->why = v.why;
    if (v.outcome == QUALITY_STOP)
        out->rule = quality_rule(s->o.quality, v.rule)->name;
    return ERR_OK;
}

/* The record as it came. */
static enum err_kind find_datum(struct sift *s, const struct record *r,
                                struct writer **w, struct sifted *out, struct err *e)
{
    struct frame f;

    *out = (struct sifted){.id = -1, .stage = "tombstone", .rule = "", .pointer = ""};
    if (r->value.p == NULL)
        return err_set(e, ERR_INVALID, "a tombstone: there is no row in it");
    out->stage = "frame";
    TRY(frame_read(&f, r->value, e));
    out->id = f.schema_id;
    out->stage = "schema";
    *w = writer_of(s, f.schema_id);
    if (*w == NULL || (*w)->why[0] != '\0' || (*w)->plan == NULL)
        return err_set(e, ERR_INVALID, "%s",
                       *w == NULL || (*w)->why[0] == '\0'
                           ? "its schema was not prepared"
                           : (*w)->why);
    out->stage = "decode";
    out->plan = (*w)->plan;
    out->datum = f.body;
    return ERR_OK;
}

enum err_kind sift_find(struct sift *s, const struct record *r, struct sifted *out,
                        struct err *e)
{
    struct writer *w = NULL;

    TRY(find_datum(s, r, &w, out, e));
    if (s->program != NULL)
        TRY(transform(s, w, r, out, e));
    return s->o.quality == NULL || out->fate != SIFT_ROW ? ERR_OK
                                                         : judge(s, w, r, out, e);
}

enum err_kind sift_before(struct sift *s, const struct record *r, struct av_visitor *v,
                          struct err *e)
{
    struct writer *w = NULL;
    struct sifted got;

    TRY(find_datum(s, r, &w, &got, e));
    return av_decode_all(got.plan, got.datum, NULL, v, e);
}

enum err_kind sift_record(struct sift *s, const struct record *r, struct av_visitor *v,
                          struct sifted *out, struct err *e)
{
    TRY(sift_find(s, r, out, e));
    if (out->fate != SIFT_ROW)
        return ERR_OK;
    return av_decode_all(out->plan, out->datum, NULL, v, e);
}
