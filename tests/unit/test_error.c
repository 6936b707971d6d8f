/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"

#include <pthread.h>

static void sentence_belongs_to_its_error(void **state)
{
	(void)state;
	fail_clear();
	assert_string_equal(fail_sentence(-EIO), strerror(EIO));
	assert_int_equal(fail(-EBADMSG, "%s: byte %d", "file", 3), -EBADMSG);
	assert_string_equal(fail_sentence(-EBADMSG), "file: byte 3");
	/* An older sentence must not explain another error. */
	assert_string_equal(fail_sentence(-EIO), strerror(EIO));
	fail_clear();
	assert_string_equal(fail_sentence(-EBADMSG), strerror(EBADMSG));
}

static void sentence_may_quote_the_last(void **state)
{
	(void)state;
	fail(-EIO, "the disk is on fire");
	fail(-ENODEV, "no root: %s", fail_sentence(-EIO));
	assert_string_equal(fail_sentence(-ENODEV), "no root: the disk is on fire");
}

static void long_sentence_is_cut(void **state)
{
	(void)state;
	fail(-EIO, "%01000d", 7);
	assert_int_equal(strlen(fail_sentence(-EIO)), FAIL_SENTENCE_SIZE - 1);
}

static void *other_thread(void *unused)
{
	bool clean = strcmp(fail_sentence(-EIO), strerror(EIO)) == 0;

	(void)unused;
	fail(-EIO, "other thread");
	return (void *)(uintptr_t)clean;
}

static void threads_do_not_share(void **state)
{
	pthread_t thread;
	void *own = NULL;

	(void)state;
	fail(-EIO, "main thread");
	assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &own), 0);
	assert_non_null(own);
	assert_string_equal(fail_sentence(-EIO), "main thread");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentence_belongs_to_its_error),
		cmocka_unit_test(sentence_may_quote_the_last),
		cmocka_unit_test(long_sentence_is_cut),
		cmocka_unit_test(threads_do_not_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
