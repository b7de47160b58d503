/* The first half: who may call what, and how often. The first rule that says no decides. */
#include "gate/parts.h"

static const struct text tool_names[GATE_TOOL_COUNT] = {
    [GATE_WEB_SEARCH] = TEXT_INIT("web_search"),
    [GATE_FILE_SEARCH] = TEXT_INIT("file_search"),
    [GATE_CODE_INTERPRETER] = TEXT_INIT("code_interpreter"),
};

struct text gate_tool_name(enum gate_tool tool)
{
    return tool_names[tool];
}

unsigned gate_find_tools(struct text text)
{
    unsigned tools = 0;

    for (unsigned i = 0; i < GATE_TOOL_COUNT; i++)
        tools |= text_find(text, tool_names[i]) >= 0 ? 1u << i : 0;
    return tools;
}

/* ---- a model that is hidden ---- */

/* Calls whose models stand in a file or in something stored, whatever the body says beside. */
static const struct text works_hidden[] = {
    TEXT_INIT("/batches"),
    TEXT_INIT("/evals"),
    TEXT_INIT("/evals/{id}/runs"),
    TEXT_INIT("/videos/{id}/remix"),
};
/* Calls that work without naming a model. */
static const struct text works_unnamed[] = {
    TEXT_INIT("/moderations"),
    TEXT_INIT("/fine_tuning/jobs"),
};

static bool is_among(struct text pattern, const struct text *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(pattern, patterns[i]))
            return true;
    }
    return false;
}

static bool is_restricted(struct policy *policy, const struct gate_call *call)
{
    return model_rules_restrict(call->models) ||
           policy_restricts_models(policy, call->team, call->key);
}

/* A key with a list of models must not reach others by not naming them. */
static bool hides_model(struct policy *policy, const struct gate_call *call)
{
    const struct endpoint *endpoint = call->endpoint;

    if (endpoint->method != ENDPOINT_POST || !is_restricted(policy, call))
        return false;
    if (is_among(endpoint->pattern, works_hidden, ARRAY_LENGTH(works_hidden)))
        return true;
    if (call->model.length > 0)
        return false;
    if (endpoint->routing == ENDPOINT_BY_MODEL) /* what it builds on may name one */
        return call->has_reference;
    return is_among(endpoint->pattern, works_unnamed, ARRAY_LENGTH(works_unnamed));
}

/* ---- the decision ---- */

static enum refusal refusal_of(const struct policy_why *why)
{
    if (why->reason == POLICY_REASON_MODEL)
        return REFUSAL_MODEL_NOT_ALLOWED;
    return why->retry_after == POLICY_FOREVER ? REFUSAL_CALL_TOO_LARGE : REFUSAL_RATE_LIMITED;
}

bool gate_limits_allow(enum policy_verdict verdict, struct gate_refusal *refusal)
{
    if (verdict == POLICY_ALLOWED)
        return true;
    refusal->has_why = verdict == POLICY_REFUSED;
    refusal->refusal = refusal->has_why ? refusal_of(&refusal->why) : REFUSAL_MEMORY_LIMIT;
    return false;
}

bool gate_admit(struct policy *policy, const struct gate_call *call, struct arena *arena,
                struct policy_hold *hold, struct gate_refusal *refusal)
{
    refusal->has_why = false;
    refusal->refusal = REFUSAL_NONE;
    /* The lists of team and organisation are policy_admit's, which says whose they are. */
    if (call->model.length > 0 && !model_rules_allow(call->models, call->model)) {
        refusal->refusal = REFUSAL_MODEL_NOT_ALLOWED;
        refusal->has_why = true;
        refusal->why = (struct policy_why){.reason = POLICY_REASON_MODEL,
                                           .subject = {.scope = POLICY_KEY, .name = call->key}};
    } else if (hides_model(policy, call))
        refusal->refusal = REFUSAL_MODEL_UNSTATED;
    if (refusal->refusal != REFUSAL_NONE)
        return false;
    const struct policy_call asked = {
        .team = call->team,
        .key = call->key,
        .tags = call->tags,
        .model = call->model,
        .own_limits = call->own_limits,
        .own_limit_count = call->own_limit_count,
        .wall = call->wall,
        .now = call->now,
    };
    return gate_limits_allow(policy_admit(policy, &asked, arena, hold, &refusal->why), refusal);
}
