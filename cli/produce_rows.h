/*
 * produce_rows.h - the rows of a file, one after the other, each with its line.
 *
 *      1  name,note\n           a header is a row like the others: whoever reads knows
 *      2  a,"two                line 2, next_line 4
 *      3  lines"\n
 *      4  b,\n
 *
 * CSV by wire/csv.h, NDJSON by line feeds (blank lines are no rows).  Memory: the
 * longest row and a block, whatever the file's size.  Of what is no regular file
 * (a pipe) a row is given as soon as it is whole.  One thread.
 */
#pragma once

#include "wire/csv.h"

enum rows_kind { ROWS_CSV, ROWS_NDJSON };

enum rows_got {
    ROWS_ROW,
    ROWS_BROKEN, // a row that is none; `why` says what is wrong, the next one follows
    ROWS_IDLE,   // nothing came for a moment, or a signal did: ask again
    ROWS_END,
};

#define ROW_MOST ((size_t)16 << 20) // bytes of a row
#define ROWS_IDLE_MS 200

struct row {
    struct span text;            // without its line's end; of a broken one, a beginning
    const struct av_cell *cells; // CSV; their offsets count in the file
    size_t n_cells;
    uint64_t offset;          // of its first byte in the file
    uint64_t line, next_line; // its first line, from 1; that of what follows it
    char why[200];
};

struct rows_mark { // a place to go back to: the beginning of a row
    uint64_t offset, line;
};

struct rows;

/* `path` "-" is standard input.  ERR_NOT_FOUND when it cannot be opened. */
enum err_kind rows_open(struct rows **out, const char *path, enum rows_kind kind,
                        char delimiter, struct err *e) MUST_USE;
void rows_close(struct rows *r); // NULL is fine

/*
 * The next row; its spans live until the next call.  ERR_LIMIT: a CSV row beyond
 * ROW_MOST, nobody knows where the next one begins.  ERR_UNAVAILABLE: reading failed.
 */
enum err_kind rows_next(struct rows *r, enum rows_got *got, struct row *row,
                        struct err *e) MUST_USE;
/* Only a regular file can: ERR_INVALID otherwise. */
enum err_kind rows_go(struct rows *r, struct rows_mark to, struct err *e) MUST_USE;

bool rows_is_file(
    const struct rows *r); // a regular one: it has a size, one can go back
uint64_t rows_size(const struct rows *r); // in bytes; 0 when that is not known
bool rows_same_file(const struct rows *r, int fd);
