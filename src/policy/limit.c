/* A ring of slots, each one 128-bit word (number, count), and the sum `used`.
 *
 * Time is cut into slots of window / 60, numbered from the clock's start. Slot e is in ring place
 * e % 64 and counts from its begin until slot e + 61 begins.
 *
 *      (e - 64, n) ──take in e, or expire──▶ (e, 0) ──take──▶ (e, n) ──expire──▶ (e + 64, 0)
 *
 * Invariants:
 *  - `used` is at least the sum of the counts of all slots, but for corrections under way; what is
 *    taken goes into `used` first (there the amount is checked, by one exchange) and then into its
 *    slot; what leaves goes out of its slot first.
 *  - A slot with a count has its bit in `filled`, but for a moment: a bit that is missing then lets
 *    the count stay longer, never leave earlier.
 *  - A word's number only grows. Whoever moves it on takes its count out of `used`, exactly once,
 *    since the exchange that moves it succeeds for one.
 *  - A thread with an old `now` finds a newer number in its place and counts there: later leaving,
 *    never earlier. */
#include "policy/limit.h"

#include <stdlib.h>

#include "base/ensure.h"

static uint64_t slot_number(__int128 word)
{
    return (uint64_t)((unsigned __int128)word >> 64);
}

static int64_t slot_count(__int128 word)
{
    return (int64_t)(uint64_t)word;
}

static __int128 slot_word(uint64_t number, int64_t count)
{
    return wide_make(number, (uint64_t)count);
}

struct limit *limit_create(uint64_t window)
{
    size_t slots = window == 0 ? 0 : LIMIT_RING;
    size_t size = sizeof(struct limit) + slots * sizeof(struct wide);
    struct limit *limit = aligned_alloc(64, (size + 63) / 64 * 64);
    if (limit == NULL)
        return NULL;
    memset(limit, 0, size);
    limit->window = window;
    limit->slot_length = limit_slot_length(window);
    for (size_t i = 0; i < slots; i++)
        limit->slots[i].value = (unsigned __int128)slot_word(i, 0);
    return limit;
}

void limit_free(struct limit *limit)
{
    free(limit);
}

static void add_used(struct limit *limit, int64_t amount)
{
    atomic_fetch_add_explicit(&limit->used, amount, memory_order_acq_rel);
}

static uint64_t bit_of(uint64_t place)
{
    return (uint64_t)1 << (place & (LIMIT_RING - 1));
}

static bool is_filled(const struct limit *limit, uint64_t place)
{
    return (atomic_load_explicit(&limit->filled, memory_order_acquire) & bit_of(place)) != 0;
}

/* After the count is in the slot: see expire_place. */
static void note_filled(struct limit *limit, uint64_t place)
{
    if (!is_filled(limit, place))
        atomic_fetch_or(&limit->filled, bit_of(place));
}

/* Empties the place if what it has is not after `newest_out`. The bit goes first: who fills the
 * place meanwhile either finds it gone and sets it, or has filled it before it is looked at. */
static void expire_place(struct limit *limit, uint64_t place, uint64_t newest_out)
{
    struct wide *slot = &limit->slots[place];
    uint64_t after = newest_out + 1 + ((place - (newest_out + 1)) & (LIMIT_RING - 1));
    atomic_fetch_and(&limit->filled, ~bit_of(place));
#ifndef __SANITIZE_THREAD__ /* GCC's knows no fences; on x86-64 the exchange before is one */
    atomic_thread_fence(memory_order_seq_cst);
#endif
    __int128 word = wide_read(slot);
    /* Empty ones keep their number: moving all on would make the first call after a pause dear. */
    while (slot_number(word) <= newest_out && slot_count(word) != 0) {
        if (wide_exchange(slot, &word, slot_word(after, 0))) {
            add_used(limit, -slot_count(word));
            return;
        }
    }
    if (slot_count(word) != 0)
        note_filled(limit, place);
}

/* Lets what has left the window go; returns the number of the slot that is current. */
static uint64_t advance(struct limit *limit, uint64_t now)
{
    uint64_t last = atomic_load_explicit(&limit->last, memory_order_acquire);
    if (now < (last + 1) * limit->slot_length) /* mostly; and a division is dear */
        return last;
    uint64_t current = now / limit->slot_length;
    if (current > LIMIT_SLOTS) {
        uint64_t newest_out = current - LIMIT_SLOTS - 1;
        uint64_t oldest_in = last < LIMIT_SLOTS ? 0 : last - LIMIT_SLOTS;
        if (newest_out - oldest_in >= LIMIT_RING && newest_out >= oldest_in)
            oldest_in = newest_out - LIMIT_RING + 1;
        for (uint64_t number = oldest_in; number <= newest_out; number++) {
            if (is_filled(limit, number))
                expire_place(limit, number & (LIMIT_RING - 1), newest_out);
        }
    }
    while (last < current &&
           !atomic_compare_exchange_weak_explicit(&limit->last, &last, current,
                                                  memory_order_acq_rel, memory_order_acquire))
        ;
    return current;
}

