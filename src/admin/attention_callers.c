/* Networks that are turned away, and keys at risk. */
#include "admin/attention.h"
#include "admin/bounces_answer.h"
#include "base/clock.h"
#include "store/key_sources.h"
#include "store/keys.h"

#define DAY            (86400 * NANOSECONDS_PER_SECOND)
#define BOUNCED_WITHIN (3600 * NANOSECONDS_PER_SECOND) /* later it is history */
#define BOUNCES_MIN    10u /* calls in a day: fewer are somebody's try */
#define EXPIRES_SOON   (14 * DAY)
#define USED_WITHIN    (30 * DAY) /* who has not used it for longer will not miss it */
#define UNUSED_FOR     (90 * DAY)

/* ---- networks ---- */

static void look_at_row(struct attention *attention, const struct bounces_row *row)
{
    const struct bounce_group *group = &row->group;
    bool ours = row->last_good_at > 0 || group->key_id[0];

    if (group->observed || group->kind == BOUNCE_OTHERS || !ours || row->calls < BOUNCES_MIN ||
        attention->now - group->last_at > BOUNCED_WITHIN)
        return;
    const struct attention_item item = {
        .kind = ATTENTION_NETWORK_BOUNCING,
        .subject_kind = TEXT("network"),
        .subject = attention_say(attention, "%s", group->network),
        .team = attention_say(attention, "%s", group->team),
        .since = group->first_at,
        .text = attention_say(
            attention, "%s was refused %llu times in a day (%s%s%s), %s.", group->network,
            (unsigned long long)row->calls, group->reason, group->team[0] ? ", team " : "",
            group->team, row->last_good_at > 0 ? "and used to get through" : "with a key of ours"),
        .advice = arena_copy(&attention->call->arena, bounces_fix(group)),
        .page = attention_say(attention, "/bounces/%s", row->id),
        .command = attention_say(attention, "turnpike bounces %s", row->id),
    };
    attention_add(attention, &item);
}

enum error attention_look_at_networks(struct attention *attention)
{
    struct bounces_answer answer;
    const struct bounces_question question = {
        .now = attention->now, .since = attention->now - DAY, .team = attention->team};
    enum error error = bounces_answer_read(attention->call->office->store, &question, &answer);

    if (error != ERROR_OK)
        return error;
    for (size_t i = 0; i < answer.count; i++)
        look_at_row(attention, &answer.rows[i]);
    bounces_answer_free(&answer);
    return ERROR_OK;
}

/* ---- keys ---- */

struct key_look {
    struct attention *attention;
    enum error error;
    uint64_t began;  /* since when uses are counted */
    uint64_t last;   /* of the key at hand, 0: never */
    size_t unused;   /* keys */
    struct text one; /* of these */
    /* Of the key that a new source belongs to: */
    struct text name, team;
    bool live;
};

static bool take_total(void *context, const struct key_source *source)
{
    struct key_look *look = context;

    look->last = source->last_at;
    return true;
}

static void add_key(struct key_look *look, enum attention_kind kind, struct text id,
                    struct text team, uint64_t since, struct text text, struct text advice,
                    const char *command)
{
    struct attention *attention = look->attention;
    const struct attention_item item = {
        .kind = kind,
        .subject_kind = TEXT("key"),
        .subject = arena_copy(&attention->call->arena, id),
        .team = arena_copy(&attention->call->arena, team),
        .since = since,
        .text = text,
        .advice = advice,
        .page = attention_say(attention, "/keys/%.*s", TEXT_ARG(id)),
        .command = attention_say(attention, "turnpike key %s %.*s", command, TEXT_ARG(id)),
    };

    attention_add(attention, &item);
}

static void look_at_expiry(struct key_look *look, const struct stored_key *key)
{
    struct attention *attention = look->attention;
    char moment[CLOCK_RFC3339_SIZE];

    if (key->expires_at == 0 || key->expires_at > attention->now + EXPIRES_SOON ||
        look->last == 0 || attention->now - look->last > USED_WITHIN)
        return;
    (void)clock_format_rfc3339(key->expires_at, moment);
    add_key(look, ATTENTION_KEY_EXPIRING, key->id, key->team, 0,
            attention_say(attention, "The key %.*s (%.*s) is in use and expires on %.10s.",
                          TEXT_ARG(key->name), TEXT_ARG(key->id), moment),
            TEXT("Extend it, or make its holder a new one before."), "expire");
}

