"""What the aggregates' tests stand on: invoices on a topic, a job, and what they come to.  Not a test itself."""
from loader_world import *
from decimal import Decimal
import urllib.error, urllib.request

INVOICE = {"type": "record", "name": "Invoice", "fields": [
    {"name": "customer", "type": "string"},
    {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
    {"name": "pieces", "type": "long"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
COLUMNS = {"invoices": "count", "revenue": "sum(total)", "least": "min(total)", "pieces": "sum(pieces)", "newest": "last(pieces)"}
FAST = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


class Invoices(World):
    def __init__(self, parts=3, kafka=KAFKA, **settings):
        World.__init__(self, None, parts, kafka, schema=INVOICE, config={"retention.ms": "-1"})  # their times are old
        self.more, self.sent = settings, []

    def conf(self, **more):
        conf = {"job": self.name, "registry": self.registry.url, "kafka": dict(FAST), "state": {"commit": "100ms"},
                "source": {"kafka": {"bootstrap": self.kafka, "topic": self.name}},
                "aggregate": {"key": ["customer"], "columns": COLUMNS}}
        for key, v in {**self.more, **more}.items():
            at = conf
            for k in key.split("__")[:-1]:
                at = at.setdefault(k, {})
            at[key.split("__")[-1]] = v
        return conf

    def file(self, **more):
        f = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
        json.dump(self.conf(**more), f)
        f.close()
        self.files.append(f.name)
        return f.name

    def start(self, *args, out=None, env=None, **more):
        with self.log() as log:
            p = subprocess.Popen([AVROGATE, "aggregate", "-c", self.file(**more), *args], stderr=log, stdout=out or log, text=True, env=env)
        self.procs.append(p)
        return p

    def stop(self, *procs):
        for p in procs:
            p.terminate()
        for p in procs:
            same(p.wait(60), 0, "exit after SIGTERM")

    def serve(self, *args, **more):
        """Started, and its address."""
        port = free_port()
        p = self.start("--listen", "127.0.0.1:%d" % port, *args, **more)
        return p, "http://127.0.0.1:%d" % port

    def remove(self):
        names = [t for t in self.admin.list_topics(timeout=10).topics if t.startswith(self.name)]
        for f in self.admin.delete_topics(names).values():
            f.result()

    def run(self, *args, timeout=60, **more):
        """Until the end of what is there; what it printed."""
        p = self.start("--until-end", "--print", "1h", *args, out=subprocess.PIPE, **more)
        out = p.communicate(timeout=timeout)[0]
        same(p.returncode, 0, "exit; its log is %s" % self.log().name)
        return out

    def invoice(self, customer, cents, pieces=1, at=1700000000000, partition=None, timestamp=None):
        n = cents.to_bytes((cents.bit_length() + 8) // 8, "big", signed=True)
        value = self.encode({"customer": customer, "total": n, "pieces": pieces, "at": at})
        kw = {} if partition is None else {"partition": partition}
        self.producer.produce(self.name, value, customer.encode(), timestamp=timestamp or at, **kw)
        self.sent.append((customer, cents, pieces))

    def many(self, n, customers=50):
        """Any customer in any partition."""
        for i in range(n):
            self.invoice("c%03d" % random.randrange(customers), random.randrange(-10 ** 9, 10 ** 12), random.randrange(100),
                         at=1700000000000 + len(self.sent), partition=random.randrange(3))
            if i % 1000 == 0:
                self.producer.poll(0)
        self.producer.flush()

    def model(self):
        """What the rows are to be, without `newest`, whose order depends on partitions."""
        rows = {}
        for customer, cents, pieces in self.sent:
            r = rows.setdefault(customer, {"customer": customer, "invoices": 0, "revenue": 0, "least": None, "pieces": 0})
            r["invoices"] += 1
            r["revenue"] += cents
            r["least"] = cents if r["least"] is None else min(r["least"], cents)
            r["pieces"] += pieces
        text = lambda cents: str(Decimal(cents).scaleb(-2))
        return [dict(r, revenue=text(r["revenue"]), least=text(r["least"]), pieces=str(r["pieces"])) for _, r in sorted(rows.items())]


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as r:
            return r.status, json.loads(r.read())
    except urllib.error.HTTPError as x:
        return x.code, json.loads(x.read())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0, None


def all_rows(url, limit=17):
    rows, after = [], ""
    while True:
        status, body = get("%s/aggregate/rows?limit=%d%s" % (url, limit, after))
        if status != 200:
            return None
        rows += body["rows"]
        if body["next"] is None:
            return rows
        after = "&after=" + body["next"]


def without_newest(rows):
    return None if rows is None else [{k: v for k, v in r.items() if k != "newest"} for r in rows]


def printed(out):
    """The last table of what was printed, as lists of cells."""
    table = out[out.rindex("Batch:"):].split("\n")
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in table if line.startswith("|")]
    return cells[0], cells[1:]


def written(url, w, names="customer, invoices, revenue::text, least::text, pieces::text"):
    try:
        return ask_at(url, "SELECT %s FROM %s ORDER BY customer" % (names, w.name))
    except psycopg2.Error:
        return None
