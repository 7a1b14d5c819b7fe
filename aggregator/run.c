#include "aggregator/run.h"

#include "aggregate/show.h"
#include "aggregator/audit.h"
#include "aggregator/out_kafka.h"
#include "aggregator/out_postgres.h"
#include "aggregator/reset.h"
#include "aggregator/sample.h"
#include "aggregator/web.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 200
#define SETTLE_MS 60000 // for the last commit to be shown and written, at the end
#define TOLD_MS 3000    // ... when it was told to end
#define SHARDS_MOST 10000

static const struct conf_program program = {
    .name = "avrogate aggregate",
    .operands = "[reset]",
    .about =
        "Keeps running aggregates of a topic of framed Avro: counts, sums, least, "
        "greatest,\naverages and last values by key, and by window of time. The table "
        "is kept in a compacted\ntopic, written in one transaction with the offsets: "
        "each record counts exactly once,\nwhatever is killed. It is printed, served "
        "over HTTP, written to PostgreSQL or published.\n\nExit status: 0 counted, or "
        "told to stop; 1 stopped by something that a person must mend;\n2 wrong "
        "settings.\n\nTo count anew: `avrogate aggregate reset --help`.",
    .examples =
        "  avrogate aggregate -c invoices.yaml --sample 1000\n"
        "  avrogate aggregate -c invoices.yaml --print 5s\n"
        "  avrogate aggregate -c invoices.yaml --until-end --print 1h\n"
        "  avrogate aggregate -c invoices.yaml --listen 127.0.0.1:9470\n"
        "  curl 'http://127.0.0.1:9470/aggregate/rows?limit=10'\n\n"
        "  invoices.yaml:\n"
        "    job: revenue\n"
        "    registry: http://127.0.0.1:8081\n"
        "    source: {kafka: {bootstrap: \"127.0.0.1:9092\", topic: invoices}}\n"
        "    aggregate:\n"
        "      key: [customer_id]\n"
        "      columns: {invoices: count, revenue: sum(total), mean: avg(total), "
        "newest: last(status)}\n"
        "      window: {size: 1h, grace: 5m}\n"
        "      where: message.total > 0.0\n",
    .rows = aggregator_rows,
};

struct running {
    const struct aggregator_settings *s;
    struct engine *engine;
    struct follower *follower; // NULL: nobody looks
    struct sink {              // each with a view of its own
        struct out *out;
        struct follower *follower;
    } sinks[2];
    size_t n_sinks;
    struct web *web;
    struct audit *audit;
    int64_t shows;
};

/* --- the terminal ------------------------------------------------------------------
 */

static void print_table(struct running *r)
{
    struct buf text = BUF_INIT((size_t)1 << 30);
    char when[WALL_TEXT];
    struct engine_state st;

    wall_print(when, wall_ms());
    engine_state(r->engine, &st);
    buf_printf(&text,
               "-------------------------------------------\nBatch: %" PRId64
               "  %s  %" PRId64 " records\n"
               "-------------------------------------------\n",
               r->shows++, when, st.records);
    struct agg_view *v = follower_lock(r->follower);
    agg_show_table(&text, v, (size_t)r->s->print_rows);
    follower_unlock(r->follower);
    buf_put_str(&text, "\n");
    fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
    buf_free(&text);
}

static void show_progress(const struct running *r, int64_t *records, int64_t *at_ms)
{
    int64_t ms = clock_ms() - *at_ms;
    struct engine_state st;

    if (ms < 1000 || !isatty(STDERR_FILENO))
        return;
    engine_state(r->engine, &st);
    fprintf(stderr,
            "\r\033[K%s: %" PRId64 " records  %" PRId64 "/s  rows %zu  late %" PRId64
            "  set aside %" PRId64 "%s%.60s",
            r->s->job, st.records, (st.records - *records) * 1000 / ms, st.rows,
            st.late, st.rejected, st.why[0] == '\0' ? "" : "  waits: ", st.why);
    *records = st.records;
    *at_ms = clock_ms();
}

