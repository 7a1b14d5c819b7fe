#!/usr/bin/env python3
"""cel-spec's own conformance cases (tests/simple/testdata of cel.dev/expr, a Go module of
that version), asked of our compiler.

What cannot apply here is left out by file or by case, each with a reason, and counted.
Everything else must pass but for KNOWN, which are named too.
"""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

MODULE = "cel.dev/expr@v0.25.3"
EXTENSION = "an extension that is no part of this language"
PROTO = "protobuf messages: records here are Avro's"
FILES = {
    "proto2": PROTO, "proto2_ext": PROTO, "proto3": PROTO, "enums": PROTO, "wrappers": PROTO, "dynamic": PROTO,
    "optionals": EXTENSION, "bindings_ext": EXTENSION, "block_ext": EXTENSION, "encoders_ext": EXTENSION,
    "math_ext": EXTENSION, "network_ext": EXTENSION, "lists_ext": EXTENSION, "macros2": EXTENSION,
    "unknowns": "it has no cases",
}
KNOWN = {}


class Inapplicable(Exception):
    pass


# Reading: a textproto as {name: [value, ...]}

TOKEN = re.compile(r"""\s+|\#[^\n]*|(?P<s>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<w>[-+]?[\w.]+(?:[-+]\d+)?)|(?P<p>[{}<>\[\]:,;/])""")
ESCAPE = re.compile(rb"""\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))""", re.S)
SIMPLE = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v"))


def unescape(s):
    def one(m):
        octal, hexa, u4, u8, c = m.groups()
        if octal or hexa:
            return bytes([int(octal, 8) if octal else int(hexa, 16)])
        if u4 or u8:
            return chr(int(u4 or u8, 16)).encode()
        return bytes([SIMPLE.get(c[0], c[0])])
    return ESCAPE.sub(one, s[1:-1].encode())


def tokens(text):
    at = 0
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise SystemExit(f"no textproto at {text[at:at + 40]!r}")
        at = m.end()
        if m.lastgroup:
            yield m.lastgroup, m.group()


class Reader:
    def __init__(self, text):
        self.tokens = list(tokens(text)) + [("end", "")]
        self.at = 0

    def peek(self):
        return self.tokens[self.at][1] if self.tokens[self.at][0] in ("p", "end") else None

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def message(self, end):
        out = collections.defaultdict(list)
        while self.peek() != end:
            kind, name = self.take()
            if name == "[":  # [type.googleapis.com/name]
                name = ""
                while self.peek() != "]":
                    name += self.take()[1]
                self.take()
            if self.peek() == ":":
                self.take()
            out[name] += self.values()
            if self.peek() in (",", ";"):
                self.take()
        self.take()
        return out

    def values(self):
        if self.peek() == "[":
            self.take()
            out = []
            while self.peek() != "]":
                out += self.values()
                if self.peek() == ",":
                    self.take()
            self.take()
            return out
        if self.peek() in ("{", "<"):
            return [self.message({"{": "}", "<": ">"}[self.take()[1]])]
        kind, text = self.take()
        if kind != "s":
            return [text]
        out = unescape(text)
        while self.tokens[self.at][0] == "s":
            out += unescape(self.take()[1])
        return [out]


def read(path):
    return Reader(path.read_text()).message("")


# Values and types of the cases in our words

def quote(s):
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in s) + '"'


def any_value(m):
    (url, inner), = m.items()
    inner = inner[0]
    name = url.rsplit("/", 1)[-1]
    seconds, nanos = int(inner.get("seconds", ["0"])[0]), int(inner.get("nanos", ["0"])[0])
    if name == "google.protobuf.Duration":
        return f'duration("{seconds * 10**9 + nanos}ns")'
    if name == "google.protobuf.Timestamp":
        return f'timestamp({seconds}) + duration("{nanos}ns")'
    raise Inapplicable(PROTO)


def value(v):
    if not v:
        raise Inapplicable("a value that is not said")
    (kind, x), = v.items()
    x = x[0]
    if kind == "null_value":
        return "null"
    if kind == "bool_value":
        return x
    if kind == "int64_value":
        return str(int(x, 0))
    if kind == "uint64_value":
        return f"{int(x, 0)}u"
    if kind == "double_value":
        return f'double("{x.rstrip("f") if "inf" not in x else x}")'
    if kind == "string_value":
        return quote(x.decode())
    if kind == "bytes_value":
        return 'b"' + "".join(f"\\x{b:02x}" for b in x) + '"'
    if kind == "type_value":
        return x.decode()
    if kind == "list_value":
        return "[" + ", ".join(value(i) for i in x.get("values", [])) + "]"
    if kind == "map_value":
        return "{" + ", ".join(f"{value(e['key'][0])}: {value(e['value'][0])}" for e in x.get("entries", [])) + "}"
    if kind == "object_value":
        return any_value(x)
    raise Inapplicable(PROTO)


PRIMITIVES = {"BOOL": ("b", "bool"), "INT64": ("i", "int"), "UINT64": ("u", "uint"), "DOUBLE": ("d", "double"), "STRING": ("s", "string"),
              "BYTES": ("y", "bytes")}
WELL_KNOWN = {"TIMESTAMP": ("t", "google.protobuf.Timestamp"), "DURATION": ("r", "google.protobuf.Duration"), "ANY": ("*", "dyn")}


