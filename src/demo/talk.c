#include "demo/talk.h"

#include "demo/schema.h"

/* A question is quoted up to here: the demo shows that it arrived, not how much. */
#define QUOTE_MAX 2000u
/* A reply: quotes, or the values of a schema of sensible size. */
#define REPLY_MAX (256u * 1024)
#define N_MAX     128u

uint64_t talk_tokens(size_t bytes)
{
    return (bytes + 3) / 4;
}

static bool complain(struct demo_problem *problem, const char *message, const char *param,
                     const char *code)
{
    *problem = (struct demo_problem){message, param, code};
    return false;
}

/* ---- reading ---- */

/* A string, or the last part with text of an array of parts. */
static struct text content_text(yyjson_val *content)
{
    struct text text = {NULL, 0};
    yyjson_val *part;
    size_t index, count;
    if (yyjson_is_str(content))
        return text_of(yyjson_get_str(content), yyjson_get_len(content));
    yyjson_arr_foreach(content, index, count, part)
    {
        (void)json_get_text(part, "text", &text);
    }
    return text;
}

static void take_item(struct talk *talk, yyjson_val *item)
{
    struct text role = {NULL, 0}, type = {NULL, 0};
    (void)json_get_text(item, "role", &role);
    (void)json_get_text(item, "type", &type);
    talk->has_tool_result = false;
    if (text_equal(role, TEXT("user"))) {
        struct text question = content_text(yyjson_obj_get(item, "content"));
        if (question.data != NULL)
            talk->question = question;
    } else if (text_equal(role, TEXT("tool")) || text_equal(role, TEXT("function"))) {
        talk->has_tool_result = true;
        talk->tool_result = content_text(yyjson_obj_get(item, "content"));
    } else if (text_equal(type, TEXT("function_call_output"))) {
        talk->has_tool_result = true;
        talk->tool_result = content_text(yyjson_obj_get(item, "output"));
    }
}

static bool read_common(struct talk *talk, yyjson_val *root, size_t body_length,
                        struct demo_problem *problem)
{
    *talk = (struct talk){.n = 1};
    buffer_open(&talk->reply, REPLY_MAX);
    if (!yyjson_is_obj(root))
        return complain(problem, "The body is not a JSON object.", NULL, "invalid_json");
    if (json_get_text(root, "model", &talk->model) != JSON_PRESENT)
        return complain(problem, "You must provide a model.", "model",
                        "missing_required_parameter");
    if (json_get_bool(root, "stream", &talk->stream) == JSON_WRONG_TYPE)
        return complain(problem, "stream must be true or false.", "stream", "invalid_type");
    (void)json_get_array(root, "tools", &talk->tools);
    talk->input_tokens = talk_tokens(body_length);
    return true;
}

static void read_format(struct talk *talk, yyjson_val *format)
{
    struct text type = {NULL, 0};
    (void)json_get_text(format, "type", &type);
    talk->wants_json =
        text_equal(type, TEXT("json_object")) || text_equal(type, TEXT("json_schema"));
    yyjson_val *inner = format;
    (void)json_get_object(format, "json_schema", &inner);
    (void)json_get_object(inner, "schema", &talk->schema);
}

/* The object with name and parameters of a tool that is a function; NULL for other kinds. */
static yyjson_val *tool_function(const struct talk *talk, yyjson_val *tool)
{
    if (!yyjson_equals_str(yyjson_obj_get(tool, "type"), "function"))
        return NULL;
    return talk->tools_flat ? tool : yyjson_obj_get(tool, "function");
}

static bool contains_word(struct text question, struct text word)
{
    for (size_t i = 0; i + word.length <= question.length; i++)
        if (text_equal_ignoring_case(text_first(text_from_index(question, i), word.length), word))
            return true;
    return false;
}

/* Whether the question uses a word of the tool's name: "What is the weather?" of get_weather. */
static bool asks_for(struct text question, struct text name)
{
    static const struct text empty_words[] = {TEXT_INIT("get"), TEXT_INIT("set"), TEXT_INIT("the"),
                                              TEXT_INIT("for")};
    while (name.data != NULL) {
        struct text word = text_split(&name, '_');
        bool says_nothing = word.length < 3;
        for (size_t i = 0; i < ARRAY_LENGTH(empty_words); i++)
            says_nothing |= text_equal(word, empty_words[i]);
        if (!says_nothing && contains_word(question, word))
            return true;
    }
    return false;
}

/* {"type":"function","name":…} or with the name one level down; empty when no function is named. */
static struct text chosen_name(yyjson_val *choice)
{
    struct text name = {NULL, 0};
    yyjson_val *inner = choice;
    (void)json_get_object(choice, "function", &inner);
    (void)json_get_text(inner, "name", &name);
    return name;
}

static void choose_tool(struct talk *talk, yyjson_val *choice)
{
    bool required = yyjson_equals_str(choice, "required");
    struct text wanted = chosen_name(choice);
    yyjson_val *tool;
    size_t index, count;
    /* Who calls with "required" in a loop would never get an answer. */
    if (talk->has_tool_result || yyjson_equals_str(choice, "none"))
        return;
    yyjson_arr_foreach(talk->tools, index, count, tool)
    {
        struct text name = {NULL, 0};
        yyjson_val *function = tool_function(talk, tool);
        if (json_get_text(function, "name", &name) != JSON_PRESENT)
            continue;
        bool fits = text_empty(wanted) ? asks_for(talk->question, name) : text_equal(name, wanted);
        if (fits || (required && talk->tool == NULL)) {
            talk->tool = function;
            talk->tool_name = name;
        }
        if (fits)
            return;
    }
}

