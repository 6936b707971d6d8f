/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, which makes fail() a macro. */
#include "base/error.h"
#include "crypto/volume_key.h"

#include "unit.h"

#include "base/file.h"
#include "base/json.h"
#include "disk/luks/format.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NAME	       "root"
#define EPOCH	       7
#define METADATA_SIZE  16384
#define AREA_SIZE      258048 /* of each of the two keyslots */
#define JSON_OFFSET    4096
#define CHECKSUM_START 448
#define CHECKSUM_SIZE  64

#include "luks_published.h"

#define PASSPHRASE_0 "Zmlyc3QgcGFzc3BocmFzZSB3aXRoIDI1NiBiaXRzIC4uLg=="
#define PASSPHRASE_1 "the second passphrase"
#define PASSPHRASE_2 "added by the owner"

struct made {
	struct luks_facts facts;
	struct secret *volume_key;
	struct secret *passphrases[2];
	uint8_t *data;
	size_t size;
};

/* Made once; the tests work on copies. */
static struct made made;
static char scratch[] = "/tmp/cvmroot-test-XXXXXX";

static void must(int r)
{
	if (r < 0)
		fail_msg("%s", fail_sentence(r));
}

static void make(struct made *to, uint32_t sector_size)
{
	cleanup(json_decrefp) json_t *recovery = json_pack("{s:s}", "type", "systemd-recovery");
	struct luks_slot slots[2];

	to->facts = (struct luks_facts){
		.data_offset = LUKS_DATA_OFFSET, .sector_size = sector_size, .epoch = EPOCH};
	must(random_bytes(to->facts.uuid, UUID_SIZE));
	must(secret_random(LUKS_VOLUME_KEY_SIZE, &to->volume_key));
	must(secret_copy(PASSPHRASE_0, strlen(PASSPHRASE_0), &to->passphrases[0]));
	must(secret_copy(PASSPHRASE_1, strlen(PASSPHRASE_1), &to->passphrases[1]));
	must(volume_key_digest(HASH_SHA256, to->volume_key, NAME, to->facts.uuid,
			       to->facts.fingerprint));
	slots[0] = (struct luks_slot){.passphrase = to->passphrases[0]};
	slots[1] = (struct luks_slot){.passphrase = to->passphrases[1], .token = recovery};
	must(luks_header_make(&to->facts, to->volume_key, slots, 2, &to->data, &to->size));
}

static void made_done(struct made *what)
{
	secret_free(what->volume_key);
	secret_free(what->passphrases[0]);
	secret_free(what->passphrases[1]);
	free(what->data);
}

static int set_up(void **state)
{
	(void)state;
	make(&made, 4096);
	return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	made_done(&made);
	return rmdir(scratch);
}

static uint8_t *copy_of_made(void)
{
	uint8_t *copy = malloc(made.size);

	assert_non_null(copy);
	memcpy(copy, made.data, made.size);
	return copy;
}

/* As LUKS2 says: SHA-256 over the 16 KiB with the checksum field zeroed. */
static void fix_checksum(uint8_t *copy)
{
	memset(copy + CHECKSUM_START, 0, CHECKSUM_SIZE);
	must(hash_data(HASH_SHA256, copy, METADATA_SIZE, copy + CHECKSUM_START));
}

static void put_json_text(uint8_t *data, const char *text)
{
	for (size_t i = 0; i < 2; i++) {
		uint8_t *copy = data + i * METADATA_SIZE;

		assert_true(strlen(text) < METADATA_SIZE - JSON_OFFSET);
		memset(copy + JSON_OFFSET, 0, METADATA_SIZE - JSON_OFFSET);
		memcpy(copy + JSON_OFFSET, text, strlen(text));
		fix_checksum(copy);
	}
}

static json_t *parsed(const uint8_t *data)
{
	json_t *json = json_loads((const char *)data + JSON_OFFSET, 0, NULL);

	assert_non_null(json);
	return json;
}

static void put_json(uint8_t *data, json_t *json)
{
	cleanup(freep) char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	put_json_text(data, text);
}

/* Set the member at "a/b/c" to the JSON @value, or remove it when that is NULL. */
static void edit(json_t *json, const char *path, const char *value)
{
	cleanup(freep) char *copy = strdup(path);
	char *rest = copy, *name = strsep(&rest, "/");

	for (; rest; name = strsep(&rest, "/")) {
		json = json_object_get(json, name);
		assert_non_null(json);
	}
	if (value)
		assert_int_equal(json_object_set_new(json, name,
						     json_loads(value, JSON_DECODE_ANY, NULL)),
				 0);
	else
		assert_int_equal(json_object_del(json, name), 0);
}

/* The check's verdict on a copy of these bytes, of exactly that size for the sanitizer's sake. */
static int verdict(const uint8_t *data)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;

	fail_clear();
	return luks_header_check(data, LUKS_HEADER_SIZE, &header);
}

static void expect_refused(const char *what, const uint8_t *data, const char *reason)
{
	int r = verdict(data);

	if (r != -EBADMSG || !strstr(fail_sentence(r), reason))
		fail_msg("%s: expected a refusal with \"%s\", got %d, \"%s\"", what, reason, r,
			 fail_sentence(r));
}

static void expect_accepted(const char *what, const uint8_t *data)
{
	int r = verdict(data);

	if (r != 0)
		fail_msg("%s: refused with %d, \"%s\"", what, r, fail_sentence(r));
}

static void made_header_is_accepted(void **state)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	const struct luks_facts *facts;
	size_t cursor = 0;
	int slot = -1;
	json_t *token;

	(void)state;
	assert_int_equal(made.size, LUKS_HEADER_SIZE);
	must(luks_header_check(made.data, made.size, &header));
	facts = luks_header_facts(header);
	assert_memory_equal(facts->uuid, made.facts.uuid, UUID_SIZE);
	assert_int_equal(facts->data_offset, 16 * MIB);
	assert_int_equal(facts->sector_size, 4096);
	assert_int_equal(facts->epoch, EPOCH);

	token = luks_header_token(header, "systemd-recovery", &cursor, &slot);
	assert_non_null(token);
	assert_int_equal(slot, 1);
	assert_null(luks_header_token(header, "systemd-recovery", &cursor, &slot));
	cursor = 0;
	for (int expected = 0; expected < 2; expected++) {
		assert_non_null(luks_header_token(header, LUKS_TOKEN_TYPE, &cursor, &slot));
		assert_int_equal(slot, expected);
	}
	assert_null(luks_header_token(header, LUKS_TOKEN_TYPE, &cursor, &slot));
	cursor = 0;
	assert_null(luks_header_token(header, "systemd-tpm2", &cursor, &slot));
}

static int unlock(const uint8_t *data, int slot, const struct secret *passphrase,
		  struct luks_facts *ret_facts, struct secret **ret_key)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;

	must(luks_header_check(data, LUKS_HEADER_SIZE, &header));
	return luks_header_unlock(header, slot, passphrase, NAME, ret_facts, ret_key);
}

