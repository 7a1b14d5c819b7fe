#!/usr/bin/env python3
"""CPU a record through the gateway, beside the sum of its parts and beside a gateway of somebody else's, in one run on one Kafka.

    bench/gateway/run.py BUILD-DIR BOOTSTRAP [--seconds 5] [--rounds 3] [--peer COMMAND]

BUILD-DIR has avrogate and bench-parts, built with -O3.  COMMAND starts the other gateway: it is given PORT, REG, SID and BS (port, registry,
schema id, brokers) in its environment, takes POST /topics/{topic} of a record or an array of them as JSON, and answers when
Kafka has them.  Rounds alternate, because machines drift; ratios count, not figures.  Wants wrk.
"""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time, urllib.request

a = argparse.ArgumentParser()
a.add_argument("build")
a.add_argument("bootstrap")
a.add_argument("--seconds", type=float, default=5)
a.add_argument("--rounds", type=int, default=3)
a.add_argument("--peer")
a = a.parse_args()
topic = "bench-gateway-%d" % os.getpid()
REGISTRY, GATEWAY, PEER = 18991, 18992, 18993
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


def load(pid, port, path, body_file, connections, dir):
    before = cpu(pid)
    out = subprocess.run(["wrk", "-t1", "-c%d" % connections, "-d%gs" % a.seconds, "--latency", "-s", dir + "/post.lua", "http://127.0.0.1:%d%s" % (port, path)],
                         env=dict(os.environ, BODY=body_file), capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        sys.exit(out)
    n = int(re.search(r"(\d+) requests in", out).group(1))
    p99 = re.search(r"^ +99% +([0-9.]+\w+)$", out, re.M).group(1)
    return (cpu(pid) - before) / n * 1e6, n / a.seconds, p99


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
        for _ in range(a.rounds):
            parts = subprocess.run([a.build + "/bench-parts", a.bootstrap, topic, dir + "/schema.avsc", dir + "/one.json", "400000"], capture_output=True, text=True, check=True).stdout
            parts = {line.split()[0]: float(line.split()[1]) for line in parts.splitlines()}
            note("encode ns", parts["encode"])
            note("produce ns", parts["produce"])
            note("bare records/s", parts["bare"])
            for name, pid, port, path in gateways:
                us, rate, _ = load(pid, port, path, dir + "/many.json", 8, dir)
                note(name + " ns a record of 1,000", us)
                note(name + " records/s of 1,000", rate * 1000)
                us, rate, p99 = load(pid, port, path, dir + "/one.json", 64, dir)
                note(name + " us a request of one", us)
                note(name + " requests/s of one", rate)
                print("%s: one a request, 64 connections: p99 %s" % (name, p99), flush=True)
        m = {k: statistics.median(v) for k, v in found.items()}
        for k, v in m.items():
            print("%-36s %12.1f   (%s)" % (k, v, " ".join("%.1f" % x for x in found[k])))
        print("gateway / sum of its parts           %12.2f" % (m["avrogate ns a record of 1,000"] / (m["encode ns"] + m["produce ns"])))
        print("gateway / bare producer, records/s   %12.2f" % (m["avrogate records/s of 1,000"] / m["bare records/s"]))
        if a.peer:
            print("peer / gateway, CPU a record         %12.2f" % (m["peer ns a record of 1,000"] / m["avrogate ns a record of 1,000"]))
            print("peer / gateway, CPU a request of one %12.2f" % (m["peer us a request of one"] / m["avrogate us a request of one"]))
    finally:
        for p in reversed(running):
            p.terminate()
            p.wait()


if __name__ == "__main__":
    main()
