#!/usr/bin/env python3
"""Who did what to a version, and when: told by the registry, kept in headers of `_schemas` beside values that stay Confluent's to the byte.

On a real Kafka, whose topic Confluent's own client reads.  Wants AVROGATE and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import base64, http.client, json, os, shutil, signal, subprocess, sys, tempfile, time, uuid

from world import AVROGATE, KAFKA, check, check_that, free_port, make_topic, need, until
import world

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

home = tempfile.mkdtemp(prefix="avrogate-history-")
run = uuid.uuid4().hex[:8]
JSON = "application/vnd.schemaregistry.v1+json"
INT, LONG = '"int"', '"long"'


def path(name):
    return os.path.join(home, name)


class Registry:
    def __init__(self, topic):
        self.topic, self.port = topic, free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.start()

    def start(self):
        self.process = subprocess.Popen([AVROGATE, "registry", "--bootstrap", KAFKA, "--allow-unsafe", "--topic", self.topic, "--listen",
                                         "127.0.0.1:%d" % self.port, "--advertise", self.url, "--auth-passwords",
                                         path("passwords")], stderr=open(path("log"), "a"))
        until("the registry is ready", lambda: self.ask("GET", "/readyz")[0] == 200)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def ask(self, method, where, body=None, user="alice", **headers):
        fields = {"Content-Type": JSON, "Authorization": "Basic " + base64.b64encode((user + ":pw").encode()).decode()}
        fields.update({k.replace("_", "-"): v for k, v in headers.items()})
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            c.request(method, where, json.dumps(body) if body is not None else None, fields)
            r = c.getresponse()
            text = r.read()
            return r.status, json.loads(text) if text else None
        finally:
            c.close()

    def register(self, subject, schema, **more):
        return self.ask("POST", "/subjects/%s/versions" % subject, {"schema": schema}, **more)

    def history(self, subject, version=1):
        return self.ask("GET", "/subjects/%s/versions/%s/history" % (subject, version))

    def told(self, subject, version=1):
        """What is told of a version, without its times."""
        s, answer = self.history(subject, version)
        return [(a["what"], a["principal"], a["reason"]) for a in answer["history"]] if s == 200 else answer


def records(topic):
    """All of it, as Confluent's client reads it: up to the end, since marks of transactions take offsets too."""
    c = Consumer({"bootstrap.servers": KAFKA, "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True})
    try:
        c.assign([TopicPartition(topic, 0, 0)])
        out = []
        while True:
            m = c.poll(20)
            assert m is not None, "no end of the topic"
            if m.error() is not None:
                assert m.error().code() == KafkaError._PARTITION_EOF, m.error()
                return out
            out.append(m)
    finally:
        c.close()


def acts(record):
    return [json.loads(v) for k, v in record.headers() or [] if k == "avrogate-act"]


def compacted(topic):
    """A topic as compaction leaves it: of each key the last record, headers and all."""
    last = {m.key(): m for m in records(topic)}
    name = topic + "-compacted"
    make_topic(KAFKA, name, **{"cleanup.policy": "compact"})
    p = Producer({"bootstrap.servers": KAFKA})
    for m in sorted(last.values(), key=lambda m: m.offset()):
        p.produce(name, key=m.key(), value=m.value(), headers=m.headers(), timestamp=m.timestamp()[1])
    check("the copy is written", p.flush(20), 0)
    return name


def tool(*argv, text=None):
    p = subprocess.run([AVROGATE, "registry", *argv], input=text, capture_output=True, text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


def cli(r, *argv, user="alice"):
    p = subprocess.run([AVROGATE, "schema", "history", *argv, "--registry", r.url, "--registry-user", user], capture_output=True, text=True, timeout=60,
                       env={**os.environ, "AVROGATE_REGISTRY_PASSWORD": "pw"})
    return p.returncode, p.stdout, p.stderr


def it_is_told(r):
    before = int(time.time() * 1000)
    check("alice registers, and says why", r.register("s", INT, X_Registry_Reason="PAY-17: for f%C3%BCr", User_Agent="etl/1.0")[0], 200)
    s, answer = r.history("s")
    act = answer["history"][0]
    check("her version tells who, from where, with what and why", {**answer, "history": [{**act, "ts": 0}]},
          {"subject": "s", "version": 1, "id": 1, "deleted": False, "history": [
              {"what": "registered", "ts": 0, "principal": "user:alice", "address": "127.0.0.1", "agent": "etl/1.0", "reason": "PAY-17: for für"}]})
    check_that("and when", before <= act["ts"] <= int(time.time() * 1000), act)
    check("registering it again is no event", (r.register("s", INT, user="bob")[0], len(r.history("s")[1]["history"])), (200, 1))
    r.ask("PUT", "/config/s", {"compatibility": "NONE"})
    r.register("s", LONG, user="bob")
    check("latest is the newest", r.told("s", "latest"), [("registered", "user:bob", None)])
    check("bob deletes the first", r.ask("DELETE", "/subjects/s/versions/1", user="bob", X_Registry_Reason="nobody reads it")[0], 200)
    check("which it tells, deleted or not", r.told("s"), [("registered", "user:alice", "PAY-17: for für"), ("deleted", "user:bob", "nobody reads it")])
    check("and alice the subject", r.ask("DELETE", "/subjects/s")[0], 200)
    check("which tells it of the versions it took", (r.told("s"), r.told("s", 2)),
          ([("registered", "user:alice", "PAY-17: for für"), ("deleted", "user:bob", "nobody reads it")],
           [("registered", "user:bob", None), ("deleted", "user:alice", None)]))
    check("a version that is not there has none", (r.history("s", 9)[1]["error_code"], r.history("t")[1]["error_code"], r.history("s", "x")[1]["error_code"]),
          (40402, 40401, 42202))
    for what, reason in (("a control character", "a%00b"), ("no UTF-8", "f%FCr"), ("more than 512 bytes", "a" * 513)):
        s, answer = r.register("t", INT, X_Registry_Reason=reason)
        check("a reason with %s is refused, and nothing done" % what, (s, answer["error_code"], r.history("t")[0]), (400, 400, 404))


def it_disturbs_nobody(topic):
    """The values are what Confluent's registry would have written."""
    got = [m for m in records(topic) if b"NOOP" not in m.key()]
    check("keys and values stay as they were", [(m.key().decode(), m.value() and m.value().decode()) for m in got], [
        ('{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}', '{"subject":"s","version":1,"id":1,"schema":"\\"int\\"","deleted":false}'),
        ('{"keytype":"CONFIG","subject":"s","magic":0}', '{"subject":"s","compatibilityLevel":"NONE"}'),
        ('{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}', '{"subject":"s","version":2,"id":2,"schema":"\\"long\\"","deleted":false}'),
        ('{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}', '{"subject":"s","version":1,"id":1,"schema":"\\"int\\"","deleted":true}'),
        ('{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}', '{"subject":"s","version":2}')])
    check("each record's headers say what was done and what it writes over", [[a["what"] for a in acts(m)] for m in got],
          [["registered"], ["written"], ["registered"], ["registered", "deleted"], ["deleted"]])


def it_lasts(r):
    before = [r.history("s", v) for v in (1, 2)]
    r.end()
    r.start()
    check("a restart changes nothing", [r.history("s", v) for v in (1, 2)], before)
    copy = Registry(compacted(r.topic))
    check("nor does compaction", [copy.history("s", v) for v in (1, 2)], before)
    check("it ends when told", copy.end(), 0)
    return before


def others_write_too(r):
    """Confluent's registry brings a version back: it writes no headers."""
    p = Producer({"bootstrap.servers": KAFKA})
    p.produce(r.topic, key='{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}',
              value='{"subject":"s","version":1,"id":1,"schema":"\\"int\\"","deleted":false}', timestamp=1700000000123)
    p.flush(20)
    until("it is read", lambda: len(r.told("s")) == 3)
    act = r.history("s")[1]["history"][2]
    check("what others did has the record's time and no principal", act,
          {"what": "undeleted", "ts": 1700000000123, "principal": None, "address": None, "agent": None, "reason": None})
    check("a version taken over has that alone", (r.ask("PUT", "/mode/imported", {"mode": "IMPORT"})[0], p.produce(
        r.topic, key='{"keytype":"SCHEMA","subject":"imported","version":1,"magic":1}',
        value='{"subject":"imported","version":1,"id":70,"schema":"\\"bytes\\"","deleted":false}', timestamp=1600000000000), p.flush(20)), (200, None, 0))
    until("it is read", lambda: r.history("imported")[0] == 200)
    check("and nobody's name", r.told("imported"), [("registered", None, None)])


def it_is_backed_up(r, before):
    rc, lines, why = tool("backup", "--bootstrap", KAFKA, "--topic", r.topic)
    check("a backup holds it", (rc, why, sorted({a["who"] for line in lines.splitlines() for a in json.loads(line).get("acts", [])})),
          (0, "", ["user:alice", "user:bob"]))
    make_topic(KAFKA, r.topic + "-restored", **{"cleanup.policy": "compact"})
    rc, said, why = tool("restore", "--bootstrap", KAFKA, "--topic", r.topic + "-restored", "--reason", "the disk is gone", text=lines)
    check("is restored", (rc, why), (0, ""))
    again = Registry(r.topic + "-restored")
    told = again.history("s", 2)[1]["history"]
    check("with what was told before", told[:2], before[1][1]["history"])
    check("and that it was restored", [{**a, "ts": 0} for a in told[2:]], [
        {"what": "restored", "ts": 0, "principal": None, "address": None, "agent": "avrogate registry restore", "reason": "the disk is gone"}])
    check("a version without headers keeps the time of its record", again.history("imported")[1]["history"][0]["ts"], 1600000000000)
    rc, said, why = tool("undelete", "--bootstrap", KAFKA, "--topic", r.topic + "-restored", "--subject", "s", "--subject-version", "2")
    check("what is brought back", (rc, why), (0, ""))
    until("it is read", lambda: len(again.told("s", 2)) == 4)
    check("tells it", [a[0] for a in again.told("s", 2)], ["registered", "deleted", "restored", "undeleted"])
    check("it ends when told", again.end(), 0)


def one_passes_it_on(r):
    """The one that holds the pen writes for the other: what it is told of the client stands beside whom it came from."""
    other = Registry(r.topic)
    check("one of two registers", r.register("p", INT)[0], 200)
    check("and the other", other.register("p", LONG, user="bob", X_Registry_Reason="passed on", User_Agent="etl/2.0")[0], 200)
    act = r.history("p", 2)[1]["history"][0]
    check("who, with what and why go along", (act["principal"], act["agent"], act["reason"]), ("user:bob", "etl/2.0", "passed on"))
    check("and both addresses", act["address"], "127.0.0.1 via 127.0.0.1")
    check("one that was passed nothing on has its own", r.history("p", 1)[1]["history"][0]["address"], "127.0.0.1")
    check("it ends when told", other.end(), 0)


def it_is_logged(r):
    """One line for each change and each refusal, whichever the endpoint."""
    tag = {"tagsToAdd": [{"schemaEntity": {"entityPath": "R", "entityType": "sr_record"}, "tags": ["A"]}]}
    record = {"schema": '{"type":"record","name":"R","fields":[]}'}
    rows = [  # method, path, body, what it is called, and one that is refused
        ("POST", "/subjects/%s/versions", record, "register", {"schema": "?"}, 42201),
        ("POST", "/subjects/%s/versions/1/tags", tag, "tag", {"tagsToAdd": 1}, 42201),
        ("PUT", "/config/%s", {"compatibility": "NONE"}, "set config", {"compatibility": "?"}, 42203),
        ("DELETE", "/config/%s", None, "drop config", None, 40401),
        ("PUT", "/mode/%s", {"mode": "READWRITE"}, "set mode", {"mode": "?"}, 42204),
        ("DELETE", "/mode/%s", None, "drop mode", None, 40401),
        ("DELETE", "/subjects/%s/versions/1", None, "delete version", None, 40406),
        ("DELETE", "/subjects/%s", None, "delete subject", None, 40404),
    ]

    def lines(**has):
        all = [json.loads(line) for line in open(path("log")) if line.startswith("{")]
        return [e for e in all if all and has.items() <= e.items()]
    for method, where, body, what, bad, code in rows:
        s, answer = r.ask(method, where % ":.log:l", body, X_Registry_Reason="for " + what)
        told = lines(event="changed", what=what, subject=":.log:l", who="user:alice")
        check("%s is told, by whom and why" % what, (s, len(told), [t["reason"] for t in told]), (200, 1, ["for " + what]))
        s, answer = r.ask(method, where % ":.log:l", bad)
        told = lines(event="refused", what=what, subject=":.log:l", who="user:alice", code=code)
        check("and its refusal", (answer["error_code"], len(told), all(t["why"] and t["client"] and t["request"] for t in told)), (code, 1, True))
    r.ask("DELETE", "/subjects/:.log:l?permanent=true")
    check("drop context too", (r.ask("DELETE", "/contexts/.log")[0], len(lines(event="changed", what="drop context"))), (204, 1))
    check("and its refusal", (r.ask("DELETE", "/contexts/.log")[0], len(lines(event="refused", what="drop context", code=40401))), (404, 1))
    check("a reason that is none", (r.register(":.log:l", INT, X_Registry_Reason="%00")[0], len(lines(event="refused", what="register", code=400, subject=":.log:l"))),
          (400, 1))


def people_ask(r):
    rc, out, why = cli(r, "s")
    lines = out.splitlines()
    check("the command tells it of each version", (rc, why, lines[0].split(), len(lines)),
          (0, "", ["VERSION", "WHEN", "WHAT", "PRINCIPAL", "ADDRESS", "AGENT", "REASON"], 6))
    check_that("in columns", [line.index(word) for line, word in zip(lines, ("PRINCIPAL", "user:alice", "user:bob"))] == [lines[0].index("PRINCIPAL")] * 3, out)
    check("one version as JSON", json.loads(cli(r, "s", "2", "--json")[1]), r.history("s", 2)[1])
    check("what is not there", cli(r, "nowhere")[::2], (1, "avrogate schema history: Subject 'nowhere' not found. (404)\n"))
    check("who may not ask", cli(r, "s", user="mallory")[0], 1)
    check("how it is called", cli(r)[0], 2)


passwords = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input="pw", check=True, capture_output=True, text=True).stdout
with open(path("passwords"), "w") as f:
    f.write("".join("%s:%s" % (who, passwords) for who in ("alice", "bob")))
make_topic(KAFKA, "_history-" + run, **{"cleanup.policy": "compact"})  # as others make it: with the time that who writes says
registry = Registry("_history-" + run)
try:
    it_is_told(registry)
    it_disturbs_nobody(registry.topic)
    first = it_lasts(registry)
    others_write_too(registry)
    it_is_backed_up(registry, first)
    people_ask(registry)
    it_is_logged(registry)
    one_passes_it_on(registry)
finally:
    check("it ends when told", registry.end(), 0)
    if world.failed:
        print(open(path("log")).read()[-4000:])
    shutil.rmtree(home)
sys.exit(1 if world.failed else 0)
