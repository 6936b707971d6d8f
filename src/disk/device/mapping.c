/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/device/mapping.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <libdevmapper.h>

#define NODE_FOLDER "/dev/mapper"
#define TARGETS_MAX 2 /* one more than is accepted */

DEFINE_CLEANUP(struct dm_task *, dm_task_destroy)

static void keep_silent(int level, const char *file, int line, int error, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Errors end in our sentences. A table is never in its messages at these levels. */
static void keep_silent(int level, const char *file, int line, int error, const char *format, ...)
{
	char message[200];
	va_list args;

	(void)file;
	(void)line;
	(void)error;
	if ((level & 7) > 3) /* _LOG_ERR of libdm-common */
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	log_debug("libdevmapper: %s", message);
}

static int task_failed(struct dm_task *task, const char *what, const char *name)
{
	int error = task ? dm_task_get_errno(task) : 0;

	if (error <= 0)
		error = EIO;
	return fail(-error, "device-mapper could not %s %s/%s: %s", what, NODE_FOLDER, name,
		    strerror(error));
}

static int task_new(int type, const char *name, struct dm_task **ret)
{
	cleanup(dm_task_destroyp) struct dm_task *task = NULL;

	dm_log_with_errno_init(keep_silent);
	task = dm_task_create(type);
	/* The table may hold the volume key: wipe the kernel's buffers and libdevmapper's. */
	if (!task || !dm_task_secure_data(task) || !dm_task_set_name(task, name))
		return fail(-ENOMEM, "device-mapper could not be asked about %s/%s", NODE_FOLDER,
			    name);
	*ret = TAKE_PTR(task);
	return 0;
}

/* At most TARGETS_MAX; more are as wrong as two. */
static size_t take_targets(struct dm_task *task, struct mapping_target *targets)
{
	size_t count = 0;
	void *next = NULL;

	do {
		struct mapping_target target = {};
		char *type = NULL, *parameters = NULL;

		next = dm_get_next_target(task, next, &target.start, &target.length, &type,
					  &parameters);
		if (!type || !parameters)
			break;
		target.type = type;
		target.parameters = parameters;
		targets[count++] = target;
	} while (next && count < TARGETS_MAX);
	return count;
}

static int check_info(struct dm_task *task, const char *name)
{
	struct dm_info info;

	if (!dm_task_get_info(task, &info))
		return task_failed(task, "describe", name);
	if (!info.exists || !info.live_table || info.inactive_table || info.suspended ||
	    info.read_only)
		return fail(-EKEYREJECTED, "the kernel's mapping %s/%s is not in plain use",
			    NODE_FOLDER, name);
	return 0;
}

int mapping_verify(const char *name, const struct mapping_expected *expected)
{
	cleanup(dm_task_destroyp) struct dm_task *task = NULL;
	struct mapping_target targets[TARGETS_MAX];
	int r = task_new(DM_DEVICE_TABLE, name, &task);

	if (r < 0)
		return r;
	if (!dm_task_run(task))
		return task_failed(task, "read the table of", name);
	r = check_info(task, name);
	if (r < 0)
		return r;
	return mapping_check(targets, take_targets(task, targets), expected);
}

static int get_device(const char *name, dev_t *ret)
{
	cleanup(dm_task_destroyp) struct dm_task *task = NULL;
	struct dm_info info;
	int r = task_new(DM_DEVICE_INFO, name, &task);

	if (r < 0)
		return r;
	if (!dm_task_run(task) || !dm_task_get_info(task, &info) || !info.exists)
		return task_failed(task, "find", name);
	*ret = makedev(info.major, info.minor);
	return 0;
}

static bool node_is(const char *path, dev_t device)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISBLK(status.st_mode) && status.st_rdev == device;
}

/* Any event in the folder is a reason to look again; what it was does not matter. */
static int await_event(int fd, int64_t deadline_ms)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int64_t left = deadline_ms - monotonic_ms();
	int n;

	if (left <= 0)
		return -ETIMEDOUT;
	n = poll(&poll_fd, 1, (int)left);
	if (n < 0 && errno != EINTR)
		return -errno;
	if (n > 0 && read(fd, buffer, sizeof(buffer)) < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	return 0;
}

int mapping_wait(const char *name, unsigned int wait_seconds)
{
	cleanup(closep) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	cleanup(freep) char *path = NULL;
	int64_t deadline = monotonic_ms() + (int64_t)wait_seconds * 1000;
	dev_t device = 0;
	int r = get_device(name, &device);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/%s", NODE_FOLDER, name) < 0)
		return -ENOMEM;
	/* Watch first, then look: nothing can appear unseen in between. */
	if (fd < 0 ||
	    inotify_add_watch(fd, NODE_FOLDER, IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE) < 0)
		return fail(-errno, "%s cannot be watched: %s", NODE_FOLDER, strerror(errno));
	while (!node_is(path, device)) {
		r = await_event(fd, deadline);
		if (r < 0)
			return fail(r, "%s did not appear within %u seconds", path, wait_seconds);
	}
	return 0;
}

int mapping_remove(const char *name)
{
	cleanup(dm_task_destroyp) struct dm_task *task = NULL;
	uint32_t cookie = 0;
	int ok, r = task_new(DM_DEVICE_REMOVE, name, &task);

	if (r < 0)
		return r;
	/* udev may hold it for a moment. */
	if (!dm_task_retry_remove(task) || !dm_task_set_cookie(task, &cookie, 0))
		return task_failed(task, "prepare to remove", name);
	ok = dm_task_run(task);
	/* The cookie has to be waited for, and so destroyed, either way. */
	if (!dm_udev_wait(cookie))
		log_debug("udev was not waited for when %s was removed", name);
	return ok ? 0 : task_failed(task, "remove", name);
}
