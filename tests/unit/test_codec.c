/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

/* RFC 4648 §10. */
static const struct {
	const char *plain;
	const char *text;
} rfc4648[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

static void base64_matches_rfc4648(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rfc4648); i++) {
		char text[32];
		uint8_t plain[32];
		size_t size;

		base64_encode(rfc4648[i].plain, strlen(rfc4648[i].plain), text);
		assert_string_equal(text, rfc4648[i].text);
		assert_int_equal(base64_decode(text, strlen(text), plain, sizeof(plain), &size), 0);
		assert_int_equal(size, strlen(rfc4648[i].plain));
		assert_memory_equal(plain, rfc4648[i].plain, size);
	}
}

static void base64_refuses(void **state)
{
	static const char *const bad[] = {"Zg",	  "Zg=",    "Zg=a", "Z===", "====", "Zh==",
					  "Zm9=", "Zm9v\n", "Zm 9", "Zm-_", "=Zg=", "Zg==Zg=="};
	uint8_t plain[32];
	size_t size = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), plain, 32, &size), -EBADMSG);
	assert_int_equal(base64_decode("Zm9v", 4, plain, 2, &size), -E2BIG);
	assert_int_equal(size, 77);
}

static void base64_covers_every_value(void **state)
{
	uint8_t all[256], back[256];
	char text[400];
	size_t size;

	(void)state;
	for (size_t i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	for (size_t n = 0; n <= 256; n++) {
		base64_encode(all, n, text);
		assert_int_equal(strlen(text) + 1, base64_size(n));
		assert_int_equal(base64_decode(text, strlen(text), back, n, &size), 0);
		assert_int_equal(size, n);
		assert_memory_equal(all, back, n);
	}
}

static void hex_both_ways(void **state)
{
	uint8_t back[4];
	char text[9];

	(void)state;
	hex_encode("\x00\x9a\xbf\xff", 4, text);
	assert_string_equal(text, "009abfff");
	assert_int_equal(hex_decode("009ABfff", 8, back, 4), 0);
	assert_memory_equal(back, "\x00\x9a\xbf\xff", 4);
	assert_int_equal(hex_decode("009abff", 7, back, 4), -EBADMSG);
	assert_int_equal(hex_decode("009abffg", 8, back, 4), -EBADMSG);
	assert_int_equal(hex_decode("009ab`ff", 8, back, 4), -EBADMSG);
	assert_int_equal(hex_decode("009ab:ff", 8, back, 4), -EBADMSG);
}

static void uuid_both_ways(void **state)
{
	const char *text = "0fc63daf-8483-4772-8e79-3d69d8477de4";
	uint8_t uuid[UUID_SIZE];
	char back[UUID_TEXT_SIZE];

	(void)state;
	assert_int_equal(uuid_decode(text, uuid), 0);
	assert_int_equal(uuid[0], 0x0f);
	assert_int_equal(uuid[15], 0xe4);
	uuid_encode(uuid, back);
	assert_string_equal(text, back);
	assert_int_equal(uuid_decode("0fc63daf-8483-4772-8e793d69d8477de4-", uuid), -EBADMSG);
	assert_int_equal(uuid_decode("0fc63daf", uuid), -EBADMSG);
	assert_int_equal(uuid_decode("0fc63daf-8483-4772-8e79-3d69d8477deg", uuid), -EBADMSG);
}

/* RFC 3629: what is valid, and how much of it. */
static const struct {
	const char *text;
	size_t valid;
} utf8[] = {
	{"", 0},
	{"plain\x7f", 6},
	{"\xc2\x80", 2},
	{"\xdf\xbf", 2},
	{"\xe0\xa0\x80", 3},
	{"\xed\x9f\xbf", 3},
	{"\xee\x80\x80", 3},
	{"\xf0\x90\x80\x80", 4},
	{"\xf4\x8f\xbf\xbf", 4},
	/* Overlong, surrogate, too large, stray and missing continuation. */
	{"a\xc0\x80", 1},
	{"a\xc1\xbf", 1},
	{"a\xe0\x9f\xbf", 1},
	{"a\xf0\x8f\xbf\xbf", 1},
	{"a\xed\xa0\x80", 1},
	{"a\xed\xbf\xbf", 1},
	{"a\xf4\x90\x80\x80", 1},
	{"a\xf8\x88\x80\x80\x80", 1},
	{"a\xff", 1},
	{"a\x80", 1},
	{"a\xc3", 1},
	{"a\xc3(", 1},
	{"a\xe2\x82", 1},
	{"a\xe2(\xac", 1},
	{"\xc3\xa4\xe2\x82", 2},
};

static void utf8_is_strict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(utf8); i++)
		if (utf8_valid_size(utf8[i].text, strlen(utf8[i].text)) != utf8[i].valid)
			fail_msg("row %zu", i);
	/* What follows the text does not complete it. */
	assert_int_equal(utf8_valid_size("\xc3\xa4", 1), 0);
	assert_int_equal(utf8_valid_size("\xe2\x82\xac", 2), 0);
}

static void utf8_both_ways(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		bool surrogate = c >= 0xd800 && c <= 0xdfff;
		char text[4];
		size_t size = utf8_encode(c, text);

		if ((utf8_valid_size(text, size) == size) == surrogate)
			fail_msg("U+%04X", c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_matches_rfc4648),
		cmocka_unit_test(base64_refuses),
		cmocka_unit_test(base64_covers_every_value),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(uuid_both_ways),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(utf8_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
