/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_TOML_SCAN_H
#define CVMROOT_BASE_TOML_SCAN_H

#include "base/reader.h"
#include "base/toml.h"

#include <stdarg.h>

/* The lexical half of the TOML reader; only toml.c uses it. */
struct toml_scan {
	struct reader text;
	unsigned int line;
	const char *file, *table, *key; /* where we are, for sentences; key may be NULL */
	struct secret *strings;
	size_t strings_used;
};

/* "FILE:LINE: [TABLE] KEY: " and the words, to fail(@error); control characters become '?'. */
int toml_fail_at(int error, const char *file, unsigned int line, const char *table, const char *key,
		 const char *format, va_list args) printf_like(6, 0);
int scan_fail(const struct toml_scan *scan, int error, const char *format, ...) printf_like(3, 4);

/* The byte @ahead of the next one, or -1 behind the end. */
int scan_peek(const struct toml_scan *scan, size_t ahead);
/* Take @text when it comes next. */
bool scan_take(struct toml_scan *scan, const char *text);
/* Spaces and tabs. */
void scan_blanks(struct toml_scan *scan);
/* Spaces, comments and line ends, as they may stand between the items of an array. */
int scan_blank_lines(struct toml_scan *scan);
/* Blanks, a comment, then the end of the line or of the text. */
int scan_line_end(struct toml_scan *scan);

/* A bare or quoted name. */
int scan_name(struct toml_scan *scan, const char **ret);
/* The same for a table, which may be bare and of two parts: "kbs.spare". */
int scan_table_name(struct toml_scan *scan, const char **ret);
/* A basic or literal string, of one line or of several. */
int scan_string(struct toml_scan *scan, const char **ret);
int scan_integer(struct toml_scan *scan, int64_t *ret);

#endif
