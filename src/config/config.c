/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "config/config.h"
#include "base/error.h"
#include "config/config_kbs.h"

#include <string.h>

#define PCR(n)	     (1U << (n))
#define PCR_IDENTITY PCR(15)
/* Drivers, boot loader code, Secure Boot policy, initrd, kernel image, command line, extensions. */
#define PCRS_LITERAL (PCR(2) | PCR(4) | PCR(7) | PCR(9) | PCR(11) | PCR(12) | PCR(13))
/* With a signed PCR 11 policy: what no signature covers, and no ordinary update changes. */
#define PCRS_SIGNED (PCR(7) | PCR(12))

static const char *const type_names[] = {
	[TOML_STRING] = "a string in quotes",
	[TOML_INTEGER] = "a number",
	[TOML_BOOLEAN] = "true or false",
	[TOML_ARRAY] = "an array in []",
};

static bool row_is_of(const struct config_key *row, const char *table)
{
	return strcmp(row->table, table) == 0 || (row->of_server && config_is_server_table(table));
}

static const struct config_key *find_row(const char *table, const char *name)
{
	for (size_t i = 0; i < config_keys_count; i++)
		if (row_is_of(&config_keys[i], table) &&
		    (!name || strcmp(config_keys[i].name, name) == 0))
			return &config_keys[i];
	return NULL;
}

static int set_string(char **field, const char *text)
{
	*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

static int set_defaults(struct config *config)
{
	int r = 0;

	config->check_first = true;
	config->wait_seconds = 90;
	config->providers_count = 1;
	config->tpm2_bank = HASH_SHA256;
	config->tpm2_nv_index = 0x01805652;
	config->tee_ak_handle = 0x81010002;
	config->kbs_deadline_seconds = 600;
	config->kbs_certificate_dates = true;
	config->measure_config = config->measure_manifest = 15;
	config->measure_root = config->measure_leave = 15;
	config->measure_rtmr = CONFIG_RTMR_DEFAULT;
	config->failure_action = FAILURE_POWEROFF;
	r = r < 0 ? r : set_string(&config->partition, "auto");
	r = r < 0 ? r : set_string(&config->manifest, "/etc/cvmroot/root.manifest");
	r = r < 0 ? r : set_string(&config->providers[0], "tpm2");
	r = r < 0 ? r : set_string(&config->tee, "auto");
	r = r < 0 ? r : set_string(&config->tpm2_signature, "/.extra/tpm2-pcr-signature.json");
	return r;
}

/* An unknown table is refused even when it is empty: it is a typing error all the same. */
static int check_tables(const struct toml *toml)
{
	for (size_t i = 0; i < toml->tables_count; i++) {
		const struct toml_key place = {.table = toml->tables[i].name,
					       .value.line = toml->tables[i].line};

		if (!find_row(place.table, NULL))
			return toml_fail(toml, &place, "unknown table");
	}
	return 0;
}

static int read_key(const struct toml *toml, const struct toml_key *key, struct config *config)
{
	const struct config_key *row = find_row(key->table, key->name);

	if (!row)
		return toml_fail(toml, key, "unknown key");
	if (key->value.type != row->type)
		return toml_fail(toml, key, "wanted %s", type_names[row->type]);
	return row->read(row, toml, key, config);
}

/*
 * Without a policy key the literal PCRs are all that tells our initrd from another one: 4 holds the
 * image that the firmware started, 11 what its stub measured. With a key, PCR 11 can be brought to
 * a signed value by whatever program the firmware starts, so that 4 or, with Secure Boot, 7 has to
 * say which programs those may be. 12 holds a command line that replaces the image's own.
 */
static int settle_pcrs(const struct toml *toml, struct config *config)
{
	const struct toml_key *key = toml_find(toml, "tpm2", "pcrs");

	if (!key)
		config->tpm2_pcrs = config->tpm2_public_key ? PCRS_SIGNED : PCRS_LITERAL;
	else if (!config->tpm2_public_key && !(config->tpm2_pcrs & (PCR(4) | PCR(11))))
		return toml_fail(toml, key,
				 "without public-key, PCR 4 or 11 must be in the list: else any "
				 "initrd could unseal the key");
	else if (config->tpm2_public_key && !(config->tpm2_pcrs & (PCR(4) | PCR(7))))
		return toml_fail(toml, key,
				 "with public-key, PCR 7 (or 4) must be in the list: else any boot "
				 "program could bring PCR 11 to a signed value");
	else if (!(config->tpm2_pcrs & PCR(12)))
		return toml_fail(toml, key,
				 "PCR 12 must be in the list: else the host could replace the "
				 "kernel command line");
	config->tpm2_pcrs |= PCR_IDENTITY;
	return 0;
}

static int check_rule(const struct toml *toml, const struct config *config)
{
	const struct toml_key *key = toml_find(toml, "keys", "rule");

	if (config->rule == RULE_ALL && config->providers_count < 2)
		return toml_fail(toml, key, "\"all\" needs at least two providers");
	return 0;
}

static int read_document(const struct toml *toml, struct config *config)
{
	int r = check_tables(toml);

	for (size_t i = 0; r == 0 && i < toml->keys_count; i++)
		r = read_key(toml, &toml->keys[i], config);
	if (r == 0)
		r = settle_pcrs(toml, config);
	if (r == 0)
		r = config_check_kbs(toml, config);
	return r < 0 ? r : check_rule(toml, config);
}

int config_parse(const char *text, size_t size, const char *name, struct config **ret)
{
	cleanup(config_freep) struct config *config = calloc(1, sizeof(*config));
	cleanup(toml_freep) struct toml *toml = NULL;
	int r;

	if (!config)
		return -ENOMEM;
	if (size > CONFIG_SIZE_LIMIT)
		return fail(-E2BIG, "%s: longer than %u KiB", name,
			    (unsigned int)(CONFIG_SIZE_LIMIT / KIB));
	r = set_defaults(config);
	if (r == 0)
		r = toml_parse(text, size, name, &toml);
	if (r == 0)
		r = read_document(toml, config);
	if (r == 0)
		r = hash_data(HASH_SHA256, text, size, config->digest);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(config);
	return 0;
}

bool config_may_ask_broker(const struct config *config)
{
	for (size_t i = 0; i < config->providers_count; i++)
		if (strcmp(config->providers[i], "kbs") == 0)
			return true;
	return config->initdata_path != NULL;
}

static bool is_set(const struct config_key *row, const struct config *config)
{
	return !row->optional || *(char *const *)(const void *)((const char *)config + row->offset);
}

/* The keys of one server, as far as they are set. */
static void show_server(const struct config_server *server, FILE *out)
{
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *row = &config_keys[i];
		const char *text;

		if (!row->of_server)
			continue;
		text = *CONST_FIELD(char *, row, server);
		if (!text)
			continue;
		fprintf(out, "%s = ", row->name);
		config_show_text(text, out);
		fputc('\n', out);
	}
}

