/* The call's side, first part: lists of models, limits, settling.
 *
 *   empty ──policy_admit──▶ open (allowed: limits of calls taken; refused: limits only referenced)
 *   open ──policy_hold_tokens──▶ open (allowed: limits of tokens taken, too: tokens.c)
 *   open ──policy_reserve──▶ open, reserved (money held in budgets)
 *   open ──policy_settle──▶ empty
 *
 * Invariants: each limit and period that a hold points to has been told so (`holds`), so that it
 * is not freed. What a refused call had taken was given back before the refusal is returned: a call
 * takes from all limits, or from none. */
#include <yyjson.h>

#include "base/ensure.h"
#include "policy/parts.h"

/* ------------------------------------------------------------------ whom the rules are about */

struct text policy_copy(struct policy_hold *hold, struct text text)
{
    return text_empty(text) ? (struct text){0} : arena_copy(hold->arena, text);
}

struct policy_subject policy_copy_subject(struct policy_hold *hold,
                                          const struct policy_subject *subject)
{
    return (struct policy_subject){subject->scope, policy_copy(hold, subject->name),
                                   policy_copy(hold, subject->value)};
}

void policy_note(struct policy_hold *hold, enum policy_reason reason, struct text id,
                 int64_t output_tokens)
{
    struct policy_observed *observed = arena_take(hold->arena, sizeof *observed);
    if (observed == NULL)
        return;
    *observed =
        (struct policy_observed){reason, policy_copy(hold, id), output_tokens, hold->observed};
    hold->observed = observed;
}

static struct text text_of_json(yyjson_val *value)
{
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

/* Once per call, and only when some rule is about a tag. */
static bool read_tags(struct policy_hold *hold)
{
    struct text json = hold->call.tags;
    hold->tags_read = true;
    if (text_empty(json))
        return true;
    size_t size = yyjson_read_max_memory_usage(json.length, YYJSON_READ_NOFLAG);
    char *memory = arena_take(hold->arena, size);
    struct text *tags = arena_take(hold->arena, 2 * POLICY_TAGS_MAX * sizeof *tags);
    if (memory == NULL || tags == NULL)
        return false;
    yyjson_alc allocator;
    yyjson_alc_pool_init(&allocator, memory, size);
    /* Nothing is written through that pointer without YYJSON_READ_INSITU. */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)json.data, json.length,
                                            YYJSON_READ_NOFLAG, &allocator, NULL);
    yyjson_val *name;
    yyjson_obj_iter iterator = yyjson_obj_iter_with(yyjson_doc_get_root(document));
    while ((name = yyjson_obj_iter_next(&iterator)) != NULL && hold->tag_count < POLICY_TAGS_MAX) {
        yyjson_val *value = yyjson_obj_iter_get_val(name);
        if (!yyjson_is_str(value))
            continue;
        tags[hold->tag_count * 2] = text_of_json(name);
        tags[hold->tag_count * 2 + 1] = text_of_json(value);
        hold->tag_count++;
    }
    hold->tags = tags;
    return true;
}

static void add_subject(const struct subject_rules *rules, const struct subject_rules **out,
                        size_t *count)
{
    if (rules != NULL)
        out[(*count)++] = rules;
}

/* Those who are known by one name: their rules come from memory together, not one after the other.
 */
