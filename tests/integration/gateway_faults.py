#!/usr/bin/env python3
"""Every row of docs/gateway.md's table of statuses, provoked on real components: brokers stopped and killed, registries away or
silent, clients that leave, a gateway told to stop and a gateway killed under load.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA (which says that a real Kafka may be run here; this test starts its own, on
free ports, because it kills it).  Skipped (77) without them.  What wants three brokers is
gateway_replicas.py's.
"""
import collections, http.client, http.server, json, os, random, signal, socket, sys, threading, time

import world
from world import JSON, Broker, Later, Line, World, call, check, check_that, make_topic, metric, need, read_topic, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}, {"name": "pad", "type": "string", "default": ""}]}


class OddRegistry:
    """Listens and answers GETs of schemas after `wait` seconds; counts what it was asked."""

    def __init__(self, wait):
        odd = self
        self.asked = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                odd.asked += 1
                time.sleep(wait)
                body = json.dumps({"subject": "odd-value", "version": 1, "id": 77, "schema": json.dumps(SCHEMA)}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()


def says(what, a, status, outcome=None, mentions="", retry=None, within=None):
    """One answer against the table: status, outcome, Retry-After, what the message names, how long it took."""
    if retry is None:
        retry = status in (429, 503)
    code = a.json.get("error_code") if a.body else None
    check("%s: %d%s" % (what, status, " " + outcome if outcome else ""), (a.status, a.json.get("outcome")), (status, outcome))
    if mentions:
        check_that("   and it names %s" % mentions, mentions in a.body.decode(), a)
    check_that("   and %sRetry-After" % ("" if retry else "no "), ("Retry-After" in a.headers) == retry, dict(a.headers))
    if status >= 400:
        check_that("   and it has an error_code", isinstance(code, int), a)
    if within:
        check_that("   and that within %.1f s" % within, a.seconds < within, "%.1f s" % a.seconds)


def ids(kafka, topic, partitions=1):
    """The field id of every record of the topic (the writers here use ASCII below 64 bytes)."""
    found = []
    for m in read_topic(kafka, topic, partitions):
        n = m.value()[5] >> 1
        found.append(m.value()[6:6 + n].decode())
    return found


# ---- the parts ----

def nobody_is_there_at_start(w, broker):
    w.start_gateway("--kafka", "message.timeout.ms=3000", "--schema-ttl", "1s", "--registry-timeout", "1s", "--limits-body", "4MiB",
                    "--limits-records", "1000", "--drain-timeout", "8s", wait=False)
    until("it listens", lambda: call("GET", w.gateway_port, "/healthz").status == 200)
    until("it has looked around", lambda: "kafka" in call("GET", w.gateway_port, "/readyz").body.decode())
    says("no Kafka, no registry: /readyz", call("GET", w.gateway_port, "/readyz"), 503, "not_written", "kafka")
    says("a POST then", w.post("t", {"id": "early"}), 503, "not_written", "registry", within=20)
    broker.do("start")
    until("/readyz asks for the registry", lambda: str(w.registry_port) in call("GET", w.gateway_port, "/readyz").body.decode())
    says("no registry: a POST", w.post("t", {"id": "early"}), 503, "not_written", str(w.registry_port), within=20)
    w.start_registry()
    w.wait_ready()
    make_topic(w.kafka, "t")
    w.register("t-value", SCHEMA)
    check("registry and Kafka came: 200 without a restart", w.post("t", {"id": "first"}).status, 200)
    check("and what was refused is not there", ids(w.kafka, "t"), ["first"])


def the_client_is_wrong(w, broker):
    good = {"id": "wrong"}
    make_topic(w.kafka, "tight", max_message_bytes=1000)
    before = len(ids(w.kafka, "t"))
    says("no JSON", w.post("t", '{"id":'), 400, mentions="wanted")
    says("an unknown parameter", w.post("t", good, query="on_eror=dlq"), 400, mentions="on_eror")
    says("a record that does not fit", w.post("t", [{"id": 5}, good]), 422, mentions='"pointer":"/id"')
    says("an unknown subject", w.post("t", good, query="subject=nobody"), 422, mentions='"error_code":40403')
    says("an unknown schema id", w.post("t", good, query="schema_id=4711"), 422, mentions='"error_code":40403')
    says("an unknown version", w.post("t", good, query="version=99"), 422, mentions='"error_code":40403')
    w.register("t-value", dict(SCHEMA, fields=SCHEMA["fields"] + [{"name": "more", "type": "int", "default": 0}]))
    says("a field that the pinned version does not have", w.post("t", dict(good, more=1), query="version=1"), 422, mentions='"rule":"unknown-field"')
    says("an unknown topic", w.post("nowhere", good), 404, mentions="nowhere")
    says("an unknown topic with a schema", w.post("nowhere", good, query="subject=t-value"), 404, mentions="nowhere")
    says("an unknown partition", w.post("t", good, query="partition=1"), 404, mentions="partition 1")
    says("another content type", w.post("t", good, "application/xml"), 415, mentions="application/json")
    says("no content type", call("POST", w.gateway_port, "/v1/topics/t/records", b"{}"), 415, mentions="application/json")
    says("a body that is no gzip", w.post("t", b"\x1f\x8b\x08\0", headers={"Content-Encoding": "gzip"}), 400, mentions="gzip")
    says("a body above limits.body", w.post("t", b" " * (4 << 20) + b"{}"), 413, mentions="4194304")
    says("more records than limits.records", w.post("t", [good] * 1001), 413, mentions="1000")
    says("a record above the topic's max.message.bytes", w.post("tight", dict(good, pad="x" * 2000), query="subject=t-value"), 413, "not_written")
    says("a record above message.max.bytes", w.post("t", [good, dict(good, pad="x" * 1100000)]), 413, mentions='"rule":"size"')
    a = w.post("t", [dict(good, pad="x" * 1100000), {"id": "small"}], query="on_error=partial")
    check("   and it does not keep others out where partial was asked", (a.status, a.json["accepted"], a.json["rejected"]), (207, 1, 1))
    most = int(a.json["records"][0]["errors"][0]["expected"].split()[2])
    largest = {"id": "largest", "pad": "x" * (most - 5 - 8 - 3 - 1)}  # head, id, the length of pad, more
    check("   and the largest that is said to fit does", w.post("t", largest).status, 200)
    says("   and one byte more does not", w.post("t", dict(largest, pad=largest["pad"] + "x")), 413, mentions='"rule":"size"')
    says("a header of 20 KB", w.post("t", good, headers={"X-Long": "x" * 20000}), 431)
    says("a path that is not there", call("POST", w.gateway_port, "/v1/topic/t", b"{}", JSON), 404)
    says("another method", call("GET", w.gateway_port, "/v1/topics/t/records"), 405)
    says("a dead-letter topic that is not there", w.post("t", [{"id": 5}], query="on_error=dlq"), 422, mentions='"dlq":"failed"')
    a = w.post("t", [{"id": 5}, {"id": "beside"}], query="on_error=dlq")
    check("   and the good ones are written all the same", (a.status, a.json["accepted"], a.json["dlq"]), (207, 1, "failed"))
    check("nothing of all that was written", len(ids(w.kafka, "t")), before + 3)
    check("nor to the tight one", ids(w.kafka, "tight"), [])
    check("after each of them: 200", w.post("t", good).status, 200)


def the_registry_goes(w, broker):
    latest = w.post("t", {"id": "cached"}).json["schema"]
    w.end("registry", signal.SIGKILL)
    time.sleep(1.2)  # schema_ttl
    a = w.post("t", {"id": "stale"})
    check("latest goes on while the registry is away", (a.status, a.json["schema"]), (200, dict(latest, stale=True)))
    check("an id once seen does, too", w.post("t", {"id": "by id"}, query="schema_id=%d" % latest["id"]).status, 200)
    says("what was never seen", w.post("t", {"id": "unseen"}, query="version=7"), 503, "not_written", within=20)
    until("/readyz says so", lambda: call("GET", w.gateway_port, "/readyz").status == 503)
    w.start_registry()
    w.wait_ready()
    says("it is back: the same is now unknown", w.post("t", {"id": "unseen"}, query="version=7"), 422)
    # a stale answer holds for a second before the registry is asked again
    until("and latest is fresh, without a restart", lambda: w.post("t", {"id": "fresh"}).json["schema"] == latest)


def the_broker_stops(w, broker):
    w.post("t", {"id": "before the stop"})
    broker.stop()
    says("the broker is stopped: nobody knows", w.post("t", {"id": "in the stop"}), 504, "unknown", retry=False, within=20)
    check("/healthz does not care", call("GET", w.gateway_port, "/healthz").status, 200)
    until("/readyz says so", lambda: call("GET", w.gateway_port, "/readyz").status == 503)
    broker.go_on()
    until("it goes on, without a restart", lambda: w.post("t", {"id": "after the stop"}).status == 200)
    found = ids(w.kafka, "t")
    check_that("what nobody knew is there at most once", found.count("in the stop") <= 1, found)
    check("what was acked is there once", found.count("before the stop"), 1)


def the_broker_is_away(w, broker):
    w.post("t", {"id": "before the kill"})
    broker.do("kill")
    # librdkafka needs a moment to see the connection closed; until then a record may be on its way.
    until("/readyz says so", lambda: call("GET", w.gateway_port, "/readyz").status == 503)
    says("the broker is away", w.post("t", {"id": "while away"}), 503, "not_written", within=20)
    says("of a topic never asked for", w.post("another", {"id": "x"}, query="subject=t-value"), 503, "not_written", within=20)
    broker.do("start")
    until("it is back: 200 without a restart", lambda: w.post("t", {"id": "after the kill"}).status == 200)
    found = ids(w.kafka, "t")
    check("what was acked is there", found.count("before the kill"), 1)
    check("what was refused is not", found.count("while away"), 0)


class Load:
    """Threads that post records with names of their own, one in ten of them bad, and remember how each was answered.  The status
    decides: 200 is written, 4xx and 503 are not, whatever else they say; under 504 each record's outcome counts."""

    def __init__(self, w, topic, threads=16, pause=0):
        self.w, self.topic, self.pause, self.stopping = w, topic, pause, False
        self.sent, self.statuses, self.lock = {}, collections.Counter(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(threads)]
        for t in self.threads:
            t.start()

    def outcomes(self, names, bad):
        try:
            a = self.w.post(self.topic, [dict({"id": name}, **({"pad": 5} if bad else {})) for name in names], query="subject=t-value")
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
            return "reset", ["reset"] * len(names)
        if a.status == 200:
            return a.status, ["written" if "offset" in r else "a 200 without an offset" for r in a.json["records"]]
        if a.status == 504:
            return a.status, [("written" if "offset" in r else r.get("outcome")) for r in a.json["records"]] if a.json.get("records") else [a.json["outcome"]] * len(names)
        if a.status == 503:
            time.sleep(0.02)
        return a.status, ["not_written"] * len(names)

    def run(self, i):
        n = 0
        while not self.stopping:
            names = ["%s.%d.%d.%d" % (self.topic, i, n, k) for k in range(random.choice((1, 1, 20)))]
            status, of_each = self.outcomes(names, bad=n % 10 == 7)
            time.sleep(self.pause)
            n += 1
            with self.lock:
                self.statuses[status] += 1
                self.sent.update(zip(names, of_each))

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(60)
        check("every answer was 200, 422, 503 or 504", sorted(map(str, set(self.statuses) - {200, 422, 503, 504, "reset"})), [])
        print("   %s" % ", ".join("%s: %d" % (s, n) for s, n in sorted(self.statuses.items(), key=str)))
        return self.sent


def nothing_acked_is_lost(what, sent, found):
    acked = {n for n, o in sent.items() if o == "written"}
    refused = {n for n, o in sent.items() if o == "not_written"}
    count = {}
    for n in found:
        count[n] = count.get(n, 0) + 1
    check_that("%s: there was something to lose" % what, len(acked) > 100, "%d acked" % len(acked))
    check("%s: no acked record is missing" % what, sorted(acked - set(found))[:5], [])
    check("%s: no acked record is there twice" % what, [n for n in acked if count.get(n, 0) > 1][:5], [])
    check("%s: no record said to be not written is there" % what, sorted(refused & set(found))[:5], [])
    print("   %d records sent, %d acked, %d not_written, %d unknown, %d resets; %d in the topic" % (
        len(sent), len(acked), len(refused), sum(o == "unknown" for o in sent.values()), sum(o == "reset" for o in sent.values()), len(found)))


def the_broker_dies_under_load(w, broker):
    make_topic(w.kafka, "load", 3)
    load = Load(w, "load")
    for _ in range(2):
        time.sleep(random.uniform(0.7, 1.5))
        broker.do("kill")
        time.sleep(random.uniform(0, 3.5))  # below and above message.timeout.ms
        broker.do("start")
    time.sleep(0.5)
    broker.stop()
    time.sleep(4)
    broker.go_on()
    until("200 again, without a restart", lambda: w.post("load", {"id": "last"}, query="subject=t-value").status == 200)
    nothing_acked_is_lost("broker killed twice, stopped once", load.stop(), ids(w.kafka, "load", 3))


def the_line_is_bad(w, broker):
    """Between the gateway and Kafka: latency, connections that are reset, a black hole."""
    line = Line(broker.port + 200, broker.port + 100)
    v = World("127.0.0.1:%d" % (broker.port + 200))
    v.registry_port = w.registry_port
    v.start_gateway("--kafka", "message.timeout.ms=3000")
    make_topic(w.kafka, "line", 3)
    load = Load(v, "line")
    until("there is a load", lambda: load.statuses[200] > 20)
    for what, seconds in (("latency", 2), ("resets", 2), ("a black hole", 4.5), ("a short black hole", 1)):
        before = load.statuses[200]
        line.delay, line.silent = 0.1 if what == "latency" else 0, "black hole" in what
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            if what == "resets":
                line.reset()
        line.delay, line.silent = 0, False
        if what == "a short black hole":
            line.reset()  # what was held back never comes
        until("after %s: 200 without a restart" % what, lambda: load.statuses[200] > before + 20)
    refused = load.statuses[503] + load.statuses[504]
    nothing_acked_is_lost("latency, resets and black holes", load.stop(), ids(w.kafka, "line", 3))
    check_that("and they were felt", refused > 0, load.statuses)
    check("it stops when told", v.close(), {"gateway": 0})
    line.close()


def clients_leave(w, broker):
    gone = metric(w, "avrogate_http_client_gone_total")
    broker.stop()
    body = json.dumps({"id": "of one who left"})
    with socket.create_connection(("127.0.0.1", w.gateway_port)) as s:
        s.sendall(("POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)).encode())
        until("it is in flight", lambda: metric(w, "avrogate_http_requests_in_flight") >= 2)  # with the one that asks
    with socket.create_connection(("127.0.0.1", w.gateway_port)) as s:
        s.sendall(b"POST /v1/topics/t/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"id\":")
        time.sleep(0.1)
    broker.go_on()
    until("it goes on", lambda: w.post("t", {"id": "of one who stayed"}).status == 200)
    until("who left is counted", lambda: metric(w, "avrogate_http_client_gone_total") > gone)
    until("nothing is held for them", lambda: metric(w, "avrogate_gateway_in_flight_bytes") == 0)
    check_that("half a body is no record, a whole one at most one", ids(w.kafka, "t").count("of one who left") <= 1)


def too_much_in_flight(w, broker):
    for flag, pad in (("--limits-in-flight-requests=2", ""), ("--limits-in-flight-bytes=64KiB", "x" * 12000)):
        v = World(w.kafka)
        v.registry_port = w.registry_port
        v.start_gateway(flag)
        v.post("t", {"id": "known"})
        broker.stop()
        waiting = [Later(v.post, "t", {"id": "waits%d" % i, "pad": pad}) for i in range(2)]
        until("both are waiting", lambda: metric(v, "avrogate_http_requests_in_flight") >= 3)  # and this one
        refused = v.post("t", {"id": "too much", "pad": pad})
        time.sleep(0.2)
        broker.go_on()
        says("one more than %s" % flag[2:], refused, 503, "not_written", within=20)
        check("   and those before it are written", [l.result().status for l in waiting], [200, 200])
        check("   and then there is room again", v.post("t", {"id": "room", "pad": pad}).status, 200)
        check("   and it stops", v.end("gateway"), 0)
    check("what was refused is not there", ids(w.kafka, "t").count("too much"), 0)


def deadlines_are_kept(w, broker):
    """With the settings as they are delivered: 25 seconds, whoever is silent."""
    silent, slow = OddRegistry(3600), OddRegistry(4)
    worlds = []
    for registry_port in (w.registry_port, silent.port, slow.port):
        v = World(w.kafka)
        v.registry_port = registry_port
        v.start_gateway(wait=False)
        until("it listens", lambda: call("GET", v.gateway_port, "/healthz").status == 200)
        worlds.append(v)
    known, deaf, late = worlds
    known.wait_ready()
    known.post("t", {"id": "known"})
    waiting = Later(deaf.post, "t", {"id": "deaf"})
    says("a registry that answers late", late.post("t", {"id": "late"}, query="subject=odd-value"), 503, "not_written", "retry", within=20)
    says("a registry that never answers", waiting.result(), 503, "not_written", within=20)
    check("what came late is known the second time", late.post("t", {"id": "on time"}, query="subject=odd-value").status, 200)
    broker.stop()
    waiting = Later(known.post, "t", {"id": "to the end"})
    unknown_topic = Later(known.post, "unknown", {"id": "x"}, query="subject=t-value")
    says("a broker that never answers, of a topic never seen", unknown_topic.result(), 503, "not_written", within=35)
    says("a broker that never answers", waiting.result(), 504, "unknown", retry=False, within=35)
    broker.go_on()
    until("it goes on", lambda: known.post("t", {"id": "on"}).status == 200)
    check("all stop", [v.end("gateway") for v in worlds], [0, 0, 0])
    found = ids(w.kafka, "t")
    check("what was refused is not there", [n for n in ("deaf", "late") if n in found], [])
    silent.close(), slow.close()


def told_to_stop(w, broker):
    hasty = w.flags
    w.end("gateway")
    w.start_gateway("--drain-timeout", "20s")  # this one has time enough for a broker that is slow
    w.post("t", {"id": "known"})
    broker.stop()
    waiting = Later(w.post, "t", {"id": "while stopping"})
    until("it is in flight", lambda: metric(w, "avrogate_http_requests_in_flight") >= 2)  # with the one that asks
    w.signal("gateway", signal.SIGTERM)
    until("told to stop: /readyz says draining", lambda: "draining" in call("GET", w.gateway_port, "/readyz").body.decode())
    until("no more connections are taken", lambda: isinstance(Later(call, "GET", w.gateway_port, "/healthz").result(), OSError))
    broker.go_on()
    a = waiting.result()
    check("the request in flight is answered", (a.status, a.json["accepted"]), (200, 1))
    check("and it ends well", w.running.pop("gateway").wait(60), 0)
    check("and the record is there", ids(w.kafka, "t").count("while stopping"), 1)

    w.start_gateway("--drain-timeout", "2s", *hasty[:-2])
    w.post("t", {"id": "known"})
    broker.stop()
    waiting = Later(w.post, "t", {"id": "never answered"})
    until("it is in flight", lambda: metric(w, "avrogate_http_requests_in_flight") >= 2)
    began = time.monotonic()
    code = w.end("gateway")
    a = waiting.result()
    check_that("a broker that stays silent: still an answer that is no success", getattr(a, "status", 0) in (503, 504), a)
    check("and the end comes", code, 0)
    check_that("in time", time.monotonic() - began < 30, "%.1f s" % (time.monotonic() - began))
    broker.go_on()
    w.start_gateway()


def the_gateway_dies_under_load(w, broker):
    make_topic(w.kafka, "killed", 3)
    load = Load(w, "killed")
    for _ in range(8):
        time.sleep(random.uniform(0.3, 1.2))
        w.end("gateway", signal.SIGKILL)
        w.start_gateway()
    time.sleep(0.3)
    nothing_acked_is_lost("gateway killed eight times", load.stop(), ids(w.kafka, "killed", 3))


PARTS = (nobody_is_there_at_start, the_client_is_wrong, the_registry_goes, the_broker_stops, the_broker_is_away, the_broker_dies_under_load, the_line_is_bad,
         clients_leave, too_much_in_flight, deadlines_are_kept, told_to_stop, the_gateway_dies_under_load)


def main():
    broker = Broker(second=True)
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    random.seed(seed)
    print("SEED=%d" % seed)
    w = World(broker.address)
    try:
        for part in PARTS:
            if len(sys.argv) > 1 and part is not PARTS[0] and part.__name__ not in sys.argv[1:]:
                continue
            began = time.monotonic()
            print("-- " + part.__name__.replace("_", " "))
            part(w, broker)
            print("   %.1f s" % (time.monotonic() - began), flush=True)
        check("both stop when told", w.close(), {"gateway": 0, "registry": 0})
    finally:
        w.close()
        broker.close()
    sys.exit(world.failed > 0)


if __name__ == "__main__":
    main()
