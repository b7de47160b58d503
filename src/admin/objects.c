#include "admin/objects.h"

#include "base/ensure.h"

#define NAME_SHOWN_MAX 60u /* of an unknown member */
#define DEPTH_MAX      8u  /* of a JSON value; ours have two levels */

const struct object_kind_row object_kinds[OBJECT_KIND_COUNT] = {
#define KIND(name, singular, plural) [OBJECT_##name] = {TEXT_INIT(singular), TEXT_INIT(plural)},
#define MEMBER(kind, name, type, use, description)
#include "admin/objects.def"
#undef KIND
#undef MEMBER
};

const struct object_member_row object_members[OBJECT_MEMBER_COUNT] = {
#define KIND(name, singular, plural)
#define MEMBER(kind, name, type, use, description) \
    {OBJECT_##kind, TEXT_INIT(#name), OBJECT_TYPE_##type, OBJECT_USE_##use, description},
#include "admin/objects.def"
#undef KIND
#undef MEMBER
};

/* ------------------------------------------------------------------ by hand */

void object_open(struct object_change *change, enum object_kind kind)
{
    *change = (struct object_change){.kind = kind};
}

static struct object_value *value_of(struct object_change *change, enum object_member member)
{
    ensure(member < OBJECT_MEMBER_COUNT && object_members[member].kind == change->kind);
    return &change->values[member];
}

void object_set_text(struct object_change *change, enum object_member member, struct text value)
{
    *value_of(change, member) = (struct object_value){.presence = OBJECT_SET, .text = value};
}

void object_set_flag(struct object_change *change, enum object_member member, bool value)
{
    object_set_text(change, member, value ? TEXT("true") : TEXT("false"));
}

void object_set_null(struct object_change *change, enum object_member member)
{
    *value_of(change, member) = (struct object_value){.presence = OBJECT_NULL};
}

void object_set_items(struct object_change *change, enum object_member member,
                      const struct object_item *items, size_t count)
{
    *value_of(change, member) =
        (struct object_value){.presence = OBJECT_SET, .items = items, .count = count};
}

bool object_says(const struct object_change *change, enum object_member member)
{
    return change->values[member].presence != OBJECT_ABSENT;
}

const struct object_member_row *object_find_member(enum object_kind kind, struct text name)
{
    for (size_t i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        if (object_members[i].kind == kind && text_equal(object_members[i].name, name))
            return &object_members[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------ from a document */

/* How a value of the type is described to whoever wrote something else. */
static const char *const type_words[] = {
    [OBJECT_TYPE_TEXT] = "a text",
    [OBJECT_TYPE_AMOUNT] = "an amount in USD such as 500 or \"0.25\"",
    [OBJECT_TYPE_COUNT] = "a whole number",
    [OBJECT_TYPE_FLAG] = "true or false",
    [OBJECT_TYPE_LIST] = "a list of texts",
    [OBJECT_TYPE_COUNTS] = "a list of whole numbers",
    [OBJECT_TYPE_PAIRS] = "a mapping of names to texts",
    [OBJECT_TYPE_MOMENT] = "a moment such as 2027-01-31T18:00:00Z",
};

static enum document_kind document_kind_of(enum object_type type)
{
    switch (type) {
    case OBJECT_TYPE_LIST:
    case OBJECT_TYPE_COUNTS: return DOCUMENT_SEQUENCE;
    case OBJECT_TYPE_PAIRS: return DOCUMENT_MAPPING;
    default: return DOCUMENT_SCALAR;
    }
}

static bool is_flag(const struct document_node *node)
{
    return node->plain &&
           (text_equal(node->scalar, TEXT("true")) || text_equal(node->scalar, TEXT("false")));
}

static const struct object_member_row *find_nearest(enum object_kind kind, struct text name)
{
    const struct object_member_row *nearest = NULL;
    size_t limit = name.length / 3 + 1, best = limit + 1;
    for (size_t i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        if (row->kind != kind || row->use == OBJECT_USE_READ)
            continue;
        size_t distance = text_edit_distance(row->name, name, limit);
        if (distance < best) {
            best = distance;
            nearest = row;
        }
    }
    return nearest;
}

static bool report_unknown(enum object_kind kind, const struct document_node *node,
                           struct report *report)
{
    const struct object_member_row *nearest = find_nearest(kind, node->key);
    report_error(report, node->key_place, "a %.*s has no member %s%s%.*s%s",
                 TEXT_ARG(object_kinds[kind].singular),
                 report_quote(text_first(node->key, NAME_SHOWN_MAX)),
                 nearest ? "; did you mean \"" : "",
                 TEXT_ARG(nearest ? nearest->name : text_of(NULL, 0)), nearest ? "\"?" : "");
    return false;
}

/* In JSON; a YAML document with a key twice is refused before. */
static bool report_twice(const struct document_node *node, struct report *report)
{
    report_error(report, node->key_place, "this member is there twice");
    return false;
}

static bool read_items(struct object_value *value, const struct document_node *node,
                       struct arena *arena, struct report *report)
{
    if (node->count > OBJECT_ITEMS_MAX) {
        report_error(report, node->place, "at most %u are allowed", OBJECT_ITEMS_MAX);
        return false;
    }
    struct object_item *items = arena_take(arena, node->count * sizeof *items);
    if (items == NULL) {
        report_error(report, node->place, "out of memory");
        return false;
    }
    for (const struct document_node *child = node->first; child != NULL; child = child->next) {
        if (child->kind != DOCUMENT_SCALAR || document_is_null(child)) {
            report_error(report, child->place, "expected a text here");
            return false;
        }
        items[value->count++] = (struct object_item){child->key, child->scalar};
    }
    value->items = items;
    return true;
}

static bool read_value(struct object_value *value, const struct object_member_row *row,
                       const struct document_node *node, struct arena *arena, struct report *report)
{
    if (document_is_null(node)) {
        value->presence = OBJECT_NULL;
        return true;
    }
    if (node->kind != document_kind_of(row->type) ||
        (row->type == OBJECT_TYPE_FLAG && !is_flag(node))) {
        report_error(report, node->place, "expected %s", type_words[row->type]);
        return false;
    }
    value->presence = OBJECT_SET;
    if (node->kind != DOCUMENT_SCALAR)
        return read_items(value, node, arena, report);
    value->text = node->scalar;
    return true;
}

bool object_read(struct object_change *change, enum object_kind kind,
                 const struct document_node *mapping, struct arena *arena, struct report *report)
{
    bool good = true;
    object_open(change, kind);
    if (mapping->kind != DOCUMENT_MAPPING) {
        report_error(report, mapping->place, "expected the members of a %.*s, \"name: value\"",
                     TEXT_ARG(object_kinds[kind].singular));
        return false;
    }
    for (const struct document_node *node = mapping->first; node != NULL; node = node->next) {
        const struct object_member_row *row = object_find_member(kind, node->key);
        size_t mark = report_enter(report, node->key);
        if (row == NULL)
            good = report_unknown(kind, node, report);
        else if (object_says(change, (enum object_member)(row - object_members)))
            good = report_twice(node, report);
        else if (row->use != OBJECT_USE_READ || text_equal(row->name, TEXT("id")))
            good &= read_value(&change->values[row - object_members], row, node, arena, report);
        report_leave(report, mark);
    }
    return good;
}

/* ------------------------------------------------------------------ from JSON */

static struct document_node *node_from_json(yyjson_val *value, struct arena *arena, unsigned depth);

static bool add_child(struct document_node *parent, yyjson_val *key, yyjson_val *value,
                      struct arena *arena, unsigned depth)
{
    struct document_node *node = node_from_json(value, arena, depth);
    if (node == NULL)
        return false;
    if (key != NULL) {
        node->key = arena_copy(arena, text_of(yyjson_get_str(key), yyjson_get_len(key)));
        if (node->key.data == NULL)
            return false;
    }
    *(parent->last ? &parent->last->next : &parent->first) = node;
    parent->last = node;
    parent->count++;
    return true;
}

static bool add_children(struct document_node *parent, yyjson_val *value, struct arena *arena,
                         unsigned depth)
{
    size_t index, count;
    yyjson_val *key, *child;
    if (parent->kind == DOCUMENT_MAPPING) {
        yyjson_obj_foreach(value, index, count, key, child)
        {
            if (!add_child(parent, key, child, arena, depth))
                return false;
        }
    } else {
        yyjson_arr_foreach(value, index, count, child)
        {
            if (!add_child(parent, NULL, child, arena, depth))
                return false;
        }
    }
    return true;
}

/* The words of a scalar. Numbers come raw; a floating-point one shows that the caller forgot. */
static struct text words_of(yyjson_val *value)
{
    ensure(!yyjson_is_num(value));
    if (yyjson_is_str(value))
        return text_of(yyjson_get_str(value), yyjson_get_len(value));
    if (yyjson_is_raw(value))
        return text_of(yyjson_get_raw(value), yyjson_get_len(value));
    if (yyjson_is_bool(value))
        return yyjson_get_bool(value) ? TEXT("true") : TEXT("false");
    return TEXT("null");
}

static struct document_node *node_from_json(yyjson_val *value, struct arena *arena, unsigned depth)
{
    struct document_node *node = arena_take_zeroed(arena, sizeof *node);
    if (node == NULL || depth == DEPTH_MAX)
        return NULL;
    if (yyjson_is_obj(value) || yyjson_is_arr(value)) {
        node->kind = yyjson_is_obj(value) ? DOCUMENT_MAPPING : DOCUMENT_SEQUENCE;
        return add_children(node, value, arena, depth + 1) ? node : NULL;
    }
    node->kind = DOCUMENT_SCALAR;
    node->plain = !yyjson_is_str(value);
    node->scalar = arena_copy(arena, words_of(value));
    return node->scalar.data != NULL ? node : NULL;
}

struct document_node *object_document_from_json(yyjson_val *value, struct arena *arena)
{
    return node_from_json(value, arena, 0);
}
