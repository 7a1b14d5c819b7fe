#!/usr/bin/env python3
"""Our regular expressions against RE2 itself (google-re2), on random patterns and texts.

Each pattern is built with texts that ought to fit it, and those are then damaged.  Some
patterns are damaged too, so that what RE2 refuses is refused and nothing else.  Known
differences are named in EXCUSED, counted, and printed.
"""
import argparse
import collections
import random
import struct
import subprocess
import sys

import re2

LETTERS = list("abcABCkKsSzZ019_ -.,\n\t") + ["é", "É", "ß", "ſ", "K", "Ω", "ω", "σ", "ς", "Σ", "я", "Я", "漢", "字", "ǅ", "ǆ", "Ǆ", "😀", "İ", "ı", "ᲀ", "Ꭰ", "ꭰ", "\u2028", "\u00a0", "\ufffd"]
PROPERTIES = "L Lu Ll Lt Lm Lo N Nd Nl No P Pc Pd Ps Pe Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cs M Mn Mc Me Greek Latin Cyrillic Han Common Inherited Cherokee Arabic Hiragana Any".split()
POSIX = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split()
NEW_IN_15_1 = {0x31EF, *range(0x2FFC, 0x3000), *range(0x2EBF0, 0x2EE5E)}  # the wheel's RE2 has them, Go's tables not
EXCUSED = {
    "one byte (\\C)": lambda p, texts, got, want: "\\C (one byte)" in got,
    "a limit of ours": lambda p, texts, got, want: got.startswith("E") and " limit " in got,
    # RE2 walks bytes: \\B holds for it between the bytes of one character.  Go's regexp says what we say.
    "\\B inside a character": lambda p, texts, got, want: "\\B" in p
    and len(got) == len(want)
    and all(a == b or (a < b and not t.isascii()) for a, b, t in zip(got, want, texts)),
}


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def letter(self):
        return self.rng.choice(LETTERS)

    def quote(self, c, in_class=False):
        r = self.rng.random()
        if r < 0.05:
            return "\\x{%x}" % ord(c)
        if r < 0.08 and ord(c) < 256:
            return "\\x%02x" % ord(c)
        if r < 0.10 and ord(c) < 64:
            return "\\%03o" % ord(c)
        if c == "\n" and r < 0.6:
            return "\\n"
        special = "\\]^-[" if in_class else "\\.+*?()|[]{}^$"
        return "\\" + c if c in special else c

    def class_item(self):
        r = self.rng.random()
        if r < 0.5:
            c = self.letter()
            return self.quote(c, True), c
        if r < 0.7:
            a, b = sorted([self.letter(), self.letter()])
            return f"{self.quote(a, True)}-{self.quote(b, True)}", self.rng.choice([a, b])
        if r < 0.8:
            return "\\" + self.rng.choice("dswDSW"), self.letter()
        if r < 0.9:
            return f"[:{self.rng.choice(['', '^'])}{self.rng.choice(POSIX)}:]", self.letter()
        return self.property(), self.letter()

    def property(self):
        name = self.rng.choice(PROPERTIES)
        p = self.rng.choice("pppP")
        if len(name) == 1 and self.rng.random() < 0.5:
            return f"\\{p}{name}"
        return "\\%s{%s%s}" % (p, self.rng.choice(["", "", "", "^"]), name)

    def char_class(self):
        items = [self.class_item() for _ in range(self.rng.randint(1, 4))]
        if self.rng.random() < 0.3:
            return "[^" + "".join(i[0] for i in items) + "]", self.letter()
        return "[" + self.rng.choice(["", "", "", "]", "-"]) + "".join(i[0] for i in items) + "]", self.rng.choice(items)[1]

    def atom(self, depth):
        r = self.rng.random()
        if r < 0.45:
            c = self.letter()
            return self.quote(c), c
        if r < 0.55:
            return ".", self.letter()
        if r < 0.67:
            return self.char_class()
        if r < 0.72:
            return "\\" + self.rng.choice("dswDSW"), self.letter()
        if r < 0.75:
            return self.property(), self.letter()
        if r < 0.83:
            return self.rng.choice(["^", "$", "\\A", "\\z", "\\b", "\\B", "\\b", "(?m)^", "(?m)$", "(?m:^)", "(?m:$)"]), ""
        if r < 0.85:
            return "(?%s)" % "".join(self.rng.sample("imsU", self.rng.randint(0, 2))) , ""
        if r < 0.86:
            s = "".join(self.letter() for _ in range(2))
            return f"\\Q{s}\\E", s
        if depth <= 0:
            c = self.letter()
            return self.quote(c), c
        p, t = self.alternatives(depth - 1)
        name = "g%d" % self.rng.randint(0, 10**6)
        opening = self.rng.choice(["(", "(", "(?:", "(?:", "(?i:", "(?s:", "(?m:", "(?-i:", "(?i-s:", f"(?P<{name}>", f"(?<{name}>"])
        return opening + p + ")", t

    def piece(self, depth):
        p, t = self.atom(depth)
        r = self.rng.random()
        if r < 0.7:
            return p, t
        lazy = self.rng.choice(["", "", "?"])
        if r < 0.78:
            return p + "*" + lazy, t * self.rng.randint(0, 3)
        if r < 0.86:
            return p + "+" + lazy, t * self.rng.randint(1, 3)
        if r < 0.93:
            return p + "?" + lazy, t * self.rng.randint(0, 1)
        low, more = self.rng.randint(0, 3), self.rng.randint(0, 3)
        count = self.rng.choice(["{%d}" % low, "{%d,}" % low, "{%d,%d}" % (low, low + more), "{%d,%d}" % (low, low + more)])
        return p + count + lazy, t * low

    def sequence(self, depth):
        pieces = [self.piece(depth) for _ in range(self.rng.randint(0 if self.rng.random() < 0.1 else 1, 4))]
        return "".join(p[0] for p in pieces), "".join(p[1] for p in pieces)

    def alternatives(self, depth):
        all_of = [self.sequence(depth) for _ in range(self.rng.choice([1, 1, 1, 2, 3]))]
        return "|".join(a[0] for a in all_of), self.rng.choice(all_of)[1]

    def damage(self, text, alphabet):
        text = list(text)
        for _ in range(self.rng.randint(1, 2)):
            at = self.rng.randint(0, len(text))
            what = self.rng.random()
            if what < 0.4:
                text.insert(at, self.rng.choice(alphabet))
            elif text and what < 0.8:
                del text[min(at, len(text) - 1)]
            elif text:
                text[min(at, len(text) - 1)] = self.rng.choice(alphabet)
        return "".join(text)

    def texts(self, fits, n):
        out = [fits]
        while len(out) < n:
            r = self.rng.random()
            if r < 0.35:
                out.append(self.damage(fits, LETTERS))
            elif r < 0.5:
                out.append(self.letter() + fits + self.letter())
            elif r < 0.6:
                out.append(fits.swapcase())
            elif r < 0.7:
                out.append("")
            else:
                out.append("".join(self.letter() for _ in range(self.rng.randint(1, 12))))
        return out

    def case(self, n):
        p, fits = self.alternatives(self.rng.randint(0, 4))
        if self.rng.random() < 0.15:
            p = self.damage(p, list("()[]{}*+?|\\^$-:,<>PQEpimsU=!109ax") + LETTERS)
        return p, self.texts(fits, n)


