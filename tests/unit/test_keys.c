/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "broker/broker.h"
#include "disk/luks/luks.h"
#include "keys/combine.h"
#include "keys/kbs_options.h"
#include "keys/kbs_resource.h"
#include "keys/provider.h"

#include <string.h>

/* ---- A broker of our own, in the place of the real client ---- */

static struct {
	unsigned int calls;
	int error;
	char uri[256], url[256], ca[256], tee[32], initdata[64];
	unsigned int deadline_ms;
	bool ignore_certificate_dates;
} broker;

int broker_fetch(const struct broker_options *options, const char *uri, struct secret **ret)
{
	broker.calls++;
	snprintf(broker.uri, sizeof(broker.uri), "%s", uri);
	snprintf(broker.url, sizeof(broker.url), "%s", options->servers[0].url);
	snprintf(broker.ca, sizeof(broker.ca), "%s", options->servers[0].ca);
	snprintf(broker.tee, sizeof(broker.tee), "%s", options->tee->name);
	snprintf(broker.initdata, sizeof(broker.initdata), "%s",
		 options->initdata ? options->initdata : "");
	broker.deadline_ms = options->deadline_ms;
	broker.ignore_certificate_dates = options->ignore_certificate_dates;
	if (broker.error < 0)
		return fail(broker.error, "the broker of the test refuses");
	return secret_copy("the secret of the test", 22, ret);
}

static int set_up(void **state)
{
	(void)state;
	memset(&broker, 0, sizeof(broker));
	return 0;
}

/* ---- rule = "all" ---- */

static void parts_are_combined(void **state)
{
	cleanup(secret_freep) struct secret *one = NULL;
	cleanup(secret_freep) struct secret *two = NULL;
	cleanup(secret_freep) struct secret *combined = NULL;
	cleanup(secret_freep) struct secret *reversed = NULL;
	/* By Python's hmac: HKDF-SHA256 over "name, secret" with le32 lengths, in order of names. */
	static const char expected[] = "+Cx8HR6hV/CVcnnA9hjnK3/BFjqK+QWjabe2dteOhvI=";
	struct key_part parts[2];

	(void)state;
	assert_int_equal(secret_copy("sealed secret012345678901234567890123456789", 43, &one), 0);
	assert_int_equal(secret_copy("broker secret0123456789abcdefghi", 32, &two), 0);
	parts[0] = (struct key_part){"tpm2", one};
	parts[1] = (struct key_part){"kbs", two};
	assert_int_equal(key_combine(parts, 2, &combined), 0);
	assert_int_equal(combined->size, strlen(expected));
	assert_memory_equal(combined->data, expected, combined->size);
	parts[0] = (struct key_part){"kbs", two};
	parts[1] = (struct key_part){"tpm2", one};
	assert_int_equal(key_combine(parts, 2, &reversed), 0);
	assert_true(secret_equal(combined, reversed));
}

/*
 * Whoever knows the other part must not be able to try guesses fast: the passphrase is one that the
 * keyslot and the header's MAC take for weak.
 */
static void one_weak_part_is_told(void **state)
{
	cleanup(secret_freep) struct secret *one = NULL;
	cleanup(secret_freep) struct secret *two = NULL;
	cleanup(secret_freep) struct secret *combined = NULL;
	/* As above, the first 16 bytes. */
	static const char expected[] = "pS/jfMvNcL4e8u/R+MciLw==";

	(void)state;
	assert_true(strlen(expected) < LUKS_STRONG_PASSPHRASE);
	assert_int_equal(secret_copy("sealed secret012345678901234567890123456789", 43, &one), 0);
	assert_int_equal(secret_copy("broker secret0123456789abcdefgh", 31, &two), 0);
	assert_int_equal(
		key_combine((struct key_part[]){{"kbs", two}, {"tpm2", one}}, 2, &combined), 0);
	assert_int_equal(combined->size, strlen(expected));
	assert_memory_equal(combined->data, expected, combined->size);
}

static void each_part_counts(void **state)
{
	cleanup(secret_freep) struct secret *one = NULL;
	cleanup(secret_freep) struct secret *two = NULL;
	cleanup(secret_freep) struct secret *both = NULL;
	cleanup(secret_freep) struct secret *swapped = NULL;
	cleanup(secret_freep) struct secret *alone = NULL;

	(void)state;
	assert_int_equal(secret_copy("one", 3, &one), 0);
	assert_int_equal(secret_copy("two", 3, &two), 0);
	assert_int_equal(key_combine((struct key_part[]){{"kbs", one}, {"tpm2", two}}, 2, &both),
			 0);
	assert_int_equal(key_combine((struct key_part[]){{"kbs", two}, {"tpm2", one}}, 2, &swapped),
			 0);
	assert_int_equal(key_combine((struct key_part[]){{"kbs", one}}, 1, &alone), 0);
	assert_false(secret_equal(both, swapped));
	assert_false(secret_equal(both, alone));
}

/* ---- Resources ---- */

