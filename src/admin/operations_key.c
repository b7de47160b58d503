#include "admin/key_revocations.h"
#include "admin/operations_parts.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "identity/key.h"
#include "store/exchanged_keys.h"
#include "store/key_sources.h"
#include "store/keys.h"
#include "store/teams.h"

#define NAMESAKES_SHOWN 5u
#define ATTEMPTS        3 /* at an id that nobody has: a clash is a one in 10^12 event */

/* ------------------------------------------------------------------ rows */

static bool keep(struct operations *operations, struct stored_key *key)
{
    struct text *const texts[] = {&key->id,        &key->name,    &key->team,
                                  &key->tags,      &key->models,  &key->denied,
                                  &key->principal, &key->subject, &key->revoked_reason};
    key_revocations_merge(operations, key);
    return operations_keep(operations, texts, ARRAY_LENGTH(texts));
}

struct finding {
    struct operations *operations;
    struct stored_key key;
    bool kept;
};

static void take(void *context, const struct stored_key *row)
{
    struct finding *finding = context;
    finding->key = *row;
    finding->kept = keep(finding->operations, &finding->key);
}

static const char *state_of(const struct stored_key *key, uint64_t now)
{
    if (key->revoked_at > 0)
        return "revoked";
    return key->expires_at > 0 && key->expires_at <= now ? "expired" : "live";
}

/* ------------------------------------------------------------------ finding */

static bool is_exchanged(const struct stored_key *key)
{
    return !text_empty(key->principal);
}

/* Also one that was given in exchange for a token. */
static enum error find_row(struct store *store, struct text id, keys_found found, void *context)
{
    enum error error = keys_find(store, id, found, context);
    return error == ERROR_NOT_FOUND ? exchanged_keys_find(store, id, found, context) : error;
}

/* Such a one says what the token says, for as long as was agreed. */
static bool refuse_exchanged(struct operations *operations, const struct stored_key *key)
{
    return operations_refuse(
        operations, ADMIN_PROBLEM_ENDED, "",
        "the key %.*s was given in exchange for a token or certificate: it can "
        "be revoked, and what its callers may do is said by their rule in the "
        "configuration",
        TEXT_ARG(key->id));
}

struct nearest {
    struct operations *operations;
    struct text wanted;
    char id[KEY_ID_LENGTH];
    size_t limit, distance;
};

static void consider(void *context, const struct stored_key *key)
{
    struct nearest *nearest = context;
    const struct text words[] = {key->id, key->name};
    if (!operations_sees_team(nearest->operations, key->team))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        size_t distance = text_edit_distance(words[i], nearest->wanted, nearest->limit);
        if (distance < nearest->distance && key->id.length == KEY_ID_LENGTH) {
            nearest->distance = distance;
            memcpy(nearest->id, key->id.data, KEY_ID_LENGTH);
        }
    }
}

static bool refuse_unknown(struct operations *operations, const char *field, struct text given)
{
    /* A third wrong at most, and of what could be a name. */
    size_t limit = given.length <= KEYS_NAME_MAX ? given.length / 3 : 0;
    struct nearest nearest = {
        .operations = operations, .wanted = given, .limit = limit, .distance = limit + 1};
    struct text said = text_first(given, OPERATIONS_SHOWN_MAX);
    if (keys_list(operations->store, consider, &nearest) != ERROR_OK || nearest.distance > limit)
        return operations_refuse_unknown(operations, OBJECT_KEY, field, given);
    return operations_refuse(operations, ADMIN_PROBLEM_NOT_FOUND, field,
                             "there is no key '%.*s'; did you mean %.*s?", TEXT_ARG(said),
                             (int)KEY_ID_LENGTH, nearest.id);
}

/* The public id in an id, a key or what may be shown of one. */
static bool find_id(struct text given, struct text *id)
{
    if (text_starts_with(given, TEXT(KEY_PREFIX)))
        given = text_from_index(key_visible_part(given), KEY_PREFIX_LENGTH);
    if (!key_id_is_valid(given))
        return false;
    *id = given;
    return true;
}

struct namesakes {
    struct operations *operations;
    char ids[NAMESAKES_SHOWN][KEY_ID_LENGTH];
    size_t count;
};

