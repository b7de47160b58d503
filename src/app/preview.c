/* turnpike preview: what other rules would have said to the calls that were recorded. */
#include "admin/when.h"
#include "app/admin_options.h"
#include "app/admin_session.h"
#include "app/apply_files.h"
#include "app/output.h"
#include "app/preview_print.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "config/load.h"
#include "identity/reader.h"
#include "preview/expression.h"
#include "preview/feed.h"

#define SINCE_DEFAULT   "7d"
#define PROBLEMS_SIZE   1048576u
#define PROGRESS_STRIDE 4096u /* records between two looks at the clock */

struct preview_options {
    const char *data, *config, *since, *until, *fail_on;
    struct option_list policies;
    bool json;
};

/* One run of the verb. */
struct previewing {
    const struct preview_options *options;
    struct admin_session session;
    struct expression condition;
    struct config *config;
    struct preview_rules rules;
    struct apply_files files;
    struct apply_plan plan;
    struct replay *replay;
    struct tally tally;
    struct preview_facts facts;
    struct progress progress;
};

/* ------------------------------------------------------------------ what is proposed */

static void print_problems(struct buffer *lines)
{
    struct text rest = buffer_text(lines);
    while (!text_empty(rest)) {
        output_print(stderr, text_split(&rest, '\n'));
        fputc('\n', stderr);
    }
}

static bool load_config(struct previewing *previewing)
{
    struct config_problems problems;
    struct buffer lines;
    const char *file = previewing->options->config;
    config_problems_open(&problems);
    enum error error = config_load(file, &previewing->config, &problems);
    if (error) {
        buffer_open(&lines, PROBLEMS_SIZE);
        config_problems_write(&problems, true, &lines);
        print_problems(&lines);
        buffer_close(&lines);
        (void)verb_fail("%s cannot be previewed: `turnpike check %s` says the same", file, file);
    }
    config_problems_close(&problems);
    return error == ERROR_OK;
}

static int tell_policy_problems(struct previewing *previewing)
{
    size_t count = apply_files_print_problems(&previewing->files);
    return count > 0 ? verb_fail("%zu error%s in what is proposed", count, count == 1 ? "" : "s")
                     : admin_session_fail(&previewing->session);
}

/* What apply would do is done, read, and taken back: nothing of it is ever seen by anybody. */
static bool read_rules(struct previewing *previewing)
{
    struct operations *operations = &previewing->session.operations;
    char problem[PREVIEW_PROBLEM_SIZE] = "";
    const struct apply_request request = {
        .files = previewing->files.files, .file_count = previewing->files.count, .commit = true};
    operations->config = previewing->config;
    if (!operations_begin(operations))
        return admin_session_fail(&previewing->session) == VERB_OK;
    bool good = previewing->files.count == 0 || apply_run(operations, &request, &previewing->plan);
    if (!good)
        (void)tell_policy_problems(previewing);
    if (good && !preview_rules_read(&previewing->rules, previewing->facts.since, problem)) {
        good = false;
        (void)verb_fail("%s", problem);
    }
    operations_roll_back(operations);
    return good;
}

static bool open_rules(struct previewing *previewing)
{
    char problem[PREVIEW_PROBLEM_SIZE] = "";
    if (!apply_files_read(&previewing->files, &previewing->options->policies) ||
        !load_config(previewing) || !admin_session_open(&previewing->session, false))
        return false;
    if (!preview_rules_open(&previewing->rules, previewing->config, previewing->session.store,
                            problem)) {
        (void)verb_fail("%s: %s", previewing->options->config, problem);
        return false;
    }
    return read_rules(previewing);
}

/* ------------------------------------------------------------------ replaying */

static void take_record(void *context, const struct record *record)
{
    struct previewing *previewing = context;
    const struct preview_facts *facts = &previewing->facts;
    replay_take(previewing->replay, record);
    if (++previewing->facts.records % PROGRESS_STRIDE == 0 && record->started_at > facts->begins)
        progress_show(&previewing->progress, record->started_at - facts->begins,
                      facts->until - facts->begins);
}

static bool replay_records(struct previewing *previewing)
{
    struct preview_facts *facts = &previewing->facts;
    char problem[HISTORY_PROBLEM_SIZE] = "";
    preview_rules_begin(&previewing->rules);
    facts->begins = previewing->rules.begins;
    const struct history_filter filter = {.since = facts->begins, .until = facts->until};
    previewing->replay =
        replay_create(&previewing->rules, facts->since, tally_add, &previewing->tally);
    progress_begin(&previewing->progress, "Replaying", !previewing->options->json);
    enum error error =
        feed_run(previewing->session.data, &filter, take_record, previewing, problem);
    replay_finish(previewing->replay);
    progress_end(&previewing->progress);
    if (error)
        (void)verb_fail("%s", problem[0] ? problem : error_meaning(error));
    return error == ERROR_OK;
}

