/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "boot/status.h"

#include <dirent.h>
#include <sys/stat.h>

static const struct boot_status full = {
	.state = BOOT_CONVERTING,
	.root = BOOT_ROOT_RESUMED,
	.percent = 45,
	.done_bytes = 3 * GIB,
	.total_bytes = 7 * GIB,
	.mib_per_second = 210,
	.seconds_left = 19,
	.provider = "tpm2",
	.luks_uuid = "0fc63daf-8483-4772-8e79-3d69d8477de4",
	.epoch = 1,
	.sentence = "a \"quoted\" line",
	.started_ms = 1500,
	.finished_ms = 9999,
};

static const char full_text[] = "{\n"
				"  \"version\": 1,\n"
				"  \"state\": \"converting\",\n"
				"  \"root\": \"resumed\",\n"
				"  \"percent\": 45,\n"
				"  \"done_bytes\": 3221225472,\n"
				"  \"total_bytes\": 7516192768,\n"
				"  \"mib_per_second\": 210,\n"
				"  \"seconds_left\": 19,\n"
				"  \"provider\": \"tpm2\",\n"
				"  \"luks_uuid\": \"0fc63daf-8483-4772-8e79-3d69d8477de4\",\n"
				"  \"epoch\": 1,\n"
				"  \"sentence\": \"a \\\"quoted\\\" line\",\n"
				"  \"started_ms\": 1500,\n"
				"  \"finished_ms\": 9999\n"
				"}\n";

/* The text is an interface: others read it. */
static void format_is_fixed(void **state)
{
	cleanup(freep) char *text = NULL;
	size_t size;

	(void)state;
	assert_int_equal(boot_status_format(&full, &text, &size), 0);
	assert_string_equal(text, full_text);
	assert_int_equal(size, strlen(full_text));
}

static void reads_what_it_wrote(void **state)
{
	struct boot_status back;

	(void)state;
	memset(&back, 0xa5, sizeof(back));
	assert_int_equal(boot_status_parse(full_text, strlen(full_text), &back), 0);
	assert_memory_equal(&back, &full, sizeof(full));
}

static void names_every_state(void **state)
{
	static const char *const states[] = {"waiting",	  "growing", "verifying", "converting",
					     "unlocking", "done",    "failed"};
	static const char *const roots[] = {"", "fresh", "resumed", "reopened"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		assert_string_equal(boot_state_name(i), states[i]);
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		assert_string_equal(boot_root_name(i), roots[i]);
}

/* Replace @from in the good text; the result must be refused. */
static const struct {
	const char *from;
	const char *to;
} bad[] = {
	{"\"version\": 1", "\"version\": 2"},
	{"\"version\": 1,", ""},
	{"converting", "sleeping"},
	{"resumed", "forgotten"},
	{"\"percent\": 45", "\"percent\": 101"},
	{"\"percent\": 45", "\"percent\": -1"},
	{"\"percent\": 45", "\"percent\": 4.5"},
	{"\"percent\": 45", "\"percent\": \"45\""},
	{"\"epoch\": 1,", ""},
	{"\"epoch\": 1,", "\"epoch\": -1,"},
	{"\"epoch\": 1,", "\"epoch\": 1, \"epoch\": 1,"},
	{"\"epoch\": 1,", "\"epoch\": 1, \"era\": 1,"},
	{"\"epoch\": 1,", "\"epoch\": 99999999999999999999,"},
	{"\"tpm2\"", "null"},
	{"\"tpm2\"", "\"12345678901234567890123456789012\""},
	{"\"tpm2\"", "\"tp\\u0000m2\""},
	{"}", "} x"},
	{"}", ""},
	{"{", "[{"},
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *at = strstr(full_text, bad[i].from);
		cleanup(freep) char *text = NULL;
		struct boot_status back = {.epoch = 77};

		assert_non_null(at);
		assert_true(asprintf(&text, "%.*s%s%s", (int)(at - full_text), full_text, bad[i].to,
				     at + strlen(bad[i].from)) > 0);
		if (boot_status_parse(text, strlen(text), &back) != -EBADMSG)
			fail_msg("%s -> %s was accepted", bad[i].from, bad[i].to);
		assert_int_equal(back.epoch, 77);
	}
}

static void longest_provider_fits(void **state)
{
	struct boot_status status = full, back;
	cleanup(freep) char *text = NULL;
	size_t size;

	(void)state;
	memset(status.provider, 'p', sizeof(status.provider) - 1);
	assert_int_equal(boot_status_format(&status, &text, &size), 0);
	assert_int_equal(boot_status_parse(text, size, &back), 0);
	assert_string_equal(back.provider, status.provider);
}

/* A sentence may be cut in the middle of a character, or quote a file name in Latin-1. */
static void sentence_becomes_utf8(void **state)
{
	struct boot_status status = {.sentence = "K\xc3\xa4se \xe4 \xe2\x82"}, back;
	cleanup(freep) char *text = NULL;
	size_t size;

	(void)state;
	assert_int_equal(boot_status_format(&status, &text, &size), 0);
	assert_int_equal(boot_status_parse(text, size, &back), 0);
	assert_string_equal(back.sentence, "K\xc3\xa4se ? ??");
}

static size_t entries(const char *folder)
{
	DIR *directory = opendir(folder);
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 2;
}

static void file_is_replaced(void **state)
{
	char folder[] = "/tmp/test_status.XXXXXX";
	cleanup(freep) char *inner = NULL, *path = NULL;
	struct boot_status back, later = full;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_true(asprintf(&inner, "%s/a", folder) > 0);
	assert_true(asprintf(&path, "%s/status.json", inner) > 0);
	assert_int_equal(boot_status_read(path, &back), -ENOENT);
	assert_int_equal(boot_status_write(path, &full), 0);
	later.state = BOOT_DONE;
	assert_int_equal(boot_status_write(path, &later), 0);
	assert_int_equal(boot_status_read(path, &back), 0);
	assert_memory_equal(&back, &later, sizeof(back));
	assert_int_equal(entries(inner), 1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0644);
	assert_int_equal(truncate(path, 20), 0);
	assert_int_equal(boot_status_read(path, &back), -EBADMSG);
	assert_non_null(strstr(fail_sentence(-EBADMSG), path));
	unlink(path);
	rmdir(inner);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_is_fixed),	 cmocka_unit_test(reads_what_it_wrote),
		cmocka_unit_test(names_every_state),	 cmocka_unit_test(refuses),
		cmocka_unit_test(longest_provider_fits), cmocka_unit_test(sentence_becomes_utf8),
		cmocka_unit_test(file_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
