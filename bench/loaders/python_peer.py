#!/usr/bin/env python3
"""What a good engineer writes today to bring framed Avro from Kafka into Postgres or Parquet; run by peers.py.

usage: python_peer.py postgres|parquet|copy|insert SAID BOOTSTRAP TOPIC ROWS PG-URL FOLDER SCHEMA

SAID is a file it leaves its figures in. `copy` and `insert` read no Kafka: their rows are made before the clock starts.
"""
import io, json, os, struct, sys, time
import fastavro

sink, said, bootstrap, topic, rows, url, folder, schema = sys.argv[1:]
schema = json.loads(schema)
for field in schema["fields"]:  # a datetime a row is dear, and neither sink wants one
    if isinstance(field["type"], dict):
        field["type"] = field["type"]["type"]
rows, schema = int(rows), fastavro.parse_schema(schema)
BATCH = 10000
EPOCH = 946684800000  # 2000-01-01, from which Postgres counts


def records():
    """Batches of decoded records, at most BATCH each, with the offset after them."""
    import confluent_kafka
    c = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": topic + "-" + sink + str(os.getpid()), "auto.offset.reset": "earliest",
                                  "enable.auto.commit": False})
    c.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    seen = 0
    while seen < rows:
        messages = c.consume(BATCH, 1.0)
        if messages:
            seen += len(messages)
            yield [fastavro.schemaless_reader(io.BytesIO(m.value()[5:]), schema) for m in messages], messages[-1].offset() + 1
    c.close()


def binary(batch):
    out = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    for r in batch:
        station, note = r["station"].encode(), r["note"]
        out.append(struct.pack("!hiqi%dsiqid" % len(station), 5, 8, r["id"], len(station), station, 8, (r["at"] - EPOCH) * 1000, 8, r["temperature"]))
        if note is None:
            out.append(b"\xff\xff\xff\xff")
        else:
            note = note.encode()
            out.append(struct.pack("!i", len(note)) + note)
    out.append(b"\xff\xff")
    return b"".join(out)


def made(i):
    return {"id": i, "station": "station-%03d" % (i % 500), "at": 1700000000000 + i * 1000, "temperature": i % 400 / 10,
            "note": None if i % 4 else "note %d" % i}


def to_postgres():
    import psycopg2
    c = psycopg2.connect(url)
    q, began, first = c.cursor(), None, None

    def commit(next):
        nonlocal first
        q.execute("INSERT INTO plain_offsets VALUES (%s, %s) ON CONFLICT (topic) DO UPDATE SET next = excluded.next", (topic, next))
        c.commit()
        first = first or time.time()

    if sink == "postgres":
        for batch, next in records():
            began = began or time.time()
            q.copy_expert("COPY plain FROM STDIN BINARY", io.BytesIO(binary(batch)), 1 << 20)
            commit(next)
    elif sink == "copy":
        ready = [binary(made(i) for i in range(k, k + BATCH)) for k in range(0, min(rows, 100000), BATCH)]
        began = time.time()
        for k in range(rows // BATCH):
            q.copy_expert("COPY plain FROM STDIN BINARY", io.BytesIO(ready[k % len(ready)]), 1 << 20)
            commit(k * BATCH)
    else:
        ready = []
        for k in range(0, min(rows, 100000), 500):
            some = [(r["id"], r["station"], r["at"] / 1000, r["temperature"], r["note"]) for r in map(made, range(k, k + 500))]
            ready.append(b"INSERT INTO plain VALUES " + b",".join(q.mogrify("(%s,%s,to_timestamp(%s),%s,%s)", r) for r in some))
        began = time.time()
        for k in range(rows // 500):
            q.execute(ready[k % len(ready)])
            if k % (BATCH // 500) == BATCH // 500 - 1:
                commit(k * 500)
        commit(rows)
    return time.time() - began, first


def to_parquet():
    import pyarrow, pyarrow.parquet
    shape = pyarrow.schema([("id", pyarrow.int64()), ("station", pyarrow.string()), ("at", pyarrow.timestamp("ms", "UTC")),
                            ("temperature", pyarrow.float64()), ("note", pyarrow.string())])
    began, first, file, n = None, None, None, 0
    for batch, _ in records():
        began = began or time.time()
        if file is None:
            file, n = pyarrow.parquet.ParquetWriter(os.path.join(folder, "%d.parquet" % time.time_ns()), shape, compression="zstd"), 0
        file.write_table(pyarrow.Table.from_pylist(batch, shape))
        n += len(batch)
        if n >= 1000000:
            file.close()
            file, first = None, first or time.time()
    if file is not None:
        file.close()
        first = first or time.time()
    return time.time() - began, first


sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.deps/pyarrow"))
figures = to_parquet() if sink == "parquet" else to_postgres()
with open(said, "w") as f:
    f.write("%f %f" % figures)