/* The servers that have a table of their own, or the one that stands in [kbs]. */
static void show_servers(const struct config *config, bool in_own_table, FILE *out)
{
	for (size_t i = 0; i < config->servers_count; i++) {
		const struct config_server *server = &config->servers[i];

		if (config_is_server_table(server->name) != in_own_table)
			continue;
		if (in_own_table)
			fprintf(out, "\n[%s]\n", server->name);
		show_server(server, out);
	}
}

void config_show(const struct config *config, FILE *out)
{
	const char *table = "";

	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *row = &config_keys[i];

		if (strcmp(row->table, table) != 0) {
			fprintf(out, "%s[%s]\n", table[0] != '\0' ? "\n" : "", row->table);
			if (row->of_server)
				show_servers(config, false, out);
		}
		table = row->table;
		if (row->of_server || !is_set(row, config))
			continue;
		fprintf(out, "%s = ", row->name);
		row->show(row, config, out);
		fputc('\n', out);
	}
	show_servers(config, true, out);
}

void config_server_done(struct config_server *server)
{
	free(server->name);
	free(server->url);
	free(server->ca);
	free(server->pin);
	free(server->client_certificate);
	free(server->client_key);
	*server = (struct config_server){};
}

void config_free(struct config *config)
{
	if (!config)
		return;
	free(config->partition);
	free(config->manifest);
	for (size_t i = 0; i < config->providers_count; i++)
		free(config->providers[i]);
	free(config->tee);
	for (size_t i = 0; i < config->servers_count; i++)
		config_server_done(&config->servers[i]);
	free(config->kbs_resource);
	free(config->initdata_path);
	free(config->tpm2_public_key);
	free(config->tpm2_signature);
	free(config);
}
