/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"
#include "expect.h"

#include "base/error.h"
#include "base/clock.h"
#include "tee/tee.h"
#include "tee/vtpm.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <tss2/tss2_esys.h>

/*
 * Evidence of the platforms that attest by a virtual TPM: the TPM is swtpm; Azure's paravisor is
 * played between two commands, and its metadata service by a thread, on loopback of a network of
 * this program's own.
 */

#define REPORT_INDEX	0x01400001
#define USER_DATA_INDEX 0x01400002
#define AZ_AK		0x81000003

/* ---- A network of our own ---- */

static bool have_network;

static void bring_up(const char *name, const char *address)
{
	struct ifreq request = {};
	struct sockaddr_in in = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &in.sin_addr);
	strcpy(request.ifr_name, name);
	memcpy(&request.ifr_addr, &in, sizeof(in));
	have_network = ioctl(fd, SIOCSIFADDR, &request) == 0;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	have_network = have_network && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
}

static void make_network(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return;
	bring_up("lo", "127.0.0.1");
	if (have_network)
		bring_up("lo:1", "169.254.169.254");
}

static void need_network(void)
{
	if (have_network)
		return;
	print_message("skipped: no network namespace can be made here\n");
	skip();
}

/* ---- The metadata service ---- */

/* Each request gets the next of the answers, a whole HTTP one. */
struct service {
	pthread_t thread;
	int fd, delay_ms;
	atomic_bool ended;
	const char *answers[4];
	size_t asked;
};

/* What it was asked last. */
static char requests[4][4096];

static void read_request(int fd, char ret[static 4096])
{
	size_t used = 0, wanted = SIZE_MAX;

	while (used < MIN(wanted, (size_t)4095)) {
		ssize_t n = recv(fd, ret + used, 4095 - used, 0);
		char *end, *length;

		if (n <= 0)
			break;
		used += (size_t)n;
		ret[used] = '\0';
		end = strstr(ret, "\r\n\r\n");
		length = strstr(ret, "Content-Length: ");
		if (end)
			wanted = (size_t)(end + 4 - ret) + (length ? (size_t)atoi(length + 16) : 0);
	}
}

/* A client, or -1 when there will be none. */
static int next_client(struct service *service)
{
	struct pollfd listening = {.fd = service->fd, .events = POLLIN};

	while (!service->ended)
		if (poll(&listening, 1, 20) > 0 && listening.revents & POLLIN)
			return accept(service->fd, NULL, NULL);
	return -1;
}

static void *serve(void *argument)
{
	struct service *service = argument;

	if (service->delay_ms > 0) {
		(void)poll(NULL, 0, service->delay_ms);
		(void)listen(service->fd, 4);
	}
	while (service->asked < ARRAY_SIZE(service->answers) && service->answers[service->asked]) {
		int fd = next_client(service);

		if (fd < 0)
			break;
		read_request(fd, requests[service->asked]);
		(void)send(fd, service->answers[service->asked],
			   strlen(service->answers[service->asked]), MSG_NOSIGNAL);
		service->asked++;
		close(fd);
	}
	return NULL;
}

