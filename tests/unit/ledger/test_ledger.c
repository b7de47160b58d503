/* The promise: what was written is in the store exactly once, whatever dies on the way. */
#include "fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SMALL (128u << 10)

static bool is_of_payments(const struct record *record)
{
    return text_equal(record->team, TEXT("payments")) && record->input_tokens == 211 &&
           record->outcome == RECORD_OUTCOME_SERVED && record->cached_input_tokens < 0;
}

static bool is_served_with_a_long_path(const struct record *record)
{
    return record->path.length == 512 && record->outcome == RECORD_OUTCOME_SERVED;
}

static bool stands_for_one(const struct record *record)
{
    return record->calls == 1;
}

static int64_t refused_calls;

static bool add_refused(const struct record *record)
{
    if (record->outcome == RECORD_OUTCOME_REFUSED &&
        text_equal(record->refusal, TEXT("ledger_unavailable")))
        refused_calls += record->calls;
    return false;
}

/* The calls that records of refusals stand for. */
static int64_t count_refused(const struct fixture *fixture)
{
    refused_calls = 0;
    (void)fixture_count(fixture, add_refused);
    return refused_calls;
}

static void served_calls_arrive_once(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, 2, SMALL, 0);
    for (int i = 0; i < 5000; i++) {
        fixture_write_end(ledger_journal(ledger, (unsigned)i % 2), fixture_id());
        if (i % 50 == 0)
            shelf_keep(&ledger->shelf);
        if (i % 700 == 0)
            assert_true(importer_flush(ledger->importer));
    }
    struct ledger_counters counters;
    assert_true(importer_flush(ledger->importer));
    ledger_read_counters(ledger, &counters);
    assert_int_equal(counters.records_written, 5000);
    assert_int_equal(counters.records_imported, 5000);
    assert_int_equal(counters.records_waiting, 0);
    assert_int_equal(counters.duplicates, 0);
    assert_true(counters.accepting);
    assert_true(fixture_count_segments(fixture) <= 4); /* what was imported is gone */
    fixture_finish(ledger);
    assert_int_equal(fixture_count_segments(fixture), 0);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), 5000);
    assert_int_equal(fixture_count(fixture, is_of_payments), 5000);
}

static void a_second_server_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, 1, 0, 0);
    struct ledger_options options = {.data = fixture->data, .workers = 1};
    struct ledger *second;
    char problem[LEDGER_PROBLEM_SIZE];
    assert_int_equal(ledger_open(&options, &second, problem), ERROR_BUSY);
    assert_non_null(strstr(problem, "another turnpike server"));
    fixture_finish(ledger);
}

static void a_second_record_for_an_id_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
    struct identifier id = fixture_id();
    fixture_write_end(ledger_journal(ledger, 0), id);
    fixture_write_end(ledger_journal(ledger, 0), id);
    assert_true(importer_flush(ledger->importer));
    struct ledger_counters counters;
    ledger_read_counters(ledger, &counters);
    assert_int_equal(counters.duplicates, 1);
    assert_int_equal(counters.records_waiting, 0);
    fixture_finish(ledger);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), 1);
}

struct tally {
    int64_t last; /* number of a row */
    int64_t by_outcome[RECORD_OUTCOME_COUNT];
};

static void add_new_rows(const struct fixture *fixture, struct tally *tally)
{
    struct store *store = fixture_store(fixture, STORE_READ);
    struct exchanges_reader reader;
    struct exchange_row row;
    assert_int_equal(exchanges_open(&reader, store, "WHERE number > ? ORDER BY number"), ERROR_OK);
    store_bind_integer(reader.select, 1, tally->last);
    for (bool found = true; found;) {
        assert_int_equal(exchanges_next(&reader, &row, &found), ERROR_OK);
        if (found) {
            tally->last = row.number;
            tally->by_outcome[row.record.outcome]++;
        }
    }
    exchanges_close(&reader);
    store_close(store);
}

/* What the child tells the parent through shared memory, written after the journal has it. */
struct shared {
    _Atomic uint64_t ended;
    _Atomic uint64_t begun;
};

