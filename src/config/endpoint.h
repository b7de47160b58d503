/* endpoint: base URLs of providers and of proxies, taken apart. For config/, and for who reads URLs
 * as it does. */
#ifndef CONFIG_ENDPOINT_H
#define CONFIG_ENDPOINT_H

#include "base/arena.h"
#include "config/snapshot.h"

/* Takes apart "https://host[:port][/path]", "http://…" or "http+unix:/socket[:/path]" (RFC 3986,
 * without credentials, query and fragment). Texts go to the arena. Returns NULL, or what is wrong
 * with it: a sentence part that shows nothing of the URL. */
must_check const char *endpoint_parse(struct text url, struct arena *arena,
                                      struct config_endpoint *out);
/* "host[:port]" or "[v6][:port]": host without brackets. Same result. */
must_check const char *endpoint_parse_authority(struct text authority, uint16_t default_port,
                                                struct text *host, uint16_t *port);
/* Whether calls to it stay on this machine, as far as the name tells. */
bool endpoint_is_local(struct text host);
/* Whether it is a metadata server of AWS, Azure or Google, which speaks plain HTTP: link-local, or
 * a name that only they have. */
bool endpoint_is_metadata(struct text host);

#endif
