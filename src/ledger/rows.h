/* rows: records as rows of the store's table `exchanges`. One thread per store. */
#ifndef LEDGER_ROWS_H
#define LEDGER_ROWS_H

#include "ledger/record.h"
#include "store/bulk.h"

/* Puts records into the table. Its columns are those that records have needed so far: most of them
 * most calls never fill. */
struct row_insert {
    struct store_bulk *bulk;
    bool wanted[1 + RECORD_FIELDS]; /* of the columns: the id, then the fields */
};

/* What it holds belongs to the store. */
must_handle enum error rows_open_insert(struct row_insert *insert, struct store *store);
/* Unknown fields become NULL. The id is unique: a second record for one id changes nothing, and its
 * `inserted` is false. */
must_handle enum error rows_insert(struct row_insert *insert, const struct record *records,
                                   size_t count, bool *inserted);

/* "number, id, every field" for a SELECT, to be read by rows_read. NUL-terminated, constant. */
#define ROWS_COLUMNS_SIZE 4096u
void rows_columns(char out[ROWS_COLUMNS_SIZE]);
/* Reads the columns of ROWS_COLUMNS. Texts are valid until the statement's next step. */
must_handle enum error rows_read(struct store_statement *select, struct record *record,
                                 int64_t *number);

#endif
