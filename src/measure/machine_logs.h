/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_MACHINE_LOGS_H
#define CVMROOT_MEASURE_MACHINE_LOGS_H

#include "eventlog/eventlog.h"
#include "eventlog/paths.h"

/* The event logs of this machine as they lie in its files; NULL where there is none. */
struct machine_logs {
	char *firmware; /* TCG2: FIRMWARE_LOG_PATH */
	size_t firmware_size;
	char *ccel; /* TDX firmware's: CCEL_PATH, padding cut off */
	size_t ccel_size;
	char *agent; /* AAEL_PATH */
	size_t agent_size;
	/* MEASURE_LOG_PATH; on a machine without TPM and RTMR the one that cvmroot keeps alone. */
	char *user;
	size_t user_size;
	/* A measurement was cut off: its log may lack the last event of its register. */
	bool user_incomplete, agent_incomplete;
	bool alone; /* @user is cvmroot's own: no register holds what it says */
};
void machine_logs_done(struct machine_logs *logs);

/* Root is needed. Logs that are not there are no error; -EACCES, -E2BIG, -EIO with a sentence. */
int machine_logs_load(struct machine_logs *ret);
/* The same of the machine whose files lie below the folder @root. */
int machine_logs_load_below(const char *root, struct machine_logs *ret);
/*
 * All of them in one list, in the order in which they were extended; see eventlog.h for errors. With
 * -EBADMSG *ret has the events before the fault; it is NULL where there is no memory.
 */
int machine_logs_parse(const struct machine_logs *logs, struct eventlog **ret);

#endif
