#include "ledger/rollup.h"

enum {
#define FIELD(number, type, name, limit, description) LIMIT_##name = (limit),
#include "tables/ledger_fields.def"
#undef FIELD
};

/* What is too long is cut, or left out when it is JSON, as ledger/rows.c does: so that counting the
 * rows again gives the same. */
void rollup_describe(const struct record *record, struct rollup_call *call)
{
    *call = (struct rollup_call){
        .key_id = text_first(record->key_id, LIMIT_key_id),
        .team = text_first(record->team, LIMIT_team),
        .model = text_first(record->model, LIMIT_model),
        .target_model = text_first(record->target_model, LIMIT_target_model),
        .provider = text_first(record->provider, LIMIT_provider),
        .service = text_first(record->price_service, LIMIT_price_service),
        .tags = record->tags.length <= LIMIT_tags ? record->tags : TEXT(""),
        .started_at = record->started_at,
        .outcome = record_outcome_name(record->outcome),
        .cost_state = record->cost_state,
        .call_count = record->calls,
        .cost = record->cost,
        .duration = record->duration,
#define COUNTER(name, description)
#define COUNTER_FIELD(name, description) .name = record->name,
#include "tables/usage_counters.def"
#undef COUNTER
    };
}
