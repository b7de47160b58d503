#include "admin/bounces_answer.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "store/keys.h"
#include "store/teams.h"
#include "tables/config.h"
#include "tables/refusals.h"

const char *const bounces_by_words[BOUNCES_BY_COUNT] = {
    [BOUNCES_BY_GROUP] = "group",   [BOUNCES_BY_NETWORK] = "network",
    [BOUNCES_BY_REASON] = "reason", [BOUNCES_BY_LISTENER] = "listener",
    [BOUNCES_BY_KEY] = "key",       [BOUNCES_BY_TEAM] = "team",
};

bool bounces_by_parse(struct text word, enum bounces_by *out)
{
    for (unsigned i = 0; i < BOUNCES_BY_COUNT; i++) {
        if (text_equal(word, text_from(bounces_by_words[i]))) {
            *out = (enum bounces_by)i;
            return true;
        }
    }
    return false;
}

bool bounces_read_network(struct text word, struct bounces_question *out)
{
    out->in_network = network_parse(word, &out->network) != ERROR_SYNTAX;
    out->network_name = out->in_network ? text_of(NULL, 0) : word;
    /* No name has these, so it was meant to be one of the first kinds. */
    return out->in_network ||
           (!text_empty(word) && text_find_char(word, '/') < 0 && text_find_char(word, ':') < 0);
}

bool bounces_network_slipped(struct text word, char meant[NETWORK_TEXT_SIZE])
{
    struct network network;
    enum error error = network_parse(word, &network);

    if (error == ERROR_OK || error == ERROR_SYNTAX)
        return false;
    (void)network_format(&network, meant);
    return true;
}

/* ---- networks that got through ---- */

struct networks {
    struct bounce_network *rows;
    size_t count, capacity;
};

static bool take_network(void *context, int64_t slot, const struct bounce_network *network)
{
    struct networks *networks = context;
    (void)slot;
    if (networks->count == networks->capacity) {
        networks->capacity = networks->capacity ? 2 * networks->capacity : 64;
        networks->rows =
            ensure_memory(realloc(networks->rows, networks->capacity * sizeof *networks->rows));
    }
    networks->rows[networks->count++] = *network;
    return true;
}

static int compare_networks(const void *a, const void *b)
{
    const struct bounce_network *left = a, *right = b;
    return strcmp(left->network, right->network);
}

static void add_good(const struct networks *networks, const struct bounces_question *question,
                     struct bounces_row *row)
{
    struct bounce_network wanted;
    if (networks->count == 0)
        return;
    memcpy(wanted.network, row->group.network, sizeof wanted.network);
    const struct bounce_network *found =
        bsearch(&wanted, networks->rows, networks->count, sizeof *networks->rows, compare_networks);
    if (found == NULL)
        return;
    row->last_good_at = found->last_at;
    row->good_calls = question->since
                          ? bounce_times_count(&found->times, question->since, question->now)
                          : (uint64_t)found->calls;
}

/* ---- groups ---- */

struct reading {
    const struct bounces_question *question;
    struct bounces_answer *answer;
    size_t capacity;
};

static bool is(struct text wanted, const char *word)
{
    return text_empty(wanted) || text_equal(wanted, text_from(word));
}

static bool lies_in(const struct bounces_question *question, const struct bounce_group *group)
{
    struct network network;
    if (!question->in_network)
        return is(question->network_name, group->network);
    if (network_parse(text_from(group->network), &network) == ERROR_OK)
        return network_contains(&question->network, &network) ||
               network_contains(&network, &question->network);
    return (!text_empty(question->around) &&
            text_equal(question->around, text_from(group->network))) ||
           (network_parse(text_from(group->source), &network) == ERROR_OK &&
            network_contains(&question->network, &network));
}

static bool is_wanted(const struct bounces_question *question, const struct bounce_group *group,
                      const char *id)
{
    return is(question->reason, group->reason) && is(question->listener, group->listener) &&
           is(question->key_id, group->key_id) && is(question->team, group->team) &&
           is(question->id, id) && lies_in(question, group);
}

