/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/file.h"
#include "base/reader.h"
#include "tee/platforms.h"
#include "tee/se_call.h"

/* Where there is the kernel's own header, ours must agree with it. */
#if defined(__s390x__) && __has_include(<asm/uvdevice.h>)
#include <asm/uvdevice.h>
_Static_assert(sizeof(struct uv_control) == sizeof(struct uvio_ioctl_cb), "uvio_ioctl_cb");
_Static_assert(sizeof(struct uv_attest) == sizeof(struct uvio_attest), "uvio_attest");
_Static_assert(offsetof(struct uv_control, code) == offsetof(struct uvio_ioctl_cb, uv_rc), "rc");
_Static_assert(offsetof(struct uv_attest, config_uid) == offsetof(struct uvio_attest, config_uid),
	       "config_uid");
_Static_assert(offsetof(struct uv_attest, arcb_size) == offsetof(struct uvio_attest, arcb_len),
	       "arcb_len");
_Static_assert(offsetof(struct uv_attest, user_data_size) ==
		       offsetof(struct uvio_attest, user_data_len),
	       "user_data_len");
_Static_assert(_IOWR('u', 0x01, struct uv_control) == UVIO_IOCTL_ATT, "UVIO_IOCTL_ATT");
#endif

/* ---- A machine of the test ---- */

#define CODE_EXECUTED 1

static struct {
	const char *guest;     /* content of prot_virt_guest; NULL: no such file */
	int open_error;	       /* of the device */
	int call_error;	       /* of the ioctl */
	uint16_t code, reason; /* of the ultravisor */
	uint8_t measurement[256], additional[256], config_uid[16];
	size_t additional_size;
	void (*tamper)(struct uv_attest *attest);
	/* What it was asked. */
	unsigned int calls;
	unsigned long request;
	struct uv_attest asked;
	uint8_t arcb[1024];
} machine;

