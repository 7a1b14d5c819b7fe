"""What the loader's tests stand on: a database, a registry, topics, pipelines.  Not a test itself.

Wants AVROGATE (the program), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG; whoever imports it is skipped (77)
without them.  Everything is under names nobody else uses, in a database of its own.
"""
import atexit, datetime, glob, io, json, os, random, signal, socket, struct, subprocess, sys, tempfile
import threading, time, traceback, uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

AVROGATE, KAFKA, SERVER = (os.environ.get(n) for n in ("AVROGATE", "AVROGATE_TEST_KAFKA", "AVROGATE_TEST_PG"))
if not (AVROGATE and KAFKA and SERVER):
    print("AVROGATE, AVROGATE_TEST_KAFKA and AVROGATE_TEST_PG are not all set")
    sys.exit(77)
import fastavro, psycopg2
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from ports import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED = int(os.environ.get("SEED", time.time()))
random.seed(SEED)

V1 = {"type": "record", "name": "Reading", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}


def same(got, want, what):
    if got != want:
        raise AssertionError("%s: %r, wanted %r" % (what, got, want))


def wait(what, condition, seconds=60, step=0.05):
    """The condition's value once it is true."""
    end = time.time() + seconds
    while time.time() < end:
        got = condition()
        if got:
            return got
        time.sleep(step)
    raise AssertionError("not within %d s: %s" % (seconds, what))


def ask_at(url, sql, *args):
    c = psycopg2.connect(url)
    try:
        c.autocommit = True
        with c.cursor() as q:
            q.execute(sql, args or None)
            return q.fetchall() if q.description else []
    finally:
        c.close()


def make_database(server, prefix):
    name = "%s_%s" % (prefix, uuid.uuid4().hex[:8])
    ask_at(server, "CREATE DATABASE " + name)
    atexit.register(lambda: ask_at(server, "DROP DATABASE IF EXISTS %s WITH (FORCE)" % name))
    return server.rsplit("/", 1)[0] + "/" + name


def private_postgres():
    """A server of our own, and how to treat it badly."""
    port = free_port()
    data = tempfile.mkdtemp(prefix="avrogate-pg-")
    env = {**os.environ, "PG_DATA": data, "PG_PORT": str(port)}
    script = os.path.join(ROOT, "tests/services/pg.sh")

    def run(what):
        subprocess.run([script, what], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def pids(pattern):
        main = int(open(data + "/db/postmaster.pid").readline())
        out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(main)], capture_output=True, text=True).stdout
        return main, [int(l.split()[0]) for l in out.splitlines() if pattern in l]

    def close():
        run("stop")
        subprocess.run(["rm", "-rf", data])
    atexit.register(close)
    run("start")
    return "postgresql://warehouse:warehouse@127.0.0.1:%d/warehouse" % port, run, pids, lambda: [data + "/db/postmaster.pid",
                                                                                        *glob.glob(data + "/.s.PGSQL*")]


class Registry:
    """Enough of a registry to read schemas from; `down` answers 503 to everything."""

    def __init__(self):
        self.schemas, self.subjects, self.down, self.asked = {}, {}, False, 0
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a):
                pass

            def do_POST(self):  # of a schema: registered
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                subject = self.path.split("?")[0].split("/")[2]
                known = [i for i in registry.subjects.get(subject, []) if registry.schemas[i] == sent["schema"]]
                self.reply(200, {"id": known[0] if known else registry.register(subject, json.loads(sent["schema"]), sent["schema"])[0]})

            def do_GET(self):
                registry.asked += 1
                self.reply(*registry.answer(self.path.split("?")[0].split("/")))

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *a: None  # whoever is killed leaves in the middle of a request
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % server.server_port

    def answer(self, p):
        if self.down:
            return 503, {"error_code": 50003, "message": "away"}
        if p[1] == "schemas":
            schema = self.schemas.get(int(p[3]))
            return (200, {"schema": schema}) if schema else (404, {"error_code": 40403, "message": "Schema not found"})
        ids = self.subjects.get(p[2])
        if not ids:
            return 404, {"error_code": 40401, "message": "Subject not found"}
        return 200, {"subject": p[2], "version": len(ids), "id": ids[-1], "schema": self.schemas[ids[-1]]}

    def register(self, subject, schema, text=None):
        id = 1000 + len(self.schemas)
        self.schemas[id] = text or json.dumps(schema)
        self.subjects.setdefault(subject, []).append(id)
        return id, fastavro.parse_schema(schema)


