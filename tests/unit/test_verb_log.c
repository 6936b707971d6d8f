/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"
#include "verb_run.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/reader.h"
#include "cli/verbs.h"
#include "measure/machine_logs.h"

/* The verb opens the TPM of the test, and reads its logs. */
static struct swtpm *the_swtpm;
static struct machine_logs the_logs;

int __wrap_tpm_open(struct tpm **ret);
int __wrap_tpm_open(struct tpm **ret)
{
	if (!the_swtpm)
		return -ENODEV;
	*ret = TAKE_PTR(the_swtpm->tpm);
	return 0;
}

int __wrap_machine_logs_load(struct machine_logs *ret);
int __wrap_machine_logs_load(struct machine_logs *ret)
{
	*ret = the_logs;
	the_logs = (struct machine_logs){};
	return 0;
}

/* Of its SHA-384 bank; and is this a TDX machine with an older kernel? */
static uint32_t absent_pcrs;
static bool has_hidden_rtmrs;

int __real_tpm_pcr_read(struct tpm *tpm, enum hash_algorithm bank, uint32_t mask,
			struct tpm_pcr_values *ret);
int __wrap_tpm_pcr_read(struct tpm *tpm, enum hash_algorithm bank, uint32_t mask,
			struct tpm_pcr_values *ret);
int __wrap_tpm_pcr_read(struct tpm *tpm, enum hash_algorithm bank, uint32_t mask,
			struct tpm_pcr_values *ret)
{
	if (bank == HASH_SHA384 && mask & absent_pcrs)
		return fail(-EOPNOTSUPP, "the TPM's PCR bank is not active");
	return __real_tpm_pcr_read(tpm, bank, mask, ret);
}

int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
int __wrap_access(const char *path, int mode)
{
	if (has_hidden_rtmrs && strcmp(path, "/dev/tdx_guest") == 0)
		return 0;
	return __real_access(path, mode);
}

/* Run it, and give back what it printed; the caller frees. */
static char *run_verb(struct swtpm *swtpm, const char *const *words, int *ret_code)
{
	char *text;

	the_swtpm = swtpm;
	text = verb_run(&verb_log, words, ret_code);
	if (swtpm && !swtpm->tpm)
		swtpm_connect(swtpm);
	return text;
}
#define RUN(swtpm, ret_code, ...)                                                                  \
	run_verb(swtpm, (const char *[]){"log", __VA_ARGS__, NULL}, ret_code)

static void need_text(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("\"%s\" is not in:\n%s", wanted, text);
}

/* ---- Logs ---- */

static void put(struct writer *writer, const char *hex)
{
	uint8_t data[128];

	assert_int_equal(hex_decode(hex, strlen(hex), data, strlen(hex) / 2), 0);
	writer_bytes(writer, data, strlen(hex) / 2);
}

static void put_digest(struct writer *writer, enum hash_algorithm algorithm, const char *word)
{
	uint8_t digest[HASH_MAX_SIZE];

	assert_int_equal(hash_data(algorithm, word, strlen(word), digest), 0);
	writer_bytes(writer, digest, hash_size(algorithm));
}

/* An event whose data and digests are of @word, as swtpm_extend() makes them. */
static void put_event(struct writer *writer, bool agile, uint32_t pcr, const char *word)
{
	static const char *const ids[] = {"0400", "0b00", "0c00", "0d00"};

	writer_le32(writer, pcr);
	writer_le32(writer, 13); /* EV_IPL */
	if (agile)
		writer_le32(writer, HASH_ALGORITHMS);
	for (size_t i = 0; i < (agile ? HASH_ALGORITHMS : 1); i++) {
		if (agile)
			put(writer, ids[i]);
		put_digest(writer, (enum hash_algorithm)i, word);
	}
	writer_le32(writer, (uint32_t)strlen(word));
	writer_bytes(writer, word, strlen(word));
}

