/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "expect.h"
#include "vectors.h"

#include "crypto/certificate.h"

#define GOOGLE "go-sev-guest/verify/"
#define VCEK   GOOGLE "testdata/vcek.testcer"
#define MILAN  GOOGLE "trust/ask_ark_milan.pem"
#define GENOA  GOOGLE "trust/ask_ark_genoa.pem"
#define OID    "1.3.6.1.4.1.3704.1."

static struct certificates *list_of(const char *name)
{
	struct certificates *list;
	size_t size;
	cleanup(freep) char *data = vector_read(name, &size);

	assert_int_equal(certificates_new(&list), 0);
	assert_int_equal(certificates_add(list, data, size), 0);
	return list;
}

static void test_chain(void **state)
{
	cleanup(certificates_freep) struct certificates *roots = list_of(MILAN);
	cleanup(certificates_freep) struct certificates *others = list_of(GENOA);
	cleanup(certificates_freep) struct certificates *list = list_of(VCEK);

	(void)state;
	assert_int_equal(certificates_count(roots), 2);
	assert_int_equal(certificates_count(list), 1);
	assert_int_equal(certificate_check_chain(list, 0, roots, true), 0);
	assert_fails(certificate_check_chain(list, 0, others, false), -EKEYREJECTED, "root");
	/* Itself is no root. */
	assert_fails(certificate_check_chain(list, 0, list, false), -EKEYREJECTED, "root");
}

/* The issuer out of the list; without it, and with one certificate too many. */
static void test_parts(void **state)
{
	cleanup(certificates_freep) struct certificates *both = list_of(MILAN);
	cleanup(certificates_freep) struct certificates *others = list_of(GENOA);
	cleanup(certificates_freep) struct certificates *list = list_of(VCEK);
	cleanup(certificates_freep) struct certificates *root = NULL;

	(void)state;
	assert_int_equal(certificates_new(&root), 0);
	assert_int_equal(certificates_copy(root, both, 1), 0);
	assert_fails(certificate_check_chain(list, 0, root, false), -EKEYREJECTED, "root");
	assert_int_equal(certificates_copy(list, both, 0), 0);
	assert_int_equal(certificate_check_chain(list, 0, root, true), 0);
	assert_int_equal(certificates_copy(list, others, 0), 0);
	assert_int_equal(certificate_check_chain(list, 0, root, false), 0);
	assert_fails(certificate_check_chain(list, 0, root, true), -EKEYREJECTED, "chain");
}

static void test_contents(void **state)
{
	cleanup(certificates_freep) struct certificates *list = list_of(VCEK);
	/* P-384: 24 bytes around the point. */
	cleanup(freep) uint8_t *key = NULL;
	const uint8_t *value;
	size_t size;

	(void)state;
	assert_int_equal(certificate_public_key(list, 0, &key, &size), 0);
	assert_int_equal(size, 24 + 96);
	/* The chip, as its report has it; and a level of the firmware: INTEGER 2. */
	assert_int_equal(certificate_extension(list, 0, OID "4", &value, &size), 0);
	assert_int_equal(size, 64);
	assert_true(starts_with(value, size, "3ac3fe21e13f"));
	assert_int_equal(certificate_extension(list, 0, OID "3.1", &value, &size), 0);
	assert_true(size == 3 && starts_with(value, size, "020102"));
	assert_int_equal(certificate_extension(list, 0, OID "5", &value, &size), -ENOENT);
}

static void test_malformed(void **state)
{
	size_t size;
	cleanup(freep) char *data = vector_read(VCEK, &size);
	cleanup(freep) uint8_t *longer = malloc(size + 1);
	cleanup(certificates_freep) struct certificates *list = NULL;

	(void)state;
	assert_non_null(longer);
	memcpy(longer, data, size + 1);
	assert_int_equal(certificates_new(&list), 0);
	for (size_t cut = 0; cut < size; cut += 13)
		assert_int_equal(certificates_add(list, data, cut), -EBADMSG);
	assert_int_equal(certificates_add(list, longer, size + 1), -EBADMSG);
	assert_int_equal(certificates_add(list, "no certificate", 14), -EBADMSG);
	assert_int_equal(certificates_add(list, data, CERTIFICATES_LIMIT + 1), -E2BIG);
	assert_int_equal(certificates_count(list), 0);
	for (size_t i = 0; i < CERTIFICATES_MAX; i++)
		assert_int_equal(certificates_add(list, data, size), 0);
	assert_int_equal(certificates_add(list, data, size), -E2BIG);
	assert_int_equal(certificates_copy(list, list, 0), -E2BIG);
	assert_int_equal(certificates_count(list), CERTIFICATES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
