/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "base/error.h"
#include "config/config.h"

#include <fcntl.h>

#define TPM_PCRS 24

static int parse(const char *text, struct config **ret)
{
	return config_parse(text, strlen(text), "c.toml", ret);
}

static void empty_file_has_defaults(void **state)
{
	cleanup(config_freep) struct config *config = NULL;
	/* FIPS 180-4 test vector: SHA-256 of nothing. */
	HEX(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

	(void)state;
	assert_int_equal(parse("", &config), 0);
	assert_string_equal(config->partition, "auto");
	assert_string_equal(config->manifest, "/etc/cvmroot/root.manifest");
	assert_false(config->grow);
	assert_true(config->check_first);
	assert_int_equal(config->wait_seconds, 90);
	assert_int_equal(config->providers_count, 1);
	assert_string_equal(config->providers[0], "tpm2");
	assert_int_equal(config->tpm2_pcrs,
			 1 << 2 | 1 << 4 | 1 << 7 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 15);
	assert_int_equal(config->tpm2_bank, HASH_SHA256);
	assert_false(config->tpm2_legacy_primary);
	assert_null(config->tpm2_public_key);
	assert_string_equal(config->tpm2_signature, "/.extra/tpm2-pcr-signature.json");
	assert_int_equal(config->tpm2_nv_index, 0x01805652);
	assert_int_equal(config->failure_action, FAILURE_POWEROFF);
	assert_int_equal(config->measure_config, 15);
	assert_int_equal(config->measure_manifest, 15);
	assert_int_equal(config->measure_root, 15);
	assert_int_equal(config->measure_leave, 15);
	assert_int_equal(config->measure_rtmr, 2);
	assert_int_equal(config->rule, RULE_ANY);
	assert_string_equal(config->tee, "auto");
	assert_int_equal(config->tee_ak_handle, 0x81010002);
	assert_false(config->tee_create_ak);
	assert_int_equal(config->servers_count, 0);
	assert_null(config->kbs_resource);
	assert_int_equal(config->kbs_deadline_seconds, 600);
	assert_true(config->kbs_certificate_dates);
	assert_null(config->initdata_path);
	assert_memory_equal(config->digest, digest, sizeof(digest));
}

static const char full[] = "[root]\n"
			   "partition = \"PARTUUID=0fc63daf-8483-4772-8e79-3d69d8477de4\"\n"
			   "manifest = \"/etc/other manifest\"\n"
			   "grow = true\n"
			   "check-first = false\n"
			   "wait-seconds = 3600\n"
			   "[keys]\n"
			   "providers = [\"kbs\", \"tpm2\"]\n"
			   "rule = \"all\"\n"
			   "[tpm2]\n"
			   "pcrs = [12, 15, 7]\n"
			   "bank = \"sha384\"\n"
			   "profile = \"legacy\"\n"
			   "public-key = \"/etc/cvmroot/policy \\\"1\\\".pem\"\n"
			   "signature = '/sig.json'\n"
			   "nv-index = 0x1bfffff\n"
			   "[tee]\n"
			   "platform = 'az-snp-vtpm'\n"
			   "ak-handle = 0x81000003\n"
			   "create-ak = true\n"
			   "[kbs.spare]\n"
			   "url = 'https://[fd00::1]:8443'\n"
			   "ca = \"\"\"\n-----BEGIN CERTIFICATE-----\nAA==\n\"\"\"\n"
			   "[kbs]\n"
			   "url = 'https://kbs.example.com'\n"
			   "ca = '/etc/ca.pem'\n"
			   "pin = 'sha256//MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE='\n"
			   "client-certificate = '/etc/client.pem'\n"
			   "client-key = '/etc/client.key'\n"
			   "resource = 'kbs:///default/%i/%u'\n"
			   "deadline-seconds = 30\n"
			   "certificate-dates = false\n"
			   "[initdata]\n"
			   "path = '/run/initdata'\n"
			   "[measure]\n"
			   "config = 9\n"
			   "manifest = 12\n"
			   "root = 13\n"
			   "leave = 14\n"
			   "rtmr = 3\n"
			   "[failure]\n"
			   "action = \"reboot\"\n";

static void check_full(const struct config *config)
{
	assert_string_equal(config->partition, "PARTUUID=0fc63daf-8483-4772-8e79-3d69d8477de4");
	assert_string_equal(config->manifest, "/etc/other manifest");
	assert_true(config->grow);
	assert_false(config->check_first);
	assert_int_equal(config->wait_seconds, 3600);
	assert_int_equal(config->tpm2_pcrs, 1 << 7 | 1 << 12 | 1 << 15);
	assert_int_equal(config->tpm2_bank, HASH_SHA384);
	assert_true(config->tpm2_legacy_primary);
	assert_string_equal(config->tpm2_public_key, "/etc/cvmroot/policy \"1\".pem");
	assert_string_equal(config->tpm2_signature, "/sig.json");
	assert_int_equal(config->tpm2_nv_index, 0x01bfffff);
	assert_int_equal(config->failure_action, FAILURE_REBOOT);
	assert_int_equal(config->rule, RULE_ALL);
	assert_string_equal(config->providers[0], "kbs");
	assert_string_equal(config->tee, "az-snp-vtpm");
	assert_int_equal(config->tee_ak_handle, 0x81000003);
	assert_true(config->tee_create_ak);
	assert_int_equal(config->servers_count, 2);
	assert_string_equal(config->servers[0].name, "kbs");
	assert_string_equal(config->servers[0].url, "https://kbs.example.com");
	assert_string_equal(config->servers[0].ca, "/etc/ca.pem");
	assert_string_equal(config->servers[0].pin,
			    "sha256//MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
	assert_string_equal(config->servers[0].client_certificate, "/etc/client.pem");
	assert_string_equal(config->servers[0].client_key, "/etc/client.key");
	assert_string_equal(config->servers[1].name, "kbs.spare");
	assert_string_equal(config->servers[1].url, "https://[fd00::1]:8443");
	assert_string_equal(config->servers[1].ca, "-----BEGIN CERTIFICATE-----\nAA==\n");
	assert_null(config->servers[1].pin);
	assert_string_equal(config->kbs_resource, "kbs:///default/%i/%u");
	assert_int_equal(config->kbs_deadline_seconds, 30);
	assert_false(config->kbs_certificate_dates);
	assert_string_equal(config->initdata_path, "/run/initdata");
	assert_int_equal(config->measure_config, 9);
	assert_int_equal(config->measure_manifest, 12);
	assert_int_equal(config->measure_root, 13);
	assert_int_equal(config->measure_leave, 14);
	assert_int_equal(config->measure_rtmr, 3);
}

static void reads_every_key(void **state)
{
	cleanup(config_freep) struct config *config = NULL;

	(void)state;
	assert_int_equal(parse(full, &config), 0);
	check_full(config);
}

static char *show(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	config_show(config, stream);
	fclose(stream);
	return text;
}

/* What is shown must mean the same when it is read again, and must leave out what is not set. */
static void shows_what_it_read(void **state)
{
	cleanup(config_freep) struct config *config = NULL, *again = NULL, *plain = NULL;
	cleanup(freep) char *text = NULL, *second = NULL;

	(void)state;
	assert_int_equal(parse(full, &config), 0);
	text = show(config);
	assert_int_equal(parse(text, &again), 0);
	check_full(again);
	assert_int_equal(parse("", &plain), 0);
	second = show(plain);
	assert_null(strstr(second, "public-key"));
	assert_non_null(strstr(second, "\nnv-index = 0x01805652\n"));
}

static void public_key_changes_default_pcrs(void **state)
{
	cleanup(config_freep) struct config *config = NULL;

	(void)state;
	assert_int_equal(parse("[tpm2]\npublic-key = '/k.pem'", &config), 0);
	assert_int_equal(config->tpm2_pcrs, 1 << 7 | 1 << 12 | 1 << 15);
}

static const char *const good[] = {
	"[root]\npartition = 'PARTLABEL=root system'",
	"[root]\npartition = '/dev/disk/by-id/x'",
	"[root]\nwait-seconds = 1",
	"[tpm2]\nnv-index = 0x01800000",
	"[tpm2]\npcrs = [4, 12]",
	"[tpm2]\npcrs = [12, 11]",
	"[tpm2]\nbank = 'sha512'",
	"[measure]\nconfig = 15\nrtmr = 2",
};

static void accepts_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		cleanup(config_freep) struct config *config = NULL;

		assert_int_equal(parse(good[i], &config), 0);
	}
}

