/* Room, the invariant behind "recording what was admitted cannot fail":
 *
 *     reserved <= room
 *     room = what is left of the current segment + ready segments * usable bytes of each
 *
 * where each segment counts less the largest entry, because an entry that does not fit is put into
 * the next one and what is left behind is lost. A reservation adds to `reserved` only while the
 * invariant holds; writing an entry takes its reserved size from the left and at most as much from
 * the right; the keeper only adds to the right. So whoever holds a reservation finds either room in
 * the current segment or a ready one.
 *
 * Calls refused for want of room are counted in the header of the current segment, where they
 * survive the process, and move along when the segment changes. The first reservation that succeeds
 * again writes them as one record and clears the count; should the process die in between, the
 * record's id, chosen when counting began, keeps it from being told twice. */
#include "ledger/journal_supply.h"

#include "base/ensure.h"

static inline uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static inline void store(_Atomic uint64_t *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

/* The counters have one writer: no read-modify-write is needed. */
static inline void add(_Atomic uint64_t *number, uint64_t amount)
{
    store(number, load(number) + amount);
}

static inline uint64_t usable(uint64_t bytes)
{
    return bytes > ENTRY_RECORD_MAX ? bytes - ENTRY_RECORD_MAX : 0;
}

static uint32_t count_ready(const struct journal *journal)
{
    return atomic_load_explicit(&journal->supplied, memory_order_acquire) -
           atomic_load_explicit(&journal->taken, memory_order_acquire);
}

/* Signed, because a thread beside the worker may see the parts at different moments. */
static int64_t spare_room(const struct journal *journal)
{
    uint64_t room = usable(load(&journal->left)) +
                    count_ready(journal) * usable(journal->segment_size - SEGMENT_HEADER_SIZE);
    return (int64_t)room - (int64_t)load(&journal->reserved);
}

static void write_here(struct journal *journal, struct segment *segment)
{
    journal->current = segment;
    store(&journal->left, segment->size - segment_committed(segment));
}

void journal_open(struct journal *journal, unsigned worker, struct segment *first)
{
    memset(journal, 0, sizeof(*journal));
    journal->worker = worker;
    journal->segment_size = first->size;
    write_here(journal, first);
}

static void close_current(struct journal *journal)
{
    atomic_store_explicit(&segment_header_of(journal->current)->closed, 1, memory_order_release);
}

static void carry_refused(struct segment_header *from, struct segment_header *to)
{
    uint64_t count = load(&from->refused_count);
    if (count == 0)
        return;
    memcpy(to->refused_id, from->refused_id, sizeof(to->refused_id));
    store(&to->refused_from, load(&from->refused_from));
    store(&to->refused_until, load(&from->refused_until));
    atomic_store_explicit(&to->refused_count, count, memory_order_release);
    atomic_store_explicit(&from->refused_count, 0, memory_order_release);
}

static void take_ready_segment(struct journal *journal)
{
    ensure(count_ready(journal) > 0);
    uint32_t taken = atomic_load_explicit(&journal->taken, memory_order_relaxed);
    struct segment *next = journal->ready[taken % JOURNAL_READY_MAX];
    carry_refused(segment_header_of(journal->current), segment_header_of(next));
    close_current(journal);
    write_here(journal, next);
    /* After the slot was read: the keeper may fill it again. */
    atomic_store_explicit(&journal->taken, taken + 1, memory_order_release);
}

static void append(struct journal *journal, enum entry_kind kind, size_t length)
{
    size_t size = ENTRY_SIZE(length);
    if (load(&journal->left) < size)
        take_ready_segment(journal);
    segment_append(journal->current, kind, journal->scratch, length);
    store(&journal->left, load(&journal->left) - size);
}

static void give_back(struct journal *journal, uint32_t *held)
{
    ensure(*held <= load(&journal->reserved));
    store(&journal->reserved, load(&journal->reserved) - *held);
    *held = 0;
}

static void count_refused(struct journal *journal, uint64_t wall)
{
    struct segment_header *header = segment_header_of(journal->current);
    uint64_t count = load(&header->refused_count);
    if (count == 0) {
        struct identifier id = identifier_make(wall);
        memcpy(header->refused_id, id.bytes, sizeof(id.bytes));
        store(&header->refused_from, wall);
    }
    store(&header->refused_until, wall);
    atomic_store_explicit(&header->refused_count, count + 1, memory_order_release);
    add(&journal->refused, 1);
}

void journal_describe_refused(const struct segment *segment, struct record *record)
{
    const struct segment_header *header = segment_header_of(segment);
    struct identifier id;
    memcpy(id.bytes, header->refused_id, sizeof(id.bytes));
    record_clear(record, id);
    record->started_at = load(&header->refused_from);
    record->finished_at = load(&header->refused_until);
    if (record->finished_at >= record->started_at)
        record->duration = (int64_t)(record->finished_at - record->started_at);
    record->worker = segment->worker;
    record->outcome = RECORD_OUTCOME_REFUSED;
    record->status = JOURNAL_REFUSED_STATUS;
    record->refusal = TEXT(JOURNAL_REFUSED_CODE);
    record->calls = (int64_t)load(&header->refused_count);
}

static void tell_refused(struct journal *journal)
{
    struct record record;
    journal_describe_refused(journal->current, &record);
    append(journal, ENTRY_END, record_encode(&record, journal->scratch));
    add(&journal->records, 1);
    atomic_store_explicit(&segment_header_of(journal->current)->refused_count, 0,
                          memory_order_release);
}

enum error journal_reserve(struct journal *journal, struct journal_reservation *reservation,
                           uint64_t wall)
{
    const struct journal_reservation whole = {ENTRY_RECORD_MAX, ENTRY_RECORD_MAX, ENTRY_OBJECT_MAX};
    uint64_t size = 2 * ENTRY_RECORD_MAX + ENTRY_OBJECT_MAX;
    bool untold = load(&segment_header_of(journal->current)->refused_count) != 0;
    if (spare_room(journal) < (int64_t)(size + (untold ? ENTRY_RECORD_MAX : 0))) {
        count_refused(journal, wall);
        return ERROR_DISK_FULL;
    }
    if (untold)
        tell_refused(journal);
    store(&journal->reserved, load(&journal->reserved) + size);
    *reservation = whole;
    return ERROR_OK;
}

void journal_write_begin(struct journal *journal, struct journal_reservation *reservation,
                         const struct record *record)
{
    ensure(reservation->begin > 0);
    append(journal, ENTRY_BEGIN, record_encode(record, journal->scratch));
    give_back(journal, &reservation->begin);
}

void journal_write_end(struct journal *journal, struct journal_reservation *reservation,
                       const struct record *record)
{
    ensure(reservation->end > 0);
    append(journal, ENTRY_END, record_encode(record, journal->scratch));
    add(&journal->records, 1);
    journal_release(journal, reservation);
}

enum error journal_write_object(struct journal *journal, struct journal_reservation *reservation,
                                const struct object *object)
{
    if (reservation->object == 0 && spare_room(journal) < (int64_t)ENTRY_OBJECT_MAX)
        return ERROR_DISK_FULL;
    size_t length = object_encode(object, journal->scratch);
    if (length == 0)
        return ERROR_ARGUMENT;
    append(journal, ENTRY_OBJECT, length);
    give_back(journal, &reservation->object);
    return ERROR_OK;
}

void journal_release(struct journal *journal, struct journal_reservation *reservation)
{
    give_back(journal, &reservation->begin);
    give_back(journal, &reservation->end);
    give_back(journal, &reservation->object);
}

bool journal_wants_segment(const struct journal *journal)
{
    uint32_t ready = count_ready(journal);
    if (ready >= JOURNAL_READY_MAX)
        return false;
    return ready == 0 ||
           spare_room(journal) < (int64_t)usable(journal->segment_size - SEGMENT_HEADER_SIZE);
}

void journal_supply_segment(struct journal *journal, struct segment *segment)
{
    ensure(count_ready(journal) < JOURNAL_READY_MAX);
    uint32_t supplied = atomic_load_explicit(&journal->supplied, memory_order_relaxed);
    journal->ready[supplied % JOURNAL_READY_MAX] = segment;
    atomic_store_explicit(&journal->supplied, supplied + 1, memory_order_release);
}

bool journal_has_room(const struct journal *journal)
{
    return spare_room(journal) >= (int64_t)(3 * ENTRY_RECORD_MAX + ENTRY_OBJECT_MAX);
}
