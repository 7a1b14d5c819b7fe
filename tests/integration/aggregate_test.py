#!/usr/bin/env python3
"""Running aggregates on real Kafka: exact after kill -9, printed, served, by window; what cannot be counted is set aside."""
from aggregate_world import *
from confluent_kafka import Consumer, TopicPartition


def the_table_is_what_the_records_come_to_and_a_second_run_adds_nothing():
    w = Invoices()
    w.many(3000)
    for _ in range(2):
        names, rows = printed(w.run())
        same(names, ["customer", "invoices", "revenue", "least", "pieces", "newest"], "columns")
        same([r[:5] for r in rows], [[str(v) for v in r.values()] for r in w.model()], "rows")


def two_instances_killed_again_and_again_count_each_record_once():
    w, stop = Invoices(), threading.Event()
    w.many(1)

    def feed():
        while not stop.is_set():
            w.many(500)
            time.sleep(0.05)
    t = threading.Thread(target=feed)
    t.start()
    try:
        live = [w.start(), w.start()]
        for i in range(3):
            time.sleep(1 + random.random())
            live[i % 2].send_signal(signal.SIGKILL)
            live[i % 2].wait()
            live[i % 2] = w.start()
    finally:
        stop.set()
        t.join()
    for p in live:  # one in order, so that the other has all of it
        p.send_signal(signal.SIGKILL)
        p.wait()
    p, url = w.serve()
    wait("all of it is counted", lambda: without_newest(all_rows(url)) == w.model(), 60, 0.2)
    w.stop(p)
    return "%d records" % len(w.sent)


def rows_are_served_by_page_and_by_key():
    w = Invoices()
    w.many(500, 20)
    w.invoice("a/b c", 125, 7, partition=0)
    w.producer.flush()
    p, url = w.serve()
    wait("the table", lambda: without_newest(all_rows(url, 7)) == w.model(), 60, 0.1)
    row = {"customer": "a/b c", "invoices": 1, "revenue": "1.25", "least": "1.25", "pieces": "7", "newest": 7}
    same(get(url + "/aggregate/rows/a%2Fb%20c"), (200, {"rows": [row], "next": None}), "one key")
    same(get(url + "/aggregate/rows?customer=a%2Fb+c"), (200, {"rows": [row], "next": None}), "the same")
    same(get(url + "/aggregate/rows/nobody")[0], 404, "no such key")
    for bad in ("limit=0", "limit=x", "limit=10001", "after=zz", "city=Bern"):
        same(get(url + "/aggregate/rows?" + bad)[0], 400, bad)
    about = get(url + "/aggregate")[1]
    same((about["rows"], about["records"], about["late"], about["fields"][2]),
         (21, 501, 0, {"name": "revenue", "function": "sum", "type": "decimal(2)"}), "about it")
    wait("ready", lambda: get(url + "/readyz")[0] == 200)
    with urllib.request.urlopen(url + "/metrics") as r:
        same("avrogate_http_requests_queued 0" in r.read().decode().splitlines(), True, "nothing waits for a worker")
    w.stop(p)


def windows_close_after_their_grace_also_across_a_restart():
    w = Invoices(aggregate__window={"size": "60s", "grace": "10s"}, aggregate__time_field="at",
                 aggregate__columns={"invoices": "count"})
    minute = 1700000040000  # a whole one

    def send(*seconds):
        for s in seconds:
            w.invoice("a", 100, at=minute + s * 1000, partition=0)
        w.producer.flush()
    send(0, 59, 60, 69)
    same([r[3] for r in printed(w.run())[1]], ["2", "2"], "two windows")
    send(59)  # within the grace of what was seen before the restart
    same([r[3] for r in printed(w.run())[1]], ["3", "2"], "late, and in time")
    send(70)
    w.run()
    send(59)
    same([r[3] for r in printed(w.run())[1]], ["3", "3"], "too late")
    p, url = w.serve()
    counted = lambda about: (about["records"], about["late"]) if about else None
    wait("6 counted, 1 late", lambda: counted(get(url + "/aggregate")[1]) == (6, 1))
    rows = wait("rows", lambda: all_rows(url))
    same(rows[0], {"customer": "a", "window_start": "2023-11-14T22:14:00Z", "window_end": "2023-11-14T22:15:00Z", "invoices": 3}, "row")
    w.stop(p)


