#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Formatting, shell scripts, licences, man pages.
set -euo pipefail
# shellcheck source=lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"
cd "$SMC_SOURCE_DIR"

files() {
	git ls-files --cached --others --exclude-standard "$@"
}

scripts() {
	local f line
	files | while read -r f; do
		case $f in
		*.sh) echo "$f" ;;
		*)
			# A file of NULs and no newline must not end the loop.
			IFS= read -r line <"$f" 2>/dev/null || true
			case $line in
			'#!/bin/sh' | '#!/usr/bin/env bash') echo "$f" ;;
			esac
			;;
		esac
	done
}

mapfile -t c_files < <(files '*.c' '*.h' | grep -v '^kernel-patches/')
t_check "C is formatted (clang-format)" \
	clang-format --dry-run --Werror "${c_files[@]}"

mapfile -t sh_files < <(scripts)
t_check "shell scripts (shellcheck)" shellcheck "${sh_files[@]}"

no_licence() {
	local f
	files | while read -r f; do
		case $f in
		LICENSES/* | *.md | *.json | *.patch | .git* | .clang-format | \
			packaging/debian/changelog | packaging/debian/copyright | \
			packaging/debian/source/format | \
			tests/fuzz/corpus/*) continue ;;
		esac
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: \(MIT\|GPL-2.0-only\)' ||
			echo "$f"
	done
}
t_is "$(no_licence)" "" "every file names its licence"

mapfile -t pages < <(files 'docs/man/*')
t_is "$(mandoc -Tlint -W warning "${pages[@]}" 2>&1)" "" "man pages (mandoc)"
t_is "$(man_version() { sed -n 's/^version=//p' smc_run; }; man_version)" \
	"$(sed -n 's/^## \[\?\([0-9.]*\)\]\? .*/\1/p' CHANGELOG.md | head -n 1)" \
	"the launcher's version is the newest of CHANGELOG.md"
t_is "$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" \
	"$(sed -n 's/^version=//p' smc_run)" "... and that of the packages"
t_done
