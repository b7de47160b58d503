#include "admin/usage_answer.h"

#include <search.h>
#include <time.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "policy/period.h"
#include "store/keys.h"
#include "store/organisation.h"
#include "store/teams.h"

#define HOUR 3600

/* ------------------------------------------------------------------ what is asked for */

struct word {
    struct text name;
    const char *title;
    enum usage_step step; /* NONE: a dimension */
    enum usage_dimension dimension;
};

static const struct word words[] = {
    {TEXT_INIT("team"), "TEAM", USAGE_STEP_NONE, USAGE_BY_TEAM},
    {TEXT_INIT("key"), "KEY", USAGE_STEP_NONE, USAGE_BY_KEY},
    {TEXT_INIT("model"), "MODEL", USAGE_STEP_NONE, USAGE_BY_MODEL},
    {TEXT_INIT("target_model"), "TARGET MODEL", USAGE_STEP_NONE, USAGE_BY_TARGET_MODEL},
    {TEXT_INIT("provider"), "PROVIDER", USAGE_STEP_NONE, USAGE_BY_PROVIDER},
    {TEXT_INIT("service"), "SERVICE", USAGE_STEP_NONE, USAGE_BY_SERVICE},
    {TEXT_INIT("tags"), "TAGS", USAGE_STEP_NONE, USAGE_BY_TAGS},
    {TEXT_INIT("hour"), "HOUR", USAGE_STEP_HOUR, 0},
    {TEXT_INIT("day"), "DAY", USAGE_STEP_DAY, 0},
    {TEXT_INIT("week"), "WEEK OF", USAGE_STEP_WEEK, 0},
    {TEXT_INIT("month"), "MONTH", USAGE_STEP_MONTH, 0},
};
const char usage_answer_words[] =
    "team, key, model, target_model, provider, service, tags, tag:NAME, hour, day, week or month";

#define TAG_PREFIX "tag:"

static bool add_group(struct usage_answer *answer, struct usage_column column,
                      struct usage_group group)
{
    if (answer->group_count == USAGE_GROUPS_MAX)
        return false;
    column.group = answer->group_count;
    answer->groups[answer->group_count++] = group;
    answer->columns[answer->column_count++] = column;
    return true;
}

bool usage_answer_add_column(struct usage_answer *answer, struct text name)
{
    struct usage_column column = {.name = name};
    for (size_t i = 0; i < answer->column_count; i++) {
        if (text_equal(answer->columns[i].name, name))
            return false;
    }
    if (text_starts_with(name, TEXT(TAG_PREFIX))) {
        struct text tag = text_from_index(name, sizeof TAG_PREFIX - 1);
        column.title = tag.data;
        return !text_empty(tag) &&
               add_group(answer, column, (struct usage_group){USAGE_BY_TAG, tag});
    }
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!text_equal(words[i].name, name))
            continue;
        column.title = words[i].title;
        column.is_key = words[i].step == USAGE_STEP_NONE && words[i].dimension == USAGE_BY_KEY;
        if (words[i].step == USAGE_STEP_NONE)
            return add_group(answer, column, (struct usage_group){.dimension = words[i].dimension});
        if (answer->step != USAGE_STEP_NONE)
            return false;
        answer->step = words[i].step;
        column.group = USAGE_TIME;
        answer->columns[answer->column_count++] = column;
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------ edges */

static uint64_t next_hour(const struct time_zone *zone, uint64_t wall)
{
    int64_t seconds = (int64_t)(wall / NANOSECONDS_PER_SECOND);
    struct time_span span = timezone_span(zone, seconds);
    int64_t local = seconds + span.offset;
    int64_t next = local - local % HOUR + HOUR - span.offset;
    if (span.until < next)
        next = span.until;
    return (uint64_t)next * NANOSECONDS_PER_SECOND;
}

