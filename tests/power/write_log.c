/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "write_log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"

#define MAGIC	     0x6a736677736872
#define VERSION	     1
#define SUPER_SIZE   28
#define SECTOR_MIN   512
#define FLAG_FLUSH   1
#define FLAG_DISCARD 4
#define FLAGS_KNOWN  (FLAG_FLUSH | FLAG_DISCARD)
/* More are no boot of a small machine. */
#define STEPS_MAX 1000000

struct entry {
	uint64_t sector;
	uint64_t sectors;
	uint64_t flags;
};

struct super {
	uint64_t magic;
	uint64_t version;
	uint64_t count;
	uint32_t sector;
};

static int read_super(struct reader *reader, struct super *ret)
{
	struct reader block;
	int r = reader_le64(reader, &ret->magic);

	if (r == 0)
		r = reader_le64(reader, &ret->version);
	if (r == 0)
		r = reader_le64(reader, &ret->count);
	if (r == 0)
		r = reader_le32(reader, &ret->sector);
	if (r < 0 || ret->magic != MAGIC || ret->version != VERSION || ret->count > STEPS_MAX ||
	    ret->sector < SECTOR_MIN || ret->sector > MIB)
		return fail(-EBADMSG, "this is no log of writes");
	return reader_sub(reader, ret->sector - SUPER_SIZE, &block);
}

static int read_entry(struct reader *reader, uint32_t sector, struct entry *ret)
{
	struct reader block;
	int r = reader_sub(reader, sector, &block);

	if (r == 0)
		r = reader_le64(&block, &ret->sector);
	if (r == 0)
		r = reader_le64(&block, &ret->sectors);
	if (r == 0)
		r = reader_le64(&block, &ret->flags);
	if (r < 0)
		return fail(r, "the log of writes is cut short");
	if ((ret->flags & ~(uint64_t)FLAGS_KNOWN) != 0)
		return fail(-EBADMSG, "the log of writes has an entry with flags 0x%llx",
			    (unsigned long long)ret->flags);
	return 0;
}

/* Zeros that were written as data cost as much room as data: they are told apart here. */
static int add_write(struct write_log *log, struct reader *reader, uint32_t sector,
		     const struct entry *entry)
{
	struct write_step step = {};

	if (__builtin_mul_overflow(entry->sector, sector, &step.offset) ||
	    __builtin_mul_overflow(entry->sectors, sector, &step.size))
		return fail(-EBADMSG, "the log of writes has an entry that is too large");
	if (!(entry->flags & FLAG_DISCARD) && reader_borrow(reader, step.size, &step.data) < 0)
		return fail(-EBADMSG, "the log of writes is cut short");
	if (step.data && bytes_are_zero(step.data, step.size))
		step.data = NULL;
	if (step.size > 0)
		log->steps[log->count++] = step;
	return 0;
}

/* An entry may be both: the flush then comes first, as in a write with REQ_PREFLUSH. */
static int read_step(struct write_log *log, struct reader *reader, uint32_t sector)
{
	struct entry entry;
	size_t count = log->count;
	int r = read_entry(reader, sector, &entry);

	if (r < 0)
		return r;
	if (entry.flags & FLAG_FLUSH)
		log->steps[log->count++] = (struct write_step){.flush = true};
	r = add_write(log, reader, sector, &entry);
	for (; r == 0 && count < log->count; count++)
		log->steps[count].end = log->mapping_size - reader->left;
	return r;
}

static int read_steps(struct write_log *log)
{
	struct reader reader = reader_init(log->mapping, log->mapping_size);
	struct super super;
	int r = read_super(&reader, &super);

	if (r < 0)
		return r;
	log->steps = calloc(2 * super.count + 1, sizeof(*log->steps));
	if (!log->steps)
		return -ENOMEM;
	for (uint64_t i = 0; r == 0 && i < super.count; i++)
		r = read_step(log, &reader, super.sector);
	return r;
}

int write_log_open(const char *path, struct write_log *ret)
{
	cleanup(write_log_close) struct write_log log = {};
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size;
	int r;

	if (fd < 0)
		return fail(-errno, "%s cannot be opened: %s", path, strerror(errno));
	r = file_size(fd, &size);
	if (r < 0)
		return r;
	log.mapping = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (log.mapping == MAP_FAILED) {
		log.mapping = NULL;
		return -errno;
	}
	log.mapping_size = size;
	r = read_steps(&log);
	if (r < 0)
		return r;
	*ret = log;
	log = (struct write_log){};
	return 0;
}

void write_log_close(struct write_log *log)
{
	if (log->mapping)
		munmap(log->mapping, log->mapping_size);
	free(log->steps);
	*log = (struct write_log){};
}