static void each_slot_unlocks(void **state)
{
	(void)state;
	for (int slot = 0; slot < 2; slot++) {
		cleanup(secret_freep) struct secret *key = NULL;
		struct luks_facts facts;

		must(unlock(made.data, slot, made.passphrases[slot], &facts, &key));
		assert_true(secret_equal(key, made.volume_key));
		assert_memory_equal(facts.uuid, made.facts.uuid, UUID_SIZE);
		assert_memory_equal(facts.fingerprint, made.facts.fingerprint, HASH_SHA256_SIZE);
		assert_int_equal(facts.epoch, EPOCH);
		assert_int_equal(facts.sector_size, 4096);
		assert_int_equal(facts.data_offset, 16 * MIB);
	}
}

static void small_sectors_work(void **state)
{
	cleanup(made_done) struct made small = {};
	cleanup(secret_freep) struct secret *key = NULL;
	struct luks_facts facts;

	(void)state;
	make(&small, 512);
	must(unlock(small.data, 0, small.passphrases[0], &facts, &key));
	assert_int_equal(facts.sector_size, 512);
}

static void expect_rejected(const uint8_t *data, int slot, const struct secret *passphrase,
			    const char *reason)
{
	struct luks_facts facts = {.epoch = 99};
	struct secret *key = NULL;
	int r = unlock(data, slot, passphrase, &facts, &key);

	assert_int_equal(r, -EKEYREJECTED);
	if (!strstr(fail_sentence(r), reason))
		fail_msg("expected \"%s\", got \"%s\"", reason, fail_sentence(r));
	assert_null(key);
	assert_int_equal(facts.epoch, 99);
}

static void wrong_passphrase_is_refused(void **state)
{
	(void)state;
	expect_rejected(made.data, 0, made.passphrases[1], "does not open keyslot 0");
	expect_rejected(made.data, 1, made.passphrases[0], "does not open keyslot 1");
	expect_rejected(made.data, 2, made.passphrases[0], "has no keyslot 2");
	expect_rejected(made.data, -1, made.passphrases[0], "has no keyslot -1");
	expect_rejected(made.data, 32, made.passphrases[0], "has no keyslot 32");
}

static void swap_members(json_t *object, const char *a, const char *b)
{
	cleanup(json_decrefp) json_t *first = json_incref(json_object_get(object, a));

	assert_non_null(first);
	assert_int_equal(json_object_set(object, a, json_object_get(object, b)), 0);
	assert_int_equal(json_object_set(object, b, first), 0);
}

/* Everything that the MAC covers, changed one at a time in a header that passes the check. */
static void changed_facts_break_the_mac(void **state)
{
	static const char *const edits[][2] = {
		{"tokens/2/epoch", "\"8\""},
		{"segments/0/sector_size", "512"},
		{"tokens/2/macs/0", "\"00000000000000000000000000000000"
				    "00000000000000000000000000000000\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		cleanup(freep) uint8_t *data = copy_of_made();
		cleanup(json_decrefp) json_t *json = parsed(data);

		edit(json, edits[i][0], edits[i][1]);
		put_json(data, json);
		expect_accepted(edits[i][0], data);
		expect_rejected(data, 0, made.passphrases[0], "MAC of keyslot 0 does not hold");
	}
}

static void changed_uuid_breaks_the_mac(void **state)
{
	cleanup(freep) uint8_t *data = copy_of_made();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t *digit = data + i * METADATA_SIZE + 168;

		*digit = *digit == '0' ? '1' : '0';
		fix_checksum(data + i * METADATA_SIZE);
	}
	expect_rejected(data, 0, made.passphrases[0], "MAC of keyslot 0 does not hold");
}

static void another_mapping_name_breaks_the_mac(void **state)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	struct luks_facts facts;
	struct secret *key = NULL;

	(void)state;
	must(luks_header_check(made.data, made.size, &header));
	assert_int_equal(luks_header_unlock(header, 0, made.passphrases[0], "other", &facts, &key),
			 -EKEYREJECTED);
	assert_null(key);
}

/* Keyslot 1 renumbered to 0 opens with its passphrase, but its MAC names keyslot 1. */
static void swapped_keyslots_are_refused(void **state)
{
	cleanup(freep) uint8_t *data = copy_of_made();
	cleanup(json_decrefp) json_t *json = parsed(data);

	(void)state;
	swap_members(json_object_get(json, "keyslots"), "0", "1");
	put_json(data, json);
	expect_rejected(data, 0, made.passphrases[1], "MAC of keyslot 0 does not hold");
	swap_members(json_object_get(json_object_get(json_object_get(json, "tokens"), "2"), "macs"),
		     "0", "1");
	put_json(data, json);
	expect_rejected(data, 0, made.passphrases[1], "MAC of keyslot 0 does not hold");
}

/* An attacker who knows a slot's passphrase (sealed to a public SRK) makes his own volume key, and
 * keeps our token: attacks 2, 6 and 7. */
static void another_volume_key_is_refused(void **state)
{
	cleanup(made_done) struct made other = {};
	cleanup(json_decrefp) json_t *ours = parsed(made.data);
	cleanup(json_decrefp) json_t *theirs = NULL;

	(void)state;
	make(&other, 4096);
	theirs = parsed(other.data);
	assert_int_equal(json_object_set(theirs, "tokens", json_object_get(ours, "tokens")), 0);
	for (size_t i = 0; i < 2; i++)
		memcpy(other.data + i * METADATA_SIZE + 168, made.data + i * METADATA_SIZE + 168,
		       36);
	put_json(other.data, theirs);
	expect_rejected(other.data, 0, other.passphrases[0], "MAC of keyslot 0 does not hold");
}

static void slot_without_a_mac_is_refused(void **state)
{
	cleanup(freep) uint8_t *data = copy_of_made();
	cleanup(json_decrefp) json_t *json = parsed(data);

	(void)state;
	edit(json, "tokens/2/keyslots", "[\"0\"]");
	put_json(data, json);
	expect_accepted("a MAC too many", data);
	expect_rejected(data, 1, made.passphrases[1], "holds no MAC");
}

#define PBKDF2(hash, iterations)                                                                   \
	"{\"type\":\"pbkdf2\",\"hash\":\"" hash "\",\"iterations\":" iterations ","                \
	"\"salt\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"
#define ARGON2(type, time, memory, cpus)                                                           \
	"{\"type\":\"" type "\",\"time\":" time ",\"memory\":" memory ",\"cpus\":" cpus ","        \
	"\"salt\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"
#define SEGMENT(type, encryption)                                                                  \
	"{\"type\":\"" type "\",\"offset\":\"16777216\",\"size\":\"dynamic\",\"iv_tweak\":\"0\","  \
	"\"encryption\":\"" encryption "\",\"sector_size\":4096}"
#define TPM2(more)                                                                                   \
	"{\"type\":\"systemd-tpm2\",\"keyslots\":[\"0\"],\"tpm2-blob\":\"AAAA\",\"tpm2-pcrs\":[7],"  \
	"\"tpm2-pcr-bank\":\"sha256\",\"tpm2-primary-alg\":\"ecc\",\"tpm2-policy-hash\":\"00\"" more \
	"}"
#define KBS	 "{\"type\":\"kbs\",\"keyslots\":[]}"
#define MAC_TEXT "\"0000000000000000000000000000000000000000000000000000000000000000\""