/* What swtpm_setup() extended. */
static void set_firmware_log(bool agile)
{
	struct writer writer = {};

	if (agile) {
		put(&writer, "00000000"
			     "03000000"
			     "0000000000000000000000000000000000000000"
			     "2d000000");
		writer_bytes(&writer, "Spec ID Event03", 16);
		put(&writer, "0000000000020002"
			     "04000000"
			     "04001400"
			     "0b002000"
			     "0c003000"
			     "0d004000"
			     "00");
	}
	put_event(&writer, agile, 7, "secure boot");
	put_event(&writer, agile, 11, "kernel");
	assert_int_equal(writer.error, 0);
	the_logs.firmware = (char *)writer.data;
	the_logs.firmware_size = writer.size;
}

static void add_record(unsigned int pcr, const char *word)
{
	cleanup(json_decrefp) json_t *record =
		json_pack("{s:i, s:[], s:s, s:{s:s, s:s}}", "pcr", (int)pcr, "digests",
			  "content_type", "systemd", "content", "string", word, "eventType",
			  "test");
	char *text, *dump;

	for (unsigned int i = 0; i < HASH_ALGORITHMS; i++) {
		uint8_t digest[HASH_MAX_SIZE];

		assert_int_equal(hash_data((enum hash_algorithm)i, word, strlen(word), digest), 0);
		json_array_append_new(
			json_object_get(record, "digests"),
			json_pack("{s:s, s:o}", "hashAlg", hash_name((enum hash_algorithm)i),
				  "digest", json_hex(digest, hash_size((enum hash_algorithm)i))));
	}
	dump = json_dumps(record, JSON_COMPACT);
	assert_true(asprintf(&text, "%s\x1e%s\n", the_logs.user ? the_logs.user : "", dump) > 0);
	free(dump);
	free(the_logs.user);
	the_logs.user = text;
	the_logs.user_size = strlen(text);
}

/* ---- Cases ---- */

static void logs_and_registers_agree(void **state)
{
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(true);
	swtpm_extend(swtpm, 15, "cvmroot:leave");
	add_record(15, "cvmroot:leave");
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, EXIT_OK);
	need_text(text, "sha256 PCR 7, 11, 15: as the logs say\n");
	need_text(text, "\n*     3  PCR 15  test ");
	assert_null(strstr(text, "disagrees"));
	assert_null(strstr(text, "explained"));
}

static void register_behind_its_log(void **state)
{
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(true);
	swtpm_extend(swtpm, 15, "a");
	add_record(15, "a");
	add_record(15, "b");
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(text, "sha256 PCR 15: disagrees: the register lacks event 4 and what follows\n");
	need_text(text, "sha256 PCR 7, 11: as the logs say\n");
}

static void extended_besides(void **state)
{
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(true);
	swtpm_extend(swtpm, 15, "a");
	swtpm_extend(swtpm, 15, "b");
	add_record(15, "a");
	swtpm_extend(swtpm, 12, "c");
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(text, "sha256 PCR 15: disagrees: no part of the logs leads to its value\n");
	need_text(text, "sha256 PCR 12: disagrees: it was extended, and no log says by what\n");
}

static void altered_text(void **state)
{
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(true);
	swtpm_extend(swtpm, 15, "altered");
	add_record(15, "altered");
	*strstr(the_logs.user, "altered") = 'A';
	text = RUN(swtpm, &code, "--verify");
	/* The register has what the digest says; but the text says something else. */
	assert_int_equal(code, 3);
	need_text(text, "sha256 PCR 7, 11, 15: as the logs say\n");
	need_text(text, "event 3: its digest is not that of its data\n");
}

static void registers_without_logs(void **state)
{
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(true);
	swtpm_extend(swtpm, 10, "of IMA");
	swtpm_extend(swtpm, 16, "of anybody");
	swtpm_extend(swtpm, 23, "of anybody");
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, EXIT_OK);
	need_text(text, "sha256 PCR 10, 16, 23: in no log: IMA extends PCR 10");
}

