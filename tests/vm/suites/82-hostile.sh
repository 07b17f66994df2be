#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast debug
# not: 6.12.fast 6.1.debug
# long: 6.1.inet.fast
# lab:
# label: vm
#
# Peers that negotiate SMC by the option of TCP and then misbehave, on both
# sides and for sockets that block, poll, use epoll and io_uring; what can be done
# to a socket whose handshake is under way; listeners with many silent peers;
# middleboxes.  Then nothing is left: the module can be unloaded.
#
# A case is a peer on a tun device of its own and the program it deals with.
# Both say what they saw, which is compared with "PROGRAM | PEER".  All cases
# of a group run at the same time.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

peer=$SMC_BUILD_DIR/tests/vm/clc_peer
probe=$SMC_BUILD_DIR/tests/vm/hs_probe
modprobe tun
cd "$T_TMP"
limit=30
[ "$LAB_PROFILE" != debug ] || limit=60
net=0 judged=0 group=() names=() wants=()

# begin NAME WANT client|server|mirror PEER-OPTION... -- PROBE-ARGUMENT...: a
# peer that connects to the probe (client), or to which it connects.  Lines are
# sorted if WANT begins with ~.
begin() {
	local role=$3 options=() host=2
	net=$((net + 1))
	names[net]=$1 wants[net]=$2
	shift 3
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	[ "$role" != client ] || host=1
	"$peer" "$role" --net $net --port 7000 --timeout $limit "${options[@]}" -- \
		"$probe" --host 10.88.$net.$host --port 7000 "$@" \
		>log.$net 2>&1 &
	group+=($!)
}

# said WHO CASE: sets $said to what peer or probe said, without times, in one
# line.  Without processes: there are many cases.
said() {
	local line lines=() last='' n=0
	while read -r line; do
		if [[ $line =~ ^$1\ ([0-9]+\ )+(.*) ]]; then
			lines+=("${BASH_REMATCH[2]}")
		elif [[ $line =~ ^[a-z_]+: ]]; then
			lines+=("$line")
		fi
	done <"log.$2"
	[[ ${wants[$2]} != \~* ]] ||
		mapfile -t lines < <(printf '%s\n' "${lines[@]}" | LC_ALL=C sort)
	said=
	for line in "${lines[@]}" ''; do
		n=$((n + 1))
		[ "$line" != "$last" ] || continue
		[ $n = 1 ] || last="$n x $last"
		said+=${last:+${said:+, }$last}
		last=$line n=0
	done
}

