#include "odbc/odbc.h"

#include "odbc/library.h"

#include <stdio.h>
#include <stdlib.h>

#define CELL_MOST (64 << 20) // bytes of an answer's cell

_Static_assert(sizeof(SQLLEN) == sizeof(int64_t), "a 64-bit driver manager");
// NOLINTNEXTLINE(misc-redundant-expression): that they are the same is the point
_Static_assert(SQL_NULL_DATA == ODBC_NULL, "sqlext.h");

void odbc_init(struct odbc *o, const char *connection)
{
    *o = (struct odbc){.connection = connection};
    pthread_mutex_init(&o->lock, NULL);
}

/* --- what went wrong -------------------------------------------------------------- */

static const struct {
    const char *prefix;
    enum err_kind kind;
    bool busy;
} meanings[] = {
    {"40003", ERR_UNAVAILABLE, false}, // completion unknown
    {"40002", ERR_INVALID, false},     // a constraint, at the commit
    {"40", ERR_UNAVAILABLE, true},     // serialization failure, deadlock
    {"55P03", ERR_UNAVAILABLE, true},  // a lock not to be had
    {"57014", ERR_UNAVAILABLE, true},  // cancelled
    {"HY008", ERR_UNAVAILABLE, true},  // cancelled
    {"HYT", ERR_UNAVAILABLE, true},    // time-outs
    {"25006", ERR_UNAVAILABLE, false}, // read only: a standby
    {"25P03", ERR_UNAVAILABLE, false}, {"08", ERR_UNAVAILABLE, false},
    {"53", ERR_UNAVAILABLE, false},  // disk full, too many connections
    {"57P", ERR_UNAVAILABLE, false}, // shutdown, crash, starting up
    {"58", ERR_UNAVAILABLE, false},  // I/O
    {"22", ERR_INVALID, false},        {"23", ERR_INVALID, false},
    {"44", ERR_INVALID, false}, // WITH CHECK OPTION
    {"", ERR_NOT_FOUND, false},
};

static enum err_kind meaning(struct odbc *o)
{
    size_t i = 0;

    while (strncmp(o->sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) != 0)
        i++;
    o->busy = meanings[i].busy;
    return meanings[i].kind;
}

/* Drivers' messages have line breaks, and lines of context. */
static void flatten(char *text)
{
    size_t n = 0;

    for (char *p = text; *p != '\0'; p++)
        if (*p != '\r')
            text[n++] = *p == '\n' || *p == '\t' ? ' ' : *p;
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == ';'))
        n--;
    text[n] = '\0';
}

static void read_codes(struct odbc *o)
{
    for (size_t i = 0; i < o->n_codes; i++)
        if (o->codes[i].native == o->native)
            snprintf(o->sqlstate, sizeof o->sqlstate, "%s", o->codes[i].sqlstate);
}

static bool is_dead(struct odbc *o)
{
    SQLUINTEGER dead = SQL_CD_FALSE;

    return o->dbc != NULL &&
           SQL_SUCCEEDED(o->api->SQLGetConnectAttr(o->dbc, SQL_ATTR_CONNECTION_DEAD,
                                                   &dead, sizeof dead, NULL)) &&
           dead == SQL_CD_TRUE;
}

/*
 * The first record that is an error is the cause: those behind it are consequences
 * ("current transaction is aborted"), warnings may stand before it.
 */
static void read_cause(struct odbc *o, SQLSMALLINT type, void *h, char text[400])
{
    SQLCHAR state[6] = "", said[400] = "";
    SQLINTEGER native = 0;
    SQLSMALLINT n;

    o->sqlstate[0] = '\0';
    text[0] = '\0';
    for (SQLSMALLINT i = 1; i < 20; i++) {
        if (!SQL_SUCCEEDED(o->api->SQLGetDiagRec(type, h, i, state, &native, said,
                                                 sizeof said, &n)))
            break;
        bool warning = state[0] == '0' && state[1] == '1';
        if (o->sqlstate[0] != '\0' && warning)
            continue;
        snprintf(o->sqlstate, sizeof o->sqlstate, "%s", (char *)state);
        snprintf(text, 400, "%s", (char *)said);
        o->native = native;
        if (!warning)
            break;
    }
    flatten(text);
}

