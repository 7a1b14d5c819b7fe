#!/usr/bin/env python3
"""CPU, rate and latency through the gateway, beside the sum of its parts, a bare producer, and a gateway of somebody else's, in one run on one Kafka.

    bench/gateway/run.py BUILD-DIR BOOTSTRAP [--seconds 4] [--rounds 7] [--peer COMMAND]

BUILD-DIR has avrogate and bench-parts, built with -O3.  COMMAND starts the other gateway: it is given PORT, REG, SID and BS (port, registry,
schema id, brokers) in its environment, takes POST /topics/{topic} of a record or an array of them as JSON, and answers when
Kafka has them.  Wants wrk.

Machines drift, so what is compared runs one after the other in each round, and the ratio is taken within the round: the median of the
rounds counts, least and most are said.  Gateway and bare producer have as much in flight: BATCHES of 1,000 records, or CONNECTIONS
records one by one, and for each that Kafka has the next is sent (a closed loop).
"""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time, urllib.request

a = argparse.ArgumentParser()
a.add_argument("build")
a.add_argument("bootstrap")
a.add_argument("--seconds", type=float, default=4)
a.add_argument("--rounds", type=int, default=7)
a.add_argument("--peer")
a = a.parse_args()
topic = "bench-gateway-%d" % os.getpid()
REGISTRY, GATEWAY, PEER = 18991, 18992, 18993
BATCHES, CONNECTIONS = 8, 64
SCHEMA = {"type": "record", "name": "Reading", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"}, {"name": "temperature", "type": "double"},
    {"name": "note", "type": ["null", "string"], "default": None}, {"name": "ok", "type": "boolean"}, {"name": "at", "type": "long"}]}
RECORD = {"id": 123456789, "station": "Rome Ciampino 0042", "temperature": 21.348, "note": "calibrated by hand this morning", "ok": True, "at": 1767323045678}
LUA = 'local f=io.open(os.getenv("BODY"),"rb"); local b=f:read("*a"); f:close()\nwrk.method="POST"; wrk.body=b; wrk.headers["Content-Type"]="application/json"\n'


def ask(url, body=None):
    r = urllib.request.Request(url, body and json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(r, timeout=5) as f:
        return json.load(f)


def ready(url, body=None):
    for _ in range(200):
        try:
            return ask(url, body)
        except OSError:
            time.sleep(0.1)
    sys.exit("%s does not answer" % url)


def cpu(pid):
    """Seconds of CPU of a process and its children."""
    total = 0
    for p in [str(pid)] + subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split():
        with open("/proc/%s/stat" % p) as f:
            total += sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13])
    return total / os.sysconf("SC_CLK_TCK")


