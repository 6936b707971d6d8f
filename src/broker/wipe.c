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
static json_free_t set_free(json_free_t next)
{
	json_malloc_t allocate;
	json_free_t before;

	/* Who allocates stays: base/json.c notes there that memory is short. */
	json_get_alloc_funcs(&allocate, &before);
	json_set_alloc_funcs(allocate, next);
	return before;
}

struct json_wiping json_wiping_begin(void)
{
	return (struct json_wiping){.free = set_free(wiping_free)};
}

void json_wiping_end(struct json_wiping *wiping)
{
	(void)set_free(wiping->free);
}
