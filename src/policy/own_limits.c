/* Chains of entries. Whoever needs a counter that is not there puts it in front; the exchange of
 * the chain's head fails when somebody else was quicker, and then it is looked for again: so there
 * is one of a kind. The control thread alone takes out. A worker that has found an entry as it was
 * taken out, and one that makes another at the same time, count apart: for an entry that has
 * counted nothing in its window, that is as if it had been let go a moment earlier. */
#include "policy/own_limits.h"

#include <stdatomic.h>

#include "base/ensure.h"
#include "identity/annotate.h"
#include "identity/caller_rules.h"
#include "identity/reader.h"
#include "policy/policy.h"

#define CHAINS 4096u /* a power of two; twelve entries each when there are as many as may be */

struct entry {
    struct entry *_Atomic next;
    uint64_t hash;
    struct limit *counter;
    atomic_uint_least64_t used_at; /* monotonic, of the last call */
    enum policy_limit_kind kind;
    char key[PRINCIPAL_ID_LENGTH];
    struct entry *gone; /* the next of those that were taken out: `next` may still be followed */
};

struct own_limits {
    struct entry *_Atomic chains[CHAINS];
    atomic_uint_least64_t latest; /* the newest `now` of a call: the clock of what is idle */
    atomic_size_t count;
};

_Static_assert((int)CALLER_LIMIT_REQUESTS == (int)POLICY_REQUESTS &&
                   (int)CALLER_LIMIT_TOKENS == (int)POLICY_TOKENS &&
                   (int)CALLER_LIMIT_INPUT_TOKENS == (int)POLICY_INPUT_TOKENS &&
                   (int)CALLER_LIMIT_OUTPUT_TOKENS == (int)POLICY_OUTPUT_TOKENS &&
                   (int)CALLER_LIMIT_CONCURRENT == (int)POLICY_CONCURRENT &&
                   (int)CALLER_LIMIT_KIND_COUNT == (int)POLICY_LIMIT_KIND_COUNT,
               "one set of kinds");

struct own_limits *own_limits_create(void)
{
    return calloc(1, sizeof(struct own_limits));
}

static void free_entry(struct entry *entry)
{
    limit_free(entry->counter);
    free(entry);
}

void own_limits_destroy(struct own_limits *own)
{
    if (own == NULL)
        return;
    for (size_t i = 0; i < CHAINS; i++) {
        struct entry *entry = atomic_load(&own->chains[i]);
        while (entry != NULL) {
            struct entry *next = atomic_load(&entry->next);
            free_entry(entry);
            entry = next;
        }
    }
    free(own);
}

/* ------------------------------------------------------------------ one counter */

struct wanted {
    struct text key;
    enum policy_limit_kind kind;
    uint64_t window, hash;
};

static bool is_wanted(const struct entry *entry, const struct wanted *wanted)
{
    return entry->hash == wanted->hash && entry->kind == wanted->kind &&
           entry->counter->window == wanted->window &&
           text_equal(text_of(entry->key, sizeof entry->key), wanted->key);
}

static struct entry *search(struct entry *entry, const struct wanted *wanted)
{
    while (entry != NULL) {
        order_acquire(entry);
        if (is_wanted(entry, wanted))
            return entry;
        entry = atomic_load_explicit(&entry->next, memory_order_acquire);
    }
    return NULL;
}

static struct entry *make_entry(struct own_limits *own, const struct wanted *wanted)
{
    if (atomic_fetch_add(&own->count, 1) < OWN_LIMITS_MAX) {
        struct entry *entry = calloc(1, sizeof *entry);
        struct limit *counter = limit_create(wanted->window);
        if (entry != NULL && counter != NULL) {
            entry->hash = wanted->hash;
            entry->kind = wanted->kind;
            entry->counter = counter;
            memcpy(entry->key, wanted->key.data, sizeof entry->key);
            return entry;
        }
        free(entry);
        limit_free(counter);
    }
    atomic_fetch_sub(&own->count, 1);
    return NULL;
}

static struct entry *find_or_make(struct own_limits *own, const struct wanted *wanted)
{
    struct entry *_Atomic *chain = &own->chains[wanted->hash & (CHAINS - 1)];
    struct entry *head = atomic_load_explicit(chain, memory_order_acquire), *made = NULL;
    struct entry *found;
    while ((found = search(head, wanted)) == NULL) {
        if (made == NULL && (made = make_entry(own, wanted)) == NULL)
            return NULL;
        atomic_store_explicit(&made->next, head, memory_order_relaxed);
        order_release(made);
        if (atomic_compare_exchange_strong_explicit(chain, &head, made, memory_order_acq_rel,
                                                    memory_order_acquire))
            return made;
    }
    if (made != NULL) { /* somebody else was quicker */
        free_entry(made);
        atomic_fetch_sub(&own->count, 1);
    }
    return found;
}

