/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"
#include "expect.h"

#include "base/error.h"
#include "tpm/internal.h"
#include "tpm/token.h"

#include <tss2/tss2_esys.h>

/* ---- Help ---- */

static const struct tpm_binding literal = {.bank = HASH_SHA256, .pcrs = 1U << 7};
static const struct tpm_binding legacy = {
	.bank = HASH_SHA256, .pcrs = 1U << 7, .legacy_primary = true};

/* Seal, pass through the token's JSON, and give back what came out. */
static struct tpm_sealed *seal(struct swtpm *swtpm, const struct tpm_binding *binding,
			       const struct secret *secret)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(json_decrefp) json_t *token = NULL;
	struct tpm_sealed *parsed;
	int r = tpm_seal(swtpm->tpm, binding, secret, &sealed);

	if (r < 0)
		fail_msg("%s", fail_sentence(r));
	assert_int_equal(tpm_token_make(sealed, &token), 0);
	assert_int_equal(tpm_token_parse(token, &parsed), 0);
	return parsed;
}

static void assert_unseals(struct swtpm *swtpm, const struct tpm_binding *binding,
			   const struct tpm_sealed *sealed, const struct secret *secret)
{
	cleanup(secret_freep) struct secret *opened = NULL;
	int r = tpm_unseal(swtpm->tpm, binding, sealed, NULL, &opened);

	if (r < 0)
		fail_msg("%s", fail_sentence(r));
	assert_true(secret_equal(opened, secret));
}

static void assert_refuses(struct swtpm *swtpm, const struct tpm_binding *binding,
			   const struct tpm_sealed *sealed, const struct tpm_pcr_values *before,
			   int error, const char *words)
{
	struct secret *opened = NULL;

	assert_fails(tpm_unseal(swtpm->tpm, binding, sealed, before, &opened), error, words);
	assert_null(opened);
}

/* ---- PCRs ---- */

/* PCR_Extend by another program. */
static void raw_extend(struct swtpm *swtpm, uint8_t pcr)
{
	uint8_t command[65] = {0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, pcr, 0, 0,	0,
			       9,    0x40, 0, 0, 9, 0,	0, 0, 0,    0,	  0, 0, 0, 1,	0, 0x0b};

	assert_int_equal(swtpm_raw(swtpm, command, sizeof(command)), 0);
}

static void pcr_extend_matches_hash(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_pcr_values before, after;
	uint8_t pair[2 * HASH_MAX_SIZE], expected[HASH_MAX_SIZE];

	for (unsigned int i = 0; i < HASH_ALGORITHMS; i++) {
		enum hash_algorithm bank = (enum hash_algorithm)i;
		size_t size = hash_size(bank);
		uint32_t banks;

		assert_int_equal(tpm_pcr_banks(swtpm->tpm, &banks), 0);
		if (!(banks & 1U << i))
			continue;
		assert_int_equal(tpm_pcr_read(swtpm->tpm, bank, 1U << 8, &before), 0);
		swtpm->commands = 0;
		swtpm_extend(swtpm, 8, "word");
		/* All banks with one command; the other asked which there are. */
		assert_int_equal(swtpm->commands, 2);
		assert_int_equal(tpm_pcr_read(swtpm->tpm, bank, 1U << 8, &after), 0);
		memcpy(pair, before.values[8], size);
		assert_int_equal(hash_data(bank, "word", 4, pair + size), 0);
		assert_int_equal(hash_data(bank, pair, 2 * size, expected), 0);
		assert_memory_equal(after.values[8], expected, size);
	}
}

/* Once a key is known the answer is authenticated, in the session that sealed. */
static void extensions_share_a_session(void **state)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE] = {};
	struct tpm_pcr_values values;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	swtpm->commands = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(tpm_pcr_extend(swtpm->tpm, 15, 1U << HASH_SHA256, digests), 0);
	assert_int_equal(swtpm->commands, 3);
	assert_int_equal(swtpm->unsalted, 0);
	/* One that fails does not spoil the session. */
	swtpm->fail_code = TPM2_CC_PCR_Extend;
	swtpm->fail_response = TPM2_RC_LOCALITY;
	swtpm->fail_once = true;
	assert_true(tpm_pcr_extend(swtpm->tpm, 15, 1U << HASH_SHA256, digests) < 0);
	assert_int_equal(tpm_pcr_extend(swtpm->tpm, 15, 1U << HASH_SHA256, digests), 0);
	assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 1U << 15, &values), 0);
	assert_false(tpm_pcr_is_zero(&values, 15));
}

