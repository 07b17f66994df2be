#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# smc_run --summary: for who starts it, and for the terminal, it is COMMAND; what it
# prints, and when it does not; what COMMAND is started with.
set -euo pipefail
# shellcheck source=../lib/runlib.sh
. "$SMC_SOURCE_DIR/tests/lib/runlib.sh"

smc_run=$SMC_BUILD_DIR/smc_run
refuse=$SMC_BUILD_DIR/tests/host/refuse
[ -x "$SMC_BUILD_DIR/preload/tools/smc_run_diag" ] ||
	t_skip_all "smc_run_diag is not built"
nl='
'
cd "$T_TMP"

# Python, as sockets() [4|6|u]...: makes these, closed at once
cat >"$T_TMP/sockets.py" <<'END_PY'
import socket, sys
for kind in sys.argv[1:]:
    socket.socket(socket.AF_INET6 if kind == "6" else socket.AF_INET,
                  socket.SOCK_DGRAM if kind == "u" else socket.SOCK_STREAM)
END_PY
sockets=(/usr/bin/python3 "$T_TMP/sockets.py")

# summary STATUS ARGUMENT...: stdout and the block, in out and block; "status N" is
# in front of them if it is not STATUS
summary() {
	local want=$1 rc=0
	shift
	{ "$@" >"$T_TMP/out" 2>"$T_TMP/block" </dev/null || rc=$?; } 2>/dev/null
	out=$([ $rc = "$want" ] || echo "status $rc")$(cat "$T_TMP/out")
	block=$(cat "$T_TMP/block")
}

# The statistics of SMC are there or not.
three_lines="smc_run: *TCP socket*${nl}smc_run: this network namespace meanwhile: *${nl}smc_run: bytes received, sent there:* IP *, * (TCP and all else, with headers)"

# surface SHELL...: what depends on the script
surface() {
	local sh=$1 run=("$@" "$smc_run") opt
	summary 0 "${run[@]}" --summary echo x --summary
	t_is "$out" "x --summary" "$sh: COMMAND's arguments and stdout"
	t_like "$block" "$three_lines" "$sh: three lines on stderr"
	summary 0 "${run[@]}" -d --deny :53 --summary -r 8k -t 1 -f inet --strict=x true
	t_is "$out" "status 1smc_run: Error: Invalid option: --strict=x" \
		"$sh: wrong option behind --summary"
	# shellcheck disable=SC2016 # for the inner shell
	summary 0 "${run[@]}" -d --deny :53 --summary -r 8k --rule 'use tcp' -f inet -- \
		sh -c 'echo "$SMC_DEBUG $SMC_DENY $SMC_RCVBUF $SMC_RULES $SMC_SOCK_FAMILY"'
	t_is "$out" "1 :53 8192 use tcp inet" "$sh: other options around it"
	for opt in --list-rules --print-env '--explain 10.0.0.1:1' --reason=1 --report \
		--json --all; do
		# shellcheck disable=SC2086 # words
		summary 1 "${run[@]}" --summary $opt true
		t_like "$out$block" "*'${opt%% *}*' is unexpected" "$sh: with $opt"
	done
	for opt in '' -- '-r 1' '--deny :1'; do
		# shellcheck disable=SC2086 # words
		golden "$sh: no COMMAND after '$opt'" 1 \
			"smc_run: Error: Missing command parameter$nl" '' \
			"${run[@]}" --summary $opt
	done
	golden "$sh: --summary=x" 1 \
		"smc_run: Error: Invalid option: --summary=x$nl" '' \
		"${run[@]}" --summary=x true
	golden "$sh: closed stderr" 3 "x$nl" '' \
		"$BASH" -c '"$@" 2>&-' - "${run[@]}" --summary sh -c 'echo x; exit 3'
}
each_shell surface

# Where nothing was started there is nothing to sum up.
golden "COMMAND not found" 127 '' "smc_run: nosuch: not found$nl" \
	"$smc_run" --summary nosuch
