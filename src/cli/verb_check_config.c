/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "cli/verbs.h"
#include "config/config.h"

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"show", no_argument, NULL, 's'}, {}};
	cleanup(config_freep) struct config *config = NULL;
	const char *path = CONFIG_PATH;
	bool show = false;
	int option, r;

	while ((option = verb_option(&verb_check_config, argc, argv, options)) != -1) {
		if (option != 's')
			return EXIT_USAGE;
		show = true;
	}
	if (argc - optind > 1)
		return verb_usage_error(&verb_check_config, "more than one FILE");
	if (optind < argc)
		path = argv[optind];
	r = config_load(path, &config);
	if (r < 0)
		return r;
	if (show)
		config_show(config, stdout);
	else
		printf("%s: ok\n", path);
	return EXIT_OK;
}

const struct verb verb_check_config = {
	.name = "check-config",
	.summary = "Check a configuration file",
	.synopsis = "[--show] [FILE]",
	.usage = "FILE is " CONFIG_PATH " when none is given. A fault is reported with file,\n"
		 "line and key.\n"
		 "\n"
		 "Options:\n"
		 "  --show         print the configuration in effect, with every default\n",
	.run = run,
};
