#!/usr/bin/env python3
"""The gateway's answers, byte for byte; /metrics as Prometheus reads it; and strange bodies, each of which gets an answer that
names what was found and what was wanted.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import json, os, subprocess, sys

import world
from world import AVROGATE, CSV, JSON, NDJSON, World, call, check, check_that, make_topic, need, read_topic

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from prometheus_client.parser import text_string_to_metric_families

t = "contract%d" % os.getpid()
SCHEMA = {"type": "record", "name": "Weather", "fields": [{"name": "city", "type": "string"}, {"name": "temperature", "type": "double"}]}
GOOD = '{"city":"Rome","temperature":21}'
BAD = '{"city":"Oslo","temperature":"abc"}'


def problem(offset):
    return ('{"pointer":"/temperature","offset":%d,"expected":"double","found":"string \\"abc\\"","rule":"type",'
            '"message":"/temperature: string \\"abc\\", wanted double (type)"}' % offset)


def bodies(w, schema_id):
    """Names, order and values exactly as documented."""
    schema = '"schema":{"subject":"%s-value","id":%d,"version":1}' % (t, schema_id)
    by_id = '"schema":{"subject":null,"id":%d,"version":null}' % schema_id
    refused = '"error_code":422,"message":"1 of 2 records refused, nothing was written"'
    both = "[%s,%s]" % (GOOD, BAD)
    at = both.index('"abc"')
    rows = [
        ("all good", GOOD, "", 200, '{"accepted":1,"rejected":0,"records":[{"index":0,"partition":0,"offset":0}],%s}' % schema),
        ("reject", both, "", 422, '{"accepted":0,"rejected":1,"records":[{"index":1,"errors":[%s]}],%s,%s}' % (problem(at), schema, refused)),
        ("partial", both, "on_error=partial", 207, '{"accepted":1,"rejected":1,"records":[{"index":0,"partition":0,"offset":1},{"index":1,"errors":[%s]}],%s,'
         '"error_code":207,"message":"1 of 2 records refused, the others were written"}' % (problem(at), schema)),
        ("dlq", both, "on_error=dlq", 207, '{"accepted":1,"rejected":1,"records":[{"index":0,"partition":0,"offset":2},{"index":1,"errors":[%s],"dlq":'
         '{"topic":"%s.dlq","partition":0,"offset":0}}],%s,"dlq":"stored","error_code":207,"message":"1 of 2 records refused, the others were written"}'
         % (problem(at), t, schema)),
        ("a dry run", GOOD, "dry_run=true", 200, '{"accepted":1,"rejected":0,"dry_run":true,"records":[{"index":0}],%s}' % schema),
        ("a dry run that finds something", both, "dry_run=true", 422,
         '{"accepted":0,"rejected":1,"dry_run":true,"records":[{"index":1,"errors":[%s]}],%s,%s}' % (problem(at), schema, refused)),
        ("a pinned id", GOOD, "schema_id=%d" % schema_id, 200, '{"accepted":1,"rejected":0,"records":[{"index":0,"partition":0,"offset":3}],%s}' % by_id),
        ("a pinned version", GOOD, "version=1", 200, '{"accepted":1,"rejected":0,"records":[{"index":0,"partition":0,"offset":4}],%s}' % schema)]
    for what, body, query, status, want in rows:
        a = w.post(t, body, query=query)
        check("%s: %d" % (what, status), (a.status, a.body.decode()), (status, want))
        check("   of type JSON", a.headers["Content-Type"], "application/json")


def dead_letters(w, schema_id):
    m = read_topic(w.kafka, t + ".dlq")[0]
    h = dict(m.headers())
    check("a dead letter is the record as it was sent", m.value().decode(), BAD)
    check("with the errors the client got", json.loads(h["avrogate.errors"]), [json.loads(problem(("[%s,%s" % (GOOD, BAD)).index('"abc"')))])
    check("and where it comes from", {k: h[k].decode() for k in ("avrogate.topic", "avrogate.schema.id", "avrogate.subject", "avrogate.record.index", "content-type")},
          {"avrogate.topic": t, "avrogate.schema.id": str(schema_id), "avrogate.subject": t + "-value", "avrogate.record.index": "1", "content-type": JSON})
    check_that("and when, and in which request", h["avrogate.time"].endswith(b"Z") and len(h["avrogate.request.id"]) == 36, h)


def metrics(w):
    a = call("GET", w.gateway_port, "/metrics")
    check("/metrics has Prometheus' type", (a.status, a.headers["Content-Type"]), (200, "text/plain; version=0.0.4"))
    families = list(text_string_to_metric_families(a.body.decode()))
    found = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}
    check_that("every family says what it is", all(f.type in ("counter", "gauge", "histogram") and f.documentation for f in families), [(f.name, f.type) for f in families])

    def records(outcome):
        return found.get(("avrogate_gateway_records_total", (("outcome", outcome), ("topic", t))))
    check("records are counted by what became of them", {o: records(o) for o in ("written", "refused", "dlq")}, {"written": 5, "refused": 4, "dlq": 1})
    check("requests by status", {s: found.get(("avrogate_gateway_requests_total", (("status", s),))) for s in ("200", "207", "422", "415")},
          {"200": 4, "207": 2, "422": 2, "415": 1})
    count = found.get(("avrogate_gateway_phase_seconds_count", (("phase", "kafka"),)))
    check("and the time Kafka took", count, 5)
    check("a histogram's last bucket is its count", found.get(("avrogate_gateway_phase_seconds_bucket", (("le", "+Inf"), ("phase", "kafka")))), count)
    check("nothing is in flight", found.get(("avrogate_gateway_in_flight_bytes", ())), 0)


def curl(w):
    """As the documents show it."""
    out = subprocess.run(["curl", "-s", "-d", GOOD, "-H", "Content-Type: application/json", "http://127.0.0.1:%d/v1/topics/%s/records?dry_run=true" % (w.gateway_port, t)],
                         capture_output=True, timeout=30).stdout
    check("curl -d gets an answer", json.loads(out)["accepted"], 1)
    out = subprocess.run(["curl", "-s", "-d", GOOD, "http://127.0.0.1:%d/v1/topics/%s/records" % (w.gateway_port, t)], capture_output=True, timeout=30).stdout
    check("without -H it says what is missing", json.loads(out), {"error_code": 415, "message": 'content type "application/x-www-form-urlencoded", '
          "wanted application/json, application/x-ndjson, text/csv, application/avro, application/vnd.avrogate.framed or application/cloudevents+json"})
    help_ = subprocess.run([AVROGATE, "gateway", "--help"], capture_output=True, text=True, timeout=10)
    check_that("--help shows flags and examples", help_.returncode == 0 and "--registry" in help_.stdout and "examples:" in help_.stdout, help_)
    odd = subprocess.run([AVROGATE, "gateway", "--bootstap", "x"], capture_output=True, text=True, timeout=10)
    check_that("a flag it does not know is named", odd.returncode == 2 and "--bootstap" in odd.stderr, odd)


STRANGE = [  # what, body, content type, query, status, words of the answer
    ("a number of 100,001 digits", '{"a":1%s}' % ("0" * 100000), JSON, "", 422, '"rule":"range"'),
    ("an exponent out of this world", '{"d":1e999999999}', JSON, "", 422, '"found":"number 1e999999999"'),
    ("half a million digits behind the point", '{"d":0.%s}' % ("1" * 500000), JSON, "dry_run=true", 200, ""),
    ("100,000 arrays in each other", "[" * 100000, JSON, "", 400, "wanted at most 1024 levels"),
    ("100,000 objects in each other", '{"a":' * 100000, JSON, "", 400, "wanted at most 1024 levels"),
    ("a NUL", "\0", JSON, "", 400, "byte 0x00"),
    ("a NUL in a string", b'{"s":"a\0b"}', JSON, "", 400, "control characters escaped"),
    ("bytes that are no UTF-8", b'{"s":"\xff\xfe"}', JSON, "", 422, '"rule":"utf8"'),
    ("a name that is no UTF-8", b'{"\xff":1}', JSON, "", 422, '"rule":"utf8"'),
    ("a name twice", '{"a":1,"a":2}', JSON, "", 422, '"rule":"duplicate-key"'),
    ("NaN", '{"d":NaN}', JSON, "", 400, "1:6"),
    ("a comment", '{"a":1}//x', JSON, "", 400, "found '/'"),
    ("nothing", "", JSON, "", 400, "the body ends"),
    ("blanks", " \n ", JSON, "", 400, "the body ends"),
    ("an empty array", "[]", JSON, "", 400, "no record"),
    ("a comma before the end", '[{"a":1},]', JSON, "", 400, "1:10"),
    ("more behind the array", '[{"a":1}] x', JSON, "", 400, "1:11: found 'x'"),
    ("two objects", '{"a":1}{"a":2}', JSON, "", 400, "1:8: found '{'"),
    ("an array in the array", '[[{"a":1}]]', JSON, "", 422, '"found":"array"'),
    ("a number", "5", JSON, "", 422, '"found":"number 5"'),
    ("null", "null", JSON, "", 422, '"found":"null"'),
    ("a byte order mark", b'\xef\xbb\xbf{"a":1}', JSON, "dry_run=true", 200, ""),
    ("UTF-16", '{"a":1}'.encode("utf-16"), JSON, "", 400, "byte 0xff"),
    ("no lines at all", "\n\n", NDJSON, "", 400, "no record"),
    ("JSON over three lines, said to be NDJSON", '{\n"a":1\n}', NDJSON, "", 400, '"rule":"json"'),
    ("NDJSON, said to be JSON", '{"a":1}\n{"a":2}', JSON, "", 400, "2:1"),
    ("a broken line between good ones", '{"a":1}\n{"a":\n{"a":3}\n', NDJSON, "on_error=partial&dry_run=true", 207, '"rejected":1'),
    ("CSV, said to be JSON", "a,s\n1,2", JSON, "", 400, "1:1"),
    ("JSON, said to be CSV", '[{"a":1}]', CSV, "", 422, "no field for column"),
    ("no header line", "", CSV, "", 400, "header line"),
    ("a header line alone", "a,s\n", CSV, "", 400, "no record"),
    ("a column twice", "a,a\n1,2\n", CSV, "", 422, 'two columns for field'),
    ("text behind a closing quote", 'a,s\n1,"x"y\n', CSV, "", 400, "line 2, cell 2: text behind the closing quote"),
    ("a quote never closed", 'a,s\n1,"x\n', CSV, "", 400, "line 2, cell 2: the quote is never closed"),
    ("a quote within a cell", 'a,s\n1,x"y\n', CSV, "dry_run=true", 200, ""),
    ("100,000 columns", ",".join("k%d" % i for i in range(100000)) + "\n", CSV, "", 413, "10000 cells"),
    ("a cell too few", "a,s\n1\n", CSV, "", 422, '"rule":"columns"'),
    ("Latin-1 by its name", '{"s":"x"}', "application/json; charset=iso-8859-1", "", 415, "wanted utf-8"),
    ("CSV without header by its name", "1,2", "text/csv; header=absent", "", 415, "wanted CSV with a header line"),
    ("a parameter twice", '{"a":1}', JSON, "on_error=reject&on_error=dlq", 400, "given twice"),
    ("a schema by id and by version", '{"a":1}', JSON, "schema_id=1&version=1", 400, "both given"),
    ("a partition below zero", '{"a":1}', JSON, "partition=-1", 400, "wanted a number from 0"),
    ("100,000 bad records", "[%s]" % ",".join(['{"a":"x"}'] * 100000), JSON, "", 422, '"rejected":100000'),
    ("100,000 unknown fields", "{%s}" % ",".join('"k%d":1' % i for i in range(100000)), JSON, "", 422, '"more_errors":99980')]


def strange_bodies(w):
    s = t + "-strange"
    make_topic(w.kafka, s)
    w.register(s + "-value", {"type": "record", "name": "R", "fields": [{"name": n, "type": ["null", k], "default": None} for n, k in (("a", "long"), ("s", "string"), ("d", "double"))]})
    for what, body, kind, query, status, words in STRANGE:
        a = w.post(s, body, kind, query)
        said = a.body.decode()
        check_that("%s: %d, %s" % (what, status, words or "taken"), a.status == status and words in said, a)
        check_that("   in good time", a.seconds < 30, a.seconds)
    check("and nothing of it was written", read_topic(w.kafka, s), [])
    check("and it lives", call("GET", w.gateway_port, "/readyz").status, 200)


w = World()
try:
    w.start_registry()
    w.start_gateway()
    make_topic(w.kafka, t)
    make_topic(w.kafka, t + ".dlq")
    schema_id = w.register(t + "-value", SCHEMA)
    check("/healthz", (call("GET", w.gateway_port, "/healthz").json, call("GET", w.gateway_port, "/readyz").json), ({"status": "ok"}, {"status": "ready"}))
    bodies(w, schema_id)
    dead_letters(w, schema_id)
    check("another content type", w.post(t, GOOD, "text/plain").status, 415)
    metrics(w)
    curl(w)
    strange_bodies(w)
finally:
    check("both stop when told", w.close(), {"gateway": 0, "registry": 0})
sys.exit(world.failed > 0)
