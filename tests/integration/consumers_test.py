#!/usr/bin/env python3
"""What the gateway published, read by those who know nothing of us: confluent-kafka's AvroDeserializer, and kcat.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import base64, json, os, struct, subprocess, sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import world
from world import CSV, JSON, NDJSON, World, check, check_that, make_topic, need, read_topic

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

run = "consumers%d" % os.getpid()
PARTITIONS = 5


def logical(kind, name, **more):
    return {"type": kind, "logicalType": name, **more}


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


POINT = {"type": "record", "name": "Point", "namespace": "geo", "fields": [field("x", "int"), field("y", ["null", "int"], default=None)]}
EVERYTHING = {"type": "record", "name": "Everything", "namespace": "test", "fields": [
    field("id", "string"),
    field("flag", "boolean"), field("small", "int"), field("large", "long"), field("single", "float"), field("real", "double"),
    field("raw", "bytes"), field("four", {"type": "fixed", "name": "Four", "size": 4}),
    field("suit", {"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"]}),
    field("numbers", {"type": "array", "items": "long"}), field("by_name", {"type": "map", "values": "double"}),
    field("point", POINT), field("path", {"type": "array", "items": "geo.Point"}),
    field("next", ["null", "geo.Point"], default=None),
    field("either", ["null", "long", "string", "boolean"]),
    field("price", logical("bytes", "decimal", precision=20, scale=4)),
    field("rate", {"type": "fixed", "name": "Rate", "size": 8, "logicalType": "decimal", "precision": 16, "scale": 2}),
    field("uid", logical("string", "uuid")),
    field("day", logical("int", "date")),
    field("at_ms", logical("int", "time-millis")), field("at_us", logical("long", "time-micros")),
    field("seen_ms", logical("long", "timestamp-millis")), field("seen_us", logical("long", "timestamp-micros")),
    field("seen_ns", logical("long", "timestamp-nanos")),
    field("local_ms", logical("long", "local-timestamp-millis")), field("local_us", logical("long", "local-timestamp-micros")),
    field("span", {"type": "fixed", "name": "Span", "size": 12, "logicalType": "duration"}),
    field("filled", "string", default="by default"),
    field("maybe_price", ["null", logical("bytes", "decimal", precision=6, scale=2)], default=None)]}


def utc(*parts):
    return datetime(*parts, tzinfo=timezone.utc)


def b64(raw):
    return base64.b64encode(raw).decode()


# For each record: the texts as JSON sends them, and the values a consumer must get.
def first():
    sent = dict(id="ä-1", flag=True, small=-2**31, large=2**63 - 1, single=0.1, real=0.1, raw=b64(bytes(range(256))), four=b64(b"\0\xff\0\1"),
                suit="SPADES", numbers=[0, -1, 2**62], by_name={"ü": -0.0, "b": 1e308}, point={"x": 1}, path=[{"x": 1, "y": 2}, {"x": 3, "y": None}],
                next={"x": 7}, either=5, price=Raw("1234567890123456.789"), rate="-99.95", uid="f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                day="1969-12-31", at_ms="09:30:00.25", at_us="23:59:59.999999", seen_ms="2026-11-20T09:30:00.123+01:00",
                seen_us="1969-12-31T23:59:59.999999Z", seen_ns="2026-11-20T09:30:00.123456789Z", local_ms="2026-11-20T09:30:00.5",
                local_us="2026-11-20T09:30:00.000001", span="P1Y2M3DT4H5M6.789S", maybe_price=Raw("1e3"))
    got = dict(sent, single=struct.unpack("f", struct.pack("f", 0.1))[0], raw=bytes(range(256)), four=b"\0\xff\0\1", point={"x": 1, "y": None},
               next={"x": 7, "y": None}, price=Decimal("1234567890123456.7890"), rate=Decimal("-99.95"), uid=UUID(sent["uid"]),
               day=date(1969, 12, 31), at_ms=time(9, 30, 0, 250000), at_us=time(23, 59, 59, 999999), seen_ms=utc(2026, 11, 20, 8, 30, 0, 123000),
               seen_us=utc(1970, 1, 1) - timedelta(microseconds=1),
               seen_ns=int((utc(2026, 11, 20, 9, 30) - utc(1970, 1, 1)).total_seconds()) * 10**9 + 123456789,
               local_ms=datetime(2026, 11, 20, 9, 30, 0, 500000), local_us=datetime(2026, 11, 20, 9, 30, 0, 1),
               span=struct.pack("<III", 14, 3, ((4 * 60 + 5) * 60 + 6) * 1000 + 789), filled="by default", maybe_price=Decimal("1000.00"))
    return sent, got


def second():
    sent, got = first()
    more = dict(id="", flag=False, small=2**31 - 1, large=-2**63, single=1e-45, real=5e-324, raw="", four=b64(b"abcd"), suit="HEARTS", numbers=[],
                by_name={}, point={"y": 2, "x": -1}, path=[], next=None, either="5", price="0", rate=0, day="9999-12-31", at_ms="00:00",
                at_us="00:00:00", seen_ms=0, seen_us=-1, seen_ns=1, local_ms=0, local_us=-1, span="PT0S", filled="said", maybe_price=None)
    sent.update(more)
    got.update(more, single=struct.unpack("f", struct.pack("f", 1e-45))[0], raw=b"", four=b"abcd", point={"x": -1, "y": 2}, price=Decimal("0.0000"),
               rate=Decimal("0.00"), day=date(9999, 12, 31), at_ms=time(0), at_us=time(0), seen_ms=utc(1970, 1, 1),
               seen_us=utc(1970, 1, 1) - timedelta(microseconds=1), local_ms=datetime(1970, 1, 1),
               local_us=datetime(1970, 1, 1) - timedelta(microseconds=1), span=bytes(12))
    return sent, got


class Raw(str):
    """A number of which Python's float would lose digits: its text goes into the JSON as it is."""


