/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CONFIG_CONFIG_KBS_H
#define CVMROOT_CONFIG_CONFIG_KBS_H

#include "config/config_values.h"

/* The readers of [tee], [kbs] and [kbs.NAME]. */

#define CONFIG_SERVER_TABLE "kbs"

int config_read_tee(READ);
int config_read_ak_handle(READ);
void config_show_ak_handle(SHOW);
int config_read_url(READ);
/* The path of a PEM file, or its text. */
int config_read_pem(READ);
int config_read_pin(READ);
int config_read_resource(READ);

/* "kbs.NAME": the table of a further server. */
bool config_is_server_table(const char *table);
/* What one key cannot tell: each server is complete, and the provider "kbs" has one. */
int config_check_kbs(const struct toml *toml, const struct config *config);

#endif
