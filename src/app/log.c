/* `turnpike log`: what passed the gate, from the store and the journals. */
#include <time.h>

#include "admin/when.h"
#include "app/output.h"
#include "app/paths.h"
#include "app/verb.h"
#include "base/clock.h"
#include "base/number.h"
#include "ledger/history.h"
#include "ledger/record_json.h"

#define TABLE_LIMIT     "100"
#define FOLLOW_INTERVAL 200000000l /* nanoseconds */

struct log_options {
    const char *data, *since, *until, *key, *team, *model, *status, *outcome, *limit;
    bool follow, json;
};

#define TEXT_ROW(name, member, value, help) \
    OPTION_TEXT_ROW(name, struct log_options, member, value, help, OPTION_ANY)

static const struct option log_option_rows[] = {
    OPTION_TEXT_ROW("data", struct log_options, data, "DIR",
                    "the server's data directory [" DATA_DEFAULT "]", OPTION_DIRECTORY),
    OPTION_FLAG_LETTER_ROW('f', "follow", struct log_options, follow,
                           "go on and show calls as they end"),
    TEXT_ROW("since", since, "WHEN",
             "calls that started at or after WHEN: 10m, 2h, 7d ago, or "
             "2026-11-22T18:00:00Z, or 2026-11-22"),
    TEXT_ROW("until", until, "WHEN", "calls that started at or before WHEN"),
    TEXT_ROW("key", key, "KEY", "calls with this key, by id or name"),
    TEXT_ROW("team", team, "TEAM", "calls of this team"),
    TEXT_ROW("model", model, "MODEL", "calls for this model; * matches any run of characters"),
    TEXT_ROW("status", status, "STATUS", "calls answered with this status: 429, or 4xx"),
    TEXT_ROW("outcome", outcome, "OUTCOME", "served, refused, failed, cancelled or interrupted"),
    OPTION_TEXT_LETTER_ROW('n', "limit", struct log_options, limit, "N",
                           "only the last N calls [" TABLE_LIMIT "; all with --json]", OPTION_ANY),
    OPTION_FLAG_ROW("json", struct log_options, json, "one JSON object per line, every field"),
    OPTION_END,
};

/* ---- Reading the command line ---- */

static bool parse_when(const char *value, uint64_t *wall)
{
    return !value || when_parse(value, NULL, clock_wall(), wall);
}

static bool parse_status(const char *value, struct history_filter *filter)
{
    uint64_t number;
    struct text text = text_from(value);
    if (!value)
        return true;
    bool class = text.length == 3 && text_ends_with(text, TEXT("xx"));
    if (!number_parse_unsigned(class ? text_first(text, 1) : text, &number))
        return false;
    if (class)
        number *= 100;
    filter->status_low = (int64_t)number;
    filter->status_high = (int64_t)number + (class ? 99 : 0);
    return number >= 100 && number < 600;
}

static bool parse_limit(const struct log_options *options, struct history_filter *filter)
{
    const char *value = options->limit;
    if (!value)
        value = options->json ? NULL : TABLE_LIMIT;
    uint64_t number = 0;
    if (value && (!number_parse_unsigned(text_from(value), &number) || number == 0 ||
                  number > HISTORY_LIMIT_MAX))
        return false;
    filter->limit = (size_t)number;
    return true;
}

static int parse_filter(const struct verb_call *call, struct history_filter *filter)
{
    const struct log_options *options = call->options;
    *filter = (struct history_filter){.key = text_from(options->key),
                                      .team = text_from(options->team),
                                      .model = text_from(options->model)};
    const char *when = !parse_when(options->since, &filter->since)   ? options->since
                       : !parse_when(options->until, &filter->until) ? options->until
                                                                     : NULL;
    if (when)
        return verb_misused(call->verb, "%s is no time: " WHEN_FORMS, when);
    if (!parse_status(options->status, filter))
        return verb_misused(call->verb, "%s is no status: 429 or 4xx", options->status);
    if (options->outcome && (*options->outcome == '\0' ||
                             !record_outcome_parse(text_from(options->outcome), &filter->outcome)))
        return verb_misused(call->verb,
                            "%s is no outcome: served, refused, failed, cancelled or interrupted",
                            options->outcome);
    if (!parse_limit(options, filter))
        return verb_misused(call->verb, "--limit wants a number from 1 to %u", HISTORY_LIMIT_MAX);
    return VERB_OK;
}

