#!/usr/bin/env python3
"""What REST Proxy's clients send works unchanged: v2 and v3 produce, their answers and error codes, what can be asked of topics and
brokers, and a client from PyPI that was written for REST Proxy.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import base64, decimal, io, json, os, re, struct, sys

import world
from world import World, call, check, check_that, make_topic, need, read_topic

need("AVROGATE", "AVROGATE_TEST_KAFKA")
import fastavro

t = "rest%d" % os.getpid()
V2 = "application/vnd.kafka.v2+json"
AVRO, JSON2, BINARY = ("application/vnd.kafka.%s.v2+json" % f for f in ("avro", "json", "binary"))
USER = {"type": "record", "name": "User", "namespace": "com.shop", "fields": [
    {"name": "name", "type": "string"}, {"name": "email", "type": ["null", "string"]}, {"name": "photo", "type": "bytes"}]}
MONEY = {"type": "record", "name": "Money", "fields": [{"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}]}
ANN = {"name": "Ann", "email": {"string": "ann@shop.com"}, "photo": "\u00ff\u0001"}
BOB = {"name": "Bob", "email": None, "photo": ""}


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def decode(framed, schema):
    magic, schema_id = struct.unpack(">bI", framed[:5])
    return magic, schema_id, fastavro.schemaless_reader(io.BytesIO(framed[5:]), fastavro.parse_schema(dict(schema)))


def post(w, path, body, kind=AVRO, accept=V2):
    return call("POST", w.gateway_port, path, body if isinstance(body, (str, bytes)) else json.dumps(body), kind, {"Accept": accept} if accept else {})


def offsets(*rows):
    return [{"partition": p, "offset": o, "error_code": None, "error": None} for p, o in rows]


def v2_avro(w):
    first = post(w, "/topics/%s" % t, {"value_schema": json.dumps(USER), "key_schema": '"string"', "records": [
        {"key": "a", "value": ANN, "partition": 0}, {"key": "b", "value": BOB, "partition": 0}, {"key": "c", "value": None, "partition": 0}]})
    value_id, key_id = first.json.get("value_schema_id"), first.json.get("key_schema_id")
    check("schemas as text, keys and values", (first.status, first.json), (200, {"offsets": offsets((0, 0), (0, 1), (0, 2)), "key_schema_id": key_id, "value_schema_id": value_id}))
    check("   of REST Proxy's type", first.headers["Content-Type"], V2)
    check_that("   registered under the topic's subjects", all(call("GET", w.registry_port, "/subjects/%s-%s/versions/1" % (t, s)).json["id"] == i for s, i in (("value", value_id), ("key", key_id))))
    again = post(w, "/topics/%s/partitions/1" % t, {"value_schema_id": value_id, "records": [{"value": ANN}]})
    check("by id, to a partition", (again.status, again.json), (200, {"offsets": offsets((1, 0)), "key_schema_id": None, "value_schema_id": value_id}))
    found = read_topic(w.kafka, t, 2)
    check("Kafka has the values", [decode(m.value(), USER) if m.value() else None for m in found],
          [(0, value_id, {"name": "Ann", "email": "ann@shop.com", "photo": b"\xff\x01"}), (0, value_id, {"name": "Bob", "email": None, "photo": b""}), None,
           (0, value_id, {"name": "Ann", "email": "ann@shop.com", "photo": b"\xff\x01"})])
    check("and the keys", [decode(m.key(), {"type": "string"}) if m.key() else None for m in found], [(0, key_id, k) for k in "abc"] + [None])
    money = post(w, "/topics/%s-money" % t, {"value_schema": json.dumps(MONEY), "records": [{"value": {"amount": "12"}}]})
    check("a decimal is Avro's own JSON, bytes as text", (money.status, decode(read_topic(w.kafka, t + "-money")[0].value(), MONEY)[2]["amount"]), (200, decimal.Decimal("125.94")))
    old = post(w, "/topics/%s-money" % t, {"value_schema_id": value_id, "records": [{"value": BOB}]}, "application/vnd.kafka.avro.v1+json", "application/vnd.kafka.v1+json, application/json; q=0.8")
    check("clients of v1 too", (old.status, old.headers["Content-Type"], old.json["value_schema_id"]), (200, "application/vnd.kafka.v1+json", value_id))
    return value_id, key_id


def v2_others(w):
    for kind, records, want in (
            (JSON2, [{"key": "k", "value": {"a": [1, 2.5, None]}}, {"value": "x"}, {"key": {"b": 1}, "value": None}], [(b'"k"', b'{"a":[1,2.5,null]}'), (None, b'"x"'), (b'{"b":1}', None)]),
            (BINARY, [{"key": b64("k"), "value": b64(b"\0\xff")}, {"value": ""}, {"value": None}], [(b"k", b"\0\xff"), (None, b""), (None, None)])):
        name = "%s-%s" % (t, kind.split(".")[2])
        make_topic(w.kafka, name)
        a = post(w, "/topics/%s" % name, {"records": records}, kind)
        check("%s" % kind, (a.status, a.json), (200, {"offsets": offsets(*((0, i) for i in range(3))), "key_schema_id": None, "value_schema_id": None}))
        check("   Kafka has it", [(m.key(), m.value()) for m in read_topic(w.kafka, name)], want)
        check("   and says JSON to who asks for it", post(w, "/topics/%s" % name, {"records": records[:1]}, kind, "application/json").headers["Content-Type"], "application/json")


def refusals(w, value_id):
    user, one = {"value_schema_id": value_id}, [{"value": ANN}]
    bad = {"name": "Eve", "email": {"int": 1}, "photo": ""}
    rows = [  # what, path, body, type, status, code, words
        ("no value schema", "/topics/%s", {"records": one}, AVRO, 422, 42202, "record 0"),
        ("no key schema", "/topics/%s", {**user, "records": one + [{"key": "k", "value": ANN}]}, AVRO, 422, 42201, "record 1"),
        ("one record that does not fit", "/topics/%s", {**user, "records": one + [{"value": bad}, {"value": BOB}]}, AVRO, 422, 42203, "record 1: value: /email"),
        ("two of them", "/topics/%s", {**user, "records": [{"value": bad}, {"value": BOB}, {"value": {"name": 7}}]}, AVRO, 422, 42203, "record 2: value: /name: number 7, wanted string"),
        ("a schema that is none", "/topics/%s", {"value_schema": '{"type":"rec"}', "records": one}, AVRO, 422, 42205, "schema"),
        ("a schema that is not compatible", "/topics/%s", {"value_schema": '{"type":"record","name":"User","namespace":"com.shop","fields":[{"name":"x","type":"int"}]}', "records": [{"value": {"x": 1}}]}, AVRO, 422, 42205, ""),
        ("an id nobody knows", "/topics/%s", {"value_schema_id": 999999, "records": one}, AVRO, 422, 42207, "999999"),
        ("text and id", "/topics/%s", {**user, "value_schema": '"string"', "records": one}, AVRO, 422, 422, "both"),
        ("no base64", "/topics/%s", {"records": [{"value": "AA=="}, {"value": "*"}]}, BINARY, 422, 42203, "record 1"),
        ("no JSON", "/topics/%s", '{"records":[', JSON2, 400, 400, "1:13"),
        ("nothing", "/topics/%s", "", JSON2, 422, 42206, "empty"),
        ("no records", "/topics/%s", {"records": []}, JSON2, 422, 422, "no record"),
        ("records that are none", "/topics/%s", {"records": 5}, JSON2, 422, 422, "array"),
        ("a partition below zero", "/topics/%s", {"records": [{"value": 1, "partition": -1}]}, JSON2, 422, 422, "record 0"),
        ("a partition nobody has", "/topics/%s/partitions/9", {"records": [{"value": 1}]}, JSON2, 404, 40402, "record 0"),
        ("a partition that is no number", "/topics/%s/partitions/x", {"records": [{"value": 1}]}, JSON2, 404, 40402, "partition x"),
        ("a name that is none", "/topics/%s%%20x", {"records": [{"value": 1}]}, JSON2, 400, 40002, "name"),
        ("a record too large", "/topics/%s", {"records": [{"value": "x" * 1100000}]}, JSON2, 413, 413, "record 0"),
        ("another type", "/topics/%s", {"records": [{"value": 1}]}, "application/vnd.kafka.protobuf.v2+json", 415, 415, "protobuf")]
    before = len(read_topic(w.kafka, t, 2))
    for what, path, body, kind, status, code, words in rows:
        a = post(w, path % t, body, kind)
        check_that("%s: %d, %d, %s" % (what, status, code, words), a.status == status and a.json["error_code"] == code and words in a.json["message"], a)
        check("   of REST Proxy's type", a.headers["Content-Type"], V2)
    check("and nothing of it was written", len(read_topic(w.kafka, t, 2)), before)


def get(w, path, accept=None):
    return call("GET", w.gateway_port, path, headers={"Accept": accept} if accept else {})


def v2_metadata(w):
    broker = get(w, "/brokers").json["brokers"][0]
    shape = [{"partition": p, "leader": broker, "replicas": [{"broker": broker, "leader": True, "in_sync": True}]} for p in (0, 1)]
    check_that("GET /topics lists it", t in get(w, "/topics").json)
    a = get(w, "/topics/" + t, V2)
    check("GET /topics/{t}", (a.status, a.headers["Content-Type"], a.json["name"], a.json["partitions"], a.json["configs"]["cleanup.policy"]), (200, V2, t, shape, "delete"))
    check("GET /topics/{t}/partitions", get(w, "/topics/%s/partitions" % t).json, shape)
    check("GET /topics/{t}/partitions/1", get(w, "/topics/%s/partitions/1" % t).json, shape[1])
    check("GET .../offsets", get(w, "/topics/%s/partitions/0/offsets" % t).json, {"beginning_offset": 0, "end_offset": 3})
    for path, code in (("/topics/%s-absent", 40401), ("/topics/%s-absent/partitions", 40401), ("/topics/%s/partitions/9", 40402)):
        a = get(w, path % t)
        check("GET %s" % path, (a.status, a.json["error_code"]), (404, code))
    check_that("and asking made no topic", t + "-absent" not in get(w, "/topics").json)


def v3_metadata(w):
    base = "http://127.0.0.1:%d/v3/clusters" % w.gateway_port
    a = get(w, "/v3/clusters").json
    cluster = a["data"][0]["cluster_id"]
    at = "%s/%s" % (base, cluster)
    check("GET /v3/clusters", (a["kind"], a["metadata"], a["data"][0]["kind"], a["data"][0]["metadata"]),
          ("KafkaClusterList", {"self": base, "next": None}, "KafkaCluster", {"self": at, "resource_name": "crn:///kafka=" + cluster}))
    seen, todo = {}, [at, at + "/brokers", at + "/topics/" + t]
    while todo:  # every link among clusters, brokers, topics, partitions and replicas leads on
        url = todo.pop()
        b = get(w, url[len("http://127.0.0.1:%d" % w.gateway_port):])
        seen[url] = b.json
        check("GET %s" % url[len(base):].replace(cluster, "ID").replace(t, "T"), (b.status, b.json["metadata"]["self"]), (200, url))
        for thing in [b.json] + b.json.get("data", []):
            links = [v["related"] for v in thing.values() if isinstance(v, dict) and "related" in v] + [thing["metadata"]["self"]]
            todo += [u for u in links if u not in seen and u not in todo and re.search("/(partitions|replicas|brokers|%s)(/\\d+)?$" % t, u)]
    topic = seen[at + "/topics/" + t]
    check("a topic", {k: topic[k] for k in ("kind", "cluster_id", "topic_name", "is_internal", "replication_factor", "partitions_count")},
          {"kind": "KafkaTopic", "cluster_id": cluster, "topic_name": t, "is_internal": False, "replication_factor": 1, "partitions_count": 2})
    check("its partitions", [(p["kind"], p["partition_id"]) for p in seen[at + "/topics/%s/partitions" % t]["data"]], [("KafkaPartition", 0), ("KafkaPartition", 1)])
    replicas = seen[at + "/topics/%s/partitions/1/replicas" % t]["data"]
    check("a replica", [(r["kind"], r["is_leader"], r["is_in_sync"]) for r in replicas], [("KafkaReplica", True, True)])
    check_that("the list of topics has it", t in [x["topic_name"] for x in get(w, at[len("http://127.0.0.1:%d" % w.gateway_port):] + "/topics").json["data"]])
    for path, code in (("/v3/clusters/nobody", 404), ("/v3/clusters/%s/topics/%s-absent" % (cluster, t), 40403), ("/v3/clusters/%s/topics/%s/partitions/9" % (cluster, t), 404)):
        b = get(w, path)
        check("GET %s" % path.replace(cluster, "ID").replace(t, "T"), (b.status, b.json["error_code"]), (404, code))
    return cluster


def v3_records(w, cluster, value_id):
    s = t + "-v3"
    make_topic(w.kafka, s)
    w.register(s + "-value", USER)
    path = "/v3/clusters/%s/topics/%s/records" % (cluster, s)

    def send(*records, p=path):
        return post(w, p, "".join(r if isinstance(r, str) else json.dumps(r) for r in records), "application/json", None)
    a = send({"partition_id": 0, "headers": [{"name": "h", "value": b64("v")}, {"name": "n", "value": None}], "key": {"type": "BINARY", "data": b64("k")},
              "value": {"schema_version": 1, "data": ANN}, "timestamp": "2026-02-05T19:14:42Z"})
    size = 5 + 4 + 1 + 13 + 3
    check("one record with everything", (a.status, a.json), (200, {
        "error_code": 200, "cluster_id": cluster, "topic_name": s, "partition_id": 0, "offset": 0, "timestamp": "2026-02-05T19:14:42.000Z", "key": {"type": "BINARY", "size": 1},
        "value": {"type": "AVRO", "subject": s + "-value", "schema_id": value_id, "schema_version": 1, "size": size}}))
    check("   of type JSON", a.headers["Content-Type"], "application/json")
    m = read_topic(w.kafka, s)[0]
    check("   Kafka has it", (m.key(), m.headers(), m.timestamp()[1], decode(m.value(), USER)[2]["name"]), (b"k", [("h", b"v"), ("n", None)], 1770318882000, "Ann"))
    goods = [("latest of the subject", {"data": BOB}), ("by id", {"schema_id": value_id, "data": BOB}), ("as text", {"type": "AVRO", "schema": json.dumps(USER), "data": BOB}),
             ("by subject", {"subject": s + "-value", "schema_version": 1, "data": BOB}), ("as BINARY", {"type": "BINARY", "data": b64("x")}), ("as JSON", {"type": "JSON", "data": {"x": [1]}}),
             ("as STRING", {"type": "STRING", "data": "x"}), ("as null", {"type": "JSON", "data": None})]
    for what, value in goods:
        a = send({"value": value})
        check("a value %s" % what, (a.status, a.json["error_code"], a.json["value"]["type"]), (200, 200, value.get("type", "AVRO")))
    check("   Kafka has them", [m.value() for m in read_topic(w.kafka, s)[-4:]], [b"x", b'{"x":[1]}', b"x", None])
    a = send(*({"value": {"type": "STRING", "data": str(i)}} if i != 1 else {"value": {"type": "BINARY", "data": "*"}} for i in range(4)))
    reports = [json.loads(line) for line in a.body.decode().splitlines()]
    check("a stream of four, one of them bad", (a.status, [r["error_code"] for r in reports], [r.get("offset") for r in reports]), (200, [200, 42203, 200, 200], [9, None, 10, 11]))
    a = send({"value": {"type": "STRING", "data": "z"}}, '{"value":')
    check("a stream that breaks off", (a.status, [json.loads(line)["error_code"] for line in a.body.decode().splitlines()]), (200, [200, 400]))
    bads = [("a value that does not fit", {"value": {"data": {"name": 1}}}, 422, 42203), ("schema_id and schema", {"value": {"type": "AVRO", "schema_id": 1, "schema": '"int"', "data": 1}}, 400, 400),
            ("a schema with BINARY", {"value": {"type": "BINARY", "schema_id": 1, "data": ""}}, 400, 400), ("subject and strategy", {"value": {"subject": "x", "subject_name_strategy": "TOPIC_NAME", "data": 1}}, 400, 400),
            ("an unknown type", {"value": {"type": "XML", "data": 1}}, 400, 400), ("an unknown subject", {"value": {"subject": "nobody", "data": 1}}, 422, 42207),
            ("a timestamp that is none", {"value": {"type": "STRING", "data": "x"}, "timestamp": "today"}, 400, 400), ("a header that is no base64", {"headers": [{"name": "h", "value": "*"}]}, 400, 400),
            ("a partition nobody has", {"partition_id": 5, "value": {"type": "STRING", "data": "x"}}, 404, 40402), ("no JSON", '{"value"', 400, 400), ("nothing", "", 422, 42206)]
    for what, record, status, code in bads:
        a = send(record)
        check("%s: %d" % (what, status), (a.status, a.json["error_code"]), (status, code))
    check("another cluster", (send(goods[6][1], p=path.replace(cluster, "other")).json), {"error_code": 404, "message": "Cluster other cannot be found."})
    check("another content type", post(w, path, "{}", "text/plain", None).status, 415)
    batch = path + ":batch"
    a = send({"entries": [{"id": "one", "value": {"type": "STRING", "data": "b1"}}, {"id": "two", "value": {"type": "BINARY", "data": "*"}}]}, p=batch)
    check("a batch, one of them bad", (a.status, [(e["id"], e["topic_name"], e["value"]) for e in a.json["successes"]], [(e["id"], e["error_code"]) for e in a.json["failures"]]),
          (207, [("one", s, {"type": "STRING", "size": 2})], [("two", 42203)]))
    for what, entries in (("ids that are the same", [{"id": "a"}, {"id": "a"}]), ("no id", [{}]), ("an id too long", [{"id": "x" * 81}]), ("eleven", [{"id": str(i)} for i in range(11)]), ("none", [])):
        a = send({"entries": entries}, p=batch)
        check("a batch of %s" % what, (a.status, a.json["error_code"]), (422, 42208))
    check("and Kafka has what was said", [m.value() for m in read_topic(w.kafka, s)[9:]], [b"0", b"2", b"3", b"z", b"b1"])
    w.register(s + "-value", {**USER, "fields": USER["fields"] + [{"name": "age", "type": "int", "default": 0}]})
    a = send({"value": {"data": {**BOB, "age": 7}}})
    check("a version registered a moment ago is the latest", (a.status, a.json["value"]["schema_version"]), (200, 2))


def faults(w, value_id):
    """Registry away: what is known goes on, what is not is 503 and was not written; with it back, 200."""
    port = w.registry_port
    w.end("registry")
    check("a schema at hand goes on", post(w, "/topics/%s" % t, {"value_schema_id": value_id, "records": [{"value": BOB}]}).status, 200)
    a = post(w, "/topics/%s" % t, {"value_schema": '"long"', "records": [{"value": 1}]})
    check("one that is not is 503", (a.status, a.json["error_code"], a.json["outcome"]), (503, 50003, "not_written"))
    check_that("   with Retry-After", a.headers["Retry-After"])
    w.registry_port = port
    w.start_registry()
    check("and it recovers", post(w, "/topics/%s-new" % t, {"value_schema": '"long"', "records": [{"value": 1}]}).status, 200)


def a_client(w):
    """nlp-kafka-rest-api, as it comes from PyPI."""
    from kafka_rest import Producer
    name = t + "-client"
    make_topic(w.kafka, name)
    p = Producer(kafka_rest_api_url="http://127.0.0.1:%d" % w.gateway_port, topic_id=name)
    keys = p.produce([{"city": "Oslo"}, {"city": "Rome"}], "weather")
    check("nlp-kafka-rest-api produces", [(json.loads(m.key()), json.loads(m.value())) for m in read_topic(w.kafka, name)],
          [(k, {"endpoint": "weather", "payload": {"city": c}}) for k, c in zip(keys, ("Oslo", "Rome"))])


w = World()
try:
    w.start_registry()
    w.start_gateway()
    make_topic(w.kafka, t, 2)
    make_topic(w.kafka, t + "-money")
    make_topic(w.kafka, t + "-new")
    value_id, key_id = v2_avro(w)
    v2_others(w)
    v2_metadata(w)
    refusals(w, value_id)
    v3_records(w, v3_metadata(w), value_id)
    a_client(w)
    faults(w, value_id)
finally:
    check("both stop when told", w.close(), {"gateway": 0, "registry": 0})
sys.exit(world.failed > 0)
