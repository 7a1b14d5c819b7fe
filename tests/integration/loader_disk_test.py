#!/usr/bin/env python3
"""Disks that are full, really: under a table, under all of Postgres, under staged files, under the spool.

Small file systems are mounted for it (tmpfs), which takes root; where nobody may, that is said, and nothing is proved.
"""
import shutil
from stage_world import *

URL = make_database(SERVER, "loader_disk")


class Disk:
    """A file system of some MiB of its own, which can be filled to the last byte and freed again."""

    def __init__(self, mib, owner=None):
        self.root = tempfile.mkdtemp(prefix="avrogate-disk-")
        self.ballast = os.path.join(self.root, "ballast")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % mib, "tmpfs", self.root], check=True)
        atexit.register(self.close)
        self.dir = os.path.join(self.root, "used")
        os.mkdir(self.dir)
        os.chmod(self.root, 0o755)
        if owner:
            shutil.chown(self.dir, owner)

    def fill(self):
        with open(self.ballast, "ab", buffering=0) as f:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        f.write(bytes(size))
                except OSError:
                    pass

    def is_full(self):
        return os.statvfs(self.root).f_bavail == 0

    def free(self):
        os.unlink(self.ballast)

    def close(self):
        subprocess.run(["umount", "-l", self.root], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.root, ignore_errors=True)


def says(w, words):
    """Waits until the loader's log has them."""
    wait("the loader says: " + words, lambda: words in open(w.log().name).read(), 40)


def a_table_whose_disk_is_full_is_waited_for():
    disk = Disk(8, "postgres")
    w = World(URL, parts=2, batch__rows=2000, batch__age="50ms")
    w.ask("CREATE TABLESPACE %s LOCATION '%s'" % (w.name, disk.dir))
    try:
        w.ask("CREATE TABLE %s (id bigint, station text, at timestamptz) TABLESPACE %s" % (w.name, w.name))
        p = w.start()
        w.produce(0, 2000)
        w.wait_for(2000)
        disk.fill()
        w.produce(2000, 22000)  # a megabyte of rows
        says(w, "No space left on device")
        same((w.rows() < 22000, disk.is_full(), p.poll()), (True, True, None), "not all is there, it is full, the loader waits")
        disk.free()
        w.wait_for(22000)
        w.stop(p)
        w.proves(range(22000))
        same(w.ask("SELECT DISTINCT sqlstate FROM etl_attempt WHERE pipeline = %s", w.name), [("53100",)], "what the server said")
    finally:
        for one in w.procs:
            one.kill()
            one.wait()
        w.ask("DROP TABLE IF EXISTS " + w.name)
        w.ask("DROP TABLESPACE " + w.name)


def a_server_whose_disk_is_full_falls_over_and_is_waited_for():
    """Where its log cannot be written Postgres crashes, and cannot start again before there is room."""
    disk = Disk(160, "postgres")
    port, script = free_port(), os.path.join(ROOT, "tests/services/pg.sh")
    env = {**os.environ, "PG_DATA": disk.dir, "PG_PORT": str(port)}

    def run(what):
        return subprocess.run([script, what], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    same(run("start"), 0, "it starts")
    try:
        w = World("postgresql://warehouse:warehouse@127.0.0.1:%d/warehouse" % port, parts=2, batch__rows=500, batch__age="50ms")
        p = w.start()
        w.produce(0, 2000)
        w.wait_for(2000)
        disk.fill()
        w.produce(2000, 6000)

        def falls():
            try:
                w.ask("SELECT pg_switch_wal()")  # the next record of its log needs a new file
                w.ask("CREATE TABLE more_%d ()" % random.getrandbits(60))
            except psycopg2.Error:
                return "PANIC" in open(disk.dir + "/pg.log").read()
        wait("it falls over", falls, 40)
        time.sleep(1)
        same(p.poll(), None, "the loader goes on waiting")
        disk.free()
        wait("it starts again", lambda: run("start") == 0, 60, 0.5)
        w.wait_for(6000, 60)
        w.stop(p)
        w.proves(range(6000))
        for one in w.procs:
            one.wait()
    finally:
        run("stop")
        disk.close()


def a_place_whose_disk_is_full_is_waited_for():
    disk = Disk(8)
    w = Stage(format="csv", parts=2, rotate__age="200ms", audit=URL)
    w.place.dir, w.place.url = disk.dir, "file://" + disk.dir
    p = w.start()
    w.produce(0, 2000)
    w.wait_for(2000)
    disk.fill()
    w.produce(2000, 22000)
    says(w, "No space left on device")
    same((w.staged(), p.poll()), (2000, None), "staged meanwhile; the loader waits")
    disk.free()
    w.wait_for(22000)
    w.stop(p)
    w.proves(range(22000))
    same([n for n in w.place.names() if n.startswith("_tmp/")], [], "left of what was tried")


def a_spool_whose_disk_is_full_gives_up_what_it_has_and_reads_it_again():
    disk = Disk(4)
    w = Stage(format="csv", parts=1, rotate__age="300ms", spool=disk.dir, audit=URL)
    p = w.start()
    w.produce(0, 1000)
    w.wait_for(1000)
    disk.fill()
    w.produce(1000, 61000)  # more than is kept in memory
    says(w, "No space left on device")
    same(p.poll(), None, "the loader goes on")
    disk.free()
    w.wait_for(61000)
    w.stop(p)
    w.proves(range(61000))


def main():
    try:
        Disk(1).close()
    except (OSError, subprocess.CalledProcessError) as x:
        print("nobody may mount here: %s" % x)
        sys.exit(77)
    run_all([a_server_whose_disk_is_full_falls_over_and_is_waited_for, a_table_whose_disk_is_full_is_waited_for,
             a_place_whose_disk_is_full_is_waited_for, a_spool_whose_disk_is_full_gives_up_what_it_has_and_reads_it_again], workers=4)


main()
