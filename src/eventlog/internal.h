/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_INTERNAL_H
#define CVMROOT_EVENTLOG_INTERNAL_H

#include "base/json.h"
#include "eventlog/eventlog.h"

/* Append a copy of the event; what it points to must live as long as the list. -E2BIG. */
int eventlog_append(struct eventlog *log, const struct eventlog_event *event);
/* Copy the bytes of a log into the list. -E2BIG above EVENTLOG_LIMIT. */
int eventlog_keep(struct eventlog *log, const void *data, size_t size, const uint8_t **ret);
/* Take over a record that events point into, also on failure. */
int eventlog_keep_record(struct eventlog *log, json_t *record);

#endif
