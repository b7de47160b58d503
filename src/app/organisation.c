/* turnpike organisation: what holds for everybody behind this gateway. */
#include "app/admin_options.h"
#include "app/admin_run.h"

struct organisation_options {
    const char *data, *name, *contact;
    struct option_list models, denied;
    bool json, all_models, no_models, deny_none;
};

static bool say(struct admin_session *session, const void *given, struct object_change *change)
{
    const struct organisation_options *options = given;
    admin_say_text(change, OBJECT_ORGANISATION_name, options->name);
    admin_say_text(change, OBJECT_ORGANISATION_contact, options->contact);
    return admin_say_list(session, change, OBJECT_ORGANISATION_models, &options->models,
                          options->no_models, options->all_models) &&
           admin_say_list(session, change, OBJECT_ORGANISATION_deny_models, &options->denied, false,
                          options->deny_none);
}

static int show_run(const struct verb_call *call)
{
    const struct organisation_options *options = call->options;
    const struct admin_common common = {options->data, options->json};
    return admin_run_show(call, &common, OBJECT_ORGANISATION, NULL);
}

static int edit_run(const struct verb_call *call)
{
    const struct organisation_options *options = call->options;
    const struct admin_common common = {options->data, options->json};
    return admin_run_edit(call, &common, OBJECT_ORGANISATION, NULL, say);
}

static const struct option show_options[] = {
    ADMIN_DATA_ROW(struct organisation_options),
    ADMIN_JSON_ROW(struct organisation_options),
    OPTION_END,
};

static const struct option edit_options[] = {
    ADMIN_DATA_ROW(struct organisation_options),
    ADMIN_TEXT_ROW(struct organisation_options, "name", name, "TEXT", "its name, for people"),
    ADMIN_TEXT_ROW(struct organisation_options, "contact", contact, "TEXT",
                   "whom to ask, an address"),
    ADMIN_MODEL_ROWS(struct organisation_options),
    ADMIN_MODEL_EDIT_ROWS(struct organisation_options),
    ADMIN_JSON_ROW(struct organisation_options),
    OPTION_END,
};

static const struct verb organisation_show = {
    .name = "show",
    .summary = "Show what holds for everybody",
    .options = show_options,
    .options_size = sizeof(struct organisation_options),
    .examples = "turnpike organisation show",
    .run = show_run,
};

static const struct verb organisation_edit = {
    .name = "edit",
    .summary = "Change what holds for everybody",
    .options = edit_options,
    .options_size = sizeof(struct organisation_options),
    .description =
        "What is not said stays as it is; --model and --deny-model replace the whole list.",
    .examples = "turnpike organisation edit --name 'Example Ltd' --deny-model '*-preview'",
    .run = edit_run,
};

static const struct verb *const organisation_verbs[] = {&organisation_show, &organisation_edit,
                                                        NULL};

const struct verb verb_organisation = {
    .name = "organisation",
    .summary = "Show and edit what holds for everybody",
    .description = "One gateway has one organisation. A model must be allowed by the organisation, "
                   "by the team and by the key, and denied by none.",
    .verbs = organisation_verbs,
};
