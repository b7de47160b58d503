#include "store/changes.h"

#include "base/ensure.h"

struct changes_reader {
    struct store_statement *latest;
    struct store_statement *version;
    struct store_statement *recorded;
    int64_t last_recorded;
    int64_t last_version;
    bool polled;
};

static enum error read_last_recorded(struct store *store, int64_t *number)
{
    struct store_statement *last;
    bool row;
    enum error error = store_prepare(store, "SELECT max(number) FROM exchanges", &last);
    if (error)
        return error;
    error = store_step(last, &row);
    if (!error)
        *number = store_column_integer(last, 0); /* NULL is 0 */
    store_finish(last);
    return error;
}

enum error changes_reader_create(struct store *store, struct changes_reader **out)
{
    struct changes_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return ERROR_MEMORY;
    enum error error = store_prepare(store, "SELECT number FROM change_sequence", &reader->latest);
    if (!error)
        error = store_prepare(store, "PRAGMA data_version", &reader->version);
    if (!error)
        error = read_last_recorded(store, &reader->last_recorded);
    if (!error)
        error = store_prepare(store,
                              "SELECT max(number), min(started_at) FROM exchanges WHERE number > ?",
                              &reader->recorded);
    if (error) {
        changes_reader_destroy(reader);
        return error;
    }
    *out = reader;
    return ERROR_OK;
}

void changes_reader_destroy(struct changes_reader *reader)
{
    if (reader == NULL)
        return;
    store_finish(reader->latest);
    store_finish(reader->version);
    store_finish(reader->recorded);
    free(reader);
}

static enum error read_number(struct store_statement *statement, int64_t *number)
{
    bool row;
    enum error error = store_step(statement, &row);
    if (!error) {
        ensure(row);
        *number = store_column_integer(statement, 0);
    }
    store_reset(statement);
    return error;
}

enum error changes_reader_poll(struct changes_reader *reader, bool *changed)
{
    int64_t version;
    enum error error = read_number(reader->version, &version);
    if (error)
        return error;
    *changed = !reader->polled || version != reader->last_version;
    reader->polled = true;
    reader->last_version = version;
    return ERROR_OK;
}

enum error changes_reader_recorded(struct changes_reader *reader, uint64_t *earliest)
{
    bool row;
    *earliest = UINT64_MAX;
    store_bind_integer(reader->recorded, 1, reader->last_recorded);
    enum error error = store_step(reader->recorded, &row);
    if (!error && row && store_column_integer(reader->recorded, 0) > 0) {
        reader->last_recorded = store_column_integer(reader->recorded, 0);
        *earliest = (uint64_t)store_column_integer(reader->recorded, 1);
    }
    store_reset(reader->recorded);
    return error;
}

enum error changes_reader_latest(struct changes_reader *reader, int64_t *latest)
{
    return read_number(reader->latest, latest);
}
