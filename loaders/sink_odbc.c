/* Opening, and whose partition it is. */
#include "loaders/sink_odbc_inside.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

/* Deaths in one-row mode at one offset before its record is set aside unread. */
#define CRASHES_MOST 3
#define ASIDE_SUFFIX "_quarantine"

struct odbc_sink *odbc_sink_of(struct sink *s)
{
    return (struct odbc_sink *)s;
}

void odbc_put_job(struct buf *sql, const struct odbc_sink *s, const char *topic)
{
    buf_put_str(sql, " pipeline = ");
    dialect_put_text(sql, s->d, s->o.job);
    buf_put_str(sql, " AND topic = ");
    dialect_put_text(sql, s->d, topic);
}

void odbc_put_where(struct buf *sql, const struct odbc_sink *s, const char *topic,
                    int32_t partition)
{
    odbc_put_job(sql, s, topic);
    buf_printf(sql, " AND part = %" PRId32, partition);
}

enum err_kind odbc_run_buf(struct odbc *o, struct buf *sql, int64_t *changed,
                           struct err *e)
{
    buf_put_u8(sql, 0);
    TRY(buf_status(sql, e));
    return odbc_run(o, (const char *)sql->p, changed, e);
}

enum err_kind odbc_ask_buf(struct odbc *o, struct buf *sql, struct odbc_answer *out,
                           struct err *e)
{
    buf_put_u8(sql, 0);
    TRY(buf_status(sql, e));
    return odbc_ask(o, (const char *)sql->p, out, e);
}

static int64_t number_or(const struct odbc_answer *a, size_t column, int64_t none)
{
    const char *text = odbc_cell(a, 0, column);

    return text == NULL ? none : strtoll(text, NULL, 10);
}

int64_t odbc_number(const struct odbc_answer *a, size_t column)
{
    return number_or(a, column, 0);
}

bool odbc_is_true(const char *cell)
{
    return cell != NULL && strchr("1tTyY", cell[0]) != NULL;
}

static bool truth(const struct odbc_answer *a, size_t column)
{
    return odbc_is_true(odbc_cell(a, 0, column));
}

/* "2026-11-21 09:30:00..." in UTC, as every session of ours has it. */
int64_t odbc_time_ms(const char *cell)
{
    struct tm t = {0};

    if (cell == NULL || sscanf(cell, "%d-%d-%d%*c%d:%d:%d", &t.tm_year, &t.tm_mon,
                               &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec) != 6)
        return 0;
    t.tm_year -= 1900;
    t.tm_mon--;
    return (int64_t)timegm(&t) * 1000;
}

/* --- every new connection --------------------------------------------------------- */

static enum err_kind name_way(const struct odbc_sink *s, struct odbc_way *w,
                              const char *name, struct err *e)
{
    buf_reset(&w->quoted);
    TRY(dialect_put_table(&w->quoted, s->d, name, e));
    buf_put_u8(&w->quoted, 0);
    return ERR_OK;
}

static enum err_kind name_tables(struct odbc_sink *s, struct err *e)
{
    TRY(name_way(s, &s->to, s->o.table, e));
    return s->aside_name == NULL ? ERR_OK : name_way(s, &s->aside, s->aside_name, e);
}

enum err_kind odbc_adopt(struct odbc_sink *s, struct odbc *o, struct err *e)
{
    const struct dialect *d = strcmp(s->o.dialect, "auto") == 0
                                  ? dialect_of(o->dbms)
                                  : dialect_named(s->o.dialect);

    o->codes = d->codes;
    o->n_codes = d->n_codes;
    if (s->d == d)
        return ERR_OK;
    if (s->d != NULL)
        return err_set(e, ERR_NOT_FOUND, "the driver called itself %s, and now %s",
                       s->d->name, d->name);
    s->d = d;
    bound_init(&s->to.bound, d);
    bound_init(&s->aside.bound, d);
    bound_init(&s->rejects_bound, d);
    bound_init(&s->noted_bound, d);
    return name_tables(s, e);
}

