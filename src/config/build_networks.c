/* Names for networks: each range belongs to one, and an address is in the network whose range is
 * the longest that has it. */
#include "config/build.h"
#include "identity/network.h"

/* ---- one range ---- */

static bool is_unix(struct text t)
{
    return text_equal(t, TEXT(CONFIG_NETWORK_UNIX));
}

static void report_bits(struct settings_reader *reader, const struct settings_value *value,
                        const struct network *network)
{
    char text[NETWORK_TEXT_SIZE];
    (void)network_format(network, text);
    report_error(reader->report, settings_place(value, NULL),
                 "%s has bits set behind its length; did you mean \"%s\"?",
                 report_quote(value->text), text);
}

/* ---- the networks ---- */

/* All ranges of all networks side by side, and whose each one is. */
struct ranges {
    struct network *networks;
    const struct settings_value **values;
    uint32_t *owners; /* index in config->networks */
    size_t count;
};

static void read_range(struct settings_reader *reader, const struct settings_value *value,
                       size_t owner, struct ranges *ranges)
{
    struct network *network = &ranges->networks[ranges->count];
    if (text_empty(value->text))
        return; /* reported already */
    enum error error = network_parse(value->text, network);
    if (error == ERROR_ARGUMENT)
        report_bits(reader, value, network);
    else if (error != ERROR_OK)
        report_error(reader->report, settings_place(value, NULL),
                     "%s is not a network: \"10.0.0.0/8\", \"2001:db8::/32\" or one address",
                     report_quote(value->text));
    if (error != ERROR_OK)
        return;
    ranges->values[ranges->count] = value;
    ranges->owners[ranges->count++] = (uint32_t)owner;
}

static void read_ranges(struct settings_reader *reader, const struct settings_network *from,
                        size_t owner, struct ranges *ranges)
{
    size_t list = report_enter(reader->report, TEXT("ranges"));
    for (size_t i = 0; i < from->range_count; i++) {
        size_t mark = report_enter_item(reader->report, i);
        read_range(reader, &from->ranges[i].value, owner, ranges);
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
}

/* A name that could be taken for an address, or for callers on unix sockets, would be. */
static void check_name(struct settings_reader *reader, const struct settings_network *from)
{
    struct network network;
    struct report_place place = settings_place(NULL, &from->entry);
    if (is_unix(from->entry.name))
        report_error(reader->report, place,
                     "callers on a unix socket are called so; choose another name");
    else if (network_parse(from->entry.name, &network) != ERROR_SYNTAX)
        report_error(reader->report, place,
                     "this name could be taken for an address; choose another");
}

/* `index` of `ranges` is equal to the earlier one `first`. */
static void report_equal(struct settings_reader *reader, const struct config *config,
                         const struct ranges *ranges, size_t index, size_t first)
{
    const struct config_network *owner = &config->networks[ranges->owners[index]];
    const struct config_network *other = &config->networks[ranges->owners[first]];
    size_t mark = report_enter(reader->report, owner->name);
    report_enter(reader->report, TEXT("ranges"));
    struct report_place place = settings_place(ranges->values[index], NULL);
    unsigned line = settings_place(ranges->values[first], NULL).line;
    if (owner == other)
        report_error(reader->report, place, "%s is in this list already, in line %u",
                     report_quote(ranges->values[index]->text), line);
    else
        report_error(reader->report, place,
                     "%s belongs to network \"%.*s\" already (line %u), and an address has one "
                     "network: take one of the two out, or write a narrower range",
                     report_quote(ranges->values[index]->text), TEXT_ARG(other->name), line);
    report_leave(reader->report, mark);
}

/* The table finds the most specific range, so it finds each range itself, or its equal before. */
static void check_equals(struct settings_reader *reader, const struct config *config,
                         const struct ranges *ranges)
{
    uint32_t *indices = build_array(reader, ranges->count, sizeof(*indices));
    if (!indices)
        return;
    for (size_t i = 0; i < ranges->count; i++)
        indices[i] = (uint32_t)i;
    struct network_table *table = network_table_create(ranges->networks, indices, ranges->count);
    for (size_t i = 0; table && i < ranges->count; i++) {
        uint32_t first = network_table_find(table, &ranges->networks[i]);
        if (first != i)
            report_equal(reader, config, ranges, i, first);
    }
    network_table_free(table);
}

static void release_table(void *table)
{
    network_table_free(table);
}

static void make_table(struct settings_reader *reader, struct config *config,
                       const struct ranges *ranges)
{
    struct network_table *table =
        network_table_create(ranges->networks, ranges->owners, ranges->count);
    if (!config_memory_keep(reader->memory, table, release_table))
        report_error(reader->report, (struct report_place){0}, "out of memory");
    else
        config->network_table = table;
}

void build_networks(struct settings_reader *reader, const struct settings *settings,
                    struct config *config)
{
    struct ranges ranges = {0};
    size_t count = 0;
    for (size_t i = 0; i < settings->network_count; i++)
        count += settings->networks[i].range_count;
    struct config_network *networks =
        build_array(reader, settings->network_count, sizeof(*networks));
    ranges.networks = build_array(reader, count, sizeof(*ranges.networks));
    ranges.values = build_array(reader, count, sizeof(struct settings_value *));
    ranges.owners = build_array(reader, count, sizeof(*ranges.owners));
    if (!networks || !ranges.networks || !ranges.values || !ranges.owners || count == 0)
        return;
    config->networks = networks;
    config->network_count = settings->network_count;
    size_t top = report_enter(reader->report, TEXT("networks"));
    for (size_t i = 0; i < settings->network_count; i++) {
        const struct settings_network *from = &settings->networks[i];
        size_t mark = report_enter(reader->report, from->entry.name), before = ranges.count;
        networks[i].name = arena_copy(&reader->memory->arena, from->entry.name);
        networks[i].contact = from->contact.text;
        check_name(reader, from);
        read_ranges(reader, from, i, &ranges);
        networks[i].ranges = &ranges.networks[before];
        networks[i].range_count = ranges.count - before;
        report_leave(reader->report, mark);
    }
    check_equals(reader, config, &ranges);
    report_leave(reader->report, top);
    make_table(reader, config, &ranges);
}

/* ---- who names them ---- */

static void report_unknown(struct settings_reader *reader, const struct config *config,
                           const struct settings_value *value)
{
    struct text nearest = config_nearest_network(config, value->text);
    if (text_empty(nearest))
        report_error(reader->report, settings_place(value, NULL),
                     "%s is not a network: \"10.0.0.0/8\", \"2001:db8::/32\", one address, "
                     "\"unix\", or a name from networks",
                     report_quote(value->text));
    else
        report_error(reader->report, settings_place(value, NULL),
                     "no network has the name %s; did you mean \"%.*s\"?",
                     report_quote(value->text), TEXT_ARG(nearest));
}

bool build_find_range(struct settings_reader *reader, const struct config *config,
                      const struct settings_value *value, struct build_range *out)
{
    *out = (struct build_range){.local = is_unix(value->text)};
    if (out->local)
        return true;
    out->named = config_find_network(config, value->text);
    if (out->named) {
        out->ranges = out->named->ranges;
        out->range_count = out->named->range_count;
        return true;
    }
    struct network *single = build_array(reader, 1, sizeof(*single));
    if (!single)
        return false;
    enum error error = network_parse(value->text, single);
    if (error == ERROR_ARGUMENT)
        report_bits(reader, value, single);
    else if (error != ERROR_OK)
        report_unknown(reader, config, value);
    out->ranges = single;
    out->range_count = 1;
    return error == ERROR_OK;
}
