/* Whether what a browser sends was meant for us, and by a page of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/origin.h"
#include "base/attributes.h"

static const struct config_console no_name = {.secure = false};
static const struct config_console named = {
    .url = TEXT_INIT("https://turnpike.example"),
    .host = TEXT_INIT("turnpike.example"),
    .secure = true,
};
static const struct origin_door plain = {.port = 8081}, tls = {.secure = true, .port = 8443},
                                socket_door = {.local = true};

static void hosts(void **state)
{
    static const struct {
        const char *host;
        bool at_plain, at_tls, at_named;
    } rows[] = {
        {"127.0.0.1:8081", true, true, true},
        {"[::1]:8081", true, true, true},
        {"10.1.2.3", true, true, true},
        {"localhost:8081", true, true, true},
        {"LocalHost", true, true, true},
        {"turnpike.example", false, true, true},
        {"TURNPIKE.example:443", false, true, true},
        {"attacker.example:8081", false, true, false},
        {"localhost.attacker.example", false, true, false},
        {"127.0.0.1.attacker.example", false, true, false},
        {"", false, false, false},
        {"[::1", false, false, false},
        {":8081", false, false, false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct text host = text_from(rows[i].host);
        assert_int_equal(origin_knows_host(&plain, &no_name, host), rows[i].at_plain);
        assert_int_equal(origin_knows_host(&tls, &no_name, host), rows[i].at_tls);
        assert_int_equal(origin_knows_host(&tls, &named, host), rows[i].at_named);
        assert_int_equal(origin_knows_host(&plain, &named, host), rows[i].at_named);
        assert_true(origin_knows_host(&socket_door, &no_name, host));
    }
}

struct request {
    const char *site, *origin, *host; /* NULL: not sent */
};

static bool is_ours(const struct origin_door *door, const struct config_console *console,
                    const struct request *request)
{
    const struct {
        enum header_id id;
        const char *value;
    } sent[] = {
        {HEADER_SEC_FETCH_SITE, request->site},
        {HEADER_ORIGIN, request->origin},
        {HEADER_HOST, request->host},
    };
    struct http1_header headers[ARRAY_LENGTH(sent)];
    struct http1_head head = {.headers = headers};

    for (size_t i = 0; i < ARRAY_LENGTH(sent); i++) {
        if (!sent[i].value)
            continue;
        headers[head.header_count++] =
            (struct http1_header){.value = text_from(sent[i].value), .id = sent[i].id};
        head.present[sent[i].id / 64] |= 1ull << sent[i].id % 64;
    }
    return origin_is_ours(door, console, &head);
}

static void pages(void **state)
{
    static const struct {
        struct request request;
        bool at_plain, at_tls, behind_proxy;
    } rows[] = {
        {{NULL, NULL, "127.0.0.1:8081"}, true, true, true},
        {{"none", NULL, "127.0.0.1:8081"}, true, true, true},
        {{"same-origin", NULL, "127.0.0.1:8081"}, true, true, true},
        {{"same-site", NULL, "127.0.0.1:8081"}, false, false, false},
        {{"cross-site", NULL, "127.0.0.1:8081"}, false, false, false},
        {{"", NULL, "127.0.0.1:8081"}, false, false, false},
        {{"same-origin", "http://127.0.0.1:8081", "127.0.0.1:8081"}, true, false, true},
        {{"same-origin", "https://127.0.0.1:8081", "127.0.0.1:8081"}, false, true, false},
        {{NULL, "http://127.0.0.1:3000", "127.0.0.1:8081"}, false, false, false},
        {{NULL, "http://127.0.0.1", "127.0.0.1:8081"}, false, false, false},
        {{NULL, "null", "127.0.0.1:8081"}, false, false, false},
        {{NULL, "", "127.0.0.1:8081"}, false, false, false},
        {{NULL, "https://turnpike.example", "127.0.0.1:8081"}, false, false, true},
        {{NULL, "https://turnpike.example.attacker.example", "x"}, false, false, false},
        {{"cross-site", "https://turnpike.example", "turnpike.example"}, false, false, false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(is_ours(&plain, &no_name, &rows[i].request), rows[i].at_plain);
        assert_int_equal(is_ours(&tls, &no_name, &rows[i].request), rows[i].at_tls);
        assert_int_equal(is_ours(&plain, &named, &rows[i].request), rows[i].behind_proxy);
    }
}

static void where_the_console_is(void **state)
{
    static const struct {
        const char *address, *configured, *wanted;
        bool tls;
    } rows[] = {
        {"127.0.0.1:8081", "", "http://127.0.0.1:8081", false},
        {"[::1]:8081", "", "http://[::1]:8081", false},
        {":8443", "", "https://127.0.0.1:8443", true},
        {"0.0.0.0:8443", "", "https://127.0.0.1:8443", true},
        {"10.0.0.1:8443", "", "https://10.0.0.1:8443", true},
        {"127.0.0.1:8081", "https://turnpike.example", "https://turnpike.example", false},
        {"unix:/run/turnpike/admin.sock", "", "", false},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct config config = {.console.url = text_from(rows[i].configured)};
        struct buffer out;
        config.admin.tls_enabled = rows[i].tls;
        assert_int_equal(address_parse(text_from(rows[i].address), &config.admin.address),
                         ERROR_OK);
        buffer_open(&out, 256);
        origin_append_url(&out, &config);
        buffer_append_char(&out, '\0');
        assert_string_equal(out.data, rows[i].wanted);
        buffer_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts),
        cmocka_unit_test(pages),
        cmocka_unit_test(where_the_console_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