static void machine_reset(void)
{
	memset(&machine, 0, sizeof(machine));
	machine.guest = "1\n";
	machine.code = CODE_EXECUTED;
	machine.additional_size = 32;
	memset(machine.measurement, 0x12, sizeof(machine.measurement));
	memset(machine.additional, 0x13, sizeof(machine.additional));
	memset(machine.config_uid, 0x14, sizeof(machine.config_uid));
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int guest_open(void)
{
	int fd = memfd_create("prot_virt_guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(file_pwrite(fd, machine.guest, strlen(machine.guest), 0), 0);
	return fd;
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	if (strcmp(path, "/sys/firmware/uv/prot_virt_guest") == 0 && machine.guest)
		return guest_open();
	if (strcmp(path, "/dev/uv") == 0 && machine.open_error == 0)
		return __real_open64("/dev/null", O_RDWR | O_CLOEXEC);
	if (strncmp(path, "/sys/", 5) == 0 || strncmp(path, "/dev/uv", 7) == 0) {
		errno = machine.open_error ? machine.open_error : ENOENT;
		return -1;
	}
	return __real_open64(path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return __wrap_open64(path, flags, mode);
}

/* Linux, drivers/s390/char/uvdevice.c: what the driver refuses, reads and writes. */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct uv_control *control;
	struct uv_attest *attest;
	va_list arguments;

	va_start(arguments, request);
	control = va_arg(arguments, struct uv_control *);
	va_end(arguments);
	assert_true(fd >= 0);
	machine.calls++;
	machine.request = request;
	if (machine.call_error) {
		errno = machine.call_error;
		return -1;
	}
	assert_int_equal(control->flags, 0);
	assert_true(bytes_are_zero(control->reserved, sizeof(control->reserved)));
	assert_int_equal(control->argument_size, sizeof(*attest));
	attest = (struct uv_attest *)(uintptr_t)control->argument;
	machine.asked = *attest;
	assert_true(attest->arcb_size > 0 && attest->arcb_size <= sizeof(machine.arcb));
	memcpy(machine.arcb, (void *)(uintptr_t)attest->arcb, attest->arcb_size);
	control->code = machine.code;
	control->reason = machine.reason;
	if (machine.code != CODE_EXECUTED)
		return 0;
	memcpy((void *)(uintptr_t)attest->measurement, machine.measurement,
	       attest->measurement_size);
	if (attest->additional)
		memcpy((void *)(uintptr_t)attest->additional, machine.additional,
		       attest->additional_size);
	attest->additional_size = (uint32_t)machine.additional_size;
	memcpy(attest->config_uid, machine.config_uid, sizeof(attest->config_uid));
	if (machine.tamper)
		machine.tamper(attest);
	return 0;
}

/* ---- A challenge ---- */

/* The least that goes for a request: magic, version 1.0, its length. */
static const uint8_t small_arcb[32] = {[10] = 1, [15] = sizeof(small_arcb), [20] = 0xaa};

static char *challenge_text(json_t *challenge)
{
	char *text = json_dumps(challenge, JSON_COMPACT);

	assert_non_null(text);
	json_decref(challenge);
	return text;
}

static json_t *base64_of(const void *data, size_t size)
{
	cleanup(freep) char *text = malloc(base64_size(size));

	assert_non_null(text);
	base64_encode(data, size, text);
	return json_string(text);
}

static json_t *challenge_of(const void *arcb, size_t arcb_size, int measurement, int additional)
{
	return json_pack("{so si si ss ss ss}", "request_blob", base64_of(arcb, arcb_size),
			 "measurement_size", measurement, "additional_size", additional,
			 "encr_measurement_key", "a2V5", "encr_request_nonce",
			 "bm9uY2U=", "image_hdr_tags", "dGFncw==");
}

static char *small_challenge(void)
{
	return challenge_text(challenge_of(small_arcb, sizeof(small_arcb), 64, 32));
}

/* ---- The challenge is read strictly ---- */

static void takes_a_challenge(void **state)
{
	cleanup(freep) char *text = small_challenge();
	cleanup(se_request_done) struct se_request request = {};

	(void)state;
	assert_int_equal(se_request_parse(text, &request), 0);
	assert_int_equal(request.arcb_size, sizeof(small_arcb));
	assert_memory_equal(request.arcb, small_arcb, sizeof(small_arcb));
	assert_int_equal(request.measurement_size, 64);
	assert_int_equal(request.additional_size, 32);
	assert_string_equal(json_string_value(request.nonce), "bm9uY2U=");
}

/* A later broker may say more than it does now. */
static void takes_a_challenge_with_more(void **state)
{
	json_t *challenge = challenge_of(small_arcb, sizeof(small_arcb), 64, 0);
	cleanup(se_request_done) struct se_request request = {};
	cleanup(freep) char *text = NULL;

	(void)state;
	json_object_set_new(challenge, "runtime_data_digest", json_null());
	text = challenge_text(challenge);
	assert_int_equal(se_request_parse(text, &request), 0);
	assert_int_equal(request.additional_size, 0);
}

/* A good challenge but for one member; NULL takes it away. */
static void check_member(const char *name, json_t *value, int error, const char *sentence)
{
	json_t *challenge = challenge_of(small_arcb, sizeof(small_arcb), 64, 32);
	cleanup(se_request_done) struct se_request request = {};
	cleanup(freep) char *text = NULL;
	int r;

	if (value)
		json_object_set_new(challenge, name, value);
	else
		json_object_del(challenge, name);
	text = challenge_text(challenge);
	r = se_request_parse(text, &request);
	if (r != error || (r < 0 && !strstr(fail_sentence(r), sentence)))
		fail_msg("%s (%s): %d, %s", name, sentence, r, r < 0 ? fail_sentence(r) : "taken");
	assert_true(r == 0 || !request.document);
}

static json_t *base64_of_size(size_t size)
{
	cleanup(freep) uint8_t *data = calloc(1, size);

	assert_non_null(data);
	return base64_of(data, size);
}

static json_t *arcb_of_size(uint32_t size, uint32_t said)
{
	cleanup(freep) uint8_t *arcb = calloc(1, size);

	assert_non_null(arcb);
	arcb[10] = 1;
	for (int i = 0; i < 4; i++)
		arcb[12 + i] = (uint8_t)(said >> (24 - 8 * i));
	return base64_of(arcb, size);
}

static void every_member_is_needed(void **state)
{
	static const char *const strings[] = {"request_blob", "encr_measurement_key",
					      "encr_request_nonce", "image_hdr_tags"};
	static const char *const sizes[] = {"measurement_size", "additional_size"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		check_member(strings[i], NULL, -EBADMSG, "missing");
		check_member(strings[i], json_integer(1), -EBADMSG, "wrong type");
		check_member(strings[i], json_string(""), -EBADMSG, "empty");
		check_member(strings[i], json_string("a2V5="), -EBADMSG, "not base64");
		check_member(strings[i], json_string("a2-_"), -EBADMSG, "not base64");
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		check_member(sizes[i], NULL, -EBADMSG, "missing");
		check_member(sizes[i], json_string("64"), -EBADMSG, "wrong type");
		check_member(sizes[i], json_real(64.0), -EBADMSG, "wrong type");
		check_member(sizes[i], json_integer(-1), -EBADMSG, "of -1");
		check_member(sizes[i], json_integer(INT64_MIN), -EBADMSG, "of -92233720368547758");
		check_member(sizes[i], json_integer(INT64_MAX), -E2BIG, sizes[i]);
	}
}

static void sizes_are_bounded(void **state)
{
	(void)state;
	check_member("measurement_size", json_integer(0), -EBADMSG, "measurement_size of 0");
	check_member("measurement_size", json_integer(SE_MEASUREMENT_MAX), 0, "");
	check_member("measurement_size", json_integer(SE_MEASUREMENT_MAX + 1), -E2BIG, "4097");
	check_member("additional_size", json_integer(0), 0, "");
	check_member("additional_size", json_integer(SE_ADDITIONAL_MAX), 0, "");
	check_member("additional_size", json_integer(SE_ADDITIONAL_MAX + 1), -E2BIG, "32769");
	check_member("image_hdr_tags", base64_of_size(SE_ECHO_MAX), 0, "");
	check_member("image_hdr_tags", base64_of_size(SE_ECHO_MAX + 1), -E2BIG, "image_hdr_tags");
	check_member("request_blob", arcb_of_size(SE_ARCB_MAX, SE_ARCB_MAX), 0, "");
	check_member("request_blob", arcb_of_size(SE_ARCB_MAX + 1, SE_ARCB_MAX + 1), -E2BIG,
		     "request_blob");
}

/* An add-secret request, for one, has a magic. */
static void other_requests_are_refused(void **state)
{
	uint8_t arcb[sizeof(small_arcb)];

	(void)state;
	memcpy(arcb, small_arcb, sizeof(arcb));
	memcpy(arcb, "asrcbM", 6);
	check_member("request_blob", base64_of(arcb, sizeof(arcb)), -EBADMSG, "does not begin");
	check_member("request_blob", base64_of(small_arcb, 15), -EBADMSG, "does not begin");
	check_member("request_blob", arcb_of_size(32, 33), -EBADMSG, "not as long as it says");
	check_member("request_blob", arcb_of_size(32, 31), -EBADMSG, "not as long as it says");
}

static void what_is_no_document_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
					    "[]",
					    "{}",
					    "{\"request_blob\":\"a2V5\"",
					    "null"};
	cleanup(se_request_done) struct se_request request = {};
	cleanup(freep) char *longest = calloc(1, 2 * SE_ARCB_MAX + 2);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(se_request_parse(texts[i], &request), -EBADMSG);
	memset(longest, ' ', 2 * SE_ARCB_MAX + 1);
	assert_int_equal(se_request_parse(longest, &request), -E2BIG);
	longest[2 * SE_ARCB_MAX] = '\0';
	assert_int_equal(se_request_parse(longest, &request), -EBADMSG);
}

