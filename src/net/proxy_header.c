#include "net/proxy_header.h"

#include <stddef.h>

#include "base/number.h"

/* ---- version 1 ---- */

static const struct text v1_start = TEXT_INIT("PROXY ");

static bool read_port(struct text t, uint16_t *port)
{
    uint64_t number;
    /* No leading zeros (section 2.1), so that a port has one way to be written. */
    if (t.length > 5 || (t.length > 1 && t.data[0] == '0') || !number_parse_unsigned(t, &number) ||
        number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool read_host(struct text host, struct text port, int family, struct address *out)
{
    uint16_t number;
    return text_find_char(host, '[') < 0 && read_port(port, &number) &&
           address_parse_host(host, number, out) == ERROR_OK && out->any.sa_family == family;
}

/* "TCP4 192.0.2.1 198.51.100.1 56324 443" */
static bool read_words(struct text line, int family, struct proxy_header *out)
{
    struct address destination;
    struct text source = text_split(&line, ' '), target = text_split(&line, ' ');
    struct text source_port = text_split(&line, ' ');
    out->known = true;
    return line.data != NULL && read_host(source, source_port, family, &out->source) &&
           read_host(target, line, family, &destination);
}

static enum error read_line(struct text line, struct proxy_header *out)
{
    struct text protocol = text_split(&line, ' ');
    if (text_equal(protocol, TEXT("UNKNOWN")))
        return ERROR_OK; /* whatever follows is to be ignored */
    if (text_equal(protocol, TEXT("TCP4")))
        return read_words(line, AF_INET, out) ? ERROR_OK : ERROR_SYNTAX;
    if (text_equal(protocol, TEXT("TCP6")))
        return read_words(line, AF_INET6, out) ? ERROR_OK : ERROR_SYNTAX;
    return ERROR_SYNTAX;
}

static enum error read_v1(struct text bytes, struct proxy_header *out, size_t *length)
{
    struct text seen = text_first(bytes, PROXY_HEADER_LINE_MAX);
    ptrdiff_t end = text_find(seen, TEXT("\r\n"));
    if (end < 0)
        return seen.length == PROXY_HEADER_LINE_MAX ? ERROR_SYNTAX : ERROR_OK;
    struct text line = text_first(seen, (size_t)end);
    enum error error = read_line(text_from_index(line, v1_start.length), out);
    if (error == ERROR_OK)
        *length = (size_t)end + 2;
    return error;
}

/* ---- version 2 ---- */

static const struct text v2_start = TEXT_INIT("\r\n\r\n\0\r\nQUIT\n");

#define V2_PRELUDE       16u
#define V2_VERSION       0x2u
#define V2_COMMAND_LOCAL 0x0u
#define V2_COMMAND_PROXY 0x1u
#define V2_STREAM        0x1u

enum v2_family { V2_UNSPECIFIED = 0, V2_INET = 1, V2_INET6 = 2, V2_UNIX = 3 };

static const size_t v2_lengths[] = {[V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 216};

/* Network order is what a socket address wants. */
static void take_addresses(enum v2_family family, const char *bytes, struct proxy_header *out)
{
    struct address *source = &out->source;
    out->known = family == V2_INET || family == V2_INET6;
    if (family == V2_INET) {
        source->v4.sin_family = AF_INET;
        memcpy(&source->v4.sin_addr, bytes, 4);
        memcpy(&source->v4.sin_port, bytes + 8, 2);
        source->length = sizeof source->v4;
    } else if (family == V2_INET6) {
        source->v6.sin6_family = AF_INET6;
        memcpy(&source->v6.sin6_addr, bytes, 16);
        memcpy(&source->v6.sin6_port, bytes + 32, 2);
        source->length = sizeof source->v6;
    }
}

static enum error read_v2(struct text bytes, struct proxy_header *out, size_t *length)
{
    if (bytes.length < V2_PRELUDE)
        return ERROR_OK;
    const unsigned char *at = (const unsigned char *)bytes.data + v2_start.length;
    unsigned version = at[0] >> 4, command = at[0] & 15, family = at[1] >> 4,
             transport = at[1] & 15;
    size_t rest = (size_t)at[2] << 8 | at[3];
    if (version != V2_VERSION || command > V2_COMMAND_PROXY)
        return ERROR_UNSUPPORTED;
    if (V2_PRELUDE + rest > PROXY_HEADER_MAX)
        return ERROR_LIMIT;
    if (bytes.length < V2_PRELUDE + rest)
        return ERROR_OK;
    if (command == V2_COMMAND_PROXY && family != V2_UNSPECIFIED) {
        if (family > V2_UNIX || transport != V2_STREAM)
            return ERROR_UNSUPPORTED;
        if (rest < v2_lengths[family])
            return ERROR_SYNTAX;
        take_addresses((enum v2_family)family, bytes.data + V2_PRELUDE, out);
    }
    *length = V2_PRELUDE + rest;
    return ERROR_OK;
}

/* Whether `bytes` may still become, or are, something that begins so. */
static bool may_begin(struct text bytes, struct text start)
{
    return text_starts_with(bytes, start) || text_starts_with(start, bytes);
}

enum error proxy_header_read(struct text bytes, struct proxy_header *out, size_t *length)
{
    *out = (struct proxy_header){.known = false};
    *length = 0;
    if (may_begin(bytes, v1_start))
        return read_v1(bytes, out, length);
    if (may_begin(bytes, v2_start))
        return read_v2(bytes, out, length);
    return ERROR_SYNTAX;
}
