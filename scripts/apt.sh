# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# apt with a state directory, lists and sources of our own, so that the machine's
# are not touched. Sourced after lib.sh by what gets a package from Debian's
# archive; $work is a directory that the caller makes and removes.

# Where this machine's apt finds Debian, best first. indextargets knows which
# archive is Debian's, but only of lists that were read; --print-uris, with an
# empty directory for the lists, names every source.
archives() {
	mkdir -p "$work/none/partial"
	{
		apt-get indextargets --format '$(ORIGIN)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
			awk -F'|' -v c="$(base_value component)" '$1 == "Debian" && $2 == c { print $3 }'
		apt-get -o "Dir::State::lists=$work/none" --print-uris update |
			sed -n "s|^'\(.*/\)dists/.*Release' .*|\1|p" | grep -i debian
	} 2>/dev/null |
		# The main archive carries all suites; a security archive never does.
		awk '{ sub(/\/*$/, "/") } seen[$0]++ || /security/ { next }
			{ print (/\/debian\/$/ ? 0 : 1) " " $0 }' | sort -s -n -k1,1 | cut -d' ' -f2-
}

# own_sources <types> <uri> <suite> <component> <keyring>
own_sources() {
	mkdir -p "$work/sources.d" "$work/lists/partial" "$work/cache/archives/partial"
	cat >"$work/sources.d/own.sources" <<-EOT
	Types: $1
	URIs: $2
	Suites: $3
	Components: $4
	Signed-By: $5
	EOT
}

own_apt() {
	tool=$1
	shift
	"$tool" -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources.d" \
		-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 \
		-o Acquire::Languages=none -o Acquire::Retries=2 "$@"
}
