/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/* What is kept in a TPM, and what it says. */
#include "../unit/swtpm.h"
#include "scenario.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tpm/quote.h"
#include "tpm/token.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define STATE	"tpm2-00.permall"
#define INDEX	0x01800100
#define NONCE	"a nonce of the test"
#define UNSEALS 0 /* the number of the known secret */

static const struct tpm_binding binding = {.bank = HASH_SHA256, .pcrs = 1U << 7};
static struct swtpm *swtpm;

/* ---- The TPM between two runs ---- */

static void stop(void)
{
	kill(swtpm->pid, SIGTERM);
	waitpid(swtpm->pid, NULL, 0);
	swtpm->pid = 0;
}

static void power_cycle(void)
{
	swtpm_restart(swtpm);
	swtpm_disconnect(swtpm);
}

static void copy_state(const char *from, const char *to)
{
	cleanup(freep) char *data = NULL;
	size_t size;

	must(file_read_all(from, 16 * MIB, &data, &size), "the state of the TPM");
	must(file_write_volatile(to, data, size, 0600), "the state of the TPM");
}

static const char *state_path(void)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s/" STATE, swtpm->folder);
	return path;
}

static void reset(void)
{
	stop();
	copy_state(in_folder(STATE), state_path());
	power_cycle();
}

static void stop_for_good(void)
{
	void *state = swtpm;

	swtpm_teardown(&state);
}

/* A TPM of its own, on which @prepare has been; NULL: factory-new. */
static int set_up(int (*prepare)(void))
{
	void *state = NULL;

	if (swtpm_setup(&state) < 0)
		return fail(-ENODEV, "there is no swtpm");
	swtpm = state;
	swtpm_disconnect(swtpm);
	if (prepare)
		in_child(prepare, "preparing the TPM");
	stop();
	copy_state(state_path(), in_folder(STATE));
	power_cycle();
	return 0;
}

/* As programs do, but for the way to the TPM. */
static int open_tpm(struct tpm **ret)
{
	TSS2_TCTI_CONTEXT *tcti;

	fault_pause();
	tcti = swtpm_tcti(swtpm);
	fault_resume();
	return tpm_open_tcti(tcti, ret);
}

/* ---- Sealing ---- */

/* Whatever fails, the secret does not go over the wire in clear. */
static void watch_wire(bool on)
{
	static struct secret *secret;

	fault_pause();
	if (on)
		must(known_secret(UNSEALS, TPM_SECRET_SIZE, &secret), "a secret to look for");
	else
		secret_free(TAKE_PTR(secret));
	swtpm->watched = secret;
	fault_resume();
	if (swtpm->seen)
		wrong("the secret went over the wire in clear");
}

static int seal_into(struct tpm *tpm, json_t **ret_token)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	int r = known_secret(UNSEALS, TPM_SECRET_SIZE, &secret);

	watch_wire(true);
	if (r == 0)
		r = tpm_seal(tpm, &binding, secret, &sealed);
	watch_wire(false);
	return r < 0 ? r : tpm_token_make(sealed, ret_token);
}

static int unseal_from(struct tpm *tpm, json_t *token)
{
	cleanup(tpm_sealed_freep) struct tpm_sealed *sealed = NULL;
	cleanup(secret_freep) struct secret *secret = NULL;
	int r = tpm_token_parse(token, &sealed);

	watch_wire(true);
	if (r == 0)
		r = tpm_unseal(tpm, &binding, sealed, NULL, &secret);
	watch_wire(false);
	if (r < 0)
		return r;
	must_be_known_secret(secret, UNSEALS, TPM_SECRET_SIZE);
	return 0;
}

static int seal(void)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(json_decrefp) json_t *token = NULL;
	int r = open_tpm(&tpm);

	return r < 0 ? r : seal_into(tpm, &token);
}

static int seal_and_unseal(void)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(json_decrefp) json_t *token = NULL;
	int r = open_tpm(&tpm);

	if (r == 0)
		r = seal_into(tpm, &token);
	return r < 0 ? r : unseal_from(tpm, token);
}

static int save_token(void)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(json_decrefp) json_t *token = NULL;
	int r = open_tpm(&tpm);

	if (r == 0)
		r = seal_into(tpm, &token);
	return r < 0 ? r : json_dump_file(token, in_folder("token"), 0);
}

static int unseal(void)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(json_decrefp) json_t *token = NULL;
	cleanup(freep) char *text = NULL;
	int r = file_load_text(in_folder("token"), 64 * KIB, "token of the test", &text);

	if (r == 0)
		r = open_tpm(&tpm);
	if (r == 0)
		r = json_parse(text, strlen(text), 64 * KIB, &token);
	return r < 0 ? r : unseal_from(tpm, token);
}

static int set_up_new(void)
{
	return set_up(NULL);
}

