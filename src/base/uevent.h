/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_UEVENT_H
#define CVMROOT_BASE_UEVENT_H

#include "base/macro.h"

/* Waiting for devices: what the kernel and udev announce, never a timer. */

/* Open from before the first look at what is waited for, so that nothing can appear unseen. */
struct uevent_watch {
	int events; /* netlink: the kernel's uevents, and udev's where it runs */
	int udev;   /* inotify: udev's queue; -1 where udev does not run */
};
int uevent_open(struct uevent_watch *ret);
void uevent_close(struct uevent_watch *watch);

/*
 * udev has handled every event that it knew of: no driver is being loaded, no disk on its way
 * (udevadm settle waits for the same). True where udev does not run.
 */
bool uevent_settled(void);

/*
 * Wait until something happened, at most until @deadline_ms (-ETIMEDOUT). It may not be what was
 * waited for: look again. Events only wake us up; what they say is not read, so it need not be
 * trusted.
 */
int uevent_await(const struct uevent_watch *watch, int64_t deadline_ms);

#endif
