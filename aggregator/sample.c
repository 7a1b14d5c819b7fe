#include "aggregator/sample.h"

#include "aggregate/show.h"
#include "aggregator/shard_inside.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>

#define WAIT_MS 10000 // for the brokers, and for what a partition has
#define PARCEL 1000

struct sampling {
    const struct aggregator_settings *s;
    struct agg_spec spec;
    struct transform *transform; // NULL = none
    struct rc *rc;
    struct kf_admin *admin;
    char *subject;
    int32_t n;             // partitions
    struct agg_view view;  // of the partitions' tables
    struct buf told, read; // what was set aside; which offsets were read
    struct agg_position sum;
    size_t left; // records
};

/* --- a partition's table ---------------------------------------------------------- */

/* A shard that has no thread, no name and no changelog: it counts, and nothing else. */
static enum err_kind open_shard(struct sampling *p, struct shard *s, struct err *e)
{
    struct sift_options o = {.subject = p->subject,
                             .timeout_ms = p->s->registry_timeout_ms,
                             .transform = p->transform};

    s->memory = transform_memory_new(p->transform);
    o.memory = s->memory;
    atomic_store(&s->ending, true); // so that nobody waits
    pthread_mutex_init(&s->lock, NULL);
    if (p->s->where != NULL)
        s->where = where_new(p->s->where);
    return sift_open(&s->sift, p->rc, &o, e);
}

static void close_shard(struct shard *s)
{
    shard_forget(s);
    sift_close(s->sift);
    transform_memory_free(s->memory);
    where_free(s->where);
    arena_free(&s->letters_mem);
    arena_free(&s->shape_mem);
    free(s->letters);
    free(s->records);
    pthread_mutex_destroy(&s->lock);
}

/* As the changelog would have told it. */
static enum err_kind show_shard(struct sampling *p, const struct shard *s,
                                struct err *e)
{
    struct buf key = BUF_INIT(1 << 20), value = BUF_INIT((size_t)1 << 30);
    size_t part = (size_t)s->partition;
    int64_t offset = 0;
    enum err_kind rc = ERR_OK;

    if (s->has_table) {
        agg_state_put_shape(&value, &s->shape);
        rc = agg_view_apply(&p->view, part, offset++, agg_state_shape_key,
                            buf_span(&value), e);
    }
    for (size_t i = 0; i < s->table.n_dirty && rc == ERR_OK; i++) {
        const struct agg_row *r = s->table.dirty[i];
        if (r->dropped)
            continue;
        buf_reset(&key);
        buf_reset(&value);
        agg_state_put_key(&key, &s->table, r);
        agg_state_put_row(&value, &s->table, r);
        rc = agg_view_apply(&p->view, part, offset++, buf_span(&key), buf_span(&value),
                            e);
    }
    buf_free(&key);
    buf_free(&value);
    return rc;
}

static void add_up(struct sampling *p, const struct agg_position *of)
{
    p->sum.records += of->records;
    p->sum.late += of->late;
    p->sum.filtered += of->filtered;
    p->sum.rejected += of->rejected;
}

/* --- its records ------------------------------------------------------------------ */

/* Until the parcel is full, or has what there is before `high`. */
static enum err_kind read_parcel(struct kf_consumer *c, struct parcel *parcel,
                                 int64_t high, bool *more, struct err *e)
{
    int64_t end_ms = clock_ms() + WAIT_MS;

    *more = true;
    while (*more && parcel->n < PARCEL) {
        struct kf_end end = {0};
        bool got = false;
        TRY(kf_poll(c, 100, &parcel->messages[parcel->n], &got, &end, e));
        if (got && parcel->messages[parcel->n].offset + 1 >= high)
            *more = false;
        parcel->n += got;
        if (end.reached)
            *more = false;
        if (!got && *more && clock_ms() > end_ms)
            return err_set(e, ERR_UNAVAILABLE, "no records came for %d s",
                           WAIT_MS / 1000);
    }
    return ERR_OK;
}

static enum err_kind count_parcel(struct sampling *p, struct shard *s,
                                  struct parcel *parcel, struct err *e)
{
    if (parcel->n == 0)
        return ERR_OK;
    if (s->now.next == 0) // the first of the partition
        buf_printf(&p->read, "%s%" PRId32 "@%" PRId64, p->read.n == 0 ? "" : ", ",
                   s->partition, parcel->messages[0].offset);
    p->left -= parcel->n < p->left ? parcel->n : p->left;
    return shard_count(s, parcel, e);
}

static enum err_kind count_all(struct sampling *p, struct shard *s,
                               struct kf_consumer *c, int64_t high, struct err *e)
{
    enum err_kind rc = ERR_OK;

