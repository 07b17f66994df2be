#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What "tests/lab demo" runs in its guests:
#
#	demo-guest.sh server			both servers, until stopped
#	demo-guest.sh client KIND ADDRESS	benchmarks, table and proof
#	demo-guest.sh local KIND ADDRESS	both in one guest
#
# Ends with 1 if a connection that should run over KIND does not.
set -euo pipefail

clients=20
smc_run=$SMC_BUILD_DIR/smc_run
tmp=$(mktemp -d)

# Port 6379: plain; 6380: under smc_run.
start_servers() {
	# Debian's redis-server is this link to the binary in redis-tools.
	[ -x /usr/bin/redis-server ] ||
		ln -s redis-check-rdb /usr/bin/redis-server
	sysctl -qw vm.overcommit_memory=1
	local quiet=(--protected-mode no --save "" --logfile "$tmp/log")
	redis-server --port 6379 "${quiet[@]}" &
	"$smc_run" redis-server --port 6380 "${quiet[@]}" &
}

# Waits for both servers here; the pair has --ready for it.
wait_servers() {
	local port
	for port in 6379 6380; do
		until redis-cli -p $port ping >/dev/null 2>&1; do
			sleep 0.1
		done
	done
}

stat() {
	"$LAB_SMCCTL" stats | awk -v key="$1" '$1 == key { print $2 }'
}

# bench PORT COUNT SIZE COMMAND-PREFIX...: lines TEST REQUESTS-PER-SECOND.
bench() {
	local port=$1 count=$2 size=$3
	shift 3
	"$@" redis-benchmark -h "$address" -p "$port" -c $clients -n "$count" \
		-d "$size" -t set,get --csv |
		awk -F'"' '$2 ~ /^(SET|GET)$/ { print $2, $4 }'
}

table() {
	local size
	printf '\n%-14s %12s %12s %8s   requests/s\n' redis TCP "$kind" ratio
	for size in 64 16384; do
		bench 6379 $count $size env >"$tmp/tcp"
		bench 6380 $count $size "$smc_run" >"$tmp/smc"
		paste -d' ' "$tmp/tcp" "$tmp/smc" | awk -v size=$size '
			{ printf "%-14s %12.0f %12.0f %8.2f\n",
				$1 " " size " B", $2, $4, $4 / $2 }'
	done
}

# One more run, looked at while its connections are open.
proof() {
	local tech smc_before fallback_before pid n=0 conns tcp bytes fallbacks
	tech=$(echo "$kind" | tr -d - | tr '[:upper:]' '[:lower:]')
	smc_before=$(($(stat "$tech.tx_bytes") + $(stat "$tech.rx_bytes")))
	fallback_before=$(($(stat fallback.clnt) + $(stat fallback.srv)))
	"$smc_run" redis-benchmark -h "$address" -p 6380 -c $clients \
		-n $((4 * count)) -d 16384 -t get -q >/dev/null 2>&1 &
	pid=$!
	# Every connection is there and has moved something.
	while kill -0 $pid 2>/dev/null; do
		"$LAB_SMCCTL" conns >"$tmp/conns"
		conns=$(grep -cE "ACTIVE $kind .*:6380 0x" "$tmp/conns" || true)
		[ "$conns" -lt $clients ] || [ $((n += 1)) -lt 3 ] || break
		sleep 0.2
	done
	"$LAB_SMCCTL" groups >"$tmp/groups"
	tcp=$(ss -tinH "dport = :6380" | awk '
		match($0, /bytes_sent:[0-9]+/) {
			sum += substr($0, RSTART + 11, RLENGTH - 11)
		}
		match($0, /bytes_received:[0-9]+/) {
			sum += substr($0, RSTART + 15, RLENGTH - 15)
		}
		END { print sum + 0 }')
	wait $pid
	bytes=$(($(stat "$tech.tx_bytes") + $(stat "$tech.rx_bytes") - smc_before))
	fallbacks=$(($(stat fallback.clnt) + $(stat fallback.srv) - fallback_before))

	printf '\nproof, from the kernel while %s connections were open\n' $clients
	awk -v kind="$kind" '$1 == kind && $3 > 0 {
		print "  link group       " $2 ": " $3 " " kind " connections" }
		$1 == "link" && $3 > 0 {
		print "  RDMA link        " $2 ": " $4 " to " $5 }' "$tmp/groups"
	printf '  socket diagnosis %d active %s connections to port 6380\n' \
		"$conns" "$kind"
	printf '  over SMC         %d bytes\n' "$bytes"
	printf '  over TCP         %d bytes on those sockets (the handshake)\n' \
		"$tcp"
	printf '  fallbacks        %d\n\n' "$fallbacks"
	if [ "$conns" -lt $clients ] || [ "$bytes" -lt 1000000 ] ||
		[ "$tcp" -lt 1 ] || [ "$tcp" -gt $((clients * 4096)) ] ||
		[ "$fallbacks" != 0 ]; then
		echo "demo: this did not run over $kind" >&2
		exit 1
	fi
}

case $1 in
server)
	start_servers
	wait
	;;
local | client)
	kind=$2 address=$3 count=1500
	if [ "$1" = local ]; then
		count=10000
		start_servers
		wait_servers
	fi
	table
	proof
	;;
esac
