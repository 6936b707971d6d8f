/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "config/config_keys.h"
#include "base/codec.h"
#include "base/error.h"

#include <limits.h>
#include <string.h>

/* Readers take (row, document, key, configuration), in that order, and show the reverse. */
#define ROW  const struct config_key *row __attribute__((unused))
#define READ ROW, const struct toml *toml, const struct toml_key *key, struct config *config
#define SHOW ROW, const struct config *config, FILE *out

#define FIELD(type, row, config) ((type *)(void *)((char *)(config) + (row)->offset))
#define CONST_FIELD(type, row, config)                                                             \
	((type const *)(const void *)((const char *)(config) + (row)->offset))

/* ---- Strings ---- */

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static int replace_string(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static void show_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void show_string(SHOW)
{
	show_text(*CONST_FIELD(char *, row, config), out);
}

/* An absolute path without ".." and without surprises for a terminal. */
static const char *path_fault(const char *path)
{
	if (path[0] != '/')
		return "not an absolute path (it must begin with '/')";
	if (strlen(path) >= PATH_MAX)
		return "the path is too long";
	if (!is_printable(path))
		return "the path has a control character";
	for (const char *dots = strstr(path, "/.."); dots; dots = strstr(dots + 1, "/.."))
		if (dots[3] == '/' || dots[3] == '\0')
			return "the path has a \"..\" in it";
	if (path[strlen(path) - 1] == '/')
		return "a file is wanted, not a folder";
	return NULL;
}

static int read_path(READ)
{
	const char *fault = path_fault(key->value.string);

	if (fault)
		return toml_fail(toml, key, "%s", fault);
	return replace_string(FIELD(char *, row, config), key->value.string);
}

/* GPT names have 36 UTF-16 units; a '/' cannot stand in a udev link. */
static bool is_partition_label(const char *label)
{
	return label[0] != '\0' && strlen(label) <= 4 * 36 && is_printable(label) &&
	       !strchr(label, '/');
}

static bool is_partition(const char *text)
{
	uint8_t uuid[UUID_SIZE];

	if (strncmp(text, "PARTUUID=", 9) == 0)
		return uuid_decode(text + 9, uuid) == 0;
	if (strncmp(text, "PARTLABEL=", 10) == 0)
		return is_partition_label(text + 10);
	if (strncmp(text, "/dev/", 5) == 0)
		return !path_fault(text);
	return strcmp(text, "auto") == 0;
}

static int read_partition(READ)
{
	if (!is_partition(key->value.string))
		return toml_fail(
			toml, key,
			"wanted \"auto\", \"PARTUUID=\" with a UUID, \"PARTLABEL=\" with a "
			"name, or a path below /dev");
	return replace_string(FIELD(char *, row, config), key->value.string);
}

/* ---- Booleans and numbers ---- */

static int read_boolean(READ)
{
	(void)toml;
	*FIELD(bool, row, config) = key->value.boolean;
	return 0;
}

static void show_boolean(SHOW)
{
	fputs(*CONST_FIELD(bool, row, config) ? "true" : "false", out);
}

static int read_number(READ)
{
	if (key->value.integer < row->min || key->value.integer > row->max)
		return toml_fail(toml, key, "%lld is not in %u..%u", (long long)key->value.integer,
				 row->min, row->max);
	*FIELD(unsigned int, row, config) = (unsigned int)key->value.integer;
	return 0;
}

static void show_number(SHOW)
{
	fprintf(out, "%u", *CONST_FIELD(unsigned int, row, config));
}

static int read_nv_index(READ)
{
	if (key->value.integer < row->min || key->value.integer > row->max)
		return toml_fail(toml, key,
				 "0x%llx is not in 0x%08x..0x%08x, where owners define theirs",
				 (unsigned long long)key->value.integer, row->min, row->max);
	config->tpm2_nv_index = (uint32_t)key->value.integer;
	return 0;
}

static void show_nv_index(SHOW)
{
	fprintf(out, "0x%08x", config->tpm2_nv_index);
}

/* ---- Choices ---- */

struct choice {
	const char *name;
	unsigned int value;
};

/* The choice of that name; otherwise the sentence lists them. */
static int pick(const struct toml *toml, const struct toml_key *key, const struct choice *choices,
		size_t count, unsigned int *ret)
{
	char names[128] = "";

	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(names);

		if (strcmp(choices[i].name, key->value.string) == 0) {
			*ret = choices[i].value;
			return 0;
		}
		snprintf(names + used, sizeof(names) - used, "%s\"%s\"",
			 i == 0		 ? ""
			 : i + 1 < count ? ", "
					 : " or ",
			 choices[i].name);
	}
	return toml_fail(toml, key, "\"%.40s\" is unknown; wanted %s", key->value.string, names);
}

