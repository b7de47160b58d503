/* turnpike admin: the keys of administrators, for the admin API and the console. */
#include "app/admin_options.h"
#include "app/admin_run.h"
#include "app/admin_sessions.h"
#include "identity/key.h"

struct admin_options {
    const char *data, *name, *role, *team, *expires;
    bool json;
};

static struct admin_common common_of(const struct verb_call *call)
{
    const struct admin_options *options = call->options;
    return (struct admin_common){options->data, options->json};
}

static bool say(struct admin_session *session, const void *given, struct object_change *change)
{
    const struct admin_options *options = given;
    admin_say_text(change, OBJECT_ADMIN_KEY_name, options->name);
    admin_say_text(change, OBJECT_ADMIN_KEY_role, options->role);
    admin_say_text(change, OBJECT_ADMIN_KEY_team, options->team);
    admin_say_text(change, OBJECT_ADMIN_KEY_expires_at, options->expires);
    return true;
}

static int create_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_create(call, &common, OBJECT_ADMIN_KEY, say);
}

static const struct option create_options[] = {
    ADMIN_DATA_ROW(struct admin_options),
    ADMIN_TEXT_ROW(struct admin_options, "name", name, "NAME", "whose it is (required)"),
    ADMIN_TEXT_ROW(struct admin_options, "role", role, "ROLE",
                   "owner, operator, finance or team_lead (required)"),
    ADMIN_TEXT_ROW(struct admin_options, "team", team, "TEAM", "the team of a team_lead"),
    ADMIN_TEXT_ROW(struct admin_options, "expires", expires, "WHEN",
                   "90d, 12h, 2027-01-31, 2027-01-31T18:00:00Z or never [never]"),
    ADMIN_JSON_ROW(struct admin_options),
    OPTION_END,
};

static const struct verb key_create = {
    .name = "create",
    .summary = "Make an admin key and print it, this once",
    .required = "--name NAME --role ROLE",
    .options = create_options,
    .options_size = sizeof(struct admin_options),
    .description =
        "An owner may do everything; an operator everything but admin keys; finance may look at\n"
        "everything and change nothing; a team_lead may look at its team, and make, edit, rotate\n"
        "and revoke the team's keys.",
    .examples = "turnpike admin key create --name alice --role owner\n"
                "turnpike admin key create --name billing --role finance --expires 90d --json\n"
                "turnpike admin key create --name bob --role team_lead --team payments",
    .run = create_run,
};

static const struct option other_options[] = {
    ADMIN_DATA_ROW(struct admin_options),
    ADMIN_JSON_ROW(struct admin_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static int list_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    const struct operations_filter all = {.live = false};
    return admin_run_list(call, &common, OBJECT_ADMIN_KEY, &all,
                          "turnpike admin key create --name NAME --role owner makes one");
}

static const struct verb key_list = {
    .name = "list",
    .summary = "Show all admin keys, the newest first",
    .options = other_options,
    .options_size = sizeof(struct admin_options),
    .run = list_run,
};

static int revoke_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    const struct operation_deletion deletion = {.revoke_keys = false};
    return admin_run_delete(call, &common, OBJECT_ADMIN_KEY, call->operands[0], &deletion);
}

static const struct verb key_revoke = {
    .name = "revoke",
    .summary = "End an admin key at once and for good",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = other_options,
    .options_size = sizeof(struct admin_options),
    .description = "The next request with it is refused. Needs a working store.",
    .examples = "turnpike admin key revoke 4f0c2v9qk1tz",
    .run = revoke_run,
};

static const struct verb *const key_verbs[] = {&key_create, &key_list, &key_revoke, NULL};

static const struct verb admin_key = {
    .name = "key",
    .summary = "Make, list and revoke admin keys",
    .description = "Admin keys are " KEY_ADMIN_PATTERN ". Only their hashes are stored.",
    .verbs = key_verbs,
};

static const struct verb *const admin_verbs[] = {&admin_key, &verb_admin_session, NULL};

const struct verb verb_admin = {
    .name = "admin",
    .summary = "Make, list and revoke the keys and sessions of administrators",
    .description = "The admin API (docs/admin-api.md) takes these keys; callers' keys open nothing "
                   "there, and these no calls.",
    .verbs = admin_verbs,
};