def what_cannot_be_counted_is_set_aside_in_the_same_transaction():
    w = Invoices(parts=1, unknown_schema_wait="100ms")
    w.more["dead_letters"] = w.name + ".dlq"
    w.invoice("a", 100)
    bad = [b"no frame", struct.pack(">bI", 0, 4711) + b"x", w.encode({"customer": "b", "total": b"\1", "pieces": 1, "at": 1})[:-1], None]
    for value in bad:
        w.producer.produce(w.name, value, b"key", headers={"from": b"here"})
    w.invoice("a", 200)
    w.producer.flush()
    for _ in range(2):
        same([r[:3] for r in printed(w.run())[1]], [["a", "2", "3.00"]], "rows")
    c = Consumer({"bootstrap.servers": KAFKA, "group.id": w.name + "r", "isolation.level": "read_committed", "log_level": 0})
    c.assign([TopicPartition(w.name + ".dlq", 0, 0)])
    letters = []
    wait("dead letters", lambda: letters.extend(m for m in c.consume(10, 0.5) if not m.error()) or len(letters) >= 4)
    time.sleep(0.2)
    letters.extend(m for m in c.consume(10, 0.5) if not m.error())
    c.close()
    same([m.value() for m in letters], bad, "letters")
    stages = [json.loads(dict(m.headers())["avrogate.errors"])[0]["rule"] for m in letters]
    same(stages, ["frame", "schema", "decode", "tombstone"], "stages")
    same(dict(letters[3].headers())["avrogate.offset"], b"4", "where it was")
    same(dict(letters[3].headers())["from"], b"here", "its own header")


def another_table_is_not_taken_for_ours():
    w = Invoices(parts=1)
    w.invoice("a", 100)
    w.producer.flush()
    w.run()
    # also when no record came that would bring a schema; the second is of other types alone
    same(w.start("--until-end", aggregate__columns={"n": "count"}).wait(60), 1, "exit with other columns")
    w.invoice("a", 100)
    w.producer.flush()
    same(w.start("--until-end", aggregate__columns={**COLUMNS, "pieces": "sum(total)"}).wait(60), 1, "exit with another type")
    with open(w.log().name) as log:
        same(log.read().count('"aggregate failed","reason":"%s-changelog/0 holds another table' % w.name) >= 2, True, "the reason is said")


def a_key_that_is_no_field_is_said_at_once():
    w = Invoices(parts=1)
    w.invoice("a", 100)
    w.producer.flush()
    p = w.start("--until-end", aggregate__key=["nope"], sink__postgres={"url": make_database(SERVER, "aggregate"), "table": "t"})
    same(p.wait(40), 1, "exit")  # it waited a minute for a table that there would never be


def a_topic_that_was_made_anew_is_not_taken_for_the_old_one():
    w = Invoices(parts=1)
    for i in range(3):
        w.invoice("a", 100)
    w.producer.flush()
    w.run()
    for f in w.admin.delete_topics([w.name]).values():
        f.result()
    wait("it is gone", lambda: w.name not in w.admin.list_topics(timeout=10).topics)
    w.create(1, {"retention.ms": "-1"})
    for n in (2, 3):  # shorter than the old one, longer
        for i in range(n):
            w.invoice("b", 7)
        w.producer.flush()
        same(w.start("--until-end").wait(60), 1, "exit")
    with open(w.log().name) as log:
        said = log.read()
    same(("it is not the topic it was" in said, "is not the record that was counted" in said), (True, True), "the reasons are said")