static void phases_without_log(void **state)
{
	cleanup(freep) char *text = NULL, *second = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(true);
	swtpm_extend(swtpm, 11, "leave-initrd");
	swtpm_extend(swtpm, 11, "sysinit");
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, EXIT_OK);
	need_text(text, "sha256 PCR 11: as the logs say, with systemd's boot phases");
	/* In another order they explain nothing. */
	set_firmware_log(true);
	swtpm_extend(swtpm, 11, "enter-initrd");
	second = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(second, "sha256 PCR 11: disagrees: no part of the logs leads to its value\n");
}

static void missing_and_incomplete_logs(void **state)
{
	cleanup(freep) char *without = NULL, *cut = NULL, *agent = NULL, *nothing = NULL,
			    *shown = NULL;
	struct swtpm *swtpm = *state;
	int code;

	without = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(without, "this kernel shows no event log of the firmware");
	need_text(without, "sha256 PCR 7: disagrees: it was extended, and no log says by what\n");
	set_firmware_log(true);
	the_logs.user_incomplete = true;
	cut = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(cut, "the log of measurements is incomplete: a measurement was cut\n");
	set_firmware_log(true);
	the_logs.agent_incomplete = true;
	agent = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(agent, "the runtime event log (AAEL) is incomplete: a measurement was cut\n");
	/* Who only looks is told, too. */
	add_record(15, "a");
	the_logs.user_incomplete = true;
	shown = RUN(swtpm, &code, NULL);
	assert_int_equal(code, EXIT_OK);
	need_text(shown, "the log of measurements is incomplete: a measurement was cut\n");
	nothing = RUN(NULL, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(nothing, "this machine has no PCRs and no RTMRs to compare the logs with\n");
}

/* The events are there; what they were extended into is not. */
static void log_alone_names_no_register(void **state)
{
	cleanup(freep) char *text = NULL, *json = NULL, *verified = NULL;
	int code;

	(void)state;
	the_logs.alone = true;
	add_record(15, "cvmroot:leave");
	text = RUN(NULL, &code, NULL);
	assert_int_equal(code, EXIT_OK);
	need_text(text, "\n*     0  -       test ");
	the_logs.alone = true;
	add_record(15, "cvmroot:leave");
	json = RUN(NULL, &code, "--json");
	assert_int_equal(code, EXIT_OK);
	need_text(json, "\"in\": null,\n   \"index\": null,");
	need_text(json, "\"registers\": [],");
	the_logs.alone = true;
	add_record(15, "cvmroot:leave");
	verified = RUN(NULL, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(verified, "this machine has no PCRs and no RTMRs to compare the logs with\n");
}

static void no_log_at_all(void **state)
{
	cleanup(freep) char *text = NULL;
	int code;

	(void)state;
	text = RUN(NULL, &code, NULL);
	assert_int_equal(code, -ENOENT);
	assert_string_equal(text, "");
	need_text(fail_sentence(code), "no event log was found: neither /sys/kernel/security/");
	need_text(fail_sentence(code), " nor /run/cvmroot/measure.log");
}

/* What the TPM has is judged all the same. */
static void rtmrs_that_are_not_shown(void **state)
{
	cleanup(freep) char *text = NULL, *json = NULL;
	struct swtpm *swtpm = *state;
	int code;

	has_hidden_rtmrs = true;
	set_firmware_log(true);
	text = RUN(swtpm, &code, "--verify");
	set_firmware_log(true);
	json = RUN(swtpm, &code, "--verify", "--json");
	has_hidden_rtmrs = false;
	assert_int_equal(code, 3);
	need_text(text, "sha256 PCR 7, 11: as the logs say\n");
	need_text(text, "this kernel does not show the RTMRs; Linux 6.16 and later do\n");
	need_text(json, "\"this kernel does not show the RTMRs; Linux 6.16 and later do\"");
}

static void bank_of_some_pcrs(void **state)
{
	cleanup(freep) char *text = NULL, *json = NULL;
	struct swtpm *swtpm = *state;
	int code;

	absent_pcrs = 1U << 3 | 1U << 11;
	set_firmware_log(true);
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, EXIT_OK);
	set_firmware_log(true);
	json = RUN(swtpm, &code, "--verify", "--json");
	absent_pcrs = 0;
	assert_int_equal(code, EXIT_OK);
	need_text(text, "sha256 PCR 7, 11: as the logs say\n");
	need_text(text, "sha384 PCR 7: as the logs say\nsha384 PCR 3, 11: not in this bank");
	need_text(json, "\"value\": null,\n   \"judgement\": \"absent\",");
}

/* The older form has SHA-1 only. */
static void sha1_alone(void **state)
{
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(false);
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, 3);
	need_text(text, "sha256 PCR 7, 11: not known: an event has no digest for it\n");
}

