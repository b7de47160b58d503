/* The whole process but for its command line: two workers, the threads beside them, callers on
 * sockets, the configuration read again under load, and the drain. Every call must be answered and
 * recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "app/gateway.h"
#include "base/clock.h"
#include "base/note.h"
#include "config/load.h"
#include "identity/key.h"
#include "store/keys.h"
#include "store/store.h"

#define CALLERS 4u
#define ROUNDS  40u
#define RELOADS 3u

struct house {
    char data[32];
    char yaml[512];
    uint16_t port;
    struct secret *key;
    struct loop *loop;
    struct gateway *gateway;
    struct loop_timer timer;
    unsigned reloads;
    _Atomic unsigned callers_left;
    _Atomic unsigned answered;
    _Atomic unsigned wrong;
    bool ended;
};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void say_nothing(enum note_level level, const char *line)
{
    (void)level, (void)line;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    close(descriptor);
    return ntohs(address.sin_port);
}

static void store_key(struct house *house)
{
    char path[96], problem[STORE_PROBLEM_SIZE];
    struct store *store;
    struct stored_key row = {
        .name = TEXT("tester"), .team = TEXT("team"), .created_at = clock_wall()};
    struct key_hash hash;
    assert_int_equal(key_make(TEXT("0123456789ab"), &house->key), ERROR_OK);
    assert_int_equal(key_parse(secret_expose(house->key), &row.id), KEY_SYNTAX_OK);
    key_compute_hash(secret_expose(house->key), &hash);
    memcpy(row.hash, hash.bytes, sizeof(row.hash));
    snprintf(path, sizeof(path), "%s/%s", house->data, STORE_FILE);
    assert_int_equal(store_open(path, STORE_WRITE, 1000, &store, problem), ERROR_OK);
    assert_int_equal(keys_insert(store, &row), ERROR_OK);
    store_close(store);
}

static struct config *load(struct house *house)
{
    struct config_problems problems;
    struct config *config = NULL;
    config_problems_open(&problems);
    assert_int_equal(config_load_text(TEXT("test"), text_from(house->yaml), &config, &problems),
                     ERROR_OK);
    config_problems_close(&problems);
    return config;
}

/* ---- callers, each on a thread of its own ---- */

/* Whether the answer in `bytes` is all here. */
static bool is_whole(const char *bytes, size_t length)
{
    const char *head_end = memmem(bytes, length, "\r\n\r\n", 4);
    const char *field =
        head_end ? memmem(bytes, (size_t)(head_end - bytes), "content-length: ", 16) : NULL;
    if (!head_end)
        return false;
    if (!field)
        return length >= 5 && memcmp(bytes + length - 5, "0\r\n\r\n", 5) == 0;
    unsigned long body = strtoul(field + 16, NULL, 10);
    return length - (size_t)(head_end + 4 - bytes) == body;
}

static void one_call(struct house *house, int descriptor, const char *request, const char *status)
{
    char answer[65536];
    size_t length = 0;
    bool sent =
        send(descriptor, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request);
    while (sent && !is_whole(answer, length)) {
        ssize_t got = recv(descriptor, answer + length, sizeof(answer) - length, 0);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    bool right = is_whole(answer, length) && memcmp(answer + 9, status, 3) == 0;
    atomic_fetch_add(right ? &house->answered : &house->wrong, 1);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    const struct timeval patience = {.tv_sec = 20};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

#define CHAT_BODY "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define STREAM_BODY \
    "{\"model\":\"demo\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

static void write_request(const struct house *house, char *out, size_t size, const char *path,
                          const char *body)
{
    struct text key = secret_expose(house->key);
    snprintf(
        out, size,
        "%s %s HTTP/1.1\r\nhost: h\r\nauthorization: Bearer %.*s\r\ncontent-length: %zu\r\n\r\n%s",
        *body ? "POST" : "GET", path, TEXT_ARG(key), strlen(body), body);
}

static void *be_a_caller(void *owner)
{
    struct house *house = owner;
    char chat[512], stream[512], look_up[512];
    write_request(house, chat, sizeof(chat), "/v1/chat/completions", CHAT_BODY);
    write_request(house, stream, sizeof(stream), "/v1/chat/completions", STREAM_BODY);
    write_request(house, look_up, sizeof(look_up), "/v1/files/file-unknown", "");
    for (unsigned i = 0; i < ROUNDS; i++) {
        int descriptor = connect_to(house->port);
        one_call(house, descriptor, chat, "200");
        one_call(house, descriptor, look_up, "404");
        if (i % 20 == 0)
            one_call(house, descriptor, stream, "200");
        one_call(house, descriptor, "GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n", "401");
        close(descriptor);
    }
    atomic_fetch_sub(&house->callers_left, 1);
    return NULL;
}

/* ---- the main thread ---- */

static void tick(void *owner)
{
    struct house *house = owner;
    char problem[GATEWAY_PROBLEM_SIZE];
    if (house->reloads < RELOADS) {
        struct config *config = load(house);
        assert_int_equal(gateway_reload(house->gateway, config, problem), ERROR_OK);
        config_release(config);
        house->reloads++;
    }
    if (atomic_load(&house->callers_left) == 0)
        gateway_drain(house->gateway);
    else
        loop_timer_set(house->loop, &house->timer, 20 * NANOSECONDS_PER_MILLISECOND);
}

static void on_ended(void *owner)
{
    struct house *house = owner;
    house->ended = true;
    loop_stop(house->loop);
}

static unsigned count_lines(const struct house *house)
{
    char path[96];
    unsigned lines = 0;
    snprintf(path, sizeof(path), "%s/access.log", house->data);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static void test_two_workers_under_load(void **state)
{
    struct house house = {.data = "/tmp/gateway-XXXXXX", .callers_left = CALLERS};
    pthread_t callers[CALLERS];
    char problem[GATEWAY_PROBLEM_SIZE];
    note_set_sink(say_nothing);
    assert_non_null(mkdtemp(house.data));
    house.port = free_port();
    snprintf(
        house.yaml, sizeof(house.yaml),
        "workers: 2\nlisteners: {main: {address: \"127.0.0.1:%u\"}}\nproviders: {d: {type: demo}}\n"
        "models: {demo: {targets: [{provider: d}]}}\naccess_log: %s/access.log\n",
        house.port, house.data);
    store_key(&house);
    house.loop = loop_create();
    struct config *config = load(&house);
    const struct gateway_settings settings = {.loop = house.loop,
                                              .config = config,
                                              .data = house.data,
                                              .on_ended = on_ended,
                                              .owner = &house};
    if (gateway_start(&settings, &house.gateway, problem) != ERROR_OK)
        fail_msg("%s", problem);
    config_release(config);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, be_a_caller, &house), 0);
    loop_timer_open(&house.timer, tick, &house);
    loop_timer_set(house.loop, &house.timer, NANOSECONDS_PER_MILLISECOND);
    loop_run(house.loop);
    assert_true(house.ended);
    for (unsigned i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    assert_int_equal(house.wrong, 0);
    assert_int_equal(house.answered, CALLERS * (3 * ROUNDS + ROUNDS / 20));
    assert_int_equal(count_lines(&house), house.answered);
    gateway_free(house.gateway);
    loop_destroy(house.loop);
    secret_free(house.key);
    nftw(house.data, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_workers_under_load)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