def a_condition_says_what_counts():
    w = Invoices(parts=1, aggregate__where="message.pieces > 1")
    for i in range(4):
        w.invoice("a", 100, i)
    w.producer.flush()
    same([r[:3] for r in printed(w.run())[1]], [["a", "2", "2.00"]], "rows")


def records_are_transformed_before_they_are_counted():
    w = Invoices(parts=1)
    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as f:
        f.write("number,region\n0,east\n1,west\n")
    w.files.append(f.name)
    w.more.update(dead_letters=w.name + ".dlq", aggregate__key=["region", "day"], aggregate__where="message.net > 5.0",
                  aggregate__columns={"invoices": "count", "net": "sum(net)", "most": "max(total)"}, transform=[
        {"filter": "pieces > 0"},
        {"compute": {"number": "pieces % 3", "day": "customer"}},
        {"cast": {"number": "string", "total": "double"}},
        {"lookup": {"file": f.name, "on": {"number": "number"}, "take": {"region": "place"}, "missing": "filter"}},
        {"parse": {"day": {"as": "date", "format": "dd/MM/yyyy"}}},
        {"rename": {"place": "region"}},
        {"compute": {"net": "total * 0.5"}},
        {"select": ["region", "day", "net", "total"]}])
    want = {}
    for i in range(60):
        w.invoice("%02d/11/2026" % (20 + i % 2), 100 * i, i - 3)
        if i > 10 and (i - 3) % 3 < 2:
            key = ("east west".split()[(i - 3) % 3], "2026-11-%d" % (20 + i % 2))
            n, net, most = want.get(key, (0, 0, 0))
            want[key] = (n + 1, net + i / 2, max(most, i))
    w.invoice("31/02/2026", 100, 1)
    w.producer.flush()
    for _ in range(2):
        names, rows = printed(w.run())
        same(names, ["region", "day", "invoices", "net", "most"], "columns")
        same({(r[0], r[1]): (int(r[2]), float(r[3]), float(r[4])) for r in rows}, want, "rows")
    p, url = w.serve()
    counted = sum(r[0] for r in want.values())
    counts = lambda a: a and (a["records"], a["rejected"], a["filtered"])
    wait("counted, set aside, let go", lambda: counts(get(url + "/aggregate")[1]) == (counted, 1, 60 - counted))
    w.stop(p)
    c = Consumer({"bootstrap.servers": KAFKA, "group.id": w.name + "r", "isolation.level": "read_committed", "log_level": 0})
    c.assign([TopicPartition(w.name + ".dlq", 0, 0)])
    letter = wait("the letter", lambda: [m for m in c.consume(1, 0.5) if not m.error()])[0]
    c.close()
    error = json.loads(dict(letter.headers())["avrogate.errors"])[0]
    same((error["rule"], error["pointer"], "transform 5:parse" in error["message"]), ("transform", "/day", True), error)


