#include "config/endpoint.h"

#include "base/number.h"

#define HTTP_PORT         80u
#define HTTPS_PORT        443u
#define HOST_NAME_MAXIMUM 253u /* RFC 1035 section 2.3.4, without the root's dot */

static bool is_host_name(struct text host)
{
    for (size_t i = 0; i < host.length; i++) {
        char c = host.data[i];
        bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool dot_in_place = c == '.' && i > 0 && host.data[i - 1] != '.';
        if (!alphanumeric && c != '-' && c != '_' && !dot_in_place)
            return false;
    }
    return host.length > 0 && host.length <= HOST_NAME_MAXIMUM;
}

static const char *parse_port(struct text digits, uint16_t *port)
{
    uint64_t number = 0;
    if (!number_parse_unsigned(digits, &number) || number == 0 || number > UINT16_MAX)
        return "its port is not a number from 1 to 65535";
    *port = (uint16_t)number;
    return NULL;
}

const char *endpoint_parse_authority(struct text authority, uint16_t default_port,
                                     struct text *host, uint16_t *port)
{
    struct text rest = {0};
    *port = default_port;
    if (text_starts_with(authority, TEXT("["))) {
        ptrdiff_t end = text_find_char(authority, ']');
        struct address address;
        if (end < 0)
            return "a bracket of its IPv6 address is missing";
        *host = text_of(authority.data + 1, (size_t)end - 1);
        if (text_find_char(*host, ':') < 0 || address_parse_host(*host, 1, &address) != ERROR_OK)
            return "what stands in brackets is not an IPv6 address";
        rest = text_from_index(authority, (size_t)end + 1);
    } else {
        ptrdiff_t colon = text_find_char(authority, ':');
        *host = colon < 0 ? authority : text_first(authority, (size_t)colon);
        rest = text_from_index(authority, host->length);
        if (text_empty(*host))
            return "it has no host";
        if (text_find_char(text_from_index(rest, 1), ':') >= 0)
            return "an IPv6 address is written in brackets";
        if (!is_host_name(*host))
            return "its host is not a valid name";
    }
    if (text_empty(rest))
        return NULL;
    if (rest.data[0] != ':')
        return "something stands behind its host";
    return parse_port(text_from_index(rest, 1), port);
}

static const char *check_characters(struct text url)
{
    for (size_t i = 0; i < url.length; i++) {
        unsigned char byte = (unsigned char)url.data[i];
        if (byte <= ' ' || byte >= 0x7f || strchr("<>\"{}|\\^`", (char)byte))
            return "it holds a character that a URL must escape";
    }
    if (text_find_char(url, '#') >= 0)
        return "it has a fragment (#), which a base URL cannot have";
    if (text_find_char(url, '?') >= 0)
        return "it has a query (?), which a base URL cannot have";
    return NULL;
}

/* People paste the URL of the call from a provider's documentation. */
static const char *check_path(struct text path)
{
    static const struct text calls[] = {TEXT_INIT("/completions"), TEXT_INIT("/responses"),
                                        TEXT_INIT("/embeddings"), TEXT_INIT("/models")};
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
        if (text_ends_with(path, calls[i]))
            return "it names one call; a base URL ends before /chat/completions, as in "
                   "\"https://api.openai.com/v1\"";
    return NULL;
}

static struct text without_trailing_slash(struct text path)
{
    while (path.length > 0 && path.data[path.length - 1] == '/')
        path.length--;
    return path;
}

static bool complete(const struct config_endpoint *endpoint)
{
    return endpoint->host.data && endpoint->path.data && endpoint->host_header.data &&
           endpoint->text.data;
}

