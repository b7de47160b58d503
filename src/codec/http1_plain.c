/* What is plain (RFC 9112 sections 2 to 5, without what is rare or can be meant in two ways):
 *
 *   request   METHOD SP target SP "HTTP/1.1" CRLF   a method of ours, a target that begins with "/"
 *   response  "HTTP/1.1" SP status SP phrase CRLF   a status from 200 to 599, a phrase that is not
 *                                                   empty and does not begin with a space
 *   headers   name ":" value CRLF                   a name of letters, digits, "-" and "_"; a value
 *                                                   of printable ASCII, not only of spaces
 *   CRLF
 *
 * No Transfer-Encoding and no Upgrade: what follows such a head is llhttp's to read, and it must
 * have read the head for that. */
#include "codec/http1_plain.h"

#include "base/find.h"

const bool http1_target_characters[256] = {
    ['!'] = true, ['$' ... ';'] = true, ['='] = true,         ['?' ... '['] = true,
    [']'] = true, ['^' ... '_'] = true, ['a' ... '~'] = true,
};

#define VERSION "HTTP/1.1"

/* What is left of the bytes; `at` moves over what was taken. */
struct rest {
    const char *at;
    const char *end;
};

static bool take(struct rest *rest, struct text expected)
{
    if ((size_t)(rest->end - rest->at) < expected.length ||
        memcmp(rest->at, expected.data, expected.length) != 0)
        return false;
    rest->at += expected.length;
    return true;
}

/* Printable ASCII to the end of the line, which is taken too. Spaces in front and behind are not
 * part of it; false when nothing else is there. */
static bool take_line(struct rest *rest, struct text *out)
{
    const char *begin = rest->at;
    const char *line_end = find_unprintable(begin, rest->end);
    rest->at = line_end;
    if (!take(rest, TEXT("\r\n")))
        return false;
    while (begin < line_end && *begin == ' ')
        begin++;
    if (begin == line_end)
        return false;
    while (line_end[-1] == ' ')
        line_end--;
    *out = text_of(begin, (size_t)(line_end - begin));
    return true;
}

static bool take_request_line(struct rest *rest, struct http1_head *head)
{
    struct text name = {.data = rest->at};
    const char *method_end = memchr(rest->at, ' ', (size_t)(rest->end - rest->at));
    if (method_end == NULL)
        return false;
    name.length = (size_t)(method_end - rest->at);
    if (!http1_method_find(name, &head->method) || head->method == HTTP1_CONNECT)
        return false;
    const char *target = method_end + 1;
    const char *p = target;
    while (p < rest->end && http1_target_characters[(unsigned char)*p])
        p++;
    if (p == target || *target != '/')
        return false;
    head->target = text_of(target, (size_t)(p - target));
    rest->at = p;
    return take(rest, TEXT(" " VERSION "\r\n"));
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_status_line(struct rest *rest, struct http1_head *head)
{
    if (!take(rest, TEXT(VERSION " ")) || rest->end - rest->at < 5)
        return false;
    const char *digits = rest->at;
    if (digits[0] < '2' || digits[0] > '5' || !is_digit(digits[1]) || !is_digit(digits[2]) ||
        digits[3] != ' ' || digits[4] == ' ')
        return false;
    head->status = (uint16_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
    rest->at += 4;
    const char *phrase = rest->at;
    const char *line_end = find_unprintable(phrase, rest->end);
    head->phrase = text_of(phrase, (size_t)(line_end - phrase));
    rest->at = line_end;
    return head->phrase.length > 0 && take(rest, TEXT("\r\n"));
}

static bool take_header(struct rest *rest, struct http1_header *header)
{
    const char *name_end = find_name_end(rest->at, rest->end);
    if (name_end == rest->at || name_end == rest->end || *name_end != ':')
        return false;
    header->name = text_of(rest->at, (size_t)(name_end - rest->at));
    header->id = header_find(header->name);
    rest->at = name_end + 1;
    return header->id != HEADER_TRANSFER_ENCODING && header->id != HEADER_UPGRADE &&
           take_line(rest, &header->value);
}

size_t http1_plain_read(enum http1_side side, size_t length, size_t header_limit,
                        struct http1_fields *fields, struct http1_head *head)
{
    struct rest rest = {fields->bytes, fields->bytes + length};
    size_t room = fields->header_capacity - 1; /* headers[count] always exists */
    if (header_limit < room)
        room = header_limit;
    if (!(side == HTTP1_REQUEST ? take_request_line(&rest, head) : take_status_line(&rest, head)))
        return 0;
    head->version_minor = 1;
    while (rest.at < rest.end && *rest.at != '\r') {
        if (fields->count == room || !take_header(&rest, &fields->headers[fields->count]))
            return 0;
        fields->count++;
    }
    fields->headers[fields->count] = (struct http1_header){0};
    return take(&rest, TEXT("\r\n")) ? (size_t)(rest.at - fields->bytes) : 0;
}
