/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CONFIG_CONFIG_VALUES_H
#define CVMROOT_CONFIG_CONFIG_VALUES_H

#include "config/config_keys.h"

/*
 * What the readers of keys share. Readers take (row, document, key, configuration), in that order;
 * those that show a value, (row, configuration, stream).
 */
#define ROW  const struct config_key *row __attribute__((unused))
#define READ ROW, const struct toml *toml, const struct toml_key *key, struct config *config
#define SHOW ROW, const struct config *config, FILE *out

#define FIELD(type, row, config) ((type *)(void *)((char *)(config) + (row)->offset))
#define CONST_FIELD(type, row, config)                                                             \
	((type const *)(const void *)((const char *)(config) + (row)->offset))

bool config_is_printable(const char *text);
/* Free the old text and keep a copy of the new one. */
int config_replace_string(char **field, const char *text);
/* A TOML string. */
void config_show_text(const char *text, FILE *out);
/* What is wrong with the path of a file, or NULL: absolute, without "..", fit for a terminal. */
const char *config_path_fault(const char *path);

int config_read_path(READ);
void config_show_string(SHOW);
int config_read_boolean(READ);
void config_show_boolean(SHOW);
int config_read_number(READ);
void config_show_number(SHOW);

struct config_choice {
	const char *name;
	unsigned int value;
};
/* The value of the choice that @key names; otherwise the sentence lists them all. */
int config_pick(const struct toml *toml, const struct toml_key *key,
		const struct config_choice *choices, size_t count, unsigned int *ret);
void config_show_choice(const struct config_choice *choices, size_t count, unsigned int value,
			FILE *out);

/* An item of an array as if it were a key of its own, for sentences that name its line. */
struct toml_key config_item(const struct toml_key *key, size_t i);

#endif
