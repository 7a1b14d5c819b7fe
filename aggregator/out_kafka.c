#include "aggregator/out_kafka.h"

#include "avro-core/varint.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/tab.h"
#include "kafka/transaction.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL_MS 10000
#define TAKE_MS 30000
#define RECORD_MOST (1 << 20)

struct published {
    struct out base; // first
    const struct aggregator_settings *s;
    struct engine *g;
    const char *changelog;
    char *id, *group, *name; // of the transactions; of positions; of the records
    struct kf_producer *producer;
    const struct agg_shape *shape;
    int32_t key_id, value_id; // of the schemas
    struct arena mem;         // of what was added
    struct kf_record *records;
    size_t n, cap;
    pthread_mutex_t lock;
    // under lock
    struct err failed; // a delivery
    struct kf_waiter waiter;
};

/* --- the schemas -------------------------------------------------------------------
 */

static void put_type(struct buf *out, const struct agg_type *t)
{
    if (t->logical == AV_PLAIN) {
        buf_printf(out, "\"%s\"", av_type_name(t->avro));
        return;
    }
    buf_printf(out, "{\"type\":\"%s\",\"logicalType\":\"%s\"", av_type_name(t->avro),
               av_logical_name(t->logical));
    if (t->logical == AV_DECIMAL)
        buf_printf(out, ",\"precision\":%d,\"scale\":%d", WHOLE_DIGITS, t->scale);
    buf_put_u8(out, '}');
}

static void put_field(struct buf *out, struct span name, const struct agg_type *t,
                      bool nullable, bool first)
{
    buf_put_str(out, first ? "{\"name\":" : ",{\"name\":");
    json_put_string(out, name);
    buf_put_str(out, nullable ? ",\"type\":[\"null\"," : ",\"type\":");
    put_type(out, t);
    buf_put_str(out, nullable ? "],\"default\":null}" : "}");
}

static const struct agg_type instant = {AGG_WHOLE, AV_LONG, AV_TIMESTAMP_MILLIS, 0};

static void put_schema(struct buf *out, const struct published *p, bool value)
{
    const struct agg_shape *s = p->shape;
    bool first = true;

    buf_printf(out,
               "{\"type\":\"record\",\"name\":\"%s%s\",\"namespace\":\"avrogate."
               "aggregated\",\"fields\":[",
               p->name, value ? "" : "_key");
    for (size_t i = 0; i < s->n_keys; i++, first = false)
        put_field(out, s->fields[i].name, &s->fields[i].type, true, first);
    if (s->window_ms > 0) {
        put_field(out, span_str("window_start"), &instant, false, first);
        if (value)
            put_field(out, span_str("window_end"), &instant, false, false);
        first = false;
    }
    for (size_t i = s->n_keys; value && i < s->n_keys + s->n_columns;
         i++, first = false)
        put_field(out, s->fields[i].name, &s->fields[i].type, true, first);
    buf_put_str(out, "]}");
}

static enum err_kind register_one(struct published *p, bool value, int32_t *id,
                                  struct err *e)
{
    struct buf subject = BUF_INIT(1000), text = BUF_INIT(1 << 20);
    struct rc_schema got;

    buf_printf(&subject, "%s-%s", p->s->publish_topic, value ? "value" : "key");
    put_schema(&text, p, value);
    struct rc_draft draft = {.text = buf_span(&text)};
    enum err_kind rc = rc_register(engine_registry(p->g), buf_span(&subject), &draft,
                                   clock_ms() + p->s->registry_timeout_ms, &got, e);
    if (rc == ERR_OK) {
        *id = got.id;
        rc_schema_free(&got);
    } else {
        // a registry that refuses: a person must act
        err_prefix(e, "subject " SPAN_FMT, SPAN_ARG(buf_span(&subject)));
        if (rc == ERR_CONFLICT)
            rc = e->kind = ERR_INVALID;
    }
    buf_free(&subject);
    buf_free(&text);
    return rc;
}

/* --- records -----------------------------------------------------------------------
 */

static void put_double(struct buf *out, double x)
{
    uint64_t u;

    memcpy(&u, &x, sizeof u);
    buf_put_le(out, u, sizeof u);
}

