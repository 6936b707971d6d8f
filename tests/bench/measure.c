/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * measure FILE COMMAND...: run a command and write to FILE, in one line, its wall time and CPU time
 * in microseconds and its peak memory in KiB. A process of its own, for the kernel counts the memory
 * of the program that forked as the child's. Of children, those that the command waited for count.
 *
 * measure --count FILE COMMAND...: run it slowly, as its tracer, and write how many processes and
 * further threads there were, and how many programs these ran.
 */
#include "base/macro.h"

#include "clock.h"

#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define FOLLOWED                                                                                   \
	(PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |     \
	 PTRACE_O_EXITKILL)

struct counts {
	long processes, threads, programs;
};

static long long us_of(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

static pid_t start(char **command, bool traced)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* The tracer sets its options while this waits. */
		if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0))
			_exit(127);
		execv(command[0], command);
		_exit(127);
	}
	return pid;
}

static int time_command(char **command, FILE *file, int *ret_status)
{
	struct rusage usage;
	long long begin = now_us();
	pid_t pid = start(command, false);

	if (pid < 0 || wait4(pid, ret_status, 0, &usage) != pid)
		return -errno;
	fprintf(file, "%lld %lld %ld\n", now_us() - begin,
		us_of(usage.ru_utime) + us_of(usage.ru_stime), usage.ru_maxrss);
	return 0;
}

static void count_event(struct counts *counts, int event)
{
	counts->processes += event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK;
	counts->threads += event == PTRACE_EVENT_CLONE;
	counts->programs += event == PTRACE_EVENT_EXEC;
}

/* The signal to go on with: none where the stop is the tracing's own. */
static long signal_of(int status)
{
	int signal = WSTOPSIG(status);

	/* A new process starts with SIGSTOP; no contender sends one. */
	return status >> 16 != 0 || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal;
}

static int count_command(char **command, FILE *file, int *ret_status)
{
	struct counts counts = {.processes = 1};
	pid_t pid = start(command, true), stopped;
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -ECHILD;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, FOLLOWED) < 0 ||
	    ptrace(PTRACE_CONT, pid, NULL, NULL) < 0)
		return -errno;
	/* Until nobody is left, also of those that were left behind. */
	while ((stopped = waitpid(-1, &status, __WALL)) > 0) {
		if (stopped == pid && !WIFSTOPPED(status))
			*ret_status = status;
		if (!WIFSTOPPED(status))
			continue;
		count_event(&counts, status >> 16);
		(void)ptrace(PTRACE_CONT, stopped, NULL, signal_of(status));
	}
	fprintf(file, "%ld %ld %ld\n", counts.processes, counts.threads, counts.programs);
	return 0;
}

int main(int argc, char **argv)
{
	bool count = argc > 1 && strcmp(argv[1], "--count") == 0;
	int status = 0, r;
	FILE *file;

	argv += count ? 2 : 1;
	if (argc < (count ? 4 : 3)) {
		fprintf(stderr, "usage: measure [--count] FILE COMMAND...\n");
		return 2;
	}
	file = fopen(argv[0], "we");
	if (!file)
		return 1;
	r = (count ? count_command : time_command)(argv + 1, file, &status);
	if (fclose(file) != 0 || r < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
