#!/usr/bin/env python3
"""The loader among faults of everything around it: Postgres, Kafka, the registry, the records; all of them real
but the registry.  docs/loaders.md says which line of the failure model each scenario provokes."""
from loader_world import *
import urllib.request
from confluent_kafka import TopicPartition

URL = make_database(SERVER, "loader_faults")


def private_kafka():
    port = free_port()
    data = tempfile.mkdtemp(prefix="avrogate-kafka-")
    env = {**os.environ, "KAFKA_PORT": str(port), "KAFKA_CTRL_PORT": str(free_port()), "KAFKA_DATA": data,
           "KAFKA_XMX": "256m"}

    def run(what):
        subprocess.run([os.path.join(ROOT, "tests/services/kafka.sh"), what], env=env, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(run, "reset")
    run("start")
    return "127.0.0.1:%d" % port, run


# --- Postgres ---------------------------------------------------------------------------------------------------

def killed(pid):
    """False: it had gone already, as the session of a question of ours does."""
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def postgres_crashes_in_the_middle_and_comes_back():
    url, run, pids, locks = private_postgres()
    w = World(url, batch__rows=500, batch__age="50ms")
    p, total = w.start(), 0
    for crash in range(4):
        w.produce(total, total + 8000)
        total += 8000
        w.wait_for(total - 7000)
        main, backends = pids("postgres: warehouse")
        if crash % 2:  # all of it at once, as in a loss of power; its shared memory is left behind
            for pid in [main] + pids("")[1]:
                killed(pid)
            time.sleep(1)
            for lock in locks():  # its process may be dead and not buried, and would pass for a running one
                os.unlink(lock)
            run("start")
        else:  # one session: the server drops all others and recovers
            same(any(killed(pid) for pid in random.sample(backends, len(backends))), True, "one was killed")
    w.wait_for(total, 90)
    w.stop(p)
    w.proves(range(total))
    same(w.one("SELECT count(*) > 0 FROM etl_attempt"), True, "a try that failed is on record")




def a_commit_whose_answer_is_lost_is_looked_up_and_not_repeated():
    wire = Wire(URL)
    w = World(URL, parts=1, batch__rows=100, batch__age="50ms", sink__postgres__url=wire.url)
    p = w.start()
    w.produce(0, 500)
    w.wait_for(500)
    for i in range(5):
        wire.cut = True
        w.produce(500 + 100 * i, 600 + 100 * i)
        w.wait_for(600 + 100 * i)
        wait("the line was cut", lambda: wire.cuts == i + 1)
    w.produce(1000, 2000)
    w.wait_for(2000)
    w.stop(p)
    w.proves(range(2000))


def a_server_that_comes_up_while_it_is_asked_is_waited_for():
    wire = Wire(URL)
    w = World(URL, parts=1, batch__rows=100, batch__age="50ms", sink__postgres__url=wire.url)
    p = w.start()
    for i in range(1, 6):
        w.produce(500 * i - 500, 500 * i)
        w.wait_for(500 * i)
        wire.restart(i)
        w.produce(2500 + i * 100 - 100, 2500 + i * 100)
        wait("nobody is told any more that it starts", lambda: wire.starting == 0)
    w.wait_for(3000)
    w.stop(p)
    w.proves(range(3000))


def a_connection_that_breaks_anywhere_is_made_again():
    w = World(URL, batch__rows=300, batch__age="50ms")
    p = w.start()
    w.produce(0, 1000)
    w.wait_for(1)
    run = w.one("SELECT run_id FROM etl_log WHERE job_name = %s", w.name)
    for i in range(1, 15):
        w.produce(i * 1000, (i + 1) * 1000)
        time.sleep(random.random() * 0.2)
        w.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN (%s, %s)",
              "avrogate l " + run, "avrogate w " + run)
    w.wait_for(15000)
    w.stop(p)
    w.proves(range(15000))


