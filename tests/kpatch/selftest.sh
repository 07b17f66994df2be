#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# kpatch with a tiny kernel and a tiny series: every check can fail, and commits
# come back as the files they were.
#
# The archive and the kernel's build are played by programs in $PATH, which
# compile with the real compiler; git, tar and the preparation of the modules'
# source are the real ones.
set -euo pipefail
# shellcheck source=../lib/tlib.sh
. "$SMC_SOURCE_DIR/tests/lib/tlib.sh"

kpatch=$SMC_SOURCE_DIR/kernel-patches/kpatch
export SMC_LAB_CACHE=$T_TMP/cache KPATCH_DIR=$T_TMP/k REAL_MAKE
REAL_MAKE=$(command -v make)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME='A. Thor' GIT_AUTHOR_EMAIL=thor@example.org
export GIT_COMMITTER_NAME='A. Thor' GIT_COMMITTER_EMAIL=thor@example.org
k=$KPATCH_DIR
kernel=$SMC_LAB_CACHE/linux-1.0-1
tree=$T_TMP/tree

#
# The archive, the build, the kernel
#
mkdir -p "$T_TMP/bin" "$k" \
	"$SMC_LAB_CACHE/headers-1.0-1/usr/src/linux-headers-1.0-amd64"
cat >"$T_TMP/bin/apt-cache" <<'END'
#!/bin/sh
case $1 in
depends) echo "  Depends: $(echo "$2" | sed 's/-6.*/-1.0-amd64/')" ;;
policy) echo "  Candidate: ${FAKE_VERSION:-1.0-1}" ;;
esac
END
cat >"$T_TMP/bin/make" <<'END'
#!/bin/sh
goals=
for arg; do
	case $arg in
	M=*) m=${arg#M=} ;;
	O=*) o=${arg#O=} ;;
	*.o | modules_prepare) goals="$goals $arg" ;;
	esac
