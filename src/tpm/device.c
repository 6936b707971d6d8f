/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tpm/device.h"

#include "base/error.h"
#include "tpm/internal.h"

#include <fcntl.h>
#include <string.h>

/*
 * The TCTI of libtss2-tcti-device sends a command of its own at each start, to learn whether answers
 * can be read in parts; none has to be.
 */

#define MAGIC 0x63766d726f6f7400U

struct device {
	TSS2_TCTI_CONTEXT_COMMON_V1 common; /* first: ESYS knows nothing else of it */
	int fd;
	bool waiting; /* a command was sent, its answer not yet read */
};

static struct device *device_of(TSS2_TCTI_CONTEXT *context)
{
	return (struct device *)context;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
	struct device *device = device_of(context);
	ssize_t n;

	if (device->waiting)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	/* A command is one write: the kernel would take its half for a whole one. */
	do {
		n = write(device->fd, command, size);
	} while (n < 0 && errno == EINTR);
	if (n < 0 || (size_t)n != size)
		return TSS2_TCTI_RC_IO_ERROR;
	device->waiting = true;
	return TSS2_RC_SUCCESS;
}

/* The write returned when the answer was there, so there is nothing that could be waited for. */
static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
	struct device *device = device_of(context);
	ssize_t n;

	(void)timeout;
	if (!device->waiting)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (!response) {
		*size = TPM2_MAX_RESPONSE_SIZE;
		return TSS2_RC_SUCCESS;
	}
	do {
		n = read(device->fd, response, *size);
	} while (n < 0 && errno == EINTR);
	device->waiting = false;
	if (n <= 0)
		return TSS2_TCTI_RC_IO_ERROR;
	*size = (size_t)n;
	return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *context)
{
	close(device_of(context)->fd);
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *context)
{
	(void)context;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
	(void)context;
	(void)locality;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

int tpm_device_new(int fd, TSS2_TCTI_CONTEXT **ret)
{
	struct device *device = calloc(1, sizeof(*device));

	if (!device) {
		close(fd);
		return -ENOMEM;
	}
	device->common = (TSS2_TCTI_CONTEXT_COMMON_V1){
		.magic = MAGIC,
		.version = 1,
		.transmit = transmit,
		.receive = receive,
		.finalize = finalize,
		.cancel = cancel,
		.setLocality = set_locality,
	};
	device->fd = fd;
	*ret = (TSS2_TCTI_CONTEXT *)device;
	return 0;
}

static int fail_open(int error)
{
	switch (error) {
	case ENOENT:
	case ENXIO:
		return fail(-ENODEV, "this machine has no TPM 2.0 (" TPM_DEVICE
				     " does not exist); give the virtual machine a vTPM");
	case EACCES:
	case EPERM:
		return fail(-EACCES, "no permission to use the TPM (" TPM_DEVICE "); run as root");
	default:
		return fail(-EIO, "cannot open the TPM (" TPM_DEVICE "): %s", strerror(error));
	}
}

int tpm_device_open(TSS2_TCTI_CONTEXT **ret)
{
	int fd = open(TPM_DEVICE, O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? fail_open(errno) : tpm_device_new(fd, ret);
}

/* Since Linux 5.12 there is a folder for each bank that is active. */
uint32_t tpm_device_banks(const char *folder)
{
	uint32_t banks = 0;
	char path[128];

	for (unsigned int i = 0; i < HASH_ALGORITHMS; i++) {
		snprintf(path, sizeof(path), "%s/pcr-%s", folder,
			 hash_name((enum hash_algorithm)i));
		if (access(path, F_OK) == 0)
			banks |= 1U << i;
	}
	return banks;
}
