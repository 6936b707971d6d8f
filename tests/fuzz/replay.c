/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "base/file.h"

#include <dirent.h>
#include <string.h>

/* Feed every file of the folders named to the harness: the corpus as an ordinary test. */
static int replay_file(const char *path)
{
	cleanup(freep) char *text = NULL;
	cleanup(freep) uint8_t *exact = NULL;
	size_t size;
	int r = file_read_all(path, 64 * MIB, &text, &size);

	if (r < 0)
		return r;
	/* A copy of exactly this size, so that a sanitizer sees a read one byte too far. */
	exact = malloc(size > 0 ? size : 1);
	if (!exact)
		return -ENOMEM;
	memcpy(exact, text, size);
	LLVMFuzzerTestOneInput(exact, size);
	return 0;
}

static int replay_folder(const char *folder, size_t *count)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;
	int r = 0;

	if (!directory)
		return -errno;
	while (r == 0 && (entry = readdir(directory))) {
		cleanup(freep) char *path = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
			r = -ENOMEM;
		else
			r = replay_file(path);
		*count += r == 0;
	}
	closedir(directory);
	return r;
}

int main(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		int r = replay_folder(argv[i], &count);

		if (r < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
			return 1;
		}
	}
	printf("%zu inputs replayed\n", count);
	return count > 0 ? 0 : 1;
}