def ms(text):
    """wrk's "1.23ms"."""
    n, unit = re.fullmatch(r"([0-9.]+)(us|ms|s|m)", text).groups()
    return float(n) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def load(pid, port, path, body_file, connections, dir):
    """us of CPU a request, requests a second, p50 and p99 in ms."""
    before = cpu(pid)
    out = subprocess.run(["wrk", "-t1", "-c%d" % connections, "-d%gs" % a.seconds, "--latency", "-s", dir + "/post.lua", "http://127.0.0.1:%d%s" % (port, path)],
                         env=dict(os.environ, BODY=body_file), capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or not re.search(r"^ +99% ", out, re.M):
        sys.exit("%s\n%s" % (path, out))
    n = int(re.search(r"(\d+) requests in", out).group(1))
    p50, p99 = (ms(re.search(r"^ +%d%% +([0-9.]+\w+) *$" % q, out, re.M).group(1)) for q in (50, 99))
    return (cpu(pid) - before) / n * 1e6, n / a.seconds, p50, p99


def bare(topic, dir, batches, singles):
    out = subprocess.run([a.build + "/bench-parts", a.bootstrap, topic, dir + "/schema.avsc", dir + "/one.json", str(a.seconds), str(batches), str(singles)],
                         capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: float(line.split()[1]) for line in out.splitlines()}


def main():
    dir = tempfile.mkdtemp(prefix="bench-gateway-")
    for name, text in (("one.json", json.dumps(RECORD, separators=(",", ":"))), ("many.json", json.dumps([RECORD] * 1000, separators=(",", ":"))), ("post.lua", LUA),
                       ("schema.avsc", json.dumps(SCHEMA))):
        with open(os.path.join(dir, name), "w") as f:
            f.write(text)
    avrogate, registry = a.build + "/avrogate", "http://127.0.0.1:%d" % REGISTRY
    log = open(dir + "/log", "w")
    running = []
    try:
        running.append(subprocess.Popen([avrogate, "registry", "--listen", "127.0.0.1:%d" % REGISTRY, "--bootstrap", a.bootstrap, "--allow-unsafe"], stderr=log))
        ready(registry + "/readyz")
        sid = ask("%s/subjects/%s-value/versions" % (registry, topic), {"schema": json.dumps(SCHEMA)})["id"]
        ours = subprocess.Popen([avrogate, "gateway", "--listen", "127.0.0.1:%d" % GATEWAY, "--bootstrap", a.bootstrap, "--registry", registry], stderr=log)
        running.append(ours)
        ready("http://127.0.0.1:%d/readyz" % GATEWAY)
        ready("http://127.0.0.1:%d/v1/topics/%s/records" % (GATEWAY, topic), RECORD)
        gateways = [("avrogate", ours.pid, GATEWAY, "/v1/topics/%s/records" % topic)]
        if a.peer:
            peer = subprocess.Popen(a.peer, shell=True, stderr=log, stdout=log, env=dict(os.environ, PORT=str(PEER), REG=registry, SID=str(sid), BS=a.bootstrap))
            running.append(peer)
            ready("http://127.0.0.1:%d/topics/%s" % (PEER, topic), RECORD)
            gateways.append(("peer", peer.pid, PEER, "/topics/" + topic))
        found = {}

        def note(name, value):
            found.setdefault(name, []).append(value)
            return value
        for _ in range(a.rounds):
            parts = bare(topic, dir, BATCHES, 0)
            encode, produce, rate = note("encode, ns", parts["encode"]), note("produce, ns", parts["produce"]), note("bare, records/s of 1,000", parts["bare"])
            many = {}
            for name, pid, port, path in gateways:
                us, r, _, _ = load(pid, port, path, dir + "/many.json", BATCHES, dir)
                many[name] = note(name + ", ns a record of 1,000", us)
                r = note(name + ", records/s of 1,000", r * 1000)
                if name == "avrogate":
                    note("* gateway / sum of its parts, CPU", us / (encode + produce))
                    note("* gateway / bare producer, records/s", r / rate)
            parts = bare(topic, dir, 0, CONNECTIONS)
            note("bare, records/s one by one", parts["singles"])
            note("bare, p50 ms", parts["p50"])
            note("bare, p99 ms", parts["p99"])
            one = {}
            for name, pid, port, path in gateways:
                us, r, p50, p99 = load(pid, port, path, dir + "/one.json", CONNECTIONS, dir)
                one[name] = note(name + ", us a request of one", us)
                note(name + ", requests/s of one", r)
                note(name + ", p50 ms", p50)
                note(name + ", p99 ms", p99)
                if name == "avrogate":
                    note("* gateway - bare producer, p99 ms", p99 - parts["p99"])
            if a.peer:
                note("* peer / gateway, CPU a record", many["peer"] / many["avrogate"])
                note("* peer / gateway, CPU a request of one", one["peer"] / one["avrogate"])
            print(".", end="", flush=True)
        print("\n%-42s %12s %12s %12s   rounds" % ("%d rounds of %g s each" % (a.rounds, a.seconds), "median", "least", "most"))
        for k in sorted(found, key=lambda k: k.startswith("*")):
            v = found[k]
            print("%-42s %12.2f %12.2f %12.2f   %s" % (k, statistics.median(v), min(v), max(v), " ".join("%.4g" % x for x in v)))
    finally:
        for p in reversed(running):
            p.terminate()
            p.wait()


if __name__ == "__main__":
    main()
