#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A machine goes down at once, as by "reboot -f", while a program has a live
# SMC-D connection, and loses that program soon after: nothing is in the way, and
# the checking kernel has nothing to say.
set -euo pipefail
# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

cat >"$T_TMP/down.py" <<'END'
import ctypes, os, signal, socket, time
def smc():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 256)
up = os.pipe()
holder = os.fork()
if not holder:
    l = smc()
    l.bind(("127.0.0.1", 0))
    l.listen()
    c = smc()
    c.connect(l.getsockname())
    a = l.accept()[0]
    c.sendall(b"x")
    a.recv(1)
    mode = c.getsockopt(286, 0x102, 16)[0]         # SMC_STATUS
    os.write(up[1], b"SMC-D" if mode == 3 else b"mode %d" % mode)
    signal.pause()
print(os.read(up[0], 10).decode(), flush=True)
if not os.fork():
    time.sleep(3)
    os.kill(holder, signal.SIGKILL)
    signal.pause()
ctypes.CDLL(None).reboot(0x1234567)                # RB_AUTOBOOT
END
rc=0
"$SMC_SOURCE_DIR/tests/lab" run --profile debug --timeout 120 -- \
	/usr/bin/python3 "$T_TMP/down.py" >"$T_TMP/out" 2>"$T_TMP/err" || rc=$?
t_is "$(cat "$T_TMP/out")" SMC-D "the connection is SMC-D"
t_is "$rc" 255 "the guest ends before its command"
t_is "$(head -n 2 "$T_TMP/err")" "lab: single: the guest left no verdict (QEMU status 0)
lab: last lines of its console:" "... by itself, and its kernel complains of nothing"
t_done
