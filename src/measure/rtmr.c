/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "measure/aael.h"
#include "measure/backend.h"
#include "measure/rtmr.h"

#include <fcntl.h>
#include <string.h>

/* Intel TDX: Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest of Linux 6.16. */
#define TDX_DEVICE   "/dev/tdx_guest"
#define MEASUREMENTS "/sys/devices/virtual/misc/tdx_guest/measurements"
#define RTMR_FORMAT  MEASUREMENTS "/rtmr%u:sha384"
#define PATH_SIZE    (sizeof(RTMR_FORMAT) + 10)

/* Firmware's are 0 and 1. */
#define RTMR_FIRST 2
#define RTMR_LAST  3

static int rtmr_open(unsigned int rtmr, int flags, int *ret)
{
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), RTMR_FORMAT, rtmr);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "cannot open %s: %s", path, strerror(errno));
	*ret = fd;
	return 0;
}

static int rtmr_result(ssize_t done, unsigned int rtmr, const char *what)
{
	int r = done < 0 ? -errno : -EIO;

	return done == RTMR_SIZE ? 0 : fail(r, "cannot %s RTMR %u: %s", what, rtmr, strerror(-r));
}

static int rtmr_read(void *context, unsigned int rtmr, uint8_t ret[static RTMR_SIZE])
{
	cleanup(closep) int fd = -1;
	int r = rtmr_open(rtmr, O_RDONLY, &fd);

	(void)context;
	return r < 0 ? r : rtmr_result(pread(fd, ret, RTMR_SIZE, 0), rtmr, "read");
}

int measure_rtmr_read(unsigned int rtmr, uint8_t ret[static RTMR_SIZE])
{
	return rtmr_read(NULL, rtmr, ret);
}

/* The whole digest at once, at offset zero: the kernel takes nothing else. */
static int rtmr_extend(void *context, unsigned int rtmr, const uint8_t digest[static RTMR_SIZE])
{
	cleanup(closep) int fd = -1;
	int r = rtmr_open(rtmr, O_WRONLY, &fd);

	(void)context;
	return r < 0 ? r : rtmr_result(pwrite(fd, digest, RTMR_SIZE, 0), rtmr, "extend");
}

/* The log's own digests are SHA-384; of a volume key's event the HMAC has to stand in the text. */
static int make_text(const struct measure_record *record, char **ret)
{
	cleanup(freep) char *content = NULL;
	char hex[2 * RTMR_SIZE + 1];

	if (record->word != WORD_VOLUME_KEY)
		return word_format_agent(record->word, record->content, ret);
	hex_encode(record->digests[HASH_SHA384], RTMR_SIZE, hex);
	if (asprintf(&content, "%s:sha384:%s", record->content, hex) < 0)
		return -ENOMEM;
	return word_format_agent(record->word, content, ret);
}

static int measurements_probe(struct tpm *tpm, uint32_t *ret_banks)
{
	(void)tpm;
	if (access(MEASUREMENTS, F_OK) < 0)
		return access(TDX_DEVICE, F_OK) < 0 ? -ENODEV : -EOPNOTSUPP;
	*ret_banks = 1U << HASH_SHA384;
	return 0;
}

/*
 * Who measures a failure does not know which configuration was in effect, so that one goes
 * everywhere.
 */
static int extend_registers(const struct aael *aael, const struct measure_record *record,
			    const char *text)
{
	int first = 0;

	if (record->word != WORD_FAILED)
		return measure_aael_extend(aael, record->rtmr, text);
	for (unsigned int rtmr = RTMR_FIRST; rtmr <= RTMR_LAST; rtmr++) {
		int r = measure_aael_extend(aael, rtmr, text);

		if (first == 0)
			first = r;
	}
	return first;
}

static int measurements_extend(struct tpm *tpm, const struct measure_record *record)
{
	static const struct aael aael = {
		.log = AAEL_PATH,
		.journal = AAEL_JOURNAL_PATH,
		.read = rtmr_read,
		.extend = rtmr_extend,
	};
	cleanup(freep) char *text = NULL;
	int r;

	(void)tpm;
	/* MRCONFIGID has the digest of initdata. */
	if (record->word == WORD_INITDATA)
		return 0;
	r = make_text(record, &text);
	return r < 0 ? r : extend_registers(&aael, record, text);
}

const struct measure_backend measure_rtmr = {
	.probe = measurements_probe,
	.extend = measurements_extend,
};
