/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "config/config.h"

#include <string.h>

static char *show(const struct config *config, size_t *ret_size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_size);

	if (!stream)
		abort();
	config_show(config, stream);
	fclose(stream);
	return text;
}

/* What was accepted and shown must be accepted again and be shown the same. */
static void show_again(const struct config *config)
{
	cleanup(config_freep) struct config *again = NULL;
	cleanup(freep) char *first = NULL, *second = NULL;
	size_t size, second_size;

	first = show(config, &size);
	if (config_parse(first, size, "shown", &again) < 0)
		abort();
	second = show(again, &second_size);
	if (size != second_size || memcmp(first, second, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(config_freep) struct config *config = NULL;

	if (config_parse((const char *)data, size, "fuzz", &config) < 0)
		return 0;
	/* Without a broker or a document that may name one, nothing goes to the network. */
	if (!config_may_ask_broker(config) && config->initdata_path)
		abort();
	show_again(config);
	return 0;
}