def to_json(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{%s}" % ",".join("%s:%s" % (json.dumps(k), to_json(v)) for k, v in value.items())
    if isinstance(value, list):
        return "[%s]" % ",".join(map(to_json, value))
    return json.dumps(value, ensure_ascii=False)


def to_cell(value):
    """Nothing for null; quoted where it must be, which an empty text must to be one."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else to_json(value)
    return '"%s"' % text.replace('"', '""') if not text or set(text) & set('",\r\n') else text


def to_csv(records):
    names = [f["name"] for f in EVERYTHING["fields"]]
    rows = [names] + [[to_cell(r.get(n)) for n in names] for r in records]
    return "".join(",".join(row) + "\r\n" for row in rows)


def read(w, topic, partitions=1):
    decode = AvroDeserializer(SchemaRegistryClient({"url": "http://127.0.0.1:%d" % w.registry_port}))
    found = read_topic(w.kafka, topic, partitions)
    return [(m, decode(m.value(), SerializationContext(topic, MessageField.VALUE))) for m in found]


def value_by_value(what, got, want):
    """Equal, also where == is too kind (-0.0, True and 1), and field by field when not."""
    if repr(sorted(got.items())) == repr(sorted(want.items())):
        return check(what, True, True)
    for name in want:
        if repr(got.get(name)) != repr(want[name]):
            check("%s: field %s" % (what, name), got.get(name), want[name])
    return check(what + ": fields", sorted(got), sorted(want))


def every_type_in_every_format(w):
    (one, want_one), (two, want_two) = first(), second()
    # A CSV cell has no token that says long or string: "5" is the long, so the text is another one there.
    cells_two, want_cells = dict(two, either="five", filled="said"), dict(want_two, either="five")
    cells_one, want_cells_one = dict(one, filled="first"), dict(want_one, filled="first")
    sendings = [
        ("a JSON object", to_json(one), JSON, [want_one]),
        ("a JSON array", "[%s,\n %s]" % (to_json(one), to_json(two)), JSON, [want_one, want_two]),
        ("NDJSON", "%s\r\n\n%s" % (to_json(two), to_json(one)), NDJSON, [want_two, want_one]),
        ("CSV", to_csv([cells_one, cells_two]), CSV, [want_cells_one, want_cells])]
    for n, (what, body, kind, want) in enumerate(sendings):
        topic = "%s-%d" % (run, n)
        make_topic(w.kafka, topic)
        w.register(topic + "-value", EVERYTHING)
        a = w.post(topic, body, kind)
        if not check("%s is accepted" % what, (a.status, a.status == 200 and a.json["accepted"]), (200, len(want))):
            print(a)
            continue
        got = read(w, topic)
        check("%s: as many records arrive" % what, len(got), len(want))
        for i, ((_, value), wanted) in enumerate(zip(got, want)):
            value_by_value("%s, record %d, is what was sent" % (what, i), value, wanted)


def recursion(w):
    topic = run + "-tree"
    make_topic(w.kafka, topic)
    w.register(topic + "-value", {"type": "record", "name": "Tree", "fields": [
        field("v", "int"), field("children", {"type": "array", "items": "Tree"}, default=[])]})
    sent = {"v": 1, "children": [{"v": 2}, {"v": 3, "children": [{"v": 4, "children": []}]}]}
    want = {"v": 1, "children": [{"v": 2, "children": []}, {"v": 3, "children": [{"v": 4, "children": []}]}]}
    check("a tree is accepted", w.post(topic, sent).status, 200)
    check("and read as it was grown", [v for _, v in read(w, topic)], [want])


def murmur2(data):
    """Java's Utils.murmur2, as partitioners of every language must compute it."""
    mask, m = 0xffffffff, 0x5bd1e995
    h = (0x9747b28c ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = k * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    for i in reversed(range(len(data) - whole)):
        h ^= data[whole + i] << 8 * i
        if i == 0:
            h = h * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


VECTORS = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
           "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107}  # UtilsTest.java of Apache Kafka


def partition_of(key):
    return (murmur2(key) & 0x7fffffff) % PARTITIONS


def kcat(kafka, topic, form):
    """Topic's messages as kcat sees them: one line each, told by `form`."""
    return subprocess.run(["kcat", "-C", "-b", kafka, "-t", topic, "-e", "-q", "-o", "beginning", "-f", form], capture_output=True, timeout=60, check=True).stdout


def keys_and_partitions(w):
    topic = run + "-keys"
    make_topic(w.kafka, topic, PARTITIONS)
    schema_id = w.register(topic + "-value", {"type": "record", "name": "Keyed", "fields": [
        field("name", ["null", "string"], default=None), field("n", "long", default=0), field("yes", "boolean", default=False),
        field("suit", {"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES"]}, default="HEARTS"), field("raw", "bytes", default=""),
        field("uid", logical("string", "uuid"), default="")]})
    check("murmur2 here is Java's", {k: struct.unpack("i", struct.pack("I", murmur2(k.encode())))[0] for k in VECTORS}, VECTORS)

    names = list(VECTORS) + ["", "ключ", "x" * 1000] + ["sensor-%d" % i for i in range(100)]
    a = w.post(topic, [{"name": n} for n in names], query="key_field=name")
    want = {n: partition_of(n.encode()) for n in names}
    if check("keys by field are accepted", a.status, 200):
        check("each lies where Java would put it", {n: r["partition"] for n, r in zip(names, a.json["records"])}, want)
    got = {m.key().decode(): m.partition() for m in read_topic(w.kafka, topic, PARTITIONS)}
    check("and Kafka says the same", got, want)

    for query, record, key in (("key_field=n", {"n": -7}, b"-7"), ("key_field=yes", {"yes": True}, b"true"), ("key_field=suit", {"suit": "SPADES"}, b"SPADES"),
                               ("key_field=raw", {"raw": b64(b"\0\xff")}, b"\0\xff"), ("key_field=name", {}, None)):
        r = w.post(topic, record, query=query).json["records"][0]
        m = [m for m in read_topic(w.kafka, topic, PARTITIONS) if (m.partition(), m.offset()) == (r["partition"], r["offset"])][0]
        check("%s is the key %r" % (query, key), m.key(), key)
        if key is not None:
            check("and lies where Java would put it", m.partition(), partition_of(key))

    a = w.post(topic, [{"n": 1}, {"n": 2}], headers={"Kafka-Key": "of the header"})
    check("a key by header is that of every record", {r["partition"] for r in a.json["records"]}, {partition_of(b"of the header")})
    a = w.post(topic, {"name": "foobar"}, query="key_field=name&partition=%d" % ((want["foobar"] + 1) % PARTITIONS))
    check("partition= has the last word", a.json["records"][0]["partition"], (want["foobar"] + 1) % PARTITIONS)

    framed = run + "-framed"
    make_topic(w.kafka, framed)
    w.post(framed, {"name": "k", "n": 3}, query="key_field=name&subject=%s-value" % topic)
    out = kcat(w.kafka, framed, "%K %k %S %s")
    check_that("kcat sees key and framing", out.startswith(b"1 k "), out)
    size, value = out[4:].split(b" ", 1)
    check("the value is magic 0, four bytes of id, Avro", (int(size), value[:5], value[5:]),
          (len(value), b"\0" + struct.pack(">I", schema_id), b"\2\2k\6\0\0\0\0"))
    w.post(framed, {"n": 4}, query="subject=%s-value" % topic)
    check_that("no key is no key to kcat", b"-1 " in kcat(w.kafka, framed, "%K|%k\n").replace(b"|", b" "), kcat(w.kafka, framed, "%K|%k\n"))


def name_strategies(w):
    reading = {"type": "record", "name": "Reading", "namespace": "lab", "fields": [field("v", "int")]}
    for strategy, subject, more in (("topic", "%s-by-topic-value", ""), ("record", "lab.Reading", "&record_name=lab.Reading"),
                                    ("topic_record", "%s-by-topic_record-lab.Reading", "&record_name=lab.Reading")):
        topic = "%s-by-%s" % (run, strategy)
        subject = subject % run if "%s" in subject else subject
        make_topic(w.kafka, topic)
        w.register(subject, reading)
        a = w.post(topic, {"v": 5}, query="subject_name_strategy=%s%s" % (strategy, more))
        check("strategy %s finds %s" % (strategy, subject), (a.status, a.status == 200 and a.json["schema"]["subject"]), (200, subject))
        check("and a consumer reads it", [v for _, v in read(w, topic)], [{"v": 5}])


def pinned_versions(w):
    topic = run + "-versions"
    make_topic(w.kafka, topic)
    one = w.register(topic + "-value", {"type": "record", "name": "R", "fields": [field("a", "int")]})
    two = w.register(topic + "-value", {"type": "record", "name": "R", "fields": [field("a", "int"), field("b", "int", default=9)]})
    said = [w.post(topic, {"a": n}, query=q) for n, q in enumerate(("version=1", "version=2", "version=latest", "schema_id=%d" % one, ""))]
    check("each is accepted with the schema that was named", [(s.status, s.json["schema"]["id"], s.json["schema"]["version"]) for s in said],
          [(200, one, 1), (200, two, 2), (200, two, 2), (200, one, None), (200, two, 2)])
    check("and a consumer reads old and new", [v for _, v in read(w, topic)], [{"a": 0}, {"a": 1, "b": 9}, {"a": 2, "b": 9}, {"a": 3}, {"a": 4, "b": 9}])


w = World()
try:
    w.start_registry()
    w.start_gateway()
    for part in (every_type_in_every_format, recursion, keys_and_partitions, name_strategies, pinned_versions):
        part(w)
finally:
    check("both stop when told", w.close(), {"gateway": 0, "registry": 0})
sys.exit(world.failed > 0)
