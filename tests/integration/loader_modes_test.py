#!/usr/bin/env python3
"""What becomes of a record in a table that has keys: insert_ignore, upsert, history; tombstones; and records that the
topic has twice under one Idempotency-Key.  Each against a model in Python, with kill -9 in between."""
from loader_world import *
import urllib.request

URL = make_database(SERVER, "loader_modes")
V = {"type": "record", "name": "Price", "fields": [
    {"name": "shop", "type": "string"}, {"name": "item", "type": "long"}, {"name": "price", "type": ["null", "double"]},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    # names that a statement which merges might want for itself
    *({"name": n, "type": "int", "default": 7} for n in ("n", "was", "differs", "from_at", "to_at", "t", "l", "last"))]}
KEY = {"type": "record", "name": "PriceKey", "fields": [{"name": "item", "type": "int"}, {"name": "shop", "type": "string"},
                                                        {"name": "who", "type": "string"}]}
BASE = 1700000000000


class Prices(World):
    """A table keyed by shop and item; every operation is remembered in the order of each key."""

    def __init__(self, mode, **more):
        super().__init__(URL, schema=V, config={"retention.ms": "-1"}, sink__postgres__mode=mode, **{"sink__postgres__key": ["shop", "item"],
                         "sink__postgres__tombstones": "delete" if mode in ("upsert", "history") else "reject",
                         "batch__age": "50ms", **more})
        self.producer = Producer({"bootstrap.servers": KAFKA, "linger.ms": 5, "log_level": 0,
                                  "enable.idempotence": True})  # in order, also where a try is repeated
        self.key_id, self.key_schema = self.registry.register(self.name + "-key", KEY)
        self.ops = []  # (shop, item, value or None, time)

    def key(self, shop, item):
        b = io.BytesIO()
        b.write(struct.pack(">bI", 0, self.key_id))
        fastavro.schemaless_writer(b, self.key_schema, {"item": item, "shop": shop, "who": "x"})
        return b.getvalue()

    def put(self, shop, item, price=None, tags=(), at=0, deletion=False):
        value = None if deletion else self.encode({"shop": shop, "item": item, "price": price, "tags": list(tags)})
        # by hand: the partition is the shop's, and so is the order
        self.producer.produce(self.name, value, self.key(shop, item), partition=ord(shop[-1]) % 3, timestamp=BASE + at)
        self.ops.append((shop, item, None if deletion else (price, list(tags)), BASE + at))

    def random_ops(self, n, deletions=0.15):
        for _ in range(n):
            self.put("s%d" % random.randrange(6), random.randrange(12), random.choice([None, 1.5, 2.5]),
                     random.choice([[], ["a"]]), random.randrange(100000), random.random() < deletions)
        self.producer.flush()

    def upserted(self):
        rows = {}
        for shop, item, value, _ in self.ops:
            rows.pop((shop, item), None)
            if value:
                rows[shop, item] = value
        return rows

    def spans(self):
        """{key: [(value, from, to)]}: by the records' order; time never goes back."""
        lines = {}
        for shop, item, value, at in self.ops:
            line = lines.setdefault((shop, item), [])
            now, last = (line[-1] if line else (None, 0, 0)), max([at] + [x[1] for x in line])
            if (now[0] if line else None) == value:
                continue
            if line and line[-1][2] is None and line[-1][0]:
                line[-1] = (line[-1][0], line[-1][1], last)
            line.append((value, last, None))
        return {k: [x for x in line if x[0]] for k, line in lines.items()}

    def counts(self):
        return self.ask("SELECT sum(rows_in)::bigint, sum(rows_loaded)::bigint, sum(rows_duplicate)::bigint, "
                        "sum(rows_rejected)::bigint FROM etl_batch WHERE pipeline = %s", self.name)[0]

    def run_with_kills(self, rounds=3, ops=400):
        """More records, a loader killed in the middle of them; at the end one that goes through."""
        for _ in range(rounds):
            self.random_ops(ops)
            p = self.start(batch__rows=random.choice([3, 17, 60]), **self.static())
            time.sleep(random.uniform(0.4, 1.2))
            p.kill()
            p.wait()
        same(self.finish(batch__rows=50, **self.static()), 0, "exit")
        same(self.one("SELECT count(*) FROM etl_gap WHERE pipeline = %s", self.name), 0, "gaps")
        same(self.one("SELECT count(*) FROM etl_miscount WHERE job_name = %s", self.name), 0, "miscounts")
        code, out, err = self.audit("verify", "--job", self.name, "--bootstrap", self.kafka)
        same(code, 0, "audit verify says\n%s%s" % (out, err))


