/* A slot is a place in one array: first the open ones, then the kept, then the rows of wider
 * networks. A group in memory is found by a hash of what tells it apart, through chains; the hash
 * is seeded, so that nobody outside can make a chain long.
 *
 * A holder is a heap of the slots that it holds, the one to go first on top: fewest calls (with
 * what it may have had before), then the longest unseen. Rows of wider networks have no holder:
 * they never go. */
#include "ledger/bounce_groups.h"

#include "base/ensure.h"
#include "base/identifier.h"
#include "base/siphash.h"
#include "identity/network.h"

#define CHAINS  8192u /* a power of two, more than there are groups */
#define CLASSES 8u
#define SHARES  64u /* holders of a class */
#define KINDS   2u  /* that have holders */

/* The last rows of wider networks are for all networks of a reason together. */
#define OTHERS_WIDEST 256u

#define NOTHING UINT16_MAX
_Static_assert(BOUNCE_GROUPS_MAX < NOTHING, "a slot fits");
_Static_assert(CHAINS > BOUNCE_GROUPS_MAX, "chains are short");

struct holder {
    uint16_t *slots; /* a heap */
    uint16_t count, capacity;
};

struct place {
    uint16_t next;     /* of the chain */
    uint16_t position; /* in its holder's heap */
    uint8_t class, share;
    bool taken, changed;
};

struct bounce_groups {
    struct siphash_seed seed;
    struct place places[BOUNCE_GROUPS_MAX];
    uint16_t chains[CHAINS];
    struct holder holders[KINDS][CLASSES][SHARES];
    uint16_t class_counts[KINDS][CLASSES];
    uint16_t counts[BOUNCE_OTHERS + 1];
    uint16_t free_slots[BOUNCE_GROUPS_MAX]; /* by kind, from the start of its range */
    uint16_t changed[BOUNCE_GROUPS_MAX];
    size_t changed_count;
    /* Of a place that is taken; written whole then. 10 MiB, of which what nobody uses is never
     * touched, and so takes no memory. */
    struct bounce_group all[BOUNCE_GROUPS_MAX];
};

static const struct {
    size_t first, count;
} ranges[] = {
    [BOUNCE_OPEN] = {0, BOUNCE_OPEN_MAX},
    [BOUNCE_KEPT] = {BOUNCE_OPEN_MAX, BOUNCE_KEPT_MAX},
    [BOUNCE_OTHERS] = {BOUNCE_OPEN_MAX + BOUNCE_KEPT_MAX, BOUNCE_OTHERS_MAX},
};

/* ---- opening ---- */

static void make_all_free(struct bounce_groups *groups)
{
    for (size_t kind = 0; kind < ARRAY_LENGTH(ranges); kind++) {
        for (size_t i = 0; i < ranges[kind].count; i++) /* the lowest is taken first */
            groups->free_slots[ranges[kind].first + i] =
                (uint16_t)(ranges[kind].first + ranges[kind].count - 1 - i);
    }
    memset(groups->chains, 0xff, sizeof groups->chains); /* NOTHING */
}

struct bounce_groups *bounce_groups_create(void)
{
    struct bounce_groups *groups = calloc(1, sizeof *groups);
    if (groups == NULL)
        return NULL;
    random_bytes(&groups->seed, sizeof groups->seed);
    make_all_free(groups);
    return groups;
}

static void free_holders(struct bounce_groups *groups)
{
    for (size_t kind = 0; kind < KINDS; kind++)
        for (size_t class = 0; class < CLASSES; class ++)
            for (size_t share = 0; share < SHARES; share++)
                free(groups->holders[kind][class][share].slots);
}

void bounce_groups_destroy(struct bounce_groups *groups)
{
    if (groups == NULL)
        return;
    free_holders(groups);
    free(groups);
}

void bounce_groups_clear(struct bounce_groups *groups)
{
    struct siphash_seed seed = groups->seed;
    free_holders(groups);
    memset(groups, 0, offsetof(struct bounce_groups, all));
    groups->seed = seed;
    make_all_free(groups);
}

