#!/bin/sh
# 130,000 random data of 1,300 random schemas: what fastavro reads, we read; what we write as JSON encodes to the
# same; what fastavro resolves to another schema, we resolve alike.  Fewer than 100,000 of each compared is a failure.
exec python3 "$(dirname "$0")/../differential/decode.py" --avrogate "${AVROGATE:-build-dev/avrogate}" --data 130000 --at-least 100000
