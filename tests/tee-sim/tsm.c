/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * The kernel's reports of trusted security modules, tsm/report below the configfs of a guest
 * (Documentation/ABI/testing/configfs-tsm-report), as a FUSE file system over it: a folder made in
 * report/ is an entry whose files are the request and the answer.
 */
#include "fuse.h"
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES_MAX 16

/* Numbers of nodes: an entry's folder is a multiple of NODES_PER_ENTRY, its files follow. */
enum {
	NODE_ROOT = FUSE_ROOT_ID,
	NODE_TSM,
	NODE_REPORT,
	NODES_PER_ENTRY = 32,
};

enum attribute {
	ATTR_PROVIDER,
	ATTR_GENERATION,
	ATTR_INBLOB,
	ATTR_OUTBLOB,
	ATTR_AUXBLOB,
	ATTR_PRIVLEVEL,
	ATTR_PRIVLEVEL_FLOOR,
	ATTR_COUNT,
};

static const struct {
	const char *name;
	mode_t mode;
} attributes[ATTR_COUNT] = {
	[ATTR_PROVIDER] = {"provider", 0444},
	[ATTR_GENERATION] = {"generation", 0444},
	[ATTR_INBLOB] = {"inblob", 0200},
	[ATTR_OUTBLOB] = {"outblob", 0400},
	[ATTR_AUXBLOB] = {"auxblob", 0400},
	[ATTR_PRIVLEVEL] = {"privlevel", 0200},
	[ATTR_PRIVLEVEL_FLOOR] = {"privlevel_floor", 0444},
};

struct entry {
	char name[NAME_MAX + 1];
	uint64_t node;			  /* 0: not in use */
	unsigned long written, generated; /* generations */
	struct bytes pending;		  /* written to inblob, not yet closed */
	uint8_t inblob[REPORT_DATA_SIZE];
	size_t inblob_size;
	struct bytes outblob, auxblob;
};

static struct {
	const struct sim *sim;
	const struct tsm_provider *provider;
	int fd;
	struct entry entries[ENTRIES_MAX];
	uint64_t next_node;
} tsm = {.next_node = NODES_PER_ENTRY};

static const struct tsm_provider providers[] = {
	{"sev_guest", true, NULL, snp_make_report, snp_make_certificates},
	{"tdx_guest", false, tdx_guest_start, tdx_make_quote, NULL},
	{"arm_cca_guest", false, NULL, cca_make_token, NULL},
};

const struct tsm_provider *tsm_find_provider(const char *name)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (strcmp(providers[i].name, name) == 0)
			return &providers[i];
	die("no provider \"%s\"", name);
}

/* ---- Nodes ---- */

static struct entry *entry_of(uint64_t node)
{
	uint64_t folder = node - node % NODES_PER_ENTRY;

	for (size_t i = 0; folder > 0 && i < ENTRIES_MAX; i++)
		if (tsm.entries[i].node == folder)
			return &tsm.entries[i];
	return NULL;
}

static struct entry *entry_named(const char *name)
{
	for (size_t i = 0; i < ENTRIES_MAX; i++)
		if (tsm.entries[i].node > 0 && strcmp(tsm.entries[i].name, name) == 0)
			return &tsm.entries[i];
	return NULL;
}

static bool visible(enum attribute attribute)
{
	switch (attribute) {
	case ATTR_AUXBLOB:
		return tsm.provider->auxiliary;
	case ATTR_PRIVLEVEL:
	case ATTR_PRIVLEVEL_FLOOR:
		return tsm.provider->privileged;
	default:
		return attribute < ATTR_COUNT;
	}
}

/* ATTR_COUNT: the node is a folder. */
static enum attribute attribute_of(uint64_t node)
{
	uint64_t number = node % NODES_PER_ENTRY;

	return node < NODES_PER_ENTRY || number == 0 ? ATTR_COUNT : (enum attribute)(number - 1);
}

static struct fuse_attr describe(uint64_t node)
{
	enum attribute attribute = attribute_of(node);
	bool folder = attribute == ATTR_COUNT;

	return (struct fuse_attr){
		.ino = node,
		.size = folder ? 0 : 4096,
		.mode = folder ? S_IFDIR | 0755 : S_IFREG | attributes[attribute].mode,
		.nlink = folder ? 2 : 1,
		.blksize = 4096,
	};
}

static bool exists(uint64_t node)
{
	return node <= NODE_REPORT || entry_of(node);
}