/* One defect each: where, what it becomes (NULL: removed), and words of the reason given. */
static const struct {
	const char *path, *value, *reason;
} defects[] = {
	/* Top level. */
	{"extra", "{}", "section missing, mistyped or not known"},
	{"tokens", NULL, "section missing, mistyped or not known"},
	{"keyslots", "[]", "section missing, mistyped or not known"},
	/* Attack 1: what the data is encrypted with. */
	{"segments/0/encryption", "\"cipher_null-ecb\"", "not encrypted with aes-xts-plain64"},
	{"segments/0/encryption", "\"null\"", "not encrypted with aes-xts-plain64"},
	{"segments/0/encryption", "\"\"", "not encrypted with aes-xts-plain64"},
	{"segments/0/encryption", "\"aes-cbc-essiv:sha256\"", "not encrypted with"},
	{"segments/0/encryption", "\"capi:xts(ecb(cipher_null))-plain64\"", "not encrypted with"},
	{"segments/0/encryption", "\"aes-xts-plain64 \"", "not encrypted with"},
	{"segments/0/type", "\"linear\"", "not encrypted with aes-xts-plain64"},
	{"segments/0/type", "\"hw-opal\"", "not encrypted with aes-xts-plain64"},
	{"segments/0/offset", "\"0\"", "everything from 16 MiB"},
	{"segments/0/offset", "\"16781312\"", "everything from 16 MiB"},
	{"segments/0/offset", "16777216", "\"offset\" of the wrong type"},
	{"segments/0/size", "\"1048576\"", "everything from 16 MiB"},
	{"segments/0/iv_tweak", "\"1\"", "does not count its sectors from zero"},
	{"segments/0/iv_tweak", NULL, "has no \"iv_tweak\""},
	{"segments/0/sector_size", "1024", "sector size other than"},
	{"segments/0/sector_size", "4096.0", "\"sector_size\" of the wrong type"},
	{"segments/0/flags", "[\"backup-final\"]", "member that is not known"},
	{"segments/0/integrity", "{}", "member that is not known"},
	{"segments/1", SEGMENT("crypt", "aes-xts-plain64"), "exactly one segment"},
	{"segments/0", NULL, "exactly one segment"},
	{"segments", "{\"1\":" SEGMENT("crypt", "aes-xts-plain64") "}", "exactly one segment"},
	/* Attack 4: re-encryption that we did not begin. */
	{"config/requirements", "{\"mandatory\":[\"online-reencrypt-v2\"]}", "has requirements"},
	{"config/requirements", "{\"mandatory\":[]}", "has requirements"},
	{"config/flags", "[\"allow-discards\"]", "persistent activation flags"},
	{"config/flags", "[]", "persistent activation flags"},
	{"config/other", "1", "its config has a member"},
	{"config/json_size", "\"16384\"", "do not end at 8 MiB"},
	{"config/keyslots_size", "\"8388608\"", "do not end at 8 MiB"},
	{"config/keyslots_size", "\"-1\"", "do not end at 8 MiB"},
	{"keyslots/0/type", "\"reencrypt\"", "not of type luks2"},
	{"keyslots/2", "{\"type\":\"reencrypt\",\"mode\":\"decrypt\",\"direction\":\"forward\"}",
	 "keyslot 2 has no \"key_size\""},
	/* Attack 2: keyslots that any passphrase opens. */
	{"keyslots/0/area/encryption", "\"cipher_null-ecb\"", "not encrypted with aes-xts-plain64"},
	{"keyslots/0/area/encryption", "\"null\"", "not encrypted with aes-xts-plain64"},
	{"keyslots/0/area/key_size", "32", "not encrypted with aes-xts-plain64"},
	{"keyslots/0/area/type", "\"datashift\"", "area that is not raw"},
	{"keyslots/0/area/size", "\"258049\"", "area of another size"},
	{"keyslots/0/area/size", "\"18446744073709551615\"", "area of another size"},
	{"keyslots/0/area/size", "\"18446744073709809663\"", "area of another size"},
	{"keyslots/0/area/offset", "\"0\"", "outside of the keyslots area"},
	{"keyslots/0/area/offset", "\"16384\"", "outside of the keyslots area"},
	{"keyslots/0/area/offset", "\"32769\"", "outside of the keyslots area"},
	{"keyslots/0/area/offset", "\"8134656\"", "outside of the keyslots area"},
	{"keyslots/0/area/offset", "\"18446744073709547520\"", "outside of the keyslots area"},
	{"keyslots/0/area/offset", "\" 32768\"", "outside of the keyslots area"},
	{"keyslots/0/area/offset", "\"290816\"", "overlaps"},
	{"keyslots/0/area/offset", "\"36864\"", "overlaps"},
	{"keyslots/0/area/extra", "1", "member that is not known"},
	{"keyslots/0/key_size", "32", "not of type luks2 with a 512-bit key"},
	{"keyslots/0/key_size", "-64", "not of type luks2 with a 512-bit key"},
	{"keyslots/0/priority", "3", "priority that is not known"},
	{"keyslots/0/extra", "1", "member that is not known"},
	{"keyslots/0/af", NULL, "has no \"af\""},
	{"keyslots/0/af/type", "\"luks2\"", "as its splitter"},
	{"keyslots/0/af/stripes", "4", "as its splitter"},
	{"keyslots/0/af/hash", "\"sha1\"", "splitter hash"},
	{"keyslots/0/af/hash", "\"crc32\"", "splitter hash"},
	{"keyslots/32", "{}", "no number from 0 to 31"},
	{"keyslots/01", "{}", "no number from 0 to 31"},
	{"keyslots/-1", "{}", "no number from 0 to 31"},
	{"keyslots/1.", "{}", "no number from 0 to 31"},
	{"keyslots/1:", "{}", "no number from 0 to 31"},
	{"keyslots/4294967296", "{}", "no number from 0 to 31"},
	{"keyslots/0", "[]", "keyslot 0 is not an object"},
	{"tokens/1", "[]", "type that is not known"},
	{"keyslots/", "{}", "no number from 0 to 31"},
	{"keyslots", "{}", "has no keyslot"},
	/* Attack 26: what a KDF costs. */
	{"keyslots/0/kdf", PBKDF2("sha512", "999"), "pbkdf2 cost"},
	{"keyslots/0/kdf", PBKDF2("sha512", "10000001"), "pbkdf2 cost"},
	{"keyslots/0/kdf", PBKDF2("sha512", "4294968296"), "pbkdf2 cost"},
	{"keyslots/0/kdf", PBKDF2("sha512", "-1"), "pbkdf2 cost"},
	{"keyslots/0/kdf", PBKDF2("sha1", "1000"), "KDF hash"},
	{"keyslots/0/kdf/salt", "\"AAAA\"", "KDF salt"},
	{"keyslots/0/kdf/salt", "\"\"", "KDF salt"},
	{"keyslots/0/kdf/extra", "1", "member that is not known"},
	{"keyslots/0/kdf/type", "\"scrypt\"", "KDF other than"},
	{"keyslots/0/kdf/type", NULL, "KDF other than"},
	{"keyslots/0/kdf", ARGON2("argon2d", "4", "65536", "4"), "KDF other than"},
	{"keyslots/0/kdf", ARGON2("argon2id", "4", "1048577", "4"), "more than 1 GiB"},
	{"keyslots/0/kdf", ARGON2("argon2id", "4", "4294967296", "4"), "more than 1 GiB"},
	{"keyslots/0/kdf", ARGON2("argon2id", "4", "0", "4"), "below 32 KiB"},
	{"keyslots/0/kdf", ARGON2("argon2id", "11", "1048576", "4"), "too many passes"},
	{"keyslots/0/kdf", ARGON2("argon2id", "0", "65536", "4"), "too many passes"},
	{"keyslots/0/kdf", ARGON2("argon2id", "4", "65536", "5"), "lanes"},
	{"keyslots/0/kdf",
	 "{\"type\":\"argon2id\",\"time\":4,\"memory\":65536,\"cpus\":4,\"salt\":\"AAAA\"}",
	 "KDF salt"},
	{"keyslots/0/kdf", ARGON2("argon2id", "4", "65536", "0"), "lanes"},
	/* Digests. */
	{"digests", "{}", "exactly one digest"},
	{"digests/1", "{}", "exactly one digest"},
	{"digests/0/type", "\"null\"", "not pbkdf2"},
	{"digests/0/hash", "\"sha1\"", "not pbkdf2"},
	{"digests/0/iterations", "2147483647", "pbkdf2 cost"},
	{"digests/0/salt", "\"AAAA\"", "wrong size"},
	{"digests/0/digest", "\"AAAA\"", "wrong size"},
	{"digests/0/keyslots", "[\"0\"]", "bound to every keyslot"},
	{"digests/0/keyslots", "[\"0\",\"1\",\"2\"]", "bound to every keyslot"},
	{"digests/0/keyslots", "[\"0\",\"1\",\"1\"]", "bound to every keyslot"},
	{"digests/0/keyslots", "[0,1]", "bound to every keyslot"},
	{"digests/0/segments", "[]", "bound to every keyslot"},
	{"digests/0/segments", "[\"0\",\"1\"]", "bound to every keyslot"},
	{"digests/0/extra", "1", "member that is not known"},
	/* Tokens. */
	{"tokens/2", NULL, "no token of cvmroot"},
	{"tokens/3",
	 "{\"type\":\"cvmroot\",\"keyslots\":[],\"version\":1,\"epoch\":\"1\",\"macs\":{}}",
	 "another token marks already"},
	{"tokens/2/version", "2", "version"},
	{"tokens/2/epoch", "\"-1\"", "malformed epoch"},
	{"tokens/2/epoch", "\"18446744073709551616\"", "malformed epoch"},
	{"tokens/2/epoch", "1", "\"epoch\" of the wrong type"},
	{"tokens/2/macs/0", "\"00\"", "malformed MAC"},
	{"tokens/2/macs/0", "0", "malformed MAC"},
	{"tokens/2/macs/32", MAC_TEXT, "malformed MAC"},
	{"tokens/2/macs/0", NULL, "lacks the MAC"},
	{"tokens/2/keyslots", "[\"0\",\"1\",\"2\"]", "names a keyslot that does not exist"},
	{"tokens/2/extra", "1", "member that is not known"},
	{"tokens/1/keyslots", "[\"3\"]", "names a keyslot that does not exist"},
	{"tokens/1/keyslots", "[\"1\",\"1\"]", "one twice"},
	/* Attack 26: how many keyslots a boot tries. */
	{"tokens/1", "{\"type\":\"kbs\",\"keyslots\":[\"0\",\"1\"]}", "more than one keyslot"},
	{"tokens", "{\"0\":" KBS ",\"1\":" KBS ",\"2\":" KBS ",\"3\":" KBS ",\"4\":" KBS "}",
	 "token 4 is one of too many of its type"},
	{"tokens/1/type", "\"clevis\"", "type that is not known"},
	{"tokens/1/type", "\"luks2-keyring\"", "type that is not known"},
	{"tokens/1/type", "1", "type that is not known"},
	{"tokens/1/extra", "1", "member that is not known"},
	{"tokens/3", "{\"type\":\"systemd-recovery\",\"keyslots\":[\"1\"]}",
	 "another token marks already"},
	{"tokens/32", "{\"type\":\"systemd-recovery\",\"keyslots\":[]}", "no number from 0 to 31"},
	{"tokens/3", TPM2(",\"other\":1"), "member that is not known"},
	{"tokens/3", TPM2(",\"tpm2-pin\":1"), "\"tpm2-pin\" of the wrong type"},
	{"tokens/3", TPM2(",\"tpm2_pubkey_pcrs\":[\"11\"]"), "malformed \"tpm2_pubkey_pcrs\""},
	{"tokens/3", TPM2(",\"tpm2_pubkey_pcrs\":[32]"), "malformed \"tpm2_pubkey_pcrs\""},
};

