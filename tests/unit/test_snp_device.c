/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include <linux/ioctl.h>

#include "base/error.h"
#include "tee/snp_device.h"
#include "tee/snp_ioctl.h"

/*
 * Stands in for the driver behind /dev/sev-guest: its ioctl() is taken by the test (--wrap). As the
 * driver does, it returns EIO with the reason in exit_info when the hypervisor or the firmware
 * refused.
 */

#define INVALID_LENGTH (UINT64_C(1) << 32)
#define BUSY	       (UINT64_C(2) << 32)

static struct {
	uint32_t certs_size; /* that the host has; whole pages */
	unsigned int busy;   /* how often the host says so first */
	uint64_t ext_error;  /* what every extended request ends in */
	int ext_errno;	     /* the same without exit_info */
	uint64_t plain_error;
	uint32_t status;      /* of the firmware's answer */
	unsigned int growing; /* how often the certificates get one page longer */
	unsigned int ext_calls, plain_calls;
} host;

static uint8_t report_data[64];

int __wrap_ioctl(int fd, unsigned long command, void *argument);

static uint64_t get_le(const uint8_t *data, size_t size)
{
	uint64_t value = 0;

	for (size_t i = size; i > 0; i--)
		value = value << 8 | data[i - 1];
	return value;
}

static int refuse(struct snp_guest_request *request, uint64_t exit_info)
{
	request->exit_info = exit_info;
	errno = EIO;
	return -1;
}

/* Byte N of the report is N, but for the report data. */
static int answer(const struct snp_guest_request *request)
{
	const uint8_t *asked = (const uint8_t *)(uintptr_t)request->request;
	uint8_t *response = (uint8_t *)(uintptr_t)request->response;

	assert_int_equal(request->msg_version, 1);
	assert_memory_equal(asked, report_data, 64);
	assert_int_equal(get_le(asked + 64, 4), 0);
	response[0] = (uint8_t)host.status;
	response[4] = (uint8_t)SNP_REPORT_SIZE;
	response[5] = (uint8_t)(SNP_REPORT_SIZE >> 8);
	for (size_t i = 0; i < SNP_REPORT_SIZE; i++)
		response[32 + i] = (uint8_t)i;
	memcpy(response + 32 + 0x50, asked, 64);
	return 0;
}

static int extended(struct snp_guest_request *request)
{
	uint8_t *asked = (uint8_t *)(uintptr_t)request->request;
	uint8_t *certs = (uint8_t *)(uintptr_t)get_le(asked + 96, 8);
	uint32_t room = (uint32_t)get_le(asked + 104, 4);

	host.ext_calls++;
	if (host.ext_errno) {
		errno = host.ext_errno;
		return -1;
	}
	if (host.busy > 0) {
		host.busy--;
		return refuse(request, BUSY);
	}
	if (host.ext_error)
		return refuse(request, host.ext_error);
	assert_true(room == 0 || ((uintptr_t)certs % 4096 == 0 && room % 4096 == 0));
	if (room < host.certs_size) {
		for (size_t i = 0; i < 4; i++)
			asked[104 + i] = (uint8_t)(host.certs_size >> 8 * i);
		if (host.growing > 0) {
			host.growing--;
			host.certs_size += 4096;
		}
		return refuse(request, INVALID_LENGTH);
	}
	if (host.certs_size > 0)
		memset(certs, 0x5a, host.certs_size);
	return answer(request);
}

int __wrap_ioctl(int fd, unsigned long command, void *argument)
{
	struct snp_guest_request *request = argument;

	(void)fd;
	/* The numbers of the kernel's header. */
	if (command == 0xc0205302)
		return extended(request);
	assert_int_equal(command, 0xc0205300);
	host.plain_calls++;
	return host.plain_error ? refuse(request, host.plain_error) : answer(request);
}

struct outcome {
	uint8_t *report, *certs;
	size_t report_size, certs_size;
};

static void outcome_done(struct outcome *outcome)
{
	free(outcome->report);
	free(outcome->certs);
}

static int get(struct outcome *ret)
{
	memset(report_data, 0xa5, sizeof(report_data));
	return snp_device_get("/dev/null", report_data, &ret->report, &ret->report_size,
			      &ret->certs, &ret->certs_size);
}

static int setup(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	return 0;
}

