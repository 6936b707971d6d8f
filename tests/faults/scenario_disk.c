/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Manifest, LUKS2 header and conversion, of a small file system on a disk that is a file. */
#include "scenario.h"

#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "crypto/volume_key.h"
#include "crypto/xts.h"
#include "disk/convert/convert.h"
#include "disk/luks/luks.h"
#include "disk/manifest/make.h"

#include <fcntl.h>
#include <string.h>

#define FS_SIZE	    (18 * MIB)
#define HEADER_SIZE (8 * KIB)
#define NAME	    "root"

/* The numbers of known secrets. */
enum {
	VOLUME_KEY,
	MAC_KEY,
	PASSPHRASE,
	WEAK_PASSPHRASE,
};

/* ---- An image ---- */

static struct manifest *manifest;

static void run_shell(const char *command)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "exec >&2; export PATH=$PATH:/usr/sbin:/sbin; cd %s && %s",
		 folder, command);
	must(system(whole) == 0 ? 0 : -EPROTO, command);
}

static int make_image(void)
{
	run_shell(
		"mkdir files && head -c 300000 /dev/urandom >files/random && "
		"head -c 2000000 /dev/zero >files/zeros && "
		"mke2fs -q -t ext4 -b 4096 -N 64 -O ^has_journal,^resize_inode -d files image 18M");
	return 0;
}

static uint8_t *serialized;
static size_t serialized_size;

static int make_image_and_manifest(void)
{
	int r = make_image();

	if (r == 0)
		r = manifest_make(in_folder("image"), NULL, &manifest);
	return r < 0 ? r : manifest_serialize(manifest, &serialized, &serialized_size);
}

static int run_manifest_make(void)
{
	cleanup(manifest_freep) struct manifest *made = NULL;
	cleanup(freep) uint8_t *bytes = NULL;
	const struct manifest_make_options options = {.threads = 2};
	size_t size;
	int r = manifest_make(in_folder("image"), &options, &made);

	fault_off();
	if (r == 0 && (manifest_serialize(made, &bytes, &size) < 0 || size != serialized_size ||
		       memcmp(bytes, serialized, size) != 0))
		wrong("another manifest");
	return r;
}

static void free_serialized(void)
{
	free(serialized);
	manifest_free(manifest);
}

/* Direct I/O that does not work is done without. */
static const struct scenario manifest_make_faults = {.name = "manifest-make",
						     .set_up = make_image_and_manifest,
						     .run = run_manifest_make,
						     .tear_down = free_serialized,
						     .survives = " open64 pread64 "};

/* ---- The LUKS2 header ---- */

static const struct luks_facts facts = {
	.uuid = "0123456789abcde",
	.data_offset = LUKS_DATA_OFFSET,
	.sector_size = 4096,
	.epoch = 7,
};

static int make_header(uint8_t **ret)
{
	cleanup(secret_freep) struct secret *volume_key = NULL;
	cleanup(secret_freep) struct secret *passphrase = NULL;
	struct luks_facts complete = facts;
	struct luks_slot slot;
	size_t size;
	int r = known_secret(VOLUME_KEY, LUKS_VOLUME_KEY_SIZE, &volume_key);

	if (r == 0)
		r = known_secret(PASSPHRASE, 44, &passphrase);
	if (r == 0)
		r = volume_key_digest(HASH_SHA256, volume_key, NAME, complete.uuid,
				      complete.fingerprint);
	if (r < 0)
		return r;
	slot = (struct luks_slot){.passphrase = passphrase};
	return luks_header_make(&complete, volume_key, &slot, 1, ret, &size);
}

static int run_luks_make(void)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	cleanup(freep) uint8_t *data = NULL;
	int r = make_header(&data);

	fault_off();
	if (r == 0 && luks_header_check(data, LUKS_HEADER_SIZE, &header) < 0)
		wrong("%s", fail_sentence(-EBADMSG));
	return r;
}

static int save_header(void)
{
	cleanup(freep) uint8_t *data = NULL;
	int r = make_header(&data);

	if (r == 0)
		write_file("header", data, LUKS_HEADER_SIZE);
	return r;
}

/* libcryptsetup keeps the kernel's random files open for ever. */
static int open_cryptsetup(void)
{
	cleanup(secret_freep) struct secret *key = NULL;
	cleanup(freep) uint8_t *data = NULL;
	struct luks_facts other = facts;
	struct luks_slot slot;
	size_t size;
	int r = secret_random(LUKS_VOLUME_KEY_SIZE, &key);

	slot = (struct luks_slot){.passphrase = key};
	return r < 0 ? r : luks_header_make(&other, key, &slot, 1, &data, &size);
}

