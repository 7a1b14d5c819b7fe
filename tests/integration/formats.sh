#!/bin/sh
# 60 random schemas, 3,600 records as Parquet, container file, JSON lines and CSV: pyarrow, DuckDB, fastavro and Python's csv
# read what was meant, and so do we.
cd "$(dirname "$0")/../.." || exit 1
exec python3 tests/differential/formats.py --avrogate "${AVROGATE:-build-dev/avrogate}" --schemas 60