static const uint8_t uuid[UUID_SIZE] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
					0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};

static void resources_are_expanded(void **state)
{
	static const struct {
		const char *text, *expanded;
	} good[] = {
		{"kbs:///a/b/c", "kbs:///a/b/c"},
		{"kbs:///a/%u/c", "kbs:///a/00010203-0405-0607-0809-0a0b0c0d0e0f/c"},
		{"kbs:///%i/b/%i", "kbs:///vm-7/b/vm-7"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cleanup(freep) char *expanded = NULL;

		assert_int_equal(kbs_resource_expand(good[i].text, uuid, "vm-7", &expanded), 0);
		assert_string_equal(expanded, good[i].expanded);
	}
}

static void unknown_letters_are_refused(void **state)
{
	char *expanded = NULL;

	(void)state;
	assert_int_equal(kbs_resource_expand("kbs:///%x/b/c", uuid, "i", &expanded), -EINVAL);
	assert_int_equal(kbs_resource_expand("kbs:///a/b/c%", uuid, "i", &expanded), -EINVAL);
	assert_int_equal(kbs_resource_expand("kbs:///a/b/%i", uuid, NULL, &expanded), -EINVAL);
	assert_null(expanded);
}

/* ---- The provider ---- */

#define PEM	  "-----BEGIN CERTIFICATE-----\nAA==\n"
#define INLINE_CA "ca = \"\"\"" PEM "\"\"\"\n"

static struct config *make_config(const char *more)
{
	cleanup(freep) char *text = NULL;
	struct config *config = NULL;
	int size = asprintf(&text,
			    "[keys]\nproviders = ['kbs']\n[tee]\nplatform = 'snp'\n"
			    "[kbs]\nurl = 'https://kbs.test'\ndeadline-seconds = 20\n%s",
			    more);

	assert_true(size > 0);
	if (config_parse(text, (size_t)size, "test", &config) < 0)
		fail_msg("%s", fail_sentence(-EBADMSG));
	return config;
}

static void one_fetch_serves_enrolment_and_rehearsal(void **state)
{
	cleanup(config_freep) struct config *config =
		make_config(INLINE_CA "resource = 'kbs:///default/root/%u'\n"
				      "certificate-dates = false\n");
	cleanup(secret_freep) struct secret *fetched = NULL;
	cleanup(secret_freep) struct secret *enrolled = NULL;
	cleanup(secret_freep) struct secret *unlocked = NULL;
	cleanup(json_decrefp) json_t *token = NULL;
	const struct provider_context context = {
		.config = config, .luks_uuid = uuid, .fetched = &fetched};

	(void)state;
	assert_int_equal(kbs_provider.enrol(&context, &enrolled, &token), 0);
	assert_int_equal(kbs_provider.unlock(&context, token, &unlocked), 0);
	assert_int_equal(broker.calls, 1);
	assert_string_equal(broker.uri, "kbs:///default/root/00010203-0405-0607-0809-0a0b0c0d0e0f");
	assert_string_equal(broker.url, "https://kbs.test");
	assert_string_equal(broker.ca, PEM);
	assert_string_equal(broker.tee, "snp");
	assert_string_equal(broker.initdata, "");
	assert_int_equal(broker.deadline_ms, 20000);
	assert_true(broker.ignore_certificate_dates);
	assert_int_equal(enrolled->size, 22);
	assert_memory_equal(enrolled->data, "the secret of the test", 22);
	assert_true(secret_equal(enrolled, unlocked));
	assert_string_equal(json_string_value(json_object_get(token, "type")), "kbs");
	assert_string_equal(json_string_value(json_object_get(token, "trustee.kbs.resource")),
			    broker.uri);
	assert_string_equal(json_string_value(json_object_get(token, "trustee.kbs.url")),
			    "https://kbs.test");
}

static void another_boot_fetches_again(void **state)
{
	cleanup(config_freep) struct config *config =
		make_config(INLINE_CA "resource = 'kbs:///default/root/key'\n");

	(void)state;
	for (unsigned int boot = 1; boot <= 2; boot++) {
		cleanup(secret_freep) struct secret *fetched = NULL;
		cleanup(secret_freep) struct secret *unlocked = NULL;
		const struct provider_context context = {
			.config = config, .luks_uuid = uuid, .fetched = &fetched};

		assert_int_equal(kbs_provider.unlock(&context, NULL, &unlocked), 0);
		assert_int_equal(broker.calls, boot);
		assert_false(broker.ignore_certificate_dates);
	}
}

static void the_token_is_not_believed(void **state)
{
	cleanup(config_freep) struct config *config =
		make_config(INLINE_CA "resource = 'kbs:///default/root/key'\n");
	cleanup(secret_freep) struct secret *fetched = NULL;
	cleanup(secret_freep) struct secret *unlocked = NULL;
	cleanup(json_decrefp) json_t *token =
		json_pack("{s:s, s:s, s:s}", "type", "kbs", "trustee.kbs.url", "https://evil",
			  "trustee.kbs.resource", "kbs:///evil/evil/evil");
	const struct provider_context context = {
		.config = config, .luks_uuid = uuid, .fetched = &fetched};

	(void)state;
	assert_int_equal(kbs_provider.unlock(&context, token, &unlocked), 0);
	assert_string_equal(broker.uri, "kbs:///default/root/key");
	assert_string_equal(broker.url, "https://kbs.test");
}

static void initdata_names_the_instance_and_is_sent(void **state)
{
	static char document[] = "the document", instance[] = "vm-9";
	cleanup(config_freep) struct config *config =
		make_config(INLINE_CA "resource = 'kbs:///default/%i/key'\n");
	cleanup(secret_freep) struct secret *fetched = NULL;
	cleanup(secret_freep) struct secret *unlocked = NULL;
	const struct initdata initdata = {
		.text = document, .size = strlen(document), .instance_id = instance};
	const struct provider_context context = {
		.config = config, .luks_uuid = uuid, .initdata = &initdata, .fetched = &fetched};

	(void)state;
	assert_int_equal(kbs_provider.unlock(&context, NULL, &unlocked), 0);
	assert_string_equal(broker.uri, "kbs:///default/vm-9/key");
	assert_string_equal(broker.initdata, document);
}

static void refusals_leave_nothing(void **state)
{
	cleanup(config_freep) struct config *config =
		make_config(INLINE_CA "resource = 'kbs:///a/b/c'\n");
	struct secret *fetched = NULL, *secret = NULL;
	const struct provider_context context = {
		.config = config, .luks_uuid = uuid, .fetched = &fetched};
	json_t *token = NULL;

	(void)state;
	broker.error = -ENOKEY;
	assert_int_equal(kbs_provider.enrol(&context, &secret, &token), -ENOKEY);
	assert_string_equal(fail_sentence(-ENOKEY), "the broker of the test refuses");
	assert_null(fetched);
	assert_null(secret);
	assert_null(token);
}

/* As for each keyslot that a header of the host's marks. */
static void a_broker_that_gave_nothing_is_asked_once(void **state)
{
	cleanup(config_freep) struct config *config =
		make_config(INLINE_CA "resource = 'kbs:///a/b/c'\n");
	struct secret *fetched = NULL, *secret = NULL;
	int fetch_error = 0;
	const struct provider_context context = {.config = config,
						 .luks_uuid = uuid,
						 .fetched = &fetched,
						 .fetch_error = &fetch_error};

	(void)state;
	broker.error = -ENOKEY;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(kbs_provider.unlock(&context, NULL, &secret), -ENOKEY);
		assert_string_equal(fail_sentence(-ENOKEY), "the broker of the test refuses");
		assert_int_equal(broker.calls, 1);
	}
	assert_null(secret);
}