static void show_choice(const struct choice *choices, size_t count, unsigned int value, FILE *out)
{
	for (size_t i = 0; i < count; i++)
		if (choices[i].value == value)
			show_text(choices[i].name, out);
}

static const struct choice banks[] = {
	{"sha256", HASH_SHA256}, {"sha384", HASH_SHA384}, {"sha512", HASH_SHA512}};
static const struct choice profiles[] = {{"srk", false}, {"legacy", true}};
static const struct choice actions[] = {{"poweroff", FAILURE_POWEROFF}, {"reboot", FAILURE_REBOOT}};
static const struct choice rules[] = {{"any", 0}};

static int read_bank(READ)
{
	unsigned int value;
	int r;

	if (strcmp(key->value.string, "sha1") == 0)
		return toml_fail(toml, key, "SHA-1 is broken and refused; use \"sha256\"");
	r = pick(toml, key, banks, ARRAY_SIZE(banks), &value);
	if (r == 0)
		config->tpm2_bank = value;
	return r;
}

static void show_bank(SHOW)
{
	show_choice(banks, ARRAY_SIZE(banks), config->tpm2_bank, out);
}

static int read_profile(READ)
{
	unsigned int value;
	int r = pick(toml, key, profiles, ARRAY_SIZE(profiles), &value);

	if (r == 0)
		config->tpm2_legacy_primary = value;
	return r;
}

static void show_profile(SHOW)
{
	show_choice(profiles, ARRAY_SIZE(profiles), config->tpm2_legacy_primary, out);
}

static int read_action(READ)
{
	unsigned int value;
	int r = pick(toml, key, actions, ARRAY_SIZE(actions), &value);

	if (r == 0)
		config->failure_action = value;
	return r;
}

static void show_action(SHOW)
{
	show_choice(actions, ARRAY_SIZE(actions), config->failure_action, out);
}

/* There is one rule as yet, so nothing to remember. */
static int read_rule(READ)
{
	unsigned int value;

	(void)config;
	return pick(toml, key, rules, ARRAY_SIZE(rules), &value);
}

static void show_rule(SHOW)
{
	(void)config;
	show_choice(rules, ARRAY_SIZE(rules), 0, out);
}

/* ---- Lists ---- */

/* The providers that src/keys has; here by name only, since dependencies point downwards. */
static const struct choice providers[] = {{"tpm2", 0}};

/* An item of an array as if it were a key of its own, for sentences that name its line. */
static struct toml_key item_of(const struct toml_key *key, size_t i)
{
	return (struct toml_key){
		.table = key->table, .name = key->name, .value = key->value.items[i]};
}

static int read_provider(const struct toml *toml, const struct toml_key *item,
			 struct config *config)
{
	unsigned int value;
	int r = pick(toml, item, providers, ARRAY_SIZE(providers), &value);

	if (r < 0)
		return r;
	for (size_t i = 0; i < config->providers_count; i++)
		if (strcmp(config->providers[i], item->value.string) == 0)
			return toml_fail(toml, item, "\"%s\" is named twice", item->value.string);
	r = replace_string(&config->providers[config->providers_count], item->value.string);
	if (r == 0)
		config->providers_count++;
	return r;
}

