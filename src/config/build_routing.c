#include "base/number.h"
#include "config/build.h"

/* What holds where neither a model nor `defaults` says anything. A configuration that knows nothing
 * of routing keeps the behaviour that it was written for: each target once, after failures of the
 * connection alone. Who asks for more gets the safeguards with it. */
#define FAILURES_OPEN  5u
#define RATIO_OPENS    (ROUTE_WHOLE / 2)
#define RETRY_BUDGET   (ROUTE_WHOLE / 5)
#define RETRY_ON_PLAIN (1u << ROUTE_FAILED_CONNECT | 1u << ROUTE_FAILED_TIMEOUT)

/* Canaries of one model that together take more than all its calls are a mistake. */
static void check_canaries(struct settings_reader *reader, const struct settings_model *from,
                           const struct config_target *targets)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < from->target_count; i++)
        sum += targets[i].rules.canary;
    if (sum > ROUTE_WHOLE)
        report_error(reader->report, from->entry.node->key_place,
                     "its canaries take more than 100%% of the calls together");
}

static bool answers(const struct route_target_rules *rules)
{
    return rules->mirror == 0;
}

static void check_targets(struct settings_reader *reader, const struct settings_model *from,
                          const struct config_model *model, const struct config_target *targets)
{
    size_t answering = 0;
    uint64_t weight = 0;
    for (size_t i = 0; i < from->target_count; i++) {
        answering += answers(&targets[i].rules);
        weight += answers(&targets[i].rules) ? targets[i].rules.weight : 0;
    }
    struct report_place place = from->entry.node->key_place;
    if (from->target_count > ROUTE_TARGETS_MAXIMUM)
        report_error(reader->report, place,
                     "it has more than %u targets: put a load balancer "
                     "before a fleet that large",
                     ROUTE_TARGETS_MAXIMUM);
    else if (from->target_count > 0 && answering == 0)
        report_error(reader->report, place, "all its targets are mirrors: nobody would answer");
    else if (weight == 0 && from->target_count > 0 && model->rules.strategy == ROUTE_WEIGHTED)
        report_error(reader->report, place, "all its targets have weight 0: none would be chosen");
    check_canaries(reader, from, targets);
}

/* ---- conditions ---- */

static unsigned read_words(const struct settings_text *words, size_t count)
{
    unsigned bits = 0;
    for (size_t i = 0; i < count; i++)
        if (!text_empty(words[i].value.text))
            bits |= route_bit((unsigned)words[i].value.choice);
    return bits;
}

static const struct text *build_texts(struct settings_reader *reader,
                                      const struct settings_text *from, size_t count)
{
    struct text *texts = build_array(reader, count, sizeof(*texts));
    for (size_t i = 0; texts && i < count; i++)
        texts[i] = from[i].value.text;
    return texts;
}

/* "<8000", "<=8000", ">8000", ">=8000" or "8000-32000"; false when it is none of them. */
static bool parse_tokens(struct text t, struct route_condition *when)
{
    bool below = text_starts_with(t, TEXT("<"));
    bool above = text_starts_with(t, TEXT(">"));
    uint64_t number;
    when->tokens_minimum = 0;
    when->tokens_maximum = UINT64_MAX;
    if (!below && !above) {
        struct text first = text_trim(text_split(&t, '-'));
        return t.data && number_parse_unsigned(first, &when->tokens_minimum) &&
               number_parse_unsigned(text_trim(t), &when->tokens_maximum) &&
               when->tokens_minimum <= when->tokens_maximum;
    }
    t = text_from_index(t, 1);
    bool equal = text_starts_with(t, TEXT("="));
    if (!number_parse_unsigned(text_trim(text_from_index(t, equal ? 1 : 0)), &number))
        return false;
    if (below && !equal && number == 0)
        return false; /* no prompt is shorter than nothing */
    if (below)
        when->tokens_maximum = equal ? number : number - 1;
    else if (!equal && number == UINT64_MAX)
        return false;
    else
        when->tokens_minimum = equal ? number : number + 1;
    return true;
}

static void build_tokens(struct settings_reader *reader, const struct settings_value *tokens,
                         struct route_condition *when)
{
    when->tokens_maximum = UINT64_MAX;
    if (text_empty(tokens->text) || parse_tokens(tokens->text, when))
        return;
    size_t mark = report_enter(reader->report, TEXT("tokens"));
    report_error(reader->report, settings_place(tokens, NULL),
                 "%s is no length of a prompt: \"<8000\", \"<=8000\", \">8000\", \">=8000\" or "
                 "\"8000-32000\"",
                 report_quote(tokens->text));
    report_leave(reader->report, mark);
}

