/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/log_print.h"
#include "cli/verbs.h"
#include "eventlog/judge.h"
#include "measure/machine_logs.h"
#include "measure/registers.h"
#include "tpm/tpm.h"

#include <string.h>

#define EXIT_DISAGREES 3

struct arguments {
	bool json, cel, verify;
	const char **files;
	size_t files_count;
};

/* ---- Registers ---- */

struct report {
	bool json;
	json_t *registers;	   /* an array, with @json */
	json_t *complaints;	   /* likewise */
	uint32_t said[JUDGEMENTS]; /* registers of one bank */
	bool disagrees;
};

static void print_list(uint32_t mask)
{
	const char *separator = " ";

	for (unsigned int i = 0; mask != 0; mask &= ~(1U << i++))
		if (mask & 1U << i) {
			printf("%s%u", separator, i);
			separator = ", ";
		}
}

/* What is said of many registers at once. */
static void print_bank(const struct report *report, enum eventlog_kind kind,
		       enum hash_algorithm bank)
{
	static const char *const sentences[JUDGEMENTS] = {
		[JUDGEMENT_AGREES] = "as the logs say",
		[JUDGEMENT_AGREES_WITH_PHASES] =
			"as the logs say, with systemd's boot phases, which are in none",
		[JUDGEMENT_UNEXPLAINED] =
			"in no log: IMA extends PCR 10, a dynamic launch 17 to 22, anybody 16 and 23",
		[JUDGEMENT_UNKNOWN] = "not known: an event has no digest for it",
	};

	for (size_t i = 0; i < JUDGEMENTS; i++) {
		if (report->said[i] == 0 || !sentences[i])
			continue;
		printf("%s %s", hash_name(bank), log_kind_name(kind));
		print_list(report->said[i]);
		printf(": %s\n", sentences[i]);
	}
}

static void print_difference(const struct eventlog_registers *replayed, unsigned int index,
			     enum judgement judgement, size_t event)
{
	printf("%s %s %u: ", hash_name(replayed->bank), log_kind_name(replayed->kind), index);
	if (judgement == JUDGEMENT_AHEAD)
		printf("disagrees: the register lacks event %zu and what follows\n", event);
	else if (!(replayed->touched & 1U << index))
		printf("disagrees: it was extended, and no log says by what\n");
	else if (event < SIZE_MAX)
		printf("disagrees: the digest of event %zu is not that of its data\n", event);
	else
		printf("disagrees: no part of the logs leads to its value\n");
}

static int add_register(struct report *report, const struct eventlog_registers *replayed,
			unsigned int index, const uint8_t *value, const char *judgement,
			size_t event)
{
	size_t size = hash_size(replayed->bank);
	bool unknown = replayed->unknown & 1U << index;

	return log_add(report->registers,
		       json_pack("{s:s, s:I, s:s, s:o?, s:o?, s:s?, s:o?}", "in",
				 log_kind_name(replayed->kind), "index", (json_int_t)index, "bank",
				 hash_name(replayed->bank), "replayed",
				 unknown ? NULL : json_hex(replayed->values[index], size), "value",
				 value ? json_hex(value, size) : NULL, "judgement", judgement,
				 "event",
				 event < SIZE_MAX ? json_integer((json_int_t)event) : NULL));
}

static int judge_one(const struct eventlog *log, const struct eventlog_registers *replayed,
		     unsigned int index, const uint8_t *value, struct report *report)
{
	enum judgement judgement;
	size_t event;
	int r = judge_register(log, replayed, index, value, &judgement, &event);

	if (r < 0 || judgement == JUDGEMENT_UNTOUCHED)
		return r;
	report->said[judgement] |= 1U << index;
	report->disagrees |= judgement >= JUDGEMENT_AHEAD;
	if (report->json)
		return add_register(report, replayed, index, value, judgement_name(judgement),
				    event);
	if (judgement == JUDGEMENT_AHEAD || judgement == JUDGEMENT_DIFFERS)
		print_difference(replayed, index, judgement, event);
	return 0;
}

/* A TPM may have a bank for some of its PCRs only. */
static int tell_absent(const struct eventlog_registers *replayed, uint32_t absent,
		       struct report *report)
{
	if (absent == 0)
		return 0;
	if (!report->json) {
		printf("%s %s", hash_name(replayed->bank), log_kind_name(replayed->kind));
		print_list(absent);
		printf(": not in this bank of the TPM\n");
		return 0;
	}
	for (unsigned int n = 0; n < EVENTLOG_REGISTERS; n++) {
		int r = absent & 1U << n
				? add_register(report, replayed, n, NULL, "absent", SIZE_MAX)
				: 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int judge_registers(const struct eventlog *log, const struct machine_registers *machine,
			   struct report *report)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < machine->count; i++) {
		struct eventlog_registers replayed;