bool talk_read_chat(struct talk *talk, yyjson_val *root, size_t body_length,
                    struct demo_problem *problem)
{
    yyjson_val *messages = NULL, *message, *options = NULL, *format = NULL;
    size_t index, count;
    if (!read_common(talk, root, body_length, problem))
        return false;
    if (json_get_array(root, "messages", &messages) != JSON_PRESENT)
        return complain(problem, "messages must be an array.", "messages",
                        "missing_required_parameter");
    if (yyjson_arr_size(messages) == 0)
        return complain(problem, "messages is empty; give at least one.", "messages",
                        "empty_array");
    yyjson_arr_foreach(messages, index, count, message)
    {
        take_item(talk, message);
    }
    if (json_get_unsigned(root, "n", &talk->n) == JSON_WRONG_TYPE || talk->n < 1 || talk->n > N_MAX)
        return complain(problem, "n must be from 1 to 128.", "n", "invalid_value");
    (void)json_get_object(root, "stream_options", &options);
    (void)json_get_bool(options, "include_usage", &talk->include_usage);
    (void)json_get_unsigned(root, "max_tokens", &talk->limit);
    (void)json_get_unsigned(root, "max_completion_tokens", &talk->limit);
    (void)json_get_object(root, "response_format", &format);
    read_format(talk, format);
    choose_tool(talk, yyjson_obj_get(root, "tool_choice"));
    return true;
}

bool talk_read_responses(struct talk *talk, yyjson_val *root, size_t body_length,
                         struct demo_problem *problem)
{
    yyjson_val *input, *item, *text = NULL, *format = NULL;
    size_t index, count;
    if (!read_common(talk, root, body_length, problem))
        return false;
    talk->tools_flat = true;
    input = yyjson_obj_get(root, "input");
    if (yyjson_is_str(input))
        talk->question = content_text(input);
    else if (!yyjson_is_arr(input))
        return complain(problem, "input must be a string or an array.", "input",
                        "missing_required_parameter");
    yyjson_arr_foreach(input, index, count, item)
    {
        take_item(talk, item);
    }
    (void)json_get_unsigned(root, "max_output_tokens", &talk->limit);
    (void)json_get_object(root, "text", &text);
    (void)json_get_object(text, "format", &format);
    read_format(talk, format);
    choose_tool(talk, yyjson_obj_get(root, "tool_choice"));
    return true;
}

/* ---- answering ---- */

/* At most `size` bytes, not ending within a character. */
static struct text cut_text(struct text t, size_t size)
{
    if (t.length <= size)
        return t;
    while (size > 0 && ((unsigned char)t.data[size] & 0xc0) == 0x80)
        size--;
    return text_first(t, size);
}

static void append_quote(struct buffer *out, struct text t)
{
    struct text cut = cut_text(t, QUOTE_MAX);
    buffer_append(out, TEXT("\""));
    buffer_append(out, cut);
    buffer_append(out, cut.length < t.length ? TEXT("...\"") : TEXT("\""));
}

static void answer_in_words(struct talk *talk)
{
    struct buffer *reply = &talk->reply;
    buffer_append(reply, TEXT("This is Turnpike's built-in demo model. It runs offline and knows "
                              "nothing. "));
    if (talk->has_tool_result) {
        buffer_append(reply, TEXT("The tool answered: "));
        append_quote(reply, talk->tool_result);
    } else if (text_empty(talk->question)) {
        buffer_append(reply, TEXT("You said nothing in words"));
    } else {
        buffer_append(reply, TEXT("You said: "));
        append_quote(reply, talk->question);
    }
    buffer_append(reply, TEXT(". Name a provider in turnpike.yaml to get real answers."));
}

static void answer_in_json(struct talk *talk, yyjson_val *schema)
{
    struct json_writer json;
    json_open(&json, &talk->reply);
    if (schema != NULL || talk->tool != NULL) {
        schema_write(&json, schema, talk->question);
    } else {
        struct text question = cut_text(talk->question, QUOTE_MAX);
        json_begin_object(&json);
        json_member_text(&json, "model", TEXT("Turnpike's offline demo"));
        json_member_text(&json, "you_said", text_empty(question) ? TEXT("") : question);
        json_end_object(&json);
    }
    if (!json_done(&json))
        talk->reply.failed = true;
}

static void cut_to_limit(struct talk *talk)
{
    if (talk->limit == 0 || talk_tokens(talk->reply.length) <= talk->limit)
        return;
    talk->reply.length = cut_text(buffer_text(&talk->reply), (size_t)talk->limit * 4).length;
    talk->was_cut = true;
}

bool talk_answer(struct talk *talk)
{
    yyjson_val *parameters = NULL;
    if (talk->tool != NULL) {
        (void)json_get_object(talk->tool, "parameters", &parameters);
        answer_in_json(talk, parameters);
    } else if (talk->wants_json) {
        answer_in_json(talk, talk->schema);
    } else {
        answer_in_words(talk);
        cut_to_limit(talk);
    }
    talk->output_tokens = talk_tokens(talk->reply.length);
    return !talk->reply.failed;
}

void talk_close(struct talk *talk)
{
    buffer_close(&talk->reply);
}

struct text talk_next_piece(struct text *rest)
{
    ptrdiff_t space = text_find_char(*rest, ' ');
    size_t length = space < 0 ? rest->length : (size_t)space + 1;
    struct text piece = text_first(*rest, length);
    *rest = text_from_index(*rest, length);
    return piece;
}