static void every_defect_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++) {
		cleanup(freep) uint8_t *data = copy_of_made();
		cleanup(json_decrefp) json_t *json = parsed(data);
		char what[100];

		snprintf(what, sizeof(what), "%s = %s", defects[i].path,
			 defects[i].value ? defects[i].value : "(removed)");
		edit(json, defects[i].path, defects[i].value);
		put_json(data, json);
		expect_refused(what, data, defects[i].reason);
	}
}

/* What the owner may have changed with stock tools. */
static const struct {
	const char *path, *value;
} variations[] = {
	{"keyslots/0/kdf", PBKDF2("sha256", "10000000")},
	{"keyslots/0/kdf", ARGON2("argon2id", "10", "1048576", "4")},
	{"keyslots/0/kdf", ARGON2("argon2i", "40", "262144", "1")},
	{"keyslots/0/af/hash", "\"sha256\""},
	{"keyslots/0/priority", "0"},
	{"keyslots/0/priority", "2"},
	{"keyslots/0/area/offset", "\"8130560\""},
	{"segments/0/sector_size", "512"},
	{"tokens/1", NULL},
	{"tokens/1/keyslots", "[]"},
	{"tokens/3", TPM2("")},
	{"tokens/3", TPM2(",\"tpm2-pin\":false,\"tpm2_srk\":\"AAAA\",\"tpm2_pubkey_pcrs\":[11],"
			  "\"tpm2_pubkey\":\"AAAA\",\"tpm2_pcrlock\":false")},
	{"tokens/31",
	 "{\"type\":\"tdx-kbs\",\"keyslots\":[\"0\"],\"trustee.kbs.url\":\"https://kbs\","
	 "\"trustee.kbs.resource\":\"kbs:///a/b/c\"}"},
};

static void every_variation_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variations); i++) {
		cleanup(freep) uint8_t *data = copy_of_made();
		cleanup(json_decrefp) json_t *json = parsed(data);

		edit(json, variations[i].path, variations[i].value);
		put_json(data, json);
		expect_accepted(variations[i].path, data);
	}
}