# Waits for a group of cases, and compares.
judge() {
	local program
	wait "${group[@]}" || true
	group=()
	while [ $judged -lt $net ]; do
		judged=$((judged + 1))
		said probe $judged
		program=$said
		said peer $judged
		t_like "$program | $said" "${wants[judged]#\~}" "${names[judged]}"
		# shellcheck disable=SC2053 # a pattern is what is wanted
		[[ "$program | $said" == ${wants[judged]#\~} ]] ||
			t_diag "$(tail -n 30 log.$judged)"
	done
}

# How an application waits: arguments of the probe, and its answers.
declare -A accepts=(
	[block]="listen:5 accept"
	[poll]="listen:5 nonblock poll:in accept"
	[epoll]="listen:5 epoll:in event nonblock accept"
) accepted=(
	[block]="listen:5 0, accept 0"
	[poll]="listen:5 0, poll:in in, accept 0"
	[epoll]="listen:5 0, event in, accept 0"
) connects=(
	[block]="connect"
	[poll]="nonblock connect poll:out error block"
	[epoll]="epoll:out nonblock connect event error block"
	[uring]="uring"
) connected=(
	[block]="connect 0"
	[poll]="connect EINPROGRESS, poll:out out, error 0"
	[epoll]="connect EINPROGRESS, event out, error 0"
	[uring]="uring 0"
) refused=(
	[block]="connect ERROR, recv ENOTCONN"
	[poll]="connect EINPROGRESS, poll:out err, error ERROR, recv 0"
	[epoll]="connect EINPROGRESS, event err, error ERROR, recv 0"
	[uring]="uring ERROR, recv 0"
)

# [mode=smcd] servers: peers that connect, from lines NAME|STEPS|what echo says|
# what the peer got.
servers() {
	local name steps echo got how
	while IFS='|' read -r name steps echo got; do
		for how in block poll epoll; do
			# shellcheck disable=SC2086 # words
			begin "server, $name, $how" \
				"${accepted[$how]}, mode ${mode:-tcp}, protocol 6, $echo | got synack smc$got" \
				client --option --do "$steps" -- \
				${accepts[$how]} mode protocol echo
		done
	done
}

# Peers that are connected to, from lines NAME|OPTIONS|STEPS|ERROR|what the peer
# got.  Without ERROR the connection is TCP, and the peer sends hello.
clients() {
	local name options steps error got how
	while IFS='|' read -r name options steps error got; do
		for how in block poll epoll uring; do
			if [ -n "$error" ]; then
				# shellcheck disable=SC2086 # words
				begin "client, $name, $how" \
					"${refused[$how]/ERROR/$error} | got syn smc$got" \
					server $options --do "$steps" -- ${connects[$how]} recv
				continue
			fi
			# shellcheck disable=SC2086 # words
			begin "client, $name, $how" \
				"${connected[$how]}, mode tcp, protocol 6, recv 5 hello, send:world 5 | got syn smc$got, got data 5 world, got fin" \
				server $options --do "$steps" -- \
				${connects[$how]} mode protocol recv send:world
		done
	done
}

servers <<'END'
silent|silent|echo ETIMEDOUT|, got rst
payload|data:hello,wait,fin|echo 5 hello, echo 0|, got data 5 hello, got fin
half an eyecatcher, then payload|hex:e2d4,sleep:200,data:xx,wait,fin|echo 4 ..xx, echo 0|, got data 4 ..xx, got fin
half an eyecatcher, then FIN|hex:e2d4,fin|echo 2 .., echo 0|, got data 2 .., got fin
FIN|fin|echo 0|, got fin
RST|rst|echo ECONNRESET|
half a PROPOSAL|half,silent|echo E*|, got rst
half a PROPOSAL, then FIN|half,fin|echo [0E]*|, got *
half a PROPOSAL, then RST|half,rst|echo E*|
no known type|hex:e2d4c3d9ff00401fffffffffffffffffffffffff,silent|echo E*|, got rst
a length below the header's|hex:e2d4c3d90100041000000000,silent|echo E*|, got rst
ACCEPT|accept,silent|echo E*|, got rst
DECLINE with payload|decline+data:hello,wait,fin|echo 5 hello, echo 0|, got data 5 hello, got fin
DECLINE of version 2, later payload|decline2,sleep:300,data:hello,wait,fin|echo 5 hello, echo 0|, got data 5 hello, got fin
DECLINE byte by byte|drip:decline,data:hello,wait,fin|echo 5 hello, echo 0|, got data 5 hello, got fin
DECLINE, then FIN|decline,fin|echo 0|, got fin
PROPOSAL without a match|proposal,wait,data:hello,wait,fin|echo 5 hello, echo 0|, got decline 0x03*, got data 5 hello, got fin
PROPOSAL byte by byte|drip:proposal,wait,data:hello,wait,fin|echo 5 hello, echo 0|, got decline 0x03*, got data 5 hello, got fin
PROPOSAL with payload|proposal+data:hello,wait,wait,fin|echo 5 hello, echo 0|, got decline 0x03*, got data 5 hello, got fin
PROPOSAL, then FIN|proposal,fin|echo 0|, got decline 0x03*, got fin
PROPOSAL, then RST|proposal,rst|echo ECONNRESET|
END
clients <<'END'
silent|--option|silent|ETIMEDOUT|, got proposal, got rst
payload|--option|wait,data:hello,silent|EPROTO|, got proposal, got rst
payload at once|--option|data:hello,silent|EPROTO|*, got rst
no known type|--option|wait,hex:e2d4c3d9ff00401fffffffffffffffffffffffff,silent|EPROTO|, got proposal, got rst
CONFIRM|--option|wait,confirm,silent|EPROTO|, got proposal, got rst
ACCEPT of another device|--option|wait,accept_other,silent|EPROTO|, got proposal, got rst
half an ACCEPT|--option|wait,hex:e2d4c3c402004e2111223344,silent|E*|, got proposal, got rst
half an ACCEPT, then FIN|--option|wait,hex:e2d4c3c402004e2111223344,fin|E*|, got proposal*
RST|--option|wait,rst|ECONNRESET|, got proposal
FIN|--option|wait,fin|ECONNRESET|, got proposal, got *
DECLINE with payload|--option --save PROPOSAL|wait,decline+data:hello||, got proposal
DECLINE of version 2, later payload|--option|wait,decline2,sleep:300,data:hello||, got proposal
DECLINE byte by byte|--option|wait,drip:decline,data:hello||, got proposal
PROPOSAL|--option|wait,proposal+data:hello||, got proposal
its own PROPOSAL|--option|wait,echo,data:hello||, got proposal
ACCEPT of an unknown link group|--option|wait,accept,wait,data:hello||, got proposal, got decline 0x0*
ACCEPT of SMC-R|--option|wait,accept_smcr,wait,data:hello||, got proposal, got decline 0x0304*
ACCEPT of a later version|--option|wait,accept_later,wait,data:hello||, got proposal, got decline 0x030c*
no option||data:hello||
SYN instead of SYN-ACK|--option --cross|wait,proposal+data:hello||, got synack smc, got proposal
SYN instead of SYN-ACK, no option|--cross|data:hello||, got synack *
END
judge
for i in "${!names[@]}"; do
	case ${names[i]} in
	*", silent, "*)
		ms=$(sed -n 's/^peer 0 \([0-9]*\) got rst$/\1/p' "log.$i")
		t_ok $((${ms:-0} < 5000 || ms > 30000)) "${names[i]}: after 6 s, not before"
		;;
	esac
done

# A client whose handshake is under way: the peer answers its PROPOSAL late.
late=wait,sleep:4000,decline+data:hello
got="got syn smc, got proposal"
sent="$got, got data 5 world, got fin"
begin "undecided, calls that do not block" \
	"connect EINPROGRESS, connect EALREADY, poll none, mode undecided, error 0, inq 0, outq 0, send:a EAGAIN, recv EAGAIN, peek EAGAIN, splice:b EAGAIN, unsplice EAGAIN, poll:out out, error 0, connect 0, connect EISCONN, mode tcp, recv 5 hello, send:world 5 | $sent" \
	server --option --do $late -- nonblock connect sleep:1500 connect poll mode \
	error inq outq send:a recv peek splice:b unsplice poll:out error connect \
	connect mode recv send:world
begin "undecided, send and recv block" \
	"connect EINPROGRESS, send:world 5, recv 5 hello | $sent" \
	server --option --do $late -- nonblock connect block send:world recv
begin "undecided, splice blocks" \
	"connect EINPROGRESS, unsplice 5 hello, splice:world 5 | $sent" \
	server --option --do $late -- nonblock connect block unsplice splice:world
for step in send:a recv splice:a unsplice; do
	begin "undecided, ${step%:a} blocks and fails" \
		"connect EINPROGRESS, $step EPROTO | $got, got rst" \
		server --option --do wait,sleep:1500,data:junk,silent -- \
		nonblock connect block $step
done
for delay in 0 2000; do
	begin "undecided, threads$([ $delay = 0 ] || echo " from the SYN on")" \
		"~connect 0, poll:out out, send:aa 2, splice:bb 2, unsplice 5 hello | got data 4 @(aabb|bbaa), got fin, got proposal, got syn smc" \
		server --option --delay $delay --do $late -- +connect sleep:1000 \
		+send:aa +splice:bb +unsplice +poll:out
done
begin "undecided, signal" \
	"connect EINTR, connect 0, connect EISCONN, recv 5 hello, send:world 5 | $sent" \
	server --option --do $late -- alarm:1500 connect connect connect recv send:world
begin "undecided, signal with SA_RESTART" \
	"connect 0, recv 5 hello, send:world 5 | $sent" \
	server --option --do $late -- restart:1500 connect recv send:world
begin "undecided, SO_SNDTIMEO" \
	"connect EINPROGRESS, connect EALREADY, connect 0, recv 5 hello, send:world 5 | $sent" \
	server --option --do $late -- sndtimeo:1200 connect connect sndtimeo:0 \
	connect recv send:world
begin "undecided, close" "connect EINPROGRESS, close 0 | got syn smc*, got @(fin|rst)" \
	server --option --do silent -- nonblock connect sleep:1500 close
begin "undecided, close in another thread" "~close 0, connect 0 | got fin, got proposal, got syn smc" \
	server --option --do wait,sleep:4000,decline -- +connect sleep:1500 close
begin "undecided, exit" " | got syn smc*, got @(fin|rst)" \
	server --option --do silent -- +connect sleep:1500 exit
begin "undecided, connect to AF_UNSPEC" \
	"connect EINPROGRESS, unspec 0, recv E* | got syn smc*, got rst" \
	server --option --do silent -- nonblock connect sleep:1500 unspec recv
begin "undecided, shutdown for writing" \
	"connect EINPROGRESS, shut:wr 0, poll:out out, error 0, recv 5 hello, send:a EPIPE | $got, got fin" \
	server --option --do $late -- nonblock connect sleep:1500 shut:wr poll:out \
	error recv send:a
begin "undecided, shutdown" "connect EINPROGRESS, shut:rdwr 0 | got syn smc*, got @(fin|rst)" \
	server --option --do silent -- nonblock connect sleep:1500 shut:rdwr

# Listeners that end while peers wait in them.
for what in silent half,silent data:hello,silent; do
	case $what in
	data:*) ready=in ;;
	*) ready=none ;;
	esac
	for act in close shut:rd exit "run:ss -K state listening src 10.88.NET.1 >ss"; do
		said=", $act 0"
		[[ $act = [cs]* ]] || said=
		begin "listener, peers ${what%,*}, then ${act%% *}" \
			"listen:16 0, poll $ready$said* | 8 x got synack smc, 8 x got rst" \
			client --option --count 8 --do $what -- nonblock listen:16 \
			sleep:2500 poll "${act/NET/$((net + 1))}" sleep:1000 mode
	done
