/* Arguments of a call that come in pieces, as values at JSON paths ("$.items[0].name", RFC 9535),
 * in the order in which they stand: each is written behind the one before, with what closes and
 * opens between the two. */
#include "provider/gemini.h"

/* ---- paths ---- */

static bool is_index(struct text step)
{
    return text_starts_with(step, TEXT("["));
}

/* `key` as a JSON string, in the arena. */
static struct text quote(struct arena *arena, struct text key)
{
    struct buffer out;
    buffer_open(&out, 6 * key.length + 2);
    struct text made =
        json_append_text(&out, key) ? arena_copy(arena, buffer_text(&out)) : text_of(NULL, 0);
    buffer_close(&out);
    return made;
}

/* ["a key"] or ['a key'], whose quote is at the front of `rest`. */
static enum error take_quoted(struct text *rest, struct text *key)
{
    char mark = rest->data[0];
    *rest = text_from_index(*rest, 1);
    ptrdiff_t end = text_find_char(*rest, mark);
    if (end < 0)
        return ERROR_SYNTAX;
    *key = text_first(*rest, (size_t)end);
    *rest = text_from_index(*rest, (size_t)end + 1);
    if (!text_starts_with(*rest, TEXT("]")))
        return ERROR_SYNTAX;
    *rest = text_from_index(*rest, 1);
    return ERROR_OK;
}

static enum error take_bracket(struct arena *arena, struct text *rest, struct text *step)
{
    struct text key;
    *rest = text_from_index(*rest, 1);
    if (text_starts_with(*rest, TEXT("'")) || text_starts_with(*rest, TEXT("\""))) {
        enum error error = take_quoted(rest, &key);
        if (error != ERROR_OK)
            return error;
        *step = quote(arena, key);
        return step->data == NULL ? ERROR_MEMORY : ERROR_OK;
    }
    ptrdiff_t end = text_find_char(*rest, ']');
    if (end <= 0)
        return ERROR_SYNTAX;
    for (ptrdiff_t i = 0; i < end; i++)
        if (rest->data[i] < '0' || rest->data[i] > '9')
            return ERROR_SYNTAX;
    *step = arena_format(arena, "[%.*s]", (int)end, rest->data);
    *rest = text_from_index(*rest, (size_t)end + 1);
    return step->data == NULL ? ERROR_MEMORY : ERROR_OK;
}

static enum error take_name(struct arena *arena, struct text *rest, struct text *step)
{
    size_t end = 1;
    while (end < rest->length && rest->data[end] != '.' && rest->data[end] != '[')
        end++;
    if (end == 1)
        return ERROR_SYNTAX;
    *step = quote(arena, text_from_index(text_first(*rest, end), 1));
    *rest = text_from_index(*rest, end);
    return step->data == NULL ? ERROR_MEMORY : ERROR_OK;
}

static enum error read_path(struct arena *arena, struct text path,
                            struct text steps[GEMINI_ARGUMENTS_DEPTH_MAX], size_t *depth)
{
    enum error error = ERROR_OK;
    struct text rest = text_from_index(path, 1);
    *depth = 0;
    if (!text_starts_with(path, TEXT("$")) || text_empty(rest))
        return ERROR_SYNTAX;
    while (!text_empty(rest) && error == ERROR_OK) {
        if (*depth == GEMINI_ARGUMENTS_DEPTH_MAX)
            return ERROR_SYNTAX;
        struct text *step = &steps[(*depth)++];
        if (rest.data[0] == '.')
            error = take_name(arena, &rest, step);
        else if (rest.data[0] == '[')
            error = take_bracket(arena, &rest, step);
        else
            error = ERROR_SYNTAX;
    }
    /* Arguments are an object. */
    return error == ERROR_OK && is_index(steps[0]) ? ERROR_SYNTAX : error;
}

/* ---- text ---- */

static void close_to(struct gemini_arguments *arguments, size_t depth, struct buffer *out)
{
    if (arguments->open)
        buffer_append_char(out, '"');
    arguments->open = false;
    for (; arguments->depth > depth; arguments->depth--)
        if (arguments->depth > depth + 1)
            buffer_append_char(out, is_index(arguments->path[arguments->depth - 1]) ? ']' : '}');
}

