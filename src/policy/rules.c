#include "policy/rules.h"

#include "base/ensure.h"

static const char *const scope_names[POLICY_SCOPE_COUNT] = {
    [POLICY_ORGANISATION] = "organisation",
    [POLICY_TEAM] = "team",
    [POLICY_KEY] = "key",
    [POLICY_TAG] = "tag",
    [POLICY_MODEL] = "model",
};
static const char *const mode_names[POLICY_MODE_COUNT] = {
    [POLICY_ENFORCE] = "enforce",
    [POLICY_OBSERVE] = "observe",
};
static const char *const limit_kind_names[POLICY_LIMIT_KIND_COUNT] = {
    [POLICY_REQUESTS] = "requests",         [POLICY_TOKENS] = "tokens",
    [POLICY_INPUT_TOKENS] = "input_tokens", [POLICY_OUTPUT_TOKENS] = "output_tokens",
    [POLICY_CONCURRENT] = "concurrent",
};

const char *policy_scope_name(enum policy_scope scope)
{
    ensure(scope < POLICY_SCOPE_COUNT);
    return scope_names[scope];
}

const char *policy_mode_name(enum policy_mode mode)
{
    ensure(mode < POLICY_MODE_COUNT);
    return mode_names[mode];
}

const char *policy_limit_kind_name(enum policy_limit_kind kind)
{
    ensure(kind < POLICY_LIMIT_KIND_COUNT);
    return limit_kind_names[kind];
}

/* The index of the name, or `count`. */
static unsigned find_name(struct text name, const char *const names[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (text_equal(name, text_from(names[i])))
            return i;
    }
    return count;
}

bool policy_scope_from(struct text name, enum policy_scope *scope)
{
    unsigned i = find_name(name, scope_names, POLICY_SCOPE_COUNT);
    if (i < POLICY_SCOPE_COUNT)
        *scope = (enum policy_scope)i;
    return i < POLICY_SCOPE_COUNT;
}

bool policy_mode_from(struct text name, enum policy_mode *mode)
{
    unsigned i = find_name(name, mode_names, POLICY_MODE_COUNT);
    if (i < POLICY_MODE_COUNT)
        *mode = (enum policy_mode)i;
    return i < POLICY_MODE_COUNT;
}

bool policy_limit_kind_from(struct text name, enum policy_limit_kind *kind)
{
    unsigned i = find_name(name, limit_kind_names, POLICY_LIMIT_KIND_COUNT);
    if (i < POLICY_LIMIT_KIND_COUNT)
        *kind = (enum policy_limit_kind)i;
    return i < POLICY_LIMIT_KIND_COUNT;
}

/* ------------------------------------------------------------------ checks */

static const char *subject_problem(const struct policy_subject *subject)
{
    if (subject->scope >= POLICY_SCOPE_COUNT)
        return "it has no known scope";
    if ((subject->scope == POLICY_ORGANISATION) != text_empty(subject->name))
        return "its subject has no name, or the organisation has one";
    if (subject->scope != POLICY_TAG && !text_empty(subject->value))
        return "only a tag has a value";
    return NULL;
}

static const char *thresholds_problem(const struct policy_budget *budget)
{
    if (budget->threshold_count > POLICY_THRESHOLDS_MAX)
        return "it has too many alert percentages";
    for (size_t i = 0; i < budget->threshold_count; i++) {
        if (budget->thresholds[i] == 0 ||
            (i > 0 && budget->thresholds[i] <= budget->thresholds[i - 1]))
            return "its alert percentages do not rise from 1";
    }
    return NULL;
}

const char *policy_budget_problem(const struct policy_budget *budget)
{
    const char *problem = subject_problem(&budget->subject);
    if (problem != NULL)
        return problem;
    if (text_empty(budget->id))
        return "it has no id";
    if (budget->subject.scope == POLICY_MODEL)
        return "a budget has no model for its scope";
    if (budget->mode >= POLICY_MODE_COUNT || budget->period >= PERIOD_KIND_COUNT)
        return "it has no known mode or period";
    if (budget->cap < 0 || budget->cap > MONEY_PARSE_MAX || budget->raised_cap < 0 ||
        budget->raised_cap > MONEY_PARSE_MAX)
        return "its amount is negative or too large";
    if ((budget->period == PERIOD_ROLLING) != (budget->rolling != 0) ||
        (budget->rolling != 0 && !period_rolling_is_valid(budget->rolling)))
        return "its rolling length is not 1 h to 366 days in quarters of an hour";
    return thresholds_problem(budget);
}

const char *policy_limit_problem(const struct policy_limit *limit)
{
    const char *problem = subject_problem(&limit->subject);
    if (problem != NULL)
        return problem;
    if (text_empty(limit->id))
        return "it has no id";
    if (limit->mode >= POLICY_MODE_COUNT || limit->kind >= POLICY_LIMIT_KIND_COUNT)
        return "it has no known mode or kind";
    if (limit->amount < 0)
        return "its amount is negative";
    if (limit->kind == POLICY_CONCURRENT)
        return limit->window == 0 ? NULL : "what is concurrent has no window";
    if (limit->window < POLICY_WINDOW_MIN || limit->window > POLICY_WINDOW_MAX)
        return "its window is not between 1 s and 24 h";
    return NULL;
}

const char *policy_models_problem(const struct policy_models *models)
{
    if (models->subject.scope == POLICY_TAG || models->subject.scope == POLICY_MODEL)
        return "lists of models are for the organisation, teams and keys";
    if (models->rules.allowed_count > POLICY_MODELS_MAX ||
        models->rules.denied_count > POLICY_MODELS_MAX)
        return "a list of models is too long";
    return subject_problem(&models->subject);
}
