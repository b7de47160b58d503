/* One step is one transaction: some entries become rows and the cursors of their segments move, or
 * neither. In memory a segment has two positions: `import_position`, what the store holds for
 * certain, and `batch_position`, what it will hold when the present transaction commits.
 *
 *     closed or left behind, read to its end --> its open marks go into the store, so that its file
 *     may go (of a segment left behind: recovery makes records of them) --> commit --> imported
 *
 * A failed step rolls back, moves the batch positions back, and the next step does it again. `open`
 * may by then lack marks whose end was in that batch: that end is read again, so nothing is lost.
 */
#include "ledger/importer.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "ledger/open_set.h"
#include "ledger/recovery.h"
#include "ledger/rows.h"

enum statement {
    INSERT_OBJECT,
    FIND_OBJECT,
    PUT_CURSOR,
    DROP_CURSORS,
    PUT_OPEN,
    DROP_OPEN,
    STATEMENT_COUNT
};

static const char *const statement_sql[STATEMENT_COUNT] = {
    [INSERT_OBJECT] = "INSERT INTO objects (id, provider, team, key_id, kind, created_at)"
                      " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                      " provider = excluded.provider, team = excluded.team,"
                      " key_id = excluded.key_id, kind = excluded.kind,"
                      " created_at = excluded.created_at",
    [FIND_OBJECT] = "SELECT provider, team, key_id, kind, created_at FROM objects WHERE id = ?",
    [PUT_CURSOR] = "INSERT OR REPLACE INTO journal_cursors VALUES (?, ?)",
    [DROP_CURSORS] = "DELETE FROM journal_cursors WHERE segment < ?",
    [PUT_OPEN] = "INSERT OR REPLACE INTO open_exchanges VALUES (?, ?, ?)",
    [DROP_OPEN] = "DELETE FROM open_exchanges WHERE id = ?",
};

struct importer {
    pthread_mutex_t lock; /* the importer's thread and whoever looks for an object */
    struct shelf *shelf;
    char *path;
    struct store *store; /* NULL while it cannot be opened */
    struct store_statement *statements[STATEMENT_COUNT];
    struct row_insert insert;
    struct guard *guard;
    struct knocks *knocks; /* of each worker */
    unsigned knocks_count;
    struct open_set open;
    uint64_t stored_marks; /* rows of this process in open_exchanges */
    bool recovered;
    bool counting_old; /* records of an older Turnpike are still to be counted */
    bool told_old;
    uint64_t backoff;
    enum error last_error;
    /* Of the present transaction. */
    bool begun;
    unsigned budget;
    uint64_t batch_records;
    uint64_t batch_duplicates;
    uint64_t batch_settled; /* of this process's records, whether they were new or not */
    /* Records of the segment that is being read which are no rows yet. */
    struct row rows[IMPORTER_ROWS];
    bool inserted[IMPORTER_ROWS];
    size_t row_count;
    struct importer_counters counters;
};

struct importer *importer_open(struct shelf *shelf, const char *store_path, struct guard *guard)
{
    struct importer *importer = ensure_memory(calloc(1, sizeof(*importer)));
    ensure(pthread_mutex_init(&importer->lock, NULL) == 0);
    importer->shelf = shelf;
    importer->guard = guard;
    importer->path = ensure_memory(strdup(store_path));
    atomic_store(&importer->counters.working, true);
    atomic_store(&importer->counters.caught_up, clock_wall());
    return importer;
}

static void close_store(struct importer *importer)
{
    rows_close_insert(&importer->insert);
    store_close(importer->store);
    importer->store = NULL;
}

void importer_close(struct importer *importer)
{
    close_store(importer);
    open_set_close(&importer->open);
    pthread_mutex_destroy(&importer->lock);
    free(importer->path);
    free(importer);
}

static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

/* Calls `visit` for every segment, those left behind first; each is held meanwhile. Stops at the
 * first error. */
typedef enum error (*segment_visit)(struct importer *importer, struct shelf_segment *at);

