/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"
#include "expect.h"

#include "base/error.h"
#include "tpm/internal.h"

#include <tss2/tss2_esys.h>

#define INDEX 0x01800100

static const struct tpm_binding literal = {.bank = HASH_SHA256, .pcrs = 1U << 7};
static const uint32_t ours =
	TPMA_NV_POLICYWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA;

static struct tpm_record make_record(struct swtpm *swtpm, const struct tpm_binding *binding,
				     enum tpm_record_state state)
{
	struct tpm_record record = {.state = state, .epoch = 0x0102030405060708};

	memset(record.luks_uuid, 0xa1, sizeof(record.luks_uuid));
	memset(record.fingerprint, 0xf2, sizeof(record.fingerprint));
	assert_int_equal(tpm_pcr_read(swtpm->tpm, binding->bank, binding->pcrs | 1U << 15,
				      &record.sealed_values),
			 0);
	return record;
}

static void assert_reads(struct swtpm *swtpm, const struct tpm_binding *binding,
			 const struct tpm_record *record)
{
	struct tpm_record read;
	int r = tpm_record_read(swtpm->tpm, INDEX, binding, &read);

	if (r < 0)
		fail_msg("%s", fail_sentence(r));
	assert_int_equal(read.state, record->state);
	assert_int_equal(read.epoch, record->epoch);
	assert_memory_equal(read.luks_uuid, record->luks_uuid, 16);
	assert_memory_equal(read.fingerprint, record->fingerprint, 32);
	assert_int_equal(read.sealed_values.mask, record->sealed_values.mask);
	for (unsigned int pcr = 0; pcr < TPM_PCR_COUNT; pcr++)
		assert_memory_equal(read.sealed_values.values[pcr],
				    record->sealed_values.values[pcr], hash_size(binding->bank));
}

static void assert_read_fails(struct swtpm *swtpm, const struct tpm_binding *binding, int error,
			      const char *words)
{
	struct tpm_record read;

	memset(&read, 0x5a, sizeof(read));
	assert_fails(tpm_record_read(swtpm->tpm, INDEX, binding, &read), error, words);
	assert_int_equal(read.epoch, 0x5a5a5a5a5a5a5a5a);
}

static void write_record(struct swtpm *swtpm, const struct tpm_binding *binding,
			 const struct tpm_record *record)
{
	int r = tpm_record_write(swtpm->tpm, INDEX, binding, record);

	if (r < 0)
		fail_msg("%s", fail_sentence(r));
}

static void written_and_read(void **state, const struct tpm_binding *binding)
{
	cleanup(secret_freep) struct secret *seen = NULL;
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, binding, RECORD_CONVERTING);

	assert_int_equal(secret_copy(record.fingerprint, 32, &seen), 0);
	swtpm->watched = seen;
	assert_read_fails(swtpm, binding, -ENOENT, "no NV index 0x1800100");
	write_record(swtpm, binding, &record);
	assert_reads(swtpm, binding, &record);
	/* Both ways encrypted, in sessions that are salted. */
	assert_false(swtpm->seen);
	assert_int_equal(swtpm->unsalted, 0);
	swtpm->watched = NULL;
	record.state = RECORD_DONE;
	record.epoch++;
	write_record(swtpm, binding, &record);
	assert_reads(swtpm, binding, &record);
	swtpm_restart(swtpm);
	assert_reads(swtpm, binding, &record);

	/* Once PCR 15 is extended: still read, no longer written. */
	swtpm_extend(swtpm, 15, "volume key");
	assert_reads(swtpm, binding, &record);
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, binding, &record), -EREMCHG,
		     "already unlocked");
	swtpm_restart(swtpm);
	assert_reads(swtpm, binding, &record);
	write_record(swtpm, binding, &record);

	assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), 0);
	assert_read_fails(swtpm, binding, -ENOENT, "no NV index");
	assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), -ENOENT);
}

static void literal_record(void **state)
{
	written_and_read(state, &literal);
}

static void legacy_record(void **state)
{
	struct tpm_binding binding = literal;

	binding.legacy_primary = true;
	written_and_read(state, &binding);
}

static void signed_record(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(freep) char *signature = NULL, *next = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA256, .public_key = policy_key_pem(key)};
	struct swtpm *swtpm = *state;
	struct tpm_record record;

	binding.signature = signature = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	written_and_read(state, &binding);

	/* An update: the record stays readable, and with a new signature writable. */
	record = make_record(swtpm, &binding, RECORD_DONE);
	write_record(swtpm, &binding, &record);
	swtpm_restart(swtpm);
	swtpm_extend(swtpm, 11, "update");
	assert_reads(swtpm, &binding, &record);
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &binding, &record), -EREMCHG,
		     "did not sign");
	binding.signature = next = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	write_record(swtpm, &binding, &record);
}

