/* rollup: sums of calls by series, quarter of an hour and day (UTC), kept as records arrive, so
 * that questions about usage read thousands of rows and not millions. The records stay as they are.
 *
 * A series is what a call is counted under: key, team, model asked for, model asked of the
 * provider, provider, service of its price, and the key's tags. The words of callers do not get in:
 * tags of a request are not part of a series; a model, which is a caller's word too, is kept for at
 * most ROLLUP_SERIES_PER_KEY series of a key, after which the further ones of that key are counted
 * under the model ROLLUP_OTHER; calls without a key are counted without a model, and what was sent
 * as key and is none counts as no key. What is left
 * (keys, teams, tags, providers) grows as administrators work.
 *
 * Of each quarter there is also the sum of all series (usage_totals), so that questions about
 * everybody read a row a quarter.
 *
 * Beside the sums there are two histograms (store/histogram.h): how long served calls took, and
 * when the first piece of a stream came; of calls counted before there were histograms nothing is
 * known.
 *
 * Sums never overflow: a counter that reaches 2^62 stays there, money is whole dollars and
 * picodollars below 1e12. Everything within transactions of the caller, who inserts the record and
 * flushes in the same one, so that a record counts if it is there, and once. One thread. Errors as
 * in store/store.h. */
#ifndef STORE_ROLLUP_H
#define STORE_ROLLUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "store/histogram.h"
#include "store/record.h"
#include "store/store.h"
#include "tables/error.h"

#define ROLLUP_QUARTER          900000000000ull /* nanoseconds; buckets are started_at divided by it */
#define ROLLUP_DAY              86400000000000ull /* nanoseconds */
#define ROLLUP_QUARTERS_PER_DAY 96
#define ROLLUP_DAYS_MAX         36525 /* of a store: a century */
/* More than anybody uses with one key; some 60 MiB when a thousand keys fill theirs. */
#define ROLLUP_SERIES_PER_KEY 256
#define ROLLUP_OTHER          "(other)"
#define ROLLUP_ALL_SERIES     0 /* in usage_totals, the sums of all; no series has this number */
#define ROLLUP_PICOS          1000000000000ll /* picodollars of a dollar */

struct usage_counters {
#define COUNTER(name, description) int64_t name;
#include "tables/usage_counters.def"
#undef COUNTER
};

/* What is counted of a call. Numbers are -1 when not known; `started_at` is wall nanoseconds. */
struct rollup_call {
    struct text key_id, team, model, target_model, provider, service, tags;
    uint64_t started_at;
    enum record_outcome outcome;
    struct text cost_state; /* as the record's */
    int64_t call_count;     /* how many calls the record stands for; 0: a line within another */
    int64_t cost;           /* picodollars */
    int64_t duration;       /* nanoseconds */
    int64_t first_token;    /* nanoseconds */
#define COUNTER(name, description)
#define COUNTER_FIELD(name, description) int64_t name;
#include "tables/usage_counters.def"
#undef COUNTER
};

struct rollup;

/* A record as it is counted. Texts point to where the record's do. */
void rollup_describe(const struct record *record, struct rollup_call *call);

must_handle enum error rollup_create(struct store *store, struct rollup **out);
void rollup_destroy(struct rollup *rollup); /* before store_close; NULL is fine */

/* The number of the call's series, made if there is none. To be stored in the record's row. */
must_handle enum error rollup_series(struct rollup *rollup, const struct rollup_call *call,
                                     int64_t *series);
/* Counts the call, in memory until rollup_flush. ERROR_MEMORY. */
must_handle enum error rollup_add(struct rollup *rollup, int64_t series,
                                  const struct rollup_call *call);
/* Writes what was added; before the commit. */
must_handle enum error rollup_flush(struct rollup *rollup);
/* After a roll-back: forgets what was added and every series it knows. */
void rollup_forget(struct rollup *rollup);

/* Counts up to `rows` records that an older Turnpike stored without counting; `more` says whether
 * there are others. Costs one look at memory when there are none. Flushes. */
must_handle enum error rollup_backfill(struct rollup *rollup, unsigned rows, bool *more);

/* How many records of an older Turnpike are counted, of how many; equal when all are. */
must_handle enum error rollup_progress(struct store *store, uint64_t *counted, uint64_t *total);

/* What one call adds to the counters; numbers that cannot be true are cut to 2^40. */
void rollup_count(const struct rollup_call *call, struct usage_counters *out);
/* Microseconds that the call adds to each histogram, -1: it is in none. */
void rollup_times(const struct rollup_call *call, int64_t *duration, int64_t *first_token);
/* The same number of dollars and picodollars; the picodollars are never negative. */
void rollup_split_money(__int128 picodollars, int64_t *dollars, int64_t *picos);

#endif
