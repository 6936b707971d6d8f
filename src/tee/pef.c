/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/file.h"
#include "tee/pef.h"

/* Linux, Documentation/ABI/testing/sysfs-devices-system-cpu. */
#define SVM_PATH "/sys/devices/system/cpu/svm"

int tee_pef_detect(void)
{
	cleanup(freep) char *text = NULL;
	size_t size;

	return file_read_all(SVM_PATH, 16, &text, &size) == 0 && size > 0 && text[0] == '1';
}
