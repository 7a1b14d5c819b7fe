#!/usr/bin/env python3
"""The registry on a real Kafka, asked by clients that nobody here wrote.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.  Makes topics
of its own and talks to 127.0.0.1 only.  Prints one line a check; exit 1 when one fails.
usage: registry_test.py [rounds of kill -9, 10]
"""
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

avrogate, kafka = os.environ.get("AVROGATE"), os.environ.get("AVROGATE_TEST_KAFKA")
if not (avrogate and kafka):
    print("AVROGATE and AVROGATE_TEST_KAFKA are not both set")
    sys.exit(77)

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from ports import free_port

V1 = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
V2 = {"type": "record", "name": "R", "fields": [
    {"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0}]}
BAD = {"type": "record", "name": "R", "fields": [
    {"name": "a", "type": "int"}, {"name": "c", "type": "string"}]}

failed = 0


def check(what, got, want):
    global failed
    ok = got == want
    failed += not ok
    print(("ok" if ok else "not ok"), "-", what)
    if not ok:
        print("    got ", got, "\n    want", want)


class Registry:
    def __init__(self, topic):
        self.topic, self.port = topic, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self, *more):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [avrogate, "registry", "--listen", f"127.0.0.1:{self.port}", "--bootstrap", kafka,
             "--topic", self.topic, "--allow-unsafe", *more], stderr=self.log)
        for _ in range(300):
            if self.ask("GET", "/readyz")[0] == 200:
                return
            time.sleep(0.1)
        sys.exit("the registry does not get ready")

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        return self.process.wait(60)

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        r = urllib.request.Request(self.url + path, data, method=method, headers={
            "Content-Type": "application/vnd.schemaregistry.v1+json"})
        try:
            with urllib.request.urlopen(r, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as e:
            return e.code, json.loads(e.read() or b"null")
        except OSError:
            return 0, None

    def register(self, subject, schema):
        return self.ask("POST", f"/subjects/{subject}/versions",
                        {"schema": json.dumps(schema)})

    def everything(self):
        return [self.ask("GET", p) for p in ("/schemas?deleted=true&subjectPrefix=:*:",
                                             "/subjects?deleted=true", "/config", "/config/s",
                                             "/schemas/ids/1/versions?deleted=true")]


def make_topic(name, partitions, policy):
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, partitions, 1, config={"cleanup.policy": policy})])[
        name].result(30)


def setting_of(topic, name):
    admin = AdminClient({"bootstrap.servers": kafka})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result(30)[name].value


def read_topic(topic):
    """All records but the fences, up to the end: marks of transactions take offsets too."""
    c = Consumer({"bootstrap.servers": kafka, "group.id": "registry-test",
                  "auto.offset.reset": "earliest", "enable.partition.eof": True})
    low, _ = c.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
    c.assign([TopicPartition(topic, 0, low)])
    records = []
    while True:
        m = c.poll(20)
        assert m is not None, "no end of the topic"
        if m.error() is not None:
            assert m.error().code() == KafkaError._PARTITION_EOF, m.error()
            break
        records.append((m.key(), m.value()))
    c.close()
    text = lambda b: b.decode() if b is not None else None
    return [(text(k), text(v)) for k, v in records if k != b'{"keytype":"NOOP","magic":0}']


def text(schema):
    return json.dumps(json.dumps(schema, separators=(",", ":")))


def flow(r):
    check("registers", r.register("s", V1), (200, {"id": 1}))
    check("finds it again", r.register("s", V1), (200, {"id": 1}))
    check("looks it up", r.ask("POST", "/subjects/s", {"schema": json.dumps(V1)})[1]["version"], 1)
    status, body = r.register("s", BAD)
    check("refuses what is incompatible", (status, body["error_code"]), (409, 409))
    check("evolves", r.register("s", V2), (200, {"id": 2}))
    check("shares the id", r.register("t", V1), (200, {"id": 1}))
    check("sets a level", r.ask("PUT", "/config/s", {"compatibility": "FULL"}),
          (200, {"compatibility": "FULL"}))
    check("deletes a version", r.ask("DELETE", "/subjects/t/versions/1"), (200, 1))
    check("sets the global level", r.ask("PUT", "/config", {"compatibility": "NONE"})[0], 200)
    check("drops it", r.ask("DELETE", "/config"), (200, {"compatibilityLevel": "NONE"}))

    key = '{"keytype":"SCHEMA","subject":"%s","version":%d,"magic":1}'
    value = '{"subject":"%s","version":%d,"id":%d,"schema":%s,"deleted":%s}'
    check("the topic holds these bytes", read_topic(r.topic), [
        (key % ("s", 1), value % ("s", 1, 1, text(V1), "false")),
        (key % ("s", 2), value % ("s", 2, 2, text(V2), "false")),
        (key % ("t", 1), value % ("t", 1, 1, text(V1), "false")),
        ('{"keytype":"CONFIG","subject":"s","magic":0}',
         '{"subject":"s","compatibilityLevel":"FULL"}'),
        (key % ("t", 1), value % ("t", 1, 1, text(V1), "true")),
        ('{"keytype":"CONFIG","magic":0}', '{"compatibilityLevel":"NONE"}'),
        ('{"keytype":"CONFIG","magic":0}', None)])

    before = r.everything()
    r.kill()
    r.start()
    check("knows the same after kill -9", r.everything(), before)
    check("goes on counting", r.register("u", {"type": "array", "items": "int"}), (200, {"id": 3}))
    check("ends with 0 when told to", r.kill(signal.SIGTERM), 0)
    r.start()


