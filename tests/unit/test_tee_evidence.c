/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "vectors.h"

#include "base/error.h"
#include "base/json.h"
#include "tee/platforms.h"
#include "tee/snp_device.h"
#include "tee/tdx_quote.h"
#include "tee/tsm.h"

/*
 * The platforms from end to end, on a machine that the test makes up: what the kernel answers, and
 * its files, are taken from here (--wrap).
 */

#define SNP_SIZE   1184
#define QUOTE_SIZE (48 + 584 + 4 + 8)

static struct {
	const char *provider; /* NULL: no configfs-tsm */
	bool device;	      /* /dev/sev-guest, /dev/tdx_guest */
	bool stale;	      /* answers are about other data */
	uint32_t privlevel, vmpl;
	const char *ccel, *aael; /* content; NULL: no such file */
	size_t ccel_size, aael_size;
	uint8_t bound[64]; /* HOST_DATA, MRCONFIGID or personalization value */
	uint8_t certs[64];
	size_t certs_size;
	unsigned int asked, device_asked;
	uint8_t inblob[64];
} kernel;

int __wrap_tsm_report_get(const char *base, const char *provider, const uint8_t *inblob,
			  struct tsm_report *ret);
int __wrap_snp_device_get(const char *path, const uint8_t *report_data, uint8_t **ret_report,
			  size_t *ret_report_size, uint8_t **ret_certs, size_t *ret_certs_size);
int __wrap_file_read_all(const char *path, size_t limit, char **ret, size_t *ret_size);
int __wrap_open64(const char *path, int flags, ...);
int __real_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long command, void *argument);

static uint8_t *make_snp(const uint8_t *report_data, size_t *ret_size)
{
	uint8_t report[SNP_SIZE] = {};

	report[0] = 3;
	report[0x30] = (uint8_t)kernel.vmpl;
	memcpy(report + 0x50, report_data, 64);
	memset(report + 0x90, 0x4d, 48);
	memcpy(report + 0xc0, kernel.bound, 32);
	report[0x188] = 0x19;
	*ret_size = sizeof(report);
	return exact_copy(report, sizeof(report));
}

static uint8_t *make_quote(const uint8_t *report_data, size_t *ret_size)
{
	uint8_t quote[QUOTE_SIZE] = {};

	quote[0] = 4, quote[2] = 2, quote[4] = 0x81;
	memset(quote + 48 + 136, 0x4d, 48);
	memcpy(quote + 48 + 184, kernel.bound, 48);
	memcpy(quote + 48 + 520, report_data, 64);
	quote[48 + 584] = 8;
	*ret_size = sizeof(quote);
	return exact_copy(quote, sizeof(quote));
}

/* Tag 399 {44234: h'00', 44241: 18([h'', {}, {10: ..., 44235: ..., 44238: h'4d4d'}, h'00'])} */
static uint8_t *make_token(const uint8_t *challenge, size_t *ret_size)
{
	static const uint8_t head[] = {0xd9, 0x01, 0x8f, 0xa2, 0x19, 0xac, 0xca, 0x41,
				       0x00, 0x19, 0xac, 0xd1, 0x58, 151,  0xd2, 0x84,
				       0x40, 0xa0, 0x58, 143,  0xa3, 0x0a, 0x58, 0x40};
	static const uint8_t pv[] = {0x19, 0xac, 0xcb, 0x58, 0x40};
	static const uint8_t tail[] = {0x19, 0xac, 0xce, 0x42, 0x4d, 0x4d, 0x41, 0x00};
	uint8_t *token = malloc(sizeof(head) + 64 + sizeof(pv) + 64 + sizeof(tail)), *to = token;

	assert_non_null(token);
	to = mempcpy(to, head, sizeof(head));
	to = mempcpy(to, challenge, 64);
	to = mempcpy(to, pv, sizeof(pv));
	to = mempcpy(to, kernel.bound, 64);
	to = mempcpy(to, tail, sizeof(tail));
	*ret_size = (size_t)(to - token);
	return token;
}

