#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: stock-lo inet
# profiles: fast
# not: 6.1.stock-lo
# long: 6.1.inet.fast
# label: vm
#
# A rule decides in place, however a program gets to connect() or listen(): the SYN
# carries the option or lacks it, the socket is what it should be, the data arrives.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

sel=$SMC_BUILD_DIR/tests/vm/sel_probe
ip addr add 10.1.2.3/32 dev lo
ip addr add fd00:1::5/128 dev lo nodad
# Where SYNs vanish.
ip link add dummy0 type dummy
ip link set dummy0 up
ip route add 10.66.0.0/16 dev dummy0
vm_watch
export SMC_RULES='use tcp to :7002, :7004; use tcp listen on :7012, :7022'
# SMC and TCP by rule; nobody listens on 7003 (SMC), 7004 (TCP).
vm_serve 7001 env -u SMC_RULES "$sel" smc6 "listen:[::]:7001" forever
vm_serve 7002 env -u SMC_RULES "$sel" smc6 "listen:[::]:7002" forever

# way NAME WANT STEP...: what the program sees and what the SYN to the port in %
# carries, once for an allowed port and once for an excluded one.  In WANT and in
# steps % is the port, in WANT KIND and OPTION what they should be.
way() {
	local name=$1 want=$2 port kind option expect
	shift 2
	for port in 7001 7002; do
		kind=smc option=smc
		[ $port = 7001 ] || kind=tcp option=plain
		expect=${want//KIND/$kind}
		vm_forget
		t_is "$("$VM_SMC_RUN" "$sel" "${@//%/$port}") $(
			vm_seen syn "*:$port")" "${expect//%/$port} $option" \
			"$name: $kind"
	done
}

v4=10.1.2.3:%
way "blocking" "0 0 KIND same KIND" socket connect:$v4 kind data kind
way "IPv6" "0 0 KIND same" socket6 "connect:[fd00:1::5]:%" kind data
way "v4-mapped" "0 0 KIND same" socket6 "connect:[::ffff:10.1.2.3]:%" kind data
way "non-blocking" "0 EINPROGRESS 0 KIND same" \
	socket nonblock connect:$v4 wait kind data
way "epoll before connect" "0 EINPROGRESS out in KIND same" \
	socket nonblock epoll connect:$v4 event ping kind data
way "epoll, connect on a duplicate" "0 EINPROGRESS out in KIND same" \
	socket nonblock epoll dup connect:$v4 event ping other kind data
way "a duplicate connects" "0 0 KIND KIND same" \
	socket dup connect:$v4 kind other kind data
way "a child connects" "0 0 KIND | KIND same" \
	socket fork connect:$v4 kind join kind data
way "a child that executed connects" "0 0 KIND | KIND same" \
	socket exec connect:$v4 kind join kind data
way "whom it was passed to connects" "0 0 KIND | KIND same" \
	socket pass connect:$v4 kind join kind data
way "bound before" "0 0 0 7777 KIND same" \
	socket bind:10.1.2.3:7777 connect:$v4 port kind data
way "bound before, to a port the kernel chose" "0 0 0 KIND same" \
	socket bind:10.1.2.3:0 connect:$v4 kind data
way "connected, connects again" "0 0 EISCONN KIND same" \
	socket connect:$v4 connect:$v4 kind data
way "connecting, connects again" "0 EINPROGRESS 0 0 EISCONN KIND same" \
	socket nonblock connect:$v4 wait connect:$v4 connect:$v4 kind data

# Connecting, connects to elsewhere, which changes nothing.
# again NAME FIRST OPTION SECOND
again() {
	vm_forget
	t_is "$("$VM_SMC_RUN" "$sel" socket nonblock "connect:10.66.1.1:$2" \
		"connect:10.1.2.3:$4" "connect:10.1.2.3:$4") $(
		vm_seen syn "10.66.1.1:$2") $(vm_seen syn "*:$4")" \
		"0 EINPROGRESS EALREADY EALREADY $3 none" "$1"
}
again "connecting by SMC, connects by TCP" 7001 smc 7002
again "connecting by TCP, connects by SMC" 7002 plain 7001

# After a failed connect() the socket is used for another one.  It must never offer
# SMC and then speak TCP, which the peer would reset.
# retry NAME FIRST SECOND WANT FIRST-OPTION SECOND-OPTION STEP...
retry() {
	local name=$1 first=$2 second=$3 want=$4
	vm_forget
	t_is "$("$VM_SMC_RUN" "$sel" socket "connect:10.1.2.3:$first" \
		"connect:10.1.2.3:$second" "${@:7}") $(vm_seen syn "*:$first") $(
		vm_seen syn "*:$second")" "0 ECONNREFUSED $want $5 $6" "$name"
}
retry "refused by TCP, then TCP" 7004 7002 "0 same" plain plain data
retry "refused by TCP, then SMC: stays TCP" 7004 7001 "0 same" plain plain data
retry "refused by SMC, then SMC" 7003 7001 "0 same" smc smc data
if [ "$LAB_SMC" = inet ]; then
	retry "refused by SMC, then TCP" 7003 7002 "0 same" smc plain data
else
	retry "refused by SMC, then TCP: not possible" 7003 7002 \
		"ECONNABORTED ECONNABORTED smc" smc none \
		connect:10.1.2.3:7002 kind