static void a_member_twice_is_refused(void **state)
{
	cleanup(freep) char *text = small_challenge();
	cleanup(freep) char *twice = NULL;
	cleanup(se_request_done) struct se_request request = {};

	(void)state;
	assert_true(asprintf(&twice, "{\"measurement_size\":1,%s", text + 1) > 0);
	assert_int_equal(se_request_parse(twice, &request), -EBADMSG);
}

/* ---- The control block ---- */

/* Bytes that a machine writes for an integer: first as s390 does, big-endian. */
#if __BYTE_ORDER == __BIG_ENDIAN
#define NATIVE(big, little) big
#else
#define NATIVE(big, little) little
#endif

static void check_bytes(const void *data, size_t offset, const char *hex)
{
	char found[64];

	assert_true(strlen(hex) < sizeof(found));
	hex_encode((const uint8_t *)data + offset, strlen(hex) / 2, found);
	if (strcmp(found, hex) != 0)
		fail_msg("offset 0x%zx: %s instead of %s", offset, found, hex);
}

static void control_block_has_the_kernels_form(void **state)
{
	uint8_t arcb[0x190] = {}, measurement[0x40] = {}, additional[0x20] = {};
	struct se_request request = {.arcb = arcb,
				     .arcb_size = sizeof(arcb),
				     .measurement_size = sizeof(measurement),
				     .additional_size = sizeof(additional)};
	struct se_answer answer = {.measurement = measurement, .additional = additional};
	struct se_call call;

	(void)state;
	memset(answer.user_data, 0x15, sizeof(answer.user_data));
	memset(&call, 0xee, sizeof(call));
	se_call_encode(&request, &answer, &call);
	check_bytes(&call.control, 0x00, "0000000000000000");
	check_bytes(&call.control, 0x10, NATIVE("00000138", "38010000"));
	assert_true(bytes_are_zero((uint8_t *)&call.control + 0x14, 0x40 - 0x14));
	check_bytes(&call.attest, 0x18, "1515151515151515");
	check_bytes(&call.attest, 0x18 + 56, "151515151515151500000000");
	assert_true(bytes_are_zero(call.attest.user_data + 64, 192 + 16));
	check_bytes(&call.attest, 0x128, NATIVE("00000190", "90010000"));
	check_bytes(&call.attest, 0x12c, NATIVE("00000040", "40000000"));
	check_bytes(&call.attest, 0x130, NATIVE("00000020", "20000000"));
	check_bytes(&call.attest, 0x134, NATIVE("0040", "4000"));
	check_bytes(&call.attest, 0x136, "0000");
	assert_ptr_equal((void *)(uintptr_t)call.control.argument, &call.attest);
	assert_ptr_equal((void *)(uintptr_t)call.attest.arcb, arcb);
	assert_ptr_equal((void *)(uintptr_t)call.attest.measurement, measurement);
	assert_ptr_equal((void *)(uintptr_t)call.attest.additional, additional);
}

