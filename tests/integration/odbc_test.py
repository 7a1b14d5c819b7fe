#!/usr/bin/env python3
"""Tables behind ODBC drivers: PostgreSQL's (psqlODBC) and SQLite's, and SQL:2003 spoken to PostgreSQL; on real Kafka.
Kills, keys, evolution, bad rows, every type, each against a model in Python.  ODBC_KILLS: how many times it is killed (3)."""
from loader_world import *
import decimal, shutil, sqlite3
from jumping import DAY, Clock

KILLS = int(os.environ.get("ODBC_KILLS", "3"))
try:
    DRIVERS = open("/etc/odbcinst.ini").read()
except OSError:
    DRIVERS = ""
if "[SQLite3]" not in DRIVERS or "[PostgreSQL Unicode]" not in DRIVERS:
    print("SQLite's and PostgreSQL's ODBC drivers are not both installed (./deps test)")
    sys.exit(77)
URL = make_database(SERVER, "odbc")
GENERIC = make_database(SERVER, "odbc_sql")
ask_at(GENERIC, "CREATE DOMAIN blob AS bytea; CREATE DOMAIN clob AS text")  # what PostgreSQL has not of SQL:2003


def psqlodbc(url):
    user, password, host, port, database = __import__("re").match(r"postgresql://([^:]+):([^@]+)@([^:]+):(\d+)/(.+)", url).groups()
    return "Driver={PostgreSQL Unicode};Servername=%s;Port=%s;Database=%s;UID=%s;PWD=%s;SSLmode=disable" % (host, port, database, user, password)


class Table(World):
    """A world whose table is behind a driver: "sqlite", "postgres" or "generic"."""

    def __init__(self, to, parts=2, schema=V1, **settings):
        self.to = to
        self.file = os.path.join(tempfile.mkdtemp(), "w.db")
        url = GENERIC if to == "generic" else URL
        super().__init__(url, parts=parts, schema=schema, **settings)
        self.settings["sink__odbc__connection"] = ("Driver=SQLite3;Database=" + self.file) if to == "sqlite" else psqlodbc(url)
        self.settings["sink__odbc__table"] = self.name
        if to == "generic":
            self.settings["sink__odbc__dialect"] = to

    def pipeline(self, **more):
        name = super().pipeline(**more)
        conf = json.load(open(name))
        del conf["sink"]["postgres"]
        json.dump(conf, open(name, "w"))
        return name

    def ask(self, sql, *args):
        if self.to != "sqlite":
            return super().ask(sql, *args)
        c = sqlite3.connect(self.file, timeout=30)
        try:
            rows = c.execute(sql.replace("%s", "?"), args).fetchall()
            c.commit()
            return rows
        finally:
            c.close()

    def rows(self):
        try:
            return self.one("SELECT count(*) FROM " + self.name)
        except (psycopg2.Error, sqlite3.Error):
            return 0

    def counts(self):
        return self.ask("SELECT sum(rows_in), sum(rows_loaded), sum(rows_duplicate), sum(rows_rejected) FROM etl_batch "
                        "WHERE pipeline = %s", self.name)[0]

    def contiguous(self):
        """Ranges follow each other, positions stand where they end, runs have the sums of their batches."""
        ends = {}
        for part, first, last in self.ask("SELECT part, first_offset, last_offset FROM etl_batch WHERE pipeline = %s ORDER BY "
                                          "part, first_offset", self.name):
            same(first, ends.get(part, 0), "first offset of partition %d" % part)
            ends[part] = last + 1
        positions = dict(self.ask("SELECT part, next_offset FROM etl_offsets WHERE pipeline = %s", self.name))
        same({p: n for p, n in positions.items() if n}, ends, "positions")
        same(self.ask("SELECT l.run_id FROM etl_log l LEFT JOIN etl_batch b ON b.run_id = l.run_id WHERE l.job_name = %s "
                      "GROUP BY l.run_id, l.records_processed, l.batches, l.bytes HAVING l.records_processed <> "
                      "COALESCE(sum(b.rows_loaded), 0) OR l.batches <> count(b.run_id) OR l.bytes <> COALESCE(sum(b.bytes), 0)",
                      self.name), [], "runs whose sums are not those of their batches")
        if self.to == "postgres":  # the ledger is the Postgres sink's own: what reads that reads this
            code, out, err = self.audit("verify", "--job", self.name, "--bootstrap", self.kafka)
            same(code, 0, "audit verify says\n%s%s" % (out, err))
        code, out = self.verify()
        same(code, 0, "audit verify by ODBC says\n" + out)

    def by_odbc(self, what, *args):
        p = subprocess.run([AVROGATE, "audit", what, "--job", self.name, *args,
                            "--dialect", "generic" if self.to == "generic" else "auto"], capture_output=True, text=True, timeout=60,
                           env=dict(os.environ, AVROGATE_AUDIT_CONNECTION=self.settings["sink__odbc__connection"]))
        return p.returncode, p.stdout + p.stderr

    def verify(self):
        return self.by_odbc("verify", "--bootstrap", self.kafka)

    def told(self, what, *args):
        code, out = self.by_odbc(what, "--json", *args)
        same(code, 0, "audit %s by ODBC says\n%s" % (what, out))
        return [json.loads(line) for line in out.splitlines()]

    def has(self, ids, rejects=0):
        ids = list(ids)
        same(self.ask("SELECT count(*), count(DISTINCT id), coalesce(sum(id), 0) FROM " + self.name),
             [(len(ids), len(ids), sum(ids))], "rows, different ones, sum")
        same(self.one("SELECT count(*) FROM etl_reject WHERE pipeline = %s", self.name), rejects, "rejects")
        self.contiguous()


