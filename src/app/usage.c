/* `turnpike usage`: who spent what, from the rollups of the store. */
#include "admin/when.h"
#include "app/paths.h"
#include "app/usage_print.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "ledger/backlog.h"
#include "policy/period.h"
#include "store/keys.h"

#define BY_DEFAULT   "model"
#define DAYS_DEFAULT 30u
/* Younger calls are on their way into the store. */
#define BACKLOG_AGE      (2 * NANOSECONDS_PER_SECOND)
#define PATIENCE         2000u /* milliseconds to wait for a locked store */
#define KEYS_MATCHED_MAX 1024u /* keys of one name, made and revoked again and again */

struct usage_options {
    const char *data, *since, *until, *timezone, *format;
    struct option_list by, teams, keys, models, providers, tags;
    bool json;
};

#define TEXT_ROW(name, member, value, help) \
    OPTION_TEXT_ROW(name, struct usage_options, member, value, help, OPTION_ANY)

static const struct option usage_option_rows[] = {
    OPTION_LIST_ROW("by", struct usage_options, by, "WORDS",
                    "what to add up by: team, key, model, target_model, provider, service, tags, "
                    "tag:NAME, hour, day, week, month; several with commas [" BY_DEFAULT "]"),
    TEXT_ROW("since", since, "WHEN",
             "calls that started at or after WHEN: 12h, 7d ago, 2026-11-22, "
             "2026-11-22T18:00:00Z, or all [30 days, from midnight]"),
    TEXT_ROW("until", until, "WHEN", "calls that started before WHEN"),
    TEXT_ROW("timezone", timezone, "ZONE",
             "whose days, weeks and months: a name such as Europe/Berlin [UTC]"),
    OPTION_LIST_ROW("team", struct usage_options, teams, "TEAM", "calls of this team"),
    OPTION_LIST_ROW("key", struct usage_options, keys, "KEY", "calls with this key, by id or name"),
    OPTION_LIST_ROW("model", struct usage_options, models, "MODEL",
                    "calls for this model; * matches any run of characters"),
    OPTION_LIST_ROW("provider", struct usage_options, providers, "PROVIDER",
                    "calls that this provider answered"),
    OPTION_LIST_ROW("tag", struct usage_options, tags, "NAME=VALUE",
                    "calls with keys that have this tag"),
    TEXT_ROW("format", format, "FORMAT",
             "table, csv, json, or focus: the columns of the FinOps Open Cost and Usage "
             "Specification 1.2, by day [table]"),
    OPTION_FLAG_ROW("json", struct usage_options, json, "the same as --format json"),
    OPTION_TEXT_ROW("data", struct usage_options, data, "DIR",
                    "the server's data directory [" DATA_DEFAULT "]", OPTION_DIRECTORY),
    OPTION_WIDE_ROW,
    OPTION_END,
};

struct format {
    const char *name;
    void (*write)(const struct usage_answer *answer, FILE *out); /* NULL: the table */
};

static const struct format formats[] = {
    {"table", NULL},
    {"csv", usage_write_csv},
    {"json", usage_write_json},
    {"focus", usage_write_focus},
};

/* What belongs to a question beside its answer. */
struct question {
    const struct verb_call *call;
    const struct usage_options *options;
    const struct format *format;
    char *by; /* the words of --by, with NULs for commas */
    struct usage_request request;
    struct text lists[4][OPTION_VALUES_MAX];
    struct usage_tag tags[USAGE_GROUPS_MAX];
    /* Keys that a --key means. */
    struct text wanted_key;
    char key_ids[KEYS_MATCHED_MAX][KEYS_NAME_MAX];
    struct text key_texts[KEYS_MATCHED_MAX];
    size_t key_count;
};

/* ---- Reading the command line ---- */

