#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stddef.h>

#include "base/number.h"

static const struct text unix_prefix = TEXT_INIT("unix:");

static enum error address_parse_unix(struct text path, struct address *out)
{
    if (path.length == 0 || text_find_char(path, '\0') >= 0)
        return ERROR_SYNTAX;
    if (path.data[0] != '/' && path.data[0] != '@')
        return ERROR_SYNTAX; /* a relative path would depend on where the process was started */
    if (path.data[0] == '@' && path.length == 1)
        return ERROR_SYNTAX;
    if (path.length >= sizeof(out->local.sun_path))
        return ERROR_LIMIT;
    out->local.sun_family = AF_UNIX;
    memcpy(out->local.sun_path, path.data, path.length);
    size_t length = offsetof(struct sockaddr_un, sun_path) + path.length;
    if (path.data[0] == '@')
        out->local.sun_path[0] =
            '\0'; /* Linux's abstract names begin with a NUL and end by length */
    else
        length++;
    out->length = (socklen_t)length;
    return ERROR_OK;
}

static bool address_parse_port(struct text t, uint16_t *out)
{
    uint64_t port;
    if (t.length > 5 || !number_parse_unsigned(t, &port) || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

static void address_fill_v4(struct address *out, struct in_addr ip, uint16_t port)
{
    out->v4.sin_family = AF_INET;
    out->v4.sin_addr = ip;
    out->v4.sin_port = htons(port);
    out->length = sizeof(out->v4);
}

static void address_fill_v6(struct address *out, struct in6_addr ip, uint16_t port)
{
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_addr = ip;
    out->v6.sin6_port = htons(port);
    out->length = sizeof(out->v6);
}

enum error address_parse_host(struct text host, uint16_t port, struct address *out)
{
    *out = (struct address){0};
    bool bracketed = host.length >= 2 && host.data[0] == '[' && host.data[host.length - 1] == ']';
    if (bracketed)
        host = text_of(host.data + 1, host.length - 2);
    char string[INET6_ADDRSTRLEN];
    if (host.length == 0 || text_find_char(host, '\0') >= 0)
        return ERROR_NOT_FOUND;
    if (!text_copy_to(host, string, sizeof(string)))
        return ERROR_NOT_FOUND;
    struct in_addr v4;
    struct in6_addr v6;
    if (!bracketed && inet_pton(AF_INET, string, &v4) == 1) {
        address_fill_v4(out, v4, port);
        return ERROR_OK;
    }
    if (inet_pton(AF_INET6, string, &v6) == 1) {
        address_fill_v6(out, v6, port);
        return ERROR_OK;
    }
    return ERROR_NOT_FOUND;
}

enum error address_parse(struct text t, struct address *out)
{
    *out = (struct address){0};
    if (text_starts_with(t, unix_prefix))
        return address_parse_unix(text_from_index(t, unix_prefix.length), out);
    size_t colon = t.length;
    while (colon > 0 && t.data[colon - 1] != ':')
        colon--;
    uint16_t port;
    if (colon == 0 || !address_parse_port(text_from_index(t, colon), &port))
        return ERROR_SYNTAX;
    struct text host = text_first(t, colon - 1);
    if (host.length == 0) {
        address_fill_v6(out, in6addr_any, port);
        return ERROR_OK;
    }
    /* "::1" without brackets would take its last group for a port. */
    if (text_find_char(host, ':') >= 0 && host.data[0] != '[')
        return ERROR_SYNTAX;
    return address_parse_host(host, port, out) == ERROR_OK ? ERROR_OK : ERROR_SYNTAX;
}

/* inet_ntop prints by sprintf, which costs more than all else that an address costs a call. */
static size_t address_format_v4(const void *ip, char out[INET6_ADDRSTRLEN])
{
    const unsigned char *bytes = ip;
    size_t length = 0;
    for (size_t i = 0; i < 4; i++) {
        char digits[NUMBER_DIGITS_MAX];
        size_t count = number_format_unsigned(bytes[i], digits);
        memcpy(out + length, digits, count);
        length += count;
        out[length++] = '.';
    }
    out[--length] = '\0';
    return length;
}

static size_t address_format_ip(const struct address *address, char out[INET6_ADDRSTRLEN])
{
    if (address->any.sa_family == AF_INET)
        return address_format_v4(&address->v4.sin_addr, out);
    if (IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        return address_format_v4(&address->v6.sin6_addr.s6_addr[12], out);
    out[0] = '\0';
    inet_ntop(AF_INET6, &address->v6.sin6_addr, out, INET6_ADDRSTRLEN);
    return strlen(out);
}

static size_t address_format_unix(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    size_t begin = offsetof(struct sockaddr_un, sun_path);
    size_t length = address->length > begin ? address->length - begin : 0;
    const char *path = address->local.sun_path;
    bool abstract = length > 0 && path[0] == '\0';
    if (!abstract)
        length = strnlen(path, length);
    if (abstract)
        return (size_t)snprintf(out, ADDRESS_TEXT_SIZE, "unix:@%.*s", (int)length - 1, path + 1);
    return (size_t)snprintf(out, ADDRESS_TEXT_SIZE, "unix:%.*s", (int)length, path);
}

static bool address_is_ip(const struct address *address)
{
    return address->length > 0 &&
           (address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6);
}

size_t address_format(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    out[0] = '\0';
    if (address->length == 0)
        return 0;
    if (!address_is_ip(address))
        return address_format_unix(address, out);
    char ip[INET6_ADDRSTRLEN];
    address_format_ip(address, ip);
    const char *format = strchr(ip, ':') ? "[%s]:%u" : "%s:%u";
    return (size_t)snprintf(out, ADDRESS_TEXT_SIZE, format, ip, address_port(address));
}

size_t address_format_host(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    out[0] = '\0';
    if (address->length == 0)
        return 0;
    if (address_is_ip(address))
        return address_format_ip(address, out);
    text_copy_to(TEXT("unix"), out, ADDRESS_TEXT_SIZE);
    return strlen(out);
}

bool address_is_loopback(const struct address *address)
{
    if (address->length == 0)
        return false;
    if (address->any.sa_family == AF_UNIX)
        return true;
    if (address->any.sa_family == AF_INET)
        return (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127;
    const struct in6_addr *ip = &address->v6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
}

uint16_t address_port(const struct address *address)
{
    if (!address_is_ip(address))
        return 0;
    return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
}
