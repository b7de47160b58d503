#include "exchange/whoami.h"

#include "base/clock.h"
#include "codec/json.h"
#include "exchange/networks.h"
#include "exchange/scene.h"

/* Ten thousand models with aliases. */
#define ANSWER_MAXIMUM (2u << 20)

/* ---- single values ---- */

static struct text or_null(struct text text)
{
    return text.length > 0 ? text : text_of(NULL, 0);
}

static void write_moment(struct json_writer *json, const char *name, uint64_t wall)
{
    char text[CLOCK_RFC3339_SIZE];

    json_key(json, text_from(name));
    if (wall == 0 || wall == POLICY_FOREVER)
        json_null(json);
    else
        json_text(json, text_of(text, clock_format_rfc3339(wall, text)));
}

static void write_amount(struct json_writer *json, const char *name, money amount)
{
    char text[MONEY_TEXT_SIZE];

    json_member_text(json, name, text_of(text, money_format_exact(amount, text)));
}

static void write_subject(struct json_writer *json, const struct policy_subject *subject)
{
    json_member_text(json, "scope", text_from(policy_scope_name(subject->scope)));
    json_member_text(json, "of", or_null(subject->name));
    if (subject->value.length > 0)
        json_member_text(json, "value", subject->value);
}

/* ---- who, and from where ---- */

void whoami_write_place(struct exchange *exchange, struct json_writer *json)
{
    const struct record *record = &exchange->record;

    json_key(json, TEXT("source"));
    json_begin_object(json);
    json_member_text(json, "address", record->source);
    json_member_text(json, "network", or_null(record->network));
    json_member_text(json, "forwarder", or_null(record->forwarder));
    json_end_object(json);
    json_key(json, TEXT("listener"));
    json_begin_object(json);
    json_member_text(json, "name", record->listener);
    json_member_bool(json, "tls", exchange->door->tls);
    json_end_object(json);
}

static void write_principal(struct exchange *exchange, struct json_writer *json)
{
    const struct record *record = &exchange->record;

    json_key(json, TEXT("principal"));
    json_begin_object(json);
    json_member_text(json, "kind", principal_proof_name(exchange->proof));
    json_member_text(json, "id", exchange->key_id);
    json_member_text(json, "name", or_null(record->key_name));
    json_member_text(json, "team", or_null(exchange->team));
    json_key(json, TEXT("tags"));
    json_raw(json, record->tags.length > 0 ? record->tags : TEXT("{}"));
    write_moment(json, "expires_at", exchange->proof_expires);
    if (record->exchanged_key.length >
        0) /* what was sent is the key that was given for the proof */
        json_member_text(json, "exchanged_key", record->exchanged_key);
    json_end_object(json);
    json_member_text(json, "contact", or_null(scene_contact(exchange)));
}

/* ---- models ---- */

static void write_if_allowed(struct exchange *exchange, struct json_writer *json, struct text name)
{
    if (admit_allows_model(exchange, name))
        json_text(json, name);
}

/* A pattern is no name: which of the names behind it the lists let pass is seen by asking. */
static void write_models(struct exchange *exchange, struct json_writer *json)
{
    const struct config *config = exchange->upstreams->config;

    json_key(json, TEXT("models"));
    json_begin_object(json);
    json_member_bool(
        json, "restricted",
        model_rules_restrict(&exchange->models) ||
            policy_restricts_models(exchange->worker->policy, exchange->team, exchange->key_id));
    json_key(json, TEXT("allowed"));
    json_begin_array(json);
    for (size_t i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        if (!model->pattern)
            write_if_allowed(exchange, json, model->name);
        for (size_t k = 0; k < model->alias_count; k++)
            write_if_allowed(exchange, json, model->aliases[k]);
    }
    json_end_array(json);
    json_key(json, TEXT("patterns"));
    json_begin_array(json);
    for (size_t i = 0; i < config->model_count; i++) {
        if (config->models[i].pattern)
            json_text(json, config->models[i].name);
    }
    json_end_array(json);
    json_end_object(json);
}

/* ---- networks ---- */

static void write_rule(struct json_writer *json, const struct network_rule *rule)
{
    if (!rule) {
        json_null(json);
        return;
    }
    json_begin_object(json);
    json_member_text(json, "id", rule->id);
    json_member_text(json, "action", rule->denies ? TEXT("deny") : TEXT("allow"));
    json_member_text(json, "network", rule->network);
    json_member_text(json, "mode", rule->observed ? TEXT("observe") : TEXT("enforce"));
    json_end_object(json);
}

