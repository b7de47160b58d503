/* address: where something listens, where it connects to, and which networks it is in.
 *
 * Values, no memory of their own. Any thread. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "tables/error.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t length; /* 0: no address */
};

#define ADDRESS_TEXT_SIZE 128

/* "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses, IPv6 socket that takes IPv4 too),
 * "unix:/path" and "unix:@abstract". No names. */
must_handle enum error address_parse(struct text t, struct address *out);
/* An address literal without port ("10.0.0.1", "::1", "[::1]") with `port`; NOT_FOUND when it is a
 * name. */
must_handle enum error address_parse_host(struct text host, uint16_t port, struct address *out);
/* The inverse of address_parse, NUL-terminated; IPv4-mapped IPv6 is shown as IPv4. Returns the
 * length. */
size_t address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
/* As above without port: what a record calls the source. A unix peer is "unix". */
size_t address_format_host(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
bool address_is_loopback(const struct address *address); /* 127/8, ::1, mapped 127/8, unix */
uint16_t address_port(const struct address *address);

#endif
