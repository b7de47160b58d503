#include "store/schema.h"

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
    int version;
    enum error error = store_execute(
        store, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)");
    if (!error)
        error = read_version(store, &version);
    for (size_t i = 0; !error && i < ARRAY_LENGTH(migrations); i++) {
        if (migrations[i].number > version)
            error = apply(store, &migrations[i]);
    }
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

enum error schema_check(struct store *store, char problem[STORE_PROBLEM_SIZE])
{
    int version;
    enum error error = read_version(store, &version);
    if (error)
        return error;
    if (version > newest())
        return refuse_newer(version, problem);
    if (version < newest()) {
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
    enum error error = read_version(store, &version); /* the common start: without a lock */
    if (error)
        return error;
    if (version > newest())
        return refuse_newer(version, problem);
    if (version == newest())
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