static void write_until_killed(const struct fixture *fixture, struct shared *shared)
{
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
    struct journal *journal = ledger_journal(ledger, 0);
    struct journal_reservation open[8] = {0};
    struct record records[8];
    for (unsigned i = 0;; i++) {
        unsigned slot = i % 8;
        if (open[slot].end > 0) {
            journal_write_end(journal, &open[slot], &records[slot]);
            atomic_fetch_add(&shared->ended, 1);
        }
        records[slot] = fixture_record(fixture_id());
        if (journal_reserve(journal, &open[slot], clock_wall()) == ERROR_OK) {
            journal_write_begin(journal, &open[slot], &records[slot]);
            atomic_fetch_add(&shared->begun, 1);
        }
        shelf_keep(&ledger->shelf);
        if (i % 64 == 63)
            (void)importer_step(ledger->importer);
    }
}

/* Recovers in a process that is killed too, at any point; then for good. */
static void recover_and_die(const struct fixture *fixture, unsigned delay)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
        while (importer_step(ledger->importer) != IMPORTER_IDLE)
            ;
        pause();
    }
    usleep(delay);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void check_once_killed(struct fixture *fixture, struct shared *shared, unsigned round)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_killed(fixture, shared);
    usleep(3000 + round * 977 % 17000);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    if (round % 4 == 0)
        recover_and_die(fixture, 500 + round * 613 % 9000);
    fixture_finish(fixture_open(fixture, 1, SMALL, 0));
}

static void kills_lose_and_double_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    uint64_t uncertain = 0;
    struct tally tally = {0};
    for (unsigned round = 0; round < 200; round++) {
        check_once_killed(fixture, shared, round);
        uncertain++; /* one entry may be written whose count was not */
        add_new_rows(fixture, &tally);
        int64_t served = tally.by_outcome[RECORD_OUTCOME_SERVED];
        int64_t interrupted = tally.by_outcome[RECORD_OUTCOME_INTERRUPTED];
        uint64_t ended = atomic_load(&shared->ended);
        uint64_t begun = atomic_load(&shared->begun);
        assert_in_range((uint64_t)served, ended, ended + uncertain);
        assert_in_range((uint64_t)(served + interrupted), begun, begun + uncertain);
        assert_true((uint64_t)interrupted <= 8 * (uint64_t)(round + 1));
        assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM open_exchanges"), 0);
    }
    assert_true(atomic_load(&shared->ended) > 200);
    assert_int_equal(fixture_count_segments(fixture), 0);
    munmap(shared, sizeof(*shared));
}

/* Begin marks outlive their segment: the mark of a long call is carried into the store. */
static void a_long_call_is_known_after_its_segment_is_gone(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
        struct journal *journal = ledger_journal(ledger, 0);
        struct journal_reservation interrupted = {0};
        struct journal_reservation ended = {0};
        struct record first = fixture_record(fixture_id());
        struct record second = fixture_record(fixture_id());
        if (journal_reserve(journal, &interrupted, 1) || journal_reserve(journal, &ended, 1))
            _exit(1);
        journal_write_begin(journal, &interrupted, &first);
        journal_write_begin(journal, &ended, &second);
        for (int i = 0; i < 2000; i++) {
            fixture_write_end(journal, fixture_id());
            shelf_keep(&ledger->shelf);
            if (i % 100 == 99 && !importer_flush(ledger->importer))
                _exit(2);
        }
        journal_write_end(journal, &ended, &second);
        _exit(importer_flush(ledger->importer) && fixture_count_segments(fixture) <= 3 ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM open_exchanges"), 1);
    fixture_finish(fixture_open(fixture, 1, SMALL, 0));
    fixture_finish(fixture_open(fixture, 1, SMALL, 0));
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), 2002);
    assert_int_equal(fixture_count(fixture, fixture_interrupted), 1);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM open_exchanges"), 0);
}

/* Fills the journals to their limit, then lets the store take them. Returns what was served. */
static uint64_t fill_up(struct ledger *ledger, uint64_t *refused)
{
    uint64_t served = 0;
    *refused = 0;
    while (*refused < 10) {
        struct journal_reservation reservation = {0};
        shelf_keep(&ledger->shelf);
        if (journal_reserve(ledger_journal(ledger, 0), &reservation, clock_wall()) != ERROR_OK) {
            ++*refused;
            continue;
        }
        struct record record = fixture_record(fixture_id());
        journal_write_begin(ledger_journal(ledger, 0), &reservation, &record);
        journal_write_end(ledger_journal(ledger, 0), &reservation, &record);
        served++;
    }
    return served;
}