golden "COMMAND not executable" 126 '' "smc_run: /: Permission denied$nl" \
	"$smc_run" --summary /
golden "refused by --strict" 125 '' \
	"smc_run: refused by --strict: no SMC in the kernel: Operation not permitted (modprobe smc)$nl" \
	"$refuse" 1 "$smc_run" --summary --strict true
golden "a rule with an error" 1 '' \
	"smc_run: --rule[1]:1:5: unknown word 'tpc' (smc, tcp or require)$nl" \
	"$smc_run" --summary --rule 'use tpc' true
golden "a wrong --config" 1 '' \
	"smc_run: --config: a path or 'none' is expected$nl" \
	"$smc_run" --summary --config= true
mkdir -p "$T_TMP/alone/preload/tools"
cp "$smc_run" "$T_TMP/alone"
golden "without smc_run_diag" 125 '' \
	"smc_run: smc_run_diag, which knows these options, is not built or installed$nl" \
	"$T_TMP/alone/smc_run" --summary true
cp "$SMC_BUILD_DIR/preload/tools/smc_run_diag" "$T_TMP/alone/preload/tools"
golden "without smc_run_core" 125 '' \
	"smc_run: $T_TMP/alone/preload/tools/smc_run_core: No such file or directory$nl" \
	"$T_TMP/alone/smc_run" --summary true

#
# What is counted.  A sandbox answers each question for SMC with EPERM.
#
# counts NAME LINE ARGUMENT...: the first line of the block
counts() {
	local name=$1 want=$2
	shift 2
	summary 0 "$refuse" 1 "$smc_run" --summary "$@"
	t_is "$out$(head -n 1 <<<"$block")" "smc_run: $want" "$name"
}
counts "no socket" "0 TCP sockets" true
counts "one" "1 TCP socket: 0 left to SMC, 1 TCP because SMC was unavailable (EPERM)" \
	"${sockets[@]}" 4
counts "TCP alone is counted, of both families" \
	"5 TCP sockets: 0 left to SMC, 5 TCP because SMC was unavailable (EPERM)" \
	"${sockets[@]}" 4 6 u 4 6 u u 4
counts "a rule with a name" "2 TCP sockets: 0 left to SMC, 2 TCP by rule all" \
	--rule 'use tcp to :53 as dns; use tcp as all' "${sockets[@]}" 4 6
counts "a rule without" "1 TCP socket: 0 left to SMC, 1 TCP by rule SMC_RULES:1" \
	--rule 'use tcp' "${sockets[@]}" 4
counts "one family" "3 TCP sockets: 0 left to SMC, 2 TCP by rule SMC_RULES:2, 1 TCP because SMC was unavailable (EPERM)" \
	--rule 'use smc to [::/0]' --rule 'use tcp' "${sockets[@]}" 4 6 4
mkdir -p /etc/smc
echo 'use tpc' >/etc/smc/smc.conf
summary 0 "$smc_run" --summary "${sockets[@]}" 4
t_like "$block" "*${nl}smc_run: 1 TCP socket: 0 left to SMC, 1 TCP by bad list$nl*" \
	"a list with an error"
echo 'default = tcp' >/etc/smc/smc.conf
counts "the default" "1 TCP socket: 0 left to SMC, 1 TCP by default" "${sockets[@]}" 4
rm -r /etc/smc
# shellcheck disable=SC2016 # for the inner shell
counts "children, and theirs" \
	"6 TCP sockets: 0 left to SMC, 6 TCP because SMC was unavailable (EPERM)" \
	sh -c '"$@" 4 & "$@" 4 & ("$@" 4; sh -c "\"\$@\" 4 4; exit" - "$@"); "$@" u 6; wait' \
	- "${sockets[@]}"
