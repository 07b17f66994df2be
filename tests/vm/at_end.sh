#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# at_end.sh FILE: for tcp_probe --at-end.  Records what the kernel says of the
# connection while it is open: lines "KEY VALUE" that vmlib.sh judges.
set -euo pipefail

{
	printf 'domain %s\nprotocol %s\n' "$PROBE_DOMAIN" "$PROBE_PROTOCOL"
	# smc_diag's own view of this very socket.
	"$LAB_SMCCTL" conns | awk -v inode="$PROBE_INODE" '
		$1 == inode {
			print "mode " $3
			print "reason " $6
		}'
	# TCP's counters of the connection; below SMC it has only the
	# handshake.
	ss -tinH "sport = :$PROBE_PORT" | awk '
		match($0, /bytes_sent:[0-9]+/) {
			sent += substr($0, RSTART + 11, RLENGTH - 11)
		}
		match($0, /bytes_received:[0-9]+/) {
			received += substr($0, RSTART + 15, RLENGTH - 15)
		}
		END { print "tcp_bytes " sent + received }'
} >"$1"
