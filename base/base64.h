/*
 * base64.h - RFC 4648: text in, bytes out.
 *
 * Both alphabets are read (section 4's + and /, section 5's - and _), not mixed.
 * Padding is wanted, line breaks are not, and the bits that padding leaves over must be
 * zero: each byte string has one text an alphabet.  Pure; safe from any thread.
 */
#pragma once

#include "base/attr.h"
#include "base/span.h"

#define BASE64_ROOM(text_n) ((text_n) / 4 * 3)

/* `out` has BASE64_ROOM(text.n) bytes; it may be where `text` stands.  False: not
 * base64. */
bool base64_read(uint8_t *out, size_t *n, struct span text) MUST_USE;