		memset(report->said, 0, sizeof(report->said));
		r = eventlog_replay(log, machine->banks[i].kind, machine->banks[i].bank, SIZE_MAX,
				    &replayed);
		for (unsigned int n = 0; r == 0 && n < machine->banks[i].count; n++)
			if (!(machine->banks[i].absent & 1U << n))
				r = judge_one(log, &replayed, n, machine->banks[i].values[n],
					      report);
		if (r == 0 && !report->json)
			print_bank(report, replayed.kind, replayed.bank);
		if (r == 0)
			r = tell_absent(&replayed, machine->banks[i].absent, report);
	}
	return r;
}

/* Without a machine to compare with: every register that can be computed. */
static int add_replayed(const struct eventlog *log, struct report *report)
{
	for (size_t i = 0; i < 2 * HASH_ALGORITHMS; i++) {
		struct eventlog_registers replayed;
		int r = eventlog_replay(log, (enum eventlog_kind)(i / HASH_ALGORITHMS),
					(enum hash_algorithm)(i % HASH_ALGORITHMS), SIZE_MAX,
					&replayed);

		for (unsigned int n = 0; r == 0 && n < EVENTLOG_REGISTERS; n++)
			if (replayed.touched & ~replayed.unknown & 1U << n)
				r = add_register(report, &replayed, n, NULL, NULL, SIZE_MAX);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- What is wrong besides ---- */

static void complain(struct report *report, const char *sentence)
{
	report->disagrees = true;
	if (report->json)
		(void)log_add(report->complaints, json_string(sentence));
	else
		printf("%s\n", sentence);
}

static void check_soundness(const struct eventlog *log, struct report *report)
{
	for (size_t i = 0; i < eventlog_count(log); i++) {
		if (eventlog_event_is_sound(eventlog_at(log, i)))
			continue;
		report->disagrees = true;
		if (!report->json)
			printf("event %zu: its digest is not that of its data\n", i);
	}
}

static void check_complete(const struct machine_logs *logs, struct report *report)
{
	if (logs->user_incomplete)
		complain(report, "the log of measurements is incomplete: a measurement was cut");
	if (logs->agent_incomplete)
		complain(report,
			 "the runtime event log (AAEL) is incomplete: a measurement was cut");
}

static void check_present(const struct machine_logs *logs, const struct machine_registers *machine,
			  struct report *report)
{
	bool pcrs = false, rtmrs = false;

	for (size_t i = 0; i < machine->count; i++) {
		pcrs |= machine->banks[i].kind == EVENTLOG_PCR;
		rtmrs |= machine->banks[i].kind == EVENTLOG_RTMR;
	}
	if (machine->rtmrs_hidden)
		complain(report, "this kernel does not show the RTMRs; Linux 6.16 and later do");
	else if (!pcrs && !rtmrs)
		complain(report, "this machine has no PCRs and no RTMRs to compare the logs with");
	if (pcrs && !logs->firmware)
		complain(report, "this kernel shows no event log of the firmware: there is "
				 "no " FIRMWARE_LOG_PATH);
	if (rtmrs && !logs->ccel)
		complain(report,
			 "this kernel shows no event log of the firmware: there is no " CCEL_PATH);
}

static int verify_machine(const struct eventlog *log, const struct machine_logs *logs,
			  struct report *report)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(freep) struct machine_registers *machine = NULL;
	int r = tpm_open(&tpm);

	if (r == 0 || r == -ENODEV)
		r = machine_registers_read(tpm, &machine);
	if (r == 0)
		r = judge_registers(log, machine, report);
	if (r == 0)
		check_present(logs, machine, report);
	return r;
}

/* ---- The verb ---- */

static int add_file(struct eventlog *log, const char *path)
{
	cleanup(freep) char *data = NULL;
	size_t size;
	int r = file_read_all(path, EVENTLOG_LIMIT, &data, &size);

	if (r < 0)
		return fail(r, "cannot read the event log %s: %s", path, strerror(-r));
	r = eventlog_add_any(log, data, size);
	if (r == -ENOMSG)
		return fail(r, "%s is no event log that is known (TCG, CCEL, AAEL, systemd)", path);
	return r < 0 ? fail(r, "%s: %s", path, fail_sentence(r)) : 0;
}

/* Of no log at all there is nothing to show; to compare with there may be something. */
static int check_any(const struct machine_logs *logs)
{
	if (logs->firmware || logs->ccel || logs->agent || logs->user || logs->agent_incomplete)
		return 0;
	return fail(-ENOENT,
		    "no event log was found: neither " FIRMWARE_LOG_PATH ", " CCEL_PATH
		    ", " AAEL_PATH ", " MEASURE_LOG_PATH " nor " MEASURE_OWN_LOG_PATH "%s",
		    geteuid() == 0 ? "" : "; root is needed to see them");
}

/* -EBADMSG: *ret has the events that stand before what is malformed. */
static int load(const struct arguments *arguments, struct machine_logs *logs, struct eventlog **ret)
{
	int r;

	if (arguments->files_count == 0) {
		r = machine_logs_load(logs);
		if (r == 0 && !arguments->verify)
			r = check_any(logs);
		return r < 0 ? r : machine_logs_parse(logs, ret);
	}
	r = eventlog_new(ret);
	for (size_t i = 0; r == 0 && i < arguments->files_count; i++)
		r = add_file(*ret, arguments->files[i]);
	return r;
}

static int show_json(const struct eventlog *log, const struct machine_logs *logs,
		     struct report *report)
{
	cleanup(json_decrefp) json_t *events = NULL;
	cleanup(json_decrefp) json_t *json = NULL;
	int r = log_json_events(log, logs->alone, &events);

	if (r < 0)
		return r;
	json = json_pack("{s:O, s:O, s:O, s:b, s:b}", "events", events, "registers",
			 report->registers, "complaints", report->complaints, "user_incomplete",
			 logs->user_incomplete, "agent_incomplete", logs->agent_incomplete);
	return json ? log_print_json(json) : -ENOMEM;
}

static int judge_all(const struct arguments *arguments, const struct eventlog *log,
		     const struct machine_logs *logs, struct report *report)
{
	bool of_machine = arguments->verify && arguments->files_count == 0;
	int r = 0;

	check_complete(logs, report);
	if (of_machine)
		r = verify_machine(log, logs, report);
	else if (arguments->json && !logs->alone)
		r = add_replayed(log, report);
	if (r == 0 && arguments->verify)
		check_soundness(log, report);
	return r;
}

/* @malformed: not all of the logs is there, and what they replay to would be nothing. */
static int show(const struct arguments *arguments, const struct eventlog *log,
		const struct machine_logs *logs, bool malformed)
{
	cleanup(json_decrefp) json_t *registers = json_array();
	cleanup(json_decrefp) json_t *complaints = json_array();
	struct report report = {
		.json = arguments->json, .registers = registers, .complaints = complaints};
	int r = 0;

	if (arguments->cel)
		return log_print_cel(log);
	if (!arguments->json && (eventlog_count(log) > 0 || arguments->files_count > 0))
		log_print_events(log, logs->alone);
	if (!malformed)
		r = judge_all(arguments, log, logs, &report);
	if (r == 0 && arguments->json)
		r = show_json(log, logs, &report);
	if (r < 0)
		return r;
	return arguments->verify && report.disagrees ? EXIT_DISAGREES : EXIT_OK;
}

/* What is malformed ends the list, and the error says where. */
static int load_and_show(const struct arguments *arguments)
{
	cleanup(machine_logs_done) struct machine_logs logs = {};
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	int r = load(arguments, &logs, &log), shown;

	if (r == 0)
		return show(arguments, log, &logs, false);
	if (r != -EBADMSG || !log || eventlog_count(log) == 0)
		return r;
	shown = show(arguments, log, &logs, true);
	return shown < 0 ? shown : r;
}

static int parse_option(int option, struct arguments *arguments)
{
	switch (option) {
	case 'j':
		arguments->json = true;
		return EXIT_OK;
	case 'c':
		arguments->cel = true;
		return EXIT_OK;
	case 'v':
		arguments->verify = true;
		return EXIT_OK;
	case 'f':
		arguments->files[arguments->files_count++] = optarg;
		return EXIT_OK;
	default:
		return EXIT_USAGE;
	}
}

static int run_with(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"cel", no_argument, NULL, 'c'},
		{"verify", no_argument, NULL, 'v'},
		{"file", required_argument, NULL, 'f'},
		{},
	};
	int option, r;

	while ((option = verb_option(&verb_log, argc, argv, options)) != -1) {
		r = parse_option(option, arguments);
		if (r != EXIT_OK)
			return r;
	}
	if (optind < argc)
		return verb_usage_error(&verb_log, "no argument is wanted");
	if (arguments->cel && (arguments->json || arguments->verify))
		return verb_usage_error(&verb_log, "--cel excludes --json and --verify");
	return load_and_show(arguments);
}

static int run(int argc, char **argv)
{
	cleanup(freep) const char **files = calloc((size_t)argc, sizeof(*files));
	struct arguments arguments = {.files = files};

	return files ? run_with(argc, argv, &arguments) : -ENOMEM;
}

const struct verb verb_log = {
	.name = "log",
	.summary = "Show what was measured in this boot, and compare it with the registers",
	.synopsis = "[--cel | [--json] [--verify]] [--file FILE]...",
	.usage =
		"The logs of firmware, systemd, CoCo's attestation agent and cvmroot, whose events\n"
		"are marked by \"*\". Root is needed.\n"
		"\n"
		"Options:\n"
		"  --json         print all that is known of the events, and what they replay to\n"
		"  --cel          print a TCG Canonical Event Log in its JSON encoding; excludes\n"
		"                 --json and --verify\n"
		"  --verify       replay the logs and compare with the PCRs and RTMRs. Exits with 3\n"
		"                 when one disagrees, when a log is missing or incomplete, or when\n"
		"                 there are no registers to compare with\n"
		"  --file FILE    show the log in FILE instead of this machine's; may be given\n"
		"                 more than once. --verify then checks digests against the data\n",
	.run = run,
};
