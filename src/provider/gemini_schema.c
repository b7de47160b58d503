/* JSON Schema as the API takes it, in two ways.
 *
 * As JSON Schema (models from 2.5 on): as it came, but for what is known to be refused or not
 * understood: a `$ref` stands alone, `const` is an enum of one, `definitions` are `$defs`, an
 * `allOf` is laid together.
 *
 * As Schema, an OpenAPI subset (older models): what a node says itself, by `$ref` and by `allOf` is
 * laid together (the first that says something counts, properties and `required` add up), and
 * written with the members that Schema has. A `$ref` into itself ends as any object.
 * Source: ai.google.dev/api/caching#Schema. */
#include "provider/gemini.h"

struct schema {
    struct native_ask *ask;
    const char *path;
    yyjson_val *root; /* where `$ref`s point into */
    yyjson_mut_doc *document;
    bool json_schema;
    unsigned depth, nodes;
    yyjson_val *open[GEMINI_SCHEMA_DEPTH_MAX]; /* what `$ref`s led to and is being written */
    size_t open_count;
    enum error error;
};

typedef yyjson_mut_val node;

static void refuse(struct schema *schema, const char *reason)
{
    if (schema->error == ERROR_OK)
        schema->error = native_refuse(schema->ask, text_from(schema->path), reason);
}

/* Also of members that are looked up among others, so that the work stays within bounds. */
static bool count_node(struct schema *schema)
{
    if (++schema->nodes > GEMINI_SCHEMA_NODES_MAX)
        refuse(schema, "has too many parts to be translated for this provider");
    return schema->error == ERROR_OK;
}

/* Before each node; false: no further. */
static bool enter(struct schema *schema)
{
    if (count_node(schema) && ++schema->depth > GEMINI_SCHEMA_DEPTH_MAX)
        refuse(schema, "is too deep to be translated for this provider");
    return schema->error == ERROR_OK;
}

