/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_KEYS_KBS_OPTIONS_H
#define CVMROOT_KEYS_KBS_OPTIONS_H

#include "broker/broker.h"
#include "config/config.h"

/* A configuration's servers with their PEM texts at hand. Not to be copied: it points to itself. */
struct kbs_options {
	/* For broker_fetch(); what is about the TEE and the waiting is the caller's to set. */
	struct broker_options broker;
	struct broker_server servers[CONFIG_SERVERS_MAX];
	char *ca[CONFIG_SERVERS_MAX];
	char *client_certificate[CONFIG_SERVERS_MAX];
	struct secret *client_key[CONFIG_SERVERS_MAX];
};

/* @config is borrowed until kbs_options_done(). -ENOENT and the like name the file. */
int kbs_options_load(const struct config *config, struct kbs_options *ret);
void kbs_options_done(struct kbs_options *options);

/* @text when it is a PEM text itself, else the content of the file that it names. */
int kbs_pem_load(const char *text, const char *what, char **ret);

#endif
