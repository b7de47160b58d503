/* Streams on their way: whether something holds their events back, and whether a silence is cut.
 * The gateway's echo sends events at stated intervals and says of each when it sent it; only
 * differences between moments of one clock are used, so the two clocks need not agree. */
#include <time.h>

#include "app/doctor_remote.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "codec/json.h"

#define EVENTS       8u /* small ones: 500 bytes are in nobody's buffer twice */
#define INTERVAL_MS  100u
#define EVENTS_QUERY "events=8&interval_ms=100"
/* A machine that stands still for a moment looks like a buffer; not so many times in a row. */
#define MEASUREMENTS 3u
/* Longer than what was asked for: the way, and a gateway with much to do. */
#define GRACE_SECONDS     15L
#define ECHO_IDLE_MAXIMUM 3600 /* the gateway's bound */

struct stream_event {
    uint64_t sent, arrived; /* nanoseconds, each since a moment of its own */
};

struct stream_seen {
    struct stream_event events[EVENTS];
    size_t count;
    bool whole;        /* its end is there */
    bool ended_early;  /* by the gateway, which is to stop */
    uint64_t held;     /* nanoseconds, the longest */
    size_t deliveries; /* in how many pieces the events arrived */
};

/* When the byte at `offset` of the answer was here. */
static uint64_t arrival_of(const struct doctor_call *call, size_t offset)
{
    for (size_t i = 0; i < call->piece_count; i++) {
        if (call->piece_ends[i] > offset)
            return call->piece_times[i];
    }
    return call->total;
}

static void read_event(const struct doctor_call *call, struct text data, size_t end,
                       struct stream_seen *seen)
{
    yyjson_doc *document = NULL;
    uint64_t sent = 0;

    seen->whole = seen->whole || text_equal(data, TEXT("[DONE]"));
    if (json_parse(data, &document) != ERROR_OK)
        return;
    yyjson_val *root = yyjson_doc_get_root(document);
    seen->ended_early = seen->ended_early || yyjson_obj_get(root, "ended_early") != NULL;
    if (json_get_unsigned(root, "sent_us", &sent) == JSON_PRESENT && seen->count < EVENTS)
        seen->events[seen->count++] =
            (struct stream_event){.sent = sent * 1000, .arrived = arrival_of(call, end)};
    yyjson_doc_free(document);
}

static void read_stream(const struct doctor_call *call, struct stream_seen *seen)
{
    struct text all = buffer_text(&call->answer), rest = all;
    int64_t least = INT64_MAX, most = INT64_MIN;

    *seen = (struct stream_seen){0};
    while (!text_empty(rest)) {
        struct text line = text_split(&rest, '\n');
        if (text_ends_with(line, TEXT("\r")))
            line.length--;
        if (text_starts_with(line, TEXT("data: ")))
            read_event(call, text_from_index(line, 6), (size_t)(line.data - all.data) + line.length,
                       seen);
    }
    for (size_t i = 0; i < seen->count; i++) {
        int64_t late = (int64_t)seen->events[i].arrived - (int64_t)seen->events[i].sent;
        least = late < least ? late : least;
        most = late > most ? late : most;
        seen->deliveries += i == 0 || seen->events[i].arrived != seen->events[i - 1].arrived;
    }
    seen->held = seen->count > 0 ? (uint64_t)(most - least) : 0;
}

static bool is_held_back(const struct stream_seen *seen)
{
    uint64_t span = seen->events[seen->count - 1].sent - seen->events[0].sent;

    return seen->held > span / 2;
}

static void tell_broken(struct doctor *doctor)
{
    const struct doctor_call *call = &doctor->call;
    struct text type = doctor_call_field(call, "content-type");

    if (call->status == 200 && call->code == CURLE_OK &&
        !text_starts_with(type, TEXT("text/event-stream")))
        doctor_say(&doctor->report, DOCTOR_FAIL, "stream",
                   "let the body pass as it is: something in between rewrites it",
                   "a streamed answer came as '%.*s'", TEXT_ARG(type));
    else if (call->status != 200 && call->code == CURLE_OK)
        doctor_say(&doctor->report, DOCTOR_FAIL, "stream",
                   "look at what stands in between: calls that are not streamed pass",
                   "a streamed call is answered with %ld", call->status);
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, "stream",
                   "let the body pass as it is, to its end: something in between changes it or "
                   "cuts it off",
                   "a stream of events did not arrive whole%s%s", call->problem[0] ? ": " : "",
                   call->problem);
}

