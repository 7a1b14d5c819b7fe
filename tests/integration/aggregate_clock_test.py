#!/usr/bin/env python3
"""The wall clock jumps, by hours and days, ahead and back, under running aggregates (clock_jump.c): windows go by the records, what is due
by the steady clock, the audit by the database's; and a record is not too far in the future because our clock went back."""
from aggregate_world import *
from jumping import DAY, HOUR, Clock

URL = make_database(SERVER, "aggregate_clock")
JUMPS = (0, 2 * HOUR, DAY, -3 * DAY)  # Kafka takes nothing that is stamped more than an hour ahead of its clock


def metrics(url):
    return urllib.request.urlopen(url + "/metrics", timeout=10).read().decode()


def metric(text, name, **labels):
    lines = [l for l in text.splitlines() if l.startswith("avrogate_aggregate_" + name) and all('%s="%s"' % kv in l for kv in labels.items())]
    return sum(float(l.rsplit(" ", 1)[1]) for l in lines)


def windows_rows_and_sinks_go_on():
    clock, now = Clock(), int(time.time() * 1000)
    w = Invoices(aggregate__window={"size": "1h", "grace": "5m", "keep": "7d"}, aggregate__time_field="at")
    w.more.update(sink__postgres={"url": URL, "table": w.name}, sink__kafka={"topic": w.name + ".out"}, dead_letters=w.name + ".dead")
    p, url = w.serve(env=clock.env)
    for jump in JUMPS:
        clock.jump(jump)
        for i in range(300):
            w.invoice("c%d" % (i % 7), i, at=now + i, partition=i % 3)
        w.producer.flush()
        n = len(w.sent)
        wait("%d are counted, %d s off" % (n, jump), lambda: (get(url + "/aggregate")[0] == 200 and
                                                             sum(r["invoices"] for r in all_rows(url) or []) == n), 15)
        wait("and written", lambda: sum(int(r[0]) for r in written(URL, w, "invoices::text, customer") or []) == n)
    text = metrics(url)
    same([metric(text, "records_total", outcome=o) for o in ("counted", "late", "rejected")], [n, 0, 0], "counted, late, set aside")
    same("Invalid timestamp" in open(w.log().name).read(), False, "Kafka took all that was written, as it stamps itself")
    same(p.poll(), None, "it still runs")
    w.stop(p)
    same(ask_at(URL, "SELECT bool_and(window_end - window_start = interval '1 hour') AND bool_and(window_start BETWEEN now() - "
                     "interval '2 hours' AND now()) FROM " + w.name), [(True,)], "windows are those of the records")
    same(ask_at(URL, "SELECT count(*) FROM etl_log WHERE job_name = %s AND start_time <= end_time AND end_time <= now() AND start_time > now() - "
                     "interval '1 hour' AND status = 'interrupted'", w.name), [(1,)], "runs of today that ended after they began")
    same(ask_at(URL, "SELECT sum(rows_loaded)::bigint FROM etl_batch WHERE pipeline = %s AND started <= finished", w.name), [(len(w.sent),)], "audited")
    w.url = URL
    code, out, err = w.audit("verify", "--job", w.name, "--bootstrap", w.kafka)
    same(code, 0, "audit verify says\n" + out + err)


def what_is_printed_is_printed_in_time_and_a_run_for_a_while_ends():
    clock = Clock()
    w = Invoices(parts=1)
    for _ in range(10):
        w.invoice("a", 1, at=int(time.time() * 1000), partition=0)
    w.producer.flush()
    p = w.start("--print", "300ms", "--for", "3s", out=subprocess.PIPE, env=clock.env)
    time.sleep(1.2)
    clock.jump(-2 * DAY)
    time.sleep(0.8)
    clock.jump(2 * DAY)
    out = p.communicate(timeout=20)[0]
    same(p.returncode, 0, "exit")
    same(out.count("Batch:") >= 4, True, "tables printed: %d" % out.count("Batch:"))
    same(printed(out)[1][0][:2], ["a", "10"], "the last of them")


run_all([windows_rows_and_sinks_go_on, what_is_printed_is_printed_in_time_and_a_run_for_a_while_ends])
