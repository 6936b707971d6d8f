/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "cli/verbs.h"
#include "tee/tee.h"

#include <stdarg.h>
#include <string.h>

int verb_usage_error(const struct verb *verb, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "cvmroot %s: ", verb->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see 'cvmroot %s --help'\n", verb->name);
	return EXIT_USAGE;
}

/*
 * Is @word "--NAME=VALUE" for the option that @value stands for, and does that take no value?
 * Without the look at the word, "-j" would pass for an option whose value is 'j'.
 */
static bool has_needless_value(const struct option *options, const char *word, int value)
{
	const char *equals = strchr(word, '=');

	if (strncmp(word, "--", 2) != 0 || !equals)
		return false;
	for (; options->name; options++)
		if (options->val == value && options->has_arg == no_argument &&
		    strncmp(options->name, word + 2, (size_t)(equals - word) - 2) == 0)
			return true;
	return false;
}

/* What getopt_long() did not like, as far as it tells. */
static int option_error(const struct verb *verb, char **argv, const struct option *options)
{
	if (optopt == 0)
		return verb_usage_error(verb, "there is no option %s", argv[optind - 1]);
	if (has_needless_value(options, argv[optind - 1], optopt))
		return verb_usage_error(verb, "%s: this option takes no value", argv[optind - 1]);
	return verb_usage_error(verb, "there is no option -%c", optopt);
}

int verb_option(const struct verb *verb, int argc, char **argv, const struct option *options)
{
	int option;

	opterr = 0;
	/* A ':' in front tells a missing value from an unknown option. */
	option = getopt_long(argc, argv, ":", options, NULL);
	if (option == ':')
		verb_usage_error(verb, "%s needs a value", argv[optind - 1]);
	else if (option == '?')
		option_error(verb, argv, options);
	return option == ':' ? '?' : option;
}

int verb_report_data(const struct verb *verb, int option, uint8_t *ret, size_t *ret_size)
{
	size_t length = strlen(optarg), size = length / 2;
	int r;

	if (*ret_size > 0)
		return verb_usage_error(verb, "--report-data and --nonce exclude each other");
	if (option == 'n')
		r = base64_decode(optarg, length, ret, TEE_REPORT_DATA_SIZE, &size);
	else
		r = size > TEE_REPORT_DATA_SIZE ? -E2BIG : hex_decode(optarg, length, ret, size);
	if (r < 0 || size == 0)
		return verb_usage_error(verb, "%s wants 1 to %d bytes as %s",
					option == 'n' ? "--nonce" : "--report-data",
					TEE_REPORT_DATA_SIZE,
					option == 'n' ? "base64 with padding" : "hex digits");
	*ret_size = size;
	return EXIT_OK;
}

#define INITRD_MARK "/etc/initrd-release"

int verb_require_initrd(const struct verb *verb)
{
	if (access(INITRD_MARK, F_OK) == 0)
		return 0;
	return fail(-EOPNOTSUPP,
		    "\"cvmroot %s\" runs in an initrd only, and there is no " INITRD_MARK,
		    verb->name);
}
