#include "codec/json.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/number.h"

/* Levels 0 to depth - 1 are open; bit i of `objects` and `populated` speaks of level i. */

void json_open(struct json_writer *writer, struct buffer *out)
{
    *writer = (struct json_writer){.out = out};
}

bool json_done(const struct json_writer *writer)
{
    return writer->depth == 0 && !writer->after_key && !writer->out->failed;
}

static uint32_t level_bit(const struct json_writer *writer)
{
    return 1u << (writer->depth - 1);
}

static bool in_object(const struct json_writer *writer)
{
    return writer->depth > 0 && (writer->objects & level_bit(writer)) != 0;
}

static void separate(struct json_writer *writer)
{
    if (writer->depth == 0)
        return;
    if ((writer->populated & level_bit(writer)) != 0)
        buffer_append_char(writer->out, ',');
    writer->populated |= level_bit(writer);
}

/* Before each value: the comma, or nothing behind a key. */
static void begin_value(struct json_writer *writer)
{
    ensure(in_object(writer) == writer->after_key);
    if (!writer->after_key)
        separate(writer);
    writer->after_key = false;
}

static void begin_level(struct json_writer *writer, bool is_object)
{
    begin_value(writer);
    ensure(writer->depth < JSON_DEPTH_LIMIT);
    writer->depth++;
    writer->populated &= ~level_bit(writer);
    writer->objects &= ~level_bit(writer);
    if (is_object)
        writer->objects |= level_bit(writer);
    buffer_append_char(writer->out, is_object ? '{' : '[');
}

static void end_level(struct json_writer *writer, bool is_object)
{
    ensure(writer->depth > 0 && in_object(writer) == is_object && !writer->after_key);
    writer->depth--;
    buffer_append_char(writer->out, is_object ? '}' : ']');
}

void json_begin_object(struct json_writer *writer)
{
    begin_level(writer, true);
}

void json_end_object(struct json_writer *writer)
{
    end_level(writer, true);
}

void json_begin_array(struct json_writer *writer)
{
    begin_level(writer, false);
}

void json_end_array(struct json_writer *writer)
{
    end_level(writer, false);
}

/* ---- strings ---- */

/* Length of the valid UTF-8 sequence at the start of `t` (RFC 3629: shortest form, no surrogates,
 * at most U+10FFFF), or 0. */
