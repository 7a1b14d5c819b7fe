#!/usr/bin/env python3
"""avrogate's decoder against fastavro's, on random schemas and random data.

    tests/differential/decode.py [--avrogate build-dev/avrogate] [--data 110000] [--seed N]

Three comparisons:
  read      bytes that fastavro wrote: our JSON says what fastavro reads
  resolve   the same bytes read as another schema: the same values, or both refuse
  back      our JSON encoded again by us: the same bytes; and its JSON the same text

Exits 0 when all agree, 1 with the first cases that do not.  Needs fastavro.
"""
import argparse
import base64
import copy
import datetime
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

import fastavro
from fastavro.schema import parse_schema

decimal.getcontext().prec = 200
EPOCH = datetime.date(1970, 1, 1)
WORDS = ["", "a", "NaN", "x y", "Ünïcode", "日本", "\"\\\n\x01", "2026-11-20", "123", "AAAA", "😀", "null",
         "P1D", "-Infinity", "k" * 70]


class Schemas:
    """Random schemas whose data fastavro writes and reads without its known bugs (see EXCLUDED)."""

    def __init__(self, rng):
        self.rng, self.n, self.open_records = rng, 0, []
        self.spaces = rng.choice([[""], ["com.shop.", "x."]])  # a name without one inside one would inherit it

    def name(self, kind):
        self.n += 1
        return f"{self.rng.choice(self.spaces)}{kind}{self.n}"

    def primitive(self):
        return self.rng.choice(["null", "boolean", "int", "long", "float", "double", "bytes", "string", "string"])

    def logical(self):
        r = self.rng
        precision = r.choice([1, 4, 9, 18, 38, 60])
        scale = r.randint(0, precision)
        size = {1: 1, 4: 2, 9: 4, 18: 8, 38: 16, 60: 26}[precision]
        return r.choice([
            {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale},
            {"type": "fixed", "name": self.name("D"), "size": size, "logicalType": "decimal",
             "precision": precision, "scale": scale},
            {"type": "string", "logicalType": "uuid"},
            {"type": "int", "logicalType": "date"},
            {"type": "int", "logicalType": "time-millis"},
            {"type": "long", "logicalType": "time-micros"},
            {"type": "long", "logicalType": "timestamp-millis"},
            {"type": "long", "logicalType": "timestamp-micros"},
            {"type": "long", "logicalType": "local-timestamp-millis"},
            {"type": "long", "logicalType": "local-timestamp-micros"},
        ])

    def enum(self):
        symbols = self.rng.sample(["RED", "GREEN", "BLUE", "AAAA", "NaN", "_x", "Infinity"], self.rng.randint(1, 6))
        out = {"type": "enum", "name": self.name("E"), "symbols": symbols}
        if self.rng.random() < 0.3:
            out["default"] = self.rng.choice(symbols)
        return out

    def fixed(self):
        return {"type": "fixed", "name": self.name("F"), "size": self.rng.choice([0, 1, 3, 16, 17])}

    def union(self, depth):
        branches, seen = [], set()
        for _ in range(self.rng.randint(1, 5)):
            b = self.rng.choice(["null", "null"]) if not branches and self.rng.random() < 0.5 else self.any(depth + 1, False)
            kind = b if isinstance(b, str) else b.get("name") or b["type"]
            if kind in seen:
                continue
            seen.add(kind)
            branches.append(b)
        self.rng.shuffle(branches)
        return branches

    def record(self, depth):
        name = self.name("R")
        fields = []
        self.open_records.append(name)
        for i in range(self.rng.randint(0, 5)):
            if self.rng.random() < 0.12:  # recursion, with a way out
                back = self.rng.choice(self.open_records)
                t = self.rng.choice([["null", back], {"type": "array", "items": back}, {"type": "map", "values": back}])
            else:
                t = self.any(depth + 1)
            fields.append({"name": f"f{i}", "type": t})
        self.open_records.pop()
        return {"type": "record", "name": name, "fields": fields}

    def any(self, depth=0, unions=True):
        r = self.rng.random()
        if depth > 3:
            return self.primitive() if r < 0.7 else self.logical()
        if r < 0.30:
            return self.primitive()
        if r < 0.45:
            return self.logical()
        if r < 0.52:
            return self.enum()
        if r < 0.57:
            return self.fixed()
        if r < 0.67:
            return {"type": "array", "items": self.any(depth + 1)}
        if r < 0.75:
            return {"type": "map", "values": self.any(depth + 1)}
        if r < 0.88 and unions:
            return self.union(depth)
        return self.record(depth)