static void note_use(struct own_limits *own, struct entry *entry, uint64_t now)
{
    uint64_t latest = atomic_load_explicit(&own->latest, memory_order_relaxed);
    atomic_store_explicit(&entry->used_at, now, memory_order_relaxed);
    if (now > latest) /* workers' clocks differ by a turn: which of them is last does not matter */
        atomic_store_explicit(&own->latest, now, memory_order_relaxed);
}

/* ------------------------------------------------------------------ a call's */

static void fill(struct limit_rule *rule, struct limit_line *line, struct limit *counter,
                 const struct caller_limit *from, const struct policy_subject *subject)
{
    *rule = (struct limit_rule){
        .counter = counter,
        .limit = {.kind = (enum policy_limit_kind)from->kind,
                  .mode = from->observed ? POLICY_OBSERVE : POLICY_ENFORCE,
                  .amount = from->amount,
                  .window = from->window,
                  .id = from->id,
                  .subject = *subject},
    };
    *line = (struct limit_line){.counter = counter,
                                .rule = rule,
                                .amount = from->amount,
                                .slot_rate = limit_slot_rate(from->window),
                                .kind = rule->limit.kind,
                                .mode = rule->limit.mode};
}

const struct subject_rules *own_limits_find(struct own_limits *own, const struct policy_call *call,
                                            struct arena *arena)
{
    size_t count = call->own_limit_count;
    struct subject_rules *rules = arena_take_zeroed(arena, sizeof *rules);
    struct limit_rule *limits = arena_take(arena, count * sizeof *limits);
    struct limit_line *lines = arena_take(arena, count * sizeof *lines);
    if (rules == NULL || limits == NULL || lines == NULL || call->key.length != PRINCIPAL_ID_LENGTH)
        return NULL;
    rules->subject = (struct policy_subject){.scope = POLICY_KEY, .name = call->key};
    rules->limit_count = (uint16_t)count;
    rules->limits = lines;
    for (size_t i = 0; i < count; i++) {
        const struct caller_limit *limit = &call->own_limits[i];
        const struct wanted wanted = {call->key, (enum policy_limit_kind)limit->kind, limit->window,
                                      text_hash(call->key)};
        struct entry *entry = find_or_make(own, &wanted);
        if (entry == NULL)
            return NULL;
        note_use(own, entry, call->now);
        fill(&limits[i], &lines[i], entry->counter, limit, &rules->subject);
    }
    return rules;
}

/* ------------------------------------------------------------------ letting go */

static bool is_idle(const struct entry *entry, uint64_t latest)
{
    uint64_t used = atomic_load_explicit(&entry->used_at, memory_order_relaxed);
    return used > 0 && latest > used &&
           latest - used > limit_slot_length(entry->counter->window) + entry->counter->window +
                               OWN_LIMITS_IDLE &&
           atomic_load_explicit(&entry->counter->holds, memory_order_acquire) == 0;
}

/* Nobody but this thread changes links behind the head. */
static bool unlink_entry(struct entry *_Atomic *chain, struct entry *before, struct entry *entry)
{
    struct entry *next = atomic_load(&entry->next), *head = entry;
    if (before == NULL)
        return atomic_compare_exchange_strong(chain, &head, next);
    atomic_store(&before->next, next);
    return true;
}

static struct entry *take_idle(struct own_limits *own, struct entry *_Atomic *chain,
                               struct entry *taken)
{
    uint64_t latest = atomic_load(&own->latest);
    struct entry *before = NULL, *entry = atomic_load(chain);
    while (entry != NULL) {
        struct entry *next = atomic_load(&entry->next);
        if (!is_idle(entry, latest) || !unlink_entry(chain, before, entry)) {
            before = entry;
        } else {
            entry->gone = taken;
            taken = entry;
            atomic_fetch_sub(&own->count, 1);
        }
        entry = next;
    }
    return taken;
}

void own_limits_let_go(struct own_limits *own, struct limit **leaving)
{
    struct entry *taken = NULL;
    for (size_t i = 0; i < CHAINS && atomic_load(&own->count) > 0; i++)
        taken = take_idle(own, &own->chains[i], taken);
    if (taken != NULL)
        reader_wait_for_all();
    while (taken != NULL) {
        struct entry *entry = taken;
        taken = entry->gone;
        entry->counter->next = *leaving;
        *leaving = entry->counter;
        free(entry);
    }
}
