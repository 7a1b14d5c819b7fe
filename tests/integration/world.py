"""What the gateway's integration tests stand on: our registry and gateway as processes before a real Kafka, and how to ask them.

Everything listens on 127.0.0.1, on ports that are free.  What a World started it also stops.
"""
import http.client, json, os, select, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time, uuid

from ports import free_port, free_ports

AVROGATE, KAFKA = os.environ.get("AVROGATE"), os.environ.get("AVROGATE_TEST_KAFKA")
SERVICES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services")
failed = 0


def need(*names):
    """Ends the test as skipped (77) unless all of these are in the environment."""
    missing = [n for n in names if not os.environ.get(n)]
    if missing:
        print("%s not set" % ", ".join(missing))
        sys.exit(77)


def check(what, got, want):
    global failed
    ok = got == want
    failed += not ok
    print(("ok - " if ok else "not ok - ") + what + ("" if ok else ":\n   got    %r\n   wanted %r" % (got, want)), flush=True)
    return ok


def check_that(what, true, otherwise=""):
    return check(what, True if true else otherwise, True)


class Answer:
    """One HTTP answer; `seconds` is how long it took."""

    def __init__(self, status, headers, body, seconds):
        self.status, self.headers, self.body, self.seconds = status, headers, body, seconds

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %s" % (self.status, self.body[:400])


def call(method, port, path, body=None, kind=None, headers=(), timeout=40):
    if isinstance(body, str):
        body = body.encode()
    fields = dict(headers)
    if kind:
        fields["Content-Type"] = kind
    began = time.monotonic()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request(method, path, body, fields)
        r = c.getresponse()
        return Answer(r.status, r.headers, r.read(), time.monotonic() - began)
    finally:
        c.close()