def killed_again_and_again_loses_and_doubles_nothing():
    for to in ("sqlite", "postgres"):
        w, n, stop = Table(to, batch__rows=300, batch__age="50ms"), [0], threading.Event()

        def feed():
            while not stop.is_set():
                w.produce(n[0], n[0] + 1000)
                n[0] += 1000
                time.sleep(0.1)
        t = threading.Thread(target=feed)
        t.start()
        try:
            for _ in range(KILLS):
                before, p = w.rows(), w.start(**w.static())
                w.wait_for(before + 1)
                time.sleep(random.random() * 0.4)
                p.kill()
                p.wait()
        finally:
            stop.set()
            t.join()
        same(w.finish(**w.static()), 0, "exit")
        w.has(range(n[0]))
        same(w.one("SELECT count(*) FROM etl_log WHERE job_name = %s AND status = 'running'", w.name), 0, "running")
        same(w.finish(), 0, "exit")
        w.has(range(n[0]))  # and nothing is added


def each(test, *targets):
    """At the same time: most of it is waiting."""
    with ThreadPoolExecutor(len(targets)) as pool:
        list(pool.map(test, targets))


def framed(id, schema, value):
    b = io.BytesIO()
    b.write(struct.pack(">bI", 0, id))
    fastavro.schemaless_writer(b, schema, value)
    return b.getvalue()


KEYED = {"type": "record", "name": "Price", "fields": [
    {"name": "shop", "type": "string"}, {"name": "item", "type": "long"}, {"name": "price", "type": ["null", "double"]}]}
KEY = {"type": "record", "name": "PriceKey", "fields": [
    {"name": "item", "type": "int"}, {"name": "who", "type": "string"}, {"name": "shop", "type": "string"}]}


def keys_keep_the_last_or_the_first_record():
    for to, mode, array in [("sqlite", "upsert", 1000), ("postgres", "upsert", 7), ("generic", "upsert", 50),
                            ("sqlite", "insert_ignore", 5), ("postgres", "insert_ignore", 1000), ("generic", "insert_ignore", 1)]:
        w = Table(to, schema=KEYED, sink__odbc__mode=mode, sink__odbc__key=["shop", "item"], sink__odbc__array=array,
                  batch__age="50ms", sink__odbc__tombstones="delete" if mode == "upsert" else "reject")
        id, schema = w.registry.register(w.name + "-key", KEY)
        model, sent, ordered = {}, 0, Producer({"bootstrap.servers": KAFKA, "enable.idempotence": True, "log_level": 0})
        for kill in (True, False):
            for _ in range(300):
                shop, item, price = "s%d'" % random.randrange(5), random.randrange(15), random.choice([None, 1.5, 1 / 3])
                gone = mode == "upsert" and random.random() < 0.2
                ordered.produce(w.name, None if gone else w.encode({"shop": shop, "item": item, "price": price}),
                                framed(id, schema, {"shop": shop, "item": item, "who": ""}), partition=int(shop[1]) % 2)
                sent += 1
                if gone:
                    model.pop((shop, item), None)
                elif mode == "upsert" or (shop, item) not in model:
                    model[shop, item] = price
            ordered.flush()
            if kill:
                p = w.start(batch__rows=17, **w.static())
                wait("first rows", w.rows)
                p.kill()
                p.wait()
            else:
                same(w.finish(batch__rows=60, **w.static()), 0, "exit")
        same({(s, i): p for s, i, p in w.ask("SELECT shop, item, price FROM " + w.name)}, model, "%s to %s" % (mode, to))
        total, loaded, duplicate, rejected = w.counts()
        same((total, loaded + duplicate, rejected), (sent, sent, 0), "audit")
        same(w.one("SELECT sum(rows_added) FROM etl_batch WHERE pipeline = %s", w.name), len(model), "rows it has more")
        w.contiguous()


DATED = {"type": "record", "name": "Dated", "fields": KEYED["fields"] + [
    {"name": "note", "type": "string"}, {"name": "tags", "type": {"type": "map", "values": "int"}},
    {"name": "cost", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}]}]}


def spans_of(ops):
    """{key: [(value, from, to)]}: by the records' order; time never goes back."""
    lines = {}
    for key, value, at in ops:
        line = lines.setdefault(key, [])
        if (line[-1][0] if line else None) == value:
            continue
        at = max([at] + [x[1] for x in line])
        if line and line[-1][0]:
            line[-1] = (line[-1][0], line[-1][1], at)
        line.append((value, at, None))
    return {k: [x for x in line if x[0]] for k, line in lines.items() if any(x[0] for x in line)}


