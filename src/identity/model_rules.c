#include "identity/model_rules.h"

static bool matches_any(const struct text *patterns, size_t count, struct text model)
{
    for (size_t i = 0; i < count; i++) {
        if (text_matches_pattern(model, patterns[i]))
            return true;
    }
    return false;
}

bool model_rules_allow(const struct model_rules *rules, struct text model)
{
    if (matches_any(rules->denied, rules->denied_count, model))
        return false;
    return !rules->listed || matches_any(rules->allowed, rules->allowed_count, model);
}