static enum err_kind failed(struct odbc *o, SQLSMALLINT type, void *h, struct err *e)
{
    char text[400];

    read_cause(o, type, h, text);
    read_codes(o);
    enum err_kind kind = meaning(o);
    if (is_dead(o))
        kind = ERR_UNAVAILABLE;
    o->lost = kind == ERR_UNAVAILABLE && !o->busy;
    if (odbc_is_cancelled(o))
        kind = ERR_UNAVAILABLE;
    (void)err_set(e, kind, "%.190s (SQLSTATE %s)",
                  text[0] == '\0' ? "the driver gave no reason" : text,
                  o->sqlstate[0] == '\0' ? "none" : o->sqlstate);
    if (o->lost)
        odbc_drop(o);
    return kind;
}

/* --- connecting ------------------------------------------------------------------- */

static void show_waits(struct odbc *o, void *h)
{
    pthread_mutex_lock(&o->lock);
    o->waits = h;
    pthread_mutex_unlock(&o->lock);
}

void odbc_cancel(struct odbc *o)
{
    pthread_mutex_lock(&o->lock);
    o->cancelled = true;
    if (o->waits != NULL)
        o->api->SQLCancel(o->waits);
    pthread_mutex_unlock(&o->lock);
}

bool odbc_is_cancelled(struct odbc *o)
{
    pthread_mutex_lock(&o->lock);
    bool yes = o->cancelled;
    pthread_mutex_unlock(&o->lock);
    return yes;
}

static void forget(struct odbc *o, struct odbc_prepared *p)
{
    if (p->h != NULL)
        o->api->SQLFreeHandle(SQL_HANDLE_STMT, p->h);
    free(p->sql);
    *p = (struct odbc_prepared){0};
}

void odbc_drop(struct odbc *o)
{
    show_waits(o, NULL);
    forget(o, &o->prepared[0]);
    forget(o, &o->prepared[1]);
    if (o->stmt != NULL)
        o->api->SQLFreeHandle(SQL_HANDLE_STMT, o->stmt);
    o->stmt = NULL;
    if (o->dbc != NULL) {
        if (o->in_transaction) // a driver refuses to disconnect in one
            o->api->SQLEndTran(SQL_HANDLE_DBC, o->dbc, SQL_ROLLBACK);
        o->api->SQLDisconnect(o->dbc);
        o->api->SQLFreeHandle(SQL_HANDLE_DBC, o->dbc);
    }
    o->dbc = NULL;
    o->in_transaction = false;
}

void odbc_close(struct odbc *o)
{
    odbc_drop(o);
    if (o->env != NULL)
        o->api->SQLFreeHandle(SQL_HANDLE_ENV, o->env);
    o->env = NULL;
    pthread_mutex_destroy(&o->lock);
}

static enum err_kind open_environment(struct odbc *o, struct err *e)
{
    if (o->env != NULL)
        return ERR_OK;
    TRY(odbc_library(&o->api, e));
    if (!SQL_SUCCEEDED(
            o->api->SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &o->env)))
        return err_set(e, ERR_UNAVAILABLE, "the driver manager does not start");
    o->api->SQLSetEnvAttr(o->env, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0);
    return ERR_OK;
}

/* A driver that is not installed, a name nobody knows: waiting does not mend it. */
static enum err_kind refused(struct odbc *o, struct err *e)
{
    enum err_kind rc = failed(o, SQL_HANDLE_DBC, o->dbc, e);

    if (strncmp(o->sqlstate, "IM", 2) == 0 || strncmp(o->sqlstate, "28", 2) == 0 ||
        strcmp(o->sqlstate, "01000") == 0)
        e->kind = rc = ERR_NOT_FOUND;
    else if (rc == ERR_NOT_FOUND || rc == ERR_INVALID)
        e->kind = rc = ERR_UNAVAILABLE; // some say HY000 to a server that starts
    o->lost = true;
    odbc_drop(o);
    return rc;
}

static enum err_kind open_statement(struct odbc *o, struct err *e)
{
    SQLSMALLINT n;

