/* road: the whole exchange in one process, on one loop, with a clock turned by hand: a caller's
 * socket and providers' sockets that the test itself reads and writes, a real journal in memory,
 * one key. Every write to the caller notes how many records the journal held at that moment. */
#ifndef TESTS_REPLAY_ROAD_H
#define TESTS_REPLAY_ROAD_H

#include "../unit/http/wire.h"

#include <fcntl.h>

#include "base/ensure.h"
#include "config/load.h"
#include "control/price_list.h"
#include "exchange/routing.h"
#include "identity/key_memory.h"
#include "identity/reader.h"
#include "ledger/journal_supply.h"

#define UPS_MAXIMUM     8u
#define RECORDS_MAXIMUM 32u
#define WALL            1800000000000000000u

struct road {
    struct worker worker;
    struct worker_door door;
    struct config *config;
    struct price_book *book;
    struct route_table *routes;
    struct upstream_trust trust[4];
    struct metrics *metrics;
    struct journal journal;
    struct segment segment;
    struct secret *key;
    char folder[32];
    char authorization[128];
    struct wire caller;
    int caller_side;              /* the gateway's descriptor of the caller's connection */
    struct wire ups[UPS_MAXIMUM]; /* providers' ends, in the order of dialling */
    size_t up_count;
    unsigned refuse_dials; /* so many of the next fail */
    size_t records_at_last_send;
    unsigned blocked; /* reservations taken to leave no room */
    struct record records[RECORDS_MAXIMUM];
    size_t record_count;
    size_t begin_count;
    size_t object_count;
    struct object objects[RECORDS_MAXIMUM];
};

/* Set while a road is open, for the hook on the kernel's calls. */
static struct road *road_open_now;

static inline void road_read_journal(struct road *road)
{
    size_t position = SEGMENT_START;
    uint64_t damaged = 0;
    struct entry entry;
    road->record_count = road->begin_count = road->object_count = 0;
    while (segment_next(&road->segment, &position, (size_t)segment_committed(&road->segment),
                        &entry, &damaged)) {
        if (entry.kind == ENTRY_BEGIN)
            road->begin_count++;
        if (entry.kind == ENTRY_END)
            assert_int_equal(
                record_decode(&road->records[road->record_count++], entry.payload, entry.length),
                ERROR_OK);
        if (entry.kind == ENTRY_OBJECT)
            assert_int_equal(
                object_decode(&road->objects[road->object_count++], entry.payload, entry.length),
                ERROR_OK);
    }
    assert_int_equal(damaged, 0);
}

/* The linker puts these in the place of the kernel's calls (tests/replay/meson.build). */
ssize_t __real_send(int descriptor, const void *bytes, size_t length, int flags);
ssize_t __real_sendmsg(int descriptor, const struct msghdr *message, int flags);
ssize_t __wrap_send(int descriptor, const void *bytes, size_t length, int flags);
ssize_t __wrap_sendmsg(int descriptor, const struct msghdr *message, int flags);

static inline void road_look_at_send(int descriptor)
{
    if (!road_open_now || descriptor != road_open_now->caller_side)
        return;
    road_read_journal(road_open_now);
    road_open_now->records_at_last_send = road_open_now->record_count;
}

ssize_t __wrap_send(int descriptor, const void *bytes, size_t length, int flags)
{
    road_look_at_send(descriptor);
    return __real_send(descriptor, bytes, length, flags);
}

ssize_t __wrap_sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    road_look_at_send(descriptor);
    return __real_sendmsg(descriptor, message, flags);
}

/* ---- what the worker asks of others ---- */

static inline int road_dial(void *owner)
{
    struct road *road = owner;
    int ends[2];
    if (road->refuse_dials > 0) {
        road->refuse_dials--;
        return -1;
    }
    assert_true(road->up_count < UPS_MAXIMUM);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    wire_open(&road->ups[road->up_count++], ends[0]);
    return ends[1];
}

struct road_search {
    struct road *road;
    char id[64];
    void (*done)(void *ticket, enum error error, const struct object *object);
    void *ticket;
};

static inline void road_deliver(void *owner)
{
    struct road_search *search = owner;
    const struct object *found = NULL;
    road_read_journal(search->road);
    for (size_t i = 0; i < search->road->object_count; i++) {
        if (text_equal(search->road->objects[i].id, text_from(search->id)))
            found = &search->road->objects[i];
    }
    search->done(search->ticket, found ? ERROR_OK : ERROR_NOT_FOUND, found);
    free(search);
}

static inline void road_find_object(void *owner, struct loop *loop, struct text id,
                                    void (*done)(void *ticket, enum error error,
                                                 const struct object *object),
                                    void *ticket)
{
    struct road_search *search = calloc(1, sizeof(*search));
    search->road = owner;
    search->done = done;
    search->ticket = ticket;
    text_copy_to(id, search->id, sizeof(search->id));
    loop_post(loop, road_deliver, search);
}

static inline bool road_is_ready(void *owner, struct text *why_not)
{
    (void)owner, (void)why_not;
    return true;
}