def a_history_has_every_change_with_its_span():
    def at(to):
        w = Table(to, schema=DATED, sink__odbc__mode="history", sink__odbc__key=["shop", "item"], sink__odbc__tombstones="delete",
                  sink__odbc__reject_limit=100, batch__age="30ms", config={"retention.ms": "-1"})
        id, schema = w.registry.register(w.name + "-key", KEY)
        ordered = Producer({"bootstrap.servers": KAFKA, "enable.idempotence": True, "log_level": 0})
        ops, bad, base = [], 0, 1_700_000_000_000
        for kill in (True, False):
            if not kill and to != "sqlite":  # what a constraint refuses is found by halves, and its neighbours stay in order
                w.ask("ALTER TABLE %s ADD CHECK (price < 100)" % w.name)
            for _ in range(300):
                key, when = ("s%d'" % random.randrange(4), random.randrange(6)), base + random.randrange(100000)
                value = (random.choice([None, 1.5]), random.choice(["a", "a ", "A"]), random.choice(["{}", '{"k":1}']),
                         random.choice([None, decimal.Decimal("7.50")]))
                refused = not kill and to != "sqlite" and random.random() < 0.02
                gone = not refused and random.random() < 0.15
                record = {"shop": key[0], "item": key[1], "price": 500.0 if refused else value[0], "note": value[1],
                          "tags": json.loads(value[2]), "cost": value[3]}
                ordered.produce(w.name, None if gone else w.encode(record), framed(id, schema, {"shop": key[0], "item": key[1], "who": ""}),
                                partition=int(key[0][1]) % 2, timestamp=when)
                bad += refused
                if not refused:
                    ops.append((key, None if gone else value, when))
            ordered.flush()
            if kill:
                p = w.start(batch__rows=17, **w.static())
                wait("first rows", w.rows)
                time.sleep(random.random() * 0.2)
                p.kill()
                p.wait()
            else:
                same(w.finish(batch__rows=60, **w.static()), 0, "exit")
        got = {}
        ms = lambda x: x if x is None else round((datetime.datetime.fromisoformat(x) if isinstance(x, str) else x).timestamp() * 1000)
        for shop, item, price, note, tags, cost, since, until, current in w.ask(
                "SELECT shop, item, price, note, tags, cost, valid_from, valid_to, is_current FROM " + w.name):
            same(bool(current), until is None, "is_current")
            tags = json.dumps(tags if isinstance(tags, dict) else json.loads(tags), separators=(",", ":"))
            got.setdefault((shop, item), []).append(((price, note, tags, cost and decimal.Decimal(cost)), ms(since), ms(until)))
        order = lambda spans: sorted(spans, key=lambda x: (x[1], x[2] or 1 << 60, repr(x[0])))
        same({k: order(v) for k, v in got.items()}, {k: order(v) for k, v in spans_of(ops).items()}, "spans in " + to)
        total, loaded, duplicate, rejected = w.counts()
        same((total, loaded + duplicate, rejected), (600, 600 - bad, bad), "audit of " + to)
        w.contiguous()  # and rows_added is the table's count
        if to == "generic":
            return
        index = "SELECT count(*) FROM " + ("sqlite_master WHERE type = 'index' AND tbl_name" if to == "sqlite" else "pg_indexes WHERE tablename") + " = %s"
        same(w.one(index, w.name), 2, "indexes of " + to)
        w.ask("ALTER TABLE %s RENAME COLUMN valid_to TO until" % w.name)
        p = subprocess.run([AVROGATE, "load", "-c", w.pipeline(), "--plan"], capture_output=True, text=True, timeout=30)
        same((p.returncode, "no column valid_to, which a history needs" in p.stderr), (1, True), "without its columns: " + p.stderr)
    each(at, "sqlite", "postgres", "generic")


READING = {"type": "record", "name": "Reading", "fields": [
    {"name": "id", "type": "long"}, {"name": "city", "type": ["null", "string"]}, {"name": "temp", "type": ["null", "double"]},
    {"name": "tags", "type": {"type": "map", "values": "int"}}]}
RULES = [{"name": "cold", "range": {"field": "temp", "min": 0}}, {"name": "once", "unique": {"key": "id", "last": 50}},
         {"name": "city-known", "severity": "warn", "not_null": "city"}, {"name": "hot", "severity": "null_field", "range": {"field": "temp", "max": 60}},
         {"name": "enough", "rows": {"min": 100000}}]


def lossy(to, wire):
    """Of psqlODBC: settings by which the answers of three COMMITs are lost, and their connections."""
    def cut():
        while wire.cuts < 3:
            wire.cut = True
            time.sleep(0.02)
        wire.cut = False
    if to != "postgres":
        return {}
    threading.Thread(target=cut, daemon=True).start()
    return {"sink__odbc__connection": psqlodbc(wire.url.split("?")[0])}