printf 'int main(void) { return 0; }\n' >"$T_TMP/static.c"
"${CC:-cc}" -static -o "$T_TMP/static" "$T_TMP/static.c"
SMC_RUN_BPF=0 summary 0 "$smc_run" --summary "$T_TMP/static"
t_like "$block" "*statically linked, running on TCP${nl}smc_run: sockets were not counted, as no program loaded libsmc-preload.so$nl*" \
	"no library"
counts "an inner one counts for itself" "0 TCP sockets" \
	sh -c '"$@" 2>/dev/null' - "$smc_run" --summary "${sockets[@]}" 4
counts "an inner smc_run counts for the outer" \
	"1 TCP socket: 0 left to SMC, 1 TCP by rule all" \
	"$smc_run" --rule 'use tcp as all' "${sockets[@]}" 4
if command -v setpriv >/dev/null; then
	counts "another user" "1 TCP socket: 0 left to SMC, 1 TCP by rule all" \
		--rule 'use tcp as all' setpriv --reuid 65534 --clear-groups \
		"${sockets[@]}" 4
fi

# A descriptor that is not there, or another file: nothing is written to it.
head -c 4096 /dev/zero | tr '\0' x >"$T_TMP/file"
{
	printf 'smc_run summary1'
	head -c 4080 /dev/zero
} >"$T_TMP/liar"
for file in file liar; do
	cp "$T_TMP/$file" "$T_TMP/before"
	# shellcheck disable=SC2016 # for the inner shell
	summary 0 "$BASH" -c 'exec 300<>"$1" && shift && "$@"' - "$T_TMP/$file" \
		env SMC_SUMMARY_FD=300 "$smc_run" "${sockets[@]}" 4
	t_is "$out$block$(cmp "$T_TMP/$file" "$T_TMP/before")" "" "descriptor of a $file"
done
# shellcheck disable=SC2016 # for the inner shell
counts "a number that is used for another file" "0 TCP sockets" \
	"$BASH" -c 'eval "exec $SMC_SUMMARY_FD<>\"\$1\"" && shift && exec "$@"' - \
	"$T_TMP/liar" "${sockets[@]}" 4
t_is "$(cmp "$T_TMP/liar" "$T_TMP/before")" "" "and that file is as it was"
# shellcheck disable=SC2016 # for the inner shell
counts "a descriptor that was closed" "0 TCP sockets" \
	"$BASH" -c 'eval "exec $SMC_SUMMARY_FD>&-" && exec "$@"' - "${sockets[@]}" 4
for value in '' x -1 3x 4294967596 99999999999999999999; do
	golden "SMC_SUMMARY_FD='$value'" 0 '' '' \
		env SMC_SUMMARY_FD="$value" "$smc_run" "${sockets[@]}" 4
done

#
# Status, signals, the terminal
#
for rc in 0 1 42 125 126 127 255; do
	summary $rc "$smc_run" --summary sh -c "exit $rc"
	t_like "$out$block" "$three_lines" "status $rc"
done
cat >"$T_TMP/judge.py" <<'END_PY'
import ctypes, fcntl, os, pty, resource, select, signal as S, subprocess, sys, time
run, temp = sys.argv[1:]
PY = "/usr/bin/python3"

def point(ok, name, *what):
    print("ok" if ok else "not ok", name, flush=True)
    if not ok:
        print("#", *map(repr, what), flush=True)

