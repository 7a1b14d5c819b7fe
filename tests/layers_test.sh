#!/bin/sh
# The inspector of layers, inspected: a planted violation of each kind is found, a clean tree passes.
set -e
root=$PWD
plant=$(mktemp -d)
trap 'rm -rf "$plant"' EXIT
fails=0

# expects NAME LINE...: a tree with wire/planted.c of those lines is refused, and the line is named
expects() {
    want=$1
    shift
    rm -rf "$plant"/*
    mkdir -p "$plant/docs" "$plant/wire"
    cp "$root/docs/layers.txt" "$plant/docs/"
    printf '%s\n' "$@" >"$plant/wire/planted.c"
    if out=$("$root/tests/layers.sh" "$plant"); then got=clean; else got=$out; fi
    if [ "$got" = "$want" ]; then echo "ok - $want"; else echo "not ok - wanted '$want', got '$got'"; fails=1; fi
}

expects clean '#include "avro-core/schema.h"' '#include <stdio.h>' '#include "wire/frame.h"'
expects 'wire/planted.c:1: wire may not include "kafka/client.h"' '#include "kafka/client.h"'
expects 'wire/planted.c:2: wire may not include <librdkafka/rdkafka.h>' '#include <stdio.h>' '#include <librdkafka/rdkafka.h>'
expects 'wire/planted.c:1: wire may not include "http/server.h"' '#  include   "http/server.h"'
exit $fails
