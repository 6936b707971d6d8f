/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Lets each call that cvmroot's libraries make fail in turn, in each way that the call can fail, and
 * looks at what is left.
 *
 *	faults --list                    names with their seconds, one a line
 *	faults NAME [-v]                 the first call of each place
 *	faults NAME-every-call [-v]      every call
 */
#include "scenario.h"

#include "base/error.h"
#include "base/wipe.h"
#include "crypto/hash.h"

#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define EVERY_CALL     "-every-call"
#define RUN_SECONDS    60
#define FINDINGS_SHOWN 40
/*
 * Of one call, without "-every-call": jansson 2.14 itself does not survive each later one, or keeps
 * silent about it. What json_parse() makes of them is in tests/unit/test_broker_pure.c.
 */
#define ALLOCATIONS_MAX 1

/* Only there with the sanitizer. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

char folder[] = "/tmp/cvmroot-faults.XXXXXX";
static const struct scenario *scenario;
static bool verbose;
static bool is_run; /* a child, of whose report the program tells */

/* What a child found; its sentence is for people. */
struct report {
	bool fired, failed;
	char text[1024];
};
static struct report *report;
static struct fault_sites *sites;
static unsigned int faults, failed_runs, findings;
static bool was_fired; /* in the last run */

/* ---- For scenarios ---- */

const char *in_folder(const char *name)
{
	static char paths[4][128];
	static unsigned int next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

void write_file(const char *name, const void *data, size_t size)
{
	FILE *file = fopen(in_folder(name), "we");

	if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		wrong("%s cannot be written", name);
}

_Noreturn void wrong(const char *format, ...)
{
	va_list args;

	fault_off();
	va_start(args, format);
	vsnprintf(report->text, sizeof(report->text), format, args);
	va_end(args);
	if (!is_run || verbose)
		fprintf(stderr, "%s\n", report->text);
	_exit(1);
}

void must(int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "faults: %s: %s\n", what, fail_sentence(r));
		_exit(2);
	}
}

void in_child(int (*step)(void), const char *what)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		must(step(), what);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "faults: %s did not work\n", what);
		_exit(2);
	}
}

/* ---- What a child looks at when its run has ended ---- */

static unsigned int open_files(void)
{
	DIR *files = opendir("/proc/self/fd");
	unsigned int count = 0;

	if (!files)
		wrong("/proc/self/fd cannot be read");
	while (readdir(files))
		count++;
	closedir(files);
	return count;
}

static bool is_in_list(const char *word)
{
	return scenario->survives && strstr(scenario->survives, word);
}

/* By its name, or as "function@caller". */
static bool may_survive(const struct fault_site *site)
{
	const char *name = fault_functions[site->function].name;
	const char *caller = name_of_address(site->caller);
	char word[128];

	snprintf(word, sizeof(word), " %s ", name);
	if (is_in_list(word))
		return true;
	snprintf(word, sizeof(word), " %s@%.*s ", name, (int)strcspn(caller, "+."), caller);
	return is_in_list(word);
}

static bool is_memory(const char *name, const struct fault_kind *kind)
{
	return kind->how == FAULT_ALLOCATION || kind->error == ENOMEM ||
	       strcmp(name, "madvise") == 0 ||
	       (strncmp(name, "crypt_", 6) == 0 && kind->value == -ENOMEM);
}

static void check_sentence(const char *name, const struct fault_kind *kind, int r)
{
	const char *sentence = fail_sentence(r), *generic = strerror(-r);
	size_t size = strlen(sentence);
	bool bare = strcmp(sentence, generic) == 0;

	if (!bare && !fault_has_sentence(r))
		wrong("a sentence of an earlier failure: %s", sentence);
	if (bare && r != -ENOMEM && !scenario->silent)
		wrong("no sentence, only: %s", sentence);
	if (size == 0 || strchr(".:, \n", sentence[size - 1]) || strstr(sentence, "(null)") ||
	    strstr(sentence, "Success") || strstr(sentence, "  "))
		wrong("no good sentence: \"%s\"", sentence);
	/* Whoever reads it must not look for the fault at a wrong place. */
	if (is_memory(name, kind)) {
		if (!strstr(sentence, "memory"))
			wrong("not said that memory is short: %s", sentence);
		return;
	}
	if (kind->how == FAULT_RETURN && kind->error != 0 && r != -kind->error &&
	    !strstr(sentence, strerror(kind->error)))
		wrong("not said that it is \"%s\": %s", strerror(kind->error), sentence);
}

