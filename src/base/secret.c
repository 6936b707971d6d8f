/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/secret.h"
#include "base/codec.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <openssl/crypto.h>

static size_t mapping_size(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

int secret_new(size_t size, struct secret **ret)
{
	cleanup(freep) struct secret *secret = NULL;
	void *data;

	if (size == 0 || size > MIB)
		return -EINVAL;
	secret = malloc(sizeof(*secret));
	if (!secret)
		return -ENOMEM;
	data = mmap(NULL, mapping_size(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (data == MAP_FAILED)
		return -ENOMEM;
	/* An unprivileged caller may be over RLIMIT_MEMLOCK: the initrd has no swap, go on. */
	(void)mlock(data, mapping_size(size));
	if (madvise(data, mapping_size(size), MADV_DONTDUMP) < 0 ||
	    madvise(data, mapping_size(size), MADV_DONTFORK) < 0) {
		/* It says EAGAIN, too, when the kernel lacks memory. */
		munmap(data, mapping_size(size));
		return -ENOMEM;
	}
	*secret = (struct secret){.data = data, .size = size};
	*ret = TAKE_PTR(secret);
	return 0;
}

int secret_copy(const void *data, size_t size, struct secret **ret)
{
	int r = secret_new(size, ret);

	if (r < 0)
		return r;
	memcpy((*ret)->data, data, size);
	return 0;
}

int random_bytes(void *ret, size_t size)
{
	uint8_t *to = ret;

	while (size > 0) {
		ssize_t n = getrandom(to, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		to += n;
		size -= (size_t)n;
	}
	return 0;
}

int secret_random(size_t size, struct secret **ret)
{
	cleanup(secret_freep) struct secret *secret = NULL;
	int r = secret_new(size, &secret);

	if (r < 0)
		return r;
	r = random_bytes(secret->data, size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(secret);
	return 0;
}

int secret_base64(const struct secret *from, struct secret **ret)
{
	cleanup(secret_freep) struct secret *text = NULL;
	cleanup(secret_freep) struct secret *trimmed = NULL;
	int r = secret_new(base64_size(from->size), &text);

	if (r < 0)
		return r;
	base64_encode(from->data, from->size, (char *)text->data);
	r = secret_copy(text->data, text->size - 1, &trimmed);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(trimmed);
	return 0;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	return a->size == b->size && CRYPTO_memcmp(a->data, b->data, a->size) == 0;
}

void secret_free(struct secret *secret)
{
	if (!secret)
		return;
	explicit_bzero(secret->data, secret->size);
	munmap(secret->data, mapping_size(secret->size));
	free(secret);
}
