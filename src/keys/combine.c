/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/combine.h"

#include "crypto/hash.h"
#include "base/reader.h"
#include "disk/luks/luks.h"

#include <string.h>

#define COMBINE_LABEL "cvmroot all providers v1"
#define COMBINED_SIZE 32
/*
 * With a part that can be guessed: as base64 too short to count as a strong passphrase, so that the
 * keyslot gets a slow KDF and the header's MAC needs the volume key. Else whoever knows the other
 * parts, as a host does that runs the TPM, could try guesses by a MAC alone. Where he does not know
 * them, 128 bits are enough.
 */
#define COMBINED_WEAK_SIZE 16

_Static_assert((COMBINED_WEAK_SIZE + 2) / 3 * 4 < LUKS_STRONG_PASSPHRASE &&
		       (COMBINED_SIZE + 2) / 3 * 4 >= LUKS_STRONG_PASSPHRASE,
	       "the size of a combined passphrase tells how strong it is");

static void write_part(struct writer *writer, const struct key_part *part)
{
	writer_le32(writer, (uint32_t)strlen(part->provider));
	writer_bytes(writer, part->provider, strlen(part->provider));
	writer_le32(writer, (uint32_t)part->secret->size);
	writer_bytes(writer, part->secret->data, part->secret->size);
}

/* The part whose name is the next behind @previous; NULL at the end. */
static const struct key_part *next_part(const struct key_part *parts, size_t count,
					const char *previous)
{
	const struct key_part *next = NULL;

	for (size_t i = 0; i < count; i++)
		if (strcmp(parts[i].provider, previous) > 0 &&
		    (!next || strcmp(parts[i].provider, next->provider) < 0))
			next = &parts[i];
	return next;
}

static bool is_strong(const struct key_part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (parts[i].secret->size < LUKS_STRONG_PASSPHRASE)
			return false;
	return true;
}

int key_combine(const struct key_part *parts, size_t count, struct secret **ret)
{
	cleanup(writer_done) struct writer writer = {};
	cleanup(secret_freep) struct secret *material = NULL;
	cleanup(secret_freep) struct secret *combined = NULL;
	const struct key_part *part = next_part(parts, count, "");
	int r;

	for (; part; part = next_part(parts, count, part->provider))
		write_part(&writer, part);
	if (writer.error < 0)
		return writer.error;
	r = secret_copy(writer.data, writer.size, &material);
	if (r == 0)
		r = hkdf_derive(material, COMBINE_LABEL,
				is_strong(parts, count) ? COMBINED_SIZE : COMBINED_WEAK_SIZE,
				&combined);
	return r < 0 ? r : secret_base64(combined, ret);
}
