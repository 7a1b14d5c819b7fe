#!/usr/bin/env python3
"""Records a second and a core of `avrogate aggregate`, its changelog on, beside a dictionary in Python on the same topic in the same run.

usage: bench/aggregate/aggregate.py [RECORDS [KEYS [ROUNDS]]]
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests; Python packages of tests/requirements.txt

Invoices of five fields over KEYS customers: count, sum and max of a decimal, avg of a long, last. Kafka is filled before the clock
starts. CPU is the process's own, all threads, from start to exit; a record's share leaves out what a run over an empty topic costs.
The peer reads with confluent-kafka (librdkafka, 10,000 messages a call), decodes with fastavro and sums in a dict of Decimals; it
keeps no state at all.
"""
import os, resource, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
records, keys, rounds = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((1, 1000000), (2, 10000), (3, 3)))
sys.argv[1:] = []
from aggregate_world import *

SCHEMA = {"type": "record", "name": "Invoice", "fields": [
    {"name": "id", "type": "long"}, {"name": "customer", "type": "string"},
    {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "pieces", "type": "long"}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
COLUMNS = {"invoices": "count", "revenue": "sum(total)", "largest": "max(total)", "mean": "avg(pieces)", "newest": "last(pieces)"}


def world(n):
    w = Invoices(parts=1)
    w.id, w.schema = w.registry.register(w.name + "-value", SCHEMA)
    w.more["aggregate__columns"] = COLUMNS
    w.more["state"] = {"commit": "1s"}
    for i in range(n):
        w.producer.produce(w.name, w.encode({"id": i, "customer": "customer-%05d" % (i * 7919 % keys), "total": (i % 1000000).to_bytes(4, "big"),
                                             "pieces": i % 100, "at": 1700000000000 + i}), timestamp=1700000000000 + i)
        if i % 1000 == 0:
            w.producer.poll(0)
    w.producer.flush()
    return w


PEER = r"""
import fastavro, io, json, sys
from decimal import Decimal
from confluent_kafka import Consumer, TopicPartition
kafka, topic, n, schema = sys.argv[1], sys.argv[2], int(sys.argv[3]), fastavro.parse_schema(json.loads(sys.argv[4]))
c = Consumer({"bootstrap.servers": kafka, "group.id": topic + "-peer", "enable.auto.commit": False})
c.assign([TopicPartition(topic, 0, 0)])
rows, seen = {}, 0
while seen < n:
    for m in c.consume(10000, 1):
        r = fastavro.schemaless_reader(io.BytesIO(m.value()[5:]), schema)
        row = rows.get(r["customer"])
        if row is None:
            row = rows[r["customer"]] = [0, Decimal(0), Decimal(0), 0, 0]
        row[0] += 1
        row[1] += r["total"]
        row[2] = max(row[2], r["total"])
        row[3] += r["pieces"]
        row[4] = r["pieces"]
        seen += 1
c.close()
print(len(rows), sum(r[1] for r in rows.values()))
"""


def measured(args, **kw):
    """Seconds, CPU seconds, MiB of a process, and what it wrote."""
    began = time.time()
    p = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, **kw)
    out = p.stdout.read()
    _, status, use = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    same(p.returncode, 0, "exit of %s" % args[:2])
    return time.time() - began, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024, out


def ours(w, job):
    with w.log() as log:
        return measured([AVROGATE, "aggregate", "-c", w.file(job=job), "--until-end", "--print", "1h"], stderr=log)


def peer(w):
    return measured([sys.executable, "-c", PEER, KAFKA, w.name, str(records), json.dumps(SCHEMA)])


def show(name, n, best):
    print("%-22s %5.2f s  %5.2f us CPU a record  %10.0f records/s a core  %4.0f MiB" % (name, best[0], best[1] / n * 1e6, n / best[1], best[2]), flush=True)


empty, full = world(1), world(records)
print("# %d records over %d keys on the topic, %d rounds, the best of each" % (records, keys, rounds), flush=True)
nothing = min((ours(empty, "%s-%d" % (empty.name, i)) for i in range(2)), key=lambda r: r[1])
results = {"ours": [], "peer": []}
for i in range(rounds):
    results["ours"].append(ours(full, "%s-%d" % (full.name, i)))
    results["peer"].append(peer(full))
best = {k: min(v, key=lambda r: r[1]) for k, v in results.items()}
revenue = sum(Decimal(row[2]) for row in printed(best["ours"][3])[1])
n, total = best["peer"][3].split()
same((len(printed(best["ours"][3])[1]), revenue), (int(n), Decimal(total)), "rows and their sum, beside the peer's")
print("start and end alone     %5.2f s  %5.2f s CPU  %4.0f MiB" % nothing[:3])
show("avrogate aggregate", records, best["ours"])
show("... less start and end", records, (best["ours"][0] - nothing[0], best["ours"][1] - nothing[1], best["ours"][2]))
show("Python, no changelog", records, best["peer"])
for w in World.all:
    w.close()
    w.remove()
