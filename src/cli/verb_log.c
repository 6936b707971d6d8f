/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/verbs.h"
#include "eventlog/judge.h"
#include "eventlog/word.h"
#include "measure/machine_logs.h"
#include "measure/registers.h"
#include "tpm/tpm.h"

#include <string.h>

#define EXIT_DISAGREES 3

/* Of a description, and of a digest in the table. */
#define TEXT_SIZE   160
#define DIGEST_SIZE 8

static const char *const sources[] = {
	[EVENTLOG_FIRMWARE] = "firmware",
	[EVENTLOG_AGENT] = "agent",
	[EVENTLOG_USER] = "user",
};
static const char *const kinds[] = {[EVENTLOG_PCR] = "PCR", [EVENTLOG_RTMR] = "RTMR"};

struct arguments {
	bool json, cel, verify;
	const char **files;
	size_t files_count;
};

/* ---- What an event says ---- */

/* One of the words that cvmroot measures; NULL: it is not. */
static const char *own_word(const struct eventlog_event *event)
{
	const char *content;
	enum word word;
	size_t size;

	return eventlog_word(event, &word, &content, &size) == 0 ? word_name(word) : NULL;
}

/* A type of user space is whatever its writer chose. */
static const char *type_name(const struct eventlog_event *event, char buffer[static 11])
{
	if (event->source != EVENTLOG_USER)
		return eventlog_type_name(event->type, buffer);
	for (const char *c = event->user_type; c && *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return "?";
	return event->user_type ? event->user_type : "-";
}

static void first_digest(const struct eventlog_event *event, char ret[static 2 * DIGEST_SIZE + 1])
{
	static const enum hash_algorithm order[] = {HASH_SHA256, HASH_SHA384, HASH_SHA512,
						    HASH_SHA1};

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(order) && ret[0] == '\0'; i++)
		if (event->banks & 1U << order[i])
			hex_encode(event->digests[order[i]], DIGEST_SIZE, ret);
}

static void print_events(const struct eventlog *log)
{
	printf("  %5s  %-6s  %-32s  %-16s  %s\n", "EVENT", "IN", "TYPE", "DIGEST", "DESCRIPTION");
	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);
		char where[32] = "-", type[11], digest[2 * DIGEST_SIZE + 1], text[TEXT_SIZE];

		if (event->type != EVENTLOG_EV_NO_ACTION)
			snprintf(where, sizeof(where), "%s %u", kinds[event->kind], event->index);
		first_digest(event, digest);
		eventlog_describe(event, text, sizeof(text));
		printf("%c %5zu  %-6s  %-32s  %-16s  %s\n", own_word(event) ? '*' : ' ', i, where,
		       type_name(event, type), digest, text);
	}
}

/* ---- JSON ---- */

static int add(json_t *array, json_t *item)
{
	return !item || json_array_append_new(array, item) < 0 ? -ENOMEM : 0;
}

static json_t *json_digests(const struct eventlog_event *event)
{
	json_t *digests = json_array();

	for (size_t i = 0; i < HASH_ALGORITHMS; i++)
		if (event->banks & 1U << i &&
		    add(digests, json_pack("{s:s, s:o}", "hashAlg",
					   hash_name((enum hash_algorithm)i), "digest",
					   json_hex(event->digests[i],
						    hash_size((enum hash_algorithm)i)))) < 0) {
			json_decref(digests);
			return NULL;
		}
	return digests;
}

static json_t *json_data(const struct eventlog_event *event)
{
	if (event->source == EVENTLOG_USER)
		return json_stringn((const char *)event->data, event->data_size);
	return json_base64(event->data, event->data_size);
}

static json_t *json_event(const struct eventlog_event *event, size_t number)
{
	bool extends = event->type != EVENTLOG_EV_NO_ACTION;
	char type[11], text[TEXT_SIZE];

	eventlog_describe(event, text, sizeof(text));
	return json_pack("{s:I, s:s, s:I, s:s?, s:o?, s:s, s:o, s:b, s:s, s:s?, s:o?}", "event",
			 (json_int_t)number, "log", sources[event->source], "offset",
			 (json_int_t)event->offset, "in", extends ? kinds[event->kind] : NULL,
			 "index", extends ? json_integer(event->index) : NULL, "type",
			 event->source == EVENTLOG_USER && event->user_type
				 ? event->user_type
				 : type_name(event, type),
			 "digests", json_digests(event), "sound", eventlog_event_is_sound(event),
			 "description", text, "cvmroot", own_word(event), "data",
			 event->data ? json_data(event) : NULL);
}

