/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "boot/context.h"

#include "base/log.h"
#include "base/notify.h"
#include "boot/console.h"

static const char *const descriptions[] = {
	[BOOT_WAITING] = "looking for the root partition",
	[BOOT_GROWING] = "growing the root partition",
	[BOOT_VERIFYING] = "verifying the root file system",
	[BOOT_CONVERTING] = "encrypting the root file system",
	[BOOT_UNLOCKING] = "unlocking the root",
	[BOOT_DONE] = "the root is open",
	[BOOT_FAILED] = "failed",
};

/* For one step of the work, on top of the times that the configuration gives the host. */
#define PATIENCE_SECONDS 300

/*
 * A disk or a TPM that answers no more holds this process in the kernel, so it cannot be the one
 * that ends the boot. The unit's timeout does, unless there is a sign of life before.
 */
static unsigned int patience(const struct config *config)
{
	return PATIENCE_SECONDS + config->wait_seconds +
	       (config_may_ask_broker(config) ? config->kbs_deadline_seconds : 0);
}

/* A line that nobody reads must not stop a boot: all three places are best effort. */
static void tell(struct boot *boot, const char *text, bool alive)
{
	cleanup(freep) char *state = NULL;
	unsigned long long extension_us = alive ? patience(boot->config) * 1000000ULL : 0;

	boot_status_write(STATUS_PATH, &boot->status);
	/* A precision of zero prints no digit for zero. */
	if (asprintf(&state, "STATUS=%s%s%.0llu", text, alive ? "\nEXTEND_TIMEOUT_USEC=" : "",
		     extension_us) >= 0)
		notify_service_manager(state);
	console_line("cvmroot: %s", text);
}

void boot_progress_state(struct boot *boot, enum boot_state state)
{
	boot->status.state = state;
	log_info("%s", descriptions[state]);
	tell(boot, descriptions[state], true);
}

void boot_progress_waiting(const char *sentence, unsigned int seconds, void *context)
{
	struct boot *boot = context;
	cleanup(freep) char *text = NULL;

	log_info("%s; going on in %u s", sentence, seconds);
	if (asprintf(&text, "waiting for the key broker, going on in %u s: %s", seconds,
		     sentence) >= 0)
		tell(boot, text, true);
}

void boot_progress_failed(struct boot *boot, const char *sentence)
{
	boot->status.state = BOOT_FAILED;
	boot->status.finished_ms = boot_status_now();
	snprintf(boot->status.sentence, sizeof(boot->status.sentence), "%s", sentence);
	boot_status_write(STATUS_PATH, &boot->status);
}

void boot_progress(const struct convert_progress *progress, void *context)
{
	struct boot *boot = context;
	struct boot_status *status = &boot->status;
	double rate = progress->seconds > 0 ? (double)progress->done_bytes / progress->seconds : 0;
	bool alive = status->done_bytes != progress->done_bytes;
	cleanup(freep) char *text = NULL;

	status->done_bytes = progress->done_bytes;
	status->total_bytes = progress->total_bytes;
	status->percent =
		progress->total_bytes > 0
			? (unsigned int)(progress->done_bytes * 100 / progress->total_bytes)
			: 100;
	status->mib_per_second = (uint64_t)(rate / (double)MIB);
	status->seconds_left =
		rate > 0 ? (uint64_t)((double)(progress->total_bytes - progress->done_bytes) / rate)
			 : 0;
	if (asprintf(&text, "%s: %u %%, %llu MiB/s, %llu s left", descriptions[status->state],
		     (unsigned int)status->percent, (unsigned long long)status->mib_per_second,
		     (unsigned long long)status->seconds_left) >= 0)
		tell(boot, text, alive);
}
