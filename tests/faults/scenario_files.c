/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* What is read from files and written to files that are not the disk. */
#include "scenario.h"

#include "base/file.h"
#include "base/reader.h"
#include "boot/status.h"
#include "config/config.h"
#include "config/initdata.h"
#include "disk/luks/luks.h"
#include "disk/manifest/manifest.h"
#include "keys/combine.h"
#include "measure/log.h"
#include "measure/machine_logs.h"
#include "verify/verify.h"

#include <string.h>
#include <sys/stat.h>

/* ---- Configuration and initdata ---- */

static int write_config(void)
{
	static const char text[] = "[root]\n"
				   "partition = 'PARTLABEL=root'\n"
				   "manifest = '/etc/other'\n"
				   "[tpm2]\n"
				   "pcrs = [7, 12, 14]\n"
				   "public-key = \"/etc/policy \\\"1\\\" \\u00e9.pem\"\n"
				   "signature = '/sig.json'\n"
				   "[initdata]\n"
				   "path = '/run/initdata'\n";

	write_file("config", text, strlen(text));
	return 0;
}

static int load_config(void)
{
	cleanup(config_freep) struct config *config = NULL;
	int r = config_load(in_folder("config"), &config);

	if (r == 0 && strcmp(config->tpm2_public_key, "/etc/policy \"1\" \u00e9.pem") != 0)
		wrong("another configuration");
	return r;
}

static int load_broker_config(void)
{
	cleanup(config_freep) struct config *config = NULL;
	int r = config_load(CORPUS "/config/broker", &config);

	if (r == 0 && (config->servers_count == 0 || !config->servers[0].url))
		wrong("another configuration");
	return r;
}

static int load_initdata(void)
{
	cleanup(initdata_freep) struct initdata *initdata = NULL;
	cleanup(config_freep) struct config *config = NULL;
	int r = initdata_load(CORPUS "/initdata/configuration", &initdata);

	if (r == 0)
		r = config_parse(initdata->config, strlen(initdata->config), "initdata", &config);
	if (r == 0 && (initdata->digest_size != 48 || strcmp(initdata->instance_id, "vm-7") != 0))
		wrong("another document");
	return r;
}

static const struct scenario config = {
	.name = "config", .set_up = write_config, .run = load_config, .survives = " mlock "};
static const struct scenario config_broker = {
	.name = "config-broker", .run = load_broker_config, .survives = " mlock "};
static const struct scenario initdata = {
	.name = "initdata", .run = load_initdata, .survives = " mlock "};

/* ---- Manifest ---- */

static int load_manifest(void)
{
	cleanup(manifest_freep) struct manifest *manifest = NULL;
	cleanup(freep) uint8_t *data = NULL;
	size_t size;
	int r = manifest_load(CORPUS "/manifest/three-extents", &manifest);

	if (r == 0)
		r = manifest_serialize(manifest, &data, &size);
	if (r == 0 && manifest->extents_count != 3)
		wrong("another manifest");
	return r;
}

/* stat() only says no to large files before they are read. */
static const struct scenario manifest = {
	.name = "manifest-load", .run = load_manifest, .survives = " stat64 "};

/* ---- Status ---- */

static const struct boot_status status = {
	.state = BOOT_CONVERTING,
	.root = BOOT_ROOT_RESUMED,
	.percent = 45,
	.provider = "tpm2",
	.epoch = 3,
	.sentence = "a \"quoted\" line",
};

static void reset_status(void)
{
	(void)unlink(in_folder("new/status"));
	(void)rmdir(in_folder("new"));
}

static int write_status(void)
{
	int r = boot_status_write(in_folder("new/status"), &status);
	struct boot_status back;

	fault_off();
	if (r == 0 && (boot_status_read(in_folder("new/status"), &back) < 0 || back.epoch != 3))
		wrong("another status");
	return r;
}

/* Nothing of what failed is in the way, and no half of a file is left behind. */
static int write_status_again(void)
{
	int r = write_status();

	if (r == 0 && (unlink(in_folder("new/status")) < 0 || rmdir(in_folder("new")) < 0))
		wrong("another file is left beside the status: %s", strerror(errno));
	return r;
}

static int read_status(void)
{
	struct boot_status back;
	int r = boot_status_read(CORPUS "/status/converting", &back);

	if (r == 0 && back.state != BOOT_CONVERTING)
		wrong("another status");
	return r;
}

static const struct scenario status_write = {.name = "status-write",
					     .reset = reset_status,
					     .run = write_status,
					     .again = write_status_again,
					     .silent = true};
static const struct scenario status_read = {.name = "status-read", .run = read_status};

/* ---- Files that are replaced ---- */

static const char old_text[] = "the old text\n", new_text[] = "the new text\n";

static void reset_file(void)
{
	write_file("replaced", old_text, strlen(old_text));
}

static int replace_file(void)
{
	return file_write_atomic(in_folder("replaced"), new_text, strlen(new_text), 0600);
}

/* The old or the new text, whole; and then the new one. */
static int replace_file_again(void)
{
	cleanup(freep) char *text = NULL;
	size_t size;
	int r = file_read_all(in_folder("replaced"), KIB, &text, &size);

	if (r == 0 && strcmp(text, old_text) != 0 && strcmp(text, new_text) != 0)
		wrong("half a file");
	return r < 0 ? r : replace_file();
}

static const struct scenario file_replace = {.name = "file-replace",
					     .reset = reset_file,
					     .run = replace_file,
					     .again = replace_file_again,
					     .silent = true};

/* ---- Logs ---- */

static int make_logs(void)
{
	static const char *const folders[] = {"logs", "logs/run", "logs/run/log",
					      "logs/run/log/systemd"};
	cleanup(freep) char *text = NULL;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		(void)mkdir(in_folder(folders[i]), 0700);
	must(file_read_all(CORPUS "/eventlog_user/words", MIB, &text, &size), "the corpus");
	write_file("logs" MEASURE_LOG_PATH, text, size);
	return 0;
}

