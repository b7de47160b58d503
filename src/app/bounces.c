/* `turnpike bounces`: who is turned away, why, and what to do about it. */
#include "admin/bounces_answer.h"
#include "admin/when.h"
#include "app/admin_options.h"
#include "app/admin_session.h"
#include "app/known_networks.h"
#include "app/output.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"

#define SINCE_DEFAULT "24h"
#define TABLE_LIMIT   30u /* rows of a screen; what matters is on top */
#define JSON_LINE_MAX 16384u
#define CELL_SIZE     192u
#define LABEL_COLUMN  14u

struct bounces_options {
    const char *data, *since, *by, *network, *reason, *listener, *key, *team, *limit;
    bool json;
};

/* ------------------------------------------------------------------ what is asked for */

#define KEPT (BOUNCES_DAYS * 24u * 3600u * NANOSECONDS_PER_SECOND)

struct wanted {
    struct bounces_question question;
    uint64_t limit; /* rows; 0: all */
};

static int read_question(const struct verb_call *call, struct wanted *wanted)
{
    const struct bounces_options *options = call->options;
    struct bounces_question *question = &wanted->question;
    bool one = call->operand_count > 0;
    struct text nearest;
    char meant[NETWORK_TEXT_SIZE];
    const char *since = options->since ? options->since : one ? "all" : SINCE_DEFAULT;

    *wanted = (struct wanted){.limit = options->json ? 0 : TABLE_LIMIT};
    *question = (struct bounces_question){
        .now = clock_wall(),
        .reason = text_from(options->reason),
        .listener = text_from(options->listener),
        .key_id = text_from(options->key),
        .team = text_from(options->team),
        .id = text_from(one ? call->operands[0] : NULL),
    };
    if (strcmp(since, "all") != 0 && !when_parse(since, NULL, question->now, &question->since))
        return verb_misused(call->verb, "--since: '%.60s' is no time: write " WHEN_FORMS ", or all",
                            since);
    if (options->by && !bounces_by_parse(text_from(options->by), &question->by))
        return verb_misused(call->verb,
                            "--by: '%.60s' is nothing to add up by: group, network, reason, "
                            "listener, key or team",
                            options->by);
    if (one && question->by != BOUNCES_BY_GROUP)
        return verb_misused(call->verb, "one group cannot be added up: leave --by out");
    if (options->network && !bounces_read_network(text_from(options->network), question))
        return verb_misused(call->verb,
                            "--network: '%.60s' is no network: write 10.0.0.0/8, 2001:db8::/32, "
                            "one address, or a name of the configuration",
                            options->network);
    if (options->network && bounces_network_slipped(text_from(options->network), meant))
        return verb_misused(call->verb,
                            "--network: '%.60s' has bits set behind its length; did you mean '%s'?",
                            options->network, meant);
    if (options->reason && !bounces_knows_reason(question->reason, &nearest))
        return verb_misused(call->verb, "--reason: no call is turned away for '%.60s'%s%.*s%s",
                            options->reason, text_empty(nearest) ? "" : "; did you mean '",
                            TEXT_ARG(nearest),
                            text_empty(nearest) ? "; docs/errors.md has the codes" : "'?");
    if (options->since && question->since > 0 && question->since < question->now - KEPT)
        (void)verb_fail("--since %.60s: who was turned away is kept for %u days", options->since,
                        BOUNCES_DAYS);
    if (options->limit && !number_parse_unsigned(text_from(options->limit), &wanted->limit))
        return verb_misused(call->verb, "--limit takes a whole number, not '%.60s'",
                            options->limit);
    return VERB_OK;
}

/* ------------------------------------------------------------------ the table */

