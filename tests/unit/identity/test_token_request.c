/* What the body of an exchange says: forms and JSON alike. */
#include "base/ensure.h"
#include "identity/token_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct arena_pool pool;
static struct arena arena;

static int set_up(void **state)
{
    arena_pool_open(&pool, 1 << 20);
    arena_open(&arena, &pool, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    arena_close(&arena);
    arena_pool_close(&pool);
    return 0;
}

static enum error read_text(const char *body, bool is_form, struct token_request *out)
{
    return token_request_read(text_from(body), is_form, &arena, out);
}

static void expect_problem(const char *body, bool is_form, const char *param)
{
    struct token_request request;

    assert_int_equal(read_text(body, is_form, &request), ERROR_SYNTAX);
    assert_true(text_equal(request.param, text_from(param)));
    assert_non_null(request.problem);
}

static void test_nothing(void **state)
{
    struct token_request request;

    assert_int_equal(read_text("", true, &request), ERROR_OK);
    assert_int_equal(read_text("", false, &request), ERROR_OK);
    assert_int_equal(request.subject_token.length, 0);
    assert_int_equal(request.expires_in, 0);
}

static void test_form(void **state)
{
    struct token_request request;

    assert_int_equal(
        read_text("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3atoken-exchange"
                  "&subject%5Ftoken=eyJ.a%2Bb+c%0A&subject_token_type=" TOKEN_REQUEST_JWT
                  "&scope=&audience=x&expires_in=90&unknown",
                  true, &request),
        ERROR_OK);
    assert_true(text_equal(request.subject_token, TEXT("eyJ.a+b c")));
    assert_int_equal(request.expires_in, 90);
    /* what is no escape stands for itself */
    assert_int_equal(read_text("subject_token=%zz%4", true, &request), ERROR_OK);
    assert_true(text_equal(request.subject_token, TEXT("%zz%4")));
}

static void test_json(void **state)
{
    struct token_request request;

    assert_int_equal(read_text("{\"subject_token\":\"eyJ\",\"expires_in\":7,\"scope\":null,"
                               "\"resource\":[\"x\"]}",
                               false, &request),
                     ERROR_OK);
    assert_true(text_equal(request.subject_token, TEXT("eyJ")));
    assert_int_equal(request.expires_in, 7);
}

static void test_problems(void **state)
{
    expect_problem("[]", false, "");
    expect_problem("{", false, "");
    expect_problem("{\"grant_type\":7}", false, "grant_type");
    expect_problem("{\"grant_type\":[]}", false, "grant_type");
    expect_problem("{\"actor_token\":\"x\"}", false, "actor_token");
    expect_problem("{\"expires_in\":-1}", false, "expires_in");
    expect_problem("{\"expires_in\":1.5}", false, "expires_in");
    expect_problem("{\"expires_in\":0}", false, "expires_in");
    expect_problem("{\"subject_token\":\"a\",\"subject_token\":\"b\"}", false, "subject_token");
    expect_problem("subject_token=a&subject_token=b", true, "subject_token");
    expect_problem("requested_token_type=" TOKEN_REQUEST_JWT, true, "requested_token_type");
    expect_problem("expires_in=99999999999999999999999", true, "expires_in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_problems, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