static enum error visit_lane(struct importer *importer, unsigned lane, segment_visit visit)
{
    enum error error = ERROR_OK;
    struct shelf_segment *at = shelf_hold_first(importer->shelf, lane);
    while (at) {
        if (!error)
            error = visit(importer, at);
        at = shelf_hold_next(importer->shelf, at);
    }
    return error;
}

static enum error visit_segments(struct importer *importer, segment_visit visit)
{
    unsigned last = importer->shelf->lanes_count - 1;
    enum error error = visit_lane(importer, last, visit);
    for (unsigned lane = 0; !error && lane < last; lane++)
        error = visit_lane(importer, lane, visit);
    return error;
}

/* ---- Opening the store ---- */

static enum error read_cursor(struct importer *importer, struct shelf_segment *at)
{
    if (!at->left_behind || at->import_position != SEGMENT_START)
        return ERROR_OK;
    struct store_statement *select;
    enum error error = store_prepare(
        importer->store, "SELECT position FROM journal_cursors WHERE segment = ?", &select);
    if (error)
        return error;
    store_bind_integer(select, 1, (int64_t)at->segment.number);
    bool row;
    error = store_step(select, &row);
    int64_t position = !error && row ? store_column_integer(select, 0) : 0;
    store_finish(select);
    /* A cursor behind which the store was restored from a backup, or that was tampered with, only
     * costs reading again. Marks without an end are wanted from the whole segment anyway. */
    at->skip_ends_before = position > 0 ? (size_t)position : 0;
    return error;
}

static enum error connect_store(struct importer *importer)
{
    char problem[STORE_PROBLEM_SIZE];
    enum error error =
        store_open(importer->path, STORE_WRITE, IMPORTER_PATIENCE, &importer->store, problem);
    if (error) {
        importer->store = NULL;
        if (error != importer->last_error)
            note_error("ledger", "the store cannot be opened: %s", problem);
        return error;
    }
    error = rows_open_insert(&importer->insert, importer->store, importer->guard);
    importer->counting_old = true; /* or so it is until count_old has looked */
    for (size_t i = 0; !error && i < STATEMENT_COUNT; i++)
        error = store_prepare(importer->store, statement_sql[i], &importer->statements[i]);
    if (!error)
        error = visit_lane(importer, importer->shelf->lanes_count - 1, read_cursor);
    return error;
}

/* ---- Entries ---- */

static enum error begin(struct importer *importer)
{
    if (importer->begun)
        return ERROR_OK;
    enum error error = store_begin(importer->store);
    importer->begun = !error;
    return error;
}

/* Connections without a call, of each worker. */
static enum error add_knocks(struct importer *importer)
{
    enum error error = ERROR_OK;
    for (unsigned i = 0; !error && i < importer->knocks_count; i++) {
        if (!knocks_wait(&importer->knocks[i]))
            continue;
        error = begin(importer);
        if (!error)
            error = knocks_add(&importer->knocks[i], importer->insert.bounces, clock_wall());
    }
    return error;
}

static void end_knocks(struct importer *importer, void (*end)(struct knocks *knocks))
{
    for (unsigned i = 0; i < importer->knocks_count; i++)
        end(&importer->knocks[i]);
}

void importer_watch_knocks(struct importer *importer, struct knocks *knocks, unsigned count)
{
    importer->knocks = knocks;
    importer->knocks_count = count;
}

/* What became rows, and what was counted of them. */
static enum error commit_rows(struct importer *importer)
{
    enum error error = rows_flush(&importer->insert);
    if (!error)
        error = store_commit(importer->store);
    importer->begun = importer->begun && error;
    if (!error) {
        rows_settle(&importer->insert);
        end_knocks(importer, knocks_settle);
    }
    return error;
}

static enum error store_mark(struct importer *importer, struct identifier id, uint64_t segment,
                             const struct entry *entry)
{
    struct store_statement *put = importer->statements[PUT_OPEN];
    store_bind_blob(put, 1, id.bytes, sizeof(id.bytes));
    store_bind_integer(put, 2, (int64_t)segment);
    store_bind_blob(put, 3, entry->payload, entry->length);
    return store_run(put);
}