static inline bool road_write_metrics(void *owner, struct buffer *out)
{
    (void)owner;
    return buffer_append(out, TEXT("figures\n"));
}

/* ---- opening and closing ---- */

static inline void road_connect(struct road *road)
{
    struct address peer = {.local.sun_family = AF_UNIX, .length = sizeof(sa_family_t)};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    wire_close(&road->caller);
    wire_open(&road->caller, ends[1]);
    road->caller_side = ends[0];
    http_server_adopt(road->door.server, ends[0], &peer);
}

static inline void road_load(struct road *road, const char *yaml)
{
    struct config_problems problems;
    config_problems_open(&problems);
    if (config_load_text(TEXT("replay"), text_from(yaml), &road->config, &problems) != ERROR_OK)
        fail_msg("%.*s", TEXT_ARG(problems.items[0].message));
    config_problems_close(&problems);
}

static inline void road_open_journal(struct road *road)
{
    memcpy(road->folder, "/tmp/replay-XXXXXX", sizeof("/tmp/replay-XXXXXX"));
    assert_non_null(mkdtemp(road->folder));
    int directory = open(road->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[SEGMENT_NAME_SIZE];
    assert_int_equal(segment_create(&road->segment, directory, 0, 1, 1u << 20), ERROR_OK);
    segment_name(0, 1, name);
    unlinkat(directory, name, 0);
    close(directory);
    rmdir(road->folder);
    journal_open(&road->journal, 0, &road->segment);
}

static inline void road_make_key(struct road *road)
{
    const struct text models[] = {TEXT("fast"), TEXT("one"), TEXT("gone")};
    struct text id;
    struct key key = {
        .name = TEXT("tester"),
        .team = TEXT("team"),
        .models = {.listed = true, .allowed = models, .allowed_count = ARRAY_LENGTH(models)}};
    road->worker.keys = key_table_create();
    assert_int_equal(key_make(TEXT("0123456789ab"), &road->key), ERROR_OK);
    assert_int_equal(key_parse(secret_expose(road->key), &id), KEY_SYNTAX_OK);
    key.id = id;
    key_compute_hash(secret_expose(road->key), &key.hash);
    key_table_begin(road->worker.keys);
    assert_int_equal(key_table_put(road->worker.keys, &key), ERROR_OK);
    key_table_end(road->worker.keys);
    snprintf(road->authorization, sizeof(road->authorization), "authorization: Bearer %.*s\r\n",
             TEXT_ARG(secret_expose(road->key)));
}

static inline struct price_book *make_book(const struct config *config)
{
    struct price_book *book = NULL;
    char problem[PRICE_LIST_PROBLEM_SIZE];
    if (price_list_make(config, &book, problem) != ERROR_OK)
        fail_msg("%s", problem);
    return book;
}

static inline void road_open(struct road *road, const char *yaml)
{
    const struct http_server_limits limits = {
        .http1 = http1_limits_default,
        .connections = 16,
        .head_timeout = 10 * SECOND,
        .body_timeout = 20 * SECOND,
        .idle_timeout = 75 * SECOND,
        .write_timeout = 60 * SECOND,
    };
    struct worker *worker = &road->worker;
    *road = (struct road){.caller.descriptor = -1, .caller_side = -1};
    worker->loop = loop_create_virtual(WALL);
    road_load(road, yaml);
    road_open_journal(road);
    road_make_key(road);
    road->metrics = metrics_create(1);
    road->book = make_book(road->config);
    road->routes = routing_create(road->config, NULL);
    assert_non_null(road->routes);
    worker->policy = policy_create(NULL, NULL);
    assert_non_null(worker->policy);
    worker->key_memory = key_memory_create();
    assert_non_null(worker->key_memory);
    worker->journal = &road->journal;
    worker->metrics = metrics_worker(road->metrics, 0);
    worker->services = (struct worker_services){.find_object = road_find_object,
                                                .is_ready = road_is_ready,
                                                .write_metrics = road_write_metrics,
                                                .owner = road};
    arena_pool_open(&worker->arena_pool, 16);
    buffer_open(&worker->scratch, WORKER_SCRATCH_MAXIMUM);
    assert_non_null(buffer_reserve(&worker->scratch, WORKER_SCRATCH_MAXIMUM));
    buffer_open(&worker->lines, 131072);
    worker->upstreams = upstreams_create(worker->loop, NULL, road->config, road->book, road->routes,
                                         road->trust, road_dial, road);
    assert_non_null(worker->upstreams);
    road->door =
        (struct worker_door){.worker = worker, .name = TEXT("main"), .proofs = 1u << PRINCIPAL_KEY};
    assert_int_equal(http_server_create(worker->loop, -1, NULL, &limits, &exchange_server_events,
                                        &road->door, &road->door.server),
                     ERROR_OK);
    road_connect(road);
    road_open_now = road;
}

static inline void road_close(struct road *road)
{
    struct worker *worker = &road->worker;
    road_open_now = NULL;
    http_server_destroy(road->door.server);
    run_turns(worker->loop);
    assert_null(worker->exchanges);
    assert_int_equal(worker->exchange_count, 0);
    upstreams_release(worker->upstreams);
    run_turns(worker->loop);
    wire_close(&road->caller);
    for (size_t i = 0; i < road->up_count; i++)
        wire_close(&road->ups[i]);
    loop_destroy(worker->loop);
    price_book_release(road->book);
    route_table_release(road->routes);
    policy_destroy(worker->policy);
    key_memory_destroy(worker->key_memory);
    config_release(road->config);
    key_table_destroy(worker->keys);
    secret_free(road->key);
    metrics_destroy(road->metrics);
    segment_close(&road->segment);
    arena_pool_close(&worker->arena_pool);
    buffer_close(&worker->scratch);
    buffer_close(&worker->lines);
}

/* ---- the script's words ---- */

static inline void road_turn(struct road *road)
{
    run_turns(road->worker.loop);
}

static inline void road_wait(struct road *road, uint64_t time)
{
    loop_advance(road->worker.loop, time);
}

/* A request of the caller who has the key. */
static inline void ask_with(struct road *road, const char *method, const char *path,
                            const char *headers, const char *body)
{
    struct buffer out;
    buffer_open(&out, 1u << 20);
    buffer_append_format(&out, "%s %s HTTP/1.1\r\nhost: gate\r\n%s%s", method, path,
                         road->authorization, headers);
    if (*body)
        buffer_append_format(&out, "content-length: %zu\r\n\r\n%s", strlen(body), body);
    else
        buffer_append(&out, TEXT("\r\n"));
    wire_send(&road->caller, buffer_text(&out));
    buffer_close(&out);
    road_turn(road);
}

static inline void ask(struct road *road, const char *path, const char *body)
{
    ask_with(road, *body ? "POST" : "GET", path, "", body);
}

static inline void up_says(struct road *road, size_t up, const char *bytes)
{
    assert_true(up < road->up_count);
    wire_say(&road->ups[up], road->worker.loop, bytes);
}

static inline void up_answers(struct road *road, size_t up, const char *type, const char *body)
{
    char head[256];
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n", type,
             strlen(body));
    wire_send(&road->ups[up], text_from(head));
    up_says(road, up, body);
}