def rules_keep_their_word_killed_in_the_middle():
    """Rows, quarantine and each rule's counts are as a model in Python says; what `unique` saw is remembered."""
    wire = Wire(URL)

    def at(to):
        w = Table(to, schema=READING, quality=RULES, batch__age="20ms", config={"retention.ms": "-1"})
        rows, aside, failed, n, seen, offsets = [], [], dict.fromkeys(("cold", "once", "city-known", "hot"), 0), 0, {}, [0, 0]
        moved = lambda: w.one("SELECT sum(next_offset) FROM etl_offsets WHERE pipeline = %s", w.name) if w.rows() else 0
        for kill in (True, True, False):
            for _ in range(400):
                r = {"id": random.randrange(60), "city": random.choice([None, "it's"]), "temp": random.choice([None, -1.0, 5.5, 61.0]),
                     "tags": {"k": n}}
                p = random.randrange(2)
                w.producer.produce(w.name, w.encode(r), partition=p)
                cold, hot = r["temp"] == -1.0, r["temp"] == 61.0
                once = offsets[p] - seen.get((p, r["id"]), -100) <= 50
                for name, bad in (("cold", cold), ("once", once), ("city-known", r["city"] is None), ("hot", hot)):
                    failed[name] += bad
                if cold or once:
                    aside.append((p, offsets[p], r["id"]))
                else:
                    rows.append((r["id"], r["city"] or "", 0.5 if hot or r["temp"] is None else r["temp"]))
                    seen[p, r["id"]] = offsets[p]
                offsets[p] += 1
                n += 1
            w.producer.flush()
            if not kill:
                same(w.finish(batch__rows=50, **w.static(), **lossy(to, wire)), 0, "exit")
                break
            before, p = moved(), w.start(batch__rows=random.choice([7, 40]), **w.static())
            wait("something is loaded", lambda: moved() > before)
            time.sleep(random.uniform(0, 0.2))
            p.kill()
            p.wait()
        same(to != "postgres" or wire.cuts > 0, True, "answers that were lost: %d" % wire.cuts)
        same(sorted((i, c or "", 0.5 if t is None else t) for i, c, t in w.ask("SELECT id, city, temp FROM " + w.name)),
             sorted(rows), "rows of " + to)
        got = w.ask('SELECT "_partition", "_offset", id, "_errors", "_topic", "_run_id", tags FROM %s_quarantine ORDER BY 1, 2' % w.name)
        same([r[:3] for r in got], sorted(aside), "quarantine of " + to)
        runs = {str(r) for r, in w.ask("SELECT run_id FROM etl_log WHERE job_name = %s", w.name)}
        for r in got:
            errors, tags = [c if not isinstance(c, str) else json.loads(c) for c in (r[3], r[6])]
            same(({e["rule"] for e in errors} <= set(failed), all(e["why"] for e in errors), r[4], str(r[5]) in runs, list(tags)),
                 (True, True, w.name, True, ["k"]), "a quarantined row of " + to)
        said = {r[0]: r[1:] for r in w.ask("SELECT rule, max(severity), sum(checked), sum(failed), sum(errors) FROM etl_rule_result "
                                           "WHERE pipeline = %s GROUP BY rule", w.name)}
        severities = {"city-known": "warn", "hot": "null_field"}
        same(said, {**{k: (severities.get(k, "quarantine"), n, bad, 0) for k, bad in failed.items()}, "enough": ("warn", 1, 1, 0)},
             "etl_rule_result of " + to)
        same(w.one("SELECT sum(rows_quarantined) FROM etl_batch WHERE pipeline = %s", w.name), len(aside), "rows_quarantined")
        same(w.one("SELECT sum(records_quarantined) FROM etl_log WHERE job_name = %s", w.name), len(aside), "records_quarantined")
        same(w.one("SELECT count(*) FROM etl_rule_seen WHERE pipeline = %s AND last_offset < %s", w.name, min(offsets) - 51), 0,
             "what is remembered for longer than it is asked for")
        w.contiguous()
        lines = {r["rule"]: r for r in w.told("rules", "--limit", "5")}
        same((lines["enough"]["last_failed"].split(" rows")[1], lines["cold"]["wanted"], lines["cold"]["status"]),
             (", wanted at least 100000", "temp from 0 to any", "success"), "audit rules")
        # a rule that says stop: nothing of its batch, and why
        w.producer.produce(w.name, w.encode({"id": 666, "city": "", "temp": 1.0, "tags": {}}), partition=0)
        w.producer.flush()
        same(w.finish(quality=[{"name": "f", "severity": "fail", "expr": "message.id != 666"}], **w.static()), 1, "exit")
        why = 'stopped by quality rule "f": %s/0@%d: is false with id 666, wanted message.id != 666' % (w.name, offsets[0])
        same(w.ask("SELECT rule, checked FROM etl_rule_result WHERE pipeline = %s AND stopped LIKE %s", w.name, "%" + why), [("f", 0)], "stopped")
        same(w.rows(), len(rows), "rows after a stop")
        if to != "sqlite":
            return
        # a ledger of before, without its newer tables and columns, gets them; a quarantine altered meanwhile is looked at again
        w.ask("DROP TABLE etl_rule_result")
        w.ask("ALTER TABLE etl_log DROP COLUMN records_quarantined")
        w.ask("ALTER TABLE %s_quarantine RENAME COLUMN _errors TO was" % w.name)
        same(w.finish(quality=[{"name": "f", "expr": "message.id != 666"}], sink__odbc__quarantine=w.name + "_quarantine"), 0, "exit")
        same(w.ask("SELECT was IS NULL, _errors LIKE '%%is false with id 666, wanted message.id%%' FROM %s_quarantine WHERE id = 666" % w.name), [(1, 1)], "added")
        same(w.one("SELECT sum(records_quarantined) FROM etl_log WHERE job_name = %s", w.name), 1, "records_quarantined")
    each(at, "sqlite", "postgres", "generic")


def tombstones_whose_key_names_no_row_are_set_aside():
    w = Table("sqlite", parts=1, schema=dict(V1, fields=V1["fields"][:2]), sink__odbc__mode="upsert", sink__odbc__key=["id"],
              sink__odbc__tombstones="delete", sink__odbc__reject_limit=100)
    w.produce(0, 9, lambda i: w.encode({"id": i, "station": "a"}))
    for key in (b"3", b"5", b"77", b"none", None):
        w.producer.produce(w.name, None, key)
    w.producer.produce(w.name, w.encode({"id": 5, "station": "again"}), b"5")
    w.producer.flush()
    same(w.finish(), 0, "exit")
    same(w.ask("SELECT id, station FROM %s WHERE id IN (3, 4, 5)" % w.name), [(4, "a"), (5, "again")], "rows")
    same(w.rows(), 8, "rows")
    same(w.ask("SELECT stage, error FROM etl_reject WHERE pipeline = %s ORDER BY record_offset", w.name),
         [("tombstone", 'key "none", column id wants an integer'), ("tombstone", "a tombstone without a key deletes nothing")],
         "rejects")


