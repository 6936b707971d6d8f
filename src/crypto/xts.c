/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "crypto/xts.h"

#include "crypto/hash.h"

#include <endian.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

/* The unit of dm-crypt's IV, whatever the sector size. */
#define IV_UNIT 512

struct xts {
	size_t sector_size;
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *encrypt;
	EVP_CIPHER_CTX *decrypt;
};

int xts_new(const struct secret *key, size_t sector_size, struct xts **ret)
{
	cleanup(xts_freep) struct xts *xts = NULL;

	if (key->size != XTS_KEY_SIZE || (sector_size != 512 && sector_size != 4096))
		return -EINVAL;
	if (CRYPTO_memcmp(key->data, key->data + XTS_KEY_SIZE / 2, XTS_KEY_SIZE / 2) == 0)
		return -EINVAL;
	xts = calloc(1, sizeof(*xts));
	if (!xts)
		return -ENOMEM;
	xts->sector_size = sector_size;
	xts->cipher = EVP_CIPHER_fetch(NULL, "AES-256-XTS", NULL);
	xts->encrypt = EVP_CIPHER_CTX_new();
	xts->decrypt = EVP_CIPHER_CTX_new();
	if (!xts->cipher)
		return openssl_failed("AES-256-XTS");
	if (!xts->encrypt || !xts->decrypt)
		return -ENOMEM;
	if (EVP_EncryptInit_ex2(xts->encrypt, xts->cipher, key->data, NULL, NULL) != 1 ||
	    EVP_DecryptInit_ex2(xts->decrypt, xts->cipher, key->data, NULL, NULL) != 1)
		return openssl_failed("AES-256-XTS");
	*ret = TAKE_PTR(xts);
	return 0;
}

static int xts_run(const struct xts *xts, EVP_CIPHER_CTX *context, uint64_t offset, uint8_t *data,
		   size_t size)
{
	int sector_size = (int)xts->sector_size;

	if (!IS_ALIGNED(offset, xts->sector_size) || !IS_ALIGNED(size, xts->sector_size))
		return -EINVAL;
	for (uint8_t *end = data + size; data < end; data += sector_size) {
		uint64_t iv[2] = {htole64(offset / IV_UNIT), 0};
		int written;

		if (EVP_CipherInit_ex2(context, NULL, NULL, (const uint8_t *)iv, -1, NULL) != 1 ||
		    EVP_CipherUpdate(context, data, &written, data, sector_size) != 1 ||
		    written != sector_size)
			return openssl_failed("AES-256-XTS");
		offset += xts->sector_size;
	}
	return 0;
}

int xts_encrypt(struct xts *xts, uint64_t offset, void *data, size_t size)
{
	return xts_run(xts, xts->encrypt, offset, data, size);
}

int xts_decrypt(struct xts *xts, uint64_t offset, void *data, size_t size)
{
	return xts_run(xts, xts->decrypt, offset, data, size);
}

void xts_free(struct xts *xts)
{
	if (!xts)
		return;
	/* EVP_CIPHER_CTX_free() wipes the key schedule. */
	EVP_CIPHER_CTX_free(xts->encrypt);
	EVP_CIPHER_CTX_free(xts->decrypt);
	EVP_CIPHER_free(xts->cipher);
	free(xts);
}
