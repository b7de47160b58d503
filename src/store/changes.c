#include "store/changes.h"

#include "store/table.h"

struct changes_reader {
    struct store_statement *latest;
    struct store_statement *recorded;
    int64_t last_recorded;
    struct table_poll poll;
};

static enum error read_last_recorded(struct store *store, int64_t *number)
{
    struct store_statement *last;
    enum error error = store_prepare(store, "SELECT max(number) FROM exchanges", &last);
    if (error)
        return error;
    error = table_read_number(last, number); /* NULL is 0 */
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
        error = table_poll_open(store, &reader->poll);
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
    table_poll_close(&reader->poll);
    store_finish(reader->recorded);
    free(reader);
}

enum error changes_reader_poll(struct changes_reader *reader, bool *changed)
{
    return table_poll_ask(&reader->poll, changed);
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
    return table_read_number(reader->latest, latest);
}
