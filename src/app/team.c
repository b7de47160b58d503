/* turnpike team: who answers for keys, and what they may use together. */
#include "app/admin_options.h"
#include "app/admin_run.h"

struct team_options {
    const char *data, *title, *contact, *reason;
    struct option_list models, denied;
    bool json, all_models, no_models, deny_none, revoke_keys;
};

static struct admin_common common_of(const struct verb_call *call)
{
    const struct team_options *options = call->options;
    return (struct admin_common){options->data, options->json};
}

static bool say(struct admin_session *session, const void *given, struct object_change *change)
{
    const struct team_options *options = given;
    admin_say_text(change, OBJECT_TEAM_title, options->title);
    admin_say_text(change, OBJECT_TEAM_contact, options->contact);
    return admin_say_list(session, change, OBJECT_TEAM_models, &options->models, options->no_models,
                          options->all_models) &&
           admin_say_list(session, change, OBJECT_TEAM_deny_models, &options->denied, false,
                          options->deny_none);
}

struct naming {
    const struct team_options *options;
    const char *name;
};

/* With the operand as the name. */
static bool say_named(struct admin_session *session, const void *given,
                      struct object_change *change)
{
    const struct naming *naming = given;
    admin_say_text(change, OBJECT_TEAM_name, naming->name);
    return say(session, naming->options, change);
}

static int create_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    const struct naming naming = {call->options, call->operands[0]};
    struct verb_call named = *call;
    named.options = &naming;
    return admin_run_create(&named, &common, OBJECT_TEAM, say_named);
}

static int edit_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_edit(call, &common, OBJECT_TEAM, call->operands[0], say);
}

static int show_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_show(call, &common, OBJECT_TEAM, call->operands[0]);
}

static int list_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    const struct operations_filter filter = {0};
    return admin_run_list(call, &common, OBJECT_TEAM, &filter,
                          "There is no team yet: `turnpike team create NAME` makes one.");
}

static int delete_run(const struct verb_call *call)
{
    const struct team_options *options = call->options;
    const struct admin_common common = common_of(call);
    const struct operation_deletion deletion = {options->revoke_keys, text_from(options->reason)};
    return admin_run_delete(call, &common, OBJECT_TEAM, call->operands[0], &deletion);
}

/* ------------------------------------------------------------------ the verbs */

#define TITLE_ROWS                                                                      \
    ADMIN_TEXT_ROW(struct team_options, "title", title, "TEXT", "what people call it"), \
        ADMIN_TEXT_ROW(struct team_options, "contact", contact, "TEXT", "whom to ask, an address")

static const struct option create_options[] = {
    ADMIN_DATA_ROW(struct team_options), TITLE_ROWS, ADMIN_MODEL_ROWS(struct team_options),
    ADMIN_JSON_ROW(struct team_options), OPTION_END,
};

static const struct option edit_options[] = {
    ADMIN_DATA_ROW(struct team_options),   TITLE_ROWS,
    ADMIN_MODEL_ROWS(struct team_options), ADMIN_MODEL_EDIT_ROWS(struct team_options),
    ADMIN_JSON_ROW(struct team_options),   OPTION_END,
};

static const struct option plain_options[] = {
    ADMIN_DATA_ROW(struct team_options),
    ADMIN_JSON_ROW(struct team_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct option delete_options[] = {
    ADMIN_DATA_ROW(struct team_options),
    OPTION_FLAG_ROW("revoke-keys", struct team_options, revoke_keys,
                    "end its live keys too; without this a team with live keys is not deleted"),
    ADMIN_TEXT_ROW(struct team_options, "reason", reason, "TEXT", "kept with the revoked keys"),
    ADMIN_JSON_ROW(struct team_options),
    OPTION_END,
};

static const struct verb team_create = {
    .name = "create",
    .summary = "Make a team",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .options = create_options,
    .options_size = sizeof(struct team_options),
    .examples = "turnpike team create search --contact search@example.com\n"
                "turnpike team create trial --model 'gpt-4o-mini' --deny-model '*-preview'",
    .run = create_run,
};

static const struct verb team_list = {
    .name = "list",
    .summary = "List all teams",
    .options = plain_options,
    .options_size = sizeof(struct team_options),
    .description = "With --json, one object a line.",
    .examples = "turnpike team list",
    .run = list_run,
};

static const struct verb team_show = {
    .name = "show",
    .summary = "Show what is known of a team",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .options = plain_options,
    .options_size = sizeof(struct team_options),
    .examples = "turnpike team show search",
    .run = show_run,
};

static const struct verb team_edit = {
    .name = "edit",
    .summary = "Change what a team may do",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .options = edit_options,
    .options_size = sizeof(struct team_options),
    .description =
        "What is not said stays as it is; --model and --deny-model replace the whole list.",
    .examples = "turnpike team edit search --model 'gpt-*' --model 'o4-*'\n"
                "turnpike team edit search --no-models  # nobody of this team may use any model",
    .run = edit_run,
};

static const struct verb team_delete = {
    .name = "delete",
    .summary = "Delete a team, with its budgets and limits",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .options = delete_options,
    .options_size = sizeof(struct team_options),
    .description = "What the team has used stays in the record.",
    .examples = "turnpike team delete trial --revoke-keys --reason 'the trial is over'",
    .run = delete_run,
};

static const struct verb *const team_verbs[] = {
    &team_create, &team_list, &team_show, &team_edit, &team_delete, NULL,
};

const struct verb verb_team = {
    .name = "team",
    .summary = "Make, list, edit and delete teams",
    .description = "A team answers for keys. Its lists of models, budgets and limits hold for all "
                   "of its keys together.",
    .verbs = team_verbs,
};
