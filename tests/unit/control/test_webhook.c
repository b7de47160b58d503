/* What a webhook's message is signed with, its id, and what is shown of a URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/webhook.h"

/* The vector of the Standard Webhooks libraries' own tests. */
static void test_signature(void **state)
{
    char out[WEBHOOK_SIGNATURE_SIZE];
    const struct text id = TEXT("msg_p5jXN8AQM9LWM0D4loKWxJek"),
                      body = TEXT("{\"test\": 2432232314}");

    assert_true(
        webhook_sign(TEXT("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), id, 1614265330, body, out));
    assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void test_secrets(void **state)
{
    char raw[WEBHOOK_SIGNATURE_SIZE], encoded[WEBHOOK_SIGNATURE_SIZE];
    const struct text id = TEXT("msg_1"), body = TEXT("{}");

    assert_true(webhook_sign(TEXT("sixteen bytes it"), id, 1, body, raw));
    assert_true(webhook_sign(TEXT("whsec_c2l4dGVlbiBieXRlcyBpdA=="), id, 1, body, encoded));
    assert_string_equal(raw, encoded);
    assert_false(webhook_sign(TEXT(""), id, 1, body, raw));
    assert_false(webhook_sign(TEXT("whsec_"), id, 1, body, raw));
    assert_false(webhook_sign(TEXT("whsec_not base64!"), id, 1, body, raw));
    assert_false(webhook_sign(TEXT("whsec_abc"), id, 1, body, raw));
}

static void test_ids(void **state)
{
    char one[WEBHOOK_ID_SIZE], again[WEBHOOK_ID_SIZE], other[WEBHOOK_ID_SIZE];

    webhook_make_id(TEXT("budget x"), 5, one);
    webhook_make_id(TEXT("budget x"), 5, again);
    webhook_make_id(TEXT("budget x"), 6, other);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), WEBHOOK_ID_SIZE - 1);
    assert_null(strchr(one, '.'));
}

static void test_hosts(void **state)
{
    static const struct {
        struct text url;
        const char *shown;
    } rows[] = {
        {TEXT_INIT("https://hooks.example.com/services/SECRET?token=SECRET"),
         "https://hooks.example.com"},
        {TEXT_INIT("http://user:SECRET@[::1]:8080/x"), "http://[::1]:8080"},
        {TEXT_INIT("SECRET"), "(no URL)"},
        {TEXT_INIT(""), "(no URL)"},
    };
    char out[WEBHOOK_HOST_SIZE];

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        webhook_show_host(rows[i].url, out);
        assert_string_equal(out, rows[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
