/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/platforms.h"

#include <stdarg.h>
#include <string.h>

static void print_name(FILE *out, const char *name)
{
	fprintf(out, "%s:%*s", name, (int)(17 - MIN(strlen(name), (size_t)16)), "");
}

void tee_describe_text(FILE *out, const char *name, const char *format, ...)
{
	va_list args;

	print_name(out, name);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fputc('\n', out);
}

void tee_describe_bytes(FILE *out, const char *name, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	print_name(out, name);
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%02x", bytes[i]);
	fputc('\n', out);
}
