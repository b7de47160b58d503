/* Plain connections over socket pairs (virtual clock) and TCP loopback (real loop). TLS:
 * test_tls.c. */
#include "endpoint.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

/* ---- a pair of endpoints on a virtual loop ---- */

struct pair {
    struct loop *loop;
    struct endpoint a;
    struct endpoint b;
};

static void pair_open(struct pair *pair)
{
    int descriptors[2];
    make_pair(descriptors);
    pair->loop = loop_create_virtual(0);
    endpoint_plain(&pair->a, pair->loop, descriptors[0]);
    endpoint_plain(&pair->b, pair->loop, descriptors[1]);
}

static void pair_close(struct pair *pair)
{
    endpoint_close(&pair->a);
    endpoint_close(&pair->b);
    loop_destroy(pair->loop);
}

static void test_bytes_arrive(void **state)
{
    struct pair pair;
    pair_open(&pair);
    struct text parts[] = {TEXT("one "), TEXT(""), TEXT("two "), TEXT("three")};
    assert_true(connection_write(pair.a.connection, parts, ARRAY_LENGTH(parts)));
    assert_int_equal(connection_queued(pair.a.connection), 0);
    loop_advance(pair.loop, 1);
    expect_received(&pair.b, "one two three");
    assert_int_equal(connection_bytes_sent(pair.a.connection), 13);
    assert_int_equal(connection_bytes_received(pair.b.connection), 13);
    assert_int_equal(pair.b.opens, 0); /* plain: open from the start, not told */
    assert_true(address_is_loopback(connection_peer(pair.a.connection)));
    assert_false(connection_tls_resumed(pair.a.connection));
    pair_close(&pair);
}

static void test_many_parts(void **state)
{
    struct pair pair;
    pair_open(&pair);
    struct text parts[100];
    char expected[201];
    for (size_t i = 0; i < 100; i++) {
        parts[i] = i % 2 ? TEXT("ab") : TEXT("xy");
        memcpy(expected + 2 * i, parts[i].data, 2);
    }
    expected[200] = '\0';
    assert_true(connection_write(pair.a.connection, parts, ARRAY_LENGTH(parts)));
    loop_advance(pair.loop, 1);
    expect_received(&pair.b, expected);
    assert_true(connection_write(pair.a.connection, NULL, 0));
    pair_close(&pair);
}

/* ---- back-pressure ---- */

static void test_marks(void **state)
{
    struct pair pair;
    pair_open(&pair);
    const size_t size = 3u * 1024u * 1024u;
    char *bytes = make_pattern(size);
    struct text part = text_of(bytes, size);
    connection_pause(pair.b.connection);
    assert_true(connection_write(pair.a.connection, &part, 1));
    assert_true(connection_is_congested(pair.a.connection));
    assert_true(connection_queued(pair.a.connection) > CONNECTION_HIGH_MARK);
    loop_advance(pair.loop, SECOND);
    assert_int_equal(pair.a.drains, 0);
    assert_int_equal(pair.b.received.length, 0);
    connection_resume(pair.b.connection);
    loop_advance(pair.loop, SECOND);
    assert_int_equal(pair.a.drains, 1);
    assert_false(connection_is_congested(pair.a.connection));
    assert_int_equal(connection_queued(pair.a.connection), 0);
    expect_pattern(&pair.b.received, size);
    free(bytes);
    pair_close(&pair);
}

static void test_queue_maximum(void **state)
{
    struct pair pair;
    pair_open(&pair);
    size_t size = CONNECTION_QUEUE_MAXIMUM + 8u * 1024u * 1024u;
    char *bytes = make_pattern(size);
    struct text part = text_of(bytes, size);
    connection_pause(pair.b.connection);
    assert_false(connection_write(pair.a.connection, &part, 1));
    assert_false(endpoint_write(&pair.a, "more"));
    assert_int_equal(connection_queued(pair.a.connection), 0);
    free(bytes);
    pair_close(&pair);
}

static void test_small_writes_into_a_full_queue(void **state)
{
    struct pair pair;
    pair_open(&pair);
    const size_t size = 2u * 1024u * 1024u;
    char *bytes = make_pattern(size);
    size_t done = 0;
    connection_pause(pair.b.connection);
    for (size_t step = 1; done < size; step = step % 1999 + 1) {
        struct text part = text_first(text_of(bytes + done, size - done), step);
        assert_true(connection_write(pair.a.connection, &part, 1));
        done += part.length;
    }
    connection_resume(pair.b.connection);
    loop_advance(pair.loop, SECOND);
    expect_pattern(&pair.b.received, size);
    free(bytes);
    pair_close(&pair);
}

