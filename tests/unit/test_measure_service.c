/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"

#include "expect.h"
#include "measure/pcr.h"
#include "measure/service.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TEXT "cvmroot:leave"
#define PCR  15
#define CALL                                                                                       \
	"{\"method\":\"io.systemd.PCRExtend.Extend\",\"parameters\":{\"pcr\":15,"                  \
	"\"text\":\"cvmroot:leave\"}}"
#define NO_BANK 0U
#define ALL	(1U << HASH_ALGORITHMS)

/* ---- systemd's service, in a thread; it uses our TPM while we wait for its answer ---- */

struct service {
	struct swtpm *swtpm;
	char path[100];
	int listener;
	pthread_t thread;
	/* What it does with a call. */
	uint32_t banks;	   /* to extend by the hash of ... */
	const char *text;  /* ... this */
	const char *reply; /* with its NUL; NULL: none, the connection is closed */
	size_t reply_size;
	bool silent; /* neither; until the caller hangs up */
	char call[512];
	ssize_t call_size;
};

static void extend(const struct service *service)
{
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE];

	for (unsigned int i = 0; i < HASH_ALGORITHMS; i++)
		(void)hash_data((enum hash_algorithm)i, service->text, strlen(service->text),
				digests[i]);
	if (service->banks != NO_BANK)
		(void)tpm_pcr_extend(service->swtpm->tpm, PCR, service->banks, digests);
}

static void *serve(void *context)
{
	struct service *service = context;
	int fd = accept(service->listener, NULL, NULL);
	struct pollfd hang_up = {.fd = fd, .events = POLLIN};

	service->call_size = recv(fd, service->call, sizeof(service->call), 0);
	extend(service);
	if (service->reply)
		(void)send(fd, service->reply, service->reply_size, MSG_NOSIGNAL);
	if (service->silent)
		(void)poll(&hang_up, 1, 60000);
	close(fd);
	return NULL;
}

static void service_start(struct service *service, struct swtpm *swtpm)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	service->swtpm = swtpm;
	if (!service->text)
		service->text = TEXT;
	snprintf(service->path, sizeof(service->path), "%s/service", swtpm->folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", service->path);
	(void)unlink(service->path);
	service->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(service->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(service->listener, 1), 0);
	assert_int_equal(pthread_create(&service->thread, NULL, serve, service), 0);
}

static void service_stop(struct service *service)
{
	assert_int_equal(pthread_join(service->thread, NULL), 0);
	close(service->listener);
	unlink(service->path);
}

static struct measure_record make_record(struct swtpm *swtpm)
{
	struct measure_record record = {.word = WORD_LEAVE, .pcr = PCR, .text = TEXT};

	assert_int_equal(tpm_pcr_banks(swtpm->tpm, &record.banks), 0);
	for (unsigned int i = 0; i < HASH_ALGORITHMS; i++)
		assert_int_equal(hash_data((enum hash_algorithm)i, TEXT, strlen(TEXT),
					   record.digests[i]),
				 0);
	return record;
}

#define REPLY(text) .reply = (text), .reply_size = sizeof(text)
#define GOOD	    REPLY("{\"parameters\":{}}")

/* ---- What is tested ---- */

static void call_is_systemds(void **state)
{
	struct swtpm *swtpm = *state;
	struct service service = {GOOD, .banks = ALL - 1};
	struct measure_record record = make_record(swtpm);

	service.banks = record.banks;
	service_start(&service, swtpm);
	assert_works(pcr_extend_by_service(service.path, swtpm->tpm, &record));
	service_stop(&service);
	assert_int_equal(record.banks, 0);
	assert_int_equal(service.call_size, sizeof(CALL));
	assert_memory_equal(service.call, CALL, sizeof(CALL));
}

static void without_a_service_nothing_is_asked(void **state)
{
	struct swtpm *swtpm = *state;
	struct measure_record record = make_record(swtpm);
	uint32_t banks = record.banks;

	swtpm->commands = 0;
	assert_works(pcr_extend_by_service("/run/there/is/none", swtpm->tpm, &record));
	assert_int_equal(record.banks, banks);
	assert_int_equal(swtpm->commands, 0);
}

