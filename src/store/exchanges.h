/* exchanges: the rows of the store's table of calls, read back as records.
 *
 * A row holds its record as it was encoded (store/record.h), so that a new field changes no table,
 * and beside it what SQL asks for: the id, when the call began, the series it is counted under.
 * Turnpikes before schema 7 stored each field in a column of its own: such rows stay as they are
 * and are read here too (docs/decisions/0030-record-in-one-column.md). Used by whoever uses the
 * store's connection, on the same thread. */
#ifndef STORE_EXCHANGES_H
#define STORE_EXCHANGES_H

#include "store/record.h"
#include "store/store.h"

struct exchange_row {
    int64_t number; /* of the import */
    int64_t series; /* 0: not counted yet */
    struct record record;
};

struct old_fields; /* how rows of older Turnpikes are read */

struct exchanges_reader {
    struct store *store;
    struct store_statement *select; /* its parameters are the caller's to bind */
    struct old_fields *old;         /* NULL before the first such row */
};

/* Reads the rows that `which` names, as in "WHERE number > ? ORDER BY number"; the columns to ask
 * by are number, id, started_at and series. */
must_handle enum error exchanges_open(struct exchanges_reader *reader, struct store *store,
                                      const char *which);
/* The next row; its texts are valid until the call after. A row that cannot be read is told of and
 * passed over. */
must_handle enum error exchanges_next(struct exchanges_reader *reader, struct exchange_row *row,
                                      bool *found);
void exchanges_reset(struct exchanges_reader *reader); /* to be read again, parameters forgotten */
void exchanges_close(struct exchanges_reader *reader); /* zeroes are fine */

#endif
