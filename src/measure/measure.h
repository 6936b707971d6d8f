/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_MEASURE_MEASURE_H
#define CVMROOT_MEASURE_MEASURE_H

#include "base/codec.h"
#include "crypto/hash.h"

/*
 * Events (cvmroot(7), WHAT IS MEASURED): each is extended into a register and written to the log
 * that verifiers read. The backend is picked from a table: a vTPM's PCR 15, or none.
 */
struct measure;

/*
 * The backend that this machine has; @tpm is borrowed. Only without a TPM (NULL) may there be none:
 * events then go nowhere.
 */
struct tpm;
int measure_open(struct tpm *tpm, struct measure **ret);
void measure_free(struct measure *measure);
DEFINE_CLEANUP(struct measure *, measure_free)

/* An event whose digest is the hash of its text, in every bank. */
int measure_event(struct measure *measure, const char *type, const char *text);
/* The digest of an initdata document that the TEE binds elsewhere, as an event in PCR 8. */
int measure_initdata(struct measure *measure, const uint8_t *digest, size_t digest_size);
/* As tpm2-measure-pcr= of crypttab(5) does: HMAC by the volume key over volume_key_word(). */
int measure_volume_key(struct measure *measure, const char *name,
		       const uint8_t uuid[static UUID_SIZE], const struct secret *volume_key);

#endif
