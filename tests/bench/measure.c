/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * measure FILE COMMAND...: run a command and write to FILE, in one line, its wall time and CPU time
 * in microseconds and its peak memory in KiB. A process of its own, for the kernel counts the memory
 * of the program that forked as the child's.
 */
#include "base/macro.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static long long now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static long long us_of(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	long long start = now_us();
	pid_t pid;
	int status;
	FILE *file;

	if (argc < 3) {
		fprintf(stderr, "usage: measure FILE COMMAND...\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	start = now_us() - start;
	file = fopen(argv[1], "we");
	if (!file)
		return 1;
	fprintf(file, "%lld %lld %ld\n", start, us_of(usage.ru_utime) + us_of(usage.ru_stime),
		usage.ru_maxrss);
	fclose(file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