done
echo 'warning: the compiler differs from the one used to build the kernel'
rc=0
if [ -n "${m:-}" ]; then
	for file in "$m"/*.c; do
		gcc -Wall -I"$m/uapi" -c -o "${file%.c}.o" "$file" || rc=2
	done
elif [ -n "${o:-}" ]; then
	for goal in $goals; do
		case $goal in
		modules_prepare)
			mkdir -p "$o/include/config"
			echo CONFIG_A=y >"$o/include/config/auto.conf"
			;;
		*)
			mkdir -p "$o/${goal%/*}"
			(cd "$o" && gcc -Wall -I../include -c -o "$goal" "../${goal%.o}.c") || rc=2
			;;
		esac
	done
else
	exec "$REAL_MAKE" "$@"
fi
exit $rc
END
chmod 755 "$T_TMP/bin"/*
PATH=$T_TMP/bin:$PATH

mkdir -p "$kernel"/{net/{smc,core},security/selinux,include/{uapi/linux,trace/events},scripts}
cd "$kernel"
# The unused variable is a warning that was there before.
cat >net/smc/af_smc.c <<'END'
#include <linux/smc.h>
#include "smc.h"

static int unused_before;

int a;
int b;
int c;
int d;
int e;
int f;
int g;
int h;
END
printf '#define SMC_H 1\n' >net/smc/smc.h
printf 'obj-y := af_smc.o\n' >net/smc/Makefile
printf '#define SMC_UAPI 1\n' >include/uapi/linux/smc.h
printf 'int hooks;\nstatic int unused_hooks;\n' >security/selinux/hooks.c
# shellcheck disable=SC2016 # for make
printf 'selinux-y := hooks.o\nobj-$(CONFIG_A) += selinux.o\n' >security/selinux/Makefile
printf '#define SOCK_H 1\n' >include/trace/events/sock.h
printf '#include <trace/events/sock.h>\nint sock = SOCK_H;\n' | tee net/core/sock.c >net/core/off.c
# shellcheck disable=SC2016 # for make
printf 'obj-y := sock.o\nobj-$(CONFIG_OFF) += off.o\n' >net/core/Makefile
cat >scripts/checkpatch.pl <<'END'
my $bad = 0;
my $ignored = join(" ", @ARGV) =~ /--ignore \S*FILE_PATH_CHANGES/;
open(F, $ARGV[-1]);
while (<F>) {
	if (/^\+.*[ \t]$/) { print "ERROR:TRAILING_WHITESPACE: $_"; $bad = 1 }
	if (/^new file/ && !$ignored) { print "WARNING:FILE_PATH_CHANGES: $_"; $bad = 1 }
}
exit $bad;
END
cd "$T_TMP"

#
# A good series, made the way a developer makes one
#
cp -r "$SMC_SOURCE_DIR/kernel-patches/dkms" "$k"
printf '6.12 linux-image-6.12 linux-headers-6.12 linux-source-6.12 1.0-1\n' >"$k/bases"
printf '# the series\n\n# module\n' | tee "$k/series-6.12" >"$k/series-6.1"
printf '# comment\n' >"$k/STATUS"

t_check "a kernel that is not fetched has its own exit status" \
	sh -c '"$@"; [ $? -eq 3 ]' - "$kpatch" check 6.12
t_check "fetch" "$kpatch" fetch 6.12
t_check "apply an empty series" "$kpatch" apply 6.12 "$tree"

# commit SUBJECT: all changes of $tree
commit() {
	git -C "$tree" add --sparse -A
	git -C "$tree" commit -qsm "$1" -m "Because."
}
# edit FILE SCRIPT: sed in $tree
edit() {
	sed -i "$2" "$tree/$1"
}
git -C "$tree" sparse-checkout disable
edit net/smc/af_smc.c 's/^int a;/&\nint a1;\nint a2;/'
commit "net/smc: add a"
edit net/smc/af_smc.c 's/^int h;/&\nint h1;/'
printf 'text\n' >"$tree/net/smc/new.h"
edit include/uapi/linux/smc.h 's/1$/2/'
commit "net/smc: add h"
edit security/selinux/hooks.c 's/^int hooks;/&\nint more;/'
commit "selinux: more hooks"
edit include/trace/events/sock.h 's/1$/2/'
commit "tracing: another number"

t_is "$("$kpatch" refresh 6.12 "$tree")" "added: module/0101-add_a.patch
added: module/0102-add_h.patch
added: in-tree/0601-more_hooks.patch
added: in-tree/0602-another_number.patch" "refresh names what it added"
t_is "$(cat "$k/series-6.12")" "# the series

module/0101-add_a.patch
module/0102-add_h.patch
in-tree/0601-more_hooks.patch
in-tree/0602-another_number.patch
# module" "refresh writes the series"
t_is "$(cat "$k/STATUS")" "# comment
0101-add_a.patch to-submit
0102-add_h.patch to-submit
0601-more_hooks.patch to-submit
0602-another_number.patch to-submit" "refresh writes STATUS"
cat >"$k/series-6.12" <<'END'
# the series

# first
module/0101-add_a.patch

# second
module/0102-add_h.patch

# core
in-tree/0601-more_hooks.patch
in-tree/0602-another_number.patch
# end
END
m1=$k/module/0101-add_a.patch
m2=$k/module/0102-add_h.patch
i1=$k/in-tree/0601-more_hooks.patch
i2=$k/in-tree/0602-another_number.patch
good=$T_TMP/good
cp -r "$k" "$good"
fresh() {
	rm -rf "$k" "$tree"
	cp -r "$good" "$k"
}
sums() {
	(cd "$k" && find . -type f | sort | xargs sha256sum)
}

t_check "the good series passes" "$kpatch" check 6.12
t_is "$("$kpatch" list | awk '{ print $2, $3, $4, $5 }' | paste -sd ,)" \
	"GROUP BASES LINES STATUS,in-tree 6.12 1 to-submit,in-tree 6.12 2 to-submit,module 6.12 2 to-submit,module 6.12 4 to-submit" \
	"list"
t_like "$(FAKE_VERSION=1.0-2 "$kpatch" check 6.12 2>&1 || :)" \
	"6.12: the archive offers 1.0-2, the series was last checked with 1.0-1*" \
	"a newer version is named"

#
# Every check can fail
#
# finds NAME CHECK PATTERN: CHECK fails and says PATTERN; then all is good again
finds() {
	local rc=0 out
	out=$("$kpatch" check 6.12 2>&1) || rc=$?
	t_like "$rc"$'\n'"$out" "1"$'\n'"*kpatch: $3*6.12 $2: FAILED*" "$1"
	fresh
}

cp "$m1" "$k/module/0103-more.patch"
echo '0103-more.patch to-submit' >>"$k/STATUS"
finds "a patch in no series" files "module/0103-more.patch: is in no series (*)"
echo 'in-tree/0603-none.patch' >>"$k/series-6.12"
finds "a line without a file" files "series-6.12: in-tree/0603-none.patch does not exist (*)"
sed -i '/0101/d; s,^module/0102.*,&\nmodule/0101-add_a.patch,' "$k/series-6.12"
finds "the wrong order" files "series-6.12: module/0101-* is out of order after module/0102-*"
sed -i '/0102/d; s,^in-tree/0601.*,&\nmodule/0102-add_h.patch,' "$k/series-6.12"
finds "module after in-tree" files "series-6.12: module/0102-* is module after in-tree *"
sed -i '/0102/d' "$k/STATUS"
finds "no STATUS" files "STATUS: has 0 lines for 0102-add_h.patch, not one"
rm "$k/STATUS"
finds "no STATUS at all" files "STATUS: not found"
sed -i 's/^0102.*/& soon/' "$k/STATUS"
finds "a STATUS that is none" files "STATUS: 0102-add_h.patch: 'to-submit soon' (*)"
echo '0105-gone.patch to-submit' >>"$k/STATUS"
finds "STATUS of no patch" files "STATUS: 0105-gone.patch does not exist (*)"
mv "$m2" "$k/module/0602-add_h.patch"
finds "a number of the other group" files "module/0602-add_h.patch: its number is not of its group (*)"
mv "$m2" "$k/module/0102-Add-H.patch"
finds "a name that is none" files "module/0102-Add-H.patch: is not named *"
printf '%s\n2.39.5\n' '-- ' >>"$m2"
finds "a signature of git" files "module/0102-add_h.patch: is not as format-patch *"

