/* Any bytes as a configuration file: a snapshot that holds together, or problems that can be shown.
 */
#include "base/ensure.h"
#include "config/load.h"
#include "pieces.h"

#define OUTPUT_MAXIMUM 1048576u

static void check_snapshot(struct config *config)
{
    struct buffer lines;
    ensure(config->workers >= 1 && config->listener_count >= 1 && config->provider_count >= 1);
    ensure(config->default_provider);
    for (size_t i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        ensure(model->target_count > 0 && model->targets[0].provider);
        ensure(model->pattern || config_find_model(config, model->name) == model);
        for (size_t j = 0; j < model->alias_count; j++)
            ensure(config_find_model(config, model->aliases[j]) == model);
    }
    buffer_open(&lines, OUTPUT_MAXIMUM);
    config_describe_difference(config, config, &lines);
    ensure(lines.length == 0);
    buffer_close(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct config_problems problems;
    struct buffer lines;
    setenv("UPSTREAM_KEY", "sk-secret", 1);
    config_problems_open(&problems);
    buffer_open(&lines, OUTPUT_MAXIMUM);
    enum error error =
        config_load_text(TEXT("fuzz.yaml"), text_of((const char *)data, size), &config, &problems);
    ensure((error == ERROR_OK) == (config != NULL));
    ensure((error == ERROR_OK) == (problems.error_count == 0));
    config_problems_write(&problems, true, &lines);
    ensure(!lines.failed && problems.count <= CONFIG_PROBLEMS_MAXIMUM);
    ensure(text_find(buffer_text(&lines), TEXT("sk-secret")) < 0 ||
           text_find(text_of((const char *)data, size), TEXT("sk-secret")) >= 0);
    if (config)
        check_snapshot(config);
    config_release(config);
    buffer_close(&lines);
    config_problems_close(&problems);
    return 0;
}
