/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/secret.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- Seen at the moment of munmap(), which this program takes the place of ---- */

static const uint8_t *watched;
static size_t watched_size;
static bool unmapped, was_zero;

int munmap(void *address, size_t size)
{
	if (watched && address == watched) {
		unmapped = true;
		was_zero = true;
		for (size_t i = 0; i < watched_size; i++)
			was_zero &= watched[i] == 0;
	}
	return (int)syscall(SYS_munmap, address, size);
}

static void watch(const struct secret *secret)
{
	watched = secret->data;
	watched_size = secret->size;
	unmapped = was_zero = false;
}

static void free_wipes(void **state)
{
	static const size_t sizes[] = {1, 32, 4096, 4097, MIB};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct secret *secret = NULL;

		assert_int_equal(secret_new(sizes[i], &secret), 0);
		memset(secret->data, 0xa5, sizes[i]);
		watch(secret);
		secret_free(secret);
		assert_true(unmapped);
		assert_true(was_zero);
	}
	watched = NULL;
}

static void scope_end_wipes(void **state)
{
	(void)state;
	{
		cleanup(secret_freep) struct secret *secret = NULL;

		assert_int_equal(secret_copy("key", 3, &secret), 0);
		watch(secret);
	}
	assert_true(unmapped);
	assert_true(was_zero);
	watched = NULL;
}

/* ---- What the kernel says about the mapping ---- */

/* The VmFlags line of the mapping that holds @address, as proc(5) tells, or false. */
static bool vm_flags(const void *address, char *ret, size_t size)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool inside = false, found = false;
	unsigned long from, to;
	char line[512];

	while (smaps && !found && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)address >= from && (uintptr_t)address < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = snprintf(ret, size, "%s", line) > 0;
	}
	if (smaps)
		fclose(smaps);
	return found;
}

/* AddressSanitizer turns mlock() into nothing. */
#if defined(__has_feature)
#define HAS_MLOCK !__has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_MLOCK 0
#else
#define HAS_MLOCK 1
#endif

static void mapping_is_kept_out(void **state)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	char flags[512];

	(void)state;
	skip_when_emulated("makes up the VmFlags of /proc/self/smaps");
	assert_int_equal(secret_random(64, &secret), 0);
	if (!vm_flags(secret->data, flags, sizeof(flags))) {
		print_message("this kernel has no VmFlags in /proc/self/smaps\n");
		skip();
	}
	assert_non_null(strstr(flags, " dd")); /* not in core dumps */
	assert_non_null(strstr(flags, " dc")); /* not in children */
	if (HAS_MLOCK)
		assert_non_null(strstr(flags, " lo")); /* not in swap */
}

static void child_does_not_see_it(void **state)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	int status = 0;
	pid_t pid;

	(void)state;
	skip_when_emulated("ignores MADV_DONTFORK");
	assert_int_equal(secret_copy("key", 3, &secret), 0);
	pid = fork();
	if (pid == 0) {
		unsigned char there;

		/* ENOMEM: not mapped. */
		_exit(mincore(secret->data, 1, &there) < 0 && errno == ENOMEM ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- The rest ---- */

static void size_is_bounded(void **state)
{
	struct secret *secret = NULL;

	(void)state;
	assert_int_equal(secret_new(0, &secret), -EINVAL);
	assert_int_equal(secret_new(MIB + 1, &secret), -EINVAL);
	assert_null(secret);
}

static void base64_has_no_end_mark(void **state)
{
	cleanup(secret_freep) struct secret *plain = NULL, *text = NULL;

	(void)state;
	/* RFC 4648 §10. */
	assert_int_equal(secret_copy("fooba", 5, &plain), 0);
	assert_int_equal(secret_base64(plain, &text), 0);
	assert_int_equal(text->size, 8);
	assert_memory_equal(text->data, "Zm9vYmE=", 8);
}

static void compares(void **state)
{
	cleanup(secret_freep) struct secret *a = NULL, *b = NULL, *c = NULL, *d = NULL;

	(void)state;
	assert_int_equal(secret_copy("abcd", 4, &a), 0);
	assert_int_equal(secret_copy("abcd", 4, &b), 0);
	assert_int_equal(secret_copy("abce", 4, &c), 0);
	assert_int_equal(secret_copy("abc", 3, &d), 0);
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, c));
	assert_false(secret_equal(a, d));
	assert_false(secret_equal(d, a));
}

static void random_differs(void **state)
{
	cleanup(secret_freep) struct secret *a = NULL, *b = NULL, *zero = NULL;

	(void)state;
	assert_int_equal(secret_random(32, &a), 0);
	assert_int_equal(secret_random(32, &b), 0);
	assert_int_equal(secret_new(32, &zero), 0);
	assert_false(secret_equal(a, b));
	assert_false(secret_equal(a, zero));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_wipes),
		cmocka_unit_test(scope_end_wipes),
		cmocka_unit_test(mapping_is_kept_out),
		cmocka_unit_test(child_does_not_see_it),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(base64_has_no_end_mark),
		cmocka_unit_test(compares),
		cmocka_unit_test(random_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
