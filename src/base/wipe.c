/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/wipe.h"

#include "base/macro.h"

#include <malloc.h>
#include <string.h>

static __attribute__((noinline)) void wipe_frames(unsigned int count)
{
	uint8_t frame[4096];

	explicit_bzero(frame, sizeof(frame));
	if (count > 1)
		wipe_frames(count - 1);
	/* The frame is used to the end: the call above is no jump. */
	__asm__ volatile("" : : "r"(frame) : "memory");
}

void stack_wipe(void)
{
	/* 64 KiB: more than OpenSSL, jansson or tss2 use, in frames of a size that the stack takes. */
	wipe_frames(16);
}

void heap_wipe_freed(void)
{
	(void)mallopt(M_PERTURB, 0xa5);
}
