/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_SERVICE_H
#define CVMROOT_MEASURE_SERVICE_H

#include "base/macro.h"

/* systemd's measuring service: Varlink interface io.systemd.PCRExtend, since systemd 255. */
#define SERVICE_SOCKET "/run/systemd/io.systemd.PCRExtend"

/* -ENOENT, -ECONNREFUSED, ...: it does not run here. The caller closes *ret. */
int service_connect(const char *path, int *ret);
/*
 * Have the hash of @text extended into every bank of @pcr and logged; ends after 5 s at the latest.
 * What the PCR holds then is for the caller to look at, also on failure. -EREMOTEIO: the service
 * refused; -ETIMEDOUT; -EBADMSG.
 */
int service_extend(int fd, unsigned int pcr, const char *text);

#endif
