/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/state.h"

#include "base/error.h"

#define FS    (1U << FOUND_FILESYSTEM)
#define LUKS  (1U << FOUND_LUKS)
#define OTHER (1U << FOUND_OTHER)

#define NO_TAIL (1U << 0)
#define TAIL	(1U << 1)

#define PROVISION_AGAIN                                                                            \
	"to provision this machine again from the image, give it a new vTPM (or run \"cvmroot "    \
	"reset\" before its disk is replaced)"
#define NEW_TPM                                                                                    \
	"the vTPM is new or was reset, or the disk is another machine's; bring the vTPM's state "  \
	"back, or start again from the image"

/*
 * The state machine of cvmroot boot: the first row that fits. What is remembered decides; what is
 * found on the disk only has to fit, and a disk that does not is refused, never formatted.
 *
 * "Nothing, file system, tail" is a cut before the record was written: the plaintext is untouched.
 * "Converting, any, tail" includes a cut while the header went to the front, which may then look
 * like anything. "Converting, LUKS, no tail" is a cut between the wipe of the tail and the record.
 *
 * "Elsewhere" has no record to tell a pristine image from one that was put back, and may have no
 * register to measure which it was: a broker sees another LUKS UUID, if the resource names it (%u),
 * and nothing else. Its secret authenticates header and progress all the same, and the manifest the
 * image.
 */
static const struct {
	enum remembered remembered;
	unsigned int found;
	unsigned int tail;
	enum boot_action action;
	int error;
	const char *sentence; /* goes behind the name of the device */
} table[] = {
	{REMEMBERED_NOTHING, FS, TAIL | NO_TAIL, ACTION_FRESH, 0, NULL},
	{REMEMBERED_NOTHING, LUKS, TAIL | NO_TAIL, ACTION_REFUSE, -ESTALE,
	 "already encrypted, but this machine's TPM has no record of it: " NEW_TPM},
	{REMEMBERED_NOTHING, OTHER, TAIL, ACTION_REFUSE, -ESTALE,
	 "holds an unfinished conversion, but this machine's TPM has no record of it: " NEW_TPM},
	{REMEMBERED_NOTHING, OTHER, NO_TAIL, ACTION_REFUSE, -EMEDIUMTYPE,
	 "does not hold the file system that the manifest describes: the image was changed after "
	 "it was baked, or this is another disk"},

	{REMEMBERED_CONVERTING, FS | LUKS | OTHER, TAIL, ACTION_RESUME, 0, NULL},
	{REMEMBERED_CONVERTING, LUKS, NO_TAIL, ACTION_FINISH, 0, NULL},
	{REMEMBERED_CONVERTING, FS | OTHER, NO_TAIL, ACTION_REFUSE, -ESTALE,
	 "shows no trace of the encryption that the TPM remembers to have begun: the disk was replaced "
	 "or reset; " PROVISION_AGAIN},

	{REMEMBERED_DONE, LUKS, TAIL | NO_TAIL, ACTION_REOPEN, 0, NULL},
	{REMEMBERED_DONE, FS, TAIL | NO_TAIL, ACTION_REFUSE, -ESTALE,
	 "holds a plain file system, but the TPM remembers that the root was encrypted: the disk was "
	 "replaced or reset to the image; " PROVISION_AGAIN},
	{REMEMBERED_DONE, OTHER, TAIL | NO_TAIL, ACTION_REFUSE, -ESTALE,
	 "holds no LUKS2 header, but the TPM remembers that the root was encrypted: the disk was "
	 "replaced or damaged"},

	{REMEMBERED_ELSEWHERE, FS, NO_TAIL, ACTION_FRESH, 0, NULL},
	{REMEMBERED_ELSEWHERE, FS | LUKS | OTHER, TAIL, ACTION_RESUME, 0, NULL},
	{REMEMBERED_ELSEWHERE, LUKS, NO_TAIL, ACTION_REOPEN, 0, NULL},
	{REMEMBERED_ELSEWHERE, OTHER, NO_TAIL, ACTION_REFUSE, -EMEDIUMTYPE,
	 "holds neither the file system that the manifest describes nor a LUKS2 header: the image was "
	 "changed after it was baked, or this is another disk"},
};

int boot_decide(enum remembered remembered, enum found found, bool tail, const char *device,
		enum boot_action *ret)
{
	unsigned int tail_bit = tail ? TAIL : NO_TAIL;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].remembered != remembered || !(table[i].found & 1U << found) ||
		    !(table[i].tail & tail_bit))
			continue;
		if (table[i].action == ACTION_REFUSE)
			return fail(table[i].error, "%s: %s", device, table[i].sentence);
		*ret = table[i].action;
		return 0;
	}
	return fail(-EINVAL, "%s: its state is not in the table of states", device);
}
