/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "broker/broker.h"
#include "broker/internal.h"

#include <string.h>

/* What becomes part of a request must not break out of its line. */
static void check_line(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0)
		abort();
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			abort();
}

/* The value of a Set-Cookie header, and the URI of a resource. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char provisioner[] = "/kbs/v0/provisioner/";
	cleanup(freep) char *text = calloc(1, size + 1), *header = NULL, *path = NULL;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	if (cookie_header(text, &header) == 0) {
		check_line(header, "Cookie: ");
		if (!strstr(header, COOKIE_NAME "="))
			abort();
	}
	if (uri_request_path(text, &path) == 0) {
		check_line(path, "/kbs/v0/");
		if (strstr(path, "//") || strstr(path, "/.") || strpbrk(path, " ?#%"))
			abort();
	}
	if ((broker_check_uri(text) == 0) != (path != NULL))
		abort();
	/* Who answers is told by what is asked for. */
	if (path &&
	    uri_is_provisioner(text) != (strncmp(path, provisioner, strlen(provisioner)) == 0))
		abort();
	return 0;
}
