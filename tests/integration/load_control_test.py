#!/usr/bin/env python3
"""avrogate load status, pause, resume, reset: a person's word about a job that runs and about one that does not."""
from loader_world import *

URL = make_database(SERVER, "load_control")


def control(w, word, *args, code=0):
    p = subprocess.run([AVROGATE, "load", word, "-c", w.pipeline(), *args], capture_output=True, text=True, timeout=60)
    same(p.returncode, code, "load %s %s says\n%s%s" % (word, args, p.stdout, p.stderr))
    return p.stdout + p.stderr


def status(w):
    return json.loads(control(w, "status", "--json"))


def column(w, name):
    return [p[name] for p in status(w)["partitions"]]


def stays(w, n, seconds=5):
    """As many rows as before, for longer than a loader takes to look and to load."""
    time.sleep(seconds)
    same(w.rows(), n, "rows of a job that is paused")


def a_job_that_never_ran_has_a_status():
    w = World(make_database(SERVER, "load_control_new"))
    w.produce(0, 300)
    s = status(w)
    same((s["lag"], s["paused"], [p["position"] for p in s["partitions"]]), (300, None, [None] * 3), "status")
    if "RECORDS" in control(w, "status"):
        raise AssertionError("nothing was deleted")
    said = control(w, "resume")
    same(("was not paused" in said, 'no job "%s" has run here yet, nor any other' % w.name in said), (True, True), said)
    same((s["known"], s["nearest"]), (False, []), "what status says of it")
    # paused before its first start it is when it starts
    said = control(w, "pause", "--reason", "not before noon")
    same(("paused since 20" in said, "nor any other" in said), (True, True), said)
    p = w.start()
    wait("it waits", lambda: '"event":"paused"' in open(w.log().name).read())
    same(w.one("SELECT count(*) FROM etl_batch"), 0, "nothing is loaded")
    same("has run here" in control(w, "resume"), False, "it has run by now")
    w.wait_for(300)
    w.stop(p)
    same(status(w)["known"], True, "it is known")
    # mistyped, it is told the name that was meant
    right, w.name = w.name, w.name[:-1]
    said = control(w, "pause")
    same('no job "%s" has run here yet; known here: "%s"' % (w.name, right) in said, True, said)
    w.name = right


def paused_it_stops_and_resumed_it_goes_on():
    w = World(URL, batch__age="50ms")
    w.produce(0, 1000)
    p = w.start()
    w.wait_for(1000)
    wait("the lag is 0", lambda: status(w)["lag"] == 0)
    same(set(column(w, "running")), {True}, "who has it")
    said = control(w, "pause", "--reason", "the table is\nbeing \"mended\"")
    same("paused since 20" in said and "mended" in said, True, said)
    time.sleep(2.5)
    w.produce(1000, 2000)
    stays(w, 1000)
    s = status(w)
    same((s["lag"], s["paused"]["reason"]), (1000, "the table is\nbeing \"mended\""), "status while paused")
    w.stop(p)  # told to stop, it does; and it is paused when it comes again
    p = w.start()
    stays(w, 1000)
    same("goes on" in control(w, "resume"), True, "resumed")
    w.wait_for(2000)
    same(status(w)["paused"], None, "after resume")
    w.stop(p)
    w.proves(range(2000))


def a_reset_asks_first_and_is_seen_by_a_job_that_runs():
    w = World(URL, parts=1, batch__age="50ms")
    w.produce(0, 1000)
    p = w.start()
    w.wait_for(1000)
    said = control(w, "reset", "--to", "400", code=1)
    same("1000 -> 400, 600 records again" in said and "--yes" in said, True, said)
    same(column(w, "position"), [1000], "without --yes")
    control(w, "reset", "--to", "400", "--yes", "--reason", "again")
    w.produce(1000, 1001)
    w.wait_for(1601)
    wait("it is there", lambda: column(w, "position") == [1001])
    w.stop(p)
    same(w.ask("SELECT generation, was, goes_on, reason FROM etl_reset WHERE pipeline = %s", w.name),
         [(1, 1000, 400, "again")], "etl_reset")
    same(w.one("SELECT count(*) FROM etl_gap WHERE pipeline = %s", w.name), 0, "gaps")
    same(w.one("SELECT count(DISTINCT id) FROM " + w.name), 1001, "different rows")
    code, out, err = w.audit("verify", "--job", w.name, "--bootstrap", w.kafka)
    same(code, 0, "audit verify says\n%s%s" % (out, err))


def a_reset_finds_its_offset_by_name_and_by_time():
    w = World(URL, parts=1, config={"retention.ms": "-1"})  # records of years ago, which Kafka would delete
    for i in range(3):
        w.produce(100 * i, 100 * i + 100, timestamp=1700000000000 + i * 60000)
    same(w.finish(), 0, "loaded")
    for to, want in (("earliest", 0), ("2023-11-14T22:14:20Z", 100), ("2023-11-14T22:14:20.001Z", 200),
                     ("2033-01-01T00:00:00Z", 300), ("latest", 300), ("299", 299)):
        said = control(w, "reset", "--to", to, "--partition", "0", code=1)
        same(("300 -> %d," % want if want != 300 else "stays at 300") in said, True, "%s: %s" % (to, said))
    for to, code in (("301", 1), ("-1", 1), ("yesterday", 2), ("2023-11-14", 2), ("", 2)):
        said = control(w, "reset", "--to=" + to, code=code)
        same("--to" in said, True, said)
    same("--partition 1" in control(w, "reset", "--to", "0", "--partition", "1", code=1), True, "no such partition")
    same("wants --to" in control(w, "reset", code=2), True, "where to?")
    control(w, "reset", "--to", "2023-11-14T22:15:20Z", "--yes")
    same(w.finish(), 0, "loaded again")
    same(w.one("SELECT count(*) FROM " + w.name), 400, "rows")


def staged_files_pause_too():
    place = tempfile.mkdtemp(prefix="avrogate-control-")
    atexit.register(lambda: subprocess.run(["rm", "-rf", place]))
    w = World(URL, parts=1, batch__age="50ms")
    w.pipeline_of_postgres, w.pipeline = w.pipeline, lambda **more: files_pipeline(w, place, **more)
    w.produce(0, 500)
    same("no topic \"%s\" has run here yet" % w.name in control(w, "pause"), True, "before its first file")
    control(w, "resume")
    p = w.start()
    wait("staged", lambda: column(w, "position") == [500])
    control(w, "pause", "--reason", "files")
    time.sleep(2.5)
    w.produce(500, 1000)
    time.sleep(4)
    s = status(w)
    same((s["lag"], s["paused"]["reason"], s["partitions"][0]["position"]), (500, "files", 500), "status while paused")
    control(w, "pause", "--reason", "still")
    same(status(w)["paused"]["reason"], "still", "the newer word")
    control(w, "resume")
    wait("it went on", lambda: status(w)["lag"] == 0)
    same("_claims" in control(w, "reset", "--to", "0", "--yes", code=1), True, "claims stay")
    w.stop(p)


def files_pipeline(w, place, **more):
    """The same job, staged."""
    name = w.pipeline_of_postgres(**more)
    conf = json.load(open(name))
    conf["sink"] = {"files": {"place": "file://" + place, "format": "ocf", "rotate": {"age": "1s"}}}
    json.dump(conf, open(name, "w"))
    return name


run_all([a_job_that_never_ran_has_a_status, paused_it_stops_and_resumed_it_goes_on,
         a_reset_asks_first_and_is_seen_by_a_job_that_runs, a_reset_finds_its_offset_by_name_and_by_time,
         staged_files_pause_too], workers=5)
