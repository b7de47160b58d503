/* turnpike network: from where teams and keys may call. */
#include "app/admin_options.h"
#include "app/admin_run.h"

struct network_options {
    const char *data, *team, *key, *allow, *deny;
    bool json, observe, enforce;
};

static struct admin_common common_of(const struct verb_call *call)
{
    const struct network_options *options = call->options;
    return (struct admin_common){options->data, options->json};
}

static bool say(struct admin_session *session, const void *given, struct object_change *change)
{
    const struct network_options *options = given;
    admin_say_text(change, OBJECT_NETWORK_RULE_team, options->team);
    admin_say_text(change, OBJECT_NETWORK_RULE_key, options->key);
    admin_say_text(change, OBJECT_NETWORK_RULE_allow, options->allow);
    admin_say_text(change, OBJECT_NETWORK_RULE_deny, options->deny);
    if (options->observe && options->enforce) {
        (void)verb_misused(session->verb, "a rule is there to --observe or to --enforce");
        return false;
    }
    if (options->observe || options->enforce)
        object_set_text(change, OBJECT_NETWORK_RULE_mode,
                        options->observe ? TEXT("observe") : TEXT("enforce"));
    return true;
}

static int create_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_create(call, &common, OBJECT_NETWORK_RULE, say);
}

static int edit_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_edit(call, &common, OBJECT_NETWORK_RULE, call->operands[0], say);
}

static int list_run(const struct verb_call *call)
{
    const struct network_options *options = call->options;
    const struct admin_common common = common_of(call);
    const struct operations_filter filter = {.team = text_from(options->team)};
    return admin_run_list(call, &common, OBJECT_NETWORK_RULE, &filter,
                          "There is no rule: keys may call from anywhere. `turnpike network rule "
                          "create --team NAME --allow NETWORK` makes one.");
}

static int show_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_show(call, &common, OBJECT_NETWORK_RULE, call->operands[0]);
}

static int delete_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    const struct operation_deletion deletion = {0};
    return admin_run_delete(call, &common, OBJECT_NETWORK_RULE, call->operands[0], &deletion);
}

/* ------------------------------------------------------------------ the verbs */

#define ROW(name, member, value, help) \
    ADMIN_TEXT_ROW(struct network_options, name, member, value, help)
#define FLAG(name, member, help) OPTION_FLAG_ROW(name, struct network_options, member, help)
#define MODE_ROWS                                             \
    FLAG("enforce", enforce, "refuse what the rule refuses"), \
        FLAG("observe", observe, "record what it would refuse, and let it pass")

static const struct option create_options[] = {
    ADMIN_DATA_ROW(struct network_options),
    ROW("team", team, "TEAM", "for the keys of a team"),
    ROW("key", key, "ID", "for a key, by id or name"),
    ROW("allow", allow, "NETWORK", "a name from the configuration, 10.0.0.0/8, or unix"),
    ROW("deny", deny, "NETWORK", "the same"),
    FLAG("enforce", enforce, "refuse what the rule refuses"),
    FLAG("observe", observe, "record what it would refuse, and let it pass; the default"),
    ADMIN_JSON_ROW(struct network_options),
    OPTION_END,
};

static const struct option edit_options[] = {
    ADMIN_DATA_ROW(struct network_options),
    ROW("allow", allow, "NETWORK", "allow what the rule has denied"),
    ROW("deny", deny, "NETWORK", "deny what the rule has allowed"),
    MODE_ROWS,
    ADMIN_JSON_ROW(struct network_options),
    OPTION_END,
};

static const struct option list_options[] = {
    ADMIN_DATA_ROW(struct network_options),
    ROW("team", team, "TEAM", "only those of a team and its keys"),
    ADMIN_JSON_ROW(struct network_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct option plain_options[] = {
    ADMIN_DATA_ROW(struct network_options),
    ADMIN_JSON_ROW(struct network_options),
    OPTION_END,
};

static const struct verb rule_create = {
    .name = "create",
    .summary = "Make a rule about where a team or a key may call from",
    .required = "--team TEAM --allow NETWORK",
    .options = create_options,
    .options_size = sizeof(struct network_options),
    .description =
        "The rule with the longest range that has the caller's address decides; of equal ones a "
        "denial is stronger. Whoever has an --allow may call from there only. A new rule is "
        "observed: the record of each call that it would refuse says so, and --enforce puts it in "
        "force.",
    .examples = "turnpike network rule create --team search --allow office\n"
                "turnpike network rule create --team search --deny 10.1.7.0/24 --enforce\n"
                "turnpike network rule create --key checkout --allow 2001:db8:7::/48 --enforce",
    .run = create_run,
};

static const struct verb rule_list = {
    .name = "list",
    .summary = "List all rules",
    .options = list_options,
    .options_size = sizeof(struct network_options),
    .description = "With --json, one object a line. Rules of listeners are in the configuration.",
    .examples = "turnpike network rule list --team search",
    .run = list_run,
};

static const struct verb rule_show = {
    .name = "show",
    .summary = "Show a rule",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = plain_options,
    .options_size = sizeof(struct network_options),
    .examples = "turnpike network rule show net_4f0c2v9qk1tz",
    .run = show_run,
};

static const struct verb rule_edit = {
    .name = "edit",
    .summary = "Enforce a rule, or only observe it",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = edit_options,
    .options_size = sizeof(struct network_options),
    .description = "Whom the rule is for and which network it is about cannot be changed.",
    .examples = "turnpike network rule edit net_4f0c2v9qk1tz --enforce",
    .run = edit_run,
};

static const struct verb rule_delete = {
    .name = "delete",
    .summary = "Delete a rule",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = plain_options,
    .options_size = sizeof(struct network_options),
    .examples = "turnpike network rule delete net_4f0c2v9qk1tz",
    .run = delete_run,
};

static const struct verb *const rule_verbs[] = {
    &rule_create, &rule_list, &rule_show, &rule_edit, &rule_delete, NULL,
};

static const struct verb network_rule = {
    .name = "rule",
    .summary = "Make, list, edit and delete rules about networks",
    .description = "Listener, team and key may each have rules; each must let a call through.",
    .verbs = rule_verbs,
};

static const struct verb *const network_verbs[] = {&network_rule, NULL};

const struct verb verb_network = {
    .name = "network",
    .summary = "Say from where teams and keys may call",
    .description = "Networks get their names in the configuration (networks); listeners have "
                   "their rules there, too. See docs/networks.md.",
    .verbs = network_verbs,
};
