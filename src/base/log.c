/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/log.h"

#include <stdarg.h>
#include <syslog.h>

static bool debug;

static void printf_like(2, 0) log_line(int level, const char *format, va_list args)
{
	char line[1024];

	vsnprintf(line, sizeof(line), format, args);
	/* sd-daemon(3): a journal stream takes the level from a prefix. */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", level, line);
	else
		fprintf(stderr, "cvmroot: %s\n", line);
}

#define DEFINE_LOG(name, level, condition)                                                         \
	void log_##name(const char *format, ...)                                                   \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		if (!(condition))                                                                  \
			return;                                                                    \
		va_start(args, format);                                                            \
		log_line(level, format, args);                                                     \
		va_end(args);                                                                      \
	}

DEFINE_LOG(error, LOG_ERR, true)
DEFINE_LOG(info, LOG_INFO, true)
DEFINE_LOG(debug, LOG_DEBUG, debug)

void log_set_debug(bool on)
{
	debug = on;
}
