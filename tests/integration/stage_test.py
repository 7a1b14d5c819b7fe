#!/usr/bin/env python3
"""Topics staged in files, exactly once: formats, directories, rotation, kills, zombies; on real Kafka.

Where: STAGE_PLACE of stage_world (a directory, unless said).  STAGE_KILLS: how many times it is killed (6);
STAGE_FORMAT: what it writes then.
"""
import decimal
from stage_world import *

FORMAT = os.environ.get("STAGE_FORMAT", "parquet")  # of what is killed
KILLS = int(os.environ.get("STAGE_KILLS", "6"))
URL = make_database(SERVER, "stage")


def each_format_holds_what_was_on_the_topic():
    for format in ("parquet", "ocf", "csv", "json"):
        w = Stage(format=format, audit=URL)
        w.produce(0, 3000)
        same(w.finish(), 0, "exit")
        w.proves(range(3000))
        same(w.finish(), 0, "exit")  # and nothing is added
        w.proves(range(3000))
        same(w.runs(), [("success", 3000, None), ("success", 0, None)], "runs")


TYPES = {"type": "record", "name": "T", "fields": [
    {"name": "id", "type": "long"},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "city", "type": ["null", "string"]},
    {"name": "celsius", "type": "double"},
    {"name": "tags", "type": {"type": "array", "items": "string"}}]}


def typed(i):
    return {"id": i, "price": decimal.Decimal(i * 7 - 5000).scaleb(-2), "day": datetime.date(2026, 11, 18 + i % 3),
            "at": datetime.datetime(2026, 11, 20, 9, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=i),
            "city": None if i % 5 == 0 else "M\u00fcnchen %d" % (i % 4), "celsius": i / 8,
            "tags": ["a"] * (i % 3)}


def pyarrow_and_duckdb_agree_with_the_source():
    import duckdb, pyarrow.parquet
    n = 20000
    w = Stage(format="parquet", schema=TYPES, partition_by=[{"field": "day", "as": "day"}], rotate__rows=3000, envelope=["offset"])
    w.produce(0, n, lambda i: w.encode(typed(i)))
    same(w.finish(batch__rows=1000), 0, "exit")
    w.proves(range(n))
    got = sorted(w.records()[0], key=lambda r: r["id"])
    for r in got:
        same({k: v for k, v in r.items() if k not in ("dt", "_offset")}, typed(r["id"]), "record %d, as pyarrow reads it" % r["id"])
    copy = tempfile.mkdtemp()  # from wherever it is staged
    for name in w.place.names():
        if not name.startswith("_"):
            os.makedirs(os.path.join(copy, os.path.dirname(name)), exist_ok=True)
            open(os.path.join(copy, name), "wb").write(w.place.read(name))
            group = pyarrow.parquet.read_metadata(os.path.join(copy, name)).row_group(0)
            same([group.column(s.column_index).path_in_schema for s in group.sorting_columns], ["_offset"], "what it is sorted by")
            offsets = pyarrow.parquet.read_table(os.path.join(copy, name), columns=["_offset"])["_offset"].to_pylist()
            same(offsets, sorted(offsets), "offsets of " + name)
    db = duckdb.connect()
    rows = db.execute("SELECT dt, count(*), sum(price), sum(celsius), count(city), sum(len(tags)), min(\"at\") AT TIME ZONE 'UTC', "
                      "bool_and(day = dt) FROM read_parquet('%s/*/*.parquet', hive_partitioning = true) GROUP BY dt "
                      "ORDER BY dt" % copy).fetchall()
    for k, row in enumerate(rows):
        of = [typed(i) for i in range(k, n, 3)]
        same(row, (of[0]["day"], len(of), sum(t["price"] for t in of), sum(t["celsius"] for t in of),
                   sum(t["city"] is not None for t in of), sum(len(t["tags"]) for t in of), of[0]["at"].replace(tzinfo=None),
                   True), "what DuckDB says of " + str(of[0]["day"]))
    same(len(rows), 3, "days")
    shutil.rmtree(copy)


def rows_bytes_and_age_rotate():
    w = Stage(parts=1, rotate__rows=1000)
    w.produce(0, 10000)
    same(w.finish(), 0, "exit")  # of batches that are larger
    w.proves(range(10000))
    same({c["loaded"] for c in w.claims()[0]}, {1000}, "rows of a claim")
    w = Stage(parts=1, rotate__bytes="20KiB")
    w.produce(0, 5000)
    same(w.finish(batch__rows=100), 0, "exit")
    w.proves(range(5000))
    same(len(w.claims()[0]) > 5, True, "more than five claims")
    w = Stage(parts=1, rotate__age="1s")
    p = w.start()
    w.produce(0, 10)
    w.wait_for(10)  # though no record follows
    w.stop(p)
    w.proves(range(10))


