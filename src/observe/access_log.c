/* The descriptor may be a pipe or terminal shared with other processes, so it is not made
 * non-blocking itself: that would show in all of them. A pipe or terminal is opened once more for
 * ourselves where that is possible, and a socket is written with MSG_DONTWAIT. Where neither works,
 * at most PIPE_BUF bytes are written after poll() has said that there is room: a pipe takes those
 * without blocking. A regular file is just written. */
#include "observe/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "ledger/record_json.h"
#include "ledger/tail.h"

/* Many lines per write, few enough that they are soon out. */
#define BATCH_SIZE ((size_t)64 << 10)
/* Of a brief line: three names of 64 bytes and some numbers. */
#define BRIEF_MAX         512u
#define BRIEF_TOKENS_SIZE 64u
_Static_assert(BRIEF_MAX <= RECORD_JSON_MAX, "a brief line fits where a whole one does");

struct access_log {
    struct ledger *ledger;
    int descriptor;
    bool own; /* the descriptor was opened by us */
    bool socket;
    size_t chunk; /* most bytes per write */
    struct record_json json;
    size_t start; /* of what is not written yet in `batch` */
    size_t length;
    uint64_t lines; /* in the batch */
    uint64_t skipped_told;
    bool brief;
    bool failed; /* the descriptor is broken; said once */
    char batch[BATCH_SIZE + RECORD_JSON_MAX];
};

static void prepare_descriptor(struct access_log *log, int descriptor)
{
    struct stat status;
    log->descriptor = descriptor;
    log->chunk = BATCH_SIZE + RECORD_JSON_MAX;
    if (fstat(descriptor, &status) != 0 || S_ISREG(status.st_mode))
        return;
    log->socket = S_ISSOCK(status.st_mode);
    if (log->socket)
        return;
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (own >= 0) {
        log->descriptor = own;
        log->own = true;
    } else {
        log->chunk = PIPE_BUF;
    }
}

struct access_log *access_log_open(struct ledger *ledger, int descriptor, uint64_t behind)
{
    struct access_log *log = ensure_memory(calloc(1, sizeof(*log)));
    log->ledger = ledger;
    prepare_descriptor(log, descriptor);
    tail_open(ledger, behind ? behind : ACCESS_LOG_BEHIND);
    return log;
}

static bool skip_record(void *context, const struct record *record)
{
    struct access_log *log = context;
    (void)record;
    log->lines++;
    return true;
}

static void tell_skipped(struct access_log *log)
{
    struct ledger_counters counters;
    ledger_read_counters(log->ledger, &counters);
    if (counters.lines_skipped == log->skipped_told || log->failed)
        return;
    note_warning("access log", "%llu lines were skipped because they were not read in time",
                 (unsigned long long)(counters.lines_skipped - log->skipped_told));
    log->skipped_told = counters.lines_skipped;
}

/* What the reader has not taken by now it will not get. */
void access_log_close(struct access_log *log)
{
    (void)tail_read(log->ledger, skip_record, log);
    tail_count_skipped(log->ledger, log->lines);
    tell_skipped(log);
    tail_close(log->ledger);
    if (log->own)
        close(log->descriptor);
    free(log);
}

void access_log_set_brief(struct access_log *log)
{
    log->brief = true;
}

/* "20:26:31  200  /chat/completions  demo  18 in, 37 out  0.2 ms", or why there was no answer.
 * Returns the length, at most BRIEF_MAX. */
static size_t write_brief(const struct record *record, char *out)
{
    char time[CLOCK_RFC3339_SIZE], tokens[BRIEF_TOKENS_SIZE] = "";
    struct text why = text_empty(record->refusal) ? record->error : record->refusal;
    clock_format_rfc3339(record->started_at, time);
    if (record->input_tokens >= 0 && record->output_tokens >= 0)
        (void)snprintf(tokens, sizeof tokens, "  %lld in, %lld out",
                       (long long)record->input_tokens, (long long)record->output_tokens);
    int length =
        snprintf(out, BRIEF_MAX, "%.8s  %lld  %.*s%s%.*s%s%s%.*s  %.1f ms", time + 11,
                 (long long)record->status, TEXT_ARG(text_first(record->endpoint, 64)),
                 text_empty(record->model) ? "" : "  ", TEXT_ARG(text_first(record->model, 64)),
                 tokens, text_empty(why) ? "" : "  ", TEXT_ARG(text_first(why, 64)),
                 (double)record->duration / (double)NANOSECONDS_PER_MILLISECOND);
    ensure(length > 0 && length < (int)BRIEF_MAX);
    for (int i = 0; i < length; i++) { /* a model is what the caller wrote */
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = '?';
    }
    out[length] = '\n';
    return (size_t)length + 1;
}

static bool take_record(void *context, const struct record *record)
{
    struct access_log *log = context;
    if (log->length >= BATCH_SIZE)
        return false;
    char *at = log->batch + log->length;
    log->length += log->brief ? write_brief(record, at)
                              : record_json_write(&log->json, record, RECORD_JSON_KNOWN, at);
    log->lines++;
    return true;
}

static ssize_t write_some(const struct access_log *log, size_t size)
{
    const char *from = log->batch + log->start;
    if (log->socket)
        return send(log->descriptor, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(log->descriptor, from, size);
}

/* The other end is gone (or the disk under a file is full): nobody waits for these lines. */
static void give_up_batch(struct access_log *log, int number)
{
    if (!log->failed)
        note_error("access log", "writing failed: %s; lines are skipped until it works",
                   strerror(number));
    log->failed = true;
    tail_count_skipped(log->ledger, log->lines);
    log->start = log->length;
}

/* Writes the batch; false when the reader did not take all of it until `deadline`. */
static bool flush(struct access_log *log, uint64_t deadline)
{
    while (log->start < log->length) {
        uint64_t now = clock_monotonic();
        uint64_t left = deadline > now ? (deadline - now) / NANOSECONDS_PER_MILLISECOND : 0;
        struct pollfd waiting = {.fd = log->descriptor, .events = POLLOUT};
        int ready = poll(&waiting, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            return false;
        size_t size = log->length - log->start;
        ssize_t written = write_some(log, size < log->chunk ? size : log->chunk);
        if (written >= 0) {
            log->failed = false;
            log->start += (size_t)written;
        } else if (errno != EAGAIN && errno != EINTR) {
            give_up_batch(log, errno);
        }
    }
    if (!log->failed)
        tail_count_written(log->ledger, log->lines);
    log->start = 0;
    log->length = 0;
    log->lines = 0;
    return true;
}

bool access_log_step(struct access_log *log, uint64_t patience)
{
    uint64_t deadline = clock_monotonic() + patience;
    if (!flush(log, deadline))
        return true;
    bool more = tail_read(log->ledger, take_record, log);
    if (!flush(log, deadline))
        return true;
    tell_skipped(log);
    return more;
}
