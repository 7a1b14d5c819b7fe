#!/usr/bin/env bash
# ./demo does what it says, and leaves nothing running.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=$(./demo 2>&1); rc=$?
failed=0
wants() { # wants WHAT REGEX
  if grep -Eq "$2" <<<"$out"; then echo "ok - $1"; else echo "not ok - $1"; failed=1; fi
}
[ $rc = 0 ] && echo "ok - it ends well" || { echo "not ok - exit status $rc"; failed=1; }
wants "the embedded Kafka is said to be one" 'embedded Kafka .*\(in'
wants "the bad record is refused with its pointer" '"pointer":"/temperature"'
wants "the mended ones are accepted" '"accepted":3,"rejected":0'
wants "the CSV's wrong rows are told by line" 'day.csv:1235: column 3'
wants "Postgres has every good row" '^ 5001 \|'
wants "ETL_Log has the run" 'success +\| +5001'
wants "the audit proves it" 'rows of sensors = rows added to it'
if pgrep -f 'avrogate dev --topics sensors|avrogate-demo\.' >/dev/null; then echo "not ok - something still runs"; failed=1; else echo "ok - nothing still runs"; fi
[ $failed = 0 ] || printf '%s\n' "$out"
exit $failed
