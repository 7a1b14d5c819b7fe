#!/usr/bin/env python3
"""Running aggregates among faults of everything around them, all at one job of two instances: connections to Kafka that are reset, silent, or
lose their answers, the broker killed, Postgres killed, its commits' answers lost, an instance killed, an instance that sleeps through its
replacement.  In the end the table printed, served, written and published is what the topic's records come to, and the audit is whole.

usage: aggregate_faults_test.py [NAME ...]; ROUNDS=N (environment): so many faults in any order instead of each once.
"""
from aggregate_world import *
from confluent_kafka import Consumer, TopicPartition
from world import Broker, Line

ROUNDS = int(os.environ.get("ROUNDS", 0))
PARTS = 3


def read_all(kafka, topic, parts=PARTS):
    """Every committed record there is now."""
    c = Consumer({"bootstrap.servers": kafka, "group.id": uuid.uuid4().hex, "isolation.level": "read_committed", "log_level": 0,
                  "enable.partition.eof": True})
    c.assign([TopicPartition(topic, p, 0) for p in range(parts)])
    found, ends = [], 0
    while ends < parts:
        for m in c.consume(5000, 0.2):
            if m.error():
                ends += 1
            else:
                found.append(m)
    c.close()
    return found


class Scene:
    """A broker and a server of its own, both reached through lines that can be cut, and two instances of a job."""

    def __init__(self):
        self.broker = Broker(second=True)
        with open(self.broker.env["KAFKA_EXTRA"], "a") as f:
            f.write("group.min.session.timeout.ms=1000\n")
        atexit.register(self.broker.close)
        starting = threading.Thread(target=self.broker.do, args=("start",))
        starting.start()
        self.url, self.pg, self.pids, self.locks = private_postgres()
        starting.join()
        self.line, self.wire = Line(self.broker.port + 200, self.broker.port + 100), Wire(self.url)
        w = self.w = Invoices(PARTS, self.broker.address)
        w.more.update(kafka={"session.timeout.ms": "2000", "heartbeat.interval.ms": "300"},
                      sink__postgres={"url": self.wire.url, "table": w.name}, sink__kafka={"topic": w.name + ".out"})
        self.producer, w.producer = w.producer, Producer({"bootstrap.servers": w.kafka, "enable.idempotence": True, "linger.ms": 5, "log_level": 0})
        w.many(1)
        self.live, self.urls = [None, None], [None, None]
        for i in range(2):
            self.begin(i)
        self.stop = threading.Event()
        self.feeder = threading.Thread(target=self.feed)
        self.feeder.start()

    def begin(self, i):
        """The first is behind the line."""
        at = "127.0.0.1:%d" % (self.broker.port + 200) if i == 0 else self.broker.address
        self.live[i], self.urls[i] = self.w.serve(source__kafka={"bootstrap": at, "topic": self.w.name})

    def feed(self):
        while not self.stop.is_set():
            self.w.many(200)
            time.sleep(0.04)

    # --- faults

    def the_line_is_reset(self):
        for _ in range(3):
            self.line.reset()
            time.sleep(random.uniform(0, 0.3))

    def answers_of_kafka_are_lost(self):
        self.line.mute = True
        time.sleep(random.uniform(0.1, 1))
        self.line.reset()
        self.line.mute = False

    def the_line_is_silent(self):
        self.line.silent = True
        time.sleep(random.uniform(0.2, 3 if ROUNDS else 1))
        if random.random() < 0.5:
            self.line.reset()  # what was held back never comes
        self.line.silent = False

    def the_broker_is_killed(self):
        self.broker.do("kill")
        time.sleep(random.uniform(0, 2 if ROUNDS else 0.2))
        for again in (True, True, False):
            try:
                return self.broker.do("start")
            except subprocess.CalledProcessError:  # its port is somebody's for a moment
                if not again:
                    raise
                time.sleep(1)

    def postgres_is_killed(self):
        main, _ = self.pids("")
        for pid in [main] + self.pids("")[1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(1)
        for lock in self.locks():
            os.unlink(lock)
        self.pg("start")

    def answers_of_postgres_are_lost(self):
        for _ in range(2):
            self.wire.cut, n = True, self.wire.cuts
            wait("a commit's answer was cut", lambda: self.wire.cuts > n, 120)

    def an_instance_is_killed(self):
        i = random.randrange(2)
        self.live[i].send_signal(signal.SIGKILL)
        self.live[i].wait()
        self.begin(i)

    def an_instance_sleeps(self):
        i = random.randrange(2)
        self.live[i].send_signal(signal.SIGSTOP)
        time.sleep(random.uniform(2.5, 6 if ROUNDS else 3))  # longer than its session
        self.live[i].send_signal(signal.SIGCONT)

    # --- the end

    def rows(self):
        """What the records of the topic come to."""
        rows, n = {}, 0
        for m in read_all(self.w.kafka, self.w.name):
            r, n, at = fastavro.schemaless_reader(io.BytesIO(m.value()[5:]), self.w.schema), n + 1, m.timestamp()[1]
            row = rows.setdefault(r["customer"], [0, Decimal(0), r["total"], 0, (0, 0)])
            rows[r["customer"]] = [row[0] + 1, row[1] + r["total"], min(row[2], r["total"]), row[3] + r["pieces"], max(row[4], (at, r["pieces"]))]
        return n, [(c, r[0], str(r[1]), str(r[2]), str(r[3]), r[4][1]) for c, r in sorted(rows.items())]

    def served(self, i):
        rows = all_rows(self.urls[i], 1000)
        return rows and [tuple(r.values()) for r in rows]

    def published(self):
        rows = {}
        read = lambda b: fastavro.schemaless_reader(io.BytesIO(b[5:]), json.loads(self.w.registry.schemas[struct.unpack(">I", b[1:5])[0]]))
        for m in read_all(self.w.kafka, self.w.name + ".out"):
            rows[read(m.key())["customer"]] = read(m.value())
        return [(c, r["invoices"], str(r["revenue"]), str(r["least"]), str(r["pieces"]), r["newest"]) for c, r in sorted(rows.items())]

    def end(self):
        self.stop.set()
        self.feeder.join()
        n, want = self.rows()
        same(n > 1000, True, "there was something to count")  # whether each was sent once is between the producer and the broker
        for i in range(2):
            wait("instance %d serves the sums" % i, lambda: self.served(i) == want, 120, 0.2)
        names = "customer, invoices, revenue::text, least::text, pieces::text, newest"
        wait("Postgres has them", lambda: written(self.url, self.w, names) == want, 120, 0.2)
        wait("the published rows are they", lambda: self.published() == want, 120, 0.2)
        self.w.stop(*self.live)
        same([tuple(r) for r in printed(self.w.run())[1]], [tuple(map(str, r)) for r in want], "printed")
        p = subprocess.run([AVROGATE, "audit", "verify", "--job", self.w.name, "--url", self.url, "--bootstrap", self.w.kafka],
                           capture_output=True, text=True, timeout=60)
        same(p.returncode, 0, "audit verify says\n%s%s" % (p.stdout, p.stderr))
        same(ask_at(self.url, "SELECT sum(rows_in)::bigint, sum(rows_loaded)::bigint FROM etl_batch"), [(n, n)], "audited")
        same(ask_at(self.url, "SELECT sum(last_offset - first_offset + 1)::bigint FROM etl_batch"), [(n,)], "ranges cover each offset once")
        same(ask_at(self.url, "SELECT count(*) FROM etl_gap"), [(0,)], "gaps")
        self.line.close()
        return "%d records" % n


def the_table_is_exact_whatever_breaks():
    s = Scene()
    faults = [s.the_line_is_reset, s.answers_of_kafka_are_lost, s.postgres_is_killed, s.an_instance_is_killed, s.the_broker_is_killed,
              s.answers_of_postgres_are_lost, s.the_line_is_silent, s.an_instance_sleeps]
    try:
        for fault in random.choices(faults, k=ROUNDS) if ROUNDS else faults:
            time.sleep(random.uniform(0.1, 0.5))
            fault()
            same([p.poll() for p in s.live], [None, None], "both go on after " + fault.__name__)
    finally:
        s.stop.set()
        s.feeder.join()
    return s.end()


run_all([the_table_is_exact_whatever_breaks])