def names_of(schema, out):
    if isinstance(schema, list):
        for s in schema:
            names_of(s, out)
    elif isinstance(schema, dict):
        if "name" in schema:
            out[schema["name"]] = schema
        for k in ("items", "values"):
            if k in schema:
                names_of(schema[k], out)
        for f in schema.get("fields", []):
            names_of(f["type"], out)
    return out


PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


class Data:
    """A random datum of a schema: its Avro binary, and the JSON-like value it must be read as.

    The bytes are made here and not by fastavro, so that every branch of a union is reached and
    blocks come in every form; what they mean is asked of fastavro.
    """

    def __init__(self, rng, schema):
        self.rng, self.schema, self.names = rng, schema, names_of(schema, {})

    def make(self):
        self.out, self.left = io.BytesIO(), 60
        self.put(self.schema, 0)
        return self.out.getvalue()

    def long(self, x):
        u = ((x << 1) ^ (x >> 63)) & 0xFFFFFFFFFFFFFFFF
        while u >= 0x80:
            self.out.write(bytes([u & 0x7F | 0x80]))
            u >>= 7
        self.out.write(bytes([u]))

    def bytes(self, b):
        self.long(len(b))
        self.out.write(b)

    def integer(self, bits):
        r = self.rng
        return r.choice([0, 1, -1, r.randint(-64, 63), r.getrandbits(bits - 1), -r.getrandbits(bits - 1) - 1,
                         (1 << bits - 1) - 1, -(1 << bits - 1)])

    def logical(self, s):
        r, kind = self.rng, s["logicalType"]
        if kind == "decimal":
            x = r.choice([0, 1, -1, r.randint(-(10 ** s["precision"]) + 1, 10 ** s["precision"] - 1)])
            if s["type"] == "fixed":
                self.out.write(x.to_bytes(s["size"], "big", signed=True))
            else:
                self.bytes(x.to_bytes((x.bit_length() + 8) // 8 if x >= 0 else ((x + 1).bit_length() + 8) // 8,
                                      "big", signed=True))
        elif kind == "uuid":
            self.bytes(str(uuid.UUID(int=r.getrandbits(128))).encode())
        elif kind == "date":
            self.long(r.randint(-719162, 2932896))
        elif kind == "time-millis":
            self.long(r.randint(0, 86399999))
        elif kind == "time-micros":
            self.long(r.randint(0, 86399999999))
        else:  # years 1 to 9999, as Python's datetime has them
            unit = 1000 if kind.endswith("millis") else 1000000
            self.long(r.choice([r.randint(-62135596800 * unit, 253402300799 * unit), r.randint(-unit, unit), 0]))

    def items(self, n, one):
        while n > 0:
            block = self.rng.randint(1, n)
            n -= block
            if self.rng.random() < 0.5:
                self.long(block)
                for _ in range(block):
                    one()
            else:
                outer, self.out = self.out, io.BytesIO()
                for _ in range(block):
                    one()
                inner, self.out = self.out.getvalue(), outer
                self.long(-block)
                self.bytes(inner)
        self.long(0)

    def put(self, s, depth):
        r = self.rng
        self.left -= 1
        if isinstance(s, str) and s not in PRIMITIVES:
            s = self.names[s]
        if isinstance(s, list):
            nulls = [i for i, b in enumerate(s) if b == "null"]
            i = nulls[0] if nulls and (depth > 6 or self.left < 0) else r.randrange(len(s))
            self.long(i)
            return self.put(s[i], depth)
        if isinstance(s, dict) and "logicalType" in s:
            return self.logical(s)
        kind = s if isinstance(s, str) else s["type"]
        if kind == "boolean":
            self.out.write(bytes([r.randint(0, 1)]))
        elif kind == "int":
            self.long(self.integer(32))
        elif kind == "long":
            self.long(self.integer(64))
        elif kind == "float":
            self.out.write(struct.pack("<f", r.choice([0.0, -0.0, 1.5, 0.1, 1e-45, 3.4e38, math.nan, math.inf, -math.inf,
                                                       r.uniform(-1e6, 1e6)])))
        elif kind == "double":
            self.out.write(r.choice([struct.pack("<d", r.choice([0.0, -0.0, 5.0, 1e300, 5e-324, 0.1, 1e21, 1e22, math.nan,
                                                                 math.inf, -math.inf, r.uniform(-1e9, 1e9)])),
                                     struct.pack("<d", struct.unpack("<d", struct.pack("<Q", r.getrandbits(62)))[0])]))
        elif kind == "bytes":
            self.bytes(r.randbytes(r.choice([0, 1, 2, 3, 20])))
        elif kind == "string":
            self.bytes(r.choice(WORDS).encode())
        elif kind == "fixed":
            self.out.write(r.randbytes(s["size"]))
        elif kind == "enum":
            self.long(r.randrange(len(s["symbols"])))
        elif kind == "array":
            n = 0 if depth > 6 or self.left < 0 else r.choice([0, 1, 2, 3])
            self.items(n, lambda: self.put(s["items"], depth + 1))
        elif kind == "map":
            n = 0 if depth > 6 or self.left < 0 else r.choice([0, 1, 2])
            # Not "map": {"map": {}} in a union is a map and a wrapped one, and refused as ambiguous.
            keys = iter(r.sample(["a", "b", "é\"", "string", "int", ""], n))

            def entry():
                self.bytes(next(keys).encode())
                self.put(s["values"], depth + 1)
            self.items(n, entry)
        elif kind == "record":
            for f in s["fields"]:
                self.put(f["type"], depth + 1)