static void many_pcrs(void **state)
{
	struct tpm_binding binding = {.bank = HASH_SHA256, .pcrs = 0xffffff & ~(1U << 15)};
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &binding, RECORD_DONE);

	write_record(swtpm, &binding, &record);
	assert_reads(swtpm, &binding, &record);
	assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), 0);
	/* 16 PCRs of 64 bytes do not go into one NV write. */
	binding = (struct tpm_binding){.bank = HASH_SHA512, .pcrs = 0x7fff};
	record = make_record(swtpm, &binding, RECORD_DONE);
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &binding, &record), -E2BIG, "too long");
}

/* The record must name what it is bound to. */
static void values_must_fit(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);

	record.sealed_values.mask = 1U << 15;
	assert_int_equal(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -EINVAL);
	record = make_record(swtpm, &literal, RECORD_DONE);
	record.sealed_values.values[7][0] ^= 1;
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -EREMCHG, "(PCR 7)");
	/* Nothing is left behind that a right one could not replace. */
	assert_read_fails(swtpm, &literal, -ENOENT, "no NV index");
	record = make_record(swtpm, &literal, RECORD_DONE);
	write_record(swtpm, &literal, &record);
	assert_reads(swtpm, &literal, &record);
}

static void defined_but_not_written(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);

	/* The power was cut between the two. */
	swtpm->fail_code = TPM2_CC_NV_DefineSpace;
	swtpm->fail_response = TPM2_RC_FAILURE;
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -EIO, "failure mode");
	swtpm->fail_response = 0;
	swtpm_restart(swtpm);
	assert_read_fails(swtpm, &literal, -ENOENT, "never written");
	write_record(swtpm, &literal, &record);
	assert_reads(swtpm, &literal, &record);
}

static void changed_pcr_is_named(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);

	write_record(swtpm, &literal, &record);
	swtpm_extend(swtpm, 7, "other keys");
	assert_read_fails(swtpm, &literal, -EREMCHG, "PCR 7");
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -EREMCHG, "(PCR 7)");
	swtpm_restart(swtpm);
	assert_reads(swtpm, &literal, &record);
}

static void other_configuration(void **state)
{
	struct tpm_binding other = {.bank = HASH_SHA256, .pcrs = 1U << 7 | 1U << 11};
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);

	write_record(swtpm, &literal, &record);
	assert_read_fails(swtpm, &other, -EKEYREJECTED, "other PCRs");
	record = make_record(swtpm, &other, RECORD_DONE);
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &other, &record), -EKEYREJECTED,
		     "not defined by this image");
}

/* ---- Strangers ---- */

static void policy_of(const struct tpm_record *record, uint8_t ret[static 32])
{
	struct tpm_policy policy = {};

	assert_int_equal(tpm_policy_pcr(&policy, &record->sealed_values), 0);
	memcpy(ret, policy.digest, 32);
}

/* One thing wrong with each, as the owner of the TPM could define it. */
static void foreign_index_is_refused(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);
	uint8_t policy[32], other[32];
	const struct {
		uint32_t attributes;
		uint16_t size;
		const uint8_t *policy;
		bool read_refuses; /* before anything was written */
	} table[] = {
		{ours | TPMA_NV_OWNERWRITE, 144, policy, true},
		{ours | TPMA_NV_AUTHWRITE, 144, policy, true},
		{ours | TPMA_NV_POLICYREAD, 144, policy, true},
		{ours & ~TPMA_NV_NO_DA, 144, policy, true},
		{ours | TPMA_NV_WRITE_STCLEAR, 144, policy, true},
		{ours | TPMA_NV_CLEAR_STCLEAR, 144, policy, true},
		{ours, 144, NULL, true},
		{ours, 60, policy, true},
		{ours, 145, policy, false},
		{ours, 144, other, false},
	};

	policy_of(&record, policy);
	memcpy(other, policy, sizeof(other));
	other[31] ^= 1;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		swtpm_define_nv(swtpm, INDEX, table[i].attributes, table[i].size, table[i].policy);
		assert_read_fails(swtpm, &literal, table[i].read_refuses ? -EKEYREJECTED : -ENOENT,
				  "NV index 0x1800100");
		if (table[i].read_refuses) {
			assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record),
				     -EKEYREJECTED, "NV index 0x1800100");
		} else {
			/* Ours but for the boot: what a cut between define and write leaves. */
			write_record(swtpm, &literal, &record);
			assert_reads(swtpm, &literal, &record);
		}
		assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), 0);
	}
	/* The same by hand, but right: believed. */
	swtpm_define_nv(swtpm, INDEX, ours, 144, policy);
	write_record(swtpm, &literal, &record);
	assert_reads(swtpm, &literal, &record);
}