static struct text text_of_value(yyjson_val *value)
{
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

static node *copy(struct schema *schema, yyjson_val *value)
{
    return yyjson_val_mut_copy(schema->document, value);
}

/* A key that is not there yet, which outlives the document: a literal, or of the schema read. */
static void put(struct schema *schema, node *object, struct text key, node *value)
{
    node *name = yyjson_mut_strn(schema->document, key.data, key.length);
    if (!yyjson_mut_obj_add(object, name, value))
        schema->error = schema->error == ERROR_OK ? ERROR_MEMORY : schema->error;
}

static void put_text(struct schema *schema, node *object, const char *key, struct text value)
{
    put(schema, object, text_from(key),
        yyjson_mut_strn(schema->document, value.data, value.length));
}

/* ---- what says something of one node, the nearest first ---- */

#define SOURCES_MAX 32u

struct sources {
    yyjson_val *rows[SOURCES_MAX];
    size_t count;
    bool nullable;
};

/* A pointer within the document: "#/$defs/Item". NULL: it leads elsewhere. */
static yyjson_val *resolve(struct schema *schema, yyjson_val *reference)
{
    struct text target = text_of_value(reference);
    if (text_equal(target, TEXT("#")))
        return schema->root;
    if (!text_starts_with(target, TEXT("#/")))
        return NULL;
    return yyjson_ptr_getn(schema->root, target.data + 1, target.length - 1);
}

static bool is_null_type(yyjson_val *value)
{
    return yyjson_equals_str(yyjson_obj_get(value, "type"), "null");
}

static yyjson_val *alternatives_of(yyjson_val *value)
{
    yyjson_val *list = yyjson_obj_get(value, "anyOf");
    return list != NULL ? list : yyjson_obj_get(value, "oneOf");
}

/* The only alternative beside null; NULL: there are several, or none. */
static yyjson_val *sole_alternative(yyjson_val *list, bool *nullable)
{
    yyjson_val *entry, *found = NULL;
    size_t index, count, others = 0;
    yyjson_arr_foreach(list, index, count, entry)
    {
        if (is_null_type(entry)) {
            *nullable = true;
            continue;
        }
        found = entry;
        others++;
    }
    return others == 1 ? found : NULL;
}

/* Breadth first; what was seen already is left out, so that circles end. */
static void add_source(struct schema *schema, struct sources *sources, yyjson_val *value)
{
    if (!yyjson_is_obj(value))
        return;
    for (size_t i = 0; i < sources->count; i++)
        if (sources->rows[i] == value)
            return;
    if (sources->count == SOURCES_MAX)
        refuse(schema, "has more in one allOf than can be laid together for this provider");
    else
        sources->rows[sources->count++] = value;
}

static bool is_open(const struct schema *schema, const yyjson_val *value)
{
    for (size_t i = 0; i < schema->open_count; i++)
        if (schema->open[i] == value)
            return true;
    return false;
}

/* What a reference leads to, which then is open until the caller sets open_count back. */
static void follow(struct schema *schema, struct sources *sources, yyjson_val *reference)
{
    yyjson_val *target = resolve(schema, reference);
    if (is_open(schema, target) || schema->open_count == GEMINI_SCHEMA_DEPTH_MAX)
        return; /* a circle ends as any object */
    schema->open[schema->open_count++] = target;
    add_source(schema, sources, target);
}

static void gather(struct schema *schema, yyjson_val *value, struct sources *sources)
{
    *sources = (struct sources){.count = 0};
    add_source(schema, sources, value);
    for (size_t i = 0; i < sources->count; i++) {
        yyjson_val *row = sources->rows[i], *entry, *all = yyjson_obj_get(row, "allOf");
        size_t index, count;
        if (yyjson_is_str(yyjson_obj_get(row, "$ref")))
            follow(schema, sources, yyjson_obj_get(row, "$ref"));
        yyjson_arr_foreach(all, index, count, entry) add_source(schema, sources, entry);
        if (schema->json_schema)
            continue;
        add_source(schema, sources, sole_alternative(alternatives_of(row), &sources->nullable));
        sources->nullable |= yyjson_is_true(yyjson_obj_get(row, "nullable"));
    }
}

/* ---- as JSON Schema ---- */

/* Where schemas stand within a schema. */
enum position { POSITION_NONE, POSITION_ONE, POSITION_LIST, POSITION_MAP };

static const struct {
    struct text key;
    enum position position;
} positions[] = {
    {TEXT_INIT("properties"), POSITION_MAP},
    {TEXT_INIT("$defs"), POSITION_MAP},
    {TEXT_INIT("definitions"), POSITION_MAP},
    {TEXT_INIT("patternProperties"), POSITION_MAP},
    {TEXT_INIT("dependentSchemas"), POSITION_MAP},
    {TEXT_INIT("anyOf"), POSITION_LIST},
    {TEXT_INIT("oneOf"), POSITION_LIST},
    {TEXT_INIT("allOf"), POSITION_LIST},
    {TEXT_INIT("prefixItems"), POSITION_LIST},
    {TEXT_INIT("items"), POSITION_ONE},
    {TEXT_INIT("additionalProperties"), POSITION_ONE},
    {TEXT_INIT("propertyNames"), POSITION_ONE},
    {TEXT_INIT("contains"), POSITION_ONE},
    {TEXT_INIT("not"), POSITION_ONE},
    {TEXT_INIT("if"), POSITION_ONE},
    {TEXT_INIT("then"), POSITION_ONE},
    {TEXT_INIT("else"), POSITION_ONE},
};

static enum position position_of(struct text key)
{
    for (size_t i = 0; i < ARRAY_LENGTH(positions); i++)
        if (text_equal(positions[i].key, key))
            return positions[i].position;
    return POSITION_NONE;
}

static node *mend(struct schema *schema, yyjson_val *value);

static node *mend_list(struct schema *schema, yyjson_val *list)
{
    node *made = yyjson_mut_arr(schema->document);
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(list, index, count, entry) yyjson_mut_arr_append(made, mend(schema, entry));
    return made;
}

static node *mend_map(struct schema *schema, yyjson_val *map)
{
    node *made = yyjson_mut_obj(schema->document);
    yyjson_val *key, *value;
    size_t index, count;
    yyjson_obj_foreach(json_members(map), index, count, key, value)
    {
        if (count_node(schema))
            put(schema, made, text_of_value(key), mend(schema, value));
    }
    return made;
}

static node *mend_member(struct schema *schema, struct text key, yyjson_val *value)
{
    enum position position = position_of(key);
    if (position == POSITION_MAP && yyjson_is_obj(value))
        return mend_map(schema, value);
    if (position == POSITION_LIST && yyjson_is_arr(value))
        return mend_list(schema, value);
    if (position == POSITION_ONE && yyjson_is_arr(value)) /* items of draft 4 */
        return mend_list(schema, value);
    return position == POSITION_ONE ? mend(schema, value) : copy(schema, value);
}

/* "#/definitions/Item" as "#/$defs/Item". */
static node *mend_reference(struct schema *schema, yyjson_val *value)
{
    struct text old = TEXT("#/definitions/"), target = text_of_value(value);
    if (!yyjson_is_str(value) || !text_starts_with(target, old))
        return copy(schema, value);
    struct text rest = text_from_index(target, old.length);
    struct text made = arena_format(schema->ask->arena, "#/$defs/%.*s", TEXT_ARG(rest));
    if (made.data == NULL)
        schema->error = ERROR_MEMORY;
    return yyjson_mut_strn(schema->document, made.data, made.length);
}

/* What of a schema decides about its members. */
struct shape {
    bool refers, has_enum, has_defs;
};

static void mend_key(struct schema *schema, node *made, const struct shape *shape, struct text key,
                     yyjson_val *value)
{
    bool dollar = text_starts_with(key, TEXT("$"));
    if (text_equal(key, TEXT("$schema")) ||
        (shape->refers && !dollar && position_of(key) != POSITION_MAP))
        return;
    if (text_equal(key, TEXT("$ref"))) {
        put(schema, made, key, mend_reference(schema, value));
    } else if (text_equal(key, TEXT("const")) && !shape->has_enum) {
        node *list = yyjson_mut_arr(schema->document);
        yyjson_mut_arr_append(list, copy(schema, value));
        put(schema, made, TEXT("enum"), list);
    } else if (text_equal(key, TEXT("definitions")) && !shape->has_defs) {
        put(schema, made, TEXT("$defs"), mend_member(schema, key, value));
    } else {
        put(schema, made, key, mend_member(schema, key, value));
    }
}

/* `required` and `properties` of all sources add up. */
static void merge_into(struct schema *schema, node *made, struct text key, yyjson_val *value)
{
    node *there = yyjson_mut_obj_getn(made, key.data, key.length);
    yyjson_val *name, *entry;
    size_t index, count;
    if (yyjson_mut_is_arr(there) && text_equal(key, TEXT("required"))) {
        yyjson_arr_foreach(value, index, count, entry)
            yyjson_mut_arr_append(there, copy(schema, entry));
    } else if (yyjson_mut_is_obj(there) && text_equal(key, TEXT("properties"))) {
        yyjson_obj_foreach(json_members(value), index, count, name, entry)
        {
            struct text text = text_of_value(name);
            if (count_node(schema) && yyjson_mut_obj_getn(there, text.data, text.length) == NULL)
                put(schema, there, text, mend(schema, entry));
        }
    } else if (there == NULL) {
        put(schema, made, key, mend_member(schema, key, value));
    }
}

static node *merge(struct schema *schema, yyjson_val *value)
{
    node *made = yyjson_mut_obj(schema->document);
    size_t mark = schema->open_count, index, count;
    struct sources sources;
    yyjson_val *key, *member;
    gather(schema, value, &sources);
    for (size_t i = 0; i < sources.count; i++) {
        yyjson_obj_foreach(json_members(sources.rows[i]), index, count, key, member)
        {
            struct text name = text_of_value(key);
            if (count_node(schema) && !text_equal(name, TEXT("allOf")) &&
                !text_equal(name, TEXT("$ref")) && !text_equal(name, TEXT("$schema")))
                merge_into(schema, made, name, member);
        }
    }
    schema->open_count = mark;
    return made;
}

static node *mend(struct schema *schema, yyjson_val *value)
{
    yyjson_val *key, *member;
    size_t index, count;
    if (!yyjson_is_obj(value) || !enter(schema))
        return copy(schema, value); /* true and false are schemas too */
    if (yyjson_is_arr(yyjson_obj_get(value, "allOf"))) {
        node *merged = merge(schema, value);
        schema->depth--;
        return merged;
    }
    const struct shape shape = {.refers = yyjson_is_str(yyjson_obj_get(value, "$ref")),
                                .has_enum = yyjson_obj_get(value, "enum") != NULL,
                                .has_defs = yyjson_obj_get(value, "$defs") != NULL};
    node *made = yyjson_mut_obj(schema->document);
    yyjson_obj_foreach(json_members(value), index, count, key, member)
        mend_key(schema, made, &shape, text_of_value(key), member);
    schema->depth--;
    return made;
}

/* ---- as Schema ---- */

static yyjson_val *find(const struct sources *sources, const char *key)
{
    for (size_t i = 0; i < sources->count; i++) {
        yyjson_val *value = yyjson_obj_get(sources->rows[i], key);
        if (value != NULL)
            return value;
    }
    return NULL;
}

/* More than one beside null; NULL: none. */
static yyjson_val *find_alternatives(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        bool ignored = false;
        yyjson_val *list = alternatives_of(sources->rows[i]);
        if (yyjson_arr_size(list) > 1 && sole_alternative(list, &ignored) == NULL)
            return list;
    }
    return NULL;
}