class Shape:
    """fastavro's values as our JSON says them.  Unions: fastavro is asked for the branch's name."""

    def __init__(self, schema):
        self.names = names_of(schema, {})

    def of(self, s, v):
        if isinstance(s, str) and s not in PRIMITIVES:
            s = self.names[s]
        if isinstance(s, list):
            name, v = v if isinstance(v, tuple) else (None, v)
            branch = self.branch(s, name, v)
            return ("union", label(branch), self.of(branch, v))
        kind = s if isinstance(s, str) else s.get("logicalType") or s["type"]
        if kind in ("float", "double"):
            if math.isnan(v) or math.isinf(v):
                return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"
            return ("real", struct.pack("<f" if kind == "float" else "<d", v))
        if kind in ("bytes", "fixed"):
            return base64.b64encode(v).decode()
        if kind == "decimal":
            return format(v, "f")
        if kind in ("date",):
            return v.isoformat()
        if kind.startswith("time-"):
            return clock(v)
        if kind.startswith("timestamp") or kind.startswith("local-timestamp"):
            v = v.replace(tzinfo=None)
            return f"{v.year:04}-{v.month:02}-{v.day:02}T{clock(v)}" + ("Z" if kind.startswith("t") else "")
        if kind == "uuid":
            return str(v)
        if kind == "array":
            return [self.of(s["items"], x) for x in v]
        if kind == "map":
            return {k: self.of(s["values"], x) for k, x in v.items()}
        if kind == "record":
            return {f["name"]: self.of(f["type"], v[f["name"]]) for f in s["fields"]}
        return v

    def branch(self, union, name, v):
        if name is not None:
            for b in union:
                if label(b) == name:
                    return b
        found = [b for b in union if fits(self.names, b, v)]
        if len(found) != 1:
            raise LookupError
        return found[0]


def clock(v):
    out = f"{v.hour:02}:{v.minute:02}:{v.second:02}"
    if v.microsecond == 0:
        return out
    return out + (f".{v.microsecond:06}" if v.microsecond % 1000 else f".{v.microsecond // 1000:03}")


def label(b):
    return b if isinstance(b, str) else b.get("name") or b["type"]


