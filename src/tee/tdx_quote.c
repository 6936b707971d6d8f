/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/reader.h"
#include "tee/bytes.h"
#include "tee/tdx_quote.h"

#include <string.h>

#define TEE_TYPE_TDX   0x81
#define TYPE_TD_10     2
#define TYPE_TD_15     3
#define BODY_SIZE_10   584
#define BODY_SIZE_15   648
#define REPORT_TYPE_TD 0x81

/* The header: 48 bytes. */
static int read_header(struct reader *reader, struct tdx_quote *ret)
{
	uint16_t key_type;
	uint32_t tee_type;

	if (reader_le16(reader, &ret->version) < 0 || reader_le16(reader, &key_type) < 0 ||
	    reader_le32(reader, &tee_type) < 0 || reader_skip(reader, 40) < 0)
		return -EBADMSG;
	return tee_type == TEE_TYPE_TDX ? 0 : -EBADMSG;
}

/* Version 4 has one kind of body; version 5 names kind and size. */
static int read_body_type(struct reader *reader, struct tdx_quote *ret)
{
	uint32_t size;

	if (ret->version == 4) {
		ret->body_type = TYPE_TD_10;
		return 0;
	}
	if (ret->version != 5 || reader_le16(reader, &ret->body_type) < 0 ||
	    reader_le32(reader, &size) < 0)
		return -EBADMSG;
	if (ret->body_type == TYPE_TD_10)
		return size == BODY_SIZE_10 ? 0 : -EBADMSG;
	return ret->body_type == TYPE_TD_15 && size == BODY_SIZE_15 ? 0 : -EBADMSG;
}

static int read_body(struct reader *reader, struct tdx_quote *ret)
{
	if (reader_bytes(reader, ret->tee_tcb_svn, sizeof(ret->tee_tcb_svn)) < 0 ||
	    reader_bytes(reader, ret->mrseam, TDX_MR_SIZE) < 0 ||
	    /* MRSIGNERSEAM, SEAMATTRIBUTES */
	    reader_skip(reader, TDX_MR_SIZE + 8) < 0 ||
	    reader_bytes(reader, ret->td_attributes, sizeof(ret->td_attributes)) < 0 ||
	    reader_bytes(reader, ret->xfam, sizeof(ret->xfam)) < 0 ||
	    reader_bytes(reader, ret->mrtd, TDX_MR_SIZE) < 0 ||
	    reader_bytes(reader, ret->mrconfigid, TDX_MR_SIZE) < 0 ||
	    reader_bytes(reader, ret->mrowner, TDX_MR_SIZE) < 0 ||
	    reader_bytes(reader, ret->mrownerconfig, TDX_MR_SIZE) < 0 ||
	    reader_bytes(reader, ret->rtmr, sizeof(ret->rtmr)) < 0)
		return -EBADMSG;
	return reader_bytes(reader, ret->report_data, sizeof(ret->report_data));
}

static int read_body_end(struct reader *reader, struct tdx_quote *ret)
{
	if (ret->body_type != TYPE_TD_15)
		return 0;
	if (reader_bytes(reader, ret->tee_tcb_svn2, sizeof(ret->tee_tcb_svn2)) < 0)
		return -EBADMSG;
	return reader_bytes(reader, ret->mrservicetd, TDX_MR_SIZE);
}

static int read_signature(struct reader *reader)
{
	uint32_t size;

	if (reader_le32(reader, &size) < 0 || size == 0)
		return -EBADMSG;
	return reader_skip(reader, size);
}

int tdx_quote_parse(const void *data, size_t size, struct tdx_quote *ret)
{
	struct reader reader = reader_init(data, size);
	struct tdx_quote quote = {};

	if (read_header(&reader, &quote) < 0 || read_body_type(&reader, &quote) < 0 ||
	    read_body(&reader, &quote) < 0 || read_body_end(&reader, &quote) < 0 ||
	    read_signature(&reader) < 0)
		return fail(-EBADMSG,
			    "what came back (%zu bytes) is not a whole TDX quote of "
			    "version 4 or 5",
			    size);
	*ret = quote;
	return 0;
}

int tdx_quote_check(const struct tdx_quote *quote,
		    const uint8_t report_data[static TDX_REPORT_DATA_SIZE])
{
	if (memcmp(quote->report_data, report_data, TDX_REPORT_DATA_SIZE) == 0)
		return 0;
	return fail(-ESTALE, "the TDX quote is not about the report data asked for");
}

/* REPORTMACSTRUCT (256 bytes), TEE_TCB_INFO (239), 17 reserved, TDINFO (512). */
int tdx_report_parse(const void *data, size_t size, struct tdx_report *ret)
{
	struct reader reader = reader_init(data, size);
	struct tdx_report report = {};
	uint8_t type;

	if (size != TDX_REPORT_SIZE || reader_u8(&reader, &type) < 0 || type != REPORT_TYPE_TD ||
	    reader_skip(&reader, 127) < 0 ||
	    reader_bytes(&reader, report.report_data, TDX_REPORT_DATA_SIZE) < 0 ||
	    /* The rest up to TDINFO; there ATTRIBUTES, XFAM and MRTD. */
	    reader_skip(&reader, 512 - 192 + 8 + 8 + TDX_MR_SIZE) < 0 ||
	    reader_bytes(&reader, report.mrconfigid, TDX_MR_SIZE) < 0)
		return fail(-EBADMSG, "the TDX module's report is malformed");
	*ret = report;
	return 0;
}

int tdx_report_check_config_id(const struct tdx_report *report, const uint8_t *digest,
			       size_t digest_size)
{
	uint8_t expected[TDX_MR_SIZE];

	bytes_fit(digest, digest_size, expected, sizeof(expected));
	if (memcmp(report->mrconfigid, expected, sizeof(expected)) == 0)
		return 0;
	if (bytes_are_zero(report->mrconfigid, sizeof(report->mrconfigid)))
		return fail(-EKEYREJECTED, "the initdata is not bound to this machine: it was "
					   "started without MRCONFIGID");
	return fail(-EKEYREJECTED, "the initdata is not the one that this machine was started "
				   "with: its digest is not MRCONFIGID of the TD");
}
