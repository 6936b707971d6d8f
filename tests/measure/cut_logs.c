/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "cut_logs.h"

#include "base/codec.h"
#include "base/file.h"
#include "crypto/hash.h"

#include <endian.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_LIMIT MIB

void broken(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

struct registers {
	uint8_t values[REGISTERS][REGISTER_SIZE];
};

static void extend(struct registers *registers, unsigned int index, enum hash_algorithm bank,
		   const uint8_t *digest)
{
	size_t size = hash_size(bank);
	uint8_t both[2 * REGISTER_SIZE];

	memcpy(both, registers->values[index], size);
	memcpy(both + size, digest, size);
	if (hash_data(bank, both, 2 * size, registers->values[index]) < 0)
		broken("no hash");
}

static bool registers_are(const struct files *files, const struct registers *replayed)
{
	cleanup(freep) char *text = NULL;
	size_t size;

	if (file_read_all(files->registers, LOG_LIMIT, &text, &size) < 0 ||
	    size != sizeof(replayed->values))
		broken("the registers cannot be read");
	return memcmp(text, replayed->values, size) == 0;
}

static bool is_sticky(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && status.st_mode & S_ISVTX;
}

/* No log is an empty one. */
static void load(const char *path, char **ret, size_t *ret_size)
{
	*ret = NULL;
	*ret_size = 0;
	if (file_read_all(path, LOG_LIMIT, ret, ret_size) < 0 && access(path, F_OK) == 0)
		broken("%s cannot be read", path);
}

/* ---- systemd's: RFC 7464, each record between 0x1e and a line feed ---- */

static bool replay_record(const char *text, size_t size, struct registers *registers)
{
	json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *hex = NULL;
	uint8_t digest[32];
	json_int_t pcr = -1;
	int r = json ? json_unpack(json, "{s:I, s:[{s:s}]}", "pcr", &pcr, "digests", "digest", &hex)
		     : -1;

	if (r == 0)
		r = hex_decode(hex, strlen(hex), digest, sizeof(digest));
	json_decref(json);
	if (r < 0 || pcr < 0 || pcr >= REGISTERS)
		return false;
	extend(registers, (unsigned int)pcr, HASH_SHA256, digest);
	return true;
}

struct finding read_pcr_log(const struct files *files)
{
	struct finding finding = {.incomplete = is_sticky(files->log), .whole = true};
	struct registers registers = {};
	cleanup(freep) char *text = NULL;
	const char *at, *end;
	size_t size;

	load(files->log, &text, &size);
	for (at = text; size > 0 && at < text + size; at = end + 1) {
		end = memchr(at, '\n', size - (size_t)(at - text));
		if (!end || *at != 0x1e ||
		    !replay_record(at + 1, (size_t)(end - at - 1), &registers)) {
			finding.whole = false;
			break;
		}
		finding.events++;
	}
	finding.replays = finding.whole && registers_are(files, &registers);
	return finding;
}

/* ---- The agent's: entries of the form TCG_PCR_EVENT2 with one SHA-384 digest ---- */

struct entry {
	uint32_t index, type, count;
	uint16_t algorithm;
	uint8_t digest[REGISTER_SIZE];
	uint32_t size;
} __attribute__((packed));

static size_t replay_entry(const char *text, size_t size, struct registers *registers)
{
	uint8_t digest[REGISTER_SIZE];
	struct entry entry;
	size_t length;

	if (size < sizeof(entry))
		return 0;
	memcpy(&entry, text, sizeof(entry));
	length = sizeof(entry) + le32toh(entry.size);
	if (size < length || le32toh(entry.index) < 1 || le32toh(entry.index) > REGISTERS ||
	    le32toh(entry.type) != 6 || le32toh(entry.count) != 1 ||
	    le16toh(entry.algorithm) != 0x000c ||
	    hash_data(HASH_SHA384, text + sizeof(entry), le32toh(entry.size), digest) < 0 ||
	    memcmp(digest, entry.digest, sizeof(digest)) != 0)
		return 0;
	extend(registers, le32toh(entry.index) - 1, HASH_SHA384, digest);
	return length;
}

struct finding read_rtmr_log(const struct files *files)
{
	struct finding finding = {
		.incomplete = is_sticky(files->log) || access(files->journal, F_OK) == 0,
		.whole = true,
	};
	struct registers registers = {};
	cleanup(freep) char *text = NULL;
	size_t size, at = 0;

	load(files->log, &text, &size);
	while (at < size && finding.whole) {
		size_t length = replay_entry(text + at, size - at, &registers);

		finding.whole = length > 0;
		finding.events += length > 0;
		at += length;
	}
	finding.replays = finding.whole && registers_are(files, &registers);
	return finding;
}
