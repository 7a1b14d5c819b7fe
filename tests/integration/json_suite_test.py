#!/usr/bin/env python3
"""JSONTestSuite through the gateway: every n_ is refused, every y_ that a schema allows is written, whatever an i_ is, nothing is a
5xx.

With AVROGATE_TEST_DATA=FOLDER in which json-suite/test_parsing is (https://github.com/nst/JSONTestSuite, which is not ours to
copy); skipped (77) without it, and without AVROGATE (the program) and AVROGATE_TEST_KAFKA.
"""
import glob, json, os, sys

import world
from world import JSON, World, call, check, check_that, make_topic, need, read_topic

need("AVROGATE", "AVROGATE_TEST_KAFKA", "AVROGATE_TEST_DATA")
files = sorted(glob.glob(os.path.join(os.environ["AVROGATE_TEST_DATA"], "json-suite", "test_parsing", "*.json")))
if not files:
    print("no json-suite/test_parsing in AVROGATE_TEST_DATA")
    sys.exit(77)
t = "suite%d" % os.getpid()
# Two names that are one: JSON's grammar allows it, we do not (docs/json.md), since readers disagree which of them counts.
DUPLICATES = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}


def schema_of(value):
    """A schema that takes the value: what is not uniform becomes a union."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "double"
    if isinstance(value, str):
        return "string"
    kinds = []
    for v in value.values() if isinstance(value, dict) else value:
        s = schema_of(v)
        if s not in kinds:
            kinds.append(s)
    inside = kinds[0] if len(kinds) == 1 else kinds or "null"
    return {"type": "map", "values": inside} if isinstance(value, dict) else {"type": "array", "items": inside}


def wrapped(kind):
    return {"type": "record", "name": "Suite", "fields": [{"name": "v", "type": kind}]}


def main():
    w = World()
    try:
        make_topic(w.kafka, t)
        w.start_registry()
        anything = ["null", "boolean", "double", "string", {"type": "array", "items": ["null", "boolean", "double", "string", {"type": "map", "values": "string"}]},
                    {"type": "map", "values": ["null", "boolean", "double", "string", {"type": "array", "items": "double"}]}]
        some = w.register(t + "-anything", wrapped(anything))
        bare = w.register(t + "-bare", anything)
        w.start_gateway("--log-level=error", "--limits-body=64MiB")
        wrong, written, unwritten, odd = [], 0, [], []
        for path in files:
            name = os.path.basename(path)
            with open(path, "rb") as f:
                text = f.read()
            for schema, body in ((bare, text), (some, b'{"v":' + text + b"}")):
                a = w.post(t, body, JSON, query="dry_run=true&schema_id=%d" % schema)
                if a.status >= 500 or (name.startswith("n_") and a.status not in (400, 413, 422)):
                    wrong.append((name, a))
            a = call("POST", w.gateway_port, "/topics/" + t, b'{"records":[{"value":' + text + b"}]}", "application/vnd.kafka.json.v2+json")
            if a.status >= 500 or (name.startswith("n_") and a.status < 400):
                odd.append((name, a))
            if not name.startswith("y_"):
                continue
            a = w.post(t, b'{"v":' + text + b"}", JSON, query="schema_id=%d" % w.register("%s-%s" % (t, name), wrapped(schema_of(json.loads(text)))))
            if a.status == 200:
                written += 1
            else:
                unwritten.append((name, a))
        check_that("%d files: every n_ is refused, none is a 5xx" % len(files), not wrong, wrong)
        check_that("   in REST Proxy's interface too", not odd, odd)
        check("every y_ is written but for a name that stands twice", {n for n, _ in unwritten}, DUPLICATES)
        print("%d y_ written" % written)
        check("and it is whole", call("GET", w.gateway_port, "/readyz").status, 200)
    finally:
        w.close()
    sys.exit(1 if world.failed else 0)


if __name__ == "__main__":
    main()