static void service_start(struct service *service)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
	int on = 1;

	inet_pton(AF_INET, "169.254.169.254", &address.sin_addr);
	service->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(service->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(service->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (service->delay_ms == 0)
		assert_int_equal(listen(service->fd, 4), 0);
	assert_int_equal(pthread_create(&service->thread, NULL, serve, service), 0);
}

/* How many requests there were. */
static size_t service_stop(struct service *service)
{
	service->ended = true;
	pthread_join(service->thread, NULL);
	close(service->fd);
	return service->asked;
}

/* ---- The paravisor ---- */

#define JSON_AT	    0x4d4
#define REPORT_SIZE 2048

static struct paravisor {
	enum hcl_type type;
	char modulus[512]; /* base64url, of the key that the report names */
	uint8_t report[REPORT_SIZE];
	const char *next;   /* user data of the next report, in hex */
	unsigned int reads; /* that come before it */
} paravisor;

static void make_report(const char *user_data)
{
	uint8_t *report = paravisor.report;
	char *json = (char *)report + JSON_AT;
	int size;

	memset(report, 0, REPORT_SIZE);
	memcpy(report, "HCLA", 4);
	/* What begins a TDREPORT. */
	report[32] = paravisor.type == HCL_TDX ? 0x81 : 2;
	report[0x4c8] = (uint8_t)paravisor.type;
	report[0x4cc] = 1;
	size = snprintf(
		json, REPORT_SIZE - JSON_AT,
		"{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%s\"}],"
		"\"user-data\":\"%s\"}",
		paravisor.modulus, user_data);
	report[0x4d0] = (uint8_t)size;
	report[0x4d1] = (uint8_t)(size >> 8);
	assert_int_equal(hash_data(HASH_SHA256, json, (size_t)size,
				   report + 32 + (paravisor.type == HCL_SNP ? 0x50 : 128)),
			 0);
}

/* NV_Write by the owner of all of the report, in two parts. */
static void write_report(struct swtpm *swtpm)
{
	for (unsigned int at = 0; at < REPORT_SIZE; at += 1024) {
		uint8_t command[33 + 1024 + 2] = {0x80, 0x02, 0, 0, 0x04, 0x23, 0,    0, 0x01,
						  0x37, 0x40, 0, 0, 1,	  0x01, 0x40, 0, 0x01,
						  0,	0,    0, 9, 0x40, 0,	0,    9, 0,
						  0,	0,    0, 0, 0x04, 0};

		memcpy(command + 33, paravisor.report + at, 1024);
		command[33 + 1024] = (uint8_t)(at >> 8);
		assert_int_equal(swtpm_raw(swtpm, command, sizeof(command)), 0);
	}
}

/* Before a read: after as many as were said, there is a new report. */
static void refresh(struct swtpm *swtpm)
{
	if (paravisor.reads-- > 0) {
		swtpm->hook = refresh;
		return;
	}
	make_report(paravisor.next);
	write_report(swtpm);
}

static void read_modulus(const struct tpm_ak *ak)
{
	const unsigned char *der = ak->der;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &der, (long)ak->size);
	BIGNUM *n = NULL;
	uint8_t bytes[256];

	assert_int_equal(EVP_PKEY_get_bn_param(key, "n", &n), 1);
	assert_int_equal(BN_bn2binpad(n, bytes, sizeof(bytes)), sizeof(bytes));
	base64url_encode(bytes, sizeof(bytes), paravisor.modulus);
	BN_free(n);
	EVP_PKEY_free(key);
}

/* This TPM becomes that of a machine of Azure. */
static void become_azure(struct swtpm *swtpm, enum hcl_type type)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};

	paravisor = (struct paravisor){.type = type};
	assert_works(tpm_ak_create(swtpm->tpm, AZ_AK, &ak));
	read_modulus(&ak);
	swtpm_define_nv(swtpm, REPORT_INDEX, TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE, REPORT_SIZE,
			NULL);
	make_report("");
	write_report(swtpm);
}

/* The report data of all tests, and a paravisor that takes a while with them. */
static const uint8_t data[48] = "the report data of this test, forty-eight bytes";
static char data_hex[2 * sizeof(data) + 1];

static void refresh_after(struct swtpm *swtpm, unsigned int reads)
{
	hex_encode(data, sizeof(data), data_hex);
	paravisor.next = data_hex;
	paravisor.reads = reads;
	swtpm->hook_code = TPM2_CC_NV_Read;
	swtpm->hook = refresh;
}

static const struct tee_request request = {.report_data = data, .report_data_size = sizeof(data)};
static const struct tee_request legacy = {
	.report_data = data, .report_data_size = sizeof(data), .legacy = true};

static struct tee_context context_of(struct swtpm *swtpm)
{
	return (struct tee_context){.tpm = swtpm->tpm, .ak_handle = TPM_AK_HANDLE, .wait_ms = 5000};
}

