#include "ledger/knocks.h"

static const struct text codes[KNOCK_REASON_COUNT] = {
#define KNOCK(name, code) [KNOCK_##name] = TEXT_INIT(code),
#include "tables/knocks.def"
#undef KNOCK
};

struct text knock_code(enum knock_reason reason)
{
    return codes[reason];
}

void knocks_put(struct knocks *knocks, uint64_t time, enum knock_reason reason, struct text source,
                struct text network, struct text listener)
{
    uint64_t at = atomic_load_explicit(&knocks->put, memory_order_relaxed);
    if (at - atomic_load_explicit(&knocks->taken, memory_order_acquire) >= KNOCKS_MAX) {
        atomic_fetch_add_explicit(&knocks->lost[reason], 1, memory_order_relaxed);
        return;
    }
    struct knock *knock = &knocks->ring[at % KNOCKS_MAX];
    *knock = (struct knock){.time = time, .reason = reason};
    (void)text_copy_to(source, knock->source, sizeof knock->source);
    (void)text_copy_to(network, knock->network, sizeof knock->network);
    (void)text_copy_to(listener, knock->listener, sizeof knock->listener);
    atomic_store_explicit(&knocks->put, at + 1, memory_order_release);
}

bool knocks_wait(const struct knocks *knocks)
{
    bool lost = false;
    for (size_t i = 0; i < KNOCK_REASON_COUNT; i++)
        lost = lost || atomic_load_explicit(&knocks->lost[i], memory_order_relaxed) !=
                           knocks->lost_taken[i];
    return lost || atomic_load_explicit(&knocks->put, memory_order_acquire) !=
                       atomic_load_explicit(&knocks->taken, memory_order_relaxed);
}

/* As a call that was refused, without all that a call has. */
static enum error add(struct bounces *bounces, const struct knock *knock, uint64_t calls)
{
    struct record record;
    record_clear(&record, (struct identifier){0});
    record.started_at = knock->time;
    record.outcome = RECORD_OUTCOME_REFUSED;
    record.status = 0;
    record.refusal = codes[knock->reason];
    record.source = text_from(knock->source);
    record.network = text_from(knock->network);
    record.listener = text_from(knock->listener);
    record.calls = (int64_t)calls;
    return bounces_add(bounces, &record);
}

enum error knocks_add(struct knocks *knocks, struct bounces *bounces, uint64_t now)
{
    uint64_t put = atomic_load_explicit(&knocks->put, memory_order_acquire);
    enum error error = ERROR_OK;
    for (; !error && knocks->read != put; knocks->read++)
        error = add(bounces, &knocks->ring[knocks->read % KNOCKS_MAX], 1);
    for (size_t i = 0; !error && i < KNOCK_REASON_COUNT; i++) {
        const struct knock lost = {.time = now, .reason = (enum knock_reason)i};
        uint64_t count = atomic_load_explicit(&knocks->lost[i], memory_order_relaxed);
        if (count != knocks->lost_read[i])
            error = add(bounces, &lost, count - knocks->lost_read[i]);
        knocks->lost_read[i] = count;
    }
    return error;
}

void knocks_settle(struct knocks *knocks)
{
    memcpy(knocks->lost_taken, knocks->lost_read, sizeof knocks->lost_taken);
    atomic_store_explicit(&knocks->taken, knocks->read, memory_order_release);
}

void knocks_forget(struct knocks *knocks)
{
    memcpy(knocks->lost_read, knocks->lost_taken, sizeof knocks->lost_read);
    knocks->read = atomic_load_explicit(&knocks->taken, memory_order_relaxed);
}
