/*
 * produce_rejects.h - refused rows, told by line and column of the file they came from.
 *
 *      weather.csv:17: column 3 "temp max", cell "abc", wanted double (type)
 *
 * A gateway points into the body it was sent; here that becomes a line of the file, a
 * column and a cell.  On stderr the first few are shown.  A file of rejects holds them
 * all: CSV rows as they were, with the file's header and two columns behind it,
 * avrogate_line and avrogate_errors, so that it can be mended and sent again (produce
 * leaves those two out); of NDJSON an object a line, the text in "text".
 */
#pragma once

#include "cli/produce_rows.h"
#include "cli/produce_way.h"

#include <stdio.h>

#define REJECTS_LINE "avrogate_line"
#define REJECTS_ERRORS "avrogate_errors"

/* Where in a row something is wrong. */
struct place {
    uint64_t line;    // of the cell: a row may have many
    size_t column;    // from 1; 0 = the row as a whole
    struct span name; // the column's, as the file calls it
    struct span cell; // its text, unquoted
};

struct header {                // of a CSV file
    const struct span *names;  // as the file has them
    const struct span *fields; // the same after --map
    size_t n;
    char delimiter;
};

/*
 * The place of offset `at` in row `text`, which begins in `line`.  A pointer that names
 * a column by itself is believed first.  Texts are allocated in `a`.  Pure.
 */
void place_find(struct place *out, const struct header *h, struct span text,
                uint64_t line, const struct refusal *r, size_t at, struct arena *a);
/* Appends the line above, without a line feed; `h` NULL for NDJSON. */
void reject_print(struct buf *out, const char *file, const struct place *p,
                  const struct refusal *r, size_t at, bool is_csv);

struct rejects {
    const char *name;       // of the file read, for messages
    const struct header *h; // NULL: NDJSON
    FILE *file;             // NULL: none is kept
    const char *path;
    size_t shown, most_shown;
};

/* Opens `path` and writes the header, unless it is there already: `append` goes on
 * behind what an interrupted run left. */
enum err_kind rejects_open(struct rejects *r, const char *path, bool append,
                           const struct rows *not_this, struct err *e) MUST_USE;
/* ERR_UNAVAILABLE when not all of it could be written. */
enum err_kind rejects_close(struct rejects *r, struct err *e) MUST_USE;

/* A row of `n` refusals (n > 0), all of them about it; `at`: where in the body it
 * stands. */
void rejects_take(struct rejects *r, struct span text, uint64_t line, size_t at,
                  const struct refusal *refusals, size_t n);
