/* What a call costs, as the FinOps Open Cost and Usage Specification wants it, version 1.2
 * (focus.finops.org/focus-specification/v1-2).
 *
 * One row for each day (UTC), team, key, model, provider, service and tags. We do not know what a
 * provider will put on its invoice: all costs are those of the price list and its discounts. Rows
 * of models that are priced by several meters have no unit price. Corrections are rows of their
 * own. Columns of ours begin with x_, as the specification asks. */
#include <time.h>

#include "admin/usage_answer.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "meter/money.h"
#include "policy/period.h"

enum { GROUP_TEAM, GROUP_KEY, GROUP_TARGET, GROUP_PROVIDER, GROUP_SERVICE, GROUP_TAGS };

struct charge {
    const struct usage_answer *answer;
    const struct answer_row *row;
    money cost;
    bool correction; /* of an earlier month's charge */
    char room[512];
};

static struct text group_of(const struct charge *charge, size_t group)
{
    return charge->row->values[group];
}

static struct text model_of(const struct charge *charge)
{
    return group_of(charge, GROUP_TARGET);
}

/* ------------------------------------------------------------------ columns */

static struct text cost(struct charge *charge)
{
    return text_of(charge->room, money_format_exact(charge->cost, charge->room));
}

static struct text organisation(struct charge *charge)
{
    return text_empty(charge->answer->organisation) ? TEXT("turnpike")
                                                    : charge->answer->organisation;
}

static struct text currency(struct charge *charge)
{
    return TEXT("USD");
}

static struct text format_time(struct charge *charge, time_t seconds)
{
    struct tm fields;
    if (gmtime_r(&seconds, &fields) == NULL)
        return TEXT("");
    return text_of(charge->room,
                   strftime(charge->room, sizeof charge->room, "%Y-%m-%dT%H:%M:%SZ", &fields));
}

/* The day of the row, or the part of it that was asked for. The answer itself begins with the first
 * call and ends with the last one; a charge that is exported again has to be the same one. */
static time_t edge_seconds(const struct charge *charge, size_t edge)
{
    const struct usage_answer *answer = charge->answer;
    const struct period_bounds day =
        period_at(PERIOD_DAY, answer->zone, 0, answer->edges[charge->row->interval]);
    uint64_t start = day.start > answer->since ? day.start : answer->since;
    uint64_t end = day.end < answer->until ? day.end : answer->until;

    return (time_t)((edge == 0 ? start : end) / NANOSECONDS_PER_SECOND);
}

static struct text month_edge(struct charge *charge, int months)
{
    time_t seconds = edge_seconds(charge, 0);
    struct tm fields;
    if (gmtime_r(&seconds, &fields) == NULL)
        return TEXT("");
    struct tm month = {.tm_year = fields.tm_year, .tm_mon = fields.tm_mon + months, .tm_mday = 1};
    return format_time(charge, timegm(&month));
}

static struct text billing_start(struct charge *charge)
{
    return month_edge(charge, 0);
}

static struct text billing_end(struct charge *charge)
{
    return month_edge(charge, 1);
}

static struct text charge_start(struct charge *charge)
{
    return format_time(charge, edge_seconds(charge, 0));
}

static struct text charge_end(struct charge *charge)
{
    return format_time(charge, edge_seconds(charge, 1));
}

static struct text category(struct charge *charge)
{
    return TEXT("Usage");
}

static struct text class(struct charge *charge)
{
    return charge->correction ? TEXT("Correction") : TEXT("");
}

static struct text description(struct charge *charge)
{
    const struct usage_counters *counters = &charge->row->sums.counters;
    if (charge->correction)
        return TEXT("corrected prices of earlier calls");
    int length = snprintf(charge->room, sizeof charge->room, "%lld calls of %.*s",
                          (long long)counters->calls, TEXT_ARG(text_first(model_of(charge), 256)));
    if (counters->unpriced > 0 && length > 0 && (size_t)length < sizeof charge->room)
        (void)snprintf(charge->room + length, sizeof charge->room - (size_t)length,
                       "; the cost of %lld calls is not known: they have no price",
                       (long long)counters->unpriced);
    return text_from(charge->room);
}

static struct text frequency(struct charge *charge)
{
    return TEXT("Usage-Based");
}

static int64_t tokens_of(const struct charge *charge)
{
    return charge->row->sums.counters.input_tokens + charge->row->sums.counters.output_tokens;
}

