/* fixture: a data directory that goes away, and records to put into it. */
#ifndef TEST_LEDGER_FIXTURE_H
#define TEST_LEDGER_FIXTURE_H

/* cmocka wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/note.h"
#include "ledger/ledger_parts.h"
#include "ledger/rows.h"
#include "store/exchanges.h"

struct fixture {
    char data[64];
};

static inline int fixture_remove_one(const char *path, const struct stat *status, int type,
                                     struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static inline void fixture_quiet(enum note_level level, const char *line)
{
    (void)level, (void)line;
}

static inline int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    /* In memory where that is possible: the tests sync a lot. */
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(fixture->data, sizeof(fixture->data), "%s/ledger-test-XXXXXX", where);
    if (!mkdtemp(fixture->data))
        return -1;
    note_set_sink(fixture_quiet);
    *state = fixture;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    nftw(fixture->data, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static inline struct ledger *fixture_open(const struct fixture *fixture, unsigned workers,
                                          uint64_t segment_size, uint64_t limit)
{
    struct ledger_options options = {.data = fixture->data,
                                     .workers = workers,
                                     .segment_size = segment_size,
                                     .journal_limit = limit};
    struct ledger *ledger;
    char problem[LEDGER_PROBLEM_SIZE];
    enum error error = ledger_open(&options, &ledger, problem);
    if (error)
        fail_msg("%s", problem);
    return ledger;
}

/* A typical call. Texts are constant. */
static inline struct record fixture_record(struct identifier id)
{
    struct record record;
    record_clear(&record, id);
    record.started_at = 1800000000123456789ull;
    record.finished_at = 1800000000523456789ull;
    record.duration = 400000000;
    record.worker = 0;
    record.listener = TEXT("main");
    record.source = TEXT("192.0.2.17");
    record.key_id = TEXT("k_4f9a2c71d0");
    record.key_name = TEXT("checkout service");
    record.team = TEXT("payments");
    record.method = TEXT("POST");
    record.endpoint = TEXT("chat_completions");
    record.path = TEXT("/v1/chat/completions");
    record.model = TEXT("fast");
    record.target_model = TEXT("gpt-4o-mini");
    record.provider = TEXT("openai");
    record.attempts = 1;
    record.status = 200;
    record.outcome = RECORD_OUTCOME_SERVED;
    record.upstream_status = 200;
    record.upstream_request_id = TEXT("req_7b6a5c1d2e3f4a5b6c7d8e9f");
    record.bytes_received = 1043;
    record.bytes_sent = 612;
    record.first_byte = 380000000;
    record.connect = 0;
    record.input_tokens = 211;
    record.output_tokens = 57;
    record.usage_source = RECORD_USAGE_REPORTED;
    record.trace_id = TEXT("0af7651916cd43dd8448eb211c80319c");
    record.user_agent = TEXT("OpenAI/Python 1.109.1");
    return record;
}

static inline struct identifier fixture_id(void)
{
    return identifier_make(clock_wall());
}

static inline void fixture_write_end(struct journal *journal, struct identifier id)
{
    struct journal_reservation reservation = {0};
    struct record record = fixture_record(id);
    assert_int_equal(journal_reserve(journal, &reservation, clock_wall()), ERROR_OK);
    journal_write_end(journal, &reservation, &record);
}

static inline struct store *fixture_store(const struct fixture *fixture, enum store_access access)
{
    char path[128];
    char problem[STORE_PROBLEM_SIZE];
    struct store *store;
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->data, STORE_FILE);
    enum error error = store_open(path, access, 1000, &store, problem);
    if (error)
        fail_msg("%s", problem);
    return store;
}

/* The one number that `sql` selects. */
static inline int64_t fixture_query(const struct fixture *fixture, const char *sql)
{
    struct store *store = fixture_store(fixture, STORE_READ);
    struct store_statement *statement;
    bool row;
    assert_int_equal(store_prepare(store, sql, &statement), ERROR_OK);
    assert_int_equal(store_step(statement, &row), ERROR_OK);
    assert_true(row);
    int64_t number = store_column_integer(statement, 0);
    store_close(store);
    return number;
}

/* How many records in the store `wanted` says yes to. */
typedef bool (*fixture_wanted)(const struct record *record);
static inline int64_t fixture_count(const struct fixture *fixture, fixture_wanted wanted)
{
    struct store *store = fixture_store(fixture, STORE_READ);
    struct exchanges_reader reader;
    struct exchange_row row;
    int64_t count = 0;
    bool found = true;
    assert_int_equal(exchanges_open(&reader, store, ""), ERROR_OK);
    while (found) {
        assert_int_equal(exchanges_next(&reader, &row, &found), ERROR_OK);
        count += found && wanted(&row.record);
    }
    exchanges_close(&reader);
    store_close(store);
    return count;
}

static inline bool fixture_served(const struct record *record)
{
    return record->outcome == RECORD_OUTCOME_SERVED;
}

static inline bool fixture_interrupted(const struct record *record)
{
    return record->outcome == RECORD_OUTCOME_INTERRUPTED;
}

static inline unsigned fixture_count_segments(const struct fixture *fixture)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->data, LEDGER_JOURNAL_DIRECTORY);
    DIR *entries = opendir(path);
    assert_non_null(entries);
    unsigned found = 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        found += text_ends_with(text_from(entry->d_name), TEXT(".journal"));
    closedir(entries);
    return found;
}

/* What the ledger's thread does at the end. */
static inline void fixture_finish(struct ledger *ledger)
{
    shelf_finish(&ledger->shelf);
    assert_true(importer_flush(ledger->importer));
    ledger_close(ledger);
}

#endif
