#include "config/proxy.h"

#include <openssl/evp.h>

#include "base/number.h"
#include "config/endpoint.h"

#define CREDENTIALS_MAXIMUM \
    2048u /* user and password; a header line holds more than their base64 */
#define PROXY_PORT \
    80u /* of http://, which is what curl's and Python's readers of the variables take */

/* In the order of the words in tables/config.def. */
enum { PROXY_ENVIRONMENT, PROXY_NONE, PROXY_EXPLICIT };

static const char *variable(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    if (!value)
        value = getenv(upper);
    return value ? value : "";
}

static const uint8_t *address_bits(const struct address *address, size_t *count)
{
    bool v6 = address->any.sa_family == AF_INET6;
    *count = v6 ? 128 : 32;
    return v6 ? address->v6.sin6_addr.s6_addr : (const uint8_t *)&address->v4.sin_addr;
}

static bool is_in_network(struct text network, const struct address *address)
{
    struct text base = text_split(&network, '/');
    struct address start;
    if (address_parse_host(base, 1, &start) != ERROR_OK ||
        start.any.sa_family != address->any.sa_family)
        return false;
    size_t length = 0;
    const uint8_t *left = address_bits(&start, &length);
    const uint8_t *right = address_bits(address, &length);
    uint64_t prefix = length;
    if (network.data && (!number_parse_unsigned(network, &prefix) || prefix > length))
        return false;
    for (size_t bit = 0; bit < prefix; bit++)
        if ((left[bit / 8] ^ right[bit / 8]) & (0x80u >> (bit % 8)))
            return false;
    return true;
}

static bool names_host(struct text entry, struct text host)
{
    if (text_starts_with(entry, TEXT("*.")))
        entry = text_from_index(entry, 1);
    struct text domain = text_starts_with(entry, TEXT(".")) ? text_from_index(entry, 1) : entry;
    if (text_empty(domain) || host.length < domain.length)
        return false;
    struct text end = text_from_index(host, host.length - domain.length);
    bool whole = end.length == host.length;
    return text_equal_ignoring_case(end, domain) && (whole || end.data[-1] == '.');
}

/* Cuts ":port" off; false when it is there and another. */
static bool match_port(struct text *entry, uint16_t port)
{
    ptrdiff_t colon = text_find_char(*entry, ':');
    bool bare_v6 =
        colon >= 0 && text_find_char(text_from_index(*entry, (size_t)colon + 1), ':') >= 0;
    if (colon < 0 || bare_v6)
        return true;
    uint64_t number = 0;
    bool same = number_parse_unsigned(text_from_index(*entry, (size_t)colon + 1), &number) &&
                number == port;
    *entry = text_first(*entry, (size_t)colon);
    return same;
}

static bool is_excepted_by(struct text entry, struct text host, const struct address *address,
                           uint16_t port)
{
    if (text_equal(entry, TEXT("*")))
        return true;
    if (text_empty(entry) || !match_port(&entry, port))
        return false;
    return address ? is_in_network(entry, address) : names_host(entry, host);
}

bool proxy_is_excepted(struct text list, struct text host, uint16_t port)
{
    struct address address;
    bool literal = address_parse_host(host, 1, &address) == ERROR_OK;
    size_t start = 0;
    for (size_t i = 0; i <= list.length; i++) {
        if (i < list.length && list.data[i] != ',' && list.data[i] != ' ')
            continue;
        struct text entry = text_trim(text_of(list.data + start, i - start));
        if (is_excepted_by(entry, host, literal ? &address : NULL, port))
            return true;
        start = i + 1;
    }
    return false;
}

/* "Basic …" of RFC 7617; wipes what it held on the way. */
static struct secret *make_authorization(struct settings_reader *reader, struct text user,
                                         struct text password)
{
    unsigned char plain[CREDENTIALS_MAXIMUM + 1];
    char header[sizeof("Basic ") + (CREDENTIALS_MAXIMUM + 3) / 3 * 4];
    int length =
        snprintf((char *)plain, sizeof(plain), "%.*s:%.*s", TEXT_ARG(user), TEXT_ARG(password));
    struct secret *secret = NULL;
    if (length > 0 && (size_t)length < sizeof(plain)) {
        memcpy(header, "Basic ", 6);
        int encoded = EVP_EncodeBlock((unsigned char *)header + 6, plain, length);
        secret = config_memory_secret(reader->memory, text_of(header, 6 + (size_t)encoded));
    }
    secret_wipe(plain, sizeof(plain));
    secret_wipe(header, sizeof(header));
    return secret;
}

/* RFC 3986 section 2.1, in place of nothing: into `out`, which is as long as `t` or longer. */
static struct text decode_percent(struct text t, char *out)
{
    size_t length = 0;
    for (size_t i = 0; i < t.length; i++) {
        uint64_t byte = 0;
        if (t.data[i] == '%' && i + 2 < t.length &&
            number_parse_hex(text_of(t.data + i + 1, 2), &byte)) {
            out[length++] = (char)byte;
            i += 2;
        } else {
            out[length++] = t.data[i];
        }
    }
    return text_of(out, length);
}

