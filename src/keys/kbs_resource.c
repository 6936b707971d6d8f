/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "keys/kbs_resource.h"

#include "base/error.h"
#include "base/reader.h"

#include <string.h>

static void write_text(struct writer *writer, const char *text)
{
	writer_bytes(writer, text, strlen(text));
}

int kbs_resource_expand(const char *text, const uint8_t luks_uuid[static UUID_SIZE],
			const char *instance_id, char **ret)
{
	cleanup(writer_done) struct writer writer = {};
	char uuid[UUID_TEXT_SIZE];

	uuid_encode(luks_uuid, uuid);
	for (; *text != '\0'; text++) {
		if (*text != '%')
			writer_bytes(&writer, text, 1);
		else if (*++text == 'u')
			write_text(&writer, uuid);
		else if (*text == 'i' && instance_id)
			write_text(&writer, instance_id);
		else
			return fail(-EINVAL, "the resource has a '%%' without \"u\" or \"i\"");
	}
	writer_bytes(&writer, "", 1);
	if (writer.error < 0)
		return writer.error;
	*ret = (char *)TAKE_PTR(writer.data);
	return 0;
}
