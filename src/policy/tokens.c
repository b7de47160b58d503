/* The call's side, between admit.c and reserve.c: tokens are held before a call is sent.
 *
 *   fit the ask into what is left of each limit ──▶ take it from each ──▶ granted
 *          ▲                    │ does not fit             │ one is fuller than it was
 *          │                    ▼                          ▼
 *          │                 refused                   give back
 *          └───────────────────────────────────────────────┘
 *
 * Invariant: tokens are in every limit of the call, or in none; what binds is checked by the
 * exchange that adds it (limit_take), so that what was read before only decides on what is asked. A
 * limit is passed by what a call has hidden in its input, and by nothing else. */
#include "base/ensure.h"
#include "policy/parts.h"

/* Each time round, some other call got through; so many in a row is a machine at its end. */
#define TOKENS_ATTEMPTS 1000u
/* A wait that is shorter is told as it is, though calls under way may end before. */
#define TOKENS_SHORT_WAIT NANOSECONDS_PER_SECOND

/* The ask, as it is held against one limit. */
struct part {
    int64_t left;
    int64_t input_least, output_least; /* 0 where the limit does not count them */
    int64_t output;                    /* the most that the limit lets the answer have */
};

/* ------------------------------------------------------------------ fitting */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct policy_tokens clamp_ask(const struct policy_tokens *ask)
{
    struct policy_tokens clamped = *ask;
    clamped.input = policy_clamp_tokens(ask->input);
    clamped.output = policy_clamp_tokens(ask->output);
    clamped.output_least = smaller(policy_clamp_tokens(ask->output_least), clamped.output);
    clamped.output_usual = smaller(policy_clamp_tokens(ask->output_usual), clamped.output);
    return clamped;
}

/* Where the share of all is less than the usual, that has to do. */
static int64_t least_output(const struct policy_tokens *ask, int64_t amount)
{
    return larger(ask->output_least, smaller(ask->output_usual, amount / POLICY_TOKEN_SHARE));
}

static void fit(const struct policy_hold *hold, const struct policy_tokens *ask,
                const struct policy_limit_hold *entry, struct part *part)
{
    int64_t used = limit_used(entry->counter, hold->call.now);
    *part = (struct part){.left = policy_left(entry->amount, used), .output = ask->output};
    if (policy_counts_input(entry->kind)) {
        part->input_least = ask->input;
        if (ask->input_hidden)
            part->input_least = smaller(ask->input, entry->amount / POLICY_TOKEN_SHARE);
    }
    if (!policy_counts_output(entry->kind))
        return;
    int64_t room = part->left > part->input_least ? part->left - part->input_least : 0;
    part->output_least = least_output(ask, entry->amount);
    if (ask->output_usual > 0)
        room = smaller(room, larger(room / POLICY_TOKEN_SHARE, part->output_least));
    part->output = smaller(part->output, room);
}

static int64_t needed(const struct part *part)
{
    return part->input_least + part->output_least;
}

/* What is taken when the answer may have `output` tokens. */
static int64_t amount_for(const struct policy_hold *hold, const struct policy_limit_hold *entry,
                          const struct policy_tokens *ask, int64_t output)
{
    int64_t for_output = policy_counts_output(entry->kind) ? output : 0;
    if (!policy_counts_input(entry->kind))
        return for_output;
    if (!ask->input_hidden)
        return ask->input + for_output;
    struct part part;
    fit(hold, ask, entry, &part);
    return smaller(ask->input, larger(part.left - for_output, part.input_least)) + for_output;
}

static bool is_wanted(const struct policy_limit_hold *entry, enum policy_mode mode)
{
    return policy_is_of_tokens(entry->kind) && entry->mode == mode;
}

/* Where there is one. */
static const struct policy_limit_hold *first_of(const struct policy_hold *hold,
                                                enum policy_mode mode)
{
    const struct policy_limit_hold *entry = hold->limits;
    while (!is_wanted(entry, mode))
        entry++;
    return entry;
}

/* ------------------------------------------------------------------ refusing */

/* The rule whose counter that is. NULL: it has gone since the call was admitted. */
static const struct limit_rule *find_rule(struct policy_hold *hold, const struct limit *counter)
{
    const struct subject_rules *subjects[SUBJECTS_MAX];
    size_t count;
    if (!policy_find_subjects(policy_snapshot(hold->policy), hold, true, subjects, &count))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < subjects[i]->limit_count; j++) {
            if (subjects[i]->limits[j].counter == counter)
                return subjects[i]->limits[j].rule;
        }
    }
    return NULL;
}

/* What calls under way hold may come back any moment: then it is not known how long it takes. */
static uint64_t wait_for(const struct policy_hold *hold, const struct policy_limit_hold *entry,
                         int64_t asked)
{
    uint64_t wait = limit_wait(entry->counter, asked, entry->amount, hold->call.now);
    int64_t held = atomic_load_explicit(&entry->counter->held, memory_order_relaxed);
    int64_t used = limit_used(entry->counter, hold->call.now);
    if (wait == LIMIT_NEVER || wait <= TOKENS_SHORT_WAIT || used - held > entry->amount - asked)
        return wait;
    return 0;
}