def a_server_that_cannot_write_is_waited_for():
    """Disk full, out of memory, a standby, a broken disk: as a trigger says so, with the server's codes."""
    w = World(URL, parts=1, batch__age="50ms")
    w.ask("CREATE TABLE %(t)s (id bigint, station text, at timestamptz); CREATE TABLE %(t)s_says (code text);"
          "CREATE SEQUENCE %(t)s_tries; CREATE FUNCTION %(t)s_fails() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE c text; BEGIN SELECT code INTO c "
          "FROM %(t)s_says; IF c IS NOT NULL THEN PERFORM nextval('%(t)s_tries'); RAISE EXCEPTION 'so says the test' USING ERRCODE = c; END IF; RETURN "
          "NEW; END$$; CREATE TRIGGER fails BEFORE INSERT ON %(t)s FOR EACH ROW EXECUTE FUNCTION %(t)s_fails()"
          % {"t": w.name})
    p, codes = w.start(), ["53100", "53200", "25006", "58030", "40001", "57014", "57P03"]
    tries = lambda: w.one("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s_tries" % w.name)
    for i, code in enumerate(codes):
        before = tries()
        w.ask("INSERT INTO %s_says VALUES (%%s)" % w.name, code)
        w.produce(i * 100, (i + 1) * 100)
        wait("it was tried while the server says " + code, lambda: tries() > before)
        same(w.rows(), i * 100, "rows while it says " + code)
        w.ask("DELETE FROM %s_says" % w.name)
        w.wait_for((i + 1) * 100)
    w.stop(p)
    w.proves(range(len(codes) * 100))
    same({c for c, in w.ask("SELECT DISTINCT sqlstate FROM etl_attempt WHERE pipeline = %s", w.name)}, set(codes), "tries")


def rows_that_a_trigger_keeps_out_are_told():
    w, port = World(URL, parts=1, batch__age="50ms", batch__rows=50), free_port()
    w.ask("CREATE TABLE %(t)s (id bigint, station text, at timestamptz); CREATE FUNCTION %(t)s_keeps() RETURNS trigger LANGUAGE plpgsql AS "
          "$$BEGIN IF NEW.id %% 10 = 0 THEN RETURN NULL; END IF; RETURN NEW; END$$; CREATE TRIGGER keeps BEFORE INSERT ON %(t)s FOR EACH ROW "
          "EXECUTE FUNCTION %(t)s_keeps()" % {"t": w.name})
    w.produce(0, 200)
    p = w.start("--listen", "127.0.0.1:%d" % port)
    w.wait_for(180)
    def metric():
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port) as r:
            return [l.split()[-1] for l in r.read().decode().splitlines() if l.startswith("avrogate_loader_rows_untaken_total") and w.name in l]
    wait("the metric counts them", lambda: metric() == ["20"])
    w.stop(p)
    told = [l for l in map(json.loads, filter(lambda l: l.startswith("{"), open(w.log().name))) if l["event"].startswith("the table took fewer")]
    same((len(told), told[0]["table"], told[0]["sent"] - told[0]["taken"] > 0), (1, w.name, True), "the log, once: %s" % told)
    same(w.ask("SELECT status, records_processed, records_untaken FROM etl_log WHERE job_name = %s", w.name), [("interrupted", 200, 20)], "etl_log")
    code, out, err = w.audit("verify", "--job", w.name)
    same((code, "of 20 that were sent the table took none" in out), (1, True), "audit verify says\n%s%s" % (out, err))


def a_lock_and_a_deadlock_are_tried_again():
    url = make_database(SERVER, "loader_locks")  # etl_log itself is locked here
    w = World(url, parts=1, batch__age="50ms", sink__postgres__lock_timeout="3s")
    p = w.start()
    w.produce(0, 100)
    w.wait_for(100)

    def waits():
        wait("the loader waits for a lock", lambda: w.one(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname "
            "= current_database())"))
    c = psycopg2.connect(url)
    with c, c.cursor() as q:
        q.execute("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE" % w.name)
        w.produce(100, 200)
        waits()
        time.sleep(4)
    w.wait_for(200)
    with c, c.cursor() as q:  # we have etl_log and want the table, the loader the other way round
        q.execute("SET LOCAL deadlock_timeout = '1min'; LOCK TABLE etl_log IN EXCLUSIVE MODE")
        w.produce(200, 300)
        waits()
        q.execute("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE" % w.name)
    c.close()
    w.wait_for(300)
    w.stop(p)
    w.proves(range(300))
    same({s for s, in w.ask("SELECT DISTINCT sqlstate FROM etl_attempt WHERE pipeline = %s", w.name)} >= {"55P03", "40P01"},
         True, "both are on record")


def a_server_that_could_lose_a_commit_is_refused():
    url = make_database(SERVER, "loader_unsafe")
    ask_at(url, "ALTER DATABASE %s SET synchronous_commit = off" % url.rsplit("/", 1)[1])
    w = World(url, parts=1)
    w.produce(0, 10)
    same(w.finish(), 1, "exit")
    same("synchronous_commit = off" in open(w.log().name).read(), True, "it says why")
    same(w.finish(sink__postgres__allow_unsafe=True), 0, "exit when allowed")
    w.proves(range(10))


