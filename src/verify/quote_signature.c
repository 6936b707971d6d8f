/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "verify/quote_signature.h"

#include "base/reader.h"

#define HEADER_SIZE    48
#define KEY_TYPE_P256  2
#define BODY_SIZE_V4   584
#define SIGNATURE_SIZE 64
#define DATA_QE_REPORT 6
#define DATA_PCK_CHAIN 5
#define HEAD_V5	       (2 + 4) /* kind and size of the body */

/* Header and body, which are signed. */
static int read_signed(struct reader *reader, struct quote_signature *ret)
{
	uint16_t version, key_type, kind;
	uint32_t body_size = BODY_SIZE_V4;

	if (reader_le16(reader, &version) < 0 || reader_le16(reader, &key_type) < 0 ||
	    key_type != KEY_TYPE_P256 || reader_skip(reader, HEADER_SIZE - 4) < 0)
		return -EBADMSG;
	ret->body = HEADER_SIZE;
	if (version == 5) {
		if (reader_le16(reader, &kind) < 0 || reader_le32(reader, &body_size) < 0 ||
		    body_size < BODY_SIZE_V4)
			return -EBADMSG;
		ret->body += HEAD_V5;
	} else if (version != 4) {
		return -EBADMSG;
	}
	ret->signed_size = ret->body + body_size;
	return reader_skip(reader, body_size);
}

/* What follows is @kind and a size. */
static int read_data(struct reader *reader, uint16_t kind, struct reader *ret)
{
	uint16_t found;
	uint32_t size;

	if (reader_le16(reader, &found) < 0 || found != kind || reader_le32(reader, &size) < 0)
		return -EBADMSG;
	return reader_sub(reader, size, ret);
}

static int read_qe(struct reader *reader, struct quote_signature *ret)
{
	struct reader chain;
	uint16_t size;

	if (reader_borrow(reader, QE_REPORT_SIZE, &ret->qe_report) < 0 ||
	    reader_borrow(reader, SIGNATURE_SIZE, &ret->qe_signature) < 0 ||
	    reader_le16(reader, &size) < 0 ||
	    reader_borrow(reader, size, &ret->authentication) < 0 ||
	    read_data(reader, DATA_PCK_CHAIN, &chain) < 0)
		return -EBADMSG;
	ret->authentication_size = size;
	ret->certificates = chain.data;
	ret->certificates_size = chain.left;
	return reader_end(reader);
}

int quote_signature_parse(const void *quote, size_t size, struct quote_signature *ret)
{
	struct reader reader = reader_init(quote, size), all, qe;
	struct quote_signature parts = {};
	uint32_t all_size;

	if (read_signed(&reader, &parts) < 0 || reader_le32(&reader, &all_size) < 0 ||
	    reader_sub(&reader, all_size, &all) < 0 ||
	    reader_borrow(&all, SIGNATURE_SIZE, &parts.signature) < 0 ||
	    reader_borrow(&all, SIGNATURE_SIZE, &parts.key) < 0 ||
	    read_data(&all, DATA_QE_REPORT, &qe) < 0 || reader_end(&all) < 0 ||
	    read_qe(&qe, &parts) < 0)
		return -EBADMSG;
	*ret = parts;
	return 0;
}
