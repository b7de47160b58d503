/* Who the holders of tokens and certificates are. What a rule lets in is money that somebody may
 * spend, so one that would let everybody in is refused. */
#include "base/clock.h"
#include "config/build.h"
#include "identity/claims.h"
#include "tables/config.h"

static bool is_only_stars(struct text pattern)
{
    for (size_t i = 0; i < pattern.length; i++)
        if (pattern.data[i] != '*')
            return false;
    return true;
}

static const struct caller_pair *build_pairs(struct settings_reader *reader,
                                             const struct settings_text *from, size_t count)
{
    struct caller_pair *pairs = build_array(reader, count, sizeof(*pairs));
    for (size_t i = 0; pairs && i < count; i++) {
        pairs[i].name = arena_copy(&reader->memory->arena, from[i].entry.name);
        pairs[i].value = from[i].value.text;
    }
    return pairs;
}

static const struct text *build_texts(struct settings_reader *reader,
                                      const struct settings_text *from, size_t count)
{
    struct text *texts = build_array(reader, count, sizeof(*texts));
    for (size_t i = 0; texts && i < count; i++)
        texts[i] = from[i].value.text;
    return texts;
}

static void check_claims(struct settings_reader *reader, const struct settings_caller *from)
{
    bool binds = false, complete = true;
    for (size_t i = 0; i < from->claim_count; i++) {
        complete = complete && !text_empty(from->claims[i].value.text);
        binds = binds || !is_only_stars(from->claims[i].value.text);
    }
    if (from->claim_count > 0 && complete && !binds)
        report_error(reader->report, settings_place(NULL, &from->claims[0].entry),
                     "every caller of the issuer would match: write at least one value that is "
                     "more than `*`");
}

static void check_template(struct settings_reader *reader, const struct settings_value *value)
{
    const char *problem = claims_template_problem(value->text);
    if (problem)
        report_error(reader->report, settings_place(value, NULL),
                     "%s is no text with claims in it: %s", report_quote(value->text), problem);
}

static int compare_pairs(const void *a, const void *b)
{
    return text_compare(((const struct caller_pair *)a)->name,
                        ((const struct caller_pair *)b)->name);
}

/* Sorted, as the tags of keys are: reports group by them. */
static const struct caller_pair *build_tags(struct settings_reader *reader,
                                            const struct settings_caller *from)
{
    struct caller_pair *tags =
        (struct caller_pair *)build_pairs(reader, from->tags, from->tag_count);
    size_t bytes = 2, mark = report_enter(reader->report, TEXT("tags"));
    for (size_t i = 0; tags && i < from->tag_count; i++) {
        size_t tag = report_enter(reader->report, tags[i].name);
        check_template(reader, &from->tags[i].value);
        if (text_find_char(tags[i].value, '{') < 0)
            bytes += tags[i].name.length + tags[i].value.length + 6; /* "":"", */
        report_leave(reader->report, tag);
    }
    if (from->tag_count > CALLER_TAGS_MAX || bytes > PRINCIPAL_TAGS_MAX)
        report_error(reader->report, settings_place(NULL, &from->tags[0].entry),
                     "a caller has at most %u tags, which take %u bytes together", CALLER_TAGS_MAX,
                     PRINCIPAL_TAGS_MAX);
    report_leave(reader->report, mark);
    if (tags && from->tag_count > 1)
        qsort(tags, from->tag_count, sizeof(*tags), compare_pairs);
    return tags;
}

/* One of a kind, by the order of enum caller_limit_kind; named by where it stands. */
static void build_limits(struct settings_reader *reader, const struct settings_caller *from,
                         const struct build_place *place, size_t index, struct caller_rule *out)
{
    const struct settings_caller_limits *limits = &from->limits;
    const struct row {
        const char *name;
        uint64_t amount;
    } rows[CALLER_LIMIT_KIND_COUNT] = {
        [CALLER_LIMIT_REQUESTS] = {"requests", limits->requests},
        [CALLER_LIMIT_TOKENS] = {"tokens", limits->tokens},
        [CALLER_LIMIT_INPUT_TOKENS] = {"input_tokens", limits->input_tokens},
        [CALLER_LIMIT_OUTPUT_TOKENS] = {"output_tokens", limits->output_tokens},
        [CALLER_LIMIT_CONCURRENT] = {"concurrent", limits->concurrent},
    };
    struct caller_limit *made = build_array(reader, CALLER_LIMIT_KIND_COUNT, sizeof(*made));
    size_t count = 0;
    for (unsigned i = 0; made && i < CALLER_LIMIT_KIND_COUNT; i++) {
        if (rows[i].amount == SETTINGS_UNSET)
            continue;
        made[count++] = (struct caller_limit){
            .id =
                arena_format(&reader->memory->arena, "%.*s.%.*s.callers.[%zu].limits.%s",
                             TEXT_ARG(place->section), TEXT_ARG(place->entry), index, rows[i].name),
            .kind = (enum caller_limit_kind)i,
            .observed = limits->mode.choice == 1,
            .amount = (int64_t)rows[i].amount,
            .window = i == CALLER_LIMIT_CONCURRENT ? 0 : limits->per,
        };
    }
    out->limits = made;
    out->limit_count = count;
}

