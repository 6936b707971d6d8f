/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_SWTPM_H
#define CVMROOT_TESTS_UNIT_SWTPM_H

#include "unit.h"

#include "tpm/tpm.h"

#include <sys/types.h>

/*
 * A TPM of one test's own: an swtpm process with its state in a new folder, and a look at what goes
 * over the wire.
 */
struct swtpm {
	char folder[64];
	char socket[96];
	pid_t pid;
	struct tpm *tpm;	  /* over a TCTI that counts and watches ... */
	TSS2_TCTI_CONTEXT *inner; /* ... this one */

	unsigned int commands;	      /* sent since it was last set to zero */
	const struct secret *watched; /* bytes that must not be seen on the wire */
	bool seen;
	/* Called before a command with this code is sent; cleared by then. */
	uint32_t hook_code;
	void (*hook)(struct swtpm *swtpm);
	uint32_t fail_code;	/* this command's answer becomes fail_response */
	uint32_t fail_response; /* 0: none */
	bool fail_once;
	unsigned int hmac_sessions, unsalted; /* started; those without a salt */
};

/* Is there an swtpm program? If not, tests skip, and main says so. */
bool swtpm_exists(void);
/* cmocka's setup and teardown of one test: a factory-new TPM, PCR 7 and 11 extended. */
int swtpm_setup(void **state);
int swtpm_teardown(void **state);
/* Power off and on: PCRs are reset, 7 and 11 extended as after swtpm_setup() */
void swtpm_restart(struct swtpm *swtpm);
/* The same, without extending anything. */
void swtpm_restart_bare(struct swtpm *swtpm);
/* Give the machine another TPM, factory-new. */
void swtpm_replace(struct swtpm *swtpm);
/* Close the connection, so that another program can use the TPM; open it again. */
void swtpm_disconnect(struct swtpm *swtpm);
void swtpm_connect(struct swtpm *swtpm);
/* Only the way to it, for tpm_open_tcti(). */
TSS2_TCTI_CONTEXT *swtpm_tcti(struct swtpm *swtpm);
/* Extend a PCR in all active banks with digests made of @word. */
void swtpm_extend(struct swtpm *swtpm, unsigned int pcr, const char *word);
/* A raw command on the same connection; for hooks. Returns the response code. */
uint32_t swtpm_raw(struct swtpm *swtpm, const uint8_t *command, size_t size);

/* Bring the TPM into a state that a user can meet. */
void swtpm_lock_out(struct swtpm *swtpm);
void swtpm_set_owner_password(struct swtpm *swtpm, const char *password);
void swtpm_fill_nv(struct swtpm *swtpm);
/* Give all PCRs to one bank (TPM2_ALG_...), and boot again. */
void swtpm_only_bank(struct swtpm *swtpm, uint16_t algorithm);
/* A key at the SRK's handle that was there before: an RSA storage key, or no storage key at all. */
void swtpm_occupy_srk(struct swtpm *swtpm, bool storage_key);
/* An RSA key at @handle that signs whatever it is given, by RSASSA with SHA-256. */
void swtpm_make_signing_key(struct swtpm *swtpm, uint32_t handle);
/* Remove a persistent key. */
void swtpm_evict(struct swtpm *swtpm, uint32_t handle);
/* Define an NV index by hand: 32 bytes of policy or NULL. */
void swtpm_define_nv(struct swtpm *swtpm, uint32_t index, uint32_t attributes, uint16_t size,
		     const uint8_t *policy);
/* Write to one under a PolicyPCR over SHA-256 PCRs. */
void swtpm_write_nv_by_policy(struct swtpm *swtpm, uint32_t index, uint32_t pcrs,
			      const uint8_t *data, size_t size);

/* A fresh RSA key, and tpm2-pcr-signature.json for the PCR 11 value of now. */
struct policy_key;
struct policy_key *policy_key_new(unsigned int bits);
const char *policy_key_pem(const struct policy_key *key);
/* The caller frees. */
char *policy_key_sign(const struct policy_key *key, struct tpm *tpm, enum hash_algorithm bank,
		      enum hash_algorithm signature_hash);
void policy_key_free(struct policy_key *key);
DEFINE_CLEANUP(struct policy_key *, policy_key_free)

#endif
