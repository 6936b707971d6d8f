/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tpm/internal.h"

#include <string.h>

static void read_record(const uint8_t *data, size_t size)
{
	cleanup(writer_done) struct writer writer = {};
	struct tpm_record record;

	if (tpm_record_decode(data, size, &record) < 0)
		return;
	/* There is one way to write a record. */
	if (size <= RECORD_SIZE_MAX &&
	    (tpm_record_encode(&record, &writer) < 0 || writer.size != size ||
	     memcmp(writer.data, data, size) != 0))
		abort();
}

/* The record, and the description of the NV index that it comes from. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tpm_nv_public area;

	read_record(data, size);
	if (tpm_nv_public_parse(data, size, &area) == 0)
		(void)tpm_nv_public_check(&area, data);
	return 0;
}
