#include "ledger/repricing.h"

#include "base/clock.h"
#include "openai/members.h"

const char *repricing_obstacle(const struct record *record)
{
    if (record->cost_state.length == 0)
        return "it was recorded before calls were priced";
    if (text_equal(record->cost_state, TEXT("none")))
        return "nothing that is paid for was used";
    if (text_equal(record->price_rule, TEXT(PRICE_RULE_PROVIDER)))
        return "the provider said itself what it bills";
    if (record->outcome == RECORD_OUTCOME_INTERRUPTED)
        return "the gateway stopped during the call: it counts at its worst case";
    return record->units.length == 0 ? "nobody knows what was used" : NULL;
}

/* {"input":176,"image":2,"size":"1024x1024"}: counts by unit, and facts that prices go by. */
static void read_units(struct text units, struct repricing *repricing)
{
    struct members members;
    struct member member;
    int64_t count;

    members_open(&members, units);
    while (members_next(&members, &member)) {
        enum unit unit = unit_find(member.key);
        enum fact fact = fact_find(member.key);
        if (unit != UNIT_NONE && scan_whole_number(member.raw, &count)) {
            quantities_add(&repricing->quantities, unit, count);
        } else if (fact != FACT_COUNT && member.kind == SCAN_STRING) {
            repricing->facts.values[fact] = text_of(member.raw.data + 1, member.raw.length - 2);
        }
    }
}

void repricing_make(const struct record *record, const struct price_book *book,
                    struct repricing *repricing)
{
    *repricing = (struct repricing){0};
    quantities_clear(&repricing->quantities);
    read_units(record->units, repricing);
    repricing->quantities.state = record->usage_source == RECORD_USAGE_ESTIMATED ||
                                          text_equal(record->cost_state, TEXT("estimated"))
                                      ? QUANTITIES_ESTIMATED
                                      : QUANTITIES_REPORTED;
    repricing->model = price_book_find(book, record->provider, record->target_model);
    const struct price_call call = {
        .at = (int64_t)(record->started_at / NANOSECONDS_PER_SECOND),
        .service = price_service_find(record->price_service),
        .quantities = &repricing->quantities,
        .facts = &repricing->facts,
    };
    price_call(repricing->model, &call, &repricing->price);
}