static int read_logs(void)
{
	cleanup(machine_logs_done) struct machine_logs logs = {};
	cleanup(eventlog_freep) struct eventlog *log = NULL;
	int r = machine_logs_load_below(in_folder("logs"), &logs);

	if (r == 0)
		r = machine_logs_parse(&logs, &log);
	if (r == 0 && eventlog_count(log) == 0)
		wrong("no events");
	return r;
}

static int extended;

static int count_extension(void *context, const struct measure_record *record)
{
	(void)context, (void)record;
	extended++;
	return 0;
}

static int append_event(void)
{
	struct measure_record record = {
		.word = WORD_CONFIG,
		.pcr = 15,
		.banks = 1U << HASH_SHA256,
		.type = "cvmroot",
		.text = "cvmroot-config:00",
		.boot_id = "0123456789abcdef0123456789abcdef",
	};
	int r;

	extended = 0;
	r = measure_log_extend(in_folder("log"), &record, count_extension, NULL);
	/* A register that was not extended would leave its secrets open. */
	if (extended != 1)
		wrong("the register was extended %d times", extended);
	return r;
}

static void reset_log(void)
{
	(void)unlink(in_folder("log"));
}

/* A log that lacks an event says so by its mark, which the next event does not take away. */
static int check_log(void)
{
	cleanup(freep) char *text = NULL;
	struct stat before = {}, after;
	size_t size, events = 0;
	bool is_new = stat(in_folder("log"), &before) < 0;
	int r = append_event();

	if (r < 0)
		return r;
	must(file_read_all(in_folder("log"), MIB, &text, &size), "the log");
	for (size_t i = 0; i < size; i++)
		events += text[i] == EVENTLOG_SEPARATOR;
	if (stat(in_folder("log"), &after) < 0)
		wrong("no log");
	if (!is_new && (before.st_mode & S_ISVTX) && !(after.st_mode & S_ISVTX))
		wrong("the mark is lost");
	if (events < 2 && before.st_size > 0)
		wrong("an event is lost");
	return 0;
}

static const struct scenario logs_read = {
	.name = "logs-read", .set_up = make_logs, .run = read_logs};
static const struct scenario logs_append = {
	.name = "logs-append", .reset = reset_log, .run = append_event, .again = check_log};

/* ---- Verifying ---- */

static char *evidence;
static size_t evidence_size;

static int load_evidence(void)
{
	return file_read_all(CORPUS "/verify_document/tpm", MIB, &evidence, &evidence_size);
}

static int check_evidence(void)
{
	static const char reference[] = "{\"cvmroot-reference\": 1}";
	cleanup(certificates_freep) struct certificates *none = NULL;
	struct verify_input input = {
		.evidence = evidence,
		.evidence_size = evidence_size,
		.reference = reference,
		.reference_size = strlen(reference),
	};
	struct verify_result result;
	int r = certificates_new(&none);

	if (r < 0)
		return r;
	input.roots = input.certificates = none;
	r = verify_evidence(&input, &result);
	if (r == 0 && verify_accepts(&result))
		wrong("accepted without a root");
	return r;
}

static void free_evidence(void)
{
	free(evidence);
}

/* A claim that could not be checked is no error; that it is not taken to hold is seen above. */
static const struct scenario verify = {
	.name = "verify",
	.set_up = load_evidence,
	.run = check_evidence,
	.tear_down = free_evidence,
	.survives = " EVP_DigestVerify EVP_DigestVerifyInit_ex EVP_MD_CTX_new d2i_PUBKEY "};

/* ---- Keys ---- */

static int combine(void)
{
	cleanup(secret_freep) struct secret *one = NULL;
	cleanup(secret_freep) struct secret *two = NULL;
	cleanup(secret_freep) struct secret *combined = NULL;
	struct key_part parts[2];
	int r = known_secret(0, 43, &one);

	if (r == 0)
		r = known_secret(1, 64, &two);
	if (r < 0)
		return r;
	parts[0] = (struct key_part){"tpm2", one};
	parts[1] = (struct key_part){"kbs", two};
	r = key_combine(parts, 2, &combined);
	if (r == 0 && combined->size != 44)
		wrong("another passphrase");
	return r;
}

static int use_secrets(void)
{
	cleanup(secret_freep) struct secret *one = NULL;
	cleanup(secret_freep) struct secret *text = NULL;
	cleanup(secret_freep) struct secret *random = NULL;
	cleanup(secret_freep) struct secret *derived = NULL;
	uint8_t mac[HASH_SHA256_SIZE];
	int r = known_secret(0, 32, &one);

	if (r == 0)
		r = secret_base64(one, &text);
	if (r == 0)
		r = secret_random(32, &random);
	if (r == 0)
		r = hkdf_derive(one, "a label", 32, &derived);
	if (r == 0)
		r = hmac_data(HASH_SHA256, one, "data", 4, mac);
	if (r == 0 && bytes_are_zero(random->data, random->size))
		wrong("zeros in the place of random bytes");
	return r;
}

/* Secrets of a machine without swap are as safe when they are not locked. */
static const struct scenario keys_combine = {
	.name = "keys-combine", .run = combine, .survives = " mlock ", .silent = true};
static const struct scenario secrets = {
	.name = "secrets", .run = use_secrets, .survives = " mlock ", .silent = true};

const struct scenario *const scenarios_files[] = {
	&config,       &config_broker, &initdata,  &manifest,	 &status_write,
	&status_read,  &file_replace,  &logs_read, &logs_append, &verify,
	&keys_combine, &secrets,       NULL,
};