STARTING = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


class Wire:
    """Between the loader and Postgres: can swallow the answer to a COMMIT and break the line there, can say for
    the server that it is only starting up, and can let nobody through."""

    def __init__(self, url):
        self.to = int(url.rsplit(":", 1)[1].split("/")[0])
        self.cut, self.cuts, self.starting, self.lines, self.away = False, 0, 0, [], False
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(50)
        port = self.listener.getsockname()[1]
        self.url = url.replace(":%d/" % self.to, ":%d/" % port) + "?sslmode=disable&gssencmode=disable"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            a, _ = self.listener.accept()
            if self.away:
                a.close()
                continue
            if self.starting:
                self.starting -= 1
                a.recv(65536)
                a.sendall(b"E" + struct.pack(">I", 4 + len(STARTING)) + STARTING)
                a.close()
                continue
            try:
                b = socket.create_connection(("127.0.0.1", self.to))
            except OSError:  # the server is away
                a.close()
                continue
            self.lines.append(a)
            threading.Thread(target=self.pump, args=(a, b, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(b, a, True), daemon=True).start()

    def restart(self, refusals):
        self.starting = refusals
        for a in self.lines:
            try:
                a.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed long ago
        self.lines = []

    def pump(self, a, b, answers):
        try:
            while data := a.recv(65536):
                # CommandComplete "COMMIT": it is done there, and here nobody hears of it
                if answers and self.cut and b"C\0\0\0\x0bCOMMIT\0" in data:
                    self.cut, self.cuts = False, self.cuts + 1
                    break
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class World:
    """A topic, a table, a job and a registry, all of one name that nobody else uses."""
    all = []

    def __init__(self, url, parts=3, kafka=KAFKA, schema=V1, config=None, **settings):
        self.name = "ldr_" + uuid.uuid4().hex[:8]
        self.url, self.kafka, self.settings, self.procs, self.files = url, kafka, settings, [], []
        self.admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
        self.registry = Registry()
        self.id, self.schema = self.registry.register(self.name + "-value", schema)
        self.create(parts, config or {})
        self.producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5, "log_level": 0,
                                  "queue.buffering.max.messages": 1000000})
        World.all.append(self)

    def create(self, parts, config):
        for f in self.admin.create_topics([NewTopic(self.name, parts, 1, config=config)]).values():
            f.result()

    def remove(self):
        for f in self.admin.delete_topics([self.name]).values():
            f.result()

    def encode(self, record):
        b = io.BytesIO()
        b.write(struct.pack(">bI", 0, self.id))
        fastavro.schemaless_writer(b, self.schema, record)
        return b.getvalue()

    def value(self, i):
        return self.encode({"id": i, "station": "s%d" % (i % 10),
                            "at": datetime.datetime.fromtimestamp(1700000000 + i, datetime.timezone.utc)})

    def produce(self, low, high, value=None, **kw):
        for i in range(low, high):
            self.producer.produce(self.name, (value or self.value)(i), str(i).encode(), **kw)
            if i % 1000 == 0:
                self.producer.poll(0)
        self.producer.flush()

    def pipeline(self, **more):
        conf = {"job": self.name, "registry": self.registry.url,
                "kafka": {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"},
                "source": {"kafka": {"bootstrap": self.kafka, "topic": self.name}},
                "sink": {"postgres": {"url": self.url, "table": self.name}}}
        for key, v in {**self.settings, **more}.items():
            at = conf
            for k in key.split("__")[:-1]:
                at = at.setdefault(k, {})
            at[key.split("__")[-1]] = v
        f = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
        json.dump(conf, f)  # JSON is YAML
        f.close()
        self.files.append(f.name)
        return f.name

    def static(self, slot="a"):
        """A member that comes back under its name, and need not wait until its dead self is missed."""
        return {"kafka": {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500",
                          "group.instance.id": self.name + slot}}

    def log(self):
        return open(os.path.join(tempfile.gettempdir(), self.name + ".log"), "a")

    def start(self, *args, env=None, **more):
        with self.log() as log:
            p = subprocess.Popen([AVROGATE, "load", "-c", self.pipeline(**more), *args], stderr=log, stdout=log, env=env)
        self.procs.append(p)
        return p

    def finish(self, timeout=120, **more):
        return self.start("--until-end", **more).wait(timeout)

    def stop(self, *procs):
        for p in procs:
            p.terminate()
        for p in procs:
            same(p.wait(60), 0, "exit after SIGTERM")

    def ask(self, sql, *args):
        return ask_at(self.url, sql, *args)

    def one(self, sql, *args):
        return self.ask(sql, *args)[0][0]

    def rows(self):
        try:
            return self.one("SELECT count(*) FROM " + self.name)
        except psycopg2.Error:
            return 0  # not there yet, or the server is away

    def wait_for(self, n, seconds=60):
        wait("%d rows in %s (has %d)" % (n, self.name, self.rows()), lambda: self.rows() >= n, seconds)

    def runs(self):
        return self.ask("SELECT status, records_processed, error_message FROM etl_log WHERE job_name = %s "
                        "ORDER BY start_time", self.name)

    def audit(self, *args):
        p = subprocess.run([AVROGATE, "audit", *args, "--url", self.url], capture_output=True, text=True, timeout=60)
        return p.returncode, p.stdout, p.stderr

    def proves(self, ids, rejects=0):
        """Exactly these rows are in the table, and the audit says the same."""
        ids = list(ids)
        same(self.ask("SELECT count(*), count(DISTINCT id), coalesce(sum(id), 0)::bigint FROM " + self.name),
             [(len(ids), len(ids), sum(ids))], "rows, different ones, sum")
        same(self.one("SELECT count(*) FROM etl_gap WHERE pipeline = %s", self.name), 0, "gaps")
        same(self.one("SELECT count(*) FROM etl_miscount WHERE job_name = %s", self.name), 0, "miscounts")
        same(self.one("SELECT coalesce(sum(records_processed), 0)::bigint FROM etl_log WHERE job_name = %s",
                      self.name), len(ids), "records_processed")
        same(self.one("SELECT count(*) FROM etl_reject WHERE pipeline = %s", self.name), rejects, "rejects")
        code, out, err = self.audit("verify", "--job", self.name, "--bootstrap", self.kafka)
        same(code, 0, "audit verify says\n%s%s" % (out, err))

    def close(self):
        for p in self.procs:
            if p.poll() is None:
                p.kill()
                p.wait()
        for f in self.files:
            os.unlink(f)
        self.procs, self.files = [], []


def run_all(scenarios, workers=3):
    """All of them, or those named on the command line; several at a time, as most of them mostly wait."""
    def run(scenario):
        began = time.time()
        try:
            note = scenario()
            return True, "ok - %s (%.0f s%s)" % (scenario.__name__, time.time() - began, ", " + note if note else "")
        except Exception as x:
            where = traceback.extract_tb(x.__traceback__)
            lines = " < ".join(str(f.lineno) for f in reversed(where) if f.filename == scenario.__code__.co_filename)
            return False, "not ok - %s (line %s): %s" % (scenario.__name__, lines, x)

    chosen = [s for s in scenarios if not sys.argv[1:] or s.__name__ in sys.argv[1:]]
    print("# SEED=%d, logs in %s/ldr_*.log" % (SEED, tempfile.gettempdir()), flush=True)
    failed = 0
    with ThreadPoolExecutor(1 if sys.argv[1:] else workers) as pool:
        for f in [pool.submit(run, s) for s in chosen]:
            ok, line = f.result()
            failed += not ok
            print(line, flush=True)
    for w in World.all:
        w.close()
        try:
            w.remove()
        except Exception:
            pass  # its broker was a private one, and is gone
        if not failed and os.path.exists(w.log().name):
            os.unlink(os.path.join(tempfile.gettempdir(), w.name + ".log"))
    sys.exit(failed != 0)