/* Of a correction there is no quantity. */
static struct text quantity(struct charge *charge)
{
    if (charge->correction)
        return TEXT("");
    int64_t tokens = tokens_of(charge);
    int length = snprintf(charge->room, sizeof charge->room, "%lld",
                          (long long)(tokens > 0 ? tokens : charge->row->sums.counters.calls));
    return text_of(charge->room, (size_t)length);
}

static struct text unit(struct charge *charge)
{
    if (charge->correction)
        return TEXT("");
    return tokens_of(charge) > 0 ? TEXT("Tokens") : TEXT("Requests");
}

static struct text nothing(struct charge *charge)
{
    return TEXT("");
}

static struct text standard(struct charge *charge)
{
    return TEXT("Standard");
}

static struct text provider(struct charge *charge)
{
    struct text name = group_of(charge, GROUP_PROVIDER);
    return text_empty(name) ? TEXT("unknown") : name;
}

static struct text key(struct charge *charge)
{
    return group_of(charge, GROUP_KEY);
}

static struct text key_name(struct charge *charge)
{
    return usage_answer_key_name(charge->answer, group_of(charge, GROUP_KEY));
}

static struct text key_type(struct charge *charge)
{
    return text_empty(group_of(charge, GROUP_KEY)) ? TEXT("") : TEXT("API key");
}

static struct text service_category(struct charge *charge)
{
    return TEXT("AI and Machine Learning");
}

static struct text service_subcategory(struct charge *charge)
{
    return TEXT("Generative AI");
}

static struct text service_name(struct charge *charge)
{
    int length = snprintf(charge->room, sizeof charge->room, "%.*s models",
                          TEXT_ARG(text_first(provider(charge), 64)));
    return text_of(charge->room, (size_t)length);
}

static struct text sku(struct charge *charge)
{
    int length = snprintf(charge->room, sizeof charge->room, "%.*s/%.*s",
                          TEXT_ARG(text_first(provider(charge), 64)),
                          TEXT_ARG(text_first(model_of(charge), 256)));
    return text_of(charge->room, (size_t)length);
}

static struct text sku_meter(struct charge *charge)
{
    return TEXT("Model usage");
}

static struct text sku_price(struct charge *charge)
{
    struct text service = group_of(charge, GROUP_SERVICE);
    struct text parent = sku(charge);
    int length =
        snprintf(charge->room + parent.length, sizeof charge->room - parent.length, "/%.*s",
                 TEXT_ARG(text_empty(service) ? TEXT("standard") : text_first(service, 64)));
    return text_of(charge->room, parent.length + (size_t)length);
}

static struct text team(struct charge *charge)
{
    return group_of(charge, GROUP_TEAM);
}

static struct text team_name(struct charge *charge)
{
    struct text title = usage_answer_team_title(charge->answer, group_of(charge, GROUP_TEAM));
    return text_empty(title) ? group_of(charge, GROUP_TEAM) : title;
}

static struct text team_type(struct charge *charge)
{
    return text_empty(group_of(charge, GROUP_TEAM)) ? TEXT("") : TEXT("Team");
}

static struct text tags(struct charge *charge)
{
    return group_of(charge, GROUP_TAGS);
}

static struct text count(struct charge *charge, int64_t number)
{
    int length = snprintf(charge->room, sizeof charge->room, "%lld",
                          (long long)(charge->correction ? 0 : number));
    return text_of(charge->room, (size_t)length);
}

#define COUNT_COLUMN(name)                                     \
    static struct text name(struct charge *charge)             \
    {                                                          \
        return count(charge, charge->row->sums.counters.name); \
    }
COUNT_COLUMN(calls)
COUNT_COLUMN(unpriced)
COUNT_COLUMN(estimated)
COUNT_COLUMN(input_tokens)
COUNT_COLUMN(cached_input_tokens)
COUNT_COLUMN(cache_write_tokens)
COUNT_COLUMN(output_tokens)

