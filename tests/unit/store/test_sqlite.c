#include "../ledger/fixture.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "store/bulk.h"
#include "store/schema.h"

static void make_path(const struct fixture *fixture, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", fixture->data, STORE_FILE);
}

static void a_store_is_made_once(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    char problem[STORE_PROBLEM_SIZE];
    struct store *store;
    make_path(fixture, path);
    assert_int_equal(store_open(path, STORE_READ, 0, &store, problem), ERROR_NOT_FOUND);
    assert_non_null(strstr(problem, "no store yet"));
    store_close(fixture_store(fixture, STORE_WRITE));
    store_close(fixture_store(fixture, STORE_WRITE));
    store_close(fixture_store(fixture, STORE_READ));
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), 0);
}

static void a_newer_store_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    char problem[STORE_PROBLEM_SIZE];
    struct store *store = fixture_store(fixture, STORE_WRITE);
    assert_int_equal(store_execute(store, "INSERT INTO schema_version VALUES (9999)"), ERROR_OK);
    store_close(store);
    make_path(fixture, path);
    for (int access = STORE_READ; access <= STORE_WRITE; access++) {
        assert_int_equal(store_open(path, (enum store_access)access, 0, &store, problem),
                         ERROR_UNSUPPORTED);
        assert_non_null(strstr(problem, "newer Turnpike"));
    }
}

static const struct migration {
    int number;
    const char *sql;
} migrations[] = {
#define MIGRATION(number, sql) {number, sql},
#include "store/migrations.def"
#undef MIGRATION
};

/* A store as the Turnpike whose newest migration is `newest` left it. */
static void make_older_store(const char *path, int newest)
{
    sqlite3 *file;
    char *sql;
    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    sql = "CREATE TABLE schema_version (version INTEGER PRIMARY KEY)";
    assert_int_equal(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_LENGTH(migrations) && migrations[i].number <= newest; i++) {
        assert_int_equal(sqlite3_exec(file, migrations[i].sql, NULL, NULL, NULL), SQLITE_OK);
        sql = sqlite3_mprintf("INSERT INTO schema_version VALUES (%d)", migrations[i].number);
        assert_non_null(sql);
        assert_int_equal(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_free(sql);
    }
    assert_int_equal(sqlite3_close(file), SQLITE_OK);
}

static void older_stores_are_migrated_by_a_writer(void **state)
{
    struct fixture *fixture = *state;
    char path[128], problem[STORE_PROBLEM_SIZE];
    struct store *store;
    int newest = migrations[ARRAY_LENGTH(migrations) - 1].number;
    make_path(fixture, path);
    for (size_t i = 0; i + 1 < ARRAY_LENGTH(migrations); i++) {
        make_older_store(path, migrations[i].number);
        assert_int_equal(store_open(path, STORE_READ, 0, &store, problem), ERROR_UNSUPPORTED);
        assert_non_null(strstr(problem, "older Turnpike"));
        store_close(fixture_store(fixture, STORE_WRITE));
        assert_int_equal(fixture_query(fixture, "SELECT max(version) FROM schema_version"), newest);
        assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM schema_version"),
                         ARRAY_LENGTH(migrations));
        assert_int_equal(unlink(path), 0);
    }
}

/* A number that is lower than one before it would never be applied to a store that has that one. */
static void migrations_are_in_order(void **state)
{
    for (size_t i = 1; i < ARRAY_LENGTH(migrations); i++)
        assert_true(migrations[i].number > migrations[i - 1].number);
}

static void a_damaged_file_is_named(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    char problem[STORE_PROBLEM_SIZE];
    char junk[8192];
    struct store *store;
    make_path(fixture, path);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    memset(junk, 'j', sizeof(junk));
    assert_int_equal(write(file, junk, sizeof(junk)), sizeof(junk));
    close(file);
    assert_int_equal(store_open(path, STORE_WRITE, 0, &store, problem), ERROR_CORRUPT);
    assert_non_null(strstr(problem, path));
    assert_non_null(strstr(problem, "damaged"));
}

static void a_lock_is_busy(void **state)
{
    struct fixture *fixture = *state;
    struct store *first = fixture_store(fixture, STORE_WRITE);
    struct store *second = fixture_store(fixture, STORE_WRITE);
    assert_int_equal(store_begin(first), ERROR_OK);
    assert_int_equal(store_execute(second, "PRAGMA busy_timeout = 1"), ERROR_OK);
    assert_int_equal(store_begin(second), ERROR_BUSY);
    store_roll_back(second); /* nothing to roll back */
    store_roll_back(first);
    assert_int_equal(store_begin(second), ERROR_OK);
    assert_int_equal(store_commit(second), ERROR_OK);
    store_close(first);
    store_close(second);
}

