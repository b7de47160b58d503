/* proxy_accept: headers in pieces, with bytes behind them, none, wrong ones, and strangers. */
#include "endpoint.h"

#include <errno.h>

#include "net/proxy_accept.h"

#define HEADER "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"

struct door {
    struct loop *loop;
    struct proxy_accept *accept;
    struct address address;
    bool trusts;
    int descriptors[8];
    struct address sources[8];
    size_t count;
    unsigned refused, missing; /* told by on_refused */
    unsigned refused_wanted;   /* that the test waits for */
};

static bool is_trusted(void *owner, const struct address *peer)
{
    struct door *door = owner;
    assert_true(address_is_loopback(peer));
    return door->trusts;
}

static void on_connection(void *owner, int descriptor, const struct address *source)
{
    struct door *door = owner;
    assert_true(door->count < ARRAY_LENGTH(door->descriptors));
    door->sources[door->count] = *source;
    door->descriptors[door->count++] = descriptor;
}

static void on_refused(void *owner, const struct address *balancer, bool missing)
{
    struct door *door = owner;
    assert_true(address_is_loopback(balancer));
    door->refused++;
    door->missing += missing;
}

static const struct proxy_accept_events events = {is_trusted, on_connection, on_refused};

static void door_open(struct door *door, bool trusts)
{
    int descriptor;
    *door = (struct door){.loop = loop_create(), .trusts = trusts};
    assert_int_equal(address_parse(TEXT("127.0.0.1:0"), &door->address), ERROR_OK);
    assert_int_equal(listener_bind(&door->address, false, 64, &descriptor), ERROR_OK);
    assert_int_equal(getsockname(descriptor, &door->address.any, &door->address.length), 0);
    assert_int_equal(proxy_accept_open(door->loop, descriptor, &events, door, &door->accept),
                     ERROR_OK);
}

static void door_close(struct door *door)
{
    for (size_t i = 0; i < door->count; i++)
        close(door->descriptors[i]);
    if (door->accept)
        proxy_accept_close(door->accept);
    run_for(door->loop, MILLISECOND);
    loop_destroy(door->loop);
}

static int knock(struct door *door)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, &door->address.any, door->address.length), 0);
    return descriptor;
}

static void say(struct door *door, int caller, const char *bytes)
{
    size_t length = strlen(bytes);
    assert_int_equal(send(caller, bytes, length, MSG_NOSIGNAL), length);
    run_for(door->loop, 5 * MILLISECOND);
}

static bool has_one(void *owner)
{
    return ((struct door *)owner)->count > 0;
}

static bool has_refused(void *owner)
{
    const struct door *door = owner;
    return door->refused >= door->refused_wanted;
}

/* The loop may be slow: what it does is waited for, for as long as it takes. */
static void expect_one(struct door *door)
{
    run_until(door->loop, has_one, door);
    assert_int_equal(door->count, 1);
}

static void expect_refused(struct door *door, unsigned count)
{
    door->refused_wanted = count;
    run_until(door->loop, has_refused, door);
    assert_int_equal(proxy_accept_counters(door->accept)->refused, count);
}

/* What the connection handed on still has to read. */
static void expect_left(struct door *door, const char *bytes)
{
    char left[64];
    ssize_t length = recv(door->descriptors[0], left, sizeof left, MSG_DONTWAIT);
    assert_int_equal(length, (ssize_t)strlen(bytes));
    assert_memory_equal(left, bytes, strlen(bytes));
}

static void expect_source(struct door *door, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];
    expect_one(door);
    address_format(&door->sources[0], text);
    assert_string_equal(text, expected);
}

static bool is_closed(int caller)
{
    char byte;
    ssize_t got = recv(caller, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET); /* what he sent was not read */
}

static void test_header_with_the_request(void **state)
{
    struct door door;
    (void)state;
    door_open(&door, true);
    int caller = knock(&door);
    say(&door, caller, HEADER "GET / HTTP/1.1\r\n");
    expect_source(&door, "192.0.2.1:56324");
    expect_left(&door, "GET / HTTP/1.1\r\n");
    assert_int_equal(proxy_accept_counters(door.accept)->announced, 1);
    close(caller);
    door_close(&door);
}

static void test_header_in_pieces(void **state)
{
    struct door door;
    (void)state;
    door_open(&door, true);
    int caller = knock(&door);
    for (const char *at = HEADER; *at; at++) {
        assert_int_equal(door.count, 0);
        say(&door, caller, (const char[]){*at, '\0'});
    }
    expect_source(&door, "192.0.2.1:56324");
    close(caller);
    door_close(&door);
}

static void test_a_balancer_for_itself(void **state)
{
    struct door door;
    (void)state;
    door_open(&door, true);
    int caller = knock(&door);
    say(&door, caller, "PROXY UNKNOWN\r\nx");
    expect_one(&door);
    assert_true(address_is_loopback(&door.sources[0]));
    expect_left(&door, "x");
    close(caller);
    door_close(&door);
}

static void test_a_stranger_is_not_read(void **state)
{
    struct door door;
    (void)state;
    door_open(&door, false);
    int caller = knock(&door);
    say(&door, caller, HEADER);
    expect_one(&door);
    assert_true(address_is_loopback(&door.sources[0]));
    expect_left(&door, HEADER);
    close(caller);
    door_close(&door);
}

static void test_no_header(void **state)
{
    struct door door;
    (void)state;
    door_open(&door, true);
    int caller = knock(&door), checker = knock(&door), half = knock(&door);
    say(&door, caller, "GET / HTTP/1.1\r\n");
    expect_refused(&door, 1);
    assert_true(is_closed(caller));
    /* Nothing at all is how a balancer looks whether the port is open. */
    close(checker);
    run_for(door.loop, 5 * MILLISECOND);
    assert_int_equal(proxy_accept_counters(door.accept)->refused, 1);
    say(&door, half, "PROXY TCP4 ");
    close(half);
    expect_refused(&door, 2);
    assert_int_equal(door.refused, 2);
    assert_int_equal(door.missing, 1); /* half of one is a broken one */
    assert_int_equal(door.count, 0);
    close(caller);
    door_close(&door);
}

static void test_closing_with_guests(void **state)
{
    struct door door;
    (void)state;
    door_open(&door, true);
    int caller = knock(&door);
    say(&door, caller, "PROXY ");
    proxy_accept_close(door.accept);
    door.accept = NULL;
    assert_true(is_closed(caller));
    close(caller);
    door_close(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_with_the_request),
        cmocka_unit_test(test_header_in_pieces),
        cmocka_unit_test(test_a_balancer_for_itself),
        cmocka_unit_test(test_a_stranger_is_not_read),
        cmocka_unit_test(test_no_header),
        cmocka_unit_test(test_closing_with_guests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
