#!/usr/bin/env python3
"""Kafka -> files -> Postgres by two loaders, exactly once: formats, types, claims cut into batches, kills, instances, what is damaged.

STAGE_PLACE as for stage_test.py; FROM_KILLS: how many times each loader is killed (3); FROM_ENVELOPED: the format of files with an
envelope (parquet).
"""
import decimal, sqlite3
from stage_world import *

ENVELOPED = os.environ.get("FROM_ENVELOPED", "parquet")
KILLS = int(os.environ.get("FROM_KILLS", "3"))
URL = make_database(SERVER, "from_stage")


def nothing_is_asked_of_a_registry():
    for format in ("parquet", "json"):  # one that brings its schema, one that does not
        w = Onward(URL, format=format, rotate__rows=700)
        w.produce(0, 3000)
        same(w.finish(), 0, "exit")
        w.registry.down = True
        same(w.end_on(batch__rows=300), 0, "exit")  # claims cut in three, and joined
        w.table_proves(range(3000))
        same(w.end_on(), 0, "exit")  # and nothing is added
        w.table_proves(range(3000))
        same("schema is known yet" in open(w.log().name).read(), False, "that no claim was read yet is no news")
        same(w.on_runs(), [("success", 3000, None), ("success", 0, None)], "runs")
        same(w.one("SELECT array_agg(DISTINCT i) FROM etl_batch, unnest(schema_ids) i WHERE pipeline = %s", w.name + "_on"), [w.id],
             "schema ids in the audit")



CITIES = {"type": "record", "name": "Reading", "fields": [
    {"name": "id", "type": "long"}, {"name": "city", "type": "string"}, {"name": "n", "type": "int"}]}


def what_came_last_is_the_row_though_it_lies_in_another_directory():
    n = 4000
    w = Onward(URL, format="ocf", parts=2, schema=CITIES, partition_by=[{"field": "city"}], rotate__rows=1500)
    rows = [{"id": random.randrange(50), "city": random.choice(["Ulm", "Bonn", "Kiel"]), "n": i} for i in range(n)]
    last = {r["id"]: r for r in rows}
    for r in rows:
        w.producer.produce(w.name, w.encode(r), str(r["id"]).encode(), partition=r["id"] % 2)
    w.producer.flush()
    same(w.finish(batch__rows=100), 0, "exit")
    on = {"sink__postgres__mode": "upsert", "sink__postgres__key": ["id"], "batch__rows": 170}
    same(w.end_on(**on), 0, "exit")
    same(w.ask("SELECT id, city, n FROM %s ORDER BY id" % w.name), [(k, last[k]["city"], last[k]["n"]) for k in sorted(last)], "rows")
    code, out, err = w.audit("verify", "--job", w.name + "_on", "--bootstrap", w.kafka)
    same(code, 0, "audit verify says\n%s%s" % (out, err))


PRICE = {"type": "record", "name": "Price", "fields": [{"name": "shop", "type": "string"}, {"name": "item", "type": "long"},
                                                       {"name": "price", "type": ["null", "double"]}]}
PRICE_KEY = {"type": "record", "name": "PriceKey", "fields": [{"name": "item", "type": "int"}, {"name": "shop", "type": "string"}]}


def produce_prices(w, n):
    """Framed keys, tombstones, times that go back, and every third record with an id, half of them in two partitions."""
    key_id, key_schema = w.registry.register(w.name + "-key", PRICE_KEY)
    base = int(time.time() * 1000) - 100000
    for i in range(n):
        shop, twin = "s%d" % random.randrange(6), i % 3 == 0
        item = 100 + i if twin else random.randrange(12)  # which of two comes first is nobody's to say
        key = io.BytesIO()
        key.write(struct.pack(">bI", 0, key_id))
        fastavro.schemaless_writer(key, key_schema, {"item": item, "shop": shop})
        value = w.encode({"shop": shop, "item": item, "price": random.choice([None, 1.5, 2.5])}) if twin or random.random() > 0.3 else None
        headers = [("avrogate.idempotency-id", b"%032x:%d" % (9, i)), ("odd", None)] if twin else [("n", b"")]
        for partition in {ord(shop[-1]) % 3, (ord(shop[-1]) + (i % 2 if twin else 0)) % 3}:
            w.producer.produce(w.name, value, key.getvalue(), partition=partition, timestamp=base + i + (0 if twin else random.randrange(9000)),
                               headers=headers)
    w.producer.flush()


