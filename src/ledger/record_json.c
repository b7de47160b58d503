/* Written for speed: a line is made for every call. Bounds are those of the fields, so that nothing
 * is checked on the way; `out` always has room for the longest line. */
#include "ledger/record_json.h"

#include "base/ensure.h"
#include "base/number.h"

#define PICODOLLARS_PER_DOLLAR 1000000000000ull
#define PICODOLLAR_DIGITS      12

static char *put(char *out, struct text t)
{
    memcpy(out, t.data, t.length);
    return out + t.length;
}

/* Length of the UTF-8 character at the start of `t`, 0 when there is none (RFC 3629 section 4). */
static size_t character_length(struct text t)
{
    const uint8_t *b = (const uint8_t *)t.data;
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, length;
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (b[0] < rows[i].first_low || b[0] > rows[i].first_high)
            continue;
        if (t.length < rows[i].length || b[1] < rows[i].second_low || b[1] > rows[i].second_high)
            return 0;
        for (size_t k = 2; k < rows[i].length; k++) {
            if ((b[k] & 0xc0) != 0x80)
                return 0;
        }
        return rows[i].length;
    }
    return 0;
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

typedef uint8_t block __attribute__((vector_size(16)));

/* is_plain for sixteen bytes at once. */
static bool are_plain(block bytes)
{
    typedef uint64_t halves __attribute__((vector_size(16)));
    halves special = (halves)((bytes - 0x20 >= 0x7f - 0x20) | (bytes == '"') | (bytes == '\\'));
    return (special[0] | special[1]) == 0;
}

/* Whether it is plain to its end. The last block may overlap the one before it; of a shorter text
 * the rest is filled with spaces. */
static bool is_plain_text(struct text t)
{
    block bytes;
    if (t.length < sizeof(bytes)) {
        bytes = (block){0} + ' ';
        memcpy(&bytes, t.data, t.length);
        return are_plain(bytes);
    }
    for (size_t at = 0; at + sizeof(bytes) < t.length; at += sizeof(bytes)) {
        memcpy(&bytes, t.data + at, sizeof(bytes));
        if (!are_plain(bytes))
            return false;
    }
    memcpy(&bytes, t.data + t.length - sizeof(bytes), sizeof(bytes));
    return are_plain(bytes);
}

static size_t plain_length(struct text t)
{
    size_t length = 0;
    if (is_plain_text(t)) /* most are */
        return t.length;
    while (length < t.length && is_plain((uint8_t)t.data[length]))
        length++;
    return length;
}

/* One character that is not plain; moves `t` behind it. Never more than 6 bytes per byte read. */
static char *put_escaped(char *out, struct text *t)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t c = (uint8_t)t->data[0];
    size_t length = c >= 0x80 ? character_length(*t) : 1;
    if (c == '"' || c == '\\') {
        *out++ = '\\';
        *out++ = (char)c;
    } else if (c < 0x20 || c == 0x7f) {
        out = put(out, TEXT("\\u00"));
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    } else if (length == 0) {
        out = put(out, TEXT("\xef\xbf\xbd"));
        length = 1;
    } else {
        out = put(out, text_first(*t, length));
    }
    *t = text_from_index(*t, length);
    return out;
}

static char *put_string(char *out, struct text t)
{
    *out++ = '"';
    while (t.length > 0) {
        size_t plain = plain_length(t);
        memcpy(out, t.data, plain);
        out += plain;
        t = text_from_index(t, plain);
        if (t.length > 0)
            out = put_escaped(out, &t);
    }
    *out++ = '"';
    return out;
}

/* A name of one of our tables. */
static char *put_name(char *out, struct text name)
{
    *out++ = '"';
    out = put(out, name);
    *out++ = '"';
    return out;
}

static char *put_unsigned(char *out, uint64_t number)
{
    if (number < 10) { /* most are */
        *out++ = (char)('0' + number);
        return out;
    }
    char digits[NUMBER_DIGITS_MAX];
    size_t length = number_format_unsigned(number, digits);
    memcpy(out, digits, length);
    return out + length;
}

/* Milliseconds with three decimals. */
static char *put_duration(char *out, uint64_t nanoseconds)
{
    uint64_t microseconds = nanoseconds / 1000;
    out = put_unsigned(out, microseconds / 1000);
    unsigned rest = (unsigned)(microseconds % 1000);
    *out++ = '.';
    *out++ = (char)('0' + rest / 100);
    *out++ = (char)('0' + rest / 10 % 10);
    *out++ = (char)('0' + rest % 10);
    return out;
}

