/* Limits are buckets that hold a minute's worth, kept as the moment at which they will be full
 * again ("generic cell rate algorithm", ITU-T I.371): one number, changed in one atomic step. What
 * a call takes moves that moment on; a call that would move it further than a minute ahead has to
 * wait.
 *
 * Weights: a counter that all workers share is spread over the sum of the weights by the golden
 * ratio, so that shares are right after few calls already, without a random number. */
#include "provider/credential_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/ensure.h"

#define MINUTE       60000000000ull
#define GOLDEN_RATIO 0x9e3779b97f4a7c15ull

struct pool_member {
    _Atomic(struct pool_token *) token;
    _Atomic uint64_t holders;
    _Atomic uint64_t in_flight;
    _Atomic uint64_t rests_until;    /* monotonic */
    _Atomic uint64_t requests_full;  /* monotonic: when the bucket of calls is full again */
    _Atomic uint64_t tokens_full;    /* and that of tokens */
    _Atomic uint64_t refused_serial; /* the token that the provider does not take */
    _Atomic uint64_t wanted_at;      /* monotonic; 0: never */
    _Atomic bool wanted, failed;
    void (*want)(void *owner);
    void *owner;
    bool renewed;
    char *provider, *name;
    pthread_mutex_t lock; /* of the rest: seldom written, read by people */
    uint64_t serial, expires, refreshed_at, failed_at, refreshes, failures;
    char problem[CREDENTIAL_PROBLEM_SIZE];
};

struct credential_pool {
    _Atomic uint64_t holders;
    _Atomic uint64_t turn;
    size_t count;
    struct pool_row rows[];
};

/* ---- members ---- */

void pool_token_free(struct pool_token *token)
{
    if (!token)
        return;
    const struct secret *secrets[] = {token->credential.secret, token->credential.access_key_id,
                                      token->credential.secret_access_key,
                                      token->credential.session_token};
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
        secret_free((struct secret *)(uintptr_t)secrets[i]);
    free(token);
}

struct pool_member *pool_member_create(const struct pool_member_settings *settings)
{
    struct pool_member *member = calloc(1, sizeof(*member));
    if (!member)
        return NULL;
    ensure(!settings->renewed || settings->want);
    member->renewed = settings->renewed;
    member->want = settings->want;
    member->owner = settings->owner;
    member->provider = text_duplicate(settings->provider);
    member->name = text_duplicate(settings->name);
    ensure(pthread_mutex_init(&member->lock, NULL) == 0);
    atomic_store(&member->holders, 1);
    return member;
}

struct pool_member *pool_member_hold(struct pool_member *member)
{
    atomic_fetch_add(&member->holders, 1);
    return member;
}

void pool_member_release(struct pool_member *member)
{
    if (!member || atomic_fetch_sub(&member->holders, 1) > 1)
        return;
    pool_token_free(atomic_load(&member->token));
    pthread_mutex_destroy(&member->lock);
    free(member->provider);
    free(member->name);
    free(member);
}

struct pool_token *pool_member_publish(struct pool_member *member, struct pool_token *token,
                                       uint64_t wall)
{
    pthread_mutex_lock(&member->lock);
    token->serial = ++member->serial;
    member->expires = token->expires;
    member->refreshes++;
    member->refreshed_at = wall;
    member->problem[0] = 0;
    pthread_mutex_unlock(&member->lock);
    atomic_store(&member->failed, false);
    return atomic_exchange(&member->token, token);
}

void pool_member_fail(struct pool_member *member, struct text problem, uint64_t wall)
{
    pthread_mutex_lock(&member->lock);
    member->failures++;
    member->failed_at = wall;
    (void)text_copy_to(problem, member->problem, sizeof(member->problem));
    pthread_mutex_unlock(&member->lock);
    atomic_store(&member->failed, true);
}

bool pool_member_take_want(struct pool_member *member)
{
    return atomic_exchange(&member->wanted, false);
}

