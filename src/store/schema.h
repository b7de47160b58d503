/* schema: brings a store's tables up to date. Used by store_open alone, on its thread. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/store.h"

/* Applies what is missing, in one transaction. ERROR_UNSUPPORTED when the file is newer than this
 * program; `problem` then says so. */
must_handle enum error schema_migrate(struct store *store, char problem[STORE_PROBLEM_SIZE]);
/* For a reader: ERROR_UNSUPPORTED as above, or when the file still has to be migrated by a writer.
 */
must_handle enum error schema_check(struct store *store, char problem[STORE_PROBLEM_SIZE]);

#endif
