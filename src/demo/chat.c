/* chat/completions: whole answers and chunks. */
#include "codec/sse.h"
#include "demo/reply.h"

#define CHUNK_MAX (512u * 1024)

static struct text finish_reason(const struct talk *talk)
{
    if (talk->tool != NULL)
        return TEXT("tool_calls");
    return talk->was_cut ? TEXT("length") : TEXT("stop");
}

static void write_usage(struct json_writer *json, const struct talk *talk)
{
    uint64_t output = talk->output_tokens * talk->n;
    json_begin_object(json);
    json_member_unsigned(json, "prompt_tokens", talk->input_tokens);
    json_member_unsigned(json, "completion_tokens", output);
    json_member_unsigned(json, "total_tokens", talk->input_tokens + output);
    json_key(json, TEXT("prompt_tokens_details"));
    json_raw(json, TEXT("{\"cached_tokens\":0,\"audio_tokens\":0}"));
    json_key(json, TEXT("completion_tokens_details"));
    json_raw(json, TEXT("{\"reasoning_tokens\":0,\"audio_tokens\":0,"
                        "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}"));
    json_end_object(json);
}

static void write_start(struct json_writer *json, const struct reply *reply,
                        const struct talk *talk, struct text object)
{
    char id[REPLY_ID_SIZE];
    json_begin_object(json);
    json_member_text(json, "id", reply_id(reply, "chatcmpl-demo", 0, id));
    json_member_text(json, "object", object);
    json_member_signed(json, "created", reply->created);
    json_member_text(json, "model", talk->model);
    json_member_text(json, "service_tier", TEXT("default"));
    json_member_text(json, "system_fingerprint", TEXT("fp_demo"));
}

static void write_message(struct json_writer *json, const struct reply *reply,
                          const struct talk *talk, unsigned index)
{
    char id[REPLY_ID_SIZE];
    bool calls = talk->tool != NULL;
    json_begin_object(json);
    json_member_text(json, "role", TEXT("assistant"));
    json_member_text(json, "content", calls ? (struct text){NULL, 0} : buffer_text(&talk->reply));
    json_member_text(json, "refusal", (struct text){NULL, 0});
    json_key(json, TEXT("annotations"));
    json_raw(json, TEXT("[]"));
    if (calls) {
        json_key(json, TEXT("tool_calls"));
        json_begin_array(json);
        json_begin_object(json);
        json_member_text(json, "id", reply_id(reply, "call_demo", index, id));
        json_member_text(json, "type", TEXT("function"));
        json_key(json, TEXT("function"));
        json_begin_object(json);
        json_member_text(json, "name", talk->tool_name);
        json_member_text(json, "arguments", buffer_text(&talk->reply));
        json_end_object(json);
        json_end_object(json);
        json_end_array(json);
    }
    json_end_object(json);
}

static void write_whole(struct reply *reply, const struct talk *talk)
{
    struct json_writer json;
    json_open(&json, &reply->body);
    write_start(&json, reply, talk, TEXT("chat.completion"));
    json_key(&json, TEXT("choices"));
    json_begin_array(&json);
    for (unsigned i = 0; i < talk->n; i++) {
        json_begin_object(&json);
        json_member_unsigned(&json, "index", i);
        json_key(&json, TEXT("message"));
        write_message(&json, reply, talk, i);
        json_key(&json, TEXT("logprobs"));
        json_null(&json);
        json_member_text(&json, "finish_reason", finish_reason(talk));
        json_end_object(&json);
    }
    json_end_array(&json);
    json_key(&json, TEXT("usage"));
    write_usage(&json, talk);
    json_end_object(&json);
    if (!json_done(&json))
        reply->body.failed = true;
}

/* ---- chunks ---- */

enum chunk_kind {
    CHUNK_FIRST,     /* role, and the head of a tool call */
    CHUNK_TEXT,      /* a piece of content */
    CHUNK_ARGUMENTS, /* a piece of a tool call's arguments */
    CHUNK_FINISH
};

