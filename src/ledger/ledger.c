/* The data directory: `lock` (held by flock while a server runs), `journal/` (the segments),
 * STORE_FILE. */
#include "ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ensure.h"
#include "ledger/ledger_parts.h"

static enum error complain(char problem[LEDGER_PROBLEM_SIZE], const char *what, const char *path,
                           int number)
{
    (void)snprintf(problem, LEDGER_PROBLEM_SIZE, "%s %s: %s", what, path, strerror(number));
    return error_from_errno(number);
}

static enum error open_directory(int parent, const char *path, int *out,
                                 char problem[LEDGER_PROBLEM_SIZE])
{
    if (mkdirat(parent, path, 0700) != 0 && errno != EEXIST)
        return complain(problem, "cannot make the directory", path, errno);
    *out = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0)
        return complain(problem, "cannot open the directory", path, errno);
    return ERROR_OK;
}

static enum error lock_directory(struct ledger *ledger, const char *path,
                                 char problem[LEDGER_PROBLEM_SIZE])
{
    ledger->lock = openat(ledger->directory, LEDGER_LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ledger->lock < 0)
        return complain(problem, "cannot open the lock file in", path, errno);
    if (flock(ledger->lock, LOCK_EX | LOCK_NB) == 0)
        return ERROR_OK;
    if (errno != EWOULDBLOCK)
        return complain(problem, "cannot lock", path, errno);
    (void)snprintf(problem, LEDGER_PROBLEM_SIZE,
                   "another turnpike server is running on the data directory %s; stop it, or give "
                   "this one its own with --data",
                   path);
    return ERROR_BUSY;
}

static enum error open_parts(struct ledger *ledger, const struct ledger_options *options,
                             char problem[LEDGER_PROBLEM_SIZE])
{
    enum error error = open_directory(AT_FDCWD, options->data, &ledger->directory, problem);
    if (!error)
        error = lock_directory(ledger, options->data, problem);
    int journal = -1;
    if (!error)
        error = open_directory(ledger->directory, LEDGER_JOURNAL_DIRECTORY, &journal, problem);
    if (error)
        return error;
    uint64_t size = options->segment_size ? options->segment_size : LEDGER_SEGMENT_SIZE;
    uint64_t limit = options->journal_limit ? options->journal_limit : LEDGER_JOURNAL_LIMIT;
    uint64_t sync = options->sync_interval ? options->sync_interval : LEDGER_SYNC_INTERVAL;
    if (size < SEGMENT_SIZE_MIN || size > SEGMENT_SIZE_MAX) {
        close(journal);
        (void)snprintf(problem, LEDGER_PROBLEM_SIZE, "a journal segment has %u to %llu bytes",
                       SEGMENT_SIZE_MIN, SEGMENT_SIZE_MAX);
        return ERROR_ARGUMENT;
    }
    error = shelf_open(&ledger->shelf, journal, ledger->workers, (size_t)size, limit, sync);
    if (error)
        (void)snprintf(problem, LEDGER_PROBLEM_SIZE, "cannot make the journals in %s: %s",
                       options->data, error_meaning(error));
    ledger->shelf_open = !error;
    return error;
}

enum error ledger_open(const struct ledger_options *options, struct ledger **out,
                       char problem[LEDGER_PROBLEM_SIZE])
{
    ensure(options->workers > 0 && options->workers <= LEDGER_WORKERS_MAX);
    /* A file-size limit is a full disk and comes as an error like one; by default it kills. */
    (void)signal(SIGXFSZ, SIG_IGN);
    problem[0] = '\0';
    struct ledger *ledger =
        ensure_memory(aligned_alloc(_Alignof(struct ledger), sizeof(struct ledger)));
    memset(ledger, 0, sizeof(*ledger));
    ledger->directory = -1;
    ledger->lock = -1;
    ledger->workers = options->workers;
    enum error error = open_parts(ledger, options, problem);
    char path[PATH_MAX];
    if (!error && snprintf(path, sizeof(path), "%s/%s", options->data, STORE_FILE) >= PATH_MAX) {
        (void)snprintf(problem, LEDGER_PROBLEM_SIZE, "the data directory's path is too long");
        error = ERROR_ARGUMENT;
    }
    if (error) {
        ledger_close(ledger);
        return error;
    }
    ledger->guard = ensure_memory(guard_create());
    ledger->knocks = ensure_memory(calloc(options->workers, sizeof(*ledger->knocks)));
    ledger->importer = importer_open(&ledger->shelf, path, ledger->guard);
    importer_watch_knocks(ledger->importer, ledger->knocks, options->workers);
    *out = ledger;
    return ERROR_OK;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger->importer)
        importer_close(ledger->importer);
    guard_destroy(ledger->guard);
    free(ledger->knocks);
    if (ledger->shelf_open)
        shelf_close(&ledger->shelf);
    if (ledger->lock >= 0)
        close(ledger->lock); /* and with it the lock */
    if (ledger->directory >= 0)
        close(ledger->directory);
    free(ledger);
}

struct journal *ledger_journal(struct ledger *ledger, unsigned worker)
{
    ensure(worker < ledger->workers);
    return &ledger->shelf.journals[worker];
}

struct knocks *ledger_knocks(struct ledger *ledger, unsigned worker)
{
    ensure(worker < ledger->workers);
    return &ledger->knocks[worker];
}

struct guard *ledger_guard(struct ledger *ledger)
{
    return ledger->guard;
}

enum error ledger_find_object(struct ledger *ledger, struct text id, struct object_copy *out)
{
    return importer_find_object(ledger->importer, id, out);
}

static uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

void ledger_read_counters(struct ledger *ledger, struct ledger_counters *out)
{
    const struct importer_counters *importer = importer_read_counters(ledger->importer);
    *out = (struct ledger_counters){
        .records_imported = load(&importer->imported),
        .duplicates = load(&importer->duplicates),
        .damaged_bytes = load(&ledger->shelf.damaged),
        .store_failures = load(&importer->failures),
        .lines_written = load(&ledger->lines_written),
        .lines_skipped = load(&ledger->shelf.lines_skipped),
        .journal_bytes = load(&ledger->shelf.bytes),
        .journal_limit = ledger->shelf.limit,
        .caught_up_at = load(&importer->caught_up),
        .accepting = true,
        .store_working = atomic_load(&importer->working),
    };
    for (unsigned worker = 0; worker < ledger->workers; worker++) {
        const struct journal *journal = &ledger->shelf.journals[worker];
        out->records_written += load(&journal->records);
        out->calls_refused += load(&journal->refused);
        out->accepting = out->accepting && journal_has_room(journal);
    }
    /* What was left behind is imported without having been written here. */
    uint64_t done = load(&importer->settled);
    out->records_waiting = out->records_written > done ? out->records_written - done : 0;
}
