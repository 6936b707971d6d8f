/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/error.h"
#include "cli/verbs.h"
#include "config/config.h"
#include "tpm/tpm.h"

#include <string.h>

static int confirm(void)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO))
		return fail(-EINVAL, "standard input is not a terminal: give --yes to remove the "
				     "record without a question");
	printf("The TPM will forget the encrypted root: the volume on the disk cannot be opened by\n"
	       "cvmroot any more, and the next boot encrypts a pristine image anew.\n"
	       "Type \"yes\" to go on: ");
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin) || strcmp(answer, "yes\n") != 0)
		return fail(-ECANCELED, "nothing was changed");
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"yes", no_argument, NULL, 'y'}, {}};
	cleanup(config_freep) struct config *config = NULL;
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	bool sure = false;
	int option, r;

	while ((option = verb_option(&verb_reset, argc, argv, options)) != -1) {
		if (option != 'y')
			return EXIT_USAGE;
		sure = true;
	}
	if (optind < argc)
		return verb_usage_error(&verb_reset, "no argument is taken");
	r = config_load(CONFIG_PATH, &config);
	if (r < 0)
		return r;
	r = tpm_open(&tpm);
	if (r < 0)
		return r;
	if (!sure) {
		r = confirm();
		if (r < 0)
			return r;
	}
	r = tpm_record_delete(tpm, config->tpm2_nv_index);
	if (r == -ENOENT)
		return fail(r, "the TPM holds no record of an encrypted root: there is nothing to "
			       "remove");
	if (r < 0)
		return r;
	printf("the record was removed\n");
	return EXIT_OK;
}

const struct verb verb_reset = {
	.name = "reset",
	.summary = "Remove the TPM's record, to provision this machine again",
	.synopsis = "[--yes]",
	.usage =
		"Removes what the TPM remembers of the encrypted root (owner authorisation). After\n"
		"that the volume is not opened any more, and a pristine image is encrypted anew at\n"
		"the next boot.\n"
		"\n"
		"Options:\n"
		"  --yes          do not ask\n",
	.run = run,
};