static const struct type_row {
    struct text name, written, formats;
} type_rows[] = {
    {TEXT_INIT("object"), TEXT_INIT("OBJECT"), TEXT_INIT("")},
    {TEXT_INIT("array"), TEXT_INIT("ARRAY"), TEXT_INIT("")},
    {TEXT_INIT("string"), TEXT_INIT("STRING"), TEXT_INIT("enum date-time")},
    {TEXT_INIT("integer"), TEXT_INIT("INTEGER"), TEXT_INIT("int32 int64")},
    {TEXT_INIT("number"), TEXT_INIT("NUMBER"), TEXT_INIT("float double")},
    {TEXT_INIT("boolean"), TEXT_INIT("BOOLEAN"), TEXT_INIT("")},
};

static const struct type_row *find_type(yyjson_val *value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(type_rows); i++)
        if (text_equal_ignoring_case(type_rows[i].name, text_of_value(value)))
            return &type_rows[i];
    return NULL;
}

static bool has_strings_only(yyjson_val *list)
{
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(list, index, count, entry)
    {
        if (!yyjson_is_str(entry) && !yyjson_is_null(entry))
            return false;
    }
    return yyjson_arr_size(list) > 0;
}

/* What a node without a type must be. */
static const struct type_row *guess_type(const struct sources *sources)
{
    if (find(sources, "items") != NULL || find(sources, "prefixItems") != NULL)
        return &type_rows[1];
    if (find(sources, "enum") != NULL || yyjson_is_str(find(sources, "const")))
        return &type_rows[2];
    if (yyjson_is_num(find(sources, "const")))
        return &type_rows[4];
    if (yyjson_is_bool(find(sources, "const")))
        return &type_rows[5];
    return &type_rows[0];
}