# The program tells which signals it gets, with blanks between
CHILD = """
import os, signal as S, sys, time
got = []
def note(sig, frame):
    os.write(1, (S.Signals(sig).name + " ").encode())
for s in (S.SIGTERM, S.SIGHUP, S.SIGUSR1, S.SIGUSR2, S.SIGINT, S.SIGQUIT, S.SIGALRM,
          S.SIGWINCH, S.SIGCONT, S.SIGRTMIN + 3):
    S.signal(s, note)
os.write(1, b"%d " % os.getpid())
end = time.monotonic() + 60
while time.monotonic() < end:
    time.sleep(0.2)
    if os.path.exists(sys.argv[1]):
        sys.exit(7)
"""
class Program:
    n = 0
    def __init__(self, group=True, command=None, **more):
        Program.n += 1
        self.stop = f"{temp}/stop{Program.n}"
        self.p = subprocess.Popen([run, "--summary"] + (command or
            [PY, "-c", CHILD, self.stop]), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=group, **more)
        self.text = ""
        self.pid = int(self.word())
    def word(self, seconds=20):
        end = time.monotonic() + seconds
        while " " not in self.text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.p.stdout], [], [], left)[0]:
                return None
            data = os.read(self.p.stdout.fileno(), 1000)
            if not data:
                return None
            self.text += data.decode()
        first, self.text = self.text.split(" ", 1)
        return first
    def end(self):
        open(self.stop, "w").close()
        out, err = self.p.communicate(timeout=60)
        return self.p.returncode, self.text + out.decode(), err.decode()

def state(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0]
def until(fn, seconds=20):
    end = time.monotonic() + seconds
    while not fn():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True

# To smc_run alone: passed on, once
p = Program()
for sig in (S.SIGTERM, S.SIGHUP, S.SIGUSR1, S.SIGUSR2, S.SIGINT, S.SIGQUIT, S.SIGALRM,
            S.SIGWINCH):
    os.kill(p.p.pid, sig)
    got = p.word()
    point(got == sig.name, f"to smc_run: {sig.name}", got)
# To the group: once. The session's leader is not the sender.
for sig in (S.SIGTERM, S.SIGHUP, S.SIGUSR1, S.SIGINT):
    os.killpg(p.p.pid, sig)
    got = p.word()
    point(got == sig.name, f"to the group: {sig.name}", got)
    os.kill(p.p.pid, S.SIGUSR2)
    got = p.word()
    point(got == "SIGUSR2", f"to the group: {sig.name} once", got)
os.kill(p.p.pid, S.SIGTERM)
point(p.word() == "SIGTERM", "to smc_run again")
os.kill(p.pid, S.SIGTERM)
point(p.word() == "SIGTERM", "to COMMAND alone")
# Stops: both, and both go on
os.kill(p.pid, S.SIGSTOP)
pid, status = os.waitpid(p.p.pid, os.WUNTRACED)
point(os.WIFSTOPPED(status) and os.WSTOPSIG(status) == S.SIGSTOP,
      "COMMAND stops: smc_run stops", status)
os.kill(p.p.pid, S.SIGCONT)
point(p.word() == "SIGCONT" and until(lambda: state(p.pid) in "SR"),
      "smc_run goes on: COMMAND goes on")
os.killpg(p.p.pid, S.SIGSTOP)
point(until(lambda: state(p.pid) == state(p.p.pid) == "T"), "the group stops")
os.kill(p.p.pid, S.SIGCONT)
point(p.word() == "SIGCONT", "smc_run alone goes on: COMMAND goes on")
os.killpg(p.p.pid, S.SIGSTOP)
until(lambda: state(p.pid) == state(p.p.pid) == "T")
os.killpg(p.p.pid, S.SIGCONT)
got = p.word()
os.kill(p.p.pid, S.SIGUSR1)
got = got, p.word()
point(got == ("SIGCONT", "SIGUSR1"), "the group goes on: COMMAND is told once", got)
rc, out, err = p.end()
point(rc == 7 and err.count("\n") == 3, "its end", rc, out, err)

# Killed, it leaves COMMAND alone
p = Program()
os.kill(p.p.pid, S.SIGKILL)
p.p.wait()
time.sleep(0.3)
os.kill(p.pid, S.SIGUSR1)
point(p.word() == "SIGUSR1", "smc_run is killed: COMMAND goes on")
def left():
    ps = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(p.p.pid)], capture_output=True)
    return [line.split()[0] for line in ps.stdout.splitlines() if b"Z" not in line.split()[1]]
point(until(lambda: left() == [str(p.pid).encode()]), "and nothing else is left", left())
open(p.stop, "w").close()

