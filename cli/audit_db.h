/*
 * audit_db.h - the database of the audit's tables: PostgreSQL by libpq, any other by
 * ODBC.
 *
 * The same statements go to both, and both answer with a PGresult, which what prints
 * and what proves reads.  So a statement has only what every database knows (SQL:2003's
 * joins, groups and windows), and a literal stands where libpq would have a parameter.
 *
 * All that is asked is seen as of one moment: REPEATABLE READ, or SERIALIZABLE where a
 * driver can.  One thread.
 */
#pragma once

#include "loaders/dialect.h"
#include "loaders/pg.h"

struct audit_at {
    const char *url;              // PostgreSQL's ...
    const char *connection, *dsn; // ... or the driver manager's; the others are NULL
    const char *dialect;          // by ODBC: a name, or "auto"
};

struct audit_db {
    const struct dialect *d; // once opened
    bool by_odbc;
    struct buf connection;
    struct pg pg;
    struct odbc odbc;
};

enum err_kind audit_db_open(struct audit_db *db, const struct audit_at *at,
                            struct err *e) MUST_USE;
void audit_db_close(struct audit_db *db); // also one that did not open

/* The caller clears the result. */
enum err_kind audit_db_ask(struct audit_db *db, PGresult **out, const char *sql,
                           struct err *e) MUST_USE;
/* The same for what may not be there, or not be ours to read: *out is NULL then. */
enum err_kind audit_db_try(struct audit_db *db, PGresult **out, const char *sql,
                           struct err *e) MUST_USE;
enum err_kind audit_db_has(struct audit_db *db, const char *table, bool *yes,
                           struct err *e) MUST_USE;