/* ---- Azure: the report and the quote ---- */

static void azure_is_detected(void **state)
{
	struct swtpm *swtpm = *state;
	struct tee_context context = context_of(swtpm), none = {};
	const struct tee_ops *tee;

	assert_int_equal(tee_az_snp_vtpm.detect(&none), 0);
	assert_int_equal(tee_az_snp_vtpm.detect(&context), 0);
	assert_int_equal(tee_az_tdx_vtpm.detect(&context), 0);
	become_azure(swtpm, HCL_SNP);
	context = context_of(swtpm);
	assert_int_equal(tee_az_snp_vtpm.detect(&context), 1);
	assert_int_equal(tee_az_tdx_vtpm.detect(&context), 0);
	assert_works(tee_find("auto", &context, &tee));
	assert_string_equal(tee->name, "az-snp-vtpm");
	paravisor.type = HCL_TDX;
	make_report("");
	write_report(swtpm);
	assert_int_equal(tee_az_snp_vtpm.detect(&context), 0);
	assert_int_equal(tee_az_tdx_vtpm.detect(&context), 1);
	/* Somebody else's index. */
	memset(paravisor.report, 'x', 4);
	write_report(swtpm);
	assert_int_equal(tee_az_snp_vtpm.detect(&context), 0);
	assert_int_equal(tee_az_tdx_vtpm.detect(&context), 0);
}

static int collect(struct swtpm *swtpm, const struct tee_request *asked, unsigned int wait_ms)
{
	cleanup(az_evidence_done) struct az_evidence evidence = {};
	struct tee_context context = context_of(swtpm);
	int r;

	context.wait_ms = wait_ms;
	r = az_collect(&context, asked, HCL_SNP, &evidence);
	if (r < 0)
		return r;
	assert_int_equal(evidence.report_size, REPORT_SIZE);
	assert_memory_equal(evidence.report, paravisor.report, REPORT_SIZE);
	assert_int_equal(tpm_quote_check(&evidence.quote, data, sizeof(data)), 0);
	return 0;
}

/* At once, after some looks, and in the middle of one. */
static void report_is_awaited(void **state)
{
	struct swtpm *swtpm = *state;

	for (unsigned int reads = 0; reads < 6; reads++) {
		become_azure(swtpm, HCL_SNP);
		refresh_after(swtpm, reads);
		assert_works(collect(swtpm, &request, 5000));
		assert_null(swtpm->hook);
		swtpm_replace(swtpm);
	}
}

/* What is there at the first look is not waited for: the report in 2 reads, the quote in 4 + 1. */
static void ready_report_is_taken(void **state)
{
	struct swtpm *swtpm = *state;

	become_azure(swtpm, HCL_SNP);
	refresh_after(swtpm, 0);
	assert_works(collect(swtpm, &request, 0));
	swtpm->commands = 0;
	assert_works(collect(swtpm, &request, 0));
	assert_int_equal(swtpm->commands, 2 + 3 + 1 + 5);
}

static void given_data_arrive(void **state)
{
	struct swtpm *swtpm = *state;
	cleanup(freep) uint8_t *given = NULL;
	size_t size;

	become_azure(swtpm, HCL_SNP);
	/* Of an earlier program. */
	assert_works(tpm_nv_write(swtpm->tpm, USER_DATA_INDEX, "other", 5));
	refresh_after(swtpm, 0);
	assert_works(collect(swtpm, &request, 5000));
	assert_works(tpm_nv_read(swtpm->tpm, USER_DATA_INDEX, &given, &size));
	assert_int_equal(size, sizeof(data));
	assert_memory_equal(given, data, size);
}

static void waiting_has_an_end(void **state)
{
	struct swtpm *swtpm = *state;
	int64_t before;

	become_azure(swtpm, HCL_SNP);
	before = monotonic_ms();
	assert_fails(collect(swtpm, &request, 100), -ETIMEDOUT, "within 100 ms");
	assert_in_range(monotonic_ms() - before, 100, 3000);
	/* A report that stays broken is told as such. */
	paravisor.report[JSON_AT + 5] ^= 1;
	write_report(swtpm);
	assert_fails(collect(swtpm, &request, 100), -EKEYREJECTED, "vouch");
}