def upsert_keeps_the_last_record_of_each_key():
    w = Prices("upsert")
    w.run_with_kills()
    got = {(s, i): (p, t) for s, i, p, t in w.ask("SELECT shop, item, price, tags FROM " + w.name)}
    same(got, w.upserted(), "rows")
    total, loaded, duplicate, rejected = w.counts()
    same((total, loaded + duplicate, rejected), (len(w.ops), len(w.ops), 0), "audit")
    same(w.ask("SELECT indexdef LIKE %s FROM pg_indexes WHERE tablename = %s", "%UNIQUE%(shop, item)", w.name),
         [(True,)], "primary key")
    return "%d records, %d rows" % (total, len(got))


def history_has_every_change_with_its_span():
    w = Prices("history")
    w.run_with_kills()
    got = {}
    for s, i, p, t, a, b, current in w.ask(
            "SELECT shop, item, price, tags, round(extract(epoch FROM valid_from) * 1000)::bigint, "
            "round(extract(epoch FROM valid_to) * 1000)::bigint, is_current FROM %s "
            "ORDER BY shop, item, valid_from, coalesce(valid_to, 'infinity')" % w.name):
        same(current, b is None, "is_current")
        got.setdefault((s, i), []).append(((p, t), a, b))
    want = {k: v for k, v in w.spans().items() if v}
    order = lambda spans: sorted(spans, key=lambda x: (x[1], x[2] or 1 << 60, repr(x[0])))
    for k in want.keys() | got.keys():
        same(order(got.get(k, [])), order(want.get(k, [])), "spans of %s %s" % k)
    total, loaded, duplicate, rejected = w.counts()
    same((total, loaded + duplicate, rejected), (len(w.ops), len(w.ops), 0), "audit")
    return "%d records, %d spans of %d keys" % (total, sum(map(len, got.values())), len(got))


def insert_ignore_keeps_the_first():
    w = Prices("insert_ignore")
    for n in range(300):
        w.put("s%d" % (n % 6), n % 18, float(n))
    w.producer.flush()
    same(w.finish(batch__rows=11), 0, "exit")
    first = {}
    for shop, item, value, _ in w.ops:
        first.setdefault((shop, item), value)
    same({(s, i): (p, t) for s, i, p, t in w.ask("SELECT shop, item, price, tags FROM " + w.name)}, first, "rows")
    same(w.counts(), (300, len(first), 300 - len(first), 0), "audit")


def bad_rows_are_found_behind_the_stage():
    """A constraint fails in the merge, where the server names no line: halves find it."""
    w = Prices("upsert", sink__postgres__reject_limit=100)
    w.put("s0", 1, 1.0)
    w.producer.flush()
    same(w.finish(), 0, "exit")
    w.ask("ALTER TABLE %s ADD CHECK (price < 100)" % w.name)
    for n in range(90):
        w.put("s0", n % 9, 500.0 if n % 30 == 17 else float(n))
    w.producer.flush()
    same(w.finish(batch__rows=9), 0, "exit")
    w.ops = [o for o in w.ops if o[2][0] < 100]
    same({(s, i): (p, t) for s, i, p, t in w.ask("SELECT shop, item, price, tags FROM " + w.name)}, w.upserted(), "rows")
    same(w.ask("SELECT stage, sqlstate, count(*) FROM etl_reject WHERE pipeline = %s GROUP BY 1, 2", w.name),
         [("database", "23514", 3)], "rejects")


def keys_that_are_text_delete_too():
    w = World(URL, parts=1, schema={"type": "record", "name": "R", "fields": [
        {"name": "id", "type": "long"}, {"name": "x", "type": "string"}]}, sink__postgres__mode="upsert",
        sink__postgres__key=["id"], sink__postgres__tombstones="delete", sink__postgres__reject_limit=100)
    for i in range(10):
        w.producer.produce(w.name, w.encode({"id": i, "x": "a"}), str(i).encode())
    for key in (b"3", b"5", b"77", b"none", None):
        w.producer.produce(w.name, None, key)
    w.producer.produce(w.name, w.encode({"id": 5, "x": "again"}), b"5")
    w.producer.flush()
    same(w.finish(), 0, "exit")
    same(w.ask("SELECT id, x FROM %s WHERE id IN (3, 4, 5)" % w.name), [(4, "a"), (5, "again")], "rows")
    same(w.one("SELECT count(*) FROM " + w.name), 9, "rows")
    same(w.ask("SELECT stage, error FROM etl_reject WHERE pipeline = %s ORDER BY record_offset", w.name),
         [("tombstone", 'key "none", column id wants an integer'),
          ("tombstone", "a tombstone without a key deletes nothing")], "rejects")