static void pcr_read_all(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_pcr_values all, one;

	assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 0xffffff, &all), 0);
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++) {
		assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 1U << pcr, &one), 0);
		assert_memory_equal(all.values[pcr], one.values[pcr], 32);
	}
}

static uint32_t loaded_sessions(struct swtpm *swtpm)
{
	TPMS_CAPABILITY_DATA *data = NULL;
	uint32_t count;

	assert_int_equal(Esys_GetCapability(swtpm->tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE,
					    ESYS_TR_NONE, TPM2_CAP_HANDLES,
					    TPM2_LOADED_SESSION_FIRST, 8, NULL, &data),
			 0);
	count = data->data.handles.count;
	Esys_Free(data);
	return count;
}

/* The TPM ends the session itself: nothing is left to be flushed. */
static void last_extend_ends_the_session(void **state)
{
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE] = {};
	struct swtpm *swtpm = *state;
	struct tpm_pcr_values values;

	assert_false(tpm_pcr_extend_is_proved(swtpm->tpm));
	assert_int_equal(tpm_primary_get(swtpm->tpm, false, false), 0);
	assert_true(tpm_pcr_extend_is_proved(swtpm->tpm));
	assert_int_equal(tpm_pcr_extend(swtpm->tpm, 15, 1U << HASH_SHA256, digests), 0);
	assert_int_equal(loaded_sessions(swtpm), 1);
	tpm_pcr_extend_last(swtpm->tpm);
	assert_int_equal(tpm_pcr_extend(swtpm->tpm, 15, 1U << HASH_SHA256, digests), 0);
	assert_int_equal(loaded_sessions(swtpm), 0);
	assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 1U << 15, &values), 0);
	assert_false(tpm_pcr_is_zero(&values, 15));
	/* After all one more: it begins another. */
	assert_int_equal(tpm_pcr_extend(swtpm->tpm, 15, 1U << HASH_SHA256, digests), 0);
	assert_int_equal(loaded_sessions(swtpm), 1);
	/* One that was to be the last and fails leaves none behind. */
	tpm_pcr_extend_last(swtpm->tpm);
	swtpm->fail_code = TPM2_CC_PCR_Extend;
	swtpm->fail_response = TPM2_RC_FAILURE;
	assert_true(tpm_pcr_extend(swtpm->tpm, 15, 1U << HASH_SHA256, digests) < 0);
	swtpm->fail_response = 0;
	assert_int_equal(loaded_sessions(swtpm), 0);
}

static void extend_pcr_0(struct swtpm *swtpm)
{
	raw_extend(swtpm, 0);
}

static void extend_pcr_0_at_next_read(struct swtpm *swtpm)
{
	swtpm->hook = extend_pcr_0;
}

/* All values are of one moment, though it takes several commands to read them. */
static void pcr_read_is_consistent(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_pcr_values all, one;

	swtpm->hook_code = TPM2_CC_PCR_Read;
	swtpm->hook = extend_pcr_0_at_next_read;
	assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 0xffffff, &all), 0);
	assert_null(swtpm->hook);
	assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 1, &one), 0);
	assert_memory_equal(all.values[0], one.values[0], 32);
}

/* ---- Seal and unseal ---- */

static void seal_and_unseal(void **state, const struct tpm_binding *binding)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	swtpm->watched = secret;
	sealed = seal(swtpm, binding, secret);
	assert_unseals(swtpm, binding, sealed, secret);
	swtpm_restart(swtpm);
	swtpm->hmac_sessions = 0;
	assert_unseals(swtpm, binding, sealed, secret);
	assert_int_equal(swtpm->unsalted, 0);
	assert_int_equal(swtpm->hmac_sessions, 1);
	/* Never in clear on the way to the TPM and back. */
	assert_false(swtpm->seen);
	swtpm->watched = NULL;
}

static void literal_policy(void **state)
{
	seal_and_unseal(state, &literal);
}

static void legacy_policy(void **state)
{
	seal_and_unseal(state, &legacy);
}

static void sealed_object_is_as_agreed(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	/* Sizes that systemd-cryptenroll(1) gives its own. */
	assert_int_equal(sealed->blob_size, 2 + 158 + 2 + 78);
	assert_int_equal(sealed->srk_size, 136);
	assert_memory_equal(sealed->srk, "\x81\x00\x00\x01\x00\x22\x00\x0b", 8);
}

