#!/usr/bin/env python3
"""Kafka to Postgres and to Parquet, five columns: `avrogate load` beside what people write or run today, in the same run.

usage: bench/loaders/peers.py [--rows 1000000] [--rounds 3] [--only REGEX] [--spark FOLDER] [--connect FOLDER]
                              [--place hdfs=HOST:PORT]
env: AVROGATE (a release build), AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG as for the tests

Each way is a process of its own, on the same topic: records of five columns in one partition, there before the clock starts. Rows a
second are from the first row to the last commit; CPU and memory are all of the process with its children; "first row" is from the
start of the process to the first commit. Ways:

  avrogate              the loader: a row of etl_offsets in each transaction
  python                confluent-kafka and fastavro; psycopg2 with COPY BINARY, or pyarrow; offsets in the transaction, or committed after the file
  copy binary, inserts  no Kafka: the same rows out of memory, 10,000 a transaction with an offset row in it; the latter 500 rows a statement
  spark                 structured streaming, available now, from_avro: FOLDER is what bench/loaders/README.md says
  connect               Kafka Connect with Debezium's JDBC sink and Apicurio's Avro converter: FOLDER as said there

Rounds alternate, because machines drift; what is to be compared stands in one round.
"""
import os, re, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/integration"))
import argparse
words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
words.add_argument("--rows", type=int, default=1000000)
words.add_argument("--rounds", type=int, default=3)
words.add_argument("--only", default="", help="ways whose names match")
words.add_argument("--spark", help="a folder with pyspark and jars/")
words.add_argument("--connect", help="a folder with jars/ of Kafka Connect and plugins/ of Debezium")
words.add_argument("--place", default="file", help="where avrogate stages once more: hdfs=HOST:PORT")
args = words.parse_args()
sys.argv[1:] = []
os.environ["STAGE_PLACE"] = args.place
from stage_world import *

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = {"type": "record", "name": "Sample", "fields": [
    {"name": "id", "type": "long"}, {"name": "station", "type": "string"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "temperature", "type": "double"}, {"name": "note", "type": ["null", "string"]}]}
TABLE = "CREATE TABLE %s (id bigint, station text, at timestamptz, temperature double precision, note text)"


def row(i):
    return {"id": i, "station": "station-%03d" % (i % 500), "at": 1700000000000 + i * 1000, "temperature": i % 400 / 10,
            "note": None if i % 4 else "note %d" % i}


def watch(session, seen):
    """CPU seconds and peak MB of each process of a session, as long as it is there. (What wait() says of memory has the parent's in it, which was
    there before exec(); and nobody waits for Spark's JVM.)"""
    tick = os.sysconf("SC_CLK_TCK")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                stat = f.read().rsplit(")", 1)[1].split()
            if int(stat[3]) != session:
                continue
            with open("/proc/%s/status" % pid) as f:
                peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024
            seen[pid] = ((int(stat[11]) + int(stat[12])) / tick, peak)
        except (OSError, AttributeError):
            pass  # it has gone meanwhile


def measured(command, **more):
    """Runs it: when it began, CPU us a row of it and its children, MB of the largest of them."""
    began, seen = time.time(), {}
    with w.log() as log:
        p = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **more)
        while os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            watch(p.pid, seen)
            time.sleep(0.05)
        _, status, use = os.wait4(p.pid, 0)
        p.returncode = status
    same(status, 0, "exit of %s" % command[:2])
    own = seen.pop(str(p.pid), (0, 0))
    cpu = use.ru_utime + use.ru_stime + sum(c for c, _ in seen.values())
    return began, cpu * 1e6 / args.rows, max([own[1]] + [m for _, m in seen.values()])


def python_peer(*arguments):
    return [sys.executable, os.path.join(HERE, "python_peer.py"), *map(str, arguments)]


def told(path):
    """What python_peer.py says: seconds from its first row to its last commit, and when the first was committed."""
    with open(path) as f:
        seconds, first = map(float, f.read().split())
    os.unlink(path)
    return seconds, first


def to_postgres():
    w.ask("DROP TABLE IF EXISTS %s" % w.name)
    if w.one("SELECT to_regclass('etl_log') IS NOT NULL"):
        w.ask("TRUNCATE etl_log, etl_batch, etl_offsets")
    path = World.pipeline(w)
    began, cpu, mb = measured([AVROGATE, "load", "-c", path, "--until-end"])
    same(w.rows(), args.rows, "rows")
    seconds, first = w.ask("SELECT extract(epoch FROM max(finished) - min(started)), extract(epoch FROM min(finished)) FROM etl_batch")[0]
    return float(seconds), cpu, mb, float(first) - began


