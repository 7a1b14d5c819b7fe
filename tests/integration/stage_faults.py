#!/usr/bin/env python3
"""HDFS and S3 that die and come back while a topic is staged.  An HDFS and an S3 of its own, which it stops.

./test has a DataNode killed in the middle of a PUT and a NameNode killed and started again; --long (two minutes) has all, again and again.
Skipped (77) where HDFS cannot be installed.
"""
import os, shutil, subprocess, sys
HERE = os.path.dirname(os.path.abspath(__file__))
HDFS = dict(HDFS_DATA="/tmp/avrogate-faults-hdfs", HDFS_NN_HTTP_PORT="31870", HDFS_NN_RPC_PORT="31020", HDFS_DN_HTTP_PORT="31864",
            HDFS_DN_XFER_PORT="31866", HDFS_DN_IPC_PORT="31867", HDFS_DEAD_MS="1000")
S3 = dict(S3_DATA="/tmp/avrogate-faults-s3", S3_PORT="31070")
LONG = "--long" in sys.argv
os.environ["STAGE_PLACE"] = "hdfs=127.0.0.1:31870"
import stage_world
from stage_world import *


def service(name, *args, **env):
    p = subprocess.run([os.path.join(HERE, "../services", name), *args], env={**os.environ, **env}, capture_output=True,
                       text=True, timeout=180)
    same(p.returncode, 0, "%s %s: %s" % (name, " ".join(args), p.stdout + p.stderr))
    return p.stdout


def hdfs(*args):
    return service("hdfs.sh", *args, **HDFS)


def s3(*args):
    return service("s3.sh", *args, **S3)


class Stream:
    """Records that keep coming while a fault is on."""

    def __init__(self, w):
        self.w, self.n, self.stop = w, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            self.w.produce(self.n, self.n + 1000)
            self.n += 1000
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *a):
        self.stop.set()
        self.thread.join()


def survives(what, place, *faults, **settings):
    stage_world.PLACE = place
    few = {} if LONG else {"parts": 1, "rotate__age": "1s", "rotate__rows": 100000}  # each is asked for again and again
    w = Stage(format="ocf", timeout="5s", audit=URL, **{"rotate__age": "200ms", "rotate__rows": 5000, **few, **settings})
    p = w.start()
    with Stream(w) as s:
        wait("something is staged", lambda: w.staged() > 0, 60)
        for down, up in faults:
            time.sleep(1 + random.random())
            down()
            time.sleep(3 if LONG else 0.3)
            up()
            at = s.n
            wait("staged again after " + what, lambda: w.staged() > at, 90, 0.5)
    w.wait_for(s.n, 90)
    same(p.poll(), None, "it still runs")
    same('"level":"warn"' in open(w.log().name).read(), True, "it met %s, and said so" % what)
    w.stop(p)
    w.proves(range(s.n))
    return "%d records, %d claims" % (s.n, sum(map(len, w.claims().values())))


H, S = "hdfs=127.0.0.1:31870", "s3=127.0.0.1:31070,/tmp/avrogate-faults-s3/root"


def a_datanode_that_is_killed_and_comes_back():
    return survives("a DataNode's death", H, *[(lambda: hdfs("kill-dn"), lambda: hdfs("start-dn"))] * 3)


def a_namenode_that_is_killed_and_comes_back():
    return survives("a NameNode's death", H, *[(lambda: hdfs("kill-nn"), lambda: hdfs("start-nn"))] * (2 if LONG else 1))


def safe_mode():
    return survives("safe mode", H, (lambda: hdfs("admin", "-safemode", "enter"), lambda: hdfs("admin", "-safemode", "leave")))


def a_gateway_to_s3_that_is_stopped_and_comes_back():
    return survives("S3 was away", S, *[(lambda: s3("stop"), lambda: s3("start"))] * 3)


def datanode_pid():
    with open(HDFS["HDFS_DATA"] + "/run/datanode0.pid") as f:
        return int(f.read())


def stop_in_a_put(pid, size):
    """A loader whose one file of 60 MB is under way: the DataNode that takes it in is stopped.  Its world, its process, what HDFS has of it."""
    for _ in range(5):  # a machine that is busy may look too late
        w = Stage(format="csv", parts=1, rotate__age="1h", rotate__rows=3000000, rotate__bytes="10GiB", timeout="4s")
        w.produce(0, size, lambda i: w.encode({"id": i, "station": "x" * 10000, "at": 0}))
        p = w.start("--until-end", batch__rows=1000)
        begun = lambda: [n for n in w.place.below("_tmp") if not n.endswith((".claim", ".avsc", ".hint", ".now")) and "probe" not in n]
        wait("the put has begun", lambda: begun() or p.poll() is not None, 60, 0.002)
        os.kill(pid, signal.SIGSTOP)
        try:
            files = [json.loads(w.place.ask("/" + n, "GETFILESTATUS"))["FileStatus"]["length"] for n in begun()]
        except urllib.error.HTTPError:  # it has its name by now
            files = []
        if files and files[0] < 60000000 and w.claims() == {}:
            return w, p, files[0]
        os.kill(pid, signal.SIGCONT)
        same(p.wait(60), 0, "exit of one that was too fast")
        w.close()
    raise AssertionError("never in the middle of a put")


def a_datanode_that_dies_in_the_middle_of_a_put():
    """The DataNode is stopped while it takes a file in, and dies so."""
    stage_world.PLACE, size = H, 6000
    w, p, length = stop_in_a_put(datanode_pid(), size)
    said = lambda: [l for l in open(w.log().name) if '"warn"' in l or '"error"' in l]
    hdfs("kill-dn")
    wait("the loader was told that it broke", said)
    same("PUT http" in said()[0], True, "what broke: " + said()[0])
    hdfs("start-dn")
    same(p.wait(120), 0, "exit")
    w.proves(range(size))
    return "it had %d bytes; the loader said: %s" % (length, json.loads(said()[0]).get("reason", "")[:100])


def chosen():
    if LONG:
        return [a_datanode_that_dies_in_the_middle_of_a_put, a_datanode_that_is_killed_and_comes_back, a_namenode_that_is_killed_and_comes_back,
                safe_mode, a_gateway_to_s3_that_is_stopped_and_comes_back]
    return [a_datanode_that_dies_in_the_middle_of_a_put, a_namenode_that_is_killed_and_comes_back]


def main():
    failed = 0
    for f in chosen():
        began = time.time()
        try:
            note = f()
            print("ok - %s (%.0f s%s)" % (f.__name__, time.time() - began, ", " + note if note else ""), flush=True)
        except Exception as x:
            failed += 1
            print("not ok - %s: %s" % (f.__name__, x), flush=True)
    return failed


def install():
    """Whatever cannot be had is not asked, and that is said."""
    try:
        hdfs("install")
        if LONG:
            s3("install")
    except (AssertionError, subprocess.TimeoutExpired) as x:
        print("no HDFS here: %s" % x)
        sys.exit(77)


if __name__ == "__main__":
    install()
    URL = make_database(SERVER, "faults")
    failed = 1
    try:
        hdfs("reset")
        if LONG:
            s3("reset")
        failed = main()
    finally:
        for w in World.all:
            try:
                w.close()
                w.remove()
            except Exception:
                pass
        hdfs("stop")
        s3("stop")
        shutil.rmtree(HDFS["HDFS_DATA"], ignore_errors=True)
    sys.exit(failed != 0)
