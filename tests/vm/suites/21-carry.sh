#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: stock-lo
# profiles: fast
# label: vm
#
# Options of a socket survive its demotion; those that only TCP honours demote;
# and results of setsockopt() and getsockopt() are TCP's.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

sel=$SMC_BUILD_DIR/tests/vm/sel_probe
# On one processor, which SO_INCOMING_CPU then names for all.
carry=(taskset -c 0 "$VM_SMC_RUN" "$SMC_BUILD_DIR/tests/vm/carry_probe")

# rows NAME COMMAND...: lines "TEXT: OUTCOME" of COMMAND, which succeeds, are in
# $T_TMP/rows.
rows() {
	local name=$1 rc=0
	shift
	"$@" >"$T_TMP/rows" || rc=$?
	t_ok $rc "$name: runs to its end"
}

# The carry table, one option at a time, then all together.
carried() {
	local role=$1 rule=$2 text outcome want
	export SMC_RULES=$rule
	rows "$role" "${carry[@]}" carried "$role" 7001
	while IFS= read -r outcome; do
		text=${outcome%%: *} want="smc, tcp, equal"
		case $text in
		"SO_LINGER {1, 9}" | "SO_RCVLOWAT 1000") want="tcp, tcp, equal" ;;
		esac
		t_is "${outcome#*: }" "$want" "$role: $text"
	done <"$T_TMP/rows"
	t_is "$("${carry[@]}" all "$role" 7001)" "smc tcp equal" \
		"$role: all options together"
	unset SMC_RULES
}
carried connect "use tcp to :7001"
carried listen "use tcp listen"

# A user who may not set a mark has a socket with one, which cannot be demoted:
# the call fails, each time, and nothing leaves.
vm_watch
vm_forget
t_is "$(SMC_RULES='use tcp to :7002' "${carry[@]}" mark 7002)" \
	"EPERM smc 77
EPERM smc 77" "SO_MARK without permission: EPERM, the socket unchanged"
t_is "$(vm_seen syn '*:7002')" none "SO_MARK without permission: nothing was sent"
t_is "$(SMC_RULES='use tcp to :7003' "${carry[@]}" mark 7002)" \
	"ECONNREFUSED smc 77
ECONNREFUSED smc 77" "SO_MARK without permission: SMC needs none"

# Options that only TCP honours: TCP's result on a socket that is TCP now.
rows "TCP's options" "${carry[@]}" tcp-only
while IFS= read -r outcome; do
	text=${outcome%%: *}
	case $text in
	"SO_ZEROCOPY 0" | "SO_PEEK_OFF -1" | "SO_LINGER {1, 0}" | \
		"SO_LINGER {0, 9}" | "SO_RCVLOWAT 1")
		t_like "${outcome#*: }" "smc smc, *" "$text: stays SMC"
		;;
	*)
		t_like "${outcome#*: }" "smc tcp, * equal" \
			"$text: TCP, and its result"
		;;
	esac
done <"$T_TMP/rows"

# A stock kernel takes these for options of TCP, too, and would drop the mark.
t_is "$("${carry[@]}" levels)" "IPPROTO_IP 23: tcp 77
IPPROTO_IP 34: tcp 77
IPPROTO_IPV6 23: tcp 77
IPPROTO_IPV6 30: tcp 77
IPPROTO_IPV6 33: tcp 77" "options of IP with TCP_FASTOPEN's numbers: the mark stays"

rows "short values" "${carry[@]}" short
while IFS= read -r outcome; do
	t_like "${outcome#*: }" "smc smc, * equal" \
		"short: ${outcome%%: *}: TCP's result, still SMC"
done <"$T_TMP/rows"

# A listener's sockets: the family is TCP's.
family() {
	local name=$1 socket=$2 want=$3
	vm_serve 7004 "$VM_SMC_RUN" "$sel" "$socket" listen:"$4":7004 accept \
		kind domain serve
	t_is "$("$sel" smc6 "connect:$5:7004" nap data)" "0 0 same" "$name: client"
	t_check "$name: server" vm_served
	t_is "$(cat "$vm_log")" "0 0 smc $want served" "$name: SO_DOMAIN $want"
}
family "accepted" socket 2 127.0.0.1 "[::ffff:127.0.0.1]"
family "accepted, IPv6" socket6 10 "[::1]" "[::1]"
family "accepted, v4-mapped" socket6 10 "[::]" "[::ffff:127.0.0.1]"

# SO_LINGER with a time, to a peer that is TCP: nothing is lost.
vm_serve 7005 "$SMC_BUILD_DIR/tests/vm/carry_probe" sink 7005
t_is "$("${carry[@]}" linger 7005)" "smc 0" "SO_LINGER: sent and closed"
t_check "SO_LINGER: the peer" vm_served
t_is "$(cat "$vm_log")" "409600 0" "SO_LINGER: all arrived before the end"

# A listener that became TCP for its options: what it accepts works.
for option in linger fastopen; do
	vm_serve 7007 "$VM_SMC_RUN" "$sel" socket "$option" listen:127.0.0.1:7007 \
		kind accept kind serve
	t_is "$("$sel" smc6 "connect:[::ffff:127.0.0.1]:7007" nap data)" "0 0 same" \
		"$option on a listener: client"
	t_check "$option on a listener: server" vm_served
	t_is "$(cat "$vm_log")" "0 0 0 tcp tcp served" \
		"$option on a listener: it and what it accepts"
done

# The program's own word: SMC_USE.
vm_serve 7006 "$sel" smc6 "listen:[::]:7006" forever
vm_forget
t_is "$("${carry[@]}" use 7006)" "smc EOPNOTSUPP smc 0 tcp 0 tcp" \
	"SMC_USE: 1 is not kept here, 2 makes it TCP"
t_is "$(vm_seen syn 127.0.0.1:7006)" plain "SMC_USE 2: a plain SYN"
t_done
