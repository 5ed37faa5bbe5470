# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What every command of this repository shares. Sourced, never run:
#
#	. "$(dirname "$0")/lib.sh"
#
# Rules the commands keep:
#  - an error is one clear sentence on stderr and a status that is not 0 (die);
#  - progress goes to stderr, so that stdout is free for an answer (a path);
#  - a step of more than a few seconds says what it does, how far it is and how
#    long it took (run_logged); its whole output is in build/logs/<step>.log;
#  - what takes long to make is made under another name and renamed when whole,
#    so an interrupted run leaves nothing that looks finished.

set -eu
export LC_ALL=C
# A make that called us must not steer the makes that we call.
unset MAKEFLAGS MFLAGS MAKELEVEL GNUMAKEFLAGS MAKEOVERRIDES || true

TOP=${DMA_SPACE_TOP:-$(cd "$(dirname "$0")" && while [ ! -f BASE ] && [ "$PWD" != / ]; do cd ..; done; pwd)}
BUILD=${DMA_SPACE_BUILD:-$TOP/build}
CACHE=${XDG_CACHE_HOME:-${HOME:-$BUILD}/.cache}/dma-space
LOGS=$BUILD/logs
REPORT=$BUILD/report
# One's own kernel tree (LINUX=<dir>) has a checkout and builds of its own, so
# that changing between it and Debian's source throws nothing away.
LINUX=${LINUX:-}
if [ -n "$LINUX" ]; then
	TREE=$BUILD/linux-own
	KDIR=$BUILD/k-own
else
	TREE=$BUILD/linux
	KDIR=$BUILD/k
fi
KSRC=$KDIR/linux
PROG=${0##*/}
# These are read by the scripts that source this file.
export TOP BUILD CACHE LOGS REPORT TREE KDIR KSRC LINUX

die() {
	printf '%s: %s\n' "$PROG" "$*" >&2
	exit 1
}

note() {
	printf '%s\n' "$*" >&2
}

# ---- leaving: what is half made goes, what runs is ended --------------------

_cleanup_paths=
_child=

# on_exit_remove <path>: remove it when this script ends, however it ends.
on_exit_remove() {
	_cleanup_paths="$_cleanup_paths
$1"
}

_end_child() {
	[ -n "$_child" ] || return 0
	# All of its group. (dash's kill knows no --.)
	kill -TERM "-$_child" 2>/dev/null || true
	wait "$_child" 2>/dev/null || true
	_child=
}

# A script may define at_exit() for what it has to put back.
_leave() {
	_rc=$?
	trap - EXIT
	trap '' INT TERM HUP
	_end_child
	if command -v at_exit >/dev/null; then
		at_exit || true
	fi
	printf '%s\n' "$_cleanup_paths" | while IFS= read -r _p; do
		[ -z "$_p" ] || rm -rf -- "$_p"
	done
	exit "$_rc"
}

_interrupted() {
	printf '\n%s: interrupted; run the same command again to go on\n' "$PROG" >&2
	exit 130
}
trap _leave EXIT
trap _interrupted INT TERM HUP

# ---- progress ---------------------------------------------------------------

now() {
	date +%s
}

# elapsed <start>: "75 s" or "4 min 05 s"
elapsed() {
	_s=$(($(now) - $1))
	if [ "$_s" -lt 100 ]; then
		printf '%d s' "$_s"
	else
		printf '%d min %02d s' $((_s / 60)) $((_s % 60))
	fi
}

_lines() {
	if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi
}

# The lines of a log that say why a step failed.
_why() {
	{ grep -aniE 'no space left|error|fatal|undefined reference|cannot |unable to|failed|\*\*\*' "$1" |
		grep -avE 'CC |AR |LD ' | head -n 12; } || true
}

# run_logged <step> <what is being done> <command> [args]
# Runs the command with its output in build/logs/<step>.log, and says every few
# seconds how far it is: lines of output, of those it took the last time.
# RUN_UNIT names what a line stands for. Returns only if it succeeded; dies
# otherwise with the lines that matter, unless RUN_SOFT is set (then: status).
run_logged() {
	_step=$1
	_what=$2
	shift 2
	mkdir -p "$LOGS"
	_log=$LOGS/$_step.log
	_t0=$(now)
	_of=
	_far=
	_last=$CACHE/lines/$_step
	[ ! -s "$_last" ] || [ "$(cat "$_last")" -lt 50 ] || _of=" of about $(cat "$_last")"
	: >"$_log"
	# A session of its own: Ctrl-C reaches this shell, which ends them all.
	setsid "$@" >"$_log" 2>&1 </dev/null 7>&- 8>&- 9>&- &
	_child=$!
	note "  $_what ..."
	_pause=0.05
	_next=$((_t0 + 10))
	while kill -0 "$_child" 2>/dev/null; do
		# In the background, or a signal would wait for its end.
		sleep $_pause 7>&- 8>&- 9>&- &
		wait $! || true
		[ $(($(now) - _t0)) -lt 2 ] || _pause=0.5
		[ "$(now)" -ge "$_next" ] || continue
		_next=$((_next + 10))
		kill -0 "$_child" 2>/dev/null || break
		_n=$(_lines "$_log")
		[ "$_n" -lt 50 ] || _far="$_n$_of ${RUN_UNIT:-lines}, "
		note "  $_what: $_far$(elapsed "$_t0")"
	done
	_rc=0
	wait "$_child" || _rc=$?
	_child=
	if [ "$_rc" -eq 0 ]; then
		mkdir -p "$CACHE/lines"
		_lines "$_log" >"$_last"
		note "  $_what: done in $(elapsed "$_t0")"
		return 0
	fi
	[ -z "${RUN_SOFT:-}" ] || return "$_rc"
	_why "$_log" >&2
	if grep -aqi 'no space left' "$_log"; then
		die "the disk is full: $_what did not finish (whole log: $_log)"
	fi
	die "failed: $_what (status $_rc; whole log: $_log)"
}

# ---- space and locks --------------------------------------------------------

# need_space <directory> <MiB> <what for>
need_space() {
	_d=$1
	while [ ! -d "$_d" ]; do _d=$(dirname "$_d"); done
	_free=$(df -Pk "$_d" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "$_free" -ge "$2" ] ||
		die "not enough disk space: $3 needs $2 MiB in $_d and $_free MiB are free"
}

# lock <file>: two runs that would write the same thing take turns. A command
# that another one called while holding the lock passes. Held until exit.
# At most three by one script: they live in descriptors 9, 8 and 7.
_locks=0
lock() {
	case " ${DMA_SPACE_LOCKS:-} " in
	*" $1 "*) return 0 ;;
	esac
	command -v flock >/dev/null || die "flock is missing (package util-linux)"
	mkdir -p "$(dirname "$1")"
	_locks=$((_locks + 1))
	_fd=$((10 - _locks))
	eval "exec $_fd>>\"\$1\""
	if ! flock -n "$_fd"; then
		note "  waiting for another run that holds $1 ..."
		flock "$_fd"
	fi
	DMA_SPACE_LOCKS="${DMA_SPACE_LOCKS:-} $1"
	export DMA_SPACE_LOCKS
}