/* Changes of the binary header: in one copy or both, with the checksum made right again or not. */
static const struct {
	const char *what;
	unsigned int copies; /* bit 0: primary, bit 1: secondary */
	bool fix;
	size_t offset;
	const char *bytes;
	size_t size;
	const char *reason;
} binary_defects[] = {
	{"primary magic", 1, true, 0, "SKUL", 4, "primary copy has no magic"},
	{"secondary magic", 2, true, 0, "LUKS", 4, "secondary copy has no magic"},
	{"LUKS1", 3, true, 6, "\0\1", 2, "not of version 2"},
	{"version 3", 1, true, 6, "\0\3", 2, "not of version 2"},
	{"4 MiB header", 3, true, 8, "\0\0\0\0\0\x40\0\0", 8, "not 16 KiB long"},
	{"huge header", 3, true, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "not 16 KiB long"},
	{"empty header", 3, true, 8, "\0\0\0\0\0\0\0\0", 8, "not 16 KiB long"},
	{"sequence zero", 3, true, 16, "\0\0\0\0\0\0\0\0", 8, "no sequence number"},
	{"another sequence", 1, true, 16, "\0\0\0\0\0\1\0\0", 8, "its two copies differ"},
	{"label", 3, true, 24, "other\0\0", 7, "does not have the label"},
	{"bytes behind label", 3, true, 24 + 40, "x", 1, "does not have the label"},
	{"weak checksum", 3, true, 72, "sha1\0\0", 6, "another checksum than SHA-256"},
	{"UUID not hex", 3, true, 168, "x", 1, "malformed UUID"},
	{"UUID upper case", 3, true, 168, "A", 1, "malformed UUID"},
	{"UUID runs on", 3, true, 168 + 36, "0", 1, "malformed UUID"},
	{"another UUID in one copy", 2, true, 168, "01234567", 8, "its two copies differ"},
	{"subsystem", 3, true, 208, "x", 1, "subsystem label"},
	{"primary offset", 1, true, 256, "\0\0\0\0\0\0\x40\0", 8, "belongs to another offset"},
	{"secondary offset", 2, true, 256, "\0\0\0\0\0\0\0\0", 8, "belongs to another offset"},
	{"padding", 3, true, 264, "x", 1, "bytes where only zeros belong"},
	{"last padding", 3, true, 4095, "x", 1, "bytes where only zeros belong"},
	{"primary checksum", 1, false, CHECKSUM_START, "\0\0\0\0\0\0\0\0\0", 9, "wrong checksum"},
	{"secondary checksum", 2, false, CHECKSUM_START, "\0\0\0\0\0\0\0\0\0", 9, "wrong checksum"},
	{"checksum runs on", 1, false, CHECKSUM_START + 32, "x", 1, "wrong checksum"},
	{"salt without checksum", 1, false, 104, "\0\0\0\0\0\0\0\0\0", 9, "wrong checksum"},
	{"JSON without checksum", 1, false, JSON_OFFSET, "[", 1, "wrong checksum"},
	{"byte at the end", 3, true, METADATA_SIZE - 1, "x", 1, "bytes behind its JSON text"},
	{"byte behind the JSON", 1, true, METADATA_SIZE - 100, "{", 1, "bytes behind its JSON"},
	{"JSON in one copy", 2, true, JSON_OFFSET + 1, " ", 1, "its two copies differ"},
	{"no JSON", 3, true, JSON_OFFSET, "\0", 1, "bytes behind its JSON text"},
};

static void every_binary_defect_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(binary_defects); i++) {
		cleanup(freep) uint8_t *data = copy_of_made();

		for (unsigned int n = 0; n < 2; n++) {
			uint8_t *copy = data + n * METADATA_SIZE;

			if ((binary_defects[i].copies & 1U << n) == 0)
				continue;
			memcpy(copy + binary_defects[i].offset, binary_defects[i].bytes,
			       binary_defects[i].size);
			if (binary_defects[i].fix)
				fix_checksum(copy);
		}
		expect_refused(binary_defects[i].what, data, binary_defects[i].reason);
	}
}

/* Texts that fill their room have no end. */
static void texts_without_end_are_refused(void **state)
{
	static const struct {
		size_t offset, size;
		const char *reason;
	} fields[] = {
		{24, 48, "does not have the label"},
		{72, 32, "another checksum than SHA-256"},
		{168, 40, "malformed UUID"},
		{208, 48, "subsystem label"},
		{JSON_OFFSET, METADATA_SIZE - JSON_OFFSET, "bytes behind its JSON text"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		cleanup(freep) uint8_t *data = copy_of_made();

		memset(data + fields[i].offset, '{', fields[i].size);
		fix_checksum(data);
		expect_refused("no end", data, fields[i].reason);
	}
}

/* The same text, and a space more in one copy. */
static void longer_copy_is_refused(void **state)
{
	cleanup(freep) uint8_t *data = copy_of_made();
	char *text = (char *)data + METADATA_SIZE + JSON_OFFSET;

	(void)state;
	text[strlen(text)] = ' ';
	fix_checksum(data + METADATA_SIZE);
	expect_refused("longer copy", data, "its two copies differ");
}

/* What is written for libcryptsetup is read back, up to the last byte of the room. */
static void metadata_round_trip(void **state)
{
	cleanup(freep) char *json = calloc(1, METADATA_SIZE);
	cleanup(freep) uint8_t *copy = malloc(METADATA_SIZE);
	struct luks_metadata metadata = {.sequence = 5, .json = json}, back;

	(void)state;
	assert_true(json && copy);
	memset(json, 'j', METADATA_SIZE - JSON_OFFSET);
	memcpy(metadata.uuid, made.facts.uuid, UUID_SIZE);
	metadata.json_size = METADATA_SIZE - JSON_OFFSET;
	assert_int_equal(luks_metadata_write(&metadata, 1, copy), -E2BIG);
	metadata.json_size--;
	must(luks_metadata_write(&metadata, 1, copy));
	must(luks_metadata_parse(copy, 1, &back));
	assert_int_equal(back.sequence, 5);
	assert_memory_equal(back.uuid, made.facts.uuid, UUID_SIZE);
	assert_int_equal(back.json_size, metadata.json_size);
	assert_memory_equal(back.json, json, metadata.json_size);
}

/* Any new salt with a right checksum is fine: it is there to make checksums differ. */
static void another_salt_is_accepted(void **state)
{
	cleanup(freep) uint8_t *data = copy_of_made();

	(void)state;
	memset(data + 104, 'x', 64);
	fix_checksum(data);
	expect_accepted("salt", data);
}

static void expect_text_refused(const char *before, const char *json_text, const char *behind)
{
	cleanup(freep) uint8_t *data = copy_of_made();
	cleanup(freep) char *text = NULL;

	assert_true(asprintf(&text, "%s%s%s", before, json_text, behind) > 0);
	put_json_text(data, text);
	expect_refused(text, data, "malformed or names a member twice");
}

/* What only a text can say: members twice, and texts that other parsers forgive. */
static void strict_json_is_demanded(void **state)
{
	const char *text = (const char *)made.data + JSON_OFFSET;

	(void)state;
	expect_text_refused(" ", text, "");
	expect_text_refused("", text, " {}");
	expect_text_refused("", text, "\n/* comment */");
	expect_text_refused("[", text, "]");
	expect_text_refused("{", text, "");
	/* text + 1: without its opening brace. */
	expect_text_refused("{\"config\":{},", text + 1, "");
	expect_text_refused("{\"a\":18446744073709551616,", text + 1, "");
	expect_text_refused("{\"a\":\"\\u0000\",", text + 1, "");
	expect_text_refused("{\"a\":NaN,", text + 1, "");
	expect_text_refused("{\"a\":'b',", text + 1, "");
	expect_text_refused("{\"a\":\"\xff\",", text + 1, "");
}

static void nested_member_twice_is_refused(void **state)
{
	cleanup(freep) uint8_t *data = copy_of_made();
	cleanup(freep) char *text = NULL;
	const char *from = (const char *)made.data + JSON_OFFSET;
	const char *at = strstr(from, "\"encryption\"");

	(void)state;
	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s\"encryption\":\"cipher_null-ecb\",%s", (int)(at - from),
			     from, at) > 0);
	put_json_text(data, text);
	expect_refused("encryption twice", data, "malformed or names a member twice");
}

