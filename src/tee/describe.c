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
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_name(out, name);
	fprintf(out, "%s\n", text);
}

void tee_describe_bytes(FILE *out, const char *name, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	print_name(out, name);
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%02x", bytes[i]);
	fputc('\n', out);
}
