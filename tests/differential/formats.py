#!/usr/bin/env python3
"""Files that avrogate writes, read by others: pyarrow, DuckDB, fastavro, Python's csv and json.

    tests/differential/formats.py [--avrogate build-dev/avrogate] [--schemas 60] [--each 60] [--seed N]

Random schemas and data (decode.py's) become a container file written here, by hand; avrogate converts it.  What a
record means is read from its Avro binary here once more, by docs/formats.md and by nothing of avrogate's:

  types     the Parquet columns' Arrow types are those of docs/formats.md
  pyarrow   reads each value of each column as it was
  duckdb    the same, as far as it has the types
  back      Parquet, JSON lines and container files read back by us: the same records
  fastavro  reads the container file that came out of Parquet as it reads the one that went in
  csv       Python's csv module reads each cell as docs/json.md writes it; read back: the same records

Exits 0 when all agree, 1 with the first cases that do not.
"""
import argparse
import base64
import csv
import decimal
import io
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(1, os.path.join(os.path.dirname(__file__), "../../.deps/pyarrow"))
import duckdb  # noqa: E402
import fastavro  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import decode  # noqa: E402

JSON = object()  # a record inside itself: text, looked at by reading it back


class Schemas(decode.Schemas):
    """With the types that fastavro has not."""

    def logical(self):
        r = self.rng
        more = r.choice([None, None, {"type": "long", "logicalType": "timestamp-nanos"},
                         {"type": "long", "logicalType": "local-timestamp-nanos"},
                         {"type": "fixed", "size": 12, "logicalType": "duration"},
                         {"type": "fixed", "size": 16, "logicalType": "uuid"},
                         {"type": "bytes", "logicalType": "big-decimal"},
                         {"type": "bytes", "logicalType": "decimal", "precision": 90, "scale": 45}])
        if more is None:
            return super().logical()
        if more["type"] == "fixed":
            more["name"] = self.name("L")
        return more

    def root(self):
        while True:
            s = self.record(0) if self.rng.random() < 0.85 else self.any()
            if not (isinstance(s, dict) and s["type"] == "record" and not s["fields"]):
                return s


