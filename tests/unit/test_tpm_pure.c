/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "base/file.h"
#include "tpm/device.h"
#include "tpm/internal.h"
#include "tpm/token.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- Vectors ---- */

static char *vector_text(const char *name)
{
	char path[4096], *text;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", vectors_folder() ? vectors_folder() : "", name);
	/* skip() jumps: nothing may be owned here. */
	if (!vectors_folder() || access(path, R_OK) < 0) {
		print_message("skipped: no %s below CVMROOT_VECTORS\n", name);
		skip();
	}
	assert_int_equal(file_read_all(path, MIB, &text, &size), 0);
	return text;
}

static json_t *vector_json(const char *name)
{
	cleanup(freep) char *text = vector_text(name);
	json_t *json;

	assert_int_equal(json_parse(text, strlen(text), MIB, &json), 0);
	return json;
}

static void assert_hex(const void *data, size_t size, json_t *expected)
{
	char text[2 * 128 + 1];

	assert_true(json_is_string(expected) && size <= 128);
	hex_encode(data, size, text);
	assert_string_equal(text, json_string_value(expected));
}

static void from_hex(json_t *hex, void *ret, size_t size)
{
	assert_int_equal(hex_decode(json_string_value(hex), json_string_length(hex), ret, size), 0);
}

/* Values of PCRs from an object of number: hex. */
static void from_values(json_t *object, uint32_t mask, struct tpm_pcr_values *ret)
{
	const char *number;
	json_t *hex;

	*ret = (struct tpm_pcr_values){.bank = HASH_SHA256, .mask = mask};
	json_object_foreach (object, number, hex)
		from_hex(hex, ret->values[atoi(number)], 32);
}

/* ---- Policies ---- */

static void policy_pcr_twice(json_t *kats, const char *name, uint32_t mask)
{
	struct tpm_pcr_values values;
	struct tpm_policy policy = {};
	json_t *expected = json_object_get(kats, name);

	from_values(json_object_get(kats, "pcr_values_sha256"), mask, &values);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(tpm_policy_pcr(&policy, &values), 0);
		assert_hex(policy.digest, 32, json_array_get(expected, i));
	}
}

static void policy_pcr_known_answers(void **state)
{
	cleanup(json_decrefp) json_t *file = vector_json("systemd/kat.json");
	json_t *kats = json_object_get(file, "policy_kats");

	(void)state;
	policy_pcr_twice(kats, "policy_pcr_4_7_8_once_twice", 1U << 4 | 1U << 7 | 1U << 8);
	policy_pcr_twice(kats, "policy_pcr_0_to_15_once_twice", 0xffff);
}

/* What a real disk was sealed to: signed PCR 11, then literal PCR 3. */
static void policy_authorize_known_answers(void **state)
{
	cleanup(json_decrefp) json_t *file = vector_json("systemd/kat.json");
	json_t *kat = json_object_get(file, "signed_pcr_policy");
	struct tpm_pcr_values values;
	struct tpm_policy policy = {};
	uint8_t name[TPM_NAME_SIZE];

	(void)state;
	from_values(json_object_get(kat, "pcr"), 1U << 11, &values);
	assert_int_equal(tpm_policy_pcr(&policy, &values), 0);
	assert_hex(policy.digest, 32, json_object_get(kat, "policy_pcr_11"));
	from_hex(json_object_get(kat, "key_name"), name, sizeof(name));
	assert_int_equal(tpm_policy_authorize(&policy, name, sizeof(name), NULL, 0), 0);
	assert_hex(policy.digest, 32, json_object_get(kat, "policy_authorize"));
	values.mask = 1U << 3;
	assert_int_equal(tpm_policy_pcr(&policy, &values), 0);
	assert_hex(policy.digest, 32, json_object_get(kat, "policy_authorize_then_policy_pcr_3"));
}

