/* histogram_sum(a, b): two histograms (store/histogram.h) added up, for the statement that adds to
 * a row of the rollups: the row is then found once, not read and written back. No index and no
 * trigger uses it, so any tool may read and write the tables. */
#include "base/note.h"
#include "store/histogram.h"
#include "store/sqlite_parts.h"

static struct text value_of(sqlite3_value *value)
{
    const char *bytes = sqlite3_value_blob(value);
    return text_of(bytes, (size_t)sqlite3_value_bytes(value));
}

static void sum(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct histogram histogram = {0};
    uint8_t bytes[HISTOGRAM_SIZE_MAX];
    bool whole = true;
    for (int i = 0; i < count; i++)
        whole = histogram_add(&histogram, value_of(values[i]), 1) && whole;
    if (!whole)
        note_error("store", "a histogram of the rollups is damaged: a part of its calls is lost");
    size_t length = histogram_encode(&histogram, bytes);
    if (length == 0)
        sqlite3_result_null(context);
    else
        sqlite3_result_blob(context, bytes, (int)length, SQLITE_TRANSIENT);
}

enum error store_add_functions(struct store *store)
{
    return store_error_from_sqlite(sqlite3_create_function(store->database, "histogram_sum", 2,
                                                           SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                                           sum, NULL, NULL));
}