/* ---- Showing ---- */

struct show {
    bool json;
    unsigned width; /* of the terminal, 0: none */
    unsigned column;
    struct record_json format;
    char line[RECORD_JSON_MAX];
};

struct column {
    const char *title;
    unsigned width; /* characters; 0: the rest of the line */
    bool right;
};

/* Fixed widths, because rows are printed as they come. */
static const struct column columns[] = {
    {"TIME (UTC)", 19, false}, {"STATUS", 6, true}, {"OUTCOME", 11, false}, {"MS", 9, true},
    {"IN", 7, true},           {"OUT", 6, true},    {"KEY", 16, false},     {"MODEL", 20, false},
    {"PROVIDER", 10, false},   {"WHY", 0, false},
};
#define COLUMN_GAP 2u

/* Prints at most `room` characters of `text`, a space for what is not shown; returns how many. */
static unsigned print_cut(struct text text, unsigned room)
{
    unsigned characters = 0;
    for (size_t i = 0; i < text.length;) {
        unsigned char c = (unsigned char)text.data[i];
        size_t unshown = output_unshown(text_from_index(text, i));
        bool starts = (c & 0xc0) != 0x80;
        if (starts && characters == room)
            break;
        characters += starts;
        putchar(unshown ? ' ' : c);
        i += unshown ? unshown : 1;
    }
    return characters;
}

static unsigned count_characters(struct text text)
{
    unsigned characters = 0;
    for (size_t i = 0; i < text.length; i++)
        characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return characters;
}

/* One cell of column `index`; nothing where the terminal's line is full. */
static void print_cell(struct show *show, size_t index, enum output_style style, struct text text)
{
    const struct column *column = &columns[index];
    if (index == 0)
        show->column = 0;
    unsigned gap = index == 0 ? 0 : COLUMN_GAP;
    unsigned room = column->width ? column->width : 200;
    if (show->width && show->column + gap + room > show->width)
        room = show->column + gap < show->width ? show->width - show->column - gap : 0;
    if (room == 0)
        return;
    unsigned length = count_characters(text);
    unsigned padding = length < room && column->width ? room - length : 0;
    printf("%*s%s", (int)(gap + (column->right ? padding : 0)), "", output_style_begin(style));
    unsigned printed = print_cut(text, room);
    printf("%s%*s", output_style_end(style), (int)(column->right ? 0 : padding), "");
    show->column += gap + printed + padding;
}

static void print_number(struct show *show, size_t index, enum output_style style, int64_t number)
{
    char digits[NUMBER_DIGITS_MAX];
    size_t length = number < 0 ? 0 : number_format_unsigned((uint64_t)number, digits);
    print_cell(show, index, style, length ? text_of(digits, length) : TEXT("-"));
}

static enum output_style style_of(enum record_outcome outcome)
{
    static const enum output_style styles[RECORD_OUTCOME_COUNT] = {
        [RECORD_OUTCOME_SERVED] = STYLE_GOOD,     [RECORD_OUTCOME_REFUSED] = STYLE_WARNING,
        [RECORD_OUTCOME_FAILED] = STYLE_BAD,      [RECORD_OUTCOME_CANCELLED] = STYLE_DIM,
        [RECORD_OUTCOME_INTERRUPTED] = STYLE_BAD,
    };
    return styles[outcome];
}

