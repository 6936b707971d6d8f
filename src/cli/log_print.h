/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_CLI_LOG_PRINT_H
#define CVMROOT_CLI_LOG_PRINT_H

#include "base/json.h"
#include "eventlog/eventlog.h"

/*
 * Events on standard output, as cvmroot(8) describes under "log". @alone: this is a machine without
 * registers, whose log of measurements stands alone.
 */

/* "PCR", "RTMR" */
const char *log_kind_name(enum eventlog_kind kind);
/* A table, with its head. */
void log_print_events(const struct eventlog *log, bool alone);
/* An array of objects, which the caller releases. -ENOMEM. */
int log_json_events(const struct eventlog *log, bool alone, json_t **ret);
/* TCG Canonical Event Log Format, version 1.0, in its JSON encoding. -ENOMEM, -EIO. */
int log_print_cel(const struct eventlog *log);

/* Append; @item, which may be NULL for lack of memory, is taken over. */
int log_add(json_t *array, json_t *item);
int log_print_json(json_t *json);

#endif
