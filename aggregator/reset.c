#include "aggregator/reset.h"

#include "aggregator/out_kafka.h"
#include "aggregator/out_postgres.h"
#include "base/clock.h"
#include "base/log.h"
#include "kafka/transaction.h"
#include "loaders/etl_reset.h"
#include "loaders/migrate.h"
#include "loaders/pg.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_MOST 100
#define ASK_MS 10000
#define TAKE_MS 30000 // for one name
#define DELETE_MS 30000
#define AGAIN_MS 100

struct reset_settings {
    struct aggregator_settings a; // first: the pipeline file's rows
    bool yes;
    const char *reason;
};

#define AT(field) offsetof(struct reset_settings, field)

static const struct conf_row own_rows[] = {
    {"yes", CONF_BOOL, AT(yes), .flag = "yes", .help = "do it"},
    {"reason", CONF_TEXT, AT(reason), .flag = "reason", .fallback = "",
     .help = "why; kept in etl_reset"},
    {0},
};

struct reset {
    const struct reset_settings *s;
    struct kf_admin *kafka;
    char *changelog, *group;
    int32_t n, n_changelog; // partitions; of the changelog 0 = it is not there
    struct reset_target {
        int64_t low, high;
    } * targets; // by partition
};

/* --- what there is -----------------------------------------------------------------
 */

static enum err_kind check_nobody_runs(struct reset *r, struct err *e)
{
    int n;

    TRY(kf_group_members(r->kafka, r->group, &n, ASK_MS, e));
    if (n > 0)
        return err_set(e, ERR_CONFLICT,
                       "%d instances of %s run, or ended without a word less than "
                       "session.timeout.ms ago: stop them first",
                       n, r->s->a.job);
    return ERR_OK;
}

static enum err_kind look(struct reset *r, struct err *e)
{
    const struct aggregator_settings *a = &r->s->a;

    TRY(kf_admin_open(&r->kafka, a->bootstrap, &a->kafka, e));
    TRY(kf_topic_partitions(r->kafka, a->topic, &r->n, ASK_MS, e));
    r->targets = mem_array((size_t)r->n, sizeof *r->targets);
    for (int32_t i = 0; i < r->n; i++)
        TRY(kf_offsets(r->kafka, a->topic, i, &r->targets[i].low, &r->targets[i].high,
                       ASK_MS, e));
    enum err_kind rc =
        kf_topic_partitions(r->kafka, r->changelog, &r->n_changelog, ASK_MS, e);
    if (rc == ERR_NOT_FOUND)
        r->n_changelog = 0;
    else if (rc != ERR_OK)
        return rc;
    return check_nobody_runs(r, e);
}

static int64_t goes_on(const struct reset *r, int32_t partition)
{
    const struct reset_target *t = &r->targets[partition];

    return r->s->a.start == 1 ? t->high : t->low;
}

/* --- the sinks ---------------------------------------------------------------------
 */

/* Without `out` it is done, with it only said. */
static enum err_kind clear_sinks(struct reset *r, struct buf *out, struct err *e)
{
    const struct aggregator_settings *a = &r->s->a;
    int64_t rows;

    if (a->pg_url != NULL) {
        if (a->pg_table == NULL || a->pg_table[0] == '\0')
            return err_set(e, ERR_INVALID, "sink.postgres.table is missing");
        TRY(postgres_out_clear(a->pg_url, a->pg_table, a->job, out != NULL, &rows, e));
        if (out != NULL)
            buf_printf(out, "  table %s: %" PRId64 " rows deleted\n", a->pg_table,
                       rows);
    }
    if (a->publish_topic != NULL) {
        TRY(kafka_out_clear(a, r->kafka, r->changelog, r->n_changelog, out != NULL,
                            &rows, e));
        if (out != NULL)
            buf_printf(out, "  topic %s: %" PRId64 " rows deleted, by tombstones\n",
                       a->publish_topic, rows);
    }
    return ERR_OK;
}

/* --- the audit ---------------------------------------------------------------------
 */

static enum err_kind move_all(struct reset *r, struct pg *pg, struct err *e)
{
    const struct aggregator_settings *a = &r->s->a;
    struct buf sql = BUF_INIT(8 << 20);
    char who[80];

    etl_who(who, sizeof who);
    buf_put_str(&sql, "BEGIN;\n");
    for (int32_t i = 0; i < r->n; i++)
        etl_put_reset(&sql, a->job, a->topic, i, goes_on(r, i), who, r->s->reason);
    buf_put_str(&sql, "COMMIT");
    enum err_kind rc = pg_run_buf(pg, &sql, e);
    buf_free(&sql);
    return rc;
}

static enum err_kind tell_audit(struct reset *r, struct err *e)
{
    const struct aggregator_settings *a = &r->s->a;
    const char *url = a->audit_url != NULL ? a->audit_url : a->pg_url;
    struct pg pg;

    if (url == NULL)
        return ERR_OK;
    pg_init(&pg, url, "avrogate aggregate reset");
    enum err_kind rc = pg_connect(&pg, e);
    if (rc == ERR_OK)
        rc = migrate(&pg, e);
    if (rc == ERR_OK)
        rc = move_all(r, &pg, e);
    pg_close(&pg);
    return rc;
}

/* --- the changelog -----------------------------------------------------------------
 */