/* Another system, with PCRs of its own, makes a record that is right in itself. */
static void record_of_another_system(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record;

	swtpm_restart_bare(swtpm);
	swtpm_extend(swtpm, 7, "attacker");
	record = make_record(swtpm, &literal, RECORD_DONE);
	write_record(swtpm, &literal, &record);
	assert_reads(swtpm, &literal, &record);
	swtpm_restart(swtpm);
	assert_read_fails(swtpm, &literal, -EREMCHG, "PCR 7");
}

/* It names our PCRs, but its index is written under those of the attacker. */
static void record_with_borrowed_values(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE), forged;
	cleanup(writer_done) struct writer bytes = {};

	swtpm_restart_bare(swtpm);
	swtpm_extend(swtpm, 7, "attacker");
	forged = make_record(swtpm, &literal, RECORD_DONE);
	write_record(swtpm, &literal, &forged);
	/* The attacker's program is not ours: it writes other bytes under its own policy. */
	assert_int_equal(tpm_record_encode(&record, &bytes), 0);
	swtpm_write_nv_by_policy(swtpm, INDEX, 1U << 7 | 1U << 15, bytes.data, bytes.size);
	swtpm_restart(swtpm);
	assert_read_fails(swtpm, &literal, -EKEYREJECTED, "not defined by this image");
}

/* The attacker has no signature: an index with another policy does not pass for ours. */
static void signed_record_of_another_system(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(writer_done) struct writer bytes = {};
	struct tpm_binding binding = {.bank = HASH_SHA256, .public_key = policy_key_pem(key)};
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &binding, RECORD_DONE);
	uint8_t policy[32];

	policy_of(&record, policy);
	assert_int_equal(tpm_record_encode(&record, &bytes), 0);
	swtpm_define_nv(swtpm, INDEX, ours, (uint16_t)bytes.size, policy);
	swtpm_write_nv_by_policy(swtpm, INDEX, 1U << 15, bytes.data, bytes.size);
	assert_read_fails(swtpm, &binding, -EKEYREJECTED, "not defined by this image");
}

/* ---- States of a TPM ---- */

static void nv_memory_full(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);

	swtpm_fill_nv(swtpm);
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -ENOSPC,
		     "NV memory is full");
}

static void owner_password(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_CONVERTING);

	write_record(swtpm, &literal, &record);
	swtpm_set_owner_password(swtpm, "secret");
	/* Only making and removing needs the owner. */
	assert_reads(swtpm, &literal, &record);
	record.state = RECORD_DONE;
	write_record(swtpm, &literal, &record);
	assert_reads(swtpm, &literal, &record);
	assert_fails(tpm_record_delete(swtpm->tpm, INDEX), -EACCES, "owner password");
	assert_fails(tpm_record_write(swtpm->tpm, INDEX + 1, &literal, &record), -EACCES,
		     "owner password");
}

static void lockout(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_CONVERTING);

	write_record(swtpm, &literal, &record);
	swtpm_lock_out(swtpm);
	assert_reads(swtpm, &literal, &record);
	write_record(swtpm, &literal, &record);
}

static void nv_not_available(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);

	write_record(swtpm, &literal, &record);
	swtpm->fail_code = TPM2_CC_NV_Write;
	swtpm->fail_response = TPM2_RC_NV_UNAVAILABLE;
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -EIO,
		     "not available now");
	swtpm->fail_response = TPM2_RC_NV_RATE;
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -EIO, "limits");
	swtpm->fail_response = TPM2_RC_NV_LOCKED;
	assert_fails(tpm_record_write(swtpm->tpm, INDEX, &literal, &record), -EIO, "locked");
	swtpm->fail_response = 0;
}

/* ---- A record that is read as the disk's token foretells it ---- */

static struct tpm_sealed *seal_and_remember(struct swtpm *swtpm, const struct tpm_binding *binding,
					    enum tpm_record_state state)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	struct tpm_record record = make_record(swtpm, binding, state);
	struct tpm_sealed *sealed = NULL;

	assert_int_equal(secret_random(32, &secret), 0);
	assert_int_equal(tpm_seal(swtpm->tpm, binding, secret, &sealed), 0);
	write_record(swtpm, binding, &record);
	swtpm_restart(swtpm);
	swtpm->commands = 0;
	return sealed;
}

