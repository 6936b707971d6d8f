/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, whose macro fail() would hide ours. */
#include "base/error.h"

#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/verbs.h"
#include "disk/manifest/manifest.h"

/*
 * The verb as main calls it, in a scratch folder with an image that is all in use: 3 MiB of
 * squashfs by its magic, data in the first and the last chunk.
 */
static char scratch[] = "/tmp/test-verb-manifest-XXXXXX";

static int make_image(void **state)
{
	/* Squashfs 4.0, as far as it is looked at to recognise one. */
	static const uint8_t superblock[96] = {
		[0] = 'h', [1] = 's', [2] = 'q', [3] = 's', [28] = 4, [40] = 96};
	cleanup(closep) int fd = -1;

	(void)state;
	assert_non_null(mkdtemp(scratch));
	assert_int_equal(chdir(scratch), 0);
	fd = open("image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 3 * MIB), 0);
	assert_int_equal(file_pwrite(fd, superblock, sizeof(superblock), 0), 0);
	assert_int_equal(file_pwrite(fd, "end", 3, 3 * MIB - 3), 0);
	return 0;
}

static int remove_image(void **state)
{
	(void)state;
	(void)unlink("image");
	(void)unlink("m");
	(void)unlink("out");
	(void)unlink("kept");
	return rmdir(scratch);
}

/* Run the verb with these words behind its name; NULL at the end. Standard output goes to "out". */
static int run_verb(const char *const *words)
{
	char *argv[10] = {(char[]){"manifest"}};
	cleanup(closep) int saved = dup(STDOUT_FILENO);
	int argc = 1, out, r;

	for (; words[argc - 1]; argc++) {
		argv[argc] = strdup(words[argc - 1]);
		assert_non_null(argv[argc]);
	}
	fflush(stdout);
	out = open("out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(saved >= 0 && out >= 0 && dup2(out, STDOUT_FILENO) >= 0);
	optind = 0;
	r = verb_manifest.run(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(out);
	for (int i = 1; i < argc; i++)
		free(argv[i]);
	return r;
}

#define RUN(...) run_verb((const char *const[]){__VA_ARGS__, NULL})

static void writes_to_a_file_or_to_standard_output(void **state)
{
	cleanup(freep) char *file = NULL;
	cleanup(freep) char *out = NULL;
	size_t file_size_, out_size;
	struct stat status;

	(void)state;
	assert_int_equal(RUN("--output", "m", "image"), EXIT_OK);
	assert_int_equal(file_read_all("m", MIB, &file, &file_size_), 0);
	assert_int_equal(stat("m", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(RUN("--threads", "3", "image"), EXIT_OK);
	assert_int_equal(file_read_all("out", MIB, &out, &out_size), 0);
	assert_int_equal(out_size, file_size_);
	assert_memory_equal(out, file, out_size);
	/* 80 + one extent + 3 states + 2 digests + total digest */
	assert_int_equal(out_size, 80 + 16 + 3 + 2 * 32 + 32);
}

static void shows_what_it_says(void **state)
{
	cleanup(freep) char *text = NULL;
	size_t size;

	(void)state;
	assert_int_equal(RUN("--output", "m", "image"), EXIT_OK);
	assert_int_equal(RUN("--show", "m"), EXIT_OK);
	assert_int_equal(file_read_all("out", MIB, &text, &size), 0);
	assert_non_null(strstr(text, "file system:   squashfs\n"));
	assert_non_null(strstr(text, "UUID:          none\n"));
	assert_non_null(strstr(text, "size:          3145728 bytes\n"));
	assert_non_null(strstr(text, "used:          3145728 bytes (100.0 %) in 1 extents\n"));
	assert_non_null(
		strstr(text, "chunks:        2 data, 1 zero, 0 unused, of 1048576 bytes\n"));
	assert_non_null(strstr(text, "manifest size: 195 bytes\n"));
}

static void shows_it_as_json(void **state)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	cleanup(freep) char *text = NULL;
	char digest[2 * HASH_SHA256_SIZE + 1];
	json_t *json, *chunks;
	size_t size;

	(void)state;
	assert_int_equal(RUN("--output", "m", "image"), EXIT_OK);
	assert_int_equal(RUN("--show", "--json", "m"), EXIT_OK);
	assert_int_equal(file_read_all("out", MIB, &text, &size), 0);
	assert_int_equal(manifest_load("m", &manifest), 0);
	hex_encode(manifest->digest, sizeof(manifest->digest), digest);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	chunks = json_object_get(json, "chunks");
	assert_string_equal(json_string_value(json_object_get(json, "fs_type")), "squashfs");
	assert_true(json_is_null(json_object_get(json, "fs_uuid")));
	assert_int_equal(json_integer_value(json_object_get(json, "fs_size")), 3 * MIB);
	assert_int_equal(json_integer_value(json_object_get(json, "used_bytes")), 3 * MIB);
	assert_int_equal(json_integer_value(json_object_get(chunks, "data")), 2);
	assert_int_equal(json_integer_value(json_object_get(chunks, "zero")), 1);
	assert_int_equal(json_integer_value(json_object_get(json, "manifest_size")), 195);
	assert_string_equal(json_string_value(json_object_get(json, "sha256")), digest);
	json_decref(json);
}

static void refuses_wrong_use(void **state)
{
	(void)state;
	assert_int_equal(run_verb((const char *const[]){NULL}), EXIT_USAGE);
	assert_int_equal(RUN("image", "image"), EXIT_USAGE);
	assert_int_equal(RUN("--threads", "0", "image"), EXIT_USAGE);
	assert_int_equal(RUN("--threads", "65", "image"), EXIT_USAGE);
	assert_int_equal(RUN("--threads", "2x", "image"), EXIT_USAGE);
	assert_int_equal(RUN("--threads"), EXIT_USAGE);
	assert_int_equal(RUN("--json", "image"), EXIT_USAGE);
	assert_int_equal(RUN("--show", "--output", "x", "m"), EXIT_USAGE);
	assert_int_equal(RUN("--show", "--no-progress", "m"), EXIT_USAGE);
	assert_int_equal(RUN("--nonsense", "image"), EXIT_USAGE);
}

static void leaves_the_output_alone_when_it_fails(void **state)
{
	cleanup(freep) char *text = NULL;
	size_t size;

	(void)state;
	assert_int_equal(file_write_atomic("kept", "before", 6, 0600), 0);
	assert_int_equal(RUN("--output", "kept", "missing"), -ENOENT);
	assert_non_null(strstr(fail_sentence(-ENOENT), "missing"));
	assert_int_equal(file_read_all("kept", 100, &text, &size), 0);
	assert_string_equal(text, "before");
	assert_int_equal(RUN("--output", "no/such/folder/m", "image"), -ENOENT);
	assert_non_null(strstr(fail_sentence(-ENOENT), "no/such/folder/m"));
	assert_int_equal(RUN("--show", "kept"), -EBADMSG);
	assert_non_null(strstr(fail_sentence(-EBADMSG), "kept"));
}

/* A disk image that was named by mistake. */
static void says_that_a_file_is_too_long(void **state)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;

	(void)state;
	assert_int_equal(file_write_atomic("kept", "", 0, 0600), 0);
	assert_int_equal(truncate("kept", (off_t)MANIFEST_SIZE_LIMIT + 1), 0);
	assert_int_equal(RUN("--show", "kept"), -E2BIG);
	assert_string_equal(fail_sentence(-E2BIG), "kept: longer than 512 MiB; not a manifest");
	assert_int_equal(manifest_load("kept", &manifest), -E2BIG);
	assert_string_equal(fail_sentence(-E2BIG), "kept: longer than 512 MiB; not a manifest");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_to_a_file_or_to_standard_output),
		cmocka_unit_test(shows_what_it_says),
		cmocka_unit_test(shows_it_as_json),
		cmocka_unit_test(refuses_wrong_use),
		cmocka_unit_test(leaves_the_output_alone_when_it_fails),
		cmocka_unit_test(says_that_a_file_is_too_long),
	};

	return cmocka_run_group_tests(tests, make_image, remove_image);
}