/* In the fewest bytes, as Java writes it. */
static void put_decimal_bytes(struct buf *out, __int128 x)
{
    uint8_t b[WHOLE_BYTES];
    size_t from = 0;

    whole_write(b, x);
    while (from + 1 < WHOLE_BYTES && b[from] == (b[from + 1] & 0x80 ? 0xff : 0))
        from++;
    varint_append(out, (int64_t)(WHOLE_BYTES - from));
    buf_put(out, span_of(b + from, WHOLE_BYTES - from));
}

static void put_datum(struct buf *out, const struct agg_type *t,
                      const struct agg_value *v)
{
    switch (v->kind) {
    case AGG_NONE: break;
    case AGG_REAL: put_double(out, v->real); break;
    case AGG_TEXT:
        varint_append(out, (int64_t)v->text.n);
        buf_put(out, v->text);
        break;
    case AGG_WHOLE:
        if (t->avro == AV_BOOLEAN)
            buf_put_u8(out, v->whole.v != 0);
        else if (t->logical == AV_DECIMAL)
            put_decimal_bytes(out, v->whole.v);
        else
            varint_append(out, (int64_t)v->whole.v);
        break;
    }
}

static void put_nullable(struct buf *out, const struct agg_type *t,
                         const struct agg_value *v)
{
    varint_append(out, v->kind == AGG_NONE ? 0 : 1);
    put_datum(out, t, v);
}

static void put_record(struct buf *out, const struct agg_merged *m, bool value)
{
    const struct agg_shape *s = m->shape;
    struct arena mem = {0};
    struct span key = m->key;
    struct agg_value v;
    int64_t start = 0;
    bool good = agg_key_window(&key, &start);

    for (size_t i = 0; i < s->n_keys; i++) {
        v = (struct agg_value){0};
        good = good && agg_key_next(&key, &v, &mem);
        put_nullable(out, &s->fields[i].type, &v);
    }
    if (s->window_ms > 0) {
        varint_append(out, start);
        if (value)
            varint_append(out, start + s->window_ms);
    }
    for (size_t i = 0; value && i < s->n_columns; i++) {
        if (!agg_merged_value(m, i, &v))
            v = (struct agg_value){0};
        put_nullable(out, &s->fields[s->n_keys + i].type, &v);
    }
    arena_free(&mem);
}

static enum err_kind frame_one(struct published *p, const struct agg_merged *m,
                               bool value, struct span *out, struct err *e)
{
    struct buf b = BUF_INIT(RECORD_MOST);

    frame_write_head(&b, value ? p->value_id : p->key_id);
    put_record(&b, m, value);
    enum err_kind rc = buf_status(&b, e);
    if (rc == ERR_OK)
        *out = arena_copy(&p->mem, buf_span(&b));
    buf_free(&b);
    return rc;
}

static enum err_kind add(struct out *o, const struct agg_merged *m, struct err *e)
{
    struct published *p = (struct published *)o;
    struct kf_record r = {.partition = -1};

    TRY(frame_one(p, m, false, &r.key, e));
    TRY(frame_one(p, m, true, &r.value, e));
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 256 : p->cap * 2;
        p->records = mem_grow(p->records, p->cap, sizeof *p->records);
    }
    p->records[p->n++] = r;
    return ERR_OK;
}

static void drop_records(struct published *p)
{
    p->n = 0;
    arena_reset(&p->mem);
}

/* --- whose it is -------------------------------------------------------------------
 */

static void drop_producer(struct published *p)
{
    if (p->producer != NULL)
        kf_producer_close(p->producer);
    p->producer = NULL;
    p->failed = (struct err){0};
}

static enum err_kind ask_positions(struct published *p, int64_t *positions, size_t n,
                                   struct err *e)
{
    struct conf_pairs with = {mem_array(p->s->kafka.n + 1, sizeof(struct conf_pair)),
                              0};
    const char *changelog = p->changelog;
    struct kf_consumer *c;

    for (size_t i = 0; i < p->s->kafka.n; i++)
        if (strcmp(p->s->kafka.items[i].name, "group.id") != 0)
            with.items[with.n++] = p->s->kafka.items[i];
    with.items[with.n++] = (struct conf_pair){"group.id", p->group, false};
    enum err_kind rc =
        kf_consumer_assign(&c, p->s->bootstrap, &with, changelog, 0, KF_END, e);
    free(with.items);
    if (rc != ERR_OK)
        return rc;
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        rc = kf_consumer_committed(c, changelog, (int32_t)i, &positions[i], CALL_MS, e);
        if (positions[i] < 0)
            positions[i] = 0;
    }
    kf_consumer_close(c);
    return rc;
}

