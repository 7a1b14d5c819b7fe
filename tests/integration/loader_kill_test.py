#!/usr/bin/env python3
"""Loaders that are killed, stopped, woken, told to end, and set beside each other; on real Kafka and Postgres."""
from loader_world import *

URL = make_database(SERVER, "loader_kill")


def kill_nine_twenty_times_loses_and_doubles_nothing():
    w, n, stop = World(URL, batch__rows=400, batch__age="50ms"), [0], threading.Event()

    def feed():
        while not stop.is_set():
            w.produce(n[0], n[0] + 1000)
            n[0] += 1000
            time.sleep(0.1)
    t = threading.Thread(target=feed)
    t.start()
    try:
        for i in range(20):
            before = w.rows()
            # most come back under their name, at once; some as strangers, after their dead self is missed
            p = w.start(**({} if i % 5 == 4 else w.static()))
            if random.random() < 0.7:  # in the middle of work, the others anywhere
                w.wait_for(before + 1)
            time.sleep(random.random() * 0.5)
            p.send_signal(signal.SIGKILL)
            p.wait()
    finally:
        stop.set()
        t.join()
    same(w.finish(), 0, "exit")
    w.proves(range(n[0]))
    same(w.one("SELECT count(*) FROM etl_log WHERE job_name = %s AND status = 'running'", w.name), 0, "running")
    killed = w.one("SELECT count(*) FROM etl_log WHERE job_name = %s AND status = 'interrupted'", w.name)
    loading = w.one("SELECT count(*) FROM etl_log WHERE job_name = %s AND records_processed > 0", w.name)
    return "%d records, %d runs interrupted, %d of all had loaded something" % (n[0], killed, loading)


def a_second_run_adds_nothing():
    w = World(URL)
    w.produce(0, 5000)
    same(w.finish(), 0, "exit")
    same(w.finish(), 0, "exit")
    w.proves(range(5000))
    same(w.runs(), [("success", 5000, None), ("success", 0, None)], "runs")


SLOW = """CREATE TABLE %(t)s (id bigint, station text, at timestamptz);
CREATE FUNCTION %(t)s_slow() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN IF NEW.id >= 1000 THEN PERFORM pg_sleep(0.01); END IF; RETURN NEW; END$$;
CREATE TRIGGER slow BEFORE INSERT ON %(t)s FOR EACH ROW EXECUTE FUNCTION %(t)s_slow()"""


def a_zombie_that_wakes_in_the_middle_of_a_copy_writes_nothing_more():
    w = World(URL, parts=1, batch__rows=1000, batch__age="5s")
    w.ask(SLOW % {"t": w.name})
    first = w.start()
    w.produce(0, 1000)
    w.wait_for(1000)
    w.produce(1000, 2000)  # ten seconds of COPY
    wait("a COPY at work", lambda: w.ask("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND "
                                        "application_name LIKE 'avrogate w%%' AND query LIKE 'COPY \"%s\"%%%%'" % w.name))
    first.send_signal(signal.SIGSTOP)  # with its transaction open and the position locked
    second = w.start()
    wait("the second is the owner", lambda: w.one("SELECT epoch FROM etl_offsets WHERE pipeline = %s", w.name) >= 2, 40)
    w.ask("ALTER FUNCTION %s_slow() RENAME TO %s_was; CREATE OR REPLACE FUNCTION %s_was() RETURNS trigger LANGUAGE "
          "plpgsql AS $$BEGIN RETURN NEW; END$$" % (w.name, w.name, w.name))
    w.wait_for(2000, 60)
    first.send_signal(signal.SIGCONT)
    w.produce(2000, 4000)
    w.wait_for(4000)
    time.sleep(2)  # whatever the first is still about to do
    w.stop(first, second)
    same(w.finish(), 0, "exit")
    w.proves(range(4000))


def two_instances_share_the_work():
    w = World(URL, parts=4, batch__age="50ms")
    a, b = w.start(), w.start()
    w.produce(0, 20000)
    w.wait_for(20000)
    wait("both are owners", lambda: w.one("SELECT count(DISTINCT owner) FROM etl_offsets WHERE pipeline = %s AND NOT "
                                         "released", w.name) == 2)
    w.produce(20000, 40000)
    w.wait_for(40000)
    w.stop(a, b)
    w.proves(range(40000))
    same(w.one("SELECT count(*) FROM etl_log WHERE job_name = %s AND records_processed > 0", w.name), 2,
         "runs that loaded")


def instances_that_come_and_go_cooperatively_lose_and_double_nothing():
    w = World(URL, parts=4, batch__age="50ms")
    how = {"session.timeout.ms": "6000", "partition.assignment.strategy": "cooperative-sticky"}
    a, b = w.start(kafka=how), w.start(kafka=how)
    for i in range(4):  # the last leaves in order, those before it are killed wherever they are
        w.produce(10000 * i, 10000 * i + 5000)
        c = w.start(kafka=how)
        w.produce(10000 * i + 5000, 10000 * i + 10000)
        if i < 3:
            time.sleep(random.random() * 2)
            c.kill()
    wait("three are owners", lambda: w.one("SELECT count(DISTINCT owner) FROM etl_offsets WHERE pipeline = %s AND NOT "
                                           "released", w.name) == 3)
    w.stop(c)
    w.produce(40000, 41000)
    w.wait_for(41000)
    w.stop(a, b)
    w.proves(range(41000))


