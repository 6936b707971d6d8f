/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "fuzz.h"

#include "tpm/internal.h"

#include <string.h>

/* Of a policy key; the corpus has its signature over a policy of zeros. */
static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAoAjo7MIqlTB7K/fl4Sjj\n"
			  "Cnc1OS5JYVLQsOR3ftDPs+PDe8uvvhTiRq8ynFGA163Nxg7zEcZf7JfMo74RNaQ1\n"
			  "qvTdoX6IJm0bdAwZlzndEr+xT4sMFoXpnbqeIUfAdxmjGCSMP0HnyA96o6GPr+yp\n"
			  "9gbIL/cdfqb/1nI++X9PNeBWk0fAgi/pTH/JcwJI58PocVgfbBLv85Vf3pISEscC\n"
			  "9qC8P50fHH8rxkSa7ZJYIDoqp+W/MNB1HbVKemxyUi+A9FdWEkjF30pmuoI/+oK5\n"
			  "BMvkjkewBOhAkFdkh64e+5KLK7Nb7WOfWJBe9hDfnP+9xX28w5/PThFIZVW/q0ZX\n"
			  "cQIDAQAB\n"
			  "-----END PUBLIC KEY-----\n";

/* By a key that is known, and over this policy: else there is none. */
static void get(const char *text, enum hash_algorithm bank)
{
	static const uint8_t policy[HASH_SHA256_SIZE], other[HASH_SHA256_SIZE] = {1};
	struct tpm_binding binding = {.bank = bank, .public_key = pem, .signature = text};
	struct tpm_public_key key;
	struct tpm_signature signature;

	if (tpm_public_read(pem, &key) < 0)
		abort();
	if (tpm_signature_get(&binding, &key, policy, &signature) == 0 &&
	    tpm_public_verify(pem, policy, signature.data, signature.size) < 0)
		abort();
	if (tpm_signature_get(&binding, &key, other, &signature) == 0)
		abort();
}

/* tpm2-pcr-signature.json: the first byte chooses the bank, the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t fingerprint[HASH_SHA256_SIZE], policy[HASH_SHA256_SIZE];
	cleanup(freep) char *text = NULL;
	struct tpm_signature signature;

	if (size == 0)
		return 0;
	text = calloc(1, size);
	if (text)
		memcpy(text, data + 1, size - 1);
	if (text &&
	    tpm_signature_find(text, (enum hash_algorithm)(data[0] % HASH_ALGORITHMS), 1U << 11,
			       fingerprint, policy, &signature) == 0 &&
	    signature.size > sizeof(signature.data))
		abort();
	if (text)
		get(text, (enum hash_algorithm)(data[0] % HASH_ALGORITHMS));
	return 0;
}
