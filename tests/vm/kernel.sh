#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Kernels and modules for the lab, kept in a cache outside the tree.  Sourced
# by tests/lab.  Debian's packages are unpacked there, never installed.
#
# Every entry is built under a temporary name and renamed, so an entry that
# exists is whole; the caller holds the cache's lock.  A lost cache costs time.

: "${lab_vm:?}"
lab_patches=${lab_vm%/tests/vm}/kernel-patches
lab_dkms=$lab_patches/dkms
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

# lab_make_headers TMP KREL ENTRY
lab_make_headers() {
	local tmp=$1 krel=$2 entry=$3 flavour=${2##*-} parts
	local common=${krel%-"$flavour"}
	mapfile -t parts < <(lab_depends "linux-headers-$krel" |
		grep -E '^linux-(headers|kbuild)-')
	lab_unpack "$tmp" "linux-headers-$krel" "${parts[@]}" || return 1
	# The packages name each other by their installed place.
	printf 'include %s/usr/src/linux-headers-%s-common/Makefile\n' \
		"$lab_cache/$entry" "$common" \
		>"$tmp/usr/src/linux-headers-$krel/Makefile"
	# With it, every module build wants pahole for type information that
	# nothing here reads.
	rm -f "$tmp/usr/src/linux-headers-$krel/vmlinux"
}

# lab_base BASE: its line of kernel-patches/bases, false if there is none.
lab_base() {
	awk -v base="$1" '$1 == base { print; found = 1 } END { exit !found }' \
		"$lab_patches/bases"
}

# lab_depends PACKAGE: what it depends on, in the archive.
lab_depends() {
	apt-cache depends "$1" | awk '$1 == "Depends:" { print $2 }'
}

lab_make_source() {
	local tmp=$1 package=$2
	lab_unpack "$tmp/package" "$package" || return 1
	tar -xJf "$tmp/package/usr/src/$package.tar.xz" -C "$tmp" \
		--strip-components=1 || return 1
	rm -r "${tmp:?}/package"
}

# What the guest needs before it can see the host's files.
lab_make_initrd() {
	local tmp=$1 krel=$2 image=$3 n=10 path
	mkdir -p "$tmp/root/modules"
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -static -o "$tmp/root/init" \
		"$lab_vm/init.c" || return 1
	while read -r _ path _; do
		xz -dcf "$path" >"$tmp/root/modules/$n-$(basename "$path" .xz)"
		n=$((n + 1))
	done < <(for m in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		modprobe --show-depends -d "$image" -S "$krel" "$m"
	done | awk '$1 == "insmod" && !seen[$2]++')
	(cd "$tmp/root" && find . | cpio -o -H newc --quiet | gzip -1) \
		>"$tmp/initrd.gz" || return 1
	rm -r "$tmp/root"
}

# lab_make_modules TMP BUILD: builds TMP/src out of tree against the headers in
# BUILD and leaves the modules in TMP.
lab_make_modules() {
	local tmp=$1 build=$2
	lab_quietly make -j"$(nproc)" M="$tmp/src" -C "$build" modules ||
		return 1
	mv "$tmp/src"/*.ko "$tmp"
}

# lab_make_smc TMP BUILD ARG...: net/smc as "prepare ARG..." makes it, and the
# module of probes for it.  Its source stays beside it.
lab_make_smc() {
	local tmp=$1 build=$2 test
	shift 2
	lab_say "building net/smc for ${build##*/}"
	lab_quietly "$lab_dkms/prepare" "$@" "$tmp/src" || return 1
	lab_make_modules "$tmp" "$build" || return 1
	cp -r "$lab_vm/labprobe" "$tmp/labprobe"
	lab_quietly make M="$tmp/labprobe" -C "$build" modules || return 1
	mv "$tmp/labprobe/labprobe.ko" "$tmp" && rm -r "$tmp/labprobe"
	(cd "$tmp/src" && rm -rf ./*.o ./*.mod* .*.cmd ./*.symvers modules.order)
	# The second directory is where their "../../" leads to the harness.
	for test in "$tmp/src/selftests"/*.c; do
		[ -e "$test" ] || continue
		lab_quietly gcc -Wall -O2 -I"$tmp/src/uapi" \
			-I"${*: -1}/tools/testing/selftests/net/af_unix" \
			-o "$tmp/$(basename "$test" .c)" "$test" || return 1
	done
}

lab_make_splat() {
	local tmp=$1 build=$2
	cp -r "$lab_vm/labsplat" "$tmp/src"
	lab_make_modules "$tmp" "$build" && rm -r "$tmp/src"
}

# lab_make_debug TMP SOURCE BASE: the checking kernel, with the in-tree group.
# Laid out as the packages of the stock one: boot, lib/modules and, in build,
# what modules are built against.
lab_make_debug() {
	local tmp=$1 source=$2 base=$3 patch krel
	local tree=$tmp/build
	lab_say "building the checking kernel (10 to 20 minutes, once)"
	cp -r "$source" "$tree"
	for patch in $(lab_series "$base" in-tree); do
		lab_quietly patch -d "$tree" -p1 -F0 -s -i "$lab_patches/$patch" ||
			return 1
	done
	(
		cd "$tree" || exit 1
		KCONFIG_ALLCONFIG=$lab_vm/debug.config lab_quietly make allnoconfig &&
			lab_quietly make -j"$(nproc)" bzImage modules &&
			lab_quietly make modules_install INSTALL_MOD_PATH="$tmp"
	) || return 1
	krel=$(make -s -C "$tree" kernelrelease) || return 1
	rm -f "$tmp/lib/modules/$krel/build"
	mkdir "$tmp/boot"
	mv "$tree/arch/x86/boot/bzImage" "$tmp/boot/vmlinuz-$krel"
	# What the out-of-tree build of a module reads is a tenth of the tree.
	find "$tree" -mindepth 1 -maxdepth 1 ! -name Makefile ! -name Kbuild \
		! -name Kconfig ! -name .config ! -name Module.symvers \
		! -name include ! -name scripts ! -name arch ! -name tools \
		-exec rm -rf {} +
	find "$tree/arch" -mindepth 1 -maxdepth 1 ! -name x86 -exec rm -rf {} +
	find "$tree/tools" -mindepth 1 -maxdepth 1 ! -name objtool \
		-exec rm -rf {} +
	find "$tree/arch" -name '*.o' -delete
}

# lab_series BASE GROUP: the patches of a group, in order.
lab_series() {
	local numbers='0[1-5]'
	[ "$2" = module ] || numbers='0[6-9]'
	grep -E "^($2|port/$1)/$numbers" "$lab_patches/series-$1" || true
}

lab_candidate() {
	apt-cache policy "$1" | awk '/Candidate:/ { print $2 }'
}

lab_hash() {
	sha256sum | cut -c1-16
}

# lab_module_hash BASE WORD...: of the module group, how it is built, the compiler
# and the words.
lab_module_hash() {
	local base=$1
	shift
	{
		echo "$@"
		gcc --version
		cat "$lab_dkms"/* "$lab_vm/labprobe"/*
		if [ "${1:-}" != stock-lo ]; then
			(cd "$lab_patches" && lab_series "$base" module | xargs -r cat)
		fi
	} | lab_hash
}

# Of all in this tree that goes into the cache.
lab_inputs() {
	find "$lab_patches" "$lab_vm"/{kernel.sh,init.c,debug.config,labprobe,labsplat} -type f \
		-print0 | sort -z | xargs -0 sha256sum | lab_hash
}

# lab_kernel_prepare BASE PROFILE STAMP: brings the archive's present kernel of
# BASE into the cache, for PROFILE debug also the checking kernel made from its
# source, and writes the names of the entries to STAMP.
lab_kernel_prepare() {
	local base=$1 profile=$2 stamp=$3 image krel version source other build package
	local initrd smc_lo smc_inet splat nginx postgres
	read -r _ other _ package _ < <(lab_base "$base")
	image=$(lab_depends "$other" | grep '^linux-image-') || {
		lab_say "the archive has no $other"
		return 1
	}
	krel=${image#linux-image-}
	version=$(lab_candidate "$image")
	for other in "linux-headers-$krel" "$package"; do
		[ "$(lab_candidate "$other")" = "$version" ] || {
			lab_say "$other is not of version $version"
			return 1
		}
	done

	source=linux-$version
	lab_entry "$source" lab_make_source "$package" || return 1
	source=$lab_cache/$source
	case $profile in
	fast)
		lab_entry "image-$version" lab_make_image "$krel" || return 1
		lab_entry "headers-$version" lab_make_headers "$krel" \
			"headers-$version" || return 1
		image=$lab_cache/image-$version
		build=$lab_cache/headers-$version/usr/src/linux-headers-$krel
		;;
	debug)
		image=debug-$({
			echo "$version"
			gcc --version
			cat "$lab_vm/debug.config"
			(cd "$lab_patches" && lab_series "$base" in-tree | xargs -r cat)
		} | lab_hash)
		lab_entry "$image" lab_make_debug "$source" "$base" || return 1
		image=$lab_cache/$image
		krel=$(basename "$image"/lib/modules/*)
		build=$image/build
		;;
	esac

	version="$version $profile"
	initrd=initrd-$(cat "$lab_vm/init.c" <(echo "$image") | lab_hash)
	lab_entry "$initrd" lab_make_initrd "$krel" "$image" || return 1
	smc_lo=smc-$(lab_module_hash "$base" stock-lo "$image" "$version")
	lab_entry "$smc_lo" lab_make_smc "$build" --no-patch --base "$base" \
		"$source" || return 1
	smc_inet=smc-$(lab_module_hash "$base" inet "$image" "$version")
	lab_entry "$smc_inet" lab_make_smc "$build" --base "$base" "$source" ||
		return 1
	splat=splat-$({
		echo "$image"
		gcc --version
		cat "$lab_vm/labsplat"/*
	} | lab_hash)
	lab_entry "$splat" lab_make_splat "$build" || return 1
	nginx=nginx-$(lab_candidate nginx)
	lab_entry "$nginx" lab_unpack nginx || return 1
	postgres=postgres-$(lab_candidate postgresql-15)
	lab_entry "$postgres" lab_unpack postgresql-15 postgresql-client-15 ||
		return 1
	mkdir -p "${stamp%/*}"
	printf '%s=%s\n' inputs "$(lab_inputs)" nginx "$nginx" \
		postgres "$postgres" krel "$krel" \
		image "$image" initrd "$initrd" smc_lo "$smc_lo" \
		smc_inet "$smc_inet" splat "$splat" >"$stamp.tmp"
	mv "$stamp.tmp" "$stamp"
}
