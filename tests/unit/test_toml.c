/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "base/toml.h"

static int parse(const char *text, struct toml **ret)
{
	return toml_parse(text, strlen(text), "f", ret);
}

static const struct toml_value *value_of(const struct toml *toml, const char *table,
					 const char *name)
{
	const struct toml_key *key = toml_find(toml, table, name);

	assert_non_null(key);
	return &key->value;
}

static void reads_every_type(void **state)
{
	static const char text[] = "# a comment\n"
				   "top = 'level' # behind a value\r\n"
				   "\n"
				   "[ one ]\n"
				   "\tbare_key-1 = \"text\"\n"
				   "\"quoted key\" = 42\n"
				   "'literal.key' = true\n"
				   "off = false\n"
				   "[\"two\"]\n"
				   "strings = [\n  'a', # first\n\n  \"b\",\n]\n"
				   "numbers = [1,2 , 0xfF]\n"
				   "none = []\n"
				   "[empty]";
	cleanup(toml_freep) struct toml *toml = NULL;
	const struct toml_value *value;

	(void)state;
	assert_int_equal(parse(text, &toml), 0);
	assert_string_equal(value_of(toml, "", "top")->string, "level");
	assert_string_equal(value_of(toml, "one", "bare_key-1")->string, "text");
	assert_int_equal(value_of(toml, "one", "quoted key")->integer, 42);
	assert_int_equal(value_of(toml, "one", "literal.key")->type, TOML_BOOLEAN);
	assert_true(value_of(toml, "one", "literal.key")->boolean);
	assert_false(value_of(toml, "one", "off")->boolean);
	value = value_of(toml, "two", "strings");
	assert_int_equal(value->type, TOML_ARRAY);
	assert_int_equal(value->line, 10);
	assert_int_equal(value->items_count, 2);
	assert_string_equal(value->items[0].string, "a");
	assert_int_equal(value->items[0].line, 11);
	assert_string_equal(value->items[1].string, "b");
	assert_int_equal(value->items[1].line, 13);
	value = value_of(toml, "two", "numbers");
	assert_int_equal(value->items_count, 3);
	assert_int_equal(value->items[2].integer, 255);
	assert_int_equal(value_of(toml, "two", "none")->items_count, 0);
	assert_int_equal(toml->keys_count, 8);
	assert_int_equal(toml->tables_count, 3);
	assert_string_equal(toml->tables[2].name, "empty");
	assert_int_equal(toml->tables[2].line, 17);
	assert_null(toml_find(toml, "one", "top"));
	assert_null(toml_find(toml, "", "off"));
}

/* Values from the examples and rules of the TOML 1.0 text. */
static const struct {
	const char *text;
	const char *string;
} strings[] = {
	{"''", ""},
	{"\"\"", ""},
	{"\"a\\tb\\n\\\"\\\\\\b\\f\\r\"", "a\tb\n\"\\\b\f\r"},
	{"\"\\u00E9\\U0001F600\\u20ac\"", "\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac"},
	{"'C:\\no\\escape \"here\"'", "C:\\no\\escape \"here\""},
	{"\"tab\there # no comment\"", "tab\there # no comment"},
	{"\"\xc3\xa9\"", "\xc3\xa9"},
	{"''''''", ""},
	{"'''\nfirst\nsecond'''", "first\nsecond"},
	{"'''\r\na\r\nb'''", "a\nb"},
	{"'''two ''quotes'' inside'''", "two ''quotes'' inside"},
	{"'''one at the end''''", "one at the end'"},
	{"'''two at the end'''''", "two at the end''"},
	{"'''# no [table] = here'''", "# no [table] = here"},
	{"\"\"\"\"\"\"", ""},
	{"\"\"\"\nfirst\nsecond\\t\"\"\"", "first\nsecond\t"},
	{"\"\"\"joined \\  \n\n  \tagain\"\"\"", "joined again"},
	{"\"\"\"''' \"\" \\\"\"\" \"\"\"", "''' \"\" \"\"\" "},
	{"\"\"\"one at the end\"\"\"\"", "one at the end\""},
};