done
begin "listener, silent peers are not there yet" \
	"listen:16 0, poll none, accept EAGAIN, poll:in in, accept 0, mode tcp, recv ETIMEDOUT | 3 x got synack smc, 3 x got rst" \
	client --option --count 3 --do silent -- nonblock listen:16 sleep:2000 \
	poll accept poll:in accept mode recv
judge

# Three peers with the PROPOSAL of a client of this host, which is accepted, in
# one link group.  The first two fail.  The connection of the third has nothing to
# do with the link group's first, and does not get memory that the second may
# still write to.
while IFS='|' read -r name steps said; do
	# shellcheck disable=SC2086 # words
	begin "link group, $name" \
		"listen:5 0, accept 0, $said | got synack smc, got accept*" \
		client --option --save "ACCEPT.$net" --do "$steps" -- \
		listen:5 accept mode recv
done <<'END'
first in it|file:PROPOSAL,wait,sleep:2500,fin|mode tcp, recv [0E]*
second in it|sleep:500,file:PROPOSAL,wait,fin|mode tcp, recv [0E]*
third in it|sleep:1500,file:PROPOSAL,wait,agree,sleep:3000,rst|mode smcd, recv ECONNRESET
END
judge
# token NET: the memory's name in an ACCEPT
token() {
	od -An -tx1 -j 16 -N 8 "ACCEPT.$1"
}
t_unlike "$(token $((net - 2)))" "$(token $((net - 1)))" "${names[net]}: has other memory"