def what_is_read_ahead_of_a_server_that_is_away_is_bounded():
    port = free_port()
    w = World(URL, parts=2, memory="2MiB", listen="127.0.0.1:%d" % port, batch__bytes="256KiB", batch__age="50ms")

    def held():
        text = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port).read().decode()
        return int([l for l in text.splitlines() if l.startswith("avrogate_loader_held_bytes{")][0].split()[-1])

    def resident():
        return int([l for l in open("/proc/%d/status" % p.pid) if l.startswith("VmRSS")][0].split()[1])
    p = w.start()
    w.produce(0, 1000)
    w.wait_for(1000)
    c = psycopg2.connect(URL)
    with c, c.cursor() as q:
        q.execute("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE" % w.name)
        w.produce(1000, 1040, lambda i: w.encode({"id": i, "station": "x" * 800000, "at": 0}))  # a few fill the memory
        w.produce(1040, 100000)
        wait("it has read ahead", lambda: held() > 1 << 20)
        most = 0
        for _ in range(20):
            most = max(most, held())
            time.sleep(0.2)
        same(1 << 20 <= most <= 3 << 20, True, "bytes held: %d" % most)
        memory = resident()
        same(memory < 120000, True, "resident: %d KB" % memory)
    c.close()
    w.wait_for(100000)
    w.stop(p)
    w.proves(range(100000))
    return "held %d bytes at most, resident %d KB" % (most, memory)


# --- records and schemas ----------------------------------------------------------------------------------------

def bad_rows_are_bisected_out_with_the_servers_reason():
    w = World(URL, parts=1)
    w.ask("CREATE TABLE %s (id bigint CHECK (id NOT IN (5, 500, 501, 1999)), station varchar(4), at timestamptz)" % w.name)
    w.produce(0, 2000)
    w.produce(2000, 2003, lambda i: b"not framed")
    w.produce(2003, 2004, lambda i: w.encode({"id": i, "station": "too long for it", "at": 0}))
    w.produce(2004, 2005, lambda i: w.encode({"id": i, "station": "a\0b", "at": 0}))
    w.produce(2005, 2006, lambda i: w.encode({"id": i, "station": "", "at": 1 << 60}))
    same(w.finish(), 0, "exit")
    w.proves([i for i in range(2000) if i not in (5, 500, 501, 1999)], rejects=10)
    same(w.ask("SELECT stage, sqlstate, column_name, constraint_name, count(*) FROM etl_reject WHERE pipeline = %s "
               "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3", w.name),
         [("database", "22001", "station", None, 1), ("database", "23514", None, w.name + "_id_check", 4),
          ("frame", None, None, None, 3), ("value", None, "at", None, 1), ("value", None, "station", None, 1)], "reasons")
    same(w.one("SELECT record_value FROM etl_reject WHERE pipeline = %s AND stage = 'database' AND "
               "record_key = '500'", w.name).tobytes(), w.value(500), "raw bytes")


def a_topic_of_rubbish_stops_the_run_instead_of_draining():
    w = World(URL, parts=1)
    w.produce(0, 1000)
    same(w.finish(), 0, "exit")
    w.produce(0, 1000, lambda i: b"not framed")
    same(w.finish(), 1, "exit")
    w.proves(range(1000))
    status, rows, why = w.runs()[-1]
    same((status, rows, "reject_limit" in why), ("failed", 0, True), "run")


def a_table_that_cannot_hold_the_records_fails_with_both_sides():
    w = World(URL, parts=1)
    w.ask("CREATE TABLE %s (id date, station text, at timestamptz)" % w.name)
    w.produce(0, 10)
    same(w.finish(), 1, "exit")
    status, rows, why = w.runs()[-1]
    same((status, rows, "id is date, the schema's long wants bigint" in why), ("failed", 0, True), why)


def the_registry_away_sets_nothing_aside():
    w = World(URL, batch__age="50ms")
    w.registry.down = True
    p = w.start()
    w.produce(0, 1000)
    wait("it was asked, again and again", lambda: w.registry.asked > 5)
    same(w.rows(), 0, "rows meanwhile")
    w.registry.down = False
    w.wait_for(1000)
    w.registry.down = True  # what is known needs no registry
    w.produce(1000, 2000)
    w.wait_for(2000)
    w.stop(p)
    w.proves(range(2000))


def an_unknown_schema_is_waited_for_and_then_set_aside():
    w = World(URL, parts=1, unknown_schema_wait="3s", sink__postgres__reject_limit=100)
    w.produce(0, 10)
    w.produce(10, 12, lambda i: struct.pack(">bI", 0, 77) + b"x")
    began = time.time()
    same(w.finish(), 0, "exit")
    same(time.time() - began > 3, True, "waited")
    w.proves(range(10), rejects=2)


# --- Kafka ------------------------------------------------------------------------------------------------------

