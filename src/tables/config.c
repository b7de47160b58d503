#include "tables/config.h"

#include <stdint.h>

#include "base/ensure.h"

/* "|openai|azure|…" */
static const char provider_types[] =
#define PROVIDER(name, family, base_url, catalog) "|" name
#include "tables/providers.def"
#undef PROVIDER
    ;
#define CONFIG_PROVIDER_TYPES (provider_types + 1)

/* "|none|vllm|…" */
static const char quirk_names[] =
#define QUIRKS(name, host, port, flags, dropped, seed) "|" name
#include "tables/quirks.def"
#undef QUIRKS
    ;
#define CONFIG_QUIRK_NAMES (quirk_names + 1)

#define REQUIRED CONFIG_FLAG_REQUIRED
#define RESTART  CONFIG_FLAG_RESTART

const struct config_key config_keys[] = {
#define CONFIG(path, type, binding, standard, minimum, maximum, detail, flags, description) \
    {TEXT_INIT(path), CONFIG_TYPE_##type, standard, minimum, maximum, detail, flags, description},
#include "tables/config.def"
#undef CONFIG
};

#define KEY_COUNT ARRAY_LENGTH(config_keys)
const size_t config_key_count = KEY_COUNT;

/* Index of each row's parent, or CONFIG_TOP; filled before main() runs. */
static size_t parents[KEY_COUNT];

static size_t last_dot(struct text path)
{
    size_t i = path.length;
    while (i > 0 && path.data[i - 1] != '.')
        i--;
    return i; /* index behind the dot, 0 without one */
}

struct text config_key_name(size_t key)
{
    ensure(key < KEY_COUNT);
    struct text path = config_keys[key].path;
    return text_from_index(path, last_dot(path));
}

static size_t find_parent(size_t key)
{
    struct text path = config_keys[key].path;
    size_t name = last_dot(path);
    if (name == 0)
        return CONFIG_TOP;
    size_t parent = key;
    while (parent > 0 && !text_equal(config_keys[parent].path, text_first(path, name - 1)))
        parent--;
    bool parent_stands_before_child =
        text_equal(config_keys[parent].path, text_first(path, name - 1));
    ensure(parent_stands_before_child);
    return parent;
}

__attribute__((constructor)) static void find_parents(void)
{
    for (size_t key = 0; key < KEY_COUNT; key++)
        parents[key] = find_parent(key);
}

size_t config_key_next(size_t parent, size_t previous)
{
    size_t key = previous == CONFIG_NO_KEY ? 0 : previous + 1;
    for (; key < KEY_COUNT; key++)
        if (parents[key] == parent)
            return key;
    return CONFIG_NO_KEY;
}

size_t config_key_find(size_t parent, struct text name)
{
    size_t key = config_key_next(parent, CONFIG_NO_KEY);
    while (key != CONFIG_NO_KEY && !text_equal(config_key_name(key), name))
        key = config_key_next(parent, key);
    return key;
}

size_t config_near_limit(struct text word)
{
    if (word.length < 4)
        return 1;
    return word.length < 9 ? 2 : word.length / 3; /* two letters changing places are two edits */
}

struct text config_key_nearest(size_t parent, struct text name)
{
    struct text nearest = {0};
    size_t limit = config_near_limit(name);
    size_t key = config_key_next(parent, CONFIG_NO_KEY);
    for (; key != CONFIG_NO_KEY; key = config_key_next(parent, key)) {
        size_t distance = text_edit_distance(name, config_key_name(key), limit);
        if (distance <= limit) {
            nearest = config_key_name(key);
            limit = distance == 0 ? 0 : distance - 1;
        }
    }
    return nearest;
}

bool config_key_has_default(size_t key)
{
    ensure(key < KEY_COUNT);
    const char *standard = config_keys[key].standard;
    return standard && standard[0] != '(';
}
