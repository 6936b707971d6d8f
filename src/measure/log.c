/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/log.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static json_t *format_digests(const struct measure_record *record)
{
	cleanup(json_decrefp) json_t *digests = json_array();

	for (size_t i = 0; i < HASH_ALGORITHMS; i++) {
		enum hash_algorithm bank = (enum hash_algorithm)i;

		if (record->banks & 1U << i &&
		    json_array_append_new(
			    digests, json_pack("{s:s, s:o}", "hashAlg", hash_name(bank), "digest",
					       json_hex(record->digests[i], hash_size(bank)))) < 0)
			return NULL;
	}
	return TAKE_PTR(digests);
}

int measure_log_format(const struct measure_record *record, char **ret, size_t *ret_size)
{
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) char *text = NULL;
	json_t *digests = format_digests(record);
	int size;

	if (!digests)
		return -ENOMEM;
	/* "o" steals the reference, also when packing fails. */
	json = json_pack("{s:i, s:o, s:s, s:{s:s, s:s, s:I, s:s}}", "pcr", (int)record->pcr,
			 "digests", digests, "content_type", "systemd", "content", "string",
			 record->text, "bootId", record->boot_id, "timestamp",
			 (json_int_t)record->timestamp, "eventType", record->type);
	if (!json)
		return -ENOMEM;
	text = json_dumps(json, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	size = asprintf(ret, "%c%s\n", EVENTLOG_SEPARATOR, text);
	if (size < 0)
		return -ENOMEM;
	*ret_size = (size_t)size;
	return 0;
}

/* Whoever could put another file there is root; but a path in /run may be left from anything. */
static int check_file(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	return S_ISREG(status.st_mode) && status.st_uid == geteuid() ? 0 : -EPERM;
}

int measure_log_open(const char *path, int *ret)
{
	cleanup(freep) char *copy = strdup(path);
	cleanup(closep) int fd = -1;
	int r;

	if (!copy)
		return -ENOMEM;
	r = directory_make(dirname(copy), 0755);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_APPEND, 0600);
	if (fd < 0)
		return -errno;
	r = check_file(fd);
	if (r < 0)
		return r;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int log_append(int fd, const struct measure_record *record, bool was_complete)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = measure_log_format(record, &text, &size);

	if (r < 0)
		return r;
	r = file_write(fd, text, size);
	if (r < 0)
		return r;
	/* A mark that somebody else's cut left must stay. */
	if (was_complete && fchmod(fd, 0600) < 0)
		return -errno;
	return 0;
}

int measure_log_extend(const char *path, const struct measure_record *record,
		       int (*extend)(void *context, const struct measure_record *record),
		       void *context)
{
	cleanup(closep) int fd = -1;
	struct stat status = {};
	int r = measure_log_open(path, &fd);

	if (r == 0 && fstat(fd, &status) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, 0600 | S_ISVTX) < 0)
		r = -errno;
	if (r < 0) {
		int extended = extend(context, record);

		return extended < 0 ? extended : fail(r, "cannot write %s: %s", path, strerror(-r));
	}
	r = extend(context, record);
	/* Whether the register took it is not known: the mark stays. */
	if (r < 0)
		return r;
	r = log_append(fd, record, !(status.st_mode & S_ISVTX));
	return r < 0 ? fail(r, "cannot append to %s: %s", path, strerror(-r)) : 0;
}
