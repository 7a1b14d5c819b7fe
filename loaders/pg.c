#include "loaders/pg.h"

#include "base/mem.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ASK_AGAIN_MS = 3000, END_AGAIN_MS = 20, END_TRIES = 50 };

void pg_init(struct pg *pg, const char *url, const char *name)
{
    *pg = (struct pg){.url = url, .name = name, .fd = -1};
    pthread_mutex_init(&pg->lock, NULL);
}

static void expose(struct pg *pg, int fd)
{
    pthread_mutex_lock(&pg->lock);
    pg->fd = fd;
    pthread_mutex_unlock(&pg->lock);
}

void pg_drop(struct pg *pg)
{
    expose(pg, -1);
    PQfinish(pg->conn);
    pg->conn = NULL;
}

void pg_close(struct pg *pg)
{
    pg_drop(pg);
    pthread_mutex_destroy(&pg->lock);
}

void pg_cancel(struct pg *pg)
{
    // Shutting the socket ends every wait of libpq at once, and tells the server too; a
    // cancel request would need an answer from a server that may be the reason we wait.
    pthread_mutex_lock(&pg->lock);
    pg->cancelled = true;
    if (pg->fd >= 0)
        shutdown(pg->fd, SHUT_RDWR);
    pthread_mutex_unlock(&pg->lock);
}

bool pg_is_cancelled(struct pg *pg)
{
    pthread_mutex_lock(&pg->lock);
    bool yes = pg->cancelled;
    pthread_mutex_unlock(&pg->lock);
    return yes;
}

/* libpq ends its messages with a line break, and puts the context on lines of its own.
 */
static void set_message(struct err *e, enum err_kind kind, const char *text)
{
    char line[sizeof e->msg];
    size_t n = 0;

    for (; *text != '\0' && n + 1 < sizeof line; text++)
        line[n++] = *text == '\n' || *text == '\t' ? ' ' : *text;
    while (n > 0 && line[n - 1] == ' ')
        n--;
    line[n] = '\0';
    (void)err_set(e, kind, "%s", n == 0 ? "the connection broke" : line);
}

/* What a class of SQLSTATE means for who sent a statement.  Besides data (22) and
 * constraints (23) a single row is to blame for what triggers and functions raise (P0,
 * codes of their own, which SQL keeps for classes that begin with 5 to 9 or I to Z) and
 * for what its size runs into (54: an index row too large).  The rest a person must
 * mend: rights, names, what the server cannot do. */
static const struct {
    const char *prefix;
    enum err_kind kind;
    bool busy;
} meanings[] = {
    {"40001", ERR_UNAVAILABLE, true},  // serialization_failure
    {"40P01", ERR_UNAVAILABLE, true},  // deadlock_detected
    {"55P03", ERR_UNAVAILABLE, true},  // lock_not_available
    {"57014", ERR_UNAVAILABLE, true},  // query_canceled, statement_timeout
    {"25006", ERR_UNAVAILABLE, false}, // read_only_sql_transaction: a standby
    {"25P03", ERR_UNAVAILABLE, false}, // idle_in_transaction_session_timeout
    {"08", ERR_UNAVAILABLE, false},
    {"53", ERR_UNAVAILABLE, false},  // disk_full, too_many_connections
    {"57P", ERR_UNAVAILABLE, false}, // shutdown, crash, starting up
    {"58", ERR_UNAVAILABLE, false},  // system_error: I/O
    {"21", ERR_INVALID, false},      // cardinality_violation: in a trigger
    {"22", ERR_INVALID, false},
    {"23", ERR_INVALID, false},
    {"27", ERR_INVALID, false}, // triggered_data_change_violation
    {"2F", ERR_INVALID, false}, // sql_routine_exception
    {"38", ERR_INVALID, false}, // external_routine_exception
    {"39", ERR_INVALID, false},
    {"44", ERR_INVALID, false}, // with_check_option_violation
    {"54", ERR_INVALID, false}, // program_limit_exceeded
    {"0", ERR_NOT_FOUND, false},
    {"2", ERR_NOT_FOUND, false},
    {"3", ERR_NOT_FOUND, false},
    {"4", ERR_NOT_FOUND, false},
    {"55", ERR_NOT_FOUND, false},
    {"57", ERR_NOT_FOUND, false},
    {"72", ERR_NOT_FOUND, false},
    {"F0", ERR_NOT_FOUND, false},
    {"HV", ERR_NOT_FOUND, false},
    {"XX", ERR_NOT_FOUND, false}, // internal_error, data_corrupted
    {"", ERR_INVALID, false},
};

static enum err_kind meaning(struct pg *pg)
{
    size_t i = 0;

    while (strncmp(pg->sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) != 0)
        i++;
    pg->busy = meanings[i].busy;
    return meanings[i].kind;
}

