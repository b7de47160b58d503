#include "store/exchanges.h"

#include "base/buffer.h"
#include "base/ensure.h"
#include "base/note.h"

#define SQL_SIZE_MAX 16384u

enum { COLUMN_NUMBER, COLUMN_ID, COLUMN_SERIES, COLUMN_RECORD };

/* The columns that stand for fields are those that some older Turnpike made. */
struct old_fields {
    struct store_statement *select;
    size_t count;
    const struct record_field *fields[RECORD_FIELDS]; /* of each column */
};

enum error exchanges_open(struct exchanges_reader *reader, struct store *store, const char *which)
{
    struct buffer sql;
    *reader = (struct exchanges_reader){.store = store};
    buffer_open(&sql, SQL_SIZE_MAX);
    buffer_append_format(&sql, "SELECT number, id, series, record FROM exchanges %s", which);
    buffer_append_char(&sql, '\0');
    enum error error = sql.failed ? ERROR_MEMORY : store_prepare(store, sql.data, &reader->select);
    buffer_close(&sql);
    return error;
}

/* ---- Rows of older Turnpikes ---- */

static const struct record_field *find_field(struct text name)
{
    for (size_t i = 0; i < record_field_count; i++) {
        if (text_equal(record_fields[i].name, name))
            return &record_fields[i];
    }
    return NULL;
}

static enum error find_columns(struct store *store, struct old_fields *old, struct buffer *sql)
{
    struct store_statement *names;
    enum error error =
        store_prepare(store, "SELECT name FROM pragma_table_info('exchanges')", &names);
    if (error)
        return error;
    buffer_append(sql, TEXT("SELECT 0")); /* so that a comma may stand before each */
    for (bool row = true; !(error = store_step(names, &row)) && row;) {
        const struct record_field *field = find_field(store_column_text(names, 0));
        if (!field)
            continue;
        old->fields[old->count++] = field;
        buffer_append_format(sql, ",%.*s", TEXT_ARG(field->name));
    }
    store_finish(names);
    buffer_append(sql, TEXT(" FROM exchanges WHERE number = ?"));
    buffer_append_char(sql, '\0');
    return error ? error : sql->failed ? ERROR_MEMORY : ERROR_OK;
}

static enum error open_old_fields(struct exchanges_reader *reader)
{
    struct buffer sql;
    if (reader->old)
        return ERROR_OK;
    struct old_fields *old = calloc(1, sizeof *old);
    if (!old)
        return ERROR_MEMORY;
    buffer_open(&sql, SQL_SIZE_MAX);
    enum error error = find_columns(reader->store, old, &sql);
    if (!error)
        error = store_prepare(reader->store, sql.data, &old->select);
    buffer_close(&sql);
    if (error)
        free(old);
    else
        reader->old = old;
    return error;
}

static void read_field(struct store_statement *select, int column, enum record_type type,
                       void *member)
{
    switch (type) {
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

static enum error read_old_row(struct exchanges_reader *reader, struct identifier id,
                               struct exchange_row *row)
{
    bool found;
    enum error error = open_old_fields(reader);
    if (error)
        return error;
    struct old_fields *old = reader->old;
    store_bind_integer(old->select, 1, row->number);
    error = store_step(old->select, &found);
    if (error || !found)
        return error ? error : ERROR_CORRUPT;
    record_clear(&row->record, id);
    for (size_t i = 0; i < old->count; i++) {
        const struct record_field *field = old->fields[i];
        int column = (int)i + 1;
        if (!store_column_is_null(old->select, column))
            read_field(old->select, column, field->type, (char *)&row->record + field->offset);
    }
    return ERROR_OK;
}

/* ---- Rows ---- */

static enum error read_row(struct exchanges_reader *reader, struct exchange_row *row)
{
    struct store_statement *select = reader->select;
    struct text id_bytes = store_column_text(select, COLUMN_ID);
    struct identifier id;
    row->number = store_column_integer(select, COLUMN_NUMBER);
    row->series = store_column_integer(select, COLUMN_SERIES); /* NULL is 0 */
    if (id_bytes.length != sizeof id.bytes)
        return ERROR_CORRUPT;
    memcpy(id.bytes, id_bytes.data, sizeof id.bytes);
    if (store_column_is_null(select, COLUMN_RECORD))
        return read_old_row(reader, id, row);
    struct text fields = store_column_text(select, COLUMN_RECORD);
    return record_decode_fields(&row->record, id, (const uint8_t *)fields.data, fields.length);
}

enum error exchanges_next(struct exchanges_reader *reader, struct exchange_row *row, bool *found)
{
    enum error error;
    *found = false;
    do {
        if (reader->old)
            store_reset(reader->old->select);
        error = store_step(reader->select, found);
        if (error || !*found)
            return error;
        error = read_row(reader, row);
        if (error == ERROR_CORRUPT)
            note_error("store", "row %lld of the calls cannot be read; passed over",
                       (long long)row->number);
    } while (error == ERROR_CORRUPT);
    return error;
}

void exchanges_reset(struct exchanges_reader *reader)
{
    if (reader->old)
        store_reset(reader->old->select);
    store_reset(reader->select);
}

void exchanges_close(struct exchanges_reader *reader)
{
    if (reader->old)
        store_finish(reader->old->select);
    free(reader->old);
    store_finish(reader->select);
    *reader = (struct exchanges_reader){0};
}
