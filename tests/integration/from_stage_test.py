#!/usr/bin/env python3
"""Kafka -> files -> Postgres by two loaders, exactly once: formats, types, claims cut into batches, kills, instances, what is damaged.

STAGE_PLACE as for stage_test.py; FROM_KILLS: how many times each loader is killed (3).
"""
import decimal
from stage_world import *

KILLS = int(os.environ.get("FROM_KILLS", "3"))
URL = make_database(SERVER, "from_stage")


class Onward(Stage):
    """A staged topic, and its way on into a table."""

    def onward(self, **more):
        """The second loader's file: no registry, no broker."""
        self.url = URL
        conf = {"job": self.name + "_on", "source": {"stage": {"place": self.place.url, "topic": self.name, "interval": "100ms"}},
                "sink": {"postgres": {"url": URL, "table": self.name}}}
        for key, at in (("sink__s3", "s3"), ("sink__hdfs", "hdfs")):
            if key in self.place.settings:
                conf["source"][at] = self.place.settings[key]
        for key, v in more.items():
            at = conf
            for k in key.split("__")[:-1]:
                at = at.setdefault(k, {})
            at[key.split("__")[-1]] = v
        f = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
        json.dump(conf, f)
        f.close()
        self.files.append(f.name)
        return f.name

    def go_on(self, *args, **more):
        with self.log() as log:
            p = subprocess.Popen([AVROGATE, "load", "-c", self.onward(**more), *args], stderr=log, stdout=log)
        self.procs.append(p)
        return p

    def end_on(self, *args, timeout=120, **more):
        return self.go_on("--until-end", *args, **more).wait(timeout)

    def on_runs(self):
        return self.ask("SELECT status, records_processed, error_message FROM etl_log WHERE job_name = %s ORDER BY start_time",
                        self.name + "_on")

    def table_proves(self, ids, kafka=True):
        ids, job = list(ids), self.name + "_on"
        same(self.ask("SELECT count(*), count(DISTINCT id), coalesce(sum(id), 0)::bigint FROM " + self.name),
             [(len(ids), len(set(ids)), sum(ids))], "rows, different ones, sum")
        same(self.one("SELECT count(*) FROM etl_gap WHERE pipeline = %s", job), 0, "gaps")
        same(self.one("SELECT count(*) FROM etl_miscount WHERE job_name = %s", job), 0, "miscounts")
        ends = {p: c[-1]["last"] + 1 for p, c in self.claims().items()}
        same(dict(self.ask("SELECT part, next_offset FROM etl_offsets WHERE pipeline = %s", job)), ends,
             "positions, and the topic's offsets that were staged")
        code, out, err = self.audit("verify", "--job", job, *(["--bootstrap", self.kafka] if kafka else []))
        same(code, 0, "audit verify says\n%s%s" % (out, err))


def each_format_goes_on_without_a_registry():
    for format in ("parquet", "ocf", "csv", "json"):
        w = Onward(format=format, rotate__rows=700)
        w.produce(0, 3000)
        same(w.finish(), 0, "exit")
        w.registry.down = True
        same(w.end_on(batch__rows=300), 0, "exit")  # claims cut in three, and joined
        w.table_proves(range(3000))
        same(w.end_on(), 0, "exit")  # and nothing is added
        w.table_proves(range(3000))
        same(w.on_runs(), [("success", 3000, None), ("success", 0, None)], "runs")
        same(w.one("SELECT array_agg(DISTINCT i) FROM etl_batch, unnest(schema_ids) i WHERE pipeline = %s", w.name + "_on"), [w.id],
             "schema ids in the audit")


run_all([each_format_goes_on_without_a_registry])