/* Of `type` in all its forms; `*others` counts further types, which become alternatives. */
static const struct type_row *read_type(struct sources *sources, size_t *others)
{
    yyjson_val *type = find(sources, "type"), *entry;
    const struct type_row *row = NULL;
    size_t index, count;
    *others = 0;
    if (yyjson_is_str(type))
        row = find_type(type);
    yyjson_arr_foreach(type, index, count, entry)
    {
        if (yyjson_equals_str(entry, "null"))
            sources->nullable = true;
        else if (row == NULL)
            row = find_type(entry);
        else
            ++*others;
    }
    return row != NULL ? row : guess_type(sources);
}

static node *reduce(struct schema *schema, yyjson_val *value, bool nullable);
static node *reduce_as(struct schema *schema, const struct sources *sources,
                       const struct type_row *type);

/* Alone with its members: beside anyOf nothing else may stand. */
static node *reduce_alternatives(struct schema *schema, yyjson_val *list, bool nullable)
{
    node *made = yyjson_mut_obj(schema->document), *members = yyjson_mut_arr(schema->document);
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(list, index, count, entry) nullable |= is_null_type(entry);
    yyjson_arr_foreach(list, index, count, entry)
    {
        if (!is_null_type(entry))
            yyjson_mut_arr_append(members, reduce(schema, entry, nullable));
    }
    put(schema, made, TEXT("anyOf"), members);
    return made;
}