/* ---- finding ---- */

static size_t append_word(char *out, size_t length, const char *word)
{
    size_t size = strlen(word) + 1;
    memcpy(out + length, word, size);
    return length + size;
}

static uint64_t hash_of(const struct bounce_groups *groups, const struct bounce_group *group)
{
    char words[BOUNCE_NETWORK_SIZE + 3 * BOUNCE_WORD_SIZE + BOUNCE_RULE_SIZE + BOUNCE_TEAM_SIZE];
    size_t length = append_word(words, 0, group->network);
    length = append_word(words, length, group->reason);
    length = append_word(words, length, group->rule);
    length = append_word(words, length, group->listener);
    length = append_word(words, length, group->key_id);
    length = append_word(words, length, group->team);
    return siphash(&groups->seed, text_of(words, length)).words[0];
}

static size_t find(const struct bounce_groups *groups, const struct bounce_group *group)
{
    size_t slot = groups->chains[hash_of(groups, group) % CHAINS];
    while (slot != NOTHING && !bounce_group_same(&groups->all[slot], group))
        slot = groups->places[slot].next;
    return slot;
}

static void link_slot(struct bounce_groups *groups, size_t slot)
{
    uint16_t *chain = &groups->chains[hash_of(groups, &groups->all[slot]) % CHAINS];
    groups->places[slot].next = *chain;
    *chain = (uint16_t)slot;
}

static void unlink_slot(struct bounce_groups *groups, size_t slot)
{
    uint16_t *link = &groups->chains[hash_of(groups, &groups->all[slot]) % CHAINS];
    while (*link != slot)
        link = &groups->places[*link].next;
    *link = groups->places[slot].next;
}

static void note_changed(struct bounce_groups *groups, size_t slot)
{
    if (groups->places[slot].changed)
        return;
    groups->places[slot].changed = true;
    groups->changed[groups->changed_count++] = (uint16_t)slot;
}

/* ---- holders ---- */

static struct holder *holder_of(struct bounce_groups *groups, size_t slot)
{
    const struct place *place = &groups->places[slot];
    return &groups->holders[groups->all[slot].kind][place->class][place->share];
}

/* Whether `a` goes before `b`. */
static bool goes_first(const struct bounce_group *a, const struct bounce_group *b)
{
    int64_t of_a = a->calls + a->error, of_b = b->calls + b->error;
    return of_a < of_b || (of_a == of_b && a->last_at < b->last_at);
}

static void set_position(struct bounce_groups *groups, struct holder *holder, size_t position,
                         uint16_t slot)
{
    holder->slots[position] = slot;
    groups->places[slot].position = (uint16_t)position;
}

static void sift_up(struct bounce_groups *groups, struct holder *holder, size_t position)
{
    uint16_t slot = holder->slots[position];
    while (position > 0) {
        uint16_t parent = holder->slots[(position - 1) / 2];
        if (!goes_first(&groups->all[slot], &groups->all[parent]))
            break;
        set_position(groups, holder, position, parent);
        position = (position - 1) / 2;
    }
    set_position(groups, holder, position, slot);
}

static void sift_down(struct bounce_groups *groups, struct holder *holder, size_t position)
{
    uint16_t slot = holder->slots[position];
    for (size_t child; (child = 2 * position + 1) < holder->count; position = child) {
        if (child + 1 < holder->count &&
            goes_first(&groups->all[holder->slots[child + 1]], &groups->all[holder->slots[child]]))
            child++;
        if (!goes_first(&groups->all[holder->slots[child]], &groups->all[slot]))
            break;
        set_position(groups, holder, position, holder->slots[child]);
    }
    set_position(groups, holder, position, slot);
}

static void hold(struct bounce_groups *groups, size_t slot)
{
    struct holder *holder = holder_of(groups, slot);
    if (holder->count == holder->capacity) {
        holder->capacity = (uint16_t)(holder->capacity ? 2 * holder->capacity : 8);
        holder->slots =
            ensure_memory(realloc(holder->slots, holder->capacity * sizeof *holder->slots));
    }
    holder->slots[holder->count++] = (uint16_t)slot;
    groups->class_counts[groups->all[slot].kind][groups->places[slot].class]++;
    sift_up(groups, holder, holder->count - 1u);
}

