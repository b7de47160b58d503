#include "app/key_store.h"

#include <errno.h>
#include <search.h>

#include "app/verb.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "store/revocations.h"

/* Milliseconds that `revoke` waits to look a key up before it writes the revocation anyway. */
#define LOOK_UP_PATIENCE 300u
#define NAMESAKES_SHOWN  5u

struct revoked {
    char id[KEY_ID_LENGTH];
    uint64_t time;
    char reason[REVOCATIONS_REASON_MAX + 1];
};

/* ------------------------------------------------------------------ the revocations file */

static int compare_revoked(const void *a, const void *b)
{
    return memcmp(((const struct revoked *)a)->id, ((const struct revoked *)b)->id, KEY_ID_LENGTH);
}

static void take_revocation(void *context, const struct revocation *revocation)
{
    struct key_store *keys = context;
    if (!key_id_is_valid(revocation->id))
        return;
    struct revoked *revoked = ensure_memory(calloc(1, sizeof *revoked));
    memcpy(revoked->id, revocation->id.data, KEY_ID_LENGTH);
    revoked->time = revocation->time;
    text_copy_to(revocation->reason, revoked->reason, sizeof revoked->reason);
    void **found = ensure_memory(tsearch(revoked, &keys->revocations, compare_revoked));
    if (*found != revoked)
        free(revoked); /* the first one counts */
}

void key_store_merge(struct key_store *keys, struct stored_key *key)
{
    struct revoked wanted;
    if (key->revoked_at > 0 || !key_id_is_valid(key->id))
        return;
    memcpy(wanted.id, key->id.data, KEY_ID_LENGTH);
    void *found = tfind(&wanted, &keys->revocations, compare_revoked);
    if (found == NULL)
        return;
    const struct revoked *revoked = *(struct revoked *const *)found;
    key->revoked_at = revoked->time;
    key->revoked_reason = text_from(revoked->reason);
}

/* ------------------------------------------------------------------ opening */

static bool open_store(struct key_store *keys, const char *data)
{
    char problem[STORE_PROBLEM_SIZE];
    if (!data_path(data, STORE_FILE, keys->path))
        return false;
    enum error error =
        store_open(keys->path, STORE_WRITE, KEY_STORE_PATIENCE, &keys->store, problem);
    if (!error)
        return true;
    verb_fail("%s", problem[0] ? problem : error_meaning(error));
    return false;
}

bool key_store_open(struct key_store *keys, const char *data)
{
    char path[PATH_SIZE];
    struct revocations_position position = {0};
    *keys = (struct key_store){0};
    if (!data_path(data, REVOCATIONS_FILE, path) || !open_store(keys, data))
        return false;
    enum error error = revocations_read(path, &position, take_revocation, keys);
    if (!error)
        return true;
    verb_fail("%s: %s", path, error == ERROR_SYSTEM ? strerror(errno) : error_meaning(error));
    key_store_close(keys);
    return false;
}

void key_store_close(struct key_store *keys)
{
    store_close(keys->store);
    tdestroy(keys->revocations, free);
    *keys = (struct key_store){0};
}

/* ------------------------------------------------------------------ finding */

struct nearest {
    struct text wanted;
    char id[KEY_ID_LENGTH];
    size_t limit, distance;
};

static void consider(void *context, const struct stored_key *key)
{
    struct nearest *nearest = context;
    const struct text words[] = {key->id, key->name};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        size_t distance = text_edit_distance(words[i], nearest->wanted, nearest->limit);
        if (distance < nearest->distance && key->id.length == KEY_ID_LENGTH) {
            nearest->distance = distance;
            memcpy(nearest->id, key->id.data, KEY_ID_LENGTH);
        }
    }
}

