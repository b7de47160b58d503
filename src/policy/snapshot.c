#include "policy/snapshot.h"

#include "base/ensure.h"

/* Of a million rules with a kilobyte each. */
#define SNAPSHOT_BYTES_MAX ((size_t)1 << 30)

struct making {
    struct snapshot *snapshot;
    const struct policy_definition *definition;
    char *problem;
    size_t problem_size;
};

static enum error complain(const struct making *making, const char *kind, struct text id,
                           const char *reason)
{
    snprintf(making->problem, making->problem_size, "%s %.*s: %s", kind, TEXT_ARG(id), reason);
    return ERROR_ARGUMENT;
}

/* ------------------------------------------------------------------ the hash tables */

static bool open_index(struct arena *arena, struct snapshot_index *index, size_t items)
{
    size_t places = 16;
    while (places < items * 2)
        places *= 2;
    index->places = arena_take_zeroed(arena, places * sizeof *index->places);
    index->mask = places - 1;
    return index->places != NULL;
}

/* Names are an administrator's: a caller cannot put colliding ones into the table. */
uint64_t snapshot_hash(enum policy_scope scope, struct text name, struct text value)
{
    uint64_t hash = text_hash(name) ^ ((uint64_t)scope + 1) * 0x9e3779b97f4a7c15u;
    if (!text_empty(value))
        hash ^= (text_hash(value) << 21 | text_hash(value) >> 43) * 0xff51afd7ed558ccdu;
    return hash ^ hash >> 32;
}

static bool is_subject(const struct subject_rules *rules, enum policy_scope scope, struct text name,
                       struct text value)
{
    return rules->subject.scope == scope && text_equal(rules->subject.name, name) &&
           text_equal(rules->subject.value, value);
}

/* The place of the subject, or the free one where it would be. */
static struct snapshot_place *find_place(const struct snapshot_index *index, uint64_t hash,
                                         enum policy_scope scope, struct text name,
                                         struct text value)
{
    size_t at = (size_t)hash & index->mask;
    while (
        index->places[at].item != NULL &&
        !(index->places[at].hash == hash && is_subject(index->places[at].item, scope, name, value)))
        at = (at + 1) & index->mask;
    return &index->places[at];
}

const struct subject_rules *snapshot_find_hashed(const struct snapshot *snapshot, uint64_t hash,
                                                 enum policy_scope scope, struct text name,
                                                 struct text value)
{
    return find_place(&snapshot->subjects, hash, scope, name, value)->item;
}

const struct subject_rules *snapshot_find(const struct snapshot *snapshot, enum policy_scope scope,
                                          struct text name, struct text value)
{
    return snapshot_find_hashed(snapshot, snapshot_hash(scope, name, value), scope, name, value);
}

/* An index by id: the id's place in the item is told by the caller. */
static struct snapshot_place *find_id_place(const struct snapshot_index *index, struct text id,
                                            struct text (*id_of)(const void *item))
{
    uint64_t hash = text_hash(id);
    size_t at = (size_t)(hash ^ hash >> 32) & index->mask;
    while (index->places[at].item != NULL &&
           !(index->places[at].hash == hash && text_equal(id_of(index->places[at].item), id)))
        at = (at + 1) & index->mask;
    return &index->places[at];
}

static struct text budget_id(const void *item)
{
    return ((const struct budget_rule *)item)->budget.id;
}

static struct text limit_id(const void *item)
{
    return ((const struct limit_rule *)item)->limit.id;
}

static struct text team_name(const void *item)
{
    return *(const struct text *)item;
}

bool snapshot_has_team(const struct snapshot *snapshot, struct text name)
{
    return find_id_place(&snapshot->teams, name, team_name)->item != NULL;
}

struct budget_rule *snapshot_find_budget(const struct snapshot *snapshot, struct text id)
{
    return find_id_place(&snapshot->budget_ids, id, budget_id)->item;
}

struct limit_rule *snapshot_find_limit(const struct snapshot *snapshot, struct text id)
{
    return find_id_place(&snapshot->limit_ids, id, limit_id)->item;
}

/* ------------------------------------------------------------------ copies */

static bool copy_text(struct arena *arena, struct text *text)
{
    if (text_empty(*text)) {
        *text = (struct text){0};
        return true;
    }
    *text = arena_copy(arena, *text);
    return text->data != NULL;
}

static bool copy_subject(struct arena *arena, struct policy_subject *subject)
{
    return copy_text(arena, &subject->name) && copy_text(arena, &subject->value);
}

static const struct text *copy_texts(struct arena *arena, const struct text *texts, size_t count)
{
    struct text *copies = arena_take(arena, count * sizeof *copies);
    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = texts[i];
        if (!copy_text(arena, &copies[i]))
            return NULL;
    }
    return copies;
}

