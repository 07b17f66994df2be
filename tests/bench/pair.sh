#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The part of run-bench that runs in a pair of guests, over SMC-R; called with
# "server" on the other one.  Lines: NAME VARIANT VALUE, nanoseconds.
set -euo pipefail

conn=$SMC_BUILD_DIR/tests/bench/conn
# The wall clock of two guests on a busy host: many rounds of short ones.
declare -A rounds=([rtt]=41 [stream]=15)

if [ "${1:-}" = server ]; then
	trap 'exit 0' TERM
	"$conn" -s &
	wait
	exit
fi

connections() {
	"$LAB_SMCCTL" stats | awk '$1 == "smcr.clnt" { print $2 }'
}

before=$(connections)
for name in rtt stream; do
	"$conn" -c "$LAB_PEER" "${rounds[$name]}" 20 $name |
		awk '{ print "pair-" $1, $2 "-" $3, $4 }'
done
# Two protocols use SMC, in a round more to warm up.
made=$(($(connections) - before))
[ $made = $((2 * (rounds[rtt] + 1 + rounds[stream] + 1))) ] || {
	echo "pair.sh: $made connections over SMC-R" >&2
	exit 1
}