static int read_providers(READ)
{
	int r = 0;

	if (key->value.items_count == 0)
		return toml_fail(toml, key, "at least one provider is needed");
	if (key->value.items[0].type != TOML_STRING)
		return toml_fail(toml, key, "wanted an array of strings");
	for (; config->providers_count > 0; config->providers_count--)
		freep(&config->providers[config->providers_count - 1]);
	memset(config->providers, 0, sizeof(config->providers));
	for (size_t i = 0; r == 0 && i < key->value.items_count; i++) {
		struct toml_key item = item_of(key, i);

		r = read_provider(toml, &item, config);
	}
	return r;
}

static void show_providers(SHOW)
{
	fputc('[', out);
	for (size_t i = 0; i < config->providers_count; i++) {
		fputs(i > 0 ? ", " : "", out);
		show_text(config->providers[i], out);
	}
	fputc(']', out);
}

static int read_pcr(const struct toml *toml, const struct toml_key *item, uint32_t *mask)
{
	int64_t pcr = item->value.integer;

	if (pcr < 0 || pcr > 23)
		return toml_fail(toml, item, "there is no PCR %lld (0..23)", (long long)pcr);
	if (pcr >= 16)
		return toml_fail(toml, item, "PCR %lld can be reset or needs a locality; use 0..15",
				 (long long)pcr);
	if (*mask & 1U << pcr)
		return toml_fail(toml, item, "PCR %lld is named twice", (long long)pcr);
	*mask |= 1U << pcr;
	return 0;
}

static int read_pcrs(READ)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < key->value.items_count; i++) {
		struct toml_key item = item_of(key, i);
		int r;

		if (item.value.type != TOML_INTEGER)
			return toml_fail(toml, key, "wanted an array of numbers");
		r = read_pcr(toml, &item, &mask);
		if (r < 0)
			return r;
	}
	config->tpm2_pcrs = mask;
	return 0;
}

static void show_pcrs(SHOW)
{
	const char *separator = "";

	fputc('[', out);
	for (unsigned int pcr = 0; pcr < 24; pcr++) {
		if (!(config->tpm2_pcrs & 1U << pcr))
			continue;
		fprintf(out, "%s%u", separator, pcr);
		separator = ", ";
	}
	fputc(']', out);
}

/* ---- The table ---- */

#define AT(field) .offset = offsetof(struct config, field)
#define NO_FIELD  .offset = 0

/* Keys of a table stand together: that is how they are shown. */
const struct config_key config_keys[] = {
	{"root", "partition", TOML_STRING, read_partition, show_string, AT(partition)},
	{"root", "manifest", TOML_STRING, read_path, show_string, AT(manifest)},
	{"root", "grow", TOML_BOOLEAN, read_boolean, show_boolean, AT(grow)},
	{"root", "check-first", TOML_BOOLEAN, read_boolean, show_boolean, AT(check_first)},
	{"root", "wait-seconds", TOML_INTEGER, read_number, show_number, AT(wait_seconds), 1, 3600},
	{"keys", "providers", TOML_ARRAY, read_providers, show_providers, NO_FIELD},
	{"keys", "rule", TOML_STRING, read_rule, show_rule, NO_FIELD},
	{"tpm2", "pcrs", TOML_ARRAY, read_pcrs, show_pcrs, NO_FIELD},
	{"tpm2", "bank", TOML_STRING, read_bank, show_bank, NO_FIELD},
	{"tpm2", "profile", TOML_STRING, read_profile, show_profile, NO_FIELD},
	{"tpm2", "public-key", TOML_STRING, read_path, show_string, AT(tpm2_public_key),
	 .optional = true},
	{"tpm2", "signature", TOML_STRING, read_path, show_string, AT(tpm2_signature)},
	{"tpm2", "nv-index", TOML_INTEGER, read_nv_index, show_nv_index, NO_FIELD, 0x01800000,
	 0x01bfffff},
	{"failure", "action", TOML_STRING, read_action, show_action, NO_FIELD},
};
const size_t config_keys_count = ARRAY_SIZE(config_keys);
