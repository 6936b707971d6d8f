/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "broker/broker.h"
#include "broker/internal.h"

#include <string.h>

#define URI_SIZE_MAX	  512
#define RESOURCE_SEGMENTS 3

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/* A URI in its parts; they point into its text. */
struct uri {
	const char *plugin;
	size_t plugin_size;
	const char *path; /* behind the '/' */
};

/*
 * kbs://[HOST]/PATH or kbs+PLUGIN://[HOST]/PATH. A host is passed over, as the reference client
 * does: which servers are asked is said elsewhere, together with their CAs.
 */
static int split(const char *uri, struct uri *ret)
{
	struct uri parts = {.plugin = "resource", .plugin_size = strlen("resource")};
	const char *next;

	if (strncmp(uri, "kbs", 3) != 0)
		return -EINVAL;
	next = uri + 3;
	if (*next == '+') {
		parts.plugin = next + 1;
		parts.plugin_size = strspn(parts.plugin, letters);
		next = parts.plugin + parts.plugin_size;
	}
	if (parts.plugin_size == 0 || strncmp(next, "://", 3) != 0)
		return -EINVAL;
	next += 3;
	next += strspn(next, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.:[]");
	if (*next != '/')
		return -EINVAL;
	parts.path = next + 1;
	*ret = parts;
	return 0;
}

/* Segments of letters, digits, '_', '-' and, but for the first place, '.'; 0: the path is wrong. */
static size_t count_segments(const char *path)
{
	for (size_t count = 1;; count++) {
		size_t first = strspn(path, letters);

		if (first == 0)
			return 0;
		while (*path == '.' || (*path != '\0' && strchr(letters, *path)))
			path++;
		if (*path == '\0')
			return count;
		if (*path++ != '/')
			return 0;
	}
}

static bool is_plugin(const struct uri *uri, const char *name)
{
	return uri->plugin_size == strlen(name) &&
	       strncmp(uri->plugin, name, uri->plugin_size) == 0;
}

static int read_uri(const char *uri, struct uri *ret)
{
	size_t segments;

	if (strlen(uri) > URI_SIZE_MAX)
		return fail(-EINVAL, "the URI of the resource is longer than %d characters",
			    URI_SIZE_MAX);
	if (split(uri, ret) < 0)
		return fail(-EINVAL,
			    "\"%s\" is not the URI of a resource: wanted "
			    "kbs:///REPOSITORY/TYPE/TAG or kbs+PLUGIN:///PATH",
			    uri);
	segments = count_segments(ret->path);
	if (segments == 0)
		return fail(-EINVAL,
			    "\"%s\": wanted names of letters, digits, '_', '-' and '.' "
			    "(not in front) between single '/'",
			    uri);
	if (is_plugin(ret, "resource") && segments != RESOURCE_SEGMENTS)
		return fail(-EINVAL,
			    "\"%s\": wanted three names, REPOSITORY/TYPE/TAG; there are "
			    "%zu",
			    uri, segments);
	return 0;
}

int broker_check_uri(const char *uri)
{
	struct uri parts;

	return read_uri(uri, &parts);
}

int uri_request_path(const char *uri, char **ret_path)
{
	struct uri parts;
	char *path;
	int r = read_uri(uri, &parts);

	if (r < 0)
		return r;
	if (asprintf(&path, "/kbs/v0/%.*s/%s", (int)parts.plugin_size, parts.plugin, parts.path) <
	    0)
		return -ENOMEM;
	*ret_path = path;
	return 0;
}

bool uri_is_provisioner(const char *uri)
{
	struct uri parts;

	return split(uri, &parts) == 0 && is_plugin(&parts, "provisioner");
}