static void release(struct bounce_groups *groups, size_t slot)
{
    struct holder *holder = holder_of(groups, slot);
    size_t position = groups->places[slot].position;
    uint16_t last = holder->slots[--holder->count];
    groups->class_counts[groups->all[slot].kind][groups->places[slot].class]--;
    if (last == slot)
        return;
    set_position(groups, holder, position, last);
    sift_up(groups, holder, position);
    sift_down(groups, holder, groups->places[last].position);
}

/* ---- whose it is ---- */

/* By status, so that what strangers do (401, 404) is apart from what callers meet (403, 429). */
static uint8_t class_of(const struct bounce_group *group)
{
    if (group->observed)
        return 0;
    switch (group->status) {
    case 401: return 1;
    case 403: return 2;
    case 404: return 3;
    case 429: return 4;
    default: return group->status >= 500 ? 5 : group->status >= 400 ? 6 : 7;
    }
}

static void write_wide(const char *network, char out[BOUNCE_NETWORK_SIZE])
{
    struct network narrow, wide;
    _Static_assert(BOUNCE_NETWORK_SIZE >= NETWORK_TEXT_SIZE, "a network fits");
    if (network_parse(text_from(network), &narrow) == ERROR_SYNTAX) {
        (void)text_copy_to(text_from(network), out,
                           BOUNCE_NETWORK_SIZE); /* one that is named is wide enough */
        return;
    }
    wide = network_around(&narrow, BOUNCE_WIDE_V4, BOUNCE_WIDE_V6);
    (void)network_format(&wide, out);
}

static uint8_t share_of(const struct bounce_groups *groups, const struct bounce_group *group)
{
    char words[BOUNCE_WORD_SIZE + BOUNCE_NETWORK_SIZE], wide[BOUNCE_NETWORK_SIZE];
    size_t length = append_word(words, 0, group->listener);
    write_wide(group->network, wide);
    bool by_key = group->kind == BOUNCE_KEPT && group->key_id[0] != 0;
    length = by_key ? append_word(words, 0, group->key_id) : append_word(words, length, wide);
    return (uint8_t)(siphash(&groups->seed, text_of(words, length)).words[0] % SHARES);
}

static void assign(struct bounce_groups *groups, size_t slot)
{
    groups->places[slot].class = class_of(&groups->all[slot]);
    groups->places[slot].share = share_of(groups, &groups->all[slot]);
}

/* ---- rows of wider networks ---- */

static void describe_others(const struct bounce_group *group, const char *wide,
                            struct bounce_group *out)
{
    *out = (struct bounce_group){.kind = BOUNCE_OTHERS, .observed = group->observed};
    (void)text_copy_to(text_from(wide), out->network, sizeof out->network);
    (void)text_copy_to(text_from(group->reason), out->reason, sizeof out->reason);
    (void)text_copy_to(text_from(group->listener), out->listener, sizeof out->listener);
}

/* The rows that may have counted calls of `group`, the narrowest first: for its wider network, for
 * all networks, and for everything. */
#define OTHERS_STEPS 3u

static void describe_step(const struct bounce_group *group, unsigned step, struct bounce_group *out)
{
    static const struct bounce_group everything;
    char wide[BOUNCE_NETWORK_SIZE];
    write_wide(group->network, wide);
    describe_others(step == 2 ? &everything : group, step == 0 ? wide : "everywhere", out);
}

static int64_t error_of(const struct bounce_groups *groups, const struct bounce_group *group)
{
    int64_t error = 0;
    for (unsigned step = 0; step < OTHERS_STEPS && groups->counts[BOUNCE_OTHERS] > 0; step++) {
        struct bounce_group others;
        describe_step(group, step, &others);
        size_t slot = find(groups, &others);
        if (slot != NOTHING && groups->all[slot].error > error)
            error = groups->all[slot].error;
    }
    return error;
}