static void explain(struct policy_hold *hold, const struct policy_limit_hold *entry, int64_t asked,
                    uint64_t wait, struct policy_why *why)
{
    int64_t held = atomic_load_explicit(&entry->counter->held, memory_order_relaxed);
    *why = (struct policy_why){
        .reason = POLICY_REASON_LIMIT,
        .kind = entry->kind,
        .amount = entry->amount,
        .remaining = policy_left(entry->amount, limit_used(entry->counter, hold->call.now)),
        .held = held > 0 ? held : 0,
        .asked = asked,
        .window = entry->counter->window,
        .retry_after = wait};
    const struct limit_rule *rule = find_rule(hold, entry->counter);
    if (rule == NULL)
        return;
    why->subject = policy_copy_subject(hold, &rule->limit.subject);
    why->id = policy_copy(hold, rule->limit.id);
    why->name = policy_copy(hold, rule->limit.name);
}

/* Whether some limit that binds has no room for anything useful; then `why` tells of the one that
 * has none for longest. Lowers `*output` to what all of them let pass. */
static bool refuse(struct policy_hold *hold, const struct policy_tokens *ask, int64_t *output,
                   struct policy_why *why)
{
    const struct policy_limit_hold *worst = NULL;
    int64_t asked = 0;
    uint64_t longest = 0;
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        const struct policy_limit_hold *entry = &hold->limits[i];
        if (!is_wanted(entry, POLICY_ENFORCE))
            continue;
        struct part part;
        fit(hold, ask, entry, &part);
        *output = smaller(*output, part.output);
        if (needed(&part) <= part.left)
            continue;
        uint64_t wait = wait_for(hold, entry, needed(&part));
        if (worst == NULL || wait > longest) {
            worst = entry;
            asked = needed(&part);
            longest = wait;
        }
    }
    if (worst != NULL)
        explain(hold, worst, asked, longest, why);
    return worst != NULL;
}

/* ------------------------------------------------------------------ taking */

static bool take(struct policy_hold *hold, struct policy_limit_hold *entry, int64_t amount,
                 int64_t output, bool bind)
{
    /* Nothing fits always: a limit may have been lowered below what is used. */
    if (!limit_take(entry->counter, amount, entry->amount, bind && amount > 0, hold->call.now,
                    &entry->slot))
        return false;
    limit_note_held(entry->counter, amount);
    entry->taken = amount;
    entry->taken_output = policy_counts_output(entry->kind) ? output : 0;
    entry->counted = true;
    return true;
}

static void give_back(struct policy_limit_hold *entry, int64_t amount)
{
    limit_note_held(entry->counter, -amount);
    limit_correct(entry->counter, entry->slot, -amount);
    entry->taken -= amount;
}

void policy_release_tokens(struct policy_hold *hold)
{
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        struct policy_limit_hold *entry = &hold->limits[i];
        if (!entry->counted || !policy_is_of_tokens(entry->kind))
            continue;
        give_back(entry, entry->taken);
        entry->counted = false;
    }
}

void policy_trim_tokens(struct policy_hold *hold, int64_t output_tokens)
{
    for (uint32_t i = 0; hold->counts_tokens && i < hold->limit_count; i++) {
        struct policy_limit_hold *entry = &hold->limits[i];
        if (!entry->counted || entry->taken_output <= output_tokens)
            continue;
        give_back(entry, entry->taken_output - output_tokens);
        entry->taken_output = output_tokens;
    }
}

/* From all that bind, or from none. */
static bool take_from_all(struct policy_hold *hold, const struct policy_tokens *ask, int64_t output)
{
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        struct policy_limit_hold *entry = &hold->limits[i];
        if (!is_wanted(entry, POLICY_ENFORCE))
            continue;
        if (take(hold, entry, amount_for(hold, entry, ask, output), output, true))
            continue;
        policy_release_tokens(hold);
        return false;
    }
    return true;
}

/* What watches holds what it would hold if it did bind, so that its figures are those of the day on
 * which it does. */
static void watch(struct policy_hold *hold, const struct policy_tokens *ask, int64_t output)
{
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        struct policy_limit_hold *entry = &hold->limits[i];
        if (!is_wanted(entry, POLICY_OBSERVE))
            continue;
        struct part part;
        fit(hold, ask, entry, &part);
        bool refuses = needed(&part) > part.left;
        int64_t most = refuses ? smaller(part.output_least, output) : smaller(part.output, output);
        if (refuses || (policy_counts_output(entry->kind) && part.output < output)) {
            const struct limit_rule *rule = find_rule(hold, entry->counter);
            if (rule != NULL)
                policy_note(hold, POLICY_REASON_LIMIT, rule->limit.id, refuses ? 0 : part.output);
        }
        ensure(take(hold, entry, amount_for(hold, entry, ask, most), most, false));
    }
}

enum policy_verdict policy_hold_tokens(struct policy_hold *hold, const struct policy_tokens *ask,
                                       int64_t *output, struct policy_why *why)
{
    ensure(hold->open && !hold->reserved);
    struct policy_tokens wanted = clamp_ask(ask);
    *output = ask->output;
    if (!hold->counts_tokens)
        return POLICY_ALLOWED;
    for (unsigned attempt = 0; attempt < TOKENS_ATTEMPTS; attempt++) {
        int64_t granted = wanted.output;
        if (refuse(hold, &wanted, &granted, why))
            return POLICY_REFUSED;
        if (granted < wanted.output)
            granted = smaller(granted, wanted.output_clamp);
        if (!take_from_all(hold, &wanted, granted))
            continue;
        watch(hold, &wanted, granted);
        if (granted < wanted.output)
            *output = granted;
        return POLICY_ALLOWED;
    }
    explain(hold, first_of(hold, POLICY_ENFORCE), wanted.output_least, 0, why);
    return POLICY_REFUSED;
}
