/* The store on SQLite; only this file, sqlite_bulk.c and sqlite_histogram.c know
 * its API.
 *
 * WAL, so that readers (turnpike log, key listings) and the importer do not wait for each other.
 * synchronous=FULL: a commit is on disk when it returns, because a journal segment is deleted on
 * the word of the store (docs/decisions/0020-ledger-journal.md). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ensure.h"
#include "store/schema.h"
#include "store/sqlite_parts.h"

struct store_statement {
    sqlite3_stmt *statement;
    struct store *store;
    struct store_statement *next;
    struct store_statement *previous;
};

enum error store_error_from_sqlite(int code)
{
    static const struct {
        int code;
        enum error error;
    } rows[] = {
        {SQLITE_OK, ERROR_OK},           {SQLITE_DONE, ERROR_OK},
        {SQLITE_ROW, ERROR_OK},          {SQLITE_BUSY, ERROR_BUSY},
        {SQLITE_LOCKED, ERROR_BUSY},     {SQLITE_FULL, ERROR_DISK_FULL},
        {SQLITE_CORRUPT, ERROR_CORRUPT}, {SQLITE_NOTADB, ERROR_CORRUPT},
        {SQLITE_NOMEM, ERROR_MEMORY},    {SQLITE_CONSTRAINT, ERROR_EXISTS},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].code == (code & 0xff))
            return rows[i].error;
    }
    return ERROR_STORE;
}

const char *store_problem(const struct store *store)
{
    return sqlite3_errmsg(store->database);
}

static void describe(const char *path, const struct store *store, enum error error,
                     char problem[STORE_PROBLEM_SIZE])
{
    const char *advice = "";
    if (error == ERROR_CORRUPT)
        advice = "; the file is damaged or no Turnpike store: move it aside or restore a backup "
                 "(`sqlite3 FILE .recover` saves what can be read)";
    else if ((sqlite3_errcode(store->database) & 0xff) == SQLITE_READONLY)
        advice = "; this user must be able to write in its directory, to read it, too: SQLite "
                 "keeps two files beside it";
    else if (error == ERROR_BUSY)
        advice = "; another process holds its lock";
    (void)snprintf(problem, STORE_PROBLEM_SIZE, "%s: %s%s", path, store_problem(store), advice);
}

/* SQLite would make the file readable for all that the umask allows, and its -wal like it. */
static void make_private(const char *path)
{
    int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
}

