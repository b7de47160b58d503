/* rows: records put into the store's table `exchanges`, counted in its rollups and,
 * where they were turned away, in its bounces. They are read back by store/exchanges.h. One thread
 * per store. */
#ifndef LEDGER_ROWS_H
#define LEDGER_ROWS_H

#include "ledger/bounces.h"
#include "store/bulk.h"
#include "store/record.h"
#include "store/rollup.h"

#define ROWS_MAX 64u /* of one insert */

struct row_insert {
    struct store_bulk *bulk;
    struct rollup *rollup;
    struct bounces *bounces;
};

/* A record and what it was decoded from: its fields as record_encode writes them behind the id. */
struct row {
    struct record record;
    struct text fields;
};

/* `guard` as in bounces_create. */
must_handle enum error rows_open_insert(struct row_insert *insert, struct store *store,
                                        struct guard *guard);
/* Before the store is closed; zeroed is fine. */
void rows_close_insert(struct row_insert *insert);
/* At most ROWS_MAX. What becomes a row is counted, in memory until rows_flush. The id is unique: a
 * second record for one id changes nothing, and its `inserted` is false. */
must_handle enum error rows_insert(struct row_insert *insert, const struct row *rows, size_t count,
                                   bool *inserted);
/* One record that stands encoded nowhere. */
must_handle enum error rows_insert_record(struct row_insert *insert, const struct record *record,
                                          bool *inserted);
/* Writes what was counted: before the transaction of the inserts is committed. */
must_handle enum error rows_flush(struct row_insert *insert);
/* After it was. */
void rows_settle(struct row_insert *insert);
/* After it was rolled back. */
void rows_forget(struct row_insert *insert);

#endif
