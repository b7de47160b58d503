#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>

#define PATH_MAXIMUM    4096u /* deeper or longer paths are cut in messages */
#define MESSAGE_MAXIMUM 1024u
#define EXCERPT_MAXIMUM 200u /* a terminal's line or two */
#define QUOTE_MAXIMUM   80u
/* Real keys are longer, and model names or words of sentences that look alike are shorter. */
#define SECRET_LENGTH_MINIMUM 20u

void report_open(struct report *report, struct config_problems *problems, struct text yaml)
{
    *report = (struct report){.problems = problems, .yaml = yaml};
    buffer_open(&report->path, PATH_MAXIMUM);
}

void report_close(struct report *report)
{
    buffer_close(&report->path);
}

/* Names that hold a dot or a space are set in brackets so that the path stays readable. */
static bool needs_brackets(struct text name)
{
    for (size_t i = 0; i < name.length; i++)
        if (name.data[i] == '.' || (unsigned char)name.data[i] <= ' ')
            return true;
    return name.length == 0;
}

size_t report_enter(struct report *report, struct text name)
{
    size_t mark = report->path.length;
    if (needs_brackets(name))
        buffer_append_format(&report->path, "[%s]", report_quote(name));
    else if (report_may_be_secret(name))
        buffer_append_format(&report->path, "%s…", mark > 0 ? "." : "");
    else
        buffer_append_format(&report->path, "%s%.*s", mark > 0 ? "." : "", TEXT_ARG(name));
    return mark;
}

size_t report_enter_item(struct report *report, size_t index)
{
    size_t mark = report->path.length;
    buffer_append_format(&report->path, "[%zu]", index);
    return mark;
}

void report_leave(struct report *report, size_t mark)
{
    report->path.length = mark;
    report->path.failed = false;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '+' || c == '=';
}

static bool looks_random(struct text word)
{
    bool digit = false;
    bool letter = false;
    for (size_t i = 0; i < word.length; i++) {
        digit |= word.data[i] >= '0' && word.data[i] <= '9';
        letter |= word.data[i] >= 'A';
    }
    return word.length >= SECRET_LENGTH_MINIMUM && digit && letter;
}

static bool has_key_prefix(struct text word)
{
    static const struct text prefixes[] = {
        TEXT_INIT("sk-"),  TEXT_INIT("sk_"),  TEXT_INIT("tpk_"), TEXT_INIT("AIza"),
        TEXT_INIT("gsk_"), TEXT_INIT("xai-"), TEXT_INIT("hf_"),  TEXT_INIT("AKIA"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++)
        if (text_starts_with(word, prefixes[i]))
            return true;
    return false;
}

bool report_may_be_secret(struct text value)
{
    size_t start = 0;
    for (size_t i = 0; i <= value.length; i++) {
        if (i < value.length && is_word(value.data[i]))
            continue;
        if (i > start) {
            struct text word = text_of(value.data + start, i - start);
            if (looks_random(word) || has_key_prefix(word))
                return true;
        }
        start = i + 1;
    }
    return false;
}

/* Whether "word: value" begins here with a value that is not a reference. */
static bool holds_literal(struct text line, struct text word)
{
    ptrdiff_t colon = text_find_char(line, ':');
    if (line.length < word.length || colon < 0 ||
        !text_equal_ignoring_case(text_first(line, word.length), word))
        return false;
    size_t i = (size_t)colon + 1;
    while (i < line.length && strchr(" \t\"'", line.data[i]))
        i++;
    struct text value = text_from_index(line, i);
    return !text_empty(value) && !text_starts_with(value, TEXT("env:")) &&
           !text_starts_with(value, TEXT("file:"));
}

/* A whole line is shown only when no part of it can be what somebody pasted, however short. */
static bool line_may_hold_secret(struct text line)
{
    static const struct text words[] = {
        TEXT_INIT("key"),   TEXT_INIT("pass"), TEXT_INIT("secret"),
        TEXT_INIT("token"), TEXT_INIT("auth"), TEXT_INIT("credential"),
    };
    for (size_t i = 0; i < line.length; i++)
        for (size_t j = 0; j < ARRAY_LENGTH(words); j++)
            if (holds_literal(text_from_index(line, i), words[j]))
                return true;
    return text_find_char(line, '@') >= 0 || report_may_be_secret(line);
}

static char printable(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte < ' ' || byte == 0x7f ? '?' : c;
}

const char *report_quote(struct text value)
{
    static _Thread_local char rings[4][QUOTE_MAXIMUM + 8];
    static _Thread_local unsigned turn;
    char *out = rings[turn++ % 4];
    if (report_may_be_secret(value)) {
        snprintf(out, sizeof(rings[0]), "a value");
        return out;
    }
    size_t length = 0;
    out[length++] = '"';
    for (size_t i = 0; i < value.length && length < QUOTE_MAXIMUM; i++)
        out[length++] = printable(value.data[i]);
    if (value.length > QUOTE_MAXIMUM - 1) {
        /* Cutting must not leave half a character of UTF-8. */
        while (length > 1 && ((unsigned char)out[length - 1] & 0x80))
            length--;
        memcpy(out + length, "…", 3);
        length += 3;
    }
    out[length++] = '"';
    out[length] = 0;
    return out;
}

static struct text line_of(struct text yaml, unsigned number)
{
    struct text rest = yaml;
    struct text line = {0};
    for (unsigned i = 0; i < number && rest.data; i++)
        line = text_split(&rest, '\n');
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    return line;
}

static void add(struct report *report, enum config_severity severity, struct report_place place,
                const char *message)
{
    struct config_problem problem = {
        .severity = severity,
        .line = place.line,
        .column = place.column,
        .path = buffer_text(&report->path),
        .message = text_from(message),
    };
    /* Finding the line takes time, which a file with a million errors must not multiply. */
    bool shown = report->problems->error_count < CONFIG_PROBLEMS_MAXIMUM &&
                 report->problems->warning_count < CONFIG_PROBLEMS_MAXIMUM;
    struct text line = shown ? line_of(report->yaml, place.line) : (struct text){0};
    if (line.length <= EXCERPT_MAXIMUM && !line_may_hold_secret(line))
        problem.excerpt = line;
    config_problem_add(report->problems, &problem);
}

void report_error(struct report *report, struct report_place place, const char *format, ...)
{
    char message[MESSAGE_MAXIMUM];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    add(report, CONFIG_ERROR, place, message);
}

void report_warning(struct report *report, struct report_place place, const char *format, ...)
{
    char message[MESSAGE_MAXIMUM];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    add(report, CONFIG_WARNING, place, message);
}
