#include "demo/schema.h"

#include "base/number.h"

/* Longer than any text that is asked for with minLength in earnest. */
#define TEXT_MAX 1000u
/* More than one item is written only when minItems asks for it. */
#define ITEMS_MAX 16u

struct filling {
    struct json_writer *json;
    yyjson_val *root; /* for $ref */
    struct text hint;
};

static void write_value(const struct filling *filling, yyjson_val *schema, struct text name,
                        unsigned depth);

/* ---- what the user said ---- */

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

/* The next word, or empty at the end. */
static struct text next_word(struct text *rest)
{
    size_t start = 0, end;
    while (start < rest->length && !is_word_byte(rest->data[start]))
        start++;
    for (end = start; end < rest->length && is_word_byte(rest->data[end]);)
        end++;
    struct text word = text_first(text_from_index(*rest, start), end - start);
    *rest = text_from_index(*rest, end);
    return word;
}

/* The last word with a capital that does not begin the text: most likely a name. */
static struct text hinted_name(struct text hint)
{
    struct text name = {NULL, 0}, word;
    (void)next_word(&hint);
    while ((word = next_word(&hint)).length > 0)
        if (word.length > 1 && word.data[0] >= 'A' && word.data[0] <= 'Z')
            name = word;
    return name;
}

static bool hinted_number(struct text hint, uint64_t *number)
{
    struct text word;
    while ((word = next_word(&hint)).length > 0)
        if (number_parse_unsigned(word, number))
            return true;
    return false;
}

/* ---- the kinds of value ---- */

static void write_text(const struct filling *filling, yyjson_val *schema, struct text name)
{
    static const struct {
        struct text format, value;
    } formats[] = {
        {TEXT_INIT("date"), TEXT_INIT("2026-01-31")},
        {TEXT_INIT("time"), TEXT_INIT("12:00:00Z")},
        {TEXT_INIT("date-time"), TEXT_INIT("2026-01-31T12:00:00Z")},
        {TEXT_INIT("duration"), TEXT_INIT("PT1H")},
        {TEXT_INIT("email"), TEXT_INIT("demo@example.com")},
        {TEXT_INIT("hostname"), TEXT_INIT("example.com")},
        {TEXT_INIT("ipv4"), TEXT_INIT("192.0.2.1")},
        {TEXT_INIT("ipv6"), TEXT_INIT("2001:db8::1")},
        {TEXT_INIT("uri"), TEXT_INIT("https://example.com/")},
        {TEXT_INIT("uuid"), TEXT_INIT("00000000-0000-4000-8000-000000000000")},
    };
    struct text format = {NULL, 0}, value = hinted_name(filling->hint);
    uint64_t shortest = 0, longest = TEXT_MAX;
    (void)json_get_text(schema, "format", &format);
    (void)json_get_unsigned(schema, "minLength", &shortest);
    (void)json_get_unsigned(schema, "maxLength", &longest);
    if (text_empty(value))
        value = text_empty(name) ? TEXT("demo") : name;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
        if (text_equal(format, formats[i].format))
            value = formats[i].value;
    struct buffer out;
    buffer_open(&out, TEXT_MAX * 2);
    buffer_append(&out, text_first(value, longest < TEXT_MAX ? (size_t)longest : TEXT_MAX));
    while (!out.failed && out.length < shortest && out.length < TEXT_MAX)
        buffer_append_char(&out, '.');
    json_text(filling->json, buffer_text(&out));
    buffer_close(&out);
}

static void write_number(const struct filling *filling, yyjson_val *schema, bool whole)
{
    uint64_t hinted = 1;
    bool found = hinted_number(filling->hint, &hinted) && hinted < 1u << 30;
    double number = found ? (double)hinted : 1.0;
    static const struct {
        const char *key;
        double offset;
        bool lower;
    } bounds[] = {{"minimum", 0, true},
                  {"exclusiveMinimum", 1, true},
                  {"maximum", 0, false},
                  {"exclusiveMaximum", -1, false}};
    for (size_t i = 0; i < ARRAY_LENGTH(bounds); i++) {
        yyjson_val *bound = yyjson_obj_get(schema, bounds[i].key);
        if (!yyjson_is_num(bound))
            continue;
        double limit = yyjson_get_num(bound) + bounds[i].offset;
        if (bounds[i].lower ? number < limit : number > limit)
            number = limit;
    }
    if (number > 1e15 || number < -1e15)
        number = 1;
    char text[32];
    int length = snprintf(text, sizeof text, whole ? "%.0f" : "%.6g", number);
    json_raw(filling->json, text_of(text, (size_t)length));
}

static void write_array(const struct filling *filling, yyjson_val *schema, struct text name,
                        unsigned depth)
{
    uint64_t count = 1, most = ITEMS_MAX;
    (void)json_get_unsigned(schema, "minItems", &count);
    (void)json_get_unsigned(schema, "maxItems", &most);
    if (count == 0)
        count = 1;
    if (count > most)
        count = most;
    if (count > ITEMS_MAX)
        count = ITEMS_MAX;
    json_begin_array(filling->json);
    for (uint64_t i = 0; i < count; i++)
        write_value(filling, yyjson_obj_get(schema, "items"), name, depth + 1);
    json_end_array(filling->json);
}