def columns_come_as_the_schema_grows():
    for to in ("sqlite", "postgres", "generic"):
        w = Table(to, batch__age="50ms")
        w.produce(0, 200)
        p = w.start(batch__rows=50)
        w.wait_for(200)
        wider = json.loads(json.dumps(V1))
        wider["fields"] += [{"name": "unit", "type": "string", "default": "it's C"},
                            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
                             "default": "\u00ff\u0085"},  # -1.23
                            {"name": "note", "type": ["null", "string"], "default": None}]
        wider["fields"][1]["type"] = ["null", "string"]
        w.id, w.schema = w.registry.register(w.name + "-value", wider)
        at = datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc)
        w.produce(200, 400, lambda i: w.encode({"id": i, "station": None, "at": at, "unit": "F", "note": "n",
                                                "price": decimal.Decimal("7.50")}))
        w.wait_for(400)
        w.stop(p)
        w.has(range(400))
        got = w.ask("SELECT unit, price, note, count(*) FROM %s GROUP BY unit, price, note ORDER BY unit" % w.name)
        same([(u, decimal.Decimal(p), n, c) for u, p, n, c in got],
             [("F", decimal.Decimal("7.50"), "n", 200), ("it's C", decimal.Decimal("-1.23"), None, 200)], to)


def bad_rows_are_found_by_parts_and_set_aside():
    for to, state in (("sqlite", "23000"), ("postgres", "23514"), ("generic", "23514")):
        w = Table(to, parts=1, sink__odbc__reject_limit=100)
        same(w.finish(), 0, "exit")  # the table is made without a record
        w.ask("DROP TABLE " + w.name)
        kind = "TEXT" if to == "sqlite" else "varchar(100)"
        w.ask("CREATE TABLE %s (id bigint NOT NULL CHECK (id - id / 100 * 100 <> 17), station %s, at %s)" %
              (w.name, kind, "TEXT" if to == "sqlite" else "timestamptz"))
        w.produce(0, 1000)
        w.producer.produce(w.name, b"rubbish", b"k", headers=[("h", b"\xff\x00v"), ("none", None)])
        w.producer.flush()
        same(w.finish(batch__rows=300), 0, "exit")
        w.has([i for i in range(1000) if i % 100 != 17], 11)
        same(w.ask("SELECT stage, sqlstate, count(*) FROM etl_reject WHERE pipeline = %s GROUP BY stage, sqlstate ORDER BY stage",
                   w.name), [("database", state, 10), ("frame", None, 1)], "rejects of " + to)
        value, headers = w.ask("SELECT record_value, headers FROM etl_reject WHERE pipeline = %s AND stage = 'frame'", w.name)[0]
        same(bytes(value), b"rubbish", "the record as it was")
        same(headers if isinstance(headers, list) else json.loads(headers),
             [{"name": "h", "value": "/wB2"}, {"name": "none", "value": None}], "its headers")
        w.produce(1017, 1018)
        same(w.finish(sink__odbc__reject_limit=0, sink__odbc__reject_floor=0), 1, "exit")
        same("reject_limit" in w.ask("SELECT error_message FROM etl_log WHERE job_name = %s AND status = 'failed'", w.name)[0][0],
             True, "why it failed")


def a_record_sent_twice_under_one_id_is_one_row():
    def at(to):
        w = Table(to, parts=3, batch__age="50ms")
        request = [[("avrogate.idempotency-key", b"k"), ("avrogate.idempotency-id", b"%032x:%d" % (7, i))] for i in range(300)]
        for again in range(3):  # in other partitions each time, and twice in one batch
            for i, headers in enumerate(request):
                w.producer.produce(w.name, w.value(i), b"k", partition=(i + again) % 3, headers=headers)
        w.produce(1000, 1002, headers=[("avrogate.idempotency-id", b"not one")])
        ids = list(range(300)) + [1000, 1001]
        a, b = w.start(batch__rows=40), w.start(batch__rows=40)  # two instances, the same ids at the same time
        w.wait_for(len(ids))
        wait("all read", lambda: w.one("SELECT sum(rows_in) FROM etl_batch WHERE pipeline = %s", w.name) == 902)
        w.stop(a, b)
        w.has(ids)
        same(w.counts(), (902, 302, 600, 0), "audit of " + to)
        if to == "generic":
            return
        # Set back on purpose: the same places again are no duplicates.  What is old enough is forgotten.
        for sql in ("DELETE FROM " + w.name, "DELETE FROM etl_batch WHERE pipeline = '%s'" % w.name,
                    "UPDATE etl_offsets SET next_offset = 0, mark = NULL WHERE pipeline = '%s'" % w.name):
            w.ask(sql)
        same(w.finish(), 0, "exit")
        same(w.rows(), len(ids), "rows after loading again")
        w.ask("UPDATE etl_seen SET seen = '2020-01-01 00:00:00.000+00:00' WHERE pipeline = %s AND id NOT LIKE %s", w.name, "%:0")
        w.produce(3000, 3001, headers=request[0])
        same((w.finish(), w.rows()), (0, len(ids)), "a repeat")
        same(w.one("SELECT count(*) FROM etl_seen WHERE pipeline = %s", w.name), 1, "ids that are young enough")
        w.produce(2000, 2001, headers=request[0])
        same(w.finish(sink__odbc__idempotency_keep="0"), 0, "exit")
        same(w.rows(), len(ids) + 1, "without ids")
    each(at, "sqlite", "postgres", "generic")


def control(w, word, *args, code=0):
    p = subprocess.run([AVROGATE, "load", word, "-c", w.pipeline(), *args], capture_output=True, text=True, timeout=60)
    same(p.returncode, code, "load %s %s says\n%s%s" % (word, args, p.stdout, p.stderr))
    return p.stdout + p.stderr


def status(w):
    s = json.loads(control(w, "status", "--json"))
    return s, [p["position"] for p in s["partitions"]], {p["running"] for p in s["partitions"]}