static enum error open_database(struct store *store, const char *path, enum store_access access,
                                unsigned patience)
{
    int flags =
        access == STORE_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (access == STORE_WRITE)
        make_private(path);
    int code = sqlite3_open_v2(path, &store->database, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (!store->database)
        return ERROR_MEMORY;
    if (code != SQLITE_OK)
        return store_error_from_sqlite(code);
    sqlite3_extended_result_codes(store->database, 1);
    sqlite3_busy_timeout(store->database, (int)patience);
    if (access == STORE_READ)
        return ERROR_OK;
    enum error error = store_add_functions(store);
    if (error)
        return error;
    /* The page size is a new file's. Records come in by the thousand and are only appended: larger
     * pages are fewer system calls, two for each page in the WAL and two when it moves into the
     * file. */
    return store_execute(store, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL;"
                                " PRAGMA synchronous=FULL;");
}

/* Its own count of the memory it uses, which nobody reads, takes a lock for every piece. */
static void leave_memory_uncounted(void)
{
    ensure(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
}

enum error store_open(const char *path, enum store_access access, unsigned patience,
                      struct store **out, char problem[STORE_PROBLEM_SIZE])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct stat status;
    problem[0] = '\0';
    ensure(pthread_once(&once, leave_memory_uncounted) == 0);
    if (access == STORE_READ && stat(path, &status) != 0) {
        int number = errno;
        (void)snprintf(problem, STORE_PROBLEM_SIZE, "%s: %s", path,
                       number == ENOENT ? "there is no store yet" : strerror(number));
        return number == ENOENT ? ERROR_NOT_FOUND : error_from_errno(number);
    }
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return ERROR_MEMORY;
    enum error error = open_database(store, path, access, patience);
    if (!error)
        error =
            access == STORE_WRITE ? schema_migrate(store, problem) : schema_check(store, problem);
    if (error) {
        if (problem[0] == '\0')
            describe(path, store, error, problem);
        store_close(store);
        return error;
    }
    *out = store;
    return ERROR_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    while (store->statements)
        store_finish(store->statements);
    ensure(sqlite3_close(store->database) == SQLITE_OK);
    free(store);
}

enum error store_execute(struct store *store, const char *sql)
{
    return store_error_from_sqlite(sqlite3_exec(store->database, sql, NULL, NULL, NULL));
}

enum error store_begin(struct store *store)
{
    /* Takes the write lock now: a transaction that gets it late could fail half-way. */
    return store_execute(store, "BEGIN IMMEDIATE");
}

enum error store_commit(struct store *store)
{
    return store_execute(store, "COMMIT");
}

void store_roll_back(struct store *store)
{
    /* A failed statement may have rolled back by itself; then there is nothing to do. */
    if (sqlite3_get_autocommit(store->database) == 0)
        (void)sqlite3_exec(store->database, "ROLLBACK", NULL, NULL, NULL);
}

int64_t store_changes(const struct store *store)
{
    return sqlite3_changes(store->database);
}

enum error store_prepare(struct store *store, const char *sql, struct store_statement **out)
{
    struct store_statement *statement = calloc(1, sizeof(*statement));
    if (!statement)
        return ERROR_MEMORY;
    int code = sqlite3_prepare_v3(store->database, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &statement->statement, NULL);
    if (code != SQLITE_OK) {
        free(statement);
        return store_error_from_sqlite(code);
    }
    statement->store = store;
    statement->next = store->statements;
    if (store->statements)
        store->statements->previous = statement;
    store->statements = statement;
    *out = statement;
    return ERROR_OK;
}

void store_finish(struct store_statement *statement)
{
    if (!statement)
        return;
    if (statement->previous)
        statement->previous->next = statement->next;
    else
        statement->store->statements = statement->next;
    if (statement->next)
        statement->next->previous = statement->previous;
    (void)sqlite3_finalize(statement->statement); /* repeats the error of the last step */
    free(statement);
}

void store_bind_integer(struct store_statement *statement, int parameter, int64_t number)
{
    ensure(sqlite3_bind_int64(statement->statement, parameter, number) == SQLITE_OK);
}

/* A text so long that SQLite refuses it (a gigabyte) is a mistake of the program. */
void store_bind_text(struct store_statement *statement, int parameter, struct text text)
{
    ensure(sqlite3_bind_text64(statement->statement, parameter, text.data ? text.data : "",
                               text.length, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

void store_bind_blob(struct store_statement *statement, int parameter, const void *bytes,
                     size_t length)
{
    ensure(sqlite3_bind_blob64(statement->statement, parameter, bytes, length, SQLITE_STATIC) ==
           SQLITE_OK);
}

enum error store_step(struct store_statement *statement, bool *row)
{
    int code = sqlite3_step(statement->statement);
    *row = code == SQLITE_ROW;
    return store_error_from_sqlite(code);
}

enum error store_run(struct store_statement *statement)
{
    int code;
    do {
        code = sqlite3_step(statement->statement);
    } while (code == SQLITE_ROW);
    store_reset(statement);
    return store_error_from_sqlite(code);
}

void store_reset(struct store_statement *statement)
{
    (void)sqlite3_reset(statement->statement); /* repeats the error of the last step */
    (void)sqlite3_clear_bindings(statement->statement);
}

bool store_column_is_null(struct store_statement *statement, int column)
{
    return sqlite3_column_type(statement->statement, column) == SQLITE_NULL;
}

int64_t store_column_integer(struct store_statement *statement, int column)
{
    return sqlite3_column_int64(statement->statement, column);
}

struct text store_column_text(struct store_statement *statement, int column)
{
    /* Blob, because it is the same bytes for a text and says nothing about encoding. */
    const char *data = sqlite3_column_blob(statement->statement, column);
    return text_of(data, (size_t)sqlite3_column_bytes(statement->statement, column));
}
