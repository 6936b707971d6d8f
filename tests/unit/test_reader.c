/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/reader.h"

static void reads_in_order(void **state)
{
	const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct reader reader = reader_init(data, sizeof(data)), inner;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;

	(void)state;
	assert_int_equal(reader_u8(&reader, &u8), 0);
	assert_int_equal(u8, 1);
	assert_int_equal(reader_le16(&reader, &u16), 0);
	assert_int_equal(u16, 0x0302);
	assert_int_equal(reader_be32(&reader, &u32), 0);
	assert_int_equal(u32, 0x04050607);
	assert_int_equal(reader_sub(&reader, 2, &inner), 0);
	assert_int_equal(inner.left, 2);
	assert_int_equal(reader_skip(&reader, 6), 0);
	assert_int_equal(reader_end(&reader), 0);
	assert_int_equal(reader_be16(&inner, &u16), 0);
	assert_int_equal(u16, 0x0809);
}

static void takes_nothing_when_short(void **state)
{
	const uint8_t data[] = {1, 2, 3};
	struct reader reader = reader_init(data, sizeof(data));
	uint32_t u32 = 99;
	const uint8_t *borrowed;

	(void)state;
	assert_int_equal(reader_le32(&reader, &u32), -EBADMSG);
	assert_int_equal(u32, 99);
	assert_int_equal(reader_borrow(&reader, SIZE_MAX, &borrowed), -EBADMSG);
	assert_int_equal(reader.left, 3);
	assert_int_equal(reader_end(&reader), -EBADMSG);
}

static void writer_appends(void **state)
{
	cleanup(writer_done) struct writer writer = {};
	uint8_t block[1000];

	(void)state;
	memset(block, 0xa5, sizeof(block));
	writer_le32(&writer, 0x01020304);
	writer_le64(&writer, 5);
	writer_bytes(&writer, block, sizeof(block));
	assert_int_equal(writer.error, 0);
	assert_int_equal(writer.size, 12 + sizeof(block));
	assert_memory_equal(writer.data, "\x04\x03\x02\x01\x05\0\0\0\0\0\0\0\xa5", 13);
}

/* One byte set, at every place of lengths around the block that is compared first. */
static void zeros_are_told_apart(void **state)
{
	uint8_t data[40] = {};

	(void)state;
	for (size_t size = 0; size <= sizeof(data); size++) {
		assert_true(bytes_are_zero(data, size));
		for (size_t i = 0; i < size; i++) {
			data[i] = 1;
			assert_false(bytes_are_zero(data, size));
			data[i] = 0;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_in_order),
		cmocka_unit_test(takes_nothing_when_short),
		cmocka_unit_test(writer_appends),
		cmocka_unit_test(zeros_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