static node *reduce_types(struct schema *schema, const struct sources *sources)
{
    node *made = yyjson_mut_obj(schema->document), *members = yyjson_mut_arr(schema->document);
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(find(sources, "type"), index, count, entry)
    {
        const struct type_row *type = find_type(entry);
        if (type != NULL)
            yyjson_mut_arr_append(members, reduce_as(schema, sources, type));
    }
    put(schema, made, TEXT("anyOf"), members);
    return made;
}

/* Words that Schema has as they are. */
static void put_plain(struct schema *schema, node *made, const struct sources *sources)
{
    static const char *const keys[] = {
        "title",    "description",   "default",       "example",         "minItems",
        "maxItems", "minimum",       "maximum",       "minLength",       "maxLength",
        "pattern",  "minProperties", "maxProperties", "propertyOrdering"};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        yyjson_val *value = find(sources, keys[i]);
        if (value != NULL)
            put(schema, made, text_from(keys[i]), copy(schema, value));
    }
}

static void put_format(struct schema *schema, node *made, const struct sources *sources,
                       const struct type_row *type)
{
    struct text format = text_of_value(find(sources, "format")), rest = type->formats, known;
    while (!text_empty(rest)) {
        known = text_split(&rest, ' ');
        if (text_equal(known, format))
            put_text(schema, made, "format", format);
    }
}

static void put_enum(struct schema *schema, node *made, const struct sources *sources)
{
    yyjson_val *list = find(sources, "enum"), *only = find(sources, "const"), *entry;
    node *values = yyjson_mut_arr(schema->document);
    size_t index, count;
    if (!has_strings_only(list) && !yyjson_is_str(only))
        return;
    yyjson_arr_foreach(has_strings_only(list) ? list : NULL, index, count, entry)
    {
        if (yyjson_is_str(entry))
            yyjson_mut_arr_append(values, copy(schema, entry));
    }
    if (yyjson_mut_arr_size(values) == 0 && only != NULL)
        yyjson_mut_arr_append(values, copy(schema, only));
    put(schema, made, TEXT("enum"), values);
}

static void put_items(struct schema *schema, node *made, const struct sources *sources)
{
    yyjson_val *items = find(sources, "items");
    if (!yyjson_is_obj(items)) /* draft 4's list, or prefixItems: the first stands for all */
        items = yyjson_arr_get_first(yyjson_is_arr(items) ? items : find(sources, "prefixItems"));
    if (yyjson_is_obj(items)) {
        put(schema, made, TEXT("items"), reduce(schema, items, false));
        return;
    }
    node *any = yyjson_mut_obj(schema->document); /* an array must say what it is of */
    put_text(schema, any, "type", TEXT("STRING"));
    put(schema, made, TEXT("items"), any);
}

static void put_properties(struct schema *schema, node *made, const struct sources *sources)
{
    node *properties = yyjson_mut_obj(schema->document);
    yyjson_val *key, *value;
    size_t index, count;
    for (size_t i = 0; i < sources->count; i++) {
        yyjson_obj_foreach(json_members(yyjson_obj_get(sources->rows[i], "properties")), index,
                           count, key, value)
        {
            struct text name = text_of_value(key);
            if (yyjson_mut_obj_getn(properties, name.data, name.length) == NULL)
                put(schema, properties, name, reduce(schema, value, false));
        }
    }
    if (yyjson_mut_obj_size(properties) > 0)
        put(schema, made, TEXT("properties"), properties);
}