static enum err_kind take_name(struct reset *r, int32_t partition, struct err *e)
{
    const struct aggregator_settings *a = &r->s->a;
    char *name = aggregator_name(a, partition);
    struct kf_producer *p = NULL;

    enum err_kind rc =
        kf_transactional_open(&p, a->bootstrap, &a->kafka, name, r->changelog, e);
    if (rc == ERR_OK) {
        rc = kf_take(p, TAKE_MS, e);
        kf_producer_close(p);
    }
    free(name);
    return rc;
}

/* What their former holder left open is being ended meanwhile. */
static enum err_kind insist_on_name(struct reset *r, int32_t partition, struct err *e)
{
    int64_t until = clock_ms() + TAKE_MS;

    for (;;) {
        enum err_kind rc = take_name(r, partition, e);

        if (rc != ERR_UNAVAILABLE || clock_ms() >= until)
            return rc;
        nanosleep(&(struct timespec){0, AGAIN_MS * 1000000L}, NULL);
    }
}

static enum err_kind renew_changelog(struct reset *r, struct err *e)
{
    int32_t n = r->n_changelog > r->n ? r->n_changelog : r->n;

    TRY(kf_topic_delete(r->kafka, r->changelog, DELETE_MS, e));
    return aggregator_make_changelog(r->kafka, &r->s->a, r->changelog, n, ASK_MS, e);
}

static enum err_kind do_it(struct reset *r, struct err *e)
{
    for (int32_t i = 0; i < r->n_changelog; i++)
        TRY(insist_on_name(r, i, e));
    TRY(clear_sinks(r, NULL, e));
    TRY(tell_audit(r, e));
    TRY(renew_changelog(r, e));
    return clear_sinks(r, NULL, e);
}

/* --- the command -------------------------------------------------------------------
 */

static enum err_kind say(struct reset *r, struct buf *out, struct err *e)
{
    const struct aggregator_settings *a = &r->s->a;

    buf_printf(out, "%s: %s, counted anew\n", a->job, a->topic);
    for (int32_t i = 0; i < r->n; i++)
        buf_printf(out,
                   "  partition %" PRId32 ": from %" PRId64 ", %" PRId64 " records\n",
                   i, goes_on(r, i), r->targets[i].high - goes_on(r, i));
    buf_printf(out, "  changelog %s: %s\n", r->changelog,
               r->n_changelog > 0 ? "deleted, and made anew" : "is not there");
    return clear_sinks(r, out, e);
}

static enum err_kind reset(struct reset *r, struct buf *out, struct err *e)
{
    TRY(look(r, e));
    TRY(say(r, out, e));
    if (!r->s->yes)
        return err_set(e, ERR_CONFLICT, "nothing was changed: --yes does it");
    enum err_kind rc = do_it(r, e);
    struct err run = {0};
    if (rc != ERR_OK && check_nobody_runs(r, &run) == ERR_CONFLICT)
        return err_set(e, ERR_CONFLICT, "an instance started meanwhile: %s", run.msg);
    return rc;
}

static int run(const struct reset_settings *s)
{
    struct reset r = {.s = s,
                      .changelog = aggregator_changelog(&s->a),
                      .group = aggregator_group(&s->a)};
    struct buf out = BUF_INIT(64 << 20);
    struct err e = {0};

    enum err_kind rc = reset(&r, &out, &e);
    fwrite(out.p, 1, out.n, stdout);
    if (rc != ERR_OK)
        fprintf(stderr, "avrogate aggregate reset: %s\n", e.msg);
    if (r.kafka != NULL)
        kf_admin_close(r.kafka);
    buf_free(&out);
    free(r.changelog);
    free(r.group);
    free(r.targets);
    return rc == ERR_OK ? 0 : 1;
}

static const struct conf_program program = {
    .name = "avrogate aggregate reset",
    .about =
        "The table starts anew, under the same job: the state is deleted, the "
        "sinks are cleared,\nthe audit begins a new generation, and the topic is "
        "counted from source.kafka.start on.\nWanted where key, columns, "
        "transforms or a field's type are to be others.  No instance of\nthe job "
        "may run.  Without --yes it only says what would happen.\n\nExit status: 0 "
        "done; 1 it could not be, or without --yes; 2 called wrongly.",
    .examples =
        "  avrogate aggregate reset -c invoices.yaml\n"
        "  avrogate aggregate reset -c invoices.yaml --yes --reason \"revenue by "
        "country\"\n",
};

int reset_run(int argc, char **argv)
{
    static struct conf_row rows[ROWS_MOST];
    struct conf_program own = program;
    struct reset_settings s = {0};
    struct conf conf = {0};
    enum conf_outcome outcome;
    struct err e = {0};
    size_t n = 0;

    for (const struct conf_row *row = own_rows; row->key != NULL; row++)
        rows[n++] = *row;
    for (const struct conf_row *row = aggregator_rows; row->key != NULL; row++)
        rows[n++] = *row;
    assert(n < ROWS_MOST);
    own.rows = rows;
    log_set_level(LOG_ERROR);
    if (conf_read(&conf, &own, argc - 1, argv + 1, &s, &outcome, &e) != ERR_OK) {
        fprintf(stderr, "%s: %s\n", own.name, e.msg);
        conf_free(&conf);
        return 2;
    }
    int code = outcome == CONF_RUN ? run(&s) : 0;
    conf_free(&conf);
    return code;
}
