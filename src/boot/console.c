/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/console.h"

#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <termios.h>

/* The console may be in raw mode: bring the carriage back ourselves. */
#define LINE_END "\r\n"

/* How long a line waits for a terminal that takes nothing. */
#define PATIENCE_MS 1000

/*
 * A busy terminal is waited for, a stopped one (Ctrl-S) only so long: nobody may hold up a boot with
 * a key, and what such a terminal does not take is dropped.
 */
static int write_patiently(int fd, const char *text, size_t size, int64_t deadline)
{
	while (size > 0) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
		int64_t left = deadline - monotonic_ms();
		ssize_t n = write(fd, text, size);

		if (n >= 0) {
			text += n;
			size -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		} else if (left <= 0 || poll(&poll_fd, 1, (int)left) == 0) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

static void write_line(int fd, const char *format, va_list args) printf_like(2, 0);

static void write_line(int fd, const char *format, va_list args)
{
	int64_t deadline = monotonic_ms() + PATIENCE_MS;
	char line[1024];

	vsnprintf(line, sizeof(line), format, args);
	if (write_patiently(fd, line, strlen(line), deadline) == 0)
		(void)write_patiently(fd, LINE_END, strlen(LINE_END), deadline);
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
