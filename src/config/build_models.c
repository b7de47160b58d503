#include "config/build.h"
#include "config/lookup.h"

static void build_aliases(struct settings_reader *reader, const struct settings_model *settings,
                          struct config_model *model)
{
    struct text *aliases = build_array(reader, settings->alias_count, sizeof(*aliases));
    if (!aliases)
        return;
    for (size_t i = 0; i < settings->alias_count; i++)
        aliases[i] = settings->aliases[i].value.text;
    model->aliases = aliases;
    model->alias_count = settings->alias_count;
    if (model->pattern && settings->alias_count > 0)
        report_error(reader->report, settings->aliases[0].entry.node->place,
                     "a pattern cannot have aliases: which name would the provider be asked for?");
}

static void build_targets(struct settings_reader *reader, const struct settings_model *settings,
                          const struct config *config, struct config_model *model,
                          struct config_target *targets)
{
    size_t list = report_enter(reader->report, TEXT("targets"));
    for (size_t i = 0; i < settings->target_count; i++) {
        const struct settings_target *from = &settings->targets[i];
        size_t item = report_enter_item(reader->report, i);
        size_t mark = report_enter(reader->report, TEXT("provider"));
        targets[i].provider = build_find_provider(reader, config, &from->provider);
        report_leave(reader->report, mark);
        report_leave(reader->report, item);
        targets[i].index = i;
        targets[i].model = from->model.text;
        /* A call by an alias is still a call of this model. */
        if (text_empty(targets[i].model) && !model->pattern)
            targets[i].model = model->name;
    }
    report_leave(reader->report, list);
    model->targets = targets;
    model->target_count = settings->target_count;
}

static void build_model_targets(struct settings_reader *reader, const struct settings *settings,
                                const struct settings_model *from, const struct config *config,
                                struct config_model *model)
{
    struct config_target *targets = build_array(reader, from->target_count, sizeof(*targets));
    if (!targets)
        return;
    build_targets(reader, from, config, model, targets);
    build_routing(reader, settings, from, model, targets);
}

static void index_names(struct config_index *index, const struct config *config)
{
    for (size_t i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        /* A name that is there twice has been reported by whoever read the file. */
        if (model->pattern)
            lookup_add_pattern(index, model);
        else
            lookup_add_name(index, model->name, model);
    }
    lookup_finish(index);
}

static void index_aliases(struct settings_reader *reader, const struct settings_model *settings,
                          const struct config_model *model, struct config_index *index)
{
    size_t list = report_enter(reader->report, TEXT("aliases"));
    for (size_t i = 0; i < model->alias_count; i++) {
        struct text alias = model->aliases[i];
        if (text_empty(alias))
            continue;
        const struct config_model *other = lookup_add_name(index, alias, model);
        if (!other)
            continue;
        size_t mark = report_enter_item(reader->report, i);
        struct report_place place = settings->aliases[i].entry.node->place;
        if (text_equal(other->name, alias))
            report_error(reader->report, place, "%s is the name of a model already",
                         report_quote(alias));
        else
            report_error(reader->report, place, "%s is an alias of model %s already",
                         report_quote(alias), report_quote(other->name));
        report_leave(reader->report, mark);
    }
    report_leave(reader->report, list);
}

static void build_index(struct settings_reader *reader, const struct settings *settings,
                        struct config *config)
{
    size_t names = 0;
    for (size_t i = 0; i < config->model_count; i++)
        names += 1 + config->models[i].alias_count;
    struct config_index *index = lookup_create(&reader->memory->arena, names, config->model_count);
    if (!index) {
        report_error(reader->report, (struct report_place){0}, "out of memory");
        return;
    }
    index_names(index, config);
    for (size_t i = 0; i < config->model_count; i++) {
        size_t mark = report_enter(reader->report, config->models[i].name);
        index_aliases(reader, &settings->models[i], &config->models[i], index);
        report_leave(reader->report, mark);
    }
    config->index = index;
}

/* Of those that answer. */
static const struct config_provider *first_provider(const struct config_model *model)
{
    for (size_t i = 0; i < model->target_count; i++)
        if (model->targets[i].rules.mirror == 0)
            return model->targets[i].provider;
    return NULL;
}

static const struct config_provider *find_default_provider(const struct config *config)
{
    for (size_t i = 0; i < config->model_count; i++)
        if (text_equal(config->models[i].name, TEXT("*")))
            return first_provider(&config->models[i]);
    return config->provider_count > 0 ? &config->providers[0] : NULL;
}

static void build_default_provider(struct settings_reader *reader, const struct settings *settings,
                                   struct config *config)
{
    const struct settings_value *written = &settings->defaults.provider;
    if (!written->node) {
        config->default_provider = find_default_provider(config);
        return;
    }
    size_t top = report_enter(reader->report, TEXT("defaults"));
    size_t mark = report_enter(reader->report, TEXT("provider"));
    config->default_provider = build_find_provider(reader, config, written);
    report_leave(reader->report, mark);
    report_leave(reader->report, top);
}

void build_models(struct settings_reader *reader, const struct settings *settings,
                  struct config *config)
{
    struct config_model *models = build_array(reader, settings->model_count, sizeof(*models));
    if (!models)
        return;
    config->models = models;
    config->model_count = settings->model_count;
    size_t top = report_enter(reader->report, TEXT("models"));
    for (size_t i = 0; i < settings->model_count; i++) {
        const struct settings_model *from = &settings->models[i];
        size_t mark = report_enter(reader->report, from->entry.name);
        models[i].name = arena_copy(&reader->memory->arena, from->entry.name);
        models[i].index = i;
        models[i].pattern = text_find_char(from->entry.name, '*') >= 0;
        build_aliases(reader, from, &models[i]);
        build_model_targets(reader, settings, from, config, &models[i]);
        report_leave(reader->report, mark);
    }
    build_index(reader, settings, config);
    report_leave(reader->report, top);
    build_default_provider(reader, settings, config);
}
