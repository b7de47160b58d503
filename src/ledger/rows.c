#include "ledger/rows.h"

#include "base/ensure.h"
#include "ledger/rollup.h"

enum { COLUMN_NUMBER, COLUMN_ID, COLUMN_FIELDS };

/* What is inserted: its number is the store's to give. */
enum { INSERT_ID, INSERT_SERIES, INSERT_FIELDS };
static const struct text inserted_columns[INSERT_FIELDS + RECORD_FIELDS] = {
    TEXT_INIT("id"),
    TEXT_INIT("series"),
#define FIELD(number, type, name, limit, description) TEXT_INIT(#name),
#include "tables/ledger_fields.def"
#undef FIELD
};

enum field {
#define FIELD(number, type, name, limit, description) FIELD_##name,
#include "tables/ledger_fields.def"
#undef FIELD
};

static inline struct store_value integer(int64_t number)
{
    return (struct store_value){.type = STORE_VALUE_INTEGER, .integer = number};
}

/* Unknown numbers are negative. */
static inline struct store_value integer_if_known(int64_t number)
{
    return number >= 0 ? integer(number) : (struct store_value){.type = STORE_VALUE_NULL};
}

/* Unknown times are zero; nanoseconds pass the signed range in the year 2262. */
static inline struct store_value time_if_known(uint64_t time)
{
    return time != 0 ? integer((int64_t)time) : (struct store_value){.type = STORE_VALUE_NULL};
}

static inline struct store_value text(struct text text)
{
    return (struct store_value){.type = text.length > 0 ? STORE_VALUE_TEXT : STORE_VALUE_NULL,
                                .bytes = text};
}

static inline bool is_something(struct store_value value)
{
    return value.type != STORE_VALUE_NULL;
}

/* What a column is given, by the field's type. A text that is too long is cut, JSON left out. */
#define VALUE_TIME(member, limit)         time_if_known(member)
#define VALUE_DURATION(member, limit)     integer_if_known(member)
#define VALUE_INTEGER(member, limit)      integer_if_known(member)
#define VALUE_MONEY(member, limit)        integer_if_known(member)
#define VALUE_FLAG(member, limit)         integer(member)
#define VALUE_TEXT(member, limit)         text(text_first(member, limit))
#define VALUE_JSON(member, limit)         text((member).length <= (limit) ? (member) : TEXT(""))
#define VALUE_OUTCOME(member, limit)      text(record_outcome_name(member))
#define VALUE_USAGE_SOURCE(member, limit) text(record_usage_source_name(member))

/* One case a field, so that the compiler sees every member and type: it is asked for each column of
 * each row. */
static struct store_value value_of(const struct record *record, enum field field)
{
    switch (field) {
#define FIELD(number, type, name, limit, description) \
    case FIELD_##name:                                \
        return VALUE_##type(record->name, limit);
#include "tables/ledger_fields.def"
#undef FIELD
    }
    return (struct store_value){.type = STORE_VALUE_NULL};
}

struct batch {
    const struct record *records;
    const int64_t *series; /* of each */
};

static struct store_value read_value(const void *rows, size_t row, size_t column)
{
    const struct batch *batch = rows;
    const struct record *record = &batch->records[row];
    if (column >= INSERT_FIELDS)
        return value_of(record, (enum field)(column - INSERT_FIELDS));
    if (column == INSERT_SERIES)
        return integer(batch->series[row]);
    return (struct store_value){.type = STORE_VALUE_BLOB,
                                .bytes =
                                    text_of((const char *)record->id.bytes, sizeof(record->id))};
}

enum error rows_open_insert(struct row_insert *insert, struct store *store)
{
    *insert = (struct row_insert){.wanted = {[INSERT_ID] = true, [INSERT_SERIES] = true}};
    enum error error = store_open_bulk(store, "exchanges", inserted_columns,
                                       ARRAY_LENGTH(inserted_columns), read_value, &insert->bulk);
    if (!error)
        error = store_choose_columns(insert->bulk, insert->wanted);
    return error ? error : rollup_create(store, &insert->rollup);
}