/* "12s", "5m", "3h", "9d": a column of them is narrow. */
static const char *short_age(uint64_t time, uint64_t now, char out[OUTPUT_AGE_SIZE])
{
    static const struct {
        uint64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t seconds = now > time ? (now - time) / NANOSECONDS_PER_SECOND : 0;
    for (size_t i = 0; time && i < ARRAY_LENGTH(units); i++) {
        if (seconds < units[i].seconds)
            continue;
        (void)snprintf(out, OUTPUT_AGE_SIZE, "%llu%c",
                       (unsigned long long)(seconds / units[i].seconds), units[i].letter);
        return out;
    }
    (void)text_copy_to(time ? TEXT("now") : TEXT("never"), out, OUTPUT_AGE_SIZE);
    return out;
}

static void write_calls(const struct bounces_row *row, char out[CELL_SIZE])
{
    char error[40] = "";
    if (row->error > 0)
        (void)snprintf(error, sizeof error, " +%llu", (unsigned long long)row->error);
    (void)snprintf(out, CELL_SIZE, "%llu%s", (unsigned long long)row->calls, error);
}

static void write_network(const struct bounce_group *group, char out[CELL_SIZE])
{
    (void)snprintf(out, CELL_SIZE, "%s%s", group->network,
                   group->kind == BOUNCE_OTHERS ? " (others)" : "");
}

static void write_reason(const struct bounce_group *group, char out[CELL_SIZE])
{
    (void)snprintf(out, CELL_SIZE, "%s%s", group->reason[0] ? group->reason : "(several)",
                   group->observed ? " (observed)" : "");
}

/* The key of ours, or whose it would be; what else was sent as key. */
static const char *who_of(const struct bounce_group *group)
{
    return group->team[0]      ? group->team
           : group->key_id[0]  ? group->key_id
           : group->claimed[0] ? group->claimed
                               : "";
}

static void cell(struct output_table *table, enum output_style style, const char *word)
{
    output_table_cell(table, style, text_from(word));
}

static void add_group(struct output_table *table, const struct bounces_row *row, uint64_t now)
{
    char text[CELL_SIZE], age[OUTPUT_AGE_SIZE];
    write_calls(row, text);
    cell(table, STYLE_PLAIN, text);
    write_network(&row->group, text);
    cell(table, STYLE_PLAIN, text);
    write_reason(&row->group, text);
    cell(table, row->group.observed ? STYLE_WARNING : STYLE_BAD, text);
    cell(table, STYLE_PLAIN, who_of(&row->group));
    cell(table, STYLE_DIM, short_age(row->group.last_at, now, age));
    cell(table, row->last_good_at ? STYLE_GOOD : STYLE_DIM, short_age(row->last_good_at, now, age));
    cell(table, STYLE_DIM, row->id);
}

static void add_sum(struct output_table *table, const struct bounces_row *row, enum bounces_by by,
                    uint64_t now)
{
    char text[CELL_SIZE], age[OUTPUT_AGE_SIZE];
    const char *word = by == BOUNCES_BY_NETWORK ? row->group.network : bounces_row_word(row, by);
    write_calls(row, text);
    cell(table, STYLE_PLAIN, text);
    (void)snprintf(text, sizeof text, "%s%s", word[0] ? word : "(none)",
                   by == BOUNCES_BY_NETWORK && row->group.kind == BOUNCE_OTHERS ? " (others)" : "");
    cell(table, STYLE_PLAIN, text);
    if (by != BOUNCES_BY_REASON) {
        write_reason(&row->group, text);
        cell(table, STYLE_PLAIN, text);
    } else {
        cell(table, STYLE_PLAIN, row->group.observed ? "observed" : "refused");
    }
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)row->groups);
    cell(table, STYLE_DIM, text);
    cell(table, STYLE_DIM, short_age(row->group.last_at, now, age));
    cell(table, row->last_good_at ? STYLE_GOOD : STYLE_DIM, short_age(row->last_good_at, now, age));
}

static const char *const sum_titles[BOUNCES_BY_COUNT] = {
    [BOUNCES_BY_NETWORK] = "NETWORK",   [BOUNCES_BY_REASON] = "REASON",
    [BOUNCES_BY_LISTENER] = "LISTENER", [BOUNCES_BY_KEY] = "KEY",
    [BOUNCES_BY_TEAM] = "TEAM",
};

