/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * The registers of a TDX guest as the kernel shows them since 6.16, tdx_guest/measurements below
 * /sys/devices/virtual/misc (Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest): a
 * FUSE file system, since no folder can be made in sysfs. What is written is extended. Beside them
 * the log of the firmware, as ACPI's table CCEL leads to it.
 */
#include "fuse.h"
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGISTERS "/sys/devices/virtual/misc"
#define LOGS	  "/sys/firmware/acpi/tables/data"

enum {
	NODE_ROOT = FUSE_ROOT_ID,
	NODE_GUEST,
	NODE_MEASUREMENTS,
	NODE_FIRST, /* of the files */
};

static const char *const names[] = {
	"rtmr0:sha384", "rtmr1:sha384", "rtmr2:sha384", "rtmr3:sha384",
	"mrtd:sha384",	"mrconfigid",	"mrowner",	"mrownerconfig",
};
#define FILES	   (sizeof(names) / sizeof(names[0]))
#define MRTD	   RTMR_COUNT
#define MRCONFIGID (RTMR_COUNT + 1)

static const struct sim *sim;
static int fd;

static bool is_file(uint64_t node)
{
	return node >= NODE_FIRST && node < NODE_FIRST + FILES;
}

static bool is_rtmr(uint64_t node)
{
	return node >= NODE_FIRST && node < NODE_FIRST + RTMR_COUNT;
}

static struct fuse_attr describe(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = is_file(node) ? MEASUREMENT_SIZE : 0,
		.mode = is_rtmr(node)	? S_IFREG | 0644
			: is_file(node) ? S_IFREG | 0444
					: S_IFDIR | 0755,
		.nlink = is_file(node) ? 1 : 2,
		.blksize = 4096,
	};
}

static void answer(const struct fuse_request *request, int error, const void *data, size_t size)
{
	fuse_reply(fd, request, error, data, size);
}

/* 0: no such name in the folder. */
static uint64_t find(uint64_t folder, const char *name)
{
	if (folder == NODE_ROOT)
		return strcmp(name, "tdx_guest") == 0 ? NODE_GUEST : 0;
	if (folder == NODE_GUEST)
		return strcmp(name, "measurements") == 0 ? NODE_MEASUREMENTS : 0;
	for (size_t i = 0; folder == NODE_MEASUREMENTS && i < FILES; i++)
		if (strcmp(names[i], name) == 0)
			return NODE_FIRST + i;
	return 0;
}

static void do_lookup(const struct fuse_request *request)
{
	uint64_t node = find(request->header.nodeid, (const char *)request->body);
	struct fuse_entry_out out = {.nodeid = node, .attr = describe(node)};

	answer(request, node ? 0 : ENOENT, &out, sizeof(out));
}

static void do_getattr(const struct fuse_request *request)
{
	struct fuse_attr_out out = {.attr = describe(request->header.nodeid)};

	answer(request, 0, &out, sizeof(out));
}

static void do_open(const struct fuse_request *request)
{
	/* What is read comes from here each time, not from the page cache. */
	struct fuse_open_out out = {.open_flags = FOPEN_DIRECT_IO};

	answer(request, 0, &out, sizeof(out));
}

static void do_read(const struct fuse_request *request)
{
	static const uint8_t zeros[MEASUREMENT_SIZE];
	const struct fuse_read_in *in = (const void *)request->body;
	uint64_t number = request->header.nodeid - NODE_FIRST;
	const uint8_t *value = zeros;
	size_t offset = in->offset < MEASUREMENT_SIZE ? in->offset : MEASUREMENT_SIZE;
	size_t left = MEASUREMENT_SIZE - offset;

	if (number < RTMR_COUNT)
		value = sim->rtmr[number];
	else if (number == MRTD)
		value = sim->measurement;
	else if (number == MRCONFIGID)
		value = sim->initdata;
	answer(request, 0, value + offset, left < in->size ? left : in->size);
}

static void extend(uint8_t *value, const uint8_t *digest)
{
	uint8_t pair[2 * MEASUREMENT_SIZE];

	memcpy(pair, value, MEASUREMENT_SIZE);
	memcpy(pair + MEASUREMENT_SIZE, digest, MEASUREMENT_SIZE);
	hash_bytes("SHA384", pair, sizeof(pair), value);
}

static void do_write(const struct fuse_request *request)
{
	const struct fuse_write_in *in = (const void *)request->body;
	struct fuse_write_out out = {.size = in->size};
	uint64_t node = request->header.nodeid;
	int error = 0;

	if (!is_rtmr(node))
		error = EACCES;
	else if (in->offset != 0 || in->size != MEASUREMENT_SIZE ||
		 request->size != sizeof(*in) + MEASUREMENT_SIZE)
		error = EINVAL;
	else if (sim->broken_rtmrs & 1U << (node - NODE_FIRST))
		error = EIO;
	else
		extend(sim->rtmr[node - NODE_FIRST], request->body + sizeof(*in));
	answer(request, error, &out, sizeof(out));
}

static void do_init(const struct fuse_request *request)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = FUSE_WRITE_MAX,
	};

	answer(request, 0, &out, sizeof(out));
}

static void serve_one(const struct fuse_request *request)
{
	switch (request->header.opcode) {
	case FUSE_INIT:
		do_init(request);
		break;
	case FUSE_LOOKUP:
		do_lookup(request);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR: /* O_TRUNC, which sysfs ignores */
		do_getattr(request);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		do_open(request);
		break;
	case FUSE_READ:
		do_read(request);
		break;
	case FUSE_WRITE:
		do_write(request);
		break;
	case FUSE_READDIR: /* nobody lists them */
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_DESTROY:
		answer(request, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break; /* not answered */
	default:
		answer(request, ENOSYS, NULL, 0);
	}
}

static void show_log(const char *path)
{
	int file;

	check(mount("tee-sim", LOGS, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0,
	      "mounting over %s failed: %s", LOGS, strerror(errno));
	file = open(LOGS "/CCEL", O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	close(file);
	check(file >= 0 && mount(path, LOGS "/CCEL", NULL, MS_BIND, NULL) == 0,
	      "showing %s as CCEL failed: %s", path, strerror(errno));
}

void measurements_start(const struct sim *simulated)
{
	struct fuse_request request;

	sim = simulated;
	if (sim->ccel)
		show_log(sim->ccel);
	if (!sim->measurements)
		return;
	fd = fuse_mount(REGISTERS);
	if (fork_server()) {
		close(fd);
		return;
	}
	while (fuse_receive(fd, &request))
		serve_one(&request);
	_exit(0);
}
