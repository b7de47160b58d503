#include "ledger/rows.h"

#include "base/buffer.h"
#include "base/ensure.h"

#define SQL_SIZE_MAX 16384u

enum { PARAMETER_ID = 1, PARAMETER_FIELDS };
enum { COLUMN_NUMBER, COLUMN_ID, COLUMN_FIELDS };

/* The text of an enum's value; empty is NULL in the store. */
static struct text enum_text(const struct record_field *field, const void *member)
{
    if (field->type == RECORD_TYPE_OUTCOME)
        return record_outcome_name(*(const enum record_outcome *)member);
    return record_usage_source_name(*(const enum record_usage_source *)member);
}

enum error rows_prepare_insert(struct store *store, struct store_statement **out)
{
    struct buffer sql;
    buffer_open(&sql, SQL_SIZE_MAX);
    buffer_append(&sql, TEXT("INSERT OR IGNORE INTO exchanges (id"));
    for (size_t i = 0; i < record_field_count; i++)
        buffer_append_format(&sql, ",%.*s", TEXT_ARG(record_fields[i].name));
    buffer_append(&sql, TEXT(") VALUES (?"));
    for (size_t i = 0; i < record_field_count; i++)
        buffer_append(&sql, TEXT(",?"));
    buffer_append(&sql, text_of(")", 2));
    enum error error = sql.failed ? ERROR_MEMORY : store_prepare(store, sql.data, out);
    buffer_close(&sql);
    return error;
}

static void bind_text(struct store_statement *insert, int parameter, struct text text)
{
    if (text.length > 0)
        store_bind_text(insert, parameter, text);
}

static void bind_field(struct store_statement *insert, int parameter,
                       const struct record_field *field, const void *member)
{
    switch (field->type) {
    case RECORD_TYPE_TIME:
        /* Nanoseconds pass the signed range in the year 2262. */
        if (*(const uint64_t *)member != 0)
            store_bind_integer(insert, parameter, (int64_t) * (const uint64_t *)member);
        break;
    case RECORD_TYPE_DURATION:
    case RECORD_TYPE_INTEGER:
    case RECORD_TYPE_MONEY:
        if (*(const int64_t *)member >= 0)
            store_bind_integer(insert, parameter, *(const int64_t *)member);
        break;
    case RECORD_TYPE_FLAG: store_bind_integer(insert, parameter, *(const bool *)member); break;
    case RECORD_TYPE_TEXT:
        bind_text(insert, parameter, text_first(*(const struct text *)member, field->limit));
        break;
    case RECORD_TYPE_JSON:
        if (((const struct text *)member)->length <= field->limit)
            bind_text(insert, parameter, *(const struct text *)member);
        break;
    case RECORD_TYPE_OUTCOME:
    case RECORD_TYPE_USAGE_SOURCE: bind_text(insert, parameter, enum_text(field, member)); break;
    }
}

/* What is not bound is NULL: store_run has cleared the row before. */
void rows_bind(struct store_statement *insert, const struct record *record)
{
    store_bind_blob(insert, PARAMETER_ID, record->id.bytes, sizeof(record->id.bytes));
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        bind_field(insert, PARAMETER_FIELDS + (int)i, field, (const char *)record + field->offset);
    }
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
