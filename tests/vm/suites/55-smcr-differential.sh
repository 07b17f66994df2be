#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# long: 6.1.inet.fast
# lab:
# label: vm
#
# As 54-smcd-differential, of connections that are SMC-R on both ends: both in one
# guest, over its loopback interface, by SMC-R's version 2, which is for IPv4.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"
# shellcheck source=../difflib.sh
. "$SMC_SOURCE_DIR/tests/vm/difflib.sh"

t_ok $((${#behaviours[@]} > 10)) "${#behaviours[@]} behaviours differ"
t_check "SMC-R over lo" vm_smcr_lo
# A Soft-RoCE device exists in the first network namespace only.
diff_runs 4
diff_judge 4 SMC-R 1000
t_done