static inline void up_begins_stream(struct road *road, size_t up)
{
    up_says(
        road, up,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
}

static inline void up_streams(struct road *road, size_t up, const char *frames)
{
    char line[24];
    snprintf(line, sizeof(line), "%zx\r\n", strlen(frames));
    wire_send(&road->ups[up], text_from(line));
    wire_send(&road->ups[up], text_from(frames));
    up_says(road, up, "\r\n");
}

static inline void expect_asked(struct road *road, size_t up, const char *part)
{
    assert_true(up < road->up_count);
    wire_drain(&road->ups[up], road->worker.loop);
    if (!wire_contains(&road->ups[up], part))
        fail_msg("the provider was not told %s but %.*s", part,
                 TEXT_ARG(buffer_text(&road->ups[up].received)));
}

static inline void expect_told(struct road *road, const char *part)
{
    wire_drain(&road->caller, road->worker.loop);
    if (!wire_contains(&road->caller, part))
        fail_msg("the caller was not told %s but %.*s", part,
                 TEXT_ARG(buffer_text(&road->caller.received)));
}

static inline void expect_not_told(struct road *road, const char *part)
{
    wire_drain(&road->caller, road->worker.loop);
    if (wire_contains(&road->caller, part))
        fail_msg("the caller was told %s", part);
}

/* The `nth` call, from 1, is over: as many records, nothing held any more, nothing left of it, and
 * the record stood in the journal when the last byte went to the caller. */
static inline const struct record *expect_record(struct road *road, size_t nth,
                                                 enum record_outcome outcome, unsigned status)
{
    road_turn(road);
    road_read_journal(road);
    assert_int_equal(road->record_count, nth);
    assert_int_equal(atomic_load(&road->journal.reserved), 0);
    assert_int_equal(road->worker.exchange_count, 0);
    const struct record *record = &road->records[nth - 1];
    assert_string_equal(record_outcome_name(record->outcome).data,
                        record_outcome_name(outcome).data);
    assert_int_equal(record->status, status ? (int64_t)status : RECORD_UNKNOWN);
    assert_true(record->started_at >= WALL);
    assert_int_equal(record->finished_at, record->started_at + (uint64_t)record->duration);
    assert_true(text_equal(record->listener, TEXT("main")));
    bool cut =
        outcome == RECORD_OUTCOME_FAILED && road->caller.ended; /* its last byte never went */
    if (outcome != RECORD_OUTCOME_CANCELLED && !cut)
        assert_int_equal(road->records_at_last_send, nth);
    return record;
}

static inline void expect_text(struct text found, const char *expected)
{
    if (!text_equal(found, text_from(expected)))
        fail_msg("%.*s is not %s", TEXT_ARG(found), expected);
}

#endif
