/* Lists of models on a clock turned by hand: who waits for a provider, what is told while it is
 * asked again, and when it is. */
#include "road.h"

#include "exchange/model_lists.h"

static const char pattern[] = "listeners:\n"
                              "  main: {address: \"127.0.0.1:8080\"}\n"
                              "providers:\n"
                              "  a: {type: demo}\n"
                              "models:\n"
                              "  gone: {targets: [{provider: a, model: m}]}\n"
                              "  \"*\": {targets: [{provider: a}]}\n";

#define MODELS "/v1/models"
#define JSON   "application/json"
#define LISTED(name)                                                                      \
    "{\"object\":\"list\",\"data\":[{\"id\":\"gone\",\"object\":\"model\",\"created\":0," \
    "\"owned_by\":\"a\"},{\"id\":\"" name                                                 \
    "\",\"object\":\"model\",\"created\":7,\"owned_by\":\"a\"}]}"
#define SAID(name) \
    "{\"data\":[{\"id\":\"" name "\",\"created\":7},{\"id\":\"of-others\",\"created\":8}]}"

static int set_up(void **state)
{
    const char *yaml = *state;
    struct road *road = calloc(1, sizeof(*road));
    reader_register();
    road_open(road, yaml);
    /* Reached within the process as the built-in one is, it speaks like OpenAI. */
    road->worker.upstreams->rows[0].settings.provider = provider_find(TEXT("openai"));
    road->worker.model_lists = model_lists_create();
    assert_non_null(road->worker.model_lists);
    *state = road;
    return 0;
}

static int tear_down(void **state)
{
    struct road *road = *state;
    model_lists_leave(&road->worker);
    struct model_lists *lists = road->worker.model_lists;
    road_close(road);
    model_lists_free(lists);
    reader_unregister();
    free(road);
    return 0;
}

static void forget_what_was_told(struct road *road)
{
    wire_drain(&road->caller, road->worker.loop);
    wire_forget(&road->caller);
}

static void forget_what_was_asked(struct road *road, size_t up)
{
    wire_drain(&road->ups[up], road->worker.loop);
    wire_forget(&road->ups[up]);
}

static void test_the_first_waits_and_later_ones_do_not(void **state)
{
    struct road *road = *state;
    ask(road, MODELS, "");
    expect_not_told(road, "HTTP/1.1");
    expect_asked(road, 0, "GET /models HTTP/1.1\r\n");
    up_answers(road, 0, JSON, SAID("fast"));
    expect_told(road, LISTED("fast")); /* what the key may not use is not told */
    forget_what_was_told(road);
    forget_what_was_asked(road, 0);
    ask(road, MODELS, "");
    expect_told(road, LISTED("fast"));
    wire_drain(&road->ups[0], road->worker.loop);
    assert_int_equal(road->ups[0].received.length, 0);
    ask(road, MODELS "/fast", "");
    expect_told(road, "{\"id\":\"fast\",\"object\":\"model\",\"created\":7,\"owned_by\":\"a\"}");
}

static void test_an_old_list_serves_while_it_is_asked_for_again(void **state)
{
    struct road *road = *state;
    ask(road, MODELS, "");
    up_answers(road, 0, JSON, SAID("fast"));
    forget_what_was_told(road);
    road_wait(road,
              (MODEL_LIST_FRESH_SECONDS + 1) * SECOND); /* its connection is closed meanwhile */
    road_connect(road);
    ask(road, MODELS, "");
    expect_told(road, LISTED("fast"));
    expect_asked(road, 1, "GET /models HTTP/1.1\r\n");
    up_says(road, 1, "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
    forget_what_was_asked(road, 1);
    forget_what_was_told(road);
    ask(road, MODELS, ""); /* down: what it said before is told, and it is left alone */
    expect_told(road, LISTED("fast"));
    wire_drain(&road->ups[1], road->worker.loop);
    assert_int_equal(road->ups[1].received.length, 0);
    road_wait(road, (MODEL_LIST_PAUSE_SECONDS + 1) * SECOND);
    forget_what_was_told(road);
    ask(road, MODELS, "");
    expect_told(road, LISTED("fast"));
    expect_asked(road, 1, "GET /models HTTP/1.1\r\n");
    up_answers(road, 1, JSON, SAID("one"));
    forget_what_was_told(road);
    ask(road, MODELS, "");
    expect_told(road, LISTED("one"));
}

static void test_a_silent_provider_is_not_waited_for_long(void **state)
{
    struct road *road = *state;
    ask(road, MODELS, "");
    road_wait(road, (MODEL_LIST_WAIT_SECONDS - 1) * SECOND);
    expect_not_told(road, "HTTP/1.1");
    road_wait(road, 2 * SECOND);
    expect_told(road, "{\"object\":\"list\",\"data\":[{\"id\":\"gone\",\"object\":\"model\","
                      "\"created\":0,\"owned_by\":\"a\"}]}");
}

static void test_the_caller_leaves_while_it_waits(void **state)
{
    struct road *road = *state;
    ask(road, MODELS, "");
    wire_close(&road->caller);
    road_turn(road);
    up_answers(road, 0, JSON, SAID("fast"));
    road_connect(road);
    ask(road, MODELS, "");
    expect_told(road, LISTED("fast"));
}

static void test_what_is_no_list_changes_nothing(void **state)
{
    struct road *road = *state;
    ask(road, MODELS, "");
    up_answers(road, 0, JSON, "{\"data\":7}");
    expect_told(road, "\"data\":[{\"id\":\"gone\",\"object\":\"model\",\"created\":0,"
                      "\"owned_by\":\"a\"}]}");
}

int main(void)
{
#define REPLAY(test)                                               \
    {                                                              \
#test, test, set_up, tear_down, (void *)(uintptr_t)pattern \
    }
    const struct CMUnitTest tests[] = {
        REPLAY(test_the_first_waits_and_later_ones_do_not),
        REPLAY(test_an_old_list_serves_while_it_is_asked_for_again),
        REPLAY(test_a_silent_provider_is_not_waited_for_long),
        REPLAY(test_the_caller_leaves_while_it_waits),
        REPLAY(test_what_is_no_list_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
