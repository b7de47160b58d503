/* Invariants: stack[depth - 1] is the open collection; `key` is set exactly between a mapping's key
 * and its value. The first error ends the reading: what follows a broken structure is guesswork. */
#include "config/document.h"

#include <yaml.h>

#include "base/ensure.h"

struct reader {
    struct arena *arena;
    struct report *report;
    struct document_node *root;
    struct document_node *stack[DOCUMENT_DEPTH_MAXIMUM];
    size_t depth;
    size_t nodes;
    bool has_key;
    struct text key;
    struct report_place key_place;
    unsigned documents;
};

static struct report_place place_of(yaml_mark_t mark)
{
    return (struct report_place){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static bool refuse(struct reader *reader, struct report_place place, const char *reason)
{
    report_error(reader->report, place, "%s", reason);
    return false;
}

static bool out_of_memory(struct reader *reader)
{
    return refuse(reader, (struct report_place){0}, "out of memory");
}

static struct document_node *node_make(struct reader *reader, enum document_kind kind,
                                       struct report_place place)
{
    struct document_node *node = NULL;
    if (reader->nodes < DOCUMENT_NODES_MAXIMUM)
        node = arena_take_zeroed(reader->arena, sizeof(*node));
    if (!node) {
        refuse(reader, place, "the file has too many values");
        return NULL;
    }
    reader->nodes++;
    node->kind = kind;
    node->place = place;
    return node;
}

/* Puts the node where the reader stands. */
static void node_place(struct reader *reader, struct document_node *node)
{
    if (reader->depth == 0) {
        reader->root = node;
        return;
    }
    struct document_node *parent = reader->stack[reader->depth - 1];
    if (reader->has_key) {
        node->key = reader->key;
        node->key_place = reader->key_place;
        reader->has_key = false;
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->count++;
}

static bool expects_key(const struct reader *reader)
{
    return reader->depth > 0 && reader->stack[reader->depth - 1]->kind == DOCUMENT_MAPPING &&
           !reader->has_key;
}

static bool read_key(struct reader *reader, const yaml_event_t *event, struct text value)
{
    struct report_place place = place_of(event->start_mark);
    if (value.length > DOCUMENT_KEY_MAXIMUM)
        return refuse(reader, place, "a key is longer than 256 bytes");
    if (event->data.scalar.plain_implicit && text_equal(value, TEXT("<<")))
        return refuse(reader, place, "merge keys (<<) are not supported; write the values out");
    reader->key = arena_copy(reader->arena, value);
    if (!reader->key.data)
        return out_of_memory(reader);
    reader->key_place = place;
    reader->has_key = true;
    return true;
}

static bool read_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct report_place place = place_of(event->start_mark);
    struct text value = text_of((const char *)event->data.scalar.value, event->data.scalar.length);
    if (event->data.scalar.anchor)
        return refuse(reader, place, "anchors (&) are not supported; write the value out");
    if (event->data.scalar.tag)
        return refuse(reader, place, "tags (!) are not supported");
    if (expects_key(reader))
        return read_key(reader, event, value);
    if (value.length > DOCUMENT_SCALAR_MAXIMUM)
        return refuse(reader, place, "a value is longer than 8192 bytes");
    struct document_node *node = node_make(reader, DOCUMENT_SCALAR, place);
    if (!node)
        return false;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->scalar = arena_copy(reader->arena, value);
    if (!node->scalar.data)
        return out_of_memory(reader);
    node_place(reader, node);
    return true;
}

static bool read_start(struct reader *reader, const yaml_event_t *event, enum document_kind kind)
{
    struct report_place place = place_of(event->start_mark);
    bool mapping = kind == DOCUMENT_MAPPING;
    if (mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor)
        return refuse(reader, place, "anchors (&) are not supported; write the value out");
    if (mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag)
        return refuse(reader, place, "tags (!) are not supported");
    if (expects_key(reader))
        return refuse(reader, place, "a key must be a word, not a list or a mapping");
    if (reader->depth == DOCUMENT_DEPTH_MAXIMUM)
        return refuse(reader, place, "nested more than 16 deep");
    struct document_node *node = node_make(reader, kind, place);
    if (!node)
        return false;
    node_place(reader, node);
    reader->stack[reader->depth++] = node;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct document_node *left = *(const struct document_node *const *)a;
    const struct document_node *right = *(const struct document_node *const *)b;
    int order = text_compare(left->key, right->key);
    if (order != 0)
        return order;
    if (left->key_place.line != right->key_place.line)
        return left->key_place.line < right->key_place.line ? -1 : 1;
    return left->key_place.column < right->key_place.column ? -1 : 1;
}

/* Sorted, so that ten thousand names take no longer than they should. */
static bool check_repeated_keys(struct reader *reader, const struct document_node *mapping)
{
    if (mapping->count < 2)
        return true;
    const struct document_node **nodes = arena_take(reader->arena, mapping->count * sizeof(*nodes));
    if (!nodes)
        return out_of_memory(reader);
    size_t count = 0;
    for (const struct document_node *node = mapping->first; node; node = node->next)
        nodes[count++] = node;
    qsort(nodes, count, sizeof(*nodes), compare_keys);
    for (size_t i = 1; i < count; i++)
        if (text_equal(nodes[i - 1]->key, nodes[i]->key))
            report_error(reader->report, nodes[i]->key_place,
                         "key %s is written twice in one mapping, first in line %u",
                         report_quote(nodes[i]->key), nodes[i - 1]->key_place.line);
    return true;
}

static bool read_end(struct reader *reader)
{
    ensure(reader->depth > 0); /* libyaml ends only what it began */
    const struct document_node *node = reader->stack[--reader->depth];
    ensure(node);
    return node->kind != DOCUMENT_MAPPING || check_repeated_keys(reader, node);
}

static bool read_document_start(struct reader *reader, const yaml_event_t *event)
{
    struct report_place place = place_of(event->start_mark);
    if (++reader->documents > 1)
        return refuse(reader, place,
                      "a second document (---) begins here; one file is one document");
    if (event->data.document_start.tag_directives.start !=
        event->data.document_start.tag_directives.end)
        return refuse(reader, place, "%TAG directives are not supported");
    return true;
}

static bool read_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT: return read_document_start(reader, event);
    case YAML_ALIAS_EVENT:
        return refuse(reader, place_of(event->start_mark),
                      "aliases (*) are not supported; write the value out, and a pattern such as "
                      "\"*\" in quotes");
    case YAML_SCALAR_EVENT: return read_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT: return read_start(reader, event, DOCUMENT_SEQUENCE);
    case YAML_MAPPING_START_EVENT: return read_start(reader, event, DOCUMENT_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return read_end(reader);
    default: return true;
    }
}

/* libyaml gives bytes, not lines, for what is not text at all. */
static struct report_place place_of_offset(struct text yaml, size_t offset)
{
    struct report_place place = {1, 1};
    for (size_t i = 0; i < offset && i < yaml.length; i++) {
        unsigned char byte = (unsigned char)yaml.data[i];
        if (byte == '\n') {
            place.line++;
            place.column = 1;
        } else if ((byte & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

/* libyaml calls a tab in the indentation "a character that cannot start any token". */
static bool is_indented_by_tab(struct text yaml, unsigned number)
{
    struct text rest = yaml;
    struct text line = {0};
    for (unsigned i = 0; i < number && rest.data; i++)
        line = text_split(&rest, '\n');
    size_t i = 0;
    while (i < line.length && line.data[i] == ' ')
        i++;
    return i < line.length && line.data[i] == '\t';
}

static void report_parser(const yaml_parser_t *parser, struct text yaml, struct report *report)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        report_error(report, (struct report_place){0}, "out of memory");
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        report_error(report, place_of_offset(yaml, parser->problem_offset), "not text in UTF-8: %s",
                     parser->problem);
        return;
    }
    struct report_place place = place_of(parser->problem_mark);
    bool star = text_equal(text_from(parser->problem),
                           TEXT("did not find expected alphabetic or numeric character"));
    if (star)
        report_error(report, place, "a `*` or `&` outside quotes; write a pattern as \"*\"");
    else if (is_indented_by_tab(yaml, place.line))
        report_error(report, place, "a tab where YAML wants spaces; indent with spaces");
    else if (parser->context && parser->context_mark.line + 1 != place.line)
        report_error(report, place, "not valid YAML: %s, %s that began in line %zu",
                     parser->problem, parser->context, parser->context_mark.line + 1);
    else
        report_error(report, place, "not valid YAML: %s", parser->problem);
}

static bool read_events(struct reader *reader, yaml_parser_t *parser, struct text yaml)
{
    bool more = true;
    while (more) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            report_parser(parser, yaml, reader->report);
            return false;
        }
        bool good = read_event(reader, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (!good)
            return false;
    }
    return true;
}

struct document_node *document_read(struct text yaml, struct arena *arena, struct report *report)
{
    struct reader reader = {.arena = arena, .report = report};
    if (yaml.length > DOCUMENT_BYTES_MAXIMUM) {
        refuse(&reader, (struct report_place){0}, "the file is larger than 8 MiB");
        return NULL;
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        out_of_memory(&reader);
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(yaml.data ? yaml.data : ""),
                                 yaml.length);
    bool good = read_events(&reader, &parser, yaml);
    yaml_parser_delete(&parser);
    if (!good)
        return NULL;
    if (!reader.root || document_is_null(reader.root))
        return node_make(&reader, DOCUMENT_MAPPING, (struct report_place){1, 1});
    if (reader.root->kind != DOCUMENT_MAPPING) {
        refuse(&reader, reader.root->place, "expected \"key: value\" lines at the top of the file");
        return NULL;
    }
    return reader.root;
}

const struct document_node *document_find(const struct document_node *mapping, struct text key)
{
    const struct document_node *node = mapping->first;
    while (node && !text_equal(node->key, key))
        node = node->next;
    return node;
}

bool document_is_null(const struct document_node *node)
{
    static const struct text nulls[] = {TEXT_INIT(""), TEXT_INIT("~"), TEXT_INIT("null"),
                                        TEXT_INIT("Null"), TEXT_INIT("NULL")};
    for (size_t i = 0; node->kind == DOCUMENT_SCALAR && node->plain && i < ARRAY_LENGTH(nulls); i++)
        if (text_equal(node->scalar, nulls[i]))
            return true;
    return false;
}
