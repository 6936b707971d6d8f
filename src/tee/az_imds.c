/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/az_imds.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

#include <openssl/pem.h>

/* The one string member of an answer that is of use. */
static int read_member(const char *answer, size_t size, const char *name, json_t **ret_json,
		       json_t **ret)
{
	const struct json_member table[] = {{name, JSON_STRING, true, ret}};
	int r = json_parse(answer, size, AZ_IMDS_ANSWER_LIMIT, ret_json);

	return r < 0 ? r : json_read_object(*ret_json, table, ARRAY_SIZE(table), false);
}

/* ---- The certificate ---- */

/* Is it one DER SEQUENCE and nothing else? AMD's certificates break rules that parsers insist on. */
static bool is_sequence(const uint8_t *der, size_t size)
{
	return size > 4 && size < 4 + (size_t)UINT16_MAX && der[0] == 0x30 && der[1] == 0x82 &&
	       ((size_t)der[2] << 8 | der[3]) == size - 4;
}

static int read_pem(const char *pem, uint8_t **ret, size_t *ret_size)
{
	BIO *text = BIO_new_mem_buf(pem, (int)strlen(pem));
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	int r = -EBADMSG;
	long size;

	if (!text)
		return -ENOMEM;
	if (PEM_read_bio(text, &name, &header, &data, &size) == 1 &&
	    strcmp(name, PEM_STRING_X509) == 0 && header[0] == '\0' && size > 0 &&
	    is_sequence(data, (size_t)size)) {
		*ret = malloc((size_t)size);
		if (*ret)
			memcpy(*ret, data, (size_t)size);
		*ret_size = (size_t)size;
		r = *ret ? 0 : -ENOMEM;
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	BIO_free(text);
	return r;
}

int az_vcek_read(const char *answer, size_t size, struct az_vcek *ret)
{
	cleanup(az_vcek_done) struct az_vcek vcek = {};
	cleanup(json_decrefp) json_t *json = NULL;
	json_t *pem = NULL;
	int r = read_member(answer, size, "vcekCert", &json, &pem);

	if (r == 0)
		r = read_pem(json_string_value(pem), &vcek.der, &vcek.der_size);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(-EBADMSG, "the metadata service's answer holds no certificate of the "
				      "processor's key (vcekCert)");
	vcek.pem = strdup(json_string_value(pem));
	if (!vcek.pem)
		return -ENOMEM;
	*ret = vcek;
	vcek = (struct az_vcek){};
	return 0;
}

void az_vcek_done(struct az_vcek *vcek)
{
	free(vcek->pem);
	free(vcek->der);
	*vcek = (struct az_vcek){};
}

/* ---- The TD quote ---- */

int az_td_quote_ask(const uint8_t *tdreport, size_t size, char **ret)
{
	cleanup(freep) char *text = malloc(base64_size(size));
	cleanup(json_decrefp) json_t *json = NULL;

	if (!text)
		return -ENOMEM;
	base64url_encode(tdreport, size, text);
	json = json_pack("{s:s}", "report", text);
	*ret = json ? json_dumps(json, JSON_COMPACT) : NULL;
	return *ret ? 0 : -ENOMEM;
}

/* The URL-safe alphabet without padding, whichever it was. @text is changed. */
static int normalise(char *text, size_t *size)
{
	size_t padding = 0;

	while (padding < 2 && padding < *size && text[*size - padding - 1] == '=')
		padding++;
	if (padding > 0 && *size % 4 != 0)
		return -EBADMSG;
	*size -= padding;
	for (size_t i = 0; i < *size; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	return 0;
}

static int decode(json_t *value, uint8_t **ret, size_t *ret_size)
{
	size_t size = json_string_length(value);
	cleanup(freep) char *text = malloc(size + 1);
	cleanup(freep) uint8_t *data = malloc(size + 1);
	int r;

	if (!text || !data)
		return -ENOMEM;
	memcpy(text, json_string_value(value), size);
	r = normalise(text, &size);
	if (r == 0)
		r = base64url_decode(text, size, data, size, ret_size);
	if (r == 0 && *ret_size == 0)
		r = -EBADMSG;
	if (r == 0)
		*ret = TAKE_PTR(data);
	return r;
}

int az_td_quote_read(const char *answer, size_t size, uint8_t **ret, size_t *ret_size)
{
	cleanup(json_decrefp) json_t *json = NULL;
	cleanup(freep) uint8_t *data = NULL;
	json_t *value = NULL;
	size_t data_size = 0;
	int r = read_member(answer, size, "quote", &json, &value);

	if (r == 0)
		r = decode(value, &data, &data_size);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return fail(-EBADMSG, "the metadata service's answer holds no TD quote (quote)");
	*ret = TAKE_PTR(data);
	*ret_size = data_size;
	return 0;
}
