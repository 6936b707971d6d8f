/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/kbs_options.h"

#include "base/error.h"
#include "base/file.h"

#include <string.h>

#define PEM_BEGIN      "-----BEGIN "
#define PEM_SIZE_LIMIT (256 * KIB)

int kbs_pem_load(const char *text, const char *what, char **ret)
{
	cleanup(freep) char *loaded = NULL;
	size_t size;
	int r = 0;

	if (strncmp(text, PEM_BEGIN, strlen(PEM_BEGIN)) == 0)
		loaded = strdup(text);
	else
		r = file_read_all(text, PEM_SIZE_LIMIT, &loaded, &size);
	if (r == -E2BIG)
		return fail(r, "the broker's %s %s is longer than %u KiB", what, text,
			    (unsigned int)(PEM_SIZE_LIMIT / KIB));
	if (r < 0)
		return fail(r, "cannot read the broker's %s %s: %s", what, text, strerror(-r));
	if (!loaded)
		return -ENOMEM;
	*ret = TAKE_PTR(loaded);
	return 0;
}

/* It is in the image for everybody to read, but it need not be anywhere else. */
static int load_key(const char *text, struct secret **ret)
{
	char *pem;
	int r = kbs_pem_load(text, "client key", &pem);

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
	int r = kbs_pem_load(from->ca, "CA file", &options->ca[i]);

	if (r == 0 && from->client_certificate)
		r = kbs_pem_load(from->client_certificate, "client certificate",
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

int kbs_options_load(const struct config *config, struct kbs_options *ret)
{
	int r = 0;

	*ret = (struct kbs_options){};
	for (size_t i = 0; r == 0 && i < config->servers_count; i++)
		r = load_server(&config->servers[i], ret, i);
	if (r < 0) {
		kbs_options_done(ret);
		return r;
	}
	ret->broker = (struct broker_options){
		.servers = ret->servers,
		.servers_count = config->servers_count,
		.ignore_certificate_dates = !config->kbs_certificate_dates,
		.deadline_ms = config->kbs_deadline_seconds * 1000,
	};
	return 0;
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