/* ------------------------------------------------------------------ making */

/* The rules about that subject, made when there are none yet. NULL: memory is short. */
static struct subject_rules *rules_of(struct making *making, const struct policy_subject *subject)
{
    struct snapshot *snapshot = making->snapshot;
    uint64_t hash = snapshot_hash(subject->scope, subject->name, subject->value);
    struct snapshot_place *place =
        find_place(&snapshot->subjects, hash, subject->scope, subject->name, subject->value);
    if (place->item != NULL)
        return place->item;
    struct subject_rules *rules = arena_take_zeroed(&snapshot->arena, sizeof *rules);
    if (rules == NULL)
        return NULL;
    rules->subject = *subject;
    *place = (struct snapshot_place){hash, rules};
    snapshot->has_tags = snapshot->has_tags || subject->scope == POLICY_TAG;
    if (subject->scope == POLICY_ORGANISATION)
        snapshot->organisation = rules;
    if (subject->scope == POLICY_MODEL && text_find_char(subject->name, '*') >= 0) {
        rules->is_pattern = true;
        if (snapshot->pattern_count < POLICY_PATTERNS_MAX)
            snapshot->patterns[snapshot->pattern_count] = rules;
        snapshot->pattern_count++;
    }
    return rules;
}

static enum error add_models(struct making *making, const struct policy_models *models)
{
    const char *problem = policy_models_problem(models);
    if (problem != NULL)
        return complain(making, "models of", models->subject.name, problem);
    struct arena *arena = &making->snapshot->arena;
    struct policy_models *copy = arena_take(arena, sizeof *copy);
    if (copy == NULL)
        return ERROR_MEMORY;
    *copy = *models;
    copy->rules.allowed = copy_texts(arena, models->rules.allowed, models->rules.allowed_count);
    copy->rules.denied = copy_texts(arena, models->rules.denied, models->rules.denied_count);
    if (copy->rules.allowed == NULL || copy->rules.denied == NULL ||
        !copy_subject(arena, &copy->subject))
        return ERROR_MEMORY;
    struct subject_rules *rules = rules_of(making, &copy->subject);
    if (rules == NULL)
        return ERROR_MEMORY;
    if (rules->models != NULL)
        return complain(making, "models of", models->subject.name, "it has two lists");
    rules->models = copy;
    return ERROR_OK;
}

static enum error add_networks(struct making *making, const struct policy_networks *networks)
{
    struct snapshot *snapshot = making->snapshot;
    struct policy_subject subject = networks->subject;
    if (!copy_subject(&snapshot->arena, &subject))
        return ERROR_MEMORY;
    struct subject_rules *rules = rules_of(making, &subject);
    if (rules == NULL)
        return ERROR_MEMORY;
    if (rules->networks != NULL)
        return complain(making, "networks of", networks->subject.name, "it has two lists");
    struct network_rules *made = network_rules_create(networks->rules, networks->rule_count);
    if (made == NULL)
        return ERROR_MEMORY;
    snapshot->networks[snapshot->network_count++] = made;
    snapshot->has_networks = true;
    rules->networks = made;
    return ERROR_OK;
}

static enum error add_contact(struct making *making, const struct policy_contact *contact)
{
    struct arena *arena = &making->snapshot->arena;
    struct policy_subject subject = {.scope = POLICY_TEAM, .name = contact->team};
    if (!copy_subject(arena, &subject))
        return ERROR_MEMORY;
    struct subject_rules *rules = rules_of(making, &subject);
    if (rules == NULL)
        return ERROR_MEMORY;
    rules->contact = contact->contact;
    return copy_text(arena, &rules->contact) ? ERROR_OK : ERROR_MEMORY;
}

static enum error add_budget(struct making *making, const struct policy_budget *budget,
                             struct budget_rule *rule)
{
    struct arena *arena = &making->snapshot->arena;
    const char *problem = policy_budget_problem(budget);
    if (problem != NULL)
        return complain(making, "budget", budget->id, problem);
    struct snapshot_place *place =
        find_id_place(&making->snapshot->budget_ids, budget->id, budget_id);
    if (place->item != NULL)
        return complain(making, "budget", budget->id, "two have that id");
    *rule = (struct budget_rule){.budget = *budget};
    uint16_t *thresholds = arena_take(arena, budget->threshold_count * sizeof *thresholds);
    if (thresholds == NULL || !copy_subject(arena, &rule->budget.subject) ||
        !copy_text(arena, &rule->budget.id) || !copy_text(arena, &rule->budget.name) ||
        !copy_text(arena, &rule->budget.zone))
        return ERROR_MEMORY;
    if (budget->threshold_count > 0)
        memcpy(thresholds, budget->thresholds, budget->threshold_count * sizeof *thresholds);
    rule->budget.thresholds = thresholds;
    *place = (struct snapshot_place){text_hash(budget->id), rule};
    struct subject_rules *rules = rules_of(making, &rule->budget.subject);
    if (rules == NULL)
        return ERROR_MEMORY;
    if (rules->budget_count == UINT16_MAX)
        return complain(making, "budget", budget->id, "too many are for the same");
    rule->next = rules->first_budget;
    rules->first_budget = rule;
    rules->budget_count++;
    return ERROR_OK;
}

