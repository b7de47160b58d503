#include "identity/source.h"

#include "base/number.h"

/* ---- one address ---- */

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". The port is of
 * no use and is left at 0. */
static bool read_node(struct text node, struct address *out)
{
    struct text host = node, port = {NULL, 0};
    ptrdiff_t bracket = text_find_char(node, ']');
    ptrdiff_t colon = text_find_char(node, ':');
    if (bracket >= 0) {
        host = text_first(node, (size_t)bracket + 1);
        port = text_from_index(node, (size_t)bracket + 1);
    } else if (colon >= 0 && text_find_char(text_from_index(node, (size_t)colon + 1), ':') < 0) {
        host = text_first(node, (size_t)colon);
        port = text_from_index(node, (size_t)colon);
    }
    uint64_t number;
    if (!text_empty(port) &&
        (port.data[0] != ':' || !number_parse_unsigned(text_from_index(port, 1), &number) ||
         number > UINT16_MAX))
        return false;
    return address_parse_host(host, 0, out) == ERROR_OK;
}

static struct text unquoted(struct text value)
{
    if (value.length >= 2 && value.data[0] == '"' && value.data[value.length - 1] == '"')
        return text_of(value.data + 1, value.length - 2);
    return value;
}

/* One element of Forwarded: "for=…;proto=…". An address needs no escapes, so none are read. */
static bool read_element(struct text element, struct address *out)
{
    while (element.data != NULL) {
        struct text pair = text_split(&element, ';');
        struct text name = text_trim(text_split(&pair, '='));
        if (pair.data != NULL && text_equal_ignoring_case(name, TEXT("for")))
            return read_node(unquoted(text_trim(pair)), out);
    }
    return false;
}

static bool read_hop(enum source_field field, struct text hop, struct address *out)
{
    return field == SOURCE_FIELD_FORWARDED ? read_element(hop, out) : read_node(hop, out);
}

/* ---- the chain ---- */

/* The last element of `value`, which is shortened by it. A comma within quotes belongs to the
 * element. */
static struct text take_last(struct text *value)
{
    size_t start = value->length;
    bool quoted = false;
    while (start > 0 && (quoted || value->data[start - 1] != ',')) {
        quoted ^= value->data[start - 1] == '"';
        start--;
    }
    struct text last = text_trim(text_from_index(*value, start));
    *value = text_first(*value, start > 0 ? start - 1 : 0);
    return last;
}

static bool is_trusted(const struct address *address, const struct network_table *trusted)
{
    struct network network;
    return network_of(address, &network) && network_table_find(trusted, &network) != NETWORK_NONE;
}

static bool is_local(const struct address *address)
{
    return address->length > 0 && address->any.sa_family == AF_UNIX;
}

bool source_is_forwarder(const struct address *peer, const struct network_table *trusted,
                         bool trust_local)
{
    return is_local(peer) ? trust_local : is_trusted(peer, trusted);
}

void source_find(const struct address *peer, enum source_field field, const struct text *values,
                 size_t count, const struct network_table *trusted, bool trust_local,
                 struct source *out)
{
    *out = (struct source){.address = *peer};
    bool believed = source_is_forwarder(peer, trusted, trust_local);
    if (field == SOURCE_FIELD_NONE)
        return;
    /* Backwards: who is nearest was written last. */
    while (believed && count > 0) {
        struct text rest = values[--count];
        while (believed && !text_empty(rest)) {
            struct address hop;
            struct text last = take_last(&rest);
            if (text_empty(last))
                continue; /* RFC 9110, section 5.6.1: empty elements are ignored */
            if (out->hops == SOURCE_HOPS_MAX || !read_hop(field, last, &hop)) {
                out->unreadable = true;
                return;
            }
            out->address = hop;
            out->hops++;
            believed = is_trusted(&hop, trusted);
        }
    }
}
