"""HDFS and S3 that die and come back while a topic is staged.  By hand (two minutes), as ./test has no time for it:

    ./test --list    shows that it is not among them
    AVROGATE=build-dev/avrogate AVROGATE_TEST_KAFKA=... AVROGATE_TEST_PG=... python3 tests/integration/stage_faults.py

It starts an HDFS and an S3 of its own and stops them.
"""
import os, subprocess
HERE = os.path.dirname(os.path.abspath(__file__))
HDFS = dict(HDFS_DATA="/tmp/avrogate-faults-hdfs", HDFS_NN_HTTP_PORT="31870", HDFS_NN_RPC_PORT="31020", HDFS_DN_HTTP_PORT="31864",
            HDFS_DN_XFER_PORT="31866", HDFS_DN_IPC_PORT="31867", HDFS_DEAD_MS="1000")
S3 = dict(S3_DATA="/tmp/avrogate-faults-s3", S3_PORT="31070")
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
    w = Stage(format="ocf", rotate__age="200ms", rotate__rows=5000, timeout="5s", audit=URL, **settings)
    p = w.start()
    with Stream(w) as s:
        wait("something is staged", lambda: len(w.place.names()) > 5, 60)
        for down, up in faults:
            time.sleep(1 + random.random())
            down()
            time.sleep(3)
            up()
            at = s.n
            wait("staged again after " + what, lambda: w.staged() > at, 90, 0.5)
    w.wait_for(s.n, 90)
    same(p.poll(), None, "it still runs")
    w.stop(p)
    w.proves(range(s.n))
    return "%d records, %d claims" % (s.n, sum(map(len, w.claims().values())))


H, S = "hdfs=127.0.0.1:31870", "s3=127.0.0.1:31070,/tmp/avrogate-faults-s3/root"


def a_datanode_that_is_killed_and_comes_back():
    return survives("a DataNode's death", H, *[(lambda: hdfs("kill-dn"), lambda: hdfs("start-dn"))] * 3)


def a_namenode_that_is_killed_and_comes_back():
    return survives("a NameNode's death", H, *[(lambda: hdfs("kill-nn"), lambda: hdfs("start-nn"))] * 2)


def safe_mode():
    return survives("safe mode", H, (lambda: hdfs("admin", "-safemode", "enter"), lambda: hdfs("admin", "-safemode", "leave")))


def a_gateway_to_s3_that_is_stopped_and_comes_back():
    return survives("S3 was away", S, *[(lambda: s3("stop"), lambda: s3("start"))] * 3)


def a_datanode_that_dies_in_the_middle_of_a_large_file():
    """One file of some 100 MB: the DataNode dies while it is put."""
    stage_world.PLACE = H
    w = Stage(format="csv", parts=1, rotate__age="1h", rotate__rows=3000000, rotate__bytes="10GiB", timeout="5s")
    w.produce(0, 3000000)
    p = w.start("--until-end", batch__rows=50000)
    wait("the put has begun", lambda: any(n.startswith("_tmp/") and ".claim" not in n and "probe" not in n
                                          for n in w.place.names()), 120, 0.005)
    hdfs("kill-dn")
    time.sleep(2)
    hdfs("start-dn")
    same(p.wait(240), 0, "exit")
    w.proves(range(3000000))


def main():
    for f in (a_datanode_that_is_killed_and_comes_back, a_namenode_that_is_killed_and_comes_back, safe_mode,
              a_gateway_to_s3_that_is_stopped_and_comes_back, a_datanode_that_dies_in_the_middle_of_a_large_file):
        if sys.argv[1:] and f.__name__ not in sys.argv[1:]:
            continue
        began = time.time()
        try:
            note = f()
            print("ok - %s (%.0f s%s)" % (f.__name__, time.time() - began, ", " + note if note else ""), flush=True)
        except Exception as x:
            print("not ok - %s: %s" % (f.__name__, x), flush=True)


if __name__ == "__main__":
    URL = make_database(SERVER, "faults")
    try:
        hdfs("reset")
        s3("reset")
        main()
    finally:
        for w in World.all:
            try:
                w.close()
            except Exception:
                pass
        hdfs("stop")
        s3("stop")
