#include "avrogate/inside.h"

#include "avro-core/to_json.h"
#include "avrogate/visit.h"
#include "base/plain.h"
#include "base/tab.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdlib.h>

#define PLANS_MOST 10000
#define JSON_MOST ((size_t)64 << 20)

/* One writer's schema, ready to be read; immutable, counted. */
struct reading {
    atomic_uint holders;
    struct avrogate_schema *writer;
    struct av_plan *plan;
};

struct avrogate_deserializer {
    struct avrogate_registry *registry; // borrowed
    struct av_schema *reader;           // NULL = as it was written
    bool avro_json;
    size_t json_most;
    struct av_decode_limits limits;

    pthread_mutex_t lock;
    struct tab readings; // by writer; under lock
};

/* ---- open and close ---- */

static enum err_kind read_schema(struct avrogate_deserializer *d,
                                 const struct avrogate_deserializer_options *o,
                                 struct err *e)
{
    struct draft wanted;

    if (o->schema == NULL)
        return ERR_OK;
    TRY(draft_init(&wanted, o->schema, o->references, o->n_references, false, e));
    enum err_kind kind =
        rc_parse(d->registry->rc, &wanted.d,
                 deadline_of(d->registry, AVROGATE_PATIENCE), &d->reader, e);
    draft_free(&wanted);
    return kind == ERR_OK ? kind : err_prefix(e, "schema");
}

static enum err_kind open_deserializer(
    struct avrogate_deserializer **out, struct avrogate_registry *r,
    const struct avrogate_deserializer_options *theirs, struct err *e)
{
    struct avrogate_deserializer_options o;

    TRY(take_options(&o, sizeof o, theirs, e));
    struct avrogate_deserializer *d = mem_alloc(sizeof *d);
    d->registry = r;
    d->avro_json = o.json == AVROGATE_JSON_AVRO;
    d->json_most = o.json_most > 0 ? o.json_most : JSON_MOST;
    d->limits.depth = o.depth;
    pthread_mutex_init(&d->lock, NULL);
    enum err_kind kind = read_schema(d, &o, e);
    if (kind != ERR_OK)
        avrogate_deserializer_close(d);
    else
        *out = d;
    return kind;
}

enum avrogate_kind avrogate_deserializer_open(
    struct avrogate_deserializer **out, struct avrogate_registry *r,
    const struct avrogate_deserializer_options *o, struct avrogate_error *e)
{
    struct err why = {0};

    return give_error(e, open_deserializer(out, r, o, &why), &why);
}

static void reading_release(struct reading *r)
{
    if (atomic_fetch_sub_explicit(&r->holders, 1, memory_order_acq_rel) != 1)
        return;
    av_plan_free(r->plan);
    avrogate_schema_release(r->writer);
    free(r);
}

static struct reading *reading_retain(struct reading *r)
{
    atomic_fetch_add_explicit(&r->holders, 1, memory_order_relaxed);
    return r;
}

static void drop_readings(struct avrogate_deserializer *d)
{
    struct reading *r;
    size_t at = 0;

    while ((r = tab_each(&d->readings, &at, NULL)) != NULL)
        reading_release(r);
    tab_free(&d->readings);
    d->readings = (struct tab){0};
}

void avrogate_deserializer_close(struct avrogate_deserializer *d)
{
    if (d == NULL)
        return;
    drop_readings(d);
    pthread_mutex_destroy(&d->lock);
    av_schema_release(d->reader);
    free(d);
}

/* ---- who wrote it ---- */

/* A header with a guid goes before the five bytes, which are then not there. */
enum err_kind writer_read(struct writer *out, struct span *body,
                          const struct avrogate_message *m, struct err *e)
{
    const uint8_t *h = m->schema_id.p;
    struct frame f;

    *out = (struct writer){0};
    if (m->schema_id.n > 0) {
        if (m->schema_id.n != 17 || h[0] != 1)
            return err_set(e, ERR_INVALID,
                           "schema id header of %zu bytes beginning with %d, wanted 1 "
                           "and 16 bytes of guid",
                           m->schema_id.n, h[0]);
        out->by_guid = true;
        memcpy(out->guid, h + 1, sizeof out->guid);
        *body = span_of(m->p, m->n);
        return ERR_OK;
    }
    TRY(frame_read(&f, span_of(m->p, m->n), e));
    out->id = f.schema_id;
    *body = f.body;
    return ERR_OK;
}

static struct span writer_key(const struct writer *w)
{
    return w->by_guid ? span_of(w->guid, sizeof w->guid)
                      : span_of(&w->id, sizeof w->id);
}

/* Takes `s` over, also when it fails. */
static enum err_kind make_reading(const struct avrogate_deserializer *d,
                                  struct rc_schema *s, struct reading **out,
                                  struct err *e)
{
    struct reading *r = mem_alloc(sizeof *r);

