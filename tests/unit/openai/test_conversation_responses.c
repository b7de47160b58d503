/* conversation: requests for responses read into the same turns as those of chat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

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

static enum error read_body(struct fixture *fixture, const char *body)
{
    conversation_close(&fixture->conversation);
    return conversation_read(&fixture->conversation, CONVERSATION_RESPONSES, text_from(body),
                             &fixture->arena, &fixture->problem);
}

static const struct conversation *read_ok(void **state, const char *body)
{
    struct fixture *fixture = *state;
    enum error error = read_body(fixture, body);
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

#define ITEMS(items)    "{\"model\":\"m\",\"input\":[" items "]}"
#define ASKING(members) "{\"model\":\"m\",\"input\":\"hi\"," members "}"

static void test_string_and_instructions(void **state)
{
    const struct conversation *conversation =
        read_ok(state, ASKING("\"instructions\":\"be kind\",\"max_output_tokens\":9"));
    assert_int_equal(conversation->turn_count, 2);
    assert_int_equal(conversation->turns[0].role, TURN_SYSTEM);
    assert_text(conversation->turns[0].parts[0].text, "be kind");
    assert_text(conversation->turns[1].parts[0].text, "hi");
    assert_int_equal(conversation->max_output, 9);
}

/* What the assistant said in a row is one turn, and so are results in a row. */
static void test_runs(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        ITEMS("{\"role\":\"user\",\"content\":\"hi\"},"
              "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\","
              "\"text\":\"hmm\"}],\"encrypted_content\":\"tp1.anthropic.text.a.b\"},"
              "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
              "\"text\":\"so\",\"annotations\":[]},{\"type\":\"refusal\",\"refusal\":\"no\"}]},"
              "{\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"f\",\"arguments\":\"{}\"},"
              "{\"type\":\"custom_tool_call\",\"call_id\":\"b\",\"name\":\"g\",\"input\":\"x\"},"
              "{\"type\":\"function_call_output\",\"call_id\":\"a\",\"output\":\"1\"},"
              "{\"type\":\"custom_tool_call_output\",\"call_id\":\"b\",\"output\":["
              "{\"type\":\"input_text\",\"text\":\"2\"},{\"type\":\"input_image\","
              "\"image_url\":\"data:image/png;base64,QQ==\"}]},"
              "{\"role\":\"user\",\"content\":\"more\"},{\"role\":\"user\",\"content\":\"yet\"}"));
    const struct turn *turns = conversation->turns;
    assert_int_equal(conversation->turn_count, 5);
    assert_int_equal(turns[1].role, TURN_ASSISTANT);
    assert_int_equal(turns[1].part_count, 5);
    assert_int_equal(turns[1].parts[0].kind, PART_REASONING);
    assert_text(turns[1].parts[0].seal, "a.b");
    assert_text(turns[1].parts[0].seal_origin, "anthropic");
    assert_text(turns[1].parts[0].text, "hmm");
    assert_int_equal(turns[1].parts[2].kind, PART_REFUSAL);
    assert_text(turns[1].parts[3].arguments, "{}");
    assert_true(turns[1].parts[4].custom);
    assert_text(turns[1].parts[4].text, "x");
    assert_int_equal(turns[2].role, TURN_USER);
    assert_int_equal(turns[2].part_count, 2);
    assert_text(turns[2].parts[0].name, "f");
    assert_text(turns[2].parts[1].name, "g");
    assert_int_equal(turns[2].parts[1].result_count, 2);
    assert_int_equal(turns[2].parts[1].results[1].kind, PART_IMAGE);
    assert_string_equal(turns[2].parts[1].results[1].path, "input[6].output[1]");
    assert_text(turns[3].parts[0].text, "more");
}

static void test_content(void **state)
{
    const struct conversation *conversation = read_ok(
        state, ITEMS("{\"role\":\"developer\",\"content\":\"d\"},"
                     "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"\"},"
                     "{\"type\":\"input_image\",\"file_id\":\"file-1\",\"detail\":\"high\"},"
                     "{\"type\":\"input_file\",\"filename\":\"a.pdf\",\"file_data\":\"QQ==\"},"
                     "{\"type\":\"input_file\",\"file_url\":\"https://x.test/a\"},"
                     "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"QQ==\","
                     "\"format\":\"wav\"}}]}"));
    const struct turn *turn = &conversation->turns[1];
    assert_true(conversation->turns[0].developer);
    assert_int_equal(turn->part_count, 4);
    assert_text(turn->parts[0].media.file_id, "file-1");
    assert_text(turn->parts[0].media.detail, "high");
    assert_text(turn->parts[1].media.mime, "application/pdf");
    assert_text(turn->parts[2].media.url, "https://x.test/a");
    assert_text(turn->parts[3].media.mime, "audio/wav");
    assert_string_equal(turn->parts[0].path, "input[1].content[1]");
}

