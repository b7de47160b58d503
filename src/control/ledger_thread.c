/* Keeper and importer sleep on a condition so that they can be stopped at once; the keeper's turn
 * is short because workers wait for its segments without saying so. */
#include "control/ledger_thread.h"

#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "ledger/ledger_parts.h"
#include "observe/access_log.h"

/* How long a record waits for the store, and a line for the access log: larger batches cost less.
 */
#define IMPORT_TURN  200000000ull
#define LOG_TURN     50000000ull
#define LOG_PATIENCE 100000000ull /* how long one step waits for a slow reader */
#define LAST_STEP    10000000ull  /* between attempts while stopping */

/* The keeper stops first, so that the set of segments is final when the others finish. */
enum stage { STAGE_RUN, STAGE_STOP_KEEPER, STAGE_STOP };

struct ledger_thread {
    struct ledger *ledger;
    struct access_log *access_log; /* or NULL */
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    enum stage stage;  /* under the lock */
    uint64_t deadline; /* of the last work; written before the last stage */
    pthread_t keeper;
    pthread_t importer;
    pthread_t logger;
};

/* Sleeps; false when `last` is reached and it is time to stop. */
static bool rest(struct ledger_thread *thread, uint64_t nanoseconds, enum stage last)
{
    uint64_t until = clock_monotonic() + nanoseconds;
    struct timespec time = {.tv_sec = (time_t)(until / NANOSECONDS_PER_SECOND),
                            .tv_nsec = (long)(until % NANOSECONDS_PER_SECOND)};
    pthread_mutex_lock(&thread->lock);
    int woken = 0;
    while (thread->stage < last && woken == 0)
        woken = pthread_cond_timedwait(&thread->stopped, &thread->lock, &time);
    bool go_on = thread->stage < last;
    pthread_mutex_unlock(&thread->lock);
    return go_on;
}

/* While stopping: a pause, unless the patience is over. */
static bool rest_once_more(const struct ledger_thread *thread)
{
    if (clock_monotonic() >= thread->deadline)
        return false;
    struct timespec pause = {.tv_nsec = (long)LAST_STEP};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    return true;
}

static void *keep(void *context)
{
    struct ledger_thread *thread = context;
    do {
        shelf_keep(&thread->ledger->shelf);
    } while (rest(thread, SHELF_TURN, STAGE_STOP_KEEPER));
    return NULL;
}

static void *import(void *context)
{
    struct ledger_thread *thread = context;
    struct importer *importer = thread->ledger->importer;
    uint64_t pause;
    do {
        enum importer_state state = importer_step(importer);
        pause = state == IMPORTER_MORE ? 0 : IMPORT_TURN;
        if (state == IMPORTER_FAILING)
            pause = importer_backoff(importer);
    } while (rest(thread, pause, STAGE_STOP));
    while (!importer_flush(importer)) {
        if (!rest_once_more(thread)) {
            note_warning("ledger", "the store did not take all records; they stay in the journal "
                                   "and are imported at the next start");
            break;
        }
    }
    return NULL;
}

static void *write_log(void *context)
{
    struct ledger_thread *thread = context;
    bool more;
    do {
        more = access_log_step(thread->access_log, LOG_PATIENCE);
    } while (rest(thread, more ? 0 : LOG_TURN, STAGE_STOP));
    while (access_log_step(thread->access_log, LAST_STEP) && rest_once_more(thread))
        ;
    return NULL;
}

/* Signals are the main thread's: these threads take none. */
static void start(struct ledger_thread *thread, pthread_t *id, void *(*run)(void *),
                  const char *name)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ensure(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    ensure(pthread_create(id, NULL, run, thread) == 0);
    ensure(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    (void)pthread_setname_np(*id, name);
}

bool ledger_thread_catch_up(struct ledger *ledger)
{
    return importer_flush(ledger->importer);
}

enum error ledger_thread_start(struct ledger *ledger, const struct ledger_thread_options *options,
                               struct ledger_thread **out)
{
    struct ledger_thread *thread = ensure_memory(calloc(1, sizeof(*thread)));
    thread->ledger = ledger;
    pthread_condattr_t attributes;
    ensure(pthread_condattr_init(&attributes) == 0);
    ensure(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ensure(pthread_cond_init(&thread->stopped, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    ensure(pthread_mutex_init(&thread->lock, NULL) == 0);
    if (options->access_log >= 0)
        thread->access_log =
            access_log_open(ledger, options->access_log, options->access_log_behind);
    if (thread->access_log && options->access_log_brief)
        access_log_set_brief(thread->access_log);
    start(thread, &thread->keeper, keep, "ledger keeper");
    start(thread, &thread->importer, import, "ledger import");
    if (thread->access_log)
        start(thread, &thread->logger, write_log, "access log");
    *out = thread;
    return ERROR_OK;
}

static void enter(struct ledger_thread *thread, enum stage stage)
{
    pthread_mutex_lock(&thread->lock);
    thread->stage = stage;
    pthread_cond_broadcast(&thread->stopped);
    pthread_mutex_unlock(&thread->lock);
}

void ledger_thread_stop(struct ledger_thread *thread, uint64_t patience)
{
    enter(thread, STAGE_STOP_KEEPER);
    pthread_join(thread->keeper, NULL);
    shelf_finish(&thread->ledger->shelf);
    thread->deadline = clock_monotonic() + patience;
    enter(thread, STAGE_STOP);
    if (thread->access_log) {
        pthread_join(thread->logger, NULL);
        access_log_close(thread->access_log);
    }
    pthread_join(thread->importer, NULL);
    /* Segments that waited for the access log. */
    shelf_retire(&thread->ledger->shelf);
    pthread_cond_destroy(&thread->stopped);
    pthread_mutex_destroy(&thread->lock);
    free(thread);
}