/* One bit of the data is another; the beginning is not enough. */
static void other_data_are_not_taken(void **state)
{
	struct swtpm *swtpm = *state;

	become_azure(swtpm, HCL_SNP);
	refresh_after(swtpm, 0);
	data_hex[2 * sizeof(data) - 1] ^= 1;
	assert_fails(collect(swtpm, &request, 50), -ETIMEDOUT, "report data");
	refresh_after(swtpm, 0);
	data_hex[2 * sizeof(data) - 2] = '\0';
	assert_fails(collect(swtpm, &request, 50), -ETIMEDOUT, "report data");
}

/* Verifiers of that time look at the quote only, so nothing is written and nothing waited for. */
static void legacy_does_not_wait(void **state)
{
	cleanup(freep) uint8_t *given = NULL;
	struct swtpm *swtpm = *state;
	size_t size;

	become_azure(swtpm, HCL_SNP);
	assert_works(collect(swtpm, &legacy, 0));
	assert_int_equal(tpm_nv_read(swtpm->tpm, USER_DATA_INDEX, &given, &size), -ENOENT);
}

static void other_machines_are_refused(void **state)
{
	struct swtpm *swtpm = *state;
	struct tee_context none = {};
	struct az_evidence evidence;

	assert_fails(az_collect(&none, &request, HCL_SNP, &evidence), -ENODEV, "no TPM");
	assert_fails(collect(swtpm, &legacy, 0), -ENODEV, "holds no report");
	become_azure(swtpm, HCL_TDX);
	assert_fails(collect(swtpm, &legacy, 0), -ENODEV, "another TEE");
}

/* Another program's index there must not keep detection from other platforms. */
static void unreadable_index_is_not_azure(void **state)
{
	struct swtpm *swtpm = *state;
	struct tee_context context;

	swtpm_define_nv(swtpm, REPORT_INDEX, TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE, 64, NULL);
	context = context_of(swtpm);
	assert_int_equal(tee_az_snp_vtpm.detect(&context), 0);
	assert_fails(collect(swtpm, &legacy, 0), -ENODEV, "holds no report");
}

/* Then a verifier would refuse, and not say why. */
static void other_key_is_refused(void **state)
{
	struct swtpm *swtpm = *state;

	become_azure(swtpm, HCL_SNP);
	memset(paravisor.modulus, 'x', 16);
	make_report("");
	write_report(swtpm);
	assert_fails(collect(swtpm, &legacy, 0), -EKEYREJECTED, "not the one that Azure's");
}

/* No advice to make one, which the report would not name either. */
static void missing_key_is_refused(void **state)
{
	struct swtpm *swtpm = *state;

	become_azure(swtpm, HCL_SNP);
	swtpm_evict(swtpm, AZ_AK);
	assert_fails(collect(swtpm, &legacy, 0), -EKEYREJECTED, "not the one that Azure's");
}

/* ---- Azure: all of it ---- */

#define OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
#define VCEK                                                                                       \
	OK "Content-Length: 85\r\n\r\n"                                                            \
	   "{\"vcekCert\":\"-----BEGIN CERTIFICATE-----\\nMIIABQECAwQF\\n"                         \
	   "-----END CERTIFICATE-----\\n\"}"
#define BUSY                                                                                       \
	"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"
#define MISSING "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