/* Its checksum is good and its inside is not: a fault of whoever wrote it. One entry must not hold
 * up all that follow. */
static enum error pass_over(struct importer *importer, const struct shelf_segment *at,
                            const struct entry *entry)
{
    note_error("ledger", "journal entry at %zu of segment %016llx cannot be read; passed over",
               entry->position, (unsigned long long)at->segment.number);
    count(&importer->shelf->damaged, entry->length);
    return ERROR_OK;
}

static enum error import_begin(struct importer *importer, struct shelf_segment *at,
                               const struct entry *entry)
{
    struct open_entry mark = {.segment = at, .position = entry->position};
    if (entry->length < sizeof(mark.id.bytes))
        return pass_over(importer, at, entry);
    memcpy(mark.id.bytes, entry->payload, sizeof(mark.id.bytes));
    if (open_set_add(&importer->open, &mark))
        return ERROR_OK;
    importer->stored_marks++;
    return store_mark(importer, mark.id, at->segment.number, entry);
}

/* Makes rows of the records that wait. `may_exist`: some may be in the store since an earlier
 * process. */
static enum error write_rows(struct importer *importer, bool may_exist)
{
    size_t count = importer->row_count;
    importer->row_count = 0;
    if (count == 0)
        return ERROR_OK;
    enum error error = rows_insert(&importer->insert, importer->rows, count, importer->inserted);
    for (size_t i = 0; !error && i < count; i++) {
        if (importer->inserted[i])
            importer->batch_records++;
        else if (!may_exist)
            importer->batch_duplicates++;
    }
    return error;
}

static enum error import_end(struct importer *importer, struct shelf_segment *at,
                             const struct entry *entry)
{
    struct row *row = &importer->rows[importer->row_count];
    const struct identifier *id = &row->record.id;
    if (record_decode(&row->record, entry->payload, entry->length) != ERROR_OK)
        return pass_over(importer, at, entry);
    row->fields = text_of((const char *)entry->payload + sizeof(id->bytes),
                          entry->length - sizeof(id->bytes));
    if (!open_set_remove(&importer->open, *id) && importer->stored_marks > 0) {
        store_bind_blob(importer->statements[DROP_OPEN], 1, id->bytes, sizeof(id->bytes));
        enum error error = store_run(importer->statements[DROP_OPEN]);
        if (error)
            return error;
    }
    if (entry->position < at->skip_ends_before)
        return ERROR_OK;
    if (!at->left_behind)
        importer->batch_settled++;
    importer->row_count++;
    return importer->row_count < IMPORTER_ROWS ? ERROR_OK : write_rows(importer, at->left_behind);
}

static enum error import_object(struct importer *importer, struct shelf_segment *at,
                                const struct entry *entry)
{
    struct object object;
    if (object_decode(&object, entry->payload, entry->length) != ERROR_OK)
        return pass_over(importer, at, entry);
    struct store_statement *insert = importer->statements[INSERT_OBJECT];
    store_bind_text(insert, 1, object.id);
    store_bind_text(insert, 2, object.provider);
    store_bind_text(insert, 3, object.team);
    store_bind_text(insert, 4, object.key_id);
    store_bind_text(insert, 5, object.kind);
    store_bind_integer(insert, 6, (int64_t)object.created_at);
    return store_run(insert);
}

static enum error import_entry(struct importer *importer, struct shelf_segment *at,
                               const struct entry *entry)
{
    switch (entry->kind) {
    case ENTRY_BEGIN: return import_begin(importer, at, entry);
    case ENTRY_END: return import_end(importer, at, entry);
    case ENTRY_OBJECT: return import_object(importer, at, entry);
    }
    return ERROR_OK; /* of a newer writer */
}

static enum error put_cursor(struct importer *importer, const struct shelf_segment *at)
{
    struct store_statement *put = importer->statements[PUT_CURSOR];
    store_bind_integer(put, 1, (int64_t)at->segment.number);
    store_bind_integer(put, 2, (int64_t)at->batch_position);
    return store_run(put);
}

