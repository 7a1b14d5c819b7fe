#!/usr/bin/env python3
"""Transforms of a pipeline, on real Kafka and Postgres: what is loaded, what is let go, and that the audit adds up.

Wants AVROGATE, AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG; skipped (77) without them.
"""
import atexit, datetime, glob, json, os, shutil, sqlite3, subprocess, sys, tempfile
from decimal import Decimal

from loader_world import AVROGATE, ROOT, SERVER, Wire, World, fastavro, make_database, psycopg2, run_all, same, wait

sys.path.insert(1, os.path.join(ROOT, ".deps/pyarrow"))
URL = make_database(SERVER, "avrogate_transforms")
ORDER = {"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "customer", "type": "string"},
    {"name": "price", "type": "double"}, {"name": "quantity", "type": "int"},
    {"name": "country", "type": ["null", "string"], "default": None}]}
ORDER2 = {"type": "record", "name": "Order", "fields": ORDER["fields"] + [
    {"name": "note", "type": "string", "default": "-"}]}


def order(i, **more):
    return {"id": i, "customer": "c%d" % (i % 7), "price": i / 4, "quantity": i % 5,
            "country": None if i % 10 == 0 else "CH", **more}


def audited(w, **want):
    """The sums of etl_batch and of etl_log, and that `audit verify` proves them."""
    names = ("loaded", "rejected", "duplicate", "filtered")
    got = w.ask("SELECT %s FROM etl_batch WHERE pipeline = %%s" %
                ", ".join("sum(rows_%s)::bigint" % n for n in names), w.name)[0]
    same(dict(zip(names, got)), {n: want.get(n, 0) for n in names}, "etl_batch")
    same(w.one("SELECT sum(records_filtered)::bigint FROM etl_log WHERE job_name = %s", w.name),
         want.get("filtered", 0), "records_filtered")
    code, out, err = w.audit("verify", "--job", w.name, "--bootstrap", w.kafka)
    same(code, 0, "audit verify says\n%s%s" % (out, err))


def what_is_loaded_is_another_record():
    w = World(URL, parts=2, schema=ORDER, transform=[
        {"select": ["id", "customer", "price", "country"]}, {"rename": {"customer": "customer_name"}},
        {"filter": "price >= 25.0 && country != null"}, {"name": "no division", "filter": "100 / (id - 150) != 1000"}])
    w.produce(0, 200, lambda i: w.encode(order(i)))
    same(w.finish(), 0, "exit")
    want = [i for i in range(100, 200) if i % 10 and i != 150]
    same(w.ask("SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
               w.name), [("id",), ("customer_name",), ("price",), ("country",)], "columns")
    same(w.ask("SELECT id, customer_name, price FROM %s ORDER BY id" % w.name),
         [(i, "c%d" % (i % 7), i / 4) for i in want], "rows")
    audited(w, loaded=len(want), filtered=200 - len(want))


def a_record_that_fails_is_set_aside_with_its_step():
    w = World(URL, parts=1, schema=ORDER, transform=[{"name": "ratio", "filter": "100 / quantity > 0"}])
    w.produce(0, 50, lambda i: w.encode(order(i)))
    same(w.finish(sink__postgres__reject_limit=100), 0, "exit")
    audited(w, loaded=40, rejected=10)
    same(w.ask("SELECT stage, rule, error, count(*) FROM etl_reject WHERE pipeline = %s GROUP BY 1, 2, 3", w.name),
         [("transform", "ratio", "transform ratio: divide by zero", 10)], "rejects")


