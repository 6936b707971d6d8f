/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"
#include "tee/bytes.h"
#include "tee/snp_certs.h"

#include <string.h>

struct entry {
	char guid[UUID_TEXT_SIZE];
	struct reader data;
};

static const struct {
	const char *guid;
	const char *type;
	bool signs_reports;
} types[] = {
	{"c0b406a4-a803-4952-9743-3fb6014cd0ae", "ARK", false},
	{"4ab7b379-bbac-4fe4-a02f-05aef327c782", "ASK", false},
	{"63da758d-e664-4564-adc5-f4b93be8accd", "VCEK", true},
	{"a8074bc2-a25a-483e-aae6-39c045a0b8a1", "VLEK", true},
	{"92f81bc3-5811-4d3d-97ff-d19f88dc67ea", "CRL", false},
};

/* An entry names a place in @table. 1, or 0 at the end of the list: a GUID of zeros. */
static int read_entry(struct reader *list, struct reader table, struct entry *ret)
{
	uint8_t guid[UUID_SIZE];
	uint32_t offset, length;

	if (reader_bytes(list, guid, sizeof(guid)) < 0)
		return -EBADMSG;
	if (bytes_are_zero(guid, sizeof(guid)))
		return 0;
	if (reader_le32(list, &offset) < 0 || reader_le32(list, &length) < 0 ||
	    reader_skip(&table, offset) < 0 || reader_sub(&table, length, &ret->data) < 0 ||
	    length == 0)
		return -EBADMSG;
	uuid_encode(guid, ret->guid);
	return 1;
}

/* @signs_reports is set, never cleared. */
static json_t *type_to_json(const struct entry *entry, bool *signs_reports)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].guid, entry->guid) == 0) {
			*signs_reports |= types[i].signs_reports;
			return json_string(types[i].type);
		}
	return json_pack("{ss}", "OTHER", entry->guid);
}

static int append(json_t *chain, const struct entry *entry, bool *signs_reports)
{
	json_t *certificate = json_pack("{soso}", "cert_type", type_to_json(entry, signs_reports),
					"data", bytes_to_json(entry->data.data, entry->data.left));

	return json_array_append_new(chain, certificate) < 0 ? -ENOMEM : 0;
}

/* Entries may name the same bytes, so the sum of their sizes is bounded too. */
static int read_table(struct reader table, json_t *chain, bool *ret_signs_reports)
{
	struct reader list = table;
	size_t total = 0;
	struct entry entry;

	for (size_t i = 0; i < SNP_CERTS_NUMBER; i++) {
		int r = table.left == 0 ? 0 : read_entry(&list, table, &entry);

		if (r <= 0)
			return r;
		total += entry.data.left;
		if (total > SNP_CERTS_LIMIT)
			return -E2BIG;
		r = append(chain, &entry, ret_signs_reports);
		if (r < 0)
			return r;
	}
	return -E2BIG;
}

int snp_certs_to_json(const void *table, size_t size, json_t **ret)
{
	cleanup(json_decrefp) json_t *chain = json_array();
	bool signs_reports = false;
	int r;

	if (!chain)
		return -ENOMEM;
	if (size > SNP_CERTS_LIMIT)
		return fail(-E2BIG,
			    "the SNP certificate table that the host gave has %zu bytes; "
			    "%d KiB are the limit",
			    size, (int)(SNP_CERTS_LIMIT / KIB));
	r = read_table(reader_init(table, size), chain, &signs_reports);
	if (r == -EBADMSG || r == -E2BIG)
		return fail(r, "the SNP certificate table that the host gave is %s",
			    r == -E2BIG ? "too long" : "malformed");
	if (r < 0)
		return r;
	*ret = signs_reports ? TAKE_PTR(chain) : json_null();
	return 0;
}
