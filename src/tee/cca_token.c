/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/reader.h"
#include "tee/bytes.h"
#include "tee/cca_token.h"

#include <string.h>

/* Major types of RFC 8949, 3.1. */
enum cbor_type {
	CBOR_UNSIGNED,
	CBOR_NEGATIVE,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
	CBOR_MAP,
	CBOR_TAG,
	CBOR_SIMPLE,
};

#define TAG_TOKEN     399
#define TAG_SIGN1     18 /* COSE_Sign1, RFC 9052 */
#define KEY_PLATFORM  44234
#define KEY_REALM     44241
#define CLAIM_NONCE   10
#define CLAIM_PV      44235
#define CLAIM_RIM     44238
#define MAP_PAIRS_MAX 64

/* The first byte of an item and its number: shortest form, no indefinite length. */
static int read_head(struct reader *reader, enum cbor_type *ret_type, uint64_t *ret)
{
	static const uint64_t least[] = {24, UINT8_MAX + 1, UINT16_MAX + 1, UINT64_C(1) << 32};
	uint64_t value = 0;
	uint8_t first, byte;
	unsigned int form;

	if (reader_u8(reader, &first) < 0)
		return -EBADMSG;
	*ret_type = first >> 5;
	form = first & 31;
	*ret = form;
	if (form < 24)
		return 0;
	if (form > 27)
		return -EBADMSG;
	for (size_t i = 0; i < (size_t)1 << (form - 24); i++) {
		if (reader_u8(reader, &byte) < 0)
			return -EBADMSG;
		value = value << 8 | byte;
	}
	/* The longer forms of a simple value are floats; its first one begins at 32. */
	if (*ret_type == CBOR_SIMPLE ? form == 24 && value < 32 : value < least[form - 24])
		return -EBADMSG;
	*ret = value;
	return 0;
}

static int read_typed(struct reader *reader, enum cbor_type wanted, uint64_t *ret)
{
	enum cbor_type type;
	int r = read_head(reader, &type, ret);

	if (r < 0)
		return r;
	return type == wanted ? 0 : -EBADMSG;
}

static int read_tag(struct reader *reader, uint64_t wanted)
{
	uint64_t tag;
	int r = read_typed(reader, CBOR_TAG, &tag);

	if (r < 0)
		return r;
	return tag == wanted ? 0 : -EBADMSG;
}

static int read_bytes(struct reader *reader, struct reader *ret)
{
	uint64_t size;
	int r = read_typed(reader, CBOR_BYTES, &size);

	if (r < 0)
		return r;
	return size > reader->left ? -EBADMSG : reader_sub(reader, (size_t)size, ret);
}

/*
 * Pass over one item, whatever is in it. @items counts what is still to come; each has a byte at
 * least, so that more of them than bytes is malformed, and the count cannot overflow.
 */
static int skip_item(struct reader *reader)
{
	uint64_t items = 1;

	while (items > 0) {
		enum cbor_type type;
		uint64_t value;
		int r = read_head(reader, &type, &value);

		if (r < 0)
			return r;
		items--;
		if (type == CBOR_BYTES || type == CBOR_TEXT) {
			if (value > reader->left)
				return -EBADMSG;
			(void)reader_skip(reader, (size_t)value);
		} else if (type == CBOR_ARRAY || type == CBOR_MAP) {
			if (value > reader->left)
				return -EBADMSG;
			items += type == CBOR_MAP ? 2 * value : value;
		} else if (type == CBOR_TAG)
			items++;
		if (items > reader->left)
			return -EBADMSG;
	}
	return 0;
}

/* A key of a map. Text and negative ones are of no interest here: 0, which is no key of ours. */
static int read_key(struct reader *reader, uint64_t *ret)
{
	struct reader ahead = *reader;
	enum cbor_type type;
	int r = read_head(&ahead, &type, ret);

	if (r < 0)
		return r;
	if (type != CBOR_UNSIGNED) {
		*ret = 0;
		return skip_item(reader);
	}
	*reader = ahead;
	return 0;
}

/* A byte string that a map must hold exactly once. */
struct member {
	uint64_t key;
	struct reader *ret;
	bool found;
};

static int read_member(struct reader *reader, struct member *members, size_t count)
{
	uint64_t key;
	int r = read_key(reader, &key);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (members[i].key != key)
			continue;
		if (members[i].found)
			return -EBADMSG;
		members[i].found = true;
		return read_bytes(reader, members[i].ret);
	}
	return skip_item(reader);
}