enum err_kind odbc_greet(struct odbc *o, const struct dialect *d, const char *role,
                         const char *run, int64_t lock_timeout_ms,
                         int64_t statement_timeout_ms, struct err *e)
{
    char lock_ms[24], lock_s[24], ms[24], seconds[24];
    struct buf sql = BUF_INIT(4000);
    enum err_kind rc = ERR_OK;

    snprintf(lock_ms, sizeof lock_ms, "%" PRId64, lock_timeout_ms);
    snprintf(lock_s, sizeof lock_s, "%" PRId64, lock_timeout_ms / 1000 + 1);
    snprintf(ms, sizeof ms, "%" PRId64, statement_timeout_ms);
    snprintf(seconds, sizeof seconds, "%" PRId64, statement_timeout_ms / 1000 + 1);
    const char *const pairs[] = {
        "lock_ms", lock_ms, "lock_s", lock_s,        "role",  role, "statement_ms",
        ms,        "run",   run,      "statement_s", seconds, NULL};
    for (size_t i = 0; rc == ERR_OK && i < sizeof d->greet / sizeof d->greet[0] &&
                       d->greet[i] != NULL;
         i++) {
        buf_reset(&sql);
        dialect_put(&sql, d->greet[i], pairs);
        rc = odbc_run_buf(o, &sql, NULL, e);
    }
    buf_free(&sql);
    return rc;
}

static enum err_kind greet(struct odbc_sink *s, struct odbc *o, const char *role,
                           struct err *e)
{
    TRY(odbc_adopt(s, o, e));
    return odbc_greet(o, s->d, role, s->run.id, s->o.lock_timeout_ms,
                      s->o.statement_timeout_ms, e);
}

/* Best effort, where the database lets us. */
static void end_session(struct odbc_sink *s, struct odbc *o, const char *run)
{
    struct buf sql = BUF_INIT(4000);
    struct err ignored = {0};

    if (s->d->end_session == NULL)
        return;
    dialect_put(&sql, s->d->end_session, (const char *[]){"run", run, NULL});
    (void)!odbc_run_buf(o, &sql, NULL, &ignored);
    buf_free(&sql);
}

/* The session whose line broke may live on there, with the position's row locked: the
 * server was not told. */
static enum err_kind greet_writer(struct odbc *o, struct err *e)
{
    struct odbc_sink *s =
        (struct odbc_sink *)((char *)o - offsetof(struct odbc_sink, db));

    TRY(greet(s, o, "w", e));
    if (o->made > 1)
        end_session(s, o, s->run.id);
    return o->dbc != NULL
               ? ERR_OK
               : err_set(e, ERR_UNAVAILABLE, "the connection broke at its beginning");
}

static enum err_kind greet_ledger(struct odbc *o, struct err *e)
{
    return greet((struct odbc_sink *)((char *)o - offsetof(struct odbc_sink, ledger)),
                 o, "l", e);
}

/* --- whose partition it is (the source's thread) ---------------------------------- */

enum err_kind odbc_ensure_position(struct odbc_sink *s, const char *topic,
                                   int32_t partition, int64_t low, struct err *e)
{
    static const char *const columns[] = {
        "pipeline",   "topic",    "part",   "next_offset", "epoch",        "owner",
        "generation", "released", "trying", "crashes",     "isolate_until"};
    struct buf sql = BUF_INIT(1 << 16), job = BUF_INIT(4000), name = BUF_INIT(4000);
    char part[16], next[24];

    dialect_put_text(&job, s->d, s->o.job);
    buf_put_u8(&job, 0);
    dialect_put_text(&name, s->d, topic);
    buf_put_u8(&name, 0);
    snprintf(part, sizeof part, "%" PRId32, partition);
    snprintf(next, sizeof next, "%" PRId64, low);
    const char *const values[] = {(const char *)job.p,
                                  (const char *)name.p,
                                  part,
                                  next,
                                  "0",
                                  "''",
                                  "0",
                                  s->d->yes,
                                  s->d->no,
                                  "0",
                                  "0"};
    s->d->put_once(&sql, s->d, "etl_offsets", columns, values, 11, 1, 3);
    enum err_kind rc = odbc_run_buf(&s->ledger, &sql, NULL, e);
    buf_free(&sql);
    buf_free(&job);
    buf_free(&name);
    return rc;
}

