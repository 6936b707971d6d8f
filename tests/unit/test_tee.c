/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#ifndef CVMROOT_SAMPLE_TEE
#define CVMROOT_SAMPLE_TEE
#endif
#include "base/error.h"
#include "base/json.h"
#include "tee/pef.h"
#include "tee/platforms.h"
#include "tee/tsm.h"

/* The machine that detection sees (linked in with --wrap); no TPM is in it. */
static struct {
	const char *provider; /* of the kernel's reports; NULL: none */
	const char *device;   /* that exists; NULL: none */
	int provider_error;
	bool pef;
} machine;

int __wrap_tsm_has_provider(const char *base, const char *provider);
int __wrap_access(const char *path, int mode);
int __wrap_tee_pef_detect(void);

int __wrap_tsm_has_provider(const char *base, const char *provider)
{
	assert_string_equal(base, "/sys/kernel/config/tsm/report");
	if (machine.provider_error)
		return fail(machine.provider_error, "made to fail");
	return machine.provider && strcmp(machine.provider, provider) == 0;
}

int __wrap_access(const char *path, int mode)
{
	(void)mode;
	if (machine.device && strcmp(machine.device, path) == 0)
		return 0;
	errno = ENOENT;
	return -1;
}

int __wrap_tee_pef_detect(void)
{
	return machine.pef;
}

static int find(const char *name, const struct tee_ops **ret)
{
	const struct tee_context context = {};

	return tee_find(name, &context, ret);
}

static void expect_detected(const char *provider, const char *device, const char *name)
{
	const struct tee_ops *tee = NULL;

	machine.provider = provider;
	machine.device = device;
	assert_int_equal(find("auto", &tee), 0);
	assert_string_equal(tee->name, name);
}

static void platforms_are_detected(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	expect_detected("tdx_guest", NULL, "tdx");
	expect_detected("sev_guest", NULL, "snp");
	expect_detected("arm_cca_guest", NULL, "cca");
	/* Kernels before 6.7. */
	expect_detected(NULL, "/dev/sev-guest", "snp");
	expect_detected(NULL, "/dev/tdx_guest", "tdx");
}

static void no_platform_is_told(void **state)
{
	const struct tee_ops *tee = NULL;

	(void)state;
	memset(&machine, 0, sizeof(machine));
	assert_int_equal(find("auto", &tee), -ENODEV);
	assert_non_null(strstr(fail_sentence(-ENODEV), "no TEE that is known here"));
	machine.pef = true;
	assert_int_equal(find("auto", &tee), -ENODEV);
	assert_non_null(strstr(fail_sentence(-ENODEV), "Power PEF"));
	assert_null(tee);
}

/* That a platform is there must not be overlooked because it could not be asked. */
static void failed_detection_ends_it(void **state)
{
	const struct tee_ops *tee = NULL;

	(void)state;
	memset(&machine, 0, sizeof(machine));
	machine.provider_error = -EACCES;
	machine.device = "/dev/sev-guest";
	assert_int_equal(find("auto", &tee), -EACCES);
	assert_string_equal(fail_sentence(-EACCES),
			    "cannot tell whether this machine is Intel TDX: made to fail");
	assert_null(tee);
}

static void platforms_are_found_by_name(void **state)
{
	static const char *const unknown[] = {"", "Snp", "snp ", "csv", "azsnpvtpm", "aut"};
	const struct tee_ops *tee = NULL;

	(void)state;
	memset(&machine, 0, sizeof(machine));
	for (size_t i = 0; tee_platform(i); i++) {
		assert_int_equal(find(tee_platform(i)->name, &tee), 0);
		assert_ptr_equal(tee, tee_platform(i));
	}
	tee = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		assert_int_equal(find(unknown[i], &tee), -EINVAL);
		assert_non_null(strstr(fail_sentence(-EINVAL), "known are auto, tdx, "));
		assert_null(tee);
	}
}

/* CoCo's agent looks in this order; a machine can look like more than one. */
static void table_is_in_the_order_of_detection(void **state)
{
	static const char *const order[] = {"tdx", "az-tdx-vtpm", "az-snp-vtpm", "snp",
					    "cca", "se",	  "tpm",	 "sample"};
	size_t place = 0, count = 0;

	(void)state;
	for (; tee_platform(count); count++) {
		while (place < ARRAY_SIZE(order) &&
		       strcmp(order[place], tee_platform(count)->name) != 0)
			place++;
		if (place == ARRAY_SIZE(order))
			fail_msg("%s is out of order", tee_platform(count)->name);
		assert_non_null(tee_platform(count)->title);
		assert_non_null(tee_platform(count)->detect);
		assert_non_null(tee_platform(count)->evidence);
	}
	assert_true(count >= 3);
}

