/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "boot/state.h"

/* Every cell of the state space, written out by hand rather than from the table. */
static const struct {
	enum remembered remembered;
	enum found found;
	bool tail;
	enum boot_action action;
	int error;
	const char *word; /* of the sentence */
} cells[] = {
	{REMEMBERED_NOTHING, FOUND_FILESYSTEM, false, ACTION_FRESH, 0, NULL},
	{REMEMBERED_NOTHING, FOUND_FILESYSTEM, true, ACTION_FRESH, 0, NULL},
	{REMEMBERED_NOTHING, FOUND_LUKS, false, ACTION_REFUSE, -ESTALE, "no record"},
	{REMEMBERED_NOTHING, FOUND_LUKS, true, ACTION_REFUSE, -ESTALE, "no record"},
	{REMEMBERED_NOTHING, FOUND_OTHER, false, ACTION_REFUSE, -EMEDIUMTYPE, "manifest"},
	{REMEMBERED_NOTHING, FOUND_OTHER, true, ACTION_REFUSE, -ESTALE, "unfinished"},
	{REMEMBERED_CONVERTING, FOUND_FILESYSTEM, false, ACTION_REFUSE, -ESTALE, "no trace"},
	{REMEMBERED_CONVERTING, FOUND_FILESYSTEM, true, ACTION_RESUME, 0, NULL},
	{REMEMBERED_CONVERTING, FOUND_LUKS, false, ACTION_FINISH, 0, NULL},
	{REMEMBERED_CONVERTING, FOUND_LUKS, true, ACTION_RESUME, 0, NULL},
	{REMEMBERED_CONVERTING, FOUND_OTHER, false, ACTION_REFUSE, -ESTALE, "no trace"},
	{REMEMBERED_CONVERTING, FOUND_OTHER, true, ACTION_RESUME, 0, NULL},
	{REMEMBERED_DONE, FOUND_FILESYSTEM, false, ACTION_REFUSE, -ESTALE, "plain file system"},
	{REMEMBERED_DONE, FOUND_FILESYSTEM, true, ACTION_REFUSE, -ESTALE, "plain file system"},
	{REMEMBERED_DONE, FOUND_LUKS, false, ACTION_REOPEN, 0, NULL},
	{REMEMBERED_DONE, FOUND_LUKS, true, ACTION_REOPEN, 0, NULL},
	{REMEMBERED_DONE, FOUND_OTHER, false, ACTION_REFUSE, -ESTALE, "no LUKS2 header"},
	{REMEMBERED_DONE, FOUND_OTHER, true, ACTION_REFUSE, -ESTALE, "no LUKS2 header"},
	{REMEMBERED_ELSEWHERE, FOUND_FILESYSTEM, false, ACTION_FRESH, 0, NULL},
	{REMEMBERED_ELSEWHERE, FOUND_FILESYSTEM, true, ACTION_RESUME, 0, NULL},
	{REMEMBERED_ELSEWHERE, FOUND_LUKS, false, ACTION_REOPEN, 0, NULL},
	{REMEMBERED_ELSEWHERE, FOUND_LUKS, true, ACTION_RESUME, 0, NULL},
	{REMEMBERED_ELSEWHERE, FOUND_OTHER, false, ACTION_REFUSE, -EMEDIUMTYPE, "neither"},
	{REMEMBERED_ELSEWHERE, FOUND_OTHER, true, ACTION_RESUME, 0, NULL},
};

static void every_state_has_its_action(void **state)
{
	(void)state;
	assert_int_equal(ARRAY_SIZE(cells), 4 * 3 * 2);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		enum boot_action action = ACTION_REFUSE;
		int r = boot_decide(cells[i].remembered, cells[i].found, cells[i].tail, "/dev/x",
				    &action);

		assert_int_equal(r, cells[i].error);
		assert_int_equal(action, cells[i].action);
		if (r == 0)
			continue;
		assert_non_null(strstr(fail_sentence(r), "/dev/x: "));
		assert_non_null(strstr(fail_sentence(r), cells[i].word));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_its_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
