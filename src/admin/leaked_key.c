#include "admin/leaked_key.h"

#include "admin/key_revocations.h"
#include "admin/operations_parts.h"
#include "store/admin_keys.h"
#include "store/exchanged_keys.h"

static const char *const names[] = {
    [LEAKED_KEY_UNKNOWN] = "unknown", [LEAKED_KEY_LIVE] = "live",
    [LEAKED_KEY_ROTATED] = "rotated", [LEAKED_KEY_REVOKED] = "revoked",
    [LEAKED_KEY_EXPIRED] = "expired",
};

const char *leaked_key_state_name(enum leaked_key_state state)
{
    return names[state];
}

struct looking {
    struct operations *operations;
    const struct key_hash *hash;
    struct leaked_key *out;
    uint64_t now;
    bool kept;
};

static bool is_hash(const struct looking *looking, const uint8_t *bytes)
{
    struct key_hash hash;
    memcpy(hash.bytes, bytes, sizeof hash.bytes);
    return key_hash_equal(&hash, looking->hash);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* Only the secret before is kept: one that is neither it nor the present one of a key that was
 * rotated is taken for an older one. */
static enum leaked_key_state state_of(const struct looking *looking, const struct stored_key *key,
                                      uint64_t *good_until)
{
    bool present = is_hash(looking, key->hash);
    bool grace = !present && key->previous_until > 0 && is_hash(looking, key->previous_hash);
    if (!present && key->rotated_at == 0)
        return LEAKED_KEY_UNKNOWN;
    if (key->revoked_at > 0)
        return LEAKED_KEY_REVOKED;
    if (!present && !(grace && key->previous_until > looking->now))
        return LEAKED_KEY_ROTATED;
    if (key->expires_at > 0 && key->expires_at <= looking->now)
        return LEAKED_KEY_EXPIRED;
    *good_until = earlier(grace ? key->previous_until : 0, key->expires_at);
    return LEAKED_KEY_LIVE;
}

static void tell(struct looking *looking, enum leaked_key_state state, struct text name,
                 struct text team)
{
    struct text *const texts[] = {&looking->out->name, &looking->out->team};
    looking->out->state = state;
    looking->kept = true;
    if (state == LEAKED_KEY_UNKNOWN)
        return;
    looking->out->name = name;
    looking->out->team = team;
    looking->kept = operations_keep(looking->operations, texts, ARRAY_LENGTH(texts));
}

static void take(void *context, const struct stored_key *row)
{
    struct looking *looking = context;
    struct stored_key key = *row;
    key_revocations_merge(looking->operations, &key);
    tell(looking, state_of(looking, &key, &looking->out->good_until), key.name, key.team);
}

static void take_administrative(void *context, const struct stored_admin_key *key)
{
    struct looking *looking = context;
    enum leaked_key_state state = LEAKED_KEY_LIVE;
    if (!is_hash(looking, key->hash))
        state = LEAKED_KEY_UNKNOWN;
    else if (key->revoked_at > 0)
        state = LEAKED_KEY_REVOKED;
    else if (key->expires_at > 0 && key->expires_at <= looking->now)
        state = LEAKED_KEY_EXPIRED;
    else
        looking->out->good_until = key->expires_at;
    tell(looking, state, key->name, key->team);
}

bool leaked_key_look_up(struct operations *operations, bool administrative, struct text id,
                        const struct key_hash *hash, struct leaked_key *out)
{
    struct looking looking = {operations, hash, out, operations_now(operations), true};
    *out = (struct leaked_key){0};
    operations->problem = (struct admin_problem){.code = ADMIN_PROBLEM_NONE};
    if (operations->store == NULL)
        return operations_refuse(operations, ADMIN_PROBLEM_STORE, "", "the store is not open");
    if (!administrative && !key_revocations_refresh(operations))
        return false;
    enum error error = administrative
                           ? admin_keys_find(operations->store, id, take_administrative, &looking)
                           : keys_find(operations->store, id, take, &looking);
    if (error == ERROR_NOT_FOUND && !administrative)
        error = exchanged_keys_find(operations->store, id, take, &looking);
    if (error == ERROR_NOT_FOUND)
        return true;
    if (!looking.kept)
        return operations_no_memory(operations);
    return operations_store_answer(operations, error);
}
