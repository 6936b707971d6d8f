/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/vtpm.h"
#include "base/error.h"
#include "tee/platforms.h"

#include <string.h>

#include <poll.h>

int vtpm_check_initdata(const struct tee_context *context, const uint8_t *digest,
			size_t digest_size)
{
	uint8_t zero_and_digest[2 * HASH_SHA256_SIZE] = {}, expected[HASH_SHA256_SIZE];
	struct tpm_pcr_values values;
	int r;

	if (!context->tpm)
		return fail(-ENODEV, "this machine has no TPM that could bind initdata");
	if (digest_size != HASH_SHA256_SIZE)
		return fail(-EKEYREJECTED, "a TPM binds initdata in its SHA-256 PCR 8 only; the "
					   "document must say algorithm = \"sha256\"");
	memcpy(zero_and_digest + HASH_SHA256_SIZE, digest, HASH_SHA256_SIZE);
	r = hash_data(HASH_SHA256, zero_and_digest, sizeof(zero_and_digest), expected);
	if (r == 0)
		r = tpm_pcr_read(context->tpm, HASH_SHA256, TPM_PCRS_INITDATA, &values);
	if (r < 0)
		return r;
	if (memcmp(values.values[TPM_PCR_INITDATA], expected, sizeof(expected)) == 0)
		return 0;
	if (tpm_pcr_is_zero(&values, TPM_PCR_INITDATA))
		return fail(-EKEYREJECTED, "the TPM binds no initdata: its PCR 8 is zero");
	return fail(-EKEYREJECTED, "the TPM's PCR 8 does not bind this initdata: another document, "
				   "or more than that was measured into it");
}

/* Not all zeros, and not all ones as PCRs are that only a dynamic launch resets. */
static bool is_measured(const char *hex)
{
	return hex[strspn(hex, "0")] != '\0' && hex[strspn(hex, "f")] != '\0';
}

void vtpm_describe(json_t *evidence, FILE *out)
{
	json_t *pcrs = json_object_get(json_object_get(evidence, "tpm_quote"), "pcrs");
	char name[32];
	json_t *value;
	size_t pcr;

	json_array_foreach (pcrs, pcr, value) {
		const char *hex = json_string_value(value);

		if (!hex || !is_measured(hex))
			continue;
		snprintf(name, sizeof(name), "PCR %zu", pcr);
		tee_describe_text(out, name, "%s", hex);
	}
}

struct vtpm_wait vtpm_wait_begin(unsigned int total_ms, unsigned int first_ms,
				 unsigned int limit_ms)
{
	return (struct vtpm_wait){
		.deadline = monotonic_ms() + total_ms,
		.next_ms = first_ms,
		.limit_ms = limit_ms,
	};
}

bool vtpm_wait(struct vtpm_wait *wait)
{
	int64_t left = wait->deadline - monotonic_ms();

	if (left <= 0)
		return false;
	(void)poll(NULL, 0, (int)MIN(left, (int64_t)wait->next_ms));
	wait->next_ms = MIN(2 * wait->next_ms, wait->limit_ms);
	return true;
}
