#include "leaks/crew.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"

#define TICK_NANOSECONDS (NANOSECONDS_PER_SECOND / 20)
#define MESSAGE_SIZE     4608u /* a path, and why */

struct member {
    struct running *running;
    struct scanner *scanner;
    pthread_t thread;
};

struct running {
    struct crew *crew;
    void (*work)(struct crew *crew, struct scanner *scanner, void *task);
    void *task;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned left;
    struct member members[CREW_MAX];
};

void crew_open(struct crew *crew)
{
    ensure(pthread_mutex_init(&crew->complaining, NULL) == 0);
}

void crew_close(struct crew *crew)
{
    (void)pthread_mutex_destroy(&crew->complaining);
}

void crew_complain(struct crew *crew, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    crew_add(&crew->unread, 1);
    ensure(pthread_mutex_lock(&crew->complaining) == 0);
    crew->complain(crew->owner, message);
    ensure(pthread_mutex_unlock(&crew->complaining) == 0);
}

static void *run_member(void *argument)
{
    struct member *member = argument;
    struct running *running = member->running;
    running->work(running->crew, member->scanner, running->task);
    ensure(pthread_mutex_lock(&running->lock) == 0);
    running->left--;
    ensure(pthread_cond_signal(&running->ended) == 0);
    ensure(pthread_mutex_unlock(&running->lock) == 0);
    return NULL;
}

/* How many could be started. */
static unsigned start_members(struct running *running, unsigned wanted, enum error *error)
{
    unsigned count = 0;
    for (; count < wanted; count++) {
        struct member *member = &running->members[count];
        member->running = running;
        *error = scanner_create(running->crew->patterns, &member->scanner);
        if (*error)
            break;
        ensure(pthread_mutex_lock(&running->lock) == 0);
        running->left++;
        ensure(pthread_mutex_unlock(&running->lock) == 0);
        if (pthread_create(&member->thread, NULL, run_member, member) != 0) {
            ensure(pthread_mutex_lock(&running->lock) == 0);
            running->left--;
            ensure(pthread_mutex_unlock(&running->lock) == 0);
            scanner_destroy(member->scanner);
            *error = ERROR_SYSTEM;
            break;
        }
    }
    return count;
}

static void watch(struct running *running)
{
    struct crew *crew = running->crew;
    ensure(pthread_mutex_lock(&running->lock) == 0);
    while (running->left > 0) {
        struct timespec until;
        ensure(clock_gettime(CLOCK_REALTIME, &until) == 0);
        until.tv_nsec += (long)TICK_NANOSECONDS;
        if (until.tv_nsec >= (long)NANOSECONDS_PER_SECOND) {
            until.tv_nsec -= (long)NANOSECONDS_PER_SECOND;
            until.tv_sec++;
        }
        int waited = pthread_cond_timedwait(&running->ended, &running->lock, &until);
        ensure(waited == 0 || waited == ETIMEDOUT);
        crew->tick(crew->owner, __atomic_load_n(&crew->done, __ATOMIC_RELAXED), crew->total);
    }
    ensure(pthread_mutex_unlock(&running->lock) == 0);
}

enum error crew_run(struct crew *crew, unsigned least,
                    void (*work)(struct crew *crew, struct scanner *scanner, void *task),
                    void *task)
{
    struct running running = {.crew = crew, .work = work, .task = task};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = cores < (long)least      ? least
                      : cores > (long)CREW_MAX ? CREW_MAX
                                               : (unsigned)cores;
    enum error error = ERROR_OK;
    ensure(pthread_mutex_init(&running.lock, NULL) == 0);
    ensure(pthread_cond_init(&running.ended, NULL) == 0);
    unsigned started = start_members(&running, wanted, &error);
    watch(&running);
    for (unsigned i = 0; i < started; i++) {
        ensure(pthread_join(running.members[i].thread, NULL) == 0);
        scanner_destroy(running.members[i].scanner);
    }
    (void)pthread_cond_destroy(&running.ended);
    (void)pthread_mutex_destroy(&running.lock);
    return started > 0 ? ERROR_OK : error; /* fewer do it, too */
}
