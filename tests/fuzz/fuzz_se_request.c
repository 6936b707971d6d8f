/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tee/se_call.h"

#include <string.h>

/* The ultravisor's part: the byte behind the text says what it answers, from 0xf1 on a refusal. */
static int answer_call(const struct se_request *request, uint8_t seed, struct se_answer *answer)
{
	struct se_call call;

	memset(answer->user_data, 0x15, sizeof(answer->user_data));
	se_call_encode(request, answer, &call);
	if (call.attest.arcb_size > SE_ARCB_MAX ||
	    call.attest.measurement_size > SE_MEASUREMENT_MAX ||
	    call.attest.additional_size > SE_ADDITIONAL_MAX)
		abort();
	memset(answer->measurement, seed == 0xf0 ? 0 : seed, request->measurement_size);
	memset(call.attest.config_uid, seed, sizeof(call.attest.config_uid));
	call.control.code = seed > 0xf1 ? 0x100 | (seed & 0xf) : seed == 0xf1 ? 2 : 1;
	call.attest.arcb_size += seed == 0x80;
	call.attest.additional_size += seed == 0x81 ? 1 : 0;
	call.attest.additional_size -= seed == 3;
	return se_call_decode(request, &call, answer);
}

/* A broker's challenge, then a byte; what was accepted must make evidence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(se_request_done) struct se_request request = {};
	cleanup(se_answer_done) struct se_answer answer = {};
	cleanup(json_decrefp) json_t *evidence = NULL;
	cleanup(freep) char *text = size > 0 ? malloc(size) : NULL;

	if (!text)
		return 0;
	memcpy(text, data, size - 1);
	text[size - 1] = '\0';
	if (se_request_parse(text, &request) < 0)
		return 0;
	answer.measurement = calloc(1, request.measurement_size);
	answer.additional = calloc(1, request.additional_size + 1);
	if (!answer.measurement || !answer.additional)
		return 0;
	if (answer_call(&request, data[size - 1], &answer) < 0)
		return 0;
	if (se_evidence_make(&request, &answer, &evidence) < 0 || json_object_size(evidence) != 7)
		abort();
	return 0;
}
