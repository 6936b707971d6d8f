/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "cli/verbs.h"

#include <stdarg.h>

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

static bool is_long_option(const struct option *options, int value)
{
	for (; options->name; options++)
		if (options->val == value)
			return true;
	return false;
}

/* What getopt_long() did not like, as far as it tells. */
static int option_error(const struct verb *verb, char **argv, const struct option *options)
{
	if (optopt == 0)
		return verb_usage_error(verb, "there is no option %s", argv[optind - 1]);
	if (is_long_option(options, optopt))
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

#define INITRD_MARK "/etc/initrd-release"

int verb_require_initrd(const struct verb *verb)
{
	if (access(INITRD_MARK, F_OK) == 0)
		return 0;
	return fail(-EOPNOTSUPP,
		    "\"cvmroot %s\" runs in an initrd only, and there is no " INITRD_MARK,
		    verb->name);
}