static void reads_strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		cleanup(toml_freep) struct toml *toml = NULL;
		char text[128];

		snprintf(text, sizeof(text), "a = %s\nb = 1", strings[i].text);
		assert_int_equal(parse(text, &toml), 0);
		assert_string_equal(value_of(toml, "", "a")->string, strings[i].string);
		assert_int_equal(value_of(toml, "", "b")->integer, 1);
	}
}

static void reads_tables_of_two_parts(void **state)
{
	cleanup(toml_freep) struct toml *toml = NULL;

	(void)state;
	assert_int_equal(parse("[a.b-2]\nc = 1\n[a]\nc = 2", &toml), 0);
	assert_int_equal(value_of(toml, "a.b-2", "c")->integer, 1);
	assert_int_equal(value_of(toml, "a", "c")->integer, 2);
}

static const struct {
	const char *text;
	int64_t integer;
} integers[] = {
	{"0", 0},
	{"-0", 0},
	{"+17", 17},
	{"-17", -17},
	{"1_000_000", 1000000},
	{"9223372036854775807", INT64_MAX},
	{"-9223372036854775808", INT64_MIN},
	{"0x01805652", 0x01805652},
	{"0xDEAD_beef", 0xdeadbeef},
	{"0x7fffffffffffffff", INT64_MAX},
};

static void reads_integers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(integers); i++) {
		cleanup(toml_freep) struct toml *toml = NULL;
		char text[64];

		snprintf(text, sizeof(text), "a = %s # end", integers[i].text);
		assert_int_equal(parse(text, &toml), 0);
		assert_int_equal(value_of(toml, "", "a")->type, TOML_INTEGER);
		assert_true(value_of(toml, "", "a")->integer == integers[i].integer);
	}
}