def behind_a_driver(w, rows):
    """The same rows by the same way in SQLite, where its driver is installed."""
    if not os.path.exists("/etc/odbcinst.ini") or "[SQLite3]" not in open("/etc/odbcinst.ini").read():
        return
    file = os.path.join(tempfile.mkdtemp(), "w.db")
    same(w.end_on(job=w.name + "_odbc", sink={"odbc": {"connection": "Driver=SQLite3;Database=" + file, "table": w.name, "mode": "upsert",
                                                       "key": ["shop", "item"], "tombstones": "delete"}}), 0, "exit behind a driver")
    db = sqlite3.connect(file)
    same(sorted(map(repr, db.execute("SELECT * FROM " + w.name))), rows, "rows behind a driver")
    db.close()
    shutil.rmtree(os.path.dirname(file))


def stage(w, verb, *args):
    env = {**os.environ, **{"AVROGATE_S3_" + k.upper(): v for k, v in w.place.settings.get("sink__s3", {}).items()}}
    p = subprocess.run([AVROGATE, "stage", verb, "--place", w.place.url, "-q", *args], env=env, capture_output=True, text=True, timeout=120)
    same(p.returncode, 0, "exit of stage %s: %s%s" % (verb, p.stdout, p.stderr))


def what_stands_beside_the_value_comes_through_an_envelope():
    """Kafka -> stage -> Postgres makes what Kafka -> Postgres makes: deletes, spans of a history, ids once, rejects with their key."""
    w, n = Onward(URL, format=ENVELOPED, schema=PRICE, partition_by=[{"field": "shop"}], rotate__rows=150,
                  envelope=["key", "timestamp", "headers", "partition", "offset", "deleted"]), 600
    produce_prices(w, n)
    same(w.finish(batch__rows=70), 0, "exit")
    records, rejects = w.records()
    dead = [r for r in records if r["_deleted"] in (True, "true")]
    nothing, text, one = (None, str, "value': ''}]") if ENVELOPED == "json" else ("", str, '"value":""}]') if ENVELOPED == "csv" else (None, bytes, "value': b''}]")
    same((rejects, len(dead) > 50, {type(r["_key"]) for r in records}), ([], True, {text}), "staged rows")
    same({repr(r["_headers"]).strip("'")[-len(one):] for r in records if repr(r["_headers"]).count("key") == 1}, {one}, "headers")
    same(len({(r["_partition"], r["_offset"]) for r in records}), len(records), "partitions and offsets")
    same({(r["shop"], r["item"]) for r in dead}, {(nothing, nothing)}, "fields of tombstones")
    w.registry.down = True  # its key's schema is staged, too
    modes = {"upsert": {"sink__postgres__key": ["shop", "item"], "sink__postgres__tombstones": "delete"},
             "history": {"sink__postgres__key": ["shop", "item"], "sink__postgres__tombstones": "delete"},
             "append": {"sink__postgres__reject_limit": 100}}
    tables = {}
    for way in ("staged", "kafka"):
        for mode, more in modes.items():
            job = "%s_%s_%s" % (w.name, way, mode)
            more = {"job": job, "sink__postgres__table": job, "sink__postgres__mode": mode, "batch__rows": random.choice([33, 130]), **more}
            if way == "kafka":
                w.registry.down = False
                more.update(registry=w.registry.url, source={"kafka": {"bootstrap": w.kafka, "topic": w.name}})
            same(w.end_on(**more), 0, "exit of " + job)
            rows = sorted(map(repr, w.ask("SELECT * FROM " + job)))
            rejects = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in w.ask(
                "SELECT part, record_offset, record_time, stage, error, record_key, record_value, headers FROM etl_reject "
                "WHERE pipeline = %s ORDER BY 1, 2", job)]
            counts = w.ask("SELECT part, sum(rows_in)::bigint, sum(rows_loaded + rows_duplicate)::bigint, sum(rows_rejected)::bigint, "
                           "sum(bytes)::bigint FROM etl_batch WHERE pipeline = %s GROUP BY 1 ORDER BY 1", job)
            if way == "staged":
                tables[mode] = rows, rejects, counts
                if mode == "upsert":
                    behind_a_driver(w, rows)
                if mode == "upsert":  # the others read what became of the files
                    stage(w, "merge", "--format", ENVELOPED)
                if mode == "history":  # and what went into a backup, to the last of it
                    stage(w, "merge", "--format", ENVELOPED, "--all", "--backup", "_backup")
                    stage(w, "check", "--deep")
                continue
            for got, want, what in zip(tables[mode], (rows, rejects, counts), ("rows", "rejects", "counts")):
                same(got, want, "%s of mode %s" % (what, mode))
            same(len(rejects) > 50, mode == "append", "rejects of mode " + mode)
    return "%d records, %d rows, %d spans, %d ids once" % (len(records), *(len(tables[m][0]) for m in ("upsert", "history", "append")))


