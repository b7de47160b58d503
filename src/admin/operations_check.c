/* What is said of a member becomes a value, or a refusal that says what to write instead. */
#include "admin/moment.h"
#include "admin/operations_parts.h"
#include "base/clock.h"
#include "base/number.h"
#include "openai/scan.h"
#include "policy/rules.h"
#include "store/keys.h"

/* What is said, cut to what a message can bear. */
static struct text shown(struct text text)
{
    return text_first(text, OPERATIONS_SHOWN_MAX);
}

/* ------------------------------------------------------------------ which members */

bool operations_check_required(struct operations *operations, const struct object_change *wanted)
{
    for (unsigned i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        if (row->kind != wanted->kind ||
            (row->use != OBJECT_USE_REQUIRED && row->use != OBJECT_USE_CREATE_REQUIRED))
            continue;
        const struct object_value *value = &wanted->values[i];
        if (value->presence != OBJECT_SET || text_empty(value->text))
            return operations_refuse_member(
                operations, ADMIN_PROBLEM_MISSING, (enum object_member)i, "the %s needs its %.*s",
                object_kinds[wanted->kind].singular.data, TEXT_ARG(row->name));
    }
    return true;
}

bool operations_check_editable(struct operations *operations, const struct object_change *changes)
{
    for (unsigned i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        if (row->kind != changes->kind || changes->values[i].presence == OBJECT_ABSENT)
            continue;
        if (row->use == OBJECT_USE_CREATE || row->use == OBJECT_USE_CREATE_REQUIRED)
            return operations_refuse_member(operations, ADMIN_PROBLEM_FIXED, (enum object_member)i,
                                            "%.*s cannot be changed; make a new %s instead",
                                            TEXT_ARG(row->name),
                                            object_kinds[changes->kind].singular.data);
    }
    return true;
}

/* ------------------------------------------------------------------ texts */

/* Also those of U+0080 to U+009F: to some terminals U+009B is the start of an order. */
static bool has_control(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        unsigned char next = i + 1 < text.length ? (unsigned char)text.data[i + 1] : 0;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
            return true;
    }
    return false;
}

bool operations_check_words(struct operations *operations, const char *field, struct text text,
                            size_t maximum)
{
    bool clean = scan_is_utf8(text) && !has_control(text);
    if (clean && text.length <= maximum)
        return true;
    return operations_refuse(operations, ADMIN_PROBLEM_INVALID, field,
                             "%s takes at most %zu bytes of UTF-8 without control characters%s",
                             field, maximum, clean ? "" : ", and this has others");
}

bool operations_check_text(struct operations *operations, const struct object_change *change,
                           enum object_member member, size_t maximum, struct text *out)
{
    const struct object_value *value = &change->values[member];
    if (value->presence == OBJECT_ABSENT)
        return true;
    if (!operations_check_words(operations, object_members[member].name.data, value->text, maximum))
        return false;
    *out = value->presence == OBJECT_NULL ? TEXT("") : value->text;
    return true;
}

bool operations_check_flag(struct operations *operations, const struct object_change *change,
                           enum object_member member, bool *out)
{
    const struct object_value *value = &change->values[member];
    if (value->presence == OBJECT_ABSENT)
        return true;
    *out = value->presence == OBJECT_SET && text_equal(value->text, TEXT("true"));
    return true;
}

bool operations_check_moment(struct operations *operations, const struct object_change *change,
                             enum object_member member, uint64_t *out)
{
    const struct object_value *value = &change->values[member];
    if (value->presence == OBJECT_ABSENT)
        return true;
    if (value->presence == OBJECT_NULL) {
        *out = 0;
        return true;
    }
    if (moment_parse(value->text, operations_now(operations), out))
        return true;
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                    "'%.*s' is no time: write " MOMENT_FORMS,
                                    TEXT_ARG(shown(value->text)));
}

bool operations_check_duration(struct operations *operations, const struct object_change *change,
                               enum object_member member, uint64_t *out)
{
    const struct object_value *value = &change->values[member];
    uint64_t milliseconds;
    if (value->presence != OBJECT_SET)
        return true;
    if (number_parse_duration(value->text, &milliseconds) &&
        milliseconds <= INT64_MAX / NANOSECONDS_PER_MILLISECOND) {
        *out = milliseconds * NANOSECONDS_PER_MILLISECOND;
        return true;
    }
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                    "'%.*s' is no duration: write 30s, 1m, 12h or 30d",
                                    TEXT_ARG(shown(value->text)));
}

bool operations_check_mode(struct operations *operations, const struct object_change *change,
                           enum object_member member, struct text *out)
{
    const struct object_value *value = &change->values[member];
    enum policy_mode mode = POLICY_ENFORCE;
    if (value->presence == OBJECT_ABSENT)
        return true;
    if (value->presence == OBJECT_SET && !policy_mode_from(value->text, &mode))
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                        "'%.*s' is no mode: write enforce or observe",
                                        TEXT_ARG(shown(value->text)));
    *out = text_from(policy_mode_name(mode));
    return true;
}

/* ------------------------------------------------------------------ lists */

/* A JSON text into the arena. */
static bool keep_json(struct operations *operations, struct buffer *json, struct text *out)
{
    *out = json->failed ? text_of(NULL, 0) : arena_copy(operations->arena, buffer_text(json));
    buffer_close(json);
    return out->data != NULL || operations_no_memory(operations);
}

static bool check_patterns(struct operations *operations, enum object_member member,
                           const struct object_value *value)
{
    const char *field = object_members[member].name.data;
    if (value->count > OBJECT_ITEMS_MAX)
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                        "at most %u patterns are allowed", OBJECT_ITEMS_MAX);
    for (size_t i = 0; i < value->count; i++) {
        if (text_empty(value->items[i].value))
            return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                            "an empty text is no model: write a name or a pattern "
                                            "such as 'gpt-*'");
        if (!operations_check_words(operations, field, value->items[i].value, KEYS_NAME_MAX))
            return false;
    }
    return true;
}

