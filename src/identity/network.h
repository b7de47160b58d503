/* network: networks such as 10.0.0.0/8 and 2001:db8::/32, and the most specific of many that an
 * address is in.
 *
 * A table is built once and then only read, by any thread; a look-up follows a path-compressed
 * radix tree (D. R. Morrison, "PATRICIA", 1968): at most one step for each bit of the address, in
 * practice as many as the table has levels, well under a microsecond with 100,000 networks. An IPv4
 * address and its IPv4-mapped IPv6 form (RFC 4291, section 2.5.5.2) are the same here. */
#ifndef IDENTITY_NETWORK_H
#define IDENTITY_NETWORK_H

#include "net/address.h"

/* Both families in one form: IPv4 stands in its mapped place, ::ffff:0:0/96. */
struct network {
    unsigned char bytes[16]; /* behind `length` bits: zero */
    unsigned length;         /* bits, 0 to 128 */
};

#define NETWORK_BITS      128u
#define NETWORK_V4_OFFSET 96u
#define NETWORK_TEXT_SIZE 64u

/* "10.0.0.0/8", "10.1.2.3" (one address), "2001:db8::/32". ERROR_SYNTAX: it is no network;
 * ERROR_ARGUMENT: bits are set behind its length; `out` is then the network that it lies in, for
 * the message. */
must_handle enum error network_parse(struct text t, struct network *out);
/* The address as a network of one; false for a unix socket or none, and `out` is then of
 * length 0. */
bool network_of(const struct address *address, struct network *out);
/* The network of `v4` or `v6` bits around it, by its family; at most 32 and 128. */
struct network network_around(const struct network *network, unsigned v4, unsigned v6);
bool network_is_v4(const struct network *network);
/* Whether all of `inner` lies in `outer`. */
bool network_contains(const struct network *outer, const struct network *inner);
/* "10.0.0.0/8"; an address without its length. NUL-terminated, returns the length. */
size_t network_format(const struct network *network, char out[NETWORK_TEXT_SIZE]);

struct network_table;

/* What no value is. */
#define NETWORK_NONE UINT32_MAX

/* `values[i]` belongs to `networks[i]` and is not NETWORK_NONE; of equal networks the first one
 * counts. All is copied. NULL when out of memory. */
must_check struct network_table *network_table_create(const struct network *networks,
                                                      const uint32_t *values, size_t count);
void network_table_free(struct network_table *table); /* NULL is fine */
/* The value of the most specific network that `address` (a network of one, or a wider one) lies in;
 * NETWORK_NONE when it is in none. `table` may be NULL: it has none. */
uint32_t network_table_find(const struct network_table *table, const struct network *address);

#endif