def the_schema_grows_and_the_steps_with_it():
    w = World(URL, parts=1, schema=ORDER, transform=[{"drop": ["price"]}, {"filter": "quantity > 0"}])
    w.produce(0, 50, lambda i: w.encode(order(i)))
    p = w.start()
    w.wait_for(40)
    w.id, w.schema = w.registry.register(w.name + "-value", ORDER2)
    w.produce(50, 100, lambda i: w.encode(order(i, note="n")))
    w.wait_for(80)
    w.stop(p)
    same(w.ask("SELECT note, count(*) FROM %s GROUP BY 1 ORDER BY 1" % w.name), [("-", 40), ("n", 40)], "notes")
    audited(w, loaded=80, filtered=20)
    # a version that lacks what a step names: the run fails and says so, nothing is lost
    w.id, w.schema = w.registry.register(w.name + "-value", {**ORDER, "fields": ORDER["fields"][:2]})
    w.produce(100, 110, lambda i: w.encode({"id": i, "customer": "x"}))
    same(w.finish(), 1, "exit")
    why = w.one("SELECT error_message FROM etl_log WHERE job_name = %s AND status = 'failed'", w.name)
    same("transform 1:drop: there is no field \"price\", only: id, customer" in why, True, "why: " + why)
    same(w.finish(transform=[{"filter": "id % 2 == 0"}]), 0, "exit with steps that fit")
    same(w.one("SELECT count(*) FROM %s WHERE customer = 'x'" % w.name), 5, "rows after")
    audited(w, loaded=85, filtered=25)


RAW = {"type": "record", "name": "Raw", "fields": [{"name": n, "type": "string"} for n in ("id", "ordered", "price", "country")]}
COUNTRIES = os.path.join(tempfile.mkdtemp(prefix="avrogate-transforms-"), "countries.csv")
atexit.register(shutil.rmtree, os.path.dirname(COUNTRIES), ignore_errors=True)
with open(COUNTRIES, "w") as countries:
    countries.write("code,name,vat\nCH,Switzerland,8.1\nDE,\"Germany, all\",19.0\n")
EVERY_STEP = [
    {"parse": {"ordered": {"as": "date", "format": "dd/MM/yyyy"}}},
    {"cast": {"id": "long", "price": "decimal(12,2)"}},
    {"dedupe": {"key": ["id"], "last": 1000}},
    {"lookup": {"file": COUNTRIES, "on": {"country": "code"}, "missing": "filter",
                "take": {"name": "country_name", "vat": {"type": "double"}}}},
    {"compute": {"gross": {"expr": "'%.2f'.format([double(price) * (1.0 + vat / 100.0)])", "type": "decimal(12,2)"},
                 "year": "ordered.getFullYear()"}},
    {"drop": ["vat"]}]


