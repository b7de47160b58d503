#include "admin/origin.h"

#include "net/address.h"

/* The name or address in a Host, without brackets. */
static struct text host_name(struct text host)
{
    ptrdiff_t end;

    if (text_starts_with(host, TEXT("["))) {
        host = text_from_index(host, 1);
        end = text_find_char(host, ']');
        return end < 0 ? text_of(NULL, 0) : text_first(host, (size_t)end);
    }
    end = text_find_char(host, ':');
    return end < 0 ? host : text_first(host, (size_t)end);
}

static bool is_address(struct text name)
{
    struct address address;

    return address_parse_host(name, 1, &address) == ERROR_OK;
}

bool origin_knows_host(const struct origin_door *door, const struct config_console *console,
                       struct text host)
{
    struct text name = host_name(host);

    if (door->local)
        return true;
    if (text_empty(name))
        return false;
    if (is_address(name) || text_equal_ignoring_case(name, TEXT("localhost")))
        return true;
    if (!text_empty(console->host))
        return text_equal_ignoring_case(name, console->host);
    return door->secure;
}

bool origin_is_secure(const struct origin_door *door, const struct config_console *console)
{
    return door->secure || console->secure;
}

/* An Origin is scheme and authority; ours is what the browser itself took for us. */
static bool same_origin(const struct origin_door *door, const struct config_console *console,
                        struct text origin, struct text host)
{
    bool secure = text_starts_with(origin, TEXT("https://"));

    if (!text_empty(console->url) && text_equal_ignoring_case(origin, console->url))
        return true;
    if (!secure && !text_starts_with(origin, TEXT("http://")))
        return false;
    return secure == door->secure &&
           text_equal_ignoring_case(
               text_from_index(origin, secure ? sizeof("https://") - 1 : sizeof("http://") - 1),
               host);
}

bool origin_is_ours(const struct origin_door *door, const struct config_console *console,
                    const struct http1_head *head)
{
    struct text site = http1_head_value(head, HEADER_SEC_FETCH_SITE);
    struct text origin = http1_head_value(head, HEADER_ORIGIN);
    struct text host = http1_head_value(head, HEADER_HOST);

    if (site.data && !text_equal(site, TEXT("same-origin")) && !text_equal(site, TEXT("none")))
        return false;
    return !origin.data || same_origin(door, console, origin, host);
}

void origin_append_url(struct buffer *out, const struct config *config)
{
    const struct config_listener *door = &config->admin;
    char text[ADDRESS_TEXT_SIZE];
    struct address address = door->address;

    if (!text_empty(config->console.url)) {
        buffer_append(out, config->console.url);
        return;
    }
    if (address.length == 0 || address.any.sa_family == AF_UNIX)
        return;
    (void)address_format(&address, text);
    struct text shown = text_from(text);
    buffer_append(out, door->tls_enabled ? TEXT("https://") : TEXT("http://"));
    /* "All addresses" is no place to go to. */
    bool everywhere = text_starts_with(shown, TEXT("[::]:")) ||
                      text_starts_with(shown, TEXT("0.0.0.0:")) ||
                      text_starts_with(shown, TEXT(":"));
    if (everywhere)
        buffer_append_format(out, "127.0.0.1:%u", (unsigned)address_port(&address));
    else
        buffer_append(out, shown);
}
