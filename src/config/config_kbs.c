/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "config/config_kbs.h"

#include "base/codec.h"
#include "base/error.h"

#include <string.h>

#define SCHEME	   "https://"
#define PIN_SCHEME "sha256//"
#define PIN_SIZE   32
#define PEM_BEGIN  "-----BEGIN "

/* ---- [tee] ---- */

/* The platforms that src/tee has; here by name only, since dependencies point downwards. */
static const struct config_choice platforms[] = {
	{"auto", 0},	    {"snp", 0}, {"tdx", 0}, {"az-snp-vtpm", 0},
	{"az-tdx-vtpm", 0}, {"cca", 0}, {"se", 0},  {"tpm", 0},
};

int config_read_tee(READ)
{
	unsigned int value;
	int r = config_pick(toml, key, platforms, ARRAY_SIZE(platforms), &value);

	return r < 0 ? r : config_replace_string(&config->tee, key->value.string);
}

int config_read_ak_handle(READ)
{
	int64_t handle = key->value.integer;

	/* TCG Registry of Reserved TPM 2.0 Handles: what the owner may persist. */
	if (handle < 0x81000000 || handle > 0x817fffff)
		return toml_fail(toml, key,
				 "0x%llx is not in 0x81000000..0x817fffff, where owners keep keys",
				 (unsigned long long)handle);
	config->tee_ak_handle = (uint32_t)handle;
	return 0;
}

void config_show_ak_handle(SHOW)
{
	fprintf(out, "0x%08x", config->tee_ak_handle);
}

/* ---- [kbs] and [kbs.NAME] ---- */

bool config_is_server_table(const char *table)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_";
	const char *name = table + strlen(CONFIG_SERVER_TABLE ".");

	return strncmp(table, CONFIG_SERVER_TABLE ".", strlen(CONFIG_SERVER_TABLE ".")) == 0 &&
	       name[0] != '\0' && strspn(name, bare) == strlen(name);
}

/* [kbs] is the first of them, wherever it stands in the file; the others keep its order. */
static struct config_server *add_server(struct config *config, const char *table)
{
	size_t at = config_is_server_table(table) ? config->servers_count : 0;
	struct config_server server = {.name = strdup(table)};

	if (!server.name)
		return NULL;
	memmove(&config->servers[at + 1], &config->servers[at],
		(config->servers_count - at) * sizeof(server));
	config->servers[at] = server;
	config->servers_count++;
	/* analyze: -Wanalyzer-malloc-leak: the name is in the list, which the caller owns */
	return &config->servers[at];
}

/* The server of this table, made when it is the first key of it. */
static int get_server(const struct toml *toml, const struct toml_key *key, struct config *config,
		      struct config_server **ret)
{
	for (size_t i = 0; i < config->servers_count; i++)
		if (strcmp(config->servers[i].name, key->table) == 0) {
			*ret = &config->servers[i];
			return 0;
		}
	if (config->servers_count == CONFIG_SERVERS_MAX)
		return toml_fail(toml, key, "more than %d servers", CONFIG_SERVERS_MAX);
	*ret = add_server(config, key->table);
	return *ret ? 0 : -ENOMEM;
}

static int keep(READ)
{
	struct config_server *server;
	int r = get_server(toml, key, config, &server);

	return r < 0 ? r : config_replace_string(FIELD(char *, row, server), key->value.string);
}