static struct text why(const struct record *record, char *buffer, size_t size)
{
    struct text reason = text_empty(record->refusal) ? record->error : record->refusal;
    if (record->calls <= 1)
        return reason;
    int length =
        snprintf(buffer, size, "%.*s (%lld calls)", TEXT_ARG(reason), (long long)record->calls);
    return text_of(buffer, length > 0 && (size_t)length < size ? (size_t)length : 0);
}

static void print_row(struct show *show, const struct record *record)
{
    char time[CLOCK_RFC3339_SIZE];
    char reason[128];
    clock_format_rfc3339(record->started_at, time);
    time[10] = ' ';
    enum output_style style = style_of(record->outcome);
    struct text key = text_empty(record->key_name) ? record->key_id : record->key_name;
    print_cell(show, 0, STYLE_DIM, text_of(time, 19));
    print_number(show, 1, style, record->status);
    print_cell(show, 2, style, record_outcome_name(record->outcome));
    print_number(show, 3, STYLE_PLAIN, record->duration < 0 ? -1 : record->duration / 1000000);
    print_number(show, 4, STYLE_PLAIN, record->input_tokens);
    print_number(show, 5, STYLE_PLAIN, record->output_tokens);
    print_cell(show, 6, STYLE_PLAIN, key);
    print_cell(show, 7, STYLE_PLAIN, record->model);
    print_cell(show, 8, STYLE_PLAIN, record->provider);
    print_cell(show, 9, style, why(record, reason, sizeof(reason)));
    putchar('\n');
}

static bool show_record(void *context, const struct record *record)
{
    struct show *show = context;
    if (show->json) {
        size_t length = record_json_write(&show->format, record, RECORD_JSON_ALL, show->line);
        fwrite(show->line, 1, length, stdout);
    } else {
        print_row(show, record);
    }
    return ferror(stdout) == 0; /* whoever read it has gone */
}

static void print_titles(struct show *show)
{
    for (size_t i = 0; i < ARRAY_LENGTH(columns); i++)
        print_cell(show, i, STYLE_BOLD, text_from(columns[i].title));
    putchar('\n');
}

static void follow(struct history *history, struct show *show)
{
    while (fflush(stdout) == 0 && ferror(stdout) == 0) {
        struct timespec pause = {.tv_nsec = FOLLOW_INTERVAL};
        (void)nanosleep(&pause, NULL);
        history_follow(history, show_record, show);
    }
}

static int log_run(const struct verb_call *call)
{
    const struct log_options *options = call->options;
    const char *data = options->data ? options->data : DATA_DEFAULT;
    struct history_filter filter;
    struct history *history;
    char problem[HISTORY_PROBLEM_SIZE] = "";
    int usage = parse_filter(call, &filter);
    if (usage != VERB_OK)
        return usage;
    if (history_open(data, &filter, &history, problem) != ERROR_OK)
        return verb_fail("%s; --data names the server's data directory", problem);
    static struct show show;
    show.json = options->json;
    show.width = output_width();
    if (!show.json)
        print_titles(&show);
    enum error error = history_read(history, show_record, &show, problem);
    int result = VERB_OK;
    /* A server that has just started has no store yet: its journals say it all. */
    if (error && error != ERROR_NOT_FOUND)
        result = verb_fail("only what is still in the journals is shown: %s", problem);
    if (options->follow)
        follow(history, &show);
    history_close(history);
    return fflush(stdout) == 0 ? result : VERB_FAILED;
}

const struct verb verb_log = {
    .name = "log",
    .summary = "Show what passed the gate",
    .options = log_option_rows,
    .options_size = sizeof(struct log_options),
    .description =
        "Prints the record of calls, served and refused, in the order of their start, from the "
        "store and\n"
        "from the journals that are not in it yet. Works beside a running server and without one.",
    .examples = "turnpike log --since 10m  # the last ten minutes\n"
                "turnpike log --follow --status 4xx  # refused calls as they come\n"
                "turnpike log --team payments --model 'gpt-*' --limit 20\n"
                "turnpike log --json --since 1d | jq -r .model | sort | uniq -c  # for programs",
    .run = log_run,
};