uint64_t usage_step_next(enum usage_step step, const struct time_zone *zone, uint64_t wall)
{
    static const enum period_kind kinds[] = {[USAGE_STEP_DAY] = PERIOD_DAY,
                                             [USAGE_STEP_WEEK] = PERIOD_WEEK,
                                             [USAGE_STEP_MONTH] = PERIOD_MONTH};
    switch (step) {
    case USAGE_STEP_NONE: return UINT64_MAX;
    case USAGE_STEP_QUARTER: return wall - wall % PERIOD_QUARTER + PERIOD_QUARTER;
    case USAGE_STEP_HOUR: return next_hour(zone, wall);
    default: return period_at(kinds[step], zone, 0, wall).end;
    }
}

static enum error add_edge(struct usage_answer *answer, size_t *room, uint64_t edge)
{
    if (answer->edge_count > USAGE_ROWS_MAX)
        return ERROR_LIMIT;
    if (answer->edge_count == *room) {
        *room = *room ? 2 * *room : 64;
        answer->edges = ensure_memory(reallocarray(answer->edges, *room, sizeof *answer->edges));
    }
    answer->edges[answer->edge_count++] = edge;
    return ERROR_OK;
}

enum error usage_answer_make_edges(struct usage_answer *answer, struct store *store)
{
    uint64_t first, end;
    size_t room = 0;
    enum error error = usage_bounds(store, &first, &end);
    if (error)
        return error;
    uint64_t at = answer->since > first ? answer->since : first;
    uint64_t last = answer->until < end ? answer->until : end;
    error = add_edge(answer, &room, at);
    while (!error && at < last) {
        uint64_t next = usage_step_next(answer->step, answer->zone, at);
        at = next < last ? next : last;
        error = add_edge(answer, &room, at);
    }
    return error || answer->edge_count > 1 ? error : add_edge(answer, &room, at);
}

size_t usage_answer_label(const struct usage_answer *answer, size_t interval,
                          char out[USAGE_LABEL_SIZE])
{
    static const char *const formats[] = {
        [USAGE_STEP_NONE] = "%Y-%m-%d %H:%M", [USAGE_STEP_QUARTER] = "%Y-%m-%d %H:%M",
        [USAGE_STEP_HOUR] = "%Y-%m-%d %H:%M", [USAGE_STEP_DAY] = "%Y-%m-%d",
        [USAGE_STEP_WEEK] = "%Y-%m-%d",       [USAGE_STEP_MONTH] = "%Y-%m"};
    uint64_t wall = answer->edges[interval];
    if (answer->step == USAGE_STEP_WEEK) /* its Monday, also where the answer begins later */
        wall = period_at(PERIOD_WEEK, answer->zone, 0, wall).start;
    int64_t seconds = (int64_t)(wall / NANOSECONDS_PER_SECOND);
    time_t local = seconds + timezone_span(answer->zone, seconds).offset;
    struct tm time;
    if (gmtime_r(&local, &time) == NULL)
        return 0;
    if (answer->step == USAGE_STEP_HOUR)
        time.tm_min = 0;
    return strftime(out, USAGE_LABEL_SIZE, formats[answer->step], &time);
}

/* ------------------------------------------------------------------ names */

struct name {
    struct text id, name; /* into `bytes` */
    char bytes[];
};

static int compare_names(const void *left, const void *right)
{
    return text_compare(((const struct name *)left)->id, ((const struct name *)right)->id);
}

static void add_name(void **tree, struct text id, struct text shown)
{
    struct name *name = ensure_memory(malloc(sizeof *name + id.length + 1 + shown.length));
    text_copy_to(id, name->bytes, id.length + 1);
    if (shown.length > 0)
        memcpy(name->bytes + id.length + 1, shown.data, shown.length);
    name->id = text_of(name->bytes, id.length);
    name->name = text_of(name->bytes + id.length + 1, shown.length);
    void **found = ensure_memory(tsearch(name, tree, compare_names));
    if (*found != name)
        free(name);
}

static struct text find_name(void *const *tree, struct text id)
{
    const struct name wanted = {.id = id};
    void *found = tfind(&wanted, tree, compare_names);
    return found ? (*(struct name *const *)found)->name : TEXT("");
}

static void take_key(void *context, const struct stored_key *key)
{
    struct usage_answer *answer = context;
    add_name(&answer->key_names, key->id, key->name);
}

static void take_team(void *context, const struct stored_team *team)
{
    struct usage_answer *answer = context;
    add_name(&answer->team_titles, team->name, team->title);
}

