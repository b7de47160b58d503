/* Journals are read before the store: what leaves a journal is in the store by then, so nothing is
 * missed; what is in both is shown once.
 *
 * Following keeps its place in every journal segment, and in the store by the number of the import.
 * A record is shown when the journal has it; the set `shown` keeps it from being shown again when
 * the store has it too. Only rows numbered before the journals were read are taken from the store,
 * so that a row unknown to `shown` is one whose segment came and went between two looks, or one
 * that recovery made. */
#include "ledger/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "ledger/ledger_parts.h"
#include "ledger/open_set.h"
#include "store/exchanges.h"
#include "store/rollup.h"
#include "store/usage_places.h"

#define PATH_SIZE 4096u
#define PATIENCE  2000u /* milliseconds to wait for a locked store */
/* An id's time is when it was made, a moment from when the exchange started. */
#define ID_SLACK (60 * NANOSECONDS_PER_SECOND)

struct item {
    struct identifier id;
    const uint8_t *bytes;
    size_t length;
};

struct items {
    struct item *list;
    size_t count;
    size_t capacity;
};

struct followed {
    struct segment segment;
    size_t position;
    bool present; /* its file was there at the last look */
    struct followed *next;
};

struct history {
    struct history_filter filter;
    int journals; /* directory, -1 when there is none */
    char path[PATH_SIZE];
    struct store *store; /* NULL while it cannot be read */
    struct followed *segments;
    struct open_set shown;
    size_t looked; /* rows of the store, by a limited reading */
    bool stopped;  /* there were too many: after the one with this id */
    struct identifier stopped_at;
    int64_t last_number; /* rows up to this one were shown or passed over */
};