static void take_namesake(void *context, const struct stored_key *key)
{
    struct namesakes *namesakes = context;
    if (!operations_sees_team(namesakes->operations, key->team))
        return;
    if (namesakes->count < NAMESAKES_SHOWN && key->id.length == KEY_ID_LENGTH)
        memcpy(namesakes->ids[namesakes->count], key->id.data, KEY_ID_LENGTH);
    namesakes->count++;
}

static bool refuse_ambiguous(struct operations *operations, const char *field, struct text name,
                             const struct namesakes *namesakes)
{
    struct buffer ids;
    buffer_open(&ids, 1024);
    for (size_t i = 0; i < namesakes->count && i < NAMESAKES_SHOWN; i++)
        buffer_append_format(&ids, " %.*s", (int)KEY_ID_LENGTH, namesakes->ids[i]);
    (void)operations_refuse(operations, ADMIN_PROBLEM_AMBIGUOUS, field,
                            "%zu keys have the name '%.*s'; name one by its id:%.*s%s",
                            namesakes->count, TEXT_ARG(text_first(name, OPERATIONS_SHOWN_MAX)),
                            TEXT_ARG(buffer_text(&ids)),
                            namesakes->count > NAMESAKES_SHOWN ? " …" : "");
    buffer_close(&ids);
    return false;
}

static bool keep_id(struct operations *operations, struct text given, struct text *id)
{
    *id = arena_copy(operations->arena, given);
    return id->data != NULL || operations_no_memory(operations);
}

static void note_seen(void *context, const struct stored_key *key)
{
    struct namesakes *seen = context;
    seen->count += operations_sees_team(seen->operations, key->team);
}

bool operations_resolve_key(struct operations *operations, const char *field, struct text given,
                            struct text *id)
{
    struct namesakes namesakes = {.operations = operations};
    struct text found;
    if (find_id(given, &found)) {
        enum error error = find_row(operations->store, found, note_seen, &namesakes);
        if (error && error != ERROR_NOT_FOUND)
            return operations_store_answer(operations, error);
        if (namesakes.count > 0)
            return keep_id(operations, found, id);
    }
    enum error error = text_empty(given)
                           ? ERROR_OK
                           : keys_find_named(operations->store, given, take_namesake, &namesakes);
    /* One that has ended can still be asked about; nothing new is for it. */
    if (!error && namesakes.count == 0 && !text_empty(given) && field[0] == '\0')
        error = keys_find_revoked_named(operations->store, given, take_namesake, &namesakes);
    if (error)
        return operations_store_answer(operations, error);
    if (namesakes.count > 1)
        return refuse_ambiguous(operations, field, given, &namesakes);
    if (namesakes.count == 0)
        return refuse_unknown(operations, field, given);
    return keep_id(operations, text_of(namesakes.ids[0], KEY_ID_LENGTH), id);
}

static bool load(struct operations *operations, struct text id, struct stored_key *key)
{
    struct finding finding = {.operations = operations};
    enum error error = find_row(operations->store, id, take, &finding);
    *key = finding.key;
    if (error == ERROR_NOT_FOUND)
        return refuse_unknown(operations, "", id);
    if (error)
        return operations_store_answer(operations, error);
    return finding.kept;
}

static bool find(struct operations *operations, struct text given, struct stored_key *key)
{
    struct text id = text_of(NULL, 0);
    return operations_resolve_key(operations, "", given, &id) && load(operations, id, key);
}

/* ------------------------------------------------------------------ use */

static bool take_use(void *context, const struct key_source *total)
{
    uint64_t *time = context;
    *time = total->last_at;
    return false;
}

/* 0: never, as far as is known. What is told beside a key is no reason not to tell of the key. */
static uint64_t last_use(struct operations *operations, struct text id)
{
    uint64_t time = 0;
    if (key_sources_total(operations->store, id, take_use, &time) != ERROR_OK)
        return 0;
    return time;
}

/* ------------------------------------------------------------------ JSON */

