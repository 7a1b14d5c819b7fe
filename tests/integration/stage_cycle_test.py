#!/usr/bin/env python3
"""Runs in phases: collected from real Kafka, merged, and again; each run one row of etl_log with its phases."""
import random, re, signal
from stage_world import *

URL = make_database(SERVER, "cycle")
KILLS = int(os.environ.get("CYCLE_KILLS", "6"))


def names_of(w):
    return [n for n in w.place.names() if not n.startswith("_")]


def held(w):
    """Names and ids; of a place where nothing is at work."""
    names = names_of(w)
    return names, sorted(int(r["id"]) for n in names for r in read_file(n, w.place.read(n)))


def phases(w):
    return ask_at(URL, "SELECT l.status, p.number, p.phase, p.status, p.rows_in, p.rows_out, p.files_out FROM etl_phase p JOIN "
                       "etl_log l USING (run_id) WHERE l.job_name = %s ORDER BY l.start_time, p.number", w.name)


def files_of(w):
    """Of each phase what went in and what came out, files and bytes."""
    rows = ask_at(URL, "SELECT p.files_in, p.bytes_in, p.files_out, p.bytes_out FROM etl_phase p JOIN etl_log l USING (run_id) "
                       "WHERE l.job_name = %s ORDER BY l.start_time, p.number", w.name)
    return [((a, b), (c, d)) for a, b, c, d in rows]


def proved(w):
    code, out, err = w.audit("verify", "--job", w.name)
    same(code, 0, "audit verify says\n" + out + err)


def world(**more):
    w = Stage(audit=URL, rotate__rows=100, batch__rows=50, **more)
    w.url = URL
    return w


def a_run_is_one_row_with_its_phases():
    w = world(format="csv", parts=2, phases=["collect", "merge"], merge={"into": "all.csv", "backup": "backup"})
    for i in range(2):
        w.produce(1000 * i, 1000 * i + 1000)
        same(w.finish(), 0, "exit")
    names, ids = held(w)
    same((ids == list(range(2000)), len(names), all(n.startswith("backup/all-20") for n in names)), (True, 2, True), "rows once, two backups")
    same(w.runs(), [("success", 1000, None)] * 2, "runs")
    same([r[:6] for r in phases(w)], [("success", 1, "collect", "success", 1000, 1000), ("success", 2, "merge", "success", 1000, 1000)] * 2, "phases")
    for i in range(2):
        (_, made), (taken, into) = files_of(w)[2 * i:2 * i + 2]
        same((made[0] >= 10, made, into[0]), (True, taken, 1), "files and bytes that one phase made and the next took")
    same(w.finish(), 0, "exit of a run with nothing to do")
    same(phases(w)[-1], ("success", 2, "merge", "success", 0, 0, 0), "a merge of nothing")
    proved(w)
    w.close()


def warehouse(w):
    return {"url": URL, "table": w.name}


def rows_in(w):
    return ask_at(URL, "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM " + w.name)


def collected_merged_loaded_cleaned_and_again():
    w = world(format="parquet", parts=2, phases=["collect", "merge", "load", "clean"])
    for i in range(2):
        w.produce(1000 * i, 1000 * i + 1000)
        same(w.finish(postgres=warehouse(w)), 0, "exit")
        same(rows_in(w), [(1000 * i + 1000, 1000 * i + 1000, 0, 1000 * i + 999)], "rows of the table")
        same(held(w)[0], [], "files that are left")
    same([r[:6] for r in phases(w)][4:], [("success", n + 1, p, "success", a, b) for n, (p, a, b) in
                                          enumerate([("collect", 1000, 1000), ("merge", 1000, 1000), ("load", 1000, 1000), ("clean", 1000, 0)])], "phases")
    same(w.ask("SELECT count(*) FROM etl_phase p JOIN etl_log l ON l.run_id = p.load_run WHERE p.job_name = %s AND l.job_name = %s "
               "AND l.records_processed = 1000", w.name, w.name + "/load"), [(2,)], "the loads' own runs")
    for job in (w.name, w.name + "/load"):
        code, out, err = w.audit("verify", "--job", job)
        same(code, 0, "audit verify of %s says\n%s%s" % (job, out, err))
    w.close()


