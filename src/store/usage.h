/* usage: who spent what, answered exactly from the rollups (store/rollup.h) and, where an instant
 * lies within a quarter of an hour, from the records of that quarter.
 *
 * A call belongs to the instant at which it started. Sums are exact: money as 128-bit picodollars.
 * What is still in a journal is not here yet (some tenths of a second, or since the server was
 * killed until it starts again). One thread, which may block. Errors as in store/store.h. */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "store/rollup.h"
#include "store/store.h"
#include "tables/error.h"

struct usage_sums {
    struct usage_counters counters;
    __int128 cost;     /* picodollars, as recorded */
    __int128 adjusted; /* picodollars that adjustments add, perhaps negative */
};

/* How long served calls took, and when the first piece of streams came. */
struct usage_times {
    struct histogram durations, first_tokens;
};

enum usage_dimension {
    USAGE_BY_TEAM,
    USAGE_BY_KEY,          /* its id */
    USAGE_BY_MODEL,        /* asked for */
    USAGE_BY_TARGET_MODEL, /* asked of the provider */
    USAGE_BY_PROVIDER,
    USAGE_BY_SERVICE,
    USAGE_BY_TAGS, /* all tags of the key, as JSON */
    USAGE_BY_TAG   /* the value of one tag of the key; empty for keys without it */
};

struct usage_group {
    enum usage_dimension dimension;
    struct text tag; /* USAGE_BY_TAG: its name */
};

#define USAGE_GROUPS_MAX 8u
#define USAGE_ROWS_MAX   1000000u /* of an answer, which is made in memory: 250 MiB */
#define USAGE_TIMES_MAX  4096u    /* rows of an answer with times: 35 MiB */

/* Each list: one of these; empty: any. */
struct usage_list {
    const struct text *values;
    size_t count;
};

struct usage_tag {
    struct text name;
    struct text value;
};

/* What is asked for. */
struct usage_request {
    /* Wall nanoseconds, ascending, two at least: the answer is given for each of [edges[0],
     * edges[1]), [edges[1], edges[2]) and so on. Who groups by day in a time zone gives its
     * midnights. */
    const uint64_t *edges;
    size_t edge_count;
    const struct usage_group *groups; /* may be none: then everything is one group */
    size_t group_count;
    struct usage_list teams, keys, providers;
    struct usage_list models;     /* asked for or asked of the provider; `*` matches any run */
    const struct usage_tag *tags; /* all of them are to match */
    size_t tag_count;
    bool times; /* each row with its times */
};

struct usage_row {
    size_t interval;           /* 0: from edges[0] to edges[1] */
    const struct text *values; /* one for each group */
    const struct usage_sums *sums;
    const struct usage_times *times; /* NULL: not asked for */
};

/* Valid until it returns. False ends the visit. */
typedef bool (*usage_visit)(void *context, const struct usage_row *row);

/* Visits what is not empty, by interval, then by the values. ERROR_LIMIT when there would be more
 * than USAGE_ROWS_MAX rows, or USAGE_TIMES_MAX with times; ERROR_ARGUMENT for edges that do not
 * ascend. */
must_handle enum error usage_query(struct store *store, const struct usage_request *request,
                                   usage_visit visit, void *context);

/* From the start of the first quarter with a call to the end of the last; 0 and 0 without calls. */
must_handle enum error usage_bounds(struct store *store, uint64_t *first, uint64_t *end);

/* What was spent in a budget's scope, for calls with started_at in [from, to). */
struct usage_scope {
    struct text kind;       /* organisation, team, key, tag: as in store/budgets.h */
    struct text value;      /* team's name, key's id, NAME=VALUE */
    uint64_t from, to;      /* wall nanoseconds; `to` may lie in the future (UINT64_MAX) */
    struct usage_sums sums; /* set by usage_sum_scopes */
};

/* Many at once: those with the same `from` and `to` cost one reading. ERROR_ARGUMENT for a kind
 * that is none. */
must_handle enum error usage_sum_scopes(struct store *store, struct usage_scope *scopes,
                                        size_t count);
/* One: recorded cost and adjustments together, in picodollars. */
must_handle enum error usage_sum(struct store *store, struct text kind, struct text value,
                                 uint64_t from, uint64_t to, __int128 *spent);

#endif
