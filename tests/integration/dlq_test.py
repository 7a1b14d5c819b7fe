#!/usr/bin/env python3
"""Dead letters on a real Kafka: what the gateway refused is listed, shown and exported as it came.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import base64, json, os, subprocess, sys

import world
from world import JSON, World, check, check_that, make_topic, need, read_topic

need("AVROGATE", "AVROGATE_TEST_KAFKA")

t = "letters%d" % os.getpid()
ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}, {"name": "price", "type": "int"}]}


def dlq(*argv):
    return subprocess.run([world.AVROGATE, "dlq", *argv, "-b", world.KAFKA], capture_output=True, timeout=60)


def lines(p):
    return [json.loads(line) for line in p.stdout.splitlines()]


def looked_at(w):
    first = w.register(t + "-value", ORDER)
    w.post(t, '[{"id":1,"price":10},{"id":2,"price":1.5},{"id":"x","price":"y"}]', query="on_error=dlq", headers={"Kafka-Key": "k1"})
    w.post(t, b'{"id":4,"price":"\xff"}', query="on_error=dlq")

    p = dlq("ls", "--topic", t, "--json")
    got = lines(p)
    check("ls counts letters by error and schema", (p.returncode, [(g["topic"], g["letters"]) for g in got]), (0, [(t + ".dlq", 3)]))
    check_that("   a letter with two such errors once", any(k["schema_id"] == str(first) and k["letters"] >= 2 for k in got[0]["kinds"]), got)
    check_that("   and for people", ("%s.dlq  3 letters" % t).encode() in dlq("ls", "-t", t).stdout)
    check("a topic without dead letters is said to be one", dlq("ls", "--topic", t + "-none").returncode, 1)

    p = dlq("show", t, "--partition", "0", "--offset", "1")
    text = p.stdout.decode()
    check_that("show says where, which schema, each error and the record", p.returncode == 0 and all(s in text for s in (
        t + ".dlq/0@1", "schema %d of %s-value" % (first, t), " at /id: ", " at /price: ", '{"id":"x","price":"y"}', "k1", "on_error=dlq")), text)
    got = lines(dlq("show", t, "--last", "1", "--json"))
    check("show --last has the newest, bytes that are no text in base64", [base64.b64decode(g["value_base64"]) for g in got], [b'{"id":4,"price":"\xff"}'])
    got = lines(dlq("show", t, "--where", "pointer=/id", "--json"))
    check("show --where chooses", [g["offset"] for g in got], [1])
    check("   and says that none is left", dlq("show", t, "--where", "pointer=/nope").returncode, 1)

    path = "/tmp/%s.ndjson" % t
    p = dlq("export", t + ".dlq", "-o", path, "-q")
    with open(path) as f:
        got = [json.loads(line) for line in f]
    os.unlink(path)
    letters = read_topic(w.kafka, t + ".dlq")

    def whole(o):
        text = lambda m: base64.b64decode(m["value_base64"]) if "value_base64" in m else None if m["value"] is None else m["value"].encode()
        return (o["partition"], o["offset"], o["timestamp_ms"], o["key"] and o["key"].encode(), text(o), [(h["name"], text(h)) for h in o["headers"]])
    check("export loses nothing", (p.returncode, [whole(o) for o in got]),
          (0, [(m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers()) for m in letters]))

    check("called wrongly is 2", (dlq("show").returncode, dlq("burn", t).returncode, dlq("show", t, "--offset", "1").returncode), (2, 2, 2))
    check("a topic that is not there is 1, and is not made", (dlq("show", t + "-none").returncode, dlq("show", t + "-none").returncode), (1, 1))


def main():
    w = World()
    try:
        w.start_registry()
        w.start_gateway()
        make_topic(w.kafka, t)
        make_topic(w.kafka, t + ".dlq")
        looked_at(w)
    finally:
        w.close()
    print("%d failed" % world.failed)
    sys.exit(world.failed > 0)


main()
