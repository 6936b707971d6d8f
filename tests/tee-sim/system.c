/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

void die(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "tee-sim: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	exit(1);
}

void module_load(const char *path)
{
	struct utsname system;
	char full[512];
	int fd;

	uname(&system);
	snprintf(full, sizeof(full), "/usr/lib/modules/%s/%s.ko.xz", system.release, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	check(fd >= 0, "no module %s", full);
	check(syscall(SYS_finit_module, fd, "", MODULE_INIT_COMPRESSED_FILE) == 0 ||
		      errno == EEXIST,
	      "loading %s failed: %s", full, strerror(errno));
	close(fd);
}

bool fork_server(void)
{
	pid_t child = fork();

	check(child >= 0, "cannot fork: %s", strerror(errno));
	if (child == 0)
		setsid();
	return child > 0;
}

void detach(void)
{
	if (fork_server())
		exit(0);
}
