/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/error.h"
#include "base/toml.h"

#include <string.h>

/* What a caller says of a key fits on a console. */
static void complain(const struct toml *toml, const struct toml_key *key)
{
	const struct toml_value *value = &key->value;

	fail_clear();
	(void)toml_fail(toml, key, "%.60s", value->type == TOML_STRING ? value->string : "wrong");
	for (const char *c = fail_sentence(-EBADMSG); *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			abort();
}

/* Every key that was read can be found again, and only strings that are strings are walked. */
static void walk(const struct toml *toml)
{
	for (size_t i = 0; i < toml->keys_count; i++) {
		const struct toml_key *key = &toml->keys[i];
		const struct toml_value *value = &key->value;

		if (toml_find(toml, key->table, key->name) != key || value->line == 0)
			abort();
		if (value->type == TOML_STRING && strlen(value->string) > TOML_SIZE_LIMIT)
			abort();
		complain(toml, key);
		for (size_t n = 0; n < value->items_count; n++)
			if (value->items[n].type != value->items[0].type)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(toml_freep) struct toml *toml = NULL;

	if (toml_parse((const char *)data, size, "fuzz", &toml) == 0)
		walk(toml);
	return 0;
}
