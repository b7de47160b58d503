#include "ledger/backlog.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "ledger/ledger_parts.h"

#define PATH_SIZE 4096u

struct looking {
    struct store_statement *cursor;
    int directory;
    uint64_t time;
    uint64_t calls;
};

static enum error read_cursor(const struct looking *looking, uint64_t number, size_t *position)
{
    bool row;
    store_bind_integer(looking->cursor, 1, (int64_t)number);
    enum error error = store_step(looking->cursor, &row);
    int64_t stored = !error && row ? store_column_integer(looking->cursor, 0) : 0;
    store_reset(looking->cursor);
    *position = stored > (int64_t)SEGMENT_START ? (size_t)stored : SEGMENT_START;
    return error;
}

static enum error look_at_segment(struct looking *looking, const struct segment *segment)
{
    size_t position;
    uint64_t damaged = 0;
    struct entry entry;
    size_t limit = segment->sound ? segment_committed(segment) : segment->size;
    enum error error = read_cursor(looking, segment->number, &position);
    while (!error && segment_next(segment, &position, limit, &entry, &damaged)) {
        struct record record;
        if (entry.kind == ENTRY_END &&
            record_decode(&record, entry.payload, entry.length) == ERROR_OK &&
            record.finished_at < looking->time && record.calls > 0)
            looking->calls += (uint64_t)record.calls;
    }
    return error;
}

static enum error look_at_file(struct looking *looking, const char *name)
{
    unsigned worker;
    uint64_t number;
    struct segment segment;
    if (!segment_parse_name(name, &worker, &number) ||
        segment_open(&segment, looking->directory, name) != ERROR_OK)
        return ERROR_OK; /* gone meanwhile, or damage that the server will report */
    enum error error = look_at_segment(looking, &segment);
    segment_close(&segment);
    return error;
}

static enum error look_at_files(struct looking *looking, const char *data)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/%s", data, LEDGER_JOURNAL_DIRECTORY) >= (int)sizeof path)
        return ERROR_ARGUMENT;
    DIR *entries = opendir(path);
    if (entries == NULL)
        return ERROR_OK; /* no server has run here */
    enum error error = ERROR_OK;
    looking->directory = dirfd(entries);
    for (struct dirent *entry; !error && (entry = readdir(entries)) != NULL;)
        error = look_at_file(looking, entry->d_name);
    closedir(entries);
    return error;
}

enum error backlog_count(const char *data, struct store *store, uint64_t time, uint64_t *calls)
{
    struct looking looking = {.time = time};
    *calls = 0;
    enum error error = store_prepare(
        store, "SELECT position FROM journal_cursors WHERE segment = ?", &looking.cursor);
    if (error)
        return error;
    error = look_at_files(&looking, data);
    store_finish(looking.cursor);
    *calls = looking.calls;
    return error;
}