/* "http+unix:/run/model.sock:/v1" */
static const char *parse_unix(struct text url, struct arena *arena, struct config_endpoint *out)
{
    struct text rest = text_from_index(url, sizeof("http+unix:") - 1);
    if (!text_starts_with(rest, TEXT("/")) || text_starts_with(rest, TEXT("//")))
        return "a unix socket is written \"http+unix:/path/of.socket:/v1\"";
    ptrdiff_t colon = text_find(rest, TEXT(":/"));
    struct text socket = colon < 0 ? rest : text_first(rest, (size_t)colon);
    struct text path = colon < 0 ? TEXT("") : text_from_index(rest, (size_t)colon + 1);
    struct address address;
    out->host = arena_format(arena, "unix:%.*s", TEXT_ARG(socket));
    if (!out->host.data || address_parse(out->host, &address) != ERROR_OK)
        return "the path of its socket is too long";
    path = without_trailing_slash(path);
    out->path = arena_copy(arena, path);
    out->host_header = arena_copy(arena, TEXT("localhost"));
    out->text = arena_copy(arena, url);
    return complete(out) ? check_path(path) : "out of memory";
}

const char *endpoint_parse(struct text url, struct arena *arena, struct config_endpoint *out)
{
    *out = (struct config_endpoint){0};
    struct text rest = url;
    if (text_starts_with(url, TEXT("https://")))
        out->tls = true;
    else if (!text_starts_with(url, TEXT("http://")) && !text_starts_with(url, TEXT("http+unix:")))
        return "it begins with none of https://, http:// and http+unix:/";
    /* Before the rest, so that no message is about a part of somebody's password. */
    if (text_find_char(url, '@') >= 0)
        return "it holds credentials; write them as api_key, by reference";
    const char *fault = check_characters(url);
    if (fault)
        return fault;
    if (text_starts_with(url, TEXT("http+unix:")))
        return parse_unix(url, arena, out);
    rest = text_from_index(url, out->tls ? sizeof("https://") - 1 : sizeof("http://") - 1);
    struct text authority = text_split(&rest, '/');
    struct text path = text_of(rest.data ? rest.data - 1 : "", rest.data ? rest.length + 1 : 0);
    uint16_t standard = out->tls ? HTTPS_PORT : HTTP_PORT;
    struct text host;
    fault = endpoint_parse_authority(authority, standard, &host, &out->port);
    if (fault)
        return fault;
    path = without_trailing_slash(path);
    bool literal = text_find_char(host, ':') >= 0;
    out->host = arena_copy(arena, host);
    out->path = arena_copy(arena, path);
    out->text = arena_copy(arena, url);
    out->host_header =
        arena_format(arena, "%s%.*s%s", literal ? "[" : "", TEXT_ARG(host), literal ? "]" : "");
    if (out->port != standard && out->host_header.data)
        out->host_header =
            arena_format(arena, "%.*s:%u", TEXT_ARG(out->host_header), (unsigned)out->port);
    return complete(out) ? check_path(path) : "out of memory";
}

bool endpoint_is_local(struct text host)
{
    struct address address;
    if (text_starts_with(host, TEXT("unix:")) ||
        text_equal_ignoring_case(host, TEXT("localhost")) ||
        text_ends_with(host, TEXT(".localhost")))
        return true;
    return address_parse_host(host, 1, &address) == ERROR_OK && address_is_loopback(&address);
}

/* 169.254.0.0/16 and fe80::/10 are never routed (RFC 3927, RFC 4291 section 2.5.6); fd00:ec2::/32
 * are AWS's own servers for its machines. */
bool endpoint_is_metadata(struct text host)
{
    static const struct text name = TEXT_INIT("metadata.google.internal");
    struct address address;
    if (text_equal_ignoring_case(host, name))
        return true;
    if (address_parse_host(host, 1, &address) != ERROR_OK)
        return false;
    if (address.any.sa_family == AF_INET) {
        const unsigned char *v4 = (const unsigned char *)&address.v4.sin_addr;
        return v4[0] == 169 && v4[1] == 254;
    }
    const unsigned char *v6 = address.v6.sin6_addr.s6_addr;
    return (v6[0] == 0xfe && (v6[1] & 0xc0) == 0x80) ||
           (v6[0] == 0xfd && v6[1] == 0x00 && v6[2] == 0x0e && v6[3] == 0xc2);
}
