#!/usr/bin/env python3
"""Our expressions against cel-go, on random ones.  By hand: needs Go and its module proxy.

usage: tests/differential/cel_against_go.py [--count N] [--seed S]     after cmake --build --preset dev

Expressions are made by type, so that most of them type-check; some are broken on purpose.  Both must refuse, both must err, or
both must say the same value.  EXCUSED names what is known to differ; it is counted.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

GO_MOD = "module judge\n\ngo 1.23\n\nrequire cel.dev/cel-go v0.32.0\n"
GO = r'''
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

func main() {
	env, err := cel.NewEnv(ext.Strings(), cel.CrossTypeNumericComparisons(true))
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	for in.Scan() {
		var text string
		json.Unmarshal(in.Bytes(), &text)
		ast, issues := env.Compile(text)
		if issues.Err() != nil {
			fmt.Println("refused", strings.ReplaceAll(issues.Err().Error(), "\n", " "))
			continue
		}
		program, err := env.Program(ast)
		if err != nil {
			fmt.Println("refused", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		v, _, err := program.Eval(map[string]any{})
		if err != nil {
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		s, err := formatted(env, v)
		fmt.Println("value", v.Type().TypeName(), s)
	}
}

// The text of it is what both can say: format() is of the language.
func formatted(env *cel.Env, v any) (string, error) {
	e, err := env.Extend(cel.Variable("x", cel.DynType))
	if err != nil {
		return "", err
	}
	ast, issues := e.Compile("'%s'.format([x])")
	if issues.Err() != nil {
		return "", issues.Err()
	}
	p, err := e.Program(ast)
	if err != nil {
		return "", err
	}
	out, _, err := p.Eval(map[string]any{"x": v})
	if err != nil {
		return "?", err
	}
	s, _ := json.Marshal(string(out.(types.String)))
	return string(s), nil
}
'''
EXCUSED = {
    "positions past the end: cel-spec wants an error": lambda e, ours, theirs: "ndexOf" in e and "index out of range" in ours,
    "a timestamp, duration or pattern that is wrong as a literal is refused": lambda e, ours, theirs: bool(re.match(r"error: \d+:\d+: (type conversion error|timestamp out of range|pattern)", ours)),
    "a format clause that cel-go refuses when compiling is an error when it runs": lambda e, ours, theirs: theirs.startswith("refused") and "format" in theirs,
    "milliseconds of a duration: cel-spec wants those beyond the second": lambda e, ours, theirs: "getMilliseconds()" in e,
    "the text of a timestamp is in UTC": lambda e, ours, theirs: "+02:00" in e and "+02:00" in theirs,
    "items of an empty list: cel-go takes the first type that fits": lambda e, ours, theirs: "[]" in e and theirs.startswith("refused") and "no matching overload" in theirs,
    "bytes that are no UTF-8, side by side, are one U+FFFD: cel-spec": lambda e, ours, theirs: "\\ufffd\\ufffd" in theirs,
    "durations are exact, there they are doubles": lambda e, ours, theirs: same_but_for_seconds(ours, theirs)
    or ("string(" in e and ("999999999Z" in e or "1ns" in e)),
}
SECONDS = re.compile(r"-?\d+(\.\d+)?[sS]")


def same_but_for_seconds(ours, theirs):
    a, b = SECONDS.findall(ours), SECONDS.findall(theirs)
    return bool(a or b) and SECONDS.sub("#", ours) == SECONDS.sub("#", theirs)


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.names = []

    def pick(self, *ways):
        return self.rng.choice(ways)()

    def of(self, kind, depth):
        if self.rng.random() < 0.01:
            kind = self.rng.choice(["int", "uint", "double", "string", "bool", "list", "bytes", "ts", "dur"])
        names = [n for n, k in self.names if k == kind]
        if names and self.rng.random() < 0.4:
            return self.rng.choice(names)
        if depth <= 0:
            return self.literal(kind)
        return self.rng.choice(getattr(self, "make_" + kind)(depth - 1))()

    def literal(self, kind):
        r = self.rng
        return {
            "int": lambda: str(r.choice([0, 1, -1, 2, 7, 10, 63, 2**31, 2**53 + 1, 2**63 - 1, -2**63, r.randint(-100, 100)])),
            "uint": lambda: f"{r.choice([0, 1, 2, 9, 2**53 + 1, 2**63, 2**64 - 1, r.randint(0, 100)])}u",
            "double": lambda: r.choice(["0.0", "1.0", "-1.5", "1e18", "9.3e18", "1e300", "0.1", "2.5", "-0.0", "9007199254740993.0", "1e-7", "double('nan')", "double('inf')",
                                        f"{r.uniform(-100, 100):.3f}"]),
            "string": lambda: r.choice(["''", "'a'", "'ab'", "'héé'", "'\\U0001F600x'", "' a b '", "'1'", "'-7'", "'1.5'", "'true'", "'a,b,,c'", "'AbC'", "'\\n\"'", "'1s'", "'%s'",
                                        "'2024-02-29T12:00:00Z'"]),
            "bool": lambda: r.choice(["true", "false"]),
            "bytes": lambda: r.choice(["b''", "b'a'", "b'\\xff'", "b'h\\xc3\\xa9'"]),
            "list": lambda: "[" + ", ".join(self.literal("int") for _ in range(r.randint(0, 3))) + "]",
            "ts": lambda: f"timestamp('{r.choice(['2024-02-29T23:59:59.5Z', '1969-12-31T23:59:59.999999999Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2023-07-01T12:00:00+02:00'])}')",
            "dur": lambda: f"duration('{r.choice(['0', '1s', '-1.5h', '100ms', '1h2m3s', '9223372036s', '1ns', '-90m'])}')",
        }[kind]()

    def both(self, kind, op, depth):
        return lambda: f"({self.of(kind, depth)} {op} {self.of(kind, depth)})"

    def number(self, d):
        return self.of(self.rng.choice(["int", "uint", "double"]), d)

    def with_name(self, kind, depth, what):
        name = f"v{len(self.names)}"
        self.names.append((name, kind))
        try:
            return name, self.of(what, depth)
        finally:
            self.names.pop()

    def macro(self, name, depth, what):
        def one():
            n, body = self.with_name("int", depth, what)
            return f"{self.of('list', depth)}.{name}({n}, {body})"
        return one

    def make_int(self, d):
        f = self.of
        return [*[self.both("int", op, d) for op in "+-*/%"], lambda: f"-({f('int', d)})", lambda: f"int({f(self.rng.choice(['uint', 'double', 'string', 'ts', 'int']), d)})",
                lambda: f"size({f(self.rng.choice(['string', 'bytes', 'list']), d)})", lambda: f"{f('list', d)}[{f('int', 0)}]",
                lambda: f"({f('bool', d)} ? {f('int', d)} : {f('int', d)})", lambda: f"{f('string', d)}.indexOf({f('string', 0)})",
                lambda: f"{f('string', d)}.lastIndexOf({f('string', 0)})",
                lambda: f"{f('ts', d)}.get{self.rng.choice(['FullYear', 'Month', 'Date', 'DayOfMonth', 'DayOfWeek', 'DayOfYear', 'Hours', 'Minutes', 'Seconds', 'Milliseconds'])}"
                        f"({self.rng.choice(['', chr(39) + 'Europe/Zurich' + chr(39), chr(39) + 'America/St_Johns' + chr(39), chr(39) + '-03:30' + chr(39)])})",
                lambda: f"{f('dur', d)}.get{self.rng.choice(['Hours', 'Minutes', 'Seconds', 'Milliseconds'])}()",
                lambda: "{'a': " + f("int", d) + ", 'b': " + f("int", d) + "}." + self.rng.choice("abc")]

    def make_uint(self, d):
        return [*[self.both("uint", op, d) for op in "+-*/%"], lambda: f"uint({self.of(self.rng.choice(['int', 'double', 'string']), d)})"]

    def make_double(self, d):
        return [*[self.both("double", op, d) for op in "+-*/"], lambda: f"-({self.of('double', d)})", lambda: f"double({self.of(self.rng.choice(['int', 'uint', 'string']), d)})"]

    def make_string(self, d):
        f, q = self.of, self.rng.choice
        return [self.both("string", "+", d), lambda: f"string({f(q(['int', 'uint', 'double', 'bool', 'bytes', 'dur', 'ts']), d)})",
                lambda: f"{f('string', d)}.{q(['lowerAscii', 'upperAscii', 'trim', 'reverse'])}()", lambda: f"{f('string', d)}.charAt({f('int', 0)})",
                lambda: f"{f('string', d)}.substring({q('0123')})", lambda: f"{f('string', d)}.substring({q('012')}, {q('1234')})",
                lambda: f"{f('string', d)}.replace({f('string', 0)}, {f('string', 0)})", lambda: f"{f('string', d)}.split({f('string', 0)}).join({f('string', 0)})",
                lambda: f"strings.quote({f('string', d)})", lambda: f"({f('bool', d)} ? {f('string', d)} : {f('string', d)})",
                lambda: f"'%d|%s'.format([{f('int', d)}, {f(q(['int', 'string', 'double', 'list', 'dur', 'ts', 'bool']), d)}])",
                lambda: f"'%.{q('0123')}f|%x'.format([{f('double', d)}, {f('int', d)}])"]

    def make_bool(self, d):
        f, q = self.of, self.rng.choice
        same = lambda op: lambda: (lambda k: f"({f(k, d)} {op} {f(k, d)})")(q(["int", "uint", "double", "string", "bytes", "bool", "ts", "dur"]))
        return [*[same(op) for op in ("==", "!=", "<", "<=", ">", ">=")], lambda: f"({self.number(d)} {q(['<', '<=', '>', '>='])} {self.number(d)})",
                lambda: f"(dyn({self.number(d)}) == dyn({self.number(d)}))", lambda: f"({f('list', d)} == {f('list', d)})", self.both("bool", "&&", d), self.both("bool", "||", d),
                self.both("bool", "&&", d), self.both("bool", "||", d), lambda: f"!({f('bool', d)})", lambda: f"({f('int', d)} in {f('list', d)})",
                lambda: f"{f('string', d)}.{q(['contains', 'startsWith', 'endsWith'])}({f('string', d)})", lambda: f"{f('string', d)}.matches({q([chr(39) + p + chr(39) for p in ('^a', 'b$', '[a-z]+', '.é', '(a|b){2}')])})",
                self.macro("all", d, "bool"), self.macro("exists", d, "bool"), self.macro("exists_one", d, "bool"), lambda: f"bool({f('string', d)})",
                lambda: "has({'a': " + f("int", d) + "}." + q("ab") + ")", lambda: f"(type({f(q(['int', 'string', 'list', 'ts']), d)}) == {q(['int', 'string', 'list', 'google.protobuf.Timestamp'])})"]

    def make_bytes(self, d):
        return [self.both("bytes", "+", d), lambda: f"bytes({self.of('string', d)})"]

    def make_list(self, d):
        return [lambda: "[" + ", ".join(self.of("int", d) for _ in range(self.rng.randint(0, 3))) + "]", self.both("list", "+", d), self.macro("map", d, "int"),
                self.macro("filter", d, "bool")]

    def make_ts(self, d):
        return [lambda: f"({self.of('ts', d)} {self.rng.choice('+-')} {self.of('dur', d)})", lambda: f"timestamp({self.of(self.rng.choice(['int', 'string']), d)})"]

    def make_dur(self, d):
        return [lambda: f"({self.of('dur', d)} {self.rng.choice('+-')} {self.of('dur', d)})", lambda: f"({self.of('ts', d)} - {self.of('ts', d)})",
                lambda: f"duration({self.of('string', 0)})"]

    def expression(self):
        text = self.of(self.rng.choice(["int", "bool", "bool", "string", "double", "uint", "list", "ts", "dur"]), self.rng.randint(1, 4))
        if self.rng.random() < 0.05:  # break it
            at = self.rng.randrange(len(text))
            text = text[:at] + self.rng.choice(["", ")", "(", "'", "?", ".", " ", "1", "&&", "\\"]) + text[at + 1:]
        return text


def judge(expressions):
    with tempfile.TemporaryDirectory() as d:
        pathlib.Path(d, "go.mod").write_text(GO_MOD)
        pathlib.Path(d, "main.go").write_text(GO)
        for command in (["go", "mod", "tidy"], ["go", "build", "-o", "judge", "."]):
            subprocess.run(command, cwd=d, check=True, stderr=subprocess.DEVNULL)
        r = subprocess.run([f"{d}/judge"], input="".join(json.dumps(e) + "\n" for e in expressions), capture_output=True, text=True, check=True)
        return r.stdout.splitlines()


def ours_of(expressions):
    build = os.environ.get("BUILD", "build-dev")
    asked = []
    for e in expressions:
        asked.append(json.dumps({"expr": e, "format": True}))
    r = subprocess.run([f"{build}/cel-ask"], input="".join(a + "\n" for a in asked), capture_output=True, text=True, check=True)
    return r.stdout.splitlines()


def same(ours, theirs):
    if theirs.startswith("value "):
        kind, text = theirs[6:].split(" ", 1)
        return ours.startswith(f"value {kind} ") and json.loads(ours.split(" ", 2)[2]) == json.loads(text)
    if theirs.startswith("refused"):
        return bool(re.match(r"error: \d+:\d+: ", ours))
    return ours.startswith("error") and not re.match(r"error: \d+:\d+: ", ours)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--count", type=int, default=20000)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    maker = Maker(random.Random(a.seed))
    expressions = [maker.expression() for _ in range(a.count)]
    ours, theirs = ours_of(expressions), judge(expressions)
    assert len(ours) == len(theirs) == len(expressions), (len(ours), len(theirs))
    kinds, excused, wrong = collections.Counter(), collections.Counter(), []
    for e, o, t in zip(expressions, ours, theirs):
        kinds[t.split(" ")[0]] += 1
        if same(o, t):
            continue
        why = next((w for w, holds in EXCUSED.items() if holds(e, o, t)), None)
        if why:
            excused[why] += 1
        else:
            wrong.append(f"{e}\n   ours   {o}\n   cel-go {t}")
    print(f"{len(expressions)} expressions: {dict(kinds)}; {len(wrong)} differ")
    for why, n in excused.items():
        print(f"excused: {n}: {why}")
    for w in wrong[:40]:
        print(w)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
