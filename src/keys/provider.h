/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_PROVIDER_H
#define CVMROOT_KEYS_PROVIDER_H

#include "base/json.h"
#include "base/secret.h"
#include "config/config.h"
#include "tpm/tpm.h"

/* What providers may use; borrowed. */
struct provider_context {
	const struct config *config;
	struct tpm *tpm;		   /* NULL: no TPM on this machine */
	const struct tpm_binding *binding; /* what secrets in the TPM are bound to */
	/* What the PCRs were when the secret was sealed, for a better sentence; or NULL. */
	const struct tpm_pcr_values *sealed_values;
};

/*
 * A key provider owns one keyslot: it makes the slot's passphrase at first boot and gets it back
 * later. One file and one line in the table of provider.c each.
 */
struct key_provider_ops {
	const char *name;	/* in cvmroot.toml and in measurements: "tpm2" */
	const char *token_type; /* of the LUKS2 token that marks its slot */
	/* Make a passphrase that can be had again, and the token that says how. */
	int (*enrol)(const struct provider_context *context, struct secret **ret_passphrase,
		     json_t **ret_token);
	/* Get the passphrase of the slot that @token marks; the token is untrusted. */
	int (*unlock)(const struct provider_context *context, json_t *token,
		      struct secret **ret_passphrase);
};

extern const struct key_provider_ops tpm2_provider;

/* By name; -EINVAL when there is none. */
int provider_find(const char *name, const struct key_provider_ops **ret);

#endif
