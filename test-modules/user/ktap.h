/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KTAP for user programs. Everything goes to /dev/kmsg, one write a line, so
 * that lines of several processes and of the kernel never mix inside a line
 * and the host has one log, one clock and one order. The shape is KUnit's (one
 * suite in a document), because the kernel's kunit.py reads both.
 *
 * Not thread-safe: threads return their result, the main thread reports.
 */
#ifndef USER_KTAP_H
#define USER_KTAP_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ktap_fd = -1;
static const char *ktap_suite;
static unsigned int ktap_planned, ktap_done, ktap_failed;

/* One line to the kernel log. Losing a line would be a lie: give up instead. */
__attribute__((format(printf, 1, 2)))
static inline void ktap_log(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (len < 0)
		exit(99);
	if ((size_t)len >= sizeof(line))
		len = sizeof(line) - 1;
	if (ktap_fd < 0)
		ktap_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (ktap_fd < 0 || write(ktap_fd, line, len) != len)
		exit(99);
}

static inline void ktap_begin(const char *suite, unsigned int cases)
{
	ktap_suite = suite;
	ktap_planned = cases;
	ktap_log("KTAP version 1");
	ktap_log("1..1");
	ktap_log("    KTAP version 1");
	ktap_log("    # Subtest: %s", suite);
	ktap_log("    1..%u", cases);
}

static inline void ktap_case(bool ok, const char *name)
{
	ktap_done++;
	if (!ok)
		ktap_failed++;
	ktap_log("    %s %u %s", ok ? "ok" : "not ok", ktap_done, name);
}

static inline void ktap_skip(const char *name, const char *why)
{
	ktap_done++;
	ktap_log("    ok %u %s # SKIP %s", ktap_done, name, why);
}

/* The exit status: 0 only if every planned case was reported and none failed. */
static inline int ktap_end(void)
{
	bool ok = !ktap_failed && ktap_done == ktap_planned;

	ktap_log("%s 1 %s", ok ? "ok" : "not ok", ktap_suite);
	return ok ? 0 : 1;
}

/*
 * "<dir>/<bdf>" tells init how many bytes a device moved and had compared;
 * init prints them in its DMATEST device line.
 */
static inline void account_bytes(const char *path, unsigned long long bytes)
{
	FILE *f;

	if (!path)
		return;
	f = fopen(path, "w");
	if (!f || fprintf(f, "%llu\n", bytes) < 0 || fclose(f)) {
		ktap_log("# cannot write %s: %s", path, strerror(errno));
		exit(99);
	}
}

#endif