/* What somebody else sealed is not ours to send anywhere. */
static void test_foreign_reasoning(void **state)
{
    const struct conversation *conversation = read_ok(
        state,
        ITEMS("{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"gAAAA\"},"
              "{\"type\":\"reasoning\",\"summary\":[{\"text\":\"a\"},{\"text\":\"b\"}]},"
              "{\"type\":\"reasoning\",\"summary\":[],\"content\":[{\"type\":\"reasoning_text\","
              "\"text\":\"c\"}]},"
              "{\"type\":\"reasoning\",\"summary\":[],"
              "\"encrypted_content\":\"tp1.bedrock.whole.xyz\"},"
              "{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"tp1.x.other.y\"}"));
    const struct turn *turn = &conversation->turns[0];
    assert_int_equal(conversation->turn_count, 1);
    assert_int_equal(turn->part_count, 3);
    assert_text(turn->parts[0].text, "a\n\nb");
    assert_text(turn->parts[1].text, "c");
    assert_true(turn->parts[2].sealed_text);
    assert_text(turn->parts[2].seal, "xyz");
}

static void test_tools(void **state)
{
    const struct conversation *conversation = read_ok(
        state, ASKING("\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}},"
                      "{\"type\":\"custom\",\"name\":\"g\"},{\"type\":\"web_search_preview\"},"
                      "{\"type\":\"file_search\",\"vector_store_ids\":[]}],"
                      "\"tool_choice\":{\"type\":\"file_search\"}"));
    assert_int_equal(conversation->tool_count, 4);
    assert_int_equal(conversation->tools[1].kind, TOOL_CUSTOM);
    assert_int_equal(conversation->tools[2].kind, TOOL_WEB_SEARCH);
    assert_int_equal(conversation->tools[3].kind, TOOL_OTHER);
    assert_int_equal(conversation->tool_choice, TOOL_CHOICE_NAMED);
    assert_text(conversation->tool_choice_name, "file_search");

    conversation = read_ok(state, ASKING("\"tools\":[{\"type\":\"function\",\"name\":\"f\"},"
                                         "{\"type\":\"function\",\"name\":\"g\"}],\"tool_choice\":{"
                                         "\"type\":\"allowed_tools\",\"mode\":\"auto\","
                                         "\"tools\":[{\"type\":\"function\",\"name\":\"g\"}]}"));
    assert_int_equal(conversation->tool_count, 1);
    assert_int_equal(conversation->tool_choice, TOOL_CHOICE_AUTO);
}

static void test_parameters(void **state)
{
    const struct conversation *conversation =
        read_ok(state, ASKING("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\","
                              "\"schema\":{},\"strict\":true},\"verbosity\":\"low\"},"
                              "\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"},"
                              "\"include\":[\"message.output_text.logprobs\"]"));
    assert_int_equal(conversation->format, ANSWER_SCHEMA);
    assert_text(conversation->schema_name, "s");
    assert_text(conversation->effort, "high");
    assert_text(conversation->summary, "auto");
    assert_true(conversation->logprobs);
    assert_int_equal(conversation->stated,
                     PARAMETER_BIT(PARAMETER_RESPONSE_FORMAT) | PARAMETER_BIT(PARAMETER_VERBOSITY) |
                         PARAMETER_BIT(PARAMETER_REASONING) | PARAMETER_BIT(PARAMETER_LOGPROBS));
}

static void test_defaults_are_not_stated(void **state)
{
    const struct conversation *conversation = read_ok(
        state, ASKING("\"store\":true,\"background\":false,\"truncation\":\"disabled\","
                      "\"include\":[\"reasoning.encrypted_content\"],\"text\":{\"format\":{"
                      "\"type\":\"text\"}},\"tools\":[],\"reasoning\":{},"
                      "\"previous_response_id\":null,\"stream_options\":{\"include_obfuscation\":"
                      "false},\"context_management\":[]"));
    assert_int_equal(conversation->stated, 0);
}

