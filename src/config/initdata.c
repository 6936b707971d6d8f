/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "config/initdata.h"

#include "base/error.h"
#include "base/toml.h"

#include <string.h>

#define VERSION	      "0.1.0"
#define DATA	      "data"
#define CONFIG_KEY    "cvmroot.toml"
#define INSTANCE_KEY  "instance-id"
#define INSTANCE_SIZE 128

static int check_string(const struct toml *toml, const struct toml_key *key)
{
	return key->value.type == TOML_STRING ? 0
					      : toml_fail(toml, key, "wanted a string in quotes");
}

/* The document has "version", "algorithm" and [data] with texts, and nothing else. */
static int check_outline(const struct toml *toml)
{
	for (size_t i = 0; i < toml->tables_count; i++) {
		const struct toml_key place = {.table = toml->tables[i].name,
					       .value.line = toml->tables[i].line};

		if (strcmp(place.table, DATA) != 0)
			return toml_fail(toml, &place, "unknown table");
	}
	for (size_t i = 0; i < toml->keys_count; i++) {
		const struct toml_key *key = &toml->keys[i];
		int r = check_string(toml, key);

		if (r < 0)
			return r;
		if (key->table[0] == '\0' && strcmp(key->name, "version") != 0 &&
		    strcmp(key->name, "algorithm") != 0)
			return toml_fail(toml, key, "unknown key");
	}
	return 0;
}

static int read_digest(const struct toml *toml, struct initdata *initdata)
{
	const struct toml_key *version = toml_find(toml, "", "version");
	const struct toml_key *algorithm = toml_find(toml, "", "algorithm");
	const struct toml_key nowhere = {.value.line = 1};
	enum hash_algorithm hash = HASH_SHA1;
	int r;

	if (!version || strcmp(version->value.string, VERSION) != 0)
		return toml_fail(toml, version ? version : &nowhere,
				 "wanted an initdata document of version " VERSION);
	if (!algorithm || hash_from_name(algorithm->value.string, &hash) < 0 || hash == HASH_SHA1)
		return toml_fail(toml, algorithm ? algorithm : &nowhere,
				 "wanted the algorithm \"sha256\", \"sha384\" or \"sha512\"");
	r = hash_data(hash, initdata->text, initdata->size, initdata->digest);
	if (r == 0)
		initdata->digest_size = hash_size(hash);
	return r;
}

/* It becomes part of a resource's path. */
static bool is_instance_id(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return text[0] != '\0' && text[0] != '.' && strlen(text) <= INSTANCE_SIZE &&
	       strspn(text, allowed) == strlen(text);
}

static int read_data(const struct toml *toml, struct initdata *initdata)
{
	const struct toml_key *config = toml_find(toml, DATA, CONFIG_KEY);
	const struct toml_key *instance = toml_find(toml, DATA, INSTANCE_KEY);

	if (instance && !is_instance_id(instance->value.string))
		return toml_fail(toml, instance,
				 "wanted up to %d letters, digits, '-', '_' and '.', the first of "
				 "them no '.'",
				 INSTANCE_SIZE);
	if (config && !(initdata->config = strdup(config->value.string)))
		return -ENOMEM;
	if (instance && !(initdata->instance_id = strdup(instance->value.string)))
		return -ENOMEM;
	return 0;
}

int initdata_parse(const char *text, size_t size, const char *name, struct initdata **ret)
{
	cleanup(initdata_freep) struct initdata *initdata = calloc(1, sizeof(*initdata));
	cleanup(toml_freep) struct toml *toml = NULL;
	int r;

	if (!initdata)
		return -ENOMEM;
	if (size > INITDATA_SIZE_LIMIT)
		return fail(-E2BIG, "%s: longer than %u KiB", name,
			    (unsigned int)(INITDATA_SIZE_LIMIT / KIB));
	r = toml_parse(text, size, name, &toml);
	if (r == 0)
		r = check_outline(toml);
	if (r < 0)
		return r;
	initdata->text = malloc(size + 1);
	if (!initdata->text)
		return -ENOMEM;
	memcpy(initdata->text, text, size);
	initdata->text[size] = '\0';
	initdata->size = size;
	r = read_digest(toml, initdata);
	if (r == 0)
		r = read_data(toml, initdata);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(initdata);
	return 0;
}

void initdata_free(struct initdata *initdata)
{
	if (!initdata)
		return;
	free(initdata->text);
	free(initdata->config);
	free(initdata->instance_id);
	free(initdata);
}