# Connections that are SMC, and lost by then, are not waited for.  Their peer's
# memory is that of another, so that they do not end themselves.  They end the
# other, whose handshake is not over, and comes to TCP.
begin "link group, memory another names" \
	"listen:5 0, accept 0, recv 5 hello, close 0 | got synack smc, got accept, *" \
	client --option --save "ACCEPT.$((net + 1))" \
	--do file:PROPOSAL,wait,sleep:4000,decline+data:hello,wait,fin -- \
	--proto af_smc listen:5 accept recv sleep:500 close
vm_until $limit test -s "ACCEPT.$net"
{
	head -c 4 "ACCEPT.$net"
	printf '\3'
	tail -c +6 "ACCEPT.$net"
} >CONFIRM
begin "link group, reset behind a CONFIRM" \
	"~8 x accept 0, 8 x echo ECONNRESET, listen:9 0 | 8 x got accept, 8 x got synack smc" \
	client --option --count 8 --do file:PROPOSAL,wait,file:CONFIRM,rst -- \
	listen:9 serve:8
judge
t_check "${names[net]}: none is left" vm_until $limit vm_conns 0

# One that declines because it has lost that link group ("out of sync") ends no
# other connection there.
there=("$probe" --host 127.0.0.1 --port 7005)
mkfifo go
vm_serve 7005 "${there[@]}" listen:5 accept mode echo
"${there[@]}" connect send:ping recv "run:cat go" send:pong recv >visited &
vm_until $limit grep -q recv visited
begin "link group, lost by a peer" \
	"listen:5 0, accept 0, mode tcp, recv 5 hello | got synack smc, got accept*" \
	client --option --do file:PROPOSAL,wait,decline_sync+data:hello -- \
	listen:5 accept mode recv