static int set_up_header(void)
{
	must(open_cryptsetup(), "libcryptsetup");
	in_child(save_header, "making a header");
	return 0;
}

static int run_luks_open(void)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	cleanup(secret_freep) struct secret *passphrase = NULL;
	cleanup(secret_freep) struct secret *volume_key = NULL;
	cleanup(freep) char *data = NULL;
	struct luks_facts found;
	size_t size;
	int r = file_load_text(in_folder("header"), LUKS_HEADER_SIZE, "header of the test", &data);

	size = LUKS_HEADER_SIZE;
	if (r == 0)
		r = luks_header_check((const uint8_t *)data, size, &header);
	if (r == 0)
		r = known_secret(PASSPHRASE, 44, &passphrase);
	if (r == 0)
		r = luks_header_unlock(header, 0, passphrase, NAME, &found, &volume_key);
	if (r < 0)
		return r;
	must_be_known_secret(volume_key, VOLUME_KEY, LUKS_VOLUME_KEY_SIZE);
	if (found.epoch != 7)
		wrong("another epoch");
	return 0;
}

/* The second says that the volume key is to stay out of keyrings, which is only a switch. */
#define LUKS_SURVIVES " mlock crypt_volume_key_keyring "

static const struct scenario luks_make = {.name = "luks-make",
					  .set_up = open_cryptsetup,
					  .run = run_luks_make,
					  .survives = LUKS_SURVIVES};
static const struct scenario luks_open = {.name = "luks-open",
					  .set_up = set_up_header,
					  .run = run_luks_open,
					  .survives = LUKS_SURVIVES};

/* ---- Conversion ---- */

static unsigned int threads;
static unsigned int writes_left; /* 0: as many as are needed */

static int (*write_to_disk)(void *context, const void *data, size_t size, uint64_t offset);

static int cut_write(void *context, const void *data, size_t size, uint64_t offset)
{
	if (writes_left == 1)
		return fail(-EREMOTEIO, "the test cuts");
	if (writes_left > 0)
		writes_left--;
	return write_to_disk(context, data, size, offset);
}

/* A header's place is of interest here, not what it says. */
static void fill_header(uint8_t *data)
{
	memset(data, 0x4c, HEADER_SIZE);
}

static int is_done(const struct disk_io *io, bool *ret)
{
	cleanup(freep) uint8_t *front = NULL;
	static uint8_t header[HEADER_SIZE];
	int r = disk_buffer_new(HEADER_SIZE, &front);

	if (r == 0)
		r = io->read(io->context, front, HEADER_SIZE, 0);
	if (r < 0)
		return fail(r, "the disk's front: %s", strerror(-r));
	fill_header(header);
	*ret = memcmp(front, header, HEADER_SIZE) == 0;
	return 0;
}

/* What a boot does: resume what was begun, else accept what is finished, else begin. */
static int convert(const struct conversion *conversion, uint64_t size)
{
	const struct convert_options options = {.threads = threads};
	cleanup(freep) uint8_t *found = NULL;
	static uint8_t data[HEADER_SIZE];
	const struct convert_header header = {data, HEADER_SIZE};
	bool done = false;
	size_t found_size;
	int r = convert_find_header(conversion->io, conversion->manifest, &found, &found_size);

	if (r == -ENOENT)
		r = is_done(conversion->io, &done);
	if (r == 0 && !found && !done) {
		r = convert_verify(conversion->io, conversion->manifest, &options);
		fill_header(data);
		if (r == 0)
			r = convert_begin(conversion, &header, size);
	}
	return r < 0 || done ? r : convert_run(conversion, &options);
}

static int convert_disk(void)
{
	cleanup(secret_freep) struct secret *volume_key = NULL;
	cleanup(secret_freep) struct secret *mac_key = NULL;
	cleanup(disk_file_freep) struct disk_file *disk = NULL;
	struct conversion conversion = {
		.manifest = manifest, .sector_size = 4096, .luks_uuid = "0123456789abcde"};
	struct disk_io io;
	int r = known_secret(VOLUME_KEY, XTS_KEY_SIZE, &volume_key);

	if (r == 0)
		r = known_secret(MAC_KEY, MAC_SIZE, &mac_key);
	if (r == 0)
		r = disk_file_open(in_folder("disk"), true, &disk);
	if (r < 0)
		return r;
	io = disk_file_io(disk);
	write_to_disk = io.write;
	io.write = cut_write;
	conversion.io = &io;
	conversion.volume_key = volume_key;
	conversion.mac_key = mac_key;
	return convert(&conversion, disk_file_size(disk));
}

