/* Reading what a catalog says of windows and providers; catalog_read.c has the method. */
#include "base/ensure.h"
#include "base/number.h"
#include "meter/catalog_reader.h"

/* ---- windows ---- */

static void read_zone(struct reading *reading, const struct place *place, yyjson_val *value,
                      void *out)
{
    (void)out;
    if (!text_equal(json_words(value), TEXT("UTC")))
        catalog_complain(reading, place, "must be \"UTC\": windows in other zones are not known");
}

static void read_weekdays(struct reading *reading, const struct place *place, yyjson_val *value,
                          void *out)
{
    size_t index, count;
    yyjson_val *day;
    unsigned days = 0;
    if (!catalog_want(reading, place, value, yyjson_is_arr(value), "a list"))
        return;
    yyjson_arr_foreach(value, index, count, day)
    {
        struct place at = {.above = place, .index = index};
        if (!yyjson_is_uint(day) || yyjson_get_uint(day) < 1 || yyjson_get_uint(day) > 7)
            catalog_complain(reading, &at, "must be 1 (Monday) to 7 (Sunday)");
        else
            days |= 1u << (yyjson_get_uint(day) - 1);
    }
    if (days == 0)
        catalog_complain(reading, place, "names no day");
    *(unsigned *)out = days;
}

/* "06:30" to minutes; "24:00" is the end of the day. */
static bool read_clock(struct text text, int *minutes)
{
    uint64_t hour, minute;
    if (text.length != 5 || text.data[2] != ':' ||
        !number_parse_unsigned(text_first(text, 2), &hour) ||
        !number_parse_unsigned(text_from_index(text, 3), &minute) || minute > 59 || hour > 24 ||
        (hour == 24 && minute > 0))
        return false;
    *minutes = (int)(hour * 60 + minute);
    return true;
}

static void read_range(struct reading *reading, const struct place *place, yyjson_val *value,
                       struct catalog_minutes *range)
{
    if (!yyjson_is_arr(value) || yyjson_arr_size(value) != 2 ||
        !read_clock(json_words(yyjson_arr_get(value, 0)), &range->from) ||
        !read_clock(json_words(yyjson_arr_get(value, 1)), &range->until))
        catalog_complain(reading, place, "must be [\"01:00\", \"04:00\"]");
    else if (range->from >= range->until)
        catalog_complain(reading, place, "ends before it begins: split it at midnight");
}

static void read_hours(struct reading *reading, const struct place *place, yyjson_val *value,
                       void *out)
{
    struct catalog_window *window = out;
    size_t index, count;
    yyjson_val *range;
    if (!catalog_want(reading, place, value, yyjson_is_arr(value), "a list"))
        return;
    if (yyjson_arr_size(value) < 1 || yyjson_arr_size(value) > CATALOG_WINDOW_RANGES_MAX) {
        catalog_complain(reading, place, "must have 1 to %u ranges", CATALOG_WINDOW_RANGES_MAX);
        return;
    }
    yyjson_arr_foreach(value, index, count, range)
    {
        struct place at = {.above = place, .index = index};
        read_range(reading, &at, range, &window->ranges[index]);
    }
    window->range_count = yyjson_arr_size(value);
}

static const struct member_row window_members[] = {
    {"tz", 0, read_zone, true},
    {"weekdays", offsetof(struct catalog_window, weekdays), read_weekdays, true},
    {"hours", 0, read_hours, true},
    {"except", offsetof(struct catalog_window, exception), read_note, false},
};
static const struct member_rows window_rows = MEMBER_ROWS(window_members);

