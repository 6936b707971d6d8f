/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/log.h"
#include "http/http.h"
#include "tee/az_imds.h"
#include "tee/vtpm.h"

#include <string.h>

/* Link-local, the same in every VM; plain HTTP, since the host could read along anyway. */
#define SERVICE "http://169.254.169.254"

#define CONNECT_MS	2000
#define TOTAL_MS	20000 /* a quote takes the host a while */
#define FIRST_WAIT_MS	100
#define LONGEST_WAIT_MS 2000

#define URL_SIZE 128

static int ask(struct http *http, const char *path, const char *body, struct http_answer *ret)
{
	char url[URL_SIZE];
	struct http_request request = {
		.url = url,
		.headers = {"Metadata: true", body ? "Content-Type: application/json" : NULL},
		.body = body,
		.body_size = body ? strlen(body) : 0,
		.connect_ms = CONNECT_MS,
		.total_ms = TOTAL_MS,
		.answer_limit = AZ_IMDS_ANSWER_LIMIT,
	};

	snprintf(url, sizeof(url), "%s%s", SERVICE, path);
	return http_send(http, &request, ret);
}

/* Can it be another way in a moment? */
static bool is_passing(int r, unsigned int status)
{
	if (r < 0)
		return r == -ENOTCONN || r == -ETIMEDOUT;
	return status == 408 || status == 410 || status == 429 || status >= 500;
}

static int try_once(struct http *http, const char *path, const char *body, bool *ret_passing,
		    char **ret, size_t *ret_size)
{
	struct http_answer answer = {};
	int r = ask(http, path, body, &answer);

	*ret_passing = is_passing(r, answer.status);
	if (r < 0)
		return fail(r, "Azure's metadata service (%s%s): %s", SERVICE, path,
			    fail_sentence(r));
	if (answer.status == 200) {
		*ret = TAKE_PTR(answer.body);
		*ret_size = answer.body_size;
	} else {
		r = fail(-EIO, "Azure's metadata service (%s%s) answered with HTTP status %u",
			 SERVICE, path, answer.status);
	}
	http_answer_done(&answer);
	return r;
}

int az_http(const char *path, const char *body, unsigned int wait_ms, char **ret, size_t *ret_size)
{
	static const struct http_options plain = {};
	struct vtpm_wait wait = vtpm_wait_begin(wait_ms, FIRST_WAIT_MS, LONGEST_WAIT_MS);
	cleanup(http_freep) struct http *http = NULL;
	bool passing = false;
	int r = http_new(&plain, &http);

	if (r < 0)
		return r;
	do {
		r = try_once(http, path, body, &passing, ret, ret_size);
		if (r < 0)
			log_debug("%s", fail_sentence(r));
	} while (r < 0 && passing && vtpm_wait(&wait));
	return r;
}
