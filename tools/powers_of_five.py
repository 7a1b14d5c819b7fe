#!/usr/bin/env python3
"""Writes avro-core/powers_of_five.c: the 128-bit powers of five that number.c multiplies by.

For q in [-342, 308], 5^q = c * 2^b with c in [2^127, 2^128).  c is cut for q >= 0 and for
q < -27, and rounded up for -27 <= q < 0, where the exact reciprocal is wanted from above
(Daniel Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and
Experience 51 (8), 2021, section 5).  Python's integers are exact, so the table is.

    tools/powers_of_five.py > avro-core/powers_of_five.c
"""

FIRST, LAST = -342, 308


def significand(q):
    if q >= 0:
        p = 5**q
        shift = p.bit_length() - 128
        return p >> shift if shift > 0 else p << -shift
    p = 5**-q
    c = (1 << (127 + p.bit_length())) // p  # p is no power of two: 2^127 <= c < 2^128
    return c + (1 if q >= -27 else 0)


print("/* Written by tools/powers_of_five.py: change that, not this. */")
print('#include "avro-core/real_inside.h"')
print()
print("// clang-format off")
print("const uint64_t powers_of_five[][2] = {")
for q in range(FIRST, LAST + 1):
    c = significand(q)
    assert 1 << 127 <= c < 1 << 128
    print("    {0x%016x, 0x%016x}," % (c >> 64, c & (1 << 64) - 1))
print("};")
print("// clang-format on")