static int parse_format(struct question *question)
{
    const struct usage_options *options = question->options;
    const char *name = options->format ? options->format : options->json ? "json" : "table";
    if (options->json && options->format && strcmp(options->format, "json") != 0)
        return verb_misused(question->call->verb, "--json and --format %s contradict each other",
                            options->format);
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        if (strcmp(formats[i].name, name) == 0) {
            question->format = &formats[i];
            return VERB_OK;
        }
    }
    return verb_misused(question->call->verb, "%s is no format: table, csv, json or focus", name);
}

/* All values of --by in one string, each ended by a NUL. */
static int parse_by(struct question *question, struct usage_answer *answer)
{
    const struct option_list *by = &question->options->by;
    bool focus = question->format->write == usage_write_focus;
    if (focus && (by->count > 0 || question->options->timezone))
        return verb_misused(question->call->verb,
                            "--format focus has groups of its own, by day in UTC");
    if (focus) {
        usage_focus_prepare(answer);
        return VERB_OK;
    }
    size_t size = sizeof BY_DEFAULT, used = 0;
    for (size_t i = 0; i < by->count; i++)
        size += strlen(by->values[i]) + 1;
    question->by = ensure_memory(calloc(1, size));
    for (size_t i = 0; i < (by->count ? by->count : 1); i++) {
        struct text list = text_from(by->count ? by->values[i] : BY_DEFAULT);
        while (list.data != NULL) {
            struct text word = text_split(&list, ',');
            struct text copy = text_of(question->by + used, word.length);
            memcpy(question->by + used, word.data, word.length);
            used += word.length + 1;
            if (!usage_answer_add_column(answer, copy))
                return verb_misused(question->call->verb,
                                    "--by %.*s: there are %s; each once, one step of time, %u in "
                                    "all",
                                    TEXT_ARG(copy), usage_answer_words, USAGE_GROUPS_MAX);
        }
    }
    return VERB_OK;
}

static int parse_zone(const struct question *question, struct usage_answer *answer)
{
    answer->timezone = text_from(question->options->timezone);
    enum error error = timezone_load(answer->timezone, &answer->zone);
    if (!error)
        return VERB_OK;
    if (error == ERROR_NOT_FOUND || error == ERROR_ARGUMENT)
        return verb_misused(question->call->verb,
                            "there is no time zone %s on this machine: names are like UTC, "
                            "Europe/Berlin, America/New_York",
                            question->options->timezone);
    return verb_fail("time zone %s: %s", question->options->timezone, error_meaning(error));
}

static int parse_times(const struct question *question, struct usage_answer *answer)
{
    const char *since = question->options->since, *until = question->options->until;
    answer->now = clock_wall();
    answer->until = UINT64_MAX;
    if (!since)
        answer->since =
            period_at(PERIOD_DAY, answer->zone, 0, answer->now - (DAYS_DEFAULT - 1) * ROLLUP_DAY)
                .start;
    else if (strcmp(since, "all") != 0 &&
             !when_parse(since, answer->zone, answer->now, &answer->since))
        return verb_misused(question->call->verb, "%s is no time: " WHEN_FORMS ", or all", since);
    if (until && !when_parse(until, answer->zone, answer->now, &answer->until))
        return verb_misused(question->call->verb, "%s is no time: " WHEN_FORMS, until);
    if (answer->since >= answer->until)
        return verb_misused(question->call->verb, "--until is not after --since");
    return VERB_OK;
}

static struct usage_list read_list(const struct option_list *list, struct text *texts)
{
    for (size_t i = 0; i < list->count; i++)
        texts[i] = text_from(list->values[i]);
    return (struct usage_list){texts, list->count};
}