static void policy_authorize_ecc(void **state)
{
	cleanup(json_decrefp) json_t *file = vector_json("systemd/kat.json");
	json_t *kat = json_object_get(json_object_get(file, "policy_kats"), "policy_authorize_ecc");
	struct tpm_policy policy = {.digest = {1, 2, 3}};
	uint8_t name[TPM_NAME_SIZE];

	(void)state;
	from_hex(json_object_get(kat, "key_name"), name, sizeof(name));
	assert_int_equal(tpm_policy_authorize(&policy, name, sizeof(name), NULL, 0), 0);
	assert_hex(policy.digest, 32, json_object_get(kat, "digest"));
}

/* PCR 15 is zero in every policy, whatever it is now. */
static void binding_policy_has_identity_zero(void **state)
{
	cleanup(json_decrefp) json_t *file = vector_json("systemd/kat.json");
	json_t *kats = json_object_get(file, "policy_kats");
	struct tpm_binding binding = {.bank = HASH_SHA256, .pcrs = 1U << 7};
	struct tpm_pcr_values values;
	struct tpm_policy expected = {};
	uint8_t policy[32];

	(void)state;
	from_values(json_object_get(kats, "pcr_values_sha256"), 0xffffff, &values);
	assert_int_equal(tpm_binding_policy(&binding, &values, policy), 0);
	values.mask = 1U << 7 | 1U << 15;
	memset(values.values[15], 0, sizeof(values.values[15]));
	assert_int_equal(tpm_policy_pcr(&expected, &values), 0);
	assert_memory_equal(policy, expected.digest, 32);
}

/* ---- Keys and signatures ---- */

static void names_of_keys(void **state)
{
	cleanup(json_decrefp) json_t *file = vector_json("systemd/kat.json");
	json_t *kats = json_object_get(file, "policy_kats");
	json_t *ecc = json_object_get(kats, "ecc_p256_public");
	json_t *rsa = json_object_get(kats, "rsa2048_public");
	TPMT_PUBLIC area = {
		.type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256, .objectAttributes = 0x30072};
	const TPMT_SYM_DEF_OBJECT aes = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	uint8_t name[TPM_NAME_SIZE];

	(void)state;
	area.parameters.eccDetail.symmetric = aes;
	area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
	area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
	area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
	area.unique.ecc.x.size = area.unique.ecc.y.size = 32;
	from_hex(json_object_get(ecc, "x"), area.unique.ecc.x.buffer, 32);
	from_hex(json_object_get(ecc, "y"), area.unique.ecc.y.buffer, 32);
	assert_int_equal(tpm_public_name(&area, name), 0);
	assert_hex(name, sizeof(name), json_object_get(ecc, "name"));

	area = (TPMT_PUBLIC){
		.type = TPM2_ALG_RSA, .nameAlg = TPM2_ALG_SHA256, .objectAttributes = 0x30072};
	area.parameters.rsaDetail.symmetric = aes;
	area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
	area.parameters.rsaDetail.keyBits = 2048;
	area.unique.rsa.size = 256;
	from_hex(json_object_get(rsa, "n"), area.unique.rsa.buffer, 256);
	assert_int_equal(tpm_public_name(&area, name), 0);
	assert_hex(name, sizeof(name), json_object_get(rsa, "name"));
}

static void talos_signature(json_t *kat, const char *file, const char *pem,
			    enum hash_algorithm bank)
{
	struct tpm_pcr_values values = {.bank = bank, .mask = 1U << 11};
	struct tpm_policy policy = {};
	struct tpm_signature signature;
	struct tpm_public_key key;
	uint8_t other[32];

	assert_int_equal(tpm_public_read(pem, &key), 0);
	from_hex(json_object_get(json_object_get(kat, "pcr11"), hash_name(bank)), values.values[11],
		 hash_size(bank));
	assert_int_equal(tpm_policy_pcr(&policy, &values), 0);
	/* Found by the policy that was computed here, so that one is right too. */
	assert_int_equal(tpm_signature_find(file, bank, 1U << 11, key.fingerprint, policy.digest,
					    &signature),
			 0);
	/* In other banks than sha256 the signature has the bank's hash: no use with a TPM. */
	assert_int_equal(tpm_public_verify(pem, policy.digest, signature.data, signature.size),
			 bank == HASH_SHA256 ? 0 : -EKEYREJECTED);
	signature.data[100] ^= 1;
	assert_int_equal(tpm_public_verify(pem, policy.digest, signature.data, signature.size),
			 -EKEYREJECTED);

