/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_LOG_H
#define CVMROOT_BASE_LOG_H

#include "base/macro.h"

/*
 * Lines on standard error, which the journal and the console read. Levels are syslog's, sent as a
 * "<N>" prefix when standard error is the journal. Verbs and boot/ print; units stay silent but for
 * log_debug(). Never a secret.
 */
void log_error(const char *format, ...) printf_like(1, 2);
void log_info(const char *format, ...) printf_like(1, 2);
/* Printed only after log_set_debug(true). */
void log_debug(const char *format, ...) printf_like(1, 2);
void log_set_debug(bool on);

#endif
