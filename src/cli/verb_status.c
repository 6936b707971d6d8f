/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/log.h"
#include "boot/status.h"
#include "cli/verbs.h"

#define EXIT_NO_STATUS 3

static int print_json(const struct boot_status *status)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = boot_status_format(status, &text, &size);

	if (r < 0)
		return r;
	fwrite(text, 1, size, stdout);
	return EXIT_OK;
}

static void print_progress(const struct boot_status *status)
{
	if (status->total_bytes == 0)
		return;
	printf("progress:  %llu %%, %llu of %llu MiB", (unsigned long long)status->percent,
	       (unsigned long long)(status->done_bytes / MIB),
	       (unsigned long long)(status->total_bytes / MIB));
	if (status->mib_per_second > 0)
		printf(", %llu MiB/s", (unsigned long long)status->mib_per_second);
	if (status->seconds_left > 0)
		printf(", %llu s left", (unsigned long long)status->seconds_left);
	putchar('\n');
}

static void print_line(const char *name, const char *value)
{
	if (value[0] != '\0')
		printf("%-10s %s\n", name, value);
}

static void print_text(const struct boot_status *status)
{
	print_line("state:", boot_state_name(status->state));
	print_line("root:", boot_root_name(status->root));
	print_progress(status);
	print_line("provider:", status->provider);
	print_line("uuid:", status->luks_uuid);
	if (status->epoch > 0)
		printf("epoch:     %llu\n", (unsigned long long)status->epoch);
	if (status->finished_ms >= status->started_ms && status->finished_ms > 0)
		printf("took:      %llu ms\n",
		       (unsigned long long)(status->finished_ms - status->started_ms));
	print_line("reason:", status->sentence);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {}};
	struct boot_status status;
	bool json = false;
	int option, r;

	while ((option = verb_option(&verb_status, argc, argv, options)) != -1) {
		if (option != 'j')
			return EXIT_USAGE;
		json = true;
	}
	if (optind < argc)
		return verb_usage_error(&verb_status, "no argument is wanted");
	r = boot_status_read(STATUS_PATH, &status);
	if (r == -ENOENT) {
		log_error("cvmroot has not run in this boot: there is no " STATUS_PATH);
		return EXIT_NO_STATUS;
	}
	if (r < 0)
		return r;
	if (json)
		return print_json(&status);
	print_text(&status);
	return EXIT_OK;
}

const struct verb verb_status = {
	.name = "status",
	.summary = "Tell what cvmroot did, or is doing, in this boot",
	.synopsis = "[--json]",
	.usage = "Exits with 3 when cvmroot has not run in this boot.\n"
		 "\n"
		 "Options:\n"
		 "  --json         print the status file as it is defined in cvmroot(8)\n",
	.run = run,
};