static void other_pcr_is_named(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA256, .pcrs = 1U << 4 | 1U << 7 | 1U << 11};
	struct tpm_pcr_values before;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, binding.pcrs | 1U << 15, &before),
			 0);
	sealed = seal(swtpm, &binding, secret);
	swtpm_extend(swtpm, 4, "another boot loader");
	assert_refuses(swtpm, &binding, sealed, &before, -EREMCHG, "(PCR 4)");
	assert_refuses(swtpm, &binding, sealed, NULL, -EREMCHG, "one or more of PCR 4, 7 and 11");
	swtpm_extend(swtpm, 11, "another phase");
	assert_refuses(swtpm, &binding, sealed, &before, -EREMCHG, "(PCR 4 and 11)");
	swtpm_restart(swtpm);
	assert_unseals(swtpm, &binding, sealed, secret);
}

static void second_unseal_is_refused(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL, *again = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	assert_unseals(swtpm, &literal, sealed, secret);
	swtpm_extend(swtpm, 15, "volume key");
	assert_refuses(swtpm, &literal, sealed, NULL, -EREMCHG, "already unlocked");
	assert_fails(tpm_seal(swtpm->tpm, &literal, secret, &again), -EREMCHG,
		     "PCR 15 is not zero");
	swtpm_restart(swtpm);
	assert_unseals(swtpm, &literal, sealed, secret);
}

static void token_must_agree(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_binding other = literal;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	swtpm->commands = 0;
	sealed->pcrs = 1U << 15;
	assert_refuses(swtpm, &literal, sealed, NULL, -EKEYREJECTED, "other PCRs");
	sealed->pcrs |= 1U << 7;
	sealed->bank = HASH_SHA1;
	assert_refuses(swtpm, &literal, sealed, NULL, -EKEYREJECTED, "other PCRs");
	sealed->bank = HASH_SHA256;
	assert_refuses(swtpm, &legacy, sealed, NULL, -EKEYREJECTED, "profile");
	other.public_key = "another key";
	assert_refuses(swtpm, &other, sealed, NULL, -EKEYREJECTED, "policy key");
	sealed->policy_hash[0] ^= 1;
	assert_refuses(swtpm, &literal, sealed, NULL, -EKEYREJECTED, "not an object");
	sealed->policy_hash[0] ^= 1;
	sealed->blob[20] ^= 1;
	assert_refuses(swtpm, &literal, sealed, NULL, -ESTALE, "another TPM");
	sealed->blob[20] ^= 1;
	assert_unseals(swtpm, &literal, sealed, secret);
}

/*
 * An object that was sealed to nothing, in a token that says otherwise: only its own policy counts.
 */
static void foreign_policy_is_refused(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_binding eight = {.bank = HASH_SHA256, .pcrs = 1U << 11};
	struct tpm_pcr_values before;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	assert_int_equal(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 1U << 7 | 1U << 15, &before), 0);
	sealed = seal(swtpm, &eight, secret);
	sealed->pcrs = 1U << 7 | 1U << 15;
	assert_refuses(swtpm, &literal, sealed, &before, -EKEYREJECTED, "not that of the config");
}

static void other_tpm_is_refused(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL, *other = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	swtpm_replace(swtpm);
	assert_refuses(swtpm, &literal, sealed, NULL, -ESTALE, "sealed by another TPM");
	/* Makes an SRK, and knows it. */
	other = seal(swtpm, &literal, secret);
	swtpm->commands = 0;
	assert_refuses(swtpm, &literal, sealed, NULL, -ESTALE, "sealed by another TPM");
	/* The end of the session. */
	assert_int_equal(swtpm->commands, 1);
	swtpm_disconnect(swtpm);
	swtpm_connect(swtpm);
	assert_refuses(swtpm, &literal, sealed, NULL, -ESTALE, "sealed by another TPM");
	assert_unseals(swtpm, &literal, other, secret);
}

static void other_tpm_is_refused_legacy(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &legacy, secret);
	swtpm_replace(swtpm);
	assert_refuses(swtpm, &legacy, sealed, NULL, -ESTALE, "sealed by another TPM");
}

/* A key that somebody left at the SRK's handle is used if it can be. */
static void existing_srk(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_sealed *none = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	swtpm_occupy_srk(swtpm, true);
	sealed = seal(swtpm, &literal, secret);
	assert_true(sealed->primary_rsa);
	swtpm_restart(swtpm);
	assert_unseals(swtpm, &literal, sealed, secret);
	swtpm_replace(swtpm);
	swtpm_occupy_srk(swtpm, false);
	assert_fails(tpm_seal(swtpm->tpm, &literal, secret, &none), -EKEYREJECTED,
		     "not a storage root key");
}

