/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/machine_logs.h"

#include "base/error.h"
#include "base/file.h"
#include "eventlog/cc_eventlog.h"
#include "measure/aael.h"
#include "measure/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

void machine_logs_done(struct machine_logs *logs)
{
	free(logs->firmware);
	free(logs->ccel);
	free(logs->agent);
	free(logs->user);
	*logs = (struct machine_logs){};
}

/* The sticky bit says that a measurement was cut; whoever measures now holds the lock. */
static int read_locked(int fd, char **ret, size_t *ret_size, bool *ret_incomplete)
{
	struct stat status;

	while (flock(fd, LOCK_SH) < 0)
		if (errno != EINTR)
			return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (ret_incomplete)
		*ret_incomplete = status.st_mode & S_ISVTX;
	return file_read_all_fd(fd, EVENTLOG_LIMIT, ret, ret_size);
}

/* A log that is not there stays NULL. @root: "", or a folder in place of it. */
static int read_log(const char *root, const char *path, char **ret, size_t *ret_size,
		    bool *ret_incomplete)
{
	cleanup(freep) char *whole = NULL;
	cleanup(closep) int fd = -1;
	int r;

	if (asprintf(&whole, "%s%s", root, path) < 0)
		return -ENOMEM;
	fd = open(whole, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return 0;
	r = fd < 0 ? -errno : read_locked(fd, ret, ret_size, ret_incomplete);
	return r < 0 ? fail(r, "cannot read the event log %s: %s", path, strerror(-r)) : 0;
}

static int has_journal(const char *root, bool *ret)
{
	cleanup(freep) char *path = NULL;

	if (asprintf(&path, "%s" AAEL_JOURNAL_PATH, root) < 0)
		return -ENOMEM;
	*ret |= access(path, F_OK) == 0;
	return 0;
}

int machine_logs_load_below(const char *root, struct machine_logs *ret)
{
	cleanup(machine_logs_done) struct machine_logs logs = {};
	int r = read_log(root, FIRMWARE_LOG_PATH, &logs.firmware, &logs.firmware_size, NULL);

	if (r == 0)
		r = read_log(root, CCEL_PATH, &logs.ccel, &logs.ccel_size, NULL);
	if (r == 0)
		r = read_log(root, AAEL_PATH, &logs.agent, &logs.agent_size,
			     &logs.agent_incomplete);
	if (r == 0)
		r = has_journal(root, &logs.agent_incomplete);
	if (r == 0)
		r = read_log(root, MEASURE_LOG_PATH, &logs.user, &logs.user_size,
			     &logs.user_incomplete);
	if (r == 0 && !logs.user) {
		r = read_log(root, MEASURE_OWN_LOG_PATH, &logs.user, &logs.user_size,
			     &logs.user_incomplete);
		logs.alone = logs.user;
	}
	if (r < 0)
		return r;
	/* What is malformed stays whole, for its reader to say where. */
	if (logs.ccel)
		(void)cc_eventlog_size(logs.ccel, logs.ccel_size, &logs.ccel_size);
	*ret = logs;
	logs = (struct machine_logs){};
	return 0;
}

int machine_logs_load(struct machine_logs *ret)
{
	return machine_logs_load_below("", ret);
}

int machine_logs_parse(const struct machine_logs *logs, struct eventlog **ret)
{
	int r = eventlog_new(ret);

	if (r == 0 && logs->firmware)
		r = eventlog_add_firmware(*ret, EVENTLOG_PCR, logs->firmware, logs->firmware_size);
	if (r == 0 && logs->ccel)
		r = eventlog_add_firmware(*ret, EVENTLOG_RTMR, logs->ccel, logs->ccel_size);
	if (r == 0 && logs->agent)
		r = eventlog_add_agent(*ret, logs->agent, logs->agent_size);
	if (r == 0 && logs->user)
		r = eventlog_add_user(*ret, logs->user, logs->user_size);
	return r;
}
