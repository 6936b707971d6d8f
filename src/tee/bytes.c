/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/bytes.h"

#include <string.h>

json_t *bytes_to_json(const uint8_t *data, size_t size)
{
	cleanup(json_decrefp) json_t *array = json_array();

	if (!array)
		return NULL;
	for (size_t i = 0; i < size; i++)
		if (json_array_append_new(array, json_integer(data[i])) < 0)
			return NULL;
	return TAKE_PTR(array);
}

int bytes_from_json(json_t *array, size_t limit, uint8_t **ret, size_t *ret_size)
{
	cleanup(freep) uint8_t *data = NULL;
	size_t size = json_array_size(array);

	if (!json_is_array(array))
		return -EBADMSG;
	if (size > limit)
		return -E2BIG;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < size; i++) {
		json_t *item = json_array_get(array, i);
		json_int_t value = json_integer_value(item);

		if (!json_is_integer(item) || value < 0 || value > UINT8_MAX)
			return -EBADMSG;
		data[i] = (uint8_t)value;
	}
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

void bytes_fit(const uint8_t *data, size_t size, uint8_t *ret, size_t ret_size)
{
	size_t used = MIN(size, ret_size);

	memcpy(ret, data, used);
	memset(ret + used, 0, ret_size - used);
}
