#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: stock
# profiles: fast
# label: vm
#
# One side under smc_run, the other a plain TCP program: the connection is
# TCP, the data is right, and the kernel counted why.  Then hosts on which SMC
# cannot be had at all.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

peer_has_no_smc=0x03010000
bytes=5000000
port=7000

# fallback NAME SIDE ADDR IO: SIDE (clnt or srv) is the one under smc_run.
fallback() {
	local name=$1 side=$2 addr=$3 io=$4 server=() client=() end
	port=$((port + 1))
	end=$T_TMP/$side.end
	case $side in
	clnt) client=("$VM_SMC_RUN") ;;
	srv) server=("$VM_SMC_RUN") ;;
	esac
	vm_stream $port "$name" "$addr" "$addr" "$io" $bytes \
		"${server[@]}" -- "${client[@]}"
	t_fell_back "$name" "$side" $peer_has_no_smc "$end" $bytes
}

for io in blocking poll epoll sendfile; do
	fallback "SMC client, TCP server, IPv4 $io" clnt 127.0.0.1 $io
	fallback "TCP client, SMC server, IPv6 $io" srv ::1 $io
done

# Both offer SMC and no device serves them: declined, still every byte.
port=$((port + 1))
vm_mark
vm_serve $port "$VM_SMC_RUN" "$VM_PROBE" server --port $port --bytes $bytes \
	--at-end "$VM_AT_END $T_TMP/srv.end"
t_check "no device: client" "$VM_SMC_RUN" "$VM_PROBE" client \
	--host 127.0.0.1 --port $port --bytes $bytes \
	--at-end "$VM_AT_END $T_TMP/clnt.end"
t_check "no device: server" vm_served
t_is "$(vm_moved fallback.clnt) $(vm_moved fallback.srv)" "1 1" \
	"no device: both sides counted the fallback"
t_is "$(vm_end "$T_TMP/clnt.end" mode)" TCP "no device: diag says TCP"

# The module cannot be had: nothing the program notices, nothing it says.
rmmod smc_diag smc
mkdir -p /etc/modprobe.d
echo 'install smc /bin/false' >/etc/modprobe.d/smc-lab.conf
port=$((port + 1))
vm_serve $port "$VM_SMC_RUN" "$VM_PROBE" server --port $port --bytes 1000 \
	--count 2
t_is "$("$VM_SMC_RUN" "$VM_PROBE" client --host ::1 --port $port --bytes 1000 2>&1)" \
	"ok 1 x 1000 bytes each way" "no module: client, and no message"

# A module loaded later is found, once the memory of its absence is over.  The one of
# 6.1 has AF_SMC alone.
family=IPPROTO_SMC
[ "$LAB_BASE" != 6.1 ] || family=AF_SMC
sed -i d /etc/modprobe.d/smc-lab.conf
modprobe smc
t_check "module loaded later: a new program gets it" sh -c \
	"'$VM_SMC_RUN' -d '$VM_PROBE' client --host ::1 --port $port --bytes 1000 2>&1 |
	grep -x 'libsmc-preload: map sock to $family'"
t_check "no module: server" vm_served
t_done
