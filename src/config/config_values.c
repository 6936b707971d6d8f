/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "config/config_values.h"

#include "base/error.h"

#include <limits.h>
#include <string.h>

/* ---- Strings ---- */

bool config_is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

int config_replace_string(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

void config_show_text(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\r')
			fputs("\\r", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

void config_show_string(SHOW)
{
	config_show_text(*CONST_FIELD(char *, row, config), out);
}

/* An absolute path without ".." and without surprises for a terminal. */
const char *config_path_fault(const char *path)
{
	if (path[0] != '/')
		return "not an absolute path (it must begin with '/')";
	if (strlen(path) >= PATH_MAX)
		return "the path is too long";
	if (!config_is_printable(path))
		return "the path has a control character";
	for (const char *dots = strstr(path, "/.."); dots; dots = strstr(dots + 1, "/.."))
		if (dots[3] == '/' || dots[3] == '\0')
			return "the path has a \"..\" in it";
	if (path[strlen(path) - 1] == '/')
		return "a file is wanted, not a folder";
	return NULL;
}

int config_read_path(READ)
{
	const char *fault = config_path_fault(key->value.string);

	if (fault)
		return toml_fail(toml, key, "%s", fault);
	return config_replace_string(FIELD(char *, row, config), key->value.string);
}

/* ---- Booleans and numbers ---- */

int config_read_boolean(READ)
{
	(void)toml;
	*FIELD(bool, row, config) = key->value.boolean;
	return 0;
}

void config_show_boolean(SHOW)
{
	fputs(*CONST_FIELD(bool, row, config) ? "true" : "false", out);
}

int config_read_number(READ)
{
	if (key->value.integer < row->min || key->value.integer > row->max)
		return toml_fail(toml, key, "%lld is not in %u..%u", (long long)key->value.integer,
				 row->min, row->max);
	*FIELD(unsigned int, row, config) = (unsigned int)key->value.integer;
	return 0;
}

void config_show_number(SHOW)
{
	fprintf(out, "%u", *CONST_FIELD(unsigned int, row, config));
}

/* ---- Choices ---- */

/* The choice of that name; otherwise the sentence lists them. */
int config_pick(const struct toml *toml, const struct toml_key *key,
		const struct config_choice *choices, size_t count, unsigned int *ret)
{
	char names[128] = "";

	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(names);

		if (strcmp(choices[i].name, key->value.string) == 0) {
			*ret = choices[i].value;
			return 0;
		}
		snprintf(names + used, sizeof(names) - used, "%s\"%s\"",
			 i == 0		 ? ""
			 : i + 1 < count ? ", "
					 : " or ",
			 choices[i].name);
	}
	return toml_fail(toml, key, "\"%.40s\" is unknown; wanted %s", key->value.string, names);
}

void config_show_choice(const struct config_choice *choices, size_t count, unsigned int value,
			FILE *out)
{
	for (size_t i = 0; i < count; i++)
		if (choices[i].value == value)
			config_show_text(choices[i].name, out);
}

struct toml_key config_item(const struct toml_key *key, size_t i)
{
	return (struct toml_key){
		.table = key->table, .name = key->name, .value = key->value.items[i]};
}
