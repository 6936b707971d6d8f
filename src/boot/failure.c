/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/failure.h"

#include "base/error.h"
#include "boot/console.h"
#include "measure/measure.h"
#include "tpm/tpm.h"

#include <linux/reboot.h>
#include <sys/reboot.h>

/* For measuring and printing together. */
#define GIVE_UP_SECONDS 30

/* A TPM that does not work must not keep the event from the other registers. */
static void measure_failure(void)
{
	cleanup(measure_freep) struct measure *measure = NULL;
	cleanup(tpm_freep) struct tpm *tpm = NULL;
	int r = tpm_open(&tpm);

	if (r == 0 || r == -ENODEV)
		r = measure_open(tpm, NULL, &measure);
	if (r < 0) {
		console_line("cvmroot: the TPM does not measure the failure: %s", fail_sentence(r));
		r = measure_open(NULL, NULL, &measure);
	}
	if (r == 0)
		r = measure_word(measure, WORD_FAILED, NULL);
	if (r < 0)
		console_line("cvmroot: the failure could not be measured: %s", fail_sentence(r));
}

void failure_end(enum config_failure_action action, const char *sentence)
{
	bool restart = action == FAILURE_REBOOT;

	/* A stopped console or a stuck TPM: then this process dies, and its unit ends the boot. */
	alarm(GIVE_UP_SECONDS);
	/* First, since no signal ends a process that the TPM's driver holds. */
	console_line("cvmroot: %s", sentence);
	measure_failure();
	console_line("cvmroot: the root is not opened; the machine %s now",
		     restart ? "restarts" : "powers off");
	/* What matters on the disk was flushed when it was written: no sync(), which could hang. */
	console_drain();
	reboot(restart ? RB_AUTOBOOT : RB_POWER_OFF);
}
