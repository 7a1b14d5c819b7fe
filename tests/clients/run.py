#!/usr/bin/env python3
"""Registry clients that nobody here wrote, in four languages, against our registry and gateway on a real Kafka.

Wants AVROGATE and AVROGATE_TEST_KAFKA; `./test --clients` gives them, and the toolchains.  Each client registers, evolves, refers,
looks up, deletes, and writes to Kafka and reads it back; then each reads what the gateway and all the others wrote to one topic.
Among those are clients written for REST Proxy (node-rest), which write through the gateway.
usage: run.py [client ...]
"""
import os, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../integration"))
import world
from world import call, check, make_topic, need, until, World

need("AVROGATE", "AVROGATE_TEST_KAFKA")
BUILT = os.environ.get("CLIENTS_BUILT", os.path.join(HERE, "../../.deps/clients"))
CLIENTS = {  # name: how it is started
    "python": [sys.executable, HERE + "/python/client.py"],
    "node-confluent": ["node", HERE + "/node/confluent.js"],
    "node-kafkajs": ["node", HERE + "/node/kafkajs.js"],
    "go": [BUILT + "/go-client"],
    "rust": [BUILT + "/rust/debug/clients"],
    "node-rest": ["node", HERE + "/node/rest.js"],
}
WRITE_ONLY = {"node-rest"}  # through the gateway: what they wrote the others read
GATEWAY = "gateway"


def reading(by, n):
    """As JSON for the gateway; the clients know the same rule."""
    import base64
    return {"by": by, "n": n, "value": n + 0.5, "note": None if n % 2 == 0 else "note %d" % n, "tags": ["a", "ü"],
            "parity": ("EVEN", "ODD")[n % 2], "raw": base64.b64encode(bytes([0, n, 255])).decode(), "levels": {"x": n},
            "at": 1700000000000 + n}


def run(name, what, settings):
    """Every line that a client prints is a check; one that ends without saying that it is done has failed."""
    print("-- %s: %s" % (name, what), flush=True)
    try:
        p = subprocess.run([*CLIENTS[name], what], env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, timeout=180)
        lines, code = p.stdout.splitlines(), p.returncode
    except (OSError, subprocess.TimeoutExpired) as e:
        lines, code = ["not ok - %s" % e], 1
    for line in lines:
        print(line if line.startswith(("ok - ", "not ok - ")) else "   " + line)
    checks = sum(line.startswith(("ok - ", "not ok - ")) for line in lines)
    check("%s %s: all of %d checks hold" % (name, what, checks), (code, lines[-1:]), (0, ["done"]))


def main():
    names = sys.argv[1:] or list(CLIENTS)
    topic = "clients%d" % os.getpid()
    w = World()
    try:
        w.start("registry", "registry", "--listen", "127.0.0.1:%d" % w.registry_port, "--bootstrap", w.kafka,
                "--topic", topic + "-schemas", "--allow-unsafe")
        until("the registry is ready", lambda: call("GET", w.registry_port, "/readyz").status == 200)
        w.start_gateway()
        make_topic(w.kafka, topic)
        for name in names:
            make_topic(w.kafka, "%s-%s" % (topic, name))
            make_topic(w.kafka, "%s-%s-trips" % (topic, name))
        with open(HERE + "/schemas/reading.avsc") as f:
            body = world.json.dumps({"schema": f.read()})
        check("the schema all share is registered", call("POST", w.registry_port, "/subjects/%s-value/versions" % topic, body, world.JSON).status, 200)
        check("the gateway takes JSON of it", w.post(topic, [reading(GATEWAY, n) for n in range(3)]).status, 200)
        settings = {"CLIENTS_REGISTRY": "http://127.0.0.1:%d" % w.registry_port, "CLIENTS_KAFKA": w.kafka, "CLIENTS_TOPIC": topic,
                    "CLIENTS_SCHEMAS": HERE + "/schemas", "CLIENTS_GATEWAY": "http://127.0.0.1:%d" % w.gateway_port,
                    "CLIENTS_WRITERS": " ".join([GATEWAY, *names])}
        for what in "flow", "read":
            for name in names:
                if what == "read" and name in WRITE_ONLY:
                    continue
                run(name, what, settings)
    finally:
        ended = w.close()
    check("registry and gateway end with 0", set(ended.values()), {0})
    sys.exit(world.failed != 0)


if __name__ == "__main__":
    main()