# ---- architectures ----------------------------------------------------------

# arch_facts <architecture>: sets ARCH_CROSS, the prefix of its compiler,
# ARCH_IMAGE, the kernel below its build directory, and ARCH_DEBIAN, what Debian
# calls it. (What the machines are is in vm/arch.py.)
# shellcheck disable=SC2034 # read by the scripts that source this file
arch_facts() {
	case $1 in
	arm) ARCH_CROSS=arm-linux-gnueabihf- ARCH_IMAGE=arch/arm/boot/zImage ARCH_DEBIAN=armhf ;;
	arm64) ARCH_CROSS=aarch64-linux-gnu- ARCH_IMAGE=arch/arm64/boot/Image ARCH_DEBIAN=arm64 ;;
	x86_64) ARCH_CROSS=x86_64-linux-gnu- ARCH_IMAGE=arch/x86/boot/bzImage ARCH_DEBIAN=amd64 ;;
	*) die "no such architecture: $1" ;;
	esac
}

# ---- git --------------------------------------------------------------------

# What git writes for us must not depend on the user's settings, and the same
# input must give the same commit ids.
plain_git() (
	GIT_CONFIG_GLOBAL=/dev/null
	GIT_CONFIG_NOSYSTEM=1
	GIT_COMMITTER_NAME='dma-space'
	GIT_COMMITTER_EMAIL='dma-space@localhost'
	export GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
	unset GIT_DIR GIT_WORK_TREE || true
	exec git -c gc.auto=0 -c core.autocrlf=false -c advice.detachedHead=false \
		-c core.hooksPath=/dev/null -c commit.gpgSign=false -c core.fsync=none "$@"
)

