/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tee/se_call.h"
#include "base/error.h"
#include "base/reader.h"

#include <string.h>

_Static_assert(SE_ARCB_MAX <= 0x100000, "the kernel's limit of a request");
_Static_assert(SE_MEASUREMENT_MAX <= 0x8000, "the kernel's limit of a measurement");
_Static_assert(SE_ADDITIONAL_MAX <= 0x8000, "the kernel's limit of additional data");
_Static_assert(SE_USER_DATA_SIZE <= UV_USER_DATA_SIZE, "the ultravisor's limit of user data");

#define CODE_EXECUTED	     0x0001
#define CODE_INVALID_COMMAND 0x0002

void se_call_encode(const struct se_request *request, const struct se_answer *answer,
		    struct se_call *ret)
{
	ret->control = (struct uv_control){
		.argument = (uintptr_t)&ret->attest,
		.argument_size = sizeof(ret->attest),
	};
	ret->attest = (struct uv_attest){
		.arcb = (uintptr_t)request->arcb,
		.measurement = (uintptr_t)answer->measurement,
		.additional = request->additional_size > 0 ? (uintptr_t)answer->additional : 0,
		.arcb_size = (uint32_t)request->arcb_size,
		.measurement_size = (uint32_t)request->measurement_size,
		.additional_size = (uint32_t)request->additional_size,
		.user_data_size = sizeof(answer->user_data),
	};
	memcpy(ret->attest.user_data, answer->user_data, sizeof(answer->user_data));
}

/* Those codes of the call that a broker's request or another machine brings about. */
static const struct {
	uint16_t code;
	const char *reason;
} refusals[] = {
	{0x0106, "it does not know this version of a request"},
	{0x0107, "the request does not have the length of its version"},
	{0x0108, "the request has no host key, or too many"},
	{0x0109, "the encrypted part of the request has the wrong size"},
	{0x010a, "it does not know a flag of the request"},
	{0x010b, "it does not know the measurement algorithm of the request"},
	{0x010c, "the request is not for the host key of this machine; give the broker its host "
		 "key document"},
	{0x010d, "the measurement does not fit; the broker's measurement_size is too small"},
	{0x010e, "the additional data do not fit; the broker's additional_size is too small"},
};

static int check_code(const struct uv_control *control)
{
	const char *reason = "for a reason that is not known here";

	if (control->code == CODE_EXECUTED)
		return 0;
	if (control->code == CODE_INVALID_COMMAND)
		return fail(-EOPNOTSUPP,
			    "the ultravisor of this machine cannot attest (code 0x%04x, 0x%04x)",
			    control->code, control->reason);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		if (refusals[i].code == control->code)
			reason = refusals[i].reason;
	return fail(-EKEYREJECTED, "the ultravisor refused to attest: %s (code 0x%04x, 0x%04x)",
		    reason, control->code, control->reason);
}

/* Everything that is not output is as it was asked. */
static bool is_about(const struct se_request *request, const struct se_answer *answer,
		     const struct se_call *call)
{
	struct se_call asked;

	se_call_encode(request, answer, &asked);
	asked.control.code = call->control.code;
	asked.control.reason = call->control.reason;
	asked.control.argument = (uintptr_t)&call->attest;
	asked.attest.additional_size = call->attest.additional_size;
	memcpy(asked.attest.config_uid, call->attest.config_uid, sizeof(asked.attest.config_uid));
	return memcmp(&asked, call, sizeof(asked)) == 0;
}

int se_call_decode(const struct se_request *request, const struct se_call *call,
		   struct se_answer *answer)
{
	int r = check_code(&call->control);

	if (r < 0)
		return r;
	if (!is_about(request, answer, call))
		return fail(-EBADMSG, "the ultravisor's answer is about something else than what "
				      "it was asked");
	if (call->attest.additional_size > request->additional_size)
		return fail(-EBADMSG, "the ultravisor gave %u bytes of additional data into %zu",
			    call->attest.additional_size, request->additional_size);
	if (bytes_are_zero(call->attest.config_uid, sizeof(call->attest.config_uid)))
		return fail(-EBADMSG, "the ultravisor's answer names no configuration");
	if (bytes_are_zero(answer->measurement, request->measurement_size))
		return fail(-EBADMSG, "the ultravisor's answer has no measurement");
	answer->additional_size = call->attest.additional_size;
	memcpy(answer->config_uid, call->attest.config_uid, sizeof(answer->config_uid));
	return 0;
}
