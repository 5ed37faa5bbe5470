# SPDX-License-Identifier: GPL-2.0-only
# Every target is a command in scripts/, whose head says what it does.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.NOTPARALLEL:
.PHONY: help deps tree apply refresh check-sync run compare check check-full review bisect mbox send \
	coccinelle clean distclean

help:
	@echo 'make run         build the kernel with the series, boot it in QEMU, show which drivers work'
	@echo 'make check       all tests; the last line counts them'
	@echo 'make compare     the unpatched kernel beside the series'
	@echo 'make check-full  make check and the longer tests'
	@echo
	@echo 'make tree        the git tree to work in: build/linux, tag base, branch series'
	@echo 'make refresh     write patches/, series and the mirrors from the branch series'
	@echo 'make check-sync  prove that patches/, series and the mirrors belong together'
	@echo 'make apply LINUX=<dir>   git am of the series on your own git tree'
	@echo 'make review      every patch under every check, a table (PATCHES=from-to CHECKS=a,b)'
	@echo 'make bisect      every patch builds, boots and keeps what worked (PATCHES=from-to)'
	@echo 'make mbox        the series as mails, in build/mbox (PART=a|b|c|d SENDER="Name <mail>")'
	@echo 'make send        what git send-email would send; SEND=1 sends (SENDER= PART=)'
	@echo 'make coccinelle  drivers that the semantic patches of the series propose to change'
	@echo 'make deps        install (or name) the Debian packages that are missing'
	@echo 'make clean       remove what was built; make distclean: the cache as well'
	@echo
	@echo 'LINUX=<dir> with run, compare, tree: your own Linux 7.3 tree, which is only read.'
	@echo 'Logs are in build/logs.'

deps:
	@scripts/deps arm64

tree:
	@scripts/deps
	@scripts/tree

apply:
	@scripts/apply

refresh:
	@scripts/refresh

check-sync:
	@scripts/check-sync

run:
	@scripts/deps
	@scripts/run

compare:
	@scripts/deps
	@scripts/compare

check:
	@scripts/deps arm64 review mail
	@scripts/check

check-full:
	@scripts/deps arm64 x86_64 review mail
	@scripts/check --full

review:
	@scripts/deps review
	@scripts/review

bisect:
	@scripts/deps
	@scripts/bisect

mbox:
	@scripts/mbox

send:
	@scripts/deps mail
	@scripts/send

coccinelle:
	@scripts/deps review
	@scripts/coccinelle

clean:
	@scripts/clean

distclean:
	@scripts/clean --cache
