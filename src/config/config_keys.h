/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CONFIG_CONFIG_KEYS_H
#define CVMROOT_CONFIG_CONFIG_KEYS_H

#include "base/toml.h"
#include "config/config.h"

/* One key of cvmroot.toml: how it is read into a struct config, and how it is shown again. */
struct config_key {
	const char *table;
	const char *name;
	enum toml_type type;
	/* The type is right already. -EBADMSG with a sentence by toml_fail(), -ENOMEM. */
	int (*read)(const struct config_key *row, const struct toml *toml,
		    const struct toml_key *key, struct config *config);
	/* The value in TOML syntax; NULL for keys of a server. */
	void (*show)(const struct config_key *row, const struct config *config, FILE *out);
	size_t offset;	       /* of the field, for readers that serve more than one key */
	unsigned int min, max; /* of a number */
	bool optional;	       /* a string that may be NULL: there is no default */
	/* A string of struct config_server: it may stand in [kbs] and in each [kbs.NAME]. */
	bool of_server;
};

extern const struct config_key config_keys[];
extern const size_t config_keys_count;

#endif
