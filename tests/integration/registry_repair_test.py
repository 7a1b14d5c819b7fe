#!/usr/bin/env python3
"""avrogate registry fsck, backup, restore, undelete on a real topic, beside a registry that serves it.

Wants AVROGATE and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import registry_test
from registry_test import V1, V2, Registry, avrogate, check, kafka

from confluent_kafka import Producer


def tool(command, topic, *more):
    done = subprocess.run([avrogate, "registry", command, "--bootstrap", kafka, "--topic", topic, *more],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def last_line(answer):
    return answer[0], answer[1].splitlines()[-1]


def eventually(what, ask, want):
    for _ in range(50):
        got = ask()
        if got == want:
            break
        time.sleep(0.1)
    check(what, got, want)


def main():
    topic = "repair-test-%d-%d" % (time.time(), os.getpid())
    file = os.path.join(tempfile.mkdtemp(), "schemas.ndjson")
    r = Registry(topic)
    other = None
    try:
        check("nothing is wrong in an empty topic", tool("fsck", topic)[0], 0)
        r.register("s", V1), r.register("s", V2), r.register("t", "int"), r.register(":.x:c", "string")
        r.ask("PUT", "/config/s", {"compatibility": "FULL"})
        r.ask("DELETE", "/subjects/s/versions/1")
        before = r.everything()
        check("fsck finds nothing wrong", tool("fsck", topic)[0], 0)
        check("backup", tool("backup", topic, "--file", file)[0], 0)
        check("is a line for each record that counts", len(open(file).readlines()), 6)

        r.ask("DELETE", "/subjects/t"), r.ask("DELETE", "/subjects/t?permanent=true")
        check("deleted for good", r.ask("GET", "/subjects/t/versions")[0], 404)
        check("restore of one id, tried", last_line(tool("restore", topic, "--file", file, "--id", "3", "--dry-run")),
              (0, "1 would be written, 0 left alone"))
        check("restore of one id", last_line(tool("restore", topic, "--file", file, "--id", "3")), (0, "1 written, 0 left alone"))
        eventually("is served with its id", lambda: r.ask("GET", "/subjects/t/versions/1")[1].get("id"), 3)
        check("twice is once", last_line(tool("restore", topic, "--file", file)), (0, "0 written, 0 left alone"))

        r.ask("DELETE", "/subjects/t"), r.ask("DELETE", "/subjects/t?permanent=true")
        check("undelete", last_line(tool("undelete", topic, "--subject", "t")), (0, "1 written, 0 left alone"))
        eventually("is served again", lambda: r.ask("GET", "/subjects/t/versions/1")[1].get("id"), 3)
        check("undelete of a version deleted softly", last_line(tool("undelete", topic, "--subject", "s", "--subject-version", "1")),
              (0, "1 written, 0 left alone"))
        eventually("is listed again", lambda: r.ask("GET", "/subjects/s/versions")[1], [1, 2])

        other = Registry(topic + "-new")
        check("restore of everything elsewhere", last_line(tool("restore", topic + "-new", "--file", file)),
              (0, "6 written, 0 left alone"))
        eventually("is the registry that was", other.everything, before)
        check("which goes on counting", other.register("n", {"type": "array", "items": "int"}), (200, {"id": 4}))
        other.register("s", dict(V2, doc="else"))
        r.register("s", dict(V2, doc="another"))
        check("backup again", tool("backup", topic, "--file", file)[0], 0)
        code, said, _ = tool("restore", topic + "-new", "--file", file)
        check("what says something else is left alone", (code, "left alone: subject s version 3" in said), (1, True))

        p = Producer({"bootstrap.servers": kafka})
        p.produce(topic, key="garbage", value="garbage")
        p.flush(30)
        code, said, _ = tool("fsck", topic)
        check("fsck finds garbage and its offset", (code, "key: 1:1: " in said and said.startswith("offset ")), (1, True))
        check("a topic that is not there", tool("fsck", topic + "-none"),
              (1, "", f"avrogate registry fsck: topic {topic}-none: UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or partition\n"))
        check("a file that is no backup", tool("restore", topic, "--file", "/etc/passwd")[0], 1)
    finally:
        r.process.kill()
        if other:
            other.process.kill()
    sys.exit(registry_test.failed != 0)


if __name__ == "__main__":
    main()