/* What stands before a value: closed is what the path has left, opened what it enters.
 * ERROR_SYNTAX: one of the two lies within the other. */
static enum error move_to(struct gemini_arguments *arguments, const struct text *steps,
                          size_t depth, struct buffer *out)
{
    size_t common = 0;
    while (common < arguments->depth && common < depth &&
           text_equal(arguments->path[common], steps[common]))
        common++;
    if (common == depth || (arguments->started && common == arguments->depth))
        return ERROR_SYNTAX;
    if (arguments->started) {
        close_to(arguments, common, out);
        buffer_append_char(out, ',');
    } else {
        buffer_append_char(out, '{');
    }
    for (size_t i = common; i < depth; i++) {
        if (i > common)
            buffer_append_char(out, is_index(steps[i]) ? '[' : '{');
        if (!is_index(steps[i])) {
            buffer_append(out, steps[i]);
            buffer_append_char(out, ':');
        }
        arguments->path[i] = steps[i];
    }
    arguments->depth = depth;
    arguments->started = true;
    return ERROR_OK;
}

static bool is_same(const struct gemini_arguments *arguments, const struct text *steps,
                    size_t depth)
{
    if (arguments->depth != depth)
        return false;
    for (size_t i = 0; i < depth; i++)
        if (!text_equal(arguments->path[i], steps[i]))
            return false;
    return true;
}

/* A string without its quotes; what does not fit is the end of the call. */
static void append_escaped(struct buffer *out, struct arena *arena, struct text text)
{
    struct text quoted = quote(arena, text);
    if (quoted.data == NULL)
        out->failed = true;
    else
        buffer_append(out, text_of(quoted.data + 1, quoted.length - 2));
}

static void append_value(struct buffer *out, struct arena *arena, yyjson_val *entry)
{
    yyjson_val *number = yyjson_obj_get(entry, "numberValue");
    yyjson_val *flag = yyjson_obj_get(entry, "boolValue");
    double real = yyjson_get_num(number);
    if (yyjson_is_real(number) && real > -0x1p53 && real < 0x1p53 && real == (double)(int64_t)real)
        buffer_append_signed(out, (int64_t)real); /* 3.0 is 3 where a whole number is asked for */
    else if (yyjson_is_num(number))
        buffer_append(out, native_value_text(arena, number));
    else if (yyjson_is_bool(flag))
        buffer_append(out, yyjson_get_bool(flag) ? TEXT("true") : TEXT("false"));
    else
        buffer_append(out, TEXT("null"));
}

enum error gemini_arguments_add(struct gemini_arguments *arguments, struct arena *arena,
                                yyjson_val *entry, struct buffer *out)
{
    struct text steps[GEMINI_ARGUMENTS_DEPTH_MAX], path = TEXT(""), string = TEXT("");
    size_t depth;
    bool goes_on = false;
    (void)json_get_text(entry, "jsonPath", &path);
    (void)json_get_bool(entry, "willContinue", &goes_on);
    if (text_empty(path))
        return ERROR_OK; /* says nothing */
    bool is_string = json_get_text(entry, "stringValue", &string) == JSON_PRESENT;
    enum error error = read_path(arena, path, steps, &depth);
    if (error != ERROR_OK)
        return error;
    bool same = is_same(arguments, steps, depth);
    if (same && !arguments->open)
        return ERROR_SYNTAX; /* the value is complete */
    if (!same)
        error = move_to(arguments, steps, depth, out);
    if (error != ERROR_OK)
        return error;
    if (is_string && !same)
        buffer_append_char(out, '"');
    if (is_string)
        append_escaped(out, arena, string);
    else if (!same)
        append_value(out, arena, entry);
    arguments->open = goes_on && (is_string || same);
    if ((is_string || same) && !arguments->open)
        buffer_append_char(out, '"');
    return out->failed ? ERROR_MEMORY : ERROR_OK;
}

void gemini_arguments_end(struct gemini_arguments *arguments, struct buffer *out)
{
    if (!arguments->started)
        return;
    close_to(arguments, 0, out);
    buffer_append_char(out, '}');
    *arguments = (struct gemini_arguments){0};
}
