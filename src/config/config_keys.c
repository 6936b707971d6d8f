/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "config/config_keys.h"

#include "base/codec.h"
#include "base/error.h"
#include "config/config_kbs.h"
#include "config/config_values.h"

#include <string.h>

/* ---- Partition, index ---- */

/* GPT names have 36 UTF-16 units; a '/' cannot stand in a udev link. */
static bool is_partition_label(const char *label)
{
	return label[0] != '\0' && strlen(label) <= 4 * 36 && config_is_printable(label) &&
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
		return !config_path_fault(text);
	return strcmp(text, "auto") == 0;
}

static int read_partition(READ)
{
	if (!is_partition(key->value.string))
		return toml_fail(
			toml, key,
			"wanted \"auto\", \"PARTUUID=\" with a UUID, \"PARTLABEL=\" with a "
			"name, or a path below /dev");
	return config_replace_string(FIELD(char *, row, config), key->value.string);
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

static const struct config_choice banks[] = {
	{"sha256", HASH_SHA256}, {"sha384", HASH_SHA384}, {"sha512", HASH_SHA512}};
static const struct config_choice profiles[] = {{"srk", false}, {"legacy", true}};
static const struct config_choice actions[] = {{"poweroff", FAILURE_POWEROFF},
					       {"reboot", FAILURE_REBOOT}};

static int read_bank(READ)
{
	unsigned int value;
	int r;

	if (strcmp(key->value.string, "sha1") == 0)
		return toml_fail(toml, key, "SHA-1 is broken and refused; use \"sha256\"");
	r = config_pick(toml, key, banks, ARRAY_SIZE(banks), &value);
	if (r == 0)
		config->tpm2_bank = value;
	return r;
}

static void show_bank(SHOW)
{
	config_show_choice(banks, ARRAY_SIZE(banks), config->tpm2_bank, out);
}

static int read_profile(READ)
{
	unsigned int value;
	int r = config_pick(toml, key, profiles, ARRAY_SIZE(profiles), &value);

	if (r == 0)
		config->tpm2_legacy_primary = value;
	return r;
}

static void show_profile(SHOW)
{
	config_show_choice(profiles, ARRAY_SIZE(profiles), config->tpm2_legacy_primary, out);
}

static int read_action(READ)
{
	unsigned int value;
	int r = config_pick(toml, key, actions, ARRAY_SIZE(actions), &value);

	if (r == 0)
		config->failure_action = value;
	return r;
}

static void show_action(SHOW)
{
	config_show_choice(actions, ARRAY_SIZE(actions), config->failure_action, out);
}

static const struct config_choice rules[] = {{"any", RULE_ANY}, {"all", RULE_ALL}};

static int read_rule(READ)
{
	unsigned int value;
	int r = config_pick(toml, key, rules, ARRAY_SIZE(rules), &value);

	if (r == 0)
		config->rule = value;
	return r;
}

static void show_rule(SHOW)
{
	config_show_choice(rules, ARRAY_SIZE(rules), config->rule, out);
}

/* ---- Lists ---- */

/* The providers that src/keys has; here by name only, since dependencies point downwards. */
static const struct config_choice providers[] = {{"tpm2", 0}, {"kbs", 0}};

static int read_provider(const struct toml *toml, const struct toml_key *item,
			 struct config *config)
{
	unsigned int value;
	int r = config_pick(toml, item, providers, ARRAY_SIZE(providers), &value);

	if (r < 0)
		return r;
	for (size_t i = 0; i < config->providers_count; i++)
		if (strcmp(config->providers[i], item->value.string) == 0)
			return toml_fail(toml, item, "\"%s\" is named twice", item->value.string);
	r = config_replace_string(&config->providers[config->providers_count], item->value.string);
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
		struct toml_key item = config_item(key, i);

		r = read_provider(toml, &item, config);
	}
	return r;
}

