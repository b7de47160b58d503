/* history: reads the record of a data directory from outside: the store and what is still in the
 * journals, merged, each exchange once, in the order of their start. Read-only; works beside a
 * running server and without one, and from the journals alone while the store cannot be read. One
 * thread. */
#ifndef LEDGER_HISTORY_H
#define LEDGER_HISTORY_H

#include "store/record.h"
#include "tables/error.h"

#define HISTORY_PROBLEM_SIZE 512u
#define HISTORY_LIMIT_MAX    1000000u /* records of a limited reading are held in memory */

struct history;

/* What is asked for; zeroed: everything. */
struct history_filter {
    uint64_t since; /* started_at, wall nanoseconds; 0: no bound */
    uint64_t until;
    struct text key; /* the key's id or name */
    struct text team;
    struct text model; /* asked or target; `*` matches any run */
    int64_t status_low;
    int64_t status_high;         /* 0: any status */
    enum record_outcome outcome; /* UNKNOWN: any */
    size_t limit;                /* only the last so many, at most HISTORY_LIMIT_MAX; 0: all */
    size_t look_max; /* of a limited reading: rows of the store that are looked at; 0: all. See
                        history_stopped */
    const struct identifier *only; /* the one with this id; NULL: any */
    struct text provider;
    struct text tag;     /* of the key, as its JSON has it: "env":"prod" with the quotes */
    struct text part_of; /* lines within the call of this id; empty: any line */
    const struct identifier *before; /* ids below this one, for the next page; NULL: any */
};

/* Texts of the record are valid during the call. False ends the reading. */
typedef bool (*history_visit)(void *context, const struct record *record);

/* ERROR_NOT_FOUND when `data` is no data directory. What the filter points to must stay valid. */
must_handle enum error history_open(const char *data, const struct history_filter *filter,
                                    struct history **out, char problem[HISTORY_PROBLEM_SIZE]);
void history_close(struct history *history);

/* All that is there now. An error is that of the store; what the journals have was shown anyway. */
must_handle enum error history_read(struct history *history, history_visit visit, void *context,
                                    char problem[HISTORY_PROBLEM_SIZE]);
/* After history_read with `look_max`: whether it stopped there, having looked at all with ids from
 * `at` on. */
bool history_stopped(const struct history *history, struct identifier *at);
/* Whether the filter wants the record. */
bool history_wants(const struct history_filter *filter, const struct record *record);
/* After history_read: what came since the last call, in the order it came (`limit` is not looked
 * at). */
void history_follow(struct history *history, history_visit visit, void *context);

#endif