def a_broker_that_dies_and_comes_back_costs_time_only():
    kafka, run = private_kafka()
    w = World(URL, parts=2, kafka=kafka, batch__age="50ms")
    w.produce(0, 3000)
    p = w.start()
    w.wait_for(3000)
    run("kill")
    time.sleep(2)
    same(p.poll(), None, "the loader goes on waiting")
    run("start")
    w.produce(3000, 6000)
    w.wait_for(6000)
    w.stop(p)
    w.proves(range(6000))


def aborted_records_and_markers_are_passed_over():
    w = World(URL, parts=1, batch__rows=50)
    t = Producer({"bootstrap.servers": KAFKA, "transactional.id": w.name})
    t.init_transactions()
    for i in range(0, 1000, 100):
        t.begin_transaction()
        for k in range(i, i + 100):
            t.produce(w.name, w.value(k))
        t.flush()
        (t.abort_transaction if i % 200 else t.commit_transaction)()
    same(w.finish(), 0, "exit")
    w.proves([i for i in range(1000) if i // 100 % 2 == 0])
    same(w.one("SELECT next_offset FROM etl_offsets WHERE pipeline = %s", w.name), 1010, "past the last marker")


def deleted_offsets_stop_their_partition():
    w = World(URL, parts=2)
    w.produce(0, 2000, partition=0)
    w.produce(2000, 4000, partition=1)
    same(w.finish(), 0, "exit")
    w.produce(4000, 5000, partition=0)
    w.produce(5000, 6000, partition=1)
    for f in w.admin.delete_records([TopicPartition(w.name, 0, 2500)]).values():
        f.result()
    same(w.finish(), 1, "exit")
    same(w.one("SELECT next_offset FROM etl_offsets WHERE pipeline = %s AND part = 0", w.name), 2000, "kept")
    same(w.rows(), 5000, "rows: the other partition went on")
    same("records 2000 to 2499 were deleted" in w.runs()[-1][2], True, w.runs()[-1][2])
    code, out, _ = w.audit("verify", "--job", w.name, "--bootstrap", KAFKA)
    same((code, "loaded up to 2000, Kafka has 2500 to 3000" in out), (1, True), "verify says it too:\n" + out)


def a_recreated_topic_is_noticed():
    w = World(URL, parts=1)
    w.produce(0, 1000)
    same(w.finish(), 0, "exit")
    for count in (100, 3000):  # fewer than before, and more
        w.remove()
        wait("it is gone", lambda: w.name not in w.admin.list_topics(timeout=5).topics)
        w.create(1, {})
        time.sleep(1)
        w.produce(10000, 10000 + count)
        same(w.finish(), 1, "exit with %d new records" % count)
        same("recreated" in w.runs()[-1][2], True, w.runs()[-1][2])
    same(w.rows(), 1000, "rows")
    w.ask("UPDATE etl_offsets SET next_offset = 0, generation = generation + 1, mark = NULL WHERE pipeline = %s", w.name)
    same(w.finish(), 0, "exit after saying so")
    w.proves(list(range(1000)) + list(range(10000, 13000)))


# --- settings ---------------------------------------------------------------------------------------------------

def a_wrong_setting_stops_the_start():
    w = World(URL, parts=1)
    for more, word in (({"batch__rows": 0}, "batch.rows"), ({"sink__postgres__modus": "x"}, "modus"),
                       ({"sink__postgres__table": "a."}, "wanted a name or schema.name"),
                       ({"kafka": {"no.such.property": "1"}}, "no.such.property")):
        p = subprocess.run([AVROGATE, "load", "-c", w.pipeline(**more)], capture_output=True, text=True, timeout=20)
        same((p.returncode in (1, 2), word in p.stderr), (True, True), "exit, and what it said: %r" % p.stderr)


run_all([rows_that_a_trigger_keeps_out_are_told, postgres_crashes_in_the_middle_and_comes_back, a_broker_that_dies_and_comes_back_costs_time_only,
         a_recreated_topic_is_noticed, a_lock_and_a_deadlock_are_tried_again,
         what_is_read_ahead_of_a_server_that_is_away_is_bounded, a_server_that_cannot_write_is_waited_for,
         a_commit_whose_answer_is_lost_is_looked_up_and_not_repeated,
         a_server_that_comes_up_while_it_is_asked_is_waited_for, a_connection_that_breaks_anywhere_is_made_again,
         a_server_that_could_lose_a_commit_is_refused, bad_rows_are_bisected_out_with_the_servers_reason,
         a_topic_of_rubbish_stops_the_run_instead_of_draining, a_table_that_cannot_hold_the_records_fails_with_both_sides,
         the_registry_away_sets_nothing_aside, an_unknown_schema_is_waited_for_and_then_set_aside,
         aborted_records_and_markers_are_passed_over, deleted_offsets_stop_their_partition,
         a_wrong_setting_stops_the_start])
