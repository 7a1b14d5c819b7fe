#!/usr/bin/env python3
"""REST Proxy's v3 records as a stream: values one behind the other on one connection, a report each as soon as Kafka has it.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import http.client, json, os, signal, socket, subprocess, sys, threading, time

import world
from world import JSON, Later, World, call, check, check_that, make_topic, metric, need, read_topic, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
t = "stream%d" % os.getpid()
SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}, {"name": "pad", "type": "string", "default": ""}]}


def record(i, **more):
    return json.dumps({"value": {"data": dict({"id": i}, **more)}})


class Stream:
    """One connection on which values go out and reports come in."""

    def __init__(self, w, topic=t, cluster=None, kind=JSON):
        self.s = socket.create_connection(("127.0.0.1", w.gateway_port), timeout=30)
        self.f = self.s.makefile("rb")
        self.s.sendall(("POST /v3/clusters/%s/topics/%s/records HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
                        % (cluster or w.cluster, topic, kind)).encode())
        self.text, self.over = b"", False

    def head(self):
        self.status = int(self.f.readline().split()[1])
        self.fields = {}
        while True:
            line = self.f.readline().strip()
            if not line:
                return self.status
            name, value = line.split(b": ", 1)
            self.fields[name.lower()] = value

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        self.s.sendall(b"%x\r\n" % len(data) + data + b"\r\n")

    def end(self):
        self.s.sendall(b"0\r\n\r\n")

    def report(self):
        """The next one; None at the end."""
        while b"\r\n" not in self.text:
            if self.over:
                return None
            n = int(self.f.readline() or b"0", 16)
            self.text += self.f.read(n)
            self.f.readline()
            self.over = n == 0
        line, self.text = self.text.split(b"\r\n", 1)
        return json.loads(line)

    def rest(self):
        found = []
        while True:
            r = self.report()
            if r is None:
                return found
            found.append(r)

    def close(self):
        self.f.close()
        self.s.close()


def ids(w):
    """The field id of every record of the topic: a zigzag varint behind the frame's head."""
    found = []
    for m in read_topic(w.kafka, t):
        v = shift = 0
        for b in m.value()[5:]:
            v |= (b & 127) << shift
            shift += 7
            if b < 128:
                break
        found.append(v >> 1)
    return found


def one_by_one(w):
    s = Stream(w)
    check("the answer begins before anything was sent", (s.head(), s.fields[b"transfer-encoding"]), (200, b"chunked"))
    for i in range(3):
        s.send(record(i))
        r = s.report()
        check("a record's report comes before the next record goes", (r["error_code"], r["offset"], r["topic_name"], r["value"]["size"]), (200, i, t, 7))
    text = record(3)
    s.send(text[:10])
    s.send(text[10:] + "\n" + record(4) + record(5))
    check("records may be cut anywhere, and stand together", [s.report()["offset"] for _ in range(3)], [3, 4, 5])
    s.end()
    check("and the stream ends when its client ends it", s.report(), None)
    s.s.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    check("   the connection goes on", s.f.readline().split()[1], b"200")
    s.close()


def bad_ones_in_the_middle(w):
    s = Stream(w)
    s.head()
    bad = ['{"value":{"data":{"id":"x"}}}', '{"value":{"data":{"id":1}}', '"a line that ends within quotes\n', '{"partition_id":99,"value":{"data":{"id":1}}}', '[]', '{"a" 1}',
           '{"value":{"type":"NONE","data":1}}', '{"value":{"schema_id":1073741824,"data":1}}']
    wanted = [42203, 400, 400, 40402, 400, 400, 400, 42207]
    bad[1] += "}}}"  # a good one, and two braces too many
    s.send("\n".join(record(10 + i) + b for i, b in enumerate(bad)))
    s.send(record(20))
    s.end()
    codes = [r["error_code"] for r in s.rest()]
    s.close()
    good = [c for c in codes if c == 200]
    check("every good record goes between bad ones", len(good), 10)
    check_that("   each bad one has a report with its code", [c for c in codes if c != 200 and c != 400] == [42203, 40402, 42207] and codes.count(400) >= 5, codes)
    s = Stream(w)
    s.head()
    s.send(record(21) + '{"value":{"da')
    s.end()
    check("a stream that ends within a record says so", [r["error_code"] for r in s.rest()], [200, 400])
    s.close()


def what_is_refused_before(w):
    for what, s, status in (("another cluster", Stream(w, cluster="nope"), 404), ("no JSON", Stream(w, kind="text/plain"), 415),
                            ("a topic's name that is none", Stream(w, topic="a%20b"), 400)):
        check("%s is %d before the stream begins" % (what, status), s.head(), status)
        s.close()
    s = Stream(w, topic="nothing-%d" % os.getpid())
    s.head()
    s.send(record(1))
    s.end()
    check_that("a topic that is not there is each record's report", [r["error_code"] for r in s.rest()][0] in (40401, 42207))
    s.close()
    body = record(30)
    a = call("POST", w.gateway_port, "/v3/clusters/%s/topics/%s/records" % (w.cluster, t), iter([body.encode()]), JSON, {"Idempotency-Key": "k"})
    b = call("POST", w.gateway_port, "/v3/clusters/%s/topics/%s/records" % (w.cluster, t), iter([body.encode()]), JSON, {"Idempotency-Key": "k"})
    check("under a key it is read whole, and once", (a.status, a.body, b.headers["Idempotent-Replayed"]), (200, b.body, "true"))


