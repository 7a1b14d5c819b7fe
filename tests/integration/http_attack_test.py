#!/usr/bin/env python3
"""The door, attacked: raw bytes at a real gateway and a real registry, on one embedded Kafka.

Wants AVROGATE (the program); skipped (77) without it.  What waits for a deadline of the program (10 s for a header and
for a body's grace, 15 s for an answer nobody reads, 30 s idle) waits at once, so that all of it takes half a minute.
"""
import asyncio, json, os, re, signal, sys

avrogate = os.environ.get("AVROGATE")
if not avrogate:
    print("AVROGATE is not set")
    sys.exit(77)
failed = 0
PATIENCE = 60


def check(what, got, want):
    """`want`: the value, or a tuple or range of those that will do."""
    global failed
    ok = got in want if isinstance(want, (tuple, range)) else got == want
    failed += not ok
    print(("ok - " if ok else "not ok - ") + what + ("" if ok else ": %r, wanted %r" % (got, want)), flush=True)


def split(data):
    """The answers in what came back: [(status, header, body)]; a piece that is no answer is status 0."""
    found = []
    while data:
        m = re.match(rb"HTTP/1\.1 (\d\d\d) [^\r\n]*\r\n(.*?)\r\n\r\n", data, re.S)
        if not m:
            return found + [(0, b"", data)]
        n = re.search(rb"(?mi)^content-length: (\d+)\r?$", m[2] + b"\r\n")
        n = int(n[1]) if n else 0
        found.append((int(m[1]), m[2].lower(), data[m.end():m.end() + n]))
        data = data[m.end() + n:]
    return found


async def until_closed(r):
    data = b""
    try:
        while piece := await asyncio.wait_for(r.read(65536), PATIENCE):
            data += piece
    except ConnectionError:
        pass
    return data


async def send(port, data):
    """Says all of it, then only listens until the server ends the connection."""
    r, w = await asyncio.open_connection("127.0.0.1", port)
    w.write(data)
    try:
        await w.drain()
    except ConnectionError:
        pass
    answers = split(await until_closed(r))
    w.close()
    return answers


HOST = b"Host: here\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
END = b"Connection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + END


def post(path, extra, body=b""):
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + extra + b"\r\n" + body


