/* The window is two halves, so that it slides without a list of calls: all of the half under way,
 * and of the one before as much as still lies within. A half is one word:
 *
 *   number of the half (24 bits) | calls (20 bits) | failures (20 bits)
 *
 * A half that is full counts no further: its ratio is known well enough by then. */
#include "route/breaker.h"

#define HALF_NUMBER_BITS 24
#define HALF_COUNT_BITS  20
#define HALF_COUNT_MAX   ((1u << HALF_COUNT_BITS) - 1)
/* A probe that tells nothing for so long (a long answer, a lost thread) no longer keeps others from
 * trying. */
#define PROBE_LEASE (30ull * 1000000000ull)

struct half {
    uint64_t number, calls, failures;
};

static struct half unpack(uint64_t word)
{
    return (struct half){word >> (2 * HALF_COUNT_BITS), word >> HALF_COUNT_BITS & HALF_COUNT_MAX,
                         word & HALF_COUNT_MAX};
}

static uint64_t pack(struct half half)
{
    return half.number << (2 * HALF_COUNT_BITS) | half.calls << HALF_COUNT_BITS | half.failures;
}

static uint64_t half_length(const struct route_breaker *rules)
{
    return rules->window / 2 > 0 ? rules->window / 2 : 1;
}

static uint64_t half_number(const struct route_breaker *rules, uint64_t now)
{
    return now / half_length(rules) & ((1u << HALF_NUMBER_BITS) - 1);
}

/* Counts one call; returns the half it is counted in. */
static struct half count(struct route_breaker_figures *figures, const struct route_breaker *rules,
                         bool failed, uint64_t now)
{
    uint64_t number = half_number(rules, now);
    uint64_t word = atomic_load_explicit(&figures->window, memory_order_relaxed);
    struct half half;
    do {
        half = unpack(word);
        if (half.number != number)
            half = (struct half){.number = number};
        if (half.calls < HALF_COUNT_MAX) {
            half.calls++;
            half.failures += failed;
        }
    } while (!atomic_compare_exchange_weak_explicit(&figures->window, &word, pack(half),
                                                    memory_order_relaxed, memory_order_relaxed));
    if (unpack(word).number != number) /* this call began the half: the one before is history */
        atomic_store_explicit(&figures->window_before, word, memory_order_relaxed);
    return half;
}

static bool ratio_opens(struct route_breaker_figures *figures, const struct route_breaker *rules,
                        struct half half, uint64_t now)
{
    struct half before =
        unpack(atomic_load_explicit(&figures->window_before, memory_order_relaxed));
    uint64_t length = half_length(rules);
    uint64_t left = length - now % length; /* of the half before that still lies in the window */
    uint64_t calls = half.calls, failures = half.failures;
    if (rules->ratio == 0)
        return false;
    if (((before.number + 1) & ((1u << HALF_NUMBER_BITS) - 1)) == half.number) {
        calls += (uint64_t)((unsigned __int128)before.calls * left / length);
        failures += (uint64_t)((unsigned __int128)before.failures * left / length);
    }
    return calls >= rules->minimum_calls && failures * ROUTE_WHOLE >= calls * rules->ratio;
}

static void clear(struct route_breaker_figures *figures)
{
    atomic_store_explicit(&figures->in_a_row, 0, memory_order_relaxed);
    atomic_store_explicit(&figures->window, 0, memory_order_relaxed);
    atomic_store_explicit(&figures->window_before, 0, memory_order_relaxed);
}

enum route_breaker_state route_breaker_look(struct route_breaker_figures *figures, uint64_t now,
                                            uint64_t *ready_at)
{
    uint64_t until = atomic_load_explicit(&figures->probe_at, memory_order_relaxed);
    uint64_t probe = atomic_load_explicit(&figures->probe_until, memory_order_relaxed);
    *ready_at = now;
    if (until == 0)
        return ROUTE_BREAKER_CLOSED;
    if (now < until) {
        *ready_at = until;
        return ROUTE_BREAKER_OPEN;
    }
    if (probe > now) /* it may be over sooner: nobody knows */
        *ready_at = now + 1;
    return ROUTE_BREAKER_PROBING;
}

enum route_pass route_breaker_enter(struct route_breaker_figures *figures,
                                    const struct route_breaker *rules, uint64_t now)
{
    uint64_t ready_at;
    if (!route_breaker_is_used(rules))
        return ROUTE_PASS_CALL;
    switch (route_breaker_look(figures, now, &ready_at)) {
    case ROUTE_BREAKER_CLOSED: return ROUTE_PASS_CALL;
    case ROUTE_BREAKER_OPEN: return ROUTE_PASS_REFUSED;
    case ROUTE_BREAKER_PROBING: break;
    }
    uint64_t probe = atomic_load_explicit(&figures->probe_until, memory_order_relaxed);
    if (probe > now)
        return ROUTE_PASS_REFUSED;
    return atomic_compare_exchange_strong_explicit(&figures->probe_until, &probe, now + PROBE_LEASE,
                                                   memory_order_relaxed, memory_order_relaxed)
               ? ROUTE_PASS_PROBE
               : ROUTE_PASS_REFUSED;
}

bool route_breaker_succeed(struct route_breaker_figures *figures, const struct route_breaker *rules,
                           enum route_pass pass, uint64_t now)
{
    if (!route_breaker_is_used(rules))
        return false;
    if (pass == ROUTE_PASS_PROBE) {
        clear(figures);
        atomic_store_explicit(&figures->probe_at, 0, memory_order_relaxed);
        atomic_store_explicit(&figures->probe_until, 0, memory_order_relaxed);
        return true;
    }
    (void)count(figures, rules, false, now);
    atomic_store_explicit(&figures->in_a_row, 0, memory_order_relaxed);
    return false;
}

/* Whoever is the first to see that it must open, opens it. */
static bool open_up(struct route_breaker_figures *figures, const struct route_breaker *rules,
                    uint64_t now)
{
    uint64_t closed = 0;
    if (!atomic_compare_exchange_strong_explicit(&figures->probe_at, &closed, now + rules->open_for,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    atomic_fetch_add_explicit(&figures->openings, 1, memory_order_relaxed);
    return true;
}

bool route_breaker_fail(struct route_breaker_figures *figures, const struct route_breaker *rules,
                        enum route_pass pass, uint64_t now)
{
    if (!route_breaker_is_used(rules))
        return false;
    if (pass == ROUTE_PASS_PROBE) {
        atomic_store_explicit(&figures->probe_at, now + rules->open_for, memory_order_relaxed);
        atomic_store_explicit(&figures->probe_until, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&figures->openings, 1, memory_order_relaxed);
        return true;
    }
    struct half half = count(figures, rules, true, now);
    uint64_t row = atomic_fetch_add_explicit(&figures->in_a_row, 1, memory_order_relaxed) + 1;
    bool opens =
        (rules->failures > 0 && row >= rules->failures) || ratio_opens(figures, rules, half, now);
    return opens && open_up(figures, rules, now);
}

void route_breaker_forget(struct route_breaker_figures *figures, enum route_pass pass)
{
    if (pass == ROUTE_PASS_PROBE)
        atomic_store_explicit(&figures->probe_until, 0, memory_order_relaxed);
}
