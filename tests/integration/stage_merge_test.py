#!/usr/bin/env python3
"""Small staged files become large ones: what a loader staged from real Kafka, merged, killed while merging, and loaded on."""
import random, signal
from stage_world import *

KILLS = int(os.environ.get("MERGE_KILLS", "10"))
MOMENT = {"f": 0.04, "s": 0.5, "h": 1.5}[PLACE[0]]  # what a merge of forty files takes


def command(w, *more, verb="merge"):
    s3 = w.place.settings.get("sink__s3", {})
    env = {**os.environ, **{"AVROGATE_S3_" + k.upper(): v for k, v in s3.items()}}
    return dict(args=[AVROGATE, "stage", verb, "--place", w.place.url, "--format", w.format, "-q", *more], env=env)


def merge(w, *more, code=0, verb="merge"):
    r = subprocess.run(**command(w, *more, verb=verb), capture_output=True, text=True, timeout=120)
    same(r.returncode, code, "exit of " + verb + " %s\n%s%s" % (" ".join(more), r.stdout, r.stderr))
    return r.stdout + r.stderr


def lying(w):
    return [n for n in w.place.names() if not n.startswith("_")]


def proved(w):
    """What the place has is what its claims say, to the byte."""
    said = merge(w, "--deep", verb="check")
    same(" claims, " in said, True, said)


def holds(w, ids):
    proved(w)
    rows = [r for n in lying(w) for r in read_file(n, w.place.read(n))]
    got, ids = sorted(int(r["id"]) for r in rows), list(ids)
    same((len(got), len(set(got)), sum(got)), (len(ids), len(set(ids)), sum(ids)), "rows, different ones, sum")


def a_reader_that_honours_the_claim(w):
    """All that lies there but what went into the newest merge's output, if that is there: docs/staging.md."""
    names = w.place.names()
    files, claims = {n for n in names if not n.startswith("_")}, [n for n in names if n.startswith("_merges/") and n[-20:].isdigit()]
    if claims:
        c = json.loads(w.place.read(max(claims)))
        if c["into"]["final"] in files:
            files -= {i["name"] for i in c["inputs"]}
    return sorted(int(r["id"]) for n in files for r in read_file(n, w.place.read(n)))


def loaders_go_on_behind_what_was_merged():
    for format, names in (("ocf", "offsets"), ("parquet", "count"), ("csv", "offsets")):
        w = Stage(format=format, parts=2, rotate__rows=100, names=names)
        w.produce(0, 2000)
        same(w.finish(batch__rows=50), 0, "exit")
        many = len(lying(w))
        said = merge(w, "--dry-run")
        same(("would merge" in said, len(lying(w))), (True, many), "a dry run: " + said)
        merge(w)
        same(len(lying(w)), 1, "files, of %d" % many)
        holds(w, range(2000))
        same(merge(w), "nothing to merge\n", "again")
        if format == "csv":
            same(merge(w, "--format", "json"), "nothing to merge of json; csv lies there: --format csv\n", "another format")
            same(merge(w, "--topic", "nobodys"), "nothing to merge: no loader staged anything there\n", "another topic")
            same("is no name for a file" in merge(w, "--into", "../all.csv", code=2), True, "a name outside")
        w.produce(2000, 3000)
        same(w.finish(batch__rows=50), 0, "exit of the loader behind the merge")
        holds(w, range(3000))
        merge(w)
        holds(w, range(3000))
        same(len(lying(w)), 1, "files")
        merge(w, "--into", "all.csv")
        same(lying(w), ["all.csv"], "files")
        rows = read_file("all.csv", w.place.read("all.csv"))
        same((len(rows), sum(int(r["id"]) for r in rows)), (3000, sum(range(3000))), "rows and sum of the CSV")
        w.produce(3000, 3100)
        same(w.finish(batch__rows=50), 0, "exit")
        same("is there already" in merge(w, "--into", "all.csv", code=1), True, "a name that is taken is refused")
        merge(w, "--into", "all.csv", "--backup", "backup")
        proved(w)
        kept = [n for n in lying(w) if n.startswith("backup/all-20")]
        same((len(kept), len(lying(w))), (1, 2), "the backup and what was there")
        same(sorted(int(r["id"]) for r in read_file(kept[0], w.place.read(kept[0]))), list(range(3000, 3100)), "its rows")
        same(merge(w), "nothing to merge\n", "backups are left alone")
        w.close()


