#!/usr/bin/env python3
"""Quality rules of a pipeline, on real Kafka and Postgres: each form, each severity, kill -9 in the middle against a
model in Python, and staged files.

Wants AVROGATE, AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG; skipped (77) without them.
"""
from stage_world import *

URL = make_database(SERVER, "avrogate_quality")
READING = {"type": "record", "name": "Reading", "fields": [
    {"name": "id", "type": "long"}, {"name": "city", "type": ["null", "string"]},
    {"name": "temp", "type": ["null", "double"]}, {"name": "plate", "type": "string"},
    {"name": "reported", "type": "string"}, {"name": "kind", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def reading(i, **more):
    return {"id": i, "city": "Bern", "temp": 20.5, "plate": "ZH-%d" % i, "reported": "20/11/2026", "kind": "SYNOP",
            "at": NOW, **more}


def put(w, records, partition=0):
    for r in records:
        w.producer.produce(w.name, w.encode(r), partition=partition)
    w.producer.flush()


def results(w):
    """{rule: (severity, checked, failed, errors)}, all runs together."""
    return {r[0]: r[1:] for r in w.ask(
        "SELECT rule, max(severity), sum(checked)::bigint, sum(failed)::bigint, sum(errors)::bigint FROM etl_rule_result "
        "WHERE pipeline = %s GROUP BY 1", w.name)}


def audited(w, **want):
    names = ("loaded", "rejected", "duplicate", "filtered", "quarantined")
    got = w.ask("SELECT %s FROM etl_batch WHERE pipeline = %%s" %
                ", ".join("coalesce(sum(rows_%s), 0)::bigint" % n for n in names), w.name)[0]
    same(dict(zip(names, got)), {n: want.get(n, 0) for n in names}, "etl_batch")
    same(w.one("SELECT coalesce(sum(records_quarantined), 0)::bigint FROM etl_log WHERE job_name = %s", w.name),
         want.get("quarantined", 0), "records_quarantined")
    code, out, err = w.audit("verify", "--job", w.name, "--bootstrap", w.kafka)
    same(code, 0, "audit verify says\n%s%s" % (out, err))


FORMS = [
    {"name": "known", "not_null": ["id", "city"]},
    {"name": "plausible", "range": {"field": "temp", "min": -90, "max": 60}},
    {"name": "plate", "matches": {"field": "plate", "re": "^[A-Z]{2}-[0-9]+$"}},
    {"name": "kind", "one_of": {"field": "kind", "values": ["SYNOP", "METAR"]}},
    {"name": "reported", "timestamp": {"field": "reported", "format": "dd/MM/yyyy"}},
    {"name": "once", "unique": {"key": "id", "last": 100}},
    {"name": "sums", "expr": "message.id / (message.id - 13) < 100"},
    {"name": "recent", "fresh": {"field": "at", "within": "2h"}},
    {"name": "enough", "rows": {"min": 3, "max": 5}},
]


def each_form_catches_its_own():
    w = World(URL, parts=1, schema=READING, quality=FORMS)
    bad = [{"city": None}, {"temp": 61.0}, {"plate": "zh-1"}, {"kind": "?"}, {"reported": "31/11/2026"}, {"id": 1},
           {"id": 13}]
    put(w, [reading(1), reading(2), reading(3, temp=None)] + [reading(20 + i, **b) for i, b in enumerate(bad)])
    same(w.finish(), 0, "exit")
    same(w.ask("SELECT id FROM %s ORDER BY id" % w.name), [(1,), (2,), (3,)], "rows")
    got = w.ask('SELECT id, _errors, _topic, _partition, _offset, _run_id::text, city, at FROM %s_quarantine '
                'ORDER BY _offset' % w.name)
    run = w.one("SELECT run_id::text FROM etl_log WHERE job_name = %s", w.name)
    whys = ["city is null, wanted a value", "temp is 61, wanted from -90 to 60",
            'plate is "zh-1", wanted a match of ^[A-Z]{2}-[0-9]+$', 'kind is "?", wanted one of SYNOP, METAR',
            'reported is "31/11/2026", wanted a date or time as dd/MM/yyyy', "was seen before with id 1, wanted once in 100 offsets",
            "error: divide by zero with id 13, wanted message.id / (message.id - 13) < 100"]
    for i, (row, b) in enumerate(zip(got, bad)):
        same(row[:6], (b.get("id", 20 + i), [{"rule": FORMS[i]["name"], "severity": "quarantine", "why": whys[i]}], w.name,
                       0, 3 + i, run), "quarantined row")
        same(row[6:], (b.get("city", "Bern"), NOW), "its columns")
    same(len(got), len(bad), "quarantined rows")
    want = {f["name"]: ("quarantine", 10, 1, int(f["name"] == "sums")) for f in FORMS[:7]}
    same(results(w), {**want, "recent": ("warn", 1, 0, 0), "enough": ("warn", 1, 0, 0)}, "etl_rule_result")
    audited(w, loaded=3, quarantined=7)
    code, out, _ = w.audit("rules", "--job", w.name, "--json")
    same(code, 0, "exit of audit rules")
    lines = {l["rule"]: l for l in map(json.loads, out.splitlines())}
    same((lines["plausible"]["failed"], lines["plausible"]["last_failed"], lines["plausible"]["wanted"]),
         (1, w.name + "/0@4: temp is 61, wanted from -90 to 60", "temp from -90 to 60"), "audit rules")
    # old and few: warnings, and the run is a success all the same
    put(w, [reading(100, at=NOW - datetime.timedelta(hours=3))])
    same(w.finish(), 0, "exit")
    same([results(w)[n] for n in ("recent", "enough")], [("warn", 2, 1, 0), ("warn", 2, 1, 0)], "warnings")
    same(w.ask("SELECT last_failed FROM etl_rule_result WHERE pipeline = %s AND rule = 'enough' AND failed > 0", w.name),
         [("1 rows, wanted at least 3",)], "why")


def what_the_rules_say_is_told_everywhere():
    copy, port = make_database(SERVER, "avrogate_quality_copy"), free_port()
    rules = [{"name": "known", "not_null": ["city"]}, {"name": "flow", "rows": {"min": 1, "every": "300ms"}},
             {"name": "recent", "severity": "fail", "fresh": {"field": "at", "within": "1h"}}]
    w = World(URL, parts=1, schema=READING, quality=rules, audit__url=copy)
    plan = subprocess.run([AVROGATE, "load", "-c", w.pipeline(), "--plan"], capture_output=True, text=True, timeout=60)
    same(("CREATE TABLE" in plan.stdout, w.name + "_quarantine" in plan.stdout, "_errors jsonb" in plan.stdout),
         (True, True, True), "the plan: %s%s" % (plan.stdout, plan.stderr))
    same(w.one("SELECT to_regclass(%s) IS NULL", w.name + "_quarantine"), True, "a plan makes nothing")
    put(w, [reading(1), reading(2, city=None), reading(3)])
    p = w.start("--listen", "127.0.0.1:%d" % port)
    w.wait_for(2)

    def metric(name):
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port) as r:
            return [l.rsplit(" ", 1) for l in r.read().decode().splitlines() if l.startswith(name) and w.name in l]

    wait("the batch is counted", lambda: metric("avrogate_loader_batches_total"))
    same(metric("avrogate_loader_rule_checked_total"),
         [['avrogate_loader_rule_checked_total{job="%s",rule="known"}' % w.name, "3"]], "checked")
    same(metric("avrogate_loader_rule_failed_total"),
         [['avrogate_loader_rule_failed_total{job="%s",rule="known",severity="quarantine"}' % w.name, "1"]], "failed")
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port) as r:
        same(b"\navrogate_http_connections " in r.read(), True, "its server's too")
    # while it runs: the intervals without a row
    wait("the rule of the interval has failed", lambda: w.ask(
        "SELECT 1 FROM etl_rule_result WHERE pipeline = %s AND rule = 'flow' AND failed >= 2 AND checked > failed", w.name))
    same(w.one("SELECT status FROM etl_log WHERE job_name = %s", w.name), "running", "a warning stops nothing")
    w.stop(p)
    same(w.ask("SELECT rule FROM etl_rule_result WHERE pipeline = %s AND checked > 0 ORDER BY 1", w.name),
         [("flow",), ("known",)], "a run that was told to stop is not asked how fresh it is")
    same(ask_at(copy, "SELECT checked, failed, last_failed FROM etl_rule_result WHERE rule = 'known'"),
         [(3, 1, w.name + "/0@1: city is null, wanted a value")], "the audit's copy")
    put(w, [reading(4, at=NOW - datetime.timedelta(hours=2))])
    same(w.finish(), 1, "exit of a run that is not fresh")
    same('stopped by quality rule "recent": the newest is 72' in w.runs()[-1][2], True, w.runs()[-1][2])
    same(w.rows(), 3, "what it loaded is loaded")
    audited(w, loaded=3, quarantined=1)


def each_severity_does_what_it_says():
    rules = [{"name": "w", "severity": "warn", "not_null": "city"},
             {"name": "n", "severity": "null_field", "range": {"field": "temp", "max": 60}},
             {"name": "f", "severity": "fail", "expr": "message.id != 666"}]
    w = World(URL, parts=1, schema=READING, quality=rules, batch__rows=4)
    put(w, [reading(i, city=None if i == 2 else "Bern", temp=99.0 if i == 3 else 1.5) for i in range(8)])
    same(w.finish(), 0, "exit")
    same(w.ask("SELECT id, city IS NULL, temp FROM %s ORDER BY id" % w.name),
         [(i, i == 2, None if i == 3 else 1.5) for i in range(8)], "rows")
    same(w.one("SELECT to_regclass(%s) IS NULL", w.name + "_quarantine"), True, "no quarantine without such a rule")
    audited(w, loaded=8)
    put(w, [reading(8), reading(9), reading(666), reading(10)])
    same(w.finish(batch__age="2s"), 1, "exit")
    same(w.rows(), 8, "nothing of that batch is loaded")
    why = 'stopped by quality rule "f": %s/0@10: is false with id 666, wanted message.id != 666' % w.name
    status, _, said = w.runs()[-1]
    same((status, why in said), ("failed", True), "the run: %s" % said)
    same(w.ask("SELECT rule FROM etl_rule_result WHERE pipeline = %s AND strpos(stopped, %s) > 0", w.name, why),
         [("f",)], "stopped")
    same(results(w), {"w": ("warn", 8, 1, 0), "n": ("null_field", 8, 1, 0), "f": ("fail", 8, 0, 0)}, "etl_rule_result")
    # a run that is too small fails, and what it loaded is loaded
    same(w.finish(quality=[{"name": "enough", "severity": "fail", "rows": {"min": 100}}]), 1, "exit")
    same(w.rows(), 12, "rows")
    same(w.runs()[-1][2], 'stopped by quality rule "enough": 4 rows, wanted at least 100', "why")
    audited(w, loaded=12)


def a_rule_that_does_not_fit_stops_the_run_and_says_where():
    w = World(URL, parts=1, schema=READING)
    put(w, [reading(i) for i in range(5)])

    def refused(rule, code, text):
        path = w.pipeline(quality=[rule])
        p = subprocess.run([AVROGATE, "load", "-c", path, "--until-end"], capture_output=True, text=True, timeout=60)
        same((p.returncode, text in p.stderr), (code, True), "of %s: %s" % (rule, p.stderr))

    refused({"name": "a", "nut_null": "id"}, 2, 'quality rule "a": unknown key "nut_null"')
    refused({"name": "a", "expr": "message.town == 'x'"}, 1, 'quality rule "a": 1:9: no field "town" in record Reading')
    refused({"name": "a", "severity": "null_field", "range": {"field": "id", "min": 1}}, 1, "field id cannot be null")
    same(w.rows(), 0, "rows")
    # the schema grows: quarantine and rules go along; it loses what a rule asks for: said, and nothing is lost
    rules = [{"name": "kind", "one_of": {"field": "kind", "values": ["SYNOP"]}}]
    same(w.finish(quality=rules), 0, "exit")
    more = {**READING, "fields": READING["fields"] + [{"name": "note", "type": "string", "default": "-"}]}
    w.id, w.schema = w.registry.register(w.name + "-value", more)
    put(w, [reading(10, note="n", kind="?"), reading(11, note="m")])
    same(w.finish(quality=rules), 0, "exit")
    same(w.ask("SELECT id, note FROM %s_quarantine" % w.name), [(10, "n")], "quarantine")
    less = {**READING, "fields": [f for f in READING["fields"] if f["name"] != "kind"]}
    w.id, w.schema = w.registry.register(w.name + "-value", less)
    put(w, [reading(12)])
    same(w.finish(quality=rules), 1, "exit")
    said = w.runs()[-1][2]
    same('quality rule "kind": the schema has no field "kind"' in said, True, said)
    audited(w, loaded=6, quarantined=1)


class Model:
    """What the rules below say of each record, in Python."""
    rules = [{"name": "cold", "range": {"field": "temp", "min": 0}},
             {"name": "once", "unique": {"key": "id", "last": 50}},
             {"name": "city", "severity": "warn", "not_null": "city"},
             {"name": "hot", "severity": "null_field", "range": {"field": "temp", "max": 60}}]

    def __init__(self):
        self.rows, self.aside, self.failed, self.n, self.seen = [], [], dict.fromkeys(("cold", "once", "city", "hot"), 0), 0, {}

    def put(self, partition, offset, r):
        self.n += 1
        cold = r["temp"] is not None and r["temp"] < 0
        hot = r["temp"] is not None and r["temp"] > 60
        last = self.seen.get((partition, r["id"]))
        once = last is not None and offset - last <= 50
        for name, is_bad in (("cold", cold), ("once", once), ("city", r["city"] is None), ("hot", hot)):
            self.failed[name] += is_bad
        if cold or once:
            self.aside.append((partition, offset, r["id"]))
        else:
            self.rows.append((r["id"], r["city"], None if hot else r["temp"]))
            self.seen[partition, r["id"]] = offset


def random_readings(n):
    return [reading(random.randrange(60), city=random.choice([None, "Bern"]), temp=random.choice([None, -1.0, 5.5, 61.0]))
            for _ in range(n)]


def killed_in_the_middle_the_counts_are_those_of_a_model(rounds=int(os.environ.get("ROUNDS", 4))):
    w = World(URL, parts=2, schema=READING, quality=Model.rules, batch__age="20ms", config={"retention.ms": "-1"})
    model, offsets = Model(), [0, 0]
    for turn in range(rounds + 1):
        for r in random_readings(600):
            partition = random.randrange(2)
            w.producer.produce(w.name, w.encode(r), partition=partition)
            model.put(partition, offsets[partition], r)
            offsets[partition] += 1
        w.producer.flush()
        if turn == rounds:
            break
        before = w.one("SELECT coalesce(sum(next_offset), 0)::bigint FROM etl_offsets WHERE pipeline = %s", w.name) if turn else 0
        p = w.start(batch__rows=random.choice([1, 7, 40]), **w.static())
        wait("something is loaded", lambda: w.one("SELECT to_regclass('etl_offsets') IS NOT NULL") and w.one(
            "SELECT coalesce(sum(next_offset), 0)::bigint FROM etl_offsets WHERE pipeline = %s", w.name) > before)
        time.sleep(random.uniform(0, 0.3))
        p.kill()
        p.wait()
    same(w.finish(batch__rows=100, **w.static()), 0, "exit")
    key = lambda x: tuple((v is not None, v) for v in x)
    same(sorted(w.ask("SELECT id, city, temp FROM " + w.name), key=key), sorted(model.rows, key=key), "rows")
    same(w.ask("SELECT _partition, _offset, id FROM %s_quarantine ORDER BY 1, 2" % w.name), sorted(model.aside), "quarantine")
    got = {name: (r[1], r[2]) for name, r in results(w).items()}
    same(got, {name: (model.n, n) for name, n in model.failed.items()}, "etl_rule_result")
    same(w.one("SELECT count(*) FROM etl_rule_seen WHERE pipeline = %s AND last_offset < %s - 60", w.name, min(offsets)), 0,
         "what is remembered for longer than it is asked for")
    audited(w, loaded=len(model.rows), quarantined=len(model.aside))
    return "%d records" % model.n


def a_commit_whose_answer_is_lost_is_counted_once():
    wire = Wire(URL)
    w = World(URL, parts=1, schema=READING, quality=Model.rules, batch__rows=50, batch__age="50ms",
              sink__postgres__url=wire.url)
    model, offset, p = Model(), 0, w.start()
    for turn in range(5):
        wire.cut = turn > 0
        for r in random_readings(100):
            w.producer.produce(w.name, w.encode(r), partition=0)
            model.put(0, offset, r)
            offset += 1
        w.producer.flush()
        wait("offset %d" % offset, lambda: turn + w.rows() and w.ask(
            "SELECT 1 FROM etl_offsets WHERE pipeline = %s AND next_offset = %s", w.name, offset))
        wait("the line was cut", lambda: wire.cuts == turn)
    w.stop(p)
    same(w.rows(), len(model.rows), "rows")
    same(w.ask("SELECT _partition, _offset, id FROM %s_quarantine ORDER BY 1, 2" % w.name), sorted(model.aside), "quarantine")
    same({name: (r[1], r[2]) for name, r in results(w).items()},
         {name: (model.n, n) for name, n in model.failed.items()}, "etl_rule_result")
    audited(w, loaded=len(model.rows), quarantined=len(model.aside))


def an_upsert_asks_its_rules_too():
    w = World(URL, parts=1, schema=READING, quality=Model.rules[:1], sink__postgres__mode="upsert",
              sink__postgres__key=["id"], sink__postgres__tombstones="delete", sink__postgres__quarantine="put_aside")
    put(w, [reading(1, temp=5.0), reading(1, temp=-5.0), reading(2), reading(2, temp=7.0)])
    w.producer.produce(w.name, None, b"1")
    w.producer.flush()
    same(w.finish(), 0, "exit")
    same(w.ask("SELECT id, temp FROM " + w.name), [(2, 7.0)], "rows")
    same(w.ask("SELECT id, temp FROM put_aside"), [(1, -5.0)], "quarantine")
    same(results(w), {"cold": ("quarantine", 4, 1, 0)}, "a tombstone is not asked")


def staged_files_have_a_quarantine_too(rounds=int(os.environ.get("ROUNDS", 3))):
    w = Stage(parts=2, schema=READING, audit=URL, quality=Model.rules, rotate__rows=170, rotate__age="200ms")
    model, offsets = Model(), [0, 0]
    staged = lambda: sum(c["last"] + 1 - c["first"] for p in w.claims().values() for c in p)
    for turn in range(rounds + 1):
        for r in random_readings(500):
            partition = random.randrange(2)
            w.producer.produce(w.name, w.encode(r), partition=partition)
            model.put(partition, offsets[partition], r)
            offsets[partition] += 1
        w.producer.flush()
        if turn < rounds:
            had = staged()
            p = w.start(batch__rows=random.choice([7, 40]), **w.static())
            wait("something is staged", lambda: staged() > had)
            p.kill()
            p.wait()
    same(w.finish(batch__rows=50, **w.static()), 0, "exit")
    records, lines = w.records()
    key = lambda x: tuple((v is not None, v) for v in x)
    same(sorted(((r["id"], r["city"], r["temp"]) for r in records), key=key), sorted(model.rows, key=key), "records")
    same(sorted((l["_partition"], l["_offset"], l["id"]) for l in lines), sorted(model.aside), "quarantine")
    same(all(l["_topic"] == w.name and l["plate"] and all(e["why"] for e in l["_errors"]) for l in lines), True, "its columns")
    got = {name: (r[1], r[2]) for name, r in results(w).items()}
    same(got, {name: (model.n, n) for name, n in model.failed.items()}, "etl_rule_result")
    audited(w, loaded=len(model.rows), quarantined=len(model.aside))
    # a rule that says stop: nothing of what was gathered is staged
    had = staged()
    put(w, [reading(1000), reading(666)])
    same(w.finish(quality=[{"name": "f", "severity": "fail", "expr": "message.id != 666"}], rotate__age="1h", **w.static()), 1, "exit")
    same((staged(), w.runs()[-1][0]), (had, "failed"), "after a stop")
    return "%d records" % model.n


run_all([each_form_catches_its_own, what_the_rules_say_is_told_everywhere, each_severity_does_what_it_says,
         a_rule_that_does_not_fit_stops_the_run_and_says_where, killed_in_the_middle_the_counts_are_those_of_a_model,
         a_commit_whose_answer_is_lost_is_counted_once, an_upsert_asks_its_rules_too, staged_files_have_a_quarantine_too])
