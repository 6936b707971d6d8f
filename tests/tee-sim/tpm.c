/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NO_SESSIONS 0x8001
#define SESSIONS    0x8002
#define RS_PW	    0x40000009
#define RH_OWNER    0x40000001
#define ALG_RSA	    0x0001
#define ALG_SHA256  0x000B
#define ALG_NULL    0x0010
#define ALG_RSASSA  0x0014
#define CHUNK	    1024 /* what NV_Write and NV_Read of any TPM take at once */
#define MODULUS	    256

#define CC_EVICT_CONTROL  0x120
#define CC_NV_UNDEFINE	  0x122
#define CC_NV_DEFINE	  0x12A
#define CC_CREATE_PRIMARY 0x131
#define CC_NV_WRITE	  0x137
#define CC_NV_READ	  0x14E
#define CC_FLUSH_CONTEXT  0x165
#define CC_NV_READ_PUBLIC 0x169
#define CC_READ_PUBLIC	  0x173

/* fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, sign */
#define AK_ATTRIBUTES UINT32_C(0x00050472)
/* OWNERWRITE, AUTHWRITE, OWNERREAD, AUTHREAD, NO_DA */
#define NV_ATTRIBUTES UINT32_C(0x02060006)

struct tpm tpm_open(const char *device)
{
	struct tpm tpm = {.fd = open(device, O_RDWR | O_CLOEXEC)};

	check(tpm.fd >= 0, "cannot open %s: %s", device, strerror(errno));
	return tpm;
}

static void begin(struct bytes *command, uint16_t tag, uint32_t code, uint32_t handle)
{
	bytes_free(command);
	bytes_put_be(command, tag, 2);
	bytes_put_be(command, 0, 4); /* size, see transmit() */
	bytes_put_be(command, code, 4);
	bytes_put_be(command, handle, 4);
}

/* One password session with an empty password. */
static void put_authorisation(struct bytes *command)
{
	bytes_put_be(command, 9, 4);
	bytes_put_be(command, RS_PW, 4);
	bytes_put_be(command, 0, 2);
	bytes_put_be(command, 1, 1); /* continueSession */
	bytes_put_be(command, 0, 2);
}

/* The response code; @ret is the whole response. */
static uint32_t transmit(struct tpm *tpm, const struct bytes *command, struct bytes *ret)
{
	uint8_t response[4096];
	ssize_t n;

	for (size_t i = 0; i < 4; i++)
		command->data[2 + i] = (uint8_t)(command->size >> (24 - 8 * i));
	n = write(tpm->fd, command->data, command->size);
	check(n == (ssize_t)command->size, "writing to the TPM failed: %s", strerror(errno));
	n = read(tpm->fd, response, sizeof(response));
	check(n >= 10, "reading from the TPM failed: %s", strerror(errno));
	bytes_free(ret);
	bytes_put(ret, response, (size_t)n);
	return (uint32_t)load_be(response + 6, 4);
}

static void require(struct tpm *tpm, const struct bytes *command, struct bytes *ret)
{
	uint32_t code = transmit(tpm, command, ret);

	check(code == 0, "TPM command 0x%x failed: 0x%x",
	      (unsigned int)load_be(command->data + 6, 4), code);
}

/* ---- Key ---- */

static void put_template(struct bytes *command)
{
	struct bytes public = {0};

	bytes_put_be(&public, ALG_RSA, 2);
	bytes_put_be(&public, ALG_SHA256, 2);
	bytes_put_be(&public, AK_ATTRIBUTES, 4);
	bytes_put_be(&public, 0, 2); /* policy */
	bytes_put_be(&public, ALG_NULL, 2);
	bytes_put_be(&public, ALG_RSASSA, 2);
	bytes_put_be(&public, ALG_SHA256, 2);
	bytes_put_be(&public, MODULUS * 8, 2);
	bytes_put_be(&public, 0, 4); /* exponent: 65537 */
	bytes_put_be(&public, 0, 2);
	bytes_put_be(command, public.size, 2);
	bytes_put_bytes(command, &public);
	bytes_free(&public);
}