static void unseal(struct swtpm *swtpm, const struct tpm_binding *binding,
		   const struct tpm_sealed *sealed, const struct tpm_record *record, int result)
{
	cleanup(secret_freep) struct secret *secret = NULL;

	assert_int_equal(tpm_unseal(swtpm->tpm, binding, sealed, &record->sealed_values, &secret),
			 result);
}

/* Byte for byte what ESYS has of an index after it asked the TPM for it. */
static void index_as_esys_has_it(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = make_record(swtpm, &literal, RECORD_DONE);
	cleanup(freep) uint8_t *ours_of_it = NULL;
	cleanup(esys_freep) uint8_t *its_own = NULL;
	size_t size, its_size;

	write_record(swtpm, &literal, &record);
	{
		TPM_NV_INDEX(nv, swtpm->tpm);

		assert_int_equal(tpm_nv_find(swtpm->tpm, INDEX, &nv), 0);
		assert_int_equal(Esys_TR_Serialize(swtpm->tpm->esys, nv.tr, &its_own, &its_size),
				 0);
		assert_int_equal(tpm_nv_public_serialize(&nv.area, &ours_of_it, &size), 0);
		assert_int_equal(nv.area.size, tpm_record_size(&literal));
	}
	assert_int_equal(size, its_size);
	assert_memory_equal(ours_of_it, its_own, size);
}

static void foretold_and_unsealed(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record written = make_record(swtpm, &literal, RECORD_DONE), record = {};
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed =
		seal_and_remember(swtpm, &literal, RECORD_DONE);

	assert_int_equal(tpm_record_read_foretold(swtpm->tpm, INDEX, &literal, sealed, &record), 0);
	/* The session, and the content. */
	assert_int_equal(swtpm->commands, 2);
	assert_int_equal(record.state, RECORD_DONE);
	assert_int_equal(record.epoch, written.epoch);
	assert_memory_equal(record.fingerprint, written.fingerprint, sizeof(record.fingerprint));
	unseal(swtpm, &literal, sealed, &record, 0);
	swtpm->commands = 0;
	assert_int_equal(tpm_record_confirm(swtpm->tpm, &literal, &record), 0);
	assert_int_equal(swtpm->commands, 0);
}

static void foretold_and_asked_for(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = {};
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed =
		seal_and_remember(swtpm, &literal, RECORD_DONE);

	assert_int_equal(tpm_record_read_foretold(swtpm->tpm, INDEX, &literal, sealed, &record), 0);
	swtpm->commands = 0;
	assert_int_equal(tpm_record_confirm(swtpm->tpm, &literal, &record), 0);
	assert_int_equal(swtpm->commands, 1);
	swtpm_extend(swtpm, 7, "another");
	assert_fails(tpm_record_confirm(swtpm->tpm, &literal, &record), -EREMCHG, "PCR 7");
}

/*
 * The header of the host has two tokens: one of the system that wrote the record, and one that the
 * TPM unseals for us, since anybody can seal to our policy. The record is not ours for that.
 */
static void foretold_by_another_system(void **state)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *theirs = NULL, *ours_too = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	struct swtpm *swtpm = *state;
	struct tpm_record record = {}, known = make_record(swtpm, &literal, RECORD_DONE);

	assert_int_equal(secret_random(32, &secret), 0);
	assert_int_equal(tpm_seal(swtpm->tpm, &literal, secret, &ours_too), 0);
	swtpm_restart_bare(swtpm);
	swtpm_extend(swtpm, 7, "attacker");
	theirs = seal_and_remember(swtpm, &literal, RECORD_DONE);
	assert_int_equal(tpm_record_read_foretold(swtpm->tpm, INDEX, &literal, theirs, &record), 0);
	unseal(swtpm, &literal, ours_too, &known, 0);
	assert_fails(tpm_record_confirm(swtpm->tpm, &literal, &record), -EREMCHG, "PCR 7");
}

/* It is read, but neither unsealed nor confirmed. */
static void foretold_with_another_pcr(void **state)
{
	struct swtpm *swtpm = *state;
	struct tpm_record record = {};
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed =
		seal_and_remember(swtpm, &literal, RECORD_DONE);

	swtpm_extend(swtpm, 7, "another");
	assert_int_equal(tpm_record_read_foretold(swtpm->tpm, INDEX, &literal, sealed, &record), 0);
	unseal(swtpm, &literal, sealed, &record, -EREMCHG);
	assert_fails(tpm_record_confirm(swtpm->tpm, &literal, &record), -EREMCHG, "PCR 7");
}