def records_lie_in_the_directories_of_their_hours():
    w = Stage(parts=2, partition_by=[{"field": "at", "as": "hour"}, {"field": "station"}])
    w.produce(0, 9000)
    same(w.finish(), 0, "exit")
    w.proves(range(9000))
    for name in w.place.names():
        if name.startswith("_"):
            continue
        day, hour, station, _ = name.split("/")
        for r in read_file(name, w.place.read(name)):
            at = datetime.datetime.fromtimestamp(1700000000 + r["id"], datetime.timezone.utc)
            same((day, hour, station), (at.strftime("dt=%Y-%m-%d"), at.strftime("hour=%H"), "station=" + r["station"]),
                 "directory of %d" % r["id"])
    same(len({n.rsplit("/", 1)[0] for n in w.place.names() if not n.startswith("_")}), 30, "directories")


def flat_names_count():
    w = Stage(parts=1, names="count", rotate__rows=100)
    w.produce(0, 1000)
    same(w.finish(batch__rows=100), 0, "exit")
    w.proves(range(1000))
    same([n for n in w.place.names() if not n.startswith("_")],
         ["%s+0+%010d.jsonl" % (w.name, i) for i in range(10)], "names")


def old_and_new_writers_share_files():
    w = Stage(parts=1, rotate__age="1h")
    old, old_schema = w.id, w.schema
    w.produce(0, 500)
    v2 = {**V1, "fields": V1["fields"] + [{"name": "unit", "type": "string", "default": "C"}]}
    new, new_schema = w.registry.register(w.name + "-value", v2)

    def value(i):
        w.id, w.schema = (old, old_schema) if i % 2 else (new, new_schema)
        r = {"id": i, "station": "s", "at": datetime.datetime.fromtimestamp(1700000000, datetime.timezone.utc)}
        return w.encode(r if i % 2 else {**r, "unit": "F"})
    w.produce(500, 1500, value)
    same(w.finish(), 0, "exit")
    w.proves(range(1500))
    units = [r["unit"] for r in w.records()[0] if r["id"] >= 500]
    same((units.count("F"), units.count("C")), (500, 500), "units of new and old records")
    same(len(w.claims()[0]), 1, "claims")


def what_cannot_be_read_is_set_aside_beside_the_others():
    w = Stage(parts=1, audit=URL)
    w.produce(0, 500)
    w.producer.produce(w.name, b"rubbish", b"k")
    w.producer.produce(w.name, None, b"a tombstone")
    w.produce(500, 600)
    same(w.finish(), 0, "exit")
    w.proves(range(600), rejects=2)
    same([(r["offset"], r["stage"]) for r in w.records()[1]], [(500, "frame"), (501, "tombstone")], "rejects")


def kill_nine_many_times_with_any_rotation():
    w, n, stop = Stage(audit=URL, format=FORMAT), [0], threading.Event()

    def feed():
        while not stop.is_set():
            w.produce(n[0], n[0] + 1000)
            n[0] += 1000
            time.sleep(0.1)
    t = threading.Thread(target=feed)
    t.start()
    killed_at_work = 0
    try:
        for i in range(KILLS):
            before = w.staged()
            p = w.start(**w.static(), batch__rows=random.choice([50, 400, 5000]), batch__age="20ms",
                        rotate__rows=random.choice([100, 1000, 7777]), rotate__age=random.choice(["20ms", "300ms"]))
            if random.random() < 0.8:
                w.wait_for(before + 1, 40)
                killed_at_work += 1
            time.sleep(random.random() * 0.5)
            p.send_signal(signal.SIGKILL)
            p.wait()
    finally:
        stop.set()
        t.join()
    same(w.finish(**w.static()), 0, "exit")
    w.proves(range(n[0]))
    return "%d records, %d claims, %d of %d kills at work" % (n[0], sum(map(len, w.claims().values())), killed_at_work, KILLS)


def a_zombie_that_wakes_stages_nothing_twice():
    w = Stage(parts=1, rotate__age="300ms", batch__age="20ms")
    first = w.start()
    w.produce(0, 500)
    w.wait_for(500)
    stop, n = threading.Event(), [500]

    def feed():
        while not stop.is_set():
            w.produce(n[0], n[0] + 200)
            n[0] += 200
            time.sleep(0.02)
    t = threading.Thread(target=feed)
    t.start()
    try:
        time.sleep(random.random())
        first.send_signal(signal.SIGSTOP)
        at = w.staged()
        second = w.start()
        w.wait_for(at + 2000, 60)
        first.send_signal(signal.SIGCONT)
        w.wait_for(w.staged() + 2000, 60)
    finally:
        stop.set()
        t.join()
    w.wait_for(n[0])
    w.stop(first, second)
    w.proves(range(n[0]))


