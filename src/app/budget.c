/* turnpike budget: how much may be spent, by whom and in what time. */
#include "app/admin_options.h"
#include "app/admin_run.h"
#include "app/admin_view.h"

struct budget_options {
    const char *data, *name, *team, *key, *tag, *amount, *currency, *period, *rolling, *timezone;
    const char *webhook, *until;
    struct option_list alerts;
    bool json, organisation, soft, hard, observe, enforce, no_alerts, off;
};

static struct admin_common common_of(const struct verb_call *call)
{
    const struct budget_options *options = call->options;
    return (struct admin_common){options->data, options->json};
}

/* Two flags of which one takes the other back. */
static bool check_opposites(struct admin_session *session, const struct budget_options *options)
{
    if (options->soft && options->hard) {
        (void)verb_misused(session->verb, "a budget is --soft or --hard, not both");
        return false;
    }
    if (options->observe && options->enforce) {
        (void)verb_misused(session->verb, "a budget is there to --observe or to --enforce");
        return false;
    }
    return true;
}

static bool say(struct admin_session *session, const void *given, struct object_change *change)
{
    const struct budget_options *options = given;
    const struct {
        enum object_member member;
        const char *value;
    } texts[] = {
        {OBJECT_BUDGET_name, options->name},         {OBJECT_BUDGET_team, options->team},
        {OBJECT_BUDGET_key, options->key},           {OBJECT_BUDGET_tag, options->tag},
        {OBJECT_BUDGET_amount, options->amount},     {OBJECT_BUDGET_currency, options->currency},
        {OBJECT_BUDGET_period, options->period},     {OBJECT_BUDGET_rolling, options->rolling},
        {OBJECT_BUDGET_timezone, options->timezone}, {OBJECT_BUDGET_webhook, options->webhook}};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        admin_say_text(change, texts[i].member, texts[i].value);
    admin_say_flag(change, OBJECT_BUDGET_organisation, options->organisation);
    if (options->soft || options->hard)
        object_set_flag(change, OBJECT_BUDGET_soft, options->soft);
    if (options->observe || options->enforce)
        object_set_text(change, OBJECT_BUDGET_mode,
                        options->observe ? TEXT("observe") : TEXT("enforce"));
    return check_opposites(session, options) &&
           admin_say_list(session, change, OBJECT_BUDGET_alerts, &options->alerts,
                          options->no_alerts, false);
}

static int create_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_create(call, &common, OBJECT_BUDGET, say);
}

static int edit_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_edit(call, &common, OBJECT_BUDGET, call->operands[0], say);
}

static int show_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    return admin_run_show(call, &common, OBJECT_BUDGET, call->operands[0]);
}

static int list_run(const struct verb_call *call)
{
    const struct budget_options *options = call->options;
    const struct admin_common common = common_of(call);
    const struct operations_filter filter = {.team = text_from(options->team)};
    return admin_run_list(call, &common, OBJECT_BUDGET, &filter,
                          "There is no budget: `turnpike budget create --team NAME --amount 500` "
                          "makes one.");
}

static int delete_run(const struct verb_call *call)
{
    const struct admin_common common = common_of(call);
    const struct operation_deletion deletion = {0};
    return admin_run_delete(call, &common, OBJECT_BUDGET, call->operands[0], &deletion);
}

static int raise_run(const struct verb_call *call)
{
    const struct budget_options *options = call->options;
    struct admin_session session;
    struct operation_result result = {0};
    int exit_code = VERB_FAILED;
    if (options->off ? options->amount || options->until : !options->amount || !options->until)
        return verb_misused(call->verb,
                            "say --amount USD and --until WHEN, or --off to end a raise");
    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        exit_code =
            operations_raise_budget(&session.operations, text_from(call->operands[0]),
                                    text_from(options->amount), text_from(options->until), &result)
                ? VERB_OK
                : admin_session_fail(&session);
    if (exit_code == VERB_OK)
        admin_view_result(OBJECT_BUDGET, &result, options->json);
    admin_session_end(&session);
    return exit_code;
}

/* ------------------------------------------------------------------ the verbs */

#define ROW(name, member, value, help) \
    ADMIN_TEXT_ROW(struct budget_options, name, member, value, help)
#define FLAG(name, member, help) OPTION_FLAG_ROW(name, struct budget_options, member, help)
#define AMOUNT_ROW(help)         ROW("amount", amount, "USD", help)
#define RULE_ROWS                                                                              \
    ROW("currency", currency, "USD", "USD, the only one"),                                     \
        ROW("period", period, "PERIOD", "day, week, month or lifetime [month]"),               \
        ROW("rolling", rolling, "TIME", "instead of a period: any such length, 12h or 30d"),   \
        ROW("timezone", timezone, "ZONE", "where days and months begin: Europe/Berlin [UTC]"), \
        OPTION_LIST_ROW("alert", struct budget_options, alerts, "PERCENT",                     \
                        "alert when that much is spent [80 and 100]"),                         \
        FLAG("no-alerts", no_alerts, "send no alert"),                                         \
        ROW("webhook", webhook, "NAME", "where alerts go, a name of the configuration"),       \
        FLAG("soft", soft, "only alert; refuse nothing"),                                      \
        FLAG("observe", observe, "record what it would refuse, and let it pass")