static void print_table(const struct bounces_answer *answer, const struct wanted *wanted)
{
    static const struct output_column group_columns[] = {
        {"CALLS", true, false}, {"NETWORK", false, true}, {"REASON", false, true},
        {"WHO", false, true},   {"LAST", true, false},    {"GOOD", true, false},
        {"ID", false, false}};
    enum bounces_by by = wanted->question.by;
    const struct output_column sum_columns[] = {
        {"CALLS", true, false},
        {sum_titles[by], false, true},
        {by == BOUNCES_BY_REASON ? "MODE" : "REASON", false, true},
        {"GROUPS", true, false},
        {"LAST", true, false},
        {"GOOD", true, false}};
    bool groups = by == BOUNCES_BY_GROUP;
    struct output_table *table =
        groups ? output_table_create(group_columns, ARRAY_LENGTH(group_columns))
               : output_table_create(sum_columns, ARRAY_LENGTH(sum_columns));
    for (size_t i = 0; i < answer->count && (wanted->limit == 0 || i < wanted->limit); i++) {
        if (groups)
            add_group(table, &answer->rows[i], wanted->question.now);
        else
            add_sum(table, &answer->rows[i], by, wanted->question.now);
    }
    output_table_print(table);
}

/* "since 2026-11-29 17:45 UTC": what was asked for, as exact as it is known. */
static void print_foot(const struct bounces_answer *answer, const struct wanted *wanted)
{
    const struct bounces_question *question = &wanted->question;
    char start[CLOCK_RFC3339_SIZE];
    (void)clock_format_rfc3339(bounce_times_start(question->since, question->now), start);
    start[10] = ' ';
    start[16] = 0;
    if (answer->count == 0) {
        printf("Nobody was turned away%s%s%s.\n", question->since ? " since " : "",
               question->since ? start : "", question->since ? " UTC" : "");
        return;
    }
    printf("\n%llu calls%s%s%s", (unsigned long long)answer->calls,
           question->since ? " since " : "", question->since ? start : "",
           question->since ? " UTC" : "");
    if (wanted->limit > 0 && answer->count > wanted->limit)
        printf("; the largest %llu of %zu rows, `--limit 0` shows all",
               (unsigned long long)wanted->limit, answer->count);
    printf(".%s\n", question->by == BOUNCES_BY_GROUP
                        ? " `turnpike bounces ID` tells the story of a row."
                        : "");
}

/* ------------------------------------------------------------------ the story of one */

static void print_line(const char *label, const char *value)
{
    if (!value[0])
        return;
    printf("%s%-*s%s", output_style_begin(STYLE_DIM), (int)LABEL_COLUMN, label,
           output_style_end(STYLE_DIM));
    output_print(stdout, text_from(value));
    putchar('\n');
}

static void print_moment(const char *label, uint64_t time, uint64_t now, const char *never)
{
    char moment[CLOCK_RFC3339_SIZE], age[OUTPUT_AGE_SIZE], text[CELL_SIZE];
    if (time == 0) {
        print_line(label, never);
        return;
    }
    (void)clock_format_rfc3339(time, moment);
    moment[10] = ' ';
    moment[19] = 0;
    (void)snprintf(text, sizeof text, "%s UTC (%s)", moment, output_age(time, now, age));
    print_line(label, text);
}

static void print_request(const char *label, struct identifier id)
{
    char text[IDENTIFIER_TEXT_LENGTH + 1];
    if (bounces_is_no_id(&id))
        return;
    identifier_format(id, text);
    text[IDENTIFIER_TEXT_LENGTH] = 0;
    print_line(label, text);
}

