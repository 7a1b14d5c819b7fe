#!/usr/bin/env python3
"""/openapi.json is true: schemathesis, which nobody here wrote, asks every operation what the document allows and
compares status, type and body with what the document says.

Left out are two of its checks: the interface is lenient as Confluent's is (a boolean that is no boolean is false, members
nobody knows are ignored), and positive data may well be no Avro.
Wants AVROGATE, AVROGATE_TEST_KAFKA and schemathesis; skipped (77) without them.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

import registry_test
from registry_test import Registry, check

config = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "schemathesis.toml")
tool = shutil.which("schemathesis")
if tool is None:
    print("schemathesis is not there")
    sys.exit(77)


def main():
    r = Registry("openapi-test-%d-%d" % (time.time(), os.getpid()))
    try:
        status, document = r.ask("GET", "/openapi.json")
        check("the document is served", (status, document["openapi"]), (200, "3.1.0"))
        aside = tempfile.TemporaryDirectory()  # for what it leaves behind
        done = subprocess.run(
            [tool, "--config-file", config, "run", r.url + "/openapi.json", "--phases", "examples,coverage,fuzzing", "--max-examples", "20",
             "--max-time", "60", "--seed", "1", "--no-color", "--exclude-checks",
             "negative_data_rejection,positive_data_acceptance"],
            capture_output=True, text=True, timeout=300, cwd=aside.name)
        if done.returncode != 0:
            print(done.stdout[-12000:], done.stderr[-2000:])
        check("schemathesis finds nothing", done.returncode, 0)
        check("the registry is whole", r.ask("GET", "/readyz")[0], 200)
    finally:
        r.process.kill()
    sys.exit(registry_test.failed != 0)


if __name__ == "__main__":
    main()
