/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "config/config.h"
#include "config/initdata.h"

#include <string.h>

static int parse(const char *text, struct initdata **ret)
{
	return initdata_parse(text, strlen(text), "i.toml", ret);
}

#define OUTLINE	  "algorithm = \"sha256\"\nversion = \"0.1.0\"\n"
#define WITH_DATA OUTLINE "[data]\n"

static void reads_outline(void **state)
{
	cleanup(initdata_freep) struct initdata *initdata = NULL;
	/* sha256sum of the text, by coreutils. */
	HEX(digest, "9587b4ad22499533c6429bce83f2ccc27ad82e94d0f0b3e31fc9720905718385");

	(void)state;
	assert_int_equal(parse(OUTLINE, &initdata), 0);
	assert_int_equal(initdata->digest_size, 32);
	assert_memory_equal(initdata->digest, digest, sizeof(digest));
	assert_string_equal(initdata->text, OUTLINE);
	assert_int_equal(initdata->size, strlen(OUTLINE));
	assert_null(initdata->config);
	assert_null(initdata->instance_id);
}

static void reads_configuration(void **state)
{
	static const char text[] = "algorithm = \"sha384\"\nversion = \"0.1.0\"\n[data]\n"
				   "\"aa.toml\" = \"\"\n"
				   "\"instance-id\" = \"vm-1.a_B\"\n"
				   "\"cvmroot.toml\" = '''\n"
				   "[keys]\nproviders = [\"kbs\"]\n"
				   "[kbs]\nurl = \"https://kbs\"\nresource = \"kbs:///a/b/%i\"\n"
				   "ca = \"\"\"\n-----BEGIN CERTIFICATE-----\n\"\"\"\n'''\n";
	cleanup(initdata_freep) struct initdata *initdata = NULL;
	cleanup(config_freep) struct config *config = NULL;
	/* sha384sum of the text, by coreutils. */
	HEX(digest, "7a550bc615a9afa98ad01eb24ebfd0632bb6fe159893ee971200f1961d405893"
		    "f5c3e1b968b0be4fee18ef9162471023");

	(void)state;
	assert_int_equal(parse(text, &initdata), 0);
	assert_int_equal(initdata->digest_size, 48);
	assert_memory_equal(initdata->digest, digest, sizeof(digest));
	assert_string_equal(initdata->instance_id, "vm-1.a_B");
	assert_int_equal(config_parse(initdata->config, strlen(initdata->config), "c", &config), 0);
	assert_string_equal(config->servers[0].ca, "-----BEGIN CERTIFICATE-----\n");
}

static const struct {
	const char *text;
	const char *sentence;
} bad[] = {
	{"algorithm = 'sha256'", "i.toml:1: wanted an initdata document of version 0.1.0"},
	{"algorithm = 'sha256'\nversion = '0.2.0'",
	 "i.toml:2: version: wanted an initdata document of version 0.1.0"},
	{"version = '0.1.0'", "i.toml:1: wanted the algorithm"},
	{"version = '0.1.0'\nalgorithm = 'sha1'", "i.toml:2: algorithm: wanted the algorithm"},
	{"version = '0.1.0'\nalgorithm = 'sm3'", "i.toml:2: algorithm: wanted the algorithm"},
	{OUTLINE "x = ''", "i.toml:3: x: unknown key"},
	{OUTLINE "[datas]", "i.toml:3: [datas]: unknown table"},
	{WITH_DATA "a = 1", "i.toml:4: [data] a: wanted a string in quotes"},
	{WITH_DATA "instance-id = ''", "i.toml:4: [data] instance-id: wanted up to 128 letters"},
	{WITH_DATA "instance-id = '../x'", "i.toml:4: [data] instance-id: wanted up to 128"},
	{WITH_DATA "instance-id = 'a/b'", "i.toml:4: [data] instance-id: wanted up to 128"},
	{WITH_DATA "a = ''\na = ''", "i.toml:5: [data] a: this key was already given in line 4"},
};

static void refuses_with_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct initdata *initdata = NULL;

		assert_int_equal(parse(bad[i].text, &initdata), -EBADMSG);
		assert_null(initdata);
		if (strncmp(fail_sentence(-EBADMSG), bad[i].sentence, strlen(bad[i].sentence)) != 0)
			fail_msg("%s: %s", bad[i].text, fail_sentence(-EBADMSG));
	}
}

static void refuses_what_is_too_long(void **state)
{
	cleanup(freep) char *text = malloc(INITDATA_SIZE_LIMIT + 1);
	struct initdata *initdata = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', INITDATA_SIZE_LIMIT + 1);
	assert_int_equal(initdata_parse(text, INITDATA_SIZE_LIMIT + 1, "i", &initdata), -E2BIG);
	assert_int_equal(initdata_load("/nowhere", &initdata), -ENOENT);
	assert_non_null(strstr(fail_sentence(-ENOENT), "/nowhere: cannot read the initdata"));
	assert_null(initdata);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_outline),
		cmocka_unit_test(reads_configuration),
		cmocka_unit_test(refuses_with_place),
		cmocka_unit_test(refuses_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