void pool_member_read_state(struct pool_member *member, struct pool_member_state *state)
{
    *state = (struct pool_member_state){
        .provider = text_from(member->provider),
        .name = text_from(member->name),
        .renewed = member->renewed,
        .in_flight = atomic_load(&member->in_flight),
        .rests_until = atomic_load(&member->rests_until),
    };
    pthread_mutex_lock(&member->lock);
    state->has_token = member->serial > 0;
    state->expires = member->expires;
    state->refreshed_at = member->refreshed_at;
    state->failed_at = member->failed_at;
    state->refreshes = member->refreshes;
    state->failures = member->failures;
    memcpy(state->problem, member->problem, sizeof(state->problem));
    pthread_mutex_unlock(&member->lock);
}

/* ---- pools ---- */

struct credential_pool *credential_pool_create(const struct pool_row *rows, size_t count)
{
    ensure(count > 0 && count <= CREDENTIAL_POOL_MAX);
    struct credential_pool *pool = calloc(1, sizeof(*pool) + count * sizeof(*rows));
    if (!pool)
        return NULL;
    pool->count = count;
    atomic_store(&pool->holders, 1);
    for (size_t i = 0; i < count; i++) {
        ensure(rows[i].weight > 0);
        pool->rows[i] = rows[i];
        pool_member_hold(rows[i].member);
    }
    return pool;
}

struct credential_pool *credential_pool_hold(struct credential_pool *pool)
{
    if (pool)
        atomic_fetch_add(&pool->holders, 1);
    return pool;
}

void credential_pool_release(struct credential_pool *pool)
{
    if (!pool || atomic_fetch_sub(&pool->holders, 1) > 1)
        return;
    for (size_t i = 0; i < pool->count; i++)
        pool_member_release(pool->rows[i].member);
    free(pool);
}

void credential_pool_describe(const struct credential_pool *pool, struct buffer *out)
{
    struct pool_member_state state;
    for (size_t i = 0; i < pool->count; i++) {
        pool_member_read_state(pool->rows[i].member, &state);
        if (!state.problem[0] && i + 1 < pool->count)
            continue;
        buffer_append_format(out, "credential %.*s of provider %.*s: %s", TEXT_ARG(state.name),
                             TEXT_ARG(state.provider),
                             state.problem[0] ? state.problem : "its token has not come yet");
        return;
    }
}

/* ---- buckets ---- */

/* How long the bucket takes to regain so many units. */
static uint64_t cost_of(uint64_t units, uint64_t per_minute)
{
    return (uint64_t)((unsigned __int128)MINUTE * units / per_minute);
}

/* Takes from the bucket if that has it; else `wait` is how long it takes to have it. */
static bool bucket_take(_Atomic uint64_t *full_at, uint64_t cost, uint64_t now, uint64_t *wait)
{
    uint64_t before = atomic_load(full_at);
    for (;;) {
        uint64_t from = before > now ? before : now;
        if (from - now + cost > MINUTE && from > now) {
            *wait = from - now + cost - MINUTE;
            return false;
        }
        if (atomic_compare_exchange_weak(full_at, &before, from + cost))
            return true;
    }
}

/* What was used is used: the bucket may owe. */
static void bucket_charge(_Atomic uint64_t *full_at, uint64_t cost, uint64_t now)
{
    uint64_t before = atomic_load(full_at);
    while (!atomic_compare_exchange_weak(full_at, &before, (before > now ? before : now) + cost))
        ;
}

/* ---- choosing ---- */

enum standing { READY, RESTING, AT_LIMIT, WITHOUT_TOKEN, FAILED, TRIED };

static bool is_valid(const struct pool_member *member, const struct pool_token *token,
                     uint64_t wall)
{
    return token && (token->expires == 0 || token->expires > wall) &&
           token->serial != atomic_load(&member->refused_serial);
}

