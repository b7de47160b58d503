/* Dialling on the loopback; names come from a small name server in the test (name_server.h). */
#include "endpoint.h"

#include <errno.h>
#include <stdio.h>

#include "name_server.h"
#include "net/dial.h"

struct caller {
    struct loop *loop;
    struct dial_result result;
    unsigned calls;
};

static void called(void *owner, const struct dial_result *result)
{
    struct caller *caller = owner;
    caller->result = *result;
    caller->calls++;
}

static bool was_called(void *owner)
{
    return ((struct caller *)owner)->calls > 0;
}

static uint16_t listen_on(const char *address_text, int backlog, int *descriptor)
{
    struct address address;
    assert_int_equal(address_parse(text_from(address_text), &address), ERROR_OK);
    assert_int_equal(listener_bind(&address, false, backlog, descriptor), ERROR_OK);
    assert_int_equal(getsockname(*descriptor, &address.any, &address.length), 0);
    return address_port(&address);
}

static void dial_and_wait(struct caller *caller, struct loop *loop, struct resolver *resolver,
                          const char *host, uint16_t port, uint64_t timeout)
{
    *caller = (struct caller){.loop = loop};
    struct dial_target target = {text_from(host), port};
    assert_non_null(dial_start(loop, resolver, &target, timeout, called, caller));
    assert_int_equal(caller->calls, 0); /* never from within */
    run_until(loop, was_called, caller);
    assert_int_equal(caller->calls, 1);
}

static void test_literal(void **state)
{
    struct loop *loop = loop_create();
    struct resolver *resolver = resolver_create(loop, "127.0.0.1:1", SECOND);
    int listening;
    uint16_t port = listen_on("127.0.0.1:0", 16, &listening);
    struct caller caller;
    dial_and_wait(&caller, loop, resolver, "127.0.0.1", port, SECOND);
    assert_int_equal(caller.result.error, ERROR_OK);
    assert_true(caller.result.resolved_at != 0);
    assert_true(caller.result.connected_at >= caller.result.resolved_at);
    assert_int_equal(address_port(&caller.result.peer), port);
    assert_true(fcntl(caller.result.descriptor, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(caller.result.descriptor, F_GETFD) & FD_CLOEXEC);
    int on = 0;
    socklen_t length = sizeof(on);
    getsockopt(caller.result.descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, &length);
    assert_int_equal(on, 1);
    close(caller.result.descriptor);
    close(listening);
    dial_and_wait(&caller, loop, resolver, "127.0.0.1", port, SECOND);
    assert_int_equal(caller.result.error, ERROR_REFUSED);
    assert_int_equal(caller.result.connected_at, 0);
    resolver_destroy(resolver);
    loop_destroy(loop);
}

static void test_unix(void **state)
{
    struct loop *loop = loop_create();
    struct resolver *resolver = resolver_create(loop, "127.0.0.1:1", SECOND);
    char path[64];
    snprintf(path, sizeof(path), "unix:@dial-test-%d", (int)getpid());
    struct address address;
    int listening;
    assert_int_equal(address_parse(text_from(path), &address), ERROR_OK);
    assert_int_equal(listener_bind(&address, false, 4, &listening), ERROR_OK);
    struct caller caller;
    dial_and_wait(&caller, loop, resolver, path, 0, SECOND);
    assert_int_equal(caller.result.error, ERROR_OK);
    close(caller.result.descriptor);
    close(listening);
    dial_and_wait(&caller, loop, resolver, path, 0, SECOND);
    assert_int_equal(caller.result.error, ERROR_REFUSED);
    dial_and_wait(&caller, loop, resolver, "unix:relative", 0, SECOND);
    assert_int_equal(caller.result.error, ERROR_SYNTAX);
    resolver_destroy(resolver);
    loop_destroy(loop);
}

/* The first address refuses at once: the next is tried without waiting. */
static void test_next_after_refusal(void **state)
{
    struct loop *loop = loop_create();
    struct name_server server;
    struct resolver *resolver = name_server_open(&server, loop);
    int listening;
    uint16_t port = listen_on("127.0.0.1:0", 16, &listening);
    name_server_add(&server, "two.test", "127.0.0.2", 60);
    name_server_add(&server, "two.test", "127.0.0.1", 60);
    struct caller caller;
    uint64_t begun = clock_monotonic();
    dial_and_wait(&caller, loop, resolver, "two.test", port, 5 * SECOND);
    assert_int_equal(caller.result.error, ERROR_OK);
    assert_true(clock_monotonic() - begun < DIAL_STAGGER_MILLISECONDS * MILLISECOND);
    close(caller.result.descriptor);
    close(listening);
    dial_and_wait(&caller, loop, resolver, "two.test", port, 5 * SECOND);
    assert_int_equal(caller.result.error, ERROR_REFUSED);
    resolver_destroy(resolver);
    name_server_close(&server);
    loop_destroy(loop);
}

/* A listener that takes nobody: its backlog is full, further handshakes get no answer. */
static int open_deaf_listener(const char *host, uint16_t *port, int fillers[8])
{
    int listening;
    *port = listen_on(host, 0, &listening);
    struct address address;
    address.length = sizeof(struct sockaddr_un);
    assert_int_equal(getsockname(listening, &address.any, &address.length), 0);
    for (size_t i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], &address.any, address.length);
    }
    usleep(20000);
    return listening;
}

