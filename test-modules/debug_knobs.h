/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What DMA debugging has in debugfs. A case that makes mistakes looks there for
 * what they have drawn: reports in the log would look like splats.
 */
#ifndef _TEST_DEBUG_KNOBS_H
#define _TEST_DEBUG_KNOBS_H

#include "dma_test.h"

#define DMA_DEBUG_DIR	"/sys/kernel/debug/dma-api/"

/* Files of debugfs take user memory only: the thread of the case gets some. */
static inline char __user *user_memory(struct kunit *test)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
					   PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return (char __user *)addr;
}

static inline int read_knob(struct kunit *test, char __user *user,
			    const char *path)
{
	struct file *file = dt_open(path, O_RDONLY);
	char buf[16] = "";
	loff_t pos = 0;
	int value;
	ssize_t n;

	if (IS_ERR(file))
		kunit_skip(test, "no %s", path);
	n = file->f_op->read(file, user, sizeof(buf) - 1, &pos);
	filp_close(file, NULL);
	KUNIT_ASSERT_GT(test, n, 0);
	KUNIT_ASSERT_EQ(test, copy_from_user(buf, user, n), 0);
	if (buf[0] == 'Y' || buf[0] == 'N')
		return buf[0] == 'Y';
	KUNIT_ASSERT_EQ(test, kstrtoint(buf, 10, &value), 0);
	return value;
}

static inline void write_knob(struct kunit *test, char __user *user,
			      const char *path, int value)
{
	struct file *file = dt_open(path, O_WRONLY);
	char buf[16];
	int len = scnprintf(buf, sizeof(buf), "%d", value);
	loff_t pos = 0;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, copy_to_user(user, buf, len), 0);
	KUNIT_EXPECT_EQ(test, file->f_op->write(file, user, len, &pos), len);
	filp_close(file, NULL);
}

/* Complaints of DMA debugging from the last call to this one. */
static inline int new_errors(struct kunit *test, char __user *user)
{
	static int before;
	int now = read_knob(test, user, DMA_DEBUG_DIR "error_count"), new;

	new = now - before;
	before = now;
	return new;
}

/* Reports are counted, but not shown: that would look like a splat. */
static inline void show_reports(bool on)
{
	static const char *const knobs[] = { DMA_DEBUG_DIR "num_errors" };

	dt_set_knobs(knobs, ARRAY_SIZE(knobs), on ? '1' : '0');
}

/* A suite that makes mistakes: its suite_init and suite_exit. */
static inline int count_only(struct kunit_suite *suite)
{
	show_reports(false);
	return 0;
}

static inline void show_again(struct kunit_suite *suite)
{
	show_reports(true);
}

#endif /* _TEST_DEBUG_KNOBS_H */
