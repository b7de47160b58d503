/* endpoint: an owner of a connection that writes down what it is told, and helpers to run a real
 * loop until something holds. For the tests of net/. */
#ifndef TESTS_NET_ENDPOINT_H
#define TESTS_NET_ENDPOINT_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "net/connection.h"
#include "net/listener.h"

#define MILLISECOND NANOSECONDS_PER_MILLISECOND
#define SECOND      NANOSECONDS_PER_SECOND
#define PATIENCE    (10 * SECOND) /* after which a test gives up: far longer than anything takes */

struct endpoint {
    struct loop *loop;
    struct connection *connection;
    struct buffer received;
    char order[64]; /* o d e r f: open, data, end, drained, failed; repeats of d are one */
    unsigned opens, ends, drains, failures;
    enum error error;
    char detail[256];
    void (*then)(struct endpoint *endpoint); /* after data */
    void *more;
};

static void endpoint_mark(struct endpoint *endpoint, char what)
{
    size_t length = strlen(endpoint->order);
    if (what == 'd' && length && endpoint->order[length - 1] == 'd')
        return;
    if (length + 1 < sizeof(endpoint->order))
        endpoint->order[length] = what;
}

static void endpoint_opened(void *owner)
{
    struct endpoint *endpoint = owner;
    endpoint->opens++;
    endpoint_mark(endpoint, 'o');
}

static void endpoint_data(void *owner, struct text bytes)
{
    struct endpoint *endpoint = owner;
    assert_true(buffer_append(&endpoint->received, bytes));
    endpoint_mark(endpoint, 'd');
    if (endpoint->then)
        endpoint->then(endpoint);
}

static void endpoint_ended(void *owner)
{
    struct endpoint *endpoint = owner;
    endpoint->ends++;
    endpoint_mark(endpoint, 'e');
}

static void endpoint_drained(void *owner)
{
    struct endpoint *endpoint = owner;
    endpoint->drains++;
    endpoint_mark(endpoint, 'r');
}

static void endpoint_failed(void *owner, enum error error)
{
    struct endpoint *endpoint = owner;
    endpoint->failures++;
    endpoint->error = error;
    endpoint_mark(endpoint, 'f');
    struct text detail = connection_failure_detail(endpoint->connection);
    text_copy_to(detail, endpoint->detail, sizeof(endpoint->detail));
    endpoint->connection = NULL;
}

static const struct connection_events endpoint_events = {
    .on_open = endpoint_opened,
    .on_data = endpoint_data,
    .on_end = endpoint_ended,
    .on_drained = endpoint_drained,
    .on_failed = endpoint_failed,
};

static void endpoint_open(struct endpoint *endpoint, struct loop *loop, int descriptor,
                          struct tls_context *tls, bool is_server, const char *server_name)
{
    *endpoint = (struct endpoint){.loop = loop};
    buffer_open(&endpoint->received, 64u * 1024u * 1024u);
    endpoint->connection = connection_create(loop, descriptor, tls, is_server, server_name,
                                             &endpoint_events, endpoint);
    assert_non_null(endpoint->connection);
}

static inline void endpoint_plain(struct endpoint *endpoint, struct loop *loop, int descriptor)
{
    endpoint_open(endpoint, loop, descriptor, NULL, false, NULL);
}

static inline void endpoint_close(struct endpoint *endpoint)
{
    if (endpoint->connection)
        connection_close(endpoint->connection);
    endpoint->connection = NULL;
    buffer_close(&endpoint->received);
}

static inline bool endpoint_write(struct endpoint *endpoint, const char *string)
{
    struct text part = text_from(string);
    return connection_write(endpoint->connection, &part, 1);
}

static inline void expect_received(struct endpoint *endpoint, const char *expected)
{
    assert_int_equal(endpoint->received.length, strlen(expected));
    assert_memory_equal(endpoint->received.data, expected, strlen(expected));
}

/* ---- running ---- */

struct until {
    struct loop *loop;
    bool (*holds)(void *owner);
    void *owner;
    struct loop_timer timer;
    uint64_t deadline;
    bool held;
};

static void until_look(void *owner)
{
    struct until *until = owner;
    until->held = until->holds(until->owner);
    if (until->held || loop_now(until->loop) > until->deadline)
        loop_stop(until->loop);
    else
        loop_timer_set(until->loop, &until->timer, MILLISECOND);
}

/* Runs a real loop until the condition holds; fails the test when it takes too long. */
static inline void run_until(struct loop *loop, bool (*holds)(void *owner), void *owner)
{
    struct until until = {
        .loop = loop, .holds = holds, .owner = owner, .deadline = clock_monotonic() + PATIENCE};
    loop_timer_open(&until.timer, until_look, &until);
    loop_timer_set(loop, &until.timer, 0);
    loop_run(loop);
    loop_timer_clear(loop, &until.timer);
    assert_true(until.held);
}

static inline void run_stop(void *owner)
{
    loop_stop(owner);
}

static inline void run_for(struct loop *loop, uint64_t nanoseconds)
{
    struct loop_timer timer;
    loop_timer_open(&timer, run_stop, loop);
    loop_timer_set(loop, &timer, nanoseconds);
    loop_run(loop);
}

static inline bool has_ended(void *owner)
{
    return ((struct endpoint *)owner)->ends > 0;
}

static inline bool has_failed(void *owner)
{
    return ((struct endpoint *)owner)->failures > 0;
}

static inline bool has_opened(void *owner)
{
    return ((struct endpoint *)owner)->opens > 0;
}

static inline bool has_data(void *owner)
{
    return ((struct endpoint *)owner)->received.length > 0;
}

/* ---- sockets ---- */

static inline void make_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
}

static inline int listen_on_loopback(void)
{
    struct address address;
    int listening;
    assert_int_equal(address_parse(TEXT("127.0.0.1:0"), &address), ERROR_OK);
    assert_int_equal(listener_bind(&address, false, 16, &listening), ERROR_OK);
    return listening;
}

/* A connected pair over TCP: [0] connected to `listening`, [1] was accepted. */
static inline void make_tcp_pair_at(int listening, int pair[2])
{
    struct address address = {.length = sizeof(struct sockaddr_un)};
    assert_int_equal(getsockname(listening, &address.any, &address.length), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(pair[0], &address.any, address.length), 0);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    pair[1] = -1;
    while (pair[1] < 0)
        pair[1] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static inline void make_tcp_pair(int pair[2])
{
    int listening = listen_on_loopback();
    make_tcp_pair_at(listening, pair);
    close(listening);
}

/* Bytes in which a lost, doubled or moved byte shows. */
static inline char pattern_at(size_t index)
{
    return (char)(index * 31 + (index >> 8) * 7 + (index >> 16));
}

static inline char *make_pattern(size_t size)
{
    char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern_at(i);
    return bytes;
}

static inline void expect_pattern(const struct buffer *buffer, size_t size)
{
    assert_int_equal(buffer->length, size);
    for (size_t i = 0; i < size; i++)
        if (buffer->data[i] != pattern_at(i))
            fail_msg("byte %zu is wrong", i);
}

#endif
