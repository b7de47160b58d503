#include "store/schema.h"

#include "base/buffer.h"
#include "base/ensure.h"

struct migration {
    int number;
    const char *sql;
};

static const struct migration migrations[] = {
#define MIGRATION(number, sql) {number, sql},
#include "store/migrations.def"
#undef MIGRATION
};

struct column {
    struct text name;
    const char *type;
};

#define COLUMN_TIME         "INTEGER"
#define COLUMN_DURATION     "INTEGER"
#define COLUMN_INTEGER      "INTEGER"
#define COLUMN_MONEY        "INTEGER"
#define COLUMN_FLAG         "INTEGER"
#define COLUMN_TEXT         "TEXT"
#define COLUMN_JSON         "TEXT"
#define COLUMN_OUTCOME      "TEXT"
#define COLUMN_USAGE_SOURCE "TEXT"

static const struct column exchange_columns[] = {
#define FIELD(number, type, name, limit, description) {TEXT_INIT(#name), COLUMN_##type},
#include "tables/ledger_fields.def"
#undef FIELD
};

#define ALTER_SIZE_MAX 65536u /* some 60 bytes a column, a thousand columns */

static int newest(void)
{
    return migrations[ARRAY_LENGTH(migrations) - 1].number;
}

/* 0 when there is no table yet. */
static enum error read_version(struct store *store, int *version)
{
    struct store_statement *statement;
    bool row;
    *version = 0;
    enum error error = store_prepare(
        store, "SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'", &statement);
    if (error)
        return error;
    error = store_step(statement, &row);
    bool exists = !error && store_column_integer(statement, 0) > 0;
    store_finish(statement);
    if (error || !exists)
        return error;
    error = store_prepare(store, "SELECT max(version) FROM schema_version", &statement);
    if (error)
        return error;
    error = store_step(statement, &row);
    if (!error)
        *version = (int)store_column_integer(statement, 0);
    store_finish(statement);
    return error;
}

/* Which columns exist, by their place in exchange_columns; returns how many are missing. */
static enum error find_columns(struct store *store, bool *present, size_t *missing)
{
    struct store_statement *statement;
    *missing = ARRAY_LENGTH(exchange_columns);
    memset(present, 0, ARRAY_LENGTH(exchange_columns) * sizeof(*present));
    enum error error =
        store_prepare(store, "SELECT name FROM pragma_table_info('exchanges')", &statement);
    if (error)
        return error;
    for (bool row = true; !(error = store_step(statement, &row)) && row;) {
        struct text name = store_column_text(statement, 0);
        for (size_t i = 0; i < ARRAY_LENGTH(exchange_columns); i++) {
            if (!present[i] && text_equal(exchange_columns[i].name, name)) {
                present[i] = true;
                --*missing;
            }
        }
    }
    store_finish(statement);
    return error;
}

static enum error add_columns(struct store *store, const bool *present)
{
    struct buffer sql;
    buffer_open(&sql, ALTER_SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(exchange_columns); i++) {
        if (!present[i])
            buffer_append_format(&sql, "ALTER TABLE exchanges ADD COLUMN %.*s %s;",
                                 TEXT_ARG(exchange_columns[i].name), exchange_columns[i].type);
    }
    buffer_append_char(&sql, '\0');
    enum error error = sql.failed ? ERROR_MEMORY : store_execute(store, sql.data);
    buffer_close(&sql);
    return error;
}

static enum error apply(struct store *store, const struct migration *migration)
{
    enum error error = store_execute(store, migration->sql);
    if (error)
        return error;
    struct store_statement *statement;
    error = store_prepare(store, "INSERT INTO schema_version VALUES (?)", &statement);
    if (error)
        return error;
    store_bind_integer(statement, 1, migration->number);
    error = store_run(statement);
    store_finish(statement);
    return error;
}

static enum error apply_missing(struct store *store)
{
    bool present[ARRAY_LENGTH(exchange_columns)];
    size_t missing;
    int version;
    enum error error = store_execute(
        store, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)");
    if (!error)
        error = read_version(store, &version);
    for (size_t i = 0; !error && i < ARRAY_LENGTH(migrations); i++) {
        if (migrations[i].number > version)
            error = apply(store, &migrations[i]);
    }
    if (!error)
        error = find_columns(store, present, &missing);
    if (!error && missing > 0)
        error = add_columns(store, present);
    return error;
}

static enum error refuse_newer(int version, char problem[STORE_PROBLEM_SIZE])
{
    (void)snprintf(problem, STORE_PROBLEM_SIZE,
                   "the store was written by a newer Turnpike (schema %d, this one knows %d); run "
                   "that one, or restore a backup made before the upgrade",
                   version, newest());
    return ERROR_UNSUPPORTED;
}

/* Whether there is anything to do, found without a lock for writing: the common start. */
static enum error read_state(struct store *store, int *version, bool *complete)
{
    bool present[ARRAY_LENGTH(exchange_columns)];
    size_t missing = 0;
    enum error error = read_version(store, version);
    if (!error && *version == newest())
        error = find_columns(store, present, &missing);
    *complete = !error && *version == newest() && missing == 0;
    return error;
}

enum error schema_check(struct store *store, char problem[STORE_PROBLEM_SIZE])
{
    int version;
    bool complete;
    enum error error = read_state(store, &version, &complete);
    if (error)
        return error;
    if (version > newest())
        return refuse_newer(version, problem);
    if (!complete) {
        (void)snprintf(problem, STORE_PROBLEM_SIZE,
                       "the store was written by an older Turnpike and is brought up to date when "
                       "the server starts");
        return ERROR_UNSUPPORTED;
    }
    return ERROR_OK;
}

enum error schema_migrate(struct store *store, char problem[STORE_PROBLEM_SIZE])
{
    int version;
    bool complete;
    enum error error = read_state(store, &version, &complete);
    if (error)
        return error;
    if (version > newest())
        return refuse_newer(version, problem);
    if (complete)
        return ERROR_OK;
    error = store_begin(store);
    if (error)
        return error;
    error = apply_missing(store);
    if (!error)
        error = store_commit(store);
    if (error)
        store_roll_back(store);
    return error;
}
