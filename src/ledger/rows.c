#include "ledger/rows.h"

#include "base/ensure.h"

/* The row's number is the store's to give. */
enum { INSERT_ID, INSERT_STARTED_AT, INSERT_SERIES, INSERT_RECORD };
static const struct text inserted_columns[] = {
    [INSERT_ID] = TEXT_INIT("id"),
    [INSERT_STARTED_AT] = TEXT_INIT("started_at"),
    [INSERT_SERIES] = TEXT_INIT("series"),
    [INSERT_RECORD] = TEXT_INIT("record"),
};

struct batch {
    const struct row *rows;
    const int64_t *series; /* of each */
};

static struct store_value integer(int64_t number)
{
    return (struct store_value){.type = STORE_VALUE_INTEGER, .integer = number};
}

static struct store_value blob(const void *bytes, size_t length)
{
    return (struct store_value){.type = STORE_VALUE_BLOB, .bytes = text_of(bytes, length)};
}

static struct store_value read_value(const void *rows, size_t number, size_t column)
{
    const struct batch *batch = rows;
    const struct row *row = &batch->rows[number];
    switch (column) {
    case INSERT_ID: return blob(row->record.id.bytes, sizeof(row->record.id.bytes));
    /* An unknown time is 0; nanoseconds pass the signed range in the year 2262. */
    case INSERT_STARTED_AT: return integer((int64_t)row->record.started_at);
    case INSERT_SERIES: return integer(batch->series[number]);
    default: return blob(row->fields.data, row->fields.length);
    }
}

enum error rows_open_insert(struct row_insert *insert, struct store *store, struct guard *guard)
{
    *insert = (struct row_insert){0};
    enum error error = store_open_bulk(store, "exchanges", inserted_columns,
                                       ARRAY_LENGTH(inserted_columns), read_value, &insert->bulk);
    if (!error)
        error = rollup_create(store, &insert->rollup);
    return error ? error : bounces_create(store, guard, &insert->bounces);
}

void rows_close_insert(struct row_insert *insert)
{
    rollup_destroy(insert->rollup);
    bounces_destroy(insert->bounces);
    *insert = (struct row_insert){0};
}

enum error rows_insert(struct row_insert *insert, const struct row *rows, size_t count,
                       bool *inserted)
{
    struct rollup_call calls[ROWS_MAX];
    int64_t series[ROWS_MAX];
    enum error error = ERROR_OK;
    ensure(count <= ROWS_MAX);
    for (size_t i = 0; !error && i < count; i++) {
        rollup_describe(&rows[i].record, &calls[i]);
        error = rollup_series(insert->rollup, &calls[i], &series[i]);
    }
    const struct batch batch = {rows, series};
    if (!error)
        error = store_run_bulk(insert->bulk, &batch, count, inserted);
    for (size_t i = 0; !error && i < count; i++) {
        if (inserted[i])
            error = rollup_add(insert->rollup, series[i], &calls[i]);
        if (!error && inserted[i])
            error = bounces_add(insert->bounces, &rows[i].record);
    }
    return error;
}

enum error rows_insert_record(struct row_insert *insert, const struct record *record,
                              bool *inserted)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    size_t length = record_encode(record, bytes);
    size_t begin = sizeof(record->id.bytes);
    struct row row = {.fields = text_of((const char *)bytes + begin, length - begin)};
    /* Counted as it is stored: with long texts cut. */
    enum error error = record_decode(&row.record, bytes, length);
    return error ? error : rows_insert(insert, &row, 1, inserted);
}

enum error rows_flush(struct row_insert *insert)
{
    enum error error = rollup_flush(insert->rollup);
    return error ? error : bounces_flush(insert->bounces);
}

void rows_settle(struct row_insert *insert)
{
    bounces_settle(insert->bounces);
}

void rows_forget(struct row_insert *insert)
{
    if (insert->rollup != NULL)
        rollup_forget(insert->rollup);
    if (insert->bounces != NULL)
        bounces_forget(insert->bounces);
}
