/*
 * dlq_edit.h - what a person changes in a dead letter's record before it is sent again.
 *
 *      text ── --repair ──> JSON ── --transform ── --set ... ── --drop ... ──> JSON
 *
 * All are CEL over dynamic values (cel/edit.h): most records are dead letters because
 * they do not fit their schema.  They see `message` (the record as made so far), `text`
 * (as it lies in the letter), `key`, `errors` and `headers` of the letter, `now`;
 * --set sees `value` too, what stands at its place (null where nothing does).
 *
 * A place is a field's name, or a JSON pointer with * for every child: price, /a/b,
 * /items/ * /price.  Pure; one thread.
 */
#pragma once

#include "cli/dlq_read.h"

struct dlq_edit_settings {
    const char *repair, *transform; // NULL = none
    struct conf_list set;           // "PLACE=EXPRESSION"
    struct conf_list drop;          // "PLACE"
};

struct dlq_edit;

/* *out is NULL where nothing is to be changed.  ERR_INVALID: "--set price: 1:7: why".
 */
enum err_kind dlq_edit_new(struct dlq_edit **out, const struct dlq_edit_settings *s,
                           struct err *e) MUST_USE;
void dlq_edit_free(struct dlq_edit *d); // NULL is nothing

/*
 * The text that --repair makes of the letter's, in the arena; without it the letter's
 * own.  Bytes that are no UTF-8 are taken for Latin-1 (it sees a text), and so they are
 * written, when there is any change to make.
 */
enum err_kind dlq_edit_repair(struct dlq_edit *d, const struct letter *l,
                              struct arena *a, struct span *out,
                              struct err *e) MUST_USE;

/* The record that the others make of `json`, without white space, in the arena. */
enum err_kind dlq_edit_record(struct dlq_edit *d, const struct letter *l,
                              struct span json, struct arena *a, struct span *out,
                              struct err *e) MUST_USE;