def killed_in_any_phase_each_row_is_loaded_once():
    w = world(format="ocf", parts=2, phases=["collect", "merge", "load", "clean"], source__stage__interval="100ms")
    for i in range(KILLS):
        w.produce(300 * i, 300 * i + 300)
        p = w.start("--until-end", **w.static(), postgres=warehouse(w))
        time.sleep(0.4 + random.random() * 2.5)
        p.send_signal(signal.SIGKILL)
        p.wait()
    same(w.finish(**w.static(), postgres=warehouse(w)), 0, "exit")
    same(rows_in(w), [(300 * KILLS, 300 * KILLS, 0, 300 * KILLS - 1)], "rows of the table")
    same(held(w)[0], [], "files that are left")
    same([r for r in phases(w) if r[3] == "running" or r[0] == "running"], [], "nothing runs any more")
    proved(w)
    w.close()
    return "%d runs" % len(w.runs())


def a_load_by_odbc_keeps_the_runs_phases_too():
    """Collected, merged, loaded and cleaned with a database behind a driver, killed at some moment; who asks is told there."""
    try:
        drivers = open("/etc/odbcinst.ini").read()
    except OSError:
        drivers = ""
    if "[SQLite3]" not in drivers or "[PostgreSQL Unicode]" not in drivers:
        return "no drivers"
    by_odbc = make_database(SERVER, "cycle_odbc")
    user, password, host, port, database = re.match(r"postgresql://([^:]+):([^@]+)@([^:]+):(\d+)/(.+)", by_odbc).groups()

    def at(connection):
        w = Stage(format="ocf", parts=2, phases=["collect", "merge", "load", "clean"], rotate__rows=100, batch__rows=50)
        to = {"connection": connection.replace("FILE", os.path.join(tempfile.mkdtemp(), "w.db")), "table": w.name}

        def told(what, job=w.name):
            p = subprocess.run([AVROGATE, "audit", what, "--job", job, "--json"], capture_output=True, text=True, timeout=60,
                               env=dict(os.environ, AVROGATE_AUDIT_CONNECTION=to["connection"]))
            same(p.returncode, 0, "audit %s says\n%s%s" % (what, p.stdout, p.stderr))
            return [json.loads(line) for line in p.stdout.splitlines()]
        w.produce(0, 1000)
        p = w.start("--until-end", **w.static(), odbc=to)
        time.sleep(0.3 + random.random() * 1.5)
        p.send_signal(signal.SIGKILL)
        p.wait()
        for i in range(2):
            w.produce(1000 * i + 1000, 1000 * i + 2000)
            same(w.finish(**w.static(), odbc=to), 0, "exit")
        same(held(w)[0], [], "files that are left")
        last = told("phases")[:4]
        same([(r["number"], r["phase"], r["status"], r["rows_in"], r["rows_out"]) for r in last],
             [(4, "clean", "success", 1000, 0), (3, "load", "success", 1000, 1000), (2, "merge", "success", 1000, 1000),
              (1, "collect", "success", 1000, 1000)], "phases")
        same({r["status"] for r in told("phases")} <= {"success", "interrupted"}, True, "nothing runs any more")
        loads = {r["run_id"]: r["records_processed"] for r in told("runs", w.name + "/load")}
        same((loads[last[1]["load_run"]], sum(loads.values())), (1000, 3000), "the loads' own runs")
        same({r["status"] for r in told("runs")[:2]}, {"success"}, "runs")
        for job in (w.name, w.name + "/load"):
            same([r for r in told("verify", job) if r["ok"] is False], [], "verify of " + job)
        w.close()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(at, ["Driver=SQLite3;Database=FILE",
                           "Driver={PostgreSQL Unicode};Servername=%s;Port=%s;Database=%s;UID=%s;PWD=%s;SSLmode=disable" %
                           (host, port, database, user, password)]))


