#!/usr/bin/env python3
"""avrogate against Avro Java 1.12.1, on random and broken schemas, pairs of schemas, data and container files.

    tests/differential/against_java.py --classpath CP [--avrogate build-dev/avrogate] [--seed N] [--scale X]

What Java accepts and reads, we accept and read as the same; what Java refuses, we refuse.  Where we refuse and Java
does not, the reason has to be one of STRICTER, which docs/avro.md says and why.  Exits 0 when all agree.
"""
import argparse
import collections
import copy
import json
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from decode import Case, Data, Schemas

LEVELS = ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]
CODECS = {"null": "null", "deflate": "deflate", "snappy": "snappy", "zstandard": "zstandard", "bzip2": "bzip2",
          "xz": "xz"}

# What we refuse and Java takes, by our message.  Each is a row of docs/avro.md.
SYNC = 16  # bytes of a container file's marker, the last of the file
STRICTER = {
    "schema": [
        ("a default that does not fit its type", r"default"),
    ],
    "data": [
        ("bytes that are no UTF-8", r"UTF-8"),
        ("a boolean that is neither 0 nor 1", r"boolean"),
        ("a number longer than its type", r"of more than 64 bits|int of \d+ bytes|int of -?\d+, out of range"),
        ("a block that goes on behind the end", r"block of .* (are left|or more)|block ends at"),
        ("a container file that ends within a block's head or its sync marker", r"a sync marker takes 16 bytes|a block's count is no number"),
        # Its codecs leave what stands behind the last record unread: an xz footer, a checksum.
        ("a container file broken where Java does not look", r"(block )?at byte \d+: |byte \d+: .*(block|marker|codec|schema|header)"),
        ("limits: depth, items", r"at most|more than \d+ levels|items"),
    ],
}


