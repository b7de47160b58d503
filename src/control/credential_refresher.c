/* An entry is one credential: idle until `due`, then fetched by one thread at a time. All of it is
 * under one lock, which nobody holds while waiting for a network; the tokens themselves are
 * atomics of the pool members.
 *
 * A configuration's entries are put together by credential_refresher_configure; one that is no
 * longer configured goes when its fetch, if one is under way, has ended. */
#include "control/credential_refresher.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "base/note.h"
#include "control/credential_source.h"
#include "control/fetch_crew.h"
#include "identity/reader.h"

#define SECOND NANOSECONDS_PER_SECOND

struct entry {
    struct entry *next;
    struct config *config; /* held: the definition lies in it */
    const struct config_provider *provider;
    const struct config_credential *definition;
    struct pool_member *member;
    uint64_t due; /* monotonic */
    unsigned failures;
    bool busy, listed, noted;
};

struct credential_refresher {
    struct fetch_crew crew;
    struct entry *entries; /* listed ones in the configuration's order */
};

void credential_refresher_wait(struct credential_refresher *refresher, struct loop *loop,
                               void (*done)(void *ticket), void *ticket)
{
    fetch_crew_wait(&refresher->crew, loop, done, ticket);
}

/* ---- entries ---- */

static void free_entry(struct entry *entry)
{
    pool_member_release(entry->member);
    config_release(entry->config);
    free(entry);
}

/* Those that are configured no more and not being fetched. */
static void drop_unlisted(struct credential_refresher *refresher)
{
    struct entry **link = &refresher->entries;

    while (*link) {
        struct entry *entry = *link;
        if (entry->listed || entry->busy) {
            link = &entry->next;
            continue;
        }
        *link = entry->next;
        free_entry(entry);
    }
}

/* Up to `most` nanoseconds. */
static uint64_t random_below(uint64_t most)
{
    struct identifier id = identifier_make(0); /* its last bytes are random */
    uint64_t number;

    memcpy(&number, id.bytes + sizeof(id.bytes) - sizeof(number), sizeof(number));
    return most ? number % most : 0;
}

/* When to fetch again, from now. */
static uint64_t next_fetch(uint64_t wall, uint64_t expires)
{
    uint64_t ahead =
        CREDENTIAL_AHEAD_SECONDS * SECOND + random_below(CREDENTIAL_JITTER_SECONDS * SECOND);

    if (expires == 0)
        return CREDENTIAL_REREAD_SECONDS * SECOND;
    uint64_t left = expires > wall ? expires - wall : 0;
    return left / 2 < ahead ? left / 2 : left - ahead;
}

static uint64_t pause_after(unsigned failures)
{
    uint64_t pause = CREDENTIAL_PAUSE_MAX_SECONDS * SECOND;

    if (failures < 8 && (SECOND * CREDENTIAL_PAUSE_FIRST_SECONDS << (failures - 1)) < pause)
        pause = SECOND * CREDENTIAL_PAUSE_FIRST_SECONDS << (failures - 1);
    return pause - pause / 4 + random_below(pause / 2);
}

static void note_failure(struct entry *entry, const char *problem)
{
    if (!entry->noted)
        note_warning("credentials",
                     "credential %.*s of provider %.*s cannot be refreshed: %s; it is tried again",
                     TEXT_ARG(entry->definition->name), TEXT_ARG(entry->provider->name), problem);
    entry->noted = true;
}

/* With the lock, which it lets go while it waits. */
static void refresh(struct credential_refresher *refresher, struct entry *entry)
{
    char problem[CREDENTIAL_PROBLEM_SIZE];
    struct pool_token *token = NULL, *before = NULL;
    struct credential_request request = {
        .definition = entry->definition,
        .region = entry->provider->aws_region,
        .wall = clock_wall(),
        .stop = &refresher->crew.stop,
    };

    entry->busy = true;
    fetch_crew_unlock(&refresher->crew);
    enum error error = credential_fetch(&request, &token, problem);
    uint64_t wall = clock_wall(), expires = token ? token->expires : 0;
    if (error == ERROR_OK && expires != 0 && expires <= wall) {
        (void)snprintf(problem, sizeof(problem), "the token that came has expired already");
        pool_token_free(token);
        error = ERROR_ARGUMENT;
    }
    if (error == ERROR_OK)
        before = pool_member_publish(entry->member, token, wall);
    else
        pool_member_fail(entry->member, text_from(problem), wall);
    if (before) {
        reader_wait_for_all();
        pool_token_free(before);
    }
    fetch_crew_lock(&refresher->crew);
    entry->busy = false;
    entry->failures = error == ERROR_OK ? 0 : entry->failures + 1;
    entry->due = clock_monotonic() +
                 (error == ERROR_OK ? next_fetch(wall, expires) : pause_after(entry->failures));
    if (error != ERROR_OK && !refresher->crew.stop)
        note_failure(entry, problem);
    else if (entry->noted)
        note_info("credentials", "credential %.*s of provider %.*s is refreshed again",
                  TEXT_ARG(entry->definition->name), TEXT_ARG(entry->provider->name));
    entry->noted = entry->noted && error != ERROR_OK;
    drop_unlisted(refresher);
    fetch_crew_ended(&refresher->crew);
}

/* ---- the threads ---- */

/* The entry that is due; else NULL, and `until` is when the next thing happens. */
static struct entry *find_due(struct credential_refresher *refresher, uint64_t now, uint64_t *until)
{
    *until = now + CREDENTIAL_PAUSE_MAX_SECONDS * SECOND;
    for (struct entry *entry = refresher->entries; entry; entry = entry->next) {
        if (entry->busy || !entry->listed)
            continue;
        if (pool_member_take_want(entry->member))
            entry->due = now;
        if (entry->due <= now)
            return entry;
        if (entry->due < *until)
            *until = entry->due;
    }
    return NULL;
}