/* What the service did to the banks, what it said, and what is left to do. */
static const struct {
	const char *name;
	struct service service;
	bool done; /* by the service, in the banks that it was told to extend */
} answers[] = {
	{"good", {GOOD, .banks = ALL}, true},
	{"without parameters", {REPLY("{}"), .banks = ALL}, true},
	{"a lie", {GOOD, .banks = NO_BANK}, false},
	{"one bank", {GOOD, .banks = 1U << HASH_SHA256}, true},
	{"refused", {REPLY("{\"error\":\"x\",\"parameters\":{}}"), .banks = NO_BANK}, false},
	{"refused, and done", {REPLY("{\"error\":\"x\"}"), .banks = ALL}, true},
	{"hung up", {.banks = NO_BANK}, false},
	{"hung up, and done", {.banks = ALL}, true},
	{"no JSON", {REPLY("parameters"), .banks = NO_BANK}, false},
	{"no end", {.reply = "{}", .reply_size = 2, .banks = NO_BANK}, false},
};

static void check_answer(struct swtpm *swtpm, size_t i)
{
	struct service service = answers[i].service;
	struct measure_record record = make_record(swtpm);
	uint32_t banks = record.banks;

	if (service.banks == ALL)
		service.banks = banks;
	service_start(&service, swtpm);
	if (pcr_extend_by_service(service.path, swtpm->tpm, &record) < 0)
		fail_msg("%s: %s", answers[i].name, fail_sentence(-EIO));
	service_stop(&service);
	if (record.banks != (answers[i].done ? banks & ~service.banks : banks))
		fail_msg("%s: banks %#x are left", answers[i].name, record.banks);
}

static void register_is_believed(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		check_answer(*state, i);
}

static void other_event_is_a_failure(void **state)
{
	struct swtpm *swtpm = *state;
	struct service service = {GOOD, .text = "something else", .banks = 1U << HASH_SHA256};
	struct measure_record record = make_record(swtpm);

	service_start(&service, swtpm);
	assert_fails(pcr_extend_by_service(service.path, swtpm->tpm, &record), -EIO,
		     "PCR 15 of the bank sha256");
	service_stop(&service);
}

static void reply_is_read_strictly(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		int error;
	} replies[] = {
		{"{\"parameters\":{}}", sizeof("{\"parameters\":{}}"), 0},
		{"{\"parameters\":{},\"more\":1}", sizeof("{\"parameters\":{},\"more\":1}"),
		 -EBADMSG},
		{"{\"parameters\":[]}", sizeof("{\"parameters\":[]}"), -EBADMSG},
		{"{\"error\":\"x\"}", sizeof("{\"error\":\"x\"}"), -EREMOTEIO},
		{"{\"error\":null}", sizeof("{\"error\":null}"), -EBADMSG},
		{"{}\0{}", sizeof("{}\0{}"), -EBADMSG},
		{"{}x", sizeof("{}x"), -EBADMSG},
		{"", 1, -EBADMSG},
	};
	struct swtpm *swtpm = *state;

	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		struct service service = {.reply = replies[i].text, .reply_size = replies[i].size};
		int fd = -1, r;

		service_start(&service, swtpm);
		assert_int_equal(service_connect(service.path, &fd), 0);
		r = service_extend(fd, PCR, TEXT);
		close(fd);
		service_stop(&service);
		if (r != replies[i].error)
			fail_msg("%s: %d", replies[i].text, r);
	}
}

static void long_reply_is_refused(void **state)
{
	static char text[8192];
	struct service service = {.reply = text, .reply_size = sizeof(text)};
	int fd = -1;

	/* Good as far as it may be read. */
	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, "{}", 2);
	service_start(&service, *state);
	assert_int_equal(service_connect(service.path, &fd), 0);
	assert_int_equal(service_extend(fd, PCR, TEXT), -EBADMSG);
	close(fd);
	service_stop(&service);
}

static void silence_ends(void **state)
{
	struct service service = {.silent = true};
	int fd = -1;

	service_start(&service, *state);
	assert_int_equal(service_connect(service.path, &fd), 0);
	assert_int_equal(service_extend(fd, PCR, TEXT), -ETIMEDOUT);
	close(fd);
	service_stop(&service);
}

#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TPM(call_is_systemds),	  WITH_TPM(without_a_service_nothing_is_asked),
		WITH_TPM(register_is_believed),	  WITH_TPM(other_event_is_a_failure),
		WITH_TPM(reply_is_read_strictly), WITH_TPM(long_reply_is_refused),
		WITH_TPM(silence_ends),
	};

	if (!swtpm_exists()) {
		printf("skipped: there is no swtpm program\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
