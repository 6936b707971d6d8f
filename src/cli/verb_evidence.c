/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "base/secret.h"
#include "cli/verbs.h"
#include "config/config.h"
#include "measure/machine_logs.h"
#include "tee/platforms.h"
#include "verify/verify.h"

#include <string.h>

/* What a broker of protocol 0.4.0 asks for: a SHA-384 digest. */
#define DEFAULT_SIZE 48
#define WAIT_MS	     10000
/* When something measures just then, a log and the registers do not fit together. */
#define LOG_TRIES 5

struct arguments {
	const char *config, *tee;
	uint8_t report_data[TEE_REPORT_DATA_SIZE];
	size_t report_data_size; /* 0: none given */
	const char *challenge;	 /* a request instead of a nonce */
	bool json, with_logs;
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
	case 'l':
		ret->with_logs = true;
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
		{"with-logs", no_argument, NULL, 'l'},
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
	if (ret->with_logs && ret->json)
		return verb_usage_error(&verb_evidence, "--with-logs excludes --json");
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

/* ---- With logs ---- */

/* A log that is not there has no member. */
static int set_log(json_t *logs, const char *name, const char *data, size_t size)
{
	return data ? json_object_set_new(logs, name, json_base64((const uint8_t *)data, size)) : 0;
}

static json_t *logs_json(const struct machine_logs *logs)
{
	json_t *json = json_object();

	if (json && set_log(json, "firmware", logs->firmware, logs->firmware_size) == 0 &&
	    set_log(json, "ccel", logs->ccel, logs->ccel_size) == 0 &&
	    set_log(json, "agent", logs->agent, logs->agent_size) == 0 &&
	    set_log(json, "user", logs->user, logs->user_size) == 0)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *incomplete_json(const struct machine_logs *logs)
{
	json_t *list = json_array();

	if (list &&
	    (!logs->agent_incomplete || json_array_append_new(list, json_string("agent")) == 0) &&
	    (!logs->user_incomplete || json_array_append_new(list, json_string("user")) == 0))
		return list;
	json_decref(list);
	return NULL;
}

static bool have_grown(const struct machine_logs *before, const struct machine_logs *after)
{
	return before->user_size != after->user_size || before->agent_size != after->agent_size;
}

/* Evidence about the nonce, and the logs as they were when it was made. */
static int collect(const struct tee_ops *tee, const struct tee_context *context,
		   const struct arguments *arguments, struct machine_logs *logs, json_t **ret)
{
	int registers = verify_has_registers(tee->name), r = registers;

	if (r < 0)
		return fail(r, "%s; use --json", fail_sentence(r));
	for (int i = 0; i < LOG_TRIES; i++) {
		cleanup(machine_logs_done) struct machine_logs before = *logs;
		uint8_t data[TEE_REPORT_DATA_SIZE];
		struct tee_request request = {.report_data = data};

		*logs = (struct machine_logs){};
		json_decref(TAKE_PTR(*ret));
		r = verify_report_data(registers, before.user, before.user_size,
				       arguments->report_data, arguments->report_data_size, data,
				       &request.report_data_size);
		if (r == 0)
			r = tee_evidence(tee, context, &request, ret);
		if (r == 0)
			r = machine_logs_load(logs);
		if (r < 0 || !have_grown(&before, logs))
			return r;
	}
	return fail(-EAGAIN, "the logs of this machine grow faster than evidence comes");
}

static int print_document(const struct tee_ops *tee, const struct tee_context *context,
			  const struct arguments *arguments)
{
	cleanup(machine_logs_done) struct machine_logs logs = {};
	cleanup(json_decrefp) json_t *evidence = NULL, *document = NULL;
	int r = machine_logs_load(&logs);

	if (r == 0)
		r = collect(tee, context, arguments, &logs, &evidence);
	if (r < 0)
		return r;
	document =
		json_pack("{s:i, s:s, s:o, s:O, s:o, s:o}", "cvmroot-evidence", 1, "tee", tee->name,
			  "nonce", json_base64(arguments->report_data, arguments->report_data_size),
			  "evidence", evidence, "logs", logs_json(&logs), "incomplete",
			  incomplete_json(&logs));
	return document ? print_json(document) : -ENOMEM;
}

static int get_and_print(const struct arguments *arguments, const struct tee_ops *tee,
			 const struct tee_context *context)
{
	cleanup(json_decrefp) json_t *evidence = NULL;
	struct tee_request request = {
		.report_data = arguments->report_data,
		.report_data_size = arguments->report_data_size,
		.challenge = arguments->challenge,
	};
	int r;

	if (arguments->with_logs)
		return print_document(tee, context, arguments);
	r = tee_evidence(tee, context, &request, &evidence);
	if (r < 0)
		return r;
	if (arguments->json)
		return print_json(evidence);
	print_text(tee, &request, evidence);
	return EXIT_OK;
}

static int run_with(const struct config *config, const struct arguments *arguments)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	struct tee_context context = {.ak_handle = config->tee_ak_handle, .wait_ms = WAIT_MS};
	const struct tee_ops *tee;
	int r = tpm_open(&tpm);

	if (r < 0 && r != -ENODEV)
		return r;
	context.tpm = tpm;
	r = tee_find(arguments->tee ? arguments->tee : config->tee, &context, &tee);
	return r < 0 ? r : get_and_print(arguments, tee, &context);
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
	return run_with(config, &arguments);
}

const struct verb verb_evidence = {
	.name = "evidence",
	.summary = "Prove what this machine is: print evidence of its TEE",
	.synopsis = "[--config FILE] [--tee TEE] [--report-data HEX | --nonce BASE64]\n"
		    "                        [--with-logs | --json]",
	.usage =
		"Without --with-logs this is what a key broker gets to see. Root is needed.\n"
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
		"  --with-logs    print one JSON document of the nonce, the evidence and the event\n"
		"                 logs of this machine, for 'cvmroot verify'; not for se\n"
		"  --json         print the evidence alone, as a broker gets it\n",
	.run = run,
};
