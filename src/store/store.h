/* store: the database behind the gateway, today a SQLite file, opened and brought up to date.
 *
 * A store is one connection: one thread at a time uses it, several may be open on one file (WAL:
 * readers do not wait for the writer). It may block: never used by a worker. Statements below are
 * thin on purpose: what is stored is said by who stores it (store/keys.c, ledger/importer.c).
 *
 * ERROR_BUSY: another process holds the lock longer than the patience; try again. ERROR_DISK_FULL,
 * ERROR_CORRUPT and ERROR_STORE as they say; store_problem() has the words. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

struct store;
struct store_statement;

enum store_access {
    STORE_READ, /* the file must exist and is not changed */
    STORE_WRITE /* made if missing, migrated if old */
};

#define STORE_FILE         "turnpike.db" /* in the data directory */
#define STORE_PROBLEM_SIZE 512u

/* Opens PATH. `patience` is how long, in milliseconds, a call waits for another process's lock.
 * ERROR_UNSUPPORTED when the file was written by a newer Turnpike, ERROR_CORRUPT when it is damaged
 * or no database, ERROR_NOT_FOUND (STORE_READ) when there is none; `problem` says what and what to
 * do, for a person. */
must_handle enum error store_open(const char *path, enum store_access access, unsigned patience,
                                  struct store **out, char problem[STORE_PROBLEM_SIZE]);
void store_close(struct store *store); /* finalizes its statements too; NULL is fine */
/* What went wrong last, for a person. Valid until the next call. */
const char *store_problem(const struct store *store);

/* One or several statements without parameters or rows. */
must_handle enum error store_execute(struct store *store, const char *sql);
/* A write transaction. Roll back after any failed step. */
must_handle enum error store_begin(struct store *store);
must_handle enum error store_commit(struct store *store);
void store_roll_back(struct store *store);
/* Rows changed by the last statement. */
int64_t store_changes(const struct store *store);

/* The statement belongs to the store and is freed with it, or by store_finish. */
must_handle enum error store_prepare(struct store *store, const char *sql,
                                     struct store_statement **out);
void store_finish(struct store_statement *statement); /* NULL is fine */
/* Parameters count from 1. Bytes must stay valid until the statement is reset. */
void store_bind_integer(struct store_statement *statement, int parameter, int64_t number);
void store_bind_text(struct store_statement *statement, int parameter, struct text text);
void store_bind_blob(struct store_statement *statement, int parameter, const void *bytes,
                     size_t length);
/* Sets `row` when there is one to read. */
must_handle enum error store_step(struct store_statement *statement, bool *row);
/* Runs to the end and resets: for statements without rows. */
must_handle enum error store_run(struct store_statement *statement);
void store_reset(struct store_statement *statement); /* parameters are forgotten */
/* Columns count from 0. Texts and blobs are valid until the next step or reset. */
bool store_column_is_null(struct store_statement *statement, int column);
int64_t store_column_integer(struct store_statement *statement, int column);
struct text store_column_text(struct store_statement *statement, int column);

#endif