static int report(struct previewing *previewing)
{
    struct preview_facts *facts = &previewing->facts;
    facts->condition = previewing->options->fail_on;
    facts->failed = expression_holds(&previewing->condition, &previewing->tally);
    tally_sort(&previewing->tally);
    if (previewing->options->json)
        preview_print_json(&previewing->tally, facts);
    else
        preview_print_text(&previewing->tally, facts);
    return facts->failed ? VERB_FAILED : VERB_OK;
}

/* ------------------------------------------------------------------ the verb */

static int read_options(const struct verb_call *call, struct previewing *previewing)
{
    const struct preview_options *options = call->options;
    char problem[EXPRESSION_PROBLEM_SIZE];
    uint64_t now = clock_wall();
    const char *since = options->since ? options->since : SINCE_DEFAULT;
    if (options->config == NULL)
        return verb_misused(call->verb, "--config is missing: name the file that is proposed");
    if (options->policies.count > APPLY_FILES_MAX)
        return verb_misused(call->verb, "at most %u files at a time", APPLY_FILES_MAX);
    if (!when_parse(since, NULL, now, &previewing->facts.since))
        return verb_misused(call->verb, "--since: %s is no time: " WHEN_FORMS, since);
    previewing->facts.until = now;
    if (options->until && !when_parse(options->until, NULL, now, &previewing->facts.until))
        return verb_misused(call->verb, "--until: %s is no time: " WHEN_FORMS, options->until);
    if (previewing->facts.until <= previewing->facts.since)
        return verb_misused(call->verb, "--until is not after --since");
    if (options->fail_on &&
        !expression_read(text_from(options->fail_on), &previewing->condition, problem))
        return verb_misused(call->verb, "--fail-on: %s", problem);
    return VERB_OK;
}

static void close_all(struct previewing *previewing)
{
    apply_plan_close(&previewing->plan);
    tally_close(&previewing->tally);
    preview_rules_close(&previewing->rules);
    replay_destroy(previewing->replay);
    admin_session_end(&previewing->session);
    config_release(previewing->config);
    apply_files_close(&previewing->files);
    free(previewing);
}

static int preview_run(const struct verb_call *call)
{
    struct previewing *previewing = ensure_memory(calloc(1, sizeof *previewing));
    previewing->options = call->options;
    int exit_code = read_options(call, previewing);
    if (exit_code != VERB_OK) {
        free(previewing);
        return exit_code;
    }
    exit_code = VERB_FAILED;
    reader_register();
    tally_open(&previewing->tally);
    admin_session_begin(&previewing->session, call->verb, previewing->options->data);
    if (open_rules(previewing) && replay_records(previewing))
        exit_code = report(previewing);
    close_all(previewing);
    reader_unregister();
    return exit_code;
}

static const struct option preview_option_rows[] = {
    OPTION_TEXT_ROW("config", struct preview_options, config, "FILE",
                    "the configuration that is proposed (required)", OPTION_FILE),
    {"policy", OPTION_LIST, offsetof(struct preview_options, policies), "FILE",
     "what `turnpike apply` would be given: teams, keys, budgets, limits", OPTION_FILE, 0},
    OPTION_TEXT_ROW("since", struct preview_options, since, "WHEN",
                    "calls that began at or after WHEN: " WHEN_FORMS " [" SINCE_DEFAULT "]",
                    OPTION_ANY),
    OPTION_TEXT_ROW("until", struct preview_options, until, "WHEN",
                    "calls that began before WHEN [now]", OPTION_ANY),
    OPTION_TEXT_ROW("fail-on", struct preview_options, fail_on, "CONDITION",
                    "exit with 1 when it holds: 'newly_refused > 0', 'cost_change_usd > 50 or "
                    "unknown > 1000'",
                    OPTION_ANY),
    ADMIN_DATA_ROW(struct preview_options),
    ADMIN_JSON_ROW(struct preview_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

const struct verb verb_preview = {
    .name = "preview",
    .summary =
        "Replay recorded calls against other rules: who would be refused, what would it cost",
    .required = "--config FILE",
    .options = preview_option_rows,
    .options_size = sizeof(struct preview_options),
    .description =
        "Asks the gate again about each call that was recorded, by the configuration and the "
        "objects that are proposed, on the clock of the record: lists of models, limits, budgets, "
        "prices and routes. Says who would be refused that is not now, who no longer, where calls "
        "would go and what they would cost; what a record does not tell is said to be unknown. "
        "Nothing is changed.\n"
        "\n"
        "Exits with 0; with 1 when the condition of --fail-on holds or something is wrong with the "
        "files; with 2 for a wrong command line. A condition compares newly_refused, "
        "newly_allowed, refused_now, refused_then, unknown or cost_change_usd with a number.",
    .examples = "turnpike preview --config new.yaml --since 7d\n"
                "turnpike preview --config turnpike.yaml --policy teams.yaml --fail-on "
                "'newly_refused > 0'  # for a pipeline\n"
                "turnpike preview --config new.yaml --json  # for programs",
    .run = preview_run,
};