static bool take_used(struct limit *limit, int64_t ask, int64_t amount, bool bind)
{
    if (!bind) {
        add_used(limit, ask);
        return true;
    }
    int64_t used = atomic_load_explicit(&limit->used, memory_order_acquire);
    do {
        /* No sum that could overflow: the amount may be anything. */
        if (ask > amount || used > amount - ask)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&limit->used, &used, used + ask,
                                                    memory_order_acq_rel, memory_order_acquire));
    return true;
}

bool limit_take(struct limit *limit, int64_t ask, int64_t amount, bool bind, uint64_t now,
                uint64_t *slot)
{
    ensure(ask >= 0 && ask <= LIMIT_ASK_MAX);
    *slot = 0;
    if (limit->window == 0)
        return take_used(limit, ask, amount, bind);
    uint64_t number = advance(limit, now);
    if (!take_used(limit, ask, amount, bind))
        return false;
    struct wide *place = &limit->slots[number & (LIMIT_RING - 1)];
    __int128 word = wide_read(place);
    for (;;) {
        bool newer = slot_number(word) >= number;
        __int128 next =
            newer ? slot_word(slot_number(word), slot_count(word) + ask) : slot_word(number, ask);
        if (!wide_exchange(place, &word, next))
            continue;
        if (!newer && slot_count(word) != 0)
            add_used(limit, -slot_count(word));
        if (ask != 0)
            note_filled(limit, number);
        *slot = slot_number(next);
        return true;
    }
}

void limit_correct(struct limit *limit, uint64_t slot, int64_t difference)
{
    if (difference == 0)
        return;
    if (limit->window == 0) {
        add_used(limit, difference);
        return;
    }
    /* An empty place keeps its number when it leaves the window. */
    if (slot + LIMIT_SLOTS < atomic_load_explicit(&limit->last, memory_order_acquire))
        return;
    struct wide *place = &limit->slots[slot & (LIMIT_RING - 1)];
    if (difference > 0)
        add_used(limit, difference);
    __int128 word = wide_read(place);
    while (slot_number(word) == slot) {
        if (wide_exchange(place, &word, slot_word(slot, slot_count(word) + difference))) {
            if (difference < 0)
                add_used(limit, difference);
            else
                note_filled(limit, slot);
            return;
        }
    }
    if (difference > 0)
        add_used(limit, -difference); /* it has left already */
}

int64_t limit_used(struct limit *limit, uint64_t now)
{
    if (limit->window != 0)
        advance(limit, now);
    int64_t used = atomic_load_explicit(&limit->used, memory_order_acquire);
    return used < 0 ? 0 : used;
}

/* How long until that slot has left. */
static uint64_t time_to_leave(const struct limit *limit, uint64_t number, uint64_t now)
{
    uint64_t at = (number + LIMIT_SLOTS + 1) * limit->slot_length;
    return at > now ? at - now : 0;
}

uint64_t limit_wait(struct limit *limit, int64_t ask, int64_t amount, uint64_t now)
{
    if (ask > amount)
        return LIMIT_NEVER;
    if (limit->window == 0)
        return 0;
    uint64_t current = advance(limit, now);
    int64_t used = atomic_load_explicit(&limit->used, memory_order_acquire);
    if (used <= amount - ask)
        return 0;
    int64_t must_leave = used - (amount - ask);
    uint64_t number = current < LIMIT_SLOTS ? 0 : current - LIMIT_SLOTS;
    for (; number < current + LIMIT_RING - LIMIT_SLOTS; number++) {
        if (!is_filled(limit, number))
            continue;
        __int128 word = wide_read(&limit->slots[number & (LIMIT_RING - 1)]);
        if (slot_number(word) != number)
            continue;
        must_leave -= slot_count(word);
        if (must_leave <= 0)
            break;
    }
    return time_to_leave(limit, number, now);
}

uint64_t limit_reset(struct limit *limit, uint64_t now)
{
    if (limit->window == 0)
        return 0;
    uint64_t newest = advance(limit, now);
    /* Back from the newest: mostly it is that one. */
    for (uint64_t i = 0; i < LIMIT_RING && i <= newest; i++) {
        if (!is_filled(limit, newest - i))
            continue;
        __int128 word = wide_read(&limit->slots[(newest - i) & (LIMIT_RING - 1)]);
        if (slot_count(word) > 0)
            return time_to_leave(limit, slot_number(word), now);
    }
    return 0;
}
