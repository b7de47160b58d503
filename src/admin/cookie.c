#include "admin/cookie.h"

#include "base/secret.h"

#define LINE_MAX_SIZE 1024u

struct row {
    const char *name, *path, *same_site;
};

static const struct row rows[] = {
    [COOKIE_SESSION] = {"turnpike", "/", "Strict"},
    [COOKIE_SIGN_IN] = {"turnpike-sign-in", "/", "Lax"},
};

static struct text name_of(enum cookie_kind kind, const struct origin_door *door, bool secure,
                           char out[COOKIE_NAME_SIZE])
{
    int length = snprintf(out, COOKIE_NAME_SIZE, "%s%s-%u", secure ? "__Host-" : "",
                          rows[kind].name, (unsigned)door->port);

    return text_of(out, (size_t)length);
}

struct text cookie_read(struct text field, enum cookie_kind kind, const struct origin_door *door,
                        bool secure)
{
    char space[COOKIE_NAME_SIZE];
    struct text wanted = name_of(kind, door, secure, space), found = text_of(NULL, 0);

    while (field.data && field.length > 0) {
        struct text value = text_split(&field, ';');
        struct text name = text_trim(text_split(&value, '='));
        if (!text_equal(name, wanted) || !value.data)
            continue;
        if (found.data)
            return text_of(NULL, 0);
        found = text_trim(value);
    }
    return found;
}

void cookie_append(struct buffer *headers, enum cookie_kind kind, const struct origin_door *door,
                   bool secure, struct text value, unsigned seconds)
{
    char space[COOKIE_NAME_SIZE];
    struct buffer line;

    buffer_open(&line, LINE_MAX_SIZE);
    buffer_append(&line, name_of(kind, door, secure, space));
    buffer_append_format(&line, "=%.*s; Path=%s; HttpOnly; SameSite=%s%s", TEXT_ARG(value),
                         rows[kind].path, rows[kind].same_site, secure ? "; Secure" : "");
    if (text_empty(value))
        buffer_append(&line, TEXT("; Max-Age=0"));
    else if (seconds > 0)
        buffer_append_format(&line, "; Max-Age=%u", seconds);
    http1_append_header(headers, TEXT("set-cookie"), buffer_text(&line));
    if (line.data)
        secret_wipe(line.data, line.capacity);
    buffer_close(&line);
}