struct offering {
    char *bytes;
    size_t size;
    size_t done;
};

static void offer_more(void *owner)
{
    struct endpoint *endpoint = owner;
    struct offering *offering = endpoint->more;
    endpoint->drains++;
    struct text left = text_of(offering->bytes + offering->done, offering->size - offering->done);
    offering->done += connection_offer(endpoint->connection, &left, 1);
    assert_int_equal(connection_queued(endpoint->connection), 0); /* nothing is copied */
}

static void test_offer(void **state)
{
    static const struct connection_events events = {
        .on_data = endpoint_data, .on_failed = endpoint_failed, .on_drained = offer_more};
    struct pair pair;
    pair_open(&pair);
    struct offering offering = {.size = 5u * 1024u * 1024u};
    offering.bytes = make_pattern(offering.size);
    pair.a.more = &offering;
    connection_set_owner(pair.a.connection, &events, &pair.a);
    offer_more(&pair.a);
    assert_true(offering.done > 0 && offering.done < offering.size);
    loop_advance(pair.loop, SECOND);
    assert_int_equal(offering.done, offering.size);
    expect_pattern(&pair.b.received, offering.size);
    unsigned drains = pair.a.drains;
    loop_advance(pair.loop, SECOND);
    assert_int_equal(pair.a.drains, drains); /* no promise is left */
    assert_true(endpoint_write(&pair.a, ""));
    free(offering.bytes);
    pair_close(&pair);
}

/* ---- pausing ---- */

static void test_pause_and_resume(void **state)
{
    struct pair pair;
    pair_open(&pair);
    connection_pause(pair.b.connection);
    endpoint_write(&pair.a, "waits");
    loop_advance(pair.loop, SECOND);
    assert_int_equal(pair.b.received.length, 0);
    endpoint_write(&pair.a, " and waits");
    connection_finish(pair.a.connection);
    pair.a.connection = NULL;
    loop_advance(pair.loop, SECOND);
    assert_int_equal(pair.b.ends, 0);
    connection_resume(pair.b.connection);
    loop_advance(pair.loop, SECOND);
    expect_received(&pair.b, "waits and waits");
    assert_string_equal(pair.b.order, "de");
    pair_close(&pair);
}

static void pause_at_first(struct endpoint *endpoint)
{
    connection_pause(endpoint->connection);
}

/* The pause holds at once, within the very turn that brought the bytes. */
static void test_pause_from_data(void **state)
{
    struct pair pair;
    pair_open(&pair);
    const size_t size = 200u * 1024u;
    char *bytes = make_pattern(size);
    pair.b.then = pause_at_first;
    struct text part = text_of(bytes, size);
    connection_write(pair.a.connection, &part, 1);
    loop_advance(pair.loop, SECOND);
    assert_true(pair.b.received.length <= LOOP_READ_BUFFER_SIZE);
    pair.b.then = NULL;
    connection_resume(pair.b.connection);
    loop_advance(pair.loop, SECOND);
    expect_pattern(&pair.b.received, size);
    free(bytes);
    pair_close(&pair);
}

/* A peer that is gone is noticed though nobody reads. */
static void test_reset_while_paused(void **state)
{
    int tcp[2];
    make_tcp_pair(tcp);
    struct loop *loop = loop_create();
    struct endpoint a;
    struct endpoint b;
    endpoint_plain(&a, loop, tcp[0]);
    endpoint_plain(&b, loop, tcp[1]);
    connection_pause(a.connection);
    run_for(loop, MILLISECOND);
    connection_abort(b.connection);
    b.connection = NULL;
    run_until(loop, has_failed, &a);
    assert_int_equal(a.error, ERROR_RESET);
    endpoint_close(&a);
    endpoint_close(&b);
    loop_destroy(loop);
}

