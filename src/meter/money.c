#include "meter/money.h"

#include "base/attributes.h"
#include "base/ensure.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Why a text that is no plain decimal is none: the first byte that is wrong says it best. */
static enum money_problem problem_of(struct text text)
{
    if (text_empty(text))
        return MONEY_BLANK;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == ' ' || (c >= '\t' && c <= '\r'))
            return MONEY_BLANK;
        if (c == '-' || c == '+')
            return i == 0 ? MONEY_SIGN : MONEY_NOT_NUMBER;
        if ((c == 'e' || c == 'E') && i > 0)
            return MONEY_EXPONENT;
        if (!is_digit(c) && c != '.')
            return MONEY_NOT_NUMBER;
    }
    return MONEY_NOT_NUMBER; /* points: ".5", "5.", "1.2.3" */
}

static bool all_digits(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_digit(text.data[i]))
            return false;
    return text.length > 0;
}

enum money_problem money_parse(struct text text, money *out)
{
    struct text fraction = text;
    struct text whole = text_split(&fraction, '.');
    bool has_point = fraction.data != NULL;
    if (!all_digits(whole) || (has_point && !all_digits(fraction)))
        return problem_of(text);
    if (fraction.length > MONEY_DECIMALS)
        return MONEY_TOO_FINE;
    money amount = 0;
    for (size_t i = 0; i < whole.length; i++) {
        amount = amount * 10 + (whole.data[i] - '0');
        if (amount > MONEY_PARSE_MAX / MONEY_DOLLAR)
            return MONEY_TOO_LARGE;
    }
    for (size_t i = 0; i < MONEY_DECIMALS; i++)
        amount = amount * 10 + (has_point && i < fraction.length ? fraction.data[i] - '0' : 0);
    if (amount > MONEY_PARSE_MAX)
        return MONEY_TOO_LARGE;
    *out = amount;
    return MONEY_GOOD;
}

const char *money_problem_text(enum money_problem problem)
{
    static const char *const texts[] = {
        [MONEY_GOOD] = "",
        [MONEY_BLANK] = "is empty or has white space in it",
        [MONEY_SIGN] = "has a sign: amounts here are not negative",
        [MONEY_EXPONENT] = "has an exponent: write the digits out",
        [MONEY_NOT_NUMBER] = "is no decimal number such as 0.25",
        [MONEY_TOO_FINE] = "has more than 12 decimals",
        [MONEY_TOO_LARGE] = "is above 1000000000000 (10^12) US dollars",
    };
    ensure((size_t)problem < ARRAY_LENGTH(texts));
    return texts[problem];
}

money money_divide(money numerator, money denominator)
{
    ensure(denominator > 0);
    money quotient = numerator / denominator, rest = numerator % denominator;
    if (rest < 0) { /* towards minus infinity, so that the rest is what lies above */
        rest += denominator;
        quotient -= 1;
    }
    money above = denominator - rest;
    if (rest > above || (rest == above && (quotient & 1) != 0))
        quotient += 1;
    return quotient;
}

/* ---- writing ---- */

/* The digits of an amount, from the right. */
struct digits {
    char bytes[MONEY_TEXT_SIZE];
    size_t start; /* of what is written so far */
};

static void put(struct digits *digits, char c)
{
    ensure(digits->start > 0);
    digits->bytes[--digits->start] = c;
}

/* `decimals` digits behind the point (none: no point), thousands apart when grouped. */
static void put_amount(struct digits *digits, unsigned __int128 value, unsigned decimals,
                       bool grouped)
{
    for (unsigned i = 0; i < decimals; i++, value /= 10)
        put(digits, (char)('0' + (int)(value % 10)));
    if (decimals > 0)
        put(digits, '.');
    for (unsigned i = 0; i == 0 || value > 0; i++, value /= 10) {
        if (grouped && i > 0 && i % 3 == 0)
            put(digits, ',');
        put(digits, (char)('0' + (int)(value % 10)));
    }
}

static size_t finish(const struct digits *digits, size_t end, char out[MONEY_TEXT_SIZE])
{
    size_t length = end - digits->start;
    memcpy(out, digits->bytes + digits->start, length);
    out[length] = '\0';
    return length;
}

static unsigned __int128 magnitude(money amount)
{
    return amount < 0 ? -(unsigned __int128)amount : (unsigned __int128)amount;
}

#define DIGITS_END (MONEY_TEXT_SIZE - 1) /* room for the NUL */

size_t money_format_exact(money amount, char out[MONEY_TEXT_SIZE])
{
    struct digits digits = {.start = DIGITS_END};
    put_amount(&digits, magnitude(amount), MONEY_DECIMALS, false);
    if (amount < 0)
        put(&digits, '-');
    return finish(&digits, DIGITS_END, out);
}

size_t money_format_price(money amount, char out[MONEY_TEXT_SIZE])
{
    size_t length = money_format_exact(amount, out);
    size_t least = length - MONEY_DECIMALS + 2;
    while (length > least && out[length - 1] == '0')
        length--;
    out[length] = '\0';
    return length;
}

static unsigned __int128 power_of_ten(unsigned exponent)
{
    unsigned __int128 power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* Decimals for people: two, or under a dollar as many as show two digits that say something. */
static unsigned people_decimals(unsigned __int128 value)
{
    unsigned decimals = 2;
    while (decimals < MONEY_DECIMALS && value != 0 && value < power_of_ten(13 - decimals))
        decimals++;
    return decimals;
}

size_t money_format_people(money amount, char out[MONEY_TEXT_SIZE])
{
    struct digits digits = {.start = DIGITS_END};
    unsigned decimals = people_decimals(magnitude(amount));
    money rounded = money_divide(amount, (money)power_of_ten(MONEY_DECIMALS - decimals));
    put_amount(&digits, magnitude(rounded), decimals, true);
    put(&digits, '$');
    if (rounded < 0)
        put(&digits, '-');
    return finish(&digits, DIGITS_END, out);
}
