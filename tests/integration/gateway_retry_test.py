#!/usr/bin/env python3
"""Idempotency-Key: the same request again is carried out once, whatever happened to the first; and where the gateway cannot know
(it was killed), the records bear ids by which a sink can.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA (it starts its own broker, which it stops); skipped (77) without them.
"""
import json, signal, sys

import world
from world import Broker, Later, World, call, check, check_that, make_topic, metric, need, read_topic, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}, {"name": "pad", "type": "string", "default": ""}]}


def key(k):
    return {"Idempotency-Key": k}


def heads(kafka, topic, partitions=1):
    """Of each record: its id, the key it came with, its idempotency id."""
    found = []
    for m in read_topic(kafka, topic, partitions):
        h = dict(m.headers() or [])
        n = m.value()[5] >> 1
        found.append((m.value()[6:6 + n].decode(), h.get("avrogate.idempotency-key", b"").decode(), h.get("avrogate.idempotency-id", b"").decode()))
    return found


def is_again(a):
    return a.headers.get("Idempotent-Replayed") == "true"


def the_same_again(w):
    first = w.post("a", [{"id": "a0"}, {"id": "a1"}], headers=key("k1"))
    again = w.post("a", [{"id": "a0"}, {"id": "a1"}], headers=key('"k1"'))
    check("the same request again has the same answer", (again.status, again.body), (first.status, first.body))
    check("   which says that it is one", (is_again(first), is_again(again)), (False, True))
    found = heads(w.kafka, "a")
    check("   and is there once, with its key", [(i, k) for i, k, _ in found], [("a0", "k1"), ("a1", "k1")])
    check_that("   and an id for each record", found[0][2][:33] == found[1][2][:33] and [f[2][32:] for f in found] == [":0", ":1"], found)
    other = w.post("a", [{"id": "a0"}], headers=key("k1"))
    check("another body under the same key is refused", (other.status, other.json["error_code"]), (422, 422))
    check("   another query too", w.post("a", [{"id": "a0"}, {"id": "a1"}], headers=key("k1"), query="on_error=partial").status, 422)
    check("   a dry run is not", w.post("a", [{"id": "a0"}], headers=key("k1"), query="dry_run=true").status, 200)
    check("   however it is written", w.post("a", [{"id": "a0"}], headers=key("k1"), query="dry_run=TRUE").status, 200)
    check("another time is another request", w.post("a", [{"id": "a0"}, {"id": "a1"}], headers={**key("k1"), "Kafka-Timestamp": "5"}).status, 422)
    event = {"ce-specversion": "1.0", "ce-source": "/x", "ce-type": "t", "ce-id": "1"}
    check("an event under a key", w.post("b", {"id": "e0"}, headers={**key("ev"), **event}).status, 200)
    check("   and the same again", is_again(w.post("b", {"id": "e0"}, headers={**key("ev"), **event})), True)
    check("   another event of the same data is refused", w.post("b", {"id": "e0"}, headers={**key("ev"), **event, "ce-id": "2"}).status, 422)
    check("   nor the same key for another topic", w.post("b", [{"id": "a0"}], headers=key("k1")).status, 200)
    for bad in ("", "x" * 129, "caf\u00e9"):
        check("a key of %d characters %r is none" % (len(bad), bad[:4]), w.post("a", {"id": "no"}, headers=key(bad.encode("latin-1"))).status, 400)
    refused = [w.post("a", {"id": 1}, headers=key("k2")) for _ in range(2)]
    check("what was refused is looked at again", [(a.status, is_again(a)) for a in refused], [(422, False)] * 2)
    check("   and its key is still free", w.post("a", {"id": "a2"}, headers=key("k2")).status, 200)
    check("nothing else was written", [f[0] for f in heads(w.kafka, "a")], ["a0", "a1", "a2"])


def rest_proxys_too(w):
    body = json.dumps({"value_schema_id": w.schema_id, "records": [{"value": {"id": "v2"}}]})
    v2 = [call("POST", w.gateway_port, "/topics/rest", body, "application/vnd.kafka.avro.v2+json", key("r2")) for _ in range(2)]
    check("REST Proxy's v2", [(a.status, is_again(a)) for a in v2], [(200, False), (200, True)])
    check("   and its type", v2[1].headers["Content-Type"], "application/vnd.kafka.v2+json")
    cluster = call("GET", w.gateway_port, "/v3/clusters").json["data"][0]["cluster_id"]
    body = json.dumps({"value": {"schema_id": w.schema_id, "data": {"id": "v3"}}})
    v3 = [call("POST", w.gateway_port, "/v3/clusters/%s/topics/rest/records" % cluster, body, "application/json", key("r3")) for _ in range(2)]
    check("   and v3", [(a.status, is_again(a)) for a in v3], [(200, False), (200, True)])
    check("   each there once", [(i, k) for i, k, _ in heads(w.kafka, "rest")], [("v2", "r2"), ("v3", "r3")])


