/* Rows reach SQLite as a virtual table that exists on this connection only, read by an "INSERT …
 * SELECT". Its rows are those of the present run; between runs it is empty.
 *
 * Whether a row was inserted is seen when the next one is asked for: the connection's last rowid,
 * set to zero before, which no row gets, has changed.
 */
#include "store/bulk.h"

#include "base/buffer.h"
#include "base/ensure.h"
#include "store/sqlite_parts.h"

#define SQL_SIZE_MAX 16384u
#define NAME_SIZE    64u

struct store_bulk {
    struct store *store;
    struct store_statement *insert;
    const char *table;
    const struct text *columns;
    size_t column_count;
    store_read_value read;
    /* The run. */
    const void *rows;
    size_t count;
    bool *inserted;
};

struct source {
    sqlite3_vtab base; /* SQLite's part, first */
    struct store_bulk *bulk;
};

struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part, first */
    struct store_bulk *bulk;
    size_t row;
};

/* Their names with commas between. */
static void append_columns(struct buffer *sql, const struct store_bulk *bulk)
{
    for (size_t i = 0; i < bulk->column_count; i++)
        buffer_append_format(sql, "%s%.*s", i ? "," : "", TEXT_ARG(bulk->columns[i]));
}

static int connect_source(sqlite3 *database, void *context, int argument_count,
                          const char *const *arguments, sqlite3_vtab **out, char **problem)
{
    struct store_bulk *bulk = context;
    struct buffer sql;
    buffer_open(&sql, SQL_SIZE_MAX);
    buffer_append(&sql, TEXT("CREATE TABLE source ("));
    append_columns(&sql, bulk);
    buffer_append(&sql, text_of(")", 2));
    int code = sql.failed ? SQLITE_NOMEM : sqlite3_declare_vtab(database, sql.data);
    buffer_close(&sql);
    if (code != SQLITE_OK)
        return code;
    struct source *source = calloc(1, sizeof(*source));
    if (!source)
        return SQLITE_NOMEM;
    source->bulk = bulk;
    *out = &source->base;
    return SQLITE_OK;
}

static int disconnect_source(sqlite3_vtab *base)
{
    free(CONTAINER_OF(base, struct source, base));
    return SQLITE_OK;
}

/* There is one way to read it: from the first row to the last. */
static int plan(sqlite3_vtab *base, sqlite3_index_info *info)
{
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    struct cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return SQLITE_NOMEM;
    cursor->bulk = CONTAINER_OF(base, struct source, base)->bulk;
    *out = &cursor->base;
    return SQLITE_OK;
}

static struct cursor *cursor_of(sqlite3_vtab_cursor *base)
{
    return CONTAINER_OF(base, struct cursor, base);
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    free(cursor_of(base));
    return SQLITE_OK;
}

static int to_first(sqlite3_vtab_cursor *base, int plan_number, const char *plan_text, int count,
                    sqlite3_value **values)
{
    struct cursor *cursor = cursor_of(base);
    cursor->row = 0;
    sqlite3_set_last_insert_rowid(cursor->bulk->store->database, 0);
    return SQLITE_OK;
}

static int to_next(sqlite3_vtab_cursor *base)
{
    struct cursor *cursor = cursor_of(base);
    sqlite3 *database = cursor->bulk->store->database;
    cursor->bulk->inserted[cursor->row] = sqlite3_last_insert_rowid(database) != 0;
    sqlite3_set_last_insert_rowid(database, 0);
    cursor->row++;
    return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base)
{
    const struct cursor *cursor = cursor_of(base);
    return cursor->row >= cursor->bulk->count;
}

static int read_column(sqlite3_vtab_cursor *base, sqlite3_context *result, int column)
{
    const struct cursor *cursor = cursor_of(base);
    const struct store_bulk *bulk = cursor->bulk;
    struct store_value value = bulk->read(bulk->rows, cursor->row, (size_t)column);
    switch (value.type) {
    case STORE_VALUE_NULL: break;
    case STORE_VALUE_INTEGER: sqlite3_result_int64(result, value.integer); break;
    case STORE_VALUE_TEXT:
        sqlite3_result_text(result, value.bytes.data, (int)value.bytes.length, SQLITE_STATIC);
        break;
    case STORE_VALUE_BLOB:
        sqlite3_result_blob(result, value.bytes.data, (int)value.bytes.length, SQLITE_STATIC);
        break;
    }
    return SQLITE_OK;
}

static int read_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)cursor_of(base)->row;
    return SQLITE_OK;
}

/* Without xCreate the table is there as soon as the module is, and in no schema. */
static const sqlite3_module module = {
    .xConnect = connect_source,
    .xDisconnect = disconnect_source,
    .xBestIndex = plan,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = to_first,
    .xNext = to_next,
    .xEof = at_end,
    .xColumn = read_column,
    .xRowid = read_rowid,
};

static void name_source(const struct store_bulk *bulk, char name[NAME_SIZE])
{
    ensure(snprintf(name, NAME_SIZE, "bulk_%s", bulk->table) < (int)NAME_SIZE);
}

static enum error prepare_insert(struct store_bulk *bulk)
{
    struct buffer sql;
    char name[NAME_SIZE];
    name_source(bulk, name);
    buffer_open(&sql, SQL_SIZE_MAX);
    buffer_append_format(&sql, "INSERT OR IGNORE INTO %s (", bulk->table);
    append_columns(&sql, bulk);
    buffer_append(&sql, TEXT(") SELECT "));
    append_columns(&sql, bulk);
    buffer_append_format(&sql, " FROM %s", name);
    buffer_append_char(&sql, '\0');
    enum error error =
        sql.failed ? ERROR_MEMORY : store_prepare(bulk->store, sql.data, &bulk->insert);
    buffer_close(&sql);
    return error;
}

enum error store_open_bulk(struct store *store, const char *table, const struct text *columns,
                           size_t count, store_read_value read, struct store_bulk **out)
{
    struct store_bulk *bulk = calloc(1, sizeof(*bulk));
    if (!bulk)
        return ERROR_MEMORY;
    *bulk = (struct store_bulk){
        .store = store, .table = table, .columns = columns, .column_count = count, .read = read};
    char name[NAME_SIZE];
    name_source(bulk, name);
    /* From here on the connection owns it, and has freed it if it does not take the module. */
    int code = sqlite3_create_module_v2(store->database, name, &module, bulk, free);
    if (code != SQLITE_OK)
        return store_error_from_sqlite(code);
    *out = bulk;
    return prepare_insert(bulk);
}

enum error store_run_bulk(struct store_bulk *bulk, const void *rows, size_t count, bool *inserted)
{
    bulk->rows = rows;
    bulk->count = count;
    bulk->inserted = inserted;
    enum error error = store_run(bulk->insert);
    bulk->count = 0;
    return error;
}
