#!/bin/sh
# 3,000 random patterns, ten texts each: what RE2 refuses is refused, what it finds is found.
exec python3 "$(dirname "$0")/../differential/regex_against_re2.py" --ask "${REGEX_ASK:-build-dev/regex-ask}" --patterns 3000
