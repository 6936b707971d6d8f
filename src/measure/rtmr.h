/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_RTMR_H
#define CVMROOT_MEASURE_RTMR_H

#include "eventlog/aael.h"

/* What RTMR @rtmr of this machine holds. */
int measure_rtmr_read(unsigned int rtmr, uint8_t ret[static RTMR_SIZE]);

#endif
