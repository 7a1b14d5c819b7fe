#!/usr/bin/env python3
"""Dead letters on a real Kafka: what the gateway refused is listed, shown and exported as it came,
and goes in once, however often it is replayed, when a newer schema takes it.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import base64, json, os, subprocess, sys

from confluent_kafka import Producer

import world
from world import JSON, World, call, check, check_that, make_topic, need, read_topic

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


def rule(name, expr, **more):
    return {"name": name, "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": expr, **more}


def replayed(w):
    topic = t + "-r"
    make_topic(w.kafka, topic)
    make_topic(w.kafka, topic + ".dlq")
    gateway = ("--gateway", "http://127.0.0.1:%d" % w.gateway_port)

    def replay(*argv):
        p = dlq("replay", topic, "--json", *gateway, *argv)
        got = lines(p)
        return p.returncode, {k: got[-1][k] for k in ("written", "already", "refused", "not_sent")}, got[:-1]

    def there():
        return sorted((m.value()[5:], m.key(), dict(m.headers()).get("avrogate.idempotency-id")) for m in read_topic(w.kafka, topic))
    nothing = dict(written=0, already=0, refused=0, not_sent=0)
    w.register(topic + "-value", ORDER)
    w.post(topic, '[{"id":2,"price":1.5},{"id":"x","price":1}]', query="on_error=dlq&key_field=id")
    w.post(topic, '{"id":3,"price":2.5}', query="on_error=dlq", headers={"Kafka-Key": "k3"})
    w.post(topic, "id;price\n4;4.5\n", "text/csv", query="on_error=dlq&delimiter=%3B")
    w.post(topic, '{"id":6,"price":1},{"id":7,"price":1}\n', world.NDJSON, query="on_error=dlq")

    code, got, more = replay()
    check("under the same schema all are refused again", (code, got), (1, dict(nothing, refused=4, not_sent=1)))
    check("   and say why", sorted((m["offset"], m["outcome"]) for m in more), [(0, "refused"), (1, "refused"), (2, "refused"), (3, "not sent"), (4, "refused")])
    check("   and nothing is written, nor buried again", (there(), len(read_topic(w.kafka, topic + ".dlq"))), ([], 5))

    w.register(topic + "-value", dict(ORDER, fields=[ORDER["fields"][0], {"name": "price", "type": "double"}]))
    header = ("--csv-header", "id;price")
    code, got, more = replay("--dry-run", *header)
    check("a dry run tells what would go in", (code, got), (1, dict(nothing, written=3, refused=2)))
    check("   and writes nothing", there(), [])
    code, got, more = replay(*header)
    check("with a newer schema those that fit go in", (code, got, sorted(m["offset"] for m in more)), (1, dict(nothing, written=3, refused=2), [1, 4]))
    first = there()
    check("   with the keys they were sent with", sorted(k for v, k, i in first if k), [b"2", b"k3"])
    code, got, more = replay(*header)
    check("replayed again they are there already", (code, got), (1, dict(nothing, already=3, refused=2)))
    check("   and nothing is added", there(), first)
    check("what is chosen alone goes alone", replay("--where", "offset=2")[:2], (0, dict(nothing, already=1)))
    w.end("gateway")
    w.start_gateway()
    check("a gateway that has forgotten takes them again", replay(*header)[1]["written"], 3)
    check("   under the same ids: for a sink they are one", (len(there()), sorted(set(there()))), (6, first))
    check("a gateway that is away is said to be", dlq("replay", topic, "--gateway", "http://127.0.0.1:1", "--patience", "0").returncode, 1)
    check("what a replay decides is no parameter", dlq("replay", topic, *gateway, "--param", "on_error=dlq").returncode, 2)
    check("without a gateway it is called wrongly", dlq("replay", topic).returncode, 2)


def other_doors(w):
    """REST Proxy's Avro JSON has its own bytes and unions; a subject may be another, and a parameter given by hand wins."""
    topic = t + "-o"
    make_topic(w.kafka, topic)
    make_topic(w.kafka, topic + ".dlq")
    schema = {"type": "record", "name": "R", "fields": [{"name": "b", "type": "bytes"}, {"name": "u", "type": ["null", "string"]}]}
    body = {"schema": json.dumps(schema), "ruleSet": {"domainRules": [rule("never", "false", onFailure="DLQ")]}}
    assert call("POST", w.registry_port, "/subjects/%s-value/versions" % topic, json.dumps(body), JSON).status == 200
    i = call("GET", w.registry_port, "/subjects/%s-value/versions/latest" % topic).json["id"]
    a = call("POST", w.gateway_port, "/topics/" + topic, json.dumps({"value_schema_id": i, "records": [{"value": {"b": "\u00ff!", "u": {"string": "x"}}}]}),
             "application/vnd.kafka.avro.v2+json")
    check("a record of REST Proxy's is buried", (a.status, len(read_topic(w.kafka, topic + ".dlq"))), (422, 1))
    w.register(t + "-else", schema)
    argv = ("replay", topic, "--gateway", "http://127.0.0.1:%d" % w.gateway_port)
    check("   refused again under its own subject", dlq(*argv).returncode, 1)
    check("   and taken under one that is named", dlq(*argv, "--param", "subject=" + t + "-else").returncode, 0)
    check("   with its bytes", [m.value()[5:] for m in read_topic(w.kafka, topic)], [b"\x04\xff!\x02\x02x"])


