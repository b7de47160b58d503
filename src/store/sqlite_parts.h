/* sqlite_parts: what the files of the store on SQLite share. Nobody else includes this. */
#ifndef STORE_SQLITE_PARTS_H
#define STORE_SQLITE_PARTS_H

#include <sqlite3.h>

#include "store/store.h"

struct store {
    sqlite3 *database;
    struct store_statement *statements;
};

enum error store_error_from_sqlite(int code);
/* sqlite_histogram.c: what SQL of ours calls beside SQLite's own. */
must_handle enum error store_add_functions(struct store *store);

#endif