static void keep_until_room(struct ledger *ledger)
{
    struct ledger_counters counters;
    do {
        shelf_keep(&ledger->shelf);
        usleep(10000); /* the keeper waits a second after a failure */
        ledger_read_counters(ledger, &counters);
    } while (!counters.accepting);
}

static void at_the_limit_calls_are_refused_and_told(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 4 * SMALL);
    uint64_t refused;
    uint64_t served = fill_up(ledger, &refused);
    struct ledger_counters counters;
    ledger_read_counters(ledger, &counters);
    assert_false(counters.accepting);
    assert_int_equal(counters.calls_refused, refused);
    assert_true(counters.journal_bytes <= counters.journal_limit);
    assert_true(importer_flush(ledger->importer));
    keep_until_room(ledger);
    fixture_write_end(ledger_journal(ledger, 0), fixture_id());
    fixture_finish(ledger);
    assert_int_equal(fixture_count(fixture, stands_for_one), served + 1);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), served + 2);
    assert_int_equal(count_refused(fixture), refused);
}

static void refused_calls_are_told_at_the_next_start(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 4 * SMALL);
    uint64_t refused;
    uint64_t served = fill_up(ledger, &refused);
    ledger_close(ledger); /* as if it had been killed */
    fixture_finish(fixture_open(fixture, 1, SMALL, 4 * SMALL));
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), served + 1);
    assert_int_equal(count_refused(fixture), refused);
}

static void reservations_hold_across_segments(void **state)
{
    struct fixture *fixture = *state;
    enum { OPEN = 500 };
    static struct journal_reservation open[OPEN];
    static struct identifier ids[OPEN];
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
    struct journal *journal = ledger_journal(ledger, 0);
    for (int i = 0; i < OPEN; i++) {
        ids[i] = fixture_id();
        struct record record = fixture_record(ids[i]);
        while (journal_reserve(journal, &open[i], 1) != ERROR_OK) {
            ledger->shelf.next_attempt = 0;
            shelf_keep(&ledger->shelf);
        }
        journal_write_begin(journal, &open[i], &record);
    }
    /* No keeper from here on: what is held must be there. The largest record there can be. */
    static char filler[4096];
    memset(filler, 'x', sizeof(filler));
    for (int i = 0; i < OPEN; i++) {
        struct record record = fixture_record(ids[i]);
        for (size_t k = 0; k < record_field_count; k++) {
            if (record_fields[k].type == RECORD_TYPE_TEXT)
                *(struct text *)(void *)((char *)&record + record_fields[k].offset) =
                    text_of(filler, sizeof(filler));
        }
        journal_write_end(journal, &open[i], &record);
    }
    fixture_finish(ledger);
    assert_int_equal(fixture_count(fixture, is_served_with_a_long_path), OPEN);
}

static void a_locked_store_only_delays(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
    fixture_write_end(ledger_journal(ledger, 0), fixture_id());
    uint64_t before = clock_wall();
    struct ledger_counters counters;
    assert_true(importer_flush(ledger->importer));
    ledger_read_counters(ledger, &counters);
    uint64_t caught_up = counters.caught_up_at;
    assert_true(caught_up >= before && caught_up <= clock_wall());
    struct store *other = fixture_store(fixture, STORE_WRITE);
    assert_int_equal(store_begin(other), ERROR_OK);
    for (int i = 0; i < 1000; i++) {
        fixture_write_end(ledger_journal(ledger, 0), fixture_id());
        shelf_keep(&ledger->shelf);
    }
    assert_int_equal(importer_step(ledger->importer), IMPORTER_FAILING);
    assert_int_equal(importer_step(ledger->importer), IMPORTER_FAILING);
    assert_true(importer_backoff(ledger->importer) > 0);
    ledger_read_counters(ledger, &counters);
    assert_false(counters.store_working);
    assert_int_equal(counters.records_waiting, 1000);
    assert_int_equal(counters.caught_up_at, caught_up);
    store_roll_back(other);
    store_close(other);
    assert_true(importer_flush(ledger->importer));
    ledger_read_counters(ledger, &counters);
    assert_true(counters.caught_up_at > caught_up);
    fixture_finish(ledger);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), 1001);
}