def a_second_instance_without_a_partition_ends_too():
    w = World(URL, parts=1)
    w.produce(0, 100)
    a, b = w.start("--until-end"), w.start("--until-end")
    same((a.wait(60), b.wait(60)), (0, 0), "exits")
    w.proves(range(100))


def told_to_stop_is_interrupted_and_loses_nothing():
    w = World(URL, batch__age="50ms")
    p = w.start()
    w.produce(0, 5000)
    w.wait_for(5000)
    began = time.time()
    w.stop(p)
    same(time.time() - began < 30, True, "without waiting for long")
    same(w.runs(), [("interrupted", 5000, "told to stop")], "runs")
    w.produce(5000, 6000)
    same(w.finish(), 0, "exit")
    w.proves(range(6000))


def told_to_stop_in_a_write_that_hangs_rolls_it_back():
    w = World(URL, parts=1, batch__rows=1000)
    w.ask(SLOW.replace("0.01", "60") % {"t": w.name})
    w.produce(0, 2000)
    p = w.start()
    w.wait_for(1000)
    wait("the COPY hangs", lambda: w.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE "
                                        "'COPY \"%s\"%%%%'" % w.name))
    began = time.time()
    w.stop(p)
    same(time.time() - began < 30, True, "long before it would have been through (%.1f)" % (time.time() - began))
    same(w.runs(), [("interrupted", 1000, "told to stop")], "runs")
    w.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE "
          "'COPY \"%s\"%%%%'" % w.name)
    w.ask("DROP TRIGGER slow ON %s" % w.name)
    same(w.finish(), 0, "exit")
    w.proves(range(2000))


def for_a_while_is_a_success_with_what_came_meanwhile():
    w = World(URL, batch__age="50ms")
    p = w.start("--for", "4s")
    w.produce(0, 3000)
    w.wait_for(3000)
    same(p.wait(60), 0, "exit")
    same(w.runs(), [("success", 3000, None)], "runs")
    w.proves(range(3000))


def a_run_that_was_killed_is_interrupted_once_the_next_one_sees_it():
    w = World(URL, parts=1, batch__age="50ms")
    w.produce(0, 1000)
    p = w.start()
    w.wait_for(1000)
    same(w.runs(), [("running", 1000, None)], "while it runs")
    p.kill()
    p.wait()
    same(w.finish(), 0, "exit")
    same(w.runs(), [("interrupted", 1000, "the process ended without saying why"), ("success", 0, None)], "runs")
    same(w.one("SELECT end_time >= start_time FROM etl_log WHERE job_name = %s AND status = 'interrupted'", w.name),
         True, "it has an end")


def a_record_the_loader_dies_of_is_isolated():
    w = World(URL, parts=1, batch__rows=200, batch__age="50ms", **{"sink__postgres__reject_limit": 100})
    w.produce(0, 100)
    same(w.finish(**w.static()), 0, "exit")
    w.produce(100, 300)
    # whoever writes 150 dies: we kill it whenever its COPY hangs there
    w.ask("CREATE FUNCTION %(t)s_deadly() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.id = 150 THEN PERFORM "
          "pg_sleep(60); END IF; RETURN NEW; END$$; CREATE TRIGGER deadly BEFORE INSERT ON %(t)s FOR EACH ROW EXECUTE "
          "FUNCTION %(t)s_deadly()" % {"t": w.name})
    deaths = 0
    p = w.start(**w.static())
    while w.rows() < 299:
        hangs = w.ask("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE 'COPY \"%s\"%%%%'"
                      % w.name)
        if not hangs:
            time.sleep(0.05)
            continue
        p.kill()
        p.wait()
        w.ask("SELECT pg_terminate_backend(%s)", hangs[0][0])
        deaths += 1
        same(deaths <= 8, True, "deaths")
        p = w.start(**w.static())
    w.stop(p)
    w.proves([i for i in range(300) if i != 150], rejects=1)
    same(w.ask("SELECT record_offset, stage FROM etl_reject WHERE pipeline = %s", w.name), [(150, "crash")], "it")
    same(w.one("SELECT record_value FROM etl_reject WHERE pipeline = %s", w.name).tobytes(), w.value(150), "raw bytes")
    same(w.one("SELECT count(*) >= 50 FROM etl_batch WHERE pipeline = %s AND rows_in = 1", w.name), True, "one by one")
    return "%d deaths" % deaths


run_all([kill_nine_twenty_times_loses_and_doubles_nothing,
         a_zombie_that_wakes_in_the_middle_of_a_copy_writes_nothing_more,
         a_record_the_loader_dies_of_is_isolated, two_instances_share_the_work,
         instances_that_come_and_go_cooperatively_lose_and_double_nothing,
         a_second_instance_without_a_partition_ends_too, told_to_stop_is_interrupted_and_loses_nothing,
         told_to_stop_in_a_write_that_hangs_rolls_it_back,
         for_a_while_is_a_success_with_what_came_meanwhile,
         a_run_that_was_killed_is_interrupted_once_the_next_one_sees_it, a_second_run_adds_nothing])