static int json_events(const struct eventlog *log, json_t **ret)
{
	cleanup(json_decrefp) json_t *events = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < eventlog_count(log); i++)
		r = add(events, json_event(eventlog_at(log, i), i));
	*ret = TAKE_PTR(events);
	return r;
}

static int print_json(json_t *json)
{
	if (json_dumpf(json, stdout, JSON_INDENT(1)) < 0)
		return fail(-EIO, "cannot write the logs to standard output");
	putchar('\n');
	return 0;
}

/* ---- TCG Canonical Event Log Format, version 1.0, its JSON encoding ---- */

static json_t *cel_content(const struct eventlog_event *event)
{
	char type[11];

	if (event->source == EVENTLOG_USER)
		return event->content ? json_incref(event->content) : json_object();
	eventlog_type_name(event->type, type);
	return json_pack("{s:o, s:o}", "event_type",
			 strncmp(eventlog_type_name(event->type, type), "EV_", 3) == 0
				 ? json_string(eventlog_type_name(event->type, type))
				 : json_integer(event->type),
			 "event_data", json_hex(event->data, event->data_size));
}

/*
 * The format knows PCRs only. A register of TDX has the name and the number that UEFI gives it: a
 * CC measurement register.
 */
static json_t *cel_record(const struct eventlog_event *event, size_t number)
{
	bool counts_from_one = event->kind == EVENTLOG_RTMR && event->type != EVENTLOG_EV_NO_ACTION;

	return json_pack("{s:I, s:I, s:o, s:s, s:o}", "recnum", (json_int_t)number,
			 event->kind == EVENTLOG_RTMR ? "ccmr" : "pcr",
			 (json_int_t)event->index + counts_from_one, "digests", json_digests(event),
			 "content_type",
			 event->source == EVENTLOG_USER ? "systemd" : "pcclient_std", "content",
			 cel_content(event));
}

/* Records are numbered within each register; of EV_NO_ACTION any number may stand there. */
static int print_cel(const struct eventlog *log)
{
	size_t numbers[2][EVENTLOG_REGISTERS + 1] = {};
	cleanup(json_decrefp) json_t *records = json_array();

	for (size_t i = 0; i < eventlog_count(log); i++) {
		const struct eventlog_event *event = eventlog_at(log, i);
		unsigned int slot = MIN(event->index + (event->kind == EVENTLOG_RTMR &&
							event->type != EVENTLOG_EV_NO_ACTION),
					EVENTLOG_REGISTERS);

		if (add(records, cel_record(event, numbers[event->kind][slot]++)) < 0)
			return -ENOMEM;
	}
	return print_json(records);
}

/* ---- Registers ---- */

struct report {
	bool json;
	json_t *registers;	   /* an array, with @json */
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
		[JUDGEMENT_UNEXPLAINED] = "not explained by these logs, and need not be",
		[JUDGEMENT_UNKNOWN] = "not known: an event has no digest for it",
	};

	for (size_t i = 0; i < JUDGEMENTS; i++) {
		if (report->said[i] == 0 || !sentences[i])
			continue;
		printf("%s %s", hash_name(bank), kinds[kind]);
		print_list(report->said[i]);
		printf(": %s\n", sentences[i]);
	}
}

static void print_difference(const struct eventlog_registers *replayed, unsigned int index,
			     enum judgement judgement, size_t event)
{
	printf("%s %s %u: ", hash_name(replayed->bank), kinds[replayed->kind], index);
	if (judgement == JUDGEMENT_AHEAD)
		printf("disagrees: from event %zu on it lacks what the logs say\n", event);
	else if (!(replayed->touched & 1U << index))
		printf("disagrees: it was extended, and no log says by what\n");
	else if (event < SIZE_MAX)
		printf("disagrees: the digest of event %zu is not that of its data\n", event);
	else
		printf("disagrees with all that the logs say\n");
}