static bool take_group(void *context, int64_t slot, const struct bounce_group *group)
{
    struct reading *reading = context;
    const struct bounces_question *question = reading->question;
    struct bounces_answer *answer = reading->answer;
    struct bounces_row row = {.group = *group, .groups = 1};
    bool others = group->kind == BOUNCE_OTHERS;
    (void)slot;
    bounce_group_id(group, row.id);
    row.calls = question->since ? bounce_times_count(&group->times, question->since, question->now)
                                : (uint64_t)group->calls;
    if (others)
        row.groups = (uint64_t)group->groups;
    else if (question->since < group->first_at)
        row.error = (uint64_t)group->error;
    if (row.calls == 0 || !is_wanted(question, group, row.id))
        return true;
    if (answer->count == reading->capacity) {
        reading->capacity = reading->capacity ? 2 * reading->capacity : 64;
        answer->rows =
            ensure_memory(realloc(answer->rows, reading->capacity * sizeof *answer->rows));
    }
    answer->rows[answer->count++] = row;
    answer->calls += row.calls;
    return true;
}

/* ---- adding up ---- */

static const size_t word_offsets[BOUNCES_BY_COUNT] = {
    [BOUNCES_BY_NETWORK] = offsetof(struct bounce_group, network),
    [BOUNCES_BY_REASON] = offsetof(struct bounce_group, reason),
    [BOUNCES_BY_LISTENER] = offsetof(struct bounce_group, listener),
    [BOUNCES_BY_KEY] = offsetof(struct bounce_group, key_id),
    [BOUNCES_BY_TEAM] = offsetof(struct bounce_group, team),
};

static const char *word_of(const struct bounces_row *row, enum bounces_by by)
{
    return (const char *)&row->group + word_offsets[by];
}

static int compare_by(const void *a, const void *b, enum bounces_by by)
{
    const struct bounces_row *left = a, *right = b;
    int order = strcmp(word_of(left, by), word_of(right, by));
    /* An observed refusal is another thing than one. */
    return order ? order : (int)left->group.observed - (int)right->group.observed;
}

#define COMPARE(name, by)                         \
    static int name(const void *a, const void *b) \
    {                                             \
        return compare_by(a, b, by);              \
    }
COMPARE(compare_network, BOUNCES_BY_NETWORK)
COMPARE(compare_reason, BOUNCES_BY_REASON)
COMPARE(compare_listener, BOUNCES_BY_LISTENER)
COMPARE(compare_key, BOUNCES_BY_KEY)
COMPARE(compare_team, BOUNCES_BY_TEAM)

static int (*const comparisons[BOUNCES_BY_COUNT])(const void *, const void *) = {
    [BOUNCES_BY_NETWORK] = compare_network,   [BOUNCES_BY_REASON] = compare_reason,
    [BOUNCES_BY_LISTENER] = compare_listener, [BOUNCES_BY_KEY] = compare_key,
    [BOUNCES_BY_TEAM] = compare_team,
};

#define KEEP_COMMON(into, from)              \
    do {                                     \
        if (strcmp((into), (from)) != 0)     \
            memset((into), 0, sizeof(into)); \
    } while (0)

static void add_row(struct bounces_row *into, const struct bounces_row *from)
{
    struct bounce_group *group = &into->group;
    into->calls += from->calls;
    into->error += from->error;
    into->groups += from->groups;
    into->id[0] = 0;
    if (from->last_good_at > into->last_good_at)
        into->last_good_at = from->last_good_at;
    if (from->group.first_at < group->first_at) {
        group->first_at = from->group.first_at;
        group->first_id = from->group.first_id;
    }
    if (from->group.last_at > group->last_at) {
        group->last_at = from->group.last_at;
        group->last_id = from->group.last_id;
    }
    if (from->group.kind != BOUNCE_OTHERS)
        group->kind = from->group.kind;
    if (from->group.status != group->status)
        group->status = 0;
    KEEP_COMMON(group->network, from->group.network);
    KEEP_COMMON(group->reason, from->group.reason);
    KEEP_COMMON(group->rule, from->group.rule);
    KEEP_COMMON(group->listener, from->group.listener);
    KEEP_COMMON(group->key_id, from->group.key_id);
    KEEP_COMMON(group->team, from->group.team);
    KEEP_COMMON(group->claimed, from->group.claimed);
    KEEP_COMMON(group->source, from->group.source);
    KEEP_COMMON(group->model, from->group.model);
    KEEP_COMMON(group->user_agent, from->group.user_agent);
}

