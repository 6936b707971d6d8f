/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_EVENTLOG_EVENTLOG_H
#define CVMROOT_EVENTLOG_EVENTLOG_H

#include "crypto/hash.h"

/*
 * Event logs: what firmware, systemd, CoCo's attestation agent and cvmroot say was extended into
 * the registers of a machine, and what that replays to. Everything here is pure.
 */

enum eventlog_kind {
	EVENTLOG_PCR,  /* registers of a TPM, 0 to 23 */
	EVENTLOG_RTMR, /* of Intel TDX, 0 to 3; the logs call them CC MR 1 to 4 */
};
#define EVENTLOG_REGISTERS    24
#define EVENTLOG_LIMIT	      (4 * MIB) /* bytes of one log, with its padding */
#define EVENTLOG_EVENTS_MAX   16384	/* of all logs together */
#define EVENTLOG_EV_NO_ACTION 3		/* extends nothing */

enum eventlog_source {
	EVENTLOG_FIRMWARE, /* TCG2 or CCEL */
	EVENTLOG_AGENT,	   /* AAEL */
	EVENTLOG_USER,	   /* systemd's text sequence, and cvmroot's records in it */
};

struct eventlog_event {
	enum eventlog_kind kind;
	enum eventlog_source source;
	unsigned int index;    /* of the register; of an EV_NO_ACTION whatever the log says */
	uint32_t type;	       /* of firmware and agent: EV_... */
	const char *user_type; /* of user space: "volume-key"; NULL: none. Borrowed from the log */
	uint32_t banks;	       /* mask of 1 << HASH_...; digests of other algorithms are dropped */
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE];
	const uint8_t *data; /* event data, or the text of user space; borrowed from the log */
	size_t data_size;
	uint64_t offset; /* of the event in its log, for people */
	/* Of user space: what the record says besides, as it stands; NULL: nothing. Borrowed. */
	struct json_t *content;
};

struct eventlog;
int eventlog_new(struct eventlog **ret);
void eventlog_free(struct eventlog *log);
DEFINE_CLEANUP(struct eventlog *, eventlog_free)

/*
 * Append the events of one log; the bytes are copied. Add them in the order in which they were
 * extended: firmware first. -EBADMSG with a sentence that names the byte when the log is malformed
 * or ends within an event: the events before it are then in the list. -E2BIG.
 *
 * Firmware's (TCG PC Client Platform Firmware Profile, "Crypto Agile Log" and the older SHA-1 form;
 * UEFI: EFI_CC_EVENT_LOG): padding of 0xff or 0x00 ends it.
 */
int eventlog_add_firmware(struct eventlog *log, enum eventlog_kind kind, const void *data,
			  size_t size);
/*
 * The agent's: entries of the same form without a header, for RTMRs; those without SHA-384 are for
 * the PCRs of a vTPM.
 */
int eventlog_add_agent(struct eventlog *log, const void *data, size_t size);
#define EVENTLOG_SEPARATOR '\x1e' /* begins each record of the following */
/* systemd's: a JSON text sequence (RFC 7464). Records about NV indices are passed over. */
int eventlog_add_user(struct eventlog *log, const void *data, size_t size);
/*
 * A log of which only the bytes are there: of user space by its first byte; else the agent's when it
 * begins with an event by its tag; else RTMRs' when no event has another digest than SHA-384, and no
 * other register is named; else PCRs', by its header. One without a header must have known types of
 * events and nothing else, to its last byte. -ENOMSG, without a sentence: it is none of these.
 */
int eventlog_add_any(struct eventlog *log, const void *data, size_t size);

size_t eventlog_count(const struct eventlog *log);
const struct eventlog_event *eventlog_at(const struct eventlog *log, size_t number);

/* What the registers of one kind hold in one bank after events. */
struct eventlog_registers {
	enum eventlog_kind kind;
	enum hash_algorithm bank;
	uint32_t touched; /* mask: something was extended */
	uint32_t unknown; /* mask: an event has no digest of this bank, so nothing can be said */
	uint8_t values[EVENTLOG_REGISTERS][HASH_MAX_SIZE];
};
/* Replay the first @count events (SIZE_MAX: all). PCR 0 begins by the log's StartupLocality; PCR 17
 * to 22 begin at all ones. */
int eventlog_replay(const struct eventlog *log, enum eventlog_kind kind, enum hash_algorithm bank,
		    size_t count, struct eventlog_registers *ret);

/* How a register of the machine stands to the log. */
enum eventlog_verdict {
	EVENTLOG_AGREES,
	EVENTLOG_AHEAD,	  /* the log goes on: the register has the events before @first only */
	EVENTLOG_DIFFERS, /* no beginning of the log leads there */
	EVENTLOG_UNKNOWN, /* an event has no digest of this bank */
};
struct eventlog_comparison {
	enum eventlog_verdict verdict;
	size_t first; /* AHEAD: number of the first event that the register lacks. DIFFERS: of the
		       * first whose data does not hash to its digest, or SIZE_MAX */
};
int eventlog_compare(const struct eventlog *log, enum eventlog_kind kind, enum hash_algorithm bank,
		     unsigned int index, const uint8_t *value, struct eventlog_comparison *ret);

/*
 * Does the digest follow from the data? true also where the form of the event does not say how it
 * would (a hash of a program, an HMAC).
 */
bool eventlog_event_is_sound(const struct eventlog_event *event);
/* "EV_SEPARATOR", "0x...": of firmware and agent. @buffer for the second form. */
const char *eventlog_type_name(uint32_t type, char buffer[static 11]);
/* One line for people: what was measured, printable; "" when nothing can be said. NUL-terminated,
 * cut to @size. */
void eventlog_describe(const struct eventlog_event *event, char *ret, size_t size);

#endif
