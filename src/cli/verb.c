/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
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

int verb_option(const struct verb *verb, int argc, char **argv, const struct option *options)
{
	int option;

	opterr = 0;
	/* A ':' in front tells a missing argument from an unknown option. */
	option = getopt_long(argc, argv, ":", options, NULL);
	if (option == ':')
		verb_usage_error(verb, "%s needs a value", argv[optind - 1]);
	else if (option == '?')
		verb_usage_error(verb, "option %s is unknown or has a value too many",
				 argv[optind - 1]);
	return option == ':' ? '?' : option;
}