/* Keys in exchange, where nothing is said: an hour, as most tokens have. */
#define KEY_LIFETIME (3600 * NANOSECONDS_PER_SECOND)

static void build_caller(struct settings_reader *reader, const struct settings_caller *from,
                         struct caller_rule *out)
{
    bool lifetime = from->key_lifetime != SETTINGS_UNSET;

    size_t mark = report_enter(reader->report, TEXT("claims"));
    check_claims(reader, from);
    report_leave(reader->report, mark);
    mark = report_enter(reader->report, TEXT("name"));
    check_template(reader, &from->name);
    report_leave(reader->report, mark);
    *out = (struct caller_rule){
        .claims = build_pairs(reader, from->claims, from->claim_count),
        .claim_count = from->claim_count,
        .team = from->team.text,
        .name = from->name.text,
        .tags = build_tags(reader, from),
        .tag_count = from->tag_count,
        .models = {.listed = from->model_count > 0,
                   .allowed = build_texts(reader, from->models, from->model_count),
                   .allowed_count = from->model_count,
                   .denied = build_texts(reader, from->denied, from->denied_count),
                   .denied_count = from->denied_count},
        .key_lifetime = lifetime ? from->key_lifetime : KEY_LIFETIME,
        .key_outlives = lifetime,
        .keys = from->keys,
    };
}

void build_callers(struct settings_reader *reader, const struct settings_caller *callers,
                   size_t count, const struct build_place *place, struct caller_rules *out)
{
    struct caller_rule *rows = build_array(reader, count, sizeof(*rows));
    size_t list = report_enter(reader->report, TEXT("callers"));
    if (count > CALLER_RULES_MAX)
        report_error(reader->report, settings_place(NULL, &callers[0].entry),
                     "more than %u rules in one place", CALLER_RULES_MAX);
    for (size_t i = 0; rows && i < count; i++) {
        size_t mark = report_enter_item(reader->report, i);
        build_caller(reader, &callers[i], &rows[i]);
        build_limits(reader, &callers[i], place, i, &rows[i]);
        caller_rule_make_code(&rows[i], place->section, place->name);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
    *out = (struct caller_rules){rows, rows ? count : 0};
}

/* ---- listeners ---- */

static uint32_t read_proofs(const struct settings *settings, const struct settings_listener *from)
{
    uint32_t proofs = 0;
    if (from->identify_count == 0)
        return 1u << PRINCIPAL_KEY | (settings->issuer_count > 0 ? 1u << PRINCIPAL_TOKEN : 0);
    for (size_t i = 0; i < from->identify_count; i++)
        if (from->identify[i].value.choice < PRINCIPAL_PROOF_COUNT)
            proofs |= 1u << from->identify[i].value.choice;
    return proofs;
}

/* An empty list is no way to say "as usual". */
static void check_written(struct settings_reader *reader, const struct settings_listener *from)
{
    const struct document_node *list =
        from->entry.node ? document_find(from->entry.node, TEXT("identify")) : NULL;
    if (!list || from->identify_count > 0 || document_is_null(list))
        return;
    size_t mark = report_enter(reader->report, TEXT("identify"));
    report_error(reader->report, list->place,
                 "nobody could say who he is: write what is taken, such as [key, token], or leave "
                 "\"identify\" out for what is usual");
    report_leave(reader->report, mark);
}

void build_identify(struct settings_reader *reader, const struct settings *settings,
                    const struct settings_listener *from, struct config_listener *listener)
{
    const struct build_place rules = {TEXT("listeners"), from->entry.name, from->entry.name};
    build_callers(reader, from->callers, from->caller_count, &rules,
                  &listener->certificate_callers);
    check_written(reader, from);
    listener->proofs = read_proofs(settings, from);
    bool written = from->identify_count > 0;
    bool certificates = listener->proofs & 1u << PRINCIPAL_CERTIFICATE;
    size_t mark =
        report_enter(reader->report, certificates || written ? TEXT("identify") : TEXT("callers"));
    struct report_place place =
        written ? settings_place(&from->identify[0].value, &from->entry)
                : settings_place(NULL, from->caller_count > 0 ? &from->callers[0].entry : NULL);
    if (certificates && listener->client_certificate == CONFIG_CLIENT_CERTIFICATE_NONE)
        report_error(reader->report, place,
                     "certificate: callers are asked for none here; \"client_certificate: "
                     "optional\" or \"required\" does");
    else if (certificates && from->caller_count == 0)
        report_error(reader->report, place,
                     "certificate: \"callers\" is missing: who are their holders?");
    else if (!certificates && from->caller_count > 0)
        report_error(reader->report, place,
                     "\"callers\" here are holders of certificates, and \"identify\" has no "
                     "certificate");
    if (written && listener->proofs & 1u << PRINCIPAL_TOKEN && settings->issuer_count == 0)
        report_error(reader->report, place,
                     "token: there are no \"issuers\" whose tokens could be taken");
    report_leave(reader->report, mark);
}
