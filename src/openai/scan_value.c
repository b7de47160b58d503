/* The meaning of raw values that a scan found: strings and numbers. */
#include "base/number.h"
#include "openai/scan.h"

/* The length of the valid UTF-8 sequence at the start of `t`, 0 when there is none (RFC 3629). */
static size_t utf8_sequence(struct text t)
{
    const unsigned char *s = (const unsigned char *)t.data;
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    size_t length;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    if (s[0] < 0xe0) {
        length = 2;
    } else if (s[0] < 0xf0) {
        length = 3;
        low = s[0] == 0xe0 ? 0xa0 : 0x80;
        high = s[0] == 0xed ? 0x9f : 0xbf;
    } else {
        length = 4;
        low = s[0] == 0xf0 ? 0x90 : 0x80;
        high = s[0] == 0xf4 ? 0x8f : 0xbf;
    }
    if (t.length < length || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* How many bytes at the start are ASCII, in whole steps of eight: mostly all. */
static size_t ascii_prefix(struct text t)
{
    size_t length = 0;
    for (uint64_t word; t.length - length >= sizeof word; length += sizeof word) {
        memcpy(&word, t.data + length, sizeof word);
        if ((word & 0x8080808080808080ull) != 0)
            break;
    }
    return length;
}

bool scan_is_utf8(struct text t)
{
    t = text_from_index(t, ascii_prefix(t));
    while (t.length > 0) {
        size_t length = utf8_sequence(t);
        if (length == 0)
            return false;
        t = text_from_index(t, length);
    }
    return true;
}

/* The four digits behind \u at `t`; -1 when they are none. */
static int32_t unit_read(struct text t)
{
    uint64_t unit;
    if (t.length < 4 || !number_parse_hex(text_first(t, 4), &unit))
        return -1;
    return (int32_t)unit;
}

static size_t utf8_write(char *out, uint32_t point)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* Decodes "uXXXX", or a pair of them, at the start of `in`; moves `in` behind it. Returns the bytes
 * written, at most 4; 0 for a lone surrogate. */
static size_t decode_unicode(struct text *in, char *out)
{
    int32_t unit = unit_read(text_from_index(*in, 1));
    *in = text_from_index(*in, 5);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    if (unit < 0xd800 || unit > 0xdbff)
        return utf8_write(out, (uint32_t)unit);
    if (!text_starts_with(*in, TEXT("\\u")))
        return 0;
    int32_t low = unit_read(text_from_index(*in, 2));
    *in = text_from_index(*in, 6);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    return utf8_write(out, 0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
}

static char decode_simple(char c)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at = strchr(from, c);
    return c != '\0' && at != NULL ? to[at - from] : c;
}

enum error scan_decode_string(struct arena *arena, struct text raw, struct text *out)
{
    if (raw.length < 2 || raw.data[0] != '"' || raw.data[raw.length - 1] != '"' ||
        !scan_is_utf8(raw))
        return ERROR_SYNTAX;
    struct text in = {raw.data + 1, raw.length - 2};
    if (text_find_char(in, '\\') < 0) {
        *out = in;
        return ERROR_OK;
    }
    char *bytes = arena_take(arena, in.length + 1); /* no escape is shorter than what it means */
    if (bytes == NULL)
        return ERROR_MEMORY;
    size_t length = 0;
    while (in.length > 0) {
        char c = in.data[0];
        in = text_from_index(in, 1);
        if (c != '\\') {
            bytes[length++] = c;
            continue;
        }
        if (in.length == 0)
            return ERROR_SYNTAX;
        if (in.data[0] == 'u') {
            size_t size = decode_unicode(&in, bytes + length);
            if (size == 0)
                return ERROR_SYNTAX;
            length += size;
            continue;
        }
        bytes[length++] = decode_simple(in.data[0]);
        in = text_from_index(in, 1);
    }
    bytes[length] = '\0';
    *out = text_of(bytes, length);
    return ERROR_OK;
}

/* Above it a double, and so most readers, cannot tell neighbours apart. */
#define WHOLE_MAX (1ll << 53)
/* More digits than any whole number up to WHOLE_MAX can have beside zeros that change nothing. */
#define DIGITS_MAX 40u

/* Reads "e-12" into `exponent`; nothing is fine. */
static bool exponent_read(struct text t, int64_t *exponent)
{
    *exponent = 0;
    if (t.length == 0)
        return true;
    t = text_from_index(t, 1);
    if (text_starts_with(t, TEXT("+")))
        t = text_from_index(t, 1);
    return number_parse_signed(t, exponent) && *exponent >= -(int64_t)DIGITS_MAX &&
           *exponent <= (int64_t)DIGITS_MAX;
}

bool scan_whole_number(struct text raw, int64_t *out)
{
    uint64_t plain;
    if (number_parse_unsigned(raw, &plain)) {
        *out = (int64_t)plain;
        return plain <= (uint64_t)WHOLE_MAX;
    }
    char digits[DIGITS_MAX];
    size_t count = 0, i = 0;
    int64_t exponent, fraction = 0;
    bool in_fraction = false;
    for (; i < raw.length && (raw.data[i] | 0x20) != 'e'; i++) {
        if (raw.data[i] == '.') {
            in_fraction = true;
            continue;
        }
        if (raw.data[i] < '0' || raw.data[i] > '9' || count == DIGITS_MAX)
            return false;
        digits[count++] = raw.data[i];
        fraction += in_fraction;
    }
    if (count == 0 || !exponent_read(text_from_index(raw, i), &exponent))
        return false;
    exponent -= fraction;
    for (; exponent < 0; exponent++)
        if (count > 1 && digits[count - 1] == '0')
            count--;
        else if (!(count == 1 && digits[0] == '0'))
            return false;
    int64_t value = 0;
    for (i = 0; i < count + (size_t)exponent; i++) {
        value = value * 10 + (i < count ? digits[i] - '0' : 0);
        if (value > WHOLE_MAX)
            return false;
    }
    *out = value;
    return true;
}