/* The open marks of a live segment that is read to its end move into the store: the file may go. */
static enum error store_open_marks(struct importer *importer, struct shelf_segment *at)
{
    size_t cursor = 0;
    enum error error = ERROR_OK;
    for (const struct open_entry *mark;
         !error && (mark = open_set_next(&importer->open, at, &cursor));) {
        struct entry entry;
        size_t position = mark->position;
        uint64_t damaged = 0;
        error = begin(importer);
        if (!error && segment_next(&at->segment, &position, at->segment.size, &entry, &damaged))
            error = store_mark(importer, mark->id, at->segment.number, &entry);
    }
    return error;
}

/* Calls that were refused for want of room until the worker stopped, so that it could not tell. */
static enum error import_refused(struct importer *importer, struct shelf_segment *at)
{
    if (atomic_load(&segment_header_of(&at->segment)->refused_count) == 0)
        return ERROR_OK;
    struct record refused;
    bool inserted = false;
    enum error error = begin(importer);
    if (error)
        return error;
    journal_describe_refused(&at->segment, &refused);
    error = rows_insert_record(&importer->insert, &refused, &inserted);
    importer->batch_records += inserted;
    return error;
}

/* A torn entry behind what was committed is no damage: its writer died before it was written. */
static bool counts_as_damage(const struct shelf_segment *at, size_t position)
{
    return !at->segment.sound || position < segment_committed(&at->segment);
}

static enum error import_entries(struct importer *importer, struct shelf_segment *at)
{
    size_t limit = shelf_limit(at);
    enum error error = ERROR_OK;
    while (!error && importer->budget > 0 && at->batch_position < limit) {
        struct entry entry;
        uint64_t passed = 0;
        size_t from = at->batch_position;
        bool found = segment_next(&at->segment, &at->batch_position, limit, &entry, &passed);
        if (counts_as_damage(at, from))
            at->batch_damaged += passed;
        if (!found)
            break;
        importer->budget--;
        error = begin(importer);
        if (!error)
            error = import_entry(importer, at, &entry);
    }
    if (!error)
        return write_rows(importer, at->left_behind);
    importer->row_count = 0;
    return error;
}

static enum error import_segment(struct importer *importer, struct shelf_segment *at)
{
    if (at->imported)
        return ERROR_OK;
    enum error error = import_entries(importer, at);
    if (!error && importer->begun && at->batch_position != at->import_position)
        error = put_cursor(importer, at);
    if (error || !shelf_ended(at, at->batch_position))
        return error;
    at->batch_ended = true;
    if (at->left_behind)
        return ERROR_OK; /* recovery sees to it when all of them are read */
    error = import_refused(importer, at);
    return error ? error : store_open_marks(importer, at);
}

/* ---- Committing ---- */

static void forget_marks(struct importer *importer, struct shelf_segment *at)
{
    /* Removing may move a later entry to this place, so the search looks at it again. */
    size_t cursor = 0;
    for (const struct open_entry *mark; (mark = open_set_next(&importer->open, at, &cursor));
         cursor--) {
        open_set_remove(&importer->open, mark->id);
        if (!at->left_behind)
            importer->stored_marks++;
    }
}

static enum error settle_segment(struct importer *importer, struct shelf_segment *at)
{
    at->import_position = at->batch_position;
    if (at->batch_damaged > 0) {
        note_error("ledger", "%llu damaged bytes in journal segment %04u-%016llx were passed over",
                   (unsigned long long)at->batch_damaged, at->segment.worker,
                   (unsigned long long)at->segment.number);
        count(&importer->shelf->damaged, at->batch_damaged);
        at->damaged = true;
        at->batch_damaged = 0;
    }
    if (!at->imported && at->batch_ended && (!at->left_behind || importer->recovered)) {
        forget_marks(importer, at);
        shelf_mark_imported(importer->shelf, at);
    }
    return ERROR_OK;
}

static enum error take_back_segment(struct importer *importer, struct shelf_segment *at)
{
    at->batch_position = at->import_position;
    at->batch_damaged = 0;
    at->batch_ended = false;
    return ERROR_OK;
}

