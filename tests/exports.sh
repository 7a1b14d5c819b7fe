#!/usr/bin/env bash
# What the public libraries export is what their headers declare: no more, so that nobody's own json_read() meets ours, and no
# less; each name has its place in a man page; and each library has its SONAME.
# usage: tests/exports.sh BUILD-DIR
set -euo pipefail
build=$(realpath "${1:?a build directory}")
cd "$(dirname "$0")/.."
failed=0

fail() { echo "$*"; failed=1; }
declared() { # functions of a header: what stands before "(" in a statement that says ..._API
  cpp -fpreprocessed -P "$1" 2>/dev/null | tr '\n' ' ' | sed 's/;/;\n/g' |
    sed -nE 's/.*\b(AVROGATE|REGISTRY_FAKE)_API[^(]*\b(avrogate_[a-z0-9_]+|registry_fake_[a-z0-9_]+)\(.*/\2/p' | sort
}

check() { # check LIBRARY HEADER...
  local library=$1 wanted; shift
  wanted=$(for h in "$@"; do declared "$h"; done | sort)
  [ -n "$wanted" ] || fail "$library: no function found in $*"
  for form in so a; do
    local file=$build/lib$library.$form flags=-g
    [ $form = so ] && flags=-D
    diff <(nm $flags --defined-only "$file" | awk 'NF == 3 {print $3}' | sed 's/@.*//' | sort) <(echo "$wanted") >"$build/exports.diff" ||
      fail "$file (<) exports other functions than $* (>) declares:"$'\n'"$(cat "$build/exports.diff")"
  done
  readelf -d "$build/lib$library.so" | grep -q "SONAME.*\[lib$library\.so\.[0-9]*\]" || fail "$library has no SONAME"
  for f in $wanted; do
    grep -q "^\.Fn $f\|^\.Fo $f" docs/man/*.3 || fail "$f stands in no man page"
  done
}

check avrogate-registry avrogate/registry.h avrogate/serde.h
check avrogate-registry-fake registry-fake/registry_fake.h
[ -e "$build/libavrogate-registry-avro.so" ] && check avrogate-registry-avro avrogate/avro_value.h
# who does not ask for avro_value_t needs no libavro
readelf -d "$build/libavrogate-registry.so" | grep -q 'libavro\.so' && fail "libavrogate-registry needs libavro"
exit $failed
