#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# guest.sh VERSION: in a guest, with the system and its systemd: the kernel loads the
# modules that DKMS built, and Debian's redis is a service that talks SMC.
set -euo pipefail

version=$1
# shellcheck source=../vm/vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"
# shellcheck source=../vm/systemd.sh
. "$SMC_SOURCE_DIR/tests/vm/systemd.sh"

rmmod smc_diag smc
t_check "systemd starts" vm_systemd
modprobe -a smc smc_diag
t_is "$(cat /sys/module/smc/version /sys/module/smc_diag/version)" "$version
$version" "modprobe takes the modules of the package"
"$LAB_SMCCTL" ueid add SMCLAB
t_like "$(smc_run --check | sed 's/  */ /g')" \
	"kernel OK $(uname -r): IPPROTO_SMC; this project's module*library OK /usr/lib/x86_64-linux-gnu/libsmc-preload.so, mode 4644*result: smc" \
	"smc_run --check"

# redis_is MODE: how the service and a client under smc_run talk
redis_is() {
	local pid
	vm_until 60 redis-cli ping >"$T_TMP/ping" || true
	coproc CLIENT { exec smc_run redis-cli 2>&1; }
	# shellcheck disable=SC2153 # of coproc
	local client=$CLIENT_PID
	echo "ECHO hello" >&"${CLIENT[1]}"
	read -r -t 60 line <&"${CLIENT[0]}" || line=none
	t_like "$line" "*hello*" "redis, $1: it answers"
	pid=$(vm_in_systemd systemctl show -p MainPID --value redis-server)
	t_like "$(vm_in_systemd smc_run --report "$pid" | grep accepted | sed 's/  */ /g')" \
		"* accepted 127.0.0.1:6379 127.0.0.1:* $1 *" "redis, $1: --report says so"
	eval "exec ${CLIENT[1]}>&-"
	wait "$client" || true
}

t_check "redis starts" vm_in_systemd systemctl start redis-server
redis_is TCP
t_check "enable" vm_in_systemd smc_run --systemd enable redis-server
t_check "redis starts again" vm_in_systemd systemctl restart redis-server
redis_is SMC-D
t_check "disable" vm_in_systemd smc_run --systemd disable redis-server
vm_in_systemd systemctl stop redis-server
t_check "the modules can be unloaded" sh -c 'rmmod smc_diag' && vm_unload
t_done
