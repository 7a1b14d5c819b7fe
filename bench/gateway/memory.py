#!/usr/bin/env python3
"""Memory of the gateway: of idle connections, in the clear and under TLS, and under three times what it takes for a minute.

    bench/gateway/memory.py BUILD-DIR BOOTSTRAP [--idle 1000,5000] [--seconds 60]

An idle connection is one that was kept after its request (one record, answered when Kafka had it).  What counts is the resident set
(VmRSS) a connection above what the same gateway has after one; the kernel's own memory of a socket is in none of these figures.

Overload: as many clients as make three times the bytes that may be in flight (64 MiB), each with a body of 1,000 records and another as
soon as it is answered; what there is no room for is 503.  Said are the largest resident set of each tenth of the time and the answers.  Wants wrk and openssl.
"""
import argparse, collections, concurrent.futures, json, os, re, resource, socket, ssl, subprocess, sys, tempfile, time, urllib.request

a = argparse.ArgumentParser()
a.add_argument("build")
a.add_argument("bootstrap")
a.add_argument("--idle", default="1000,5000")
a.add_argument("--seconds", type=int, default=60)
a = a.parse_args()
topic = "bench-memory-%d" % os.getpid()
REGISTRY, GATEWAY = 18981, 18982
IN_FLIGHT, TIMES = 64 << 20, 3
SCHEMA = {"type": "record", "name": "Reading", "fields": [{"name": "id", "type": "long"}, {"name": "note", "type": "string"}]}
RECORD = json.dumps({"id": 1, "note": "x" * 100})
LUA = '''local f = io.open(os.getenv("BODY"), "rb"); local b = f:read("*a"); f:close()
wrk.method = "POST"; wrk.body = b; wrk.headers["Content-Type"] = "application/json"
local threads = {}
function setup(t) table.insert(threads, t) end
function init() n = {}; for i = 100, 599 do n[i] = 0 end end
function response(status) n[status] = n[status] + 1 end
function done(summary)
  for _, t in ipairs(threads) do for s, k in pairs(t:get("n")) do if k > 0 then print("status " .. s .. " " .. k) end end end
end
'''
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
dir = tempfile.mkdtemp(prefix="bench-memory-")
log = open(dir + "/log", "w")
request = ("POST /v1/topics/%s/records HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (topic, len(RECORD), RECORD)).encode()


def ask(url, body=None, context=None):
    r = urllib.request.Request(url, body and json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(r, timeout=10, context=context) as f:
        return f.read()


def ready(url, context=None):
    for _ in range(200):
        try:
            return ask(url, context=context)
        except OSError:
            time.sleep(0.1)
    sys.exit("%s does not answer" % url)


def rss(pid):
    """KB."""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def gateway(*more):
    return subprocess.Popen([a.build + "/avrogate", "gateway", "--listen", "127.0.0.1:%d" % GATEWAY, "--bootstrap", a.bootstrap, "--registry", "http://127.0.0.1:%d" % REGISTRY, *more], stderr=log)


def connect(i, context):
    s = socket.socket()
    s.bind(("127.0.0.%d" % (1 + i % 8), 0))  # 4,096 connections may come from one address
    s.connect(("127.0.0.1", GATEWAY))
    if context:
        s = context.wrap_socket(s)
    s.sendall(request)
    answer = s.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return s


def idle(name, context, *more):
    scheme = "https" if context else "http"
    for n in (int(x) for x in a.idle.split(",")):
        g = gateway(*more)
        try:
            ready("%s://127.0.0.1:%d/readyz" % (scheme, GATEWAY), context)
            open_ = [connect(0, context)]
            before = rss(g.pid)
            with concurrent.futures.ThreadPoolExecutor(64) as pool:  # within the 30 s that one may be idle
                open_ += pool.map(lambda i: connect(i, context), range(1, n))
            metrics = ask("%s://127.0.0.1:%d/metrics" % (scheme, GATEWAY), context=context).decode()
            there = int(re.search(r"^avrogate_http_connections (\d+)", metrics, re.M).group(1)) - 1
            after = rss(g.pid)
            assert there == n, "%d of %d are open" % (there, n)
            print("%-6s %5d idle connections: %6.1f MB resident, %5.1f KB each above %.1f MB" % (name, n, after / 1024, (after - before) / (n - 1), before / 1024), flush=True)
            for s in open_:
                s.close()
        finally:
            g.terminate()
            g.wait()


def overload():
    body = "[" + ",".join([RECORD] * 1000) + "]"
    clients = TIMES * IN_FLIGHT // len(body)
    with open(dir + "/many.json", "w") as f:
        f.write(body)
    with open(dir + "/post.lua", "w") as f:
        f.write(LUA)
    g = gateway()
    try:
        ready("http://127.0.0.1:%d/readyz" % GATEWAY)
        connect(0, None).close()
        print("overload: %d clients with %.0f KB each, %.1f MB resident before" % (clients, len(body) / 1024, rss(g.pid) / 1024), flush=True)
        w = subprocess.Popen(["wrk", "-t1", "-c%d" % clients, "-d%ds" % a.seconds, "--timeout", "30s", "-s", dir + "/post.lua", "http://127.0.0.1:%d/v1/topics/%s/records" % (GATEWAY, topic)],
                             env=dict(os.environ, BODY=dir + "/many.json"), stdout=subprocess.PIPE, text=True)
        began, most = time.time(), collections.defaultdict(int)
        while w.poll() is None:
            tenth = min(9, int((time.time() - began) / a.seconds * 10))
            most[tenth] = max(most[tenth], rss(g.pid))
            time.sleep(0.1)
        print("resident, the largest of each tenth of %d s: %s MB" % (a.seconds, " ".join("%.0f" % (most[k] / 1024) for k in sorted(most))))
        print("answers: " + ", ".join("%s of %s" % (n, s) for s, n in re.findall(r"^status (\d+) (\d+)", w.stdout.read(), re.M)))
        ready("http://127.0.0.1:%d/readyz" % GATEWAY)
        connect(0, None).close()
    finally:
        g.terminate()
        g.wait()


registry = subprocess.Popen([a.build + "/avrogate", "registry", "--listen", "127.0.0.1:%d" % REGISTRY, "--bootstrap", a.bootstrap, "--allow-unsafe"], stderr=log)
try:
    ready("http://127.0.0.1:%d/readyz" % REGISTRY)
    ask("http://127.0.0.1:%d/subjects/%s-value/versions" % (REGISTRY, topic), {"schema": json.dumps(SCHEMA)})
    cert, key = dir + "/cert.pem", dir + "/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                   check=True, stderr=log)
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    idle("plain", None)
    idle("TLS", trust, "--tls-cert", cert, "--tls-key", key)
    overload()
finally:
    registry.terminate()
    registry.wait()