/* ---- What is the same for all platforms ---- */

static unsigned int calls;

static int fake_evidence(const struct tee_context *context, const struct tee_request *request,
			 json_t **ret_evidence)
{
	(void)context;
	(void)request;
	calls++;
	*ret_evidence = json_object();
	return 0;
}

static int fake_check(const struct tee_context *context, const uint8_t *digest, size_t digest_size)
{
	(void)context;
	(void)digest;
	(void)digest_size;
	calls++;
	return -EKEYREJECTED;
}

static void report_data_has_1_to_64_bytes(void **state)
{
	static const struct tee_ops tee = {.name = "fake", .evidence = fake_evidence};
	static const size_t sizes[] = {1, 48, 64}, wrong[] = {0, 65, SIZE_MAX};
	const struct tee_context context = {};
	uint8_t data[64] = {};

	(void)state;
	calls = 0;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct tee_request request = {data, sizes[i], NULL, false};
		cleanup(json_decrefp) json_t *evidence = NULL;

		assert_int_equal(tee_evidence(&tee, &context, &request, &evidence), 0);
	}
	assert_int_equal(calls, 3);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct tee_request request = {data, wrong[i], NULL, false};
		json_t *evidence = NULL;

		assert_int_equal(tee_evidence(&tee, &context, &request, &evidence), -EINVAL);
		assert_null(evidence);
	}
	assert_int_equal(calls, 3);
}

static void initdata_needs_a_platform_that_binds_it(void **state)
{
	static const struct tee_ops binds = {.title = "a fake", .check_initdata = fake_check};
	static const struct tee_ops binds_not = {.title = "a fake"};
	const struct tee_context context = {};
	uint8_t digest[64] = {};

	(void)state;
	calls = 0;
	assert_int_equal(tee_check_initdata(&binds_not, &context, digest, 32), -EOPNOTSUPP);
	assert_string_equal(fail_sentence(-EOPNOTSUPP), "a fake binds no initdata");
	assert_int_equal(tee_check_initdata(&binds, &context, digest, 0), -EINVAL);
	assert_int_equal(tee_check_initdata(&binds, &context, digest, 65), -EINVAL);
	assert_int_equal(calls, 0);
	assert_int_equal(tee_check_initdata(&binds, &context, digest, 32), -EKEYREJECTED);
	assert_int_equal(calls, 1);
}

/* ---- The sample platform, which is built here whether or not the program has it ---- */

static void sample_is_as_trustee_wants_it(void **state)
{
	const struct tee_context context = {};
	HEX(digest,
	    "cef12e5a81f6c00f1d52c22e2473e8bb2bcaffa3fe89f1e7764de725e9ca0ecec9df67340b4a196c"
	    "64d8fcba42dde729");
	struct tee_request request = {digest, sizeof(digest), NULL, false};
	cleanup(json_decrefp) json_t *evidence = NULL, *expected = NULL;

	(void)state;
	assert_int_equal(tee_evidence(&tee_sample, &context, &request, &evidence), 0);
	expected = json_pack("{ssss}", "svn", "1", "report_data",
			     "zvEuWoH2wA8dUsIuJHPouyvK/6P+ifHndk3nJenKDs7J32c0C0oZbGTY/LpC3ecp");
	assert_true(json_equal(evidence, expected));
	assert_int_equal(tee_check_initdata(&tee_sample, &context, digest, 32), -EOPNOTSUPP);
}

static void sample_is_never_detected(void **state)
{
	const struct tee_context context = {};

	(void)state;
	assert_int_equal(tee_sample.detect(&context), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(platforms_are_detected),
		cmocka_unit_test(no_platform_is_told),
		cmocka_unit_test(failed_detection_ends_it),
		cmocka_unit_test(platforms_are_found_by_name),
		cmocka_unit_test(table_is_in_the_order_of_detection),
		cmocka_unit_test(report_data_has_1_to_64_bytes),
		cmocka_unit_test(initdata_needs_a_platform_that_binds_it),
		cmocka_unit_test(sample_is_as_trustee_wants_it),
		cmocka_unit_test(sample_is_never_detected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