static enum err_kind raise_epoch(struct odbc_sink *s, const char *topic,
                                 int32_t partition, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16), owner = BUF_INIT(1000);

    buf_printf(&owner, "%s %s%c", s->run.instance, s->run.id, 0);
    buf_put_str(&sql, "UPDATE etl_offsets SET epoch = epoch + 1, owner = ");
    dialect_put_text(&sql, s->d, (const char *)owner.p);
    buf_printf(&sql, ", updated = %s WHERE", s->d->now);
    odbc_put_where(&sql, s, topic, partition);
    enum err_kind rc = odbc_run_buf(&s->ledger, &sql, NULL, e);
    buf_free(&sql);
    buf_free(&owner);
    return rc;
}

enum {
    AT_NEXT,
    AT_EPOCH,
    AT_GENERATION,
    AT_MARK,
    AT_ISOLATE,
    AT_CRASHES,
    AT_CRASHED,
    AT_TRYING,
    AT_RELEASED,
    AT_CLUSTER,
};

static enum err_kind ask_position(struct odbc_sink *s, const char *topic,
                                  int32_t partition, struct odbc_answer *a,
                                  struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    buf_put_str(&sql, "SELECT next_offset, epoch, generation, mark, isolate_until, "
                      "crashes, crash_offset, trying, released, cluster_id FROM "
                      "etl_offsets WHERE");
    odbc_put_where(&sql, s, topic, partition);
    enum err_kind rc = odbc_ask_buf(&s->ledger, &sql, a, e);
    buf_free(&sql);
    TRY(rc);
    if (a->rows == 1)
        return ERR_OK;
    rc = err_set(e, ERR_CONFLICT, "etl_offsets has %zu rows for %s/%" PRId32, a->rows,
                 topic, partition);
    odbc_answer_free(a);
    return rc;
}

/* How often its owners died trying at this offset; 0 = the last one did not. */
static int64_t count_deaths(const struct odbc_answer *a)
{
    if (!truth(a, AT_TRYING) || truth(a, AT_RELEASED))
        return 0;
    return number_or(a, AT_CRASHED, -1) == odbc_number(a, AT_NEXT)
               ? odbc_number(a, AT_CRASHES) + 1
               : 1;
}

static enum err_kind note_owner(struct odbc_sink *s, const char *topic,
                                int32_t partition, const char *cluster, int64_t crashes,
                                int64_t isolate, int64_t next, struct err *e)
{
    struct buf sql = BUF_INIT(1 << 16);

    buf_put_str(&sql, "UPDATE etl_offsets SET cluster_id = COALESCE(cluster_id, ");
    dialect_put_text(&sql, s->d, cluster == NULL ? "" : cluster);
    buf_printf(&sql,
               "), crash_offset = %" PRId64 ", crashes = %" PRId64
               ", trying = %s, released = %s, isolate_until = %" PRId64 " WHERE",
               next, crashes, s->d->no, s->d->no, isolate);
    odbc_put_where(&sql, s, topic, partition);
    enum err_kind rc = odbc_run_buf(&s->ledger, &sql, NULL, e);
    buf_free(&sql);
    return rc;
}

static enum err_kind check_cluster(const struct odbc_answer *a, const char *cluster,
                                   struct err *e)
{
    const char *known = odbc_cell(a, 0, AT_CLUSTER);

    if (known == NULL || known[0] == '\0' || cluster == NULL ||
        strcmp(known, cluster) == 0)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT,
                   "etl_offsets speaks of Kafka cluster %.60s, this one is %.60s: the "
                   "offsets mean other records",
                   known, cluster);
}

