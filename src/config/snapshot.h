/* snapshot: the whole configuration as one value that never changes.
 *
 * config_load (config/load.h) makes one; it is in one arena with its secrets beside it, and is
 * shared by counting: whoever keeps a pointer into it across turns holds it. Hold and release from
 * any thread; everything else only reads, any thread. All texts in it are NUL-terminated behind
 * their length. Times are nanoseconds, sizes are bytes. Keys, defaults and ranges:
 * tables/config.def. */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"
#include "base/text.h"
#include "identity/network_rules.h"
#include "identity/source.h"
#include "identity/token.h"
#include "net/address.h"
#include "net/tls.h"
#include "route/rules.h"

enum config_metrics {
    CONFIG_METRICS_LOCAL, /* /metrics answers loopback and unix-socket peers only */
    CONFIG_METRICS_OFF
};

enum config_client_certificate {
    CONFIG_CLIENT_CERTIFICATE_NONE,
    CONFIG_CLIENT_CERTIFICATE_OPTIONAL,
    CONFIG_CLIENT_CERTIFICATE_REQUIRED
};

/* A name for where callers come from. */
struct config_network {
    struct text name;
    const struct network *ranges;
    size_t range_count;
    struct text contact; /* empty: none is written */
};

/* Bytes of its name: as of every name, and what the ledger's field takes. */
#define CONFIG_NETWORK_NAME_MAXIMUM 64u
/* What a caller on a unix socket has in place of a network; no network may be called so. */
#define CONFIG_NETWORK_UNIX "unix"

/* Who is believed about where a caller comes from (identity/source.h). */
struct config_forwarders {
    const struct network *networks;
    size_t network_count;
    bool local; /* a peer on a unix socket is one of them */
    enum source_field header;
    bool proxy_protocol;
};

/* One line of a listener's rules. */
struct config_network_rule {
    struct text network;
    bool denies, observed;
    uint64_t taken_back_at; /* the file says `enforce`, and the gateway itself made it observed
                               then, wall; 0: it did not */
};

/* A rule of a listener that the gateway has made observed (control/taken_back.h). */
struct config_taken_back {
    struct text listener, network; /* as the file has them */
    bool denies;
    uint64_t at; /* wall */
};

struct config_listener {
    struct text name;
    struct text address_text; /* as written */
    struct address address;
    bool tls_enabled;               /* it has certificates */
    struct tls_server_settings tls; /* ready for tls_server_context_create */
    enum config_client_certificate client_certificate;
    enum config_metrics metrics;
    struct config_forwarders forwarders;
    const struct network_rules *network_rules; /* NULL: calls may come from anywhere */
    /* As written, for comparing two configurations. */
    const struct config_network_rule *written_rules;
    size_t written_rule_count;
    uint32_t proofs; /* bits of enum principal_proof: what is accepted here */
    struct caller_rules certificate_callers; /* who the holders of client certificates are */
};

/* Whose tokens say who calls. */
struct config_issuer {
    struct issuer_terms terms;
    struct text jwks_url, jwks_file;    /* both empty: what the issuer's discovery document says */
    struct text authority, bearer_file; /* empty: none */
    uint64_t refresh;
};

/* Where calls to a provider go. */
struct config_endpoint {
    bool tls;
    struct text host;        /* for dial_target: a name, a literal without brackets, "unix:/path" */
    uint16_t port;           /* 0 for a unix socket */
    struct text path;        /* prefix of every request path: "" or "/v1", no trailing slash */
    struct text host_header; /* "api.openai.com", with ":port" unless it is the scheme's own */
    struct text text;        /* the whole as written, for people */
};

/* An egress proxy to open a CONNECT tunnel through. */
struct config_proxy {
    struct text host;
    uint16_t port;
    struct secret *authorization; /* value of Proxy-Authorization ("Basic …"), or NULL */
    struct text text;             /* "http://host:port", without credentials */
};

struct config_header {
    struct text name;
    struct text value;     /* empty when `secret` is set */
    struct secret *secret; /* NULL, or what env:/file: held */
};

struct config_provider_timeouts {
    uint64_t connect, tls, first_byte, idle, total;
};

