#!/bin/sh
# The sample schemas: each is one, and each new version fits the ones before it, as schemas/compat.json asks.
# usage: tests/schemas.sh AVROGATE    SUBJECT.avsc is the newest version, SUBJECT.v1.avsc the first
avrogate=$1
fails=0
for file in schemas/*.avsc; do
    "$avrogate" schema check "$file" || fails=1
    subject=$(basename "$file" .avsc)
    case $subject in *.v[0-9]*) continue ;; esac
    level=$(sed -n "s/^ *\"$subject\": *\"\([A-Z_]*\)\",*\$/\1/p" schemas/compat.json)
    if [ -z "$level" ]; then
        echo "not ok - schemas/compat.json has no level for $subject"
        fails=1
        continue
    fi
    older=$(ls -v schemas/"$subject".v[0-9]*.avsc 2>/dev/null | tac)
    # shellcheck disable=SC2086 # names of our own, without spaces
    if [ -n "$older" ] && ! "$avrogate" schema compat --level "$level" "$file" $older; then fails=1; fi
done
exit $fails