/* Each list that has rules: what it says, and what it would say if all of them were enforced. */
static void write_networks(struct exchange *exchange, struct json_writer *json)
{
    struct policy_network_question question;
    struct policy_network_verdict verdict;

    networks_look(exchange, &question, &verdict);
    json_key(json, TEXT("networks"));
    json_begin_array(json);
    for (unsigned i = 0; i < POLICY_NETWORK_LISTS; i++) {
        const struct policy_network_answer *answer = &verdict.answers[i];
        if (!question.lists[i])
            continue;
        json_begin_object(json);
        json_member_text(json, "list",
                         text_from(policy_network_list_name((enum policy_network_list)i)));
        json_member_text(json, "of", networks_owner(exchange, (enum policy_network_list)i));
        json_member_bool(json, "allowed", !answer->refuses);
        json_key(json, TEXT("rule"));
        write_rule(json, answer->rule);
        json_member_bool(json, "allowed_if_enforced", !answer->would_refuse);
        json_key(json, TEXT("rule_if_enforced"));
        write_rule(json, answer->watched);
        json_end_object(json);
    }
    json_end_array(json);
}

/* ---- limits and budgets ---- */

static void write_limit(void *context, const struct policy_limit_state *state)
{
    struct json_writer *json = context;
    const struct policy_limit *limit = state->limit;

    json_begin_object(json);
    json_member_text(json, "id", limit->id);
    json_member_text(json, "name", or_null(limit->name));
    write_subject(json, &limit->subject);
    json_member_text(json, "counts", text_from(policy_limit_kind_name(limit->kind)));
    json_member_signed(json, "amount", limit->amount);
    json_member_signed(json, "left", state->remaining);
    json_member_unsigned(json, "window_ms", limit->window / NANOSECONDS_PER_MILLISECOND);
    /* A window slides in steps, so that the last of it may be free a sixtieth later. */
    uint64_t reset =
        limit->window > 0 && state->reset > limit->window ? limit->window : state->reset;
    json_member_unsigned(json, "resets_in_ms", reset / NANOSECONDS_PER_MILLISECOND);
    json_member_text(json, "mode", text_from(policy_mode_name(limit->mode)));
    json_end_object(json);
}

static void write_budget(void *context, const struct policy_budget_state *state)
{
    struct json_writer *json = context;
    const struct policy_budget *budget = state->budget;

    json_begin_object(json);
    json_member_text(json, "id", budget->id);
    json_member_text(json, "name", or_null(budget->name));
    write_subject(json, &budget->subject);
    json_member_text(json, "period", text_from(period_kind_name(budget->period)));
    write_amount(json, "amount_usd", state->cap);
    write_amount(json, "left_usd", state->cap > state->used ? state->cap - state->used : 0);
    write_moment(json, "resets_at", state->end);
    json_member_bool(json, "hard", !budget->soft);
    json_member_text(json, "mode", text_from(policy_mode_name(budget->mode)));
    json_end_object(json);
}

static bool write_rules(struct exchange *exchange, struct json_writer *json)
{
    const struct caller_rule *rule = exchange->caller_rule;
    const struct policy_call call = {
        .team = exchange->team,
        .key = exchange->key_id,
        .tags = exchange->record.tags,
        .own_limits = rule ? rule->limits : NULL,
        .own_limit_count = rule ? rule->limit_count : 0,
        .wall = exchange->record.started_at,
        .now = loop_now(exchange->worker->loop),
    };
    const struct policy_visitor limits = {.limit = write_limit, .context = json};
    const struct policy_visitor budgets = {.budget = write_budget, .context = json};
    struct policy *policy = exchange->worker->policy;

    json_key(json, TEXT("limits"));
    json_begin_array(json);
    bool good = policy_walk_caller(policy, &call, &exchange->arena, &limits);
    json_end_array(json);
    json_key(json, TEXT("budgets"));
    json_begin_array(json);
    good = good && policy_walk_caller(policy, &call, &exchange->arena, &budgets);
    json_end_array(json);
    return good;
}

enum step_result whoami_answer(struct exchange *exchange)
{
    struct json_writer json;

    buffer_open(&exchange->page, ANSWER_MAXIMUM);
    json_open(&json, &exchange->page);
    json_begin_object(&json);
    json_member_text(&json, "object", TEXT("turnpike.whoami"));
    json_member_text(&json, "request_id", text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH));
    whoami_write_place(exchange, &json);
    write_principal(exchange, &json);
    write_models(exchange, &json);
    write_networks(exchange, &json);
    bool good = write_rules(exchange, &json);
    json_end_object(&json);
    if (!good || !json_done(&json))
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT,
                               (struct refusal_context){.limit = ANSWER_MAXIMUM});
    return exchange_answer(exchange, 200, "application/json", buffer_text(&exchange->page));
}
