/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Preloaded into a client: the time of day is off by WRONG_CLOCK_SECONDS, and by WRONG_CLOCK_STEP
 * more each time that it is asked for. Other clocks, and what sleeps by them, are left alone, which
 * faketime(1) does not manage.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* They take the place of libc's, whose headers say more about their arguments. */
#define EXPORT __attribute__((visibility("default")))

static time_t number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

static time_t offset(void)
{
	static time_t steps;

	return number("WRONG_CLOCK_SECONDS") + number("WRONG_CLOCK_STEP") * steps++;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret->tv_sec += offset();
	return r;
}

EXPORT int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec time = {};
	int r = clock_gettime(CLOCK_REALTIME, &time);

	(void)zone;
	*ret = (struct timeval){.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};
	return r;
}

EXPORT time_t time(time_t *ret)
{
	struct timespec time = {};

	(void)clock_gettime(CLOCK_REALTIME, &time);
	if (ret)
		*ret = time.tv_sec;
	return time.tv_sec;
}
