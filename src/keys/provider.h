/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_PROVIDER_H
#define CVMROOT_KEYS_PROVIDER_H

#include "base/json.h"
#include "base/secret.h"
#include "config/config.h"
#include "config/initdata.h"
#include "tpm/tpm.h"

/* What providers may use; borrowed. */
struct provider_context {
	const struct config *config;
	struct tpm *tpm;		   /* NULL: no TPM on this machine */
	const struct tpm_binding *binding; /* what secrets in the TPM are bound to */
	/* What the PCRs were when the secret was sealed, for a better sentence; or NULL. */
	const struct tpm_pcr_values *sealed_values;
	const uint8_t *luks_uuid;
	const struct initdata *initdata; /* bound by the TEE; or NULL */
	/*
	 * What a broker gave in this boot, so that the rehearsal of a first boot does not fetch it
	 * once more; the owner frees it as soon as the root is unlocked.
	 */
	struct secret **fetched;
	/*
	 * That it gave none, 0 before: each keyslot that the disk's header names would otherwise
	 * have a deadline of its own. NULL: nobody asks twice.
	 */
	int *fetch_error;
	/* Told of each wait for a broker: what went wrong, and in how many seconds it goes on. */
	void (*waiting)(const char *sentence, unsigned int seconds, void *context);
	void *waiting_context;
};

/*
 * A key provider owns one keyslot, or a part of one: it makes the secret at first boot and gets it
 * back later. One file and one line in the table of provider.c each.
 */
struct key_provider_ops {
	const char *name;	/* in cvmroot.toml and in measurements: "tpm2" */
	const char *token_type; /* of the LUKS2 token that marks its slot */
	bool needs_tpm;
	/* Make a secret that can be had again, and the token that says how. */
	int (*enrol)(const struct provider_context *context, struct secret **ret_passphrase,
		     json_t **ret_token);
	/* Get the secret of the slot that @token marks; the token is untrusted. */
	int (*unlock)(const struct provider_context *context, json_t *token,
		      struct secret **ret_passphrase);
};

extern const struct key_provider_ops kbs_provider, tpm2_provider;

/* By name; -EINVAL when there is none. */
int provider_find(const char *name, const struct key_provider_ops **ret);
/* Does a provider of this configuration need a TPM? */
bool provider_needs_tpm(const struct config *config);
/* For one that comes from initdata: a TPM's secrets are bound to the document, by PCR 8. */
void provider_bind_initdata(struct config *config);

#endif
