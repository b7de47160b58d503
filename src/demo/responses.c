/* responses: whole answers and the full order of events that strict SDKs insist on. */
#include "codec/sse.h"
#include "demo/reply.h"

#define EVENT_MAX (512u * 1024)

/* What the writers of events share. */
struct telling {
    struct reply *reply;
    const struct talk *talk;
    struct text id, item_id, call_id;
    uint64_t sequence;
    struct buffer data;
    struct json_writer json;
};

static bool calls(const struct telling *telling)
{
    return telling->talk->tool != NULL;
}

/* ---- objects ---- */

/* `full`: with its content, as it is when done. */
static void write_part(struct telling *telling, bool full)
{
    struct json_writer *json = &telling->json;
    json_begin_object(json);
    json_member_text(json, "type", TEXT("output_text"));
    json_member_text(json, "text", full ? buffer_text(&telling->talk->reply) : TEXT(""));
    json_key(json, TEXT("annotations"));
    json_raw(json, TEXT("[]"));
    json_key(json, TEXT("logprobs"));
    json_raw(json, TEXT("[]"));
    json_end_object(json);
}

static struct text item_status(const struct telling *telling, bool full)
{
    if (!full)
        return TEXT("in_progress");
    return telling->talk->was_cut ? TEXT("incomplete") : TEXT("completed");
}

static void write_item(struct telling *telling, bool full)
{
    struct json_writer *json = &telling->json;
    json_begin_object(json);
    json_member_text(json, "id", telling->item_id);
    json_member_text(json, "type", calls(telling) ? TEXT("function_call") : TEXT("message"));
    json_member_text(json, "status", item_status(telling, full));
    if (calls(telling)) {
        json_member_text(json, "call_id", telling->call_id);
        json_member_text(json, "name", telling->talk->tool_name);
        json_member_text(json, "arguments", full ? buffer_text(&telling->talk->reply) : TEXT(""));
    } else {
        json_member_text(json, "role", TEXT("assistant"));
        json_key(json, TEXT("content"));
        json_begin_array(json);
        if (full)
            write_part(telling, true);
        json_end_array(json);
    }
    json_end_object(json);
}

static void write_usage(struct telling *telling)
{
    struct json_writer *json = &telling->json;
    const struct talk *talk = telling->talk;
    json_begin_object(json);
    json_member_unsigned(json, "input_tokens", talk->input_tokens);
    json_key(json, TEXT("input_tokens_details"));
    json_raw(json, TEXT("{\"cached_tokens\":0,\"cache_write_tokens\":0}"));
    json_member_unsigned(json, "output_tokens", talk->output_tokens);
    json_key(json, TEXT("output_tokens_details"));
    json_raw(json, TEXT("{\"reasoning_tokens\":0}"));
    json_member_unsigned(json, "total_tokens", talk->input_tokens + talk->output_tokens);
    json_end_object(json);
}

static void write_nulls(struct json_writer *json, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_key(json, text_from(keys[i]));
        json_null(json);
    }
}

static void write_response(struct telling *telling, bool full)
{
    static const char *const nulls[] = {"error", "instructions", "max_output_tokens",
                                        "previous_response_id", "user"};
    struct json_writer *json = &telling->json;
    json_begin_object(json);
    json_member_text(json, "id", telling->id);
    json_member_text(json, "object", TEXT("response"));
    json_member_signed(json, "created_at", telling->reply->created);
    json_member_text(json, "status", item_status(telling, full));
    json_member_text(json, "model", telling->talk->model);
    write_nulls(json, nulls, ARRAY_LENGTH(nulls));
    json_key(json, TEXT("incomplete_details"));
    if (full && telling->talk->was_cut)
        json_raw(json, TEXT("{\"reason\":\"max_output_tokens\"}"));
    else
        json_null(json);
    json_key(json, TEXT("output"));
    json_begin_array(json);
    if (full)
        write_item(telling, true);
    json_end_array(json);
    json_member_bool(json, "parallel_tool_calls", true);
    json_member_bool(json, "store", false);
    json_member_text(json, "service_tier", TEXT("default"));
    json_member_text(json, "tool_choice", TEXT("auto"));
    json_key(json, TEXT("tools"));
    json_raw(json, TEXT("[]"));
    json_key(json, TEXT("temperature"));
    json_raw(json, TEXT("1.0"));
    json_key(json, TEXT("top_p"));
    json_raw(json, TEXT("1.0"));
    json_member_text(json, "truncation", TEXT("disabled"));
    json_key(json, TEXT("text"));
    json_raw(json, TEXT("{\"format\":{\"type\":\"text\"}}"));
    json_key(json, TEXT("reasoning"));
    json_raw(json, TEXT("{\"effort\":null,\"summary\":null}"));
    json_key(json, TEXT("metadata"));
    json_raw(json, TEXT("{}"));
    json_key(json, TEXT("usage"));
    if (full)
        write_usage(telling);
    else
        json_null(json);
    json_end_object(json);
}