static size_t decoded_size(json_t *text)
{
	cleanup(freep) char *standard = strdup(json_string_value(text));
	uint8_t bytes[4096];
	size_t size;

	for (char *c = standard; *c != '\0'; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	assert_int_equal(base64_decode(standard, strlen(standard), bytes, sizeof(bytes), &size), 0);
	return size;
}

static void snp_evidence(void **state)
{
	cleanup(json_decrefp) json_t *evidence = NULL;
	struct service service = {.answers = {BUSY, VCEK}, .delay_ms = 150};
	struct swtpm *swtpm = *state;
	struct tee_context context;
	int r;

	need_network();
	become_azure(swtpm, HCL_SNP);
	context = context_of(swtpm);
	refresh_after(swtpm, 2);
	service_start(&service);
	r = tee_evidence(&tee_az_snp_vtpm, &context, &request, &evidence);
	assert_int_equal(service_stop(&service), 2);
	assert_works(r);
	assert_non_null(strstr(requests[1], "GET /metadata/THIM/amd/certification HTTP/1.1"));
	assert_non_null(strstr(requests[1], "\r\nMetadata: true\r\n"));
	assert_int_equal(json_object_size(evidence), 4);
	assert_int_equal(json_integer_value(json_object_get(evidence, "version")), 2);
	assert_string_equal(json_string_value(json_object_get(evidence, "vcek")), "MIIABQECAwQF");
	assert_int_equal(decoded_size(json_object_get(evidence, "hcl_report")), REPORT_SIZE);
}

static void snp_evidence_legacy(void **state)
{
	cleanup(json_decrefp) json_t *evidence = NULL;
	struct service service = {.answers = {VCEK}};
	struct swtpm *swtpm = *state;
	struct tee_context context;
	int r;

	need_network();
	become_azure(swtpm, HCL_SNP);
	context = context_of(swtpm);
	service_start(&service);
	r = tee_evidence(&tee_az_snp_vtpm, &context, &legacy, &evidence);
	assert_int_equal(service_stop(&service), 1);
	assert_works(r);
	assert_int_equal(json_object_size(evidence), 3);
	assert_string_equal(json_string_value(json_object_get(evidence, "vcek")),
			    "-----BEGIN CERTIFICATE-----\nMIIABQECAwQF\n"
			    "-----END CERTIFICATE-----\n");
	assert_int_equal(json_array_size(json_object_get(evidence, "report")), REPORT_SIZE);
}

/* A quote of version 4 about the paravisor's TDREPORT, in the service's answer. */
static void quote_answer(char ret[static 2048], bool url_safe)
{
	uint8_t quote[48 + 584 + 4 + 8] = {4, 0, 2, 0, 0x81};
	char text[1024];

	memcpy(quote + 48 + 520, paravisor.report + 32 + 128, 64);
	quote[48 + 584] = 8;
	if (url_safe)
		base64url_encode(quote, sizeof(quote), text);
	else
		base64_encode(quote, sizeof(quote), text);
	snprintf(ret, 2048, OK "Content-Length: %zu\r\n\r\n{\"quote\":\"%s\"}", strlen(text) + 12,
		 text);
}

static void tdx_evidence(void **state)
{
	struct swtpm *swtpm = *state;

	need_network();
	for (int url_safe = 0; url_safe < 2; url_safe++) {
		cleanup(json_decrefp) json_t *evidence = NULL;
		char answer[2048], report[1400] = "{\"report\":\"";
		struct service service = {.answers = {answer}};
		struct tee_context context;
		int r;

		become_azure(swtpm, HCL_TDX);
		context = context_of(swtpm);
		hex_encode(data, sizeof(data), data_hex);
		make_report(data_hex);
		write_report(swtpm);
		quote_answer(answer, url_safe);
		service_start(&service);
		r = tee_evidence(&tee_az_tdx_vtpm, &context, &request, &evidence);
		assert_int_equal(service_stop(&service), 1);
		assert_works(r);
		base64url_encode(paravisor.report + 32, 1024, report + strlen(report));
		strcat(report, "\"}");
		assert_non_null(strstr(requests[0], "POST /acc/tdquote HTTP/1.1"));
		assert_non_null(strstr(requests[0], "\r\nMetadata: true\r\n"));
		assert_string_equal(strstr(requests[0], "{"), report);
		assert_int_equal(json_object_size(evidence), 4);
		assert_int_equal(json_integer_value(json_object_get(evidence, "version")), 2);
		assert_int_equal(decoded_size(json_object_get(evidence, "td_quote")),
				 48 + 584 + 4 + 8);
		swtpm_replace(swtpm);
	}
}

static void quote_of_another_report_is_refused(void **state)
{
	struct swtpm *swtpm = *state;
	struct tee_context context;
	struct service service = {};
	json_t *evidence = NULL;
	char answer[2048];
	int r;

	need_network();
	become_azure(swtpm, HCL_TDX);
	context = context_of(swtpm);
	quote_answer(answer, false);
	service.answers[0] = answer;
	make_report("00");
	write_report(swtpm);
	service_start(&service);
	r = tee_evidence(&tee_az_tdx_vtpm, &context, &legacy, &evidence);
	service_stop(&service);
	assert_fails(r, -ESTALE, "not about the report data");
	assert_null(evidence);
}

#define AMPLE_MS 60000 /* even for a machine that does much else */

static int fetch(unsigned int wait_ms)
{
	cleanup(freep) char *answer = NULL;
	size_t size;
	int r = az_http("/path", NULL, wait_ms, &answer, &size);

	if (r == 0)
		assert_int_equal(strlen(answer), size);
	return r;
}

static void service_failures(void **state)
{
	struct service missing = {.answers = {MISSING, VCEK}};
	struct service busy = {.answers = {BUSY}};
	struct service later = {.answers = {BUSY, BUSY, MISSING}};
	int64_t before;

	(void)state;
	need_network();
	/* Nobody listens: tried until the time is over. */
	assert_fails(fetch(0), -ENOTCONN, "Azure's metadata service");
	before = monotonic_ms();
	assert_fails(fetch(250), -ENOTCONN, "Azure's metadata service");
	assert_in_range(monotonic_ms() - before, 250, AMPLE_MS);
	/* What time does not mend is asked once. */
	service_start(&missing);
	assert_fails(fetch(AMPLE_MS), -EIO, "HTTP status 404");
	assert_int_equal(service_stop(&missing), 1);
	/* No time is left for another try, however long the first one took. */
	service_start(&busy);
	assert_fails(fetch(0), -EIO, "HTTP status 503");
	assert_int_equal(service_stop(&busy), 1);
	/* What time may mend is asked again, and no more once it cannot. */
	service_start(&later);
	assert_fails(fetch(AMPLE_MS), -EIO, "HTTP status 404");
	assert_int_equal(service_stop(&later), 3);
}

/* ---- A TPM of its own ---- */

static void tpm_evidence(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	cleanup(json_decrefp) json_t *evidence = NULL;
	struct swtpm *swtpm = *state;
	struct tee_context context = context_of(swtpm), none = {};
	const struct tee_ops *tee = NULL;
	struct tpm_attest attest;
	uint8_t message[512];
	json_t *text;
	size_t size;

	assert_int_equal(tee_tpm.detect(&none), 0);
	assert_fails(tee_find("auto", &context, &tee), -ENODEV, "TPM");
	assert_works(tpm_ak_create(swtpm->tpm, TPM_AK_HANDLE, &ak));
	assert_works(tee_find("auto", &context, &tee));
	assert_ptr_equal(tee, &tee_tpm);
	assert_works(tee_evidence(tee, &context, &request, &evidence));
	assert_int_equal(json_object_size(evidence), 2);
	text = json_object_get(json_object_get(evidence, "tpm_quote"), "message");
	assert_int_equal(base64_decode(json_string_value(text), json_string_length(text), message,
				       sizeof(message), &size),
			 0);
	assert_int_equal(tpm_attest_parse(message, size, &attest), 0);
	/* Trustee's verifier takes the first 32 bytes, and no others. */
	assert_int_equal(attest.nonce_size, 32);
	assert_memory_equal(attest.nonce, data, 32);
}

static void measured_pcrs_are_described(void **state)
{
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	cleanup(json_decrefp) json_t *evidence = NULL;
	cleanup(freep) char *text = NULL;
	struct swtpm *swtpm = *state;
	struct tee_context context = context_of(swtpm);
	char expected[256], hex[65];
	struct tpm_quote quote;
	size_t size;
	FILE *out;

	assert_works(tpm_ak_create(swtpm->tpm, TPM_AK_HANDLE, &ak));
	assert_works(tpm_quote(swtpm->tpm, TPM_AK_HANDLE, data, 32, &quote));
	assert_works(tee_evidence(&tee_tpm, &context, &request, &evidence));
	out = open_memstream(&text, &size);
	tee_tpm.describe(evidence, out);
	fclose(out);
	/* 7 and 11, which were extended; not 17 to 22, which begin with ones. */
	hex_encode(quote.pcrs.values[7], 32, hex);
	size = (size_t)snprintf(expected, sizeof(expected), "PCR 7:            %s\n", hex);
	hex_encode(quote.pcrs.values[11], 32, hex);
	snprintf(expected + size, sizeof(expected) - size, "PCR 11:           %s\n", hex);
	assert_string_equal(text, expected);
}

static void tpm_with_a_strange_key(void **state)
{
	struct swtpm *swtpm = *state;
	struct tee_context context = context_of(swtpm);
	const struct tee_ops *tee = NULL;

	swtpm_occupy_srk(swtpm, true);
	context = context_of(swtpm);
	context.ak_handle = 0x81000001;
	assert_fails(tee_find("auto", &context, &tee), -EKEYREJECTED, "0x81000001");
}

static void initdata_is_bound_by_pcr_8(void **state)
{
	struct swtpm *swtpm = *state;
	struct tee_context context = context_of(swtpm), none = {};
	uint8_t digest[48] = {}, other[32];

	assert_int_equal(hash_data(HASH_SHA256, "initdata", 8, digest), 0);
	assert_int_equal(hash_data(HASH_SHA256, "initdatA", 8, other), 0);
	assert_fails(tee_check_initdata(&tee_tpm, &none, digest, 32), -ENODEV, "no TPM");
	assert_fails(tee_check_initdata(&tee_tpm, &context, digest, 32), -EKEYREJECTED, "is zero");
	swtpm_extend(swtpm, 8, "initdata");
	assert_works(tee_check_initdata(&tee_tpm, &context, digest, 32));
	assert_works(tee_check_initdata(&tee_az_snp_vtpm, &context, digest, 32));
	assert_works(tee_check_initdata(&tee_az_tdx_vtpm, &context, digest, 32));
	assert_fails(tee_check_initdata(&tee_tpm, &context, other, 32), -EKEYREJECTED,
		     "another document");
	assert_fails(tee_check_initdata(&tee_tpm, &context, digest, 48), -EKEYREJECTED, "sha256");
	/* Once more, and it says nothing any longer. */
	swtpm_extend(swtpm, 8, "initdata");
	assert_fails(tee_check_initdata(&tee_tpm, &context, digest, 32), -EKEYREJECTED,
		     "another document");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(azure_is_detected),
		TEST(report_is_awaited),
		TEST(ready_report_is_taken),
		TEST(given_data_arrive),
		TEST(waiting_has_an_end),
		TEST(other_data_are_not_taken),
		TEST(legacy_does_not_wait),
		TEST(other_machines_are_refused),
		TEST(unreadable_index_is_not_azure),
		TEST(other_key_is_refused),
		TEST(missing_key_is_refused),
		TEST(snp_evidence),
		TEST(snp_evidence_legacy),
		TEST(tdx_evidence),
		TEST(quote_of_another_report_is_refused),
		cmocka_unit_test(service_failures),
		TEST(tpm_evidence),
		TEST(measured_pcrs_are_described),
		TEST(tpm_with_a_strange_key),
		TEST(initdata_is_bound_by_pcr_8),
	};

	if (!swtpm_exists()) {
		printf("skipped: there is no swtpm program\n");
		return 77;
	}
	make_network();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
