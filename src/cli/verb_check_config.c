/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "broker/broker.h"
#include "cli/verbs.h"
#include "config/config.h"
#include "keys/kbs_resource.h"

#define EXIT_NO_NETWORK 3

/* Brokers answer every malformed resource alike, and only at the first boot. */
static int check_resource(const struct config *config)
{
	static const uint8_t any_uuid[UUID_SIZE];
	cleanup(freep) char *uri = NULL;
	int r;

	if (!config->kbs_resource)
		return 0;
	r = kbs_resource_expand(config->kbs_resource, any_uuid, "instance", &uri);
	return r < 0 ? r : broker_check_uri(uri);
}

static int tell_network(const struct config *config, const char *path)
{
	bool needed = config_may_ask_broker(config);

	printf("%s: the network is %sneeded\n", path, needed ? "" : "not ");
	return needed ? EXIT_OK : EXIT_NO_NETWORK;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"show", no_argument, NULL, 's'},
		{"needs-network", no_argument, NULL, 'n'},
		{},
	};
	cleanup(config_freep) struct config *config = NULL;
	const char *path = CONFIG_PATH;
	bool show = false, network = false;
	int option, r;

	while ((option = verb_option(&verb_check_config, argc, argv, options)) != -1) {
		if (option == 's')
			show = true;
		else if (option == 'n')
			network = true;
		else
			return EXIT_USAGE;
	}
	if (show && network)
		return verb_usage_error(&verb_check_config, "either --show or --needs-network");
	if (argc - optind > 1)
		return verb_usage_error(&verb_check_config, "more than one FILE");
	if (optind < argc)
		path = argv[optind];
	r = config_load(path, &config);
	if (r == 0)
		r = check_resource(config);
	if (r < 0)
		return r;
	if (network)
		return tell_network(config, path);
	if (show)
		config_show(config, stdout);
	else
		printf("%s: ok\n", path);
	return EXIT_OK;
}

const struct verb verb_check_config = {
	.name = "check-config",
	.summary = "Check a configuration file",
	.synopsis = "[--show | --needs-network] [FILE]",
	.usage =
		"FILE is " CONFIG_PATH " when none is given. A fault is reported with file,\n"
		"line and key.\n"
		"\n"
		"Options:\n"
		"  --show           print the configuration in effect, with every default\n"
		"  --needs-network  tell whether it makes the initrd use the network: it names a key\n"
		"                   broker, or initdata that may name one; exits with 3 if not\n",
	.run = run,
};
