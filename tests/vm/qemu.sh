#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Starts lab guests and collects their verdicts.  Sourced by tests/lab, which
# sets lab_cache, lab_vm, lab_dir (the private directory of this run), the
# opt_* variables.
# shellcheck disable=SC2154 # the variables just named, and those of a stamp
#
# TCG always: a /dev/kvm that opens proves nothing, and instruction counts
# need TCG.  Debian's kernel patches its text whenever a static key changes, and
# TCG with a thread for each processor may keep a translation of the breakpoint
# that text_poke_bp() removed ("Oops: int3"): its processors share one thread.
# The checking kernel has no static keys, so there they run at once.

# lab_guest_use ROLE: sets base and smc to the kernel and the module of that guest, and
# what the stamp of the kernel names.
lab_guest_use() {
	base=$opt_base smc=$opt_smc
	[ "$1" != server ] || base=$opt_server_base smc=$opt_server_smc
	# shellcheck disable=SC1090 # written by lab_kernel_prepare
	. "$(lab_stamp "$base")"
}

# lab_guest_files ROLE COMMAND...: what the guest's init reads.
lab_guest_files() {
	local role=$1 dir=$lab_dir/$1 env base smc module
	shift
	lab_guest_use "$role"
	mkdir "$dir"
	printf '%s\0' "$@" >"$dir/argv"
	pwd >"$dir/cwd.line"
	tr -d '\n' <"$dir/cwd.line" >"$dir/cwd"
	printf '%s' "$lab_vm/setup.sh" >"$dir/setup"
	cp "$lab_vm/patterns" "$dir/patterns"
	case $smc in
	inet) module=$smc_inet ;;
	*) module=$smc_lo ;;
	esac
	env=(LAB_BASE="$base" LAB_SMC="$smc" LAB_PROFILE="$opt_profile"
		LAB_SMC_DIR="$lab_cache/$module"
		LAB_SELFTEST="$lab_cache/$smc_inet/smc_inet"
		LAB_NGINX="$lab_cache/$nginx/usr/sbin/nginx"
		LAB_POSTGRES="$lab_cache/$postgres"
		LAB_SPLAT="$lab_cache/$splat/labsplat.ko"
		LAB_SMCCTL="$lab_build/tests/vm/smcctl"
		SMC_BUILD_DIR="$lab_build" SMC_SOURCE_DIR="$lab_top")
	case $role in
	server) env+=(LAB_ADDR=1 LAB_PEER=10.77.0.2) ;;
	client) env+=(LAB_ADDR=2 LAB_PEER=10.77.0.1) ;;
	esac
	env -0 "${env[@]}" >"$dir/env"
}

# lab_guest_args ROLE: sets the array guest_args.
lab_guest_args() {
	local role=$1 dir=$lab_dir/$1 port append cpu cpus=2 threads=single base smc
	lab_guest_use "$role"
	append="console=ttyS0 loglevel=6 panic=-1 panic_on_warn=1 oops=panic"
	append+=" hung_task_panic=1 log_buf_len=4M net.ifnames=0"
	append+=" maxcpus=1 noreplace-smp" # init starts the others
	append+=" lab.dir=$dir lab.modules=$image/lib/modules"
	append+=" lab.role=$role"
	cpu=max,la57=off
	# To the clock of instructions each turn of "rep movsb" is one, for one byte.  No
	# processor that has it takes so long; without, the kernel copies by words.
	[ -z "${SMC_LAB_WORDS:-}" ] || cpu+=,erms=off,fsrm=off
	# A: failslab may have them.  The checkers themselves would give up.
	[ "$opt_profile" != debug ] || append+=" slub_debug=FZPA;FZP,kmemleak_*,debug_objects_cache"
	[ "$role" != server ] || append+=" lab.ready=${opt_ready:-0}"

	guest_args=(-nodefaults -no-user-config -display none -no-reboot
		-machine q35 -cpu "$cpu" -m 3072
		-kernel "$image/boot/vmlinuz-$krel"
		-initrd "$lab_cache/$initrd/initrd.gz" -append "$append"
		-fsdev "local,id=root,path=/,readonly=on,security_model=none,multidevs=remap"
		-device "virtio-9p-pci,fsdev=root,mount_tag=root")
	case $role in
	client | server) cpus=1 ;;
	esac
	if [ "$opt_icount" = 1 ]; then
		cpus=1
		guest_args+=(-icount "shift=1,sleep=off")
	elif [ "$opt_profile" = debug ]; then
		threads=multi
	fi
	guest_args+=(-accel "tcg,thread=$threads" -smp "$cpus")
	if [ "$role" = shell ]; then
		guest_args+=(-chardev "stdio,id=console,signal=off"
			-serial chardev:console)
		return
	fi

	guest_args+=(-chardev "file,id=console,path=$dir/console"
		-serial chardev:console -device virtio-serial-pci)
	for port in out err; do
		mkfifo "$dir/$port"
		guest_args+=(-chardev "file,id=$port,path=$dir/$port"
			-device "virtserialport,chardev=$port,name=lab.$port")
	done
	guest_args+=(-chardev "file,id=verdict,path=$dir/verdict"
		-device "virtserialport,chardev=verdict,name=lab.verdict")
	[ "$role" != single ] || return 0

	mkfifo "$dir/ctl.in" "$dir/ctl.out"
	guest_args+=(-chardev "pipe,id=ctl,path=$dir/ctl"
		-device "virtserialport,chardev=ctl,name=lab.ctl")
	case $role in
	server) guest_args+=(-netdev "stream,id=wire,server=on,addr.type=unix,addr.path=$lab_dir/wire") ;;
	client) guest_args+=(-netdev "stream,id=wire,server=off,addr.type=unix,addr.path=$lab_dir/wire") ;;
	esac
	guest_args+=(-device "virtio-net-pci,netdev=wire,mac=52:54:00:77:00:0$([ "$role" = server ] && echo 1 || echo 2)")
}

