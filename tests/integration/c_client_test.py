#!/usr/bin/env python3
"""The public C library as its users get it: installed somewhere, found by pkg-config and by CMake, on real Kafka with our registry.

Wants AVROGATE (whose build directory is installed from) and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import json, os, shutil, subprocess, sys, tempfile

import world
from world import call, check, check_that, make_topic, need, read_topic, World

need("AVROGATE", "AVROGATE_TEST_KAFKA")
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BUILD = os.path.dirname(os.environ["AVROGATE"])
LIBRARIES = ["avrogate-registry", "avrogate-registry-avro", "avrogate-registry-fake"]
STRICT = ["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
SCHEMA = json.dumps({"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "id", "type": "long"}, {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "note", "type": ["null", "string"], "default": None}]})
topic = "cclient%d" % os.getpid()


def run(*argv, **more):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **more)
    if p.returncode != 0:
        print("   %s: %d\n   %s" % (os.path.basename(argv[0]), p.returncode, p.stdout[-4000:]), flush=True)
    return p


def pkg_config(prefix, *argv):
    env = dict(os.environ, PKG_CONFIG_PATH=prefix + "/lib/pkgconfig")
    return subprocess.run(["pkg-config", *argv], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def install(to):
    """Once under a DESTDIR, which is then moved: what is installed must not know where it was built or put first."""
    aside = to + "/aside"
    env = dict(os.environ, DESTDIR=aside)
    p = run("cmake", "--install", BUILD, "--component", "registry-client", "--prefix", "/opt/first", env=env)
    check("cmake --install with a DESTDIR", p.returncode, 0)
    prefix = to + "/second"
    shutil.move(aside + "/opt/first", prefix)
    return prefix


def check_installed(prefix):
    for name in LIBRARIES:
        check("pkg-config knows %s" % name, pkg_config(prefix, "--modversion", name), ["0.1.0"])
    pages = {n for n in os.listdir(prefix + "/share/man/man3")}
    check_that("each function has its man page", {"avrogate_registry_open.3", "avrogate_serialize_json.3", "registry_fake_be.3"} <= pages)
    where = dict(os.environ, MANPATH=prefix + "/share/man", LC_ALL="C", MANWIDTH="100")
    if shutil.which("man"):
        said = run("man", "avrogate_serialize_json", env=where).stdout
        check_that("man finds it under its name", "serializer" in said and "AVROGATE_SERDE(3)" in said.replace("\b", ""), said[:300])
    for header in "registry.h", "serde.h", "registry_fake.h", "avro_value.h":
        flags = pkg_config(prefix, "--cflags", *LIBRARIES)
        for language in "c", "c++":
            compiler = ["cc"] if language == "c" else [shutil.which("c++") or "clang-14"]
            p = run(*compiler, "-x", language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *flags, "-", input="#include <avrogate/%s>\n" % header)
            check("<avrogate/%s> compiles alone as %s" % (header, language), p.returncode, 0)


def build_all(prefix, to):
    """The same two programs three times: by pkg-config, by CMake, and against the archive."""
    examples, programs = prefix + "/share/doc/avrogate/examples", {}
    for name in "producer", "consumer":
        out = "%s/%s-pkg" % (to, name)
        flags = pkg_config(prefix, "--cflags", "--libs", "avrogate-registry", "rdkafka")
        check("%s by pkg-config" % name, run(*STRICT, examples + "/%s.c" % name, "-o", out, *flags).returncode, 0)
        programs[name, "pkg"] = out
        out = "%s/%s-static" % (to, name)
        flags = [prefix + "/lib/libavrogate-registry.a" if f == "-lavrogate-registry" else f
                 for f in pkg_config(prefix, "--cflags", "--libs", "avrogate-registry", "rdkafka") + pkg_config(prefix, "--libs", "libcurl", "libcrypto") + ["-lm", "-pthread"]]
        check("%s with the archive" % name, run(*STRICT, examples + "/%s.c" % name, "-o", out, *flags).returncode, 0)
        programs[name, "static"] = out
    p = run("cmake", "-S", examples, "-B", to + "/cmake", "-DCMAKE_PREFIX_PATH=" + prefix)
    check("find_package(avrogate-registry)", p.returncode, 0)
    check("both by CMake", run("cmake", "--build", to + "/cmake").returncode, 0)
    for name in "producer", "consumer":
        programs[name, "cmake"] = "%s/cmake/%s" % (to, name)
    peer = to + "/registries"
    flags = pkg_config(prefix, "--cflags", "--libs", "avrogate-registry", "avrogate-registry-avro")
    check("avro_value_t by pkg-config", run(*STRICT, ROOT + "/tests/clients/c/registries.c", "-o", peer, *flags).returncode, 0)
    return programs, peer


def as_libraries(prefix, argv, **more):
    return run(*argv, env=dict(os.environ, LD_LIBRARY_PATH=prefix + "/lib"), **more)


def check_examples(w, prefix, programs):
    registry = "http://127.0.0.1:1,http://127.0.0.1:%d" % w.registry_port  # the first is away
    orders = [{"id": n, "price": "%d.25" % n, "note": None if n % 2 else "n%d ü" % n} for n in range(40)]
    n = 0
    for how in "pkg", "cmake", "static":
        mine = orders[n:n + 10]
        p = as_libraries(prefix, [programs["producer", how], w.kafka, registry, topic, SCHEMA], input="".join(json.dumps(o) + "\n" for o in mine))
        check("producer (%s) writes ten lines" % how, (p.returncode, p.stdout), (0, ""))
        n += 10
    p = as_libraries(prefix, [programs["producer", "pkg"], w.kafka, registry, topic, SCHEMA], input='{"id":"seven"}\n')
    check("a line that does not fit is named", (p.returncode, "/id: string \"seven\", wanted long" in p.stdout), (1, True))
    for how in "pkg", "cmake", "static":
        p = as_libraries(prefix, [programs["consumer", how], w.kafka, registry, topic, topic + how, str(n)])
        got = sorted((json.loads(line) for line in p.stdout.splitlines()), key=lambda o: o["id"])
        check("consumer (%s) reads them all" % how, got, orders[:n])
    theirs = AvroDeserializer(SchemaRegistryClient({"url": "http://127.0.0.1:%d" % w.registry_port}))
    context = SerializationContext(topic, MessageField.VALUE)
    read = sorted((theirs(m.value(), context) for m in read_topic(w.kafka, topic)), key=lambda o: o["id"])
    check("confluent-kafka reads them", [(o["id"], str(o["price"]), o["note"]) for o in read],
          [(o["id"], o["price"], o["note"]) for o in orders[:n]])


def check_registry(w, prefix, peer):
    p = as_libraries(prefix, [peer, "http://127.0.0.1:%d" % w.registry_port, topic])
    for line in p.stdout.splitlines():
        if line.startswith("not ok"):
            print("   " + line)
    check("what a C client does with our registry", (p.returncode, p.stdout.count("\nok - ") + 1 > 30, p.stdout.endswith("done\n")), (0, True, True))
    # confluent-kafka puts the guid into a header; ours reads it
    registry = SchemaRegistryClient({"url": "http://127.0.0.1:%d" % w.registry_port})
    a = call("GET", w.registry_port, "/subjects/%s-orders-value/versions/1" % topic, headers={"Confluent-Accept-Unknown-Properties": "true"}.items())
    p = as_libraries(prefix, [peer, "http://127.0.0.1:%d" % w.registry_port, topic, a.json["guid"].replace("-", "")])
    check("a guid in a header", (p.returncode, "ok - reads a message whose guid is in a header" in p.stdout), (0, True))
    headers = []
    write = AvroSerializer(registry, json.dumps({"type": "record", "name": "Order", "namespace": "shop", "fields": [
        {"name": "id", "type": "long"}, {"name": "price", "type": "double"}]}),
        conf={"schema.id.serializer": header_schema_id_serializer, "auto.register.schemas": True})
    payload = write({"id": 7, "price": 1.5}, SerializationContext("%s-orders" % topic, MessageField.VALUE, headers))
    check("confluent-kafka's header is the one we read", (dict(headers)["__value_schema_id"].hex(), payload.hex()),
          ("01" + a.json["guid"].replace("-", ""), "0e000000000000f83f"))


def main():
    to = tempfile.mkdtemp(prefix="avrogate-c-")
    w = World()
    try:
        prefix = install(to)
        check_installed(prefix)
        programs, peer = build_all(prefix, to)
        w.start("registry", "registry", "--listen", "127.0.0.1:%d" % w.registry_port, "--bootstrap", w.kafka, "--topic", topic + "-schemas", "--allow-unsafe")
        world.until("the registry is ready", lambda: call("GET", w.registry_port, "/readyz").status == 200)
        make_topic(w.kafka, topic)
        check_examples(w, prefix, programs)
        check_registry(w, prefix, peer)
    finally:
        w.close()
        shutil.rmtree(to, ignore_errors=True)
    sys.exit(world.failed != 0)


if __name__ == "__main__":
    main()