/* Networks are added up once, whatever the groups of one. */
static void add_up(struct bounces_answer *answer, enum bounces_by by,
                   const struct bounces_question *question, const struct networks *networks)
{
    size_t kept = 0;
    if (answer->count == 0)
        return;
    qsort(answer->rows, answer->count, sizeof *answer->rows, comparisons[by]);
    for (size_t i = 1; i < answer->count; i++) {
        if (comparisons[by](&answer->rows[kept], &answer->rows[i]) == 0)
            add_row(&answer->rows[kept], &answer->rows[i]);
        else
            answer->rows[++kept] = answer->rows[i];
    }
    answer->count = kept + 1;
    for (size_t i = 0; by == BOUNCES_BY_NETWORK && i < answer->count; i++)
        add_good(networks, question, &answer->rows[i]);
}

static int compare_calls(const void *a, const void *b)
{
    const struct bounces_row *left = a, *right = b;
    if (left->calls != right->calls)
        return left->calls < right->calls ? 1 : -1;
    int order = strcmp(left->id, right->id);
    for (unsigned by = BOUNCES_BY_NETWORK; order == 0 && by < BOUNCES_BY_COUNT; by++)
        order = compare_by(left, right, (enum bounces_by)by);
    return order;
}

/* Of rows that add up several networks the good calls are those of all, each once a group; only how
 * long ago the last was is said of them. */
static void forget_sums(struct bounces_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        answer->rows[i].good_calls = 0;
}

enum error bounces_answer_read(struct store *store, const struct bounces_question *question,
                               struct bounces_answer *out)
{
    struct networks networks = {0};
    struct reading reading = {.question = question, .answer = out};
    *out = (struct bounces_answer){0};
    enum error error = bounces_read_networks(store, take_network, &networks);
    if (!error)
        error = bounces_read_groups(store, take_group, &reading);
    if (networks.count > 0)
        qsort(networks.rows, networks.count, sizeof *networks.rows, compare_networks);
    for (size_t i = 0; !error && i < out->count; i++)
        add_good(&networks, question, &out->rows[i]);
    if (!error && question->by != BOUNCES_BY_GROUP)
        add_up(out, question->by, question, &networks);
    if (!error && question->by > BOUNCES_BY_NETWORK)
        forget_sums(out);
    if (!error && out->count > 0)
        qsort(out->rows, out->count, sizeof *out->rows, compare_calls);
    free(networks.rows);
    if (error)
        bounces_answer_free(out);
    return error;
}

void bounces_answer_free(struct bounces_answer *answer)
{
    free(answer->rows);
    *answer = (struct bounces_answer){0};
}

const char *bounces_row_word(const struct bounces_row *row, enum bounces_by by)
{
    return by == BOUNCES_BY_GROUP ? row->id : word_of(row, by);
}

/* ---- words that name nothing ---- */

struct knowing {
    const struct bounces_question *question;
    bool network, listener, key, team;
};

static bool note_group(void *context, int64_t slot, const struct bounce_group *group)
{
    struct knowing *knowing = context;
    const struct bounces_question *question = knowing->question;
    (void)slot;
    knowing->network = knowing->network || is(question->network_name, group->network);
    knowing->listener = knowing->listener || is(question->listener, group->listener);
    knowing->key = knowing->key || is(question->key_id, group->key_id);
    knowing->team = knowing->team || is(question->team, group->team);
    return true;
}

static bool note_network(void *context, int64_t slot, const struct bounce_network *network)
{
    struct knowing *knowing = context;
    (void)slot;
    knowing->network = knowing->network || is(knowing->question->network_name, network->network);
    return true;
}

static void note_team(void *context, const struct stored_team *team)
{
    *(bool *)context = true;
}

static void note_key(void *context, const struct stored_key *key)
{
    *(bool *)context = true;
}