static const struct option create_options[] = {
    ADMIN_DATA_ROW(struct budget_options),
    FLAG("organisation", organisation, "for everything together"),
    ROW("team", team, "TEAM", "for a team"),
    ROW("key", key, "ID", "for a key, by id or name"),
    ROW("tag", tag, "NAME=VALUE", "for the keys with this tag"),
    AMOUNT_ROW("how much, up to 12 decimals; 0 for nothing (required)"),
    RULE_ROWS,
    ROW("name", name, "NAME", "for a second one of the same scope and period"),
    ADMIN_JSON_ROW(struct budget_options),
    OPTION_END,
};

static const struct option edit_options[] = {
    ADMIN_DATA_ROW(struct budget_options),
    AMOUNT_ROW("how much; what was spent stays spent"),
    RULE_ROWS,
    FLAG("hard", hard, "refuse calls when it is spent: takes --soft back"),
    FLAG("enforce", enforce, "takes --observe back"),
    ROW("name", name, "NAME", "its name; '' for none"),
    ADMIN_JSON_ROW(struct budget_options),
    OPTION_END,
};

static const struct option list_options[] = {
    ADMIN_DATA_ROW(struct budget_options),
    ROW("team", team, "TEAM", "only those of a team and its keys"),
    ADMIN_JSON_ROW(struct budget_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct option plain_options[] = {
    ADMIN_DATA_ROW(struct budget_options),
    ADMIN_JSON_ROW(struct budget_options),
    OPTION_END,
};

static const struct option raise_options[] = {
    ADMIN_DATA_ROW(struct budget_options),
    AMOUNT_ROW("the amount until then"),
    ROW("until", until, "WHEN", "12h, 3d, 2027-01-31 or 2027-01-31T18:00:00Z"),
    FLAG("off", off, "end the raise now"),
    ADMIN_JSON_ROW(struct budget_options),
    OPTION_END,
};

static const struct verb budget_create = {
    .name = "create",
    .summary = "Make a budget for a team, a key, a tag or all",
    .required = "--team TEAM --amount USD",
    .options = create_options,
    .options_size = sizeof(struct budget_options),
    .description =
        "Before a call is sent, the most it can cost is held; what it did cost is settled after. "
        "So a budget is not overspent. When what is left buys less than was asked for, the "
        "answer is limited to what it buys; when it buys nothing useful, the call is refused.",
    .examples = "turnpike budget create --team search --amount 500 --period month "
                "--timezone Europe/Berlin\n"
                "turnpike budget create --tag feature=chat --amount 20 --period day --soft\n"
                "turnpike budget create --organisation --amount 10000 --rolling 30d --alert 50 "
                "--alert 90",
    .run = create_run,
};

static const struct verb budget_list = {
    .name = "list",
    .summary = "List all budgets, and how much of each is spent",
    .options = list_options,
    .options_size = sizeof(struct budget_options),
    .description = "With --json, one object a line. What calls under way hold is not counted.",
    .examples = "turnpike budget list --team search",
    .run = list_run,
};

static const struct verb budget_show = {
    .name = "show",
    .summary = "Show a budget, what is spent and what is left",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = plain_options,
    .options_size = sizeof(struct budget_options),
    .description = "ID is the id of a budget, or its name.",
    .examples = "turnpike budget show bud_4f0c2v9qk1tz",
    .run = show_run,
};

static const struct verb budget_edit = {
    .name = "edit",
    .summary = "Change a budget; what was spent stays spent",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = edit_options,
    .options_size = sizeof(struct budget_options),
    .description = "What is not said stays as it is. Whom it is for cannot be changed.",
    .examples = "turnpike budget edit bud_4f0c2v9qk1tz --amount 750",
    .run = edit_run,
};

static const struct verb budget_raise = {
    .name = "raise",
    .summary = "Give a budget another amount for a while",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .required = "--amount USD --until WHEN",
    .options = raise_options,
    .options_size = sizeof(struct budget_options),
    .examples = "turnpike budget raise bud_4f0c2v9qk1tz --amount 900 --until 3d\n"
                "turnpike budget raise bud_4f0c2v9qk1tz --off",
    .run = raise_run,
};

static const struct verb budget_delete = {
    .name = "delete",
    .summary = "Delete a budget; nothing is capped by it any more",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = plain_options,
    .options_size = sizeof(struct budget_options),
    .examples = "turnpike budget delete bud_4f0c2v9qk1tz",
    .run = delete_run,
};

static const struct verb *const budget_verbs[] = {
    &budget_create, &budget_list, &budget_show, &budget_edit, &budget_raise, &budget_delete, NULL,
};

const struct verb verb_budget = {
    .name = "budget",
    .summary = "Cap what may be spent, and see what is",
    .description = "Several budgets may hold for one call: the team's, the key's, those of its "
                   "tags and the organisation's. All must have enough left.",
    .verbs = budget_verbs,
};