struct config_provider_limits {
    uint64_t connections;      /* open to this provider, by one worker */
    uint64_t idle_connections; /* kept for reuse, by one worker */
    uint64_t idle_time;        /* a connection unused for longer is not used again */
};

struct config_price {
    struct text unit;   /* a name of tables/units.def */
    struct text amount; /* dollars, an exact decimal, for as many as the unit says */
};

struct config_own_prices {
    struct text model; /* as the provider calls it */
    const struct config_price *prices;
    size_t price_count;
};

/* What a provider's calls cost, where that is not simply the price list. */
struct config_pricing {
    struct text catalog;  /* the provider's name in the price list; empty: none is known */
    bool catalog_stated;  /* it was written, not guessed from type and base_url */
    struct text discount; /* "12.5%"; empty: none */
    struct text data_residency, deployment, location, inference_geo, endpoint_region;
    const struct config_own_prices *models;
    size_t model_count;
};

/* Of one provider: each call looks at all of them. */
#define CONFIG_CREDENTIALS_MAXIMUM 64u
/* Bytes of a credential's name, which goes into metrics and messages. */
#define CONFIG_CREDENTIAL_NAME_MAXIMUM 64u

enum config_credential_kind {
    CONFIG_CREDENTIAL_API_KEY,
    CONFIG_CREDENTIAL_GOOGLE,
    CONFIG_CREDENTIAL_AZURE,
    CONFIG_CREDENTIAL_AWS
};

/* Texts are empty where the environment, or a constant of the cloud, decides. */
struct config_google {
    struct text credentials_file, service_account, scope, token_url, metadata_url;
};

struct config_azure {
    struct text tenant_id, client_id, certificate, federated_token_file;
    struct secret *client_secret; /* NULL: none */
    struct text scope, authority_url, metadata_url;
};

enum config_aws_source {
    CONFIG_AWS_DEFAULT,
    CONFIG_AWS_ENVIRONMENT,
    CONFIG_AWS_WEB_IDENTITY,
    CONFIG_AWS_PROFILE,
    CONFIG_AWS_CONTAINER,
    CONFIG_AWS_INSTANCE
};

struct config_aws {
    enum config_aws_source source;
    struct secret *access_key_id, *secret_access_key; /* NULL: the source has them */
    struct secret *session_token;                     /* NULL: none */
    struct text profile, credentials_file, config_file;
    struct text role_arn, external_id, role_session_name, web_identity_token_file;
    struct text sts_url, metadata_url;
};

/* One of several that a provider's calls are shared out among. */
struct config_credential {
    struct text name;
    enum config_credential_kind kind;
    uint64_t weight;                                                   /* at least 1 */
    uint64_t requests_per_minute, tokens_per_minute, concurrent_calls; /* 0: no limit */
    struct secret *api_key; /* of CONFIG_CREDENTIAL_API_KEY */
    struct config_google google;
    struct config_azure azure;
    struct config_aws aws;
};

struct config_provider {
    struct text name;
    size_t index;                    /* in config->providers */
    struct text type;                /* a name of tables/providers.def: "openai", "azure", "demo" */
    struct config_endpoint endpoint; /* empty for "demo" */
    struct secret *api_key;          /* NULL: none is sent, or one of `credentials` */
    const struct config_credential *credentials; /* empty with api_key */
    size_t credential_count;
    struct text aws_region, google_project, google_location; /* empty: none is written */
    struct text quirks;                /* a name of tables/quirks.def; empty: by the base URL */
    struct text azure_api_version;     /* empty: the v1 form */
    struct text organization, project; /* empty: none is sent */
    const struct config_header *headers;
    size_t header_count;
    struct config_provider_timeouts timeouts; /* defaults already filled in */
    struct config_provider_limits limits;
    const struct config_proxy *proxy; /* NULL: direct; the environment was consulted at load */
    struct tls_client_settings tls;
    struct route_health health;
    struct config_pricing pricing;
};

struct config_target {
    const struct config_provider *provider;
    struct text model; /* what to ask the provider for; empty: the name that the caller asked for */
    size_t index;      /* in its model's targets */
    struct route_target_rules rules;
    const struct text *drop; /* parameters to leave out where the provider does not know them */
    size_t drop_count;
};

