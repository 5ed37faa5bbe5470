# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Tests of the commands in scripts/, with a kernel of a dozen lines in place of
# the real one: packed as a Debian package, with a Makefile that knows the
# targets that kbuild calls. Each test has a copy of this repository of its
# own, so none sees what another left.
#
# A test file sources this, defines functions and calls `t <id> <function>`.
# A test fails by fail, or by a command that ends with a status other than 0.

set -u
HERE=$(cd "$(dirname "$0")/.." && pwd)
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/dma-space-test.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT
trap 'exit 130' INT TERM HUP
unset LINUX DMA_SPACE_TOP DMA_SPACE_BUILD DMA_SPACE_LOCKS KBUILD_LOCK FORCE MAKEFLAGS MFLAGS MAKELEVEL 2>/dev/null || true

fail() {
	echo "# $*"
	exit 1
}

# ends <pid>: within two seconds it is gone, or waits to be reaped
ends() {
	_tries=40
	while kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; do
		_tries=$((_tries - 1))
		[ $_tries -gt 0 ] || return 1
		sleep 0.05
	done
}

# t <id> <function>: in a subshell, in a fresh fixture
t() {
	T=$SCRATCH/$1
	mkdir -p "$T"
	# Not as a condition: there set -e would not count.
	(
		set -e
		fixture
		"$2"
	) >"$T/log" 2>&1
	if [ $? -eq 0 ]; then
		echo "ok $1"
	else
		echo "not ok $1 # $(grep '^# ' "$T/log" | tail -n 1 | cut -c3- || true)"
		sed 's/^/    /' "$T/log" | tail -n 15 >&2
	fi
	rm -rf "$T"
}

# ---- the fixture ------------------------------------------------------------

tiny_kernel() {
	mkdir -p "$1/kernel/dma" "$1/drivers/iommu" "$1/arch/arm/mm"
	cat >"$1/Makefile" <<-'EOT'
	# a kernel
	VERSION = 7
	PATCHLEVEL = 3
	SUBLEVEL = 4
	EXTRAVERSION =

	allnoconfig: ; grep -v NOT_THERE $(KCONFIG_ALLCONFIG) >$(O)/.config
	zImage: ; @echo "  CC      kernel/dma/direct.o"; \
	! grep -n 'error:' kernel/dma/direct.c && mkdir -p $(O)/arch/arm/boot && \
	cat kernel/dma/*.c drivers/iommu/Kconfig >$(O)/arch/arm/boot/zImage
	Image: ; @mkdir -p $(O)/arch/arm64/boot && cat kernel/dma/*.c >$(O)/arch/arm64/boot/Image
	bzImage: ; @mkdir -p $(O)/arch/x86/boot && cat kernel/dma/*.c >$(O)/arch/x86/boot/bzImage
	modules: ;
	EOT
	# Long enough for hunks with context.
	awk 'BEGIN { for (i = 1; i <= 40; i++) print "line " i }' >"$1/kernel/dma/direct.c"
	cp "$1/kernel/dma/direct.c" "$1/arch/arm/mm/dma-mapping.c"
	cat >"$1/drivers/iommu/Kconfig" <<-'EOT'
	config OTHER_IOMMU
		depends on (ARM64 || X86)

	config VIRTIO_IOMMU
		depends on VIRTIO
		depends on (ARM64 || X86)
	EOT
	mkdir -p "$1/scripts"
	cat >"$1/scripts/get_maintainer.pl" <<-'EOT'
	#!/usr/bin/env perl
	print "Mandy Tainer <mandy\@example.org> (maintainer:DMA)\n";
	print "Rex Viewer <rex\@example.org> (reviewer:DMA)\n";
	print "dma\@lists.example.org (open list:DMA)\n";
	EOT
	: >"$1/MAINTAINERS"
	printf '*\n!.gitignore\n' >"$1/.gitignore"
	printf '*.c diff=cpp\n' >"$1/.gitattributes"
}

tiny_deb() {
	_d=$SCRATCH/deb
	mkdir -p "$_d/DEBIAN" "$_d/usr/src"
	tiny_kernel "$SCRATCH/src/linux-source-7.3"
	tar -C "$SCRATCH/src" -cJf "$_d/usr/src/linux-source-7.3.tar.xz" linux-source-7.3
	cat >"$_d/DEBIAN/control" <<-'EOT'
	Package: linux-source-7.3
	Version: 7.3.4-1~bpo13+1
	Architecture: all
	Maintainer: Nobody <nobody@localhost>
	Description: a kernel for tests
	EOT
	dpkg-deb -Znone --root-owner-group -b "$_d" "$SCRATCH/tiny.deb" >/dev/null
}

# copy_of_us <dir>: this repository with no patches, for the tiny kernel
copy_of_us() {
	mkdir -p "$1/patches" "$1/tests" "$1/test-modules/mutants" "$1/configs"
	cp -a "$HERE/scripts" "$HERE/Makefile" "$1/"
	rm -rf "$1"/scripts/checks*.d/*
	sed "s/^sha256:.*/sha256: $(sha256sum <"$deb" | cut -d' ' -f1)/" "$HERE/BASE" >"$1/BASE"
	: >"$1/series"
	for f in common debug series arm arm-lpae arm-nolpae arm64 x86_64; do
		echo "CONFIG_$(echo $f | tr a-z- A-Z_)=y" >"$1/configs/$f.config"
	done
}

