/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "boot/efi_options.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#define VARIABLE "SystemdOptions-8cf2644b-4b0b-428f-9387-6d876050dc67"

/* What a machine has, and the word of the refusal; NULL: none. */
static const struct {
	const char *name;
	bool efi, services, listed;
	const char *file; /* below the machine's folder */
	const char *word;
} machines[] = {
	{"no EFI", false, false, false, NULL, NULL},
	{"EFI, no variable of this name", true, true, true, NULL, NULL},
	{"EFI without variables at run time", true, false, false, NULL, NULL},
	{"another variable", true, true, true, "efi/efivars/SystemdOptions-0", NULL},
	{"the variable", true, true, true, "efi/efivars/" VARIABLE, "is set"},
	{"the variable, not asked for", true, false, false, "efi/efivars/" VARIABLE, "is set"},
	{"a copy of it", true, true, true, "copies/" VARIABLE, "is set"},
	{"a copy of it, no EFI any more", false, false, false, "copies/" VARIABLE, "is set"},
	{"not mounted", true, true, false, NULL, "not mounted"},
};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

static char *join(const char *folder, const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

static int check(size_t i)
{
	char folder[] = "/tmp/cvmroot-efi-XXXXXX";
	char *firmware, *list, *services, *copies;
	int r;

	assert_non_null(mkdtemp(folder));
	firmware = join(folder, "efi");
	list = join(firmware, "efivars");
	services = join(folder, "services");
	copies = join(folder, "copies");
	assert_int_equal(mkdir(copies, 0700), 0);
	if (machines[i].efi) {
		assert_int_equal(mkdir(firmware, 0700), 0);
		assert_int_equal(mkdir(list, 0700), 0);
	}
	if (machines[i].services)
		assert_int_equal(mkdir(services, 0700), 0);
	if (machines[i].file) {
		char *path = join(folder, machines[i].file);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_true(fd >= 0);
		close(fd);
		free(path);
	}
	r = efi_options_check(&(struct efi_places){firmware, services, copies}, machines[i].listed);
	assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(firmware);
	free(list);
	free(services);
	free(copies);
	return r;
}

static void options_of_the_firmware_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		int r = check(i);

		if (r != (machines[i].word ? -EPERM : 0))
			fail_msg("%s: %d", machines[i].name, r);
		if (machines[i].word)
			assert_non_null(strstr(fail_sentence(r), machines[i].word));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_of_the_firmware_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
