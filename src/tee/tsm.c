/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "tee/tsm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* An attempt fails when the provider is busy or somebody else wrote into our entry. */
#define ATTEMPTS	5
#define PAUSE_MS	20 /* doubled each time: 20, 40, 80, 160 */
#define ATTRIBUTE_LIMIT 64

/* A folder of our own below the interface. */
struct entry {
	int base;
	int folder;
	char name[sizeof("cvmroot-") + 2 * 8];
};

static void entry_done(struct entry *entry)
{
	if (entry->folder >= 0)
		close(entry->folder);
	/* The attributes in it go with it; nothing else can be in it. */
	if (entry->name[0] != '\0' && unlinkat(entry->base, entry->name, AT_REMOVEDIR) < 0)
		log_debug("cannot remove %s/%s: %s", TSM_REPORT_PATH, entry->name, strerror(errno));
	if (entry->base >= 0)
		close(entry->base);
}

static int entry_fail(const char *base, int error)
{
	/* ENXIO is the kernel's word for "no provider is loaded". */
	if (error == -ENOENT || error == -ENOTDIR || error == -ENXIO)
		return fail(-ENODEV,
			    "the kernel offers no TEE reports: %s %s (configfs must be mounted "
			    "and the guest driver of the TEE loaded; Linux 6.7 or newer)",
			    base, error == -ENXIO ? "has no provider" : "is not there");
	return fail(error, "cannot make a request below %s: %s", base, strerror(-error));
}

static int entry_new(const char *base, struct entry *ret)
{
	uint8_t random[8];
	char name[sizeof(ret->name)] = "cvmroot-";
	int r;

	*ret = (struct entry){.base = -1, .folder = -1};
	r = random_bytes(random, sizeof(random));
	if (r < 0)
		return r;
	hex_encode(random, sizeof(random), name + strlen(name));
	ret->base = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->base < 0 || mkdirat(ret->base, name, 0700) < 0)
		return entry_fail(base, -errno);
	memcpy(ret->name, name, sizeof(name));
	ret->folder = openat(ret->base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->folder < 0 ? entry_fail(base, -errno) : 0;
}

static int read_blob(const struct entry *entry, const char *attribute, size_t limit, uint8_t **ret,
		     size_t *ret_size)
{
	cleanup(closep) int fd = openat(entry->folder, attribute, O_RDONLY | O_CLOEXEC);
	char *data = NULL;
	int r = fd < 0 ? -errno : file_read_all_fd(fd, limit, &data, ret_size);

	if (r < 0)
		return r == -ENOENT ? r
				    : fail(r, "cannot read %s of the kernel's report interface: %s",
					   attribute, strerror(-r));
	*ret = (uint8_t *)data;
	return 0;
}

/* Text attributes end in a newline. */
static int read_text(const struct entry *entry, const char *attribute,
		     char ret[static ATTRIBUTE_LIMIT + 1])
{
	cleanup(freep) uint8_t *data = NULL;
	size_t size = 0;
	int r = read_blob(entry, attribute, ATTRIBUTE_LIMIT, &data, &size);

	if (r < 0)
		return r;
	if (size > 0 && data[size - 1] == '\n')
		size--;
	/* analyze: core.NonNullParamChecker: what was read is there, be it no byte */
	if (memchr(data, '\0', size))
		return fail(-EBADMSG, "%s of the kernel's report interface is malformed",
			    attribute);
	memcpy(ret, data, size);
	ret[size] = '\0';
	return 0;
}

