/* conversation: chat requests read into turns, tools and parameters; what is wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "openai/conversation.h"

#define MEMORY_MAX (8u << 20)

struct fixture {
    struct arena arena;
    struct conversation conversation;
    struct conversation_problem problem;
};

static int open_fixture(void **state)
{
    static struct fixture fixture;
    arena_open(&fixture.arena, NULL, MEMORY_MAX);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;
    conversation_close(&fixture->conversation);
    arena_close(&fixture->arena);
    return 0;
}

static enum error read_text(struct fixture *fixture, struct text body)
{
    conversation_close(&fixture->conversation);
    return conversation_read(&fixture->conversation, CONVERSATION_CHAT, body, &fixture->arena,
                             &fixture->problem);
}

static const struct conversation *read_ok(void **state, const char *body)
{
    struct fixture *fixture = *state;
    enum error error = read_text(fixture, text_from(body));
    if (error != ERROR_OK)
        print_error("%.*s %.*s\n", TEXT_ARG(fixture->problem.param),
                    TEXT_ARG(fixture->problem.reason));
    assert_int_equal(error, ERROR_OK);
    return &fixture->conversation;
}

static void assert_text(struct text actual, const char *expected)
{
    if (!text_equal(actual, text_from(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", TEXT_ARG(actual), expected);
}

#define MESSAGES(content) "{\"model\":\"m\",\"messages\":[" content "]}"
#define USER              "{\"role\":\"user\",\"content\":\"hi\"}"
#define ASKING(members)   "{\"model\":\"m\",\"messages\":[" USER "]," members "}"

/* ---- messages ---- */

static void test_roles(void **state)
{
    const struct conversation *conversation = read_ok(
        state, MESSAGES("{\"role\":\"system\",\"content\":\"be kind\"},"
                        "{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]},"
                        "{\"role\":\"user\",\"name\":\"ann\",\"content\":\"hi\"},"
                        "{\"role\":\"assistant\",\"content\":\"\"}"));
    assert_int_equal(conversation->turn_count, 4);
    const struct turn *turns = conversation->turns;
    assert_int_equal(turns[0].role, TURN_SYSTEM);
    assert_false(turns[0].developer);
    assert_text(turns[0].parts[0].text, "be kind");
    assert_true(turns[1].developer);
    assert_string_equal(turns[1].parts[0].path, "messages[1].content[0]");
    assert_text(turns[2].name, "ann");
    assert_int_equal(turns[3].role, TURN_ASSISTANT);
    assert_int_equal(turns[3].part_count, 0); /* empty texts are left out */
}

static void test_media(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        MESSAGES(
            "{\"role\":\"user\",\"content\":["
            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,QUJD\","
            "\"detail\":\"low\"}},"
            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.test/a.png\"}},"
            "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"QQ==\",\"format\":\"mp3\"}},"
            "{\"type\":\"file\",\"file\":{\"filename\":\"a.PDF\",\"file_data\":\"QUJD\"}},"
            "{\"type\":\"file\",\"file\":{\"file_data\":\"data:text/plain;base64,QQ==\"}},"
            "{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]}"));
    const struct part *parts = conversation->turns[0].parts;
    assert_int_equal(conversation->turns[0].part_count, 6);
    assert_text(parts[0].media.mime, "image/png");
    assert_text(parts[0].media.data, "QUJD");
    assert_text(parts[0].media.detail, "low");
    assert_text(parts[1].media.url, "https://x.test/a.png");
    assert_int_equal(parts[2].kind, PART_AUDIO);
    assert_text(parts[2].media.mime, "audio/mpeg");
    assert_text(parts[3].media.mime, "application/pdf");
    assert_text(parts[4].media.mime, "text/plain");
    assert_text(parts[5].media.file_id, "file-1");
}