static void create_key(struct tpm *tpm, uint32_t persistent)
{
	struct bytes command = {0}, response = {0};
	uint32_t handle;

	begin(&command, SESSIONS, CC_CREATE_PRIMARY, RH_OWNER);
	put_authorisation(&command);
	bytes_put_be(&command, 4, 2); /* no password, no data */
	bytes_put_be(&command, 0, 4);
	put_template(&command);
	bytes_put_be(&command, 0, 2); /* outside information */
	bytes_put_be(&command, 0, 4); /* no PCRs */
	require(tpm, &command, &response);
	handle = (uint32_t)load_be(response.data + 10, 4);
	begin(&command, SESSIONS, CC_EVICT_CONTROL, RH_OWNER);
	bytes_put_be(&command, handle, 4);
	put_authorisation(&command);
	bytes_put_be(&command, persistent, 4);
	require(tpm, &command, &response);
	begin(&command, NO_SESSIONS, CC_FLUSH_CONTEXT, handle);
	require(tpm, &command, &response);
	bytes_free(&command);
	bytes_free(&response);
}

void tpm_make_key(struct tpm *tpm, uint32_t handle, struct bytes *ret_modulus)
{
	struct bytes command = {0}, response = {0};
	size_t offset = 10 + 2 + 2 + 2 + 4 + 2 + 2 + 4 + 2 + 4; /* of the modulus's size */

	begin(&command, NO_SESSIONS, CC_READ_PUBLIC, handle);
	if (transmit(tpm, &command, &response) != 0) {
		create_key(tpm, handle);
		begin(&command, NO_SESSIONS, CC_READ_PUBLIC, handle);
		require(tpm, &command, &response);
	}
	check(response.size > offset + 2 + MODULUS && load_be(response.data + offset, 2) == MODULUS,
	      "key 0x%x is of another kind", handle);
	bytes_put(ret_modulus, response.data + offset + 2, MODULUS);
	bytes_free(&command);
	bytes_free(&response);
}

/* ---- NV ---- */

int tpm_nv_size(struct tpm *tpm, uint32_t index)
{
	struct bytes command = {0}, response = {0};
	int size = -1;

	begin(&command, NO_SESSIONS, CC_NV_READ_PUBLIC, index);
	/* TPMS_NV_PUBLIC: index, algorithm, attributes, policy, size */
	if (transmit(tpm, &command, &response) == 0 && response.size >= 26) {
		size_t policy = (size_t)load_be(response.data + 22, 2);

		if (response.size >= 26 + policy)
			size = (int)load_be(response.data + 24 + policy, 2);
	}
	bytes_free(&command);
	bytes_free(&response);
	return size;
}

void tpm_nv_define(struct tpm *tpm, uint32_t index, uint16_t size)
{
	struct bytes command = {0}, response = {0};
	int found = tpm_nv_size(tpm, index);

	if (found == size)
		return;
	if (found >= 0) {
		begin(&command, SESSIONS, CC_NV_UNDEFINE, RH_OWNER);
		bytes_put_be(&command, index, 4);
		put_authorisation(&command);
		require(tpm, &command, &response);
	}
	begin(&command, SESSIONS, CC_NV_DEFINE, RH_OWNER);
	put_authorisation(&command);
	bytes_put_be(&command, 0, 2); /* no password */
	bytes_put_be(&command, 14, 2);
	bytes_put_be(&command, index, 4);
	bytes_put_be(&command, ALG_SHA256, 2);
	bytes_put_be(&command, NV_ATTRIBUTES, 4);
	bytes_put_be(&command, 0, 2); /* policy */
	bytes_put_be(&command, size, 2);
	require(tpm, &command, &response);
	bytes_free(&command);
	bytes_free(&response);
}

void tpm_nv_write(struct tpm *tpm, uint32_t index, const struct bytes *data)
{
	struct bytes command = {0}, response = {0};

	for (size_t offset = 0; offset < data->size; offset += CHUNK) {
		size_t size = data->size - offset < CHUNK ? data->size - offset : CHUNK;

		begin(&command, SESSIONS, CC_NV_WRITE, RH_OWNER);
		bytes_put_be(&command, index, 4);
		put_authorisation(&command);
		bytes_put_be(&command, size, 2);
		bytes_put(&command, data->data + offset, size);
		bytes_put_be(&command, offset, 2);
		require(tpm, &command, &response);
	}
	bytes_free(&command);
	bytes_free(&response);
}

int tpm_nv_read(struct tpm *tpm, uint32_t index, uint16_t size, uint8_t *ret)
{
	struct bytes command = {0}, response = {0};
	int result = -1;

	begin(&command, SESSIONS, CC_NV_READ, RH_OWNER);
	bytes_put_be(&command, index, 4);
	put_authorisation(&command);
	bytes_put_be(&command, size, 2);
	bytes_put_be(&command, 0, 2);
	if (transmit(tpm, &command, &response) == 0 && response.size >= 16U + size) {
		memcpy(ret, response.data + 16, size);
		result = 0;
	}
	bytes_free(&command);
	bytes_free(&response);
	return result;
}