/* The kernel writes no additional data when there is to be none. */
static void no_additional_data_have_no_address(void **state)
{
	uint8_t byte = 0;
	struct se_request request = {.arcb = &byte, .arcb_size = 1, .measurement_size = 1};
	struct se_answer answer = {.measurement = &byte, .additional = &byte};
	struct se_call call;

	(void)state;
	se_call_encode(&request, &answer, &call);
	assert_int_equal(call.attest.additional, 0);
}

/* ---- The whole platform ---- */

static int get_evidence(const char *challenge, json_t **ret)
{
	static const uint8_t report_data[48] = {1, 2, 3, [47] = 48};
	struct tee_request request = {.report_data = report_data,
				      .report_data_size = sizeof(report_data),
				      .challenge = challenge};
	struct tee_context context = {};

	fail_clear();
	return tee_evidence(&tee_se, &context, &request, ret);
}

static void check_base64(json_t *evidence, const char *name, const void *expected, size_t size)
{
	cleanup(json_decrefp) json_t *text = base64_of(expected, size);

	if (!json_equal(json_object_get(evidence, name), text))
		fail_msg("%s: %s", name, json_string_value(json_object_get(evidence, name)));
}

static void evidence_is_what_the_verifier_takes(void **state)
{
	const uint8_t user_data[64] = {1, 2, 3, [47] = 48};
	cleanup(freep) char *challenge = small_challenge();
	cleanup(json_decrefp) json_t *evidence = NULL;

	(void)state;
	machine_reset();
	assert_int_equal(get_evidence(challenge, &evidence), 0);
	assert_int_equal(json_object_size(evidence), 7);
	check_base64(evidence, "measurement", machine.measurement, 64);
	check_base64(evidence, "additional_data", machine.additional, 32);
	check_base64(evidence, "user_data", user_data, sizeof(user_data));
	check_base64(evidence, "cuid", machine.config_uid, 16);
	check_base64(evidence, "encr_measurement_key", "key", 3);
	check_base64(evidence, "encr_request_nonce", "nonce", 5);
	check_base64(evidence, "image_hdr_tags", "tags", 4);
	assert_int_equal(machine.calls, 1);
	/* _IOWR('u', 1, 64 bytes), as s390 and x86 both number it. */
	assert_int_equal(machine.request & 0xffffffff, 0xc0407501);
	assert_memory_equal(machine.arcb, small_arcb, sizeof(small_arcb));
	assert_memory_equal(machine.asked.user_data, user_data, sizeof(user_data));
	assert_int_equal(machine.asked.user_data_size, sizeof(user_data));
}