static enum err_kind become_owner(struct odbc_sink *s, const char *topic,
                                  int32_t partition, const char *cluster,
                                  struct claim *out, struct err *e)
{
    struct odbc_answer a;

    TRY(odbc_begin(&s->ledger, e));
    TRY(raise_epoch(s, topic, partition, e)); // and from here on the row is locked
    TRY(ask_position(s, topic, partition, &a, e));
    int64_t next = odbc_number(&a, AT_NEXT), was = odbc_number(&a, AT_ISOLATE);
    int64_t crashes = count_deaths(&a);
    int64_t isolate =
        crashes > 0 && next + s->o.isolate > was ? next + s->o.isolate : was;
    *out = (struct claim){
        .next = next,
        .epoch = odbc_number(&a, AT_EPOCH),
        .generation = (int32_t)odbc_number(&a, AT_GENERATION),
        .mark = number_or(&a, AT_MARK, -1),
        .isolate_until = isolate,
        .careful = !truth(&a, AT_RELEASED) && number_or(&a, AT_CRASHED, -1) == next,
        .undecoded = was > next && crashes >= CRASHES_MOST,
    };
    enum err_kind rc = check_cluster(&a, cluster, e);
    odbc_answer_free(&a);
    if (rc == ERR_OK)
        rc = note_owner(s, topic, partition, cluster, crashes, isolate, next, e);
    return rc == ERR_OK ? odbc_commit(&s->ledger, e) : rc;
}

/* The owner before us may have been stopped in a transaction, with the row locked: that
 * transaction can only lose. */
static void end_former_owner(struct odbc_sink *s, const char *topic, int32_t partition)
{
    struct buf sql = BUF_INIT(1 << 16);
    struct odbc_answer a;
    struct err ignored = {0};

    if (s->d->end_session == NULL)
        return;
    buf_put_str(&sql, "SELECT owner FROM etl_offsets WHERE");
    odbc_put_where(&sql, s, topic, partition);
    if (odbc_ask_buf(&s->ledger, &sql, &a, &ignored) == ERR_OK) {
        const char *owner = odbc_cell(&a, 0, 0);
        size_t n = owner == NULL ? 0 : strlen(owner);
        if (n >= RUN_ID && strcmp(owner + n - (RUN_ID - 1), s->run.id) != 0)
            end_session(s, &s->ledger, owner + n - (RUN_ID - 1));
        odbc_answer_free(&a);
    }
    buf_free(&sql);
}

static enum err_kind take(struct sink *sink, const char *topic, int32_t partition,
                          int64_t low, const char *cluster, struct claim *out,
                          struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);

    TRY(odbc_connect(&s->ledger, e));
    end_former_owner(s, topic, partition); // first: an INSERT waits for the row, too
    TRY(odbc_ensure_position(s, topic, partition, low, e));
    enum err_kind rc = become_owner(s, topic, partition, cluster, out, e);
    if (rc != ERR_OK)
        odbc_rollback(&s->ledger);
    return rc;
}

static void release(struct sink *sink, const char *topic, int32_t partition,
                    int64_t epoch)
{
    struct odbc_sink *s = odbc_sink_of(sink);
    struct buf sql = BUF_INIT(1 << 16);
    struct err ignored = {0};

    buf_printf(&sql,
               "UPDATE etl_offsets SET released = %s, trying = %s, updated = %s WHERE",
               s->d->yes, s->d->no, s->d->now);
    odbc_put_where(&sql, s, topic, partition);
    buf_printf(&sql, " AND epoch = %" PRId64, epoch);
    (void)!odbc_run_buf(&s->ledger, &sql, NULL, &ignored);
    buf_free(&sql);
}