/* Whether no entry of an earlier process is left to import. */
static bool left_behind_done(struct importer *importer)
{
    bool done = true;
    struct shelf_segment *at = shelf_hold_first(importer->shelf, importer->shelf->lanes_count - 1);
    for (; at; at = shelf_hold_next(importer->shelf, at))
        done = done && at->batch_ended;
    return done;
}

static enum error recover(struct importer *importer)
{
    uint64_t interrupted = 0;
    enum error error = begin(importer);
    if (!error)
        error = recovery_run(importer->store, &importer->insert, importer->shelf, &importer->open,
                             &interrupted);
    if (!error)
        error = commit_rows(importer);
    if (error)
        return error;
    importer->recovered = true;
    importer->batch_records += interrupted;
    if (interrupted > 0)
        note_warning("ledger", "%llu calls were in flight when the last process ended",
                     (unsigned long long)interrupted);
    return ERROR_OK;
}

static uint64_t oldest_number(struct importer *importer)
{
    uint64_t oldest = UINT64_MAX >> 1;
    for (unsigned lane = 0; lane < importer->shelf->lanes_count; lane++) {
        struct shelf_segment *at = shelf_hold_first(importer->shelf, lane);
        if (!at)
            continue;
        if (at->segment.number < oldest)
            oldest = at->segment.number;
        shelf_let_go(importer->shelf, at);
    }
    return oldest;
}

static enum error commit(struct importer *importer)
{
    if (!importer->begun)
        return ERROR_OK;
    store_bind_integer(importer->statements[DROP_CURSORS], 1, (int64_t)oldest_number(importer));
    enum error error = store_run(importer->statements[DROP_CURSORS]);
    if (!error)
        error = commit_rows(importer);
    return error;
}

/* A part of what an older Turnpike stored and did not count, in a transaction of its own. */
static enum error count_old(struct importer *importer)
{
    enum error error = begin(importer);
    if (!error)
        error = rollup_backfill(importer->insert.rollup, IMPORTER_BATCH, &importer->counting_old);
    if (!error)
        error = store_commit(importer->store);
    importer->begun = importer->begun && error;
    if (error || importer->counting_old == importer->told_old)
        return error;
    importer->told_old = importer->counting_old;
    note_info("ledger", "calls recorded by an older Turnpike %s",
              importer->counting_old ? "are being counted for `turnpike usage`" : "are counted");
    return ERROR_OK;
}

static enum error run_batch(struct importer *importer)
{
    enum error error = importer->store ? ERROR_OK : connect_store(importer);
    if (!error)
        error = visit_segments(importer, import_segment);
    if (!error)
        error = add_knocks(importer);
    if (!error)
        error = commit(importer);
    if (error)
        return error;
    (void)visit_segments(importer, settle_segment);
    if (!importer->recovered && left_behind_done(importer)) {
        error = recover(importer);
        if (!error)
            (void)visit_lane(importer, importer->shelf->lanes_count - 1, settle_segment);
    }
    return !error && importer->counting_old ? count_old(importer) : error;
}

static void fail(struct importer *importer, enum error error)
{
    if (importer->begun)
        store_roll_back(importer->store);
    rows_forget(&importer->insert);
    end_knocks(importer, knocks_forget);
    importer->begun = false;
    (void)visit_segments(importer, take_back_segment);
    if (error != importer->last_error && importer->store)
        note_error("ledger", "the store does not take records: %s; they wait in the journal",
                   store_problem(importer->store));
    if (error != ERROR_BUSY && error != ERROR_DISK_FULL) {
        close_store(importer);
    }
    importer->last_error = error;
    importer->backoff = importer->backoff ? importer->backoff * 2 : IMPORTER_BACKOFF_MIN;
    if (importer->backoff > IMPORTER_BACKOFF_MAX)
        importer->backoff = IMPORTER_BACKOFF_MAX;
    count(&importer->counters.failures, 1);
    atomic_store(&importer->counters.working, false);
}