def row_groups(w, name):
    """Of each: what it says its rows are sorted by, and that they are."""
    import io, pyarrow.parquet
    file = pyarrow.parquet.ParquetFile(io.BytesIO(w.place.read(name)))
    said = []
    for i in range(file.num_row_groups):
        group = file.metadata.row_group(i)
        said.append([group.column(s.column_index).path_in_schema for s in group.sorting_columns])
        rows = [tuple(r[c] for c in said[-1]) for r in file.read_row_group(i).to_pylist()]
        same(rows, sorted(rows), "rows of group %d of %s" % (i, name))
    return said


def what_is_merged_says_its_order_where_it_is_one():
    both = ["_partition", "_offset"]
    w = Stage(format="parquet", parts=12, rotate__rows=20, envelope=["partition", "offset"])
    w.produce(0, 1200)
    same(w.finish(batch__rows=20), 0, "exit")
    same([row_groups(w, n) for n in lying(w)], [[both]] * len(lying(w)), "what a loader's files say")
    merge(w)
    same([row_groups(w, n) for n in lying(w)], [[both]], "of many partitions, which follow each other")
    w.produce(1200, 2400)
    same(w.finish(batch__rows=20), 0, "exit")
    merge(w)
    same([row_groups(w, n) for n in lying(w)], [[both] * 2], "what came later begins with the first partition again")
    holds(w, range(2400))
    w.close()
    w = Stage(format="ocf", parts=12, rotate__rows=20, envelope=["offset"])
    w.produce(0, 1200)
    same(w.finish(batch__rows=20), 0, "exit")
    merge(w, "--to", "parquet", "--dry-run")
    merge(w, "--to", "parquet")
    same([row_groups(w, n) for n in lying(w)], [[[]]], "twelve times from the first offset on: no order is worth that")
    holds(w, range(1200))
    w.close()


def killed_at_any_moment_it_is_finished_by_the_next():
    w = Stage(format="ocf", parts=1, rotate__rows=100)
    w.produce(0, 4000)
    same(w.finish(batch__rows=100), 0, "exit")
    dead = 0
    for i in range(KILLS):
        p = subprocess.Popen(**command(w, "--max-bytes", str(2000 * (i + 2))), stdout=subprocess.DEVNULL)
        time.sleep(MOMENT * i / KILLS * random.random())
        p.send_signal(signal.SIGKILL)
        dead += p.wait() != 0
        same(a_reader_that_honours_the_claim(w) == list(range(4000)), True, "a reader sees each row once after kill %d" % i)
    same(dead > 0, True, "it was killed at least once")
    two = [subprocess.Popen(**command(w), stdout=subprocess.DEVNULL) for _ in range(2)]
    same([p.wait() for p in two], [0, 0], "two at once")
    same(len(lying(w)), 1, "files")
    holds(w, range(4000))
    w.close()
    return "%d of %d killed" % (dead, KILLS)


def what_no_claim_names_is_left_alone():
    if PLACE != "file":
        return "a stray file is put into a directory"
    w = Stage(format="ocf", parts=1, rotate__rows=100)
    w.produce(0, 300)
    same(w.finish(batch__rows=100), 0, "exit")
    first = lying(w)[0]
    stray = first.split("+")[0] + "+7+%020d+%020d.avro" % (5, 9)
    with open(os.path.join(w.place.dir, stray), "wb") as f:
        f.write(w.place.read(first))
    same("left alone" in merge(w), True, "it says so")
    same((stray in lying(w), len(lying(w))), (True, 2), "files")
    os.remove(os.path.join(w.place.dir, stray))
    w.produce(300, 350)
    same(w.finish(batch__rows=100), 0, "exit")
    proved(w)
    newest = max(n for n in lying(w) if "+merged-" not in n)
    os.remove(os.path.join(w.place.dir, newest))
    same(newest + ": it is gone, and 50 rows" in merge(w, verb="check", code=1), True, "what the newest claim has lost")
    w.close()


