/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "boot/nameservers.h"
#include "cli/verbs.h"

#include <dirent.h>
#include <string.h>
#include <sys/inotify.h>

#define LINKS	    "/run/systemd/netif/links"
#define RESOLV_CONF "/etc/resolv.conf"

/* Files are named by the number of their link; temporary ones are not. */
static int is_link(const struct dirent *entry)
{
	return strspn(entry->d_name, "0123456789") == strlen(entry->d_name);
}

static void add_link(struct nameservers *servers, const char *name)
{
	cleanup(freep) char *path = NULL, *text = NULL;
	size_t size;

	/* A link may go away at any time. */
	if (asprintf(&path, LINKS "/%s", name) < 0 ||
	    file_read_all(path, LINK_STATE_LIMIT, &text, &size) < 0)
		return;
	nameservers_add_link(servers, text, size, (unsigned int)strtoul(name, NULL, 10));
}

static int read_links(struct nameservers *ret)
{
	struct dirent **entries = NULL;
	int count = scandir(LINKS, &entries, is_link, versionsort);

	if (count < 0)
		return fail(-errno, "cannot read " LINKS ": %s", strerror(errno));
	*ret = (struct nameservers){};
	for (int i = 0; i < count; i++) {
		add_link(ret, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

/* Write the file when what it is to hold is not in @written; that is replaced. */
static int update(char **written)
{
	cleanup(freep) char *text = NULL;
	struct nameservers servers = {};
	size_t size;
	int r;

	r = read_links(&servers);
	if (r < 0)
		return r;
	r = nameservers_format(&servers, &text, &size);
	if (r < 0)
		return r;
	if (*written && strcmp(*written, text) == 0)
		return 0;
	r = file_write_volatile(RESOLV_CONF, text, size, 0644);
	if (r < 0)
		return r;
	log_info("%zu name servers%s%s", servers.count, servers.count > 0 ? ", first " : "",
		 servers.count > 0 ? servers.list[0] : "");
	free(*written);
	*written = TAKE_PTR(text);
	return 0;
}

static int follow(void)
{
	cleanup(closep) int watch = inotify_init1(IN_CLOEXEC);
	cleanup(freep) char *written = NULL;
	char events[4096];
	int r;

	/* Before the first look, so that no change falls in between. */
	if (watch < 0 || inotify_add_watch(watch, LINKS,
					   IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE |
						   IN_DELETE_SELF | IN_ONLYDIR) < 0)
		return fail(-errno, "cannot watch " LINKS ": %s", strerror(errno));
	do {
		r = update(&written);
		if (r < 0)
			return r;
	} while (read(watch, events, sizeof(events)) >= 0 || errno == EINTR);
	return fail(-errno, "cannot watch " LINKS ": %s", strerror(errno));
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{}};
	int r;

	if (verb_option(&verb_nameservers, argc, argv, options) != -1)
		return EXIT_USAGE;
	if (optind < argc)
		return verb_usage_error(&verb_nameservers, "no argument is wanted");
	r = verb_require_initrd(&verb_nameservers);
	return r < 0 ? r : follow();
}

const struct verb verb_nameservers = {
	.name = "nameservers",
	.summary = "Keep the initrd's resolv.conf as systemd-networkd has the name servers",
	.synopsis = "",
	.usage = "For a unit of the initrd. Runs until it is stopped.\n",
	.run = run,
};
