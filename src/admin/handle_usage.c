/* Who used what, and what it cost: the answers of `turnpike usage`. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/usage_answer.h"
#include "admin/usage_filter.h"
#include "admin/when.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "policy/period.h"

#define BY_DEFAULT    "model"
#define DAYS_DEFAULT  30u
#define SHOWN_MAX     60u
#define ROWS_PER_CALL 100000u /* what fits into an answer, at some 600 bytes a row */

struct usage_format {
    struct text name;
    void (*write)(const struct usage_answer *answer, FILE *out);
    const char *content_type;
};

static const struct usage_format formats[] = {
    {TEXT_INIT("json"), usage_write_json, "application/json"},
    {TEXT_INIT("csv"), usage_write_csv, "text/csv; charset=utf-8"},
    {TEXT_INIT("focus"), usage_write_focus, "text/csv; charset=utf-8"},
};

static const struct usage_format *read_format(struct admin_call *call)
{
    struct text name = call_query(call, "format");

    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        if (text_equal(formats[i].name, name.data ? name : formats[0].name))
            return &formats[i];
    }
    (void)call_refuse(call, ADMIN_PROBLEM_INVALID, "format", "there are json, csv and focus");
    return NULL;
}

static bool read_columns(struct admin_call *call, const struct usage_format *format,
                         struct usage_answer *answer)
{
    struct text list = call_query(call, "by");

    if (format->write == usage_write_focus) {
        if (list.data || call_query(call, "timezone").data)
            return call_refuse(call, ADMIN_PROBLEM_INVALID, list.data ? "by" : "timezone",
                               "the format focus has groups of its own, by day in UTC");
        usage_focus_prepare(answer);
        return true;
    }
    if (!list.data)
        list = TEXT(BY_DEFAULT);
    while (list.data) {
        struct text word = arena_copy(&call->arena, text_split(&list, ','));
        if (!word.data || !usage_answer_add_column(answer, word))
            return call_refuse(call, ADMIN_PROBLEM_INVALID, "by",
                               "\"%.*s\": there are %s; each once, one step of time, %u in all",
                               TEXT_ARG(text_first(word, SHOWN_MAX)), usage_answer_words,
                               USAGE_GROUPS_MAX);
    }
    return true;
}

static bool read_zone(struct admin_call *call, struct usage_answer *answer)
{
    answer->timezone = arena_copy(&call->arena, call_query(call, "timezone"));
    enum error error = timezone_load(answer->timezone, &answer->zone);

    return error == ERROR_OK ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, "timezone",
                       "there is no time zone \"%.*s\" here: names are like UTC, Europe/Berlin, "
                       "America/New_York",
                       TEXT_ARG(text_first(answer->timezone, SHOWN_MAX)));
}

/* Dates are those of the zone. */
static bool read_moment(struct admin_call *call, const struct usage_answer *answer,
                        const char *name, uint64_t *out)
{
    struct text value = call_query(call, name), copy = arena_copy(&call->arena, value);

    if (!value.data)
        return true;
    return (copy.data && when_parse(copy.data, answer->zone, answer->now, out)) ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, name, "\"%.*s\" is no time: " WHEN_FORMS,
                       TEXT_ARG(text_first(value, SHOWN_MAX)));
}

static bool read_times(struct admin_call *call, struct usage_answer *answer)
{
    answer->now = clock_wall();
    answer->until = UINT64_MAX;
    answer->since =
        period_at(PERIOD_DAY, answer->zone, 0, answer->now - (DAYS_DEFAULT - 1) * ROLLUP_DAY).start;
    if (text_equal(call_query(call, "since"), TEXT("all")))
        answer->since = 0;
    else if (!read_moment(call, answer, "since", &answer->since))
        return false;
    if (!read_moment(call, answer, "until", &answer->until))
        return false;
    return answer->since < answer->until ||
           call_refuse(call, ADMIN_PROBLEM_INVALID, "until", "it is not after since");
}

static bool ask(struct admin_call *call, struct usage_answer *answer, struct usage_request *request)
{
    struct store *store = call->office->store;
    enum error error = usage_answer_make_edges(answer, store);

    if (error == ERROR_OK)
        error = usage_answer_ask(answer, store, request);
    if (error == ERROR_LIMIT || answer->row_count > ROWS_PER_CALL)
        return call_refuse(call, ADMIN_PROBLEM_ANSWER_TOO_LARGE, "by",
                           "the answer would have more than %u rows: ask for less time or fewer "
                           "groups",
                           ROWS_PER_CALL);
    return call_store_answer(call, error);
}

static bool write_answer(struct admin_call *call, const struct usage_format *format,
                         const struct usage_answer *answer)
{
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = ensure_memory(open_memstream(&bytes, &length));

    format->write(answer, out);
    ensure_memory(fclose(out) == 0 ? bytes : NULL);
    call->content_type = format->content_type;
    /* The line's end is everybody's last byte. */
    buffer_append(&call->out, text_of(bytes, length > 0 ? length - 1 : 0));
    free(bytes);
    return true;
}

bool handle_usage(struct admin_call *call)
{
    struct usage_answer answer = {0};
    struct usage_filter filter;
    struct usage_request request;
    const struct usage_format *format = read_format(call);
    bool good = format && read_columns(call, format, &answer) && read_zone(call, &answer) &&
                read_times(call, &answer) && usage_filter_read(call, &filter, &request) &&
                ask(call, &answer, &request) && write_answer(call, format, &answer);

    usage_answer_close(&answer);
    return good;
}
