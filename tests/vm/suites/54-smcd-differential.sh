#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# long: 6.1.inet.fast
# lab:
# label: vm
#
# The behaviours that 73-differential compares, of connections that are SMC-D on
# both ends: the same as those of TCP, but for those listed in difflib.sh and here.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"
# shellcheck source=../difflib.sh
. "$SMC_SOURCE_DIR/tests/vm/difflib.sh"

# close() with SO_LINGER waits for less, as what was sent is at the peer already.
[ "$LAB_BASE" = 6.1 ] || differs linger "4 6" end.linger_1_1.full.{after,before,inherited}

t_ok $((${#behaviours[@]} > 10)) "${#behaviours[@]} behaviours differ"
for family in 4 6; do
	diff_runs $family unshare -n
	diff_judge $family SMC-D 1000
done
t_done
