#!/bin/sh
# T-SQL, Snowflake and the others, parsed by somebody else.
exec python3 tests/differential/dialects_parse.py build-dev/dialect-say