# The same group as the sender's, as in a script
q = Program(group=False)
os.kill(q.p.pid, S.SIGTERM)
point(q.word() == "SIGTERM", "from a process of its own group")
q.end()

# Death by a signal, with one core at most
for sig in (S.SIGTERM, S.SIGKILL, S.SIGSEGV, S.SIGABRT, S.SIGINT, S.SIGHUP, S.SIGRTMIN):
    p = subprocess.run([run, "--summary", "sh", "-c", f"kill -{int(sig)} $$"],
                       capture_output=True)
    point(p.returncode == -sig and p.stderr.count(b"\n") == 3,
          f"death by signal {int(sig)}", p.returncode, p.stderr)

# Mask and dispositions
def odd():
    S.signal(S.SIGHUP, S.SIG_IGN)
    S.signal(S.SIGCHLD, S.SIG_IGN)
    S.signal(S.SIGTSTP, S.SIG_IGN)
    S.pthread_sigmask(S.SIG_BLOCK, {S.SIGUSR2, S.SIGTERM})
show = ["sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"]
plain = subprocess.run([run] + show, capture_output=True, preexec_fn=odd)
both = subprocess.run([run, "--summary"] + show, capture_output=True, preexec_fn=odd)
point(plain.stdout == both.stdout and both.returncode == 0,
      "mask and dispositions are inherited", plain.stdout, both.stdout, both.returncode)
