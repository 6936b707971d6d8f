/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Intel TDX: TDREPORT (TDX module ABI, section 22.6) and the quote, version 4, that a quoting
 * enclave makes of it (Intel TDX DCAP quoting library API, appendix A.3).
 */
#include "sim.h"

#include <openssl/hmac.h>
#include <string.h>

#define FIELD		32 /* P-256 */
#define INFO_SIZE	512
#define TCB_INFO_SIZE	239
#define MAC_OFFSET	224
#define TCB_INFO_OFFSET 256
#define INFO_OFFSET	512

/* MRSIGNER of Intel's quoting enclaves. */
#define INTEL_SIGNER "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"

#define ATTRIBUTES UINT64_C(0x10000000) /* SEPT_VE_DISABLE; not DEBUG */
#define XFAM	   UINT64_C(0x618e7)

static void fill(struct bytes *bytes, uint8_t value, size_t size)
{
	bytes_put_zeros(bytes, size);
	memset(bytes->data + bytes->size - size, value, size);
}

/* TDINFO: what the module knows of the guest. */
static void put_info(const struct sim *sim, struct bytes *ret)
{
	size_t begin = ret->size;

	bytes_put_le(ret, ATTRIBUTES, 8);
	bytes_put_le(ret, XFAM, 8);
	bytes_put(ret, sim->measurement, MEASUREMENT_SIZE); /* MRTD */
	bytes_put(ret, sim->initdata, MEASUREMENT_SIZE);    /* MRCONFIGID */
	bytes_put_zeros(ret, 2 * MEASUREMENT_SIZE);	    /* MROWNER, MROWNERCONFIG */
	bytes_put(ret, sim->rtmr, RTMR_COUNT * MEASUREMENT_SIZE);
	bytes_put_zeros(ret, INFO_SIZE - (ret->size - begin));
}

/* TEE_TCB_INFO: of the module itself. */
static void put_tcb_info(struct bytes *ret)
{
	size_t begin = ret->size;

	bytes_put_le(ret, 0x301ff, 8); /* which members are valid */
	bytes_put(ret, "\x06\x01\x03", 3);
	bytes_put_zeros(ret, 13);
	fill(ret, 0x5E, MEASUREMENT_SIZE); /* MRSEAM */
	bytes_put_zeros(ret, TCB_INFO_SIZE - (ret->size - begin));
}

/* The processor's key for the MAC is the platform's own; here it follows from the other key. */
static void report_mac(const struct sim *sim, const uint8_t *report, uint8_t *ret)
{
	struct bytes secret = {0};
	unsigned int size = 32;

	file_put(&secret, sim, "tdx-pck.key");
	check(HMAC(EVP_sha256(), secret.data, (int)secret.size, report, MAC_OFFSET, ret, &size),
	      "cannot compute a MAC");
	bytes_free(&secret);
}

void tdx_make_report(const struct sim *sim, const uint8_t *report_data, struct bytes *ret)
{
	struct bytes report = {0};
	uint8_t hash[MEASUREMENT_SIZE];

	bytes_put_le(&report, 0x81, 4); /* type: TDX */
	bytes_put_zeros(&report, 12 + 16);
	bytes_put_zeros(&report, 2 * MEASUREMENT_SIZE); /* the hashes, see below */
	bytes_put(&report, report_data, REPORT_DATA_SIZE);
	bytes_put_zeros(&report, 32 + 32);
	put_tcb_info(&report);
	bytes_put_zeros(&report, 17);
	put_info(sim, &report);
	check(report.size == TDX_REPORT_SIZE, "a TDREPORT of %zu bytes", report.size);
	hash_bytes("SHA384", report.data + TCB_INFO_OFFSET, TCB_INFO_SIZE, hash);
	memcpy(report.data + 32, hash, sizeof(hash));
	hash_bytes("SHA384", report.data + INFO_OFFSET, INFO_SIZE, hash);
	memcpy(report.data + 80, hash, sizeof(hash));
	report_mac(sim, report.data, report.data + MAC_OFFSET);
	bytes_put_bytes(ret, &report);
	bytes_free(&report);
}

static void put_header(struct bytes *ret)
{
	bytes_put_le(ret, 4, 2);    /* version */
	bytes_put_le(ret, 2, 2);    /* attestation key: ECDSA P-256 */
	bytes_put_le(ret, 0x81, 4); /* TDX */
	bytes_put_zeros(ret, 4);
	bytes_put(ret, "\x93\x9a\x72\x33\xf7\x9c\x4c\xa9\x94\x0a\x0d\xb3\x95\x7f\x06\x07", 16);
	bytes_put_zeros(ret, 20);
}