static enum error add_limit(struct making *making, const struct policy_limit *limit,
                            struct limit_rule *rule)
{
    struct arena *arena = &making->snapshot->arena;
    const char *problem = policy_limit_problem(limit);
    if (problem != NULL)
        return complain(making, "limit", limit->id, problem);
    struct snapshot_place *place = find_id_place(&making->snapshot->limit_ids, limit->id, limit_id);
    if (place->item != NULL)
        return complain(making, "limit", limit->id, "two have that id");
    *rule = (struct limit_rule){.limit = *limit};
    if (!copy_subject(arena, &rule->limit.subject) || !copy_text(arena, &rule->limit.id) ||
        !copy_text(arena, &rule->limit.name))
        return ERROR_MEMORY;
    *place = (struct snapshot_place){text_hash(limit->id), rule};
    struct subject_rules *rules = rules_of(making, &rule->limit.subject);
    if (rules == NULL)
        return ERROR_MEMORY;
    if (rules->limit_count == UINT16_MAX)
        return complain(making, "limit", limit->id, "too many are for the same");
    rule->next = rules->first_limit;
    rules->first_limit = rule;
    rules->limit_count++;
    return ERROR_OK;
}

static enum error add_teams(struct making *making)
{
    const struct policy_definition *definition = making->definition;
    struct text *names = (struct text *)copy_texts(&making->snapshot->arena, definition->teams,
                                                   definition->team_count);
    if (names == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < definition->team_count; i++)
        *find_id_place(&making->snapshot->teams, names[i], team_name) =
            (struct snapshot_place){text_hash(names[i]), &names[i]};
    return ERROR_OK;
}

static bool open_tables(struct making *making)
{
    const struct policy_definition *definition = making->definition;
    struct snapshot *snapshot = making->snapshot;
    struct arena *arena = &snapshot->arena;
    snapshot->limits = arena_take(arena, definition->limit_count * sizeof *snapshot->limits);
    snapshot->budgets = arena_take(arena, definition->budget_count * sizeof *snapshot->budgets);
    snapshot->patterns = arena_take(arena, POLICY_PATTERNS_MAX * sizeof(struct subject_rules *));
    snapshot->networks =
        arena_take(arena, (definition->network_count + 1) * sizeof(struct network_rules *));
    return snapshot->limits != NULL && snapshot->budgets != NULL && snapshot->patterns != NULL &&
           snapshot->networks != NULL &&
           open_index(arena, &snapshot->budget_ids, definition->budget_count) &&
           open_index(arena, &snapshot->limit_ids, definition->limit_count) &&
           open_index(arena, &snapshot->teams, definition->team_count) &&
           open_index(arena, &snapshot->subjects,
                      definition->model_count + definition->budget_count + definition->limit_count +
                          definition->network_count + definition->contact_count);
}

static enum error fill(struct making *making)
{
    const struct policy_definition *definition = making->definition;
    struct snapshot *snapshot = making->snapshot;
    enum error error = open_tables(making) ? ERROR_OK : ERROR_MEMORY;
    for (size_t i = 0; error == ERROR_OK && i < definition->model_count; i++)
        error = add_models(making, &definition->models[i]);
    for (size_t i = 0; error == ERROR_OK && i < definition->budget_count; i++)
        error = add_budget(making, &definition->budgets[i],
                           &snapshot->budgets[snapshot->budget_count++]);
    for (size_t i = 0; error == ERROR_OK && i < definition->limit_count; i++)
        error =
            add_limit(making, &definition->limits[i], &snapshot->limits[snapshot->limit_count++]);
    for (size_t i = 0; error == ERROR_OK && i < definition->network_count; i++)
        error = add_networks(making, &definition->networks[i]);
    for (size_t i = 0; error == ERROR_OK && i < definition->contact_count; i++)
        error = add_contact(making, &definition->contacts[i]);
    if (error == ERROR_OK)
        error = add_teams(making);
    if (error == ERROR_OK && snapshot->pattern_count > POLICY_PATTERNS_MAX) {
        snprintf(making->problem, making->problem_size, "limits on more than %u patterns of models",
                 POLICY_PATTERNS_MAX);
        error = ERROR_LIMIT;
    }
    return error;
}

