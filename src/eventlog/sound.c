/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/tcg.h"

#include <string.h>

static bool hashes_to(const struct eventlog_event *event, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < HASH_ALGORITHMS; i++) {
		uint8_t digest[HASH_MAX_SIZE];

		if (event->banks & 1U << i &&
		    (hash_data((enum hash_algorithm)i, data, size, digest) < 0 ||
		     memcmp(digest, event->digests[i], hash_size((enum hash_algorithm)i)) != 0))
			return false;
	}
	return true;
}

/* Firmware's is over the whole structure, or over the variable's content alone. */
static bool variable_is_sound(const struct eventlog_event *event)
{
	struct tcg_variable variable;

	return hashes_to(event, event->data, event->data_size) ||
	       (tcg_read_variable(event, &variable) == 0 &&
		hashes_to(event, variable.content, variable.content_size));
}

/* The kernel's tagged events name what was hashed; the agent's hold it. */
static bool tagged_is_sound(const struct eventlog_event *event)
{
	const uint8_t *ignored;
	uint32_t tag;
	size_t size;

	return tcg_read_tagged(event, &tag, &ignored, &size) < 0 || tag != TCG_AAEL_TAG ||
	       hashes_to(event, event->data, event->data_size);
}

/*
 * Types that are not named here tell what was measured, and do not hold it. EV_S_CRTM_VERSION and
 * EV_EFI_VARIABLE_AUTHORITY should, but firmware and older versions of shim put other bytes there.
 */
static bool firmware_is_sound(const struct eventlog_event *event)
{
	switch (event->type) {
	case TCG_SEPARATOR:
	case TCG_OMIT_BOOT_DEVICE_EVENTS:
	case TCG_EFI_VARIABLE_DRIVER_CONFIG:
	case TCG_EFI_GPT_EVENT:
	case TCG_EFI_ACTION:
	case TCG_EFI_VARIABLE_BOOT2:
		return hashes_to(event, event->data, event->data_size);
	case TCG_EFI_VARIABLE_BOOT:
		return variable_is_sound(event);
	case TCG_EVENT_TAG:
		return tagged_is_sound(event);
	default:
		return true;
	}
}

bool eventlog_event_is_sound(const struct eventlog_event *event)
{
	if (event->source != EVENTLOG_USER)
		return firmware_is_sound(event);
	/* The volume key's is an HMAC, and no text is there of what is no text. */
	return !event->data || (event->user_type && strcmp(event->user_type, "volume-key") == 0) ||
	       hashes_to(event, event->data, event->data_size);
}
