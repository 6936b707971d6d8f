/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_CONSOLE_H
#define CVMROOT_BOOT_CONSOLE_H

#include "base/macro.h"

/* One line on /dev/console, for whoever watches. Best effort: waits a second at most. No secret. */
void console_line(const char *format, ...) printf_like(1, 2);

/* Wait until the terminal has sent everything: it may be stopped, so only with an alarm set. */
void console_drain(void);

#endif
