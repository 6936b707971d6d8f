/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of counts, one for each second, up to the last that is not 0. */
static void print_counts(const char *title, const unsigned int *counts)
{
	size_t size = STORM_SECONDS;

	while (size > 0 && counts[size - 1] == 0)
		size--;
	printf("%s", title);
	for (size_t i = 0; i < size; i++)
		printf(" %u", counts[i]);
	printf("\n");
}

static unsigned int number(const char *text, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end != text && *end == '\0' && value <= most)
		return (unsigned int)value;
	fprintf(stderr, "%s: not a number up to %lu\n", text, most);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct storm storm;
	struct storm_options options = {};
	unsigned long most_ms = STORM_SECONDS / 2 * 1000;
	uint64_t seed;

	if (argc != 8) {
		fprintf(stderr, "Usage: storm_bench cvmroot|full-jitter GUESTS BOOT_MS OUTAGE_MS "
				"ATTEMPT_MS DEADLINE_MS SEED\n");
		return 2;
	}
	options.full_jitter = strcmp(argv[1], "full-jitter") == 0;
	options.guests = number(argv[2], 1000000);
	options.boot_ms = number(argv[3], 60000);
	options.outage_ms = number(argv[4], most_ms);
	options.attempt_ms = number(argv[5], 60000);
	options.deadline_ms = number(argv[6], most_ms);
	seed = number(argv[7], UINT32_MAX) * UINT64_C(0x9e3779b97f4a7c15) + 1;
	storm_run(&options, &seed, &storm);
	printf("served %u\nlast_ms %lld\n", storm.served, (long long)storm.last_ms);
	print_counts("away", storm.away);
	print_counts("came", storm.came);
	return 0;
}
