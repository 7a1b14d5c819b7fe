#!/usr/bin/env python3
"""Our gateway before registries of others: Apicurio, ours, and whatever else is given; the same requests for all of them.

What was written is read back by confluent-kafka's deserializer with the same registry.  Wants AVROGATE and AVROGATE_TEST_KAFKA;
`./test --registries` gives them.
usage: gateway_registries.py [NAME=URL ...]     more registries that are running already, Karapace or Confluent's
"""
import json, os, signal, subprocess, sys, urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../integration"))
import world
from world import JSON, World, call, check, check_that, make_topic, need, read_topic, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

APICURIO = os.path.join(HERE, "../services/registry-apicurio.sh")
CONTRACTS = {"avrogate": True, "apicurio-v7": False, "apicurio-v8": False}  # does it keep the ruleSet it is given?  docs/contracts.md
V2, V2_AVRO = "application/vnd.kafka.v2+json", "application/vnd.kafka.avro.v2+json"
FIELDS = [{"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None}]
ORDER = {"type": "record", "name": "Order", "namespace": "shop", "fields": FIELDS}
ORDER_2 = dict(ORDER, fields=FIELDS + [{"name": "price", "type": "double", "default": 0}])
PLACE = {"type": "record", "name": "Place", "namespace": "shop", "fields": [{"name": "city", "type": "string"}]}
TRIP = {"type": "record", "name": "Trip", "namespace": "shop", "fields": [{"name": "to", "type": "shop.Place"}]}


class Before:
    """A gateway before one registry."""

    def __init__(self, name, url):
        self.name, self.url, self.w = name, url, World()
        self.topic = "%s%d" % (name, os.getpid())
        self.w.start("gateway", "gateway", "--listen", "127.0.0.1:%d" % self.w.gateway_port, "--bootstrap", self.w.kafka, "--registry", url)
        self.w.wait_ready()
        self.client = SchemaRegistryClient({"url": url})

    def says(self, what, got, want):
        check("%s: %s" % (self.name, what), got, want)

    def ask(self, method, path, body=None):
        u = urllib.parse.urlparse(self.url)
        return call(method, u.port, u.path + path, json.dumps(body) if body is not None else None, JSON)

    def register(self, subject, schema, **more):
        a = self.ask("POST", "/subjects/%s/versions" % subject, dict(schema=json.dumps(schema), **more))
        assert a.status == 200, a
        return a.json["id"]

    def read(self, topic):
        decode = AvroDeserializer(self.client)
        return [decode(m.value(), SerializationContext(topic, MessageField.VALUE)) for m in read_topic(self.w.kafka, topic)]

    def rest(self, path, body, kind=V2_AVRO, accept=V2):
        return call("POST", self.w.gateway_port, path, json.dumps(body), kind, {"Accept": accept})


def own_endpoint(b):
    first = b.register(b.topic + "-value", ORDER)
    a = b.w.post(b.topic, [{"id": 1}, {"id": 2, "note": "x"}])
    b.says("records of the latest version", (a.status, a.json.get("accepted")), (200, 2))
    b.says("   by id", b.w.post(b.topic, {"id": 3}, query="schema_id=%d" % first).status, 200)
    b.says("   by version", b.w.post(b.topic, {"id": 4}, query="version=1").status, 200)
    a = b.w.post(b.topic, {"id": "x"})
    b.says("   what does not fit is refused", (a.status, a.json["records"][0]["errors"][0]["pointer"]), (422, "/id"))
    for what, query in (("an id", "schema_id=987654"), ("a version", "version=99"), ("a subject", "subject=%s-nobody" % b.topic)):
        a = b.w.post(b.topic, {"id": 1}, query=query)
        b.says("   %s that it does not have: 422" % what, (a.status, a.json["error_code"]), (422, 40403))
    b.register(b.topic + "-value", ORDER_2)
    b.says("a field of a version just registered", b.w.post(b.topic, {"id": 5, "price": 1.5}).status, 200)
    b.says("   another client reads all of them", b.read(b.topic), [
        {"id": 1, "note": None}, {"id": 2, "note": "x"}, {"id": 3, "note": None}, {"id": 4, "note": None}, {"id": 5, "note": None, "price": 1.5}])


def references(b):
    topic = b.topic + "-trips"
    make_topic(b.w.kafka, topic)
    b.register(topic + "-place", PLACE)
    b.register(topic + "-value", TRIP, references=[{"name": "shop.Place", "subject": topic + "-place", "version": 1}])
    b.says("a schema that refers to another", b.w.post(topic, {"to": {"city": "Chur"}}).status, 200)
    b.says("   another client reads it", b.read(topic), [{"to": {"city": "Chur"}}])


def rest_proxy(b):
    topic = b.topic + "-rest"
    make_topic(b.w.kafka, topic)
    a = b.rest("/topics/" + topic, {"key_schema": '"string"', "value_schema": json.dumps(ORDER), "records": [{"key": "k", "value": {"id": 1, "note": {"string": "x"}}}]})
    b.says("REST Proxy v2 registers a text", (a.status, [o["offset"] for o in a.json.get("offsets", [])]), (200, [0]))
    found = b.ask("GET", "/subjects/%s-value/versions/1" % topic).json
    b.says("   under the topic's subject, and has its id", (found["id"], a.json["value_schema_id"] == found["id"]), (found["id"], True))
    again = b.rest("/topics/" + topic, {"value_schema_id": found["id"], "records": [{"value": {"id": 2, "note": None}}]})
    b.says("   by id", again.status, 200)
    b.says("   an id that it does not have", (lambda x: (x.status, x.json["error_code"]))(b.rest("/topics/" + topic, {"value_schema_id": 987654, "records": [{"value": {"id": 2}}]})), (422, 42207))
    bad = dict(ORDER, fields=[{"name": "id", "type": "string"}])
    a = b.rest("/topics/" + topic, {"value_schema": json.dumps(bad), "records": [{"value": {"id": "x"}}]})
    b.says("   a text that is not compatible", (a.status, a.json["error_code"]), (422, 42205))
    cluster = call("GET", b.w.gateway_port, "/v3/clusters").json["data"][0]["cluster_id"]
    at = "/v3/clusters/%s/topics/%s/records" % (cluster, topic)
    a = b.rest(at, {"value": {"data": {"id": 3, "note": None}}}, JSON, JSON)
    b.says("v3 takes the latest", (a.status, a.json.get("error_code"), a.json["value"]["schema_id"], a.json["value"]["schema_version"]), (200, 200, found["id"], 1))
    a = b.rest(at, {"value": {"subject": topic + "-value", "schema_version": 1, "data": {"id": 4, "note": None}}}, JSON, JSON)
    b.says("   a version of a subject", (a.status, a.json.get("error_code")), (200, 200))
    a = b.rest(at, {"value": {"subject": topic + "-nobody", "data": {"id": 5}}}, JSON, JSON)
    b.says("   a subject that it does not have", (a.status, a.json["error_code"]), (422, 42207))
    b.says("   another client reads all of them", [r["id"] for r in b.read(topic)], [1, 2, 3, 4])


def contracts(b):
    topic = b.topic + "-rules"
    make_topic(b.w.kafka, topic)
    b.register(topic + "-value", ORDER, ruleSet={"domainRules": [{"name": "positive", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": "message.id > 0"}]})
    stored = "ruleSet" in b.ask("GET", "/subjects/%s-value/versions/latest" % topic).json
    b.says("keeps a ruleSet: %s" % ("yes" if stored else "no"), stored, CONTRACTS.get(b.name, stored))
    a = b.w.post(topic, {"id": -1})
    b.says("   and the gateway enforces it" if stored else "   so the gateway knows of no rule", (a.status, a.json.get("records", [{}])[0].get("contract", {}).get("rule")), (422, "positive") if stored else (200, None))


def away(b, pid):
    """It falls silent, with connections open: the worst way to be away."""
    os.kill(pid, signal.SIGSTOP)
    try:
        b.says("silent: what is known goes on", b.w.post(b.topic, {"id": 6}).status, 200)
        a = b.w.post(b.topic, {"id": 7}, query="version=2")
        b.says("   what is not is 503, not written", (a.status, a.json.get("outcome"), "Retry-After" in a.headers), (503, "not_written", True))
        check_that("   in time", a.seconds < 12, a.seconds)
        until("/readyz says so", lambda: call("GET", b.w.gateway_port, "/readyz").status == 503)
    finally:
        os.kill(pid, signal.SIGCONT)
    until("it goes on without a restart", lambda: b.w.post(b.topic, {"id": 8}, query="version=2").status == 200)
    until("   and /readyz says so", lambda: call("GET", b.w.gateway_port, "/readyz").status == 200)
    b.says("   nothing else was written", [r["id"] for r in b.read(b.topic)][5:], [6, 8])


def try_gateway(name, url, pid=None):
    print("-- the gateway before %s: %s" % (name, url), flush=True)
    b = Before(name, url)
    try:
        b.ask("PUT", "/config", {"compatibility": "BACKWARD"})  # where no level is set some begin with NONE
        make_topic(b.w.kafka, b.topic)
        own_endpoint(b)
        references(b)
        rest_proxy(b)
        contracts(b)
        if pid is not None:
            away(b, pid)
    finally:
        check("%s: the gateway ends with 0" % name, b.w.close(), {"gateway": 0})


def main():
    env = dict(os.environ, REG_PORT=str(world.free_port()))
    ours = World()
    try:
        ours.start("registry", "registry", "--listen", "127.0.0.1:%d" % ours.registry_port, "--bootstrap", ours.kafka,
                   "--topic", "gateway-registries%d-schemas" % os.getpid(), "--allow-unsafe")
        until("the registry is ready", lambda: call("GET", ours.registry_port, "/readyz").status == 200)
        try_gateway("avrogate", "http://127.0.0.1:%d" % ours.registry_port, ours.running["registry"].pid)
        subprocess.run([APICURIO, "start"], env=env, check=True, stdout=subprocess.DEVNULL)
        say = lambda what: subprocess.run([APICURIO, what], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        for version in ("v7", "v8"):
            try_gateway("apicurio-" + version, say("url").replace("v7", version), int(say("pid")))
        for name, url in (a.split("=", 1) for a in sys.argv[1:]):
            try_gateway(name, url)
    finally:
        subprocess.run([APICURIO, "stop"], env=env)
        ours.close()
    sys.exit(world.failed != 0)


if __name__ == "__main__":
    main()
