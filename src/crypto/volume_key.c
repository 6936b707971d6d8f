/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "crypto/volume_key.h"

#include <string.h>

/* What systemd's xescape() would escape with ':' as the separator. */
static bool needs_escape(unsigned char c)
{
	return c < 0x20 || c >= 0x7f || c == ':' || c == '\\';
}

/* @ret has room for four bytes for each of the name's, and a NUL. */
static void escape_name(const char *name, char *ret)
{
	for (; *name != '\0'; name++) {
		if (!needs_escape((unsigned char)*name)) {
			*ret++ = *name;
			continue;
		}
		*ret++ = '\\';
		*ret++ = 'x';
		hex_encode(name, 1, ret);
		ret += 2;
	}
	*ret = '\0';
}

int volume_key_word(const char *name, const uint8_t uuid[static UUID_SIZE], char **ret)
{
	cleanup(freep) char *escaped = malloc(4 * strlen(name) + 1);
	char uuid_text[UUID_TEXT_SIZE];
	char *word;

	if (!escaped)
		return -ENOMEM;
	escape_name(name, escaped);
	uuid_encode(uuid, uuid_text);
	if (asprintf(&word, "cryptsetup:%s:%s", escaped, uuid_text) < 0)
		return -ENOMEM;
	*ret = word;
	return 0;
}

int volume_key_digest(enum hash_algorithm algorithm, const struct secret *volume_key,
		      const char *name, const uint8_t uuid[static UUID_SIZE], void *ret)
{
	cleanup(freep) char *word = NULL;
	int r = volume_key_word(name, uuid, &word);

	if (r < 0)
		return r;
	return hmac_data(algorithm, volume_key, word, strlen(word), ret);
}