/* Bytes that came before the reset are still the owner's. */
static void test_bytes_before_a_reset_while_paused(void **state)
{
    int tcp[2];
    make_tcp_pair(tcp);
    struct loop *loop = loop_create();
    struct endpoint a;
    struct endpoint b;
    endpoint_plain(&a, loop, tcp[0]);
    endpoint_plain(&b, loop, tcp[1]);
    connection_pause(a.connection);
    endpoint_write(&b, "last words");
    run_for(loop, 5 * MILLISECOND);
    connection_abort(b.connection);
    b.connection = NULL;
    run_for(loop, 20 * MILLISECOND);
    assert_int_equal(a.failures, 0);
    connection_resume(a.connection);
    run_until(loop, has_failed, &a);
    expect_received(&a, "last words");
    assert_string_equal(a.order, "df");
    assert_int_equal(a.error, ERROR_RESET);
    endpoint_close(&a);
    endpoint_close(&b);
    loop_destroy(loop);
}

/* ---- ends ---- */

static void test_half_close(void **state)
{
    struct pair pair;
    pair_open(&pair);
    int raw[2];
    make_pair(raw);
    struct endpoint c;
    endpoint_plain(&c, pair.loop, raw[0]);
    assert_int_equal(write(raw[1], "request", 7), 7);
    shutdown(raw[1], SHUT_WR);
    loop_advance(pair.loop, SECOND);
    expect_received(&c, "request");
    assert_string_equal(c.order, "de");
    assert_true(connection_is_stale(c.connection));
    assert_true(endpoint_write(&c, "answer"));
    char answer[16];
    assert_int_equal(read(raw[1], answer, sizeof(answer)), 6);
    loop_advance(pair.loop, SECOND);
    assert_string_equal(c.order, "de"); /* told once */
    endpoint_close(&c);
    close(raw[1]);
    pair_close(&pair);
}

static void close_at_first(struct endpoint *endpoint)
{
    connection_close(endpoint->connection);
    endpoint->connection = NULL;
}

static void abort_at_first(struct endpoint *endpoint)
{
    connection_abort(endpoint->connection);
    endpoint->connection = NULL;
}

static void finish_at_first(struct endpoint *endpoint)
{
    endpoint_write(endpoint, "bye");
    connection_finish(endpoint->connection);
    endpoint->connection = NULL;
}

static void test_closing_from_within_data(void **state)
{
    static void (*const ways[])(struct endpoint *) = {close_at_first, abort_at_first,
                                                      finish_at_first};
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        struct pair pair;
        pair_open(&pair);
        pair.b.then = ways[i];
        endpoint_write(&pair.a, "x");
        loop_advance(pair.loop, SECOND);
        assert_string_equal(pair.b.order, "d");
        assert_int_equal(pair.a.ends + pair.a.failures, 1);
        pair_close(&pair);
    }
}

static void test_verbs_after_the_end_do_nothing(void **state)
{
    struct pair pair;
    pair_open(&pair);
    struct connection *a = pair.a.connection;
    connection_close(a); /* lives to the end of the turn */
    pair.a.connection = NULL;
    struct text part = TEXT("x");
    assert_true(connection_write(a, &part, 1));
    assert_int_equal(connection_offer(a, &part, 1), 0);
    assert_true(connection_is_stale(a));
    connection_pause(a);
    connection_resume(a);
    connection_finish(a);
    connection_abort(a);
    connection_close(a);
    assert_int_equal(connection_peer(a)->length, 0);
    pair_close(&pair);
}