# kernel_version <dir>: "7.3.4" from its Makefile, nothing if it has none
kernel_version() {
	[ -f "$1/Makefile" ] || return 0
	awk -F' *= *' '
		/^VERSION =/ { v = $2 } /^PATCHLEVEL =/ { p = $2 }
		/^SUBLEVEL =/ { s = $2; print v "." p "." s; exit }' "$1/Makefile"
}

# need_base_version <dir>: it must be a kernel tree of the version BASE names.
need_base_version() {
	_v=$(kernel_version "$1")
	[ -n "$_v" ] || die "$1 is not a Linux source tree (no Makefile with a version)"
	_want=$(base_value kernel)
	case $_v in
	"$_want" | "$_want".*) ;;
	*) die "wrong tree: $1 is Linux $_v, the series is for Linux $_want.y" ;;
	esac
}

# base_value <key>: a value of the file BASE
base_value() {
	_bv=$(sed -n "s/^$1:[[:space:]]*//p" "$TOP/BASE" | head -n 1)
	[ -n "$_bv" ] || die "BASE has no line '$1:'"
	printf '%s\n' "$_bv"
}

# ---- the series -------------------------------------------------------------

# The patch files in the order of the series.
series_patches() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$TOP/series"
}

# One checksum over the base, the order and the text of every patch.
series_id() {
	for _p in $(series_patches); do
		[ -f "$TOP/patches/$_p" ] || die "series names $_p, which is not in patches/"
	done
	{
		tree_git rev-parse 'base^{commit}'
		cat "$TOP/series"
		for _p in $(series_patches); do cat "$TOP/patches/$_p"; done
	} | sha256sum | cut -d' ' -f1
}

# The text of all patches, whatever their order and sections.
patches_id() {
	for _p in $(series_patches | sort); do cat "$TOP/patches/$_p"; done | sha256sum | cut -d' ' -f1
}

# agreed <commit>: the branch at this commit and patches/ hold the same.
agreed() {
	tree_git config dmaspace.applied "$(series_id) $1"
	tree_git config dmaspace.patches "$(patches_id)"
}

# The commit that the branch and patches/ last agreed on.
agreed_commit() {
	tree_git config dmaspace.applied | cut -d' ' -f2
}

tree_git() {
	plain_git -C "$TREE" "$@"
}

# scratch_repo <dir> <commit> [path ...]
# A repository that borrows the objects of $TREE and has only the named paths
# checked out: made in a second, thrown away after use, and nothing that is
# done in it can harm the user's tree.
scratch_repo() {
	_dir=$1
	_at=$(tree_git rev-parse "$2^{commit}")
	shift 2
	rm -rf "$_dir"
	plain_git init -q "$_dir"
	tree_git rev-parse --path-format=absolute --git-path objects >"$_dir/.git/objects/info/alternates"
	plain_git -C "$_dir" update-ref HEAD "$_at"
	plain_git -C "$_dir" update-ref refs/tags/base "$(tree_git rev-parse 'base^{commit}')"
	plain_git -C "$_dir" config core.sparseCheckout true
	mkdir -p "$_dir/.git/info"
	printf '/%s\n' .gitattributes "$@" >"$_dir/.git/info/sparse-checkout"
	plain_git -C "$_dir" read-tree -m -u HEAD
}

# apply_series <scratch dir>: git am of the whole series on the base, there.
# The commits are the same each time: the committer's date is the author's.
apply_series() {
	_sdir=$1
	set --
	for _p in $(series_patches); do
		[ -f "$TOP/patches/$_p" ] || die "series names $_p, which is not in patches/"
		set -- "$@" "$TOP/patches/$_p"
	done
	[ $# -gt 0 ] || {
		scratch_repo "$_sdir" base
		return 0
	}
	# shellcheck disable=SC2046 # kernel paths have no spaces
	scratch_repo "$_sdir" base $(sed -n 's/^diff --git a\/\([^ ]*\) b\/\([^ ]*\)$/\1 \2/p' "$@" | tr ' ' '\n' | sort -u)
	mkdir -p "$LOGS"
	plain_git -C "$_sdir" am -q --committer-date-is-author-date "$@" >"$LOGS/am.log" 2>&1 || {
		_why "$LOGS/am.log" >&2
		_n=$(cat "$_sdir/.git/rebase-apply/next" 2>/dev/null || echo 1)
		eval "_p=\${$_n}"
		die "does not apply to the base: ${_p##*/} (whole log: $LOGS/am.log)"
	}
}
