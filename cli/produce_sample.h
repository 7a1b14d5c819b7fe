/*
 * produce_sample.h - any row of a file, each as likely as the next: for a live feed.
 *
 * The file is read through once, and every so manieth row's place is kept: at most
 * SAMPLE_MARKS of them (16 MiB), whatever the file's size.  A row is found by going to
 * the mark before it and reading on.
 */
#pragma once

#include "cli/produce_rows.h"

#define SAMPLE_MARKS ((size_t)1 << 20)

struct sample {
    struct rows_mark *marks; // of rows 0, stride, 2 * stride, ...
    size_t n_marks, most;
    uint64_t stride, rows;
    uint64_t random; // the generator's state
};

/* `most` 0 = SAMPLE_MARKS. */
void sample_begin(struct sample *s, size_t most, uint64_t seed);
void sample_add(struct sample *s, const struct row *row); // each row, in order
void sample_free(struct sample *s);
/* The next random row's number, below s->rows (which is not 0). */
uint64_t sample_draw(struct sample *s);
/* Reads row `i`.  ERR_CONFLICT when the file is not what it was. */
enum err_kind sample_read(const struct sample *s, struct rows *r, uint64_t i,
                          struct row *row, struct err *e) MUST_USE;
