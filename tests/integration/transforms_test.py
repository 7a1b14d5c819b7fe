#!/usr/bin/env python3
"""Transforms of a pipeline, on real Kafka and Postgres: what is loaded, what is let go, and that the audit adds up.

Wants AVROGATE, AVROGATE_TEST_KAFKA, AVROGATE_TEST_PG; skipped (77) without them.
"""
from loader_world import SERVER, World, make_database, run_all, same

URL = make_database(SERVER, "avrogate_transforms")
ORDER = {"type": "record", "name": "Order", "fields": [
    {"name": "id", "type": "long"}, {"name": "customer", "type": "string"},
    {"name": "price", "type": "double"}, {"name": "quantity", "type": "int"},
    {"name": "country", "type": ["null", "string"], "default": None}]}
ORDER2 = {"type": "record", "name": "Order", "fields": ORDER["fields"] + [
    {"name": "note", "type": "string", "default": "-"}]}


def order(i, **more):
    return {"id": i, "customer": "c%d" % (i % 7), "price": i / 4, "quantity": i % 5,
            "country": None if i % 10 == 0 else "CH", **more}


def audited(w, **want):
    """The sums of etl_batch and of etl_log, and that `audit verify` proves them."""
    names = ("loaded", "rejected", "duplicate", "filtered")
    got = w.ask("SELECT %s FROM etl_batch WHERE pipeline = %%s" %
                ", ".join("sum(rows_%s)::bigint" % n for n in names), w.name)[0]
    same(dict(zip(names, got)), {n: want.get(n, 0) for n in names}, "etl_batch")
    same(w.one("SELECT sum(records_filtered)::bigint FROM etl_log WHERE job_name = %s", w.name),
         want.get("filtered", 0), "records_filtered")
    code, out, err = w.audit("verify", "--job", w.name, "--bootstrap", w.kafka)
    same(code, 0, "audit verify says\n%s%s" % (out, err))


def what_is_loaded_is_another_record():
    w = World(URL, parts=2, schema=ORDER, transform=[
        {"select": ["id", "customer", "price", "country"]}, {"rename": {"customer": "customer_name"}},
        {"filter": "price >= 25.0 && country != null"}, {"name": "no division", "filter": "100 / (id - 150) != 1000"}])
    w.produce(0, 200, lambda i: w.encode(order(i)))
    same(w.finish(), 0, "exit")
    want = [i for i in range(100, 200) if i % 10 and i != 150]
    same(w.ask("SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
               w.name), [("id",), ("customer_name",), ("price",), ("country",)], "columns")
    same(w.ask("SELECT id, customer_name, price FROM %s ORDER BY id" % w.name),
         [(i, "c%d" % (i % 7), i / 4) for i in want], "rows")
    audited(w, loaded=len(want), filtered=200 - len(want))


def a_record_that_fails_is_set_aside_with_its_step():
    w = World(URL, parts=1, schema=ORDER, transform=[{"name": "ratio", "filter": "100 / quantity > 0"}])
    w.produce(0, 50, lambda i: w.encode(order(i)))
    same(w.finish(sink__postgres__reject_limit=100), 0, "exit")
    audited(w, loaded=40, rejected=10)
    same(w.ask("SELECT stage, rule, error, count(*) FROM etl_reject WHERE pipeline = %s GROUP BY 1, 2, 3", w.name),
         [("transform", "ratio", "transform ratio: divide by zero", 10)], "rejects")


def the_schema_grows_and_the_steps_with_it():
    w = World(URL, parts=1, schema=ORDER, transform=[{"drop": ["price"]}, {"filter": "quantity > 0"}])
    w.produce(0, 50, lambda i: w.encode(order(i)))
    p = w.start()
    w.wait_for(40)
    w.id, w.schema = w.registry.register(w.name + "-value", ORDER2)
    w.produce(50, 100, lambda i: w.encode(order(i, note="n")))
    w.wait_for(80)
    w.stop(p)
    same(w.ask("SELECT note, count(*) FROM %s GROUP BY 1 ORDER BY 1" % w.name), [("-", 40), ("n", 40)], "notes")
    audited(w, loaded=80, filtered=20)
    # a version that lacks what a step names: the run fails and says so, nothing is lost
    w.id, w.schema = w.registry.register(w.name + "-value", {**ORDER, "fields": ORDER["fields"][:2]})
    w.produce(100, 110, lambda i: w.encode({"id": i, "customer": "x"}))
    same(w.finish(), 1, "exit")
    why = w.one("SELECT error_message FROM etl_log WHERE job_name = %s AND status = 'failed'", w.name)
    same("transform 1:drop: there is no field \"price\", only: id, customer" in why, True, "why: " + why)
    same(w.finish(transform=[{"filter": "id % 2 == 0"}]), 0, "exit with steps that fit")
    same(w.one("SELECT count(*) FROM %s WHERE customer = 'x'" % w.name), 5, "rows after")
    audited(w, loaded=85, filtered=25)


run_all([what_is_loaded_is_another_record, a_record_that_fails_is_set_aside_with_its_step,
         the_schema_grows_and_the_steps_with_it])