judge
echo >go
t_check "${names[net]}: another connection ends" vm_served
t_like "$(cat visited) $(cat "$vm_log")" \
	"*recv 4 ping*send:pong 4*recv 4 pong*mode smcd*echo 0" \
	"${names[net]}: ... in its own time"

# Others are served while silent peers wait, who do so for 6 seconds: each case
# has the machine for itself.
# visit PROTOCOL: a client of the last case, when its 50 peers are there.
are_there() {
	[ "$(grep -c 'got synack' "$1")" = 50 ]
}
visit() {
	{
		vm_until $limit are_there log.$net
		exec "$probe" --proto "$1" --host 10.88.$net.1 --port 7000 \
			connect send:ping recv
	} >"visit.$net.$1" &
	group+=($!)
}
begin "50 silent peers, listener blocks" \
	"listen:64 0, accept 0, echo 4 ping, echo 0 | 50 x got synack smc, 50 x got rst" \
	client --option --count 50 --do silent -- listen:64 accept echo
visit tcp
judge
begin "50 silent peers, listener polls" \
	"listen:64 0,*echo 4 ping, *| 50 x got synack smc, 50 x got rst" \
	client --option --count 50 --do silent -- listen:64 serve:52
visit tcp
visit smc
judge

# A peer with the PROPOSAL of a client of this host, which is accepted.
servers <<'END'
DECLINE instead of CONFIRM|file:PROPOSAL,wait,decline+data:hello,wait,fin|echo 5 hello, echo 0|, got accept, got data 5 hello, got fin
END

# A backlog of 1 for 20 silent and 20 plain peers.
begin "backlog of 1, silent peers" "listen:1 0, * | *" \
	client --port 7001 --option --count 20 --do silent \
	--timeout $((limit / 2)) -- --host 0.0.0.0 --port 7001 \
	alarm:$((limit * 400)) listen:1 serve:64
