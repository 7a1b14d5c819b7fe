#!/usr/bin/env python3
"""Bodies of every kind, packed or not: Avro container files, frames, CloudEvents; and what of a request travels beside its records.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import base64, gzip, io, json, os, struct, subprocess, sys, tempfile, zlib

import fastavro

import world
from world import CSV, JSON, NDJSON, World, call, check, check_that, make_topic, need, read_topic, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from backports import zstd

OCF, FRAMED, EVENT, EVENTS = "application/avro", "application/vnd.avrogate.framed", "application/cloudevents+json", "application/cloudevents-batch+json"
t = "bodies%d" % os.getpid()
FIELDS = [{"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"], "default": None}, {"name": "x", "type": "double", "default": 0.5},
          {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None}]
SCHEMA = {"type": "record", "name": "R", "fields": FIELDS}
OLD = {"type": "record", "name": "R", "fields": FIELDS[:2]}
PARSED = fastavro.parse_schema(SCHEMA)


class Topic:
    """What was written since it was read last."""

    def __init__(self, w):
        self.w, self.seen = w, 0

    def new(self):
        found = read_topic(self.w.kafka, t)
        fresh, self.seen = found[self.seen:], len(found)
        return fresh


def value(m, schema=PARSED):
    return fastavro.schemaless_reader(io.BytesIO(m.value()[5:]), schema)


def heads(m):
    return {k: v.decode() for k, v in m.headers() or []}


def packed_bodies(w, topic):
    body = json.dumps([{"id": i, "name": "n%d" % i} for i in range(50)]).encode()
    packed = {"gzip": gzip.compress(body), "x-gzip": gzip.compress(body), "zstd": zstd.compress(body), "identity": body,
              "GZIP": gzip.compress(body[:20]) + gzip.compress(body[20:])}
    for coding, data in packed.items():
        check("a body under %s" % coding, w.post(t, data, headers={"Content-Encoding": coding}).status, 200)
    check("   is what was packed", [value(m)["id"] for m in topic.new()], list(range(50)) * 5)
    large = json.dumps([{"id": i, "name": os.urandom(30).hex()} for i in range(3000)]).encode()
    check("a large one too", w.post(t, gzip.compress(large), headers={"Content-Encoding": "gzip"}).status, 200)
    check("   all of it", len(topic.new()), 3000)
    wrong = [("br", body, 415, "br"), ("gzip, gzip", body, 415, "gzip, gzip"), ("gzip", body, 400, "no gzip"), ("gzip", gzip.compress(body)[:-1], 400, "too early"),
             ("gzip", gzip.compress(body) + b"x", 400, "no gzip"), ("zstd", b"", 400, "no zstd"), ("gzip", zlib.compress(body), 400, "no gzip"),
             ("gzip", gzip.compress(b" " * (64 << 20)), 413, "times as large"), ("zstd", zstd.compress(b" " * (1 << 30)), 413, "times as large"),
             ("zstd", zstd.compress(os.urandom(17 << 20)), 413, "longer")]
    for coding, data, status, says in wrong:
        a = w.post(t, data, headers={"Content-Encoding": coding})
        check_that("%s of %d bytes is %d and says %s" % (coding, len(data), status, says), a.status == status and says in a.json["message"], a)
    check("   a 415 says what would be read", w.post(t, body, headers={"Content-Encoding": "br"}).headers["Accept-Encoding"], "gzip, zstd")
    v2 = json.dumps({"value_schema_id": w.ids[1], "records": [{"value": {"id": 1}}]}).encode()
    check("REST Proxy's interface unpacks too",
          call("POST", w.gateway_port, "/topics/" + t, gzip.compress(v2), "application/vnd.kafka.avro.v2+json", {"Content-Encoding": "gzip"}).status, 200)
    check("   and what was refused is not there", len(topic.new()), 1)


def container(records, schema=SCHEMA, codec="null", **more):
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(dict(schema)), records, codec=codec, **more)
    return out.getvalue()


def container_files(w, topic):
    records = [{"id": i, "name": None if i % 2 else "n%d" % i, "x": i / 3, "at": None} for i in range(500)]
    for codec in ("null", "deflate", "snappy", "zstandard"):
        a = w.post(t, container(records, codec=codec), OCF)
        check_that("a container file, %s" % codec, a.status == 200 and a.json["accepted"] == 500, a)
        check("   record for record", [value(m) for m in topic.new()], records)
    check("avro/binary is the same", w.post(t, container(records[:3]), "avro/binary", query="key_field=id").status, 200)
    check("   with keys", [m.key() for m in topic.new()], [b"0", b"1", b"2"])
    nan = [{"id": 1, "name": None, "x": float("nan"), "at": None}]
    check("what JSON cannot say is not lost", w.post(t, container(nan), OCF).status, 200)
    check_that("   a NaN stays one", value(topic.new()[0])["x"] != 0)
    a = w.post(t, container([{"id": 5, "name": "old"}], OLD), OCF)
    check_that("an older schema is resolved", a.status == 200, a)
    check("   as Avro says", value(topic.new()[0]), {"id": 5, "name": "old", "x": 0.5, "at": None})
    narrow = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "int"}, {"name": "x", "type": "float"}]}
    check("   promotions too", w.post(t, container([{"id": 6, "x": 1.5}], narrow), OCF).status, 200)
    check("   to its types", value(topic.new()[0]), {"id": 6, "name": None, "x": 1.5, "at": None})
    alien = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}]}
    a = w.post(t, container([{"id": "six"}], alien), OCF)
    check_that("one that cannot be is 422 and says why", a.status == 422 and "schema %d" % w.ids[1] in a.json["message"] and "id" in a.json["message"], a)
    wide = {"type": "record", "name": "R", "fields": [{"name": "id", "type": ["long", "string"]}]}
    mixed = container([{"id": 7}, {"id": "seven"}, {"id": 8}], wide)
    a = w.post(t, mixed, OCF)
    check_that("a record that does not fit is told by its index", a.status == 422 and [r["index"] for r in a.json["records"]] == [1], a)
    check("   and left out under partial", w.post(t, mixed, OCF, query="on_error=partial").status, 207)
    check("   the others are there", [value(m)["id"] for m in topic.new()], [7, 8])
    whole = container(records)
    for what, body in (("none at all", b"Obj\x02"), ("cut short", whole[:-20]), ("with a wrong sync", whole[:-1] + b"x")):
        a = w.post(t, body, OCF)
        check_that("a file %s is 400" % what, a.status == 400, a)
    bomb = container([{"id": 1, "name": " " * (200 << 20), "x": 0.0, "at": None}], codec="deflate")
    check_that("a block that inflates beyond all is refused", w.post(t, bomb, OCF).status in (400, 413))
    check("   nothing of these was written", topic.new(), [])


def frame(schema_id, record, schema=PARSED):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return struct.pack(">bI", 0, schema_id) + out.getvalue()


def frames(w, topic):
    old, new = w.ids
    one, two = {"id": 1, "name": "a", "x": 0.25, "at": None}, {"id": 2, "name": None}
    body = frame(new, one) + frame(old, two, fastavro.parse_schema(OLD))
    check("frames one behind the other", w.post(t, body, FRAMED).status, 200)
    found = topic.new()
    check("   come through byte for byte", b"".join(m.value() for m in found), body)
    check("   an earlier version's too", [struct.unpack(">I", m.value()[1:5])[0] for m in found], [new, old])
    a = w.post(t, frame(w.alien, one), FRAMED)
    check_that("a schema of another subject is refused", a.status == 422 and "schema id %d" % w.alien in a.body.decode(), a)
    check("   one nobody knows", w.post(t, frame(1 << 30, one), FRAMED).status, 422)
    check("   one that another was asked for", w.post(t, frame(old, two, fastavro.parse_schema(OLD)), FRAMED, query="schema_id=%d" % new).status, 422)
    bad = frame(new, one)[:-3]
    a = w.post(t, frame(new, one) + bad, FRAMED)
    check_that("what is no datum of its schema is told by its index", a.status == 422 and [(r["index"], r["errors"][0]["rule"]) for r in a.json["records"]] == [(1, "avro")], a)
    check("   good ones before it go under partial", w.post(t, frame(new, one) + bad, FRAMED, query="on_error=partial").status, 207)
    check("   it is stored as it was sent under dlq", w.post(t, bad, FRAMED, query="on_error=dlq").json["dlq"], "stored")
    check("   byte for byte", read_topic(w.kafka, t + ".dlq")[-1].value(), bad)
    for what, body in (("JSON", b'{"id":1}'), ("four bytes", b"\0\0\0\0"), ("no magic", b"\1" + frame(new, one)[1:])):
        check("%s is no frame" % what, w.post(t, body, FRAMED).status, 422)
    check("   an empty body is none either", w.post(t, b"", FRAMED).status, 400)
    check("only the good one was written", len(topic.new()), 1)


def event(**more):
    return dict({"specversion": "1.0", "id": "e1", "source": "/test", "type": "made", "data": {"id": 1}}, **more)


def cloud_events(w, topic):
    a = w.post(t, event(time="2026-01-02T03:04:05.678Z", subject="s", partitionkey="pk", n=3), EVENT, query="timestamp=event")
    check("a CloudEvent", a.status, 200)
    m = topic.new()[0]
    check("   its data is the value", value(m)["id"], 1)
    check("   its attributes are headers", heads(m), {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/test", "ce_type": "made", "ce_subject": "s",
          "ce_time": "2026-01-02T03:04:05.678Z", "ce_partitionkey": "pk", "ce_n": "3", "content-type": "application/avro"})
    check("   partitionkey is the key, time the record's", (m.key(), m.timestamp()[1]), (b"pk", 1767323045678))
    check("base64 of JSON", w.post(t, {k: v for k, v in event(data_base64=base64.b64encode(b'{"id":2}').decode()).items() if k != "data"}, EVENT).status, 200)
    check("   is JSON", value(topic.new()[0])["id"], 2)
    a = w.post(t, [event(id=str(i), data={"id": i}) for i in range(3)], EVENTS)
    check("a batch", (a.status, a.json["accepted"]), (200, 3))
    check("   each with its own", [(value(m)["id"], heads(m)["ce_id"]) for m in topic.new()], [(i, str(i)) for i in range(3)])
    a = w.post(t, [event(), event(id=""), event(data={"id": "x"})], EVENTS, query="on_error=partial")
    check("a batch of which some are wrong", (a.status, [(r["index"], r["errors"][0]["rule"]) for r in a.json["records"] if "errors" in r]), (207, [(1, "cloudevents"), (2, "type")]))
    at = json.dumps([event(), event(id=""), event(data={"id": "x"})]).index('"x"')
    check("   the place in the body is told", a.json["records"][2]["errors"][0]["offset"], at)
    topic.new()
    h = {"ce-specversion": "1.0", "ce-id": "b1", "ce-source": "/%E2%82%AC", "ce-type": "t", "ce-partitionkey": "k2"}
    check("binary mode", w.post(t, {"id": 9}, headers=h).status, 200)
    m = topic.new()[0]
    check("   is the same", (value(m)["id"], m.key(), heads(m)["ce_source"], heads(m)["ce_id"]), (9, b"k2", "/\u20ac", "b1"))
    for what, a in (("without an id", w.post(t, {k: v for k, v in event().items() if k != "id"}, EVENT)), ("of another version", w.post(t, event(specversion="0.3"), EVENT)),
                    ("without a source, in binary mode", w.post(t, {"id": 1}, headers={"ce-id": "1", "ce-type": "t", "ce-specversion": "1.0"})),
                    ("of XML", w.post(t, event(datacontenttype="text/xml", data="<a/>"), EVENT)), ("that is an array", w.post(t, [event()], EVENT)),
                    ("that is none", w.post(t, "{", EVENT)), ("batch that is none", w.post(t, event(), EVENTS))):
        check_that("an event %s is 400 and says why" % what, a.status == 400, a)
    check("   and not written", topic.new(), [])


def what_travels_beside(w, topic):
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    STATE = "a=%s,b=2" % ("x" * 200)  # longer than what messages show
    h = {"traceparent": parent, "tracestate": STATE, "X-Tenant": "acme", "X-App-One": "1", "X-Other": "no", "Kafka-Timestamp": "2026-01-02T03:04:05Z"}
    check("a request with a trace", w.post(t, [{"id": 1}, {"id": 2}], headers=h).status, 200)
    found = topic.new()
    check("   and headers that are listed", [heads(m) for m in found], [{"traceparent": parent, "tracestate": STATE, "x-tenant": "acme", "x-app-one": "1"}] * 2)
    check("   and a time", {m.timestamp()[1] for m in found}, {1767323045000})
    w.post(t, {"id": 1}, headers={"traceparent": parent.upper(), "tracestate": "a=1"})
    check("a trace that is none is not passed on", heads(topic.new()[0]), {})
    check("milliseconds are a time too", w.post(t, {"id": 1}, headers={"Kafka-Timestamp": "1767323045000"}).status, 200)
    check("   of the record", topic.new()[0].timestamp()[1], 1767323045000)
    check("others are 400", [w.post(t, {"id": 1}, headers={"Kafka-Timestamp": x}).status for x in ("yesterday", "-1", "0", "99999999999999999999")], [400] * 4)
    a = w.post(t, [{"id": 1, "at": "2026-01-02T03:04:05.678901Z"}, {"id": 2}], query="timestamp_field=at")
    check("a field is the time", a.status, 200)
    first, second = [m.timestamp()[1] for m in topic.new()]
    check_that("   null is now", first == 1767323045678 and second > 1767400000000, (first, second))
    a = w.post(t, {"id": 1, "name": "x"}, query="timestamp_field=x")
    check_that("   what is none is told", a.status == 422 and a.json["records"][0]["errors"][0]["rule"] == "record-time", a)
    cluster = call("GET", w.gateway_port, "/v3/clusters").json["data"][0]["cluster_id"]
    body = json.dumps({"headers": [{"name": "own", "value": "eA=="}], "value": {"schema_id": w.ids[1], "data": {"id": 3}}})
    check("REST Proxy's records", call("POST", w.gateway_port, "/v3/clusters/%s/topics/%s/records" % (cluster, t), body, JSON, {"traceparent": parent}).status, 200)
    check("   keep their own and get ours", heads(topic.new()[0]), {"own": "x", "traceparent": parent})


def who_sent_it(w, topic):
    """The principal in a header on request, the trace in the access log; two principals may use one key."""
    with tempfile.NamedTemporaryFile("w", delete=False) as f:
        for name in ("ann", "bob"):
            f.write("%s:%s" % (name, subprocess.run(["openssl", "passwd", "-6", "-stdin"], input="secret-" + name, check=True, capture_output=True, text=True).stdout))
    log = tempfile.TemporaryFile()
    port = world.free_port()
    p = subprocess.Popen([world.AVROGATE, "gateway", "--listen", "127.0.0.1:%d" % port, "--bootstrap", w.kafka, "--registry", "http://127.0.0.1:%d" % w.registry_port,
                          "--auth-passwords", f.name, "--principal-header", "sent-by", "--access-log", "all"], stderr=log)
    until("it is ready", lambda: call("GET", port, "/readyz").status == 200)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def post(name, **more):
        auth = base64.b64encode(("%s:secret-%s" % (name, name)).encode()).decode()
        return call("POST", port, "/v1/topics/%s/records" % t, '{"id":1}', JSON, dict({"Authorization": "Basic " + auth, "Idempotency-Key": "k"}, **more))
    answers = [post("ann", traceparent=parent), post("bob", traceparent="none"), post("ann")]
    check("two principals with one key are two, one twice is one", [(a.status, "Idempotent-Replayed" in a.headers) for a in answers], [(200, False), (200, False), (200, True)])
    found = [heads(m) for m in topic.new()]
    check("who sent it is in the header that was asked for", [h["sent-by"] for h in found], ["user:ann", "user:bob"])
    check_that("   and their ids differ", len({h["avrogate.idempotency-id"] for h in found}) == 2, found)
    p.send_signal(15)
    check("   it stops", p.wait(60), 0)
    log.seek(0)
    lines = [json.loads(line) for line in log.read().decode().splitlines() if line.startswith("{")]
    seen = [(l["who"], l["status"], l["traceparent"]) for l in lines if l["event"] == "request" and l["method"] == "POST"]
    check("the access log has who and which trace, where it is one", seen, [("user:ann", 200, parent), ("user:bob", 200, ""), ("user:ann", 200, "")])
    os.unlink(f.name)


def main():
    w = World()
    try:
        make_topic(w.kafka, t)
        make_topic(w.kafka, t + ".dlq")
        w.start_registry()
        w.ids = [w.register(t + "-value", s) for s in (OLD, SCHEMA)]
        w.alien = w.register(t + "-alien", {"type": "record", "name": "Alien", "fields": FIELDS})
        w.start_gateway("--headers", "X-Tenant,X-App-*")
        topic = Topic(w)
        for part in (packed_bodies, container_files, frames, cloud_events, what_travels_beside, who_sent_it):
            part(w, topic)
        check("and it stops", w.end("gateway"), 0)
    finally:
        w.close()
    sys.exit(1 if world.failed else 0)


if __name__ == "__main__":
    main()
