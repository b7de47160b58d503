#include "route/choose.h"

#include <math.h>

#include "base/clock.h"

/* A target that is down for its health checks, or being probed, may be back at any moment: callers
 * are asked to come again after that. */
#define SOON NANOSECONDS_PER_SECOND

/* What a target that nothing is known of counts as while a call is under way there: long, so that
 * not everybody waits for the same unknown one. */
#define UNKNOWN_LATENCY NANOSECONDS_PER_SECOND

static const struct words {
    const char *name, *words;
} standing_words[] = {
    [ROUTE_IN] = {"in", "it takes the call"},
    [ROUTE_IS_MIRROR] = {"mirror", "it is a mirror: it gets copies and answers nobody"},
    [ROUTE_NOT_DRAWN] = {"canary_not_drawn", "it is a canary, and this call did not fall to it"},
    [ROUTE_OTHER_TAGS] = {"tags", "the call does not have the tags of its `when`"},
    [ROUTE_OTHER_TEAM] = {"team", "the team is none of its `when`"},
    [ROUTE_OTHER_LENGTH] = {"tokens", "the prompt's length is not that of its `when`"},
    [ROUTE_OTHER_NEEDS] = {"needs", "the call does not ask for what its `when` names"},
    [ROUTE_LACKS] = {"lacks", "the call needs what it lacks"},
    [ROUTE_OPEN] = {"breaker_open", "its breaker is open"},
    [ROUTE_RESTS] = {"resting", "its provider said 429, and when to come back"},
    [ROUTE_DOWN] = {"down", "its provider fails its health checks"},
};
_Static_assert(sizeof(standing_words) / sizeof(standing_words[0]) == ROUTE_STANDING_COUNT,
               "a row for each standing");

static const char *const strategy_names[ROUTE_STRATEGY_COUNT] = {
    "priority", "weighted", "least_latency", "least_loaded", "cheapest", "affinity"};
static const char *const need_names[ROUTE_NEED_COUNT] = {
    "vision", "audio", "files", "tools", "structured_output", "reasoning", "logprobs", "choices"};
static const char *const failure_names[ROUTE_FAILURE_COUNT] = {
    "connect", "timeout", "rate_limited", "server_error", "context_length", "content_filter"};

const char *route_standing_words(enum route_standing standing)
{
    return standing_words[standing].words;
}

const char *route_standing_name(enum route_standing standing)
{
    return standing_words[standing].name;
}

const char *route_strategy_name(enum route_strategy strategy)
{
    return strategy_names[strategy];
}

const char *route_need_name(enum route_need need)
{
    return need_names[need];
}

const char *route_failure_name(enum route_failure failure)
{
    return failure_names[failure];
}

/* ---- conditions ---- */

static bool has_tag(const struct route_question *question, const struct route_tag *wanted)
{
    for (size_t i = 0; i < question->tag_count; i++)
        if (text_equal(question->tags[i].name, wanted->name))
            return text_equal(question->tags[i].value, wanted->value);
    return false;
}

static bool has_tags(const struct route_question *question, const struct route_condition *when)
{
    for (size_t i = 0; i < when->tag_count; i++)
        if (!has_tag(question, &when->tags[i]))
            return false;
    return true;
}

static bool is_of_team(const struct route_question *question, const struct route_condition *when)
{
    for (size_t i = 0; i < when->team_count; i++)
        if (text_equal(when->teams[i], question->team))
            return true;
    return when->team_count == 0;
}

static enum route_standing check_conditions(const struct route_question *question,
                                            const struct route_target_rules *rules)
{
    const struct route_condition *when = &rules->when;
    if (!has_tags(question, when))
        return ROUTE_OTHER_TAGS;
    if (!is_of_team(question, when))
        return ROUTE_OTHER_TEAM;
    if (question->tokens < when->tokens_minimum || question->tokens > when->tokens_maximum)
        return ROUTE_OTHER_LENGTH;
    if (when->needs & ~question->needs)
        return ROUTE_OTHER_NEEDS;
    return rules->lacks & question->needs ? ROUTE_LACKS : ROUTE_IN;
}