    if (!SQL_SUCCEEDED(o->api->SQLAllocHandle(SQL_HANDLE_STMT, o->dbc, &o->stmt)))
        return refused(o, e);
    // Ours are the database's own words: no {escapes} to look for.
    o->api->SQLSetStmtAttr(o->stmt, SQL_ATTR_NOSCAN, (SQLPOINTER)SQL_NOSCAN_ON, 0);
    if (o->timeout_ms > 0)
        o->api->SQLSetStmtAttr(o->stmt, SQL_ATTR_QUERY_TIMEOUT,
                               (SQLPOINTER)(o->timeout_ms / 1000 + 1), 0);
    o->dbms[0] = '\0';
    o->api->SQLGetInfo(o->dbc, SQL_DBMS_NAME, o->dbms, sizeof o->dbms, &n);
    return ERR_OK;
}

enum err_kind odbc_connect(struct odbc *o, struct err *e)
{
    SQLSMALLINT n;
    SQLCHAR completed[1024];

    if (odbc_is_cancelled(o))
        return err_set(e, ERR_UNAVAILABLE, "told to stop");
    if (o->dbc != NULL)
        return ERR_OK;
    TRY(open_environment(o, e));
    o->busy = o->lost = false;
    if (!SQL_SUCCEEDED(o->api->SQLAllocHandle(SQL_HANDLE_DBC, o->env, &o->dbc)))
        return failed(o, SQL_HANDLE_ENV, o->env, e);
    o->api->SQLSetConnectAttr(o->dbc, SQL_ATTR_LOGIN_TIMEOUT, (SQLPOINTER)10, 0);
    if (!SQL_SUCCEEDED(o->api->SQLDriverConnect(o->dbc, NULL, (SQLCHAR *)o->connection,
                                                SQL_NTS, completed, sizeof completed,
                                                &n, SQL_DRIVER_NOPROMPT)))
        return refused(o, e);
    TRY(open_statement(o, e));
    o->made++;
    enum err_kind rc = o->greet == NULL ? ERR_OK : o->greet(o, e);
    if (rc != ERR_OK)
        odbc_drop(o);
    return rc;
}

/* --- transactions ----------------------------------------------------------------- */

static enum err_kind set_autocommit(struct odbc *o, bool on, struct err *e)
{
    SQLPOINTER value = (SQLPOINTER)(on ? SQL_AUTOCOMMIT_ON : SQL_AUTOCOMMIT_OFF);

    if (!SQL_SUCCEEDED(
            o->api->SQLSetConnectAttr(o->dbc, SQL_ATTR_AUTOCOMMIT, value, 0)))
        return failed(o, SQL_HANDLE_DBC, o->dbc, e);
    return ERR_OK;
}

enum err_kind odbc_begin(struct odbc *o, struct err *e)
{
    TRY(odbc_connect(o, e));
    if (o->in_transaction)
        odbc_rollback(o);
    TRY(odbc_connect(o, e));
    TRY(set_autocommit(o, false, e));
    o->in_transaction = true;
    return ERR_OK;
}

enum err_kind odbc_commit(struct odbc *o, struct err *e)
{
    if (!SQL_SUCCEEDED(o->api->SQLEndTran(SQL_HANDLE_DBC, o->dbc, SQL_COMMIT))) {
        enum err_kind rc = failed(o, SQL_HANDLE_DBC, o->dbc, e);
        o->lost = true; // nobody knows
        odbc_drop(o);
        return rc;
    }
    // Some say yes to a line that was cut.
    if (is_dead(o)) {
        o->lost = true;
        odbc_drop(o);
        return err_set(e, ERR_UNAVAILABLE, "the line broke at the commit");
    }
    o->in_transaction = false;
    return set_autocommit(o, true, e);
}

void odbc_rollback(struct odbc *o)
{
    struct err ignored = {0};

    if (o->dbc == NULL || !o->in_transaction)
        return;
    if (!SQL_SUCCEEDED(o->api->SQLEndTran(SQL_HANDLE_DBC, o->dbc, SQL_ROLLBACK)) ||
        set_autocommit(o, true, &ignored) != ERR_OK)
        odbc_drop(o);
    o->in_transaction = false;
}