def while_the_first_runs(w, broker):
    broker.stop()
    waiting = [Later(w.post, "c", {"id": "c0"}, headers=key("k")) for _ in range(8)]
    until("all of them are there", lambda: metric(w, "avrogate_http_requests_in_flight") >= 9)
    check("another body does not wait", w.post("c", {"id": "c1"}, headers=key("k")).status, 422)
    broker.go_on()
    answers = [l.result() for l in waiting]
    check("eight at once have one answer", ({a.status for a in answers}, len({a.body for a in answers})), ({200}, 1))
    check("   seven of them again", sum(is_again(a) for a in answers), 7)
    check("   and it is there once", len(heads(w.kafka, "c")), 1)


def after_an_unknown_outcome(w, broker):
    records = [{"id": "d%d" % i} for i in range(3)]
    w.post("d", {"id": "known"})
    broker.stop()
    lost = w.post("d", records, headers=key("k"))
    broker.go_on()
    check("Kafka's answer is lost: 504", (lost.status, lost.json["outcome"]), (504, "unknown"))
    until("the same again is written", lambda: w.post("d", records, headers=key("k")).status == 200)
    check_that("   and from then on answered from memory", is_again(w.post("d", records, headers=key("k"))))
    found = [f for f in heads(w.kafka, "d") if f[0] != "known"]
    check("   each record is there", {f[0] for f in found}, {"d0", "d1", "d2"})
    check("   and has one id, however often it is", len({f[2] for f in found}), 3)


def after_a_part_was_written(w):
    """A topic that takes less than we were told refuses one partition's batch and not the other's."""
    from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
    make_topic(w.kafka, "part", partitions=2, max_message_bytes=2000)
    records = [{"id": "small%d" % i} for i in range(20)] + [{"id": "large", "pad": "x" * 5000}]

    def send():
        return w.post("part", records, headers=key("k"), query="key_field=id")
    first = send()
    check("one partition's records are refused, the other's written: 504", (first.status, first.json["outcome"]), (504, "partly_written"))
    written = [r["index"] for r in first.json["records"] if "offset" in r]
    check_that("   some are, some are not", 0 < len(written) < 21, written)
    resource = ConfigResource("topic", "part", incremental_configs=[ConfigEntry("max.message.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)])
    admin = AdminClient({"bootstrap.servers": w.kafka})
    admin.incremental_alter_configs([resource])[resource].result(15)
    until("the same again sends the others", lambda: send().status == 200)
    second = send()
    check("   and says where each of them is", [r["index"] for r in second.json["records"]], list(range(21)))
    before = {r["index"]: (r["partition"], r["offset"]) for r in first.json["records"] if "offset" in r}
    after = {r["index"]: (r["partition"], r["offset"]) for r in second.json["records"]}
    check("   what was there is where it was", {i: after[i] for i in before}, before)
    check("   and each record is there once", sorted(f[0] for f in heads(w.kafka, "part", 2)), sorted(r["id"] for r in records))


def when_nothing_was_written(w, broker):
    broker.stop()
    v = World(w.kafka)
    v.registry_port = w.registry_port
    v.start_gateway("--kafka", "message.timeout.ms=1000", wait=False)
    until("it listens", lambda: call("GET", v.gateway_port, "/healthz").status == 200)
    away = v.post("e", {"id": "e0"}, headers=key("k"))
    broker.go_on()
    check("503 is no answer to keep", (away.status, away.json["outcome"]), (503, "not_written"))
    v.wait_ready()
    until("   the same again is written", lambda: v.post("e", {"id": "e0"}, headers=key("k")).status == 200)
    check("   once", len(heads(w.kafka, "e")), 1)
    v.close()


def after_the_gateway_was_killed(w):
    """What it knew is gone: the record is there twice, and a sink can tell by its id."""
    check("a record", w.post("f", {"id": "f0"}, headers=key("k")).status, 200)
    w.end("gateway", signal.SIGKILL)
    w.start_gateway()
    a = w.post("f", {"id": "f0"}, headers=key("k"))
    check("after kill -9 the same again is sent again", (a.status, is_again(a)), (200, False))
    check("   another body under that key is another request", w.post("f", {"id": "f1"}, headers=key("k2")).status, 200)
    w.end("gateway", signal.SIGKILL)
    w.start_gateway()
    check("   also after it was forgotten", w.post("f", {"id": "f2"}, headers=key("k2")).status, 200)
    found = heads(w.kafka, "f")
    check("   both have the same id", (len(found), found[0][2] == found[1][2]), (4, True))
    check("   and those of other bodies have others", len({f[2] for f in found}), 3)


def main():
    broker = Broker()
    broker.do("start")
    w = World(broker.address)
    try:
        for topic in "abcdef":
            make_topic(w.kafka, topic)
        make_topic(w.kafka, "rest")
        w.start_registry()
        for topic in ["part", *"abcdef"]:
            w.schema_id = w.register(topic + "-value", SCHEMA)
        w.start_gateway("--kafka", "message.timeout.ms=3000", "--kafka", "socket.timeout.ms=2000")
        the_same_again(w)
        rest_proxys_too(w)
        while_the_first_runs(w, broker)
        after_an_unknown_outcome(w, broker)
        after_a_part_was_written(w)
        when_nothing_was_written(w, broker)
        after_the_gateway_was_killed(w)
    finally:
        w.close()
        broker.close()
    sys.exit(1 if world.failed else 0)


if __name__ == "__main__":
    main()