fi

# One that succeeds ends it: an option on the connection is as it always was.
retry "refused, then connected, then SO_LINGER" 7003 7001 "0 0 same" smc smc linger data
if [ "$LAB_SMC" != inet ]; then
	# Interrupted by a signal, the connection failed later, and unseen.
	vm_forget
	t_is "$("$VM_SMC_RUN" "$sel" socket alarm:300 connect:10.66.1.1:7001 \
		run:"ss -HK dst 10.66.1.1 >/dev/null" connect:10.1.2.3:7002 \
		connect:10.1.2.3:7002) $(vm_seen syn "*:7002")" \
		"0 EINTR ECONNABORTED ECONNABORTED none" \
		"interrupted by a signal, failed, then TCP: not possible"
fi

# The same without blocking: the second connect() fails on TCP, too, and a third one
# goes on there.
# nonblocking NAME FIRST SECOND WANT OPTIONS
nonblocking() {
	vm_forget
	t_like "$("$VM_SMC_RUN" "$sel" socket nonblock "connect:10.1.2.3:$2" wait \
		"connect:10.1.2.3:$3" block "connect:10.1.2.3:$3" kind) $(
		vm_seen syn "*:$2") $(vm_seen syn "*:$3")" \
		"0 EINPROGRESS ECONNREFUSED $4 $5" "$1"
}
nonblocking "refused by TCP, non-blocking, then TCP" 7004 7002 \
	"ECONNABORTED 0 tcp" "plain plain"
nonblocking "refused by TCP, non-blocking, then SMC" 7004 7001 \
	"ECONNABORTED 0 tcp" "plain plain"
if [ "$LAB_SMC" = inet ]; then
	nonblocking "refused by SMC, non-blocking, then SMC" 7003 7001 \
		"ECONNABORTED 0 smc" "smc smc"
	nonblocking "refused by SMC, non-blocking, then TCP" 7003 7002 \
		"ECONNABORTED 0 tcp" "smc plain"
else
	nonblocking "refused by SMC, non-blocking, then SMC: not possible" 7003 7001 \
		"ECONN* ECONNABORTED smc" "smc none"
	nonblocking "refused by SMC, non-blocking, then TCP: not possible" 7003 7002 \
		"ECONN* ECONNABORTED smc" "smc none"
fi

# listeners NAME SOCKET ANY HOST: one program, two ports, the second is excluded;
# its clients offer SMC.
listeners() {
	local name=$1 socket=$2 any=$3 host=$4
	vm_serve 7012 "$VM_SMC_RUN" "$sel" \
		"$socket" "listen:$any:7011" kind other \
		"$socket" "listen:$any:7012" kind \
		accept kind serve other accept kind serve
	vm_forget
	t_is "$("$sel" smc6 "connect:[$host]:7012" nap data) $(
		vm_seen synack "*:7012")" "0 0 same plain" \
		"$name: the excluded port does not answer the offer"
	t_is "$("$sel" smc6 "connect:[$host]:7011" nap data) $(
		vm_seen synack "*:7011")" "0 0 same smc" \
		"$name: the other port does"
	t_check "$name: server" vm_served
	t_is "$(cat "$vm_log")" "0 0 smc 0 0 tcp tcp served smc served" \
		"$name: listeners and what they accept"
}
listeners "two listeners" socket 0.0.0.0 ::ffff:10.1.2.3
listeners "two listeners, IPv6" socket6 "[::]" fd00:1::5
listeners "two listeners, v4-mapped clients" socket6 "[::]" ::ffff:10.1.2.3

# One listener for both families, and listeners that went through other hands.
# listener NAME PORT KIND OPTION WANT STEP...
listener() {
	local name=$1 port=$2 kind=$3 option=$4 want=$5 host
	shift 5
	vm_serve "$port" "$VM_SMC_RUN" "$sel" "$@"
	vm_forget
	for host in ::ffff:10.1.2.3 fd00:1::5; do
		"$sel" smc6 "connect:[$host]:$port" nap data
	done >"$T_TMP/clients"
	t_is "$(cat "$T_TMP/clients") $(vm_seen synack "*:$port")" \
		"0 0 same
0 0 same $option $option" "$name, $kind: clients of both families"
	t_check "$name, $kind: server" vm_served
	t_is "$(cat "$vm_log")" "${want//KIND/$kind}" "$name, $kind: server's sockets"
}
for pair in "7021 smc smc" "7022 tcp plain"; do
	read -r port kind option <<<"$pair"
	serve=(kind accept kind serve accept kind serve)
	listener "dual-stack" "$port" "$kind" "$option" \
		"0 0 KIND KIND served KIND served" \
		socket6 "listen:[::]:$port" "${serve[@]}"
	# A stock kernel's listener is a new socket, on the one descriptor.
	[ "$kind" = smc ] || [ "$LAB_SMC" = inet ] || continue
	listener "a child listens" "$port" "$kind" "$option" \
		"0 0 KIND | KIND KIND served KIND served" \
		socket6 fork "listen:[::]:$port" kind join "${serve[@]}"
	listener "a duplicate listens" "$port" "$kind" "$option" \
		"0 0 KIND KIND served KIND served" \
		socket6 dup "listen:[::]:$port" other "${serve[@]}"
done
t_done
