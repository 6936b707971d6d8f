/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "swtpm.h"

#include "base/error.h"

#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tcti_swtpm.h>

/* ---- The process ---- */

bool swtpm_exists(void)
{
	return access("/usr/bin/swtpm", X_OK) == 0;
}

/* Made here and handed to swtpm, so that it can be connected to at once. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	unlink(path);
	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void become_swtpm(const char *folder, int data, int control)
{
	char state[96], server[32], ctrl[32];
	int null = open("/dev/null", O_WRONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(state, sizeof(state), "dir=%s", folder);
	snprintf(server, sizeof(server), "type=unixio,fd=%d", data);
	snprintf(ctrl, sizeof(ctrl), "type=unixio,fd=%d", control);
	dup2(null, STDERR_FILENO);
	execl("/usr/bin/swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server",
	      server, "--ctrl", ctrl, "--flags", "not-need-init,startup-clear", NULL);
	_exit(127);
}

static void start(struct swtpm *swtpm)
{
	char path[128];
	int data, control;

	snprintf(path, sizeof(path), "%s.ctrl", swtpm->socket);
	data = listen_at(swtpm->socket);
	control = listen_at(path);
	swtpm->pid = fork();
	assert_true(swtpm->pid >= 0);
	if (swtpm->pid == 0)
		become_swtpm(swtpm->folder, data, control);
	close(data);
	close(control);
	swtpm_connect(swtpm);
}

static void stop(struct swtpm *swtpm)
{
	swtpm_disconnect(swtpm);
	if (swtpm->pid <= 0)
		return;
	kill(swtpm->pid, SIGTERM);
	waitpid(swtpm->pid, NULL, 0);
	swtpm->pid = 0;
}

/* ---- The wire ---- */

struct watch {
	TSS2_TCTI_CONTEXT_COMMON_V1 common;
	TSS2_TCTI_CONTEXT *inner;
	struct swtpm *swtpm;
	uint32_t code; /* of the command under way */
};

static void look(struct swtpm *swtpm, const uint8_t *data, size_t size)
{
	if (swtpm->watched &&
	    memmem(data, size, swtpm->watched->data, swtpm->watched->size) != NULL)
		swtpm->seen = true;
}

static uint32_t be32_at(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/*
 * StartAuthSession: header, tpmKey, bind, nonce, salt, type. A policy session needs no secret: it is
 * never alone at a command.
 */
static void look_at_session(struct swtpm *swtpm, const uint8_t *command)
{
	const uint8_t *salt = command + 20 + (command[18] << 8 | command[19]);
	const uint8_t *type = salt + 2 + (salt[0] << 8 | salt[1]);

	if (*type != TPM2_SE_HMAC)
		return;
	swtpm->hmac_sessions++;
	swtpm->unsalted += be32_at(command + 10) == TPM2_RH_NULL;
}

static TSS2_RC watch_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
	struct watch *watch = (struct watch *)context;
	struct swtpm *swtpm = watch->swtpm;

	watch->code = be32_at(command + 6);
	if (watch->code == TPM2_CC_StartAuthSession)
		look_at_session(swtpm, command);
	swtpm->commands++;
	look(swtpm, command, size);
	if (swtpm->hook && swtpm->hook_code == watch->code) {
		void (*hook)(struct swtpm *) = swtpm->hook;

		swtpm->hook = NULL;
		hook(swtpm);
	}
	if (getenv("SWTPM_TRACE"))
		fprintf(stderr, "command 0x%x, %zu bytes\n", watch->code, size);
	return Tss2_Tcti_Transmit(watch->inner, size, command);
}

static TSS2_RC watch_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
			     int32_t timeout)
{
	struct watch *watch = (struct watch *)context;
	struct swtpm *swtpm = watch->swtpm;
	TSS2_RC rc = Tss2_Tcti_Receive(watch->inner, size, response, timeout);

	if (rc != TSS2_RC_SUCCESS || !response)
		return rc;
	look(swtpm, response, *size);
	if (swtpm->fail_response != 0 && swtpm->fail_code == watch->code) {
		const uint8_t failure[] = {0x80,
					   0x01,
					   0,
					   0,
					   0,
					   10,
					   (uint8_t)(swtpm->fail_response >> 24),
					   (uint8_t)(swtpm->fail_response >> 16),
					   (uint8_t)(swtpm->fail_response >> 8),
					   (uint8_t)swtpm->fail_response};

		if (swtpm->fail_once)
			swtpm->fail_response = 0;
		memcpy(response, failure, sizeof(failure));
		*size = sizeof(failure);
	}
	return rc;
}

