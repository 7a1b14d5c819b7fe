/*
 * near.h - which of the names that there are was meant?
 *
 * How far two names are apart is the number of letters to put in, leave out or change
 * (Levenshtein 1966), capitals or not.  Pure; safe from any thread.  Of names beyond
 * NEAR_MOST bytes only the beginnings are looked at.
 */
#pragma once

#include "base/span.h"

#define NEAR_MOST 255

size_t near_distance(struct span a, struct span b);

/* Sorts them, the nearest to `meant` first; those equally near by their letters. */
void near_sort(const char **names, size_t n, const char *meant);