def many(w, n=20000):
    s = Stream(w)
    s.head()
    found = Later(s.rest)
    before = len(ids(w))
    for i in range(0, n, 100):
        s.send("".join(record(100000 + k) for k in range(i, i + 100)))
    s.end()
    reports = found.result(60)
    check("%d records, all reported" % n, [r["error_code"] for r in reports].count(200), n)
    offsets = [r["offset"] for r in reports]
    check("   in their order", offsets, sorted(offsets))
    check("   and there", [i for i in ids(w)[before:]], list(range(100000, 100000 + n)))
    s.close()


def curl_and_python(w):
    url = "http://127.0.0.1:%d/v3/clusters/%s/topics/%s/records" % (w.gateway_port, w.cluster, t)
    p = subprocess.Popen(["curl", "-sN", "--http1.1", "-X", "POST", "-H", "Content-Type: application/json", "-T", ".", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(record(40).encode() + b"\n")
    p.stdin.flush()
    check("curl -T . gets a report while it still sends", json.loads(p.stdout.readline())["error_code"], 200)
    p.stdin.write(record(41).encode())
    p.stdin.close()
    check("   and the last one at its end", json.loads(p.stdout.readline())["error_code"], 200)
    check("   and ends well", p.wait(60), 0)
    out = subprocess.run(["curl", "-s", "--http1.1", "-X", "POST", "-H", "Content-Type: application/json", "-T", "-", url],
                         input="".join(record(i) for i in range(45, 50)).encode(), capture_output=True, timeout=30).stdout
    check("curl -T - too", [json.loads(line)["error_code"] for line in out.split()], [200] * 5)
    c = http.client.HTTPConnection("127.0.0.1", w.gateway_port, timeout=30)
    c.request("POST", url[url.index("/v3"):], (record(i).encode() for i in range(50, 60)), {"Content-Type": JSON}, encode_chunked=True)
    reports = c.getresponse().read().decode().split()
    check("http.client with a generator", [json.loads(r)["error_code"] for r in reports], [200] * 10)
    c.close()


def who_takes_no_reports(w):
    """It sends all before it reads any: what waits for it has an end, and the others do not notice."""
    s = Stream(w)
    s.s.settimeout(5)
    sent = 0
    try:
        while sent < 3000:
            s.send("".join(record(k) for k in range(500)))
            sent += 1
    except (TimeoutError, OSError):
        pass
    check_that("who takes no reports is not read for ever", sent < 3000, sent)
    check("   others go on", w.post(t, {"id": 1}).status, 200)
    s.close()
    until("   and when it leaves nothing of it is left", lambda: metric(w, "avrogate_gateway_in_flight_requests") == 0)
    check("   no record, no byte", (metric(w, "avrogate_gateway_in_flight_records"), metric(w, "avrogate_gateway_in_flight_bytes")), (0, 0))


def many_at_once(w):
    for n in (127, 128, 129, 256):
        streams = [Stream(w) for _ in range(n)]
        for s in streams:
            s.head()
        for s in streams:
            s.send(record(1))
        check("%d streams at once all get on" % n, {s.report()["error_code"] for s in streams}, {200})
        for s in streams[:n // 2]:
            s.end()
        for s in streams:
            s.close()
    until("and those that left are forgotten", lambda: metric(w, "avrogate_gateway_in_flight_requests") == 0)


def the_gateway_stops(w):
    s = Stream(w)
    s.head()
    s.send(record(60) + record(61))
    check("a stream is there", [s.report()["error_code"] for _ in range(2)], [200, 200])
    ended = Later(w.end, "gateway", signal.SIGTERM)
    check("SIGTERM ends it with a report that says so", [r["error_code"] for r in s.rest()], [50003])
    check("   and the gateway well", ended.result(), 0)
    s.close()


def main():
    w = World()
    try:
        make_topic(w.kafka, t)
        w.start_registry()
        w.register(t + "-value", SCHEMA)
        w.start_gateway()
        w.cluster = call("GET", w.gateway_port, "/v3/clusters").json["data"][0]["cluster_id"]
        for part in (one_by_one, bad_ones_in_the_middle, what_is_refused_before, many, curl_and_python, who_takes_no_reports, many_at_once, the_gateway_stops):
            print("-- " + part.__name__.replace("_", " "), flush=True)
            part(w)
    finally:
        w.close()
    sys.exit(1 if world.failed else 0)


if __name__ == "__main__":
    main()
