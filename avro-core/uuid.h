/*
 * uuid.h - RFC 9562 text form: 8-4-4-4-12 hexadecimal digits, either case, any version.
 * Pure; safe from any thread.
 */
#pragma once

#include "base/attr.h"
#include "base/span.h"

/* The 16 bytes in the order written; `out` is left alone when it is none. */
bool uuid_read(uint8_t out[16], struct span text) MUST_USE;