static void missing_files_are_named(void **state)
{
	cleanup(config_freep) struct config *config =
		make_config("ca = '/nowhere/ca.pem'\nresource = 'kbs:///a/b/c'\n");
	cleanup(kbs_options_done) struct kbs_options options = {};

	(void)state;
	assert_int_equal(kbs_options_load(config, NULL, &options), -ENOENT);
	assert_non_null(strstr(fail_sentence(-ENOENT), "CA file /nowhere/ca.pem"));
}

static void providers_are_found_by_name(void **state)
{
	cleanup(config_freep) struct config *kbs =
		make_config(INLINE_CA "resource = 'kbs:///a/b/c'\n");
	cleanup(config_freep) struct config *plain = NULL;
	const struct key_provider_ops *provider;

	(void)state;
	assert_int_equal(provider_find("kbs", &provider), 0);
	assert_ptr_equal(provider, &kbs_provider);
	assert_int_equal(provider_find("tpm2", &provider), 0);
	assert_ptr_equal(provider, &tpm2_provider);
	assert_int_equal(provider_find("", &provider), -EINVAL);
	assert_int_equal(config_parse("", 0, "test", &plain), 0);
	assert_true(provider_needs_tpm(plain));
	assert_false(provider_needs_tpm(kbs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_combined),
		cmocka_unit_test(one_weak_part_is_told),
		cmocka_unit_test(each_part_counts),
		cmocka_unit_test(resources_are_expanded),
		cmocka_unit_test(unknown_letters_are_refused),
		cmocka_unit_test_setup(one_fetch_serves_enrolment_and_rehearsal, set_up),
		cmocka_unit_test_setup(another_boot_fetches_again, set_up),
		cmocka_unit_test_setup(the_token_is_not_believed, set_up),
		cmocka_unit_test_setup(initdata_names_the_instance_and_is_sent, set_up),
		cmocka_unit_test_setup(refusals_leave_nothing, set_up),
		cmocka_unit_test_setup(a_broker_that_gave_nothing_is_asked_once, set_up),
		cmocka_unit_test_setup(missing_files_are_named, set_up),
		cmocka_unit_test(providers_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
