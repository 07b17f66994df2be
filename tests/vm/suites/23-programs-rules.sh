#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: stock-lo
# profiles: fast
# label: vm
#
# Programs as they are, with rules: what is allowed offers SMC and moves its data over
# it, what is excluded does not offer it, or answer an offer, and works as well.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

# For users who cannot enter where these are.
mkdir -p /run/lab/build /run/lab/pg
mount --bind "$SMC_BUILD_DIR" /run/lab/build
mount --bind "$LAB_POSTGRES" /run/lab/pg
smc=(/run/lab/build/smc_run)
pg=/run/lab/pg/usr/lib/postgresql/15/bin
dir=$T_TMP/www
bytes=1000000
mkdir "$dir"
head -c $bytes /dev/urandom >"$dir/file"
ip addr add 10.1.2.3/32 dev lo
vm_watch

# began, then ended NAME KIND SYN-OR-SYNACK SERVER: between them were connections of
# that kind only; those of SMC moved the payload and none fell back.  A client with
# rules first finds out, by a socket of its own, how this kernel makes one TCP.
began() {
	vm_forget
	vm_mark
}

ended() {
	local name=$1 kind=$2 which=$3 at=$4 option=plain probes=0 rx tx clnt srv
	[ "$kind" = tcp ] || option=smc
	[ "$which" = synack ] || probes=1
	t_is "$(vm_seen "$which" "$at" | tr ' ' '\n' | sort -u)" $option \
		"$name: $which $option"
	read -r rx tx clnt srv < <(vm_moved smcd.rx_bytes smcd.tx_bytes \
		fallback.clnt fallback.srv)
	if [ "$kind" = tcp ]; then
		t_is "$((rx + tx))" 0 "$name: nothing moved over SMC"
	else
		t_ok $((rx + tx < bytes)) "$name: the data moved over SMC"
		t_is "$clnt $srv $(vm_fell_back clnt 0x03060000)" "$probes 0 $probes" \
			"$name: nothing fell back"
	fi
}

# client NAME COMMAND...: what COMMAND gets from a web server at % (a port) is the file,
# from 8001 over SMC and from 8002, which is excluded, over TCP.
client() {
	local name=$1 port kind
	shift
	for port in 8001 8002; do
		kind=smc
		[ $port = 8001 ] || kind=tcp
		began
		SMC_RULES='use tcp to :8002' "${smc[@]}" "${@//%/$port}" \
			>"$T_TMP/got" 2>"$T_TMP/err" || cat "$T_TMP/err"
		t_check "$name, $kind: the file" cmp "$dir/file" "$T_TMP/got"
		ended "$name, $kind" $kind syn "*:$port"
	done
}

cat >"$T_TMP/nginx.conf" <<END
user root;
worker_processes 1;
daemon off;
pid $T_TMP/nginx.pid;
error_log $T_TMP/nginx.log;
events { }
http {
	access_log off;
	sendfile on;
	server { listen 8001; listen [::]:8001; root $dir; }
	server { listen 8002; listen [::]:8002; root $dir; }
	server { listen 127.0.0.1:8003; root $dir; }
}
END
mkdir -p /var/lib/nginx
SMC_RULES='use tcp listen on 127.0.0.1:8003' vm_serve 8003 "${smc[@]}" \
	"$LAB_NGINX" -e "$T_TMP/nginx.log" -c "$T_TMP/nginx.conf"

# nginx: a client that offers SMC to either listener, and one that does not.
got() {
	"$@" curl -s --max-time 10 -o "$T_TMP/got" "http://127.0.0.1:$port/file" &&
		cmp "$dir/file" "$T_TMP/got"
}
for row in "8001 smc" "8003 tcp"; do
	read -r port kind <<<"$row"
	began
	t_check "nginx, listener $kind: curl with SMC" got "${smc[@]}"
	ended "nginx, listener $kind" "$kind" synack "*:$port"
	t_check "nginx, listener $kind: plain curl" got
done

