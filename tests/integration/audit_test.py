#!/usr/bin/env python3
"""ETL_Log as its users ask it: by psql and by `avrogate audit`; what was tampered with is found; a copy of it elsewhere."""
import csv, pty
from loader_world import *

CONTRACT = ["start_time", "end_time", "job_name", "status", "records_processed", "error_message"]


def psql(url, sql):
    return subprocess.run(["psql", url, "-X", "-A", "-t", "-c", sql], capture_output=True, text=True).stdout.strip()


def three_runs():
    """A success from two partitions with rejects, one that failed, one that a signal ended."""
    url = make_database(SERVER, "audit")
    a = World(url, parts=2)
    a.produce(0, 600, partition=0)
    a.produce(600, 1000, partition=1)
    a.produce(1000, 1003, lambda i: b"not framed", partition=1)
    same(a.finish(), 0, "exit")
    b = World(url, parts=1)
    b.ask("CREATE TABLE %s (id date)" % b.name)
    b.produce(0, 10)
    same(b.finish(), 1, "exit")
    c = World(url, parts=1, batch__age="50ms")
    c.produce(0, 50)
    p = c.start()
    c.wait_for(50)
    c.stop(p)
    return url, a, b, c


def etl_log_is_what_its_users_were_promised():
    url, a, b, c = three_runs()
    columns = [n for n, in a.ask("SELECT attname FROM pg_attribute WHERE attrelid = 'etl_log'::regclass AND attnum > 0 "
                                 "ORDER BY attnum")]
    same(columns[:6], CONTRACT, "first columns")
    same({"run_id", "topic", "partition", "first_offset", "last_offset", "records_rejected", "bytes", "schema_ids"} <=
         set(columns), True, "the others")
    same(psql(url, "SELECT count(*) FROM ETL_Log"), "3", "by any case, as nobody quotes it")
    same(psql(url, "SELECT status, records_processed, error_message FROM ETL_Log WHERE job_name = '%s'" % c.name),
         "interrupted|50|told to stop", "a run that a signal ended")
    same(psql(url, "SELECT status, records_processed, end_time >= start_time, error_message IS NULL, partition IS NULL, "
                   "first_offset IS NULL, partitions, records_rejected, schema_ids FROM ETL_Log WHERE job_name = '%s'" % a.name),
         'success|1000|t|t|t|t|{"0": [0, 599], "1": [0, 402]}|3|{1000}', "one row a run, also from two partitions")
    same(psql(url, "SELECT partition, first_offset, last_offset, records_processed, records_rejected FROM etl_log_partition "
                   "WHERE job_name = '%s' ORDER BY 1" % a.name), "0|0|599|600|0\n1|0|402|400|3", "and one a partition in the view")
    same(psql(url, "SELECT partition, first_offset, last_offset FROM ETL_Log WHERE job_name = '%s'" % c.name), "0|0|49",
         "from one partition: plain columns")
    for wrong in ("status = 'done'", "records_processed = -1", "end_time = start_time - interval '1 s'", "end_time = NULL"):
        try:
            a.ask("UPDATE etl_log SET %s WHERE job_name = %%s" % wrong, a.name)
            raise AssertionError("taken: " + wrong)
        except psycopg2.errors.CheckViolation:
            pass