/* A host name, an IPv4 address or an IPv6 address in []. */
static bool is_host(const char *host, size_t size)
{
	static const char name[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	bool address = size > 2 && host[0] == '[' && host[size - 1] == ']';

	if (size == 0 || size > 255)
		return false;
	if (address)
		return strspn(host + 1, "0123456789abcdefABCDEF:.") == size - 2;
	return host[0] != '-' && host[0] != '.' && strspn(host, name) >= size;
}

static bool is_port(const char *port)
{
	size_t digits = strspn(port, "0123456789");

	return digits > 0 && digits <= 5 && port[digits] == '\0' && port[0] != '0' &&
	       strtoul(port, NULL, 10) <= 65535;
}

int config_read_url(READ)
{
	const char *url = key->value.string, *host = url + strlen(SCHEME), *port;
	size_t size;

	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return toml_fail(toml, key,
				 "wanted \"https://HOST\" or \"https://HOST:PORT\": without TLS, "
				 "anybody could hand out a key of his own");
	/* An IPv6 address has colons of its own, inside its brackets. */
	size = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (size > strlen(host) || !is_host(host, size))
		return toml_fail(toml, key,
				 "the host is not a name or an address (and no path may "
				 "follow it)");
	port = host + size;
	if (*port != '\0' && (*port != ':' || !is_port(port + 1)))
		return toml_fail(toml, key,
				 "the port is not a number from 1 to 65535 (and no path "
				 "may follow it)");
	return keep(row, toml, key, config);
}

/* Lines of printable characters. */
static bool is_pem(const char *text)
{
	if (strncmp(text, PEM_BEGIN, strlen(PEM_BEGIN)) != 0)
		return false;
	for (; *text != '\0'; text++)
		if ((*text < ' ' && *text != '\n' && *text != '\r') || *text == 0x7f)
			return false;
	return true;
}

int config_read_pem(READ)
{
	const char *fault = is_pem(key->value.string) ? NULL : config_path_fault(key->value.string);

	if (fault)
		return toml_fail(toml, key, "neither a PEM text nor the path of one: %s", fault);
	return keep(row, toml, key, config);
}

int config_read_pin(READ)
{
	const char *text = key->value.string;
	uint8_t digest[PIN_SIZE];
	size_t size = 0;

	if (strncmp(text, PIN_SCHEME, strlen(PIN_SCHEME)) != 0 ||
	    base64_decode(text + strlen(PIN_SCHEME), strlen(text) - strlen(PIN_SCHEME), digest,
			  sizeof(digest), &size) < 0 ||
	    size != sizeof(digest))
		return toml_fail(toml, key,
				 "wanted \"" PIN_SCHEME "\" and the base64 text of a "
				 "SHA-256 digest");
	return keep(row, toml, key, config);
}

/* Only the outline: what a resource looks like is known to the broker's client. */
int config_read_resource(READ)
{
	const char *text = key->value.string;

	if (strncmp(text, "kbs://", 6) != 0 && strncmp(text, "kbs+", 4) != 0)
		return toml_fail(toml, key, "wanted \"kbs:///REPOSITORY/TYPE/TAG\"");
	if (!config_is_printable(text) || strlen(text) > 1024)
		return toml_fail(toml, key, "a control character, or more than 1024 bytes");
	for (const char *sign = strchr(text, '%'); sign; sign = strchr(sign + 1, '%'))
		if (sign[1] != 'u' && sign[1] != 'i')
			return toml_fail(toml, key,
					 "only %%u (LUKS UUID) and %%i (instance id) "
					 "may stand behind a '%%'");
	return config_replace_string(&config->kbs_resource, text);
}

/* A place in the document for a sentence about a whole table, or about @otherwise. */
static struct toml_key table_place(const struct toml *toml, const char *table,
				   const struct toml_key *otherwise)
{
	for (size_t i = 0; i < toml->tables_count; i++)
		if (strcmp(toml->tables[i].name, table) == 0)
			return (struct toml_key){.table = table,
						 .value.line = toml->tables[i].line};
	return *otherwise;
}

static int check_server(const struct toml *toml, const struct config_server *server)
{
	const struct toml_key none = {.table = server->name};
	const struct toml_key place = table_place(toml, server->name, &none);

	if (!server->url)
		return toml_fail(toml, &place, "url is missing");
	if (!server->ca)
		return toml_fail(
			toml, &place,
			"ca is missing: without it nothing tells the broker from the host");
	if (!server->client_certificate != !server->client_key)
		return toml_fail(toml, &place, "client-certificate and client-key go together");
	return 0;
}

static int check_provider(const struct toml *toml, const struct config *config)
{
	const struct toml_key *providers = toml_find(toml, "keys", "providers");
	const struct toml_key place = table_place(toml, CONFIG_SERVER_TABLE, providers);

	if (config->servers_count == 0)
		return toml_fail(toml, &place, "the provider \"kbs\" needs url and ca in [kbs]");
	if (!config->kbs_resource)
		return toml_fail(toml, &place, "the provider \"kbs\" needs resource in [kbs]");
	return 0;
}

int config_check_kbs(const struct toml *toml, const struct config *config)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->servers_count; i++)
		r = check_server(toml, &config->servers[i]);
	for (size_t i = 0; r == 0 && i < config->providers_count; i++)
		if (strcmp(config->providers[i], "kbs") == 0)
			r = check_provider(toml, config);
	return r;
}
