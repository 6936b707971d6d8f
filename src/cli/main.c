/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/environment.h"
#include "base/error.h"
#include "base/log.h"
#include "base/wipe.h"
#include "cli/verbs.h"

#include <string.h>
#include <sys/prctl.h>

static int print_help(void)
{
	printf("Usage: cvmroot [--debug] VERB [ARGUMENT...]\n"
	       "       cvmroot --help | --version\n"
	       "\n"
	       "Encrypts the root disk of a confidential VM in place at first boot, and unlocks it\n"
	       "at each later one.\n"
	       "\n"
	       "Verbs:\n");
	for (size_t i = 0; verbs[i]; i++)
		printf("  %-14s %s\n", verbs[i]->name, verbs[i]->summary);
	printf("\n"
	       "Options:\n"
	       "  --debug        print each step to standard error\n"
	       "  --help         print this; 'cvmroot VERB --help' tells about one verb\n"
	       "  --version      print the version\n"
	       "\n"
	       "See cvmroot(8), cvmroot.toml(5) and cvmroot(7).\n");
	return EXIT_OK;
}

static int print_version(void)
{
	printf("cvmroot %s\n", CVMROOT_VERSION);
	return EXIT_OK;
}

static int print_verb_help(const struct verb *verb)
{
	printf("Usage: cvmroot %s%s%s\n%s.\n%s%s", verb->name, verb->synopsis[0] ? " " : "",
	       verb->synopsis, verb->summary, verb->usage[0] ? "\n" : "", verb->usage);
	return EXIT_OK;
}

static int usage_error(const char *message, const char *word)
{
	fprintf(stderr, "cvmroot: %s%s; see 'cvmroot --help'\n", message, word);
	return EXIT_USAGE;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	int r;

	if (asks_for_help(argc, argv))
		return print_verb_help(verb);
	r = verb->run(argc, argv);
	if (r >= 0)
		return r;
	log_error("%s", fail_sentence(r));
	return EXIT_FAILED;
}

static int dispatch(int argc, char **argv)
{
	int first = 1;

	for (; first < argc && argv[first][0] == '-'; first++) {
		if (strcmp(argv[first], "--help") == 0)
			return print_help();
		if (strcmp(argv[first], "--version") == 0)
			return print_version();
		if (strcmp(argv[first], "--debug") != 0)
			return usage_error("unknown option ", argv[first]);
		log_set_debug(true);
	}
	if (first == argc)
		return usage_error("a verb is missing", "");
	for (size_t i = 0; verbs[i]; i++)
		if (strcmp(verbs[i]->name, argv[first]) == 0)
			return run_verb(verbs[i], argc - first, argv + first);
	return usage_error("unknown verb ", argv[first]);
}

int main(int argc, char **argv)
{
	int status;

	/* No core dump and no ptrace by others: secrets pass through here. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	environment_forget();
	heap_wipe_freed();
	status = dispatch(argc, argv);

	/* Output that did not arrive is a failure too. */
	if (fflush(stdout) != 0 && status == EXIT_OK) {
		log_error("cannot write to standard output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return status;
}