static enum err_kind reached(struct sink *sink, const char *topic, const int64_t *next,
                             size_t n, bool *yes, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);
    struct buf sql = BUF_INIT(1 << 16);
    struct odbc_answer a;
    size_t there = 0, wanted = 0;

    buf_put_str(&sql, "SELECT part, next_offset FROM etl_offsets WHERE");
    odbc_put_job(&sql, s, topic);
    enum err_kind rc = odbc_ask_buf(&s->ledger, &sql, &a, e);
    buf_free(&sql);
    TRY(rc);
    for (size_t i = 0; i < n; i++) // one that is empty needs no row
        wanted += next[i] > 0;
    for (size_t i = 0; i < a.rows; i++) {
        long long part = atoll(odbc_cell(&a, i, 0));
        there += part >= 0 && (size_t)part < n && next[part] > 0 &&
                 atoll(odbc_cell(&a, i, 1)) >= next[part];
    }
    *yes = there == wanted;
    odbc_answer_free(&a);
    return ERR_OK;
}

/* --- the pump's thread ------------------------------------------------------------ */

static enum err_kind trial(struct sink *sink, const struct batch *b, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);
    struct odbc_answer a;

    TRY(odbc_connect(&s->db, e));
    buf_reset(&s->sql);
    buf_printf(&s->sql, "UPDATE etl_offsets SET trying = %s WHERE", s->d->yes);
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    buf_printf(&s->sql,
               " AND epoch = %" PRId64 " AND next_offset IN (%" PRId64 ", %" PRId64 ")",
               b->epoch, b->first, b->next);
    TRY(odbc_run_buf(&s->db, &s->sql, NULL, e));
    // Asked, and not counted: not every driver says how many rows it changed.
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT COUNT(*) FROM etl_offsets WHERE");
    odbc_put_where(&s->sql, s, b->topic, b->partition);
    buf_printf(&s->sql,
               " AND epoch = %" PRId64 " AND next_offset IN (%" PRId64 ", %" PRId64 ")",
               b->epoch, b->first, b->next);
    TRY(odbc_ask_buf(&s->db, &s->sql, &a, e));
    bool mine = odbc_number(&a, 0) == 1;
    odbc_answer_free(&a);
    if (mine)
        return ERR_OK;
    return err_set(e, ERR_CONFLICT, "%s/%" PRId32 " is somebody else's by now",
                   b->topic, b->partition);
}

static enum err_kind paused(struct sink *sink, struct pause *out, struct err *e)
{
    struct odbc_sink *s = odbc_sink_of(sink);
    struct odbc_answer a;

    *out = (struct pause){0};
    TRY(odbc_connect(&s->db, e));
    buf_reset(&s->sql);
    buf_put_str(&s->sql, "SELECT since, who, reason FROM etl_pause WHERE pipeline = ");
    dialect_put_text(&s->sql, s->d, s->o.job);
    TRY(odbc_ask_buf(&s->db, &s->sql, &a, e));
    out->on = a.rows == 1;
    if (out->on) {
        out->since_ms = odbc_time_ms(odbc_cell(&a, 0, 0));
        snprintf(out->who, sizeof out->who, "%s", odbc_cell(&a, 0, 1));
        snprintf(out->reason, sizeof out->reason, "%s", odbc_cell(&a, 0, 2));
    }
    odbc_answer_free(&a);
    return ERR_OK;
}

/* Whether "...;Keyword=..." has it. */
static bool has_keyword(const char *connection, struct span keyword)
{
    for (const char *p = connection;; p += strcspn(p, ";") + 1) {
        p += strspn(p, "; ");
        if (strncasecmp(p, (const char *)keyword.p, keyword.n) == 0 &&
            p[keyword.n + strspn(p + keyword.n, " ")] == '=')
            return true;
        if (p[strcspn(p, ";")] == '\0')
            return false;
    }
}

/* Whether there is something the driver has to be told, and nobody did. */
static bool is_untold(const struct odbc_sink *s)
{
    const char *with = s->d->connect_with, *connection = s->ledger.connection;

    return with != NULL && !s->told &&
           !has_keyword(connection, span_of(with + 1, strcspn(with + 1, "="))) &&
           !(s->d->dsn_may_tell && has_keyword(connection, span_str("DSN")));
}

/* Now that we know whose driver it is: once more, with what it has to be told. */
enum err_kind odbc_sink_connect(struct odbc_sink *s, struct err *e)
{
    char lock_ms[24];

