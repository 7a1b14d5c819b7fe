"""What the tests of several registries stand on: three brokers of our own, instances that are killed, frozen and cut off, clients that
remember what they were told, and the judgement over it all.

Every wait here has an end: what does not come in time is a failed check, never a test that hangs.
"""
import collections, http.client, json, os, random, select, signal, socket, subprocess, tempfile, threading, time

from world import AVROGATE, check, check_that, free_port, free_ports, until

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

SERVICES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services")
CLIENTS, IMPATIENCE = 8, 2.0  # seconds, after which a client asks another instance
PATIENCE = 60.0  # of everybody else: how long an answer takes says nothing on a busy machine, and what is to be seen is waited for
DIRECT, BEHIND = 100, 200  # from a broker's port: a second listener of it, and where that says it is reached (there our proxy listens)


def free_base():
    """A base for kafka-cluster.sh: all the ports it makes of it are free."""
    return free_ports(*(n + more for n in (1, 2, 3) for more in (0, 10, DIRECT, BEHIND)), step=1000)


class Cluster:
    """Three brokers, killed when we end.  With KC_BASE and KC_DATA set it is that cluster, and it is left running."""

    def __init__(self):
        self.ours = not os.environ.get("KC_DATA")
        self.directory = tempfile.TemporaryDirectory(prefix="avrogate-pen-") if self.ours else None
        self.data = self.directory.name if self.ours else os.environ["KC_DATA"]
        self.base = free_base() if self.ours else int(os.environ["KC_BASE"])
        self.env = dict(os.environ, KC_BASE=str(self.base), KC_DATA=self.data, KAFKA_XMX="384m", KAFKA_SECOND="1")
        self.ports = [self.base + n for n in (1, 2, 3)]
        self.address = ",".join("127.0.0.1:%d" % p for p in self.ports)
        self.behind_proxy = ",".join("127.0.0.1:%d" % (p + BEHIND) for p in self.ports)

    def do(self, what):
        subprocess.run([os.path.join(SERVICES, "kafka-cluster.sh"), what], env=self.env, check=True, stdout=subprocess.DEVNULL, timeout=400)

    def signal(self, which):
        for n in (1, 2, 3):
            with open(os.path.join(self.data, "n%d" % n, "kafka.pid")) as f:
                os.kill(int(f.read()), which)

    def close(self):
        if self.ours:
            self.signal(signal.SIGCONT)
            self.do("reset")
            self.directory.cleanup()


class Proxy:
    """Copies bytes from one port to another until it is cut: then nothing comes through, and nobody is told (a silent partition)."""

    def __init__(self, listen, to):
        self.to, self.cut = to, False
        self.server = socket.create_server(("127.0.0.1", listen))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.server.accept()
                b = socket.create_connection(("127.0.0.1", self.to), timeout=5)
            except OSError:
                return
            threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    def copy(self, a, b):
        other = {a: b, b: a}
        try:
            while True:
                for s in select.select([a, b], [], [], 0.5)[0]:
                    while self.cut:
                        time.sleep(0.02)
                    data = s.recv(65536)
                    if not data:
                        return
                    other[s].sendall(data)
        except OSError:
            pass
        finally:
            a.close(), b.close()

    def close(self):
        self.server.close()


class Registry:
    """One instance.  `advertise`: another port than its own, where a proxy listens."""

    def __init__(self, kafka, topic, *flags, advertise=None):
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % (advertise or self.port)
        self.command = [AVROGATE, "registry", "--listen", "127.0.0.1:%d" % self.port, "--bootstrap", kafka, "--topic", topic,
                        "--advertise", self.url, *flags]
        self.frozen = False
        keep = os.environ.get("PEN_LOGS")  # a directory: what each instance says is left there
        self.log = open(os.path.join(keep, "registry-%d.log" % self.port), "w+b") if keep else tempfile.TemporaryFile()
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=self.log)
        self.frozen = False

    def ask(self, method, path, body=None, patience=PATIENCE, headers=()):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            c.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json", **dict(headers)})
            r = c.getresponse()
            return r.status, r.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            c.close()

    def is_ready(self):
        return self.ask("GET", "/readyz")[0] == 200

    def wait_ready(self):
        """Raises when it does not get ready: nothing after that means anything."""
        if not until("an instance is ready", lambda: self.process.poll() is not None or self.is_ready()) or self.process.poll() is not None:
            raise RuntimeError("an instance does not get ready: %s\n%s" % (self.ask("GET", "/readyz"), self.last_words()))

    def last_words(self):
        self.log.flush()
        return os.pread(self.log.fileno(), 1 << 24, 0).decode()[-3000:]

    def metric(self, name):
        for line in self.ask("GET", "/metrics")[1].decode().splitlines():
            if line.startswith("avrogate_registry_%s " % name):
                return float(line.split()[1])
        return 0

    def register(self, subject, schema, patience=PATIENCE):
        status, body = self.ask("POST", "/subjects/%s/versions" % subject, {"schema": json.dumps(schema)}, patience)
        return json.loads(body)["id"] if status == 200 else None

    def surely(self, subject, schema):
        """The id, of a registration that must come."""
        ids = []
        until("%s is registered" % subject, lambda: ids.append(self.register(subject, schema)) or ids[-1] is not None)
        return ids[-1]

    def read_id(self, i):
        status, body = self.ask("GET", "/schemas/ids/%d/schema" % i)
        return json.loads(body) if status == 200 else (status, body)

    def lag(self):
        """What it says of how old its answers may be, in ms; 0: nothing."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            c.request("GET", "/subjects")
            return int(c.getresponse().headers.get("X-Registry-Lag", 0))
        except (OSError, http.client.HTTPException):
            return -1
        finally:
            c.close()

    def kill(self):
        self.process.kill()
        self.process.wait(60)
        self.frozen = True

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def end(self):
        """Its exit status when told to stop."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "still there after 60 s"


