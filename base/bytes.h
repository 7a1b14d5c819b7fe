/*
 * bytes.h - what single bytes are written and read as, where every room would have its
 * own: numbers, hexadecimal digits.  Pure.
 */
#pragma once

#include "base/span.h"

static inline uint32_t bytes_le32(const uint8_t p[4])
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static inline uint32_t bytes_be32(const uint8_t p[4])
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* 2 * bytes.n digits in small letters, and NUL. */
void bytes_hex(char *to, struct span bytes);