void catalog_read_windows(struct reading *reading, const struct place *place, yyjson_val *windows)
{
    struct catalog *catalog = reading->catalog;
    size_t index, count;
    yyjson_val *key, *value;
    if (!catalog_want_few(reading, place, windows))
        return;
    catalog->windows = catalog_take(reading, yyjson_obj_size(windows), sizeof *catalog->windows);
    if (catalog->windows == NULL)
        return;
    yyjson_obj_foreach(windows, index, count, key, value)
    {
        struct catalog_window *window = &catalog->windows[catalog->window_count++];
        struct place at = {.above = place, .key = json_words(key)};
        if (catalog_is_repeated(windows, at.key, index))
            catalog_complain(reading, &at, "is given twice");
        (void)catalog_check_name(reading, &at, at.key);
        window->name = catalog_keep(reading, at.key);
        catalog_read_object(reading, &at, value, &window_rows, window);
    }
}

/* ---- variants: a price under conditions ---- */

static void read_unit(struct reading *reading, const struct place *place, yyjson_val *value,
                      void *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a string"))
        return;
    enum unit unit = unit_find(json_words(value));
    if (unit == UNIT_NONE)
        catalog_complain(reading, place, "'%.*s' is no class of units",
                         TEXT_ARG(text_first(json_words(value), 40)));
    else
        *(enum unit *)out = unit;
}

static bool may_match(enum fact fact)
{
    return fact >= FACT_SIZE && fact < FACT_COUNT && fact != FACT_ENDPOINT;
}

void read_match(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    struct catalog_variant *variant = out;
    size_t index, count;
    yyjson_val *key, *wanted;
    if (!catalog_want(reading, place, value, yyjson_is_obj(value), "an object"))
        return;
    if (yyjson_obj_size(value) < 1 || yyjson_obj_size(value) > CATALOG_CONDITIONS_MAX) {
        catalog_complain(reading, place, "must have 1 to %u conditions", CATALOG_CONDITIONS_MAX);
        return;
    }
    yyjson_obj_foreach(value, index, count, key, wanted)
    {
        struct place at = {.above = place, .key = json_words(key)};
        struct text words = json_words(wanted);
        enum fact fact = fact_find(at.key);
        if (yyjson_is_bool(wanted))
            words = yyjson_get_bool(wanted) ? TEXT("true") : TEXT("false");
        if (!may_match(fact))
            catalog_complain(reading, &at, "there is no such condition");
        else if (catalog_is_repeated(value, at.key, index))
            catalog_complain(reading, &at, "is given twice");
        else if (catalog_want(reading, &at, wanted, words.length > 0, "a word, or true or false"))
            variant->conditions[variant->condition_count++] =
                (struct catalog_condition){fact, catalog_keep(reading, words)};
    }
}

static const struct member_row variant_members[] = {
    {"class", offsetof(struct catalog_variant, unit), read_unit, true},
    {"match", 0, read_match, true},
    {"price", offsetof(struct catalog_variant, price), read_price, true},
    {"note", offsetof(struct catalog_variant, note), read_note, false},
};
static const struct member_rows variant_rows = MEMBER_ROWS(variant_members);

void read_variant(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    struct catalog_variant *variant = out;
    variant->unit = UNIT_NONE;
    catalog_read_object(reading, place, value, &variant_rows, variant);
}

/* ---- multipliers ---- */

static void read_word(struct reading *reading, const struct place *place, yyjson_val *value,
                      void *out)
{
    read_name(reading, place, value, out);
}

static void read_when(struct reading *reading, const struct place *place, yyjson_val *value,
                      void *out)
{
    struct catalog_multiplier *multiplier = out;
    if (!catalog_want(reading, place, value, yyjson_is_obj(value), "an object"))
        return;
    if (yyjson_obj_size(value) != 1) {
        catalog_complain(reading, place, "must have one member");
        return;
    }
    yyjson_val *key = unsafe_yyjson_get_first(value);
    struct place at = {.above = place, .key = json_words(key)};
    void *values = NULL;
    multiplier->fact = fact_find(at.key);
    if (multiplier->fact > FACT_ENDPOINT_REGION) {
        catalog_complain(reading, &at, "no multiplier can depend on that");
        multiplier->fact = FACT_DATA_RESIDENCY;
    }
    multiplier->value_count =
        catalog_read_list(reading, &at, key + 1, read_word, sizeof(struct text), &values);
    multiplier->values = values;
}