static void test_tool_calls_and_results(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        MESSAGES(
            USER
            ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
            "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"{\\\"x\\\":1}\"}},"
            "{\"id\":\"b\",\"type\":\"custom\",\"custom\":{\"name\":\"g\",\"input\":\"go\"}}]},"
            "{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"done\"},"
            "{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":[{\"type\":\"text\","
            "\"text\":\"42\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]},"
            "{\"role\":\"tool\",\"tool_call_id\":\"nobody\",\"content\":\"\"}"));
    const struct turn *turns = conversation->turns;
    assert_int_equal(turns[1].part_count, 2);
    assert_text(turns[1].parts[0].arguments, "{\"x\":1}");
    assert_true(turns[1].parts[1].custom);
    assert_text(turns[1].parts[1].text, "go");
    const struct part *result = turns[2].parts;
    assert_int_equal(turns[2].role, TURN_USER);
    assert_int_equal(result->kind, PART_TOOL_RESULT);
    assert_text(result->name, "g");
    assert_true(result->custom);
    assert_text(result->results[0].text, "done");
    assert_text(turns[3].parts->name, "f");
    assert_true(turns[3].parts->cache_mark);
    assert_text(turns[3].parts->cache_ttl, "1h");
    assert_text(turns[4].parts->id, "nobody");
    assert_text(turns[4].parts->name, "");
    assert_int_equal(turns[4].parts->result_count, 0);
}

static void test_legacy_functions(void **state)
{
    struct fixture *fixture = *state;
    const struct conversation *conversation = read_ok(
        state, "{\"model\":\"m\",\"functions\":[{\"name\":\"f\",\"parameters\":{}}],"
               "\"function_call\":{\"name\":\"f\"},\"messages\":[" USER
               ",{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\","
               "\"arguments\":\"{}\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":\"1\"}]}");
    assert_true(conversation->legacy_functions);
    assert_int_equal(conversation->tool_choice, TOOL_CHOICE_NAMED);
    assert_text(conversation->tool_choice_name, "f");
    assert_text(conversation->turns[2].parts->id, "call_legacy_0");
    assert_text(conversation->turns[1].parts->id, "call_legacy_0");
    /* Only one call has a place in the answer. */
    uint64_t understood = PARAMETER_BIT(PARAMETER_TOOLS) | PARAMETER_BIT(PARAMETER_TOOL_CHOICE) |
                          PARAMETER_BIT(PARAMETER_PARALLEL_TOOL_CALLS);
    assert_int_equal(conversation_check(&fixture->conversation, understood, NULL, 0, TEXT("m"),
                                        &fixture->problem),
                     ERROR_OK);
    assert_true(conversation_has(conversation, PARAMETER_PARALLEL_TOOL_CALLS));
    assert_false(conversation->parallel);
}

static void test_reasoning(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        MESSAGES(USER
                 ",{\"role\":\"assistant\",\"content\":\"so\",\"reasoning_content\":\"hmm\","
                 "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hmm\","
                 "\"signature\":\"sig\",\"format\":\"anthropic\",\"index\":0},"
                 "{\"type\":\"reasoning.encrypted\",\"data\":\"xyz\",\"format\":\"anthropic\"},"
                 "{\"type\":\"reasoning.summary\",\"summary\":\"s\"}]},"
                 "{\"role\":\"assistant\",\"content\":\"so\",\"reasoning_content\":\"hmm\"}"));
    const struct turn *turn = &conversation->turns[1];
    assert_int_equal(turn->part_count, 3);
    assert_int_equal(turn->parts[0].kind, PART_REASONING);
    assert_text(turn->parts[0].text, "hmm");
    assert_text(turn->parts[0].seal, "sig");
    assert_text(turn->parts[0].seal_origin, "anthropic");
    assert_true(turn->parts[1].sealed_text);
    assert_text(turn->parts[1].seal, "xyz");
    assert_int_equal(turn->parts[2].kind, PART_TEXT);
    assert_text(conversation->turns[2].parts[0].text, "hmm");
    assert_text(conversation->turns[2].parts[0].seal, "");
}

static void test_cache_marks(void **state)
{
    const struct conversation *conversation =
        read_ok(state, MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\","
                                "\"prompt_cache_breakpoint\":{\"mode\":\"explicit\"}},"
                                "{\"type\":\"text\",\"text\":\"b\"}],"
                                "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"5m\"}}"));
    const struct part *parts = conversation->turns[0].parts;
    assert_true(parts[0].cache_mark);
    assert_true(parts[1].cache_mark);
    assert_text(parts[1].cache_ttl, "5m");
}

