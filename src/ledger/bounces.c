/* Memory holds what the store holds and what was added since the last flush. After a roll-back it
 * is of no use and is read again, with the next record. */
#include "ledger/bounces.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "base/note.h"
#include "base/siphash.h"
#include "codec/json.h"
#include "identity/network.h"
#include "ledger/bounce_groups.h"
#include "store/key_sources.h"

#define CHAINS 8192u
_Static_assert(CHAINS > BOUNCES_NETWORKS_MAX, "chains are short");
#define NOBODY UINT16_MAX
/* How many are looked at for the one that has been quiet longest: the longest of these is among the
 * longest of all, and a caller with a network for each call costs no search through all. */
#define QUIET_LOOKED_AT 64u
/* Keys that were looked up, so that a flood with one key costs one look; a batch has 4,096 calls.
 */
#define KEYS_KNOWN 256u
/* Of one call: there are a handful of kinds of rules. */
#define OBSERVED_MAX        8u
#define STATUS_UNAUTHORIZED 401
#define KEY_PREFIX          "tpk_"

struct known_key {
    char id[BOUNCE_WORD_SIZE];
    char team[BOUNCE_TEAM_SIZE];
    bool ours;
};

/* Where calls came from lately, so that a source is not made a network again with each of them. */
#define ORIGINS_KNOWN 256u

struct origin {
    char source[BOUNCE_NETWORK_SIZE];
    char network[BOUNCE_NETWORK_SIZE];
    bool named;       /* the configuration does */
    uint16_t good_at; /* where it was last among those that got through */
};

struct bounces {
    struct store *store;
    struct bounces_writer writer;
    struct key_sources *sources;
    struct guard_counting *guard; /* NULL: there is none */
    struct store_statement *find_key;
    struct bounce_groups *groups;
    struct siphash_seed seed;
    bool loaded;
    uint64_t swept_day;
    struct origin origins[ORIGINS_KNOWN];
    struct origin *origin; /* of the call at hand */
    struct known_key keys[KEYS_KNOWN];
    /* networks that got through */
    struct bounce_network networks[BOUNCES_NETWORKS_MAX];
    uint16_t chains[CHAINS], next[BOUNCES_NETWORKS_MAX];
    bool changed[BOUNCES_NETWORKS_MAX];
    size_t network_count, quiet_at;
};

/* ---- opening ---- */

static void clear(struct bounces *bounces)
{
    bounce_groups_clear(bounces->groups);
    memset(bounces->chains, 0xff, sizeof bounces->chains); /* NOBODY */
    memset(bounces->changed, 0, sizeof bounces->changed);
    memset(bounces->keys, 0, sizeof bounces->keys);
    bounces->network_count = 0;
    bounces->loaded = false;
}

enum error bounces_create(struct store *store, struct guard *guard, struct bounces **out)
{
    struct bounces *bounces = calloc(1, sizeof *bounces);
    if (bounces == NULL)
        return ERROR_MEMORY;
    bounces->store = store;
    bounces->groups = bounce_groups_create();
    random_bytes(&bounces->seed, sizeof bounces->seed);
    enum error error =
        bounces->groups ? bounces_writer_open(&bounces->writer, store) : ERROR_MEMORY;
    if (!error)
        error = key_sources_create(store, &bounces->sources);
    if (!error && guard != NULL)
        error = guard_counting_create(guard, store, &bounces->guard);
    if (!error)
        error = store_prepare(store, "SELECT team FROM keys WHERE id = ?", &bounces->find_key);
    if (error) {
        bounces_destroy(bounces);
        return error;
    }
    clear(bounces);
    *out = bounces;
    return ERROR_OK;
}

void bounces_destroy(struct bounces *bounces)
{
    if (bounces == NULL)
        return;
    bounces_writer_close(&bounces->writer);
    key_sources_destroy(bounces->sources);
    guard_counting_destroy(bounces->guard);
    store_finish(bounces->find_key);
    bounce_groups_destroy(bounces->groups);
    free(bounces);
}

void bounces_settle(struct bounces *bounces)
{
    if (bounces->guard)
        guard_settle(bounces->guard);
}

