/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "base/library.h"

/* Every process has this one. */
#define LIBC "libc.so.6"

static size_t (*length)(const char *text);
static void (*nothing)(void);

static void function_is_found(void **state)
{
	const struct library_symbol symbols[] = {{"strlen", &length}};

	(void)state;
	assert_int_equal(library_load(LIBC, "to count", symbols, 1), 0);
	assert_int_equal(length("four"), 4);
}

static void refusal_says_what_and_what_for(const char *soname, const char *symbol)
{
	const struct library_symbol symbols[] = {{symbol, &nothing}};

	assert_int_equal(library_load(soname, "to test", symbols, 1), -ENOPKG);
	assert_non_null(strstr(fail_sentence(-ENOPKG), soname));
	assert_non_null(strstr(fail_sentence(-ENOPKG), "needed to test"));
	assert_null(nothing);
}

static void missing_library_is_told(void **state)
{
	(void)state;
	refusal_says_what_and_what_for("libcvmroot-none.so.1", "strlen");
}

static void missing_function_is_told(void **state)
{
	(void)state;
	refusal_says_what_and_what_for(LIBC, "cvmroot_none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_is_found),
		cmocka_unit_test(missing_library_is_told),
		cmocka_unit_test(missing_function_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