static void copy_file(const char *from_name, const char *to_name, uint64_t size)
{
	static uint8_t data[256 * KIB];
	cleanup(closep) int from = open(in_folder(from_name), O_RDONLY | O_CLOEXEC);
	cleanup(closep) int to =
		open(in_folder(to_name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(from < 0 || to < 0 || ftruncate(to, (off_t)size) < 0 ? -errno : 0, "copying");
	for (uint64_t at = 0; at < size; at += sizeof(data)) {
		ssize_t n = pread(from, data, sizeof(data), (off_t)at);

		must(n < 0 ? -errno : 0, "copying");
		if (n > 0 && !bytes_are_zero(data, (size_t)n))
			must(file_pwrite(to, data, (size_t)n, at), "copying");
	}
}

static void reset_fresh(void)
{
	copy_file("image", "disk", FS_SIZE + CONVERT_TAIL);
}

static void reset_cut(void)
{
	copy_file("cut", "disk", FS_SIZE + CONVERT_TAIL);
}

static void check_disk(void)
{
	static uint8_t is[256 * KIB], wanted[256 * KIB];
	cleanup(closep) int disk = open(in_folder("disk"), O_RDONLY | O_CLOEXEC);
	cleanup(closep) int done = open(in_folder("done"), O_RDONLY | O_CLOEXEC);

	if (disk < 0 || done < 0)
		wrong("no disk to compare");
	for (uint64_t at = 0; at < FS_SIZE + CONVERT_TAIL; at += sizeof(is))
		if (pread(disk, is, sizeof(is), (off_t)at) != sizeof(is) ||
		    pread(done, wanted, sizeof(is), (off_t)at) != sizeof(is) ||
		    memcmp(is, wanted, sizeof(is)) != 0)
			wrong("the disk is not that of an uncut run, at byte %llu",
			      (unsigned long long)at);
}

static int run_convert(void)
{
	int r = convert_disk();

	fault_off();
	if (r == 0)
		check_disk();
	return r;
}

static int cut_disk(void)
{
	int r;

	writes_left = 5;
	r = convert_disk();
	/* The converter makes it -EIO. */
	return r < 0 && writes_left == 1 ? 0 : fail(-EPROTO, "there are too few writes");
}

static int set_up_disk(unsigned int count)
{
	threads = count;
	make_image();
	must(manifest_make(in_folder("image"), NULL, &manifest), "the manifest");
	reset_fresh();
	in_child(convert_disk, "a conversion");
	copy_file("disk", "done", FS_SIZE + CONVERT_TAIL);
	reset_fresh();
	in_child(cut_disk, "a conversion that is cut");
	copy_file("disk", "cut", FS_SIZE + CONVERT_TAIL);
	return 0;
}

static int set_up_alone(void)
{
	return set_up_disk(1);
}

static int set_up_crew(void)
{
	return set_up_disk(2);
}

static void free_manifest(void)
{
	manifest_free(manifest);
}

/* Room is not set aside, and direct I/O not used, where that is not possible. */
#define CONVERT_SURVIVES " mlock fallocate64 "

#define CONVERT_SCENARIO(name_, set_up_, reset_)                                                   \
	{                                                                                          \
		.name = name_, .set_up = set_up_, .reset = reset_, .run = run_convert,             \
		.tear_down = free_manifest, .again = run_convert, .survives = CONVERT_SURVIVES,    \
		.every = 100                                                                       \
	}

static const struct scenario convert_fresh = CONVERT_SCENARIO("convert", set_up_alone, reset_fresh);
static const struct scenario convert_crew =
	CONVERT_SCENARIO("convert-crew", set_up_crew, reset_fresh);
static const struct scenario convert_resume =
	CONVERT_SCENARIO("convert-resume", set_up_alone, reset_cut);

const struct scenario *const scenarios_disk[] = {
	&manifest_make_faults, &luks_make,	&luks_open, &convert_fresh,
	&convert_crew,	       &convert_resume, NULL,
};
