#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12
# smc: stock
# profiles: fast
# lab:
# label: vm
#
# The tests of the four defects fail with the module they were written
# against, so passing them means something.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

vm_selftest "$T_TMP/ktap"
# fails NAME: the selftest has NAME, and it fails here.
fails() {
	t_is "$(vm_selftest_status "$T_TMP/ktap" "$1")" 1 "fails: $1"
}
fails global.cgroup_create_release
for variant in ipv4 ipv6 mapped; do
	fails pair.$variant.inode
	fails pair.$variant.linger_time_before_connect
	fails pair.$variant.linger_time_inherited
	fails pair.$variant.peek_off
done
# Each side by itself.
fails pair.listener.inode
fails pair.listener.linger_time_inherited
fails pair.client.inode
fails pair.client.linger_time_before_connect
fails pair.client.peek_off

# AF_SMC, after a fallback.
for name in fallback_offers_nothing fallback_children_wake failed_connect_keeps_port; do
	fails global.$name
done

# The differential probe sees differences where there are some.  Its parts with
# sockmaps make this module's kernel warn.
probe=("$SMC_BUILD_DIR/tests/vm/sock_diff" --family 4 --skip maps --skip cgroup)
"${probe[@]}" --listener tcp --client tcp >"$T_TMP/tcp"
"${probe[@]}" --listener smc --client smc >"$T_TMP/smc" || true
t_ok $(($(diff "$T_TMP/tcp" "$T_TMP/smc" | grep -c '^>') < 100)) \
	"the differential probe finds 100 differences or more"
t_done
