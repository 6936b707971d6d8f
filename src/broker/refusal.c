/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "base/json.h"
#include "broker/internal.h"

#include <string.h>

#define BODY_SIZE_LIMIT (64 * KIB)
#define TYPE_SIZE	48
#define DETAIL_SIZE	128

/* The two members of an error body, made fit to print. */
struct problem {
	char type[TYPE_SIZE];	  /* what follows the last '/' */
	char detail[DETAIL_SIZE]; /* cut */
};

/* ---- What brokers say ---- */

/*
 * Trustee answers nearly everything with 401; documents and older releases say 403 and 404. So the
 * type decides, and where one type has several causes, the detail. The first row that fits counts.
 */
static const struct meaning {
	const char *type;
	const char *detail; /* part of it; NULL: any */
	enum refusal_action action;
	const char *sentence;
} meanings[] = {
	{"AttestationError", "deserialize Request", REFUSAL_TEE_NAME,
	 "the broker knows no TEE of this name; look at [tee] platform, and at the age of the "
	 "broker"},
	{"AttestationError", "Version Mismatch", REFUSAL_VERSION,
	 "the broker speaks a version of the protocol that cvmroot does not: 0.4.0 and 0.2.0 are "
	 "known"},
	{"AttestationError", "KBS version", REFUSAL_GIVE_UP,
	 "the broker does not understand the version of the protocol"},
	{"AttestationError", "Attest failed", REFUSAL_AGAIN,
	 "the broker did not accept the evidence, or the session ended; only its log says which "
	 "(no verifier for this TEE, signature, initdata)"},
	{"AttestationError", NULL, REFUSAL_AGAIN, "the attestation failed; see the broker's log"},
	{"TokenNotFound", NULL, REFUSAL_AGAIN, "the broker does not know the session any more"},
	{"TokenVerifierError", NULL, REFUSAL_AGAIN,
	 "the attestation is too old by now, or the broker does not trust who signed its token"},
	{"PolicyDeny", NULL, REFUSAL_GIVE_UP,
	 "the evidence is good, but the broker's policy does not give this resource for it; compare "
	 "policy and reference values with this machine"},
	{"PluginInternalError", NULL, REFUSAL_AGAIN,
	 "the broker has no such resource, or cannot read it, or its provisioner expects other "
	 "initdata; brokers answer all of these alike"},
	{"StorageBackendInitialization", NULL, REFUSAL_AGAIN,
	 "the broker cannot reach its storage"},
	{"PluginNotFound", NULL, REFUSAL_GIVE_UP,
	 "the broker has no such plugin; look at the resource's URI and the broker's plugins"},
	{"InvalidRequestPath", NULL, REFUSAL_GIVE_UP,
	 "the broker does not take this path; look at the resource's URI"},
	{"ReadSecretFailed", NULL, REFUSAL_AGAIN, "the broker has no such resource"},
	{"AdminAuthAccess", NULL, REFUSAL_GIVE_UP,
	 "this path is for administrators; look at the resource's URI"},
	{"PolicyEngineError", NULL, REFUSAL_GIVE_UP, "the broker cannot evaluate its policy"},
	{"ParsePolicyError", NULL, REFUSAL_GIVE_UP, "the broker cannot evaluate its policy"},
	{"JweError", NULL, REFUSAL_GIVE_UP, "the broker could not encrypt the resource to our key"},
};

/* The same for statuses, where the body says nothing or does not come from a broker. */
static const struct {
	unsigned int first, last;
	enum refusal_action action;
	const char *sentence;
} statuses[] = {
	{300, 399, REFUSAL_GIVE_UP,
	 "redirects are not followed; name the broker itself as the URL"},
	{404, 404, REFUSAL_GIVE_UP, "there is no key broker at this URL"},
	{408, 408, REFUSAL_RETRY, "the server waited too long for the request"},
	{413, 413, REFUSAL_GIVE_UP,
	 "the evidence is larger than the server takes; raise payload_request_size there"},
	{425, 425, REFUSAL_RETRY, "the server wants the request later"},
	{429, 429, REFUSAL_RETRY, "the broker is asked too often at the moment"},
	{503, 503, REFUSAL_RETRY, "the broker is not ready, or overloaded"},
	{500, 599, REFUSAL_RETRY, "the broker, or a proxy in front of it, failed"},
	{0, UINT32_MAX, REFUSAL_GIVE_UP,
	 "the answer is not one of a key broker; is a proxy in front of it?"},
};