	memcpy(other, policy.digest, sizeof(other));
	other[0] ^= 1;
	assert_int_equal(tpm_signature_find(file, bank, 1U << 11, key.fingerprint, other,
					    &signature),
			 -EREMCHG);
	assert_int_equal(tpm_signature_find(file, bank, 1U << 12, key.fingerprint, policy.digest,
					    &signature),
			 -EKEYREJECTED);
	assert_int_equal(tpm_signature_find(file, HASH_SHA1, 1U << 11, key.fingerprint,
					    policy.digest, &signature),
			 -EKEYREJECTED);
	key.fingerprint[0] ^= 1;
	assert_int_equal(tpm_signature_find(file, bank, 1U << 11, key.fingerprint, policy.digest,
					    &signature),
			 -EKEYREJECTED);
}

static void talos_signature_file(void **state)
{
	cleanup(json_decrefp) json_t *kat = vector_json("talos/kat.json");
	cleanup(freep) char *file = vector_text("talos/tpm2-pcr-signature.json");
	cleanup(freep) char *pem = vector_text("talos/pcr-signing-pub.pem");

	(void)state;
	talos_signature(kat, file, pem, HASH_SHA256);
	talos_signature(kat, file, pem, HASH_SHA384);
	talos_signature(kat, file, pem, HASH_SHA512);
}

static void public_key_refuses(void **state)
{
	/* P-256. */
	static const char ecc[] =
		"-----BEGIN PUBLIC KEY-----\n"
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAcJXBf48W9lkfe1D40jYkJeWcssW\n"
		"fhhuX3xvIN5F9fVXi9vUFSGjHQ6qDpm8NyagAm8o8zaOSzTHPCARH7meiA==\n"
		"-----END PUBLIC KEY-----\n";
	/* RSA with 1024 bits. */
	static const char small[] =
		"-----BEGIN PUBLIC KEY-----\n"
		"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCvlqOeAzJDLDXgedlCfjpjUmZQ\n"
		"54U+yt7zkoz8XBALBLRNOkYevYHlLdC0xCe9jQIzt94pVmKxf4fdJSDbiJImSR4D\n"
		"PtfKyHptuuHvK6/ehv3ieYD8g0E77pRlOcj17WwJV/8x8Ic6zb0VmcxJbvf0nMEk\n"
		"5CS2B7ZrksEVimFixQIDAQAB\n"
		"-----END PUBLIC KEY-----\n";
	struct tpm_public_key key;
	static char big[TPM_PEM_LIMIT + 2];

	(void)state;
	memset(big, '\n', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(tpm_public_read(big, &key), -E2BIG);
	assert_int_equal(tpm_public_read("", &key), -EBADMSG);
	assert_int_equal(tpm_public_read("-----BEGIN PUBLIC KEY-----\nAAAA\n", &key), -EBADMSG);
	assert_int_equal(tpm_public_read(ecc, &key), -EOPNOTSUPP);
	assert_int_equal(tpm_public_read(small, &key), -EOPNOTSUPP);
}

#define FP  "58f58f625bd8a8b6681e4b40688cf99b26419b6b2c5f6e14a2c7c67a3b0b1620"
#define POL "88b9f03a2edc4960894b5fa460169282749aff60d0b491ca71a2bde937f63f28"
#define ENTRY(pcrs, pkfp, pol, sig, rest)                                                          \
	"{\"pcrs\":" pcrs ",\"pkfp\":\"" pkfp "\",\"pol\":\"" pol "\",\"sig\":\"" sig "\"" rest "}"

/* One defect each. */
static void signature_file_refuses(void **state)
{
	static const struct {
		const char *text;
		int error;
	} table[] = {
		{"{\"sha256\":[" ENTRY("[11]", FP, POL, "AAAA", "") "]}", 0},
		{"{\"sha256\":[" ENTRY("[11]", FP, POL, "AAAA", "") "]} x", -EBADMSG},
		{"", -EBADMSG},
		{"[]", -EBADMSG},
		{"{}", -EKEYREJECTED},
		{"{\"sha1\":[]}", -EKEYREJECTED},
		{"{\"sha256\":{}}", -EBADMSG},
		{"{\"sha256\":[7]}", -EBADMSG},
		{"{\"sha256\":[],\"sha256\":[]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("11", FP, POL, "AAAA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[11,11]", FP, POL, "AAAA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[24]", FP, POL, "AAAA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[-1]", FP, POL, "AAAA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[\"11\"]", FP, POL, "AAAA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[11]", "58", POL, "AAAA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[11]", FP, POL "00", "AAAA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[11]", FP, POL, "AA", "") "]}", -EBADMSG},
		{"{\"sha256\":[" ENTRY("[11]", FP, POL, "AAAA", ",\"x\":1") "]}", -EBADMSG},
		/* With a policy reference it is a signature for another policy. */
		{"{\"sha256\":[" ENTRY("[11]", FP, POL, "AAAA", ",\"ref\":\"r\"") "]}",
		 -EKEYREJECTED},
		/* A broken entry behind the right one. */
		{"{\"sha256\":[" ENTRY("[11]", FP, POL, "AAAA", "") ",{}]}", -EBADMSG},
	};
	struct tpm_signature signature;

	(void)state;
	HEX(fingerprint, FP);
	HEX(policy, POL);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int r = tpm_signature_find(table[i].text, HASH_SHA256, 1U << 11, fingerprint,
					   policy, &signature);

		if (r != table[i].error)
			fail_msg("%s: %d", table[i].text, r);
	}
}