static int read_map(struct reader *reader, struct member *members, size_t count)
{
	uint64_t pairs;
	int r = read_typed(reader, CBOR_MAP, &pairs);

	if (r < 0)
		return r;
	if (pairs > MAP_PAIRS_MAX)
		return -EBADMSG;
	for (uint64_t i = 0; i < pairs && r == 0; i++)
		r = read_member(reader, members, count);
	for (size_t i = 0; i < count && r == 0; i++)
		r = members[i].found ? 0 : -EBADMSG;
	return r < 0 ? r : reader_end(reader);
}

/* Tag 399: the platform's token and the realm's. */
static int read_collection(struct reader *reader, struct reader *ret_realm)
{
	struct reader platform;
	struct member members[] = {
		{.key = KEY_PLATFORM, .ret = &platform},
		{.key = KEY_REALM, .ret = ret_realm},
	};
	int r = read_tag(reader, TAG_TOKEN);

	return r < 0 ? r : read_map(reader, members, ARRAY_SIZE(members));
}

/* COSE_Sign1: protected header, unprotected header, payload, signature. */
static int read_signed(struct reader *reader, struct reader *ret_payload)
{
	struct reader ignored;
	uint64_t count;

	if (read_tag(reader, TAG_SIGN1) < 0 || read_typed(reader, CBOR_ARRAY, &count) < 0 ||
	    count != 4 || read_bytes(reader, &ignored) < 0 || skip_item(reader) < 0 ||
	    read_bytes(reader, ret_payload) < 0 || read_bytes(reader, &ignored) < 0)
		return -EBADMSG;
	return reader_end(reader);
}

static int read_exact(struct reader *reader, void *ret, size_t size)
{
	int r = reader_bytes(reader, ret, size);

	return r < 0 ? r : reader_end(reader);
}

static int read_claims(struct reader *reader, struct cca_token *ret)
{
	struct reader nonce = {}, personalization = {}, measurement = {};
	struct member members[] = {
		{.key = CLAIM_NONCE, .ret = &nonce},
		{.key = CLAIM_PV, .ret = &personalization},
		{.key = CLAIM_RIM, .ret = &measurement},
	};
	int r = read_map(reader, members, ARRAY_SIZE(members));

	if (r == 0)
		r = read_exact(&nonce, ret->challenge, sizeof(ret->challenge));
	if (r == 0)
		r = read_exact(&personalization, ret->personalization,
			       sizeof(ret->personalization));
	if (r < 0 || measurement.left == 0 || measurement.left > CCA_MEASUREMENT_SIZE)
		return -EBADMSG;
	ret->initial_measurement_size = measurement.left;
	return reader_bytes(&measurement, ret->initial_measurement, measurement.left);
}

int cca_token_parse(const void *data, size_t size, struct cca_token *ret)
{
	struct reader reader = reader_init(data, size), realm, payload;
	struct cca_token token = {};

	if (read_collection(&reader, &realm) < 0 || read_signed(&realm, &payload) < 0 ||
	    read_claims(&payload, &token) < 0)
		return fail(-EBADMSG, "what came back (%zu bytes) is not an Arm CCA token", size);
	*ret = token;
	return 0;
}

int cca_token_check(const struct cca_token *token,
		    const uint8_t challenge[static CCA_CHALLENGE_SIZE])
{
	if (memcmp(token->challenge, challenge, CCA_CHALLENGE_SIZE) == 0)
		return 0;
	return fail(-ESTALE, "the Arm CCA token is not about the challenge asked for");
}

int cca_token_check_personalization(const struct cca_token *token, const uint8_t *digest,
				    size_t digest_size)
{
	uint8_t expected[CCA_CHALLENGE_SIZE];

	bytes_fit(digest, digest_size, expected, sizeof(expected));
	if (memcmp(token->personalization, expected, sizeof(expected)) == 0)
		return 0;
	if (bytes_are_zero(token->personalization, sizeof(token->personalization)))
		return fail(-EKEYREJECTED, "the initdata is not bound to this machine: the realm "
					   "was made without a personalization value");
	return fail(-EKEYREJECTED, "the initdata is not the one that this machine was started "
				   "with: its digest is not the realm's personalization value");
}