static void build_condition(struct settings_reader *reader, const struct settings_condition *from,
                            struct route_condition *when)
{
    size_t mark = report_enter(reader->report, TEXT("when"));
    struct route_tag *tags = build_array(reader, from->tag_count, sizeof(*tags));
    for (size_t i = 0; tags && i < from->tag_count; i++) {
        tags[i].name = arena_copy(&reader->memory->arena, from->tags[i].entry.name);
        tags[i].value = from->tags[i].value.text;
    }
    when->tags = tags;
    when->tag_count = tags ? from->tag_count : 0;
    when->teams = build_texts(reader, from->teams, from->team_count);
    when->team_count = when->teams ? from->team_count : 0;
    when->needs = read_words(from->needs, from->need_count);
    build_tokens(reader, &from->tokens, when);
    report_leave(reader->report, mark);
}

/* ---- targets ---- */

static uint32_t share_of(uint64_t number)
{
    if (number == SETTINGS_UNSET)
        return 0;
    return number == SETTINGS_WORD ? ROUTE_WHOLE : (uint32_t)number;
}

static void check_roles(struct settings_reader *reader, const struct settings_target *from,
                        const struct route_target_rules *rules)
{
    struct report_place place = from->entry.node->place;
    if (rules->canary > 0 && rules->mirror > 0)
        report_error(reader->report, place,
                     "a target is a canary, which answers callers, or a mirror, which does not");
    if (rules->when.needs & rules->lacks)
        report_error(reader->report, place,
                     "what it lacks is what \"when\" asks for: it would never get a call");
}

static void build_target(struct settings_reader *reader, const struct settings_target *from,
                         struct config_target *target)
{
    struct route_target_rules *rules = &target->rules;
    rules->weight = from->weight;
    rules->priority = (unsigned)from->priority;
    rules->canary = share_of(from->canary);
    rules->mirror = share_of(from->mirror);
    rules->lacks = read_words(from->lacks, from->lack_count);
    build_condition(reader, &from->when, &rules->when);
    target->drop = build_texts(reader, from->drop, from->drop_count);
    target->drop_count = target->drop ? from->drop_count : 0;
    check_roles(reader, from, rules);
}

/* ---- models ---- */

static uint64_t number_or(uint64_t number, uint64_t otherwise)
{
    return number == SETTINGS_UNSET ? otherwise : number;
}

static bool says_retry(const struct settings_retry *retry)
{
    return retry->attempts != SETTINGS_UNSET || retry->budget != SETTINGS_UNSET ||
           retry->on_count > 0;
}

/* In a model; in the defaults the three others have fixed values. */
static bool says_breaker(const struct settings_breaker *breaker)
{
    return breaker->failures != SETTINGS_UNSET || breaker->ratio != SETTINGS_UNSET;
}

static void build_retry(const struct settings_defaults *defaults, const struct settings_retry *from,
                        struct route_retry *retry)
{
    const struct settings_retry *standard = &defaults->retry;
    bool said = says_retry(from) || says_retry(standard);
    const struct settings_retry *on = from->on_count > 0 ? from : standard;
    retry->attempts = number_or(from->attempts, number_or(standard->attempts, 0));
    retry->budget = (uint32_t)number_or(
        from->budget, number_or(standard->budget, said ? RETRY_BUDGET : ROUTE_WHOLE));
    retry->on = on->on_count > 0 ? read_words(on->on, on->on_count) : RETRY_ON_PLAIN;
}

static void build_breaker(const struct settings_defaults *defaults,
                          const struct settings_model *from, struct route_breaker *breaker)
{
    const struct settings_breaker *standard = &defaults->breaker;
    bool said = says_retry(&from->retry) || says_retry(&defaults->retry) ||
                from->breaker.minimum_calls != SETTINGS_UNSET ||
                from->breaker.window != SETTINGS_UNSET || from->breaker.open_for != SETTINGS_UNSET;
    bool chosen = says_breaker(&from->breaker) || says_breaker(standard);
    /* Who names one of the two ways to open means that one. */
    uint64_t failures = said && !chosen ? FAILURES_OPEN : 0;
    uint64_t ratio = said && !chosen ? RATIO_OPENS : 0;
    breaker->failures = number_or(from->breaker.failures, number_or(standard->failures, failures));
    breaker->ratio = (uint32_t)number_or(from->breaker.ratio, number_or(standard->ratio, ratio));
    breaker->minimum_calls = number_or(from->breaker.minimum_calls, standard->minimum_calls);
    breaker->window = number_or(from->breaker.window, standard->window);
    breaker->open_for = number_or(from->breaker.open_for, standard->open_for);
}