/* One defect each, with the whole sentence up to where advice begins. */
static const struct {
	const char *text;
	const char *sentence;
} bad[] = {
	{"grow = true", "c.toml:1: grow: unknown key"},
	{"\n[disk]", "c.toml:2: [disk]: unknown table"},
	{"[root]\ngrows = true", "c.toml:2: [root] grows: unknown key"},
	{"[keys]\n# x\ngrow = true", "c.toml:3: [keys] grow: unknown key"},
	{"[root]\ngrow = true\ngrow = true",
	 "c.toml:3: [root] grow: this key was already given in line 2"},
	{"[root]\n[keys]\n[root]", "c.toml:3: [root]: this table was already given in line 1"},
	{"[root]\ngrow = 1", "c.toml:2: [root] grow: wanted true or false"},
	{"[root]\ngrow = 'true'", "c.toml:2: [root] grow: wanted true or false"},
	{"[root]\nwait-seconds = '9'", "c.toml:2: [root] wait-seconds: wanted a number"},
	{"[root]\npartition = true", "c.toml:2: [root] partition: wanted a string in quotes"},
	/* The units of the initrd and fstab know /dev/mapper/root, and no other name. */
	{"[root]\nmapping = 'root'", "c.toml:2: [root] mapping: unknown key"},
	{"[keys]\nproviders = 'tpm2'", "c.toml:2: [keys] providers: wanted an array in []"},
	{"[keys]\nproviders = [2]", "c.toml:2: [keys] providers: wanted an array of strings"},
	{"[tpm2]\npcrs = ['4']", "c.toml:2: [tpm2] pcrs: wanted an array of numbers"},
	{"[root]\nwait-seconds = 0", "c.toml:2: [root] wait-seconds: 0 is not in 1..3600"},
	{"[root]\nwait-seconds = 3601", "c.toml:2: [root] wait-seconds: 3601 is not in 1..3600"},
	{"[root]\nwait-seconds = -1", "c.toml:2: [root] wait-seconds: -1 is not in 1..3600"},
	{"[root]\nwait-seconds = 4294967297",
	 "c.toml:2: [root] wait-seconds: 4294967297 is not in 1..3600"},
	{"[root]\npartition = ''", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\npartition = 'Auto'", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\npartition = 'PARTUUID=12345678-01'", "c.toml:2: [root] partition: wanted \"auto"},
	{"[root]\npartition = 'PARTLABEL='", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\npartition = 'PARTLABEL=a/b'", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\npartition = \"PARTLABEL=a\\n\"", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\npartition = '/dev/../etc/x'", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\npartition = 'LABEL=root'", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\npartition = '/etc/x'", "c.toml:2: [root] partition: wanted \"auto\""},
	{"[root]\nmanifest = 'root.manifest'", "c.toml:2: [root] manifest: not an absolute path"},
	{"[root]\nmanifest = '/a/'", "c.toml:2: [root] manifest: a file is wanted"},
	{"[root]\nmanifest = '/a/..'", "c.toml:2: [root] manifest: the path has a \"..\""},
	{"[root]\nmanifest = '/..x/../b'", "c.toml:2: [root] manifest: the path has a \"..\""},
	{"[root]\nmanifest = \"/a\\u001b\"", "c.toml:2: [root] manifest: the path has a control"},
	{"[keys]\nproviders = []", "c.toml:2: [keys] providers: at least one provider is needed"},
	{"[keys]\nproviders = ['clevis']",
	 "c.toml:2: [keys] providers: \"clevis\" is unknown; wanted \"tpm2\""},
	{"[keys]\nproviders = [\n'tpm2',\n'tpm2']",
	 "c.toml:4: [keys] providers: \"tpm2\" is named twice"},
	{"[keys]\nrule = 'some'",
	 "c.toml:2: [keys] rule: \"some\" is unknown; wanted \"any\" or \"all\""},
	{"[keys]\nrule = 'all'", "c.toml:2: [keys] rule: \"all\" needs at least two providers"},
	{"[keys]\nproviders = ['kbs']",
	 "c.toml:2: [keys] providers: the provider \"kbs\" needs url and ca"},
	{"[keys]\nproviders = ['kbs']\n[kbs]\nresource = 'kbs:///a/b/c'",
	 "c.toml:3: [kbs]: the provider \"kbs\" needs url and ca"},
	{"[keys]\nproviders = ['kbs']\n[kbs]\nurl = 'https://a'\nca = '/ca'",
	 "c.toml:3: [kbs]: the provider \"kbs\" needs resource"},
	{"[tee]\nplatform = 'sample'",
	 "c.toml:2: [tee] platform: \"sample\" is unknown; wanted \"auto\", \"snp\""},
	{"[tee]\nak-handle = 0x80ffffff", "c.toml:2: [tee] ak-handle: 0x80ffffff is not in"},
	{"[tee]\nak-handle = 0x81800000", "c.toml:2: [tee] ak-handle: 0x81800000 is not in"},
	{"[kbs]\nca = '/ca'", "c.toml:1: [kbs]: url is missing"},
	{"[kbs]\nurl = 'https://a'", "c.toml:1: [kbs]: ca is missing"},
	{"\n[kbs.b]\nurl = 'https://a'", "c.toml:2: [kbs.b]: ca is missing"},
	{"[kbs.b]\nresource = 'kbs:///a/b/c'", "c.toml:2: [kbs.b] resource: unknown key"},
	{"[kbsx]", "c.toml:1: [kbsx]: unknown table"},
	{"[keys.b]", "c.toml:1: [keys.b]: unknown table"},
	{"[kbs]\nurl = 'https://a'\nca = '/c'\nclient-key = '/k'",
	 "c.toml:1: [kbs]: client-certificate and client-key go together"},
	{"[kbs]\nurl = 'http://a'", "c.toml:2: [kbs] url: wanted \"https://HOST\""},
	{"[kbs]\nurl = 'https://'", "c.toml:2: [kbs] url: the host is not a name"},
	{"[kbs]\nurl = 'https://a/kbs'", "c.toml:2: [kbs] url: the host is not a name"},
	{"[kbs]\nurl = 'https://u@a'", "c.toml:2: [kbs] url: the host is not a name"},
	{"[kbs]\nurl = 'https://[::1'", "c.toml:2: [kbs] url: the host is not a name"},
	{"[kbs]\nurl = 'https://a:'", "c.toml:2: [kbs] url: the port is not a number"},
	{"[kbs]\nurl = 'https://a:0'", "c.toml:2: [kbs] url: the port is not a number"},
	{"[kbs]\nurl = 'https://a:65536'", "c.toml:2: [kbs] url: the port is not a number"},
	{"[kbs]\nurl = 'https://a:1/'", "c.toml:2: [kbs] url: the port is not a number"},
	{"[kbs]\nca = 'ca.pem'", "c.toml:2: [kbs] ca: neither a PEM text nor the path of one"},
	{"[kbs]\npin = 'sha256//AAAA'", "c.toml:2: [kbs] pin: wanted \"sha256//\""},
	{"[kbs]\nresource = 'https://a/b/c'", "c.toml:2: [kbs] resource: wanted \"kbs:///"},
	{"[kbs]\nresource = 'kbs:///a/b/%n'", "c.toml:2: [kbs] resource: only %u (LUKS UUID)"},
	{"[kbs]\nresource = 'kbs:///a/b/%'", "c.toml:2: [kbs] resource: only %u (LUKS UUID)"},
	{"[kbs]\ndeadline-seconds = 9", "c.toml:2: [kbs] deadline-seconds: 9 is not in 10..86400"},
	{"[kbs.a]\nurl='https://a'\n[kbs.b]\nurl='https://a'\n[kbs.c]\nurl='https://a'\n"
	 "[kbs.d]\nurl='https://a'\n[kbs.e]\nurl='https://a'\n[kbs.f]\nurl='https://a'\n"
	 "[kbs.g]\nurl='https://a'\n[kbs.h]\nurl='https://a'\n[kbs.i]\nurl='https://a'\n",
	 "c.toml:18: [kbs.i] url: more than 8 servers"},
	{"[initdata]\npath = 'x'", "c.toml:2: [initdata] path: not an absolute path"},
	{"[tpm2]\npcrs = [\n4,\n24]", "c.toml:4: [tpm2] pcrs: there is no PCR 24 (0..23)"},
	{"[tpm2]\npcrs = [-1]", "c.toml:2: [tpm2] pcrs: there is no PCR -1 (0..23)"},
	{"[tpm2]\npcrs = [4, 16]", "c.toml:2: [tpm2] pcrs: PCR 16 can be reset"},
	{"[tpm2]\npcrs = [4, 23]", "c.toml:2: [tpm2] pcrs: PCR 23 can be reset"},
	{"[tpm2]\npcrs = [4, 4]", "c.toml:2: [tpm2] pcrs: PCR 4 is named twice"},
	{"[tpm2]\npcrs = []", "c.toml:2: [tpm2] pcrs: without public-key, PCR 4 or 11"},
	{"[tpm2]\npcrs = [4, 7, 11]", "c.toml:2: [tpm2] pcrs: PCR 12 must be in the list"},
	{"[tpm2]\npublic-key = '/k'\npcrs = [7]", "c.toml:3: [tpm2] pcrs: PCR 12 must be"},
	{"[tpm2]\npublic-key = '/k'\npcrs = [12]", "c.toml:3: [tpm2] pcrs: with public-key, PCR 7"},
	{"[tpm2]\npublic-key = '/k'\npcrs = []", "c.toml:3: [tpm2] pcrs: with public-key, PCR 7"},
	{"[tpm2]\npcrs = [7, 9, 12, 15]", "c.toml:2: [tpm2] pcrs: without public-key, PCR 4 or 11"},
	{"[tpm2]\nbank = 'sha1'", "c.toml:2: [tpm2] bank: SHA-1 is broken and refused"},
	{"[tpm2]\nbank = 'sm3_256'",
	 "c.toml:2: [tpm2] bank: \"sm3_256\" is unknown; wanted \"sha256\", \"sha384\" or "
	 "\"sha512\""},
	{"[tpm2]\nprofile = 'SRK'",
	 "c.toml:2: [tpm2] profile: \"SRK\" is unknown; wanted \"srk\" or \"legacy\""},
	{"[tpm2]\npublic-key = 'k.pem'", "c.toml:2: [tpm2] public-key: not an absolute path"},
	{"[tpm2]\nsignature = ''", "c.toml:2: [tpm2] signature: not an absolute path"},
	{"[tpm2]\nnv-index = 0x17fffff",
	 "c.toml:2: [tpm2] nv-index: 0x17fffff is not in 0x01800000"},
	{"[tpm2]\nnv-index = 0x1c00002", "c.toml:2: [tpm2] nv-index: 0x1c00002 is not in"},
	{"[tpm2]\nnv-index = 0x101805652", "c.toml:2: [tpm2] nv-index: 0x101805652 is not in"},
	{"[measure]\nvolume = 15", "c.toml:2: [measure] volume: unknown key"},
	{"[measure]\nrtmr = 1", "c.toml:2: [measure] rtmr: 1 is not in 2..3"},
	{"[measure]\nrtmr = 4", "c.toml:2: [measure] rtmr: 4 is not in 2..3"},
	{"[failure]\naction = 'shell'",
	 "c.toml:2: [failure] action: \"shell\" is unknown; wanted \"poweroff\" or \"reboot\""},
	{"[failure]\naction = \"\\u001b[2J\"", "c.toml:2: [failure] action: \"?[2J\" is unknown"},
};