def what_is_old_is_cleaned_and_loaders_go_on():
    w = Stage(format="ocf", parts=2, rotate__rows=100)
    w.produce(0, 1000)
    same(w.finish(batch__rows=100), 0, "exit")
    merge(w)
    w.produce(1000, 2000)
    same(w.finish(batch__rows=100), 0, "exit")
    same("--older" in merge(w, verb="clean", code=2), True, "clean asks of what")
    same("0 claims" in merge(w, "--older", "1h", verb="clean"), True, "nothing is so old")
    same("2000 rows would be cleaned" in merge(w, "--older", "1ms", "--dry-run", verb="clean"), True, "a dry run")
    holds(w, range(2000))
    said = merge(w, "--older", "1ms", verb="clean")
    same(("1 merged files" in said, "2000 rows cleaned" in said, lying(w)), (True, True, []), said)
    same("0 rows cleaned" in merge(w, "--older", "1ms", verb="clean"), True, "again")
    w.produce(2000, 2500)
    same(w.finish(batch__rows=100), 0, "exit of the loader behind it")
    merge(w)
    proved(w)
    same(sorted(int(r["id"]) for n in lying(w) for r in read_file(n, w.place.read(n))), list(range(2000, 2500)), "rows that are left")
    w.close()


def a_merge_is_in_etl_log():
    url = make_database(SERVER, "merge")
    w = Stage(format="ocf", parts=2, rotate__rows=100, audit=url)
    w.produce(0, 1000)
    same(w.finish(batch__rows=100), 0, "exit")
    for _ in range(2):
        merge(w, "--audit", url, "--topic", w.name)
    same(w.ask("SELECT status, records_processed, error_message FROM etl_log WHERE job_name = 'stage merge' AND topic = %s", w.name),
         [("success", 0, None)] * 2, "runs")
    same(w.ask("SELECT number, phase, p.status, rows_in, rows_out, files_out, bytes_in > 0, bytes_out > 0, files_in > 2 "
               "FROM etl_phase p JOIN etl_log l USING (run_id) WHERE l.topic = %s ORDER BY p.start_time", w.name),
         [(1, "merge", "success", 1000, 1000, 1, True, True, True), (1, "merge", "success", 0, 0, 0, False, False, False)], "phases")
    code, out, err = w.audit("phases", "--job", "stage merge", "--json")
    same((code, out.count('"phase":"merge"')), (0, 2), "audit phases\n" + err)
    code, out, err = w.audit("verify", "--topic", w.name)
    same((code, "phases belong to runs" in out), (0, True), "audit verify says\n" + out + err)
    w.close()


def called_wrongly_it_says_so():
    w = Stage(format="csv", parts=1)
    w.format = "ocf"
    same("wanted" in merge(w, "--into", "all.txt", code=2), True, "into what is no format")
    merge(w, "--to", "xls", code=2)
    w.close()


def a_shell_completes_verbs_and_flags():
    path = tempfile.mkdtemp()
    os.symlink(AVROGATE, path + "/avrogate")
    for typed, want in (("stage me", "merge"), ("stage copy", "copy-into"), ("stage --s3-p", "--s3-part"), ("load res", "resume reset"),
                        ("dlq exp", "export")):
        words = "avrogate " + typed
        script = ("source <(avrogate completion bash); COMP_WORDS=(%s); COMP_CWORD=2; _avrogate; echo ${COMPREPLY[@]}" % words)
        r = subprocess.run(["bash", "-c", script], cwd=path, env={**os.environ, "PATH": path + ":" + os.environ["PATH"]}, capture_output=True, text=True)
        same(r.stdout.strip(), want, "what follows " + typed)
    shutil.rmtree(path)


run_all([loaders_go_on_behind_what_was_merged, what_is_merged_says_its_order_where_it_is_one, killed_at_any_moment_it_is_finished_by_the_next,
         what_no_claim_names_is_left_alone, what_is_old_is_cleaned_and_loaders_go_on, a_merge_is_in_etl_log, called_wrongly_it_says_so,
         a_shell_completes_verbs_and_flags], workers=6)