static void evidence_is_described(void **state)
{
	cleanup(freep) char *challenge = small_challenge(), *text = NULL;
	cleanup(json_decrefp) json_t *evidence = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	machine_reset();
	assert_int_equal(get_evidence(challenge, &evidence), 0);
	tee_se.describe(evidence, out);
	fclose(out);
	assert_string_equal(text, "configuration:    14141414141414141414141414141414\n");
}

static void less_additional_data_are_told_so(void **state)
{
	cleanup(freep) char *challenge = small_challenge();
	cleanup(json_decrefp) json_t *evidence = NULL;

	(void)state;
	machine_reset();
	machine.additional_size = 31;
	assert_int_equal(get_evidence(challenge, &evidence), 0);
	check_base64(evidence, "additional_data", machine.additional, 31);
}

static void without_a_challenge_it_says_how(void **state)
{
	json_t *evidence = NULL;

	(void)state;
	machine_reset();
	assert_int_equal(get_evidence(NULL, &evidence), -EINVAL);
	assert_non_null(strstr(fail_sentence(-EINVAL), "--nonce"));
	assert_null(evidence);
	assert_int_equal(machine.calls, 0);
}

static void check_refused(int error, const char *sentence)
{
	cleanup(freep) char *challenge = small_challenge();
	json_t *evidence = NULL;
	int r = get_evidence(challenge, &evidence);

	if (r != error || evidence || !strstr(fail_sentence(r), sentence))
		fail_msg("%d (%s) instead of %d (%s)", r, r < 0 ? fail_sentence(r) : "taken", error,
			 sentence);
}

static void device_errors_have_sentences(void **state)
{
	(void)state;
	machine_reset();
	machine.open_error = ENOENT;
	check_refused(-ENODEV, "uvdevice");
	machine.open_error = EACCES;
	check_refused(-EACCES, "cannot open /dev/uv");
	machine.open_error = 0;
	machine.call_error = EINVAL;
	check_refused(-EINVAL, "cannot pass a request");
}

static void refusals_of_the_ultravisor_have_sentences(void **state)
{
	static const struct {
		uint16_t code;
		int error;
		const char *sentence;
	} cases[] = {
		{0x0000, -EKEYREJECTED, "not known here"},
		{0x0002, -EOPNOTSUPP, "cannot attest"},
		{0x0100, -EKEYREJECTED, "code 0x0100, 0x0007"},
		{0x0106, -EKEYREJECTED, "version"},
		{0x010c, -EKEYREJECTED, "host key document"},
		{0x010d, -EKEYREJECTED, "measurement_size"},
		{0x010e, -EKEYREJECTED, "additional_size"},
	};

	(void)state;
	machine_reset();
	machine.reason = 7;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		machine.code = cases[i].code;
		check_refused(cases[i].error, cases[i].sentence);
	}
}

static void change_user_data(struct uv_attest *attest)
{
	attest->user_data[63] ^= 1;
}

