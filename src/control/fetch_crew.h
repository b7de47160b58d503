/* fetch_crew: threads that fetch, again and again, what calls may have to wait for (tokens of
 * clouds, keys of issuers), and the calls that wait.
 *
 * Belongs to a refresher, which keeps a list of what is to be fetched. One lock covers crew and
 * list; nobody holds it while waiting for a network. Threads are started by the first who needs
 * them: most gateways have nothing to fetch. */
#ifndef CONTROL_FETCH_CREW_H
#define CONTROL_FETCH_CREW_H

#include <pthread.h>

#include "net/loop.h"

#define FETCH_CREW_THREADS_MAX 4u

struct fetch_crew_settings {
    const char *name;  /* of the threads: at most 15 bytes */
    unsigned threads;  /* at most FETCH_CREW_THREADS_MAX */
    size_t waiters;    /* calls that may wait at a time; others are answered at once */
    uint64_t patience; /* nanoseconds that one waits at most */
    /* With the lock: does one thing that is due, letting the lock go while it waits, and returns
     * true. False: nothing is due before `until`, monotonic. */
    bool (*work)(void *owner, uint64_t now, uint64_t *until);
    void *owner;
};

struct fetch_waiter;

struct fetch_crew {
    struct fetch_crew_settings settings;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t threads[FETCH_CREW_THREADS_MAX];
    unsigned thread_count;
    struct fetch_waiter *waiters;
    size_t waiter_count;
    bool stop; /* also read without the lock, by fetches under way */
};

/* ERROR_SYSTEM: libcurl cannot be used. */
must_handle enum error fetch_crew_open(struct fetch_crew *crew,
                                       const struct fetch_crew_settings *settings);
/* Ends the threads: fetches under way give up. What they were about may be freed afterwards. */
void fetch_crew_stop(struct fetch_crew *crew);
/* After fetch_crew_stop: answers who still waits. */
void fetch_crew_close(struct fetch_crew *crew);

void fetch_crew_lock(struct fetch_crew *crew);
void fetch_crew_unlock(struct fetch_crew *crew);
/* With the lock: there is something to fetch. ERROR_SYSTEM: not one thread could be started. */
must_handle enum error fetch_crew_start(struct fetch_crew *crew);
/* With the lock: a fetch has ended, well or not. Who waits asks again. */
void fetch_crew_ended(struct fetch_crew *crew);
/* Something is wanted earlier than planned: `crew` is a struct fetch_crew. Any thread. */
void fetch_crew_want(void *crew);
/* Calls `done` in the loop's thread when a fetch has ended, or the patience has. Any thread. */
void fetch_crew_wait(struct fetch_crew *crew, struct loop *loop, void (*done)(void *ticket),
                     void *ticket);

#endif
