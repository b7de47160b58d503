/* Each object is read as operations_list shows it; what can be set and is not at its default is
 * written. A key is called by its name where that names it, so that the file works elsewhere too.
 */
#include "admin/export.h"

#include "admin/operations_parts.h"
#include "base/ensure.h"

/* A live key, and whether its name names it. */
struct exported_key {
    struct text id, team, name;
    bool alone;         /* no other live key has the name */
    bool alone_in_team; /* … in its team */
};

struct exporting {
    struct operations *operations;
    enum export_form form;
    enum object_kind kind;
    struct buffer *out;   /* of one object, while it is written */
    struct text *objects; /* of this kind, in the arena */
    size_t object_count, object_room;
    struct exported_key *keys; /* by id, once all are known */
    size_t key_count, key_room;
    size_t members; /* of this object, written */
    bool failed;
};

/* ------------------------------------------------------------------ names of keys */

static void take_key(void *context, struct text json)
{
    struct exporting *exporting = context;
    struct exported_key key = {TEXT(""), TEXT(""), TEXT(""), true, true};
    struct text *const texts[] = {&key.id, &key.team, &key.name};
    yyjson_doc *document = yyjson_read(json.data, json.length, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(document);
    (void)json_get_text(root, "id", &key.id);
    (void)json_get_text(root, "team", &key.team);
    (void)json_get_text(root, "name", &key.name);
    exporting->failed |= !operations_keep(exporting->operations, texts, ARRAY_LENGTH(texts));
    yyjson_doc_free(document);
    if (exporting->key_count == exporting->key_room) {
        exporting->key_room = exporting->key_room ? exporting->key_room * 2 : 64;
        exporting->keys = ensure_memory(
            reallocarray(exporting->keys, exporting->key_room, sizeof *exporting->keys));
    }
    exporting->keys[exporting->key_count++] = key;
}

static int compare_ids(const void *a, const void *b)
{
    return text_compare(((const struct exported_key *)a)->id, ((const struct exported_key *)b)->id);
}

static int compare_names(const void *a, const void *b)
{
    const struct exported_key *left = a, *right = b;
    int order = text_compare(left->name, right->name);
    return order != 0 ? order : text_compare(left->team, right->team);
}

/* Neighbours of one name are not alone. */
static void mark_keys(struct exporting *exporting)
{
    struct exported_key *keys = exporting->keys;
    if (exporting->key_count == 0)
        return;
    qsort(keys, exporting->key_count, sizeof *keys, compare_names);
    for (size_t i = 1; i < exporting->key_count; i++) {
        if (!text_equal(keys[i - 1].name, keys[i].name))
            continue;
        keys[i - 1].alone = keys[i].alone = false;
        if (text_equal(keys[i - 1].team, keys[i].team))
            keys[i - 1].alone_in_team = keys[i].alone_in_team = false;
    }
    qsort(keys, exporting->key_count, sizeof *keys, compare_ids);
}

static const struct exported_key *find_key(const struct exporting *exporting, struct text id)
{
    const struct exported_key wanted = {.id = id};
    if (exporting->key_count == 0)
        return NULL;
    return bsearch(&wanted, exporting->keys, exporting->key_count, sizeof wanted, compare_ids);
}

/* ------------------------------------------------------------------ values */

/* A word that YAML takes for nothing but a text. */
static bool is_plain_word(struct text text)
{
    static const struct text taken[] = {
        TEXT_INIT("true"), TEXT_INIT("false"), TEXT_INIT("null"), TEXT_INIT("yes"), TEXT_INIT("no"),
        TEXT_INIT("on"),   TEXT_INIT("off"),   TEXT_INIT("y"),    TEXT_INIT("n"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        if (text_equal_ignoring_case(text, taken[i]))
            return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool inner = (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/';
        if (!letter && (i == 0 || !inner))
            return false;
    }
    return text.length > 0;
}

static void write_yaml_text(struct buffer *out, struct text text)
{
    if (is_plain_word(text))
        buffer_append(out, text);
    else
        json_append_text(out, text);
}

static void write_scalar(struct buffer *out, yyjson_val *value, bool yaml)
{
    struct text text = yyjson_is_raw(value) ? text_of(yyjson_get_raw(value), yyjson_get_len(value))
                                            : text_of(yyjson_get_str(value), yyjson_get_len(value));
    if (yyjson_is_bool(value))
        buffer_append(out, yyjson_get_bool(value) ? TEXT("true") : TEXT("false"));
    else if (yyjson_is_null(value))
        buffer_append(out, TEXT("null"));
    else if (yyjson_is_raw(value))
        buffer_append(out, text);
    else if (yaml)
        write_yaml_text(out, text);
    else
        json_append_text(out, text);
}

/* In one line, in both forms. */
static void write_value(struct buffer *out, yyjson_val *value, bool yaml)
{
    size_t index, count;
    yyjson_val *key, *child;
    const char *gap = yaml ? ", " : ",";
    if (yyjson_is_arr(value)) {
        buffer_append_char(out, '[');
        yyjson_arr_foreach(value, index, count, child)
        {
            buffer_append(out, index > 0 ? text_from(gap) : TEXT(""));
            write_scalar(out, child, yaml);
        }
        buffer_append_char(out, ']');
    } else if (yyjson_is_obj(value)) {
        buffer_append_char(out, '{');
        yyjson_obj_foreach(value, index, count, key, child)
        {
            buffer_append(out, index > 0 ? text_from(gap) : TEXT(""));
            write_scalar(out, key, yaml);
            buffer_append(out, yaml ? TEXT(": ") : TEXT(":"));
            write_scalar(out, child, yaml);
        }
        buffer_append_char(out, '}');
    } else {
        write_scalar(out, value, yaml);
    }
}

/* ------------------------------------------------------------------ objects */

static const struct {
    enum object_member member;
    const char *value; /* as text */
} defaults[] = {
    {OBJECT_BUDGET_currency, "USD"}, {OBJECT_BUDGET_period, "rolling"},
    {OBJECT_BUDGET_timezone, "UTC"}, {OBJECT_BUDGET_mode, "enforce"},
    {OBJECT_LIMIT_mode, "enforce"},  {OBJECT_NETWORK_RULE_mode, "observe"},
};

static bool is_default(enum object_member member, yyjson_val *value)
{
    bool models = text_equal(object_members[member].name, TEXT("models"));
    if (value == NULL || yyjson_is_null(value) || yyjson_is_false(value))
        return true;
    if (yyjson_is_ctn(value) && yyjson_get_len(value) == 0)
        return !models && member != OBJECT_BUDGET_alerts;
    for (size_t i = 0; i < ARRAY_LENGTH(defaults); i++) {
        if (defaults[i].member == member && yyjson_equals_str(value, defaults[i].value))
            return true;
    }
    return false;
}

/* What stands before a member: in YAML the first of a list's object follows its dash. */
static void begin_member(struct exporting *exporting, struct text name)
{
    bool in_list = exporting->kind != OBJECT_ORGANISATION;
    bool first = exporting->members++ == 0;
    if (exporting->form == EXPORT_JSON) {
        buffer_append(exporting->out, first ? TEXT("") : TEXT(","));
        json_append_text(exporting->out, name);
        buffer_append_char(exporting->out, ':');
        return;
    }
    buffer_append(exporting->out, !in_list ? TEXT("  ") : first ? TEXT("  - ") : TEXT("    "));
    buffer_append_format(exporting->out, "%.*s: ", TEXT_ARG(name));
}

static void write_member(struct exporting *exporting, enum object_member member, yyjson_val *value)
{
    bool yaml = exporting->form == EXPORT_YAML;
    begin_member(exporting, object_members[member].name);
    if (member == OBJECT_BUDGET_key || member == OBJECT_LIMIT_key ||
        member == OBJECT_NETWORK_RULE_key) {
        struct text id = text_of(yyjson_get_str(value), yyjson_get_len(value));
        const struct exported_key *key = find_key(exporting, id);
        struct text shown = key != NULL && key->alone ? key->name : id;
        if (yaml)
            write_yaml_text(exporting->out, shown);
        else
            json_append_text(exporting->out, shown);
    } else {
        write_value(exporting->out, value, yaml);
    }
    if (yaml)
        buffer_append_char(exporting->out, '\n');
}

static bool is_exported(const struct exporting *exporting, enum object_member member,
                        yyjson_val *root, yyjson_val *value)
{
    struct text id;
    if (object_members[member].kind != exporting->kind)
        return false;
    if (member == OBJECT_KEY_id && json_get_text(root, "id", &id) == JSON_PRESENT) {
        const struct exported_key *key = find_key(exporting, id);
        return key != NULL && !key->alone_in_team;
    }
    return object_members[member].use != OBJECT_USE_READ && !is_default(member, value);
}

static void keep_object(struct exporting *exporting)
{
    struct text object = arena_copy(exporting->operations->arena, buffer_text(exporting->out));
    if (exporting->object_count == exporting->object_room) {
        exporting->object_room = exporting->object_room ? exporting->object_room * 2 : 64;
        exporting->objects = ensure_memory(
            reallocarray(exporting->objects, exporting->object_room, sizeof *exporting->objects));
    }
    if (object.data == NULL || exporting->out->failed)
        exporting->failed = !operations_no_memory(exporting->operations);
    else
        exporting->objects[exporting->object_count++] = object;
}

static void take_object(void *context, struct text json)
{
    struct exporting *exporting = context;
    yyjson_doc *document = yyjson_read(json.data, json.length, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(document);
    buffer_clear(exporting->out);
    exporting->members = 0;
    for (unsigned i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        enum object_member member = (enum object_member)i;
        yyjson_val *value = yyjson_obj_get(root, object_members[i].name.data);
        if (is_exported(exporting, member, root, value))
            write_member(exporting, member, value);
    }
    /* An organisation of which nothing was said is nothing. */
    if (exporting->members > 0)
        keep_object(exporting);
    yyjson_doc_free(document);
}

/* ------------------------------------------------------------------ the whole */

static int compare_objects(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static void write_kind_json(const struct exporting *exporting, struct buffer *out)
{
    bool alone = exporting->kind == OBJECT_ORGANISATION;
    buffer_append_char(out, alone ? '{' : ',');
    json_append_text(out, object_kinds[exporting->kind].plural);
    buffer_append(out, alone ? TEXT(":") : TEXT(":["));
    for (size_t i = 0; i < exporting->object_count; i++)
        buffer_append_format(out, "%s{%.*s}", i > 0 ? "," : "", TEXT_ARG(exporting->objects[i]));
    if (!alone)
        buffer_append_char(out, ']');
    else if (exporting->object_count == 0)
        buffer_append(out, TEXT("{}"));
}

static void write_kind_yaml(const struct exporting *exporting, struct buffer *out)
{
    if (exporting->object_count == 0)
        return;
    buffer_append_format(out, "%.*s:\n", TEXT_ARG(object_kinds[exporting->kind].plural));
    for (size_t i = 0; i < exporting->object_count; i++)
        buffer_append(out, exporting->objects[i]);
}

/* In an order that depends on nothing but what is said, so that two exports can be compared. */
static bool write_kind(struct exporting *exporting, enum object_kind kind, struct buffer *out)
{
    const struct operations_filter filter = {.live = true};
    exporting->kind = kind;
    exporting->object_count = 0;
    if (!operations_list(exporting->operations, kind, &filter, take_object, exporting) ||
        exporting->failed)
        return false;
    if (exporting->object_count > 1)
        qsort(exporting->objects, exporting->object_count, sizeof *exporting->objects,
              compare_objects);
    (exporting->form == EXPORT_JSON ? write_kind_json : write_kind_yaml)(exporting, out);
    return true;
}

bool export_write(struct operations *operations, enum export_form form, struct buffer *out)
{
    static const enum object_kind order[] = {OBJECT_ORGANISATION, OBJECT_TEAM,
                                             OBJECT_KEY,          OBJECT_BUDGET,
                                             OBJECT_LIMIT,        OBJECT_NETWORK_RULE};
    const struct operations_filter filter = {.live = true};
    struct buffer object;
    struct exporting exporting = {.operations = operations, .form = form, .out = &object};
    buffer_open(&object, OPERATIONS_JSON_MAX);
    bool good =
        operations_list(operations, OBJECT_KEY, &filter, take_key, &exporting) && !exporting.failed;
    mark_keys(&exporting);
    for (size_t i = 0; good && i < ARRAY_LENGTH(order); i++)
        good = write_kind(&exporting, order[i], out);
    if (form == EXPORT_JSON)
        buffer_append(out, TEXT("}\n"));
    free(exporting.keys);
    free(exporting.objects);
    buffer_close(&object);
    return good && (!out->failed || operations_no_memory(operations));
}
