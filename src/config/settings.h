/* settings: the values of a document, checked one by one against the table of keys.
 *
 * Between the document (syntax) and the snapshot (meaning): every value has its type and range
 * here, defaults are filled in, and secrets are read. What values mean together is checked in
 * config/build.c. Lives in the scratch arena of one load; texts live in the snapshot's.
 * Used by the thread that loads. */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config/document.h"
#include "config/memory.h"
#include "config/report.h"
#include "config/snapshot.h"

#define SETTINGS_UNSET UINT64_MAX       /* a number that is not written and has no fixed default */
#define SETTINGS_WORD  (UINT64_MAX - 1) /* the word that may stand for it */

/* Any value but a number. */
struct settings_value {
    const struct document_node *node; /* NULL: it is the default, or missing */
    struct text text;                 /* empty when missing */
    size_t choice; /* index among the words; their count when it is none of them */
    struct secret *secret;
};

/* Begins every element of a map or list. */
struct settings_entry {
    struct text name; /* empty in lists */
    const struct document_node *node;
};

struct settings_text {
    struct settings_entry entry;
    struct settings_value value;
};

struct settings_certificate {
    struct settings_entry entry;
    struct settings_value certificate, key;
};

struct settings_network {
    struct settings_entry entry;
    struct settings_text *ranges;
    size_t range_count;
    struct settings_value contact;
};

struct settings_forwarders {
    struct settings_text *networks;
    size_t network_count;
    struct settings_value header, proxy_protocol;
};

struct settings_network_rule {
    struct settings_entry entry;
    struct settings_value allow, deny, mode;
};

/* What each of them may do in a time. */
struct settings_caller_limits {
    uint64_t requests, tokens, input_tokens, output_tokens, concurrent, per;
    struct settings_value mode;
};

/* Who the holder of a token or certificate is. */
struct settings_caller {
    struct settings_entry entry;
    struct settings_text *claims, *tags, *models, *denied;
    size_t claim_count, tag_count, model_count, denied_count;
    struct settings_value team, name;
    uint64_t key_lifetime, keys;
    struct settings_caller_limits limits;
};

struct settings_issuer {
    struct settings_entry entry;
    struct settings_value issuer, jwks_url, jwks_file, authority, bearer_file;
    struct settings_text *audiences, *algorithms;
    size_t audience_count, algorithm_count;
    uint64_t clock_skew, token_lifetime, refresh, keys_good_for;
    struct settings_caller *callers;
    size_t caller_count;
};

struct settings_listener {
    struct settings_entry entry;
    struct settings_network_rule *network_rules;
    size_t network_rule_count;
    struct settings_value address, client_authority, client_certificate, metrics;
    struct settings_forwarders forwarders;
    struct settings_certificate *certificates;
    size_t certificate_count;
    struct settings_text *identify;
    size_t identify_count;
    struct settings_caller *callers;
    size_t caller_count;
};

struct settings_header {
    struct settings_entry entry;
    struct settings_value value;
};

struct settings_client_tls {
    struct settings_value authority, certificate, key;
};

struct settings_own_prices {
    struct settings_entry entry;
    struct settings_text *prices; /* the name is the unit's */
    size_t price_count;
};

struct settings_pricing {
    struct settings_value catalog, discount;
    struct settings_value data_residency, deployment, location, inference_geo, endpoint_region;
    struct settings_own_prices *models;
    size_t model_count;
};

struct settings_health {
    struct settings_value path;
    uint64_t interval, timeout, failures;
};

struct settings_google {
    struct settings_value credentials_file, service_account, scope, token_url, metadata_url;
};

struct settings_azure {
    struct settings_value tenant_id, client_id, client_secret, certificate, federated_token_file;
    struct settings_value scope, authority_url, metadata_url;
};

struct settings_aws {
    struct settings_value source, access_key_id, secret_access_key, session_token;
    struct settings_value profile, credentials_file, config_file;
    struct settings_value role_arn, external_id, role_session_name, web_identity_token_file;
    struct settings_value sts_url, metadata_url;
};

struct settings_credential {
    struct settings_entry entry;
    struct settings_value name, api_key;
    uint64_t weight, requests_per_minute, tokens_per_minute, concurrent_calls;
    struct settings_google google;
    struct settings_azure azure;
    struct settings_aws aws;
};