static const uint8_t *answered(const uint8_t *asked)
{
	static uint8_t data[64];

	memcpy(kernel.inblob, asked, 64);
	memcpy(data, asked, 64);
	data[0] ^= kernel.stale;
	return data;
}

int __wrap_tsm_report_get(const char *base, const char *provider, const uint8_t *inblob,
			  struct tsm_report *ret)
{
	const uint8_t *data = answered(inblob);
	uint8_t *(*make)(const uint8_t *, size_t *) = make_snp;

	assert_string_equal(base, "/sys/kernel/config/tsm/report");
	kernel.asked++;
	if (!kernel.provider || strcmp(kernel.provider, provider) != 0)
		return fail(-ENODEV, "another provider");
	if (strcmp(provider, "tdx_guest") == 0)
		make = make_quote;
	if (strcmp(provider, "arm_cca_guest") == 0)
		make = make_token;
	*ret = (struct tsm_report){.privlevel = kernel.privlevel};
	ret->outblob = make(data, &ret->outblob_size);
	ret->auxblob = malloc(sizeof(kernel.certs));
	assert_non_null(ret->auxblob);
	memcpy(ret->auxblob, kernel.certs, kernel.certs_size);
	ret->auxblob_size = kernel.certs_size;
	return 0;
}

int __wrap_snp_device_get(const char *path, const uint8_t *report_data, uint8_t **ret_report,
			  size_t *ret_report_size, uint8_t **ret_certs, size_t *ret_certs_size)
{
	assert_string_equal(path, "/dev/sev-guest");
	kernel.device_asked++;
	if (!kernel.device)
		return fail(-ENODEV, "no device");
	*ret_report = make_snp(answered(report_data), ret_report_size);
	*ret_certs = NULL;
	*ret_certs_size = 0;
	return 0;
}

int __wrap_file_read_all(const char *path, size_t limit, char **ret, size_t *ret_size)
{
	bool ccel = strcmp(path, "/sys/firmware/acpi/tables/data/CCEL") == 0;
	const char *content = ccel ? kernel.ccel : kernel.aael;
	size_t size = ccel ? kernel.ccel_size : kernel.aael_size;

	(void)limit;
	if (!ccel)
		assert_string_equal(path, "/run/attestation-agent/eventlog");
	if (!content)
		return -ENOENT;
	*ret = malloc(size + 1);
	assert_non_null(*ret);
	memcpy(*ret, content, size);
	*ret_size = size;
	return 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/tdx_guest") != 0)
		return __real_open64(path, flags, 0);
	if (kernel.device)
		return __real_open64("/dev/null", flags, 0);
	errno = ENOENT;
	return -1;
}