    for (bool more = true; more && rc == ERR_OK;) {
        struct parcel *parcel = shard_parcel_new(0);
        parcel->messages = mem_array(PARCEL, sizeof *parcel->messages);
        parcel->cap = PARCEL;
        rc = read_parcel(c, parcel, high, &more, e);
        if (rc == ERR_OK)
            rc = count_parcel(p, s, parcel, e);
        shard_parcel_free(parcel);
    }
    return rc;
}

static enum err_kind sample_from(struct sampling *p, int32_t partition, int64_t first,
                                 int64_t high, struct err *e)
{
    struct shard s = {.w = {.settings = p->s,
                            .spec = &p->spec,
                            .subject = p->subject,
                            .changelog = "the sample",
                            .transform = p->transform,
                            .rc = p->rc},
                      .partition = partition,
                      .now = AGG_NOWHERE,
                      .told = &p->told};
    struct kf_consumer *c = NULL;

    enum err_kind rc = open_shard(p, &s, e);
    if (rc == ERR_OK)
        rc = kf_consumer_assign(&c, p->s->bootstrap, &p->s->kafka, p->s->topic,
                                partition, first, e);
    if (rc == ERR_OK)
        rc = count_all(p, &s, c, high, e);
    if (c != NULL)
        kf_consumer_close(c);
    if (rc == ERR_OK && s.now.next > 0)
        buf_printf(&p->read, "-%" PRId64, s.now.next - 1);
    if (rc == ERR_OK)
        rc = show_shard(p, &s, e);
    add_up(p, &s.now);
    close_shard(&s);
    return rc;
}

static enum err_kind sample_partition(struct sampling *p, int32_t partition,
                                      struct err *e)
{
    int64_t low, high, rest = p->n - partition;
    int64_t quota = ((int64_t)p->left + rest - 1) / rest;

    TRY(kf_offsets(p->admin, p->s->topic, partition, &low, &high, WAIT_MS, e));
    if (high <= low || quota == 0)
        return ERR_OK;
    return sample_from(p, partition, high - low > quota ? high - quota : low, high, e);
}

/* --- all of it -------------------------------------------------------------------- */

static enum err_kind open_all(struct sampling *p, struct err *e)
{
    const struct aggregator_settings *s = p->s;
    struct agg_asked asked = aggregator_asked(s);
    struct rc_options o = {.urls = s->registry.items,
                           .n_urls = s->registry.n,
                           .login = s->login,
                           .latest_ttl_ms = 1000};

    TRY(agg_spec_read(&p->spec, &asked, e));
    if (s->transform.root != NULL)
        TRY(transform_read(&p->transform, &s->transform, e));
    TRY(rc_open(&p->rc, &o, e));
    TRY(kf_admin_open(&p->admin, s->bootstrap, &s->kafka, e));
    TRY(kf_topic_partitions(p->admin, s->topic, &p->n, WAIT_MS, e));
    agg_view_init(&p->view, (size_t)p->n);
    return ERR_OK;
}

static void put_all(struct sampling *p, struct buf *out)
{
    const struct agg_position *sum = &p->sum;
    int64_t all = sum->records + sum->late + sum->filtered + sum->rejected;

    if (all == 0) {
        buf_put_str(out, "the topic is empty\n");
        return;
    }
    buf_put(out, buf_span(&p->told));
    if (p->view.has_shape)
        agg_show_table(out, &p->view, (size_t)p->s->print_rows);
    buf_printf(out,
               "%" PRId64 " records of %s (" SPAN_FMT "): %" PRId64 " counted, %" PRId64
               " late, %" PRId64 " filtered, %" PRId64
               " set aside.  Nothing was written.\n",
               all, p->s->topic, SPAN_ARG(buf_span(&p->read)), sum->records, sum->late,
               sum->filtered, sum->rejected);
}

static void close_all(struct sampling *p)
{
    if (p->n > 0)
        agg_view_free(&p->view);
    if (p->admin != NULL)
        kf_admin_close(p->admin);
    if (p->rc != NULL)
        rc_close(p->rc);
    transform_free(p->transform);
    agg_spec_free(&p->spec);
    free(p->subject);
    buf_free(&p->told);
    buf_free(&p->read);
}

enum err_kind aggregator_sample(const struct aggregator_settings *s, struct buf *out,
                                struct err *e)
{
    struct sampling p = {.s = s,
                         .subject = aggregator_subject(s),
                         .told = BUF_INIT(16 << 20),
                         .read = BUF_INIT(1 << 20),
                         .left = (size_t)s->sample};

    enum err_kind rc = open_all(&p, e);
    for (int32_t i = 0; i < p.n && rc == ERR_OK; i++)
        rc = sample_partition(&p, i, e);
    if (rc == ERR_OK)
        put_all(&p, out);
    close_all(&p);
    return rc;
}
