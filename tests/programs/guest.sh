#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# guest.sh [PROGRAM...]: in a guest, with the system of prepare: each program as it is,
# over TCP, with a client that asks for SMC and a server that does not (fallback), over
# SMC-D, and over SMC-R.  A run counts if the data are right and the kernel's counters
# say that it took that way.  Speed is beside TCP's, in turns.
#
# Lines "about PROGRAM TEXT", "note PROGRAM WAY TEXT", and for each program and way
# "row PROGRAM WAY RESULT TCP RATE UNIT SPREAD SPREAD": the medians of all turns, and by
# how many percent those of TCP and of the way differ.
# shellcheck disable=SC2317,SC2034 # what a program has is used by its name
set -euo pipefail
# shellcheck source=../vm/vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

turns=3
here=$SMC_SOURCE_DIR/tests/programs
smc=("$VM_SMC_RUN")
www=$T_TMP/www
# What is moved to see that the data are right; SMC's counters have it at least.
bytes=4000000
mkdir "$www"
head -c "$bytes" /dev/urandom >"$www/file"
head -c 65536 "$www/file" >"$www/64k"
head -c 1000 "$www/file" >"$www/1k"
ulimit -n 10000
sysctl -qw net.ipv4.ip_local_port_range="10000 65000" vm.overcommit_memory=1

#
# The programs.  Of each: NAME_about, NAME_unit, perhaps NAME_note (a command that says
# in a line what is to be known of the data's way), perhaps NAME_ready PORT (what comes
# before all else), perhaps NAME_WAY_as (what it takes instead), and
#   NAME_server PORT PREFIX...   runs it until it is stopped
#   NAME_data PORT PREFIX...     true if what came through is what was sent
#   NAME_speed PORT PREFIX...    prints a rate
#
# took AMOUNT COMMAND...: how much of it a second
took() {
	local amount=$1 start end
	shift
	start=$(date +%s%N)
	"$@" >/dev/null
	end=$(date +%s%N)
	awk -v n="$amount" -v t=$((end - start)) 'BEGIN { printf "%.2f\n", n * 1e9 / t }'
}

got() {
	cmp "$www/file" "$T_TMP/got" && rm "$T_TMP/got"
}

redis_about="redis-benchmark, 20 clients, GET and SET of 1 KiB"
redis_unit="requests/s"
redis_server() {
	local port=$1
	shift
	exec "$@" redis-server --port "$port" --save '' --dir "$T_TMP"
}
redis_data() {
	local port=$1
	shift
	"$@" redis-cli -p "$port" -x set file <"$www/file" &&
		"$@" redis-cli -p "$port" --raw get file | head -c "$bytes" >"$T_TMP/got" && got
}
redis_speed() {
	local port=$1
	shift
	"$@" redis-benchmark -p "$port" -c 20 -n 4000 -d 1024 -t get,set --csv |
		awk -F'"' '$2 ~ /^[SG]ET$/ { n += 1 / $4; k++ } END { print k / n }'
}

nginx_about="sendfile, reuseport, 2 workers; ab -k, 8 clients, 64 KiB"
nginx_unit="KB/s"
nginx_server() {
	local port=$1
	shift
	cat >"$T_TMP/nginx.$port" <<END
user root; worker_processes 2; daemon off; pid $T_TMP/nginx.$port.pid;
error_log $T_TMP/nginx.$port.log;
events { }
http {
	access_log off; sendfile on; keepalive_requests 100000;
	server { listen 127.0.0.1:$port reuseport; root $www; }
}
END
	exec "$@" nginx -e "$T_TMP/nginx.$port.log" -c "$T_TMP/nginx.$port"
}
web_data() {
	local port=$1
	shift
	"$@" curl -sS --max-time 60 -o "$T_TMP/got" "http://127.0.0.1:$port/file" && got
}
nginx_data() { web_data "$@"; }
# ab_says FIELD COMMAND...: nothing may have failed
ab_says() {
	local field=$1
	shift
	"$@" >"$T_TMP/ab" 2>&1 || true
	awk -v field="$field" '
		index($0, field ":") == 1 { split($0, part, ":"); rate = part[2] + 0 }
		/^Failed requests:/ { failed = $3 }
		/^Non-2xx/ { failed = 1 }
		END { print rate; exit failed || !rate }' "$T_TMP/ab" || {
		cat "$T_TMP/ab" >&2
		return 1
	}
}
nginx_speed() {
	local port=$1
	shift
	ab_says "Transfer rate" "$@" ab -k -q -n 1500 -c 8 "http://127.0.0.1:$port/64k"
}