static void watch_finalize(TSS2_TCTI_CONTEXT *context)
{
	struct watch *watch = (struct watch *)context;

	Tss2_Tcti_Finalize(watch->inner);
	free(watch->inner);
}

static TSS2_TCTI_CONTEXT *open_inner(const char *socket)
{
	TSS2_TCTI_CONTEXT *inner;
	char conf[128];
	size_t size = 0;

	setenv("TSS2_LOG", "all+NONE", 1);
	snprintf(conf, sizeof(conf), "path=%s", socket);
	assert_int_equal(Tss2_Tcti_Swtpm_Init(NULL, &size, conf), TSS2_RC_SUCCESS);
	inner = calloc(1, size);
	assert_non_null(inner);
	assert_int_equal(Tss2_Tcti_Swtpm_Init(inner, &size, conf), TSS2_RC_SUCCESS);
	return inner;
}

TSS2_TCTI_CONTEXT *swtpm_tcti(struct swtpm *swtpm)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	assert_non_null(watch);
	watch->common.magic = 0x6377617463680000ULL;
	watch->common.version = 1;
	watch->common.transmit = watch_transmit;
	watch->common.receive = watch_receive;
	watch->common.finalize = watch_finalize;
	watch->inner = swtpm->inner = open_inner(swtpm->socket);
	watch->swtpm = swtpm;
	return (TSS2_TCTI_CONTEXT *)watch;
}

void swtpm_connect(struct swtpm *swtpm)
{
	assert_int_equal(tpm_open_tcti(swtpm_tcti(swtpm), &swtpm->tpm), 0);
}

void swtpm_disconnect(struct swtpm *swtpm)
{
	tpm_free(swtpm->tpm);
	swtpm->tpm = NULL;
}

/* ---- The machine around it ---- */

void swtpm_extend(struct swtpm *swtpm, unsigned int pcr, const char *word)
{
	uint8_t digests[HASH_ALGORITHMS][HASH_MAX_SIZE] = {};
	uint32_t banks;

	assert_int_equal(tpm_pcr_banks(swtpm->tpm, &banks), 0);
	for (unsigned int i = 0; i < HASH_ALGORITHMS; i++)
		assert_int_equal(hash_data((enum hash_algorithm)i, word, strlen(word), digests[i]),
				 0);
	assert_int_equal(tpm_pcr_extend(swtpm->tpm, pcr, banks, digests), 0);
}

static void boot(struct swtpm *swtpm)
{
	swtpm_extend(swtpm, 7, "secure boot");
	swtpm_extend(swtpm, 11, "kernel");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type, (void)ftw;
	return remove(path);
}

