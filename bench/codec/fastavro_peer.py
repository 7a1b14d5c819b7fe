#!/usr/bin/env python3
"""json + fastavro on the records of a file, one a line: prints nanoseconds a record to encode and to decode."""
import io
import json
import sys
import time

import fastavro

path, schema = sys.argv[1], fastavro.parse_schema(json.loads(sys.argv[2]))
with open(path, "rb") as f:
    lines = f.read().splitlines()


def encode():
    out = io.BytesIO()
    for line in lines:
        fastavro.schemaless_writer(out, schema, json.loads(line))
    return out.getvalue()


def decode(data):
    source, total = io.BytesIO(data), 0
    for _ in lines:
        total += fastavro.schemaless_reader(source, schema, None)["seq"]
    return total


def best(call, *args):
    times = []
    for _ in range(15):
        t = time.perf_counter()
        out = call(*args)
        times.append(time.perf_counter() - t)
    return min(times) * 1e9 / len(lines), out


written, data = best(encode)
read, _ = best(decode, data)
with open(sys.argv[3], "rb") as f:
    if f.read() != data:
        sys.exit("fastavro wrote other bytes")
print("%.1f %.1f" % (written, read))
