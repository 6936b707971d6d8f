/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_WIPE_H
#define CVMROOT_BASE_WIPE_H

/* For what libraries leave of secrets that went through them; our own copies wipe themselves. */

/* Overwrite what calls that have returned left on the stack. */
void stack_wipe(void);

/*
 * From here on the C library overwrites what is freed: tss2, libcurl and OpenSSL keep secrets in
 * pieces that they free as they are. Pieces up to 1032 bytes only where it keeps none of them for
 * a thread (GLIBC_TUNABLES=glibc.malloc.tcache_count=0: cvmroot-boot.service), and then all but the
 * last 8 bytes. Best effort.
 */
void heap_wipe_freed(void);

#endif