static void write_object(const struct filling *filling, yyjson_val *schema, unsigned depth)
{
    yyjson_val *properties = yyjson_obj_get(schema, "properties");
    yyjson_val *required = yyjson_obj_get(schema, "required"), *key;
    size_t index, count;
    json_begin_object(filling->json);
    yyjson_arr_foreach(required, index, count, key)
    {
        if (!yyjson_is_str(key))
            continue;
        struct text name = {yyjson_get_str(key), yyjson_get_len(key)};
        json_key(filling->json, name);
        write_value(filling, yyjson_obj_getn(properties, name.data, name.length), name, depth + 1);
    }
    json_end_object(filling->json);
}

/* ---- which kind ---- */

/* "#/$defs/Name", followed once; NULL when it leads nowhere. */
static yyjson_val *follow(const struct filling *filling, yyjson_val *schema)
{
    struct text reference = {NULL, 0};
    if (json_get_text(schema, "$ref", &reference) != JSON_PRESENT)
        return schema;
    if (!text_starts_with(reference, TEXT("#")))
        return NULL;
    return yyjson_ptr_getn(filling->root, reference.data + 1, reference.length - 1);
}

static bool is_null_schema(yyjson_val *schema)
{
    return yyjson_equals_str(yyjson_obj_get(schema, "type"), "null");
}

/* The first alternative that is something. */
static yyjson_val *alternative(yyjson_val *schema)
{
    static const char *const keys[] = {"anyOf", "oneOf", "allOf"};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        yyjson_val *list = yyjson_obj_get(schema, keys[i]), *item;
        size_t index, count;
        yyjson_arr_foreach(list, index, count, item)
        {
            if (!is_null_schema(item))
                return item;
        }
    }
    return NULL;
}

/* A value that the schema names itself; NULL when it does not. */
static yyjson_val *given_value(yyjson_val *schema)
{
    yyjson_val *value = yyjson_obj_get(schema, "const");
    if (value == NULL)
        value = yyjson_arr_get_first(yyjson_obj_get(schema, "enum"));
    if (value == NULL)
        value = yyjson_obj_get(schema, "default");
    return value != NULL ? value : yyjson_arr_get_first(yyjson_obj_get(schema, "examples"));
}

static bool write_given(const struct filling *filling, yyjson_val *schema)
{
    yyjson_val *value = given_value(schema);
    if (value == NULL)
        return false;
    size_t length;
    char *text = yyjson_val_write(value, 0, &length);
    if (text == NULL)
        filling->json->out->failed = true;
    else
        json_raw(filling->json, text_of(text, length));
    free(text);
    return text != NULL;
}

static struct text type_name(yyjson_val *schema)
{
    yyjson_val *type = yyjson_obj_get(schema, "type"), *item;
    size_t index, count;
    yyjson_arr_foreach(type, index, count, item)
    {
        if (!yyjson_equals_str(item, "null")) {
            type = item;
            break;
        }
    }
    if (yyjson_is_str(type))
        return text_of(yyjson_get_str(type), yyjson_get_len(type));
    if (yyjson_obj_get(schema, "properties") != NULL)
        return TEXT("object");
    return yyjson_obj_get(schema, "items") != NULL ? TEXT("array") : TEXT("string");
}

static void write_typed(const struct filling *filling, yyjson_val *schema, struct text name,
                        unsigned depth)
{
    struct text type = type_name(schema);
    if (text_equal(type, TEXT("object")))
        write_object(filling, schema, depth);
    else if (text_equal(type, TEXT("array")))
        write_array(filling, schema, name, depth);
    else if (text_equal(type, TEXT("integer")))
        write_number(filling, schema, true);
    else if (text_equal(type, TEXT("number")))
        write_number(filling, schema, false);
    else if (text_equal(type, TEXT("boolean")))
        json_bool(filling->json, true);
    else if (text_equal(type, TEXT("null")))
        json_null(filling->json);
    else
        write_text(filling, schema, name);
}

static void write_value(const struct filling *filling, yyjson_val *schema, struct text name,
                        unsigned depth)
{
    yyjson_val *chosen;
    for (; depth < SCHEMA_DEPTH_MAX; depth++) {
        schema = follow(filling, schema);
        if (write_given(filling, schema) || filling->json->out->failed)
            return;
        chosen = alternative(schema);
        if (chosen == NULL) {
            /* A reference to a reference goes round once more. */
            if (yyjson_obj_get(schema, "$ref") != NULL)
                continue;
            write_typed(filling, schema, name, depth);
            return;
        }
        schema = chosen;
    }
    json_null(filling->json);
}

void schema_write(struct json_writer *json, yyjson_val *schema, struct text hint)
{
    const struct filling filling = {json, schema, hint};
    if (schema == NULL || yyjson_obj_size(schema) == 0) {
        json_begin_object(json);
        json_end_object(json);
        return;
    }
    write_value(&filling, schema, (struct text){NULL, 0}, 0);
}
