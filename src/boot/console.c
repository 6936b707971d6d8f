/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/console.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <termios.h>

void console_line(const char *format, ...)
{
	cleanup(closep) int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	char line[1024];
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	/* The console may be in raw mode: bring the carriage back ourselves. */
	strcat(line, "\r\n");
	file_write(fd, line, strlen(line));
	tcdrain(fd);
}
