# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For the suites that compare live SMC with TCP: runs the probe sock_diff with both
# and judges where its lines differ.  On top of vmlib.sh.  A behaviour is one cause;
# it may show in many lines of the probe.  docs/COMPAT.md has the reasons.  What is
# not listed must not differ, and what is listed must.

probe=("$SMC_BUILD_DIR/tests/vm/sock_diff")

# differs BEHAVIOUR FAMILIES NAME...: the lines of the probe where a behaviour
# shows.  A quoted name has braces to expand.
declare -A behaviour_of=() may=()
behaviours=()
differs() {
	local name family behaviour=$1 in=$2
	shift 2
	[[ " ${behaviours[*]} " = *" $behaviour "* ]] ||
		behaviours+=("$behaviour")
	eval "set -- ${*//\?/:}"
	for name; do
		for family in $in; do
			behaviour_of[$family ${name%:}]=$behaviour
			[[ $name != *: ]] || may[$family ${name%:}]=1
		done
	done
}

# Those of all SMC connections, over whatever device.
#
# A name with a ? at its end may differ: whether TCP is about to delay an
# acknowledgement depends on time.
live='{c_connected,c_shut_wr,c_shut_rd,c_shut_rdwr,c_peer_fin,c_peer_done,c_ended,c_reset,a_connected,a_peer_fin,a_reset}'

# connect() to AF_UNSPEC does not end the connection.
differs unspec "4 6" "state.$live.unspec" \
	unspec.{accepted,as_listener,connected,reconnect} \
	state.c_unspec.{bind,connect,connect_bad,epoll,poll,inode,ioctls,listen} \
	state.c_unspec.{getpeername,getsockname,tcp_state,so_error,unspec} \
	state.c_unspec.{fastopen,fastopen_no_addr,fastopen_options} \
	state.c_unspec.{recv,recv_flags,recvfrom,rdwr,splice,sigpipe} \
	state.c_unspec.{send,send_empty,send_oob,sendfile,sendto} \
	state.c_unspec.{shutdown_rd,shutdown_rdwr,shutdown_wr} \
	state.c_unspec.{addrform,repair,reuseport_filter,sockmap,ulp} \
	dump.c_unspec.{ip.14,sock.28,sock.4,tcp.2,tcp.10,tcp.12?,tcp.35}
differs unspec 4 state.c_unspec.bind_any_family
differs unspec 6 dump.c_unspec.ipv6.{1,24,61}

# What replaces TCP's operations or reaches into its queues is refused.
differs refused "4 6" "state.$live.{ulp,repair}" \
	state.{c_connected,c_shut_rd,a_connected}.sockmap \
	state.c_connecting.repair tcp.{repair,repair_close} \
	{dump.{a,c}_connected.tcp.35,len.{a,c}_connected.TCP_ULP} \
	opt.{accepted,connected}.TCP_QUEUE_SEQ \
	ktls.{attempt,self.back,self.setup} maps.{sockhash,sockmap}
differs refused 6 "state.{c_connecting,$live}.addrform" \
	tcp.addrform.{accepted,connected}

# What looks at packets sees none.
differs packets "4 6" msg.to_{accepted,client}.{timestamp,tx_timestamp} \
	filter.{accepted,client}

# The handshake is what TCP carried.
differs handshake "4 6" tcp.{defer_accept,saved_syn} \
	dump.c_connected.tcp.2 opt.connected.TCP_MAXSEG \
	dump.{a,c}_connected.tcp.12? \
	opt.{client_before,listener_before,listening}.TCP_QUICKACK?

# After a reset TCP waits for close().
differs reset "4 6" port.left_2 \
	state.{a,c}_reset.{bind,fastopen_options,getpeername,inode} \
	state.{a,c}_reset.{reuseport_filter,tcp_state}
differs reset 4 state.{a,c}_reset.bind_any_family

# What is sent after an urgent byte comes when that was read.
differs urgent "4 6" oob.inline.{accepted,before,inherited}.got \
	share.setsig.{accepted,client}

# diff_run FAMILY KIND PREFIX...: the probe, started by PREFIX, and what SMC counted
# in its network namespace; output to FAMILY.KIND and FAMILY.KIND.stats.
diff_run() {
	local out=$T_TMP/$1.$2 args=(--listener "$2" --client "$2" --family "$1")
	shift 2
	# shellcheck disable=SC2016 # for the inner shell
	"$@" sh -c '
		stats=$1 smcctl=$2
		shift 2
		"$@" || exit
		"$smcctl" stats >"$stats"' sh "$out.stats" "$LAB_SMCCTL" \
		"${probe[@]}" "${args[@]}" >"$out" 2>&1
}

# diff_runs FAMILY PREFIX...: SMC, started by PREFIX, and TCP in a network namespace
# of its own.  Two at once, because most of their time they wait; not more, because
# some wait for a time that a busy machine misses.
diff_runs() {
	local smc tcp
	diff_run "$1" smc "${@:2}" &
	smc=$!
	diff_run "$1" tcp unshare -n &
	tcp=$!
	t_check "$1, SMC: the probe runs" wait $smc
	t_check "$1, TCP: the probe runs" wait $tcp
}

# diff_counted FAMILY KIND KEY
diff_counted() {
	awk -v key="$3" '$1 == key { print $2 }' "$T_TMP/$1.$2.stats"
}

# diff_judge FAMILY MODE LEAST: LEAST connections and more were MODE (SMC-D, SMC-R),
# and the lines that differ from TCP's are those listed.
diff_judge() {
	local family=$1 mode=$2 least=$3 tech clnt others=0 behaviour name
	tech=$(echo "$mode" | tr -d - | tr '[:upper:]' '[:lower:]')
	clnt=$(diff_counted "$family" smc "$tech.clnt")
	t_ok $((clnt < least)) "$family: $clnt connections were $mode"
	t_is "$(diff_counted "$family" smc "$tech.srv")" "$clnt" "$family: on both ends"
	# where the probe asks for what SMC has not, before it connects
	t_ok $(($(diff_counted "$family" smc fallback.clnt) > 10)) \
		"$family: few became TCP"
	t_is "$(diff_counted "$family" tcp "$tech.clnt")" 0 "$family: TCP's were TCP"

	# The names of lines that are not the same on both sides.
	awk 'NR == FNR { tcp[$1] = $0; next }
		!($1 in tcp) || tcp[$1] != $0 { print $1 }
		{ delete tcp[$1] }
		END { for (name in tcp) print name }' \
		"$T_TMP/$family.tcp" "$T_TMP/$family.smc" >"$T_TMP/$family.names"
	for behaviour in "${behaviours[@]}"; do
		: >"$T_TMP/want"
		: >"$T_TMP/got"
		for name in "${!behaviour_of[@]}"; do
			[ "${name%% *} ${behaviour_of[$name]}" = "$family $behaviour" ] ||
				continue
			[ -z "${may[$name]:-}" ] || continue
			echo "${name#* }" >>"$T_TMP/want"
			grep -xF "${name#* }" "$T_TMP/$family.names" >>"$T_TMP/got" || true
		done
		t_check "$family: $behaviour: where it shows" \
			diff <(sort "$T_TMP/want") <(sort "$T_TMP/got")
	done
	while read -r name; do
		[ -z "${behaviour_of[$family $name]:-}" ] || continue
		others=$((others + 1))
		t_diag "$(grep -hF -- "$name " "$T_TMP/$family.tcp" "$T_TMP/$family.smc")"
	done <"$T_TMP/$family.names"
	t_is "$others" 0 "$family: nothing else differs"
}
