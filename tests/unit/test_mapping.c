/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, which makes fail() a macro. */
#include "base/error.h"

#include "unit.h"

#include "disk/device/mapping.h"

/* As Linux prints it (drivers/md/dm-crypt.c), by keyring and by hex key. */
#define UUID_TEXT "00010203-0405-0607-0809-0a0b0c0d0e0f"
#define KEYRING	  ":64:logon:cryptsetup:" UUID_TEXT "-d0"
#define HEX_16	  "42424242424242424242424242424242"
#define HEX_KEY	  HEX_16 HEX_16 HEX_16 HEX_16
#define HEX_OTHER HEX_16 HEX_16 HEX_16 "42424242424242424242424242424243"
#define OPTION	  " 1 sector_size:4096"
#define GOOD	  "aes-xts-plain64 " KEYRING " 0 254:2 32768" OPTION

static struct secret *volume_key;

static int set_up(void **state)
{
	(void)state;
	if (secret_new(64, &volume_key) < 0)
		return -1;
	memset(volume_key->data, 0x42, volume_key->size);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	secret_free(volume_key);
	return 0;
}

static struct mapping_expected expected(uint32_t sector_size)
{
	struct mapping_expected expected = {
		.volume_key = volume_key,
		.length = 1000000,
		.offset = 32768,
		.sector_size = sector_size,
		.major = 254,
		.minor = 2,
	};

	assert_int_equal(uuid_decode(UUID_TEXT, expected.uuid), 0);
	return expected;
}

static int check(const char *parameters, uint32_t sector_size)
{
	const struct mapping_target target = {0, 1000000, "crypt", parameters};
	struct mapping_expected meant = expected(sector_size);

	return mapping_check(&target, 1, &meant);
}

static void expect_refused(const char *parameters, const char *reason)
{
	int r = check(parameters, 4096);

	if (r != -EKEYREJECTED || !strstr(fail_sentence(r), reason))
		fail_msg("%s: expected \"%s\", got %d, \"%s\"", parameters, reason, r,
			 fail_sentence(r));
}

static void meant_tables_pass(void **state)
{
	(void)state;
	assert_int_equal(check(GOOD, 4096), 0);
	assert_int_equal(check("aes-xts-plain64 " HEX_KEY " 0 254:2 32768" OPTION, 4096), 0);
	assert_int_equal(check("aes-xts-plain64 " KEYRING " 0 254:2 32768", 512), 0);
	assert_int_equal(check("aes-xts-plain64 " KEYRING " 0 254:2 32768 1 sector_size:512", 512),
			 0);
}