begin "backlog of 1, plain peers are served" \
	"~ | 20 x got data 5 hello, 20 x got fin, 20 x got synack plain" \
	client --port 7001 --count 20 --do data:hello,wait,fin -- sleep:0

# Middleboxes between two sockets of this kernel.
for what in nothing syn synack; do
	mode=tcp
	case $what in
	nothing) mode=smcd got="got syn smc, got synack smc" ;;
	syn) got="got syn smc, got synack plain" ;;
	synack) got="got syn smc, got synack smc" ;;
	esac
	begin "middlebox takes the option from $what" \
		"~accept 0, connect 0, echo 0, echo 5 hello, listen:5 0, 2 x mode $mode, recv 5 hello, send:hello 5 | $got" \
		mirror --strip $what -- --host 10.88.$((net + 1)).1 listen:5 \
		"run:$probe --host 10.88.$((net + 1)).2 --port 7000 connect mode send:hello recv &" \
		accept mode echo
done
judge
for f in visit.*; do
	i=${f#visit.} name=${names[${i%.*}]}
	t_like "$(awk '$3 == "recv" { print $2 < 5000, $5 }' "$f")" "1 ping" \
		"$name: a client with ${i#*.} is served within 5 s"
	t_is "$(awk '/got synack/ { n++ } /accept/ { print n; exit }' "log.${i%.*}")" 50 \
		"$name: ... of ${i#*.} while they are there"
done

# The same PROPOSAL from peers that misbehave, all in one link group.
servers <<'END'
silent after ACCEPT|file:PROPOSAL,wait,silent|echo E*|, got accept, got rst
later silent after ACCEPT|sleep:1500,file:PROPOSAL,wait,silent|echo E*|, got accept, got rst
payload instead of CONFIRM|file:PROPOSAL,wait,data:hellohello,silent|echo E*|, got accept, got rst
FIN instead of CONFIRM|file:PROPOSAL,wait,fin|echo [0E]*|, got accept, got *
RST instead of CONFIRM|file:PROPOSAL,wait,rst|echo E*|, got accept
END
# The server looks for the memory because it uses it itself, but not on 6.1: there the
# connection is SMC with one who is silent.
if [ "$LAB_BASE" != 6.1 ]; then
	servers <<'END'
CONFIRM of memory that does not exist|file:PROPOSAL,wait,confirm,silent|echo E*|, got accept, got rst
END
else
	mode=smcd servers <<'END'
CONFIRM of memory that does not exist|file:PROPOSAL,wait,confirm,sleep:1000,rst|echo E*|, got accept
END
fi

# Messages with some bytes changed: whatever happens to them, it ends.
begin "listener, PROPOSALs with errors" \
	"~100 x accept 0, *, listen:128 0 | *, 100 x got synack smc" \
	client --option --count 100 --do fuzz:file:PROPOSAL,sleep:8000,rst -- \
	listen:128 serve:100
begin "clients, ACCEPTs with errors" "~ | *, 30 x got syn smc" \
	server --option --count 30 --do wait,fuzz:accept,sleep:8000,rst -- \
	"run:for i in \$(seq 30); do $probe --host 10.88.$((net + 1)).2 --port 7000 connect >client.\$i & done; wait"
fuzzed=$net
judge
t_is "$(grep -lE 'connect (0|E[A-Z]+)$' client.* | wc -l)" 30 "${names[fuzzed]}: each was decided"

sysctl -qw net.ipv4.tcp_syncookies=2
begin "SYN cookies hold no option" \
	"listen:5 0, accept 0, mode tcp, echo 5 hello, echo 0 | got synack plain, got data 5 hello, got fin" \
	client --option --do data:hello,wait,fin -- listen:5 accept mode echo
judge

t_is "$(ss -Htn state established state close-wait)" "" "no connection is left"
t_check "smc_diag can be unloaded" rmmod smc_diag
t_check "the module can be unloaded" vm_unload
t_done
