/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "verb_run.h"

#include "base/file.h"
#include "unit.h"

#define WORDS_MAX 7

char *verb_run(const struct verb *verb, const char *const *words, int *ret_code)
{
	char *argv[WORDS_MAX + 1] = {};
	FILE *file = tmpfile();
	int saved, argc = 0;
	char *text;
	size_t size;

	for (; words[argc]; argc++) {
		assert_in_range(argc, 0, WORDS_MAX - 1);
		argv[argc] = strdup(words[argc]);
	}
	assert_non_null(file);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	dup2(fileno(file), STDOUT_FILENO);
	/* glibc's way to say that this is another command line. */
	optind = 0;
	*ret_code = verb->run(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	assert_int_equal(file_read_all_fd(fileno(file), MIB, &text, &size), 0);
	fclose(file);
	/* getopt_long() has put them into another order. */
	while (argc > 0)
		free(argv[--argc]);
	return text;
}