def each_question_has_its_answer_in_three_forms():
    url, a, b, c = three_runs()
    for what, n in (("runs", 3), ("failures", 2), ("rejects", 3)):
        code, table, err = a.audit(what)
        same((code, err, len(table.splitlines())), (0, "", n + 1), what + " as a table")
        code, text, err = a.audit(what, "--json")
        lines = [json.loads(l) for l in text.splitlines()]
        same((code, err, len(lines)), (0, "", n), what + " as JSON")
        code, text, err = a.audit(what, "--csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        same((code, err, len(rows), set(rows[0])), (0, "", n, set(lines[0])), what + " as CSV")
        same(len(a.audit(what, "--json", "--job", a.name)[1].splitlines()), {"runs": 1, "failures": 0, "rejects": 3}[what], what + " of a job")
        same(len(a.audit(what, "--json", "--topic", b.name)[1].splitlines()), {"runs": 1, "failures": 1, "rejects": 0}[what], what + " of a topic")
        same(len(a.audit(what, "--json", "--limit", "1")[1].splitlines()), 1, what + " limited")
        same(len(a.audit(what, "--json", "--since", "1h")[1].splitlines()), n, what + " of the last hour")
        time.sleep(0.1)
        same(a.audit(what, "--json", "--since", "1ms")[1], "", what + " of the last moment")
    runs = {r["job_name"]: r for r in map(json.loads, a.audit("runs", "--json")[1].splitlines())}
    same((runs[a.name]["records_processed"], runs[a.name]["partitions"], runs[a.name]["schema_ids"]),
         (1000, {"0": [0, 599], "1": [0, 402]}, [1000]), "JSON has numbers, objects and arrays")
    same(list(runs[a.name])[:6], CONTRACT, "in the contract's order")
    rejects = [json.loads(l) for l in a.audit("rejects", "--json")[1].splitlines()]
    same({(r["stage"], r["error"], r["bytes"]) for r in rejects}, {("frame", "frame starts with 0x6e, not 0x00", 10)}, "rejects")
    failed = [json.loads(l) for l in a.audit("failures", "--json", "--job", b.name)[1].splitlines()]
    same((failed[0]["what"], "id is date, the schema's long wants bigint" in failed[0]["error"]), ("failed", True), "failures")


def a_terminal_gets_what_fits_it():
    url, a, b, c = three_runs()

    def at(width):
        me, you = pty.openpty()
        import fcntl, termios
        fcntl.ioctl(you, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        subprocess.run([AVROGATE, "audit", "runs", "--url", url], stdout=you, check=True)
        os.close(you)
        return os.read(me, 65536).decode().replace("\r\n", "\n").splitlines()
    wide, narrow = at(120), at(60)
    same((len(wide), max(map(len, wide)) <= 120), (4, True), "a table, cut to the width")
    same(narrow[0].startswith("start_time  "), True, "line by line where none fits")


def called_wrongly_or_in_vain_it_says_so():
    url, a, b, c = three_runs()
    none = make_database(SERVER, "audit_none")
    for args, code, words in (((), 2, "what?"), (("what",), 2, "what?"), (("runs", "--no-such-flag"), 2, "no-such-flag"),
                              (("verify", "--job", "nobody"), 3, "no run"), (("runs", "--since", "soon"), 2, "since")):
        got = a.audit(*args)
        same((got[0], words in got[2]), (code, True), "%r: %r" % (args, got))
    for other, words in ((none, "has no etl_log"), ("postgresql://x:y@127.0.0.1:1/z", "refused")):
        p = subprocess.run([AVROGATE, "audit", "runs", "--url", other], capture_output=True, text=True)
        same((p.returncode, words in p.stderr), (3, True), p.stderr)
    p = subprocess.run([AVROGATE, "audit", "--help"], capture_output=True, text=True)
    same((p.returncode, "examples:" in p.stdout, "Exit status of verify" in p.stdout), (0, True, True), "help")


def what_was_tampered_with_is_found():
    url, a, b, c = three_runs()
    b.ask("DROP TABLE %s" % b.name)  # it has loaded nothing: verify need not look at it
    same(a.audit("verify", "--bootstrap", KAFKA)[0], 0, a.audit("verify", "--bootstrap", KAFKA)[1])
    one = "WHERE pipeline = '%s' AND part = 0" % a.name
    # what is done to it, and what verify says then
    for sql, words in (
            ("UPDATE etl_log SET records_processed = 999 WHERE job_name = '%s'" % a.name, "records_processed is 999 in etl_log, 1000"),
            ("UPDATE etl_log SET records_rejected = 0 WHERE job_name = '%s'" % a.name, "records_rejected is 0 in etl_log, 3"),
            ("UPDATE etl_log SET bytes = 1 WHERE job_name = '%s'" % a.name, "bytes is 1 in etl_log"),
            ("UPDATE etl_log SET partitions = '{\"1\": [0, 402]}' WHERE job_name = '%s'" % a.name, "offsets of partition 0"),
            ("DELETE FROM etl_log WHERE job_name = '%s'" % a.name, "which is not in etl_log"),
            ("DELETE FROM etl_batch " + one, "records_processed is 1000 in etl_log, 400"),
            ("UPDATE etl_batch SET first_offset = 100 " + one, "offsets of partition 0"),
            ("UPDATE etl_batch SET last_offset = 700 " + one, "the position is 600, the ranges end at 701"),
            ("INSERT INTO etl_batch SELECT pipeline, topic, part, generation, 601, 602, run_id, 0, 0, 0, 0, 0, target, "
             "schema_ids, started, finished, 0, instance, epoch FROM etl_batch " + one, "expected a range at 600, found one at 601"),
            ("DELETE FROM etl_reject WHERE record_offset = 401", "3 set aside, 2 in etl_reject"),
            ("DELETE FROM etl_offsets " + one, "no row in etl_offsets"),
            ("UPDATE etl_offsets SET next_offset = 5000 " + one, "loaded up to 5000, Kafka has 0 to 600"),
            ("DELETE FROM %s WHERE id = 7" % a.name, "1000 added, count(*) is 999"),
            ("INSERT INTO %s SELECT * FROM %s WHERE id = 7" % (a.name, a.name), "1000 added, count(*) is 1001"),
            ("ALTER TABLE %s RENAME TO elsewhere" % a.name, "the table cannot be read")):
        copy = "%s_%s" % (url.rsplit("/", 1)[1], uuid.uuid4().hex[:4])
        ask_at(SERVER, "CREATE DATABASE %s TEMPLATE %s" % (copy, url.rsplit("/", 1)[1]))
        try:
            at = url.rsplit("/", 1)[0] + "/" + copy
            ask_at(at, sql)
            p = subprocess.run([AVROGATE, "audit", "verify", "--url", at, "--bootstrap", KAFKA], capture_output=True, text=True)
            same((p.returncode, words in p.stdout), (1, True), "after %s: exit and %r in\n%s" % (sql, words, p.stdout))
        finally:
            ask_at(SERVER, "DROP DATABASE %s WITH (FORCE)" % copy)


def a_copy_elsewhere_has_the_same_rows():
    url, elsewhere = make_database(SERVER, "audit_from"), make_database(SERVER, "audit_to")
    w = World(url, batch__age="50ms", audit__url=elsewhere)
    p = w.start()
    w.produce(0, 2000)
    w.produce(2000, 2003, lambda i: b"not framed")
    w.wait_for(2000)
    wait("the copy follows", lambda: "2000" in psql(elsewhere, "SELECT records_processed FROM etl_log"))
    w.produce(2003, 3003)
    w.wait_for(3000)
    w.stop(p)
    for table in ("etl_log", "etl_batch", "etl_reject", "etl_offsets"):
        sql = "SELECT md5(string_agg(x::text, ',' ORDER BY x::text)), count(*) FROM %s x" % table
        same(ask_at(elsewhere, sql), ask_at(url, sql), table)
    code, out, _ = World.audit(w, "verify")
    same(code, 0, out)
    p = subprocess.run([AVROGATE, "audit", "verify", "--url", elsewhere], capture_output=True, text=True)
    same((p.returncode, "this is a copy" in p.stdout), (0, True), p.stdout)


run_all([what_was_tampered_with_is_found, a_copy_elsewhere_has_the_same_rows, etl_log_is_what_its_users_were_promised,
         each_question_has_its_answer_in_three_forms, a_terminal_gets_what_fits_it, called_wrongly_or_in_vain_it_says_so])
