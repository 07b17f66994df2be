# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For guest suites, on top of tests/lib/tlib.sh: servers in the background,
# and the evidence that a connection ran over SMC or did not.  Data that
# arrived proves nothing, because fallback delivers it too.

# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

# shellcheck disable=SC2034 # used by the suites
VM_SMC_RUN=$SMC_BUILD_DIR/smc_run
# shellcheck disable=SC2034
VM_PROBE=$SMC_BUILD_DIR/tests/vm/tcp_probe
# shellcheck disable=SC2034
VM_AT_END=$SMC_SOURCE_DIR/tests/vm/at_end.sh
vm_pids=()

# True if a TCP socket listens on PORT (of SMC listeners the inner one).
vm_listens() {
	cat /proc/net/tcp /proc/net/tcp6 | awk -v port="$(printf %04X "$1")" '
		$4 == "0A" { n = split($2, a, ":"); if (a[n] == port) found = 1 }
		END { exit !found }'
}

# vm_until SECONDS COMMAND...: repeats COMMAND until it succeeds.
vm_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# vm_unload: unloads the module, for which clients in TIME_WAIT and the like are
# ended (75-unload tests that they hold it for a minute).  If that takes a minute
# and a half, says what may be in the way.
vm_unload() {
	local slab
	ss -K state connected >"$T_TMP/ended"
	! vm_until 90 rmmod smc || return 0
	ss -Htanoep
	"$LAB_SMCCTL" groups
	cat /sys/module/smc/refcnt /proc/net/sockstat
	# Else objects that are free and at hand count as well.
	for slab in /sys/kernel/slab/*/shrink; do
		echo 1 >"$slab" || true
	done
	awk '$2 && $1 ~ /^SMC|^TCP|tw_sock_TCP/ { print $1, $2 }' /proc/slabinfo
	grep -ls smc_ /proc/[0-9]*/stack | xargs -r tail -n 20
	return 1
}

# vm_serve PORT COMMAND...: starts a server and waits until it listens.
vm_serve() {
	local port=$1
	shift
	vm_log=$T_TMP/server.$port
	"$@" >"$vm_log" 2>&1 &
	vm_pids+=($!)
	vm_until 30 vm_listens "$port" || {
		t_diag "no server on port $port: $*"
		t_diag "$(cat "$vm_log")"
		return 1
	}
}

# Waits for the last server started; its status, and its output if it failed.
vm_served() {
	local rc=0
	wait "${vm_pids[-1]}" || rc=$?
	[ $rc = 0 ] || cat "$vm_log"
	return $rc
}

# vm_stream PORT NAME FROM TO IO BYTES SERVER-PREFIX... -- CLIENT-PREFIX...: a
# stream both ways between a probe that listens at FROM and one that connects to
# TO, each started by its prefix; marks before it, and leaves srv.end, clnt.end
# (not those of an earlier stream, if this one fails).
vm_stream() {
	local port=$1 name=$2 from=$3 to=$4 io=$5 bytes=$6 server=() failed=$t_failed
	shift 6
	while [ "$1" != -- ]; do
		server+=("$1")
		shift
	done
	shift
	rm -f "$T_TMP/srv.end" "$T_TMP/clnt.end"
	vm_mark
	vm_serve "$port" "${server[@]}" "$VM_PROBE" server --host "$from" \
		--port "$port" --io "$io" --bytes "$bytes" \
		--at-end "$VM_AT_END $T_TMP/srv.end"
	t_check "$name: client" "$@" "$VM_PROBE" client --host "$to" \
		--port "$port" --io "$io" --bytes "$bytes" \
		--at-end "$VM_AT_END $T_TMP/clnt.end"
	# A server that waits for more connections would wait for ever.
	[ "$t_failed" = "$failed" ] || {
		sleep 1
		kill "${vm_pids[-1]}" 2>/dev/null || true
	}
	t_check "$name: server" vm_served
}

