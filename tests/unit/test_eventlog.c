/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "vectors.h"

#include "base/error.h"
#include "base/reader.h"
#include "eventlog/eventlog.h"
#include "tee/tdx_quote.h"

#define GOOGLE	"go-eventlog/testdata/"
#define FIXTURE "tpm2-tools/test/integration/fixtures/"
#define KEYLIME "keylime/test/data/create-mb-policy/binary_bios_measurements"
#define TRUSTEE "trustee/deps/eventlog/test_data/"
#define CCEL	"go-tdx-guest/testing/testdata/ccel/"

static struct eventlog *new_log(void)
{
	struct eventlog *log;

	assert_int_equal(eventlog_new(&log), 0);
	return log;
}

/* From a copy of exactly this size, so that a sanitizer sees a read one byte too far. */
static int add_firmware(struct eventlog *log, enum eventlog_kind kind, const void *data,
			size_t size)
{
	cleanup(freep) uint8_t *exact = exact_copy(data, size);

	return eventlog_add_firmware(log, kind, exact, size);
}

static int add_agent(struct eventlog *log, const void *data, size_t size)
{
	cleanup(freep) uint8_t *exact = exact_copy(data, size);

	return eventlog_add_agent(log, exact, size);
}

static int add_user(struct eventlog *log, const char *text)
{
	cleanup(freep) uint8_t *exact = exact_copy(text, strlen(text));

	return eventlog_add_user(log, exact, strlen(text));
}

static struct eventlog *read_firmware(const char *name, enum eventlog_kind kind)
{
	size_t size;
	cleanup(freep) char *data = vector_read(name, &size);
	struct eventlog *log = new_log();

	print_message("%s\n", name);
	assert_int_equal(add_firmware(log, kind, data, size), 0);
	return log;
}

static void replay(const struct eventlog *log, enum eventlog_kind kind, enum hash_algorithm bank,
		   struct eventlog_registers *ret)
{
	assert_int_equal(eventlog_replay(log, kind, bank, SIZE_MAX, ret), 0);
}

static void check_value(const struct eventlog *log, const struct eventlog_registers *registers,
			unsigned int index, const char *hex)
{
	size_t size = hash_size(registers->bank);
	struct eventlog_comparison comparison;
	uint8_t wanted[HASH_MAX_SIZE];

	assert_int_equal(hex_decode(hex, strlen(hex), wanted, size), 0);
	assert_true(registers->touched & 1U << index);
	assert_false(registers->unknown & 1U << index);
	assert_memory_equal(registers->values[index], wanted, size);
	assert_int_equal(eventlog_compare(log, registers->kind, registers->bank, index, wanted,
					  &comparison),
			 0);
	assert_int_equal(comparison.verdict, EVENTLOG_AGREES);
}

/* ---- Published logs with published registers ---- */

static void check_bank(const struct eventlog *log, enum hash_algorithm bank, json_t *pcrs)
{
	struct eventlog_registers registers;
	uint32_t wanted = 0;
	const char *pcr;
	json_t *value;

	replay(log, EVENTLOG_PCR, bank, &registers);
	json_object_foreach (pcrs, pcr, value) {
		check_value(log, &registers, (unsigned int)atoi(pcr), json_string_value(value));
		wanted |= 1U << atoi(pcr);
	}
	assert_int_equal(registers.touched, wanted);
}

static void known_pcrs_are_replayed(void **state)
{
	cleanup(json_decrefp) json_t *logs = vector_read_json("go-eventlog/known_pcrs.json");
	json_t *banks, *pcrs;
	const char *name, *bank;

	(void)state;
	assert_int_equal(json_object_size(logs), 10);
	json_object_foreach (logs, name, banks) {
		cleanup(eventlog_freep) struct eventlog *log = NULL;
		char path[256];

		snprintf(path, sizeof(path), GOOGLE "%s", name);
		log = read_firmware(path, EVENTLOG_PCR);
		json_object_foreach (banks, bank, pcrs) {
			enum hash_algorithm algorithm;

			assert_int_equal(hash_from_name(bank, &algorithm), 0);
			check_bank(log, algorithm, pcrs);
		}
	}
}

