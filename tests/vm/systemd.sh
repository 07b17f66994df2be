# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For guest suites, on top of vmlib.sh: a real systemd, as PID 1 of a namespace of
# processes and mounts, with the guest's files and network.  What the host has
# enabled is not started, and neither are udev and the journal.

vm_units=/etc/systemd/system

# vm_systemd: starts it; its process is vm_systemd_pid, its messages are in
# $T_TMP/systemd.log.
vm_systemd() {
	local dir unit
	rm -rf "$vm_units"
	mkdir -p "$vm_units" /sys/fs/cgroup/systemd
	for dir in /lib/systemd/system/{sysinit,basic,sockets,local-fs,timers,paths}.target.wants; do
		for unit in "$dir"/*; do
			[ ! -e "$unit" ] || ln -s /dev/null "$vm_units/${unit##*/}"
		done
	done
	printf '%s\n' '[Unit]' Requires=basic.target After=basic.target \
		>"$vm_units/lab.target"
	: >/etc/fstab
	echo 0123456789abcdef0123456789abcdef >/etc/machine-id
	# shellcheck disable=SC2016 # for the inner shell
	(
		echo "$BASHPID" >/sys/fs/cgroup/systemd/cgroup.procs
		exec unshare --cgroup --mount --pid --fork --propagation private sh -c '
			mount -t proc proc /proc && umount /sys/fs/cgroup &&
				mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
				exec env -i container=lab PATH="$PATH" /lib/systemd/systemd \
					--unit=lab.target --log-target=console --show-status=no'
	) </dev/null >"$T_TMP/systemd.log" 2>&1 &
	vm_until 60 vm_systemd_is_up
}

vm_systemd_is_up() {
	local state
	vm_systemd_pid=$(pgrep -x systemd) || return 1
	state=$(vm_in_systemd systemctl is-system-running 2>/dev/null) || true
	[[ $state = running || $state = degraded ]]
}

# vm_in_systemd COMMAND...: runs it where systemd is PID 1.
vm_in_systemd() {
	nsenter -t "$vm_systemd_pid" -m -p -C -- "$@"
}

# vm_unit NAME [SECTION] LINE...: a unit file.  What is in no section is of [Service].
vm_unit() {
	local file=$vm_units/$1
	shift
	mkdir -p "${file%/*}"
	[[ $1 = \[* ]] || set -- '[Service]' "$@"
	printf '%s\n' "$@" >"$file"
}
