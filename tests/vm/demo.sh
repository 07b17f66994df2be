# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# tests/lab demo.  Sourced by tests/lab.

: "${lab_top:?} ${lab_vm:?}"

lab_demo() {
	local rc=0
	parse_options
	prepare || exit 1
	cat <<'END'

An unmodified redis-server and redis-benchmark, first over TCP, then under
smc_run.  Guests run on an emulated CPU: only ratios mean something.  Soft-RoCE
does in software what an RDMA adapter does in hardware: there SMC-R is shown
to work, not to be fast.
END
	lab_say "two guests on a wire, an RDMA device (Soft-RoCE) in each"
	"$lab_top/tests/lab" run --pair --ready 6380 \
		--server "'$lab_vm/demo-guest.sh' server" -- \
		"$lab_vm/demo-guest.sh" client SMC-R 10.77.0.1 || rc=$?
	if [ "$rc" = 0 ]; then
		lab_say "one guest, shared memory (loopback device)"
		"$lab_top/tests/lab" run -- \
			"$lab_vm/demo-guest.sh" local SMC-D 127.0.0.1 || rc=$?
	fi
	exit "$rc"
}