void rows_close_insert(struct row_insert *insert)
{
    rollup_destroy(insert->rollup);
    *insert = (struct row_insert){0};
}

/* Whether a record fills a column that was not wanted before; it is from now on. */
static bool widen(struct row_insert *insert, const struct record *record)
{
    bool *wanted = insert->wanted + INSERT_FIELDS;
    bool wider = false;
#define FIELD(number, type, name, limit, description)                             \
    if (!wanted[FIELD_##name] && is_something(VALUE_##type(record->name, limit))) \
        wanted[FIELD_##name] = wider = true;
#include "tables/ledger_fields.def"
#undef FIELD
    return wider;
}

enum error rows_insert(struct row_insert *insert, const struct record *records, size_t count,
                       bool *inserted)
{
    struct rollup_call calls[ROWS_MAX];
    int64_t series[ROWS_MAX];
    bool wider = false;
    enum error error = ERROR_OK;
    ensure(count <= ROWS_MAX);
    for (size_t i = 0; !error && i < count; i++) {
        wider |= widen(insert, &records[i]);
        rollup_describe(&records[i], &calls[i]);
        error = rollup_series(insert->rollup, &calls[i], &series[i]);
    }
    if (!error && wider)
        error = store_choose_columns(insert->bulk, insert->wanted);
    const struct batch batch = {records, series};
    if (!error)
        error = store_run_bulk(insert->bulk, &batch, count, inserted);
    for (size_t i = 0; !error && i < count; i++) {
        if (inserted[i])
            error = rollup_add(insert->rollup, series[i], &calls[i]);
    }
    return error;
}

enum error rows_flush(struct row_insert *insert)
{
    return rollup_flush(insert->rollup);
}

void rows_forget(struct row_insert *insert)
{
    if (insert->rollup != NULL)
        rollup_forget(insert->rollup);
}

void rows_columns(char out[ROWS_COLUMNS_SIZE])
{
    static const char columns[] = "number,id"
#define FIELD(number, type, name, limit, description) "," #name
#include "tables/ledger_fields.def"
#undef FIELD
        ;
    _Static_assert(sizeof(columns) <= ROWS_COLUMNS_SIZE, "the columns fit");
    memcpy(out, columns, sizeof(columns));
}

static void read_field(struct store_statement *select, int column, const struct record_field *field,
                       void *member)
{
    switch (field->type) {
    case RECORD_TYPE_TIME:
        *(uint64_t *)member = (uint64_t)store_column_integer(select, column);
        break;
    case RECORD_TYPE_DURATION:
    case RECORD_TYPE_INTEGER:
    case RECORD_TYPE_MONEY: *(int64_t *)member = store_column_integer(select, column); break;
    case RECORD_TYPE_FLAG: *(bool *)member = store_column_integer(select, column) != 0; break;
    case RECORD_TYPE_TEXT:
    case RECORD_TYPE_JSON: *(struct text *)member = store_column_text(select, column); break;
    /* A name that a newer Turnpike wrote stays unknown. */
    case RECORD_TYPE_OUTCOME:
        if (!record_outcome_parse(store_column_text(select, column), member))
            *(enum record_outcome *)member = RECORD_OUTCOME_UNKNOWN;
        break;
    case RECORD_TYPE_USAGE_SOURCE:
        if (!record_usage_source_parse(store_column_text(select, column), member))
            *(enum record_usage_source *)member = RECORD_USAGE_NONE;
        break;
    }
}

enum error rows_read(struct store_statement *select, struct record *record, int64_t *number)
{
    struct text id_bytes = store_column_text(select, COLUMN_ID);
    struct identifier id;
    if (id_bytes.length != sizeof(id.bytes))
        return ERROR_CORRUPT;
    memcpy(id.bytes, id_bytes.data, sizeof(id.bytes));
    record_clear(record, id);
    *number = store_column_integer(select, COLUMN_NUMBER);
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        int column = COLUMN_FIELDS + (int)i;
        if (!store_column_is_null(select, column))
            read_field(select, column, field, (char *)record + field->offset);
    }
    return ERROR_OK;
}
