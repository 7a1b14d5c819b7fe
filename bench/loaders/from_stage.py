#!/usr/bin/env python3
"""Rows per second, CPU and memory of loading staged files into Postgres, beside the direct way from Kafka in the same run.

usage: bench/loaders/from_stage.py [ROWS [ROUNDS [FORMAT ...]]]      1,000,000 rows, 3 rounds, parquet
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests;
     STAGE_PLACE as for tests/integration/stage_test.py; STAGE_ENVELOPE=key,offset,... as sink.files.envelope

Kafka and the stage are filled before the clock starts: records of eight columns in one partition, the topic of bench/loaders/load.py.
CPU is all of the loader's process. Rounds alternate, because machines drift.
"""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
rows, rounds = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((1, 1000000), (2, 3)))
formats = sys.argv[3:] or ["parquet"]
sys.argv[1:] = []
from stage_world import *

SCHEMA = {"type": "record", "name": "Sample", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "temperature", "type": "double"}, {"name": "pressure", "type": "float"},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "ok", "type": "boolean"}, {"name": "note", "type": ["null", "string"]}]}
url = make_database(SERVER, "bench")
ENVELOPE = {"envelope": os.environ["STAGE_ENVELOPE"].split(",")} if os.environ.get("STAGE_ENVELOPE") else {}
w = Onward(url, parts=1, schema=SCHEMA, **ENVELOPE)


def record(i):
    return w.encode({"id": i, "station": "station-%03d" % (i % 500), "at": 1700000000000 + i * 1000, "temperature": i % 400 / 10,
                     "pressure": 1013.25, "price": (i % 100000).to_bytes(3, "big"), "ok": i % 3 == 0, "note": None if i % 4 else "note %d" % i})


def load(**more):
    w.ask("DROP TABLE IF EXISTS %s" % w.name)
    if w.one("SELECT to_regclass('etl_log') IS NOT NULL"):
        w.ask("TRUNCATE etl_log, etl_batch, etl_offsets")
    began = time.time()
    p = w.go_on("--until-end", **more)
    _, status, use = os.wait4(p.pid, 0)
    p.returncode = status
    same(status, 0, "exit")
    same(w.rows(), rows, "rows")
    # from the first record: joining a consumer group is not loading
    seconds = w.one("SELECT extract(epoch FROM max(finished) - min(started)) FROM etl_batch")
    return time.time() - began, float(seconds), use.ru_utime + use.ru_stime, use.ru_maxrss / 1024


cycle = [record(i) for i in range(100000)]  # Python makes 100,000 a second of them
w.produce(0, rows, lambda i: cycle[i % 100000])
ways = {"Kafka": {"registry": w.registry.url, "source": {"kafka": {"bootstrap": w.kafka, "topic": w.name}}}}
places = []
for format in formats:
    w.format, w.place = format, make_place(w.name + format)
    places.append(w.place)
    same(w.finish(job=w.name + format), 0, "exit")
    ways["stage, " + format] = {"source__stage__place": w.place.url}
print("# %d records of about %d bytes; %s" % (rows, len(cycle[-1]), w.place.url), flush=True)
print("| from | rows/s | CPU us a row | memory MB | seconds, with the start |\n| --- | --- | --- | --- | --- |")
for _ in range(rounds):
    for way, source in ways.items():
        whole, seconds, cpu, memory = load(**source)
        print("| %s | %d | %.2f | %d | %.1f |" % (way, rows / seconds, cpu * 1e6 / rows, memory, whole), flush=True)
for place in places:
    place.remove()
w.close()
w.remove()
