#!/usr/bin/env python3
"""The gateway before three brokers: replicas are missing, and leaders change under load.  Nothing acknowledged is lost, what was
refused is not there, and no restart is needed.

Wants AVROGATE and AVROGATE_TEST_KAFKA (which says that a real Kafka may be run here; this test starts its own, because it stops it).
Skipped (77) without them.
"""
import os, shutil, subprocess, sys, tempfile, time

from gateway_faults import SCHEMA, Load, ids, nothing_acked_is_lost, says
from world import EXTRA, SERVICES, World, check, free_ports, make_topic, until
import world


def leaders_change(w, cluster):
    """Under load: a leader is killed and comes back, another leaves in order, and the first ones are elected again."""
    from confluent_kafka import ElectionType, KafkaException, TopicPartition
    from confluent_kafka.admin import AdminClient
    make_topic(w.kafka, "led", 3, 3, min_insync_replicas=2)
    admin, led = AdminClient({"bootstrap.servers": w.kafka}), [TopicPartition("led", p) for p in range(3)]

    def leaders():
        end = time.monotonic() + 60
        while True:
            try:
                return [p.leader for _, p in sorted(admin.list_topics("led", timeout=10).topics["led"].partitions.items())]
            except KafkaException:  # whom it asked has just gone
                if time.monotonic() > end:
                    raise

    first = leaders()
    load = Load(w, "led", pause=0.05)
    until("there is a load", lambda: load.statuses[200] > 20)
    for how, node in (("killnode", first[0]), ("stopnode", first[1])):
        before = load.statuses[200]
        cluster(how, str(node))
        until("%s: others lead" % how, lambda: node not in leaders())
        until("   and 200 again, without a restart", lambda: load.statuses[200] > before + 50)
        cluster("startnode", str(node))
        until("   and all are in sync again", lambda: in_sync(w.kafka, "led") == [3, 3, 3], 90)
    before = load.statuses[200]
    admin.elect_leaders(ElectionType.PREFERRED, led).result(30)
    until("the first ones lead again", lambda: leaders() == first)
    until("   and 200 goes on", lambda: load.statuses[200] > before + 50)
    nothing_acked_is_lost("leaders changed", load.stop(), ids(w.kafka, "led", 3))


def in_sync(kafka, topic):
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient
    try:
        partitions = AdminClient({"bootstrap.servers": kafka}).list_topics(topic, timeout=10).topics[topic].partitions
        return [len(p.isrs) for _, p in sorted(partitions.items())]
    except KafkaException:
        return []


def replicas_are_missing():
    """Three brokers, two of which must have a record; two of them go."""
    base, data = free_ports(1, 2, 3, 11, 12, 13), tempfile.mkdtemp(prefix="avrogate-cluster-")
    extra = os.path.join(data, "extra.properties")
    with open(extra, "w") as f:
        f.write(EXTRA)
    env = dict(os.environ, KC_BASE=str(base), KC_DATA=data, KAFKA_XMX="256m", KAFKA_EXTRA=extra)

    def cluster(*what):
        subprocess.run([os.path.join(SERVICES, "kafka-cluster.sh"), *what], env=env, check=True, stdout=subprocess.DEVNULL)

    w = World(",".join("127.0.0.1:%d" % (base + n) for n in (1, 2, 3)))
    try:
        began = time.monotonic()
        cluster("start")
        print("   cluster up: %.1f s" % (time.monotonic() - began), flush=True)
        make_topic(w.kafka, "t", 1, 3, min_insync_replicas=3)  # first: the cluster is whole once it could do that
        w.start_registry()
        w.start_gateway("--kafka", "message.timeout.ms=3000")
        w.register("t-value", SCHEMA)
        check("three of three have it: 200", w.post("t", {"id": "three"}).status, 200)
        cluster("killnode", "3")
        until("the third is out of sync", lambda: w.post("t", {"id": "two"}).status == 503)
        a = w.post("t", {"id": "still two"})
        says("not enough replicas in sync", a, 503, "not_written", within=20)
        cluster("startnode", "3")
        until("it is back: 200 without a restart", lambda: w.post("t", {"id": "three again"}).status == 200, 60)
        found = ids(w.kafka, "t")
        check("what was refused is not there", found.count("still two"), 0)
        check("what was acked is", (found.count("three"), found.count("three again")), (1, 1))
        print("   %.1f s" % (time.monotonic() - began))
        print("-- leaders change")
        leaders_change(w, cluster)
    finally:
        w.close()
        for n in "123":
            subprocess.run([os.path.join(SERVICES, "kafka-cluster.sh"), "killnode", n], env=env, stdout=subprocess.DEVNULL)
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    replicas_are_missing()
    sys.exit(world.failed > 0)
