#!/usr/bin/env python3
"""Our registry beside Apicurio's (and any other's): reads, registrations, cold start, memory; one machine, one run, a real Kafka.

usage: bench/registry/run.py [--seconds 4] [--warm 180] [--rounds 5] [--schemas 10000] [--peer NAME=URL]... [--apicurio kafka|mem|no]
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, Python packages of tests/requirements.txt; wrk, Java 21 or newer (`./deps bench`)

Apicurio keeps its schemas in the same Kafka (kafkasql), as we do. wrk asks all of them in the same way; rounds alternate, because
machines drift, and what counts is the median of the rounds' ratios. Beside the rate stands what the server's own CPU time gives: on a
busy machine that is the steadier one. A peer given by URL (Karapace, Confluent's) is asked, not started.
"""
import argparse, http.client, json, os, statistics, subprocess, sys, tempfile, threading, time, urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/integration"))
import world
from world import need

need("AVROGATE", "AVROGATE_TEST_KAFKA")
AVROGATE, KAFKA = os.environ["AVROGATE"], os.environ["AVROGATE_TEST_KAFKA"]
APICURIO = os.path.join(HERE, "../../tests/services/registry-apicurio.sh")
TYPE = "application/vnd.schemaregistry.v1+json"
NAME = "bench%d" % os.getpid()
TICKS = os.sysconf("SC_CLK_TCK")


def ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def rss_mb(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def schema_of(n, size=0):
    """A schema that nobody has, of about `size` bytes as it is stored."""
    fields = [{"name": "n%d" % n, "type": "long"}]
    text = {"type": "record", "name": "Reading%d" % n, "namespace": NAME, "fields": fields}
    i = 0
    while len(json.dumps(text, separators=(",", ":"))) < size:
        fields.append({"name": "value_%d" % i, "type": ["null", "double"], "doc": "what sensor %d of station %d says" % (i, n), "default": None})
        i += 1
    return json.dumps(text, separators=(",", ":"))


class Peer:
    def __init__(self, name, url, pid=None):
        self.name, self.url, self.pid = name, url.rstrip("/"), pid
        u = urllib.parse.urlparse(self.url)
        self.host, self.port, self.path = u.hostname, u.port or 80, u.path

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def register(self, connection, subject, text):
        connection.request("POST", "%s/subjects/%s/versions" % (self.path, subject), json.dumps({"schema": text}), {"Content-Type": TYPE})
        r = connection.getresponse()
        body = r.read()
        assert r.status == 200, (self.name, r.status, body[:300])
        return json.loads(body)["id"]

    def register_many(self, numbers, size, clients=32):
        """Registers these from so many connections at once; seconds."""
        left, began = iter(numbers), time.monotonic()
        lock, wrong = threading.Lock(), []

        def work():
            connection = self.connect()
            while not wrong:
                with lock:
                    n = next(left, None)
                if n is None:
                    return
                try:
                    self.register(connection, "%s-%d-value" % (NAME, n), schema_of(n, size))
                except (AssertionError, OSError) as e:
                    wrong.append(e)
        threads = [threading.Thread(target=work) for _ in range(clients)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        if wrong:
            raise wrong[0]
        return time.monotonic() - began


def wrk(peer, path, connections, seconds, script=None, arguments=()):
    """Answers a second, per second of the server's CPU, milliseconds in the middle, and how many answers were no 2xx."""
    argv = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", "--timeout", "20s", *(["-s", script] if script else []), peer.url + path]
    before = ticks(peer.pid) if peer.pid else 0
    out = subprocess.run([*argv, *(["--", *map(str, arguments)] if arguments else [])], check=True, stdout=subprocess.PIPE, text=True).stdout
    used = (ticks(peer.pid) - before) / TICKS if peer.pid else 0
    said = {"rate": 0, "wrong": 0, "middle": 0}
    for line in out.splitlines():
        w = line.split()
        if line.startswith("Requests/sec"):
            said["rate"] = float(w[1])
        elif "requests in" in line:
            said["n"] = int(w[0])
        elif "Non-2xx" in line:
            said["wrong"] = int(w[-1])
        elif w[:1] == ["50%"]:
            unit = {"us": 1e-3, "ms": 1, "s": 1e3}
            number = w[1].rstrip("mus")
            said["middle"] = float(number) * unit[w[1][len(number):]]
    said["cpu"] = said["n"] / used if used else 0
    return said


def warm(ask, p, most):
    """Until it gets no faster: a compiler at run time wants its time, more on a busy machine.  At most so many seconds."""
    best, since, end = 0, 0, time.monotonic() + most
    while since < 3 and time.monotonic() < end:
        rate = ask(p, 0)["cpu" if p.pid else "rate"]
        best, since = (rate, 0) if rate > best * 1.05 else (best, since + 1)


def rounds(what, peers, count, ask, wanted, of=lambda s: s["rate"], unit="/s"):
    """Asks each in turn, `count` times, and prints what came of it."""
    got = {p.name: [] for p in peers}
    for i in range(count):
        for p in peers:
            got[p.name].append(ask(p, i))
    ours = got["avrogate"]
    for p in peers:
        all_ = got[p.name]
        rate, cpu = statistics.median(map(of, all_)), statistics.median(s["cpu"] for s in all_)
        line = "%-34s %-10s %9.0f %s %9.0f /CPU s  %7.2f ms" % (what, p.name, rate, unit, cpu, statistics.median(s["middle"] for s in all_))
        if p.name != "avrogate":
            times = statistics.median(of(a) / max(of(b), 1e-9) for a, b in zip(ours, all_))
            line += "  ours: %.1f times%s" % (times, ", by CPU %.1f" % (statistics.median(s["cpu"] for s in ours) / cpu) if cpu else "")
            line += "  (wanted %s: %s)" % (wanted, "yes" if times >= wanted else "NO")
        wrong = sum(s["wrong"] for s in all_)
        print(line + ("  %d answers were errors" % wrong if wrong else ""), flush=True)


class Ours(Peer):
    def __init__(self):
        self.port_of_it = world.free_port()
        super().__init__("avrogate", "http://127.0.0.1:%d" % self.port_of_it)
        self.process = None

    def start(self):
        """Seconds from nothing until it says that it is ready."""
        began = time.monotonic()
        self.process = subprocess.Popen([AVROGATE, "registry", "--listen", "127.0.0.1:%d" % self.port_of_it, "--bootstrap", KAFKA, "--topic",
                                         NAME + "-schemas", "--allow-unsafe", "--log-level", "error"])
        self.pid = self.process.pid
        while True:
            try:
                connection = self.connect()
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return time.monotonic() - began
            except OSError:
                pass
            if self.process.poll() is not None:
                sys.exit("avrogate has ended with %d" % self.process.returncode)
            time.sleep(0.002)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


def apicurio(store):
    env = dict(os.environ, REG_PORT=str(world.free_port()), REG_STORE=store, REG_BOOTSTRAP=KAFKA, REG_TOPIC=NAME + "-apicurio")
    subprocess.run([APICURIO, "install"], env=env, check=True)
    said = subprocess.run([APICURIO, "start"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    peer = Peer("apicurio", said[1], int(subprocess.run([APICURIO, "pid"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout))
    peer.env, peer.said = env, " ".join(said[2:])
    return peer


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seconds", type=int, default=4)
    a.add_argument("--warm", type=int, default=180)
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--schemas", type=int, default=10000)
    a.add_argument("--peer", action="append", default=[], metavar="NAME=URL")
    a.add_argument("--apicurio", choices=["kafka", "mem", "no"], default="kafka", help="where it keeps its schemas")
    a = a.parse_args()
    ours, peers = Ours(), []
    print("# load of this machine: %.1f on %d cores" % (os.getloadavg()[0], os.cpu_count()), flush=True)
    try:
        print("# avrogate, empty: ready after %.3f s" % ours.start())
        peers = [ours]
        if a.apicurio != "no":
            peers.append(apicurio(a.apicurio))
            print("# apicurio, empty: %s" % peers[-1].said, flush=True)
        peers += [Peer(*p.split("=", 1)) for p in a.peer]
        ids = {p.name: p.register(p.connect(), NAME + "-read-value", schema_of(0, 2048)) for p in peers}

        def get(p, i):
            return wrk(p, "/schemas/ids/%d" % ids[p.name], 64, a.seconds)
        for p in peers:
            warm(get, p, a.warm)
        rounds("GET by id, 64 connections", peers, a.rounds, get, 10)

        def register(connections):
            def ask(p, i):
                return wrk(p, "/", connections, a.seconds, os.path.join(HERE, "register.lua"), [p.path, NAME, connections, time.time_ns()])
            return ask
        for p in peers:
            warm(register(32), p, a.warm)
        rounds("new schemas, 32 clients", peers, a.rounds, register(32), 3)
        rounds("new schemas, one at a time", peers, a.rounds, register(1), 1)
        one = statistics.median(register(1)(ours, 0)["middle"] for _ in range(a.rounds))
        print("one at a time: %.1f ms in the middle (wanted 40: %s)" % (one, "yes" if one <= 40 else "NO"), flush=True)
    finally:
        for p in peers[1:]:
            if p.pid:
                print("%-45s %-10s %6.0f MB" % ("memory after all this", p.name, rss_mb(p.pid)), flush=True)
                subprocess.run([APICURIO, "stop"], env=p.env)
        if peers:
            print("%-45s %-10s %6.0f MB" % ("memory after all this", ours.name, rss_mb(ours.pid)), flush=True)
        ours.stop()
    start_with_many(a)


def start_with_many(a):
    """A registry of its own, for the others' schemas are not 2 KB."""
    global NAME
    NAME += "many"
    ours = Ours()
    try:
        ours.start()
        took = ours.register_many(range(a.schemas), 2048)
        print("# %d schemas of 2 KB registered in %.1f s" % (a.schemas, took), flush=True)
        ours.stop()
        starts, used = [], []
        for _ in range(a.rounds):
            starts.append(ours.start())
            used.append(ticks(ours.pid) / TICKS)
            memory = rss_mb(ours.pid)
            ours.stop()
        middle = statistics.median(starts)
        print("%-45s %-10s %6.3f s, best %.3f, %.2f s of CPU (wanted 1: %s)" %
              ("cold start with %d schemas" % a.schemas, "avrogate", middle, min(starts), statistics.median(used), "yes" if middle <= 1 else "NO"))
        ours.start()
        connection = ours.connect()
        for i in range(1, a.schemas + 1, max(1, a.schemas // 2000)):
            connection.request("GET", "/schemas/ids/%d" % i)
            connection.getresponse().read()
        memory = max(memory, rss_mb(ours.pid))
        print("%-45s %-10s %6.1f MB (wanted 64: %s)" % ("memory with %d schemas" % a.schemas, "avrogate", memory, "yes" if memory <= 64 else "NO"))
    finally:
        ours.stop()


if __name__ == "__main__":
    main()