p = subprocess.Popen(["nohup", run, "--summary", "sh", "-c", "echo x; sleep 1; exit 5"],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
p.stdout.read(2)
os.kill(p.pid, S.SIGHUP)
os.killpg(p.pid, S.SIGHUP)
point(p.wait(30) == 5, "nohup", p.returncode)

# Descriptors: COMMAND's are those of smc_run, and nobody else keeps them open
fds = ["sh", "-c", "ls /proc/$$/fd"]
plain = subprocess.run([run] + fds, stdout=subprocess.PIPE).stdout.split()
both = subprocess.run([run, "--summary"] + fds, stdout=subprocess.PIPE,
                      stderr=subprocess.DEVNULL).stdout.split()
point(sorted(both) == sorted(plain + [b"300"]), "descriptors", plain, both)
p = subprocess.Popen([run, "--summary", "sh", "-c", "exec >&-; sleep 2"],
                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
p.stdout.read()
point(p.poll() is None, "COMMAND closes stdout, and it is closed")
p.wait()
both = subprocess.run([run, "--summary", "sh", "-c", "ulimit -n; echo $SMC_SUMMARY_FD"],
    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
point(both.returncode == 0 and both.stdout.split()[0] == b"64" and
      int(both.stdout.split()[1]) < 64, "few descriptors", both.stdout)
r, w = os.pipe()
os.close(r)
both = subprocess.run([run, "--summary", "sh", "-c", "exit 9"], stderr=w)
point(both.returncode == 9, "nobody reads stderr", both.returncode)

# A terminal: a shell with job control, its job in the foreground
def terminal(words, keys):
    """What is on the screen after KEYS, pairs of what to wait for and what to type"""
    pid, fd = pty.fork()
    if not pid:
        os.environ["PS1"] = "PROMPT "
        os.execvp(words[0], words)
    screen, at = b"", 0
    for wait, key in keys:
        end = time.monotonic() + 30
        while wait not in screen[at:] and time.monotonic() < end:
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    screen += os.read(fd, 4096)
                except OSError:
                    break
        found = screen.find(wait, at)
        if found < 0:
            os.kill(pid, S.SIGKILL)
            os.waitpid(pid, 0)
            return screen, None
        at = found + len(wait)
        if callable(key):
            key()
        else:
            os.write(fd, key)
    os.close(fd)
    return screen, os.waitpid(pid, 0)[1]

shell = ["bash", "--norc", "--noediting", "-i"]
with open(f"{temp}/job", "w") as f:
    f.write(f"""#!{PY}
import signal, sys
signal.signal(signal.SIGINT, lambda *a: print("INTERRUPTED", flush=True))
signal.signal(signal.SIGCONT, lambda *a: print("CONTINUED", flush=True))
print("READY", flush=True)
sys.stdin.readline()
print("ENDED", flush=True)
sys.exit(5)
""")
os.chmod(f"{temp}/job", 0o755)
screen, status = terminal(shell, [
    (b"PROMPT ", f"{run} --summary {temp}/job\n".encode()),
    (b"READY", b"\x03"), (b"INTERRUPTED", b"\x1a"), (b"Stopped", b""),
    (b"PROMPT ", b"fg\n"), (b"CONTINUED", lambda: time.sleep(0.5)), (b"", b"\x1a"),
    (b"Stopped", b""), (b"PROMPT ", b"bg\n"),
    (b"CONTINUED", lambda: time.sleep(1)), (b"", b"\n"), (b"Stopped", b""),
    (b"PROMPT ", b"fg\n"), (b"CONTINUED", lambda: time.sleep(0.5)),
    (b"", b"\n"), (b"ENDED", b""), (b"smc_run: bytes", b""),
    (b"PROMPT ", b'echo "rc"=$?\n'), (b"rc=5", b"exit\n"), (b"exit", b"")])
# After bg the stop for input may come before smc_run has read that it goes on.
point(status is not None and screen.count(b"INTERRUPTED") == 1 and
      3 <= screen.count(b"CONTINUED") <= 4 and
      screen.count(b"smc_run: bytes") == 1,
      "terminal: ^C once, ^Z, fg, ^Z, bg, stopped for input, fg", screen, status)
screen, status = terminal(shell, [
    (b"PROMPT ", f"{run} --summary sleep 60; echo \"rc\"=$?\n".encode()),
    (b"sleep 60", lambda: time.sleep(1)), (b"", b"\x03"), (b"smc_run: bytes", b"echo $?\n"),
    (b"PROMPT ", b"exit\n"), (b"exit", b"")])
point(status is not None and screen.count(b"smc_run: bytes") == 1,
      "terminal: ^C ends it, after the summary", screen, status)
screen, status = terminal([run, "--summary"] + shell, [
    (b"PROMPT ", b"sleep 60\n"), (b"sleep", lambda: time.sleep(1)), (b"", b"\x1a"),
    (b"Stopped", b""), (b"PROMPT ", b"fg\n"), (b"sleep 60", lambda: time.sleep(1)),
    (b"", b"\x03"), (b"PROMPT ", b"exit 3\n"), (b"smc_run: bytes", b"")])
point(status is not None and os.WEXITSTATUS(status) == 3,
      "terminal: a shell as COMMAND", screen, status)

# The line is gone: who leads the session is told, and that is smc_run.
def hang_up():
    pid, fd = pty.fork()
    if not pid:
        os.execv(run, [run, "--summary", "sh", "-c",
            f"trap 'echo got >{temp}/hup; exit' HUP; echo x; while :; do sleep 0.1; done"])
    os.read(fd, 1)
    os.close(fd)
    os.waitpid(pid, 0)
    return os.path.exists(f"{temp}/hup")
point(hang_up(), "terminal: hang-up reaches COMMAND")
print("done", flush=True)
END_PY
/usr/bin/python3 "$T_TMP/judge.py" "$smc_run" "$T_TMP" >"$T_TMP/points" 2>"$T_TMP/judge.err" ||
	t_diag "$(cat "$T_TMP/judge.err")"
while IFS= read -r line; do
	case $line in
	"ok "*) t_ok 0 "${line#ok }" ;;
	"not ok "*) t_ok 1 "${line#not ok }" ;;
	*) t_diag "$line" ;;
	esac
done <"$T_TMP/points"
t_is "$(tail -n 1 "$T_TMP/points")" "done" "all of it was tried"
t_done
