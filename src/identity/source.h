/* source: where a call truly comes from, behind balancers that tell it in a header field.
 *
 * Only a forwarder that the listener trusts by its network is believed, and only as far back as the
 * chain consists of such: the source is the nearest address that none of ours vouches for, so a
 * caller who writes the field himself gains nothing. Which of the two fields a listener's
 * forwarders write is configured, because a forwarder passes the other one on as the caller sent
 * it. Pure, any thread. Sources: RFC 7239 (Forwarded); X-Forwarded-For as nginx, HAProxy and Envoy
 * append to it. */
#ifndef IDENTITY_SOURCE_H
#define IDENTITY_SOURCE_H

#include "identity/network.h"

enum source_field {
    SOURCE_FIELD_NONE,
    SOURCE_FIELD_X_FORWARDED_FOR, /* "client, proxy1, proxy2" */
    SOURCE_FIELD_FORWARDED /* for=192.0.2.60;proto=http;by=203.0.113.43, for="[2001:db8::1]:4711" */
};

/* Hops that are followed: chains have three or four; a longer one is somebody's attempt at work. */
#define SOURCE_HOPS_MAX 16u

struct source {
    struct address address; /* the peer's own where nothing better is known */
    unsigned hops;          /* forwarders that were believed */
    /* The field of a trusted forwarder could not be read (an obfuscated name, "unknown", garbage):
     * the address is that of the last forwarder that could. */
    bool unreadable;
};

/* Whether a peer is one that is believed. `trusted` has a value for each trusted network, NULL:
 * nobody is; a peer on a unix socket is when `trust_local`. */
bool source_is_forwarder(const struct address *peer, const struct network_table *trusted,
                         bool trust_local);

/* `values` are the field's lines in their order, `count` of them; the rest is as above. */
void source_find(const struct address *peer, enum source_field field, const struct text *values,
                 size_t count, const struct network_table *trusted, bool trust_local,
                 struct source *out);

#endif
