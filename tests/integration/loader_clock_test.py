#!/usr/bin/env python3
"""The wall clock jumps, by hours and days, ahead and back, under loaders at work (clock_jump.c): nothing hangs on it.

Monotonic time goes on; who loads keeps its partitions, what is due is done, and the audit's times are the database's.
"""
import re
from stage_world import *
from jumping import DAY, HOUR, Clock

URL = make_database(SERVER, "loader_clock")
JUMPS = (HOUR, -2 * HOUR, DAY, -DAY, 0)
IDLE = 8  # seconds: more than a session, which ends when nobody gives a sign of life for six


def last_words(w):
    """When it ended, by its own clock: the proof that this did jump."""
    return datetime.datetime.fromisoformat(re.findall(r'"ts":"([^"]*)Z".*"loader ended"', open(w.log().name).read())[-1])


def days_off(w):
    return round((last_words(w) - datetime.datetime.utcnow()).total_seconds() / DAY, 1)


def busy_seconds(p):
    user, system = open("/proc/%d/stat" % p.pid).read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def idles(p, seconds, what):
    before = busy_seconds(p)
    time.sleep(seconds)
    used = busy_seconds(p) - before
    same(used < seconds / 2, True, "CPU while nothing comes, %s: %.2f s in %.0f s" % (what, used, seconds))


def times_are_the_databases(w, runs):
    same(w.one("SELECT count(*) FROM etl_log WHERE job_name = %s AND start_time <= end_time AND end_time <= now() AND start_time > "
               "now() - interval '1 hour'", w.name), runs, "runs of today that ended after they began")
    same(w.one("SELECT count(*) FROM etl_batch WHERE pipeline = %s AND duration_us NOT BETWEEN 0 AND 600000000", w.name), 0, "durations")


def a_loader_keeps_its_partitions_and_goes_on():
    clock = Clock()
    w = World(URL, parts=3, batch__rows=200, batch__age="50ms")
    p, n = w.start(env=clock.env), 0
    for jump in (0,) + JUMPS:
        clock.jump(jump)
        w.produce(n, n + 600)
        n += 600
        w.wait_for(n)
    clock.jump(DAY)
    idles(p, 1, "a day ahead")
    clock.jump(-DAY)  # whatever waits until a time of day waits a day longer now, and no record wakes it
    idles(p, IDLE, "a day back")
    w.produce(n, n + 600)
    w.wait_for(n + 600)
    w.stop(p)
    w.proves(range(n + 600))
    same(w.ask("SELECT DISTINCT epoch FROM etl_offsets WHERE pipeline = %s", w.name), [(1,)], "partitions were taken once")
    times_are_the_databases(w, 1)
    same(days_off(w), -1, "days it was off in the end")


def two_whose_clocks_are_days_apart_share_the_work():
    ahead, back = Clock(), Clock()
    ahead.jump(3 * DAY), back.jump(-3 * DAY)
    w = World(URL, parts=4, batch__rows=200, batch__age="50ms")
    a, b = w.start(env=ahead.env), w.start(env=back.env)
    w.produce(0, 4000)
    w.wait_for(4000)
    wait("both are owners", lambda: w.one("SELECT count(DISTINCT owner) FROM etl_offsets WHERE pipeline = %s AND NOT released", w.name) == 2)
    w.produce(4000, 6000)
    w.wait_for(6000)
    same({status for status, *_ in w.runs()}, {"running"}, "neither takes the other for dead")
    a.kill()
    a.wait()
    w.produce(6000, 8000)
    w.wait_for(8000)
    w.stop(b)
    same(w.finish(env=ahead.env), 0, "exit")
    w.proves(range(8000))
    times_are_the_databases(w, 3)
    same(days_off(w), 3, "days the last one was off")


def files_are_rotated_and_go_where_their_records_belong():
    clock = Clock()
    w = Stage(parts=2, rotate__age="300ms", rotate__rows=1000000, partition_by=[{"field": "at", "as": "hour"}], audit=URL)
    p, n = w.start(env=clock.env), 0
    for jump in (0,) + JUMPS + (DAY, -DAY):
        clock.jump(jump)
        w.produce(n, n + 400)
        n += 400
        w.wait_for(n)  # by age alone
        w.produce(n, n + 10)
        n += 10
        time.sleep(0.1)  # these are gathered while it jumps
    w.wait_for(n)
    idles(p, 1, "a day back")
    w.stop(p)
    w.proves(range(n))
    claims = [c for of in w.claims().values() for c in of]
    same([c for c in claims if not 0 <= c["us"] < 60000000], [], "claims that took no time, or an age")
    same(len({c["started_ms"] // 1000 // DAY for c in claims}) >= 3, True, "days on which it believes to have begun them")
    for name in w.place.names():
        for r in [] if name.startswith("_") else read_file(name, w.place.read(name)):
            at = datetime.datetime.fromtimestamp(1700000000 + r["id"], datetime.timezone.utc)
            same(os.path.dirname(name), at.strftime("dt=%Y-%m-%d/hour=%H"), "directory of %d" % r["id"])
    same(w.finish(), 0, "exit with a clock that is right")
    w.proves(range(n))
    times_are_the_databases(w, 2)


def a_run_for_a_while_ends_when_it_is_over():
    """Neither at once nor in a day."""
    clock = Clock()
    w = World(URL, parts=1, batch__age="50ms")
    p = w.start("--for", "4s", env=clock.env)
    w.produce(0, 300)
    w.wait_for(300)
    clock.jump(DAY)
    w.produce(300, 600)
    w.wait_for(600)
    clock.jump(-DAY)
    same(p.wait(60), 0, "exit")
    same(w.runs(), [("success", 600, None)], "runs")
    w.proves(range(600))
    same(days_off(w), -1, "days it was off in the end")


run_all([a_loader_keeps_its_partitions_and_goes_on, files_are_rotated_and_go_where_their_records_belong,
         two_whose_clocks_are_days_apart_share_the_work, a_run_for_a_while_ends_when_it_is_over], workers=4)
