/* feed: exchanges as they finish, for those who watch: server-sent events (HTML standard,
 * section 9.2).
 *
 * It reads what the workers journal anyway, from the admin thread, and only while somebody watches;
 * the workers do nothing for it. Each watcher has a filter of its own and gets at most
 * FEED_EVENTS_PER_LOOK calls a look; of the others, and of those that came while it read too
 * slowly, it gets the numbers. What leaves a journal is in the store by then and is looked for
 * there, so no call is left out uncounted. The thread of the admin API. */
#ifndef ADMIN_FEED_H
#define ADMIN_FEED_H

#include "admin/stream.h"
#include "ledger/history.h"

/* Nanoseconds between two looks, which is how late an event is. */
#define FEED_LOOK_INTERVAL   (200 * NANOSECONDS_PER_MILLISECOND)
#define FEED_EVENTS_PER_LOOK 20u /* to one watcher: 100 a second are more than anybody reads */
#define FEED_WATCHERS_MAX    16u /* of the interface's 64 connections */
/* A watcher's credential is looked at when it connects: then it is to do so again. */
#define FEED_LIFE (300 * NANOSECONDS_PER_SECOND)
/* A proxy ends what is silent for a minute; some for half of one. */
#define FEED_HEARTBEAT (15 * NANOSECONDS_PER_SECOND)
/* Calls shown to who was away for a moment. */
#define FEED_REPLAY_MAX 200u
#define FEED_TEXT_MAX   256u /* bytes of each text of a filter */

struct feed;

/* NULL when memory is short. `data` outlives it. */
must_check struct feed *feed_create(struct loop *loop, const char *data);
/* When no watcher is left. NULL is fine. */
void feed_destroy(struct feed *feed);

struct feed_watcher;

/* A new watcher, whose events `feed_stream_events` take as owner; the filter is copied. `last`: the
 * id of the last event that was seen, 0: from now on. NULL: as many watch as may, or memory is
 * short. */
must_check struct feed_watcher *feed_watch(struct feed *feed, const struct history_filter *filter,
                                           uint64_t last);
extern const struct stream_events feed_stream_events;

#endif