static struct secret *decode_credentials(struct settings_reader *reader, struct text credentials)
{
    char decoded[2][CREDENTIALS_MAXIMUM];
    if (credentials.length > CREDENTIALS_MAXIMUM)
        return NULL;
    struct text password = credentials;
    struct text user = text_split(&password, ':');
    struct secret *secret = make_authorization(reader, decode_percent(user, decoded[0]),
                                               decode_percent(password, decoded[1]));
    secret_wipe(decoded, sizeof(decoded));
    return secret;
}

/* "http://[user:password@]host[:port]"; the scheme may be missing. NULL, or what is wrong. */
static const char *parse_proxy(struct text url, struct arena *arena, struct config_proxy *out,
                               struct text *credentials)
{
    if (text_starts_with(url, TEXT("http://")))
        url = text_from_index(url, sizeof("http://") - 1);
    else if (text_find(url, TEXT("://")) >= 0)
        return "only proxies that are spoken to in plain HTTP (http://) are supported; the calls "
               "inside are encrypted all the same";
    if (text_ends_with(url, TEXT("/")))
        url.length--;
    ptrdiff_t at = text_find_char(url, '@');
    *credentials = at < 0 ? (struct text){0} : text_first(url, (size_t)at);
    url = text_from_index(url, (size_t)(at + 1));
    struct text host;
    const char *fault = endpoint_parse_authority(url, PROXY_PORT, &host, &out->port);
    if (fault)
        return fault;
    bool literal = text_find_char(host, ':') >= 0;
    out->host = arena_copy(arena, host);
    out->text = arena_format(arena, literal ? "http://[%.*s]:%u" : "http://%.*s:%u", TEXT_ARG(host),
                             (unsigned)out->port);
    return out->host.data && out->text.data ? NULL : "out of memory";
}

static const struct config_proxy *resolve_environment(struct settings_reader *reader,
                                                      const struct settings_provider *settings,
                                                      const struct config_endpoint *endpoint)
{
    struct text url = text_from(endpoint->tls ? variable("https_proxy", "HTTPS_PROXY")
                                              : variable("http_proxy", "HTTP_PROXY"));
    struct text exceptions = text_from(variable("no_proxy", "NO_PROXY"));
    if (text_empty(url) || endpoint_is_local(endpoint->host) ||
        proxy_is_excepted(exceptions, endpoint->host, endpoint->port))
        return NULL;
    struct config_proxy *proxy = arena_take_zeroed(&reader->memory->arena, sizeof(*proxy));
    const char *fault = "out of memory";
    struct text credentials = {0};
    if (proxy)
        fault = parse_proxy(url, &reader->memory->arena, proxy, &credentials);
    if (!fault && !text_empty(credentials)) {
        proxy->authorization = decode_credentials(reader, credentials);
        fault = proxy->authorization ? NULL : "its user name and password are too long";
    }
    if (!fault)
        return proxy;
    report_error(reader->report, settings_place(&settings->proxy, &settings->entry),
                 "the environment's %s cannot be used: %s; with \"proxy: none\" calls go direct",
                 endpoint->tls ? "HTTPS_PROXY" : "HTTP_PROXY", fault);
    return NULL;
}

static const struct config_proxy *resolve_explicit(struct settings_reader *reader,
                                                   const struct settings_provider *settings)
{
    struct text url = settings->proxy.text;
    struct config_proxy *proxy = arena_take_zeroed(&reader->memory->arena, sizeof(*proxy));
    const char *fault = "out of memory";
    struct text credentials = {0};
    if (proxy && text_find(url, TEXT("://")) < 0)
        fault = "expected environment, none or a URL such as \"http://proxy.example:3128\"";
    else if (proxy)
        fault = parse_proxy(url, &reader->memory->arena, proxy, &credentials);
    if (!text_empty(credentials))
        fault = "it holds credentials; write them as proxy_user and proxy_password";
    if (!fault && !text_empty(settings->proxy_user.text)) {
        struct text password = {0};
        if (settings->proxy_password.secret)
            password = secret_expose(settings->proxy_password.secret);
        proxy->authorization = make_authorization(reader, settings->proxy_user.text, password);
        fault = proxy->authorization ? NULL : "its user name and password are too long";
    }
    if (!fault)
        return proxy;
    report_error(reader->report, settings_place(&settings->proxy, &settings->entry), "%s", fault);
    return NULL;
}

const struct config_proxy *proxy_resolve(struct settings_reader *reader,
                                         const struct settings_provider *settings,
                                         const struct config_endpoint *endpoint)
{
    bool explicit = settings->proxy.choice == PROXY_EXPLICIT;
    const struct settings_value *user = &settings->proxy_user;
    const struct settings_value *password = &settings->proxy_password;
    bool local_socket = text_starts_with(endpoint->host, TEXT("unix:"));
    if (!explicit && (user->node || password->node))
        report_error(reader->report, settings_place(user->node ? user : password, NULL),
                     "\"proxy\" does not name a proxy that this could be for");
    else if (password->node && !user->node)
        report_error(reader->report, settings_place(password, NULL), "\"proxy_user\" is missing");
    if (text_empty(settings->proxy.text) || settings->proxy.choice == PROXY_NONE)
        return NULL;
    if (explicit && local_socket)
        report_error(reader->report, settings_place(&settings->proxy, &settings->entry),
                     "a proxy cannot reach a unix socket");
    if (local_socket)
        return NULL;
    return explicit ? resolve_explicit(reader, settings)
                    : resolve_environment(reader, settings, endpoint);
}
