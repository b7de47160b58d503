#include "../ledger/fixture.h"

#include "store/rollup.h"

/* A row as Turnpikes before schema 7 wrote it: columns for the fields, those unknown NULL. Not all
 * fields had a column then. */
static void make_old_rows(struct store *store)
{
    assert_int_equal(
        store_execute(
            store,
            "ALTER TABLE exchanges ADD COLUMN duration INTEGER;"
            "ALTER TABLE exchanges ADD COLUMN streamed INTEGER;"
            "ALTER TABLE exchanges ADD COLUMN outcome TEXT;"
            "ALTER TABLE exchanges ADD COLUMN usage_source TEXT;"
            "ALTER TABLE exchanges ADD COLUMN team TEXT;"
            "ALTER TABLE exchanges ADD COLUMN units TEXT;"
            "ALTER TABLE exchanges ADD COLUMN cost INTEGER;"
            "ALTER TABLE exchanges ADD COLUMN output_tokens INTEGER;"
            "INSERT INTO exchanges (id, started_at, duration, streamed, outcome, usage_source, "
            "team,"
            " units, cost) VALUES (x'00000000000000000000000000000001', 1800000000000000000, 7000,"
            " 1, 'failed', 'reported', 'payments', '{\"input\":3}', 12),"
            " (x'00000000000000000000000000000002', NULL, NULL, 0, 'of a newer Turnpike', NULL,"
            " NULL, NULL, NULL)"),
        ERROR_OK);
}

static void put_record(struct store *store, const struct record *record)
{
    struct row_insert insert;
    bool inserted;
    assert_int_equal(rows_open_insert(&insert, store, NULL), ERROR_OK);
    assert_int_equal(store_begin(store), ERROR_OK);
    assert_int_equal(rows_insert_record(&insert, record, &inserted), ERROR_OK);
    assert_int_equal(rows_flush(&insert), ERROR_OK);
    assert_int_equal(store_commit(store), ERROR_OK);
    assert_true(inserted);
    rows_close_insert(&insert);
}

static void expect_next(struct exchanges_reader *reader, struct exchange_row *row)
{
    bool found;
    assert_int_equal(exchanges_next(reader, row, &found), ERROR_OK);
    assert_true(found);
}

static void rows_of_both_kinds_come_back(void **state)
{
    struct store *store = fixture_store(*state, STORE_WRITE);
    struct exchanges_reader reader;
    struct exchange_row row;
    const struct record put = fixture_record(fixture_id());
    uint8_t before[RECORD_SIZE_MAX], after[RECORD_SIZE_MAX];
    bool found;
    make_old_rows(store);
    put_record(store, &put);
    assert_int_equal(exchanges_open(&reader, store, "WHERE number > ? ORDER BY number"), ERROR_OK);
    for (int round = 0; round < 2; round++) {
        store_bind_integer(reader.select, 1, 0);
        expect_next(&reader, &row);
        assert_int_equal(row.number, 1);
        assert_int_equal(row.series, 0);
        assert_int_equal(row.record.started_at, 1800000000000000000);
        assert_int_equal(row.record.duration, 7000);
        assert_true(row.record.streamed);
        assert_int_equal(row.record.outcome, RECORD_OUTCOME_FAILED);
        assert_int_equal(row.record.usage_source, RECORD_USAGE_REPORTED);
        assert_true(text_equal(row.record.team, TEXT("payments")));
        assert_true(text_equal(row.record.units, TEXT("{\"input\":3}")));
        assert_int_equal(row.record.cost, 12);
        assert_int_equal(row.record.output_tokens, RECORD_UNKNOWN);
        assert_int_equal(row.record.input_tokens, RECORD_UNKNOWN);
        expect_next(&reader, &row);
        assert_int_equal(row.record.outcome, RECORD_OUTCOME_UNKNOWN);
        assert_int_equal(row.record.started_at, 0);
        assert_int_equal(row.record.cost, RECORD_UNKNOWN);
        assert_true(text_empty(row.record.team));
        expect_next(&reader, &row);
        assert_int_equal(row.number, 3);
        assert_true(row.series > 0);
        size_t length = record_encode(&put, before);
        assert_int_equal(record_encode(&row.record, after), length);
        assert_memory_equal(before, after, length);
        assert_int_equal(exchanges_next(&reader, &row, &found), ERROR_OK);
        assert_false(found);
        exchanges_reset(&reader);
    }
    exchanges_close(&reader);
    store_close(store);
}

static unsigned notes;

static void count_note(enum note_level level, const char *line)
{
    notes += level == NOTE_ERROR;
}

static void a_row_that_cannot_be_read_is_told_and_passed_over(void **state)
{
    struct store *store = fixture_store(*state, STORE_WRITE);
    struct exchanges_reader reader;
    struct exchange_row row;
    bool found;
    put_record(store, &(struct record){.id = {.bytes = {1}}, .calls = 1});
    put_record(store, &(struct record){.id = {.bytes = {2}}, .calls = 1});
    put_record(store, &(struct record){.id = {.bytes = {3}}, .calls = 1});
    assert_int_equal(store_execute(store, "UPDATE exchanges SET record = x'ffff' WHERE number = 1;"
                                          "UPDATE exchanges SET id = x'02' WHERE number = 2"),
                     ERROR_OK);
    note_set_sink(count_note);
    notes = 0;
    assert_int_equal(exchanges_open(&reader, store, "ORDER BY number"), ERROR_OK);
    expect_next(&reader, &row);
    assert_int_equal(row.number, 3);
    assert_int_equal(notes, 2);
    assert_int_equal(exchanges_next(&reader, &row, &found), ERROR_OK);
    assert_false(found);
    exchanges_close(&reader);
    note_set_sink(fixture_quiet);
    store_close(store);
}

static void old_rows_are_counted(void **state)
{
    struct store *store = fixture_store(*state, STORE_WRITE);
    struct rollup *rollup;
    bool more = true;
    make_old_rows(store);
    assert_int_equal(store_execute(store, "UPDATE usage_backfill SET next = 1, last = 2"),
                     ERROR_OK);
    assert_int_equal(rollup_create(store, &rollup), ERROR_OK);
    while (more)
        assert_int_equal(rollup_backfill(rollup, 1, &more), ERROR_OK);
    rollup_destroy(rollup);
    store_close(store);
    const struct fixture *fixture = *state;
    assert_int_equal(fixture_query(fixture, "SELECT sum(calls) FROM usage_days"), 2);
    assert_int_equal(fixture_query(fixture, "SELECT sum(failed) FROM usage_days"), 1);
    assert_int_equal(fixture_query(fixture, "SELECT sum(cost_picos) FROM usage_days"), 12);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges WHERE series > 0"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_of_both_kinds_come_back),
        TEST(a_row_that_cannot_be_read_is_told_and_passed_over),
        TEST(old_rows_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
