/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_KBS_OPTIONS_H
#define CVMROOT_KEYS_KBS_OPTIONS_H

#include "broker/broker.h"
#include "config/config.h"

/*
 * A configuration's servers with their PEM texts at hand, and its TEE. Not to be copied: it points
 * to itself.
 */
struct kbs_options {
	/* For broker_fetch(); initdata and waiting are the caller's to set. */
	struct broker_options broker;
	struct tee_context tee_context;
	struct broker_server servers[CONFIG_SERVERS_MAX];
	char *ca[CONFIG_SERVERS_MAX];
	char *client_certificate[CONFIG_SERVERS_MAX];
	struct secret *client_key[CONFIG_SERVERS_MAX];
};

/*
 * @config and @tpm (NULL: none) are borrowed until kbs_options_done(), which is due also after a
 * failure. -ENOENT and the like name the file; else as kbs_tee_find().
 */
int kbs_options_load(const struct config *config, struct tpm *tpm, struct kbs_options *ret);
void kbs_options_done(struct kbs_options *options);

#endif