static void values_come_back(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture_store(fixture, STORE_WRITE);
    struct store_statement *select;
    bool row;
    assert_int_equal(store_prepare(store, "SELECT ?, ?, ?, ?", &select), ERROR_OK);
    for (int round = 0; round < 2; round++) {
        store_bind_integer(select, 1, INT64_MIN);
        store_bind_text(select, 2, TEXT("a\0b"));
        store_bind_blob(select, 3, "\xff", 1);
        assert_int_equal(store_step(select, &row), ERROR_OK);
        assert_true(row);
        assert_true(store_column_integer(select, 0) == INT64_MIN);
        assert_true(text_equal(store_column_text(select, 1), TEXT("a\0b")));
        assert_true(text_equal(store_column_text(select, 2), TEXT("\xff")));
        assert_true(store_column_is_null(select, 3));
        store_reset(select);
    }
    assert_int_equal(store_prepare(store, "SELECT nonsense", &select), ERROR_STORE);
    store_close(store);
}

struct pair {
    int64_t number;
    struct text text;
};

static struct store_value read_pair(const void *rows, size_t row, size_t column)
{
    const struct pair *pair = (const struct pair *)rows + row;
    if (column == 0)
        return (struct store_value){.type = STORE_VALUE_INTEGER, .integer = pair->number};
    if (text_empty(pair->text))
        return (struct store_value){.type = STORE_VALUE_NULL};
    return (struct store_value){.type = STORE_VALUE_TEXT, .bytes = pair->text};
}

static const struct text pair_columns[] = {TEXT_INIT("a"), TEXT_INIT("b")};

static struct store_bulk *open_pairs(struct store *store)
{
    struct store_bulk *bulk;
    assert_int_equal(store_execute(store, "CREATE TABLE pairs (a INTEGER UNIQUE, b TEXT)"),
                     ERROR_OK);
    assert_int_equal(store_open_bulk(store, "pairs", pair_columns, 2, read_pair, &bulk), ERROR_OK);
    return bulk;
}

static void rows_in_bulk_are_inserted_once(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture_store(fixture, STORE_WRITE);
    struct store_bulk *bulk = open_pairs(store);
    const struct pair rows[] = {
        {7, TEXT("seven")}, {8, TEXT("")}, {7, TEXT("again")}, {9, TEXT("\0")}};
    bool inserted[4];
    assert_int_equal(store_run_bulk(bulk, rows, 4, inserted), ERROR_OK);
    assert_true(inserted[0] && inserted[1] && !inserted[2] && inserted[3]);
    /* A row number of another table, the same that the next pair gets. */
    assert_int_equal(store_execute(store, "CREATE TABLE other (n INTEGER PRIMARY KEY);"
                                          "INSERT INTO other VALUES (4)"),
                     ERROR_OK);
    const struct pair more[] = {{10, TEXT("ten")}, {8, TEXT("eight")}};
    assert_int_equal(store_run_bulk(bulk, more, 2, inserted), ERROR_OK);
    assert_true(inserted[0] && !inserted[1]);
    assert_int_equal(store_run_bulk(bulk, more, 0, inserted), ERROR_OK);
    store_close(store);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM pairs"), 4);
    assert_int_equal(fixture_query(fixture, "SELECT a FROM pairs WHERE b = 'seven'"), 7);
    assert_int_equal(fixture_query(fixture, "SELECT a FROM pairs WHERE b IS NULL"), 8);
    assert_int_equal(fixture_query(fixture, "SELECT length(CAST(b AS BLOB)) FROM pairs"
                                            " WHERE a = 9"),
                     1);
}

static const struct CMUnitTest tests[] = {
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    STORE_TEST(a_store_is_made_once),
    STORE_TEST(a_newer_store_is_refused),
    STORE_TEST(older_stores_are_migrated_by_a_writer),
    cmocka_unit_test(migrations_are_in_order),
    STORE_TEST(a_damaged_file_is_named),
    STORE_TEST(a_lock_is_busy),
    STORE_TEST(values_come_back),
    STORE_TEST(rows_in_bulk_are_inserted_once),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