static void add_named(const struct snapshot *snapshot, const struct policy_call *call,
                      bool with_model, const struct subject_rules **out, size_t *count)
{
    const struct text names[] = {call->team, call->key, with_model ? call->model : TEXT("")};
    static const enum policy_scope scopes[] = {POLICY_TEAM, POLICY_KEY, POLICY_MODEL};
    uint64_t hashes[ARRAY_LENGTH(scopes)];
    for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++) {
        hashes[i] = snapshot_hash(scopes[i], names[i], (struct text){0});
        snapshot_prefetch(snapshot, hashes[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++)
        snapshot_prefetch_rules(snapshot, hashes[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++) {
        if (text_empty(names[i]))
            continue;
        const struct subject_rules *rules =
            snapshot_find_hashed(snapshot, hashes[i], scopes[i], names[i], (struct text){0});
        if (rules != NULL && !rules->is_pattern)
            add_subject(rules, out, count);
    }
    for (size_t i = 0; with_model && i < snapshot->pattern_count; i++) {
        if (text_matches_pattern(call->model, snapshot->patterns[i]->subject.name))
            add_subject(snapshot->patterns[i], out, count);
    }
}

static bool add_own(struct policy_hold *hold, const struct subject_rules **out, size_t *count)
{
    const struct subject_rules *rules =
        own_limits_find(hold->policy->own_limits, &hold->call, hold->arena);
    add_subject(rules, out, count);
    return rules != NULL;
}

bool policy_find_subjects(const struct snapshot *snapshot, struct policy_hold *hold,
                          bool with_model, const struct subject_rules **out, size_t *count)
{
    *count = 0;
    add_subject(snapshot->organisation, out, count);
    add_named(snapshot, &hold->call, with_model && !text_empty(hold->call.model), out, count);
    if (hold->call.own_limit_count > 0 && !add_own(hold, out, count))
        return false;
    if (!snapshot->has_tags)
        return true;
    if (!hold->tags_read && !read_tags(hold))
        return false;
    for (size_t i = 0; i < hold->tag_count; i++)
        add_subject(snapshot_find(snapshot, POLICY_TAG, hold->tags[2 * i], hold->tags[2 * i + 1]),
                    out, count);
    return true;
}

/* ------------------------------------------------------------------ models */

/* The list that forbids the model; NULL: none does. */
static const struct policy_models *find_forbidding(const struct subject_rules *const subjects[],
                                                   size_t count, struct text model)
{
    for (size_t i = 0; i < count; i++) {
        const struct policy_models *models = subjects[i]->models;
        if (models != NULL && !model_rules_allow(&models->rules, model))
            return models;
    }
    return NULL;
}

static bool is_denied(const struct model_rules *rules, struct text model)
{
    struct model_rules denials = *rules;
    denials.listed = false;
    return !model_rules_allow(&denials, model);
}

static bool refuse_model(struct policy_hold *hold, const struct subject_rules *const subjects[],
                         size_t count, struct policy_why *why)
{
    if (text_empty(hold->call.model))
        return false;
    const struct policy_models *models = find_forbidding(subjects, count, hold->call.model);
    if (models == NULL)
        return false;
    *why = (struct policy_why){.reason = POLICY_REASON_MODEL,
                               .subject = policy_copy_subject(hold, &models->subject),
                               .denied = is_denied(&models->rules, hold->call.model)};
    return true;
}

#define MODEL_SUBJECTS_MAX 3u /* organisation, team, key */

/* Who has lists of models for this caller. */
static size_t find_model_subjects(struct policy *policy, struct text team, struct text key,
                                  const struct subject_rules *subjects[MODEL_SUBJECTS_MAX])
{
    const struct snapshot *snapshot = policy_snapshot(policy);
    const struct text nothing = {0};
    size_t count = 0;
    add_subject(snapshot->organisation, subjects, &count);
    add_subject(snapshot_find(snapshot, POLICY_TEAM, team, nothing), subjects, &count);
    add_subject(snapshot_find(snapshot, POLICY_KEY, key, nothing), subjects, &count);
    return count;
}

bool policy_allows_model(struct policy *policy, struct text team, struct text key,
                         struct text model)
{
    const struct subject_rules *subjects[MODEL_SUBJECTS_MAX];
    size_t count = find_model_subjects(policy, team, key, subjects);
    return find_forbidding(subjects, count, model) == NULL;
}

bool policy_has_team(struct policy *policy, struct text team)
{
    return snapshot_has_team(policy_snapshot(policy), team);
}

bool policy_restricts_models(struct policy *policy, struct text team, struct text key)
{
    const struct subject_rules *subjects[MODEL_SUBJECTS_MAX];
    size_t count = find_model_subjects(policy, team, key, subjects);
    for (size_t i = 0; i < count; i++) {
        if (subjects[i]->models != NULL && model_rules_restrict(&subjects[i]->models->rules))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ networks, contacts */

static const struct network_rules *networks_of(const struct snapshot *snapshot,
                                               enum policy_scope scope, struct text name)
{
    const struct subject_rules *rules =
        text_empty(name) ? NULL : snapshot_find(snapshot, scope, name, (struct text){0});
    return rules != NULL ? rules->networks : NULL;
}

void policy_find_networks(struct policy *policy, struct text team, struct text key,
                          const struct network_rules *lists[POLICY_NETWORK_LISTS])
{
    const struct snapshot *snapshot = policy_snapshot(policy);
    lists[POLICY_NETWORK_TEAM] = lists[POLICY_NETWORK_KEY] = NULL;
    if (!snapshot->has_networks)
        return;
    lists[POLICY_NETWORK_TEAM] = networks_of(snapshot, POLICY_TEAM, team);
    lists[POLICY_NETWORK_KEY] = networks_of(snapshot, POLICY_KEY, key);
}

struct text policy_find_contact(struct policy *policy, struct text team, struct arena *arena)
{
    const struct subject_rules *rules =
        text_empty(team)
            ? NULL
            : snapshot_find(policy_snapshot(policy), POLICY_TEAM, team, (struct text){0});
    return rules != NULL && !text_empty(rules->contact) ? arena_copy(arena, rules->contact)
                                                        : (struct text){0};
}

/* ------------------------------------------------------------------ limits */

static void give_limits_back(struct policy_hold *hold)
{
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        struct policy_limit_hold *entry = &hold->limits[i];
        if (entry->counted)
            limit_correct(entry->counter, entry->slot, -entry->taken);
        entry->counted = false;
    }
}

/* Of the limits that would refuse, the one that does so longest. */
static void explain_limit(struct policy_hold *hold, const struct limit_line *const lines[],
                          struct policy_why *why)
{
    const struct limit_line *worst = NULL;
    uint64_t longest = 0;
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        const struct limit_line *line = lines[i];
        if (line->mode != POLICY_ENFORCE || policy_is_of_tokens(line->kind) ||
            limit_used(line->counter, hold->call.now) < line->amount)
            continue;
        uint64_t wait = limit_wait(line->counter, 1, line->amount, hold->call.now);
        if (worst == NULL || wait > longest) {
            worst = line;
            longest = wait;
        }
    }
    if (worst == NULL) /* another thread gave back in between: name the one that failed */
        worst = lines[0];
    const struct policy_limit *limit = &worst->rule->limit;
    *why = (struct policy_why){
        .reason = POLICY_REASON_LIMIT,
        .subject = policy_copy_subject(hold, &limit->subject),
        .id = policy_copy(hold, limit->id),
        .name = policy_copy(hold, limit->name),
        .kind = limit->kind,
        .amount = limit->amount,
        .remaining = policy_left(limit->amount, limit_used(worst->counter, hold->call.now)),
        .asked = 1,
        .window = limit->window,
        .retry_after = longest};
}

static bool take_limit(struct policy_hold *hold, const struct limit_line *line,
                       struct policy_limit_hold *entry)
{
    bool binds = line->mode == POLICY_ENFORCE;
    if (policy_is_of_tokens(line->kind)) {
        hold->counts_tokens = true;
        return true;
    }
    if (!binds && limit_used(line->counter, hold->call.now) >= line->amount)
        policy_note(hold, POLICY_REASON_LIMIT, line->rule->limit.id, 0);
    entry->taken = 1;
    entry->counted =
        limit_take(line->counter, 1, line->amount, binds, hold->call.now, &entry->slot);
    return entry->counted;
}

/* Counters of a key that was silent for a while come from memory: all at once instead of one after
 * the other. */
static void fetch_counters(const struct subject_rules *const subjects[], size_t count, uint64_t now)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < subjects[i]->budget_count; j++)
            __builtin_prefetch(subjects[i]->budgets[j].account);
        for (size_t j = 0; j < subjects[i]->limit_count; j++)
            limit_prefetch(subjects[i]->limits[j].counter, subjects[i]->limits[j].slot_rate, now);
    }
}