enum route_standing route_availability(const struct route_model_rules *rules,
                                       struct route_place *place, uint64_t now, uint64_t *ready_at)
{
    *ready_at = now;
    uint64_t rests = atomic_load_explicit(&place->rests_until, memory_order_relaxed);
    if (rests > now) {
        *ready_at = rests;
        return ROUTE_RESTS;
    }
    if (place->health && atomic_load_explicit(&place->health->down, memory_order_relaxed)) {
        *ready_at = now + SOON;
        return ROUTE_DOWN;
    }
    if (!route_breaker_is_used(&rules->breaker))
        return ROUTE_IN;
    if (route_breaker_look(&place->breaker, now, ready_at) == ROUTE_BREAKER_CLOSED ||
        *ready_at == now)
        return ROUTE_IN;
    if (*ready_at == now + 1) /* somebody is probing */
        *ready_at = now + SOON;
    return ROUTE_OPEN;
}

/* ---- strategies: a key for each candidate, the lowest first ---- */

struct ranked {
    double key;
    uint8_t index;
};

/* From above 0 to 1, both exact in a double. */
static double unit_of(uint64_t hash)
{
    return ((double)(hash >> 11) + 1.0) / 9007199254740992.0;
}

/* Exponential draws with the weights as rates: sorted, they are a weighted order without
 * replacement (Efraimidis and Spirakis, 2006); with a hash in the place of the draw, weighted
 * rendezvous hashing. Weight 0 comes after all others. */
static double weighted_key(uint64_t hash, uint64_t weight)
{
    double key = -log(unit_of(hash));
    return weight > 0 ? key / (double)weight : 1e300 * (1 + unit_of(hash));
}

static double load_of(const struct route_candidate *candidate)
{
    return (double)atomic_load_explicit(&candidate->place->in_flight, memory_order_relaxed);
}

/* Expected wait: latency times the calls before it and itself. */
static double latency_key(const struct route_question *question,
                          const struct route_candidate *candidate)
{
    uint64_t average = route_latency_average(&candidate->place->latency, question->now);
    double load = load_of(candidate);
    if (average == 0)
        return load == 0 ? 0 : (double)UNKNOWN_LATENCY * (load + 1);
    return (double)average * (load + 1);
}

static double key_of(const struct route_question *question, size_t index)
{
    const struct route_candidate *candidate = &question->candidates[index];
    uint64_t weight = candidate->rules->weight;
    double last = weight == 0 ? 1e300 : 0; /* of what is not chosen by weight itself */
    switch (question->rules->strategy) {
    case ROUTE_WEIGHTED: return weighted_key(route_random_next(question->random), weight);
    case ROUTE_AFFINITY:
        return weighted_key(route_mix(candidate->place->identity ^ route_mix(question->affinity)),
                            weight);
    case ROUTE_LEAST_LATENCY: return latency_key(question, candidate) + last;
    case ROUTE_LEAST_LOADED:
        /* One more than now, so that an idle one with more weight comes first; ties are drawn. */
        return (load_of(candidate) + 1) / (double)(weight > 0 ? weight : 1) + last +
               unit_of(route_random_next(question->random)) * 1e-9;
    case ROUTE_CHEAPEST: return candidate->cost < 0 ? 1e200 + last : (double)candidate->cost + last;
    case ROUTE_PRIORITY:
    case ROUTE_STRATEGY_COUNT: break;
    }
    return 0; /* the list's order */
}

/* Insertion: stable, and few in number. */
static void sort(struct ranked *ranked, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct ranked moving = ranked[i];
        size_t at = i;
        for (; at > 0 && ranked[at - 1].key > moving.key; at--)
            ranked[at] = ranked[at - 1];
        ranked[at] = moving;
    }
}

/* The better of two that were drawn by weight goes to the front (power of two choices:
 * Mitzenmacher, 2001): always taking the best would send everybody to it between two measurements.
 */