class Java:
    def __init__(self, classpath):
        self.p = subprocess.Popen(["java", "-Xmx512m", "-Xss1m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath,
                                   "Reference"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, what, **more):
        self.p.stdin.write(json.dumps({"ask": what, **more}).encode() + b"\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())


class Run:
    def __init__(self, args, directory):
        self.args, self.dir, self.java = args, directory, Java(args.classpath)
        self.rng = random.Random(args.seed)
        self.counts, self.stricter, self.faults = collections.Counter(), collections.Counter(), []

    def cli(self, *words, stdin=b""):
        p = subprocess.run([self.args.avrogate, *words], input=stdin, capture_output=True)
        if p.returncode not in (0, 1):
            self.fault("crash", rc=p.returncode, words=words, err=p.stderr)
        return p.returncode, p.stdout, p.stderr.decode(errors="replace").strip()

    def write(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def fault(self, what, **more):
        self.faults.append(f"{what}: " + ", ".join(f"{k}={str(v)[:700]}" for k, v in more.items()))

    def verdicts(self, kind, ours, err, theirs, **more):
        """Do both accept?  None when they differ, and it has been seen to."""
        self.counts[kind + (" accepted" if theirs["ok"] else " refused")] += 1
        if ours == theirs["ok"]:
            return ours
        if theirs["ok"]:
            for why, pattern in STRICTER["schema" if kind == "schema" else "data"]:
                if re.search(pattern, err):
                    self.stricter[f"{kind}: {why}"] += 1
                    return None
        self.fault(f"{kind}: only one refuses", ours=err or "accepts", theirs=theirs.get("why", "accepts"), **more)
        return None

    # ---- schemas ----

    def schema(self, text):
        rc, out, err = self.cli("schema", "canonical", stdin=text.encode())
        theirs = self.java.ask("schema", schema=text)
        if not self.verdicts("schema", rc == 0, err, theirs, schema=text):
            return
        want = "\n".join([theirs["canonical"], theirs["crc64"], "md5: " + theirs["md5"], "sha256: " + theirs["sha256"], ""])
        if out.decode() != want:
            self.fault("canonical form", ours=out.decode(), theirs=want, schema=text)

    def break_schema(self, s):
        """One thing in it is changed as people and programs get it wrong."""
        r = self.rng
        s = copy.deepcopy(s)
        places = []

        def walk(x, up, key):
            places.append((x, up, key))
            for k, v in (x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else []):
                walk(v, x, k)
        root = [s]
        walk(s, root, 0)
        x, up, key = r.choice(places)
        odd = [None, True, 5, -1, 1.5, "", "1bad", "a.b.C", ".a", "int", "null", [], {}, [[]], ["int", "int"], "R1", "E1", "x y",
               {"type": "int"}, {"type": "int", "logicalType": "date"}, {"type": "fixed", "name": "Q", "size": 2},
               {"type": "enum", "name": "Q", "symbols": ["A"]}, {"type": "record", "name": "Q", "fields": []}, "nonsense", 1e3]
        kind = r.random()
        if kind < 0.35:
            up[key] = r.choice(odd)
        elif kind < 0.45 and isinstance(up, dict):
            del up[key]
        elif kind < 0.55 and isinstance(up, list) and up is not root:
            up.append(copy.deepcopy(x))
        elif isinstance(x, dict):
            word = r.choice(["default", "default", "default", "namespace", "aliases", "doc", "order", "logicalType", "precision", "scale",
                             "size", "symbols", "fields", "items", "values", "name", "type", "extra"])
            value = {"namespace": ["a.b", "", "1x", "a..b", 5, "com.shop"], "aliases": [["A"], ["a.b.C"], "A", [1], ["1x"], []],
                     "order": ["ascending", "IGNORE", "up", 1], "logicalType": ["date", "uuid", "decimal", "duration", "time-micros", 3],
                     "precision": [0, 5, -1, "5", 10 ** 10], "scale": [0, 2, -1, 50], "size": [0, 16, -1, 2147483647, 2147483639, "1", 12],
                     "default": [None, 0, 1, -1, 1.5, "", "A", "RED", "NaN", [], {}, [1], {"a": 1}, True, 2147483648, 1e39, "\u00ff"],
                     }.get(word, odd)
            x[word] = r.choice(value)
        elif isinstance(x, str) and up is not root:
            up[key] = r.choice([x + "x", x.upper(), x[:-1], "." + x, x + ".", r.choice(["int", "long", "string", "bytes"])])
        else:
            return None
        return root[0]

    def schemas(self, n):
        for i in range(n):
            s = Schemas(random.Random(f"{self.args.seed} {i}")).any()
            if i % 4 == 0:
                self.schema(json.dumps(s))
                continue
            for _ in range(self.rng.choice([1, 1, 2])):
                s = self.break_schema(s) or s
            self.schema(json.dumps(s))

    # ---- compatibility ----

    def compat(self, n):
        evolve = Case(0, 0, None).evolve
        for i in range(n):
            r = random.Random(f"{self.args.seed} compat {i}")
            versions = [Schemas(r).any()]
            while len(versions) < r.choice([2, 3, 4]):
                versions.append(evolve(r, versions[-1]))
            versions = [json.dumps(v) for v in versions]
            theirs = self.java.ask("compat", new=versions[-1], old=versions[:-1])
            if not theirs["ok"]:  # evolved into no schema; schemas() asks about those
                continue
            paths = [self.write(f"v{k}.avsc", v) for k, v in enumerate(versions)]
            for level in LEVELS:
                rc, _, err = self.cli("schema", "compat", "--level", level, paths[-1], *paths[:-1])
                self.counts["compat " + ("yes" if theirs["levels"][level] else "no")] += 1
                if (rc == 0) != theirs["levels"][level]:
                    self.fault("compat", level=level, ours=err or "yes", theirs=theirs["levels"][level], versions=versions)

    # ---- data ----

    def again(self, schema_path, lines):
        return self.cli("avro", "encode", "--avro-json", "--schema", schema_path, stdin=lines)

    def datum(self, kind, schema, data, reader=None):
        s = self.write("s.avsc", json.dumps(schema))
        r = s if reader is None else self.write("r.avsc", json.dumps(reader))
        more = [] if reader is None else ["--reader-schema", r]
        rc, lines, err = self.cli("avro", "decode", "--avro-json", "--schema", s, "--kind", "datum", *more, self.write("d.bin", data))
        theirs = self.java.ask("datum", schema=json.dumps(schema), hex=data.hex(),
                               **({} if reader is None else {"reader": json.dumps(reader)}))
        told = dict(schema=json.dumps(schema), reader=json.dumps(reader), datum=data.hex())
        if rc != 0 and (lines or not re.search(r"byte \d+|the writer's .* (has no field|cannot be read as)", err)):
            self.fault("a refusal without its place, or with output", err=err, **told)
        if not self.verdicts(kind, rc == 0, err, theirs, **told):
            return
        rc, ours, err = self.again(r, lines)
        if rc == 0 and b"NaN" in lines and len(ours) * 2 == len(theirs["hex"]):
            return  # JSON has one NaN, the binary many
        if rc != 0 or ours.hex() != theirs["hex"]:
            self.fault(kind + ": other values", ours=ours.hex(), theirs=theirs["hex"], err=err, **told)
            return
        back = self.java.ask("json", schema=json.dumps(reader or schema), json=lines.decode().rstrip("\n"))
        if not back["ok"] or back["hex"] != theirs["hex"]:
            if not re.search(rb"NaN|Infinity", lines):  # its JsonDecoder takes no such words
                self.fault(kind + ": our JSON to Java", json=lines, theirs=back, want=theirs["hex"], **told)
        if b"-0.0" in lines:  # its JsonEncoder adds 0d to a float, and loses the sign
            return
        rc, ours, err = self.again(r, theirs["json"].encode())
        if rc != 0 or ours.hex() != theirs["hex"]:
            self.fault(kind + ": Java's JSON to us", json=theirs["json"], err=err, **told)

    def break_datum(self, data):
        r = self.rng
        b = bytearray(data)
        kind = r.random()
        at = r.randrange(len(b) + 1)
        if kind < 0.3:
            del b[at:]
        elif kind < 0.6 and b:
            b[min(at, len(b) - 1)] ^= 1 << r.randrange(8)
        elif kind < 0.75:
            b[at:at] = r.choice([b"\x00", b"\xff", b"\x01", b"\x80\x00", b"\x02", b"\xff" * 9 + b"\x01", b"\xff" * 10,
                                 b"\x80\x80\x80\x80\x80\x00", b"\xfe\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"])
        elif b:
            b[min(at, len(b) - 1)] = r.choice([0, 1, 2, 3, 0x7f, 0x80, 0xff, 0xc0, 0xed])
        return bytes(b)

    def data(self, n):
        evolve = Case(0, 0, None).evolve
        for i in range(n):
            r = random.Random(f"{self.args.seed} data {i}")
            schema = Schemas(r).any()
            maker = Data(r, schema)
            whole = [maker.make() for _ in range(5)]
            if not whole[0]:
                continue
            self.datum("datum", schema, b"".join(whole))
            for datum in whole[:3]:
                self.datum("broken datum", schema, self.break_datum(datum))
            reader = evolve(r, schema)
            if self.java.ask("schema", schema=json.dumps(reader))["ok"]:
                self.datum("resolved datum", schema, whole[0], reader)

    # ---- container files ----

    def ocf(self, n):
        for i in range(n):
            r = random.Random(f"{self.args.seed} ocf {i}")
            schema = Schemas(r).any()
            maker = Data(r, schema)
            data = b"".join(maker.make() for _ in range(r.choice([1, 3, 50])))
            if not data:
                continue
            s = self.write("s.avsc", json.dumps(schema))
            self.cli("avro", "decode", "--schema", s, "--kind", "datum", self.write("d.bin", data))
            for codec in CODECS:
                self.ocf_codec(schema, s, data, codec)

    def ocf_codec(self, schema, s, data, codec):
        path = os.path.join(self.dir, "theirs.avro")
        told = dict(codec=codec, schema=json.dumps(schema), data=data.hex())
        wrote = self.java.ask("write-ocf", schema=json.dumps(schema), hex=data.hex(), codec=codec, file=path)
        want = self.java.ask("read-ocf", file=path)
        if not wrote["ok"] or not want["ok"]:
            return self.fault("Java's own file", wrote=wrote, read=want, **told)
        rc, lines, err = self.cli("avro", "decode", "--avro-json", "--schema", s, "--kind", "ocf", path)
        if rc != 0:
            return self.fault("Java's file refused", err=err, **told)
        rc, ours, err = self.again(s, lines)
        if rc != 0 or ours.hex() != want["hex"]:
            return self.fault("Java's file read otherwise", err=err, **told)
        rc, file, err = self.cli("avro", "encode", "--avro-json", "--schema", s, "--kind", "ocf", "--codec", codec, stdin=lines)
        theirs = self.java.ask("read-ocf", file=self.write("ours.avro", file))
        if rc != 0 or not theirs["ok"] or theirs["hex"] != want["hex"]:
            return self.fault("our file", err=err, theirs=theirs.get("why"), **told)
        self.counts["container files"] += 2
        with open(path, "rb") as f:
            whole = f.read()
        for good in (whole, file):
            same = good.replace(good[-SYNC:], b"one sync marker!")  # they are random: this way each run breaks the same files
            for _ in range(3):
                self.broken_ocf(self.break_datum(same), codec, schema)

    def broken_ocf(self, file, codec, schema):
        path = self.write("broken.avro", file)
        rc, lines, err = self.cli("avro", "decode", "--avro-json", "--kind", "ocf", path)
        theirs = self.java.ask("read-ocf", file=path)
        if self.verdicts("broken container", rc == 0, err, theirs, codec=codec, schema=json.dumps(schema), file=file.hex()):
            rc, ours, err = self.again(self.write("theirs.avsc", theirs["schema"]), lines)
            if theirs["records"] and ours.hex() != theirs["hex"] and b"NaN" not in lines:
                self.fault("broken container read otherwise", codec=codec, err=err, file=file.hex())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--avrogate", default="build-dev/avrogate")
    p.add_argument("--classpath", required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--scale", type=float, default=0.7)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        run = Run(args, directory)
        run.schemas(int(1500 * args.scale))
        run.compat(int(150 * args.scale))
        run.data(int(200 * args.scale))
        run.ocf(int(12 * args.scale))
    for f in run.faults[:20]:
        print(f)
    for why, n in sorted(run.stricter.items()):
        print(f"{n} refused by us alone, {why}")
    print(", ".join(f"{k}: {n}" for k, n in sorted(run.counts.items())) + f"; faults: {len(run.faults)}")
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main())