/* The body is the report's content in another order. */
static void put_body(struct bytes *ret, const uint8_t *report)
{
	const uint8_t *tcb_info = report + TCB_INFO_OFFSET;

	bytes_put(ret, tcb_info + 8, 16 + 2 * MEASUREMENT_SIZE + 8); /* SVN, module, attributes */
	bytes_put(ret, report + INFO_OFFSET, 16 + 8 * MEASUREMENT_SIZE);
	bytes_put(ret, report + 128, REPORT_DATA_SIZE);
}

/* The quoting enclave's own report says which attestation key is its. */
static void put_qe_report(const struct sim *sim, const uint8_t *binding, struct bytes *ret)
{
	EVP_PKEY *key = key_load(sim, "tdx-pck.key");
	uint8_t signature[2 * FIELD], signer[32];
	size_t begin = ret->size;

	bytes_put(ret, "\x05\x05\x0d\x0f\x03\xff\x00\x03", 8); /* CPUSVN */
	bytes_put_zeros(ret, 8 + 32);
	bytes_put(ret, "\x15\0\0\0\0\0\0\0\xe7\0\0\0\0\0\0\0", 16); /* attributes */
	fill(ret, 0x71, 32);					    /* MRENCLAVE */
	bytes_put_zeros(ret, 32);
	bytes_parse_hex(INTEL_SIGNER, signer, sizeof(signer));
	bytes_put(ret, signer, sizeof(signer));
	bytes_put_zeros(ret, 96);
	bytes_put_le(ret, 2, 2); /* product */
	bytes_put_le(ret, 4, 2); /* its SVN */
	bytes_put_zeros(ret, 60);
	bytes_put(ret, binding, 32);
	bytes_put_zeros(ret, 32);
	check(ret->size - begin == 384, "a QE report of %zu bytes", ret->size - begin);
	key_sign(key, "SHA256", ret->data + begin, 384, FIELD, signature);
	bytes_put(ret, signature, sizeof(signature));
	EVP_PKEY_free(key);
}

static void put_certification(const struct sim *sim, const uint8_t *point, struct bytes *ret)
{
	static const char *const chain[] = {"tdx-pck.pem", "tdx-intermediate.pem", "tdx-root.pem"};
	struct bytes pem = {0}, data = {0}, bound = {0};
	uint8_t binding[32];

	for (size_t i = 0; i < 3; i++)
		file_put(&pem, sim, chain[i]);
	bytes_put_zeros(&pem, 1); /* as Intel's library leaves it */
	bytes_put(&bound, point, 2 * FIELD);
	for (uint8_t i = 0; i < 32; i++)
		bytes_put(&bound, &i, 1); /* authentication data: any */
	hash_bytes("SHA256", bound.data, bound.size, binding);
	put_qe_report(sim, binding, &data);
	bytes_put_le(&data, 32, 2);
	bytes_put(&data, bound.data + 2 * FIELD, 32);
	bytes_put_le(&data, 5, 2); /* PCK chain in PEM */
	bytes_put_le(&data, pem.size, 4);
	bytes_put_bytes(&data, &pem);
	bytes_put_le(ret, 6, 2); /* QE report certification data */
	bytes_put_le(ret, data.size, 4);
	bytes_put_bytes(ret, &data);
	bytes_free(&pem);
	bytes_free(&data);
	bytes_free(&bound);
}

int tdx_quote_report(const struct sim *sim, const uint8_t *report, size_t size, struct bytes *ret)
{
	EVP_PKEY *key;
	struct bytes quote = {0}, signature = {0};
	uint8_t mac[32], pair[2 * FIELD];

	if (size != TDX_REPORT_SIZE)
		return -1;
	report_mac(sim, report, mac);
	if (memcmp(mac, report + MAC_OFFSET, sizeof(mac)) != 0)
		return -1;
	put_header(&quote);
	put_body(&quote, report);
	key = key_generate("P-256");
	key_sign(key, "SHA256", quote.data, quote.size, FIELD, pair);
	if (sim->bad_signature)
		pair[8] ^= 1;
	bytes_put(&signature, pair, sizeof(pair));
	key_point(key, FIELD, pair);
	bytes_put(&signature, pair, sizeof(pair));
	put_certification(sim, pair, &signature);
	bytes_put_le(&quote, signature.size, 4);
	bytes_put_bytes(&quote, &signature);
	bytes_put_bytes(ret, &quote);
	bytes_free(&quote);
	bytes_free(&signature);
	EVP_PKEY_free(key);
	return 0;
}

void tdx_make_quote(const struct sim *sim, const uint8_t *report_data, struct bytes *ret)
{
	struct bytes report = {0};

	tdx_make_report(sim, report_data, &report);
	check(tdx_quote_report(sim, report.data, report.size, ret) == 0, "no quote");
	bytes_free(&report);
}
