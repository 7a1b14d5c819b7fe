#include "cli/audit_db.h"

#include "loaders/sink_odbc.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define LOCK_MS 5000
#define STATEMENT_MS 600000

static enum err_kind open_postgres(struct audit_db *db, const char *url, struct err *e)
{
    db->d = dialect_named("postgres");
    pg_init(&db->pg, url, "avrogate audit");
    return pg_run(&db->pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", e);
}

static enum err_kind open_odbc(struct audit_db *db, const struct audit_at *at,
                               struct err *e)
{
    bool is_dsn = at->dsn != NULL;

    buf_printf(&db->connection, "%s%s%c", is_dsn ? "DSN=" : "",
               is_dsn ? at->dsn : at->connection, 0);
    TRY(buf_status(&db->connection, e));
    odbc_init(&db->odbc, (const char *)db->connection.p);
    db->by_odbc = true;
    TRY(odbc_connect(&db->odbc, e));
    db->d = strcmp(at->dialect, "auto") == 0 ? dialect_of(db->odbc.dbms)
                                             : dialect_named(at->dialect);
    if (db->d == NULL)
        return err_set(e, ERR_INVALID, "dialect \"%.40s\" is not known", at->dialect);
    db->odbc.codes = db->d->codes;
    db->odbc.n_codes = db->d->n_codes;
    TRY(odbc_greet(&db->odbc, db->d, "a", "audit", LOCK_MS, STATEMENT_MS, e));
    odbc_isolate(&db->odbc);
    return odbc_begin(&db->odbc, e);
}

enum err_kind audit_db_open(struct audit_db *db, const struct audit_at *at,
                            struct err *e)
{
    *db = (struct audit_db){.connection = BUF_INIT(64 << 10)};
    return at->url != NULL ? open_postgres(db, at->url, e) : open_odbc(db, at, e);
}

void audit_db_close(struct audit_db *db)
{
    if (db->by_odbc)
        odbc_close(&db->odbc);
    else if (db->pg.url != NULL)
        pg_close(&db->pg);
    buf_free(&db->connection);
}

/* --- an answer by ODBC ------------------------------------------------------------ */

/* What the ledger holds as text and is JSON, or nearly: "{1,2}". */
static bool is_json(const char *name)
{
    return strcmp(name, "partitions") == 0 || strcmp(name, "schema_ids") == 0;
}

static void put_brackets(char *list)
{
    size_t n = strlen(list);

    if (n >= 2 && list[0] == '{' && list[1] != '"' && list[n - 1] == '}') {
        list[0] = '[';
        list[n - 1] = ']';
    }
}

/* pg_type.h: 20 is bigint, 25 text, 114 json. */
static unsigned type_of(const struct odbc_column *c)
{
    return is_json(c->name) ? 114 : odbc_is_number(c->type) ? 20 : 25;
}

static void fold(char *name) // PART is part
{
    for (; *name != '\0'; name++)
        *name = (char)tolower((unsigned char)*name);
}

static bool set_columns(PGresult *r, const struct odbc_answer *a)
{
    PGresAttDesc *columns = mem_array(a->columns, sizeof *columns);

    for (size_t i = 0; i < a->columns; i++) {
        fold(a->heads[i].name);
        columns[i] = (PGresAttDesc){.name = a->heads[i].name,
                                    .typid = type_of(&a->heads[i]),
                                    .typlen = -1,
                                    .atttypmod = -1};
    }
    bool ok = PQsetResultAttrs(r, (int)a->columns, columns) != 0;
    free(columns);
    return ok;
}

static bool set_cells(PGresult *r, const struct odbc_answer *a)
{
    for (size_t row = 0; row < a->rows; row++)
        for (size_t i = 0; i < a->columns; i++) {
            char *cell = (char *)(uintptr_t)odbc_cell(a, row, i); // it copies
            int n = cell == NULL ? -1 : (int)strlen(cell);
            if (cell != NULL && strcmp(a->heads[i].name, "schema_ids") == 0)
                put_brackets(cell); // the answer's own copy
            if (PQsetvalue(r, (int)row, (int)i, cell, n) == 0)
                return false;
        }
    return true;
}

static PGresult *result_of(const struct odbc_answer *a)
{
    PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    if (r == NULL || !set_columns(r, a) || !set_cells(r, a))
        abort(); // out of memory
    return r;
}

static enum err_kind ask_odbc(struct audit_db *db, PGresult **out, const char *sql,
                              struct err *e)
{
    struct odbc_answer a;

    TRY(odbc_ask(&db->odbc, sql, &a, e));
    *out = result_of(&a);
    odbc_answer_free(&a);
    return ERR_OK;
}

/* --- asking ----------------------------------------------------------------------- */

enum err_kind audit_db_ask(struct audit_db *db, PGresult **out, const char *sql,
                           struct err *e)
{
    return db->by_odbc ? ask_odbc(db, out, sql, e) : pg_ask(&db->pg, out, sql, e);
}

static enum err_kind run_word(struct audit_db *db, const char *word, struct err *e)
{
    if (word == NULL)
        return ERR_OK;
    return db->by_odbc ? odbc_run(&db->odbc, word, NULL, e) : pg_run(&db->pg, word, e);
}

enum err_kind audit_db_try(struct audit_db *db, PGresult **out, const char *sql,
                           struct err *e)
{
    struct err why = {0};

    *out = NULL;
    TRY(run_word(db, db->d->savepoint, e));
    enum err_kind rc = audit_db_ask(db, out, sql, &why);
    if (rc == ERR_OK)
        return run_word(db, db->d->release, e);
    if (rc == ERR_NOT_FOUND)
        return run_word(db, db->d->back, e);
    *e = why;
    return rc;
}

enum err_kind audit_db_has(struct audit_db *db, const char *table, bool *yes,
                           struct err *e)
{
    PGresult *r;
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT 1 FROM %.100s WHERE 1 = 0", table);
    TRY(audit_db_try(db, &r, sql, e));
    *yes = r != NULL;
    PQclear(r);
    return ERR_OK;
}