static void test_what_needs_state(void **state)
{
    static const struct {
        const char *members, *param;
    } rows[] = {
        {"\"previous_response_id\":\"resp_1\"", "previous_response_id"},
        {"\"conversation\":{\"id\":\"c\"}", "conversation"},
        {"\"background\":true", "background"},
        {"\"prompt\":{\"id\":\"p\"}", "prompt"},
        {"\"truncation\":\"auto\"", "truncation"},
        {"\"include\":[\"file_search_call.results\"]", "include"},
        {"\"reasoning\":{\"mode\":\"pro\"}", "reasoning.mode"},
        {"\"text\":{\"verbosity\":\"low\"}", "verbosity"},
        {"\"frobnicate\":1", "frobnicate"},
        {"\"messages\":[]", "messages"},
        {"\"seed\":1", "seed"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct text body =
            arena_format(&fixture->arena, "{\"model\":\"m\",\"input\":\"hi\",%s}", rows[i].members);
        read_ok(state, body.data);
        assert_int_equal(
            conversation_check(&fixture->conversation, 0, NULL, 0, TEXT("m"), &fixture->problem),
            ERROR_UNSUPPORTED);
        assert_text(fixture->problem.param, rows[i].param);
    }
    read_ok(state, ASKING("\"previous_response_id\":\"resp_1\""));
    assert_int_equal(
        conversation_check(&fixture->conversation, 0, NULL, 0, TEXT("m"), &fixture->problem),
        ERROR_UNSUPPORTED);
    assert_text(fixture->problem.reason,
                "needs what only a provider that stores answers keeps: send all items of the "
                "conversation as input instead");
}

static void test_problems(void **state)
{
    static const struct {
        const char *body, *param, *reason;
    } rows[] = {
        {"{\"model\":\"m\"}", "input", "must be a string or an array of items"},
        {ASKING("\"instructions\":[]"), "instructions", "must be a string"},
        {ITEMS("7"), "input[0]", "must be an object"},
        {ITEMS("{\"content\":\"x\"}"), "input[0].role", "is missing"},
        {ITEMS("{\"role\":\"tool\",\"content\":\"x\"}"), "input[0].role",
         "must be user, assistant, system or developer"},
        {ITEMS("{\"role\":\"user\",\"content\":1}"), "input[0].content",
         "must be a string or an array of parts"},
        {ITEMS("{\"role\":\"user\",\"content\":[1]}"), "input[0].content[0]", "must be an object"},
        {ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}"),
         "input[0].content[0].type", "is no kind of content that may stand here"},
        {ITEMS("{\"role\":\"assistant\",\"content\":[{\"type\":\"input_image\"}]}"),
         "input[0].content[0].type", "is no kind of content that may stand here"},
        {ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}"),
         "input[0].content[0]", "must have either image_url or file_id"},
        {ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_file\"}]}"),
         "input[0].content[0]", "must have one of file_data, file_url and file_id"},
        {ITEMS("{\"id\":\"msg_1\"}"), "input[0].id",
         "names an item that only the provider which made it keeps: send the item itself"},
        {ITEMS("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"), "input[0].id",
         "names an item that only the provider which made it keeps: send the item itself"},
        {ITEMS("{\"type\":\"web_search_call\",\"id\":\"ws_1\"}"), "input[0].type",
         "is a kind of item that only the provider which made it understands"},
        {ITEMS("{\"type\":\"function_call\",\"name\":\"f\"}"), "input[0].call_id", "is missing"},
        {ITEMS("{\"type\":\"function_call_output\",\"call_id\":\"a\"}"), "input[0].output",
         "must be a string or an array of parts"},
        {ITEMS("{\"type\":\"reasoning\",\"summary\":\"x\"}"), "input[0].summary",
         "must be an array"},
        {ASKING("\"text\":{\"format\":{\"type\":\"grammar\"}}"), "text.format.type",
         "must be \"text\", \"json_object\" or \"json_schema\""},
        {ASKING("\"tools\":[{\"type\":\"function\"}]"), "tools[0].name", "is missing"},
        {ASKING("\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"}"), "tool_choice",
         "names no tool of this request"},
        {ASKING("\"max_output_tokens\":0"), "max_output_tokens",
         "must be a whole number, 1 or more"},
        {ASKING("\"reasoning\":7"), "reasoning", "must be an object"},
        {ASKING("\"truncation\":7"), "truncation", "must be a string"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        enum error error = read_body(fixture, rows[i].body);
        if (error != ERROR_SYNTAX && error != ERROR_UNSUPPORTED)
            fail_msg("%s: error %d", rows[i].body, error);
        assert_text(fixture->problem.param, rows[i].param);
        assert_text(fixture->problem.reason, rows[i].reason);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_string_and_instructions),
        TEST(test_runs),
        TEST(test_content),
        TEST(test_foreign_reasoning),
        TEST(test_tools),
        TEST(test_parameters),
        TEST(test_defaults_are_not_stated),
        TEST(test_what_needs_state),
        TEST(test_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