static int parse_filter(struct question *question)
{
    const struct usage_options *options = question->options;
    question->request.teams = read_list(&options->teams, question->lists[0]);
    question->request.models = read_list(&options->models, question->lists[1]);
    question->request.providers = read_list(&options->providers, question->lists[2]);
    if (options->tags.count > USAGE_GROUPS_MAX)
        return verb_misused(question->call->verb, "--tag: %u at most", USAGE_GROUPS_MAX);
    for (size_t i = 0; i < options->tags.count; i++) {
        struct text rest = text_from(options->tags.values[i]);
        struct text name = text_split(&rest, '=');
        if (rest.data == NULL || text_empty(name))
            return verb_misused(question->call->verb, "--tag %s: write NAME=VALUE",
                                options->tags.values[i]);
        question->tags[i] = (struct usage_tag){name, rest};
    }
    question->request.tags = question->tags;
    question->request.tag_count = options->tags.count;
    return VERB_OK;
}

/* ---- Keys by name ---- */

static void match_key(void *context, const struct stored_key *key)
{
    struct question *question = context;
    if (!text_equal(key->id, question->wanted_key) && !text_equal(key->name, question->wanted_key))
        return;
    if (question->key_count == KEYS_MATCHED_MAX)
        return;
    char *id = question->key_ids[question->key_count];
    text_copy_to(key->id, id, KEYS_NAME_MAX);
    question->key_texts[question->key_count++] = text_from(id);
}

static int resolve_keys(struct question *question, struct store *store)
{
    const struct option_list *keys = &question->options->keys;
    for (size_t i = 0; i < keys->count; i++) {
        size_t before = question->key_count;
        question->wanted_key = text_from(keys->values[i]);
        enum error error = keys_list(store, match_key, question);
        if (error)
            return verb_fail("%s", store_problem(store));
        if (question->key_count == before)
            return verb_fail("there is no key '%s'; `turnpike key list` shows them",
                             keys->values[i]);
        if (question->key_count == KEYS_MATCHED_MAX)
            return verb_fail("more than %u keys are called '%s'; name one by its id",
                             KEYS_MATCHED_MAX - 1, keys->values[i]);
    }
    question->request.keys = (struct usage_list){question->key_texts, question->key_count};
    return VERB_OK;
}

/* ---- Answering ---- */

static void tell_what_is_missing(struct store *store, const char *data, uint64_t now)
{
    uint64_t counted = 0, total = 0, waiting = 0;
    if (rollup_progress(store, &counted, &total) == ERROR_OK && counted < total)
        fprintf(stderr,
                "turnpike: calls recorded by an older Turnpike are still being counted (%llu of "
                "%llu); the figures lack the others\n",
                (unsigned long long)counted, (unsigned long long)total);
    if (backlog_count(data, store, now - BACKLOG_AGE, &waiting) == ERROR_OK && waiting > 0)
        fprintf(stderr,
                "turnpike: %llu recorded call%s wait%s in the journal for the store and %s not in "
                "these figures; a server takes them in (`turnpike log` shows them)\n",
                (unsigned long long)waiting, waiting == 1 ? "" : "s", waiting == 1 ? "s" : "",
                waiting == 1 ? "is" : "are");
}

static void say_nothing_found(const struct question *question, const struct usage_answer *answer)
{
    char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE];
    const struct usage_options *options = question->options;
    bool filtered = options->teams.count + options->keys.count + options->models.count +
                        options->providers.count + options->tags.count >
                    0;
    if (answer->since == 0 && answer->until == UINT64_MAX && !filtered) {
        printf(
            "No calls yet. `turnpike key create` makes a key for an application to call with.\n");
        return;
    }
    clock_format_rfc3339(answer->since, since);
    clock_format_rfc3339(answer->until == UINT64_MAX ? answer->now : answer->until, until);
    printf("No calls%s from %.19sZ to %.19sZ.\n", filtered ? " that match" : "", since, until);
    printf("`turnpike usage --since all`%s looks at all there were; `turnpike log` shows calls one "
           "by one.\n",
           filtered ? " without the filter" : "");
}