connections_about="nginx; ab without -k, 8 clients, 1 KB each"
connections_unit="connections/s"
connections_server() { nginx_server "$@"; }
connections_data() { web_data "$@"; }
connections_speed() {
	local port=$1
	shift
	ab_says "Requests per second" "$@" ab -q -n 1500 -c 8 "http://127.0.0.1:$port/1k"
}

curl_about="nginx; a file of 4 MB, 8 times, with its start"
curl_unit="MB/s"
curl_server() { nginx_server "$@"; }
curl_data() { web_data "$@"; }
curl_speed() {
	local port=$1 url
	shift
	url=http://127.0.0.1:$port/file
	took $((bytes * 8 / 1000000)) "$@" curl -sS "$url" "$url" "$url" "$url" "$url" "$url" \
		"$url" "$url"
}

haproxy_about="splice, before nginx; ab -k, 8 clients, 64 KiB"
haproxy_unit="KB/s"
haproxy_server() {
	local port=$1
	shift
	(nginx_server $((port + 500)) "$@") &
	cat >"$T_TMP/haproxy.$port" <<END
defaults
	mode http
	timeout client 60s
	timeout server 60s
	timeout connect 10s
	option splice-auto
listen here
	bind 127.0.0.1:$port tfo
	server nginx 127.0.0.1:$((port + 500))
END
	vm_until 30 vm_listens $((port + 500))
	exec "$@" haproxy -f "$T_TMP/haproxy.$port"
}
haproxy_data() { web_data "$@"; }
haproxy_speed() { nginx_speed "$@"; }

memcached_about="10 clients in one process, values of 1 KB"
memcached_unit="requests/s"
memcached_server() {
	local port=$1
	shift
	exec "$@" memcached -u nobody -l 127.0.0.1 -p "$port" -U 0 -I 8m
}
memcached_data() {
	local port=$1
	shift
	"$@" python3 "$here/memcache.py" data "$port" "$www/file"
}
memcached_speed() {
	local port=$1
	shift
	"$@" python3 "$here/memcache.py" speed "$port" "$www/1k"
}

