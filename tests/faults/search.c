/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "scenario.h"

#include "base/codec.h"
#include "base/reader.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define WINDOW	    (64 * KIB)
#define NEEDLE	    12 /* bytes: a freed chunk loses its first 16 */
#define NEEDLES_MAX (KNOWN_SECRETS * 8)
/* Shadow memory of a sanitizer, and arenas that are address space only. */
#define MAPPING_MAX (512 * MIB)

void known_secret_fill(unsigned int number, void *ret, size_t size)
{
	uint8_t *to = ret;

	for (size_t i = 0; i < size; i++) {
		uint64_t z = (number + 1) * 0x9e3779b97f4a7c15U + i * 0xbf58476d1ce4e5b9U;

		z = (z ^ (z >> 29)) * 0x94d049bb133111ebU;
		z = (z ^ (z >> 32)) * 0x9e3779b97f4a7c15U;
		to[i] = (uint8_t)(z >> 56);
	}
}

int known_secret(unsigned int number, size_t size, struct secret **ret)
{
	int r = secret_new(size, ret);

	if (r == 0)
		known_secret_fill(number, (*ret)->data, size);
	return r;
}

void must_be_known_secret(const struct secret *secret, unsigned int number, size_t size)
{
	static uint8_t expected[KNOWN_SECRET_SIZE];

	known_secret_fill(number, expected, size);
	if (secret->size != size || memcmp(secret->data, expected, size) != 0)
		wrong("%zu bytes that are not secret %u", secret->size, number);
	explicit_bzero(expected, sizeof(expected));
}

/* All that would find itself is here, in a mapping that is not searched. */
struct search {
	struct {
		unsigned int number;
		uint8_t bytes[NEEDLE];
	} needles[NEEDLES_MAX];
	size_t count;
	bool begins[65536]; /* a needle begins with these two bytes */
	uint8_t window[WINDOW + NEEDLE];
	char line[512];
	uint8_t secret[KNOWN_SECRET_SIZE];
	char text[2 * KNOWN_SECRET_SIZE];
	char found[256];
};

static void add(struct search *search, unsigned int number, const void *bytes)
{
	const uint8_t *begin = bytes;

	search->begins[begin[0] << 8 | begin[1]] = true;
	search->needles[search->count].number = number;
	memcpy(search->needles[search->count++].bytes, bytes, NEEDLE);
}

static void make_needles(struct search *search)
{
	for (unsigned int number = 0; number < KNOWN_SECRETS; number++) {
		known_secret_fill(number, search->secret, KNOWN_SECRET_SIZE);
		add(search, number, search->secret);
		add(search, number, search->secret + 18);
		add(search, number, search->secret + 48);
		base64_encode(search->secret, 32, search->text);
		add(search, number, search->text);
		add(search, number, search->text + 30);
		base64url_encode(search->secret, 32, search->text);
		add(search, number, search->text + 30);
	}
}

static bool is_needle(const struct search *search, const uint8_t *at, unsigned int *ret_number)
{
	for (size_t i = 0; i < search->count; i++)
		if (memcmp(at, search->needles[i].bytes, NEEDLE) == 0) {
			*ret_number = search->needles[i].number;
			return true;
		}
	return false;
}

static bool look(const struct search *search, size_t size, unsigned int *ret_number)
{
	if (bytes_are_zero(search->window, size))
		return false;
	for (size_t i = 0; i + NEEDLE <= size; i++) {
		const uint8_t *at = search->window + i;

		if (search->begins[at[0] << 8 | at[1]] && is_needle(search, at, ret_number))
			return true;
	}
	return false;
}

static bool look_at_mapping(struct search *search, int memory, uint64_t start, uint64_t end,
			    unsigned int *ret_number)
{
	for (uint64_t at = start; at < end; at += WINDOW) {
		size_t wanted = MIN(end - at, WINDOW + NEEDLE);
		ssize_t n = pread(memory, search->window, wanted, (off_t)at);

		/* Guard pages within it; what lies behind them is read in smaller steps. */
		if (n > 0 && look(search, (size_t)n, ret_number))
			return true;
	}
	return false;
}

static const char *look_everywhere(struct search *search, FILE *maps, int memory,
				   unsigned int *ret_number)
{
	while (fgets(search->line, sizeof(search->line), maps)) {
		unsigned long start, end;
		char access[8] = "", name[200] = "";

		if (sscanf(search->line, "%lx-%lx %7s %*s %*s %*s %199s", &start, &end, access,
			   name) < 3)
			continue;
		if (access[1] != 'w' || end - start > MAPPING_MAX ||
		    (start <= (uintptr_t)search && end > (uintptr_t)search))
			continue;
		if (look_at_mapping(search, memory, start, end, ret_number)) {
			snprintf(search->found, sizeof(search->found), "%s",
				 name[0] != '\0' ? name : "an anonymous mapping");
			return search->found;
		}
	}
	return NULL;
}

const char *find_known_secret(unsigned int *ret_number)
{
	/* Apart from its neighbours, that the kernel would merge it with. */
	uint8_t *area = mmap(NULL, sizeof(struct search) + 8192, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct search *search = (struct search *)(area + 4096);
	FILE *maps = fopen("/proc/self/maps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	const char *found;

	if (area == MAP_FAILED || !maps || memory < 0 ||
	    mprotect(search, sizeof(*search), PROT_READ | PROT_WRITE) < 0)
		wrong("this process cannot be searched");
	make_needles(search);
	found = look_everywhere(search, maps, memory, ret_number);
	fclose(maps);
	close(memory);
	return found;
}