static void read_scope(struct reading *reading, const struct place *place, yyjson_val *value,
                       void *out)
{
    (void)out;
    if (!text_equal(json_words(value), TEXT("tokens")))
        catalog_complain(reading, place, "must be \"tokens\"");
}

static void read_sources(struct reading *reading, const struct place *place, yyjson_val *value,
                         void *out)
{
    struct text joined;
    (void)out;
    read_joined(reading, place, value, &joined);
}

static const struct member_row multiplier_members[] = {
    {"when", 0, read_when, true},
    {"factor", offsetof(struct catalog_multiplier, factor), read_factor, true},
    {"scope", 0, read_scope, true},
    {"source", 0, read_sources, false},
};
static const struct member_rows multiplier_rows = MEMBER_ROWS(multiplier_members);

static void read_multipliers(struct reading *reading, const struct place *place, yyjson_val *value,
                             void *out)
{
    struct catalog_provider *provider = out;
    size_t index, count;
    yyjson_val *key, *entry;
    if (!catalog_want_few(reading, place, value))
        return;
    struct catalog_multiplier *multipliers =
        catalog_take(reading, yyjson_obj_size(value), sizeof *multipliers);
    if (multipliers == NULL)
        return;
    yyjson_obj_foreach(value, index, count, key, entry)
    {
        struct place at = {.above = place, .key = json_words(key)};
        if (catalog_is_repeated(value, at.key, index))
            catalog_complain(reading, &at, "is given twice");
        (void)catalog_check_name(reading, &at, at.key);
        multipliers[index].name = catalog_keep(reading, at.key);
        multipliers[index].factor = (struct ratio){1, 1};
        catalog_read_object(reading, &at, entry, &multiplier_rows, &multipliers[index]);
    }
    provider->multipliers = multipliers;
    provider->multiplier_count = yyjson_obj_size(value);
}

/* ---- providers ---- */

static void read_dialect(struct reading *reading, const struct place *place, yyjson_val *value,
                         void *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a string"))
        return;
    enum usage_dialect dialect = usage_dialect_find(json_words(value));
    if (dialect == DIALECT_COUNT)
        catalog_complain(reading, place, "'%.*s' is no dialect that this program reads",
                         TEXT_ARG(text_first(json_words(value), 40)));
    else
        *(enum usage_dialect *)out = dialect;
}

#define INVOKE TEXT("invoke:") /* in front of a part: only for Bedrock's InvokeModel */

static void read_dialect_rules(struct reading *reading, const struct place *place,
                               yyjson_val *value, void *out)
{
    struct catalog_provider *provider = out;
    size_t index, count;
    yyjson_val *key, *entry;
    if (!catalog_want_few(reading, place, value))
        return;
    struct catalog_dialect_rule *rules =
        catalog_take(reading, yyjson_obj_size(value), sizeof *rules);
    if (rules == NULL)
        return;
    yyjson_obj_foreach(value, index, count, key, entry)
    {
        struct place at = {.above = place, .key = json_words(key)};
        struct text part = at.key;
        rules[index].invoke = text_starts_with(part, INVOKE);
        if (rules[index].invoke)
            part = text_from_index(part, INVOKE.length);
        if (catalog_is_repeated(value, at.key, index))
            catalog_complain(reading, &at, "is given twice");
        (void)catalog_check_name(reading, &at, part);
        rules[index].part = catalog_keep(reading, part);
        read_dialect(reading, &at, entry, &rules[index].dialect);
    }
    provider->dialect_rules = rules;
    provider->dialect_rule_count = yyjson_obj_size(value);
}

static void read_variants(struct reading *reading, const struct place *place, yyjson_val *value,
                          void *out)
{
    struct catalog_provider *provider = out;
    void *variants = NULL;
    provider->variant_count = catalog_read_list(reading, place, value, read_variant,
                                                sizeof(struct catalog_variant), &variants);
    provider->variants = variants;
}