struct config_model {
    struct text name; /* as written: "fast", "gpt-*", "*" */
    size_t index;     /* in config->models */
    bool pattern;     /* the name has a `*` */
    const struct text *aliases;
    size_t alias_count;
    const struct config_target *targets; /* at least one, in the order of preference */
    size_t target_count;
    struct route_model_rules rules;
};

/* What callers may send and hold. */
struct config_limits {
    uint64_t head;           /* bytes of request line and headers */
    uint64_t headers;        /* fields in one head */
    uint64_t json_body;      /* bytes of a body that is held in memory */
    uint64_t upload;         /* bytes of a body that streams through */
    uint64_t multipart_hold; /* bytes of a form held until its `model` field has been seen */
    uint64_t connections;    /* of callers, in one worker */
    uint64_t requests_per_connection; /* 0: no limit */
    uint64_t exchange_memory;         /* bytes of one exchange's arena */
};

struct config_timeouts {
    uint64_t head;       /* from the first byte of a request to the end of its head */
    uint64_t body;       /* between two reads of a body */
    uint64_t keep_alive; /* between two requests */
    uint64_t write;      /* while the caller takes nothing of what is sent */
};

struct config_alert_bounces {
    uint64_t calls;       /* refused in an hour, at least */
    uint64_t share;       /* of all in that hour, parts of a million, at least */
    uint64_t good_within; /* who had a good call so lately used to get through */
    uint64_t newcomers;   /* new networks told of in a day, at most */
};

struct config_alert_keys {
    uint64_t networks; /* that a key may be used from within a day */
    uint64_t quiet;
};

struct config_alerts {
    struct config_alert_bounces bounces;
    struct config_alert_keys keys;
};

/* When a rule that came into force lately refuses those who got through before it. */
struct config_guard {
    uint64_t share;  /* of their calls, parts of a million, at least */
    uint64_t calls;  /* of theirs that are refused, at least */
    uint64_t window; /* how long a list is on watch after it changed */
    uint64_t keys;   /* whose calls they are, at least, before a rule is made observed */
    bool auto_revert;
};

struct config_ledger {
    uint64_t segment_size;  /* bytes of one journal file, preallocated */
    uint64_t sync_interval; /* between two fdatasync of a journal */
    uint64_t journal_limit; /* bytes of journal not yet imported, over all workers */
};

/* Calls whose model has no price. */
enum config_unpriced {
    CONFIG_UNPRICED_REFUSE_UNDER_BUDGET,
    CONFIG_UNPRICED_ALLOW,
    CONFIG_UNPRICED_REFUSE
};

/* Calls whose caller has left. */
enum config_abandoned { CONFIG_ABANDONED_CANCEL, CONFIG_ABANDONED_FINISH };

struct config_webhook {
    struct text name;
    struct text url;           /* empty when `url_secret` is set */
    struct secret *url_secret; /* NULL, or what env:/file: held */
    struct secret *secret;     /* signs messages; NULL: they are not signed */
};

enum config_access_log { CONFIG_ACCESS_LOG_STDOUT, CONFIG_ACCESS_LOG_OFF, CONFIG_ACCESS_LOG_FILE };

struct config_dns {
    const char *servers; /* "10.0.0.2:53,10.0.0.3", or NULL for the system's */
    uint64_t timeout;
};

/* A file that a secret was read from. */
struct config_secret_file {
    const char *path;
    const struct config_secret_file *next;
};

struct config_sso_role {
    const struct caller_pair *claims; /* at least one */
    size_t claim_count;
    struct text role; /* owner, operator, finance, team_lead */
    struct text team; /* of a team_lead; else empty */
};

#define CONFIG_SSO_MARK_SIZE 33u

/* Single sign-on to the console. */
struct config_sso {
    struct text name; /* for the button */
    struct text issuer, client_id;
    struct secret *client_secret; /* NULL: a public client */
    struct text scopes, user_claim;
    struct text authority; /* PEM file; empty: the usual ones */
    const struct config_sso_role *roles;
    size_t role_count;
    /* Another when the provider, the client or a rule is another: sessions that were begun before
     * have rights that nobody gives any more. NUL-terminated. */
    char mark[CONFIG_SSO_MARK_SIZE];
};

