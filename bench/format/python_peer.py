#!/usr/bin/env python3
"""fastavro and pyarrow on the same records: from Avro binary to files in memory, as a loader in Python would."""
import io
import json
import sys
import time

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

with open(sys.argv[1], "rb") as f:
    data = f.read()
schema = fastavro.parse_schema(json.loads(sys.argv[2]))
columns = pa.schema([pa.field("device_id", pa.string(), False), pa.field("seq", pa.int64(), False),
                     pa.field("recorded_at", pa.timestamp("ms", "UTC"), False),
                     pa.field("temperature", pa.float64(), False), pa.field("humidity", pa.float64())])


def data_of():
    at, out = 0, []
    while at < len(data):
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                break
        n >>= 1
        out.append(data[at:at + n])
        at += n
    return out


def records():
    return [fastavro.schemaless_reader(io.BytesIO(d), schema, None) for d in each]


def parquet(codec):
    out = io.BytesIO()
    with pq.ParquetWriter(out, columns, compression=codec, write_page_index=True) as w:
        w.write_table(pa.Table.from_pylist(records(), columns))


def ocf():
    fastavro.writer(io.BytesIO(), schema, records(), codec="deflate")


def lines():
    out = io.StringIO()
    for r in records():
        r["recorded_at"] = r["recorded_at"].isoformat()
        out.write(json.dumps(r) + "\n")


each = data_of()
pa.set_cpu_count(1)
for name, call in (("parquet  zstd", lambda: parquet("zstd")), ("parquet  snappy", lambda: parquet("snappy")),
                   ("ocf      deflate", ocf), ("json", lines)):
    t = time.process_time()
    call()
    t = time.process_time() - t
    print(f"  {name:18} {len(each) / t / 1e6:7.2f} M rows/s {t / len(each) * 1e9:6.0f} ns a row")