/* When the accounts have come: what policy_reserve will look at. */
static void fetch_periods(const struct subject_rules *const subjects[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < subjects[i]->budget_count; j++)
            account_prefetch(subjects[i]->budgets[j].account);
    }
}

/* One entry a rule, each telling its counter. False: the arena is at its end. */
static bool open_limits(struct policy_hold *hold, const struct subject_rules *const subjects[],
                        size_t count, const struct limit_line ***lines)
{
    uint32_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        total += subjects[i]->limit_count;
    fetch_counters(subjects, count, hold->call.now);
    if (total == 0)
        return true;
    hold->limits = arena_take(hold->arena, total * sizeof *hold->limits);
    *lines = arena_take(hold->arena, total * sizeof **lines);
    if (hold->limits == NULL || *lines == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < subjects[i]->limit_count; j++) {
            const struct limit_line *line = &subjects[i]->limits[j];
            atomic_fetch_add_explicit(&line->counter->holds, 1, memory_order_relaxed);
            hold->limits[at] = (struct policy_limit_hold){.counter = line->counter,
                                                          .kind = line->kind,
                                                          .mode = line->mode,
                                                          .amount = line->amount};
            (*lines)[at++] = line;
        }
    }
    hold->limit_count = total;
    return true;
}

/* From all, or from none: then false. */
static bool take_limits(struct policy_hold *hold, const struct limit_line *lines[],
                        struct policy_why *why)
{
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        if (take_limit(hold, lines[i], &hold->limits[i]))
            continue;
        const struct limit_line *failed = lines[i];
        give_limits_back(hold);
        lines[i] = lines[0]; /* the one that failed goes first: see explain_limit */
        lines[0] = failed;
        explain_limit(hold, lines, why);
        return false;
    }
    return true;
}