static void signature_file_has_a_limit(void **state)
{
	static const char entry[] = ENTRY("[11]", FP, POL, "AAAA", "") ",";
	cleanup(freep) char *text = malloc(1100 * sizeof(entry));
	struct tpm_signature signature;
	char *end = text;

	(void)state;
	HEX(fingerprint, FP);
	HEX(policy, POL);
	assert_non_null(text);
	end = stpcpy(end, "{\"sha256\":[");
	for (int i = 0; i < 1025; i++)
		end = stpcpy(end, entry);
	strcpy(end - 1, "]}");
	assert_int_equal(tpm_signature_find(text, HASH_SHA256, 1U << 11, fingerprint, policy,
					    &signature),
			 -E2BIG);
}

/* ---- Tokens ---- */

/* As systemd-cryptenroll 252 and tpm2-tss write them; content of no TPM. */
static json_t *sample_token(void)
{
	uint8_t blob[240] = {0, 158}, srk[136] = {0x81, 0, 0, 1, 0, 34, 0, 0x0b};
	static const uint8_t area[] = {0, 78, 0, 8, 0, 0x0b, 0, 0, 4, 0x12, 0, 32};
	static const uint8_t key[] = {0, 0, 0, 1, 0, 90, 0, 0x23, 0, 0x0b, 0, 3, 4, 0x72};
	char blob_text[400], srk_text[200];

	memcpy(blob + 160, area, sizeof(area));
	memset(blob + 160 + 12, 0xab, 32);
	memcpy(blob + 160 + 44, "\x00\x10\x00\x20", 4);
	memcpy(srk + 40, key, sizeof(key));
	assert_int_equal(hash_data(HASH_SHA256, srk + 46, 90, srk + 8), 0);
	base64_encode(blob, sizeof(blob), blob_text);
	base64_encode(srk, sizeof(srk), srk_text);
	return json_pack("{s:s, s:[s], s:s, s:[i,i], s:s, s:s, s:s, s:b, s:s, s:s}", "type",
			 "systemd-tpm2", "keyslots", "0", "tpm2-blob", blob_text, "tpm2-pcrs", 7,
			 15, "tpm2-pcr-bank", "sha256", "tpm2-primary-alg", "ecc",
			 "tpm2-policy-hash",
			 "abababababababababababababababababababababababababababababababab",
			 "tpm2-pin", 0, "tpm2_srk", srk_text, "private-addition", "ignored");
}

