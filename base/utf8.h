/*
 * utf8.h - is this UTF-8?  RFC 3629: no overlong forms, no surrogates, nothing past
 * U+10FFFF.  Pure; safe from any thread.
 */
#pragma once

#include "base/span.h"

/* How many bytes at the start of `s` are whole, valid UTF-8; s.n when all of them are.
 */
size_t utf8_good(struct span s);

static inline bool utf8_ok(struct span s)
{
    return utf8_good(s) == s.n;
}
