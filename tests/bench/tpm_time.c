/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * Preloaded into cvmroot (/etc/ld.so.preload): how long it waits for the TPM, from the first byte of
 * each command to the last of its answer, with the kernel's own commands in between. At its exit one
 * line goes to RESULT: when the libraries were loaded, when the first command began, when the last
 * answer was there, when the program ended (microseconds of CLOCK_MONOTONIC), how long it waited in
 * all, how many commands there were, and how long it waited in poll() for anything else: for the
 * kernel's and udev's word that a device is there. Then its CPU time, and how many library contexts
 * of OpenSSL were made and how long it took to make, fill and free them: libtss2-esys makes one for
 * each hash, HMAC and nonce.
 */
#include "base/macro.h"

#include "clock.h"

#include <dlfcn.h>
#include <poll.h>
#include <string.h>

#define RESULT "/run/bench-tpm"
#define TPM    "/dev/tpmrm0"

#define EXPORTED __attribute__((visibility("default")))

typedef ssize_t (*write_function)(int fd, const void *data, size_t size);
typedef ssize_t (*read_function)(int fd, void *data, size_t size);
typedef int (*poll_function)(struct pollfd *fds, nfds_t count, int timeout);
typedef void *(*new_function)(void);
typedef void (*free_function)(void *context);
typedef void *(*fetch_function)(void *context, const char *name, const char *properties);

static long long loaded, first, last, begun, waited, idle, context_time;
static int tpm_fd = -1, commands, contexts;

EXPORTED ssize_t write(int fd, const void *data, size_t size);
EXPORTED ssize_t read(int fd, void *data, size_t size);
EXPORTED int poll(struct pollfd *fds, nfds_t count, int timeout);
EXPORTED void *OSSL_LIB_CTX_new(void);
EXPORTED void OSSL_LIB_CTX_free(void *context);
EXPORTED void *EVP_MD_fetch(void *context, const char *name, const char *properties);

static bool is_tpm(int fd, const uint8_t *data, size_t size)
{
	char name[32], target[32] = "";

	/* Only what begins as a command does is worth the question. */
	if (size < 10 || data[0] != 0x80 || (data[1] != 1 && data[1] != 2))
		return false;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return readlink(name, target, sizeof(target) - 1) > 0 && strcmp(target, TPM) == 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
	static write_function next;

	if (!next)
		next = (write_function)dlsym(RTLD_NEXT, "write");
	if (is_tpm(fd, data, size)) {
		tpm_fd = fd;
		begun = now_us();
		first = first ? first : begun;
		commands++;
	}
	return next(fd, data, size);
}

ssize_t read(int fd, void *data, size_t size)
{
	static read_function next;
	ssize_t n;

	if (!next)
		next = (read_function)dlsym(RTLD_NEXT, "read");
	n = next(fd, data, size);
	/* An answer may be read in parts: each adds what has passed since the one before. */
	if (fd == tpm_fd && begun && n > 0) {
		last = now_us();
		waited += last - begun;
		begun = last;
	}
	return n;
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	static poll_function next;
	long long start = now_us();
	int n;

	if (!next)
		next = (poll_function)dlsym(RTLD_NEXT, "poll");
	n = next(fds, count, timeout);
	if (count == 0 || fds[0].fd != tpm_fd)
		idle += now_us() - start;
	return n;
}

void *OSSL_LIB_CTX_new(void)
{
	new_function next = (new_function)dlsym(RTLD_NEXT, "OSSL_LIB_CTX_new");
	long long start = now_us();
	void *context = next();

	contexts++;
	context_time += now_us() - start;
	return context;
}

void OSSL_LIB_CTX_free(void *context)
{
	free_function next = (free_function)dlsym(RTLD_NEXT, "OSSL_LIB_CTX_free");
	long long start = now_us();

	next(context);
	context_time += now_us() - start;
}

/* The first in a context loads its providers and their algorithms. */
void *EVP_MD_fetch(void *context, const char *name, const char *properties)
{
	fetch_function next = (fetch_function)dlsym(RTLD_NEXT, "EVP_MD_fetch");
	long long start = now_us();
	void *hash = next(context, name, properties);

	if (context)
		context_time += now_us() - start;
	return hash;
}

static void __attribute__((constructor)) note_start(void)
{
	loaded = now_us();
}

static void __attribute__((destructor)) save(void)
{
	FILE *file = commands > 0 ? fopen(RESULT, "we") : NULL;

	if (!file)
		return;
	fprintf(file, "%lld %lld %lld %lld %lld %d %lld %lld %d %lld\n", loaded, first, last,
		now_us(), waited, commands, idle, clock_us(CLOCK_PROCESS_CPUTIME_ID), contexts,
		context_time);
	fclose(file);
}
