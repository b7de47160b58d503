/* TLS between two connections of one loop over TCP, with certificates made here. */
#include "certificates.h"

#include <openssl/ssl.h>
#include <poll.h>

#include "net/tls_context.h"

struct set {
    struct certificates files;
    struct authority authority;
    struct authority stranger; /* an authority that nobody trusts */
    struct loop *loop;
    struct tls_context *server_context;
    struct tls_context *client_context;
    struct endpoint server;
    struct endpoint client;
    int listening; /* sessions are kept per port */
    int descriptors[2];
};

static struct tls_context *make_server_context(const struct tls_certificate_files *certificates,
                                               size_t count, const char *client_authority,
                                               bool required, const struct tls_context *previous)
{
    struct tls_server_settings settings = {certificates, count, client_authority, required};
    struct tls_context *context;
    char reason[TLS_REASON_SIZE];
    enum error error = tls_server_context_create(&settings, previous, &context, reason);
    if (error != ERROR_OK)
        fail_msg("%s", reason);
    return context;
}

static struct tls_context *make_client_context(const char *authority, const struct leaf *own)
{
    struct tls_client_settings settings = {.authority_path = authority};
    if (own) {
        settings.certificate_path = own->certificate_path;
        settings.key_path = own->key_path;
    }
    struct tls_context *context;
    char reason[TLS_REASON_SIZE];
    enum error error = tls_client_context_create(&settings, &context, reason);
    if (error != ERROR_OK)
        fail_msg("%s", reason);
    return context;
}

static struct tls_context *make_leaf_context(struct set *set, const char *names, long to)
{
    struct leaf leaf = make_leaf(&set->files, &set->authority, names, to);
    struct tls_certificate_files files = {leaf.certificate_path, leaf.key_path};
    return make_server_context(&files, 1, NULL, false, NULL);
}

static void set_open(struct set *set)
{
    *set = (struct set){.loop = loop_create(), .listening = listen_on_loopback()};
    certificates_open(&set->files);
    authority_open(&set->files, &set->authority, "test authority");
    authority_open(&set->files, &set->stranger, "strange authority");
    set->server_context = make_leaf_context(set, "DNS:gate.test,IP:127.0.0.1", 3600);
    set->client_context = make_client_context(set->authority.path, NULL);
}

static void set_close(struct set *set)
{
    tls_context_release(set->server_context);
    tls_context_release(set->client_context);
    authority_close(&set->authority);
    authority_close(&set->stranger);
    certificates_close(&set->files);
    close(set->listening);
    loop_destroy(set->loop);
}

static void set_connect(struct set *set, const char *name)
{
    make_tcp_pair_at(set->listening, set->descriptors);
    endpoint_open(&set->client, set->loop, set->descriptors[0], set->client_context, false, name);
    endpoint_open(&set->server, set->loop, set->descriptors[1], set->server_context, true, NULL);
}

static void set_disconnect(struct set *set)
{
    endpoint_close(&set->client);
    endpoint_close(&set->server);
    run_for(set->loop, MILLISECOND);
}

/* A handshake, a request and an answer; says whether an earlier session was resumed. */
static bool exchange_once(struct set *set, const char *name)
{
    set_connect(set, name);
    run_until(set->loop, has_opened, &set->client);
    endpoint_write(&set->client, "ask");
    run_until(set->loop, has_data, &set->server);
    expect_received(&set->server, "ask");
    endpoint_write(&set->server, "tell");
    run_until(set->loop, has_data, &set->client);
    expect_received(&set->client, "tell");
    bool resumed = connection_tls_resumed(set->client.connection);
    assert_int_equal(resumed, connection_tls_resumed(set->server.connection));
    set_disconnect(set);
    return resumed;
}

/* ---- handshake ---- */

