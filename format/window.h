/*
 * window.h - a file read from its front, a piece at a time.
 *
 *      ... used | a line, a block ... | not read yet ...
 *               ^ w.text + at
 *
 * Memory: the longest thing asked for and a piece.  One thread.
 */
#pragma once

#include "format/format.h"

struct window {
    struct format_source from;
    struct buf text; // read and not dropped yet
    size_t at;       // in text: what is used lies before it
    uint64_t next;   // of the file, behind text
};

void window_init(struct window *w, const struct format_source *from, size_t most);
void window_free(struct window *w);

/* The bytes that stand ready, borrowed until the next call. */
struct span window_ready(const struct window *w);
uint64_t window_offset(const struct window *w); // of the first of them, in the file
bool window_end(const struct window *w);        // the file has no more than is ready

/* Reads until `n` bytes stand ready, or the file ends.  ERR_LIMIT past `most`. */
enum err_kind window_want(struct window *w, size_t n, struct err *e) MUST_USE;
/* One piece more. */
enum err_kind window_more(struct window *w, struct err *e) MUST_USE;
void window_use(struct window *w, size_t n); // these were read
