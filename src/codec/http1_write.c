/* The writing half of http1.h: status lines, header lines, chunk lines. No state. */
#include "base/ensure.h"
#include "base/number.h"
#include "codec/http1.h"

#define STATUS_FIRST 100
#define STATUS_LAST  599
#define VERSION_TEXT "HTTP/1.1 "

/* Whole lines, so that writing one is one copy. */
static const struct text status_lines[STATUS_LAST - STATUS_FIRST + 1] = {
#define STATUS(code, phrase) \
    [code - STATUS_FIRST] = TEXT_INIT(VERSION_TEXT #code " " phrase "\r\n"),
#include "tables/statuses.def"
#undef STATUS
};

/* A reason phrase may be empty, the space before it may not be missing (RFC 9112 section 4). */
bool http1_append_status_line(struct buffer *out, unsigned status)
{
    ensure(status >= STATUS_FIRST && status <= STATUS_LAST);
    struct text line = status_lines[status - STATUS_FIRST];
    if (line.length > 0)
        return buffer_append(out, line);
    return buffer_append_format(out, VERSION_TEXT "%u \r\n", status);
}

struct text http1_status_phrase(unsigned status)
{
    if (status < STATUS_FIRST || status > STATUS_LAST)
        return text_of(NULL, 0);
    struct text line = status_lines[status - STATUS_FIRST];
    size_t before = sizeof(VERSION_TEXT "200 ") - 1;
    if (line.length == 0)
        return text_of(NULL, 0);
    return text_of(line.data + before, line.length - before - 2);
}

/* RFC 9110 section 5.6.2. */
static const bool token_characters[256] = {
    ['!'] = true,         ['#' ... '\''] = true, ['*'] = true,         ['+'] = true,
    ['-'] = true,         ['.'] = true,          ['0' ... '9'] = true, ['A' ... 'Z'] = true,
    ['^' ... 'z'] = true, ['|'] = true,          ['~'] = true,
};

static bool is_token(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if (!token_characters[(unsigned char)t.data[i]])
            return false;
    return t.length > 0;
}

/* No early exit, so that the compiler makes it a wide loop. */
static bool is_field_value(struct text t)
{
    unsigned bad = 0;
    for (size_t i = 0; i < t.length; i++) {
        unsigned char c = (unsigned char)t.data[i];
        bad |= (unsigned)((c < ' ') & (c != '\t')) | (unsigned)(c == 0x7f);
    }
    return bad == 0;
}

static bool append_line(struct buffer *out, struct text name, struct text value)
{
    char *at = buffer_reserve(out, name.length + value.length + 4);
    if (at == NULL) {
        out->failed = true;
        return false;
    }
    memcpy(at, name.data, name.length);
    at += name.length;
    *at++ = ':';
    *at++ = ' ';
    if (value.length > 0)
        memcpy(at, value.data, value.length);
    at += value.length;
    *at++ = '\r';
    *at++ = '\n';
    out->length += name.length + value.length + 4;
    return true;
}

bool http1_append_header(struct buffer *out, struct text name, struct text value)
{
    if (is_token(name) && is_field_value(value))
        return append_line(out, name, value);
    out->failed = true;
    return false;
}

bool http1_append_parsed_header(struct buffer *out, const struct http1_header *header)
{
    return append_line(out, header->name, header->value);
}

bool http1_append_header_unsigned(struct buffer *out, struct text name, uint64_t value)
{
    char digits[20];
    return http1_append_header(out, name, text_of(digits, number_format_unsigned(value, digits)));
}

size_t http1_format_chunk_line(size_t size, char out[HTTP1_CHUNK_LINE_SIZE])
{
    ensure(size > 0); /* a chunk of 0 is the end of the body */
    size_t digits = (67 - (size_t)__builtin_clzll(size)) / 4;
    for (size_t i = digits; i > 0; i--, size >>= 4)
        out[i - 1] = "0123456789abcdef"[size & 15];
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}