def raw_rows():
    rows = []
    for i in range(300):
        rows.append({"id": str(i // 2 if i % 3 else i), "ordered": "%02d/%02d/20%02d" % (i % 28 + 1, i % 12 + 1, i % 30 + 10),
                     "price": "%d.%02d" % (i, i % 100), "country": ("CH", "DE", "XX")[i % 3]})
    rows[10]["ordered"], rows[20]["price"], rows[30]["id"] = "30/02/2024", "1.005", "x"
    return rows


def stepped(rows):
    """What the steps make of them, by hand: the rows, and how many were double and filtered."""
    want, seen, dup, out = [], set(), 0, 0
    for i, r in enumerate(rows):
        if i in (10, 20, 30):
            continue
        if r["id"] in seen:
            dup += 1
            continue
        seen.add(r["id"])
        if r["country"] == "XX":
            out += 1
            continue
        vat = {"CH": 8.1, "DE": 19.0}[r["country"]]
        d, m, y = map(int, r["ordered"].split("/"))
        want.append((int(r["id"]), datetime.date(y, m, d), Decimal(r["price"]), r["country"],
                     {"CH": "Switzerland", "DE": "Germany, all"}[r["country"]],
                     Decimal("%.2f" % (float(r["price"]) * (1.0 + vat / 100.0))), y))
    return sorted(want), dup, out


COLUMNS = "id, ordered, price, country, country_name, gross, year"


def every_step_at_once_and_nothing_is_guessed():
    """Against the same steps in Python; a lookup file, dates, decimals, dedupe, and a table that is looked at with --plan."""
    w, rows = World(URL, parts=1, schema=RAW, transform=EVERY_STEP), raw_rows()
    w.produce(0, 300, lambda i: w.encode(rows[i]))
    plan = subprocess.run([AVROGATE, "load", "-c", w.pipeline(), "--plan"], capture_output=True, text=True).stdout
    for column in ('"ordered" date NOT NULL', '"price" numeric(12,2) NOT NULL', '"country_name" text NOT NULL',
                   '"gross" numeric(12,2) NOT NULL', '"year" bigint NOT NULL'):
        same(column in plan, True, column + " in the plan:\n" + plan)
    same(w.finish(), 0, "exit")
    want, dup, out = stepped(rows)
    same(sorted(w.ask("SELECT %s FROM %s" % (COLUMNS, w.name))), want, "rows")
    audited(w, loaded=len(want), rejected=3, duplicate=dup, filtered=out)
    same(w.ask(REJECTS, w.name), REJECTED, "rejects")


REJECTS = "SELECT rule, pointer, error FROM etl_reject WHERE pipeline = %s ORDER BY record_offset"
REJECTED = [
    ("1:parse", "/ordered", 'transform 1:parse: /ordered: "30/02/2024", wanted date as "dd/MM/yyyy": there is no such day, at 11'),
    ("2:cast", "/price", 'transform 2:cast: /price: "1.005", wanted decimal(12,2): digits would be lost'),
    ("2:cast", "/id", 'transform 2:cast: /id: "x", wanted long')]


def staged(w, place, **more):
    """Into Parquet files there; their table, and the sums of their claims."""
    import pyarrow.parquet
    same(w.finish(sink={"files": {"place": "file://" + place, "format": "parquet", "rotate": {"rows": 120}}}, batch__rows=50, **more), 0, "exit")
    claims = [json.load(open(f)) for f in glob.glob(place + "/_claims/*/00000/" + "0" * 17 + "*") if not f.endswith(".done")]
    sums = [sum(c[k] for c in claims) for k in ("loaded", "rejected", "duplicate", "filtered")]
    return pyarrow.concat_tables(map(pyarrow.parquet.read_table, sorted(glob.glob(place + "/*.parquet")))), sums


def the_same_steps_make_the_same_in_parquet_from_the_stage_and_behind_odbc():
    w, rows, dir = World(URL, parts=1, schema=RAW), raw_rows(), os.path.dirname(COUNTRIES)
    w.produce(0, 300, lambda i: w.encode(rows[i]))
    want, dup, out = stepped(rows)
    # Kafka, the steps, Parquet
    table, sums = staged(w, dir + "/stepped", transform=EVERY_STEP)
    same([(f.name, str(f.type)) for f in table.schema],
         [("id", "int64"), ("ordered", "date32[day]"), ("price", "decimal128(12, 2)"), ("country", "string"), ("country_name", "string"),
          ("gross", "decimal128(12, 2)"), ("year", "int64")], "types of the columns")
    same(sorted(tuple(r.values()) for r in table.to_pylist()), want, "rows in Parquet")
    same(sums, [len(want), 3, dup, out], "sums of the claims")
    aside = [json.loads(line) for f in sorted(glob.glob(dir + "/stepped/_rejects/*")) for line in open(f)]
    same([(r["rule"], r["pointer"], r["error"]) for r in aside], REJECTED, "rejects beside Parquet")
    # Kafka, Parquet, the steps, Postgres
    table, sums = staged(w, dir + "/raw")
    same((table.num_rows, sums), (300, [300, 0, 0, 0]), "staged as it came")
    on = World(URL, parts=1, schema=RAW, source={"stage": {"place": "file://" + dir + "/raw", "topic": w.name, "interval": "100ms"}})
    same(on.finish(transform=EVERY_STEP, batch__rows=70), 0, "exit")
    same(sorted(on.ask("SELECT %s FROM %s" % (COLUMNS, on.name))), want, "rows from the stage")
    same(on.ask(REJECTS, on.name), REJECTED, "rejects from the stage")
    audited(on, loaded=len(want), rejected=3, duplicate=dup, filtered=out)
    # Kafka, the steps, a driver
    if not os.path.exists("/etc/odbcinst.ini") or "[SQLite3]" not in open("/etc/odbcinst.ini").read():
        return "no SQLite behind ODBC here (./deps test)"
    w.settings["job"] = w.name + "_odbc"
    file = dir + "/w.db"
    same(w.finish(sink={"odbc": {"connection": "Driver=SQLite3;Database=" + file, "table": w.name}}, transform=EVERY_STEP, batch__rows=70), 0, "exit")
    db = sqlite3.connect(file)
    got = [(r[0], datetime.date.fromisoformat(r[1]), Decimal(str(r[2])), r[3], r[4], Decimal(str(r[5])), r[6])
           for r in db.execute("SELECT %s FROM %s" % (COLUMNS, w.name))]
    same(sorted(got), want, "rows behind the driver")
    same(db.execute(REJECTS.replace("%s", "?"), (w.name + "_odbc",)).fetchall(), REJECTED, "rejects behind the driver")
    same(db.execute("SELECT sum(rows_loaded), sum(rows_rejected), sum(rows_duplicate), sum(rows_filtered) FROM etl_batch").fetchall(),
         [(len(want), 3, dup, out)], "sums behind the driver")
    db.close()


def rotating(i):
    """Each block of 300 has 100 ids three times, 100 apart; they come again 600 later."""
    return order(i // 300 % 2 * 100 + i % 100)


def rows_of_files(place):
    rows = []
    for name in glob.glob(place + "/*.avro"):
        with open(name, "rb") as f:
            rows += [r["id"] for r in fastavro.reader(f)]
    return rows


def rows_of_sqlite(file, sql, *args):
    db = sqlite3.connect(file, timeout=10)
    try:
        return db.execute(sql, args).fetchall()
    except sqlite3.OperationalError:
        return []  # not there yet
    finally:
        db.close()


def killed_in_the_middle_of_a_window_dedupe_remembers():
    """kill -9, again and again, into each sink: what was before is known, and no record is its own repetition."""
    dir, total, said = tempfile.mkdtemp(prefix="avrogate-dedupe-"), 1800, []
    w = World(URL, parts=1, schema=ORDER, transform=[{"select": ["id"]}, {"filter": "id % 10 != 7"}, {"dedupe": {"key": "id", "last": 250}}],
              batch={"rows": 20, "age": "20ms"})
    w.produce(0, total, lambda i: w.encode(rotating(i)))

    def batches():
        return (w.one("SELECT to_regclass('etl_batch') IS NOT NULL") and
                w.one("SELECT count(*) FROM etl_batch WHERE pipeline = %s", w.name))

    file = dir + "/w.db"
    sinks = [("postgres", {}, batches, lambda: [r[0] for r in w.ask("SELECT id FROM " + w.name)], (20, 45, 70)),
             ("files", {"sink": {"files": {"place": "file://" + dir, "format": "ocf", "rotate": {"rows": 60}}}},
              lambda: len(glob.glob(dir + "/_claims/*/00000/0*")), lambda: rows_of_files(dir), (2, 5))]
    if os.path.exists("/etc/odbcinst.ini") and "[SQLite3]" in open("/etc/odbcinst.ini").read():
        sinks.append(("odbc", {"sink": {"odbc": {"connection": "Driver=SQLite3;Timeout=20000;Database=" + file, "table": w.name}}},
                      lambda: (rows_of_sqlite(file, "SELECT count(*) FROM etl_batch") or [(0,)])[0][0],
                      lambda: [r[0] for r in rows_of_sqlite(file, "SELECT id FROM " + w.name)], (20, 45)))
    for name, settings, done, rows, enough in sinks:
        kills = 0
        for n in enough:
            p = w.start("--until-end", job=w.name + name * (name != "postgres"), **settings, **w.static(name))
            wait("%d of %s" % (n, name), lambda: done() >= n or p.poll() is not None, step=0.01)
            kills += p.poll() is None
            p.kill()
            p.wait()
        same(w.finish(job=w.name + name * (name != "postgres"), **settings, **w.static(name)), 0, "exit with " + name)
        same(sorted(rows()), sorted(i for i in range(200) if i % 10 != 7 for _ in range(3)), "ids in " + name)
        said.append("%s %d" % (name, kills))
    audited(w, loaded=540, duplicate=1080, filtered=180)
    same(w.one("SELECT min(last_offset) >= %s - 250 AND count(*) > 0 FROM etl_dedupe WHERE pipeline = %s", total, w.name), True,
         "only what will matter is kept")
    shutil.rmtree(dir)
    return "kills: " + ", ".join(said)


def dedupe_remembers_whoever_has_the_partition():
    """Partitions go from one instance to the other in the middle of a window; the last one stays alone."""
    w = World(URL, parts=2, schema=ORDER, transform=[{"select": ["id"]}, {"dedupe": {"key": "id", "last": 125}}],
              batch={"rows": 20, "age": "20ms"})

    def feed(low, high):
        for i in range(low, high):
            w.producer.produce(w.name, w.encode(rotating(i)), partition=i % 2)
        w.producer.flush()

    def loaded(n):
        wait("%d records" % n, lambda: w.one("SELECT to_regclass('etl_offsets') IS NOT NULL") and w.one(
            "SELECT coalesce(sum(next_offset), 0) = %s FROM etl_offsets WHERE pipeline = %s", n, w.name))

    feed(0, 380)
    a = w.start()
    loaded(380)
    b = w.start()
    wait("each has one", lambda: w.one("SELECT count(DISTINCT owner) FROM etl_offsets WHERE pipeline = %s AND NOT released", w.name) == 2)
    feed(380, 770)
    loaded(770)
    w.stop(a)
    feed(770, 1200)
    loaded(1200)
    w.stop(b)
    want = sorted(i for i in range(200) for _ in range(2))
    same(sorted(r[0] for r in w.ask("SELECT id FROM " + w.name)), want, "ids")
    audited(w, loaded=400, duplicate=800)


def a_commit_whose_answer_is_lost_is_remembered():
    wire = Wire(URL)
    w = World(URL, parts=1, schema=ORDER, transform=[{"select": ["id"]}, {"dedupe": {"key": "id", "last": 250}}],
              batch={"rows": 50, "age": "20ms"}, sink__postgres__url=wire.url)
    p = w.start()
    for turn in range(4):
        wire.cut = turn > 0
        w.produce(turn * 150, turn * 150 + 150, lambda i: w.encode(rotating(i)))
        wait("turn %d" % turn, lambda: w.rows() and w.ask(
            "SELECT 1 FROM etl_offsets WHERE pipeline = %s AND next_offset = %s", w.name, turn * 150 + 150))
    w.stop(p)
    same(wire.cuts, 3, "answers lost")
    same(sorted(r[0] for r in w.ask("SELECT id FROM " + w.name)), list(range(200)), "ids")
    audited(w, loaded=200, duplicate=400)


def staged_files_have_the_derived_schema():
    """The same steps before a sink of files: what is filtered is in the claim and in the audit, and a range may be empty."""
    place = tempfile.mkdtemp(prefix="avrogate-transforms-")
    w = World(URL, parts=1, schema=ORDER, audit={"url": URL},
              sink={"files": {"place": "file://" + place, "format": "ocf", "rotate": {"rows": 50}}},
              transform=[{"select": ["id", "price"]}, {"filter": "id < 100 || id >= 150"}, {"cast": {"price": "string"}}])
    w.produce(0, 100, lambda i: w.encode(order(i)))
    same(w.finish(), 0, "exit")
    w.produce(100, 150, lambda i: w.encode(order(i)))  # nothing of this is staged
    same(w.finish(), 0, "exit")
    w.produce(150, 200, lambda i: w.encode(order(i)))
    same(w.finish(), 0, "exit")
    rows = []
    for name in sorted(glob.glob(place + "/*.avro")):
        with open(name, "rb") as f:
            reader = fastavro.reader(f)
            same([(x["name"], x["type"]) for x in reader.writer_schema["fields"]], [("id", "long"), ("price", "string")], name)
            rows += [(r["id"], r["price"]) for r in reader]
    same(sorted(rows), [(i, repr(i / 4)) for i in range(200) if not 100 <= i < 150], "rows")
    audited(w, loaded=150, filtered=50)
    shutil.rmtree(place)


def a_sample_shows_what_the_steps_make():
    w = World(URL, parts=2, schema=ORDER, transform=[{"filter": "id != 8"}, {"cast": {"price": "int"}},
                                                     {"select": ["id", "price"]}])
    for i in (7, 8, 9):  # 1.75, 2.0, 2.25
        w.producer.produce(w.name, w.encode(order(i, price=i / 2)), str(i).encode(), partition=1)
    w.producer.produce(w.name, b"rubbish", partition=0)
    w.producer.flush()
    p = subprocess.run([AVROGATE, "load", "-c", w.pipeline(), "--sample", "3"], capture_output=True, text=True)
    same((p.returncode, p.stderr if p.returncode else ""), (0, ""), "exit")
    same(p.stdout.replace(w.name, "t").splitlines(), [
        "t/0@0", "   cannot be read: frame starts with 0x72, not 0x00", "-> set aside (frame): frame starts with 0x72, not 0x00",
        "t/1@1", '   {"id":8,"customer":"c1","price":4.0,"quantity":3,"country":"CH"}', "-> filtered by 1:filter",
        "t/1@2", '   {"id":9,"customer":"c2","price":4.5,"quantity":4,"country":"CH"}',
        '-> set aside (transform): transform 2:cast: /price: "4.5", wanted int: digits would be lost'], "sample")
    same(w.rows(), 0, "rows")


def steps_that_cannot_be_are_said_at_the_start():
    w = World(URL, parts=1, schema=ORDER)
    for steps, code, why in (
            ([{"sort": "id"}], 2, "unknown step \"sort\""),
            ([{"lookup": {"file": "/nowhere.csv", "on": "id", "take": ["x"]}}], 2, "/nowhere.csv: No such file"),
            ([{"cast": {"id": "number"}}], 2, "type \"number\", wanted boolean"),
            ([{"cast": {"nobody": "int"}}], 1, "transform 1:cast: there is no field \"nobody\", only: id, customer"),
            ([{"filter": "price > 'a'"}], 1, "transform 1:filter: 1:7: \">\" does not take (double, string)")):
        p = subprocess.run([AVROGATE, "load", "-c", w.pipeline(transform=steps), "--until-end"], capture_output=True, text=True)
        same((p.returncode, why in p.stderr), (code, True), "%s: %s" % (steps, p.stderr[-300:]))


run_all([every_step_at_once_and_nothing_is_guessed, the_same_steps_make_the_same_in_parquet_from_the_stage_and_behind_odbc, killed_in_the_middle_of_a_window_dedupe_remembers, dedupe_remembers_whoever_has_the_partition, a_commit_whose_answer_is_lost_is_remembered,
         staged_files_have_the_derived_schema, a_sample_shows_what_the_steps_make, steps_that_cannot_be_are_said_at_the_start,
         what_is_loaded_is_another_record, a_record_that_fails_is_set_aside_with_its_step,
         the_schema_grows_and_the_steps_with_it])
