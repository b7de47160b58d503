/* rows: records as rows of the store's table `exchanges`, counted in its rollups. One thread per
 * store. */
#ifndef LEDGER_ROWS_H
#define LEDGER_ROWS_H

#include "ledger/record.h"
#include "store/bulk.h"
#include "store/rollup.h"

#define ROWS_MAX 64u /* of one insert */

/* Puts records into the table. Its columns are those that records have needed so far: most of them
 * most calls never fill. */
struct row_insert {
    struct store_bulk *bulk;
    struct rollup *rollup;
    bool wanted[2 + RECORD_FIELDS]; /* of the columns: id and series, then the fields */
};

must_handle enum error rows_open_insert(struct row_insert *insert, struct store *store);
/* Before the store is closed; zeroed is fine. */
void rows_close_insert(struct row_insert *insert);
/* At most ROWS_MAX. What becomes a row is counted, in memory until rows_flush. Unknown fields
 * become NULL. The id is unique: a second record for one id changes nothing, and its `inserted` is
 * false. */
must_handle enum error rows_insert(struct row_insert *insert, const struct record *records,
                                   size_t count, bool *inserted);
/* Writes what was counted: before the transaction of the inserts is committed. */
must_handle enum error rows_flush(struct row_insert *insert);
/* After it was rolled back. */
void rows_forget(struct row_insert *insert);

/* "number, id, every field" for a SELECT, to be read by rows_read. NUL-terminated, constant. */
#define ROWS_COLUMNS_SIZE 4096u
void rows_columns(char out[ROWS_COLUMNS_SIZE]);
/* Reads the columns of ROWS_COLUMNS. Texts are valid until the statement's next step. */
must_handle enum error rows_read(struct store_statement *select, struct record *record,
                                 int64_t *number);

#endif