static size_t utf8_length(struct text t)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } forms[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *bytes = (const unsigned char *)t.data;
    for (size_t i = 0; i < ARRAY_LENGTH(forms); i++) {
        if (bytes[0] < forms[i].first_low || bytes[0] > forms[i].first_high)
            continue;
        size_t length = forms[i].length;
        if (length > t.length)
            return 0;
        if (length > 1 && (bytes[1] < forms[i].second_low || bytes[1] > forms[i].second_high))
            return 0;
        for (size_t k = 2; k < length; k++)
            if ((bytes[k] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* One character that needs care; returns how many bytes of the input it took. */
static size_t append_special(struct buffer *out, struct text t)
{
    static const char short_escapes[256] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    unsigned char c = (unsigned char)t.data[0];
    if (short_escapes[c] != 0) {
        buffer_append_char(out, '\\');
        buffer_append_char(out, short_escapes[c]);
        return 1;
    }
    if (c < ' ' || c == 0x7f) {
        buffer_append_format(out, "\\u%04x", c);
        return 1;
    }
    size_t length = utf8_length(t);
    buffer_append(out, length > 0 ? text_first(t, length) : TEXT("\xef\xbf\xbd"));
    return length > 0 ? length : 1;
}

bool json_append_text(struct buffer *out, struct text value)
{
    buffer_append_char(out, '"');
    while (value.length > 0) {
        size_t plain = 0;
        while (plain < value.length && is_plain((unsigned char)value.data[plain]))
            plain++;
        buffer_append(out, text_first(value, plain));
        value = text_from_index(value, plain);
        if (value.length > 0)
            value = text_from_index(value, append_special(out, value));
    }
    buffer_append_char(out, '"');
    return !out->failed;
}

/* ---- values ---- */

void json_key(struct json_writer *writer, struct text key)
{
    ensure(in_object(writer) && !writer->after_key);
    separate(writer);
    json_append_text(writer->out, key);
    buffer_append_char(writer->out, ':');
    writer->after_key = true;
}

/* How much of it is UTF-8. */
static size_t sound_length(struct text t)
{
    size_t length = 0;
    while (length < t.length) {
        size_t taken =
            (unsigned char)t.data[length] < 0x80 ? 1 : utf8_length(text_from_index(t, length));
        if (taken == 0)
            break;
        length += taken;
    }
    return length;
}

void json_raw(struct json_writer *writer, struct text value)
{
    begin_value(writer);
    while (value.length > 0) {
        size_t sound = sound_length(value);
        buffer_append(writer->out, text_first(value, sound));
        value = text_from_index(value, sound);
        if (value.length > 0) {
            buffer_append(writer->out, TEXT("\xef\xbf\xbd"));
            value = text_from_index(value, 1);
        }
    }
}

void json_text(struct json_writer *writer, struct text value)
{
    if (value.data == NULL) {
        json_null(writer);
        return;
    }
    begin_value(writer);
    json_append_text(writer->out, value);
}

void json_unsigned(struct json_writer *writer, uint64_t value)
{
    begin_value(writer);
    buffer_append_unsigned(writer->out, value);
}

void json_signed(struct json_writer *writer, int64_t value)
{
    begin_value(writer);
    buffer_append_signed(writer->out, value);
}

void json_bool(struct json_writer *writer, bool value)
{
    json_raw(writer, value ? TEXT("true") : TEXT("false"));
}

void json_null(struct json_writer *writer)
{
    json_raw(writer, TEXT("null"));
}

/* In JSON text, which has no other characters of more than one byte than those in strings. */
static void append_valid(struct buffer *out, struct text text)
{
    while (text.length > 0) {
        size_t plain = 0;
        while (plain < text.length && (unsigned char)text.data[plain] < 0x80)
            plain++;
        buffer_append(out, text_first(text, plain));
        text = text_from_index(text, plain);
        if (text.length == 0)
            return;
        size_t length = utf8_length(text);
        buffer_append(out, length > 0 ? text_first(text, length) : TEXT("\xef\xbf\xbd"));
        text = text_from_index(text, length > 0 ? length : 1);
    }
}

void json_value(struct json_writer *writer, yyjson_val *value)
{
    size_t length = 0;
    char *bytes = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &length);
    if (bytes != NULL) {
        json_raw(writer, text_of(bytes, length));
        free(bytes);
        return;
    }
    bytes = yyjson_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &length);
    begin_value(writer);
    if (bytes == NULL)
        writer->out->failed = true;
    else
        append_valid(writer->out, text_of(bytes, length));
    free(bytes);
}

void json_member_text(struct json_writer *writer, const char *key, struct text value)
{
    json_key(writer, text_from(key));
    json_text(writer, value);
}

void json_member_unsigned(struct json_writer *writer, const char *key, uint64_t value)
{
    json_key(writer, text_from(key));
    json_unsigned(writer, value);
}

void json_member_signed(struct json_writer *writer, const char *key, int64_t value)
{
    json_key(writer, text_from(key));
    json_signed(writer, value);
}

void json_member_bool(struct json_writer *writer, const char *key, bool value)
{
    json_key(writer, text_from(key));
    json_bool(writer, value);
}

/* ---- parsing ---- */

#define ESCAPE_LENGTH 6u /* "\\ud83d" */

/* The UTF-16 unit of an escape at `at`; -1 where there is none. */
static int32_t unit_at(struct text text, size_t at)
{
    if (at + ESCAPE_LENGTH > text.length || text.data[at] != '\\' || text.data[at + 1] != 'u')
        return -1;
    int32_t unit = 0;
    for (size_t i = at + 2; i < at + ESCAPE_LENGTH; i++) {
        int digit = number_hex_digit(text.data[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high(int32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Every half of a pair that stands alone in three bytes; the rest as it is. Never longer. */
static void append_without_halves(struct buffer *out, struct text text)
{
    while (text.length > 0) {
        ptrdiff_t escape = text_find_char(text, '\\');
        size_t plain = escape < 0 ? text.length : (size_t)escape;
        buffer_append(out, text_first(text, plain));
        text = text_from_index(text, plain);
        int32_t unit = unit_at(text, 0);
        size_t taken = 2; /* the backslash and what it escapes */
        if (is_high(unit) && is_low(unit_at(text, ESCAPE_LENGTH))) {
            taken = 2 * ESCAPE_LENGTH;
        } else if (is_high(unit) || is_low(unit)) {
            buffer_append_char(out, (char)0xed);
            buffer_append_char(out, (char)(0x80 | (unit >> 6 & 0x3f)));
            buffer_append_char(out, (char)(0x80 | (unit & 0x3f)));
            text = text_from_index(text, ESCAPE_LENGTH);
            taken = 0;
        }
        buffer_append(out, text_first(text, taken));
        text = text_from_index(text, taken);
    }
}

static enum error parse_once(struct text text, yyjson_doc **document)
{
    yyjson_read_err error = {0};
    /* Without YYJSON_READ_INSITU the input is copied, not written. */
    *document = yyjson_read_opts((char *)(uintptr_t)text.data, text.length,
                                 YYJSON_READ_ALLOW_INVALID_UNICODE, NULL, &error);
    if (*document != NULL)
        return ERROR_OK;
    return error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ERROR_MEMORY : ERROR_SYNTAX;
}

enum error json_parse(struct text text, yyjson_doc **document)
{
    enum error error = parse_once(text, document);
    if (error != ERROR_SYNTAX || text_find(text, TEXT("\\u")) < 0)
        return error;
    struct buffer copy;
    buffer_open(&copy, text.length);
    append_without_halves(&copy, text);
    error = copy.failed ? ERROR_MEMORY : parse_once(buffer_text(&copy), document);
    buffer_close(&copy);
    return error;
}

/* ---- reading ---- */

yyjson_val *json_members(yyjson_val *value)
{
    /* With room for where the loop's key and value would stand. */
    static yyjson_val empty[3] = {{.tag = YYJSON_TYPE_OBJ}};
    return yyjson_is_obj(value) ? value : &empty[0];
}

/* The member, or NULL when it is absent or null. */
static yyjson_val *find(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_null(value) ? NULL : value;
}

enum json_presence json_get_text(yyjson_val *object, const char *key, struct text *out)
{
    yyjson_val *value = find(object, key);
    if (value == NULL)
        return JSON_ABSENT;
    if (!yyjson_is_str(value))
        return JSON_WRONG_TYPE;
    *out = text_of(yyjson_get_str(value), yyjson_get_len(value));
    return JSON_PRESENT;
}

enum json_presence json_get_unsigned(yyjson_val *object, const char *key, uint64_t *out)
{
    yyjson_val *value = find(object, key);
    if (value == NULL)
        return JSON_ABSENT;
    if (!yyjson_is_uint(value))
        return JSON_WRONG_TYPE;
    *out = yyjson_get_uint(value);
    return JSON_PRESENT;
}

enum json_presence json_get_bool(yyjson_val *object, const char *key, bool *out)
{
    yyjson_val *value = find(object, key);
    if (value == NULL)
        return JSON_ABSENT;
    if (!yyjson_is_bool(value))
        return JSON_WRONG_TYPE;
    *out = yyjson_get_bool(value);
    return JSON_PRESENT;
}

enum json_presence json_get_object(yyjson_val *object, const char *key, yyjson_val **out)
{
    yyjson_val *value = find(object, key);
    if (value == NULL)
        return JSON_ABSENT;
    if (!yyjson_is_obj(value))
        return JSON_WRONG_TYPE;
    *out = value;
    return JSON_PRESENT;
}

enum json_presence json_get_array(yyjson_val *object, const char *key, yyjson_val **out)
{
    yyjson_val *value = find(object, key);
    if (value == NULL)
        return JSON_ABSENT;
    if (!yyjson_is_arr(value))
        return JSON_WRONG_TYPE;
    *out = value;
    return JSON_PRESENT;
}
