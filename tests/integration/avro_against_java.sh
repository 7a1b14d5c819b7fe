#!/usr/bin/env bash
# Avro Java 1.12.1 as the judge: schemas whole and broken, canonical forms and fingerprints, compatibility at every
# level, data whole and broken and resolved, Avro JSON both ways, container files with every codec both ways.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${AVRO_JAVA_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/avrogate-avro-java}
source=tests/differential/java

mkdir -p "$cache"; exec 9>"$cache/.lock"; flock 9
if ! cmp -s "$source/pom.xml" "$cache/pom.xml"; then
  rm -rf "$cache/lib"
  mvn -B -q -f "$source/pom.xml" dependency:copy-dependencies -DoutputDirectory="$cache/lib" -DincludeScope=runtime
  cp "$source/pom.xml" "$cache/pom.xml"
fi
classes=$(mktemp -d); trap 'rm -rf "$classes"' EXIT
libs=$(echo "$cache"/lib/*.jar | tr ' ' :)
java -jar "$cache"/lib/ecj-*.jar -17 -nowarn -cp "$libs" -d "$classes" "$source/Reference.java"
flock -u 9
python3 tests/differential/against_java.py --classpath "$classes:$libs" --avrogate "${AVROGATE:-build-dev/avrogate}" "$@"
