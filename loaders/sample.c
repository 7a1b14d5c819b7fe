/*
 * avrogate load --sample: the last records of a topic, and what the pipeline's
 * transforms make of them.  Nothing is written and no position moves; no sink is asked.
 */
#include "loaders/sample.h"

#include "avro-core/to_json.h"
#include "base/clock.h"
#include "kafka/client.h"
#include "kafka/consumer.h"
#include "loaders/sift.h"

#include <inttypes.h>
#include <stdio.h>

#define WAIT_MS 10000 // for the brokers, and for what a partition has

struct sampling {
    const struct sample_options *o;
    struct sift *sift;
    struct kf_admin *admin;
    size_t left; // records still to be shown
    struct buf *out;
};

/* --- records ---------------------------------------------------------------------- */

static enum err_kind put_json(struct buf *out, const struct av_plan *plan,
                              struct span datum, struct err *e)
{
    struct av_to_json w;

    av_to_json_init(&w, out, false);
    return av_decode_all(plan, datum, NULL, &w.visitor, e);
}

static void put_before(struct sampling *s, const struct record *r)
{
    struct av_to_json w;
    struct err e = {0};
    size_t at = s->out->n;

    av_to_json_init(&w, s->out, false);
    if (sift_before(s->sift, r, &w.visitor, &e) == ERR_OK)
        return;
    buf_cut(s->out, at);
    buf_printf(s->out, "cannot be read: %s", e.msg);
}

static void put_after(struct sampling *s, const struct record *r)
{
    struct sifted got;
    struct err e = {0};

    enum err_kind rc = sift_find(s->sift, r, &got, &e);
    size_t at = s->out->n;
    if (rc == ERR_OK && got.fate == SIFT_ROW)
        rc = put_json(s->out, got.plan, got.datum, &e);
    if (rc != ERR_OK) {
        buf_cut(s->out, at);
        buf_printf(s->out, "set aside (%s): %s", got.stage, e.msg);
    } else if (got.fate != SIFT_ROW) {
        buf_printf(s->out, "%s by %s",
                   got.fate == SIFT_FILTERED ? "filtered" : "a duplicate", got.rule);
    }
}

static void put_record(struct sampling *s, const struct batch *b,
                       const struct record *r)
{
    buf_printf(s->out, "%s/%" PRId32 "@%" PRId64 "\n   ", b->topic, b->partition,
               r->offset);
    put_before(s, r);
    buf_put_str(s->out, "\n-> ");
    put_after(s, r);
    buf_put_str(s->out, "\n");
}

/* --- a partition ------------------------------------------------------------------ */

static void add_message(struct batch *b, const struct kf_message *m)
{
    struct record r = {.offset = m->offset,
                       .timestamp_ms = m->timestamp_ms,
                       .key = m->key,
                       .value = m->value};

    batch_add(b, &r);
}

static enum err_kind read_batch(struct kf_consumer *c, struct batch *b, int64_t high,
                                struct err *e)
{
    int64_t end_ms = clock_ms() + WAIT_MS;

    while (b->next < high && clock_ms() < end_ms) {
        struct kf_message m;
        struct kf_end end = {0};
        bool got = false;
        TRY(kf_poll(c, 100, &m, &got, &end, e));
        if (end.reached)
            return ERR_OK;
        if (!got)
            continue;
        add_message(b, &m);
        kf_message_free(&m);
    }
    return ERR_OK;
}

static enum err_kind show_batch(struct sampling *s, const struct batch *b,
                                struct err *e)
{
    TRY(sift_prepare(s->sift, b, e));
    for (size_t i = 0; i < b->n && s->left > 0; i++, s->left--)
        put_record(s, b, &b->records[i]);
    return ERR_OK;
}

static enum err_kind show_partition(struct sampling *s, int32_t partition, size_t quota,
                                    struct err *e)
{
    int64_t low, high;
    struct kf_consumer *c;

    TRY(kf_offsets(s->admin, s->o->topic, partition, &low, &high, WAIT_MS, e));
    if (high <= low)
        return ERR_OK;
    int64_t first = high - low > (int64_t)quota ? high - (int64_t)quota : low;
    TRY(kf_consumer_assign(&c, s->o->bootstrap, s->o->kafka, s->o->topic, partition,
                           first, e));
    struct batch *b = batch_new(s->o->topic, partition, first);
    enum err_kind rc = read_batch(c, b, high, e);
    kf_consumer_close(c);
    if (rc == ERR_OK)
        rc = show_batch(s, b, e);
    batch_free(b);
    return rc;
}

static enum err_kind show_topic(struct sampling *s, struct err *e)
{
    int32_t n;

    TRY(sift_latest(s->sift, e));
    TRY(kf_topic_partitions(s->admin, s->o->topic, &n, WAIT_MS, e));
    for (int32_t i = 0; i < n && s->left > 0; i++)
        TRY(show_partition(s, i, (s->left + (size_t)(n - i) - 1) / (size_t)(n - i), e));
    return ERR_OK;
}

enum err_kind loader_sample_records(const struct sample_options *o, struct sift *sift,
                                    struct buf *out, struct err *e)
{
    struct sampling s = {.o = o, .sift = sift, .left = o->records, .out = out};

    TRY(kf_admin_open(&s.admin, o->bootstrap, o->kafka, e));
    enum err_kind rc = show_topic(&s, e);
    kf_admin_close(s.admin);
    return rc;
}
