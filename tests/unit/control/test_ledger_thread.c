/* Workers, the ledger's threads, an access log and somebody looking for objects, all at once: run
 * under TSan too. */
#include "../ledger/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "control/ledger_thread.h"
#include "ledger/history.h"

#define WORKERS      2u
#define CALLS        3000u
#define SEGMENT_SIZE (256u << 10)
#define PATIENCE     (20 * NANOSECONDS_PER_SECOND)

struct worker {
    struct journal *journal;
    pthread_t thread;
    uint64_t refused;
};

static void serve_one(struct worker *worker, unsigned i)
{
    struct journal_reservation reservation = {0};
    char id[32];
    while (journal_reserve(worker->journal, &reservation, clock_wall()) != ERROR_OK) {
        worker->refused++;
        usleep(1000);
    }
    struct record record = fixture_record(fixture_id());
    record.started_at = clock_wall(); /* as its id says: lists of a team go by both */
    journal_write_begin(worker->journal, &reservation, &record);
    if (i % 10 == 0) {
        struct object object = {.provider = TEXT("openai"), .kind = TEXT("file")};
        object.id = text_of(id, (size_t)snprintf(id, sizeof(id), "file-%u", i));
        (void)!journal_write_object(worker->journal, &reservation, &object);
    }
    journal_write_end(worker->journal, &reservation, &record);
}

static void *work(void *context)
{
    struct worker *worker = context;
    for (unsigned i = 0; i < CALLS; i++) {
        serve_one(worker, i);
        if (i % 64 == 0)
            usleep(500);
    }
    return NULL;
}

struct reader {
    int descriptor;
    pthread_t thread;
    unsigned lines;
};

static void *read_lines(void *context)
{
    struct reader *reader = context;
    char bytes[4096];
    for (ssize_t got; (got = read(reader->descriptor, bytes, sizeof(bytes))) > 0;) {
        for (ssize_t i = 0; i < got; i++)
            reader->lines += bytes[i] == '\n';
    }
    return NULL;
}

static void start_workers(struct ledger *ledger, struct worker workers[WORKERS])
{
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.journal = ledger_journal(ledger, i)};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

static void join_workers(struct worker workers[WORKERS])
{
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static bool count_one(void *context, const struct record *record)
{
    ++*(unsigned *)context;
    return record->status == 200;
}

static void everything_at_once(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct reader reader = {.descriptor = ends[0]};
    assert_int_equal(pthread_create(&reader.thread, NULL, read_lines, &reader), 0);
    struct ledger *ledger = fixture_open(fixture, WORKERS, SEGMENT_SIZE, 0);
    struct ledger_thread_options options = {.access_log = ends[1]};
    struct ledger_thread *thread;
    struct worker workers[WORKERS];
    struct object_copy found;
    struct ledger_counters counters;
    assert_int_equal(ledger_thread_start(ledger, &options, &thread), ERROR_OK);
    start_workers(ledger, workers);
    for (int i = 0; i < 50; i++) {
        (void)!ledger_find_object(ledger, TEXT("file-10"), &found);
        ledger_read_counters(ledger, &counters);
        usleep(2000);
    }
    join_workers(workers);
    assert_int_equal(ledger_find_object(ledger, TEXT("file-2990"), &found), ERROR_OK);
    ledger_thread_stop(thread, PATIENCE);
    ledger_read_counters(ledger, &counters);
    ledger_close(ledger);
    close(ends[1]);
    pthread_join(reader.thread, NULL);
    close(ends[0]);
    assert_int_equal(counters.records_waiting, 0);
    assert_int_equal(counters.lines_skipped, 0);
    assert_int_equal(reader.lines, counters.lines_written);
    assert_int_equal(counters.lines_written, counters.records_written);
    assert_int_equal(fixture_count(fixture, fixture_served), WORKERS * CALLS);
    assert_int_equal(fixture_count_segments(fixture), 0);
}

/* A reader that does not read: records are stored, memory and journal stay bounded, lines are
 * skipped and counted. */
static void a_blocked_reader_holds_up_nobody(void **state)
{
    struct fixture *fixture = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct ledger *ledger = fixture_open(fixture, WORKERS, SEGMENT_SIZE, 0);
    struct ledger_thread_options options = {.access_log = ends[1],
                                            .access_log_behind = SEGMENT_SIZE};
    struct ledger_thread *thread;
    struct worker workers[WORKERS];
    struct ledger_counters counters;
    assert_int_equal(ledger_thread_start(ledger, &options, &thread), ERROR_OK);
    start_workers(ledger, workers);
    join_workers(workers);
    ledger_thread_stop(thread, NANOSECONDS_PER_SECOND / 2);
    ledger_read_counters(ledger, &counters);
    ledger_close(ledger);
    assert_true(counters.lines_skipped > 0);
    assert_int_equal(fixture_count(fixture, fixture_served), WORKERS * CALLS);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* the descriptor is not ours */
    close(ends[0]);
    close(ends[1]);
}

static void history_sees_each_record_once(void **state)
{
    struct fixture *fixture = *state;
    struct ledger *ledger = fixture_open(fixture, WORKERS, SEGMENT_SIZE, 0);
    struct ledger_thread_options options = {.access_log = -1};
    struct history_filter filter = {0};
    struct ledger_thread *thread;
    struct history *history;
    struct worker workers[WORKERS];
    char problem[HISTORY_PROBLEM_SIZE];
    unsigned seen = 0;
    assert_int_equal(ledger_thread_start(ledger, &options, &thread), ERROR_OK);
    usleep(300000); /* the store is made */
    start_workers(ledger, workers);
    assert_int_equal(history_open(fixture->data, &filter, &history, problem), ERROR_OK);
    assert_int_equal(history_read(history, count_one, &seen, problem), ERROR_OK);
    for (int i = 0; i < 20; i++) {
        history_follow(history, count_one, &seen);
        usleep(20000);
    }
    join_workers(workers);
    uint64_t refused = workers[0].refused + workers[1].refused;
    ledger_thread_stop(thread, PATIENCE);
    ledger_close(ledger);
    history_follow(history, count_one, &seen);
    history_follow(history, count_one, &seen);
    if (refused == 0)
        assert_int_equal(seen, WORKERS * CALLS);
    assert_true(seen >= WORKERS * CALLS);
    history_close(history);

    seen = 0;
    filter.limit = 10;
    filter.team = TEXT("payments");
    assert_int_equal(history_open(fixture->data, &filter, &history, problem), ERROR_OK);
    assert_int_equal(history_read(history, count_one, &seen, problem), ERROR_OK);
    assert_int_equal(seen, 10);
    history_close(history);
}

static const struct CMUnitTest tests[] = {
#define THREAD_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    THREAD_TEST(everything_at_once),
    THREAD_TEST(a_blocked_reader_holds_up_nobody),
    THREAD_TEST(history_sees_each_record_once),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
