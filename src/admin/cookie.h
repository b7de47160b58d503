/* cookie: the few cookies that the console's door sets and reads (RFC 6265). Pure functions, any
 * thread.
 *
 * Browsers send a cookie to every port of a host, so the names have our port in them: two gateways
 * on one machine do not end each other's sessions. Over TLS the name begins with __Host-, which no
 * other host of the same site can set. */
#ifndef ADMIN_COOKIE_H
#define ADMIN_COOKIE_H

#include "admin/origin.h"

#define COOKIE_NAME_SIZE 64u

enum cookie_kind {
    COOKIE_SESSION, /* the secret of a session; sent to us by our own pages alone */
    COOKIE_SIGN_IN  /* what single sign-on began with; sent when its provider leads back, too */
};

/* Its value in a Cookie field; data NULL when it is not there, or more than once: then somebody
 * else has set one, and nobody knows which is ours. */
struct text cookie_read(struct text field, enum cookie_kind kind, const struct origin_door *door,
                        bool secure);
/* "set-cookie: …". An empty value takes the cookie away; `seconds` 0: until the browser ends. */
void cookie_append(struct buffer *headers, enum cookie_kind kind, const struct origin_door *door,
                   bool secure, struct text value, unsigned seconds);

#endif