static void deep_nesting_is_refused(void **state)
{
	cleanup(freep) uint8_t *data = copy_of_made();
	cleanup(freep) char *text = calloc(1, METADATA_SIZE - JSON_OFFSET);

	(void)state;
	assert_non_null(text);
	memset(text, '[', METADATA_SIZE - JSON_OFFSET - 1);
	memcpy(text, "{\"a\":[", 6);
	put_json_text(data, text);
	expect_refused("nesting", data, "malformed");
}

static void other_contents_are_told_apart(void **state)
{
	cleanup(freep) uint8_t *data = calloc(1, LUKS_HEADER_SIZE);

	(void)state;
	assert_non_null(data);
	assert_int_equal(verdict(data), -EMEDIUMTYPE);
	/* A second copy at a place where cryptsetup would find it. */
	memcpy(data + 4 * MIB, made.data + METADATA_SIZE, METADATA_SIZE);
	assert_int_equal(verdict(data), -EBADMSG);
}

/* A copy is enough that holds both texts and each keyslot's area. */
static void short_copies_are_told(void **state)
{
	const size_t texts = 2 * METADATA_SIZE, end = texts + 2 * AREA_SIZE;
	cleanup(luks_header_freep) struct luks_header *header = NULL;

	(void)state;
	assert_int_equal(luks_header_check(made.data, texts - 1, &header), -EBADMSG);
	assert_int_equal(luks_header_check(made.data, texts, &header), -ENODATA);
	assert_int_equal(luks_header_check(made.data, end - 1, &header), -ENODATA);
	assert_null(header);
	must(luks_header_check(made.data, end, &header));
}

static int run(const char *input, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Run a stock tool on @path; @input goes to its standard input. Its exit status. */
static int run(const char *input, const char *format, ...)
{
	char command[600];
	va_list args;
	FILE *pipe;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	fputs(input, pipe);
	return WEXITSTATUS(pclose(pipe));
}

static void skip_without_cryptsetup(void)
{
	if (system("cryptsetup --version >/dev/null 2>&1") != 0) {
		print_message("skipped: the cryptsetup program is not installed\n");
		skip();
	}
}

/* The header on a 32 MiB disk of zeros. */
static void write_disk(char *path, size_t size)
{
	cleanup(closep) int fd = -1;

	snprintf(path, size, "%s/disk", scratch);
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	must(file_pwrite(fd, made.data, made.size, 0));
	assert_int_equal(ftruncate(fd, 32 * MIB), 0);
}

static uint8_t *read_disk(const char *path)
{
	cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data = malloc(LUKS_HEADER_SIZE);

	assert_true(fd >= 0 && data);
	must(file_pread(fd, data, LUKS_HEADER_SIZE, 0));
	return data;
}

#define OPEN "cryptsetup open --test-passphrase --key-file - %s 2>/dev/null"

static void stock_cryptsetup_opens_it(void **state)
{
	char path[100];

	(void)state;
	skip_without_cryptsetup();
	write_disk(path, sizeof(path));
	assert_int_equal(run("", "cryptsetup luksDump %s >/dev/null", path), 0);
	assert_int_equal(run(PASSPHRASE_0, OPEN, path), 0);
	assert_int_equal(run(PASSPHRASE_1, OPEN, path), 0);
	assert_int_equal(run("wrong", OPEN, path), 2);
	unlink(path);
}

/* The owner adds a passphrase, and removes the recovery slot: still ours, still opens. */
static void stock_changes_are_accepted(void **state)
{
	cleanup(freep) uint8_t *added = NULL;
	cleanup(freep) uint8_t *killed = NULL;
	cleanup(secret_freep) struct secret *passphrase = NULL, *key = NULL;
	struct luks_facts facts;
	char path[100];

	(void)state;
	skip_without_cryptsetup();
	write_disk(path, sizeof(path));
	assert_int_equal(run(PASSPHRASE_2,
			     "f=$(mktemp %s/key-XXXXXX); printf %%s '" PASSPHRASE_0 "' >$f; "
			     "cryptsetup luksAddKey -q --key-file $f --pbkdf-memory 65536 "
			     "--pbkdf-force-iterations 4 %s -; r=$?; rm $f; exit $r",
			     scratch, path),
			 0);
	added = read_disk(path);
	expect_accepted("luksAddKey", added);
	must(secret_copy(PASSPHRASE_2, strlen(PASSPHRASE_2), &passphrase));
	expect_rejected(added, 2, passphrase, "holds no MAC");
	assert_int_equal(run("", "cryptsetup luksKillSlot -q %s 1 2>/dev/null", path), 0);
	killed = read_disk(path);
	expect_accepted("luksKillSlot", killed);
	must(unlock(killed, 0, made.passphrases[0], &facts, &key));
	unlink(path);
}

/* A loop device of @size bytes; false: there is none to be had. */
static bool attach_loop(off_t size, char *name, size_t name_size)
{
	char path[100], command[200];
	FILE *pipe;

	write_disk(path, sizeof(path));
	assert_int_equal(truncate(path, size), 0);
	snprintf(command, sizeof(command), "losetup -f --show %s 2>/dev/null", path);
	pipe = popen(command, "r");
	if (!pipe || !fgets(name, (int)name_size, pipe))
		name[0] = '\0';
	if (pipe)
		pclose(pipe);
	unlink(path);
	name[strcspn(name, "\n")] = '\0';
	return name[0] != '\0';
}

/* Refused before device-mapper is asked for anything. */
static int activate_on_size(const struct luks_header *header, off_t size)
{
	char loop[64];
	int r;

	if (!attach_loop(size, loop, sizeof(loop)))
		return 1;
	r = luks_header_activate(header, loop, "cvmroot-unit-test", made.volume_key);
	run("", "losetup -d %s", loop);
	return r;
}

static void devices_of_a_wrong_size_are_refused(void **state)
{
	static const off_t sizes[] = {16 * MIB, 16 * MIB + 512, 32 * MIB + 512};
	struct luks_header *header = NULL;
	int results[ARRAY_SIZE(sizes)];

	(void)state;
	must(luks_header_check(made.data, made.size, &header));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		results[i] = activate_on_size(header, sizes[i]);
	assert_int_equal(luks_header_activate(header, "/dev/null", "cvmroot-unit-test",
					      made.volume_key),
			 -EMEDIUMTYPE);
	luks_header_free(header);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (results[i] == 1) {
			print_message("skipped: no loop device can be attached here\n");
			skip();
		}
		assert_int_equal(results[i], -EMEDIUMTYPE);
	}
}

