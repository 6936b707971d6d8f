/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CONFIG_CONFIG_H
#define CVMROOT_CONFIG_CONFIG_H

#include "crypto/hash.h"

#define CONFIG_PATH	     "/etc/cvmroot/cvmroot.toml"
#define CONFIG_SIZE_LIMIT    (64 * KIB)
#define CONFIG_PROVIDERS_MAX 8
#define CONFIG_SERVERS_MAX   8
/* Name of the opened volume below /dev/mapper: the initrd's units and fstab hold it too. */
#define CONFIG_MAPPING	    "root"
#define CONFIG_RTMR_DEFAULT 2

enum config_failure_action {
	FAILURE_POWEROFF,
	FAILURE_REBOOT,
};

enum config_rule {
	RULE_ANY, /* each provider's keyslot opens the root */
	RULE_ALL, /* one keyslot, whose passphrase needs the secrets of all providers */
};

/* One server of the key broker. A PEM text may stand in the place of each path. */
struct config_server {
	char *name; /* of its table: "kbs" or "kbs.NAME" */
	char *url;  /* https://HOST[:PORT] */
	char *ca;
	char *pin;		  /* "sha256//BASE64" of the server's public key; or NULL */
	char *client_certificate; /* or NULL */
	char *client_key;	  /* or NULL */
};
void config_server_done(struct config_server *server);

/* cvmroot.toml(5), validated; every key has a default, so an empty file is a configuration. */
struct config {
	/* [root] */
	char *partition;	   /* "auto", "PARTUUID=...", "PARTLABEL=..." or "/dev/..." */
	char *manifest;		   /* path: "/etc/cvmroot/root.manifest" */
	bool grow;		   /* extend the partition over the disk first */
	bool check_first;	   /* verify the whole image before the first write */
	unsigned int wait_seconds; /* for the partition to appear */

	/* [keys] */
	char *providers[CONFIG_PROVIDERS_MAX]; /* in the order of trial: "tpm2" */
	size_t providers_count;
	enum config_rule rule;

	/* [tee] */
	char *tee;		/* "auto", or a name that tee_find() knows */
	uint32_t tee_ak_handle; /* persistent handle of the attestation key of "tpm" */
	bool tee_create_ak;	/* make that key when there is none */

	/* [kbs], [kbs.NAME] */
	struct config_server servers[CONFIG_SERVERS_MAX]; /* in the order of the file */
	size_t servers_count;
	char *kbs_resource; /* URI with %u (LUKS UUID) and %i (instance id); NULL: none given */
	unsigned int kbs_deadline_seconds; /* for one fetch, retries included */
	bool kbs_certificate_dates;	   /* look at the dates of certificates */

	/* [initdata] */
	char *initdata_path; /* of the CoCo initdata document that replaces this file; or NULL */

	/* [tpm2] */
	uint32_t tpm2_pcrs; /* mask of literal PCRs; 15 is always in it */
	enum hash_algorithm tpm2_bank;
	bool tpm2_legacy_primary; /* profile = "legacy" */
	char *tpm2_public_key;	  /* path of a PEM key: signed PCR 11 policy; or NULL */
	char *tpm2_signature;	  /* path of tpm2-pcr-signature.json */
	uint32_t tpm2_nv_index;

	/* [measure] */
	unsigned int measure_config, measure_manifest, measure_root, measure_leave; /* PCRs */
	unsigned int measure_rtmr; /* of TDX, for all events: 2 or 3 */

	/* [failure] */
	enum config_failure_action failure_action;

	uint8_t digest[HASH_SHA256_SIZE]; /* of the file's bytes */
};

/*
 * Read the text of a configuration. @name is only for the sentence: -EBADMSG and -E2BIG come with
 * file, line and key. The caller frees *ret with config_free().
 */
int config_parse(const char *text, size_t size, const char *name, struct config **ret);
int config_load(const char *path, struct config **ret);
/* For verbs outside of an initrd: without @path CONFIG_PATH, and the defaults where that is not. */
int config_load_or_default(const char *path, struct config **ret);
/*
 * Will a key broker be asked? What an initdata document says is not known before the boot, so it
 * counts as asking.
 */
bool config_may_ask_broker(const struct config *config);
/* Write every key with the value in effect, as TOML that config_parse() reads again. */
void config_show(const struct config *config, FILE *out);
void config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free)

#endif
