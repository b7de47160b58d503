/* Whose tokens say who calls, and where their keys are. */
#include "config/build.h"
#include "config/endpoint.h"
#include "tables/config.h"

/* Keys decide who is let in: they come by a way that nobody on it can change. */
static void check_url(struct settings_reader *reader, const struct settings_value *value,
                      struct text url, const char *what)
{
    struct config_endpoint endpoint;
    const char *problem = endpoint_parse(url, reader->scratch, &endpoint);
    if (problem)
        report_error(reader->report, settings_place(value, NULL), "%s: %s", report_quote(url),
                     problem);
    else if (endpoint.port == 0 || (!endpoint.tls && !endpoint_is_local(endpoint.host)))
        report_error(reader->report, settings_place(value, NULL),
                     "%s %s is asked by https:// alone, or by http:// on this machine", what,
                     report_quote(url));
}

static void check_source(struct settings_reader *reader, const struct settings_issuer *from)
{
    bool url = from->jwks_url.node, file = from->jwks_file.node;
    size_t mark = report_enter(reader->report, file ? TEXT("jwks_file") : TEXT("jwks_url"));
    if (url && file)
        report_error(reader->report, settings_place(&from->jwks_file, NULL),
                     "\"jwks_url\" says it too: which of them is it?");
    else if (!text_empty(from->jwks_url.text))
        check_url(reader, &from->jwks_url, from->jwks_url.text, "the set of keys");
    report_leave(reader->report, mark);
    mark = report_enter(reader->report, TEXT("issuer"));
    if (url || file || text_empty(from->issuer.text)) {
        report_leave(reader->report, mark);
        return;
    }
    if (text_starts_with(from->issuer.text, TEXT("http")))
        check_url(reader, &from->issuer, from->issuer.text, "what it says of itself at");
    else
        report_error(reader->report, settings_place(&from->issuer, NULL),
                     "%s is no URL that could be asked for its keys: write \"jwks_url\" or "
                     "\"jwks_file\"",
                     report_quote(from->issuer.text));
    report_leave(reader->report, mark);
}

static void check_fetching(struct settings_reader *reader, const struct settings_issuer *from)
{
    const struct settings_value *const values[] = {&from->authority, &from->bearer_file};
    static const char *const names[] = {"authority", "bearer_file"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        if (!values[i]->node || !from->jwks_file.node)
            continue;
        size_t mark = report_enter(reader->report, text_from(names[i]));
        report_error(reader->report, settings_place(values[i], NULL),
                     "a file is not asked for: \"jwks_file\" needs no such thing");
        report_leave(reader->report, mark);
    }
}

static uint32_t read_algorithms(const struct settings_issuer *from)
{
    uint32_t algorithms = 0;
    for (size_t i = 0; i < from->algorithm_count; i++)
        if (from->algorithms[i].value.choice < JWT_ALGORITHM_COUNT)
            algorithms |= 1u << from->algorithms[i].value.choice;
    return from->algorithm_count > 0 ? algorithms : (1u << JWT_ALGORITHM_COUNT) - 1;
}

static void check_unique(struct settings_reader *reader, const struct settings_issuer *from,
                         const struct config_issuer *others, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text_empty(from->issuer.text) || !text_equal(from->issuer.text, others[i].terms.issuer))
            continue;
        size_t mark = report_enter(reader->report, TEXT("issuer"));
        report_error(reader->report, settings_place(&from->issuer, NULL),
                     "issuer \"%.*s\" is the same: put the rules together there",
                     TEXT_ARG(others[i].terms.name));
        report_leave(reader->report, mark);
    }
}

static void build_issuer(struct settings_reader *reader, const struct settings_issuer *from,
                         struct config_issuer *out)
{
    struct text *audiences = build_array(reader, from->audience_count, sizeof(*audiences));
    for (size_t i = 0; audiences && i < from->audience_count; i++)
        audiences[i] = from->audiences[i].value.text;
    *out = (struct config_issuer){
        .terms = {.name = arena_copy(&reader->memory->arena, from->entry.name),
                  .issuer = from->issuer.text,
                  .audiences = audiences,
                  .audience_count = audiences ? from->audience_count : 0,
                  .algorithms = read_algorithms(from),
                  .clock_skew = from->clock_skew,
                  .token_lifetime = from->token_lifetime,
                  .keys_good_for = from->keys_good_for},
        .jwks_url = from->jwks_url.text,
        .jwks_file = from->jwks_file.text,
        .authority = from->authority.text,
        .bearer_file = from->bearer_file.text,
        .refresh = from->refresh,
    };
    const struct build_place rules = {TEXT("issuers"), from->issuer.text, from->entry.name};
    build_callers(reader, from->callers, from->caller_count, &rules, &out->terms.rules);
}

void build_issuers(struct settings_reader *reader, const struct settings *settings,
                   struct config *config)
{
    struct config_issuer *issuers = build_array(reader, settings->issuer_count, sizeof(*issuers));
    if (!issuers)
        return;
    size_t top = report_enter(reader->report, TEXT("issuers"));
    for (size_t i = 0; i < settings->issuer_count; i++) {
        const struct settings_issuer *from = &settings->issuers[i];
        size_t mark = report_enter(reader->report, from->entry.name);
        check_source(reader, from);
        check_fetching(reader, from);
        check_unique(reader, from, issuers, i);
        build_issuer(reader, from, &issuers[i]);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, top);
    config->issuers = issuers;
    config->issuer_count = settings->issuer_count;
}