sed -i 's/^ int g;/ int G;/' "$m2"
finds "a context that differs" apply "module/0102-add_h.patch: does not apply to 1.0-1 (*)"
sed -i 's/^ int g;/ int G;/' "$m2"
finds "what does not apply is not built" build "series-6.12: is not built*"

sed -i 's/^+int a1;/+int a1 = b1;/' "$m1"
finds "a module that does not build" build "module/0101-*: does not build (module)*'b1' undeclared*"
# The end of a series may be good: each step has to be.
sed -i 's/^+int a1;/+static int a1;/' "$m1"
finds "a new warning" build "module/0101-*: brings new warnings*a1* defined but not used*"
# In the tree the file is compiled as ../net/smc/af_smc.c.
sed -i 's/^+int a1;/+_Static_assert(sizeof(__FILE__) != 20, "in tree");/' "$m1"
finds "a module that does not build in the tree" build \
	"smc/6.12: net/smc does not build in the tree*static assertion failed: \"in tree\"*"
sed -i 's/^+int more;/+int more = none;/' "$i1"
finds "a kernel that does not build" build "in-tree/0601-*: does not build (in-tree)*'none' undeclared*"
sed -i 's/^+int more;/+static int more;/' "$i1"
finds "a new warning of the kernel" build "in-tree/0601-*: brings new warnings*more* defined but not used*"
sed -i 's/^+#define SOCK_H 2/+#define SOCK_H none/' "$i2"
finds "a header that breaks who includes it" build "in-tree/0602-*: does not build (in-tree)*'none' undeclared*"
sed -i -e 's,include/trace/events/sock.h,net/core/off.c,' -e 's/^@@.*/@@ -2 +2 @@/' \
	-e 's/^-#.*/-int sock = SOCK_H;/' -e 's/^+#.*/+int sock = 2;/' "$i2"
sed -i 's/^@@.*/@@ -1,2 +1,2 @@\n #include <trace\/events\/sock.h>/' "$i2"
finds "a file that nothing compiles" build "in-tree/0602-*: does not build (in-tree)*net/core/off.c: error: nothing *"

sed -i 's/^+int a1;/& /' "$m1"
finds "what checkpatch does not like" checkpatch "module/0101-*: checkpatch --strict is not silent*ERROR:TRAILING_WHITESPACE*"

sed -i 's,in-tree/0601-more_,module/0103-more_,' "$k/series-6.12"
sed -i 's,^0601-more_,0103-more_,' "$k/STATUS"
mv "$i1" "$k/module/0103-more_hooks.patch"
finds "a module patch that leaves its areas" rules "module/0103-more_hooks.patch: touches security/selinux/hooks.c (*)"
for stamp in "(cherry picked from commit 0123456789ab)" \
	"commit 0123456789012345678901234567890123456789 upstream." \
	"[ Upstream commit 0123456789012345678901234567890123456789 ]" \
	"[backport: context]" "Backported-by: A. Thor <thor@example.org>"; do
	sed -i "s/^Because\.\$/$stamp\n\n&/" "$m1"
	finds "the stamp '${stamp:0:18}'" rules "module/0101-*: has a stamp of another tree: *"
done
sed -i '/^Signed-off-by/s/thor/other/' "$m1"
finds "no sign-off of the author" rules "module/0101-*: has no Signed-off-by of its author, A. Thor <thor@example.org>*"

