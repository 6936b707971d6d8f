/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#ifndef CVMROOT_TESTS_UNIT_LUKS_PUBLISHED_H
#define CVMROOT_TESTS_UNIT_LUKS_PUBLISHED_H

#include <stdbool.h>
#include <stddef.h>

/*
 * cryptsetup's test images below CVMROOT_VECTORS/cryptsetup, and what is wrong with each, done to a
 * header of ours: by its own shape alone no published image is one of ours, so a refusal of the
 * image itself says little. What upstream refuses stands in EXPECTED.tsv of the images that were
 * generated; of the others the installed cryptsetup is asked.
 */
#define GENERATED "luks2-images-generated/luks2-"
#define ALONE	  "tests/"
#define MDA	  ALONE "luks2_mda_images:test_image_"

/* A value of the JSON text. */
struct published_json {
	const char *image; /* ".xz" goes behind it; ARCHIVE:MEMBER is a file of ARCHIVE.tar.xz */
	const char *from;  /* where it stands in the image; NULL: where it goes to */
	const char *to;
	const char *value; /* NULL: the image's, and where that has none it is removed */
	const char *reason;
};

static const struct published_json published_json[] = {
	{GENERATED "correct-full-json0.img", NULL, "config/config_key", "\"X\"",
	 "its config has a member missing, mistyped or not known"},
	{GENERATED "argon2-leftover-params.img", "keyslots/1/kdf", "keyslots/0/kdf", NULL,
	 "keyslot 0 has a member that is not known"},
	{GENERATED "pbkdf2-leftover-params-0.img", "keyslots/2/kdf", "keyslots/0/kdf", NULL,
	 "keyslot 0 has a member that is not known"},
	{GENERATED "pbkdf2-leftover-params-1.img", "keyslots/2/kdf", "keyslots/0/kdf", NULL,
	 "keyslot 0 has a member that is not known"},
	/* The first area of ours is at 32768 and is 258048 bytes long. */
	{GENERATED "overlapping-areas-c0-json0.img", NULL, "keyslots/1/area/offset", "\"32768\"",
	 "overlaps that of keyslot 0"},
	{GENERATED "overlapping-areas-c1-json0.img", NULL, "keyslots/1/area/offset", "\"36864\"",
	 "overlaps that of keyslot 0"},
	{GENERATED "overlapping-areas-c2-json0.img", NULL, "keyslots/1/area/offset", "\"286720\"",
	 "overlaps that of keyslot 0"},
	{GENERATED "area-in-json-hdr-space-json0.img", NULL, "keyslots/0/area/offset", NULL,
	 "keyslot 0 has an area outside of the keyslots area"},
	{GENERATED "missing-keyslot-referenced-in-digest.img", NULL, "digests/0/keyslots", NULL,
	 "digest 0 is not bound to every keyslot"},
	{GENERATED "missing-segment-referenced-in-digest.img", NULL, "digests/0/segments", NULL,
	 "digest 0 is not bound to every keyslot"},
	{GENERATED "missing-keyslot-referenced-in-token.img", "tokens/0/keyslots",
	 "tokens/1/keyslots", NULL, "token 1 names a keyslot that does not exist"},
	{GENERATED "keyslot-missing-digest.img", NULL, "digests/0/keyslots", "[\"1\"]",
	 "digest 0 is not bound to every keyslot"},
	{GENERATED "keyslot-too-many-digests.img", NULL, "digests/1", NULL,
	 "does not have exactly one digest"},
	{GENERATED "uint64-max-segment-size.img", NULL, "segments/0/size", NULL,
	 "segment 0 is not everything from 16 MiB"},
	{GENERATED "uint64-overflow-segment-size.img", NULL, "segments/0/size", NULL,
	 "segment 0 is not everything from 16 MiB"},
	{GENERATED "uint64-signed-segment-size.img", NULL, "segments/0/size", NULL,
	 "segment 0 is not everything from 16 MiB"},
	{GENERATED "segment-missing-type.img", NULL, "segments/0/type", NULL,
	 "segment 0 has no \"type\""},
	{GENERATED "segment-wrong-type.img", NULL, "segments/0/type", NULL,
	 "segment 0 has a \"type\" of the wrong type"},
	{GENERATED "segment-missing-offset.img", NULL, "segments/0/offset", NULL,
	 "segment 0 has no \"offset\""},
	{GENERATED "segment-wrong-offset.img", NULL, "segments/0/offset", NULL,
	 "segment 0 is not everything from 16 MiB"},
	{GENERATED "segment-missing-size.img", NULL, "segments/0/size", NULL,
	 "segment 0 has no \"size\""},
	{GENERATED "segment-wrong-size-0.img", NULL, "segments/0/size", NULL,
	 "segment 0 has a \"size\" of the wrong type"},
	{GENERATED "segment-wrong-size-1.img", NULL, "segments/0/size", NULL,
	 "segment 0 is not everything from 16 MiB"},
	{GENERATED "segment-wrong-size-2.img", NULL, "segments/0/size", NULL,
	 "segment 0 is not everything from 16 MiB"},
	{GENERATED "segment-crypt-missing-encryption.img", NULL, "segments/0/encryption", NULL,
	 "segment 0 has no \"encryption\""},
	{GENERATED "segment-crypt-wrong-encryption.img", NULL, "segments/0/encryption", NULL,
	 "segment 0 has a \"encryption\" of the wrong type"},
	{GENERATED "segment-crypt-empty-encryption.img", NULL, "segments/0/encryption", NULL,
	 "segment 0 is not encrypted with aes-xts-plain64"},
	{GENERATED "segment-crypt-missing-ivoffset.img", NULL, "segments/0/iv_tweak", NULL,
	 "segment 0 has no \"iv_tweak\""},
	{GENERATED "segment-crypt-wrong-ivoffset.img", NULL, "segments/0/iv_tweak", NULL,
	 "segment 0 does not count its sectors from zero"},
	{GENERATED "segment-crypt-missing-sectorsize.img", NULL, "segments/0/sector_size", NULL,
	 "segment 0 has no \"sector_size\""},
	{GENERATED "segment-crypt-wrong-sectorsize-0.img", NULL, "segments/0/sector_size", NULL,
	 "segment 0 has a sector size other than"},
	{GENERATED "segment-crypt-wrong-sectorsize-1.img", NULL, "segments/0/sector_size", NULL,
	 "segment 0 has a \"sector_size\" of the wrong type"},
	{GENERATED "segment-crypt-wrong-sectorsize-2.img", NULL, "segments/0/sector_size", NULL,
	 "segment 0 has a sector size other than"},
	{GENERATED "segment-unknown-type.img", NULL, "segments/0/type", NULL,
	 "segment 0 is not encrypted with aes-xts-plain64"},
	{GENERATED "segment-two.img", NULL, "segments/1", NULL,
	 "does not have exactly one segment"},
	{GENERATED "segment-wrong-flags.img", NULL, "segments/0/flags", NULL,
	 "segment 0 has a member that is not known"},
	{GENERATED "segment-wrong-flags-element.img", NULL, "segments/0/flags", NULL,
	 "segment 0 has a member that is not known"},
	{GENERATED "segment-wrong-backup-key-0.img", NULL, "segments/2", NULL,
	 "does not have exactly one segment"},
	{GENERATED "segment-wrong-backup-key-1.img", NULL, "segments/1", NULL,
	 "does not have exactly one segment"},
	{GENERATED "invalid-keyslots-size-c0.img", NULL, "config/keyslots_size", NULL,
	 "metadata and keyslots do not end at 8 MiB"},
	{GENERATED "invalid-keyslots-size-c1.img", NULL, "config/keyslots_size", NULL,
	 "metadata and keyslots do not end at 8 MiB"},
	{GENERATED "invalid-keyslots-size-c2.img", NULL, "config/keyslots_size", NULL,
	 "metadata and keyslots do not end at 8 MiB"},
	{GENERATED "invalid-json-size-c0.img", NULL, "config/json_size", NULL,
	 "metadata and keyslots do not end at 8 MiB"},
	{GENERATED "invalid-json-size-c1.img", NULL, "config/json_size", NULL,
	 "metadata and keyslots do not end at 8 MiB"},
	/* The last byte before ours, and one block behind the last that fits. */
	{GENERATED "metadata-size-64k-inv-area-c0.img", NULL, "keyslots/0/area/offset", "\"28672\"",
	 "keyslot 0 has an area outside of the keyslots area"},
	{GENERATED "metadata-size-64k-inv-area-c1.img", NULL, "keyslots/0/area/offset",
	 "\"8134656\"", "keyslot 0 has an area outside of the keyslots area"},
	{GENERATED "metadata-size-64k-inv-keyslots-size-c0.img", NULL, "config/keyslots_size",
	 "\"16748544\"", "metadata and keyslots do not end at 8 MiB"},
	{GENERATED "invalid-tokens.img", NULL, "tokens", NULL, "has a section missing, mistyped"},
	{GENERATED "invalid-top-objects.img", NULL, "keyslots", NULL,
	 "has a section missing, mistyped"},
	{GENERATED "keyslot-invalid-area.img", NULL, "keyslots/0/area", NULL,
	 "keyslot 0 has a \"area\" of the wrong type"},
	{GENERATED "keyslot-invalid-area-size.img", NULL, "keyslots/0/area/size", NULL,
	 "keyslot 0 has an area of another size"},
	{GENERATED "keyslot-invalid-objects.img", NULL, "keyslots/0/kdf", NULL,
	 "keyslot 0 has a \"kdf\" of the wrong type"},
	{GENERATED "keyslot-invalid-af.img", NULL, "keyslots/0/af/type", NULL,
	 "keyslot 0 has a \"type\" of the wrong type"},
	{GENERATED "non-compact-json-token-0.img", "tokens/0", "tokens/3", NULL,
	 "token 3 is of a type that is not known"},
	{GENERATED "non-compact-json-4k-token-0.img", "tokens/0", "tokens/3", NULL,
	 "token 3 is of a type that is not known"},
	{ALONE "luks2_header_requirements:luks2_header_requirements", NULL, "config/requirements",
	 NULL, "has requirements"},
	{ALONE "luks2_invalid_cipher.img", NULL, "segments/0/encryption", NULL,
	 "segment 0 is not encrypted with aes-xts-plain64"},
	{ALONE "luks2_keyslot_unassigned.img", NULL, "digests/0/keyslots", NULL,
	 "digest 0 is not bound to every keyslot"},
	/* Nothing is wrong with these, but for their having been made by another program. */
	{ALONE "luks2_header_requirements:luks2_header_requirements_free", NULL, "tokens", NULL,
	 "token 0 is of a type that is not known"},
	{ALONE "luks2_valid_hdr.img", NULL, "tokens", NULL, "it has no token of cvmroot"},
	{ALONE "compatimage2.img", NULL, "tokens", NULL, "it has no token of cvmroot"},
	{MDA "16", NULL, "tokens", NULL, "it has no token of cvmroot"},
};

