#include "preview/expression.h"

#include <stdio.h>

#include "base/number.h"

static money newly_refused(const struct tally *tally)
{
    return (money)tally->newly_refused;
}

static money newly_allowed(const struct tally *tally)
{
    return (money)tally->newly_allowed;
}

static money refused_now(const struct tally *tally)
{
    return (money)tally->refused_now;
}

static money refused_then(const struct tally *tally)
{
    return (money)tally->refused_then;
}

static money unknown(const struct tally *tally)
{
    return (money)tally->unknown;
}

static money cost_change(const struct tally *tally)
{
    return tally->cost_now - tally->cost_then;
}

static const struct {
    struct text name;
    bool is_money;
    money (*read)(const struct tally *tally);
} figures[] = {
    {TEXT_INIT("newly_refused"), false, newly_refused},
    {TEXT_INIT("newly_allowed"), false, newly_allowed},
    {TEXT_INIT("refused_now"), false, refused_now},
    {TEXT_INIT("refused_then"), false, refused_then},
    {TEXT_INIT("unknown"), false, unknown},
    {TEXT_INIT("cost_change_usd"), true, cost_change},
};

/* The longer of two that begin alike comes first. */
static const struct {
    struct text word;
    enum expression_operator operator;
} operators[] = {
    {TEXT_INIT(">="), EXPRESSION_AT_LEAST}, {TEXT_INIT("<="), EXPRESSION_AT_MOST},
    {TEXT_INIT("=="), EXPRESSION_EQUAL},    {TEXT_INIT("!="), EXPRESSION_DIFFERENT},
    {TEXT_INIT(">"), EXPRESSION_MORE},      {TEXT_INIT("<"), EXPRESSION_LESS},
    {TEXT_INIT("="), EXPRESSION_EQUAL},
};

static bool complain(char problem[EXPRESSION_PROBLEM_SIZE], const char *what, struct text about)
{
    (void)snprintf(problem, EXPRESSION_PROBLEM_SIZE,
                   "\"%.*s\" %s: write newly_refused, newly_allowed, refused_now, refused_then, "
                   "unknown or cost_change_usd, then > >= < <= == or !=, then a number",
                   TEXT_ARG(text_first(about, 40)), what);
    return false;
}

static bool find_figure(struct text name, size_t *figure)
{
    for (size_t i = 0; i < ARRAY_LENGTH(figures); i++) {
        if (text_equal(name, figures[i].name)) {
            *figure = i;
            return true;
        }
    }
    return false;
}

static bool read_value(struct text text, bool is_money, money *value)
{
    bool negative = text_starts_with(text, TEXT("-"));
    uint64_t number;

    if (negative)
        text = text_from_index(text, 1);
    if (is_money) {
        if (money_parse(text, value) != MONEY_GOOD)
            return false;
    } else {
        if (!number_parse_unsigned(text, &number))
            return false;
        *value = (money)number;
    }
    *value = negative ? -*value : *value;
    return true;
}

/* Where the first operator stands in the term, and which; the length of its word. */
static size_t find_operator(struct text term, size_t *at, enum expression_operator *operator)
{
    for (*at = 0; *at < term.length; ++*at) {
        for (size_t i = 0; i < ARRAY_LENGTH(operators); i++) {
            if (text_starts_with(text_from_index(term, *at), operators[i].word)) {
                *operator= operators[i].operator;
                return operators[i].word.length;
            }
        }
    }
    return 0;
}

static bool read_term(struct text text, struct expression *expression,
                      char problem[EXPRESSION_PROBLEM_SIZE])
{
    struct expression_term term;
    size_t at;

    text = text_trim(text);
    if (expression->count == EXPRESSION_TERMS_MAX)
        return complain(problem, "is one condition too many", text);
    size_t length = find_operator(text, &at, &term.operator);
    if (length == 0)
        return complain(problem, "compares nothing", text);
    struct text name = text_trim(text_first(text, at));
    struct text value = text_trim(text_from_index(text, at + length));
    if (!find_figure(name, &term.figure))
        return complain(problem, "is no figure of a preview", name);
    if (!read_value(value, figures[term.figure].is_money, &term.value))
        return complain(problem, "is no number", value);
    expression->terms[expression->count++] = term;
    return true;
}

bool expression_read(struct text text, struct expression *expression,
                     char problem[EXPRESSION_PROBLEM_SIZE])
{
    for (;;) {
        ptrdiff_t at = text_find(text, TEXT(" or "));
        struct text term = at < 0 ? text : text_first(text, (size_t)at);
        if (!read_term(term, expression, problem))
            return false;
        if (at < 0)
            return true;
        text = text_from_index(text, (size_t)at + 4);
    }
}

bool expression_holds(const struct expression *expression, const struct tally *tally)
{
    for (size_t i = 0; i < expression->count; i++) {
        const struct expression_term *term = &expression->terms[i];
        money figure = figures[term->figure].read(tally);
        const bool holds[EXPRESSION_OPERATORS] = {
            [EXPRESSION_MORE] = figure > term->value,
            [EXPRESSION_AT_LEAST] = figure >= term->value,
            [EXPRESSION_LESS] = figure < term->value,
            [EXPRESSION_AT_MOST] = figure <= term->value,
            [EXPRESSION_EQUAL] = figure == term->value,
            [EXPRESSION_DIFFERENT] = figure != term->value,
        };
        if (holds[term->operator])
            return true;
    }
    return false;
}