static enum err_kind make_topic(struct published *p, size_t n, struct err *e)
{
    struct conf_pair items[] = {{"cleanup.policy", "compact", false},
                                AGGREGATOR_STAMPED};
    struct conf_pairs config = {items, sizeof items / sizeof *items};
    struct kf_admin *admin;

    TRY(kf_admin_open(&admin, p->s->bootstrap, &p->s->kafka, e));
    enum err_kind rc = kf_topic_create(admin, p->s->publish_topic, (int32_t)n,
                                       (int16_t)p->s->replication, &config, CALL_MS, e);
    kf_admin_close(admin);
    return rc;
}

static enum err_kind begin(struct out *o, const struct agg_shape *shape,
                           int64_t *positions, size_t n, struct err *e)
{
    struct published *p = (struct published *)o;

    drop_records(p);
    drop_producer(p);
    p->shape = shape;
    TRY(make_topic(p, n, e));
    TRY(register_one(p, false, &p->key_id, e));
    TRY(register_one(p, true, &p->value_id, e));
    TRY(kf_transactional_open(&p->producer, p->s->bootstrap, &p->s->kafka, p->id,
                              p->s->publish_topic, e));
    TRY(kf_take(p->producer, TAKE_MS, e));
    return ask_positions(p, positions, n, e);
}

/* --- a transaction -----------------------------------------------------------------
 */

static void note_report(struct kf_waiter *w, uint32_t index, const struct kf_report *r)
{
    struct published *p =
        (struct published *)((char *)w - offsetof(struct published, waiter));

    (void)index;
    if (r->kind == ERR_OK)
        return;
    pthread_mutex_lock(&p->lock);
    if (p->failed.kind == ERR_OK)
        p->failed.kind = err_set(&p->failed, r->kind, "%s: %s", r->name, r->reason);
    pthread_mutex_unlock(&p->lock);
}

static enum err_kind deliver(struct published *p, struct err *e)
{
    if (!kf_flush(p->producer, CALL_MS))
        return err_set(e, ERR_UNAVAILABLE, "no delivery report in time");
    pthread_mutex_lock(&p->lock);
    struct err failed = p->failed;
    pthread_mutex_unlock(&p->lock);
    if (failed.kind != ERR_OK)
        *e = failed;
    return failed.kind;
}

static enum err_kind transact(struct published *p, const int64_t *positions, size_t n,
                              struct err *e)
{
    TRY(kf_begin(p->producer, e));
    (void)kf_send_batch(p->producer, p->s->publish_topic, p->records, p->n, &p->waiter,
                        0); // what was refused was reported
    TRY(deliver(p, e));
    if (positions != NULL)
        TRY(kf_commit_positions(p->producer, p->group, p->changelog, positions,
                                (int32_t)n, CALL_MS, e));
    return kf_commit(p->producer, CALL_MS, e);
}

static enum err_kind flush(struct out *o, const int64_t *positions, size_t n,
                           struct err *e)
{
    struct published *p = (struct published *)o;
    enum err_kind rc = transact(p, positions, n, e);

    drop_records(p);
    if (rc != ERR_OK)
        drop_producer(p);
    return rc;
}

static void close_out(struct out *o)
{
    struct published *p = (struct published *)o;

    drop_producer(p);
    arena_free(&p->mem);
    free(p->records);
    free(p->id);
    free(p->group);
    free(p->name);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static const struct out_ops ops = {begin, add, flush, close_out};

static char *joined(const char *a, const char *b, const char *c)
{
    struct buf text = BUF_INIT(2000);

    buf_printf(&text, "%s%s%s", a, b, c);
    char *s = mem_str(buf_span(&text));
    buf_free(&text);
    return s;
}

/* The job as the name of a record: letters, digits and _. */
static char *record_name(const char *job)
{
    char *name = joined(job[0] >= '0' && job[0] <= '9' ? "_" : "", job, "");

    for (char *c = name; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              (*c >= '0' && *c <= '9')))
            *c = '_';
    return name;
}

