/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/console.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <termios.h>

/* The console may be in raw mode: bring the carriage back ourselves. */
#define LINE_END "\r\n"

static void write_line(int fd, const char *format, va_list args) printf_like(2, 0);

/* What a stopped terminal does not take is dropped: nobody may hold up a boot with a key. */
static void write_line(int fd, const char *format, va_list args)
{
	char line[1024];

	vsnprintf(line, sizeof(line), format, args);
	if (file_write(fd, line, strlen(line)) == 0)
		(void)file_write(fd, LINE_END, strlen(LINE_END));
}

static int console_open(void)
{
	return open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
}

void console_line(const char *format, ...)
{
	cleanup(closep) int fd = console_open();
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	write_line(fd, format, args);
	va_end(args);
}

void console_drain(void)
{
	cleanup(closep) int fd = console_open();

	if (fd >= 0)
		tcdrain(fd);
}
