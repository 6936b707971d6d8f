/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/provider.h"

#include "base/error.h"
#include "base/file.h"
#include "broker/broker.h"
#include "keys/kbs_options.h"
#include "keys/kbs_resource.h"

#include <string.h>

#define TOKEN_TYPE	   "kbs"
#define PRODUCT_UUID_PATH  "/sys/class/dmi/id/product_uuid"
#define PRODUCT_UUID_LIMIT 64

/* What the virtual machine's firmware reports: a name that the host chose. */
static int firmware_uuid(char **ret)
{
	cleanup(freep) char *text = NULL;
	uint8_t uuid[UUID_SIZE];
	size_t size;
	int r = file_read_all(PRODUCT_UUID_PATH, PRODUCT_UUID_LIMIT, &text, &size);

	if (r == 0) {
		text[strcspn(text, "\n")] = '\0';
		r = uuid_decode(text, uuid);
	}
	if (r < 0)
		return fail(-ENODEV,
			    "the resource asks for %%i, but this machine has no instance id: there "
			    "is no \"instance-id\" in initdata, and " PRODUCT_UUID_PATH
			    " gives none");
	*ret = malloc(UUID_TEXT_SIZE);
	if (!*ret)
		return -ENOMEM;
	uuid_encode(uuid, *ret);
	return 0;
}

static int expand_resource(const struct provider_context *context, char **ret)
{
	const char *resource = context->config->kbs_resource;
	cleanup(freep) char *from_firmware = NULL;
	const char *instance_id = NULL;

	if (strstr(resource, "%i")) {
		if (context->initdata)
			instance_id = context->initdata->instance_id;
		if (!instance_id) {
			int r = firmware_uuid(&from_firmware);

			if (r < 0)
				return r;
			instance_id = from_firmware;
		}
	}
	return kbs_resource_expand(resource, context->luks_uuid, instance_id, ret);
}

static int fetch(const struct provider_context *context, const char *uri, struct secret **ret)
{
	cleanup(kbs_options_done) struct kbs_options options = {};
	int r = kbs_options_load(context->config, context->tpm, &options);

	if (r < 0)
		return r;
	if (context->initdata) {
		options.broker.initdata = context->initdata->text;
		options.broker.initdata_size = context->initdata->size;
	}
	options.broker.waiting = context->waiting;
	options.broker.waiting_context = context->waiting_context;
	return broker_fetch(&options.broker, uri, ret);
}

/* Once in a boot: what was fetched before is handed out again, and so is the failure. */
static int get_secret(const struct provider_context *context, const char *uri, struct secret **ret)
{
	int r = context->fetch_error ? *context->fetch_error : 0;

	if (r == 0 && !*context->fetched)
		r = fetch(context, uri, context->fetched);
	if (r < 0) {
		if (context->fetch_error)
			*context->fetch_error = r;
		return r;
	}
	return secret_copy((*context->fetched)->data, (*context->fetched)->size, ret);
}

/* For people and for "cryptsetup luksDump"; nothing here reads it. */
static json_t *make_token(const struct provider_context *context, const char *uri)
{
	return json_pack("{s:s, s:s, s:s}", "type", TOKEN_TYPE, "trustee.kbs.url",
			 context->config->servers[0].url, "trustee.kbs.resource", uri);
}

static int kbs_enrol(const struct provider_context *context, struct secret **ret_passphrase,
		     json_t **ret_token)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(freep) char *uri = NULL;
	int r = expand_resource(context, &uri);

	if (r == 0)
		r = get_secret(context, uri, &secret);
	if (r < 0)
		return r;
	*ret_token = make_token(context, uri);
	if (!*ret_token)
		return -ENOMEM;
	*ret_passphrase = TAKE_PTR(secret);
	return 0;
}

/* The token is the disk's: what to fetch, and from whom, is only in the configuration. */
static int kbs_unlock(const struct provider_context *context, json_t *token,
		      struct secret **ret_passphrase)
{
	cleanup(freep) char *uri = NULL;
	int r = expand_resource(context, &uri);

	(void)token;
	return r < 0 ? r : get_secret(context, uri, ret_passphrase);
}

const struct key_provider_ops kbs_provider = {
	.name = "kbs",
	.token_type = TOKEN_TYPE,
	.enrol = kbs_enrol,
	.unlock = kbs_unlock,
};
