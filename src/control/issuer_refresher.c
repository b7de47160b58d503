/* An entry is one issuer: idle until `due`, then fetched by one thread at a time. All of it is
 * under one lock, which nobody holds while waiting for a network; the keys themselves are atomics
 * of identity/issuer_keys.h.
 *
 * A configuration's entries are put together by issuer_refresher_configure; one that is no longer
 * configured goes when its fetch, if one is under way, has ended. */
#include "control/issuer_refresher.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "base/note.h"
#include "control/fetch_crew.h"
#include "control/issuer_shelf.h"
#include "control/issuer_source.h"
#include "identity/reader.h"

#define SECOND NANOSECONDS_PER_SECOND

struct entry {
    struct entry *next;
    struct config *config; /* held: the definition lies in it */
    const struct config_issuer *definition;
    struct issuer_keys *keys;
    struct buffer last; /* the set as it was written when it was last another */
    uint64_t due;       /* monotonic */
    uint64_t fetched_at, fetches, failures, count;
    unsigned failures_in_a_row;
    bool busy, listed, noted;
    bool kept; /* `last` is of before the start */
    char problem[ISSUER_PROBLEM_SIZE];
    char left_out[JWK_SET_PROBLEM_SIZE]; /* a key that was, as it was last noted */
};

struct issuer_refresher {
    struct fetch_crew crew;
    const char *data;      /* where keys are kept; NULL: nowhere */
    bool noted_shelf;      /* that they cannot be */
    struct entry *entries; /* listed ones in the configuration's order */
};

void issuer_refresher_wait(struct issuer_refresher *refresher, struct loop *loop,
                           void (*done)(void *ticket), void *ticket)
{
    fetch_crew_wait(&refresher->crew, loop, done, ticket);
}

/* ---- entries ---- */

static void free_entry(struct entry *entry)
{
    issuer_keys_release(entry->keys);
    buffer_close(&entry->last);
    config_release(entry->config);
    free(entry);
}

/* Those that are configured no more and not being fetched. */
static void drop_unlisted(struct issuer_refresher *refresher)
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

/* About `most`, less by up to a tenth, so that not all gateways ask at once. */
static uint64_t jittered(uint64_t most)
{
    struct identifier id = identifier_make(0); /* its last bytes are random */
    uint64_t number;

    memcpy(&number, id.bytes + sizeof(id.bytes) - sizeof(number), sizeof(number));
    return most - number % (most / 10 + 1);
}

static uint64_t next_fetch(const struct entry *entry)
{
    unsigned failures = entry->failures_in_a_row;
    uint64_t pause = ISSUER_PAUSE_MAX_SECONDS * SECOND;

    if (failures == 0 && !text_empty(entry->definition->jwks_file))
        return ISSUER_FILE_SECONDS * SECOND;
    if (failures == 0)
        return jittered(entry->definition->refresh);
    if (failures < 8 && (ISSUER_PAUSE_FIRST_SECONDS * SECOND << (failures - 1)) < pause)
        pause = ISSUER_PAUSE_FIRST_SECONDS * SECOND << (failures - 1);
    return jittered(pause);
}

/* ---- a fetch ---- */

/* What a fetch has brought. */
struct fetched {
    enum error error;
    struct buffer json;
    struct jwk_set *set; /* NULL: it is as it was */
    char problem[ISSUER_PROBLEM_SIZE];
    char left_out[JWK_SET_PROBLEM_SIZE];
};

/* Without the lock: `definition` is held, and what the entry had last changes in the thread alone
 * that fetches. */
static void fetch_keys(struct issuer_refresher *refresher, struct entry *entry,
                       const struct config_issuer *definition, struct fetched *out)
{
    *out = (struct fetched){0};
    out->error = issuer_fetch(definition, &refresher->crew.stop, &out->json, out->problem);
    if (out->error ||
        (entry->count > 0 && text_equal(buffer_text(&out->json), buffer_text(&entry->last))))
        return;
    out->error = jwk_set_make(buffer_text(&out->json), &out->set, out->left_out);
    if (out->error)
        (void)snprintf(out->problem, sizeof(out->problem), "its set of keys cannot be used: %s",
                       out->left_out);
}

static void publish_keys(struct entry *entry, struct fetched *fetched, uint64_t wall)
{
    if (fetched->error) {
        issuer_keys_fail(entry->keys);
        return;
    }
    if (!fetched->set) {
        issuer_keys_confirm(entry->keys, wall);
        return;
    }
    struct jwk_set *before = issuer_keys_publish(entry->keys, fetched->set, wall);
    if (before) {
        reader_wait_for_all();
        jwk_set_free(before);
    }
}