/* The JSON text of a published image in a binary header that passes. */
static void expect_json_refused(const char *what, const uint8_t *image)
{
	cleanup(freep) uint8_t *data = copy_of_made();

	for (size_t i = 0; i < 2; i++) {
		memcpy(data + i * METADATA_SIZE + JSON_OFFSET, image + JSON_OFFSET,
		       METADATA_SIZE - JSON_OFFSET);
		fix_checksum(data + i * METADATA_SIZE);
	}
	expect_refused(what, data, "the LUKS2 header is refused");
}

/* The command that writes a published image to its standard output. */
static void unpack_command(const char *image, char *ret, size_t size)
{
	const char *member = strchr(image, ':');

	if (member)
		snprintf(ret, size, "tar -xJOf '%s/cryptsetup/%.*s.tar.xz' '%s'", vectors_folder(),
			 (int)(member - image), image, member + 1);
	else
		snprintf(ret, size, "xz -dc '%s/cryptsetup/%s.xz'", vectors_folder(), image);
}

static uint8_t *read_published(const char *image)
{
	uint8_t *data = calloc(1, LUKS_HEADER_SIZE);
	char command[600];
	FILE *pipe;

	unpack_command(image, command, sizeof(command));
	strcat(command, " 2>/dev/null");
	pipe = popen(command, "r");
	assert_true(data && pipe);
	if (fread(data, 1, LUKS_HEADER_SIZE, pipe) == 0)
		fail_msg("%s: there is no such image", image);
	/* The rest of a long image is not read: xz may complain. */
	pclose(pipe);
	return data;
}

/* The line of a generated image in upstream's table: what upstream expects of a program. */
static bool upstream_expects(const char *image, char *ret, size_t size)
{
	char path[300], line[400];
	const char *name = strrchr(image, '/') + 1;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/cryptsetup/luks2-images-generated/EXPECTED.tsv",
		 vectors_folder());
	file = fopen(path, "re");
	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file)) {
		char *rest = line;

		found = strcmp(strsep(&rest, "\t"), name) == 0;
		if (found)
			snprintf(ret, size, "%s", strsep(&rest, "\t"));
	}
	fclose(file);
	return found;
}

/* Of the images that are in no table the installed cryptsetup is asked. */
static void upstream_says(const char *image, char *ret, size_t size)
{
	char unpack[600];
	int status;

	if (upstream_expects(image, ret, size))
		return;
	unpack_command(image, unpack, sizeof(unpack));
	status = run("",
		     "%s >%s/image && cryptsetup luksDump %s/image >%s/dump 2>&1; r=$?; "
		     "rm -f %s/image %s/dump; exit $r",
		     unpack, scratch, scratch, scratch, scratch, scratch);
	snprintf(ret, size, "%s", status == 0 ? "loads" : status == 127 ? "unknown" : "refused");
}

/* How many images were looked at, and how many of them upstream refuses. */
static struct {
	size_t images, refused;
} published;

/* A row of the table: the image is refused, in its own binary header and in one of ours. */
static void expect_image_refused(const char *image, const uint8_t *data)
{
	char upstream[40], ours[200];
	int r = verdict(data);

	if (r != -EBADMSG && r != -EMEDIUMTYPE)
		fail_msg("%s: expected a refusal, got %d", image, r);
	snprintf(ours, sizeof(ours), "%s", fail_sentence(r));
	expect_json_refused(image, data);
	upstream_says(image, upstream, sizeof(upstream));
	published.images++;
	published.refused += strstr(upstream, "reject") || strcmp(upstream, "refused") == 0;
	print_message("%s\n\tupstream %s; ours refused: %s\n", image, upstream, ours);
}

/* The same fault in a header of ours. */
static void expect_fault_refused(const char *image, const uint8_t *ours, const char *reason)
{
	expect_refused(image, ours, reason);
	print_message("\tits fault in our header: %s\n", fail_sentence(-EBADMSG));
}

/* The value at "a/b/c" as JSON text, or NULL where there is none. */
static char *text_at(json_t *json, const char *path)
{
	cleanup(freep) char *copy = strdup(path);
	char *rest = copy;

	while (json && rest)
		json = json_object_get(json, strsep(&rest, "/"));
	return json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
}

static void check_published_json(const struct published_json *row)
{
	cleanup(freep) uint8_t *image = read_published(row->image);
	cleanup(freep) uint8_t *data = copy_of_made();
	cleanup(json_decrefp) json_t *ours = parsed(data);
	cleanup(freep) char *value = NULL;

	expect_image_refused(row->image, image);
	if (row->value) {
		value = strdup(row->value);
	} else {
		cleanup(json_decrefp) json_t *theirs = parsed(image);

		value = text_at(theirs, row->from ? row->from : row->to);
	}
	edit(ours, row->to, value);
	put_json(data, ours);
	expect_fault_refused(row->image, data, row->reason);
}

static void check_published_bytes(const struct published_bytes *row)
{
	cleanup(freep) uint8_t *image = read_published(row->image);
	cleanup(freep) uint8_t *data = copy_of_made();

	expect_image_refused(row->image, image);
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t *copy = data + i * METADATA_SIZE;

		if ((row->copies & 1U << i) == 0)
			continue;
		memcpy(copy + row->offset, row->bytes, row->size);
		if (row->fix)
			fix_checksum(copy);
	}
	expect_fault_refused(row->image, data, row->reason);
}

static void check_published_behind(const struct published_behind *row)
{
	cleanup(freep) uint8_t *image = read_published(row->image);
	cleanup(freep) uint8_t *data = copy_of_made();

	expect_image_refused(row->image, image);
	for (size_t i = 0; i < 2; i++) {
		uint8_t *copy = data + i * METADATA_SIZE;
		size_t start = JSON_OFFSET + strlen((char *)copy + JSON_OFFSET);

		memset(copy + start, 'X', MIN(row->count, METADATA_SIZE - start));
		fix_checksum(copy);
	}
	expect_fault_refused(row->image, data, row->reason);
}

/* How many images there are, so that none is left out. */
static size_t count_published(void)
{
	static const char *const patterns[] = {"luks2-images-generated/*.xz", "tests/*.xz"};
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		char pattern[300];
		glob_t found = {};

		snprintf(pattern, sizeof(pattern), "%s/cryptsetup/%s", vectors_folder(),
			 patterns[i]);
		if (glob(pattern, 0, NULL, &found) == 0)
			count += found.gl_pathc;
		globfree(&found);
	}
	return count;
}

/* Published good, broken and unusual headers: none is ours, so none passes; and what is wrong with
 * each is refused in a header of ours, too. */