# lab_guest_start ROLE COMMAND...: starts a guest in the background; its
# process is pid_ROLE.  A server's output is marked, and goes to stderr.
lab_guest_start() {
	local role=$1 dir=$lab_dir/$1
	lab_guest_files "$@"
	lab_guest_args "$role"
	if [ "$role" = server ]; then
		sed -u 's/^/server: /' <"$dir/out" >&2 &
		lab_copiers+=($!)
		sed -u 's/^/server: /' <"$dir/err" >&2 &
		lab_copiers+=($!)
	else
		cat <"$dir/out" &
		lab_copiers+=($!)
		cat <"$dir/err" >&2 &
		lab_copiers+=($!)
	fi
	timeout -k 5 "$opt_timeout" qemu-system-x86_64 "${guest_args[@]}" \
		</dev/null 2>"$dir/qemu.log" &
	printf -v "pid_$role" %s $!
	lab_guests+=($!)
}

# Kernel messages of a run that match the patterns, on stdout.
lab_splats() {
	sed '1,/lab: marker/d' "$1/console" | tr -d '\r' |
		grep -E "${@:2}" -f <(grep -v '^#' "$1/patterns")
}

# lab_guest_wait ROLE PID: waits for its end and prints its verdict's status;
# 255 without a verdict, 254 if only the kernel failed.
lab_guest_wait() {
	local role=$1 dir=$lab_dir/$1 status=0 splats verdict rc
	wait "$2" || status=$?
	verdict=$(cat "$dir/verdict" 2>/dev/null || true)
	splats=$(lab_splats "$dir" -c) || true
	if ! [[ $verdict =~ ^done\ rc=([0-9]+)\ splats=([0-9]+)\ leaks=([0-9]+)$ ]]; then
		if [ "$status" = 124 ] || [ "$status" = 137 ]; then
			lab_say "$role: timed out after $opt_timeout s"
		else
			lab_say "$role: the guest left no verdict (QEMU status $status)"
		fi
		cat "$dir/qemu.log" >&2
		lab_splats "$dir" | head -n 10 >&2 || true
		lab_say "last lines of its console:"
		tail -n 40 "$dir/console" | tr -d '\r' >&2
		return 255
	fi
	rc=${BASH_REMATCH[1]}
	if [ "${BASH_REMATCH[2]}" != 0 ] || [ "${BASH_REMATCH[3]}" != 0 ] ||
		[ "$splats" != 0 ]; then
		lab_say "$role: kernel messages that must not be:"
		lab_splats "$dir" -A30 | head -n 80 >&2 || true
		[ "$rc" != 0 ] || rc=254
	fi
	return "$rc"
}

# lab_barrier PID FD: waits until the guest says on FD that it is ready.  A read
# whose time is over may have a part of the line.
lab_barrier() {
	local line='' part
	while [ "$line" != ready ]; do
		kill -0 "$1" 2>/dev/null || return 1
		read -r -t 1 -u "$2" part || true
		line+=$part
	done
}

lab_run_single() {
	lab_guest_start single "$@"
	lab_guest_wait single "$pid_single"
}

lab_run_pair() {
	local rc=0 server_rc=0 server_out client_out
	lab_guest_start server "${opt_server[@]}"
	# The client's QEMU connects to the server's.
	while [ ! -S "$lab_dir/wire" ] && kill -0 "$pid_server" 2>/dev/null; do
		sleep 0.05
	done
	lab_guest_start client "$@"
	exec {server_out}<>"$lab_dir/server/ctl.out"
	exec {client_out}<>"$lab_dir/client/ctl.out"
	if lab_barrier "$pid_server" "$server_out" &&
		lab_barrier "$pid_client" "$client_out"; then
		echo go >"$lab_dir/client/ctl.in"
	else
		kill "$pid_server" "$pid_client" 2>/dev/null || true
	fi
	lab_guest_wait client "$pid_client" || rc=$?
	if kill -0 "$pid_server" 2>/dev/null; then
		echo stop 1<>"$lab_dir/server/ctl.in"
	fi
	lab_guest_wait server "$pid_server" || server_rc=$?
	[ "$rc" != 0 ] || rc=$server_rc
	return "$rc"
}

# Ends what is still running and removes the run's directory.
lab_cleanup() {
	local pid
	for pid in "${lab_guests[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in "${lab_copiers[@]}"; do
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$lab_dir"
}
