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

static void read_area(const uint8_t *data, size_t size)
{
	struct tpm_nv_public area, again;
	cleanup(freep) uint8_t *ours = NULL;
	size_t ours_size;

	if (tpm_nv_public_parse(data, size, &area) < 0)
		return;
	(void)tpm_nv_public_check(&area, data);
	if (area.policy_size != sizeof(area.policy))
		return;
	/* What is written of an index says the same as what was read. */
	if (tpm_nv_public_serialize(&area, &ours, &ours_size) < 0 ||
	    tpm_nv_public_parse(ours, ours_size, &again) < 0 || again.index != area.index ||
	    again.name_algorithm != area.name_algorithm || again.attributes != area.attributes ||
	    again.size != area.size || again.policy_size != area.policy_size ||
	    memcmp(again.policy, area.policy, sizeof(area.policy)) != 0)
		abort();
}

/* The record, and the description of the NV index that it comes from. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_record(data, size);
	read_area(data, size);
	return 0;
}
