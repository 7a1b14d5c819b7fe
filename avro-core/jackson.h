/*
 * jackson.h - JSON as Jackson writes it, byte for byte.
 *
 * Confluent's registry finds ids by the text that Avro Java prints, and Avro Java
 * prints with Jackson: integers as digits, everything with a point or an exponent as
 * Double.toString() says (1e3 is 1000.0, 1e10 is 1.0E10), control characters as \u001F
 * or their short forms, nothing else escaped.  base/json.h writes JSON our own way;
 * this is for the places where somebody else's bytes are the contract.
 *
 * Pure; safe from any thread.
 */
#pragma once

#include "base/json.h"

/* Orders as Java's String.compareTo() does, by UTF-16 unit: <0, 0, >0. */
int jackson_order(struct span a, struct span b);

void jackson_put_string(struct buf *out, struct span s);
/* Double.toString() of JDK 19 and later: the shortest digits, two at least.  What is
 * not finite comes in quotes, as Jackson has it. */
void jackson_put_double(struct buf *out, double v);
void jackson_put_float(struct buf *out, float v);
/* A number as written: "1e3" is put as a double, "-0" as 0, digits as they are. */
void jackson_put_number(struct buf *out, struct span text);
/* The value, members in their order or sorted by name at every level. */
void jackson_put(struct buf *out, const struct json *j, bool sorted);

/* Whether Jackson takes a number of that text for an integer. */
bool jackson_is_integer(struct span text);
/* The text of a number (or of a string that Double.parseDouble would take) as double.
 */
double jackson_double(struct span text);