static int print_answer(const struct question *question, const struct usage_answer *answer)
{
    if (question->format->write != NULL)
        question->format->write(answer, stdout);
    else if (answer->row_count == 0)
        say_nothing_found(question, answer);
    else
        usage_print_table(answer);
    if (answer->total.counters.unpriced > 0)
        fprintf(stderr,
                "turnpike: %lld call%s no price, and %s cost is in no sum; `turnpike prices list` "
                "shows "
                "what is priced\n",
                (long long)answer->total.counters.unpriced,
                answer->total.counters.unpriced == 1 ? " has" : "s have",
                answer->total.counters.unpriced == 1 ? "its" : "their");
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? VERB_OK : VERB_FAILED;
}

static int ask(struct question *question, struct usage_answer *answer, struct store *store,
               const char *data)
{
    int exit_code = resolve_keys(question, store);
    if (exit_code != VERB_OK)
        return exit_code;
    enum error error = usage_answer_make_edges(answer, store);
    if (!error)
        error = usage_answer_ask(answer, store, &question->request);
    if (error == ERROR_LIMIT)
        return verb_fail("the answer would have more than %u rows: ask for less time or fewer "
                         "groups",
                         USAGE_ROWS_MAX);
    if (error)
        return verb_fail("%s", error == ERROR_MEMORY ? error_meaning(error) : store_problem(store));
    tell_what_is_missing(store, data, answer->now);
    return print_answer(question, answer);
}

static int read_and_ask(struct question *question, struct usage_answer *answer)
{
    struct store *store = NULL;
    char path[PATH_SIZE], problem[STORE_PROBLEM_SIZE];
    const char *data = question->options->data ? question->options->data : DATA_DEFAULT;
    int exit_code = parse_format(question);
    if (exit_code == VERB_OK)
        exit_code = parse_by(question, answer);
    if (exit_code == VERB_OK)
        exit_code = parse_zone(question, answer);
    if (exit_code == VERB_OK)
        exit_code = parse_times(question, answer);
    if (exit_code == VERB_OK)
        exit_code = parse_filter(question);
    if (exit_code != VERB_OK)
        return exit_code;
    if (!data_path(data, STORE_FILE, path))
        return VERB_FAILED;
    enum error error = store_open(path, STORE_READ, PATIENCE, &store, problem);
    if (error)
        return verb_fail("%s%s", problem[0] ? problem : error_meaning(error),
                         error == ERROR_NOT_FOUND ? "; --data names the server's data directory"
                                                  : "");
    exit_code = ask(question, answer, store, data);
    store_close(store);
    return exit_code;
}

static int usage_run(const struct verb_call *call)
{
    struct question *question = ensure_memory(calloc(1, sizeof *question));
    struct usage_answer answer = {0};
    question->call = call;
    question->options = call->options;
    int exit_code = read_and_ask(question, &answer);
    usage_answer_close(&answer);
    free(question->by);
    free(question);
    return exit_code;
}

const struct verb verb_usage = {
    .name = "usage",
    .summary = "Show who used what, and what it cost",
    .options = usage_option_rows,
    .options_size = sizeof(struct usage_options),
    .description =
        "Adds up calls, tokens and costs from the sums that the server keeps by quarter of an "
        "hour, "
        "exactly, also\n"
        "over millions of calls. A call belongs to the instant at which it started; its tags are "
        "those of its key.\n"
        "\n"
        "Calls that have no price are counted as unpriced, and never as free. CSV and JSON give "
        "money with all its 12\n"
        "decimals and, in cost_usd, with later corrections of prices. In CSV a text that a "
        "spreadsheet would take for\n"
        "a formula has an apostrophe in front.",
    .examples =
        "turnpike usage  # the last 30 days by model\n"
        "turnpike usage --by team,day --since 7d --timezone Europe/Berlin\n"
        "turnpike usage --by tag:env --team payments --since 2026-11-01\n"
        "turnpike usage --by key,model --since all --format csv  # for a spreadsheet\n"
        "turnpike usage --format focus --since 2026-11-01 --until 2026-12-01  # for a FinOps tool",
    .run = usage_run,
};