void bounces_forget(struct bounces *bounces)
{
    clear(bounces);
    key_sources_forget(bounces->sources);
    if (bounces->guard)
        guard_forget(bounces->guard);
}

/* ---- networks that got through ---- */

static size_t chain_of(const struct bounces *bounces, const char *network)
{
    return siphash(&bounces->seed, text_from(network)).words[0] % CHAINS;
}

static size_t find_network(const struct bounces *bounces, const char *network)
{
    size_t at = bounces->chains[chain_of(bounces, network)];
    while (at != NOBODY && strcmp(bounces->networks[at].network, network) != 0)
        at = bounces->next[at];
    return at;
}

static void link_network(struct bounces *bounces, size_t at)
{
    uint16_t *chain = &bounces->chains[chain_of(bounces, bounces->networks[at].network)];
    bounces->next[at] = *chain;
    *chain = (uint16_t)at;
}

static void unlink_network(struct bounces *bounces, size_t at)
{
    uint16_t *link = &bounces->chains[chain_of(bounces, bounces->networks[at].network)];
    while (*link != at)
        link = &bounces->next[*link];
    *link = bounces->next[at];
}

static size_t take_place(struct bounces *bounces)
{
    if (bounces->network_count < BOUNCES_NETWORKS_MAX)
        return bounces->network_count++;
    size_t quietest = bounces->quiet_at;
    for (size_t i = 0; i < QUIET_LOOKED_AT; i++) {
        size_t at = (bounces->quiet_at + i) % BOUNCES_NETWORKS_MAX;
        if (bounces->networks[at].last_at < bounces->networks[quietest].last_at)
            quietest = at;
    }
    bounces->quiet_at = (bounces->quiet_at + QUIET_LOOKED_AT) % BOUNCES_NETWORKS_MAX;
    unlink_network(bounces, quietest);
    return quietest;
}

static void add_good(struct bounces *bounces, uint64_t time, uint64_t calls)
{
    struct origin *origin = bounces->origin;
    size_t at = origin->good_at;
    if (at >= bounces->network_count || strcmp(bounces->networks[at].network, origin->network) != 0)
        at = find_network(bounces, origin->network);
    if (at == NOBODY) {
        at = take_place(bounces);
        bounces->networks[at] = (struct bounce_network){.first_at = time};
        memcpy(bounces->networks[at].network, origin->network, sizeof origin->network);
        link_network(bounces, at);
        bounce_groups_keep_network(bounces->groups, origin->network);
    }
    origin->good_at = (uint16_t)at;
    struct bounce_network *network = &bounces->networks[at];
    network->calls += (int64_t)calls;
    network->first_at = time < network->first_at ? time : network->first_at;
    network->last_at = time > network->last_at ? time : network->last_at;
    bounce_times_add(&network->times, time, calls);
    bounces->changed[at] = true;
}

/* ---- reading what there is ---- */

static bool load_group(void *context, int64_t slot, const struct bounce_group *group)
{
    struct bounces *bounces = context;
    if (slot < 0 || !bounce_groups_restore(bounces->groups, (size_t)slot, group))
        note_error("bounces", "row %lld of the store's table bounces is of no use; passed over",
                   (long long)slot);
    return true;
}

static bool load_network(void *context, int64_t slot, const struct bounce_network *network)
{
    struct bounces *bounces = context;
    if (slot < 0 || slot != (int64_t)bounces->network_count || slot >= BOUNCES_NETWORKS_MAX)
        return true;
    bounces->networks[slot] = *network;
    bounces->network_count++;
    link_network(bounces, (size_t)slot);
    return true;
}

static enum error load(struct bounces *bounces)
{
    enum error error = bounces_read_groups(bounces->store, load_group, bounces);
    if (!error)
        error = bounces_read_networks(bounces->store, load_network, bounces);
    bounces->loaded = !error;
    if (error)
        clear(bounces);
    return error;
}

/* ---- where from ---- */

static bool is_known(const struct origin *origin, const struct record *record)
{
    return text_equal(text_from(origin->source), record->source) &&
           (origin->named ? text_equal(text_from(origin->network), record->network)
                          : origin->network[0] && text_empty(record->network));
}

