/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "cli/verify.h"

const struct verb verb_verify = {
	.name = "verify",
	.summary = "Check what evidence with logs says about a machine, claim by claim",
	.synopsis = "EVIDENCE --reference FILE [--nonce BASE64 | --report-data HEX]\n"
		    "                      [--tee TEE] [--root FILE]... [--certificates FILE]...\n"
		    "                      [--json]",
	.usage =
		"EVIDENCE is what 'cvmroot evidence --with-logs' printed on that machine; this needs\n"
		"no TEE and no root. Exits with 3 when a claim fails, or when one that the reference\n"
		"asks for could not be checked, or one on platform, firmware or image.\n"
		"\n"
		"Options:\n"
		"  --reference FILE\n"
		"                 the expected values, as image-tools/measure writes them\n"
		"  --nonce BASE64 the nonce that the evidence was asked for with; without it nothing\n"
		"                 says that the evidence is not an old one\n"
		"  --report-data HEX\n"
		"                 the same in hex\n"
		"  --root FILE    certificates to trust, in PEM or DER: AMD's (ARK), Intel's (SGX Root\n"
		"                 CA); none is built in\n"
		"  --certificates FILE\n"
		"                 certificates that the evidence lacks: VCEK or VLEK, and its issuer\n"
		"  --tee TEE      the platform that it must be of: tdx, az-tdx-vtpm, az-snp-vtpm, snp\n"
		"                 or tpm; needed when the reference does not say, and when EVIDENCE is\n"
		"                 that of a platform alone, as a broker gets it: without logs\n"
		"  --json         print an object with a member for each claim\n",
	.run = verify_run,
};
