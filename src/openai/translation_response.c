/* The response object and its items. Source: OpenAI API reference, "The response object". */
#include "openai/translation_responses.h"

/* The longest request that is repeated: schemas of tools are its bulk. */
#define ECHO_MAX (16u << 20)

/* ---- what is repeated of the request ---- */

struct echo_row {
    const char *member;
    const char *otherwise; /* JSON; NULL: the member is left out then */
};

static const struct echo_row echo_rows[] = {
    {"instructions", "null"},
    {"max_output_tokens", "null"},
    {"max_tool_calls", "null"},
    {"metadata", "{}"},
    {"parallel_tool_calls", "true"},
    {"prompt_cache_key", NULL},
    {"reasoning", "{\"effort\":null,\"summary\":null}"},
    {"safety_identifier", NULL},
    {"temperature", "null"},
    {"text", "{\"format\":{\"type\":\"text\"}}"},
    {"tool_choice", "\"auto\""},
    {"tools", "[]"},
    {"top_logprobs", "0"},
    {"top_p", "null"},
    {"truncation", "\"disabled\""},
    {"user", "null"},
};

/* `text` without a format says the same as with the usual one, which the SDKs look for. */
static void write_text_options(struct json_writer *json, yyjson_val *text)
{
    yyjson_val *format = yyjson_obj_get(text, "format"),
               *verbosity = yyjson_obj_get(text, "verbosity");
    json_begin_object(json);
    json_key(json, TEXT("format"));
    if (yyjson_is_obj(format))
        json_value(json, format);
    else
        json_raw(json, TEXT("{\"type\":\"text\"}"));
    if (yyjson_is_str(verbosity)) {
        json_key(json, TEXT("verbosity"));
        json_value(json, verbosity);
    }
    json_end_object(json);
}

bool response_make_echo(struct translation *translation, struct response_state *state)
{
    yyjson_val *root = translation->settings.conversation->root;
    struct buffer echo;
    struct json_writer json;
    buffer_open(&echo, ECHO_MAX);
    json_open(&json, &echo);
    json_begin_object(&json);
    for (size_t i = 0; i < ARRAY_LENGTH(echo_rows); i++) {
        yyjson_val *value = yyjson_obj_get(root, echo_rows[i].member);
        bool stated = value != NULL && !yyjson_is_null(value);
        if (!stated && echo_rows[i].otherwise == NULL)
            continue;
        json_key(&json, text_from(echo_rows[i].member));
        if (!stated)
            json_raw(&json, text_from(echo_rows[i].otherwise));
        else if (text_equal(text_from(echo_rows[i].member), TEXT("text")))
            write_text_options(&json, value);
        else
            json_value(&json, value);
    }
    bool ok = !echo.failed;
    if (ok) /* without the brace: members of another object */
        state->echo =
            arena_copy(translation->settings.arena, text_from_index(buffer_text(&echo), 1));
    buffer_close(&echo);
    return ok && state->echo.data != NULL;
}

/* ---- items ---- */

static void write_list(struct json_writer *json, const char *key, const struct buffer *items)
{
    json_key(json, text_from(key));
    json_begin_array(json);
    if (items != NULL)
        buffer_append(json->out, buffer_text(items));
    json_end_array(json);
}

/* Incomplete is the item at hand when the answer was cut. */
static struct text item_status(const struct translation *translation,
                               const struct response_item *item, bool full)
{
    const struct response_state *state = translation->state;
    if (!full)
        return TEXT("in_progress");
    if (!item->done)
        return TEXT("incomplete"); /* the answer broke off */
    bool last = item == &state->items[state->item_count - 1];
    return last && response_status(translation) == RESPONSE_INCOMPLETE ? TEXT("incomplete")
                                                                       : TEXT("completed");
}