static void token_both_ways(void **state)
{
	cleanup(json_decrefp) json_t *token = sample_token(), *made = NULL;
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;

	(void)state;
	assert_int_equal(tpm_token_parse(token, &sealed), 0);
	assert_int_equal(sealed->pcrs, 1U << 7 | 1U << 15);
	assert_int_equal(sealed->bank, HASH_SHA256);
	assert_int_equal(sealed->blob_size, 240);
	assert_int_equal(sealed->srk_size, 136);
	assert_false(sealed->primary_rsa);
	assert_int_equal(sealed->policy_hash[31], 0xab);
	assert_null(sealed->public_key);

	json_object_del(token, "private-addition");
	json_object_del(token, "keyslots");
	assert_int_equal(tpm_token_make(sealed, &made), 0);
	assert_true(json_equal(made, token));
}

static void token_with_key(void **state)
{
	cleanup(json_decrefp) json_t *token = sample_token(), *made = NULL;
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;

	(void)state;
	json_object_set_new(token, "tpm2_pubkey_pcrs", json_pack("[i]", 11));
	json_object_set_new(token, "tpm2_pubkey", json_string("UEVN"));
	json_object_del(token, "tpm2_srk");
	assert_int_equal(tpm_token_parse(token, &sealed), 0);
	assert_int_equal(sealed->public_key_pcrs, 1U << 11);
	assert_string_equal(sealed->public_key, "PEM");
	assert_null(sealed->srk);
	assert_int_equal(tpm_token_make(sealed, &made), 0);
	json_object_del(token, "private-addition");
	json_object_del(token, "keyslots");
	assert_true(json_equal(made, token));

	/* A NUL in the text would hide what follows it. */
	tpm_sealed_free(sealed);
	sealed = NULL;
	json_object_set_new(token, "tpm2_pubkey", json_string("UABN"));
	assert_int_equal(tpm_token_parse(token, &sealed), -EBADMSG);
}

