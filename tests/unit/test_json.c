/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/json.h"

static const char *const bad_texts[] = {
	"",
	"{",
	"{}x",
	"{} {}",
	"{\"a\":1,\"a\":2}",
	"{'a':1}",
	"[1,]",
	"\"\xff\"",
	"nul",
	"1",
	"{\"a\":01}",
	"{\"a\":1e999}",
	"[\"\n\"]",
	"//c\n{}",
	"{\"a\":{\"b\":1,\"b\":1}}",
};

static void parse_is_strict(void **state)
{
	json_t *json = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_texts); i++)
		if (json_parse(bad_texts[i], strlen(bad_texts[i]), 100, &json) != -EBADMSG)
			fail_msg("accepted: %s", bad_texts[i]);
	assert_int_equal(json_parse("[10]", 4, 3, &json), -E2BIG);
	assert_null(json);
	assert_int_equal(json_parse("[10]", 4, 4, &json), 0);
	json_decref(json);
}

/* No recursion without a bound: a megabyte of brackets must be refused, not eat the stack. */
static void nesting_is_bounded(void **state)
{
	cleanup(freep) char *text = malloc(MIB);
	json_t *json = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, '[', MIB);
	assert_int_equal(json_parse(text, MIB, MIB, &json), -EBADMSG);
}

static int read_members(const char *text, bool only_these, json_t **number, json_t **flag)
{
	const struct json_member table[] = {
		{"number", JSON_INTEGER, true, number},
		{"flag", JSON_TRUE, false, flag},
	};
	json_t *json = NULL;
	int r;

	assert_int_equal(json_parse(text, strlen(text), 1000, &json), 0);
	r = json_read_object(json, table, ARRAY_SIZE(table), only_these);
	json_decref(json);
	return r;
}

static const struct {
	const char *text;
	int loose, strict;
	bool has_flag;
} objects[] = {
	{"{\"number\": 3}", 0, 0, false},
	{"{\"number\": 3, \"flag\": false}", 0, 0, true},
	{"{\"number\": 3, \"flag\": true}", 0, 0, true},
	{"{\"number\": 3, \"other\": 1}", 0, -EBADMSG, false},
	{"{\"flag\": true}", -EBADMSG, -EBADMSG, false},
	{"{\"number\": \"3\"}", -EBADMSG, -EBADMSG, false},
	{"{\"number\": 3.0}", -EBADMSG, -EBADMSG, false},
	{"{\"number\": 3, \"flag\": 1}", -EBADMSG, -EBADMSG, false},
	{"{\"number\": 3, \"flag\": null}", -EBADMSG, -EBADMSG, false},
	{"[3]", -EBADMSG, -EBADMSG, false},
};

static void objects_are_read_by_table(void **state)
{
	json_t *marker = (void *)&state;

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		json_t *number = marker, *flag = marker;
		int r = read_members(objects[i].text, false, &number, &flag);

		assert_int_equal(r, objects[i].loose);
		assert_true((number == marker) == (r < 0));
		assert_true((flag != marker) == objects[i].has_flag);
		assert_int_equal(read_members(objects[i].text, true, &number, &flag),
				 objects[i].strict);
	}
}

static void decimal_strings(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t number;
	} cases[] = {
		{"0", 0, 0},
		{"16777216", 0, 16777216},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -EBADMSG, 0},
		{"99999999999999999999", -EBADMSG, 0},
		{"", -EBADMSG, 0},
		{"00", -EBADMSG, 0},
		{"01", -EBADMSG, 0},
		{"+1", -EBADMSG, 0},
		{"-1", -EBADMSG, 0},
		{" 1", -EBADMSG, 0},
		{"1 ", -EBADMSG, 0},
		{"0x1", -EBADMSG, 0},
		{"dynamic", -EBADMSG, 0},
	};
	json_t *nul = json_stringn("1\0", 2), *number_type = json_integer(1);
	uint64_t number = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *value = json_string(cases[i].text);

		number = 77;
		assert_int_equal(json_decimal_string(value, &number), cases[i].result);
		assert_true(number == (cases[i].result < 0 ? 77 : cases[i].number));
		json_decref(value);
	}
	assert_int_equal(json_decimal_string(nul, &number), -EBADMSG);
	assert_int_equal(json_decimal_string(number_type, &number), -EBADMSG);
	json_decref(nul);
	json_decref(number_type);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_is_strict),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(objects_are_read_by_table),
		cmocka_unit_test(decimal_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