static void take_organisation(void *context, const struct stored_organisation *organisation)
{
    struct usage_answer *answer = context;
    char *copy = ensure_memory(malloc(organisation->name.length + 1));
    text_copy_to(organisation->name, copy, organisation->name.length + 1);
    answer->organisation = text_of(copy, organisation->name.length);
}

struct text usage_answer_key_name(const struct usage_answer *answer, struct text id)
{
    return find_name(&answer->key_names, id);
}

struct text usage_answer_team_title(const struct usage_answer *answer, struct text name)
{
    return find_name(&answer->team_titles, name);
}

/* ------------------------------------------------------------------ asking */

struct taking {
    struct usage_answer *answer;
    size_t room;
};

void usage_add_sums(struct usage_sums *to, const struct usage_sums *from)
{
#define COUNTER(name, description)                                                          \
    if (__builtin_add_overflow(to->counters.name, from->counters.name, &to->counters.name)) \
        to->counters.name = INT64_MAX;
#include "tables/usage_counters.def"
#undef COUNTER
    to->cost += from->cost;
    to->adjusted += from->adjusted;
}

static bool take_row(void *context, const struct usage_row *row)
{
    struct taking *taking = context;
    struct usage_answer *answer = taking->answer;
    size_t size = answer->group_count * sizeof *row->values;
    if (answer->row_count == taking->room) {
        taking->room = taking->room ? 2 * taking->room : 64;
        answer->rows =
            ensure_memory(reallocarray(answer->rows, taking->room, sizeof *answer->rows));
    }
    for (size_t i = 0; i < answer->group_count; i++)
        size += row->values[i].length;
    struct text *values = ensure_memory(malloc(size + 1));
    char *bytes = (char *)(values + answer->group_count);
    for (size_t i = 0; i < answer->group_count; i++) {
        if (row->values[i].length > 0)
            memcpy(bytes, row->values[i].data, row->values[i].length);
        values[i] = text_of(bytes, row->values[i].length);
        bytes += values[i].length;
    }
    answer->rows[answer->row_count] =
        (struct answer_row){row->interval, answer->row_count, values, *row->sums};
    answer->row_count++;
    usage_add_sums(&answer->total, row->sums);
    return true;
}

static int compare_rows(const void *left, const void *right)
{
    const struct answer_row *a = left, *b = right;
    __int128 a_cost = a->sums.cost + a->sums.adjusted, b_cost = b->sums.cost + b->sums.adjusted;
    if (a->interval != b->interval)
        return a->interval < b->interval ? -1 : 1;
    if (a_cost != b_cost)
        return a_cost > b_cost ? -1 : 1;
    if (a->sums.counters.calls != b->sums.counters.calls)
        return a->sums.counters.calls > b->sums.counters.calls ? -1 : 1;
    return a->order < b->order ? -1 : 1; /* that of the values */
}

enum error usage_answer_ask(struct usage_answer *answer, struct store *store,
                            struct usage_request *request)
{
    struct taking taking = {answer, 0};
    request->edges = answer->edges;
    request->edge_count = answer->edge_count;
    request->groups = answer->groups;
    request->group_count = answer->group_count;
    enum error error = usage_query(store, request, take_row, &taking);
    if (!error)
        error = keys_list(store, take_key, answer);
    if (!error)
        error = teams_list(store, take_team, answer);
    if (!error)
        error = organisation_read(store, take_organisation, answer);
    if (!error && answer->row_count > 0)
        qsort(answer->rows, answer->row_count, sizeof *answer->rows, compare_rows);
    return error;
}

void usage_answer_close(struct usage_answer *answer)
{
    for (size_t i = 0; i < answer->row_count; i++)
        free(answer->rows[i].values);
    free(answer->rows);
    free(answer->edges);
    free((char *)answer->organisation.data);
    tdestroy(answer->key_names, free);
    tdestroy(answer->team_titles, free);
    timezone_free(answer->zone);
}

bool usage_answer_has_cost(const struct usage_sums *sums)
{
    return sums->counters.unpriced == 0 || sums->cost != 0 || sums->adjusted != 0;
}
