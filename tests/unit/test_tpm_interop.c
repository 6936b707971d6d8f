/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"

#include "base/error.h"
#include "base/file.h"
#include "tpm/token.h"

#include <sys/wait.h>

/*
 * A LUKS2 file that systemd-cryptenroll enrols is opened with what we unseal, and our token has the
 * fields that systemd writes. The other direction needs a running system.
 */

static void run(const char *format, ...) printf_like(1, 2);
static void run(const char *format, ...)
{
	char command[1024];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = system(command);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("'%s' ended with 0x%x", command, status);
}

static bool tools_exist(void)
{
	return swtpm_exists() &&
	       system("command -v systemd-cryptenroll cryptsetup >/dev/null") == 0;
}

/* A LUKS2 file with a passphrase that is known, and a slot that systemd enrols. */
static void enrol(struct swtpm *swtpm, const char *options)
{
	const char *folder = swtpm->folder;

	run("truncate -s 32M %s/disk && printf known > %s/known", folder, folder);
	run("cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "
	    "--key-file %s/known %s/disk 2>/dev/null",
	    folder, folder);
	swtpm_disconnect(swtpm);
	run("systemd-cryptenroll --unlock-key-file=%s/known --tpm2-device=swtpm:path=%s %s "
	    "%s/disk >/dev/null 2>%s/messages || { cat %s/messages; false; }",
	    folder, swtpm->socket, options, folder, folder, folder);
	swtpm_connect(swtpm);
}

static json_t *exported_token(struct swtpm *swtpm)
{
	cleanup(freep) char *text = NULL;
	char path[128];
	json_t *token;
	size_t size;

	run("cryptsetup token export --token-id 0 %s/disk > %s/token", swtpm->folder,
	    swtpm->folder);
	snprintf(path, sizeof(path), "%s/token", swtpm->folder);
	assert_int_equal(file_read_all(path, 64 * KIB, &text, &size), 0);
	assert_int_equal(json_parse(text, size, 64 * KIB, &token), 0);
	return token;
}

/* The base64 text of the secret is the passphrase of the slot. */
static void assert_opens(struct swtpm *swtpm, const struct secret *secret)
{
	cleanup(secret_freep) struct secret *passphrase = NULL;
	char path[128];

	assert_int_equal(secret_base64(secret, &passphrase), 0);
	snprintf(path, sizeof(path), "%s/passphrase", swtpm->folder);
	assert_int_equal(file_write_atomic(path, passphrase->data, passphrase->size, 0600), 0);
	run("cryptsetup open --test-passphrase --key-slot 1 --key-file %s %s/disk", path,
	    swtpm->folder);
}

/* The same members with values of the same type; "keyslots" is the header's. */
static void assert_same_members(json_t *theirs, json_t *ours)
{
	const char *name;
	json_t *value;

	json_object_foreach (theirs, name, value) {
		json_t *own = json_object_get(ours, name);

		if (strcmp(name, "keyslots") == 0)
			continue;
		if (!own || json_typeof(own) != json_typeof(value))
			fail_msg("we do not write '%s' as systemd does", name);
	}
	json_object_foreach (ours, name, value)
		if (!json_object_get(theirs, name))
			fail_msg("systemd does not write '%s'", name);
}

static void check_both(struct swtpm *swtpm, const struct tpm_binding *binding, const char *options)
{
	cleanup(json_decrefp) json_t *theirs = NULL, *ours = NULL;
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL, *own = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	int r;

	enrol(swtpm, options);
	theirs = exported_token(swtpm);
	r = tpm_token_parse(theirs, &sealed);
	if (r == 0)
		r = tpm_unseal(swtpm->tpm, binding, sealed, NULL, &secret);
	if (r < 0)
		fail_msg("%s", fail_sentence(r));
	assert_opens(swtpm, secret);

	/* Sealed to the same, ours has the same policy and the same form. */
	assert_int_equal(tpm_seal(swtpm->tpm, binding, secret, &own), 0);
	assert_memory_equal(own->policy_hash, sealed->policy_hash, sizeof(own->policy_hash));
	assert_int_equal(own->blob_size, sealed->blob_size);
	assert_int_equal(tpm_token_make(own, &ours), 0);
	assert_same_members(theirs, ours);
	for (const char *const *name =
		     (const char *const[]){"type", "tpm2-pcrs", "tpm2-pcr-bank", "tpm2-primary-alg",
					   "tpm2-policy-hash", "tpm2-pin", "tpm2_pubkey",
					   "tpm2_pubkey_pcrs", NULL};
	     *name; name++)
		assert_true(
			json_equal(json_object_get(theirs, *name), json_object_get(ours, *name)) ||
			(!json_object_get(theirs, *name) && !json_object_get(ours, *name)));
}

static void literal_policy(void **state)
{
	const struct tpm_binding binding = {
		.bank = HASH_SHA256, .pcrs = 1U << 7, .legacy_primary = true};

	check_both(*state, &binding, "--tpm2-pcrs=7+15");
}

static void signed_policy(void **state)
{
	cleanup(policy_key_freep) struct policy_key *key = policy_key_new(2048);
	cleanup(freep) char *signature = NULL, *options = NULL;
	struct tpm_binding binding = {
		.bank = HASH_SHA256, .public_key = policy_key_pem(key), .legacy_primary = true};
	struct swtpm *swtpm = *state;
	char path[128];

	binding.signature = signature = policy_key_sign(key, swtpm->tpm, HASH_SHA256, HASH_SHA256);
	snprintf(path, sizeof(path), "%s/key", swtpm->folder);
	assert_int_equal(
		file_write_atomic(path, binding.public_key, strlen(binding.public_key), 0600), 0);
	snprintf(path, sizeof(path), "%s/signature", swtpm->folder);
	assert_int_equal(file_write_atomic(path, signature, strlen(signature), 0600), 0);
	/* systemd itself tries to unseal with this signature before it writes the token. */
	assert_true(asprintf(&options,
			     "--tpm2-pcrs=15 --tpm2-public-key=%s/key --tpm2-public-key-pcrs=11 "
			     "--tpm2-signature=%s/signature",
			     swtpm->folder, swtpm->folder) > 0);
	check_both(swtpm, &binding, options);
}

static void pin_is_refused(void **state)
{
	cleanup(json_decrefp) json_t *token = NULL;
	struct tpm_sealed *sealed = NULL;
	struct swtpm *swtpm = *state;

	setenv("NEWPIN", "1234", 1);
	enrol(swtpm, "--tpm2-pcrs=7+15 --tpm2-with-pin=yes");
	token = exported_token(swtpm);
	assert_int_equal(tpm_token_parse(token, &sealed), -EOPNOTSUPP);
	assert_non_null(strstr(fail_sentence(-EOPNOTSUPP), "PIN"));
}

#define WITH_TPM(test) cmocka_unit_test_setup_teardown(test, swtpm_setup, swtpm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TPM(literal_policy),
		WITH_TPM(signed_policy),
		WITH_TPM(pin_is_refused),
	};

	if (!tools_exist()) {
		printf("skipped: there is no swtpm, systemd-cryptenroll or cryptsetup\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