static void write_members(struct operations *operations, struct json_writer *writer,
                          const struct stored_key *key, uint64_t now)
{
    json_member_text(writer, "id", key->id);
    operations_write_name(writer, "name", key->name);
    operations_write_name(writer, "team", key->team);
    json_member_text(writer, "state", text_from(state_of(key, now)));
    operations_write_json(writer, "models", key->models, TEXT("null"));
    operations_write_json(writer, "deny_models", key->denied, TEXT("[]"));
    operations_write_json(writer, "tags", key->tags, TEXT("{}"));
    operations_write_moment(writer, "created_at", key->created_at);
    operations_write_moment(writer, "last_used_at", last_use(operations, key->id));
    operations_write_moment(writer, "expires_at", key->expires_at);
    operations_write_moment(writer, "rotated_at", key->rotated_at);
    operations_write_moment(writer, "previous_secret_until",
                            key->previous_until > now ? key->previous_until : 0);
    operations_write_moment(writer, "revoked_at", key->revoked_at);
    operations_write_name(writer, "revoked_reason", key->revoked_reason);
    operations_write_name(writer, "principal", key->principal);
    operations_write_name(writer, "subject", key->subject);
}

static bool write(struct operations *operations, const struct stored_key *key, struct text *out)
{
    struct operations_writer writer;
    operations_write_begin(&writer);
    write_members(operations, &writer.json, key, operations_now(operations));
    return operations_write_end(operations, &writer, out);
}

/* ------------------------------------------------------------------ create and edit */

static bool take_change(struct operations *operations, const struct object_change *change,
                        struct stored_key *key)
{
    uint64_t now = operations_now(operations), before = key->expires_at;
    if (!operations_check_text(operations, change, OBJECT_KEY_name, KEYS_NAME_MAX, &key->name) ||
        !operations_check_text(operations, change, OBJECT_KEY_team, KEYS_NAME_MAX, &key->team) ||
        !operations_check_models(operations, change, OBJECT_KEY_models, &key->models) ||
        !operations_check_models(operations, change, OBJECT_KEY_deny_models, &key->denied) ||
        !operations_check_tags(operations, change, OBJECT_KEY_tags, &key->tags) ||
        !operations_check_moment(operations, change, OBJECT_KEY_expires_at, &key->expires_at))
        return false;
    if (text_empty(key->name) && object_says(change, OBJECT_KEY_name))
        return operations_refuse_member(operations, ADMIN_PROBLEM_MISSING, OBJECT_KEY_name,
                                        "a key has a name that says what it is for");
    /* An edit may end a key now; a key that begins ended is a slip. */
    if (before == 0 && key->created_at == 0 && key->expires_at != 0 && key->expires_at <= now)
        return operations_refuse_member(
            operations, ADMIN_PROBLEM_INVALID, OBJECT_KEY_expires_at,
            "%.*s has passed: the key would never work",
            TEXT_ARG(text_first(change->values[OBJECT_KEY_expires_at].text, OPERATIONS_SHOWN_MAX)));
    return true;
}

static bool check(struct operations *operations, const struct object_change *change, bool creating)
{
    struct stored_key key = {.created_at = creating ? 0 : 1};
    return take_change(operations, change, &key);
}

static bool make_team(struct operations *operations, struct text name, struct text *remark)
{
    struct text nearest = operations_nearest_team(operations, name);
    struct object_change wanted;
    struct operation_result made;
    object_open(&wanted, OBJECT_TEAM);
    object_set_text(&wanted, OBJECT_TEAM_name, name);
    if (!operations_create(operations, &wanted, &made))
        return false;
    *remark =
        text_empty(nearest)
            ? arena_format(operations->arena, "the team '%.*s' is new and was made", TEXT_ARG(name))
            : arena_format(operations->arena,
                           "the team '%.*s' is new and was made; did you mean '%.*s'?",
                           TEXT_ARG(name), TEXT_ARG(nearest));
    return remark->data != NULL || operations_no_memory(operations);
}

/* A team_lead's key is the team's; a team that nobody knows is refused, or made. */
static bool settle_team(struct operations *operations, struct text *team, struct text *remark)
{
    const struct admin_actor *actor = &operations->actor;
    if (actor->role == ADMIN_TEAM_LEAD && text_empty(*team))
        *team = actor->team;
    if (!operations_sees_team(operations, *team))
        return operations_refuse(operations, ADMIN_PROBLEM_FORBIDDEN, "team",
                                 "the role %s may only make keys of the team '%.*s'",
                                 admin_role_name(actor->role), TEXT_ARG(actor->team));
    if (text_empty(*team) || operations_require_team(operations, "team", *team))
        return true;
    if (operations->problem.code != ADMIN_PROBLEM_NOT_FOUND || !operations->make_teams)
        return false;
    return make_team(operations, *team, remark);
}

