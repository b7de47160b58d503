/* What a call asked for, as its record keeps it: numbers have fields of their own, what is out of
 * the ordinary stands in one text of words, which most calls leave empty. */
#include "base/ensure.h"
#include "base/number.h"
#include "gate/gate.h"
#include "route/choose.h"

static const struct {
    struct text word;
    size_t member;
} flags[] = {
    {TEXT_INIT("reference"), offsetof(struct gate_call, has_reference)},
    {TEXT_INIT("paid_later"), offsetof(struct gate_call, paid_later)},
    {TEXT_INIT("any_service"), offsetof(struct gate_call, any_service)},
    {TEXT_INIT("unsized"), offsetof(struct gate_call, unsized)},
};
static const struct text choices_word = TEXT_INIT("choices=");
static const struct text needs_word = TEXT_INIT("needs=");

/* Room for every word and the largest number; the field's limit in tables/ledger_fields.def. */
static size_t add(char out[GATE_ASKED_SIZE], size_t length, struct text word)
{
    ensure(length + 1 + word.length <= GATE_ASKED_SIZE);
    if (length > 0)
        out[length++] = ' ';
    memcpy(out + length, word.data, word.length);
    return length + word.length;
}

/* "needs=vision,tools"; "needs=": it was looked, and there are none. */
static size_t add_needs(char out[GATE_ASKED_SIZE], size_t length, unsigned needs)
{
    bool first = true;

    length = add(out, length, needs_word);
    for (unsigned i = 0; i < ROUTE_NEED_COUNT; i++) {
        struct text name = text_from(route_need_name((enum route_need)i));
        if (!(needs & route_bit(i)))
            continue;
        ensure(length + 1 + name.length <= GATE_ASKED_SIZE);
        if (!first)
            out[length++] = ',';
        memcpy(out + length, name.data, name.length);
        length += name.length;
        first = false;
    }
    return length;
}

size_t gate_write_asked(const struct gate_call *call, char out[GATE_ASKED_SIZE])
{
    size_t length = 0;

    if (call->bounds.choices != 1) {
        char digits[NUMBER_DIGITS_MAX];
        length = add(out, length, choices_word);
        size_t count = number_format_unsigned((uint64_t)call->bounds.choices, digits);
        memcpy(out + length, digits, count);
        length += count;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        if (*(const bool *)((const char *)call + flags[i].member))
            length = add(out, length, flags[i].word);
    }
    for (unsigned i = 0; i < GATE_TOOL_COUNT; i++) {
        if (call->tools & 1u << i)
            length = add(out, length, gate_tool_name((enum gate_tool)i));
    }
    return call->needs_known ? add_needs(out, length, call->needs) : length;
}

static void read_needs(struct text list, struct gate_call *call)
{
    call->needs_known = true;
    while (list.length > 0) {
        struct text name = text_split(&list, ',');
        for (unsigned i = 0; i < ROUTE_NEED_COUNT; i++) {
            if (text_equal(name, text_from(route_need_name((enum route_need)i))))
                call->needs |= route_bit(i);
        }
    }
}

/* A word that a newer Turnpike wrote is passed over. */
static void read_word(struct text word, struct gate_call *call)
{
    uint64_t choices;

    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        if (text_equal(word, flags[i].word))
            *(bool *)((char *)call + flags[i].member) = true;
    }
    for (unsigned i = 0; i < GATE_TOOL_COUNT; i++) {
        if (text_equal(word, gate_tool_name((enum gate_tool)i)))
            call->tools |= 1u << i;
    }
    if (text_starts_with(word, needs_word))
        read_needs(text_from_index(word, needs_word.length), call);
    if (text_starts_with(word, choices_word) &&
        number_parse_unsigned(text_from_index(word, choices_word.length), &choices) &&
        choices > 0 && choices <= INT64_MAX)
        call->bounds.choices = (int64_t)choices;
}

void gate_read_asked(struct text asked, struct gate_call *call)
{
    call->bounds.choices = 1;
    while (asked.length > 0)
        read_word(text_split(&asked, ' '), call);
}