static void assert_not_foretold(struct swtpm *swtpm, const struct tpm_sealed *sealed)
{
	struct tpm_record record;

	memset(&record, 0x5a, sizeof(record));
	assert_int_equal(tpm_record_read_foretold(swtpm->tpm, INDEX, &literal, sealed, &record),
			 -ENOENT);
	assert_int_equal(record.epoch, 0x5a5a5a5a5a5a5a5a);
	/* Nothing of the token is left that a later command could trust. */
	assert_int_equal(swtpm->tpm->primary, ESYS_TR_NONE);
	assert_int_equal(swtpm->tpm->session, ESYS_TR_NONE);
}

static void not_as_foretold(void **state)
{
	static const struct tpm_binding other = {.bank = HASH_SHA256, .pcrs = 1U << 11};
	struct swtpm *swtpm = *state;
	struct tpm_record record;
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed =
		seal_and_remember(swtpm, &literal, RECORD_DONE);

	/* An index with another policy, hence with another name. */
	assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), 0);
	record = make_record(swtpm, &other, RECORD_DONE);
	write_record(swtpm, &other, &record);
	swtpm_restart(swtpm);
	assert_not_foretold(swtpm, sealed);
	assert_reads(swtpm, &other, &record);
	assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), 0);
	swtpm_restart(swtpm);
	assert_not_foretold(swtpm, sealed);
	swtpm_replace(swtpm);
	assert_not_foretold(swtpm, sealed);
}

/* One that was defined and never written has other attributes, hence another name. */
static void foretold_but_not_written(void **state)
{
	struct swtpm *swtpm = *state;
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed =
		seal_and_remember(swtpm, &literal, RECORD_DONE);

	assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), 0);
	swtpm_define_nv(swtpm, INDEX, ours, (uint16_t)tpm_record_size(&literal),
			sealed->policy_hash);
	swtpm_restart(swtpm);
	assert_not_foretold(swtpm, sealed);
}

/* ---- Cost ---- */

static void unlock(struct swtpm *swtpm, const struct tpm_binding *binding, const char *name,
		   unsigned int budget)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL, *opened = NULL;
	struct tpm_record record = make_record(swtpm, binding, RECORD_DONE), read;
	unsigned int for_record;

	assert_int_equal(secret_random(32, &secret), 0);
	assert_int_equal(tpm_seal(swtpm->tpm, binding, secret, &sealed), 0);
	write_record(swtpm, binding, &record);
	swtpm_restart(swtpm);

	swtpm->commands = 0;
	assert_int_equal(tpm_record_read_foretold(swtpm->tpm, INDEX, binding, sealed, &read), 0);
	for_record = swtpm->commands;
	assert_int_equal(tpm_unseal(swtpm->tpm, binding, sealed, &read.sealed_values, &opened), 0);
	assert_int_equal(tpm_record_confirm(swtpm->tpm, binding, &read), 0);
	assert_true(secret_equal(secret, opened));
	printf("TPM commands, %s: %u for the record, %u to unseal, %u together\n", name, for_record,
	       swtpm->commands - for_record, swtpm->commands);
	assert_true(swtpm->commands <= budget);
	assert_int_equal(tpm_record_delete(swtpm->tpm, INDEX), 0);
}

static void commands_are_few(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(freep) char *signature = NULL;
	struct tpm_binding binding = {.bank = HASH_SHA256, .public_key = policy_key_pem(key)};
	struct swtpm *swtpm = *state;

	unlock(swtpm, &literal, "literal PCRs", 7);
	binding.signature = signature = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	unlock(swtpm, &binding, "signed policy", 13);
}

#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TPM(literal_record),
		WITH_TPM(legacy_record),
		WITH_TPM(signed_record),
		WITH_TPM(many_pcrs),
		WITH_TPM(values_must_fit),
		WITH_TPM(defined_but_not_written),
		WITH_TPM(changed_pcr_is_named),
		WITH_TPM(other_configuration),
		WITH_TPM(foreign_index_is_refused),
		WITH_TPM(record_of_another_system),
		WITH_TPM(record_with_borrowed_values),
		WITH_TPM(signed_record_of_another_system),
		WITH_TPM(nv_memory_full),
		WITH_TPM(owner_password),
		WITH_TPM(lockout),
		WITH_TPM(nv_not_available),
		WITH_TPM(index_as_esys_has_it),
		WITH_TPM(foretold_and_unsealed),
		WITH_TPM(foretold_and_asked_for),
		WITH_TPM(foretold_by_another_system),
		WITH_TPM(foretold_with_another_pcr),
		WITH_TPM(not_as_foretold),
		WITH_TPM(foretold_but_not_written),
		WITH_TPM(commands_are_few),
	};

	if (!swtpm_exists()) {
		printf("skipped: there is no swtpm program\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