static void write_delta(struct json_writer *json, const struct reply *reply,
                        const struct talk *talk, enum chunk_kind kind, unsigned index,
                        struct text piece)
{
    char id[REPLY_ID_SIZE];
    bool calls = talk->tool != NULL;
    json_begin_object(json);
    if (kind == CHUNK_FIRST) {
        json_member_text(json, "role", TEXT("assistant"));
        json_member_text(json, "content", calls ? (struct text){NULL, 0} : TEXT(""));
        json_member_text(json, "refusal", (struct text){NULL, 0});
    }
    if (kind == CHUNK_TEXT)
        json_member_text(json, "content", piece);
    if (kind == CHUNK_ARGUMENTS || (kind == CHUNK_FIRST && calls)) {
        json_key(json, TEXT("tool_calls"));
        json_begin_array(json);
        json_begin_object(json);
        json_member_unsigned(json, "index", 0);
        if (kind == CHUNK_FIRST) {
            json_member_text(json, "id", reply_id(reply, "call_demo", index, id));
            json_member_text(json, "type", TEXT("function"));
        }
        json_key(json, TEXT("function"));
        json_begin_object(json);
        if (kind == CHUNK_FIRST)
            json_member_text(json, "name", talk->tool_name);
        json_member_text(json, "arguments", kind == CHUNK_FIRST ? TEXT("") : piece);
        json_end_object(json);
        json_end_object(json);
        json_end_array(json);
    }
    json_end_object(json);
}

static void append_chunk(struct reply *reply, const struct talk *talk, enum chunk_kind kind,
                         unsigned index, struct text piece)
{
    struct buffer data;
    struct json_writer json;
    buffer_open(&data, CHUNK_MAX);
    json_open(&json, &data);
    write_start(&json, reply, talk, TEXT("chat.completion.chunk"));
    json_key(&json, TEXT("choices"));
    json_begin_array(&json);
    json_begin_object(&json);
    json_member_unsigned(&json, "index", index);
    json_key(&json, TEXT("delta"));
    write_delta(&json, reply, talk, kind, index, piece);
    json_key(&json, TEXT("logprobs"));
    json_null(&json);
    json_member_text(&json, "finish_reason",
                     kind == CHUNK_FINISH ? finish_reason(talk) : (struct text){NULL, 0});
    json_end_object(&json);
    json_end_array(&json);
    if (talk->include_usage) {
        json_key(&json, TEXT("usage"));
        json_null(&json);
    }
    json_end_object(&json);
    if (!json_done(&json) || !sse_append(&reply->body, TEXT(""), buffer_text(&data)))
        reply->body.failed = true;
    buffer_close(&data);
}

static void append_usage_chunk(struct reply *reply, const struct talk *talk)
{
    struct buffer data;
    struct json_writer json;
    buffer_open(&data, CHUNK_MAX);
    json_open(&json, &data);
    write_start(&json, reply, talk, TEXT("chat.completion.chunk"));
    json_key(&json, TEXT("choices"));
    json_raw(&json, TEXT("[]"));
    json_key(&json, TEXT("usage"));
    write_usage(&json, talk);
    json_end_object(&json);
    if (!json_done(&json) || !sse_append(&reply->body, TEXT(""), buffer_text(&data)))
        reply->body.failed = true;
    buffer_close(&data);
}

static void write_stream(struct reply *reply, const struct talk *talk)
{
    enum chunk_kind kind = talk->tool != NULL ? CHUNK_ARGUMENTS : CHUNK_TEXT;
    for (unsigned i = 0; i < talk->n && !reply->body.failed; i++) {
        struct text rest = buffer_text(&talk->reply), none = {NULL, 0};
        append_chunk(reply, talk, CHUNK_FIRST, i, none);
        while (rest.length > 0)
            append_chunk(reply, talk, kind, i, talk_next_piece(&rest));
        append_chunk(reply, talk, CHUNK_FINISH, i, none);
    }
    if (talk->include_usage)
        append_usage_chunk(reply, talk);
    sse_append(&reply->body, TEXT(""), TEXT("[DONE]"));
}

void chat_answer(struct reply *reply, yyjson_val *root, size_t length)
{
    struct talk talk;
    struct demo_problem problem;
    if (!talk_read_chat(&talk, root, length, &problem)) {
        reply_error(reply, 400, &problem);
    } else if (!talk_answer(&talk)) {
        reply->body.failed = true;
    } else if (talk.stream) {
        reply->stream = true;
        write_stream(reply, &talk);
    } else {
        write_whole(reply, &talk);
    }
    talk_close(&talk);
}
