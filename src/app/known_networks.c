#include "app/known_networks.h"

#include "config/document.h"
#include "control/config_versions.h"

#define YAML_MAXIMUM  (DOCUMENT_BYTES_MAXIMUM + 131072u)
#define ARENA_MAXIMUM ((size_t)512 << 20) /* as of loading it */

static void look_at_ranges(const struct document_node *network, const struct network *address,
                           int *longest, char name[KNOWN_NETWORK_SIZE])
{
    const struct document_node *ranges =
        network->kind == DOCUMENT_MAPPING ? document_find(network, TEXT("ranges")) : NULL;
    for (const struct document_node *at = ranges ? ranges->first : NULL; at; at = at->next) {
        struct network range;
        if (network_parse(at->scalar, &range) != ERROR_OK || (int)range.length <= *longest ||
            !network_contains(&range, address))
            continue;
        *longest = (int)range.length;
        (void)text_copy_to(network->key, name, KNOWN_NETWORK_SIZE);
    }
}

/* What is done with the networks of a file; NULL: it has none. False: it fails. */
typedef bool (*network_visit)(void *context, const struct document_node *networks);

static bool visit_file(struct text yaml, network_visit visit, void *context)
{
    struct config_problems problems;
    struct report report;
    struct arena arena;
    config_problems_open(&problems);
    report_open(&report, &problems, yaml);
    arena_open(&arena, NULL, ARENA_MAXIMUM);
    const struct document_node *root = document_read(yaml, &arena, &report);
    bool good = root && visit(context, document_find(root, TEXT("networks")));
    arena_close(&arena);
    report_close(&report);
    config_problems_close(&problems);
    return good;
}

static bool visit_newest(const char *data, network_visit visit, void *context)
{
    struct config_version versions[CONFIG_VERSIONS_KEPT];
    struct buffer yaml;
    size_t count = 0;
    buffer_open(&yaml, YAML_MAXIMUM);
    bool good = config_versions_list(data, versions, &count) == ERROR_OK && count > 0 &&
                config_versions_read(data, versions[0].number, &yaml) == ERROR_OK &&
                visit_file(buffer_text(&yaml), visit, context);
    buffer_close(&yaml);
    return good;
}

struct search {
    const struct network *address;
    char *name; /* KNOWN_NETWORK_SIZE */
    int longest;
};

static bool search(void *context, const struct document_node *networks)
{
    struct search *search = context;
    for (const struct document_node *at = networks ? networks->first : NULL; at; at = at->next)
        look_at_ranges(at, search->address, &search->longest, search->name);
    return true;
}

void known_networks_find(const char *data, const struct network *address,
                         char name[KNOWN_NETWORK_SIZE])
{
    struct search wanted = {address, name, -1};
    name[0] = 0;
    (void)!visit_newest(data, search, &wanted);
}

struct names {
    struct arena *arena;
    const struct text *names;
    size_t count;
};

static bool take_names(void *context, const struct document_node *networks)
{
    struct names *taken = context;
    const struct document_node *first = networks ? networks->first : NULL;
    for (const struct document_node *at = first; at; at = at->next)
        taken->count++;
    struct text *names = arena_take(taken->arena, (taken->count + 1) * sizeof *names);
    bool good = names != NULL;
    size_t index = 0;
    for (const struct document_node *at = good ? first : NULL; at; at = at->next) {
        names[index] = arena_copy(taken->arena, at->key);
        good = good && names[index++].data != NULL;
    }
    taken->names = names;
    return good;
}

bool known_networks_list(const char *data, struct arena *arena, const struct text **names,
                         size_t *count)
{
    struct names taken = {.arena = arena};
    bool good = visit_newest(data, take_names, &taken);
    *names = good ? taken.names : NULL;
    *count = good ? taken.count : 0;
    return good;
}