static void succeed(struct importer *importer)
{
    if (importer->last_error)
        note_info("ledger", "the store takes records again");
    if (importer->batch_duplicates > 0)
        note_error("ledger", "%llu records had an id that was recorded before; the first was kept",
                   (unsigned long long)importer->batch_duplicates);
    importer->last_error = ERROR_OK;
    importer->backoff = 0;
    count(&importer->counters.imported, importer->batch_records);
    count(&importer->counters.duplicates, importer->batch_duplicates);
    count(&importer->counters.settled, importer->batch_settled);
    atomic_store(&importer->counters.working, true);
    shelf_retire(importer->shelf);
}

static enum importer_state step(struct importer *importer)
{
    uint64_t began = clock_wall();
    importer->budget = IMPORTER_BATCH;
    importer->batch_records = 0;
    importer->batch_duplicates = 0;
    importer->batch_settled = 0;
    enum error error = run_batch(importer);
    if (error) {
        fail(importer, error);
        return IMPORTER_FAILING;
    }
    succeed(importer);
    if (importer->budget > 0)
        atomic_store(&importer->counters.caught_up, began);
    return importer->budget == 0 || importer->counting_old ? IMPORTER_MORE : IMPORTER_IDLE;
}

enum importer_state importer_step(struct importer *importer)
{
    pthread_mutex_lock(&importer->lock);
    enum importer_state state = step(importer);
    pthread_mutex_unlock(&importer->lock);
    return state;
}

uint64_t importer_backoff(const struct importer *importer)
{
    return importer->backoff;
}

bool importer_flush(struct importer *importer)
{
    enum importer_state state;
    do {
        state = importer_step(importer);
    } while (state == IMPORTER_MORE && importer->budget == 0);
    return state != IMPORTER_FAILING;
}

/* ---- Objects ---- */

static bool find_in_lane(struct importer *importer, unsigned lane, struct text id,
                         struct object_copy *out)
{
    bool found = false;
    struct shelf_segment *at = shelf_hold_first(importer->shelf, lane);
    for (; at; at = shelf_hold_next(importer->shelf, at)) {
        struct entry entry;
        struct object object;
        uint64_t damaged = 0;
        size_t position = at->import_position;
        size_t limit = shelf_limit(at);
        while (segment_next(&at->segment, &position, limit, &entry, &damaged)) {
            if (entry.kind == ENTRY_OBJECT &&
                object_decode(&object, entry.payload, entry.length) == ERROR_OK &&
                text_equal(object.id, id))
                found = object_copy(out, &object); /* the last one wins */
        }
    }
    return found;
}

static enum error find_in_store(struct importer *importer, struct text id, struct object_copy *out)
{
    if (!importer->store && connect_store(importer) != ERROR_OK) {
        close_store(importer);
        return ERROR_STORE;
    }
    struct store_statement *find = importer->statements[FIND_OBJECT];
    store_bind_text(find, 1, id);
    bool row;
    enum error error = store_step(find, &row);
    if (!error && row) {
        struct object object = {
            .id = id,
            .provider = store_column_text(find, 0),
            .team = store_column_text(find, 1),
            .key_id = store_column_text(find, 2),
            .kind = store_column_text(find, 3),
            .created_at = (uint64_t)store_column_integer(find, 4),
        };
        error = object_copy(out, &object) ? ERROR_OK : ERROR_NOT_FOUND;
    } else {
        error = error ? ERROR_STORE : ERROR_NOT_FOUND;
    }
    store_reset(find);
    return error;
}

enum error importer_find_object(struct importer *importer, struct text id, struct object_copy *out)
{
    if (text_empty(id) || id.length > OBJECT_ID_MAX)
        return ERROR_NOT_FOUND;
    pthread_mutex_lock(&importer->lock);
    bool found = false;
    for (unsigned lane = 0; !found && lane < importer->shelf->lanes_count; lane++)
        found = find_in_lane(importer, lane, id, out);
    enum error error = found ? ERROR_OK : find_in_store(importer, id, out);
    pthread_mutex_unlock(&importer->lock);
    return error;
}

const struct importer_counters *importer_read_counters(const struct importer *importer)
{
    return &importer->counters;
}
