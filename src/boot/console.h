/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_CONSOLE_H
#define CVMROOT_BOOT_CONSOLE_H

#include "base/macro.h"

/*
 * One line on /dev/console, written out before this returns: what a person at the serial console
 * has to see even if the machine goes down in the next moment. Best effort. Never a secret.
 */
void console_line(const char *format, ...) printf_like(1, 2);

#endif