/* A call that was interrupted, or did half of its work, is gone on with. */
static bool is_no_failure(const struct fault_kind *kind)
{
	return kind->how == FAULT_SHORT || kind->error == EINTR;
}

static void check_result(const struct fault_site *site, const struct fault_kind *kind, int r)
{
	const char *name = fault_functions[site->function].name;

	if (r > 0)
		wrong("%d was returned", r);
	if (r == 0 && !is_no_failure(kind) && !may_survive(site))
		wrong("the failure went unnoticed");
	if (r < 0 && is_no_failure(kind) && !may_survive(site))
		wrong("not gone on with: %s", fail_sentence(r));
	if (r < 0 && !is_no_failure(kind))
		check_sentence(name, kind, r);
}

static void check_traces(unsigned int files_before)
{
	const char *where;
	unsigned int number;

	if (open_files() != files_before)
		wrong("%d files are left open", (int)(open_files() - files_before));
	if (fault_mappings() != 0)
		wrong("%d mappings are left", fault_mappings());
	/* The sanitizer's own memory takes long to search. */
	if (__lsan_do_recoverable_leak_check) {
		if (__lsan_do_recoverable_leak_check() != 0)
			wrong("memory is leaked");
		return;
	}
	where = find_known_secret(&number);
	if (where)
		wrong("secret %u is left in %s", number, where);
}

/* ---- Children ---- */

static void run_fault(const struct fault_site *site, unsigned int call,
		      const struct fault_kind *kind)
{
	const char *name = fault_functions[site->function].name;
	unsigned int files = open_files();
	int r;

	alarm(RUN_SECONDS);
	fail_clear();
	fault_arm(site, call, kind);
	r = scenario->run();
	fault_off();
	report->fired = fault_has_fired();
	report->failed = r < 0;
	if (verbose && r < 0)
		printf("%s in %s: %s\n", name, name_of_address(site->caller), fail_sentence(r));
	if (report->fired)
		check_result(site, kind, r);
	else if (r < 0)
		wrong("failed by itself: %s", fail_sentence(r));
	check_traces(files);
	fflush(stdout);
	_exit(0);
}

static void run_alone(int (*run)(void), const char *when)
{
	unsigned int files = open_files();
	int r;

	alarm(RUN_SECONDS);
	fail_clear();
	r = run();
	fault_off();
	if (r < 0)
		wrong("%s: %s", when, fail_sentence(r));
	check_traces(files);
	_exit(0);
}

/* How a child ended; NULL when it found nothing. */
static const char *wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return "no child";
	if (WIFSIGNALED(status))
		snprintf(report->text, sizeof(report->text), "killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		return NULL;
	else if (report->text[0] == '\0')
		snprintf(report->text, sizeof(report->text), "exit code %d", WEXITSTATUS(status));
	return report->text;
}

static pid_t start_child(void)
{
	pid_t pid;

	fflush(stdout);
	*report = (struct report){};
	pid = fork();
	is_run = pid == 0;
	return pid;
}

/* ---- All faults of a scenario ---- */

static void tell(const struct fault_site *site, unsigned int call, const struct fault_kind *kind,
		 const char *text)
{
	char how[64];

	findings++;
	if (findings > FINDINGS_SHOWN && !verbose)
		return;
	if (kind->how == FAULT_SHORT)
		snprintf(how, sizeof(how), "short");
	else if (kind->how == FAULT_ALLOCATION)
		snprintf(how, sizeof(how), "allocation %u", kind->allocation);
	else if (kind->error != 0)
		snprintf(how, sizeof(how), "%s", strerrorname_np(kind->error));
	else
		snprintf(how, sizeof(how), "%#lx", (unsigned long)kind->value);
	printf("%s in %s, call %u of %u, %s: %s\n", fault_functions[site->function].name,
	       name_of_address(site->caller), call, site->calls, how, text);
}

/* A run without a fault: what went wrong, or NULL. */
static const char *run_in_child(int (*run)(void), const char *when)
{
	pid_t pid = start_child();

	if (pid == 0)
		run_alone(run, when);
	return wait_for(pid);
}