static void close_deaf_listener(int listening, int fillers[8])
{
    close(listening);
    for (size_t i = 0; i < 8; i++)
        close(fillers[i]);
}

static void test_next_after_silence(void **state)
{
    struct loop *loop = loop_create();
    struct name_server server;
    struct resolver *resolver = name_server_open(&server, loop);
    int fillers[8];
    uint16_t port;
    int deaf = open_deaf_listener("127.0.0.2:0", &port, fillers);
    char text[32];
    snprintf(text, sizeof(text), "127.0.0.3:%u", port);
    int listening;
    listen_on(text, 16, &listening);
    name_server_add(&server, "slow.test", "127.0.0.2", 60);
    name_server_add(&server, "slow.test", "127.0.0.3", 60);
    struct caller caller;
    uint64_t begun = clock_monotonic();
    dial_and_wait(&caller, loop, resolver, "slow.test", port, 5 * SECOND);
    uint64_t took = clock_monotonic() - begun;
    assert_int_equal(caller.result.error, ERROR_OK);
    assert_true(took >= (DIAL_STAGGER_MILLISECONDS - 5) * MILLISECOND);
    assert_true(took < 900 * MILLISECOND); /* the first attempt's retry comes after a second */
    char out[ADDRESS_TEXT_SIZE];
    address_format_host(&caller.result.peer, out);
    assert_string_equal(out, "127.0.0.3");
    close(caller.result.descriptor);
    close(listening);
    close_deaf_listener(deaf, fillers);
    resolver_destroy(resolver);
    name_server_close(&server);
    loop_destroy(loop);
}

static void test_time_out(void **state)
{
    struct loop *loop = loop_create();
    struct name_server server;
    struct resolver *resolver = name_server_open(&server, loop);
    int fillers[8];
    uint16_t port;
    int deaf = open_deaf_listener("127.0.0.1:0", &port, fillers);
    struct caller caller;
    dial_and_wait(&caller, loop, resolver, "127.0.0.1", port, 50 * MILLISECOND);
    assert_int_equal(caller.result.error, ERROR_TIMEOUT_CONNECT);
    close_deaf_listener(deaf, fillers);
    server.silent = true;
    dial_and_wait(&caller, loop, resolver, "mute.test", 80, 50 * MILLISECOND);
    assert_int_equal(caller.result.error, ERROR_TIMEOUT_NAME);
    assert_int_equal(caller.result.resolved_at, 0);
    resolver_destroy(resolver);
    name_server_close(&server);
    loop_destroy(loop);
}

static void test_names_that_do_not_exist(void **state)
{
    struct loop *loop = loop_create();
    struct name_server server;
    struct resolver *resolver = name_server_open(&server, loop);
    struct caller caller;
    dial_and_wait(&caller, loop, resolver, "nobody.test", 80, SECOND);
    assert_int_equal(caller.result.error, ERROR_NAME_NOT_FOUND);
    char name[400];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    dial_and_wait(&caller, loop, resolver, name, 80, SECOND);
    assert_int_equal(caller.result.error, ERROR_NAME_NOT_FOUND);
    resolver_destroy(resolver);
    name_server_close(&server);
    loop_destroy(loop);
}

static void test_cancel(void **state)
{
    struct loop *loop = loop_create();
    struct name_server server;
    struct resolver *resolver = name_server_open(&server, loop);
    server.silent = true;
    int fillers[8];
    uint16_t port;
    int deaf = open_deaf_listener("127.0.0.1:0", &port, fillers);
    struct caller caller = {.loop = loop};
    struct dial_target literal = {TEXT("127.0.0.1"), port};
    struct dial_target named = {TEXT("mute.test"), port};
    const struct dial_target *targets[] = {&literal, &named};
    for (size_t i = 0; i < 2; i++) {
        struct dial *at_once = dial_start(loop, resolver, targets[i], SECOND, called, &caller);
        dial_cancel(at_once);
        struct dial *later = dial_start(loop, resolver, targets[i], SECOND, called, &caller);
        run_for(loop, 10 * MILLISECOND);
        dial_cancel(later);
        run_for(loop, 10 * MILLISECOND);
    }
    assert_int_equal(caller.calls, 0);
    close_deaf_listener(deaf, fillers);
    resolver_destroy(resolver);
    name_server_close(&server);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literal),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_next_after_refusal),
        cmocka_unit_test(test_next_after_silence),
        cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_names_that_do_not_exist),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
