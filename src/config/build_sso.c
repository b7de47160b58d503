/* Single sign-on to the console: whose word counts, and what for. A slip here lets in the wrong
 * people, or nobody, so all of it is checked at load. */
#include "config/build.h"

#include <openssl/evp.h>

#include "config/endpoint.h"
#include "tables/config.h"

#define MARKED_MAX (1u << 20) /* bytes of issuer, client and rules together */
#define MARK_BYTES 16u
#define ROLES_MAX  256u /* each sign-in is held against each */

static const char *const role_words[] = {"owner", "operator", "finance", "team_lead"};

#define TEAM_LEAD 3u

/* NULL: nothing of it is written, but for rules. */
static const struct settings_value *find_written(const struct settings_sso *from)
{
    const struct settings_value *const values[] = {
        &from->issuer, &from->client_id, &from->client_secret, &from->authority,
        &from->name,   &from->scopes,    &from->user_claim};

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        if (values[i]->node)
            return values[i];
    }
    return NULL;
}

static void check_issuer(struct settings_reader *reader, const struct settings_value *value)
{
    struct config_endpoint endpoint;
    size_t mark = report_enter(reader->report, TEXT("issuer"));

    if (!text_empty(value->text) &&
        endpoint_parse(value->text, reader->scratch, &endpoint) == NULL &&
        (endpoint.port == 0 || (!endpoint.tls && !endpoint_is_local(endpoint.host))))
        report_error(reader->report, settings_place(value, NULL),
                     "%s is asked by https:// alone, or by http:// on this machine",
                     report_quote(value->text));
    report_leave(reader->report, mark);
}

static void check_needed(struct settings_reader *reader, const struct settings_sso *from,
                         const struct config *config)
{
    const struct {
        const char *name;
        bool there;
    } needed[] = {
        {"issuer", !text_empty(from->issuer.text)},
        {"client_id", !text_empty(from->client_id.text)},
        {"roles", from->role_count > 0},
    };
    const struct settings_value *written = find_written(from);
    struct report_place place =
        written ? settings_place(written, NULL) : settings_place(NULL, &from->roles[0].entry);
    bool tcp = config->admin.address.length > 0 && config->admin.address.any.sa_family != AF_UNIX;

    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        if (!needed[i].there)
            report_error(reader->report, place,
                         "\"%s\" is missing: single sign-on needs issuer, client_id and roles",
                         needed[i].name);
    }
    if (text_empty(config->console.url) && !tcp)
        report_error(reader->report, place,
                     "the provider would lead people back to nowhere: write admin.url, or an "
                     "admin.address that browsers reach");
    if (!text_empty(from->scopes.text)) {
        struct text rest = from->scopes.text;
        bool found = false;
        while (rest.data)
            found = text_equal(text_split(&rest, ' '), TEXT("openid")) || found;
        if (!found)
            report_error(reader->report, settings_place(&from->scopes, NULL),
                         "scopes have to have \"openid\", or there is no ID token");
    }
}

static bool is_only_stars(struct text pattern)
{
    for (size_t i = 0; i < pattern.length; i++) {
        if (pattern.data[i] != '*')
            return false;
    }
    return true;
}

static void build_role(struct settings_reader *reader, const struct settings_sso_role *from,
                       struct config_sso_role *out)
{
    struct caller_pair *claims = build_array(reader, from->claim_count, sizeof(*claims));
    bool lead = from->role.choice == TEAM_LEAD;

    bool binds = from->claim_count == 0;

    for (size_t i = 0; claims && i < from->claim_count; i++) {
        claims[i].name = arena_copy(&reader->memory->arena, from->claims[i].entry.name);
        claims[i].value = from->claims[i].value.text;
        binds = binds || !is_only_stars(claims[i].value);
    }
    if (!binds)
        report_error(reader->report, settings_place(NULL, &from->claims[0].entry),
                     "everybody whom the provider knows would match: name a group or a person");
    if (lead && text_empty(from->team.text))
        report_error(reader->report, settings_place(&from->role, &from->entry),
                     "say which team the team_lead leads: \"team\"");
    else if (!lead && !text_empty(from->team.text))
        report_error(reader->report, settings_place(&from->team, &from->entry),
                     "only a team_lead has a team");
    *out = (struct config_sso_role){
        .claims = claims,
        .claim_count = claims ? from->claim_count : 0,
        .role = from->role.choice < ARRAY_LENGTH(role_words)
                    ? text_from(role_words[from->role.choice])
                    : TEXT(""),
        .team = from->team.text,
    };
}

static void append_marked(struct buffer *out, struct text text)
{
    buffer_append_format(out, "%zu:%.*s,", text.length, TEXT_ARG(text));
}

/* What a session's rights come from. */
static void make_mark(struct settings_reader *reader, struct config_sso *sso)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    struct buffer marked;

    buffer_open(&marked, MARKED_MAX);
    append_marked(&marked, sso->issuer);
    append_marked(&marked, sso->client_id);
    for (size_t i = 0; i < sso->role_count; i++) {
        for (size_t j = 0; j < sso->roles[i].claim_count; j++) {
            append_marked(&marked, sso->roles[i].claims[j].name);
            append_marked(&marked, sso->roles[i].claims[j].value);
        }
        append_marked(&marked, sso->roles[i].role);
        append_marked(&marked, sso->roles[i].team);
    }
    if (marked.failed ||
        EVP_Digest(marked.data, marked.length, hash, NULL, EVP_sha256(), NULL) != 1)
        report_error(reader->report, (struct report_place){0}, "the rules take more than 1 MiB");
    else
        for (size_t i = 0; i < MARK_BYTES; i++)
            (void)snprintf(sso->mark + 2 * i, 3, "%02x", hash[i]);
    buffer_close(&marked);
}

static void build(struct settings_reader *reader, const struct settings_sso *from,
                  struct config_sso *sso)
{
    struct config_sso_role *roles = build_array(reader, from->role_count, sizeof(*roles));
    size_t list = report_enter(reader->report, TEXT("roles"));

    if (from->role_count > ROLES_MAX)
        report_error(reader->report, settings_place(NULL, &from->roles[0].entry),
                     "more than %u rules", ROLES_MAX);
    for (size_t i = 0; roles && i < from->role_count; i++) {
        size_t mark = report_enter_item(reader->report, i);
        build_role(reader, &from->roles[i], &roles[i]);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
    *sso = (struct config_sso){
        .name = from->name.text,
        .issuer = from->issuer.text,
        .client_id = from->client_id.text,
        .client_secret = from->client_secret.secret,
        .scopes = from->scopes.text,
        .user_claim = from->user_claim.text,
        .authority = from->authority.text,
        .roles = roles,
        .role_count = roles ? from->role_count : 0,
    };
    make_mark(reader, sso);
}

void build_sso(struct settings_reader *reader, const struct settings_sso *settings,
               struct config *config)
{
    struct config_sso *sso;
    size_t key = report_enter(reader->report, TEXT("sso"));

    if ((find_written(settings) || settings->role_count > 0) &&
        (sso = build_array(reader, 1, sizeof(*sso))) != NULL) {
        check_needed(reader, settings, config);
        check_issuer(reader, &settings->issuer);
        build(reader, settings, sso);
        config->sso = sso;
    }
    report_leave(reader->report, key);
}
