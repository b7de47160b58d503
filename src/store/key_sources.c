/* What was added since the last flush is a table in memory, a use of a key from a network a row, in
 * the order in which they came. In the store the row with an empty network is the key's total. */
#include "store/key_sources.h"

#include "store/table.h"

#define USES_MAX 4096u /* between two flushes: as many calls as a batch of the importer has */
#define PLACES   8192u /* a power of two, twice of them */
#define WORD_MAX 64u

struct use {
    char words[2 * WORD_MAX]; /* the key's id, then the network */
    uint8_t key_length, network_length;
    uint64_t first_at, last_at, good_at;
    uint64_t calls;
};

enum statement { UPDATE, INSERT, COUNT, STALEST, REMOVE, TOTAL, PUT, STATEMENT_COUNT };

#define COLUMNS "key_id, network, first_at, last_at, good_at, calls, quiet"
#define ADD_UP                                                   \
    " first_at = min(first_at, ?3), last_at = max(last_at, ?4)," \
    " good_at = max(good_at, ?5), calls = calls + ?6"

static const char *const statement_sql[STATEMENT_COUNT] = {
    [UPDATE] = "UPDATE key_sources SET" ADD_UP " WHERE key_id = ?1 AND network = ?2",
    [INSERT] = "INSERT INTO key_sources (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [COUNT] = "SELECT count(*) FROM key_sources WHERE key_id = ?1",
    [STALEST] = "SELECT " COLUMNS " FROM key_sources WHERE key_id = ?1 AND network <> ''"
                " AND network <> '" KEY_SOURCES_OTHERS "' ORDER BY last_at LIMIT 1",
    [REMOVE] = "DELETE FROM key_sources WHERE key_id = ?1 AND network = ?2",
    [TOTAL] = "SELECT last_at FROM key_sources WHERE key_id = ?1 AND network = ''",
    [PUT] = "INSERT INTO key_sources (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)"
            " ON CONFLICT (key_id, network) DO UPDATE SET" ADD_UP,
};

struct key_sources {
    struct store *store;
    struct store_statement *statements[STATEMENT_COUNT];
    size_t count;
    struct use uses[USES_MAX];
    uint16_t places[PLACES]; /* index of a use and 1; 0: free */
};

enum error key_sources_create(struct store *store, struct key_sources **out)
{
    enum error error = ERROR_OK;
    struct key_sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL)
        return ERROR_MEMORY;
    sources->store = store;
    for (size_t i = 0; !error && i < STATEMENT_COUNT; i++)
        error = store_prepare(store, statement_sql[i], &sources->statements[i]);
    if (error)
        key_sources_destroy(sources);
    else
        *out = sources;
    return error;
}

void key_sources_destroy(struct key_sources *sources)
{
    if (sources == NULL)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        store_finish(sources->statements[i]);
    free(sources);
}

void key_sources_forget(struct key_sources *sources)
{
    if (sources->count > 0)
        memset(sources->places, 0, sizeof sources->places);
    sources->count = 0;
}

static struct text key_of(const struct use *use)
{
    return text_of(use->words, use->key_length);
}

static struct text network_of(const struct use *use)
{
    return text_of(use->words + use->key_length, use->network_length);
}

static bool is_of(const struct use *use, const struct use *other)
{
    return use->key_length == other->key_length && use->network_length == other->network_length &&
           memcmp(use->words, other->words, (size_t)use->key_length + use->network_length) == 0;
}

static struct use *find(struct key_sources *sources, const struct use *wanted)
{
    struct text words = text_of(wanted->words, (size_t)wanted->key_length + wanted->network_length);
    size_t at = (size_t)text_hash(words) % PLACES;
    while (sources->places[at] != 0 && !is_of(&sources->uses[sources->places[at] - 1], wanted))
        at = (at + 1) % PLACES;
    if (sources->places[at] == 0) {
        sources->uses[sources->count] = *wanted;
        sources->places[at] = (uint16_t)++sources->count;
    }
    return &sources->uses[sources->places[at] - 1];
}

enum error key_sources_add(struct key_sources *sources, struct text key_id, struct text network,
                           uint64_t time, uint64_t calls, bool good)
{
    struct use wanted = {.first_at = time, .last_at = time};
    enum error error = sources->count < USES_MAX ? ERROR_OK : key_sources_flush(sources);
    if (error)
        return error;
    key_id = text_first(key_id, WORD_MAX);
    network = text_first(network, WORD_MAX);
    wanted.key_length = (uint8_t)key_id.length;
    wanted.network_length = (uint8_t)network.length;
    memcpy(wanted.words, key_id.data, key_id.length);
    memcpy(wanted.words + key_id.length, network.data, network.length);
    struct use *use = find(sources, &wanted);
    use->calls += calls;
    use->first_at = time < use->first_at ? time : use->first_at;
    use->last_at = time > use->last_at ? time : use->last_at;
    if (good && time > use->good_at)
        use->good_at = time;
    return ERROR_OK;
}

/* ---- writing ---- */

static void bind(struct store_statement *statement, const struct use *use, struct text network)
{
    store_bind_text(statement, 1, key_of(use));
    store_bind_text(statement, 2, network);
    store_bind_integer(statement, 3, (int64_t)use->first_at);
    store_bind_integer(statement, 4, (int64_t)use->last_at);
    store_bind_integer(statement, 5, (int64_t)use->good_at);
    store_bind_integer(statement, 6, (int64_t)use->calls);
}

static enum error read_number(struct store_statement *statement, struct text key_id,
                              int64_t *number)
{
    bool row;
    *number = 0;
    store_bind_text(statement, 1, key_id);
    enum error error = store_step(statement, &row);
    if (!error && row)
        *number = store_column_integer(statement, 0);
    store_reset(statement);
    return error;
}