def a_person_pauses_resumes_and_resets_it():
    def at(to):
        w = Table(to, parts=2, batch__age="50ms")
        w.producer.produce(w.name, w.value(0), partition=0)  # and nothing yet in partition 1
        w.producer.flush()
        s, positions, _ = status(w)
        same((s["lag"], s["paused"], positions), (1, None, [None, None]), "a job that never ran")
        same("was not paused" in control(w, "resume"), True, "nothing to resume")
        control(w, "reset", "--to", "0", "--partition", "1", "--yes")  # of a partition that has no position
        same(w.ask("SELECT part, generation, was, goes_on FROM etl_reset WHERE pipeline = %s", w.name), [(1, 0, None, 0)], "etl_reset")
        p = w.start()
        w.wait_for(1)
        wait("it is at work", lambda: status(w)[1:] == ([1, 0], {True}))
        control(w, "pause", "--reason", "for now")
        said = control(w, "pause", "--reason", "it's being\n\"mended\"")
        same("paused since 20" in said and "mended" in said, True, said)
        wait("it stopped", lambda: '"event":"paused"' in open(w.log().name).read())
        for i in range(1, 500):
            w.producer.produce(w.name, w.value(i), partition=0)
        w.producer.flush()
        time.sleep(1)
        s, positions, _ = status(w)
        same((w.rows(), s["lag"], s["paused"]["reason"], positions), (1, 499, "it's being\n\"mended\"", [1, 0]), "while paused")
        same("goes on" in control(w, "resume"), True, "resumed")
        w.wait_for(500)
        said = control(w, "reset", "--to", "400", "--partition", "0", code=1)
        same("500 -> 400, 100 records again" in said and "--yes" in said, True, said)
        control(w, "reset", "--to", "400", "--partition", "0", "--yes", "--reason", "again")  # and it is at work meanwhile
        w.producer.produce(w.name, w.value(500), partition=0)
        w.producer.flush()
        w.wait_for(601)
        wait("it is there", lambda: status(w)[1] == [501, 0])
        w.stop(p)
        same(status(w)[2], {False}, "who has it")
        same(w.ask("SELECT part, generation, was, goes_on, reason FROM etl_reset WHERE pipeline = %s AND part = 0", w.name),
             [(0, 1, 500, 400, "again")], "etl_reset")
        same(w.one("SELECT count(DISTINCT id) FROM " + w.name), 501, "different rows")
        same(w.ask("SELECT DISTINCT generation FROM etl_batch WHERE pipeline = %s AND part = 0 AND last_offset >= 400 AND "
                   "first_offset = 400", w.name), [(1,)], "generation of what came again")
    each(at, "sqlite", "postgres", "generic")


def what_runs_did_is_told_by_odbc():
    def at(to):
        w = Table(to, parts=1, sink__odbc__reject_limit=0)
        w.produce(0, 400)
        w.producer.produce(w.name, b"rubbish")
        w.producer.flush()
        same(w.finish(), 0, "exit")
        w.producer.produce(w.name, b"more of it")
        w.producer.flush()
        same(w.finish(sink__odbc__reject_floor=0), 1, "exit")
        runs = w.told("runs")
        same([(r["status"], r["records_processed"], r["partitions"], r["schema_ids"], r["partition"]) for r in runs],
             [("failed", 0, {}, [], None), ("success", 400, {"0": [0, 400]}, [w.id], 0)], "runs of " + to)
        same(w.told("runs", "--limit", "1"), runs[:1], "the newest")
        same((len(w.told("runs", "--since", "1h")), w.told("runs", "--topic", "none")), (2, []), "runs of the last hour, of no topic")
        same(w.told("rejects")[0]["error"], "frame starts with 0x72, not 0x00", "rejects")
        same([(r["offset"], r["stage"], r["bytes"]) for r in w.told("rejects")], [(400, "frame", 7)], "rejects")
        failed = w.told("failures")
        same((failed[0]["what"], "reject_limit" in failed[0]["error"], failed[0]["place"]), ("failed", True, None), "failures")
        same("success" in w.by_odbc("runs")[1], True, "as a table")
        same(w.told("rules"), [], "no rules")
    each(at, "sqlite", "postgres", "generic")


def what_was_tampered_with_is_found_by_odbc():
    w = Table("sqlite", parts=1)
    w.produce(0, 400)
    w.producer.produce(w.name, b"rubbish")
    w.producer.flush()
    same(w.finish(batch__rows=300), 0, "exit")
    same(w.verify()[0], 0, w.verify()[1])
    # what is done to it, and what verify says then
    file = w.settings["sink__odbc__connection"]
    for sql, words in (
            ("UPDATE etl_log SET records_processed = 399", "records_processed is 399 in etl_log, 400"),
            ("UPDATE etl_log SET partitions = '{\"1\": [0, 402]}'", "offsets of partition 0 is nothing in etl_log, 0 to 400"),
            ("DELETE FROM etl_log", "which is not in etl_log"),
            ("UPDATE etl_batch SET first_offset = 1 WHERE first_offset = 0", "offsets of partition 0 is 0 to 400 in etl_log, 1 to 400"),
            ("UPDATE etl_batch SET first_offset = 310 WHERE first_offset = 300", "expected a range at 300, found one at 310"),
            ("UPDATE etl_batch SET rows_in = 301 WHERE first_offset = 0", "301 in, 300 + 0 + 0 + 0 + 0 accounted for"),
            ("UPDATE etl_offsets SET next_offset = 5000", "the position is 5000, the ranges end at 401"),
            ("DELETE FROM etl_offsets", "no row in etl_offsets"),
            ("DELETE FROM etl_reject", "1 set aside, 0 in etl_reject"),
            ("DELETE FROM %s WHERE id = 7" % w.name, "400 added, count(*) is 399"),
            ("ALTER TABLE %s RENAME TO elsewhere" % w.name, "the table cannot be read")):
        copy = w.file + "." + uuid.uuid4().hex[:4]
        shutil.copy(w.file, copy)
        w.settings["sink__odbc__connection"] = file.replace(w.file, copy)
        c = sqlite3.connect(copy)
        c.execute(sql)
        c.commit()
        c.close()
        code, out = w.verify()
        same((code, words in out), (1, True), "after %s: exit and %r in\n%s" % (sql, words, out))