static int fail_unknown(struct store *store, struct text given)
{
    /* A third wrong at most, and of what could be a name. */
    size_t limit = given.length <= KEYS_NAME_MAX ? given.length / 3 : 0;
    struct nearest nearest = {.wanted = given, .limit = limit, .distance = limit + 1};
    enum error error = keys_list(store, consider, &nearest);
    if (error || nearest.distance > limit)
        return verb_fail("there is no key '%.*s'; `turnpike key list` shows them",
                         TEXT_ARG(text_first(given, 60)));
    return verb_fail("there is no key '%.*s'; did you mean %.*s?", TEXT_ARG(text_first(given, 60)),
                     (int)KEY_ID_LENGTH, nearest.id);
}

int key_store_fail(struct key_store *keys, enum error error, struct text id)
{
    if (error == ERROR_NOT_FOUND)
        return fail_unknown(keys->store, id);
    if (error == ERROR_BUSY)
        return verb_fail("%s: another process holds its lock for more than %u seconds; try again",
                         keys->path, KEY_STORE_PATIENCE / 1000);
    if (error == ERROR_MEMORY)
        return verb_fail("%s", error_meaning(error));
    return verb_fail("%s: %s", keys->path, store_problem(keys->store));
}

/* The public id in an id, a key or what may be shown of one. */
static bool find_id(struct text given, char id[KEY_ID_LENGTH])
{
    if (text_starts_with(given, TEXT(KEY_PREFIX)))
        given = text_from_index(key_visible_part(given), KEY_PREFIX_LENGTH);
    if (!key_id_is_valid(given))
        return false;
    memcpy(id, given.data, KEY_ID_LENGTH);
    return true;
}

struct namesakes {
    char ids[NAMESAKES_SHOWN][KEY_ID_LENGTH];
    size_t count;
};

static void take_namesake(void *context, const struct stored_key *key)
{
    struct namesakes *namesakes = context;
    if (namesakes->count < NAMESAKES_SHOWN && key->id.length == KEY_ID_LENGTH)
        memcpy(namesakes->ids[namesakes->count], key->id.data, KEY_ID_LENGTH);
    namesakes->count++;
}

static int fail_ambiguous(struct text name, const struct namesakes *namesakes)
{
    struct buffer ids;
    buffer_open(&ids, 1024);
    for (size_t i = 0; i < namesakes->count && i < NAMESAKES_SHOWN; i++)
        buffer_append_format(&ids, " %.*s", (int)KEY_ID_LENGTH, namesakes->ids[i]);
    int exit_code = verb_fail("%zu keys have the name '%.*s'; name one by its id:%.*s%s",
                              namesakes->count, TEXT_ARG(name), TEXT_ARG(buffer_text(&ids)),
                              namesakes->count > NAMESAKES_SHOWN ? " …" : "");
    buffer_close(&ids);
    return exit_code;
}

static void find_nothing(void *context, const struct stored_key *key)
{
}

int key_store_resolve(struct key_store *keys, struct text given, char id[KEY_ID_LENGTH])
{
    struct namesakes namesakes = {.count = 0};
    if (find_id(given, id)) {
        enum error error = keys_find(keys->store, text_of(id, KEY_ID_LENGTH), find_nothing, NULL);
        if (error != ERROR_NOT_FOUND)
            return error ? key_store_fail(keys, error, given) : VERB_OK;
    }
    enum error error = text_empty(given)
                           ? ERROR_OK
                           : keys_find_named(keys->store, given, take_namesake, &namesakes);
    if (error)
        return key_store_fail(keys, error, given);
    if (namesakes.count > 1)
        return fail_ambiguous(given, &namesakes);
    if (namesakes.count == 0)
        return fail_unknown(keys->store, given);
    memcpy(id, namesakes.ids[0], KEY_ID_LENGTH);
    return VERB_OK;
}

struct merged_call {
    struct key_store *keys;
    keys_found found;
    void *context;
};

static void call_merged(void *context, const struct stored_key *row)
{
    const struct merged_call *call = context;
    struct stored_key key = *row;
    key_store_merge(call->keys, &key);
    call->found(call->context, &key);
}

