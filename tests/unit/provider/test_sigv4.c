/* sigv4: the cases of AWS's own signing test suite, Bedrock's paths, and what is refused.
 * tests/property/test_sigv4.py compares with botocore. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "provider/sigv4.h"

#define SUITE_TIME 1440938160u /* 2015-08-30T12:36:00Z */
#define FORM_HASH  "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
#define SUITE_TOKEN                                                                            \
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmx" \
    "fpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0K" \
    "PkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZb" \
    "qBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static const struct sigv4_key suite_key = {
    .access_key_id = TEXT_INIT("AKIDEXAMPLE"),
    .secret_key = TEXT_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
};

struct test_case {
    const char *name, *method, *target, *lines, *token, *body;
    const char *headers; /* the signed ones */
    const char *signature;
};

/* github.com/awslabs/aws-c-auth, tests/aws-signing-test-suite/v4; the folded header as in the
 * suite's first publication. */
static const struct test_case suite[] = {
    {"get-vanilla", "GET", "/", "", "", "", "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-header-key-duplicate", "GET", "/",
     "My-Header1:value2\r\nMy-Header1:value2\r\nMy-Header1:value1\r\n", "", "",
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-multiline", "GET", "/", "My-Header1:value1\r\n  value2\r\n     value3\r\n",
     "", "", "host;my-header1;x-amz-date",
     "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"},
    {"get-header-value-order", "GET", "/",
     "My-Header1:value4\r\nMy-Header1:value1\r\nMy-Header1:value3\r\nMy-Header1:value2\r\n", "", "",
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim", "GET", "/", "My-Header1: value1\r\nMy-Header2: \"a   b   c\"\r\n", "",
     "", "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-relative-normalized", "GET", "/example/..", "", "", "", "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative-normalized", "GET", "/example1/example2/../..", "", "", "",
     "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-normalized", "GET", "//", "", "", "", "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-dot-slash-normalized", "GET", "/./", "", "", "", "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-pointless-dot-normalized", "GET", "/./example", "", "", "", "host;x-amz-date",
     "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
    {"get-slashes-normalized", "GET", "//example//", "", "", "", "host;x-amz-date",
     "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {"get-space-normalized", "GET", "/example space/", "", "", "", "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"get-unreserved", "GET", "/" UNRESERVED, "", "", "", "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/\xe1\x88\xb4", "", "", "", "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-vanilla-empty-query-key", "GET", "/?Param1=value1", "", "", "", "host;x-amz-date",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-encoded", "GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "",
     "", "", "host;x-amz-date", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", "", "", "",
     "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-unreserved", "GET", "/?" UNRESERVED "=" UNRESERVED, "", "", "",
     "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query", "GET", "/?\xe1\x88\xb4=bar", "", "", "", "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-vanilla-with-session-token", "GET", "/", "",
     "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267", "",
     "host;x-amz-date;x-amz-security-token",
     "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {"post-sts-header-before", "POST", "/", "", SUITE_TOKEN, "",
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
    {"post-vanilla", "POST", "/", "", "", "", "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-vanilla-query", "POST", "/?Param1=value1", "", "", "", "host;x-amz-date",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-header-key-sort", "POST", "/", "My-Header1:value1\r\n", "", "",
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case", "POST", "/", "My-Header1:VALUE1\r\n", "", "",
     "host;my-header1;x-amz-date",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-x-www-form-urlencoded", "POST", "/",
     "Content-Type:application/x-www-form-urlencoded\r\nContent-Length:13\r\n"
     "x-amz-content-sha256:" FORM_HASH "\r\n",
     "", "Param1=value1", "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
    {"post-x-www-form-urlencoded-parameters", "POST", "/",
     "Content-Type:application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length:13\r\n"
     "x-amz-content-sha256:" FORM_HASH "\r\n",
     "", "Param1=value1", "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
     "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"},
};

/* The last line, which is the authorization, whole. */
static void check(const struct sigv4_key *key, const struct sigv4_request *request,
                  const char *headers, const char *signature)
{
    struct buffer out, expected;
    buffer_open(&out, 65536);
    buffer_open(&expected, 65536);
    buffer_append_format(&expected,
                         "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%s/us-east-1/%s/"
                         "aws4_request, SignedHeaders=%s, Signature=%s\r\n",
                         request->time == SUITE_TIME ? "20150830" : "20260101",
                         request->service.data, headers, signature);
    assert_int_equal(sigv4_sign(key, request, &out), ERROR_OK);
    struct text lines = buffer_text(&out);
    if (!text_ends_with(lines, buffer_text(&expected)))
        print_error("%.*s\n%.*s", TEXT_ARG(lines), TEXT_ARG(buffer_text(&expected)));
    assert_true(text_ends_with(lines, buffer_text(&expected)));
    assert_true(text_starts_with(lines, request->time == SUITE_TIME
                                            ? TEXT("x-amz-date: 20150830T123600Z\r\n")
                                            : TEXT("x-amz-date: 20260101T000000Z\r\n")));
    bool has_token = text_find(lines, TEXT("\r\nx-amz-security-token: ")) > 0;
    assert_int_equal(has_token, !text_empty(key->session_token));
    buffer_close(&out);
    buffer_close(&expected);
}

static void test_suite(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(suite); i++) {
        const struct test_case *test = &suite[i];
        struct sigv4_key key = suite_key;
        struct text body = text_from(test->body);
        key.session_token = text_from(test->token);
        struct sigv4_request request = {
            .method = text_from(test->method),
            .host = TEXT("example.amazonaws.com"),
            .target = text_from(test->target),
            .lines = text_from(test->lines),
            .body = &body,
            .body_count = 1,
            .region = TEXT("us-east-1"),
            .service = TEXT("service"),
            .time = SUITE_TIME,
        };
        print_message("%s\n", test->name);
        check(&key, &request, test->headers, test->signature);
    }
}

static struct sigv4_request bedrock_request(const struct text *body, size_t count)
{
    return (struct sigv4_request){
        .method = TEXT("POST"),
        .host = TEXT("bedrock-runtime.us-east-1.amazonaws.com"),
        .target = TEXT("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"),
        .lines = TEXT("content-type: application/json\r\n"),
        .body = body,
        .body_count = count,
        .region = TEXT("us-east-1"),
        .service = TEXT("bedrock"),
        .time = 1767225600,
    };
}

/* However the body is cut: spliced bodies go out in parts. */
static void test_bedrock(void **state)
{
    struct text body = TEXT("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}");
    for (size_t split = 0; split <= body.length; split++) {
        struct text parts[] = {text_first(body, split), TEXT(""), text_from_index(body, split)};
        struct sigv4_request request = bedrock_request(parts, ARRAY_LENGTH(parts));
        check(&suite_key, &request, "content-type;host;x-amz-date",
              "a89c1d6aa44a808d5303ed39350c676edd399c664a1461b4875fda765df1576b");
    }
}

/* A model may be an ARN, whose slash is no border of the path. */
static void test_arn(void **state)
{
    struct text body = TEXT("{}");
    struct sigv4_request request = bedrock_request(&body, 1);
    request.target =
        TEXT("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile"
             "%2Fus.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream");
    check(&suite_key, &request, "content-type;host;x-amz-date",
          "044af17cb4620524f93e60e1ee2041e2ff5edc280c656334621c937b6f2b781f");
}

/* The lines to sign may be in the very buffer that the others are added to. */
static void test_lines_in_the_same_buffer(void **state)
{
    struct text body = TEXT("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}");
    struct sigv4_request request = bedrock_request(&body, 1);
    struct buffer out;
    buffer_open(&out, 65536);
    buffer_append(&out, request.lines);
    request.lines = buffer_text(&out);
    assert_int_equal(sigv4_sign(&suite_key, &request, &out), ERROR_OK);
    assert_true(text_ends_with(buffer_text(&out),
                               TEXT("Signature=a89c1d6aa44a808d5303ed39350c676edd399c664a1461b4875f"
                                    "da765df1576b\r\n")));
    buffer_close(&out);
}

static void refuse(const struct sigv4_key *key, const struct sigv4_request *request,
                   enum error expected)
{
    struct buffer out;
    buffer_open(&out, 65536);
    assert_int_equal(sigv4_sign(key, request, &out), expected);
    assert_int_equal(out.length, 0);
    buffer_close(&out);
}

static void test_refused_keys(void **state)
{
    static const char *const bad[] = {"a\r\nx-evil: 1", "a b", "a\x7f"};
    struct sigv4_request request = bedrock_request(NULL, 0);
    struct sigv4_key key = suite_key;
    char long_secret[257];
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        key = suite_key;
        key.access_key_id = text_from(bad[i]);
        refuse(&key, &request, ERROR_SYNTAX);
        key = suite_key;
        key.session_token = text_from(bad[i]);
        refuse(&key, &request, ERROR_SYNTAX);
    }
    key = suite_key;
    key.secret_key = TEXT("");
    refuse(&key, &request, ERROR_SYNTAX);
    memset(long_secret, 'x', sizeof(long_secret));
    key.secret_key = text_of(long_secret, sizeof(long_secret));
    refuse(&key, &request, ERROR_LIMIT);
}

static void test_refused_requests(void **state)
{
    struct sigv4_request request = bedrock_request(NULL, 0);
    struct buffer many;
    request.lines = TEXT("no colon\r\n");
    refuse(&suite_key, &request, ERROR_SYNTAX);
    request.lines = TEXT(": no name\r\n");
    refuse(&suite_key, &request, ERROR_SYNTAX);

    buffer_open(&many, 1u << 20);
    for (size_t i = 0; i < SIGV4_HEADERS_MAX - 1; i++) /* host and date come to it */
        buffer_append_format(&many, "x-%zu: 1\r\n", i);
    request.lines = buffer_text(&many);
    refuse(&suite_key, &request, ERROR_LIMIT);

    request = bedrock_request(NULL, 0);
    buffer_clear(&many);
    buffer_append(&many, TEXT("/?a=1"));
    for (size_t i = 0; i < SIGV4_PARAMETERS_MAX; i++)
        buffer_append(&many, TEXT("&a=1"));
    request.target = buffer_text(&many);
    refuse(&suite_key, &request, ERROR_LIMIT);

    buffer_clear(&many);
    for (size_t i = 0; i <= SIGV4_SEGMENTS_MAX; i++)
        buffer_append(&many, TEXT("/a"));
    request.target = buffer_text(&many);
    refuse(&suite_key, &request, ERROR_LIMIT);

    buffer_clear(&many);
    for (size_t i = 0; i < 44u << 10; i++) /* each byte becomes three */
        buffer_append_char(&many, '%');
    request.target = buffer_text(&many);
    refuse(&suite_key, &request, ERROR_LIMIT);
    buffer_close(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),        cmocka_unit_test(test_bedrock),
        cmocka_unit_test(test_arn),          cmocka_unit_test(test_lines_in_the_same_buffer),
        cmocka_unit_test(test_refused_keys), cmocka_unit_test(test_refused_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
