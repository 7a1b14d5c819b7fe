#!/usr/bin/env python3
"""What the registry lets nobody have too much of: requests, guesses at passwords, bytes, depth, connections.  Through the real server, on a real Kafka.

Wants AVROGATE and AVROGATE_TEST_KAFKA; skipped (77) without them.  Talks to 127.0.0.0/8 only: other addresses of it are other clients.
"""
import base64, http.client, json, os, shutil, signal, socket, subprocess, sys, tempfile, time, uuid

from world import AVROGATE, KAFKA, check, check_that, free_port, need, until
import world

need("AVROGATE", "AVROGATE_TEST_KAFKA")
home = tempfile.mkdtemp(prefix="avrogate-limits-")
TOPIC = "_limits-" + uuid.uuid4().hex[:8]
JSON = "application/json"


class Registry:
    """One on the test's topic, with these flags."""

    def __init__(self, *flags):
        self.port, self.log = free_port(), os.path.join(home, "log-" + uuid.uuid4().hex[:6])
        self.process = subprocess.Popen([AVROGATE, "registry", "--bootstrap", KAFKA, "--allow-unsafe", "--topic", TOPIC,
                                         "--listen", "127.0.0.1:%d" % self.port, *flags], stderr=open(self.log, "w"))

    def __enter__(self):
        until("the registry is ready", lambda: self.ask("GET", "/readyz")[0] == 200)
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        check("it ends when told", self.process.wait(60), 0)
        if kind or world.failed:
            print(open(self.log).read()[-4000:])

    def ask(self, method, where, body=None, user=None, address="127.0.0.1"):
        """(status, answer, headers), asked from that address."""
        fields = {"Content-Type": JSON} if body is not None else {}
        if user:
            fields["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40, source_address=(address, 0))
        try:
            c.request(method, where, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body), fields)
            r = c.getresponse()
            text = r.read()
            return r.status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode(), r.headers
        finally:
            c.close()

    def status(self, *argv, **more):
        return self.ask(*argv, **more)[0]

    def refusals(self, why):
        lines = [json.loads(line) for line in open(self.log) if line.startswith("{")]
        return [e for e in lines if e.get("event") == "refused" and e.get("why") == why]


def people(**passwords):
    name = os.path.join(home, "passwords")
    with open(name, "w") as f:
        for who, password in passwords.items():
            made = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, check=True, capture_output=True, text=True).stdout
            f.write("%s:%s" % (who, made))
    return name


def too_many_requests(passwords):
    with Registry("--rate-per-second", "0.2", "--rate-burst", "3") as r:
        check("three at once, and no fourth", [r.status("GET", "/subjects") for _ in range(4)], [200, 200, 200, 429])
        s, answer, headers = r.ask("GET", "/subjects")
        wait = int(headers["Retry-After"])
        check("which is told how long to wait", (s, 1 <= wait <= 5, answer), (429, True, {"error_code": 429, "message": "Too many requests: wait %d s" % wait}))
        check("another address has its own", r.status("GET", "/subjects", address="127.0.0.2"), 200)
        check("health is always answered", {r.status("GET", p) for p in ("/healthz", "/readyz", "/metrics") for _ in range(4)}, {200})
        check("it is counted", 'avrogate_throttled_total{what="requests"} 2' in r.ask("GET", "/metrics")[1], True)
        told = [e["refused_since_last_told"] for e in r.refusals("too many requests")]
        check("and said in the log, with how many had no line of their own", (told[0], sum(told) <= 2), (1, True))
        time.sleep(wait + 0.1)
        check("after the wait there is one", r.status("GET", "/subjects"), 200)
    with Registry("--rate-per-second", "0.2", "--rate-burst", "2", "--auth-passwords", passwords) as r:
        check("who is known by name pays by name, from wherever", [r.status("GET", "/subjects", user="alice:right", address="127.0.0.%d" % n) for n in (1, 2, 3)],
              [200, 200, 429])
        check("and another name from there does not", r.status("GET", "/subjects", user="bob:right", address="127.0.0.3"), 200)


def too_many_guesses(passwords):
    def guess(user, address="127.0.0.1"):
        return r.status("GET", "/subjects", user=user, address=address)
    with Registry("--auth-passwords", passwords, "--auth-guesses", "5") as r:
        check("carol is known at her address", guess("carol:right", "127.0.0.2"), 200)
        check("five wrong passwords are told so, the sixth is not looked at", [guess("alice:wrong") for _ in range(6)], [401] * 5 + [429])
        s, answer, headers = r.ask("GET", "/subjects", user="alice:right")
        check("not even the right one from there, when nobody has shown it before", s, 429)
        check_that("but told when", 1 <= int(headers["Retry-After"]) <= 60 and answer["message"].startswith("Too many wrong passwords: wait"), answer)
        check("nor another name", guess("bob:wrong"), 429)
        check("from another address alice comes in", guess("alice:right", "127.0.0.3"), 200)
        check("and then from the first too: her password is no guess any more", guess("alice:right"), 200)

        far = ["127.0.1.%d" % n for n in range(1, 9)]
        check("who guesses from everywhere has one try an address once a name's share is gone",
              [guess("bob:wrong", a) for a in far for _ in range(2)][-8:], [401, 429] * 4)
        check("and bob comes in from where nobody guessed", guess("bob:right", "127.0.2.1"), 200)
        check("carol at hers, while it is guessed from", [guess("carol:wrong", "127.0.0.2") for _ in range(6)][-1:] + [guess("carol:right", "127.0.0.2")], [429, 200])
        check_that("it is said in the log", r.refusals("too many wrong passwords") and r.refusals("wrong name or password"))


