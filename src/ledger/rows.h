/* rows: records as rows of the store's table `exchanges`. One thread per statement. */
#ifndef LEDGER_ROWS_H
#define LEDGER_ROWS_H

#include "ledger/record.h"
#include "store/store.h"

/* "INSERT OR IGNORE" of all fields, for rows_bind; the id is unique, so that a second record for
 * one id changes nothing. */
must_handle enum error rows_prepare_insert(struct store *store, struct store_statement **out);
/* Unknown fields become NULL. The record's texts must stay valid until the statement has run. */
void rows_bind(struct store_statement *insert, const struct record *record);

/* "number, id, every field" for a SELECT, to be read by rows_read. NUL-terminated, constant. */
#define ROWS_COLUMNS_SIZE 4096u
void rows_columns(char out[ROWS_COLUMNS_SIZE]);
/* Reads the columns of ROWS_COLUMNS. Texts are valid until the statement's next step. */
must_handle enum error rows_read(struct store_statement *select, struct record *record,
                                 int64_t *number);

#endif
