/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BOOT_STATE_H
#define CVMROOT_BOOT_STATE_H

#include "base/macro.h"

/* What the guest remembers outside the disk (cvmroot(7)): authenticated. */
enum remembered {
	REMEMBERED_NOTHING,
	REMEMBERED_CONVERTING,
	REMEMBERED_DONE,
	/* The machine has no memory; a key broker's secret authenticates what the disk says. */
	REMEMBERED_ELSEWHERE,
};

/* What the first bytes of the partition look like: not authenticated. */
enum found {
	FOUND_FILESYSTEM, /* the file system that the manifest describes */
	FOUND_LUKS,
	FOUND_OTHER,
};

enum boot_action {
	ACTION_FRESH,  /* convert the pristine image */
	ACTION_RESUME, /* go on with a conversion that was cut */
	ACTION_FINISH, /* all data is moved and the header is in place: note that down */
	ACTION_REOPEN, /* unlock */
	ACTION_REFUSE,
};

/*
 * The decision of `cvmroot boot`. @tail: a header copy lies behind the file system. Refusals come
 * with their errno and a sentence about @device. Pure.
 */
int boot_decide(enum remembered remembered, enum found found, bool tail, const char *device,
		enum boot_action *ret);

#endif