/* ---- Reading ---- */

/* Hostile text for a console: printable ASCII, and not all of it. */
static void copy_printable(const char *from, char *ret, size_t size)
{
	size_t n = 0;

	for (; n + 1 < size && from[n] != '\0'; n++)
		ret[n] = from[n] >= ' ' && from[n] <= '~' ? from[n] : '?';
	ret[n] = '\0';
}

static int read_problem(const char *body, size_t size, struct problem *ret)
{
	cleanup(json_decrefp) json_t *json = NULL;
	json_t *type, *detail;
	const struct json_member table[] = {
		{"type", JSON_STRING, true, &type},
		{"detail", JSON_STRING, true, &detail},
	};
	const char *suffix;
	int r = json_parse(body, size, BODY_SIZE_LIMIT, &json);

	if (r < 0)
		return r;
	r = json_read_object(json, table, ARRAY_SIZE(table), false);
	if (r < 0)
		return r;
	suffix = strrchr(json_string_value(type), '/');
	copy_printable(suffix ? suffix + 1 : json_string_value(type), ret->type, TYPE_SIZE);
	copy_printable(json_string_value(detail), ret->detail, DETAIL_SIZE);
	return 0;
}

/*
 * "... Version Mismatch: expect =0.2.0 while ...": -EBADMSG unless that is one of ours. The caller
 * sees to it that the same version is not tried twice.
 */
static int read_version(const char *detail, enum rcar_version *ret)
{
	static const char mark[] = "expect =";
	const char *wanted = strstr(detail, mark);

	for (unsigned int i = 0; wanted && i < RCAR_VERSIONS; i++) {
		const char *name = rcar_version_name(i), *end;

		if (strncmp(wanted + sizeof(mark) - 1, name, strlen(name)) != 0)
			continue;
		end = wanted + sizeof(mark) - 1 + strlen(name);
		if (*end == '\0' || *end == ' ' || *end == ',') {
			*ret = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static const struct meaning *find_meaning(const struct problem *problem)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (strcmp(meanings[i].type, problem->type) == 0 &&
		    (!meanings[i].detail || strstr(problem->detail, meanings[i].detail)))
			return &meanings[i];
	return NULL;
}

static void decide_by_problem(unsigned int status, const struct problem *problem,
			      const struct meaning *meaning, struct refusal *ret)
{
	ret->action = meaning->action;
	if (ret->action == REFUSAL_VERSION && read_version(problem->detail, &ret->version) < 0)
		ret->action = REFUSAL_GIVE_UP;
	snprintf(ret->sentence, sizeof(ret->sentence), "HTTP %u %s \"%s\": %s", status,
		 problem->type, problem->detail, meaning->sentence);
}

static void decide_by_status(unsigned int status, const struct problem *problem,
			     struct refusal *ret)
{
	size_t i = 0;

	while (status < statuses[i].first || status > statuses[i].last)
		i++;
	ret->action = statuses[i].action;
	if (problem)
		snprintf(ret->sentence, sizeof(ret->sentence), "HTTP %u %s \"%s\"", status,
			 problem->type, problem->detail);
	else
		snprintf(ret->sentence, sizeof(ret->sentence), "HTTP %u: %s", status,
			 statuses[i].sentence);
}

/* Load and failure are told by the status, whatever a body says; the rest by the body. */
void refusal_read(unsigned int status, const char *body, size_t body_size, struct refusal *ret)
{
	struct problem problem;
	bool is_problem = read_problem(body, body_size, &problem) == 0;
	const struct meaning *meaning = is_problem ? find_meaning(&problem) : NULL;

	*ret = (struct refusal){};
	if (meaning && status >= 400 && status < 500 && status != 429)
		decide_by_problem(status, &problem, meaning, ret);
	else
		decide_by_status(status, is_problem ? &problem : NULL, ret);
}