static struct published *make(const struct aggregator_settings *s,
                              const char *changelog)
{
    struct published *p = mem_alloc(sizeof *p);

    p->base.ops = &ops;
    p->s = s;
    p->changelog = changelog;
    p->waiter.report = note_report;
    p->id = joined("avrogate-aggregate-", s->job, "-published");
    p->group = joined(s->job, "-published", "");
    p->name = record_name(s->job);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void kafka_out_open(struct out **out, const struct aggregator_settings *s,
                    struct engine *g)
{
    struct published *p = make(s, engine_changelog(g));

    p->g = g;
    *out = &p->base;
}

/* --- a new beginning ---------------------------------------------------------------
 */

#define CHUNK 10000 // tombstones sent before their reports are waited for

/* Keys that have a value, each behind its partition's number (32 bits). */
static void note_row(struct tab *live, struct buf *key, const struct kf_message *m)
{
    buf_reset(key);
    buf_put_be32(key, (uint32_t)m->partition);
    buf_put(key, m->key);
    if (m->value.p == NULL)
        (void)tab_drop(live, buf_span(key));
    else
        (void)tab_put(live, buf_span(key), live);
}

static enum err_kind read_rows(struct kf_consumer *c, int32_t n, struct tab *live,
                               struct err *e)
{
    bool *seen = mem_array((size_t)n, sizeof *seen);
    struct buf key = BUF_INIT(RECORD_MOST);
    struct kf_message m;
    struct kf_end end;
    enum err_kind rc = ERR_OK;
    bool got;

    for (int32_t left = n; rc == ERR_OK && left > 0;) {
        rc = kf_poll(c, CALL_MS, &m, &got, &end, e);
        if (rc == ERR_OK && got) {
            note_row(live, &key, &m);
            kf_message_free(&m);
        } else if (rc == ERR_OK && end.reached && !seen[end.partition]) {
            seen[end.partition] = true;
            left--;
        } else if (rc == ERR_OK && !end.reached) {
            rc = err_set(e, ERR_UNAVAILABLE, "the published rows do not come");
        }
    }
    buf_free(&key);
    free(seen);
    return rc;
}

static enum err_kind bury(struct published *p, const struct tab *live, int32_t n,
                          struct err *e)
{
    int64_t *none = mem_array((size_t)n + 1, sizeof *none);
    struct span key;
    enum err_kind rc = kf_begin(p->producer, e);

    for (size_t at = 0; rc == ERR_OK && tab_each(live, &at, &key) != NULL;) {
        struct kf_record r = {.key = arena_copy(&p->mem, span_skip(key, 4)),
                              .partition = (int32_t)bytes_be32(key.p)};
        rc = kf_send(p->producer, p->s->publish_topic, &r, &p->waiter, 0, e);
        if (rc == ERR_OK && ++p->n % CHUNK == 0) {
            rc = deliver(p, e);
            arena_reset(&p->mem);
        }
    }
    p->n = 0;
    if (rc == ERR_OK)
        rc = deliver(p, e);
    if (rc == ERR_OK && n > 0)
        rc = kf_commit_positions(p->producer, p->group, p->changelog, none, n, CALL_MS,
                                 e);
    if (rc == ERR_OK)
        rc = kf_commit(p->producer, CALL_MS, e);
    free(none);
    return rc;
}

static enum err_kind clear_topic(struct published *p, int32_t topic_n, int32_t n,
                                 bool count_only, int64_t *rows, struct err *e)
{
    struct tab live = {0};
    struct kf_consumer *c;

    if (!count_only) {
        TRY(kf_transactional_open(&p->producer, p->s->bootstrap, &p->s->kafka, p->id,
                                  p->s->publish_topic, e));
        TRY(kf_take(p->producer, TAKE_MS, e));
    }
    TRY(kf_consumer_assign_all(&c, p->s->bootstrap, &p->s->kafka, p->s->publish_topic,
                               topic_n, KF_BEGINNING, e));
    enum err_kind rc = read_rows(c, topic_n, &live, e);
    kf_consumer_close(c);
    *rows = (int64_t)live.n;
    if (rc == ERR_OK && !count_only)
        rc = bury(p, &live, n, e);
    tab_free(&live);
    return rc;
}

enum err_kind kafka_out_clear(const struct aggregator_settings *s, struct kf_admin *a,
                              const char *changelog, int32_t n, bool count_only,
                              int64_t *rows, struct err *e)
{
    struct published *p;
    int32_t topic_n;

    *rows = 0;
    enum err_kind rc = kf_topic_partitions(a, s->publish_topic, &topic_n, CALL_MS, e);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK; // nobody has written it
    if (rc != ERR_OK)
        return rc;
    p = make(s, changelog);
    rc = clear_topic(p, topic_n, n, count_only, rows, e);
    close_out(&p->base);
    return rc;
}
