#!/bin/sh
# 100,000 random data of 1,000 random schemas: what fastavro reads, we read; what we write as
# JSON encodes to the same; what fastavro resolves to another schema, we resolve alike.
exec python3 "$(dirname "$0")/../differential/decode.py" --avrogate "${AVROGATE:-build-dev/avrogate}"
