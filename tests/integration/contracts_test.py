#!/usr/bin/env python3
"""Data contracts on a real Kafka: rules stored with a schema, in our registry and in one that is not ours, kept by the gateway;
and Confluent's Python client, given the same rules by the same registry, as the judge of what a rule means.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import http.server, json, os, re, sys, threading

import world
from world import JSON, World, call, check, check_that, make_topic, need, read_topic

need("AVROGATE", "AVROGATE_TEST_KAFKA")

t = "rules%d" % os.getpid()
CUSTOMER = {"type": "record", "name": "Customer", "namespace": "shop", "fields": [
    {"name": "name", "type": "string"},
    {"name": "email", "type": "string", "confluent:tags": ["PII"]},
    {"name": "age", "type": "int"},
    {"name": "country", "type": ["null", "string"], "default": None}]}
ANN = {"name": "Ann", "email": "ann@example.org", "age": 30, "country": "IT"}
AVRO_V2 = "application/vnd.kafka.avro.v2+json"


def rule(name, expr, type="CEL", kind="CONDITION", mode="WRITE", **more):
    return {"name": name, "kind": kind, "type": type, "mode": mode, "expr": expr, **more}


def register(w, subject, rules, schema=CUSTOMER, **more):
    body = {"schema": json.dumps(schema), "ruleSet": {"domainRules": rules}, **more}
    return call("POST", w.registry_port, "/subjects/%s/versions" % subject, json.dumps(body), JSON)



def at_registration(w):
    def refused(rules, **more):
        a = register(w, t + "-no-value", rules, **more)
        return a.status, a.json.get("error_code"), a.json.get("message")

    check("an unknown field is refused with line and column", refused([rule("r", "message.age > 1 &&\n message.nope > 1")])[:2], (422, 42210))
    check_that("   and says where", re.match(r'Invalid rule set: domainRules: rule "r": 2:\d+: ', refused([rule("r", "message.age > 1 &&\n message.nope > 1")])[2]),
               refused([rule("r", "message.age > 1 &&\n message.nope > 1")]))
    check("what does not parse is refused", refused([rule("r", "message.age >")])[:2], (422, 42210))
    check("what is no condition is refused", refused([rule("r", "message.name + 'x'")])[:2], (422, 42210))
    check("types of others are kept as they are", register(w, t + "-other-value", [rule("r", "((", type="JSONATA", kind="TRANSFORM", mode="READ")]).status, 200)
    check("a disabled rule is not looked at", register(w, t + "-off-value", [rule("r", "((", disabled=True)]).status, 200)
    config = {"overrideRuleSet": {"domainRules": [rule("bad", "message.nope")]}}
    check("a default of the settings is taken unseen", call("PUT", w.registry_port, "/config/%s-set-value" % t, json.dumps(config), JSON).status, 200)
    a = call("POST", w.registry_port, "/subjects/%s-set-value/versions" % t, json.dumps({"schema": json.dumps(CUSTOMER)}), JSON)
    check("   and met when it becomes a version's", (a.status, a.json.get("error_code")), (422, 42210))


def conditions(w):
    topic = t + "-c"
    make_topic(w.kafka, topic)
    make_topic(w.kafka, topic + ".dlq")
    rules = [rule("adult", "message.age >= 18", doc="customers are grown up"),
             rule("email", "name == 'email' ; value.matches('^[^@]+@[^@]+$')", type="CEL_FIELD"),
             rule("known", "message.name != 'nobody'", onFailure="DLQ"),
             rule("soft", "message.name != 'Bob'", onFailure="NONE"),
             rule("watched", "message.age < 100", params={"avrogate.mode": "observe"})]
    a = register(w, topic + "-value", rules)
    check("rules are registered with their schema", a.status, 200)
    check("a record that keeps them is written", w.post(topic, ANN).status, 200)

    a = w.post(topic, [ANN, dict(ANN, age=7)])
    check("one that does not refuses the request", (a.status, a.json["rejected"], a.json["accepted"]), (422, 1, 0))
    bad = a.json["records"][0]
    check("   and names rule, reason and expression", bad["contract"],
          {"rule": "adult", "doc": "customers are grown up", "expr": "message.age >= 18", "why": "is false"})
    check("   in the error too", (bad["errors"][0]["rule"], bad["errors"][0]["message"]),
          ("contract", 'the value: rule "adult" (customers are grown up) is false, wanted message.age >= 18 (contract)'))
    a = w.post(topic, dict(ANN, email="nowhere"))
    check("a field's rule points at the field", (a.status, a.json["records"][0]["errors"][0]["pointer"], a.json["records"][0]["contract"]["field"]),
          (422, "/email", "shop.Customer.email"))
    check("partial writes the others", (w.post(topic, [ANN, dict(ANN, age=7)], query="on_error=partial")).status, 207)

    a = w.post(topic, [ANN, dict(ANN, name="nobody")])
    check("onFailure DLQ refuses, and keeps a copy", (a.status, a.json["accepted"], a.json.get("dlq")), (422, 0, "stored"))
    letter = read_topic(w.kafka, topic + ".dlq")[0]
    h = {k: v.decode() for k, v in letter.headers()}
    check("   which is the record as it was sent", json.loads(letter.value()), dict(ANN, name="nobody"))
    check("   with Confluent's headers", {k: v for k, v in h.items() if k.startswith("__rule")},
          {"__rule.name": "known", "__rule.mode": "WRITE", "__rule.subject": topic + "-value", "__rule.topic": topic, "__rule.exception": "is false"})

    before = len(read_topic(w.kafka, topic))
    check("onFailure NONE lets it through", w.post(topic, dict(ANN, name="Bob")).status, 200)
    check("a rule that only watches lets it through", w.post(topic, dict(ANN, age=120)).status, 200)
    last = read_topic(w.kafka, topic)[before:]
    check("   and marks the record", [dict(m.headers() or ()) for m in last], [{}, {"avrogate.observed": b"watched"}])
    check("a dry run asks the rules", w.post(topic, dict(ANN, age=7), query="dry_run=true").status, 422)
    a = call("POST", w.gateway_port, "/topics/" + topic, json.dumps({"value_schema_id": register(w, topic + "-value", rules).json["id"], "records": [{"value": dict(ANN, age=7)}]}), AVRO_V2)
    check("REST Proxy v2 says so in its shape", (a.status, a.json["error_code"]), (422, 42207))
    check_that("   naming the rule", 'rule \\"adult\\"' in a.body.decode(), a)
    return rules


V3 = "application/json"


def other_doors(w):
    """Each way in keeps the same rules: REST Proxy v3, frames of an older version, keys, container files, avrogate produce."""
    import fastavro, io, subprocess, tempfile
    topic = t + "-o"
    make_topic(w.kafka, topic)
    make_topic(w.kafka, topic + ".dlq")
    first = register(w, topic + "-value", [rule("adult", "message.age >= 18")]).json["id"]
    newest = register(w, topic + "-value", [rule("adult", "message.age >= 21", onFailure="DLQ")]).json["id"]
    cluster = call("GET", w.gateway_port, "/v3/clusters").json["data"][0]["cluster_id"]

    def v3(record):
        data = {"value": {"type": "AVRO", "data": dict(record, country=None)}}
        return call("POST", w.gateway_port, "/v3/clusters/%s/topics/%s/records" % (cluster, topic), json.dumps(data), V3)
    a = v3(dict(ANN, age=7))
    check("REST Proxy v3 keeps them", (a.json.get("error_code"), "adult" in a.json.get("message", "")), (42207, True))
    check("   and says nothing where they are kept", v3(ANN).json.get("error_code"), 200)
    stream = "\n".join(json.dumps({"value": {"type": "AVRO", "data": dict(ANN, country=None, age=age)}}) for age in (30, 5, 40))
    a = call("POST", w.gateway_port, "/v3/clusters/%s/topics/%s/records" % (cluster, topic), stream, V3)
    codes = [int(c) for c in re.findall(r'"error_code":(\d+)', a.body.decode())]
    check("   in a stream each record for itself", codes, [200, 42207, 200])
    letter = read_topic(w.kafka, topic + ".dlq")[0]
    h = {k: v.decode() for k, v in letter.headers()}
    check("   its dead letter is the value that was sent", (json.loads(letter.value())["age"], h["__rule.name"], h["avrogate.schema.id"]), (7, "adult", str(newest)))

    def frame(schema_id, record):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, CUSTOMER, record)
        return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()
    framed = "application/vnd.avrogate.framed"
    got = [w.post(topic, frame(i, dict(ANN, age=age)), framed).status for i, age in ((newest, 20), (newest, 22), (first, 20), (first, 7))]
    check("a frame keeps the rules of the version it bears", got, [422, 200, 200, 422])
    keyed = t + "-k"
    make_topic(w.kafka, keyed)
    key = {"schema": json.dumps("string"), "ruleSet": {"domainRules": [rule("short", "size(message) < 4")]}}
    kid = call("POST", w.registry_port, "/subjects/%s-key/versions" % keyed, json.dumps(key), JSON).json["id"]
    vid = register(w, keyed + "-value", []).json["id"]
    got = [call("POST", w.gateway_port, "/topics/" + keyed, json.dumps({"key_schema_id": kid, "value_schema_id": vid, "records": [
        {"key": k, "value": dict(ANN, country=None)}]}), AVRO_V2).status for k in ("abc", "abcd")]
    check("a key keeps its own subject's rules", got, [200, 422])
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as f:
        f.write(json.dumps(ANN) + "\n" + json.dumps(dict(ANN, age=3)) + "\n")
        f.flush()
        p = subprocess.run([world.AVROGATE, "produce", "--quiet", "-b", w.kafka, "-r", "http://127.0.0.1:%d" % w.registry_port, "-t", topic, "--on-error", "partial", f.name],
                           capture_output=True, text=True)
    check_that("avrogate produce keeps them too", 'rule "adult"' in p.stdout + p.stderr, (p.returncode, p.stdout, p.stderr))


def metrics(w):
    from prometheus_client.parser import text_string_to_metric_families
    text = call("GET", w.gateway_port, "/metrics").body.decode()
    found = {(s.labels["rule"], s.labels["outcome"]): s.value for f in text_string_to_metric_families(text) if f.name == "avrogate_gateway_rules"
             for s in f.samples if s.labels["subject"] == t + "-c-value"}
    check("every rule is counted by what it did", {k: found.get(k) for k in (("adult", "refused"), ("known", "dlq"), ("soft", "ignored"), ("watched", "observed"))},
          {("adult", "refused"): 4, ("known", "dlq"): 1, ("soft", "ignored"): 1, ("watched", "observed"): 1})


def decoded(w, topic):
    import fastavro, io
    return [fastavro.schemaless_reader(io.BytesIO(m.value()[5:]), CUSTOMER) for m in read_topic(w.kafka, topic)]


def transforms(w):
    topic = t + "-t"
    make_topic(w.kafka, topic)
    rules = [rule("mask", "name == 'email' ; value.replace('@', ' at ')", type="CEL_FIELD", kind="TRANSFORM"),
             rule("masked", "!message.email.contains('@')")]
    check("a transform is registered", register(w, topic + "-value", rules).status, 200)
    check("a record is transformed, then asked", w.post(topic, ANN).status, 200)
    check("   and Kafka has what came of it", decoded(w, topic), [dict(ANN, email="ann at example.org")])
    tagged = t + "-tag"
    make_topic(w.kafka, tagged)
    rules = [rule("hide", "'***'", type="CEL_FIELD", kind="TRANSFORM", tags=["PII", "WHO"])]
    check("tags choose fields, inline and by path", register(w, tagged + "-value", rules, metadata={"tags": {"**.name": ["WHO"]}}).status, 200)
    check("   when written", w.post(tagged, ANN).status, 200)
    check("   both are hidden", decoded(w, tagged), [dict(ANN, email="***", name="***")])


def secrets(w):
    topic = t + "-s"
    make_topic(w.kafka, topic)
    rules = [rule("pii", "", type="ENCRYPT", kind="TRANSFORM", mode="WRITEREAD", tags=["PII"], onFailure="ERROR,NONE")]
    check("a rule that encrypts is registered", register(w, topic + "-value", rules).status, 200)
    a = w.post(topic, ANN, query="on_error=dlq")
    check("what should be encrypted is not written in clear", (a.status, a.json["error_code"]), (422, 42210))
    check("   anywhere", len(read_topic(w.kafka, topic)), 0)


class Foreign(http.server.BaseHTTPRequestHandler):
    """A registry that is not ours: it answers what Confluent's does, and checks no rule."""
    subjects = {}

    def do_GET(self):
        m = re.match(r"/subjects/([^/]+)/versions/latest", self.path)
        n = re.match(r"/schemas/ids/(\d+)", self.path)
        found = None
        if m:
            found = self.subjects.get(m.group(1))
        elif n:
            found = next((s for s in self.subjects.values() if s["id"] == int(n.group(1))), None)
        elif self.path.startswith("/subjects"):
            found = list(self.subjects)
        body = json.dumps(found if found is not None else {"error_code": 40401, "message": "Subject not found."}).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def foreign(w):
    good, broken = t + "-fg", t + "-fb"
    for i, (topic, expr) in enumerate(((good, "message.age >= 18"), (broken, "message.nope > 1"))):
        make_topic(w.kafka, topic)
        Foreign.subjects[topic + "-value"] = {"subject": topic + "-value", "version": 1, "id": 71 + i, "schemaType": "AVRO", "schema": json.dumps(CUSTOMER), "guid": "x",
                                              "ts": 1, "deleted": False, "ruleSet": {"domainRules": [dict(rule("r", expr), tags=None, params=None, doc=None)]}}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    other = World()
    other.registry_port = server.server_address[1]
    other.start_gateway()
    try:
        check("the rules of another registry are kept", [other.post(good, ANN).status, other.post(good, dict(ANN, age=3)).status], [200, 422])
        a = other.post(broken, ANN)
        check("one of them that does not compile shuts the door", (a.status, a.json["error_code"]), (422, 42210))
        check_that("   and says which and where", re.match(r'schema 72: domainRules: rule "r": 1:\d+: ', a.json["message"]), a)
        other.end("gateway")
        other.start_gateway("--contracts", "observe")
        check("a gateway that only watches lets them through", [other.post(good, dict(ANN, age=3)).status, other.post(broken, ANN).status], [200, 200])
        check("   marked", [dict(m.headers())["avrogate.observed"] for m in read_topic(w.kafka, good)[1:] + read_topic(w.kafka, broken)], [b"r", b"r"])
    finally:
        other.close()
        server.shutdown()