static bool make_secret(struct operations *operations, struct text id, struct secret **secret,
                        uint8_t hash[KEYS_HASH_SIZE])
{
    struct key_hash computed;
    secret_free(*secret);
    *secret = NULL;
    enum error error = key_make(id, secret);
    if (error)
        return operations_store_answer(operations, error);
    key_compute_hash(secret_expose(*secret), &computed);
    memcpy(hash, computed.bytes, KEYS_HASH_SIZE);
    return true;
}

static bool insert(struct operations *operations, struct stored_key *key, struct secret **secret)
{
    char *id = arena_take(operations->arena, KEY_ID_LENGTH);
    enum error error = ERROR_EXISTS;
    if (id == NULL)
        return operations_no_memory(operations);
    key->id = text_of(id, KEY_ID_LENGTH);
    for (int attempt = 0; attempt < ATTEMPTS && error == ERROR_EXISTS; attempt++) {
        key_make_id(id);
        if (!make_secret(operations, key->id, secret, key->hash))
            return false;
        error = keys_insert(operations->store, key);
    }
    return operations_store_answer(operations, error);
}

static bool create(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result)
{
    struct stored_key key = {0};
    if (!take_change(operations, wanted, &key) ||
        !settle_team(operations, &key.team, &result->remark))
        return false;
    key.created_at = operations_now(operations);
    if (!insert(operations, &key, &result->secret))
        return false;
    result->id = key.id;
    result->changed = true;
    return write(operations, &key, &result->after);
}

static bool edit(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result)
{
    struct stored_key key;
    if (!key_revocations_refresh(operations) || !find(operations, id, &key) ||
        !write(operations, &key, &result->before))
        return false;
    if (is_exchanged(&key))
        return refuse_exchanged(operations, &key);
    if (key.revoked_at > 0)
        return operations_refuse(operations, ADMIN_PROBLEM_ENDED, "",
                                 "the key %.*s is revoked, and stays so: make a new one",
                                 TEXT_ARG(key.id));
    if (!take_change(operations, changes, &key) ||
        !settle_team(operations, &key.team, &result->remark) ||
        !write(operations, &key, &result->after))
        return false;
    result->id = key.id;
    result->changed = !text_equal(result->before, result->after);
    return !result->changed ||
           operations_store_answer(operations, keys_update(operations->store, &key));
}

bool operations_rotate_key(struct operations *operations, struct text id, uint64_t grace,
                           struct operation_result *result)
{
    struct stored_key key;
    uint64_t now = operations_now(operations);
    if (!operations_start(operations, OBJECT_KEY, result))
        return false;
    bool good = key_revocations_refresh(operations) && find(operations, id, &key) &&
                write(operations, &key, &result->before);
    if (good && is_exchanged(&key))
        good = refuse_exchanged(operations, &key);
    if (good && key.revoked_at > 0)
        good = operations_refuse(operations, ADMIN_PROBLEM_ENDED, "",
                                 "the key %.*s is revoked, and stays so: make a new one",
                                 TEXT_ARG(key.id));
    if (good && grace > INT64_MAX - now)
        good = operations_refuse(operations, ADMIN_PROBLEM_INVALID, "grace",
                                 "the time of grace is too long");
    good = good && make_secret(operations, key.id, &result->secret, key.hash) &&
           operations_store_answer(operations, keys_rotate(operations->store, key.id, key.hash,
                                                           grace ? now + grace : 0, now)) &&
           load(operations, key.id, &key) && write(operations, &key, &result->after);
    if (good) {
        result->id = key.id;
        result->changed = true;
    }
    return operations_finish(operations, OBJECT_KEY, "rotate", good, result);
}

/* ------------------------------------------------------------------ revoke */

static bool revoke_row(struct operations *operations, struct stored_key *key, uint64_t time,
                       struct text reason, struct operation_result *result)
{
    if (!write(operations, key, &result->before) ||
        !operations_store_answer(operations,
                                 (is_exchanged(key) ? exchanged_keys_revoke : keys_revoke)(
                                     operations->store, key->id, time, reason)) ||
        !load(operations, key->id, key) || !write(operations, key, &result->after))
        return false;
    result->id = key->id;
    result->changed = !text_equal(result->before, result->after);
    return true;
}

