#!/usr/bin/env python3
"""Rows per second of `avrogate load` through ODBC, beside the native Postgres sink on the same topic in the same run.

usage: bench/loaders/odbc.py [ROWS [ROUNDS]]
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests; Python packages of tests/requirements.txt;
unixODBC with the drivers of PostgreSQL and SQLite

Five columns of five types; Kafka is filled before the clock starts; from the first record to the last commit, by etl_batch.
"""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
rows, rounds = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((1, 300000), (2, 3)))
sys.argv[1:] = []
from odbc_test import *

SCHEMA = {"type": "record", "name": "Sample", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "temperature", "type": "double"}, {"name": "note", "type": ["null", "string"]}]}
w = Table("postgres", parts=1, schema=SCHEMA)


def record(i):
    return w.encode({"id": i, "station": "station-%03d" % (i % 500), "at": 1700000000000 + i * 1000, "temperature": i % 400 / 10,
                     "note": None if i % 4 else "note %d" % i})


w.produce(0, rows, record)
native, odbc = {"postgres": {"url": URL, "table": w.name}}, w.settings["sink__odbc__connection"]
WAYS = [("postgres", native, {}), ("psqlodbc", {}, {}), ("psqlodbc upsert", {}, {"mode": "upsert", "key": ["id"]}),
        ("psqlodbc array 1", {}, {"array": 1}), ("sqlite", {}, {}), ("sqlite upsert", {}, {"mode": "upsert", "key": ["id"]})]


def load(name, sink, more):
    w.to = "sqlite" if name.startswith("sqlite") else "postgres"
    if os.path.exists(w.file):
        os.unlink(w.file)
    ask_at(URL, "DROP TABLE IF EXISTS %s" % w.name)
    if ask_at(URL, "SELECT to_regclass('etl_log') IS NOT NULL")[0][0]:
        ask_at(URL, "TRUNCATE etl_log, etl_batch, etl_offsets")
    conf = json.load(open(w.pipeline()))
    conf["sink"]["odbc"].update(more, connection="Driver=SQLite3;Database=" + w.file if w.to == "sqlite" else odbc)
    conf["sink"] = sink or {"odbc": conf["sink"]["odbc"]}
    path = w.file + ".yaml"
    json.dump(conf, open(path, "w"))
    p = subprocess.Popen([AVROGATE, "load", "-c", path, "--until-end"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, use = os.wait4(p.pid, 0)
    p.returncode = status
    same((status, w.rows()), (0, rows), "exit and rows of " + name)
    us = w.one("SELECT sum(duration_us) FROM etl_batch")
    return rows / (float(us) / 1e6), use.ru_utime + use.ru_stime, use.ru_maxrss / 1024


print("# %d rows of five columns; rows/s while writing, loader's CPU us a row, MB" % rows)
best = {}
for i in range(rounds):
    for way in WAYS:
        if way[0].endswith("array 1") and i:
            continue
        rate, cpu, mb = load(*way)
        best[way[0]] = max(best.get(way[0], 0), rate)
        print("%d  %-18s %10.0f rows/s  %5.2f us  %4.0f MB" % (i + 1, way[0], rate, cpu * 1e6 / rows, mb), flush=True)
for name, rate in best.items():
    print("# best  %-18s %10.0f  %.2f of the native sink" % (name, rate, rate / best["postgres"]))
w.close()
w.remove()