int key_store_with(struct key_store *keys, const char id[KEY_ID_LENGTH], keys_found found,
                   void *context)
{
    struct merged_call call = {keys, found, context};
    struct text name = text_of(id, KEY_ID_LENGTH);
    enum error error = keys_find(keys->store, name, call_merged, &call);
    return error ? key_store_fail(keys, error, name) : VERB_OK;
}

const char *key_store_state(const struct stored_key *key, uint64_t now)
{
    if (key->revoked_at > 0)
        return "revoked";
    return key->expires_at > 0 && key->expires_at <= now ? "expired" : "live";
}

/* ------------------------------------------------------------------ revoking */

/* Finds which key is meant. With a store that cannot be asked, an id is taken at its word: a
 * revocation of nothing does no harm, and one that waits for a repair does. */
static int find_revoked(const char *data, struct text given, char id[KEY_ID_LENGTH])
{
    struct key_store keys = {0};
    char problem[STORE_PROBLEM_SIZE];
    if (!data_path(data, STORE_FILE, keys.path))
        return VERB_FAILED;
    bool is_id = find_id(given, id);
    enum error error = store_open(keys.path, STORE_READ, LOOK_UP_PATIENCE, &keys.store, problem);
    if (!error && is_id) {
        error = keys_find(keys.store, text_of(id, KEY_ID_LENGTH), find_nothing, NULL);
        if (error != ERROR_NOT_FOUND) { /* found, or not to be asked */
            key_store_close(&keys);
            return VERB_OK;
        }
        error = ERROR_OK;
    }
    int exit_code;
    if (!error)
        exit_code = key_store_resolve(&keys, given, id);
    else if (is_id && error != ERROR_NOT_FOUND)
        exit_code = VERB_OK;
    else
        exit_code = verb_fail("%s%s", problem[0] ? problem : error_meaning(error),
                              is_id ? "" : "; with the store down, name the key by its id");
    key_store_close(&keys);
    return exit_code;
}

static enum error revoke_in_store(const char *data, const struct revocation *revocation)
{
    struct store *store = NULL;
    char path[PATH_SIZE], problem[STORE_PROBLEM_SIZE];
    if (!data_path(data, STORE_FILE, path))
        return ERROR_ARGUMENT;
    enum error error = store_open(path, STORE_WRITE, KEY_STORE_PATIENCE, &store, problem);
    if (error) {
        fprintf(stderr, "turnpike: %s\n", problem[0] ? problem : error_meaning(error));
        return error;
    }
    error = keys_revoke(store, revocation->id, revocation->time, revocation->reason);
    if (error)
        fprintf(stderr, "turnpike: %s: %s\n", path,
                error == ERROR_NOT_FOUND ? "it has no such key" : store_problem(store));
    store_close(store);
    return error;
}

int key_store_revoke(const char *data, struct text given, struct text reason,
                     char id[KEY_ID_LENGTH], bool *in_store)
{
    char path[PATH_SIZE];
    int exit_code = find_revoked(data, given, id);
    if (exit_code != VERB_OK)
        return exit_code;
    if (!data_path(data, REVOCATIONS_FILE, path))
        return VERB_FAILED;
    const struct revocation revocation = {text_of(id, KEY_ID_LENGTH), clock_wall(),
                                          text_first(reason, REVOCATIONS_REASON_MAX)};
    enum error error = revocations_append(path, &revocation);
    if (error)
        fprintf(stderr, "turnpike: %s: %s\n", path, strerror(errno));
    bool in_file = error == ERROR_OK;
    *in_store = revoke_in_store(data, &revocation) == ERROR_OK;
    if (!in_file && !*in_store)
        return verb_fail("the key %.*s is NOT revoked", (int)KEY_ID_LENGTH, id);
    if (!*in_store)
        fprintf(
            stderr,
            "turnpike: the store could not be changed; the revocation holds all the same, and a "
            "running server adds it to the store when that works again\n");
    return VERB_OK;
}
