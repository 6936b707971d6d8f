/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/console.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <termios.h>

/* The console may be in raw mode: bring the carriage back ourselves. */
#define LINE_END "\r\n"

void console_line(const char *format, ...)
{
	cleanup(closep) int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	char line[1024];
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	file_write(fd, line, strlen(line));
	file_write(fd, LINE_END, strlen(LINE_END));
	tcdrain(fd);
}
