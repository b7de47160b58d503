/* tail: reads the end records of a running ledger's journals as they are written, each once.
 *
 * For the access log. One reader, on its own thread. What earlier processes left behind is not
 * shown. */
#ifndef LEDGER_TAIL_H
#define LEDGER_TAIL_H

#include "ledger/ledger.h"
#include "store/record.h"

/* From now on records are kept for the reader until it has read them or `behind` bytes of imported
 * journal wait for it; what it then misses is counted (lines_skipped of ledger_counters). */
void tail_open(struct ledger *ledger, uint64_t behind);
void tail_close(struct ledger *ledger);

/* Takes one record; texts are valid during the call. False: it was not taken, show it again next
 * time. */
typedef bool (*tail_visit)(void *context, const struct record *record);
/* Shows what is there until `visit` returns false or there is no more. True when there may be more.
 */
bool tail_read(struct ledger *ledger, tail_visit visit, void *context);
/* Counts a line that the reader has written, or given up. */
void tail_count_written(struct ledger *ledger, uint64_t lines);
void tail_count_skipped(struct ledger *ledger, uint64_t lines);

#endif
