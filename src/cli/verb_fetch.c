/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/verbs.h"
#include "config/initdata.h"
#include "keys/kbs_options.h"

#include <string.h>

#define DEADLINE_MAX_S 86400

struct arguments {
	const char *config, *url, *ca, *pin, *tee, *initdata;
	unsigned int deadline_s; /* 0: none given */
	const char *uri;
};

/* ---- The command line ---- */

static int parse_deadline(const char *text, unsigned int *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 1 || value > DEADLINE_MAX_S)
		return verb_usage_error(&verb_fetch, "--deadline takes a number from 1 to %d",
					DEADLINE_MAX_S);
	*ret = (unsigned int)value;
	return EXIT_OK;
}

static int parse_option(int option, struct arguments *ret)
{
	switch (option) {
	case 'c':
		ret->config = optarg;
		return EXIT_OK;
	case 'u':
		ret->url = optarg;
		return EXIT_OK;
	case 'a':
		ret->ca = optarg;
		return EXIT_OK;
	case 'p':
		ret->pin = optarg;
		return EXIT_OK;
	case 't':
		ret->tee = optarg;
		return EXIT_OK;
	case 'i':
		ret->initdata = optarg;
		return EXIT_OK;
	case 'd':
		return parse_deadline(optarg, &ret->deadline_s);
	default:
		return EXIT_USAGE;
	}
}

static int read_arguments(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"kbs-url", required_argument, NULL, 'u'},
		{"kbs-ca", required_argument, NULL, 'a'},
		{"kbs-pin", required_argument, NULL, 'p'},
		{"tee", required_argument, NULL, 't'},
		{"initdata", required_argument, NULL, 'i'},
		{"deadline", required_argument, NULL, 'd'},
		{},
	};
	int option, status;

	while ((option = verb_option(&verb_fetch, argc, argv, options)) != -1) {
		status = parse_option(option, ret);
		if (status != EXIT_OK)
			return status;
	}
	if (optind + 1 != argc)
		return verb_usage_error(&verb_fetch, "exactly one URI is wanted");
	if (!ret->url != !ret->ca)
		return verb_usage_error(&verb_fetch, "--kbs-url and --kbs-ca go together");
	if (ret->pin && !ret->url)
		return verb_usage_error(&verb_fetch, "--kbs-pin goes only with --kbs-url");
	ret->uri = argv[optind];
	return EXIT_OK;
}

/* ---- The configuration, and what the command line puts in its place ---- */

static int replace(char **text, const char *with)
{
	/* analyze: core.NonNullParamChecker: --kbs-ca is given wherever --kbs-url is */
	char *copy = strdup(with);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	/* analyze: -Wanalyzer-malloc-leak: the configuration has it and frees it */
	return 0;
}

static int replace_servers(struct config *config, const struct arguments *arguments)
{
	struct config_server *server = &config->servers[0];
	int r;

	for (size_t i = 0; i < config->servers_count; i++)
		config_server_done(&config->servers[i]);
	config->servers_count = 1;
	r = replace(&server->name, "kbs");
	if (r == 0)
		r = replace(&server->url, arguments->url);
	if (r == 0)
		r = replace(&server->ca, arguments->ca);
	if (r == 0 && arguments->pin)
		r = replace(&server->pin, arguments->pin);
	return r;
}

static int override(struct config *config, const struct arguments *arguments)
{
	int r = arguments->url ? replace_servers(config, arguments) : 0;

	if (r == 0 && arguments->tee)
		r = replace(&config->tee, arguments->tee);
	if (r < 0)
		return r;
	if (arguments->deadline_s > 0)
		config->kbs_deadline_seconds = arguments->deadline_s;
	if (config->servers_count == 0)
		return fail(-EINVAL, "the configuration names no key broker: give --kbs-url and "
				     "--kbs-ca");
	return 0;
}

/* ---- Fetching ---- */

static void print_waiting(const char *sentence, unsigned int seconds, void *context)
{
	(void)context;
	log_info("%s; going on in %u s", sentence, seconds);
}

/* A broker would refuse a document that is not bound, without saying why. */
static int add_initdata(const char *path, struct broker_options *options, struct initdata **ret)
{
	int r = initdata_load(path, ret);

	if (r == 0)
		r = tee_check_initdata(options->tee, options->tee_context, (*ret)->digest,
				       (*ret)->digest_size);
	if (r < 0)
		return fail(r, "%s: %s", path, fail_sentence(r));
	options->initdata = (*ret)->text;
	options->initdata_size = (*ret)->size;
	return 0;
}

static int fetch(const struct config *config, const struct arguments *arguments, struct tpm *tpm,
		 struct secret **ret)
{
	cleanup(kbs_options_done) struct kbs_options options = {};
	cleanup(initdata_freep) struct initdata *initdata = NULL;
	int r = kbs_options_load(config, tpm, &options);

	if (r < 0)
		return r;
	options.broker.waiting = print_waiting;
	if (arguments->initdata)
		r = add_initdata(arguments->initdata, &options.broker, &initdata);
	if (r < 0)
		return r;
	return broker_fetch(&options.broker, arguments->uri, ret);
}

/* Past stdio, whose buffers nobody wipes. */
static int print(const struct secret *secret)
{
	int r = file_write(STDOUT_FILENO, secret->data, secret->size);

	if (r < 0)
		return fail(r, "cannot write to standard output: %s", strerror(-r));
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	cleanup(config_freep) struct config *config = NULL;
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct arguments arguments = {};
	int r = read_arguments(argc, argv, &arguments);

	if (r != EXIT_OK)
		return r;
	r = broker_check_uri(arguments.uri);
	if (r == 0)
		r = config_load_or_default(arguments.config, &config);
	if (r == 0)
		r = override(config, &arguments);
	if (r < 0)
		return r;
	r = tpm_open(&tpm);
	if (r < 0 && r != -ENODEV)
		return r;
	r = fetch(config, &arguments, tpm, &secret);
	return r < 0 ? r : print(secret);
}

const struct verb verb_fetch = {
	.name = "fetch",
	.summary = "Prove what this machine is to a key broker, and get a secret from it",
	.synopsis = "[OPTION...] URI",
	.usage =
		"Writes the secret kbs:///REPOSITORY/TYPE/TAG, or kbs+PLUGIN:///PATH, to standard\n"
		"output, and nothing else. Root is needed.\n"
		"\n"
		"Options:\n"
		"  --config FILE  the configuration; without it " CONFIG_PATH
		", or the defaults when\n"
		"                 that is not there\n"
		"  --kbs-url URL  https://HOST[:PORT] of the broker, instead of those configured\n"
		"  --kbs-ca FILE  PEM file of the CA that has signed its certificate\n"
		"  --kbs-pin PIN  \"sha256//BASE64\" of its public key, to be checked besides\n"
		"  --tee TEE      auto, or the name of a platform, instead of the one configured\n"
		"  --initdata FILE\n"
		"                 initdata document to send along; the platform must bind it\n"
		"  --deadline SECONDS\n"
		"                 for everything, retries included\n",
	.run = run,
};