/* Only what there is: a name without a property is refused. */
static void put_required(struct schema *schema, node *made, const struct sources *sources)
{
    node *required = yyjson_mut_arr(schema->document),
         *properties = yyjson_mut_obj_get(made, "properties");
    yyjson_val *entry;
    size_t index, count;
    for (size_t i = 0; i < sources->count; i++) {
        yyjson_arr_foreach(yyjson_obj_get(sources->rows[i], "required"), index, count, entry)
        {
            struct text name = text_of_value(entry);
            if (index < GEMINI_SCHEMA_NODES_MAX &&
                yyjson_mut_obj_getn(properties, name.data, name.length) != NULL)
                yyjson_mut_arr_append(required, copy(schema, entry));
        }
    }
    if (yyjson_mut_arr_size(required) > 0)
        put(schema, made, TEXT("required"), required);
}

static node *reduce_as(struct schema *schema, const struct sources *sources,
                       const struct type_row *type)
{
    node *made = yyjson_mut_obj(schema->document);
    put_text(schema, made, "type", type->written);
    put_plain(schema, made, sources);
    put_format(schema, made, sources, type);
    if (text_equal(type->name, TEXT("string")))
        put_enum(schema, made, sources);
    if (text_equal(type->name, TEXT("array")))
        put_items(schema, made, sources);
    if (text_equal(type->name, TEXT("object"))) {
        put_properties(schema, made, sources);
        put_required(schema, made, sources);
    }
    if (sources->nullable)
        put(schema, made, TEXT("nullable"), yyjson_mut_true(schema->document));
    return made;
}

static node *any_object(struct schema *schema)
{
    node *made = yyjson_mut_obj(schema->document);
    put_text(schema, made, "type", TEXT("OBJECT"));
    return made;
}

static node *reduce(struct schema *schema, yyjson_val *value, bool nullable)
{
    struct sources sources;
    size_t others;
    node *made;
    size_t mark = schema->open_count;
    if (!enter(schema))
        return any_object(schema);
    gather(schema, value, &sources);
    sources.nullable |= nullable;
    yyjson_val *alternatives = find_alternatives(&sources);
    const struct type_row *type = read_type(&sources, &others);
    if (alternatives != NULL)
        made = reduce_alternatives(schema, alternatives, sources.nullable);
    else if (others > 0)
        made = reduce_types(schema, &sources);
    else
        made = reduce_as(schema, &sources, type);
    schema->open_count = mark;
    schema->depth--;
    return made;
}

/* ---- */

bool gemini_schema_is_empty(yyjson_val *schema)
{
    static const char *const keys[] = {"$ref", "anyOf", "oneOf", "allOf"};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (yyjson_obj_get(schema, keys[i]) != NULL)
            return false;
    return yyjson_obj_size(yyjson_obj_get(schema, "properties")) == 0;
}

enum error gemini_write_schema(struct native_ask *ask, yyjson_val *value, bool json_schema,
                               const char *path)
{
    struct schema schema = {.ask = ask, .path = path, .root = value, .json_schema = json_schema};
    size_t length = 0;
    schema.document = yyjson_mut_doc_new(NULL);
    if (schema.document == NULL)
        return ERROR_MEMORY;
    node *made = json_schema ? mend(&schema, value) : reduce(&schema, value, false);
    yyjson_write_err problem = {0};
    char *bytes = schema.error == ERROR_OK
                      ? yyjson_mut_val_write_opts(made, 0, NULL, &length, &problem)
                      : NULL;
    if (bytes != NULL)
        json_raw(ask->body, text_of(bytes, length));
    else if (problem.code == YYJSON_WRITE_ERROR_INVALID_STRING)
        refuse(&schema, "has a text in it that is not UTF-8");
    else if (schema.error == ERROR_OK)
        schema.error = ERROR_MEMORY;
    free(bytes);
    yyjson_mut_doc_free(schema.document);
    return schema.error;
}