/* Finds which key is meant. With a store that cannot be asked, an id is taken at its word: a
 * revocation of nothing does no harm, and one that waits for a repair does. */
static bool find_revoked(struct operations *operations, struct text given, struct text *id)
{
    bool is_id = find_id(given, id);
    if (operations->store == NULL)
        return is_id || operations_refuse(operations, ADMIN_PROBLEM_STORE, "",
                                          "with the store down, name the key by its id");
    struct text found = text_of(NULL, 0);
    if (operations_resolve_key(operations, "", given, &found)) {
        *id = found;
        return true;
    }
    enum admin_problem_code code = operations->problem.code;
    return is_id && operations->actor.role != ADMIN_TEAM_LEAD &&
           (code == ADMIN_PROBLEM_STORE || code == ADMIN_PROBLEM_BUSY);
}

static bool revoke_in_store(struct operations *operations, const struct revocation *revocation,
                            struct operation_result *result)
{
    struct stored_key key;
    if (operations->store == NULL || !operations_start(operations, OBJECT_KEY, result))
        return false;
    bool good = load(operations, revocation->id, &key) &&
                revoke_row(operations, &key, revocation->time, revocation->reason, result);
    return operations_finish(operations, OBJECT_KEY, "revoke", good, result);
}

bool operations_revoke_key(struct operations *operations, struct text given, struct text reason,
                           struct operation_result *result)
{
    struct text id = text_of(NULL, 0);
    *result = (struct operation_result){0};
    operations->problem = (struct admin_problem){.code = ADMIN_PROBLEM_NONE};
    if (!operations_may_change(operations, OBJECT_KEY) ||
        !operations_check_words(operations, "reason", reason, KEYS_REASON_MAX) ||
        !find_revoked(operations, given, &id))
        return false;
    const struct revocation revocation = {id, operations_now(operations), reason};
    bool in_file = key_revocations_append(operations, &revocation);
    bool in_store = revoke_in_store(operations, &revocation, result);
    result->id = id;
    result->in_store = in_store;
    return in_file || in_store;
}

/* ------------------------------------------------------------------ the keys of a team */

struct team_keys {
    struct operations *operations;
    struct stored_key *keys;
    size_t count, room;
    uint64_t live, now;
    bool failed;
};

static void count_live(void *context, const struct stored_key *row)
{
    struct team_keys *keys = context;
    struct stored_key key = *row;
    key_revocations_merge(keys->operations, &key);
    keys->live += text_equal(text_from(state_of(&key, keys->now)), TEXT("live"));
}

bool operations_count_keys(struct operations *operations, struct text team, uint64_t *count)
{
    struct team_keys keys = {.operations = operations, .now = operations_now(operations)};
    enum error error = keys_find_team(operations->store, team, count_live, &keys);
    *count = keys.live;
    return operations_store_answer(operations, error);
}

static void collect(void *context, const struct stored_key *row)
{
    struct team_keys *keys = context;
    if (keys->count == keys->room) {
        keys->room = keys->room ? keys->room * 2 : 16;
        keys->keys = ensure_memory(reallocarray(keys->keys, keys->room, sizeof *keys->keys));
    }
    keys->keys[keys->count] = *row;
    keys->failed |= !keep(keys->operations, &keys->keys[keys->count++]);
}

bool operations_revoke_team_keys(struct operations *operations, struct text team,
                                 struct text reason)
{
    struct team_keys keys = {.operations = operations};
    uint64_t now = operations_now(operations);
    bool good = operations_check_words(operations, "reason", reason, KEYS_REASON_MAX) &&
                operations_store_answer(operations,
                                        keys_find_team(operations->store, team, collect, &keys)) &&
                !keys.failed;
    for (size_t i = 0; good && i < keys.count; i++) {
        struct operation_result result = {0};
        good = revoke_row(operations, &keys.keys[i], now,
                          text_empty(reason) ? TEXT("the team was deleted") : reason, &result) &&
               (!result.changed || operations_audit(operations, OBJECT_KEY, "revoke", &result));
    }
    free(keys.keys);
    return good;
}

