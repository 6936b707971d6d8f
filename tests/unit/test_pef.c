/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include <sys/mman.h>

#include "base/error.h"
#include "base/file.h"
#include "tee/pef.h"
#include "tee/tee.h"

/* ---- A machine of the test: content of svm, or NULL where there is no such file ---- */

static const char *svm;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open64(const char *path, int flags, ...)
{
	int fd;

	(void)flags;
	if (strcmp(path, "/sys/devices/system/cpu/svm") != 0 || !svm) {
		errno = ENOENT;
		return -1;
	}
	fd = memfd_create("svm", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(file_pwrite(fd, svm, strlen(svm), 0), 0);
	return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
	return __wrap_open64(path, flags);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	fail_msg("ioctl 0x%lx on %d", request, fd);
	return -1;
}

static void secure_guest_is_detected(void **state)
{
	(void)state;
	svm = "1\n";
	assert_int_equal(tee_pef_detect(), 1);
	svm = "0\n";
	assert_int_equal(tee_pef_detect(), 0);
	svm = "";
	assert_int_equal(tee_pef_detect(), 0);
	svm = NULL;
	assert_int_equal(tee_pef_detect(), 0);
}

/* Detection says what it is, and what to use instead of evidence. */
static void detection_names_it(void **state)
{
	const struct tee_context context = {};
	const struct tee_ops *found = NULL;

	(void)state;
	svm = "1\n";
	assert_int_equal(tee_find("auto", &context, &found), -ENODEV);
	assert_non_null(strstr(fail_sentence(-ENODEV), "Power PEF"));
	assert_non_null(strstr(fail_sentence(-ENODEV), "vTPM"));
	svm = NULL;
	assert_int_equal(tee_find("auto", &context, &found), -ENODEV);
	assert_null(strstr(fail_sentence(-ENODEV), "Power PEF"));
	assert_null(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secure_guest_is_detected),
		cmocka_unit_test(detection_names_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