static void remove_folder(struct swtpm *swtpm)
{
	nftw(swtpm->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_folder(struct swtpm *swtpm)
{
	snprintf(swtpm->folder, sizeof(swtpm->folder), "/tmp/cvmroot-swtpm.XXXXXX");
	assert_non_null(mkdtemp(swtpm->folder));
	snprintf(swtpm->socket, sizeof(swtpm->socket), "%s/socket", swtpm->folder);
}

int swtpm_setup(void **state)
{
	struct swtpm *swtpm = calloc(1, sizeof(*swtpm));

	if (!swtpm || !swtpm_exists()) {
		free(swtpm);
		return -1;
	}
	fail_clear();
	make_folder(swtpm);
	start(swtpm);
	boot(swtpm);
	*state = swtpm;
	return 0;
}

int swtpm_teardown(void **state)
{
	struct swtpm *swtpm = *state;

	stop(swtpm);
	remove_folder(swtpm);
	free(swtpm);
	return 0;
}

void swtpm_restart_bare(struct swtpm *swtpm)
{
	stop(swtpm);
	start(swtpm);
}

void swtpm_restart(struct swtpm *swtpm)
{
	swtpm_restart_bare(swtpm);
	boot(swtpm);
}

void swtpm_replace(struct swtpm *swtpm)
{
	stop(swtpm);
	remove_folder(swtpm);
	make_folder(swtpm);
	start(swtpm);
	boot(swtpm);
}

uint32_t swtpm_raw(struct swtpm *swtpm, const uint8_t *command, size_t size)
{
	TSS2_TCTI_CONTEXT *inner = swtpm->inner;
	uint8_t response[4096];
	size_t response_size = sizeof(response);

	assert_int_equal(Tss2_Tcti_Transmit(inner, size, command), TSS2_RC_SUCCESS);
	assert_int_equal(Tss2_Tcti_Receive(inner, &response_size, response,
					   TSS2_TCTI_TIMEOUT_BLOCK),
			 TSS2_RC_SUCCESS);
	assert_true(response_size >= 10);
	return be32_at(response + 6);
}

/* ---- States of a TPM ---- */

/* An ESYS context of the test's own: only one program at a time can use the socket. */
static ESYS_CONTEXT *begin(struct swtpm *swtpm)
{
	ESYS_CONTEXT *esys;

	swtpm_disconnect(swtpm);
	assert_int_equal(Esys_Initialize(&esys, open_inner(swtpm->socket), NULL), 0);
	return esys;
}

static void end(struct swtpm *swtpm, ESYS_CONTEXT *esys)
{
	TSS2_TCTI_CONTEXT *inner;

	assert_int_equal(Esys_GetTcti(esys, &inner), 0);
	Esys_Finalize(&esys);
	Tss2_Tcti_Finalize(inner);
	free(inner);
	swtpm_connect(swtpm);
}

/* A key with a password that counts wrong tries. */
static ESYS_TR make_counted_key(ESYS_CONTEXT *esys)
{
	TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.userAuth = {.size = 1, .buffer = "x"}};
	TPM2B_PUBLIC template = {
		.publicArea = {
			.type = TPM2_ALG_KEYEDHASH,
			.nameAlg = TPM2_ALG_SHA256,
			.objectAttributes = TPMA_OBJECT_USERWITHAUTH |
					    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_FIXEDTPM |
					    TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SIGN_ENCRYPT,
		}};
	TPML_PCR_SELECTION no_pcrs = {};
	TPM2B_DATA outside = {};
	ESYS_TR key;

	template.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_HMAC;
	template.publicArea.parameters.keyedHashDetail.scheme.details.hmac.hashAlg =
		TPM2_ALG_SHA256;
	assert_int_equal(Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
					    ESYS_TR_NONE, &sensitive, &template, &outside, &no_pcrs,
					    &key, NULL, NULL, NULL, NULL),
			 0);
	return key;
}

void swtpm_lock_out(struct swtpm *swtpm)
{
	ESYS_CONTEXT *esys = begin(swtpm);
	ESYS_TR key = make_counted_key(esys);
	TPM2B_AUTH wrong = {.size = 1, .buffer = "y"};
	TSS2_RC rc = 0;

	assert_int_equal(Esys_TR_SetAuth(esys, key, &wrong), 0);
	for (int i = 0; i < 64 && (rc & 0xfff) != TPM2_RC_LOCKOUT; i++) {
		TPM2B_MAX_BUFFER data = {};
		TPM2B_DIGEST *digest = NULL;

		rc = Esys_HMAC(esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data,
			       TPM2_ALG_SHA256, &digest);
		Esys_Free(digest);
	}
	assert_int_equal(rc & 0xfff, TPM2_RC_LOCKOUT);
	Esys_FlushContext(esys, key);
	end(swtpm, esys);
}

static void make_persistent_rsa(struct swtpm *swtpm, const TPMT_PUBLIC *given, uint32_t handle)
{
	ESYS_CONTEXT *esys = begin(swtpm);
	TPM2B_PUBLIC template = {.publicArea = *given};
	TPM2B_SENSITIVE_CREATE sensitive = {};
	TPML_PCR_SELECTION no_pcrs = {};
	TPM2B_DATA outside = {};
	ESYS_TR key, persistent;

	template.publicArea.type = TPM2_ALG_RSA;
	template.publicArea.nameAlg = TPM2_ALG_SHA256;
	template.publicArea.objectAttributes |= TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
						TPMA_OBJECT_SENSITIVEDATAORIGIN |
						TPMA_OBJECT_USERWITHAUTH;
	template.publicArea.parameters.rsaDetail.keyBits = 2048;
	assert_int_equal(Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
					    ESYS_TR_NONE, &sensitive, &template, &outside, &no_pcrs,
					    &key, NULL, NULL, NULL, NULL),
			 0);
	assert_int_equal(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD,
					   ESYS_TR_NONE, ESYS_TR_NONE, handle, &persistent),
			 0);
	assert_int_equal(Esys_FlushContext(esys, key), 0);
	end(swtpm, esys);
}

