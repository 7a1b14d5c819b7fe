#!/usr/bin/env python3
"""The wall clock jumps, by hours and days, ahead and back, under two registries and a gateway at work (clock_jump.c).

Nothing acknowledged is lost or doubled, the pen stays where it is, no deadline ends early or never.  Wants AVROGATE and
AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import collections, itertools, json, os, random, signal, socket, sys, time

import world
from world import JSON, Later, World, call, check, check_that, free_port, make_topic, need, read_topic, until

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from jumping import DAY, HOUR, Clock

JUMPS = (0, 3000, -2 * HOUR, -DAY, DAY, 3 * DAY, 0)  # Kafka refuses what is stamped more than an hour ahead of its clock
NAME = "clock-%08x" % random.getrandbits(32)
STRICT = NAME + "-strict"
SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}]}


def metric(port, name):
    for line in call("GET", port, "/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return 0


def days_off(messages):
    """By how many days their producers' clocks were off: the proof that these did jump."""
    return {round((m.timestamp()[1] / 1000 - time.time()) / DAY) for m in messages}


def busy_seconds(p):
    user, system = open("/proc/%d/stat" % p.pid).read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Registries(World):
    """Two of them: the first beside the gateway, the second with the clock that is right."""

    def __init__(self):
        super().__init__()
        self.other_port = free_port()
        self.ports = (self.registry_port, self.other_port)

    def start_all(self, clock):
        for name, port, env in (("other", self.other_port, None), ("registry", self.registry_port, clock.env)):
            self.start(name, "registry", "--listen", "127.0.0.1:%d" % port, "--bootstrap", self.kafka, "--topic", "_" + NAME,
                       "--advertise", "http://127.0.0.1:%d" % port, "--allow-unsafe", env=env)
            until("the registry is ready", lambda: call("GET", port, "/readyz").status == 200)
        self.start_gateway(env=clock.env)

    def give_the_pen_to_whose_clock_jumps(self):
        self.signal("other", signal.SIGSTOP)
        n = itertools.count()
        until("it has the pen", lambda: self.ask_for(self.registry_port, "%s-p%d" % (NAME, next(n)), "int").status == 200 and
              metric(self.registry_port, "avrogate_registry_pen") == 1)
        self.signal("other", signal.SIGCONT)

    def ask_for(self, port, subject, schema):
        return call("POST", port, "/subjects/%s/versions" % subject, json.dumps({"schema": json.dumps(schema)}), JSON)

    def takings(self):
        return sum(metric(p, 'avrogate_registry_pen_takes_total{outcome="taken"}') for p in self.ports)


class Slow:
    """A request that comes in two halves."""

    def __init__(self, port):
        body = b'{"id": "slow"}'
        self.s = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.s.sendall(b"POST /v1/topics/%s/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                       % (NAME.encode(), len(body)) + body[:5])
        self.rest = body[5:]

    def end(self):
        self.s.sendall(self.rest)
        with self.s, self.s.makefile("rb") as f:
            return int(f.readline().split()[1])


def at_each_jump(w, clock):
    ids, wanted = [], []
    for n, jump in enumerate(JUMPS):
        slow = Slow(w.gateway_port)
        waiting = Later(w.post, NAME, [{"id": "w%d-%d" % (n, i)} for i in range(500)])  # it may be on its way
        clock.jump(jump)
        subject, schema = NAME + "-s%d" % n, {"type": "fixed", "name": "F%d" % n, "size": 1}
        answers = [w.ask_for(port, subject, schema) for port in w.ports]
        check("at %d s: a schema, by either registry" % jump, [a.status for a in answers], [200, 200])
        ids.append({a.json["id"] for a in answers})
        told = call("GET", w.other_port, "/subjects/%s/versions/1/history" % subject).json["history"][0]["ts"] / 1000
        check("   which is off by so much", round((told - time.time()) / 600), round(jump / 600))
        check("   records", [w.post(NAME, [{"id": "r%d" % n}]).status, waiting.result().status, slow.end()], [200] * 3)
        again = w.post(NAME, [{"id": "once"}], headers={"Idempotency-Key": "k"})
        check("   the same again under its key", (again.status, again.headers.get("Idempotent-Replayed")), (200, "true" if n else None))
        check("   all are ready", [call("GET", p, "/readyz").status for p in (*w.ports, w.gateway_port)], [200] * 3)
        wanted += ["r%d" % n, "slow"] + ["w%d-%d" % (n, i) for i in range(500)]
        if jump <= 0:
            continue
        a = w.post(STRICT, [{"id": "s"}])  # a topic that minds
        check("   where Kafka minds: it is not the record's fault", a.status, 200 if jump < HOUR else 503)
        stamped = w.post(STRICT, [{"id": "s"}], headers={"Kafka-Timestamp": str(int(time.time() * 1000) + 3 * DAY * 1000)})
        check("   and where it is", stamped.status, 422)
    check("each schema has one id, and no two have the same", ({len(i) for i in ids}, len(set.union(*ids))), ({1}, len(JUMPS)))
    return wanted + ["once"]


def idle(w, clock):
    """What waits until a time of day waits longer after a jump back, and not at all after one ahead."""
    for jump in (3 * DAY, -DAY):
        clock.jump(jump)
        before = {name: busy_seconds(p) for name, p in w.running.items()}
        time.sleep(1)
        used = {name: busy_seconds(p) - before[name] for name, p in w.running.items()}
        check_that("nobody turns in circles at %d s" % jump, max(used.values()) < 0.5, used)
        check("   and they answer", [call("GET", p, "/subjects").status for p in w.ports] + [w.post(NAME, [{"id": "idle%d" % jump}]).status],
              [200] * 3)
    return ["idle%d" % (3 * DAY), "idle%d" % -DAY]


def main():
    make_topic(world.KAFKA, NAME, message_timestamp_after_max_ms=10 * DAY * 1000)
    make_topic(world.KAFKA, STRICT)
    clock, w = Clock(), Registries()
    try:
        w.start_all(clock)
        check("the schema of the records", [w.ask_for(w.registry_port, n + "-value", SCHEMA).status for n in (NAME, STRICT)], [200] * 2)
        w.give_the_pen_to_whose_clock_jumps()
        before = w.takings()
        wanted = collections.Counter(at_each_jump(w, clock) + idle(w, clock))
        check("nobody took the pen away", w.takings(), before)
        found = read_topic(w.kafka, NAME)
        there = collections.Counter(m.value()[6:].decode() for m in found)
        check("what was acknowledged is there once, and nothing else", sorted((there - wanted).elements())[:5] + sorted((wanted - there).elements())[:5], [])
        check("the gateway's clock was off by days", days_off(found), {round(j / DAY) for j in JUMPS})
        check("   and the brokers stamp what the registry writes", days_off(read_topic(w.kafka, "_" + NAME, seconds=3)), {0})  # it ends with a marker
    finally:
        check("all end when told", w.close(), {"gateway": 0, "other": 0, "registry": 0})
    sys.exit(world.failed != 0)


if __name__ == "__main__":
    main()