static size_t take_slot(struct bounce_groups *groups, enum bounce_kind kind)
{
    size_t left = ranges[kind].count - groups->counts[kind];
    ensure(left > 0);
    groups->counts[kind]++;
    size_t slot = groups->free_slots[ranges[kind].first + left - 1];
    groups->places[slot].taken = true;
    return slot;
}

static size_t find_others(struct bounce_groups *groups, const struct bounce_group *group)
{
    static const size_t room[OTHERS_STEPS] = {BOUNCE_OTHERS_MAX - OTHERS_WIDEST,
                                              BOUNCE_OTHERS_MAX - 1, BOUNCE_OTHERS_MAX};
    for (unsigned step = 0; step < OTHERS_STEPS; step++) {
        struct bounce_group others;
        describe_step(group, step, &others);
        size_t slot = find(groups, &others);
        if (slot != NOTHING)
            return slot;
        if (groups->counts[BOUNCE_OTHERS] >= room[step])
            continue;
        slot = take_slot(groups, BOUNCE_OTHERS);
        others.first_at = group->first_at;
        others.first_id = group->first_id;
        groups->all[slot] = others;
        link_slot(groups, slot);
        return slot;
    }
    ensure(false); /* the last row is for everything */
    return NOTHING;
}

/* ---- who goes ---- */

static void leave(struct bounce_groups *groups, size_t slot)
{
    enum bounce_kind kind = groups->all[slot].kind;
    if (kind != BOUNCE_OTHERS)
        release(groups, slot);
    unlink_slot(groups, slot);
    groups->places[slot].taken = false;
    groups->counts[kind]--;
    groups->free_slots[ranges[kind].first + ranges[kind].count - groups->counts[kind] - 1] =
        (uint16_t)slot;
    note_changed(groups, slot);
}

static void send_off(struct bounce_groups *groups, size_t slot)
{
    const struct bounce_group *group = &groups->all[slot];
    size_t at = find_others(groups, group);
    struct bounce_group *others = &groups->all[at];
    others->calls += group->calls;
    others->groups++;
    others->status = group->status;
    if (group->calls + group->error > others->error)
        others->error = group->calls + group->error;
    if (group->first_at < others->first_at)
        others->first_at = group->first_at;
    if (group->last_at >= others->last_at) {
        others->last_at = group->last_at;
        others->last_id = group->last_id;
        memcpy(others->source, group->source, sizeof others->source);
    }
    bounce_times_merge(&others->times, &group->times);
    note_changed(groups, at);
    leave(groups, slot);
}

/* The index of the largest; of equals `preferred`, where it is one. */
static size_t largest(const uint16_t *counts, size_t count, size_t preferred)
{
    size_t best = preferred;
    for (size_t i = 0; i < count; i++) {
        if (counts[i] > counts[best])
            best = i;
    }
    return best;
}

/* Makes room for a group of that class and share. */
static void make_room(struct bounce_groups *groups, enum bounce_kind kind, uint8_t class,
                      uint8_t share)
{
    if (groups->counts[kind] < ranges[kind].count)
        return;
    uint16_t shares[SHARES];
    size_t from = largest(groups->class_counts[kind], CLASSES, class);
    for (size_t i = 0; i < SHARES; i++)
        shares[i] = groups->holders[kind][from][i].count;
    size_t whose = largest(shares, SHARES, from == class ? share : 0);
    send_off(groups, groups->holders[kind][from][whose].slots[0]);
}

/* ---- adding ---- */

static size_t put(struct bounce_groups *groups, const struct bounce_group *group)
{
    uint8_t class = class_of(group), share = share_of(groups, group);
    make_room(groups, group->kind, class, share);
    size_t slot = take_slot(groups, group->kind);
    groups->all[slot] = *group;
    groups->places[slot].class = class;
    groups->places[slot].share = share;
    link_slot(groups, slot);
    hold(groups, slot);
    note_changed(groups, slot);
    return slot;
}