enum error bounces_find_unknown(struct store *store, const struct bounces_question *question,
                                const char **member)
{
    struct knowing knowing = {
        .question = question,
        .network = text_empty(question->network_name),
        .listener = text_empty(question->listener),
        .key = text_empty(question->key_id),
        .team = text_empty(question->team),
    };
    enum error error = bounces_read_networks(store, note_network, &knowing);
    if (!error)
        error = bounces_read_groups(store, note_group, &knowing);
    if (!error && !knowing.team)
        error = teams_find(store, question->team, note_team, &knowing.team);
    if (!error || error == ERROR_NOT_FOUND)
        error = knowing.key ? ERROR_OK : keys_find(store, question->key_id, note_key, &knowing.key);
    *member = !knowing.team       ? "team"
              : !knowing.key      ? "key"
              : !knowing.network  ? "network"
              : !knowing.listener ? "listener"
                                  : NULL;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* ---- what helps ---- */

static const struct {
    struct text code, advice;
} fixes[] = {
#define FIX(code, advice) {TEXT_INIT(code), TEXT_INIT(advice)},
#include "tables/bounce_fixes.def"
#undef FIX
};

static const struct text knocks[] = {
#define KNOCK(name, code) TEXT_INIT(code),
#include "tables/knocks.def"
#undef KNOCK
};

struct nearest {
    struct text wanted, word;
    size_t limit;
};

static bool look_at_reason(struct nearest *nearest, struct text word)
{
    size_t distance = text_edit_distance(nearest->wanted, word, nearest->limit);

    if (distance <= nearest->limit && (text_empty(nearest->word) || distance < nearest->limit)) {
        nearest->word = word;
        nearest->limit = distance;
    }
    return text_equal(nearest->wanted, word);
}

bool bounces_knows_reason(struct text reason, struct text *nearest)
{
    struct nearest found = {.wanted = reason, .limit = config_near_limit(reason)};
    bool known = false;

    for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
        known |= look_at_reason(&found, refusal_row((enum refusal)i)->code);
    for (size_t i = 0; i < ARRAY_LENGTH(knocks); i++)
        known |= look_at_reason(&found, knocks[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(fixes); i++)
        known |= look_at_reason(&found, fixes[i].code);
    *nearest = found.word;
    return known;
}

struct text bounces_fix(const struct bounce_group *group)
{
    if (group->kind == BOUNCE_OTHERS)
        return TEXT(
            "Many sources with few calls each. Where they are yours, name their networks in "
            "the configuration, so that they are told apart.");
    for (size_t i = 0; i < ARRAY_LENGTH(fixes); i++) {
        if (text_equal(fixes[i].code, text_from(group->reason)))
            return fixes[i].advice;
    }
    if (group->status >= 500)
        return TEXT("The gateway could not take the call: its log says why.");
    return TEXT("Their requests are malformed: what the caller was told is in docs/errors.md under "
                "that code.");
}

/* ---- as JSON ---- */

static void write_word(struct json_writer *json, const char *name, const char *word)
{
    json_member_text(json, name, word[0] ? text_from(word) : text_of(NULL, 0));
}

static void write_moment(struct json_writer *json, const char *name, uint64_t time)
{
    char moment[CLOCK_RFC3339_SIZE];
    size_t length = time ? clock_format_rfc3339(time, moment) : 0;
    json_member_text(json, name, text_of(time ? moment : NULL, length));
}

bool bounces_is_no_id(const struct identifier *id)
{
    static const struct identifier none;
    return memcmp(id, &none, sizeof none) == 0;
}

static void write_id(struct json_writer *json, const char *name, struct identifier id)
{
    char text[IDENTIFIER_TEXT_LENGTH];
    identifier_format(id, text);
    json_member_text(json, name, text_of(bounces_is_no_id(&id) ? NULL : text, sizeof text));
}

void bounces_write_row(struct json_writer *json, const struct bounces_row *row)
{
    const struct bounce_group *group = &row->group;
    json_begin_object(json);
    write_word(json, "id", row->id);
    write_word(json, "network", group->network);
    write_word(json, "reason", group->reason);
    json_member_bool(json, "observed", group->observed);
    write_word(json, "rule", group->rule);
    write_word(json, "listener", group->listener);
    write_word(json, "key", group->key_id);
    write_word(json, "team", group->team);
    write_word(json, "claimed_key", group->claimed);
    json_member_bool(json, "others", group->kind == BOUNCE_OTHERS);
    json_member_unsigned(json, "groups", row->groups);
    json_member_unsigned(json, "calls", row->calls);
    json_member_unsigned(json, "calls_error", row->error);
    write_moment(json, "first_seen_at", group->first_at);
    write_moment(json, "last_seen_at", group->last_at);
    write_moment(json, "last_good_at", row->last_good_at);
    json_member_signed(json, "last_status", group->status);
    write_word(json, "last_source", group->source);
    write_word(json, "last_model", group->model);
    write_word(json, "last_user_agent", group->user_agent);
    write_id(json, "first_request_id", group->first_id);
    write_id(json, "last_request_id", group->last_id);
    json_member_text(json, "advice", group->reason[0] ? bounces_fix(group) : text_of(NULL, 0));
    json_end_object(json);
}
