/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "broker/internal.h"

#include <malloc.h>
#include <string.h>

static void wiping_free(void *memory)
{
	if (!memory)
		return;
	explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

/*
 * The functions are jansson's for the whole process. Other threads may use it meanwhile: what was
 * allocated on one side of the change may be freed on the other, since both are malloc()'s.
 */
struct json_wiping json_wiping_begin(void)
{
	struct json_wiping before;

	json_get_alloc_funcs(&before.malloc, &before.free);
	json_set_alloc_funcs(malloc, wiping_free);
	return before;
}

void json_wiping_end(struct json_wiping *wiping)
{
	json_set_alloc_funcs(wiping->malloc, wiping->free);
}