def until(what, condition, seconds=60):
    """Waits for a condition that must come; connection refusals are taken for "not yet"."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return True
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.05)
    return check("%s within %d s" % (what, seconds), False, True)


JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"


class World:
    def __init__(self, kafka=None):
        self.kafka = kafka or KAFKA
        self.registry_port, self.gateway_port = free_port(), free_port()
        self.schemas = "_schemas-%s" % uuid.uuid4().hex  # or tests side by side would be one registry
        self.running = {}
        self.flags = ()

    def start(self, name, *argv, env=None):
        self.running[name] = subprocess.Popen([AVROGATE, *argv], stderr=sys.stderr, env=env)

    def start_registry(self, wait=True):
        self.start("registry", "registry", "--listen", "127.0.0.1:%d" % self.registry_port, "--bootstrap", self.kafka, "--topic", self.schemas,
                   "--allow-unsafe")
        if wait:
            until("the registry is ready", lambda: call("GET", self.registry_port, "/readyz").status == 200)

    def start_gateway(self, *flags, wait=True, env=None):
        self.flags = flags or self.flags
        self.start("gateway", "gateway", "--listen", "127.0.0.1:%d" % self.gateway_port, "--bootstrap", self.kafka,
                   "--registry", "http://127.0.0.1:%d" % self.registry_port, *self.flags, env=env)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=60):
        until("the gateway is ready", lambda: call("GET", self.gateway_port, "/readyz").status == 200, seconds)

    def signal(self, name, which):
        self.running[name].send_signal(which)

    def end(self, name, which=15):
        """Signals it, waits, and says with what it ended."""
        p = self.running.pop(name)
        p.send_signal(which)
        return p.wait(60)

    def close(self):
        return {name: self.end(name) for name in reversed(list(self.running))}

    def register(self, subject, schema):
        a = call("POST", self.registry_port, "/subjects/%s/versions" % subject, json.dumps({"schema": json.dumps(schema)}), JSON)
        assert a.status == 200, a
        return a.json["id"]

    def post(self, topic, body, kind=JSON, query="", headers=(), timeout=40):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        return call("POST", self.gateway_port, "/v1/topics/%s/records%s" % (topic, "?" + query if query else ""), body, kind, headers, timeout)


class Later:
    """Calls a function on a thread; result() waits for what it returned."""

    def __init__(self, function, *args, **more):
        self.value = None
        self.thread = threading.Thread(target=self.run, args=(function, args, more), daemon=True)
        self.thread.start()

    def run(self, function, args, more):
        try:
            self.value = function(*args, **more)
        except (OSError, http.client.HTTPException) as e:
            self.value = e

    def result(self, seconds=40):
        self.thread.join(seconds)
        return self.value


# A broker that was killed may come back when its session has ended: five seconds instead of nine.
EXTRA = "auto.create.topics.enable=false\nbroker.session.timeout.ms=5000\nbroker.heartbeat.interval.ms=300\n"


class Line:
    """Copies bytes between a port and another, as badly as it is told: `delay` seconds for each piece, `silent` (nothing comes
    through, in neither direction, and nobody is told), `mute` (what the server says is swallowed), reset()."""

    def __init__(self, listen, to):
        self.to, self.delay, self.silent, self.mute, self.resets = to, 0, False, False, 0
        self.server = socket.create_server(("127.0.0.1", listen))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(a,), daemon=True).start()

    def serve(self, a):
        """Each direction has a thread of its own, or a delay in one would be a delay in the other."""
        resets = self.resets
        try:
            b = socket.create_connection(("127.0.0.1", self.to), timeout=5)
        except OSError:
            a.close()
            return
        ended = []
        ways = [threading.Thread(target=self.copy, args=(x, y, x is b, resets, ended), daemon=True) for x, y in ((a, b), (b, a))]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        for s in (a, b):
            if self.resets != resets:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
            s.close()

    def copy(self, source, to, answers, resets, ended):
        try:
            while self.resets == resets and not ended:
                if self.silent or not select.select([source], [], [], 0.05)[0]:
                    time.sleep(0.02 if self.silent else 0)
                    continue
                data = source.recv(65536)
                if not data:
                    break
                time.sleep(self.delay)
                if not (answers and self.mute):
                    to.sendall(data)
        except OSError:
            pass
        ended.append(True)

    def reset(self):
        self.resets += 1

    def close(self):
        self.server.close()
        self.reset()


class Broker:
    """A Kafka of one broker that makes no topic unasked.  With `second` it also listens on port + 100 and says that it is reached
    at port + 200, where a Line may stand."""

    def __init__(self, second=False):
        self.port, self.data = free_port() if not second else free_ports(0, 100, 200), tempfile.mkdtemp(prefix="avrogate-faults-")
        extra = os.path.join(self.data, "extra.properties")
        with open(extra, "w") as f:
            f.write(EXTRA)
        self.env = dict(os.environ, KAFKA_PORT=str(self.port), KAFKA_CTRL_PORT=str(free_port()), KAFKA_DATA=self.data, KAFKA_EXTRA=extra, KAFKA_XMX="384m", KAFKA_SECOND=str(int(second)))
        self.address = "127.0.0.1:%d" % self.port

    def do(self, what):
        subprocess.run([os.path.join(SERVICES, "kafka.sh"), what], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def signal(self, which):
        os.kill(self.pid(), which)

    def pid(self):
        with open(os.path.join(self.data, "kafka.pid")) as f:
            return int(f.read())

    def is_stopped(self):
        tasks = "/proc/%d/task" % self.pid()
        return all(open("%s/%s/stat" % (tasks, t)).read().rsplit(")", 1)[1].split()[0] == "T" for t in os.listdir(tasks))

    def stop(self):
        self.signal(signal.SIGSTOP)
        until("every thread of the broker has stopped", self.is_stopped)  # a busy machine takes its time

    def go_on(self):
        self.signal(signal.SIGCONT)

    def close(self):
        self.do("kill")
        shutil.rmtree(self.data, ignore_errors=True)


def make_topic(kafka, name, partitions=1, replication=1, **config):
    """Made and led; asked again while the cluster is still finding itself."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    def is_there(admin):
        found = admin.list_topics(timeout=10).topics.get(name)
        return found and len(found.partitions) == partitions and all(p.leader >= 0 for p in found.partitions.values())

    def made():
        admin = AdminClient({"bootstrap.servers": kafka})
        try:
            topic = NewTopic(name, partitions, replication, config={k.replace("_", "."): str(v) for k, v in config.items()})
            admin.create_topics([topic], operation_timeout=5, request_timeout=10)[name].result(15)
        except (KafkaException, TimeoutError):
            pass  # or it is there by now
        try:
            return is_there(admin)
        except KafkaException:
            return False
    until("topic %s is made" % name, made, 120)


def offsets(settings, partition):
    """First offset and the one after the last; asked anew while the cluster is still finding itself."""
    from confluent_kafka import Consumer, KafkaException
    end = time.monotonic() + 90
    while True:
        c = Consumer(settings)  # a new one: the old one remembers that there was no leader
        try:
            return c.get_watermark_offsets(partition, timeout=10)
        except KafkaException:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
        finally:
            c.close()


def read_topic(kafka, name, partitions=1, seconds=30):
    """Every message there is, partition by partition."""
    from confluent_kafka import Consumer, TopicPartition
    settings = {"bootstrap.servers": kafka, "group.id": "reader", "enable.auto.commit": False, "isolation.level": "read_committed"}
    c = Consumer(settings)
    found, start = [], []
    try:
        left = {}
        for p in range(partitions):
            low, high = offsets(settings, TopicPartition(name, p))
            start += [TopicPartition(name, p, low)]
            if low < high:
                left[p] = high
        c.assign(start)
        end = time.monotonic() + seconds
        while left and time.monotonic() < end:
            m = c.poll(1)
            if m is None or m.error():
                continue
            found.append(m)
            if m.offset() + 1 == left.get(m.partition()):
                del left[m.partition()]
    finally:
        c.close()
    return sorted(found, key=lambda m: (m.partition(), m.offset()))


def metric(w, name):
    """A number of the gateway's, by name, or by name and labels."""
    for line in call("GET", w.gateway_port, "/metrics").body.decode().splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.rsplit(" ", 1)[1])
    return None