void swtpm_occupy_srk(struct swtpm *swtpm, bool storage_key)
{
	TPMT_PUBLIC template = {
		.objectAttributes = storage_key ? TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT
						: TPMA_OBJECT_SIGN_ENCRYPT,
	};
	TPMS_RSA_PARMS *rsa = &template.parameters.rsaDetail;

	rsa->symmetric.algorithm = storage_key ? TPM2_ALG_AES : TPM2_ALG_NULL;
	rsa->symmetric.keyBits.aes = 128;
	rsa->symmetric.mode.aes = TPM2_ALG_CFB;
	rsa->scheme.scheme = TPM2_ALG_NULL;
	make_persistent_rsa(swtpm, &template, 0x81000001);
}

void swtpm_make_signing_key(struct swtpm *swtpm, uint32_t handle)
{
	TPMT_PUBLIC template = {.objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT};
	TPMS_RSA_PARMS *rsa = &template.parameters.rsaDetail;

	rsa->symmetric.algorithm = TPM2_ALG_NULL;
	rsa->scheme.scheme = TPM2_ALG_RSASSA;
	rsa->scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
	make_persistent_rsa(swtpm, &template, handle);
}

void swtpm_evict(struct swtpm *swtpm, uint32_t handle)
{
	ESYS_CONTEXT *esys = begin(swtpm);
	ESYS_TR key, none = ESYS_TR_NONE;

	assert_int_equal(Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
					       ESYS_TR_NONE, &key),
			 0);
	assert_int_equal(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD,
					   ESYS_TR_NONE, ESYS_TR_NONE, 0, &none),
			 0);
	end(swtpm, esys);
}

void swtpm_set_owner_password(struct swtpm *swtpm, const char *password)
{
	ESYS_CONTEXT *esys = begin(swtpm);
	TPM2B_AUTH auth = {.size = (uint16_t)strlen(password)};

	memcpy(auth.buffer, password, auth.size);
	assert_int_equal(Esys_HierarchyChangeAuth(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD,
						  ESYS_TR_NONE, ESYS_TR_NONE, &auth),
			 0);
	end(swtpm, esys);
}

static TSS2_RC define(ESYS_CONTEXT *esys, uint32_t index, uint32_t attributes, uint16_t size,
		      const uint8_t *policy)
{
	TPM2B_NV_PUBLIC area = {.nvPublic = {.nvIndex = index,
					     .nameAlg = TPM2_ALG_SHA256,
					     .attributes = attributes,
					     .dataSize = size}};
	TPM2B_AUTH no_auth = {};
	ESYS_TR nv;

	if (policy) {
		area.nvPublic.authPolicy.size = 32;
		memcpy(area.nvPublic.authPolicy.buffer, policy, 32);
	}
	return Esys_NV_DefineSpace(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
				   ESYS_TR_NONE, &no_auth, &area, &nv);
}

void swtpm_define_nv(struct swtpm *swtpm, uint32_t index, uint32_t attributes, uint16_t size,
		     const uint8_t *policy)
{
	ESYS_CONTEXT *esys = begin(swtpm);

	assert_int_equal(define(esys, index, attributes, size, policy), 0);
	end(swtpm, esys);
}

void swtpm_write_nv_by_policy(struct swtpm *swtpm, uint32_t index, uint32_t pcrs,
			      const uint8_t *data, size_t size)
{
	ESYS_CONTEXT *esys = begin(swtpm);
	TPM2B_MAX_NV_BUFFER buffer = {.size = (uint16_t)size};
	TPML_PCR_SELECTION selection = {.count = 1};
	TPMT_SYM_DEF no_encryption = {.algorithm = TPM2_ALG_NULL};
	TPM2B_DIGEST present = {};
	ESYS_TR nv, policy;

	memcpy(buffer.buffer, data, size);
	selection.pcrSelections[0] = (TPMS_PCR_SELECTION){
		.hash = TPM2_ALG_SHA256,
		.sizeofSelect = 3,
		.pcrSelect = {(uint8_t)pcrs, (uint8_t)(pcrs >> 8), (uint8_t)(pcrs >> 16)}};
	assert_int_equal(Esys_TR_FromTPMPublic(esys, index, ESYS_TR_NONE, ESYS_TR_NONE,
					       ESYS_TR_NONE, &nv),
			 0);
	assert_int_equal(Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
					       ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY,
					       &no_encryption, TPM2_ALG_SHA256, &policy),
			 0);
	assert_int_equal(Esys_PolicyPCR(esys, policy, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
					&present, &selection),
			 0);
	assert_int_equal(
		Esys_NV_Write(esys, nv, nv, policy, ESYS_TR_NONE, ESYS_TR_NONE, &buffer, 0), 0);
	end(swtpm, esys);
}