/* ------------------------------------------------------------------ reading */

static bool show(struct operations *operations, struct text id, struct text *json)
{
    struct stored_key key;
    return find(operations, id, &key) && write(operations, &key, json);
}

struct listing {
    struct operations *operations;
    const struct operations_filter *filter;
    void (*found)(void *context, struct text json);
    void *context;
    uint64_t now;
    uint64_t began; /* since when uses are counted */
};

/* A key that was made or got a new secret since then is not left lying about yet. */
static bool is_unused(const struct listing *listing, const struct stored_key *key)
{
    uint64_t last = last_use(listing->operations, key->id);
    const uint64_t times[] = {listing->began, key->created_at, key->rotated_at};
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++)
        last = times[i] > last ? times[i] : last;
    return last <= listing->now && listing->now - last >= listing->filter->unused;
}

static void list_one(void *context, const struct stored_key *row)
{
    struct listing *listing = context;
    struct stored_key key = *row;
    struct operations_writer writer;
    key_revocations_merge(listing->operations, &key);
    bool live = text_equal(text_from(state_of(&key, listing->now)), TEXT("live"));
    if ((listing->filter->live && !live) ||
        (!text_empty(listing->filter->team) && !text_equal(key.team, listing->filter->team)))
        return;
    if (listing->filter->unused > 0 && !(live && is_unused(listing, &key)))
        return;
    operations_write_begin(&writer);
    write_members(listing->operations, &writer.json, &key, listing->now);
    operations_write_hand(&writer, listing->found, listing->context);
}

static bool list(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context)
{
    struct listing listing = {operations, filter, found, context, operations_now(operations),
                              .began = 0};
    enum error error =
        filter->unused > 0 ? key_sources_began(operations->store, &listing.began) : ERROR_OK;
    return operations_store_answer(operations, error) &&
           operations_store_answer(operations,
                                   (filter->exchanged ? exchanged_keys_list : keys_list)(
                                       operations->store, list_one, &listing));
}

/* ------------------------------------------------------------------ for apply */

bool operations_revoke_in_store(struct operations *operations, struct text id, struct text reason,
                                struct operation_result *result)
{
    const struct revocation revocation = {id, operations_now(operations), reason};
    return revoke_in_store(operations, &revocation, result);
}

/* Keys of one name, of the team that is said. */
struct matches {
    struct operations *operations;
    const struct object_value *team;
    struct text id;      /* of the last */
    struct text live_id; /* of the last that is live */
    size_t count, live;
};

static void take_match(void *context, const struct stored_key *row)
{
    struct matches *matches = context;
    struct stored_key key = *row;
    key_revocations_merge(matches->operations, &key);
    if (key.revoked_at > 0 || !text_equal(key.team, matches->team->text))
        return;
    matches->count++;
    matches->id = arena_copy(matches->operations->arena, key.id);
    if (text_equal(text_from(state_of(&key, operations_now(matches->operations))), TEXT("live"))) {
        matches->live++;
        matches->live_id = matches->id;
    }
}

static bool match(struct operations *operations, const struct object_change *change,
                  struct text *id)
{
    struct text name = change->values[OBJECT_KEY_name].text;
    struct matches matches = {.operations = operations, .team = &change->values[OBJECT_KEY_team]};
    if (object_says(change, OBJECT_KEY_id))
        return operations_resolve_key(operations, "id", change->values[OBJECT_KEY_id].text, id);
    enum error error = keys_find_named(operations->store, name, take_match, &matches);
    if (error)
        return operations_store_answer(operations, error);
    if (matches.live > 1 || (matches.live == 0 && matches.count > 1))
        return operations_refuse(operations, ADMIN_PROBLEM_AMBIGUOUS, "name",
                                 "%zu keys of this team have the name '%.*s'; say which by its id",
                                 matches.live > 1 ? matches.live : matches.count,
                                 TEXT_ARG(text_first(name, OPERATIONS_SHOWN_MAX)));
    *id = matches.live == 1 ? matches.live_id : matches.id;
    return true;
}

/* operations_delete comes to operations_revoke_key, not here. */
const struct operations_kind operations_key = {check, create, edit, NULL, show, list, match, NULL};