def piece(s):
    b = s.encode()
    return struct.pack(">I", len(b)) + b


def theirs(options, pattern, texts):
    try:
        compiled = re2.compile(pattern, options=options)
    except re2.error as x:
        return "E " + str(x)
    return "".join("01"[compiled.search(t) is not None] for t in texts)


def ours(ask, cases):
    given = b"".join(piece(p) + struct.pack(">I", len(ts)) + b"".join(map(piece, ts)) for p, ts in cases)
    out = subprocess.run([ask], input=given, stdout=subprocess.PIPE, check=True).stdout
    return out.decode().split("\n")[:-1]


def every_code_point(ask, options):
    """Each class and each folding, asked of every code point there is."""
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and c not in NEW_IN_15_1]
    names = [f"\\p{{{n}}}" for n in PROPERTIES] + [f"(?i)\\p{{{n}}}" for n in "Lu Ll Lt Greek Cherokee".split()]
    names += ["(?i)\\P{Lu}", "(?i)[^\\p{Ll}]", "\\w", "(?i)\\w", "(?i)[k-s]", "(?i)[[:upper:]]", ".", "(?s).", "\\s"]
    bad = []
    for name, got in zip(names, ours(ask, [(n, points) for n in names])):
        want = theirs(options, name, points)
        if got != want:
            wrong = [hex(ord(p)) for p, a, b in zip(points, got, want) if a != b]
            bad.append(f"{name}: {len(wrong)} code points differ, the first {wrong[:5]}")
    return len(names) * len(points), bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ask", default="build-dev/regex-ask")
    p.add_argument("--patterns", type=int, default=10000)
    p.add_argument("--texts", type=int, default=10, help="a pattern")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--every-code-point", action="store_true")
    args = p.parse_args()
    options = re2.Options()
    options.log_errors = False
    maker = Maker(random.Random(args.seed))
    cases = [maker.case(args.texts) for _ in range(args.patterns)]
    refused = matched = compared = 0
    excused, bad = collections.Counter(), []
    for (pattern, texts), got in zip(cases, ours(args.ask, cases), strict=True):
        want = theirs(options, pattern, texts)
        why = next((w for w, test in EXCUSED.items() if test(pattern, texts, got, want)), None)
        if got.startswith("E") and want.startswith("E"):
            refused += 1
        elif got == want:
            compared += len(texts)
            matched += got.count("1")
        elif why is not None:
            excused[why] += 1
        else:
            bad.append(f"{pattern!r}\n  ours   {got}\n  theirs {want}\n  of {texts!r}")
    if args.every_code_point:
        points, wrong = every_code_point(args.ask, options)
        print(f"{points} times a class was asked of a code point, {len(wrong)} classes differ")
        bad += wrong
    for b in bad[:10]:
        print(b)
    for why, n in excused.items():
        print(f"{n} patterns left out: {why}")
    print(f"{args.patterns} patterns, refused by both: {refused}; texts compared: {compared}, of which {matched} match; differences: {len(bad)}")
    return 1 if bad or compared < args.patterns * args.texts // 2 else 0


if __name__ == "__main__":
    sys.exit(main())
