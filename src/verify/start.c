/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "verify/internal.h"

#include <string.h>

/* The claims on what was started: firmware, and the image by it. */

static void check_launch(const struct reference *reference, const struct facts *facts,
			 struct verify_result *result)
{
	const json_t *list =
		facts->launch_kind == LAUNCH_SNP ? reference->measurement : reference->mrtd;
	const char *name = facts->launch_kind == LAUNCH_SNP ? "launch measurement" : "MRTD";
	char text[2 * LAUNCH_SIZE + 1];

	hex_encode(facts->launch, sizeof(facts->launch), text);
	/* Whoever brings his own firmware has it measure what he likes. */
	result->claims[VERIFY_LAUNCH].wanted = facts->launch_kind != LAUNCH_NONE;
	if (facts->launch_kind == LAUNCH_NONE)
		claim_set(result, VERIFY_LAUNCH, VERIFY_UNCHECKED,
			  "a TPM does not say what started the machine");
	else if (!list)
		claim_set(result, VERIFY_LAUNCH, VERIFY_UNCHECKED,
			  "the reference names no %s; here it is %s%s", name, text,
			  facts->launch_vouches
				  ? ", of the paravisor, which alone vouches for the TPM"
				  : ", of the firmware, which says what came after it");
	else
		claim_set(result, VERIFY_LAUNCH,
			  reference_lists(list, text, strlen(text)) ? VERIFY_HOLDS : VERIFY_FAILS,
			  "the %s is %s", name, text);
}

/* Registers by their verdict: "4, 9, 15 before cvmroot". */
struct names {
	char text[160];
	size_t size;
};

static void add_name(struct names *names, const char *name, const char *when)
{
	int size = snprintf(names->text + names->size, sizeof(names->text) - names->size, "%s%s%s",
			    names->size > 0 ? ", " : "", name, when);

	names->size = MIN(names->size + (size_t)size, sizeof(names->text) - 1);
}

/* What of @values is as the reference says of @state, a mask. @when: where that is not now. */
static uint32_t compare(json_t *registers, const char *state,
			const struct eventlog_registers *values, const char *when,
			struct names *good, struct names *bad)
{
	size_t size = hash_size(values->bank);
	const char *name;
	uint32_t same = 0;
	json_t *value;

	json_object_foreach (registers, name, value) {
		const json_t *list = json_object_get(value, state);
		unsigned long index = strtoul(name, NULL, 10);

		if (!list || !(values->touched >> index & 1))
			continue;
		if (reference_lists_hex(list, values->values[index], size)) {
			same |= 1U << index;
			add_name(good, name, when);
		} else {
			add_name(bad, name, when);
		}
	}
	return same;
}

static bool has(uint32_t mask, unsigned int index)
{
	return mask >> index & 1;
}

/*
 * Do these registers leave nothing of the image to others? PCR 11 alone does not: another boot
 * program, which PCR 4 would show, can extend it like ours. PCR 2 has drivers, from a device or from
 * the disk, that the firmware ran before, unless Secure Boot (7) keeps them away. PCR 12 has command
 * line, credentials and addons that a loader handed to systemd-stub; 9, or 13, system extensions.
 */
static bool binds_image(bool rtmr, uint32_t mask)
{
	if (rtmr)
		return has(mask, 1) && has(mask, 2);
	return (has(mask, 2) || has(mask, 7)) && has(mask, 12) && (has(mask, 9) || has(mask, 13)) &&
	       ((has(mask, 4) && (has(mask, 9) || has(mask, 11))) ||
		(has(mask, 7) && has(mask, 11)));
}

/*
 * Registers with our events about which nobody could be told otherwise later: PCR 15 has to begin
 * with them, an RTMR has to be known up to them, any other PCR as a whole.
 */
static bool pins_events(bool rtmr, uint32_t ours, uint32_t booted, uint32_t fetch)
{
	return !(ours & ~booted & ~(rtmr ? fetch : 1U << PCR_CLOSING));
}

static void check_registers(const struct reference *reference, const struct facts *facts,
			    const struct eventlog_registers *before, struct verify_result *result)
{
	bool rtmr = facts->registers.kind == EVENTLOG_RTMR;
	const char *kind = rtmr ? "RTMR" : "PCR", *bank = hash_name(facts->registers.bank);
	json_t *registers = rtmr ? reference->rtmrs : json_object_get(reference->pcrs, bank);
	struct names good = {}, bad = {};
	uint32_t booted, fetch;

	booted = compare(registers, "booted", &facts->registers, "", &good, &bad);
	fetch = compare(registers, "fetch", before, " before cvmroot", &good, &bad);
	if (bad.size > 0)
		claim_set(result, VERIFY_IMAGE, VERIFY_FAILS, "%s %s: not as the reference says",
			  kind, bad.text);
	else if (!binds_image(rtmr, booted | fetch))
		claim_set(
			result, VERIFY_IMAGE, VERIFY_UNCHECKED,
			"%s %s of bank %s could be compared, and that leaves something to others: "
			"the reference has to name %s, as they are after the boot",
			kind, good.size > 0 ? good.text : "none", bank,
			rtmr ? "1 and 2"
			     : "2 (or 7), 4 with 9 or 11 (or 7 with 11), 9 or 13, and 12");
	else if (!pins_events(rtmr, before->touched, booted, fetch))
		claim_set(result, VERIFY_IMAGE, VERIFY_UNCHECKED,
			  "the reference does not name each %s that holds cvmroot's events", kind);
	else
		claim_set(result, VERIFY_IMAGE, VERIFY_HOLDS, "%s %s: as the reference says", kind,
			  good.text);
}

/* No register tells; the firmware may have checked what it started by hashes inside of it. */
static void check_without(const struct reference *reference, struct verify_result *result)
{
	if (!reference->kernel_hashes)
		claim_set(result, VERIFY_IMAGE, VERIFY_UNCHECKED,
			  "the launch measurement is of the firmware alone: start the machine with "
			  "kernel-hashes=on, and compute the reference with --kernel-hashes");
	else if (result->claims[VERIFY_LAUNCH].verdict != VERIFY_HOLDS)
		claim_set(result, VERIFY_IMAGE, VERIFY_UNCHECKED,
			  "the launch measurement is not that of the reference");
	else
		claim_set(result, VERIFY_IMAGE, VERIFY_HOLDS,
			  "its hashes are in the launch measurement (kernel-hashes)");
}

int claims_of_boot(const struct document *document, const struct reference *reference,
		   const struct facts *facts, bool bound, struct verify_result *result)
{
	struct eventlog_registers before;
	int r = claims_of_events(document, reference, facts, bound, result, &before);

	if (r < 0)
		return r;
	check_launch(reference, facts, result);
	/* What other claims rest on was said by whatever was booted. */
	result->claims[VERIFY_IMAGE].wanted = true;
	if (facts->quoted)
		check_registers(reference, facts, &before, result);
	else
		check_without(reference, result);
	return 0;
}
