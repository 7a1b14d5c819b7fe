#!/usr/bin/env python3
"""Schema v2 with a defaulted field is registered while data flows: a producer posts to the gateway all the time, the loader
runs all the time, the registry is ours; old and new records land in one table, none missing and none twice.

Wants AVROGATE (the program), AVROGATE_TEST_KAFKA and AVROGATE_TEST_PG; skipped (77) without them.
"""
import json, os, subprocess, tempfile, threading, time

import world
from world import AVROGATE, KAFKA, World, check, check_that, make_topic, need, until

need("AVROGATE", "AVROGATE_TEST_KAFKA", "AVROGATE_TEST_PG")
import psycopg2

PG = os.environ["AVROGATE_TEST_PG"]
topic = "evolution%d" % os.getpid()
FIELDS = [{"name": "n", "type": "long"}, {"name": "sensor", "type": "string"}, {"name": "value", "type": "double"}]
V1 = {"type": "record", "name": "Reading", "fields": FIELDS}
V2 = {"type": "record", "name": "Reading", "fields": FIELDS + [
    {"name": "quality", "type": {"type": "enum", "name": "Quality", "symbols": ["RAW", "CHECKED"]}, "default": "RAW"},
    {"name": "offset_by", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, "default": "\u0001\u0000"},
    {"name": "note", "type": ["null", "string"], "default": None}]}
BATCH = 25


def sql(text, *args):
    c = psycopg2.connect(PG)
    try:
        c.autocommit = True
        with c.cursor() as k:
            k.execute(text, args or None)
            return k.fetchall() if k.description else []
    finally:
        c.close()


def count():
    try:
        return sql("SELECT count(*) FROM " + topic)[0][0]
    except psycopg2.Error:
        return 0


class Producer(threading.Thread):
    """Posts without a pause: a third of it as an old producer, which names its schema; a third without a name, so that the gateway takes
    the latest it knows and fills up the defaults; a third as a new producer, as soon as `new` says so."""

    def __init__(self, ids):
        super().__init__(daemon=True)
        self.sent, self.newer, self.refused, self.ids, self.new, self.quit = 0, set(), [], ids, False, False

    def run(self):
        while not self.quit:
            numbers, kind = range(self.sent, self.sent + BATCH), self.sent // BATCH % 3
            newer = self.new and kind == 2
            records = [{"n": n, "sensor": "s%d" % (n % 5), "value": n / 4} for n in numbers]
            for r in records if newer else []:
                r.update(quality="CHECKED", offset_by="%d.25" % (r["n"] % 100), note="n%d" % r["n"])
            query = "schema_id=%d" % self.ids[1] if newer else "schema_id=%d" % self.ids[0] if kind == 0 else ""
            a = w.post(topic, records, query=query)
            if a.status != 200:
                self.refused.append(repr(a)[:200])
            elif newer:
                self.newer.update(numbers)
            self.sent += BATCH


w = World()
try:
    w.start_registry()
    w.start_gateway()
    make_topic(KAFKA, topic, 3)
    ids = [w.register(topic + "-value", V1)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        json.dump({"job": topic, "registry": "http://127.0.0.1:%d" % w.registry_port,
                   "source": {"kafka": {"bootstrap": KAFKA, "topic": topic, "group": topic + "-load"}},
                   "batch": {"age": "50ms"},
                   "sink": {"postgres": {"url": PG, "table": topic, "mode": "append"}}}, f)
        f.flush()
        loader = subprocess.Popen([AVROGATE, "load", "-c", f.name], stderr=subprocess.DEVNULL)
        p = Producer(ids)
        p.start()
        until("old records flow", lambda: count() > 1500)
        columns = [c for c, in sql("SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY "
                                   "ordinal_position", topic)]
        check("the table is the first schema's", columns, ["n", "sensor", "value"])
        ids.append(w.register(topic + "-value", V2))
        before = p.sent
        p.new = True
        until("new records flow", lambda: sql("SELECT count(*) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'quality'",
                                              topic)[0][0] and sql("SELECT count(*) FROM %s WHERE note IS NOT NULL" % topic)[0][0] > 1500, 60)
        p.quit = True
        p.join()
        n = p.sent
        until("all of it is loaded", lambda: count() >= n)
        loader.terminate()
        check("the loader, which ran all the time, ends well", loader.wait(60), 0)
        check("no post was refused while the schema changed", p.refused[:3], [])
        check_that("there are old and new ones on both sides of the change", before > 1500 and len(p.newer) > 1500 and n - len(p.newer) > 1500,
                   (before, len(p.newer), n))
        check("every record is there, once", sql("SELECT count(*), count(DISTINCT n), sum(n)::bigint, sum(value) FROM " + topic),
              [(n, n, n * (n - 1) // 2, n * (n - 1) / 8)])
        check("new records have what was sent",
              sql("SELECT count(*), sum(offset_by)::text FROM %s WHERE quality = 'CHECKED' AND note = 'n' || n AND offset_by = n %% 100 + 0.25" % topic),
              [(len(p.newer), "%.2f" % sum(i % 100 + 0.25 for i in p.newer))])
        check("old records have the defaults, in the table before the change or after it",
              sql("SELECT count(*) FROM %s WHERE quality = 'RAW' AND offset_by = 2.56 AND note IS NULL" % topic), [(n - len(p.newer),)])
        check("both schemas are in etl_log, in one run",
              sql("SELECT schema_ids, records_processed, records_rejected FROM etl_log WHERE job_name = %s", topic), [(ids, n, 0)])
        check("ranges have no gap", sql("SELECT * FROM etl_gap WHERE pipeline = %s", topic), [])
        said = subprocess.run([AVROGATE, "audit", "verify", "--url", PG, "--job", topic, "--bootstrap", KAFKA], capture_output=True, text=True)
        check_that("audit verify says the same", said.returncode == 0, said.stdout + said.stderr)
        print("# %d records, %d of them new" % (n, len(p.newer)))
finally:
    w.close()
    try:
        loader.kill()
        sql("DROP TABLE IF EXISTS " + topic)
    except NameError:
        pass
raise SystemExit(world.failed > 0)
