/* A shard's counting: records of a parcel, decoded and taken into the table. */
#include "aggregator/shard_inside.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define AHEAD 4          // records whose bytes are on their way to the cache
#define ASK_AGAIN_MS 250 // the registry, while it is away

static void nap(int64_t ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* --- what is set aside -------------------------------------------------------------
 */

static struct span error_text(struct arena *a, const struct sifted *it, const char *why)
{
    struct buf text = BUF_INIT(4096);

    buf_put_str(&text, "[{\"pointer\":");
    json_put_string(&text, span_str(it->pointer));
    buf_printf(&text, ",\"rule\":\"%s\",\"message\":", it->stage);
    json_put_string(&text, span_str(why));
    buf_put_str(&text, "}]");
    struct span s = arena_copy(a, buf_span(&text));
    buf_free(&text);
    return s;
}

/* Kafka's null is another thing than no bytes. */
static struct span keep(struct arena *a, struct span s)
{
    return s.p == NULL
               ? s
               : span_of(s.n == 0 ? (const uint8_t *)"" : arena_copy(a, s).p, s.n);
}

/* The record as it came, with its headers, and what was wrong with it. */
static struct kf_record make_letter(struct shard *s, const struct kf_message *m,
                                    const struct sifted *it, const char *why)
{
    struct arena *a = &s->letters_mem;
    struct kf_header *h = arena_array(a, m->n_headers + 8, sizeof *h);
    char when[WALL_TEXT];
    size_t n = 0;

    wall_print(when, wall_ms());
    h[n++] = (struct kf_header){"avrogate.errors", error_text(a, it, why)};
    h[n++] = (struct kf_header){"avrogate.topic", span_str(s->w.settings->topic)};
    h[n++] = (struct kf_header){"avrogate.partition",
                                arena_printf(a, "%" PRId32, m->partition)};
    h[n++] =
        (struct kf_header){"avrogate.offset", arena_printf(a, "%" PRId64, m->offset)};
    if (it->id >= 0)
        h[n++] = (struct kf_header){"avrogate.schema.id",
                                    arena_printf(a, "%" PRId32, it->id)};
    h[n++] = (struct kf_header){"avrogate.subject", span_str(s->w.subject)};
    h[n++] = (struct kf_header){"avrogate.time", arena_copy(a, span_str(when))};
    h[n++] =
        (struct kf_header){"content-type", span_str("application/vnd.avrogate.framed")};
    for (size_t i = 0; i < m->n_headers; i++)
        h[n++] = (struct kf_header){arena_str(a, span_str(m->headers[i].name)),
                                    keep(a, m->headers[i].value)};
    return (struct kf_record){.key = keep(a, m->key),
                              .value = keep(a, m->value),
                              .headers = h,
                              .n_headers = n,
                              .partition = -1};
}

static void set_aside(struct shard *s, const struct kf_message *m,
                      const struct sifted *it, const struct err *why)
{
    s->now.rejected++;
    if (s->told != NULL) {
        buf_printf(s->told, "%s/%" PRId32 "@%" PRId64 " set aside (%s): %s\n",
                   s->w.settings->topic, m->partition, m->offset, it->stage, why->msg);
        return;
    }
    log_event(s->now.rejected <= 10 ? LOG_WARN : LOG_DEBUG, "record set aside",
              LOG_S("job", s->w.settings->job), LOG_I("partition", m->partition),
              LOG_I("offset", m->offset), LOG_S("stage", it->stage),
              LOG_S("why", why->msg), LOG_END);
    if (s->w.settings->dead_letters == NULL)
        return;
    if (s->n_letters == s->cap_letters) {
        s->cap_letters = s->cap_letters == 0 ? 16 : s->cap_letters * 2;
        s->letters = mem_grow(s->letters, s->cap_letters, sizeof *s->letters);
    }
    s->letters[s->n_letters++] = make_letter(s, m, it, why->msg);
}

/* --- the plan, and the shape it has ------------------------------------------------
 */

static bool same_shape(const struct agg_shape *a, const struct agg_shape *b)
{
    struct buf x = BUF_INIT(AGG_SHAPE_BYTES), y = BUF_INIT(AGG_SHAPE_BYTES);

    agg_shape_put(&x, a);
    agg_shape_put(&y, b);
    bool same = span_eq(buf_span(&x), buf_span(&y));
    buf_free(&x);
    buf_free(&y);
    return same;
}

static enum err_kind adopt_shape(struct shard *s, const struct agg_shape *shape,
                                 struct err *e)
{
    struct buf text = BUF_INIT(AGG_SHAPE_BYTES);

    agg_shape_put(&text, shape);
    enum err_kind rc = agg_shape_read(&s->shape, buf_span(&text), &s->shape_mem, e);
    buf_free(&text);
    if (rc != ERR_OK)
        return rc;
    agg_table_init(&s->table, &s->shape);
    s->has_table = true;
    return ERR_OK;
}

enum err_kind shard_other_table(const struct shard *s, struct err *e)
{
    return err_set(e, ERR_INVALID,
                   "%s/%" PRId32 " holds another table: key, columns, window or a "
                   "field's type are not what they were.  Wanted another job, or "
                   "state.topic; or `avrogate aggregate reset`, which counts anew",
                   s->w.changelog, s->partition);
}

/* Whether this is still the table that was begun: its columns' types come from the
 * schema. */
static enum err_kind check_shape(struct shard *s, const struct agg_plan *plan,
                                 struct err *e)
{
    if (!s->has_table)
        return adopt_shape(s, agg_plan_shape(plan), e);
    return same_shape(agg_plan_shape(plan), &s->shape) ? ERR_OK
                                                       : shard_other_table(s, e);
}

static enum err_kind make_plan(struct shard *s, struct err *e)
{
    struct agg_plan *plan;

    TRY(agg_plan_new(&plan, s->w.spec, sift_reader(s->sift), e));
    enum err_kind rc = check_shape(s, plan, e);
    if (rc != ERR_OK) {
        agg_plan_free(plan);
        return rc;
    }
    shard_count_free(s);
    s->plan = plan;
    s->plan_shape = sift_shape(s->sift);
    agg_taker_init(&s->taker, plan);
    s->has_taker = true;
    return ERR_OK;
}

void shard_count_free(struct shard *s)
{
    if (s->has_taker)
        agg_taker_free(&s->taker);
    s->has_taker = false;
    agg_plan_free(s->plan);
    s->plan = NULL;
}

/* --- counting ----------------------------------------------------------------------
 */

/* Until every schema of the parcel is known; what was counted before is committed
 * meanwhile. */
static enum err_kind prepare(struct shard *s, const struct batch *b, struct err *e)
{
    for (;;) {
        enum err_kind rc = sift_prepare(s->sift, b, e);

        if (rc != ERR_UNAVAILABLE)
            return rc;
        shard_grumble(s, "aggregate waits", e);
        if (atomic_load(&s->ending))
            return rc;
        if (shard_is_due(s))
            TRY(shard_commit(s, e));
        nap(ASK_AGAIN_MS);
    }
}

struct moment { // once a parcel
    int64_t ns; // the wall clock's
    int64_t ms; // the latest that it can be
};

/* A clock that was set back makes no record one of the future: by the steady clock it
 * is as late as it would have been. */
static struct moment moment_now(const struct shard *s)
{
    int64_t wall = wall_ms(), steady = s->w.clock_zero_ms + clock_ms();

    return (struct moment){.ns = wall * 1000000, .ms = wall > steady ? wall : steady};
}

/* `it` says at what it failed. */
static enum err_kind take_one(struct shard *s, const struct kf_message *m,
                              const struct record *r, const struct moment *now,
                              struct sifted *it, struct err *e)
{
    enum agg_outcome outcome;
    bool holds = true;

    TRY(sift_find(s->sift, r, it, e));
    if (it->fate == SIFT_FILTERED || it->fate == SIFT_REPEATED) {
        s->now.filtered++;
        return ERR_OK;
    }
    it->stage = "decode";
    agg_take_begin(&s->taker);
    TRY(av_decode_all(it->plan, it->datum, NULL, &s->taker.visitor, e));
    it->stage = "rule";
    if (s->where != NULL)
        TRY(where_holds(s->where, it->plan, it->datum, now->ns, &holds, e));
    if (!holds) {
        s->now.filtered++;
        return ERR_OK;
    }
    it->stage = "value";
    TRY(agg_take(&s->taker, &s->table, m->timestamp_ms, now->ms, &s->now.watermark,
                 &outcome, e));
    s->now.records += outcome == AGG_TAKEN;
    s->now.late += outcome == AGG_LATE;
    return ERR_OK;
}

static void count_all(struct shard *s, const struct parcel *p)
{
    struct moment now = moment_now(s);

    for (size_t i = 0; i < p->n; i++) {
        struct sifted it;
        struct err e;

        if (i + AHEAD < p->n)
            __builtin_prefetch(s->records[i + AHEAD].value.p);
        if (take_one(s, &p->messages[i], &s->records[i], &now, &it, &e) != ERR_OK)
            set_aside(s, &p->messages[i], &it, &e);
    }
    (void)agg_expire(s->w.spec, &s->table, s->now.watermark);
}

/* Nothing of the parcel has a schema. */
static void refuse_all(struct shard *s, const struct parcel *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct sifted it;
        struct err e;

        if (sift_find(s->sift, &s->records[i], &it, &e) != ERR_OK)
            set_aside(s, &p->messages[i], &it, &e);
    }
}

