#include "cli/dlq_read.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_MS 10000
#define POLL_MS 200
#define SILENCE_MS 30000 // brokers away for so long: given up

struct range { // of one partition: [from, until)
    int64_t from, until;
};

struct span letter_header(const struct kf_message *m, const char *name)
{
    for (size_t i = 0; i < m->n_headers; i++)
        if (strcmp(m->headers[i].name, name) == 0)
            return m->headers[i].value;
    return (struct span){0};
}

struct span fault_text(const struct json *fault, const char *name)
{
    const struct json *j = json_member(fault, name);

    return json_is(j, JSON_STRING) ? j->text : (struct span){0};
}

void letter_open(struct letter *l, const struct kf_message *m, struct arena *a)
{
    struct err ignored = {0};
    const struct json *faults = NULL;

    *l = (struct letter){.m = m,
                         .schema_id = letter_header(m, "avrogate.schema.id"),
                         .subject = letter_header(m, "avrogate.subject"),
                         .content_type = letter_header(m, "content-type"),
                         .principal = letter_header(m, "avrogate.principal"),
                         .time = letter_header(m, "avrogate.time"),
                         .query = letter_header(m, "avrogate.query")};
    struct span errors = letter_header(m, "avrogate.errors");
    if (json_read(&faults, errors, NULL, a, &ignored) != ERR_OK ||
        faults->kind != JSON_ARRAY)
        return;
    l->errors = errors;
    l->faults = faults;
}

/* ---- --where ---- */

static bool any_fault(const struct letter *l, const char *member, struct span value)
{
    if (l->faults == NULL)
        return false;
    for (const struct json *f = l->faults->first; f != NULL; f = f->next)
        if (span_eq(fault_text(f, member), value))
            return true;
    return false;
}

static bool is_number(struct span text, int64_t n)
{
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRId64, n);
    return span_eq(text, span_str(digits));
}

/* `key`: partition, offset, rule, pointer, or a header with or without "avrogate." */
static bool letter_matches(const struct letter *l, const char *key, struct span value)
{
    char name[200];

    if (strcmp(key, "partition") == 0)
        return is_number(value, l->m->partition);
    if (strcmp(key, "offset") == 0)
        return is_number(value, l->m->offset);
    if (strcmp(key, "pointer") == 0)
        return any_fault(l, "pointer", value);
    if (strcmp(key, "rule") == 0)
        return any_fault(l, "rule", value) ||
               span_eq(letter_header(l->m, "__rule.name"), value);
    snprintf(name, sizeof name, "avrogate.%s", key);
    struct span found = letter_header(l->m, name);
    if (found.p == NULL)
        found = letter_header(l->m, key);
    return found.p != NULL && span_eq(found, value);
}

static bool is_wanted(const struct dlq_source *s, const struct letter *l)
{
    for (size_t i = 0; i < s->where->n; i++)
        if (!letter_matches(l, s->where->items[i].name,
                            span_str(s->where->items[i].value)))
            return false;
    return true;
}

/* ---- reading ---- */

static enum err_kind ask_range(const struct dlq_source *s, struct kf_admin *kafka,
                               const char *topic, int32_t partition, struct range *r,
                               struct err *e)
{
    if (s->partition >= 0 && s->partition != partition) {
        *r = (struct range){0};
        return ERR_OK;
    }
    TRY(kf_offsets(kafka, topic, partition, &r->from, &r->until, ASK_MS, e));
    if (s->offset >= 0) {
        bool there = s->offset >= r->from && s->offset < r->until;
        *r = (struct range){s->offset, there ? s->offset + 1 : s->offset};
    } else if (s->last > 0 && r->until - r->from > s->last) {
        r->from = r->until - s->last;
    }
    return ERR_OK;
}

static bool is_stopped(const struct dlq_source *s)
{
    return s->stop != NULL && *s->stop != 0;
}

/* False: no more. */
static bool hand_over(const struct dlq_source *s, struct dlq_reader *r,
                      const struct kf_message *m, struct arena *a)
{
    struct letter l;

    letter_open(&l, m, a);
    bool more = !is_wanted(s, &l) || r->take(r, &l);
    arena_reset(a);
    return more;
}

static enum err_kind follow(const struct dlq_source *s, struct kf_consumer *c,
                            int64_t until, struct dlq_reader *r, bool *more,
                            struct err *e)
{
    int64_t heard_ms = clock_ms();
    struct arena a = {0};
    enum err_kind rc = ERR_OK;

    for (int64_t next = 0; *more && next < until && !is_stopped(s);) {
        struct kf_message m;
        struct kf_end end = {0};
        bool got = false;

        rc = kf_poll(c, POLL_MS, &m, &got, &end, e);
        if (rc == ERR_OK && !got && end.reached)
            break;
        if (rc != ERR_OK && rc != ERR_UNAVAILABLE)
            break;
        if (!got && clock_ms() - heard_ms > SILENCE_MS) {
            rc = rc != ERR_OK ? rc : err_set(e, ERR_UNAVAILABLE, "Kafka is silent");
            break;
        }
        rc = ERR_OK;
        if (!got)
            continue;
        next = m.offset + 1;
        if (m.offset < until)
            *more = hand_over(s, r, &m, &a);
        kf_message_free(&m);
        heard_ms = clock_ms();
    }
    arena_free(&a);
    return rc;
}

static enum err_kind read_partition(const struct dlq_source *s, const char *topic,
                                    int32_t partition, const struct range *range,
                                    struct dlq_reader *r, bool *more, struct err *e)
{
    struct kf_consumer *c;

    if (range->from >= range->until)
        return ERR_OK;
    TRY(kf_consumer_assign(&c, s->bootstrap, s->kafka, topic, partition, range->from,
                           e));
    enum err_kind rc = follow(s, c, range->until, r, more, e);
    kf_consumer_close(c);
    return rc;
}

/* From the list of all: asking for one by name may create it. */
static enum err_kind ask_partitions(struct kf_admin *kafka, const char *topic,
                                    int32_t *partitions, struct err *e)
{
    const struct kf_topic *topics = NULL;
    struct arena a = {0};
    size_t n = 0;
    enum err_kind rc = kf_topics(kafka, &a, &topics, &n, ASK_MS, e);

    *partitions = 0;
    for (size_t i = 0; i < n && rc == ERR_OK; i++)
        if (strcmp(topics[i].name, topic) == 0)
            *partitions = topics[i].partitions;
    arena_free(&a);
    if (rc == ERR_OK && *partitions == 0)
        return err_set(e, ERR_NOT_FOUND, "there is no topic %s", topic);
    return rc;
}

enum err_kind dlq_read(const struct dlq_source *s, struct kf_admin *kafka,
                       const char *topic, struct dlq_reader *r, struct err *e)
{
    int32_t n = 0;
    enum err_kind rc = ERR_OK;
    bool more = true;

    TRY(ask_partitions(kafka, topic, &n, e));
    if (s->partition >= n)
        return err_set(e, ERR_NOT_FOUND, "%s has %" PRId32 " partitions", topic, n);
    struct range *ranges = mem_array((size_t)n, sizeof *ranges);
    for (int32_t i = 0; i < n && rc == ERR_OK; i++)
        rc = ask_range(s, kafka, topic, i, &ranges[i], e);
    for (int32_t i = 0; i < n && rc == ERR_OK && more && !is_stopped(s); i++)
        rc = read_partition(s, topic, i, &ranges[i], r, &more, e);
    free(ranges);
    return rc;
}