static void test_lone_surrogates(void **state)
{
    const struct conversation *conversation =
        read_ok(state, MESSAGES("{\"role\":\"user\",\"content\":\"cut \\ud83d \\\\ud83d "
                                "\\ud83d\\ude00 \\ude00\"}"));
    assert_text(conversation->turns[0].parts[0].text,
                "cut \xed\xa0\xbd \\ud83d \xf0\x9f\x98\x80 \xed\xb8\x80");
}

static void test_many_messages(void **state)
{
    struct fixture *fixture = *state;
    struct buffer body;
    buffer_open(&body, 1u << 20);
    buffer_append(&body, TEXT("{\"model\":\"m\",\"messages\":["));
    for (unsigned i = 0; i < 500; i++)
        buffer_append_format(&body, "%s{\"role\":\"%s\",\"content\":\"%u\"}", i > 0 ? "," : "",
                             i % 2 == 0 ? "user" : "assistant", i);
    buffer_append(&body, TEXT("]}"));
    assert_int_equal(read_text(fixture, buffer_text(&body)), ERROR_OK);
    assert_int_equal(fixture->conversation.turn_count, 500);
    assert_text(fixture->conversation.turns[499].parts[0].text, "499");
    assert_string_equal(fixture->conversation.turns[499].parts[0].path, "messages[499].content");
    buffer_close(&body);
}

/* ---- tools, formats, numbers ---- */

static void test_tools(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        ASKING("\"tools\":[{\"type\":\"function\",\"cache_control\":{\"type\":\"ephemeral\"},"
               "\"function\":{\"name\":\"f\",\"description\":\"d\",\"strict\":true,"
               "\"parameters\":{\"type\":\"object\"}}},"
               "{\"type\":\"custom\",\"custom\":{\"name\":\"g\"}},"
               "{\"type\":\"web_search\"},{\"type\":\"code_execution_20250825\","
               "\"name\":\"code\"}],\"parallel_tool_calls\":false,"
               "\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"g\"}}"));
    const struct tool *tools = conversation->tools;
    assert_int_equal(conversation->tool_count, 4);
    assert_int_equal(tools[0].kind, TOOL_FUNCTION);
    assert_true(tools[0].strict && tools[0].strict_stated && tools[0].cache_mark);
    assert_true(yyjson_is_obj(tools[0].parameters));
    assert_int_equal(tools[1].kind, TOOL_CUSTOM);
    assert_int_equal(tools[2].kind, TOOL_WEB_SEARCH);
    assert_int_equal(tools[3].kind, TOOL_OTHER);
    assert_text(tools[3].name, "code");
    assert_int_equal(conversation->tool_choice, TOOL_CHOICE_NAMED);
    assert_true(conversation->parallel_stated && !conversation->parallel);
}

static void test_allowed_tools(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        ASKING(
            "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
            "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}],"
            "\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\","
            "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}}"));
    assert_int_equal(conversation->tool_count, 1);
    assert_text(conversation->tools[0].name, "g");
    assert_int_equal(conversation->tool_choice, TOOL_CHOICE_REQUIRED);
}

static void test_web_search_options(void **state)
{
    const struct conversation *conversation =
        read_ok(state, ASKING("\"web_search_options\":{\"search_context_size\":\"low\"}"));
    assert_int_equal(conversation->tools[0].kind, TOOL_WEB_SEARCH);
    assert_true(conversation_has(conversation, PARAMETER_TOOLS));
}

static void test_parameters(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        ASKING("\"max_tokens\":100,\"max_completion_tokens\":50.0,\"temperature\":0.5,\"n\":3,"
               "\"stop\":[\"a\",\"b\"],\"seed\":-7,\"top_logprobs\":2,\"logprobs\":true,"
               "\"reasoning_effort\":\"low\",\"stream\":true,"
               "\"stream_options\":{\"include_usage\":true},\"metadata\":{\"a\":\"b\"},"
               "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\","
               "\"strict\":true,\"schema\":{\"type\":\"object\"}}}"));
    assert_int_equal(conversation->max_output, 50);
    assert_true(conversation->temperature.stated);
    assert_int_equal(conversation->n, 3);
    assert_int_equal(conversation->stop_count, 2);
    assert_text(conversation->stop[1], "b");
    assert_int_equal(conversation->seed, -7);
    assert_true(conversation->stream && conversation->include_usage);
    assert_int_equal(conversation->format, ANSWER_SCHEMA);
    assert_true(conversation->schema_strict);
    assert_text(conversation->effort, "low");
}

