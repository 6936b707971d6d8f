/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_BASE_ERROR_H
#define CVMROOT_BASE_ERROR_H

#include "base/macro.h"

/*
 * Errors are negative errno values; each has one meaning in the whole project:
 *
 *   -EBADMSG       malformed input: it breaks its own format
 *   -EKEYREJECTED  a MAC, signature, digest or policy check refused
 *   -EILSEQ        the plaintext image differs from its manifest
 *   -ESTALE        replay, rollback, or another disk than the one remembered
 *   -E2BIG         over one of our limits
 *   -ENODEV        no such TPM, TEE or disk
 *   -ENOTUNIQ      more than one candidate where exactly one is needed
 *   -ENOKEY        no key provider gave a key
 *   -EREMCHG       the TPM's PCRs differ from those that the secret is bound to
 *   -ENOLCK        the TPM is in dictionary-attack lockout
 *   -EACCES        the TPM hierarchy or object needs an authorisation that we do not have
 *   -ENOSPC        not enough room (partition, TPM NV memory)
 *   -EROFS         the disk is read-only
 *   -EMEDIUMTYPE   the disk holds something other than what this step works on
 *   -ENOMSG        a file that is of no kind that is known
 *   -EOPNOTSUPP    known, but not supported here
 *   -EINVAL        a programmer's or a caller's mistake
 *
 * Everything else is what the system call said (-EIO, -ENOMEM, -ENOENT, ...).
 */

/* Longest sentence kept, with its NUL. */
#define FAIL_SENTENCE_SIZE 512

/*
 * Record, for the calling thread, the sentence that explains @error, and return @error: units are
 * silent, and the verb prints the sentence once, at the top. The sentence says what failed, on
 * what, and what to do; it has no final newline and never holds a secret.
 *
 * A later call replaces the sentence. Callers that only hand an error up leave it alone; callers
 * that know more call fail() again, quoting fail_sentence() where that helps.
 */
int fail(int error, const char *format, ...) printf_like(2, 3);

/* The sentence last recorded by this thread, or strerror(-@error) when there is none for @error. */
const char *fail_sentence(int error);

/* Forget this thread's sentence, before work whose failure is expected and handled. */
void fail_clear(void);

#endif
