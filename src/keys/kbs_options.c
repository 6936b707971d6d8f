/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/kbs_options.h"

#include "base/file.h"
#include "keys/kbs_tee.h"

#include <string.h>

#define PEM_BEGIN      "-----BEGIN "
#define PEM_SIZE_LIMIT (256 * KIB)

/* @text when it is a PEM text itself, else the content of the file that it names. */
static int load_pem(const char *text, const char *what, char **ret)
{
	if (strncmp(text, PEM_BEGIN, strlen(PEM_BEGIN)) != 0)
		return file_load_text(text, PEM_SIZE_LIMIT, what, ret);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* It is in the image for everybody to read, but it need not be anywhere else. */
static int load_key(const char *text, struct secret **ret)
{
	char *pem;
	int r = load_pem(text, "broker's client key", &pem);

	if (r < 0)
		return r;
	r = secret_copy(pem, strlen(pem), ret);
	explicit_bzero(pem, strlen(pem));
	free(pem);
	return r;
}

static int load_server(const struct config_server *from, struct kbs_options *options, size_t i)
{
	struct broker_server *server = &options->servers[i];
	int r = load_pem(from->ca, "broker's CA file", &options->ca[i]);

	if (r == 0 && from->client_certificate)
		r = load_pem(from->client_certificate, "broker's client certificate",
			     &options->client_certificate[i]);
	if (r == 0 && from->client_key)
		r = load_key(from->client_key, &options->client_key[i]);
	if (r < 0)
		return r;
	*server = (struct broker_server){
		.url = from->url,
		.ca = options->ca[i],
		.pin = from->pin,
		.client_certificate = options->client_certificate[i],
		.client_key = options->client_key[i],
	};
	return 0;
}

int kbs_options_load(const struct config *config, struct tpm *tpm, struct kbs_options *ret)
{
	int r = 0;

	*ret = (struct kbs_options){};
	for (size_t i = 0; r == 0 && i < config->servers_count; i++)
		r = load_server(&config->servers[i], ret, i);
	if (r < 0)
		return r;
	ret->broker = (struct broker_options){
		.servers = ret->servers,
		.servers_count = config->servers_count,
		.ignore_certificate_dates = !config->kbs_certificate_dates,
		.deadline_ms = config->kbs_deadline_seconds * 1000,
		.tee_context = &ret->tee_context,
	};
	ret->tee_context = kbs_tee_context(config, tpm);
	return kbs_tee_find(config, &ret->tee_context, &ret->broker.tee);
}

void kbs_options_done(struct kbs_options *options)
{
	for (size_t i = 0; i < CONFIG_SERVERS_MAX; i++) {
		free(options->ca[i]);
		free(options->client_certificate[i]);
		secret_free(options->client_key[i]);
	}
	*options = (struct kbs_options){};
}
