/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_PATHS_H
#define CVMROOT_EVENTLOG_PATHS_H

/* Where the event logs of a machine lie. The firmware's as the kernel shows them: TCG2, and TDX's. */
#define FIRMWARE_LOG_PATH "/sys/kernel/security/tpm0/binary_bios_measurements"
#define CCEL_PATH	  "/sys/firmware/acpi/tables/data/CCEL"
/* That of CoCo's attestation agent, which goes on with it when it is started later. */
#define AAEL_PATH	  "/run/attestation-agent/eventlog"
#define AAEL_JOURNAL_PATH "/run/attestation-agent/.wal_event_entry"
/* systemd's user-space measurement log, a JSON text sequence (RFC 7464). */
#define MEASURE_LOG_PATH "/run/log/systemd/tpm2-measure.log"
/* The same of cvmroot alone, on a machine without TPM and RTMR. */
#define MEASURE_OWN_LOG_PATH "/run/cvmroot/measure.log"

#endif