/* One member changed each; NULL: removed. */
static void token_refuses(void **state)
{
	static const struct {
		const char *name, *value;
		int error;
	} table[] = {
		{"private-addition", "[1]", 0},
		{"tpm2-pin", NULL, 0},
		{"tpm2-primary-alg", NULL, 0},
		{"tpm2_pubkey_pcrs", "[]", 0},
		{"type", NULL, -EBADMSG},
		{"type", "\"clevis\"", -EBADMSG},
		{"tpm2-blob", NULL, -EBADMSG},
		{"tpm2-blob", "\"\"", -EBADMSG},
		{"tpm2-blob", "\"AAAA\"", -EBADMSG},
		{"tpm2-blob", "\"!\"", -EBADMSG},
		{"tpm2-blob", "[\"AAAA\", \"AAAA\"]", -EOPNOTSUPP},
		{"tpm2-pcrs", NULL, -EBADMSG},
		{"tpm2-pcrs", "[24]", -EBADMSG},
		{"tpm2-pcrs", "[-1]", -EBADMSG},
		{"tpm2-pcrs", "[7, 7]", -EBADMSG},
		{"tpm2-pcrs", "[7.0]", -EBADMSG},
		{"tpm2-pcrs", "7", -EBADMSG},
		{"tpm2-pcr-bank", NULL, -EBADMSG},
		{"tpm2-pcr-bank", "\"md5\"", -EBADMSG},
		{"tpm2-primary-alg", "\"dsa\"", -EBADMSG},
		{"tpm2-primary-alg", "\"rsa\"", -EBADMSG},
		{"tpm2-policy-hash", NULL, -EBADMSG},
		{"tpm2-policy-hash", "\"ab\"", -EBADMSG},
		{"tpm2-policy-hash", "[]", -EBADMSG},
		{"tpm2-policy-hash",
		 "\"abababababababababababababababababababababababababababababababac\"",
		 -EKEYREJECTED},
		{"tpm2-pin", "true", -EOPNOTSUPP},
		{"tpm2-pin", "1", -EBADMSG},
		{"tpm2_salt", "\"AAAA\"", -EOPNOTSUPP},
		{"tpm2_pcrlock", "true", -EOPNOTSUPP},
		{"tpm2_pcrlock_nv", "\"AAAA\"", -EOPNOTSUPP},
		{"tpm2_pubkey_ref", "\"r\"", -EOPNOTSUPP},
		{"tpm2_pubkey_pcrs", "[11]", -EBADMSG},
		{"tpm2_pubkey", "\"UEVN\"", -EBADMSG},
		{"tpm2_srk", "\"AAAA\"", -EBADMSG},
		{"tpm2_srk", "7", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cleanup(json_decrefp) json_t *token = sample_token();
		cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
		int r;

		if (table[i].value)
			json_object_set_new(token, table[i].name,
					    json_loads(table[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(token, table[i].name);
		r = tpm_token_parse(token, &sealed);
		if (r != table[i].error || (r < 0 && sealed))
			fail_msg("%s = %s: %d", table[i].name, table[i].value, r);
	}
}

/* One byte changed each: the blob is refused before a TPM sees it. */
static void blob_refuses(void **state)
{
	static const size_t places[] = {0,   1,	  160, 161, 162, 163, 165, 166, 168,
					169, 170, 171, 172, 203, 204, 205, 206, 207};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		cleanup(json_decrefp) json_t *token = sample_token();
		cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
		TPM2B_PRIVATE private_area;
		TPM2B_PUBLIC public_area;

		assert_int_equal(tpm_token_parse(token, &sealed), 0);
		assert_int_equal(tpm_blob_parse(sealed, &private_area, &public_area), 0);
		sealed->blob[places[i]] ^= 0x41;
		assert_true(tpm_blob_parse(sealed, &private_area, &public_area) < 0);
		sealed->blob[places[i]] ^= 0x41;
		sealed->blob_size--;
		assert_int_equal(tpm_blob_parse(sealed, &private_area, &public_area), -EBADMSG);
	}
}

static void srk_refuses(void **state)
{
	cleanup(json_decrefp) json_t *token = sample_token();
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	bool rsa;

	(void)state;
	assert_int_equal(tpm_token_parse(token, &sealed), 0);
	/* Every byte counts: handle, name, kind and what the name is the hash of. */
	for (size_t i = 0; i < sealed->srk_size; i++) {
		sealed->srk[i] ^= 1;
		assert_int_equal(tpm_srk_parse(sealed->srk, sealed->srk_size, &rsa), -EBADMSG);
		sealed->srk[i] ^= 1;
		assert_int_equal(tpm_srk_parse(sealed->srk, i, &rsa), -EBADMSG);
	}
	/* A key that is not a storage key, with the right name. */
	sealed->srk[51] &= (uint8_t)~2;
	assert_int_equal(hash_data(HASH_SHA256, sealed->srk + 46, 90, sealed->srk + 8), 0);
	assert_int_equal(tpm_srk_parse(sealed->srk, sealed->srk_size, &rsa), -EBADMSG);
}

/* ---- Records ---- */

static void record_format(void **state)
{
	cleanup(writer_done) struct writer writer = {};
	struct tpm_record record = {.state = RECORD_DONE, .epoch = 7}, read;

	(void)state;
	memset(record.luks_uuid, 0x11, 16);
	memset(record.fingerprint, 0x22, 32);
	record.sealed_values.bank = HASH_SHA1;
	record.sealed_values.mask = 1U << 7 | 1U << 15;
	memset(record.sealed_values.values[7], 0x33, 20);
	HEX(expected, "63766d726f6f7400"
		      "01000000"
		      "02000000"
		      "0700000000000000"
		      "11111111111111111111111111111111"
		      "2222222222222222222222222222222222222222222222222222222222222222"
		      "00000000"
		      "80800000"
		      "3333333333333333333333333333333333333333"
		      "0000000000000000000000000000000000000000");
	assert_int_equal(tpm_record_encode(&record, &writer), 0);
	assert_int_equal(writer.size, sizeof(expected));
	assert_memory_equal(writer.data, expected, sizeof(expected));
	assert_int_equal(tpm_record_decode(expected, sizeof(expected), &read), 0);
	assert_int_equal(read.epoch, 7);
	assert_memory_equal(read.sealed_values.values[7], record.sealed_values.values[7], 20);
	for (size_t i = 0; i < sizeof(expected); i++)
		assert_int_equal(tpm_record_decode(expected, i, &read), -EBADMSG);
}

static void record_refuses(void **state)
{
	static const struct {
		size_t place;
		uint8_t value;
		int error;
	} table[] = {
		{0, 'C', -EBADMSG},  /* magic */
		{7, 1, -EBADMSG},    /* its NUL */
		{8, 2, -EOPNOTSUPP}, /* version */
		{12, 0, -EBADMSG},   /* state */
		{12, 3, -EBADMSG},   /* state */
		{72, 4, -EBADMSG},   /* bank */
		{75, 1, -EBADMSG},   /* bank */
		{76, 0, -EBADMSG},   /* mask: fewer values than follow */
		{78, 1, -EBADMSG},   /* mask: more values than follow */
		{79, 1, -EBADMSG},   /* mask: PCR 24 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cleanup(writer_done) struct writer writer = {};
		struct tpm_record record = {.state = RECORD_CONVERTING}, read;
		int r;

		record.sealed_values.bank = HASH_SHA256;
		record.sealed_values.mask = 1U << 7 | 1U << 15;
		assert_int_equal(tpm_record_encode(&record, &writer), 0);
		assert_int_equal(tpm_record_decode(writer.data, writer.size, &read), 0);
		writer.data[table[i].place] = table[i].value;
		r = tpm_record_decode(writer.data, writer.size, &read);
		if (r != table[i].error)
			fail_msg("byte %zu = %u: %d", table[i].place, table[i].value, r);
	}
}

/* ---- Words ---- */

static void pcr_lists(void **state)
{
	char list[PCR_LIST_SIZE];

	(void)state;
	tpm_pcr_list(0, list);
	assert_string_equal(list, "");
	tpm_pcr_list(1U << 15, list);
	assert_string_equal(list, "15");
	tpm_pcr_list(1U | 1U << 23, list);
	assert_string_equal(list, "0 and 23");
	tpm_pcr_list(0xffffff, list);
	assert_string_equal(list, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "
				  "18, 19, 20, 21, 22 and 23");
}

static void codes_without_position(void **state)
{
	(void)state;
	/* PolicyFail of session 1, Handle of handle 2, Value of parameter 4, from the kernel. */
	assert_int_equal(tpm_rc_base(0x99d), TPM2_RC_POLICY_FAIL);
	assert_int_equal(tpm_rc_base(0x28b), TPM2_RC_HANDLE);
	assert_int_equal(tpm_rc_base(0x4c4), TPM2_RC_VALUE);
	assert_int_equal(tpm_rc_base(0x921), TPM2_RC_LOCKOUT);
	assert_int_equal(tpm_rc_base(0xb0143), TPM2_RC_COMMAND_CODE);
	assert_int_equal(tpm_rc_base(0xa000a), TSS2_TCTI_RC_IO_ERROR);
}

static void no_device_has_a_sentence(void **state)
{
	struct tpm *tpm = NULL;
	int r;

	(void)state;
	if (access(TPM_DEVICE, F_OK) == 0)
		skip();
	r = tpm_open(&tpm);
	assert_int_equal(r, -ENODEV);
	assert_non_null(strstr(fail_sentence(r), TPM_DEVICE " does not exist"));
	assert_null(tpm);
}

/* ---- The device file: one write is a command, the next read its answer ---- */

struct pair {
	TSS2_TCTI_CONTEXT *tcti;
	int peer;
};

static void pair_up(struct pair *pair)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(tpm_device_new(fds[0], &pair->tcti), 0);
	pair->peer = fds[1];
}

static void pair_done(struct pair *pair)
{
	Tss2_Tcti_Finalize(pair->tcti);
	free(pair->tcti);
	close(pair->peer);
}

static void device_commands_and_answers(void **state)
{
	static const uint8_t command[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
	static const uint8_t answer[] = {0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0};
	uint8_t data[64];
	size_t size = sizeof(data);
	struct pair pair;

	(void)state;
	pair_up(&pair);
	assert_int_equal(Tss2_Tcti_Transmit(pair.tcti, sizeof(command), command), 0);
	assert_int_equal(read(pair.peer, data, sizeof(data)), sizeof(command));
	assert_memory_equal(data, command, sizeof(command));
	assert_int_equal(write(pair.peer, answer, sizeof(answer)), sizeof(answer));
	assert_int_equal(Tss2_Tcti_Receive(pair.tcti, &size, NULL, TSS2_TCTI_TIMEOUT_BLOCK), 0);
	assert_int_equal(size, 4096);
	size = sizeof(data);
	assert_int_equal(Tss2_Tcti_Receive(pair.tcti, &size, data, TSS2_TCTI_TIMEOUT_BLOCK), 0);
	assert_int_equal(size, sizeof(answer));
	assert_memory_equal(data, answer, sizeof(answer));
	pair_done(&pair);
}

/* The file is closed with it: the other end sees that. */
static void device_closes_its_file(void **state)
{
	struct pair pair;
	uint8_t data;

	(void)state;
	pair_up(&pair);
	Tss2_Tcti_Finalize(pair.tcti);
	free(pair.tcti);
	assert_int_equal(recv(pair.peer, &data, 1, MSG_DONTWAIT), 0);
	close(pair.peer);
}

static void device_keeps_the_order(void **state)
{
	uint8_t data[16] = {};
	size_t size = sizeof(data);
	struct pair pair;

	(void)state;
	pair_up(&pair);
	assert_int_equal(Tss2_Tcti_Receive(pair.tcti, &size, data, TSS2_TCTI_TIMEOUT_BLOCK),
			 TSS2_TCTI_RC_BAD_SEQUENCE);
	assert_int_equal(Tss2_Tcti_Transmit(pair.tcti, sizeof(data), data), 0);
	assert_int_equal(Tss2_Tcti_Transmit(pair.tcti, sizeof(data), data),
			 TSS2_TCTI_RC_BAD_SEQUENCE);
	assert_int_equal(shutdown(pair.peer, SHUT_RDWR), 0);
	assert_int_equal(Tss2_Tcti_Receive(pair.tcti, &size, data, TSS2_TCTI_TIMEOUT_BLOCK),
			 TSS2_TCTI_RC_IO_ERROR);
	/* The peer is gone; MSG_NOSIGNAL is not for a write(). */
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(Tss2_Tcti_Transmit(pair.tcti, sizeof(data), data), TSS2_TCTI_RC_IO_ERROR);
	pair_done(&pair);
}

static void banks_of_the_kernel(void **state)
{
	char folder[] = "/tmp/cvmroot-banks-XXXXXX", path[96];
	static const char *const names[] = {"pcr-sha256", "pcr-sha512", "pcr-sm3_256"};

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(tpm_device_banks(folder), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_int_equal(tpm_device_banks(folder), 1U << HASH_SHA256 | 1U << HASH_SHA512);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		assert_int_equal(rmdir(path), 0);
	}
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policy_pcr_known_answers),
		cmocka_unit_test(policy_authorize_known_answers),
		cmocka_unit_test(policy_authorize_ecc),
		cmocka_unit_test(binding_policy_has_identity_zero),
		cmocka_unit_test(names_of_keys),
		cmocka_unit_test(talos_signature_file),
		cmocka_unit_test(public_key_refuses),
		cmocka_unit_test(signature_file_refuses),
		cmocka_unit_test(signature_file_has_a_limit),
		cmocka_unit_test(token_both_ways),
		cmocka_unit_test(token_with_key),
		cmocka_unit_test(token_refuses),
		cmocka_unit_test(blob_refuses),
		cmocka_unit_test(srk_refuses),
		cmocka_unit_test(record_format),
		cmocka_unit_test(record_refuses),
		cmocka_unit_test(pcr_lists),
		cmocka_unit_test(codes_without_position),
		cmocka_unit_test(no_device_has_a_sentence),
		cmocka_unit_test(device_commands_and_answers),
		cmocka_unit_test(device_closes_its_file),
		cmocka_unit_test(device_keeps_the_order),
		cmocka_unit_test(banks_of_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