static const char *member(json_t *one, const char *name)
{
	const char *text = json_string_value(json_object_get(one, name));

	return text ? text : "";
}

static void json_has_the_judgement(void **state)
{
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	json_t *one, *registers;
	unsigned int found = 0;
	int code;
	size_t i;

	set_firmware_log(true);
	add_record(15, "b");
	text = RUN(swtpm, &code, "--verify", "--json");
	assert_int_equal(code, 3);
	assert_int_equal(json_parse(text, strlen(text), MIB, &json), 0);
	registers = json_object_get(json, "registers");
	json_array_foreach (registers, i, one) {
		bool is_identity = json_integer_value(json_object_get(one, "index")) == 15;

		if (strcmp(member(one, "bank"), "sha256") != 0)
			continue;
		assert_string_equal(member(one, "judgement"), is_identity ? "log-ahead" : "agrees");
		assert_int_equal(strcmp(member(one, "replayed"), member(one, "value")) == 0,
				 !is_identity);
		if (is_identity)
			assert_int_equal(json_integer_value(json_object_get(one, "event")), 3);
		found++;
	}
	assert_int_equal(found, 3);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 4);
}

/* What stands before the fault is shown; what it replays to would say nothing. */
static void malformed_logs_end_it(void **state)
{
	cleanup(freep) char *text = NULL, *json = NULL;
	struct swtpm *swtpm = *state;
	int code;

	set_firmware_log(true);
	the_logs.firmware_size--;
	text = RUN(swtpm, &code, "--verify");
	assert_int_equal(code, -EBADMSG);
	need_text(text, "\n      1  PCR 7 ");
	assert_null(strstr(text, "PCR 11"));
	assert_null(strstr(text, "as the logs say"));
	need_text(fail_sentence(code), "the firmware's event log is malformed at byte ");
	set_firmware_log(true);
	the_logs.firmware_size--;
	json = RUN(swtpm, &code, "--verify", "--json");
	assert_int_equal(code, -EBADMSG);
	need_text(json, "\"registers\": [],");
	/* With nothing before it there is nothing to show. */
	free(text);
	add_record(15, "a");
	*the_logs.user = 'x';
	text = RUN(swtpm, &code, NULL);
	assert_int_equal(code, -EBADMSG);
	assert_string_equal(text, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(logs_and_registers_agree),
		TEST(register_behind_its_log),
		TEST(extended_besides),
		TEST(altered_text),
		TEST(registers_without_logs),
		TEST(phases_without_log),
		TEST(missing_and_incomplete_logs),
		TEST(log_alone_names_no_register),
		TEST(no_log_at_all),
		TEST(rtmrs_that_are_not_shown),
		TEST(bank_of_some_pcrs),
		TEST(sha1_alone),
		TEST(json_has_the_judgement),
		TEST(malformed_logs_end_it),
	};

	if (!swtpm_exists()) {
		printf("skipped: there is no swtpm program\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