def fits(names, b, v):
    """Which branch a value came from, where fastavro names none: types it gives to one kind only."""
    if isinstance(b, str) and b not in PRIMITIVES:
        b = names[b]
    kind = b if isinstance(b, str) else b.get("logicalType") or b["type"]
    want = {"null": type(None), "boolean": bool, "int": int, "long": int, "float": float, "double": float,
            "bytes": bytes, "fixed": bytes, "string": str, "enum": str, "array": list, "map": dict, "record": dict,
            "decimal": decimal.Decimal, "uuid": uuid.UUID, "date": datetime.date, "time-millis": datetime.time,
            "time-micros": datetime.time}.get(kind, datetime.datetime)
    return type(v) is want


def same(s, names, want, got):
    """want (of Shape) and got (our JSON, parsed) say the same; wrappers may stand or be left out."""
    if isinstance(s, str) and s not in PRIMITIVES:
        s = names[s]
    if isinstance(s, list):
        _, name, inner = want
        branch = next(b for b in s if label(b) == name)
        if isinstance(got, dict) and len(got) == 1 and name in got and same(branch, names, inner, got[name]):
            return True
        return same(branch, names, inner, got)
    kind = s if isinstance(s, str) else s.get("logicalType") or s["type"]
    if isinstance(want, tuple):
        code = "<f" if kind == "float" else "<d"
        return isinstance(got, (int, float)) and struct.pack(code, float(got)) == want[1]
    if kind == "array":
        return isinstance(got, list) and len(got) == len(want) and all(
            same(s["items"], names, w, g) for w, g in zip(want, got))
    if kind == "map":
        return isinstance(got, dict) and got.keys() == want.keys() and all(
            same(s["values"], names, want[k], got[k]) for k in want)
    if kind == "record":
        return isinstance(got, dict) and got.keys() == want.keys() and all(
            same(f["type"], names, want[f["name"]], got[f["name"]]) for f in s["fields"])
    return type(want) is type(got) and want == got


