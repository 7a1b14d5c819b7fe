#!/usr/bin/env python3
"""avrogate produce on real Kafka: every row of a file read back by confluent-kafka's AvroDeserializer; then what happens when it goes wrong.

Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import csv, io, json, os, pty, random, re, signal, subprocess, sys, tempfile, time
from datetime import date
from decimal import Decimal

import world
from world import AVROGATE, KAFKA, World, check, check_that, free_port, make_topic, need, read_topic, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

run = "produce%d" % os.getpid()
SCHEMA = {"type": "record", "name": "Sale", "namespace": "test", "fields": [
    {"name": "id", "type": "long"},
    {"name": "zip", "type": "string"},
    {"name": "temp_max", "type": "double"},
    {"name": "city", "type": "string", "aliases": ["town"]},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "seen", "type": ["null", "int"], "default": None},
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "extra", "type": "string", "default": "none given"}]}
COLUMNS = ["id", "zip", "temp max", "town", "Price (EUR)", "day", "seen", "note"]
MAP = ("--map", "Price (EUR)=price")
NOTES = ["", "two\nlines", 'says "so"', "a, b; c", "ünïcode", "\ttab", "crlf\r\ninside", "  spaces  "]
rng = random.Random(4)


def made_row(i):
    """The cells of row i, and the record they must become."""
    price, note, seen = Decimal(rng.randrange(-10**9, 10**9)) / 100, rng.choice(NOTES), rng.choice([None, rng.randrange(-2**31, 2**31)])
    real, day = rng.choice([rng.uniform(-40, 40), 0.1, 1e300, -0.0]), date(2000 + i % 30, 1 + i % 12, 1 + i % 28)
    cells = [str(i), "%05d" % (i % 99999), repr(real), "Zürich" if i % 2 else 'St. "G"', str(price), day.isoformat(), "" if seen is None else str(seen), note]
    return cells, {"id": i, "zip": cells[1], "temp_max": real, "city": cells[3], "price": price.quantize(Decimal("0.01")), "day": day,
                   "seen": seen, "note": note or None, "extra": "none given"}


# what is wrong, in which column (from 1), with which cell
BAD = [(1, "12x"), (3, "warm"), (5, "1.999"), (6, "2026-02-30"), (7, "2147483648")]


def made_file(path, n, bad_every=0, delimiter=",", bom=True):
    """Writes a file of n rows; gives the records of the good ones and (line, column, cell) of the bad."""
    out, good, bad = io.StringIO(), [], []
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    for i in range(n):
        line = out.getvalue().count("\n") + 1 if bad_every else 0
        cells, record = made_row(i)
        if bad_every and i % bad_every == bad_every - 1:
            column, cell = BAD[len(bad) % len(BAD)]
            cells[column - 1], cells[7] = cell, "bad"
            bad.append((line, column, cell))
        else:
            good.append(record)
        writer.writerow(cells)
    with open(path, "wb") as f:
        f.write((b"\xef\xbb\xbf" if bom else b"") + out.getvalue().encode())
    return good, bad


class Ran:
    def __init__(self, argv, **more):
        p = subprocess.run([AVROGATE, "produce", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **more)
        self.code, self.out, self.err = p.returncode, p.stdout.decode(), p.stderr.decode()

    @property
    def json(self):
        return json.loads(self.out)


w = World()
folder = tempfile.TemporaryDirectory()


def through(topic, *argv):
    return ["--gateway", "http://127.0.0.1:%d" % w.gateway_port, "--topic", topic, *argv]


def straight(topic, *argv):
    return ["--bootstrap", KAFKA, "--registry", "http://127.0.0.1:%d" % w.registry_port, "--topic", topic, *argv]


def at(name):
    return os.path.join(folder.name, name)


def fresh(name, partitions=1, schema=SCHEMA):
    topic = "%s-%s" % (run, name)
    make_topic(KAFKA, topic, partitions)
    w.register(topic + "-value", schema)
    return topic


def records(topic, partitions=1):
    read = AvroDeserializer(SchemaRegistryClient({"url": "http://127.0.0.1:%d" % w.registry_port}))
    return [read(m.value(), SerializationContext(topic, MessageField.VALUE)) for m in read_topic(KAFKA, topic, partitions)]


def written(topic):
    c = Consumer({"bootstrap.servers": KAFKA, "group.id": "counter"})
    try:
        return c.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)[1]
    finally:
        c.close()


def same(what, got, want):
    """As check(), but says only where two long lists part."""
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return check("%s (record %d)" % (what, i), a, b)
    return check(what, len(got), len(want))


def places(err):
    return [(int(a), int(b), c) for a, b, c in re.findall(r'csv:(\d+): column (\d+) "[^"]*", cell "([^"]*)"', err)]


def every_row(name, way, delimiter):
    good, bad = made_file(at(name + ".csv"), 3000, 97, delimiter)
    topic = fresh(name)
    r = Ran(way(topic, *MAP, "--delimiter", delimiter, "--key-field", "zip", "--rejects", at(name + "-bad.csv"), "--json", at(name + ".csv")))
    check("%s: some rows are refused, so it is not complete" % name, r.code, 1)
    check("%s: the counts are those of the file" % name, (r.json["outcome"], r.json["read"], r.json["written"], r.json["refused"]), ("done", 3000, len(good), len(bad)))
    check("%s: the first refused rows are told by line, column and cell" % name, places(r.err), bad[:20])
    check_that("%s: no bar where there is no terminal" % name, "\r" not in r.err and "ETA" not in r.err, r.err)
    same("%s: every good row is in the topic as the file has it, in order" % name, records(topic), good)
    check("%s: the key is the field, leading zeros and all" % name, read_topic(KAFKA, topic)[7].key(), b"00007")

    with open(at(name + "-bad.csv"), newline="", encoding="utf-8") as f:
        kept = list(csv.reader(f, delimiter=delimiter))
    check("%s: the file of rejects has the header and two columns more" % name, kept[0], COLUMNS + ["avrogate_line", "avrogate_errors"])
    check("%s: and every bad row with its line" % name, [(int(k[8]), k[c - 1]) for k, (_, c, _) in zip(kept[1:], bad)], [(line, cell) for line, _, cell in bad])
    for k, (_, column, _) in zip(kept[1:], bad):
        k[column - 1] = {1: "1000000", 3: "1.5", 5: "1.99", 6: "2026-02-28", 7: "5"}[column]
    with open(at(name + "-mended.csv"), "w", newline="", encoding="utf-8") as f:
        csv.writer(f, delimiter=delimiter, lineterminator="\n").writerows(kept)
    r = Ran(way(topic, *MAP, "--delimiter", delimiter, "--json", at(name + "-mended.csv")))
    check("%s: mended, that file goes in whole, though it has two columns more" % name, (r.code, r.json["written"]), (0, len(bad)))
    check("%s: now all rows are there" % name, len(read_topic(KAFKA, topic)), 3000)


def on_standard_input():
    topic = fresh("stdin")
    lines = "\n\n".join(json.dumps({"id": i, "zip": "%05d" % i, "temp_max": i / 8, "city": "x", "price": i, "day": "2026-11-21"}) for i in range(500))
    for way in (through, straight):
        r = Ran(way(topic, "--format", "ndjson", "--json", "-"), input=lines.encode())
        check("NDJSON on standard input is taken by %s" % way.__name__, (r.code, r.json["written"]), (0, 500))
    check("and twice the same is in the topic", [k["zip"] for k in records(topic)], ["%05d" % i for i in range(500)] * 2)
    r = Ran(through(topic, "--format", "ndjson", "-"), input=b'{"id":1}\n\n{"id":"x","zip":"","temp_max":1,"city":"","price":1,"day":"2026-11-21"}\n')
    check_that("a refused line is told by line and column", re.search(r'^stdin:3: column 7: ', r.err, re.M) and "stdin:1:" in r.err, r.err)


def wrong_from_the_start():
    topic = fresh("wrong")
    made_file(at("wrong.csv"), 10)
    r = Ran(through(topic, at("wrong.csv")))
    check_that("a header without its field stops it, and says how to go on", r.code == 1 and "Price (EUR)" in r.err and "--map" in r.err, r.err)
    r = Ran(through(topic, "--map", "Prize=price", at("wrong.csv")))
    check_that("so does a --map of a column that is not there", r.code == 2 and "temp max" in r.err, r.err)
    r = Ran(through("no-such-%d" % os.getpid(), *MAP, at("wrong.csv")))
    check_that("and a topic without a schema", r.code == 1 and "no-such" in r.err, r.err)
    r = Ran(through(topic, at("not-there.csv")))
    check_that("a file that is not there is no run at all", r.code == 2 and "not-there.csv" in r.err, r.err)
    r = Ran(["--topic", topic, at("wrong.csv")])
    check_that("nor is one without a way", r.code == 2 and "--gateway" in r.err, r.err)
    for way in (through, straight):
        r = Ran(way(topic, *MAP, "--dry-run", "--json", at("wrong.csv")))
        check("%s: a dry run takes all rows" % way.__name__, (r.code, r.json["accepted"]), (0, 10))
    made_file(at("reject.csv"), 10, 5)
    r = Ran(through(topic, *MAP, "--on-error", "reject", "--json", at("reject.csv")))
    check("on_error reject: one bad row and nothing of its request is written", (r.code, r.json["outcome"], r.json["next_line"]), (1, "failed", 2))
    check("nothing of all this is in the topic", written(topic), 0)


def samples_and_loops():
    topic = fresh("sample")
    good, _ = made_file(at("sample.csv"), 40)
    for _ in range(2):
        r = Ran(through(topic, *MAP, "--sample", "--seed", "7", "--count", "60", "--rate", "5000", "--json", at("sample.csv")))
        check("a sample ends when its count is reached", (r.code, r.json["written"]), (0, 60))
    got = records(topic)
    same("the same seed gives the same rows", got[:60], got[60:])
    check_that("they are rows of the file, and not in its order", all(g in good for g in got) and [g["id"] for g in got[:60]] != sorted(g["id"] for g in got[:60]))
    topic = fresh("loop")
    r = Ran(straight(topic, *MAP, "--loop", "--count", "100", "--json", at("sample.csv")))
    check("a loop ends when its count is reached", (r.code, r.json["written"]), (0, 100))
    check("and has begun again at the first row", [k["id"] for k in records(topic)], [i % 40 for i in range(100)])
    began = time.monotonic()
    r = Ran(through(topic, *MAP, "--rate", "20", "--json", at("sample.csv")))
    check_that("--rate holds it back", r.code == 0 and time.monotonic() - began > 1.7, time.monotonic() - began)


def on_a_terminal():
    topic = fresh("terminal")
    made_file(at("terminal.csv"), 400)
    ours, its = pty.openpty()
    p = subprocess.Popen([AVROGATE, "produce", *through(topic, *MAP, "--rate", "400", at("terminal.csv"))], stdout=subprocess.PIPE, stderr=its,
                         env=dict(os.environ, TERM="xterm"))
    os.close(its)
    seen = b""
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError: # the other end is closed
            break
        if not more:
            break
        seen += more
    os.close(ours)
    bar = re.search(rb"\r\x1b\[K\[=*>? *\] +\d+ %  \d+ rows  [\d,]+/s  ETA \d:\d\d", seen)
    check_that("a terminal gets a bar", p.wait(60) == 0 and bar, seen)
    check_that("which is wiped at the end", seen.endswith(b"\r\x1b[K"), seen[-200:])
    p.stdout.close()


def interrupted():
    good, _ = made_file(at("interrupted.csv"), 20000, bom=False)
    for way in (through, straight):
        topic = fresh("interrupted-" + way.__name__)
        p = subprocess.Popen([AVROGATE, "produce", *way(topic, *MAP, "--rate", "10000", "--batch", "300", "--json", at("interrupted.csv"))],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until("some rows are written", lambda: written(topic) > 1000)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        said = json.loads(out)
        check("Ctrl-C ends it between two requests", (p.returncode, said["outcome"], said["written"]), (1, "interrupted", written(topic)))
        check_that("and it says where to go on", "--from-line %d" % said["next_line"] in err.decode(), err.decode())
        r = Ran(way(topic, *MAP, "--from-line", str(said["next_line"]), at("interrupted.csv")))
        check("going on from there ends well", r.code, 0)
        same("%s: nothing is missing and nothing double" % way.__name__, records(topic), good)


def gateway_killed():
    """kill -9 of the gateway, again and again; each time on from the line it says."""
    good, _ = made_file(at("killed.csv"), 60000, bom=False)
    topic, line, doubts, kills = fresh("killed"), 0, [], 0
    for _ in range(40):
        p = subprocess.Popen([AVROGATE, "produce", *through(topic, *MAP, "--batch", "400", "--patience", "500ms", "--json", "--quiet", "--from-line", str(line), at("killed.csv"))],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if kills < 8:
            kills += 1
            before = written(topic)
            until("it writes", lambda: written(topic) > before or p.poll() is not None)
            time.sleep(rng.uniform(0, 0.02))
            w.end("gateway", signal.SIGKILL)
        out, err = p.communicate(timeout=60)
        said = json.loads(out)
        if said["outcome"] == "done":
            break
        check_that("it stops and says where to go on", p.returncode == 1 and said["next_line"] >= line and "--from-line %d" % said["next_line"] in err.decode(), err.decode())
        line = said["next_line"]
        if said["outcome"] == "in_doubt":
            doubts.append(said["doubt_lines"])
        w.start_gateway()
    else:
        check("it comes to its end", False, True)
    if "gateway" not in w.running:
        w.start_gateway()
    with open(at("killed.csv"), newline="", encoding="utf-8") as f:
        reader = csv.reader(f)
        next(reader)
        line_of, begins = {}, 2
        for row in reader:
            line_of[int(row[0])], begins = begins, reader.line_num + 1
    got = [g["id"] for g in records(topic)]
    check("no row is missing after %d kills" % kills, len(set(got)), len(good))
    doubled = doubles(got)
    check("what is there twice was said to be in doubt (%d rows in %d doubts)" % (len(doubled), len(doubts)),
          [i for i in doubled if not any(a <= line_of[i] <= b for a, b in doubts)], [])


def doubles(ids):
    seen, twice = set(), set()
    for i in ids:
        (twice if i in seen else seen).add(i)
    return twice


def away():
    good, _ = made_file(at("away.csv"), 500)
    topic, nowhere = fresh("away"), "127.0.0.1:%d" % free_port()
    for what, argv in (("gateway", ["--gateway", "http://" + nowhere]),
                       ("broker", ["--bootstrap", nowhere, "--registry", "http://127.0.0.1:%d" % w.registry_port]),
                       ("registry", ["--bootstrap", KAFKA, "--registry", "http://" + nowhere])):
        r = Ran([*argv, "--topic", topic, *MAP, "--patience", "1s", "--json", at("away.csv")])
        check("with the %s away nothing is written, and it says so" % what, (r.code, r.json["outcome"], r.json["next_line"], r.json["written"]), (1, "failed", 2, 0))
        check_that("and from which line to go on", "--from-line 2" in r.err, r.err)
    check("the topic is empty", written(topic), 0)
    r = Ran(["--gateway", "http://%s,http://127.0.0.1:%d" % (nowhere, w.gateway_port), "--topic", topic, *MAP, "--json", at("away.csv")])
    check("of two gateways one is enough", (r.code, r.json["written"]), (0, 500))

    topic = fresh("back")
    w.end("gateway")
    p = subprocess.Popen([AVROGATE, "produce", *through(topic, *MAP, "--json", at("away.csv"))], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    w.start_gateway()
    out, err = p.communicate(timeout=60)
    check("a gateway that comes back in time is waited for", (p.returncode, json.loads(out)["written"]), (0, 500))
    check_that("and so it is told meanwhile", "trying again" in err.decode(), err.decode())
    same("every row is there once", records(topic), good)

    topic = fresh("unregistered", schema={"type": "string"})
    w.end("registry")
    p = subprocess.Popen([AVROGATE, "produce", *straight(topic, *MAP, "--json", at("away.csv"))], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    w.start_registry()
    out, err = p.communicate(timeout=60)
    check("so is a registry; what it then says counts", (p.returncode, json.loads(out)["written"]), (1, 0))


def too_large_for_the_broker():
    topic = "%s-large" % run
    make_topic(KAFKA, topic, max_message_bytes=20000)
    w.register(topic + "-value", {"type": "record", "name": "L", "fields": [{"name": "id", "type": "int"}, {"name": "text", "type": "string"}]})
    sizes = [50000 if i in (30, 31, 77) else 100 for i in range(120)]
    with open(at("large.csv"), "w") as f:
        f.write("id,text\n" + "".join("%d,%s\n" % (i, "x" * n) for i, n in enumerate(sizes)))
    for way in (through, straight):
        before = written(topic)
        r = Ran(way(topic, "--json", "--rejects", at("large-bad.csv"), at("large.csv")))
        check("%s: rows too large for the broker are refused, the others written once" % way.__name__,
              (r.code, r.json["outcome"], r.json["written"], r.json["refused"]), (1, "done", 117, 3))
        got = [k["id"] for k in records(topic)][before:]
        check("%s: and none is double" % way.__name__, sorted(got), [i for i in range(120) if sizes[i] == 100])


try:
    w.start_registry()
    w.start_gateway()
    every_row("gateway", through, ",")
    every_row("kafka", straight, ";")
    on_standard_input()
    wrong_from_the_start()
    samples_and_loops()
    on_a_terminal()
    too_large_for_the_broker()
    interrupted()
    gateway_killed()
    away()
finally:
    w.close()
    folder.cleanup()
sys.exit(world.failed > 0)