static void a_broken_store_keeps_records_waiting(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->data, STORE_FILE);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("this is no database, however long one looks at it, and it will not become one", file);
    fclose(file);
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
    fixture_write_end(ledger_journal(ledger, 0), fixture_id());
    assert_false(importer_flush(ledger->importer));
    assert_int_equal(remove(path), 0);
    fixture_finish(ledger);
    assert_int_equal(fixture_query(fixture, "SELECT count(*) FROM exchanges"), 1);
}

static void objects_are_found_before_and_after_import(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
    struct journal *journal = ledger_journal(ledger, 0);
    struct journal_reservation reservation = {0};
    struct object object = {.id = TEXT("file-abc"),
                            .provider = TEXT("openai"),
                            .team = TEXT("payments"),
                            .key_id = TEXT("k_1"),
                            .kind = TEXT("file"),
                            .created_at = 77};
    struct object_copy found;
    assert_int_equal(journal_reserve(journal, &reservation, 1), ERROR_OK);
    assert_int_equal(journal_write_object(journal, &reservation, &object), ERROR_OK);
    assert_int_equal(ledger_find_object(ledger, TEXT("file-abd"), &found), ERROR_NOT_FOUND);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(ledger_find_object(ledger, TEXT("file-abc"), &found), ERROR_OK);
        assert_true(text_equal(found.object.provider, TEXT("openai")));
        assert_true(text_equal(found.object.team, TEXT("payments")));
        assert_true(text_equal(found.object.key_id, TEXT("k_1")));
        assert_true(text_equal(found.object.kind, TEXT("file")));
        assert_int_equal(found.object.created_at, 77);
        assert_true(importer_flush(ledger->importer));
    }
    object.provider = TEXT("azure");
    assert_int_equal(journal_write_object(journal, &reservation, &object), ERROR_OK);
    object.id = TEXT("");
    assert_int_equal(journal_write_object(journal, &reservation, &object), ERROR_ARGUMENT);
    assert_int_equal(ledger_find_object(ledger, TEXT("file-abc"), &found), ERROR_OK);
    assert_true(text_equal(found.object.provider, TEXT("azure")));
    journal_release(journal, &reservation);
    fixture_finish(ledger);
}

/* A disk that fills up: a small tmpfs where we may mount one, else a limit on file sizes. */
static void a_full_disk_refuses_and_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    bool mounted = mount("none", fixture->data, "tmpfs", 0, "size=1m") == 0;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct ledger *ledger = fixture_open(fixture, 1, SMALL, 0);
    struct rlimit small = {SMALL / 2, before.rlim_max};
    if (!mounted)
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    uint64_t refused;
    uint64_t served = fill_up(ledger, &refused);
    assert_false(importer_flush(ledger->importer));
    if (mounted)
        assert_int_equal(mount("none", fixture->data, "tmpfs", MS_REMOUNT, "size=16m"), 0);
    else
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(importer_flush(ledger->importer));
    keep_until_room(ledger);
    fixture_write_end(ledger_journal(ledger, 0), fixture_id());
    fixture_finish(ledger);
    assert_int_equal(fixture_count(fixture, stands_for_one), served + 1);
    assert_int_equal(count_refused(fixture), refused);
    if (mounted)
        assert_int_equal(umount(fixture->data), 0);
}

static const struct CMUnitTest tests[] = {
#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    LEDGER_TEST(served_calls_arrive_once),
    LEDGER_TEST(a_second_server_is_refused),
    LEDGER_TEST(a_second_record_for_an_id_is_noticed),
    LEDGER_TEST(kills_lose_and_double_nothing),
    LEDGER_TEST(a_long_call_is_known_after_its_segment_is_gone),
    LEDGER_TEST(at_the_limit_calls_are_refused_and_told),
    LEDGER_TEST(refused_calls_are_told_at_the_next_start),
    LEDGER_TEST(reservations_hold_across_segments),
    LEDGER_TEST(a_locked_store_only_delays),
    LEDGER_TEST(a_broken_store_keeps_records_waiting),
    LEDGER_TEST(objects_are_found_before_and_after_import),
    LEDGER_TEST(a_full_disk_refuses_and_loses_nothing),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