def in_circles(w):
    """A rule that buries what it refuses does not bury what is replayed: the letter would come back, again and again."""
    topic = t + "-c"
    make_topic(w.kafka, topic)
    make_topic(w.kafka, topic + ".dlq")
    gateway = ("--gateway", "http://127.0.0.1:%d" % w.gateway_port)

    def register(least):
        body = {"schema": json.dumps(ORDER), "ruleSet": {"domainRules": [rule("dear", "message.price >= %d" % least, onFailure="DLQ")]}}
        assert call("POST", w.registry_port, "/subjects/%s-value/versions" % topic, json.dumps(body), JSON).status == 200

    def letters():
        return [{k: v.decode() for k, v in m.headers()} for m in read_topic(w.kafka, topic + ".dlq")]
    register(100)
    w.post(topic, {"id": 1, "price": 5})
    dlq("replay", topic, "--dry-run", *gateway)
    check("a dry run buries nothing", len(letters()), 1)
    p = dlq("replay", topic, "--json", *gateway)
    check("what the rule refuses again is not buried again", (p.returncode, lines(p)[-1]["refused"], len(letters())), (1, 1, 1))
    register(1)
    p = dlq("replay", topic, "--json", *gateway)
    check("when the rule lets it pass it goes in", (p.returncode, lines(p)[-1]["written"], len(read_topic(w.kafka, topic))), (0, 1, 1))
    dlq("replay", topic, *gateway)
    check("   once", len(read_topic(w.kafka, topic)), 1)