static void print_story(const struct bounces_row *row, uint64_t now)
{
    const struct bounce_group *group = &row->group;
    char text[2 * CELL_SIZE], calls[CELL_SIZE];
    write_calls(row, calls);
    print_line("group", row->id);
    (void)snprintf(text, sizeof text, "%s%s", group->network,
                   group->kind == BOUNCE_OTHERS ? "  (many sources with few calls each)" : "");
    print_line("network", text);
    (void)snprintf(text, sizeof text, "%s%s%s%s", group->reason, group->rule[0] ? " " : "",
                   group->rule, group->observed ? "  (observed: the calls were not refused)" : "");
    print_line(group->observed ? "would refuse" : "refused", text);
    (void)snprintf(text, sizeof text, "%s%s", calls,
                   row->error ? "  (up to so many more are counted among the others)" : "");
    print_line("calls", text);
    print_line("listener", group->listener);
    print_line("team", group->team);
    print_line("key", group->key_id);
    print_line("sent as key", group->claimed);
    print_moment("first", group->first_at, now, "");
    print_moment("last", group->last_at, now, "");
    print_moment("last good", row->last_good_at, now,
                 "never: no call from that network was served");
    print_line("last source", group->source);
    print_line("last model", group->model);
    print_line("user agent", group->user_agent);
    print_request("first request", group->first_id);
    print_request("last request", group->last_id);
    printf("%s%-*s%s", output_style_begin(STYLE_DIM), (int)LABEL_COLUMN, "what helps",
           output_style_end(STYLE_DIM));
    output_paragraphs(bounces_fix(group), LABEL_COLUMN);
}

/* ------------------------------------------------------------------ running */

static void print_json(const struct bounces_answer *answer, const struct wanted *wanted)
{
    struct buffer line;
    struct json_writer writer;
    buffer_open(&line, JSON_LINE_MAX);
    for (size_t i = 0; i < answer->count && (wanted->limit == 0 || i < wanted->limit); i++) {
        buffer_clear(&line);
        json_open(&writer, &line);
        bounces_write_row(&writer, &answer->rows[i]);
        ensure(json_done(&writer));
        printf("%.*s\n", TEXT_ARG(buffer_text(&line)));
    }
    buffer_close(&line);
}

/* Nothing was found because of a word that names nothing: that is said, and not that all is well.
 * Teams and keys are all known; networks and listeners may be right and have had no call yet. */
