/* Numbers are compared by the table of keys: a row below `limits`, `timeouts` or `ledger` is bound
 * to a member of the structure of the same section. The rest has few members and is compared by
 * hand. */
#include "base/clock.h"
#include "config/settings.h"
#include "tables/config.h"

#define NAMES_SHOWN 5u /* of many that changed alike; the rest is a number */

struct binding {
    size_t offset;
    bool number; /* in a structure that the snapshot has as it is */
};

static const struct binding bindings[] = {
#define AT(structure, member)                   offsetof(struct structure, member)
#define MANY(structure, member, count, element) 0
#define NONE                                    0
#define CONFIG(path, type, binding, standard, minimum, maximum, detail, flags, description)        \
    {binding, CONFIG_TYPE_##type == CONFIG_TYPE_COUNT || CONFIG_TYPE_##type == CONFIG_TYPE_SIZE || \
                  CONFIG_TYPE_##type == CONFIG_TYPE_DURATION},
#include "tables/config.def"
#undef CONFIG
};

static const struct section {
    struct text prefix;
    size_t offset; /* in struct config */
} sections[] = {
    {TEXT_INIT("limits."), offsetof(struct config, limits)},
    {TEXT_INIT("timeouts."), offsetof(struct config, timeouts)},
    {TEXT_INIT("ledger."), offsetof(struct config, ledger)},
    {TEXT_INIT("alerts.bounces."), offsetof(struct config, alerts.bounces)},
    {TEXT_INIT("alerts.keys."), offsetof(struct config, alerts.keys)},
    {TEXT_INIT("guard."), offsetof(struct config, guard)},
};
_Static_assert(offsetof(struct settings_guard, calls) == offsetof(struct config_guard, calls) &&
                   offsetof(struct settings_guard, window) ==
                       offsetof(struct config_guard, window) &&
                   offsetof(struct settings_guard, keys) == offsetof(struct config_guard, keys),
               "numbers stand where the table has them");

static void append_scaled(struct buffer *out, uint64_t number, const uint64_t *factors,
                          const char *const *units, size_t count)
{
    size_t i = 0;
    while (i + 1 < count && (number == 0 || number % factors[i] != 0))
        i++;
    buffer_append_unsigned(out, number / factors[i]);
    buffer_append(out, text_from(units[i]));
}

static void append_number(struct buffer *out, enum config_type type, uint64_t number)
{
    static const uint64_t durations[] = {3600 * NANOSECONDS_PER_SECOND, 60 * NANOSECONDS_PER_SECOND,
                                         NANOSECONDS_PER_SECOND, NANOSECONDS_PER_MILLISECOND};
    static const char *const duration_units[] = {"h", "m", "s", "ms"};
    static const uint64_t sizes[] = {1u << 30, 1u << 20, 1u << 10, 1};
    static const char *const size_units[] = {"GiB", "MiB", "KiB", ""};
    if (type == CONFIG_TYPE_DURATION)
        append_scaled(out, number, durations, duration_units, ARRAY_LENGTH(durations));
    else if (type == CONFIG_TYPE_SIZE)
        append_scaled(out, number, sizes, size_units, ARRAY_LENGTH(sizes));
    else
        buffer_append_unsigned(out, number);
}

static void compare_number(struct buffer *out, const struct config_key *row, uint64_t old,
                           uint64_t new)
{
    if (old == new)
        return;
    buffer_append(out, row->path);
    buffer_append(out, TEXT(": "));
    append_number(out, row->type, old);
    buffer_append(out, TEXT(" is now "));
    append_number(out, row->type, new);
    if (row->flags & CONFIG_FLAG_RESTART)
        buffer_append(out, TEXT(", from the next start on"));
    buffer_append_char(out, '\n');
}

static void compare_sections(struct buffer *out, const struct config *old, const struct config *new)
{
    for (size_t key = 0; key < config_key_count; key++)
        for (size_t i = 0; i < ARRAY_LENGTH(sections); i++) {
            if (!bindings[key].number ||
                !text_starts_with(config_keys[key].path, sections[i].prefix))
                continue;
            size_t offset = sections[i].offset + bindings[key].offset;
            compare_number(out, &config_keys[key], *(const uint64_t *)((const char *)old + offset),
                           *(const uint64_t *)((const char *)new + offset));
        }
}

static bool same_path(const char *a, const char *b)
{
    return text_equal(text_from(a), text_from(b));
}

static bool same_secret(const struct secret *a, const struct secret *b)
{
    if (!a || !b)
        return a == b;
    return secret_equal(a, secret_expose(b));
}

/* What differs, as words. `changes` collects "a, b". */
static void add_change(struct buffer *changes, bool same, const char *what)
{
    if (same)
        return;
    if (changes->length > 0)
        buffer_append(changes, TEXT(", "));
    buffer_append(changes, text_from(what));
}

static bool same_forwarders(const struct config_forwarders *old,
                            const struct config_forwarders *new)
{
    return old->network_count == new->network_count && old->local == new->local &&
           old->header == new->header && old->proxy_protocol == new->proxy_protocol &&
           (new->network_count == 0 ||
            memcmp(old->networks, new->networks, new->network_count * sizeof(*new->networks)) == 0);
}

static void compare_network(const void *old_item, const void *new_item, struct buffer *changes)
{
    const struct config_network *old = old_item;
    const struct config_network *new = new_item;
    add_change(changes,
               old->range_count ==
                   new->range_count &&memcmp(old->ranges, new->ranges,
                                             new->range_count * sizeof(*new->ranges)) == 0,
               "ranges");
    add_change(changes, text_equal(old->contact, new->contact), "contact");
}

static bool same_rules(const struct config_listener *old, const struct config_listener *new)
{
    bool same = old->written_rule_count == new->written_rule_count;
    for (size_t i = 0; same && i < new->written_rule_count; i++)
        same = text_equal(old->written_rules[i].network, new->written_rules[i].network) &&
               old->written_rules[i].denies == new->written_rules[i].denies &&
               old->written_rules[i].observed == new->written_rules[i].observed &&
               old->written_rules[i].taken_back_at == new->written_rules[i].taken_back_at;
    return same;
}

static bool same_texts(const struct text *old, size_t old_count, const struct text *new,
                       size_t new_count)
{
    bool same = old_count == new_count;
    for (size_t i = 0; same && i < new_count; i++)
        same = text_equal(old[i], new[i]);
    return same;
}

static bool same_pairs(const struct caller_pair *old, size_t old_count,
                       const struct caller_pair *new, size_t new_count)
{
    bool same = old_count == new_count;
    for (size_t i = 0; same && i < new_count; i++)
        same = text_equal(old[i].name, new[i].name) && text_equal(old[i].value, new[i].value);
    return same;
}

static bool same_limits(const struct caller_rule *old, const struct caller_rule *new)
{
    bool same = old->limit_count == new->limit_count;
    for (size_t i = 0; same && i < old->limit_count; i++) {
        const struct caller_limit *a = &old->limits[i], *b = &new->limits[i];
        same = a->kind == b->kind && a->observed == b->observed && a->amount == b->amount &&
               a->window == b->window;
    }
    return same;
}

static bool same_caller(const struct caller_rule *old, const struct caller_rule *new)
{
    return same_pairs(old->claims, old->claim_count, new->claims, new->claim_count) &&
           same_pairs(old->tags, old->tag_count, new->tags, new->tag_count) &&
           text_equal(old->team, new->team) && text_equal(old->name, new->name) &&
           same_texts(old->models.allowed, old->models.allowed_count, new->models.allowed,
                      new->models.allowed_count) &&
           same_texts(old->models.denied, old->models.denied_count, new->models.denied,
                      new->models.denied_count) &&
           old->key_lifetime == new->key_lifetime && old->key_outlives == new->key_outlives &&
           old->keys == new->keys &&same_limits(old, new);
}

static bool same_callers(const struct caller_rules *old, const struct caller_rules *new)
{
    bool same = old->count == new->count;
    for (size_t i = 0; same && i < new->count; i++)
        same = same_caller(&old->rows[i], &new->rows[i]);
    return same;
}

bool config_same_key_source(const struct config_issuer *a, const struct config_issuer *b)
{
    return text_equal(a->terms.issuer, b->terms.issuer) && text_equal(a->jwks_url, b->jwks_url) &&
           text_equal(a->jwks_file, b->jwks_file) && text_equal(a->authority, b->authority) &&
           text_equal(a->bearer_file, b->bearer_file) && a->refresh == b->refresh;
}

static void compare_issuer(const void *old_item, const void *new_item, struct buffer *changes)
{
    const struct config_issuer *old = old_item;
    const struct config_issuer *new = new_item;
    const struct issuer_terms *before = &old->terms, *after = &new->terms;
    add_change(changes, text_equal(before->issuer, after->issuer), "issuer");
    add_change(changes,
               same_texts(before->audiences, before->audience_count, after->audiences,
                          after->audience_count),
               "audiences");
    add_change(changes, config_same_key_source(old, new), "where its keys are");
    add_change(changes, before->algorithms == after->algorithms, "algorithms");
    add_change(changes,
               before->clock_skew == after->clock_skew &&
                   before->token_lifetime == after->token_lifetime &&
                   before->keys_good_for == after->keys_good_for,
               "times");
    add_change(changes, same_callers(&before->rules, &after->rules), "callers");
}

static void compare_listener(const void *old_item, const void *new_item, struct buffer *changes)
{
    const struct config_listener *old = old_item;
    const struct config_listener *new = new_item;
    bool same_files = old->tls.certificate_count == new->tls.certificate_count;
    for (size_t i = 0; same_files && i < new->tls.certificate_count; i++)
        same_files =
            same_path(old->tls.certificates[i].certificate_path,
                      new->tls.certificates[i].certificate_path) &&
            same_path(old->tls.certificates[i].key_path, new->tls.certificates[i].key_path);
    add_change(changes, text_equal(old->address_text, new->address_text), "address");
    add_change(changes, same_files, "certificates");
    add_change(changes, same_path(old->tls.client_authority_path, new->tls.client_authority_path),
               "client_authority");
    add_change(changes, old->client_certificate == new->client_certificate, "client_certificate");
    add_change(changes, old->metrics == new->metrics, "metrics");
    add_change(changes, same_forwarders(&old->forwarders, &new->forwarders), "forwarders");
    add_change(changes, same_rules(old, new), "network_rules");
    add_change(changes, old->proofs == new->proofs, "identify");
    add_change(changes, same_callers(&old->certificate_callers, &new->certificate_callers),
               "callers");
}

static bool same_headers(const struct config_provider *old, const struct config_provider *new)
{
    bool same = old->header_count == new->header_count;
    for (size_t i = 0; same && i < new->header_count; i++)
        same = text_equal(old->headers[i].name, new->headers[i].name) &&
               text_equal(old->headers[i].value, new->headers[i].value) &&
               same_secret(old->headers[i].secret, new->headers[i].secret);
    return same;
}

static bool same_proxy(const struct config_proxy *old, const struct config_proxy *new)
{
    if (!old || !new)
        return old == new;
    return text_equal(old->text, new->text) && same_secret(old->authorization, new->authorization);
}

static bool same_prices(const struct config_own_prices *old, const struct config_own_prices *new)
{
    bool same = text_equal(old->model, new->model) && old->price_count == new->price_count;
    for (size_t i = 0; same && i < new->price_count; i++)
        same = text_equal(old->prices[i].unit, new->prices[i].unit) &&
               text_equal(old->prices[i].amount, new->prices[i].amount);
    return same;
}

static bool same_pricing(const struct config_pricing *old, const struct config_pricing *new)
{
    bool same =
        text_equal(old->catalog, new->catalog) && text_equal(old->discount, new->discount) &&
        text_equal(old->data_residency, new->data_residency) &&
        text_equal(old->deployment, new->deployment) && text_equal(old->location, new->location) &&
        text_equal(old->inference_geo, new->inference_geo) &&
        text_equal(old->endpoint_region, new->endpoint_region) &&
        old->model_count == new->model_count;
    for (size_t i = 0; same && i < new->model_count; i++)
        same = same_prices(&old->models[i], &new->models[i]);
    return same;
}

/* Texts and secrets of the kinds; those of the other kinds are empty in both. */
static const size_t credential_texts[] = {
    offsetof(struct config_credential, google.credentials_file),
    offsetof(struct config_credential, google.service_account),
    offsetof(struct config_credential, google.scope),
    offsetof(struct config_credential, google.token_url),
    offsetof(struct config_credential, google.metadata_url),
    offsetof(struct config_credential, azure.tenant_id),
    offsetof(struct config_credential, azure.client_id),
    offsetof(struct config_credential, azure.certificate),
    offsetof(struct config_credential, azure.federated_token_file),
    offsetof(struct config_credential, azure.scope),
    offsetof(struct config_credential, azure.authority_url),
    offsetof(struct config_credential, azure.metadata_url),
    offsetof(struct config_credential, aws.profile),
    offsetof(struct config_credential, aws.credentials_file),
    offsetof(struct config_credential, aws.config_file),
    offsetof(struct config_credential, aws.role_arn),
    offsetof(struct config_credential, aws.external_id),
    offsetof(struct config_credential, aws.role_session_name),
    offsetof(struct config_credential, aws.web_identity_token_file),
    offsetof(struct config_credential, aws.sts_url),
    offsetof(struct config_credential, aws.metadata_url),
};
static const size_t credential_secrets[] = {
    offsetof(struct config_credential, api_key),
    offsetof(struct config_credential, azure.client_secret),
    offsetof(struct config_credential, aws.access_key_id),
    offsetof(struct config_credential, aws.secret_access_key),
    offsetof(struct config_credential, aws.session_token),
};

bool config_same_credential(const struct config_credential *a, const struct config_credential *b)
{
    bool same = a->kind == b->kind && a->aws.source == b->aws.source;
    for (size_t i = 0; same && i < ARRAY_LENGTH(credential_texts); i++)
        same = text_equal(*(const struct text *)((const char *)a + credential_texts[i]),
                          *(const struct text *)((const char *)b + credential_texts[i]));
    for (size_t i = 0; same && i < ARRAY_LENGTH(credential_secrets); i++)
        same = same_secret(*(struct secret *const *)((const char *)a + credential_secrets[i]),
                           *(struct secret *const *)((const char *)b + credential_secrets[i]));
    return same;
}

static bool same_credentials(const struct config_provider *old, const struct config_provider *new)
{
    bool same = old->credential_count == new->credential_count;
    for (size_t i = 0; same && i < new->credential_count; i++) {
        const struct config_credential *a = &old->credentials[i], *b = &new->credentials[i];
        same = text_equal(a->name, b->name) && a->weight == b->weight &&
               a->requests_per_minute == b->requests_per_minute &&
               a->tokens_per_minute == b->tokens_per_minute &&
               a->concurrent_calls == b->concurrent_calls && config_same_credential(a, b);
    }
    return same;
}

static void compare_provider(const void *old_item, const void *new_item, struct buffer *changes)
{
    const struct config_provider *old = old_item;
    const struct config_provider *new = new_item;
    add_change(changes, text_equal(old->type, new->type), "type");
    add_change(changes, text_equal(old->endpoint.text, new->endpoint.text), "base_url");
    add_change(changes, same_secret(old->api_key, new->api_key), "api_key");
    add_change(changes, same_credentials(old, new), "credentials");
    add_change(changes, text_equal(old->aws_region, new->aws_region), "aws.region");
    add_change(changes, text_equal(old->google_project, new->google_project), "google.project");
    add_change(changes, text_equal(old->google_location, new->google_location), "google.location");
    add_change(changes, text_equal(old->quirks, new->quirks), "quirks");
    add_change(changes, text_equal(old->azure_api_version, new->azure_api_version),
               "azure.api_version");
    add_change(changes, text_equal(old->organization, new->organization), "organization");
    add_change(changes, text_equal(old->project, new->project), "project");
    add_change(changes, same_headers(old, new), "headers");
    add_change(changes, memcmp(&old->timeouts, &new->timeouts, sizeof(old->timeouts)) == 0,
               "timeouts");
    add_change(changes, memcmp(&old->limits, &new->limits, sizeof(old->limits)) == 0, "limits");
    add_change(changes, same_proxy(old->proxy, new->proxy), "proxy");
    add_change(changes,
               same_path(old->tls.authority_path, new->tls.authority_path) &&
                   same_path(old->tls.certificate_path, new->tls.certificate_path) &&
                   same_path(old->tls.key_path, new->tls.key_path),
               "tls");
    add_change(changes, same_pricing(&old->pricing, &new->pricing), "pricing");
    add_change(changes,
               text_equal(old->health.path, new->health.path) &&
                   old->health.interval == new->health.interval &&
                   old->health.timeout == new->health.timeout &&
                   old->health.failures == new->health.failures,
               "health");
}

static void compare_webhook(const void *old_item, const void *new_item, struct buffer *changes)
{
    const struct config_webhook *old = old_item;
    const struct config_webhook *new = new_item;
    add_change(changes,
               text_equal(old->url, new->url) && same_secret(old->url_secret, new->url_secret),
               "url");
    add_change(changes, same_secret(old->secret, new->secret), "secret");
}

static bool same_condition(const struct route_condition *old, const struct route_condition *new)
{
    bool same =
        old->tag_count == new->tag_count && old->needs == new->needs &&
        old->tokens_minimum == new->tokens_minimum &&
        old->tokens_maximum == new->tokens_maximum &&same_texts(old->teams, old->team_count,
                                                                new->teams, new->team_count);
    for (size_t i = 0; same && i < new->tag_count; i++)
        same = text_equal(old->tags[i].name, new->tags[i].name) &&
               text_equal(old->tags[i].value, new->tags[i].value);
    return same;
}

static bool same_target(const struct config_target *old, const struct config_target *new)
{
    const struct route_target_rules *before = &old->rules;
    const struct route_target_rules *after = &new->rules;
    return text_equal(old->model, new->model) &&
           text_equal(old->provider->name, new->provider->name) &&
           before->weight == after->weight && before->priority == after->priority &&
           before->canary == after->canary && before->mirror == after->mirror &&
           before->lacks == after->lacks && same_condition(&before->when, &after->when) &&
           same_texts(old->drop, old->drop_count, new->drop, new->drop_count);
}

static bool same_retry(const struct route_retry *old, const struct route_retry *new)
{
    return old->attempts == new->attempts && old->on == new->on && old->budget == new->budget;
}

static bool same_breaker(const struct route_breaker *old, const struct route_breaker *new)
{
    return old->failures == new->failures && old->ratio == new->ratio &&
           old->minimum_calls == new->minimum_calls && old->window == new->window &&
           old->open_for == new->open_for;
}

static void compare_rules(const struct route_model_rules *old, const struct route_model_rules *new,
                          struct buffer *changes)
{
    add_change(changes, old->strategy == new->strategy, "strategy");
    add_change(changes, memcmp(&old->timeouts, &new->timeouts, sizeof(old->timeouts)) == 0,
               "timeouts");
    add_change(changes, same_retry(&old->retry, &new->retry), "retry");
    add_change(changes,
               old->hedge.after == new->hedge.after && old->hedge.at_least == new->hedge.at_least,
               "hedge");
    add_change(changes, same_breaker(&old->breaker, &new->breaker), "breaker");
}

static void compare_model(const void *old_item, const void *new_item, struct buffer *changes)
{
    const struct config_model *old = old_item;
    const struct config_model *new = new_item;
    bool targets = old->target_count == new->target_count;
    for (size_t i = 0; targets && i < new->target_count; i++)
        targets = same_target(&old->targets[i], &new->targets[i]);
    add_change(changes, same_texts(old->aliases, old->alias_count, new->aliases, new->alias_count),
               "aliases");
    add_change(changes, targets, "targets");
    compare_rules(&old->rules, &new->rules, changes);
}

/* An array of things that begin with their name. */
struct things {
    const char *what; /* "provider" */
    const void *items;
    size_t count;
    size_t size; /* of one */
    void (*compare)(const void *old, const void *new, struct buffer *changes);
};

_Static_assert(offsetof(struct config_listener, name) == 0 &&
                   offsetof(struct config_provider, name) == 0 &&
                   offsetof(struct config_model, name) == 0 &&
                   offsetof(struct config_webhook, name) == 0 &&
                   offsetof(struct config_issuer, terms.name) == 0,
               "things begin with their name");

static const struct text *thing_at(const struct things *things, size_t index)
{
    return (const struct text *)((const char *)things->items + index * things->size);
}

/* Ten thousand models are searched by name ten thousand times: usually they are where they were. */
static const struct text *find_thing(const struct things *things, struct text name, size_t hint)
{
    for (size_t i = 0; i < things->count; i++) {
        const struct text *thing = thing_at(things, (i + hint) % things->count);
        if (text_equal(*thing, name))
            return thing;
    }
    return NULL;
}

/* "provider a, b and 3 more" in `names`, which is emptied. */
static void write_names(struct buffer *out, const char *what, struct buffer *names, size_t count,
                        const char *verb)
{
    if (count == 0)
        return;
    buffer_append_format(out, "%s%s %.*s", what, count > 1 ? "s" : "",
                         TEXT_ARG(buffer_text(names)));
    if (count > NAMES_SHOWN)
        buffer_append_format(out, " and %zu more", count - NAMES_SHOWN);
    buffer_append_format(out, " %s\n", verb);
    buffer_clear(names);
}

static void add_name(struct buffer *names, size_t count, struct text name)
{
    if (count < NAMES_SHOWN)
        buffer_append_format(names, "%s%.*s", count > 0 ? ", " : "", TEXT_ARG(name));
}

/* Names of `things` that `others` does not have. */
static void write_missing(struct buffer *out, const struct things *things,
                          const struct things *others, const char *verb)
{
    struct buffer names;
    buffer_open(&names, 4096);
    size_t count = 0;
    for (size_t i = 0; i < things->count; i++)
        if (!find_thing(others, *thing_at(things, i), i))
            add_name(&names, count++, *thing_at(things, i));
    write_names(out, things->what, &names, count, verb);
    buffer_close(&names);
}

static void write_changed(struct buffer *out, const struct things *old, const struct things *new)
{
    size_t shown = 0;
    size_t count = 0;
    for (size_t i = 0; i < new->count; i++) {
        const struct text *before = find_thing(old, *thing_at(new, i), i);
        struct buffer changes;
        buffer_open(&changes, 1024);
        if (before)
            new->compare(before, thing_at(new, i), &changes);
        count += changes.length > 0;
        if (changes.length > 0 && shown < NAMES_SHOWN) {
            buffer_append_format(out, "%s %.*s: %.*s changed\n", new->what,
                                 TEXT_ARG(*thing_at(new, i)), TEXT_ARG(buffer_text(&changes)));
            shown++;
        }
        buffer_close(&changes);
    }
    if (count > shown)
        buffer_append_format(out, "%zu more %ss changed\n", count - shown, new->what);
}

static void compare_things(struct buffer *out, const struct things *old, const struct things *new)
{
    write_missing(out, new, old, "added");
    write_missing(out, old, new, "removed");
    write_changed(out, old, new);
}

static struct things networks_of(const struct config *config)
{
    return (struct things){"network", config->networks, config->network_count,
                           sizeof(*config->networks), compare_network};
}

static struct things listeners_of(const struct config *config)
{
    return (struct things){"listener", config->listeners, config->listener_count,
                           sizeof(*config->listeners), compare_listener};
}

static struct things admin_of(const struct config *config)
{
    return (struct things){"section", &config->admin, 1, sizeof(config->admin), compare_listener};
}

static void compare_console(const struct config_console *old, const struct config_console *new,
                            struct buffer *out)
{
    if (!text_equal(old->url, new->url))
        buffer_append(out, TEXT("admin.url changed\n"));
}

static void compare_sso(const struct config_sso *old, const struct config_sso *new,
                        struct buffer *out)
{
    static const struct config_sso none = {.mark = ""};

    old = old ? old : &none;
    new = new ? new : &none;
    if (!text_equal(text_from(old->mark), text_from(new->mark)))
        buffer_append(out, TEXT("admin.sso changed: sessions that it began have ended\n"));
    else if (!text_equal(old->name, new->name) || !text_equal(old->scopes, new->scopes) ||
             !text_equal(old->user_claim, new->user_claim) ||
             !same_path(old->authority.data, new->authority.data) ||
             !same_secret(old->client_secret, new->client_secret))
        buffer_append(out, TEXT("admin.sso changed\n"));
}

static struct things providers_of(const struct config *config)
{
    return (struct things){"provider", config->providers, config->provider_count,
                           sizeof(*config->providers), compare_provider};
}

static struct things models_of(const struct config *config)
{
    return (struct things){"model", config->models, config->model_count, sizeof(*config->models),
                           compare_model};
}

static struct things issuers_of(const struct config *config)
{
    return (struct things){"issuer", config->issuers, config->issuer_count,
                           sizeof(*config->issuers), compare_issuer};
}

static struct things webhooks_of(const struct config *config)
{
    return (struct things){"webhook", config->webhooks, config->webhook_count,
                           sizeof(*config->webhooks), compare_webhook};
}

static void compare_key(struct buffer *out, const char *path, uint64_t old, uint64_t new)
{
    size_t key = 0;
    while (key < config_key_count && !text_equal(config_keys[key].path, text_from(path)))
        key++;
    if (key < config_key_count)
        compare_number(out, &config_keys[key], old, new);
}

static void compare_guards(struct buffer *out, const struct config_guard *old,
                           const struct config_guard *new)
{
    if (old->share != new->share)
        buffer_append(out, TEXT("guard.share changed\n"));
    if (old->auto_revert != new->auto_revert)
        buffer_append_format(out, "guard.auto_revert is %s\n", new->auto_revert ? "on" : "off");
}

void config_describe_taken_back(const struct config *config, struct buffer *out)
{
    for (size_t i = 0; i < config->listener_count; i++)
        for (size_t j = 0; j < config->listeners[i].written_rule_count; j++) {
            const struct config_listener *listener = &config->listeners[i];
            const struct config_network_rule *rule = &listener->written_rules[j];
            char moment[CLOCK_RFC3339_SIZE];
            if (rule->taken_back_at == 0)
                continue;
            clock_format_rfc3339(rule->taken_back_at, moment);
            buffer_append_format(
                out,
                "listeners.%.*s.network_rules[%zu] (%s %.*s) is only observed: the gateway took "
                "it back at %s, because it refused callers who used to get through; to enforce it "
                "anew, load the file once with mode: observe, then with mode: enforce\n",
                TEXT_ARG(listener->name), j, rule->denies ? "deny" : "allow",
                TEXT_ARG(rule->network), moment);
        }
}

void config_describe_difference(const struct config *old, const struct config *new,
                                struct buffer *out)
{
    struct things before[] = {networks_of(old), listeners_of(old), admin_of(old),
                              issuers_of(old),  providers_of(old), models_of(old),
                              webhooks_of(old)};
    struct things after[] = {networks_of(new),  listeners_of(new), admin_of(new),   issuers_of(new),
                             providers_of(new), models_of(new),    webhooks_of(new)};
    compare_key(out, "workers", old->workers, new->workers);
    for (size_t i = 0; i < ARRAY_LENGTH(after); i++)
        compare_things(out, &before[i], &after[i]);
    compare_console(&old->console, &new->console, out);
    compare_sso(old->sso, new->sso, out);
    if (!text_equal(old->default_provider->name, new->default_provider->name))
        buffer_append_format(out, "calls without a model go to provider %.*s\n",
                             TEXT_ARG(new->default_provider->name));
    compare_sections(out, old, new);
    compare_key(out, "drain_timeout", old->drain_timeout, new->drain_timeout);
    compare_key(out, "dns.timeout", old->dns.timeout, new->dns.timeout);
    if (!same_path(old->dns.servers, new->dns.servers))
        buffer_append(out, TEXT("dns.servers changed, from the next start on\n"));
    if (old->access_log != new->access_log ||
        !text_equal(old->access_log_path, new->access_log_path))
        buffer_append(out, TEXT("access_log changed\n"));
    if (!text_equal(old->contact, new->contact))
        buffer_append(out, TEXT("contact changed\n"));
    if (!text_equal(old->errors_documentation, new->errors_documentation))
        buffer_append(out, TEXT("errors.documentation changed\n"));
    if (!text_equal(old->catalog_path, new->catalog_path))
        buffer_append(out, TEXT("prices.catalog changed\n"));
    if (old->alerts.bounces.share != new->alerts.bounces.share)
        buffer_append(out, TEXT("alerts.bounces.share changed\n"));
    compare_guards(out, &old->guard, &new->guard);
    if (old->unpriced_models != new->unpriced_models)
        buffer_append(out, TEXT("prices.unpriced_models changed\n"));
    if (old->abandoned_calls != new->abandoned_calls)
        buffer_append(out, TEXT("abandoned_calls changed\n"));
    config_describe_taken_back(new, out);
}
