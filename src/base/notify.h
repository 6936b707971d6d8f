/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_NOTIFY_H
#define CVMROOT_BASE_NOTIFY_H

#include "base/macro.h"

/*
 * Send a state ("STATUS=...") to the service manager (sd_notify(3)); nothing happens when there is
 * none. Best effort.
 */
void notify_service_manager(const char *state);

#endif