# Conditions on which Confluent's Python client and we must agree, for each of the records; and those where we differ, and why.
JUDGED = [rule("a", "message.age >= 18"), rule("b", "message.name.startsWith('A')"), rule("c", "message.email.contains('@') && message.age < 100"),
          rule("d", "size(message.name) > 2"), rule("e", "message.age > 50 ; message.name == 'Zoe'"), rule("f", "message.age in [30, 7]"),
          rule("g", "name == 'email' ; value.endsWith('.org')", type="CEL_FIELD"), rule("h", "typeName == 'STRING' ; value != ''", type="CEL_FIELD"),
          rule("i", "value.size() > 6", type="CEL_FIELD", tags=["PII"]), rule("j", "message.age / 0 == 1"), rule("k", "false", onFailure="NONE"),
          rule("l", "false", disabled=True), rule("m", "false", mode="READ"), rule("n", "message.age % 2 == 0 || message.name == 'Ann'"),
          rule("o", "message.name.matches('^[A-Z][a-z]+$')"), rule("p", "fullName == 'shop.Customer.age' ; value < 40", type="CEL_FIELD"),
          rule("q", "[message.age].all(x, x > 10)"), rule("r", "has(message.name) && message.name != ''")]
RECORDS = [ANN, dict(ANN, age=7), dict(ANN, name="Zoe", age=60), dict(ANN, email="nowhere"), dict(ANN, name=""), dict(ANN, name="bob", email="b@c.org", age=99)]
DIFFER = {}  # rule -> why


