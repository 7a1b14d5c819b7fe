#!/usr/bin/env python3
"""More than there is room for: a client with 1,000 requests in flight beside one that asks for little, idle connections, and
memory while three times too much comes.

Two clients are two addresses, 127.0.0.1 and 127.0.0.2.  Wants AVROGATE (the program) and AVROGATE_TEST_KAFKA; skipped (77)
without them.  By hand, for the figures in docs/gateway.md: `--seconds 60` of three times too much (3), `--idle 5000` connections (2000).
"""
import argparse, asyncio, json, os, sys, time

import world
from world import World, call, check, check_that, make_topic, need, read_topic

need("AVROGATE", "AVROGATE_TEST_KAFKA")
seconds = argparse.ArgumentParser()
seconds.add_argument("--seconds", type=float, default=3)
seconds.add_argument("--idle", type=int, default=2000)
args = seconds.parse_args()
seconds = args.seconds

t = "overload%d" % os.getpid()
SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}, {"name": "pad", "type": "string", "default": ""}]}


class Client:
    """Connections from one address; each asks again as soon as it was answered, and again at once when it was refused."""

    def __init__(self, w, address):
        self.port, self.address = w.gateway_port, address
        self.statuses, self.took, self.written, self.no_retry_after = {}, [], 0, 0

    async def ask(self, streams, body, records=1):
        reader, writer = streams
        began = time.monotonic()
        writer.write(b"POST /v1/topics/%s/records HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (t.encode(), len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        await reader.readexactly(int(fields[b"content-length"]))
        status = int(head.split()[1])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.took.append(time.monotonic() - began)
        if status == 200:
            self.written += records
        elif b"retry-after" not in fields:
            self.no_retry_after += 1
        return status, fields.get(b"connection") == b"close"

    async def run(self, until, body, records=1, pause=0.0, most=None, to_503=False):
        streams = None
        while time.monotonic() < until and (most is None or len(self.took) < most) and not (to_503 and 503 in self.statuses):
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.address, 0))
                status, closed = await self.ask(streams, body, records)
            except (ConnectionError, asyncio.IncompleteReadError):
                closed, status = True, 0
            if closed:
                streams[1].close() if streams else None
                streams = None
            await asyncio.sleep(pause if status == 200 else 0.05)
        if streams:
            streams[1].close()


def beside(w, greedy_connections, body, **how):
    """What a modest client gets, one request after the other, beside a greedy one."""
    greedy, modest = Client(w, "127.0.0.2"), Client(w, "127.0.0.1")

    async def both():
        until = time.monotonic() + 60
        crowd = [asyncio.create_task(greedy.run(until, body)) for _ in range(greedy_connections)]
        while 503 not in greedy.statuses and time.monotonic() < until:
            await asyncio.sleep(0.05)
        await modest.run(until, b'{"id":"modest"}', **(how or {"most": 20}))
        for c in crowd:
            c.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    asyncio.run(both())
    return greedy, modest


def a_greedy_one_does_not_starve_a_modest_one(w):
    flags = ["--limits-in-flight-requests=400", "--kafka", "linger.ms=100", "--log-level=error"]
    w.start_gateway(*flags)
    w.post(t, {"id": "known"})
    greedy, modest = beside(w, 1000, b'{"id":"greedy"}')
    print("greedy: %s; modest: %s, slowest %.2f s" % (greedy.statuses, modest.statuses, max(modest.took)))
    check("who asks for little gets all of it beside 1,000 requests of another", modest.statuses, {200: 20})
    check_that("   who gets what is left, and is refused the rest", set(greedy.statuses) == {200, 503} and greedy.statuses[200] > 100, greedy.statuses)
    check("   each refusal with Retry-After", greedy.no_retry_after, 0)
    check_that("   and in time", max(modest.took) < 5, max(modest.took))
    check("   it stops", w.end("gateway"), 0)

    w.start_gateway(*flags, "--limits-share=100")
    w.post(t, {"id": "known"})
    # Who asks again with everybody else, as soon as Kafka has answered them all, finds room: so not at once.
    _, modest = beside(w, 1000, b'{"id":"greedy"}', pause=0.06, to_503=True)
    check_that("   without shares it would be refused too", 503 in modest.statuses, modest.statuses)
    w.end("gateway")