static void test_handshake(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    /* Written before the handshake: waits for it. */
    assert_true(endpoint_write(&set.client, "early"));
    assert_int_equal(connection_queued(set.client.connection), 5);
    run_until(set.loop, has_data, &set.server);
    expect_received(&set.server, "early");
    assert_string_equal(set.client.order, "o");
    assert_string_equal(set.server.order, "od");
    struct text parts[] = {TEXT("one "), TEXT("two "), TEXT("three")};
    assert_true(connection_write(set.server.connection, parts, ARRAY_LENGTH(parts)));
    run_until(set.loop, has_data, &set.client);
    expect_received(&set.client, "one two three");
    assert_string_equal(set.client.order, "od"); /* one record */
    set_disconnect(&set);
    set_close(&set);
}

static void expect_refusal(struct set *set, const char *name, enum error error, const char *detail)
{
    set_connect(set, name);
    run_until(set->loop, has_failed, &set->client);
    assert_int_equal(set->client.error, error);
    if (text_find(text_from(set->client.detail), text_from(detail)) < 0)
        fail_msg("'%s' does not say '%s'", set->client.detail, detail);
    assert_int_equal(set->client.opens, 0);
    run_until(set->loop, has_failed, &set->server);
    set_disconnect(set);
}

static void test_names(void **state)
{
    struct set set;
    set_open(&set);
    assert_false(exchange_once(&set, "gate.test"));
    assert_false(exchange_once(&set, "127.0.0.1"));
    expect_refusal(&set, "other.test", ERROR_TLS_CERTIFICATE, "mismatch");
    expect_refusal(&set, "127.0.0.2", ERROR_TLS_CERTIFICATE, "mismatch");
    set_close(&set);
}

static void test_expired(void **state)
{
    struct set set;
    set_open(&set);
    tls_context_release(set.server_context);
    set.server_context = make_leaf_context(&set, "DNS:gate.test", -60);
    expect_refusal(&set, "gate.test", ERROR_TLS_CERTIFICATE, "certificate has expired: /CN=leaf");
    set_close(&set);
}

static void test_untrusted(void **state)
{
    struct set set;
    set_open(&set);
    tls_context_release(set.client_context);
    set.client_context = make_client_context(set.stranger.path, NULL);
    expect_refusal(&set, "gate.test", ERROR_TLS_CERTIFICATE, "unable to get local issuer");
    set_close(&set);
}

static void test_certificate_by_name(void **state)
{
    struct set set;
    set_open(&set);
    struct leaf leaves[] = {
        make_leaf(&set.files, &set.authority, "DNS:first.test", 3600),
        make_leaf(&set.files, &set.authority, "DNS:*.second.test", 3600),
        make_leaf(&set.files, &set.authority, "DNS:third.test,DNS:fourth.test", 3600),
    };
    struct tls_certificate_files files[3];
    for (size_t i = 0; i < 3; i++)
        files[i] = (struct tls_certificate_files){leaves[i].certificate_path, leaves[i].key_path};
    tls_context_release(set.server_context);
    set.server_context = make_server_context(files, 3, NULL, false, NULL);
    exchange_once(&set, "first.test");
    exchange_once(&set, "a.second.test");
    exchange_once(&set, "fourth.test");
    expect_refusal(&set, "unknown.test", ERROR_TLS_CERTIFICATE, "mismatch");
    set_close(&set);
}