static void expect_report(const struct outcome *outcome, size_t certs_size)
{
	assert_int_equal(outcome->report_size, SNP_REPORT_SIZE);
	assert_memory_equal(outcome->report + 0x50, report_data, 64);
	assert_int_equal(outcome->report[0x49f], 0x9f);
	assert_int_equal(outcome->certs_size, certs_size);
	if (certs_size == 0)
		assert_null(outcome->certs);
	for (size_t i = 0; i < certs_size; i++)
		assert_int_equal(outcome->certs[i], 0x5a);
}

static void host_without_certificates(void **state)
{
	cleanup(outcome_done) struct outcome outcome = {};

	(void)state;
	assert_int_equal(get(&outcome), 0);
	expect_report(&outcome, 0);
	assert_int_equal(host.ext_calls, 1);
	assert_int_equal(host.plain_calls, 0);
}

static void certificates_take_two_steps(void **state)
{
	cleanup(outcome_done) struct outcome outcome = {};

	(void)state;
	host.certs_size = 0x3000;
	assert_int_equal(get(&outcome), 0);
	expect_report(&outcome, 0x3000);
	assert_int_equal(host.ext_calls, 2);
}

static void certificates_may_grow_meanwhile(void **state)
{
	cleanup(outcome_done) struct outcome outcome = {};

	(void)state;
	host.certs_size = 0x1000;
	host.growing = 1;
	assert_int_equal(get(&outcome), 0);
	expect_report(&outcome, 0x2000);
	assert_int_equal(host.ext_calls, 3);
}

/* A host that never stops asking for more, or asks for too much, costs its certificates only. */
static void greedy_hosts_are_left_without_certificates(void **state)
{
	cleanup(outcome_done) struct outcome growing = {};
	cleanup(outcome_done) struct outcome huge = {};

	(void)state;
	host.certs_size = 0x1000;
	host.growing = 100;
	assert_int_equal(get(&growing), 0);
	expect_report(&growing, 0);
	assert_int_equal(host.ext_calls, 5);
	assert_int_equal(host.plain_calls, 1);
	setup(state);
	host.certs_size = 0x40000000;
	assert_int_equal(get(&huge), 0);
	expect_report(&huge, 0);
	assert_int_equal(host.ext_calls, 1);
	assert_int_equal(host.plain_calls, 1);
}

static void busy_hosts_are_asked_again(void **state)
{
	cleanup(outcome_done) struct outcome outcome = {};

	(void)state;
	host.busy = 2;
	host.certs_size = 0x1000;
	assert_int_equal(get(&outcome), 0);
	expect_report(&outcome, 0x1000);
	assert_int_equal(host.ext_calls, 4);
}

static void plain_request_is_the_second_choice(void **state)
{
	static const int errors[] = {ENOTTY, EINVAL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		cleanup(outcome_done) struct outcome outcome = {};

		setup(state);
		host.ext_errno = errors[i];
		assert_int_equal(get(&outcome), 0);
		expect_report(&outcome, 0);
		assert_int_equal(host.plain_calls, 1);
	}
}

static void refusals_are_told(void **state)
{
	struct outcome outcome = {};

	(void)state;
	host.ext_error = host.plain_error = 0x17;
	assert_int_equal(get(&outcome), -EIO);
	assert_non_null(strstr(fail_sentence(-EIO), "error 0x17 of the firmware"));
	setup(state);
	host.status = 0x16;
	assert_int_equal(get(&outcome), -EIO);
	assert_non_null(strstr(fail_sentence(-EIO), "status 0x16"));
	setup(state);
	host.ext_error = host.plain_error = BUSY;
	assert_int_equal(get(&outcome), -EBUSY);
	assert_int_equal(host.ext_calls, 5);
	assert_int_equal(host.plain_calls, 5);
	assert_null(outcome.report);
	assert_null(outcome.certs);
}

static void missing_device_is_told(void **state)
{
	struct outcome outcome = {};

	(void)state;
	assert_int_equal(snp_device_get("/nonexistent/sev-guest", report_data, &outcome.report,
					&outcome.report_size, &outcome.certs, &outcome.certs_size),
			 -ENODEV);
	assert_non_null(strstr(fail_sentence(-ENODEV), "there is no /nonexistent/sev-guest"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(host_without_certificates),
		TEST(certificates_take_two_steps),
		TEST(certificates_may_grow_meanwhile),
		TEST(greedy_hosts_are_left_without_certificates),
		TEST(busy_hosts_are_asked_again),
		TEST(plain_request_is_the_second_choice),
		TEST(refusals_are_told),
		TEST(missing_device_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