def it_repeats_until_it_is_told_to_stop():
    w = world(format="ocf", parts=2, phases=["collect", "merge"], every="500ms")
    p = w.start()
    w.produce(0, 1)
    wait("the audit's tables", lambda: ask_at(URL, "SELECT to_regclass('etl_phase')")[0][0])
    for i in range(3):
        w.produce(500 * i + (i == 0), 500 * i + 500)
        wait("%d rows merged" % (500 * i + 500), lambda: sum(r[5] for r in phases(w) if r[2] == "collect") == 500 * i + 500, 60, 0.2)
    wait("merges", lambda: len(names_of(w)) == 1, 60, 0.2)
    same(p.poll(), None, "it goes on")
    w.stop(p)
    same(held(w)[1] == list(range(1500)), True, "each row once")
    same(sum(r[1] for r in w.runs()), 1500, "records of all runs")
    same({r[0] for r in w.runs()} - {"success", "interrupted"}, set(), "how runs ended")
    proved(w)
    w.close()
    return "%d runs" % len(w.runs())


def killed_anywhere_the_next_run_does_what_is_left():
    w = world(format="ocf", parts=1, phases=["collect", "merge"])
    for i in range(KILLS):
        w.produce(300 * i, 300 * i + 300)
        p = w.start("--until-end", **w.static())
        time.sleep(0.3 + random.random() * 1.2)
        p.send_signal(signal.SIGKILL)
        p.wait()
    same(w.finish(**w.static()), 0, "exit")
    names, ids = held(w)
    same((len(names), ids == list(range(300 * KILLS))), (1, True), "one file, each row once")
    same([r for r in phases(w) if r[3] == "running" or r[0] == "running"], [], "nothing runs any more")
    same(sum(r[1] for r in w.runs()), 300 * KILLS, "records of all runs")
    proved(w)
    w.close()
    return "%d runs" % len(w.runs())


def a_phase_that_fails_is_the_runs_failure():
    w = world(format="csv", parts=1, phases=["collect", "merge"], merge={"into": "all.csv"})
    w.produce(0, 100)
    same(w.finish(), 0, "exit")
    w.produce(100, 200)
    same(w.finish(), 1, "exit: the name is taken")
    same(w.runs()[1], ("failed", 100, "merge: all.csv is there already"), "the run")
    same([r[:4] for r in phases(w)][2:], [("failed", 1, "collect", "success"), ("failed", 2, "merge", "failed")], "its phases")
    proved(w)
    w.close()


def wrong_settings_stop_the_start():
    for wrong, why in (({"phases": ["merge", "collect"]}, "comes first"), ({"phases": ["collect", "sing"]}, "wanted"),
                       ({"phases": ["merge", "merge"]}, "twice"), ({"phases": ["collect", "merge"], "merge": {"to": "xls"}}, "xls"),
                       ({"phases": ["collect", "load"]}, "sink.postgres.url"),
                       ({"phases": ["collect", "merge"], "odbc": {"connection": "DSN=x", "table": "t"}}, "sink.odbc is of"), ({"phases": ["collect", "clean"]}, "clean.older"),
                       ({"phases": ["collect", "merge"], "merge": {"into": "a.csv"}, "every": "5m"}, "merge.backup")):
        w = world(format="ocf", **wrong)
        r = subprocess.run([AVROGATE, "load", "-c", w.pipeline()], capture_output=True, text=True, timeout=60)
        same((r.returncode, why in r.stderr), (2, True), "%s: %s" % (wrong, r.stderr))
        w.close()


run_all([a_run_is_one_row_with_its_phases, a_load_by_odbc_keeps_the_runs_phases_too, collected_merged_loaded_cleaned_and_again,
         killed_in_any_phase_each_row_is_loaded_once, it_repeats_until_it_is_told_to_stop, killed_anywhere_the_next_run_does_what_is_left,
         a_phase_that_fails_is_the_runs_failure, wrong_settings_stop_the_start], workers=7)