static void find_origin(struct bounces *bounces, const struct record *record)
{
    struct origin *origin = &bounces->origins[text_hash(record->source) % ORIGINS_KNOWN];
    struct network address, around;
    bounces->origin = origin;
    if (is_known(origin, record))
        return;
    *origin = (struct origin){.named = !text_empty(record->network)};
    (void)text_copy_to(record->source, origin->source, sizeof origin->source);
    (void)text_copy_to(record->network, origin->network, sizeof origin->network);
    if (origin->named)
        return;
    if (network_parse(record->source, &address) != ERROR_OK) {
        (void)text_copy_to(text_empty(record->source) ? TEXT("unknown") : record->source,
                           origin->network, sizeof origin->network);
        return;
    }
    around = network_around(&address, BOUNCES_V4_BITS, BOUNCES_V6_BITS);
    (void)network_format(&around, origin->network);
}

/* ---- whose ---- */

static enum error look_up_key(struct bounces *bounces, struct text id, struct known_key *key)
{
    bool row;
    *key = (struct known_key){0};
    (void)text_copy_to(id, key->id, sizeof key->id);
    store_bind_text(bounces->find_key, 1, id);
    enum error error = store_step(bounces->find_key, &row);
    if (!error && row) {
        key->ours = true;
        (void)text_copy_to(store_column_text(bounces->find_key, 0), key->team, sizeof key->team);
    }
    store_reset(bounces->find_key);
    return error;
}

/* What was sent as key is "tpk_" and the id where its secret was wrong, the id alone where the key
 * was found, and anything where it is none of ours. */
static enum error find_key(struct bounces *bounces, const struct record *record,
                           struct bounce_group *call)
{
    struct text id = record->key_id;
    (void)text_copy_to(record->team, call->team, sizeof call->team);
    if (text_empty(id))
        return ERROR_OK;
    if (text_starts_with(id, TEXT(KEY_PREFIX)))
        id = text_from_index(id, sizeof(KEY_PREFIX) - 1);
    struct known_key *key = &bounces->keys[siphash(&bounces->seed, id).words[0] % KEYS_KNOWN];
    enum error error = ERROR_OK;
    if (!text_equal(text_from(key->id), id))
        error = look_up_key(bounces, id, key);
    if (error)
        return error;
    /* A key that was found by the gateway is ours, also where it has left the store since. */
    if (key->ours || !text_empty(record->key_name)) {
        (void)text_copy_to(id, call->key_id, sizeof call->key_id);
        if (text_empty(record->team))
            memcpy(call->team, key->team, sizeof call->team);
    } else {
        (void)text_copy_to(record->key_id, call->claimed, sizeof call->claimed);
    }
    return ERROR_OK;
}

/* ---- a call turned away ---- */

static enum error describe(struct bounces *bounces, const struct record *record,
                           struct bounce_group *call)
{
    const struct origin *origin = bounces->origin;
    ensure(origin != NULL);
    *call = (struct bounce_group){.status = record->status, .last_at = record->started_at};
    call->last_id = record->id;
    memcpy(call->network, origin->network, sizeof call->network);
    memcpy(call->source, origin->source, sizeof call->source);
    (void)text_copy_to(record->listener, call->listener, sizeof call->listener);
    (void)text_copy_to(record->model, call->model, sizeof call->model);
    (void)text_copy_to(record->user_agent, call->user_agent, sizeof call->user_agent);
    enum error error = find_key(bounces, record, call);
    bool kept = call->key_id[0] != 0 || find_network(bounces, call->network) != NOBODY;
    call->kind = kept ? BOUNCE_KEPT : BOUNCE_OPEN;
    return error;
}

