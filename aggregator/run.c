#include "aggregator/run.h"

#include "aggregate/show.h"
#include "aggregator/web.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS 200
#define SETTLE_MS 60000 // for the last commit to be shown and written, at the end
#define TOLD_MS 3000    // ... when it was told to end
#define SHARDS_MOST 10000

static const struct conf_program program = {
    .name = "avrogate aggregate",
    .about =
        "Keeps running aggregates of a topic of framed Avro: counts, sums, least, "
        "greatest,\naverages and last values by key, and by window of time. The table "
        "is kept in a compacted\ntopic, written in one transaction with the offsets: "
        "each record counts exactly once,\nwhatever is killed. It is printed, served "
        "over HTTP, written to PostgreSQL or published.\n\nExit status: 0 counted, or "
        "told to stop; 1 stopped by something that a person must mend;\n2 wrong "
        "settings.",
    .examples =
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
    struct out *out;
    struct web *web;
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

/* Until it ends, or is told to (true). */
static bool watch(struct running *r, const sigset_t *signals)
{
    int64_t print_at = clock_ms() + r->s->print_ms, records = 0, at_ms = clock_ms();

    bool told = false;

    while (!engine_wait(r->engine, 0) && !(told = is_told(signals))) {
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

static enum err_kind open_all(struct running *r, struct err *e)
{
    const struct aggregator_settings *s = r->s;

    TRY(engine_open(&r->engine, s, e));
    if (s->print_ms > 0 || s->listen != NULL || r->out != NULL)
        TRY(follower_open(&r->follower, s, r->engine, r->out, e));
    if (s->listen != NULL)
        TRY(web_open(&r->web, s, r->engine, r->follower, e));
    return ERR_OK;
}

static void close_all(struct running *r)
{
    web_close(r->web);
    if (r->follower != NULL)
        follower_close(r->follower);
    if (r->out != NULL)
        r->out->ops->close(r->out);
    if (r->engine != NULL)
        engine_close(r->engine);
}

/* The last commit is shown and written, too; what the shards committed is asked before
 * they are gone. */
static bool settle(struct running *r, int64_t ms)
{
    struct shard_state *shards = mem_array(SHARDS_MOST, sizeof *shards);
    size_t n;

    engine_stop(r->engine);
    while (!engine_wait(r->engine, TICK_MS))
        ;
    n = engine_last(r->engine, shards, SHARDS_MOST);
    bool all = r->follower == NULL || follower_catch_up(r->follower, shards, n, ms);
    free(shards);
    return all;
}

static int sum_up(struct running *r, bool settled)
{
    struct engine_state st;
    struct follower_state fs = {0};

    engine_state(r->engine, &st);
    if (r->follower != NULL)
        follower_state(r->follower, &fs);
    fprintf(stderr,
            "%s: %" PRId64 " records counted, %" PRId64 " late, %" PRId64
            " filtered, %" PRId64 " set aside, %" PRId64 " commits\n",
            r->s->job, st.records, st.late, st.filtered, st.rejected, st.commits);
    if (st.failed)
        fprintf(stderr, "avrogate aggregate: %s\n", st.why);
    else if (fs.failed || !settled)
        fprintf(stderr, "avrogate aggregate: the table was not shown whole: %s\n",
                fs.why);
    return st.failed || fs.failed || !settled ? 1 : 0;
}

static int run(const struct aggregator_settings *s, const sigset_t *signals,
               struct err *e)
{
    struct running r = {.s = s};
    enum err_kind rc = open_all(&r, e);
    int code = 2;

    if (rc == ERR_OK) {
        bool told = watch(&r, signals);
        bool settled = settle(&r, told ? TOLD_MS : SETTLE_MS) || told;
        if (s->print_ms > 0)
            print_table(&r);
        code = sum_up(&r, settled);
    }
    close_all(&r);
    return code;
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

    if (conf_read(&conf, &program, argc, argv, &s, &outcome, &e) != ERR_OK)
        return complain(&conf, &e);
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
        code = run(&s, &signals, &e);
        if (code == 2)
            return complain(&conf, &e);
    }
    conf_free(&conf);
    return code;
}
