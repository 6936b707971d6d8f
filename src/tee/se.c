/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/file.h"
#include "tee/platforms.h"
#include "tee/se_call.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

/*
 * IBM Secure Execution: the ultravisor answers, through a device of the kernel, to a request that
 * the broker made for it. The report data are the user data of that call; its verifier wants them
 * filled with zeros to 64 bytes.
 */
#define GUEST_PATH  "/sys/firmware/uv/prot_virt_guest"
#define DEVICE_PATH "/dev/uv"

#define CALL_ATTEST _IOWR('u', 0x01, struct uv_control)

/*
 * The device is not asked for: without it such a guest is still no other platform, least of all one
 * with a TPM, which would be its host's.
 */
static int se_detect(const struct tee_context *context)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = file_read_all(GUEST_PATH, 16, &text, &size);

	(void)context;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return fail(r, "cannot read " GUEST_PATH ": %s", strerror(-r));
	return text[0] == '1';
}

static int device_open(int *ret)
{
	int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return fail(-ENODEV, "there is no " DEVICE_PATH ": the kernel's driver uvdevice is "
				     "not loaded, or this is no guest of IBM Secure Execution");
	if (fd < 0)
		return fail(-errno, "cannot open " DEVICE_PATH ": %s", strerror(errno));
	*ret = fd;
	return 0;
}

static int device_attest(const struct se_request *request, struct se_answer *answer)
{
	cleanup(closep) int fd = -1;
	struct se_call call;
	int r = device_open(&fd);

	if (r < 0)
		return r;
	se_call_encode(request, answer, &call);
	if (ioctl(fd, CALL_ATTEST, &call.control) < 0)
		return fail(-errno,
			    "cannot pass a request to the ultravisor by " DEVICE_PATH ": %s",
			    strerror(errno));
	return se_call_decode(request, &call, answer);
}

static int se_evidence(const struct tee_context *context, const struct tee_request *request,
		       json_t **ret_evidence)
{
	cleanup(se_request_done) struct se_request wanted = {};
	cleanup(se_answer_done) struct se_answer answer = {};
	int r;

	(void)context;
	if (!request->challenge)
		return fail(-EINVAL, "IBM Secure Execution attests only to a request that a broker "
				     "makes: give the document that is the nonce of its challenge "
				     "with --nonce");
	r = se_request_parse(request->challenge, &wanted);
	if (r < 0)
		return r;
	answer.measurement = calloc(1, wanted.measurement_size);
	answer.additional = calloc(1, wanted.additional_size + 1);
	if (!answer.measurement || !answer.additional)
		return -ENOMEM;
	memcpy(answer.user_data, request->report_data,
	       MIN(request->report_data_size, sizeof(answer.user_data)));
	r = device_attest(&wanted, &answer);
	return r < 0 ? r : se_evidence_make(&wanted, &answer, ret_evidence);
}

static void se_describe(json_t *evidence, FILE *out)
{
	json_t *text = json_object_get(evidence, "cuid");
	uint8_t config_uid[SE_CONFIG_UID_SIZE];
	size_t size;

	if (base64_decode(json_string_value(text), json_string_length(text), config_uid,
			  sizeof(config_uid), &size) == 0)
		tee_describe_bytes(out, "configuration", config_uid, size);
}

const struct tee_ops tee_se = {
	.name = "se",
	.title = "IBM Secure Execution",
	.detect = se_detect,
	.evidence = se_evidence,
	.describe = se_describe,
};
