#include "ledger/recovery.h"

#include "base/note.h"
#include "ledger/rows.h"

/* Nobody knows what the provider did after the gateway died: the call costs what was held for it,
 * which is the most it can have cost. A mark of a call that was bounded by nothing is unpriced. */
static void settle_interrupted(struct record *record)
{
    record->outcome = RECORD_OUTCOME_INTERRUPTED;
    record->cost = record->cost_reserved;
    if (record->cost_reserved < 0)
        record->cost_state = TEXT("unpriced");
    else
        record->cost_state = record->cost_reserved == 0 ? TEXT("none") : TEXT("estimated");
    if (record->cost_reserved > 0)
        record->price_rule = TEXT("worst case: the gateway stopped during the call");
}

static enum error insert_interrupted(struct row_insert *insert, const uint8_t *bytes, size_t length,
                                     uint64_t *interrupted)
{
    struct record record;
    if (record_decode(&record, bytes, length) != ERROR_OK) {
        note_error("ledger", "a begin mark with a good checksum cannot be read; passed over");
        return ERROR_OK;
    }
    settle_interrupted(&record);
    /* What it used is not known: it is settled at the worst case that was held for it. */
    if (record.cost_reserved >= 0 && record.cost < 0) {
        record.cost = record.cost_reserved;
        record.cost_state = TEXT("estimated");
    }
    bool inserted = false;
    enum error error = rows_insert_record(insert, &record, &inserted);
    *interrupted += inserted;
    return error;
}

static enum error recover_segment(struct row_insert *insert, const struct shelf_segment *at,
                                  const struct open_set *open, uint64_t *interrupted)
{
    enum error error = ERROR_OK;
    size_t cursor = 0;
    for (const struct open_entry *mark; !error && (mark = open_set_next(open, at, &cursor));) {
        struct entry entry;
        size_t position = mark->position;
        uint64_t damaged = 0;
        if (segment_next(&at->segment, &position, at->segment.size, &entry, &damaged))
            error = insert_interrupted(insert, entry.payload, entry.length, interrupted);
    }
    const struct segment_header *header = segment_header_of(&at->segment);
    if (error || !at->segment.sound || atomic_load(&header->refused_count) == 0)
        return error;
    struct record refused;
    journal_describe_refused(&at->segment, &refused);
    bool inserted;
    return rows_insert_record(insert, &refused, &inserted);
}

/* The marks whose segments were gone already. */
static enum error recover_stored_marks(struct store *store, struct row_insert *insert,
                                       uint64_t first_number, uint64_t *interrupted)
{
    struct store_statement *select;
    enum error error =
        store_prepare(store, "SELECT record FROM open_exchanges WHERE segment < ?", &select);
    if (error)
        return error;
    store_bind_integer(select, 1, (int64_t)first_number);
    for (bool row = true; !(error = store_step(select, &row)) && row;) {
        struct text bytes = store_column_text(select, 0);
        error = insert_interrupted(insert, (const uint8_t *)bytes.data, bytes.length, interrupted);
        if (error)
            break;
    }
    store_finish(select);
    if (error)
        return error;
    struct store_statement *remove;
    error = store_prepare(store, "DELETE FROM open_exchanges WHERE segment < ?", &remove);
    if (error)
        return error;
    store_bind_integer(remove, 1, (int64_t)first_number);
    error = store_run(remove);
    store_finish(remove);
    return error;
}

enum error recovery_run(struct store *store, struct row_insert *insert, struct shelf *shelf,
                        const struct open_set *open, uint64_t *interrupted)
{
    enum error error = ERROR_OK;
    struct shelf_segment *at = shelf_hold_first(shelf, shelf->lanes_count - 1);
    while (at) {
        if (!error)
            error = recover_segment(insert, at, open, interrupted);
        at = shelf_hold_next(shelf, at);
    }
    if (error)
        return error;
    return recover_stored_marks(store, insert, shelf->first_number, interrupted);
}