/* How browsers reach the admin API's door, for which it is an origin. */
struct config_console {
    struct text
        url; /* "https://turnpike.example.com", without a slash at its end; empty: the door */
    struct text host; /* its name alone */
    bool secure;      /* https */
};

struct config_index;  /* names to models, config/lookup.c */
struct config_memory; /* arena, secrets and the count, config/snapshot.c */

struct config {
    uint64_t
        generation;     /* 1 for the first of the process, one more for every load that succeeded */
    struct text source; /* the file's path, or what config_load_text was told */
    unsigned workers;   /* at least 1: the number of cores is filled in */
    struct text contact;                   /* who runs the gateway; empty: none is written */
    const struct config_network *networks; /* in the file's order */
    size_t network_count;
    const struct network_table *network_table; /* indices of `networks`; NULL: none are named */
    const struct config_listener *listeners;
    size_t listener_count; /* at least 1 */
    /* Where administrators connect beside DATA/admin.sock; address.length 0: nowhere else. */
    struct config_listener admin;
    struct config_console console;
    const struct config_sso *sso; /* NULL: there is none */
    const struct config_issuer *issuers;
    size_t issuer_count;
    const struct config_provider *providers;
    size_t provider_count;             /* at least 1 */
    const struct config_model *models; /* in the file's order */
    size_t model_count;
    const struct config_provider *default_provider; /* of calls that name no model */
    struct config_limits limits;
    struct config_timeouts timeouts;
    struct config_ledger ledger;
    enum config_access_log access_log;
    struct text
        errors_documentation;    /* what stands before a code in a link; empty: our own pages */
    struct text access_log_path; /* empty unless CONFIG_ACCESS_LOG_FILE */
    uint64_t drain_timeout;
    struct config_dns dns;
    struct text catalog_path; /* of the price list; empty: the one built in */
    enum config_unpriced unpriced_models;
    enum config_abandoned abandoned_calls;
    struct config_alerts alerts;
    struct config_guard guard;
    const struct config_webhook *webhooks;
    size_t webhook_count;
    const struct config_secret_file *secret_files; /* NULL: none */
    const struct config_index *index;
    struct config_memory *memory;
};

struct config *config_hold(struct config *config); /* returns it */
void config_release(struct config *config);        /* the last one frees; NULL is fine */

/* The model that answers to `name`: by exact name or alias, else by the pattern with the longest
 * literal beginning, then the longest pattern, so that "*" comes last. NULL when nothing does. */
const struct config_model *config_find_model(const struct config *config, struct text name);
/* The configured name or alias (not a pattern) that `name` was probably meant to be; empty when
 * none is near. For messages: it looks at every name. */
struct text config_nearest_model(const struct config *config, struct text name);
/* By exact name; NULL when there is none. */
const struct config_provider *config_find_provider(const struct config *config, struct text name);

/* The network with the longest range that the address (a network of one, or a wider one) lies in;
 * NULL when it is in none. Some tens of nanoseconds. */
const struct config_network *config_network_of(const struct config *config,
                                               const struct network *address);
/* The name that `name` was probably meant to be; empty when none is near. */
struct text config_nearest_network(const struct config *config, struct text name);
/* By exact name; NULL when there is none. */
const struct config_network *config_find_network(const struct config *config, struct text name);

/* Whether both say the same of where a credential comes from; name, weight and limits aside. */
bool config_same_credential(const struct config_credential *a, const struct config_credential *b);

/* Whether both say the same of where an issuer's keys come from. */
bool config_same_key_source(const struct config_issuer *a, const struct config_issuer *b);

/* What changed from `old` to `new`, one sentence a line, for the note that a reload writes. No
 * secret is shown, only that it changed. Appends nothing when nothing changed. */
void config_describe_difference(const struct config *old, const struct config *new,
                                struct buffer *out);
/* Which rules of listeners the gateway has made observed, one sentence a line. Part of the above,
 * whether or not it changed. */
void config_describe_taken_back(const struct config *config, struct buffer *out);

#endif