class Client(threading.Thread):
    """Registers one schema after the other, each until somebody says 200; remembers what it was told.  Each schema is first brought to the
    instance that is this client's own, so that the eight are never all at one that was frozen."""

    def __init__(self, number, instances, told, stop):
        super().__init__(daemon=True)
        self.number, self.instances, self.told, self.stop = number, instances, told, stop

    def next(self, n):
        """Subject and schema.  Every fifth is everybody's: the same under many subjects, at about the same time."""
        if n % 5 == 0:
            return "shared-%d-%d" % (self.number, n), {"type": "fixed", "name": "S%d" % n, "size": n}
        if n % 2:
            symbols = ["A%d" % i for i in range(n // 50 + 1)]
            return "c%d-%d" % (self.number, n % 50), {"type": "enum", "name": "E%dx%d" % (self.number, n % 50), "symbols": symbols}
        return "c%d-new-%d" % (self.number, n), {"type": "fixed", "name": "F%dx%d" % (self.number, n), "size": n}

    def run(self):
        n = 0
        while not self.stop.is_set():
            n += 1
            subject, schema = self.next(n)
            at = self.number
            while not self.stop.is_set():
                i = self.instances[at % len(self.instances)].register(subject, schema, IMPATIENCE)
                if i is not None:
                    self.told.append((time.monotonic(), i, subject, schema))
                    break
                at += 1
                time.sleep(0.02)


def start_clients(instances, told, stop):
    clients = [Client(n, instances, told, stop) for n in range(CLIENTS)]
    for c in clients:
        c.start()
    return clients


def end_clients(clients, stop):
    stop.set()
    for c in clients:
        c.join(60)
    check("the clients end", [c.is_alive() for c in clients], [False] * len(clients))


def read_topic(kafka, topic, isolation="read_committed", seconds=60):
    """Every record: key, value, headers.  With read_uncommitted also those of transactions that never were."""
    c = Consumer({"bootstrap.servers": kafka, "group.id": "pen-test", "enable.partition.eof": True, "isolation.level": isolation})
    due = time.monotonic() + seconds
    out, end = [], None
    try:
        while end is None:
            try:
                _, end = c.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
            except KafkaException:
                if time.monotonic() > due:
                    raise
        c.assign([TopicPartition(topic, 0, 0)])
        while True:  # up to where it ended when we came: writers go on meanwhile
            m = c.poll(1)
            if time.monotonic() > due:
                raise RuntimeError("topic %s is not read to offset %d within %d s" % (topic, end, seconds))
            if m is None:
                continue
            if m.error() is not None and m.error().code() == KafkaError._PARTITION_EOF:
                break
            if m.error() is None:
                out.append((json.loads(m.key()), m.value() and json.loads(m.value()), dict(m.headers() or [])))
                if m.offset() + 1 >= end:
                    break
    finally:
        c.close()
    return out


def fences(kafka, topic):
    """Who took the pen, in order."""
    return [h["avrogate.url"].decode() for _, _, h in read_topic(kafka, topic) if "avrogate.instance" in h]


def holder_of(instances):
    """Who has the pen; raises when nobody takes it.  Two may say so for a moment: who lost it has not read that yet."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        holders = [r for r in instances if not r.frozen and r.metric("pen") == 1]
        if len(holders) == 1:
            return holders[0]
        time.sleep(0.02)
    raise RuntimeError("nobody takes the pen, or several keep it: %d say that they have it" % len(holders))


def longest_gap(times, began, ended):
    """Between accepted writes from `began` to `ended`; the last may not have come at all."""
    inside = [began] + sorted(t for t in times if began <= t <= ended) + [ended]
    return max(b - a for a, b in zip(inside, inside[1:]))


def judge(instances, told, kafka, topic):
    """Nothing lost, nothing double, one history."""
    by_id, by_schema = collections.defaultdict(set), collections.defaultdict(set)
    for _, i, _, schema in told:
        by_id[i].add(json.dumps(schema))
        by_schema[json.dumps(schema)].add(i)
    check("no id given twice (%d ids, %d registrations)" % (len(by_id), len(told)), {i: s for i, s in by_id.items() if len(s) > 1}, {})
    check("no schema with two ids", {s: i for s, i in by_schema.items() if len(i) > 1}, {})
    written = read_topic(kafka, topic)
    in_log = collections.defaultdict(set)
    for k, v, _ in written:
        if k["keytype"] == "SCHEMA" and v:
            in_log[v["id"]].add(v["schema"])
    check("nor in the log", {i: s for i, s in in_log.items() if len(s) > 1}, {})
    print("    %d ids in the log, the largest %d; %d records of transactions that never were; the pen was taken %d times" %
          (len(in_log), max(in_log), len(read_topic(kafka, topic, "read_uncommitted")) - len(written),
           sum("avrogate.instance" in h for _, _, h in written)))
    acknowledged = {i: schema for _, i, _, schema in told}
    for n, r in enumerate(instances):
        check("instance %d has all that was acknowledged" % n, [i for i, schema in acknowledged.items() if r.read_id(i) != schema][:5], [])
    def same():  # soon: a list is what an instance has read so far
        everything = [r.ask("GET", "/schemas?subjectPrefix=:*:&deleted=true")[1] for r in instances]
        return all(e == everything[0] and len(e) > 1000 for e in everything)
    check_that("all instances say the same", until("all say the same", same))