def edited(w):
    """The records are changed on their way: fields of a wrong type, wrong names, texts that are no JSON, CSV, events and framed Avro."""
    topic = t + "-e"
    make_topic(w.kafka, topic)
    make_topic(w.kafka, topic + ".dlq")
    gateway = ("--gateway", "http://127.0.0.1:%d" % w.gateway_port)

    def replay(*argv):
        p = dlq("replay", topic, "--json", *gateway, *argv)
        got = lines(p)
        return p.returncode, {k: v for k, v in got[-1].items() if k in ("written", "already", "refused", "not_sent") and v} if got else p.stderr, got[:-1]

    def there():
        return [(m.value()[5:], dict(m.headers()).get("avrogate.idempotency-id") is not None) for m in read_topic(w.kafka, topic)]
    record = lambda i, price: bytes([2 * i, 2 * price])
    w.register(topic + "-value", ORDER)
    w.post(topic, '[{"id":1,"price":"10"},{"ident":2,"price":20},{"id":3}]', query="on_error=dlq")
    w.post(topic, b'{"id":4,"price":NaN}', world.NDJSON, query="on_error=dlq")
    w.post(topic, "id;price\n5;5 EUR\n", "text/csv", query="on_error=dlq&delimiter=%3B")
    w.post(topic, {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "data": {"id": 6, "price": "6"}}, "application/cloudevents+json", query="on_error=dlq")

    typed = ("--set", "price=type(value) == string ; int(value)", "--where", "partition=0")
    code, got, more = replay("--dry-run", *typed)
    check("a dry run shows what would go in, before and after", [(m["before"], m["after"]) for m in more if m["outcome"] == "would go in"],
          [('{"id":1,"price":"10"}', {"id": 1, "price": 10}), ('{"id": 6, "price": "6"}', {"id": 6, "price": 6})])
    check_that("   and for people", all(s in dlq("replay", topic, "--dry-run", *gateway, *typed).stdout.decode() for s in (
        '  before  {"id":1,"price":"10"}\n  after   {"id":1,"price":10}\n', ".dlq/0@0  would go in\n")))
    check("   and writes nothing", there(), [])
    check("a wrong edit is refused by the newest schema, and says what it was", [(m["outcome"], m["after"]) for m in replay("--set", "price=true", "--where", "offset=0")[2]],
          [("refused", {"id": 1, "price": True})])
    check("   and a better one goes in", replay(*typed, "--where", "offset=0")[:2], (0, {"written": 1}))
    check("   once, however often", (replay(*typed, "--where", "offset=0")[:2], there()), ((0, {"already": 1}), [(record(1, 10), True)]))
    code, got, more = replay("--set", "price=99", "--where", "offset=0")
    check("   and not again as something else", (code, got, len(there())), (1, {"refused": 1}, 1))
    check("a wrong name is changed", replay("--set", "id=message.ident", "--drop", "ident", "--where", "pointer=/ident")[:2], (0, {"written": 1}))
    check("what is missing is made, of what the letter says", replay("--set", "price=errors.exists(e, e.pointer == '/price') ; 30", "--where", "offset=2")[:2], (0, {"written": 1}))
    check("what is no JSON is not sent by --set alone", replay("--set", "price=40", "--where", "offset=3")[:2], (1, {"not_sent": 1}))
    check("   but when it is repaired", replay("--repair", "text.replace('NaN', 'null')", "--set", "price=40", "--where", "offset=3")[:2], (0, {"written": 1}))
    check("a row of CSV has fields too", replay("--csv-header", "id;price", "--set", "price=int(value.split(' ')[0])", "--where", "offset=4")[:2], (0, {"written": 1}))
    check("of an event the data are changed", replay("--set", "price=int(value)", "--where", "offset=5")[:2], (0, {"written": 1}))
    check("   all of them are there", [v for v, i in there()], [record(i, p) for i, p in ((1, 10), (2, 20), (3, 30), (4, 40), (5, 5), (6, 6))])

    old = w.register(topic + "-old", {"type": "record", "name": "Old", "fields": [{"name": "ident", "type": "string"}, {"name": "cents", "type": "long"}]})
    framed = b"\0" + old.to_bytes(4, "big") + b"\x027\xf8\x0a"
    p = Producer({"bootstrap.servers": world.KAFKA})
    p.produce(topic + ".dlq", framed, headers=[("content-type", b"application/vnd.avrogate.framed"), ("avrogate.subject", (topic + "-value").encode())])
    p.flush(30)
    made = ("--transform", "{'id': int(message.ident), 'price': message.cents / 100}", "--where", "offset=6")
    check("framed Avro wants a registry", [m["why"] for m in replay(*made)[2]], ["it is framed Avro: its schema is wanted (--registry)"])
    code, got, more = replay("--dry-run", *made, "--registry", "http://127.0.0.1:%d" % w.registry_port)
    check("   is shown decoded", [(m["before"], m["after"]) for m in more], [('{"ident":"7","cents":700}', {"id": 7, "price": 7})])
    check("   and goes in under the newest schema", (replay(*made, "--registry", "http://127.0.0.1:%d" % w.registry_port)[:2], there()[-1]), ((0, {"written": 1}), (record(7, 7), True)))

    check("an expression that is none is called wrongly", dlq("replay", topic, *gateway, "--set", "price=vlaue").returncode, 2)
    check("who only reads changes nothing", dlq("show", topic, "--set", "price=1").returncode, 2)


def main():
    w = World()
    try:
        w.start_registry()
        w.start_gateway()
        make_topic(w.kafka, t)
        make_topic(w.kafka, t + ".dlq")
        looked_at(w)
        replayed(w)
        other_doors(w)
        in_circles(w)
        edited(w)
    finally:
        w.close()
    print("%d failed" % world.failed)
    sys.exit(world.failed > 0)


main()