fixture() {
	XDG_CACHE_HOME=$T/cache
	CCACHE_DIR=$T/ccache
	HOME=$T/home
	export XDG_CACHE_HOME CCACHE_DIR HOME
	mkdir -p "$HOME" "$T/bin"
	GIT_CONFIG_GLOBAL=$T/gitconfig GIT_CONFIG_NOSYSTEM=1
	export GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
	git config --global user.name 'Tess Ter'
	git config --global user.email tester@localhost
	git config --global init.defaultBranch main
	deb=$XDG_CACHE_HOME/dma-space/debs/linux-source-7.3_7.3.4-1~bpo13+1_all.deb
	mkdir -p "${deb%/*}"
	[ -f "$SCRATCH/tiny.deb" ] || tiny_deb
	cp "$SCRATCH/tiny.deb" "$deb"
	TOP=$T/top
	copy_of_us "$TOP"
	TREE=$TOP/build/linux
	cd "$TOP"
	PATH=$T/bin:$PATH
	# apt that knows one archive, which refuses the connection
	offline 'http://127.0.0.1:9/debian'
}

# offline [uri]: apt with this archive, or with none
offline() {
	mkdir -p "$T/apt/sources.d"
	: >"$T/apt/sources.d/none.list"
	[ $# -eq 0 ] || echo "deb [trusted=yes] $1 stable main" >"$T/apt/sources.d/none.list"
	cat >"$T/apt/apt.conf" <<-EOT
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$T/apt/sources.d";
	Acquire::http::Proxy "false";
	Acquire::Retries::Delay "false";
	EOT
	export APT_CONFIG="$T/apt/apt.conf"
}

# fake <command> <<'EOT' ... : in the PATH before the real one
fake() {
	{
		echo '#!/bin/sh'
		cat
	} >"$T/bin/$1"
	chmod +x "$T/bin/$1"
}

# commit <file> <text> <subject>: appends to a file of the tree, on series
commit() {
	mkdir -p "$(dirname "$TREE/$1")"
	printf '%s\n' "$2" >>"$TREE/$1"
	git -C "$TREE" add -f "$1"
	git -C "$TREE" commit -q -m "$3" -m 'Why it is done.'
}

# three patches, one of which adds a mirrored file
some_series() {
	scripts/tree
	commit arch/arm/mm/dma-mapping.c 'fix 1' 'ARM: dma-mapping: first fix'
	sed -i 's/^line 20$/line twenty/' "$TREE/kernel/dma/direct.c"
	git -C "$TREE" commit -qam 'dma-mapping: change a line in the middle'
	commit kernel/dma/space.c 'int space;' 'dma-mapping: add spaces'
	scripts/refresh
}

# ---- what is expected -------------------------------------------------------

# refuses <pattern> <command...>: status not 0, and one clear sentence
refuses() {
	_pattern=$1
	shift
	if "$@" >"$T/out" 2>"$T/err"; then
		fail "did not fail: $*"
	fi
	cat "$T/err"
	tail -n 1 "$T/err" | grep -Eq -- "$_pattern" || fail "does not say '$_pattern': $(tail -n 1 "$T/err")"
	[ "$(grep -Ec '^[a-z-]+: ' "$T/err")" -ge 1 ] || fail "no sentence"
	! grep -q 'Traceback' "$T/err" || fail "a traceback instead of a sentence"
}

same() {
	[ "$1" = "$2" ] || fail "${3:-differs}: '$1' is not '$2'"
}

no_leftovers() {
	left=$(find "$TOP/build" "$XDG_CACHE_HOME/dma-space" -mindepth 1 -maxdepth 2 -name '.*.[0-9]*' 2>/dev/null || true)
	[ -z "$left" ] || fail "left behind: $left"
}

# everything in a directory: names, kinds, times, contents
fingerprint() {
	{
		# git touches objects that another repository borrows.
		(cd "$1" && find . ! -path '*/.git/objects/*' -printf '%p %y %m %T@ %s\n' | sort)
		(cd "$1" && find . -type f -exec sha256sum {} + | sort)
	} | sha256sum
}
