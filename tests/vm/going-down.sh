#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A machine goes down at once, as by "reboot -f", while a program has a live SMC
# connection.  Whether it loses that program then, or the program keeps its
# sockets for ever, nothing is in the way, and the kernel has nothing to say.
set -euo pipefail
# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

cat >"$T_TMP/down.py" <<'END'
import ctypes, os, signal, socket, sys, time
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
    os.write(up[1], {2: b"SMC-R", 3: b"SMC-D"}.get(mode, b"mode %d" % mode))
    signal.pause()
print(os.read(up[0], 10).decode(), flush=True)
if sys.argv[1] == "killed" and not os.fork():
    time.sleep(1)
    os.kill(holder, signal.SIGKILL)
    signal.pause()
ctypes.CDLL(None).reboot(0x1234567)                # RB_AUTOBOOT
END
cat >"$T_TMP/down" <<'END'
#!/usr/bin/env bash
set -euo pipefail
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"
[ "$3" = SMC-D ] || vm_smcr_lo >&2
exec /usr/bin/python3 "$1" "$2"
END
chmod +x "$T_TMP/down"

# goes_down PROGRAM MODE PROFILE NAME
goes_down() {
	local rc=0
	"$SMC_SOURCE_DIR/tests/lab" run --profile "$3" --timeout 120 -- \
		"$T_TMP/down" "$T_TMP/down.py" "$1" "$2" >"$T_TMP/out" 2>"$T_TMP/err" || rc=$?
	t_is "$(cat "$T_TMP/out")" "$2" "$4: the connection is $2"
	t_is "$rc" 255 "$4: the guest ends before its command"
	t_is "$(grep -m 1 -A 1 '^lab: single' "$T_TMP/err")" \
		"lab: single: the guest left no verdict (QEMU status 0)
lab: last lines of its console:" "$4: by itself, and its kernel complains of nothing"
}

goes_down killed SMC-D debug "lost afterwards"
goes_down kept SMC-D debug "kept"
# Soft-RoCE is too slow on the checking kernel.
goes_down kept SMC-R fast "kept, SMC-R"
t_done
