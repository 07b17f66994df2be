#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# install.sh BASE: the Debian packages, built twice, are the same and clean; in a
# clean system they are installed, DKMS builds the modules, a guest with the kernel
# there uses them, and nothing is left after purge.
set -euo pipefail

# The mounts of this test end with it.
if [ "${1:-}" != --private ]; then
	exec unshare --mount --propagation private "$0" --private "$@"
fi
base=$2
# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

trap 'umount -l "$root" "$rw" 2>/dev/null || true; rm -rf "$T_TMP"' EXIT
build=$SMC_SOURCE_DIR/packaging/build-deb
version=$(sed -n 's/^version=//p' "$SMC_SOURCE_DIR/smc_run")
root=$T_TMP/root rw=$T_TMP/rw

# in_system COMMAND...: in the clean system, as root
in_system() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --propagation private sh -c '
		root=$1
		shift
		mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" &&
			mount -t tmpfs tmpfs "$root/run" &&
			exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
				HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
	' sh "$root" "$@"
}

# All files but those that any use of dpkg or DKMS leaves
files() {
	(cd "$root" && find . \( -path ./debs -o -path ./var/log -o -path ./var/cache -o \
		-path ./var/lib/dpkg -o -path ./var/lib/systemd -o -path ./var/lib/apt -o \
		-path './var/lib/dkms/mok.*' \) -prune -o \
		-printf '%p %y %m %l\n' | sort)
}

# The packages
t_check "build" "$build" "$T_TMP/debs"
t_check "build again, elsewhere, by another user's habits" env TMPDIR="$T_TMP" \
	TZ=Asia/Tokyo LC_ALL=C.UTF-8 sh -c 'umask 077 && exec "$@"' sh \
	"$build" "$T_TMP/again"
for deb in "$T_TMP"/debs/*.deb; do
	t_check "${deb##*/}: the same bytes" cmp "$deb" "$T_TMP/again/${deb##*/}"
done
t_is "$(cd "$T_TMP/debs" && echo *"$version"*.deb | tr ' ' '\n' | sed "s/_.*//" | sort |
	paste -sd ' ' -)" \
	"lib32smc-preload lib32smc-preload-dbgsym smc-inet-dkms smc-run smc-run-dbgsym" \
	"packages of version $version"
t_is "$(lintian --allow-root --tag-display-limit 0 "$T_TMP"/debs/*.changes 2>&1)" "" \
	"lintian is silent"

# A clean system
system=$("$SMC_SOURCE_DIR/tests/package/prepare" "$base")
mkdir "$root" "$rw"
mount -t tmpfs -o mode=755 tmpfs "$rw"
mkdir "$rw/upper" "$rw/work"
mount -t overlay -o "lowerdir=$system,upperdir=$rw/upper,workdir=$rw/work" overlay "$root"
mkdir "$root/debs"
cp "$T_TMP"/debs/*.deb "$root/debs"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # starts no service
chmod 755 "$root/usr/sbin/policy-rc.d"
# The kernels of this machine are none of its business.
release=$(ls "$root/lib/modules")

# What smc-tools would have there
mkdir -p "$T_TMP/tools/DEBIAN" "$T_TMP/tools/usr/bin" "$T_TMP/tools/usr/lib/x86_64-linux-gnu"
printf '%s\n' 'Package: smc-tools' 'Version: 1.8.5' 'Architecture: amd64' \
	'Maintainer: nobody <nobody@localhost>' 'Description: stands for it' \
	>"$T_TMP/tools/DEBIAN/control"
for file in usr/bin/smc_run usr/bin/smcss usr/lib/x86_64-linux-gnu/libsmc-preload.so; do
	echo smc-tools >"$T_TMP/tools/$file"
done
t_check "a package like smc-tools" dpkg-deb --build --root-owner-group "$T_TMP/tools" \
	"$root/debs/smc-tools.deb"
t_check "... is there" in_system dpkg -i /debs/smc-tools.deb
files >"$T_TMP/before"

# The kernel's source is missing: nothing is built, and nothing fails.
tarball=$root/usr/src/linux-source-$base.tar.xz
mv "$tarball" "$tarball.away"
status=0
in_system sh -c "exec apt-get install -y --no-install-recommends \
	-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null \
	/debs/smc-run_* /debs/lib32smc-preload_* /debs/smc-inet-dkms_*" \
	>"$T_TMP/install" 2>&1 || status=$?
t_is "$status" 0 "apt installs the packages"
[ "$status" = 0 ] || t_diag "$(cat "$T_TMP/install")"
t_like "$(cat "$T_TMP/install")" \
	"*smc-inet: $release: not built, the kernel's own smc stays in use: its source is not installed (apt install linux-source-$base)*" \
	"without the kernel's source: what helps"
t_like "$(in_system modinfo -k "$release" -F filename smc)" \
	"/lib/modules/$release/kernel/net/smc/smc.ko*" "... the kernel's module is in use"

# It comes later.
mv "$tarball.away" "$tarball"
t_check "the source comes" in_system sh -c \
	"dpkg-trigger --no-await /usr/src/linux-source-$base.tar.xz && dpkg --triggers-only --pending"
t_is "$(in_system dkms status)" "smc-inet/$version, $release, x86_64: installed" \
	"DKMS has built the modules"
for module in smc smc_diag; do
	t_like "$(in_system modinfo -k "$release" -F filename $module)" \
		"/lib/modules/$release/updates/dkms/$module.ko*" "$module: DKMS's is in use"
done
t_is "$(in_system smc_run -v)" "smc_run utility, smc-preload-$version" "smc_run is ours"
t_is "$(cat "$root/usr/bin/smc_run.smc-tools" "$root/usr/bin/smcss")" "smc-tools
smc-tools" "that of smc-tools is aside, smcss is where it was"
t_is "$(in_system stat -L -c %a /usr/lib/x86_64-linux-gnu/libsmc-preload.so \
	/usr/lib32/libsmc-preload.so | paste -sd ' ' -)" "4644 4644" "modes of the libraries"

# A guest
t_check "a guest with these modules" "$SMC_SOURCE_DIR/tests/lab" run --base "$base" \
	--smc stock --timeout 400 -- "$SMC_SOURCE_DIR/tests/in-system" "$root" \
	"$SMC_SOURCE_DIR/tests/package/guest.sh" "$version"
t_diag "$(cat "$T_TMP/.t_out")"

# The other way round, and the end
t_check "smc-tools anew" in_system dpkg -i /debs/smc-tools.deb
t_is "$(in_system smc_run -v)" "smc_run utility, smc-preload-$version" "smc_run is still ours"
t_check "remove" in_system apt-get remove -y smc-run lib32smc-preload smc-inet-dkms
t_is "$(in_system dkms status)" "" "DKMS has nothing more"
t_is "$(cat "$root/usr/bin/smc_run")" smc-tools "that of smc-tools is back"
t_check "purge" in_system apt-get purge -y smc-run lib32smc-preload smc-inet-dkms
files >"$T_TMP/after"
t_check "nothing is left" diff "$T_TMP/before" "$T_TMP/after"
t_done