/* 0: no such name in the folder. */
static uint64_t find(uint64_t folder, const char *name)
{
	struct entry *entry;

	if (folder == NODE_ROOT)
		return strcmp(name, "tsm") == 0 ? NODE_TSM : 0;
	if (folder == NODE_TSM)
		return strcmp(name, "report") == 0 ? NODE_REPORT : 0;
	if (folder == NODE_REPORT) {
		entry = entry_named(name);
		return entry ? entry->node : 0;
	}
	entry = entry_of(folder);
	for (enum attribute i = 0; entry && i < ATTR_COUNT; i++)
		if (visible(i) && strcmp(attributes[i].name, name) == 0)
			return entry->node + 1 + i;
	return 0;
}

/* ---- Requests ---- */

static void answer(const struct fuse_request *request, int error, const void *data, size_t size)
{
	fuse_reply(tsm.fd, request, error, data, size);
}

static void answer_entry(const struct fuse_request *request, uint64_t node)
{
	/* No validity: the kernel asks each time. */
	struct fuse_entry_out out = {.nodeid = node, .attr = describe(node)};

	answer(request, node ? 0 : ENOENT, &out, sizeof(out));
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

static void do_lookup(const struct fuse_request *request)
{
	answer_entry(request, find(request->header.nodeid, (const char *)request->body));
}

static void do_getattr(const struct fuse_request *request)
{
	uint64_t node = request->header.nodeid;
	struct fuse_attr_out out = {.attr = describe(node)};

	answer(request, exists(node) ? 0 : ENOENT, &out, sizeof(out));
}

static struct entry *free_entry(void)
{
	for (size_t i = 0; i < ENTRIES_MAX; i++)
		if (tsm.entries[i].node == 0)
			return &tsm.entries[i];
	return NULL;
}

static void do_mkdir(const struct fuse_request *request)
{
	const char *name = (const char *)request->body + sizeof(struct fuse_mkdir_in);
	struct entry *entry = free_entry();
	int error = 0;

	if (find(request->header.nodeid, name))
		error = EEXIST;
	else if (request->header.nodeid != NODE_REPORT)
		error = EPERM;
	else if (!entry)
		error = ENOSPC;
	if (error != 0) {
		answer(request, error, NULL, 0);
		return;
	}
	*entry = (struct entry){.node = tsm.next_node};
	tsm.next_node += NODES_PER_ENTRY;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	answer_entry(request, entry->node);
}

static void do_rmdir(const struct fuse_request *request)
{
	struct entry *entry = entry_named((const char *)request->body);

	if (request->header.nodeid != NODE_REPORT || !entry) {
		answer(request, request->header.nodeid == NODE_REPORT ? ENOENT : EPERM, NULL, 0);
		return;
	}
	bytes_free(&entry->pending);
	bytes_free(&entry->outblob);
	bytes_free(&entry->auxblob);
	*entry = (struct entry){0};
	answer(request, 0, NULL, 0);
}

static void do_open(const struct fuse_request *request)
{
	/* What is read comes from here each time, not from the page cache. */
	struct fuse_open_out out = {.open_flags = FOPEN_DIRECT_IO};

	answer(request, exists(request->header.nodeid) ? 0 : ENOENT, &out, sizeof(out));
}

static void put_name(struct bytes *bytes, uint64_t node, const char *name)
{
	struct fuse_dirent entry = {
		.ino = node,
		.off = bytes->size + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + strlen(name)),
		.namelen = (uint32_t)strlen(name),
		.type = describe(node).mode >> 12,
	};

	bytes_put(bytes, &entry, FUSE_NAME_OFFSET);
	bytes_put_text(bytes, name);
	bytes_put_zeros(bytes, (8 - bytes->size % 8) % 8);
}

static void do_readdir(const struct fuse_request *request)
{
	const struct fuse_read_in *in = (const void *)request->body;
	struct bytes names = {0};
	uint64_t folder = request->header.nodeid;
	size_t offset;

	for (size_t i = 0; folder == NODE_REPORT && i < ENTRIES_MAX; i++)
		if (tsm.entries[i].node > 0)
			put_name(&names, tsm.entries[i].node, tsm.entries[i].name);
	for (enum attribute i = 0; entry_of(folder) && i < ATTR_COUNT; i++)
		if (visible(i))
			put_name(&names, folder + 1 + i, attributes[i].name);
	if (folder == NODE_ROOT)
		put_name(&names, NODE_TSM, "tsm");
	if (folder == NODE_TSM)
		put_name(&names, NODE_REPORT, "report");
	/* All fits into one answer of a page: 16 entries, or the files of one. */
	offset = in->offset < names.size ? in->offset : names.size;
	answer(request, 0, names.data + offset, names.size - offset);
	bytes_free(&names);
}

/* ---- Attributes ---- */