void odbc_isolate(struct odbc *o)
{
    if (o->dbc != NULL)
        o->api->SQLSetConnectAttr(o->dbc, SQL_ATTR_TXN_ISOLATION,
                                  (SQLPOINTER)SQL_TXN_SERIALIZABLE, 0);
}

/* --- statements ------------------------------------------------------------------- */

static enum err_kind execute(struct odbc *o, const char *sql, struct err *e)
{
    TRY(odbc_connect(o, e));
    o->busy = o->lost = false;
    o->sqlstate[0] = '\0';
    show_waits(o, o->stmt);
    SQLRETURN rc = o->api->SQLExecDirect(o->stmt, (SQLCHAR *)sql, SQL_NTS);
    show_waits(o, NULL);
    if (SQL_SUCCEEDED(rc) || rc == SQL_NO_DATA) // an UPDATE of no row
        return ERR_OK;
    return failed(o, SQL_HANDLE_STMT, o->stmt, e);
}

static void finish(struct odbc *o)
{
    if (o->stmt != NULL)
        o->api->SQLFreeStmt(o->stmt, SQL_CLOSE);
}

static int64_t row_count(struct odbc *o)
{
    SQLLEN n = -1;

    return SQL_SUCCEEDED(o->api->SQLRowCount(o->stmt, &n)) ? n : -1;
}

/* A statement may have several answers, and fail at any of them. */
static enum err_kind drain(struct odbc *o, void *h, struct err *e)
{
    for (;;) {
        SQLRETURN rc = o->api->SQLMoreResults(h);
        if (rc == SQL_NO_DATA)
            return ERR_OK;
        if (!SQL_SUCCEEDED(rc))
            return failed(o, SQL_HANDLE_STMT, h, e);
    }
}

enum err_kind odbc_run(struct odbc *o, const char *sql, int64_t *changed, struct err *e)
{
    TRY(execute(o, sql, e));
    if (changed != NULL)
        *changed = row_count(o);
    enum err_kind rc = drain(o, o->stmt, e);
    finish(o);
    return rc;
}

/* msodbcsql.h: numbers of its own for types that ODBC has not. */
#define SS_TIME2 (-154)
#define SS_TIMESTAMPOFFSET (-155)

static const struct {
    int number;
    enum odbc_type type;
} types[] = {
    {SQL_BIT, ODBC_BIT},
    {SQL_TINYINT, ODBC_SMALLINT},
    {SQL_SMALLINT, ODBC_SMALLINT},
    {SQL_INTEGER, ODBC_INTEGER},
    {SQL_BIGINT, ODBC_BIGINT},
    {SQL_REAL, ODBC_REAL},
    {SQL_FLOAT, ODBC_FLOAT},
    {SQL_DOUBLE, ODBC_FLOAT},
    {SQL_DECIMAL, ODBC_DECIMAL},
    {SQL_NUMERIC, ODBC_DECIMAL},
    {SQL_CHAR, ODBC_CHARACTERS},
    {SQL_VARCHAR, ODBC_CHARACTERS},
    {SQL_LONGVARCHAR, ODBC_CHARACTERS},
    {SQL_WCHAR, ODBC_CHARACTERS},
    {SQL_WVARCHAR, ODBC_CHARACTERS},
    {SQL_WLONGVARCHAR, ODBC_CHARACTERS},
    {SQL_BINARY, ODBC_BINARY},
    {SQL_VARBINARY, ODBC_BINARY},
    {SQL_LONGVARBINARY, ODBC_BINARY},
    {SQL_GUID, ODBC_GUID},
    {SQL_TYPE_DATE, ODBC_DATE},
    {SQL_TYPE_TIME, ODBC_TIME},
    {SS_TIME2, ODBC_TIME},
    {SQL_TYPE_TIMESTAMP, ODBC_TIMESTAMP},
    {SS_TIMESTAMPOFFSET, ODBC_TIMESTAMP},
};

