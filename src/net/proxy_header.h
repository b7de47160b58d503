/* proxy_header: the PROXY protocol, by which a balancer tells who connected to it. Bytes in, value
 * out.
 *
 * Versions 1 (a line of text) and 2 (binary), as a connection's very first bytes. Only those of a
 * peer that is trusted are to be read at all: anybody can write them. Any thread.
 * Source: "The PROXY protocol, versions 1 & 2", haproxy.org, sections 2.1 and 2.2. */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include "net/address.h"

/* The longest line of version 1 with its CR LF. */
#define PROXY_HEADER_LINE_MAX 107u
/* Of version 2: addresses have at most 216 bytes; what follows them (TLS facts of the balancer) is
 * skipped, and has hundreds of bytes in practice. */
#define PROXY_HEADER_MAX 4096u

struct proxy_header {
    bool known; /* false: the balancer speaks for itself (LOCAL, UNKNOWN): the peer is the source */
    struct address source;
};

/* Looks at the first bytes of a connection. ERROR_OK with `*length` of the header, or 0 while more
 * is needed; ERROR_SYNTAX: they are no such header; ERROR_LIMIT: it is longer than
 * PROXY_HEADER_MAX; ERROR_UNSUPPORTED: a version, or a transport other than a byte stream. */
must_handle enum error proxy_header_read(struct text bytes, struct proxy_header *out,
                                         size_t *length);

#endif