/* ---- events ---- */

static void event_begin(struct telling *telling, const char *type)
{
    buffer_clear(&telling->data);
    json_open(&telling->json, &telling->data);
    json_begin_object(&telling->json);
    json_member_text(&telling->json, "type", text_from(type));
    json_member_unsigned(&telling->json, "sequence_number", telling->sequence++);
}

static void event_end(struct telling *telling, const char *type)
{
    json_end_object(&telling->json);
    if (!json_done(&telling->json) ||
        !sse_append(&telling->reply->body, text_from(type), buffer_text(&telling->data)))
        telling->reply->body.failed = true;
}

static void tell_response(struct telling *telling, const char *type, bool full)
{
    event_begin(telling, type);
    json_key(&telling->json, TEXT("response"));
    write_response(telling, full);
    event_end(telling, type);
}

static void tell_item(struct telling *telling, const char *type, bool full)
{
    event_begin(telling, type);
    json_member_unsigned(&telling->json, "output_index", 0);
    json_key(&telling->json, TEXT("item"));
    write_item(telling, full);
    event_end(telling, type);
}

/* An event about the content of the item. */
static void content_begin(struct telling *telling, const char *type)
{
    event_begin(telling, type);
    json_member_text(&telling->json, "item_id", telling->item_id);
    json_member_unsigned(&telling->json, "output_index", 0);
    if (!calls(telling))
        json_member_unsigned(&telling->json, "content_index", 0);
}

static void tell_part(struct telling *telling, const char *type, bool full)
{
    content_begin(telling, type);
    json_key(&telling->json, TEXT("part"));
    write_part(telling, full);
    event_end(telling, type);
}

static void tell_text(struct telling *telling, const char *type, const char *key, struct text text)
{
    content_begin(telling, type);
    json_member_text(&telling->json, key, text);
    if (calls(telling)) {
        if (text_equal(text_from(key), TEXT("arguments")))
            json_member_text(&telling->json, "name", telling->talk->tool_name);
    } else {
        json_key(&telling->json, TEXT("logprobs"));
        json_raw(&telling->json, TEXT("[]"));
    }
    event_end(telling, type);
}

static void write_stream(struct telling *telling)
{
    struct text whole = buffer_text(&telling->talk->reply), rest = whole;
    const char *delta =
        calls(telling) ? "response.function_call_arguments.delta" : "response.output_text.delta";
    tell_response(telling, "response.created", false);
    tell_response(telling, "response.in_progress", false);
    tell_item(telling, "response.output_item.added", false);
    if (!calls(telling))
        tell_part(telling, "response.content_part.added", false);
    while (rest.length > 0 && !telling->reply->body.failed)
        tell_text(telling, delta, "delta", talk_next_piece(&rest));
    if (calls(telling)) {
        tell_text(telling, "response.function_call_arguments.done", "arguments", whole);
    } else {
        tell_text(telling, "response.output_text.done", "text", whole);
        tell_part(telling, "response.content_part.done", true);
    }
    tell_item(telling, "response.output_item.done", true);
    tell_response(telling, telling->talk->was_cut ? "response.incomplete" : "response.completed",
                  true);
}

static void answer(struct reply *reply, const struct talk *talk)
{
    char id[REPLY_ID_SIZE], item_id[REPLY_ID_SIZE], call_id[REPLY_ID_SIZE];
    struct telling telling = {
        .reply = reply,
        .talk = talk,
        .id = reply_id(reply, "resp_demo", 0, id),
        .item_id = reply_id(reply, talk->tool != NULL ? "fc_demo" : "msg_demo", 0, item_id),
        .call_id = reply_id(reply, "call_demo", 0, call_id),
    };
    buffer_open(&telling.data, EVENT_MAX);
    reply->stream = talk->stream;
    if (talk->stream) {
        write_stream(&telling);
    } else {
        json_open(&telling.json, &reply->body);
        write_response(&telling, true);
        if (!json_done(&telling.json))
            reply->body.failed = true;
    }
    buffer_close(&telling.data);
}

void responses_answer(struct reply *reply, yyjson_val *root, size_t length)
{
    struct talk talk;
    struct demo_problem problem;
    if (!talk_read_responses(&talk, root, length, &problem))
        reply_error(reply, 400, &problem);
    else if (!talk_answer(&talk))
        reply->body.failed = true;
    else
        answer(reply, &talk);
    talk_close(&talk);
}
