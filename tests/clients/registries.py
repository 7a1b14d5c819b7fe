#!/usr/bin/env python3
"""Our C library against registries of others: Apicurio, ours, and whatever else is given; the same program for all of them.

Wants AVROGATE (whose build directory it is installed from) and AVROGATE_TEST_KAFKA; `./test --registries` gives them.
usage: registries.py [NAME=URL ...]     more registries that are running already, Karapace or Confluent's
"""
import json, os, shutil, subprocess, sys, tempfile, urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../integration"))
import world
from world import call, check, need, until, World

need("AVROGATE", "AVROGATE_TEST_KAFKA")
APICURIO = os.path.join(HERE, "../services/registry-apicurio.sh")


def build(to):
    build_dir = os.path.dirname(os.environ["AVROGATE"])
    subprocess.run(["cmake", "--install", build_dir, "--component", "registry-client", "--prefix", to], check=True, stdout=subprocess.DEVNULL)
    env = dict(os.environ, PKG_CONFIG_PATH=to + "/lib/pkgconfig")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "avrogate-registry", "avrogate-registry-avro"], env=env, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split()
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", HERE + "/c/registries.c", "-o", to + "/registries", *flags], check=True)
    return to + "/registries"


def set_backward(url):
    """Where no level is set some begin with NONE."""
    u = urllib.parse.urlparse(url)
    c = world.http.client.HTTPConnection(u.hostname, u.port, timeout=30)
    c.request("PUT", u.path + "/config", json.dumps({"compatibility": "BACKWARD"}), {"Content-Type": "application/vnd.schemaregistry.v1+json"})
    c.getresponse().read()


def try_registry(name, url, program, to):
    print("-- %s: %s" % (name, url), flush=True)
    set_backward(url)
    p = subprocess.run([program, url, "c%d" % os.getpid()], env=dict(os.environ, LD_LIBRARY_PATH=to + "/lib"), stdout=subprocess.PIPE, text=True, timeout=180)
    lines = p.stdout.splitlines()
    for line in lines:
        print(line.replace("ok - ", "ok - %s: " % name, 1) if line.startswith(("ok - ", "not ok - ")) else "   " + line)
    check("%s: all hold" % name, (p.returncode, lines[-1:]), (0, ["done"]))


def main():
    to = tempfile.mkdtemp(prefix="avrogate-registries-")
    env = dict(os.environ, REG_PORT=str(world.free_port()))
    w = World()
    try:
        program = build(to)
        w.start("registry", "registry", "--listen", "127.0.0.1:%d" % w.registry_port, "--bootstrap", w.kafka,
                "--topic", "registries%d-schemas" % os.getpid(), "--allow-unsafe")
        until("the registry is ready", lambda: call("GET", w.registry_port, "/readyz").status == 200)
        registries = {"avrogate": "http://127.0.0.1:%d" % w.registry_port}
        subprocess.run([APICURIO, "start"], env=env, check=True, stdout=subprocess.DEVNULL)
        registries["apicurio"] = subprocess.run([APICURIO, "url"], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        registries.update(a.split("=", 1) for a in sys.argv[1:])
        for name, url in registries.items():
            try_registry(name, url, program, to)
    finally:
        subprocess.run([APICURIO, "stop"], env=env)
        w.close()
        shutil.rmtree(to, ignore_errors=True)
    sys.exit(world.failed != 0)


if __name__ == "__main__":
    main()