/* One defect each; the sentence begins with this. */
static const struct {
	const char *text;
	const char *sentence;
} bad[] = {
	{"a = 1\na = 2", "f:2: a: this key was already given in line 1"},
	{"a = 1\n\"a\" = 2", "f:2: a: this key was already given in line 1"},
	{"[t]\n[u]\n[t]", "f:3: [t]: this table was already given in line 1"},
	{"t = 1\n[t]", "f:2: [t]: a key already has the name"},
	{"[t]\na = 1\n\na.b = 2", "f:4: [t]: a dotted name is not supported here"},
	{"[a.b.c]", "f:1: a dotted name is not supported here"},
	{"[\"a\".b]", "f:1: a dotted name is not supported here"},
	{"[a.]", "f:1: a name is missing"},
	{"[.b]", "f:1: a name is missing"},
	{"[a.b]\n[a.b]", "f:2: [a.b]: this table was already given in line 1"},
	{"[[a]]", "f:1: an array of tables is not supported here"},
	{"a = {b = 1}", "f:1: a: an inline table is not supported here"},
	{"a = 1.0", "f:1: a: a float is not supported here"},
	{"a = 1e3", "f:1: a: a float is not supported here"},
	{"a = inf", "f:1: a: a float is not supported here"},
	{"a = nan", "f:1: a: a float is not supported here"},
	{"a = 1979-05-27", "f:1: a: a date or time is not supported here"},
	{"a = 07:32:00", "f:1: a: a number must not begin with 0"},
	{"a = 12:32:00", "f:1: a: a date or time is not supported here"},
	{"a = 0o17", "f:1: a: an octal or binary number is not supported here"},
	{"a = 0b1", "f:1: a: an octal or binary number is not supported here"},
	{"a = [[1]]", "f:1: a: an array in an array is not supported here"},
	{"a = [true]", "f:1: a: an array of booleans is not supported here"},
	{"a = [1, 'b']", "f:1: a: an array of mixed types is not supported here"},
	{"a = \"\\u0000\"", "f:1: a: a NUL in a string is not supported here"},
	{"a = 01", "f:1: a: a number must not begin with 0"},
	{"a = -01", "f:1: a: a number must not begin with 0"},
	{"a = 1_", "f:1: a: not a number"},
	{"a = 1__0", "f:1: a: not a number"},
	{"a = _1", "f:1: a: not a value"},
	{"a = +", "f:1: a: not a number"},
	{"a = 0x", "f:1: a: not a number"},
	{"a = -0x1", "f:1: a: not a number"},
	{"a = 0xg", "f:1: a: not a number"},
	{"a = 12x", "f:1: a: not a number"},
	{"a = 9223372036854775808", "f:1: a: the number does not fit into 64 bits"},
	{"a = -9223372036854775809", "f:1: a: the number does not fit into 64 bits"},
	{"a = 0x8000000000000000", "f:1: a: the number does not fit into 64 bits"},
	{"a = 99999999999999999999999", "f:1: a: the number does not fit into 64 bits"},
	{"a = yes", "f:1: a: not a value"},
	{"a = True", "f:1: a: not a value"},
	{"a = truely", "f:1: a: something follows where the line should end"},
	{"a =", "f:1: a: not a value"},
	{"a", "f:1: a: '=' is expected"},
	{"a b = 1", "f:1: a: '=' is expected"},
	{"= 1", "f:1: a name is missing"},
	{"\"\" = 1", "f:1: a name is missing"},
	{"[]", "f:1: a name is missing"},
	{"[a", "f:1: [a]: ']' is expected"},
	{"[a] b = 1", "f:1: [a]: something follows where the line should end"},
	{"a = 1 b = 2", "f:1: a: something follows where the line should end"},
	{"a = 'b\n'", "f:1: a: the string does not end on its line"},
	{"a = \"b", "f:1: a: the string does not end on its line"},
	{"\n\na = '''b\n\n", "f:3: a: the string is never closed"},
	{"\n\na = \"\"\"b\n\n", "f:3: a: the string is never closed"},
	{"a = \"\"\"\n\\ b\"\"\"", "f:2: a: unknown escape in a string"},
	{"a = \"\"\"\\", "f:1: a: unknown escape in a string"},
	{"a = \"\\x41\"", "f:1: a: unknown escape in a string"},
	{"a = \"\\u12\"", "f:1: a: \\u needs 4 hexadecimal digits"},
	{"a = \"\\uD800\"", "f:1: a: U+D800 is not a character"},
	{"a = \"\\U00110000\"", "f:1: a: U+110000 is not a character"},
	{"a = \"\x01\"", "f:1: a: control character 0x01 in a string"},
	{"a = '\x7f'", "f:1: a: control character 0x7f in a string"},
	{"a = 1 # \x1b[31m", "f:1: a: control character 0x1b"},
	{"a = 1\rb = 2", "f:1: a: control character 0x0d"},
	{"a = [1 2]", "f:1: a: ',' or ']' is expected in the array"},
	{"a = [\n1,\n", "f:3: a: ',' or ']' is expected in the array"},
	{"a = [,]", "f:1: a: not a value"},
	{"a = 1\nb = '\xff'", "f:2: the text is not UTF-8"},
	{"a = '\xc0\x80'", "f:1: the text is not UTF-8"},
	{"a = '\xed\xa0\x80'", "f:1: the text is not UTF-8"},
	{"\xef\xbb\xbf[t]", "f:1: the file begins with a byte order mark"},
	{"\"k\\u001b[2J\" = x", "f:1: k?[2J: not a value"},
};

static void refuses_with_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct toml *toml = (void *)&toml;

		assert_int_equal(parse(bad[i].text, &toml), -EBADMSG);
		assert_ptr_equal(toml, &toml);
		if (strncmp(fail_sentence(-EBADMSG), bad[i].sentence, strlen(bad[i].sentence)) != 0)
			fail_msg("%s: %s", bad[i].text, fail_sentence(-EBADMSG));
	}
}

/* A NUL byte cannot be in the table above. */
static void refuses_nul_byte(void **state)
{
	struct toml *toml = NULL;

	(void)state;
	assert_int_equal(toml_parse("a = '\0'", 8, "f", &toml), -EBADMSG);
	assert_int_equal(toml_parse("a = 1\0", 6, "f", &toml), -EBADMSG);
	assert_null(toml);
}