/* An open group becomes one that is kept. */
static size_t keep(struct bounce_groups *groups, size_t slot)
{
    struct bounce_group group = groups->all[slot];
    leave(groups, slot);
    group.kind = BOUNCE_KEPT;
    return put(groups, &group);
}

#define COPY_WORD(to, from)                   \
    do {                                      \
        if ((from)[0])                        \
            memcpy((to), (from), sizeof(to)); \
    } while (0)

static void note_last(struct bounce_group *group, const struct bounce_group *call)
{
    if (call->last_at < group->first_at) {
        group->first_at = call->last_at;
        group->first_id = call->last_id;
    }
    if (call->last_at < group->last_at)
        return;
    group->last_at = call->last_at;
    group->last_id = call->last_id;
    group->status = call->status;
    COPY_WORD(group->claimed, call->claimed);
    COPY_WORD(group->source, call->source);
    COPY_WORD(group->model, call->model);
    COPY_WORD(group->user_agent, call->user_agent);
}

void bounce_groups_add(struct bounce_groups *groups, const struct bounce_group *call,
                       uint64_t calls)
{
    size_t slot = find(groups, call);
    if (slot == NOTHING) {
        struct bounce_group group = *call;
        group.first_at = call->last_at;
        group.first_id = call->last_id;
        group.error = error_of(groups, call);
        group.calls = 0;
        group.groups = 0;
        group.times = (struct bounce_times){0};
        slot = put(groups, &group);
    } else if (call->kind == BOUNCE_KEPT && groups->all[slot].kind == BOUNCE_OPEN) {
        slot = keep(groups, slot);
    }
    struct bounce_group *group = &groups->all[slot];
    group->calls += (int64_t)calls;
    note_last(group, call);
    bounce_times_add(&group->times, call->last_at, calls);
    sift_down(groups, holder_of(groups, slot), groups->places[slot].position);
    note_changed(groups, slot);
}

void bounce_groups_keep_network(struct bounce_groups *groups, const char *network)
{
    for (size_t i = 0; i < BOUNCE_OPEN_MAX; i++) {
        if (groups->places[i].taken && strcmp(groups->all[i].network, network) == 0)
            (void)keep(groups, i);
    }
}

void bounce_groups_forget(struct bounce_groups *groups, uint64_t time)
{
    for (size_t i = 0; i < BOUNCE_OPEN_MAX + BOUNCE_KEPT_MAX; i++) {
        if (groups->places[i].taken && groups->all[i].last_at < time)
            send_off(groups, i);
    }
    for (size_t i = ranges[BOUNCE_OTHERS].first; i < BOUNCE_GROUPS_MAX; i++) {
        if (groups->places[i].taken && groups->all[i].last_at < time)
            leave(groups, i);
    }
}

bool bounce_groups_restore(struct bounce_groups *groups, size_t slot,
                           const struct bounce_group *group)
{
    size_t first = ranges[group->kind].first, count = ranges[group->kind].count, left;
    if (slot < first || slot >= first + count || groups->places[slot].taken ||
        find(groups, group) != NOTHING)
        return false;
    left = count - groups->counts[group->kind];
    for (size_t i = first; i < first + left; i++) {
        if (groups->free_slots[i] == slot)
            groups->free_slots[i] = groups->free_slots[first + left - 1];
    }
    groups->counts[group->kind]++;
    groups->places[slot].taken = true;
    groups->all[slot] = *group;
    link_slot(groups, slot);
    if (group->kind != BOUNCE_OTHERS) {
        assign(groups, slot);
        hold(groups, slot);
    }
    return true;
}

size_t bounce_groups_take_changed(struct bounce_groups *groups, const struct bounce_group **group)
{
    if (groups->changed_count == 0)
        return BOUNCE_NO_SLOT;
    size_t slot = groups->changed[--groups->changed_count];
    groups->places[slot].changed = false;
    *group = bounce_groups_at(groups, slot);
    return slot;
}

const struct bounce_group *bounce_groups_at(const struct bounce_groups *groups, size_t slot)
{
    return slot < BOUNCE_GROUPS_MAX && groups->places[slot].taken ? &groups->all[slot] : NULL;
}