static int read_number(const struct entry *entry, const char *attribute, uint64_t *ret)
{
	char text[ATTRIBUTE_LIMIT + 1];
	uint64_t value = 0;
	int r = read_text(entry, attribute, text);

	if (r < 0)
		return r;
	for (const char *c = text; *c != '\0' || c == text; c++)
		if (*c < '0' || *c > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
			return fail(-EBADMSG,
				    "%s of the kernel's report interface is not a number: \"%s\"",
				    attribute, text);
	*ret = value;
	return 0;
}

/* In one write: configfs takes what it was given when the file is closed. */
static int write_attribute(const struct entry *entry, const char *attribute, const void *data,
			   size_t size)
{
	int fd = openat(entry->folder, attribute, O_WRONLY | O_CLOEXEC), r = 0;
	ssize_t n;

	if (fd < 0)
		r = -errno;
	else {
		n = write(fd, data, size);
		r = n < 0 ? -errno : (size_t)n != size ? -EIO : 0;
		if (close(fd) < 0 && r == 0)
			r = -errno;
	}
	if (r < 0)
		return fail(r, "cannot write %s of the kernel's report interface: %s", attribute,
			    strerror(-r));
	return 0;
}

static int check_provider(const struct entry *entry, const char *wanted)
{
	char provider[ATTRIBUTE_LIMIT + 1];
	int r = read_text(entry, "provider", provider);

	if (r < 0)
		return r;
	if (strcmp(provider, wanted) != 0)
		return fail(-ENODEV, "the kernel's TEE reports are of \"%s\", not of \"%s\"",
			    provider, wanted);
	return 0;
}

/*
 * A kernel that does not run at the highest privilege level (below an SVSM, say) tells the best one
 * that it can speak for. Elsewhere the attributes are missing or zero, and zero is the default.
 */
static int set_privlevel(const struct entry *entry, uint32_t *ret_privlevel, uint64_t *writes)
{
	char text[16];
	uint64_t floor;
	int r = read_number(entry, "privlevel_floor", &floor);

	if (r == -ENOENT || (r == 0 && floor == 0)) {
		*ret_privlevel = 0;
		return 0;
	}
	if (r < 0)
		return r;
	if (floor > 3)
		return fail(-EBADMSG, "the kernel's privilege level %llu is impossible",
			    (unsigned long long)floor);
	*ret_privlevel = (uint32_t)floor;
	snprintf(text, sizeof(text), "%u", *ret_privlevel);
	r = write_attribute(entry, "privlevel", text, strlen(text));
	*writes += r == 0;
	return r;
}

static int read_report(const struct entry *entry, struct tsm_report *ret)
{
	int r = read_blob(entry, "outblob", TSM_OUTBLOB_LIMIT, &ret->outblob, &ret->outblob_size);

	if (r < 0)
		return r == -ENOENT ? fail(r, "the kernel's report interface has no outblob") : r;
	if (ret->outblob_size == 0)
		return fail(-EBADMSG, "the kernel's report interface gave an empty report");
	r = read_blob(entry, "auxblob", TSM_AUXBLOB_LIMIT, &ret->auxblob, &ret->auxblob_size);
	return r == -ENOENT ? 0 : r;
}

/*
 * Every write counts the generation up by one. So when it went up by what we wrote, the report is
 * about that; errors of our own writes show here too, since configfs does not hand them back.
 */
static int request(const struct entry *entry, const uint8_t inblob[static TSM_INBLOB_SIZE],
		   struct tsm_report *ret)
{
	uint64_t before = 0, after = 0, writes = 1;
	int r = read_number(entry, "generation", &before);

	if (r == -ENOENT)
		return fail(r, "the kernel's report interface has no generation");
	if (r == 0)
		r = set_privlevel(entry, &ret->privlevel, &writes);
	if (r == 0)
		r = write_attribute(entry, "inblob", inblob, TSM_INBLOB_SIZE);
	if (r == 0)
		r = read_report(entry, ret);
	if (r == 0)
		r = read_number(entry, "generation", &after);
	if (r < 0)
		return r;
	if (after - before != writes)
		return fail(-EBUSY,
			    "the kernel's report interface took %llu writes instead of "
			    "our %llu: somebody else uses our request",
			    (unsigned long long)(after - before), (unsigned long long)writes);
	return 0;
}

static int attempt(const char *base, const char *provider,
		   const uint8_t inblob[static TSM_INBLOB_SIZE], struct tsm_report *ret)
{
	cleanup(tsm_report_done) struct tsm_report report = {};
	cleanup(entry_done) struct entry entry;
	int r = entry_new(base, &entry);

	if (r == 0)
		r = check_provider(&entry, provider);
	if (r == 0)
		r = request(&entry, inblob, &report);
	if (r < 0)
		return r;
	*ret = report;
	report = (struct tsm_report){};
	return 0;
}

/* There is nothing to wait on: the kernel does not tell when a provider is free again. */
static void pause_before(unsigned int try)
{
	struct timespec time = {.tv_nsec = (long)(PAUSE_MS * 1000000) << (try - 1)};

	nanosleep(&time, NULL);
}

int tsm_report_get(const char *base, const char *provider,
		   const uint8_t inblob[static TSM_INBLOB_SIZE], struct tsm_report *ret)
{
	int r = -EBUSY;

	for (unsigned int try = 0; try < ATTEMPTS; try++) {
		if (try > 0)
			pause_before(try);
		r = attempt(base, provider, inblob, ret);
		/* EAGAIN is configfs-tsm's EWOULDBLOCK. */
		if (r != -EBUSY && r != -EAGAIN && r != -EINTR && r != -ETIMEDOUT)
			return r;
		log_debug("request %u of %d: %s", try + 1, ATTEMPTS, fail_sentence(r));
	}
	return fail(-EBUSY, "%d requests for a TEE report failed, the last one so: %s", ATTEMPTS,
		    fail_sentence(r));
}

int tsm_has_provider(const char *base, const char *provider)
{
	cleanup(entry_done) struct entry entry;
	int r = entry_new(base, &entry);

	if (r == 0)
		r = check_provider(&entry, provider);
	return r == -ENODEV ? 0 : r < 0 ? r : 1;
}

void tsm_report_done(struct tsm_report *report)
{
	free(report->outblob);
	free(report->auxblob);
	*report = (struct tsm_report){};
}