static void rsa_where_there_is_no_ecc(void **state, const struct tpm_binding *binding)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	swtpm->fail_once = true;
	swtpm->fail_code = TPM2_CC_CreatePrimary;
	swtpm->fail_response = TPM2_RC_CURVE | TPM2_RC_P | TPM2_RC_2;
	sealed = seal(swtpm, binding, secret);
	assert_true(sealed->primary_rsa);
	swtpm_restart(swtpm);
	assert_unseals(swtpm, binding, sealed, secret);
}

static void rsa_srk(void **state)
{
	rsa_where_there_is_no_ecc(state, &literal);
}

static void rsa_legacy(void **state)
{
	rsa_where_there_is_no_ecc(state, &legacy);
}

/* ---- What sealing refuses ---- */

static void secret_of_another_size(void **state)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_sealed *sealed = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(31, &secret), 0);
	assert_int_equal(tpm_seal(swtpm->tpm, &literal, secret, &sealed), -EINVAL);
}

static void unmeasured_pcrs_are_refused(void **state)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA256, .pcrs = 1U << 4 | 1U << 9};
	struct tpm_binding nothing = {.bank = HASH_SHA256};
	struct tpm_binding ones = {.bank = HASH_SHA256, .pcrs = 1U << 17};
	struct tpm_sealed *sealed = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	assert_fails(tpm_seal(swtpm->tpm, &binding, secret, &sealed), -EOPNOTSUPP, "PCR 4 (");
	assert_fails(tpm_seal(swtpm->tpm, &ones, secret, &sealed), -EOPNOTSUPP, "PCR 17");
	assert_fails(tpm_seal(swtpm->tpm, &nothing, secret, &sealed), -EINVAL, "any system");
	/* 7 is measured, but does not tell what booted. */
	binding.pcrs |= 1U << 7;
	assert_fails(tpm_seal(swtpm->tpm, &binding, secret, &sealed), -EOPNOTSUPP, "PCR 4 (");
	binding.pcrs |= 1U << 11;
	assert_int_equal(tpm_seal(swtpm->tpm, &binding, secret, &sealed), 0);
	tpm_sealed_free(sealed);
}

static void inactive_bank_is_refused(void **state)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_binding binding = {.pcrs = 1U << 7};
	struct tpm_sealed *sealed = NULL;
	struct tpm_pcr_values values;
	struct swtpm *swtpm = *state;
	uint32_t banks;

	assert_int_equal(secret_random(32, &secret), 0);
	swtpm_only_bank(swtpm, TPM2_ALG_SHA384);
	assert_int_equal(tpm_pcr_banks(swtpm->tpm, &banks), 0);
	assert_int_equal(banks, 1U << HASH_SHA384);
	binding.bank = HASH_SHA256;
	assert_fails(tpm_seal(swtpm->tpm, &binding, secret, &sealed), -EOPNOTSUPP, "not active");
	assert_fails(tpm_pcr_read(swtpm->tpm, HASH_SHA256, 1, &values), -EOPNOTSUPP, "not active");
	binding.bank = HASH_SHA384;
	sealed = seal(swtpm, &binding, secret);
	assert_unseals(swtpm, &binding, sealed, secret);
	tpm_sealed_free(sealed);
}

/* ---- States of a TPM ---- */

static void lockout(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL, *old = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	old = seal(swtpm, &legacy, secret);
	swtpm_lock_out(swtpm);
	assert_refuses(swtpm, &legacy, old, NULL, -ENOLCK, "--clear-lockout");
	/* Neither the SRK nor what it seals takes part in lockouts. */
	assert_unseals(swtpm, &literal, sealed, secret);
}

static void owner_password(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_sealed *none = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	swtpm_set_owner_password(swtpm, "secret");
	assert_fails(tpm_seal(swtpm->tpm, &literal, secret, &none), -EACCES, "owner password");
	assert_fails(tpm_seal(swtpm->tpm, &legacy, secret, &none), -EACCES, "owner password");
	assert_null(none);
	swtpm_replace(swtpm);
	sealed = seal(swtpm, &literal, secret);
	swtpm_set_owner_password(swtpm, "secret");
	/* With the SRK in place nobody needs the owner any more. */
	assert_unseals(swtpm, &literal, sealed, secret);
}