static void note_outcome(struct issuer_refresher *refresher, struct entry *entry,
                         const struct fetched *fetched)
{
    struct text name = entry->definition->terms.name;

    if (fetched->error && !entry->noted && !refresher->crew.stop)
        note_warning("issuers",
                     "the keys of issuer %.*s cannot be fetched: %s; it is tried again, and the "
                     "keys known until now count for %llu minutes after the last fetch that worked",
                     TEXT_ARG(name), fetched->problem,
                     (unsigned long long)(entry->definition->terms.keys_good_for / (60 * SECOND)));
    else if (!fetched->error && entry->noted)
        note_info("issuers", "the keys of issuer %.*s can be fetched again", TEXT_ARG(name));
    entry->noted = fetched->error != ERROR_OK;
    if (fetched->set && fetched->left_out[0] && strcmp(fetched->left_out, entry->left_out) != 0)
        note_warning("issuers", "issuer %.*s: %s", TEXT_ARG(name), fetched->left_out);
    if (fetched->set)
        memcpy(entry->left_out, fetched->left_out, sizeof(entry->left_out));
}

/* With the lock. */
static void note_fetched(struct issuer_refresher *refresher, struct entry *entry,
                         struct fetched *fetched, uint64_t wall)
{
    note_outcome(refresher, entry, fetched);
    memcpy(entry->problem, fetched->problem, sizeof(entry->problem));
    if (fetched->error) {
        entry->failures++;
        entry->failures_in_a_row++;
    } else {
        entry->fetches++;
        entry->failures_in_a_row = 0;
        entry->fetched_at = wall;
        entry->kept = false;
    }
    if (fetched->set) {
        entry->count = jwk_set_count(fetched->set);
        buffer_close(&entry->last);
        entry->last = fetched->json;
        fetched->json = (struct buffer){0};
    }
    entry->due = clock_monotonic() + next_fetch(entry);
}

/* Without the lock: what was fetched, or confirmed, is there after a restart. */
static void keep(struct issuer_refresher *refresher, const struct entry *entry,
                 const struct config_issuer *definition, const struct fetched *fetched,
                 uint64_t wall)
{
    if (fetched->error || !refresher->data || !issuer_shelf_keeps(definition))
        return;
    struct text keys = buffer_text(fetched->set ? &fetched->json : &entry->last);
    enum error error = issuer_shelf_write(refresher->data, definition, keys, wall);
    if (error && !__atomic_exchange_n(&refresher->noted_shelf, true, __ATOMIC_RELAXED))
        note_warning("issuers",
                     "keys of issuers cannot be kept in %s/" ISSUER_SHELF_DIRECTORY
                     ": %s; they count as long as the server runs",
                     refresher->data, error_meaning(error));
}

/* With the lock, which it lets go while it waits. */
static void refresh(struct issuer_refresher *refresher, struct entry *entry)
{
    const struct config_issuer *definition = entry->definition;
    struct config *config = config_hold(entry->config); /* a reload may give the entry another */
    struct fetched fetched;

    entry->busy = true;
    fetch_crew_unlock(&refresher->crew);
    issuer_keys_begin(entry->keys, clock_monotonic());
    fetch_keys(refresher, entry, definition, &fetched);
    uint64_t wall = clock_wall();
    keep(refresher, entry, definition, &fetched, wall);
    config_release(config);
    publish_keys(entry, &fetched, wall);
    fetch_crew_lock(&refresher->crew);
    entry->busy = false;
    note_fetched(refresher, entry, &fetched, wall);
    buffer_close(&fetched.json);
    drop_unlisted(refresher);
    fetch_crew_ended(&refresher->crew);
}

/* ---- the threads ---- */

/* The entry that is due; else NULL, and `until` is when the next thing happens. */
static struct entry *find_due(struct issuer_refresher *refresher, uint64_t now, uint64_t *until)
{
    *until = now + ISSUER_PAUSE_MAX_SECONDS * SECOND;
    for (struct entry *entry = refresher->entries; entry; entry = entry->next) {
        if (entry->busy || !entry->listed)
            continue;
        if (entry->due <= now || issuer_keys_take_want(entry->keys))
            return entry;
        if (entry->due < *until)
            *until = entry->due;
    }
    return NULL;
}

static bool work(void *owner, uint64_t now, uint64_t *until)
{
    struct issuer_refresher *refresher = owner;
    struct entry *entry = find_due(refresher, now, until);

    if (entry)
        refresh(refresher, entry);
    return entry != NULL;
}