const char *odbc_type_name(enum odbc_type t)
{
    static const char *const names[] = {
        [ODBC_OTHER] = "other",       [ODBC_BIT] = "bit",
        [ODBC_SMALLINT] = "smallint", [ODBC_INTEGER] = "integer",
        [ODBC_BIGINT] = "bigint",     [ODBC_REAL] = "real",
        [ODBC_FLOAT] = "float",       [ODBC_DECIMAL] = "decimal",
        [ODBC_CHARACTERS] = "text",   [ODBC_BINARY] = "binary",
        [ODBC_GUID] = "guid",         [ODBC_DATE] = "date",
        [ODBC_TIME] = "time",         [ODBC_TIMESTAMP] = "timestamp",
    };
    return names[t];
}

static enum odbc_type type_of(int number)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].number == number)
            return types[i].type;
    return ODBC_OTHER;
}

bool odbc_is_number(enum odbc_type t)
{
    return t >= ODBC_SMALLINT && t <= ODBC_DECIMAL;
}

static void describe(struct odbc *o, struct odbc_column *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        SQLSMALLINT name, type = 0, digits = 0, nullable = SQL_NULLABLE_UNKNOWN;
        SQLULEN size = 0;
        o->api->SQLDescribeCol(o->stmt, (SQLUSMALLINT)(i + 1), (SQLCHAR *)c[i].name,
                               sizeof c[i].name, &name, &type, &size, &digits,
                               &nullable);
        c[i].type = type_of(type);
        c[i].size = size;
        c[i].digits = digits;
        c[i].not_null = nullable == SQL_NO_NULLS;
    }
}

/* What SQLGetData() put into a piece: all that was left, or as much as has room. */
static size_t piece_size(SQLLEN left, size_t room)
{
    return left < 0 || (size_t)left > room ? room : (size_t)left;
}

static enum err_kind read_cell(struct odbc *o, struct odbc_answer *a, size_t column,
                               struct buf *text, struct span *out, struct err *e)
{
    bool binary = a->heads[column].type == ODBC_BINARY;
    char piece[4096];
    SQLLEN n;

    buf_reset(text);
    *out = (struct span){0};
    for (;;) {
        SQLRETURN rc = o->api->SQLGetData(o->stmt, (SQLUSMALLINT)(column + 1),
                                          binary ? SQL_C_BINARY : SQL_C_CHAR, piece,
                                          sizeof piece, &n);
        if (rc == SQL_NO_DATA)
            break;
        if (!SQL_SUCCEEDED(rc))
            return failed(o, SQL_HANDLE_STMT, o->stmt, e);
        if (n == SQL_NULL_DATA)
            return ERR_OK;
        if (binary)
            buf_put(text, span_of(piece, piece_size(n, sizeof piece)));
        else
            buf_put_str(text, piece);
        if (rc == SQL_SUCCESS)
            break;
    }
    TRY(buf_status(text, e));
    *out = span_of(arena_str(&a->arena, buf_span(text)), text->n);
    return ERR_OK;
}

static enum err_kind read_rows(struct odbc *o, struct odbc_answer *a, struct err *e)
{
    struct buf text = BUF_INIT(CELL_MOST);
    enum err_kind rc = ERR_OK;
    size_t cap = 0;

    while (rc == ERR_OK) {
        SQLRETURN got = o->api->SQLFetch(o->stmt);
        if (got == SQL_NO_DATA)
            break;
        if (!SQL_SUCCEEDED(got))
            rc = failed(o, SQL_HANDLE_STMT, o->stmt, e);
        else if (a->rows == ODBC_ROWS_MOST)
            rc =
                err_set(e, ERR_LIMIT, "an answer of more than %d rows", ODBC_ROWS_MOST);
        if (rc != ERR_OK)
            break;
        if (a->rows == cap) {
            cap = cap == 0 ? 8 : cap * 2;
            a->cells = mem_grow(a->cells, cap * a->columns, sizeof *a->cells);
        }
        for (size_t c = 0; c < a->columns && rc == ERR_OK; c++)
            rc = read_cell(o, a, c, &text, &a->cells[a->rows * a->columns + c], e);
        a->rows++;
    }
    buf_free(&text);
    return rc;
}

enum err_kind odbc_ask(struct odbc *o, const char *sql, struct odbc_answer *out,
                       struct err *e)
{
    SQLSMALLINT columns = 0;

