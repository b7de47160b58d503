/* Requests to the admin API without a socket: every answer is JSON with the status that it says,
 * and random and damaged requests end in an answer, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "admin/call.h"

static char directory[64];
static struct office office;
static struct credential credential = {
    .id = TEXT_INIT("0123456789ab"), .name = TEXT_INIT("alice"), .role = ADMIN_OWNER};

static int set_up(void **state)
{
    const struct office_settings settings = {.data = directory};
    (void)snprintf(directory, sizeof directory, "/tmp/turnpike-call-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return 1;
    credential.role = ADMIN_OWNER;
    return office_open(&office, &settings) != ERROR_OK;
}

static int tear_down(void **state)
{
    char command[128];
    office_close(&office);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    return system(command) == 0 ? 0 : 1;
}

struct said {
    unsigned status;
    char code[64]; /* of an error */
    char etag[32];
};

static void read_error(const struct admin_call *call, struct said *said)
{
    yyjson_doc *document = yyjson_read(call->out.data, call->out.length, 0);
    struct text code = {0};
    assert_non_null(document);
    yyjson_val *error = yyjson_obj_get(yyjson_doc_get_root(document), "error");
    if (json_get_text(error, "code", &code) == JSON_PRESENT)
        text_copy_to(code, said->code, sizeof said->code);
    assert_int_equal(error != NULL, call->status >= 400);
    yyjson_doc_free(document);
}

static struct said ask_matching(enum http1_method method, const char *target, struct text body,
                                const char *if_match)
{
    struct admin_call call;
    struct said said = {0};
    call_open(&call, &office);
    call.method = method;
    call.target = text_from(target);
    call.body = body;
    call.if_match = text_from(if_match);
    call.request_id = TEXT("req_0");
    call.source = TEXT("unix");
    call.credential = &credential;
    call_answer(&call);
    said.status = call.status;
    assert_in_range(call.status, 200, 599);
    assert_int_equal(call.content_type == NULL, call.status == 204);
    if (call.content_type)
        read_error(&call, &said);
    ptrdiff_t at = text_find(buffer_text(&call.headers), TEXT("etag: "));
    if (at >= 0)
        text_copy_to(text_from_index(buffer_text(&call.headers), (size_t)at + 6), said.etag, 19);
    call_close(&call);
    return said;
}

static struct said ask(enum http1_method method, const char *target, const char *body)
{
    return ask_matching(method, target, text_from(body), NULL);
}

static void refused(unsigned status, const char *code, struct said said)
{
    assert_string_equal(said.code, code);
    assert_int_equal(said.status, status);
}

static void test_routes(void **state)
{
    assert_int_equal(ask(HTTP1_GET, "/admin/v1/teams", NULL).status, 200);
    assert_int_equal(ask(HTTP1_HEAD, "/admin/v1/teams", NULL).status, 200);
    assert_int_equal(ask(HTTP1_OPTIONS, "/admin/v1/teams", NULL).status, 204);
    assert_int_equal(ask(HTTP1_GET, "/admin/v1/openapi.json", NULL).status, 200);
    refused(405, "method_not_allowed", ask(HTTP1_PUT, "/admin/v1/teams", NULL));
    static const char *const nowhere[] = {"/",
                                          "",
                                          "*",
                                          "/admin/v1",
                                          "/admin/v1/",
                                          "/admin/v1/teams/",
                                          "/admin/v1/teams/a/b",
                                          "/admin/v1//teams",
                                          "/admin/v2/teams",
                                          "/ADMIN/v1/teams",
                                          "/admin/v1/budgets//raise",
                                          "/admin/v1/{id}"};
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
        refused(404, "unknown_url", ask(HTTP1_GET, nowhere[i], NULL));
}

static void test_parameters(void **state)
{
    assert_int_equal(ask(HTTP1_GET, "/admin/v1/teams?", NULL).status, 200);
    assert_int_equal(ask(HTTP1_GET, "/admin/v1/teams?&&limit=1&", NULL).status, 200);
    assert_int_equal(ask(HTTP1_GET, "/admin/v1/teams?%6cimit=%31", NULL).status, 200);
    refused(400, "unknown_parameter", ask(HTTP1_GET, "/admin/v1/teams?=", NULL));
    refused(400, "unknown_parameter", ask(HTTP1_GET, "/admin/v1/teams?limits=1", NULL));
    refused(400, "invalid_value", ask(HTTP1_GET, "/admin/v1/teams?limit=1&limit=1", NULL));
    refused(400, "invalid_value", ask(HTTP1_GET, "/admin/v1/teams?limit", NULL));
    refused(400, "bad_request", ask(HTTP1_GET, "/admin/v1/teams?limit=%", NULL));
    refused(400, "bad_request", ask(HTTP1_GET, "/admin/v1/teams?limit=%3", NULL));
    refused(400, "bad_request", ask(HTTP1_GET, "/admin/v1/teams/%g0", NULL));
    refused(404, "not_found", ask(HTTP1_GET, "/admin/v1/teams/%00", NULL));
}