    TRY(odbc_connect(&s->ledger, e));
    if (!is_untold(s))
        return ERR_OK;
    snprintf(lock_ms, sizeof lock_ms, "%" PRId64, s->o.lock_timeout_ms);
    odbc_drop(&s->ledger);
    buf_cut(&s->connection, s->connection.n - 1);
    dialect_put(&s->connection, s->d->connect_with,
                (const char *[]){"lock_ms", lock_ms, NULL});
    buf_put_u8(&s->connection, 0);
    s->ledger.connection = s->db.connection = (const char *)s->connection.p;
    s->told = true;
    return buf_status(&s->connection, e);
}

static enum err_kind begin(struct sink *s, struct err *e)
{
    TRY(odbc_sink_connect(odbc_sink_of(s), e));
    return odbc_ledger_begin(odbc_sink_of(s), e);
}

static enum err_kind end(struct sink *s, const char *status, const char *why,
                         struct err *e)
{
    return odbc_ledger_end(odbc_sink_of(s), status, why, e);
}

static const char *run_id(const struct sink *s)
{
    return ((const struct odbc_sink *)s)->run.id;
}

static void cancel(struct sink *s)
{
    odbc_cancel(&odbc_sink_of(s)->db);
}

static struct odbc_way new_way(void)
{
    return (struct odbc_way){.quoted = BUF_INIT(2000),
                             .insert = BUF_INIT(4 << 20),
                             .make = BUF_INIT(4 << 20),
                             .apply = BUF_INIT(4 << 20)};
}

static void free_way(struct odbc_way *w)
{
    if (w->table.n > 0)
        table_free(&w->table);
    bound_free(&w->bound);
    buf_free(&w->quoted);
    buf_free(&w->insert);
    buf_free(&w->make);
    buf_free(&w->apply);
}

static void close_sink(struct sink *sink)
{
    struct odbc_sink *s = odbc_sink_of(sink);

    odbc_close(&s->db);
    odbc_close(&s->ledger);
    free_way(&s->to);
    free_way(&s->aside);
    bound_free(&s->rejects_bound);
    bound_free(&s->noted_bound);
    rows_free(&s->aside_rows);
    free(s->aside_index);
    free(s->aside_name);
    free(s->counts);
    repeats_free(&s->repeats);
    rows_free(&s->rows);
    deletion_free(&s->deletion);
    arena_free(&s->arena);
    buf_free(&s->connection);
    buf_free(&s->spans);
    buf_free(&s->remove);
    buf_free(&s->count);
    buf_free(&s->sql);
    buf_free(&s->attempts_error);
    free(s->index);
    rejects_free(&s->rejects);
    free(s->ranges);
    free(s);
}

static const struct sink_ops odbc_ops = {
    .name = "odbc",
    .take = take,
    .release = release,
    .reached = reached,
    .trial = trial,
    .shape = odbc_sink_shape,
    .write = odbc_sink_write,
    .rules = odbc_tell_rules,
    .begin = begin,
    .end = end,
    .run_id = run_id,
    .paused = paused,
    .anew = "UPDATE etl_offsets SET next_offset = 0, generation = generation + 1, mark "
            "= NULL",
    .skip =
        "UPDATE etl_offsets SET next_offset = that, generation = generation + 1, mark "
        "= NULL",
    .cancel = cancel,
    .close = close_sink,
};

/* --- opening ---------------------------------------------------------------------- */

static enum err_kind check_dialect(const char *name, struct err *e)
{
    struct buf known = BUF_INIT(1000);

    if (strcmp(name, "auto") == 0 || dialect_named(name) != NULL)
        return ERR_OK;
    for (size_t i = 0; i < n_dialects; i++)
        buf_printf(&known, ", %s", dialects[i].name);
    (void)err_set(e, ERR_INVALID, "dialect \"%.40s\", wanted auto" SPAN_FMT, name,
                  SPAN_ARG(buf_span(&known)));
    buf_free(&known);
    return e->kind;
}

