/* build: from settings, each right by itself, to a snapshot that is right as a whole. Within
 * config/ only. */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include "config/settings.h"

/* Fills `config` (zeroed, memory set). What is wrong goes to the report; the snapshot may be used
 * only when that tells of no error. */
void build_snapshot(struct settings_reader *reader, const struct settings *settings,
                    const struct document_node *root, struct config *config);

/* Its parts, in order; build_providers.c, build_models.c. */
void build_providers(struct settings_reader *reader, const struct settings *settings,
                     struct config *config);
void build_models(struct settings_reader *reader, const struct settings *settings,
                  struct config *config);
/* build_pricing.c: the provider's endpoint is built. */
void build_pricing(struct settings_reader *reader, const struct settings_pricing *from,
                   struct config_provider *provider);
/* build_routing.c: what a model says about routing, and each of its targets; the targets' providers
 * are set, and the report stands at the model. */
void build_routing(struct settings_reader *reader, const struct settings *settings,
                   const struct settings_model *from, struct config_model *model,
                   struct config_target *targets);
/* build_routing.c: how a provider's health is asked for. */
void build_health(struct settings_reader *reader, const struct settings_provider *from,
                  struct config_provider *provider);
/* build_credentials.c: the provider's type and endpoint are known. */
void build_credentials(struct settings_reader *reader, const struct settings_provider *from,
                       struct config_provider *provider);
/* build_vertex.c: of type vertex, when its credentials are known and its endpoint is not */
void build_vertex(struct settings_reader *reader, const struct settings_provider *from,
                  struct config_provider *provider);
/* Where the provider's location answers; data NULL when memory is short. */
struct text build_vertex_url(struct settings_reader *reader,
                             const struct config_provider *provider);
/* build_issuers.c */
void build_issuers(struct settings_reader *reader, const struct settings *settings,
                   struct config *config);
/* Whose rules they are: they are known again by it (caller_rule_make_code). */
struct build_place {
    struct text section, name;
    struct text entry; /* as the configuration calls it, for people */
};
/* build_callers.c: the report stands above "callers". */
void build_callers(struct settings_reader *reader, const struct settings_caller *callers,
                   size_t count, const struct build_place *place, struct caller_rules *out);
/* build_callers.c: how callers say who they are at a listener, its certificates are known. */
void build_identify(struct settings_reader *reader, const struct settings *settings,
                    const struct settings_listener *from, struct config_listener *listener);
/* build_console.c: the report stands at "admin" */
void build_console(struct settings_reader *reader, const struct settings_admin *settings,
                   struct config *config);
/* build_sso.c: the report stands at "admin", where browsers find it is known */
void build_sso(struct settings_reader *reader, const struct settings_sso *settings,
               struct config *config);
/* build_webhooks.c */
void build_webhooks(struct settings_reader *reader, const struct settings *settings,
                    struct config *config);
/* The provider with that name; NULL after reporting that there is none, with the nearest. */
const struct config_provider *build_find_provider(struct settings_reader *reader,
                                                  const struct config *config,
                                                  const struct settings_value *reference);
/* build_networks.c: before whatever names them */
void build_networks(struct settings_reader *reader, const struct settings *settings,
                    struct config *config);
/* What a value of type NETWORK_OR_NAME means. */
struct build_range {
    bool local; /* "unix"; the rest is empty then */
    const struct network *ranges;
    size_t range_count;
    const struct config_network *named; /* NULL: the range was written out */
};
/* False after reporting what is wrong. Lives in the snapshot's arena. */
bool build_find_range(struct settings_reader *reader, const struct config *config,
                      const struct settings_value *value, struct build_range *out);
/* build_network_rules.c: the listener's name is known */
void build_network_rules(struct settings_reader *reader, const struct config *config,
                         const struct settings_listener *from, struct config_listener *listener);
/* build_forwarders.c */
void build_forwarders(struct settings_reader *reader, const struct config *config,
                      const struct settings_listener *listener, struct config_forwarders *out);
/* Zeroed, in the snapshot's arena; NULL after reporting that memory is short. */
void *build_array(struct settings_reader *reader, size_t count, size_t size);

#endif
