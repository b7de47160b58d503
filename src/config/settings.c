/* The document is walked along the table: a row says what may stand at a key, its binding where the
 * value goes. Sections that are not written are walked too, so that their defaults are filled in.
 */
#include "config/settings.h"

#include "base/ensure.h"
#include "config/value.h"
#include "tables/config.h"

struct binding {
    size_t offset;       /* of the value in its parent's structure */
    size_t count_offset; /* maps and lists: of the number of elements */
    size_t element_size; /* maps and lists; every element begins with a settings_entry */
};

static const struct binding bindings[] = {
#define AT(structure, member)                    \
    {                                            \
        offsetof(struct structure, member), 0, 0 \
    }
#define MANY(structure, member, count, element)                                \
    {                                                                          \
        offsetof(struct structure, member), offsetof(struct structure, count), \
            sizeof(struct element)                                             \
    }
#define NONE    \
    {           \
        0, 0, 0 \
    }
#define CONFIG(path, type, binding, standard, minimum, maximum, detail, flags, description) binding,
#include "tables/config.def"
#undef CONFIG
};

static void read_node(struct settings_reader *reader, const struct document_node *node, size_t key,
                      char *parent);

static bool is_numeric(enum config_type type)
{
    return type == CONFIG_TYPE_COUNT || type == CONFIG_TYPE_SIZE || type == CONFIG_TYPE_DURATION ||
           type == CONFIG_TYPE_PERCENT;
}

static void report_unknown(struct settings_reader *reader, size_t section,
                           const struct document_node *node)
{
    struct text nearest = config_key_nearest(section, node->key);
    if (text_empty(nearest))
        report_error(reader->report, node->key_place, "unknown key");
    else
        report_error(reader->report, node->key_place, "unknown key; did you mean \"%.*s\"?",
                     TEXT_ARG(nearest));
}

static void fill_default(struct settings_reader *reader, size_t key, char *parent)
{
    const struct config_key *row = &config_keys[key];
    void *value = parent + bindings[key].offset;
    struct document_node standard = {.kind = DOCUMENT_SCALAR, .plain = true};
    standard.scalar = text_from(row->standard);
    if (row->type == CONFIG_TYPE_SECTION) {
        static const struct document_node empty = {.kind = DOCUMENT_MAPPING};
        read_node(reader, &empty, key, parent);
    } else if (is_numeric(row->type)) {
        *(uint64_t *)value = SETTINGS_UNSET;
        if (config_key_has_default(key))
            value_read_number(reader, &standard, key, value);
    } else if (config_key_has_default(key)) {
        value_read(reader, &standard, key, value);
        ((struct settings_value *)value)->node = NULL;
    }
}

static void read_section(struct settings_reader *reader, const struct document_node *node,
                         size_t section, char *out)
{
    for (const struct document_node *child = node->first; child; child = child->next) {
        size_t mark = report_enter(reader->report, child->key);
        size_t key = config_key_find(section, child->key);
        if (key == CONFIG_NO_KEY)
            report_unknown(reader, section, child);
        else
            read_node(reader, child, key, out);
        report_leave(reader->report, mark);
    }
    size_t key = config_key_next(section, CONFIG_NO_KEY);
    for (; key != CONFIG_NO_KEY; key = config_key_next(section, key)) {
        struct text name = config_key_name(key);
        if (document_find(node, name))
            continue;
        if (config_keys[key].flags & CONFIG_FLAG_REQUIRED)
            report_error(reader->report, node->key_place.line ? node->key_place : node->place,
                         "\"%.*s\" is missing (%s)", TEXT_ARG(name), config_keys[key].description);
        else
            fill_default(reader, key, out);
    }
}

/* Maps and lists: an array of elements, each a section or a scalar at its own binding. */
static void read_elements(struct settings_reader *reader, const struct document_node *node,
                          size_t key, char *parent)
{
    const struct config_key *row = &config_keys[key];
    const struct binding *binding = &bindings[key];
    bool map = row->type == CONFIG_TYPE_MAP;
    size_t element_key = config_key_find(key, map ? TEXT("*") : TEXT("[]"));
    char *elements = arena_take_zeroed(reader->scratch, node->count * binding->element_size);
    if (!elements) {
        report_error(reader->report, node->place, "out of memory");
        return;
    }
    *(void **)(parent + binding->offset) = elements;
    *(size_t *)(parent + binding->count_offset) = node->count;
    size_t index = 0;
    for (const struct document_node *child = node->first; child; child = child->next, index++) {
        char *element = elements + index * binding->element_size;
        struct settings_entry *entry = (struct settings_entry *)element;
        size_t mark = map ? report_enter(reader->report, child->key)
                          : report_enter_item(reader->report, index);
        *entry = (struct settings_entry){child->key, child};
        if (map)
            value_check_name(reader, child, row->detail);
        read_node(reader, child, element_key, element);
        report_leave(reader->report, mark);
    }
}

static void read_collection(struct settings_reader *reader, const struct document_node *node,
                            size_t key, char *parent)
{
    struct document_node empty = {
        .kind = DOCUMENT_MAPPING, .place = node->place, .key_place = node->key_place};
    const struct config_key *row = &config_keys[key];
    enum document_kind kind = row->type == CONFIG_TYPE_LIST ? DOCUMENT_SEQUENCE : DOCUMENT_MAPPING;
    bool required = row->flags & CONFIG_FLAG_REQUIRED;
    /* "limits:" with every line below it commented out is as good as no such key. */
    bool nothing = document_is_null(node) && !required;
    if (node->kind != kind && !nothing)
        value_report_mismatch(reader, node, key);
    else if (required && node->count == 0)
        report_error(reader->report, node->place, "it is empty (%s)", row->description);
    else if (row->type == CONFIG_TYPE_SECTION)
        read_section(reader, nothing ? &empty : node, key, parent + bindings[key].offset);
    else if (!nothing)
        read_elements(reader, node, key, parent);
}

static void read_node(struct settings_reader *reader, const struct document_node *node, size_t key,
                      char *parent)
{
    enum config_type type = config_keys[key].type;
    void *value = parent + bindings[key].offset;
    if (type == CONFIG_TYPE_SECTION || type == CONFIG_TYPE_MAP || type == CONFIG_TYPE_LIST)
        read_collection(reader, node, key, parent);
    else if (is_numeric(type))
        value_read_number(reader, node, key, value);
    else
        value_read(reader, node, key, value);
}

void settings_read(struct settings_reader *reader, const struct document_node *root,
                   struct settings *settings)
{
    ensure(ARRAY_LENGTH(bindings) == config_key_count);
    *settings = (struct settings){0};
    read_section(reader, root, CONFIG_TOP, (char *)settings);
}

struct report_place settings_place(const struct settings_value *value,
                                   const struct settings_entry *entry)
{
    if (value && value->node)
        return value->node->place;
    if (entry && entry->node)
        return entry->node->key_place.line ? entry->node->key_place : entry->node->place;
    return (struct report_place){0};
}
