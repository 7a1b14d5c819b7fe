#!/usr/bin/env python3
"""Three registries, one topic, no leader: the one that writes is killed and frozen again and again while eight clients register.

Nothing acknowledged is lost, no id is given twice, a frozen writer that wakes up writes nothing, and reads go on while Kafka stands
still.  The longest gap in accepted writes is measured and printed (issue: at most 2 s), never judged: a busy machine proves nothing.

Wants AVROGATE and AVROGATE_TEST_KAFKA (which says that a real Kafka may be run here; this test starts its own, because it stops it).
Skipped (77) without them.  Prints one line a check; exit 1 when one fails.
usage: registry_pen_test.py [--rounds N (5)] [--cluster]      --cluster: three brokers, the topic with three replicas
"""
import argparse, collections, http.client, json, os, random, signal, subprocess, sys, tempfile, threading, time

from world import AVROGATE, check, check_that, free_port, need, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from confluent_kafka import Consumer, KafkaError, TopicPartition

SERVICES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services")
TOPIC = "_schemas"
CLIENTS, PATIENCE = 8, 2.0


class Kafka:
    """One broker, or three, of our own."""

    def __init__(self, cluster):
        self.data = tempfile.TemporaryDirectory(prefix="avrogate-pen-")
        self.cluster = cluster
        self.env = dict(os.environ, KAFKA_XMX="384m")
        if cluster:
            base = int(os.environ.get("KC_BASE", 19490))
            self.env |= {"KC_BASE": str(base), "KC_DATA": self.data.name}
            self.address = ",".join(f"127.0.0.1:{base + n}" for n in (1, 2, 3))
            self.nodes = ["n1", "n2", "n3"]
        else:
            port = free_port()
            self.env |= {"KAFKA_PORT": str(port), "KAFKA_CTRL_PORT": str(free_port()), "KAFKA_DATA": self.data.name}
            self.address = f"127.0.0.1:{port}"
            self.nodes = [""]

    def do(self, what):
        script = "kafka-cluster.sh" if self.cluster else "kafka.sh"
        subprocess.run([os.path.join(SERVICES, script), what], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def signal(self, which):
        for n in self.nodes:
            with open(os.path.join(self.data.name, n, "kafka.pid")) as f:
                os.kill(int(f.read()), which)

    def close(self):
        self.signal(signal.SIGCONT)
        self.do("reset")


class Registry:
    def __init__(self, kafka, safe):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [AVROGATE, "registry", "--listen", f"127.0.0.1:{self.port}", "--bootstrap", kafka, "--topic", TOPIC,
                        "--advertise", self.url] + ([] if safe else ["--allow-unsafe"])
        self.frozen = False
        self.start()

    def start(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stderr=self.log)

    def ask(self, method, path, body=None, patience=PATIENCE):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            c.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            r = c.getresponse()
            return r.status, r.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            c.close()

    def wait_ready(self):
        end = time.time() + 60
        while self.ask("GET", "/readyz")[0] != 200:
            if time.time() > end:
                self.log.seek(0)
                sys.exit("a registry does not get ready:\n" + self.log.read().decode()[-2000:])
            time.sleep(0.05)

    def metric(self, name):
        for line in self.ask("GET", "/metrics")[1].decode().splitlines():
            if line.startswith(f"avrogate_registry_{name} "):
                return float(line.split()[1])
        return 0

    def register(self, subject, schema, patience=PATIENCE):
        status, body = self.ask("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(schema)}, patience)
        return json.loads(body)["id"] if status == 200 else None

    def read_id(self, i):
        status, body = self.ask("GET", f"/schemas/ids/{i}/schema")
        return json.loads(body) if status == 200 else (status, body)


class Client(threading.Thread):
    """Registers one schema after the other, each until somebody says 200; remembers what it was told."""

    def __init__(self, name, instances, told, stop):
        super().__init__()
        self.name, self.instances, self.told, self.stop = name, instances, told, stop
        self.at = random.randrange(len(instances))

    def run(self):
        n = 0
        while not self.stop.is_set():
            n += 1
            mine = n % 5 != 0
            # every fifth is everybody's: the same schema under many subjects, at about the same time
            schema = {"type": "fixed", "name": f"F{self.name}x{n}" if mine else f"S{n}", "size": n}
            subject = f"c{self.name}-{n % 50}" if n % 2 else f"c{self.name}-new-{n}"
            if n % 2 and mine:
                schema = {"type": "enum", "name": f"E{self.name}x{n % 50}", "symbols": [f"A{i}" for i in range(n // 50 + 1)]}
            if not mine:
                subject = f"shared-{self.name}-{n}"
            while not self.stop.is_set():
                i = self.instances[self.at].register(subject, schema)
                if i is not None:
                    self.told.append((time.monotonic(), i, subject, schema, self.at))
                    break
                self.at = (self.at + 1) % len(self.instances)
                time.sleep(0.02)


def read_topic(kafka, isolation):
    """Every record: key, value, headers.  With read_uncommitted also those of transactions that never were."""
    c = Consumer({"bootstrap.servers": kafka, "group.id": "pen-test", "enable.partition.eof": True, "isolation.level": isolation})
    _, end = c.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=20)
    c.assign([TopicPartition(TOPIC, 0, 0)])
    out = []
    while True:  # up to where it ended when we came: writers go on meanwhile
        m = c.poll(20)
        assert m is not None, "no end of the topic"
        if m.error() is not None:
            assert m.error().code() == KafkaError._PARTITION_EOF, m.error()
            break
        out.append((json.loads(m.key()), m.value() and json.loads(m.value()), dict(m.headers() or [])))
        if m.offset() + 1 >= end:
            break
    c.close()
    return out


def fences(kafka):
    return [h["avrogate.url"].decode() for k, _, h in read_topic(kafka, "read_committed") if "avrogate.instance" in h]


def holder_of(instances):
    end = time.time() + 30
    while time.time() < end:
        holders = [r for r in instances if not r.frozen and r.metric("pen") == 1]
        if holders:
            return holders[-1]
        time.sleep(0.02)
    sys.exit("nobody takes the pen")


def longest_gap(times):
    times = sorted(times)
    return max((b - a for a, b in zip(times, times[1:])), default=0)


def disturb(instances, told, kafka, rounds):
    """Kills or freezes the writer, by turns; returns the gaps."""
    gaps = {"kill -9": [], "SIGSTOP": []}
    woke_and_wrote = []
    for i in range(rounds):
        what = list(gaps)[i % 2]
        writer = holder_of(instances)
        time.sleep(random.uniform(0.2, 0.6))
        began = time.monotonic()
        if what == "kill -9":
            writer.process.kill()
            writer.process.wait()
            writer.frozen = True
            time.sleep(2.5)
            writer.start()
            writer.wait_ready()
            writer.frozen = False
        else:
            writer.process.send_signal(signal.SIGSTOP)
            writer.frozen = True
            holder_of(instances)
            time.sleep(2.5)
            before = fences(kafka).count(writer.url)
            asked = threading.Thread(target=lambda: writer.register(f"zombie-{i}", {"type": "fixed", "name": f"Z{i}", "size": 1}, 5))
            asked.start()  # waits in the zombie's backlog: the first thing it sees when it wakes
            time.sleep(0.1)
            writer.process.send_signal(signal.SIGCONT)
            asked.join()
            woke_and_wrote.append(fences(kafka).count(writer.url) - before)
            writer.frozen = False
        ended = time.monotonic()
        gaps[what].append(longest_gap([t for t, *_ in told if began - 0.5 <= t <= ended]))
    return gaps, woke_and_wrote


def judge(instances, told, kafka):
    by_id, by_schema = collections.defaultdict(set), collections.defaultdict(set)
    for _, i, subject, schema, _ in told:
        by_id[i].add(json.dumps(schema))
        by_schema[json.dumps(schema)].add(i)
    check(f"no id given twice ({len(by_id)} ids, {len(told)} registrations)", {i: s for i, s in by_id.items() if len(s) > 1}, {})
    check("no schema with two ids", {s: i for s, i in by_schema.items() if len(i) > 1}, {})
    written = read_topic(kafka, "read_committed")
    in_log = collections.defaultdict(set)
    for k, v, _ in written:
        if k["keytype"] == "SCHEMA" and v:
            in_log[v["id"]].add(v["schema"])
    check("nor in the log", {i: s for i, s in in_log.items() if len(s) > 1}, {})
    ids = sorted(in_log)
    print(f"    {len(ids)} ids in the log, the largest {ids[-1]}; {len(read_topic(kafka, 'read_uncommitted')) - len(written)} records of "
          f"transactions that never were; the pen was taken {len(fences(kafka))} times")
    for n, r in enumerate(instances):
        lost = [i for _, i, _, schema, _ in told if r.read_id(i) != schema]
        check(f"instance {n} has all that was acknowledged", lost[:5], [])
    everything = [r.ask("GET", "/schemas?subjectPrefix=:*:&deleted=true", patience=30)[1] for r in instances]
    check("all instances say the same", [e == everything[0] and len(e) > 1000 for e in everything], [True] * len(instances))


def own_writes(instances):
    """Who is told an id by an instance reads it there, whoever wrote it."""
    missed = []
    for n in range(60):
        r = instances[n % 3]
        i = r.register(f"own-{n}", {"type": "fixed", "name": f"Own{n}", "size": 1})
        if r.ask("GET", f"/subjects/own-{n}/versions")[0] != 200 or i is None:
            missed.append(n)
    check("what was registered through an instance is read there at once", missed, [])
    for verb, path, want in (("DELETE", "/subjects/own-1/versions/latest", b"1"), ("GET", "/subjects/own-1/versions", None),
                             ("PUT", "/config/own-2", b'{"compatibility":"FULL"}'), ("DELETE", "/subjects/own-3", b"[1]")):
        for r in instances if verb == "PUT" else instances[:1] if verb == "DELETE" else instances:
            got = r.ask(verb, path, {"compatibility": "FULL"} if verb == "PUT" else None)
            if want is None:  # a reader elsewhere follows within milliseconds, not at once
                check_that(f"{verb} {path}: gone everywhere", until("a deletion is seen", lambda: r.ask(verb, path)[0] == 404, 5))
            else:
                check(f"{verb} {path}", got, (200, want))
    outsider = next(r for r in instances if r is not holder_of(instances))
    c = http.client.HTTPConnection("127.0.0.1", outsider.port, timeout=5)
    c.request("POST", "/subjects/hop/versions", '{"schema":"\\"int\\""}', {"Content-Type": "application/json", "X-Avrogate-Forwarded": "x"})
    check("there is no second hop", c.getresponse().status, 421)
    c.close()


def without_kafka(kafka, instances):
    answers = []
    kafka.signal(signal.SIGSTOP)
    try:
        end = time.time() + 4
        while time.time() < end:
            for r in instances:
                answers.append(r.ask("GET", "/subjects")[0])
            time.sleep(0.02)
        status, body = instances[0].ask("POST", "/subjects/away/versions", {"schema": '"int"'}, patience=30)
        check("a write without Kafka is refused, with what Confluent says", (status, json.loads(body)["error_code"] in (50001, 50002)), (500, True))
    finally:
        kafka.signal(signal.SIGCONT)
    check(f"reads go on while Kafka stands still ({len(answers)} asked)", [a for a in answers if a != 200], [])
    end = time.time() + 60
    while instances[1].register("back", {"type": "fixed", "name": "Back", "size": 1}) is None and time.time() < end:
        time.sleep(0.1)
    check_that("and writes when it is back", time.time() < end)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rounds", type=int, default=5)
    args.add_argument("--cluster", action="store_true")
    args = args.parse_args()
    kafka = Kafka(args.cluster)
    instances = []
    kafka.do("start")
    try:
        instances += [Registry(kafka.address, args.cluster) for _ in range(3)]
        for r in instances:
            r.wait_ready()
        holder_of(instances)
        own_writes(instances)
        told, stop = [], threading.Event()
        clients = [Client(str(n), instances, told, stop) for n in range(CLIENTS)]
        began = time.monotonic()
        for c in clients:
            c.start()
        gaps, woke = disturb(instances, told, kafka.address, args.rounds)
        stop.set()
        for c in clients:
            c.join()
        seconds = time.monotonic() - began
        for what, all_gaps in gaps.items():
            if all_gaps:
                print(f"    longest gap in accepted writes, {what} of the writer, {len(all_gaps)} times: {max(all_gaps):.2f} s "
                      f"(median {sorted(all_gaps)[len(all_gaps) // 2]:.2f} s; wanted at most 2)")
        print(f"    {len(told)} registrations in {seconds:.0f} s with {CLIENTS} clients")
        check("a writer that was frozen and woke up took nothing and wrote nothing", [n for n in woke if n != 0], [])
        judge(instances, told, kafka.address)
        without_kafka(kafka, instances)
    finally:
        for r in instances:
            r.process.kill()
        kafka.close()
    import world
    sys.exit(world.failed != 0)


if __name__ == "__main__":
    main()