static void keep(char *to, size_t n, const char *from)
{
    snprintf(to, n, "%s", from == NULL ? "" : from);
}

/* "COPY weather, line 3, column temp: ..." in whatever language: best effort. */
static void read_context(struct pg *pg, const char *context)
{
    const char *line = context == NULL ? NULL : strstr(context, ", line ");
    const char *column = context == NULL ? NULL : strstr(context, ", column ");

    if (line != NULL)
        pg->line = strtol(line + 7, NULL, 10);
    if (column != NULL && pg->column[0] == '\0') {
        column += 9;
        snprintf(pg->column, sizeof pg->column, "%.*s", (int)strcspn(column, ":\n"),
                 column);
    }
}

static enum err_kind refused(struct pg *pg, const PGresult *r, struct err *e)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
    char both[400];

    keep(pg->sqlstate, sizeof pg->sqlstate, state);
    keep(pg->column, sizeof pg->column, PQresultErrorField(r, PG_DIAG_COLUMN_NAME));
    keep(pg->constraint, sizeof pg->constraint,
         PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME));
    read_context(pg, PQresultErrorField(r, PG_DIAG_CONTEXT));
    if (state == NULL) { // libpq's own words: the connection is gone
        set_message(e, ERR_UNAVAILABLE, PQresultErrorMessage(r));
        return ERR_UNAVAILABLE;
    }
    snprintf(both, sizeof both, "%s%s%s (SQLSTATE %s)", text == NULL ? "" : text,
             detail == NULL ? "" : ": ", detail == NULL ? "" : detail, state);
    set_message(e, meaning(pg), both);
    return e->kind;
}

static void forget_failure(struct pg *pg)
{
    pg->lost = pg->busy = false;
    pg->sqlstate[0] = pg->column[0] = pg->constraint[0] = '\0';
    pg->line = 0;
}

/* No answer came: whether the server did it is not known. */
static enum err_kind lose(struct pg *pg, struct err *e)
{
    set_message(e, ERR_UNAVAILABLE, PQerrorMessage(pg->conn));
    if (pg->former == 0) // or it was the next one, which had not taken its place yet
        pg->former = pg->backend;
    pg_drop(pg);
    pg->lost = true;
    return ERR_UNAVAILABLE;
}

static bool is_broken(const struct pg *pg)
{
    return PQstatus(pg->conn) != CONNECTION_OK;
}

static bool is_fine(const PGresult *r)
{
    ExecStatusType s = PQresultStatus(r);

    return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK || s == PGRES_EMPTY_QUERY ||
           s == PGRES_COPY_IN || s == PGRES_COPY_OUT;
}

/* Takes all answers to what was sent: the first refusal counts, *last is the last
 * result when all went well (NULL: not wanted). */
static enum err_kind take_answers(struct pg *pg, PGresult **last, struct err *e)
{
    enum err_kind rc = ERR_OK;
    PGresult *r, *kept = NULL;

    while ((r = PQgetResult(pg->conn)) != NULL) {
        if (!is_fine(r) && rc == ERR_OK)
            rc = refused(pg, r, e);
        bool copying =
            PQresultStatus(r) == PGRES_COPY_IN || PQresultStatus(r) == PGRES_COPY_OUT;
        PQclear(kept);
        kept = r;
        if (copying || is_broken(pg))
            break;
    }
    if (rc == ERR_OK && last != NULL) {
        *last = kept;
        kept = NULL;
    }
    PQclear(kept);
    if (is_broken(pg)) {
        if (rc == ERR_OK && last != NULL)
            PQclear(*last);
        return lose(pg, e);
    }
    return rc;
}

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg, (void)r;
}

/* libpq tells the SQLSTATE of a refused connection in the message only, and only to who
 * asked for it before the server answered. */
static void connect_for_code(struct pg *pg, const char *const *keys,
                             const char *const *values)
{
    PostgresPollingStatusType s = PGRES_POLLING_WRITING;

    pg->conn = PQconnectStartParams(keys, values, 1);
    (void)PQsetErrorVerbosity(pg->conn, PQERRORS_SQLSTATE);
    while (PQstatus(pg->conn) != CONNECTION_BAD &&
           (s == PGRES_POLLING_WRITING || s == PGRES_POLLING_READING)) {
        struct pollfd p = {.fd = PQsocket(pg->conn),
                           .events = s == PGRES_POLLING_READING ? POLLIN : POLLOUT};

        if (poll(&p, 1, ASK_AGAIN_MS) <= 0)
            break;
        s = PQconnectPoll(pg->conn);
    }
    (void)PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
}