def the_same_of_bytes(w):
    w.start_gateway("--limits-in-flight-bytes=1MiB", "--kafka", "linger.ms=100", "--log-level=error")
    w.post(t, {"id": "known"})
    greedy, modest = beside(w, 64, json.dumps({"id": "greedy", "pad": "x" * 50000}).encode())
    check("who sends little does not wait for one who sends much", modest.statuses, {200: 20})
    check_that("   who gets what is left", set(greedy.statuses) == {200, 503}, greedy.statuses)
    a = call("GET", w.gateway_port, "/metrics").body.decode()
    check_that("   /metrics says what there was too little of, and for whom", 'avrogate_gateway_refused_total{of="bytes",for="one"}' in a, [l for l in a.splitlines() if "refused" in l])
    w.end("gateway")


def rss(w):
    with open("/proc/%d/status" % w.running["gateway"].pid) as f:
        return [int(line.split()[1]) for line in f if line.startswith("VmRSS")][0]


def three_times_too_much(w):
    """Bodies of 256 KiB on as many connections as fill the budget three times, all the time."""
    w.start_gateway("--limits-in-flight-bytes=16MiB", "--kafka", "linger.ms=20", "--log-level=error")
    w.post(t, {"id": "known"})
    clients = [Client(w, "127.0.0.%d" % (i + 2)) for i in range(4)]
    body = json.dumps([{"id": "much", "pad": "x" * 1000}] * 250).encode()
    before, most = rss(w), 0

    async def all_of_them():
        nonlocal most
        until = time.monotonic() + seconds
        crowd = [asyncio.create_task(c.run(until, body, 250)) for c in clients for _ in range(48)]
        while time.monotonic() < until:
            most = max(most, rss(w))
            await asyncio.sleep(0.2)
        await asyncio.gather(*crowd)
    asyncio.run(all_of_them())
    said = {}
    for c in clients:
        for status, n in c.statuses.items():
            said[status] = said.get(status, 0) + n
    print("%g s of three times too much: %s, RSS %d -> at most %d MiB" % (seconds, said, before >> 10, most >> 10))
    check_that("three times too much is refused, what is taken is written", set(said) == {200, 503}, said)
    check_that("   and costs no more memory than the budget says", most - before < 128 << 10, "%d KiB" % (most - before))
    sent = sum(c.written for c in clients)
    check("   and all of it is there, once", sum(b"much" in m.value()[:12] for m in read_topic(w.kafka, t)), sent)
    w.end("gateway")


def idle_connections_cost_little(w, n):
    w.start_gateway("--log-level=error")
    w.post(t, {"id": "known"})
    before = rss(w)

    async def hold():
        async def one(i):
            streams = await asyncio.open_connection("127.0.0.1", w.gateway_port, local_addr=("127.0.0.%d" % (2 + i % 4), 0), limit=1024)
            await c.ask(streams, b'{"id":"idle"}')
            return streams
        c = Client(w, "127.0.0.1")
        held = []
        for i in range(0, n, 100):
            held += await asyncio.gather(*[one(j) for j in range(i, i + 100)])
        check("%d connections ask once and stay" % n, c.statuses, {200: n})
        await asyncio.sleep(0.5)
        each = (rss(w) - before) / n
        print("an idle connection: %.1f KiB" % each)
        check_that("   an idle one costs at most 40 KB", each <= 40, each)
        for _, writer in held:
            writer.close()
    asyncio.run(hold())
    w.end("gateway")


def main():
    w = World()
    try:
        make_topic(w.kafka, t)
        w.start_registry()
        w.register(t + "-value", SCHEMA)
        a_greedy_one_does_not_starve_a_modest_one(w)
        the_same_of_bytes(w)
        three_times_too_much(w)
        idle_connections_cost_little(w, args.idle)
    finally:
        w.close()
    sys.exit(1 if world.failed else 0)


if __name__ == "__main__":
    main()
