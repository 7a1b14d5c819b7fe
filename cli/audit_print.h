/*
 * audit_print.h - rows of a query for people (a table cut to the terminal's width), for
 * programs (one JSON object a line) and for spreadsheets (CSV, RFC 4180).
 *
 * What comes from the database was written by strangers: control characters are shown
 * as '?', so that no record can speak to the terminal.
 */
#pragma once

#include "base/buf.h"

#include <libpq-fe.h>

enum audit_form { AUDIT_TABLE, AUDIT_JSON, AUDIT_CSV };

/* Appends all rows.  `width` in columns of the terminal, 0 = as wide as it gets; what
 * does not fit even with its cells cut is shown row by row, a line for each column. */
void audit_print(struct buf *out, const PGresult *rows, enum audit_form form,
                 size_t width);
/* One line of CSV. */
void audit_print_csv(struct buf *out, const char *const *cells, int n);