class Data(decode.Data):
    def logical(self, s):
        r, kind = self.rng, s["logicalType"]
        if kind.endswith("nanos"):
            return self.long(r.choice([0, 1, -1, r.getrandbits(62), -r.getrandbits(62)]))
        if kind == "duration":
            return self.out.write(r.randbytes(12))
        if kind == "uuid" and s["type"] == "fixed":
            return self.out.write(r.randbytes(16))
        if kind == "big-decimal":
            x = r.choice([0, -1, r.randint(-10 ** 30, 10 ** 30)])
            outer, self.out = self.out, io.BytesIO()
            self.bytes(x.to_bytes(x.bit_length() // 8 + 1, "big", signed=True))
            self.long(r.choice([0, 2, 30]))
            inner, self.out = self.out.getvalue(), outer
            return self.bytes(inner)
        return super().logical(s)


# ---- what docs/formats.md says ----

def kind_of(s):
    if isinstance(s, list):
        return "union"
    return s if isinstance(s, str) else s.get("logicalType") or s["type"]


class Types:
    """Avro schemas as Arrow types."""

    SIMPLE = {"null": pa.null(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(),
              "double": pa.float64(), "bytes": pa.binary(), "string": pa.string(), "enum": pa.string(),
              "date": pa.date32(), "time-millis": pa.time32("ms"), "time-micros": pa.time64("us"),
              "timestamp-millis": pa.timestamp("ms", "UTC"), "timestamp-micros": pa.timestamp("us", "UTC"),
              "timestamp-nanos": pa.timestamp("ns", "UTC"), "local-timestamp-millis": pa.timestamp("ms"),
              "local-timestamp-micros": pa.timestamp("us"), "local-timestamp-nanos": pa.timestamp("ns"),
              "uuid": pa.uuid(), "big-decimal": pa.string()}

    def __init__(self, schema, uuids):
        self.names, self.uuids = decode.names_of(schema, {}), uuids

    def named(self, s):
        return self.names[s] if isinstance(s, str) and s not in decode.PRIMITIVES else s

    def members(self, union):
        out = []
        for b in union:
            b = self.named(b)
            if b == "null":
                continue
            full = decode.label(b)
            same = [x for x in union if decode.label(self.named(x)).split(".")[-1] == full.split(".")[-1]]
            out.append((full.split(".")[-1] if len(same) == 1 else full.replace(".", "_"), b))
        return out

    def field(self, name, s, open_=(), nullable=False):
        if isinstance(s, list):
            others = [b for b in s if b != "null"]
            nullable = nullable or "null" in s
            if len(others) > 1:
                return pa.field(name, pa.struct([self.field(n, b, open_, True) for n, b in self.members(s)]), nullable)
            s = others[0] if others else "null"
        t = self.type(self.named(s), open_)
        return pa.field(name, t, nullable or t == pa.null())

    def type(self, s, open_):
        kind = kind_of(s)
        if kind == "uuid" and not self.uuids:
            return pa.string() if s["type"] == "string" else pa.binary(16)
        if kind in self.SIMPLE:
            return self.SIMPLE[kind]
        if kind == "decimal":
            p = s["precision"]
            return pa.string() if p > 76 else pa.decimal256(p, s["scale"]) if p > 38 else pa.decimal128(p, s["scale"])
        if kind == "duration":
            return pa.struct([pa.field(n, pa.uint32(), False) for n in ("months", "days", "milliseconds")])
        if kind == "fixed":
            return pa.binary(s["size"]) if s["size"] else pa.binary()
        if kind == "array":
            return pa.list_(self.field("element", s["items"], open_))
        if kind == "map":
            return pa.map_(pa.string(), self.field("value", s["values"], open_))
        if s["name"] in open_:
            return pa.json_()
        if not s["fields"]:
            return pa.bool_()
        return pa.struct([self.field(f["name"], f["type"], open_ + (s["name"],)) for f in s["fields"]])

    def columns(self, schema):
        if kind_of(schema) == "record":
            return [self.field(f["name"], f["type"], (schema["name"],)) for f in schema["fields"]]
        return [self.field("value", schema)]


class Reader:
    """A datum's values as docs/formats.md has them: numbers for what has a clock, unscaled ones for decimals."""

    def __init__(self, types, datum):
        self.types, self.b, self.at = types, datum, 0

    def long(self):
        u = shift = 0
        while True:
            b = self.b[self.at]
            self.at += 1
            u |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return (u >> 1) ^ -(u & 1)

    def take(self, n):
        self.at += n
        return self.b[self.at - n:self.at]

    def bytes(self):
        return self.take(self.long())

    def items(self, one):
        out = []
        while n := self.long():
            if n < 0:
                self.long()
            out += [one() for _ in range(abs(n))]
        return out

    def value(self, s, open_=()):
        if isinstance(s, list):
            chosen = self.types.named(s[self.long()])
            v = self.value(chosen, open_)
            members = self.types.members(s)
            if len(members) < 2 or chosen == "null":
                return v
            return {n: v if b is chosen or b == chosen else None for n, b in members}
        s = self.types.named(s)
        kind = kind_of(s)
        base = s if isinstance(s, str) else s["type"]
        if kind == "duration":
            return dict(zip(("months", "days", "milliseconds"), struct.unpack("<3I", self.take(12))))
        if kind == "decimal":
            x = int.from_bytes(self.bytes() if base == "bytes" else self.take(s["size"]), "big", signed=True)
            return format(decimal.Decimal(x).scaleb(-s["scale"]), "f") if s["precision"] > 76 else x
        if kind == "big-decimal":
            inner = Reader(self.types, self.bytes())
            x = int.from_bytes(inner.bytes(), "big", signed=True)
            return ("big", decimal.Decimal(x).scaleb(-inner.long()))
        if kind == "uuid" and self.types.uuids:
            return uuid.UUID(self.bytes().decode()).bytes if base == "string" else self.take(16)
        if base == "null":
            return None
        if base == "boolean":
            return self.take(1) == b"\1"
        if base in ("int", "long"):
            return self.long()
        if base in ("float", "double"):
            return struct.unpack(*("<f", self.take(4)) if base == "float" else ("<d", self.take(8)))[0]
        if base == "bytes":
            return self.bytes()
        if base == "string":
            return self.bytes().decode()
        if base == "fixed":
            return self.take(s["size"])
        if base == "enum":
            return s["symbols"][self.long()]
        if base == "array":
            return self.items(lambda: self.value(s["items"], open_))
        if base == "map":
            return self.items(lambda: (self.bytes().decode(), self.value(s["values"], open_)))
        inside = {f["name"]: self.value(f["type"], open_ + (s["name"],)) for f in s["fields"]}
        return JSON if s["name"] in open_ else inside or True

    def row(self, schema):
        v = self.value(schema)
        assert self.at == len(self.b)
        return v if kind_of(schema) == "record" else {"value": v}


# ---- what the others read ----

def values(a):
    """An Arrow array's values in Reader's form."""
    t = a.type
    if pa.types.is_dictionary(t):
        return values(a.dictionary_decode())
    if isinstance(t, pa.BaseExtensionType):
        return values(a.storage)
    nulls = a.is_null().to_pylist()
    if pa.types.is_struct(t):
        names = [t.field(i).name for i in range(t.num_fields)]
        columns = [values(x) for x in a.flatten()]
        out = [dict(zip(names, row)) for row in zip(*columns)]
    elif pa.types.is_map(t):
        entries = list(zip(values(a.keys), values(a.items)))
        out = [entries[i.as_py() - a.offsets[0].as_py():j.as_py() - a.offsets[0].as_py()]
               for i, j in zip(a.offsets[:-1], a.offsets[1:])]
    elif pa.types.is_list(t) or pa.types.is_large_list(t):
        inside, offsets = values(a.values), a.offsets.to_pylist()
        out = [inside[i:j] for i, j in zip(offsets, offsets[1:])]
    elif pa.types.is_decimal(t):
        out = [None if v is None else int(v.scaleb(t.scale)) for v in a.to_pylist()]
    elif pa.types.is_date32(t) or pa.types.is_time32(t):
        out = a.view(pa.int32()).to_pylist()
    elif pa.types.is_timestamp(t) or pa.types.is_time64(t):
        out = a.view(pa.int64()).to_pylist()
    else:
        out = a.to_pylist()
    return [None if null else v for null, v in zip(nulls, out)]


def normal(t):
    """A type without what a reader may do as it likes: dictionaries, names of list elements."""
    if pa.types.is_dictionary(t):
        return normal(t.value_type)
    if pa.types.is_struct(t):
        return ("struct", [(f.name, normal(f.type), f.nullable) for f in t])
    if pa.types.is_map(t):
        return ("map", normal(t.item_type), t.item_field.nullable)
    if pa.types.is_list(t):
        return ("list", normal(t.value_type), t.value_field.nullable)
    return str(t)


def same(want, got, where, scale=1):
    """None, or the place where they differ."""
    if want is JSON:
        return None if isinstance(got, str) and json.loads(got) is not None else f"{where}: {got!r} is no JSON"
    if isinstance(want, tuple) and want[0] == "big":
        return None if isinstance(got, str) and decimal.Decimal(got) == want[1] else f"{where}: {got!r}, wanted {want!r}"
    if isinstance(want, dict) and isinstance(got, dict) and want.keys() == got.keys():
        return next((w for k in want if (w := same(want[k], got[k], f"{where}/{k}"))), None)
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        if want and isinstance(want[0], tuple) and want[0][0] != "big":
            if [k for k, _ in want] != [k for k, _ in got]:
                return f"{where}: keys {got!r}, wanted {want!r}"
            return next((w for (k, v), (_, g) in zip(want, got) if (w := same(v, g, f"{where}/{k}"))), None)
        return next((w for i, (v, g) in enumerate(zip(want, got)) if (w := same(v, g, f"{where}/{i}"))), None)
    if isinstance(want, float) and isinstance(got, float):
        if math.isnan(want) and math.isnan(got) or want == got and math.copysign(1, want) == math.copysign(1, got):
            return None
    elif type(want) is type(got) and want == got:
        return None
    return f"{where}: {got!r}, wanted {want!r}"


def duck_has(t):
    """DuckDB has no decimals of more than 38 digits, clocks of its own for times and nanoseconds, and no null type."""
    if isinstance(t, pa.BaseExtensionType) or pa.types.is_null(t) or pa.types.is_time(t):
        return False
    if pa.types.is_decimal256(t) or pa.types.is_timestamp(t) and t.unit != "us":
        return False
    if pa.types.is_map(t):
        return duck_has(t.item_type)
    return all(duck_has(t.field(i).type) for i in range(t.num_fields))


# ---- container files, by hand ----

def container(schema, data):
    out = Data(random.Random(0), "null")
    out.out = io.BytesIO(b"")
    out.out.write(b"Obj\x01")
    out.long(2)
    for k, v in ((b"avro.schema", json.dumps(schema).encode()), (b"avro.codec", b"null")):
        out.bytes(k)
        out.bytes(v)
    out.long(0)
    out.out.write(b"0123456789abcdef")
    if data:
        out.long(len(data))
        out.bytes(b"".join(data))
        out.out.write(b"0123456789abcdef")
    return out.out.getvalue()


class Case:
    def __init__(self, seed, n, args):
        self.seed, self.n, self.args = seed, n, args

    def cli(self, *words):
        p = subprocess.run([self.args.avrogate, "avro", *words], capture_output=True)
        return p.returncode, p.stdout, p.stderr.decode(errors="replace").strip()

    def path(self, name, content=None):
        p = os.path.join(self.dir, name)
        if content is not None:
            with open(p, "wb") as f:
                f.write(content)
        return p

    def convert(self, a, b, *more):
        rc, _, err = self.cli("convert", "-q", *more, self.path(a), self.path(b))
        return None if rc == 0 else err or f"exit {rc}"

    def fault(self, what, **more):
        return [f"seed {self.seed}: {what}: " + ", ".join(f"{k}={str(v)[:700]}" for k, v in more.items())]

    def run(self):
        decimal.getcontext().prec = 400  # of this thread
        with tempfile.TemporaryDirectory() as self.dir:
            rng = random.Random(self.seed)
            self.schema = Schemas(rng).root()
            uuids = rng.random() < 0.5
            self.types = Types(self.schema, uuids)
            self.data = [Data(rng, self.schema).make() for _ in range(self.n)]
            self.rows = [Reader(self.types, d).row(self.schema) for d in self.data]
            self.path("in.avro", container(self.schema, self.data))
            self.path("s.avsc", json.dumps(self.schema).encode())
            group = rng.choice([1, 7, 1000])
            err = self.convert("in.avro", "out.parquet", "--row-group-rows", str(group), *["--uuids"] * uuids,
                               "--codec", rng.choice(["zstd", "snappy", "none", "gzip", "brotli"]))
            if err:
                return self.fault("no Parquet", err=err, schema=json.dumps(self.schema))
            return self.judge()

    def judge(self):
        try:
            return self.pyarrow() or self.duckdb() or self.back() or self.fastavro() or self.csv()
        except Exception as why:
            return self.fault("one cannot read it", why=repr(why), schema=json.dumps(self.schema))

    def pyarrow(self):
        file = pq.ParquetFile(self.path("out.parquet"))
        table, wanted = file.read(), self.types.columns(self.schema)
        for got, want in zip(table.schema, wanted, strict=True):
            if (got.name, normal(got.type), got.nullable) != (want.name, normal(want.type), want.nullable):
                return self.fault("another type", got=got, want=want, schema=json.dumps(self.schema))
        if json.loads(file.metadata.metadata[b"avro.schema"]) is None or table.num_rows != self.n:
            return self.fault("rows or schema", rows=table.num_rows)
        wrong = self.compare(table, [f.name for f in wanted])
        self.args.counts["pyarrow"] += table.num_rows * table.num_columns
        return self.fault("pyarrow reads otherwise", where=wrong, schema=json.dumps(self.schema)) if wrong else []

    def compare(self, table, names):
        for name in names:
            got = [v for chunk in table.column(name).chunks for v in values(chunk)]
            for i, (row, g) in enumerate(zip(self.rows, got, strict=True)):
                if wrong := same(row[name], g, f"row {i}/{name}"):
                    return wrong
        return None

    def duckdb(self):
        columns = self.types.columns(self.schema)
        wanted = {f.name: f'epoch_{f.type.unit}("{f.name}") AS "{f.name}"' if pa.types.is_timestamp(f.type) else f'"{f.name}"'
                  for f in columns if pa.types.is_timestamp(f.type) or duck_has(f.type)}
        query = f"FROM read_parquet('{self.path('out.parquet')}')"
        with duckdb.connect(config={"threads": 1}) as db:
            if db.sql(f"SELECT count(*) {query}").fetchall()[0][0] != self.n:
                return self.fault("DuckDB counts otherwise")
            for f in columns:  # those it has no like of, at least counted
                there = sum(row[f.name] is not None for row in self.rows)
                if db.sql(f'SELECT count("{f.name}") {query}').fetchall()[0][0] != there:
                    return self.fault("DuckDB counts a column otherwise", name=f.name)
            if not wanted:
                return []
            table = db.sql("SELECT " + ", ".join(wanted.values()) + " " + query).to_arrow_table()
        wrong = self.compare(table, list(wanted))
        self.args.counts["duckdb"] += self.n * len(wanted)
        return self.fault("DuckDB reads otherwise", where=wrong, schema=json.dumps(self.schema)) if wrong else []

    def back(self):
        _, before, _ = self.cli("cat", self.path("in.avro"))
        for name, more in (("out.parquet", ()), ("again.avro", ()), ("again.jsonl", ("--schema", self.path("s.avsc")))):
            codec = ("--codec", "deflate") if name == "again.avro" else ()  # fastavro wants a library for the others
            err = None if name == "out.parquet" else self.convert("out.parquet", name, *codec)
            rc, after, said = self.cli("cat", *more, self.path(name))
            if (err or rc) and "fits both" in (err or said):  # refused by design, docs/json.md, unions, 4
                self.args.counts["ambiguous"] += 1
                continue
            if err or rc != 0 or before != after:
                return self.fault(f"not the same back from {name}", err=err or said, before=before, after=after,
                                  schema=json.dumps(self.schema))
            self.args.counts["back"] += self.n
        return []

    def fastavro(self):
        if not os.path.exists(self.path("again.avro")):
            return []
        try:
            with open(self.path("in.avro"), "rb") as f:
                before = repr(list(fastavro.reader(f, return_named_type=True)))
        except Exception:  # types it has not
            return []
        with open(self.path("again.avro"), "rb") as f:
            after = repr(list(fastavro.reader(f, return_named_type=True)))
        self.args.counts["fastavro"] += self.n
        return [] if before == after else self.fault("fastavro reads otherwise", before=before, after=after)

    def csv(self):
        err = self.convert("in.avro", "out.csv")
        if kind_of(self.schema) != "record":
            return [] if err and "CSV has a column for each field" in err else self.fault("CSV of no record", err=err)
        if err:
            return self.fault("no CSV", err=err)
        with open(self.path("out.csv"), newline="", encoding="utf-8") as f:
            rows = list(csv.reader(f))
        fields = self.schema["fields"]
        if rows[0] != [f["name"] for f in fields]:
            return self.fault("another header", got=rows[0])
        if len(fields) > 1 and len(rows) != self.n + 1:
            return self.fault("another number of rows", got=len(rows), want=self.n + 1)
        for i, f in enumerate(fields):
            kind = kind_of(self.types.named(f["type"])) if not isinstance(f["type"], list) else "union"
            if len(fields) < 2 or kind not in ("string", "int", "long", "boolean", "enum", "bytes"):
                continue
            for row, want in zip(rows[1:], self.rows):
                w = want[f["name"]]
                text = base64.b64encode(w).decode() if kind == "bytes" else str(w).lower() if kind == "boolean" else str(w)
                if row[i] != text:
                    return self.fault("another cell", got=row[i], want=text)
                self.args.counts["cells"] += 1
        return self.csv_back(fields)

    def csv_back(self, fields):
        """A cell does not say which of several branches it is of: those are not compared."""
        if any(isinstance(f["type"], list) and len([b for b in f["type"] if b != "null"]) > 1 for f in fields):
            return []
        err = self.convert("out.csv", "csv.avro", "--schema", self.path("s.avsc"))
        if err and "fits both" in err:
            self.args.counts["ambiguous"] += 1
            return []
        _, before, _ = self.cli("cat", self.path("in.avro"))
        _, after, said = self.cli("cat", self.path("csv.avro"))
        self.args.counts["csv back"] += self.n
        if err or before != after:
            return self.fault("not the same back from CSV", err=err or said, before=before, after=after,
                              schema=json.dumps(self.schema))
        return []


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--avrogate", default="build-dev/avrogate")
    p.add_argument("--schemas", type=int, default=60)
    p.add_argument("--each", type=int, default=60, help="records a schema")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    args = p.parse_args()
    args.counts = dict.fromkeys(["pyarrow", "duckdb", "back", "fastavro", "cells", "csv back", "ambiguous"], 0)
    faults = []
    cases = [Case(args.seed * 1000003 + i, args.each, args) for i in range(args.schemas)]
    with ThreadPoolExecutor(args.jobs) as pool:
        for found in pool.map(Case.run, cases):
            faults += found
    for f in faults[:10]:
        print(f)
    print(", ".join(f"{k}: {n}" for k, n in args.counts.items()) + f", faults: {len(faults)}")
    few = [k for k in args.counts if k != "ambiguous" and args.counts[k] == 0]
    if few:
        print(f"nothing was compared by: {', '.join(few)}")
    return 1 if faults or few else 0


if __name__ == "__main__":
    sys.exit(main())