static void refuses_with_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config *config = NULL;

		assert_int_equal(parse(bad[i].text, &config), -EBADMSG);
		assert_null(config);
		if (strncmp(fail_sentence(-EBADMSG), bad[i].sentence, strlen(bad[i].sentence)) != 0)
			fail_msg("%s: %s", bad[i].text, fail_sentence(-EBADMSG));
	}
}

/* Every PCR is either allowed for an event or refused with what it is for. */
static const char *const taken[TPM_PCRS] = {
	[0 ... 7] = "the firmware measures", [8] = "it binds initdata",
	[10] = "the kernel's IMA",	     [11] = "it holds the boot phases",
	[16] = "anybody can reset it",	     [17 ... 22] = "it needs a locality",
	[23] = "anybody can reset it",
};

static void event_pcr_is_checked(const char *key, int pcr)
{
	cleanup(config_freep) struct config *config = NULL;
	cleanup(freep) char *text = NULL, *sentence = NULL;
	const char *reason = pcr >= 0 && pcr < TPM_PCRS ? taken[pcr] : "there is no PCR";

	assert_true(asprintf(&text, "[measure]\n%s = %d", key, pcr) > 0);
	if (!reason) {
		assert_int_equal(parse(text, &config), 0);
		return;
	}
	assert_true(asprintf(&sentence, "c.toml:2: [measure] %s: ", key) > 0);
	assert_int_equal(parse(text, &config), -EBADMSG);
	assert_ptr_equal(strstr(fail_sentence(-EBADMSG), sentence), fail_sentence(-EBADMSG));
	if (!strstr(fail_sentence(-EBADMSG), reason))
		fail_msg("%s: %s", text, fail_sentence(-EBADMSG));
}

