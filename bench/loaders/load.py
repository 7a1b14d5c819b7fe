#!/usr/bin/env python3
"""Rows per second and memory of `avrogate load`, beside psql's \\copy of the same rows in the same run.

usage: bench/loaders/load.py [ROWS [ROUNDS]]
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests; Python packages of tests/requirements.txt

The table has eight columns of eight types. Kafka is filled before the clock starts. Rounds alternate, because machines
drift; psql's \\copy, which only reads a file, is what this server can take on one connection.
"""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
rows, rounds = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((1, 1000000), (2, 3)))
sys.argv[1:] = []
from loader_world import *

SCHEMA = {"type": "record", "name": "Sample", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "temperature", "type": "double"}, {"name": "pressure", "type": "float"},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "ok", "type": "boolean"}, {"name": "note", "type": ["null", "string"]}]}
url = make_database(SERVER, "bench")
w = World(url, parts=1, schema=SCHEMA)


def record(i):
    return w.encode({"id": i, "station": "station-%03d" % (i % 500), "at": 1700000000000 + i * 1000, "temperature": i % 400 / 10,
                     "pressure": 1013.25, "price": (i % 100000).to_bytes(3, "big"), "ok": i % 3 == 0, "note": None if i % 4 else "note %d" % i})


began = time.time()
w.produce(0, rows, record)
print("# %d records of about %d bytes on the topic after %.0f s" % (rows, len(record(rows)), time.time() - began), flush=True)


def load():
    w.ask("DROP TABLE IF EXISTS %s" % w.name)
    if w.one("SELECT to_regclass('etl_log') IS NOT NULL"):
        w.ask("TRUNCATE etl_log, etl_batch, etl_offsets")
    began = time.time()
    p = w.start("--until-end")
    _, status, use = os.wait4(p.pid, 0)
    p.returncode = status
    same(status, 0, "exit")
    same(w.rows(), rows, "rows")
    # from the first record: joining a consumer group is not loading
    seconds = w.one("SELECT extract(epoch FROM max(finished) - min(started)) FROM etl_batch")
    return time.time() - began, float(seconds), use.ru_utime + use.ru_stime, use.ru_maxrss / 1024


def copy():
    w.ask("CREATE TABLE plain (LIKE %s INCLUDING ALL)" % w.name)
    path = os.path.join(tempfile.gettempdir(), w.name + ".csv")
    subprocess.run(["psql", url, "-qc", "\\copy %s TO '%s' CSV" % (w.name, path)], check=True)
    began = time.time()
    subprocess.run(["psql", url, "-qc", "\\copy plain FROM '%s' CSV" % path], check=True)
    seconds = time.time() - began
    os.unlink(path)
    w.ask("DROP TABLE plain")
    return seconds


print("%5s  %12s %12s %10s %8s   %12s %6s" % ("round", "load rows/s", "wall s", "cpu s", "MB", "\\copy rows/s", "ratio"))
for i in range(rounds):
    wall, seconds, cpu, mb = load()
    plain = copy()
    print("%5d  %12.0f %12.1f %10.1f %8.0f   %12.0f %6.2f" % (i + 1, rows / seconds, wall, cpu, mb, rows / plain, plain / seconds), flush=True)
w.close()
w.remove()