static void try_fault(const struct fault_site *site, unsigned int call,
		      const struct fault_kind *kind)
{
	const char *text;
	pid_t pid;

	if (scenario->reset)
		scenario->reset();
	pid = start_child();
	if (pid == 0)
		run_fault(site, call, kind);
	text = wait_for(pid);
	faults++;
	was_fired = report->fired;
	failed_runs += report->failed;
	if (text)
		tell(site, call, kind, text);
	if (text || !scenario->again)
		return;
	if (scenario->between)
		scenario->between();
	text = run_in_child(scenario->again, "afterwards");
	if (text)
		tell(site, call, kind, text);
}

static int record(void)
{
	fault_record(sites);
	return scenario->run();
}

/* The places, and whether all is well without a fault. */
static bool find_sites(void)
{
	const char *text;

	if (scenario->reset)
		scenario->reset();
	text = run_in_child(record, "without a fault");
	if (text)
		printf("%s\n", text);
	return !text;
}

/* Each allocation within the call, until there are no more. */
static void try_allocations(const struct fault_site *site, unsigned int call, bool every)
{
	unsigned int limit = every ? UINT32_MAX : ALLOCATIONS_MAX;
	struct fault_kind kind = {.how = FAULT_ALLOCATION};

	do {
		kind.allocation++;
		try_fault(site, call, &kind);
	} while (was_fired && kind.allocation < limit);
}

static void try_site(const struct fault_site *site, bool every)
{
	const struct fault_function *function = &fault_functions[site->function];
	unsigned int limit = scenario->every > 0 ? scenario->every : UINT32_MAX;
	unsigned int calls = every ? MIN(site->calls, limit) : 1;

	for (unsigned int call = 1; call <= calls; call++)
		for (unsigned int i = 0; i < function->kinds_count; i++)
			if (function->kinds[i].how == FAULT_ALLOCATION)
				try_allocations(site, call, every);
			else
				try_fault(site, call, &function->kinds[i]);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type, (void)ftw;
	return remove(path);
}

/* What libraries keep for the whole process is made before it is counted. */
static void warm_up(void)
{
	uint8_t digest[HASH_MAX_SIZE];
	struct hash *hash;

	must(hash_data(HASH_SHA256, "", 0, digest), "SHA-256");
	must(hash_new(HASH_SHA256, &hash), "SHA-256");
	hash_free(hash);
}

static int run(bool every)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	sites = mmap(NULL, sizeof(*sites), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (report == MAP_FAILED || sites == MAP_FAILED || !mkdtemp(folder))
		return 2;
	warm_up();
	if (scenario->set_up)
		must(scenario->set_up(), "set-up");
	/* What fails by itself tells nothing about faults. */
	if (!find_sites())
		findings++;
	else
		for (size_t i = 0; i < sites->count; i++)
			try_site(&sites->sites[i], every);
	if (scenario->tear_down)
		scenario->tear_down();
	nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	printf("%s: %u faults at %zu places, %u failures, %u findings\n", scenario->name, faults,
	       sites->count, failed_runs, findings);
	printf("counted: %u faults\n", faults);
	return findings > 0 || faults == 0;
}

/* ---- Command line ---- */

static const struct scenario *const *const lists[] = {
	scenarios_files,
	scenarios_disk,
	scenarios_tpm,
	scenarios_net,
};

static int list(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (const struct scenario *const *at = lists[i]; *at; at++)
			printf("%s 300%s\n%s" EVERY_CALL " 3600 full\n", (*at)->name,
			       (*at)->slow ? " full" : "", (*at)->name);
	return 0;
}

static const struct scenario *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (const struct scenario *const *at = lists[i]; *at; at++)
			if (strcmp((*at)->name, name) == 0)
				return *at;
	return NULL;
}

int main(int argc, char **argv)
{
	char name[64];
	char *suffix;

	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	if (argc < 2 || argc > 3)
		return 2;
	snprintf(name, sizeof(name), "%s", argv[1]);
	suffix = strstr(name, EVERY_CALL);
	if (suffix)
		*suffix = '\0';
	scenario = find(name);
	if (!scenario) {
		fprintf(stderr, "faults: there is no %s; see faults --list\n", name);
		return 2;
	}
	verbose = argc == 3;
	fault_setup();
	heap_wipe_freed();
	return run(suffix);
}
