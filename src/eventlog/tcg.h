/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_TCG_H
#define CVMROOT_EVENTLOG_TCG_H

#include "base/reader.h"
#include "eventlog/eventlog.h"

/*
 * The one parser of binary event logs (TCG PC Client Platform Firmware Profile: TCG_PCR_EVENT2, and
 * TCG_PCClientPCREvent of older firmware; UEFI: EFI_CC_EVENT_LOG). Pure.
 */

enum tcg_form {
	TCG_FIRMWARE, /* either form; the first event may be the header */
	TCG_CCEL,     /* a header, and events of the newer form */
	TCG_AGENT,    /* those without a header and without padding */
};

/* Types of events, as far as their data or their place say something here. */
#define TCG_SEPARATOR			  0x00000004
#define TCG_EVENT_TAG			  0x00000006
#define TCG_OMIT_BOOT_DEVICE_EVENTS	  0x00000012
#define TCG_EFI_VARIABLE_DRIVER_CONFIG	  0x80000001
#define TCG_EFI_VARIABLE_BOOT		  0x80000002
#define TCG_EFI_BOOT_SERVICES_APPLICATION 0x80000003
#define TCG_EFI_BOOT_SERVICES_DRIVER	  0x80000004
#define TCG_EFI_RUNTIME_SERVICES_DRIVER	  0x80000005
#define TCG_EFI_GPT_EVENT		  0x80000006
#define TCG_EFI_ACTION			  0x80000007
#define TCG_EFI_PLATFORM_FIRMWARE_BLOB	  0x80000008
#define TCG_EFI_PLATFORM_FIRMWARE_BLOB2	  0x8000000a
#define TCG_EFI_HANDOFF_TABLES2		  0x8000000b
#define TCG_EFI_VARIABLE_BOOT2		  0x8000000c
#define TCG_EFI_GPT_EVENT2		  0x8000000d
#define TCG_EFI_HCRTM_EVENT		  0x80000010
#define TCG_EFI_VARIABLE_AUTHORITY	  0x800000e0
/* The tag of CoCo's attestation agent: "AAEL". */
#define TCG_AAEL_TAG 0x4141454c

/*
 * Hand each event to @take (NULL: only check), with index, type, digests, data and offset as they
 * stand; it may return an error. *ret_used: bytes before the padding, or before the event at which
 * it failed. -EBADMSG with a sentence.
 */
int tcg_walk(enum tcg_form form, const void *data, size_t size,
	     int (*take)(void *context, const struct eventlog_event *event), void *context,
	     size_t *ret_used);

/* UEFI_VARIABLE_DATA: name in UTF-16, and content. -EBADMSG. */
struct tcg_variable {
	const uint8_t *name, *content;
	size_t name_size, content_size;
};
int tcg_read_variable(const struct eventlog_event *event, struct tcg_variable *ret);

/* TCG_PCClientTaggedEvent. -EBADMSG also when something is behind it. */
int tcg_read_tagged(const struct eventlog_event *event, uint32_t *ret_tag, const uint8_t **ret,
		    size_t *ret_size);

#endif