def type_of(t):
    """A signature's letters, and the name that is printed."""
    (kind, x), = t.items()
    x = x[0]
    if kind == "primitive":
        return PRIMITIVES[x]
    if kind == "well_known":
        return WELL_KNOWN[x]
    if kind == "dyn":
        return "*", "dyn"
    if kind == "null":
        return "n", "null_type"
    if kind == "wrapper":
        letter, name = PRIMITIVES[x]
        return "?" + letter, name + " or null"
    if kind == "list_type":
        letter, name = type_of(x["elem_type"][0])
        return "[" + letter, f"list({name})"
    if kind == "map_type":
        k, v = type_of(x["key_type"][0]), type_of(x["value_type"][0])
        return "{" + k[0] + v[0], f"map({k[1]}, {v[1]})"
    if kind == "type":
        return "T", "type"
    if kind == "message_type" and x in (b"google.protobuf.Timestamp", b"google.protobuf.Duration"):
        return WELL_KNOWN[x.decode().rsplit(".", 1)[-1].upper()]
    raise Inapplicable(PROTO if kind == "message_type" else f"the type {kind}")


MESSAGE = re.compile(r"TestAllTypes|NestedTestAllTypes|google\.protobuf\.\w+\s*\{|GlobalEnum|cel\.expr\.conformance|google\.api\.expr|google\.protobuf\.(?!Timestamp|Duration)")


def case(test):
    expr = test["expr"][0].decode()
    if MESSAGE.search(expr):
        raise Inapplicable(PROTO)
    if re.search(r"\.\?|\[\?|optional\.|\?\w+:", expr):
        raise Inapplicable(EXTENSION)
    out = {"expr": expr, "vars": []}
    if "container" in test:
        out["container"] = test["container"][0].decode()
    if test.get("disable_check") == ["true"]:
        out["lenient"] = True
    if test.get("disable_macros") == ["true"]:
        raise Inapplicable("macros cannot be switched off")
    types = {}
    for t in test.get("type_env", []):
        if "ident" not in t:
            raise Inapplicable("functions of the host: there are none")
        types[t["name"][0].decode()] = type_of(t["ident"][0]["type"][0])[0]
    for b in test.get("bindings", []):
        name = b["key"][0].decode()
        out["vars"].append([name, types.pop(name, "*"), value(b["value"][0]["value"][0])])
    out["vars"] += [[name, letter, "null"] for name, letter in types.items()]
    if "eval_error" in test or "any_eval_errors" in test:
        out["error"] = True
        if types:  # a variable without a value: here every variable has one
            raise Inapplicable("variables without a value: every variable has one")
    elif "typed_result" in test:
        r = test["typed_result"][0]
        out["type"] = type_of(r["deduced_type"][0])[1]
        if test.get("check_only") == ["true"]:
            out["check"] = True
        elif "result" in r:
            out["want"] = value(r["result"][0])
    elif "unknown" in test or "any_unknowns" in test:
        raise Inapplicable("partial evaluation")
    else:
        out["want"] = value(test["value"][0]) if "value" in test else "true"
    return out


def testdata():
    if not shutil.which("go"):
        print("skipped: no Go to fetch the cases with")
        sys.exit(77)
    r = subprocess.run(["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, cwd="/")
    if r.returncode != 0:
        print(f"skipped: {MODULE} cannot be fetched: {r.stderr.strip()[-300:]}")
        sys.exit(77)
    return pathlib.Path(json.loads(r.stdout)["Dir"]) / "tests/simple/testdata"


def main():
    build = os.environ.get("BUILD", "build-dev")
    cases, left_out = [], collections.Counter()
    for path in sorted(testdata().glob("*.textproto")):
        f = read(path)
        for section in f.get("section", []):
            for test in section.get("test", []):
                name = "/".join([path.stem, section["name"][0].decode(), test["name"][0].decode()])
                try:
                    if path.stem in FILES:
                        raise Inapplicable(FILES[path.stem])
                    cases.append((name, case(test)))
                except Inapplicable as why:
                    left_out[path.stem, str(why)] += 1
    asked = "".join(json.dumps(c) + "\n" for _, c in cases)
    r = subprocess.run([f"{build}/cel-ask"], input=asked, capture_output=True, text=True)
    answers = r.stdout.splitlines()
    assert len(answers) == len(cases), f"{len(answers)} answers to {len(cases)} cases: {r.stderr[-500:]}"
    passed, wrong = collections.Counter(), []
    for (name, c), answer in zip(cases, answers):
        passed[name.split("/")[0], answer == "ok"] += 1
        if answer != "ok" and name not in KNOWN:
            wrong.append(f"{name}: {c['expr']!r}: {answer}; wanted {c.get('want', c.get('type', 'an error'))}")
    for stem in sorted({s for s, _ in passed}):
        print(f"{stem}: {passed[stem, True]} of {passed[stem, True] + passed[stem, False]}")
    for (stem, why), n in sorted(left_out.items()):
        print(f"not applicable: {n} of {stem}: {why}")
    for name, why in KNOWN.items():
        print(f"known: {name}: {why}")
    total = sum(passed.values())
    print(f"cel-spec {MODULE}: {sum(n for (_, ok), n in passed.items() if ok)} of {total} applicable cases pass, {sum(left_out.values())} are not applicable")
    for w in wrong:
        print("not as wanted:", w)
    sys.exit(1 if wrong or total < 1300 else 0)


if __name__ == "__main__":
    main()
