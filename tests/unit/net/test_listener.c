#include "endpoint.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/note.h"
#include "net/keepalive.h"

struct door {
    struct loop *loop;
    struct listener *listener;
    struct address address;
    int accepted[64];
    struct address peers[64];
    size_t count;
    bool closes;
};

static void let_in(void *owner, int descriptor, const struct address *peer)
{
    struct door *door = owner;
    assert_true(door->count < ARRAY_LENGTH(door->accepted));
    door->peers[door->count] = *peer;
    door->accepted[door->count++] = descriptor;
    if (door->closes)
        listener_close(door->listener);
}

static void door_open(struct door *door, const char *text)
{
    int descriptor;
    *door = (struct door){.loop = loop_create()};
    assert_int_equal(address_parse(text_from(text), &door->address), ERROR_OK);
    assert_int_equal(listener_bind(&door->address, false, 64, &descriptor), ERROR_OK);
    door->address.length = sizeof(struct sockaddr_un);
    assert_int_equal(getsockname(descriptor, &door->address.any, &door->address.length), 0);
    assert_int_equal(listener_open(door->loop, descriptor, let_in, door, &door->listener),
                     ERROR_OK);
}

static void door_close(struct door *door)
{
    for (size_t i = 0; i < door->count; i++)
        close(door->accepted[i]);
    if (!door->closes)
        listener_close(door->listener);
    loop_destroy(door->loop);
}

static int knock(struct door *door)
{
    int descriptor = socket(door->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(descriptor, &door->address.any, door->address.length), 0);
    return descriptor;
}

static void test_accepts(void **state)
{
    struct door door;
    int callers[40];
    door_open(&door, "127.0.0.1:0");
    for (size_t i = 0; i < 40; i++)
        callers[i] = knock(&door);
    run_for(door.loop, 10 * MILLISECOND);
    assert_int_equal(door.count, 40);
    assert_true(fcntl(door.accepted[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(door.accepted[0], F_GETFD) & FD_CLOEXEC);
    assert_true(address_is_loopback(&door.peers[0]));
    int on = 0;
    socklen_t length = sizeof(on);
    getsockopt(door.accepted[0], IPPROTO_TCP, TCP_NODELAY, &on, &length);
    assert_int_equal(on, 1);
    on = 0;
    getsockopt(door.accepted[0], SOL_SOCKET, SO_KEEPALIVE, &on, &length);
    assert_int_equal(on, 1);
    getsockopt(door.accepted[0], IPPROTO_TCP, TCP_KEEPIDLE, &on, &length);
    assert_int_equal(on, KEEPALIVE_IDLE_SECONDS);
    for (size_t i = 0; i < 40; i++)
        close(callers[i]);
    door_close(&door);
}

static void test_pause(void **state)
{
    struct door door;
    door_open(&door, "127.0.0.1:0");
    listener_pause(door.listener);
    int caller = knock(&door);
    run_for(door.loop, 10 * MILLISECOND);
    assert_int_equal(door.count, 0);
    listener_resume(door.listener);
    run_for(door.loop, 10 * MILLISECOND);
    assert_int_equal(door.count, 1);
    close(caller);
    door_close(&door);
}

static void test_close_from_within(void **state)
{
    struct door door;
    door_open(&door, "127.0.0.1:0");
    door.closes = true;
    int first = knock(&door);
    int second = knock(&door);
    run_for(door.loop, 10 * MILLISECOND);
    assert_int_equal(door.count, 1);
    close(first);
    close(second);
    door_close(&door);
}

static void test_all_addresses(void **state)
{
    struct door door;
    door_open(&door, ":0");
    struct address v4;
    assert_int_equal(address_parse(TEXT("127.0.0.1:1"), &v4), ERROR_OK);
    v4.v4.sin_port = htons(address_port(&door.address));
    int caller = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(caller, &v4.any, v4.length), 0);
    run_for(door.loop, 10 * MILLISECOND);
    assert_int_equal(door.count, 1);
    char out[ADDRESS_TEXT_SIZE];
    address_format_host(&door.peers[0], out);
    assert_string_equal(out, "127.0.0.1");
    close(caller);
    door_close(&door);
}

static void test_taken_port(void **state)
{
    struct door door;
    int descriptor;
    door_open(&door, "127.0.0.1:0");
    assert_int_equal(listener_bind(&door.address, false, 4, &descriptor), ERROR_EXISTS);
    assert_int_equal(descriptor, -1);
    assert_int_equal(listener_bind(&door.address, true, 4, &descriptor), ERROR_EXISTS);
    door_close(&door);
    int first;
    int second;
    struct address address;
    assert_int_equal(address_parse(TEXT("127.0.0.1:0"), &address), ERROR_OK);
    assert_int_equal(listener_bind(&address, true, 4, &first), ERROR_OK);
    getsockname(first, &address.any, &address.length);
    assert_int_equal(listener_bind(&address, true, 4, &second), ERROR_OK);
    close(first);
    close(second);
}

static void test_unix_path(void **state)
{
    char folder[] = "/tmp/listener-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char text[64];
    snprintf(text, sizeof(text), "unix:%s/gate", folder);
    const char *path = text + 5;
    struct door door;
    mode_t mask = umask(077);
    door_open(&door, text);
    umask(mask);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    int caller = knock(&door);
    run_for(door.loop, 10 * MILLISECOND);
    assert_int_equal(door.count, 1);
    char out[ADDRESS_TEXT_SIZE];
    address_format_host(&door.peers[0], out);
    assert_string_equal(out, "unix");
    int descriptor;
    assert_int_equal(listener_bind(&door.address, false, 4, &descriptor), ERROR_EXISTS); /* alive */
    close(caller);
    struct address address = door.address;
    door_close(&door);
    assert_int_equal(stat(path, &status), 0); /* left by a process that died */
    assert_int_equal(listener_bind(&address, false, 4, &descriptor), ERROR_OK);
    close(descriptor);
    listener_remove_path(&address);
    assert_int_equal(stat(path, &status), -1);
    FILE *file = fopen(path, "w"); /* somebody's file is not ours to remove */
    fclose(file);
    assert_int_equal(listener_bind(&address, false, 4, &descriptor), ERROR_EXISTS);
    unlink(path);
    rmdir(folder);
}

static unsigned notes;

static void count_note(enum note_level level, const char *line)
{
    notes++;
}

/* Out of descriptors: callers wait in the kernel's queue and are served later. */
static void test_descriptors_run_out(void **state)
{
    struct door door;
    door_open(&door, "127.0.0.1:0");
    note_set_sink(count_note);
    int caller = knock(&door);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {(rlim_t)caller, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    run_for(door.loop, 250 * MILLISECOND);
    assert_int_equal(door.count, 0);
    assert_int_equal(notes, 1); /* tried more than once, noted once */
    setrlimit(RLIMIT_NOFILE, &before);
    run_for(door.loop, 150 * MILLISECOND);
    assert_int_equal(door.count, 1);
    note_set_sink(NULL);
    close(caller);
    door_close(&door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_close_from_within),
        cmocka_unit_test(test_all_addresses),
        cmocka_unit_test(test_taken_port),
        cmocka_unit_test(test_unix_path),
        cmocka_unit_test(test_descriptors_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
