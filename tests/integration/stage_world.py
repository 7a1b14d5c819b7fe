"""What the tests of staged files stand on: loader_world, and eyes for each kind of place.  Not a test itself.

STAGE_PLACE=file (default), s3=HOST:PORT,ROOT-OF-ITS-FILES or hdfs=HOST:PORT says where the tests stage.
"""
from loader_world import *
import csv, hashlib, shutil, urllib.parse, urllib.request

sys.path.insert(1, os.path.join(ROOT, ".deps/pyarrow"))
PLACE = os.environ.get("STAGE_PLACE", "file")


class Local:
    def __init__(self, name):
        self.dir = os.path.join(tempfile.gettempdir(), name)
        self.url, self.settings = "file://" + self.dir, {}

    def names(self):
        return sorted(os.path.relpath(os.path.join(d, f), self.dir)
                      for d, _, files in os.walk(self.dir) for f in files)

    def read(self, name):
        with open(os.path.join(self.dir, name), "rb") as f:
            return f.read()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Gateway(Local):
    """versitygw keeps its objects as files: we look at those, and need no second S3 client."""

    def __init__(self, name, endpoint, root):
        self.dir = os.path.join(root, "staging", name)
        self.url = "s3://staging/" + name
        self.settings = {"sink__s3": {"endpoint": "http://" + endpoint, "access_key": "testkey",
                                      "secret_key": "testsecret123"}}


class Hdfs:
    def __init__(self, name, node):
        self.base, self.url, self.settings = "/stage/" + name, "webhdfs://%s/stage/%s" % (node, name), {}
        self.node = node

    def ask(self, path, op, method="GET"):
        url = "http://%s/webhdfs/v1%s?op=%s&user.name=root" % (self.node, urllib.parse.quote(self.base + path), op)
        for _ in range(120):  # somebody may be killing it just now
            try:
                with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as r:
                    return r.read()
            except urllib.error.HTTPError as x:
                if x.code == 404:
                    raise
            except OSError:
                pass
            time.sleep(0.5)
        raise AssertionError("HDFS does not answer: " + url)

    def below(self, dir):
        try:
            found = json.loads(self.ask("/" + dir if dir else "", "LISTSTATUS"))["FileStatuses"]["FileStatus"]
        except urllib.error.HTTPError:
            return
        for s in found:
            name = dir + ("/" if dir else "") + s["pathSuffix"]
            if s["type"] == "DIRECTORY":
                yield from self.below(name)
            else:
                yield name

    def names(self):
        return sorted(self.below(""))

    def read(self, name):
        return self.ask("/" + name, "OPEN")

    def remove(self):
        self.ask("", "DELETE&recursive=true", "DELETE")


def make_place(name):
    kind, _, rest = PLACE.partition("=")
    if kind == "s3":
        endpoint, _, root = rest.partition(",")
        return Gateway(name, endpoint, root)
    return Hdfs(name, rest) if kind == "hdfs" else Local(name)


def read_file(name, data):
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in data.splitlines()]
    if name.endswith(".avro"):
        return list(fastavro.reader(io.BytesIO(data)))
    if name.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(data.decode())))
    import pyarrow.parquet
    return pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()


def runs(first, text):
    """The offsets that a claim says for a file's rows."""
    found, at = [], first
    for gap, n in (map(int, r.split(":")) for r in text.split(",") if r):
        found += range(at + gap, at + gap + n)
        at += gap + n
    return found


