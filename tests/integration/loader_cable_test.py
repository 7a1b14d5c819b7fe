#!/usr/bin/env python3
"""A loader whose packets to its database vanish: no answer, no reset (cable.py).  It notices in the time that its
connection says, and what the server still holds for it, which noticed nothing, is taken from there.  CABLE_ROUNDS: how often (1)."""
from loader_world import *
from cable import Cable

URL = make_database(SERVER, "loader_cable")
ROUNDS = int(os.environ.get("CABLE_ROUNDS", "1"))
PORT = int(URL.rsplit(":", 1)[1].split("/")[0])
SOON = "gssencmode=disable&tcp_user_timeout=1200&keepalives_idle=1&keepalives_interval=1&keepalives_count=1"


def through(cable):
    return URL.replace(":%d/" % PORT, ":%d/" % cable.port) + "?sslmode=disable&connect_timeout=2&" + SOON


def lines_to(port):
    """Connections that a process holds for established."""
    with open("/proc/net/tcp") as f:
        lines = [l.split() for l in f][1:]
    return sum(l[2] == "0100007F:%04X" % port and l[3] == "01" for l in lines)


def seconds_until_probed(w):
    """When the server asks next whether the loader is there: its side of the writer's connection, as the kernel has it."""
    port = w.one("SELECT client_port FROM pg_stat_activity a JOIN etl_log l ON a.application_name = 'avrogate w ' || l.run_id WHERE "
                 "l.job_name = %s", w.name)

    def keepalive():
        with open("/proc/net/tcp") as f:
            timers = [l.split()[5].split(":") for l in f if l.split()[1:3] == ["0100007F:%04X" % PORT, "0100007F:%04X" % port]]
        return [int(left, 16) / os.sysconf("SC_CLK_TCK") for timer, left in timers if timer == "02"]  # 01: it sends just now
    return wait("a keepalive's timer runs", keepalive, 10)[0]


class Moment:
    """Of many packets one: at which the cable is pulled, once."""

    def __init__(self):
        self.what, self.where, self.to_server, self.seen = None, "", True, b""

    def at(self, to_server, what, where):
        self.to_server, self.where, self.what = to_server, where, what

    def __call__(self, to_server, data):
        if self.what is None or to_server != self.to_server or self.what not in data:
            return ""
        self.what, self.seen = None, data
        return self.where


def Postgres(cable):
    return World(URL, parts=1, batch__rows=500, batch__age="50ms", sink__postgres__url=through(cable), sink__postgres__lock_timeout="1s")


class Odbc(World):
    """The same, by psqlODBC."""

    def __init__(self, cable):
        super().__init__(URL, parts=1, batch__rows=500, batch__age="50ms", sink__odbc__lock_timeout="1s", sink__odbc__table="", sink__odbc__connection="")
        self.settings["sink__odbc__table"] = self.name
        self.settings["sink__odbc__connection"] = "Driver={PostgreSQL Unicode};Servername=127.0.0.1;Port=%d;Database=%s;UID=%s;PWD=%s;SSLmode=disable;pqopt={%s}" % (
            cable.port, URL.rsplit("/", 1)[1], *URL.split("/")[2].split("@")[0].split(":"), SOON.replace("&", " "))

    def pipeline(self, **more):
        name = super().pipeline(**more)
        conf = json.load(open(name))
        del conf["sink"]["postgres"]
        json.dump(conf, open(name, "w"))
        return name


def pulled(to_server, what, where, held, world=Postgres):
    """Pulled at that moment; `held`: the server is left with the position's row locked."""
    moment = Moment()
    cable = Cable(PORT, moment)
    w = world(cable)
    p, n, slowest = w.start(), 500, 0
    w.produce(0, n)
    w.wait_for(n)
    probed = seconds_until_probed(w)
    same(probed < 16, True, "seconds until the server looks whether we are there: %.0f" % probed)
    for _ in range(ROUNDS):
        moment.at(to_server, what, where)
        w.produce(n, n + 500)
        wait("it is pulled", lambda: cable.pulled)
        began = time.time()
        wait("it noticed", lambda: lines_to(cable.port) == 0)
        slowest = max(slowest, time.time() - began)
        if held:
            same(w.ask("SELECT count(*) FROM pg_stat_activity a JOIN etl_log l ON a.application_name = 'avrogate w ' || l.run_id WHERE l.job_name = %s "
                       "AND xact_start IS NOT NULL", w.name), [(1,)], "transactions that the server keeps open")
        w.produce(n + 500, n + 1000)
        cable.put_back()
        n += 1000
        w.wait_for(n)
    same(p.poll(), None, "it still runs")
    same(w.runs(), [("running", n, None)], "runs")
    w.stop(p)
    w.proves(range(n))
    same(w.ask("SELECT DISTINCT epoch FROM etl_offsets WHERE pipeline = %s", w.name), [(1,)], "it kept its partition")
    return "noticed after %.1f s at most" % slowest


def rows_on_their_way_are_sent_again():
    return pulled(True, b"PGCOPY\n", "before", held=True)


def a_commit_that_did_not_arrive_is_made_again():
    return pulled(True, b"COMMIT\0", "before", held=True)


def a_commit_whose_answer_vanished_is_looked_up():
    return pulled(False, b"COMMIT\0", "before", held=False)


def have_psqlodbc():
    try:
        return "[PostgreSQL Unicode]" in open("/etc/odbcinst.ini").read()
    except OSError:
        return False


def by_odbc_rows_on_their_way_are_sent_again():
    return pulled(True, b"etl_batch", "before", held=True, world=Odbc)


def by_odbc_a_commit_whose_answer_vanished_is_looked_up():
    return pulled(False, b"COMMIT\0", "before", held=False, world=Odbc)


PGS = [rows_on_their_way_are_sent_again, a_commit_that_did_not_arrive_is_made_again, a_commit_whose_answer_vanished_is_looked_up]
ODBCS = [by_odbc_rows_on_their_way_are_sent_again, by_odbc_a_commit_whose_answer_vanished_is_looked_up]
if not have_psqlodbc():
    print("# psqlODBC is not installed (./deps test): by libpq alone")
run_all(PGS + (ODBCS if have_psqlodbc() else []), workers=5)
