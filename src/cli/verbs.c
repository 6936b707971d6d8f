/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "cli/verbs.h"

/* In the order of --help. */
const struct verb *const verbs[] = {
	&verb_boot,  &verb_fail,	&verb_manifest, &verb_check_config, &verb_status,
	&verb_fetch, &verb_evidence,	&verb_log,	&verb_verify,	    &verb_ak,
	&verb_reset, &verb_nameservers, NULL,
};
