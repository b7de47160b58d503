#include "control/fetch_crew.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ensure.h"

struct fetch_waiter {
    struct fetch_waiter *next;
    struct loop *loop;
    void (*done)(void *ticket);
    void *ticket;
    uint64_t until; /* monotonic */
};

/* ---- waiting calls ---- */

static void answer_waiters(struct fetch_crew *crew, uint64_t now, bool all)
{
    struct fetch_waiter **link = &crew->waiters;

    while (*link) {
        struct fetch_waiter *waiter = *link;
        if (!all && waiter->until > now) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        crew->waiter_count--;
        loop_post(waiter->loop, waiter->done, waiter->ticket);
        free(waiter);
    }
}

void fetch_crew_wait(struct fetch_crew *crew, struct loop *loop, void (*done)(void *ticket),
                     void *ticket)
{
    struct fetch_waiter *waiter = malloc(sizeof(*waiter));

    pthread_mutex_lock(&crew->lock);
    if (!waiter || crew->waiter_count >= crew->settings.waiters || crew->stop) {
        free(waiter);
        loop_post(loop, done, ticket);
    } else {
        *waiter = (struct fetch_waiter){.next = crew->waiters,
                                        .loop = loop,
                                        .done = done,
                                        .ticket = ticket,
                                        .until = clock_monotonic() + crew->settings.patience};
        crew->waiters = waiter;
        crew->waiter_count++;
        pthread_cond_broadcast(&crew->changed);
    }
    pthread_mutex_unlock(&crew->lock);
}

void fetch_crew_ended(struct fetch_crew *crew)
{
    answer_waiters(crew, 0, true);
    pthread_cond_broadcast(&crew->changed);
}

void fetch_crew_want(void *owner)
{
    struct fetch_crew *crew = owner;

    pthread_mutex_lock(&crew->lock);
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

/* ---- the threads ---- */

static void *run(void *owner)
{
    struct fetch_crew *crew = owner;

    pthread_mutex_lock(&crew->lock);
    while (!crew->stop) {
        uint64_t now = clock_monotonic(), until;
        answer_waiters(crew, now, false);
        if (crew->settings.work(crew->settings.owner, now, &until))
            continue;
        for (const struct fetch_waiter *waiter = crew->waiters; waiter; waiter = waiter->next)
            if (waiter->until < until)
                until = waiter->until;
        const struct timespec time = {.tv_sec = (time_t)(until / NANOSECONDS_PER_SECOND),
                                      .tv_nsec = (long)(until % NANOSECONDS_PER_SECOND)};
        (void)pthread_cond_timedwait(&crew->changed, &crew->lock, &time);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

enum error fetch_crew_start(struct fetch_crew *crew)
{
    pthread_cond_broadcast(&crew->changed);
    while (crew->thread_count < crew->settings.threads) {
        if (pthread_create(&crew->threads[crew->thread_count], NULL, run, crew) != 0)
            return crew->thread_count > 0 ? ERROR_OK : ERROR_SYSTEM;
        (void)pthread_setname_np(crew->threads[crew->thread_count++], crew->settings.name);
    }
    return ERROR_OK;
}

/* ---- its life ---- */

enum error fetch_crew_open(struct fetch_crew *crew, const struct fetch_crew_settings *settings)
{
    pthread_condattr_t attributes;

    ensure(settings->threads <= FETCH_CREW_THREADS_MAX);
    *crew = (struct fetch_crew){.settings = *settings};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERROR_SYSTEM;
    ensure(pthread_mutex_init(&crew->lock, NULL) == 0 && pthread_condattr_init(&attributes) == 0 &&
           pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(&crew->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    return ERROR_OK;
}

void fetch_crew_stop(struct fetch_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    __atomic_store_n(&crew->stop, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->thread_count; i++)
        pthread_join(crew->threads[i], NULL);
}

void fetch_crew_close(struct fetch_crew *crew)
{
    answer_waiters(crew, 0, true);
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    curl_global_cleanup();
}

void fetch_crew_lock(struct fetch_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
}

void fetch_crew_unlock(struct fetch_crew *crew)
{
    pthread_mutex_unlock(&crew->lock);
}
