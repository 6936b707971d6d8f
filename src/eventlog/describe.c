/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "eventlog/tcg.h"

#include <string.h>

/*
 * TCG PC Client Platform Firmware Profile, "Event Types": the last byte of each, and its name; those
 * of UEFI have the highest bit besides.
 */
static const char types[] = "\x00"
			    "EV_PREBOOT_CERT\0"
			    "\x01"
			    "EV_POST_CODE\0"
			    "\x03"
			    "EV_NO_ACTION\0"
			    "\x04"
			    "EV_SEPARATOR\0"
			    "\x05"
			    "EV_ACTION\0"
			    "\x06"
			    "EV_EVENT_TAG\0"
			    "\x07"
			    "EV_S_CRTM_CONTENTS\0"
			    "\x08"
			    "EV_S_CRTM_VERSION\0"
			    "\x09"
			    "EV_CPU_MICROCODE\0"
			    "\x0a"
			    "EV_PLATFORM_CONFIG_FLAGS\0"
			    "\x0b"
			    "EV_TABLE_OF_DEVICES\0"
			    "\x0c"
			    "EV_COMPACT_HASH\0"
			    "\x0d"
			    "EV_IPL\0"
			    "\x0e"
			    "EV_IPL_PARTITION_DATA\0"
			    "\x0f"
			    "EV_NONHOST_CODE\0"
			    "\x10"
			    "EV_NONHOST_CONFIG\0"
			    "\x11"
			    "EV_NONHOST_INFO\0"
			    "\x12"
			    "EV_OMIT_BOOT_DEVICE_EVENTS\0"
			    "\x13"
			    "EV_POST_CODE2\0"
			    "\x01"
			    "EV_EFI_VARIABLE_DRIVER_CONFIG\0"
			    "\x02"
			    "EV_EFI_VARIABLE_BOOT\0"
			    "\x03"
			    "EV_EFI_BOOT_SERVICES_APPLICATION\0"
			    "\x04"
			    "EV_EFI_BOOT_SERVICES_DRIVER\0"
			    "\x05"
			    "EV_EFI_RUNTIME_SERVICES_DRIVER\0"
			    "\x06"
			    "EV_EFI_GPT_EVENT\0"
			    "\x07"
			    "EV_EFI_ACTION\0"
			    "\x08"
			    "EV_EFI_PLATFORM_FIRMWARE_BLOB\0"
			    "\x09"
			    "EV_EFI_HANDOFF_TABLES\0"
			    "\x0a"
			    "EV_EFI_PLATFORM_FIRMWARE_BLOB2\0"
			    "\x0b"
			    "EV_EFI_HANDOFF_TABLES2\0"
			    "\x0c"
			    "EV_EFI_VARIABLE_BOOT2\0"
			    "\x0d"
			    "EV_EFI_GPT_EVENT2\0"
			    "\x10"
			    "EV_EFI_HCRTM_EVENT\0"
			    "\xe0"
			    "EV_EFI_VARIABLE_AUTHORITY\0"
			    "\xe1"
			    "EV_EFI_SPDM_FIRMWARE_BLOB\0"
			    "\xe2"
			    "EV_EFI_SPDM_FIRMWARE_CONFIG\0";
#define UEFI_PREFIX "EV_EFI_"

const char *eventlog_type_name(uint32_t type, char buffer[static 11])
{
	const char *name;

	for (const char *at = types; at < types + sizeof(types) - 1; at = name + strlen(name) + 1) {
		bool is_uefi = strncmp(at + 1, UEFI_PREFIX, strlen(UEFI_PREFIX)) == 0;

		name = at + 1;
		if (type == ((uint8_t)*at | (is_uefi ? UINT32_C(1) << 31 : 0)))
			return name;
	}
	snprintf(buffer, 11, "0x%x", type);
	return buffer;
}

/* ---- Text that firmware, or whoever measured, wrote: it may go to a terminal ---- */

#define TEXT_MIN 4

static bool is_printable(uint8_t c)
{
	return c >= ' ' && c < 0x7f;
}

/* @step bytes each, of which the first one counts; the length, or 0 when this is no such text. */
static size_t text_length(const uint8_t *data, size_t size, size_t step)
{
	size_t length = 0;

	while (size >= (length + 1) * step && data[length * step] != '\0')
		length++;
	for (size_t i = 0; i < length; i++) {
		uint8_t c = data[i * step];

		if ((!is_printable(c) && c != '\n' && c != '\t') ||
		    (step == 2 && data[i * step + 1] != 0))
			return 0;
	}
	/* GRUB leaves a byte behind its end; of a few characters that would be chance. */
	return length >= TEXT_MIN || bytes_are_zero(data + length * step, size - length * step)
		       ? length
		       : 0;
}

static void put_text(const uint8_t *data, size_t length, size_t step, char *ret, size_t size)
{
	size_t n = MIN(length, size - 1);

	for (size_t i = 0; i < n; i++)
		ret[i] = is_printable(data[i * step]) ? (char)data[i * step] : ' ';
	ret[n] = '\0';
}