TYPES = {"type": "record", "name": "T", "fields": [
    {"name": "id", "type": "long"}, {"name": "b", "type": "boolean"}, {"name": "i", "type": "int"}, {"name": "l", "type": "long"},
    {"name": "f", "type": "float"}, {"name": "d", "type": "double"}, {"name": "s", "type": "string"}, {"name": "y", "type": "bytes"},
    {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
    {"name": "m", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 10}},
    {"name": "u", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "t", "type": {"type": "long", "logicalType": "time-micros"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "n", "type": ["null", "string"]}, {"name": "a", "type": {"type": "array", "items": "int"}},
    {"name": "o", "type": {"type": "map", "values": "string"}}]}
UTC = datetime.timezone.utc


def typed(i):
    ends = [0, 1, -1, 2**31 - 1, -2**31, 123456789]
    return {"id": i, "b": i % 2 == 0, "i": ends[i % 6], "l": [2**63 - 1, -2**63, 0][i % 3], "f": 0.1 * i, "d": 1 / (i + 3),
            "s": ["", "it's \\ \"x\"?", "\u00e4\u20ac\U0001f600{d}", "x" * (5000 if i == 3 else 10)][i % 4], "y": bytes(range(i % 256)),
            "e": "AB"[i % 2], "m": decimal.Decimal(i * 10**15 - 7).scaleb(-10), "u": uuid.UUID(int=i * 2**90 + i),
            "day": datetime.date(1, 1, 1) + datetime.timedelta(days=i * 70000 % 3652058), "t": datetime.time(i % 24, 59, 59, 999999 - i),
            "at": datetime.datetime(1900, 2, 28, tzinfo=UTC) + datetime.timedelta(days=i * 997, microseconds=i), "n": None if i % 3 else "n",
            "a": [i, -i], "o": {"k": "v\n"}}


def as_text(to, r):
    """A row as the database should give it back."""
    single = struct.unpack("f", struct.pack("f", r["f"]))[0]
    when = r["at"] if to != "sqlite" else r["at"].strftime("%Y-%m-%d %H:%M:%S.%f+00:00").rjust(32, "0")
    out = dict(r, b=r["b"] if to != "sqlite" else int(r["b"]), f=single, at=when)
    if to == "sqlite":
        out.update(m="%.10f" % r["m"], u=str(r["u"]), day=r["day"].isoformat(), t=r["t"].isoformat(timespec="microseconds"))
    else:
        out.update(u=str(r["u"]))
    return out


def every_type_arrives_as_it_was():
    n = 300
    for to in ("sqlite", "postgres", "generic"):
        if to == "generic":
            TYPES["fields"][6]["type"] = "string"
        w = Table(to, parts=1, schema=TYPES)
        rows = [typed(i) if to != "generic" else dict(typed(i), s=typed(i)["s"][:4000]) for i in range(n)]
        for r in rows:
            w.producer.produce(w.name, w.encode(r))
        w.producer.flush()
        same(w.finish(batch__rows=77), 0, "exit")
        same(w.rows(), n, "rows")
        columns = [f["name"] for f in TYPES["fields"]]
        quoted = ", ".join('"%s"' % c for c in columns)
        for got, r in zip(w.ask('SELECT %s FROM %s ORDER BY "id"' % (quoted, w.name)), rows):
            got = dict(zip(columns, got))
            got["y"] = bytes(got["y"])
            for c in ("a", "o"):
                got[c] = json.loads(got[c]) if isinstance(got[c], str) else got[c]
            got["f"] = struct.unpack("f", struct.pack("f", got["f"]))[0]
            if to == "sqlite":
                same(decimal.Decimal(got["m"]), r["m"], "decimal %d" % r["id"])
                got["m"] = "%.10f" % decimal.Decimal(got["m"])
            same(got, as_text(to, r), "record %d in %s" % (r["id"], to))
        w.contiguous()


def two_instances_share_and_a_table_altered_meanwhile_is_noticed():
    for to in ("postgres", "sqlite"):
        w = Table(to, parts=4, batch__rows=40, batch__age="50ms")
        a, b = w.start(), w.start()
        w.produce(0, 2000)
        w.wait_for(2000)
        w.ask("ALTER TABLE %s RENAME COLUMN station TO place" % w.name)
        w.produce(2000, 3000)
        w.wait_for(3000)
        w.stop(a, b)
        w.has(range(3000))
        same(w.one("SELECT count(*) FROM %s WHERE station IS NOT NULL" % w.name) > 0, True, "rows in the column made again")


SLOW = """CREATE FUNCTION %(t)s_slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END$$;
CREATE TRIGGER slow BEFORE INSERT ON %(t)s FOR EACH ROW EXECUTE FUNCTION %(t)s_slow()"""


def an_owner_stopped_in_the_middle_of_a_batch_is_ended():
    w = Table("postgres", parts=1, batch__rows=500)
    w.produce(0, 500)
    same(w.finish(), 0, "exit")
    w.ask(SLOW % {"t": w.name})
    w.produce(500, 1000)  # five seconds of INSERT
    first = w.start()
    wait("it writes", lambda: w.ask("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO \"" + w.name + "%' AND state = 'active'"))
    first.send_signal(signal.SIGSTOP)
    second = w.start()
    w.wait_for(1000, 90)
    first.send_signal(signal.SIGCONT)
    w.stop(first, second)
    w.has(range(1000))


def a_file_that_others_hold_is_waited_for():
    w = Table("sqlite", parts=1, sink__odbc__lock_timeout="500ms", batch__age="50ms")
    w.produce(0, 500)
    same(w.finish(), 0, "exit")
    other = sqlite3.connect(w.file, timeout=30)
    p = w.start()
    wait("it owns the partition", lambda: w.one("SELECT epoch FROM etl_offsets WHERE pipeline = %s", w.name) == 2)
    other.execute("BEGIN IMMEDIATE")
    w.produce(500, 1000)
    time.sleep(1.5)
    other.rollback()
    w.wait_for(1000)
    other.execute("BEGIN IMMEDIATE")
    w.produce(1000, 1500)
    time.sleep(0.5)
    p.terminate()
    same(p.wait(20), 0, "exit, while the file is held")
    other.rollback()
    same(w.finish(), 0, "exit")
    w.has(range(1500))


def who_is_silent_for_a_day_is_silent_by_the_databases_clock():
    """Of another host nobody knows more.  Ours is two days back, then ahead."""
    clock, w, ago = Clock(), Table("postgres", parts=1), "now() - interval '%d hours'"
    w.produce(0, 100)
    same(w.finish(), 0, "exit")
    for run, hours in (("a", 1), ("b", 25)):
        w.ask(("INSERT INTO etl_log (run_id, job_name, status, start_time, last_sign, changed, source, topic, target, instance, program) SELECT "
               "'00000000-0000-0000-0000-00000000000%s', job_name, 'running', " + ago + ", " + ago + ", changed, source, topic, target, 'elsewhere:1', "
               "program FROM etl_log WHERE job_name = '%s' AND instance <> 'elsewhere:1'") % (run, hours, hours, w.name))
    for n, days, off in ((100, -2, "back"), (200, 2, "ahead")):
        clock.jump(days * DAY)
        w.produce(n, n + 100)
        same(w.finish(env=clock.env), 0, "exit with a clock two days " + off)
        same({str(run)[-1]: s for run, s in w.ask("SELECT run_id, status FROM etl_log WHERE instance = 'elsewhere:1'")},
             {"a": "running", "b": "interrupted"}, "silent for an hour, and for 25, by a clock that is " + off)
    w.ask("DELETE FROM etl_log WHERE instance = 'elsewhere:1'")
    same(w.one("SELECT count(*) FROM etl_batch WHERE pipeline = %s AND (started > finished OR started < " + ago % 1 + ")", w.name), 0,
         "batches that began at another time than the database's")
    w.has(range(300))


def the_plan_is_shown_and_wrong_settings_are_said():
    def load(w, *args, **more):
        return subprocess.run([AVROGATE, "load", "-c", w.pipeline(**more), *args], capture_output=True, text=True, timeout=30)
    for to, words in [("sqlite", ['CREATE TABLE "', '"id" INTEGER', "ON CONFLICT"]), ("postgres", ["timestamptz", "-- tombstones: DELETE", "ON CONFLICT"]),
                      ("generic", ["TIMESTAMP(6) WITH TIME ZONE", "MERGE INTO", "THEN DELETE"])]:
        w = Table(to, sink__odbc__mode="upsert", sink__odbc__key=["id"])
        p = load(w, "--plan", sink__odbc__tombstones="delete")
        same((p.returncode, [x for x in words if x not in p.stdout]), (0, []), "plan of %s: %s%s" % (to, p.stdout, p.stderr))
        same(w.rows(), 0, "nothing was made")
    w = Table("sqlite")
    for settings, words in [({"sink__odbc__dialect": "klingon"}, "wanted auto, postgres"), ({"sink__odbc__mode": "upsert"}, "wants sink.odbc.key"),
                            ({"sink__odbc__tombstones": "delete"}, "wanted mode upsert or history"), ({"sink__odbc__key": ["id"]}, "mode append has no use"), ({"sink__odbc__dsn": "x"}, "wanted one of them"),
                            ({"audit__url": URL}, "own database alone")]:
        p = load(w, **settings)
        same((p.returncode, words in p.stderr), (2, True), p.stderr)
    for connection, words in [("Driver=nothing_of_the_kind", "Can't open lib"), ("DSN=nobody", "not found")]:
        p = load(w, sink__odbc__connection=connection)
        same((p.returncode, words in p.stderr), (1, True), p.stderr)
    p = subprocess.run([AVROGATE, "load", "-c", w.pipeline()], capture_output=True, text=True, timeout=30,
                       env=dict(os.environ, AVROGATE_ODBC="/nowhere/libodbc.so", AVROGATE_FOR="1s"))
    same("ODBC needs unixODBC" in p.stderr, True, p.stderr)


if __name__ == "__main__":
    run_all([killed_again_and_again_loses_and_doubles_nothing, keys_keep_the_last_or_the_first_record,
             a_history_has_every_change_with_its_span, rules_keep_their_word_killed_in_the_middle,
             tombstones_whose_key_names_no_row_are_set_aside,
             a_record_sent_twice_under_one_id_is_one_row,
             a_person_pauses_resumes_and_resets_it, what_runs_did_is_told_by_odbc,
             what_was_tampered_with_is_found_by_odbc, columns_come_as_the_schema_grows,
             bad_rows_are_found_by_parts_and_set_aside, every_type_arrives_as_it_was,
             an_owner_stopped_in_the_middle_of_a_batch_is_ended, a_file_that_others_hold_is_waited_for,
             who_is_silent_for_a_day_is_silent_by_the_databases_clock,
             two_instances_share_and_a_table_altered_meanwhile_is_noticed, the_plan_is_shown_and_wrong_settings_are_said])
