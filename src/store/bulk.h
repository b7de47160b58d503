/* bulk: many rows put into a table by one statement.
 *
 * A statement run once a row costs more than the row: parameters are bound, cursors opened, the
 * same pages searched. Here the store asks for the values of all rows while it inserts them. A row
 * whose unique columns are in the table already is left out.
 *
 * Used by whoever uses the store's connection, on the same thread. */
#ifndef STORE_BULK_H
#define STORE_BULK_H

#include "store/store.h"

enum store_value_type { STORE_VALUE_NULL, STORE_VALUE_INTEGER, STORE_VALUE_TEXT, STORE_VALUE_BLOB };

struct store_value {
    enum store_value_type type;
    int64_t integer;
    struct text bytes; /* of a TEXT or BLOB: valid until the run has ended */
};

/* Gives the value of row `row` of `rows` in column `column`, both from 0. May not use the store. */
typedef struct store_value (*store_read_value)(const void *rows, size_t row, size_t column);

struct store_bulk;

/* For `columns` of `table`, which has row numbers of its own (no WITHOUT ROWID); names are
 * constants of the program that outlive the store, and not checked; columns not named become NULL.
 * One for each table and store.
 * It belongs to the store and is freed with it. */
must_handle enum error store_open_bulk(struct store *store, const char *table,
                                       const struct text *columns, size_t count,
                                       store_read_value read, struct store_bulk **out);
/* Inserts `count` rows in their order; what `rows` is only `read` knows. `inserted[i]` says whether
 * row i was, not left out. Within the caller's transaction: roll back after an error. */
must_handle enum error store_run_bulk(struct store_bulk *bulk, const void *rows, size_t count,
                                      bool *inserted);

#endif
