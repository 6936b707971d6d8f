/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"
#include "verb_run.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/verbs.h"
#include "crypto/hash.h"
#include "measure/log.h"
#include "measure/machine_logs.h"
#include "tpm/quote.h"
#include "verify/verify.h"

/* Evidence with logs, made by one verb, is what the other accepts. */

#define UUID  "5a63bd9c-52fb-4a3b-8d28-0e05a9a4c5f1"
#define NONCE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* 0 to 31 */

/* Nothing but cvmroot measured on the test's machine. */
#define ZEROS "0000000000000000"
#define ZERO  "{\"booted\":[\"" ZEROS ZEROS ZEROS ZEROS "\"]}"

/* ---- The machine ---- */

static struct {
	struct swtpm *swtpm; /* NULL: no TPM */
	char *user, *agent;  /* its logs */
	size_t user_size;
	bool incomplete;
	unsigned int grows; /* so many times a log has grown when it is read again */
	unsigned int asked; /* for evidence */
	uint8_t report_data[TEE_REPORT_DATA_SIZE];
	size_t report_data_size;
} machine;

int __wrap_tpm_open(struct tpm **ret);
int __wrap_tpm_open(struct tpm **ret)
{
	if (!machine.swtpm)
		return -ENODEV;
	*ret = TAKE_PTR(machine.swtpm->tpm);
	return 0;
}

int __wrap_machine_logs_load(struct machine_logs *ret);
int __wrap_machine_logs_load(struct machine_logs *ret)
{
	*ret = (struct machine_logs){.user_incomplete = machine.incomplete};
	if (!machine.user)
		return 0;
	if (machine.grows > 0 && machine.asked > 0) {
		machine.grows--;
		machine.user_size++;
	}
	ret->user = malloc(machine.user_size + 1);
	assert_non_null(ret->user);
	memcpy(ret->user, machine.user, machine.user_size + 1);
	ret->user_size = machine.user_size;
	return 0;
}

int __real_tee_evidence(const struct tee_ops *tee, const struct tee_context *context,
			const struct tee_request *request, json_t **ret);
int __wrap_tee_evidence(const struct tee_ops *tee, const struct tee_context *context,
			const struct tee_request *request, json_t **ret);
int __wrap_tee_evidence(const struct tee_ops *tee, const struct tee_context *context,
			const struct tee_request *request, json_t **ret)
{
	machine.asked++;
	memcpy(machine.report_data, request->report_data, request->report_data_size);
	machine.report_data_size = request->report_data_size;
	if (context->tpm)
		return __real_tee_evidence(tee, context, request, ret);
	*ret = json_object();
	return 0;
}

/* ---- */

/* Run it, and give back what it printed; the caller frees. */
static char *run_verb(const char *tee, const char *nonce, int *ret_code)
{
	const char *const words[] = {"evidence", "--with-logs", "--tee", tee,
				     "--nonce",	 nonce,		NULL};

	return verb_run(&verb_evidence, words, ret_code);
}

static int setup(void **state)
{
	memset(&machine, 0, sizeof(machine));
	*state = NULL;
	return 0;
}

static int teardown(void **state)
{
	free(machine.user);
	if (machine.swtpm)
		*state = machine.swtpm;
	return machine.swtpm ? swtpm_teardown(state) : 0;
}

static int setup_tpm(void **state)
{
	int r;

	memset(&machine, 0, sizeof(machine));
	r = swtpm_setup(state);
	machine.swtpm = *state;
	return r;
}

/* Extend PCR 15, and write it down. An HMAC has digests of its own; here those of the text. */
static void measure(enum word word, const char *content)
{
	cleanup(freep) char *text = NULL, *record = NULL;
	struct measure_record event = {
		.word = word,
		.content = content,
		.pcr = 15,
		.banks = 1U << HASH_SHA256,
		.type = word_event_type(word),
		.boot_id = "00000000000000000000000000000000",
	};
	size_t size;

	assert_int_equal(word_format(word, content, &text), 0);
	event.text = text;
	assert_int_equal(hash_data(HASH_SHA256, text, strlen(text), event.digests[HASH_SHA256]), 0);
	assert_int_equal(tpm_pcr_extend(machine.swtpm->tpm, 15, event.banks, event.digests), 0);
	assert_int_equal(measure_log_format(&event, &record, &size), 0);
	machine.user = realloc(machine.user, machine.user_size + size + 1);
	assert_non_null(machine.user);
	memcpy(machine.user + machine.user_size, record, size);
	machine.user_size += size;
	machine.user[machine.user_size] = '\0';
}

static void boot(void)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};

	assert_int_equal(tpm_ak_create(machine.swtpm->tpm, TPM_AK_HANDLE, &ak), 0);
	measure(WORD_CONFIG, "c0");
	measure(WORD_ROOT, "reopened:epoch=1:provider=tpm2");
	measure(WORD_VOLUME, UUID);
	measure(WORD_VOLUME_KEY, "cryptsetup:root:" UUID);
	measure(WORD_LEAVE, NULL);
}