static int set_up_sealed(void)
{
	return set_up(save_token);
}

/* What is not given back to the TPM is gone with the connection, or in the worst case at reboot. */
#define TPM_SURVIVES                                                                               \
	" mlock Esys_FlushContext Esys_TR_Close Esys_TRSess_SetAttributes@set_continue "           \
	"Esys_TRSess_SetAttributes@tpm_session_run Esys_TRSess_SetAttributes@try_once "

static const struct scenario tpm_seal_faults = {.name = "tpm-seal",
						.set_up = set_up_new,
						.reset = reset,
						.run = seal,
						.tear_down = stop_for_good,
						.again = seal_and_unseal,
						.between = power_cycle,
						.survives = TPM_SURVIVES,
						.every = 20};
static const struct scenario tpm_unseal_faults = {.name = "tpm-unseal",
						  .set_up = set_up_sealed,
						  .reset = reset,
						  .run = unseal,
						  .tear_down = stop_for_good,
						  .survives = TPM_SURVIVES,
						  .every = 20};

/* ---- The record ---- */

static int write_record(enum tpm_record_state state)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	struct tpm_record record = {.state = state, .epoch = 5};
	struct tpm_record back = {};
	int r = open_tpm(&tpm);

	if (r == 0)
		r = tpm_pcr_read(tpm, HASH_SHA256, 1U << 7 | 1U << TPM_PCR_IDENTITY,
				 &record.sealed_values);
	if (r == 0)
		r = tpm_record_write(tpm, INDEX, &binding, &record);
	if (r == 0)
		r = tpm_record_read(tpm, INDEX, &binding, &back);
	if (r == 0 && (back.state != state || back.epoch != 5))
		wrong("another record");
	return r;
}

static int write_first(void)
{
	return write_record(RECORD_CONVERTING);
}

static int write_next(void)
{
	return write_record(RECORD_DONE);
}

/* The record from before, or the new one: nothing between them. */
static int read_and_write(void)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	struct tpm_record back = {};
	int r = open_tpm(&tpm);

	if (r == 0)
		r = tpm_record_read(tpm, INDEX, &binding, &back);
	if (r == 0 &&
	    (back.epoch != 5 || (back.state != RECORD_CONVERTING && back.state != RECORD_DONE)))
		wrong("half a record");
	if (r < 0)
		return r;
	tpm_free(TAKE_PTR(tpm));
	return write_next();
}

static int set_up_record(void)
{
	return set_up(write_first);
}

static const struct scenario tpm_record_first = {.name = "tpm-record",
						 .set_up = set_up_new,
						 .reset = reset,
						 .run = write_first,
						 .tear_down = stop_for_good,
						 .again = write_first,
						 .between = power_cycle,
						 .survives = TPM_SURVIVES,
						 .every = 20};
static const struct scenario tpm_record_next = {.name = "tpm-record-next",
						.set_up = set_up_record,
						.reset = reset,
						.run = write_next,
						.tear_down = stop_for_good,
						.again = read_and_write,
						.between = power_cycle,
						.survives = TPM_SURVIVES,
						.slow = true,
						.every = 20};

/* ---- Attestation key and quote, and a PCR ---- */

static int quote(void)
{
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	cleanup(tpm_ak_done) struct tpm_ak ak = {};
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE] = {};
	struct tpm_quote quote = {};
	int r = open_tpm(&tpm);

	if (r == 0)
		r = tpm_ak_create(tpm, TPM_AK_HANDLE, &ak);
	if (r == 0)
		r = tpm_pcr_extend(tpm, 15, 1U << HASH_SHA256, digests);
	if (r == 0)
		r = tpm_quote(tpm, TPM_AK_HANDLE, NONCE, strlen(NONCE), &quote);
	if (r == 0 && tpm_pcr_is_zero(&quote.pcrs, 15))
		wrong("a PCR that was extended is quoted as zero");
	return r;
}

static int set_up_ak(void)
{
	return set_up(quote);
}

static const struct scenario tpm_quote_faults = {.name = "tpm-quote",
						 .set_up = set_up_ak,
						 .reset = reset,
						 .run = quote,
						 .tear_down = stop_for_good,
						 .survives = TPM_SURVIVES,
						 .every = 20};
/* A key is made each time, which takes long. */
static const struct scenario tpm_ak_faults = {.name = "tpm-ak",
					      .set_up = set_up_new,
					      .reset = reset,
					      .run = quote,
					      .tear_down = stop_for_good,
					      .again = quote,
					      .between = power_cycle,
					      .survives = TPM_SURVIVES,
					      .slow = true,
					      .every = 5};

const struct scenario *const scenarios_tpm[] = {
	&tpm_seal_faults,
	&tpm_unseal_faults,
	&tpm_record_first,
	&tpm_record_next,
	&tpm_quote_faults,
	&tpm_ak_faults,
	NULL,
};
