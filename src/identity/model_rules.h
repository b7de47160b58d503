/* model_rules: which models somebody may use, by names and patterns with `*`. Pure, any thread. */
#ifndef IDENTITY_MODEL_RULES_H
#define IDENTITY_MODEL_RULES_H

#include <stdbool.h>

#include "base/text.h"

struct model_rules {
    bool listed; /* only what `allowed` has, and an empty one is none; else all models */
    const struct text *allowed;
    size_t allowed_count;
    const struct text *denied; /* stronger than any allowance */
    size_t denied_count;
};

static inline bool model_rules_restrict(const struct model_rules *rules)
{
    return rules->listed || rules->denied_count > 0;
}

bool model_rules_allow(const struct model_rules *rules, struct text model);

#endif
