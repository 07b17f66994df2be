#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What bash offers behind smc_run: bash-completion's own functions run ours.
set -euo pipefail
# shellcheck source=../lib/runlib.sh
. "$SMC_SOURCE_DIR/tests/lib/runlib.sh"

mkdir "$T_TMP/bin" "$T_TMP/conf dir"
touch "$T_TMP/smc.conf" "$T_TMP/conf dir/x"
cat >"$T_TMP/bin/systemctl" <<'END'
#!/bin/sh
case $* in
*--user*) echo "mine.service enabled" ;;
*) printf '%s enabled\n' redis.service redis@.service nginx.service ;;
esac
END
printf '#!/bin/sh\n' >"$T_TMP/bin/some-command"
chmod 755 "$T_TMP/bin"/*
PATH=$T_TMP/bin:$PATH
cd "$T_TMP"

# offers LINE WANT NAME: what is offered at the end of the line, sorted
offers() {
	t_is "$(bash -c '
		set +u
		. /usr/share/bash-completion/bash_completion
		. "$SMC_SOURCE_DIR/conf/bash-completion/smc_run"
		complete -W "alpha beta" some-command
		COMP_LINE=$1 COMP_POINT=${#1}
		# = and : are words, as they are to readline.
		split=$(sed "s/[=:]/ & /g" <<<"$1")
		read -ra COMP_WORDS <<<"$split"
		[[ $split != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_smc_run 2> >(grep -v "compopt: not currently" >&2)
		printf "%s\n" "${COMPREPLY[@]}" | sort | paste -sd " " -
	' sh "$1")" "$2" "$3"
}

# --bpf=on|off are two words
listed=$("$SMC_BUILD_DIR/smc_run" -h |
	grep -oE '(^|[[| ])--?[a-z][a-z-]*(=[a-z]+(\|[a-z]+)*)?' | tr -d '[ ' |
	awk -F '[=|]' '!/=/ { print; next } { for (i = 2; i <= NF; i++) print $1 "=" $i }' |
	sed 's/^|//' | sort -u | paste -sd ' ' -)
offers "smc_run -" "$listed" "all options of smc_run -h, and no others"
offers "smc_run --s" "--strict --summary --systemd" "options that begin so"
offers "smc_run -f " "auto inet smc" "families"
offers "smc_run -df i" "inet" "families, behind a bundle"
offers "smc_run -r " "" "a size is nobody's to guess"
offers "smc_run --rule " "use" "rules"
offers "smc_run --deny p" "private" "names of networks"
offers "smc_run --config smc" "smc.conf" "files"
offers "smc_run --config=smc" "smc.conf" "files, behind ="
offers "smc_run some-com" "some-command" "commands"
offers "smc_run -f inet --deny 10.0.0.0/8 some-com" "some-command" \
	"commands, behind options"
offers "smc_run some-command al" "alpha" "the command's own"
offers "smc_run --config=x:y --rule use -dr 64k -- some-command be" "beta" \
	"the command's own, behind options with = and :"
offers "smc_run --explain c" "connect" "roles"
offers "smc_run --explain connect 10.0.0.1:80 some-com" "some-command" \
	"a program to explain"
offers "smc_run --systemd " "disable enable status" "verbs"
offers "smc_run --systemd enable r" "redis.service redis@.service" "units"
offers "smc_run --user --systemd=disable " "mine.service" "units of the user"
offers "smc_run --list-rules some-com" "" "nothing behind a query that takes nothing"
offers "smc_run --check some-com" "some-command" "a command to check"
t_done
