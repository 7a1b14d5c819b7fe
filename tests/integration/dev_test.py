#!/usr/bin/env python3
"""avrogate dev: nothing that was accepted is lost, whatever the embedded Kafka can keep.

Postgres is stopped under load until the gateway answers 503, and comes back: every accepted row is there once.
Wants AVROGATE; skipped (77) without it.  Brings up a Postgres of its own, as it stops it.
"""
import json, os, re, shutil, signal, subprocess, sys, tempfile, time, urllib.error, urllib.request

avrogate = os.environ.get("AVROGATE")
if not avrogate:
    print("AVROGATE is not set")
    sys.exit(77)
import psycopg2

from ports import free_port

here = os.path.dirname(os.path.abspath(__file__))
pg_sh = os.path.join(here, "..", "services", "pg.sh")
PORT = str(free_port())
folder = tempfile.mkdtemp(prefix="avrogate-dev-")
os.chmod(folder, 0o755)
env = dict(os.environ, PG_DATA=os.path.join(folder, "pg"), PG_PORT=PORT)
url = "postgresql://warehouse:warehouse@127.0.0.1:%s/warehouse" % PORT
schema = {"type": "record", "name": "Reading", "fields": [{"name": "n", "type": "long"}, {"name": "pad", "type": "string"}]}
failed = 0


def check(what, got, want):
    global failed
    ok = got == want
    failed += not ok
    print(("ok - " if ok else "not ok - ") + what + ("" if ok else ": %r, wanted %r" % (got, want)))


def postgres(verb):
    subprocess.run([pg_sh, verb], env=env, check=True, stdout=subprocess.DEVNULL)


def post(address, path, body, kind):
    r = urllib.request.Request(address + path, body.encode(), {"Content-Type": kind})
    try:
        with urllib.request.urlopen(r, timeout=30) as a:
            return a.status, json.loads(a.read())
    except urllib.error.HTTPError as a:
        return a.code, json.loads(a.read())


def rows(sql):
    with psycopg2.connect(url) as c, c.cursor() as k:
        k.execute(sql)
        return k.fetchall()


def begin():
    """The program, ready; its registry and gateway."""
    p = subprocess.Popen([avrogate, "dev", "--topics", "numbers", "--registry-listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0"],
                         env=dict(env, AVROGATE_WAREHOUSE=url), stdout=subprocess.PIPE, text=True)
    line = p.stdout.readline()
    check("the ready line says what the Kafka is", all(w in line for w in ("embedded Kafka", "in memory", "5 MiB", "503")), True)
    registry, gateway = re.search(r"registry (http://\S+), gateway (http://\S+),", line).groups()
    status, said = post(registry, "/subjects/numbers-value/versions", json.dumps({"schema": json.dumps(schema)}), "application/json")
    check("the schema is registered", status, 200)
    return p, gateway


def send(gateway, topic, first, query=""):
    """500 rows of 1 KB."""
    body = "\n".join(json.dumps({"n": n, "pad": "x" * 1000}) for n in range(first, first + 500))
    return post(gateway, "/v1/topics/%s/records%s" % (topic, query), body, "application/x-ndjson")


def insist(gateway, first):
    end = time.time() + 60
    while time.time() < end:
        status, said = send(gateway, "numbers", first)
        if status != 503:
            return status
        time.sleep(0.05)
    return status


try:
    postgres("start")
    p, gateway = begin()
    n = 0
    statuses = set()
    while n < 40 * 500:  # 20 MB: several times what it keeps
        statuses.add(insist(gateway, n))
        n += 500
    check("20 MB pass through what keeps 5", statuses, {200})
    postgres("stop")
    full = None
    for _ in range(40):
        status, said = send(gateway, "numbers", n)
        if status != 200:
            full = status, said.get("outcome"), "numbers" in said.get("message", "")
            break
        n += 500
    check("with Postgres away it is full in the end, and says so", full, (503, "not_written", True))
    postgres("start")
    check("and takes more once Postgres is back", insist(gateway, n), 200)
    n += 500
    p.send_signal(signal.SIGTERM)  # what is unread now is loaded before it ends
    check("told to stop, it ends well", p.wait(60), 0)
    check("every accepted row is there, once", rows("SELECT count(*), count(DISTINCT n), sum(n) FROM numbers"), [(n, n, n * (n - 1) // 2)])
    check("ETL_Log has the run", rows("SELECT status, records_processed FROM ETL_Log"), [("success", n)])

    p, gateway = begin()  # a new Kafka, whose offsets begin at 0, beside the old rows
    check("a second run loads too", (send(gateway, "numbers", n)[0]), 200)
    said = None
    for _ in range(20):
        status, said = send(gateway, "unread", 0, "?subject=numbers-value")
        if status != 200:
            break
    check("a topic that nobody loads is full in the end", (status, "unread" in said["message"]), (503, True))
    for _ in range(20):
        status, said = post(gateway, "/v1/topics/numbers/records?on_error=dlq", json.dumps([{"n": "x", "pad": "y" * 400000}]), "application/json")
        if status == 503:
            break
    check("and so are dead letters", (status, "numbers.dlq" in said.get("message", "")), (503, True))
    p.send_signal(signal.SIGINT)
    check("Ctrl-C ends it", p.wait(60), 0)
    check("and its rows are there", rows("SELECT count(*), count(DISTINCT n) FROM numbers"), [(n + 500, n + 500)])
    check("as a job of its own", rows("SELECT count(DISTINCT job_name) FROM ETL_Log"), [(2,)])
finally:
    if "p" in globals() and p.poll() is None:
        p.kill()
    postgres("stop")
    shutil.rmtree(folder, ignore_errors=True)
print("# %d failed" % failed)
sys.exit(failed > 0)