/* ASCII or UTF-16; anything else is "". */
static void describe_text(const uint8_t *data, size_t data_size, char *ret, size_t size)
{
	size_t wide = text_length(data, data_size, 2);

	if (wide > 1)
		put_text(data, wide, 2, ret, size);
	else
		put_text(data, text_length(data, data_size, 1), 1, ret, size);
}

/* ---- Events ---- */

/* The parts of the path that are files (UEFI, "Media Device Path"), others left out. */
static void describe_path(struct reader path, char *ret, size_t size)
{
	struct reader node;
	uint8_t type, subtype;
	uint16_t length;

	while (reader_u8(&path, &type) == 0 && reader_u8(&path, &subtype) == 0 &&
	       reader_le16(&path, &length) == 0 && length >= 4 &&
	       reader_sub(&path, length - 4U, &node) == 0) {
		if (type != 4 || subtype != 4)
			continue;
		describe_text(node.data, node.left, ret, size);
		size -= strlen(ret);
		ret += strlen(ret);
	}
}

/* UEFI_IMAGE_LOAD_EVENT: where it is, its size, where it was linked to, and its path. */
static void describe_image(const struct eventlog_event *event, char *ret, size_t size)
{
	struct reader reader = reader_init(event->data, event->data_size), path;
	uint64_t length, path_size;

	if (reader_skip(&reader, 8) < 0 || reader_le64(&reader, &length) < 0 ||
	    reader_skip(&reader, 8) < 0 || reader_le64(&reader, &path_size) < 0 ||
	    path_size > SIZE_MAX || reader_sub(&reader, (size_t)path_size, &path) < 0)
		return;
	describe_path(path, ret, size);
	if (ret[0] == '\0' && length > 0)
		snprintf(ret, size, "%llu bytes", (unsigned long long)length);
}

static void describe_variable(const struct eventlog_event *event, char *ret, size_t size)
{
	struct tcg_variable variable;

	if (tcg_read_variable(event, &variable) == 0)
		describe_text(variable.name, variable.name_size, ret, size);
}

/* What was hashed, by the kernel; the text itself, by the agent. Older kernels leave out the tag. */
static void describe_tagged(const struct eventlog_event *event, char *ret, size_t size)
{
	const uint8_t *text = event->data;
	size_t text_size = event->data_size;
	uint32_t tag;

	(void)tcg_read_tagged(event, &tag, &text, &text_size);
	describe_text(text, text_size, ret, size);
}

/* A size and a name of so many characters, then addresses. */
static void describe_named(const struct eventlog_event *event, char *ret, size_t size)
{
	struct reader reader = reader_init(event->data, event->data_size);
	const uint8_t *name;
	uint8_t length;

	if (reader_u8(&reader, &length) == 0 && reader_borrow(&reader, length, &name) == 0)
		describe_text(name, length, ret, size);
}

static void describe_blob(const struct eventlog_event *event, char *ret, size_t size)
{
	struct reader reader = reader_init(event->data, event->data_size);
	uint64_t address, length;

	if (reader_le64(&reader, &address) == 0 && reader_le64(&reader, &length) == 0)
		snprintf(ret, size, "%llu bytes at 0x%llx", (unsigned long long)length,
			 (unsigned long long)address);
}

/* UEFI_GPT_DATA: the header, and the number of the entries behind it. */
static void describe_gpt(const struct eventlog_event *event, char *ret, size_t size)
{
	struct reader reader = reader_init(event->data, event->data_size);
	uint64_t count;

	if (reader_skip(&reader, 92) == 0 && reader_le64(&reader, &count) == 0)
		snprintf(ret, size, "%llu partitions", (unsigned long long)count);
}

void eventlog_describe(const struct eventlog_event *event, char *ret, size_t size)
{
	ret[0] = '\0';
	if (event->source == EVENTLOG_USER) {
		describe_text(event->data, event->data_size, ret, size);
		return;
	}
	switch (event->type) {
	case TCG_EVENT_TAG:
		describe_tagged(event, ret, size);
		break;
	case TCG_EFI_VARIABLE_DRIVER_CONFIG:
	case TCG_EFI_VARIABLE_BOOT:
	case TCG_EFI_VARIABLE_BOOT2:
	case TCG_EFI_VARIABLE_AUTHORITY:
		describe_variable(event, ret, size);
		break;
	case TCG_EFI_BOOT_SERVICES_APPLICATION:
	case TCG_EFI_BOOT_SERVICES_DRIVER:
	case TCG_EFI_RUNTIME_SERVICES_DRIVER:
		describe_image(event, ret, size);
		break;
	case TCG_EFI_GPT_EVENT:
	case TCG_EFI_GPT_EVENT2:
		describe_gpt(event, ret, size);
		break;
	case TCG_EFI_PLATFORM_FIRMWARE_BLOB:
		describe_blob(event, ret, size);
		break;
	case TCG_EFI_PLATFORM_FIRMWARE_BLOB2:
	case TCG_EFI_HANDOFF_TABLES2:
		describe_named(event, ret, size);
		break;
	default:
		describe_text(event->data, event->data_size, ret, size);
	}
}
