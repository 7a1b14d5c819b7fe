/*
 * edit.h - an expression over JSON values: what it makes of them, as JSON again.
 *
 *      "value * 100.0", names ── cel_edit_new ──> cel_edit      once
 *      values ── cel_edit_ask ──> JSON                          for each
 *
 * For data that fit no schema (yet): of the variables nothing is known before they
 * come, they are dyn; only `now` is a timestamp.  An object is a map, an array a list;
 * a number written without fraction and exponent is an int where it fits one, else a
 * double, and one that is only passed on keeps its digits.  `guard ; expression` as in
 * cel.h, and its limits.
 *
 * One thread at a time.
 */
#pragma once

#include "base/json.h"
#include "cel/cel.h"

struct cel_edit;

#define CEL_EDIT_NAMES_MOST 12

/* ERR_INVALID, ERR_LIMIT: "line:column: why".  The names must live as long. */
enum err_kind cel_edit_new(struct cel_edit **out, struct span text,
                           const char *const *names, size_t n, struct err *e) MUST_USE;
void cel_edit_free(struct cel_edit *edit); // NULL is nothing

/*
 * Appends what the expression makes; `values` in the order of the names, NULL is null;
 * `now` nanoseconds since 1970.  *applies false: the guard said no, nothing was
 * appended.  ERR_INVALID: it has no value, or one that is not JSON.
 */
enum err_kind cel_edit_ask(struct cel_edit *edit, const struct json *const *values,
                           int64_t now, struct buf *out, bool *applies,
                           struct err *e) MUST_USE;
