#!/usr/bin/env python3
"""The spine on real Kafka and Postgres: register, POST, load, audit; then once more, and nothing is added.

Wants AVROGATE (the program), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG; skipped (77) without them.
"""
import json, os, subprocess, sys, tempfile, time, urllib.error, urllib.request

avrogate, kafka, pg = (os.environ.get(n) for n in ("AVROGATE", "AVROGATE_TEST_KAFKA", "AVROGATE_TEST_PG"))
if not (avrogate and kafka and pg):
    print("AVROGATE, AVROGATE_TEST_KAFKA and AVROGATE_TEST_PG are not all set")
    sys.exit(77)
import psycopg2

from ports import free_port

topic = "spine%d" % os.getpid()
at = ["127.0.0.1:%d" % free_port() for _ in range(2)]
registry, gateway = ["http://" + a for a in at]
schema = {"type": "record", "name": "Reading", "fields": [
    {"name": "sensor", "type": "string"},
    {"name": "temperature", "type": "double"},
    {"name": "taken", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "note", "type": ["null", "string"], "default": None}]}
failed = 0


def check(what, got, want):
    global failed
    ok = got == want
    failed += not ok
    print(("ok - " if ok else "not ok - ") + what + ("" if ok else ": %r, wanted %r" % (got, want)))


def call(method, url, body=None, kind="application/json"):
    r = urllib.request.Request(url, body.encode() if body is not None else None, {"Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(r, timeout=30) as a:
            return a.status, json.loads(a.read())
    except urllib.error.HTTPError as a:
        return a.code, json.loads(a.read())


def wait_ready(url):
    for _ in range(600):
        try:
            if call("GET", url + "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("%s is not ready" % url)


def rows(sql):
    with psycopg2.connect(pg) as c, c.cursor() as k:
        k.execute(sql)
        return k.fetchall()


def load(directory):
    path = os.path.join(directory, "pipeline.yaml")
    with open(path, "w") as f:
        f.write("job: %s\nregistry: %s\n"
                "source: {kafka: {bootstrap: \"%s\", topic: %s, group: %s-load}}\n"
                "sink: {postgres: {url: \"%s\", table: %s, mode: append}}\n"
                % (topic, registry, kafka, topic, topic, pg, topic))
    return subprocess.run([avrogate, "load", "-c", path, "--until-end"], timeout=120).returncode


programs = [subprocess.Popen([avrogate, "registry", "--listen", at[0], "--bootstrap", kafka, "--allow-unsafe"]),
            subprocess.Popen([avrogate, "gateway", "--listen", at[1], "--bootstrap", kafka, "--registry", registry])]
try:
    wait_ready(registry)
    wait_ready(gateway)
    status, said = call("POST", "%s/subjects/%s-value/versions" % (registry, topic), json.dumps({"schema": json.dumps(schema)}))
    check("the schema is registered", (status, said.get("id", 0) > 0), (200, True))
    lines = "\n".join(json.dumps({"sensor": "s%d" % (i % 7), "temperature": i / 8, "taken": 1763717400000 + i}) for i in range(5000))
    status, said = call("POST", "%s/v1/topics/%s/records?key_field=sensor" % (gateway, topic), lines, "application/x-ndjson")
    check("5,000 records are accepted", (status, said.get("accepted")), (200, 5000))
    status, said = call("POST", "%s/v1/topics/%s/records" % (gateway, topic), '[{"sensor":"x","temperature":"warm","taken":1}]')
    check("a bad one is refused", (status, said["records"][0]["errors"][0]["pointer"]), (422, "/temperature"))
    status, said = call("POST", "%s/v1/topics/%s/records" % (gateway, topic), "sensor,temperature,taken,note\na,1.5,2026-11-21T09:30:00Z,\n", "text/csv")
    check("a CSV row is accepted", (status, said.get("accepted")), (200, 1))
    wider = dict(schema, fields=schema["fields"] + [{"name": "unit", "type": "string", "default": "C"}])
    status, said = call("POST", "%s/subjects/%s-value/versions" % (registry, topic), json.dumps({"schema": json.dumps(wider)}))
    check("version 2 is registered", status, 200)
    status, said = call("POST", "%s/v1/topics/%s/records?dry_run=true" % (gateway, topic), '{"sensor":"x","temperature":1,"taken":1,"unit":"K"}')
    check("and holds at once, whatever the gateway remembers", (status, said["schema"]["version"]), (200, 2))
    status, said = call("POST", "%s/v1/topics/%s/records?dry_run=true" % (gateway, topic), "sensor,temperature,taken,unit\nx,1,1,K\n", "text/csv")
    check("for CSV too", status, 200)
    with tempfile.TemporaryDirectory() as directory:
        check("the loader ends well", load(directory), 0)
        total = rows('SELECT count(*), sum(temperature) FROM "%s"' % topic)
        check("count and sum are those of the records", total, [(5001, sum(i / 8 for i in range(5000)) + 1.5)])
        check("and so again", load(directory), 0)
        check("a second run adds nothing", rows('SELECT count(*) FROM "%s"' % topic), [(5001,)])
    check("ETL_Log has both runs",
          rows("SELECT status, records_processed FROM etl_log WHERE job_name = '%s' ORDER BY start_time" % topic),
          [("success", 5001), ("success", 0)])
finally:
    for p in programs:
        p.terminate()
    check("both stop when told", [p.wait(60) for p in programs], [0, 0])
sys.exit(failed > 0)