/* One difference each. */
static const struct {
	const char *parameters, *reason;
} differences[] = {
	{"cipher_null-ecb - 0 254:2 32768" OPTION, "cipher"},
	{"aes-xts-plain " KEYRING " 0 254:2 32768" OPTION, "cipher"},
	{"aes-xts-plain64x " KEYRING " 0 254:2 32768" OPTION, "cipher"},
	{"capi:xts(aes)-plain64 " KEYRING " 0 254:2 32768" OPTION, "cipher"},
	{"aes-xts-plain64 " HEX_OTHER " 0 254:2 32768" OPTION, "another key"},
	{"aes-xts-plain64 " HEX_16 " 0 254:2 32768" OPTION, "another key"},
	{"aes-xts-plain64 - 0 254:2 32768" OPTION, "another key"},
	{"aes-xts-plain64 " KEYRING "x 0 254:2 32768" OPTION, "another keyring key"},
	{"aes-xts-plain64 :64:user:cryptsetup:" UUID_TEXT "-d0 0 254:2 32768" OPTION,
	 "another keyring key"},
	{"aes-xts-plain64 :32:logon:cryptsetup:" UUID_TEXT "-d0 0 254:2 32768" OPTION,
	 "another keyring key"},
	{"aes-xts-plain64 :64:logon:cryptsetup:00010203-0405-0607-0809-0a0b0c0d0e00-d0 0 254:2 "
	 "32768" OPTION,
	 "another keyring key"},
	{"aes-xts-plain64 " KEYRING " 1 254:2 32768" OPTION, "counted from zero"},
	{"aes-xts-plain64 " KEYRING " 0 254:3 32768" OPTION, "another device"},
	{"aes-xts-plain64 " KEYRING " 0 253:2 32768" OPTION, "another device"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 0" OPTION, "another offset"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768", "sector size"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 1 sector_size:512", "sector size"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 1 sector_sizf:4096", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 1 s", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:4294967298 32768" OPTION, "not understood"},
	{GOOD " ", "not understood"},
	{GOOD " x", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 1 allow_discards", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 2 sector_size:4096 iv_large_sectors",
	 "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 2 sector_size:4096", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 0", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 1 sector_size:04096", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 1 sector_size:", "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 32768 1 sector_size:4294971392", "not understood"},
	{"aes-xts-plain64  " KEYRING " 0 254:2 32768" OPTION, "not understood"},
	{" " GOOD, "not understood"},
	{"aes-xts-plain64 " KEYRING " 00 254:2 32768" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " -0 254:2 32768" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254 32768" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254: 32768" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2:1 32768" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 4294967550:2 32768" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 /dev/vda2 32768" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2 18446744073709584384" OPTION, "not understood"},
	{"aes-xts-plain64 " KEYRING " 0 254:2", "not understood"},
	{"aes-xts-plain64", "not understood"},
	{"", "not understood"},
};

static void each_difference_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
		expect_refused(differences[i].parameters, differences[i].reason);
}

static void other_targets_are_refused(void **state)
{
	const struct mapping_target good = {0, 1000000, "crypt", GOOD};
	const struct mapping_target two[] = {good, good};
	struct mapping_expected meant = expected(4096);
	struct mapping_target target = good;

	(void)state;
	assert_int_equal(mapping_check(&good, 1, &meant), 0);
	assert_int_equal(mapping_check(two, 2, &meant), -EKEYREJECTED);
	assert_int_equal(mapping_check(NULL, 0, &meant), -EKEYREJECTED);
	target.type = "linear";
	assert_int_equal(mapping_check(&target, 1, &meant), -EKEYREJECTED);
	target = good;
	target.start = 8;
	assert_int_equal(mapping_check(&target, 1, &meant), -EKEYREJECTED);
	target = good;
	target.length--;
	assert_int_equal(mapping_check(&target, 1, &meant), -EKEYREJECTED);
}

static void parse_leaves_its_output_alone_on_failure(void **state)
{
	struct mapping_crypt crypt = {.offset = 99};

	(void)state;
	assert_int_equal(mapping_crypt_parse("aes-xts-plain64 00 0 1:2 3 4", &crypt), -EBADMSG);
	assert_int_equal(crypt.offset, 99);
	assert_int_equal(mapping_crypt_parse("a  0 1:2 3", &crypt), -EBADMSG);
	assert_int_equal(mapping_crypt_parse("a b / 1:2 3", &crypt), -EBADMSG);
	assert_int_equal(mapping_crypt_parse("a b : 1:2 3", &crypt), -EBADMSG);
	assert_int_equal(crypt.offset, 99);
	assert_int_equal(mapping_crypt_parse("a b 18446744073709551615 1:4294967295 3", &crypt), 0);
	assert_true(crypt.iv_offset == UINT64_MAX);
	assert_true(crypt.minor == UINT32_MAX);
	assert_int_equal(crypt.cipher_size, 1);
	assert_int_equal(crypt.sector_size, 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meant_tables_pass),
		cmocka_unit_test(each_difference_is_refused),
		cmocka_unit_test(other_targets_are_refused),
		cmocka_unit_test(parse_leaves_its_output_alone_on_failure),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
