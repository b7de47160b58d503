/* turnpike limit: how often, and how much at a time. */
#include "app/admin_options.h"
#include "app/admin_run.h"
#include "app/admin_view.h"

struct limit_options {
    const char *data, *name, *team, *key, *tag, *model, *per;
    const char *requests, *tokens, *input_tokens, *output_tokens, *concurrent;
    bool json, organisation, observe, enforce;
};

static struct admin_common common_of(const struct verb_call *call)
{
    const struct limit_options *options = call->options;
    return (struct admin_common){options->data, options->json};
}

static bool say(struct admin_session *session, const void *given, struct object_change *change)
{
    const struct limit_options *options = given;
    const struct {
        enum object_member member;
        const char *value;
    } texts[] = {{OBJECT_LIMIT_name, options->name},
                 {OBJECT_LIMIT_team, options->team},
                 {OBJECT_LIMIT_key, options->key},
                 {OBJECT_LIMIT_tag, options->tag},
                 {OBJECT_LIMIT_model, options->model},
                 {OBJECT_LIMIT_per, options->per},
                 {OBJECT_LIMIT_requests, options->requests},
                 {OBJECT_LIMIT_tokens, options->tokens},
                 {OBJECT_LIMIT_input_tokens, options->input_tokens},
                 {OBJECT_LIMIT_output_tokens, options->output_tokens},
                 {OBJECT_LIMIT_concurrent, options->concurrent}};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        admin_say_text(change, texts[i].member, texts[i].value);
    admin_say_flag(change, OBJECT_LIMIT_organisation, options->organisation);
    if (options->observe && options->enforce) {
        (void)verb_misused(session->verb, "a limit is there to --observe or to --enforce");
        return false;
    }
    if (options->observe || options->enforce)
        object_set_text(change, OBJECT_LIMIT_mode,
                        options->observe ? TEXT("observe") : TEXT("enforce"));
    return true;
}

static int create_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_create(call, &common, OBJECT_LIMIT, say);
}

static int edit_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_edit(call, &common, OBJECT_LIMIT, call->operands[0], say);
}

static int list_run(const struct verb_call *call)
{
    const struct limit_options *options = call->options;
    const struct admin_common common = common_of(call);
    const struct operations_filter filter = {.team = text_from(options->team)};
    return admin_run_list(call, &common, OBJECT_LIMIT, &filter,
                          "There is no limit: `turnpike limit create --team NAME --requests 600 "
                          "--per 1m` makes one.");
}

static int show_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_show(call, &common, OBJECT_LIMIT, call->operands[0]);
}

static int delete_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    const struct operation_deletion deletion = {0};
    return admin_run_delete(call, &common, OBJECT_LIMIT, call->operands[0], &deletion);
}

/* ------------------------------------------------------------------ the verbs */

#define ROW(name, member, value, help) \
    ADMIN_TEXT_ROW(struct limit_options, name, member, value, help)
#define FLAG(name, member, help) OPTION_FLAG_ROW(name, struct limit_options, member, help)
#define MEASURE_ROWS                                                                 \
    ROW("requests", requests, "N", "calls in any window"),                           \
        ROW("tokens", tokens, "N", "tokens in any window, in and out"),              \
        ROW("input-tokens", input_tokens, "N", "tokens sent in any window"),         \
        ROW("output-tokens", output_tokens, "N", "tokens answered in any window"),   \
        ROW("concurrent", concurrent, "N", "calls at the same time; has no window"), \
        ROW("per", per, "TIME", "the window: 1s to 24h [1m]")

static const struct option create_options[] = {
    ADMIN_DATA_ROW(struct limit_options),
    FLAG("organisation", organisation, "for everything together"),
    ROW("team", team, "TEAM", "for a team"),
    ROW("key", key, "ID", "for a key, by id or name"),
    ROW("tag", tag, "NAME=VALUE", "for the keys with this tag"),
    ROW("model", model, "MODEL", "for a model, as callers name it; * stands for any run"),
    MEASURE_ROWS,
    FLAG("observe", observe, "record what it would refuse, and let it pass"),
    ROW("name", name, "NAME", "for a second one of the same scope and window"),
    ADMIN_JSON_ROW(struct limit_options),
    OPTION_END,
};

static const struct option edit_options[] = {
    ADMIN_DATA_ROW(struct limit_options),
    MEASURE_ROWS,
    FLAG("observe", observe, "record what it would refuse, and let it pass"),
    FLAG("enforce", enforce, "takes --observe back"),
    ROW("name", name, "NAME", "its name; '' for none"),
    ADMIN_JSON_ROW(struct limit_options),
    OPTION_END,
};

static const struct option list_options[] = {
    ADMIN_DATA_ROW(struct limit_options),
    ROW("team", team, "TEAM", "only those of a team and its keys"),
    ADMIN_JSON_ROW(struct limit_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct option plain_options[] = {
    ADMIN_DATA_ROW(struct limit_options),
    ADMIN_JSON_ROW(struct limit_options),
    OPTION_END,
};

static const struct verb limit_create = {
    .name = "create",
    .summary = "Make a limit for a team, a key, a tag, a model or all",
    .required = "--team TEAM --requests N",
    .options = create_options,
    .options_size = sizeof(struct limit_options),
    .description = "A window slides: no stretch of its length ever sees more. A limit counts one "
                   "thing; make one for each.",
    .examples = "turnpike limit create --team search --requests 600 --per 1m\n"
                "turnpike limit create --key checkout --tokens 100000\n"
                "turnpike limit create --model 'gpt-*' --concurrent 20",
    .run = create_run,
};

static const struct verb limit_list = {
    .name = "list",
    .summary = "List all limits",
    .options = list_options,
    .options_size = sizeof(struct limit_options),
    .description = "With --json, one object a line.",
    .examples = "turnpike limit list",
    .run = list_run,
};

static const struct verb limit_show = {
    .name = "show",
    .summary = "Show a limit",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = plain_options,
    .options_size = sizeof(struct limit_options),
    .description = "ID is the id of a limit, or its name.",
    .examples = "turnpike limit show lim_4f0c2v9qk1tz",
    .run = show_run,
};

static const struct verb limit_edit = {
    .name = "edit",
    .summary = "Change a limit",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = edit_options,
    .options_size = sizeof(struct limit_options),
    .description = "What is not said stays as it is. Whom it is for and what it counts cannot be "
                   "changed.",
    .examples = "turnpike limit edit lim_4f0c2v9qk1tz --requests 900",
    .run = edit_run,
};

static const struct verb limit_delete = {
    .name = "delete",
    .summary = "Delete a limit",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = plain_options,
    .options_size = sizeof(struct limit_options),
    .examples = "turnpike limit delete lim_4f0c2v9qk1tz",
    .run = delete_run,
};

static const struct verb *const limit_verbs[] = {
    &limit_create, &limit_list, &limit_show, &limit_edit, &limit_delete, NULL,
};

const struct verb verb_limit = {
    .name = "limit",
    .summary = "Say how often, and how many tokens at a time",
    .description =
        "Several limits may hold for one call: the team's, the key's, those of its tags, "
        "of the model and of the organisation. All must have room.",
    .verbs = limit_verbs,
};
