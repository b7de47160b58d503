/* table: what the files of store/ that keep a table share. Used in store/ alone. */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "store/store.h"

/* The next number of a change, for the column `changed`. A trigger on each table (migration 3)
 * moves the sequence on, in the same statement, under the writer's lock: no number is given twice,
 * and none becomes visible after a higher one. */
#define TABLE_NEXT_CHANGE "(SELECT number + 1 FROM change_sequence)"

/* A time of a row; what is negative counts as none. */
uint64_t table_time(struct store_statement *statement, int column);
/* A hash of a row; zeroes when it has another length. */
void table_hash(struct store_statement *statement, int column, uint8_t *out, size_t size);

/* Binds the parameters 1, 2, … . */
void table_bind_texts(struct store_statement *statement, const struct text *texts, size_t count);

/* Runs a change of one row; `statement` is bound, and freed. ERROR_NOT_FOUND when no row changed.
 */
must_handle enum error table_change(struct store *store, struct store_statement *statement);

/* Runs a query: `bind` (may be NULL) sets its parameters, `row` takes each row and says whether to
 * go on. `count` (may be NULL) gets how many rows there were. */
typedef void (*table_bind)(const void *context, struct store_statement *statement);
typedef bool (*table_row)(void *context, struct store_statement *statement);
must_handle enum error table_query(struct store *store, const char *sql, table_bind bind,
                                   const void *bind_context, table_row row, void *row_context,
                                   size_t *count);

/* The common kinds of query. A text is ?1, several are ?1, ?2, …; a number is ?1. */
/* ERROR_NOT_FOUND without a row. */
must_handle enum error table_find(struct store *store, const char *sql, struct text id,
                                  table_row row, void *row_context);
must_handle enum error table_query_pair(struct store *store, const char *sql,
                                        const struct text pair[2], table_row row,
                                        void *row_context);
must_handle enum error table_query_number(struct store *store, const char *sql, int64_t number,
                                          table_row row, void *row_context);
must_handle enum error table_query_all(struct store *store, const char *sql, table_row row,
                                       void *row_context);

/* A change of the row whose id is ?1, in which ?2 is a time. ERROR_NOT_FOUND. */
must_handle enum error table_set_time(struct store *store, const char *sql, struct text id,
                                      uint64_t time);

/* Runs a statement that gives one number, again and again. */
must_handle enum error table_read_number(struct store_statement *statement, int64_t *number);

/* Whether another connection may have changed the file: one read of the WAL index. */
struct table_poll {
    struct store_statement *version;
    int64_t last;
    bool polled;
};
must_handle enum error table_poll_open(struct store *store, struct table_poll *poll);
/* Since the last call; true the first time. */
must_handle enum error table_poll_ask(struct table_poll *poll, bool *changed);
void table_poll_close(struct table_poll *poll); /* also one of zeroes */

#endif