/* A plain-text client is told nothing and is no harm. */
static void test_plain_text_at_the_door(void **state)
{
    struct set set;
    set_open(&set);
    make_tcp_pair_at(set.listening, set.descriptors);
    endpoint_open(&set.server, set.loop, set.descriptors[1], set.server_context, true, NULL);
    assert_int_equal(write(set.descriptors[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    run_until(set.loop, has_failed, &set.server);
    assert_int_equal(set.server.error, ERROR_TLS_HANDSHAKE);
    assert_string_equal(set.server.detail, "http request");
    close(set.descriptors[0]);
    endpoint_close(&set.server);
    set_close(&set);
}

static void test_peer_leaves_during_handshake(void **state)
{
    struct set set;
    set_open(&set);
    make_tcp_pair_at(set.listening, set.descriptors);
    endpoint_open(&set.server, set.loop, set.descriptors[1], set.server_context, true, NULL);
    close(set.descriptors[0]);
    run_until(set.loop, has_failed, &set.server);
    assert_int_equal(set.server.error, ERROR_RESET);
    endpoint_close(&set.server);
    set_close(&set);
}

/* ---- client certificates ---- */

static void set_ask_clients(struct set *set, bool required, const struct leaf *own)
{
    struct leaf leaf = make_leaf(&set->files, &set->authority, "DNS:gate.test", 3600);
    struct tls_certificate_files files = {leaf.certificate_path, leaf.key_path};
    tls_context_release(set->server_context);
    tls_context_release(set->client_context);
    set->server_context = make_server_context(&files, 1, set->authority.path, required, NULL);
    set->client_context = make_client_context(set->authority.path, own);
}

static void test_client_certificates(void **state)
{
    struct set set;
    set_open(&set);
    struct leaf good = make_leaf(&set.files, &set.authority, "DNS:client.test", 3600);
    struct leaf bad = make_leaf(&set.files, &set.stranger, "DNS:client.test", 3600);
    set_ask_clients(&set, true, &good);
    exchange_once(&set, "gate.test");
    set_ask_clients(&set, false, NULL);
    exchange_once(&set, "gate.test");
    const struct leaf *refused[] = {NULL, &bad};
    for (size_t i = 0; i < 2; i++) {
        set_ask_clients(&set, true, refused[i]);
        set_connect(&set, "gate.test");
        run_until(set.loop, has_failed, &set.server);
        assert_int_equal(set.server.error, ERROR_TLS_CERTIFICATE);
        assert_int_equal(set.server.opens, 0);
        run_until(set.loop, has_failed, &set.client);
        assert_int_equal(set.client.error, ERROR_TLS_CERTIFICATE);
        set_disconnect(&set);
    }
    set_close(&set);
}

/* ---- resumption ---- */

static void check_resumption(int version)
{
    struct set set;
    set_open(&set);
    SSL_CTX_set_max_proto_version(set.client_context->contexts[0], version);
    assert_false(exchange_once(&set, "gate.test"));
    for (unsigned i = 0; i < 10; i++)
        assert_true(exchange_once(&set, "gate.test"));
    assert_false(exchange_once(&set, "127.0.0.1")); /* another name: nothing to resume */
    set_close(&set);
}

static void test_resumption(void **state)
{
    check_resumption(TLS1_2_VERSION);
    check_resumption(TLS1_3_VERSION);
}

/* Old versions are not spoken. */
static void test_old_version(void **state)
{
    struct set set;
    set_open(&set);
    SSL_CTX *ctx = set.client_context->contexts[0];
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    set_connect(&set, "gate.test");
    run_until(set.loop, has_failed, &set.server);
    assert_int_equal(set.server.error, ERROR_TLS_HANDSHAKE);
    set_disconnect(&set);
    set_close(&set);
}

static void check_reload(int version, bool keeps_keys, bool asks_clients, bool expected)
{
    struct set set;
    set_open(&set);
    struct leaf leaf = make_leaf(&set.files, &set.authority, "DNS:gate.test", 3600);
    struct tls_certificate_files files = {leaf.certificate_path, leaf.key_path};
    SSL_CTX_set_max_proto_version(set.client_context->contexts[0], version);
    assert_false(exchange_once(&set, "gate.test"));
    struct tls_context *before = set.server_context;
    const char *authority = asks_clients ? set.authority.path : NULL;
    set.server_context =
        make_server_context(&files, 1, authority, false, keeps_keys ? before : NULL);
    tls_context_release(before);
    assert_int_equal(exchange_once(&set, "gate.test"), expected);
    assert_true(exchange_once(&set, "gate.test"));
    set_close(&set);
}

static void test_reload_keeps_old_tickets(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LENGTH(versions); i++) {
        check_reload(versions[i], true, false, true);
        check_reload(versions[i], false, false, false);
        /* A ticket must not lead round client certificates that were not asked for when it was
         * given. */
        check_reload(versions[i], true, true, false);
    }
}

/* Many peers: the cache stays within its bound and goes on working. */
static void test_sessions_are_bounded(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    set_disconnect(&set);
    for (unsigned i = 0; i < 3 * TLS_SESSIONS_MAXIMUM; i++) {
        char peer[32];
        snprintf(peer, sizeof(peer), "peer%u:443", i);
        SSL_SESSION *session = SSL_SESSION_new();
        SSL_SESSION_set_protocol_version(session, i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
        tls_context_keep_session(set.client_context, peer, session);
    }
    assert_null(tls_context_take_session(set.client_context, "peer0:443"));
    SSL_SESSION *last = tls_context_take_session(set.client_context, "peer383:443");
    assert_non_null(last);
    SSL_SESSION_free(last);
    assert_null(
        tls_context_take_session(set.client_context, "peer383:443")); /* TLS 1.3: used once */
    for (unsigned i = 0; i < 2; i++) {
        last = tls_context_take_session(set.client_context, "peer382:443");
        assert_non_null(last);
        SSL_SESSION_free(last);
    }
    set_close(&set);
}

/* ---- ends ---- */

static void test_close_notify_is_an_end(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    endpoint_write(&set.server, "whole");
    connection_finish(set.server.connection);
    set.server.connection = NULL;
    run_until(set.loop, has_ended, &set.client);
    expect_received(&set.client, "whole");
    assert_string_equal(set.client.order, "ode");
    assert_int_equal(set.client.failures, 0);
    set_disconnect(&set);
    set_close(&set);
}

static void test_cut_is_a_failure(void **state)
{
    struct set set;
    for (unsigned way = 0; way < 2; way++) {
        set_open(&set);
        set_connect(&set, "gate.test");
        run_until(set.loop, has_opened, &set.client);
        endpoint_write(&set.server, "half");
        run_until(set.loop, has_data, &set.client);
        if (way == 0)
            shutdown(set.descriptors[1], SHUT_WR); /* FIN without close_notify */
        else
            connection_abort(set.server.connection);
        if (way == 1)
            set.server.connection = NULL;
        run_until(set.loop, has_failed, &set.client);
        assert_int_equal(set.client.error, ERROR_RESET);
        assert_int_equal(set.client.ends, 0);
        expect_received(&set.client, "half");
        set_disconnect(&set);
        set_close(&set);
    }
}

static void test_garbage_is_a_failure(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    run_until(set.loop, has_opened, &set.server);
    assert_int_equal(write(set.descriptors[1], "this is no record", 17), 17);
    run_until(set.loop, has_failed, &set.client);
    assert_int_equal(set.client.error, ERROR_TLS_PROTOCOL);
    assert_true(set.client.detail[0] != '\0');
    set_disconnect(&set);
    set_close(&set);
}

/* ---- bytes ---- */

#define BIG (1024u * 1024u)

static bool has_big(void *owner)
{
    return ((struct endpoint *)owner)->received.length >= BIG;
}

static void test_megabyte_each_way(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    char *bytes = make_pattern(BIG);
    struct text part = text_of(bytes, BIG);
    assert_true(connection_write(set.client.connection, &part, 1));
    assert_true(connection_write(set.server.connection, &part, 1));
    run_until(set.loop, has_big, &set.client);
    run_until(set.loop, has_big, &set.server);
    expect_pattern(&set.client.received, BIG);
    expect_pattern(&set.server.received, BIG);
    assert_int_equal(connection_bytes_sent(set.client.connection), BIG);
    assert_int_equal(connection_bytes_received(set.client.connection), BIG);
    free(bytes);
    set_disconnect(&set);
    set_close(&set);
}

static void test_back_pressure(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    run_until(set.loop, has_opened, &set.server);
    set.client.received.maximum = 8u * BIG;
    const size_t size = 4u * BIG;
    char *bytes = make_pattern(size);
    size_t done = 0;
    connection_pause(set.client.connection);
    /* Write in odd pieces until congested, then drain: over and over. */
    for (size_t step = 1; done < size; step = step * 7 % 30011 + 1) {
        struct text part = text_first(text_of(bytes + done, size - done), step);
        assert_true(connection_write(set.server.connection, &part, 1));
        done += part.length;
        if (connection_is_congested(set.server.connection)) {
            connection_resume(set.client.connection);
            while (connection_is_congested(set.server.connection))
                run_for(set.loop, MILLISECOND);
            connection_pause(set.client.connection);
        }
    }
    connection_resume(set.client.connection);
    connection_finish(set.server.connection);
    set.server.connection = NULL;
    run_until(set.loop, has_ended, &set.client);
    expect_pattern(&set.client.received, size);
    free(bytes);
    set_disconnect(&set);
    set_close(&set);
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
    struct text left = text_of(offering->bytes + offering->done, offering->size - offering->done);
    offering->done += connection_offer(endpoint->connection, &left, 1);
    assert_true(connection_queued(endpoint->connection) <= 16384); /* a record under way */
}

/* More than the kernel takes at once: it may hold 4 MiB that were sent (tcp_wmem), and some of what
 * is to be read. */
#define OFFERED (16u * BIG)

static bool has_all_offered(void *owner)
{
    return ((struct endpoint *)owner)->received.length >= OFFERED;
}

static void test_offer(void **state)
{
    static const struct connection_events events = {
        .on_data = endpoint_data, .on_failed = endpoint_failed, .on_drained = offer_more};
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    run_until(set.loop, has_opened, &set.server);
    struct offering offering = {.size = OFFERED};
    offering.bytes = make_pattern(offering.size);
    set.server.more = &offering;
    connection_set_owner(set.server.connection, &events, &set.server);
    offer_more(&set.server);
    assert_true(offering.done > 0 && offering.done < offering.size);
    run_until(set.loop, has_all_offered, &set.client);
    assert_int_equal(offering.done, offering.size);
    expect_pattern(&set.client.received, offering.size);
    free(offering.bytes);
    set_disconnect(&set);
    set_close(&set);
}

static void pause_once(struct endpoint *endpoint)
{
    endpoint->then = NULL;
    connection_pause(endpoint->connection);
}

/* What OpenSSL holds already wakes nobody: resuming must find it, and the end behind it. */
static void test_pause_with_bytes_inside(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    run_until(set.loop, has_opened, &set.server);
    char *bytes = make_pattern(BIG);
    struct text part = text_of(bytes, BIG);
    set.client.then = pause_once;
    connection_write(set.server.connection, &part, 1);
    connection_finish(set.server.connection);
    set.server.connection = NULL;
    run_until(set.loop, has_data, &set.client);
    run_for(set.loop, 20 * MILLISECOND);
    assert_true(set.client.received.length <= LOOP_READ_BUFFER_SIZE);
    assert_int_equal(set.client.ends, 0);
    connection_resume(set.client.connection);
    run_until(set.loop, has_ended, &set.client);
    expect_pattern(&set.client.received, BIG);
    free(bytes);
    set_disconnect(&set);
    set_close(&set);
}

static void test_small_bytes_then_pause_then_end(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    run_until(set.loop, has_opened, &set.server);
    set.client.then = pause_once;
    endpoint_write(&set.server, "a"); /* both records and close_notify arrive together */
    endpoint_write(&set.server, "b");
    connection_finish(set.server.connection);
    set.server.connection = NULL;
    run_for(set.loop, 20 * MILLISECOND);
    assert_int_equal(set.client.ends, 0);
    connection_resume(set.client.connection);
    run_until(set.loop, has_ended, &set.client);
    expect_received(&set.client, "ab");
    set_disconnect(&set);
    set_close(&set);
}

static void test_stale(void **state)
{
    struct set set;
    set_open(&set);
    set_connect(&set, "gate.test");
    run_until(set.loop, has_opened, &set.client);
    run_until(set.loop, has_opened, &set.server); /* its tickets are on their way: no staleness */
    assert_false(connection_is_stale(set.client.connection));
    run_for(set.loop, 5 * MILLISECOND);
    assert_false(connection_is_stale(set.client.connection));
    endpoint_write(&set.server, "unasked");
    struct pollfd readable = {set.descriptors[0], POLLIN, 0};
    assert_int_equal(poll(&readable, 1, 1000), 1);
    assert_true(connection_is_stale(set.client.connection));
    run_until(set.loop, has_data, &set.client);
    assert_false(connection_is_stale(set.client.connection));
    connection_close(set.server.connection);
    set.server.connection = NULL;
    assert_int_equal(poll(&readable, 1, 1000), 1);
    assert_true(connection_is_stale(set.client.connection));
    set_disconnect(&set);
    set_close(&set);
}

/* ---- contexts ---- */

static void expect_reason(enum error error, const char *reason, const char *expected)
{
    assert_int_equal(error, ERROR_ARGUMENT);
    if (text_find(text_from(reason), text_from(expected)) < 0)
        fail_msg("'%s' does not say '%s'", reason, expected);
}

static void test_bad_files(void **state)
{
    struct set set;
    set_open(&set);
    struct leaf one = make_leaf(&set.files, &set.authority, "DNS:one.test", 3600);
    struct leaf other = make_leaf(&set.files, &set.authority, "DNS:other.test", 3600);
    struct tls_context *context;
    char reason[TLS_REASON_SIZE];
    struct tls_certificate_files files = {"/nonexistent.pem", one.key_path};
    struct tls_server_settings settings = {&files, 1, NULL, false};
    expect_reason(tls_server_context_create(&settings, NULL, &context, reason), reason,
                  "certificate /nonexistent.pem cannot be used");
    files = (struct tls_certificate_files){one.certificate_path, other.key_path};
    expect_reason(tls_server_context_create(&settings, NULL, &context, reason), reason,
                  other.key_path);
    files = (struct tls_certificate_files){one.certificate_path, one.certificate_path};
    expect_reason(tls_server_context_create(&settings, NULL, &context, reason), reason, "key ");
    files = (struct tls_certificate_files){one.certificate_path, one.key_path};
    settings.client_authority_path = "/nonexistent.pem";
    expect_reason(tls_server_context_create(&settings, NULL, &context, reason), reason,
                  "client authorities /nonexistent.pem");
    settings.certificate_count = 0;
    expect_reason(tls_server_context_create(&settings, NULL, &context, reason), reason,
                  "between 1 and");
    struct tls_client_settings client = {.authority_path = "/nonexistent.pem"};
    expect_reason(tls_client_context_create(&client, &context, reason), reason,
                  "authorities /nonexistent.pem");
    client = (struct tls_client_settings){.certificate_path = one.certificate_path,
                                          .key_path = other.key_path};
    expect_reason(tls_client_context_create(&client, &context, reason), reason,
                  "key values mismatch");
    assert_null(context);
    set_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_untrusted),
        cmocka_unit_test(test_certificate_by_name),
        cmocka_unit_test(test_plain_text_at_the_door),
        cmocka_unit_test(test_peer_leaves_during_handshake),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_old_version),
        cmocka_unit_test(test_reload_keeps_old_tickets),
        cmocka_unit_test(test_sessions_are_bounded),
        cmocka_unit_test(test_close_notify_is_an_end),
        cmocka_unit_test(test_cut_is_a_failure),
        cmocka_unit_test(test_garbage_is_a_failure),
        cmocka_unit_test(test_megabyte_each_way),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_offer),
        cmocka_unit_test(test_pause_with_bytes_inside),
        cmocka_unit_test(test_small_bytes_then_pause_then_end),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
