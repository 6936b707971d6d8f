/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* Before cmocka, which makes fail() a macro. */
#include "base/error.h"

#include "unit.h"

#include "base/json.h"
#include "disk/luks.h"

#define NAME "root"

static const char passphrase_0[] = "first passphrase, made of 44 characters ....";
static const char passphrase_1[] = "second passphrase";

/* One header for all tests, since making one takes a while; tests work on copies. */
struct made {
	struct luks_facts facts;
	struct secret *volume_key;
	struct secret *passphrases[2];
	uint8_t *data;
	size_t size;
};

static void make(struct made *made, uint32_t sector_size, uint64_t epoch)
{
	cleanup(json_decrefp) json_t *recovery = json_pack("{s:s}", "type", "systemd-recovery");
	struct luks_slot slots[2];

	made->facts = (struct luks_facts){
		.data_offset = LUKS_DATA_OFFSET, .sector_size = sector_size, .epoch = epoch};
	assert_int_equal(random_bytes(made->facts.uuid, UUID_SIZE), 0);
	assert_int_equal(secret_random(LUKS_VOLUME_KEY_SIZE, &made->volume_key), 0);
	assert_int_equal(secret_copy(passphrase_0, strlen(passphrase_0), &made->passphrases[0]), 0);
	assert_int_equal(secret_copy(passphrase_1, strlen(passphrase_1), &made->passphrases[1]), 0);
	assert_int_equal(luks_fingerprint(made->volume_key, NAME, made->facts.uuid,
					  made->facts.fingerprint),
			 0);
	slots[0] = (struct luks_slot){made->passphrases[0], NULL};
	slots[1] = (struct luks_slot){made->passphrases[1], recovery};
	int r = luks_header_make(&made->facts, made->volume_key, slots, 2, &made->data,
				 &made->size);
	if (r < 0)
		fail_msg("%s", fail_sentence(r));
}

static void made_header_is_accepted_and_opens(void **state)
{
	struct made made;
	cleanup(luks_header_freep) struct luks_header *header = NULL;
	cleanup(secret_freep) struct secret *volume_key = NULL;
	struct luks_facts facts;
	int r;

	(void)state;
	make(&made, 4096, 7);
	r = luks_header_check(made.data, made.size, &header);
	assert_int_equal(r, 0);
	r = luks_header_unlock(header, 1, made.passphrases[1], NAME, &facts, &volume_key);
	if (r < 0)
		fail_msg("%s", fail_sentence(r));
	assert_true(secret_equal(volume_key, made.volume_key));
	assert_memory_equal(facts.fingerprint, made.facts.fingerprint, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_header_is_accepted_and_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
