/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "boot/failure.h"
#include "cli/verbs.h"

static int run(int argc, char **argv)
{
	static const struct option options[] = {{}};
	cleanup(config_freep) struct config *config = NULL;
	int r;

	if (verb_option(&verb_fail, argc, argv, options) != -1)
		return EXIT_USAGE;
	if (argc - optind != 1 || argv[optind][0] == '\0')
		return verb_usage_error(&verb_fail, "exactly one REASON is needed");
	r = verb_require_initrd(&verb_fail);
	if (r < 0)
		return r;
	/* A configuration that cannot be read must not keep the machine up. */
	(void)config_load(CONFIG_PATH, &config);
	failure_end(config ? config->failure_action : FAILURE_POWEROFF, argv[optind]);
	return EXIT_FAILED;
}

const struct verb verb_fail = {
	.name = "fail",
	.summary = "End this boot: measure a failure and power off",
	.synopsis = "REASON",
	.usage =
		"For the units that take the place of an emergency shell. Measures the event\n"
		"\"failed\", prints REASON, and powers off or restarts as the configuration says.\n",
	.run = run,
};