TYPES = {"type": "record", "name": "T", "fields": [
    {"name": "id", "type": "long"},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "city", "type": ["null", "string"]}, {"name": "raw", "type": ["null", "bytes"]},
    {"name": "celsius", "type": "double"}, {"name": "ok", "type": "boolean"},
    {"name": "mood", "type": {"type": "enum", "name": "Mood", "symbols": ["good", "bad"]}},
    {"name": "who", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": ["null", "int"]}]}}]}


def typed(i):
    return {"id": i, "price": decimal.Decimal(i * 7 - 5000).scaleb(-2), "day": datetime.date(2026, 11, 18 + i % 3),
            "at": datetime.datetime(2026, 11, 20, 9, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=i),
            "city": [None, "", "M\u00fcnchen, \"an der\" Isar\n2", "x"][i % 4], "raw": [None, b"", b"\0\xff", b"ab"][i // 4 % 4],
            "celsius": i / 8, "ok": i % 2 == 0, "mood": ["good", "bad"][i % 2], "who": str(uuid.UUID(int=i)),
            "tags": ["a"] * (i % 3), "inner": {"x": None if i % 5 else i}}


def every_type_comes_back_from_every_format():
    """The second loader's table is what Kafka -> Postgres makes of the same topic."""
    n, wanted = 1000, None
    columns = "id, price, day, \"at\", city, raw, celsius, ok, mood, who, tags, \"inner\"::text"
    for format in ("parquet", "ocf", "json", "csv"):
        w = Onward(URL, format=format, schema=TYPES, partition_by=[{"field": "day", "as": "day"}], rotate__rows=300)
        w.produce(0, n, lambda i: w.encode(typed(i)))
        same(w.finish(batch__rows=100), 0, "exit")
        same(w.end_on(), 0, "exit")
        w.table_proves(range(n))
        if wanted is None:
            direct = World(URL, parts=1, schema=TYPES)
            direct.produce(0, n, lambda i: direct.encode(typed(i)))
            same(direct.finish(), 0, "exit")
            wanted = direct.ask("SELECT %s FROM %s ORDER BY id" % (columns, direct.name))
        def plain(rows):
            return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in rows]
        for got, want in zip(plain(w.ask("SELECT %s FROM %s ORDER BY id" % (columns, w.name))), plain(wanted)):
            same(got, want, "row %d from %s" % (want[0], format))


def kill_nine_of_both_loaders():
    w, n, stop = Onward(URL, audit=URL, format="parquet", partition_by=[{"field": "station"}]), [0], threading.Event()

    def feed():
        while not stop.is_set():
            w.produce(n[0], n[0] + 1000)
            n[0] += 1000
            time.sleep(0.1)
    t = threading.Thread(target=feed)
    t.start()
    killed = [0, 0]
    try:
        for i in range(2 * KILLS):
            p = w.start(**w.static(), batch__rows=random.choice([400, 5000]), batch__age="20ms",
                        rotate__rows=random.choice([1000, 7777]), rotate__age=random.choice(["50ms", "300ms"]))
            q = w.go_on(batch__rows=random.choice([50, 333, 700]), batch__age="20ms")
            first, second = random.sample([p, q], 2)
            before, rows = w.staged(), w.rows()
            if i % 2:
                w.wait_for(before + 1, 40)
                wait("rows in the table", lambda: w.rows() > rows, 40)
            time.sleep(random.random() * 0.5)
            for k in (first, second):
                killed[k is q] += k.poll() is None
                k.send_signal(signal.SIGKILL)
                k.wait()
                time.sleep(random.random() * 0.2)
    finally:
        stop.set()
        t.join()
    same(w.finish(**w.static()), 0, "exit")
    w.proves(range(n[0]))
    # who was killed before it got anywhere left a suspicion: as many records as a batch has, at most, go one by one
    same(w.end_on(batch__rows=700), 0, "exit")
    w.table_proves(range(n[0]))
    return "%d records, %d claims, %d and %d killed" % (n[0], sum(map(len, w.claims().values())), *killed)


def one_loads_and_another_stands_by():
    w = Onward(URL, format="json", parts=2, rotate__rows=500)
    w.produce(0, 4000)
    same(w.finish(batch__rows=100), 0, "exit")
    first = w.go_on()
    w.wait_for_rows(4000)
    second = w.go_on()  # takes all of it, though nothing is to be done
    w.produce(4000, 8000)
    same(w.finish(batch__rows=100), 0, "exit")
    w.wait_for_rows(8000)
    second.send_signal(signal.SIGKILL)
    second.wait()
    w.produce(8000, 12000)
    same(w.finish(batch__rows=100), 0, "exit")
    w.wait_for_rows(12000)
    w.stop(first)
    w.table_proves(range(12000))
    halves = [w.go_on(source__stage__share="%d/2" % i) for i in (1, 2)]
    w.produce(12000, 16000)
    same(w.finish(batch__rows=100), 0, "exit")
    w.wait_for_rows(16000)
    w.stop(*halves)
    w.table_proves(range(16000))


def a_zombie_that_wakes_loads_nothing_twice():
    w = Onward(URL, format="ocf", partition_by=[{"field": "station"}], rotate__rows=800)
    w.produce(0, 6000)
    same(w.finish(batch__rows=100), 0, "exit")
    first = w.go_on(batch__rows=40)
    wait("some rows", lambda: w.rows() > 300)
    first.send_signal(signal.SIGSTOP)
    at = w.rows()
    second = w.go_on(batch__rows=50)
    wait("more rows", lambda: w.rows() > at + 500)
    first.send_signal(signal.SIGCONT)
    for p in random.choices([first, second], k=4):
        p.send_signal(signal.SIGSTOP)
        time.sleep(random.random() / 2)
        p.send_signal(signal.SIGCONT)
        time.sleep(random.random() / 4)
    w.wait_for_rows(6000, 90)
    w.stop(first, second)
    w.table_proves(range(6000))


def files_that_are_merged_meanwhile_are_found():
    w = Onward(URL, format="csv", parts=2, partition_by=[{"field": "station"}], rotate__rows=300)
    w.produce(0, 3000)
    same(w.finish(batch__rows=100), 0, "exit")
    p = w.go_on(batch__rows=10)
    wait("some rows", lambda: w.rows() > 100)
    p.kill()
    p.wait()
    kind = ["--%s-%s=%s" % (at, k.replace("_", "-"), v) for at in ("s3",) for k, v in w.place.settings.get("sink__s3", {}).items()
            if k == "endpoint"]
    secrets = {"AVROGATE_S3_" + k.upper(): v for k, v in w.place.settings.get("sink__s3", {}).items() if k != "endpoint"}
    before = w.rows()
    merged = subprocess.run([AVROGATE, "stage", "merge", "--place", w.place.url, "--format", "csv", *kind], capture_output=True,
                            text=True, env={**os.environ, **secrets})
    same(merged.returncode, 0, "merge: " + merged.stderr)
    same([n for n in w.place.names() if n.endswith(".csv") and "+merged-" not in n], [], "files that are not merged")
    same(before < 3000, True, "rows are left to load")
    same(w.end_on(batch__rows=110), 0, "exit")
    w.table_proves(range(3000))
    return "%d rows before the merge" % before


def a_job_may_change_from_kafka_to_the_stage_and_back():
    w = Onward(URL, format="parquet", rotate__rows=700)
    w.produce(0, 2000)
    same(w.from_kafka(), 0, "exit")  # from Kafka
    w.produce(2000, 4000)
    same(w.finish(), 0, "exit")
    same(w.end_on(), 0, "exit")  # from the stage, behind those
    w.produce(4000, 6000)
    same(w.from_kafka(), 0, "exit")
    same(w.ask("SELECT count(*), count(DISTINCT id), sum(id)::bigint FROM " + w.name), [(6000, 6000, sum(range(6000)))], "rows")
    code, out, err = w.audit("verify", "--job", w.name + "_on", "--bootstrap", w.kafka)
    same(code, 0, "audit verify says\n%s%s" % (out, err))


def old_rows_are_read_as_the_newest_schema():
    w = Onward(URL, format="json", parts=1, rotate__rows=500)
    w.produce(0, 1000)
    same(w.finish(), 0, "exit")
    w.id, w.schema = w.registry.register(w.name + "-value", {**V1, "fields": V1["fields"] + [
        {"name": "unit", "type": "string", "default": "C"}]})
    w.produce(1000, 1500, lambda i: w.encode({"id": i, "station": "s", "unit": "F",
                                              "at": datetime.datetime.fromtimestamp(1700000000, datetime.timezone.utc)}))
    same(w.finish(), 0, "exit")
    same(w.end_on(), 0, "exit")
    w.table_proves(range(1500))
    same(w.ask("SELECT unit, count(*) FROM %s GROUP BY 1 ORDER BY 1" % w.name), [("C", 1000), ("F", 500)], "units")


def what_was_set_aside_and_what_is_damaged():
    w = Onward(URL, format="json", parts=1, rotate__rows=500)
    w.produce(0, 500)
    w.producer.produce(w.name, b"rubbish", b"k")
    w.produce(500, 900)
    w.producer.produce(w.name, None, b"a tombstone")
    same(w.finish(batch__rows=500), 0, "exit")
    same(w.end_on(), 0, "exit")
    w.table_proves(range(900))  # the two are in no batch, and the ranges have no gap
    w.produce(900, 2000)
    same(w.finish(batch__rows=100), 0, "exit")
    if PLACE != "file":
        return "damage is done to directories only"
    last = [f for f in w.place.names() if not f.startswith("_")][-1]
    path = os.path.join(w.place.dir, last)
    text = open(path, "rb").read()
    open(path, "wb").write(text.replace(b"s1", b"s2", 1))
    same(w.end_on(), 1, "exit")
    rows = w.rows()
    same(900 <= rows < 2000, True, "rows before the damaged file: %d" % rows)
    why = w.on_runs()[-1][2]
    same(last in why and "SHA-256" in why, True, why)
    open(path, "wb").write(text)
    same(w.end_on(), 0, "exit")
    w.table_proves(range(2000))


def a_job_says_how_it_stands():
    w = Onward(URL, format="json", parts=2, rotate__rows=500)
    w.produce(0, 2000)
    same(w.finish(), 0, "exit")
    p = subprocess.run([AVROGATE, "load", "status", "--json", "-c", w.onward()], capture_output=True, text=True)
    same((p.returncode, json.loads(p.stdout)["lag"]), (0, 2000), "lag before: " + p.stderr)
    plan = subprocess.run([AVROGATE, "load", "--plan", "-c", w.onward()], capture_output=True, text=True)
    same("CREATE TABLE" in plan.stdout, True, "plan: " + plan.stdout + plan.stderr)
    same(w.end_on(), 0, "exit")
    p = subprocess.run([AVROGATE, "load", "status", "--json", "-c", w.onward()], capture_output=True, text=True)
    same((p.returncode, json.loads(p.stdout)["lag"]), (0, 0), "lag afterwards: " + p.stderr)


def settings_that_cannot_be_are_refused():
    w = Onward(URL, parts=1)
    for setting, wanted in (({"source__stage__share": "3/2"}, "source.stage.share"), ({"source__stage__format": "xls"}, "source.stage.format"),
                            ({"source__stage__spool": "/nowhere"}, "source.stage.spool"),
                            ({"source__kafka": {"bootstrap": "x:1", "topic": "t"}}, "one source")):
        p = subprocess.run([AVROGATE, "load", "-c", w.onward(**setting)], capture_output=True, text=True, timeout=60)
        same((p.returncode > 0, wanted in p.stderr), (True, True), str(setting) + p.stderr)


run_all([kill_nine_of_both_loaders, a_zombie_that_wakes_loads_nothing_twice, one_loads_and_another_stands_by, every_type_comes_back_from_every_format,
         what_stands_beside_the_value_comes_through_an_envelope, nothing_is_asked_of_a_registry, what_came_last_is_the_row_though_it_lies_in_another_directory,
         files_that_are_merged_meanwhile_are_found, a_job_may_change_from_kafka_to_the_stage_and_back,
         old_rows_are_read_as_the_newest_schema, what_was_set_aside_and_what_is_damaged, a_job_says_how_it_stands,
         settings_that_cannot_be_are_refused], workers=4)
