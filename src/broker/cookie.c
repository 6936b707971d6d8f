/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "broker/internal.h"

#include <string.h>

int cookie_header(const char *set_cookie, char **ret_header)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-._~+/=";
	static const char name[] = COOKIE_NAME "=";
	const char *value;
	char *header;
	size_t size;

	set_cookie += strspn(set_cookie, " \t");
	if (strncmp(set_cookie, name, sizeof(name) - 1) != 0)
		return fail(-EBADMSG, "the answer sets no cookie " COOKIE_NAME);
	value = set_cookie + sizeof(name) - 1;
	size = strspn(value, alphabet);
	if (size == 0 || size > COOKIE_SIZE_MAX ||
	    (value[size] != '\0' && !strchr("; \t", value[size])))
		return fail(-EBADMSG, "the value of the cookie " COOKIE_NAME " is malformed");
	if (asprintf(&header, "Cookie: %s%.*s", name, (int)size, value) < 0)
		return -ENOMEM;
	*ret_header = header;
	return 0;
}
