/* JSON Schema as constrained decoding takes it: a part of the language. Objects are closed; what it
 * does not take is told to the model in the description, where it still helps. Source: Anthropic,
 * "Structured outputs", JSON Schema limitations. */
#include "provider/anthropic_parts.h"

#include <stdlib.h>

/* Keywords of one schema that are told in its description. */
#define NOTES_MAX 8192u

struct closing {
    yyjson_mut_doc *document;
    bool failed, deep;
};

enum treatment {
    TREAT_KEEP,
    TREAT_SCHEMA,
    TREAT_SCHEMAS_BY_NAME,
    TREAT_SCHEMAS,
    TREAT_ANY_OF,
    TREAT_FORMAT,
    TREAT_MIN_ITEMS,
    TREAT_SKIP
};

static const struct keyword {
    struct text name;
    enum treatment treatment;
} keywords[] = {
    {TEXT_INIT("type"), TREAT_KEEP},
    {TEXT_INIT("enum"), TREAT_KEEP},
    {TEXT_INIT("const"), TREAT_KEEP},
    {TEXT_INIT("default"), TREAT_KEEP},
    {TEXT_INIT("title"), TREAT_KEEP},
    {TEXT_INIT("required"), TREAT_KEEP},
    {TEXT_INIT("$ref"), TREAT_KEEP},
    {TEXT_INIT("properties"), TREAT_SCHEMAS_BY_NAME},
    {TEXT_INIT("$defs"), TREAT_SCHEMAS_BY_NAME},
    {TEXT_INIT("definitions"), TREAT_SCHEMAS_BY_NAME},
    {TEXT_INIT("items"), TREAT_SCHEMA},
    {TEXT_INIT("anyOf"), TREAT_SCHEMAS},
    {TEXT_INIT("allOf"), TREAT_SCHEMAS},
    {TEXT_INIT("oneOf"), TREAT_ANY_OF},
    {TEXT_INIT("format"), TREAT_FORMAT},
    {TEXT_INIT("minItems"), TREAT_MIN_ITEMS},
    {TEXT_INIT("description"), TREAT_SKIP}, /* written last */
    {TEXT_INIT("$schema"), TREAT_SKIP},
    {TEXT_INIT("$id"), TREAT_SKIP},
    {TEXT_INIT("$comment"), TREAT_SKIP},
};

static struct text value_text(yyjson_val *value)
{
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

static const struct keyword *find_keyword(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keywords); i++)
        if (text_equal(keywords[i].name, name))
            return &keywords[i];
    return NULL;
}

static bool is_known_format(yyjson_val *value)
{
    static const char *const formats[] = {"date-time", "time", "date", "duration", "email",
                                          "hostname",  "uri",  "ipv4", "ipv6",     "uuid"};
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++)
        if (yyjson_equals_str(value, formats[i]))
            return true;
    return false;
}

static bool names_object(yyjson_val *type)
{
    yyjson_val *entry;
    size_t index, count;
    if (yyjson_equals_str(type, "object"))
        return true;
    yyjson_arr_foreach(type, index, count, entry)
    {
        if (yyjson_equals_str(entry, "object"))
            return true;
    }
    return false;
}

static void put(struct closing *closing, yyjson_mut_val *object, const char *key,
                yyjson_mut_val *value)
{
    yyjson_mut_val *name = yyjson_mut_strcpy(closing->document, key);
    if (value == NULL || name == NULL || !yyjson_mut_obj_put(object, name, value))
        closing->failed = true;
}

static yyjson_mut_val *close_schema(struct closing *closing, yyjson_val *schema, unsigned depth);

static yyjson_mut_val *close_list(struct closing *closing, yyjson_val *list, unsigned depth)
{
    yyjson_mut_val *out = yyjson_mut_arr(closing->document);
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(list, index, count, entry)
    {
        yyjson_mut_val *made = close_schema(closing, entry, depth);
        if (made == NULL || !yyjson_mut_arr_append(out, made))
            closing->failed = true;
    }
    return out;
}

static yyjson_mut_val *close_map(struct closing *closing, yyjson_val *map, unsigned depth)
{
    yyjson_mut_val *out = yyjson_mut_obj(closing->document);
    yyjson_val *key, *value;
    size_t index, count;
    yyjson_obj_foreach(json_members(map), index, count, key, value)
    {
        yyjson_mut_val *made = close_schema(closing, value, depth);
        if (made == NULL ||
            !yyjson_mut_obj_add(out, yyjson_val_mut_copy(closing->document, key), made))
            closing->failed = true;
    }
    return out;
}

static void note(struct closing *closing, struct buffer *notes, yyjson_val *key, yyjson_val *value)
{
    size_t length = 0;
    char *bytes = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &length);
    if (bytes == NULL) {
        closing->failed = true;
        return;
    }
    buffer_append_format(notes, "%s%s: %.*s", notes->length > 0 ? ", " : "", yyjson_get_str(key),
                         TEXT_ARG(text_of(bytes, length)));
    free(bytes);
}

