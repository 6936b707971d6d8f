/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/secret.h"
#include "cli/verbs.h"
#include "config/config.h"
#include "tee/platforms.h"

#include <string.h>

/* What a broker of protocol 0.4.0 asks for: a SHA-384 digest. */
#define DEFAULT_SIZE 48
#define WAIT_MS	     10000

struct arguments {
	const char *config, *tee;
	uint8_t report_data[TEE_REPORT_DATA_SIZE];
	size_t report_data_size; /* 0: none given */
	const char *challenge;	 /* a request instead of a nonce */
	bool json;
};

/* What a broker's challenge calls its nonce is bytes, or a document for IBM Secure Execution. */
static int read_nonce(int option, struct arguments *ret)
{
	if (option == 'n' && optarg[0] == '{' && ret->report_data_size == 0) {
		ret->challenge = optarg;
		return EXIT_OK;
	}
	return verb_report_data(&verb_evidence, option, ret->report_data, &ret->report_data_size);
}

static int read_option(int option, struct arguments *ret)
{
	switch (option) {
	case 'c':
		ret->config = optarg;
		return EXIT_OK;
	case 't':
		ret->tee = optarg;
		return EXIT_OK;
	case 'j':
		ret->json = true;
		return EXIT_OK;
	case 'r':
	case 'n':
		return read_nonce(option, ret);
	default:
		return EXIT_USAGE;
	}
}

static int read_arguments(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"tee", required_argument, NULL, 't'},
		{"report-data", required_argument, NULL, 'r'},
		{"nonce", required_argument, NULL, 'n'},
		{"json", no_argument, NULL, 'j'},
		{},
	};
	int option, status;

	while ((option = verb_option(&verb_evidence, argc, argv, options)) != -1) {
		status = read_option(option, ret);
		if (status != EXIT_OK)
			return status;
	}
	if (optind < argc)
		return verb_usage_error(&verb_evidence, "no argument is wanted");
	return EXIT_OK;
}

static int print_json(json_t *evidence)
{
	if (json_dumpf(evidence, stdout, JSON_COMPACT) < 0)
		return fail(-EIO, "cannot write the evidence to standard output");
	putchar('\n');
	return EXIT_OK;
}

static void print_text(const struct tee_ops *tee, const struct tee_request *request,
		       json_t *evidence)
{
	tee_describe_text(stdout, "platform", "%s (%s)", tee->name, tee->title);
	tee_describe_bytes(stdout, "report data", request->report_data, request->report_data_size);
	if (tee->describe)
		tee->describe(evidence, stdout);
	tee_describe_text(stdout, "evidence", "%zu bytes of JSON; --json prints them",
			  json_dumpb(evidence, NULL, 0, JSON_COMPACT));
}

static int get_and_print(const struct config *config, const struct arguments *arguments)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(json_decrefp) json_t *evidence = NULL;
	struct tee_context context = {.ak_handle = config->tee_ak_handle, .wait_ms = WAIT_MS};
	struct tee_request request = {
		.report_data = arguments->report_data,
		.report_data_size = arguments->report_data_size,
		.challenge = arguments->challenge,
	};
	const char *name = arguments->tee ? arguments->tee : config->tee;
	const struct tee_ops *tee;
	int r = tpm_open(&tpm);

	if (r < 0 && r != -ENODEV)
		return r;
	context.tpm = tpm;
	r = tee_find(name, &context, &tee);
	if (r == 0)
		r = tee_evidence(tee, &context, &request, &evidence);
	if (r < 0)
		return r;
	if (arguments->json)
		return print_json(evidence);
	print_text(tee, &request, evidence);
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	cleanup(config_freep) struct config *config = NULL;
	struct arguments arguments = {};
	int r = read_arguments(argc, argv, &arguments);

	if (r != EXIT_OK)
		return r;
	r = config_load_or_default(arguments.config, &config);
	if (r < 0)
		return r;
	if (arguments.report_data_size == 0) {
		arguments.report_data_size = DEFAULT_SIZE;
		r = random_bytes(arguments.report_data, DEFAULT_SIZE);
		if (r < 0)
			return r;
	}
	return get_and_print(config, &arguments);
}

const struct verb verb_evidence = {
	.name = "evidence",
	.summary = "Prove what this machine is: print evidence of its TEE",
	.synopsis = "[--config FILE] [--tee TEE] [--report-data HEX | --nonce BASE64] [--json]",
	.usage =
		"This is what a key broker gets to see. Root is needed.\n"
		"\n"
		"Options:\n"
		"  --config FILE  the configuration; without it " CONFIG_PATH
		", or the defaults when\n"
		"                 that is not there\n"
		"  --tee TEE      auto, tdx, az-tdx-vtpm, az-snp-vtpm, snp, cca, se or tpm, instead of\n"
		"                 what the configuration says\n"
		"  --report-data HEX\n"
		"                 1 to 64 bytes that the evidence is bound to; fresh random ones when\n"
		"                 none are given\n"
		"  --nonce BASE64 the same in base64, as verifiers hand it out; for se, the document\n"
		"                 that is the nonce of a broker's challenge\n"
		"  --json         print the evidence alone, as a broker gets it\n",
	.run = run,
};
