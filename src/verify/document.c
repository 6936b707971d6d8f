/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/codec.h"
#include "base/error.h"
#include "base/json.h"
#include "tee/bytes.h"
#include "verify/internal.h"

#include <string.h>

#define VERSION 1

/* Of @size base64 characters: what may come out, and at least a byte. */
static uint8_t *allocate(size_t size)
{
	return malloc(size / 4 * 3 + 4);
}

static int read_text(const char *text, size_t size, enum form form, uint8_t *ret, size_t *ret_size)
{
	if (form == FORM_BASE64)
		return base64_decode(text, size, ret, size, ret_size);
	if (form == FORM_HEX) {
		*ret_size = size / 2;
		return hex_decode(text, size, ret, size / 2);
	}
	/* Trustee's later versions pad these, its earlier ones and Azure do not. */
	for (int i = 0; i < 2 && size > 0 && text[size - 1] == '='; i++)
		size--;
	return base64url_decode(text, size, ret, size, ret_size);
}

int form_read(json_t *value, enum form form, size_t limit, uint8_t **ret, size_t *ret_size)
{
	size_t size = json_string_length(value);
	cleanup(freep) uint8_t *data = NULL;
	int r;

	if (json_is_array(value))
		return bytes_from_json(value, limit, ret, ret_size);
	if (!json_is_string(value))
		return -EBADMSG;
	if (size > 2 * limit + 4)
		return -E2BIG;
	data = allocate(size);
	if (!data)
		return -ENOMEM;
	r = read_text(json_string_value(value), size, form, data, &size);
	if (r == 0 && size > limit)
		r = -E2BIG;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

static int read_logs(json_t *object, struct document *ret)
{
	json_t *values[LOGS] = {};
	const struct json_member table[] = {
		{"firmware", JSON_STRING, false, &values[LOG_FIRMWARE]},
		{"ccel", JSON_STRING, false, &values[LOG_CCEL]},
		{"agent", JSON_STRING, false, &values[LOG_AGENT]},
		{"user", JSON_STRING, false, &values[LOG_USER]},
	};
	int r = json_read_object(object, table, ARRAY_SIZE(table), true);

	for (size_t i = 0; r == 0 && i < LOGS; i++)
		if (values[i])
			r = form_read(values[i], FORM_BASE64, EVENTLOG_LIMIT, &ret->logs[i].data,
				      &ret->logs[i].size);
	return r;
}

static int read_incomplete(json_t *list, struct document *ret)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);

		if (name && strcmp(name, "agent") == 0)
			ret->logs[LOG_AGENT].incomplete = true;
		else if (name && strcmp(name, "user") == 0)
			ret->logs[LOG_USER].incomplete = true;
		else
			return -EBADMSG;
	}
	return 0;
}

static int read_nonce(json_t *text, struct document *ret)
{
	int r = base64_decode(json_string_value(text), json_string_length(text), ret->nonce,
			      sizeof(ret->nonce), &ret->nonce_size);

	return r < 0 || ret->nonce_size == 0 ? -EBADMSG : 0;
}

/* *ret_tee: the platform's name. */
static int read_members(struct document *ret, const char **ret_tee)
{
	json_t *version, *tee, *nonce, *logs, *incomplete = NULL;
	const struct json_member table[] = {
		{"cvmroot-evidence", JSON_INTEGER, true, &version},
		{"tee", JSON_STRING, true, &tee},
		{"nonce", JSON_STRING, true, &nonce},
		{"evidence", JSON_OBJECT, true, &ret->evidence},
		{"logs", JSON_OBJECT, true, &logs},
		{"incomplete", JSON_ARRAY, false, &incomplete},
	};
	int r = json_read_object(ret->json, table, ARRAY_SIZE(table), true);

	if (r < 0 || json_integer_value(version) != VERSION)
		return -EBADMSG;
	*ret_tee = json_string_value(tee);
	r = read_nonce(nonce, ret);
	if (r == 0)
		r = read_logs(logs, ret);
	return r < 0 ? r : read_incomplete(incomplete, ret);
}

static int read_document(const char *text, size_t size, const char *tee, struct document *ret)
{
	int r = tee ? platform_find(tee, &ret->platform) : 0;

	if (r < 0)
		return r;
	r = json_parse(text, size, VERIFY_DOCUMENT_LIMIT, &ret->json);
	if (r == 0 && !json_is_object(ret->json))
		r = -EBADMSG;
	ret->bare = r == 0 && !json_object_get(ret->json, "cvmroot-evidence");
	if (ret->bare && !tee)
		return fail(-EBADMSG,
			    "the evidence has no member \"cvmroot-evidence\"; if it is that "
			    "of a platform alone, say of which one with --tee");
	if (ret->bare)
		ret->evidence = ret->json;
	else if (r == 0)
		r = read_members(ret, &tee);
	if (r == -EBADMSG || r == -E2BIG)
		return fail(r, "the evidence is %s",
			    r == -E2BIG ? "too long"
					: "not of the form that cvmroot(7), EVIDENCE DOCUMENT, "
					  "describes");
	if (r == 0)
		r = platform_find(tee, &ret->platform);
	if (r == 0)
		ret->registers = verify_has_registers(tee) > 0;
	return r;
}

int document_read(const char *text, size_t size, const char *tee, struct document *ret)
{
	cleanup(document_done) struct document document = {};
	int r = read_document(text, size, tee, &document);

	if (r < 0)
		return r;
	*ret = document;
	document = (struct document){};
	return 0;
}

void document_done(struct document *document)
{
	for (size_t i = 0; i < LOGS; i++)
		free(document->logs[i].data);
	json_decref(document->json);
}
