#!/usr/bin/env python3
"""A `_schemas` that others wrote: Confluent's records old and new, Karapace's, Redpanda's, and garbage
between them.  The registry reads all of it, goes on counting, and leaves nothing to rise again.

Wants AVROGATE and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import json
import os
import sys
import time

from registry_test import Registry, check, kafka, make_topic, read_topic
import registry_test

from confluent_kafka import Producer

INT, LONG, STRING = '"int"', '"long"', '"string"'


def value(subject, version, id, schema, more="", deleted=',"deleted":false'):
    return f'{{"subject":"{subject}","version":{version},"id":{id}{more},"schema":{json.dumps(schema)}{deleted}}}'


def confluent(subject, version, magic=1):
    return f'{{"keytype":"SCHEMA","subject":"{subject}","version":{version},"magic":{magic}}}'


KARAPACE = '{"subject":"k","version":%d,"magic":1,"keytype":"SCHEMA"}'
RECORDS = [
    ('{"keytype":"NOOP","magic":0}', None),
    # Confluent, of several ages
    (confluent("c", 1, 0), '{"subject":"c","version":1,"id":1,"schema":"\\"int\\""}'),
    (confluent("c", 2), value("c", 2, 2, LONG, ',"md5":"4Ie2h3fGHCQiKVIWqFdzQw=="')),
    (confluent("e", 1), value("e", 1, 1, INT)),
    ('{"keytype":"CONFIG","magic":0}', '{"compatibilityLevel":"FULL"}'),
    ('{"keytype":"CONFIG","subject":null,"magic":0}', '{"compatibilityLevel":"NONE"}'),
    ('{"keytype":"CONFIG","subject":"c","magic":0}', '{"subject":"c","normalize":true,"compatibilityLevel":"FORWARD","new":1}'),
    ('{"keytype":"MODE","subject":"ro","magic":0}', '{"subject":"ro","mode":"READONLY"}'),
    ('{"keytype":"CONTEXT","tenant":"default","context":".x","magic":0}', '{"tenant":"default","context":".x"}'),
    (confluent(":.x:a", 1), value(":.x:a", 1, 1, STRING)),
    (confluent("d", 1), value("d", 1, 1, INT)),
    ('{"keytype":"DELETE_SUBJECT","subject":"d","magic":0}', '{"subject":"d","version":1}'),
    (confluent("gone", 1), value("gone", 1, 9, '"bytes"')),
    (confluent("gone", 1), None),
    ('{"keytype":"ASSOC","tenant":"default","resourceName":"r","magic":0}', '{"guid":"g"}'),
    # Karapace
    (KARAPACE % 1, '{"subject": "k", "version": 1, "id": 20, "schema": "\\"float\\"", "deleted": false}'),
    (KARAPACE % 2, '{"deleted":false,"id":21,"schema":"\\"double\\"","subject":"k","version":2}'),
    ('{"subject":null,"magic":0,"keytype":"MODE"}', '{"mode":"READWRITE"}'),
    # Redpanda
    ('{"keytype":"SCHEMA","subject":"r","version":1,"magic":1,"seq":17,"node":0}', value("r", 1, 30, '"boolean"')),
    # nobody (a record without a key the broker refuses; run_test.c has one)
    ("no json", "no json"), (confluent("n", 1), "{}"), ("[]", None), (confluent("n", 2), None),
]


def main():
    topic = "takeover-test-%d-%d" % (time.time(), os.getpid())
    make_topic(topic, 1, "compact")
    p = Producer({"bootstrap.servers": kafka})
    for k, v in RECORDS:
        p.produce(topic, key=k, value=v, on_delivery=lambda e, _: check(f"written: {e}", e, None) if e else None)
    check("all is written", p.flush(30), 0)
    r = Registry(topic)
    try:
        check("reads every subject", r.ask("GET", "/subjects?deleted=true"),
              (200, [":.x:a", "c", "d", "e", "k", "r"]))
        check("and which are deleted", r.ask("GET", "/subjects?deletedOnly=true"), (200, ["d"]))
        check("ids as they were", [r.ask("GET", f"/schemas/ids/{i}/schema")[1] for i in (1, 2, 20, 21, 30)],
              ["int", "long", "float", "double", "boolean"])
        check("a context of its own", r.ask("GET", "/schemas/ids/1?subject=:.x:"), (200, {"schema": STRING}))
        check("what was deleted for good is gone", r.ask("GET", "/schemas/ids/9")[0], 404)
        check("the later form of a setting counts", r.ask("GET", "/config"), (200, {"compatibilityLevel": "NONE"}))
        check("settings of a subject", r.ask("GET", "/config/c"),
              (200, {"normalize": True, "compatibilityLevel": "FORWARD"}))
        check("a mode", r.ask("GET", "/mode/ro"), (200, {"mode": "READONLY"}))
        check("read-only is obeyed", r.register("ro", "int")[1]["error_code"], 42205)
        check("skips three and says so", r.ask("GET", "/readyz")[1]["skipped"], 3)
        check("goes on behind the largest id", r.register("new", {"type": "array", "items": "int"}), (200, {"id": 31}))
        check("knows a schema by its text", r.register("other", "double"), (200, {"id": 21}))

        n = len(read_topic(topic))
        check("deletes what Karapace wrote", r.ask("DELETE", "/subjects/k")[0], 200)
        check("for good", r.ask("DELETE", "/subjects/k?permanent=true"), (200, [1, 2]))
        check("both forms of each key get a tombstone", read_topic(topic)[n + 1:],
              [(KARAPACE % 2, None), (confluent("k", 2), None), (KARAPACE % 1, None), (confluent("k", 1), None)])
        n = len(read_topic(topic))
        check("drops the settings", r.ask("DELETE", "/config")[0], 200)
        check("under both their keys", read_topic(topic)[n:],
              [('{"keytype":"CONFIG","subject":null,"magic":0}', None), ('{"keytype":"CONFIG","magic":0}', None)])
        before = r.everything()
        r.kill()
        r.start()
        check("the same after a restart", r.everything(), before)
    finally:
        r.process.kill()
    sys.exit(registry_test.failed != 0)


if __name__ == "__main__":
    main()
