#include "identity/network.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/number.h"

static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* ---- one network ---- */

static bool bit(const unsigned char bytes[16], unsigned index)
{
    return (bytes[index / 8] >> (7 - index % 8) & 1) != 0;
}

/* Eight bytes whose first bit is the highest, as a number. */
static uint64_t word(const unsigned char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return be64toh(number);
}

/* How many bits from the front are the same, at most `limit`. */
static unsigned common_bits(const unsigned char a[16], const unsigned char b[16], unsigned limit)
{
    uint64_t high = word(a) ^ word(b), low = word(a + 8) ^ word(b + 8);
    unsigned same = high != 0  ? (unsigned)__builtin_clzll(high)
                    : low != 0 ? 64 + (unsigned)__builtin_clzll(low)
                               : NETWORK_BITS;
    return same < limit ? same : limit;
}

static bool clear_behind(struct network *network)
{
    bool clean = true;
    for (unsigned i = network->length; i < NETWORK_BITS; i++) {
        clean &= !bit(network->bytes, i);
        network->bytes[i / 8] &= (unsigned char)~(1u << (7 - i % 8));
    }
    return clean;
}

bool network_of(const struct address *address, struct network *out)
{
    *out = (struct network){.length = NETWORK_BITS};
    if (address->length > 0 && address->any.sa_family == AF_INET) {
        memcpy(out->bytes, v4_prefix, sizeof v4_prefix);
        memcpy(out->bytes + sizeof v4_prefix, &address->v4.sin_addr, 4);
        return true;
    }
    if (address->length > 0 && address->any.sa_family == AF_INET6) {
        memcpy(out->bytes, &address->v6.sin6_addr, 16);
        return true;
    }
    out->length = 0;
    return false;
}

enum error network_parse(struct text t, struct network *out)
{
    struct address address;
    uint64_t length;
    struct text rest = t, host = text_split(&rest, '/');
    bool stated = rest.data != NULL;
    *out = (struct network){.length = NETWORK_BITS};
    if (text_find_char(host, '[') >= 0 || address_parse_host(host, 0, &address) != ERROR_OK ||
        !network_of(&address, out))
        return ERROR_SYNTAX;
    if (!stated)
        return ERROR_OK;
    bool v4 = address.any.sa_family == AF_INET;
    if (!number_parse_unsigned(rest, &length) || length > (v4 ? 32u : NETWORK_BITS))
        return ERROR_SYNTAX;
    out->length = (unsigned)length + (v4 ? NETWORK_V4_OFFSET : 0);
    return clear_behind(out) ? ERROR_OK : ERROR_ARGUMENT;
}

bool network_is_v4(const struct network *network)
{
    return network->length >= NETWORK_V4_OFFSET &&
           memcmp(network->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

struct network network_around(const struct network *network, unsigned v4, unsigned v6)
{
    struct network around = *network;
    unsigned length = network_is_v4(network) ? NETWORK_V4_OFFSET + (v4 < 32 ? v4 : 32)
                                             : (v6 < NETWORK_BITS ? v6 : NETWORK_BITS);
    if (length < around.length)
        around.length = length;
    (void)clear_behind(&around);
    return around;
}

bool network_contains(const struct network *outer, const struct network *inner)
{
    return outer->length <= inner->length &&
           common_bits(outer->bytes, inner->bytes, outer->length) == outer->length;
}

size_t network_format(const struct network *network, char out[NETWORK_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN];
    bool v4 = network_is_v4(network);
    unsigned length = v4 ? network->length - NETWORK_V4_OFFSET : network->length;
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, network->bytes + (v4 ? NETWORK_V4_OFFSET / 8 : 0),
                    host, sizeof host);
    if (network->length == NETWORK_BITS)
        return (size_t)snprintf(out, NETWORK_TEXT_SIZE, "%s", host);
    return (size_t)snprintf(out, NETWORK_TEXT_SIZE, "%s/%u", host, length);
}

/* ---- the table ---- */

/* Children by the bit behind the node's length; a node without a value has both. Indices instead of
 * pointers keep a node in half a cache line. */
struct node {
    unsigned char bytes[16];
    uint32_t child[2]; /* 0: none, since the root is nobody's child */
    uint32_t value;
    uint32_t length;
};

struct network_table {
    size_t count;
    struct node nodes[]; /* the root first: length 0 */
};

static uint32_t add_node(struct network_table *table, const struct network *network, uint32_t value)
{
    struct node *node = &table->nodes[table->count];
    *node = (struct node){.value = value, .length = network->length};
    memcpy(node->bytes, network->bytes, sizeof node->bytes);
    return (uint32_t)table->count++;
}

/* A node between `index`'s parent and `index`, of the `length` bits that both share. */
static uint32_t split(struct network_table *table, uint32_t *place, unsigned length)
{
    uint32_t below = *place;
    struct network shared = {.length = length};
    memcpy(shared.bytes, table->nodes[below].bytes, sizeof shared.bytes);
    (void)clear_behind(&shared);
    uint32_t made = add_node(table, &shared, NETWORK_NONE);
    table->nodes[made].child[bit(table->nodes[below].bytes, length)] = below;
    *place = made;
    return made;
}

static void insert(struct network_table *table, const struct network *network, uint32_t value)
{
    uint32_t index = 0;
    while (table->nodes[index].length < network->length) {
        uint32_t *place =
            &table->nodes[index].child[bit(network->bytes, table->nodes[index].length)];
        if (*place == 0) {
            *place = add_node(table, network, value);
            return;
        }
        const struct node *child = &table->nodes[*place];
        unsigned limit = child->length < network->length ? child->length : network->length;
        unsigned shared = common_bits(child->bytes, network->bytes, limit);
        index = shared < child->length ? split(table, place, shared) : *place;
    }
    if (table->nodes[index].value == NETWORK_NONE)
        table->nodes[index].value = value;
}

struct network_table *network_table_create(const struct network *networks, const uint32_t *values,
                                           size_t count)
{
    /* Each network adds itself and at most one node above it. */
    size_t most = 2 * count + 1;
    ensure(most < UINT32_MAX);
    struct network_table *table = malloc(sizeof *table + most * sizeof(struct node));
    if (table == NULL)
        return NULL;
    table->count = 0;
    (void)add_node(table, &(struct network){.length = 0}, NETWORK_NONE);
    for (size_t i = 0; i < count; i++)
        insert(table, &networks[i], values[i]);
    ensure(table->count <= most);
    return table;
}

void network_table_free(struct network_table *table)
{
    free(table);
}

uint32_t network_table_find(const struct network_table *table, const struct network *address)
{
    uint32_t best = NETWORK_NONE, index = 0;
    if (table == NULL)
        return NETWORK_NONE;
    do {
        const struct node *node = &table->nodes[index];
        if (node->length > address->length ||
            common_bits(node->bytes, address->bytes, node->length) < node->length)
            break;
        if (node->value != NETWORK_NONE)
            best = node->value;
        if (node->length == address->length)
            break;
        index = node->child[bit(address->bytes, node->length)];
    } while (index != 0);
    return best;
}
