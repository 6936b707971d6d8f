/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/combine.h"

#include "crypto/hash.h"
#include "base/reader.h"

#include <string.h>

#define COMBINE_LABEL "cvmroot all providers v1"
#define COMBINED_SIZE 32

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
		r = hkdf_derive(material, COMBINE_LABEL, COMBINED_SIZE, &combined);
	return r < 0 ? r : secret_base64(combined, ret);
}