/* What the TPM may answer to Unseal at any time. */
static void responses_have_sentences(void **state)
{
	static const struct {
		uint32_t response;
		int error;
		const char *words;
	} table[] = {
		{TPM2_RC_LOCKOUT, -ENOLCK, "wait"},
		{TPM2_RC_OBJECT_MEMORY, -EBUSY, "no room"},
		{TPM2_RC_FAILURE, -EIO, "failure mode"},
		{TPM2_RC_RETRY, -EBUSY, "busy"},
		{TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_1, -EACCES, "password"},
		{TPM2_RC_POLICY_FAIL | TPM2_RC_S | TPM2_RC_1, -EREMCHG, "PCRs"},
		{TPM2_RC_NV_LOCKED, -EIO, "locked"},
		{TPM2_RC_SENSITIVE, -EIO, "the TPM says"},
	};
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		swtpm->fail_code = TPM2_CC_Load;
		swtpm->fail_response = table[i].response;
		assert_refuses(swtpm, &literal, sealed, NULL, table[i].error, table[i].words);
		swtpm->fail_response = 0;
		/* What was loaded unseen has to go. */
		swtpm_restart(swtpm);
	}
	assert_unseals(swtpm, &literal, sealed, secret);
}

static void extend_between(struct swtpm *swtpm)
{
	raw_extend(swtpm, 8);
}

static void extend_always(struct swtpm *swtpm)
{
	extend_between(swtpm);
	swtpm->hook = extend_always;
}

static void pcr_change_is_retried(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	sealed = seal(swtpm, &literal, secret);
	swtpm->hook_code = TPM2_CC_Unseal;
	swtpm->hook = extend_between;
	assert_unseals(swtpm, &literal, sealed, secret);
	assert_null(swtpm->hook);
	swtpm->hook = extend_always;
	assert_refuses(swtpm, &literal, sealed, NULL, -EREMCHG, "kept changing");
	swtpm->hook = NULL;
	assert_unseals(swtpm, &literal, sealed, secret);
}

/* Nothing may stay behind in a TPM that has room for three objects and three sessions. */
static void nothing_is_left_loaded(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL, *old = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	for (int i = 0; i < 4; i++) {
		tpm_sealed_free(sealed);
		tpm_sealed_free(old);
		sealed = seal(swtpm, &literal, secret);
		old = seal(swtpm, &legacy, secret);
		assert_unseals(swtpm, &literal, sealed, secret);
		assert_unseals(swtpm, &legacy, old, secret);
	}
	swtpm_extend(swtpm, 7, "other");
	for (int i = 0; i < 8; i++)
		assert_refuses(swtpm, &literal, sealed, NULL, -EREMCHG, "PCR 7");
}

/* ---- Signed policies ---- */

static void signed_policy(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(freep) char *signature = NULL, *next = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA256, .public_key = policy_key_pem(key)};
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	binding.signature = signature = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	sealed = seal(swtpm, &binding, secret);
	assert_int_equal(sealed->pcrs, 1U << 15);
	assert_int_equal(sealed->public_key_pcrs, 1U << 11);
	assert_unseals(swtpm, &binding, sealed, secret);

	/* Another kernel: not without a signature, with one at once. */
	swtpm_restart(swtpm);
	swtpm_extend(swtpm, 11, "update");
	assert_refuses(swtpm, &binding, sealed, NULL, -EREMCHG, "did not sign");
	binding.signature = next = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	assert_unseals(swtpm, &binding, sealed, secret);
	swtpm_extend(swtpm, 15, "volume key");
	assert_refuses(swtpm, &binding, sealed, NULL, -EREMCHG, "already unlocked");
	binding.signature = NULL;
	assert_refuses(swtpm, &binding, sealed, NULL, -EINVAL, "signature file");
}

static void signed_and_literal_policy(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(freep) char *signature = NULL, *wrong = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA384,
				      .pcrs = 1U << 7,
				      .public_key = policy_key_pem(key),
				      .legacy_primary = true};
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	/* As systemd-measure signs for this bank: the TPM's ticket would not fit the policy. */
	binding.signature = wrong = policy_key_sign(key, swtpm->tpm, HASH_SHA384, HASH_SHA384);
	assert_fails(tpm_seal(swtpm->tpm, &binding, secret, &sealed), -EKEYREJECTED, "SHA-256");
	binding.signature = signature = policy_key_sign(key, swtpm->tpm, HASH_SHA384, HASH_SHA256);
	sealed = seal(swtpm, &binding, secret);
	assert_unseals(swtpm, &binding, sealed, secret);
	swtpm_extend(swtpm, 7, "other");
	assert_refuses(swtpm, &binding, sealed, NULL, -EREMCHG, "PCR 7");
}