# vm_points TITLE FILE: what a program of the guest found.  Each of its lines "ok NAME"
# and "not ok NAME" is a point of this test, one "# TEXT" a remark, and its last is
# "done" and the number of points, which is left in vm_points.
vm_points() {
	local title=$1 line text
	vm_points=0
	while IFS= read -r line; do
		text=${line#not }
		case $line in
		"ok "* | "not ok "*)
			vm_points=$((vm_points + 1))
			t_ok "$([[ $line = ok* ]] && echo 0 || echo 1)" \
				"$title: ${text#ok }"
			;;
		*) t_diag "${line#\# }" ;;
		esac
	done <"$2"
	t_is "$(tail -n 1 "$2")" "done $vm_points" "$title: the program ran to its end"
}

# vm_smcr_lo: from now on connections over lo in the first network namespace are
# SMC-R: lo has a Soft-RoCE device, and SMC-D's device is of another network.  What
# is for the sender's own Ethernet address Soft-RoCE hands to itself; without
# one SMC does not use the device.
vm_smcr_lo() {
	ip link set lo address 02:00:00:00:00:01 &&
		modprobe rdma_rxe &&
		rdma link add rxe0 type rxe netdev lo &&
		"$LAB_SMCCTL" pnet add ELSEWHERE loopback-ism
}

# vm_watch: from now on each SYN and SYN-ACK that this guest sends is recorded.
# vm_forget, then vm_seen KIND SERVER: of each KIND (syn to SERVER, synack from
# there) since then "smc" or "plain", in order, or "none".  SERVER is ADDRESS:PORT,
# [IPV6]:PORT, or *:PORT for any address.
vm_watch() {
	: >"$T_TMP/seen"
	"$SMC_BUILD_DIR/tests/vm/syn_watch" >>"$T_TMP/seen" &
	vm_pids+=($!)
	vm_until 30 vm_marked
}

# A SYN of our own: what was sent before it has been seen when it is.
vm_marked() {
	(: </dev/tcp/127.0.0.1/9) 2>/dev/null || true
	vm_until 5 grep -q '^syn 127.0.0.1 [0-9]* 127.0.0.1 9 plain$' "$T_TMP/seen"
}

vm_forget() {
	: >"$T_TMP/seen"
}