void swtpm_fill_nv(struct swtpm *swtpm)
{
	ESYS_CONTEXT *esys = begin(swtpm);
	uint32_t index = 0x01900000, attributes = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE;

	for (uint16_t size = 2048; size > 0; size /= 2)
		while (define(esys, index, attributes, size, NULL) == 0)
			index++;
	assert_true(index > 0x01900000);
	end(swtpm, esys);
}

void swtpm_only_bank(struct swtpm *swtpm, uint16_t algorithm)
{
	static const uint16_t all[] = {TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384,
				       TPM2_ALG_SHA512};
	ESYS_CONTEXT *esys = begin(swtpm);
	TPML_PCR_SELECTION allocation = {.count = ARRAY_SIZE(all)};
	uint32_t max, needed, available;
	TPMI_YES_NO done;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		TPMS_PCR_SELECTION *bank = &allocation.pcrSelections[i];

		bank->hash = all[i];
		bank->sizeofSelect = 3;
		memset(bank->pcrSelect, all[i] == algorithm ? 0xff : 0, 3);
	}
	assert_int_equal(Esys_PCR_Allocate(esys, ESYS_TR_RH_PLATFORM, ESYS_TR_PASSWORD,
					   ESYS_TR_NONE, ESYS_TR_NONE, &allocation, &done, &max,
					   &needed, &available),
			 0);
	assert_int_equal(done, 1);
	end(swtpm, esys);
	swtpm_restart(swtpm);
}

/* ---- Signed policies ---- */

struct policy_key {
	EVP_PKEY *key;
	char *pem;
};

struct policy_key *policy_key_new(unsigned int bits)
{
	struct policy_key *key = calloc(1, sizeof(*key));
	BIO *text = BIO_new(BIO_s_mem());
	char *data;
	long size;

	assert_non_null(key);
	key->key = EVP_RSA_gen(bits);
	assert_non_null(key->key);
	assert_int_equal(PEM_write_bio_PUBKEY(text, key->key), 1);
	size = BIO_get_mem_data(text, &data);
	key->pem = calloc(1, (size_t)size + 1);
	assert_non_null(key->pem);
	memcpy(key->pem, data, (size_t)size);
	BIO_free(text);
	return key;
}

const char *policy_key_pem(const struct policy_key *key)
{
	return key->pem;
}

static void set_hex(json_t *object, const char *name, const uint8_t *data)
{
	char text[2 * HASH_SHA256_SIZE + 1];

	hex_encode(data, HASH_SHA256_SIZE, text);
	json_object_set_new(object, name, json_string(text));
}

static void set_fingerprint(json_t *object, EVP_PKEY *key)
{
	uint8_t digest[HASH_SHA256_SIZE];
	unsigned char *der = NULL;
	int size = i2d_PublicKey(key, &der);

	assert_true(size > 0);
	assert_int_equal(hash_data(HASH_SHA256, der, (size_t)size, digest), 0);
	OPENSSL_free(der);
	set_hex(object, "pkfp", digest);
}

static void set_signature(json_t *object, EVP_PKEY *key, enum hash_algorithm hash,
			  const uint8_t *policy)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t signature[512];
	size_t size = sizeof(signature);
	char text[1024];

	assert_int_equal(
		EVP_DigestSignInit_ex(context, NULL, hash_name(hash), NULL, NULL, key, NULL), 1);
	assert_int_equal(EVP_DigestSign(context, signature, &size, policy, HASH_SHA256_SIZE), 1);
	EVP_MD_CTX_free(context);
	base64_encode(signature, size, text);
	json_object_set_new(object, "sig", json_string(text));
}

char *policy_key_sign(const struct policy_key *key, struct tpm *tpm, enum hash_algorithm bank,
		      enum hash_algorithm signature_hash)
{
	json_t *file = json_object(), *list = json_array(), *entry = json_object();
	struct tpm_pcr_values values;
	struct tpm_policy policy = {};
	char *text;

	assert_int_equal(tpm_pcr_read(tpm, bank, 1U << 11, &values), 0);
	assert_int_equal(tpm_policy_pcr(&policy, &values), 0);
	json_object_set_new(entry, "pcrs", json_pack("[i]", 11));
	set_fingerprint(entry, key->key);
	set_hex(entry, "pol", policy.digest);
	set_signature(entry, key->key, signature_hash, policy.digest);
	json_array_append_new(list, entry);
	json_object_set_new(file, hash_name(bank), list);
	text = json_dumps(file, 0);
	json_decref(file);
	return text;
}

void policy_key_free(struct policy_key *key)
{
	EVP_PKEY_free(key->key);
	free(key->pem);
	free(key);
}
