#include "ledger/guard_callers.h"

#include "base/clock.h"

#define MINUTE     (60 * NANOSECONDS_PER_SECOND)
#define WORDS_SIZE 256u /* key, listener and network with their ends: three of 64 */

struct place {
    struct guard_caller caller; /* good_at 0: free */
    uint64_t minute;            /* in which calls were counted last, */
    uint32_t counted;           /* and how many */
};

struct guard_callers {
    struct store *store;
    struct store_statement *put;
    bool loaded;
    struct place places[GUARD_CALLERS_MAX];
    bool changed[GUARD_CALLERS_MAX]; /* beside the places, so that looking for one is quick */
};

/* The codes are kept over restarts, so their seed is no secret. Whoever wants the code of somebody
 * else has a network to choose, and 128 bits to meet. */
static const struct siphash_seed seed = {{0x6775617264206f66ull, 0x63616c6c65727321ull}};

enum error guard_callers_create(struct store *store, struct guard_callers **out)
{
    struct guard_callers *callers = calloc(1, sizeof *callers);
    if (callers == NULL)
        return ERROR_MEMORY;
    callers->store = store;
    enum error error = guard_prepare_caller(store, &callers->put);
    if (error)
        guard_callers_destroy(callers);
    else
        *out = callers;
    return error;
}

void guard_callers_destroy(struct guard_callers *callers)
{
    if (callers == NULL)
        return;
    store_finish(callers->put);
    free(callers);
}

void guard_callers_forget(struct guard_callers *callers)
{
    if (!callers->loaded)
        return;
    memset(callers->places, 0, sizeof callers->places);
    memset(callers->changed, 0, sizeof callers->changed);
    callers->loaded = false;
}

static bool load_one(void *context, int64_t slot, const struct guard_caller *caller)
{
    struct guard_callers *callers = context;
    if (slot >= 0 && slot < (int64_t)GUARD_CALLERS_MAX)
        callers->places[slot].caller = *caller;
    return true;
}

static struct siphash_code code_of(const struct record *record, struct text network)
{
    char words[WORDS_SIZE];
    const struct text parts[] = {record->key_id, record->listener, network};
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        struct text part = text_first(parts[i], WORDS_SIZE / ARRAY_LENGTH(parts) - 1);
        memcpy(words + length, part.data, part.length);
        length += part.length;
        words[length++] = 0;
    }
    return siphash(&seed, text_of(words, length));
}

/* His place, or the one that he takes when he is served. */
static struct place *find(struct guard_callers *callers, const struct siphash_code *code,
                          bool *known)
{
    struct place *set = &callers->places[code->words[0] % GUARD_CALLERS_SETS * GUARD_CALLERS_WAYS];
    struct place *oldest = set;
    for (size_t i = 0; i < GUARD_CALLERS_WAYS; i++) {
        *known = set[i].caller.good_at > 0 && siphash_code_equal(&set[i].caller.caller, code);
        if (*known)
            return &set[i];
        if (set[i].caller.good_at < oldest->caller.good_at)
            oldest = &set[i];
    }
    return oldest;
}

static bool counts_now(struct place *place, uint64_t time)
{
    if (time / MINUTE != place->minute)
        place->counted = 0;
    place->minute = time / MINUTE;
    return place->counted++ < GUARD_CALLS_A_MINUTE;
}

static void remember(struct guard_callers *callers, struct place *place, bool known,
                     const struct siphash_code *code, uint64_t time)
{
    struct guard_caller *caller = &place->caller;
    if (!known)
        *place = (struct place){.caller = {.caller = *code, .first_at = time}};
    /* By the minute is exact enough to be written. */
    if (time / MINUTE != caller->good_at / MINUTE)
        callers->changed[place - callers->places] = true;
    caller->first_at = time < caller->first_at ? time : caller->first_at;
    caller->good_at = time > caller->good_at ? time : caller->good_at;
}

enum error guard_callers_add(struct guard_callers *callers, const struct record *record,
                             struct text network, bool *counts, struct guard_caller_times *times)
{
    bool known;
    if (!callers->loaded) {
        enum error error = guard_read_callers(callers->store, load_one, callers);
        if (error)
            return error;
        callers->loaded = true;
    }
    struct siphash_code code = code_of(record, network);
    struct place *place = find(callers, &code, &known);
    *times = known ? (struct guard_caller_times){place->caller.first_at, place->caller.good_at}
                   : (struct guard_caller_times){0};
    *counts = known && counts_now(place, record->started_at);
    if (record->outcome == RECORD_OUTCOME_SERVED)
        remember(callers, place, known, &code, record->started_at);
    return ERROR_OK;
}

enum error guard_callers_flush(struct guard_callers *callers)
{
    enum error error = ERROR_OK;
    const bool *end = callers->changed + GUARD_CALLERS_MAX;
    bool *next = callers->changed;
    while (!error && next < end && (next = memchr(next, true, (size_t)(end - next))) != NULL) {
        size_t slot = (size_t)(next - callers->changed);
        error = guard_put_caller(callers->put, (int64_t)slot, &callers->places[slot].caller);
        *next++ = false;
    }
    return error;
}
