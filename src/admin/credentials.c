#include "admin/credentials.h"

#include "base/ensure.h"
#include "store/admin_keys.h"

_Static_assert(ADMIN_KEYS_HASH_SIZE == KEY_HASH_SIZE, "the store keeps hashes of keys");

void credentials_open(struct credentials *credentials)
{
    *credentials = (struct credentials){0};
}

static void release(struct credential *credential)
{
    free((void *)(uintptr_t)credential->id.data);
    free((void *)(uintptr_t)credential->name.data);
    free((void *)(uintptr_t)credential->team.data);
}

void credentials_close(struct credentials *credentials)
{
    for (size_t i = 0; i < credentials->count; i++)
        release(&credentials->list[i]);
    free(credentials->list);
    changes_reader_destroy(credentials->reader);
    credentials_open(credentials);
}

static struct text copy(struct text text)
{
    char *bytes = ensure_memory(malloc(text.length + 1));

    if (text.length > 0)
        memcpy(bytes, text.data, text.length);
    return text_of(bytes, text.length);
}

static struct credential *find(const struct credentials *credentials, struct text id)
{
    for (size_t i = 0; i < credentials->count; i++) {
        if (text_equal(credentials->list[i].id, id))
            return &credentials->list[i];
    }
    return NULL;
}

const struct credential *credentials_find(const struct credentials *credentials, struct text id)
{
    return find(credentials, id);
}

static struct credential *add(struct credentials *credentials)
{
    if (credentials->count == credentials->capacity) {
        credentials->capacity = credentials->capacity ? 2 * credentials->capacity : 16;
        credentials->list = ensure_memory(
            realloc(credentials->list, credentials->capacity * sizeof(struct credential)));
    }
    return &credentials->list[credentials->count++];
}

static void take(void *context, const struct stored_admin_key *key)
{
    struct credentials *credentials = context;
    struct credential *credential = find(credentials, key->id);
    enum admin_role role;

    if (key->changed > credentials->changed)
        credentials->changed = key->changed;
    /* A role of a later Turnpike: no rights are better than wrong ones. */
    if (!admin_role_from(key->role, &role))
        return;
    if (credential)
        release(credential);
    else
        credential = add(credentials);
    *credential = (struct credential){
        .id = copy(key->id),
        .name = copy(key->name),
        .team = copy(key->team),
        .role = role,
        .expires_at = key->expires_at,
        .revoked_at = key->revoked_at,
        .used_at = key->used_at,
    };
    memcpy(credential->hash.bytes, key->hash, KEY_HASH_SIZE);
}

enum error credentials_refresh(struct credentials *credentials, struct store *store)
{
    int64_t latest = 0;
    enum error error = ERROR_OK;

    if (!credentials->reader)
        error = changes_reader_create(store, &credentials->reader);
    if (error == ERROR_OK)
        error = changes_reader_latest(credentials->reader, &latest);
    if (error != ERROR_OK || latest == credentials->latest)
        return error;
    error = admin_keys_changed(store, credentials->changed, take, credentials);
    if (error == ERROR_OK)
        credentials->latest = latest;
    return error;
}

enum credentials_verdict credentials_check(const struct credentials *credentials, struct text sent,
                                           uint64_t now, const struct credential **found)
{
    static const enum credentials_verdict verdicts[] = {
        [KEY_SYNTAX_MISSING] = CREDENTIALS_MISSING,   [KEY_SYNTAX_NOT_OURS] = CREDENTIALS_NOT_OURS,
        [KEY_SYNTAX_CALLER] = CREDENTIALS_CALLER,     [KEY_SYNTAX_MALFORMED] = CREDENTIALS_MISTYPED,
        [KEY_SYNTAX_CHECKSUM] = CREDENTIALS_MISTYPED,
    };
    struct text id;
    struct key_hash hash;
    enum key_syntax syntax = key_parse_admin(sent, &id);

    if (syntax != KEY_SYNTAX_OK)
        return verdicts[syntax];
    const struct credential *credential = find(credentials, id);
    key_compute_hash(sent, &hash);
    if (!credential || !key_hash_equal(&hash, &credential->hash))
        return CREDENTIALS_UNKNOWN;
    if (credential->revoked_at)
        return CREDENTIALS_REVOKED;
    if (credential->expires_at && credential->expires_at <= now)
        return CREDENTIALS_EXPIRED;
    *found = credential;
    return CREDENTIALS_OK;
}

void credentials_note_use(struct credentials *credentials, struct store *store,
                          const struct credential *used, uint64_t now)
{
    struct credential *credential = find(credentials, used->id);

    if (now < credential->used_at + CREDENTIALS_USE_INTERVAL)
        return;
    if (admin_keys_note_use(store, credential->id, now) == ERROR_OK)
        credential->used_at = now;
}
