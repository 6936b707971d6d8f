/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/error.h"
#include "base/log.h"
#include "keys/combine.h"

#include <string.h>

void root_done(struct root *root)
{
	luks_header_free(root->header);
	secret_free(root->volume_key);
	*root = (struct root){};
}

/*
 * The facts are authenticated by the slot's MAC; the record says whether they are about our disk.
 */
static int check_record(const struct boot *boot, const struct luks_facts *facts)
{
	if (memcmp(facts->uuid, boot->record.luks_uuid, UUID_SIZE) != 0)
		return fail(
			-ESTALE,
			"%s: the LUKS UUID is not the one that the TPM remembers: this is another "
			"disk",
			boot->partition->path);
	if (facts->epoch != boot->record.epoch)
		return fail(
			-ESTALE,
			"%s: the header's epoch is not the one that the TPM remembers: this is an "
			"old state of the disk",
			boot->partition->path);
	return 0;
}

static int check_fingerprint(const struct boot *boot, const struct luks_facts *facts)
{
	if (mac_equal(facts->fingerprint, boot->record.fingerprint, sizeof(facts->fingerprint)))
		return 0;
	return fail(
		-ESTALE,
		"%s: the volume key is not the one that the TPM remembers: the encrypted volume "
		"was replaced",
		boot->partition->path);
}

struct provider_context boot_provider_context(struct boot *boot, const uint8_t *luks_uuid)
{
	return (struct provider_context){
		.config = boot->config,
		.tpm = boot->tpm,
		.binding = &boot->binding.binding,
		.sealed_values = boot->has_record ? &boot->record.sealed_values : NULL,
		.luks_uuid = luks_uuid,
		.initdata = boot->initdata,
		.fetched = &boot->fetched,
		.fetch_error = &boot->fetch_error,
		.waiting = boot_progress_waiting,
		.waiting_context = boot,
	};
}

static int try_token(struct boot *boot, const struct key_provider_ops *provider,
		     const struct luks_header *header, json_t *token, int slot, struct root *root)
{
	cleanup(secret_freep) struct secret *passphrase = NULL;
	const struct provider_context context =
		boot_provider_context(boot, luks_header_facts(header)->uuid);
	int r = provider->unlock(&context, token, &passphrase);

	if (r < 0)
		return r;
	r = luks_header_unlock(header, slot, passphrase, CONFIG_MAPPING, &root->facts,
			       &root->volume_key);
	if (r < 0)
		return r;
	snprintf(root->provider, sizeof(root->provider), "%s", provider->name);
	return 0;
}

static int no_slot(const struct boot *boot, const struct key_provider_ops *provider)
{
	return fail(-ENOKEY, "%s: the header has no keyslot of the provider %s",
		    boot->partition->path, provider->name);
}

/* 0, or the error of the last token of this provider; -ENOKEY when it has none. */
static int try_provider(struct boot *boot, const struct key_provider_ops *provider,
			const struct luks_header *header, struct root *root)
{
	size_t cursor = 0;
	json_t *token;
	int slot;
	int r = no_slot(boot, provider);

	while ((token = luks_header_token(header, provider->token_type, &cursor, &slot))) {
		r = try_token(boot, provider, header, token, slot, root);
		if (r == 0)
			return 0;
		log_debug("keyslot %d: %s", slot, fail_sentence(r));
	}
	return r;
}

/* rule = "any": the first provider whose keyslot opens. */
static int unlock_any(struct boot *boot, const struct luks_header *header, struct root *root)
{
	int r = -ENOKEY;

	for (size_t i = 0; i < boot->config->providers_count; i++) {
		const struct key_provider_ops *provider;

		r = provider_find(boot->config->providers[i], &provider);
		if (r < 0)
			return r;
		r = try_provider(boot, provider, header, root);
		if (r == 0)
			return 0;
		if (i + 1 < boot->config->providers_count)
			log_info("%s gave no key, trying %s: %s", provider->name,
				 boot->config->providers[i + 1], fail_sentence(r));
	}
	return r;
}

/* What each provider has of the passphrase. */
struct parts {
	struct secret *secrets[CONFIG_PROVIDERS_MAX];
	struct key_part parts[CONFIG_PROVIDERS_MAX];
	size_t count;
};

static void parts_done(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		secret_free(parts->secrets[i]);
}

static int get_part(struct boot *boot, const struct luks_header *header, const char *name,
		    struct parts *parts)
{
	const struct provider_context context =
		boot_provider_context(boot, luks_header_facts(header)->uuid);
	const struct key_provider_ops *provider;
	json_t *token;
	int r = provider_find(name, &provider);

	if (r < 0)
		return r;
	token = luks_header_part(header, provider->token_type);
	if (!token)
		return no_slot(boot, provider);
	r = provider->unlock(&context, token, &parts->secrets[parts->count]);
	if (r < 0)
		return r;
	parts->parts[parts->count] = (struct key_part){.provider = provider->name,
						       .secret = parts->secrets[parts->count]};
	parts->count++;
	return 0;
}

/* rule = "all": slot 0, by a passphrase of which every provider has a part. */
static int unlock_all(struct boot *boot, const struct luks_header *header, struct root *root)
{
	cleanup(parts_done) struct parts parts = {};
	cleanup(secret_freep) struct secret *passphrase = NULL;
	size_t used = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < boot->config->providers_count; i++)
		r = get_part(boot, header, boot->config->providers[i], &parts);
	if (r == 0)
		r = key_combine(parts.parts, parts.count, &passphrase);
	if (r == 0)
		r = luks_header_unlock(header, 0, passphrase, CONFIG_MAPPING, &root->facts,
				       &root->volume_key);
	if (r < 0)
		return r;
	for (size_t i = 0; i < parts.count && used < sizeof(root->provider); i++)
		used += (size_t)snprintf(root->provider + used, sizeof(root->provider) - used,
					 "%s%s", i > 0 ? "+" : "", parts.parts[i].provider);
	return 0;
}

/* Is it the volume that the TPM remembers? The facts are authenticated by now. */
static int check_memory(const struct boot *boot, const struct luks_facts *facts)
{
	int r;

	if (!boot->has_memory)
		return 0;
	r = check_record(boot, facts);
	return r < 0 ? r : check_fingerprint(boot, facts);
}

int boot_unlock(struct boot *boot, struct luks_header *header, enum boot_root how, struct root *ret)
{
	cleanup(root_done) struct root root = {.how = how, .header = header};
	/* Another disk is told before anybody is asked for its key. */
	int r = boot->has_memory ? check_record(boot, luks_header_facts(header)) : 0;

	if (r == 0 && boot->config->rule == RULE_ALL)
		r = unlock_all(boot, header, &root);
	else if (r == 0)
		r = unlock_any(boot, header, &root);
	if (r == 0 && boot->unconfirmed)
		r = tpm_record_confirm(boot->tpm, &boot->binding.binding, &boot->record);
	if (r == 0)
		r = check_memory(boot, &root.facts);
	if (r < 0)
		return r;
	secret_freep(&boot->fetched);
	boot->fetched = NULL;
	*ret = root;
	root = (struct root){};
	return 0;
}
