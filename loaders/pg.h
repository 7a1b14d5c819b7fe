/*
 * pg.h - one connection to PostgreSQL, and what its answers mean to us.
 *
 *      08, 53, 57P, 58, 25006, no answer at all      ERR_UNAVAILABLE
 *      40001, 40P01, 55P03, 57014                    ERR_UNAVAILABLE, busy
 *      22, 23                                        ERR_INVALID: a row is to blame
 *      anything else (42 and its like)               ERR_NOT_FOUND: the database lacks
 *                                                    what we need; a person must act
 *
 * The connection is made when first needed and again after it broke; pg.lost says that
 * the last call ended without an answer, so that its outcome is unknown.  Whatever a
 * call says, the connection is either usable or closed when it returns.
 *
 * A network that swallows everything is noticed after 30 s at most; the server is asked
 * to notice it as soon (its own default: two hours).  What a session of ours left
 * behind there, perhaps with rows locked, is ended when the next one is open.
 *
 * A URL is libpq's: postgresql://..., or key=value; PGPASSWORD, PGPASSFILE and
 * PGSERVICE work as everywhere.  The password is in no message of ours.
 *
 * One thread; pg_cancel() any.
 */
#pragma once

#include "base/buf.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

struct pg {
    PGconn *conn;     // NULL or usable
    const char *url;  // borrowed
    const char *name; // application_name, borrowed
    /* Run on every new connection, NULL = nothing. */
    enum err_kind (*greet)(struct pg *pg, struct err *e);

    // about the last failure
    bool lost;
    bool busy;
    char sqlstate[6];
    char column[64], constraint[64];
    long line; // of the COPY, from 1; 0 = not said

    long copied; // rows that the last COPY put in, as it says; -1 = it did not say

    int backend; // the server's process
    int former;  // that of a connection that was lost; 0 = none

    pthread_mutex_t lock;
    int fd;         // under lock: what pg_cancel() shuts, -1 = nothing
    bool cancelled; // under lock: stays so; every call fails from then on
};

void pg_init(struct pg *pg, const char *url, const char *name);
void pg_close(struct pg *pg);
void pg_cancel(struct pg *pg);
bool pg_is_cancelled(struct pg *pg); // any thread

/* Connects unless connected.  ERR_NOT_FOUND when the server answers and refuses us for
 * a reason that waiting does not mend. */
enum err_kind pg_connect(struct pg *pg, struct err *e) MUST_USE;
/* Closes the connection; the next call makes another. */
void pg_drop(struct pg *pg);

/* Runs one or several statements; rows are thrown away. */
enum err_kind pg_run(struct pg *pg, const char *sql, struct err *e) MUST_USE;
/* The same of what a buf holds, which is ended with NUL.  ERR_LIMIT: it ran over. */
enum err_kind pg_run_buf(struct pg *pg, struct buf *sql, struct err *e) MUST_USE;
enum err_kind pg_runf(struct pg *pg, struct err *e, const char *fmt, ...)
    PRINTF_LIKE(3, 4) MUST_USE;
/* The same, keeping the last statement's rows: the caller's, PQclear(). */
enum err_kind pg_ask(struct pg *pg, PGresult **rows, const char *sql,
                     struct err *e) MUST_USE;
/* One statement with text parameters (NULL = NULL). */
enum err_kind pg_ask_with(struct pg *pg, PGresult **rows, const char *sql, int n,
                          const char *const *values, struct err *e) MUST_USE;

/* COPY ... TO STDOUT: appends all of it.  ERR_LIMIT when `out` is full. */
enum err_kind pg_copy_out(struct pg *pg, const char *sql, struct buf *out,
                          struct err *e) MUST_USE;
/* COPY ... FROM STDIN: begin, put any number of times, end. In binary,
 * head and end of the format are the caller's bytes. */
enum err_kind pg_copy_begin(struct pg *pg, const char *sql, struct err *e) MUST_USE;
enum err_kind pg_copy_put(struct pg *pg, struct span bytes, struct err *e) MUST_USE;
enum err_kind pg_copy_end(struct pg *pg, struct err *e) MUST_USE;
/* Ends it so that the server throws away what it got. */
void pg_copy_abandon(struct pg *pg);

/* Appends 'text' or "name", quoted for any text.  No connection is needed. */
void pg_put_literal(struct buf *out, struct span text);
void pg_put_name(struct buf *out, struct span name);

/* "postgresql://user@host:5432/warehouse": what may be shown of a URL. */
void pg_show_url(struct buf *out, const char *url);
