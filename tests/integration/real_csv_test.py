#!/usr/bin/env python3
"""CSV files all the way: produce, gateway, Kafka, load, Postgres; counts and sums are the file's, and a second load adds nothing.

Files of the shape of seattle-weather.csv and sp500-2000.csv are made here; with AVROGATE_TEST_DATA=FOLDER the real ones in it go the same way.
Wants AVROGATE (the program), AVROGATE_TEST_KAFKA and AVROGATE_TEST_PG; skipped (77) without them.
"""
import csv, json, os, random, subprocess, sys, tempfile
from datetime import date, timedelta
from decimal import Decimal

import world
from world import AVROGATE, KAFKA, World, check, make_topic, need

need("AVROGATE", "AVROGATE_TEST_KAFKA", "AVROGATE_TEST_PG")
import psycopg2

PG = os.environ["AVROGATE_TEST_PG"]
SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "schemas")
SUMMED = {"seattle-weather": ["precipitation", "temp_max", "temp_min", "wind"],
          "sp500": ["open", "high", "low", "close", "adjclose", "volume"]}
rng = random.Random(11)
w = World()
folder = tempfile.TemporaryDirectory()


def weather(n):
    for i in range(n):
        low = rng.randrange(-71, 183)
        yield {"date": date(2012, 1, 1) + timedelta(i), "precipitation": rng.choice(["0.0", "%.1f" % (rng.randrange(559) / 10)]), "temp_max": (low + rng.randrange(200)) / 10,
               "temp_min": low / 10, "wind": rng.randrange(4, 95) / 10, "weather": rng.choice(["drizzle", "fog", "rain", "snow", "sun"])}


def prices(n):
    for i in range(n):
        p = [Decimal(rng.randrange(676 * 10**6, 3394 * 10**6)).scaleb(-6) for _ in range(4)]
        yield {"date": date(2000, 1, 3) + timedelta(i), "open": p[0], "high": max(p), "low": min(p), "close": p[3], "adjclose": p[3], "volume": rng.randrange(356070000, 11456230000)}


def made(name, rows):
    path = os.path.join(folder.name, name + ".csv")
    rows = list(rows)
    with open(path, "w", newline="") as f:
        out = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    return path


def sql(text):
    with psycopg2.connect(PG) as c, c.cursor() as k:
        k.execute(text)
        return k.fetchall()


def load(topic):
    path = os.path.join(folder.name, "pipeline.yaml")
    with open(path, "w") as f:
        json.dump({"job": topic, "registry": "http://127.0.0.1:%d" % w.registry_port,
                   "source": {"kafka": {"bootstrap": KAFKA, "topic": topic, "group": topic + "-load"}},
                   "sink": {"postgres": {"url": PG, "table": topic, "mode": "append"}}}, f)
    return subprocess.run([AVROGATE, "load", "-c", path, "--until-end"], timeout=120).returncode


def all_the_way(kind, path):
    name = os.path.basename(path)
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    topic = "%s_%d_%d" % (kind.replace("-", "_"), os.getpid(), len(rows))
    make_topic(KAFKA, topic, 3)
    with open(os.path.join(SCHEMAS, kind + ".avsc")) as f:
        w.register(topic + "-value", json.load(f))
    p = subprocess.run([AVROGATE, "produce", "--gateway", "http://127.0.0.1:%d" % w.gateway_port, "--topic", topic, "--key-field", "date",
                        "--json", path], stdout=subprocess.PIPE, timeout=120)
    said = json.loads(p.stdout)
    check("%s: produce writes all %d rows" % (name, len(rows)), (p.returncode, said["written"], said["refused"]), (0, len(rows), 0))
    check("%s: the loader ends well" % name, load(topic), 0)
    columns = SUMMED[kind]
    # A double's shortest decimal is what the file said: so its sum as numeric is exact, too.
    wanted = (len(rows),) + tuple(sum(Decimal(r[c]) for r in rows) for c in columns)
    total = 'SELECT count(*), %s FROM "%s"' % (", ".join('sum("%s"::text::numeric)' % c for c in columns), topic)
    got = sql(total)[0]
    check("%s: count and sums of the columns are the file's" % name, got, wanted)
    print("   " + ", ".join("%s %s" % pair for pair in zip(["rows"] + columns, got)))
    text = ", ".join('"%s"::text' % c for c in rows[0])
    check("%s: so is every single row" % name,
          sorted([r[0]] + [Decimal(x) if c in columns else x for c, x in list(zip(rows[0], r))[1:]] for r in sql('SELECT %s FROM "%s"' % (text, topic))),
          sorted([r["date"]] + [Decimal(x) if c in columns else x for c, x in list(r.items())[1:]] for r in rows))
    check("%s: a second loader run ends well" % name, load(topic), 0)
    check("%s: and adds nothing" % name, sql(total)[0], wanted)
    check("%s: ETL_Log has both" % name, sql("SELECT status, records_processed FROM etl_log WHERE job_name = '%s' ORDER BY start_time" % topic),
          [("success", len(rows)), ("success", 0)])


try:
    w.start_registry()
    w.start_gateway()
    all_the_way("seattle-weather", made("seattle-weather", weather(1200)))
    all_the_way("sp500", made("sp500", prices(4000)))
    given = os.environ.get("AVROGATE_TEST_DATA", "")
    for kind, name in (("seattle-weather", "seattle-weather.csv"), ("sp500", "sp500-2000.csv")):
        path = os.path.join(given, name)
        if given and os.path.exists(path):
            all_the_way(kind, path)
        else:
            print("skipped - %s is not in AVROGATE_TEST_DATA" % name)
finally:
    w.close()
    folder.cleanup()
sys.exit(world.failed > 0)