/* What the verifier says; the reference knows the key that is in the evidence. */
static void judge(const char *document, struct verify_result *ret)
{
	cleanup(certificates_freep) struct certificates *none = NULL;
	cleanup(json_decrefp) json_t *json = json_loads(document, 0, NULL);
	cleanup(freep) char *reference = NULL;
	json_t *key = json_object_get(json_object_get(json, "evidence"), "ak_public");
	uint8_t nonce[32];
	struct verify_input input = {
		.evidence = document,
		.evidence_size = strlen(document),
		.nonce = nonce,
		.nonce_size = sizeof(nonce),
	};

	for (size_t i = 0; i < sizeof(nonce); i++)
		nonce[i] = (uint8_t)i;
	assert_int_equal(certificates_new(&none), 0);
	assert_true(asprintf(&reference,
			     "{\"cvmroot-reference\":1,\"tee\":[\"tpm\"],\"pcrs\":{\"sha256\":{"
			     "\"2\":" ZERO ",\"4\":" ZERO ",\"9\":" ZERO ",\"12\":" ZERO
			     "}},\"attestation-keys\":[\"%s\"],"
			     "\"events\":{\"providers\":[\"tpm2\"]},"
			     "\"volume\":{\"uuid\":[\"" UUID "\"]}}",
			     json_string_value(key)) > 0);
	input.roots = input.certificates = none;
	input.reference = reference;
	input.reference_size = strlen(reference);
	assert_int_equal(verify_evidence(&input, ret), 0);
}

static void test_tpm(void **state)
{
	cleanup(freep) char *document = NULL;
	struct verify_result result;
	int code;

	(void)state;
	boot();
	document = run_verb("tpm", NONCE, &code);
	swtpm_connect(machine.swtpm);
	assert_int_equal(code, EXIT_OK);
	judge(document, &result);
	for (size_t i = 0; i < VERIFY_CLAIMS; i++)
		assert_int_not_equal(result.claims[i].verdict, VERIFY_FAILS);
	assert_int_equal(result.claims[VERIFY_CLOSED].verdict, VERIFY_HOLDS);
	assert_true(verify_accepts(&result));
}

/* The same, but for an event that is in the register alone. */
static void test_tpm_extended_besides(void **state)
{
	cleanup(freep) char *document = NULL;
	struct verify_result result;
	int code;

	(void)state;
	boot();
	swtpm_extend(machine.swtpm, 15, "besides");
	document = run_verb("tpm", NONCE, &code);
	swtpm_connect(machine.swtpm);
	assert_int_equal(code, EXIT_OK);
	judge(document, &result);
	assert_int_equal(result.claims[VERIFY_GENUINE].verdict, VERIFY_HOLDS);
	assert_int_equal(result.claims[VERIFY_LOGS].verdict, VERIFY_FAILS);
	assert_false(verify_accepts(&result));
}

/* A log that grows meanwhile is read again with new evidence, but not for ever. */
static void test_growing_log(void **state)
{
	cleanup(freep) char *document = NULL, *nothing = NULL;
	int code;

	(void)state;
	machine.user = strdup("0123456789");
	machine.user_size = 1;
	machine.grows = 2;
	document = run_verb("snp", NONCE, &code);
	assert_int_equal(code, EXIT_OK);
	assert_int_equal(machine.asked, 3);
	machine.grows = 100;
	machine.asked = 0;
	nothing = run_verb("snp", NONCE, &code);
	assert_int_equal(code, -EAGAIN);
	assert_string_equal(nothing, "");
}

/* Without registers the evidence is about the log that is printed. */
static void test_no_registers(void **state)
{
	cleanup(freep) char *document = NULL;
	cleanup(json_decrefp) json_t *json = NULL;
	uint8_t nonce[32], expected[TEE_REPORT_DATA_SIZE];
	json_t *logs;
	size_t size;
	int code;

	(void)state;
	machine.user = strdup("the log");
	machine.user_size = 7;
	machine.incomplete = true;
	document = run_verb("snp", NONCE, &code);
	assert_int_equal(code, EXIT_OK);
	assert_int_equal(base64_decode(NONCE, strlen(NONCE), nonce, sizeof(nonce), &size), 0);
	assert_int_equal(verify_report_data(false, "the log", 7, nonce, size, expected, &size), 0);
	assert_int_equal(machine.report_data_size, size);
	assert_memory_equal(machine.report_data, expected, size);
	assert_int_equal(json_parse(document, strlen(document), MIB, &json), 0);
	assert_string_equal(json_string_value(json_object_get(json, "tee")), "snp");
	assert_string_equal(json_string_value(json_object_get(json, "nonce")), NONCE);
	logs = json_object_get(json, "logs");
	assert_int_equal(json_object_size(logs), 1);
	assert_string_equal(json_string_value(json_object_get(logs, "user")), "dGhlIGxvZw==");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json, "incomplete"), 0)), "user");
}

static void test_unsupported(void **state)
{
	cleanup(freep) char *nothing = NULL;
	int code;

	(void)state;
	nothing = run_verb("se", NONCE, &code);
	assert_int_equal(code, -EOPNOTSUPP);
	assert_int_equal(machine.asked, 0);
	assert_string_equal(nothing, "");
	assert_string_equal(fail_sentence(code),
			    "evidence of platform \"se\" cannot be checked later; use --json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_growing_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unsupported, setup, teardown),
	};
	const struct CMUnitTest with_tpm[] = {
		cmocka_unit_test_setup_teardown(test_tpm, setup_tpm, teardown),
		cmocka_unit_test_setup_teardown(test_tpm_extended_besides, setup_tpm, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (swtpm_exists())
		failed += cmocka_run_group_tests(with_tpm, NULL, NULL);
	else
		print_message("skipped: there is no swtpm\n");
	return failed;
}