def to_files(place):
    w.place.remove()
    w.place = place
    path = w.pipeline(rotate__rows=1000000, rotate__bytes="256MiB", job=w.name + uuid.uuid4().hex[:6])
    began, cpu, mb = measured([AVROGATE, "load", "-c", path, "--until-end"])
    claims = [c for p in w.claims().values() for c in p]
    same(sum(c["loaded"] for c in claims), args.rows, "rows staged")
    ended = [c["started_ms"] / 1000 + c["us"] / 1e6 for c in claims]
    return max(ended) - claims[0]["started_ms"] / 1000, cpu, mb, min(ended) - began


def by_python(sink):
    def run():
        w.ask("DROP TABLE IF EXISTS plain, plain_offsets")
        w.ask(TABLE % "plain")
        w.ask("CREATE TABLE plain_offsets (topic text PRIMARY KEY, next bigint)")
        said, out = tempfile.mktemp(), tempfile.mkdtemp()
        began, cpu, mb = measured(python_peer(sink, said, w.kafka, w.name, args.rows, url, out, json.dumps(SCHEMA)))
        seconds, first = told(said)
        if sink == "parquet":
            import pyarrow.parquet
            same(sum(pyarrow.parquet.read_metadata(os.path.join(out, f)).num_rows for f in os.listdir(out)), args.rows, "rows")
        else:
            same(w.one("SELECT count(*) FROM plain"), args.rows, "rows")
        shutil.rmtree(out)
        return seconds, cpu, mb, first - began
    return run


def by_spark(sink):
    def run():
        w.ask("DROP TABLE IF EXISTS plain")
        w.ask(TABLE % "plain")
        said, out = tempfile.mktemp(), tempfile.mkdtemp()
        began, cpu, mb = measured([sys.executable, os.path.join(HERE, "spark_peer.py"), sink, said, w.kafka, w.name, str(args.rows), url, out,
                                          json.dumps(SCHEMA), args.spark], env={**os.environ, "PYTHONPATH": args.spark})
        seconds, first = told(said)
        if sink == "postgres":
            same(w.one("SELECT count(*) FROM plain"), args.rows, "rows")
        shutil.rmtree(out)
        shutil.rmtree(out + "-state")
        return seconds, cpu, mb, first - began
    return run


def by_connect():
    w.ask("DROP TABLE IF EXISTS plain")
    w.ask(TABLE % "plain")
    said = tempfile.mktemp()
    began, cpu, mb = measured([sys.executable, os.path.join(HERE, "connect_peer.py"), said, w.kafka, w.name, str(args.rows), url, w.registry.url, args.connect])
    seconds, first = told(said)
    same(w.one("SELECT count(*) FROM plain"), args.rows, "rows")
    return seconds, cpu, mb, first - began


def also_as_apicurio(registry):
    """Its converter reads the framing that all read, and asks for the schema of an id in a way of its own."""
    answer = registry.answer

    def either(p):
        if p[1:3] != ["apis", "registry"]:
            return answer(p)
        return 200, [] if p[-1] == "references" else json.loads(registry.schemas[int(p[6])])
    registry.answer = either


url = make_database(SERVER, "bench")
w = Stage(format="parquet", parts=1, schema=SCHEMA)
w.url = url
cycle = [w.encode(row(i)) for i in range(100000)]  # Python makes 100,000 a second of them
w.produce(0, args.rows, lambda i: cycle[i % 100000])
ways = {"postgres": to_postgres, "postgres, python": by_python("postgres"), "postgres, copy binary": by_python("copy"),
        "postgres, inserts": by_python("insert"), "parquet": lambda: to_files(Local(w.name))}
if args.place != "file":
    ways["parquet, " + args.place] = lambda: to_files(make_place(w.name))
ways["parquet, python"] = by_python("parquet")
if args.connect:
    also_as_apicurio(w.registry)
    ways["postgres, connect"] = by_connect
if args.spark:
    ways.update({"postgres, spark": by_spark("postgres"), "parquet, spark": by_spark("parquet")})
print("# %d records of about %d bytes; load %.1f" % (args.rows, len(cycle[-1]), os.getloadavg()[0]), flush=True)
print("| way | rows/s | CPU us a row | memory MB | first row, s |\n| --- | --- | --- | --- | --- |")
for _ in range(args.rounds):
    for way, run in ways.items():
        if re.search(args.only, way):
            seconds, cpu, memory, first = run()
            print("| %s | %d | %.2f | %d | %.1f |" % (way, args.rows / seconds, cpu, memory, first), flush=True)
w.place.remove()
w.close()
w.remove()