    atomic_init(&r->holders, 1);
    r->writer = schema_wrap(s);
    struct av_schema *writer = r->writer->s.schema;
    enum err_kind kind =
        av_plan_new(&r->plan, writer, d->reader != NULL ? d->reader : writer, e);
    if (kind != ERR_OK) {
        reading_release(r);
        return err_prefix(e, "schema");
    }
    *out = r;
    return ERR_OK;
}

static struct reading *recall(struct avrogate_deserializer *d, const struct writer *w)
{
    pthread_mutex_lock(&d->lock);
    struct reading *r = tab_get(&d->readings, writer_key(w));
    if (r != NULL)
        reading_retain(r);
    pthread_mutex_unlock(&d->lock);
    return r;
}

/* Two threads may have made it: the one kept last stays, they are the same. */
static void keep(struct avrogate_deserializer *d, const struct writer *w,
                 struct reading *r)
{
    pthread_mutex_lock(&d->lock);
    if (d->readings.n >= PLANS_MOST) // no topic has this many writers; learn anew
        drop_readings(d);
    struct reading *before = tab_put(&d->readings, writer_key(w), reading_retain(r));
    if (before != NULL)
        reading_release(before);
    pthread_mutex_unlock(&d->lock);
}

static enum err_kind find(struct avrogate_deserializer *d, const struct writer *w,
                          int64_t deadline_ms, struct reading **out, struct err *e)
{
    struct rc_schema s = {0};

    *out = recall(d, w);
    if (*out != NULL)
        return ERR_OK;
    if (w->by_guid)
        TRY(rc_by_guid(d->registry->rc, w->guid, deadline_ms, &s, e));
    else
        TRY(rc_by_id(d->registry->rc, w->id, deadline_ms, &s, e));
    TRY(make_reading(d, &s, out, e));
    keep(d, w, *out);
    return ERR_OK;
}

enum err_kind deserializer_find(struct avrogate_deserializer *d, const struct writer *w,
                                int64_t deadline_ms, struct avrogate_schema **out,
                                struct err *e)
{
    struct reading *r;

    TRY(find(d, w, deadline_ms, &r, e));
    *out = avrogate_schema_retain(r->writer);
    reading_release(r);
    return ERR_OK;
}

struct avrogate_registry *deserializer_registry(const struct avrogate_deserializer *d)
{
    return d->registry;
}

enum avrogate_kind avrogate_deserializer_schema(struct avrogate_deserializer *d,
                                                const struct avrogate_message *m,
                                                int32_t timeout_ms,
                                                struct avrogate_schema **out,
                                                struct avrogate_error *e)
{
    struct err why = {0};
    struct writer w;
    struct span body;
    enum err_kind kind = writer_read(&w, &body, m, &why);

    if (kind == ERR_OK)
        kind =
            deserializer_find(d, &w, deadline_of(d->registry, timeout_ms), out, &why);
    return give_error(e, kind, &why);
}

/* ---- reading ---- */

static enum err_kind read_to(struct avrogate_deserializer *d,
                             const struct avrogate_message *m, int32_t timeout_ms,
                             struct av_visitor *v, struct err *e)
{
    struct av_decode_limits limits = d->limits;
    struct reading *r;
    struct writer w;
    struct span body;

    TRY(writer_read(&w, &body, m, e));
    TRY(find(d, &w, deadline_of(d->registry, timeout_ms), &r, e));
    limits.first = m->n - body.n;
    enum err_kind kind = av_decode_all(r->plan, body, &limits, v, e);
    reading_release(r);
    return kind;
}

enum avrogate_kind avrogate_deserialize_json(struct avrogate_deserializer *d,
                                             const struct avrogate_message *m,
                                             int32_t timeout_ms,
                                             struct avrogate_buffer *out,
                                             struct avrogate_error *e)
{
    struct av_to_json json;
    struct err why = {0};
    struct buf b = buffer_take(out, d->json_most);

    av_to_json_init(&json, &b, d->avro_json);
    locale_t was = plain_begin();
    enum err_kind kind = read_to(d, m, timeout_ms, &json.visitor, &why);
    plain_end(was);
    if (kind == ERR_OK)
        kind = buf_status(&b, &why);
    buffer_give(out, &b, kind == ERR_OK);
    return give_error(e, kind, &why);
}

enum avrogate_kind avrogate_deserialize_visit(struct avrogate_deserializer *d,
                                              const struct avrogate_message *m,
                                              int32_t timeout_ms,
                                              const struct avrogate_visitor *theirs,
                                              void *arg, struct avrogate_error *e)
{
    struct avrogate_visitor to;
    struct err why = {0};
    struct visit v;
    enum err_kind kind = take_options(&to, sizeof to, theirs, &why);

    if (kind == ERR_OK) {
        visit_init(&v, &to, arg);
        kind = read_to(d, m, timeout_ms, &v.visitor, &why);
    }
    return give_error(e, kind, &why);
}