static void read_fees_later(struct reading *reading, const struct place *place, yyjson_val *value,
                            void *out)
{
    (void)out; /* they name models: catalog_read_fees */
    (void)catalog_want_few(reading, place, value);
}

static const struct member_row provider_members[] = {
    {"dialect", offsetof(struct catalog_provider, dialect), read_dialect, true},
    {"dialect_for", 0, read_dialect_rules, false},
    {"tools", offsetof(struct catalog_provider, tools), read_prices, false},
    {"tool_variants", 0, read_variants, false},
    {"multipliers", 0, read_multipliers, false},
    {"request_fee", 0, read_fees_later, false},
    {"notes", offsetof(struct catalog_provider, notes), read_note, false},
};
static const struct member_rows provider_rows = MEMBER_ROWS(provider_members);

void catalog_read_providers(struct reading *reading, const struct place *place,
                            yyjson_val *providers)
{
    struct catalog *catalog = reading->catalog;
    size_t index, count;
    yyjson_val *key, *value;
    if (!catalog_want_few(reading, place, providers))
        return;
    catalog->providers =
        catalog_take(reading, yyjson_obj_size(providers), sizeof *catalog->providers);
    if (catalog->providers == NULL)
        return;
    yyjson_obj_foreach(providers, index, count, key, value)
    {
        struct catalog_provider *provider = &catalog->providers[catalog->provider_count++];
        struct place at = {.above = place, .key = json_words(key)};
        if (catalog_is_repeated(providers, at.key, index))
            catalog_complain(reading, &at, "is given twice");
        (void)catalog_check_name(reading, &at, at.key);
        provider->name = catalog_keep(reading, at.key);
        memset(provider->tools, -1, sizeof provider->tools);
        catalog_read_object(reading, &at, value, &provider_rows, provider);
    }
}

/* ---- request fees ---- */

struct fees {
    int64_t prices[CATALOG_FEE_COUNT];
};

static const struct member_row fee_members[] = {
    {"low", offsetof(struct fees, prices[CATALOG_FEE_LOW]), read_price, true},
    {"medium", offsetof(struct fees, prices[CATALOG_FEE_MEDIUM]), read_price, true},
    {"high", offsetof(struct fees, prices[CATALOG_FEE_HIGH]), read_price, true},
};
static const struct member_rows fee_rows = MEMBER_ROWS(fee_members);

static void read_fees_of(struct reading *reading, const struct place *place, yyjson_val *fees,
                         const struct catalog_provider *provider)
{
    struct catalog *catalog = reading->catalog;
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(fees, index, count, key, value)
    {
        struct place at = {.above = place, .key = json_words(key)};
        struct catalog_model *model = NULL;
        struct fees read = {{0}};
        for (size_t i = 0; i < catalog->model_count && model == NULL; i++)
            if (catalog->models[i].provider == provider &&
                text_equal(catalog->models[i].name, at.key))
                model = &catalog->models[i];
        if (model == NULL)
            catalog_complain(reading, &at, "there is no such model of %.*s",
                             TEXT_ARG(provider->name));
        if (catalog_is_repeated(fees, at.key, index))
            catalog_complain(reading, &at, "is given twice");
        catalog_read_object(reading, &at, value, &fee_rows, &read);
        if (model != NULL)
            memcpy(model->fees, read.prices, sizeof model->fees);
    }
}

void catalog_read_fees(struct reading *reading, const struct place *place, yyjson_val *providers)
{
    size_t index, count;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(providers) || reading->catalog->providers == NULL)
        return;
    yyjson_obj_foreach(providers, index, count, key, value)
    {
        struct place at = {.above = place, .key = json_words(key)};
        struct place member = {.above = &at, .key = TEXT("request_fee")};
        yyjson_val *fees = yyjson_obj_get(value, "request_fee");
        if (yyjson_is_obj(fees) && yyjson_obj_size(fees) <= 1000 &&
            index < reading->catalog->provider_count)
            read_fees_of(reading, &member, fees, &reading->catalog->providers[index]);
    }
}