    *out = (struct odbc_answer){0};
    TRY(execute(o, sql, e));
    o->api->SQLNumResultCols(o->stmt, &columns);
    out->columns = columns < 0 ? 0 : (size_t)columns;
    out->heads = arena_array(&out->arena, out->columns + 1, sizeof *out->heads);
    memset(out->heads, 0, (out->columns + 1) * sizeof *out->heads);
    describe(o, out->heads, out->columns);
    enum err_kind rc = out->columns == 0 ? ERR_OK : read_rows(o, out, e);
    finish(o);
    if (rc != ERR_OK)
        odbc_answer_free(out);
    return rc;
}

const char *odbc_cell(const struct odbc_answer *a, size_t row, size_t column)
{
    return (const char *)odbc_bytes(a, row, column).p;
}

struct span odbc_bytes(const struct odbc_answer *a, size_t row, size_t column)
{
    return row < a->rows && column < a->columns ? a->cells[row * a->columns + column]
                                                : (struct span){0};
}

void odbc_answer_free(struct odbc_answer *a)
{
    free(a->cells);
    arena_free(&a->arena);
    *a = (struct odbc_answer){0};
}

enum err_kind odbc_describe(struct odbc *o, const char *sql, struct odbc_column **out,
                            size_t *n, struct err *e)
{
    SQLSMALLINT columns = 0;

    TRY(execute(o, sql, e));
    o->api->SQLNumResultCols(o->stmt, &columns);
    if (columns < 0 || columns > ODBC_COLUMNS_MOST) {
        finish(o);
        return err_set(e, ERR_LIMIT, "a table of %d columns", columns);
    }
    struct odbc_column *c = mem_array(columns == 0 ? 1 : (size_t)columns, sizeof *c);
    describe(o, c, (size_t)columns);
    finish(o);
    *out = c;
    *n = (size_t)columns;
    return ERR_OK;
}

/* --- many rows -------------------------------------------------------------------- */

static const struct {
    SQLSMALLINT c, sql, long_sql;
} binds[] = {
    [ODBC_INT] = {SQL_C_SBIGINT, SQL_BIGINT, SQL_BIGINT},
    [ODBC_DOUBLE] = {SQL_C_DOUBLE, SQL_DOUBLE, SQL_DOUBLE},
    [ODBC_TEXT] = {SQL_C_CHAR, SQL_VARCHAR, SQL_LONGVARCHAR},
    [ODBC_WIDE] = {SQL_C_WCHAR, SQL_WVARCHAR, SQL_WLONGVARCHAR},
    [ODBC_BYTES] = {SQL_C_BINARY, SQL_VARBINARY, SQL_LONGVARBINARY},
};
#define SHORT_MOST 4000 // characters of a type that every database has

static enum err_kind prepare(struct odbc *o, struct odbc_prepared *p, const char *sql,
                             struct err *e)
{
    if (p->h != NULL && strcmp(p->sql, sql) == 0)
        return ERR_OK;
    forget(o, p);
    if (!SQL_SUCCEEDED(o->api->SQLAllocHandle(SQL_HANDLE_STMT, o->dbc, &p->h)))
        return failed(o, SQL_HANDLE_DBC, o->dbc, e);
    if (o->timeout_ms > 0)
        o->api->SQLSetStmtAttr(p->h, SQL_ATTR_QUERY_TIMEOUT,
                               (SQLPOINTER)(o->timeout_ms / 1000 + 1), 0);
    p->sql = mem_str(span_str(sql));
    if (SQL_SUCCEEDED(o->api->SQLPrepare(p->h, (SQLCHAR *)sql, SQL_NTS)))
        return ERR_OK;
    enum err_kind rc = failed(o, SQL_HANDLE_STMT, p->h, e);
    forget(o, p);
    return rc;
}

static enum err_kind bind_one(struct odbc *o, void *h, size_t parameter,
                              const struct odbc_values *v, size_t row, struct err *e)
{
    size_t unit = v->bind == ODBC_WIDE ? 2 : 1;
    bool number = v->bind == ODBC_INT || v->bind == ODBC_DOUBLE;
    size_t size = number ? 0 : v->stride / unit;
    SQLSMALLINT type = size > SHORT_MOST ? binds[v->bind].long_sql : binds[v->bind].sql;

    if (SQL_SUCCEEDED(o->api->SQLBindParameter(
            h, (SQLUSMALLINT)(parameter + 1), SQL_PARAM_INPUT, binds[v->bind].c, type,
            size, 0, v->p + row * v->stride, (SQLLEN)v->stride,
            (SQLLEN *)v->sizes + row)))
        return ERR_OK;
    return failed(o, SQL_HANDLE_STMT, h, e);
}