vm_seen() {
	local host=${2%:*} port=${2##*:}
	host=${host#[}
	vm_marked || return 0
	awk -v kind="$1" -v host="${host%]}" -v port="$port" '
		{ server = kind == "syn" ? 4 : 2 }
		$1 == kind && (host == "*" || $server == host) && $(server + 1) == port {
			printf "%s%s", sep, $6
			sep = " "
		}
		END { print sep ? "" : "none" }' "$T_TMP/seen"
}

# vm_stat KEY: a counter of the kernel (smcctl stats).
vm_stat() {
	"$LAB_SMCCTL" stats | awk -v key="$1" '$1 == key { print $2 }'
}

# vm_conns COUNT: the link groups have COUNT connections, by both their ends, those
# included whose socket is closed.
vm_conns() {
	"$LAB_SMCCTL" groups | awk -v want="$1" '
		$1 != "link" { n += $3 }
		END { exit n != want }'
}

# vm_mark, then vm_moved KEY... and vm_fell_back SIDE CODE: by how much counters
# moved since, and how often SIDE (clnt, srv) fell back for CODE.
vm_mark() {
	"$LAB_SMCCTL" stats >"$T_TMP/mark"
	"$LAB_SMCCTL" reasons >"$T_TMP/mark.reasons"
}

vm_moved() {
	"$LAB_SMCCTL" stats | awk -v keys="$*" '
		NR == FNR { before[$1] = $2; next }
		{ moved[$1] = $2 - before[$1] }
		END {
			n = split(keys, key, " ")
			for (i = 1; i <= n; i++)
				printf "%.0f%s", moved[key[i]], i < n ? " " : "\n"
		}' "$T_TMP/mark" -
}

vm_fell_back() {
	[ -e "$T_TMP/mark.reasons" ] || : >"$T_TMP/mark.reasons"
	"$LAB_SMCCTL" reasons | cat "$T_TMP/mark.reasons" - |
		awk -v key="$1 $2" '
			$1 " " $2 == key { before = after; after = $3; seen++ }
			END { print after - (seen == 2 ? before : 0) }'
}

# vm_end FILE KEY: one value that at_end.sh recorded, if it did.
vm_end() {
	[ ! -e "$1" ] || awk -v key="$2" '$1 == key { print $2 }' "$1"
}

# t_smc NAME KIND FILE BYTES: the connection recorded in FILE ran over KIND
# (SMC-D, SMC-R) with BYTES of payload since vm_mark: diag names the mode, no
# connection fell back, TCP carried no more than the handshake, and SMC's own
# counters hold the payload.  vm_probes processes found out meanwhile how this kernel
# makes a socket TCP, which counts as a fallback of a client.
vm_probes=0
t_smc() {
	local name=$1 kind=$2 file=$3 bytes=$4 tech tcp moved clnt srv rx tx
	tech=$(echo "$kind" | tr -d - | tr '[:upper:]' '[:lower:]')
	t_is "$(vm_end "$file" mode)" "$kind" "$name: diag says $kind"
	read -r clnt srv rx tx < <(vm_moved fallback.clnt fallback.srv \
		"$tech.rx_bytes" "$tech.tx_bytes")
	t_is "$clnt $srv" "$vm_probes 0" "$name: nothing fell back"
	tcp=$(vm_end "$file" tcp_bytes)
	t_ok $((tcp < 1 || tcp > 4096)) "$name: TCP carried the handshake only"
	moved=$((rx + tx))
	t_ok $((moved < bytes)) "$name: SMC carried the payload"
	[ "$moved" -ge "$bytes" ] ||
		t_diag "$moved of $bytes bytes over $kind, $tcp over TCP"
}

# t_fell_back NAME SIDE CODE FILE BYTES: since vm_mark exactly one connection
# of SIDE fell back, for reason CODE, no SMC handshake succeeded, and TCP
# carried all BYTES of payload.
t_fell_back() {
	local name=$1 side=$2 code=$3 file=$4 bytes=$5 tcp
	t_is "$(vm_fell_back "$side" "$code")" 1 \
		"$name: $side fell back once, for $code"
	t_is "$(vm_moved smcd.clnt smcd.srv smcr.clnt smcr.srv)" "0 0 0 0" \
		"$name: no SMC connection was made"
	tcp=$(vm_end "$file" tcp_bytes)
	t_ok $((tcp < bytes)) "$name: TCP carried the payload"
}

# vm_declined PORT NAME SIDE CODE IO SERVER-PREFIX... -- CLIENT-PREFIX...: a
# stream over TCP, because SIDE declined SMC for CODE in the handshake.
vm_declined() {
	local port=$1 name=$2 side=$3 code=$4 io=$5 other=clnt bytes=100000
	[ "$side" = srv ] || other=srv
	shift 5
	vm_stream "$port" "$name" 127.0.0.1 127.0.0.1 "$io" $bytes "$@"
	t_fell_back "$name, its side" "$side" "$code" "$T_TMP/$side.end" \
		$((2 * bytes))
	t_fell_back "$name, the other" $other 0x05000000 "$T_TMP/$other.end" \
		$((2 * bytes))
	t_is "$(vm_end "$T_TMP/srv.end" protocol) $(vm_end "$T_TMP/clnt.end" protocol)" \
		"6 6" "$name: TCP sockets"
}

# The selftest that belongs to the project's module: its KTAP into FILE, then
# the names in it, and the status of one: 0 passed, 1 failed, 2 anything else.
vm_selftest() {
	"$LAB_SELFTEST" >"$1" 2>&1 || true
}

vm_selftest_names() {
	awk '$1 == "ok" || $1 == "not" { print $1 == "ok" ? $3 : $4 }' "$1"
}

vm_selftest_status() {
	awk -v name="$2" '
		BEGIN { status = 2 }
		$1 == "ok" && $3 == name { status = /# SKIP/ ? 2 : 0 }
		$1 == "not" && $4 == name { status = 1 }
		END { print status }' "$1"
}