client curl curl -sS --max-time 60 http://127.0.0.1:%/file
client "curl, IPv6" curl -sS --max-time 60 "http://[::1]:%/file"
client python3 /usr/bin/python3 -c '
import sys, urllib.request
url = "http://127.0.0.1:%/file"
sys.stdout.buffer.write(urllib.request.urlopen(url, timeout=60).read())'
client "python3, asyncio" /usr/bin/python3 -c '
import asyncio, sys
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", %)
    writer.write(b"GET /file HTTP/1.0\r\n\r\n")
    data = await asyncio.wait_for(reader.read(), 60)
    sys.stdout.buffer.write(data[data.index(b"\r\n\r\n") + 4:])
    writer.close()
asyncio.run(main())'
java=(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)
t_check "JVM: the client compiles" "${java[@]}" \
	-m jdk.compiler/com.sun.tools.javac.Main -d "$T_TMP" \
	"$SMC_SOURCE_DIR/tests/vm/Fetch.java"
client "JVM, Socket" "${java[@]}" -cp "$T_TMP" Fetch blocking 127.0.0.1 % /file
client "JVM, SocketChannel" "${java[@]}" -cp "$T_TMP" Fetch selector 127.0.0.1 % /file

# redis: a rule in a file gives SMC to one port of the server and to nothing else.
cp /usr/bin/redis-check-rdb "$T_TMP/redis-server"
mkdir -p /etc/smc
cat >/etc/smc/smc.conf <<'END'
use smc listen prog redis-server on :6401
use tcp prog redis-server
END
for row in "6401 smc" "6402 tcp"; do
	read -r port kind <<<"$row"
	vm_serve "$port" "${smc[@]}" "$T_TMP/redis-server" --port "$port" --save ''
	began
	t_is "$(timeout 30 "${smc[@]}" redis-benchmark -p "$port" -c 5 -n 500 -d 4000 \
		-t set,get --csv 2>&1 | grep -c '^"[SG]ET",')" 2 \
		"redis, listener $kind: benchmark with SMC"
	ended "redis, listener $kind" "$kind" synack "*:$port"
	t_is "$(timeout 30 redis-cli -p "$port" ping)" PONG \
		"redis, listener $kind: plain client"
done
rm /etc/smc/smc.conf

# PostgreSQL: two addresses, one excluded; and rules of its client.
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
install -d -m 700 -o 65534 -g 65534 "$T_TMP/pg"
t_check "PostgreSQL: a new cluster" "${nobody[@]}" "$pg/initdb" -D "$T_TMP/pg/data" \
	-U pg -A trust --locale=C -N
echo 'host all all 10.1.2.3/32 trust' >>"$T_TMP/pg/data/pg_hba.conf"
SMC_RULES='use tcp listen on 10.1.2.3' vm_serve 5433 "${nobody[@]}" "${smc[@]}" \
	"$pg/postgres" -D "$T_TMP/pg/data" -p 5433 -k "$T_TMP/pg" -c fsync=off \
	-c listen_addresses=127.0.0.1,127.0.0.2,10.1.2.3 -c jit=off
ready() {
	"$pg/pg_isready" -q -h 127.0.0.1 -p 5433
}
t_check "PostgreSQL: is ready" vm_until 30 ready
# query HOST: a megabyte of it.
query() {
	timeout 30 "${smc[@]}" "$pg/psql" -X -A -t -U pg -h "$1" -p 5433 -d postgres \
		-c "select repeat('x', $bytes)" | tr -d '\n' | wc -c
}
for row in "127.0.0.1 smc" "10.1.2.3 tcp"; do
	read -r host kind <<<"$row"
	began
	t_is "$(query "$host")" $bytes "PostgreSQL, listener $kind: psql with SMC"
	ended "PostgreSQL, listener $kind" "$kind" synack "$host:5433"
done
export SMC_RULES='use tcp to 127.0.0.2'
for row in "127.0.0.1 smc" "127.0.0.2 tcp"; do
	read -r host kind <<<"$row"
	began
	t_is "$(query "$host")" $bytes "psql, $kind: the answer"
	ended "psql, $kind" "$kind" syn "$host:5433"
done
kill "${vm_pids[-1]}"
t_done
