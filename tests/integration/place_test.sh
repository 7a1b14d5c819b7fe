#!/usr/bin/env bash
# The promises of place/place.h on a real S3 (versitygw) and a real HDFS, started for this test.
# What cannot be installed is not asked, and that is said; what is installed must start.
set -euo pipefail
cd "$(dirname "$0")/../.."
export S3_DATA=/tmp/avrogate-test-s3 S3_PORT=${S3_PORT:-27070}
export HDFS_DATA=/tmp/avrogate-test-hdfs HDFS_NN_HTTP_PORT=29870 HDFS_NN_RPC_PORT=28020 HDFS_DN_HTTP_PORT=29864 \
       HDFS_DN_XFER_PORT=29866 HDFS_DN_IPC_PORT=29867 HDFS_XMX=192m
# pages of ten, so that a list of twenty-five has three
export HDFS_EXTRA_XML='<property><name>dfs.ls.limit</name><value>10</value></property>'
down() {
  tests/services/s3.sh stop >/dev/null 2>&1 || true
  tests/services/hdfs.sh stop >/dev/null 2>&1 || true
  rm -rf "$S3_DATA" "$HDFS_DATA"
}
trap down EXIT
down
if timeout 300 tests/services/s3.sh install; then
  tests/services/s3.sh start
  export AVROGATE_TEST_S3=http://127.0.0.1:$S3_PORT
fi
if timeout 300 tests/services/hdfs.sh install; then
  tests/services/hdfs.sh start
  export AVROGATE_TEST_HDFS=127.0.0.1:$HDFS_NN_HTTP_PORT,$HDFS_DN_HTTP_PORT
fi
timeout 120 build-dev/promises-place
