#!/usr/bin/env python3
"""The gateway's /openapi.json is true: schemathesis, which nobody here wrote, asks every operation what the document allows and
compares status, type and body with what the document says.

Left out are two of its checks: the data is the schema's business and not the document's, so that what the document allows may
be refused; and a member nobody knows is passed over, as REST Proxy does.
Wants AVROGATE, AVROGATE_TEST_KAFKA and schemathesis; skipped (77) without them.  Kafka is its own: topics are made up.
"""
import json, os, shutil, subprocess, sys, tempfile

import world
from world import JSON, Broker, World, call, check, make_topic, need

need("AVROGATE", "AVROGATE_TEST_KAFKA")
tool = shutil.which("schemathesis")
if tool is None:
    print("schemathesis is not there")
    sys.exit(77)
SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long", "default": 1}]}
CONFIG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "schemathesis.toml")


def main():
    broker = Broker()
    broker.do("start")
    w = World(broker.address)
    try:
        make_topic(w.kafka, "t")
        w.start_registry()
        w.register("t-value", SCHEMA)
        w.start_gateway("--log-level=error")
        a = call("GET", w.gateway_port, "/openapi.json")
        check("the document is served", (a.status, a.headers["Content-Type"], a.json["openapi"]), (200, JSON, "3.1.0"))
        cluster = call("GET", w.gateway_port, "/v3/clusters").json["data"][0]["cluster_id"]
        aside = tempfile.TemporaryDirectory()  # for what it leaves behind
        config = os.path.join(aside.name, "schemathesis.toml")
        with open(CONFIG) as f, open(config, "w") as g:  # what there is, mostly, so that more than 404 is seen
            g.write('[parameters]\n"path.topic" = "t"\n"path.cluster" = "%s"\n"path.partition" = 0\n' % cluster + f.read())
        done = subprocess.run(
            [tool, "--config-file", config, "run", "http://127.0.0.1:%d/openapi.json" % w.gateway_port, "--phases", "examples,coverage,fuzzing",
             "--max-examples", "15", "--max-time", "20", "--seed", "1", "--no-color", "--exclude-checks", "negative_data_rejection,positive_data_acceptance"],
            capture_output=True, text=True, timeout=300, cwd=aside.name)
        print(done.stdout[-14000:] + done.stderr[-2000:] if done.returncode != 0 else done.stdout[-600:])
        check("schemathesis finds nothing", done.returncode, 0)
        check("the gateway is whole", call("GET", w.gateway_port, "/readyz").status, 200)
    finally:
        w.close()
        broker.close()
    sys.exit(1 if world.failed else 0)


if __name__ == "__main__":
    main()