class Case:
    """One schema, many data; run() answers complaints."""

    def __init__(self, seed, n, args):
        self.seed, self.n, self.args = seed, n, args

    def cli(self, *words, stdin=None):
        p = subprocess.run([self.args.avrogate, "avro", *words], input=stdin, capture_output=True)
        return p.returncode, p.stdout, p.stderr.decode(errors="replace").strip()

    def write(self, name, content):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def read_ours(self, schema, data, *more):
        rc, out, err = self.cli("decode", "--schema", self.write("s.avsc", schema), "--kind", "datum", *more,
                                self.write("d.bin", b"".join(data)))
        return rc, out.decode().splitlines(), err

    def run(self):
        with tempfile.TemporaryDirectory() as self.dir:
            rng = random.Random(self.seed)
            schema = Schemas(rng).any()
            data = [Data(rng, schema).make() for _ in range(self.n)]
            if data and not data[0]:  # a schema of no bytes: not back to back
                data = data[:1]
            return self.compare_read(schema, data) + self.compare_back(schema, data) + \
                self.compare_resolve(rng, schema, data)

    def exclude(self, why):
        self.args.excluded[why] = self.args.excluded.get(why, 0) + 1

    def fault(self, what, **more):
        return [f"seed {self.seed}: {what}: " + ", ".join(f"{k}={str(v)[:600]}" for k, v in more.items())]

    def theirs(self, schema, datum, reader=None):
        return fastavro.schemaless_reader(io.BytesIO(datum), parse_schema(copy.deepcopy(schema)),
                                          None if reader is None else parse_schema(copy.deepcopy(reader)),
                                          return_named_type=True)

    def compare_read(self, schema, data):
        rc, lines, err = self.read_ours(schema, data)
        if rc != 0 or len(lines) != len(data):
            return self.fault("refused", rc=rc, err=err, schema=json.dumps(schema))
        parsed, names, shape = parse_schema(copy.deepcopy(schema)), names_of(schema, {}), Shape(schema)
        for datum, line in zip(data, lines):
            theirs = fastavro.schemaless_reader(io.BytesIO(datum), parsed, None, return_named_type=True)
            try:
                want = shape.of(schema, theirs)
            except LookupError:  # fastavro does not say which branch it was
                self.args.unsure += 1
                continue
            if not same(schema, names, want, json.loads(line)):
                return self.fault("differ", ours=line, theirs=theirs, schema=json.dumps(schema))
            self.args.read += 1
        return []

    def compare_back(self, schema, data):
        s = os.path.join(self.dir, "s.avsc")
        rc, lines, err = self.cli("decode", "--schema", s, "--kind", "datum", os.path.join(self.dir, "d.bin"))
        rc, again, err = self.cli("encode", "--schema", s, stdin=lines)
        if rc != 0 and "fits both a wrapped" in err:  # {"float": 1.0} beside a map of floats: refused by design
            self.exclude("the encoder: a wrapper beside a map that could hold it is ambiguous")
            return []
        if rc != 0:
            return self.fault("not encoded again", err=err, json=lines.decode(), schema=json.dumps(schema))
        rc, twice, err = self.cli("decode", "--schema", s, "--kind", "datum", self.write("again.bin", again))
        if rc != 0 or twice != lines:
            return self.fault("another JSON after encoding", err=err, first=lines, second=twice)
        self.args.back += len(data)
        return []

    # ---- resolution ----

    def resolve_one(self, schema, datum, reader_path):
        rc, lines, err = self.read_ours(schema, [datum], "--reader-schema", reader_path)
        return rc, lines[0] if lines else None, err

    def evolve(self, rng, s, depth=0):
        """A reader's schema: what people do to schemas, mostly compatible."""
        r = rng.random()
        if isinstance(s, list):
            out = [self.evolve(rng, b, depth + 1) if rng.random() < 0.3 else b for b in s]
            if rng.random() < 0.2:
                rng.shuffle(out)
            if rng.random() < 0.2:
                out = out[:-1] or out
            if any(isinstance(b, list) for b in out) or len({label(b) for b in out}) < len(out):
                return s
            return out
        if isinstance(s, str):
            wider = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"],
                     "string": ["bytes"], "bytes": ["string"]}
            if s in wider and r < 0.3:
                return rng.choice(wider[s])
            if s in PRIMITIVES and r < 0.36 and depth == 0:
                return rng.choice(sorted(PRIMITIVES))
            if s in PRIMITIVES and r < 0.45 and depth < 50:
                return ["null", s] if s != "null" else s
            return s
        s = dict(s)
        if s["type"] in ("array", "map"):
            key = "items" if s["type"] == "array" else "values"
            s[key] = self.evolve(rng, s[key], depth + 1)
        elif s["type"] == "enum":
            symbols = list(s["symbols"])
            rng.shuffle(symbols)
            s["symbols"] = (symbols[1:] or symbols) if r < 0.4 else symbols
            s.pop("default", None)
            if rng.random() < 0.5:
                s["default"] = rng.choice(s["symbols"])
        elif s["type"] == "record":
            fields = [dict(f, type=self.evolve(rng, f["type"], depth + 1)) for f in s["fields"]]
            if r < 0.3:
                rng.shuffle(fields)
            if fields and rng.random() < 0.3:
                fields.pop(rng.randrange(len(fields)))
            for f in fields:
                if rng.random() < 0.15:
                    f["aliases"], f["name"] = [f["name"]], f["name"] + "_new"
            if rng.random() < 0.4:
                fields.append(rng.choice([
                    {"name": "added", "type": "int", "default": 7},
                    {"name": "added", "type": ["null", "string"], "default": None},
                    {"name": "added", "type": {"type": "array", "items": "string"}, "default": ["x"]},
                    {"name": "added", "type": {"type": "map", "values": "double"}, "default": {"k": 1.5}},
                    {"name": "added", "type": "long"}]))
            s["fields"] = fields
        return s

    def compare_resolve(self, rng, schema, data):
        reader = self.evolve(rng, schema)
        try:
            parsed_reader = parse_schema(copy.deepcopy(reader))
        except Exception:
            return []  # evolved into no schema: a name that lost its definition
        parsed = parse_schema(copy.deepcopy(schema))
        names, shape = names_of(reader, {}), Shape(reader)
        r = self.write("r.avsc", reader)
        rc, lines, err = self.read_ours(schema, data, "--reader-schema", r)
        if rc == 0 and len(lines) == len(data):
            ours = [(0, line, "") for line in lines]
        else:  # some are refused: one by one, and not all of them, for each costs a process
            ours = [self.resolve_one(schema, datum, r) for datum in data[: self.args.resolve_each]]
        for datum, (rc, line, err) in zip(data, ours):
            if rc not in (0, 1):
                return self.fault("crash", rc=rc, err=err)
            told = dict(writer=json.dumps(schema), reader=json.dumps(reader), datum=datum.hex())
            try:
                theirs = fastavro.schemaless_reader(io.BytesIO(datum), parsed, parsed_reader, return_named_type=True)
            except Exception as why:
                theirs = why
            if (rc != 0) != isinstance(theirs, Exception):
                verdict = excluded(schema, reader, theirs, rc, err)
                if verdict is None:
                    return self.fault("one refuses", ours=line or err, theirs=repr(theirs), **told)
                self.exclude(verdict)
                continue
            if rc == 0:
                try:
                    want = shape.of(reader, theirs)
                except LookupError:
                    self.args.unsure += 1
                    continue
                if not same(reader, names, want, json.loads(line)):
                    verdict = excluded(schema, reader, theirs, rc, err)
                    if verdict is None:
                        return self.fault("resolved differently", ours=line, theirs=theirs, **told)
                    self.exclude(verdict)
                    continue
            self.args.resolved += 1
        return []