static void show_providers(SHOW)
{
	fputc('[', out);
	for (size_t i = 0; i < config->providers_count; i++) {
		fputs(i > 0 ? ", " : "", out);
		config_show_text(config->providers[i], out);
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
		struct toml_key item = config_item(key, i);
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

/* ---- Registers ---- */

/* What else a PCR is for, which an event there would disturb or which would undo the event. */
static const struct {
	uint32_t pcrs;
	const char *reason;
} taken_pcrs[] = {
	{0xff, "the firmware measures into it"},
	{1U << 8, "it binds initdata"},
	{1U << 10, "the kernel's IMA measures into it"},
	{1U << 11, "it holds the boot phases, which signed policies count on"},
	{1U << 16 | 1U << 23, "anybody can reset it"},
	{0x3f << 17, "it needs a locality that no operating system has (TPM_RC_LOCALITY)"},
};

static int read_event_pcr(READ)
{
	int64_t pcr = key->value.integer;

	if (pcr < 0 || pcr > 23)
		return toml_fail(toml, key, "there is no PCR %lld (0..23)", (long long)pcr);
	for (size_t i = 0; i < ARRAY_SIZE(taken_pcrs); i++)
		if (taken_pcrs[i].pcrs & 1U << pcr)
			return toml_fail(toml, key,
					 "PCR %lld cannot be used: %s; use 9, 12, 13, 14 or 15",
					 (long long)pcr, taken_pcrs[i].reason);
	*FIELD(unsigned int, row, config) = (unsigned int)pcr;
	return 0;
}

/* ---- The table ---- */

#define AT(field)	 .offset = offsetof(struct config, field)
#define NO_FIELD	 .offset = 0
#define IN_SERVER(field) .offset = offsetof(struct config_server, field), .of_server = true

/* Keys of a table stand together: that is how they are shown. */
const struct config_key config_keys[] = {
	{"root", "partition", TOML_STRING, read_partition, config_show_string, AT(partition)},
	{"root", "manifest", TOML_STRING, config_read_path, config_show_string, AT(manifest)},
	{"root", "grow", TOML_BOOLEAN, config_read_boolean, config_show_boolean, AT(grow)},
	{"root", "check-first", TOML_BOOLEAN, config_read_boolean, config_show_boolean,
	 AT(check_first)},
	{"root", "wait-seconds", TOML_INTEGER, config_read_number, config_show_number,
	 AT(wait_seconds), 1, 3600},
	{"keys", "providers", TOML_ARRAY, read_providers, show_providers, NO_FIELD},
	{"keys", "rule", TOML_STRING, read_rule, show_rule, NO_FIELD},
	{"tpm2", "pcrs", TOML_ARRAY, read_pcrs, show_pcrs, NO_FIELD},
	{"tpm2", "bank", TOML_STRING, read_bank, show_bank, NO_FIELD},
	{"tpm2", "profile", TOML_STRING, read_profile, show_profile, NO_FIELD},
	{"tpm2", "public-key", TOML_STRING, config_read_path, config_show_string,
	 AT(tpm2_public_key), .optional = true},
	{"tpm2", "signature", TOML_STRING, config_read_path, config_show_string,
	 AT(tpm2_signature)},
	{"tpm2", "nv-index", TOML_INTEGER, read_nv_index, show_nv_index, NO_FIELD, 0x01800000,
	 0x01bfffff},
	{"tee", "platform", TOML_STRING, config_read_tee, config_show_string, AT(tee)},
	{"tee", "ak-handle", TOML_INTEGER, config_read_ak_handle, config_show_ak_handle, NO_FIELD},
	{"tee", "create-ak", TOML_BOOLEAN, config_read_boolean, config_show_boolean,
	 AT(tee_create_ak)},
	{"kbs", "url", TOML_STRING, config_read_url, NULL, IN_SERVER(url)},
	{"kbs", "ca", TOML_STRING, config_read_pem, NULL, IN_SERVER(ca)},
	{"kbs", "pin", TOML_STRING, config_read_pin, NULL, IN_SERVER(pin)},
	{"kbs", "client-certificate", TOML_STRING, config_read_pem, NULL,
	 IN_SERVER(client_certificate)},
	{"kbs", "client-key", TOML_STRING, config_read_pem, NULL, IN_SERVER(client_key)},
	{"kbs", "resource", TOML_STRING, config_read_resource, config_show_string, AT(kbs_resource),
	 .optional = true},
	{"kbs", "deadline-seconds", TOML_INTEGER, config_read_number, config_show_number,
	 AT(kbs_deadline_seconds), 10, 86400},
	{"kbs", "certificate-dates", TOML_BOOLEAN, config_read_boolean, config_show_boolean,
	 AT(kbs_certificate_dates)},
	{"initdata", "path", TOML_STRING, config_read_path, config_show_string, AT(initdata_path),
	 .optional = true},
	{"measure", "config", TOML_INTEGER, read_event_pcr, config_show_number, AT(measure_config)},
	{"measure", "manifest", TOML_INTEGER, read_event_pcr, config_show_number,
	 AT(measure_manifest)},
	{"measure", "root", TOML_INTEGER, read_event_pcr, config_show_number, AT(measure_root)},
	{"measure", "leave", TOML_INTEGER, read_event_pcr, config_show_number, AT(measure_leave)},
	{"measure", "rtmr", TOML_INTEGER, config_read_number, config_show_number, AT(measure_rtmr),
	 2, 3},
	{"failure", "action", TOML_STRING, read_action, show_action, NO_FIELD},
};
const size_t config_keys_count = ARRAY_SIZE(config_keys);
