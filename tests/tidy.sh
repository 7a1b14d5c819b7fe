#!/bin/sh
# clang-tidy over the code, by .clang-tidy.  Takes some minutes; not part of ./test.
# usage: tests/tidy.sh [FILE...]
cd "$(dirname "$0")/.." || exit 2
command -v clang-tidy-14 >/dev/null || { echo "tidy.sh: wanted clang-tidy-14 (Debian package of that name)" >&2; exit 2; }
[ -f build-dev/compile_commands.json ] || cmake --preset dev >/dev/null || exit 2
[ $# -gt 0 ] || set -- $(git ls-files '*.c' ':!:*_fuzz.c' ':!:*_test.c' ':!:bench/*' ':!:tests/*')
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 clang-tidy-14 -p build-dev --quiet 2>/dev/null
