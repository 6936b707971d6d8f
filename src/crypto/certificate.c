/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "crypto/certificate.h"

#include "base/error.h"

#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#define DER_SEQUENCE 0x30
#define ROOTS	     "give AMD's or Intel's with --root, see cvmroot(7)"

struct certificates {
	STACK_OF(X509) * stack;
};

static inline void x509p(X509 **certificate)
{
	X509_free(*certificate);
}

static inline void storep(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static inline void store_contextp(X509_STORE_CTX **context)
{
	X509_STORE_CTX_free(*context);
}

static inline void biop(BIO **bio)
{
	BIO_free(*bio);
}

static inline void objectp(ASN1_OBJECT **object)
{
	ASN1_OBJECT_free(*object);
}

int certificates_new(struct certificates **ret)
{
	struct certificates *list = calloc(1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	list->stack = sk_X509_new_null();
	if (!list->stack) {
		free(list);
		return -ENOMEM;
	}
	*ret = list;
	return 0;
}

void certificates_free(struct certificates *list)
{
	sk_X509_pop_free(list->stack, X509_free);
	free(list);
}

size_t certificates_count(const struct certificates *list)
{
	return (size_t)sk_X509_num(list->stack);
}

static X509 *at(const struct certificates *list, size_t number)
{
	return sk_X509_value(list->stack, (int)number);
}

static int append(struct certificates *list, X509 *certificate)
{
	if (!certificate)
		return -EBADMSG;
	if (certificates_count(list) < CERTIFICATES_MAX &&
	    sk_X509_push(list->stack, certificate) > 0)
		return 0;
	X509_free(certificate);
	return -E2BIG;
}

static int add_der(struct certificates *list, const uint8_t *data, size_t size)
{
	const unsigned char *end = data;
	cleanup(x509p) X509 *certificate = d2i_X509(NULL, &end, (long)size);

	if (!certificate || end != data + size)
		return -EBADMSG;
	return append(list, TAKE_PTR(certificate));
}

int certificates_copy(struct certificates *list, const struct certificates *from, size_t number)
{
	return X509_up_ref(at(from, number)) == 1 ? append(list, at(from, number)) : -ENOMEM;
}

static int add_pem(struct certificates *list, const void *data, size_t size)
{
	cleanup(biop) BIO *text = BIO_new_mem_buf(data, (int)size);
	long length;
	char *name, *header;
	uint8_t *der;
	int r = text ? -EBADMSG : -ENOMEM;

	/* Any other block in it is passed over. */
	while (text && PEM_read_bio(text, &name, &header, &der, &length) == 1) {
		if (strcmp(name, PEM_STRING_X509) == 0)
			r = add_der(list, der, (size_t)length);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
		if (r < 0)
			break;
	}
	return r;
}

int certificates_add(struct certificates *list, const void *data, size_t size)
{
	if (size > CERTIFICATES_LIMIT)
		return -E2BIG;
	if (size > 0 && *(const uint8_t *)data == DER_SEQUENCE)
		return add_der(list, data, size);
	return add_pem(list, data, size);
}

static X509_STORE *make_store(const struct certificates *roots)
{
	cleanup(storep) X509_STORE *store = X509_STORE_new();

	if (!store || X509_STORE_set_flags(store, X509_V_FLAG_NO_CHECK_TIME) != 1)
		return NULL;
	for (size_t i = 0; i < certificates_count(roots); i++)
		if (X509_STORE_add_cert(store, at(roots, i)) != 1)
			return NULL;
	return TAKE_PTR(store);
}

static bool has_all(STACK_OF(X509) * chain, const struct certificates *list)
{
	for (size_t i = 0; i < certificates_count(list); i++) {
		int j = 0;

		while (j < sk_X509_num(chain) && X509_cmp(sk_X509_value(chain, j), at(list, i)))
			j++;
		if (j == sk_X509_num(chain))
			return false;
	}
	return true;
}

int certificate_check_chain(const struct certificates *list, size_t number,
			    const struct certificates *roots, bool all)
{
	cleanup(storep) X509_STORE *store = make_store(roots);
	cleanup(store_contextp) X509_STORE_CTX *context = X509_STORE_CTX_new();

	if (!store || !context ||
	    X509_STORE_CTX_init(context, store, at(list, number), list->stack) != 1)
		return -ENOMEM;
	if (certificates_count(roots) == 0)
		return fail(-EKEYREJECTED, "no root was given: " ROOTS);
	if (X509_verify_cert(context) != 1)
		return fail(-EKEYREJECTED,
			    "the certificates do not lead to a root that was given (%s): " ROOTS,
			    X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
	if (all && !has_all(X509_STORE_CTX_get0_chain(context), list))
		return fail(-EKEYREJECTED, "a certificate does not belong to the chain beside it");
	return 0;
}

int certificate_public_key(const struct certificates *list, size_t number, uint8_t **ret,
			   size_t *ret_size)
{
	unsigned char *der = NULL;
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(at(list, number)), &der);

	if (size <= 0)
		return -EBADMSG;
	*ret = malloc((size_t)size);
	if (*ret) {
		memcpy(*ret, der, (size_t)size);
		*ret_size = (size_t)size;
	}
	OPENSSL_free(der);
	return *ret ? 0 : -ENOMEM;
}

int certificate_extension(const struct certificates *list, size_t number, const char *oid,
			  const uint8_t **ret, size_t *ret_size)
{
	cleanup(objectp) ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *value;
	int index;

	if (!object)
		return -ENOMEM;
	index = X509_get_ext_by_OBJ(at(list, number), object, -1);
	if (index < 0)
		return -ENOENT;
	value = X509_EXTENSION_get_data(X509_get_ext(at(list, number), index));
	*ret = ASN1_STRING_get0_data(value);
	*ret_size = (size_t)ASN1_STRING_length(value);
	return 0;
}