static void test_changes(void **state)
{
    struct said made = ask(HTTP1_POST, "/admin/v1/teams", "{\"name\":\"a b\"}");
    assert_int_equal(made.status, 201);
    assert_int_equal(strlen(made.etag), 18);
    struct said shown = ask(HTTP1_GET, "/admin/v1/teams/a%20b", NULL);
    assert_string_equal(shown.etag, made.etag);
    struct text title = TEXT("{\"title\":\"x\"}");
    struct said edited = ask_matching(HTTP1_PATCH, "/admin/v1/teams/a%20b", title, made.etag);
    assert_int_equal(edited.status, 200);
    assert_string_not_equal(edited.etag, made.etag);
    refused(412, "precondition_failed",
            ask_matching(HTTP1_PATCH, "/admin/v1/teams/a%20b", title, made.etag));
    refused(412, "precondition_failed",
            ask_matching(HTTP1_PATCH, "/admin/v1/teams/a%20b", title, ""));
    assert_int_equal(ask(HTTP1_DELETE, "/admin/v1/teams/a%20b", NULL).status, 204);
    refused(404, "not_found", ask(HTTP1_DELETE, "/admin/v1/teams/a%20b", NULL));
}

static void test_roles_of_the_table(void **state)
{
    credential.role = ADMIN_FINANCE;
    assert_int_equal(ask(HTTP1_GET, "/admin/v1/teams", NULL).status, 200);
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        char target[128];
        /* What is asked about a key found somewhere is in a body because it is a secret; who signs
         * in has no role yet, and everybody may sign out. */
        if (routes[i].method == HTTP1_GET || text_equal(routes[i].path, TEXT("/leaked_keys")) ||
            routes[i].who == ROUTE_WHO_OPEN || i == ROUTE_SESSION_END)
            continue;
        (void)snprintf(target, sizeof target, ROUTES_PREFIX "%.*s", TEXT_ARG(routes[i].path));
        refused(403, "forbidden", ask(routes[i].method, target, "{}"));
    }
}

static uint64_t dice = 1;

static unsigned throw(unsigned sides)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(dice >> 33) % sides;
}

/* Right requests with bytes changed, cut and doubled. */
static void test_damaged_requests(void **state)
{
    static const char *const targets[] = {
        "/admin/v1/teams?limit=3&cursor=74303", "/admin/v1/keys/0123456789ab/rotate",
        "/admin/v1/budgets?team=a%20b&key=0123", "/admin/v1/audit?since=2h&kind=team",
        "/admin/v1/usage?by=team,day&tag=env%3Dprod"};
    static const char *const bodies[] = {
        "{\"name\":\"a\",\"models\":[\"gpt-*\",\"o4\"],\"tags\":{\"env\":\"prod\"}}",
        "{\"team\":\"a\",\"amount\":\"12.50\",\"period\":\"day\",\"alerts\":[50,100]}",
        "{\"grace\":\"24h\",\"amount\":1e3,\"until\":null,\"soft\":true}"};
    for (unsigned round = 0; round < 4000; round++) {
        char target[128], body[160];
        text_copy_to(text_from(targets[throw(5)]), target, sizeof target);
        text_copy_to(text_from(bodies[throw(3)]), body, sizeof body);
        for (unsigned i = throw(4); i > 0; i--)
            target[10 + throw((unsigned)strlen(target) - 10)] = (char)(1 + throw(127));
        for (unsigned i = throw(4); i > 0; i--)
            body[throw((unsigned)strlen(body))] = (char)(1 + throw(255));
        size_t length = throw(3) ? strlen(body) : throw((unsigned)strlen(body) + 1);
        char *exact = malloc(length + 1); /* an overrun shows at its end */
        memcpy(exact, body, length);
        (void)ask_matching((enum http1_method) throw(HTTP1_OPTIONS + 1), target,
                           text_of(exact, length), throw(2) ? "\"x\"" : NULL);
        free(exact);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_routes),           TEST(test_parameters),
        TEST(test_changes),          TEST(test_roles_of_the_table),
        TEST(test_damaged_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