void pool_tried_add(struct pool_tried *tried, const struct pool_lease *lease)
{
    if (tried->count == CREDENTIAL_TRIES_MAX)
        return;
    tried->tokens[tried->count].index = lease->index;
    tried->tokens[tried->count++].serial = lease->serial;
}

static bool was_tried(const struct pool_tried *tried, size_t index, const struct pool_token *token)
{
    for (size_t i = 0; i < tried->count; i++)
        if (tried->tokens[i].index == index && tried->tokens[i].serial == token->serial)
            return true;
    return false;
}

static enum standing stand(const struct credential_pool *pool, size_t index,
                           const struct pool_tried *tried, uint64_t wall, uint64_t now,
                           uint64_t *wait)
{
    const struct pool_row *row = &pool->rows[index];
    struct pool_member *member = row->member;
    const struct pool_token *token = atomic_load(&member->token);
    if (!is_valid(member, token, wall))
        return atomic_load(&member->failed) ? FAILED : WITHOUT_TOKEN;
    if (was_tried(tried, index, token))
        return TRIED;
    if (row->concurrent_calls > 0 && atomic_load(&member->in_flight) >= row->concurrent_calls) {
        *wait = 0; /* until some call ends: nobody knows when */
        return AT_LIMIT;
    }
    uint64_t tokens_full = atomic_load(&member->tokens_full);
    if (row->tokens_per_minute > 0 && tokens_full >= now + MINUTE) {
        *wait = tokens_full - now - MINUTE + 1;
        return AT_LIMIT;
    }
    return atomic_load(&member->rests_until) > now ? RESTING : READY;
}

/* By weight among those that are ready. `turn` spreads over the sum. */
static size_t pick_ready(const struct credential_pool *pool, const enum standing *standings,
                         uint64_t turn)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pool->count; i++)
        sum += standings[i] == READY ? pool->rows[i].weight : 0;
    if (sum == 0)
        return pool->count;
    uint64_t point = ((turn * GOLDEN_RATIO) >> 32) * sum >> 32;
    for (size_t i = 0; i < pool->count; i++) {
        if (standings[i] != READY)
            continue;
        if (point < pool->rows[i].weight)
            return i;
        point -= pool->rows[i].weight;
    }
    return pool->count;
}

/* The one that has rested longest of what it must. */
static size_t pick_resting(const struct credential_pool *pool, const enum standing *standings)
{
    size_t best = pool->count;
    uint64_t earliest = UINT64_MAX;
    for (size_t i = 0; i < pool->count; i++) {
        uint64_t until = atomic_load(&pool->rows[i].member->rests_until);
        if (standings[i] != RESTING || until >= earliest)
            continue;
        earliest = until;
        best = i;
    }
    return best;
}

/* Counts the call; false when others were faster. */
static bool take(const struct pool_row *row, uint64_t now, uint64_t *wait)
{
    struct pool_member *member = row->member;
    uint64_t before = atomic_fetch_add(&member->in_flight, 1);
    bool good = row->concurrent_calls == 0 || before < row->concurrent_calls;
    if (good && row->requests_per_minute > 0)
        good = bucket_take(&member->requests_full, cost_of(1, row->requests_per_minute), now, wait);
    if (!good)
        atomic_fetch_sub(&member->in_flight, 1);
    return good;
}

static enum pool_choice explain(const struct credential_pool *pool, const enum standing *standings)
{
    bool seen[TRIED + 1] = {false};
    for (size_t i = 0; i < pool->count; i++)
        seen[standings[i]] = true;
    return seen[AT_LIMIT]        ? POOL_LIMITED
           : seen[WITHOUT_TOKEN] ? POOL_PENDING
           : seen[TRIED]         ? POOL_EXHAUSTED
                                 : POOL_FAILED;
}