/* The answer to the inblob, made anew when something was written since. */
static int make_report(struct entry *entry)
{
	uint8_t report_data[REPORT_DATA_SIZE] = {0};

	if (entry->inblob_size == 0)
		return EINVAL;
	if (entry->outblob.size > 0 && entry->generated == entry->written)
		return 0;
	bytes_free(&entry->outblob);
	bytes_free(&entry->auxblob);
	memcpy(report_data, entry->inblob, entry->inblob_size);
	tsm.provider->report(tsm.sim, tsm.sim->stale ? tsm.sim->stale : report_data,
			     &entry->outblob);
	if (tsm.provider->auxiliary)
		tsm.provider->auxiliary(tsm.sim, &entry->auxblob);
	entry->generated = entry->written;
	return 0;
}

static int show(struct entry *entry, enum attribute attribute, struct bytes *ret)
{
	char text[32];
	int error;

	switch (attribute) {
	case ATTR_PROVIDER:
		bytes_put_text(ret, tsm.provider->name);
		bytes_put_text(ret, "\n");
		return 0;
	case ATTR_GENERATION:
		snprintf(text, sizeof(text), "%lu\n", entry->written);
		bytes_put_text(ret, text);
		return 0;
	case ATTR_PRIVLEVEL_FLOOR:
		bytes_put_text(ret, "0\n");
		return 0;
	case ATTR_OUTBLOB:
	case ATTR_AUXBLOB:
		error = make_report(entry);
		if (error == 0)
			bytes_put_bytes(ret, attribute == ATTR_OUTBLOB ? &entry->outblob
								       : &entry->auxblob);
		return error;
	default:
		return EACCES;
	}
}

static void do_read(const struct fuse_request *request)
{
	const struct fuse_read_in *in = (const void *)request->body;
	struct entry *entry = entry_of(request->header.nodeid);
	struct bytes value = {0};
	size_t offset, size;
	int error = entry ? show(entry, attribute_of(request->header.nodeid), &value) : ENOENT;

	offset = in->offset < value.size ? in->offset : value.size;
	size = value.size - offset < in->size ? value.size - offset : in->size;
	answer(request, error, value.data ? value.data + offset : NULL, size);
	bytes_free(&value);
}

/* Generations may not wrap around to the one that was read last. */
static int advance(struct entry *entry)
{
	if (entry->written + 1 == entry->generated)
		return EBUSY;
	entry->written++;
	return 0;
}

static void do_write(const struct fuse_request *request)
{
	const struct fuse_write_in *in = (const void *)request->body;
	struct entry *entry = entry_of(request->header.nodeid);
	enum attribute attribute = attribute_of(request->header.nodeid);
	struct fuse_write_out out = {.size = in->size};
	int error = 0;

	if (!entry || in->size > request->size - sizeof(*in))
		error = ENOENT;
	else if (attribute == ATTR_INBLOB && in->offset != entry->pending.size)
		error = EINVAL;
	else if (attribute == ATTR_INBLOB)
		bytes_put(&entry->pending, request->body + sizeof(*in), in->size);
	else if (attribute == ATTR_PRIVLEVEL)
		/* Only the level of the guest's operating system is simulated. */
		error = in->size > 0 && request->body[sizeof(*in)] == '0' ? advance(entry) : EINVAL;
	else
		error = EACCES;
	answer(request, error, &out, sizeof(out));
}

/* configfs takes a binary attribute over when its file is closed. */
static void do_flush(const struct fuse_request *request)
{
	struct entry *entry = entry_of(request->header.nodeid);
	int error = 0;

	if (entry && entry->pending.size > 0) {
		if (entry->pending.size > REPORT_DATA_SIZE)
			error = EINVAL;
		else
			error = advance(entry);
		if (error == 0) {
			entry->inblob_size = entry->pending.size;
			memcpy(entry->inblob, entry->pending.data, entry->pending.size);
		}
		bytes_free(&entry->pending);
	}
	answer(request, error, NULL, 0);
}

static void do_statfs(const struct fuse_request *request)
{
	struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = NAME_MAX}};

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
	case FUSE_SETATTR:
		do_getattr(request);
		break;
	case FUSE_MKDIR:
		do_mkdir(request);
		break;
	case FUSE_RMDIR:
		do_rmdir(request);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		do_open(request);
		break;
	case FUSE_READDIR:
		do_readdir(request);
		break;
	case FUSE_READ:
		do_read(request);
		break;
	case FUSE_WRITE:
		do_write(request);
		break;
	case FUSE_FLUSH:
		do_flush(request);
		break;
	case FUSE_STATFS:
		do_statfs(request);
		break;
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

void tsm_serve(const struct sim *sim, const struct tsm_provider *provider, const char *target)
{
	struct fuse_request request;

	tsm.sim = sim;
	tsm.provider = provider;
	if (access(target, F_OK) < 0)
		module_load("kernel/fs/configfs/configfs");
	tsm.fd = fuse_mount(target);
	if (provider->device)
		provider->device(sim);
	detach();
	while (fuse_receive(tsm.fd, &request))
		serve_one(&request);
}
