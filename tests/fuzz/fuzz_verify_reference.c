/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "verify/internal.h"

static void check_list(const json_t *list)
{
	if (list && (!json_is_array(list) || json_array_size(list) == 0))
		abort();
}

/* What was accepted has no empty list, which would accept nothing, or all. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(reference_done) struct reference reference = {};

	if (reference_read((const char *)data, size, &reference) < 0)
		return 0;
	check_list(reference.mrtd);
	check_list(reference.measurement);
	check_list(reference.vmpl);
	check_list(reference.tee);
	check_list(reference.config);
	check_list(reference.manifest);
	check_list(reference.providers);
	check_list(reference.how);
	check_list(reference.epoch);
	check_list(reference.uuid);
	check_list(reference.attestation_keys);
	if (reference_lists(reference.providers, "", 0))
		abort();
	return 0;
}
