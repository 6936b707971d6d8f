/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * open_volume DEVICE KEY-FILE NAME: open a LUKS2 volume by libcryptsetup alone, with a key that is
 * there already, and print how many microseconds that took: reading the header, the keyslot, and
 * the activation, which no program that opens a volume can do without.
 */
#include "base/macro.h"

#include "clock.h"

#include <libcryptsetup.h>

static int read_key(const char *path, char *key, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(key, 1, size, file) : 0;

	if (file)
		fclose(file);
	return n > 0 ? (int)n : -EIO;
}

static int open_volume(const char *path, const char *name, const char *key, size_t size)
{
	struct crypt_device *device = NULL;
	int r = crypt_init(&device, path);

	if (r == 0)
		r = crypt_load(device, CRYPT_LUKS2, NULL);
	if (r == 0)
		r = crypt_activate_by_passphrase(device, name, CRYPT_ANY_SLOT, key, size, 0);
	crypt_free(device);
	return r < 0 ? r : 0;
}

int main(int argc, char **argv)
{
	long long begin;
	char key[512];
	int size, r;

	if (argc != 4) {
		fprintf(stderr, "usage: open_volume DEVICE KEY-FILE NAME\n");
		return 2;
	}
	size = read_key(argv[2], key, sizeof(key));
	if (size < 0)
		return 1;
	begin = now_us();
	r = open_volume(argv[1], argv[3], key, (size_t)size);
	if (r < 0) {
		fprintf(stderr, "%s: error %d\n", argv[1], -r);
		return 1;
	}
	printf("%lld\n", now_us() - begin);
	return 0;
}
