/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "cli/verbs.h"
#include "config/config.h"
#include "tpm/quote.h"

#include <string.h>

#define PEM_LINE 64

/* That of the configuration: it is what a boot will use. */
static int default_handle(uint32_t *ret)
{
	cleanup(config_freep) struct config *config = NULL;
	int r = config_load_or_default(NULL, &config);

	if (r < 0)
		return r;
	*ret = config->tee_ak_handle;
	return 0;
}

static int parse_handle(const char *text, uint32_t *ret)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 16);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' ||
	    value < TPM_AK_HANDLE_FIRST || value > TPM_AK_HANDLE_LAST)
		return verb_usage_error(&verb_ak,
					"--handle takes a hexadecimal number from 0x%x to 0x%x",
					TPM_AK_HANDLE_FIRST, TPM_AK_HANDLE_LAST);
	*ret = (uint32_t)value;
	return 0;
}

static int print(const struct tpm_ak *ak, bool base64)
{
	cleanup(freep) char *text = malloc(base64_size(ak->size));

	if (!text)
		return -ENOMEM;
	base64_encode(ak->der, ak->size, text);
	if (base64) {
		puts(text);
		return EXIT_OK;
	}
	/* RFC 7468 */
	puts("-----BEGIN PUBLIC KEY-----");
	for (size_t at = 0; text[at] != '\0'; at += MIN((size_t)PEM_LINE, strlen(text + at)))
		printf("%.*s\n", PEM_LINE, text + at);
	puts("-----END PUBLIC KEY-----");
	return EXIT_OK;
}

struct arguments {
	bool create, base64;
	uint32_t handle; /* 0: none given */
};

static int parse_option(int option, struct arguments *arguments)
{
	switch (option) {
	case 'c':
		arguments->create = true;
		return 0;
	case 'b':
		arguments->base64 = true;
		return 0;
	case 'h':
		return parse_handle(optarg, &arguments->handle);
	default:
		return EXIT_USAGE;
	}
}

static int run_with(const struct arguments *arguments)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	uint32_t handle = arguments->handle;
	int r = handle != 0 ? 0 : default_handle(&handle);

	if (r == 0)
		r = tpm_open(&tpm);
	if (r < 0)
		return r;
	r = arguments->create ? tpm_ak_create(tpm, handle, &ak) : tpm_ak_read(tpm, handle, &ak);
	return r < 0 ? r : print(&ak, arguments->base64);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"create", no_argument, NULL, 'c'},
		{"handle", required_argument, NULL, 'h'},
		{"base64", no_argument, NULL, 'b'},
		{},
	};
	struct arguments arguments = {};
	int option, r;

	while ((option = verb_option(&verb_ak, argc, argv, options)) != -1) {
		r = parse_option(option, &arguments);
		if (r != 0)
			return r;
	}
	if (optind < argc)
		return verb_usage_error(&verb_ak, "no argument is taken");
	return run_with(&arguments);
}

const struct verb verb_ak = {
	.name = "ak",
	.summary = "Print the TPM's attestation key, for a broker to trust",
	.synopsis = "[--create] [--handle HANDLE] [--base64]",
	.usage =
		"Without a TEE, evidence is a quote that the TPM signs with this key. A broker must\n"
		"be told which keys to trust.\n"
		"\n"
		"Options:\n"
		"  --create       make the key when there is none\n"
		"  --handle HANDLE\n"
		"                 the TPM's persistent handle of the key, in hexadecimal; otherwise\n"
		"                 that of " CONFIG_PATH ", or 0x81010002\n"
		"  --base64       print base64 of the DER form on one line, not PEM\n",
	.run = run,
};