/* "... failed: FATAL:  57P03" in whatever language; "" when the server said nothing. */
static void read_code(struct pg *pg)
{
    const char *m = PQerrorMessage(pg->conn);
    size_t n = strcspn(m, "\n");

    pg->sqlstate[0] = '\0';
    if (n > 7 && m[n - 7] == ' ' && m[n - 6] == ' ' &&
        strspn(m + n - 5, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= 5)
        keep(pg->sqlstate, sizeof pg->sqlstate, m + n - 5);
}

/* A server that cannot let us in yet, or has too many in, will later; one that does not
 * want us waits for a person. */
static enum err_kind refused_connection(struct pg *pg)
{
    const char *const keys[] = {"dbname", "connect_timeout", NULL};
    const char *const values[] = {pg->url, "3", NULL};

    read_code(pg);
    if (pg->sqlstate[0] != '\0')
        return meaning(pg);
    return PQpingParams(keys, values, 1) == PQPING_OK ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
}

static enum err_kind open_connection(struct pg *pg, struct err *e)
{
    // What the URL says wins, as it comes later.
    const char *const keys[] = {
        "application_name",    "connect_timeout",  "keepalives_idle",
        "keepalives_interval", "keepalives_count", "tcp_user_timeout",
        "client_encoding",     "dbname",           NULL};
    const char *const values[] = {pg->name, "10",   "15",    "5", "3",
                                  "30000",  "UTF8", pg->url, NULL};

    pg->conn = PQconnectdbParams(keys, values, 1);
    if (!is_broken(pg))
        return ERR_OK;
    set_message(e, ERR_UNAVAILABLE, PQerrorMessage(pg->conn));
    pg_drop(pg);
    connect_for_code(pg, keys, values);
    if (!is_broken(pg))
        return ERR_OK; // it came back between the two
    e->kind = refused_connection(pg);
    pg_drop(pg);
    return e->kind;
}

/* A server that waits for data sends nothing, and hears of a dead line by its own
 * keepalives alone: until then a session keeps its locks.  What somebody has set stays.
 */
static const char notice_soon[] =
    "SELECT set_config(s.name, v.setting, false) FROM pg_settings s, (VALUES "
    "('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '5'), "
    "('tcp_keepalives_count', '3'), ('tcp_user_timeout', '30000')) v (name, setting) "
    "WHERE s.name = v.name AND s.source = 'default'";

/* The name keeps us from ending somebody else's who got the same number since. */
static const char end_former[] =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %d AND pid <> "
    "pg_backend_pid() AND usename = current_user AND application_name = "
    "current_setting('application_name')";

static enum err_kind ask(struct pg *pg, PGresult **rows, const char *sql, struct err *e)
{
    if (PQsendQuery(pg->conn, sql) != 1)
        return lose(pg, e);
    return take_answers(pg, rows, e);
}

/* Until it is gone, which takes a moment: the locks it had are wanted now. */
static void end_former_session(struct pg *pg)
{
    char sql[sizeof end_former + 20];
    struct err ignored = {0};
    PGresult *r;
    bool there = true;

    snprintf(sql, sizeof sql, end_former, pg->former);
    for (int i = 0; i < END_TRIES && there; i++) {
        if (i > 0)
            poll(NULL, 0, END_AGAIN_MS);
        if (ask(pg, &r, sql, &ignored) != ERR_OK)
            return;
        there = PQntuples(r) > 0;
        PQclear(r);
    }
}

/* Both are courtesies: what speaks like PostgreSQL and knows neither is used all the
 * same, unless it hangs up. */
static enum err_kind arrive(struct pg *pg, struct err *e)
{
    struct err ignored = {0};

    (void)!ask(pg, NULL, notice_soon, &ignored);
    if (pg->conn != NULL && pg->former != 0)
        end_former_session(pg);
    if (pg->conn == NULL)
        return err_set(e, ERR_UNAVAILABLE, "the connection broke at its beginning");
    pg->backend = PQbackendPID(pg->conn);
    pg->former = 0;
    return ERR_OK;
}

enum err_kind pg_connect(struct pg *pg, struct err *e)
{
    if (pg->conn != NULL && !is_broken(pg))
        return ERR_OK;
    pg_drop(pg);
    if (pg_is_cancelled(pg))
        return err_set(e, ERR_UNAVAILABLE, "stopping: no new connection");
    TRY(open_connection(pg, e));

    expose(pg, PQsocket(pg->conn));
    PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
    TRY(arrive(pg, e));
    if (pg->greet == NULL)
        return ERR_OK;

    enum err_kind rc = pg->greet(pg, e);
    if (rc != ERR_OK)
        pg_drop(pg);
    return rc;
}

static enum err_kind ready(struct pg *pg, struct err *e)
{
    TRY(pg_connect(pg, e));
    forget_failure(pg);
    return ERR_OK;
}

enum err_kind pg_ask(struct pg *pg, PGresult **rows, const char *sql, struct err *e)
{
    TRY(ready(pg, e));
    return ask(pg, rows, sql, e);
}

enum err_kind pg_run(struct pg *pg, const char *sql, struct err *e)
{
    return pg_ask(pg, NULL, sql, e);
}

enum err_kind pg_run_buf(struct pg *pg, struct buf *sql, struct err *e)
{
    buf_put_u8(sql, 0);
    TRY(buf_status(sql, e));
    return pg_run(pg, (const char *)sql->p, e);
}

enum err_kind pg_runf(struct pg *pg, struct err *e, const char *fmt, ...)
{
    va_list ap;
    char *sql = NULL;

    va_start(ap, fmt);
    int n = vasprintf(&sql, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_set(e, ERR_INTERNAL, "a statement could not be printed");
    enum err_kind rc = pg_run(pg, sql, e);
    free(sql);
    return rc;
}

enum err_kind pg_ask_with(struct pg *pg, PGresult **rows, const char *sql, int n,
                          const char *const *values, struct err *e)
{
    TRY(ready(pg, e));
    if (PQsendQueryParams(pg->conn, sql, n, NULL, values, NULL, NULL, 0) != 1)
        return lose(pg, e);
    return take_answers(pg, rows, e);
}

enum err_kind pg_copy_begin(struct pg *pg, const char *sql, struct err *e)
{
    TRY(ready(pg, e));
    return ask(pg, NULL, sql, e);
}

enum err_kind pg_copy_out(struct pg *pg, const char *sql, struct buf *out,
                          struct err *e)
{
    char *row = NULL;
    int n;

    TRY(pg_copy_begin(pg, sql, e));
    while ((n = PQgetCopyData(pg->conn, &row, 0)) > 0) {
        buf_put(out, span_of(row, (size_t)n));
        PQfreemem(row);
    }
    TRY(take_answers(pg, NULL, e));
    return buf_status(out, e);
}

enum err_kind pg_copy_put(struct pg *pg, struct span bytes, struct err *e)
{
    // libpq takes an int, and doubles its buffer for what it is given at once.
    while (bytes.n > 0) {
        size_t n = bytes.n < (64 << 10) ? bytes.n : 64 << 10;
        if (PQputCopyData(pg->conn, (const char *)bytes.p, (int)n) != 1)
            return lose(pg, e);
        bytes = span_skip(bytes, n);
    }
    return ERR_OK;
}

enum err_kind pg_copy_end(struct pg *pg, struct err *e)
{
    PGresult *r = NULL;
    char *rest;

    pg->copied = -1;
    if (PQputCopyEnd(pg->conn, NULL) != 1)
        return lose(pg, e);
    TRY(take_answers(pg, &r, e));
    const char *said = r == NULL ? "" : PQcmdTuples(r); // of "COPY 7"
    long n = strtol(said, &rest, 10);
    if (rest != said && *rest == '\0')
        pg->copied = n;
    PQclear(r);
    return ERR_OK;
}

void pg_copy_abandon(struct pg *pg)
{
    struct err ignored = {0};

    if (pg->conn == NULL || PQputCopyEnd(pg->conn, "set aside") != 1)
        return;
    (void)!take_answers(pg, NULL, &ignored);
}

void pg_put_literal(struct buf *out, struct span text)
{
    // E'' reads the same whatever standard_conforming_strings says.
    buf_put_str(out, "E'");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\'' || text.p[i] == '\\')
            buf_put_u8(out, text.p[i]);
        buf_put_u8(out, text.p[i]);
    }
    buf_put_u8(out, '\'');
}

void pg_put_name(struct buf *out, struct span name)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, name.p[i]);
    }
    buf_put_u8(out, '"');
}

static const char *option(const PQconninfoOption *o, const char *name)
{
    for (; o != NULL && o->keyword != NULL; o++)
        if (strcmp(o->keyword, name) == 0)
            return o->val;
    return NULL;
}

static void put_part(struct buf *out, const char *before, const char *part)
{
    if (part != NULL && part[0] != '\0') {
        buf_put_str(out, before);
        buf_put_str(out, part);
    }
}

void pg_show_url(struct buf *out, const char *url)
{
    PQconninfoOption *o = PQconninfoParse(url, NULL);

    buf_put_str(out, "postgresql:/");
    put_part(out, "/", option(o, "user"));
    put_part(out, option(o, "user") == NULL ? "/" : "@", option(o, "host"));
    put_part(out, ":", option(o, "port"));
    put_part(out, "/", option(o, "dbname"));
    put_part(out, "?service=", option(o, "service"));
    PQconninfoFree(o);
}