/* Bytes of one copy or of both. */
struct published_bytes {
	const char *image;
	unsigned int copies; /* bit 0: primary, bit 1: secondary */
	bool fix;	     /* the checksum is made right again */
	size_t offset;
	const char *bytes;
	size_t size;
	const char *reason;
};

/* Of the binary header: magic, version, and the size of header and JSON text. */
#define MAGIC	0
#define VERSION 6
#define SIZE	8
/* The primary's magic is overwritten, as by a tool that makes something else of the disk. */
#define SECONDARY(image)                                                                           \
	{                                                                                          \
		image, 1, false, MAGIC, "VACUUM", 6, "its primary copy has no magic"               \
	}
#define LARGE(image, bytes)                                                                        \
	{                                                                                          \
		image, 3, true, SIZE, "\0\0\0\0" bytes, 8, "is not 16 KiB long"                    \
	}
#define LUKS1(image)                                                                               \
	{                                                                                          \
		image, 3, true, VERSION, "\0\1", 2, "is not of version 2"                          \
	}

static const struct published_bytes published_bytes[] = {
	{GENERATED "invalid-checksum-hdr0.img", 1, false, 448, "wrong", 5,
	 "primary copy has a wrong checksum"},
	{GENERATED "invalid-checksum-hdr1.img", 2, false, 448, "wrong", 5,
	 "secondary copy has a wrong checksum"},
	{GENERATED "invalid-checksum-both-hdrs.img", 3, false, 448, "wrong", 5, "a wrong checksum"},
	/* JSON_OFFSET */
	{GENERATED "corrupted-hdr0-with-correct-chks.img", 1, true, 4096, "\"", 1, "copies differ"},
	{GENERATED "corrupted-hdr1-with-correct-chks.img", 2, true, 4096, "\"", 1, "copies differ"},
	{GENERATED "invalid-opening-char-json0.img", 3, true, 4096, " ", 1,
	 "its JSON text is malformed"},
	{GENERATED "invalid-object-type-json0.img", 3, true, 4096, "[", 1,
	 "its JSON text is malformed"},
	{GENERATED "non-null-bytes-beyond-json0.img", 3, true, METADATA_SIZE - 3, "XX", 2,
	 "has bytes behind its JSON text"},
	LARGE(GENERATED "invalid-json-size-c2.img", "\0\0\x80\0"),
	LARGE(GENERATED "metadata-size-32k.img", "\0\0\x80\0"),
	LARGE(GENERATED "metadata-size-64k.img", "\0\1\0\0"),
	LARGE(GENERATED "metadata-size-128k.img", "\0\2\0\0"),
	LARGE(GENERATED "metadata-size-256k.img", "\0\4\0\0"),
	LARGE(GENERATED "metadata-size-512k.img", "\0\x8\0\0"),
	LARGE(GENERATED "metadata-size-1m.img", "\0\x10\0\0"),
	LARGE(GENERATED "metadata-size-2m.img", "\0\x20\0\0"),
	LARGE(GENERATED "metadata-size-4m.img", "\0\x40\0\0"),
	LARGE(GENERATED "metadata-size-invalid.img", "\x80\0\0\0"),
	SECONDARY(GENERATED "metadata-size-16k-secondary.img"),
	SECONDARY(GENERATED "metadata-size-32k-secondary.img"),
	SECONDARY(GENERATED "metadata-size-64k-secondary.img"),
	SECONDARY(GENERATED "metadata-size-128k-secondary.img"),
	SECONDARY(GENERATED "metadata-size-256k-secondary.img"),
	SECONDARY(GENERATED "metadata-size-512k-secondary.img"),
	SECONDARY(GENERATED "metadata-size-1m-secondary.img"),
	SECONDARY(GENERATED "metadata-size-2m-secondary.img"),
	SECONDARY(GENERATED "metadata-size-4m-secondary.img"),
	SECONDARY(GENERATED "metadata-size-invalid-secondary.img"),
	/* LVM's label and zeros over the beginning. */
	{ALONE "blkid-luks2-pv.img", 1, false, MAGIC, "\0\0\0\0\0\0", 6,
	 "its primary copy has no magic"},
	LARGE(MDA "32", "\0\0\x80\0"),
	LARGE(MDA "64", "\0\1\0\0"),
	LARGE(MDA "128", "\0\2\0\0"),
	LARGE(MDA "256", "\0\4\0\0"),
	LARGE(MDA "512", "\0\x8\0\0"),
	LARGE(MDA "1024", "\0\x10\0\0"),
	LARGE(MDA "2048", "\0\x20\0\0"),
	LARGE(MDA "4096", "\0\x40\0\0"),
	LUKS1(ALONE "valid_header_file"),
	LUKS1(ALONE "evil_hdr-keyslot_overlap"),
	LUKS1(ALONE "evil_hdr-luks_hdr_damage"),
	LUKS1(ALONE "evil_hdr-payload_overwrite"),
	LUKS1(ALONE "evil_hdr-small_luks_device"),
	LUKS1(ALONE "evil_hdr-stripes_payload_dmg"),
};

/* Bytes right behind the JSON text, up to so many. */
struct published_behind {
	const char *image;
	size_t count;
	const char *reason;
};

static const struct published_behind published_behind[] = {
	{GENERATED "non-null-byte-beyond-json0.img", 1, "its JSON text is malformed"},
	{GENERATED "missing-trailing-null-byte-json0.img", METADATA_SIZE,
	 "has bytes behind its JSON text"},
};

#endif