postgresql_about="pgbench -S, 4 clients"
postgresql_unit="transactions/s"
pg=(/usr/lib/postgresql/*/bin)
postgresql_server() {
	local port=$1 data=$T_TMP/pg.$1
	shift
	install -d -o postgres -m 700 "$data"
	setpriv --reuid postgres --regid postgres --clear-groups \
		"${pg[0]}/initdb" -D "$data" -U pg -A trust --locale=C -N
	exec setpriv --reuid postgres --regid postgres --clear-groups "$@" \
		"${pg[0]}/postgres" -D "$data" -p "$port" -k "$data" -c fsync=off -c jit=off \
		-c listen_addresses=127.0.0.1
}
postgresql_ready() {
	vm_until 30 "${pg[0]}/pg_isready" -q -h 127.0.0.1 -p "$1"
	"${pg[0]}/pgbench" -q -i -U pg -h 127.0.0.1 -p "$1" postgres
}
postgresql_data() {
	local port=$1
	shift
	[ "$("$@" "${pg[0]}/psql" -XAt -U pg -h 127.0.0.1 -p "$port" -d postgres \
		-c "select string_agg(md5(i::text), '') from generate_series(1, 130000) i" |
		md5sum)" = "$(python3 -c '
import hashlib
print("".join(hashlib.md5(str(i).encode()).hexdigest() for i in range(1, 130001)))' |
		md5sum)" ]
}
postgresql_speed() {
	local port=$1
	shift
	"$@" "${pg[0]}/pgbench" -n -S -c 4 -t 300 -U pg -h 127.0.0.1 -p "$port" postgres |
		awk '/^tps/ { print $3 }'
}

ktls_about="openssl s_server and s_client, Options = KTLS, 4 MB with its start"
ktls_unit="MB/s"
ktls_server() {
	local port=$1
	shift
	[ -s "$T_TMP/key.pem" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 2 \
		-subj /CN=localhost -keyout "$T_TMP/key.pem" -out "$T_TMP/cert.pem" 2>/dev/null
	cat >"$T_TMP/openssl.cnf" <<END
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
Options = KTLS
END
	cd "$www"
	exec "$@" env OPENSSL_CONF="$T_TMP/openssl.cnf" openssl s_server \
		-accept "127.0.0.1:$port" -key "$T_TMP/key.pem" -cert "$T_TMP/cert.pem" -HTTP -quiet
}
ktls_get() {
	local port=$1
	shift
	printf 'GET /file HTTP/1.0\r\n\r\n' |
		"$@" env OPENSSL_CONF="$T_TMP/openssl.cnf" openssl s_client \
			-connect "127.0.0.1:$port" -quiet -ign_eof 2>/dev/null
}
ktls_data() {
	# The file is all that -HTTP sends, with its own header.
	ktls_get "$@" | tail -c "$bytes" >"$T_TMP/got"
	got
}
# By its counter of sessions
ktls_note() {
	local now
	now=$(awk '$1 ~ /^Tls[RT]xSw$/ { n += $2 } END { print n + 0 }' /proc/net/tls_stat)
	if [ "$now" != "${ktls_before:-0}" ]; then
		echo "TLS in the kernel"
	else
		echo "TLS in the program"
	fi
	ktls_before=$now
}
ktls_speed() {
	took $((bytes / 1000000)) ktls_get "$@"
}

iperf3_about="one stream, writes of 128 KiB"
iperf3_unit="Mbit/s"
iperf3_server() {
	local port=$1
	shift
	exec "$@" iperf3 -s -p "$port" --forceflush
}
iperf3_data() {
	local port=$1
	shift
	"$@" iperf3 -c 127.0.0.1 -p "$port" -n $((2 * bytes)) -J >"$T_TMP/iperf"
	python3 -c '
import json, sys
end = json.load(open(sys.argv[1]))["end"]
sys.exit(end["sum_received"]["bytes"] < int(sys.argv[2]))' "$T_TMP/iperf" "$bytes"
}
iperf3_speed() {
	local port=$1
	shift
	"$@" iperf3 -c 127.0.0.1 -p "$port" -n 128M -l 128K -J | python3 -c '
import json, sys
print(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6)'
}

# echo_in NAME VERB PORT PREFIX...: the echo that NAME_echo is a command of
echo_in() {
	local -n command=$1_echo
	local verb=$2 port=$3
	shift 3
	case $verb in
	server) exec "$@" "${command[@]}" server "$port" ;;
	data) "$@" "${command[@]}" data "$port" "$www/file" ;;
	speed) "$@" "${command[@]}" speed "$port" "$www/1k" ;;
	esac
}

python3_about="asyncio, 10 clients, an echo of 1 KB"
python3_unit="messages/s"
python3_echo=(python3 "$here/echo.py")
python3_server() { echo_in python3 server "$@"; }
python3_data() { echo_in python3 data "$@"; }
python3_speed() { echo_in python3 speed "$@"; }

node_about="node:net, 10 clients, an echo of 1 KB"
node_unit="messages/s"
node_echo=(node "$here/echo.js")
node_server() { echo_in node server "$@"; }
node_data() { echo_in node data "$@"; }
node_speed() { echo_in node speed "$@"; }

jvm_about="java.nio, 10 clients, an echo of 1 KB; sockets of IPv6, addresses of IPv4"
# SMC-R's version 2 is not offered by a socket of IPv6, see docs/COMPAT.md.
jvm_smcr_as=fallback
jvm_unit="messages/s"
jvm_echo=(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto
	-cp "$SMC_BUILD_DIR/tests/programs" Echo)
jvm_server() { echo_in jvm server "$@"; }
jvm_data() { echo_in jvm data "$@"; }
jvm_speed() { echo_in jvm speed "$@"; }

go_about="net/http through the BPF side; a file of 4 MB, 20 times"
go_unit="MB/s"
go_server() {
	local port=$1
	shift
	exec "$@" "$SMC_BUILD_DIR/tests/vm/go_http" server "$port" "$www"
}
# go_do VERB PORT PREFIX...
go_do() {
	local verb=$1 port=$2
	shift 2
	"$@" "$SMC_BUILD_DIR/tests/vm/go_http" "$verb" "http://127.0.0.1:$port/file"
}
go_data() {
	go_do get "$@" >"$T_TMP/got"
	got
}
go_speed() { go_do speed "$@"; }

rsync_about="daemon; a file of 4 MB, with its start"
rsync_unit="MB/s"
rsync_server() {
	local port=$1
	shift
	cat >"$T_TMP/rsyncd.$port" <<END
use chroot = no
uid = root
address = 127.0.0.1
pid file = $T_TMP/rsyncd.$port.pid
[www]
path = $www
END
	exec "$@" rsync --daemon --no-detach --port "$port" --config "$T_TMP/rsyncd.$port"
}
rsync_data() {
	local port=$1
	shift
	"$@" rsync "rsync://127.0.0.1:$port/www/file" "$T_TMP/got"
	got
}
rsync_speed() {
	local port=$1
	shift
	took $((bytes / 1000000)) "$@" rsync "rsync://127.0.0.1:$port/www/file" "$T_TMP/got"
	rm "$T_TMP/got"
}

ssh_about="a file of 4 MB, with its start"
ssh_unit="MB/s"
ssh_server() {
	local port=$1
	shift
	mkdir -p /run/sshd /root/.ssh
	[ -s "$T_TMP/host_key" ] || {
		ssh-keygen -q -t ed25519 -N '' -f "$T_TMP/host_key"
		ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
		cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
	}
	exec "$@" /usr/sbin/sshd -D -e -f /dev/null -p "$port" -o ListenAddress=127.0.0.1 \
		-o HostKey="$T_TMP/host_key" -o StrictModes=no -o UsePAM=no
}
ssh_cat() {
	local port=$1
	shift
	"$@" ssh -p "$port" -o StrictHostKeyChecking=no -o LogLevel=ERROR root@127.0.0.1 \
		"cat $www/file" </dev/null
}
ssh_data() {
	ssh_cat "$@" >"$T_TMP/got"
	got
}
ssh_speed() {
	took $((bytes / 1000000)) ssh_cat "$@"
}

programs=(redis nginx connections curl haproxy memcached postgresql ktls iperf3 python3
	node jvm go rsync ssh)
[ $# = 0 ] || programs=("$@")

#
# The ways
#
# evident WAY PORT: since vm_mark the data went that way.
evident() {
	local smcd smcr offered
	smcd=$(vm_moved smcd.tx_bytes) smcr=$(vm_moved smcr.tx_bytes)
	offered=$(vm_seen syn "*:$2" | tr ' ' '\n' | sort -u)
	case $1 in
	tcp) [ "$smcd $smcr $offered" = "0 0 plain" ] ;;
	fallback) [ "$smcd $smcr $offered" = "0 0 smc" ] ;;
	smcd) [ "$smcd" -ge "$bytes" ] && [ "$smcr $offered" = "0 smc" ] ;;
	smcr) [ "$smcr" -ge "$bytes" ] && [ "$smcd $offered" = "0 smc" ] ;;
	esac || {
		t_diag "$1: $smcd bytes over SMC-D, $smcr over SMC-R, SYNs: $offered"
		return 1
	}
}

# median FILE, and spread FILE: of its lines, in percent
median() {
	sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
spread() {
	sort -g "$1" | awk '{ v[NR] = $1 }
		END { printf "%.1f\n", (v[NR] - v[1]) * 100 / v[int((NR + 1) / 2)] }'
}

# stop PID: a server and what it started
stop() {
	local tree=$1 all=()
	while [ -n "$tree" ]; do
		# shellcheck disable=SC2206 # numbers
		all+=($tree)
		tree=$(pgrep -d ' ' -P "${tree// /,}" || true)
	done
	kill "${all[@]}" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

# measure PROGRAM WAY...: both servers run, and the ways take turns with TCP.
port=7000
measure() {
	local program=$1 way as ask=() at turn result pids failed
	local -n unit=${program}_unit about=${program}_about
	shift
	echo "about $program $about"
	port=$((port + 2))
	t_check "$program, $*: a server" vm_serve $port "${program}_server" $port env
	pids=("${vm_pids[-1]}")
	t_check "$program, $*: a server that asks for SMC" vm_serve $((port + 1)) \
		"${program}_server" $((port + 1)) "${smc[@]}"
	pids+=("${vm_pids[-1]}")
	if declare -F "${program}_ready" >/dev/null; then
		t_check "$program, $*: is ready" "${program}_ready" $port
		t_check "$program, $*: is ready as well" "${program}_ready" $((port + 1))
	fi
	for way in tcp "$@"; do
		ask=("${smc[@]}") at=$((port + 1))
		case $way in
		tcp) ask=(env) at=$port ;;
		fallback) at=$port ;;
		esac
		as=${program}_${way}_as
		as=${!as:-$way}
		result=works
		[ "$as" = "$way" ] || result=TCP
		failed=$t_failed
		vm_mark
		vm_watch
		# What was before does not count.
		! declare -F "${program}_note" >/dev/null || "${program}_note" >/dev/null
		t_check "$program, $way${1+ ($*)}: the data are right" "${program}_data" $at "${ask[@]}"
		[ "$t_failed" = "$failed" ] || result=wrong
		t_check "$program, $way${1+ ($*)}: by counters and options" evident "$as" $at
		kill "${vm_pids[-1]}"
		! declare -F "${program}_note" >/dev/null ||
			echo "note $program $way $("${program}_note")"
		[ "$t_failed" = "$failed" ] || [ $result = wrong ] || result=another-way
		[ "$way" != tcp ] || continue
		# Turn 0 warms up.
		for ((turn = 0; turn <= turns; turn++)); do
			"${program}_speed" $port env >>"$T_TMP/tcp" || result=failed
			"${program}_speed" $at "${ask[@]}" >>"$T_TMP/smc" || result=failed
			[ $turn != 0 ] || {
				: >"$T_TMP/tcp"
				: >"$T_TMP/smc"
			}
		done
		printf 'row %s %s %s %s %s %s %s %s\n' "$program" "$way" $result \
			"$(median "$T_TMP/tcp")" "$(median "$T_TMP/smc")" "$unit" \
			"$(spread "$T_TMP/tcp")" "$(spread "$T_TMP/smc")"
	done
	stop "${pids[0]}"
	stop "${pids[1]}"
}

# As udev would: TLS, and the processor's instructions for it
modprobe -a tls aesni_intel
for program in "${programs[@]}"; do
	measure "$program" fallback smcd
done
t_check "lo has an RDMA device" vm_smcr_lo
for program in "${programs[@]}"; do
	measure "$program" smcr
done
t_done