/* The default beside a key: PCR 12 is empty as long as nothing overrides the command line. */
static void signed_policy_with_an_empty_pcr(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(freep) char *signature = NULL;
	struct tpm_binding binding = {
		.bank = HASH_SHA256, .pcrs = 1U << 12, .public_key = policy_key_pem(key)};
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	binding.signature = signature = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	sealed = seal(swtpm, &binding, secret);
	assert_unseals(swtpm, &binding, sealed, secret);
	swtpm_extend(swtpm, 12, "another command line");
	assert_refuses(swtpm, &binding, sealed, NULL, -EREMCHG, "PCR 12");
}

static void signature_by_another_key(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(policy_key_freep) struct policy_key *other = policy_key_new(2048);
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	cleanup(freep) char *signature = NULL, *foreign = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA256, .public_key = policy_key_pem(key)};
	struct tpm_sealed *none = NULL;
	struct swtpm *swtpm = *state;
	char *sig;

	assert_int_equal(secret_random(32, &secret), 0);
	signature = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	foreign = policy_key_sign(other, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	binding.signature = signature;
	sealed = seal(swtpm, &binding, secret);
	binding.signature = foreign;
	assert_refuses(swtpm, &binding, sealed, NULL, -EKEYREJECTED, "no signature by");
	binding.public_key = policy_key_pem(other);
	assert_refuses(swtpm, &binding, sealed, NULL, -EKEYREJECTED, "another policy key");
	binding.public_key = policy_key_pem(key);
	assert_fails(tpm_seal(swtpm->tpm, &binding, secret, &none), -EKEYREJECTED, "no signature");
	/* The right fingerprint over the wrong signature. */
	sig = strstr(signature, "\"sig\": \"");
	assert_non_null(sig);
	memcpy(sig, strstr(foreign, "\"sig\": \""), 200);
	binding.signature = signature;
	assert_refuses(swtpm, &binding, sealed, NULL, -EKEYREJECTED, "does not verify");
}

/* Without a UKI that measures itself a signed policy says nothing. */
static void signed_policy_needs_pcr_11(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA256, .public_key = policy_key_pem(key)};
	struct tpm_sealed *sealed = NULL;
	struct swtpm *swtpm = *state;

	assert_int_equal(secret_random(32, &secret), 0);
	swtpm_restart_bare(swtpm);
	assert_fails(tpm_seal(swtpm->tpm, &binding, secret, &sealed), -EOPNOTSUPP,
		     "PCR 11 is empty");
}

#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TPM(pcr_extend_matches_hash),
		WITH_TPM(extensions_share_a_session),
		WITH_TPM(pcr_read_all),
		WITH_TPM(pcr_read_is_consistent),
		WITH_TPM(literal_policy),
		WITH_TPM(legacy_policy),
		WITH_TPM(sealed_object_is_as_agreed),
		WITH_TPM(other_pcr_is_named),
		WITH_TPM(second_unseal_is_refused),
		WITH_TPM(token_must_agree),
		WITH_TPM(foreign_policy_is_refused),
		WITH_TPM(other_tpm_is_refused),
		WITH_TPM(other_tpm_is_refused_legacy),
		WITH_TPM(existing_srk),
		WITH_TPM(rsa_srk),
		WITH_TPM(rsa_legacy),
		WITH_TPM(secret_of_another_size),
		WITH_TPM(unmeasured_pcrs_are_refused),
		WITH_TPM(inactive_bank_is_refused),
		WITH_TPM(lockout),
		WITH_TPM(owner_password),
		WITH_TPM(responses_have_sentences),
		WITH_TPM(pcr_change_is_retried),
		WITH_TPM(nothing_is_left_loaded),
		WITH_TPM(signed_policy),
		WITH_TPM(signed_policy_with_an_empty_pcr),
		WITH_TPM(signed_and_literal_policy),
		WITH_TPM(signature_by_another_key),
		WITH_TPM(signed_policy_needs_pcr_11),
		WITH_TPM(last_extend_ends_the_session),
	};

	if (!swtpm_exists()) {
		printf("skipped: there is no swtpm program\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
