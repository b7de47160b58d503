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

static void look_at_file(struct text yaml, const struct network *address,
                         char name[KNOWN_NETWORK_SIZE])
{
    struct config_problems problems;
    struct report report;
    struct arena arena;
    int longest = -1;
    config_problems_open(&problems);
    report_open(&report, &problems, yaml);
    arena_open(&arena, NULL, ARENA_MAXIMUM);
    const struct document_node *root = document_read(yaml, &arena, &report);
    const struct document_node *networks = root ? document_find(root, TEXT("networks")) : NULL;
    for (const struct document_node *at = networks ? networks->first : NULL; at; at = at->next)
        look_at_ranges(at, address, &longest, name);
    arena_close(&arena);
    report_close(&report);
    config_problems_close(&problems);
}

void known_networks_find(const char *data, const struct network *address,
                         char name[KNOWN_NETWORK_SIZE])
{
    struct config_version versions[CONFIG_VERSIONS_KEPT];
    struct buffer yaml;
    size_t count = 0;
    name[0] = 0;
    buffer_open(&yaml, YAML_MAXIMUM);
    if (config_versions_list(data, versions, &count) == ERROR_OK && count > 0 &&
        config_versions_read(data, versions[0].number, &yaml) == ERROR_OK)
        look_at_file(buffer_text(&yaml), address, name);
    buffer_close(&yaml);
}