static void take_key(void *context, const struct stored_key *key)
{
    struct key_look *look = context;
    struct attention *attention = look->attention;

    if (look->error != ERROR_OK || key->revoked_at != 0 ||
        (key->expires_at != 0 && key->expires_at <= attention->now) ||
        (!text_empty(attention->team) && !text_equal(attention->team, key->team)))
        return;
    look->last = 0;
    look->error = key_sources_total(attention->call->office->store, key->id, take_total, look);
    if (look->error == ERROR_NOT_FOUND)
        look->error = ERROR_OK;
    look_at_expiry(look, key);
    uint64_t last = look->last;
    const uint64_t signs[] = {key->created_at, key->rotated_at, look->began};
    for (size_t i = 0; i < ARRAY_LENGTH(signs); i++)
        last = signs[i] > last ? signs[i] : last;
    if (attention->now < last + UNUSED_FOR)
        return;
    if (look->unused++ == 0)
        look->one = arena_copy(&attention->call->arena, key->name);
}

static void add_unused(struct key_look *look)
{
    struct attention *attention = look->attention;
    const struct attention_item item = {
        .kind = ATTENTION_KEYS_UNUSED,
        .subject_kind = TEXT("key"),
        .team = attention->team,
        .text = attention_say(attention, "%zu keys, such as %.*s, have not been used for 90 days.",
                              look->unused, TEXT_ARG(look->one)),
        .advice = TEXT("Revoke those that nobody misses: a key that is forgotten is a key that "
                       "leaks."),
        .page = TEXT("/keys?unused=90d"),
        .command = TEXT("turnpike key list --unused 90d"),
    };

    if (look->unused > 0)
        attention_add(attention, &item);
}

/* ---- keys that are used from new places ---- */

static void take_owner(void *context, const struct stored_key *key)
{
    struct key_look *look = context;
    struct arena *arena = &look->attention->call->arena;

    look->name = arena_copy(arena, key->name);
    look->team = arena_copy(arena, key->team);
    look->live = key->revoked_at == 0;
}

static void look_at_source(struct key_look *look, const struct key_source *source,
                           uint64_t networks)
{
    struct attention *attention = look->attention;
    const struct config_alert_keys *limits = &attention->call->office->config->alerts.keys;
    struct text advice = TEXT("Ask its holder; if nobody knows of it, rotate or revoke it.");

    if (source->quiet >= limits->quiet)
        add_key(look, ATTENTION_KEY_AWAKE, source->key_id, look->team, source->first_at,
                attention_say(attention,
                              "The key %.*s was not used for %llu days and is used again, from a "
                              "network where it never was: %.*s.",
                              TEXT_ARG(look->name), (unsigned long long)(source->quiet / DAY),
                              TEXT_ARG(source->network)),
                advice, "show");
    else if (networks > limits->networks)
        add_key(look, ATTENTION_KEY_MANY_NETWORKS, source->key_id, look->team, source->first_at,
                attention_say(attention,
                              "The key %.*s was used from %llu networks within a day, last from "
                              "the new one %.*s: it may have got around.",
                              TEXT_ARG(look->name), (unsigned long long)networks,
                              TEXT_ARG(source->network)),
                advice, "show");
}

/* The same key once: the first of its new sources tells. */
static bool is_told(const struct attention *attention, struct text key)
{
    for (size_t i = 0; i < attention->count; i++) {
        const struct attention_item *item = &attention->items[i];
        if ((item->kind == ATTENTION_KEY_AWAKE || item->kind == ATTENTION_KEY_MANY_NETWORKS) &&
            text_equal(item->subject, key))
            return true;
    }
    return false;
}

static bool take_source(void *context, const struct key_source *source)
{
    struct key_look *look = context;
    struct attention *attention = look->attention;
    struct store *store = attention->call->office->store;
    uint64_t networks = 0;

    look->live = false;
    if (is_told(attention, source->key_id))
        return true;
    enum error error = keys_find(store, source->key_id, take_owner, look);
    if (error == ERROR_OK)
        error = key_sources_count(store, source->key_id, attention->now - DAY, &networks);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND) {
        look->error = error;
        return false;
    }
    if (look->live && (text_empty(attention->team) || text_equal(attention->team, look->team)))
        look_at_source(look, source, networks);
    return true;
}

enum error attention_look_at_keys(struct attention *attention)
{
    struct key_look look = {.attention = attention};
    struct store *store = attention->call->office->store;
    enum error error = key_sources_began(store, &look.began);

    if (error == ERROR_OK)
        error = keys_list(store, take_key, &look);
    if (error == ERROR_OK && look.error == ERROR_OK)
        error = key_sources_new(store, attention->now - DAY, take_source, &look);
    if (error != ERROR_OK || look.error != ERROR_OK)
        return error != ERROR_OK ? error : look.error;
    add_unused(&look);
    return ERROR_OK;
}