bool operations_check_models(struct operations *operations, const struct object_change *change,
                             enum object_member member, struct text *out)
{
    const struct object_value *value = &change->values[member];
    struct buffer json;
    struct json_writer writer;
    if (value->presence == OBJECT_ABSENT)
        return true;
    if (value->presence == OBJECT_NULL) {
        *out = TEXT("");
        return true;
    }
    if (!check_patterns(operations, member, value))
        return false;
    buffer_open(&json, OPERATIONS_JSON_MAX);
    json_open(&writer, &json);
    json_begin_array(&writer);
    for (size_t i = 0; i < value->count; i++)
        json_text(&writer, value->items[i].value);
    json_end_array(&writer);
    return keep_json(operations, &json, out);
}

static int compare_items(const void *a, const void *b)
{
    return text_compare(((const struct object_item *)a)->name,
                        ((const struct object_item *)b)->name);
}

/* Names and values, and no name twice; `items` are sorted. */
static bool check_pairs(struct operations *operations, enum object_member member,
                        const struct object_item *items, size_t count)
{
    const char *field = object_members[member].name.data;
    for (size_t i = 0; i < count; i++) {
        if (text_empty(items[i].name) || text_find_char(items[i].name, '=') >= 0)
            return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                            "the name of a tag is a text without '=', and is not "
                                            "empty");
        if (!operations_check_words(operations, field, items[i].name, KEYS_NAME_MAX) ||
            !operations_check_words(operations, field, items[i].value, KEYS_TAGS_MAX))
            return false;
        if (i > 0 && text_equal(items[i - 1].name, items[i].name))
            return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                            "the tag '%.*s' is given twice",
                                            TEXT_ARG(shown(items[i].name)));
    }
    return true;
}

bool operations_check_tags(struct operations *operations, const struct object_change *change,
                           enum object_member member, struct text *out)
{
    const struct object_value *value = &change->values[member];
    struct object_item items[OBJECT_ITEMS_MAX];
    struct buffer json;
    struct json_writer writer;
    if (value->presence == OBJECT_ABSENT)
        return true;
    if (value->count == 0) {
        *out = TEXT("");
        return true;
    }
    if (value->count > OBJECT_ITEMS_MAX)
        return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                        "the tags of a key take at most %u bytes", KEYS_TAGS_MAX);
    memcpy(items, value->items, value->count * sizeof *items);
    qsort(items, value->count, sizeof *items, compare_items);
    if (!check_pairs(operations, member, items, value->count))
        return false;
    buffer_open(&json, OPERATIONS_JSON_MAX);
    json_open(&writer, &json);
    json_begin_object(&writer);
    for (size_t i = 0; i < value->count; i++) {
        json_key(&writer, items[i].name);
        json_text(&writer, items[i].value);
    }
    json_end_object(&writer);
    size_t length = json.length;
    if (!keep_json(operations, &json, out))
        return false;
    if (length <= KEYS_TAGS_MAX)
        return true;
    return operations_refuse_member(operations, ADMIN_PROBLEM_INVALID, member,
                                    "the tags of a key take at most %u bytes together, and these "
                                    "are %zu",
                                    KEYS_TAGS_MAX, length);
}

/* ------------------------------------------------------------------ writing */

void operations_write_begin(struct operations_writer *writer)
{
    buffer_open(&writer->buffer, OPERATIONS_JSON_MAX);
    json_open(&writer->json, &writer->buffer);
    json_begin_object(&writer->json);
}

bool operations_write_end(struct operations *operations, struct operations_writer *writer,
                          struct text *out)
{
    json_end_object(&writer->json);
    return keep_json(operations, &writer->buffer, out);
}

void operations_write_hand(struct operations_writer *writer,
                           void (*found)(void *context, struct text json), void *context)
{
    json_end_object(&writer->json);
    if (!writer->buffer.failed)
        found(context, buffer_text(&writer->buffer));
    buffer_close(&writer->buffer);
}

void operations_write_duration(struct json_writer *writer, const char *name, uint64_t duration)
{
    static const struct {
        uint64_t length;
        const char *unit;
    } units[] = {{86400 * NANOSECONDS_PER_SECOND, "d"},
                 {3600 * NANOSECONDS_PER_SECOND, "h"},
                 {60 * NANOSECONDS_PER_SECOND, "m"},
                 {NANOSECONDS_PER_SECOND, "s"},
                 {NANOSECONDS_PER_MILLISECOND, "ms"}};
    char text[NUMBER_DIGITS_MAX + 4];
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (duration % units[i].length != 0)
            continue;
        (void)snprintf(text, sizeof text, "%llu%s",
                       (unsigned long long)(duration / units[i].length), units[i].unit);
        json_member_text(writer, name, text_from(text));
        return;
    }
    json_member_text(writer, name, text_of(NULL, 0));
}

void operations_write_name(struct json_writer *writer, const char *name, struct text value)
{
    json_member_text(writer, name, text_empty(value) ? text_of(NULL, 0) : value);
}

void operations_write_moment(struct json_writer *writer, const char *name, uint64_t time)
{
    char text[CLOCK_RFC3339_SIZE];
    json_key(writer, text_from(name));
    if (time == 0)
        json_null(writer);
    else
        json_text(writer, text_of(text, clock_format_rfc3339(time, text)));
}

void operations_write_json(struct json_writer *writer, const char *name, struct text json,
                           struct text otherwise)
{
    json_key(writer, text_from(name));
    json_raw(writer, text_empty(json) ? otherwise : json);
}