class Stage(World):
    """A topic, and a place it is staged to."""

    def __init__(self, format="json", audit=None, **settings):
        parts, schema = settings.pop("parts", 3), settings.pop("schema", V1)
        super().__init__(audit, parts=parts, schema=schema)
        self.place, self.format, self.audit_url, self.stage_settings = make_place(self.name), format, audit, settings

    def pipeline(self, **more):
        files = {"place": self.place.url, "format": self.format}
        conf = {**self.place.settings, **self.stage_settings, **more}
        other = {k: conf.pop(k) for k in ("postgres", "odbc") if k in conf}
        for key in [k for k in conf if not k.startswith(("sink__", "kafka", "source__", "batch__", "audit", "etl_log",
                                                         "until", "for", "memory", "job", "log_level", "phases", "merge", "clean",
                                                         "every", "quality"))]:
            at, value = files, conf.pop(key)
            for k in key.split("__")[:-1]:
                at = at.setdefault(k, {})
            at[key.split("__")[-1]] = value
        conf["sink"] = {"files": files, **other, **({"s3": conf.pop("sink__s3")} if "sink__s3" in conf else {})}
        if self.audit_url:
            conf["audit"] = {"url": self.audit_url}
        return super().pipeline(**conf)

    # --- what is there ---

    def claims(self):
        """By partition, in order."""
        found = {}
        for name in self.place.names():
            if name.startswith("_claims/") and name[-20:].isdigit():
                c = json.loads(self.place.read(name))
                same(int(name[-20:]), c["first"], "first of " + name)
                found.setdefault(c["partition"], []).append(c)
        return found

    def staged(self):
        return sum(c["loaded"] for p in self.claims().values() for c in p)

    def wait_for(self, n, seconds=60):
        wait("%d rows staged of %s (%d are)" % (n, self.name, self.staged()), lambda: self.staged() >= n, seconds, 0.2)

    def records(self):
        """All of them, having seen that nothing is torn, stray, missing or double."""
        files, records, rejects = set(), [], []
        for partition, claims in self.claims().items():
            at = claims[0]["first"]
            for c in claims:
                same(c["first"], at, "a claim follows the one before, partition %d" % partition)
                at = c["last"] + 1
                rows, offsets = 0, []
                same(hashlib.sha256(self.place.read("_schemas/%s.avsc" % c["schema"])).hexdigest(), c["schema"], "its schema's name")
                for f in c["files"]:
                    offsets += runs(c["first"], f.get("runs", ""))
                    data = self.place.read(f["final"])
                    same((len(data), hashlib.sha256(data).hexdigest()), (f["bytes"], f["sha256"]), f["final"])
                    if f.get("seen"):  # what `unique` rules remember, and no records
                        files.add(f["final"])
                        continue
                    got = read_file(f["final"], data)
                    same(len(got), f["rows"], "rows of " + f["final"])
                    same(f["final"] in files, False, "named twice: " + f["final"])
                    files.add(f["final"])
                    (rejects if f.get("rejects") else records).extend(got)
                    rows += 0 if f.get("rejects") else len(got)
                same(rows, c["loaded"], "rows of claim %d" % c["first"])
                same((len(offsets), len(set(offsets)), all(c["first"] <= o <= c["last"] for o in offsets)), (rows, rows, True),
                     "offsets of the rows of claim %d" % c["first"])
        seen = {n for n in self.place.names() if not n.startswith(("_claims/", "_schemas/", "_tmp/")) and "/.sgwtmp" not in n}
        same(seen, files, "files and what the claims name")
        return records, rejects

    def proves(self, ids, rejects=0):
        ids = list(ids)
        records, bad = self.records()
        got = sorted(int(r["id"]) for r in records)
        same((len(got), len(set(got)), sum(got)), (len(ids), len(set(ids)), sum(ids)), "rows, different ones, sum")
        same(len(bad), rejects, "rejects")
        if self.audit_url:
            self.audited(len(ids), rejects)

    def audited(self, loaded, rejects=0):
        one = self.one
        same(one("SELECT count(*) FROM etl_gap WHERE pipeline = %s", self.name), 0, "gaps")
        same(self.ask("SELECT what, in_run, in_batches FROM etl_miscount WHERE job_name = %s", self.name), [], "miscounts")
        same(self.ask("SELECT coalesce(sum(rows_loaded), 0)::bigint, coalesce(sum(rows_rejected), 0)::bigint, count(*) FROM "
                      "etl_batch WHERE pipeline = %s", self.name),
             [(loaded, rejects, sum(len(c) for c in self.claims().values()))], "rows, rejects and batches in the audit")
        code, out, err = self.audit("verify", "--job", self.name, "--bootstrap", self.kafka)
        same(code, 0, "audit verify says\n%s%s" % (out, err))

    def close(self):
        super().close()
        self.place.remove()


class Onward(Stage):
    """A staged topic, and its way on into a table of the database at `url`."""

    def __init__(self, url, **settings):
        super().__init__(**settings)
        self.url = url

    def onward(self, **more):
        """The second loader's file: no registry, no broker."""
        conf = {"job": self.name + "_on", "source": {"stage": {"place": self.place.url, "topic": self.name, "interval": "100ms"}},
                "sink": {"postgres": {"url": self.url, "table": self.name}}}
        for key, at in (("sink__s3", "s3"), ("sink__hdfs", "hdfs")):
            if key in self.place.settings:
                conf["source"][at] = self.place.settings[key]
        for key, v in more.items():
            at = conf
            for k in key.split("__")[:-1]:
                at = at.setdefault(k, {})
            at[key.split("__")[-1]] = v
        f = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
        json.dump(conf, f)
        f.close()
        self.files.append(f.name)
        return f.name

    def go_on(self, *args, **more):
        with self.log() as log:
            p = subprocess.Popen([AVROGATE, "load", "-c", self.onward(**more), *args], stderr=log, stdout=log)
        self.procs.append(p)
        return p

    def end_on(self, *args, timeout=120, **more):
        return self.go_on("--until-end", *args, **more).wait(timeout)

    def wait_for_rows(self, n, seconds=60):
        wait("%d rows in %s" % (n, self.name), lambda: self.rows() >= n, seconds)

    def from_kafka(self):
        """The second loader's job, by the direct way."""
        f = self.onward(registry=self.registry.url, source={"kafka": {"bootstrap": self.kafka, "topic": self.name}})
        with self.log() as log:
            return subprocess.run([AVROGATE, "load", "-c", f, "--until-end"], stderr=log, stdout=log, timeout=120).returncode

    def on_runs(self):
        return self.ask("SELECT status, records_processed, error_message FROM etl_log WHERE job_name = %s ORDER BY start_time",
                        self.name + "_on")

    def table_proves(self, ids, kafka=True):
        ids, job = list(ids), self.name + "_on"
        same(self.ask("SELECT count(*), count(DISTINCT id), coalesce(sum(id), 0)::bigint FROM " + self.name),
             [(len(ids), len(set(ids)), sum(ids))], "rows, different ones, sum")
        same(self.one("SELECT count(*) FROM etl_gap WHERE pipeline = %s", job), 0, "gaps")
        same(self.one("SELECT count(*) FROM etl_miscount WHERE job_name = %s", job), 0, "miscounts")
        ends = {p: c[-1]["last"] + 1 for p, c in self.claims().items()}
        same(dict(self.ask("SELECT part, next_offset FROM etl_offsets WHERE pipeline = %s", job)), ends,
             "positions, and the topic's offsets that were staged")
        code, out, err = self.audit("verify", "--job", job, *(["--bootstrap", self.kafka] if kafka else []))
        same(code, 0, "audit verify says\n%s%s" % (out, err))
