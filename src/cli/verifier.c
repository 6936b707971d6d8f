/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/verify.h"
#include "verify/verify.h"

#include <string.h>

const struct verb *const verbs[] = {&verb_verify, NULL};

#define EXIT_REFUSED 3

struct arguments {
	const char *evidence, *reference, *tee;
	uint8_t nonce[TEE_REPORT_DATA_SIZE];
	size_t nonce_size; /* 0: none given */
	struct certificates *roots, *certificates;
	bool json;
};

static void arguments_done(struct arguments *arguments)
{
	certificates_freep(&arguments->roots);
	certificates_freep(&arguments->certificates);
}

/* @what: they are for. */
static int add_certificates(struct certificates *list, const char *path, const char *what)
{
	cleanup(freep) char *data = NULL;
	size_t size;
	int r = file_read_all(path, CERTIFICATES_LIMIT, &data, &size);

	if (r < 0)
		return fail(r, "cannot read the file of %s, %s: %s", what, path, strerror(-r));
	r = certificates_add(list, data, size);
	if (r == -E2BIG)
		return fail(r, "%s holds too many certificates: %d can be given", path,
			    CERTIFICATES_MAX);
	return r < 0 ? fail(r, "%s holds no certificate in PEM or DER, or a malformed one", path)
		     : 0;
}

/* Exit code or negative errno. */
static int read_option(int option, struct arguments *ret)
{
	switch (option) {
	case 'f':
		ret->reference = optarg;
		return EXIT_OK;
	case 't':
		ret->tee = optarg;
		return EXIT_OK;
	case 'j':
		ret->json = true;
		return EXIT_OK;
	case 'r':
	case 'n':
		return verb_report_data(&verb_verify, option, ret->nonce, &ret->nonce_size);
	case 'R':
		return add_certificates(ret->roots, optarg, "roots");
	case 'C':
		return add_certificates(ret->certificates, optarg, "certificates");
	default:
		return EXIT_USAGE;
	}
}

static int read_arguments(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"reference", required_argument, NULL, 'f'},
		{"report-data", required_argument, NULL, 'r'},
		{"nonce", required_argument, NULL, 'n'},
		{"root", required_argument, NULL, 'R'},
		{"certificates", required_argument, NULL, 'C'},
		{"tee", required_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{},
	};
	int option, r;

	while ((option = verb_option(&verb_verify, argc, argv, options)) != -1) {
		r = read_option(option, ret);
		if (r != EXIT_OK)
			return r;
	}
	if (optind + 1 != argc || !ret->reference)
		return verb_usage_error(&verb_verify,
					"one file of evidence and --reference are wanted");
	ret->evidence = argv[optind];
	return EXIT_OK;
}

static int verify(const struct arguments *arguments, struct verify_result *ret)
{
	cleanup(freep) char *evidence = NULL, *reference = NULL;
	struct verify_input input = {
		.tee = arguments->tee,
		.nonce = arguments->nonce,
		.nonce_size = arguments->nonce_size,
		.roots = arguments->roots,
		.certificates = arguments->certificates,
	};
	int r = file_load_text(arguments->evidence, VERIFY_DOCUMENT_LIMIT, "evidence", &evidence);

	if (r == 0)
		r = file_load_text(arguments->reference, VERIFY_REFERENCE_LIMIT, "reference file",
				   &reference);
	if (r < 0)
		return r;
	input.evidence = evidence;
	input.evidence_size = strlen(evidence);
	input.reference = reference;
	/* analyze: core.NonNullParamChecker: file_load_text() returns nothing above zero */
	/* analyze: -Wanalyzer-null-argument: file_load_text() returns nothing above zero */
	input.reference_size = strlen(reference);
	return verify_evidence(&input, ret);
}

static const char *verdict_name(const struct verify_result *result, size_t claim)
{
	static const char *const names[] = {
		[VERIFY_UNCHECKED] = "not checked",
		[VERIFY_HOLDS] = "holds",
		[VERIFY_FAILS] = "FAILS",
	};

	return names[result->claims[claim].verdict];
}

static void print_text(const struct verify_result *result)
{
	for (enum verify_claim i = 0; i < VERIFY_CLAIMS; i++)
		printf("%-11s  %-24s %s%s\n", verdict_name(result, i), verify_claim_title(i),
		       result->claims[i].text,
		       result->claims[i].wanted && result->claims[i].verdict == VERIFY_UNCHECKED
			       ? " (without it nothing is accepted)"
			       : "");
	printf("%s\n", verify_accepts(result) ? "accepted" : "REFUSED");
}

static int print_json(const struct verify_result *result)
{
	cleanup(json_decrefp) json_t *claims = json_object(), *json = NULL;

	for (enum verify_claim i = 0; i < VERIFY_CLAIMS; i++)
		if (json_object_set_new(claims, verify_claim_name(i),
					json_pack("{s:s, s:b, s:s}", "verdict",
						  verdict_name(result, i), "wanted",
						  result->claims[i].wanted, "text",
						  result->claims[i].text)) < 0)
			return -ENOMEM;
	json = json_pack("{s:b, s:O}", "accepted", verify_accepts(result), "claims", claims);
	if (!json || json_dumpf(json, stdout, JSON_INDENT(1)) < 0)
		return fail(-EIO, "cannot write to standard output");
	putchar('\n');
	return EXIT_OK;
}

int verify_run(int argc, char **argv)
{
	cleanup(arguments_done) struct arguments arguments = {};
	struct verify_result result;
	int r = certificates_new(&arguments.roots);

	if (r == 0)
		r = certificates_new(&arguments.certificates);
	if (r == 0)
		r = read_arguments(argc, argv, &arguments);
	if (r != EXIT_OK)
		return r;
	r = verify(&arguments, &result);
	if (r < 0)
		return r;
	if (arguments.json)
		r = print_json(&result);
	else
		print_text(&result);
	return r < 0 ? r : verify_accepts(&result) ? EXIT_OK : EXIT_REFUSED;
}