void doctor_check_echo_stream(struct doctor *doctor)
{
    struct stream_seen seen = {0};

    for (unsigned i = 0; i < MEASUREMENTS; i++) {
        doctor->call.compressed = true;
        (void)doctor_ask_echo(doctor, EVENTS_QUERY, TEXT("{}"), GRACE_SECONDS);
        doctor->call.compressed = false;
        read_stream(&doctor->call, &seen);
        if (!seen.whole || seen.count < EVENTS) {
            tell_broken(doctor);
            return;
        }
        if (!is_held_back(&seen)) {
            doctor_say(&doctor->report, DOCTOR_PASS, "stream", NULL,
                       "events arrive as they are sent: %u ms apart, none more than %llu ms late",
                       INTERVAL_MS, (unsigned long long)(seen.held / NANOSECONDS_PER_MILLISECOND));
            return;
        }
    }
    doctor_say(&doctor->report, DOCTOR_WARN, "stream",
               "turn buffering off in between (nginx: proxy_buffering off; others: no response "
               "buffering, no scanning of answers, no compression of text/event-stream)",
               "something holds streams back: %u events were sent %u ms apart and came in %zu %s, "
               "up to %llu ms late",
               EVENTS, INTERVAL_MS, seen.deliveries, seen.deliveries == 1 ? "piece" : "pieces",
               (unsigned long long)(seen.held / NANOSECONDS_PER_MILLISECOND));
}

/* ------------------------------------------------------------------ silence */

/* Within an answer, as while a model thinks. */
static void check_silent_stream(struct doctor *doctor)
{
    struct stream_seen seen;
    struct doctor_call *call = &doctor->call;
    struct text query =
        arena_format(&doctor->arena, "events=2&interval_ms=%lld", (long long)doctor->idle * 1000);
    bool good = doctor_ask_echo(doctor, ensure_memory((void *)(uintptr_t)query.data), TEXT("{}"),
                                (long)doctor->idle + GRACE_SECONDS);

    read_stream(call, &seen);
    if (good && seen.whole && !seen.ended_early)
        doctor_say(&doctor->report, DOCTOR_PASS, "idle", NULL,
                   "a stream that was silent for %lld s went on", (long long)doctor->idle);
    else if (seen.ended_early)
        doctor_say(&doctor->report, DOCTOR_WARN, "idle", "run this again",
                   "the gateway was stopped meanwhile");
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, "idle",
                   "raise the time-out for answers in between over the pauses of your models "
                   "(nginx: proxy_read_timeout 1h; HAProxy: timeout server 1h; a cloud's balancer: "
                   "its idle time-out)",
                   "a stream that was to be silent for %lld s was cut after %llu.%llu s%s%s",
                   (long long)doctor->idle,
                   (unsigned long long)(call->total / NANOSECONDS_PER_SECOND),
                   (unsigned long long)(call->total / (NANOSECONDS_PER_SECOND / 10) % 10),
                   call->problem[0] ? ": " : "", call->problem);
}

static void sleep_seconds(int64_t seconds)
{
    struct timespec wait = {.tv_sec = seconds};

    while (nanosleep(&wait, &wait) != 0) {
    }
}

/* A connection that is kept and silent between two calls, and, at the same time on another one, a
 * stream that is silent. */
void doctor_check_idle(struct doctor *doctor, bool echoes)
{
    struct doctor_call stream = doctor->call;

    doctor_call_open(&doctor->call);
    bool kept = doctor_ask(doctor, "GET", "/healthz", TEXT(""), false);
    struct doctor_call keeper = doctor->call;
    doctor->call = stream;
    if (echoes && doctor->idle <= ECHO_IDLE_MAXIMUM)
        check_silent_stream(doctor);
    else
        sleep_seconds(doctor->idle);
    stream = doctor->call;
    doctor->call = keeper;
    bool good = kept && doctor_ask(doctor, "GET", "/healthz", TEXT(""), false);
    if (good && doctor->call.new_connections == 0)
        doctor_say(&doctor->report, DOCTOR_PASS, "idle", NULL,
                   "a connection was good after %lld s of silence", (long long)doctor->idle);
    else if (kept)
        doctor_say(&doctor->report, DOCTOR_WARN, "idle",
                   "raise the idle time-out in between (NAT, balancer) over the pauses between "
                   "calls, or have the application's TCP keep-alive below it. The gateway itself "
                   "ends idle connections after timeouts.keep_alive",
                   "a connection that was silent for %lld s between two calls was cut",
                   (long long)doctor->idle);
    doctor_call_close(&doctor->call);
    doctor->call = stream;
}
