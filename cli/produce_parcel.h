/*
 * produce_parcel.h - rows gathered for one request, and where each came from.
 *
 *      body   date,price\n2012-01-01,7\n2012-01-02,8\n
 *             |-- head -||---- row 0 --||---- row 1 --|
 *
 * Any number of its first rows is a body by itself: what must be sent in smaller
 * pieces is sent and dropped from the front; what is left keeps its order.  Owner:
 * whoever declared it.  One thread.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"

struct parcel_row {
    size_t at, n;             // in body, without the line feed
    uint64_t line, next_line; // in the file
};

struct parcel {
    struct buf body;
    size_t head; // bytes of header line, with its feed; 0 when there is none
    struct parcel_row *rows;
    size_t n, cap;
};

void parcel_free(struct parcel *p); // usable again as from {0}
/* Empties it; `header` (may be empty) goes in front of every body. */
void parcel_begin(struct parcel *p, struct span header);
void parcel_add(struct parcel *p, struct span text, uint64_t line, uint64_t next_line);
/* The body of the first `n` rows: valid until the next change. */
struct span parcel_body(const struct parcel *p, size_t n);
struct span parcel_row_text(const struct parcel *p, size_t i);
/* How many of the first rows make a body of at most `bytes`; at least one. */
size_t parcel_fits(const struct parcel *p, size_t rows, size_t bytes);
/* Of the first n rows only those of keep[]; returns how many bytes went. */
size_t parcel_keep(struct parcel *p, size_t n, const bool *keep);

/* Appends `cell` as CSV: quoted where it must be. */
void csv_put_cell(struct buf *out, struct span cell, char delimiter);
