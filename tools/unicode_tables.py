#!/usr/bin/env python3
"""Writes cel/unicode_tables.c: what regular expressions know of Unicode.

From the Unicode Character Database as Debian's package unicode-data has it (15.0.0):
general categories, scripts, and the simple case foldings (status C and S of
CaseFolding.txt).  Code points in runs, from U+0000 on: a run is its length and what its
characters are.

    tools/unicode_tables.py [/usr/share/unicode] > cel/unicode_tables.c
"""
import itertools
import sys

ROOT = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"
ALL = 0x110000


def rows(name):
    for line in open(f"{ROOT}/{name}", encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line:
            yield [part.strip() for part in line.split(";")]


def span(text):
    first, _, last = text.partition("..")
    return range(int(first, 16), int(last or first, 16) + 1)


def categories():
    of, first = [None] * ALL, None
    for code, name, category, *_ in rows("UnicodeData.txt"):
        c = int(code, 16)
        if name.endswith(", First>"):
            first = c
            continue
        for i in range(first if name.endswith(", Last>") else c, c + 1):
            of[i] = category
    return of


def scripts():
    of = [None] * ALL
    for codes, script in rows("Scripts.txt"):
        for c in span(codes):
            of[c] = script
    return of


def foldings():
    pairs = sorted((int(code, 16), int(to, 16)) for code, status, to, *_ in rows("CaseFolding.txt") if status in "CS")
    out = []  # [first, last, stride, first's folding]
    for c, to in pairs:
        if out:
            first, last, stride, base = out[-1]
            if c - to == first - base and (c - last == stride or (first == last and c - last in (1, 2))):
                out[-1] = [first, c, c - last, base]
                continue
        out.append([c, c, 1, to])
    return out


def put_runs(name, of, names):
    number = {n: i + 1 for i, n in enumerate(names)}
    runs = [(number.get(k, 0), len(list(g))) for k, g in itertools.groupby(of)]
    put_array(f"const uint32_t {name}_runs[]", [n << 8 | k for k, n in runs])
    print(f"const size_t {name}_runs_n = {len(runs)};")
    print()
    put_array(f"const char *const {name}_names[]", [f'"{n}"' for n in names])
    print(f"const size_t {name}_names_n = {len(names)};")
    print()


def put_array(head, items):
    print(head + " = {")
    line = "   "
    for item in items:
        if len(line) + len(str(item)) + 2 > 112:
            print(line)
            line = "   "
        line += f" {item},"
    print(line)
    print("};")


print("/* Written by tools/unicode_tables.py: change that, not this. */")
print('#include "cel/regex_inside.h"')
print()
print("// clang-format off")
CATEGORY, SCRIPT = categories(), scripts()
put_runs("category", CATEGORY, sorted({c for c in CATEGORY if c}))
put_runs("script", SCRIPT, sorted({s for s in SCRIPT if s}))
FOLDINGS = foldings()
print("const struct folding foldings[] = {")
for i in range(0, len(FOLDINGS), 5):
    print("    " + " ".join("{%d, %d, %d, %d}," % tuple(f) for f in FOLDINGS[i : i + 5]))
print("};")
print(f"const size_t foldings_n = {len(FOLDINGS)};")
print("// clang-format on")