def judge(w):
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.schema_registry.rules.cel.cel_executor import CelExecutor
    from confluent_kafka.schema_registry.rules.cel.cel_field_executor import CelFieldExecutor
    from confluent_kafka.serialization import MessageField, SerializationContext
    CelExecutor.register()
    CelFieldExecutor.register()
    client = SchemaRegistryClient({"url": "http://127.0.0.1:%d" % w.registry_port})
    alike, differ = 0, {}
    for r in JUDGED:
        topic = "%s-j%s" % (t, r["name"])
        make_topic(w.kafka, topic)
        assert register(w, topic + "-value", [r]).status == 200, r
        theirs = AvroSerializer(client, conf={"auto.register.schemas": False, "use.latest.version": True})
        for record in RECORDS:
            try:
                theirs(dict(record), SerializationContext(topic, MessageField.VALUE))
                want = 200
            except Exception:
                want = 422
            got = w.post(topic, record).status
            alike += got == want
            if got != want:
                differ.setdefault(r["name"], []).append((record, got, want))
    check("Confluent's Python client judges alike, but where it is known not to", sorted(differ), sorted(DIFFER))
    print("# %d verdicts alike of %d" % (alike, len(JUDGED) * len(RECORDS)))
    for name, cases in differ.items():
        print("# rule %s, %s: ours %d, theirs %d on %s" % (name, DIFFER.get(name), cases[0][1], cases[0][2], cases[0][0]))


def main():
    w = World()
    w.start_registry()
    w.start_gateway()
    try:
        at_registration(w)
        conditions(w)
        metrics(w)
        other_doors(w)
        transforms(w)
        secrets(w)
        foreign(w)
        judge(w)
    finally:
        w.close()
    sys.exit(world.failed > 0)


main()
