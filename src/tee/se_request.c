/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/se_request.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/reader.h"

#include <string.h>

#define CHALLENGE_MAX (2 * SE_ARCB_MAX)

/* ---- The challenge ---- */

void se_request_done(struct se_request *request)
{
	json_decref(request->document);
	free(request->arcb);
	*request = (struct se_request){};
}

static int malformed(const char *what)
{
	return fail(-EBADMSG, "the broker's challenge is no request for IBM Secure Execution: %s",
		    what);
}

/* The bytes of a member in base64: 1 to @limit. */
static int read_bytes(const char *name, json_t *value, size_t limit, uint8_t **ret,
		      size_t *ret_size)
{
	size_t text_size = json_string_length(value), size;
	cleanup(freep) uint8_t *data = malloc(MIN(text_size, limit) + 1);
	int r;

	if (!data)
		return -ENOMEM;
	r = base64_decode(json_string_value(value), text_size, data, limit, &size);
	if (r == -E2BIG)
		return fail(r, "the broker's challenge has a %s of more than %zu bytes", name,
			    limit);
	if (r < 0)
		return fail(r, "the broker's challenge has a %s that is not base64", name);
	if (size == 0)
		return fail(-EBADMSG, "the broker's challenge has an empty %s", name);
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

/* What goes back must at least be bytes. */
static int check_bytes(const char *name, json_t *value)
{
	cleanup(freep) uint8_t *data = NULL;
	size_t size;

	return read_bytes(name, value, SE_ECHO_MAX, &data, &size);
}

static int read_size(const char *name, json_t *value, size_t least, size_t limit, size_t *ret)
{
	json_int_t size = json_integer_value(value);

	if (size < 0 || (size_t)size < least)
		return fail(-EBADMSG, "the broker's challenge has a %s of %lld", name,
			    (long long)size);
	if ((size_t)size > limit)
		return fail(-E2BIG, "the broker's challenge has a %s of %lld, more than %zu", name,
			    (long long)size, limit);
	*ret = (size_t)size;
	return 0;
}

/* A request of the ultravisor begins with its magic, its version and its own length. */
static int check_arcb(const struct se_request *request)
{
	struct reader reader = reader_init(request->arcb, request->arcb_size);
	uint64_t magic;
	uint32_t version, size;

	if (reader_be64(&reader, &magic) < 0 || reader_be32(&reader, &version) < 0 ||
	    reader_be32(&reader, &size) < 0 || magic != 0)
		return malformed("its request_blob does not begin as one for attestation");
	if (size != request->arcb_size)
		return malformed("its request_blob is not as long as it says");
	return 0;
}

static int read_document(struct se_request *request)
{
	json_t *blob, *measurement, *additional;
	const struct json_member members[] = {
		{"request_blob", JSON_STRING, true, &blob},
		{"measurement_size", JSON_INTEGER, true, &measurement},
		{"additional_size", JSON_INTEGER, true, &additional},
		{"encr_measurement_key", JSON_STRING, true, &request->measurement_key},
		{"encr_request_nonce", JSON_STRING, true, &request->nonce},
		{"image_hdr_tags", JSON_STRING, true, &request->image_tags},
	};
	int r;

	/* Later brokers may say more. */
	if (json_read_object(request->document, members, ARRAY_SIZE(members), false) < 0)
		return malformed("a member is missing or of the wrong type");
	r = read_bytes("request_blob", blob, SE_ARCB_MAX, &request->arcb, &request->arcb_size);
	if (r == 0)
		r = read_size("measurement_size", measurement, 1, SE_MEASUREMENT_MAX,
			      &request->measurement_size);
	if (r == 0)
		r = read_size("additional_size", additional, 0, SE_ADDITIONAL_MAX,
			      &request->additional_size);
	if (r == 0)
		r = check_bytes("encr_measurement_key", request->measurement_key);
	if (r == 0)
		r = check_bytes("encr_request_nonce", request->nonce);
	if (r == 0)
		r = check_bytes("image_hdr_tags", request->image_tags);
	return r < 0 ? r : check_arcb(request);
}

int se_request_parse(const char *challenge, struct se_request *ret)
{
	cleanup(se_request_done) struct se_request request = {};
	int r = json_parse(challenge, strlen(challenge), CHALLENGE_MAX, &request.document);

	if (r == -E2BIG)
		return fail(r, "the broker's challenge is longer than %llu KiB",
			    (unsigned long long)(CHALLENGE_MAX / KIB));
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return malformed("it is not JSON");
	r = read_document(&request);
	if (r < 0)
		return r;
	*ret = request;
	request = (struct se_request){};
	return 0;
}

/* ---- The evidence ---- */

void se_answer_done(struct se_answer *answer)
{
	free(answer->measurement);
	free(answer->additional);
	*answer = (struct se_answer){};
}

int se_evidence_make(const struct se_request *request, const struct se_answer *answer, json_t **ret)
{
	cleanup(json_decrefp) json_t *evidence = json_object();
	int r = 0;

	if (!evidence)
		return -ENOMEM;
	r |= json_object_set_new(evidence, "measurement",
				 json_base64(answer->measurement, request->measurement_size));
	r |= json_object_set_new(evidence, "additional_data",
				 json_base64(answer->additional, answer->additional_size));
	r |= json_object_set_new(evidence, "user_data",
				 json_base64(answer->user_data, sizeof(answer->user_data)));
	r |= json_object_set_new(evidence, "cuid",
				 json_base64(answer->config_uid, sizeof(answer->config_uid)));
	r |= json_object_set(evidence, "encr_measurement_key", request->measurement_key);
	r |= json_object_set(evidence, "encr_request_nonce", request->nonce);
	r |= json_object_set(evidence, "image_hdr_tags", request->image_tags);
	if (r != 0)
		return -ENOMEM;
	*ret = TAKE_PTR(evidence);
	return 0;
}
