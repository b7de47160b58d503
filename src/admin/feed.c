/* A watcher:   made (feed_watch) -> open (on_open: its head is out) -> gone
 *
 * Invariant: `history` and the timer live as long as there is an open watcher. An event's id is
 * when its call finished, in nanoseconds: who comes back with it is shown again what finished since
 * a moment before, because the order among workers is not that of time. */
#include "admin/feed.h"

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "base/number.h"
#include "ledger/record_json.h"

/* What may finish after a call that another worker's journal already has: shown again. */
#define OVERLAP NANOSECONDS_PER_SECOND
/* Calls that take longer are not shown again to who was away. */
#define REPLAY_LENGTH (600 * NANOSECONDS_PER_SECOND)
#define EVENT_MAX     (RECORD_JSON_MAX + 128u)

/* Calls that were not sent, by what became of them. */
struct unsent {
    uint64_t calls, by_outcome[RECORD_OUTCOME_COUNT];
    bool too_slow; /* because the watcher did not read */
};

struct feed_watcher {
    struct feed *feed;
    struct stream *stream; /* NULL: not open yet */
    struct history_filter filter;
    char key[FEED_TEXT_MAX], team[FEED_TEXT_MAX], model[FEED_TEXT_MAX]; /* of the filter */
    uint64_t last;  /* where to go on; 0: from now on */
    uint64_t until; /* loop_now: when it ends */
    uint64_t heard; /* loop_now: when something was last sent */
    size_t sent;    /* in this look */
    struct unsent unsent;
    bool broken; /* a write failed: the stream is gone */
    struct feed_watcher *next;
};

struct feed {
    struct loop *loop;
    const char *data;
    struct feed_watcher *watchers;
    size_t count;            /* open, and those about to be */
    struct history *history; /* NULL: nobody watches, or it cannot be read now */
    struct loop_timer timer;
    struct record_json format;
    char event[EVENT_MAX];
};

static void look(void *owner);

struct feed *feed_create(struct loop *loop, const char *data)
{
    struct feed *feed = calloc(1, sizeof(*feed));

    if (!feed)
        return NULL;
    feed->loop = loop;
    feed->data = data;
    loop_timer_open(&feed->timer, look, feed);
    return feed;
}

void feed_destroy(struct feed *feed)
{
    if (!feed)
        return;
    ensure(feed->count == 0);
    free(feed);
}

/* ---- watchers ---- */

static struct text keep(struct text text, char place[FEED_TEXT_MAX])
{
    (void)text_copy_to(text, place, FEED_TEXT_MAX); /* whoever asks has looked whether it fits */
    return text_from(place);
}

struct feed_watcher *feed_watch(struct feed *feed, const struct history_filter *filter,
                                uint64_t last)
{
    struct feed_watcher *watcher =
        feed->count < FEED_WATCHERS_MAX ? calloc(1, sizeof(*watcher)) : NULL;

    if (!watcher)
        return NULL;
    watcher->feed = feed;
    watcher->filter = *filter;
    watcher->filter.key = keep(filter->key, watcher->key);
    watcher->filter.team = keep(filter->team, watcher->team);
    watcher->filter.model = keep(filter->model, watcher->model);
    watcher->last = last;
    feed->count++;
    return watcher;
}

/* The last one turns the light off. */
static void forget(struct feed_watcher *watcher)
{
    struct feed *feed = watcher->feed;
    struct feed_watcher **at = &feed->watchers;

    while (*at && *at != watcher)
        at = &(*at)->next;
    if (*at)
        *at = watcher->next;
    free(watcher);
    if (--feed->count > 0)
        return;
    loop_timer_clear(feed->loop, &feed->timer);
    if (feed->history)
        history_close(feed->history);
    feed->history = NULL;
}

static void send(struct feed_watcher *watcher, struct text event)
{
    watcher->heard = loop_now(watcher->feed->loop);
    if (!watcher->broken)
        watcher->broken = !stream_send(watcher->stream, event);
}

/* ---- events ---- */

/* The line of JSON ends the event's data with its own newline. */
static void send_call(struct feed_watcher *watcher, const struct record *record)
{
    struct feed *feed = watcher->feed;
    int head = snprintf(feed->event, sizeof(feed->event),
                        "id: %llu\nevent: call\ndata: ", (unsigned long long)record->finished_at);
    size_t length = (size_t)head;

    length += record_json_write(&feed->format, record, RECORD_JSON_ALL, feed->event + length);
    feed->event[length++] = '\n';
    send(watcher, text_of(feed->event, length));
}

static void count_unsent(struct feed_watcher *watcher, const struct record *record)
{
    uint64_t calls = record->calls < 0 ? 1 : (uint64_t)record->calls;

    watcher->unsent.calls += calls;
    watcher->unsent.by_outcome[record->outcome] += calls;
}

static void send_unsent(struct feed_watcher *watcher)
{
    struct unsent *unsent = &watcher->unsent;
    char event[512];
    int length = snprintf(event, sizeof(event), "event: unsent\ndata: {\"calls\":%llu",
                          (unsigned long long)unsent->calls);

    for (unsigned i = RECORD_OUTCOME_SERVED; i < RECORD_OUTCOME_COUNT; i++)
        length += snprintf(event + length, sizeof(event) - (size_t)length, ",\"%.*s\":%llu",
                           TEXT_ARG(record_outcome_name((enum record_outcome)i)),
                           (unsigned long long)unsent->by_outcome[i]);
    length += snprintf(event + length, sizeof(event) - (size_t)length, ",\"too_slow\":%s}\n\n",
                       unsent->too_slow ? "true" : "false");
    *unsent = (struct unsent){0};
    send(watcher, text_of(event, (size_t)length));
}

