#include "ledger/tail.h"

#include "ledger/ledger_parts.h"

void tail_open(struct ledger *ledger, uint64_t behind)
{
    shelf_start_log(&ledger->shelf, behind);
}

void tail_close(struct ledger *ledger)
{
    shelf_stop_log(&ledger->shelf);
}

/* The segment is held; the position belongs to this reader while it is. False when `visit` had
 * enough. */
static bool read_segment(struct shelf_segment *at, size_t *position, tail_visit visit,
                         void *context)
{
    size_t limit = segment_committed(&at->segment);
    struct entry entry;
    uint64_t damaged = 0; /* the importer counts it */
    for (size_t next = *position; segment_next(&at->segment, &next, limit, &entry, &damaged);
         *position = next) {
        struct record record;
        if (entry.kind != ENTRY_END ||
            record_decode(&record, entry.payload, entry.length) != ERROR_OK)
            continue;
        if (!visit(context, &record))
            return false;
    }
    *position = limit;
    return true;
}

static bool read_lane(struct shelf *shelf, unsigned lane, tail_visit visit, void *context)
{
    struct shelf_segment *at = shelf_hold_first(shelf, lane);
    while (at) {
        pthread_mutex_lock(&shelf->lock);
        size_t position = at->log_position;
        pthread_mutex_unlock(&shelf->lock);
        bool whole = read_segment(at, &position, visit, context);
        pthread_mutex_lock(&shelf->lock);
        at->log_position = position;
        pthread_mutex_unlock(&shelf->lock);
        if (!whole) {
            shelf_let_go(shelf, at);
            return false;
        }
        at = shelf_hold_next(shelf, at);
    }
    return true;
}

bool tail_read(struct ledger *ledger, tail_visit visit, void *context)
{
    /* Begins with another worker each time, so that a busy one does not keep the others waiting. */
    unsigned first = ledger->tail_lane++;
    for (unsigned i = 0; i < ledger->workers; i++) {
        if (!read_lane(&ledger->shelf, (first + i) % ledger->workers, visit, context))
            return true;
    }
    return false;
}

void tail_count_written(struct ledger *ledger, uint64_t lines)
{
    atomic_fetch_add_explicit(&ledger->lines_written, lines, memory_order_relaxed);
}

void tail_count_skipped(struct ledger *ledger, uint64_t lines)
{
    atomic_fetch_add_explicit(&ledger->shelf.lines_skipped, lines, memory_order_relaxed);
}