/* The network that was last used longest ago becomes a part of the others. */
static enum error drop_stalest(struct key_sources *sources, const struct use *use)
{
    struct store_statement *stalest = sources->statements[STALEST];
    struct use gone = {.key_length = use->key_length};
    bool row;
    memcpy(gone.words, use->words, use->key_length);
    store_bind_text(stalest, 1, key_of(use));
    enum error error = store_step(stalest, &row);
    if (!error && row) {
        struct text network = text_first(store_column_text(stalest, 1), WORD_MAX);
        gone.network_length = (uint8_t)network.length;
        memcpy(gone.words + gone.key_length, network.data, network.length);
        gone.first_at = table_time(stalest, 2);
        gone.last_at = table_time(stalest, 3);
        gone.good_at = table_time(stalest, 4);
        gone.calls = table_time(stalest, 5);
    }
    store_reset(stalest);
    if (error || !row)
        return error;
    store_bind_text(sources->statements[REMOVE], 1, key_of(&gone));
    store_bind_text(sources->statements[REMOVE], 2, network_of(&gone));
    error = store_run(sources->statements[REMOVE]);
    if (error)
        return error;
    bind(sources->statements[PUT], &gone, TEXT(KEY_SOURCES_OTHERS));
    return store_run(sources->statements[PUT]);
}

static enum error insert(struct key_sources *sources, const struct use *use)
{
    int64_t before, count;
    enum error error = read_number(sources->statements[TOTAL], key_of(use), &before);
    if (!error)
        error = read_number(sources->statements[COUNT], key_of(use), &count);
    if (!error && count > (int64_t)KEY_SOURCES_MAX) /* the total is a row too */
        error = drop_stalest(sources, use);
    if (error)
        return error;
    bool after = before > 0 && use->first_at > (uint64_t)before;
    bind(sources->statements[INSERT], use, network_of(use));
    store_bind_integer(sources->statements[INSERT], 7, after ? (int64_t)use->first_at - before : 0);
    return store_run(sources->statements[INSERT]);
}

static enum error write_use(struct key_sources *sources, const struct use *use)
{
    bind(sources->statements[UPDATE], use, network_of(use));
    enum error error = store_run(sources->statements[UPDATE]);
    if (!error && store_changes(sources->store) == 0)
        error = insert(sources, use);
    if (error)
        return error;
    bind(sources->statements[PUT], use, TEXT(""));
    return store_run(sources->statements[PUT]);
}

enum error key_sources_flush(struct key_sources *sources)
{
    enum error error = ERROR_OK;
    for (size_t i = 0; !error && i < sources->count; i++)
        error = write_use(sources, &sources->uses[i]);
    key_sources_forget(sources);
    return error;
}

/* ---- reading ---- */

struct reading {
    key_sources_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    const struct key_source source = {
        .key_id = store_column_text(statement, 0),
        .network = store_column_text(statement, 1),
        .first_at = table_time(statement, 2),
        .last_at = table_time(statement, 3),
        .good_at = table_time(statement, 4),
        .calls = store_column_integer(statement, 5),
        .quiet = table_time(statement, 6),
    };
    return reading->found(reading->context, &source);
}

static void bind_key(const void *context, struct store_statement *statement)
{
    const struct text *key_id = context;
    store_bind_text(statement, 1, *key_id);
}

enum error key_sources_list(struct store *store, struct text key_id, key_sources_found found,
                            void *context)
{
    struct reading reading = {found, context};
    return table_query(store,
                       "SELECT " COLUMNS " FROM key_sources WHERE key_id = ?1 AND network <> ''"
                       " ORDER BY network = '" KEY_SOURCES_OTHERS "', last_at DESC",
                       bind_key, &key_id, take_row, &reading, NULL);
}

enum error key_sources_total(struct store *store, struct text key_id, key_sources_found found,
                             void *context)
{
    struct reading reading = {found, context};
    return table_find(store,
                      "SELECT " COLUMNS " FROM key_sources WHERE key_id = ?1 AND network = ''",
                      key_id, take_row, &reading);
}

enum error key_sources_new(struct store *store, uint64_t since, key_sources_found found,
                           void *context)
{
    struct reading reading = {found, context};
    return table_query_number(store,
                              "SELECT " COLUMNS " FROM key_sources WHERE first_at >= ?1"
                              " AND network NOT IN ('', '" KEY_SOURCES_OTHERS "')",
                              (int64_t)since, take_row, &reading);
}

struct counting {
    struct text key_id;
    uint64_t since;
};

static void bind_counting(const void *context, struct store_statement *statement)
{
    const struct counting *counting = context;
    store_bind_text(statement, 1, counting->key_id);
    store_bind_integer(statement, 2, (int64_t)counting->since);
}

static bool take_number(void *context, struct store_statement *statement)
{
    uint64_t *number = context;
    *number = table_time(statement, 0);
    return false;
}

enum error key_sources_count(struct store *store, struct text key_id, uint64_t since,
                             uint64_t *count)
{
    struct counting counting = {key_id, since};
    *count = 0;
    return table_query(store,
                       "SELECT count(*) FROM key_sources WHERE key_id = ?1 AND last_at >= ?2"
                       " AND network NOT IN ('', '" KEY_SOURCES_OTHERS "')",
                       bind_counting, &counting, take_number, count, NULL);
}

enum error key_sources_began(struct store *store, uint64_t *time)
{
    *time = 0;
    return table_query_all(store, "SELECT time FROM key_sources_began", take_number, time);
}