static bool tell_unknown(struct store *store, const struct bounces_options *options,
                         const struct wanted *wanted, int *exit_code)
{
    const struct {
        const char *member, *given, *advice;
    } all[] = {
        {"team", options->team, "`turnpike team list` lists them"},
        {"key", options->key, "`turnpike key list` has the ids"},
        {"network", options->network, "`turnpike bounces --by network --since all` lists them"},
        {"listener", options->listener, "`turnpike bounces --by listener --since all` lists them"},
    };
    const char *member = NULL;
    if (bounces_find_unknown(store, &wanted->question, &member) != ERROR_OK || member == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        if (strcmp(all[i].member, member) == 0) {
            *exit_code = i < 2 ? VERB_FAILED : VERB_OK;
            (void)verb_fail("no %s '%.60s' is known%s: %s", member, all[i].given,
                            i < 2 ? "" : " from any call", all[i].advice);
        }
    return true;
}

static int print_answer(const struct verb_call *call, const struct bounces_answer *answer,
                        const struct wanted *wanted)
{
    const struct bounces_options *options = call->options;
    bool one = call->operand_count > 0;
    if (one && answer->count == 0)
        return verb_fail("there is no group %.60s%s: `turnpike bounces --since all` lists all",
                         call->operands[0], options->since ? " in that time" : "");
    if (options->json) {
        print_json(answer, wanted);
        return VERB_OK;
    }
    for (size_t i = 0; one && i < answer->count; i++) {
        if (i > 0)
            putchar('\n');
        print_story(&answer->rows[i], wanted->question.now);
    }
    if (!one && answer->count > 0)
        print_table(answer, wanted);
    if (!one)
        print_foot(answer, wanted);
    return VERB_OK;
}

static int bounces_run(const struct verb_call *call)
{
    const struct bounces_options *options = call->options;
    struct admin_session session;
    struct bounces_answer answer;
    struct wanted wanted;
    int exit_code = read_question(call, &wanted);
    if (exit_code != VERB_OK)
        return exit_code;
    admin_session_begin(&session, call->verb, options->data);
    exit_code = VERB_FAILED;
    if (admin_session_open(&session, false)) {
        char around[KNOWN_NETWORK_SIZE] = "";
        if (wanted.question.in_network)
            known_networks_find(session.data, &wanted.question.network, around);
        wanted.question.around = text_from(around);
        if (bounces_answer_read(session.store, &wanted.question, &answer) == ERROR_OK) {
            if (answer.count > 0 || call->operand_count > 0 ||
                !tell_unknown(session.store, options, &wanted, &exit_code))
                exit_code = print_answer(call, &answer, &wanted);
            bounces_answer_free(&answer);
        } else {
            exit_code = verb_fail("the store: %s", store_problem(session.store));
        }
    }
    admin_session_end(&session);
    return exit_code;
}

#define ROW(name, member, value, help) \
    ADMIN_TEXT_ROW(struct bounces_options, name, member, value, help)

static const struct option bounces_option_rows[] = {
    ADMIN_DATA_ROW(struct bounces_options),
    ROW("since", since, "WHEN",
        "calls from then on: 2h, 7d ago, 2026-11-22, or all; to the quarter of an hour within a "
        "day, else to the day, at most 32 days [" SINCE_DEFAULT "; all with an ID]"),
    ROW("by", by, "WORD", "add up by network, reason, listener, key or team"),
    ROW("network", network, "NETWORK",
        "only sources in it: 10.0.0.0/8, 2001:db8::/32, one address, or a name of the "
        "configuration"),
    ROW("reason", reason, "CODE", "only this refusal, such as revoked_api_key"),
    ROW("listener", listener, "NAME", "only calls to this listener"),
    ROW("key", key, "ID", "only calls with this key, whether its secret was right or not"),
    ROW("team", team, "TEAM", "only calls of this team"),
    OPTION_TEXT_LETTER_ROW('n', "limit", struct bounces_options, limit, "N",
                           "only the largest N rows; 0: all [30; all with --json]", OPTION_ANY),
    OPTION_FLAG_ROW("json", struct bounces_options, json, "one JSON object per line"),
    OPTION_WIDE_ROW,
    OPTION_END,
};

const struct verb verb_bounces = {
    .name = "bounces",
    .summary = "Show who is turned away, and what to do about it",
    .operands = "[ID]",
    .operands_max = 1,
    .options = bounces_option_rows,
    .options_size = sizeof(struct bounces_options),
    .description =
        "Calls that were refused, and calls that a rule in observe mode would have refused, in "
        "groups: by the network that they came from (the longest that the configuration names, "
        "else the /24 or /48), the reason, the listener, the key and its team. A key of ours is "
        "named also where it was revoked, has expired, or its secret was wrong.\n"
        "\n"
        "GOOD is when a call from that network was last served. Who used to get through and now "
        "does not will find another way: these are the people to talk to. With an ID the whole "
        "story of a group is told, with what helps.\n"
        "\n"
        "\"1204 +17\" says that the group is kept only since its first call here, and that up to "
        "17 "
        "more may be counted in a row (others), which is for the many sources with few calls "
        "each of a wider network. The calls of all rows together are exact.",
    .examples = "turnpike bounces                          # the last 24 hours\n"
                "turnpike bounces --by network --since 7d\n"
                "turnpike bounces --network 10.20.0.0/16   # what happens to one office\n"
                "turnpike bounces bnc_4f0c2a97             # the story of one row\n"
                "turnpike bounces --team search --json | jq -r .last_request_id",
    .run = bounces_run,
};
