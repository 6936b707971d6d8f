/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_MEASURE_H
#define CVMROOT_MEASURE_MEASURE_H

#include "base/codec.h"
#include "crypto/hash.h"
#include "eventlog/word.h"

/*
 * Events (cvmroot(7), WHAT IS MEASURED): each is extended into every register that the machine has
 * and written to the log that the register's verifiers read. Without any register there is a log of
 * our own, which evidence asked for later can bind.
 */
struct measure;

/*
 * The registers of this machine. @tpm is borrowed; NULL: there is none. @config says which PCR and
 * RTMR, NULL: the defaults.
 */
struct tpm;
struct config;
int measure_open(struct tpm *tpm, const struct config *config, struct measure **ret);
void measure_free(struct measure *measure);
DEFINE_CLEANUP(struct measure *, measure_free)
/* This is a TDX guest whose kernel offers no RTMR. */
bool measure_lacks_rtmr(const struct measure *measure);

/*
 * An event. All registers get it, and the first error is returned: what closes the boot must not
 * depend on the register before it. @content may be NULL; with a digest it is in hex.
 */
int measure_word(struct measure *measure, enum word word, const char *content);
int measure_digest(struct measure *measure, enum word word, const uint8_t *digest, size_t size);
/* The digest of an initdata document that the TEE binds elsewhere, in PCR 8 alone. */
int measure_initdata(struct measure *measure, const uint8_t *digest, size_t digest_size);
/* As tpm2-measure-pcr= of crypttab(5) does: HMAC by the volume key over volume_key_word(). */
int measure_volume_key(struct measure *measure, const char *name,
		       const uint8_t uuid[static UUID_SIZE], const struct secret *volume_key);

#endif
