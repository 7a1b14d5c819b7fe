#!/usr/bin/env python3
"""What transforms cost a loader: CPU and rows per second of `avrogate load` with and without steps, on the same topic in the same run.

usage: bench/loaders/transform.py [ROWS [ROUNDS]]
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests; Python packages of tests/requirements.txt
"""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
rows, rounds = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((1, 500000), (2, 3)))
sys.argv[1:] = []
from loader_world import *

SCHEMA = {"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "customer", "type": "string"}, {"name": "price", "type": "double"},
    {"name": "quantity", "type": "int"}, {"name": "country", "type": ["null", "string"]}, {"name": "ordered", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
STEPS = {
    "no steps": None,
    "rename": [{"rename": {"customer": "who"}}],
    "select, rename, filter": [{"select": ["id", "customer", "price", "quantity", "country", "at"]}, {"rename": {"customer": "who"}},
                               {"filter": "price >= 0.0 && country != ''"}],
    "all": [{"rename": {"customer": "who"}}, {"parse": {"ordered": {"as": "date", "format": "dd/MM/yyyy"}}},
            {"cast": {"quantity": "long"}}, {"filter": "price >= 0.0 && country != ''"},
            {"compute": {"total": "price * double(quantity)"}}, {"dedupe": {"key": "id"}}],
}
url = make_database(SERVER, "bench")
w = World(url, parts=1, schema=SCHEMA)
w.produce(0, rows, lambda i: w.encode({"id": i, "customer": "customer %d" % (i % 5000), "price": i % 1000 / 4, "quantity": i % 50,
                                       "country": "CH", "ordered": "%02d/%02d/2026" % (i % 28 + 1, i % 12 + 1),
                                       "at": 1700000000000 + i}))


def load(steps):
    w.ask("DROP TABLE IF EXISTS %s" % w.name)
    if w.one("SELECT to_regclass('etl_log') IS NOT NULL"):
        w.ask("TRUNCATE etl_log, etl_batch, etl_offsets")
    p = w.start("--until-end", **({"transform": steps} if steps else {}))
    _, status, use = os.wait4(p.pid, 0)
    p.returncode = status
    same(status, 0, "exit")
    same(w.rows(), rows, "rows")
    seconds = w.one("SELECT extract(epoch FROM max(finished) - min(started)) FROM etl_batch")
    return float(seconds), use.ru_utime + use.ru_stime


best = {name: (1e9, 1e9) for name in STEPS}
for _ in range(rounds):
    for name, steps in STEPS.items():
        best[name] = tuple(min(x, y) for x, y in zip(best[name], load(steps)))
for name, (seconds, cpu) in best.items():
    print("%-24s %7.0f rows/s  %5.2f us of CPU a row  %.2f x" % (name, rows / seconds, cpu / rows * 1e6, cpu / best["no steps"][1]))
w.close()
w.remove()
