#!/usr/bin/env python3
"""confluent-kafka (Python) against the registry; what it is given and must do: ../README.md."""
import datetime, json, os, sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

URL, KAFKA, TOPIC = (os.environ["CLIENTS_" + n] for n in ("REGISTRY", "KAFKA", "TOPIC"))
ME, TRIPS = TOPIC + "-python", TOPIC + "-python-trips"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
failed = 0


def check(what, got, want):
    global failed
    failed += got != want
    print(("ok - " if got == want else "not ok - ") + what + ("" if got == want else ": %r, wanted %r" % (got, want)), flush=True)


def text(name):
    with open(os.path.join(os.path.dirname(__file__), "../schemas", name + ".avsc")) as f:
        return f.read()


def schema(name, references=()):
    return Schema(text(name), "AVRO", list(references))


def reading(by, n):
    return {"by": by, "n": n, "value": n + 0.5, "note": None if n % 2 == 0 else "note %d" % n, "tags": ["a", "ü"],
            "parity": ("EVEN", "ODD")[n % 2], "raw": bytes([0, n, 255]), "levels": {"x": n},
            "at": EPOCH + datetime.timedelta(milliseconds=1700000000000 + n)}


def refusal(what):
    try:
        return what()
    except SchemaRegistryError as e:
        return e.http_status_code, e.error_code


def produce(topic, values):
    p = Producer({"bootstrap.servers": KAFKA})
    for v in values:
        p.produce(topic, v)
    assert p.flush(30) == 0


def consume(topic):
    c = Consumer({"bootstrap.servers": KAFKA, "group.id": "clients-python"})
    _, end = c.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
    c.assign([TopicPartition(topic, 0, 0)])
    found = []
    while len(found) < end:
        m = c.poll(20)
        assert m is not None and m.error() is None, m
        found.append(m.value())
    c.close()
    return found


def subjects(c):
    subject = ME + "-value"
    shared = c.get_latest_version(TOPIC + "-value").schema_id
    first = c.register_schema(subject, schema("reading"))
    check("registers: one id in all subjects", first, shared)
    check("registers again: the same id", SchemaRegistryClient({"url": URL}).register_schema(subject, schema("reading")), first)
    check("is told of what is incompatible", refusal(lambda: c.register_schema(subject, schema("reading-bad"))), (409, 409))
    check("asks before: incompatible", c.test_compatibility(subject, schema("reading-bad")), False)
    check("asks before: compatible", c.test_compatibility(subject, schema("reading-2")), True)
    second = c.register_schema(subject, schema("reading-2"))
    check("evolves", (second != first, c.get_versions(subject)), (True, [1, 2]))
    found = c.lookup_schema(subject, schema("reading"))
    check("looks up", (found.schema_id, found.version, found.subject), (first, 1, subject))
    check("reads the latest", c.get_latest_version(subject).schema_id, second)
    check("reads a version", c.get_version(subject, 1).schema_id, first)
    check("reads by id", json.loads(c.get_schema(second).schema_str), json.loads(text("reading-2")))
    guid = c.get_version(subject, 1).guid
    check("reads by guid", json.loads(c.get_schema_by_guid(guid).schema_str) if guid else None, json.loads(text("reading")))
    check("lists", subject in c.get_subjects(), True)
    check("sets a level", (c.set_compatibility(subject, "FULL"), c.get_compatibility(subject)), ({"compatibility": "FULL"}, "FULL"))


def references(c):
    c.register_schema(TRIPS + ".place", schema("place"))
    refers = [SchemaReference("clients.Place", TRIPS + ".place", 1)]
    trip = schema("trip", refers)
    i = c.register_schema(TRIPS + "-value", trip)
    check("registers with a reference", [(r.name, r.subject, r.version) for r in c.get_schema(i).references],
          [("clients.Place", TRIPS + ".place", 1)])
    check("looks up with a reference", c.lookup_schema(TRIPS + "-value", trip).schema_id, i)
    check("may not delete what is referred to", refusal(lambda: c.delete_version(TRIPS + ".place", 1)), (422, 42206))
    context = SerializationContext(TRIPS, MessageField.VALUE)
    rows = [{"to": {"lat": n / 2, "lon": -n}, "km": n} for n in range(5)]
    write = AvroSerializer(c, trip)
    produce(TRIPS, [write(r, context) for r in rows])
    read = AvroDeserializer(SchemaRegistryClient({"url": URL}))
    check("serializes with a reference to Kafka and back", [read(v, context) for v in consume(TRIPS)], rows)


def through_kafka(c):
    context = SerializationContext(ME, MessageField.VALUE)
    settings = {"auto.register.schemas": False, "use.latest.version": False}
    old, new = (AvroSerializer(c, schema(n), conf=settings) for n in ("reading", "reading-2"))
    rows = [reading("python", n) for n in range(5)]
    produce(ME, [old(r, context) for r in rows] + [new(dict(r, station="s"), context) for r in rows])
    read = AvroDeserializer(SchemaRegistryClient({"url": URL}), text("reading-2"))
    check("serializes both versions to Kafka and back, as the newer one", [read(v, context) for v in consume(ME)],
          [dict(r, station="unknown") for r in rows] + [dict(r, station="s") for r in rows])
    context = SerializationContext(TOPIC, MessageField.VALUE)
    write = AvroSerializer(c, schema("reading"))
    produce(TOPIC, [write(reading("python", n), context) for n in range(3)])


def deletion(c):
    subject = TOPIC + "-python-gone"
    for n in ("reading", "reading-2"):
        c.register_schema(subject, schema(n))
    check("deletes a version", c.delete_version(subject, 1), 1)
    check("deletes a subject", c.delete_subject(subject), [2])
    check("deletes for good", c.delete_subject(subject, permanent=True), [1, 2])
    check("is told of a missing subject", refusal(lambda: c.get_latest_version(subject)), (404, 40401))
    check("is told of a missing schema", refusal(lambda: c.get_schema(999999)), (404, 40403))


def read_everybody():
    read = AvroDeserializer(SchemaRegistryClient({"url": URL}))
    found = [read(v, SerializationContext(TOPIC, MessageField.VALUE)) for v in consume(TOPIC)]
    for by in os.environ["CLIENTS_WRITERS"].split():
        check("reads what %s wrote" % by, [r for r in found if r["by"] == by], [reading(by, n) for n in range(3)])


if sys.argv[1] == "read":
    read_everybody()
else:
    client = SchemaRegistryClient({"url": URL})
    subjects(client), references(client), through_kafka(client), deletion(client)
print("failed" if failed else "done")
sys.exit(failed != 0)