/* In the order of the specification, then ours. */
static const struct {
    const char *name;
    struct text (*value)(struct charge *charge);
} columns[] = {
    {"BilledCost", cost},
    {"BillingAccountId", organisation},
    {"BillingAccountName", organisation},
    {"BillingCurrency", currency},
    {"BillingPeriodEnd", billing_end},
    {"BillingPeriodStart", billing_start},
    {"ChargeCategory", category},
    {"ChargeClass", class},
    {"ChargeDescription", description},
    {"ChargeFrequency", frequency},
    {"ChargePeriodEnd", charge_end},
    {"ChargePeriodStart", charge_start},
    {"ConsumedQuantity", quantity},
    {"ConsumedUnit", unit},
    {"ContractedCost", cost},
    {"ContractedUnitPrice", nothing},
    {"EffectiveCost", cost},
    {"InvoiceIssuerName", provider},
    {"ListCost", cost},
    {"ListUnitPrice", nothing},
    {"PricingCategory", standard},
    {"PricingQuantity", quantity},
    {"PricingUnit", unit},
    {"ProviderName", provider},
    {"PublisherName", provider},
    {"RegionId", nothing},
    {"RegionName", nothing},
    {"ResourceId", key},
    {"ResourceName", key_name},
    {"ResourceType", key_type},
    {"ServiceCategory", service_category},
    {"ServiceName", service_name},
    {"ServiceSubcategory", service_subcategory},
    {"SkuId", sku},
    {"SkuMeter", sku_meter},
    {"SkuPriceId", sku_price},
    {"SubAccountId", team},
    {"SubAccountName", team_name},
    {"SubAccountType", team_type},
    {"Tags", tags},
    {"x_Calls", calls},
    {"x_UnpricedCalls", unpriced},
    {"x_EstimatedCalls", estimated},
    {"x_InputTokens", input_tokens},
    {"x_CachedInputTokens", cached_input_tokens},
    {"x_CacheWriteTokens", cache_write_tokens},
    {"x_OutputTokens", output_tokens},
};

/* ------------------------------------------------------------------ rows */

void usage_focus_prepare(struct usage_answer *answer)
{
    static const enum usage_dimension groups[] = {
        [GROUP_TEAM] = USAGE_BY_TEAM,           [GROUP_KEY] = USAGE_BY_KEY,
        [GROUP_TARGET] = USAGE_BY_TARGET_MODEL, [GROUP_PROVIDER] = USAGE_BY_PROVIDER,
        [GROUP_SERVICE] = USAGE_BY_SERVICE,     [GROUP_TAGS] = USAGE_BY_TAGS,
    };
    answer->step = USAGE_STEP_DAY;
    answer->group_count = ARRAY_LENGTH(groups);
    for (size_t i = 0; i < ARRAY_LENGTH(groups); i++)
        answer->groups[i] = (struct usage_group){.dimension = groups[i]};
}

static void write_charge(struct charge *charge, FILE *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(columns); i++) {
        if (i > 0)
            putc(',', out);
        /* A negative cost is a number and no formula. */
        if (columns[i].value == cost)
            fprintf(out, "%.*s", TEXT_ARG(cost(charge)));
        else
            usage_write_csv_cell(columns[i].value(charge), out);
    }
    (void)fputs("\r\n", out);
}

/* Refusals and failures that used nothing are no charges. */
static bool is_charge(const struct usage_sums *sums)
{
    return sums->cost != 0 || sums->counters.unpriced > 0 || sums->counters.input_tokens > 0 ||
           sums->counters.output_tokens > 0;
}

static bool same_month(uint64_t a, uint64_t b)
{
    time_t seconds[] = {(time_t)(a / NANOSECONDS_PER_SECOND), (time_t)(b / NANOSECONDS_PER_SECOND)};
    struct tm first, second;
    return gmtime_r(&seconds[0], &first) != NULL && gmtime_r(&seconds[1], &second) != NULL &&
           first.tm_year == second.tm_year && first.tm_mon == second.tm_mon;
}

void usage_write_focus(const struct usage_answer *answer, FILE *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(columns); i++)
        fprintf(out, "%s%s", i > 0 ? "," : "", columns[i].name);
    (void)fputs("\r\n", out);
    for (size_t i = 0; i < answer->row_count; i++) {
        const struct answer_row *row = &answer->rows[i];
        struct charge charge = {.answer = answer, .row = row, .cost = row->sums.cost};
        bool now = same_month(answer->edges[row->interval], answer->now);
        if (now) /* within its billing period a correction is no charge of its own */
            charge.cost += row->sums.adjusted;
        if (is_charge(&row->sums))
            write_charge(&charge, out);
        charge.cost = row->sums.adjusted;
        charge.correction = true;
        if (!now && row->sums.adjusted != 0)
            write_charge(&charge, out);
    }
}
