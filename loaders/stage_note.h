/*
 * stage_note.h - which claims' files a warehouse's table was told to copy, noted in the
 * place, so that nobody tells it the same rows again under another name.
 *
 *      _copies/weather/<target>/00000000000000000007    the newest is all of them
 *
 * A note is there before the first statement that it is about; it is never less than
 * what was named.  Each has what those before it had; they are taken away behind it.
 * Whoever writes one has read all before it: two at once get two numbers.
 *
 * One thread.
 */
#pragma once

#include "loaders/stage_swap.h"
#include "place/place.h"

struct stage_note { // the caller's, but for `place`
    struct place *place;
    const char *topic;
    const char *target; // the table, in the words of its dialect
    struct arena a;
    struct swap_range *ranges; // of claims, by the first offset; widened
    size_t n, cap;
};

/* What there is, into `ranges`.  ERR_INTERNAL: no note of ours. */
enum err_kind stage_note_read(struct stage_note *n, struct err *e) MUST_USE;
/* These too: on ERR_OK they are in the place, whatever else happens. */
enum err_kind stage_note_add(struct stage_note *n, const struct swap_range *more,
                             size_t n_more, struct err *e) MUST_USE;
/* The table is another by now. */
enum err_kind stage_note_forget(struct stage_note *n, struct err *e) MUST_USE;
/* The range of ours that `r` has something in common with; NULL: none. */
const struct swap_range *stage_note_meets(const struct stage_note *n,
                                          const struct swap_range *r);
/* A note's text, into `ranges`.  ERR_INVALID, ERR_LIMIT: it is none. */
enum err_kind stage_note_take(struct stage_note *n, struct span text,
                              struct err *e) MUST_USE;
void stage_note_free(struct stage_note *n);
