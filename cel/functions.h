/*
 * functions.h - what functions.c's table calls: one function a name, for all the types
 * it takes.
 *
 * Arguments are values, never errors; their number is one the signatures have, their
 * kinds need not be: what does not fit is "no such overload".  A result is borrowed
 * from the arguments, or in the run's arena.
 */
#pragma once

#include "cel/cel_inside.h"

#define CEL_FN(name) \
    struct cel_value name(struct cel_run *run, const struct cel_value *args, size_t n)

/* arith.c */
CEL_FN(cel_add);
CEL_FN(cel_subtract);
CEL_FN(cel_multiply);
CEL_FN(cel_divide);
CEL_FN(cel_modulo);
CEL_FN(cel_negate);

/* convert.c */
CEL_FN(cel_type_fn);
CEL_FN(cel_dyn);
CEL_FN(cel_to_bool);
CEL_FN(cel_to_bytes);
CEL_FN(cel_to_double);
CEL_FN(cel_to_int);
CEL_FN(cel_to_uint);
CEL_FN(cel_to_string);
CEL_FN(cel_to_timestamp);
CEL_FN(cel_to_duration);

/* strings.c */
CEL_FN(cel_size);
CEL_FN(cel_contains);
CEL_FN(cel_starts_with);
CEL_FN(cel_ends_with);
CEL_FN(cel_matches);
CEL_FN(cel_char_at);
CEL_FN(cel_index_of);
CEL_FN(cel_last_index_of);
CEL_FN(cel_join);
CEL_FN(cel_lower_ascii);
CEL_FN(cel_upper_ascii);
CEL_FN(cel_replace);
CEL_FN(cel_split);
CEL_FN(cel_substring);
CEL_FN(cel_trim);
CEL_FN(cel_reverse);
CEL_FN(cel_quote);

/* format.c */
CEL_FN(cel_format);

/* time.c */
CEL_FN(cel_get_full_year);
CEL_FN(cel_get_month);
CEL_FN(cel_get_date);
CEL_FN(cel_get_day_of_month);
CEL_FN(cel_get_day_of_week);
CEL_FN(cel_get_day_of_year);
CEL_FN(cel_get_hours);
CEL_FN(cel_get_minutes);
CEL_FN(cel_get_seconds);
CEL_FN(cel_get_milliseconds);