enum pool_choice credential_pool_choose(struct credential_pool *pool, uint64_t wall, uint64_t now,
                                        const struct pool_tried *tried, struct pool_lease *lease,
                                        const struct provider_credential **credential,
                                        uint64_t *wait)
{
    enum standing standings[CREDENTIAL_POOL_MAX];
    uint64_t turn = pool->count > 1 ? atomic_fetch_add(&pool->turn, 1) : 0;
    uint64_t shortest = UINT64_MAX, delay = 0;

    *lease = (struct pool_lease){0};
    for (size_t i = 0; i < pool->count; i++) {
        standings[i] = stand(pool, i, tried, wall, now, &delay);
        if (standings[i] == AT_LIMIT && delay < shortest)
            shortest = delay;
    }
    for (;;) {
        size_t index = pick_ready(pool, standings, turn);
        if (index == pool->count)
            index = pick_resting(pool, standings);
        if (index == pool->count)
            break;
        const struct pool_row *row = &pool->rows[index];
        const struct pool_token *token = atomic_load(&row->member->token);
        delay = 0;
        if (is_valid(row->member, token, wall) && take(row, now, &delay)) {
            *lease = (struct pool_lease){.row = row, .index = index, .serial = token->serial};
            *credential = &token->credential;
            return POOL_CHOSEN;
        }
        standings[index] = AT_LIMIT;
        if (delay < shortest)
            shortest = delay;
    }
    *wait = shortest == UINT64_MAX ? 0 : shortest;
    return explain(pool, standings);
}

bool credential_pool_offers(const struct credential_pool *pool, uint64_t wall, uint64_t now,
                            const struct pool_tried *tried)
{
    uint64_t wait;
    for (size_t i = 0; i < pool->count; i++) {
        enum standing standing = stand(pool, i, tried, wall, now, &wait);
        if (standing == READY || standing == WITHOUT_TOKEN)
            return true;
    }
    return false;
}

/* ---- reports ---- */

static void rest(struct pool_member *member, uint64_t until)
{
    uint64_t before = atomic_load(&member->rests_until);
    while (before < until && !atomic_compare_exchange_weak(&member->rests_until, &before, until))
        ;
}

/* A token may have been withdrawn: a new one is fetched, but a provider that refuses every token
 * does not make us ask for one after another. */
static void refuse(struct pool_member *member, uint64_t serial, uint64_t now)
{
    uint64_t before = atomic_load(&member->wanted_at);
    bool due = before == 0 || now - before >= CREDENTIAL_REFUSED_REST;
    const struct pool_token *token = atomic_load(&member->token);
    if (token && token->serial != serial)
        return; /* that is replaced already */
    if (!member->renewed || !due ||
        !atomic_compare_exchange_strong(&member->wanted_at, &before, now)) {
        if (atomic_load(&member->refused_serial) != serial)
            rest(member, now + CREDENTIAL_REFUSED_REST);
        return;
    }
    atomic_store(&member->refused_serial, serial);
    atomic_store(&member->failed, false); /* the fetch that is to come decides */
    atomic_store(&member->wanted, true);
    member->want(member->owner);
}

void credential_pool_report(struct pool_lease *lease, const struct pool_report *report,
                            uint64_t now)
{
    const struct pool_row *row = lease->row;
    if (!row)
        return;
    struct pool_member *member = row->member;
    uint64_t after = report->retry_after ? report->retry_after : CREDENTIAL_REST_DEFAULT;
    lease->row = NULL;
    atomic_fetch_sub(&member->in_flight, 1);
    if (row->tokens_per_minute > 0 && report->tokens > 0)
        bucket_charge(&member->tokens_full, cost_of(report->tokens, row->tokens_per_minute), now);
    if (report->failure == PROVIDER_FAILURE_RATE_LIMITED)
        rest(member, now + (after < CREDENTIAL_REST_MAX ? after : CREDENTIAL_REST_MAX));
    else if (report->failure == PROVIDER_FAILURE_QUOTA)
        rest(member, now + CREDENTIAL_REST_MAX);
    else if (report->failure == PROVIDER_FAILURE_CREDENTIAL)
        refuse(member, lease->serial, now);
}