/* TDX_CMD_GET_REPORT0 of include/uapi/linux/tdx-guest.h. */
int __wrap_ioctl(int fd, unsigned long command, void *argument)
{
	uint8_t *request = argument, *report = request + 64;

	(void)fd;
	assert_int_equal(command, 0xc4405401);
	memset(report, 0, 1024);
	report[0] = 0x81;
	memcpy(report + 128, answered(request), 64);
	memcpy(report + 576, kernel.bound, 48);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

static uint8_t digest[48];

static int evidence(const struct tee_ops *tee, json_t **ret)
{
	const struct tee_context context = {};
	struct tee_request request = {digest, sizeof(digest), NULL, false};

	memset(digest, 0xd1, sizeof(digest));
	return tee_evidence(tee, &context, &request, ret);
}

/* A digest of 48 bytes is filled up to the 64 that the interface takes. */
static void expect_inblob(void)
{
	static const uint8_t zeros[16];

	assert_memory_equal(kernel.inblob, digest, 48);
	assert_memory_equal(kernel.inblob + 48, zeros, 16);
}

static void snp_evidence_by_configfs(void **state)
{
	cleanup(json_decrefp) json_t *json = NULL;
	HEX(vcek, "63da758de6644564adc5f4b93be8accd");
	json_t *report;

	(void)state;
	kernel.provider = "sev_guest";
	memcpy(kernel.certs, vcek, 16);
	kernel.certs[16] = 63, kernel.certs[20] = 1;
	kernel.certs_size = 64;
	assert_int_equal(evidence(&tee_snp, &json), 0);
	expect_inblob();
	assert_int_equal(json_object_size(json), 2);
	report = json_object_get(json, "attestation_report");
	assert_int_equal(json_integer_value(json_object_get(report, "version")), 3);
	assert_int_equal(json_array_size(json_object_get(json, "cert_chain")), 1);
	assert_int_equal(kernel.device_asked, 0);
}

static void snp_evidence_by_device(void **state)
{
	cleanup(json_decrefp) json_t *json = NULL;

	(void)state;
	kernel.device = true;
	assert_int_equal(evidence(&tee_snp, &json), 0);
	expect_inblob();
	assert_int_equal(kernel.device_asked, 1);
	assert_true(json_is_null(json_object_get(json, "cert_chain")));
}

static void snp_refuses_other_answers(void **state)
{
	json_t *json = NULL;

	(void)state;
	kernel.provider = "sev_guest";
	kernel.stale = true;
	assert_int_equal(evidence(&tee_snp, &json), -ESTALE);
	kernel.stale = false;
	kernel.vmpl = 1;
	assert_int_equal(evidence(&tee_snp, &json), -ESTALE);
	kernel.privlevel = 1;
	assert_int_equal(evidence(&tee_snp, &json), 0);
	json_decref(json);
	json = NULL;
	kernel.provider = NULL;
	assert_int_equal(evidence(&tee_snp, &json), -ENODEV);
	assert_non_null(strstr(fail_sentence(-ENODEV), "gives no SEV-SNP reports"));
	assert_null(json);
}

static const char *log_text(json_t *json)
{
	return json_string_value(json_object_get(json, "cc_eventlog"));
}

static void tdx_evidence_with_and_without_log(void **state)
{
	static const char header[48 + 1] = {[4] = 3, [28] = 16};
	cleanup(json_decrefp) json_t *without = NULL, *with = NULL;
	uint8_t quote[QUOTE_SIZE + 3];
	size_t size;

	(void)state;
	kernel.provider = "tdx_guest";
	assert_int_equal(evidence(&tee_tdx, &without), 0);
	expect_inblob();
	assert_int_equal(json_object_size(without), 2);
	assert_true(json_is_null(json_object_get(without, "cc_eventlog")));
	assert_int_equal(base64_decode(json_string_value(json_object_get(without, "quote")),
				       json_string_length(json_object_get(without, "quote")), quote,
				       sizeof(quote), &size),
			 0);
	assert_int_equal(size, QUOTE_SIZE);
	assert_memory_equal(quote + 48 + 520, kernel.inblob, 64);
	/* EV_NO_ACTION with a signature of zeros, then eight bytes of 0xFF. */
	kernel.ccel = header;
	kernel.ccel_size = 48;
	assert_int_equal(evidence(&tee_tdx, &with), 0);
	assert_string_equal(
		log_text(with),
		"AAAAAAMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAA//////////8=");
}

static void tdx_refuses_other_answers(void **state)
{
	json_t *json = NULL;

	(void)state;
	kernel.provider = "tdx_guest";
	kernel.stale = true;
	assert_int_equal(evidence(&tee_tdx, &json), -ESTALE);
	kernel.stale = false;
	kernel.aael = "broken";
	kernel.aael_size = 6;
	assert_int_equal(evidence(&tee_tdx, &json), -EBADMSG);
	assert_non_null(strstr(fail_sentence(-EBADMSG), "AAEL"));
	kernel.provider = "sev_guest";
	assert_int_equal(evidence(&tee_tdx, &json), -ENODEV);
	assert_null(json);
}

static void cca_evidence_is_the_token(void **state)
{
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) uint8_t *token = NULL;
	json_t *stale = NULL, *bytes;
	size_t size;

	(void)state;
	kernel.provider = "arm_cca_guest";
	assert_int_equal(evidence(&tee_cca, &json), 0);
	expect_inblob();
	assert_int_equal(json_object_size(json), 1);
	bytes = json_object_get(json, "token");
	token = make_token(kernel.inblob, &size);
	assert_int_equal(json_array_size(bytes), size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(json_integer_value(json_array_get(bytes, i)), token[i]);
	kernel.stale = true;
	assert_int_equal(evidence(&tee_cca, &stale), -ESTALE);
}

static int check(const struct tee_ops *tee, uint8_t first)
{
	const struct tee_context context = {};
	uint8_t wanted[48];

	memset(wanted, 0xb0, sizeof(wanted));
	wanted[0] = first;
	return tee_check_initdata(tee, &context, wanted, sizeof(wanted));
}

static void initdata_is_held_against_the_tee(void **state)
{
	static const struct {
		const struct tee_ops *tee;
		const char *provider;
	} cases[] = {{&tee_snp, "sev_guest"}, {&tee_cca, "arm_cca_guest"}, {&tee_tdx, NULL}};
	uint8_t before[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		setup(state);
		kernel.provider = cases[i].provider;
		kernel.device = !cases[i].provider;
		assert_int_equal(check(cases[i].tee, 0xb0), -EKEYREJECTED);
		memset(kernel.bound, 0xb0, 48);
		memcpy(before, kernel.inblob, 64);
		assert_int_equal(check(cases[i].tee, 0xb0), 0);
		/* Each time about data that nobody could foresee. */
		assert_memory_not_equal(before, kernel.inblob, 64);
		assert_int_equal(check(cases[i].tee, 0xb1), -EKEYREJECTED);
		kernel.stale = true;
		assert_int_equal(check(cases[i].tee, 0xb0), -ESTALE);
	}
}

/* A quote comes by way of the host: it must not be what initdata is held against. */
static void tdx_initdata_never_trusts_a_quote(void **state)
{
	(void)state;
	kernel.provider = "tdx_guest";
	memset(kernel.bound, 0xb0, 48);
	assert_int_equal(check(&tee_tdx, 0xb0), -ENODEV);
	assert_int_equal(kernel.asked, 0);
	assert_non_null(strstr(fail_sentence(-ENODEV), "/dev/tdx_guest"));
}

static void description(const struct tee_ops *tee, const char *provider, const char *wanted)
{
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	kernel.provider = provider;
	assert_int_equal(evidence(tee, &json), 0);
	tee->describe(json, out);
	fclose(out);
	if (!strstr(text, wanted))
		fail_msg("no \"%s\" in:\n%s", wanted, text);
}

#define TEXT_4D "4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d"

static void evidence_is_described(void **state)
{
	(void)state;
	description(&tee_snp, "sev_guest",
		    "measurement:      " TEXT_4D TEXT_4D TEXT_4D "\nhost data:");
	description(&tee_snp, "sev_guest", "\ncertificates:     0, from the host\n");
	description(&tee_tdx, "tdx_guest", "\nMRTD:             " TEXT_4D TEXT_4D TEXT_4D "\n");
	description(&tee_tdx, "tdx_guest", "\nevent log:        none\n");
	description(&tee_cca, "arm_cca_guest", "measurement:      4d4d\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(snp_evidence_by_configfs),
		TEST(snp_evidence_by_device),
		TEST(snp_refuses_other_answers),
		TEST(tdx_evidence_with_and_without_log),
		TEST(tdx_refuses_other_answers),
		TEST(cca_evidence_is_the_token),
		TEST(initdata_is_held_against_the_tee),
		TEST(tdx_initdata_never_trusts_a_quote),
		TEST(evidence_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
