/* feed: the records of a data directory, read on a thread of their own while the caller's works on
 * those before: reading and deciding take about as long. */
#ifndef PREVIEW_FEED_H
#define PREVIEW_FEED_H

#include "ledger/history.h"

/* Calls `take` on the calling thread for each record that `filter` wants, store and journals, in
 * the order in which they began. Of their texts only those that a preview needs are there
 * (feed.c says which), until it returns. ERROR_OK, or what history_open and history_read say, with
 * `problem`; the records that could be read were given then. */
must_handle enum error feed_run(const char *data, const struct history_filter *filter,
                                void (*take)(void *context, const struct record *record),
                                void *context, char problem[HISTORY_PROBLEM_SIZE]);

#endif
