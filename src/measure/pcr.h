/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_PCR_H
#define CVMROOT_MEASURE_PCR_H

#include "measure/log.h"

struct tpm;

/*
 * Let the service that listens at @path, if one does, extend the PCR by the hash of the record's
 * text. It is believed bank by bank, when the PCR holds what it must: record->banks are then those
 * that are left to do. -EIO when something else came between.
 */
int pcr_extend_by_service(const char *path, struct tpm *tpm, struct measure_record *record);

#endif