/* False: the keyword is one to be told in words. */
static bool close_member(struct closing *closing, yyjson_mut_val *out, yyjson_val *key,
                         yyjson_val *value, unsigned depth)
{
    const struct keyword *keyword = find_keyword(value_text(key));
    const char *name = yyjson_get_str(key);
    if (keyword == NULL)
        return false;
    switch (keyword->treatment) {
    case TREAT_SKIP: return true;
    case TREAT_FORMAT:
        if (!is_known_format(value))
            return false;
        break;
    case TREAT_MIN_ITEMS:
        if (yyjson_get_uint(value) <= 1)
            break;
        put(closing, out, name, yyjson_mut_uint(closing->document, 1));
        return false;
    case TREAT_SCHEMA:
        if (yyjson_is_arr(value)) /* one schema for each place */
            return false;
        put(closing, out, name, close_schema(closing, value, depth));
        return true;
    case TREAT_SCHEMAS_BY_NAME:
        put(closing, out, name, close_map(closing, value, depth));
        return true;
    case TREAT_SCHEMAS: put(closing, out, name, close_list(closing, value, depth)); return true;
    case TREAT_ANY_OF: put(closing, out, "anyOf", close_list(closing, value, depth)); return true;
    case TREAT_KEEP: break;
    }
    put(closing, out, name, yyjson_val_mut_copy(closing->document, value));
    return true;
}

static void describe(struct closing *closing, yyjson_mut_val *out, yyjson_val *description,
                     struct buffer *notes)
{
    struct text said = value_text(description);
    char *all = NULL;
    if (text_empty(said) && notes->length == 0)
        return;
    struct buffer joined;
    buffer_open(&joined, said.length + NOTES_MAX + 8);
    buffer_append(&joined, said);
    if (notes->length > 0) {
        buffer_append(&joined, text_empty(said) ? TEXT("(") : TEXT(" ("));
        buffer_append(&joined, buffer_text(notes));
        buffer_append_char(&joined, ')');
    }
    all = joined.failed ? NULL : joined.data;
    put(closing, out, "description",
        all == NULL ? NULL : yyjson_mut_strncpy(closing->document, all, joined.length));
    buffer_close(&joined);
}

/* additionalProperties is written by us; that it was open, or a schema, is worth a word. */
static bool is_additional(yyjson_val *key, yyjson_val *value)
{
    return yyjson_equals_str(key, "additionalProperties") && yyjson_is_bool(value);
}

static yyjson_mut_val *close_schema(struct closing *closing, yyjson_val *schema, unsigned depth)
{
    struct buffer notes;
    yyjson_val *key, *value;
    size_t index, count;
    if (depth > ANTHROPIC_SCHEMA_DEPTH_MAX) {
        closing->deep = true;
        return NULL;
    }
    if (!yyjson_is_obj(schema))
        return yyjson_val_mut_copy(closing->document, schema);
    yyjson_mut_val *out = yyjson_mut_obj(closing->document);
    buffer_open(&notes, NOTES_MAX);
    yyjson_obj_foreach(json_members(schema), index, count, key, value)
    {
        if (!close_member(closing, out, key, value, depth + 1) && !is_additional(key, value))
            note(closing, &notes, key, value);
    }
    describe(closing, out, yyjson_obj_get(schema, "description"), &notes);
    buffer_close(&notes);
    if (names_object(yyjson_obj_get(schema, "type")) || yyjson_obj_get(schema, "properties"))
        put(closing, out, "additionalProperties", yyjson_mut_false(closing->document));
    return out;
}

/* An object at the top, which the API insists on. */
static void be_object(struct closing *closing, yyjson_mut_val *root)
{
    yyjson_mut_val *type = yyjson_mut_obj_get(root, "type");
    if (yyjson_mut_equals_str(type, "object") && yyjson_mut_obj_size(root) > 1)
        return;
    put(closing, root, "type", yyjson_mut_str(closing->document, "object"));
    if (yyjson_mut_obj_size(root) == 1)
        put(closing, root, "properties", yyjson_mut_obj(closing->document));
}

/* Into the arena; frees the document. */
static enum error finish(struct closing *closing, yyjson_mut_val *root, struct arena *arena,
                         struct text *out)
{
    size_t length = 0;
    char *bytes = closing->failed || closing->deep || root == NULL
                      ? NULL
                      : yyjson_mut_val_write(root, YYJSON_WRITE_NOFLAG, &length);
    yyjson_mut_doc_free(closing->document);
    if (bytes == NULL)
        return closing->deep ? ERROR_UNSUPPORTED : ERROR_MEMORY;
    *out = arena_copy(arena, text_of(bytes, length));
    free(bytes);
    return out->data == NULL ? ERROR_MEMORY : ERROR_OK;
}

enum error anthropic_schema_strict(struct arena *arena, yyjson_val *schema, bool object,
                                   struct text *out)
{
    struct closing closing = {.document = yyjson_mut_doc_new(NULL)};
    if (closing.document == NULL)
        return ERROR_MEMORY;
    yyjson_mut_val *root =
        schema == NULL ? yyjson_mut_obj(closing.document) : close_schema(&closing, schema, 0);
    if (object && root != NULL)
        be_object(&closing, root);
    return finish(&closing, root, arena, out);
}

enum error anthropic_schema_object(struct arena *arena, yyjson_val *schema, struct text *out)
{
    yyjson_val *type = yyjson_obj_get(schema, "type");
    if (type != NULL && !names_object(type))
        return ERROR_UNSUPPORTED;
    struct closing closing = {.document = yyjson_mut_doc_new(NULL)};
    if (closing.document == NULL)
        return ERROR_MEMORY;
    yyjson_mut_val *root = schema == NULL ? yyjson_mut_obj(closing.document)
                                          : yyjson_val_mut_copy(closing.document, schema);
    if (root != NULL)
        be_object(&closing, root);
    return finish(&closing, root, arena, out);
}
