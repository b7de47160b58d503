#include "base/number.h"

#include "base/attributes.h"

bool number_parse_unsigned(struct text t, uint64_t *out)
{
    if (t.length == 0)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < t.length; i++) {
        if (t.data[i] < '0' || t.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(t.data[i] - '0'), &number))
            return false;
    }
    *out = number;
    return true;
}

bool number_parse_signed(struct text t, int64_t *out)
{
    bool negative = t.length > 0 && t.data[0] == '-';
    uint64_t size;
    if (!number_parse_unsigned(text_from_index(t, negative ? 1 : 0), &size))
        return false;
    /* The negative side reaches one further than the positive. */
    if (size > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    if (!negative)
        *out = (int64_t)size;
    else
        *out = size == 0 ? 0 : -(int64_t)(size - 1) - 1;
    return true;
}

int number_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool number_parse_hex(struct text t, uint64_t *out)
{
    if (t.length == 0)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < t.length; i++) {
        int digit = number_hex_digit(t.data[i]);
        if (digit < 0 || number >> 60 != 0)
            return false;
        number = number << 4 | (uint64_t)digit;
    }
    *out = number;
    return true;
}

struct unit {
    struct text name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {TEXT_INIT("ms"), 1},
    {TEXT_INIT("s"), 1000},
    {TEXT_INIT("m"), 60 * 1000},
    {TEXT_INIT("h"), 60 * 60 * 1000},
    {TEXT_INIT("d"), 24 * 60 * 60 * 1000},
};

static const struct unit size_units[] = {
    {TEXT_INIT(""), 1},
    {TEXT_INIT("KiB"), 1ull << 10},
    {TEXT_INIT("MiB"), 1ull << 20},
    {TEXT_INIT("GiB"), 1ull << 30},
    {TEXT_INIT("kB"), 1000},
    {TEXT_INIT("MB"), 1000 * 1000},
    {TEXT_INIT("GB"), 1000 * 1000 * 1000},
};

static bool parse_with_unit(struct text t, const struct unit *units, size_t count, uint64_t *out)
{
    size_t digits = 0;
    while (digits < t.length && t.data[digits] >= '0' && t.data[digits] <= '9')
        digits++;
    uint64_t number;
    if (!number_parse_unsigned(text_first(t, digits), &number))
        return false;
    struct text name = text_from_index(t, digits);
    for (size_t i = 0; i < count; i++)
        if (text_equal(name, units[i].name)) {
            if (__builtin_mul_overflow(number, units[i].factor, &number))
                return false;
            *out = number;
            return true;
        }
    return false;
}

bool number_parse_duration(struct text t, uint64_t *milliseconds)
{
    uint64_t number;
    if (number_parse_unsigned(t, &number)) {
        if (number != 0)
            return false;
        *milliseconds = 0;
        return true;
    }
    return parse_with_unit(t, duration_units, ARRAY_LENGTH(duration_units), milliseconds);
}

bool number_parse_size(struct text t, uint64_t *bytes)
{
    return parse_with_unit(t, size_units, ARRAY_LENGTH(size_units), bytes);
}

size_t number_format_unsigned(uint64_t number, char out[NUMBER_DIGITS_MAX])
{
    char reversed[NUMBER_DIGITS_MAX];
    size_t length = 0;
    do {
        reversed[length++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < length; i++)
        out[i] = reversed[length - 1 - i];
    return length;
}

#define PERCENT_DECIMALS 4

bool number_parse_percent(struct text t, uint64_t *millionths)
{
    if (!text_ends_with(t, TEXT("%")))
        return false;
    t.length--;
    ptrdiff_t dot = text_find_char(t, '.');
    struct text whole = dot < 0 ? t : text_first(t, (size_t)dot);
    struct text decimals = dot < 0 ? TEXT("0") : text_from_index(t, (size_t)dot + 1);
    uint64_t number, fraction;
    if (decimals.length > PERCENT_DECIMALS || !number_parse_unsigned(whole, &number) ||
        !number_parse_unsigned(decimals, &fraction))
        return false;
    for (size_t i = decimals.length; i < PERCENT_DECIMALS; i++)
        fraction *= 10;
    return !__builtin_mul_overflow(number, 10000u, &number) &&
           !__builtin_add_overflow(number, fraction, millionths);
}
