/* A segment's life: made and handed to a journal by the keeper; written, closed by the worker when
 * it goes on to the next; read by the importer up to its end and marked imported; read by the
 * access log; then, held by nobody, unlinked and unmapped (shelf_retire).
 *
 * Invariants: `bytes` is the sum of the sizes of all segments in the lanes and at most `limit`
 * where the keeper makes them (what was left behind counts, and may be more: each worker's first
 * segment is made in any case, so that a start can import what is waiting). A segment leaves only
 * from the front of its lane. A segment whose left-behind or closed flag is not set never leaves.
 */
#include "ledger/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"

/* Pages faulted in ahead of a writer. More than a worker writes in a turn of the keeper. */
#define POPULATED_AHEAD ((size_t)2 << 20)
#define RETRY_INTERVAL  NANOSECONDS_PER_SECOND /* after a segment could not be made */
#define PAGE_SIZE       4096u

static inline uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void lane_append(struct shelf *shelf, unsigned lane, struct shelf_segment *segment)
{
    segment->lane = lane;
    segment->import_position = SEGMENT_START;
    segment->batch_position = SEGMENT_START;
    segment->log_position = SEGMENT_START;
    pthread_mutex_lock(&shelf->lock);
    struct shelf_lane *to = &shelf->lanes[lane];
    if (to->newest)
        to->newest->next = segment;
    else
        to->oldest = segment;
    to->newest = segment;
    pthread_mutex_unlock(&shelf->lock);
    atomic_fetch_add_explicit(&shelf->bytes, segment->segment.size, memory_order_relaxed);
}

static int compare_segments(const void *left, const void *right)
{
    const struct shelf_segment *a = *(struct shelf_segment *const *)left;
    const struct shelf_segment *b = *(struct shelf_segment *const *)right;
    return a->segment.number < b->segment.number ? -1 : a->segment.number > b->segment.number;
}

/* A damaged file is evidence: it is kept under a name that nobody reads. */
static void put_aside(struct shelf *shelf, const char *name)
{
    char aside[NAME_MAX + sizeof(".damaged")];
    (void)snprintf(aside, sizeof(aside), "%s.damaged", name);
    note_error("ledger", "journal file %s is damaged; it is kept as %s", name, aside);
    if (renameat(shelf->directory, name, shelf->directory, aside) != 0)
        note_error("ledger", "renaming %s failed: %s", name, strerror(errno));
}

static bool is_empty(const struct segment *segment)
{
    struct entry entry;
    size_t position = SEGMENT_START;
    uint64_t damaged = 0;
    return segment->sound && load(&segment_header_of(segment)->refused_count) == 0 &&
           !segment_next(segment, &position, segment->size, &entry, &damaged) && damaged == 0;
}

/* Grows by doubling; as many as the directory holds. */
struct found {
    struct shelf_segment **items;
    size_t count;
    size_t capacity;
};

static void found_add(struct found *found, const struct segment *segment)
{
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? found->capacity * 2 : 16;
        found->items =
            ensure_memory(realloc(found->items, found->capacity * sizeof(struct shelf_segment *)));
    }
    struct shelf_segment *item = ensure_memory(calloc(1, sizeof(*item)));
    item->segment = *segment;
    item->left_behind = true;
    found->items[found->count++] = item;
}