def two_instances_share_the_work():
    w = Stage(parts=4, rotate__age="300ms", audit=URL)
    a, b = w.start(), w.start()
    for i in range(10):
        w.produce(i * 2000, i * 2000 + 2000)
        time.sleep(0.3)
    w.wait_for(20000)
    w.stop(a, b)
    w.proves(range(20000))
    w.produce(20000, 21000)
    same(w.finish(), 0, "exit")
    w.proves(range(21000))
    same(len({c["instance"] for p in w.claims().values() for c in p}) >= 2, True, "instances")


def the_audit_goes_away_and_staging_goes_on_for_so_long():
    wire = Wire(URL)
    w = Stage(parts=1, audit=wire.url, rotate__age="200ms", etl_log__max_behind="4s")
    w.url = URL  # we ask by another way
    p = w.start()
    w.produce(0, 1000)
    w.wait_for(1000)
    wait("it is in the audit", lambda: w.one("SELECT coalesce(sum(rows_loaded), 0) FROM etl_batch WHERE pipeline = %s", w.name) == 1000)
    wire.away = True
    wire.restart(0)
    w.produce(1000, 1500)
    w.wait_for(1500)  # though nobody writes it down
    same(w.one("SELECT sum(rows_loaded) FROM etl_batch WHERE pipeline = %s", w.name), 1000, "what the audit knows meanwhile")
    wait("it pauses", lambda: "the audit is behind for" in open(w.log().name).read(), 40)
    w.produce(1500, 2000)
    time.sleep(1.5)
    same((w.staged(), p.poll()), (1500, None), "staged after that; it waits")
    wire.away = False
    w.wait_for(2000)
    w.stop(p)
    w.proves(range(2000))
    same(w.one("SELECT count(*) FROM etl_log WHERE job_name = %s", w.name), 1, "one run it was")


def the_audit_may_be_away_and_is_filled_in():
    w = Stage(parts=1, audit=URL, rotate__age="200ms")
    w.produce(0, 1000)
    same(w.finish(), 0, "exit")
    # as if the database had been away just then, and the process had died before it came back
    w.ask("UPDATE etl_log SET records_processed = 0, batches = 0, bytes = 0, partitions = '{}' WHERE job_name = %s", w.name)
    w.ask("DELETE FROM etl_batch WHERE pipeline = %s", w.name)
    w.produce(1000, 2000)
    same(w.finish(), 0, "exit")
    w.proves(range(2000))
    w.ask("DELETE FROM etl_log WHERE job_name = %s", w.name)  # as if the audit had been wished for only now
    w.ask("DELETE FROM etl_batch WHERE pipeline = %s", w.name)
    same(w.finish(), 0, "exit")
    w.proves(range(2000))


def told_to_stop_it_stages_what_it_has():
    w = Stage(rotate__age="1h")
    p = w.start()
    w.produce(0, 5000)
    wait("it has its partitions", lambda: open(w.log().name).read().count('"partition taken"') >= 3)
    time.sleep(3)
    same(w.staged(), 0, "staged before")
    began = time.time()
    w.stop(p)
    same(time.time() - began < 30, True, "without waiting for its hour")
    same(w.staged() > 0, True, "staged after")
    same(w.finish(), 0, "exit")  # what a busy machine had not read by then
    w.proves(range(5000))


def settings_that_cannot_be_are_refused():
    w = Stage()
    same(w.start("--format", "xls").wait(60), 2, "a format nobody knows")
    same(w.start("--place", "ftp://x").wait(60), 2, "a place nobody knows")
    same(w.start(partition_by=[{"field": "at", "as": "week"}]).wait(60), 2, "a rule nobody knows")


run_all([each_format_holds_what_was_on_the_topic, pyarrow_and_duckdb_agree_with_the_source, rows_bytes_and_age_rotate, records_lie_in_the_directories_of_their_hours,
         flat_names_count, old_and_new_writers_share_files, what_cannot_be_read_is_set_aside_beside_the_others,
         kill_nine_many_times_with_any_rotation, a_zombie_that_wakes_stages_nothing_twice, two_instances_share_the_work,
         the_audit_goes_away_and_staging_goes_on_for_so_long, the_audit_may_be_away_and_is_filled_in, told_to_stop_it_stages_what_it_has, settings_that_cannot_be_are_refused],
        workers=4)