# ported: the first patch as a pair, for 6.12 and 6.1
ported() {
	mkdir -p "$k/port/6.12" "$k/port/6.1"
	printf '6.1 linux-image-6.1 linux-headers-6.1 linux-source-6.1 1.0-1\n' >>"$k/bases"
	sed 's/^int a1/int a_1/; s/^+int a1/+int a_1/' "$m1" >"$k/port/6.1/${m1##*/}"
	mv "$m1" "$k/port/6.12"
	sed 's,^module/0101,port/6.1/0101,' "$k/series-6.12" >"$k/series-6.1"
	sed -i 's,^module/0101,port/6.12/0101,' "$k/series-6.12"
}
ported
t_check "a port pair passes, on both bases" "$kpatch" check
fresh
ported
rm "$k/port/6.1/"*
finds "half a port pair" ports "port/6.1/0101-add_a.patch: does not exist (*)"
ported
sed 's/^@@.*/& int z;/' "$k/port/6.12/${m1##*/}" >"$k/port/6.1/${m1##*/}"
finds "an equal port pair" ports "port/6.1/0101-*: is right for 6.12 as well (*)"
ported
t_is "$("$kpatch" ports | grep -v '^ ')" "${m1##*/}:" "the pair is shown"
t_like "$("$kpatch" ports)" "*-+int a1*++int a_1*" "how it differs is shown"
fresh
ported
sed -i '/0602/d' "$k/series-6.1"
finds "alone in one series, without a reason" files "series-6.12: in-tree/0602-* is not in series-6.1 (*)"

#
# From files to commits and back
#
# rebase SCRIPT TODO: TODO edits the list of commits, SCRIPT runs at "edit"
rebase() {
	GIT_EDITOR=: GIT_SEQUENCE_EDITOR="sed -i -e '$1'" git -C "$tree" rebase -qi pristine >/dev/null 2>&1
}
applied() {
	fresh
	"$kpatch" apply 6.12 "$tree" >/dev/null
}

applied
before=$(sums)
t_is "$("$kpatch" refresh 6.12 "$tree")" "" "unchanged: nothing to say"
t_is "$(sums)" "$before" "unchanged: every byte"
sed -i 's/^index [0-9a-f]*\.\./index 0123456../; s/^@@ -\([0-9,]*\) +\([0-9,]*\) @@.*/@@ -\1 +\2 @@ other/' "$m1"
before=$(sums)
"$kpatch" refresh 6.12 "$tree"
t_is "$(sums)" "$before" "unchanged: ids and functions of another repository stay"

applied
GIT_EDITOR='sed -i 1s/.*/selinux:\ other\ words/' GIT_SEQUENCE_EDITOR="sed -i -e '3s/pick/reword/'" \
	git -C "$tree" rebase -qi pristine >/dev/null 2>&1
t_is "$("$kpatch" refresh 6.12 "$tree")" "changed: ${i1#"$k"/}" "a reworded commit keeps its file"
t_like "$(cat "$i1")" "*Subject: \[PATCH\] selinux: other words*" "a reworded commit is written"
t_is "$(cat "$k/series-6.12" "$k/STATUS")" "$(cat "$good/series-6.12" "$good/STATUS")" \
	"a reworded commit keeps series and STATUS"

# Makes two commits of the first.
split_first() {
	rebase '1s/pick/edit/'
	git -C "$tree" reset -q HEAD^
	edit net/smc/af_smc.c '/a2/d'
	commit "net/smc: add a1"
	edit net/smc/af_smc.c 's/^int a1;/&\nint a2;/'
	commit "net/smc: add a2"
	GIT_EDITOR=: git -C "$tree" rebase --continue >/dev/null 2>&1
}

applied
split_first
# No number is free between two neighbours, so room is made first.
t_like "$("$kpatch" refresh 6.12 "$tree" 2>&1)" \
	"kpatch: commit * \"net/smc: add a1\": no number for a patch of module between 0 and 101 (*)" \
	"a split without room for a number is refused"
t_is "$(sums)" "$(cd "$good" && find . -type f | sort | xargs sha256sum)" "... and nothing is written"
fresh
sed -i 's/0101-add_a/0110-add_a/; s/0102-/0120-/' "$k/series-6.12" "$k/STATUS"
mv "$m1" "$k/module/0110-add_a.patch"
mv "$m2" "$k/module/0120-add_h.patch"
"$kpatch" apply 6.12 "$tree"
split_first
t_is "$("$kpatch" refresh 6.12 "$tree")" "added: module/0101-add_a1.patch
changed: module/0110-add_a.patch" "a split commit: its end keeps the file"
t_is "$(sed -n '3,5p' "$k/series-6.12")" "module/0101-add_a1.patch
# first
module/0110-add_a.patch" "a split commit in the series"
t_check "a split series passes" "$kpatch" check 6.12
t_is "$("$kpatch" refresh 6.12 "$tree")" "" "a second refresh has nothing to do"