static enum error find_left_behind(struct shelf *shelf)
{
    int copy = openat(shelf->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    if (!entries) {
        if (copy >= 0)
            close(copy);
        return ERROR_SYSTEM;
    }
    struct found found = {0};
    enum error error = ERROR_OK;
    for (struct dirent *entry; !error && (entry = readdir(entries)) != NULL;) {
        struct segment segment;
        enum error opened = segment_open(&segment, shelf->directory, entry->d_name);
        if (!opened && is_empty(&segment)) {
            segment_close(&segment);
            unlinkat(shelf->directory, entry->d_name, 0);
        } else if (!opened)
            found_add(&found, &segment);
        else if (opened == ERROR_CORRUPT)
            put_aside(shelf, entry->d_name);
        else if (opened != ERROR_NOT_FOUND)
            error = opened;
    }
    closedir(entries);
    if (found.count > 0)
        qsort(found.items, found.count, sizeof(struct shelf_segment *), compare_segments);
    for (size_t i = 0; i < found.count; i++) {
        lane_append(shelf, shelf->lanes_count - 1, found.items[i]);
        shelf->last_number = found.items[i]->segment.number;
    }
    free(found.items);
    return error;
}

static enum error make_segment(struct shelf *shelf, unsigned worker, struct shelf_segment **out)
{
    struct shelf_segment *made = ensure_memory(calloc(1, sizeof(*made)));
    enum error error = segment_create(&made->segment, shelf->directory, worker,
                                      shelf->last_number + 1, shelf->segment_size);
    if (error) {
        free(made);
        return error;
    }
    shelf->last_number++;
    made->populated = SEGMENT_START;
    made->synced = SEGMENT_START;
    lane_append(shelf, worker, made);
    *out = made;
    return ERROR_OK;
}

enum error shelf_open(struct shelf *shelf, int directory, unsigned workers, size_t segment_size,
                      uint64_t limit, uint64_t sync_interval)
{
    memset(shelf, 0, sizeof(*shelf));
    ensure(pthread_mutex_init(&shelf->lock, NULL) == 0);
    shelf->directory = directory;
    shelf->lanes_count = workers + 1;
    shelf->segment_size = segment_size & ~(size_t)(PAGE_SIZE - 1);
    shelf->limit = limit;
    shelf->sync_interval = sync_interval;
    shelf->lanes = ensure_memory(calloc(shelf->lanes_count, sizeof(*shelf->lanes)));
    shelf->journals =
        ensure_memory(aligned_alloc(_Alignof(struct journal), workers * sizeof(struct journal)));
    enum error error = find_left_behind(shelf);
    /* Numbers are times, so that they go on rising when every file is gone. */
    uint64_t now = clock_wall();
    if (shelf->last_number < now)
        shelf->last_number = now;
    shelf->first_number = shelf->last_number + 1;
    unsigned opened = 0;
    for (; !error && opened < workers; opened++) {
        struct shelf_segment *first;
        error = make_segment(shelf, opened, &first);
        if (!error)
            journal_open(&shelf->journals[opened], opened, &first->segment);
    }
    if (error)
        shelf_close(shelf);
    return error;
}

void shelf_finish(struct shelf *shelf)
{
    /* Segments that were made ahead and never used are complete too, and empty. */
    pthread_mutex_lock(&shelf->lock);
    for (unsigned lane = 0; lane + 1 < shelf->lanes_count; lane++) {
        for (struct shelf_segment *at = shelf->lanes[lane].oldest; at; at = at->next)
            atomic_store_explicit(&segment_header_of(&at->segment)->closed, 1,
                                  memory_order_release);
    }
    pthread_mutex_unlock(&shelf->lock);
}

void shelf_close(struct shelf *shelf)
{
    for (unsigned lane = 0; lane < shelf->lanes_count; lane++) {
        struct shelf_segment *next;
        for (struct shelf_segment *at = shelf->lanes[lane].oldest; at; at = next) {
            next = at->next;
            if (is_empty(&at->segment)) {
                char name[SEGMENT_NAME_SIZE];
                segment_name(at->segment.worker, at->segment.number, name);
                unlinkat(shelf->directory, name, 0);
            }
            segment_close(&at->segment);
            free(at);
        }
    }
    free(shelf->lanes);
    free(shelf->journals);
    pthread_mutex_destroy(&shelf->lock);
    close(shelf->directory);
}

static void note_failure(struct shelf *shelf, enum error error)
{
    if (error == shelf->last_failure)
        return;
    shelf->last_failure = error;
    if (error)
        note_error("ledger",
                   "no new journal segment: %s; calls are refused when the present ones are full",
                   error_meaning(error));
    else
        note_info("ledger", "journal segments can be made again");
}

static void supply(struct shelf *shelf, unsigned worker)
{
    struct journal *journal = &shelf->journals[worker];
    while (journal_wants_segment(journal)) {
        struct shelf_segment *made;
        bool allowed = load(&shelf->bytes) + shelf->segment_size <= shelf->limit;
        enum error error = allowed ? make_segment(shelf, worker, &made) : ERROR_LIMIT;
        note_failure(shelf, error);
        if (error) {
            shelf->next_attempt = clock_monotonic() + RETRY_INTERVAL;
            return;
        }
        journal_supply_segment(journal, &made->segment);
    }
}

/* Pages are made present and writable for the worker, so that it seldom enters the kernel. An old
 * kernel says no, and the worker takes the faults itself. */
static void populate(struct shelf_segment *at, size_t committed)
{
    size_t want = committed + POPULATED_AHEAD;
    if (want > at->segment.size)
        want = at->segment.size;
    size_t from = at->populated & ~(size_t)(PAGE_SIZE - 1);
    /* In steps of half, so that the call is rare. */
    if (want <= at->populated ||
        (want - at->populated < POPULATED_AHEAD / 2 && want < at->segment.size))
        return;
    (void)madvise(at->segment.map + from, want - from, MADV_POPULATE_WRITE);
    at->populated = want;
}

static void sync_segment(struct shelf_segment *at, size_t committed)
{
    if (committed <= at->synced)
        return;
    size_t from = at->synced & ~(size_t)(PAGE_SIZE - 1);
    if (msync(at->segment.map, PAGE_SIZE, MS_SYNC) != 0 ||
        msync(at->segment.map + from, committed - from, MS_SYNC) != 0) {
        note_error("ledger", "syncing a journal segment failed: %s", strerror(errno));
        return; /* tried again at the next interval */
    }
    at->synced = committed;
}

void shelf_keep(struct shelf *shelf)
{
    uint64_t now = clock_monotonic();
    bool sync = now >= shelf->next_sync;
    if (sync)
        shelf->next_sync = now + shelf->sync_interval;
    for (unsigned worker = 0; worker + 1 < shelf->lanes_count; worker++) {
        if (now >= shelf->next_attempt)
            supply(shelf, worker);
        struct shelf_segment *at = shelf_hold_first(shelf, worker);
        for (bool found_open = false; at; at = shelf_hold_next(shelf, at)) {
            size_t committed = segment_committed(&at->segment);
            if (!segment_closed(&at->segment) && !found_open) {
                found_open = true; /* the one being written */
                populate(at, committed);
            }
            if (sync)
                sync_segment(at, committed);
        }
    }
}

struct shelf_segment *shelf_hold_first(struct shelf *shelf, unsigned lane)
{
    pthread_mutex_lock(&shelf->lock);
    struct shelf_segment *first = shelf->lanes[lane].oldest;
    if (first)
        first->holders++;
    pthread_mutex_unlock(&shelf->lock);
    return first;
}

struct shelf_segment *shelf_hold_next(struct shelf *shelf, struct shelf_segment *previous)
{
    pthread_mutex_lock(&shelf->lock);
    struct shelf_segment *next = previous->next;
    if (next)
        next->holders++;
    previous->holders--;
    pthread_mutex_unlock(&shelf->lock);
    return next;
}

void shelf_let_go(struct shelf *shelf, struct shelf_segment *segment)
{
    pthread_mutex_lock(&shelf->lock);
    segment->holders--;
    pthread_mutex_unlock(&shelf->lock);
}

size_t shelf_limit(const struct shelf_segment *segment)
{
    return segment->left_behind ? segment->segment.size : segment_committed(&segment->segment);
}

bool shelf_ended(const struct shelf_segment *segment, size_t position)
{
    /* In this order: nothing is committed after the segment is closed. */
    bool complete = segment->left_behind || segment_closed(&segment->segment);
    return complete && position >= shelf_limit(segment);
}

void shelf_mark_imported(struct shelf *shelf, struct shelf_segment *segment)
{
    pthread_mutex_lock(&shelf->lock);
    segment->imported = true;
    pthread_mutex_unlock(&shelf->lock);
}

static bool log_needs(const struct shelf *shelf, const struct shelf_segment *at)
{
    return shelf->logging && !at->left_behind && !shelf_ended(at, at->log_position);
}

/* Bytes that are kept for nobody but the access log. */
static uint64_t count_log_waiting(const struct shelf *shelf)
{
    uint64_t bytes = 0;
    for (unsigned lane = 0; lane < shelf->lanes_count; lane++) {
        for (const struct shelf_segment *at = shelf->lanes[lane].oldest; at; at = at->next)
            bytes += at->imported ? at->segment.size : 0;
    }
    return bytes;
}

/* Takes the front segments of a lane that nobody needs off it; they are linked by `next`. */
static struct shelf_segment *take_done(struct shelf *shelf, unsigned lane, uint64_t *log_waiting)
{
    struct shelf_segment *done = NULL;
    struct shelf_segment **tail = &done;
    struct shelf_lane *from = &shelf->lanes[lane];
    while (from->oldest && from->oldest->imported && from->oldest->holders == 0) {
        struct shelf_segment *at = from->oldest;
        at->log_missed = log_needs(shelf, at);
        if (at->log_missed && *log_waiting <= shelf->log_behind)
            break;
        *log_waiting -= at->segment.size;
        from->oldest = at->next;
        if (!from->oldest)
            from->newest = NULL;
        at->next = NULL;
        *tail = at;
        tail = &at->next;
    }
    return done;
}

static void remove_segment(struct shelf *shelf, struct shelf_segment *at)
{
    uint64_t skipped = 0;
    uint64_t damaged = 0; /* was counted by the importer */
    struct entry entry;
    if (at->log_missed) {
        size_t limit = shelf_limit(at);
        while (segment_next(&at->segment, &at->log_position, limit, &entry, &damaged))
            skipped += entry.kind == ENTRY_END;
        atomic_fetch_add_explicit(&shelf->lines_skipped, skipped, memory_order_relaxed);
    }
    char name[SEGMENT_NAME_SIZE];
    segment_name(at->segment.worker, at->segment.number, name);
    if (at->damaged)
        put_aside(shelf, name);
    else if (unlinkat(shelf->directory, name, 0) != 0)
        note_error("ledger", "removing journal segment %s failed: %s", name, strerror(errno));
    atomic_fetch_sub_explicit(&shelf->bytes, at->segment.size, memory_order_relaxed);
    segment_close(&at->segment);
    free(at);
}

void shelf_retire(struct shelf *shelf)
{
    pthread_mutex_lock(&shelf->lock);
    uint64_t log_waiting = count_log_waiting(shelf);
    pthread_mutex_unlock(&shelf->lock);
    for (unsigned lane = 0; lane < shelf->lanes_count; lane++) {
        pthread_mutex_lock(&shelf->lock);
        struct shelf_segment *done = take_done(shelf, lane, &log_waiting);
        pthread_mutex_unlock(&shelf->lock);
        while (done) {
            struct shelf_segment *next = done->next;
            remove_segment(shelf, done);
            done = next;
        }
    }
}

void shelf_start_log(struct shelf *shelf, uint64_t behind)
{
    pthread_mutex_lock(&shelf->lock);
    shelf->logging = true;
    shelf->log_behind = behind;
    pthread_mutex_unlock(&shelf->lock);
}

void shelf_stop_log(struct shelf *shelf)
{
    pthread_mutex_lock(&shelf->lock);
    shelf->logging = false;
    pthread_mutex_unlock(&shelf->lock);
}