static void write_message(struct translation *translation, struct json_writer *json,
                          const struct response_item *item, bool full)
{
    bool refusal = item->kind == ITEM_REFUSAL;
    json_member_text(json, "type", TEXT("message"));
    json_member_text(json, "status", item_status(translation, item, full));
    json_member_text(json, "role", TEXT("assistant"));
    json_key(json, TEXT("content"));
    json_begin_array(json);
    if (full) {
        json_begin_object(json);
        json_member_text(json, "type", refusal ? TEXT("refusal") : TEXT("output_text"));
        json_member_text(json, refusal ? "refusal" : "text",
                         text_or_empty(buffer_text(&item->text)));
        if (!refusal) {
            write_list(json, "annotations", &item->notes);
            write_list(json, "logprobs", &item->logprobs);
        }
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_reasoning(struct json_writer *json, const struct response_item *item, bool full)
{
    json_member_text(json, "type", TEXT("reasoning"));
    json_key(json, TEXT("summary"));
    json_begin_array(json);
    if (full && item->text.length > 0) {
        json_begin_object(json);
        json_member_text(json, "type", TEXT("summary_text"));
        json_member_text(json, "text", buffer_text(&item->text));
        json_end_object(json);
    }
    json_end_array(json);
    if (full && !text_empty(item->seal))
        json_member_text(json, "encrypted_content", item->seal);
}

static void write_call(struct translation *translation, struct json_writer *json,
                       const struct response_item *item, bool full)
{
    const struct translation_tool *tool = &translation->choices[0]->tools[item->tool];
    struct text arguments = full ? text_or_empty(buffer_text(&tool->arguments)) : TEXT("");
    json_member_text(json, "type", tool->custom ? TEXT("custom_tool_call") : TEXT("function_call"));
    json_member_text(json, "status", item_status(translation, item, full));
    json_member_text(json, "call_id", tool->id);
    json_member_text(json, "name", tool->name);
    if (!tool->custom)
        json_member_text(json, "arguments", arguments);
    else
        json_member_text(json, "input",
                         full ? translation_custom_input(translation, arguments) : TEXT(""));
}

void response_write_item(struct translation *translation, const struct response_item *item,
                         bool full)
{
    struct json_writer json;
    json_open(&json, &translation->out);
    json_begin_object(&json);
    json_member_text(&json, "id", item->id);
    switch (item->kind) {
    case ITEM_REASONING: write_reasoning(&json, item, full); break;
    case ITEM_TEXT:
    case ITEM_REFUSAL: write_message(translation, &json, item, full); break;
    case ITEM_CALL: write_call(translation, &json, item, full); break;
    }
    json_end_object(&json);
}

/* ---- the object ---- */

enum response_status response_status(const struct translation *translation)
{
    switch (translation_finish_of(translation, 0)) {
    case FINISH_STOP:
    case FINISH_TOOL_CALLS: return RESPONSE_COMPLETED;
    case FINISH_LENGTH:
    case FINISH_CONTENT_FILTER: break;
    }
    return RESPONSE_INCOMPLETE;
}

static void write_usage(struct json_writer *json, const struct usage *usage)
{
    int64_t input = usage->input < 0 ? 0 : usage->input;
    int64_t output = usage->output < 0 ? 0 : usage->output;
    json_begin_object(json);
    json_member_signed(json, "input_tokens", input);
    json_key(json, TEXT("input_tokens_details"));
    json_begin_object(json);
    json_member_signed(json, "cached_tokens", usage->cached_input < 0 ? 0 : usage->cached_input);
    json_member_signed(json, "cache_write_tokens", usage->cache_write < 0 ? 0 : usage->cache_write);
    json_end_object(json);
    json_member_signed(json, "output_tokens", output);
    json_key(json, TEXT("output_tokens_details"));
    json_begin_object(json);
    json_member_signed(json, "reasoning_tokens", usage->reasoning < 0 ? 0 : usage->reasoning);
    json_end_object(json);
    json_member_signed(json, "total_tokens", usage->total < 0 ? input + output : usage->total);
    json_end_object(json);
}

static void write_error(struct json_writer *json, enum response_status status, struct text code,
                        struct text message)
{
    json_key(json, TEXT("error"));
    if (status != RESPONSE_FAILED) {
        json_null(json);
        return;
    }
    /* Of the codes that a response may have, the two that tell of a provider. */
    bool rate = text_equal(code, TEXT("rate_limit_exceeded"));
    json_begin_object(json);
    json_member_text(json, "code", rate ? code : TEXT("server_error"));
    json_member_text(json, "message", text_or_empty(message));
    json_end_object(json);
}

static void write_incomplete(const struct translation *translation, struct json_writer *json,
                             enum response_status status)
{
    json_key(json, TEXT("incomplete_details"));
    if (status != RESPONSE_INCOMPLETE) {
        json_null(json);
        return;
    }
    bool filtered = translation_finish_of(translation, 0) == FINISH_CONTENT_FILTER;
    json_begin_object(json);
    json_member_text(json, "reason", filtered ? TEXT("content_filter") : TEXT("max_output_tokens"));
    json_end_object(json);
}

static void write_output(struct translation *translation, struct response_state *state,
                         struct json_writer *json, enum response_status status)
{
    json_key(json, TEXT("output"));
    json_begin_array(json);
    for (size_t i = 0; i < state->item_count && status != RESPONSE_IN_PROGRESS; i++) {
        if (i > 0)
            buffer_append_char(json->out, ',');
        response_write_item(translation, &state->items[i], true);
    }
    json_end_array(json);
}

void response_write(struct translation *translation, struct response_state *state,
                    enum response_status status, struct text code, struct text message)
{
    static const struct text names[] = {
        [RESPONSE_IN_PROGRESS] = TEXT_INIT("in_progress"),
        [RESPONSE_COMPLETED] = TEXT_INIT("completed"),
        [RESPONSE_INCOMPLETE] = TEXT_INIT("incomplete"),
        [RESPONSE_FAILED] = TEXT_INIT("failed"),
    };
    struct json_writer json;
    json_open(&json, &translation->out);
    json_begin_object(&json);
    json_member_text(&json, "id", state->id);
    json_member_text(&json, "object", TEXT("response"));
    json_member_signed(&json, "created_at", translation->settings.created);
    json_member_text(&json, "status", names[status]);
    json_member_bool(&json, "background", false);
    write_error(&json, status, code, message);
    write_incomplete(translation, &json, status);
    json_member_text(&json, "model", translation->model);
    write_output(translation, state, &json, status);
    json_member_text(&json, "previous_response_id", (struct text){NULL, 0});
    if (!text_empty(translation->service_tier))
        json_member_text(&json, "service_tier", translation->service_tier);
    json_member_bool(&json, "store", false);
    json_key(&json, TEXT("usage"));
    if (status != RESPONSE_IN_PROGRESS && translation->usage.source != USAGE_NONE)
        write_usage(&json, &translation->usage);
    else
        json_null(&json);
    buffer_append_char(&translation->out, ',');
    buffer_append(&translation->out, state->echo);
    json_end_object(&json);
}
