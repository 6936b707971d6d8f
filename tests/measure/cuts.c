/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Cut measurements short. A log must agree with its register, or be plainly marked as incomplete,
 *  - when the program is killed before or after any of its system calls, also while it mends what
 *    an earlier kill has left,
 *  - when the register does not take the event, or takes it and says that it did not,
 *  - when the file system takes only so many bytes;
 * and the measurement after that must not make it worse.
 */
#include "cut_logs.h"

#include "crypto/hash.h"
#include "measure/aael.h"
#include "measure/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NO_CUT	 UINT_MAX
#define NO_LIMIT RLIM_INFINITY
#define RTMR	 2
#define PCR	 3

static char folder[] = "/tmp/cvmroot-cuts-XXXXXX";
static struct files files;

/* What the register does; a child takes its copy with it. */
static enum {
	TAKES,
	REFUSES,
	TAKES_AND_FAILS,
} behaviour;

/* ---- Registers ---- */

static int register_read(unsigned int index, uint8_t *ret)
{
	cleanup(closep) int fd = open(files.registers, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, ret, REGISTER_SIZE, index * REGISTER_SIZE);

	return n == REGISTER_SIZE ? 0 : -EIO;
}

static int register_extend(unsigned int index, enum hash_algorithm bank, const uint8_t *digest)
{
	cleanup(closep) int fd = open(files.registers, O_WRONLY | O_CLOEXEC);
	uint8_t value[REGISTER_SIZE], both[2 * REGISTER_SIZE];
	size_t size = hash_size(bank);
	ssize_t n;

	if (behaviour == REFUSES || fd < 0 || register_read(index, value) < 0)
		return -EIO;
	memcpy(both, value, size);
	memcpy(both + size, digest, size);
	if (hash_data(bank, both, 2 * size, value) < 0)
		return -EIO;
	/* One call: a register changes at once. */
	n = pwrite(fd, value, sizeof(value), index * REGISTER_SIZE);
	return n == REGISTER_SIZE && behaviour == TAKES ? 0 : -EIO;
}

static int pcr_extend(void *context, const struct measure_record *record)
{
	(void)context;
	return register_extend(record->pcr, HASH_SHA256, record->digests[HASH_SHA256]);
}

static int rtmr_read(void *context, unsigned int rtmr, uint8_t ret[static RTMR_SIZE])
{
	(void)context;
	return register_read(rtmr, ret);
}

static int rtmr_extend(void *context, unsigned int rtmr, const uint8_t digest[static RTMR_SIZE])
{
	(void)context;
	return register_extend(rtmr, HASH_SHA384, digest);
}

/* ---- The two logs ---- */

static int measure_pcr_log(const char *text)
{
	struct measure_record record = {
		.pcr = PCR,
		.banks = 1U << HASH_SHA256,
		.type = "cut",
		.text = text,
		.boot_id = "189c18dd7ba245f38cf49d9ac154b525",
	};
	int r = hash_data(HASH_SHA256, text, strlen(text), record.digests[HASH_SHA256]);

	return r < 0 ? r : measure_log_extend(files.log, &record, pcr_extend, NULL);
}

static int measure_rtmr_log(const char *text)
{
	const struct aael aael = {
		.log = files.log,
		.journal = files.journal,
		.read = rtmr_read,
		.extend = rtmr_extend,
	};

	return measure_aael_extend(&aael, RTMR, text);
}

static const struct target {
	const char *name;
	int (*measure)(const char *text);
	struct finding (*read)(const struct files *files);
	bool mends; /* a cut is made good by the next measurement */
} targets[] = {
	{"PCR", measure_pcr_log, read_pcr_log, false},
	{"RTMR", measure_rtmr_log, read_rtmr_log, true},
};

/* ---- A measurement in a process of its own ---- */

static _Noreturn void child(const struct target *target, const char *text, rlim_t limit)
{
	const struct rlimit bytes = {.rlim_cur = limit, .rlim_max = limit};

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &bytes) < 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(100);
	raise(SIGSTOP);
	_exit(target->measure(text) < 0 ? 1 : 0);
}

/*
 * 0 or 1 as the measurement succeeded or not; -1 when it was killed, at the @cut-th stop: there is
 * one before and one after each system call.
 */
static int run(const struct target *target, const char *text, unsigned int cut, rlim_t limit)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		child(target, text, limit);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		broken("no child");
	for (unsigned int stop = 0;; stop++) {
		if (stop == cut && kill(pid, SIGKILL) < 0)
			broken("the child cannot be killed");
		if (stop != cut && ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
			broken("no system call can be awaited");
		if (waitpid(pid, &status, 0) < 0)
			broken("no news of the child");
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			return -1;
		if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
			return WEXITSTATUS(status);
		if (!WIFSTOPPED(status))
			broken("the child ended with status %#x", (unsigned int)status);
	}
}

