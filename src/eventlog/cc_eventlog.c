/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/cc_eventlog.h"

#include "base/error.h"
#include "eventlog/tcg.h"

#include <string.h>

#define END_SIZE 8

/*
 * What stands in front of AAEL entries when the firmware left no log: an EV_NO_ACTION event in the
 * old form that announces SHA-384 and SM3, byte for byte the one of CoCo's attestation agent.
 */
static const uint8_t header[69] = {
	[4] = EVENTLOG_EV_NO_ACTION, /* event type */
	[28] = 37,		     /* bytes that follow */
	[56] = 2,		     /* algorithms: */
	[60] = 0x0c,
	[62] = 48,
	[64] = 0x12,
	[66] = 32,
};

static const uint8_t end[END_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

int cc_eventlog_size(const void *ccel, size_t size, size_t *ret)
{
	size_t used;
	int r = tcg_walk(TCG_CCEL, ccel, size, NULL, NULL, &used);

	if (r == 0)
		*ret = used;
	return r;
}

static int compose(const void *ccel, size_t ccel_size, const void *aael, size_t aael_size,
		   uint8_t **ret, size_t *ret_size)
{
	cleanup(writer_done) struct writer writer = {};

	if (ccel_size + aael_size > CC_EVENTLOG_LIMIT)
		return fail(-E2BIG, "the event log has %zu bytes; %d KiB are the limit",
			    ccel_size + aael_size, (int)(CC_EVENTLOG_LIMIT / KIB));
	if (ccel)
		writer_bytes(&writer, ccel, ccel_size);
	else
		writer_bytes(&writer, header, sizeof(header));
	if (aael)
		writer_bytes(&writer, aael, aael_size);
	writer_bytes(&writer, end, sizeof(end));
	if (writer.error < 0)
		return writer.error;
	*ret_size = writer.size;
	*ret = TAKE_PTR(writer.data);
	return 0;
}

int cc_eventlog_make(const void *ccel, size_t ccel_size, const void *aael, size_t aael_size,
		     uint8_t **ret, size_t *ret_size)
{
	size_t used = 0, checked;
	int r = 0;

	if (ccel_size > CC_EVENTLOG_FILE_LIMIT || aael_size > CC_EVENTLOG_FILE_LIMIT)
		return fail(-E2BIG, "an event log is longer than %d MiB",
			    (int)(CC_EVENTLOG_FILE_LIMIT / MIB));
	if (ccel)
		r = cc_eventlog_size(ccel, ccel_size, &used);
	/* Ours, or that of an attestation agent: whole entries and nothing else. */
	if (r == 0 && aael)
		r = tcg_walk(TCG_AGENT, aael, aael_size, NULL, NULL, &checked);
	if (r < 0)
		return r;
	if (used == 0 && !aael) {
		*ret = NULL;
		*ret_size = 0;
		return 0;
	}
	return compose(used > 0 ? ccel : NULL, used, aael, aael_size, ret, ret_size);
}
