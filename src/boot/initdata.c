/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/error.h"
#include "base/log.h"
#include "keys/kbs_tee.h"

#include <string.h>

/* Until this has succeeded the document is anybody's. */
static int check_binding(const struct boot *boot, const struct initdata *initdata)
{
	const struct tee_context context = kbs_tee_context(boot->config, boot->tpm);
	const char *path = boot->config->initdata_path;
	const struct tee_ops *tee;
	int r = kbs_tee_find(boot->config, &context, &tee);

	if (r == 0)
		r = tee_check_initdata(tee, &context, initdata->digest, initdata->digest_size);
	return r < 0 ? fail(r, "%s: not used: %s", path, fail_sentence(r)) : 0;
}

/*
 * The document replaces the configuration as a whole, but where it was found is the initrd's to
 * say, and so a document cannot name another one.
 */
static int read_config(const struct initdata *initdata, const char *path, struct config **ret)
{
	cleanup(freep) char *name = NULL;
	cleanup(config_freep) struct config *config = NULL;
	int r;

	if (!initdata->config)
		return fail(-EBADMSG, "%s: [data] has no \"cvmroot.toml\"", path);
	if (asprintf(&name, "%s: cvmroot.toml", path) < 0)
		return -ENOMEM;
	r = config_parse(initdata->config, strlen(initdata->config), name, &config);
	if (r < 0)
		return r;
	if (config->initdata_path)
		return fail(-EBADMSG, "%s: a configuration in initdata cannot ask for initdata",
			    name);
	*ret = TAKE_PTR(config);
	return 0;
}

int boot_take_initdata(struct boot *boot)
{
	const char *path = boot->config->initdata_path;
	cleanup(initdata_freep) struct initdata *initdata = NULL;
	int r;

	if (!path)
		return 0;
	r = initdata_load(path, &initdata);
	if (r == 0)
		r = check_binding(boot, initdata);
	if (r == 0)
		r = read_config(initdata, path, &boot->initdata_config);
	if (r < 0)
		return r;
	log_info("%s: bound by the TEE; its configuration is used", path);
	provider_bind_initdata(boot->initdata_config);
	boot->config = boot->initdata_config;
	boot->initdata = TAKE_PTR(initdata);
	if (!boot->tpm && provider_needs_tpm(boot->config))
		return fail(-ENODEV, "%s asks for a key from the TPM, and this machine has none",
			    path);
	return 0;
}