static void draw_two(const struct route_question *question, struct ranked *ranked, size_t count)
{
    size_t first = 0, second = 0;
    double key_first = INFINITY, key_second = INFINITY;
    for (size_t i = 0; i < count; i++) {
        double key = weighted_key(route_random_next(question->random),
                                  question->candidates[ranked[i].index].rules->weight);
        if (key < key_first) {
            second = first;
            key_second = key_first;
            first = i;
            key_first = key;
        } else if (key < key_second) {
            second = i;
            key_second = key;
        }
    }
    size_t best = first < second ? first : second; /* they are sorted by latency */
    struct ranked chosen = ranked[best];
    memmove(&ranked[1], &ranked[0], best * sizeof(ranked[0]));
    ranked[0] = chosen;
}

static void order_group(const struct route_question *question, unsigned priority,
                        struct route_choice *choice)
{
    struct ranked ranked[ROUTE_TARGETS_MAXIMUM];
    size_t count = 0;
    for (size_t i = 0; i < question->count; i++) {
        const struct route_target_rules *rules = question->candidates[i].rules;
        if (choice->standing[i] == ROUTE_IN && rules->priority == priority && rules->canary == 0)
            ranked[count++] = (struct ranked){key_of(question, i), (uint8_t)i};
    }
    sort(ranked, count);
    if (question->rules->strategy == ROUTE_LEAST_LATENCY && count > 1)
        draw_two(question, ranked, count);
    for (size_t i = 0; i < count; i++)
        choice->order[choice->count++] = ranked[i].index;
}

/* The next priority above `after`, or the lowest; false when there is none. */
static bool next_priority(const struct route_question *question, bool any, unsigned after,
                          unsigned *next)
{
    bool found = false;
    for (size_t i = 0; i < question->count; i++) {
        unsigned priority = question->candidates[i].rules->priority;
        if ((any || priority > after) && (!found || priority < *next)) {
            *next = priority;
            found = true;
        }
    }
    return found;
}

/* ---- canaries, mirrors ---- */

static void draw_canary(const struct route_question *question, struct route_choice *choice)
{
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < question->count; i++) {
        uint32_t share = question->candidates[i].rules->canary;
        if (share == 0)
            continue;
        if (at == UINT64_MAX)
            at = route_random_below(question->random, ROUTE_WHOLE);
        bool drawn = at < share;
        at = drawn ? ROUTE_WHOLE : at - share;
        if (choice->standing[i] != ROUTE_IN)
            continue;
        if (drawn)
            choice->order[choice->count++] = (uint8_t)i;
        else
            choice->standing[i] = ROUTE_NOT_DRAWN;
    }
}

static void draw_mirror(const struct route_question *question, size_t index,
                        struct route_choice *choice)
{
    const struct route_target_rules *rules = question->candidates[index].rules;
    enum route_standing standing = check_conditions(question, rules);
    uint64_t ready_at;
    choice->standing[index] = standing == ROUTE_IN ? ROUTE_IS_MIRROR : standing;
    if (standing == ROUTE_IN &&
        (rules->mirror == ROUTE_WHOLE ||
         route_random_below(question->random, ROUTE_WHOLE) < rules->mirror) &&
        route_availability(question->rules, question->candidates[index].place, question->now,
                           &ready_at) == ROUTE_IN)
        choice->mirrors[choice->mirror_count++] = (uint8_t)index;
}

void route_choose(const struct route_question *question, struct route_choice *choice)
{
    uint64_t soonest = UINT64_MAX;
    unsigned priority = 0;
    choice->count = choice->mirror_count = 0;
    for (size_t i = 0; i < question->count; i++) {
        const struct route_candidate *candidate = &question->candidates[i];
        uint64_t ready_at;
        if (candidate->rules->mirror > 0) {
            draw_mirror(question, i, choice);
            continue;
        }
        choice->standing[i] = check_conditions(question, candidate->rules);
        if (choice->standing[i] != ROUTE_IN)
            continue;
        choice->standing[i] =
            route_availability(question->rules, candidate->place, question->now, &ready_at);
        if (choice->standing[i] != ROUTE_IN && ready_at < soonest)
            soonest = ready_at;
    }
    draw_canary(question, choice);
    for (bool any = true; next_priority(question, any, priority, &priority); any = false)
        order_group(question, priority, choice);
    choice->unavailable = choice->count == 0 && soonest != UINT64_MAX;
    choice->wait = choice->unavailable ? soonest - question->now : 0;
}
