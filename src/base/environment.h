/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_ENVIRONMENT_H
#define CVMROOT_BASE_ENVIRONMENT_H

/*
 * Take out of the environment what the libraries would listen to: files with TLS secrets or CAs,
 * proxies, modules to load, the resolver's settings. Before other threads start, and before the
 * first call of a library. May be called again.
 */
void environment_forget(void);

#endif
