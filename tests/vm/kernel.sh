#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Kernels and modules for the lab, kept in a cache outside the tree.  Sourced
# by tests/lab.  Debian's packages are unpacked there, never installed.
#
# Every entry is built under a temporary name and renamed, so an entry that
# exists is whole; the caller holds the cache's lock.  A lost cache costs time.

: "${lab_vm:?}"
lab_cache=${SMC_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/smc-lab}

lab_say() {
	printf 'lab: %s\n' "$*" >&2
}

# Runs a long command quietly; its output is shown only if it fails.
lab_quietly() {
	local log
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		rm -f "$log"
		lab_say "failed: $*"
		return 1
	fi
	rm -f "$log"
}

# lab_entry DIR BUILDER [ARG...]: DIR in the cache, made by "BUILDER TMP ARG..."
# unless it is there.
lab_entry() {
	local dir=$lab_cache/$1 tmp
	shift
	if [ ! -d "$dir" ]; then
		tmp=$(mktemp -d "$lab_cache/tmp.XXXXXX")
		chmod 755 "$tmp"
		if ! "$1" "$tmp" "${@:2}"; then
			rm -rf "$tmp"
			return 1
		fi
		mv "$tmp" "$dir"
	fi
}

# lab_unpack DIR PACKAGE...: unpacks packages of the archive into DIR.
lab_unpack() {
	local dir=$1 debs size
	shift
	debs=$(mktemp -d)
	size=$(apt-cache show --no-all-versions "$@" |
		awk '/^Size:/ { s += $2 } END { printf "%d", s / 1000000 }')
	lab_say "fetching $* ($size MB)"
	(cd "$debs" && lab_quietly apt-get -o APT::Sandbox::User=root \
		download "$@") || return 1
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$dir" || return 1
	done
	rm -rf "$debs"
}

lab_make_image() {
	local tmp=$1 krel=$2
	lab_unpack "$tmp" "linux-image-$krel" || return 1
	lab_quietly depmod -b "$tmp" "$krel"
}

lab_make_headers() {
	local tmp=$1 krel=$2 flavour=${2##*-}
	local common=${krel%-"$flavour"}
	lab_unpack "$tmp" "linux-headers-$krel" "linux-headers-$common-common" \
		"linux-kbuild-$common" || return 1
	# The packages name each other by their installed place.
	printf 'include %s/usr/src/linux-headers-%s-common/Makefile\n' \
		"$lab_cache/headers-$krel" "$common" \
		>"$tmp/usr/src/linux-headers-$krel/Makefile"
	# With it, every module build wants pahole for type information that
	# nothing here reads.
	rm -f "$tmp/usr/src/linux-headers-$krel/vmlinux"
}

lab_make_source() {
	local tmp=$1 base=$2
	lab_unpack "$tmp" "linux-source-$base" || return 1
	tar -xJf "$tmp/usr/src/linux-source-$base.tar.xz" -C "$tmp" \
		--strip-components=1 "linux-source-$base/net/smc" || return 1
	rm -r "${tmp:?}/usr"
}

# What the guest needs before it can see the host's files.
lab_make_initrd() {
	local tmp=$1 krel=$2 image=$lab_cache/image-$2 n=10 path
	mkdir -p "$tmp/root/modules"
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -static -o "$tmp/root/init" \
		"$lab_vm/init.c" || return 1
	while read -r _ path _; do
		xz -dc "$path" >"$tmp/root/modules/$n-$(basename "$path" .xz)"
		n=$((n + 1))
	done < <(for m in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe --show-depends -d "$image" -S "$krel" "$m"
	done | awk '$1 == "insmod" && !seen[$2]++')
	(cd "$tmp/root" && find . | cpio -o -H newc --quiet | gzip -1) \
		>"$tmp/initrd.gz" || return 1
	rm -r "$tmp/root"
}

# lab_make_modules TMP KREL SOURCE MAKE-ARGS...: builds a copy of SOURCE out of
# tree and leaves the modules in TMP.
lab_make_modules() {
	local tmp=$1 krel=$2 source=$3
	shift 3
	lab_say "building ${source##*/} for $krel"
	cp -r "$source" "$tmp/src"
	lab_quietly make -j"$(nproc)" M="$tmp/src" \
		-C "$lab_cache/headers-$krel/usr/src/linux-headers-$krel" \
		"$@" modules || return 1
	mv "$tmp/src"/*.ko "$tmp"
	rm -r "$tmp/src"
}

# For net/smc: the loopback device that Debian's configuration leaves out.
lab_smc_args=(CONFIG_SMC=m CONFIG_SMC_DIAG=m CONFIG_SMC_LO=y
	KCFLAGS=-DCONFIG_SMC_LO=1)

lab_candidate() {
	apt-cache policy "$1" | awk '/Candidate:/ { print $2 }'
}

lab_hash() {
	sha256sum | cut -c1-16
}

# lab_kernel_prepare BASE: brings the archive's present kernel of BASE into
# the cache and writes its names to base-BASE.
lab_kernel_prepare() {
	local base=$1 image krel version other smc
	image=$(apt-cache depends "linux-image-$base-amd64" |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2 }')
	krel=${image#linux-image-}
	[ -n "$krel" ] || {
		lab_say "the archive has no linux-image-$base-amd64"
		return 1
	}
	version=$(lab_candidate "$image")
	for other in "linux-headers-$krel" "linux-source-$base"; do
		[ "$(lab_candidate "$other")" = "$version" ] || {
			lab_say "$other is not of version $version"
			return 1
		}
	done

	lab_entry "image-$krel" lab_make_image "$krel" || return 1
	lab_entry "headers-$krel" lab_make_headers "$krel" || return 1
	lab_entry "source-$version" lab_make_source "$base" || return 1
	initrd=initrd-$(cat "$lab_vm/init.c" <(echo "$krel $version") | lab_hash)
	lab_entry "$initrd" lab_make_initrd "$krel" || return 1
	smc=smc-$({
		echo "$version" "${lab_smc_args[@]}"
		gcc --version
	} | lab_hash)
	lab_entry "$smc" lab_make_modules "$krel" \
		"$lab_cache/source-$version/net/smc" "${lab_smc_args[@]}" ||
		return 1
	splat=splat-$({
		echo "$version"
		gcc --version
		cat "$lab_vm/labsplat"/*
	} | lab_hash)
	lab_entry "$splat" lab_make_modules "$krel" "$lab_vm/labsplat" ||
		return 1
	printf 'krel=%s\ninitrd=%s\nsmc=%s\nsplat=%s\n' \
		"$krel" "$initrd" "$smc" "$splat" >"$lab_cache/base-$base.tmp"
	mv "$lab_cache/base-$base.tmp" "$lab_cache/base-$base"
}
