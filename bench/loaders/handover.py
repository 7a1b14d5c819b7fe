#!/usr/bin/env python3
"""How long a partition stands still when an instance of a job comes or goes, on real Kafka and Postgres.

usage: bench/loaders/handover.py [--rounds 4] [--partitions 6] [--kafka NAME=VALUE ...]
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests

Two instances load while records come, ten thousand a second; a third joins, and is told to stop again. The positions
in etl_offsets are looked at every ten milliseconds: each figure is the longest time that one of them did not move, by whether
its owner stayed the same. With batch.age 50ms a tenth of a second is what it takes without a change. Measured
are our defaults, librdkafka's heartbeat of three seconds, and the cooperative protocol (KIP-429); --kafka replaces these by one of
your own. At the end each way must have loaded every record once.
"""
import argparse, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
words.add_argument("--rounds", type=int, default=4)
words.add_argument("--partitions", type=int, default=6)
words.add_argument("--kafka", action="append", metavar="NAME=VALUE", help="librdkafka's properties, instead of the three ways")
args = words.parse_args()
sys.argv[1:] = []
from loader_world import *

WAYS = {"defaults": {}, "heartbeat.interval.ms=3000": {"heartbeat.interval.ms": "3000"},
        "cooperative-sticky": {"partition.assignment.strategy": "cooperative-sticky"}}
if args.kafka:
    WAYS = {" ".join(args.kafka): dict(p.split("=", 1) for p in args.kafka)}
SETTLED_S = 6


class Watch:
    """What the positions of a job did, seen every ten milliseconds."""

    def __init__(self, url, job):
        self.stood = []  # (when it moved on, seconds it had stood, whether under another owner)
        self.url, self.job, self.over = url, job, threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        seen = {}
        wait("etl_offsets", lambda: ask_at(self.url, "SELECT to_regclass('etl_offsets')")[0][0])
        c = psycopg2.connect(self.url)
        c.autocommit = True
        q = c.cursor()
        while not self.over.wait(0.01):
            q.execute("SELECT part, next_offset, owner FROM etl_offsets WHERE pipeline = %s", (self.job,))
            now = time.time()
            for part, offset, owner in q.fetchall():
                was = seen.get(part)
                if was is None or was[0] != offset:
                    if was is not None:
                        self.stood.append((now, now - was[1], owner != was[2]))
                    seen[part] = offset, now, owner
        c.close()

    def close(self):
        self.over.set()
        self.thread.join()

    def longest(self, since, moved):
        return max((s for at, s, other in self.stood if at > since and other == moved), default=0)


def one_way(properties):
    w = World(make_database(SERVER, "handover"), parts=args.partitions, batch__age="50ms")
    n, over, found = [0], threading.Event(), {"join": [], "leave": []}

    def feed():
        while not over.wait(0.01):
            w.produce(n[0], n[0] + 100)
            n[0] += 100
    both = w.start(kafka=properties), w.start(kafka=properties)
    feeder, watch = threading.Thread(target=feed), Watch(w.url, w.name)
    feeder.start()
    try:
        wait("two owners", lambda: w.rows() and w.one("SELECT count(DISTINCT owner) FROM etl_offsets WHERE pipeline = %s", w.name) == 2)
        time.sleep(SETTLED_S)
        for _ in range(args.rounds):
            for what in found:
                since = time.time()
                if what == "join":
                    third = w.start(kafka=properties)
                else:
                    w.stop(third)
                time.sleep(SETTLED_S)
                found[what].append((watch.longest(since, False), watch.longest(since, True)))
    finally:
        over.set()
        feeder.join()
        watch.close()
    w.stop(*both)
    same(w.finish(), 0, "exit")
    w.proves(range(n[0]))
    w.close()
    w.remove()
    return found


for name, properties in WAYS.items():
    for what, stood in one_way(properties).items():
        print("%-28s %-6s same owner %s s, another owner %s s" % (
            name, what, ", ".join("%.2f" % a for a, _ in stood), ", ".join("%.2f" % b for _, b in stood)), flush=True)
