/* origin: whether what a browser sends was meant for us, and by a page of ours.
 *
 * A browser takes cookies along wherever a page of anybody makes it go. Three things tell: Host, by
 * which name it looked for us (a name that an attacker lets point at 127.0.0.1 is none of ours:
 * "DNS rebinding"); Origin (RFC 6454) and Sec-Fetch-Site (W3C Fetch Metadata), which page asks.
 * Programs that show a key need none of it: no page knows the key.
 *
 * Pure functions, any thread. */
#ifndef ADMIN_ORIGIN_H
#define ADMIN_ORIGIN_H

#include <stdint.h>

#include "codec/http1.h"
#include "config/snapshot.h"

/* The listener that it came in by. */
struct origin_door {
    bool local;  /* a unix socket: no browser opens one */
    bool secure; /* TLS */
    uint16_t port;
};

/* Whether Host is a name by which we are reached: an address, localhost, that of admin.url, or,
 * with TLS and without admin.url, any, for the certificate has been held against it. False for a
 * missing one. */
bool origin_knows_host(const struct origin_door *door, const struct config_console *console,
                       struct text host);
/* Whether no page of somebody else asked: Origin, if there is one, is ours, and Sec-Fetch-Site, if
 * there is one, says same-origin, or none (typed or bookmarked). */
bool origin_is_ours(const struct origin_door *door, const struct config_console *console,
                    const struct http1_head *head);

/* "https://turnpike.example:8443": how browsers reach the console; empty when only a socket is
 * there. `address` is that of the listener, as configured. */
void origin_append_url(struct buffer *out, const struct config *config);
/* Whether browsers speak TLS to reach us: cookies may be marked Secure. */
bool origin_is_secure(const struct origin_door *door, const struct config_console *console);

#endif