/* What an account of a cloud is reached by. */
struct settings_cloud {
    struct settings_value region, project, location;
};

struct settings_azure_form {
    struct settings_value api_version;
};

struct settings_provider {
    struct settings_entry entry;
    struct settings_credential *credentials;
    size_t credential_count;
    struct settings_cloud aws, google;
    struct settings_azure_form azure;
    struct settings_value quirks;
    struct settings_value type, base_url, api_key, organization, project;
    struct settings_value proxy, proxy_user, proxy_password;
    struct settings_header *headers;
    size_t header_count;
    struct config_provider_timeouts timeouts;
    struct config_provider_limits limits;
    struct settings_client_tls tls;
    struct settings_health health;
    struct settings_pricing pricing;
};

struct settings_condition {
    struct settings_text *tags, *teams, *needs;
    size_t tag_count, team_count, need_count;
    struct settings_value tokens;
};

struct settings_target {
    struct settings_entry entry;
    struct settings_value provider, model;
    uint64_t weight, priority, canary, mirror;
    struct settings_condition when;
    struct settings_text *lacks, *drop;
    size_t lack_count, drop_count;
};

struct settings_retry {
    uint64_t attempts, budget;
    struct settings_text *on;
    size_t on_count;
};

struct settings_hedge {
    uint64_t after, at_least;
};

struct settings_breaker {
    uint64_t failures, ratio, minimum_calls, window, open_for;
};

struct settings_model {
    struct settings_entry entry;
    struct settings_text *aliases;
    size_t alias_count;
    struct settings_target *targets;
    size_t target_count;
    struct settings_value strategy;
    struct route_timeouts timeouts;
    struct settings_retry retry;
    struct settings_hedge hedge;
    struct settings_breaker breaker;
};

struct settings_defaults {
    struct settings_value provider;
    struct config_provider_timeouts timeouts;
    struct config_provider_limits limits;
    struct settings_retry retry;
    struct settings_breaker breaker;
};

struct settings_dns {
    struct settings_text *servers;
    size_t server_count;
    uint64_t timeout;
};

struct settings_prices {
    struct settings_value catalog, unpriced_models;
};

struct settings_errors {
    struct settings_value documentation;
};

struct settings_webhook {
    struct settings_entry entry;
    struct settings_value url, secret;
};

struct settings_sso_role {
    struct settings_entry entry;
    struct settings_text *claims;
    size_t claim_count;
    struct settings_value role, team;
};

struct settings_sso {
    struct settings_value name, issuer, client_id, client_secret, scopes, user_claim, authority;
    struct settings_sso_role *roles;
    size_t role_count;
};

/* Keys of a listener are found in `door`, which is why it comes first. */
struct settings_admin {
    struct settings_listener door;
    struct settings_value url;
    struct settings_sso sso;
};

struct settings_guard {
    uint64_t share, calls, window, keys;
    struct settings_value auto_revert;
};

struct settings {
    uint64_t workers;
    struct settings_value contact;
    struct settings_network *networks;
    size_t network_count;
    struct settings_listener *listeners;
    size_t listener_count;
    struct settings_admin admin;
    struct settings_issuer *issuers;
    size_t issuer_count;
    struct settings_provider *providers;
    size_t provider_count;
    struct settings_model *models;
    size_t model_count;
    struct settings_defaults defaults;
    struct config_limits limits;
    struct config_timeouts timeouts;
    struct config_ledger ledger;
    struct settings_errors errors;
    struct settings_value access_log;
    uint64_t drain_timeout;
    struct settings_dns dns;
    struct settings_prices prices;
    struct settings_value abandoned_calls;
    struct config_alerts alerts;
    struct settings_guard guard;
    struct settings_webhook *webhooks;
    size_t webhook_count;
};

/* What reading needs to know and where it puts what it makes. */
struct settings_reader {
    struct report *report;
    struct arena *scratch;
    struct config_memory *memory;
    struct text folder; /* relative paths start here; empty: the working directory */
    const struct config_taken_back *taken_back; /* rules of listeners that are only observed */
    size_t taken_back_count;
};

/* Fills `settings`; problems go to the report, and what is wrong stays empty. */
void settings_read(struct settings_reader *reader, const struct document_node *root,
                   struct settings *settings);

/* Where a problem with this value is best shown. */
struct report_place settings_place(const struct settings_value *value,
                                   const struct settings_entry *entry);

#endif