static void fill_records(struct shard *s, const struct parcel *p)
{
    if (p->n > s->cap_records) {
        s->cap_records = p->n;
        s->records = mem_grow(s->records, p->n, sizeof *s->records);
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct kf_message *m = &p->messages[i];
        s->records[i] = (struct record){.offset = m->offset,
                                        .timestamp_ms = m->timestamp_ms,
                                        .key = m->key,
                                        .value = m->value};
    }
}

static enum err_kind count_records(struct shard *s, const struct parcel *p,
                                   struct err *e)
{
    struct batch b = {.topic = s->w.settings->topic, .partition = s->partition};

    fill_records(s, p);
    b.records = s->records;
    b.n = p->n;
    TRY(prepare(s, &b, e));
    if (sift_reader(s->sift) != NULL && s->plan_shape != sift_shape(s->sift))
        TRY(make_plan(s, e));
    if (s->plan == NULL)
        refuse_all(s, p);
    else
        count_all(s, p);
    for (size_t i = 0; i < p->n; i++)
        s->now.bytes += (int64_t)(s->records[i].key.n + s->records[i].value.n);
    s->now.mark = record_mark(&s->records[p->n - 1]);
    s->now.marked = s->records[p->n - 1].offset;
    return ERR_OK;
}

enum err_kind shard_count(struct shard *s, const struct parcel *p, struct err *e)
{
    if (p->n > 0)
        TRY(count_records(s, p, e));
    s->now.next = p->next >= 0 ? p->next : p->messages[p->n - 1].offset + 1;
    return ERR_OK;
}