/* ------------------------------------------------------------------ finishing */

static void write_limits(const struct subject_rules *rules, struct limit_line *lines)
{
    for (const struct limit_rule *rule = rules->first_limit; rule != NULL; rule = rule->next)
        *lines++ = (struct limit_line){.counter = rule->counter,
                                       .rule = rule,
                                       .amount = rule->limit.amount,
                                       .slot_rate = limit_slot_rate(rule->limit.window),
                                       .kind = rule->limit.kind,
                                       .mode = rule->limit.mode};
}

static void write_budgets(const struct subject_rules *rules, struct budget_line *lines)
{
    for (const struct budget_rule *rule = rules->first_budget; rule != NULL; rule = rule->next) {
        const struct policy_budget *budget = &rule->budget;
        *lines++ =
            (struct budget_line){.account = rule->account,
                                 .rule = rule,
                                 .cap = budget->cap,
                                 .raised_cap = budget->raised_cap,
                                 .raised_until = budget->raised_until,
                                 .binds = !budget->soft && budget->mode == POLICY_ENFORCE,
                                 .observes = !budget->soft && budget->mode == POLICY_OBSERVE};
    }
}

/* NULL: memory is short. */
static struct subject_rules *gather(struct arena *arena, const struct subject_rules *rules)
{
    struct text name = rules->subject.name, value = rules->subject.value;
    size_t limits = rules->limit_count * sizeof(struct limit_line);
    size_t budgets = rules->budget_count * sizeof(struct budget_line);
    size_t size = sizeof *rules + limits + budgets + name.length + value.length;
    char *memory = arena_take(arena, size + SNAPSHOT_LINE);
    if (memory == NULL)
        return NULL;
    memory += (SNAPSHOT_LINE - (uintptr_t)memory % SNAPSHOT_LINE) % SNAPSHOT_LINE;
    struct subject_rules *gathered = (struct subject_rules *)(void *)memory;
    struct budget_line *budget_lines = (struct budget_line *)(void *)(gathered + 1);
    struct limit_line *limit_lines =
        (struct limit_line *)(void *)(budget_lines + rules->budget_count);
    char *names = (char *)(limit_lines + rules->limit_count);
    *gathered = *rules;
    gathered->limits = limit_lines;
    gathered->budgets = budget_lines;
    write_limits(rules, limit_lines);
    write_budgets(rules, budget_lines);
    gathered->subject.name = text_of(names, name.length);
    gathered->subject.value = text_of(names + name.length, value.length);
    if (name.length > 0)
        memcpy(names, name.data, name.length);
    if (value.length > 0)
        memcpy(names + name.length, value.data, value.length);
    return gathered;
}

enum error snapshot_finish(struct snapshot *snapshot)
{
    for (size_t i = 0; i <= snapshot->subjects.mask; i++) {
        struct snapshot_place *place = &snapshot->subjects.places[i];
        struct subject_rules *rules = place->item;
        if (rules == NULL)
            continue;
        struct subject_rules *gathered = gather(&snapshot->arena, rules);
        if (gathered == NULL)
            return ERROR_MEMORY;
        place->item = gathered;
        if (snapshot->organisation == rules)
            snapshot->organisation = gathered;
        for (size_t j = 0; rules->is_pattern && j < snapshot->pattern_count; j++) {
            if (snapshot->patterns[j] == rules)
                snapshot->patterns[j] = gathered;
        }
    }
    return ERROR_OK;
}

enum error snapshot_make(const struct policy_definition *definition, char *problem,
                         size_t problem_size, struct snapshot **out)
{
    *out = NULL;
    if (definition->model_count > POLICY_RULES_MAX || definition->budget_count > POLICY_RULES_MAX ||
        definition->limit_count > POLICY_RULES_MAX ||
        definition->network_count > POLICY_RULES_MAX ||
        definition->contact_count > POLICY_RULES_MAX) {
        snprintf(problem, problem_size, "more than %u rules of a kind", POLICY_RULES_MAX);
        return ERROR_LIMIT;
    }
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return ERROR_MEMORY;
    arena_open(&snapshot->arena, NULL, SNAPSHOT_BYTES_MAX);
    struct making making = {snapshot, definition, problem, problem_size};
    enum error error = fill(&making);
    if (error == ERROR_OK)
        *out = snapshot;
    else
        snapshot_free(snapshot);
    return error;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t i = 0; i < snapshot->network_count; i++)
        network_rules_free(snapshot->networks[i]);
    arena_close(&snapshot->arena);
    free(snapshot);
}