enum error issuer_refresher_start(const char *data, struct issuer_refresher **out)
{
    struct issuer_refresher *refresher = calloc(1, sizeof(*refresher));

    if (!refresher)
        return ERROR_MEMORY;
    refresher->data = data;
    const struct fetch_crew_settings settings = {.name = "issuers",
                                                 .threads = ISSUER_FETCHERS,
                                                 .waiters = ISSUER_WAITERS_MAX,
                                                 .patience = ISSUER_WAIT_SECONDS * SECOND,
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

void issuer_refresher_stop(struct issuer_refresher *refresher)
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

/* One of before with the same source, taken out of the list; its terms may be others. */
static struct entry *take_same(struct entry **entries, const struct config_issuer *definition)
{
    for (struct entry **link = entries; *link; link = &(*link)->next) {
        struct entry *entry = *link;
        if (!config_same_key_source(entry->definition, definition))
            continue;
        *link = entry->next;
        return entry;
    }
    return NULL;
}

/* What was fetched before the start counts until something newer comes: an issuer that is down now
 * takes nobody's callers away. */
static void restore(const struct issuer_refresher *refresher,
                    const struct config_issuer *definition, struct entry *entry)
{
    char left_out[JWK_SET_PROBLEM_SIZE];
    struct jwk_set *set = NULL;
    uint64_t fetched_at = 0;

    if (!refresher->data || !issuer_shelf_keeps(definition))
        return;
    enum error error =
        issuer_shelf_read(refresher->data, definition, clock_wall(), &entry->last, &fetched_at);
    if (error == ERROR_OK)
        error = jwk_set_make(buffer_text(&entry->last), &set, left_out);
    if (error && error != ERROR_NOT_FOUND)
        note_warning("issuers",
                     "issuer %.*s: the keys kept in %s/" ISSUER_SHELF_DIRECTORY
                     " cannot be used: %s; they are fetched anew",
                     TEXT_ARG(definition->terms.name), refresher->data, error_meaning(error));
    if (error)
        return;
    ensure(issuer_keys_publish(entry->keys, set, fetched_at) == NULL);
    entry->count = jwk_set_count(set);
    entry->fetched_at = fetched_at;
    entry->kept = true;
}

static struct entry *make_entry(struct issuer_refresher *refresher,
                                const struct config_issuer *definition)
{
    struct entry *entry = ensure_memory(calloc(1, sizeof(*entry)));

    entry->keys = ensure_memory(issuer_keys_create(fetch_crew_want, &refresher->crew));
    restore(refresher, definition, entry);
    return entry;
}

enum error issuer_refresher_configure(struct issuer_refresher *refresher, struct config *config,
                                      struct issuer_keys **keys)
{
    fetch_crew_lock(&refresher->crew);
    struct entry *before = refresher->entries, *listed = NULL, **tail = &listed;
    for (struct entry *entry = before; entry; entry = entry->next)
        entry->listed = false;
    for (size_t i = 0; i < config->issuer_count; i++) {
        struct entry *entry = take_same(&before, &config->issuers[i]);
        if (!entry)
            entry = make_entry(refresher, &config->issuers[i]);
        config_release(entry->config);
        entry->config = config_hold(config);
        entry->definition = &config->issuers[i];
        entry->listed = true;
        entry->next = NULL;
        *tail = entry;
        tail = &entry->next;
        keys[i] = issuer_keys_hold(entry->keys);
    }
    *tail = before; /* what is no longer configured goes last, until it is dropped */
    refresher->entries = listed;
    drop_unlisted(refresher);
    enum error error = refresher->entries ? fetch_crew_start(&refresher->crew) : ERROR_OK;
    fetch_crew_unlock(&refresher->crew);
    return error;
}

void issuer_refresher_visit(struct issuer_refresher *refresher,
                            void (*take)(void *owner, const struct issuer_state *state),
                            void *owner)
{
    fetch_crew_lock(&refresher->crew);
    for (const struct entry *entry = refresher->entries; entry; entry = entry->next) {
        if (!entry->listed)
            continue;
        const struct issuer_state state = {
            .name = entry->definition->terms.name,
            .up = entry->count > 0 && !entry->problem[0],
            .keys = entry->count,
            .kept = entry->kept,
            .fetched_at = entry->fetched_at,
            .good_until =
                entry->count > 0 ? entry->fetched_at + entry->definition->terms.keys_good_for : 0,
            .fetches = entry->fetches,
            .failures = entry->failures,
            .problem = text_from(entry->problem),
        };
        take(owner, &state);
    }
    fetch_crew_unlock(&refresher->crew);
}