/* @before, a running number and @after, @count times. */
static char *repeat(const char *before, const char *after, unsigned int count)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	for (unsigned int i = 0; i < count; i++)
		fprintf(stream, "%s%u%s", before, i, after);
	fclose(stream);
	return text;
}

static void refuses_over_limit(void **state)
{
	static const struct {
		const char *before, *after;
		unsigned int most;
		const char *sentence;
	} limits[] = {
		{"k", " = 1\n", TOML_KEYS_MAX, "f:1025: k1024: more than 1024 keys"},
		{"[t", "]\n", TOML_TABLES_MAX, "f:65: [t64]: more than 64 tables"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		for (unsigned int more = 0; more < 2; more++) {
			cleanup(toml_freep) struct toml *toml = NULL;
			cleanup(freep) char *text =
				repeat(limits[i].before, limits[i].after, limits[i].most + more);

			assert_int_equal(parse(text, &toml), more ? -E2BIG : 0);
			if (more)
				assert_string_equal(fail_sentence(-E2BIG), limits[i].sentence);
		}
	}
}

static void limits_arrays_names_and_size(void **state)
{
	cleanup(freep) char *items = repeat("", ",", TOML_ITEMS_MAX), *big = NULL, *array = NULL;
	cleanup(freep) char *name = NULL;
	cleanup(toml_freep) struct toml *toml = NULL;

	(void)state;
	assert_true(asprintf(&array, "a = [%s]", items) > 0);
	assert_int_equal(parse(array, &toml), 0);
	assert_int_equal(toml->keys[0].value.items_count, TOML_ITEMS_MAX);
	toml_freep(&toml);
	toml = NULL;
	assert_true(asprintf(&big, "a = [%s 1]", items) > 0);
	assert_int_equal(parse(big, &toml), -E2BIG);
	assert_true(asprintf(&name, "%0*d = 1", TOML_NAME_MAX, 0) > 0);
	assert_int_equal(parse(name, &toml), 0);
	toml_freep(&toml);
	toml = NULL;
	free(name);
	assert_true(asprintf(&name, "%0*d = 1", TOML_NAME_MAX + 1, 0) > 0);
	assert_int_equal(parse(name, &toml), -E2BIG);
	free(big);
	big = calloc(1, TOML_SIZE_LIMIT + 1);
	assert_non_null(big);
	memset(big, '\n', TOML_SIZE_LIMIT + 1);
	assert_int_equal(toml_parse(big, TOML_SIZE_LIMIT + 1, "f", &toml), -E2BIG);
	assert_null(toml);
	assert_int_equal(toml_parse(big, TOML_SIZE_LIMIT, "f", &toml), 0);
}

static void never_quotes_a_value(void **state)
{
	static const char *const texts[] = {"k = 'hunter2' x", "k = hunter2", "k = \"hunter2",
					    "k = [\"hunter2\", 1]"};
	struct toml *toml = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(parse(texts[i], &toml), -EBADMSG);
		assert_null(strstr(fail_sentence(-EBADMSG), "hunter2"));
	}
}

static void callers_name_the_place(void **state)
{
	cleanup(toml_freep) struct toml *toml = NULL;

	(void)state;
	assert_int_equal(parse("\n[t]\na = \"\\u009b31m\"\n", &toml), 0);
	assert_int_equal(toml_fail(toml, &toml->keys[0], "%s is wrong", toml->keys[0].value.string),
			 -EBADMSG);
	assert_string_equal(fail_sentence(-EBADMSG), "f:3: [t] a: \xc2?31m is wrong");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_type),
		cmocka_unit_test(reads_strings),
		cmocka_unit_test(reads_tables_of_two_parts),
		cmocka_unit_test(reads_integers),
		cmocka_unit_test(refuses_with_place),
		cmocka_unit_test(refuses_nul_byte),
		cmocka_unit_test(refuses_over_limit),
		cmocka_unit_test(limits_arrays_names_and_size),
		cmocka_unit_test(never_quotes_a_value),
		cmocka_unit_test(callers_name_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