async def refused(port, path, name):
    """Each of these is one message with no one meaning: one answer, and nothing behind it is read."""
    cases = {
        "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
        "two Hosts": (GET + HOST + b"\r\n", 400),
        "the same Host in HTTP/1.0 twice": (b"GET / HTTP/1.0\r\n" + HOST + HOST + b"\r\n", 400),
        "Content-Length and Transfer-Encoding": (post(path, b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                                                      b"0\r\n\r\n"), 400),
        "Transfer-Encoding and Content-Length": (post(path, b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                                                      b"0\r\n\r\n"), 400),
        "two Content-Lengths": (post(path, b"Content-Length: 4\r\nContent-Length: 0\r\n"), 400),
        "a list of Content-Lengths": (post(path, b"Content-Length: 4, 4\r\n", b"{}{}"), 400),
        "a signed Content-Length": (post(path, b"Content-Length: +4\r\n", b"{}{}"), 400),
        "Content-Length in hex": (post(path, b"Content-Length: 0x4\r\n", b"{}{}"), 400),
        "a Content-Length past 64 bits": (post(path, b"Content-Length: 18446744073709551618\r\n", b"{}"), 413),
        "xchunked": (post(path, b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 400),
        "chunked twice": (post(path, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
        "chunked, identity": (post(path, b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), 400),
        "Transfer-Encoding behind a tab": (post(path, b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n"), 400),
        "Transfer-Encoding in HTTP/1.0": (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        "a space before the colon": (post(path, b"Content-Length : 4\r\n", b"{}{}"), 400),
        "a folded line": (GET + b"X: a\r\n b\r\n\r\n", 400),
        "a folded first line": (b"GET / HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n", 400),
        "NUL in a value": (GET + b"X: a\0b\r\n\r\n", 400),
        "NUL in the path": (b"GET /a\0b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        "bare LF as line end": (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400),
        "bare CR in a value": (GET + b"X: a\rTransfer-Encoding: chunked\r\n\r\n", 400),
        "LF behind a chunk's size": (post(path, b"Transfer-Encoding: chunked\r\n", b"2\n{}\r\n0\r\n\r\n"), 400),
        "LF in a chunk's extension": (post(path, b"Transfer-Encoding: chunked\r\n", b"2;a\n{}\r\n0\r\n\r\n"), 400),
        "a chunk longer than it says": (post(path, b"Transfer-Encoding: chunked\r\n", b"2\r\n{}x\r\n0\r\n\r\n"), 400),
        "a chunk of 2^64 + 2": (post(path, b"Transfer-Encoding: chunked\r\n", b"10000000000000002\r\n{}\r\n0\r\n\r\n"), 400),
        "a megabyte of chunk extension": (post(path, b"Transfer-Encoding: chunked\r\n", b"2;" + b"x" * (1 << 20)), 431),
        "a megabyte of trailer": (post(path, b"Transfer-Encoding: chunked\r\n", b"0\r\nX: " + b"x" * (1 << 20)), 431),
        "another host in the target": (b"GET http://there/healthz HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        "an unknown expectation": (post(path, b"Expect: wonders\r\nContent-Length: 2\r\n", b"{}"), 417),
        "a header of a megabyte": (GET + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n", 431),
        "ten thousand fields": (GET + b"X: y\r\n" * 10000 + b"\r\n", 431),
        "a target of a megabyte": (b"GET /" + b"x" * (1 << 20) + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        "a length over the limit": (post(path, b"Content-Length: 9000000000\r\n", b"{}"), 413),
        "CONNECT": (b"CONNECT here:80 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
        "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
        "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
    }
    for what, (data, status) in cases.items():
        answers = await send(port, data + SMUGGLED)
        check("%s, %s: one answer" % (name, what), len(answers), 1)
        if answers:
            check("%s, %s: its status" % (name, what), answers[0][0], status)
            check("%s, %s: the connection ends" % (name, what), b"connection: close" in answers[0][1], True)


async def understood(port, path, name):
    """Unusual, and with one meaning."""
    cases = {
        "absolute-form": (b"GET http://here/healthz HTTP/1.1\r\n" + HOST + END, [200]),
        "HTTP/1.0 without Host": (b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
        "one empty line before": (b"\r\n" + GET + END, [200]),
        "HEAD": (b"HEAD /healthz HTTP/1.1\r\n" + HOST + b"\r\n" + GET + END, None),
        "pipelined": (GET + b"\r\n" + b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n" + GET + END, [200, 404, 200]),
        "nothing behind Connection: close": (GET + END + GET + END, [200]),
        "a chunk extension": (post(path, b"Transfer-Encoding: chunked\r\nConnection: close\r\n",
                                   b"2;a=\"b;c\"\r\n[]\r\n0;x\r\nT: x\r\n\r\n"), None),
        "GET with a body": (GET + b"Content-Length: 5\r\n\r\nGET /" + GET + END, [200, 200]),
    }
    for what, (data, want) in cases.items():
        got = await send(port, data)
        if what == "HEAD":  # its answer has a length and no body: what follows is the next answer's head
            r, w = await asyncio.open_connection("127.0.0.1", port)
            w.write(data)
            raw = await until_closed(r)
            w.close()
            check("%s, HEAD has no body" % name, len(re.findall(rb"HTTP/1\.1 200 OK\r\n", raw)), 2)
            check("%s, HEAD is followed by the next head" % name, b"\r\n\r\nHTTP/1.1 200" in raw, True)
        elif want is None:
            check("%s, %s: read as one request" % (name, what), (len(got), got[0][0] < 500 if got else None), ((1, True),))
        else:
            check("%s, %s" % (name, what), [s for s, _, _ in got], want)


async def expects(port, path, name):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    w.write(post(path, b"Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n"))
    got = await asyncio.wait_for(r.readuntil(b"\r\n\r\n"), PATIENCE)
    check("%s, a body that waits is asked for" % name, got[:21], b"HTTP/1.1 100 Continue")
    w.write(b"[]")
    check("%s, and then answered" % name, split(await until_closed(r))[0][0], range(200, 500))
    w.close()
    r, w = await asyncio.open_connection("127.0.0.1", port)
    w.write(b"POST " + path + b" HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    await asyncio.sleep(0.3)
    w.write(b"[]")
    answers = split(await until_closed(r))
    check("%s, HTTP/1.0 is never told 100" % name, len(answers) == 1 and answers[0][0] != 100, True)
    w.close()


async def drip(port, first, piece, every):
    """Says a little now and then; how long the server bore it, and what it said."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    r, w = await asyncio.open_connection("127.0.0.1", port)
    w.write(first)
    heard = asyncio.create_task(until_closed(r))
    while not heard.done() and loop.time() < began + PATIENCE:
        w.write(piece)
        await asyncio.wait([heard], timeout=every)
    w.close()
    answers = split(heard.result()) if heard.done() else []
    return loop.time() - began, [s for s, _, _ in answers]


async def slow(port, path, name):
    """Deadlines are totals: bytes that drip do not extend them."""
    async def case(what, first, piece, every, least, statuses):
        took, got = await drip(port, first, piece, every)
        check("%s, %s: cut off, %.0f s" % (name, what, took), least <= took < PATIENCE, True)
        check("%s, %s: told" % (name, what), got, statuses)
    big = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"

    async def never_reads():
        r, w = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        w.transport.pause_reading()
        sent = 0
        try:  # answers pile up until the server neither reads nor waits any more
            while sent < (1 << 30):
                w.write(big * 2000)
                await asyncio.wait_for(w.drain(), PATIENCE)
                sent += len(big) * 2000
        except (ConnectionError, asyncio.TimeoutError) as e:
            check("%s, a peer that asks and never reads is given up" % name, isinstance(e, ConnectionError), True)
        w.transport.abort()

    await asyncio.gather(
        case("a header a byte at a time", b"GET / HTTP/1.1\r\nX: ", b"x", 0.5, 9, [408]),
        case("empty promises", b"\r\nGET / HTTP/1.1\r\n", b"X: y\r\n", 0.5, 9, [408]),
        case("a body a byte at a time", post(path, b"Content-Length: 100000\r\n"), b" ", 0.5, 9, [408]),
        case("a body in chunks of one byte", post(path, b"Transfer-Encoding: chunked\r\n"), b"1\r\n \r\n", 0.5, 9, [408]),
        case("a trailer without end", post(path, b"Transfer-Encoding: chunked\r\n", b"2\r\n[]\r\n0\r\n"), b"X: y\r\n", 0.5, 9,
             [408]),
        case("silence", b"", b"", 1, 9, []),
        case("silence between requests", b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n", b"", 1, 29, [200]),
        never_reads())


async def many(port, name):
    """More than any one client should hold; health is answered all the while."""
    held = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(400)))
    for _, w in held:
        w.write(b"POST / HTTP/1.1\r\n")
    check("%s, health beside 400 half requests" % name, [s for s, _, _ in await send(port, GET + END)], [200])
    for _, w in held:
        w.transport.abort()


async def attack(port, path, name):
    await refused(port, path, name)
    await understood(port, path, name)
    await expects(port, path, name)
    await asyncio.gather(slow(port, path, name), many(port, name))
    check("%s, still there" % name, [s for s, _, _ in await send(port, GET + END)], [200])


async def drained(child, port):
    """SIGTERM: what was asked is answered, what is new is told to go elsewhere, then it ends."""
    idle_r, idle_w = await asyncio.open_connection("127.0.0.1", port)
    half_r, half_w = await asyncio.open_connection("127.0.0.1", port)
    idle_w.write(GET + b"\r\n")
    await idle_r.readuntil(b"\r\n\r\n")
    half_w.write(GET[:9])
    await asyncio.sleep(0.2)
    child.send_signal(signal.SIGTERM)
    check("idle connections end", await asyncio.wait_for(until_closed(idle_r), PATIENCE) is not None, True)
    half_w.write(GET[9:] + b"\r\n")
    answers = split(await until_closed(half_r))
    check("half a request is finished and answered", answers[0][0] if answers else None, (200, 503))
    check("with SIGTERM it ends, and says 0", await asyncio.wait_for(child.wait(), PATIENCE), 0)


async def main():
    child = await asyncio.create_subprocess_exec(
        avrogate, "dev", "--topics", "attacked", "--registry-listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    line = b""
    while b"ready:" not in line:
        line = await asyncio.wait_for(child.stdout.readline(), PATIENCE)
        if not line:
            sys.exit("avrogate dev ended")
    registry, gateway = (int(re.search(rb"%s http://127\.0\.0\.1:(\d+)" % n, line)[1]) for n in (b"registry", b"gateway"))
    rest = asyncio.create_task(child.stdout.read())
    await asyncio.gather(attack(gateway, b"/v1/topics/attacked/records", "gateway"),
                         attack(registry, b"/subjects/attacked-value/versions", "registry"))
    await drained(child, gateway)
    check("nothing was said of a crash", re.findall(rb"(?i)assert|sanitizer|abort", await rest), [])


asyncio.run(main())
print("%d failed" % failed)
sys.exit(failed != 0)
