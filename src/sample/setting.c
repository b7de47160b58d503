#include "sample/setting.h"

#include "config/load.h"
#include "control/price_list.h"
#include "sample/cast.h"

/* Callers on this machine are believed about where they come from, so that what is sent to try it
 * out can come from any of the networks. */
static const char head[] =
    "# Made by `turnpike demo`: the providers below are called as the real ones are and cost what\n"
    "# those cost, but every answer comes from the built-in demo model. Nothing leaves this "
    "machine.\n"
    "contact: platform@harbor-pine.example\n"
    "access_log: \"off\"\n"
    "networks:\n"
    "  prod-cluster: {ranges: [10.40.0.0/16], contact: \"#platform\"}\n"
    "  batch-cluster: {ranges: [10.60.0.0/16], contact: \"#data-platform\"}\n"
    "  berlin-office: {ranges: [10.20.0.0/16], contact: it@harbor-pine.example}\n"
    "  vpn: {ranges: [10.90.0.0/16], contact: it@harbor-pine.example}\n"
    "  ci-runners: {ranges: [10.80.0.0/16], contact: \"#devtools\"}\n";

static const char providers[] =
    "providers:\n"
    "  openai: {type: demo, pricing: {catalog: openai}}\n"
    "  anthropic: {type: demo, pricing: {catalog: anthropic}}\n"
    "  bedrock: {type: demo, pricing: {catalog: bedrock}}\n"
    "  google: {type: demo, pricing: {catalog: google}}\n"
    "  onprem:  # aurora-1-preview has no price yet\n"
    "    type: demo\n"
    "    pricing: {models: {llama-3.3-70b: {input: \"0.18\", output: \"0.42\"}}}\n"
    "prices: {unpriced_models: allow}\n"
    "defaults: {retry: {on: [connect, timeout, rate_limited, server_error]}}\n"
    "models:\n";

static void write_target(struct buffer *yaml, struct text provider, struct text model)
{
    buffer_append_format(yaml, "{provider: %.*s, model: \"%.*s\"}", TEXT_ARG(provider),
                         TEXT_ARG(model));
}

static void write_model(struct buffer *yaml, const struct cast_model *model)
{
    buffer_append_format(yaml, "  %.*s:\n    targets: [", TEXT_ARG(model->name));
    write_target(yaml, model->provider, model->target);
    if (!text_empty(model->other_provider)) {
        buffer_append(yaml, TEXT(", "));
        write_target(yaml, model->other_provider, model->other_target);
    }
    buffer_append(yaml, TEXT("]\n"));
}

bool setting_write(struct text callers, struct text administrators, struct buffer *yaml)
{
    buffer_append(yaml, text_from(head));
    buffer_append_format(yaml,
                         "listeners:\n"
                         "  main:\n"
                         "    address: \"%.*s\"\n"
                         "    forwarders: {networks: [127.0.0.0/8], header: x-forwarded-for}\n"
                         "admin: {address: \"%.*s\"}\n",
                         TEXT_ARG(callers), TEXT_ARG(administrators));
    buffer_append(yaml, text_from(providers));
    for (size_t i = 0; i < CAST_MODELS; i++)
        write_model(yaml, &cast_models[i]);
    return !yaml->failed;
}

#define PROBLEMS_MAX 65536u

static void take_problems(const struct config_problems *problems, char out[SETTING_PROBLEM_SIZE])
{
    struct buffer lines;
    buffer_open(&lines, PROBLEMS_MAX);
    config_problems_write(problems, false, &lines);
    struct text rest = buffer_text(&lines);
    (void)text_copy_to(text_split(&rest, '\n'), out, SETTING_PROBLEM_SIZE);
    buffer_close(&lines);
}

bool setting_open(struct setting *setting, struct text yaml, char problem[SETTING_PROBLEM_SIZE])
{
    struct config_problems problems;
    *setting = (struct setting){0};
    config_problems_open(&problems);
    enum error error = config_load_text(TEXT("demo"), yaml, &setting->config, &problems);
    if (error)
        take_problems(&problems, problem);
    else
        error = price_list_make(setting->config, &setting->book, problem);
    config_problems_close(&problems);
    return error == ERROR_OK;
}

void setting_close(struct setting *setting)
{
    price_book_release(setting->book);
    config_release(setting->config);
    *setting = (struct setting){0};
}