static enum err_kind check_keys(const struct odbc_options *o, struct err *e)
{
    if (o->mode == APPLY_APPEND && o->keys.n > 0)
        return err_set(e, ERR_INVALID,
                       "sink.odbc.key is set, mode append has no use for it");
    if (o->mode != APPLY_APPEND && o->keys.n == 0)
        return err_set(e, ERR_INVALID,
                       "this mode wants sink.odbc.key: the fields that make a row the "
                       "same row");
    return ERR_OK;
}

/* PostgreSQL would cut it, and then it might be the target's. */
static enum err_kind check_aside_name(const struct odbc_options *o, struct err *e)
{
    const char *name = o->quarantine != NULL ? o->quarantine : o->table;
    const char *dot = strrchr(name, '.');
    size_t n = strlen(dot != NULL ? dot + 1 : name);

    if (o->quarantine != NULL && strcmp(name, o->table) == 0)
        return err_set(e, ERR_INVALID,
                       "sink.odbc.quarantine is the target: wanted another table");
    if (n + (o->quarantine != NULL ? 0 : strlen(ASIDE_SUFFIX)) < COLUMN_NAME)
        return ERR_OK;
    return err_set(e, ERR_INVALID,
                   "the quarantine's name is longer than 63 bytes: "
                   "sink.odbc.quarantine gives another");
}

static enum err_kind check_options(const struct odbc_options *o, struct err *e)
{
    if ((o->connection == NULL) == (o->dsn == NULL))
        return err_set(e, ERR_INVALID,
                       "sink.odbc.connection and .dsn: wanted one of them");
    if (o->table == NULL)
        return err_set(e, ERR_INVALID, "sink.odbc.table is missing");
    TRY(check_dialect(o->dialect, e));
    if (quality_has(o->quality, QUALITY_QUARANTINE))
        TRY(check_aside_name(o, e));
    return check_keys(o, e);
}

static void name_aside(struct odbc_sink *s)
{
    struct buf name = BUF_INIT(4000);

    if (!odbc_has_aside(s))
        return;
    buf_printf(&name, "%s%s", s->o.quarantine != NULL ? s->o.quarantine : s->o.table,
               s->o.quarantine != NULL ? "" : ASIDE_SUFFIX);
    s->aside_name = mem_str(buf_span(&name));
    buf_free(&name);
}

enum err_kind odbc_sink_open(struct sink **out, const struct odbc_options *o,
                             struct err *e)
{
    TRY(check_options(o, e));
    struct odbc_sink *s = mem_alloc(sizeof *s);
    *s = (struct odbc_sink){.sink = {.ops = &odbc_ops},
                            .o = *o,
                            .connection = BUF_INIT(64 << 10),
                            .to = new_way(),
                            .aside = new_way(),
                            .spans = BUF_INIT(4 << 20),
                            .remove = BUF_INIT(4 << 20),
                            .count = BUF_INIT(4 << 20),
                            .sql = BUF_INIT(8 << 20),
                            .attempts_error = BUF_INIT(1000)};
    run_init(&s->run, o->job);
    s->run.topic = o->topic;
    s->run.source = o->source;
    s->run.target = o->table;
    buf_printf(&s->connection, "%s%s%c", o->dsn != NULL ? "DSN=" : "",
               o->dsn != NULL ? o->dsn : o->connection, 0);
    odbc_init(&s->ledger, (const char *)s->connection.p);
    odbc_init(&s->db, (const char *)s->connection.p);
    s->ledger.greet = greet_ledger;
    s->db.greet = greet_writer;
    s->db.timeout_ms = o->statement_timeout_ms;
    rows_init(&s->rows, (size_t)1 << 30);
    rows_init(&s->aside_rows, (size_t)1 << 30);
    deletion_init(&s->deletion);
    if (o->quality != NULL)
        s->counts = quality_counts(o->quality);
    name_aside(s);
    *out = &s->sink;
    return ERR_OK;
}