/* Rules that would have limited the answer have an output_limit, and turned nobody away. */
static void add_observed(struct bounces *bounces, const struct record *record,
                         struct bounce_group *call, uint64_t calls)
{
    yyjson_doc *document;
    size_t index, count;
    yyjson_val *rule;
    if (json_parse(record->observed, &document) != ERROR_OK)
        return; /* it did not fit into the record whole */
    call->observed = true;
    yyjson_arr_foreach(yyjson_doc_get_root(document), index, count, rule)
    {
        struct text reason = {0}, id = {0};
        if (index >= OBSERVED_MAX || yyjson_obj_get(rule, "output_limit") != NULL)
            continue;
        (void)json_get_text(rule, "reason", &reason);
        (void)json_get_text(rule, "id", &id);
        (void)text_copy_to(reason, call->reason, sizeof call->reason);
        (void)text_copy_to(id, call->rule, sizeof call->rule);
        bounce_groups_add(bounces->groups, call, calls);
    }
    yyjson_doc_free(document);
}

static enum error add_bounced(struct bounces *bounces, const struct record *record, uint64_t calls)
{
    struct bounce_group call;
    enum error error = describe(bounces, record, &call);
    if (error)
        return error;
    if (record->outcome == RECORD_OUTCOME_REFUSED) {
        (void)text_copy_to(record->refusal, call.reason, sizeof call.reason);
        (void)text_copy_to(record->rule, call.rule, sizeof call.rule);
        bounce_groups_add(bounces->groups, &call, calls);
    }
    if (!text_empty(record->observed))
        add_observed(bounces, record, &call, calls);
    return ERROR_OK;
}

/* Who called is known: whatever was wrong afterwards, it was the key's holder. What was only
 * claimed is the whole visible part of a key, not its id. */
static bool is_use(const struct record *record)
{
    return !text_empty(record->key_id) && !text_starts_with(record->key_id, TEXT(KEY_PREFIX)) &&
           !(record->outcome == RECORD_OUTCOME_REFUSED && record->status == STATUS_UNAUTHORIZED);
}

enum error bounces_add(struct bounces *bounces, const struct record *record)
{
    bool bounced = record->outcome == RECORD_OUTCOME_REFUSED || !text_empty(record->observed);
    bool use = is_use(record), good = use && record->outcome == RECORD_OUTCOME_SERVED;
    if (!text_empty(record->part_of) || !(bounced || use))
        return ERROR_OK;
    enum error error = bounces->loaded ? ERROR_OK : load(bounces);
    if (error)
        return error;
    uint64_t calls = record->calls > 0 ? (uint64_t)record->calls : 1;
    find_origin(bounces, record);
    if (good)
        add_good(bounces, record->started_at, calls);
    /* What a token or a certificate proved has nothing that leaks and lasts, and runs anywhere. */
    if (use && text_empty(record->identified_by))
        error =
            key_sources_add(bounces->sources, record->key_id, text_from(bounces->origin->network),
                            record->started_at, calls, good);
    if (use && bounces->guard && !error)
        error = guard_add(bounces->guard, record, text_from(bounces->origin->network));
    return bounced && !error ? add_bounced(bounces, record, calls) : error;
}

/* ---- writing ---- */

static void sweep(struct bounces *bounces)
{
    uint64_t now = clock_wall();
    if (now / BOUNCES_DAY == bounces->swept_day || now < BOUNCES_MEMORY)
        return;
    bounces->swept_day = now / BOUNCES_DAY;
    bounce_groups_forget(bounces->groups, now - BOUNCES_MEMORY);
}

enum error bounces_flush(struct bounces *bounces)
{
    enum error error = ERROR_OK;
    const struct bounce_group *group;
    if (!bounces->loaded)
        return ERROR_OK;
    sweep(bounces);
    /* Keys are made, moved to another team and taken away by others. */
    memset(bounces->keys, 0, sizeof bounces->keys);
    for (size_t slot;
         !error && (slot = bounce_groups_take_changed(bounces->groups, &group)) != BOUNCE_NO_SLOT;)
        error = group ? bounces_put_group(&bounces->writer, (int64_t)slot, group)
                      : bounces_drop_group(&bounces->writer, (int64_t)slot);
    for (size_t i = 0; !error && i < bounces->network_count; i++) {
        if (bounces->changed[i])
            error = bounces_put_network(&bounces->writer, (int64_t)i, &bounces->networks[i]);
        bounces->changed[i] = false;
    }
    if (!error && bounces->guard)
        error = guard_flush(bounces->guard);
    return error ? error : key_sources_flush(bounces->sources);
}
