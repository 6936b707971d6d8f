/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TEE_SE_CALL_H
#define CVMROOT_TEE_SE_CALL_H

#include "tee/se_request.h"

/*
 * The words of the ultravisor device for the call "retrieve attestation measurement" (Linux, s390
 * UAPI, asm/uvdevice.h, which only the headers of that architecture have), apart from the device
 * itself. Integers are in the byte order of the machine.
 */

#define UV_USER_DATA_SIZE 256

/* struct uvio_ioctl_cb */
struct uv_control {
	uint32_t flags;	   /* zero */
	uint16_t code;	   /* of the ultravisor */
	uint16_t reason;   /* more about that code */
	uint64_t argument; /* address of the struct uv_attest */
	uint32_t argument_size;
	uint8_t reserved[44]; /* zero */
};

/* struct uvio_attest: addresses in, sizes in but additional_size, config_uid out */
struct uv_attest {
	uint64_t arcb;
	uint64_t measurement;
	uint64_t additional;
	uint8_t user_data[UV_USER_DATA_SIZE];
	uint8_t config_uid[SE_CONFIG_UID_SIZE];
	uint32_t arcb_size;
	uint32_t measurement_size;
	uint32_t additional_size; /* in: the room; out: what is used of it */
	uint16_t user_data_size;
	uint16_t reserved; /* zero */
};

_Static_assert(sizeof(struct uv_control) == 0x40, "struct uvio_ioctl_cb");
_Static_assert(offsetof(struct uv_control, code) == 0x4, "uv_rc");
_Static_assert(offsetof(struct uv_control, reason) == 0x6, "uv_rrc");
_Static_assert(offsetof(struct uv_control, argument) == 0x8, "argument_addr");
_Static_assert(offsetof(struct uv_control, argument_size) == 0x10, "argument_len");
_Static_assert(offsetof(struct uv_control, reserved) == 0x14, "reserved14");
_Static_assert(sizeof(struct uv_attest) == 0x138, "struct uvio_attest");
_Static_assert(offsetof(struct uv_attest, measurement) == 0x8, "meas_addr");
_Static_assert(offsetof(struct uv_attest, additional) == 0x10, "add_data_addr");
_Static_assert(offsetof(struct uv_attest, user_data) == 0x18, "user_data");
_Static_assert(offsetof(struct uv_attest, config_uid) == 0x118, "config_uid");
_Static_assert(offsetof(struct uv_attest, arcb_size) == 0x128, "arcb_len");
_Static_assert(offsetof(struct uv_attest, measurement_size) == 0x12c, "meas_len");
_Static_assert(offsetof(struct uv_attest, additional_size) == 0x130, "add_data_len");
_Static_assert(offsetof(struct uv_attest, user_data_size) == 0x134, "user_data_len");
_Static_assert(offsetof(struct uv_attest, reserved) == 0x136, "reserved136");

/* One call. It points into itself, so it must not be copied. */
struct se_call {
	struct uv_control control;
	struct uv_attest attest;
};

/* Ask for what @request wants, about @answer's user data and into its buffers, all borrowed. */
void se_call_encode(const struct se_request *request, const struct se_answer *answer,
		    struct se_call *ret);
/*
 * Check what came back, and complete @answer by it. -EKEYREJECTED: the ultravisor refused;
 * -EOPNOTSUPP: it cannot attest; -EBADMSG: the answer is not one to this call.
 */
int se_call_decode(const struct se_request *request, const struct se_call *call,
		   struct se_answer *answer);

#endif