static int add_register(struct report *report, const struct eventlog_registers *replayed,
			unsigned int index, const uint8_t *value, const char *judgement,
			size_t event)
{
	size_t size = hash_size(replayed->bank);
	bool unknown = replayed->unknown & 1U << index;

	return add(report->registers,
		   json_pack("{s:s, s:I, s:s, s:o?, s:o?, s:s?, s:o?}", "in", kinds[replayed->kind],
			     "index", (json_int_t)index, "bank", hash_name(replayed->bank),
			     "replayed", unknown ? NULL : json_hex(replayed->values[index], size),
			     "value", value ? json_hex(value, size) : NULL, "judgement", judgement,
			     "event", event < SIZE_MAX ? json_integer((json_int_t)event) : NULL));
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
			r = judge_one(log, &replayed, n, machine->banks[i].values[n], report);
		if (r == 0 && !report->json)
			print_bank(report, replayed.kind, replayed.bank);
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
	if (!report->json)
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
	if (!pcrs && !rtmrs)
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
	return r < 0 ? fail(r, "%s: %s", path, fail_sentence(r)) : 0;
}

static int load(const struct arguments *arguments, struct machine_logs *logs, struct eventlog **ret)
{
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	int r;

	if (arguments->files_count == 0) {
		r = machine_logs_load(logs);
		return r < 0 ? r : machine_logs_parse(logs, ret);
	}
	r = eventlog_new(&log);
	for (size_t i = 0; r == 0 && i < arguments->files_count; i++)
		r = add_file(log, arguments->files[i]);
	if (r == 0)
		*ret = TAKE_PTR(log);
	return r;
}

static int show_json(const struct eventlog *log, const struct machine_logs *logs,
		     struct report *report)
{
	cleanup(json_decrefp) json_t *events = NULL;
	cleanup(json_decrefp) json_t *json = NULL;
	int r = json_events(log, &events);

	if (r < 0)
		return r;
	json = json_pack("{s:O, s:O, s:b, s:b}", "events", events, "registers", report->registers,
			 "user_incomplete", logs->user_incomplete, "agent_incomplete",
			 logs->agent_incomplete);
	return json ? print_json(json) : -ENOMEM;
}

static int show(const struct arguments *arguments, const struct eventlog *log,
		const struct machine_logs *logs)
{
	cleanup(json_decrefp) json_t *registers = json_array();
	struct report report = {.json = arguments->json, .registers = registers};
	bool of_machine = arguments->verify && arguments->files_count == 0;
	int r = 0;

	if (arguments->cel)
		return print_cel(log);
	if (!arguments->json)
		print_events(log);
	check_complete(logs, &report);
	if (of_machine)
		r = verify_machine(log, logs, &report);
	else if (arguments->json)
		r = add_replayed(log, &report);
	if (r == 0 && arguments->verify)
		check_soundness(log, &report);
	if (r == 0 && arguments->json)
		r = show_json(log, logs, &report);
	if (r < 0)
		return r;
	return arguments->verify && report.disagrees ? EXIT_DISAGREES : EXIT_OK;
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
	cleanup(machine_logs_done) struct machine_logs logs = {};
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	int option, r;

	while ((option = verb_option(&verb_log, argc, argv, options)) != -1) {
		r = parse_option(option, arguments);
		if (r != EXIT_OK)
			return r;
	}
	if (optind < argc)
		return verb_usage_error(&verb_log, "no argument is wanted");
	if (arguments->cel && (arguments->json || arguments->verify))
		return verb_usage_error(&verb_log, "--cel goes with --file only");
	r = load(arguments, &logs, &log);
	return r < 0 ? r : show(arguments, log, &logs);
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
	.synopsis = "[--json | --cel] [--verify] [--file FILE]...",
	.usage =
		"The logs of firmware, systemd, CoCo's attestation agent and cvmroot, whose events\n"
		"are marked by \"*\". Root is needed.\n"
		"\n"
		"Options:\n"
		"  --json         print all that is known of the events, and what they replay to\n"
		"  --cel          print a TCG Canonical Event Log in its JSON encoding\n"
		"  --verify       replay the logs and compare with the PCRs and RTMRs. Exits with 3\n"
		"                 when one disagrees, or when a log is missing or incomplete\n"
		"  --file FILE    show the log in FILE instead of this machine's; may be given\n"
		"                 more than once. --verify then checks digests against the data\n",
	.run = run,
};
