/* proxy: which CONNECT proxy calls to a provider go through. Within config/ only, but for
 * proxy_is_excepted. */
#ifndef CONFIG_PROXY_H
#define CONFIG_PROXY_H

#include "config/settings.h"

/* The provider's own proxy, or what HTTPS_PROXY, HTTP_PROXY and NO_PROXY (either case; lower case
 * first, as curl does) say now. NULL: none, or a reported problem. */
const struct config_proxy *proxy_resolve(struct settings_reader *reader,
                                         const struct settings_provider *settings,
                                         const struct config_endpoint *endpoint);
/* Whether a NO_PROXY list names the host: "*", names (and what ends in them), addresses, networks
 * ("10.0.0.0/8"), each with ":port" or without. */
bool proxy_is_excepted(struct text list, struct text host, uint16_t port);

#endif