def text_and_uuids_are_keys_too():
    for type, keys in [("string", ["a", "b\u00e9"]), ({"type": "string", "logicalType": "uuid"}, [str(uuid.UUID(int=n)) for n in (1, 2)])]:
        w = World(URL, parts=1, schema={"type": "record", "name": "R", "fields": [{"name": "k", "type": type}]},
                  sink__postgres__mode="upsert", sink__postgres__key=["k"], sink__postgres__tombstones="delete")
        for key in keys:
            w.producer.produce(w.name, w.encode({"k": uuid.UUID(key) if type != "string" else key}), key.encode())
        w.producer.produce(w.name, None, keys[1].encode())
        w.producer.flush()
        same(w.finish(), 0, "exit")
        same(w.ask("SELECT k::text FROM " + w.name), [(keys[0],)], "what is left of %r" % keys)


def a_partitioned_table_is_merged_into():
    for mode, columns, index in [("upsert", "", "(shop, item)"),
                                 ("history", ", valid_from timestamptz NOT NULL, valid_to timestamptz, is_current boolean NOT NULL",
                                  "(shop, item) WHERE is_current")]:
        w = Prices(mode)
        w.ask("CREATE TABLE {0} (shop text NOT NULL, item bigint NOT NULL, price float8, tags jsonb NOT NULL{1}) PARTITION BY LIST (shop);"
              "CREATE TABLE {0}_a PARTITION OF {0} FOR VALUES IN ('s0', 's1', 's2'); CREATE TABLE {0}_b PARTITION OF {0} DEFAULT;"
              "CREATE UNIQUE INDEX ON {0} {2}".format(w.name, columns, index))
        w.random_ops(300)
        same(w.finish(batch__rows=20), 0, "exit")
        where = " WHERE is_current" if columns else ""
        same({(s, i): (p, t) for s, i, p, t in w.ask("SELECT shop, item, price, tags FROM " + w.name + where)}, w.upserted(), mode)
        code, out, err = w.audit("verify", "--job", w.name, "--bootstrap", w.kafka)
        same(code, 0, "audit verify says\n%s%s" % (out, err))


def columns_come_while_rows_are_merged():
    w = Prices("upsert")
    w.random_ops(100)
    p = w.start(batch__rows=20)
    wait("first rows", w.rows)
    wider = json.loads(json.dumps(V))
    wider["fields"].append({"name": "note", "type": "string", "default": "none"})
    w.id, w.schema = w.registry.register(w.name + "-value", wider)
    for item in range(12):
        w.producer.produce(w.name, w.encode({"shop": "s0", "item": item, "price": 7.0, "tags": [], "note": "n"}), w.key("s0", item),
                           partition=ord("0") % 3)
    w.producer.flush()
    wait("new rows", lambda: w.ask("SELECT count(*) FROM information_schema.columns WHERE table_name = %s AND "
                                   "column_name = 'note'", w.name) == [(1,)] and
         w.one("SELECT count(*) FROM %s WHERE note = 'n'" % w.name) == 12)
    same(w.one("SELECT count(*) FROM %s WHERE note = 'none' AND shop = 's0'" % w.name), 0, "old ones of s0")
    w.stop(p)


def wrong_modes_are_said_at_the_start():
    for settings, words in [
            ({"sink__postgres__mode": "upsert"}, "wants sink.postgres.key"),
            ({"sink__postgres__key": ["id"]}, "mode append has no use for it"),
            ({"sink__postgres__mode": "insert_ignore", "sink__postgres__key": ["id"], "sink__postgres__tombstones": "delete"},
             "wanted mode upsert or history")]:
        w = World(URL, parts=1)
        p = subprocess.run([AVROGATE, "load", "-c", w.pipeline(**settings)], capture_output=True, text=True, timeout=20)
        same((p.returncode, words in p.stderr), (2, True), p.stderr)
    for key, words in [(["nothing"], "the schema has no such field"), (["station", "station"], "named twice")]:
        w = World(URL, parts=1, sink__postgres__mode="upsert", sink__postgres__key=key)
        w.produce(0, 1)
        same((w.finish(30), words in w.runs()[0][2]), (1, True), w.runs())
    w = World(URL, parts=1, sink__postgres__mode="upsert", sink__postgres__key=["id"])
    w.ask('CREATE TABLE %s (id bigint, station text, "at" timestamptz)' % w.name)
    w.produce(0, 1)
    same((w.finish(30), 'CREATE UNIQUE INDEX ON "%s" ("id")' % w.name in w.runs()[0][2]), (1, True), w.runs())
    w.ask('CREATE UNIQUE INDEX ON "%s" ("id")' % w.name)
    same((w.finish(30), w.rows()), (0, 1), "with the index")