/* The section "pcrs" of what tpm2_eventlog prints. */
static size_t check_yaml(const struct eventlog *log, char *text)
{
	struct eventlog_registers registers = {};
	char *section = strstr(text, "\npcrs:\n"), *rest = NULL;
	size_t count = 0;

	assert_non_null(section);
	section += strlen("\npcrs:\n");
	for (char *line = strtok_r(section, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char name[16], hex[2 * HASH_MAX_SIZE + 1];
		enum hash_algorithm bank;
		unsigned int pcr;

		if (sscanf(line, "    %u : 0x%128s", &pcr, hex) == 2) {
			check_value(log, &registers, pcr, hex);
			count++;
		} else if (sscanf(line, "  %15[a-z0-9]:", name) == 1 &&
			   hash_from_name(name, &bank) == 0) {
			replay(log, EVENTLOG_PCR, bank, &registers);
		}
	}
	return count;
}

static void printed_pcrs_are_replayed(void **state)
{
	static const struct {
		const char *name;
		size_t values; /* in all banks */
	} logs[] = {
		{"event-arch-linux.bin", 18},	    {"event-bootorder.bin", 20},
		{"event-moklisttrusted.bin", 11},   {"event-postcode.bin", 20},
		{"event-sd-boot-fedora37.bin", 10}, {"event-uefi-sha1-log.bin", 8},
		{"event-uefiaction.bin", 2},	    {"event-uefiservices.bin", 2},
		{"event-uefivar.bin", 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		cleanup(eventlog_freep) struct eventlog *log = NULL;
		cleanup(freep) char *yaml = NULL;
		char path[256];
		size_t size;

		snprintf(path, sizeof(path), FIXTURE "event-pretty/%s.yaml", logs[i].name);
		yaml = vector_read(path, &size);
		snprintf(path, sizeof(path), FIXTURE "%s", logs[i].name);
		log = read_firmware(path, EVENTLOG_PCR);
		assert_int_equal(check_yaml(log, yaml), logs[i].values);
	}
}

/* The RTMRs of the quote that was taken with the log. */
static void ccel_leads_to_the_quote(void **state)
{
	struct eventlog_comparison comparison;
	struct eventlog_registers registers;
	struct tdx_quote quote;
	size_t size;
	cleanup(freep) char *data = vector_read(CCEL "cos-113-tdx-quote.dat", &size);
	cleanup(eventlog_freep) struct eventlog *log =
		read_firmware(CCEL "ccel_data.dat", EVENTLOG_RTMR);
	cleanup(eventlog_freep) struct eventlog *twice =
		read_firmware(GOOGLE "eventlogs/ccel/cos-113-intel-tdx-dupe-separator-unpadded.bin",
			      EVENTLOG_RTMR);

	(void)state;
	assert_int_equal(tdx_quote_parse(data, size, &quote), 0);
	replay(log, EVENTLOG_RTMR, HASH_SHA384, &registers);
	assert_int_equal(registers.touched, 7);
	for (unsigned int i = 0; i < TDX_RTMR_COUNT; i++) {
		assert_memory_equal(registers.values[i], quote.rtmr[i], TDX_MR_SIZE);
		assert_int_equal(eventlog_compare(twice, EVENTLOG_RTMR, HASH_SHA384, i,
						  quote.rtmr[i], &comparison),
				 0);
		assert_int_equal(comparison.verdict, i < 2 ? EVENTLOG_DIFFERS : EVENTLOG_AGREES);
	}
	/* Nothing of it is about PCRs. */
	replay(log, EVENTLOG_PCR, HASH_SHA384, &registers);
	assert_int_equal(registers.touched, 0);
}

/* ---- Published logs with published events ---- */

static void check_event(const struct eventlog_event *event, json_t *wanted)
{
	json_t *digest = json_array_get(json_object_get(wanted, "digests"), 0);
	const char *hex = json_string_value(json_object_get(digest, "digest"));
	const char *base64 = json_string_value(json_object_get(wanted, "event"));
	cleanup(freep) char *data = malloc(base64_size(event->data_size));
	unsigned int first = event->type == EVENTLOG_EV_NO_ACTION ? 0 : 1;
	bool is_384 = strcmp(json_string_value(json_object_get(digest, "alg")), "SHA-384") == 0;
	char name[11];

	assert_int_equal(event->index + first,
			 json_integer_value(json_object_get(wanted, "index")));
	assert_string_equal(eventlog_type_name(event->type, name),
			    json_string_value(json_object_get(wanted, "type_name")));
	if (is_384)
		assert_true(starts_with(event->digests[HASH_SHA384], 48, hex));
	assert_int_equal(!!(event->banks & 1U << HASH_SHA384), is_384);
	base64_encode(event->data, event->data_size, data);
	assert_string_equal(data, base64);
	if (json_is_true(json_object_get(wanted, "digest_matches_event")))
		assert_true(eventlog_event_is_sound(event));
}

static void published_events_are_read(void **state)
{
	static const char *const logs[] = {"CCEL_data", "CCEL_data_grub", "CCEL_data_grub_gke",
					   "CCEL_data_ovmf", "CCEL_AAEL_alibabacloud"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		cleanup(eventlog_freep) struct eventlog *log = NULL;
		cleanup(json_decrefp) json_t *wanted = NULL;
		json_t *events;
		char path[256];

		snprintf(path, sizeof(path), TRUSTEE "%s_out.json", logs[i]);
		wanted = vector_read_json(path);
		events = json_object_get(wanted, "uefi_event_logs");
		snprintf(path, sizeof(path), TRUSTEE "%s", logs[i]);
		log = read_firmware(path, EVENTLOG_RTMR);
		/* The header is an event here. */
		assert_int_equal(eventlog_count(log), json_array_size(events) + 1);
		assert_int_equal(eventlog_at(log, 0)->type, EVENTLOG_EV_NO_ACTION);
		for (size_t n = 0; n < json_array_size(events); n++)
			check_event(eventlog_at(log, n + 1), json_array_get(events, n));
	}
}

/* What an independent reader of the same logs found. */
static void other_logs_are_read(void **state)
{
	static const struct {
		const char *name;
		size_t events;
		uint32_t touched;
	} logs[] = {
		{GOOGLE "legacydata/coreos_36_shielded_vm_no_secure_boot_eventlog", 76, 0x43ff},
		{GOOGLE "legacydata/crypto_agile_eventlog", 27, 0xff},
		{GOOGLE "legacydata/ebs_event_missing_eventlog", 38, 0xff},
		{GOOGLE "legacydata/option_rom_eventlog", 61, 0x78ff},
		{GOOGLE "legacydata/sb_cert_eventlog", 15, 0xb1},
		{KEYLIME, 121, 0x43ff},
		{KEYLIME "-secureboot", 99, 0x43ff},
		{KEYLIME "-empty", 0, 0},
		{"tcglog-parser/testdata/binary_bios_measurements", 115, 0x43ff},
		{FIXTURE "event.bin", 2, 0x1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		cleanup(eventlog_freep) struct eventlog *log =
			read_firmware(logs[i].name, EVENTLOG_PCR);
		struct eventlog_registers registers;

		replay(log, EVENTLOG_PCR, HASH_SHA256, &registers);
		assert_int_equal(eventlog_count(log), logs[i].events);
		assert_int_equal(registers.touched, logs[i].touched);
		for (size_t n = 0; n < eventlog_count(log); n++)
			assert_true(eventlog_event_is_sound(eventlog_at(log, n)));
	}
}

static void bad_logs_are_refused(void **state)
{
	static const struct {
		const char *name;
		size_t events; /* before the fault */
	} logs[] = {
		{GOOGLE "legacydata/short_no_action_eventlog", 0},
		{KEYLIME "-bogus", 0},
		/* The vendor's bytes are outside of the header that they belong to. */
		{FIXTURE "specid-vendordata.bin", 1},
		{FIXTURE "ek-template-default.bin", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		size_t size;
		cleanup(freep) char *data = vector_read(logs[i].name, &size);
		cleanup(eventlog_freep) struct eventlog *log = new_log();

		print_message("%s\n", logs[i].name);
		assert_int_equal(add_firmware(log, EVENTLOG_PCR, data, size), -EBADMSG);
		assert_non_null(strstr(fail_sentence(-EBADMSG), "malformed at byte"));
		assert_int_equal(eventlog_count(log), logs[i].events);
	}
}

static bool same_event(const struct eventlog_event *a, const struct eventlog_event *b)
{
	return a->index == b->index && a->type == b->type && a->banks == b->banks &&
	       a->offset == b->offset && a->data_size == b->data_size &&
	       memcmp(a->digests, b->digests, sizeof(a->digests)) == 0 &&
	       memcmp(a->data, b->data, a->data_size) == 0;
}

/* Where the event ends; the data are the last of it, and those of the first one begin at 32. */
static size_t end_of(const struct eventlog *log, size_t number)
{
	const struct eventlog_event *event = eventlog_at(log, number);

	return (size_t)(event->data - eventlog_at(log, 0)->data) + 32 + event->data_size;
}

/* A cut log has the same events, as far as it goes, or is refused: never other ones. */
static void check_cuts(const char *name, enum eventlog_kind kind)
{
	cleanup(eventlog_freep) struct eventlog *whole = read_firmware(name, kind);
	size_t size, count = 0, end;
	cleanup(freep) char *data = vector_read(name, &size);

	for (size_t cut = 0; cut < size; cut++) {
		cleanup(eventlog_freep) struct eventlog *log = new_log();
		int r = add_firmware(log, kind, data, cut);

		while (count < eventlog_count(whole) && end_of(whole, count) <= cut)
			count++;
		assert_int_equal(eventlog_count(log), count);
		/* A few bytes that look like padding may be left of the next one. */
		end = count > 0 ? end_of(whole, count - 1) : 0;
		if (r != -EBADMSG)
			assert_true(r == 0 && cut - end < 8 &&
				    bytes_are_zero(data + end, cut - end));
		for (size_t i = 0; i < count; i++)
			assert_true(same_event(eventlog_at(log, i), eventlog_at(whole, i)));
	}
	assert_int_equal(count + 1, eventlog_count(whole));
}

static void cut_logs_are_no_other_logs(void **state)
{
	(void)state;
	check_cuts(FIXTURE "event-sd-boot-fedora37.bin", EVENTLOG_PCR);
	check_cuts(FIXTURE "event-uefi-sha1-log.bin", EVENTLOG_PCR);
	check_cuts(GOOGLE "eventlogs/ccel/CCEL_unpadded.data.bin", EVENTLOG_RTMR);
}

/* ---- Logs made here ---- */

struct bytes {
	uint8_t data[1024];
	size_t size;
};

static void put(struct bytes *bytes, const void *data, size_t size)
{
	assert_true(bytes->size + size <= sizeof(bytes->data));
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
}

static void put_le32(struct bytes *bytes, uint32_t value)
{
	uint8_t data[] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			  (uint8_t)(value >> 24)};

	put(bytes, data, 4);
}

static void put_hex(struct bytes *bytes, const char *hex)
{
	uint8_t data[512];

	assert_int_equal(hex_decode(hex, strlen(hex), data, strlen(hex) / 2), 0);
	put(bytes, data, strlen(hex) / 2);
}

/* The header, of SHA-256 and an algorithm that nobody knows, with bytes of a vendor. */
static void put_header(struct bytes *bytes, const char *algorithms, uint32_t count)
{
	static const uint8_t zeros[20];
	size_t size = strlen(algorithms) / 2;

	put_le32(bytes, 0);
	put_le32(bytes, 3);
	put(bytes, zeros, 20);
	put_le32(bytes, (uint32_t)(16 + 8 + 4 + size + 1 + 4));
	put(bytes, "Spec ID Event03", 16);
	put_hex(bytes, "0000000000020002");
	put_le32(bytes, count);
	put_hex(bytes, algorithms);
	put_hex(bytes, "04deadbeef");
}

/* With one SHA-256 digest of the byte @fill. */
static void put_event(struct bytes *bytes, uint32_t index, uint32_t type, uint8_t fill,
		      const void *data, size_t size)
{
	uint8_t digest[32];

	memset(digest, fill, sizeof(digest));
	put_le32(bytes, index);
	put_le32(bytes, type);
	put_le32(bytes, 1);
	put_hex(bytes, "0b00");
	put(bytes, digest, sizeof(digest));
	put_le32(bytes, (uint32_t)size);
	put(bytes, data, size);
}

#define SHA256_ONLY "0b002000"

/* What PCR @index holds after one event whose digest is @fill, from @start. */
static void wanted_value(uint8_t start, uint8_t last, uint8_t fill, uint8_t ret[static 32])
{
	uint8_t both[64];

	memset(both, start, 32);
	both[31] = last;
	memset(both + 32, fill, 32);
	assert_int_equal(hash_data(HASH_SHA256, both, 64, ret), 0);
}

static void check_pcr(const struct eventlog *log, unsigned int index, uint8_t start, uint8_t last,
		      uint8_t fill)
{
	struct eventlog_registers registers;
	uint8_t wanted[32];

	wanted_value(start, last, fill, wanted);
	replay(log, EVENTLOG_PCR, HASH_SHA256, &registers);
	assert_memory_equal(registers.values[index], wanted, 32);
}

static void registers_begin_as_the_tpm_does(void **state)
{
	static const uint8_t locality[] = "StartupLocality\0\003";
	cleanup(eventlog_freep) struct eventlog *plain = new_log();
	cleanup(eventlog_freep) struct eventlog *started = new_log();
	cleanup(eventlog_freep) struct eventlog *hcrtm = new_log();
	struct bytes bytes = {}, second = {}, third = {};

	(void)state;
	assert_int_equal(sizeof(locality), 18);
	put_header(&bytes, SHA256_ONLY, 1);
	put_event(&bytes, 0, 8, 1, "", 0);
	put_event(&bytes, 16, 8, 2, "", 0);
	put_event(&bytes, 17, 8, 2, "", 0);
	put_event(&bytes, 22, 8, 3, "", 0);
	put_event(&bytes, 23, 8, 4, "", 0);
	assert_int_equal(add_firmware(plain, EVENTLOG_PCR, bytes.data, bytes.size), 0);
	check_pcr(plain, 0, 0, 0, 1);
	check_pcr(plain, 16, 0, 0, 2);
	check_pcr(plain, 17, 0xff, 0xff, 2);
	check_pcr(plain, 22, 0xff, 0xff, 3);
	check_pcr(plain, 23, 0, 0, 4);
	/* EV_NO_ACTION extends nothing, whatever its digest and its register. */
	put_header(&second, SHA256_ONLY, 1);
	put_event(&second, 0, 3, 9, locality, 17);
	put_event(&second, 0xffffffff, 3, 9, "SP800-155 Event", 16);
	put_event(&second, 0, 8, 1, "", 0);
	assert_int_equal(add_firmware(started, EVENTLOG_PCR, second.data, second.size), 0);
	check_pcr(started, 0, 0, 3, 1);
	/* EV_EFI_HCRTM_EVENT before all else in PCR 0. */
	put_header(&third, SHA256_ONLY, 1);
	put_event(&third, 0, 0x80000010, 1, "HCRTM", 5);
	assert_int_equal(add_firmware(hcrtm, EVENTLOG_PCR, third.data, third.size), 0);
	check_pcr(hcrtm, 0, 0, 4, 1);
}

/* Vendors' bytes and unknown algorithms are passed over; a wrong size of a known one is not. */
static void headers_are_believed_in_part(void **state)
{
	cleanup(eventlog_freep) struct eventlog *log = new_log();
	cleanup(eventlog_freep) struct eventlog *other = new_log();
	struct bytes bytes = {}, bad = {};

	(void)state;
	put_header(&bytes, SHA256_ONLY "99990300", 2);
	put_le32(&bytes, 7);
	put_le32(&bytes, 4);
	put_le32(&bytes, 2);
	put_hex(&bytes, "9999aabbcc");
	put_hex(&bytes, "0b00"
			"1111111111111111111111111111111111111111111111111111111111111111");
	put_le32(&bytes, 0);
	assert_int_equal(add_firmware(log, EVENTLOG_PCR, bytes.data, bytes.size), 0);
	assert_int_equal(eventlog_count(log), 2);
	assert_int_equal(eventlog_at(log, 1)->banks, 1U << HASH_SHA256);
	check_pcr(log, 7, 0, 0, 0x11);
	put_header(&bad, "0b002100", 1);
	assert_int_equal(add_firmware(other, EVENTLOG_PCR, bad.data, bad.size), -EBADMSG);
}

static void registers_are_bounded(void **state)
{
	static const struct {
		enum eventlog_kind kind;
		uint32_t index;
		int r;
	} cases[] = {
		{EVENTLOG_PCR, 23, 0},
		{EVENTLOG_PCR, 24, -EBADMSG},
		{EVENTLOG_RTMR, 0, -EBADMSG},
		{EVENTLOG_RTMR, 1, 0},
		{EVENTLOG_RTMR, 4, 0},
		{EVENTLOG_RTMR, 5, -EBADMSG},
		{EVENTLOG_PCR, 0xffffffff, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup(eventlog_freep) struct eventlog *log = new_log();
		struct bytes bytes = {};

		put_header(&bytes, SHA256_ONLY, 1);
		put_event(&bytes, cases[i].index, 8, 1, "", 0);
		assert_int_equal(add_firmware(log, cases[i].kind, bytes.data, bytes.size),
				 cases[i].r);
	}
}

static void comparisons_name_the_event(void **state)
{
	static const uint8_t separator[4];
	cleanup(eventlog_freep) struct eventlog *log = new_log();
	struct eventlog_registers registers;
	struct eventlog_comparison comparison;
	struct bytes bytes = {};
	uint8_t zeros[32] = {};

	(void)state;
	put_header(&bytes, SHA256_ONLY, 1);
	for (uint8_t i = 1; i <= 3; i++) {
		put_event(&bytes, 4, 0x80000003, i, "", 0);
		put_event(&bytes, 5, 0x80000003, i, "", 0);
	}
	put_event(&bytes, 4, 4, 7, separator, 4); /* its digest is not that of its data */
	assert_int_equal(add_firmware(log, EVENTLOG_PCR, bytes.data, bytes.size), 0);
	/* Events 1, 3, 5 and 7 are of PCR 4. */
	for (size_t count = 2; count <= 8; count += 2) {
		assert_int_equal(eventlog_replay(log, EVENTLOG_PCR, HASH_SHA256, count, &registers),
				 0);
		assert_int_equal(eventlog_compare(log, EVENTLOG_PCR, HASH_SHA256, 4,
						  registers.values[4], &comparison),
				 0);
		assert_int_equal(comparison.verdict, count < 8 ? EVENTLOG_AHEAD : EVENTLOG_AGREES);
		if (count < 8)
			assert_int_equal(comparison.first, count + 1);
	}
	assert_int_equal(eventlog_compare(log, EVENTLOG_PCR, HASH_SHA256, 4, zeros, &comparison),
			 0);
	assert_int_equal(comparison.verdict, EVENTLOG_AHEAD);
	assert_int_equal(comparison.first, 1);
	zeros[0] = 1;
	assert_int_equal(eventlog_compare(log, EVENTLOG_PCR, HASH_SHA256, 4, zeros, &comparison),
			 0);
	assert_int_equal(comparison.verdict, EVENTLOG_DIFFERS);
	assert_int_equal(comparison.first, 7);
	assert_int_equal(eventlog_compare(log, EVENTLOG_PCR, HASH_SHA256, 5, zeros, &comparison),
			 0);
	assert_int_equal(comparison.verdict, EVENTLOG_DIFFERS);
	assert_true(comparison.first == SIZE_MAX);
	/* Nothing can be said of a bank without digests; of a register without events it can. */
	assert_int_equal(eventlog_compare(log, EVENTLOG_PCR, HASH_SHA1, 5, zeros, &comparison), 0);
	assert_int_equal(comparison.verdict, EVENTLOG_UNKNOWN);
	replay(log, EVENTLOG_PCR, HASH_SHA1, &registers);
	assert_int_equal(registers.unknown, 0x30);
	zeros[0] = 0;
	assert_int_equal(eventlog_compare(log, EVENTLOG_PCR, HASH_SHA1, 6, zeros, &comparison), 0);
	assert_int_equal(comparison.verdict, EVENTLOG_AGREES);
}

/* ---- The agent's ---- */

/* An entry as CoCo's agent writes it; text and digests are of its own tests. */
#define AGENT_DATA                                                                                 \
	"20000000"                                                                                 \
	"4c45414118000000646f6d61696e206f7065726174696f6e20636f6e74656e74"
#define AGENT_SHA256                                                                               \
	"0b00"                                                                                     \
	"46df8dacf00a07d34a83cdf56d7978697790787cf2ba1432ef7c38f22cd96351"
#define AGENT_SHA384                                                                               \
	"0c00"                                                                                     \
	"dad5f0e226318ffa9839b75a472c6aa7fdb5834949d0a0a22990cf04d5692440fb00f3aa0609db7e49cd8d79" \
	"3f670d02"

static void agents_entries_are_read(void **state)
{
	static const struct {
		const char *hex;
		enum eventlog_kind kind;
		unsigned int index;
		enum hash_algorithm bank;
	} entries[] = {
		{"040000000600000001000000" AGENT_SHA384 AGENT_DATA, EVENTLOG_RTMR, 3, HASH_SHA384},
		/* On a vTPM: a PCR. */
		{"170000000600000001000000" AGENT_SHA256 AGENT_DATA, EVENTLOG_PCR, 23, HASH_SHA256},
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		cleanup(eventlog_freep) struct eventlog *log = new_log();
		struct eventlog_event event;
		struct bytes bytes = {};

		put_hex(&bytes, entries[i].hex);
		assert_int_equal(add_agent(log, bytes.data, bytes.size), 0);
		assert_int_equal(eventlog_count(log), 1);
		event = *eventlog_at(log, 0);
		assert_int_equal(event.kind, entries[i].kind);
		assert_int_equal(event.source, EVENTLOG_AGENT);
		assert_int_equal(event.index, entries[i].index);
		assert_int_equal(event.banks, 1U << entries[i].bank);
		assert_true(eventlog_event_is_sound(&event));
		eventlog_describe(&event, text, sizeof(text));
		assert_string_equal(text, "domain operation content");
		event.digests[entries[i].bank][0] ^= 1;
		assert_false(eventlog_event_is_sound(&event));
		for (size_t cut = 1; cut < bytes.size; cut++) {
			cleanup(eventlog_freep) struct eventlog *other = new_log();

			assert_int_equal(add_agent(other, bytes.data, cut), -EBADMSG);
			assert_int_equal(eventlog_count(other), 0);
		}
	}
}

/* Both entries of the agent at the end of a published log. */
static void agents_digests_are_checked(void **state)
{
	cleanup(eventlog_freep) struct eventlog *log =
		read_firmware(TRUSTEE "CCEL_AAEL_alibabacloud", EVENTLOG_RTMR);
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < eventlog_count(log); i++) {
		struct eventlog_event event = *eventlog_at(log, i);

		if (event.type != 6 || event.index != 3)
			continue;
		assert_true(eventlog_event_is_sound(&event));
		event.digests[HASH_SHA384][47] ^= 1;
		assert_false(eventlog_event_is_sound(&event));
		count++;
	}
	assert_int_equal(count, 2);
}

/* ---- systemd's ---- */

static void systemds_record_is_read(void **state)
{
	static const char path[] = "systemd/tpm2-measure-log-record.json-seq";
	size_t size;
	cleanup(freep) char *text = vector_read(path, &size);
	cleanup(freep) uint8_t *exact = exact_copy(text, size);
	cleanup(eventlog_freep) struct eventlog *log = new_log();
	const struct eventlog_event *event;
	char description[64];

	(void)state;
	assert_int_equal(eventlog_add_user(log, exact, size), 0);
	assert_int_equal(eventlog_count(log), 1);
	event = eventlog_at(log, 0);
	assert_int_equal(event->index, 7);
	assert_int_equal(event->kind, EVENTLOG_PCR);
	assert_int_equal(event->source, EVENTLOG_USER);
	assert_int_equal(event->banks, 1U << HASH_SHA256);
	assert_string_equal(event->user_type, "os-separator");
	assert_int_equal(event->data_size, strlen("os-separator"));
	assert_true(eventlog_event_is_sound(event));
	eventlog_describe(event, description, sizeof(description));
	assert_string_equal(description, "os-separator");
	assert_int_equal(json_integer_value(json_object_get(event->content, "timestamp")), 1515761);
	for (size_t cut = 1; cut < size; cut++) {
		cleanup(eventlog_freep) struct eventlog *other = new_log();

		assert_int_equal(eventlog_add_user(other, exact, cut), -EBADMSG);
		assert_int_equal(eventlog_count(other), 0);
	}
}

/* Published digests of the words that systemd measures. */
static void phase_words_are_sound(void **state)
{
	cleanup(json_decrefp) json_t *kat = vector_read_json("systemd/kat.json");
	const char *word;
	json_t *digest;

	(void)state;
	json_object_foreach (json_object_get(kat, "phase_word_sha256"), word, digest) {
		for (int change = 0; change < 2; change++) {
			cleanup(eventlog_freep) struct eventlog *log = new_log();
			cleanup(freep) char *text = NULL;

			assert_true(asprintf(&text,
					     "\x1e{\"pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\","
					     "\"digest\":\"%s\"}],\"content_type\":\"systemd\","
					     "\"content\":{\"string\":\"%s%s\"}}\n",
					     json_string_value(digest), word,
					     change ? "x" : "") > 0);
			assert_int_equal(add_user(log, text), 0);
			assert_int_equal(eventlog_event_is_sound(eventlog_at(log, 0)), !change);
		}
	}
	assert_int_equal(json_object_size(json_object_get(kat, "phase_word_sha256")), 7);
}

#define DIGEST "3838383838383838383838383838383838383838"
#define RECORD(register_)                                                                          \
	"\x1e{" register_ "\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"" DIGEST "\"}],"        \
	"\"content_type\":\"systemd\",\"content\":{\"string\":\"a\",\"eventType\":\"volume-key\"}" \
	"}\n"

static void user_records_are_told_apart(void **state)
{
	cleanup(eventlog_freep) struct eventlog *log = new_log();
	char description[8];

	(void)state;
	/* NV indices are passed over; what another program adds is kept without its content. */
	assert_int_equal(
		add_user(log, RECORD("\"nv_index\":30474752,") RECORD("\"pcr\":23,") //
			 "\x1e{\"pcr\":0,\"digests\":[{\"hashAlg\":\"sm3_256\",\"digest\":\"00\"}],"
			 "\"content_type\":\"else\",\"content\":{\"string\":7}}\n"),
		0);
	assert_int_equal(eventlog_count(log), 2);
	assert_int_equal(eventlog_at(log, 0)->index, 23);
	assert_int_equal(eventlog_at(log, 0)->banks, 1U << HASH_SHA1);
	/* An HMAC follows from no text. */
	assert_true(eventlog_event_is_sound(eventlog_at(log, 0)));
	assert_int_equal(eventlog_at(log, 1)->banks, 0);
	assert_null(eventlog_at(log, 1)->user_type);
	assert_int_equal(eventlog_at(log, 1)->data_size, 0);
	eventlog_describe(eventlog_at(log, 1), description, sizeof(description));
	assert_string_equal(description, "");
}

static void bad_user_records_are_refused(void **state)
{
	static const char *const texts[] = {
		RECORD(""),
		RECORD("\"pcr\":24,"),
		RECORD("\"pcr\":-1,"),
		RECORD("\"pcr\":\"7\","),
		RECORD("\"pcr\":7,\"nv_index\":7,"),
		RECORD("\"pcr\":7,\"pcr\":7,"),
		"x" RECORD("\"pcr\":7,"),
		RECORD("\"pcr\":7,") "x",
		"\x1e" RECORD("\"pcr\":7,"),
		RECORD("\"pcr\":7,") "\x1e",
		"x{\"pcr\":7,\"digests\":[]}\n",
		"\x1e{\"pcr\":7}\n",
		"\x1e{\"pcr\":7,\"digests\":{}}\n",
		"\x1e{\"pcr\":7,\"digests\":[7]}\n",
		"\x1e{\"pcr\":7,\"digests\":[{\"hashAlg\":\"sha1\"}]}\n",
		"\x1e{\"pcr\":7,\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"3838\"}]}\n",
		"\x1e{\"pcr\":7,\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"" DIGEST "\"},"
		"{\"hashAlg\":\"sha1\",\"digest\":\"" DIGEST "\"}]}\n",
		"\x1e{\"pcr\":7,\"digests\":[],\"content_type\":\"systemd\","
		"\"content\":{\"string\":7}}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup(eventlog_freep) struct eventlog *log = new_log();

		if (add_user(log, texts[i]) != -EBADMSG)
			fail_msg("log %zu is taken: %s", i, texts[i]);
	}
}

/* ---- What people read ---- */

static void check_description(uint32_t type, const char *hex, const char *wanted)
{
	struct eventlog_event event = {.source = EVENTLOG_FIRMWARE, .type = type};
	struct bytes bytes = {};
	char text[128];

	put_hex(&bytes, hex);
	event.data = bytes.data;
	event.data_size = bytes.size;
	eventlog_describe(&event, text, sizeof(text));
	assert_string_equal(text, wanted);
}

#define ZEROS_16 "00000000000000000000000000000000"
#define LE64_2	 "0200000000000000"

static void events_are_described(void **state)
{
	struct eventlog_event event = {.type = 5, .data = (const uint8_t *)"abcdef"};
	char text[4];

	(void)state;
	check_description(5, "414243", "ABC");
	check_description(13, "410042004300", "ABC");
	check_description(13, "4100420043000000", "ABC");
	check_description(5, "4142434400ff", "ABCD");
	check_description(5, "41420043", "");	 /* something is behind its end */
	check_description(5, "411b5b326a", "");	 /* what a terminal would obey */
	check_description(5, "410a4200", "A B"); /* one line */
	check_description(4, "00000000", "");
	check_description(0x80000001, ZEROS_16 LE64_2 LE64_2 "41004200ffff", "AB");
	check_description(0x80000001, ZEROS_16 LE64_2 LE64_2 "41004200ff", "");
	/* A disk, the file, the end. */
	check_description(0x80000003,
			  ZEROS_16 "0000000000000000"
				   "1200000000000000"
				   "04010400"
				   "04040a005c0041000000"
				   "7fff0400",
			  "\\A");
	check_description(0x80000003,
			  "0000000000000000"
			  "0700000000000000" ZEROS_16,
			  "7 bytes");
	check_description(0x80000003, ZEROS_16 ZEROS_16, "");
	check_description(0x80000008,
			  "0000100000000000"
			  "0700000000000000",
			  "7 bytes at 0x100000");
	check_description(0x8000000b, "0354647801", "Tdx");
	check_description(6, "ec3b228f0200000041420a", ""); /* not as long as it says */
	check_description(6, "ec3b228f020000004142", "AB");
	event.data_size = 6;
	eventlog_describe(&event, text, sizeof(text));
	assert_string_equal(text, "abc");
}

static void types_have_names(void **state)
{
	char buffer[11];

	(void)state;
	assert_string_equal(eventlog_type_name(4, buffer), "EV_SEPARATOR");
	assert_string_equal(eventlog_type_name(0x800000e0, buffer), "EV_EFI_VARIABLE_AUTHORITY");
	assert_string_equal(eventlog_type_name(0xfffffffe, buffer), "0xfffffffe");
}

static void large_logs_are_refused(void **state)
{
	cleanup(eventlog_freep) struct eventlog *log = new_log();
	cleanup(freep) uint8_t *data = calloc(1, EVENTLOG_LIMIT + 1);
	size_t entry = 32;

	(void)state;
	assert_int_equal(eventlog_add_firmware(log, EVENTLOG_PCR, data, EVENTLOG_LIMIT), 0);
	assert_int_equal(eventlog_count(log), 0);
	assert_int_equal(eventlog_add_firmware(log, EVENTLOG_PCR, data, EVENTLOG_LIMIT + 1),
			 -E2BIG);
	assert_int_equal(eventlog_add_agent(log, data, EVENTLOG_LIMIT + 1), -E2BIG);
	assert_int_equal(eventlog_add_user(log, data, EVENTLOG_LIMIT + 1), -E2BIG);
	/* Of the older form: one more event than there may be. */
	for (size_t i = 0; i <= EVENTLOG_EVENTS_MAX; i++)
		data[i * entry] = 1;
	assert_int_equal(eventlog_add_firmware(log, EVENTLOG_PCR, data,
					       EVENTLOG_EVENTS_MAX * entry + entry),
			 -E2BIG);
	assert_int_equal(eventlog_count(log), EVENTLOG_EVENTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_pcrs_are_replayed),
		cmocka_unit_test(printed_pcrs_are_replayed),
		cmocka_unit_test(ccel_leads_to_the_quote),
		cmocka_unit_test(published_events_are_read),
		cmocka_unit_test(other_logs_are_read),
		cmocka_unit_test(bad_logs_are_refused),
		cmocka_unit_test(cut_logs_are_no_other_logs),
		cmocka_unit_test(registers_begin_as_the_tpm_does),
		cmocka_unit_test(headers_are_believed_in_part),
		cmocka_unit_test(registers_are_bounded),
		cmocka_unit_test(comparisons_name_the_event),
		cmocka_unit_test(agents_entries_are_read),
		cmocka_unit_test(agents_digests_are_checked),
		cmocka_unit_test(systemds_record_is_read),
		cmocka_unit_test(phase_words_are_sound),
		cmocka_unit_test(user_records_are_told_apart),
		cmocka_unit_test(bad_user_records_are_refused),
		cmocka_unit_test(events_are_described),
		cmocka_unit_test(types_have_names),
		cmocka_unit_test(large_logs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
