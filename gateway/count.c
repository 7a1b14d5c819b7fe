#include "gateway/gateway_inside.h"

#include <assert.h>
#include <stdio.h>

static struct stats_metric records = {.name = "avrogate_gateway_records_total",
                                      .help =
                                          "records by topic and what became of them",
                                      .kind = STATS_COUNTER,
                                      .labels = "topic,outcome"};
static struct stats_metric requests = {.name = "avrogate_gateway_requests_total",
                                       .help = "requests for records by status",
                                       .kind = STATS_COUNTER,
                                       .labels = "status"};
static struct stats_metric phases = {
    .name = "avrogate_gateway_phase_seconds",
    .help = "time by phase: body (head to last byte), schema (and topic), check (read "
            "and encode), kafka (sent to last report), answer (put together)",
    .kind = STATS_HISTOGRAM,
    .labels = "phase",
    .bounds = stats_latency_bounds};

static struct stats_metric full = {.name = "avrogate_gateway_refused_total",
                                   .help = "requests refused for want of room: of what "
                                           "there is none, and for whom",
                                   .kind = STATS_COUNTER,
                                   .labels = "of,for"};

static struct stats_metric replays = {
    .name = "avrogate_gateway_idempotency_keys_total",
    .help =
        "keys that came again: waited for the first, replayed, with another request",
    .kind = STATS_COUNTER,
    .labels = "what"};

static const char *const phase_names[PHASES] = {[PHASE_BODY] = "body",
                                                [PHASE_SCHEMA] = "schema",
                                                [PHASE_CHECK] = "check",
                                                [PHASE_KAFKA] = "kafka",
                                                [PHASE_ANSWER] = "answer"};
static struct stats_value *phase_values[PHASES];

void count_install(void)
{
    stats_add(&records);
    stats_add(&requests);
    stats_add(&phases);
    for (size_t i = 0; i < PHASES;
         i++) // looked up once: this is asked of every request
        phase_values[i] = stats_child(&phases, (const char *const[]){phase_names[i]});
    stats_add(&full);
    contracts_count_install();
    stats_add(&replays);
}

/* What became of a record: the outcomes of publish.h, and what a refusal adds. */
enum fate { FATE_REFUSED = OUTCOME_UNKNOWN + 1, FATE_DLQ, FATE_DLQ_FAILED, FATES };

static const char *const fate_names[FATES] = {[OUTCOME_NONE] = "not_sent",
                                              [OUTCOME_WRITTEN] = "written",
                                              [OUTCOME_NOT_WRITTEN] = "not_written",
                                              [OUTCOME_UNKNOWN] = "unknown",
                                              [FATE_REFUSED] = "refused",
                                              [FATE_DLQ] = "dlq",
                                              [FATE_DLQ_FAILED] = "dlq_failed"};

/* The counters of the topic that this thread counted last: mostly it is the next one
 * too.  Counters live as long as the process. */
static _Thread_local struct {
    char topic[256];
    size_t topic_n;
    struct stats_value *fates[FATES];
} latest;

static void count_fate(struct span topic, enum fate fate, size_t n)
{
    if (n == 0)
        return;
    if (!span_eq(topic, span_of(latest.topic, latest.topic_n))) {
        memset(&latest, 0, sizeof latest);
        latest.topic_n = topic.n < sizeof latest.topic ? topic.n : 0;
        memcpy(latest.topic, topic.p, latest.topic_n);
    }
    if (latest.fates[fate] == NULL)
        latest.fates[fate] = stats_child(
            &records, (const char *const[]){latest.topic, fate_names[fate]});
    stats_count(latest.fates[fate], (long long)n);
}

void count_answer(const struct publish *p)
{
    size_t n[FATES] = {0};

    for (size_t i = 0; i < p->batch.n; i++) {
        n[p->main[i].outcome] += !p->batch.items[i].refused;
        n[FATE_DLQ] += p->dlq[i].outcome == OUTCOME_WRITTEN;
        n[FATE_DLQ_FAILED] += p->dlq[i].outcome > OUTCOME_WRITTEN;
    }
    n[FATE_REFUSED] = p->batch.bad;
    for (size_t fate = 0; fate < FATES; fate++)
        count_fate(p->ask.topic, (enum fate)fate, n[fate]);
}

#define STATUS_MOST 600

/* `status` 0: before any answer. */
static struct stats_value *status_child(int status)
{
    char number[12] = "gone";

    if (status != 0)
        snprintf(number, sizeof number, "%d", status);
    return stats_child(&requests, (const char *const[]){number});
}

void count_status(int status)
{
    static _Atomic(struct stats_value *) kept[STATUS_MOST]; // looked up once
    struct stats_value *v;

    assert(status >= 0 && status < STATUS_MOST);
    v = atomic_load_explicit(&kept[status], memory_order_acquire);
    if (v == NULL) {
        v = status_child(status);
        atomic_store_explicit(&kept[status], v, memory_order_release);
    }
    stats_count(v, 1);
}

void count_phase(enum phase phase, int64_t us)
{
    stats_observe(&phases, phase_values[phase], us);
}

void count_full(enum share_of what, enum share_verdict v)
{
    static const char *const names[] = {[SHARE_REQUESTS] = "requests",
                                        [SHARE_RECORDS] = "records",
                                        [SHARE_BYTES] = "bytes"};

    stats_count(
        stats_child(
            &full, (const char *const[]){names[what], v == SHARE_OVER ? "one" : "all"}),
        1);
}

void count_replay(const char *what)
{
    stats_count(stats_child(&replays, (const char *const[]){what}), 1);
}

static void put_gauge(struct buf *out, const char *name, const char *help, uint64_t v)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", name, help, name, name,
               (unsigned long long)v);
}

void count_print(struct buf *out, struct gateway *g)
{
    stats_print(out);
    http_server_metrics(g->server, out);
    put_gauge(out, "avrogate_gateway_in_flight_requests", "from head to answer",
              shares_used(&g->shares, SHARE_REQUESTS));
    put_gauge(out, "avrogate_gateway_in_flight_records", "waiting for Kafka",
              shares_used(&g->shares, SHARE_RECORDS));
    put_gauge(out, "avrogate_gateway_in_flight_bytes",
              "of bodies, and of records waiting for Kafka",
              shares_used(&g->shares, SHARE_BYTES));
    put_gauge(out, "avrogate_gateway_idempotency_bytes",
              "of answers kept for keys that come again", replay_bytes(&g->replay));
    put_gauge(out, "avrogate_gateway_principals", "with something in flight",
              shares_accounts(&g->shares));
}
