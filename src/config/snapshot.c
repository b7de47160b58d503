#include "config/snapshot.h"

#include "base/ensure.h"
#include "config/memory.h"

struct config *config_hold(struct config *config)
{
    size_t holders = atomic_fetch_add_explicit(&config->memory->holders, 1, memory_order_relaxed);
    ensure(holders > 0);
    return config;
}

void config_release(struct config *config)
{
    if (!config)
        return;
    struct config_memory *memory = config->memory;
    size_t holders = atomic_fetch_sub_explicit(&memory->holders, 1, memory_order_acq_rel);
    ensure(holders > 0);
    if (holders == 1)
        config_memory_destroy(memory);
}

const struct config_provider *config_find_provider(const struct config *config, struct text name)
{
    for (size_t i = 0; i < config->provider_count; i++)
        if (text_equal(config->providers[i].name, name))
            return &config->providers[i];
    return NULL;
}