static void published_images_are_refused(void **state)
{
	(void)state;
	if (!vectors_folder() || count_published() == 0) {
		print_message("skipped: there are no images below CVMROOT_VECTORS\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(published_json); i++)
		check_published_json(&published_json[i]);
	for (size_t i = 0; i < ARRAY_SIZE(published_bytes); i++)
		check_published_bytes(&published_bytes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(published_behind); i++)
		check_published_behind(&published_behind[i]);
	print_message("%zu published images: upstream refuses %zu and repairs or takes as they are "
		      "%zu; all are refused\n",
		      published.images, published.refused, published.images - published.refused);
	/* Two archives hold eleven of the images. */
	assert_int_equal(published.images, count_published() - 2 + 11);
	assert_true(published.refused >= 55);
}

/* Computed with Python's hmac from the layout in mac.c. */
static void mac_has_its_documented_layout(void **state)
{
	HEX(expected, "c042d67557de02bcf86956a69865e2b227b1c97872687891279b6c89f9f56eb3");
	/* A short passphrase cannot be tried on the MAC alone: the volume key goes in as well. */
	HEX(expected_short, "f9a095e05118247e6a1ba501accb6f3e92fd48ee88e2520a3d413972b3553be8");
	struct luks_facts facts = {
		.data_offset = LUKS_DATA_OFFSET, .sector_size = 4096, .epoch = 7};
	cleanup(secret_freep) struct secret *passphrase = NULL;
	cleanup(secret_freep) struct secret *short_passphrase = NULL;
	cleanup(secret_freep) struct secret *volume_key = NULL;
	uint8_t mac[MAC_SIZE];

	(void)state;
	must(uuid_decode("00010203-0405-0607-0809-0a0b0c0d0e0f", facts.uuid));
	memset(facts.fingerprint, 0x55, sizeof(facts.fingerprint));
	must(secret_new(LUKS_VOLUME_KEY_SIZE, &volume_key));
	memset(volume_key->data, 0x77, volume_key->size);
	must(secret_copy("correct horse battery staple, once more", 39, &passphrase));
	must(luks_mac(&facts, 3, passphrase, volume_key, mac));
	assert_memory_equal(mac, expected, sizeof(expected));
	must(secret_copy("correct horse battery staple", 28, &short_passphrase));
	must(luks_mac(&facts, 3, short_passphrase, volume_key, mac));
	assert_memory_equal(mac, expected_short, sizeof(expected_short));
}

static const char *kdf_of(const struct luks_header *header, const char *slot)
{
	json_t *keyslots = json_object_get(header->json, "keyslots");
	json_t *kdf = json_object_get(json_object_get(keyslots, slot), "kdf");

	return json_string_value(json_object_get(kdf, "type"));
}

static void make_with(const struct luks_slot *slots, size_t count, struct luks_header **ret)
{
	cleanup(freep) uint8_t *data = NULL;
	size_t size;

	must(luks_header_make(&made.facts, made.volume_key, slots, count, &data, &size));
	must(luks_header_check(data, size, ret));
}

static void short_passphrase_is_stretched(void **state)
{
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	cleanup(secret_freep) struct secret *weak = NULL;
	cleanup(secret_freep) struct secret *strong = NULL;
	cleanup(secret_freep) struct secret *volume_key = NULL;
	struct luks_facts facts;
	struct luks_slot slots[2];

	(void)state;
	must(secret_copy("thirty-one bytes are too few...", 31, &weak));
	must(secret_copy("thirty-two bytes are enough.....", 32, &strong));
	slots[0] = (struct luks_slot){.passphrase = weak};
	slots[1] = (struct luks_slot){.passphrase = strong};
	make_with(slots, 2, &header);
	assert_string_equal(kdf_of(header, "0"), "argon2id");
	assert_string_equal(kdf_of(header, "1"), "pbkdf2");
	must(luks_header_unlock(header, 0, weak, NAME, &facts, &volume_key));
	assert_true(secret_equal(volume_key, made.volume_key));
}

/* Two tokens that tell of one slot name none, so that no other tool tries a part of it. */
static void parts_name_no_keyslot(void **state)
{
	cleanup(json_decrefp) json_t *one =
		json_pack("{s:s, s:s}", "type", "kbs", "trustee.kbs.url", "https://a");
	cleanup(json_decrefp) json_t *two = json_pack("{s:s}", "type", "tdx-kbs");
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	json_t *const parts[] = {one, two};
	const struct luks_slot slot = {
		.passphrase = made.passphrases[0], .parts = parts, .parts_count = 2};
	size_t cursor = 0;
	int number;

	(void)state;
	make_with(&slot, 1, &header);
	assert_non_null(luks_header_part(header, "tdx-kbs"));
	assert_string_equal(json_string_value(json_object_get(luks_header_part(header, "kbs"),
							      "trustee.kbs.url")),
			    "https://a");
	assert_null(luks_header_part(header, "systemd-tpm2"));
	assert_null(luks_header_part(header, "cvmroot"));
	assert_null(luks_header_token(header, "kbs", &cursor, &number));
}

static void senseless_arguments_are_refused(void **state)
{
	struct luks_slot slot = {.passphrase = made.passphrases[0]};
	struct luks_facts facts = made.facts;
	uint8_t *data = NULL;
	size_t size;

	(void)state;
	facts.sector_size = 1024;
	assert_int_equal(luks_header_make(&facts, made.volume_key, &slot, 1, &data, &size),
			 -EINVAL);
	facts = made.facts;
	facts.data_offset = 8 * MIB;
	assert_int_equal(luks_header_make(&facts, made.volume_key, &slot, 1, &data, &size),
			 -EINVAL);
	assert_int_equal(luks_header_make(&made.facts, made.passphrases[0], &slot, 1, &data, &size),
			 -EINVAL);
	assert_int_equal(luks_header_make(&made.facts, made.volume_key, &slot, 0, &data, &size),
			 -EINVAL);
	assert_null(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_header_is_accepted),
		cmocka_unit_test(each_slot_unlocks),
		cmocka_unit_test(small_sectors_work),
		cmocka_unit_test(wrong_passphrase_is_refused),
		cmocka_unit_test(changed_facts_break_the_mac),
		cmocka_unit_test(changed_uuid_breaks_the_mac),
		cmocka_unit_test(another_mapping_name_breaks_the_mac),
		cmocka_unit_test(swapped_keyslots_are_refused),
		cmocka_unit_test(another_volume_key_is_refused),
		cmocka_unit_test(slot_without_a_mac_is_refused),
		cmocka_unit_test(every_defect_is_refused),
		cmocka_unit_test(every_variation_is_accepted),
		cmocka_unit_test(every_binary_defect_is_refused),
		cmocka_unit_test(texts_without_end_are_refused),
		cmocka_unit_test(longer_copy_is_refused),
		cmocka_unit_test(metadata_round_trip),
		cmocka_unit_test(another_salt_is_accepted),
		cmocka_unit_test(strict_json_is_demanded),
		cmocka_unit_test(nested_member_twice_is_refused),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(other_contents_are_told_apart),
		cmocka_unit_test(short_copies_are_told),
		cmocka_unit_test(stock_cryptsetup_opens_it),
		cmocka_unit_test(stock_changes_are_accepted),
		cmocka_unit_test(devices_of_a_wrong_size_are_refused),
		cmocka_unit_test(published_images_are_refused),
		cmocka_unit_test(mac_has_its_documented_layout),
		cmocka_unit_test(short_passphrase_is_stretched),
		cmocka_unit_test(parts_name_no_keyslot),
		cmocka_unit_test(senseless_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
