#include "identity/claims.h"

yyjson_val *claims_find(yyjson_val *claims, struct text path)
{
    if (path.length > 0 && path.data[0] == '/')
        return yyjson_ptr_getn(claims, path.data, path.length);
    return yyjson_obj_getn(claims, path.data, path.length);
}

struct text claims_text(yyjson_val *claims, struct text path)
{
    yyjson_val *value = claims_find(claims, path);

    return yyjson_is_str(value) ? text_of(yyjson_get_str(value), yyjson_get_len(value))
                                : text_of(NULL, 0);
}

/* Room for a whole number. */
#define NUMBER_SIZE 24u

/* The value as text, which may lie in `memory`; data NULL when it is none. */
static struct text scalar_text(yyjson_val *value, char memory[NUMBER_SIZE])
{
    int length = 0;

    if (yyjson_is_str(value))
        return text_of(yyjson_get_str(value), yyjson_get_len(value));
    if (yyjson_is_bool(value))
        return yyjson_get_bool(value) ? TEXT("true") : TEXT("false");
    if (yyjson_is_uint(value))
        length = snprintf(memory, NUMBER_SIZE, "%llu", (unsigned long long)yyjson_get_uint(value));
    else if (yyjson_is_sint(value))
        length = snprintf(memory, NUMBER_SIZE, "%lld", (long long)yyjson_get_sint(value));
    return length > 0 ? text_of(memory, (size_t)length) : text_of(NULL, 0);
}

static bool value_matches(yyjson_val *value, struct text pattern)
{
    char memory[NUMBER_SIZE];
    struct text text = scalar_text(value, memory);

    return text.data && text.length <= CLAIMS_VALUE_MAX && text_matches_pattern(text, pattern);
}

bool claims_match(yyjson_val *claims, struct text path, struct text pattern)
{
    yyjson_val *value = claims_find(claims, path), *item;
    size_t index, count;

    if (!yyjson_is_arr(value))
        return value_matches(value, pattern);
    yyjson_arr_foreach(value, index, count, item)
    {
        if (value_matches(item, pattern))
            return true;
    }
    return false;
}

static bool value_is(yyjson_val *value, struct text wanted)
{
    return yyjson_is_str(value) &&
           text_equal(text_of(yyjson_get_str(value), yyjson_get_len(value)), wanted);
}

bool claims_contain(yyjson_val *claims, struct text path, struct text wanted)
{
    yyjson_val *value = claims_find(claims, path), *item;
    size_t index, count;

    if (!yyjson_is_arr(value))
        return value_is(value, wanted);
    yyjson_arr_foreach(value, index, count, item)
    {
        if (value_is(item, wanted))
            return true;
    }
    return false;
}

static bool has_twice(yyjson_val *object)
{
    size_t index, count, other_index, other_count;
    yyjson_val *name, *value, *other, *other_value;

    yyjson_obj_foreach(object, index, count, name, value)
    {
        (void)value;
        yyjson_obj_foreach(object, other_index, other_count, other, other_value)
        {
            (void)other_value;
            if (other_index >= index)
                break;
            if (yyjson_equals_strn(other, yyjson_get_str(name), yyjson_get_len(name)))
                return true;
        }
    }
    return false;
}

static bool is_unambiguous(yyjson_val *claims, unsigned depth)
{
    size_t index, count;
    yyjson_val *name, *value;

    if (depth > CLAIMS_DEPTH_MAX)
        return false;
    if (yyjson_is_obj(claims)) {
        if (yyjson_obj_size(claims) > CLAIMS_MEMBERS_MAX || has_twice(claims))
            return false;
        yyjson_obj_foreach(claims, index, count, name, value)
        {
            (void)name;
            if (!is_unambiguous(value, depth + 1))
                return false;
        }
    } else if (yyjson_is_arr(claims)) {
        yyjson_arr_foreach(claims, index, count, value)
        {
            if (!is_unambiguous(value, depth + 1))
                return false;
        }
    }
    return true;
}

bool claims_are_unambiguous(yyjson_val *claims)
{
    return is_unambiguous(claims, 0);
}

/* ---- templates ---- */

const char *claims_template_problem(struct text template)
{
    while (template.length > 0) {
        ptrdiff_t open = text_find_char(template, '{'), stray = text_find_char(template, '}');
        if (stray >= 0 && (open < 0 || stray < open))
            return "it has a } without its {";
        if (open < 0)
            return NULL;
        template = text_from_index(template, (size_t)open + 1);
        ptrdiff_t close = text_find_char(template, '}');
        if (close < 0)
            return "it has a { without its }";
        if (close == 0)
            return "{} names no claim";
        template = text_from_index(template, (size_t)close + 1);
    }
    return NULL;
}

struct text claims_cut(struct text text, size_t limit)
{
    if (text.length <= limit)
        return text;
    while (limit > 0 && ((unsigned char)text.data[limit] & 0xc0) == 0x80)
        limit--;
    return text_first(text, limit);
}

static bool expand_claim(yyjson_val *claims, struct text path, struct buffer *out)
{
    char memory[NUMBER_SIZE];
    struct text value = scalar_text(claims_find(claims, path), memory);

    return value.data && buffer_append(out, claims_cut(value, CLAIMS_EXPANDED_MAX));
}

bool claims_expand(yyjson_val *claims, struct text template, struct buffer *out)
{
    while (template.length > 0) {
        ptrdiff_t open = text_find_char(template, '{');
        if (open < 0)
            return buffer_append(out, template);
        if (!buffer_append(out, text_first(template, (size_t)open)))
            return false;
        template = text_from_index(template, (size_t)open + 1);
        ptrdiff_t close = text_find_char(template, '}');
        if (close < 0 || !expand_claim(claims, text_first(template, (size_t)close), out))
            return false;
        template = text_from_index(template, (size_t)close + 1);
    }
    return true;
}
