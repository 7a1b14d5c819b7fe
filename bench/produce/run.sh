#!/bin/sh
# Rows per second of `avrogate produce` with a generated CSV: to a real Kafka through a
# gateway, straight to it, and checked only.  Starts a registry and a gateway of its own.
#   usage: bench/produce/run.sh BUILD-DIR BOOTSTRAP [ROWS [ROUNDS]]
set -eu
avrogate=$1/avrogate kafka=$2 rows=${3:-1000000} rounds=${4:-3}
registry=127.0.0.1:18981 gateway=127.0.0.1:18982 topic=bench-produce-$$
dir=$(mktemp -d)
trap 'kill $pids 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
pids=

awk -v n="$rows" 'BEGIN {
    srand(1)
    print "id,sensor,taken,temperature,price,note"
    for (i = 0; i < n; i++)
        printf "%d,s%03d,2026-11-%02dT%02d:%02d:00Z,%.2f,%d.%02d,%s\n", i, i % 500, 1 + i % 28,
            i % 24, i % 60, rand() * 75 - 30, rand() * 1000, rand() * 100, i % 3 ? "" : "note " i
}' > "$dir/rows.csv"

"$avrogate" registry --listen $registry --bootstrap "$kafka" --allow-unsafe 2> "$dir/registry.log" & pids=$!
"$avrogate" gateway --listen $gateway --bootstrap "$kafka" --registry http://$registry 2> "$dir/gateway.log" & pids="$pids $!"
tries=0
until curl -sf -o "$dir/ready" http://$gateway/readyz; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || { cat "$dir"/*.log; exit 1; }
    sleep 0.2
done
# curl drops the line feeds of what it reads with @
curl -sfS -o "$dir/id" -H 'Content-Type: application/json' -d @- http://$registry/subjects/$topic-value/versions <<'SCHEMA'
{"schema":"{\"type\":\"record\",\"name\":\"Row\",\"fields\":[
{\"name\":\"id\",\"type\":\"long\"},
{\"name\":\"sensor\",\"type\":\"string\"},
{\"name\":\"taken\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},
{\"name\":\"temperature\",\"type\":\"double\"},
{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}},
{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null}]}"}
SCHEMA

# $1 what it is called, the rest how it goes
round() {
    name=$1; shift
    "$avrogate" produce --quiet --topic $topic "$@" "$dir/rows.csv" | sed "s/^/$name: /"
}

i=0
while [ $i -lt "$rounds" ]; do
    round "through the gateway" --gateway http://$gateway
    round "straight to Kafka" --bootstrap "$kafka" --registry http://$registry
    round "checked only" --bootstrap "$kafka" --registry http://$registry --dry-run
    i=$((i + 1))
done