/* What says nothing but the default is not stated. */
static void test_defaults_are_not_stated(void **state)
{
    const struct conversation *conversation = read_ok(
        state, ASKING("\"n\":1,\"logprobs\":false,\"tools\":[],\"tool_choice\":\"auto\","
                      "\"parallel_tool_calls\":true,\"response_format\":{\"type\":\"text\"},"
                      "\"modalities\":[\"text\"],\"service_tier\":\"auto\",\"store\":false,"
                      "\"frequency_penalty\":0,\"presence_penalty\":0.0,\"logit_bias\":{},"
                      "\"stop\":null,\"seed\":null,\"top_logprobs\":0,\"metadata\":{},"
                      "\"verbosity\":\"medium\",\"user\":\"\",\"audio\":null,\"x\":null"));
    assert_int_equal(conversation->stated, 0);
}

static void test_check(void **state)
{
    struct fixture *fixture = *state;
    struct conversation *conversation = &fixture->conversation;
    struct text drop[] = {TEXT_INIT("seed"), TEXT_INIT("x_one")};
    const char *body = ASKING("\"seed\":1,\"x_one\":1,\"temperature\":1,\"x_two\":2");
    read_ok(state, body);
    assert_int_equal(conversation_check(conversation, PARAMETER_BIT(PARAMETER_TEMPERATURE), drop, 2,
                                        TEXT("claude"), &fixture->problem),
                     ERROR_UNSUPPORTED);
    assert_text(fixture->problem.param, "x_two");
    assert_text(fixture->problem.reason, "is nothing that the model claude takes");
    assert_false(conversation_has(conversation, PARAMETER_SEED));

    read_ok(state, body);
    drop[1] = TEXT("unknown");
    assert_int_equal(conversation_check(conversation, PARAMETER_BIT(PARAMETER_TEMPERATURE), drop, 2,
                                        TEXT("claude"), &fixture->problem),
                     ERROR_OK);
    assert_int_equal(conversation->stated, PARAMETER_BIT(PARAMETER_TEMPERATURE));

    read_ok(state, ASKING("\"web_search_options\":{}"));
    assert_int_equal(conversation_check(conversation, 0, NULL, 0, TEXT("m"), &fixture->problem),
                     ERROR_UNSUPPORTED);
    assert_text(fixture->problem.param, "web_search_options");
}

/* ---- what is wrong ---- */