def a_record_sent_twice_under_one_id_is_one_row():
    w = World(URL, batch__age="50ms")
    request = [[("avrogate.idempotency-key", b"k"), ("avrogate.idempotency-id", b"%032x:%d" % (7, i))] for i in range(300)]
    for again in range(3):  # in other partitions each time, and twice in one batch
        for i, headers in enumerate(request):
            w.producer.produce(w.name, w.value(i), b"k", partition=(i + again) % 3, headers=headers)
    w.producer.produce(w.name, w.value(1000), headers=[("avrogate.idempotency-id", b"not one")], partition=0)
    w.producer.produce(w.name, w.value(1001), headers=[("avrogate.idempotency-id", b"not one")], partition=0)
    w.producer.flush()
    ids = list(range(300)) + [1000, 1001]
    a, b = w.start(batch__rows=40), w.start(batch__rows=40)  # two instances, the same ids at the same time
    w.wait_for(len(ids))
    wait("all read", lambda: w.one("SELECT sum(rows_in) FROM etl_batch WHERE pipeline = %s", w.name) == 902)
    w.stop(a, b)
    w.proves(ids)
    same(w.one("SELECT sum(rows_duplicate)::bigint FROM etl_batch WHERE pipeline = %s", w.name), 600, "duplicates")
    # Set back on purpose: the same places again are no duplicates.
    w.ask("TRUNCATE %s; DELETE FROM etl_batch WHERE pipeline = '%s'; UPDATE etl_offsets SET next_offset = 0, mark = NULL "
          "WHERE pipeline = '%s'" % (w.name, w.name, w.name))
    same(w.finish(), 0, "exit")
    same(w.rows(), len(ids), "rows after loading again")
    # What is old enough is forgotten: the first batch of a loader sweeps.
    w.ask("UPDATE etl_seen SET seen = now() - interval '8 days' WHERE pipeline = '%s' AND id NOT LIKE '%%:0'" % w.name)
    w.produce(3000, 3001, headers=request[0])
    same(w.finish(), 0, "exit")
    same(w.one("SELECT count(*) FROM etl_seen WHERE pipeline = %s", w.name), 1, "ids that are young enough")
    # Without ids it is a record like any other.
    w.produce(2000, 2001, headers=request[0])
    same(w.finish(sink__postgres__idempotency_keep="0"), 0, "exit")
    same(w.rows(), len(ids) + 1, "without ids")


def the_plan_is_shown_and_left_to_whoever_may():
    w = World(URL, parts=1, sink__postgres__mode="history", sink__postgres__key=["id"])

    def plan(**more):
        p = subprocess.run([AVROGATE, "load", "-c", w.pipeline(**more), "--plan"], capture_output=True, text=True, timeout=30)
        return p.returncode, p.stdout or p.stderr
    code, ddl = plan(sink__postgres__evolve=False)
    same((code, ddl.startswith('CREATE TABLE "%s" (' % w.name), "WHERE is_current" in ddl), (0, True, True), ddl)
    same(w.one("SELECT to_regclass(%s) IS NULL", w.name), True, "nothing was done")
    w.ask(ddl)
    same(plan(), (0, "-- nothing to do: the table fits\n"), "after it was done by hand")
    w.produce(0, 10)
    same((w.finish(sink__postgres__evolve=False), w.rows()), (0, 10), "and without evolve")
    wider = json.loads(json.dumps(V1))
    wider["fields"].append({"name": "note", "type": ["null", "string"], "default": None})
    w.registry.register(w.name + "-value", wider)
    same(plan(), (0, 'ALTER TABLE "%s" ADD COLUMN "note" text;\n' % w.name), "a new field")
    w.ask("ALTER TABLE %s ALTER station TYPE integer USING 0" % w.name)
    code, why = plan()
    same((code, "alter it by hand" in why), (1, True), why)


def a_run_repeats_and_each_is_a_row_of_etl_log():
    w = World(URL, batch__age="50ms")
    port = free_port()
    w.produce(0, 100)
    p = w.start("--every", "2s", "--listen", "127.0.0.1:%d" % port)
    w.wait_for(100)
    wait("the first run's end", lambda: w.runs() and w.runs()[0][0] == "success")
    w.produce(100, 150)
    w.wait_for(150)
    wait("a third run", lambda: len([r for r in w.runs() if r[0] == "success"]) >= 3)
    ready = urllib.request.urlopen("http://127.0.0.1:%d/readyz" % port).status  # also between two runs
    same(ready, 200, "readyz")
    w.stop(p)
    w.proves(range(150))
    same([r[1] for r in w.runs() if r[1]], [100, 50], "records of each run")


run_all([upsert_keeps_the_last_record_of_each_key, history_has_every_change_with_its_span, insert_ignore_keeps_the_first,
         bad_rows_are_found_behind_the_stage, keys_that_are_text_delete_too, text_and_uuids_are_keys_too,
         a_partitioned_table_is_merged_into, columns_come_while_rows_are_merged,
         wrong_modes_are_said_at_the_start, a_record_sent_twice_under_one_id_is_one_row,
         the_plan_is_shown_and_left_to_whoever_may, a_run_repeats_and_each_is_a_row_of_etl_log])
