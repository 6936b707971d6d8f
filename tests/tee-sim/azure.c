/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * A confidential machine of Azure: its paravisor keeps a report of the hardware in the vTPM, whose
 * report data is the hash of a JSON text with the vTPM's attestation key and with what the guest
 * last wrote into an NV index of its own; the metadata service has the certificates or the quote.
 */
#include "sim.h"
#include "tpm.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AK_HANDLE    UINT32_C(0x81000003)
#define NV_REPORT    UINT32_C(0x01400001)
#define NV_USER_DATA UINT32_C(0x01400002)
/* Azure's index has 2600 bytes; swtpm makes none larger than this. */
#define NV_REPORT_SIZE 2048
#define REPORT_AREA    1184
#define USER_DATA_SIZE 64

#define POLL_MS	   100
#define REFRESH_MS 400 /* between the guest's write and the new report */

static void put_json(struct bytes *ret, const struct bytes *modulus, const uint8_t *user_data)
{
	char hex[2 * USER_DATA_SIZE + 1];

	for (size_t i = 0; i < USER_DATA_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02X", user_data[i]);
	bytes_put_text(ret, "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],"
			    "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
	bytes_put_base64url(ret, modulus->data, modulus->size);
	bytes_put_text(ret, "\"}],\"vm-configuration\":{\"console-enabled\":true,"
			    "\"secure-boot\":true,\"tpm-enabled\":true,"
			    "\"vmUniqueId\":\"5B9C0B21-7D0A-4E61-9C3A-0D6A4E6C2F10\"},"
			    "\"user-data\":\"");
	bytes_put_text(ret, hex);
	bytes_put_text(ret, "\"}");
}

void azure_make_hcl(const struct sim *sim, enum azure_type type, const struct bytes *modulus,
		    const uint8_t *user_data, struct bytes *ret)
{
	struct bytes json = {0}, report = {0};
	uint8_t report_data[REPORT_DATA_SIZE] = {0};

	put_json(&json, modulus, user_data);
	hash_bytes("SHA256", json.data, json.size, report_data);
	if (type == AZURE_SNP)
		snp_make_report(sim, report_data, &report);
	else
		tdx_make_report(sim, report_data, &report);
	bytes_put_zeros(&report, REPORT_AREA - report.size);

	bytes_put_text(ret, "HCLA");
	bytes_put_le(ret, 2, 4); /* version */
	bytes_put_le(ret, 32 + REPORT_AREA + 20 + json.size, 4);
	bytes_put_le(ret, 2, 4); /* request */
	bytes_put_zeros(ret, 16);
	bytes_put_bytes(ret, &report);
	bytes_put_le(ret, 20 + json.size, 4);
	bytes_put_le(ret, 1, 4); /* version */
	bytes_put_le(ret, (uint64_t)type, 4);
	bytes_put_le(ret, 1, 4); /* SHA-256 */
	bytes_put_le(ret, json.size, 4);
	bytes_put_bytes(ret, &json);
	bytes_free(&json);
	bytes_free(&report);
}

struct azure {
	const struct sim *sim;
	enum azure_type type;
	struct tpm tpm;
	struct bytes modulus;
	uint8_t user_data[USER_DATA_SIZE];
	int64_t due_ms; /* when the report is to be made anew; 0: it is current */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void refresh(struct azure *azure)
{
	struct bytes report = {0};

	azure_make_hcl(azure->sim, azure->type, &azure->modulus, azure->user_data, &report);
	check(report.size <= NV_REPORT_SIZE, "a report of %zu bytes", report.size);
	bytes_put_zeros(&report, NV_REPORT_SIZE - report.size);
	tpm_nv_write(&azure->tpm, NV_REPORT, &report);
	bytes_free(&report);
}

/* Has the guest written something else since the last look? */
static bool look(struct azure *azure)
{
	uint8_t data[USER_DATA_SIZE] = {0};
	int size = tpm_nv_size(&azure->tpm, NV_USER_DATA);

	if (size <= 0 || size > USER_DATA_SIZE)
		return false;
	if (tpm_nv_read(&azure->tpm, NV_USER_DATA, (uint16_t)size, data) < 0 ||
	    memcmp(data, azure->user_data, sizeof(data)) == 0)
		return false;
	memcpy(azure->user_data, data, sizeof(data));
	return true;
}

static void paravisor(struct azure *azure)
{
	if (look(azure))
		azure->due_ms = now_ms() + REFRESH_MS;
	if (azure->due_ms == 0 || now_ms() < azure->due_ms)
		return;
	refresh(azure);
	azure->due_ms = 0;
}

void azure_serve(const struct sim *sim, enum azure_type type)
{
	struct azure azure = {.sim = sim, .type = type};
	struct pollfd server = {.fd = imds_listen(), .events = POLLIN};

	azure.tpm = tpm_open("/dev/tpmrm0");
	tpm_make_key(&azure.tpm, AK_HANDLE, &azure.modulus);
	tpm_nv_define(&azure.tpm, NV_REPORT, NV_REPORT_SIZE);
	look(&azure);
	refresh(&azure);
	detach();
	for (;;) {
		if (poll(&server, 1, POLL_MS) > 0) {
			int client = accept(server.fd, NULL, NULL);

			if (client >= 0) {
				imds_answer(sim, client);
				close(client);
			}
		}
		paravisor(&azure);
	}
}
