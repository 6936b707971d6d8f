/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "boot/nameservers.h"

#include <string.h>

/* Whatever the state says, resolv.conf has only lines of ours, with the characters of addresses. */
static void check_line(const char *line, size_t size)
{
	static const char server[] = "nameserver ", options[] = "options timeout:2 attempts:2";
	const size_t head = sizeof(server) - 1;

	if (size == sizeof(options) - 1 && memcmp(line, options, size) == 0)
		return;
	if (size <= head || memcmp(line, server, head) != 0 ||
	    strspn(line + head, "0123456789abcdef.:%") != size - head)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nameservers servers = {};
	cleanup(freep) char *text = NULL;

	nameservers_add_link(&servers, (const char *)data, size, 2);
	if (nameservers_format(&servers, &text, &size) < 0 || strlen(text) != size)
		abort();
	for (char *line = text, *end; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			abort();
		check_line(line, (size_t)(end - line));
	}
	return 0;
}