static void test_problems(void **state)
{
    static const struct {
        const char *body, *param, *reason;
    } rows[] = {
        {"{\"model\":\"m\"}", "messages", "must be an array of at least one message"},
        {MESSAGES(""), "messages", "must be an array of at least one message"},
        {MESSAGES("7"), "messages[0]", "must be an object"},
        {MESSAGES("{\"content\":\"x\"}"), "messages[0].role", "is missing"},
        {MESSAGES("{\"role\":\"robot\",\"content\":\"x\"}"), "messages[0].role",
         "must be system, developer, user, assistant, tool or function"},
        {MESSAGES(USER ",{\"role\":\"user\"}"), "messages[1].content",
         "must be a string or an array of parts"},
        {MESSAGES("{\"role\":\"assistant\",\"content\":7}"), "messages[0].content",
         "must be a string or an array of parts"},
        {MESSAGES("{\"role\":\"user\",\"content\":[\"x\"]}"), "messages[0].content[0]",
         "must be an object"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}"),
         "messages[0].content[0].text", "is missing"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":1}]}"),
         "messages[0].content[0].text", "must be a string"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"video\"}]}"),
         "messages[0].content[0].type",
         "is no kind of content that a message of this role may have"},
        {MESSAGES("{\"role\":\"system\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
                  "\"url\":\"https://x.test/\"}}]}"),
         "messages[0].content[0].type",
         "is no kind of content that a message of this role may have"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":\"x\"}]}"),
         "messages[0].content[0].image_url", "must be an object"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
                  "\"url\":\"data:image/png,x\"}}]}"),
         "messages[0].content[0].image_url.url",
         "must be \"data:MEDIA/TYPE;base64,\" with data behind it"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
                  "\"url\":\"cat.png\"}}]}"),
         "messages[0].content[0].image_url.url", "must be a URL or a data URL"},
        {MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{}}]}"),
         "messages[0].content[0].file", "must have either file_data or file_id"},
        {MESSAGES("{\"role\":\"tool\",\"content\":\"x\"}"), "messages[0].tool_call_id",
         "is missing"},
        {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\","
                  "\"function\":{\"name\":\"f\",\"arguments\":{}}}]}"),
         "messages[0].tool_calls[0].arguments", "must be a string"},
        {MESSAGES("{\"role\":\"assistant\",\"tool_calls\":[7]}"),
         "messages[0].tool_calls[0].function", "is missing"},
        {MESSAGES("{\"role\":\"assistant\",\"audio\":{\"id\":\"a\"}}"), "messages[0].audio",
         "names an answer that only the provider that spoke it has"},
        {ASKING("\"temperature\":\"hot\""), "temperature", "must be a number"},
        {ASKING("\"n\":0"), "n", "must be a whole number from 1 to 128"},
        {ASKING("\"n\":129"), "n", "must be a whole number from 1 to 128"},
        {ASKING("\"max_tokens\":-1"), "max_tokens", "must be a whole number, 1 or more"},
        {ASKING("\"max_tokens\":1.5"), "max_tokens", "must be a whole number, 1 or more"},
        {ASKING("\"stop\":[1]"), "stop", "must be a string or an array of strings"},
        {ASKING("\"stop\":{}"), "stop", "must be a string or an array of strings"},
        {ASKING("\"stream_options\":[]"), "stream_options", "must be an object"},
        {ASKING("\"logprobs\":1"), "logprobs", "must be true or false"},
        {ASKING("\"tools\":{}"), "tools", "must be an array"},
        {ASKING("\"tools\":[{\"type\":\"function\"}]"), "tools[0].function", "is missing"},
        {ASKING("\"tools\":[{\"type\":\"function\",\"function\":{}}]"), "tools[0].name",
         "is missing"},
        {ASKING("\"tools\":[7]"), "tools[0]", "must be an object"},
        {ASKING("\"tool_choice\":\"maybe\""), "tool_choice",
         "must be \"auto\", \"none\" or \"required\""},
        {ASKING("\"tool_choice\":7"), "tool_choice", "must be a string or an object"},
        {ASKING("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"),
         "tool_choice.function", "names no tool of this request"},
        {ASKING("\"response_format\":{\"type\":\"xml\"}"), "response_format.type",
         "must be \"text\", \"json_object\" or \"json_schema\""},
        {ASKING("\"response_format\":{\"type\":\"json_schema\"}"), "response_format.json_schema",
         "is missing"},
        {"[]", "", "is no JSON object"},
        {"", "", "is no JSON object"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        enum error error = read_text(fixture, text_from(rows[i].body));
        if (error != ERROR_SYNTAX && error != ERROR_UNSUPPORTED)
            fail_msg("%s: error %d", rows[i].body, error);
        assert_text(fixture->problem.param, rows[i].param);
        assert_text(fixture->problem.reason, rows[i].reason);
    }
}

/* However little memory there is, it is told and nothing leaks. */
static void test_short_memory(void **state)
{
    static const char body[] =
        "{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
        "\"messages\":[" USER ",{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\","
        "\"function\":{\"name\":\"f\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"a\","
        "\"content\":\"x\"}]}";
    bool succeeded = false;
    for (size_t limit = 0; limit < 64u << 10 && !succeeded; limit += 256) {
        struct arena arena;
        struct conversation conversation;
        struct conversation_problem problem;
        arena_open(&arena, NULL, limit);
        enum error error =
            conversation_read(&conversation, CONVERSATION_CHAT, text_from(body), &arena, &problem);
        assert_true(error == ERROR_OK || error == ERROR_MEMORY);
        succeeded = error == ERROR_OK;
        conversation_close(&conversation);
        arena_close(&arena);
    }
    assert_true(succeeded);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_roles),
        TEST(test_media),
        TEST(test_tool_calls_and_results),
        TEST(test_legacy_functions),
        TEST(test_reasoning),
        TEST(test_cache_marks),
        TEST(test_lone_surrogates),
        TEST(test_many_messages),
        TEST(test_tools),
        TEST(test_allowed_tools),
        TEST(test_web_search_options),
        TEST(test_parameters),
        TEST(test_defaults_are_not_stated),
        TEST(test_check),
        TEST(test_problems),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