/* A write that fails is told at the end of the turn, after what the peer had still said. */
static void test_answer_before_write_failure(void **state)
{
    int tcp[2];
    make_tcp_pair(tcp);
    struct loop *loop = loop_create();
    struct endpoint a;
    endpoint_plain(&a, loop, tcp[0]);
    assert_int_equal(write(tcp[1], "413 too large", 13), 13);
    struct linger none = {1, 0};
    setsockopt(tcp[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(tcp[1]);
    endpoint_write(&a, "upload goes on");
    assert_int_equal(a.failures, 0); /* never from within */
    run_until(loop, has_failed, &a);
    expect_received(&a, "413 too large");
    assert_string_equal(a.order, "df");
    assert_int_equal(a.error, ERROR_RESET);
    endpoint_close(&a);
    loop_destroy(loop);
}

static void test_abort_gives_reset(void **state)
{
    int tcp[2];
    make_tcp_pair(tcp);
    struct loop *loop = loop_create();
    struct endpoint a;
    endpoint_plain(&a, loop, tcp[0]);
    connection_abort(a.connection);
    a.connection = NULL;
    run_for(loop, MILLISECOND);
    char byte;
    assert_int_equal(recv(tcp[1], &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(tcp[1]);
    endpoint_close(&a);
    loop_destroy(loop);
}

static bool reads_end(void *owner)
{
    char bytes[4096];
    ssize_t got = recv(*(int *)owner, bytes, sizeof(bytes), MSG_DONTWAIT);
    assert_true(got >= 0 || errno == EAGAIN);
    return got == 0;
}

/* RFC 9112 section 9.6: the answer to an upload that is refused early must not be lost to a reset.
 */
static void test_finish_lingers(void **state)
{
    int tcp[2];
    make_tcp_pair(tcp);
    struct loop *loop = loop_create();
    struct endpoint a;
    endpoint_plain(&a, loop, tcp[0]);
    assert_int_equal(write(tcp[1], "upload", 6), 6);
    endpoint_write(&a, "413");
    connection_finish(a.connection);
    a.connection = NULL;
    run_for(loop, 5 * MILLISECOND);
    for (int i = 0; i < 10; i++) { /* a close without reading would reset now */
        assert_int_equal(write(tcp[1], "upload", 6), 6);
        run_for(loop, MILLISECOND);
    }
    char answer[8];
    assert_int_equal(read(tcp[1], answer, sizeof(answer)), 3);
    run_until(loop, reads_end, &tcp[1]);
    close(tcp[1]);
    run_for(loop, 5 * MILLISECOND);
    assert_int_equal(a.received.length, 0);
    endpoint_close(&a);
    loop_destroy(loop);
}

static bool peer_is_closed(int descriptor)
{
    struct pollfd polled = {.fd = descriptor};
    return poll(&polled, 1, 0) == 1 && (polled.revents & POLLHUP);
}

static void test_linger_ends_by_silence(void **state)
{
    struct loop *loop = loop_create_virtual(0);
    struct endpoint a;
    int raw[2];
    make_pair(raw);
    endpoint_plain(&a, loop, raw[0]);
    connection_finish(a.connection);
    a.connection = NULL;
    loop_advance(loop, SECOND);
    assert_false(peer_is_closed(raw[1]));
    loop_advance(loop, 2 * SECOND);
    assert_true(peer_is_closed(raw[1]));
    close(raw[1]);
    endpoint_close(&a);
    loop_destroy(loop);
}

/* As long as a peer goes on sending, but not for ever. */
static void test_linger_ends_by_time(void **state)
{
    struct loop *loop = loop_create_virtual(0);
    struct endpoint a;
    int raw[2];
    make_pair(raw);
    endpoint_plain(&a, loop, raw[0]);
    connection_finish(a.connection);
    a.connection = NULL;
    for (unsigned second = 0; second < 29; second++) {
        assert_int_equal(send(raw[1], "more", 4, MSG_NOSIGNAL), 4);
        loop_advance(loop, SECOND);
        assert_false(peer_is_closed(raw[1]));
    }
    assert_int_equal(send(raw[1], "more", 4, MSG_NOSIGNAL), 4);
    loop_advance(loop, 2 * SECOND);
    assert_true(peer_is_closed(raw[1]));
    close(raw[1]);
    endpoint_close(&a);
    loop_destroy(loop);
}

static void test_linger_ends_by_size(void **state)
{
    struct loop *loop = loop_create_virtual(0);
    struct endpoint a;
    int raw[2];
    static char bytes[64 * 1024];
    make_pair(raw);
    endpoint_plain(&a, loop, raw[0]);
    connection_finish(a.connection);
    a.connection = NULL;
    size_t sent = 0;
    while (!peer_is_closed(raw[1])) {
        ssize_t wrote = send(raw[1], bytes, sizeof(bytes), MSG_NOSIGNAL);
        assert_true(wrote > 0);
        sent += (size_t)wrote;
        assert_true(sent < 65u * 1024u * 1024u);
        loop_advance(loop, 1);
    }
    assert_true(sent > 63u * 1024u * 1024u);
    close(raw[1]);
    endpoint_close(&a);
    loop_destroy(loop);
}

static void test_finish_sends_what_is_queued(void **state)
{
    struct pair pair;
    pair_open(&pair);
    const size_t size = 3u * 1024u * 1024u;
    char *bytes = make_pattern(size);
    struct text part = text_of(bytes, size);
    connection_pause(pair.b.connection);
    connection_write(pair.a.connection, &part, 1);
    connection_finish(pair.a.connection);
    pair.a.connection = NULL;
    loop_advance(pair.loop, SECOND);
    connection_resume(pair.b.connection);
    loop_advance(pair.loop, SECOND);
    expect_pattern(&pair.b.received, size);
    assert_string_equal(pair.b.order, "de");
    free(bytes);
    pair_close(&pair);
}

static void test_finish_gives_up_on_a_peer_that_takes_nothing(void **state)
{
    struct loop *loop = loop_create_virtual(0);
    struct endpoint a;
    int raw[2];
    make_pair(raw);
    endpoint_plain(&a, loop, raw[0]);
    const size_t size = 3u * 1024u * 1024u;
    char *bytes = make_pattern(size);
    struct text part = text_of(bytes, size);
    connection_write(a.connection, &part, 1);
    connection_finish(a.connection);
    a.connection = NULL;
    loop_advance(loop, 29 * SECOND);
    assert_false(peer_is_closed(raw[1]));
    loop_advance(loop, 2 * SECOND);
    assert_true(peer_is_closed(raw[1]));
    free(bytes);
    close(raw[1]);
    endpoint_close(&a);
    loop_destroy(loop);
}

/* ---- stale ---- */

static void test_stale(void **state)
{
    struct loop *loop = loop_create_virtual(0);
    struct endpoint a;
    int raw[2];
    make_pair(raw);
    endpoint_plain(&a, loop, raw[0]);
    loop_advance(loop, SECOND);
    assert_false(connection_is_stale(a.connection));
    connection_pause(a.connection);
    assert_int_equal(write(raw[1], "?", 1), 1); /* an answer nobody asked for */
    assert_true(connection_is_stale(a.connection));
    connection_resume(a.connection);
    loop_advance(loop, SECOND);
    assert_false(connection_is_stale(a.connection));
    close(raw[1]); /* the loop has not told yet */
    assert_true(connection_is_stale(a.connection));
    loop_advance(loop, SECOND);
    assert_true(connection_is_stale(a.connection));
    endpoint_close(&a);
    loop_destroy(loop);
}

static void test_no_delay_is_set(void **state)
{
    int tcp[2];
    make_tcp_pair(tcp);
    struct loop *loop = loop_create();
    struct endpoint a;
    endpoint_plain(&a, loop, tcp[0]);
    int on = 0;
    socklen_t length = sizeof(on);
    assert_int_equal(getsockopt(tcp[0], IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
    assert_int_equal(on, 1);
    assert_int_equal(address_port(connection_peer(a.connection)) != 0, 1);
    close(tcp[1]);
    endpoint_close(&a);
    loop_destroy(loop);
}

static bool has_all(void *owner)
{
    return ((struct endpoint *)owner)->received.length >= 4u * 1024u * 1024u;
}

static void test_big_transfer_over_tcp(void **state)
{
    int tcp[2];
    make_tcp_pair(tcp);
    struct loop *loop = loop_create();
    struct endpoint a;
    struct endpoint b;
    endpoint_plain(&a, loop, tcp[0]);
    endpoint_plain(&b, loop, tcp[1]);
    const size_t size = 4u * 1024u * 1024u;
    char *bytes = make_pattern(size);
    struct text part = text_of(bytes, size);
    assert_true(connection_write(a.connection, &part, 1));
    assert_true(connection_write(b.connection, &part, 1));
    run_until(loop, has_all, &a);
    run_until(loop, has_all, &b);
    expect_pattern(&a.received, size);
    expect_pattern(&b.received, size);
    free(bytes);
    endpoint_close(&a);
    endpoint_close(&b);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_arrive),
        cmocka_unit_test(test_many_parts),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_queue_maximum),
        cmocka_unit_test(test_small_writes_into_a_full_queue),
        cmocka_unit_test(test_offer),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_pause_from_data),
        cmocka_unit_test(test_reset_while_paused),
        cmocka_unit_test(test_bytes_before_a_reset_while_paused),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_closing_from_within_data),
        cmocka_unit_test(test_verbs_after_the_end_do_nothing),
        cmocka_unit_test(test_answer_before_write_failure),
        cmocka_unit_test(test_abort_gives_reset),
        cmocka_unit_test(test_finish_lingers),
        cmocka_unit_test(test_linger_ends_by_silence),
        cmocka_unit_test(test_linger_ends_by_time),
        cmocka_unit_test(test_linger_ends_by_size),
        cmocka_unit_test(test_finish_sends_what_is_queued),
        cmocka_unit_test(test_finish_gives_up_on_a_peer_that_takes_nothing),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_no_delay_is_set),
        cmocka_unit_test(test_big_transfer_over_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
