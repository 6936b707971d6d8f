/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "measure/aael.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "measure/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define JOURNAL_LIMIT (64 * KIB)

static int mark_incomplete(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || fchmod(fd, (status.st_mode & 0777) | S_ISVTX) < 0)
		return -errno;
	return 0;
}

static int append(int fd, unsigned int rtmr, const uint8_t digest[static RTMR_SIZE],
		  const char *text, size_t size)
{
	cleanup(writer_done) struct writer entry = {};

	aael_entry_write(&entry, rtmr, digest, text, size);
	return entry.error < 0 ? entry.error : file_write(fd, entry.data, entry.size);
}

/* ---- After a cut ---- */

enum outcome {
	EXTENDED,
	NOT_EXTENDED,
	UNKNOWN,
};

/*
 * The journal does not say which register it is about; the value does. One that has it decides:
 * those that only could get it may be others that were never extended.
 */
static int find_outcome(const struct aael *aael, const struct aael_journal *journal,
			const uint8_t digest[static RTMR_SIZE], enum outcome *ret,
			unsigned int *ret_rtmr)
{
	*ret = UNKNOWN;
	for (unsigned int rtmr = 0; rtmr < RTMR_COUNT && *ret != EXTENDED; rtmr++) {
		uint8_t now[RTMR_SIZE], then[RTMR_SIZE];
		int r = aael->read(aael->context, rtmr, now);

		if (r == 0)
			r = hash_extend(HASH_SHA384, now, digest, then);
		if (r < 0)
			return r;
		*ret_rtmr = rtmr;
		if (memcmp(now, journal->expected, RTMR_SIZE) == 0)
			*ret = EXTENDED;
		else if (memcmp(then, journal->expected, RTMR_SIZE) == 0)
			*ret = NOT_EXTENDED;
	}
	return 0;
}

/* Bring the log to what the register has. */
static int settle(const struct aael *aael, int fd, const struct aael_journal *journal)
{
	uint8_t digest[RTMR_SIZE];
	enum outcome outcome = UNKNOWN;
	unsigned int rtmr = 0;
	struct stat status;
	int r = aael_digest(journal->text, journal->text_size, digest);

	if (r == 0)
		r = find_outcome(aael, journal, digest, &outcome, &rtmr);
	if (r < 0)
		return r;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (outcome == UNKNOWN || journal->offset > (uint64_t)status.st_size)
		return mark_incomplete(fd);
	/* What the cut left of the entry goes. */
	if (ftruncate(fd, (off_t)journal->offset) < 0)
		return -errno;
	return outcome == EXTENDED ? append(fd, rtmr, digest, journal->text, journal->text_size)
				   : 0;
}

static int recover(const struct aael *aael, int fd)
{
	cleanup(closep) int file =
		open(aael->journal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	cleanup(freep) char *data = NULL;
	struct aael_journal journal;
	size_t size;
	int r;

	if (file < 0)
		return errno == ENOENT ? 0 : -errno;
	log_debug("%s is left from a measurement that was cut", aael->journal);
	r = file_read_all_fd(file, JOURNAL_LIMIT, &data, &size);
	if (r == 0)
		r = aael_journal_parse(data, size, &journal);
	if (r == 0)
		r = settle(aael, fd, &journal);
	else if (r == -EBADMSG || r == -E2BIG)
		r = mark_incomplete(fd);
	if (r == 0 && unlink(aael->journal) < 0)
		r = -errno;
	return r;
}

/* ---- One event ---- */

struct event {
	unsigned int rtmr;
	const char *text;
	uint8_t digest[RTMR_SIZE];
	uint8_t expected[RTMR_SIZE]; /* the register afterwards */
};

static int write_journal(const struct aael *aael, int fd, const struct event *event)
{
	cleanup(writer_done) struct writer writer = {};
	struct aael_journal journal = {.text = event->text, .text_size = strlen(event->text)};
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	journal.offset = (uint64_t)status.st_size;
	memcpy(journal.expected, event->expected, RTMR_SIZE);
	aael_journal_write(&writer, &journal);
	if (writer.error < 0)
		return writer.error;
	/* By a rename: half of a journal would say nothing. */
	return file_write_volatile(aael->journal, writer.data, writer.size, 0600);
}

/* All that has to be on record before the register changes. */
static int announce(const struct aael *aael, int fd, struct event *event)
{
	uint8_t before[RTMR_SIZE];
	int r = recover(aael, fd);

	if (r == 0)
		r = aael->read(aael->context, event->rtmr, before);
	if (r == 0)
		r = hash_extend(HASH_SHA384, before, event->digest, event->expected);
	return r < 0 ? r : write_journal(aael, fd, event);
}

/* The register itself says whether it was extended. */
static int extend(const struct aael *aael, const struct event *event)
{
	uint8_t after[RTMR_SIZE];
	int r = aael->extend(aael->context, event->rtmr, event->digest);

	if (r == 0)
		r = aael->read(aael->context, event->rtmr, after);
	if (r == 0 && memcmp(after, event->expected, RTMR_SIZE) != 0)
		r = fail(-EIO, "RTMR %u does not hold what it was extended with", event->rtmr);
	return r;
}

/* Poison must reach the register; what the log lacks then is at least said. */
static int extend_unlogged(const struct aael *aael, int fd, const struct event *event, int error)
{
	int r;

	if (fd >= 0)
		(void)mark_incomplete(fd);
	r = aael->extend(aael->context, event->rtmr, event->digest);
	return r < 0 ? r : fail(error, "cannot write %s: %s", aael->log, strerror(-error));
}

int measure_aael_extend(const struct aael *aael, unsigned int rtmr, const char *text)
{
	cleanup(closep) int fd = -1;
	struct event event = {.rtmr = rtmr, .text = text};
	int r = aael_digest(text, strlen(text), event.digest);

	if (r < 0)
		return r;
	r = measure_log_open(aael->log, &fd);
	if (r == 0)
		r = announce(aael, fd, &event);
	if (r < 0)
		return extend_unlogged(aael, fd, &event, r);
	r = extend(aael, &event);
	if (r < 0)
		return r;
	r = append(fd, rtmr, event.digest, text, strlen(text));
	if (r == 0 && unlink(aael->journal) < 0)
		r = -errno;
	return r < 0 ? fail(r, "cannot append to %s: %s", aael->log, strerror(-r)) : 0;
}
