/* changes: one sequence of numbers over all that administrators change.
 *
 * Each change of a key, team, budget, limit, admin key or of the organisation gives that row the
 * next number, in its column `changed`; rows that are deleted stay, marked, so that a deletion is a
 * change too. A reader that keeps up asks "has the file changed?" (one read of the WAL index), then
 * for the latest number, then each module for its rows changed after the last number it saw
 * (teams_changed and so on). One thread at a time, as the store. Errors as in store/store.h. */
#ifndef STORE_CHANGES_H
#define STORE_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"
#include "tables/error.h"

struct changes_reader;

must_handle enum error changes_reader_create(struct store *store, struct changes_reader **out);
void changes_reader_destroy(struct changes_reader *reader); /* before store_close; NULL is fine */
/* Whether another connection may have changed the file since the last call; true the first time. */
must_handle enum error changes_reader_poll(struct changes_reader *reader, bool *changed);
/* When the earliest of the calls began that were recorded since the last time this was asked (or
 * since the reader was made); UINT64_MAX: none was. */
must_handle enum error changes_reader_recorded(struct changes_reader *reader, uint64_t *earliest);
/* The highest number given so far; 0 when nothing was ever changed. */
must_handle enum error changes_reader_latest(struct changes_reader *reader, int64_t *latest);

#endif