def client(r):
    c = SchemaRegistryClient({"url": r.url})
    subject = "py-value"
    check("client registers", c.register_schema(subject, Schema(json.dumps(V1), "AVRO")), 1)
    found = c.lookup_schema(subject, Schema(json.dumps(V1), "AVRO"))
    check("client looks up", (found.schema_id, found.version), (1, 1))
    check("client reads the latest", c.get_latest_version(subject).schema_id, 1)
    check("client reads a version", c.get_version(subject, 1).schema_id, 1)
    check("client reads by id", json.loads(c.get_schema(1).schema_str), V1)
    check("client lists", subject in c.get_subjects() and c.get_versions(subject) == [1], True)
    check("client tests compatibility",
          [c.test_compatibility(subject, Schema(json.dumps(x), "AVRO")) for x in (V2, BAD)],
          [True, False])
    check("client sets a level", c.set_compatibility(subject, "FULL"), {"compatibility": "FULL"})
    check("client reads it", c.get_compatibility(subject), "FULL")
    try:
        c.get_latest_version("none")
        check("client is told of a missing subject", False, True)
    except SchemaRegistryError as e:
        check("client is told of a missing subject", (e.http_status_code, e.error_code), (404, 40401))
    check("client deletes", c.delete_subject(subject), [1])
    check("client deletes for good", c.delete_subject(subject, permanent=True), [1])


def serdes(r):
    topic = r.topic + "-data"
    make_topic(topic, 1, "delete")
    c = SchemaRegistryClient({"url": r.url})
    write = AvroSerializer(c, json.dumps(V2))
    read = AvroDeserializer(SchemaRegistryClient({"url": r.url}), json.dumps(V2))
    context = SerializationContext(topic, MessageField.VALUE)
    rows = [{"a": i, "b": -i} for i in range(100)]
    p = Producer({"bootstrap.servers": kafka})
    for row in rows:
        p.produce(topic, write(row, context))
    p.flush(30)
    got, k = [], Consumer({"bootstrap.servers": kafka, "group.id": "registry-test"})
    k.assign([TopicPartition(topic, 0, 0)])
    while len(got) < len(rows):
        m = k.poll(20)
        assert m is not None and m.error() is None, m
        got.append(read(m.value(), context))
    k.close()
    check("serializer and deserializer agree through Kafka", got, rows)


def killed_while_writing(r, rounds):
    """An id that was answered is there after kill -9, and no id is given twice."""
    ids, n = {}, 0
    for _ in range(rounds):
        until = time.time() + random.uniform(0.05, 0.4)
        while time.time() < until:
            n += 1
            schema = {"type": "fixed", "name": f"F{n}", "size": n}
            status, body = r.register("k%d" % n, schema)
            if status == 200:
                ids.setdefault(body["id"], []).append(schema)
        r.kill()
        r.start()
    check(f"kill -9, {rounds} times: an id has one schema ({len(ids)} ids)",
          [i for i in ids if len(ids[i]) != 1], [])
    check("and each one answered is there",
          [i for i in ids if json.loads(r.ask("GET", f"/schemas/ids/{i}")[1]["schema"]) != ids[i][0]],
          [])


def refusals(topic):
    make_topic(topic + "-three", 3, "compact")
    make_topic(topic + "-del", 1, "delete")
    make_topic(topic + "-both", 1, "compact,delete")
    nobody = f"127.0.0.1:{free_port()}"
    for what, more, words in (
            ("several partitions", ["--topic", topic + "-three"], ["3 partitions, wanted 1"]),
            ("another policy", ["--topic", topic + "-del"], ["cleanup.policy=delete", "Set it to compact"]),
            ("a mixed policy", ["--topic", topic + "-both"], ["cleanup.policy=compact,delete"]),
            ("one replica", ["--topic", topic, "--allow-unsafe=false"], ["1 replica, wanted 3", "--allow-unsafe"]),
            ("a broker that is not there", ["--bootstrap", nobody], [nobody])):
        began = time.time()
        done = subprocess.run([avrogate, "registry", "--listen", "127.0.0.1:0", "--bootstrap", kafka,
                               "--allow-unsafe", *more], capture_output=True, text=True, timeout=90)
        said = [l for l in done.stderr.splitlines() if l.startswith("avrogate registry: ")]
        print("   ", *said, f"({time.time() - began:.1f} s)")
        check(f"does not start on {what}: one line says why",
              (done.returncode, len(said), [w for w in words if w not in " ".join(said)]), (1, 1, []))


def made_anew(topic):
    """Whoever deletes and makes the topic again has lost what was in it; what we know must not be mixed with it."""
    r = Registry(topic)
    try:
        r.register("s", V1), r.register("s", V2)
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.delete_topics([topic])[topic].result(30)
        for _ in range(100):
            if topic not in admin.list_topics(timeout=10).topics:
                break
            time.sleep(0.1)
        make_topic(topic, 1, "compact")
        for _ in range(100):
            ready = r.ask("GET", "/readyz")
            if ready[1] and not ready[1]["topic_is_sound"]:
                break
            time.sleep(0.1)
        check("a topic made anew is not ready", (ready[0], ready[1]["topic_is_sound"]), (503, False))
        status, body = r.register("u", "int")
        check("and not written to", (status, body["error_code"]), (500, 50001))
        check("reads go on", r.ask("GET", "/subjects"), (200, ["s"]))
        time.sleep(2)
        check("which stays so", r.ask("GET", "/readyz")[0], 503)
    finally:
        r.process.kill()


def main():
    topic = "registry-test-%d-%d" % (time.time(), os.getpid())
    r = Registry(topic)
    try:
        check("makes its topic compacted", setting_of(topic, "cleanup.policy"), "compact")
        flow(r)
        client(r)
        serdes(r)
        killed_while_writing(r, int(sys.argv[1]) if len(sys.argv) > 1 else 10)
        refusals(topic)
        made_anew(topic + "-anew")
    finally:
        r.process.kill()
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