static void change_user_data_size(struct uv_attest *attest)
{
	attest->user_data_size = 0;
}

static void change_measurement_size(struct uv_attest *attest)
{
	attest->measurement_size--;
}

static void change_arcb_size(struct uv_attest *attest)
{
	attest->arcb_size++;
}

static void grow_additional(struct uv_attest *attest)
{
	attest->additional_size = 33;
}

static void answers_to_something_else_are_refused(void **state)
{
	(void)state;
	machine_reset();
	machine.tamper = change_user_data;
	check_refused(-EBADMSG, "something else");
	machine.tamper = change_user_data_size;
	check_refused(-EBADMSG, "something else");
	machine.tamper = change_measurement_size;
	check_refused(-EBADMSG, "something else");
	machine.tamper = change_arcb_size;
	check_refused(-EBADMSG, "something else");
	machine.tamper = grow_additional;
	check_refused(-EBADMSG, "33 bytes of additional data");
}

static void empty_answers_are_refused(void **state)
{
	(void)state;
	machine_reset();
	memset(machine.config_uid, 0, sizeof(machine.config_uid));
	check_refused(-EBADMSG, "names no configuration");
	machine_reset();
	memset(machine.measurement, 0, sizeof(machine.measurement));
	check_refused(-EBADMSG, "has no measurement");
}

static void guest_is_detected(void **state)
{
	struct tee_context context = {};

	(void)state;
	machine_reset();
	assert_int_equal(tee_se.detect(&context), 1);
	machine.open_error = ENOENT;
	assert_int_equal(tee_se.detect(&context), 1);
	machine.guest = "0\n";
	assert_int_equal(tee_se.detect(&context), 0);
	machine.guest = "";
	assert_int_equal(tee_se.detect(&context), 0);
	machine.guest = NULL;
	assert_int_equal(tee_se.detect(&context), 0);
	machine.open_error = EIO;
	assert_int_equal(tee_se.detect(&context), -EIO);
}

static void it_is_in_the_table(void **state)
{
	struct tee_context context = {};
	const struct tee_ops *found = NULL;

	(void)state;
	machine_reset();
	assert_int_equal(tee_find("se", &context, &found), 0);
	assert_ptr_equal(found, &tee_se);
	found = NULL;
	assert_int_equal(tee_find("auto", &context, &found), 0);
	assert_ptr_equal(found, &tee_se);
	assert_int_equal(tee_check_initdata(found, &context, (const uint8_t *)"", 1), -EOPNOTSUPP);
}

/* ---- Published samples ---- */

#define SAMPLES "s390-tools/rust/"

/* One file of the vectors; skips without them. */
static uint8_t *sample(const char *name, size_t *ret_size)
{
	char path[4096], *data;

	snprintf(path, sizeof(path), "%s/" SAMPLES "%s", vectors_folder() ? vectors_folder() : "",
		 name);
	/* skip() jumps: nothing may be owned here. */
	if (!vectors_folder() || access(path, R_OK) < 0) {
		print_message("skipped: no " SAMPLES "%s below CVMROOT_VECTORS\n", name);
		skip();
	}
	assert_int_equal(file_read_all(path, MIB, &data, ret_size), 0);
	return (uint8_t *)data;
}

/* The file of pvattest(1): a header of big-endian integers, with size and offset of each part. */
struct part {
	uint32_t size, offset;
};

struct exchange {
	struct part arcb, measurement, additional, user_data, config_uid;
};

static void read_exchange(const uint8_t *data, size_t size, struct exchange *ret)
{
	struct part *parts[] = {&ret->arcb, &ret->measurement, &ret->additional, &ret->user_data,
				&ret->config_uid};
	struct reader reader = reader_init(data, size);
	uint32_t version, total;

	assert_memory_equal(data, "pvattest", 8);
	assert_int_equal(reader_skip(&reader, 8), 0);
	assert_int_equal(reader_be32(&reader, &version), 0);
	assert_int_equal(reader_be32(&reader, &total), 0);
	assert_int_equal(reader_skip(&reader, 8), 0);
	assert_int_equal(version, 0x100);
	assert_int_equal(total, size);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		assert_int_equal(reader_be32(&reader, &parts[i]->size), 0);
		assert_int_equal(reader_be32(&reader, &parts[i]->offset), 0);
		assert_true(parts[i]->offset + parts[i]->size <= size || parts[i]->offset == 0);
	}
}