static enum err_kind bind_all(struct odbc *o, void *h,
                              const struct odbc_values *columns, size_t n, size_t rows,
                              struct err *e)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < n; c++)
            TRY(bind_one(o, h, r * n + c, &columns[c], r, e));
    return ERR_OK;
}

struct outcome { // of a statement with many sets of parameters
    SQLULEN processed;
    SQLUSMALLINT *status;
};

/* The one row that is said to be bad; -1 when none is, or more than one: then the
 * driver has only marked them all. */
static int64_t blamed(const struct outcome *x, size_t rows)
{
    int64_t at = -1;

    for (size_t i = 0; i < rows; i++) {
        if (x->status[i] != SQL_PARAM_ERROR)
            continue;
        if (at >= 0)
            return -1;
        at = (int64_t)i;
    }
    return at;
}

static enum err_kind run_bound(struct odbc *o, void *h, const struct outcome *x,
                               size_t rows, bool by_array, int64_t *hint, struct err *e)
{
    show_waits(o, h);
    SQLRETURN said = o->api->SQLExecute(h);
    show_waits(o, NULL);
    // SUCCESS_WITH_INFO may mean that some of the rows are in, and some are not
    bool whole = said == SQL_SUCCESS ||
                 (said == SQL_SUCCESS_WITH_INFO &&
                  (!by_array || (blamed(x, rows) < 0 && x->processed == rows)));
    if (!whole && by_array)
        *hint = blamed(x, rows);
    if (!whole)
        return failed(o, SQL_HANDLE_STMT, h, e);
    if (by_array && x->processed != rows && x->processed != 0)
        return err_set(e, ERR_INTERNAL,
                       "the driver took %zu of %zu rows and called it a success: set "
                       "sink.odbc.array to 1",
                       (size_t)x->processed, rows);
    return drain(o, h, e);
}

enum err_kind odbc_put(struct odbc *o, int slot, const char *sql,
                       const struct odbc_values *columns, size_t n, size_t rows,
                       bool by_array, int64_t *hint, struct err *e)
{
    struct odbc_prepared *p = &o->prepared[slot];
    struct outcome x = {0};

    *hint = -1;
    o->busy = o->lost = false;
    o->sqlstate[0] = '\0';
    TRY(odbc_connect(o, e));
    TRY(prepare(o, p, sql, e));
    x.status = mem_array(rows, sizeof *x.status);
    o->api->SQLSetStmtAttr(p->h, SQL_ATTR_PARAM_BIND_TYPE, SQL_PARAM_BIND_BY_COLUMN, 0);
    o->api->SQLSetStmtAttr(p->h, SQL_ATTR_PARAMSET_SIZE,
                           (SQLPOINTER)(by_array ? rows : 1), 0);
    o->api->SQLSetStmtAttr(p->h, SQL_ATTR_PARAM_STATUS_PTR, by_array ? x.status : NULL,
                           0);
    o->api->SQLSetStmtAttr(p->h, SQL_ATTR_PARAMS_PROCESSED_PTR,
                           by_array ? &x.processed : NULL, 0);
    enum err_kind rc = bind_all(o, p->h, columns, n, by_array ? 1 : rows, e);
    if (rc == ERR_OK)
        rc = run_bound(o, p->h, &x, rows, by_array, hint, e);
    if (p->h != NULL) { // it may have been dropped: what it points to ends here
        o->api->SQLFreeStmt(p->h, SQL_CLOSE);
        o->api->SQLFreeStmt(p->h, SQL_RESET_PARAMS);
        o->api->SQLSetStmtAttr(p->h, SQL_ATTR_PARAM_STATUS_PTR, NULL, 0);
        o->api->SQLSetStmtAttr(p->h, SQL_ATTR_PARAMS_PROCESSED_PTR, NULL, 0);
    }
    free(x.status);
    return rc;
}
