/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/log.h"
#include "boot/boot.h"
#include "boot/failure.h"
#include "cli/verbs.h"

static int run(int argc, char **argv)
{
	static const struct option options[] = {{}};
	cleanup(config_freep) struct config *config = NULL;
	int r;

	if (verb_option(&verb_boot, argc, argv, options) != -1)
		return EXIT_USAGE;
	if (optind < argc)
		return verb_usage_error(&verb_boot, "no argument is taken");
	r = verb_require_initrd(&verb_boot);
	if (r < 0)
		return r;
	r = config_load(CONFIG_PATH, &config);
	if (r == 0)
		r = boot_run(config);
	if (r == 0)
		return EXIT_OK;
	log_error("%s", fail_sentence(r));
	failure_end(config ? config->failure_action : FAILURE_POWEROFF, fail_sentence(r));
	return EXIT_FAILED;
}

const struct verb verb_boot = {
	.name = "boot",
	.summary = "Encrypt or unlock the root (in the initrd)",
	.synopsis = "",
	.usage = "Run by cvmroot-boot.service in the initrd. On a failure the event \"failed\" is\n"
		 "measured, a sentence is printed, and the machine powers off or restarts.\n",
	.run = run,
};
