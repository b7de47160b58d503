/* crew: threads that search files at the same time, and who watches them.
 *
 * crew_run starts them, calls `tick` some times a second while they work, and returns when all are
 * done. One thread calls it. */
#ifndef LEAKS_CREW_H
#define LEAKS_CREW_H

#include <stdint.h>

#include "leaks/leaks.h"

/* Beyond these the disk, or git, is what is waited for. */
#define CREW_MAX 16u

/* What all kinds of search have in common. */
struct crew {
    const struct patterns *patterns;
    struct leaks *leaks;
    /* Of the thread that called crew_run: so much is done, of so much. */
    void (*tick)(void *owner, uint64_t done, uint64_t total);
    /* Something could not be read; any thread, one at a time. */
    void (*complain)(void *owner, const char *message);
    void *owner;
    uint64_t total;                /* for tick, in whatever the search counts */
    uint64_t done;                 /* atomic; the members add to it */
    uint64_t files, bytes, unread; /* atomic; for the summary */
    pthread_mutex_t complaining;
};

void crew_open(struct crew *crew);
void crew_close(struct crew *crew);

/* Members that read files: on a cold disk so many questions at once are answered in half of the
 * time that two take, and a member that waits costs nothing. */
#define CREW_READERS 8u

/* `work` is run by as many members as there are processors, but no fewer than `least`, each with a
 * scanner of its own. ERROR_MEMORY, ERROR_SYSTEM (no thread
 * could be started). */
must_handle enum error crew_run(struct crew *crew, unsigned least,
                                void (*work)(struct crew *crew, struct scanner *scanner,
                                             void *task),
                                void *task);
/* Counts what could not be read, and says so. */
void crew_complain(struct crew *crew, const char *format, ...) format_like(2, 3);

static inline void crew_add(uint64_t *sum, uint64_t number)
{
    (void)__atomic_fetch_add(sum, number, __ATOMIC_RELAXED);
}

#endif