def excluded(writer, reader, theirs, rc, err):
    """Where we mean to differ from fastavro, or it is wrong: a name for it, else None."""
    if rc == 1 and "(scale" in err:
        return "ours: logical types that mean different things do not resolve"
    if rc == 0 and isinstance(theirs, Exception) and set(names_of(writer, {})) - set(names_of(reader, {})):
        return "fastavro: a record of a union is found by name only, Avro Java looks at what it holds"
    if rc == 1 and "bytes read as a string" in err:
        return "fastavro: bytes that a union's string reads stay what the writer meant, UTF-8 is not asked for"
    if has_promoting_union(reader):
        return "fastavro: takes the first branch of a union that a promotion reaches, Avro Java the same type first"
    return None


def has_promoting_union(schema):
    if isinstance(schema, list):
        kinds = {b if isinstance(b, str) else b["type"] for b in schema}
        if len(kinds & {"int", "long", "float", "double"}) > 1 or {"string", "bytes"} <= kinds:
            return True
        return any(has_promoting_union(b) for b in schema)
    if isinstance(schema, dict):
        return any(has_promoting_union(s) for s in [schema.get("items"), schema.get("values")] +
                   [f["type"] for f in schema.get("fields", [])])
    return False


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--avrogate", default="build-dev/avrogate")
    p.add_argument("--data", type=int, default=110000)
    p.add_argument("--each", type=int, default=100, help="data a schema")
    p.add_argument("--resolve-each", type=int, default=10)
    p.add_argument("--at-least", type=int, default=1, help="of each comparison, or it has failed")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    args = p.parse_args()
    args.read = args.back = args.resolved = args.unsure = 0
    args.excluded = {}
    faults = []
    with ThreadPoolExecutor(args.jobs) as pool:
        cases = [Case(args.seed * 1000003 + i, args.each, args) for i in range(args.data // args.each)]
        for found in pool.map(Case.run, cases):
            faults += found
            if len(faults) >= 10:
                pool.shutdown(cancel_futures=True)
                break
    for f in faults[:10]:
        print(f)
    for why, n in sorted(args.excluded.items()):
        print(f"{n} left out: {why}")
    print(f"read alike: {args.read}, encoded back: {args.back}, resolved alike: {args.resolved}, "
          f"branch not told by fastavro: {args.unsure}, faults: {len(faults)}")
    if min(args.read, args.resolved) < args.at_least:
        print(f"fewer than {args.at_least} were compared")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
