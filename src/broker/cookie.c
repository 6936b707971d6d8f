/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/reader.h"
#include "broker/internal.h"

#include <string.h>

#define NAME_SIZE_MAX 64
#define COOKIES_MAX   4

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			       "0123456789-._~+/=";

/* NAME=VALUE in the text of one Set-Cookie header. */
struct cookie {
	const char *name, *value;
	size_t name_size, value_size;
};

static int read_cookie(const char *text, struct cookie *ret)
{
	struct cookie cookie = {.name = text + strspn(text, " \t")};

	/* A '=' belongs to values only. */
	cookie.name_size = MIN(strspn(cookie.name, alphabet), strcspn(cookie.name, "="));
	if (cookie.name_size == 0 || cookie.name_size > NAME_SIZE_MAX ||
	    cookie.name[cookie.name_size] != '=')
		return -EBADMSG;
	cookie.value = cookie.name + cookie.name_size + 1;
	cookie.value_size = strspn(cookie.value, alphabet);
	if (cookie.value_size == 0 || cookie.value_size > COOKIE_SIZE_MAX)
		return -EBADMSG;
	if (cookie.value[cookie.value_size] != '\0' &&
	    !strchr("; \t\n", cookie.value[cookie.value_size]))
		return -EBADMSG;
	*ret = cookie;
	return 0;
}

static bool is_session(const struct cookie *cookie)
{
	return cookie->name_size == strlen(COOKIE_NAME) &&
	       strncmp(cookie->name, COOKIE_NAME, cookie->name_size) == 0;
}

/* What an administrator's balancer sets keeps us on the one replica that knows the session. */
int cookie_header(const char *set_cookie, char **ret_header)
{
	cleanup(writer_done) struct writer writer = {};
	bool found = false;
	size_t count = 0;

	for (const char *line = set_cookie; line && count < COOKIES_MAX;) {
		struct cookie cookie;

		if (read_cookie(line, &cookie) == 0) {
			writer_bytes(&writer, count > 0 ? "; " : "Cookie: ", count > 0 ? 2 : 8);
			writer_bytes(&writer, cookie.name, cookie.name_size);
			writer_bytes(&writer, "=", 1);
			writer_bytes(&writer, cookie.value, cookie.value_size);
			found = found || is_session(&cookie);
			count++;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!found)
		return fail(-EBADMSG, "the answer opens no session: no good cookie " COOKIE_NAME);
	writer_bytes(&writer, "", 1);
	if (writer.error < 0)
		return writer.error;
	*ret_header = (char *)TAKE_PTR(writer.data);
	return 0;
}
