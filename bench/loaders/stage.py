#!/usr/bin/env python3
"""Rows per second, CPU and memory of staging a topic in files.

usage: bench/loaders/stage.py [ROWS [FORMAT ...]]      2,000,000 rows; parquet ocf json csv
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests;
     STAGE_PLACE as for tests/integration/stage_test.py; STAGE_ENVELOPE=key,offset,... as sink.files.envelope

Kafka is filled before the clock starts: records of eight columns in one partition, the topic of bench/loaders/load.py. CPU is all of
the loader's process, with librdkafka's and Arrow's threads in it.
"""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
rows, formats = int(sys.argv[1]) if len(sys.argv) > 1 else 2000000, sys.argv[2:] or ["parquet", "ocf", "json", "csv"]
sys.argv[1:] = []
from stage_world import *

SCHEMA = {"type": "record", "name": "Sample", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "temperature", "type": "double"}, {"name": "pressure", "type": "float"},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "ok", "type": "boolean"}, {"name": "note", "type": ["null", "string"]}]}
ENVELOPE = {"envelope": os.environ["STAGE_ENVELOPE"].split(",")} if os.environ.get("STAGE_ENVELOPE") else {}
w = Stage(parts=1, schema=SCHEMA, **ENVELOPE)


def record(i):
    return w.encode({"id": i, "station": "station-%03d" % (i % 500), "at": 1700000000000 + i * 1000, "temperature": i % 400 / 10,
                     "pressure": 1013.25, "price": (i % 100000).to_bytes(3, "big"), "ok": i % 3 == 0, "note": None if i % 4 else "note %d" % i})


cycle = [record(i) for i in range(100000)]  # Python makes 100,000 a second of them
began = time.time()
w.produce(0, rows, lambda i: cycle[i % 100000])
print("# %d records of about %d bytes on the topic after %.0f s; %s" % (rows, len(cycle[-1]), time.time() - began, w.place.url), flush=True)
print("| format | rows/s | CPU us a row | memory MB | files MB |\n| --- | --- | --- | --- | --- |")
for format in formats:
    w.format = format
    p = w.start("--until-end", job=w.name + format, log_level="info")
    _, status, use = os.wait4(p.pid, 0)
    p.returncode = status
    same(status, 0, "exit")
    claims = [c for c in w.claims()[0]]
    same(sum(c["loaded"] for c in claims), rows, "rows staged")
    # from the first batch to the last claim: joining a consumer group is not staging
    seconds = (claims[-1]["started_ms"] - claims[0]["started_ms"]) / 1000 + claims[-1]["us"] / 1e6
    print("| %s | %d | %.2f | %d | %.1f |" % (format, rows / seconds, (use.ru_utime + use.ru_stime) * 1e6 / rows, use.ru_maxrss / 1024,
                                           sum(f["bytes"] for c in claims for f in c["files"]) / 1e6), flush=True)
    w.place.remove()
w.close()
w.remove()