enum policy_verdict policy_admit(struct policy *policy, const struct policy_call *call,
                                 struct arena *arena, struct policy_hold *hold,
                                 struct policy_why *why)
{
    const struct snapshot *snapshot = policy_snapshot(policy);
    const struct subject_rules *subjects[SUBJECTS_MAX];
    const struct limit_line **lines = NULL;
    size_t count;
    *hold = (struct policy_hold){.policy = policy, .arena = arena, .call = *call, .open = true};
    if (!policy_find_subjects(snapshot, hold, true, subjects, &count) ||
        !open_limits(hold, subjects, count, &lines))
        return POLICY_NO_MEMORY;
    if (refuse_model(hold, subjects, count, why))
        return POLICY_REFUSED;
    if (lines != NULL && !take_limits(hold, lines, why))
        return POLICY_REFUSED;
    fetch_periods(subjects, count);
    return POLICY_ALLOWED;
}

static void offer_rate(struct policy_rate *rate, const struct policy_limit_hold *entry,
                       uint64_t now)
{
    int64_t remaining = policy_left(entry->amount, limit_used(entry->counter, now));
    if (rate->applies && remaining >= rate->remaining)
        return;
    *rate = (struct policy_rate){true, entry->amount, remaining, limit_reset(entry->counter, now)};
}

void policy_rates(struct policy_hold *hold, uint64_t now, struct policy_rates *rates)
{
    *rates = (struct policy_rates){0};
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        const struct policy_limit_hold *entry = &hold->limits[i];
        if (entry->mode != POLICY_ENFORCE || entry->kind == POLICY_CONCURRENT)
            continue;
        offer_rate(entry->kind == POLICY_REQUESTS ? &rates->requests : &rates->tokens, entry, now);
    }
}

/* ------------------------------------------------------------------ settling */

/* What a call that has ended counts for. */
static int64_t used_by(enum policy_limit_kind kind, const struct policy_actual *actual)
{
    int64_t input = policy_counts_input(kind) ? policy_clamp_tokens(actual->input_tokens) : 0;
    int64_t output = policy_counts_output(kind) ? policy_clamp_tokens(actual->output_tokens) : 0;
    return input + output;
}

static void settle_limit(struct policy_limit_hold *entry, const struct policy_actual *actual)
{
    int64_t kept = entry->taken;
    if (policy_is_of_tokens(entry->kind)) {
        limit_note_held(entry->counter, -entry->taken);
        if (actual->tokens_known)
            kept = used_by(entry->kind, actual);
    } else if (entry->kind == POLICY_CONCURRENT) {
        kept = 0;
    }
    limit_correct(entry->counter, entry->slot, kept - entry->taken);
}

static void settle_limits(struct policy_hold *hold, const struct policy_actual *actual)
{
    for (uint32_t i = 0; i < hold->limit_count; i++) {
        struct policy_limit_hold *entry = &hold->limits[i];
        if (entry->counted)
            settle_limit(entry, actual);
        atomic_fetch_sub_explicit(&entry->counter->holds, 1, memory_order_release);
    }
}

static void settle_budgets(struct policy_hold *hold, const struct policy_actual *actual)
{
    for (uint32_t i = 0; i < hold->budget_count; i++) {
        struct policy_budget_hold *entry = &hold->budgets[i];
        money cost = 0;
        if (actual->state == POLICY_COST_KNOWN)
            cost = actual->cost < 0 ? 0 : actual->cost;
        else if (actual->state == POLICY_COST_UNKNOWN)
            cost = entry->held;
        account_settle(entry->account, entry->period, hold->call.wall, entry->held, cost);
        atomic_fetch_sub_explicit(&entry->period->holds, 1, memory_order_release);
    }
}

/* Limits of tokens that apply, as they are now; nobody asked them before, and it is spent. */
static void count_extra(struct policy_hold *hold, const struct policy_actual *actual)
{
    const struct subject_rules *subjects[SUBJECTS_MAX];
    size_t count;
    uint64_t slot;
    if (!policy_find_subjects(policy_snapshot(hold->policy), hold, true, subjects, &count))
        return; /* no memory is left for the tags: their subjects are not known */
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < subjects[i]->limit_count; j++) {
            const struct limit_line *line = &subjects[i]->limits[j];
            if (policy_is_of_tokens(line->kind))
                ensure(limit_take(line->counter, used_by(line->kind, actual), line->amount, false,
                                  hold->call.now, &slot)); /* what does not bind is taken */
        }
}

void policy_settle(struct policy_hold *hold, const struct policy_actual *actual)
{
    if (!hold->open)
        return;
    if (hold->extra && actual->tokens_known && actual->input_tokens + actual->output_tokens > 0)
        count_extra(hold, actual);
    settle_limits(hold, actual);
    settle_budgets(hold, actual);
    *hold = (struct policy_hold){0};
}