static void remove_leftovers(void)
{
	DIR *stream = opendir(folder);

	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.' || strchr(entry->d_name + 1, 'j'))
			unlink(path);
	}
	if (stream)
		closedir(stream);
}

/* Two events that nothing happened to. */
static void begin(const struct target *target)
{
	cleanup(closep) int fd = -1;

	remove_leftovers();
	fd = open(files.registers, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, REGISTERS * REGISTER_SIZE) < 0)
		broken("%s cannot be made", files.registers);
	if (target->measure("cvmroot first 1") < 0 || target->measure("cvmroot second 2") < 0)
		broken("%s: nothing can be measured", target->name);
}

/* ---- What must hold ---- */

static struct finding check(const struct target *target, const char *when, unsigned int number)
{
	struct finding finding = target->read(&files);

	if (!finding.replays && !finding.incomplete)
		broken("%s, %s %u: the log is %s, does not lead to the register, and has no mark",
		       target->name, when, number, finding.whole ? "whole" : "broken");
	return finding;
}

/* After one more measurement that succeeds. @before: what was found ahead of it. */
static void check_next(const struct target *target, const char *when, unsigned int number,
		       struct finding before, bool must_mend)
{
	int result = run(target, "cvmroot next -", NO_CUT, NO_LIMIT);
	struct finding after = check(target, when, number);

	if (result != 0)
		broken("%s, %s %u: the next measurement failed", target->name, when, number);
	if (must_mend && (after.incomplete || !after.replays))
		broken("%s, %s %u: it was not made good", target->name, when, number);
	if (!target->mends && before.incomplete && !after.incomplete)
		broken("%s, %s %u: the mark is gone", target->name, when, number);
	if (after.whole && after.events <= before.events)
		broken("%s, %s %u: no event was added", target->name, when, number);
}

/* Cuts of the measurement that finds what a cut at @first has left. */
static unsigned int cut_twice(const struct target *target, unsigned int first)
{
	for (unsigned int second = 0;; second++) {
		struct finding finding;

		begin(target);
		(void)run(target, "cvmroot cut -", first, NO_LIMIT);
		if (run(target, "cvmroot again -", second, NO_LIMIT) >= 0)
			return second;
		finding = check(target, "second cut", second);
		check_next(target, "second cut", second, finding, target->mends);
	}
}

static void cut_everywhere(const struct target *target)
{
	unsigned int cuts = 0, marked = 0, twice = 0;

	for (;; cuts++) {
		struct finding finding;

		begin(target);
		if (run(target, "cvmroot cut -", cuts, NO_LIMIT) >= 0)
			break;
		finding = check(target, "cut", cuts);
		check_next(target, "cut", cuts, finding, target->mends);
		if (!finding.incomplete)
			continue;
		marked++;
		twice += cut_twice(target, cuts);
	}
	if (marked == 0 || marked == cuts)
		broken("%s: of %u cuts, %u left a mark", target->name, cuts, marked);
	printf("%s: %u cuts, %u of them marked, %u cuts after those\n", target->name, cuts, marked,
	       twice);
}

static void fail_register(const struct target *target)
{
	for (unsigned int how = REFUSES; how <= TAKES_AND_FAILS; how++) {
		struct finding finding;

		begin(target);
		behaviour = how;
		if (run(target, "cvmroot cut -", NO_CUT, NO_LIMIT) != 1)
			broken("%s: a register that fails is no failure", target->name);
		behaviour = TAKES;
		finding = check(target, "register", how);
		check_next(target, "register", how, finding, target->mends);
	}
}

/* @limit: the size that no file can grow over. */
static void fill_up(const struct target *target)
{
	unsigned int limit, failed = 0;

	for (limit = 0;; limit++) {
		struct finding finding;
		int result;

		begin(target);
		result = run(target, "cvmroot cut -", NO_CUT, limit);
		finding = check(target, "bytes", limit);
		if (result == 0 && (finding.incomplete || !finding.replays))
			broken("%s, bytes %u: a failure was not told", target->name, limit);
		check_next(target, "bytes", limit, finding, false);
		if (result == 0)
			break;
		failed++;
	}
	printf("%s: %u sizes that were too small\n", target->name, failed);
}

int main(void)
{
	if (!mkdtemp(folder))
		broken("no folder");
	snprintf(files.log, sizeof(files.log), "%s/log", folder);
	snprintf(files.journal, sizeof(files.journal), "%s/.journal", folder);
	snprintf(files.registers, sizeof(files.registers), "%s/registers", folder);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		cut_everywhere(&targets[i]);
		fail_register(&targets[i]);
		fill_up(&targets[i]);
	}
	remove_leftovers();
	rmdir(folder);
	return 0;
}