applied
rebase '2d'
t_is "$("$kpatch" refresh 6.12 "$tree")" "vanished: ${m2#"$k"/}" "a dropped commit vanishes"
t_is "$(ls "$k/module"; grep -c 0102 "$k/series-6.12" "$k/STATUS")" "${m1##*/}
$k/series-6.12:0
$k/STATUS:0" "... from files, series and STATUS"
t_is "$(grep '#' "$k/series-6.12" | paste -sd ' ')" "# the series # first # second # core # end" \
	"comments of the series stay"

applied
rebase '2s/pick/fixup/'
t_is "$("$kpatch" refresh 6.12 "$tree")" "vanished: ${m2#"$k"/}
changed: ${m1#"$k"/}" "a commit melted into another"

applied
rebase '2{h;d};3{G}'
t_like "$("$kpatch" refresh 6.12 "$tree" 2>&1)" "out of order: module/0102-* (*" "a moved commit is named"
t_is "$(grep '^[a-z]' "$k/series-6.12" | paste -sd ' ')" \
	"${m1#"$k"/} ${i1#"$k"/} ${m2#"$k"/} ${i2#"$k"/}" "the series has the order of the commits"

applied
echo dirty >>"$tree/net/smc/smc.h"
t_like "$("$kpatch" refresh 6.12 "$tree" 2>&1)" "kpatch: $tree: there are changes without a commit (*)" \
	"refresh refuses changes without a commit"

# A conflict is resolved in the tree; the commits know their files all the same.
fresh
sed -i 's/^ int g;/ int G;/' "$m2"
t_like "$("$kpatch" apply 6.12 "$tree" 2>&1)" "*kpatch: ${m2#"$k"/}: does not apply to 1.0-1 (*)" \
	"apply names the patch that does not apply"
t_like "$("$kpatch" refresh 6.12 "$tree" 2>&1)" "kpatch: $tree: git am or rebase is not finished (*)" \
	"refresh refuses half a series"
edit net/smc/af_smc.c 's/^int h;/&\nint h1;/'
git -C "$tree" add -A
git -C "$tree" am -q --continue
t_is "$("$kpatch" refresh 6.12 "$tree")" "changed: ${m2#"$k"/}" "a resolved patch comes back alone"
t_check "the good files of a resolved series" cmp "$i2" "$good/${i2#"$k"/}"

#
# export, usage
#
fresh
t_check "export" "$kpatch" export 6.12 "$T_TMP/whole"
t_is "$(cat "$T_TMP/whole/security/selinux/hooks.c"; ls -A "$T_TMP/whole")" "int hooks;
int more;
static int unused_hooks;
$(ls -A "$kernel")" "the exported tree is patched and has no git"
t_check "export of the modules" "$kpatch" export 6.12 --group module "$T_TMP/module"
t_is "$(ls "$T_TMP/module"; cat "$T_TMP/module/uapi/linux/smc.h")" "Kbuild
Makefile
af_smc.c
new.h
smc.h
uapi
#define SMC_UAPI 2" "the exported modules"
t_like "$("$kpatch" export 6.12 "$T_TMP/whole" 2>&1)" "kpatch: $T_TMP/whole: exists already" \
	"export into something that is there"

# misused WORDS...
misused() {
	local rc=0
	"$kpatch" "$@" >"$T_TMP/got" 2>&1 || rc=$?
	t_is "$rc $(grep -c '^kpatch: .*: .*(.*)$' "$T_TMP/got") $(wc -l <"$T_TMP/got")" "2 1 1" "usage: kpatch $*"
}
misused
misused frobnicate
misused check 5.10
misused check 6.12 more
misused apply 6.12
misused apply 5.10 "$T_TMP/none"
misused refresh 6.12
misused export 6.12
misused export 6.12 --group core "$T_TMP/none"
misused list all
t_like "$("$kpatch" --help)" "usage: kpatch VERB*" "usage: kpatch --help"
t_is "$(cd "$T_TMP" && ls -d none .kpatch* k/.kpatch* cache/tmp.* 2>/dev/null)" "" "nothing is left lying about"
t_done
