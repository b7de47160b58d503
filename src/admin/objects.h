/* objects: the one form of what is administered: organisation, team, key, budget, limit, admin key.
 *
 * What people or programs say about an object is a `struct object_change`: for each member whether
 * it was said, and the words, unchecked. It is made from a document (YAML or JSON, with places), a
 * JSON value, or option by option, and goes to admin/operations.h, which checks all of it. What is
 * shown of an object is JSON that operations.h writes, member by member as in objects.def, so that
 * it can be read again.
 *
 * Texts belong to whom they were taken from or to the arena that was passed. One thread at a time.
 */
#ifndef ADMIN_OBJECTS_H
#define ADMIN_OBJECTS_H

#include <yyjson.h>

#include "base/arena.h"
#include "config/document.h"
#include "config/report.h"

enum object_kind {
#define KIND(name, singular, plural) OBJECT_##name,
#define MEMBER(kind, name, type, use, description)
#include "admin/objects.def"
#undef KIND
#undef MEMBER
    OBJECT_KIND_COUNT
};

/* OBJECT_BUDGET_amount and so on: rows of objects.def. */
enum object_member {
#define KIND(name, singular, plural)
#define MEMBER(kind, name, type, use, description) OBJECT_##kind##_##name,
#include "admin/objects.def"
#undef KIND
#undef MEMBER
    OBJECT_MEMBER_COUNT
};

enum object_type {
    OBJECT_TYPE_TEXT,
    OBJECT_TYPE_AMOUNT,
    OBJECT_TYPE_COUNT,
    OBJECT_TYPE_FLAG,
    OBJECT_TYPE_LIST,
    OBJECT_TYPE_COUNTS,
    OBJECT_TYPE_PAIRS,
    OBJECT_TYPE_MOMENT
};

enum object_use {
    OBJECT_USE_REQUIRED,
    OBJECT_USE_OPTIONAL,
    OBJECT_USE_CREATE,
    OBJECT_USE_CREATE_REQUIRED,
    OBJECT_USE_READ
};

struct object_member_row {
    enum object_kind kind;
    struct text name;
    enum object_type type;
    enum object_use use;
    const char *description;
};

extern const struct object_member_row object_members[OBJECT_MEMBER_COUNT];

struct object_kind_row {
    struct text singular, plural;
};

extern const struct object_kind_row object_kinds[OBJECT_KIND_COUNT];

#define OBJECT_ITEMS_MAX 256u /* of one list; a list of models that long is a pattern waiting */

struct object_item {
    struct text name; /* of PAIRS; else empty */
    struct text value;
};

enum object_presence {
    OBJECT_ABSENT, /* nothing was said */
    OBJECT_NULL,   /* null was said: back to the default */
    OBJECT_SET
};

struct object_value {
    enum object_presence presence;
    struct text text; /* scalars: the words; a FLAG is "true" or "false" */
    const struct object_item *items;
    size_t count;
};

/* Indexed by `enum object_member`; only members of `kind` are ever set. */
struct object_change {
    enum object_kind kind;
    struct object_value values[OBJECT_MEMBER_COUNT];
};

/* An empty change. */
void object_open(struct object_change *change, enum object_kind kind);
void object_set_text(struct object_change *change, enum object_member member, struct text value);
void object_set_flag(struct object_change *change, enum object_member member, bool value);
void object_set_null(struct object_change *change, enum object_member member);
/* `items` must stay valid as long as the change. */
void object_set_items(struct object_change *change, enum object_member member,
                      const struct object_item *items, size_t count);
bool object_says(const struct object_change *change, enum object_member member);

/* Reads a mapping. Unknown members (with the nearest known one), wrong types and lists that are too
 * long are reported, all of them; false then. Members with the use READ are ignored, so that what
 * was shown can be handed back; but `id` is kept, for whoever wants to find the object by it. */
must_check bool object_read(struct object_change *change, enum object_kind kind,
                            const struct document_node *mapping, struct arena *arena,
                            struct report *report);
/* A JSON value as a document without places, for object_read. Parse with YYJSON_READ_NUMBER_AS_RAW,
 * so that amounts are not made floating point. NULL: it is nested too deep, or memory is short. */
must_check struct document_node *object_document_from_json(yyjson_val *value, struct arena *arena);

/* The row of the kind with that name, or NULL. */
const struct object_member_row *object_find_member(enum object_kind kind, struct text name);

#endif
