/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CLI_VERBS_H
#define CVMROOT_CLI_VERBS_H

#include "base/macro.h"

#include <getopt.h>

/* Exit codes of every verb; a verb may add its own from 3 on and names them in its usage. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/*
 * A verb is one file, src/cli/verb_NAME.c, that defines one of these, and one line in the table of
 * verbs.c. "cvmroot VERB --help" is answered by main from summary and usage.
 */
struct verb {
	const char *name;
	const char *summary; /* one line, without a full stop */
	/*
	 * What follows the name on the command line; then, after an empty line, options and words.
	 */
	const char *synopsis;
	const char *usage;
	/*
	 * argv[0] is the verb's name. Returns an exit code, or a negative errno: main then prints
	 * fail_sentence() of it and exits with EXIT_FAILED.
	 */
	int (*run)(int argc, char **argv);
};

/* Those of this program, in the order of --help, and NULL. */
extern const struct verb *const verbs[];

extern const struct verb verb_boot;
extern const struct verb verb_fail;
extern const struct verb verb_fetch;
extern const struct verb verb_reset;
extern const struct verb verb_manifest;
extern const struct verb verb_check_config;
extern const struct verb verb_status;
extern const struct verb verb_ak;
extern const struct verb verb_evidence;
extern const struct verb verb_log;
extern const struct verb verb_nameservers;
extern const struct verb verb_verify;

/*
 * 0 in an initrd, by systemd's mark of one; else -EOPNOTSUPP: what ends a boot must not end a
 * machine that runs.
 */
int verb_require_initrd(const struct verb *verb);

/*
 * getopt_long(3) for long options (struct option's val is returned; -1 at the end, operands from
 * optind on). A mistake is printed and gives '?': the verb then returns EXIT_USAGE.
 */
int verb_option(const struct verb *verb, int argc, char **argv, const struct option *options);
/*
 * optarg of --report-data ('r': hex) or --nonce ('n': base64) into @ret, which has room for
 * TEE_REPORT_DATA_SIZE bytes. An exit code; both, or one twice, is a mistake.
 */
int verb_report_data(const struct verb *verb, int option, uint8_t *ret, size_t *ret_size);
/* Print a mistake in the use of @verb, and where to read more; returns EXIT_USAGE. */
int verb_usage_error(const struct verb *verb, const char *format, ...) printf_like(2, 3);

#endif