static void event_pcrs_are_checked(void **state)
{
	static const char *const keys[] = {"config", "manifest", "root", "leave"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		for (int pcr = -1; pcr <= TPM_PCRS; pcr++)
			event_pcr_is_checked(keys[i], pcr);
}

static void loads_a_file(void **state)
{
	cleanup(config_freep) struct config *config = NULL;
	char path[] = "/tmp/test_config.XXXXXX";
	cleanup(closep) int fd = mkstemp(path);
	/* sha256sum of the seven bytes below, by coreutils. */
	HEX(digest, "afcbd4f4f09521aca7d8fc951205f57769baa5e67ea80765d280a3a5562edd3d");

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[keys]\n", 7), 7);
	assert_int_equal(config_load(path, &config), 0);
	assert_memory_equal(config->digest, digest, sizeof(digest));
	config_freep(&config);
	config = NULL;
	assert_int_equal(ftruncate(fd, CONFIG_SIZE_LIMIT + 1), 0);
	assert_int_equal(config_load(path, &config), -E2BIG);
	assert_non_null(strstr(fail_sentence(-E2BIG), ": longer than 64 KiB"));
	unlink(path);
	assert_int_equal(config_load(path, &config), -ENOENT);
	assert_non_null(strstr(fail_sentence(-ENOENT), path));
	assert_null(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_file_has_defaults),
		cmocka_unit_test(reads_every_key),
		cmocka_unit_test(shows_what_it_read),
		cmocka_unit_test(public_key_changes_default_pcrs),
		cmocka_unit_test(accepts_bounds),
		cmocka_unit_test(refuses_with_place),
		cmocka_unit_test(event_pcrs_are_checked),
		cmocka_unit_test(loads_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
