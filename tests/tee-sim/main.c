/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const char usage[] =
	"Usage: tee-sim tsm --provider sev_guest|tdx_guest|arm_cca_guest [--target FOLDER]\n"
	"       tee-sim sev-guest\n"
	"       tee-sim azure --type snp|tdx\n"
	"       tee-sim make-report --provider NAME|hcl-snp|hcl-tdx --report-data HEX\n"
	"                           [--auxiliary FILE] FILE\n"
	"The first three serve in the background when they have set up what they simulate: the\n"
	"kernel's reports below /sys/kernel/config (for tdx_guest /dev/tdx_guest, too),\n"
	"/dev/sev-guest, or Azure's vTPM and metadata service. make-report writes what they would\n"
	"answer.\n"
	"\n"
	"  --keys FOLDER         test roots, as \"tests/broker make-roots\" makes them\n"
	"  --initdata HEX        HOST_DATA, MRCONFIGID or personalization value (default: zeros)\n"
	"  --measurement HEX     of the guest's launch\n"
	"  --rtmr N=HEX          run-time register 0 to 3\n"
	"  --measurements        of tdx_guest: serve the registers as files, too, to be extended\n"
	"  --broken-rtmr N       extending it fails\n"
	"  --ccel FILE           of tdx_guest: the event log of its firmware\n"
	"  --snp-version N       of SEV-SNP's report (3)\n"
	"  --bad-signature       sign, then change a bit of the signature\n"
	"  --report-data HEX     of tsm: sign this, whatever is asked for, as an old report does\n";

struct options {
	struct sim sim;
	const char *provider;
	const char *type;
	const char *target;
	const char *report_data;
	const char *auxiliary;
};

static void read_rtmr(struct sim *sim, const char *text)
{
	unsigned int number = (unsigned int)(text[0] - '0');

	check(number < RTMR_COUNT && text[1] == '=', "--rtmr wants N=HEX");
	bytes_parse_hex(text + 2, sim->rtmr[number], MEASUREMENT_SIZE);
}

/* Between fork() and fork() the registers stay the same ones. */
static void *share_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(memory != MAP_FAILED, "no memory");
	return memory;
}

static void read_option(struct options *options, int option)
{
	struct sim *sim = &options->sim;

	switch (option) {
	case 'k':
		sim->keys = optarg;
		break;
	case 'i':
		bytes_parse_hex(optarg, sim->initdata, sizeof(sim->initdata));
		break;
	case 'm':
		bytes_parse_hex(optarg, sim->measurement, sizeof(sim->measurement));
		break;
	case 'r':
		read_rtmr(sim, optarg);
		break;
	case 'M':
		sim->measurements = true;
		break;
	case 'B':
		sim->broken_rtmrs |= 1U << (strtoul(optarg, NULL, 10) % RTMR_COUNT);
		break;
	case 'c':
		sim->ccel = optarg;
		break;
	case 'v':
		sim->snp_version = (unsigned int)strtoul(optarg, NULL, 10);
		break;
	case 'b':
		sim->bad_signature = true;
		break;
	case 'p':
		options->provider = optarg;
		break;
	case 't':
		options->type = optarg;
		break;
	case 'T':
		options->target = optarg;
		break;
	case 'd':
		options->report_data = optarg;
		break;
	case 'a':
		options->auxiliary = optarg;
		break;
	default:
		die("see tee-sim --help");
	}
}

static void read_options(struct options *options, int argc, char **argv)
{
	static const struct option table[] = {
		{"keys", required_argument, NULL, 'k'},
		{"initdata", required_argument, NULL, 'i'},
		{"measurement", required_argument, NULL, 'm'},
		{"rtmr", required_argument, NULL, 'r'},
		{"measurements", no_argument, NULL, 'M'},
		{"broken-rtmr", required_argument, NULL, 'B'},
		{"ccel", required_argument, NULL, 'c'},
		{"snp-version", required_argument, NULL, 'v'},
		{"bad-signature", no_argument, NULL, 'b'},
		{"provider", required_argument, NULL, 'p'},
		{"type", required_argument, NULL, 't'},
		{"target", required_argument, NULL, 'T'},
		{"report-data", required_argument, NULL, 'd'},
		{"auxiliary", required_argument, NULL, 'a'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0)
		read_option(options, option);
}

static void write_file(const char *path, const struct bytes *data)
{
	FILE *file = fopen(path, "we");

	check(file && fwrite(data->data, 1, data->size, file) == data->size && fclose(file) == 0,
	      "writing %s failed: %s", path, strerror(errno));
}

/* The report data stands for what the guest wrote last; the key's modulus is made up. */
static void make_hcl(const struct options *options, const uint8_t *report_data, struct bytes *ret)
{
	struct bytes modulus = {0};

	bytes_put_zeros(&modulus, 256);
	memset(modulus.data, 0xC3, modulus.size);
	azure_make_hcl(&options->sim,
		       strcmp(options->provider, "hcl-snp") == 0 ? AZURE_SNP : AZURE_TDX, &modulus,
		       report_data, ret);
	bytes_free(&modulus);
}

static void make_report(const struct options *options, const char *path)
{
	uint8_t report_data[REPORT_DATA_SIZE];
	struct bytes report = {0};
	const struct tsm_provider *provider;

	check(options->provider && options->report_data && path, "see tee-sim --help");
	bytes_parse_hex(options->report_data, report_data, sizeof(report_data));
	if (strncmp(options->provider, "hcl-", 4) == 0) {
		make_hcl(options, report_data, &report);
		write_file(path, &report);
		bytes_free(&report);
		return;
	}
	provider = tsm_find_provider(options->provider);
	provider->report(&options->sim, report_data, &report);
	write_file(path, &report);
	bytes_free(&report);
	if (options->auxiliary && provider->auxiliary) {
		provider->auxiliary(&options->sim, &report);
		write_file(options->auxiliary, &report);
		bytes_free(&report);
	}
}

static void serve_tsm(const struct options *options)
{
	uint8_t report_data[REPORT_DATA_SIZE];
	struct sim sim = options->sim;

	check(options->provider, "--provider is missing");
	if (options->report_data) {
		bytes_parse_hex(options->report_data, report_data, sizeof(report_data));
		sim.stale = report_data;
	}
	tsm_serve(&sim, tsm_find_provider(options->provider), options->target);
}

static void run(const char *verb, const struct options *options, const char *path)
{
	if (strcmp(verb, "make-report") == 0) {
		make_report(options, path);
	} else if (strcmp(verb, "tsm") == 0) {
		serve_tsm(options);
	} else if (strcmp(verb, "sev-guest") == 0) {
		sev_guest_serve(&options->sim);
	} else if (strcmp(verb, "azure") == 0) {
		check(options->type, "--type is missing");
		azure_serve(&options->sim,
			    strcmp(options->type, "tdx") == 0 ? AZURE_TDX : AZURE_SNP);
	} else {
		die("no verb \"%s\"; see tee-sim --help", verb);
	}
}

int main(int argc, char **argv)
{
	struct options options = {
		.sim = {.snp_version = 3},
		.target = "/sys/kernel/config",
	};

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		fputs(usage, argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	options.sim.rtmr = share_memory(RTMR_COUNT * MEASUREMENT_SIZE);
	memset(options.sim.measurement, 0x3A, sizeof(options.sim.measurement));
	read_options(&options, argc - 1, argv + 1);
	run(argv[1], &options, optind < argc - 1 ? argv[1 + optind] : NULL);
	return 0;
}
