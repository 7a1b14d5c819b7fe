#!/bin/sh
# Requests per second of the server's own CPU time, beside nginx answering the same four
# bytes in the same run.  Rounds alternate, because machines drift; the ratio is what
# counts.  Needs nginx and wrk.
#   usage: bench/http/run.sh BUILD-DIR [CONNECTIONS [SECONDS [ROUNDS]]]
set -eu
build=$1 conns=${2:-64} secs=${3:-4} rounds=${4:-3}
port=18971 nginx_port=18972
dir=$(mktemp -d)
trap 'kill $ours $theirs 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
ours= theirs=

cat > "$dir/nginx.conf" <<CONF
worker_processes 1; daemon off; error_log $dir/error.log; pid $dir/pid;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 1000000000; server_tokens off;
    client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f;
    uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
    server { listen 127.0.0.1:$nginx_port; default_type text/plain;
             location / { return 200 "pong"; } }
}
CONF
"$build/bench-http" $port 1 & ours=$!
nginx -c "$dir/nginx.conf" & theirs=$!
sleep 1

# Clock ticks of CPU that process $1 and its children have used.
ticks() {
    for p in "$1" $(pgrep -P "$1" || true); do
        sed 's/.*) //' "/proc/$p/stat" | awk '{print $12 + $13}'
    done | awk '{s += $1} END {print s}'
}

# $1 name, $2 pid, $3 url -> "name requests ticks"
round() {
    before=$(ticks "$2")
    n=$(wrk -t1 -c"$conns" -d"${secs}s" "$3" | awk '/requests in/ {print $1}')
    echo "$1 $n $(($(ticks "$2") - before))"
}

i=0
while [ $i -lt "$rounds" ]; do
    round nginx $theirs "http://127.0.0.1:$nginx_port/now"
    round now $ours "http://127.0.0.1:$port/now"
    round kept $ours "http://127.0.0.1:$port/kept"
    round work $ours "http://127.0.0.1:$port/work"
    i=$((i + 1))
done | awk -v hz="$(getconf CLK_TCK)" -v c="$conns" -v s="$secs" '
    { n[$1] += $2; t[$1] += $3; rounds[$1]++ }
    END {
        printf "%d connections, one loop, one nginx worker\n", c
        split("nginx now kept work", order, " ")
        for (i = 1; i <= 4; i++) {
            k = order[i]
            per = n[k] / (t[k] / hz)
            if (k == "nginx") base = per
            printf "%-6s %8.0f req/s  %8.0f req/CPU s  %6.2f us each  %.2f of nginx\n", k,
                   n[k] / rounds[k] / s, per, 1e6 / per, per / base
        }
    }'
