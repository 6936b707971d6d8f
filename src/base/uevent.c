/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/uevent.h"

#include "base/clock.h"
#include "base/error.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#define UDEV_FOLDER "/run/udev"
#define UDEV_QUEUE  UDEV_FOLDER "/queue" /* there as long as events are handled */

/* Multicast groups: the kernel's own events, and udev's, sent when links and nodes are there. */
#define GROUP_KERNEL 1
#define GROUP_UDEV   2

static int watch_udev(void)
{
	cleanup(closep) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || inotify_add_watch(fd, UDEV_FOLDER, IN_DELETE) < 0)
		return -1;
	return TAKE_FD(fd);
}

int uevent_open(struct uevent_watch *ret)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK,
					    .nl_groups = GROUP_KERNEL | GROUP_UDEV};
	cleanup(closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return fail(-errno, "kernel events cannot be received: %s", strerror(errno));
	*ret = (struct uevent_watch){.events = TAKE_FD(fd), .udev = watch_udev()};
	return 0;
}

void uevent_close(struct uevent_watch *watch)
{
	closep(&watch->events);
	closep(&watch->udev);
}

bool uevent_settled(void)
{
	return access(UDEV_QUEUE, F_OK) < 0;
}

static void drain(int fd)
{
	char buffer[4096];

	/* An overrun (ENOBUFS) is an event as well. */
	while (read(fd, buffer, sizeof(buffer)) >= 0)
		;
}

int uevent_await(const struct uevent_watch *watch, int64_t deadline_ms)
{
	struct pollfd poll_fds[] = {{.fd = watch->events, .events = POLLIN},
				    {.fd = watch->udev, .events = POLLIN}};
	int64_t left = deadline_ms - monotonic_ms();

	if (left <= 0)
		return -ETIMEDOUT;
	if (poll(poll_fds, ARRAY_SIZE(poll_fds), (int)MIN(left, (int64_t)INT_MAX)) < 0 &&
	    errno != EINTR)
		return fail(-errno, "kernel events cannot be awaited: %s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(poll_fds); i++)
		if (poll_fds[i].fd >= 0)
			drain(poll_fds[i].fd);
	return 0;
}
