/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "disk/convert/crew.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 8
/* While one waits for the disk another one works. */
#define THREADS_PER_PROCESSOR 2

void crew_init(struct crew *crew)
{
	pthread_condattr_t monotonic;

	*crew = (struct crew){};
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->changed, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&crew->left, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void crew_done(struct crew *crew)
{
	pthread_cond_destroy(&crew->left);
	pthread_cond_destroy(&crew->changed);
	pthread_mutex_destroy(&crew->lock);
}

unsigned int crew_threads(const struct convert_options *options)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (options && options->threads > 0)
		return MIN(options->threads, THREADS_MAX);
	return online > 0 ? MIN((unsigned int)online * THREADS_PER_PROCESSOR, THREADS_MAX) : 1;
}

void crew_fail(struct crew *crew, uint64_t rank, int error)
{
	if (crew->error < 0 && crew->error_rank <= rank)
		return;
	crew->error = error;
	crew->error_rank = rank;
	snprintf(crew->sentence, sizeof(crew->sentence), "%s", fail_sentence(error));
	pthread_cond_broadcast(&crew->changed);
}

struct member {
	struct crew *crew;
	void (*work)(void *);
	void *context;
};

static void *member_run(void *argument)
{
	struct member *member = argument;
	struct crew *crew = member->crew;

	member->work(member->context);
	pthread_mutex_lock(&crew->lock);
	crew->running--;
	pthread_cond_signal(&crew->left);
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) +
	       (double)(now.tv_nsec - start->tv_nsec) / 1000000000.0;
}

/* Called with the lock held; the callback runs without it. */
static void report(struct crew *crew, const struct convert_options *options,
		   const struct timespec *start)
{
	struct convert_progress progress = {.done_bytes = crew->done_bytes,
					    .total_bytes = crew->total_bytes};

	if (!options || !options->progress)
		return;
	progress.seconds = seconds_since(start);
	pthread_mutex_unlock(&crew->lock);
	options->progress(&progress, options->progress_context);
	pthread_mutex_lock(&crew->lock);
}

/* Wait until every thread has returned, with a report each second and at the end. */
static void watch(struct crew *crew, const struct convert_options *options)
{
	struct timespec start, next;

	clock_gettime(CLOCK_MONOTONIC, &start);
	next = start;
	pthread_mutex_lock(&crew->lock);
	while (crew->running > 0) {
		next.tv_sec++;
		while (crew->running > 0 &&
		       pthread_cond_timedwait(&crew->left, &crew->lock, &next) == 0)
			;
		if (crew->running > 0)
			report(crew, options, &start);
	}
	report(crew, options, &start);
	pthread_mutex_unlock(&crew->lock);
}

/* The threads take no signals: those are the program's, for its own thread. */
static unsigned int start_threads(struct member *member, pthread_t *threads, unsigned int wanted)
{
	unsigned int started = 0;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_mutex_lock(&member->crew->lock);
	while (started < wanted && pthread_create(&threads[started], NULL, member_run, member) == 0)
		started++;
	member->crew->running = started;
	pthread_mutex_unlock(&member->crew->lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

int crew_run(struct crew *crew, const struct convert_options *options, void (*work)(void *),
	     void *context)
{
	struct member member = {.crew = crew, .work = work, .context = context};
	pthread_t threads[THREADS_MAX];
	unsigned int started = start_threads(&member, threads, crew_threads(options));

	if (started == 0)
		return fail(-EAGAIN, "no thread could be started");
	watch(crew, options);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return crew->error < 0 ? fail(crew->error, "%s", crew->sentence) : 0;
}
