/* usage_reading: the reading of the rollups that answers a question of store/usage.h. Used in
 * store/ alone, by the thread that has the store. */
#ifndef STORE_USAGE_READING_H
#define STORE_USAGE_READING_H

#include "store/exchanges.h"
#include "store/usage.h"

/* All statements of an answer see the same state of the store; within a transaction of the caller
 * too. */
#define USAGE_BEGIN_READING "SAVEPOINT usage"
#define USAGE_END_READING   "RELEASE usage"

#define USAGE_NO_GROUP SIZE_MAX

struct usage_series {
    size_t group; /* USAGE_NO_GROUP: not wanted */
    struct text *values;
};

struct usage_reading {
    struct store *store;
    const uint64_t *edges;
    size_t interval_count;
    struct usage_series *series; /* by id */
    size_t series_count;         /* the highest id and 1 */
    size_t group_count;
    struct usage_sums **sums;   /* for each interval those of the groups; NULL: nothing yet */
    bool of_all;                /* everything is one group: the rollups have its sums */
    struct usage_times **times; /* the same of the times; NULL: not wanted */
    size_t rows;                /* allocated in the sums */
    struct store_statement *days, *quarters, *adjustments;
    struct exchanges_reader records;
};

enum usage_reading_what {
    USAGE_READING_SUMS = 0,
    USAGE_READING_TIMES = 1, /* histograms too */
    USAGE_READING_OF_ALL = 2 /* all series are one group, and need not be read */
};

/* `edges` must stay valid. To be closed after an error too. */
must_handle enum error usage_reading_open(struct usage_reading *reading, struct store *store,
                                          const uint64_t *edges, size_t edge_count,
                                          enum usage_reading_what what);
void usage_reading_close(struct usage_reading *reading); /* frees the values of the series, too */
/* Room in `series` up to `id`; new ones are not wanted. `capacity` is 0 at first. ERROR_CORRUPT for
 * an id that is none. */
must_handle enum error usage_reading_make_room(struct usage_reading *reading, int64_t id,
                                               size_t *capacity);
/* Adds everything between the edges to the sums, when each series has its group. */
must_handle enum error usage_reading_add_days(struct usage_reading *reading);

/* The first and the last quarter; 0 and -1 when there is nothing. Those of the first and the last
 * day where quarters of old days have been deleted. */
must_handle enum error usage_read_bounds(struct store *store, int64_t *first, int64_t *last);
void usage_add_counters(struct usage_sums *sums, const struct usage_counters *counters, int sign);

#endif