def killed_in_the_middle_of_a_window_dedupe_remembers():
    """What was sent twice counts once, also across kill -9; what the window no longer covers counts again."""
    w = Invoices(parts=1, state__commit="20ms", transform=[{"dedupe": {"key": ["customer", "pieces"], "last": 250}}])
    w.more["kafka"] = dict(FAST, **{"group.instance.id": "a"})  # it need not wait until its dead self is missed
    group, low = Consumer({"bootstrap.servers": KAFKA, "group.id": w.name, "log_level": 0}), 0
    for high, want in ((130, 100), (270, 100), (390, 190), (900, 300)):
        for i in range(low, high):  # each block of 300 has 100 of them three times, 100 apart; they come again 600 later
            w.invoice("c%d" % (i % 10), 100, i // 300 % 2 * 100 + i % 100, partition=0)
        w.producer.flush()
        p, url = w.serve()
        wait("%d records" % high, lambda: group.committed([TopicPartition(w.name, 0)], timeout=10)[0].offset == high)
        wait("%d counted of %d" % (want, high), lambda: sum(r["invoices"] for r in all_rows(url) or []) == want)
        p.kill()
        p.wait()
        low = high
    group.close()


def a_sample_shows_the_table_and_writes_nothing():
    w = Invoices(parts=2, transform=[{"filter": "pieces != 7"}, {"dedupe": {"key": ["customer", "pieces"]}}, {"rename": {"total": "sum"}}],
                 aggregate={"key": ["customer"], "columns": {"n": "count", "revenue": "sum(sum)"}}, dead_letters="dead")
    w.more["dead_letters"] = w.name + ".dlq"
    sample = lambda n: subprocess.run([AVROGATE, "aggregate", "-c", w.file(), "--sample", str(n)], capture_output=True, text=True, timeout=60)
    same(sample(5).stdout, "the topic is empty\n", "of nothing")
    for i in range(4):  # 1: a, 2: b, 3: a, 4: b
        w.invoice("ab"[i % 2], 100 * i, i, partition=i % 2)
    w.invoice("a", 10 ** 6, 2, partition=0)  # as the third
    w.invoice("b", 10 ** 6, 7, partition=1)
    w.producer.produce(w.name, b"rubbish", partition=1)
    w.producer.flush()
    ours = lambda: {t for t in w.admin.list_topics(timeout=10).topics if t.startswith(w.name)}  # others make theirs meanwhile
    before = ours()
    p = sample(6)
    same((p.returncode, p.stderr if p.returncode else ""), (0, ""), "exit")
    same(p.stdout.replace(w.name, "t").splitlines(), [
        "t/1@3 set aside (frame): frame starts with 0x72, not 0x00",
        "+--------+-+-------+", "|customer|n|revenue|", "+--------+-+-------+", "|a       |2|   2.00|", "|b       |1|   3.00|", "+--------+-+-------+",
        "6 records of t (0@0-2, 1@1-3): 3 counted, 0 late, 2 filtered, 1 set aside.  Nothing was written."], "sample")
    same(ours() - before, set(), "topics made")
    same([g.group_id for g in w.admin.list_consumer_groups().result().valid if g.group_id == w.name], [], "groups made")
    w.more["aggregate"] = {"key": ["customer"], "columns": {"n": "sum(nobody)"}}
    p = sample(6)
    same((p.returncode, "nobody" in p.stderr), (1, True), "what does not fit: " + p.stderr)


def transforms_that_do_not_fit_stop_the_run():
    w = Invoices(parts=1)
    w.invoice("a", 100)
    w.producer.flush()
    for steps, word in (([{"select": ["nobody"]}], "transform 1:select"), ([{"drop": ["total"]}], "sum(total): no such field"),
                        ([{"selct": ["total"]}], "selct")):
        p = subprocess.run([AVROGATE, "aggregate", "-c", w.file(transform=steps), "--until-end"], capture_output=True, text=True, timeout=60)
        same((p.returncode in (1, 2), word in p.stderr), (True, True), "exit %d, and what it said: %s" % (p.returncode, p.stderr))


def postgres_has_the_table_whoever_writes_it():
    url, w, stop = make_database(SERVER, "aggregate"), Invoices(), threading.Event()
    w.more.update(sink__postgres={"url": url, "table": w.name})
    w.many(1)

    def feed():
        while not stop.is_set():
            w.many(300)
            time.sleep(0.05)
    t = threading.Thread(target=feed)
    t.start()
    try:
        live = [w.start(), w.start()]
        for i in range(2):
            time.sleep(1.5)
            live[i % 2].send_signal(signal.SIGKILL)
            live[i % 2].wait()
            live[i % 2] = w.start()
    finally:
        stop.set()
        t.join()
    want = [tuple(r.values()) for r in w.model()]
    wait("the rows", lambda: written(url, w) == want, 60, 0.2)
    w.stop(*live)
    w.invoice("z", 5)
    w.producer.flush()
    same(w.start("--until-end").wait(60), 0, "exit")
    same(written(url, w), [tuple(r.values()) for r in w.model()], "rows after a run")
    # the audit: every record in a range, ranges without gap, sums as the state has them
    p = subprocess.run([AVROGATE, "audit", "verify", "--job", w.name, "--url", url, "--bootstrap", KAFKA], capture_output=True, text=True, timeout=60)
    same(p.returncode, 0, "audit verify says\n%s%s" % (p.stdout, p.stderr))
    same(ask_at(url, "SELECT sum(rows_loaded)::bigint, sum(rows_rejected)::bigint FROM etl_batch"), [(len(w.sent), 0)], "audited")
    same(ask_at(url, "SELECT status FROM etl_log ORDER BY start_time DESC LIMIT 1"), [("success",)], "the last run")


def a_late_writer_of_the_table_writes_nothing():
    url, w = make_database(SERVER, "aggregate"), Invoices(parts=1)
    w.more.update(sink__postgres={"url": url, "table": w.name})
    w.invoice("a", 100)
    w.producer.flush()
    first = w.start()
    wait("a row", lambda: written(url, w, "customer, invoices") == [("a", 1)])
    first.send_signal(signal.SIGSTOP)
    second = w.start()
    w.invoice("a", 100)
    w.producer.flush()
    wait("the second's row", lambda: written(url, w, "customer, invoices") == [("a", 2)], 40)
    first.send_signal(signal.SIGCONT)
    w.invoice("a", 100)
    w.producer.flush()
    wait("all", lambda: written(url, w, "customer, invoices") == [("a", 3)], 40)
    w.stop(first, second)


def rows_are_published_as_framed_avro():
    w = Invoices(aggregate__window={"size": "60s"}, aggregate__time_field="at")
    w.more["sink__kafka"] = {"topic": w.name + ".out"}
    for i in range(30):
        w.invoice("c%d" % (i % 3), 100 * i, i, at=1700000040000 + i * 10000)
    w.producer.flush()
    rows = {}
    for _ in range(2):
        same(w.start("--until-end").wait(60), 0, "exit")
        c = Consumer({"bootstrap.servers": KAFKA, "group.id": w.name + "r", "isolation.level": "read_committed", "log_level": 0,
                      "enable.partition.eof": True})
        c.assign([TopicPartition(w.name + ".out", p, 0) for p in range(3)])
        ends, n = 0, 0
        while ends < 3:
            m = c.poll(10)
            if m.error():
                ends += 1
                continue
            n += 1
            read = lambda b: fastavro.schemaless_reader(io.BytesIO(b[5:]), json.loads(w.registry.schemas[struct.unpack(">I", b[1:5])[0]]))
            key, value = read(m.key()), read(m.value())
            same({k: value[k] for k in key}, key, "the key's fields")
            rows[tuple(key.values())] = value
        c.close()
        same(n, len(rows), "each row once, also after a second run")
    want = {}
    for i in range(30):
        r = want.setdefault(("c%d" % (i % 3), i // 6), [0, 0])
        r[0] += 1
        r[1] += 100 * i
    got = {(v["customer"], (int(v["window_start"].timestamp()) - 1700000040) // 60): [v["invoices"], int(v["revenue"] * 100)] for v in rows.values()}
    same(got, want, "rows")


def a_reset_counts_anew_and_a_crash_in_it_is_harmless():
    url, w = make_database(SERVER, "aggregate"), Invoices()
    w.more.update(sink__postgres={"url": url, "table": w.name}, sink__kafka={"topic": w.name + ".out"})
    w.many(600, 20)

    def reset(*args, **more):
        return subprocess.Popen([AVROGATE, "aggregate", "reset", "-c", w.file(**more), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def said(p, code, *words):
        out = "".join(p.communicate(timeout=60))
        same((p.returncode, [word for word in words if word not in out]), (code, []), "exit, and what it did not say of\n" + out)

    def published():
        c = Consumer({"bootstrap.servers": KAFKA, "group.id": w.name + "r", "isolation.level": "read_committed", "log_level": 0, "enable.partition.eof": True})
        c.assign([TopicPartition(w.name + ".out", p, 0) for p in range(3)])
        rows, ends = {}, 0
        read = lambda b: fastavro.schemaless_reader(io.BytesIO(b[5:]), json.loads(w.registry.schemas[struct.unpack(">I", b[1:5])[0]]))
        while ends < 3:
            m = c.poll(10)
            if m.error():
                ends += 1
            elif m.value() is None:
                rows.pop(m.key(), None)
            else:
                rows[m.key()] = read(m.value())
        c.close()
        return sorted(tuple(r.values()) for r in rows.values())

    want = [tuple(r.values()) for r in w.model()]
    same(w.start("--until-end").wait(60), 0, "exit")
    same(written(url, w), want, "rows")
    said(reset(), 1, "partition 2: from 0", "table %s: 20 rows deleted" % w.name, "%s.out: 20 rows deleted" % w.name, "--yes does it")
    same(written(url, w), want, "rows, still")
    for after in (0.05, 0.2, 0.4, 0.8):  # each time the table is there again, the old one or a new one
        p = reset("--yes")
        time.sleep(after)
        p.kill()
        p.communicate()
        same(w.start("--until-end").wait(60), 0, "exit")
        same(written(url, w), want, "rows after a reset that was killed after %.2f s" % after)
    same([r[:5] for r in printed(w.run())[1]], [[str(v) for v in r] for r in want], "printed")
    # another table: other columns, fewer rows; none of the old ones stays anywhere
    other = {"aggregate__columns": {"invoices": "count", "most": "max(pieces)"}, "aggregate__where": "message.customer < 'c010'"}
    few = {}
    for customer, _, pieces in w.sent:
        if customer < "c010":
            n, most = few.get(customer, (0, 0))
            few[customer] = (n + 1, max(most, pieces))
    few = sorted((c, *v) for c, v in few.items())
    live, at = w.serve()
    wait("it runs", lambda: (get(at + "/aggregate")[1] or {"records": 0})["records"] == 600)
    said(reset("--yes", **other), 1, "stop them first")
    w.stop(live)
    said(reset("--yes", "--reason", "other columns", **other), 0, "changelog %s-changelog: deleted" % w.name)
    same(w.start("--until-end", **other).wait(60), 0, "exit")
    same(ask_at(url, "SELECT customer, invoices, most FROM %s ORDER BY 1" % w.name), few, "rows of the other table")
    same(published(), few, "published of the other table")
    p = subprocess.run([AVROGATE, "audit", "verify", "--job", w.name, "--url", url, "--bootstrap", KAFKA], capture_output=True, text=True, timeout=60)
    same(p.returncode, 0, "audit verify says\n%s%s" % (p.stdout, p.stderr))
    newest = "(part, generation) IN (SELECT part, max(generation) FROM etl_offsets GROUP BY 1)"
    same(ask_at(url, "SELECT sum(rows_in)::bigint, sum(rows_loaded)::bigint FROM etl_batch WHERE " + newest), [(600, sum(r[1] for r in few))], "audited")
    same(ask_at(url, "SELECT count(*), min(goes_on), max(reason) FROM etl_reset WHERE %s" % newest), [(3, 0, "other columns")], "the reset is in the audit")


FIRST = [two_instances_killed_again_and_again_count_each_record_once, postgres_has_the_table_whoever_writes_it,
         a_reset_counts_anew_and_a_crash_in_it_is_harmless, a_late_writer_of_the_table_writes_nothing]  # they take longest
run_all(FIRST + [v for v in list(globals().values()) if callable(v) and getattr(v, "__module__", "") == "__main__" and v not in FIRST], 5)