static void build_timeouts(struct settings_reader *reader, const struct settings_model *from,
                           struct route_timeouts *timeouts)
{
    timeouts->connect = number_or(from->timeouts.connect, 0);
    timeouts->first_token = number_or(from->timeouts.first_token, 0);
    timeouts->between_tokens = number_or(from->timeouts.between_tokens, 0);
    timeouts->total = number_or(from->timeouts.total, 0);
    uint64_t longest = timeouts->first_token > timeouts->between_tokens ? timeouts->first_token
                                                                        : timeouts->between_tokens;
    if (timeouts->total > 0 && longest > timeouts->total)
        report_error(reader->report, from->entry.node->key_place,
                     "its time-out \"total\" ends every call before \"%s\" could",
                     longest == timeouts->first_token ? "first_token" : "between_tokens");
}

/* Whether nothing about routing was written, for it or in the defaults. */
static bool is_plain(const struct settings_defaults *defaults, const struct settings_model *from,
                     const struct config_model *model, const struct config_target *targets)
{
    const struct route_model_rules *rules = &model->rules;
    bool plain = rules->strategy == ROUTE_PRIORITY && rules->hedge.after == 0 &&
                 !route_breaker_is_used(&rules->breaker) && !says_retry(&from->retry) &&
                 !says_retry(&defaults->retry);
    for (size_t i = 0; plain && i < from->target_count; i++) {
        const struct route_target_rules *target = &targets[i].rules;
        plain = target->canary == 0 && target->mirror == 0 && target->priority == 0 &&
                target->lacks == 0 && target->when.tag_count == 0 && target->when.team_count == 0 &&
                target->when.needs == 0 && target->when.tokens_minimum == 0 &&
                target->when.tokens_maximum == UINT64_MAX &&
                text_empty(targets[i].provider ? targets[i].provider->health.path : TEXT(""));
    }
    return plain;
}

void build_routing(struct settings_reader *reader, const struct settings *settings,
                   const struct settings_model *from, struct config_model *model,
                   struct config_target *targets)
{
    struct route_model_rules *rules = &model->rules;
    size_t list = report_enter(reader->report, TEXT("targets"));
    for (size_t i = 0; i < from->target_count; i++) {
        size_t item = report_enter_item(reader->report, i);
        build_target(reader, &from->targets[i], &targets[i]);
        report_leave(reader->report, item);
    }
    report_leave(reader->report, list);
    rules->strategy = (enum route_strategy)from->strategy.choice;
    rules->hedge.after =
        from->hedge.after == SETTINGS_WORD ? ROUTE_LEARNED : number_or(from->hedge.after, 0);
    rules->hedge.at_least = from->hedge.at_least;
    build_retry(&settings->defaults, &from->retry, &rules->retry);
    build_breaker(&settings->defaults, from, &rules->breaker);
    build_timeouts(reader, from, &rules->timeouts);
    check_targets(reader, from, model, targets);
    rules->plain = is_plain(&settings->defaults, from, model, targets);
}

void build_health(struct settings_reader *reader, const struct settings_provider *from,
                  struct config_provider *provider)
{
    const struct settings_health *health = &from->health;
    struct text path = health->path.text;
    provider->health =
        (struct route_health){path, health->interval, health->timeout, health->failures};
    if (text_empty(path))
        return;
    size_t section = report_enter(reader->report, TEXT("health"));
    size_t mark = report_enter(reader->report, TEXT("path"));
    if (!text_starts_with(path, TEXT("/")) || text_find_char(path, ' ') >= 0 ||
        text_find_char(path, '#') >= 0)
        report_error(reader->report, settings_place(&health->path, NULL),
                     "%s is no path: it begins with / and has no spaces", report_quote(path));
    report_leave(reader->report, mark);
    report_leave(reader->report, section);
}