static bool show(void *context, const struct record *record)
{
    struct feed *feed = context;

    for (struct feed_watcher *watcher = feed->watchers; watcher; watcher = watcher->next) {
        if (!history_wants(&watcher->filter, record))
            continue;
        bool slow = !watcher->broken && stream_is_congested(watcher->stream);
        watcher->unsent.too_slow = watcher->unsent.too_slow || slow;
        if (slow || watcher->broken || watcher->sent == FEED_EVENTS_PER_LOOK) {
            count_unsent(watcher, record);
            continue;
        }
        watcher->sent++;
        send_call(watcher, record);
    }
    return true;
}

/* ---- looking ---- */

static bool pass_over(void *context, const struct record *record)
{
    return false;
}

/* From now on. What is there already is passed over. */
static void open_history(struct feed *feed)
{
    const struct history_filter everything = {.limit = 1};
    char problem[HISTORY_PROBLEM_SIZE];
    enum error error = history_open(feed->data, &everything, &feed->history, problem);

    if (error == ERROR_OK)
        error = history_read(feed->history, pass_over, NULL, problem);
    else
        feed->history = NULL;
    if (error != ERROR_OK)
        note_warning("admin", "live calls: %s", problem);
}

/* What a look leaves to be said to one watcher; it may be over for him. */
static void finish_look(struct feed_watcher *watcher, uint64_t now)
{
    if (!watcher->broken && watcher->unsent.calls > 0 && !stream_is_congested(watcher->stream))
        send_unsent(watcher);
    if (now - watcher->heard >= FEED_HEARTBEAT && !watcher->broken &&
        !stream_is_congested(watcher->stream))
        send(watcher, TEXT(": still here\n\n"));
    if (!watcher->broken && now >= watcher->until) {
        stream_end(watcher->stream);
        watcher->broken = true;
    }
    watcher->sent = 0;
    if (watcher->broken)
        forget(watcher);
}

static void look(void *owner)
{
    struct feed *feed = owner;
    uint64_t now = loop_now(feed->loop);

    if (feed->history)
        history_follow(feed->history, show, feed);
    else
        open_history(feed);
    for (struct feed_watcher *watcher = feed->watchers, *next; watcher; watcher = next) {
        next = watcher->next;
        finish_look(watcher, now);
    }
    if (feed->count > 0)
        loop_timer_set(feed->loop, &feed->timer, FEED_LOOK_INTERVAL);
}

/* ---- who was away for a moment ---- */

struct replay {
    struct feed_watcher *watcher;
    size_t shown;
};

static bool show_again(void *context, const struct record *record)
{
    struct replay *replay = context;

    if (record->finished_at + OVERLAP <= replay->watcher->last)
        return true;
    replay->shown++;
    send_call(replay->watcher, record);
    return !replay->watcher->broken;
}

/* The latest of them; whether there were more is said, not how many. */
static void replay(struct feed_watcher *watcher)
{
    struct history_filter filter = watcher->filter;
    struct replay replay = {watcher, 0};
    struct history *history;
    char problem[HISTORY_PROBLEM_SIZE];

    filter.since = watcher->last > REPLAY_LENGTH ? watcher->last - REPLAY_LENGTH : 0;
    filter.limit = FEED_REPLAY_MAX;
    enum error error = history_open(watcher->feed->data, &filter, &history, problem);
    if (error == ERROR_OK) {
        error = history_read(history, show_again, &replay, problem);
        history_close(history);
    }
    if (error != ERROR_OK)
        note_warning("admin", "live calls: %s", problem);
    if (!watcher->broken && (error != ERROR_OK || replay.shown == FEED_REPLAY_MAX))
        send(watcher, TEXT("event: missed\ndata: {}\n\n"));
}

/* ---- the stream ---- */

static void on_open(void *owner, struct stream *stream)
{
    struct feed_watcher *watcher = owner;
    struct feed *feed = watcher->feed;

    /* `x-accel-buffering`: nginx would gather events (its proxy_buffering). */
    if (!stream_begin(stream, 200, TEXT("text/event-stream"), TEXT("x-accel-buffering: no\r\n"),
                      TEXT("retry: 2000\n\n"))) {
        forget(watcher);
        return;
    }
    watcher->stream = stream;
    watcher->heard = loop_now(feed->loop);
    watcher->until = watcher->heard + FEED_LIFE;
    if (feed->history)
        history_follow(feed->history, show, feed);
    else
        open_history(feed);
    if (watcher->last > 0)
        replay(watcher);
    watcher->next = feed->watchers;
    feed->watchers = watcher;
    if (feed->timer.due == 0)
        loop_timer_set(feed->loop, &feed->timer, FEED_LOOK_INTERVAL);
}

/* The next look says what was not sent. */
static void on_drained(void *owner)
{
}

static void on_gone(void *owner)
{
    forget(owner);
}

const struct stream_events feed_stream_events = {on_open, on_drained, on_gone};
