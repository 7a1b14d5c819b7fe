#!/usr/bin/env python3
"""A worker of Kafka Connect with Debezium's JDBC sink, from Kafka into Postgres; run by peers.py.

usage: connect_peer.py SAID BOOTSTRAP TOPIC ROWS PG-URL REGISTRY FOLDER

A worker runs until it is told to end, and says of no row that it has written it: we look at the table, at its size as long as that grows
(to count the rows is work for the server it shares with the sink).
"""
import glob, os, signal, sys, tempfile, time, urllib.parse
import psycopg2

said, bootstrap, topic, rows, url, registry, folder = sys.argv[1:]
at, own = urllib.parse.urlsplit(url), tempfile.mkdtemp()
WORKER = {
    "bootstrap.servers": bootstrap, "listeners": "http://127.0.0.1:0", "offset.storage.file.filename": own + "/offsets",
    "plugin.path": folder + "/plugins", "plugin.discovery": "service_load",  # to look into every class is half of a start
    "consumer.auto.offset.reset": "earliest", "consumer.max.poll.records": 10000,
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
    "value.converter.apicurio.registry.url": registry + "/apis/registry/v2",
    "value.converter.apicurio.registry.as-confluent": "true", "value.converter.apicurio.registry.use-id": "contentId",
    "value.converter.apicurio.registry.headers.enabled": "false"}
SINK = {
    "name": "%s-%d" % (topic, os.getpid()), "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": 1, "topics": topic,
    "connection.url": "jdbc:postgresql://%s:%d%s?reWriteBatchedInserts=true" % (at.hostname, at.port, at.path),
    "connection.username": at.username, "connection.password": at.password, "collection.name.format": "plain",
    "insert.mode": "insert", "primary.key.mode": "none", "schema.evolution": "none", "batch.size": 10000}


def written(name, settings):
    with open(os.path.join(own, name), "w") as f:
        f.writelines("%s=%s\n" % s for s in settings.items())
    return f.name


def one(sql):
    q.execute(sql)
    return q.fetchone()[0]


def ended():
    return os.waitid(os.P_PID, java, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def watched():
    """When the table had its first row, when one could be seen, and when it had all."""
    began, first, size, grew = None, None, 0, time.time()
    while True:
        now = time.time()
        if (bytes := one("SELECT pg_relation_size('plain')")) > size:
            began, size, grew = began or now, bytes, now
        elif size and now - grew > 0.5 and one("SELECT count(*) FROM plain") == int(rows):
            return began, first, grew
        assert not ended() and now - grew < 60, "Connect writes nothing any more"
        if began and not first and one("SELECT EXISTS (SELECT FROM plain)"):
            first = time.time()
        time.sleep(0.02)


q = psycopg2.connect(url)
q.autocommit = True
q = q.cursor()
java = os.posix_spawnp("java", ["java", "-Xmx1g", "-XX:+UseParallelGC", "-Duser.timezone=UTC", "-cp", folder + "/jars/*",
                                "org.apache.kafka.connect.cli.ConnectStandalone", written("worker", WORKER), written("sink", SINK)], os.environ)
try:
    began, first, last = watched()
finally:
    os.kill(java, signal.SIGTERM)
    os.waitid(os.P_PID, java, os.WEXITED | os.WNOWAIT)  # left as it is: peers.py looks into /proc for what it has used
    for f in glob.glob(own + "/*"):
        os.unlink(f)
    os.rmdir(own)
with open(said, "w") as f:
    f.write("%f %f" % (last - began, first))