static bool is_told(const sigset_t *signals)
{
    struct timespec tick = {0, TICK_MS * 1000000L};

    return sigtimedwait(signals, NULL, &tick) > 0;
}

/* A sink, or the table, that a person must see to. */
static bool is_broken(const struct running *r)
{
    struct follower_state fs = {0};

    if (r->follower != NULL)
        follower_state(r->follower, &fs);
    for (size_t i = 0; i < r->n_sinks && !fs.failed; i++)
        follower_state(r->sinks[i].follower, &fs);
    return fs.failed;
}

/* Until it ends, or is told to (true). */
static bool watch(struct running *r, const sigset_t *signals)
{
    int64_t print_at = clock_ms() + r->s->print_ms, records = 0, at_ms = clock_ms();

    bool told = false;

    while (!engine_wait(r->engine, 0) && !is_broken(r) && !(told = is_told(signals))) {
        show_progress(r, &records, &at_ms);
        if (r->s->print_ms == 0 || clock_ms() < print_at)
            continue;
        print_at = clock_ms() + r->s->print_ms;
        print_table(r);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    return told;
}

/* --- its life ----------------------------------------------------------------------
 */

static enum err_kind add_sink(struct running *r, struct out *out, struct err *e)
{
    struct sink *k = &r->sinks[r->n_sinks++];

    k->out = out;
    return follower_open(&k->follower, r->s, r->engine, out, e);
}

static enum err_kind open_sinks(struct running *r, struct err *e)
{
    const struct aggregator_settings *s = r->s;
    struct out *out;

    if (s->pg_url != NULL) {
        TRY(postgres_out_open(&out, s->pg_url, s->pg_table, s->job, e));
        TRY(add_sink(r, out, e));
    }
    if (s->publish_topic != NULL) {
        kafka_out_open(&out, s, r->engine);
        TRY(add_sink(r, out, e));
    }
    return ERR_OK;
}

static enum err_kind open_all(struct running *r, struct err *e)
{
    const struct aggregator_settings *s = r->s;
    const char *audit = s->audit_url != NULL ? s->audit_url : s->pg_url;

    TRY(engine_open(&r->engine, s, e));
    if (audit != NULL)
        TRY(audit_open(&r->audit, audit, s, r->engine, e));
    TRY(open_sinks(r, e));
    if (s->print_ms > 0 || s->listen != NULL)
        TRY(follower_open(&r->follower, s, r->engine, NULL, e));
    if (s->listen != NULL)
        TRY(web_open(&r->web, s, r->engine, r->follower, e));
    return ERR_OK;
}

static void close_all(struct running *r, const char *status, const char *why)
{
    web_close(r->web);
    if (r->follower != NULL)
        follower_close(r->follower);
    for (size_t i = 0; i < r->n_sinks; i++) {
        if (r->sinks[i].follower != NULL)
            follower_close(r->sinks[i].follower);
        r->sinks[i].out->ops->close(r->sinks[i].out);
    }
    if (r->engine != NULL)
        engine_stop(r->engine);
    while (r->engine != NULL && !engine_wait(r->engine, TICK_MS))
        ;
    if (r->audit != NULL)
        audit_close(r->audit, status, why);
    if (r->engine != NULL)
        engine_close(r->engine);
}

/* The last commit is shown and written, too; what the shards committed is asked before
 * they are gone. */
static bool settle(struct running *r, int64_t ms)
{
    struct shard_state *shards = mem_array(SHARDS_MOST, sizeof *shards);
    bool all = true;

    engine_stop(r->engine);
    while (!engine_wait(r->engine, TICK_MS))
        ;
    size_t n = engine_last(r->engine, shards, SHARDS_MOST);
    for (size_t i = 0; i < r->n_sinks; i++)
        all = follower_catch_up(r->sinks[i].follower, shards, n, ms) && all;
    if (r->follower != NULL)
        all = follower_catch_up(r->follower, shards, n, ms) && all;
    free(shards);
    return all;
}

/* What went wrong, "" = nothing. */
static void find_trouble(struct running *r, bool settled, char why[400])
{
    struct engine_state st;
    struct follower_state fs = {0};

    engine_state(r->engine, &st);
    for (size_t i = 0; i < r->n_sinks && !fs.failed; i++)
        follower_state(r->sinks[i].follower, &fs);
    if (r->follower != NULL && !fs.failed && r->n_sinks == 0)
        follower_state(r->follower, &fs);
    why[0] = '\0';
    if (st.failed)
        snprintf(why, 400, "%s", st.why);
    else if (fs.failed || !settled)
        snprintf(why, 400, "the table was not %s: %s",
                 r->n_sinks > 0 ? "written whole" : "shown whole", fs.why);
}

static void sum_up(struct running *r)
{
    struct engine_state st;

    engine_state(r->engine, &st);
    fprintf(stderr,
            "%s: %" PRId64 " records counted, %" PRId64 " late, %" PRId64
            " filtered, %" PRId64 " set aside, %" PRId64 " commits\n",
            r->s->job, st.records, st.late, st.filtered, st.rejected, st.commits);
}

static int run(const struct aggregator_settings *s, const sigset_t *signals,
               struct err *e)
{
    struct running r = {.s = s};
    char why[400] = "";

    if (open_all(&r, e) != ERR_OK) {
        close_all(&r, "failed", e->msg);
        return 2;
    }
    bool told = watch(&r, signals);
    bool settled = settle(&r, told ? TOLD_MS : SETTLE_MS) || told;
    if (s->print_ms > 0)
        print_table(&r);
    find_trouble(&r, settled, why);
    sum_up(&r);
    if (why[0] != '\0')
        fprintf(stderr, "avrogate aggregate: %s\n", why);
    close_all(&r,
              why[0] != '\0' ? "failed"
              : told         ? "interrupted"
                             : "success",
              why[0] != '\0' ? why
              : told         ? "told to stop"
                             : NULL);
    return why[0] != '\0' ? 1 : 0;
}

static int show_sample(const struct aggregator_settings *s, struct err *e)
{
    struct buf text = BUF_INIT((size_t)1 << 30);

    enum err_kind rc = aggregator_sample(s, &text, e);
    if (rc == ERR_OK)
        fwrite(text.p, 1, text.n, stdout);
    else
        fprintf(stderr, "avrogate aggregate: %s\n", e->msg);
    buf_free(&text);
    return rc == ERR_OK ? 0 : 1;
}

static int complain(struct conf *conf, const struct err *e)
{
    fprintf(stderr, "avrogate aggregate: %s\n", e->msg);
    conf_free(conf);
    return 2;
}

int cmd_aggregate(int argc, char **argv)
{
    struct conf conf = {0};
    struct aggregator_settings s = {0};
    enum conf_outcome outcome;
    enum log_level level;
    struct err e = {0};
    sigset_t signals;
    int code = 0;

    if (argc > 1 && strcmp(argv[1], "reset") == 0)
        return reset_run(argc, argv);
    if (conf_read(&conf, &program, argc, argv, &s, &outcome, &e) != ERR_OK)
        return complain(&conf, &e);
    if (outcome == CONF_RUN && conf.n_operands > 0) {
        (void)err_set(&e, ERR_INVALID,
                      "\"%.60s\": wanted reset, as the first word, or flags alone",
                      conf.operands[0]);
        return complain(&conf, &e);
    }
    if (outcome == CONF_RUN) {
        if (log_level_read(&level, span_str(s.log_level), &e) != ERR_OK)
            return complain(&conf, &e);
        log_set_level(level);
        // Before any thread is made, so that all of them leave signals to this one.
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        code = s.sample > 0 ? show_sample(&s, &e) : run(&s, &signals, &e);
        if (code == 2)
            return complain(&conf, &e);
    }
    conf_free(&conf);
    return code;
}