enum error history_open(const char *data, const struct history_filter *filter, struct history **out,
                        char problem[HISTORY_PROBLEM_SIZE])
{
    char journals[PATH_SIZE];
    struct history *history = ensure_memory(calloc(1, sizeof(*history)));
    history->filter = *filter;
    bool fits =
        snprintf(history->path, PATH_SIZE, "%s/%s", data, STORE_FILE) < (int)PATH_SIZE &&
        snprintf(journals, PATH_SIZE, "%s/%s", data, LEDGER_JOURNAL_DIRECTORY) < (int)PATH_SIZE;
    history->journals = fits ? open(journals, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (!fits || (history->journals < 0 && access(history->path, F_OK) != 0)) {
        (void)snprintf(problem, HISTORY_PROBLEM_SIZE, "%s holds no records: %s", data,
                       strerror(fits ? errno : ENAMETOOLONG));
        history_close(history);
        return ERROR_NOT_FOUND;
    }
    *out = history;
    return ERROR_OK;
}

void history_close(struct history *history)
{
    while (history->segments) {
        struct followed *next = history->segments->next;
        segment_close(&history->segments->segment);
        free(history->segments);
        history->segments = next;
    }
    store_close(history->store);
    open_set_close(&history->shown);
    if (history->journals >= 0)
        close(history->journals);
    free(history);
}

static int compare_ids(const struct identifier *left, const struct identifier *right)
{
    return memcmp(left->bytes, right->bytes, sizeof(left->bytes));
}

bool history_wants(const struct history_filter *filter, const struct record *record)
{
    if ((filter->only && compare_ids(&record->id, filter->only) != 0) ||
        (filter->before && compare_ids(&record->id, filter->before) >= 0))
        return false;
    if ((filter->since && record->started_at < filter->since) ||
        (filter->until && record->started_at > filter->until))
        return false;
    if (!text_empty(filter->key) && !text_equal(filter->key, record->key_id) &&
        !text_equal(filter->key, record->key_name))
        return false;
    if (!text_empty(filter->team) && !text_equal(filter->team, record->team))
        return false;
    if (!text_empty(filter->provider) && !text_equal(filter->provider, record->provider))
        return false;
    if (!text_empty(filter->tag) && text_find(record->tags, filter->tag) < 0)
        return false;
    if (!text_empty(filter->part_of) && !text_equal(filter->part_of, record->part_of))
        return false;
    if (!text_empty(filter->model) && !text_matches_pattern(record->model, filter->model) &&
        !text_matches_pattern(record->target_model, filter->model))
        return false;
    if (filter->status_high &&
        (record->status < filter->status_low || record->status > filter->status_high))
        return false;
    return filter->outcome == RECORD_OUTCOME_UNKNOWN || filter->outcome == record->outcome;
}

static void items_add(struct items *items, const struct item *item)
{
    if (items->count == items->capacity) {
        items->capacity = items->capacity ? items->capacity * 2 : 256;
        items->list = ensure_memory(realloc(items->list, items->capacity * sizeof(*items->list)));
    }
    items->list[items->count++] = *item;
}

static int compare_items(const void *left, const void *right)
{
    return compare_ids(&((const struct item *)left)->id, &((const struct item *)right)->id);
}

/* Sorted, and each id once. */
static void items_order(struct items *items)
{
    if (items->count == 0)
        return;
    qsort(items->list, items->count, sizeof(*items->list), compare_items);
    size_t kept = 1;
    for (size_t i = 1; i < items->count; i++) {
        if (compare_items(&items->list[i], &items->list[kept - 1]) != 0)
            items->list[kept++] = items->list[i];
    }
    items->count = kept;
}

/* ---- Journals ---- */

static struct followed *find_followed(struct history *history, unsigned worker, uint64_t number)
{
    struct followed *at = history->segments;
    while (at && (at->segment.number != number || at->segment.worker != worker))
        at = at->next;
    return at;
}

static void look_at_file(struct history *history, const char *name)
{
    unsigned worker;
    uint64_t number;
    if (!segment_parse_name(name, &worker, &number))
        return;
    struct followed *at = find_followed(history, worker, number);
    if (!at) {
        struct segment segment;
        if (segment_open(&segment, history->journals, name) != ERROR_OK)
            return; /* gone meanwhile, or damage that the server will report */
        at = ensure_memory(calloc(1, sizeof(*at)));
        at->segment = segment;
        at->position = SEGMENT_START;
        at->next = history->segments;
        history->segments = at;
    }
    at->present = true;
}

/* Maps what is new. What was removed stays mapped until it has been read. */
static void look_for_segments(struct history *history)
{
    if (history->journals < 0)
        return;
    for (struct followed *at = history->segments; at; at = at->next)
        at->present = false;
    int copy = openat(history->journals, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    if (!entries) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        look_at_file(history, entry->d_name);
    closedir(entries);
}

static void read_segment(struct followed *at, struct items *items)
{
    size_t limit = at->segment.sound ? segment_committed(&at->segment) : at->segment.size;
    struct entry entry;
    uint64_t damaged = 0;
    while (segment_next(&at->segment, &at->position, limit, &entry, &damaged)) {
        struct item item = {.bytes = entry.payload, .length = entry.length};
        if (entry.kind != ENTRY_END || entry.length < sizeof(item.id.bytes))
            continue;
        memcpy(item.id.bytes, entry.payload, sizeof(item.id.bytes));
        items_add(items, &item);
    }
}

static void read_journals(struct history *history, struct items *items)
{
    look_for_segments(history);
    for (struct followed *at = history->segments; at; at = at->next)
        read_segment(at, items);
    items_order(items);
}

static void drop_removed_segments(struct history *history)
{
    struct followed **link = &history->segments;
    while (*link) {
        struct followed *at = *link;
        if (at->present) {
            link = &at->next;
            continue;
        }
        *link = at->next;
        segment_close(&at->segment);
        free(at);
    }
}

static bool show_item(struct history *history, const struct item *item, history_visit visit,
                      void *context)
{
    struct record record;
    if (record_decode(&record, item->bytes, item->length) != ERROR_OK ||
        !history_wants(&history->filter, &record))
        return true;
    return visit(context, &record);
}

static struct shelf_segment shown_mark; /* the set wants a place; ours needs only the id */

static void remember(struct history *history, const struct items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        struct open_entry entry = {.id = items->list[i].id, .segment = &shown_mark};
        if (!open_set_add(&history->shown, &entry))
            return; /* a million waiting for the store: some may show twice when it is back */
    }
}

/* ---- Store ---- */

static enum error connect_store(struct history *history, char problem[HISTORY_PROBLEM_SIZE])
{
    _Static_assert(HISTORY_PROBLEM_SIZE >= STORE_PROBLEM_SIZE, "a store's problem fits");
    if (history->store)
        return ERROR_OK;
    enum error error = store_open(history->path, STORE_READ, PATIENCE, &history->store, problem);
    if (error)
        history->store = NULL;
    return error;
}

static enum error read_last_number(struct history *history, int64_t *number)
{
    struct store_statement *select;
    enum error error =
        store_prepare(history->store, "SELECT coalesce(max(number), 0) FROM exchanges", &select);
    if (error)
        return error;
    bool row;
    error = store_step(select, &row);
    *number = !error && row ? store_column_integer(select, 0) : 0;
    store_finish(select);
    return error;
}

struct bounds {
    struct identifier from;
    struct identifier to;
};

static void find_bounds(const struct history_filter *filter, struct bounds *bounds)
{
    bounds->from = identifier_lowest(filter->since > ID_SLACK ? filter->since - ID_SLACK : 0);
    memset(bounds->to.bytes, 0xff, sizeof(bounds->to.bytes));
    if (filter->until)
        bounds->to = identifier_lowest(filter->until + ID_SLACK);
    if (filter->before && compare_ids(filter->before, &bounds->to) < 0)
        bounds->to = *filter->before;
    if (filter->only)
        bounds->from = bounds->to = *filter->only;
}

static void bind_bounds(struct exchanges_reader *reader, const struct bounds *bounds)
{
    store_bind_blob(reader->select, 1, bounds->from.bytes, sizeof(bounds->from.bytes));
    store_bind_blob(reader->select, 2, bounds->to.bytes, sizeof(bounds->to.bytes));
}

/* `bounds` must live as long as the reader. */
static enum error select_rows(struct history *history, struct bounds *bounds, bool backwards,
                              struct exchanges_reader *out)
{
    enum error error = exchanges_open(out, history->store,
                                      backwards ? "WHERE id >= ? AND id <= ? ORDER BY id DESC"
                                                : "WHERE id >= ? AND id <= ? ORDER BY id");
    if (error)
        return error;
    find_bounds(&history->filter, bounds);
    bind_bounds(out, bounds);
    return ERROR_OK;
}

/* Shows the items that stand before `id` (all of them without one), and passes over it. */
static bool show_before(struct history *history, const struct items *items, size_t *next,
                        const struct identifier *id, history_visit visit, void *context)
{
    for (; *next < items->count; ++*next) {
        const struct item *item = &items->list[*next];
        int order = id ? memcmp(item->id.bytes, id->bytes, sizeof(id->bytes)) : -1;
        if (order > 0)
            return true;
        if (order < 0 && !show_item(history, item, visit, context))
            return false;
    }
    return true;
}

static enum error read_all(struct history *history, const struct items *items, history_visit visit,
                           void *context)
{
    struct exchanges_reader reader = {0};
    struct bounds bounds;
    struct exchange_row row;
    size_t next = 0;
    bool found = false;
    bool wanted = true;
    enum error error = history->store ? select_rows(history, &bounds, false, &reader) : ERROR_OK;
    while (!error && wanted && reader.select && !(error = exchanges_next(&reader, &row, &found)) &&
           found) {
        wanted = show_before(history, items, &next, &row.record.id, visit, context) &&
                 (!history_wants(&history->filter, &row.record) || visit(context, &row.record));
    }
    exchanges_close(&reader);
    if (wanted)
        (void)show_before(history, items, &next, NULL, visit, context);
    return error;
}

/* Of the rows that are selected the matching ones, up to the limit, encoded, with memory of their
 * own.
 */
static enum error collect_selected(struct history *history, struct exchanges_reader *reader,
                                   struct items *rows)
{
    struct exchange_row row;
    uint8_t bytes[RECORD_SIZE_MAX];
    bool found = true;
    enum error error = ERROR_OK;
    while (!error && rows->count < history->filter.limit && !history->stopped &&
           !(error = exchanges_next(reader, &row, &found)) && found) {
        if (++history->looked == history->filter.look_max) {
            history->stopped = true;
            history->stopped_at = row.record.id;
        }
        if (!history_wants(&history->filter, &row.record))
            continue;
        struct item item = {.id = row.record.id, .length = record_encode(&row.record, bytes)};
        item.bytes = memcpy(ensure_memory(malloc(item.length)), bytes, item.length);
        items_add(rows, &item);
    }
    return error;
}

/* The part of the bounds in which calls of that quarter have their ids; false: none is left. What
 * is above was read with the later quarters. */
static bool narrow(struct bounds *part, const struct bounds *bounds, int64_t quarter)
{
    uint64_t start = (uint64_t)quarter * ROLLUP_QUARTER;
    struct identifier from = identifier_lowest(start > ID_SLACK ? start - ID_SLACK : 0);
    struct identifier to = identifier_lowest(start + ROLLUP_QUARTER + ID_SLACK);
    if (compare_ids(&to, &part->to) < 0)
        part->to = to;
    part->from = compare_ids(&from, &bounds->from) > 0 ? from : bounds->from;
    return compare_ids(&part->from, &part->to) <= 0;
}

/* Only quarters of an hour in which the rollups have calls of whom is asked for. */
static enum error collect_in_places(struct history *history, struct usage_places *places,
                                    struct items *rows)
{
    struct exchanges_reader reader = {0};
    struct bounds bounds, part;
    int64_t quarter;
    bool found = true;
    enum error error = select_rows(history, &bounds, true, &reader);
    part = bounds;
    while (!error && rows->count < history->filter.limit && !history->stopped &&
           !(error = usage_places_next(places, &quarter, &found)) && found) {
        if (!narrow(&part, &bounds, quarter))
            continue;
        exchanges_reset(&reader);
        bind_bounds(&reader, &part);
        error = collect_selected(history, &reader, rows);
        part.to = part.from;
    }
    exchanges_close(&reader);
    return error;
}

static enum error collect_everywhere(struct history *history, struct items *rows)
{
    struct exchanges_reader reader = {0};
    struct bounds bounds;
    enum error error = select_rows(history, &bounds, true, &reader);
    if (!error)
        error = collect_selected(history, &reader, rows);
    exchanges_close(&reader);
    return error;
}

/* The last matching rows. */
static enum error collect_rows(struct history *history, struct items *rows)
{
    const struct history_filter *filter = &history->filter;
    const struct usage_whose whose = {.team = filter->team,
                                      .key = filter->key,
                                      .model = filter->model,
                                      .provider = filter->provider,
                                      .tag = filter->tag};
    struct usage_places *places = NULL;
    enum error error = ERROR_OK;
    if (!filter->only && !usage_whose_is_empty(&whose))
        error = usage_places_open(history->store, &whose, filter->since,
                                  filter->until ? filter->until : INT64_MAX, &places);
    if (!error)
        error =
            places ? collect_in_places(history, places, rows) : collect_everywhere(history, rows);
    usage_places_close(places);
    return error;
}

static bool item_matches(const struct history *history, const struct item *item)
{
    struct record record;
    return record_decode(&record, item->bytes, item->length) == ERROR_OK &&
           history_wants(&history->filter, &record);
}

static enum error read_last(struct history *history, const struct items *items, history_visit visit,
                            void *context)
{
    struct items rows = {0};
    struct items merged = {0};
    enum error error = history->store ? collect_rows(history, &rows) : ERROR_OK;
    for (size_t i = 0; i < rows.count; i++)
        items_add(&merged, &rows.list[i]);
    for (size_t i = 0; i < items->count; i++) {
        if (item_matches(history, &items->list[i]))
            items_add(&merged, &items->list[i]);
    }
    items_order(&merged);
    size_t limit = history->filter.limit;
    size_t at = merged.count > limit ? merged.count - limit : 0;
    while (at < merged.count && show_item(history, &merged.list[at], visit, context))
        at++;
    for (size_t i = 0; i < rows.count; i++)
        free((void *)(uintptr_t)rows.list[i].bytes);
    free(rows.list);
    free(merged.list);
    return error;
}

enum error history_read(struct history *history, history_visit visit, void *context,
                        char problem[HISTORY_PROBLEM_SIZE])
{
    struct items items = {0};
    enum error unreadable = connect_store(history, problem);
    if (!unreadable)
        unreadable = read_last_number(history, &history->last_number);
    read_journals(history, &items);
    enum error error = history->filter.limit ? read_last(history, &items, visit, context)
                                             : read_all(history, &items, visit, context);
    remember(history, &items);
    free(items.list);
    drop_removed_segments(history);
    if (error)
        (void)snprintf(problem, HISTORY_PROBLEM_SIZE, "reading the store failed: %s",
                       store_problem(history->store));
    return unreadable ? unreadable : error;
}

/* Rows of (last_number, until] that no journal has shown. */
static enum error follow_store(struct history *history, int64_t until, history_visit visit,
                               void *context)
{
    struct exchanges_reader reader;
    struct exchange_row row;
    enum error error =
        exchanges_open(&reader, history->store, "WHERE number > ? AND number <= ? ORDER BY number");
    if (error)
        return error;
    store_bind_integer(reader.select, 1, history->last_number);
    store_bind_integer(reader.select, 2, until);
    for (bool found; !(error = exchanges_next(&reader, &row, &found)) && found;) {
        history->last_number = row.number;
        if (!open_set_remove(&history->shown, row.record.id) &&
            history_wants(&history->filter, &row.record))
            (void)visit(context, &row.record);
    }
    exchanges_close(&reader);
    return error;
}

bool history_stopped(const struct history *history, struct identifier *at)
{
    *at = history->stopped_at;
    return history->stopped;
}

void history_follow(struct history *history, history_visit visit, void *context)
{
    char problem[HISTORY_PROBLEM_SIZE];
    struct items items = {0};
    int64_t until = 0;
    bool readable = connect_store(history, problem) == ERROR_OK &&
                    read_last_number(history, &until) == ERROR_OK;
    read_journals(history, &items);
    for (size_t i = 0; i < items.count; i++)
        (void)show_item(history, &items.list[i], visit, context);
    remember(history, &items);
    free(items.list);
    drop_removed_segments(history);
    if (readable)
        readable = follow_store(history, until, visit, context) == ERROR_OK;
    if (!readable && history->store) { /* tried anew at the next call */
        store_close(history->store);
        history->store = NULL;
    }
}