static bool work(void *owner, uint64_t now, uint64_t *until)
{
    struct credential_refresher *refresher = owner;
    struct entry *entry = find_due(refresher, now, until);

    if (entry)
        refresh(refresher, entry);
    return entry != NULL;
}

enum error credential_refresher_start(struct credential_refresher **out)
{
    struct credential_refresher *refresher = calloc(1, sizeof(*refresher));

    if (!refresher)
        return ERROR_MEMORY;
    const struct fetch_crew_settings settings = {.name = "credentials",
                                                 .threads = CREDENTIAL_FETCHERS,
                                                 .waiters = CREDENTIAL_WAITERS_MAX,
                                                 .patience = CREDENTIAL_WAIT_SECONDS * SECOND,
                                                 .work = work,
                                                 .owner = refresher};
    enum error error = fetch_crew_open(&refresher->crew, &settings);
    if (error) {
        free(refresher);
        return error;
    }
    *out = refresher;
    return ERROR_OK;
}

void credential_refresher_stop(struct credential_refresher *refresher)
{
    if (!refresher)
        return;
    fetch_crew_stop(&refresher->crew);
    for (struct entry *entry = refresher->entries; entry; entry = entry->next)
        entry->listed = false;
    drop_unlisted(refresher);
    fetch_crew_close(&refresher->crew);
    free(refresher);
}

/* ---- configurations ---- */

/* One of before that is the same; taken out of the list. */
static struct entry *take_same(struct entry **entries, const struct config_provider *provider,
                               const struct config_credential *definition)
{
    for (struct entry **link = entries; *link; link = &(*link)->next) {
        struct entry *entry = *link;
        if (!text_equal(entry->provider->name, provider->name) ||
            !text_equal(entry->definition->name, definition->name) ||
            !text_equal(entry->provider->aws_region, provider->aws_region) ||
            !config_same_credential(entry->definition, definition))
            continue;
        *link = entry->next;
        return entry;
    }
    return NULL;
}

/* A key is there at once; a token is due at once. */
static struct entry *make_entry(struct credential_refresher *refresher, struct config *config,
                                const struct config_provider *provider,
                                const struct config_credential *definition)
{
    bool renewed = definition->kind != CONFIG_CREDENTIAL_API_KEY;
    const struct pool_member_settings settings = {
        .provider = provider->name,
        .name = definition->name,
        .renewed = renewed,
        .want = renewed ? fetch_crew_want : NULL,
        .owner = &refresher->crew,
    };
    const struct credential_request request = {.definition = definition, .wall = clock_wall()};
    char problem[CREDENTIAL_PROBLEM_SIZE];
    struct entry *entry = ensure_memory(calloc(1, sizeof(*entry)));
    struct pool_token *token;

    entry->member = ensure_memory(pool_member_create(&settings));
    entry->config = config_hold(config);
    entry->provider = provider;
    entry->definition = definition;
    if (renewed)
        return entry;
    entry->due = UINT64_MAX;
    if (credential_fetch(&request, &token, problem) == ERROR_OK)
        pool_token_free(pool_member_publish(entry->member, token, request.wall));
    else
        pool_member_fail(entry->member, text_from(problem), request.wall);
    return entry;
}

static struct credential_pool *make_pool(struct credential_refresher *refresher,
                                         struct config *config,
                                         const struct config_provider *provider,
                                         struct entry **before, struct entry ***tail)
{
    struct pool_row rows[CREDENTIAL_POOL_MAX];

    for (size_t i = 0; i < provider->credential_count; i++) {
        const struct config_credential *definition = &provider->credentials[i];
        struct entry *entry = take_same(before, provider, definition);
        if (!entry)
            entry = make_entry(refresher, config, provider, definition);
        entry->listed = true;
        entry->next = NULL;
        **tail = entry;
        *tail = &entry->next;
        rows[i] =
            (struct pool_row){entry->member, definition->weight, definition->requests_per_minute,
                              definition->tokens_per_minute, definition->concurrent_calls};
    }
    return provider->credential_count > 0
               ? ensure_memory(credential_pool_create(rows, provider->credential_count))
               : NULL;
}

_Static_assert(CONFIG_CREDENTIALS_MAXIMUM <= CREDENTIAL_POOL_MAX, "each has its bit");

enum error credential_refresher_configure(struct credential_refresher *refresher,
                                          struct config *config, struct credential_pool **pools)
{
    fetch_crew_lock(&refresher->crew);
    struct entry *before = refresher->entries, *listed = NULL, **tail = &listed;
    for (struct entry *entry = before; entry; entry = entry->next)
        entry->listed = false;
    for (size_t i = 0; i < config->provider_count; i++)
        pools[i] = make_pool(refresher, config, &config->providers[i], &before, &tail);
    *tail = before; /* what is no longer configured goes last, until it is dropped */
    refresher->entries = listed;
    drop_unlisted(refresher);
    enum error error = refresher->entries ? fetch_crew_start(&refresher->crew) : ERROR_OK;
    fetch_crew_unlock(&refresher->crew);
    return error;
}

void credential_refresher_visit(struct credential_refresher *refresher,
                                void (*take)(void *owner, const struct pool_member_state *state),
                                void *owner)
{
    struct pool_member_state state;

    fetch_crew_lock(&refresher->crew);
    for (const struct entry *entry = refresher->entries; entry; entry = entry->next) {
        if (!entry->listed)
            continue;
        pool_member_read_state(entry->member, &state);
        take(owner, &state);
    }
    fetch_crew_unlock(&refresher->crew);
}