/* A real request, and what an ultravisor would answer by this file. */
static void check_exchange(const uint8_t *arcb, size_t arcb_size, const char *name,
			   size_t additional_size)
{
	size_t size;
	cleanup(freep) uint8_t *data = sample(name, &size);
	cleanup(json_decrefp) json_t *evidence = NULL;
	cleanup(freep) char *challenge = NULL;
	struct exchange exchange;

	read_exchange(data, size, &exchange);
	assert_int_equal(exchange.measurement.size, 64);
	assert_int_equal(exchange.additional.size, additional_size);
	assert_int_equal(exchange.config_uid.size, 16);
	machine_reset();
	machine.additional_size = exchange.additional.size;
	memcpy(machine.measurement, data + exchange.measurement.offset, exchange.measurement.size);
	memcpy(machine.additional, data + exchange.additional.offset, exchange.additional.size);
	memcpy(machine.config_uid, data + exchange.config_uid.offset, exchange.config_uid.size);
	challenge = challenge_text(challenge_of(arcb, arcb_size, (int)exchange.measurement.size,
						(int)exchange.additional.size));
	assert_int_equal(get_evidence(challenge, &evidence), 0);
	assert_int_equal(machine.asked.arcb_size, arcb_size);
	assert_memory_equal(machine.arcb, arcb, arcb_size);
	check_base64(evidence, "measurement", data + exchange.measurement.offset, 64);
	check_base64(evidence, "additional_data", data + exchange.additional.offset,
		     additional_size);
	check_base64(evidence, "cuid", data + exchange.config_uid.offset, 16);
}

static void samples_of_pvattest_pass(void **state)
{
	size_t size;
	cleanup(freep) uint8_t *arcb = sample("pv/tests/assets/exp/arcb.bin", &size);

	(void)state;
	assert_int_equal(size, 400);
	check_exchange(arcb, size, "pvattest/tests/assets/exp/exchange/min_resp.bin", 0);
	check_exchange(arcb, size, "pvattest/tests/assets/exp/exchange/add_resp.bin", 32);
	check_exchange(arcb, size, "pvattest/tests/assets/exp/exchange/user_resp.bin", 0);
	check_exchange(arcb, size, "pvattest/tests/assets/exp/exchange/full_resp.bin", 32);
	check_exchange(arcb, size, "pv/tests/assets/exp/exchange.bin", 32);
	/* Cut short; and a request of another kind. */
	check_member("request_blob", base64_of(arcb, size - 1), -EBADMSG, "not as long");
	free(TAKE_PTR(arcb));
	arcb = sample("pv/tests/assets/exp/asrcb/null_none_default_cuid_one", &size);
	check_member("request_blob", base64_of(arcb, size), -EBADMSG, "does not begin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_challenge),
		cmocka_unit_test(takes_a_challenge_with_more),
		cmocka_unit_test(every_member_is_needed),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(other_requests_are_refused),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(a_member_twice_is_refused),
		cmocka_unit_test(control_block_has_the_kernels_form),
		cmocka_unit_test(no_additional_data_have_no_address),
		cmocka_unit_test(evidence_is_what_the_verifier_takes),
		cmocka_unit_test(evidence_is_described),
		cmocka_unit_test(less_additional_data_are_told_so),
		cmocka_unit_test(without_a_challenge_it_says_how),
		cmocka_unit_test(device_errors_have_sentences),
		cmocka_unit_test(refusals_of_the_ultravisor_have_sentences),
		cmocka_unit_test(answers_to_something_else_are_refused),
		cmocka_unit_test(empty_answers_are_refused),
		cmocka_unit_test(guest_is_detected),
		cmocka_unit_test(it_is_in_the_table),
		cmocka_unit_test(samples_of_pvattest_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