/* Picodollars as an exact decimal of dollars, a text: a JSON number would go through a binary
 * float.
 */
static char *put_money(char *out, uint64_t picodollars)
{
    *out++ = '"';
    out = put_unsigned(out, picodollars / PICODOLLARS_PER_DOLLAR);
    *out++ = '.';
    uint64_t rest = picodollars % PICODOLLARS_PER_DOLLAR;
    for (int i = PICODOLLAR_DIGITS - 1; i >= 0; i--) {
        out[i] = (char)('0' + rest % 10);
        rest /= 10;
    }
    out += PICODOLLAR_DIGITS;
    *out++ = '"';
    return out;
}

#define FRACTION_OFFSET 20 /* of "2026-11-22T18:17:03." */

static char *put_time(struct record_json *json, char *out, uint64_t wall)
{
    uint64_t second = wall / NANOSECONDS_PER_SECOND;
    if (second != json->second || second == 0) {
        (void)clock_format_rfc3339(wall, json->date);
        json->second = second;
    }
    *out++ = '"';
    out = put(out, text_of(json->date, FRACTION_OFFSET));
    uint64_t microseconds = wall % NANOSECONDS_PER_SECOND / 1000;
    for (int i = 5; i >= 0; i--) {
        out[i] = (char)('0' + microseconds % 10);
        microseconds /= 10;
    }
    out += 6;
    *out++ = 'Z';
    *out++ = '"';
    return out;
}

static char *put_identifier(char *out, struct identifier id)
{
    out = put(out, TEXT("{\"id\":\""));
    identifier_format(id, out);
    out += IDENTIFIER_TEXT_LENGTH;
    *out++ = '"';
    return out;
}

/* Whether it is known, and how it is written: one pair a type. A FLAG and the source of the usage
 * are always known. */
#define KNOWN_TIME(value)         ((value) != 0)
#define KNOWN_DURATION(value)     ((value) >= 0)
#define KNOWN_INTEGER(value)      ((value) >= 0)
#define KNOWN_MONEY(value)        ((value) >= 0)
#define KNOWN_FLAG(value)         true
#define KNOWN_TEXT(value)         ((value).length > 0)
#define KNOWN_JSON(value)         ((value).length > 0)
#define KNOWN_OUTCOME(value)      ((value) != RECORD_OUTCOME_UNKNOWN)
#define KNOWN_USAGE_SOURCE(value) true

#define PUT_TIME(value)         out = put_time(json, out, value)
#define PUT_DURATION(value)     out = put_duration(out, (uint64_t)(value))
#define PUT_INTEGER(value)      out = put_unsigned(out, (uint64_t)(value))
#define PUT_MONEY(value)        out = put_money(out, (uint64_t)(value))
#define PUT_FLAG(value)         out = put(out, (value) ? TEXT("true") : TEXT("false"))
#define PUT_TEXT(value)         out = put_string(out, value)
#define PUT_JSON(value)         out = put(out, value)
#define PUT_OUTCOME(value)      out = put_name(out, record_outcome_name(value))
#define PUT_USAGE_SOURCE(value) out = put_name(out, record_usage_source_name(value))

#define KEY_TIME(name)         ",\"" #name "\":"
#define KEY_DURATION(name)     ",\"" #name "_ms\":"
#define KEY_INTEGER(name)      ",\"" #name "\":"
#define KEY_MONEY(name)        ",\"" #name "_usd\":"
#define KEY_FLAG(name)         ",\"" #name "\":"
#define KEY_TEXT(name)         ",\"" #name "\":"
#define KEY_JSON(name)         ",\"" #name "\":"
#define KEY_OUTCOME(name)      ",\"" #name "\":"
#define KEY_USAGE_SOURCE(name) ",\"" #name "\":"

#define FIELD(number, type, name, limit, description) \
    _Static_assert(sizeof(KEY_##type(name)) <= 40, #name);
#include "tables/ledger_fields.def"
#undef FIELD

size_t record_json_write(struct record_json *json, const struct record *record,
                         enum record_json_style style, char *begin)
{
    char *out = put_identifier(begin, record->id);
#define FIELD(number, type, name, limit, description)  \
    if (KNOWN_##type(record->name)) {                  \
        out = put(out, TEXT(KEY_##type(name)));        \
        PUT_##type(record->name);                      \
    } else if (style == RECORD_JSON_ALL) {             \
        out = put(out, TEXT(KEY_##type(name) "null")); \
    }
#include "tables/ledger_fields.def"
#undef FIELD
    out = put(out, TEXT("}\n"));
    return (size_t)(out - begin);
}