def too_large():
    """Each limit is a status, a code and a sentence; nothing behind it is done."""
    def nested(n):
        return '{"type":"array","items":' * n + '"int"' + "}" * n

    def wide(n):
        return json.dumps({"type": "record", "name": "R", "fields": [{"name": "f%d" % i, "type": "int"} for i in range(n)]})
    with Registry("--limits-body", "65536", "--limits-schema", "16384") as r:
        def register(schema, **more):
            return r.ask("POST", "/subjects/s/versions?force=true", {"schema": schema, **more})[:2]

        check("63 types inside each other are taken", register(nested(63))[0], 200)
        s, answer = register(nested(64))
        check_that("64 are not", (s, answer["error_code"]) == (422, 42201) and "more than 64 types inside each other" in answer["message"], answer)
        s, answer = register(nested(600))
        check_that("nor 600 objects", (s, answer["error_code"]) == (422, 42201) and "more than 256 containers" in answer["message"], answer)
        s, answer, _ = r.ask("POST", "/subjects/s/versions", b"[" * 5000 + b"]" * 5000)
        check_that("nor 5000 lists around nothing", (s, answer["error_code"]) == (422, 42201) and "more than 100 containers" in answer["message"], answer)
        s, answer = register('"int"', references=[{"name": "a", "subject": "b", "version": 1}] * 1001)
        check_that("nor 1001 references", (s, answer["error_code"]) == (422, 42201) and "1001 references, at most 1000" in answer["message"], answer)
        check("a schema of 12 KB is taken", register(wide(480))[0], 200)
        text = wide(900)
        check("one of 25 KB is not", register(text),
              (422, {"error_code": 42209, "message": "Schema is too large: %d bytes, at most 16384" % len(text)}))
        check("but may be asked about", r.status("POST", "/compatibility/subjects/s/versions/latest", {"schema": text}), 200)
        check("a body over the limit is not read", r.ask("POST", "/subjects/s/versions", b" " * 65537)[:2],
              (413, {"error_code": 413, "message": "the body is longer than the 65536 bytes taken here"}))
        check("nor a path over 8 KB", r.ask("GET", "/subjects/" + "a" * 9000)[:2], (414, {"error_code": 414, "message": "the request target is too long"}))
        check("nor a head over 16 KB", raw(r, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000 + b"\r\n\r\n")[:12], b"HTTP/1.1 431")
        check("nor one with 101 fields", raw(r, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 101 + b"\r\n")[:12], b"HTTP/1.1 431")
        check("what was refused is not there", r.ask("GET", "/subjects/s/versions")[1], [1, 2])


def raw(r, text, address="127.0.0.1", keep=None):
    """What is answered to these bytes; with `keep` the connection stays open, in that list."""
    s = socket.create_connection(("127.0.0.1", r.port), source_address=(address, 0))
    s.settimeout(10)
    try:
        s.sendall(text)
        got = s.recv(65536)
    except ConnectionError:
        got = b""
    if keep is None:
        s.close()
    else:
        keep.append(s)
    return got


def too_many_connections():
    with Registry("--limits-connections", "6", "--limits-per-ip", "4") as r:
        held = []

        def come(address, path=b"/subjects"):
            got = raw(r, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n", address, held)
            return int(got[9:12]) if got else 0, b"Retry-After: 1" in got, got.rpartition(b"\r\n\r\n")[2]
        busy = b'{"error_code":503,"message":"too many connections are open'
        check("four connections of one address", [come("127.0.0.1")[0] for _ in range(4)], [200] * 4)
        s, later, body = come("127.0.0.1")
        check("no fifth", (s, later, body.startswith(busy)), (503, True, True))
        check("two more of others", [come("127.0.0.%d" % n)[0] for n in (2, 3)], [200] * 2)
        s, later, body = come("127.0.0.4")
        check("no seventh in all", (s, later, body.startswith(busy)), (503, True, True))
        check("but for health", come("127.0.0.5", b"/readyz")[0], 200)
        said = r.ask("GET", "/metrics", address="127.0.0.6")[1]
        check("and it is counted", [('avrogate_http_refused_total{of="connections",for="%s"} 1\n' % whom) in said for whom in ("one", "all")], [True] * 2)
        for s in held:
            s.close()
        until("when they are gone others come in", lambda: r.status("GET", "/subjects") == 200)


try:
    known = people(alice="right", bob="right", carol="right")
    too_many_requests(known)
    too_many_guesses(known)
    too_large()
    too_many_connections()
finally:
    shutil.rmtree(home)
sys.exit(1 if world.failed else 0)
