#include "gateway/rest.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "wire/frame.h"

#define PROBLEMS_A_DATUM 5

static void blame(struct rest *t, struct rest_record *r, int code, const char *what,
                  struct span why)
{
    r->code = code;
    r->why = arena_printf(&rest_publish(t)->req->arena, "%s: %.*s", what, (int)why.n,
                          (const char *)why.p);
}

/* All that is wrong with a datum, as one sentence. */
static void blame_problems(struct rest *t, struct rest_record *r, int code,
                           const char *what, const struct av_problem *first)
{
    struct buf text = BUF_INIT(16 << 10);

    for (const struct av_problem *p = first; p != NULL; p = p->next) {
        if (text.n > 0)
            buf_put_str(&text, "; ");
        buf_put(&text, p->message);
    }
    blame(t, r, code, what, buf_span(&text));
    buf_free(&text);
}

static bool keeps_contract(struct rest *t, const struct rest_schema *s, struct buf *out,
                           size_t datum, size_t offset)
{
    return s->contract == NULL ||
           gw_contract_holds(s->contract, t->run, out, datum, offset, t->item,
                             &rest_publish(t)->batch.problems);
}

static void put_avro(struct rest *t, struct rest_record *r, const struct rest_datum *d,
                     bool is_key, const char *what, struct buf *out)
{
    const struct rest_schema *s = rest_schema_of(t, d, is_key);
    struct av_problems *all = &rest_publish(t)->batch.problems;
    const struct av_problem *before = all->last;
    size_t at = d->value->at;
    int code = 0;

    if (s->code != 0) {
        blame(t, r, s->code, what, s->why);
        return;
    }
    all->most = all->n + PROBLEMS_A_DATUM;
    frame_write_head(out, s->schema.id);
    size_t datum = out->n;
    if (av_encode_next(s->codec->encoder, d->text, &at, out, all) != ERR_OK)
        code = REST_NO_CONVERSION;
    else if (!keeps_contract(t, s, out, datum, d->value->at))
        code = REST_NO_SERIALIZATION;
    if (code != 0)
        blame_problems(t, r, code, what, before != NULL ? before->next : all->first);
}

/* As much as a message shows, and no half of a character: the answer is UTF-8. */
static struct span whole_part(struct span text)
{
    struct span shown = span_of(text.p, text.n < SPAN_SHOWN ? text.n : SPAN_SHOWN);

    return span_of(shown.p, utf8_good(shown));
}

static void put_base64(struct rest *t, struct rest_record *r, const struct json *v,
                       const char *what, struct buf *out)
{
    struct arena *a = &rest_publish(t)->req->arena;
    size_t n = 0;

    if (v->kind != JSON_STRING) {
        blame(t, r, REST_NO_CONVERSION, what,
              arena_printf(a, "%s, wanted base64 text", json_kind_name(v->kind)));
        return;
    }
    uint8_t *room = buf_room(out, BASE64_ROOM(v->text.n) + 1);
    if (room == NULL)
        return; // seen by is_over()
    if (base64_read(room, &n, v->text))
        buf_added(out, n);
    else
        blame(t, r, REST_NO_CONVERSION, what,
              arena_printf(a, "\"" SPAN_FMT "\" is no base64",
                           SPAN_ARG(whole_part(v->text))));
}

static void put_text(struct rest *t, struct rest_record *r, const struct json *v,
                     const char *what, struct buf *out)
{
    if (v->kind == JSON_STRING)
        buf_put(out, v->text);
    else
        blame(t, r, REST_NO_CONVERSION, what,
              arena_printf(&rest_publish(t)->req->arena, "%s, wanted a string",
                           json_kind_name(v->kind)));
}

static void put_datum(struct rest *t, struct rest_record *r, const struct rest_datum *d,
                      bool is_key, struct buf *out)
{
    const char *what = is_key ? "key" : "value";

    if (r->code != 0 || !rest_has_value(d))
        return;
    switch (d->format) {
    case REST_AVRO: put_avro(t, r, d, is_key, what, out); break;
    case REST_BINARY: put_base64(t, r, d->value, what, out); break;
    case REST_STRING: put_text(t, r, d->value, what, out); break;
    case REST_JSON: json_put(out, d->value); break;
    case REST_NONE: break;
    }
}

static size_t headers_size(const struct kf_record *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_headers; i++)
        n += strlen(r->headers[i].name) + r->headers[i].value.n + 10;
    return n;
}

static void check_record(struct rest *t, struct rest_record *r, const struct item *it,
                         int32_t partitions)
{
    struct publish *p = rest_publish(t);
    struct arena *a = &p->req->arena;
    size_t n = it->key_n + it->frame_n + headers_size(&r->extra) + carry_size(p->req);

    if (r->code != 0)
        return;
    if (r->extra.partition >= partitions)
        blame(t, r, REST_PARTITION_NOT_FOUND, "partition",
              arena_printf(a, "%d does not exist, topic " SPAN_FMT " has %d",
                           r->extra.partition, SPAN_ARG(p->ask.topic), partitions));
    else if (n > p->batch.limits.record)
        blame(t, r, REST_TOO_LARGE, "size",
              arena_printf(a, "%zu bytes, wanted at most %zu for Kafka", n,
                           p->batch.limits.record));
}

static struct span text_of(const struct rest_datum *d)
{
    return rest_has_value(d)
               ? span_of(d->text.p + d->value->at, d->value->end - d->value->at)
               : (struct span){0};
}

static enum err_kind frame_record(struct rest *t, struct rest_record *r,
                                  int32_t partitions, struct err *e)
{
    struct gw_batch *b = &rest_publish(t)->batch;
    struct item *it = NULL;

    TRY(gw_batch_add(b, &it, e));
    it->key_at = b->keys.n;
    it->has_key = rest_has_value(&r->key);
    it->is_null = !rest_has_value(&r->value);
    t->item = it;
    put_datum(t, r, &r->key, true, &b->keys);
    put_datum(t, r, &r->value, false, &b->frames);
    if (b->keys.over || b->frames.over)
        return err_set(e, ERR_LIMIT, "more than %zu bytes of records in one request",
                       b->limits.frames);
    it->key_n = b->keys.n - it->key_at;
    it->frame_n = b->frames.n - it->frame_at;
    check_record(t, r, it, partitions);
    if (r->code == 0)
        return ERR_OK;
    buf_cut(&b->keys, it->key_at);
    buf_cut(&b->frames, it->frame_at);
    it->key_n = it->frame_n = 0;
    it->refused = true;
    it->text = text_of(&r->value); // for the dead letters
    b->bad++;
    return ERR_OK;
}

enum err_kind rest_frame(struct gateway *g, struct rest *t, int32_t partitions,
                         struct err *e)
{
    struct publish *p = rest_publish(t);
    struct kf_record *extra = arena_array(&p->req->arena, t->body.n + 1, sizeof *extra);

    gw_batch_init(&p->batch, &g->batch);
    p->batch.limits.records = t->body.n;
    for (size_t i = 0; i < t->body.n; i++) {
        TRY(frame_record(t, &t->body.records[i], partitions, e));
        extra[i] = t->body.records[i].extra;
    }
    p->extra = extra;
    p->main = mem_array(p->batch.n, sizeof *p->main);
    p->dlq = mem_array(p->batch.n, sizeof *p->dlq);
    return ERR_OK;
}

bool rest_has_contract(const struct rest *t)
{
    bool any = false;

    for (size_t i = 0; i < t->n_schemas; i++)
        any |= t->schemas[i].contract != NULL;
    return any;
}
